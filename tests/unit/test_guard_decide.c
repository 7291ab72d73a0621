/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What the guardian does next (guardian/decide.c).
 */
#include <stdio.h>

#include "freeze/guard.h"
#include "guardian/decide.h"
#include "unit.h"

/* A suspended domain whose toolstack lives. */
static const struct guard_view suspended = {
    .now_ms = 1000, .there = true, .suspended = true,
};

static struct guard_state after(int order)
{
    struct guard_state s = { .phase = GUARD_WAITING };

    guard_take(&s, order);
    return s;
}

/* Suspended for a save, whose helper is killed. */
static struct guard_state left_by_thaw(void)
{
    struct guard_state s = after(LXE_GUARD_SUSPENDING);

    guard_take(&s, LXE_GUARD_ANSWERED);
    guard_take(&s, GUARD_END_OF_STREAM);
    guard_thawed(&s);
    return s;
}

static enum guard_act decide_at(struct guard_state *s,
                                struct guard_view v, double ms)
{
    v.now_ms = 1000 + ms;
    return guard_decide(s, &v);
}

static void waits_while_a_save_is_under_way(void)
{
    struct guard_state s = { .phase = GUARD_WAITING };
    struct guard_view v = suspended;

    CU_ASSERT_EQUAL(guard_decide(&s, &v), GUARD_WAIT);
    v.suspended = false;
    CU_ASSERT_EQUAL(guard_decide(&s, &v), GUARD_WAIT);
    /* Not its part while the helper lives: that fails by itself. */
    v = suspended;
    v.toolstack_gone = true;
    CU_ASSERT_EQUAL(decide_at(&s, v, 1e9), GUARD_WAIT);
}

static void ends_with_the_domain_in_every_phase(void)
{
    static const enum guard_phase all[] = {
        GUARD_WAITING, GUARD_COMMITTED, GUARD_WHOLE, GUARD_HELD, GUARD_THAWING,
        GUARD_LEFT,
    };
    struct guard_view gone = suspended, dying = suspended;
    size_t i;

    gone.there = false;
    dying.dying = true;
    for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        struct guard_state s = { .phase = all[i] };

        CU_ASSERT_EQUAL(guard_decide(&s, &dying), GUARD_WAIT);
        CU_ASSERT_EQUAL(guard_decide(&s, &gone), GUARD_END);
    }
}

static void thaws_a_suspended_domain_without_a_commit(void)
{
    struct guard_state s = after(LXE_GUARD_SUSPENDING);

    guard_take(&s, GUARD_END_OF_STREAM);

    CU_ASSERT_EQUAL(guard_decide(&s, &suspended), GUARD_THAW);
    /* Until it has worked. */
    CU_ASSERT_EQUAL(guard_decide(&s, &suspended), GUARD_THAW);
    guard_thawed(&s);
    CU_ASSERT_EQUAL(guard_decide(&s, &suspended), GUARD_WAIT);
}

/* A device that hangs keeps no guest from running; it is tried again. */
static void resumes_although_a_thaw_hangs(void)
{
    struct guard_state s = after(LXE_GUARD_SUSPENDING);
    struct guard_view v = suspended;

    guard_take(&s, LXE_GUARD_ANSWERED);
    guard_take(&s, GUARD_END_OF_STREAM);
    v.toolstack_gone = true;
    CU_ASSERT_EQUAL(decide_at(&s, v, 0), GUARD_THAW);
    guard_thaw_failed(&s);
    CU_ASSERT_EQUAL(decide_at(&s, v, 2000), GUARD_THAW);
    guard_thaw_failed(&s);
    CU_ASSERT_EQUAL(decide_at(&s, v, 20000), GUARD_RESUME);
    /* Where that fails, the devices have their turn before the next. */
    CU_ASSERT_EQUAL(decide_at(&s, v, 20500), GUARD_THAW);
    guard_thaw_failed(&s);
    CU_ASSERT_EQUAL(decide_at(&s, v, 30000), GUARD_RESUME);
    guard_resumed(&s);
    v.suspended = false;
    CU_ASSERT_EQUAL(decide_at(&s, v, 30500), GUARD_THAW);
    guard_thaw_failed(&s);
    CU_ASSERT_EQUAL(decide_at(&s, v, 40000), GUARD_THAW);
    guard_thawed(&s);
    CU_ASSERT_EQUAL(decide_at(&s, v, 50000), GUARD_END);
}

