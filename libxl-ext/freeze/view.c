/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The view of a guest's backends.
 *
 *   open  -> watch, find
 *   map   -> rings, interfaces, grant table
 *   ready -> tasks
 *   refresh -> nothing, or watch, find and map again
 *
 * xenstored puts the events of a write on a connection before the answer
 * to any later request on it, so one request is enough to know that no
 * event is underway.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xenstore.h>

#include "freeze/sysfs.h"
#include "freeze/view.h"
#include "freeze/vif.h"
#include "memory/pci.h"

#define TOKEN "lxe"

static int watch(struct lxe__view *v, const char *path,
                 struct lxe__err *err)
{
    if (xs_watch(v->xsh, path, TOKEN) || errno == EEXIST)
        return 0;
    return lxe__err_set(err, errno, "freeze: cannot watch %s: %s", path,
                        strerror(errno));
}

void lxe__view_take(struct lxe__view *v)
{
    char **event;

    while ((event = xs_check_watch(v->xsh))) {
        v->changed = true;
        free(event);
    }
}

/* All up to now; whether there were any since the last call. */
static bool take_events(struct lxe__view *v)
{
    bool any;

    lxe__xs_own_domid(v->xsh);      /* the round trip */
    lxe__view_take(v);
    any = v->changed;
    v->changed = false;
    return any;
}

static int find(struct lxe__view *v, struct lxe__err *err)
{
    char path[160], pci[64];
    uint32_t stub;
    size_t i;

    snprintf(path, sizeof(path), "/libxl/%u/device", v->domid);
    snprintf(pci, sizeof(pci), LXE_PCI_BACKEND, v->domid);
    if (watch(v, path, err) || watch(v, pci, err))
        return -1;
    if (lxe__pci_stub_domid(v->xsh, v->domid, &stub))
        return lxe__err_set(err, errno, "freeze: cannot read in which"
                            " domain QEMU of domain %u runs: %s", v->domid,
                            strerror(errno));
    snprintf(pci, sizeof(pci), LXE_PCI_BACKEND, stub);
    if ((stub && watch(v, pci, err)) ||
        lxe__backends_find(&v->bs, v->xsh, v->domid, v->policy, err))
        return -1;
    for (i = 0; i < v->bs.nr; i++) {
        const struct lxe__backend *b = &v->bs.list[i];

        if (!b->be_path[0])
            continue;
        snprintf(path, sizeof(path), "%s/state", b->be_path);
        if (watch(v, path, err) || watch(v, b->fe_path, err))
            return -1;
    }
    /*
     * A watch fires once when it is set.  What was written between the
     * reading and the setting is taken for that, so read again after.
     */
    take_events(v);
    lxe__backends_dispose(&v->bs);
    return lxe__backends_find(&v->bs, v->xsh, v->domid, v->policy, err);
}

int lxe__view_open(struct lxe__view *v, xc_interface *xch, uint32_t domid,
                   const struct lxe__policy *policy, struct lxe__err *err)
{
    memset(v, 0, sizeof(*v));
    v->xch = xch;
    v->domid = domid;
    v->policy = policy;
    v->xsh = xs_open(0);
    if (!v->xsh)
        return lxe__err_set(err, errno, "freeze: cannot reach xenstored:"
                            " %s", strerror(errno));
    v->fmem = xenforeignmemory_open(NULL, 0);
    if (!v->fmem)
        return lxe__err_set(err, errno, "freeze: cannot open the foreign"
                            " memory interface: %s", strerror(errno));
    return find(v, err);
}

static void unmap(struct lxe__view *v)
{
    size_t i;

    for (i = 0; v->items && i < v->bs.nr; i++) {
        lxe__ringset_close(&v->items[i].rings, v->fmem);
        lxe__task_leave(&v->items[i].down);
        lxe__task_leave(&v->items[i].unbind);
    }
    free(v->items);
    v->items = NULL;
    if (v->gmap.shared)
        lxe__gmap_close(&v->gmap);
    v->complete = false;
}

/* What can be known of one backend; what cannot is in item->err. */
static void map_one(struct lxe__view *v, const struct lxe__backend *b,
                    struct lxe__view_item *item)
{
    enum lxe__bk_act act = b->verdict.act;

    if (act != LXE_ACT_PROVE && act != LXE_ACT_LINK &&
        act != LXE_ACT_DETACH)
        return;
    strcpy(item->entry.name, b->name);
    if (b->kind == LXE_BK_VIF) {
        strcpy(item->entry.driver, "vif");
        if (lxe__vif_describe(v->xsh, b, &item->entry, &item->linkable,
                              &item->err))
            return;
    } else if (b->kind == LXE_BK_VBD) {
        strcpy(item->entry.driver, "vbd");
    }
    if (lxe__ringset_list(&item->rings, v->xsh, b, &item->err))
        return;
    lxe__ringset_map(&item->rings, v->fmem, &v->gmap.t, b, &item->err);
}

int lxe__view_map(struct lxe__view *v, struct lxe__err *err)
{
    size_t i;

    unmap(v);
    if (lxe__gmap_open(&v->gmap, v->xch, v->fmem, v->domid, err))
        return -1;
    v->items = calloc(v->bs.nr + 1, sizeof(*v->items));
    if (!v->items)
        return lxe__err_set(err, ENOMEM, "freeze: no memory for %zu"
                            " backends", v->bs.nr);
    for (i = 0; i < v->bs.nr; i++) {
        v->items[i].down = v->items[i].unbind = LXE_TASK_NONE;
        map_one(v, &v->bs.list[i], &v->items[i]);
    }
    v->complete = true;
    return 0;
}

/* What fails here is tried again, and told, when it is needed. */
void lxe__view_ready(struct lxe__view *v)
{
    size_t i;

    for (i = 0; i < v->bs.nr; i++) {
        enum lxe__bk_act act = v->bs.list[i].verdict.act;
        struct lxe__view_item *item = &v->items[i];

        if (item->err.code)
            continue;
        if (act == LXE_ACT_LINK && item->linkable)
            lxe__vif_ready(&item->down, &item->entry, NULL);
        else if (act == LXE_ACT_DETACH)
            lxe__sysfs_ready(&item->unbind, item->entry.driver,
                             item->entry.name, NULL);
    }
}

/* A backend that could not be understood then may be understood now. */
static bool has_errors(const struct lxe__view *v)
{
    size_t i;

    for (i = 0; i < v->bs.nr; i++)
        if (v->items[i].err.code)
            return true;
    return false;
}

int lxe__view_refresh(struct lxe__view *v, bool *remade_r,
                      struct lxe__err *err)
{
    bool changed = take_events(v);

    *remade_r = false;
    if (!changed && v->complete && !has_errors(v))
        return lxe__gmap_refresh(&v->gmap, v->xch, v->domid, err);
    *remade_r = true;
    unmap(v);
    lxe__backends_dispose(&v->bs);
    if (find(v, err))
        return -1;
    return lxe__view_map(v, err);
}

void lxe__view_close(struct lxe__view *v)
{
    unmap(v);
    lxe__backends_dispose(&v->bs);
    if (v->fmem)
        xenforeignmemory_close(v->fmem);
    if (v->xsh)
        xs_close(v->xsh);
    memset(v, 0, sizeof(*v));
}
