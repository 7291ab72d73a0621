/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Reading grant table entries from a buffer.  Pure code.
 *
 * The flag bits mean different things by type: the bit that says
 * "being read" of an access entry says "transfer complete" of a transfer
 * entry, so the type is looked at first.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "freeze/grants.h"

_Static_assert(sizeof(grant_entry_v1_t) == 8, "grant_entry_v1_t");
_Static_assert(sizeof(grant_entry_v2_t) == 16, "grant_entry_v2_t");

static size_t entry_size(const struct lxe__gtable *t)
{
    return t->version == 2 ? sizeof(grant_entry_v2_t)
                           : sizeof(grant_entry_v1_t);
}

size_t lxe__gtable_status_frames(size_t nr_frames)
{
    size_t entries = nr_frames * LXE_GRANT_FRAME /
                     sizeof(grant_entry_v2_t);

    return (entries * sizeof(grant_status_t) + LXE_GRANT_FRAME - 1) /
           LXE_GRANT_FRAME;
}

uint32_t lxe__gtable_entries(const struct lxe__gtable *t)
{
    size_t n = t->nr_frames * LXE_GRANT_FRAME / entry_size(t);
    size_t s;

    if (t->version == 2) {
        s = t->nr_status_frames * LXE_GRANT_FRAME /
            sizeof(grant_status_t);
        if (s < n)
            n = s;
    }
    return n > UINT32_MAX ? UINT32_MAX : n;
}

int lxe__gtable_get(const struct lxe__gtable *t, uint32_t ref,
                    struct lxe__grant *g)
{
    grant_entry_v1_t e1;
    grant_entry_v2_t e2;
    uint16_t status;

    memset(g, 0, sizeof(*g));
    if (ref >= lxe__gtable_entries(t)) {
        errno = ERANGE;
        return -1;
    }
    g->ref = ref;
    /* One copy, then only the copy is looked at. */
    if (t->version == 2) {
        memcpy(&e2, (const char *)t->shared + (size_t)ref * sizeof(e2),
               sizeof(e2));
        status = ((const volatile uint16_t *)t->status)[ref];
        g->flags = (e2.hdr.flags & ~(GTF_reading | GTF_writing)) |
                   (status & (GTF_reading | GTF_writing));
        g->domid = e2.hdr.domid;
        /* Full page and sub-page have it in the same place. */
        g->frame = e2.full_page.frame;
    } else {
        memcpy(&e1, (const char *)t->shared + (size_t)ref * sizeof(e1),
               sizeof(e1));
        g->flags = e1.flags;
        g->domid = e1.domid;
        g->frame = e1.frame;
    }
    if ((g->flags & GTF_type_mask) != GTF_permit_access) {
        errno = ENOENT;
        return -1;
    }
    g->in_use = g->flags & (GTF_reading | GTF_writing);
    g->writable = g->flags & GTF_writing;
    return 0;
}

static int append(struct lxe__grants *out, const struct lxe__grant *g,
                  struct lxe__err *err)
{
    struct lxe__grant *list;
    size_t room;

    if (out->nr == out->room) {
        room = out->room ? out->room * 2 : 512;
        list = realloc(out->list, room * sizeof(*list));
        if (!list)
            return lxe__err_set(err, ENOMEM, "freeze: no memory for %zu"
                                " grants in use", room);
        out->list = list;
        out->room = room;
    }
    out->list[out->nr++] = *g;
    return 0;
}

int lxe__gtable_collect(const struct lxe__gtable *t,
                        struct lxe__grants *out, struct lxe__err *err)
{
    uint32_t n = lxe__gtable_entries(t), ref;
    struct lxe__grant g;

    out->nr = 0;
    for (ref = 0; ref < n; ref++) {
        if (lxe__gtable_get(t, ref, &g))
            continue;
        if (!g.writable &&
            (ref >= LXE_GRANT_RESERVED || !g.frame))
            continue;
        if (append(out, &g, err))
            return -1;
    }
    return 0;
}

void lxe__grants_dispose(struct lxe__grants *gs)
{
    free(gs->list);
    memset(gs, 0, sizeof(*gs));
}