static void a_thaw_that_hangs_is_no_leave_behind_a_commit(void)
{
    struct guard_state s = after(LXE_GUARD_COMMIT);
    struct guard_view v = suspended;

    v.toolstack_gone = true;
    v.suspended = false;
    CU_ASSERT_EQUAL(decide_at(&s, v, 0), GUARD_THAW);
    guard_thaw_failed(&s);
    v.suspended = true;
    CU_ASSERT_EQUAL(decide_at(&s, v, 1e6), GUARD_THAW);
    guard_thaw_failed(&s);
    CU_ASSERT_EQUAL(decide_at(&s, v, 2e6), GUARD_THAW);
}

static void after_a_commit_only_a_running_domain_is_thawed(void)
{
    struct guard_state s = after(LXE_GUARD_COMMIT);
    struct guard_view v = suspended;

    v.toolstack_gone = true;
    CU_ASSERT_EQUAL(decide_at(&s, v, 0), GUARD_WAIT);
    CU_ASSERT_EQUAL(decide_at(&s, v, 1e9), GUARD_WAIT);
    v.suspended = false;
    CU_ASSERT_EQUAL(decide_at(&s, v, 1e9), GUARD_THAW);
    guard_thawed(&s);
    CU_ASSERT_EQUAL(decide_at(&s, v, 1e9), GUARD_END);
}

static struct guard_state whole(void)
{
    struct guard_state s = after(LXE_GUARD_SUSPENDING);

    guard_take(&s, LXE_GUARD_ANSWERED);
    guard_take(&s, LXE_GUARD_WHOLE);
    return s;
}

static void a_whole_image_is_its_toolstacks_until_it_commits(void)
{
    struct guard_state s = whole();
    struct guard_view v = suspended;

    CU_ASSERT_EQUAL(decide_at(&s, v, 0), GUARD_WAIT);
    CU_ASSERT_EQUAL(decide_at(&s, v, 1e9), GUARD_WAIT);
    /* It died before its word: no copy may run. */
    v.toolstack_gone = true;
    CU_ASSERT_EQUAL(decide_at(&s, v, 1e9), GUARD_THAW);
    guard_thawed(&s);
    CU_ASSERT_EQUAL(decide_at(&s, v, 1e9), GUARD_WAIT);
    CU_ASSERT_EQUAL(decide_at(&s, v, 1e9 + GUARD_ORPHAN_MS),
                    GUARD_RESUME);
    /* After it: one may. */
    s = whole();
    v.committed = true;
    CU_ASSERT_EQUAL(decide_at(&s, v, 0), GUARD_WAIT);
    CU_ASSERT_EQUAL(decide_at(&s, v, 1e9), GUARD_WAIT);
    v.suspended = false;
    CU_ASSERT_EQUAL(decide_at(&s, v, 1e9), GUARD_THAW);
    /* A checkpoint: it lets the guest go on itself. */
    s = whole();
    v.committed = v.toolstack_gone = false;
    CU_ASSERT_EQUAL(decide_at(&s, v, 0), GUARD_THAW);
}

/* What was not suspended for this save is nobody's business here. */
static void leaves_what_it_did_not_suspend(void)
{
    struct guard_state s = after(LXE_GUARD_DONE);
    struct guard_view v = suspended;

    CU_ASSERT_EQUAL(decide_at(&s, v, 0), GUARD_END);
    s = after(LXE_GUARD_DONE);
    v.toolstack_gone = true;
    CU_ASSERT_EQUAL(decide_at(&s, v, 0), GUARD_END);
    v.suspended = false;
    CU_ASSERT_EQUAL(decide_at(&s, v, 0), GUARD_END);
}

