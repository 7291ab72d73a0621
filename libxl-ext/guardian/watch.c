/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * --guard: one domain, from before its backends are frozen to the end.
 * decide.c says what is done when; this file looks and acts.
 *
 * While backends are detached nobody answers when libxl wants to close
 * them (state 5 in xenstore), so that is done here.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <syslog.h>
#include <unistd.h>
#include <xenstore.h>

#include "base/clock.h"
#include "freeze/backends.h"
#include "freeze/guard.h"
#include "freeze/journal.h"
#include "freeze/mark.h"
#include "freeze/sysfs.h"
#include "freeze/thaw.h"
#include "guardian/decide.h"
#include "guardian/guardian.h"
#include "memory/domain.h"

#define POLL_MS        50
#define RETRY_MS       500
#define AGAIN_MS       300000   /* xenstored is away, or memory short */
#define STATE_CLOSING  5
#define STATE_CLOSED   "6"

struct guard {
    uint32_t domid, own_domid;
    xc_interface *xch;
    struct xs_handle *xsh;
    int journal_fd;
    uint8_t uuid[16];
    struct guard_state state;
    bool caller_known;
    bool toolstack_known;
    bool ended;
    bool left;              /* the journal, to others */
    bool orphan_noted;
    unsigned failures;
};

/* To syslog, and to the file beside the journal. */
static void __attribute__((format(printf, 2, 3)))
note(const struct guard *g, const char *fmt, ...)
{
    char path[256], line[LXE_ERR_LEN + 64];
    FILE *log;
    va_list al;

    va_start(al, fmt);
    vsnprintf(line, sizeof(line), fmt, al);
    va_end(al);
    syslog(LOG_NOTICE, "domain %u: %s", g->domid, line);
    if (lxe__journal_path(path, sizeof(path), g->domid, "log", NULL))
        return;
    log = fopen(path, "ae");
    if (!log)
        return;
    fprintf(log, "%.3f %s\n", lxe__now_ms() / 1e3, line);
    fclose(log);
}

/* Syslog has it; where all went well, nothing is left behind. */
static void remove_log(const struct guard *g)
{
    char path[256];

    if (!lxe__journal_path(path, sizeof(path), g->domid, "log", NULL))
        unlink(path);
}

/* May be called again. */
static int start(struct guard *g, struct lxe__err *err)
{
    struct lxe__journal j;

    if (!g->xch)
        g->xch = xc_interface_open(NULL, NULL, 0);
    if (!g->xsh)
        g->xsh = xs_open(0);
    if (!g->xch || !g->xsh)
        return lxe__err_set(err, errno, "guardian: cannot reach Xen or"
                            " xenstore: %s", strerror(errno));
    g->own_domid = lxe__xs_own_domid(g->xsh);
    /* Not for scripts: what they leave running must not hold the lock. */
    if (fcntl(g->journal_fd, F_SETFD, FD_CLOEXEC))
        return lxe__err_set(err, errno, "guardian: no journal came with the"
                            " order to guard domain %u: %s", g->domid,
                            strerror(errno));
    if (lxe__journal_read(&j, g->journal_fd, err))
        return -1;
    memcpy(g->uuid, j.uuid, sizeof(g->uuid));
    guard_take_up(&g->state, &j);
    lxe__journal_dispose(&j);
    return 0;
}

/*
 * Nobody else would bring back what the journal names, so one that takes
 * another's place does not give up at once.
 */
static int start_again(struct guard *g, struct lxe__err *err)
{
    double end = lxe__now_ms() + AGAIN_MS;
    struct lxe__err mine;

    for (;;) {
        lxe__err_init(&mine);
        if (!start(g, &mine))
            return 0;
        if (g->failures++ % 20 == 0)
            note(g, "cannot go on guarding (try %u): %s", g->failures,
                 mine.msg);
        if (lxe__now_ms() > end || (guard_told() &&
            guard_late(&g->state, lxe__now_ms(), GUARD_TOLD_MS)))
            return lxe__err_set(err, mine.code, "%s", mine.msg);
        lxe__sleep_ms(RETRY_MS);
    }
}

