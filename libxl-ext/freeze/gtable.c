/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Mapping the grant table of a guest, read-only.
 *
 * XENMEM_acquire_resource grows a table that is shorter than what is
 * asked for, so its size is asked first (GNTTABOP_query_size) and never
 * gone beyond.  Status frames exist for version 2 only; their number
 * follows from that of the shared frames.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "freeze/grants.h"

#define FRAMES_MAX 65536U       /* far more than Xen lets a guest have */

static int map(struct lxe__gmap *m, uint32_t domid, unsigned id, size_t nr,
               xenforeignmemory_resource_handle **res_r,
               const void **addr_r, struct lxe__err *err)
{
    void *addr = NULL;

    *res_r = xenforeignmemory_map_resource(
        m->fmem, domid, XENMEM_resource_grant_table, id, 0, nr, &addr,
        PROT_READ, 0);
    if (!*res_r)
        return lxe__err_set(err, errno, "freeze: cannot map %zu %s frames"
                            " of domain %u's grant table: %s", nr,
                            id == XENMEM_resource_grant_table_id_status
                            ? "status" : "shared", domid,
                            strerror(errno));
    *addr_r = addr;
    return 0;
}

/* The version and number of frames as they are now. */
static int ask(xc_interface *xch, uint32_t domid, unsigned *version_r,
               size_t *nr_r, struct lxe__err *err)
{
    struct gnttab_query_size query = { .dom = domid };
    int r;

    if (xc_gnttab_query_size(xch, &query) || query.status)
        return lxe__err_set(err, query.status ? EIO : errno, "freeze:"
                            " cannot ask for the size of domain %u's grant"
                            " table (status %d)", domid, query.status);
    if (!query.nr_frames || query.nr_frames > FRAMES_MAX)
        return lxe__err_set(err, ERANGE, "freeze: domain %u's grant table"
                            " has %u frames, not 1 to %u", domid,
                            query.nr_frames, FRAMES_MAX);
    r = xc_gnttab_get_version(xch, domid);
    if (r != 1 && r != 2)
        return lxe__err_set(err, r < 0 ? errno : EPROTO, "freeze: domain"
                            " %u's grant table is of version %d, not 1 or"
                            " 2", domid, r);
    *version_r = r;
    *nr_r = query.nr_frames;
    return 0;
}

int lxe__gmap_open(struct lxe__gmap *m, xc_interface *xch,
                   xenforeignmemory_handle *fmem, uint32_t domid,
                   struct lxe__err *err)
{
    const void *status = NULL;
    int rc;

    memset(m, 0, sizeof(*m));
    m->fmem = fmem;
    rc = ask(xch, domid, &m->t.version, &m->t.nr_frames, err);
    if (rc)
        goto out;
    rc = map(m, domid, XENMEM_resource_grant_table_id_shared,
             m->t.nr_frames, &m->shared, &m->t.shared, err);
    if (rc || m->t.version == 1)
        goto out;
    m->t.nr_status_frames = lxe__gtable_status_frames(m->t.nr_frames);
    rc = map(m, domid, XENMEM_resource_grant_table_id_status,
             m->t.nr_status_frames, &m->status, &status, err);
    if (!rc)
        m->t.status = status;

 out:
    if (rc)
        lxe__gmap_close(m);
    return rc;
}

int lxe__gmap_refresh(struct lxe__gmap *m, xc_interface *xch,
                      uint32_t domid, struct lxe__err *err)
{
    xenforeignmemory_handle *fmem = m->fmem;
    unsigned version = 0;
    size_t nr = 0;

    if (ask(xch, domid, &version, &nr, err))
        return -1;
    if (version == m->t.version && nr == m->t.nr_frames)
        return 0;
    lxe__gmap_close(m);
    return lxe__gmap_open(m, xch, fmem, domid, err);
}

void lxe__gmap_close(struct lxe__gmap *m)
{
    if (m->shared)
        xenforeignmemory_unmap_resource(m->fmem, m->shared);
    if (m->status)
        xenforeignmemory_unmap_resource(m->fmem, m->status);
    memset(m, 0, sizeof(*m));
}
