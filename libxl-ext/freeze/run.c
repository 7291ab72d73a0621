/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The sequence while the guest stands still: every backend (act.c), then
 * mark -> peek, then what is said of it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "freeze/run.h"

/* The time since the last lap was spent on @what. */
void lxe__run_lap(struct lxe__run *run, const char *what)
{
    double now = lxe__now_ms();
    int r;

    r = snprintf(run->laps + run->laps_len,
                 sizeof(run->laps) - run->laps_len, " %s %.1f", what,
                 now - run->lap);
    if (r > 0 && (size_t)r < sizeof(run->laps) - run->laps_len)
        run->laps_len += r;
    run->lap = now;
}

/* The pages that QEMU's frame buffer and keyboard share with the guest. */
static int add_fb_page(struct lxe__run *run, const struct lxe__backend *b,
                       struct lxe__err *err)
{
    struct lxe__frame frame = { .reserved = true };
    char *v = lxe__xs_node(run->f->xsh, b->fe_path, "page-ref");
    char *end;
    int rc = 0;

    if (v && v[0] >= '0' && v[0] <= '9') {
        frame.frame = strtoull(v, &end, 10);
        if (!*end)
            rc = lxe__frames_add(&run->frames, &frame, err);
    }
    free(v);
    return rc;
}

static int collect(struct lxe__run *run, struct lxe__err *err)
{
    struct lxe__backends *bs = &run->f->view.bs;
    size_t i;

    if (lxe__gtable_collect(&run->f->view.gmap.t, &run->grants, err))
        return -1;
    run->frames.nr = 0;
    for (i = 0; i < run->grants.nr; i++) {
        const struct lxe__grant *g = &run->grants.list[i];
        struct lxe__frame frame = {
            .frame = g->frame, .ref = g->ref, .domid = g->domid,
            .has_ref = true, .reserved = g->ref < LXE_GRANT_RESERVED,
        };

        if (lxe__frames_add(&run->frames, &frame, err))
            return -1;
    }
    for (i = 0; i < bs->nr; i++)
        if (bs->list[i].kind == LXE_BK_FB && bs->list[i].connected &&
            add_fb_page(run, &bs->list[i], err))
            return -1;
    lxe__frames_sort(&run->frames);
    return 0;
}

static int mark_all(struct lxe__run *run, uint64_t dirty_before,
                    struct lxe__err *err)
{
    struct lxe__freeze *f = run->f;
    struct lxe__marker m = {
        .xch = f->xch, .fmem = f->view.fmem, .domid = f->domid,
        .own_domid = f->view.bs.own_domid, .hvm = f->hvm,
        .max_pfn = f->peek.pages - 1,
    };
    uint64_t dirty;
    size_t missing, i;

    if (collect(run, err) || LXE_FAULT(FREEZE_BEFORE_MARK, err) ||
        lxe__frames_resolve(&m, &run->frames, err) ||
        lxe__mark(&m, &run->frames, err))
        return -1;
    lxe__run_lap(run, "mark");
    if (lxe__mark_by_grant(&m, &run->frames, false, err))
        return -1;
    lxe__run_lap(run, "top");
    if (lxe__peek_check(&f->peek, &run->frames, &dirty, &missing, err))
        return -1;
    if (missing) {
        LXE_DBG(f->lg, "freeze: %zu of %zu frames are marked by their"
                " grants", missing, run->frames.nr);
        if (lxe__mark_by_grant(&m, &run->frames, true, err) ||
            lxe__peek_check(&f->peek, &run->frames, &dirty, &missing, err))
            return -1;
        lxe__run_lap(run, "grants");
    }
    lxe__run_lap(run, "check");
    run->report->frames_marked = run->frames.nr - missing;
    run->report->frames_lost_by_stock =
        dirty > dirty_before ? dirty - dirty_before : 0;
    for (i = 0; i < run->frames.nr; i++) {
        const struct lxe__frame *fr = &run->frames.list[i];

        if (fr->marked)
            continue;
        LXE_DBG(f->lg, "freeze: frame 0x%llx (pfn 0x%llx, grant %u) is"
                " not in the dirty bitmap", (unsigned long long)fr->frame,
                (unsigned long long)fr->pfn, fr->ref);
        if (!fr->reserved)
            return lxe__err_set(err, EIO, "freeze: frame 0x%llx of domain"
                                " %u is in use by domain %u through grant"
                                " %u and could not be marked dirty",
                                (unsigned long long)fr->frame, f->domid,
                                fr->domid, fr->ref);
    }
    return LXE_FAULT(FREEZE_AFTER_MARK, err);
}

