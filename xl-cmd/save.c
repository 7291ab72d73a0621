/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * xl-ext save: a guest into a file that "xl restore" takes, too, unless
 * the guest needs more than stock gives.
 *
 * The image is written beside FILE and takes its name when it is whole
 * and on the disk; only then is the guest destroyed.  A crash before
 * that leaves FILE as it was, a FILE.part-XXXXXX (of a long name, its
 * beginning), and a guest that the guardian lets run again; right after
 * it, an image and the running guest, as with -c; and when that is
 * committed, an image and a suspended guest, which "xl destroy" ends.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest.h"
#include "save_file.h"

enum {
    OPT_CHECKPOINT, OPT_PAUSED, OPT_KEEP_DOMID, OPT_LIVE, OPT_VERIFY,
    OPT_JSON, OPT_VERBOSE, OPT_CARRIER
};

static int write_header(struct guest *g, struct save_file *im,
                        const char *json)
{
    int rc = libxl_ext_header_write(g->ctx, im->fd, json, g->op);

    if (rc)
        guest_error(g, "%s: %s", im->file, libxl_ext_error(g->ctx));
    return rc ? -1 : 0;
}

static int carrier_of(struct guest *g, libxl_ext_save_params *p)
{
    const char *word = g->call->values[OPT_CARRIER];

    if (!word || !libxl_ext_carrier_from_string(word, &p->carrier))
        return 0;
    guest_error(g, "--carrier is \"%.32s\"; it is auto, libxc, libxl or"
                " both", word);
    return -1;
}

/* The image is whole: what the caller wanted of the guest now. */
static void end_guest(struct guest *g, uint32_t domid)
{
    int rc;

    if (!command_has(g->call, OPT_CHECKPOINT) &&
        !command_has(g->call, OPT_PAUSED)) {
        if (libxl_ext_domain_commit(g->ctx, domid)) {
            /* Nobody has said so, so it is as with -c. */
            guest_error(g, "%s: the guest goes on here, and its image is"
                        " only a copy", libxl_ext_error(g->ctx));
            guest_resume(g, domid);
            return;
        }
        rc = libxl_domain_destroy(g->libxl, domid, NULL);
        if (rc)
            guest_error(g, "cannot destroy domain %u (rc %d): its image is"
                        " the guest now, do not let it run", domid, rc);
        return;
    }
    if (command_has(g->call, OPT_PAUSED)) {
        rc = libxl_domain_pause(g->libxl, domid, NULL);
        if (rc)
            guest_error(g, "cannot pause domain %u (rc %d): it goes on"
                        " running, and its image is only a copy", domid,
                        rc);
    }
    rc = guest_resume(g, domid);
    if (rc)
        guest_error(g, "cannot let domain %u go on (rc %d)", domid, rc);
}

static int save(struct guest *g, uint32_t domid, const char *file)
{
    libxl_ext_save_params params;
    struct save_file im = { .fd = -1 };
    char *config;
    int r = -1;

    libxl_ext_save_params_init(&params);
    params.live = command_has(g->call, OPT_LIVE);
    params.verify = command_has(g->call, OPT_VERIFY);
    config = guest_config(g, domid, command_has(g->call, OPT_KEEP_DOMID),
                          g->call->args[2]);
    if (!config || carrier_of(g, &params) ||
        save_file_open(g, &im, file))
        goto out;
    guest_can_cancel();
    if (write_header(g, &im, config))
        goto out;
    r = libxl_ext_domain_save(g->ctx, domid, im.fd, &params, g->op);
    if (r) {
        guest_error(g, "%s", libxl_ext_op_error(g->op));
        goto out;
    }
    r = save_file_keep(g, &im);
    if (r) {
        if (guest_resume(g, domid))
            guest_error(g, "cannot let domain %u go on", domid);
        goto out;
    }
    g->outcome.file = strdup(file);
    end_guest(g, domid);

 out:
    free(config);
    save_file_close(&im);
    libxl_ext_save_params_dispose(&params);
    return r;
}

static int run_save(const struct command_call *call)
{
    bool json = command_has(call, OPT_JSON);
    struct guest g;
    uint32_t domid;

    if (guest_open(&g, call, command_has(call, OPT_VERBOSE), json))
        return guest_close(&g);
    if (json && !strcmp(call->args[1], "-")) {
        guest_error(&g, "--json and an image on standard output exclude"
                    " each other");
    } else if (!guest_find(&g, call->args[0], &domid)) {
        if (save(&g, domid, call->args[1]))
            guest_look_after(&g, domid);
        else
            guest_look(&g, domid);
    }
    return guest_close(&g);
}

const struct command save_commands[] = {
    { .name = "save", .args = "DOMAIN FILE|- [CONFIG]", .nr_args = 2,
      .more_args = 1, .help = "write a guest to a file and destroy it",
      .options = {
          [OPT_CHECKPOINT] = { "-c", NULL, "leave the guest running (a"
                               " checkpoint)" },
          [OPT_PAUSED] = { "-p", NULL, "leave the guest paused" },
          [OPT_KEEP_DOMID] = { "-D", NULL, "keep the domain's id in the"
                               " image" },
          [OPT_LIVE] = { "--live", NULL, "let the guest run while most"
                         " pages are written" },
          [OPT_VERIFY] = { "--verify", NULL, "write every page once more"
                           " at the end, for tests" },
          [OPT_JSON] = { "--json", NULL, "print the outcome as one JSON"
                         " object" },
          [OPT_VERBOSE] = { "-v", NULL, "show what libxl says" },
          [OPT_CARRIER] = { "--carrier", "WHERE", "where the memory record"
                            " is put: auto, libxc, libxl or both" } },
      .run = run_save },
    { 0 }
};
