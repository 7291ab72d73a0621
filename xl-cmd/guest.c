/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What the commands that move a guest share; see guest.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "domain.h"
#include "guest.h"

/* xl lets 2 s pass, and libxl takes some to make a domain. */
#define REBOOT_MS 5000
#define REBOOT_LOOK_MS 100

/*----- signals -----*/

static libxl_ext_op *to_cancel;
volatile sig_atomic_t guest_signalled;

static void on_signal(int sig)
{
    (void)sig;
    guest_signalled = 1;
    libxl_ext_op_cancel(to_cancel);
}

void guest_no_cancel(void)
{
    signals_handle(SIG_DFL, SA_RESTART);
}

/*
 * Handlers, not blocked signals: libxl's children would inherit the
 * latter, and QEMU could not be told to end.
 */
void guest_can_cancel(void)
{
    signals_handle(on_signal, SA_RESTART);
}

void guest_cancel_by(libxl_ext_op *op)
{
    to_cancel = op;
    guest_can_cancel();
}

/* An output that is full (ulimit -f, too) is an error to clear up. */
static int take_signals(struct guest *g)
{
    to_cancel = g->op;
    guest_no_cancel();
    return signal(SIGPIPE, SIG_IGN) == SIG_ERR ||
        signal(SIGXFSZ, SIG_IGN) == SIG_ERR ? -1 : 0;
}

/*----- open and close -----*/

/* ssh is a child of ours, which libxl must not wait for. */
static const libxl_childproc_hooks childproc = {
    .chldowner = libxl_sigchld_owner_libxl_always_selective_reap,
};

/* Without Xen, libxl and its libraries would say so in three lines. */
static int find_xen(struct guest *g)
{
    libxl_ext_host_memory host;
    libxl_ext_ctx *ctx;
    int rc = libxl_ext_ctx_alloc(&ctx, LIBXL_EXT_VERSION, NULL, NULL);

    if (!rc)
        rc = libxl_ext_host_memory_get(ctx, &host);
    if (rc)
        guest_error(g, "%s", ctx ? libxl_ext_error(ctx) : "no memory");
    libxl_ext_ctx_free(ctx);
    return rc;
}

int guest_open(struct guest *g, const struct command_call *call,
               bool verbose, bool json)
{
    xentoollog_level level = verbose ? XTL_DEBUG : XTL_WARN;

    memset(g, 0, sizeof(*g));
    libxl_ext_outcome_init(&g->outcome);
    g->call = call;
    g->json = json;
    g->tty = guest_progress_tty();
    g->outcome.command = strdup(call->command->name);
    g->lg = (xentoollog_logger *)xtl_createlogger_stdiostream(stderr,
        level, XTL_STDIOSTREAM_HIDE_PROGRESS);
    g->op = libxl_ext_op_alloc(guest_progress, g);
    if (!g->lg || !g->op || !g->outcome.command || take_signals(g)) {
        guest_error(g, "no memory, thread or descriptor");
        return -1;
    }
    if (find_xen(g))
        return -1;
    if (libxl_ctx_alloc(&g->libxl, LIBXL_VERSION, 0, g->lg)) {
        guest_error(g, "cannot open libxl, which has said why");
        return -1;
    }
    libxl_childproc_setmode(g->libxl, &childproc, NULL);
    /* Its lines are ours to say. */
    if (libxl_ext_ctx_alloc(&g->ctx, LIBXL_EXT_VERSION, g->libxl, NULL)) {
        guest_error(g, "cannot open libxl-ext");
        return -1;
    }
    return 0;
}

static void describe(const struct guest *g)
{
    const libxl_ext_outcome *o = &g->outcome;
    const char *name = o->guest ? o->guest : "the guest";

    if (!o->host && o->state != LIBXL_EXT_GUEST_STATE_GONE)
        return;         /* nothing was done, nothing was looked at */
    if (g->ended && !o->host)
        command_error(g->call, "domain %u of %s ended meanwhile (rebooted,"
                      " powered off or destroyed): see \"xl list\"",
                      g->ended, name);
    else if (o->host && !o->domid)  /* of another host nobody said it */
        command_error(g->call, "%s is on %s, %s", name, o->host,
                      libxl_ext_guest_state_to_string(o->state));
    else if (!o->host)
        command_error(g->call, "%s is on no host%s%s", name,
                      o->file ? "; its image is " : "",
                      o->file ? o->file : "");
    else
        command_error(g->call, "%s is on %s, domain %u, %s%s%s", name,
                      o->host, o->domid,
                      libxl_ext_guest_state_to_string(o->state),
                      o->file ? "; its image is " : "",
                      o->file ? o->file : "");
}

void guest_free(struct guest *g)
{
    guest_progress_end(g);
    guest_no_cancel();
    libxl_ext_op_free(g->op);
    libxl_ext_ctx_free(g->ctx);
    if (g->libxl)
        libxl_ctx_free(g->libxl);
    if (g->lg)
        xtl_logger_destroy(g->lg);
    libxl_ext_outcome_dispose(&g->outcome);
}

int guest_close(struct guest *g)
{
    int rc = g->outcome.error ? EXIT_CANNOT : EXIT_WELL;

    guest_progress_end(g);
    if (g->op)
        libxl_ext_operation_result_copy(&g->outcome.result,
                                        libxl_ext_op_result(g->op));
    if (g->json && (command_json(g->call,
                                 libxl_ext_outcome_to_json(&g->outcome)) ||
                    command_flush(g->call->command)))
        rc = EXIT_CANNOT;
    describe(g);
    guest_free(g);
    return rc;
}

