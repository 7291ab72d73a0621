/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * xl-ext migrate-receive: the other end of xl-ext migrate, on standard
 * input and output.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "domain.h"
#include "guest.h"

#define ASK_MS 20000

enum {
    OPT_NO_MONITOR, OPT_VERBOSE, OPT_ASK, OPT_SINCE, OPT_TIMEOUT, OPT_JSON
};

/* Not by guest_close(): an answer about a guest here is no outcome. */
static int say(struct guest *g, const libxl_uuid *uuid, bool runs)
{
    libxl_ext_migrate_asked asked;
    int rc = EXIT_WELL;

    if (!command_has(g->call, OPT_JSON)) {
        puts(runs ? "running" : "none");
        return rc;
    }
    libxl_ext_migrate_asked_init(&asked);
    memcpy(asked.uuid, libxl_uuid_bytearray_const(uuid),
           sizeof(asked.uuid));
    asked.given = runs;
    rc = command_json(g->call, libxl_ext_migrate_asked_to_json(&asked));
    libxl_ext_migrate_asked_dispose(&asked);
    return rc;
}

static int ask(struct guest *g, const char *text)
{
    const char *since = g->call->values[OPT_SINCE];
    libxl_uuid uuid;
    long sent = 1;
    bool runs;

    if (libxl_uuid_from_string(&uuid, text)) {
        guest_error(g, "--ask is \"%.40s\", which is no uuid", text);
        return EXIT_CANNOT;
    }
    if (since && guest_number(since, 0, UINT32_MAX, &sent)) {
        guest_error(g, "--since is \"%.32s\"; it is a number of seconds",
                    since);
        return EXIT_CANNOT;
    }
    /* 0 is the library's "not known". */
    if (libxl_ext_domain_ask(g->ctx, libxl_uuid_bytearray(&uuid),
                             since ? sent + !sent : 0, ASK_MS, NULL,
                             &runs)) {
        guest_error(g, "%s", libxl_ext_error(g->ctx));
        return EXIT_CANNOT;
    }
    return say(g, &uuid, runs);
}

/* The sender is answered; what is left is a monitor's work. */
static int watch(struct guest *g, const char *json, uint32_t domid)
{
    libxl_domain_config config;
    int rc = 0;

    if (command_has(g->call, OPT_NO_MONITOR))
        return 0;
    libxl_domain_config_init(&config);
    if (!libxl_domain_config_from_json(g->libxl, &config, json))
        rc = guest_monitor_start(g, &config, domid);
    libxl_domain_config_dispose(&config);
    return rc;
}

static int receive(struct guest *g)
{
    libxl_ext_migrate_params params;
    char *config = NULL;
    uint32_t domid;
    int out, rc = EXIT_CANNOT;

    libxl_ext_migrate_params_init(&params);
    /*
     * What anybody prints must not get between the messages; and QEMU,
     * which libxl starts, must not have the link: it would not end with
     * this process.
     */
    out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (out < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0) {
        guest_error(g, "no descriptor: %s", strerror(errno));
        goto out;
    }
    if (guest_timeout(g, g->call->values[OPT_TIMEOUT], &params.timeout))
        goto out;
    guest_can_cancel();
    rc = libxl_ext_domain_receive(g->ctx, STDIN_FILENO, out, &params,
                                  g->op, &domid, &config);
    /* With a monitor that has it the link would not end. */
    close(out);
    out = -1;
    if (rc) {
        rc = EXIT_CANNOT;
        guest_error(g, "%s", libxl_ext_op_error(g->op));
        goto out;
    }
    rc = EXIT_WELL;
    if (domid != UINT32_MAX && watch(g, config, domid))
        rc = EXIT_CANNOT;

 out:
    free(config);
    libxl_ext_migrate_params_dispose(&params);
    if (out >= 0)
        close(out);
    return rc;
}

static int run_receive(const struct command_call *call)
{
    const char *uuid = call->values[OPT_ASK];
    int rc = EXIT_CANNOT;
    struct guest g;

    if (!uuid && call->values[OPT_SINCE]) {
        command_error(call, "--since is for --ask: without it nobody is"
                      " answered");
        return EXIT_CANNOT;
    }
    if (!uuid && command_has(call, OPT_JSON)) {
        command_error(call, "--json is for --ask: standard output is the"
                      " sender's here");
        return EXIT_CANNOT;
    }
    if (!guest_open(&g, call, command_has(call, OPT_VERBOSE), true))
        rc = uuid ? ask(&g, uuid) : receive(&g);
    guest_free(&g);
    return rc;
}

const struct command receive_commands[] = {
    { .name = "migrate-receive", .args = "",
      .help = "receive a guest that xl-ext migrate sends",
      .options = {
          [OPT_NO_MONITOR] = { "-e", NULL, "do not wait in the background"
                               " for the guest's end" },
          [OPT_VERBOSE] = { "-v", NULL, "show what libxl says" },
          [OPT_ASK] = { "--ask", "UUID", "say whether that guest was let"
                        " run here, and end a receiver that still waits" },
          [OPT_SINCE] = { "--since", "SECONDS", "with --ask: it was sent"
                          " so long ago, and a host that booted later"
                          " cannot say" },
          [OPT_TIMEOUT] = { "--timeout", "MS", "wait so long for each"
                            " answer of the sender; 30000 by default" },
          [OPT_JSON] = { "--json", NULL, "print the answer to --ask as one"
                         " JSON object" } },
      .run = run_receive },
    { 0 }
};