/* libvirt 9.0, where a migration fails after the suspend. */
static void resumes_what_a_living_toolstack_forgets(void)
{
    static const int ends[] = { LXE_GUARD_DONE, GUARD_END_OF_STREAM };
    struct guard_view v = suspended;
    size_t i;

    for (i = 0; i < 2; i++) {
        struct guard_state s = after(LXE_GUARD_SUSPENDING);

        guard_take(&s, LXE_GUARD_ANSWERED);
        guard_take(&s, ends[i]);
        if (i)
            guard_thawed(&s);
        CU_ASSERT_EQUAL(decide_at(&s, v, 1), GUARD_WAIT);
        CU_ASSERT_EQUAL(decide_at(&s, v, GUARD_LEFT_MS), GUARD_WAIT);
        CU_ASSERT_EQUAL(decide_at(&s, v, GUARD_LEFT_MS + 1),
                        GUARD_RESUME);
        v.suspended = false;
        CU_ASSERT_EQUAL(decide_at(&s, v, GUARD_LEFT_MS + 2), GUARD_END);
        v.suspended = true;
    }
}

/* A thaw may take long: xl resumes the guest and saves it once more. */
static void does_not_resume_what_another_save_suspended(void)
{
    struct guard_state s = after(LXE_GUARD_SUSPENDING);
    struct guard_view v = suspended;

    guard_take(&s, LXE_GUARD_ANSWERED);
    guard_take(&s, GUARD_END_OF_STREAM);
    v.suspended = false;
    CU_ASSERT_EQUAL(decide_at(&s, v, 1), GUARD_THAW);
    guard_thawed(&s);
    v.suspended = true;
    CU_ASSERT_EQUAL(decide_at(&s, v, 2), GUARD_END);
    CU_ASSERT_EQUAL(decide_at(&s, v, 2 + GUARD_LEFT_MS), GUARD_END);
    /* Not even where the first one's toolstack has ended since. */
    v.toolstack_gone = true;
    CU_ASSERT_EQUAL(decide_at(&s, v, 1e9), GUARD_END);
    v.toolstack_gone = false;
    /* Nor after the library's commit, which stands in the journal. */
    s = after(LXE_GUARD_SUSPENDING);
    guard_take(&s, LXE_GUARD_WHOLE);
    v.committed = true;
    CU_ASSERT_EQUAL(decide_at(&s, v, 1), GUARD_WAIT);
    v.suspended = false;
    CU_ASSERT_EQUAL(decide_at(&s, v, 2), GUARD_THAW);
    guard_thawed(&s);
    v.suspended = true;
    CU_ASSERT_EQUAL(decide_at(&s, v, 3), GUARD_END);
    CU_ASSERT_EQUAL(decide_at(&s, v, 3 + GUARD_LEFT_MS), GUARD_END);
}

/* A copy may run; that the original does not is as it should be. */
static void never_resumes_behind_a_commit(void)
{
    struct guard_state s = after(LXE_GUARD_SUSPENDING);

    guard_take(&s, LXE_GUARD_ANSWERED);
    guard_take(&s, LXE_GUARD_COMMIT);
    CU_ASSERT_EQUAL(decide_at(&s, suspended, 1e9), GUARD_WAIT);
    CU_ASSERT_FALSE(s.ours);
}

