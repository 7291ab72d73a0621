/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Saving a domain: libxenguest moves the pages, this file stands
 * around it.  The steps, in the order of their functions here:
 *
 *   judge      read the live limits, ask the policy; nothing is changed
 *   prepare    plan the freeze, start the guardian, build the memory
 *              record; let the caller have it or start the relay
 *   precopy    between rounds: hold the limit that was sent
 *   stopped    libxl has suspended the guest: freeze, hold the limit a
 *              last time; libxenguest then reads the dirty bitmap, and
 *              after the last page page_state.c adds what it has
 *   finished   the image is whole: what is frozen stays frozen
 *
 * base/fault.h and docs/faults.md say what a crash right after each step
 * leaves behind.  In short: up to "stopped" nothing but log-dirty mode;
 * from there on what the freeze journal names.  The guardian undoes both.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/log.h"
#include "freeze/freeze.h"
#include "helper/helper.h"
#include "helper/page_state.h"
#include "memory/domain.h"
#include "memory/hold.h"
#include "memory/live.h"
#include "memory/record.h"
#include "report/convert.h"
#include "stream/libxc_format.h"
#include "stream/link.h"
#include "stream/relay.h"

struct save {
    struct lxe__helper *h;
    const struct lxe__save_args *a;
    struct lxe__limits limits;  /* as read in judge and sent */
    uint64_t lowered;           /* max_pages, when that was said last */
    struct lxe__freeze *freeze;
    struct lxe__link *link;
    struct lxe__relay *relay;
    struct lxe__page_state *page_state; /* NULL: nothing to mend */
    bool in_stream;             /* the relay is out of the way, or none */
    bool mandatory;
    struct lxe__err err;        /* ours; libxenguest logs its own */
};

/*----- SIGTERM -----*/

/*
 * As in the stock helper: libxenguest runs straight through and has to
 * go down its own error path to put the guest right, so the signal
 * makes the stream's descriptor unwritable.  The next write fails.
 */
static volatile sig_atomic_t stop_requested;
static int stream_fd = -1, unwritable_fd = -1;

static void on_sigterm(int number)
{
    int saved = errno;

    (void)number;
    stop_requested = 1;
    if (dup2(unwritable_fd, stream_fd) != stream_fd)
        abort();        /* nothing else is safe in a signal handler */
    errno = saved;
}

static int catch_sigterm(struct lxe__helper *h, int fd,
                         struct lxe__err *err)
{
    struct sigaction sa;
    sigset_t set;

    unwritable_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (unwritable_fd < 0)
        return lxe__err_set(err, errno, "save: /dev/null: %s",
                            strerror(errno));
    stream_fd = fd;
    memset(&sa, 0, sizeof(sa));
    sa.sa_handler = on_sigterm;
    sigemptyset(&sa.sa_mask);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    if (sigaction(SIGTERM, &sa, NULL) ||
        sigprocmask(SIG_UNBLOCK, &set, NULL))
        return lxe__err_set(err, errno, "save: catching SIGTERM: %s",
                            strerror(errno));
    h->stop = &stop_requested;
    return 0;
}

static int told_to_stop(struct save *s)
{
    return lxe__helper_told_to_stop(s->h, "save", &s->err);
}

/*----- judge -----*/

static const char *who(const struct save *s)
{
    return s->h->name ? s->h->name : "(no name)";
}

static int judge(struct save *s)
{
    struct lxe__helper *h = s->h;
    struct lxe__host host;

    if (LXE_FAULT(SAVE_BEFORE_LIMITS, &s->err) ||
        lxe__limits_read(h->xch, h->xsh, h->domid, &s->limits, &s->err) ||
        lxe__host_read(h->xch, &host, &s->err) ||
        ((s->a->flags & XCFLAGS_LIVE) &&
         lxe__live_judge("save", h->xsh, &s->limits, &host,
                         &s->err)) ||
        lxe__policy_judge(&h->policy, "save", who(s), s->limits.max_pages,
                          s->limits.tot_pages, s->limits.stock_max_kb,
                          host.total_pages, &s->err))
        return -1;
    return LXE_FAULT(SAVE_AFTER_LIMITS, &s->err);
}

