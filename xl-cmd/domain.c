/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What commands on domains share; see domain.h.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xentoollog.h>

#include "domain.h"

static const struct command_call *caller;

__attribute__((format(printf, 5, 0)))
static void vmessage(struct xentoollog_logger *lg, xentoollog_level level,
                     int errnoval, const char *context, const char *format,
                     va_list al)
{
    char line[1024];

    (void)lg;
    (void)errnoval;
    (void)context;
    if (level < XTL_WARN)
        return;
    vsnprintf(line, sizeof(line), format, al);
    command_error(caller, "%s%s", level < XTL_ERROR ? "warning: " : "",
                  line);
}

static void destroy(struct xentoollog_logger *lg)
{
    (void)lg;
}

static struct xentoollog_logger logger = {
    .vmessage = vmessage,
    .destroy = destroy,
};

libxl_ext_ctx *command_open(const struct command_call *call)
{
    libxl_ext_ctx *ctx;
    int rc;

    caller = call;
    rc = libxl_ext_ctx_alloc(&ctx, LIBXL_EXT_VERSION, NULL, &logger);
    if (rc)
        command_error(call, "no context of the library (code %d)", rc);
    return ctx;
}

int command_domain(libxl_ext_ctx *ctx, const char *text,
                   uint32_t *domid_r)
{
    return libxl_ext_domain_find(ctx, text, domid_r) ? -1 : 0;
}

int command_json(const struct command_call *call, char *json)
{
    if (!json) {
        command_error(call, "cannot make the JSON text: %s",
                      strerror(errno));
        return EXIT_CANNOT;
    }
    printf("%s\n", json);
    free(json);
    return EXIT_WELL;
}