static void resumes_what_a_dead_toolstack_left_suspended(void)
{
    struct guard_state s = left_by_thaw();
    struct guard_view v = suspended;

    v.toolstack_gone = true;
    CU_ASSERT_EQUAL(decide_at(&s, v, 0), GUARD_WAIT);
    CU_ASSERT_EQUAL(decide_at(&s, v, GUARD_ORPHAN_MS - 1), GUARD_WAIT);
    CU_ASSERT_EQUAL(decide_at(&s, v, GUARD_ORPHAN_MS), GUARD_RESUME);
    /* Until it has worked. */
    CU_ASSERT_EQUAL(decide_at(&s, v, GUARD_ORPHAN_MS + 1), GUARD_RESUME);
    guard_resumed(&s);
    v.suspended = false;
    CU_ASSERT_EQUAL(decide_at(&s, v, GUARD_ORPHAN_MS + 2), GUARD_END);
}

/* Its last act may have been to let the guest run. */
static void a_guest_that_runs_by_itself_is_not_touched(void)
{
    struct guard_state s = left_by_thaw();
    struct guard_view v = suspended;

    v.toolstack_gone = true;
    CU_ASSERT_EQUAL(decide_at(&s, v, 0), GUARD_WAIT);
    v.suspended = false;
    CU_ASSERT_EQUAL(decide_at(&s, v, GUARD_ORPHAN_MS), GUARD_END);
}

static void waits_for_a_suspend_that_was_asked_for(void)
{
    struct guard_state s = after(LXE_GUARD_SUSPENDING);
    struct guard_view v = suspended;

    v.toolstack_gone = true;
    v.suspended = false;
    guard_take(&s, LXE_GUARD_DONE);
    CU_ASSERT_EQUAL(decide_at(&s, v, 0), GUARD_WAIT);
    CU_ASSERT_EQUAL(decide_at(&s, v, GUARD_LINGER_MS - 1), GUARD_WAIT);
    v.suspended = true;
    CU_ASSERT_EQUAL(decide_at(&s, v, GUARD_LINGER_MS - 1), GUARD_RESUME);
    v.suspended = false;
    CU_ASSERT_EQUAL(decide_at(&s, v, GUARD_LINGER_MS), GUARD_END);
    /* With an answer to it there is nothing to wait for. */
    s = after(LXE_GUARD_SUSPENDING);
    guard_take(&s, LXE_GUARD_ANSWERED);
    guard_take(&s, LXE_GUARD_DONE);
    CU_ASSERT_EQUAL(decide_at(&s, v, 0), GUARD_END);
}

/*
 * libxl whose helper is killed while it waits for the guest to suspend
 * does not wait on, and the guest suspends all the same.
 */
static void waits_for_it_where_the_toolstack_lives(void)
{
    struct guard_state s = after(LXE_GUARD_SUSPENDING);
    struct guard_view v = suspended;

    guard_take(&s, GUARD_END_OF_STREAM);
    v.suspended = false;
    CU_ASSERT_EQUAL(decide_at(&s, v, 0), GUARD_THAW);
    guard_thawed(&s);
    CU_ASSERT_EQUAL(decide_at(&s, v, 1), GUARD_WAIT);
    v.suspended = true;
    CU_ASSERT_EQUAL(decide_at(&s, v, 5000), GUARD_WAIT);
    CU_ASSERT_EQUAL(decide_at(&s, v, 4999 + GUARD_LEFT_MS), GUARD_WAIT);
    CU_ASSERT_EQUAL(decide_at(&s, v, 5000 + GUARD_LEFT_MS), GUARD_RESUME);
    /* It was let run: what suspends it then is another save. */
    v.suspended = false;
    CU_ASSERT_EQUAL(decide_at(&s, v, 5001 + GUARD_LEFT_MS), GUARD_END);
    /* Or it does not follow at all. */
    s = after(LXE_GUARD_SUSPENDING);
    guard_take(&s, GUARD_END_OF_STREAM);
    guard_thawed(&s);
    CU_ASSERT_EQUAL(decide_at(&s, v, 1), GUARD_WAIT);
    CU_ASSERT_EQUAL(decide_at(&s, v, GUARD_LINGER_MS), GUARD_WAIT);
    CU_ASSERT_EQUAL(decide_at(&s, v, 1 + GUARD_LINGER_MS), GUARD_END);
}