/*----- prepare -----*/

/* The whole record: header, body, and no padding as 8 divides it. */
#define RECORD_BYTES (LXE_RHDR_LEN + LXE_RECORD_LEN)
_Static_assert(LXE_RECORD_LEN % 8 == 0, "the body needs padding");

static void build_record(struct save *s, uint8_t *bytes)
{
    const struct lxe__limits *l = &s->limits;
    uint64_t stock_pages = l->stock_max_kb / 4;
    struct lxe__libxc_rhdr rh = { .length = LXE_RECORD_LEN };
    struct lxe__record r = {
        .version = LXE_RECORD_VERSION,
        .max_pages = l->max_pages,
        .tot_pages = l->tot_pages,
        .outstanding_pages = l->outstanding_pages,
        .shr_pages = l->shr_pages,
        .paged_pages = l->paged_pages,
        .target_kb = l->target_kb,
        .static_max_kb = l->static_max_kb,
        .stock_max_kb = l->stock_max_kb,
    };

    memcpy(r.uuid, l->uuid, sizeof(r.uuid));
    if (l->hvm)
        r.flags |= LXE_RECORD_F_HVM;
    if (l->max_pages > stock_pages)
        r.flags |= LXE_RECORD_F_RAISED;
    /*
     * A stock receiver would populate up to its own limit and then lose
     * the guest: it must refuse at once, and does so for a mandatory
     * record that it does not know.  While a guest runs it may still
     * fill what it is allowed, so in a live save max_pages counts, too.
     */
    s->mandatory = l->tot_pages > stock_pages ||
        (l->max_pages > stock_pages && (s->a->flags & XCFLAGS_LIVE));
    rh.type = s->mandatory ? LXE_RECORD_TYPE_MANDATORY
                           : LXE_RECORD_TYPE_OPTIONAL;
    lxe__libxc_rhdr_encode(&rh, bytes);
    lxe__record_encode(&r, bytes + LXE_RHDR_LEN);
}

/*
 * A PV guest under a Xen that says what a page was last.  A library that
 * has not the calls that this stands on is no reason to refuse a save.
 */
static int watch_page_state(struct save *s)
{
    struct lxe__helper *h = s->h;
    const struct lxe__page_state_args args = {
        .xch = h->xch,
        .logger = &h->proto.logger,
        .domid = h->domid,
        .fd = s->a->fd,
        .verify = s->a->flags & XCFLAGS_DEBUG,
        .types = lxe__page_state_types(),
    };

    if (s->limits.hvm || !lxe__page_state_needed(h->xch))
        return 0;
    if (lxe__page_state_new(&s->page_state, &args, &s->err))
        return -1;
    if (lxe__page_state_attach(s->page_state)) {
        LXE_WARN(&h->proto.logger, "save: domain %u: page state: this"
                 " helper was built for another Xen and cannot see what"
                 " libxenguest asks: page tables are in the image as this"
                 " Xen calls them", h->domid);
        lxe__page_state_free(s->page_state);
        s->page_state = NULL;
    }
    return 0;
}

static int prepare(struct save *s)
{
    struct lxe__helper *h = s->h;
    uint8_t bytes[RECORD_BYTES];
    bool libxc_carrier;

    if (lxe__freeze_plan(&s->freeze, h->xch, h->xsh, h->domid,
                         s->limits.hvm, &h->policy, LXE_FREEZE_FOR_SAVE,
                         &h->proto.logger, NULL, &s->err) ||
        lxe__freeze_arm(s->freeze, NULL, &s->err) || watch_page_state(s))
        return -1;
    build_record(s, bytes);
    lxe__to_limits(&h->caller.result.limits_sent, &s->limits);
    if (LXE_FAULT(SAVE_BEFORE_RECORD, &s->err) ||
        lxe__caller_record(&h->caller, &h->proto,
                           bytes + LXE_RHDR_LEN, LXE_RECORD_LEN,
                           s->mandatory, s->a->fd, &libxc_carrier,
                           &s->err) ||
        lxe__link_watch(&s->link, s->a->fd, h->policy.link_timeout,
                        &s->err) ||
        catch_sigterm(h, s->a->fd, &s->err))
        return -1;
    s->in_stream = !libxc_carrier;
    if (s->in_stream)
        return LXE_FAULT(SAVE_AFTER_RECORD, &s->err);
    return lxe__relay_save_start(&s->relay, s->a->fd, bytes,
                                 sizeof(bytes), &s->err);
}

