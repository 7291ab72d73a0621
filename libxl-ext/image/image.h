/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The way into this room: says what an image is, makes another of it,
 * compares two.  Types are those of the public header; docs/image.md
 * explains them.
 */
#ifndef LXE_IMAGE_IMAGE_H
#define LXE_IMAGE_IMAGE_H

#include "base/err.h"
#include "libxl_ext_image.h"

/*
 * As libxl_ext_image_read(), with an error of our own kind.  *@out is
 * overwritten; it holds no pointer that must be freed.  0 also for an
 * image with faults; -1 where reading or memory failed, and *@out then
 * holds what was found up to there.
 */
int lxe__image_read(int fd, unsigned int flags, int stop_fd,
                    struct libxl_ext_image *out, struct lxe__err *err);

/* As libxl_ext_image_convert(); *@done is overwritten. */
int lxe__image_convert(int fd, const char *path,
                       const struct libxl_ext_image_conversion *how,
                       struct libxl_ext_image_converted *done,
                       struct lxe__err *err);

/* As libxl_ext_image_diff(); *@sum is overwritten. */
int lxe__image_diff(int fd_a, int fd_b, int stop_fd,
                    libxl_ext_image_difference_fn *found, void *user,
                    struct libxl_ext_image_differences *sum,
                    struct lxe__err *err);

#endif
