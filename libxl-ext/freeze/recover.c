/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What an earlier process left behind.
 */
#include <errno.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/stop.h"
#include "freeze/backends.h"
#include "freeze/guard.h"
#include "freeze/journal.h"
#include "freeze/thaw.h"
#include "memory/domain.h"

/* A hotplug script may take two minutes. */
#define LXE_THAW_MS 150000

/* 0 with the lock held; the lock goes with the descriptor. */
static int take_lock(int fd, unsigned wait_ms,
                     const volatile sig_atomic_t *stop)
{
    double end = lxe__now_ms() + wait_ms;

    while (flock(fd, LOCK_EX | LOCK_NB)) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return -1;
        if (lxe__now_ms() > end || lxe__told_to_stop(stop)) {
            errno = lxe__told_to_stop(stop) ? EINTR : EBUSY;
            return -1;
        }
        lxe__sleep_ms(10);
    }
    return 0;
}

/* Frozen by hand, and nobody has asked for a thaw. */
static bool is_held(int fd)
{
    struct lxe__journal j;
    bool held;

    if (lxe__journal_read(&j, fd, NULL))
        return false;
    held = j.held && !j.thaw;
    lxe__journal_dispose(&j);
    return held;
}

static int locked(int fd, uint32_t domid, int code, unsigned waited_ms,
                  struct lxe__err *err)
{
    if (code == EINTR)
        return lxe__err_set(err, code, "freeze: domain %u: told to stop;"
                            " its guardian goes on with what is frozen:"
                            " xl-ext backends %u shows it", domid, domid);
    if (is_held(fd))
        return lxe__err_set(err, code, "freeze: domain %u was frozen by"
                            " hand and is held so: thaw it (xl-ext thaw"
                            " %u) or let it run first", domid, domid);
    if (waited_ms >= LXE_THAW_MS)
        return lxe__err_set(err, ETIMEDOUT, "freeze: domain %u is not"
                            " thawed after %u s, and its guardian goes on"
                            " trying: see the file %u.log beside its"
                            " journal", domid, waited_ms / 1000, domid);
    return lxe__err_set(err, code, "freeze: domain %u is held by a"
                        " guardian of an operation that has not ended;"
                        " let it end first, or, where its toolstack has"
                        " died, see docs/faults.md", domid);
}

static bool still_suspended(xc_interface *xch,
                            const struct lxe__journal *j)
{
    struct lxe__domstate st;

    return !lxe__domstate_read(xch, j->domid, &st) && st.suspended &&
        !st.dying && !memcmp(st.uuid, j->uuid, sizeof(st.uuid));
}

/* Seconds since the last line was written. */
static double age_of(int fd)
{
    struct stat st;
    double age = fstat(fd, &st) ? 0 : difftime(time(NULL), st.st_mtime);

    return age > 0 ? age : 0;
}

/*
 * The domain is ours, and thawed.  Whoever else should let it run has had
 * @age seconds for that, and gets LXE_GUARD_LEFT_MS in all.
 */
static int let_run(xc_interface *xch, const struct lxe__journal *j,
                   double age, const struct lxe__resumer *resumer,
                   const volatile sig_atomic_t *stop,
                   struct lxe__err *err)
{
    double end = lxe__now_ms() + LXE_GUARD_LEFT_MS - age * 1000;

    for (;;) {
        if (!still_suspended(xch, j))
            return 0;
        if (lxe__now_ms() >= end)
            return resumer->resume(resumer->user, j->domid, err);
        if (lxe__told_to_stop(stop))
            return lxe__err_set(err, EINTR, "freeze: domain %u: told to"
                                " stop; its backends are back, and it is"
                                " still suspended: xl-ext thaw %u lets it"
                                " run", j->domid, j->domid);
        lxe__sleep_ms(50);
    }
}

/* 0 and *@fd_r, which is -1 where there is no journal. */
static int open_journal(uint32_t domid, int *fd_r, struct lxe__err *err)
{
    struct lxe__err mine;

    lxe__err_init(&mine);
    *fd_r = lxe__journal_open(domid, &mine);
    if (*fd_r >= 0 || mine.code == ENOENT)
        return 0;
    return lxe__err_set(err, mine.code, "%s", mine.msg);
}