void guest_know(struct guest *g, uint32_t domid)
{
    libxl_dominfo info;

    g->outcome.guest = libxl_domid_to_name(g->libxl, domid);
    libxl_dominfo_init(&info);
    if (!libxl_domain_info(g->libxl, &info, domid))
        g->uuid = info.uuid;
    libxl_dominfo_dispose(&info);
}

int guest_find(struct guest *g, const char *text, uint32_t *domid_r)
{
    if (libxl_ext_domain_find(g->ctx, text, domid_r)) {
        guest_error(g, "%s", libxl_ext_error(g->ctx));
        return -1;
    }
    guest_know(g, *domid_r);
    return 0;
}

int guest_number(const char *text, long min, long max, long *n_r)
{
    char *end;

    errno = 0;
    *n_r = strtol(text, &end, 10);
    return errno || !*text || *end || *n_r < min || *n_r > max ? -1 : 0;
}

int guest_timeout(struct guest *g, const char *text, uint32_t *ms_r)
{
    long n;

    if (!text)
        return 0;
    if (!guest_number(text, 100, 3600000, &n)) {
        *ms_r = n;
        return 0;
    }
    guest_error(g, "--timeout is \"%.32s\"; it is 100 to 3600000"
                " milliseconds", text);
    return -1;
}

char *guest_config(struct guest *g, uint32_t domid, bool keep_domid,
                   const char *file)
{
    libxl_domain_config config;
    char *json = NULL;
    int rc;

    libxl_domain_config_init(&config);
    rc = libxl_retrieve_domain_configuration(g->libxl, domid, &config,
                                             NULL);
    if (rc) {
        guest_error(g, "cannot read the configuration of domain %u (rc"
                    " %d): was it made with libxl?", domid, rc);
    } else if (!file || !guest_config_file(g, file, &config)) {
        config.c_info.domid = keep_domid ? domid : 0;
        json = libxl_domain_config_to_json(g->libxl, &config);
        if (!json)
            guest_error(g, "no memory for the configuration of domain %u",
                        domid);
    }
    libxl_domain_config_dispose(&config);
    return json;
}

void guest_error(struct guest *g, const char *fmt, ...)
{
    char *line = NULL;
    va_list ap;

    va_start(ap, fmt);
    if (vasprintf(&line, fmt, ap) < 0)
        line = NULL;
    va_end(ap);
    guest_progress_end(g);
    command_error(g->call, "%s", line ? line : "no memory");
    if (g->outcome.error)
        free(line);
    else
        g->outcome.error = line ? line : strdup("no memory");
}

int guest_resume(struct guest *g, uint32_t domid)
{
    const int suspend_cancel = 1;

    return libxl_domain_resume(g->libxl, domid, suspend_cancel, NULL);
}

/*----- what became of it -----*/

static libxl_ext_guest_state state_of(const libxl_dominfo *info)
{
    if (info->shutdown)
        return info->shutdown_reason == LIBXL_SHUTDOWN_REASON_SUSPEND ?
            LIBXL_EXT_GUEST_STATE_SUSPENDED :
            LIBXL_EXT_GUEST_STATE_SHUTDOWN;
    return info->paused ? LIBXL_EXT_GUEST_STATE_PAUSED :
        LIBXL_EXT_GUEST_STATE_RUNNING;
}

void guest_look(struct guest *g, uint32_t domid)
{
    libxl_ext_outcome *o = &g->outcome;
    char host[256] = "this host";
    libxl_dominfo info;
    int rc;

    free(o->host);
    o->host = NULL;
    o->domid = 0;
    libxl_dominfo_init(&info);
    rc = libxl_domain_info(g->libxl, &info, domid);
    if (rc == ERROR_DOMAIN_NOTFOUND || (!rc && info.dying)) {
        o->state = LIBXL_EXT_GUEST_STATE_GONE;
    } else {
        gethostname(host, sizeof(host) - 1);
        o->host = strdup(host);
        o->domid = domid;
        o->state = rc ? LIBXL_EXT_GUEST_STATE_UNKNOWN : state_of(&info);
    }
    libxl_dominfo_dispose(&info);
}

void guest_look_for(struct guest *g, const libxl_uuid *uuid)
{
    int nr = 0, i;
    libxl_dominfo *list = libxl_list_domain(g->libxl, &nr);

    for (i = 0; list && i < nr; i++)
        if (!libxl_uuid_compare(&list[i].uuid, uuid) && !list[i].dying)
            guest_look(g, list[i].domid);
    if (list)
        libxl_dominfo_list_free(list, nr);
}

/* Gone, about to be, or not yet all of the new one. */
static bool may_reboot(const libxl_ext_outcome *o, uint32_t domid)
{
    return o->state == LIBXL_EXT_GUEST_STATE_GONE ||
        o->state == LIBXL_EXT_GUEST_STATE_SHUTDOWN ||
        (o->state == LIBXL_EXT_GUEST_STATE_PAUSED && o->domid != domid);
}

void guest_look_after(struct guest *g, uint32_t domid)
{
    const struct timespec look = { .tv_nsec = REBOOT_LOOK_MS * 1000000L };
    int i;

    guest_look(g, domid);
    for (i = 0; i < REBOOT_MS / REBOOT_LOOK_MS && !guest_signalled &&
         may_reboot(&g->outcome, domid); i++) {
        nanosleep(&look, NULL);
        guest_look(g, domid);
        /* Nil is domain 0's. */
        if (g->outcome.state == LIBXL_EXT_GUEST_STATE_GONE &&
            !libxl_uuid_is_nil(&g->uuid))
            guest_look_for(g, &g->uuid);
    }
    if (g->outcome.state == LIBXL_EXT_GUEST_STATE_GONE)
        g->ended = domid;
}
