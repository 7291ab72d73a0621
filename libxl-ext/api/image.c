/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The public calls of libxl_ext_image.h: memory and the error's form
 * are theirs, the reading is image/'s.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "image/image.h"

int libxl_ext_image_read(int fd, unsigned int flags,
                         struct libxl_ext_image **image_r, char *error,
                         size_t error_len)
{
    struct libxl_ext_image *image = malloc(sizeof(*image));
    struct lxe__err err;
    int rc;

    lxe__err_init(&err);
    if (flags & ~LIBXL_EXT_IMAGE_QUICK)
        rc = lxe__err_set(&err, EINVAL, "image: flags 0x%x have bits"
                          " outside 0x%x", flags, LIBXL_EXT_IMAGE_QUICK);
    else if (!image)
        rc = lxe__err_set(&err, ENOMEM, "image: no memory");
    else
        rc = lxe__image_read(fd, flags, image, &err);
    if (!rc) {
        *image_r = image;
        return 0;
    }
    free(image);
    if (error && error_len)
        snprintf(error, error_len, "%s", err.msg);
    errno = err.code;
    return -1;
}

void libxl_ext_image_free(struct libxl_ext_image *image)
{
    free(image);
}
