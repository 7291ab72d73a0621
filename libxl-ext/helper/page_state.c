/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What page_state.h says, in the order in which it happens.
 *
 * A save that stock tools would finish is finished here too: where it
 * cannot be known which tables are validated the image is what stock
 * tools write, and one line says so and what to do.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/io.h"
#include "base/log.h"
#include "guest/m2p.h"
#include "helper/page_state.h"
#include "stream/libxc_format.h"
#include "tables/pages.h"

#define FORCE_ENV "LIBXL_EXT_PAGE_STATE"

#define RECORD_PAGES 1024U      /* as many as libxenguest puts in one */
#define HEAD_BYTES   (LXE_RHDR_LEN + LXE_LIBXC_PAGE_DATA_LEN)

enum stage {
    RUNNING,                    /* types are noted */
    STOPPED,                    /* ... and the next _write() counts */
    WRITTEN,                    /* it was done, or could not be */
};

struct stale {
    uint64_t mfn, pfn;
};

struct lxe__page_state {
    struct lxe__page_state_args args;
    xenforeignmemory_handle *fmem;
    enum stage stage;
    struct lxe__seen seen;
    uint64_t asked;             /* calls for types that were seen */
    size_t tables, stale;       /* found; written as plain pages */
    size_t unnamed;             /* stale, without a number in the guest */
    uint64_t us;                /* that it took, the guest suspended */
    struct lxe__err unknown;    /* why nothing is known */
    struct lxe__err err;        /* why the stream is broken */
};

/*----- before the save -----*/

bool lxe__page_state_needed(xc_interface *xch)
{
    int version = xc_version(xch, XENVER_version, NULL);

#ifdef LXE_DEBUG
    /* To try it where nothing must be found. */
    if (getenv(FORCE_ENV))
        return true;
#endif
    return version >= 0 && version < (4 << 16 | 16);
}

int lxe__page_state_new(struct lxe__page_state **out,
                        const struct lxe__page_state_args *args,
                        struct lxe__err *err)
{
    struct lxe__page_state *ps = calloc(1, sizeof(*ps));

    if (!ps)
        return lxe__err_set(err, ENOMEM, "page state: no memory");
    ps->args = *args;
    ps->fmem = xenforeignmemory_open(args->logger, 0);
    if (!ps->fmem) {
        lxe__err_set(err, errno, "page state: opening the interface to"
                     " memory of guests: %s", strerror(errno));
        free(ps);
        return -1;
    }
    *out = ps;
    return 0;
}

void lxe__page_state_free(struct lxe__page_state *ps)
{
    if (!ps)
        return;
    xenforeignmemory_close(ps->fmem);
    lxe__seen_dispose(&ps->seen);
    free(ps);
}

/*----- pages are moved -----*/

void lxe__page_state_seen(struct lxe__page_state *ps, uint32_t domid,
                          const xen_pfn_t *mfns, const xen_pfn_t *types,
                          unsigned int nr)
{
    unsigned int i;

    if (domid != ps->args.domid || ps->stage == WRITTEN)
        return;
    ps->asked++;
    for (i = 0; i < nr; i++)
        if (lxe__page_is_table(lxe__page_type(types[i])))
            lxe__seen_add(&ps->seen, mfns[i]);
}

void lxe__page_state_stopped(struct lxe__page_state *ps)
{
    if (ps && ps->stage == RUNNING)
        ps->stage = STOPPED;
}

/*----- all pages are written -----*/

static int by_pfn(const void *av, const void *bv)
{
    const struct stale *a = av, *b = bv;

    return a->pfn < b->pfn ? -1 : a->pfn > b->pfn;
}

/*
 * A guest may write to Xen's table what it likes, and a frame number
 * that it does not have makes a receiver give up.
 */
