/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Ring arithmetic and the ring nodes of a frontend (freeze/rings.c).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "freeze/rings.h"
#include "unit.h"

/* A frontend's directory: "node", "value", ..., NULL. */
static char *read_table(void *data, const char *node)
{
    const char *const *t = data;

    for (; t[0]; t += 2)
        if (!strcmp(t[0], node))
            return strdup(t[1]);
    return NULL;
}

static struct lxe__ring rings[LXE_RINGS_MAX];
static size_t nr;
static struct lxe__err err;

static int list(enum lxe__bk_kind kind, const char *const *table)
{
    struct lxe__backend b = { .kind = kind, .name = "x-1-2" };

    lxe__err_init(&err);
    return lxe__rings_list(&b, read_table, (void *)table, rings, &nr,
                           &err);
}

#define LIST(kind, ...) \
    list(kind, (const char *const[]){ __VA_ARGS__, NULL })

static void refused(int r, const char *node, const char *value)
{
    CU_ASSERT_EQUAL(r, -1);
    CU_ASSERT_EQUAL(err.code, EPROTO);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, node));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, value));
}

static void drained_when_equal(void)
{
    CU_ASSERT_EQUAL(lxe__ring_judge(7, 7, 32, NULL), LXE_RING_DRAINED);
    CU_ASSERT_EQUAL(lxe__ring_judge(0, 0, 32, NULL), LXE_RING_DRAINED);
}

static void busy_up_to_the_size(void)
{
    uint32_t pending;

    CU_ASSERT_EQUAL(lxe__ring_judge(8, 7, 32, &pending), LXE_RING_BUSY);
    CU_ASSERT_EQUAL(pending, 1);
    CU_ASSERT_EQUAL(lxe__ring_judge(39, 7, 32, &pending), LXE_RING_BUSY);
    CU_ASSERT_EQUAL(pending, 32);
}

static void bogus_beyond_the_size(void)
{
    CU_ASSERT_EQUAL(lxe__ring_judge(40, 7, 32, NULL), LXE_RING_BOGUS);
}

static void bogus_when_answers_lead(void)
{
    CU_ASSERT_EQUAL(lxe__ring_judge(7, 8, 32, NULL), LXE_RING_BOGUS);
    CU_ASSERT_EQUAL(lxe__ring_judge(0, 1, 512, NULL), LXE_RING_BOGUS);
}

static void indexes_wrap(void)
{
    uint32_t pending;

    CU_ASSERT_EQUAL(lxe__ring_judge(3, UINT32_MAX - 2, 32, &pending),
                    LXE_RING_BUSY);
    CU_ASSERT_EQUAL(pending, 6);
    CU_ASSERT_EQUAL(lxe__ring_judge(UINT32_MAX, UINT32_MAX, 32, NULL),
                    LXE_RING_DRAINED);
    CU_ASSERT_EQUAL(lxe__ring_judge(UINT32_MAX, 3, 32, NULL),
                    LXE_RING_BOGUS);
}

/* __RING_SIZE() of Xen's ring.h, for the structures of blkif and netif */
static void entries_as_in_ring_h(void)
{
    CU_ASSERT_EQUAL(lxe__ring_entries(1, 112), 32);
    CU_ASSERT_EQUAL(lxe__ring_entries(2, 112), 64);
    CU_ASSERT_EQUAL(lxe__ring_entries(4, 112), 128);
    CU_ASSERT_EQUAL(lxe__ring_entries(16, 112), 512);
    CU_ASSERT_EQUAL(lxe__ring_entries(1, 12), 256);
    CU_ASSERT_EQUAL(lxe__ring_entries(1, 8), 256);
}

static void disk_with_one_page(void)
{
    CU_ASSERT_EQUAL(LIST(LXE_BK_VBD, "ring-ref", "8"), 0);
    CU_ASSERT_EQUAL(nr, 1);
    CU_ASSERT_EQUAL(rings[0].ref, 8);
    CU_ASSERT_EQUAL(rings[0].entries, 32);
    CU_ASSERT_EQUAL(rings[0].kind, LXE_RING_BLK);
}

static void disk_with_several_pages(void)
{
    CU_ASSERT_EQUAL(LIST(LXE_BK_QDISK, "ring-page-order", "2",
                         "ring-ref0", "11", "ring-ref1", "12",
                         "ring-ref2", "13", "ring-ref3", "14"), 0);
    CU_ASSERT_EQUAL(nr, 1);
    CU_ASSERT_EQUAL(rings[0].ref, 11);
    CU_ASSERT_EQUAL(rings[0].entries, 128);
}

/* A boot loader's driver may have left its "ring-ref" behind. */
static void order_wins_over_a_stale_ref(void)
{
    CU_ASSERT_EQUAL(LIST(LXE_BK_VBD, "ring-ref", "99",
                         "ring-page-order", "1", "ring-ref0", "5",
                         "ring-ref1", "6"), 0);
    CU_ASSERT_EQUAL(rings[0].ref, 5);
}

static void order_zero_with_plain_ref(void)
{
    CU_ASSERT_EQUAL(LIST(LXE_BK_VBD, "ring-page-order", "0",
                         "ring-ref", "9"), 0);
    CU_ASSERT_EQUAL(rings[0].ref, 9);
    CU_ASSERT_EQUAL(rings[0].entries, 32);
}

static void disk_with_queues(void)
{
    CU_ASSERT_EQUAL(LIST(LXE_BK_VBD, "multi-queue-num-queues", "2",
                         "queue-0/ring-ref", "21",
                         "queue-1/ring-ref", "22"), 0);
    CU_ASSERT_EQUAL(nr, 2);
    CU_ASSERT_EQUAL(rings[1].ref, 22);
    CU_ASSERT_EQUAL(rings[1].queue, 1);
}

