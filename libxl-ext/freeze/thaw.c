/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Bringing backends back.  Used by the helper when a save failed, by the
 * guardian when the guest runs again, and after a crash of both.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xenstore.h>

#include "base/fault.h"
#include "freeze/device.h"
#include "freeze/grants.h"
#include "freeze/poll.h"

#define BIND_MS    10000
#define SCRIPT_MS  120000  /* libxl gives it 40 s at least */
#define CONNECT_MS 10000
#define STATE_CONNECTED 4

/*
 * netback removes this node when it is unbound and the script writes it
 * as its last act, so an earlier try need not be repeated.
 */
static bool is_online(struct xs_handle *xsh, const char *be_path)
{
    char *v = lxe__xs_node(xsh, be_path, "hotplug-status");
    bool online = v && !strcmp(v, "connected");

    free(v);
    return online;
}

/* Is a ring of this backend still mapped by anybody? */
static bool rings_in_use(xc_interface *xch, struct xs_handle *xsh,
                         const char *be_path)
{
    char *fe = lxe__xs_node(xsh, be_path, "frontend");
    xenforeignmemory_handle *fmem = NULL;
    struct lxe__ringset rings = { 0 };
    struct lxe__backend b = { 0 };
    struct lxe__gmap gmap;
    struct lxe__err err;
    bool in_use = false;

    lxe__err_init(&err);
    if (!fe || strlen(fe) >= sizeof(b.fe_path) ||
        !lxe__backend_parse(be_path, &b))
        goto out;
    strcpy(b.fe_path, fe);
    fmem = xenforeignmemory_open(NULL, 0);
    if (!fmem || lxe__ringset_list(&rings, xsh, &b, &err) ||
        lxe__gmap_open(&gmap, xch, fmem, b.domid, &err))
        goto out;
    in_use = lxe__ringset_in_use(&rings, &gmap.t);
    lxe__gmap_close(&gmap);

 out:
    free(fe);
    if (fmem)
        xenforeignmemory_close(fmem);
    return in_use;
}

/* Until nothing of the time before the unbind is underway. */
static int wait_unbound(xc_interface *xch, struct xs_handle *xsh,
                        const char *be_path, const struct lxe__jentry *e,
                        struct lxe__err *err)
{
    double end = lxe__now_ms() + BIND_MS;
    bool unbinding;

    while ((unbinding = lxe__sysfs_unbinding(e->name)) ||
           (!lxe__sysfs_bound(e->name) &&
            rings_in_use(xch, xsh, be_path))) {
        if (lxe__now_ms() > end)
            return lxe__err_set(err, EBUSY, "freeze: %s: %s after %d ms:"
                                " it cannot be bound again yet", e->name,
                                unbinding ? "its unbind has not ended" :
                                "requests that it took before are still"
                                " in flight", BIND_MS);
        lxe__sleep_ms(20);
    }
    return 0;
}

static int undo_unbind(xc_interface *xch, struct xs_handle *xsh,
                       const char *be_path, const struct lxe__jentry *e,
                       struct lxe__err *err)
{
    double end;

    if (!lxe__sysfs_exists(e->name))
        return 0;
    if (wait_unbound(xch, xsh, be_path, e, err))
        return -1;
    if (!lxe__sysfs_bound(e->name) &&
        lxe__sysfs_bind(e->driver, e->name, BIND_MS, err) &&
        !lxe__sysfs_bound(e->name))
        return -1;
    if (!strcmp(e->driver, "vif") && !is_online(xsh, be_path) &&
        lxe__vif_online(e, be_path, SCRIPT_MS, err))
        return -1;
    /* The driver attaches to the ring in its own time. */
    end = lxe__now_ms() + CONNECT_MS;
    while (lxe__xs_state(xsh, be_path) != STATE_CONNECTED) {
        if (lxe__now_ms() > end)
            return lxe__err_set(err, ETIMEDOUT, "freeze: %s: bound again,"
                                " but not connected within %d ms (state"
                                " %u)", e->name, CONNECT_MS,
                                lxe__xs_state(xsh, be_path));
        if (!lxe__sysfs_exists(e->name))
            return 0;
        lxe__sleep_ms(5);
    }
    return 0;
}

static int undo_link(const struct lxe__jentry *e, struct lxe__err *err)
{
    struct lxe__err mine;

    lxe__err_init(&mine);
    if (!lxe__vif_link(e->vif, true, &mine) || mine.code == ENODEV)
        return 0;
    return lxe__err_set(err, mine.code, "%s", mine.msg);
}

int lxe__undo(xc_interface *xch, struct xs_handle *xsh,
              uint32_t own_domid, uint32_t domid,
              const struct lxe__jentry *e, struct lxe__err *err)
{
    char be_path[128];
    int rc;

    if (LXE_FAULT(THAW_BEFORE, err))
        return -1;
    if (!lxe__jentry_valid(e, domid))
        return lxe__err_set(err, EINVAL, "freeze: %s: not a name that can"
                            " be trusted", e->name);
    snprintf(be_path, sizeof(be_path), "/local/domain/%u/backend/%s/%u/%s",
             own_domid, e->driver, domid, strrchr(e->name, '-') + 1);
    rc = e->undo == LXE_UNDO_LINK ? undo_link(e, err)
                                  : undo_unbind(xch, xsh, be_path, e, err);
    if (rc)
        return -1;
    return LXE_FAULT(THAW_AFTER, err);
}

/* Scripts take long, so what needs one comes after all that does not. */
static bool needs_script(const struct lxe__jentry *e)
{
    return e->undo == LXE_UNDO_UNBIND && !strcmp(e->driver, "vif");
}

int lxe__undo_all(xc_interface *xch, struct xs_handle *xsh,
                  uint32_t own_domid, int fd,
                  const struct lxe__journal *j, struct lxe__err *err)
{
    int rc = 0, pass;
    size_t i;

    for (pass = 0; pass < 2; pass++)
        for (i = 0; i < j->nr; i++) {
            const struct lxe__jentry *e = &j->list[i];

            if (e->undone || needs_script(e) != pass)
                continue;
            if (lxe__undo(xch, xsh, own_domid, j->domid, e, err) ||
                lxe__journal_undone(fd, e, err))
                rc = -1;
        }
    return rc;
}
