/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What is done to one backend while the guest stands still
 * (freeze/act.c), with rings that are pages of this process.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "freeze/backends.h"
#include "freeze/run.h"
#include "unit.h"

#include <xen/grant_table.h>

#define REF 8

static union {
    uint32_t words[1024];
    grant_entry_v1_t grants[512];
} requests, receive, table;

static struct lxe__freeze freeze;
static struct lxe__err err;

/* With @left requests of the first ring unanswered; ms that it took. */
static double act(struct lxe__backend *b, enum lxe__ring_kind kind,
                  unsigned left, bool in_use, double timeout, int *rc_r)
{
    struct lxe__view_item item = { .rings.nr = 2 };
    struct lxe__run run = { .f = &freeze };
    struct lxe__policy policy = { .freeze = LXE_FREEZE_REQUIRE };

    memset(&freeze, 0, sizeof(freeze));
    memset(&requests, 0, sizeof(requests));
    memset(&table, 0, sizeof(table));
    freeze.policy = policy;
    freeze.lg = (xentoollog_logger *)xtl_createlogger_stdiostream(
        stderr, XTL_ERROR, 0);
    freeze.view.gmap.t = (struct lxe__gtable){
        .version = 1, .shared = table.grants, .nr_frames = 1,
    };
    table.grants[REF].flags = GTF_permit_access |
                              (in_use ? GTF_reading | GTF_writing : 0);
    requests.words[0] = left;
    /* Empty buffers, all of the time. */
    receive.words[0] = 100;
    item.rings.rings[0] = (struct lxe__ring){
        .kind = kind, .ref = REF, .entries = 32, .page = requests.words,
    };
    item.rings.rings[1] = (struct lxe__ring){
        .kind = LXE_RING_RX, .ref = REF, .entries = 256,
        .page = receive.words,
    };
    lxe__err_init(&err);
    b->connected = true;
    b->verdict = lxe__backend_judge(b, &policy);
    CU_ASSERT_EQUAL(b->verdict.act, LXE_ACT_PROVE);
    run.start = lxe__now_ms();
    run.deadline = run.start + timeout;
    *rc_r = lxe__freeze_one(&run, b, &item, &err);
    xtl_logger_destroy(freeze.lg);
    return lxe__now_ms() - run.start;
}

/* It may wait for a peer that takes its packet when it likes. */
static void a_card_elsewhere_is_not_waited_for_long(void)
{
    struct lxe__backend b = { .kind = LXE_BK_VIF, .name = "vif-5-0" };
    double ms;
    int rc;

    ms = act(&b, LXE_RING_TX, 3, true, 3000, &rc);
    CU_ASSERT_EQUAL(rc, 0);
    CU_ASSERT_EQUAL(b.done, LXE_ACT_PROVE);
    CU_ASSERT_TRUE(ms >= 49 && ms < 1000);
    /* Never longer than all together may take. */
    ms = act(&b, LXE_RING_TX, 3, true, 5, &rc);
    CU_ASSERT_EQUAL(rc, 0);
    CU_ASSERT_TRUE(ms >= 5);
    act(&b, LXE_RING_TX, 0, true, 3000, &rc);
    CU_ASSERT_EQUAL(rc, 0);
    CU_ASSERT_EQUAL(b.done, LXE_ACT_PROVE);
    act(&b, LXE_RING_TX, 3, false, 3000, &rc);
    CU_ASSERT_EQUAL(rc, 0);
    CU_ASSERT_EQUAL(b.done, LXE_ACT_NOTHING);
}

static void a_card_whose_ring_makes_no_sense_fails(void)
{
    struct lxe__backend b = { .kind = LXE_BK_VIF, .name = "vif-5-0" };
    int rc;

    act(&b, LXE_RING_TX, 33, true, 3000, &rc);
    CU_ASSERT_EQUAL(rc, -1);
    CU_ASSERT_EQUAL(err.code, EPROTO);
}

static void a_disk_elsewhere_is_waited_for(void)
{
    struct lxe__backend b = { .kind = LXE_BK_VBD, .name = "vbd-5-1" };
    double ms;
    int rc;

    ms = act(&b, LXE_RING_BLK, 3, true, 200, &rc);
    CU_ASSERT_EQUAL(rc, -1);
    CU_ASSERT_EQUAL(err.code, ETIMEDOUT);
    CU_ASSERT_TRUE(ms >= 199);
}

LXE_SUITE(act,
    { "a card elsewhere is not waited for long",
      a_card_elsewhere_is_not_waited_for_long },
    { "a card whose ring makes no sense fails",
      a_card_whose_ring_makes_no_sense_fails },
    { "a disk elsewhere is waited for", a_disk_elsewhere_is_waited_for })
