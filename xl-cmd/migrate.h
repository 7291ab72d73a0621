/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * How a guest is offered to another host: what migrate and precheck have
 * in common, so that what the one refuses the other does, too.
 */
#ifndef XL_CMD_MIGRATE_H
#define XL_CMD_MIGRATE_H

#include <stdbool.h>
#include <stdint.h>

#include "guest.h"
#include "transport.h"

/* Rows of both commands' tables, which have numbers of their own. */
#define MIGRATE_WAY_OPTIONS(shell, timeout, receive)                    \
    [shell] = { "-s", "COMMAND", "use COMMAND, not ssh; with \"\" HOST"  \
                " is itself a command" },                               \
    [timeout] = { "--timeout", "MS", "wait so long for each answer of"  \
                  " the host; 30000 by default" },                      \
    [receive] = { "--receive", "COMMAND", "what is run on the host" }
#define MIGRATE_CONFIG_OPTION                                           \
    { "-C", "CONFIG", "use this configuration, not the guest's own" }

/* As the options say it; NULL: not given. */
struct migrate_way {
    const char *host, *shell, *receive, *timeout, *config;
    bool no_monitor, paused, keep_domid, verbose;
};

#define MIGRATE_CLOSE_MS 5000   /* for transport_close() */

/*
 * The link open and @params filled in; returns the configuration that is
 * to be offered, to be freed, or NULL with a line said and no link.  @g
 * knows the guest's name (outcome.guest).
 */
char *migrate_prepare(struct guest *g, uint32_t domid,
                      const struct migrate_way *w,
                      libxl_ext_migrate_params *params,
                      struct transport *t);

#endif
