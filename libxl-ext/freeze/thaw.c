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
#include <xen/io/xenbus.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/stop.h"
#include "freeze/backends.h"
#include "freeze/grants.h"
#include "freeze/poll.h"
#include "freeze/sysfs.h"
#include "freeze/task.h"
#include "freeze/thaw.h"
#include "freeze/vif.h"

#define BIND_MS    10000
#define LINK_MS    10000
#define SCRIPT_MS  (LXE_VIF_SCRIPT_MS + 1000)
#define CONNECT_MS 10000

/*
 * One device on its way back.  Each step looks whether what it waits for
 * is there, never sleeps, and begins the next.
 *
 *   FREE      waits until nothing of the time before the unbind is under
 *             way, then binds
 *   BIND      waits for that
 *   BOUND     runs the hotplug script of a vif
 *   SCRIPT    waits for that
 *   CONNECT   the driver attaches to the ring in its own time
 *
 * or, where its link was set down:
 *
 *   DOWN      waits until nothing is under way, then sets it up
 *   UP        waits for that
 */
enum stage { FREE, BIND, BOUND, SCRIPT, CONNECT, DOWN, UP, BACK, FAILED };

struct undoing {
    xc_interface *xch;
    struct xs_handle *xsh;
    const struct lxe__jentry *e;
    char be_path[128];
    enum stage stage;
    double since;           /* when that stage began */
    struct lxe__task task;
};

static void go_to(struct undoing *u, enum stage stage)
{
    u->stage = stage;
    u->since = lxe__now_ms();
}

/* Has this stage taken more than @ms? */
static bool is_late(const struct undoing *u, double ms)
{
    return lxe__now_ms() - u->since > ms;
}

/*
 * netback removes this node when it is unbound and the script writes it
 * as its last act, so an earlier try need not be repeated.
 */
static bool is_online(const struct undoing *u)
{
    char *v = lxe__xs_node(u->xsh, u->be_path, "hotplug-status");
    bool online = v && !strcmp(v, "connected");

    free(v);
    return online;
}

/*
 * Is a ring of this backend still mapped by anybody?  True where that
 * cannot be told; what the guest has not in xenstore is no ring.
 */
static bool rings_in_use(const struct undoing *u)
{
    char *fe = lxe__xs_node(u->xsh, u->be_path, "frontend");
    xenforeignmemory_handle *fmem = NULL;
    struct lxe__ringset rings = { 0 };
    struct lxe__backend b = { 0 };
    struct lxe__gmap gmap;
    struct lxe__err err;
    bool in_use = !fe && errno != ENOENT;

    lxe__err_init(&err);
    if (!fe || strlen(fe) >= sizeof(b.fe_path) ||
        !lxe__backend_parse(u->be_path, &b))
        goto out;
    strcpy(b.fe_path, fe);
    if (lxe__ringset_list(&rings, u->xsh, &b, &err))
        goto out;
    in_use = true;
    fmem = xenforeignmemory_open(NULL, 0);
    if (!fmem || lxe__gmap_open(&gmap, u->xch, fmem, b.domid, &err))
        goto out;
    in_use = lxe__ringset_in_use(&rings, &gmap.t);
    lxe__gmap_close(&gmap);

 out:
    free(fe);
    if (fmem)
        xenforeignmemory_close(fmem);
    return in_use;
}

