/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The guardian's states; see decide.h.  Pure code.
 */
#include "freeze/guard.h"
#include "guardian/decide.h"

void guard_take(struct guard_state *s, int order)
{
    switch (order) {
    case LXE_GUARD_SUSPENDING:
        s->asked = s->ours = true;
        break;
    case LXE_GUARD_ANSWERED:
        s->asked = false;
        break;
    case LXE_GUARD_COMMIT:
        s->ours = s->asked = false;
        s->phase = GUARD_COMMITTED;
        break;
    case LXE_GUARD_WHOLE:
        s->phase = GUARD_WHOLE;
        break;
    case LXE_GUARD_HOLD:
        s->phase = GUARD_HELD;
        break;
    case LXE_GUARD_DONE:
        s->phase = GUARD_LEFT;
        break;
    default:
        s->phase = GUARD_THAWING;
    }
}

void guard_take_up(struct guard_state *s, const struct lxe__journal *j)
{
    s->ours = j->ours;
    s->asked = j->asked;
    if (j->whole)
        guard_take(s, LXE_GUARD_WHOLE);
    if (j->committed)
        guard_take(s, LXE_GUARD_COMMIT);
    if (j->held)
        guard_take(s, LXE_GUARD_HOLD);
}

/*
 * The save is over.  Once the guest runs, who suspends it next is another
 * save; one that was only asked to suspend runs until it does.
 */
static void look(struct guard_state *s, const struct guard_view *v)
{
    if (v->suspended)
        s->asked = false;
    else if (!s->asked)
        s->ours = false;
}

static enum guard_act decide_left(struct guard_state *s,
                                  const struct guard_view *v)
{
    look(s, v);
    if (!s->left_ms)
        s->left_ms = v->now_ms;
    if (v->toolstack_gone && !s->gone_ms)
        s->gone_ms = v->now_ms;
    if (!s->ours)
        return GUARD_END;
    if (!v->suspended)
        return v->now_ms - s->left_ms < GUARD_LINGER_MS ? GUARD_WAIT
                                                        : GUARD_END;
    if (!s->still_ms)
        s->still_ms = v->now_ms;
    if (v->toolstack_gone)
        return v->now_ms - s->gone_ms < GUARD_ORPHAN_MS ? GUARD_WAIT
                                                        : GUARD_RESUME;
    return v->now_ms - s->still_ms < GUARD_LEFT_MS ? GUARD_WAIT
                                                   : GUARD_RESUME;
}

static enum guard_act decide(struct guard_state *s,
                             const struct guard_view *v)
{
    bool resume;

    if (!v->there)
        return GUARD_END;
    if (v->dying)
        return GUARD_WAIT;
    switch (s->phase) {
    case GUARD_WAITING:
        return GUARD_WAIT;
    case GUARD_WHOLE:
        look(s, v);
        if (v->committed)
            guard_take(s, LXE_GUARD_COMMIT);
        else if (!v->suspended || v->toolstack_gone)
            s->phase = GUARD_THAWING;
        return s->phase == GUARD_THAWING ? GUARD_THAW : GUARD_WAIT;
    case GUARD_COMMITTED:
        if (v->suspended)
            return GUARD_WAIT;
        s->phase = GUARD_THAWING;
        return GUARD_THAW;
    case GUARD_HELD:
        if ((v->suspended || v->paused) && !v->thaw_asked)
            return GUARD_WAIT;
        s->phase = GUARD_THAWING;
        return GUARD_THAW;
    case GUARD_THAWING:
        /* Between two tries: where it cannot be, the next has its turn. */
        resume = decide_left(s, v) == GUARD_RESUME && s->tried;
        s->tried = false;
        return resume ? GUARD_RESUME : GUARD_THAW;
    case GUARD_LEFT:
        return decide_left(s, v);
    }
    return GUARD_END;
}

bool guard_late(struct guard_state *s, double now_ms, double ms)
{
    if (!s->told_ms)
        s->told_ms = now_ms;
    return now_ms - s->told_ms >= ms;
}

enum guard_act guard_decide(struct guard_state *s,
                            const struct guard_view *v)
{
    enum guard_act act = decide(s, v);
    double ms = GUARD_TOLD_MS;

    if (!v->told || act == GUARD_END)
        return act;
    /* The helper is there, or the toolstack: neither is left alone. */
    if (act == GUARD_WAIT &&
        (s->phase == GUARD_WAITING || v->toolstack_lives)) {
        s->told_ms = 0;
        return act;
    }
    if (act == GUARD_WAIT && (v->dying || s->phase == GUARD_COMMITTED ||
                              s->phase == GUARD_HELD))
        ms = GUARD_STILL_MS;
    return guard_late(s, v->now_ms, ms) ? GUARD_LEAVE : act;
}

void guard_thawed(struct guard_state *s)
{
    s->phase = GUARD_LEFT;
    s->left_ms = s->still_ms = s->gone_ms = 0;
}

void guard_thaw_failed(struct guard_state *s)
{
    s->tried = true;
}

void guard_resumed(struct guard_state *s)
{
    s->ours = s->asked = false;
}