/*----- a second guardian -----*/

/*
 * The first was killed after all that the helper had to say; the second
 * has the journal and the end of the stream.
 */
static struct guard_state second(const char *words)
{
    struct guard_state s = { .phase = GUARD_WAITING };
    struct lxe__journal j;
    struct lxe__err err;
    char text[256];
    int n;

    n = snprintf(text, sizeof(text), "libxl-ext-freeze 1\ndomain 7"
                 " dead0001020300000000000000000000\n%s", words);
    lxe__err_init(&err);
    CU_ASSERT_EQUAL_FATAL(lxe__journal_parse(&j, text, n, &err), 0);
    guard_take_up(&s, &j);
    if (s.phase == GUARD_WAITING)
        guard_take(&s, GUARD_END_OF_STREAM);
    lxe__journal_dispose(&j);
    return s;
}

static void a_second_one_resumes_what_is_forgotten(void)
{
    struct guard_state s = second("suspend\nanswered\n");
    struct guard_view v = suspended;

    CU_ASSERT_EQUAL(decide_at(&s, v, 0), GUARD_THAW);
    guard_thawed(&s);
    CU_ASSERT_EQUAL(decide_at(&s, v, 1), GUARD_WAIT);
    CU_ASSERT_EQUAL(decide_at(&s, v, GUARD_LEFT_MS), GUARD_WAIT);
    CU_ASSERT_EQUAL(decide_at(&s, v, 1 + GUARD_LEFT_MS), GUARD_RESUME);
    /* Killed after the first word: it may suspend yet. */
    s = second("suspend\n");
    v.suspended = false;
    CU_ASSERT_EQUAL(decide_at(&s, v, 0), GUARD_THAW);
    guard_thawed(&s);
    CU_ASSERT_EQUAL(decide_at(&s, v, 1), GUARD_WAIT);
    v.suspended = true;
    CU_ASSERT_EQUAL(decide_at(&s, v, 2), GUARD_WAIT);
    CU_ASSERT_EQUAL(decide_at(&s, v, 2 + GUARD_LEFT_MS), GUARD_RESUME);
    /* A whole image whose toolstack has died before its word. */
    s = second("suspend\nanswered\nwhole\n");
    v.toolstack_gone = true;
    CU_ASSERT_EQUAL(decide_at(&s, v, 0), GUARD_THAW);
    guard_thawed(&s);
    CU_ASSERT_EQUAL(decide_at(&s, v, 1), GUARD_WAIT);
    CU_ASSERT_EQUAL(decide_at(&s, v, 1 + GUARD_ORPHAN_MS), GUARD_RESUME);
}

static void a_second_one_resumes_nothing_else(void)
{
    static const char *const others[] = {
        "", "suspend\nanswered\nran\n", "suspend\nran\n",
    };
    struct guard_view v = suspended;
    struct guard_state s;
    size_t i;

    for (i = 0; i < 2 * sizeof(others) / sizeof(others[0]); i++) {
        v.toolstack_gone = i % 2;
        s = second(others[i / 2]);
        CU_ASSERT_EQUAL(decide_at(&s, v, 0), GUARD_THAW);
        guard_thawed(&s);
        CU_ASSERT_EQUAL(decide_at(&s, v, 1), GUARD_END);
        CU_ASSERT_EQUAL(decide_at(&s, v, 1e9), GUARD_END);
    }
    /* A copy may run, whether the toolstack or the helper said so. */
    for (i = 0; i < 4; i++) {
        v.toolstack_gone = i % 2;
        s = second(i / 2 ? "suspend\nanswered\ncommit\n" :
                   "suspend\nanswered\nwhole\ncommit\n");
        CU_ASSERT_EQUAL(decide_at(&s, v, 0), GUARD_WAIT);
        CU_ASSERT_EQUAL(decide_at(&s, v, 1e9), GUARD_WAIT);
        CU_ASSERT_FALSE(s.ours);
    }
}