static int name_stale(struct lxe__page_state *ps,
                      const struct lxe__tables_found *found,
                      struct stale *list)
{
    const struct lxe__page_state_args *a = &ps->args;
    uint64_t *pfns = calloc(found->nr, sizeof(*pfns));
    xen_pfn_t max_pfn;
    size_t i;
    int rc;

    if (!pfns)
        return lxe__err_set(&ps->unknown, ENOMEM, "no memory for %zu"
                            " frames", found->nr);
    if (xc_domain_maximum_gpfn(a->xch, a->domid, &max_pfn) < 0)
        rc = lxe__err_set(&ps->unknown, errno, "reading its highest"
                          " frame: %s", strerror(errno));
    else
        rc = lxe__m2p_read(a->xch, ps->fmem, found->stale, found->nr,
                           pfns, &ps->unknown);
    for (i = 0; !rc && i < found->nr; i++) {
        if (pfns[i] > max_pfn) {
            ps->unnamed++;
            continue;
        }
        list[ps->stale].mfn = found->stale[i];
        list[ps->stale++].pfn = pfns[i];
    }
    free(pfns);
    return rc;
}

/* Two frames of one number: which of them is it? */
static void drop_doubles(struct lxe__page_state *ps, struct stale *list)
{
    size_t i, n = 0;

    for (i = 0; i < ps->stale; i++) {
        if ((i && list[i].pfn == list[i - 1].pfn) ||
            (i + 1 < ps->stale && list[i].pfn == list[i + 1].pfn))
            ps->unnamed++;
        else
            list[n++] = list[i];
    }
    ps->stale = n;
}

static void encode_head(const struct stale *list, size_t nr, uint8_t *head)
{
    const struct lxe__libxc_rhdr rh = {
        .type = LXE_LIBXC_REC_PAGE_DATA,
        .length = LXE_LIBXC_PAGE_DATA_LEN + nr * (8 + LXE_PAGE_SIZE),
    };
    size_t i;

    lxe__libxc_rhdr_encode(&rh, head);
    lxe__libxc_page_data_encode(nr, head + LXE_RHDR_LEN);
    for (i = 0; i < nr; i++)    /* of type NOTAB */
        lxe__libxc_page_encode(list[i].pfn, LXE_PAGE_NOTAB,
                               head + HEAD_BYTES + i * 8);
}

/*
 * One record, with what is in memory.  *@wrote_r: a part of it may be in
 * the stream.
 */
static int write_record(struct lxe__page_state *ps,
                        const struct stale *list, size_t nr,
                        bool *wrote_r)
{
    uint8_t head[HEAD_BYTES + RECORD_PAGES * 8];
    const struct lxe__page_state_args *a = &ps->args;
    xen_pfn_t mfns[RECORD_PAGES] = { 0 };
    int errs[RECORD_PAGES] = { 0 };
    void *pages;
    size_t i;
    int rc = 0;

    *wrote_r = false;
    for (i = 0; i < nr; i++)
        mfns[i] = list[i].mfn;
    pages = xenforeignmemory_map(ps->fmem, a->domid, PROT_READ, nr, mfns,
                                 errs);
    if (!pages)
        return lxe__err_set(&ps->unknown, errno, "mapping %zu pages: %s",
                            nr, strerror(errno));
    for (i = 0; i < nr && !rc; i++)
        if (errs[i])
            rc = lxe__err_set(&ps->unknown, EFAULT, "mapping machine"
                              " frame 0x%"PRIx64": error %d",
                              list[i].mfn, errs[i]);
    if (!rc) {
        *wrote_r = true;
        encode_head(list, nr, head);
        if (lxe__write_full(a->fd, head, HEAD_BYTES + nr * 8) ||
            lxe__write_full(a->fd, pages, nr * LXE_PAGE_SIZE))
            rc = lxe__err_set(&ps->err, errno, "save: domain %u: writing"
                              " %zu pages that are page tables no more:"
                              " %s", a->domid, nr, strerror(errno));
    }
    xenforeignmemory_unmap(ps->fmem, pages, nr);
    return rc;
}

