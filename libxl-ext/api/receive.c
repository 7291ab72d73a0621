/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The receiver of a migration; docs/migration.md is the specification,
 * and functions stand in the order in which they run.
 *
 *   hear     the offer
 *   judge    policy, memory, configuration; nothing has been changed up
 *            to here
 *   take     libxl makes the domain, paused, from the stream
 *   settle   READY, then GO or the end of it, then DONE
 *
 * Should this process die, a paused NAME--incoming stays, which the next
 * receiver of that guest, one who asks or "xl destroy" ends; the sender
 * hears the end of the link and lets the guest run there, unless GO was
 * sent, when it asks first.
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
#include "api/receiver.h"
#include "base/fault.h"
#include "freeze/backends.h"
#include "memory/limits.h"
#include "memory/policy.h"
#include "memory/record.h"

struct receive {
    struct libxl_ext_ctx *ctx;
    struct libxl_ext_op *op;
    struct lxe__peer peer;
    libxl_ext_migrate_offer offer;
    libxl_domain_config config;
    uint32_t domid;             /* UINT32_MAX: none */
    int lock;
};

/*----- hear -----*/

static int hear(struct receive *v)
{
    char *body, *error = NULL;
    int rc = 0;

    if (lxe__peer_say(&v->peer, LXE_PEER_GREETING,
                      sizeof(LXE_PEER_GREETING) - 1, "greeting",
                      &v->op->err) ||
        lxe__peer_receive(&v->peer, LXE_PEER_OFFER, &body, &v->op->err))
        return -1;
    if (libxl_ext_migrate_offer_from_json(&v->offer, body, &error))
        rc = lxe__err_set(&v->op->err, EPROTO, "receive: %s",
                          error ? error : "no memory");
    else if (!v->offer.name || !v->offer.config)
        rc = lxe__err_set(&v->op->err, EPROTO, "receive: an offer without"
                          " the guest's %s", v->offer.name ?
                          "configuration" : "name");
    free(error);
    free(body);
    return rc;
}

/*----- judge -----*/

/* What will be asked again, with the domain at hand, by the helper. */
static int judge_limits(struct receive *v, libxl_ext_migrate_answer *a,
                        struct lxe__err *why)
{
    const libxl_ext_memory_limits *l = &v->offer.limits;
    struct lxe__memory_verdict verdict;
    struct lxe__policy policy;
    struct lxe__host host;
    int rc;

    /* As the helper does it. */
    lxe__policy_load_or_none(&policy, NULL, v->offer.name);
    rc = lxe__host_read(v->ctx->xch, &host, why);
    if (!rc) {
        a->need_pages = l->tot_pages;
        a->free_pages = host.free_pages > host.outstanding_pages ?
            host.free_pages - host.outstanding_pages : 0;
        a->short_pages = a->need_pages > a->free_pages ?
            a->need_pages - a->free_pages : 0;
        lxe__policy_verdict(&policy, "receive", v->offer.name,
                            l->max_pages, l->tot_pages, l->stock_max_kb,
                            host.total_pages, &verdict);
        a->bound_pages = verdict.bound_pages;
        a->over_pages = verdict.over_pages;
        if (verdict.code)
            rc = lxe__err_set(why, verdict.code, "%s", verdict.reason);
    }
    lxe__policy_dispose(&policy);
    if (!rc && a->short_pages)
        rc = lxe__err_set(why, ENOMEM, "receive: guest \"%s\" needs"
                          " %"PRIu64" pages, the host has %"PRIu64" that"
                          " are free and not claimed: %"PRIu64" pages"
                          " (%"PRIu64" KiB) short; free memory or balloon"
                          " the control domain down", v->offer.name,
                          a->need_pages, a->free_pages, a->short_pages,
                          a->short_pages * 4);
    return rc;
}

