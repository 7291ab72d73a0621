/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Finding the stock helper and becoming it: Remus and COLO streams are
 * none of ours.
 */
#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "helper/helper.h"

/* LIBEXEC_BIN of the distributions, most specific first. */
static const char *const patterns[] = {
    "/usr/lib/xen-*/bin/libxl-save-helper",             /* Debian */
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

int lxe__helper_exec_stock(const struct lxe__policy *policy, char **argv,
                           struct lxe__err *err)
{
    const char *env = getenv("LIBXL_EXT_STOCK_HELPER");
    const char *path = policy->stock_helper;
    size_t i, j;
    glob_t g;

    /* Whoever reads the environment next must not come back to us. */
    unsetenv("LIBXL_SAVE_HELPER");
    if (path || env) {
        path = path ? path : env;
        if (is_self(path))
            return lxe__err_set(err, ELOOP, "stock helper: %s is"
                                " libxl-ext's own: set stock_helper to"
                                " Xen's libxl-save-helper", path);
        execv(path, argv);
        return lxe__err_set(err, errno, "stock helper: %s: %s: set"
                            " stock_helper to Xen's libxl-save-helper",
                            path, strerror(errno));
    }
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
                        " path in %s", lxe__policy_path(policy));
}