/*
 * The first callback of libxenguest comes when all records before the
 * pages are written: the relay has done its work.
 */
static int leave_relay(struct save *s)
{
    if (s->in_stream)
        return 0;
    if (LXE_FAULT(SAVE_BEFORE_PRECOPY, &s->err) ||
        lxe__helper_leave_relay(s->h, "save", s->relay, &s->err))
        return -1;
    s->in_stream = true;
    return LXE_FAULT(SAVE_AFTER_RECORD, &s->err);
}

/*----- precopy -----*/

/*
 * The limit that was sent is the limit that the destination sets, so it
 * must hold until the end.  A raise since then is taken back while the
 * guest's pages allow it.
 */
static int hold_limit(struct save *s)
{
    struct lxe__helper *h = s->h;
    uint64_t sent = s->limits.max_pages, max_pages, tot_pages, room;

    if (lxe__limits_read_pages(h->xch, h->domid, &max_pages, &tot_pages,
                               &s->err))
        return -1;
    switch (lxe__hold_judge(sent, s->limits.tot_pages, max_pages,
                            tot_pages)) {
    case LXE_HOLD_AS_SENT:
        break;
    case LXE_HOLD_LOWERED:
        if (max_pages == s->lowered)
            break;              /* said once */
        s->lowered = max_pages;
        LXE_WARN(&h->proto.logger, "save: domain %u: max_pages was lowered"
                 " from %"PRIu64" to %"PRIu64" during the save; the image"
                 " has the former, lower it again where it is restored",
                 h->domid, sent, max_pages);
        break;
    case LXE_HOLD_RAISED:
        if (lxe__limits_set(h->xch, h->domid, sent, &s->err))
            return -1;
        LXE_WARN(&h->proto.logger, "save: domain %u: max_pages was raised"
                 " from %"PRIu64" to %"PRIu64" during the save and was put"
                 " back; raise it again afterwards", h->domid, sent,
                 max_pages);
        break;
    case LXE_HOLD_EXCEEDED:
        room = lxe__pages_limit(sent, s->limits.tot_pages);
        return lxe__err_set(&s->err, EAGAIN, "save: domain %u: max_pages"
                            " was raised from %"PRIu64" to %"PRIu64" and"
                            " tot_pages is %"PRIu64", %"PRIu64" above the"
                            " limit that was sent: save it again",
                            h->domid, sent, max_pages, tot_pages,
                            tot_pages - room);
    }
    return 0;
}

static int cb_precopy_policy(struct precopy_stats stats, void *data)
{
    struct save *s = data;

    lxe__freeze_listen(s->freeze);
    if (leave_relay(s) || hold_limit(s))
        return XGS_POLICY_ABORT;
    lxe__caller_pages(&s->h->caller, stats.iteration + 1,
                      0, stats.dirty_count > 0 ? stats.dirty_count : 0);
    if (told_to_stop(s))
        return XGS_POLICY_ABORT;
    if (stats.iteration && LXE_FAULT(SAVE_AFTER_ROUND, &s->err))
        return XGS_POLICY_ABORT;
    return lxe__engine_precopy_default(stats);
}

/*----- stopped -----*/

/* Where the guest runs, @code and @why. */
static int check_suspended(struct save *s, int code, const char *why)
{
    struct lxe__domstate st;

    if (lxe__domstate_read(s->h->xch, s->h->domid, &st))
        return lxe__err_set(&s->err, errno, "save: domain %u: reading its"
                            " state: %s", s->h->domid, strerror(errno));
    return st.suspended ? 0 :
        lxe__err_set(&s->err, code, "save: domain %u: %s", s->h->domid,
                     why);
}

/*
 * libxl 4.17 also answers "suspended" when it gave up waiting for a guest
 * that does not answer.  Such a guest runs, and is not to be frozen.
 */
static int has_suspended(struct save *s)
{
    return check_suspended(s, EAGAIN, "the guest did not suspend in the"
                           " time that libxl gives it: it runs on; see"
                           " whether it hangs, and try again");
}

