/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The public calls of libxl_ext_image.h: memory and the error's form
 * are theirs, the reading is image/'s.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "image/image.h"

#define FLAGS (LIBXL_EXT_IMAGE_QUICK | LIBXL_EXT_IMAGE_RULES)

/* Always -1: the error as the callers of these calls want it. */
static int failed(const struct lxe__err *err, char *error,
                  size_t error_len)
{
    if (error && error_len)
        snprintf(error, error_len, "%s", err->msg);
    errno = err->code;
    return -1;
}

int libxl_ext_image_read(int fd, unsigned int flags, int stop_fd,
                         struct libxl_ext_image **image_r, char *error,
                         size_t error_len)
{
    struct libxl_ext_image *image = malloc(sizeof(*image));
    struct lxe__err err;
    int rc;

    lxe__err_init(&err);
    if (flags & ~FLAGS)
        rc = lxe__err_set(&err, EINVAL, "image: flags 0x%x have bits"
                          " outside 0x%x", flags, FLAGS);
    else if (!image)
        rc = lxe__err_set(&err, ENOMEM, "image: no memory");
    else
        rc = lxe__image_read(fd, flags, stop_fd, image, &err);
    if (!rc) {
        *image_r = image;
        return 0;
    }
    free(image);
    return failed(&err, error, error_len);
}

void libxl_ext_image_free(struct libxl_ext_image *image)
{
    free(image);
}

int libxl_ext_image_convert(int fd, const char *path,
                            const struct libxl_ext_image_conversion *how,
                            struct libxl_ext_image_converted *done_r,
                            char *error, size_t error_len)
{
    struct libxl_ext_image_converted done;
    struct lxe__err err;

    lxe__err_init(&err);
    return lxe__image_convert(fd, path, how, done_r ? done_r : &done, &err)
           ? failed(&err, error, error_len) : 0;
}

int libxl_ext_image_diff(int fd_a, int fd_b, int stop_fd,
                         libxl_ext_image_difference_fn *found, void *user,
                         struct libxl_ext_image_differences *sum_r,
                         char *error, size_t error_len)
{
    struct lxe__err err;

    lxe__err_init(&err);
    return lxe__image_diff(fd_a, fd_b, stop_fd, found, user, sum_r, &err)
           ? failed(&err, error, error_len) : 0;
}
