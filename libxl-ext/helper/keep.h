/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Keeping the image of a restore that fails.
 *
 * libvirt's driver removes a managed save before libxl restores it
 * (libxlDomainStartNew()), so that the stream is the guest's only copy
 * and ends with the last descriptor.  An image without a name is put
 * back under it when the restore fails, ahead of libxl's being told:
 *
 *   lxe__keep_begin()     with libxl's descriptor, before all else;
 *                         from here on SIGTERM lets the stream end, if
 *                         the image has no name, and else this process
 *   lxe__keep_stop()      points to what is set when it did
 *   lxe__keep_put_back()  after a failure
 *   lxe__keep_end()       always
 *
 * What a crash at each step leaves is in docs/faults.md.
 */
#ifndef LXE_HELPER_KEEP_H
#define LXE_HELPER_KEEP_H

#include <signal.h>
#include <linux/limits.h>

#include "base/err.h"

struct lxe__keep {
    int fd;                     /* the image; -1: there is none */
    char path[PATH_MAX];        /* the name that it had */
};

void lxe__keep_init(struct lxe__keep *k);

/*
 * @fd: the number that libxenguest will read from, whatever stands under
 * it later.  What is no regular file is left alone.  Failures are, too:
 * a restore does not fail because it may fail.
 */
void lxe__keep_begin(struct lxe__keep *k, int fd);

const volatile sig_atomic_t *lxe__keep_stop(void);

/*
 * 1: it was put back under k->path; 0: it has its name, or never had one;
 * -1: it was not put back, and nothing was changed.  1 with @err set: it
 * was put back, but a crash of the host could undo that.
 */
int lxe__keep_put_back(struct lxe__keep *k, struct lxe__err *err);

void lxe__keep_end(struct lxe__keep *k);

#endif
