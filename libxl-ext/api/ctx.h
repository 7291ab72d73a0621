/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The context of the public calls, seen from inside.
 *
 * A public call begins with lxe__ctx_begin(), has its line in ctx->err,
 * as all blocking code, and ends with "return lxe__ctx_end(ctx, r)", which
 * logs that line and makes a code of libxl out of it.
 */
#ifndef LXE_API_CTX_H
#define LXE_API_CTX_H

#include <xenctrl.h>
#include <xenstore.h>
#include <xentoollog.h>

#include "base/err.h"
#include "libxl_ext.h"

struct libxl_ext_ctx {
    struct libxl__ctx *libxl;   /* the caller's; may be NULL */
    xentoollog_logger *lg;      /* the caller's, or one that is silent */
    xc_interface *xch;          /* NULL until lxe__ctx_open() */
    struct xs_handle *xsh;      /* the same */
    struct lxe__err err;
};

void lxe__ctx_begin(libxl_ext_ctx *ctx);

/* Opens what is not open yet: Xen and xenstore.  0 or -1. */
int lxe__ctx_open(libxl_ext_ctx *ctx);

/* -1 and a line in @err unless the caller gave a libxl_ctx. */
int lxe__ctx_libxl(const libxl_ext_ctx *ctx, const char *what,
                   struct lxe__err *err);

/* @r: 0, or -1 where ctx->err says why. */
int lxe__ctx_end(libxl_ext_ctx *ctx, int r);

/* -1 and a line unless @domid is one that a domain can have. */
int lxe__ctx_domid(libxl_ext_ctx *ctx, const char *op, uint32_t domid);
/* The same, and not the control domain. */
int lxe__ctx_guest(libxl_ext_ctx *ctx, const char *op, uint32_t domid);

#endif
