/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * xl-ext migrate: a guest to another host.
 *
 * Where a guest is sent, how and when is kept with the domain when the
 * peer is about to be given leave.  Killed when the peer may have been
 * given leave, it leaves a suspended NAME--migratedaway; called again with
 * the same guest and host it asks there, and destroys it or lets it run.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"
#include "migrate.h"

/*
 * A host without libxl-ext gets what it can read, or nothing.  xl shows
 * as much with -vvv as xl-ext with -v.
 */
#define RECEIVE "if command -v xl-ext >/dev/null 2>&1; then"            \
    " exec xl-ext migrate-receive%s%s; else"                            \
    " exec xl%s migrate-receive%s%s; fi"

#define ASK_S    60             /* how long the peer is asked again */
/* The peer may take 20 s of these to end what waits there. */
#define ASK_ONCE_MS 30000

enum {
    OPT_VERIFY, OPT_NO_MONITOR, OPT_JSON, OPT_VERBOSE, OPT_SHELL,
    OPT_TIMEOUT, OPT_RECEIVE, OPT_LIVE, OPT_PAUSED, OPT_KEEP_DOMID,
    OPT_DEBUG, OPT_CONFIG
};

/*----- what is sent, and to whom -----*/

/* Is HOST the receiver, and not a host that another command leads to? */
static bool is_command(const char *shell)
{
    return shell && !*shell;
}

/* Is what runs there the caller's own choice, with its own options? */
static bool own_receiver(const struct migrate_way *w)
{
    return w->receive || is_command(w->shell);
}

static int check_way(struct guest *g, const struct migrate_way *w)
{
    if (is_command(w->shell) && w->receive)
        guest_error(g, "--receive is not heard by HOST, which with -s \"\""
                    " is what runs: put it there");
    else if (w->no_monitor && own_receiver(w))
        guest_error(g, "-e is not passed on to a command of your own: put"
                    " it into that");
    else if (!is_command(w->shell) && (!*w->host || *w->host == '-'))
        guest_error(g, "HOST is \"%.64s\", which names none", w->host);
    else
        return 0;
    return -1;
}

static int open_way(struct guest *g, const struct migrate_way *w,
                    struct transport *t)
{
    const char *e = w->no_monitor ? " -e" : "";
    char remote[256];

    /* That of libxl-ext hears of -p in the offer. */
    snprintf(remote, sizeof(remote), RECEIVE, e, w->verbose ? " -v" : "",
             w->verbose ? " -vvv" : "", e, w->paused ? " -p" : "");
    if (!transport_open(t, w->shell, w->host,
                        w->receive ? w->receive : remote))
        return 0;
    guest_error(g, "cannot start %s: %s",
                transport_name(w->shell, w->host),
                strerror(errno));
    return -1;
}

/* That of another name would be called by the old one there. */
static int check_name(struct guest *g, const char *file, const char *json)
{
    libxl_domain_config config;
    int r = -1;

    libxl_domain_config_init(&config);
    if (libxl_domain_config_from_json(g->libxl, &config, json))
        guest_error(g, "no memory for the configuration");
    else if (!g->outcome.guest)
        guest_error(g, "the guest has no name here, and %s calls it %s:"
                    " name it first (xl rename)", file,
                    config.c_info.name);
    else if (strcmp(config.c_info.name, g->outcome.guest))
        guest_error(g, "%s calls the guest %s, and here it is called %s:"
                    " rename it first (xl rename)", file,
                    config.c_info.name, g->outcome.guest);
    else
        r = 0;
    libxl_domain_config_dispose(&config);
    return r;
}

char *migrate_prepare(struct guest *g, uint32_t domid,
                      const struct migrate_way *w,
                      libxl_ext_migrate_params *params,
                      struct transport *t)
{
    char *config;

    if (check_way(g, w))
        return NULL;
    config = guest_config(g, domid, w->keep_domid, w->config);
    params->paused = w->paused;
    params->stock_paused = !own_receiver(w);
    if (config && (!w->config || !check_name(g, w->config, config)) &&
        !guest_timeout(g, w->timeout, &params->timeout) &&
        !open_way(g, w, t))
        return config;
    free(config);
    return NULL;
}

