/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The sender of a migration; docs/migration.md is the specification, and
 * functions stand in the order in which they run.
 *
 *   greet    whose receiver is it?
 *   offer    may the guest come?  Nothing has been changed up to here
 *   save     the stream; a failure leaves a running guest
 *   settle   READY, GO, DONE: from GO on the guest is the peer's
 *
 * Should this process die before GO, the guardian lets the guest run
 * again, and the peer destroys what it has; after it, a suspended copy
 * stays: another one may run.  The word for that is in the journal right
 * before GO.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <libxl.h>
#include <libxl_utils.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/ctx.h"
#include "api/op.h"
#include "api/peer.h"
#include "base/fault.h"
#include "base/io.h"
#include "base/resume.h"
#include "memory/domain.h"
#include "memory/limits.h"
#include "memory/live.h"
#include "report/convert.h"
#include "session/lock.h"

struct migrate {
    struct libxl_ext_ctx *ctx;
    struct libxl_ext_op *op;    /* NULL: a question only */
    uint32_t domid;
    const char *config;
    libxl_ext_migrate_params defaults;
    const libxl_ext_migrate_params *params; /* the caller's, or these */
    struct lxe__peer peer;
    libxl_ext_peer_kind kind;
    uint8_t uuid[16];
    struct lxe__limits limits;
    struct lxe__host host;
    char *name;
    struct lxe__err *err;
};

/*----- greet and offer -----*/

static int look(struct migrate *m)
{
    struct libxl_ext_ctx *ctx = m->ctx;

    if (lxe__ctx_open(ctx) ||
        lxe__op_find(ctx, "migrate", m->domid, m->uuid, m->err) ||
        lxe__limits_read(ctx->xch, ctx->xsh, m->domid, &m->limits,
                         m->err) ||
        lxe__host_read(ctx->xch, &m->host, m->err))
        return -1;
    m->name = libxl_domid_to_name(ctx->libxl, m->domid);
    if (!m->name)
        return lxe__err_set(m->err, ENOENT, "migrate: domain %u has no"
                            " name", m->domid);
    return 0;
}

/* What a stock receiver can be seen to do, without asking it. */
static void answer_for_stock(const struct migrate *m,
                             libxl_ext_migrate_answer *a)
{
    const struct lxe__limits *l = &m->limits;
    uint64_t need = lxe__pages_limit(l->max_pages, l->tot_pages);
    char line[256];

    a->need_pages = need;
    a->bound_pages = l->stock_max_kb / 4;
    a->over_pages = need > a->bound_pages ? need - a->bound_pages : 0;
    a->accepted = !a->over_pages;
    if (a->accepted && m->params->paused && !m->params->stock_paused) {
        a->accepted = false;
        a->reason = strdup("the receiver is stock xl and cannot be told"
                           " to leave the guest paused: start it with"
                           " -p");
    }
    if (!a->over_pages)
        return;
    snprintf(line, sizeof(line), "the receiver is stock xl, which would"
             " give the guest %"PRIu64" pages; it may have %"PRIu64", and"
             " would be lost %"PRIu64" pages short: install libxl-ext"
             " there", a->bound_pages, need, a->over_pages);
    a->reason = strdup(line);
}

static int ask(struct migrate *m, bool dry_run,
               libxl_ext_migrate_answer *a)
{
    libxl_ext_migrate_offer offer;
    char *body, *error = NULL;
    int rc = -1;

    libxl_ext_migrate_offer_init(&offer);
    /* Borrowed for the time of one call. */
    offer.version = (char *)(uintptr_t)LIBXL_EXT_VERSION_STRING;
    offer.name = m->name;
    offer.config = (char *)(uintptr_t)m->config;
    offer.dry_run = dry_run;
    offer.paused = m->params->paused;
    lxe__to_limits(&offer.limits, &m->limits);
    body = libxl_ext_migrate_offer_to_json(&offer);
    if (!body)
        return lxe__err_set(m->err, errno, "migrate: the offer: %s",
                            strerror(errno));
    if (lxe__peer_send(&m->peer, LXE_PEER_OFFER, body, m->err))
        goto out;
    free(body);
    if (lxe__peer_receive(&m->peer, LXE_PEER_ANSWER, &body, m->err))
        goto out;
    libxl_ext_migrate_answer_dispose(a);
    if (libxl_ext_migrate_answer_from_json(a, body, &error)) {
        lxe__err_set(m->err, EPROTO, "migrate: %s: %s", m->peer.who,
                     error ? error : "no memory");
        goto out;
    }
    rc = 0;

 out:
    free(error);
    free(body);
    return rc;
}

