/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * libxl-ext-qemu: the arbiter between QEMU and a guest's memory limit.
 *
 * It stands in QEMU's place (device_model_override), works out how many
 * guest pages QEMU is going to populate for option ROMs, asks the
 * policy, raises the limit by what is needed and not more, and becomes
 * QEMU by exec.  QEMU 2.2.1 to 2.3 raised the limit by itself and had
 * to stop: nobody could foresee a guest's memory any more, and
 * migration lost such guests.  Here a policy bounds the raise, and the
 * limit travels with the guest.
 *
 * Killed at any point it leaves at most a limit that is too high, for a
 * guest that has no device model and that libxl therefore destroys.
 */
#include <errno.h>
#include <glob.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xenstore.h>

#include "base/env.h"
#include "memory/limits.h"
#include "memory/policy.h"
#include "qemu/args.h"
#include "qemu/roms.h"

#define PROGRAM "libxl-ext-qemu"

/*
 * hvmloader runs after QEMU has started and populates a few pages for
 * its tables; 12 were seen (Xen 4.17, one vcpu).  Where it gets none it
 * moves RAM of the guest there instead, which is not fatal: so it does
 * with stock tools for most of OVMF's image, and so it may go on doing.
 */
#define HVMLOADER_RESERVE_PAGES 32

/* What was raised, to be taken back if QEMU cannot be started. */
struct raise {
    xc_interface *xch;
    uint32_t domid;
    uint64_t from, to;          /* equal: nothing was done */
};

/*----- the limit -----*/

static int raise_limit(const struct lxe__qemu_args *a,
                       const struct lxe__policy *policy, const char *name,
                       struct xs_handle *xsh, struct raise *raise,
                       struct lxe__err *err)
{
    struct lxe__limits l;
    struct lxe__host host;
    unsigned found;
    uint64_t roms = lxe__qemu_roms_pages(a, &found), need;

    if (!roms && !a->vram_pages)
        return 0;
    raise->xch = xc_interface_open(NULL, NULL, 0);
    if (!raise->xch)
        return lxe__err_set(err, errno, "start QEMU: opening the"
                            " hypervisor interface: %s: this needs root in"
                            " the control domain", strerror(errno));
    if (lxe__limits_read(raise->xch, xsh, a->domid, &l, err) ||
        lxe__host_read(raise->xch, &host, err))
        return -1;
    need = l.tot_pages + a->vram_pages + roms + HVMLOADER_RESERVE_PAGES;
    if (need <= l.max_pages)
        return 0;
    /*
     * xenstore has no target yet while libxl builds the domain; what
     * Xen has is what stock libxl set a moment ago.
     */
    if (lxe__policy_judge(policy, "start QEMU", name ? name : "(no name)",
                          need, l.tot_pages, l.max_pages * 4,
                          host.total_pages, err))
        return -1;
    /* Noted first: a set that fails half-way is taken back as well. */
    raise->domid = a->domid;
    raise->from = l.max_pages;
    raise->to = need;
    if (lxe__limits_set(raise->xch, a->domid, need, err))
        return -1;
    fprintf(stderr, PROGRAM ": domain %u: max_pages raised from %"PRIu64
            " to %"PRIu64", by %"PRIu64" pages: option ROMs %"PRIu64
            " (%u), video memory %"PRIu64", hvmloader %u, less %"PRId64
            " that the limit left\n", a->domid, raise->from, raise->to,
            raise->to - raise->from, roms, found, a->vram_pages,
            HVMLOADER_RESERVE_PAGES, (int64_t)(l.max_pages - l.tot_pages));
    return 0;
}

static void take_back(struct raise *raise)
{
    struct lxe__err err;

    if (raise->from == raise->to)
        return;
    lxe__err_init(&err);
    if (lxe__limits_set(raise->xch, raise->domid, raise->from, &err))
        fprintf(stderr, PROGRAM ": %s\n", err.msg);
}

/*----- becoming QEMU -----*/