/* A guest of that name which is not this one. */
static int judge_name(struct receive *v, struct lxe__err *why)
{
    libxl_dominfo info;
    uint32_t domid;
    int rc = 0;

    if (libxl_name_to_domid(v->ctx->libxl, v->offer.name, &domid))
        return 0;
    libxl_dominfo_init(&info);
    if (!libxl_domain_info(v->ctx->libxl, &info, domid) &&
        memcmp(libxl_uuid_bytearray_const(&info.uuid),
               v->offer.limits.uuid, 16))
        rc = lxe__err_set(why, EEXIST, "receive: another guest is called"
                          " \"%s\" here (domain %u): rename one",
                          v->offer.name, domid);
    libxl_dominfo_dispose(&info);
    return rc;
}

/* One that keeps its id, which only one can have. */
static int judge_domid(struct receive *v, struct lxe__err *why)
{
    uint32_t domid = v->config.c_info.domid;
    libxl_dominfo info;
    int rc = 0;

    if (!libxl_domid_valid_guest(domid))
        return 0;
    libxl_dominfo_init(&info);
    if (!libxl_domain_info(v->ctx->libxl, &info, domid))
        rc = lxe__err_set(why, EEXIST, "receive: guest \"%s\" is to keep"
                          " its id %u, which another domain has here: send"
                          " it without that", v->offer.name, domid);
    libxl_dominfo_dispose(&info);
    return rc;
}

static int judge_config(struct receive *v, struct lxe__err *why)
{
    char *name;

    if (lxe__config_check(v->offer.config, why))
        return -1;
    if (libxl_domain_config_from_json(v->ctx->libxl, &v->config,
                                      v->offer.config))
        return lxe__err_set(why, EPROTO, "receive: guest \"%s\": libxl"
                            " does not take its configuration: is this"
                            " Xen older than the sender's?",
                            v->offer.name);
    if (memcmp(libxl_uuid_bytearray_const(&v->config.c_info.uuid),
               v->offer.limits.uuid, 16))
        return lxe__err_set(why, EPROTO, "receive: guest \"%s\": the uuid"
                            " of its configuration is not the one of its"
                            " limits", v->offer.name);
    if (asprintf(&name, "%s" LXE_INCOMING, v->offer.name) < 0)
        return lxe__err_set(why, ENOMEM, "receive: no memory");
    free(v->config.c_info.name);
    v->config.c_info.name = name;
    return 0;
}

/*
 * Does libxl start a QEMU for it in this domain?  As libxl 4.14 to master
 * (libxl__need_xenpv_qemu(); with a stub domain it needs one as well), as
 * far as the configuration says: what libxl finds out later, such as what
 * can serve a file, is not judged.
 */
static bool needs_emulator(const libxl_domain_config *c, uint32_t here)
{
    int i;

    if (c->c_info.type == LIBXL_DOMAIN_TYPE_HVM || c->num_vfbs)
        return true;
    for (i = 0; i < c->num_vkbs; i++)
        if (c->vkbs[i].backend_type != LIBXL_VKB_BACKEND_LINUX)
            return true;
    for (i = 0; i < c->num_disks; i++)
        if (c->disks[i].backend == LIBXL_DISK_BACKEND_QDISK &&
            !c->disks[i].backend_domname &&
            c->disks[i].backend_domid == here)
            return true;
    for (i = 0; i < c->num_channels; i++)
        if (!c->channels[i].backend_domname &&
            c->channels[i].backend_domid == here)
            return true;
    return false;
}

/* libxl looks for it when it has all pages. */
static int judge_emulator(struct receive *v, struct lxe__err *why)
{
    const char *path = v->config.b_info.device_model;

    if (!path || !needs_emulator(&v->config,
                                 lxe__xs_own_domid(v->ctx->xsh)) ||
        !access(path, X_OK))
        return 0;
    return lxe__err_set(why, errno, "receive: guest \"%s\": its device"
                        " model %.250s cannot be executed on this host:"
                        " %s: install it here, at that path"
                        " (libxl-ext-qemu comes with libxl-ext)",
                        v->offer.name, path, strerror(errno));
}

