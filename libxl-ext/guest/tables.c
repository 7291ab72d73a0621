/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The page tables of a suspended PV guest, as a source for the walk.
 *
 * In order: what was seen, their types, what holds them (pins, and what
 * each vcpu has loaded, also one that is offline), the walk, the verdict.
 * Tables are mapped many at a time: all that wait to be read, up to
 * WINDOW, since a mapping costs more than a page.
 *
 * A table that is called stale although it is validated would lose the
 * guest at its restore.  So whatever does not fit what walk.h relies on
 * ends the walk without a verdict.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "guest/tables.h"
#include "memory/domain.h"
#include "tables/pages.h"
#include "tables/walk.h"

#define WINDOW 64U

struct table {
    uint64_t mfn;
    uint32_t next;              /* of those to be read; the last: itself */
    uint8_t type;               /* LXE_PAGE_* */
    bool reached;
};

struct source {
    const struct lxe__tables_guest *g;
    struct lxe__err *err;
    bool wide, bad;
    struct table *tables;       /* by rising mfn */
    size_t nr;
    bool busy;                  /* there is a list, which begins at */
    uint32_t head;
    uint8_t *map;               /* NULL: nothing is mapped */
    xen_pfn_t mapped[WINDOW];
    unsigned int nr_mapped, taken;
};

/*----- what was seen -----*/

static int by_mfn(const void *av, const void *bv)
{
    const uint64_t *a = av, *b = bv;

    return *a < *b ? -1 : *a > *b;
}

void lxe__seen_sort(struct lxe__seen *seen)
{
    size_t i, n = 0;

    if (!seen->nr)
        return;
    qsort(seen->mfns, seen->nr, sizeof(*seen->mfns), by_mfn);
    for (i = 1; i < seen->nr; i++)
        if (seen->mfns[i] != seen->mfns[n])
            seen->mfns[++n] = seen->mfns[i];
    seen->nr = n + 1;
}

void lxe__seen_add(struct lxe__seen *seen, uint64_t mfn)
{
    uint64_t *mfns;
    size_t room;

    if (seen->nr == seen->room) {
        /* A live save sees the same tables again in each pass. */
        lxe__seen_sort(seen);
        room = seen->nr > seen->room / 2 ? seen->room * 2 : seen->room;
        if (!room)
            room = 1024;
        mfns = realloc(seen->mfns, room * sizeof(*mfns));
        if (!mfns) {
            seen->lost = true;
            if (seen->nr == seen->room)
                return;
            room = seen->room;
            mfns = seen->mfns;
        }
        seen->mfns = mfns;
        seen->room = room;
    }
    seen->mfns[seen->nr++] = mfn;
}

void lxe__seen_dispose(struct lxe__seen *seen)
{
    free(seen->mfns);
    memset(seen, 0, sizeof(*seen));
}

/*----- types -----*/

static int read_types(struct source *s, const struct lxe__seen *seen)
{
    const struct lxe__tables_guest *g = s->g;
    xen_pfn_t info[LXE_TYPES_MAX];
    size_t at, i, n;

    for (at = 0; at < seen->nr; at += n) {
        n = seen->nr - at < LXE_TYPES_MAX ? seen->nr - at : LXE_TYPES_MAX;
        for (i = 0; i < n; i++)
            info[i] = seen->mfns[at + i];
        if (g->types(g->xch, g->domid, n, info))
            return lxe__err_set(s->err, errno, "reading the types of %zu"
                                " frames: %s", n, strerror(errno));
        for (i = 0; i < n; i++) {
            unsigned int type = lxe__page_type(info[i]);

            /* What was a table and is none needs nobody. */
            if (!lxe__page_is_table(type))
                continue;
            s->tables[s->nr].mfn = seen->mfns[at + i];
            s->tables[s->nr++].type = type;
        }
    }
    return 0;
}

static int by_table(const void *keyv, const void *tv)
{
    const struct table *t = tv;
    const uint64_t *key = keyv;

    return *key < t->mfn ? -1 : *key > t->mfn;
}

static struct table *find(const struct source *s, uint64_t mfn)
{
    return s->nr ? bsearch(&mfn, s->tables, s->nr, sizeof(*s->tables),
                           by_table) : NULL;
}

/*----- the guest as a source of tables -----*/

static int table_level(void *user, uint64_t mfn)
{
    const struct table *t = find(user, mfn);

    return t ? t->type & LXE_PAGE_LEVEL : 0;
}

static void table_reach(void *user, uint64_t mfn)
{
    struct source *s = user;
    struct table *t = find(s, mfn);
    uint32_t index = t - s->tables;

    if (t->reached)
        return;
    t->reached = true;
    if ((t->type & LXE_PAGE_LEVEL) == 1)
        return;
    t->next = s->busy ? s->head : index;
    s->head = index;
    s->busy = true;
}

static void window_unmap(struct source *s)
{
    if (s->map)
        xenforeignmemory_unmap(s->g->fmem, s->map, s->nr_mapped);
    s->map = NULL;
    s->nr_mapped = s->taken = 0;
}

/* Puts what waits into the next window; it is mapped when it is read. */
static bool table_next(void *user, uint64_t *mfn_r)
{
    struct source *s = user;
    const struct table *t;

    if (s->taken == s->nr_mapped) {
        window_unmap(s);
        for (; s->busy && s->nr_mapped < WINDOW; s->nr_mapped++) {
            t = &s->tables[s->head];
            s->mapped[s->nr_mapped] = t->mfn;
            s->busy = t->next != s->head;
            s->head = t->next;
        }
        if (!s->nr_mapped)
            return false;
    }
    *mfn_r = s->mapped[s->taken++];
    return true;
}