/* What keeps it from its next step, after all the time that it had. */
static int not_back(const struct undoing *u, struct lxe__err *err)
{
    const char *name = u->e->name;
    double ms = lxe__now_ms() - u->since;

    switch (u->stage) {
    case FREE:
    case BOUND:
    case DOWN:
        return lxe__err_set(err, EBUSY, "freeze: %s: %s after %.0f ms: it"
                            " cannot be brought back yet", name,
                            u->stage == DOWN || lxe__task_busy(name) ?
                            "what was begun with it (unbind, bind, link"
                            " or hotplug script) has not ended" :
                            "requests that it took before are still in"
                            " flight", ms);
    case BIND:
        return lxe__err_set(err, ETIMEDOUT, "freeze: bind %s: not done"
                            " within %.0f ms; the device is stuck", name,
                            ms);
    case SCRIPT:
        return lxe__err_set(err, ETIMEDOUT, "freeze: %s: %s online has"
                            " not ended after %.0f ms", name,
                            u->e->script, ms);
    case UP:
        return lxe__err_set(err, ETIMEDOUT, "freeze: interface %s: not up"
                            " within %.0f ms; something holds the lock of"
                            " the network's configuration", u->e->vif,
                            ms);
    default:
        return lxe__err_set(err, ETIMEDOUT, "freeze: %s: bound again, but"
                            " not connected within %.0f ms (state %u)",
                            name, ms, lxe__xs_state(u->xsh, u->be_path));
    }
}

/* @r: of what was to begin @next.  What is busy is tried again later. */
static int begun(struct undoing *u, int r, enum stage next,
                 struct lxe__err *mine, struct lxe__err *err)
{
    if (!r)
        go_to(u, next);
    else if (mine->code != EBUSY)
        return lxe__err_set(err, mine->code, "%s", mine->msg);
    else if (is_late(u, BIND_MS))
        return not_back(u, err);
    return 0;
}

static int step_free(struct undoing *u, struct lxe__err *err)
{
    struct lxe__err mine;
    int r;

    /* In this order: an unbind that is about to end ends ahead of both. */
    if (lxe__task_busy(u->e->name))
        return is_late(u, BIND_MS) ? not_back(u, err) : 0;
    if (lxe__sysfs_bound(u->e->name)) {
        go_to(u, BOUND);
        return 0;
    }
    if (rings_in_use(u))
        return is_late(u, BIND_MS) ? not_back(u, err) : 0;
    lxe__err_init(&mine);
    r = lxe__sysfs_bind(&u->task, u->e->driver, u->e->name, &mine);
    return begun(u, r, BIND, &mine, err);
}

static int step_bind(struct undoing *u, struct lxe__err *err)
{
    int e;

    if (!lxe__task_ended(&u->task, 0, &e))
        return is_late(u, BIND_MS) ? not_back(u, err) : 0;
    if (e && !lxe__sysfs_bound(u->e->name))
        return lxe__sysfs_bind_failed(u->e->driver, u->e->name, e, err);
    go_to(u, BOUND);
    return 0;
}

static int step_bound(struct undoing *u, struct lxe__err *err)
{
    struct lxe__err mine;
    int r;

    if (strcmp(u->e->driver, "vif") || !u->e->script[0] || is_online(u)) {
        go_to(u, CONNECT);
        return 0;
    }
    lxe__err_init(&mine);
    r = lxe__vif_online(&u->task, u->e, u->be_path, &mine);
    return begun(u, r, SCRIPT, &mine, err);
}

static int step_script(struct undoing *u, struct lxe__err *err)
{
    int result;

    if (!lxe__task_ended(&u->task, 0, &result))
        return is_late(u, SCRIPT_MS) ? not_back(u, err) : 0;
    if (result)
        return lxe__vif_online_failed(u->e, result, err);
    go_to(u, CONNECT);
    return 0;
}

static int step_connect(struct undoing *u, struct lxe__err *err)
{
    if (lxe__xs_state(u->xsh, u->be_path) == XenbusStateConnected)
        go_to(u, BACK);
    else if (is_late(u, CONNECT_MS))
        return not_back(u, err);
    return 0;
}

static int step_down(struct undoing *u, struct lxe__err *err)
{
    struct lxe__err mine;
    int r;

    lxe__err_init(&mine);
    r = lxe__vif_link(&u->task, u->e, true, &mine);
    return begun(u, r, UP, &mine, err);
}

static int step_up(struct undoing *u, struct lxe__err *err)
{
    int e;

    if (!lxe__task_ended(&u->task, 0, &e))
        return is_late(u, LINK_MS) ? not_back(u, err) : 0;
    if (e && e != ENODEV)
        return lxe__vif_link_failed(u->e, true, e, err);
    go_to(u, BACK);
    return 0;
}

