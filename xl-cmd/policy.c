/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * xl-ext policy: what is in force, and where each value comes from.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "domain.h"

enum { OPT_JSON };

static void print_origin(const libxl_ext_policy_value *v)
{
    switch (v->origin) {
    case LIBXL_EXT_POLICY_ORIGIN_DEFAULT:
        printf("default");
        break;
    case LIBXL_EXT_POLICY_ORIGIN_FILE:
        printf("line %"PRIu32, v->line);
        break;
    case LIBXL_EXT_POLICY_ORIGIN_OVERRIDE:
        printf("entry %"PRIu32" of memory_bump_overrides, line %"PRIu32,
               v->entry, v->line);
        break;
    case LIBXL_EXT_POLICY_ORIGIN_ENVIRONMENT:
        printf("environment, %s", v->variable);
        break;
    }
    putchar('\n');
}

static void print_report(const libxl_ext_policy_report *r)
{
    uint32_t i;

    printf("domain: ");
    print_clean(r->domain);
    printf("\nfile: ");
    print_clean(r->file);
    printf("%s%s\n", r->file_found ? "" : ", not there",
           r->file_origin == LIBXL_EXT_POLICY_ORIGIN_ENVIRONMENT ?
           ", named by LIBXL_EXT_CONFIG" : "");
    for (i = 0; i < r->num_values; i++) {
        const char *value = r->values[i].value;

        printf("%-18s ", r->values[i].key);
        print_clean(value ? value : "(looked for)");
        printf("%*s ", value && strlen(value) < 12 ?
               (int)(12 - strlen(value)) : 0, "");
        print_origin(&r->values[i]);
    }
}

/* A name need not be one that a domain has: its guest may be down. */
static int get(libxl_ext_ctx *ctx, const char *text,
               libxl_ext_policy_report *r)
{
    uint32_t domid;

    libxl_ext_policy_report_init(r);
    if (!text || text[strspn(text, "0123456789")])
        return libxl_ext_policy_get(ctx, text, r);
    return command_domain(ctx, text, &domid) ? -1 :
        libxl_ext_policy_get_domain(ctx, domid, r);
}

static int policy(const struct command_call *call)
{
    libxl_ext_ctx *ctx = command_open(call);
    libxl_ext_policy_report r;
    int rc = EXIT_WELL;

    if (!ctx)
        return EXIT_CANNOT;
    if (get(ctx, call->args[0], &r))
        rc = EXIT_CANNOT;
    else if (command_has(call, OPT_JSON))
        rc = command_json(call, libxl_ext_policy_report_to_json(&r));
    else
        print_report(&r);
    libxl_ext_policy_report_dispose(&r);
    libxl_ext_ctx_free(ctx);
    return rc;
}

const struct command policy_commands[] = {
    { .name = "policy", .args = "[DOMAIN]", .more_args = 1,
      .help = "show the policy in force and where each value comes from",
      .options = { [OPT_JSON] = { "--json", NULL, "as one JSON object" } },
      .run = policy },
    { 0 }
};