static int undo(xc_interface *xch, struct xs_handle *xsh, int fd,
                const struct lxe__journal *j,
                const volatile sig_atomic_t *stop, struct lxe__err *err)
{
    struct lxe__err mine;

    lxe__err_init(&mine);
    if (!lxe__undo_all(xch, xsh, lxe__xs_own_domid(xsh), fd, j,
                       lxe__now_ms() + LXE_THAW_MS, stop, &mine))
        return 0;
    if (!lxe__told_to_stop(stop))
        return lxe__err_set(err, mine.code, "%s", mine.msg);
    return lxe__err_set(err, EINTR, "freeze: domain %u: told to stop;"
                        " %.300s; it stays in the journal: xl-ext thaw %u"
                        " goes on with it", j->domid, mine.msg, j->domid);
}

/* What to do with a journal whose reading ended with @why. */
static int unread(uint32_t domid, const struct lxe__err *why,
                  struct lxe__err *err)
{
    switch (why->code) {
    case ENODATA:
        /* Cut in its head: no act was ever begun. */
        return lxe__journal_remove(domid, err);
    case EPROTO:
    case EFBIG:
        return lxe__err_set(err, why->code, "%s: see to the backends of"
                            " domain %u, which it may name, then remove"
                            " %s/%u.journal", why->msg, domid,
                            lxe__rundir(), domid);
    default:
        return lxe__err_set(err, why->code, "%s: try again, and keep"
                            " %s/%u.journal, which may name backends that"
                            " are frozen", why->msg, lxe__rundir(), domid);
    }
}

int lxe__guard_recover(xc_interface *xch, struct xs_handle *xsh,
                       uint32_t domid, unsigned wait_ms, bool force,
                       const struct lxe__resumer *resumer,
                       const volatile sig_atomic_t *stop,
                       struct lxe__err *err)
{
    struct lxe__journal j = { 0 };
    struct lxe__domstate st;
    struct lxe__err mine;
    int fd, rc, gone;
    double age;

    lxe__err_init(&mine);
    if (open_journal(domid, &fd, err))
        return -1;
    if (fd < 0)
        return 0;
    if (take_lock(fd, is_held(fd) ? 0 : wait_ms, stop)) {
        rc = locked(fd, domid, errno, wait_ms, err);
        goto out;
    }
    /* The guardian's last act under the lock. */
    if (lxe__journal_removed(fd)) {
        rc = 0;
        goto out;
    }
    if (lxe__journal_read(&j, fd, &mine)) {
        rc = unread(domid, &mine, err);
        goto out;
    }
    gone = lxe__domstate_read(xch, domid, &st);
    if (gone && errno != ESRCH) {
        rc = lxe__err_set(err, errno, "freeze: reading the state of domain"
                          " %u, which was frozen: %s: try again", domid,
                          strerror(errno));
        goto out;
    }
    if (gone || memcmp(st.uuid, j.uuid, sizeof(st.uuid))) {
        /* Of a domain that is gone; its devices went with it. */
        rc = lxe__journal_remove(domid, err);
        goto out;
    }
    if (st.suspended && (j.whole || j.committed) && !force) {
        rc = lxe__err_set(err, EBUSY, "freeze: domain %u is suspended and"
                          " its image is complete: thawing could make"
                          " both copies write; resume or destroy it"
                          " first", domid);
        goto out;
    }
    age = age_of(fd);
    rc = undo(xch, xsh, fd, &j, stop, err);
    if (!rc && resumer && j.ours && !j.whole)
        rc = let_run(xch, &j, age, resumer, stop, err);
    if (!rc)
        rc = lxe__journal_remove(domid, err);

 out:
    lxe__journal_dispose(&j);
    close(fd);
    return rc;
}

int lxe__guard_thaw(xc_interface *xch, struct xs_handle *xsh,
                    uint32_t domid, bool force,
                    const struct lxe__resumer *resumer,
                    const volatile sig_atomic_t *stop,
                    struct lxe__err *err)
{
    struct lxe__journal j;
    bool held = false;
    int fd, rc = 0;

    if (open_journal(domid, &fd, err))
        return -1;
    if (fd < 0)
        return 0;
    /* One that cannot be read is recover's to judge. */
    if (!lxe__journal_read(&j, fd, NULL)) {
        held = j.held;
        lxe__journal_dispose(&j);
    }
    if (held)
        rc = lxe__journal_ask_thaw(fd, err);
    close(fd);
    if (rc)
        return -1;
    return lxe__guard_recover(xch, xsh, domid, held ? LXE_THAW_MS : 0,
                              force, resumer, stop, err);
}