/* By hand there is no toolstack, so nothing is known of one. */
static const struct guard_view held = {
    .now_ms = 1000, .there = true, .suspended = true,
};

static void what_is_held_stays_so_while_the_guest_stands_still(void)
{
    struct guard_state s = after(LXE_GUARD_HOLD);
    struct guard_view v = held;

    CU_ASSERT_EQUAL(decide_at(&s, v, 0), GUARD_WAIT);
    CU_ASSERT_EQUAL(decide_at(&s, v, 1e9), GUARD_WAIT);
    v.suspended = false;
    v.paused = true;
    CU_ASSERT_EQUAL(decide_at(&s, v, 1e9), GUARD_WAIT);
    v.paused = false;
    CU_ASSERT_EQUAL(decide_at(&s, v, 1e9), GUARD_THAW);
    /* Paused again: what was begun is ended. */
    v.paused = true;
    CU_ASSERT_EQUAL(decide_at(&s, v, 1e9), GUARD_THAW);
    guard_thawed(&s);
    CU_ASSERT_EQUAL(decide_at(&s, v, 1e9), GUARD_END);
}

static void what_is_held_is_thawed_when_asked_for(void)
{
    struct guard_state s = after(LXE_GUARD_HOLD);
    struct guard_view v = held;

    v.thaw_asked = true;
    CU_ASSERT_EQUAL(decide_at(&s, v, 0), GUARD_THAW);
    guard_thawed(&s);
    /* The guest was not theirs to resume. */
    CU_ASSERT_EQUAL(decide_at(&s, v, 1e9), GUARD_END);
}

/* A save is thawed by those who know of its image. */
static void a_save_is_not_thawed_by_asking(void)
{
    struct guard_state s = after(LXE_GUARD_COMMIT);
    struct guard_view v = suspended;

    v.thaw_asked = true;
    CU_ASSERT_EQUAL(decide_at(&s, v, 0), GUARD_WAIT);
    s.phase = GUARD_WAITING;
    CU_ASSERT_EQUAL(decide_at(&s, v, 0), GUARD_WAIT);
}

/* The image of a paused guest is not this one's. */
static void after_a_commit_paused_is_running(void)
{
    struct guard_state s = after(LXE_GUARD_COMMIT);
    struct guard_view v = suspended;

    v.suspended = false;
    v.paused = true;
    CU_ASSERT_EQUAL(decide_at(&s, v, 0), GUARD_THAW);
}

static void a_freeze_by_hand_that_dies_leaves_nothing(void)
{
    struct guard_state s = after(GUARD_END_OF_STREAM);
    struct guard_view v = held;

    CU_ASSERT_EQUAL(decide_at(&s, v, 0), GUARD_THAW);
    guard_thawed(&s);
    CU_ASSERT_EQUAL(decide_at(&s, v, 1e9), GUARD_END);
}

/*----- told to end -----*/

static struct guard_view told(struct guard_view v, bool gone)
{
    v.told = true;
    v.toolstack_gone = gone;
    v.toolstack_lives = !gone;
    return v;
}

/* xl has let the guest run with its last act, and systemd follows. */
static void told_to_end_it_thaws_first(void)
{
    struct guard_state s = after(LXE_GUARD_COMMIT);
    struct guard_view v = told(suspended, true);

    CU_ASSERT_EQUAL(decide_at(&s, v, 0), GUARD_WAIT);
    v.suspended = false;
    CU_ASSERT_EQUAL(decide_at(&s, v, 200), GUARD_THAW);
    guard_thawed(&s);
    CU_ASSERT_EQUAL(decide_at(&s, v, 201), GUARD_END);
}