/*----- where it was sent -----*/

static long uptime(void)
{
    struct timespec t;

    clock_gettime(CLOCK_BOOTTIME, &t);
    return t.tv_sec;
}

/*
 * Who would be asked, in words that two calls have in common: whole, since
 * another host would say that the guest does not run.
 */
static char *way_text(const struct guest *g, const char *host)
{
    const char *shell = g->call->values[OPT_SHELL];
    char *text;

    return asprintf(&text, "%s (-s \"%s\")", host,
                    shell ? shell : TRANSPORT_SSH) < 0 ? NULL : text;
}

/* For the library to keep; NULL with a line. */
static char *sent_text(struct guest *g, const char *host)
{
    char *way = way_text(g, host), *text;

    g->sent = uptime();
    g->sent_paused = command_has(g->call, OPT_PAUSED);
    if (!way || asprintf(&text, "%ld%s %s", g->sent,
                         g->sent_paused ? "p" : "", way) < 0) {
        guest_error(g, "no memory");
        text = NULL;
    }
    free(way);
    return text;
}

/* What was kept, or no text. */
static char *kept_text(struct guest *g, uint32_t domid)
{
    uint8_t *data = NULL;
    char *text;
    int len = 0;

    if (libxl_userdata_retrieve(g->libxl, domid, LIBXL_EXT_USERDATA_PEER,
                                &data, &len) || !data || len < 0)
        len = 0;
    text = strndup(data ? (char *)data : "", len);
    free(data);
    return text;
}

/* -1, with the error said, unless it was sent that way. */
static int check_sent(struct guest *g, uint32_t domid, const char *host)
{
    char *text = kept_text(g, domid), *way = way_text(g, host);
    int at = 0, r = -1;

    if (text && sscanf(text, "%ld%n", &g->sent, &at) == 1 &&
        text[at] == 'p') {
        g->sent_paused = true;
        at++;
    }
    if (!text || !way)
        guest_error(g, "no memory");
    else if (!at || text[at] != ' ')
        guest_error(g, "domain %u is suspended and was sent to another"
                    " host, not by xl-ext: nothing says to which", domid);
    else if (strcmp(text + at + 1, way))
        guest_error(g, "domain %u was sent to %s: only that host can say"
                    " whether it runs there", domid, text + at + 1);
    else
        r = 0;
    free(text);
    free(way);
    return r;
}

/*----- migrate -----*/

/* 1: it runs there, 0: it does not, -1: nobody says so. */
static int ask_once(struct guest *g, const char *host, const char *uuid)
{
    const char *shell = g->call->values[OPT_SHELL];
    char remote[128], said[16] = "";
    struct transport t;

    snprintf(remote, sizeof(remote), "exec xl-ext migrate-receive --ask"
             " %s --since %ld", uuid, uptime() - g->sent);
    if (transport_open(&t, shell, host, remote))
        return -1;
    if (transport_read(&t, said, sizeof(said) - 1, ASK_ONCE_MS,
                       &guest_signalled) < 0)
        *said = '\0';
    transport_close(&t, MIGRATE_CLOSE_MS);
    return !strcmp(said, "running\n") ? 1 : !strcmp(said, "none\n") ? 0
                                                                    : -1;
}

/*
 * Where it cannot be resumed it is still marked as sent, so that the next
 * call asks, and tries, once more.
 */
static void settle_here(struct guest *g, uint32_t domid, bool there)
{
    char *away = libxl_domid_to_name(g->libxl, domid);
    int rc;

    if (there) {
        rc = libxl_domain_destroy(g->libxl, domid, NULL);
    } else {
        rc = guest_resume(g, domid);
        if (!rc && away && g->outcome.guest)
            libxl_domain_rename(g->libxl, domid, away, g->outcome.guest);
        if (!rc)
            libxl_userdata_unlink(g->libxl, domid,
                                  LIBXL_EXT_USERDATA_PEER);
    }
    free(away);
    if (rc)
        guest_error(g, "cannot %s domain %u (rc %d)%s", there ? "destroy"
                    : "resume", domid, rc, there ? "" : ": call this once"
                    " more");
}

