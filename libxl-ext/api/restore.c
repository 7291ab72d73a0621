/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * libxl_ext_domain_restore(): libxl makes the domain, libxl-ext's helper
 * fills it.  What fails leaves no domain: libxl destroys what it made.
 * Should the caller die, what libxl made stays, as it does with xl: a
 * domain that was never unpaused.
 */
#include <errno.h>
#include <libxl.h>
#include <stdio.h>
#include <string.h>

#include "api/ctx.h"
#include "api/op.h"

#define STREAM_VERSION 2        /* the only one that has our record */

/* What is left to say when neither libxl nor the helper said it to us. */
static void fill_error(struct libxl_ext_op *op, const char *name, int rc)
{
    if (op->stop) {
        lxe__op_forget(op);
        lxe__err_set(&op->err, ECANCELED, "restore: guest \"%s\":"
                     " cancelled", name);
    } else {
        lxe__err_set(&op->err, EIO, "restore: guest \"%s\": libxl failed"
                     " (rc %d) and has said why to its logger", name, rc);
    }
}

int lxe__op_restore(struct libxl_ext_ctx *ctx,
                    struct libxl_domain_config *config, int fd,
                    uint32_t *domid_r, struct libxl_ext_op *op)
{
    libxl_domain_restore_params params;
    uint32_t domid = UINT32_MAX;
    int libxl_fd, rc;

    if (libxl_uuid_is_nil(&config->c_info.uuid))
        libxl_uuid_generate(&config->c_info.uuid);
    if (lxe__op_begin(op, ctx->libxl, LXE_SESSION_RESTORE,
                      libxl_uuid_bytearray_const(&config->c_info.uuid),
                      fd, &libxl_fd)) {
        if (op->err.code == ECANCELED)
            fill_error(op, config->c_info.name, 0);
        return -1;
    }
    libxl_domain_restore_params_init(&params);
    params.stream_version = STREAM_VERSION;
    rc = libxl_domain_create_restore(ctx->libxl, config, &domid, libxl_fd,
                                     -1, &params, NULL, NULL);
    libxl_domain_restore_params_dispose(&params);
    lxe__op_end(op);
    if (!rc) {
        *domid_r = domid;
        return 0;
    }
    fill_error(op, config->c_info.name, rc);
    return -1;
}

int libxl_ext_domain_restore(struct libxl_ext_ctx *ctx,
                             struct libxl_domain_config *config,
                             int fd, uint32_t *domid_r, libxl_ext_op *op)
{
    int r = -1;

    lxe__ctx_begin(ctx);
    if (!lxe__op_check(ctx, op, "restore"))
        r = lxe__op_restore(ctx, config, fd, domid_r, op);
    return lxe__op_return(ctx, op, r);
}
