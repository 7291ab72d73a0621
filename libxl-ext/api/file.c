/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The head of an image file: what "xl save" writes and "xl restore"
 * wants before libxl's stream.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/ctx.h"
#include "api/op.h"
#include "base/bytes.h"
#include "base/io.h"
#include "stream/xl_format.h"

int lxe__header_write(int fd, const char *config,
                      const struct lxe__bound *b, struct lxe__err *err)
{
    uint8_t head[LXE_XL_HEADER_LEN + 4];
    size_t len = strlen(config) + 1;

    if (len > LXE_XL_OPTDATA_MAX - 4)
        return lxe__err_set(err, EINVAL, "image header: a configuration of"
                            " %zu bytes is above the bound of %u", len,
                            LXE_XL_OPTDATA_MAX - 4);
    lxe__xl_header_encode(len, head);
    if (lxe__write_full_by(b, fd, head, sizeof(head)) ||
        lxe__write_full_by(b, fd, config, len))
        return lxe__err_set(err, errno, errno == ECANCELED ? "image"
                            " header: cancelled while it was written" :
                            "image header: cannot write: %s",
                            strerror(errno));
    return 0;
}

int libxl_ext_header_write(struct libxl_ext_ctx *ctx, int fd,
                           const char *config, libxl_ext_op *op)
{
    const struct lxe__bound b = { .stop_fd = lxe__op_stop_fd(op) };

    lxe__ctx_begin(ctx);
    return lxe__ctx_end(ctx, lxe__header_write(fd, config, &b,
                                               &ctx->err));
}

static int read_part(int stop_fd, int fd, void *buf, size_t len,
                     struct lxe__err *err)
{
    ssize_t n = lxe__read_full_or(stop_fd, fd, buf, len);

    if (n == (ssize_t)len)
        return 0;
    if (n < 0)
        return lxe__err_set(err, errno, errno == ECANCELED ? "image"
                            " header: cancelled while it was read" :
                            "image header: cannot read: %s",
                            strerror(errno));
    return lxe__err_set(err, EPROTO, "image header: it ends %zd bytes"
                        " into a part of %zu: the image is cut short", n,
                        len);
}

static int read_header(int stop_fd, int fd, char **config_r,
                       struct lxe__err *err)
{
    uint8_t head[LXE_XL_HEADER_LEN];
    uint32_t len, config_len;
    char *data;

    if (read_part(stop_fd, fd, head, sizeof(head), err) ||
        lxe__xl_header_decode(head, &len, err))
        return -1;
    data = malloc(len);
    if (!data)
        return lxe__err_set(err, ENOMEM, "image header: no memory");
    if (read_part(stop_fd, fd, data, len, err))
        goto fail;
    config_len = lxe__get_le32((uint8_t *)data);
    if (!config_len || config_len > len - 4 || data[4 + config_len - 1]) {
        lxe__err_set(err, EPROTO, "image header: a configuration of %u"
                     " bytes does not end with its NUL within the %u of"
                     " optional data", config_len, len - 4);
        goto fail;
    }
    /* Its tail is for who knows it, as xl has it. */
    memmove(data, data + 4, config_len);
    *config_r = data;
    return 0;

 fail:
    free(data);
    return -1;
}

int libxl_ext_header_read(struct libxl_ext_ctx *ctx, int fd,
                          libxl_ext_op *op, char **config_r)
{
    *config_r = NULL;
    lxe__ctx_begin(ctx);
    return lxe__ctx_end(ctx, read_header(lxe__op_stop_fd(op), fd, config_r,
                                         &ctx->err));
}
