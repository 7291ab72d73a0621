/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * xl-ext backends, freeze and thaw: who serves a guest's devices, and
 * freezing these by hand.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "domain.h"
#include "guest.h"

/*----- backends -----*/

enum { BACKENDS_JSON };

static void print_list(const libxl_ext_backend_list *l)
{
    uint32_t i;

    printf("%-20s %-8s %5s %-12s %s\n", "Name", "Kind", "By", "State",
           "Method");
    for (i = 0; i < l->num_backends; i++) {
        const libxl_ext_backend *b = &l->backends[i];

        print_clean(b->name);
        printf("%*s %-8s %5"PRIu32" %-12s %s",
               strlen(b->name) < 20 ? (int)(20 - strlen(b->name)) : 0, "",
               libxl_ext_backend_kind_to_string(b->kind),
               b->backend_domid,
               libxl_ext_backend_state_to_string(b->state),
               libxl_ext_backend_method_to_string(b->method));
        if (b->why)
            printf(": %s", b->why);
        if (b->setting)
            printf("; %s would let it pass", b->setting);
        putchar('\n');
    }
}

/* Is there one that a save would stumble over? */
static int answer(const libxl_ext_backend_list *l)
{
    uint32_t i;

    for (i = 0; i < l->num_backends; i++)
        if (l->backends[i].method ==
                LIBXL_EXT_BACKEND_METHOD_UNFREEZABLE ||
            l->backends[i].state == LIBXL_EXT_BACKEND_STATE_LOST)
            return EXIT_NO;
    return EXIT_WELL;
}

static int show_list(const struct command_call *call, libxl_ext_ctx *ctx,
                     uint32_t domid, bool json)
{
    libxl_ext_backend_list l;
    int rc;

    if (libxl_ext_backends_list(ctx, domid, &l))
        return EXIT_CANNOT;
    rc = answer(&l);
    if (!json)
        print_list(&l);
    else if (command_json(call, libxl_ext_backend_list_to_json(&l)))
        rc = EXIT_CANNOT;
    libxl_ext_backend_list_dispose(&l);
    return rc;
}

static int backends(const struct command_call *call)
{
    libxl_ext_ctx *ctx = command_open(call);
    int rc = EXIT_CANNOT;
    uint32_t domid;

    if (ctx && !command_domain(ctx, call->args[0], &domid))
        rc = show_list(call, ctx, domid, command_has(call, BACKENDS_JSON));
    libxl_ext_ctx_free(ctx);
    return rc;
}

/*----- cancelling -----*/

/* Signals cancel what is called with it; NULL with a line. */
static libxl_ext_op *open_op(const struct command_call *call)
{
    libxl_ext_op *op = libxl_ext_op_alloc(NULL, NULL);

    if (op)
        guest_cancel_by(op);
    else
        command_error(call, "no operation: %s", strerror(errno));
    return op;
}

/* They end the process again: what is left is to say what was done. */
static void close_op(libxl_ext_op *op)
{
    guest_no_cancel();
    libxl_ext_op_free(op);
}

/*----- freeze -----*/

enum { FREEZE_JSON };

static void print_frozen(uint32_t domid, const libxl_ext_freeze_report *r)
{
    printf("domain %"PRIu32": %"PRIu32" backends frozen (%"PRIu32
           " proved, %"PRIu32" detached) in %"PRIu64" us", domid,
           r->backends, r->proved, r->detached, r->time_us);
    if (r->unfrozen)
        printf(", %"PRIu32" NOT frozen", r->unfrozen);
    printf("; until it runs again, or xl-ext thaw %"PRIu32"\n", domid);
}

static int freeze(const struct command_call *call)
{
    libxl_ext_ctx *ctx = command_open(call);
    libxl_ext_freeze_report r;
    libxl_ext_op *op = NULL;
    int rc = EXIT_CANNOT, frozen;
    uint32_t domid;

    if (!ctx || command_domain(ctx, call->args[0], &domid) ||
        !(op = open_op(call)))
        goto out;
    frozen = !libxl_ext_freeze(ctx, domid, op, &r);
    close_op(op);
    if (!frozen)
        goto out;
    rc = r.unfrozen ? EXIT_NO : EXIT_WELL;
    if (!command_has(call, FREEZE_JSON))
        print_frozen(domid, &r);
    else if (command_json(call, libxl_ext_freeze_report_to_json(&r)))
        rc = EXIT_CANNOT;
    if (command_flush(call->command)) {
        command_error(call, "domain %"PRIu32" is frozen all the same, until"
                      " it runs again, or xl-ext thaw %"PRIu32, domid,
                      domid);
        rc = EXIT_CANNOT;
    }
    libxl_ext_freeze_report_dispose(&r);

 out:
    libxl_ext_ctx_free(ctx);
    return rc;
}

/*----- thaw -----*/

enum { THAW_FORCE, THAW_JSON };

static int thaw(const struct command_call *call)
{
    libxl_ext_ctx *ctx = command_open(call);
    libxl_ext_op *op = NULL;
    int rc = EXIT_CANNOT, thawed;
    uint32_t domid;

    if (!ctx || command_domain(ctx, call->args[0], &domid) ||
        !(op = open_op(call)))
        goto out;
    thawed = !libxl_ext_thaw(ctx, domid, command_has(call, THAW_FORCE),
                             op);
    close_op(op);
    if (!thawed)
        goto out;
    rc = EXIT_WELL;
    if (!command_has(call, THAW_JSON))
        printf("domain %"PRIu32": nothing is frozen\n", domid);
    else if (show_list(call, ctx, domid, true) == EXIT_CANNOT)
        rc = EXIT_CANNOT;

 out:
    libxl_ext_ctx_free(ctx);
    return rc;
}

const struct command backends_commands[] = {
    { .name = "backends", .args = "DOMAIN", .nr_args = 1,
      .help = "show who serves its devices, and how each would be frozen",
      .options = {
          [BACKENDS_JSON] = { "--json", NULL, "as one JSON object" } },
      .run = backends },
    { .name = "freeze", .args = "DOMAIN", .nr_args = 1,
      .help = "freeze the backends of a domain that is suspended or"
              " paused",
      .options = {
          [FREEZE_JSON] = { "--json", NULL, "the report as one JSON"
                            " object" } },
      .run = freeze },
    { .name = "thaw", .args = "DOMAIN", .nr_args = 1,
      .help = "undo what is frozen of a domain",
      .options = {
          [THAW_FORCE] = { "--force", NULL, "even if a complete image of"
                           " the domain exists" },
          [THAW_JSON] = { "--json", NULL, "the backends as one JSON"
                          " object" } },
      .run = thaw },
    { 0 }
};