static int step(struct undoing *u, struct lxe__err *err)
{
    if (!lxe__sysfs_exists(u->e->name)) {
        go_to(u, BACK);
        return 0;
    }
    switch (u->stage) {
    case FREE:
        return step_free(u, err);
    case BIND:
        return step_bind(u, err);
    case BOUND:
        return step_bound(u, err);
    case SCRIPT:
        return step_script(u, err);
    case CONNECT:
        return step_connect(u, err);
    case DOWN:
        return step_down(u, err);
    case UP:
        return step_up(u, err);
    case BACK:
    case FAILED:
        break;
    }
    return 0;
}

static int begin(struct undoing *u, uint32_t own_domid, uint32_t domid,
                 struct lxe__err *err)
{
    const struct lxe__jentry *e = u->e;

    if (LXE_FAULT(THAW_BEFORE, err))
        return -1;
    if (!lxe__jentry_valid(e, domid))
        return lxe__err_set(err, EINVAL, "freeze: %s: not a name that can"
                            " be trusted", e->name);
    snprintf(u->be_path, sizeof(u->be_path),
             "/local/domain/%u/backend/%s/%u/%s", own_domid, e->driver,
             domid, strrchr(e->name, '-') + 1);
    go_to(u, e->undo == LXE_UNDO_LINK ? DOWN : FREE);
    return 0;
}

/* @r: of what was done last.  True where no more is to be done. */
static bool settle(struct undoing *u, int r, int fd, struct lxe__err *err)
{
    if (!r && u->stage != BACK)
        return false;
    lxe__task_leave(&u->task);
    /*
     * A file system that is full makes nothing frozen: whoever reads the
     * journal next undoes it again, which does nothing.
     */
    if (!r)
        lxe__journal_undone(fd, u->e, NULL);
    if (r || LXE_FAULT(THAW_AFTER, err))
        u->stage = FAILED;
    return true;
}

/* How many are still on their way. */
static size_t step_all(struct undoing *list, size_t nr, int fd,
                       struct lxe__err *err)
{
    size_t i, left = 0;

    for (i = 0; i < nr; i++)
        if (list[i].stage < BACK &&
            !settle(&list[i], step(&list[i], err), fd, err))
            left++;
    return left;
}

int lxe__undo_all(xc_interface *xch, struct xs_handle *xsh,
                  uint32_t own_domid, int fd,
                  const struct lxe__journal *j, double deadline,
                  const volatile sig_atomic_t *stop, struct lxe__err *err)
{
    struct undoing *list = calloc(j->nr + 1, sizeof(*list));
    size_t i, nr = 0;
    double nap = 0.5;
    bool stopped = false;
    int rc = 0;

    if (!list)
        return lxe__err_set(err, ENOMEM, "freeze: no memory to thaw %zu"
                            " devices", j->nr);
    for (i = 0; i < j->nr; i++) {
        struct undoing *u = &list[nr];

        if (j->list[i].undone)
            continue;
        *u = (struct undoing){ .xch = xch, .xsh = xsh, .e = &j->list[i],
                               .task = LXE_TASK_NONE };
        settle(u, begin(u, own_domid, j->domid, err), fd, err);
        nr++;
    }
    while (step_all(list, nr, fd, err)) {
        if (lxe__told_to_stop(stop) && !stopped) {
            stopped = true;
            if (deadline > lxe__now_ms() + LXE_UNDO_STOPPED_MS)
                deadline = lxe__now_ms() + LXE_UNDO_STOPPED_MS;
        }
        if (lxe__now_ms() > deadline)
            break;
        lxe__sleep_ms(nap);
        if (nap < 20)
            nap *= 1.5;
    }
    for (i = 0; i < nr; i++) {
        if (list[i].stage < BACK)
            settle(&list[i], not_back(&list[i], err), fd, err);
        if (list[i].stage == FAILED)
            rc = -1;
    }
    free(list);
    return rc;
}