static void log_report(const struct lxe__run *run, bool logdirty)
{
    const struct lxe__backends *bs = &run->f->view.bs;
    const struct lxe__freeze_report *r = run->report;
    char line[768];
    size_t i, len = 0;

    for (i = 0; i < bs->nr && len < sizeof(line) - 80; i++)
        if (bs->list[i].done != LXE_ACT_NOTHING &&
            bs->list[i].done != LXE_ACT_MARK)
            len += snprintf(line + len, sizeof(line) - len, "%s%s %s",
                            len ? ", " : "", bs->list[i].name,
                            lxe__act_name(bs->list[i].done));
    if (!len)
        len = snprintf(line, sizeof(line), "no backend");
    if (i < bs->nr)
        len += snprintf(line + len, sizeof(line) - len, ", ...");
    if (logdirty)
        snprintf(line + len, sizeof(line) - len, "; %llu frames at risk,"
                 " %llu marked, %llu would have been lost",
                 (unsigned long long)r->frames_at_risk,
                 (unsigned long long)r->frames_marked,
                 (unsigned long long)r->frames_lost_by_stock);
    LXE_INFO(run->f->lg, "freeze: domain %u: %s, %.1f ms", run->f->domid,
             line, r->ms);
}

static void count_report(struct lxe__run *run)
{
    const struct lxe__backends *bs = &run->f->view.bs;
    struct lxe__freeze_report *r = run->report;
    size_t i;

    r->backends = r->proved = r->detached = r->unfrozen = 0;
    for (i = 0; i < bs->nr; i++)
        switch (bs->list[i].done) {
        case LXE_ACT_PROVE:
        case LXE_ACT_LINK:
            r->proved++;
            r->backends++;
            break;
        case LXE_ACT_DETACH:
            r->detached++;
            r->backends++;
            break;
        case LXE_ACT_UNFREEZABLE:
            r->unfrozen++;
            break;
        case LXE_ACT_NOTHING:
        case LXE_ACT_MARK:
            break;
        }
}

static int run_steps(struct lxe__run *run, bool logdirty,
                     struct lxe__err *err)
{
    struct lxe__freeze *f = run->f;
    uint64_t dirty = 0;
    bool remade;
    size_t i;

    /* A device may have come or gone since the plan. */
    if (lxe__view_refresh(&f->view, &remade, err))
        return -1;
    lxe__run_lap(run, remade ? "remade" : "view");
    if (logdirty) {
        if (lxe__peek_count(&f->peek, &dirty, err) || collect(run, err))
            return -1;
        run->report->frames_at_risk = run->frames.nr;
    }
    lxe__run_lap(run, "look");
    if (LXE_FAULT(FREEZE_BEFORE_PROVE, err))
        return -1;
    for (i = 0; i < f->view.bs.nr; i++) {
        if (lxe__freeze_one(run, &f->view.bs.list[i], &f->view.items[i],
                       err))
            return -1;
        if (f->view.bs.list[i].done != LXE_ACT_MARK)
            lxe__run_lap(run, f->view.bs.list[i].name);
    }
    if (LXE_FAULT(FREEZE_AFTER_PROVE, err))
        return -1;
    return logdirty ? mark_all(run, dirty, err) : 0;
}

int lxe__freeze_run(struct lxe__freeze *f, bool logdirty,
                    const volatile sig_atomic_t *stop,
                    struct lxe__freeze_report *report,
                    struct lxe__err *err)
{
    struct lxe__run run = { .f = f, .stop = stop, .report = report };
    struct lxe__err mine;
    int rc;

    memset(report, 0, sizeof(*report));
    if (f->policy.freeze == LXE_FREEZE_OFF)
        return 0;
    lxe__err_init(&mine);
    run.start = run.lap = lxe__now_ms();
    run.deadline = run.start + f->policy.freeze_timeout;
    if (!f->peek_open && lxe__freeze_arm(f, stop, &mine))
        rc = -1;
    else
        rc = run_steps(&run, logdirty, &mine);
    lxe__grants_dispose(&run.grants);
    lxe__frames_dispose(&run.frames);
    lxe__run_lap(&run, "end");
    LXE_DBG(f->lg, "freeze: domain %u: ms:%s", f->domid, run.laps);
    report->ms = lxe__now_ms() - run.start;
    if (!rc)
        count_report(&run);
    if (rc && f->policy.freeze == LXE_FREEZE_TRY && mine.code != EINTR) {
        LXE_WARN(f->lg, "%s; going on because of freeze = try", mine.msg);
        rc = 0;
    }
    if (rc)
        return lxe__err_set(err, mine.code, "%s", mine.msg);
    log_report(&run, logdirty);
    return 0;
}