static int send_answer(struct receive *v, libxl_ext_migrate_answer *a,
                       const struct lxe__err *why)
{
    const libxl_version_info *xen = libxl_get_version_info(v->ctx->libxl);
    char version[64] = "", *body;
    int rc;

    if (xen)
        snprintf(version, sizeof(version), "%d.%d%.40s",
                 xen->xen_version_major, xen->xen_version_minor,
                 xen->xen_version_extra ? xen->xen_version_extra : "");
    a->accepted = !why->code;
    a->version = (char *)(uintptr_t)LIBXL_EXT_VERSION_STRING;
    a->xen_version = version;
    a->reason = why->code ? (char *)(uintptr_t)why->msg : NULL;
    body = libxl_ext_migrate_answer_to_json(a);
    /* They were lent for that. */
    a->version = a->xen_version = a->reason = NULL;
    if (!body)
        return lxe__err_set(&v->op->err, errno, "receive: the answer: %s",
                            strerror(errno));
    rc = lxe__peer_send(&v->peer, LXE_PEER_ANSWER, body, &v->op->err);
    free(body);
    return rc;
}

/* 0: the stream comes, 1: a dry run that is done, -1. */
static int judge(struct receive *v)
{
    libxl_ext_migrate_answer a;
    struct lxe__err why;

    lxe__err_init(&why);
    libxl_ext_migrate_answer_init(&a);
    if (lxe__ctx_open(v->ctx)) {
        why = v->ctx->err;
    } else {
        v->lock = lxe__receiver_lock(v->offer.limits.uuid, &why);
        /* What is in the way of this one takes its memory, too. */
        if (v->lock >= 0 && (v->offer.dry_run || !lxe__receiver_sweep(
                v->ctx, v->offer.limits.uuid, &why)) &&
            !judge_limits(v, &a, &why) && !judge_name(v, &why) &&
            !judge_config(v, &why) && !judge_emulator(v, &why))
            judge_domid(v, &why);
    }
    if (send_answer(v, &a, &why))
        return -1;
    if (why.code)
        return lxe__err_set(&v->op->err, why.code, "%s", why.msg);
    return v->offer.dry_run;
}

/*----- take and settle -----*/

static int report(struct receive *v, enum lxe__peer_type type)
{
    const struct lxe__err *err = &v->op->err;
    libxl_ext_migrate_report r;
    struct lxe__err late;
    char *body;
    int rc = -1;

    libxl_ext_migrate_report_init(&r);
    r.ok = !err->code;
    r.reason = err->code ? (char *)(uintptr_t)err->msg : NULL;
    body = libxl_ext_migrate_report_to_json(&r);
    lxe__err_init(&late);
    if (body)
        rc = lxe__peer_send(&v->peer, type, body, err->code ? &late
                                                      : &v->op->err);
    free(body);
    return rc;
}

static int destroy(struct receive *v)
{
    int rc = libxl_domain_destroy(v->ctx->libxl, v->domid, NULL);

    if (rc)
        lxe__err_set(&v->op->err, EIO, "receive: cannot destroy domain %u"
                     " (rc %d): never let it run", v->domid, rc);
    else
        v->domid = UINT32_MAX;
    return rc;
}

/* Or leaves it paused, where the sender wants that. */
static int let_run(struct receive *v)
{
    int rc;

    /*
     * Somebody asked for our end before GO, and may have gone on without
     * an answer if we were stopped: what nobody has let run yet is not
     * let run by us.
     */
    if (v->op->stop)
        return lxe__err_set(&v->op->err, ECANCELED, "receive: domain %u:"
                            " cancelled before it was let run", v->domid);
    /* Whoever finishes this for us must know it, too. */
    if (!v->offer.paused &&
        lxe__receiver_unpause(v->offer.limits.uuid, &v->op->err))
        return -1;
    rc = libxl_domain_rename(v->ctx->libxl, v->domid,
                             v->config.c_info.name, v->offer.name);
    if (!rc && lxe__receiver_given(v->offer.limits.uuid, &v->op->err))
        return -1;
    if (!rc && !v->offer.paused)
        rc = libxl_domain_unpause(v->ctx->libxl, v->domid, NULL);
    if (!rc) {
        lxe__receiver_ran(v->offer.limits.uuid);
        return 0;
    }
    return lxe__err_set(&v->op->err, EIO, "receive: domain %u cannot be"
                        " renamed or unpaused (rc %d)", v->domid, rc);
}

