/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The context: made, opened as late as can be, and freed; and the one
 * way in which its calls end.
 */
#include <errno.h>
#include <libxl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "api/ctx.h"
#include "base/log.h"
#include "base/rc.h"

/*----- a logger for those who have none -----*/

static void silent_vmessage(struct xentoollog_logger *lg,
                            xentoollog_level level, int errnoval,
                            const char *context, const char *format,
                            va_list al)
{
    (void)lg;
    (void)level;
    (void)errnoval;
    (void)context;
    (void)format;
    (void)al;
}

static void silent_destroy(struct xentoollog_logger *lg)
{
    (void)lg;
}

static struct xentoollog_logger silent = {
    .vmessage = silent_vmessage,
    .destroy = silent_destroy,
};

/*----- making and freeing -----*/

int libxl_ext_ctx_alloc(libxl_ext_ctx **ctx_r, int version,
                        struct libxl__ctx *libxl,
                        struct xentoollog_logger *logger)
{
    libxl_ext_ctx *ctx;

    *ctx_r = NULL;
    /* Newer minor versions only add. */
    if (version >> 16 != LIBXL_EXT_VERSION >> 16 ||
        version >> 8 > LIBXL_EXT_VERSION >> 8) {
        if (logger)
            LXE_ERROR(logger, "context: the program is made for version"
                      " 0x%06x of the library, and this is 0x%06x",
                      version, LIBXL_EXT_VERSION);
        return ERROR_VERSION;
    }
    ctx = calloc(1, sizeof(*ctx));
    if (!ctx)
        return ERROR_NOMEM;
    ctx->libxl = libxl;
    ctx->lg = logger ? logger : &silent;
    *ctx_r = ctx;
    return 0;
}

void libxl_ext_ctx_free(libxl_ext_ctx *ctx)
{
    if (!ctx)
        return;
    if (ctx->xsh)
        xs_close(ctx->xsh);
    if (ctx->xch)
        xc_interface_close(ctx->xch);
    free(ctx);
}

const char *libxl_ext_error(const libxl_ext_ctx *ctx)
{
    return ctx->err.msg;
}

/*----- a call -----*/

void lxe__ctx_begin(libxl_ext_ctx *ctx)
{
    lxe__err_init(&ctx->err);
}

int lxe__ctx_open(libxl_ext_ctx *ctx)
{
    /* libxenctrl's own words would come before our one line. */
    if (!ctx->xch)
        ctx->xch = xc_interface_open(&silent, &silent, 0);
    if (!ctx->xch)
        return lxe__err_set(&ctx->err, errno == ENOENT ? ENODEV : errno,
                            "opening the hypervisor interface: %s: this"
                            " needs root in the control domain of a"
                            " running Xen", strerror(errno));
    if (!ctx->xsh)
        ctx->xsh = xs_open(0);
    if (!ctx->xsh)
        return lxe__err_set(&ctx->err, errno == ENOENT ? ENODEV : errno,
                            "opening xenstore: %s: is xenstored running?",
                            strerror(errno));
    return 0;
}

int lxe__ctx_libxl(const libxl_ext_ctx *ctx, const char *what,
                   struct lxe__err *err)
{
    if (ctx->libxl)
        return 0;
    return lxe__err_set(err, EINVAL, "%s: the context has no libxl_ctx:"
                        " give libxl_ext_ctx_alloc() one", what);
}

int lxe__ctx_end(libxl_ext_ctx *ctx, int r)
{
    if (!r)
        return 0;
    LXE_ERROR(ctx->lg, "%s", ctx->err.msg);
    return lxe__rc(ctx->err.code);
}

int lxe__ctx_domid(libxl_ext_ctx *ctx, const char *op, uint32_t domid)
{
    if (domid < DOMID_FIRST_RESERVED)
        return 0;
    return lxe__err_set(&ctx->err, ESRCH, "%s: domain id %u is not below"
                        " %u: no domain has it", op, domid,
                        DOMID_FIRST_RESERVED);
}

int lxe__ctx_guest(libxl_ext_ctx *ctx, const char *op, uint32_t domid)
{
    /* When that suspends Xen takes it for the end and restarts. */
    if (!domid)
        return lxe__err_set(&ctx->err, EINVAL, "%s: domain 0 is the"
                            " control domain, which can be neither saved"
                            " nor sent", op);
    return lxe__ctx_domid(ctx, op, domid);
}