/* A report without its backends is no reason to fail. */
static void report_freeze(struct save *s,
                          const struct lxe__freeze_report *report)
{
    const struct lxe__backends *bs = lxe__freeze_backends(s->freeze);
    libxl_ext_operation_result *r = &s->h->caller.result;
    size_t i;

    if (!lxe__caller_there(&s->h->caller))
        return;
    lxe__to_freeze_report(&r->freeze, report);
    r->backends = calloc(bs->nr ? bs->nr : 1, sizeof(*r->backends));
    for (i = 0; r->backends && i < bs->nr; i++) {
        libxl_ext_backend_init(&r->backends[i]);
        r->num_backends = i + 1;
        lxe__to_frozen_backend(&r->backends[i], &bs->list[i], NULL);
    }
}

/* As xenguest.h has it: 0 failed, anything else: suspended. */
static int cb_suspend(void *data)
{
    struct save *s = data;
    struct lxe__helper *h = s->h;
    struct lxe__freeze_report report;
    int reply;

    if (leave_relay(s) || LXE_FAULT(SAVE_BEFORE_SUSPEND, &s->err))
        return 0;
    lxe__caller_phase(&h->caller, LIBXL_EXT_PHASE_SUSPEND);
    lxe__freeze_suspending(s->freeze);
    if (lxe__proto_call(&h->proto, LXE_PROTO_SUSPEND, &reply)) {
        lxe__err_set(&s->err, errno, "save: domain %u: asking libxl to"
                     " suspend it: %s: libxl has gone away", h->domid,
                     strerror(errno));
        return 0;
    }
    lxe__freeze_answered(s->freeze);
    if (!reply) {
        lxe__err_set(&s->err, ECANCELED, "save: domain %u: libxl could not"
                     " suspend it and has said why", h->domid);
        return 0;
    }
    if (has_suspended(s))
        return 0;
    lxe__caller_phase(&h->caller, LIBXL_EXT_PHASE_FREEZE);
    memset(&report, 0, sizeof(report));
    if (LXE_FAULT(SAVE_AFTER_SUSPEND, &s->err) ||
        LXE_FAULT(SAVE_BEFORE_FREEZE, &s->err) ||
        lxe__freeze_run(s->freeze, s->a->flags & XCFLAGS_LIVE,
                        &stop_requested, &report, &s->err) ||
        LXE_FAULT(SAVE_AFTER_FREEZE, &s->err) ||
        LXE_FAULT(SAVE_BEFORE_RECHECK, &s->err) ||
        hold_limit(s) ||
        LXE_FAULT(SAVE_AFTER_RECHECK, &s->err))
        return 0;
    report_freeze(s, &report);
    lxe__page_state_stopped(s->page_state);
    lxe__caller_phase(&h->caller, LIBXL_EXT_PHASE_LAST_PASS);
    return reply;
}

static int cb_switch_qemu_logdirty(uint32_t domid, unsigned enable,
                                   void *data)
{
    struct save *s = data;
    int reply;

    if (lxe__proto_switch_qemu_logdirty(&s->h->proto, domid, enable,
                                        &reply))
        return -1;
    return reply;
}

/*----- finished -----*/

/*
 * Between its suspend and here the guest must not have run: the image
 * would hold pages of two moments.  A second xl that fails to save the
 * same guest lets it run again, for one.
 */
static int still_suspended(struct save *s)
{
    return check_suspended(s, EBUSY, "somebody let it run again while its"
                           " last pages were written: the image is of no"
                           " use and the guest runs on; save it again");
}

