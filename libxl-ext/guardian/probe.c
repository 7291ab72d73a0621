/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * --probe: backends, rings and frames in use of a domain, as JSON lines.
 * Nothing is changed; the domain may run, so figures may be stale.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xenstore.h>

#include "base/json.h"
#include "freeze/backends.h"
#include "freeze/poll.h"
#include "freeze/sysfs.h"
#include "guardian/guardian.h"

static const char *const ring_words[] = {
    [LXE_RING_BLK] = "blk", [LXE_RING_TX] = "tx", [LXE_RING_RX] = "rx",
};

/* Lines of an error can hold what a guest wrote. */
static void print_error(const struct lxe__err *err)
{
    struct lxe__json_out o;
    char *text;

    lxe__json_begin(&o);
    lxe__json_put_string(&o, err->msg);
    text = lxe__json_end(&o);
    /* A newline behind it would end the line. */
    printf("{\"error\": %.*s}\n", text ? (int)strcspn(text, "\n") : 4,
           text ? text : "null");
    free(text);
}

static void print_backend(const struct lxe__backend *b)
{
    printf("{\"backend\": \"%s\", \"type\": \"%s\", \"backend_domid\": %u,"
           " \"connected\": %s, \"bound\": %s, \"act\": \"%s\"}\n",
           b->name, b->type, b->backend_domid,
           b->connected ? "true" : "false",
           lxe__sysfs_bound(b->name) ? "true" : "false",
           lxe__act_name(b->verdict.act));
}

static void print_rings(struct xs_handle *xsh,
                        xenforeignmemory_handle *fmem,
                        const struct lxe__gtable *t,
                        const struct lxe__backend *b)
{
    static struct lxe__ringset rs;
    struct lxe__err err;
    size_t i;

    if (!b->connected)
        return;
    lxe__err_init(&err);
    memset(&rs, 0, sizeof(rs));
    if (lxe__ringset_list(&rs, xsh, b, &err) ||
        lxe__ringset_map(&rs, fmem, t, b, &err))
        print_error(&err);
    for (i = 0; i < rs.nr && rs.rings[i].page; i++)
        printf("{\"ring\": \"%s\", \"backend\": \"%s\", \"queue\": %u,"
               " \"ref\": %u, \"entries\": %u, \"req_prod\": %u,"
               " \"rsp_prod\": %u}\n", ring_words[rs.rings[i].kind],
               b->name, rs.rings[i].queue, rs.rings[i].ref,
               rs.rings[i].entries, lxe__ring_req_prod(&rs.rings[i]),
               lxe__ring_rsp_prod(&rs.rings[i]));
    lxe__ringset_close(&rs, fmem);
}

int probe_domain(uint32_t domid)
{
    struct lxe__policy policy = { .freeze_method = LXE_METHOD_AUTO };
    struct lxe__backends bs = { 0 };
    struct lxe__grants gs = { 0 };
    struct lxe__gmap gmap = { 0 };
    xenforeignmemory_handle *fmem = NULL;
    struct xs_handle *xsh = NULL;
    xc_interface *xch = NULL;
    struct lxe__err err;
    size_t i;
    int rc;

    lxe__err_init(&err);
    xch = xc_interface_open(NULL, NULL, 0);
    xsh = xs_open(0);
    fmem = xenforeignmemory_open(NULL, 0);
    if (!xch || !xsh || !fmem) {
        rc = lxe__err_set(&err, errno, "cannot reach Xen or xenstore: %s",
                          strerror(errno));
        goto out;
    }
    rc = lxe__backends_find(&bs, xsh, domid, &policy, &err);
    if (rc)
        goto out;
    for (i = 0; i < bs.nr; i++)
        print_backend(&bs.list[i]);
    rc = lxe__gmap_open(&gmap, xch, fmem, domid, &err);
    if (rc)
        goto out;
    for (i = 0; i < bs.nr; i++)
        print_rings(xsh, fmem, &gmap.t, &bs.list[i]);
    rc = lxe__gtable_collect(&gmap.t, &gs, &err);
    for (i = 0; !rc && i < gs.nr; i++)
        printf("{\"grant\": %u, \"to\": %u, \"frame\": %llu, \"in_use\":"
               " %s, \"writable\": %s}\n", gs.list[i].ref,
               gs.list[i].domid, (unsigned long long)gs.list[i].frame,
               gs.list[i].in_use ? "true" : "false",
               gs.list[i].writable ? "true" : "false");
    printf("{\"table\": %u, \"entries\": %u, \"listed\": %zu}\n",
           gmap.t.version, lxe__gtable_entries(&gmap.t), gs.nr);

 out:
    if (rc)
        fprintf(stderr, "libxl-ext-guardian: %s\n", err.msg);
    lxe__grants_dispose(&gs);
    if (gmap.shared)
        lxe__gmap_close(&gmap);
    lxe__backends_dispose(&bs);
    if (fmem)
        xenforeignmemory_close(fmem);
    if (xsh)
        xs_close(xsh);
    if (xch)
        xc_interface_close(xch);
    return rc ? 1 : 0;
}