static int settle(struct receive *v)
{
    char *none = NULL;
    int r;

    r = LXE_FAULT(RECEIVE_AFTER_RESTORE, &v->op->err) ||
        report(v, LXE_PEER_READY) ||
        LXE_FAULT(RECEIVE_AFTER_READY, &v->op->err) ||
        lxe__peer_receive(&v->peer, LXE_PEER_GO, &none, &v->op->err);
    free(none);
    if (r) {
        destroy(v);
        return -1;
    }
    /* It is ours now; what is asked to end from here on is not heard. */
    v->peer.stop_fd = -1;
    if (LXE_FAULT(RECEIVE_AFTER_GO, &v->op->err) || let_run(v)) {
        /* With a copy left here the sender must not let it run. */
        if (!lxe__receiver_not_given(v->offer.limits.uuid, &v->op->err) &&
            !destroy(v))
            report(v, LXE_PEER_DONE);
        return -1;
    }
    if (!LXE_FAULT(RECEIVE_AFTER_RUN, &v->op->err))
        report(v, LXE_PEER_DONE);
    lxe__err_init(&v->op->err);     /* it runs, whoever heard it */
    return 0;
}

static int receive(struct receive *v)
{
    int r;

    if (hear(v) || LXE_FAULT(RECEIVE_AFTER_OFFER, &v->op->err))
        return -1;
    r = judge(v);
    if (r)
        return r > 0 ? 0 : -1;
    /* What was said of it when it came here before. */
    if (lxe__receiver_not_given(v->offer.limits.uuid, &v->op->err)) {
        report(v, LXE_PEER_READY);
        return -1;
    }
    v->op->head_ms = v->peer.timeout_ms;
    if (lxe__op_restore(v->ctx, &v->config, v->peer.in, &v->domid,
                        v->op)) {
        v->domid = UINT32_MAX;
        report(v, LXE_PEER_READY);
        return -1;
    }
    return settle(v);
}

int libxl_ext_domain_receive(struct libxl_ext_ctx *ctx, int in_fd,
                             int out_fd,
                             const libxl_ext_migrate_params *params,
                             libxl_ext_op *op, uint32_t *domid_r,
                             char **config_r)
{
    struct receive v = { .ctx = ctx, .op = op, .domid = UINT32_MAX,
                         .lock = -1 };
    libxl_ext_migrate_params defaults;
    int r = -1;

    *domid_r = UINT32_MAX;
    *config_r = NULL;
    lxe__ctx_begin(ctx);
    libxl_ext_migrate_params_init(&defaults);
    libxl_ext_migrate_offer_init(&v.offer);
    libxl_domain_config_init(&v.config);
    v.peer.in = in_fd;
    v.peer.out = out_fd;
    v.peer.stop_fd = op->cancel_fd;
    if (!params)
        params = &defaults;
    v.peer.timeout_ms = params->timeout;
    v.peer.who = "the sender";
    if (!lxe__op_check(ctx, op, "receive") &&
        !lxe__peer_check(params, "receive", &op->err))
        r = receive(&v);
    op->result.operation = LIBXL_EXT_OPERATION_RECEIVE;
    if (!r) {
        *domid_r = v.domid;
        *config_r = v.offer.config;
        v.offer.config = NULL;
    }
    lxe__receiver_unlock(v.lock, v.offer.limits.uuid);
    libxl_ext_migrate_offer_dispose(&v.offer);
    libxl_domain_config_dispose(&v.config);
    libxl_ext_migrate_params_dispose(&defaults);
    return lxe__op_return(ctx, op, r);
}
