/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Prints what each domain may have and has, and whether a save of it
 * would be refused.  An example for libxlext; build it with
 *
 *   cc -o limits limits.c $(pkg-config --cflags --libs xlext)
 */
#include <inttypes.h>
#include <libxl_ext.h>
#include <stdio.h>

static void print_domain(const libxl_ext_domain_memory *d)
{
    printf("%-20s %5" PRIu32 " %10" PRIu64 " %10" PRIu64 " %s\n",
           d->name ? d->name : "-", d->limits.domid, d->limits.max_pages,
           d->limits.tot_pages,
           d->verdict.allowed ? "ok" : d->verdict.reason);
}

int main(void)
{
    libxl_ext_memory_table table;
    libxl_ext_ctx *ctx;
    uint32_t i;
    int rc;

    /* No libxl_ctx is needed to read limits, and no logger at all. */
    rc = libxl_ext_ctx_alloc(&ctx, LIBXL_EXT_VERSION, NULL, NULL);
    if (rc) {
        fprintf(stderr, "limits: no context: code %d\n", rc);
        return 1;
    }
    rc = libxl_ext_memory_list(ctx, &table);
    if (rc) {
        fprintf(stderr, "limits: %s\n", libxl_ext_error(ctx));
    } else {
        printf("%-20s %5s %10s %10s\n", "name", "id", "max_pages",
               "tot_pages");
        for (i = 0; i < table.num_domains; i++)
            print_domain(&table.domains[i]);
        libxl_ext_memory_table_dispose(&table);
    }
    libxl_ext_ctx_free(ctx);
    return rc ? 1 : 0;
}
