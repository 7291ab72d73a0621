/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Restoring a domain: its limit is put right before its first page.
 * The steps, in the order of their functions here:
 *
 *   head       read the libxc headers and the memory record
 *   judge      the record against the domain, the policy and the host;
 *              up to here nothing has been changed
 *   admit      set the limit, claim the pages
 *   pages      libxenguest takes the rest of the stream
 *   settle     give back what is left of the claim; compare with the
 *              record
 *
 * A crash at any point leaves a domain that libxl destroys, and with it
 * its limit and its claim; what becomes of the image is in keep.h.  An
 * image without a memory record of this domain is restored exactly as
 * stock does it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "base/log.h"
#include "helper/helper.h"
#include "memory/record.h"
#include "report/convert.h"
#include "stream/link.h"
#include "stream/relay.h"

struct restore {
    struct lxe__helper *h;
    struct lxe__stream_head head;
    bool has_record;            /* in either carrier, and of the domain */
    struct lxe__record record;
    struct lxe__link *link;
    struct lxe__relay *relay;
    bool claimed;
    struct lxe__err err;
};

static const char *who(const struct restore *s)
{
    return s->h->name ? s->h->name : "(no name)";
}

/* Only of an image that would be lost: SIGTERM ends other restores. */
static int told_to_stop(struct restore *s)
{
    return lxe__helper_told_to_stop(s->h, "restore", &s->err);
}

/*----- head -----*/

/* Each carrier says the same or is a lie: which one, nobody knows. */
static int agree(struct restore *s, const uint8_t *libxl, size_t len)
{
    size_t i, bound = len < s->head.record_len ? len : s->head.record_len;

    for (i = 0; i < bound && libxl[i] == s->head.record[i]; i++)
        ;
    if (i == len && i == s->head.record_len)
        return 0;
    return lxe__err_set(&s->err, EPROTO, "restore: domain %u: memory"
                        " record: that of the libxl stream (%zu bytes)"
                        " and that of the libxc stream (%zu) differ from"
                        " byte %zu on: the image is damaged or not of one"
                        " save", s->h->domid, len, s->head.record_len, i);
}

static int read_head(struct restore *s, int fd)
{
    uint8_t libxl[LXE_RECORD_MAX_LEN];
    size_t len;

    if (LXE_FAULT(RESTORE_BEFORE_RECORD, &s->err) ||
        lxe__caller_go(&s->h->caller, &s->h->proto, fd, libxl,
                       sizeof(libxl), &len, &s->err) ||
        lxe__link_watch(&s->link, fd, s->h->policy.link_timeout,
                        &s->err) ||
        lxe__stream_head_read(fd, &s->head, &s->err))
        return -1;
    if (len && s->head.has_record && agree(s, libxl, len))
        return -1;
    s->has_record = len || s->head.has_record;
    if (!s->has_record)
        return 0;
    if (lxe__record_decode(len ? libxl : s->head.record,
                           len ? len : s->head.record_len, &s->record,
                           &s->err))
        return -1;
    lxe__to_sent_limits(&s->h->caller.result.limits_sent, &s->record,
                        s->h->domid);
    return LXE_FAULT(RESTORE_AFTER_RECORD, &s->err);
}

/*----- judge -----*/

static int judge_type(struct restore *s, bool hvm)
{
    bool record_hvm = s->record.flags & LXE_RECORD_F_HVM;
    bool stream_hvm = s->head.headers.type == LXE_LIBXC_TYPE_HVM;

    if (record_hvm != stream_hvm || record_hvm != hvm)
        return lxe__err_set(&s->err, EPROTO, "restore: domain %u: memory"
                            " record: flags 0x%x says %s, the libxc header"
                            " %s, the domain is %s: image and"
                            " configuration do not belong together",
                            s->h->domid, s->record.flags,
                            record_hvm ? "HVM" : "PV",
                            stream_hvm ? "HVM" : "PV",
                            hvm ? "HVM" : "PV");
    return 0;
}

/*
 * xl makes up a uuid for a configuration file without one, which may be
 * given at a save, a restore and a migration; and so a guest is cloned.
 */
