/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A new file that has its name when it is whole, or not at all: made
 * beside its place, synced, named, and the directory synced.
 *
 *   lxe__newfile_find()     its directory
 *   lxe__newfile_make()     the file, which can be written by its fd
 *   lxe__newfile_commit()   from here on it has its name
 *   lxe__newfile_dispose()  always; removes what was not committed
 *
 * Until the commit the file has no name where the file system can do
 * that (O_TMPFILE): then nothing is left of a process that is killed.
 * Elsewhere that leaves ".xl-ext.PID.N" in the directory.
 */
#ifndef LXE_BASE_NEWFILE_H
#define LXE_BASE_NEWFILE_H

#include <limits.h>
#include <stdbool.h>

#include "base/err.h"

struct lxe__newfile {
    int fd, dir_fd;
    const char *what;           /* "image: output": begins each message */
    const char *path;           /* the caller's */
    const char *name;           /* its last part */
    char temp[64];              /* empty: there is no such file */
    bool placed;                /* it has its name */
};

/* @what and @path must outlive *@f. */
int lxe__newfile_find(struct lxe__newfile *f, const char *what,
                      const char *path, struct lxe__err *err);

/* @named: do not try to do without a name. */
int lxe__newfile_make(struct lxe__newfile *f, bool named,
                      struct lxe__err *err);

/*
 * @replace: what has that name is replaced, in one step; else EEXIST.  A
 * failure with f->placed: only the directory could not be synced.
 */
int lxe__newfile_commit(struct lxe__newfile *f, bool replace,
                        struct lxe__err *err);
void lxe__newfile_dispose(struct lxe__newfile *f);

#endif