static const char *const patterns[] = {
    "/usr/libexec/xen-qemu-system-i386",                /* Debian 12 */
    "/usr/lib/xen-*/bin/qemu-system-i386",              /* Debian 11 */
    "/usr/libexec/xen/bin/qemu-system-i386",
    "/usr/lib/xen/bin/qemu-system-i386",
    "/usr/lib64/xen/bin/qemu-system-i386",
    "/usr/local/lib/xen/bin/qemu-system-i386",
    "/usr/bin/qemu-system-i386",
};

static int is_self(const char *path)
{
    struct stat self, st;

    return !stat("/proc/self/exe", &self) && !stat(path, &st) &&
        self.st_dev == st.st_dev && self.st_ino == st.st_ino;
}

static int become(const struct lxe__policy *policy, const char *path,
                  char **argv, struct lxe__err *err)
{
    if (is_self(path))
        return lxe__err_set(err, ELOOP, "start QEMU: %s is the arbiter"
                            " itself: set qemu to the real one in %s",
                            path, lxe__policy_path(policy));
    argv[0] = (char *)path;
    execv(path, argv);
    return lxe__err_set(err, errno, "start QEMU: %s: %s", path,
                        strerror(errno));
}

static int exec_qemu(const struct lxe__policy *policy, char **argv,
                     struct lxe__err *err)
{
    const char *env = lxe__env("LIBXL_EXT_QEMU");
    struct lxe__err last;
    size_t i, j;
    glob_t g;

    if (policy->qemu || env)
        return become(policy, policy->qemu ? policy->qemu : env, argv,
                      err);
    for (i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
        if (glob(patterns[i], 0, NULL, &g))
            continue;
        for (j = g.gl_pathc; j-- > 0;) {
            lxe__err_init(&last);
            become(policy, g.gl_pathv[j], argv, &last);
            /* One that is there and cannot be run is worth a line. */
            if (last.code != ELOOP)
                lxe__err_set(err, last.code, "%s", last.msg);
        }
        globfree(&g);
    }
    return lxe__err_set(err, ENOENT, "start QEMU: no qemu-system-i386 in"
                        " the usual places: set qemu to its path in %s",
                        lxe__policy_path(policy));
}

/*----- main -----*/

static int arbitrate(const struct lxe__qemu_args *a,
                     struct lxe__policy *policy, struct raise *raise,
                     struct lxe__err *err)
{
    struct xs_handle *xsh = a->has_domid ? xs_open(0) : NULL;
    char *name;
    int rc = 0;

    lxe__policy_load_domain_or_none(policy, xsh, a->domid, &name);
    /*
     * libxl asks with -help and the like; backends of a PV guest have
     * no ROMs; the ROMs of an incoming guest are in its image.  What
     * raises nothing may be a restore, which is not to fail of an error
     * in the policy: its image may be gone (docs/libvirt.md).
     */
    if (!a->has_domid || a->attach || a->incoming) {
        if (a->has_domid && policy->unread.code)
            fprintf(stderr, PROGRAM ": domain %u: %s: the defaults hold\n",
                    a->domid, policy->unread.msg);
    } else if (policy->unread.code) {
        rc = lxe__err_set(err, policy->unread.code, "%s",
                          policy->unread.msg);
    } else {
        rc = raise_limit(a, policy, name, xsh, raise, err);
    }
    free(name);
    if (xsh)
        xs_close(xsh);
    return rc;
}

int main(int argc, char **argv)
{
    static struct lxe__qemu_args a;
    struct lxe__policy policy;
    struct raise raise = { 0 };
    struct lxe__err err;

    (void)argc;
    lxe__err_init(&err);
    lxe__policy_init(&policy);
    if (!lxe__qemu_args_parse(&a, argv + 1, &err) &&
        !arbitrate(&a, &policy, &raise, &err))
        exec_qemu(&policy, argv, &err);
    /* Here only where QEMU was not started. */
    take_back(&raise);
    fprintf(stderr, PROGRAM ": %s\n", err.msg);
    return 1;
}