static int write_records(struct lxe__page_state *ps,
                         const struct stale *list, size_t nr)
{
    bool wrote;
    size_t n;

    for (; nr; nr -= n, list += n) {
        n = nr < RECORD_PAGES ? nr : RECORD_PAGES;
        if (write_record(ps, list, n, &wrote))
            return wrote ? -1 : 0;
        if (LXE_FAULT(STATE_AFTER_RECORD, &ps->err))
            return -1;
    }
    return 0;
}

static int mend(struct lxe__page_state *ps)
{
    const struct lxe__page_state_args *a = &ps->args;
    const struct lxe__tables_guest g = {
        .xch = a->xch,
        .fmem = ps->fmem,
        .domid = a->domid,
        .types = a->types,
    };
    struct lxe__tables_found found;
    struct stale *list = NULL;
    int rc = 0;

    if (lxe__tables_judge(&g, &ps->seen, &found, &ps->unknown))
        return 0;
    ps->tables = found.tables;
    if (!found.nr)
        return 0;
    /* A receiver compares what is after VERIFY, and keeps none of it. */
    if (a->verify) {
        lxe__err_set(&ps->unknown, EINVAL, "%zu of %zu page tables are not"
                     " validated, and they cannot be sent behind a verify"
                     " pass", found.nr, found.tables);
        goto out;
    }
    list = calloc(found.nr, sizeof(*list));
    if (!list) {
        lxe__err_set(&ps->unknown, ENOMEM, "no memory for %zu frames",
                     found.nr);
        goto out;
    }
    if (name_stale(ps, &found, list))
        goto out;
    qsort(list, ps->stale, sizeof(*list), by_pfn);
    drop_doubles(ps, list);
    rc = write_records(ps, list, ps->stale);

 out:
    free(list);
    free(found.stale);
    return rc;
}

int lxe__page_state_write(struct lxe__page_state *ps)
{
    uint64_t start = lxe__now_us();
    int rc;

    if (ps->stage != STOPPED)
        return 0;
    ps->stage = WRITTEN;
    if (!ps->asked) {
        lxe__err_set(&ps->unknown, ENOSYS, "libxenguest asked for no types"
                     " that this program could see");
        return 0;
    }
    rc = LXE_FAULT(STATE_BEFORE, &ps->err) ? -1 : mend(ps);
    ps->us = lxe__now_us() - start;
    if (rc)
        errno = ps->err.code;
    return rc;
}

/*----- the save is done -----*/

const struct lxe__err *
lxe__page_state_error(const struct lxe__page_state *ps)
{
    return &ps->err;
}

void lxe__page_state_report(const struct lxe__page_state *ps)
{
    const char *why;

    if (!ps)
        return;
    why = ps->stage != WRITTEN ? "libxenguest has not called this program"
                                 " behind the last page"
                               : ps->unknown.msg;
    if (ps->stage != WRITTEN || ps->unknown.code)
        LXE_WARN(ps->args.logger, "save: domain %u: page state: %s: page"
                 " tables are in the image as this Xen calls them; with a"
                 " file, xl-ext image convert --page-state mends that",
                 ps->args.domid, why);
    else if (ps->unnamed)
        LXE_WARN(ps->args.logger, "save: domain %u: page state: %zu pages"
                 " that are page tables no more have no frame number in"
                 " the guest and stay what they were; %zu of %zu page"
                 " tables were sent as plain pages", ps->args.domid,
                 ps->unnamed, ps->stale, ps->tables);
    else
        xtl_log(ps->args.logger, ps->stale ? XTL_INFO : XTL_DEBUG, -1,
                LXE_LOG_CONTEXT, "save: domain %u: page state: %zu of %zu"
                " page tables are not validated any more and were sent as"
                " plain pages, in %"PRIu64" us", ps->args.domid,
                ps->stale, ps->tables, ps->us);
}
