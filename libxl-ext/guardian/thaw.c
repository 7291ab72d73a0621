/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * --thaw, --thaw-all and --resume: putting things right after a crash of
 * all.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xenstore.h>

#include "base/rundir.h"
#include "freeze/guard.h"
#include "guardian/guardian.h"
#include "memory/domain.h"
#include "session/lock.h"

/* Is it there to be resumed? */
static int check_suspended(xc_interface *xch, uint32_t domid,
                           struct lxe__err *err)
{
    struct lxe__domstate st;

    if (lxe__domstate_read(xch, domid, &st))
        return lxe__err_set(err, errno, "resume: domain %u: %s", domid,
                            errno == ESRCH ? "there is no such domain"
                                           : strerror(errno));
    if (!st.suspended || st.dying)
        return lxe__err_set(err, EINVAL, "resume: domain %u is not"
                            " suspended: nothing to do", domid);
    return 0;
}

static int resume_left(void *user, uint32_t domid, struct lxe__err *err)
{
    (void)user;
    return guard_resume(domid, err);
}

static int undo(xc_interface *xch, struct xs_handle *xsh, uint32_t domid,
                int force, bool resume, struct lxe__err *err)
{
    static const struct lxe__resumer resumer = { resume_left, NULL };
    struct lxe__err mine;

    lxe__err_init(&mine);
    /* With --resume it is not waited for anybody else. */
    if (!lxe__guard_recover(xch, xsh, domid, 0, force,
                            resume ? NULL : &resumer, NULL, &mine))
        return 0;
    /* A guardian that lives thaws as soon as the domain runs. */
    if (mine.code == EBUSY && force && resume)
        return 0;
    return lxe__err_set(err, mine.code, "%s", mine.msg);
}

static int take_lock(uint32_t domid, bool resume, int *lock_r,
                     struct lxe__err *err)
{
    *lock_r = lxe__operation_lock(domid, resume ? "resume" : "thaw",
                                  getpid(), err);
    return *lock_r < 0 ? -1 : 0;
}

static int put_right(uint32_t domid, int force, bool resume)
{
    struct xs_handle *xsh = NULL;
    xc_interface *xch = NULL;
    struct lxe__err err;
    int rc, lock = -1;

    lxe__err_init(&err);
    xch = xc_interface_open(NULL, NULL, 0);
    xsh = xs_open(0);
    if (!xch || !xsh)
        rc = lxe__err_set(&err, errno, "cannot reach Xen or xenstore: %s",
                          strerror(errno));
    else
        rc = (!force && take_lock(domid, resume, &lock, &err)) ||
            (resume && check_suspended(xch, domid, &err)) ||
            undo(xch, xsh, domid, force, resume, &err) ||
            (resume && guard_resume(domid, &err));
    lxe__operation_unlock(lock, domid);
    if (rc)
        fprintf(stderr, "libxl-ext-guardian: %s\n", err.msg);
    if (xsh)
        xs_close(xsh);
    if (xch)
        xc_interface_close(xch);
    return rc ? 1 : 0;
}

int thaw_domain(uint32_t domid, int force)
{
    return put_right(domid, force, false);
}

int resume_domain(uint32_t domid, int force)
{
    return put_right(domid, force, true);
}

int thaw_all(int force)
{
    const char *path = lxe__rundir();
    struct dirent *de;
    int status = 0;
    unsigned domid;
    char end;
    DIR *dir;

    dir = opendir(path);
    if (!dir) {
        if (errno == ENOENT)
            return 0;
        fprintf(stderr, "libxl-ext-guardian: %s: %s\n", path,
                strerror(errno));
        return 1;
    }
    while ((de = readdir(dir)))
        if (sscanf(de->d_name, "%u.journa%c", &domid, &end) == 2 &&
            end == 'l')
            status |= thaw_domain(domid, force);
    closedir(dir);
    return status;
}
