/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * xl-ext memory: what domains may have and have, and what the policy
 * says of it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domain.h"

enum { OPT_JSON };

static void print_kb(uint64_t kb)
{
    if (kb)
        printf(" %11"PRIu64, kb);
    else
        printf(" %11s", "-");
}

static void print_pages(uint64_t pages)
{
    if (pages == UINT64_MAX)
        printf(" %9s", "none");
    else
        printf(" %9"PRIu64, pages);
}

static void print_verdict(const libxl_ext_verdict *v)
{
    if (v->allowed) {
        puts("  allowed");
        return;
    }
    printf("  refused: %"PRIu64" above %"PRIu64, v->over_pages,
           v->bound_pages);
    if (v->setting)
        printf("; %s would do", v->setting);
    putchar('\n');
}

static void print_domain(const libxl_ext_domain_memory *d)
{
    int len = d->name ? (int)strlen(d->name) : 1;

    print_clean(d->name);
    printf("%*s %5"PRIu32, len < 24 ? 24 - len : 0, "", d->limits.domid);
    print_kb(d->limits.target_kb);
    print_kb(d->limits.static_max_kb);
    print_pages(d->limits.max_pages);
    print_pages(d->limits.tot_pages);
    print_pages(d->raise_pages);
    print_verdict(&d->verdict);
}

/* KiB as in xl; limits in pages, since that is what Xen counts. */
static void print_table(const libxl_ext_memory_table *t)
{
    uint32_t i;

    printf("host: %"PRIu64" pages of 4 KiB, %"PRIu64" free, %"PRIu64
           " claimed\n", t->host.total_pages, t->host.free_pages,
           t->host.outstanding_pages);
    printf("%-24s %5s %11s %11s %9s %9s %9s  %s\n", "Name", "ID",
           "Target/KiB", "Static/KiB", "Limit", "Pages", "Raise",
           "Verdict");
    for (i = 0; i < t->num_domains; i++)
        print_domain(&t->domains[i]);
}

/* The domains that are named; 0, or -1 with a line. */
static int get_named(const struct command_call *call, libxl_ext_ctx *ctx,
                     libxl_ext_memory_table *t)
{
    uint32_t domid;
    unsigned int i;

    libxl_ext_memory_table_init(t);
    t->domains = calloc(call->nr_args, sizeof(*t->domains));
    if (!t->domains) {
        command_error(call, "no memory for %u domains", call->nr_args);
        return -1;
    }
    if (libxl_ext_host_memory_get(ctx, &t->host))
        return -1;
    for (i = 0; i < call->nr_args; i++)
        if (command_domain(ctx, call->args[i], &domid) ||
            libxl_ext_memory_get(ctx, domid,
                                 &t->domains[t->num_domains++]))
            return -1;
    return 0;
}

static int answer(const libxl_ext_memory_table *t)
{
    uint32_t i;

    for (i = 0; i < t->num_domains; i++)
        if (!t->domains[i].verdict.allowed)
            return EXIT_NO;
    return EXIT_WELL;
}

static int memory(const struct command_call *call)
{
    libxl_ext_ctx *ctx = command_open(call);
    libxl_ext_memory_table t;
    int rc = EXIT_CANNOT;

    if (!ctx)
        return EXIT_CANNOT;
    if (call->nr_args ? get_named(call, ctx, &t)
                      : libxl_ext_memory_list(ctx, &t))
        goto out;
    rc = answer(&t);
    if (!command_has(call, OPT_JSON))
        print_table(&t);
    else if (command_json(call, libxl_ext_memory_table_to_json(&t)))
        rc = EXIT_CANNOT;

 out:
    libxl_ext_memory_table_dispose(&t);
    libxl_ext_ctx_free(ctx);
    return rc;
}

const struct command memory_commands[] = {
    { .name = "memory", .args = "[DOMAIN...]", .more_args = COMMAND_ANY,
      .help = "show limits of all domains or of some, and whether a save"
              " would be refused",
      .options = { [OPT_JSON] = { "--json", NULL, "as one JSON object" } },
      .run = memory },
    { 0 }
};
