/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * From the library's own types to the public ones of idl/: the one place
 * that knows both.
 *
 * Outputs are initialised by the caller, who disposes of them after a
 * failure.  -1 is want of memory, with a line in @err.
 */
#ifndef LXE_REPORT_CONVERT_H
#define LXE_REPORT_CONVERT_H

#include "base/err.h"
#include "freeze/backends.h"
#include "freeze/freeze.h"
#include "libxl_ext.h"
#include "memory/limits.h"
#include "memory/policy.h"
#include "memory/record.h"

/* A copy of @text, NULL where that is NULL or empty. */
int lxe__to_string(char **to, const char *text, struct lxe__err *err);

void lxe__to_limits(libxl_ext_memory_limits *to,
                    const struct lxe__limits *l);
void lxe__to_host(libxl_ext_host_memory *to, const struct lxe__host *h);
int lxe__to_verdict(libxl_ext_verdict *to,
                    const struct lxe__memory_verdict *v,
                    struct lxe__err *err);
int lxe__to_policy(libxl_ext_policy *to, const struct lxe__policy *p,
                   struct lxe__err *err);

/* What a stream carries; the domain's id, @domid, is not in it. */
void lxe__to_sent_limits(libxl_ext_memory_limits *to,
                         const struct lxe__record *r, uint32_t domid);

/* All but where it stands, which takes a look at sysfs and journal. */
int lxe__to_backend(libxl_ext_backend *to, const struct lxe__backend *b,
                    struct lxe__err *err);
/* The same after a freeze: what was done with it, not what would be. */
int lxe__to_frozen_backend(libxl_ext_backend *to,
                           const struct lxe__backend *b,
                           struct lxe__err *err);
void lxe__to_freeze_report(libxl_ext_freeze_report *to,
                           const struct lxe__freeze_report *r);

#endif