static int finished(struct save *s)
{
    /*
     * Without libxl nobody writes what comes after the pages, so there
     * will be no image: the guest must run on here.
     */
    if (lxe__proto_gone(&s->h->proto))
        return lxe__err_set(&s->err, EPIPE, "save: domain %u: the pages"
                            " are written, but libxl has gone away: the"
                            " image is not complete", s->h->domid);
    if (LXE_FAULT(SAVE_AFTER_LAST_PASS, &s->err) || still_suspended(s) ||
        LXE_FAULT(SAVE_BEFORE_COMPLETE, &s->err))
        return -1;
    /* Who asked for that will not use the image: nothing is committed. */
    if (told_to_stop(s))
        return -1;
    if (s->h->caller.commits ? lxe__freeze_whole(s->freeze, &s->err)
                             : lxe__freeze_commit(s->freeze, &s->err))
        return -1;
    if (LXE_FAULT(SAVE_AFTER_COMMIT, &s->err))
        return -1;
    LXE_INFO(&s->h->proto.logger, "save: domain %u: max_pages %"PRIu64","
             " tot_pages %"PRIu64" sent (%s record); stock libxl would set"
             " %"PRIu64"%s", s->h->domid, s->limits.max_pages,
             s->limits.tot_pages, s->mandatory ? "mandatory" : "optional",
             s->limits.stock_max_kb / 4,
             s->mandatory ? ": only a host with libxl-ext can restore it"
                          : "");
    return 0;
}

static void on_progress(void *data, uint64_t done, uint64_t total)
{
    struct save *s = data;

    lxe__freeze_listen(s->freeze);
    lxe__caller_pages(&s->h->caller, s->h->caller.progress.round, done,
                      total);
}

int lxe__helper_save(struct lxe__helper *h, const struct lxe__save_args *a)
{
    struct save s = { .h = h, .a = a };
    struct save_callbacks cb = {
        .suspend = cb_suspend,
        .precopy_policy = cb_precopy_policy,
        .switch_qemu_logdirty = cb_switch_qemu_logdirty,
        .data = &s,
    };
    struct lxe__err thaw_err;
    int rc, saved;

    lxe__err_init(&s.err);
    lxe__err_init(&thaw_err);
    rc = -1;
    if (judge(&s) || prepare(&s))
        goto out;
    if (!lxe__proto_wants(&h->proto, LXE_PROTO_SUSPEND)) {
        lxe__err_set(&s.err, EINVAL, "save: domain %u: CBFLAGS 0x%x has no"
                     " suspend callback (bit %d)", h->domid,
                     h->proto.cbflags, LXE_PROTO_SUSPEND);
        goto out;
    }
    h->proto.on_progress = on_progress;
    h->proto.on_progress_data = &s;
    lxe__caller_phase(&h->caller, a->flags & XCFLAGS_LIVE ?
                      LIBXL_EXT_PHASE_PRECOPY : LIBXL_EXT_PHASE_SUSPEND);
    rc = lxe__engine_save(h->xch, a->fd, h->domid, a->flags, &cb,
                          a->stream_type, a->recv_fd);
    if (!rc) {
        lxe__page_state_report(s.page_state);
        rc = finished(&s);
        goto out;
    }
    saved = errno;
    /* What the link, the relay or we in its place met is the cause. */
    lxe__link_end(s.link, &s.err);
    s.link = NULL;
    if (s.page_state && lxe__page_state_error(s.page_state)->code)
        lxe__err_set(&s.err, lxe__page_state_error(s.page_state)->code,
                     "%s", lxe__page_state_error(s.page_state)->msg);
    lxe__relay_dispose(s.relay, &s.err);
    s.relay = NULL;
    lxe__err_set(&s.err, saved, "save: domain %u: libxenguest: %s",
                 h->domid, stop_requested ? "stopped by SIGTERM"
                                          : strerror(saved));

 out:
    lxe__page_state_attach(NULL);
    lxe__page_state_free(s.page_state);
    lxe__caller_phase(&h->caller, rc ? LIBXL_EXT_PHASE_THAW
                                     : LIBXL_EXT_PHASE_EMULATOR);
    if (rc && s.freeze &&
        lxe__freeze_thaw(s.freeze, &stop_requested, &thaw_err))
        LXE_ERROR(&h->proto.logger, "%s", thaw_err.msg);
    lxe__relay_dispose(s.relay, NULL);
    lxe__link_end(s.link, NULL);
    if (rc)
        LXE_ERROR(&h->proto.logger, "%s", s.err.msg);
    lxe__caller_end(&h->caller, rc ? &s.err : NULL);
    saved = s.err.code;
    lxe__freeze_free(s.freeze);
    errno = saved;
    return rc ? -1 : 0;
}
