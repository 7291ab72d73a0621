/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * --guard: one domain, from before its backends are frozen to the end.
 *
 *   state      holds                      left by
 *   WAITING    a save is under way        commit -> COMMITTED,
 *                                         done -> END,
 *                                         end of the stream -> THAWING
 *   COMMITTED  the image is whole         domain runs -> THAWING,
 *                                         domain gone -> END
 *   THAWING    what is frozen must come   all undone -> END,
 *              back                       domain gone -> END
 *   END        the journal is removed
 *
 * The end of the stream without a commit means that the helper failed or
 * died, so there is no image that another host could run: thawing is
 * safe although the domain may still be suspended.  After a commit only
 * a domain that runs again is thawed: the copy would repeat requests that
 * the original gets answered.
 *
 * While backends are detached nobody answers when libxl wants to close
 * them (state 5 in xenstore), so that is done here.
 */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <syslog.h>
#include <unistd.h>
#include <xenstore.h>

#include "freeze/backends.h"
#include "freeze/device.h"
#include "freeze/guard.h"
#include "freeze/journal.h"
#include "guardian/guardian.h"

#define POLL_MS        50
#define RETRY_MS       500
#define STATE_CLOSING  5
#define STATE_CLOSED   "6"

enum state { WAITING, COMMITTED, THAWING, END };

struct guard {
    uint32_t domid, own_domid;
    xc_interface *xch;
    struct xs_handle *xsh;
    int journal_fd;
    uint8_t uuid[16];
    enum state state;
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

static int start(struct guard *g, struct lxe__err *err)
{
    struct lxe__journal j;

    g->xch = xc_interface_open(NULL, NULL, 0);
    g->xsh = xs_open(0);
    if (!g->xch || !g->xsh)
        return lxe__err_set(err, errno, "guardian: cannot reach Xen or"
                            " xenstore: %s", strerror(errno));
    g->own_domid = lxe__xs_own_domid(g->xsh);
    g->journal_fd = lxe__journal_open(g->domid, err);
    if (g->journal_fd < 0)
        return -1;
    if (flock(g->journal_fd, LOCK_EX | LOCK_NB))
        return lxe__err_set(err, errno, "guardian: the journal of domain"
                            " %u is held by another", g->domid);
    if (lxe__journal_read(&j, g->journal_fd, err))
        return -1;
    memcpy(g->uuid, j.uuid, sizeof(g->uuid));
    lxe__journal_dispose(&j);
    return 0;
}

/* One byte from the helper, or the end. */
static void take_order(struct guard *g)
{
    char c;
    ssize_t n = read(GUARD_FD_ORDERS, &c, 1);

    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n == 1 && c == LXE_GUARD_COMMIT) {
        g->state = COMMITTED;
        return;
    }
    if (n == 1 && c == LXE_GUARD_DONE) {
        g->state = END;
        return;
    }
    note(g, "the helper ended without an image: thawing");
    g->state = THAWING;
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

static void thaw(struct guard *g, const struct lxe__journal *j)
{
    struct lxe__err err;

    lxe__err_init(&err);
    if (!lxe__undo_all(g->xch, g->xsh, g->own_domid, g->journal_fd, j,
                       &err)) {
        note(g, "thawed");
        g->state = END;
        return;
    }
    if (g->failures++ % 20 == 0)
        note(g, "cannot thaw (try %u): %s", g->failures, err.msg);
    lxe__sleep_ms(RETRY_MS);
}

static void step(struct guard *g)
{
    struct lxe__domstate st = { .suspended = true };
    struct lxe__journal j;
    struct lxe__err err;

    if (!still_there(g, &st)) {
        note(g, "the domain is gone");
        g->state = END;
        return;
    }
    if (g->state == COMMITTED && !st.suspended && !st.dying) {
        note(g, "the domain runs again: thawing");
        g->state = THAWING;
    }
    lxe__err_init(&err);
    if (lxe__journal_read(&j, g->journal_fd, &err)) {
        note(g, "%s", err.msg);
        lxe__sleep_ms(RETRY_MS);
        return;
    }
    if (g->state != WAITING)
        answer_closing(g, &j);
    if (g->state == THAWING) {
        if (st.dying)
            lxe__sleep_ms(POLL_MS);
        else
            thaw(g, &j);
    }
    lxe__journal_dispose(&j);
}

static void watch(struct guard *g)
{
    struct pollfd p = { .fd = GUARD_FD_ORDERS, .events = POLLIN };

    while (g->state != END) {
        if (g->state == WAITING) {
            /* The domain may die meanwhile, so look at times. */
            if (poll(&p, 1, 1000) > 0) {
                take_order(g);
                continue;
            }
        } else if (g->state == COMMITTED || g->failures) {
            lxe__sleep_ms(POLL_MS);
        }
        step(g);
    }
}

int guard_domain(uint32_t domid)
{
    struct guard g = { .domid = domid, .journal_fd = -1 };
    char ready = LXE_GUARD_READY;
    struct lxe__err err;
    int rc;

    openlog("libxl-ext-guardian", LOG_PID, LOG_DAEMON);
    lxe__err_init(&err);
    rc = start(&g, &err);
    if (rc) {
        if (write(GUARD_FD_READY, err.msg, strlen(err.msg)) < 0)
            note(&g, "%s", err.msg);
        return 1;
    }
    if (write(GUARD_FD_READY, &ready, 1) != 1)
        g.state = THAWING;      /* whoever started us is gone already */
    close(GUARD_FD_READY);
    watch(&g);
    if (lxe__journal_remove(domid, &err))
        note(&g, "%s", err.msg);
    else if (!g.failures)
        remove_log(&g);
    close(g.journal_fd);
    xs_close(g.xsh);
    xc_interface_close(g.xch);
    return 0;
}
