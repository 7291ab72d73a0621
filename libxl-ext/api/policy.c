/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The public calls on the policy: what is in force, and where each value
 * comes from.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/env.h"
#include "report/convert.h"
#include "api/ctx.h"

/* The order in which they are shown; overrides are no value. */
static const enum lxe__policy_key shown[] = {
    LXE_KEY_MEMORY_BUMP, LXE_KEY_MEMORY_BUMP_LIMIT, LXE_KEY_FREEZE,
    LXE_KEY_FREEZE_METHOD, LXE_KEY_FREEZE_TIMEOUT, LXE_KEY_LINK_TIMEOUT,
    LXE_KEY_CLAIM, LXE_KEY_STOCK_HELPER, LXE_KEY_QEMU,
};
#define NR_SHOWN (sizeof(shown) / sizeof(shown[0]))

/* What stands in for a path that the file does not set. */
static const char *variable(enum lxe__policy_key key)
{
    switch (key) {
    case LXE_KEY_STOCK_HELPER:
        return "LIBXL_EXT_STOCK_HELPER";
    case LXE_KEY_QEMU:
        return "LIBXL_EXT_QEMU";
    default:
        return NULL;
    }
}

/* As the file has it, "" for a path that is not set. */
static void value_text(const struct lxe__policy *p,
                       enum lxe__policy_key key, char *text, size_t len)
{
    const char *path = NULL;

    switch (key) {
    case LXE_KEY_MEMORY_BUMP:
        snprintf(text, len, "%s", lxe__bump_words[p->memory_bump]);
        return;
    case LXE_KEY_MEMORY_BUMP_LIMIT:
        snprintf(text, len, "%"PRIu64, p->memory_bump_limit);
        return;
    case LXE_KEY_FREEZE:
        snprintf(text, len, "%s", lxe__freeze_words[p->freeze]);
        return;
    case LXE_KEY_FREEZE_METHOD:
        snprintf(text, len, "%s", lxe__method_words[p->freeze_method]);
        return;
    case LXE_KEY_FREEZE_TIMEOUT:
        snprintf(text, len, "%u", p->freeze_timeout);
        return;
    case LXE_KEY_LINK_TIMEOUT:
        snprintf(text, len, "%u", p->link_timeout);
        return;
    case LXE_KEY_CLAIM:
        snprintf(text, len, "%d", p->claim);
        return;
    case LXE_KEY_STOCK_HELPER:
        path = p->stock_helper;
        break;
    case LXE_KEY_QEMU:
        path = p->qemu;
        break;
    case LXE_KEY_MEMORY_BUMP_OVERRIDES:
    case LXE_NR_KEYS:
        break;
    }
    snprintf(text, len, "%s", path ? path : "");
}

static int to_value(libxl_ext_policy_value *to,
                    const struct lxe__policy *p,
                    const struct lxe__policy_sources *sources,
                    enum lxe__policy_key key, struct lxe__err *err)
{
    const struct lxe__policy_source *s = &sources->of[key];
    const char *name = s->line ? NULL : variable(key);
    const char *env = name ? lxe__env(name) : NULL;
    char text[4096];

    to->line = s->line;
    to->entry = s->entry;
    to->origin = s->entry ? LIBXL_EXT_POLICY_ORIGIN_OVERRIDE :
        s->line ? LIBXL_EXT_POLICY_ORIGIN_FILE :
        env ? LIBXL_EXT_POLICY_ORIGIN_ENVIRONMENT :
        LIBXL_EXT_POLICY_ORIGIN_DEFAULT;
    value_text(p, key, text, sizeof(text));
    return lxe__to_string(&to->key, lxe__policy_key_name(key), err) ||
           lxe__to_string(&to->value, env ? env : text, err) ||
           lxe__to_string(&to->variable, env ? name : NULL, err) ? -1 : 0;
}

static int to_report(libxl_ext_policy_report *to, const char *name,
                     const struct lxe__policy *p,
                     const struct lxe__policy_sources *sources,
                     struct lxe__err *err)
{
    size_t i;

    to->file_found = sources->file_found;
    if (sources->file_by_env)
        to->file_origin = LIBXL_EXT_POLICY_ORIGIN_ENVIRONMENT;
    if (lxe__to_string(&to->domain, name, err) ||
        lxe__to_string(&to->file, p->path, err) ||
        lxe__to_policy(&to->policy, p, err))
        return -1;
    if (!sources->file_found) {
        free(to->policy.path);
        to->policy.path = NULL;
    }
    to->values = calloc(NR_SHOWN, sizeof(*to->values));
    if (!to->values)
        return lxe__err_set(err, ENOMEM, "policy: no memory");
    for (i = 0; i < NR_SHOWN; i++) {
        libxl_ext_policy_value_init(&to->values[to->num_values]);
        if (to_value(&to->values[to->num_values++], p, sources, shown[i],
                     err))
            return -1;
    }
    return 0;
}

static int report(libxl_ext_ctx *ctx, const char *name,
                  struct lxe__policy *policy,
                  const struct lxe__policy_sources *sources,
                  libxl_ext_policy_report *report_r)
{
    int r = to_report(report_r, name, policy, sources, &ctx->err);

    lxe__policy_dispose(policy);
    if (r)
        libxl_ext_policy_report_dispose(report_r);
    return r;
}

int libxl_ext_policy_get(libxl_ext_ctx *ctx, const char *name,
                         libxl_ext_policy_report *report_r)
{
    struct lxe__policy_sources sources;
    struct lxe__policy policy;
    int r;

    libxl_ext_policy_report_init(report_r);
    lxe__ctx_begin(ctx);
    r = lxe__policy_load_sources(&policy, NULL, name, &sources,
                                 &ctx->err) ||
        report(ctx, name, &policy, &sources, report_r);
    return lxe__ctx_end(ctx, r);
}

int libxl_ext_policy_get_domain(libxl_ext_ctx *ctx, uint32_t domid,
                                libxl_ext_policy_report *report_r)
{
    struct lxe__policy_sources sources;
    struct lxe__policy policy;
    struct lxe__limits l;
    char *name = NULL;
    int r;

    libxl_ext_policy_report_init(report_r);
    lxe__ctx_begin(ctx);
    r = lxe__ctx_domid(ctx, "policy", domid) || lxe__ctx_open(ctx) ||
        lxe__limits_read(ctx->xch, NULL, domid, &l, &ctx->err) ||
        lxe__policy_load_domain(&policy, ctx->xsh, domid, &name, &sources,
                                &ctx->err) ||
        report(ctx, name, &policy, &sources, report_r);
    free(name);
    return lxe__ctx_end(ctx, r);
}
