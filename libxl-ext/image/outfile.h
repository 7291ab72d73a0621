/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The file that a conversion writes, front to back and through a buffer,
 * with its digest; base/newfile.h says how it gets its name.
 *
 *   lxe__outfile_open()     refuses what may not be replaced
 *   lxe__outfile_write()    front to back
 *   lxe__outfile_patch()    what stood there as a placeholder
 *   lxe__outfile_flush()    all is in the file, and can be read from fd
 *   lxe__outfile_commit()   from here on it has its name
 *   lxe__outfile_dispose()  always; removes what was not committed
 */
#ifndef LXE_IMAGE_OUTFILE_H
#define LXE_IMAGE_OUTFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/newfile.h"

struct lxe__outfile {
    struct lxe__newfile file;
    int stop_fd;                /* above 0: ECANCELED when readable */
    bool replace;
    uint8_t *buf;
    size_t used;
    uint64_t written;           /* with what is in buf */
    struct lxe__digest *digest; /* of all that went through _write */
};

/*
 * @input_fd must not be the file at @path.  @path must outlive *@f.
 * @named: do not try to do without a name.
 */
int lxe__outfile_open(struct lxe__outfile *f, int input_fd,
                      const char *path, bool replace, bool named,
                      struct lxe__err *err);
int lxe__outfile_write(struct lxe__outfile *f, const void *data,
                       size_t len, struct lxe__err *err);
int lxe__outfile_patch(struct lxe__outfile *f, uint64_t at,
                       const void *data, size_t len,
                       struct lxe__err *err);
int lxe__outfile_flush(struct lxe__outfile *f, struct lxe__err *err);
int lxe__outfile_commit(struct lxe__outfile *f, struct lxe__err *err);
void lxe__outfile_dispose(struct lxe__outfile *f);

#endif