/*
 * libxenguest does so at its end, which a helper that was killed did not
 * reach.  Nobody else saves the guest yet: they wait for the journal, or
 * it was removed, by a helper that had waited for us in vain, say.
 * By hand there was no such mode, and there is no toolstack.
 */
static void stop_logdirty(const struct guard *g)
{
    struct lxe__err err;

    if (lxe__journal_removed(g->journal_fd))
        return;
    lxe__err_init(&err);
    if (g->toolstack_known && lxe__logdirty_off(g->xch, g->domid, &err))
        note(g, "%s", err.msg);
}

/*
 * One byte from the helper, or the end.  What it sent ahead of its own end
 * is there by the time that this is seen.
 */
static void take_order(struct guard *g, bool caller_gone)
{
    unsigned char c;
    ssize_t n = recv(GUARD_FD_ORDERS, &c, 1, MSG_DONTWAIT);

    if (n < 0 && (errno == EINTR || (errno == EAGAIN && !caller_gone)))
        return;
    guard_take(&g->state, n == 1 ? c : GUARD_END_OF_STREAM);
    if (g->state.phase != GUARD_THAWING)
        return;
    note(g, "what froze it ended without an image: thawing");
    stop_logdirty(g);
}

static bool toolstack_gone(const struct guard *g)
{
    struct pollfd p = { .fd = GUARD_FD_TOOLSTACK, .events = POLLIN };

    return g->toolstack_known && poll(&p, 1, 0) == 1;
}

/* Is the domain that we guard still there?  Fills @st if so. */
static bool still_there(const struct guard *g, struct lxe__domstate *st)
{
    if (lxe__domstate_read(g->xch, g->domid, st))
        return errno != ESRCH;
    return !memcmp(st->uuid, g->uuid, sizeof(g->uuid));
}

static void answer_closing(const struct guard *g,
                           const struct lxe__journal *j)
{
    char path[160];
    size_t i;

    for (i = 0; i < j->nr; i++) {
        const struct lxe__jentry *e = &j->list[i];

        if (e->undo != LXE_UNDO_UNBIND || e->undone ||
            lxe__sysfs_bound(e->name))
            continue;
        snprintf(path, sizeof(path), "/local/domain/%u/backend/%s/%u/%s",
                 g->own_domid, e->driver, g->domid,
                 strrchr(e->name, '-') + 1);
        if (lxe__xs_state(g->xsh, path) != STATE_CLOSING)
            continue;
        strcat(path, "/state");
        if (xs_write(g->xsh, XBT_NULL, path, STATE_CLOSED, 1))
            note(g, "%s closed in place of its driver", e->name);
    }
}

/* What did not work is tried again for as long as the domain lives. */
static void failed(struct guard *g, const char *what,
                   const struct lxe__err *err)
{
    if (g->failures++ % 20 == 0)
        note(g, "cannot %s (try %u): %s", what, g->failures, err->msg);
    lxe__sleep_ms(RETRY_MS);
}

static void thaw(struct guard *g, const struct lxe__journal *j)
{
    struct lxe__err err;

    lxe__err_init(&err);
    /* The domain may end, or libxl want to close a device, meanwhile. */
    if (lxe__undo_all(g->xch, g->xsh, g->own_domid, g->journal_fd, j,
                      lxe__now_ms() + LXE_UNDO_MS, NULL, &err)) {
        failed(g, "thaw", &err);
        guard_thaw_failed(&g->state);
        return;
    }
    note(g, "thawed");
    guard_thawed(&g->state);
}

/* For a guardian after this one: it @was ours, and is no more. */
static void note_ran(struct guard *g, bool was)
{
    if (was && !g->state.ours && g->state.phase != GUARD_COMMITTED)
        lxe__journal_ran(g->journal_fd, NULL);
}

static void resume(struct guard *g)
{
    struct lxe__err err;

    lxe__err_init(&err);
    note(g, "its toolstack %s left it suspended: resuming it",
         toolstack_gone(g) ? "has died and" : "heard that the save failed"
         " and");
    if (guard_resume(g->domid, &err)) {
        failed(g, "resume", &err);
        return;
    }
    note(g, "it runs again; if libvirt started it, restart libvirt's"
         " daemon, which hears of it no more");
    guard_resumed(&g->state);
    note_ran(g, true);
}