static void told_to_end_it_gives_a_hanging_thaw_its_time(void)
{
    struct guard_state s = after(LXE_GUARD_COMMIT);
    struct guard_view v = told(suspended, true);

    v.suspended = false;
    CU_ASSERT_EQUAL(decide_at(&s, v, 0), GUARD_THAW);
    guard_thaw_failed(&s);
    CU_ASSERT_EQUAL(decide_at(&s, v, GUARD_TOLD_MS - 1), GUARD_THAW);
    guard_thaw_failed(&s);
    CU_ASSERT_EQUAL(decide_at(&s, v, GUARD_TOLD_MS), GUARD_LEAVE);
}

static void told_to_end_it_resumes_what_is_ours_first(void)
{
    struct guard_state s = left_by_thaw();
    struct guard_view v = told(suspended, true);

    CU_ASSERT_EQUAL(decide_at(&s, v, 0), GUARD_WAIT);
    CU_ASSERT_EQUAL(decide_at(&s, v, GUARD_ORPHAN_MS), GUARD_RESUME);
    /* Where libxl cannot, not for ever. */
    CU_ASSERT_EQUAL(decide_at(&s, v, GUARD_TOLD_MS - 1), GUARD_RESUME);
    CU_ASSERT_EQUAL(decide_at(&s, v, GUARD_TOLD_MS), GUARD_LEAVE);
    /* One that was only asked to suspend has its time, too. */
    s = after(LXE_GUARD_SUSPENDING);
    guard_take(&s, LXE_GUARD_DONE);
    v.suspended = false;
    CU_ASSERT_EQUAL(decide_at(&s, v, 0), GUARD_WAIT);
    CU_ASSERT_EQUAL(decide_at(&s, v, GUARD_LINGER_MS - 1), GUARD_WAIT);
    v.suspended = true;
    CU_ASSERT_EQUAL(decide_at(&s, v, GUARD_LINGER_MS + GUARD_ORPHAN_MS),
                    GUARD_RESUME);
}

static void told_to_end_it_waits_for_no_destroy(void)
{
    struct guard_state s = after(LXE_GUARD_COMMIT);
    struct guard_view v = told(suspended, true);

    CU_ASSERT_EQUAL(decide_at(&s, v, 0), GUARD_WAIT);
    CU_ASSERT_EQUAL(decide_at(&s, v, GUARD_STILL_MS - 1), GUARD_WAIT);
    CU_ASSERT_EQUAL(decide_at(&s, v, GUARD_STILL_MS), GUARD_LEAVE);
    s = after(LXE_GUARD_COMMIT);
    v.dying = true;
    CU_ASSERT_EQUAL(decide_at(&s, v, 0), GUARD_WAIT);
    CU_ASSERT_EQUAL(decide_at(&s, v, GUARD_STILL_MS), GUARD_LEAVE);
    v.there = false;
    CU_ASSERT_EQUAL(decide_at(&s, v, GUARD_STILL_MS), GUARD_END);
    /* By hand: what is held stays frozen. */
    s = after(LXE_GUARD_HOLD);
    v = held;
    v.told = true;
    CU_ASSERT_EQUAL(decide_at(&s, v, 0), GUARD_WAIT);
    CU_ASSERT_EQUAL(decide_at(&s, v, GUARD_STILL_MS), GUARD_LEAVE);
}