/* What this host cannot do needs no answer, but a dry run has them all. */
static int greet_and_ask(struct migrate *m, bool dry_run,
                         libxl_ext_migrate_answer *a)
{
    struct lxe__err why;
    bool live;

    if (lxe__peer_greeted(&m->peer, &m->kind, m->err) || look(m))
        return -1;
    lxe__err_init(&why);
    live = !lxe__live_judge("migrate", m->ctx->xsh, &m->limits, &m->host,
                            &why);
    if (!live && !dry_run)
        return lxe__err_set(m->err, why.code, "%s", why.msg);
    if (m->kind != LIBXL_EXT_PEER_KIND_EXT)
        answer_for_stock(m, a);
    else if (ask(m, dry_run, a))
        return -1;
    if (!live) {
        a->accepted = false;
        free(a->reason);
        a->reason = strdup(why.msg);
    }
    return 0;
}

static int greet(struct migrate *m)
{
    libxl_ext_migrate_answer a;
    int rc;

    libxl_ext_migrate_answer_init(&a);
    rc = greet_and_ask(m, false, &a);
    if (!rc && !a.accepted)
        rc = lxe__err_set(m->err, EPERM, "migrate: domain %u: %s",
                          m->domid, a.reason ? a.reason :
                          "the receiver refuses");
    libxl_ext_migrate_answer_dispose(&a);
    return rc;
}

/*----- save -----*/

static int save(struct migrate *m)
{
    struct lxe__bound bound;
    struct lxe__err why;
    libxl_ext_save_params p;
    int rc;

    libxl_ext_save_params_init(&p);
    p.verify = m->params->verify;
    p.carrier = LIBXL_EXT_CARRIER_LIBXL;
    if (m->kind == LIBXL_EXT_PEER_KIND_STOCK) {
        bound = lxe__bound_of(m->peer.stop_fd, m->peer.timeout_ms);
        p.carrier = LIBXL_EXT_CARRIER_LIBXC;
        lxe__err_init(&why);
        if (lxe__header_write(m->peer.out, m->config, &bound, &why))
            return lxe__err_set(m->err, why.code, "migrate: domain %u: %s",
                                m->domid, why.msg);
    }
    rc = lxe__op_save(m->ctx, m->domid, m->peer.out, m->uuid, &p, m->op);
    libxl_ext_save_params_dispose(&p);
    return rc;
}

/*----- settle -----*/

static int wait_ready(struct migrate *m)
{
    struct lxe__peer slow = m->peer;

    slow.timeout_ms = m->params->ready_timeout;
    if (m->kind == LIBXL_EXT_PEER_KIND_EXT)
        return lxe__peer_report(&slow, LXE_PEER_READY, m->err);
    return lxe__peer_expect(&slow, LXE_XL_READY, m->err);
}

/* From here on a cancelled operation is not heard any more. */
static int permit(struct migrate *m)
{
    m->peer.stop_fd = -1;
    if (m->kind == LIBXL_EXT_PEER_KIND_EXT)
        return lxe__peer_send(&m->peer, LXE_PEER_GO, NULL, m->err);
    return lxe__peer_say(&m->peer, LXE_XL_GO, sizeof(LXE_XL_GO),
                         "permission", m->err);
}

/* 0, 1: the peer gave it back, -1: no word. */
static int wait_done(struct migrate *m)
{
    char status;

    if (m->kind == LIBXL_EXT_PEER_KIND_EXT) {
        if (!lxe__peer_report(&m->peer, LXE_PEER_DONE, m->err))
            return 0;
        return m->err->code == EREMOTEIO ? 1 : -1;
    }
    if (lxe__peer_expect(&m->peer, LXE_XL_DONE, m->err) ||
        lxe__peer_read(&m->peer, &status, 1, "status", m->err))
        return -1;
    if (!status)
        return 0;
    /* It says so when its copy is destroyed. */
    if (lxe__peer_expect(&m->peer, LXE_XL_GO, m->err))
        return -1;
    lxe__err_set(m->err, EREMOTEIO, "migrate: domain %u: the receiver"
                 " could not let it run (status %d) and has destroyed its"
                 " copy", m->domid, status);
    return 1;
}