/* It could be either copy's turn: nothing is done, but it is said. */
static void note_orphan(struct guard *g)
{
    if (g->orphan_noted)
        return;
    g->orphan_noted = true;
    note(g, "its toolstack has died after the pages were written and left"
         " it suspended: if no other copy of it runs or will, use %s"
         " --resume %u --force", LXE_GUARD_PROGRAM, g->domid);
}

/* Told to end, and its time is up: as if it had been killed here. */
static void leave(struct guard *g)
{
    note(g, "ends because signal %d told it to: what its journal names is"
         " left to xl-ext thaw %u, or to the next save", guard_told(),
         g->domid);
    g->ended = g->left = true;
}

static void step(struct guard *g)
{
    struct lxe__domstate st = { .suspended = true };
    struct guard_view v = { .now_ms = lxe__now_ms() };
    struct lxe__journal j = { 0 };
    struct lxe__err err;
    enum guard_act act;
    bool ours;

    v.there = still_there(g, &st);
    v.dying = st.dying;
    v.suspended = st.suspended;
    v.paused = st.paused;
    v.toolstack_gone = toolstack_gone(g);
    v.toolstack_lives = g->toolstack_known && !v.toolstack_gone;
    v.told = guard_told();
    lxe__err_init(&err);
    if (v.there && lxe__journal_read(&j, g->journal_fd, &err)) {
        failed(g, "read its journal", &err);
        if (v.told && guard_late(&g->state, v.now_ms, GUARD_TOLD_MS))
            leave(g);
        return;
    }
    v.thaw_asked = j.thaw;
    v.committed = j.committed;
    ours = g->state.ours;
    act = guard_decide(&g->state, &v);
    note_ran(g, ours);
    if (v.there && g->state.phase != GUARD_WAITING)
        answer_closing(g, &j);
    if (g->state.phase == GUARD_COMMITTED && v.toolstack_gone)
        note_orphan(g);
    switch (act) {
    case GUARD_WAIT:
        if (g->state.phase != GUARD_WAITING)
            lxe__sleep_ms(POLL_MS);
        break;
    case GUARD_THAW:
        thaw(g, &j);
        break;
    case GUARD_RESUME:
        resume(g);
        break;
    case GUARD_LEAVE:
        leave(g);
        break;
    case GUARD_END:
        g->ended = true;
    }
    if (v.there)
        lxe__journal_dispose(&j);
}

static void watch(struct guard *g)
{
    struct pollfd p[] = {
        { .fd = GUARD_FD_ORDERS, .events = POLLIN },
        { .fd = g->caller_known ? GUARD_FD_CALLER : -1,
          .events = POLLIN },
    };

    while (!g->ended) {
        /* The domain may die meanwhile, so look at times. */
        if (g->state.phase == GUARD_WAITING && poll(p, 2, 1000) > 0)
            take_order(g, p[1].revents & POLLIN);
        else
            step(g);
    }
}

int guard_work(uint32_t domid, bool caller_known, bool toolstack_known,
               bool again)
{
    struct guard g = {
        .domid = domid, .journal_fd = GUARD_FD_JOURNAL,
        .caller_known = caller_known, .toolstack_known = toolstack_known,
    };
    char ready = LXE_GUARD_READY;
    struct lxe__err err;
    int rc;

    signal(SIGPIPE, SIG_IGN);
    lxe__err_init(&err);
    rc = again ? start_again(&g, &err) : start(&g, &err);
    if (rc) {
        if (write(GUARD_FD_READY, err.msg, strlen(err.msg)) < 0)
            note(&g, "%s", err.msg);
        return 1;
    }
    /* Not the domain's first guardian, or the helper is gone already. */
    if (write(GUARD_FD_READY, &ready, 1) != 1)
        note(&g, "goes on where another guardian ended");
    close(GUARD_FD_READY);
    watch(&g);
    /* What has its name may be another's. */
    if (!g.left && !lxe__journal_removed(g.journal_fd) &&
        lxe__journal_remove(domid, &err))
        note(&g, "%s", err.msg);
    else if (!g.left && !g.failures)
        remove_log(&g);
    close(g.journal_fd);
    xs_close(g.xsh);
    xc_interface_close(g.xch);
    return 0;
}