static int judge_uuid(struct restore *s, const struct lxe__limits *now)
{
    if (lxe__record_check_uuid(&s->record, now->uuid, s->h->domid,
                               now->max_pages, &s->has_record, &s->err))
        return -1;
    if (!s->has_record)
        LXE_INFO(&s->h->proto.logger, "restore: domain %u: the memory"
                 " record is of another uuid, and is not needed: restored"
                 " as by stock tools", s->h->domid);
    return 0;
}

/*
 * The host must have the pages now.  The claim asks again, and that
 * time Xen answers for good; asked here, nothing has been changed yet
 * and the answer has figures.
 */
static int judge_host(struct restore *s, const struct lxe__host *host,
                      uint64_t have)
{
    uint64_t need = s->record.tot_pages - have;
    uint64_t avail = host->free_pages > host->outstanding_pages ?
        host->free_pages - host->outstanding_pages : 0;

    if (s->record.tot_pages <= have || need <= avail)
        return 0;
    return lxe__err_set(&s->err, ENOMEM, "restore: guest \"%s\" needs"
                        " %"PRIu64" pages, the host has %"PRIu64" free of"
                        " which %"PRIu64" are claimed: %"PRIu64" pages"
                        " (%"PRIu64" KiB) short; free memory or balloon"
                        " the control domain down", who(s), need,
                        host->free_pages, host->outstanding_pages,
                        need - avail, (need - avail) * 4);
}

static int judge(struct restore *s, struct lxe__limits *now)
{
    struct lxe__helper *h = s->h;
    struct lxe__host host;
    uint64_t stock_kb;

    /*
     * What stock libxl has just set is what it would set: the sender's
     * own figure is not taken for it.
     */
    if (lxe__limits_read(h->xch, h->xsh, h->domid, now, &s->err) ||
        lxe__host_read(h->xch, &host, &s->err) ||
        judge_type(s, now->hvm) || judge_uuid(s, now))
        return -1;
    if (!s->has_record)
        return 0;
    stock_kb = now->max_pages * 4;
    if (lxe__policy_judge(&h->policy, "restore", who(s),
                          s->record.max_pages, s->record.tot_pages,
                          stock_kb, host.total_pages, &s->err))
        return -1;
    return judge_host(s, &host, now->tot_pages);
}

/* The guest needs no raise: no reason to refuse it. */
static void warn_unread(const struct restore *s)
{
    const struct lxe__err *unread = &s->h->policy.unread;

    if (unread->code)
        LXE_WARN(&s->h->proto.logger, "restore: domain %u: %s: the"
                 " defaults hold, and no limit was raised", s->h->domid,
                 unread->msg);
}

/*----- admit -----*/

static int admit(struct restore *s, const struct lxe__limits *now)
{
    struct lxe__helper *h = s->h;

    lxe__caller_phase(&h->caller, LIBXL_EXT_PHASE_APPLY);
    if (LXE_FAULT(RESTORE_BEFORE_LIMIT, &s->err) ||
        lxe__limits_set(h->xch, h->domid, lxe__pages_limit(
                            s->record.max_pages, s->record.tot_pages),
                        &s->err) ||
        LXE_FAULT(RESTORE_AFTER_LIMIT, &s->err))
        return -1;
    /* Xen refuses a claim above the limit, hence this order. */
    if (h->policy.claim && s->record.tot_pages > now->tot_pages) {
        if (lxe__claim(h->xch, h->domid, s->record.tot_pages, &s->err)) {
            lxe__limits_set(h->xch, h->domid, now->max_pages, NULL);
            return -1;
        }
        s->claimed = true;
    }
    return LXE_FAULT(RESTORE_AFTER_CLAIM, &s->err);
}

/*----- pages -----*/

static int cb_static_data_done(unsigned missing, void *data)
{
    struct restore *s = data;
    int reply = 0;

    if (lxe__helper_leave_relay(s->h, "restore", s->relay, &s->err) ||
        LXE_FAULT(RESTORE_BEFORE_PAGES, &s->err))
        return -1;
    if (!lxe__proto_wants(&s->h->proto, LXE_PROTO_STATIC_DATA_DONE))
        return 0;
    if (lxe__proto_static_data_done(&s->h->proto, missing, &reply))
        return lxe__err_set(&s->err, errno, "restore: domain %u: libxl has"
                            " gone away: %s", s->h->domid,
                            strerror(errno));
    return reply;
}