/* Nobody has said who has it, so a person must. */
static void leave_to_hand(struct guest *g, const char *host,
                          const char *uuid, uint32_t domid)
{
    bool command = is_command(g->call->values[OPT_SHELL]);

    guest_error(g, "%s%s (xl-ext migrate-receive --ask %s), then either"
                " \"xl destroy %u\" here or \"libxl-ext-guardian --resume"
                " %u --force\"", command ? "HOST" : host, command ?
                " is a command and cannot be asked whether the guest runs"
                " there: see yourself" :
                " cannot say whether the guest runs there: call this once"
                " more, or see yourself", uuid, domid, domid);
}

/* The peer was given the guest, and the link was cut. */
static libxl_ext_migrate_end settle(struct guest *g, const char *host,
                                    uint32_t domid)
{
    bool can_ask = !is_command(g->call->values[OPT_SHELL]);
    char uuid[LIBXL_UUID_FMTLEN + 1] = "";
    long until = uptime() + ASK_S;
    libxl_dominfo info;
    int r = -1;

    libxl_dominfo_init(&info);
    if (!libxl_domain_info(g->libxl, &info, domid))
        snprintf(uuid, sizeof(uuid), LIBXL_UUID_FMT,
                 LIBXL_UUID_BYTES(info.uuid));
    libxl_dominfo_dispose(&info);
    /* One that came too late to cancel is not meant for this. */
    guest_signalled = 0;
    while (can_ask && *uuid && r < 0 && uptime() < until &&
           !guest_signalled) {
        r = ask_once(g, host, uuid);
        if (r < 0 && !guest_signalled)
            sleep(1);
    }
    if (r < 0) {
        leave_to_hand(g, host, uuid, domid);
        return LIBXL_EXT_MIGRATE_END_UNKNOWN;
    }
    settle_here(g, domid, r);
    return r ? LIBXL_EXT_MIGRATE_END_THERE : LIBXL_EXT_MIGRATE_END_HERE;
}

static void end_migrate(struct guest *g, uint32_t domid, const char *host,
                        libxl_ext_migrate_end end)
{
    g->outcome.migrated = end;
    if (end != LIBXL_EXT_MIGRATE_END_THERE) {
        guest_look_after(g, domid);
        return;
    }
    guest_look(g, domid);
    free(g->outcome.host);
    g->outcome.host = strdup(host);
    g->outcome.domid = 0;
    g->outcome.state = g->sent_paused ? LIBXL_EXT_GUEST_STATE_PAUSED
                                      : LIBXL_EXT_GUEST_STATE_RUNNING;
}

/* Of a call that was killed: who has the guest? */
static void settle_late(struct guest *g, uint32_t domid, const char *host)
{
    libxl_ext_migrate_end end;

    if (check_sent(g, domid, host))
        return;
    guest_can_cancel();
    end = settle(g, host, domid);
    guest_look(g, domid);
    if (end == LIBXL_EXT_MIGRATE_END_HERE &&
        g->outcome.state != LIBXL_EXT_GUEST_STATE_SUSPENDED)
        guest_error(g, "an earlier call did not bring the guest to %s: it"
                    " runs on here; migrate it again", host);
    end_migrate(g, domid, host, end);
}

static void migrate(struct guest *g, uint32_t domid,
                    const struct migrate_way *w)
{
    const char *host = w->host;
    libxl_ext_migrate_params params;
    libxl_ext_migrate_end end;
    struct transport t;
    bool asked = false;
    char *config;
    int r;

    libxl_ext_migrate_params_init(&params);
    params.verify = command_has(g->call, OPT_VERIFY) ||
                    command_has(g->call, OPT_DEBUG);
    config = migrate_prepare(g, domid, w, &params, &t);
    if (!config)
        goto out;
    guest_can_cancel();
    params.peer = sent_text(g, host);
    if (!params.peer) {
        transport_close(&t, MIGRATE_CLOSE_MS);
        goto out;
    }
    r = libxl_ext_domain_migrate(g->ctx, domid, config, t.to, t.from,
                                 &params, g->op, &end);
    transport_close(&t, MIGRATE_CLOSE_MS);
    if (end == LIBXL_EXT_MIGRATE_END_UNKNOWN) {
        /* No failure as yet: the guest may have arrived. */
        guest_progress_end(g);
        command_error(g->call, "%s%s%s", libxl_ext_op_error(g->op),
                      is_command(w->shell) ? "" : "; asking ",
                      is_command(w->shell) ? "" : host);
        end = settle(g, host, domid);
        asked = true;
    }
    if (r && (!asked || end == LIBXL_EXT_MIGRATE_END_HERE))
        guest_error(g, "%s", libxl_ext_op_error(g->op));
    end_migrate(g, domid, host, end);

 out:
    free(config);
    libxl_ext_migrate_params_dispose(&params);
}

