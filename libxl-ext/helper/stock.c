/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Finding the stock helper and becoming it, for Remus and COLO streams,
 * which this helper does not handle.
 *
 * Where a package has put us in the place of Xen's own helper, ".stock" is
 * added to the name of that.  If several versions of Xen are installed,
 * the helper of the running one is needed: another cannot talk to it.
 */
#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/env.h"
#include "helper/helper.h"

/* The pid of who became the stock helper; our own would mean a loop. */
#define WHO "LIBXL_EXT_STOCK_PID"

/* LIBEXEC_BIN of the distributions, most specific first. */
static const char *const patterns[] = {
    "/usr/lib/xen-*/bin/libxl-save-helper.stock",       /* Debian */
    "/usr/lib/xen-*/bin/libxl-save-helper",
    "/usr/libexec/xen/bin/libxl-save-helper",           /* Fedora, SUSE */
    "/usr/lib64/xen/bin/libxl-save-helper",
    "/usr/lib/xen/bin/libxl-save-helper",
    "/usr/local/lib/xen/bin/libxl-save-helper",         /* from source */
};

/* Not ourselves under another name: that would exec for ever. */
static int is_self(const char *path)
{
    struct stat self, st;

    return !stat("/proc/self/exe", &self) && !stat(path, &st) &&
        self.st_dev == st.st_dev && self.st_ino == st.st_ino;
}

/*
 * A script that starts us is not seen by is_self().  exec keeps the
 * process, so the variable names us only where we have been before.
 */
static int been_here(void)
{
    const char *who = getenv(WHO);
    char pid[24];

    snprintf(pid, sizeof(pid), "%ld", (long)getpid());
    if (who && !strcmp(who, pid))
        return 1;
    setenv(WHO, pid, 1);
    return 0;
}

/* Debian's, of the Xen that runs. */
static void exec_running(xc_interface *xch, char **argv)
{
    static const char *const ends[] = { ".stock", "" };
    int version = xch ? xc_version(xch, XENVER_version, NULL) : -1;
    char path[PATH_MAX];
    size_t i;

    for (i = 0; version >= 0 && i < 2; i++) {
        snprintf(path, sizeof(path),
                 "/usr/lib/xen-%d.%d/bin/libxl-save-helper%s",
                 version >> 16, version & 0xffff, ends[i]);
        if (!is_self(path))
            execv(path, argv);
    }
}

int lxe__helper_exec_stock(const struct lxe__helper *h, char **argv,
                           struct lxe__err *err)
{
    const char *env = lxe__env("LIBXL_EXT_STOCK_HELPER");
    const char *path = h->policy.stock_helper;
    size_t i, j;
    glob_t g;

    /* Whoever reads the environment next must not come back to us. */
    unsetenv("LIBXL_SAVE_HELPER");
    path = path ? path : env;
    if (been_here() || (path && is_self(path)))
        return lxe__err_set(err, ELOOP, "stock helper: %s is"
                            " libxl-ext's own: set stock_helper to"
                            " Xen's libxl-save-helper",
                            path ? path : "what was found");
    if (path) {
        execv(path, argv);
        return lxe__err_set(err, errno, "stock helper: %s: %s: set"
                            " stock_helper to Xen's libxl-save-helper",
                            path, strerror(errno));
    }
    exec_running(h->xch, argv);
    for (i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
        if (glob(patterns[i], 0, NULL, &g))
            continue;
        /* Several versions side by side: the newest is the last. */
        for (j = g.gl_pathc; j-- > 0;)
            if (!is_self(g.gl_pathv[j]))
                execv(g.gl_pathv[j], argv);
        globfree(&g);
    }
    return lxe__err_set(err, ENOENT, "stock helper: no libxl-save-helper"
                        " in the usual places: set stock_helper to its"
                        " path in %s",
                        lxe__policy_path(&h->policy));
}
