/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What commands on domains share: the library's context, which domain an
 * argument means, and output.
 */
#ifndef XL_CMD_DOMAIN_H
#define XL_CMD_DOMAIN_H

#include "command.h"
#include "libxl_ext.h"

/*
 * A context whose warnings and errors go to standard error, a line each,
 * with the command's name ahead.  So what fails in the library has been
 * said when the call returns.  NULL with a line.  One at a time.
 */
libxl_ext_ctx *command_open(const struct command_call *call);

/* @text is xl's: an id or a name.  0, or -1 with a line. */
int command_domain(libxl_ext_ctx *ctx, const char *text,
                   uint32_t *domid_r);

/*
 * Prints what a type's _to_json() made, and frees it.  EXIT_WELL, or
 * EXIT_CANNOT with a line where it is NULL.
 */
int command_json(const struct command_call *call, char *json);

#endif