/* base/resume.c, which takes both off, does not see the public header. */
_Static_assert(!__builtin_strcmp(LXE_AWAY, LIBXL_EXT_SUFFIX_AWAY) &&
               !__builtin_strcmp(LXE_AWAY_PEER, LIBXL_EXT_USERDATA_PEER),
               "base/resume.h and the public header have the same names");

/*
 * With its suffix it is known by whom it may be run, for who finds it
 * suspended.
 */
static int rename_away(struct migrate *m)
{
    const char *peer = m->params->peer;
    char *away;
    int r = 0;

    if (asprintf(&away, "%s" LXE_AWAY, m->name) < 0)
        return lxe__err_set(m->err, ENOMEM, "migrate: domain %u: no memory",
                            m->domid);
    if (peer)
        r = libxl_userdata_store(m->ctx->libxl, m->domid,
                                 LIBXL_EXT_USERDATA_PEER,
                                 (const uint8_t *)peer, strlen(peer));
    if (!r)
        r = libxl_domain_rename(m->ctx->libxl, m->domid, m->name, away);
    if (r) {
        lxe__err_set(m->err, EIO, "migrate: domain %u: cannot rename it to"
                     " %s or keep with it where it went (rc %d)", m->domid,
                     away, r);
        /* Whoever finds it suspended later would ask that host. */
        libxl_userdata_unlink(m->ctx->libxl, m->domid,
                              LIBXL_EXT_USERDATA_PEER);
    }
    free(away);
    return r ? -1 : 0;
}

/*
 * The first error stays the line, unless this one is worse: a guest that
 * somebody has destroyed or let run is not to be resumed.
 */
static void take_back(struct migrate *m)
{
    struct lxe__err worse;
    struct lxe__domstate st;

    if (lxe__domstate_read(m->ctx->xch, m->domid, &st) || st.dying ||
        !st.suspended)
        return;
    lxe__err_init(&worse);
    if (lxe__op_resume(m->ctx, "migrate", m->domid, " --force", &worse))
        *m->err = worse;
}

/*
 * Since its save somebody may have let it run, who does not ask for our
 * lock: then the peer must not.
 */
static int check_suspended(struct migrate *m)
{
    struct lxe__domstate st;

    if (lxe__domstate_read(m->ctx->xch, m->domid, &st) ||
        memcmp(st.uuid, m->uuid, sizeof(st.uuid)))
        return lxe__err_set(m->err, ESRCH, "migrate: domain %u: it is no"
                            " more here: the peer is not given leave",
                            m->domid);
    if (!st.suspended || st.dying)
        return lxe__err_set(m->err, EBUSY, "migrate: domain %u: somebody"
                            " let it run again here or destroys it: the"
                            " peer is not given leave; migrate it again",
                            m->domid);
    return 0;
}

static int settle(struct migrate *m, libxl_ext_migrate_end *end_r)
{
    int r;

    lxe__op_phase(m->op, LIBXL_EXT_PHASE_ACKNOWLEDGE);
    if (LXE_FAULT(MIGRATE_AFTER_SAVE, m->err) || wait_ready(m) ||
        LXE_FAULT(MIGRATE_AFTER_READY, m->err)) {
        take_back(m);
        return -1;
    }
    if (rename_away(m)) {
        take_back(m);
        return -1;
    }
    if (check_suspended(m)) {
        lxe__not_away(m->ctx->libxl, m->domid);
        return -1;
    }
    if (lxe__op_commit(m->domid, m->uuid, m->err)) {
        lxe__not_away(m->ctx->libxl, m->domid);
        take_back(m);
        return -1;
    }
    *end_r = LIBXL_EXT_MIGRATE_END_UNKNOWN;
    if (LXE_FAULT(MIGRATE_AFTER_COMMIT, m->err) || permit(m) ||
        LXE_FAULT(MIGRATE_AFTER_GO, m->err))
        return -1;
    r = wait_done(m);
    if (r > 0) {
        *end_r = LIBXL_EXT_MIGRATE_END_HERE;
        lxe__not_away(m->ctx->libxl, m->domid);
        take_back(m);
    }
    if (r)
        return -1;
    if (LXE_FAULT(MIGRATE_AFTER_DONE, m->err))
        return -1;
    *end_r = LIBXL_EXT_MIGRATE_END_THERE;
    r = libxl_domain_destroy(m->ctx->libxl, m->domid, NULL);
    if (r)
        return lxe__err_set(m->err, EIO, "migrate: domain %u: the guest"
                            " runs at the receiver, and its suspended copy"
                            " here cannot be destroyed (rc %d): never"
                            " resume it", m->domid, r);
    return 0;
}