/* By the name that it had, too, when it was sent away. */
static int find(struct guest *g, const char *text, uint32_t *domid_r)
{
    char *line, *away;
    int r;

    if (!libxl_ext_domain_find(g->ctx, text, domid_r))
        return 0;
    line = strdup(libxl_ext_error(g->ctx));
    if (asprintf(&away, "%s" LIBXL_EXT_SUFFIX_AWAY, text) < 0)
        away = NULL;
    r = away ? libxl_ext_domain_find(g->ctx, away, domid_r) : -1;
    if (r)
        guest_error(g, "%s", line && away ? line : "no memory");
    free(line);
    free(away);
    return r ? -1 : 0;
}

/* Suspended, with the suffix, which is cut off @name then. */
static bool is_away(struct guest *g, uint32_t domid, char *name)
{
    static const char away[] = LIBXL_EXT_SUFFIX_AWAY;
    size_t n = name ? strlen(name) : 0, len = strlen(away);

    guest_look(g, domid);
    if (g->outcome.state != LIBXL_EXT_GUEST_STATE_SUSPENDED || n <= len ||
        strcmp(name + n - len, away))
        return false;
    name[n - len] = '\0';
    return true;
}

static int run_migrate(const struct command_call *call)
{
    const struct migrate_way way = {
        .host = call->args[1], .shell = call->values[OPT_SHELL],
        .receive = call->values[OPT_RECEIVE],
        .timeout = call->values[OPT_TIMEOUT],
        .config = call->values[OPT_CONFIG],
        .no_monitor = command_has(call, OPT_NO_MONITOR),
        .paused = command_has(call, OPT_PAUSED),
        .keep_domid = command_has(call, OPT_KEEP_DOMID),
        .verbose = command_has(call, OPT_VERBOSE),
    };
    struct guest g;
    uint32_t domid;

    if (guest_open(&g, call, command_has(call, OPT_VERBOSE),
                   command_has(call, OPT_JSON)))
        return guest_close(&g);
    if (find(&g, call->args[0], &domid))
        return guest_close(&g);
    guest_know(&g, domid);
    if (is_away(&g, domid, g.outcome.guest))
        settle_late(&g, domid, way.host);
    else
        migrate(&g, domid, &way);
    return guest_close(&g);
}

const struct command migrate_commands[] = {
    { .name = "migrate", .args = "DOMAIN HOST", .nr_args = 2,
      .help = "send a running guest to another host",
      .options = {
          [OPT_VERIFY] = { "--verify", NULL, "send every page once more at"
                           " the end, for tests" },
          [OPT_NO_MONITOR] = { "-e", NULL, "the other host does not wait"
                               " for the guest's end" },
          [OPT_JSON] = { "--json", NULL, "print the outcome as one JSON"
                         " object" },
          [OPT_VERBOSE] = { "-v", NULL, "show what libxl says, here and"
                            " there" },
          MIGRATE_WAY_OPTIONS(OPT_SHELL, OPT_TIMEOUT, OPT_RECEIVE),
          [OPT_LIVE] = { "--live", NULL, "as by xl: a migration is always"
                         " live" },
          [OPT_PAUSED] = { "-p", NULL, "leave the guest paused there" },
          [OPT_KEEP_DOMID] = { "-D", NULL, "keep the domain's id there" },
          [OPT_DEBUG] = { "--debug", NULL, "as by xl: the same as"
                          " --verify" },
          [OPT_CONFIG] = MIGRATE_CONFIG_OPTION },
      .run = run_migrate },
    { 0 }
};