/*----- settle -----*/

static void release_claim(struct restore *s)
{
    struct lxe__err err;

    if (!s->claimed)
        return;
    lxe__err_init(&err);
    if (lxe__claim(s->h->xch, s->h->domid, 0, &err))
        LXE_WARN(&s->h->proto.logger, "%s", err.msg);
    s->claimed = false;
}

static int settle(struct restore *s)
{
    struct lxe__helper *h = s->h;
    uint64_t max_pages, tot_pages;
    struct lxe__limits now;

    if (LXE_FAULT(RESTORE_AFTER_PAGES, &s->err))
        return -1;
    release_claim(s);
    if (LXE_FAULT(RESTORE_BEFORE_COMPLETE, &s->err) || told_to_stop(s))
        return -1;
    if (!s->has_record)
        return 0;
    /* A guest that had more than its limit has it again now. */
    if (s->record.tot_pages > s->record.max_pages &&
        lxe__limits_set(h->xch, h->domid, s->record.max_pages, &s->err))
        return -1;
    if (lxe__limits_read_pages(h->xch, h->domid, &max_pages, &tot_pages,
                               &s->err))
        return -1;
    if (max_pages != s->record.max_pages)
        return lxe__err_set(&s->err, EBUSY, "restore: domain %u: max_pages"
                            " is %"PRIu64" at the end, %"PRIu64" was set:"
                            " somebody else changed it during the restore",
                            h->domid, max_pages, s->record.max_pages);
    if (lxe__caller_there(&h->caller) &&
        !lxe__limits_read(h->xch, h->xsh, h->domid, &now, NULL))
        lxe__to_limits(&h->caller.result.limits_applied, &now);
    LXE_INFO(&h->proto.logger, "restore: domain %u: max_pages %"PRIu64","
             " tot_pages %"PRIu64" (the source had %"PRIu64" and"
             " %"PRIu64")", h->domid, max_pages, tot_pages,
             s->record.max_pages, s->record.tot_pages);
    return 0;
}

static void on_progress(void *data, uint64_t done, uint64_t total)
{
    struct restore *s = data;

    lxe__caller_pages(&s->h->caller, 0, done, total);
}

int lxe__helper_restore(struct lxe__helper *h, struct lxe__restore_args *a)
{
    struct restore s = { .h = h };
    struct restore_callbacks cb = {
        .static_data_done = cb_static_data_done,
        .data = &s,
    };
    struct lxe__limits now;
    int rc, saved;

    lxe__err_init(&s.err);
    rc = -1;
    if (read_head(&s, a->fd))
        goto out;
    if (s.has_record && judge(&s, &now))
        goto out;
    warn_unread(&s);
    if (s.has_record && admit(&s, &now))
        goto out;
    lxe__caller_phase(&h->caller, LIBXL_EXT_PHASE_LAST_PASS);
    h->proto.on_progress = on_progress;
    h->proto.on_progress_data = &s;
    if (lxe__relay_restore_start(&s.relay, a->fd, &s.head, &s.err))
        goto out;
    rc = lxe__engine_restore(h->xch, a, &cb);
    if (!rc) {
        rc = settle(&s);
        goto out;
    }
    saved = errno;
    told_to_stop(&s);
    /* What the link or the relay met is the cause of what it met. */
    lxe__link_end(s.link, &s.err);
    s.link = NULL;
    lxe__relay_dispose(s.relay, &s.err);
    s.relay = NULL;
    lxe__err_set(&s.err, saved, "restore: domain %u: libxenguest: %s",
                 h->domid, strerror(saved));

 out:
    lxe__relay_dispose(s.relay, rc ? &s.err : NULL);
    lxe__link_end(s.link, NULL);
    release_claim(&s);
    if (rc)
        LXE_ERROR(&h->proto.logger, "%s", s.err.msg);
    lxe__caller_end(&h->caller, rc ? &s.err : NULL);
    saved = s.err.code;
    errno = saved;
    return rc ? -1 : 0;
}