/*----- the calls -----*/

static void prepare(struct migrate *m, struct libxl_ext_ctx *ctx,
                    uint32_t domid, const char *config, int out_fd,
                    int in_fd, const libxl_ext_migrate_params *params)
{
    memset(m, 0, sizeof(*m));
    m->ctx = ctx;
    m->domid = domid;
    m->config = config;
    libxl_ext_migrate_params_init(&m->defaults);
    m->params = params ? params : &m->defaults;
    m->peer.in = in_fd;
    m->peer.out = out_fd;
    m->peer.stop_fd = -1;
    m->peer.timeout_ms = m->params->timeout;
    m->peer.who = "the receiver";
}

static void finish(struct migrate *m)
{
    free(m->name);
    libxl_ext_migrate_params_dispose(&m->defaults);
}

int libxl_ext_domain_migrate(struct libxl_ext_ctx *ctx, uint32_t domid,
                             const char *config, int out_fd, int in_fd,
                             const libxl_ext_migrate_params *params,
                             libxl_ext_op *op,
                             libxl_ext_migrate_end *end_r)
{
    struct migrate m;
    int lock = -1, r = -1;

    *end_r = LIBXL_EXT_MIGRATE_END_HERE;
    lxe__ctx_begin(ctx);
    prepare(&m, ctx, domid, config, out_fd, in_fd, params);
    m.op = op;
    m.err = &op->err;
    m.peer.stop_fd = op->cancel_fd;
    if (lxe__op_check(ctx, op, "migrate") ||
        lxe__peer_check(m.params, "migrate", m.err) ||
        lxe__ctx_guest(ctx, "migrate", domid))
        goto out;
    lock = lxe__operation_lock(domid, "migrate", getpid(), &op->err);
    if (lock < 0 || greet(&m) || save(&m))
        goto out;
    r = settle(&m, end_r);
    lxe__op_phase(op, LIBXL_EXT_PHASE_DONE);

 out:
    lxe__operation_unlock(lock, domid);
    op->result.operation = LIBXL_EXT_OPERATION_MIGRATE;
    finish(&m);
    r = lxe__op_return(ctx, op, r);
    return *end_r == LIBXL_EXT_MIGRATE_END_UNKNOWN ? ERROR_NOT_READY : r;
}

int libxl_ext_domain_precheck(struct libxl_ext_ctx *ctx, uint32_t domid,
                              const char *config, int out_fd, int in_fd,
                              const libxl_ext_migrate_params *params,
                              libxl_ext_op *op,
                              libxl_ext_peer_kind *peer_r,
                              libxl_ext_migrate_answer *answer_r)
{
    struct migrate m;
    int r;

    libxl_ext_migrate_answer_init(answer_r);
    lxe__ctx_begin(ctx);
    prepare(&m, ctx, domid, config, out_fd, in_fd, params);
    m.err = &ctx->err;
    m.peer.stop_fd = lxe__op_stop_fd(op);
    r = lxe__ctx_libxl(ctx, "precheck", m.err) ||
        lxe__peer_check(m.params, "precheck", m.err) ||
        lxe__ctx_guest(ctx, "precheck", domid) ||
        greet_and_ask(&m, true, answer_r) ? -1 : 0;
    *peer_r = m.kind;
    finish(&m);
    if (r) {
        libxl_ext_migrate_answer_dispose(answer_r);
        libxl_ext_migrate_answer_init(answer_r);
    }
    return lxe__ctx_end(ctx, r);
}