static void disk_with_queues_and_pages(void)
{
    CU_ASSERT_EQUAL(LIST(LXE_BK_VBD, "multi-queue-num-queues", "2",
                         "ring-page-order", "1",
                         "queue-0/ring-ref0", "21",
                         "queue-1/ring-ref0", "31"), 0);
    CU_ASSERT_EQUAL(nr, 2);
    CU_ASSERT_EQUAL(rings[1].ref, 31);
    CU_ASSERT_EQUAL(rings[1].entries, 64);
}

static void one_queue_has_no_directory(void)
{
    CU_ASSERT_EQUAL(LIST(LXE_BK_VIF, "multi-queue-num-queues", "1",
                         "tx-ring-ref", "522", "rx-ring-ref", "523"), 0);
    CU_ASSERT_EQUAL(nr, 2);
    CU_ASSERT_EQUAL(rings[0].kind, LXE_RING_TX);
    CU_ASSERT_EQUAL(rings[0].ref, 522);
    CU_ASSERT_EQUAL(rings[1].kind, LXE_RING_RX);
    CU_ASSERT_EQUAL(rings[1].ref, 523);
}

static void card_with_queues(void)
{
    CU_ASSERT_EQUAL(LIST(LXE_BK_VIF, "multi-queue-num-queues", "2",
                         "queue-0/tx-ring-ref", "1",
                         "queue-0/rx-ring-ref", "2",
                         "queue-1/tx-ring-ref", "3",
                         "queue-1/rx-ring-ref", "4"), 0);
    CU_ASSERT_EQUAL(nr, 4);
    CU_ASSERT_EQUAL(rings[3].ref, 4);
    CU_ASSERT_EQUAL(rings[3].queue, 1);
}

static void most_queues_fit(void)
{
    const char *t[2 * (1 + LXE_RING_MAX_QUEUES) + 1] = {
        "multi-queue-num-queues", "64",
    };
    static char names[LXE_RING_MAX_QUEUES][32];
    int i;

    for (i = 0; i < LXE_RING_MAX_QUEUES; i++) {
        snprintf(names[i], sizeof(names[i]), "queue-%d/ring-ref", i);
        t[2 + 2 * i] = names[i];
        t[3 + 2 * i] = "7";
    }
    CU_ASSERT_EQUAL(list(LXE_BK_VBD, t), 0);
    CU_ASSERT_EQUAL(nr, LXE_RING_MAX_QUEUES);
}

static void other_kinds_have_no_rings(void)
{
    CU_ASSERT_EQUAL(LIST(LXE_BK_CONSOLE, "ring-ref", "8"), 0);
    CU_ASSERT_EQUAL(nr, 0);
}

static void no_ref_is_refused(void)
{
    refused(LIST(LXE_BK_VBD, "state", "4"), "ring-ref", "no node");
    refused(LIST(LXE_BK_VIF, "tx-ring-ref", "4"), "rx-ring-ref",
            "no node");
    refused(LIST(LXE_BK_VBD, "multi-queue-num-queues", "2",
                 "queue-0/ring-ref", "21"), "queue-1/ring-ref", "no node");
}

static void bad_numbers_are_refused(void)
{
    refused(LIST(LXE_BK_VBD, "ring-ref", ""), "ring-ref", "''");
    refused(LIST(LXE_BK_VBD, "ring-ref", "-1"), "ring-ref", "'-1'");
    refused(LIST(LXE_BK_VBD, "ring-ref", " 8"), "ring-ref", "' 8'");
    refused(LIST(LXE_BK_VBD, "ring-ref", "8x"), "ring-ref", "'8x'");
    refused(LIST(LXE_BK_VBD, "ring-ref", "4294967296"), "ring-ref",
            "4294967295");
    refused(LIST(LXE_BK_VBD, "ring-ref", "00000000008"), "ring-ref",
            "00000000008");
    refused(LIST(LXE_BK_VBD, "ring-page-order", "5", "ring-ref0", "1"),
            "ring-page-order", "up to 4");
    refused(LIST(LXE_BK_VIF, "multi-queue-num-queues", "65"),
            "multi-queue-num-queues", "up to 64");
}

/* A guest writes it, and the line ends on root's terminal. */
static void no_control_characters_of_the_guest(void)
{
    refused(LIST(LXE_BK_VBD, "ring-ref", "8\n\033[2J\x9b" "1m"),
            "ring-ref", "'8??[2J?1m'");
}

LXE_SUITE(rings,
    { "no control characters of the guest",
      no_control_characters_of_the_guest },
    { "drained when equal", drained_when_equal },
    { "busy up to the size", busy_up_to_the_size },
    { "bogus beyond the size", bogus_beyond_the_size },
    { "bogus when answers lead", bogus_when_answers_lead },
    { "indexes wrap", indexes_wrap },
    { "entries as in ring.h", entries_as_in_ring_h },
    { "disk with one page", disk_with_one_page },
    { "disk with several pages", disk_with_several_pages },
    { "order wins over a stale ref", order_wins_over_a_stale_ref },
    { "order zero with plain ref", order_zero_with_plain_ref },
    { "disk with queues", disk_with_queues },
    { "disk with queues and pages", disk_with_queues_and_pages },
    { "one queue has no directory", one_queue_has_no_directory },
    { "card with queues", card_with_queues },
    { "most queues fit", most_queues_fit },
    { "other kinds have no rings", other_kinds_have_no_rings },
    { "no ref is refused", no_ref_is_refused },
    { "bad numbers are refused", bad_numbers_are_refused })