static int table_read(void *user, uint64_t mfn, const uint8_t **page_r)
{
    struct source *s = user;
    int errs[WINDOW] = { 0 };
    unsigned int i;

    if (!s->map) {
        s->map = xenforeignmemory_map(s->g->fmem, s->g->domid, PROT_READ,
                                      s->nr_mapped, s->mapped, errs);
        if (!s->map)
            return lxe__err_set(s->err, errno, "mapping %u page tables:"
                                " %s", s->nr_mapped, strerror(errno));
        for (i = 0; i < s->nr_mapped; i++)
            if (errs[i])
                return lxe__err_set(s->err, EFAULT, "mapping the page"
                                    " table in machine frame 0x%llx:"
                                    " error %d",
                                    (unsigned long long)s->mapped[i],
                                    errs[i]);
    }
    (void)mfn;                  /* it is the one taken last */
    *page_r = s->map + (s->taken - 1) * (size_t)LXE_PAGE_SIZE;
    return 0;
}

static void table_bad(void *user, uint64_t mfn, unsigned int slot,
                      const char *what)
{
    struct source *s = user;

    s->bad = true;
    lxe__err_set(s->err, EPROTO, "page table in machine frame 0x%llx:"
                 " entry %u %s", (unsigned long long)mfn, slot, what);
}

/*----- what holds tables -----*/

static void reach_pinned(struct source *s)
{
    size_t i;

    for (i = 0; i < s->nr; i++)
        if (s->tables[i].type & LXE_PAGE_PINNED)
            table_reach(s, s->tables[i].mfn);
}

static int reach_root(struct source *s, uint32_t id, uint64_t mfn,
                      const char *what)
{
    int top = s->wide ? 4 : 3;

    if (table_level(s, mfn) != top)
        return lxe__err_set(s->err, EPROTO, "vcpu %u: %s is machine frame"
                            " 0x%llx, and that is no page table of level"
                            " %d", id, what, (unsigned long long)mfn,
                            top);
    table_reach(s, mfn);
    return 0;
}

static int reach_loaded(struct source *s, uint32_t id)
{
    vcpu_guest_context_any_t c;

    memset(&c, 0, sizeof(c));
    if (xc_vcpu_getcontext(s->g->xch, s->g->domid, id, &c)) {
        if (errno == ENODATA)   /* it never ran, and has nothing loaded */
            return 0;
        return lxe__err_set(s->err, errno, "vcpu %u: reading its"
                            " registers: %s", id, strerror(errno));
    }
    if (!s->wide) {
        /* Xen's rotated cr3. */
        uint32_t cr3 = c.x32.ctrlreg[3];

        return reach_root(s, id, cr3 >> 12 | (cr3 & 0xfff) << 20, "cr3");
    }
    if (reach_root(s, id, c.x64.ctrlreg[3] >> 12, "cr3"))
        return -1;
    return c.x64.ctrlreg[1] ?
           reach_root(s, id, c.x64.ctrlreg[1] >> 12, "cr1") : 0;
}

static int reach_roots(struct source *s)
{
    const struct lxe__tables_guest *g = s->g;
    xc_domaininfo_t info;
    uint32_t i;

    if (lxe__domain_info(g->xch, g->domid, &info))
        return lxe__err_set(s->err, ESRCH, "reading how many vcpus it has"
                            " failed");
    reach_pinned(s);
    for (i = 0; i <= info.max_vcpu_id; i++)
        if (reach_loaded(s, i))
            return -1;
    return 0;
}

/*----- the verdict -----*/

static int list_stale(const struct source *s,
                      struct lxe__tables_found *found)
{
    size_t i, nr = 0;

    for (i = 0; i < s->nr; i++)
        nr += !s->tables[i].reached;
    found->tables = s->nr;
    if (!nr)
        return 0;
    found->stale = calloc(nr, sizeof(*found->stale));
    if (!found->stale)
        return lxe__err_set(s->err, ENOMEM, "no memory for %zu frames",
                            nr);
    for (i = 0; i < s->nr; i++)
        if (!s->tables[i].reached)
            found->stale[found->nr++] = s->tables[i].mfn;
    return 0;
}

int lxe__tables_judge(const struct lxe__tables_guest *g,
                      struct lxe__seen *seen,
                      struct lxe__tables_found *found,
                      struct lxe__err *err)
{
    static const struct lxe__walk_ops ops = {
        .level = table_level,
        .reach = table_reach,
        .next = table_next,
        .read = table_read,
        .bad = table_bad,
    };
    struct source s = { .g = g, .err = err };
    struct lxe__walk walk = { .ops = &ops, .user = &s };
    unsigned int width;
    int rc;

    memset(found, 0, sizeof(*found));
    lxe__seen_sort(seen);
    if (seen->lost || seen->nr >= UINT32_MAX)
        return lxe__err_set(err, ENOMEM, "no memory for more than %zu"
                            " page tables", seen->nr);
    if (xc_domain_get_guest_width(g->xch, g->domid, &width))
        return lxe__err_set(err, errno, "reading how wide it is: %s",
                            strerror(errno));
    s.wide = walk.wide = width == 8;
    s.tables = calloc(seen->nr + 1, sizeof(*s.tables));
    if (!s.tables)
        return lxe__err_set(err, ENOMEM, "no memory for %zu page tables",
                            seen->nr);
    rc = read_types(&s, seen);
    if (!rc)
        rc = reach_roots(&s);
    if (!rc)
        rc = lxe__walk_down(&walk);
    if (!rc && s.bad)
        rc = -1;
    if (!rc)
        rc = list_stale(&s, found);
    window_unmap(&s);
    free(s.tables);
    return rc;
}