/* Its guest would be left alone, or acted upon behind its back. */
static void told_to_end_it_goes_on_beside_a_living_toolstack(void)
{
    static const int orders[] = { 0, LXE_GUARD_COMMIT, LXE_GUARD_WHOLE };
    struct guard_view v;
    struct guard_state s;
    size_t i;

    for (i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
        v = told(suspended, false);
        s = after(LXE_GUARD_SUSPENDING);
        guard_take(&s, LXE_GUARD_ANSWERED);
        if (orders[i])
            guard_take(&s, orders[i]);
        CU_ASSERT_EQUAL(decide_at(&s, v, 0), GUARD_WAIT);
        CU_ASSERT_EQUAL(decide_at(&s, v, 1e9), GUARD_WAIT);
        /* Its time begins when that has died. */
        v = told(suspended, true);
        if (!orders[i])
            guard_take(&s, GUARD_END_OF_STREAM);
        CU_ASSERT_EQUAL(decide_at(&s, v, 1e9), orders[i] ==
                        LXE_GUARD_COMMIT ? GUARD_WAIT : GUARD_THAW);
    }
    /* One that forgets its guest: the usual time, then as without it. */
    s = left_by_thaw();
    v = told(suspended, false);
    CU_ASSERT_EQUAL(decide_at(&s, v, 0), GUARD_WAIT);
    CU_ASSERT_EQUAL(decide_at(&s, v, GUARD_LEFT_MS - 1), GUARD_WAIT);
    CU_ASSERT_EQUAL(decide_at(&s, v, GUARD_LEFT_MS), GUARD_RESUME);
}

static void told_to_end_with_nothing_to_do_it_ends(void)
{
    struct guard_state s = after(LXE_GUARD_DONE);
    struct guard_view v = told(suspended, false);

    v.suspended = false;
    CU_ASSERT_EQUAL(decide_at(&s, v, 0), GUARD_END);
}

LXE_SUITE(guard_decide,
    { "told to end it thaws first", told_to_end_it_thaws_first },
    { "told to end it gives a hanging thaw its time",
      told_to_end_it_gives_a_hanging_thaw_its_time },
    { "told to end it resumes what is ours first",
      told_to_end_it_resumes_what_is_ours_first },
    { "told to end it waits for no destroy",
      told_to_end_it_waits_for_no_destroy },
    { "told to end it goes on beside a living toolstack",
      told_to_end_it_goes_on_beside_a_living_toolstack },
    { "told to end with nothing to do it ends",
      told_to_end_with_nothing_to_do_it_ends },
    { "a whole image is its toolstack's until it commits",
      a_whole_image_is_its_toolstacks_until_it_commits },
    { "what is held stays so while the guest stands still",
      what_is_held_stays_so_while_the_guest_stands_still },
    { "what is held is thawed when asked for",
      what_is_held_is_thawed_when_asked_for },
    { "a save is not thawed by asking", a_save_is_not_thawed_by_asking },
    { "after a commit paused is running",
      after_a_commit_paused_is_running },
    { "a freeze by hand that dies leaves nothing",
      a_freeze_by_hand_that_dies_leaves_nothing },
    { "waits while a save is under way",
      waits_while_a_save_is_under_way },
    { "ends with the domain in every phase",
      ends_with_the_domain_in_every_phase },
    { "thaws a suspended domain without a commit",
      thaws_a_suspended_domain_without_a_commit },
    { "resumes although a thaw hangs", resumes_although_a_thaw_hangs },
    { "a thaw that hangs is no leave behind a commit",
      a_thaw_that_hangs_is_no_leave_behind_a_commit },
    { "after a commit only a running domain is thawed",
      after_a_commit_only_a_running_domain_is_thawed },
    { "leaves what it did not suspend", leaves_what_it_did_not_suspend },
    { "resumes what a living toolstack forgets",
      resumes_what_a_living_toolstack_forgets },
    { "does not resume what another save suspended",
      does_not_resume_what_another_save_suspended },
    { "never resumes behind a commit", never_resumes_behind_a_commit },
    { "resumes what a dead toolstack left suspended",
      resumes_what_a_dead_toolstack_left_suspended },
    { "a guest that runs by itself is not touched",
      a_guest_that_runs_by_itself_is_not_touched },
    { "waits for a suspend that was asked for",
      waits_for_a_suspend_that_was_asked_for },
    { "waits for it where the toolstack lives",
      waits_for_it_where_the_toolstack_lives },
    { "a second one resumes what is forgotten",
      a_second_one_resumes_what_is_forgotten },
    { "a second one resumes nothing else",
      a_second_one_resumes_nothing_else })
