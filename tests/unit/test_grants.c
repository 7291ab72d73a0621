/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Reading a grant table from a buffer (freeze/grants.c).
 */
#include <errno.h>
#include <string.h>

#include "freeze/grants.h"
#include "unit.h"

#include <xen/grant_table.h>

static grant_entry_v1_t t1[512];
static grant_entry_v2_t t2[256];
static uint16_t status[2048];

static const struct lxe__gtable v1 = {
    .version = 1, .shared = t1, .nr_frames = 1,
};
static const struct lxe__gtable v2 = {
    .version = 2, .shared = t2, .nr_frames = 1, .status = status,
    .nr_status_frames = 1,
};

static void clear(void)
{
    memset(t1, 0, sizeof(t1));
    memset(t2, 0, sizeof(t2));
    memset(status, 0, sizeof(status));
}

/* How many entries are collected; the first in *g. */
static size_t collect(const struct lxe__gtable *t, struct lxe__grant *g)
{
    struct lxe__grants gs = { 0 };
    size_t n;

    CU_ASSERT_EQUAL_FATAL(lxe__gtable_collect(t, &gs, NULL), 0);
    n = gs.nr;
    if (n)
        *g = gs.list[0];
    lxe__grants_dispose(&gs);
    return n;
}

static void sizes(void)
{
    struct lxe__gtable t = v2;

    CU_ASSERT_EQUAL(lxe__gtable_entries(&v1), 512);
    CU_ASSERT_EQUAL(lxe__gtable_entries(&v2), 256);
    t.nr_frames = 64;
    CU_ASSERT_EQUAL(lxe__gtable_entries(&t), 2048); /* one status frame */
    CU_ASSERT_EQUAL(lxe__gtable_status_frames(1), 1);
    CU_ASSERT_EQUAL(lxe__gtable_status_frames(8), 1);
    CU_ASSERT_EQUAL(lxe__gtable_status_frames(9), 2);
    CU_ASSERT_EQUAL(lxe__gtable_status_frames(64), 8);
}

static void empty_table(void)
{
    struct lxe__grant g;

    clear();
    CU_ASSERT_EQUAL(collect(&v1, &g), 0);
    CU_ASSERT_EQUAL(collect(&v2, &g), 0);
}

static void v1_being_written(void)
{
    struct lxe__grant g;

    clear();
    t1[9] = (grant_entry_v1_t){
        GTF_permit_access | GTF_reading | GTF_writing, 3, 0x1234 };
    CU_ASSERT_EQUAL_FATAL(collect(&v1, &g), 1);
    CU_ASSERT_EQUAL(g.ref, 9);
    CU_ASSERT_EQUAL(g.domid, 3);
    CU_ASSERT_EQUAL(g.frame, 0x1234);
    CU_ASSERT_TRUE(g.in_use && g.writable);
}

static void v1_only_read_is_not_at_risk(void)
{
    struct lxe__grant g;

    clear();
    t1[9] = (grant_entry_v1_t){ GTF_permit_access | GTF_reading, 0, 1 };
    CU_ASSERT_EQUAL(collect(&v1, &g), 0);
    CU_ASSERT_EQUAL(lxe__gtable_get(&v1, 9, &g), 0);
    CU_ASSERT_TRUE(g.in_use);
    CU_ASSERT_FALSE(g.writable);
}

static void v1_granted_and_unused(void)
{
    struct lxe__grant g;

    clear();
    t1[9] = (grant_entry_v1_t){ GTF_permit_access, 0, 1 };
    CU_ASSERT_EQUAL(collect(&v1, &g), 0);
    CU_ASSERT_EQUAL(lxe__gtable_get(&v1, 9, &g), 0);
    CU_ASSERT_FALSE(g.in_use);
}

/* For a transfer, the bit of "being read" says "completed". */
static void transfer_is_no_access(void)
{
    struct lxe__grant g;

    clear();
    t1[9] = (grant_entry_v1_t){
        GTF_accept_transfer | GTF_transfer_committed |
        GTF_transfer_completed | GTF_writing, 0, 1 };
    CU_ASSERT_EQUAL(collect(&v1, &g), 0);
    CU_ASSERT_EQUAL(lxe__gtable_get(&v1, 9, &g), -1);
    CU_ASSERT_EQUAL(errno, ENOENT);
}

static void reserved_entries_count_unused(void)
{
    struct lxe__grant g;

    clear();
    t1[0] = (grant_entry_v1_t){ GTF_permit_access, 0, 0xfefff };
    t1[1] = (grant_entry_v1_t){ GTF_permit_access, 0, 0xfeffc };
    t1[2] = (grant_entry_v1_t){ GTF_permit_access, 0, 0xfeffd };
    CU_ASSERT_EQUAL_FATAL(collect(&v1, &g), 2);
    CU_ASSERT_EQUAL(g.frame, 0xfefff);
}

static void reserved_entry_not_set_up(void)
{
    struct lxe__grant g;

    clear();
    t1[0] = (grant_entry_v1_t){ GTF_permit_access, 0, 0 };
    CU_ASSERT_EQUAL(collect(&v1, &g), 0);
}

static void v2_flags_are_in_the_status(void)
{
    struct lxe__grant g;

    clear();
    t2[9].full_page.hdr.flags = GTF_permit_access;
    t2[9].full_page.hdr.domid = 5;
    t2[9].full_page.frame = 0x123456789aULL;
    CU_ASSERT_EQUAL(collect(&v2, &g), 0);
    status[9] = GTF_reading | GTF_writing;
    CU_ASSERT_EQUAL_FATAL(collect(&v2, &g), 1);
    CU_ASSERT_EQUAL(g.ref, 9);
    CU_ASSERT_EQUAL(g.domid, 5);
    CU_ASSERT_EQUAL(g.frame, 0x123456789aULL);
}

/* The guest writes the entry, Xen the status: only that counts. */
static void v2_guest_cannot_fake_use(void)
{
    struct lxe__grant g;

    clear();
    t2[9].full_page.hdr.flags = GTF_permit_access | GTF_writing;
    t2[9].full_page.frame = 1;
    CU_ASSERT_EQUAL(collect(&v2, &g), 0);
}

static void v2_sub_page(void)
{
    struct lxe__grant g;

    clear();
    t2[9].sub_page.hdr.flags = GTF_permit_access | GTF_sub_page;
    t2[9].sub_page.page_off = 100;
    t2[9].sub_page.length = 200;
    t2[9].sub_page.frame = 77;
    status[9] = GTF_writing;
    CU_ASSERT_EQUAL_FATAL(collect(&v2, &g), 1);
    CU_ASSERT_EQUAL(g.frame, 77);
}

static void v2_transitive_names_no_frame(void)
{
    struct lxe__grant g;

    clear();
    t2[9].transitive.hdr.flags = GTF_transitive;
    t2[9].transitive.trans_domid = 4;
    t2[9].transitive.gref = 12;
    status[9] = GTF_writing;
    CU_ASSERT_EQUAL(collect(&v2, &g), 0);
    CU_ASSERT_EQUAL(lxe__gtable_get(&v2, 9, &g), -1);
    CU_ASSERT_EQUAL(errno, ENOENT);
}

static void beyond_the_table(void)
{
    struct lxe__grant g;

    clear();
    CU_ASSERT_EQUAL(lxe__gtable_get(&v1, 512, &g), -1);
    CU_ASSERT_EQUAL(errno, ERANGE);
    CU_ASSERT_EQUAL(lxe__gtable_get(&v2, 256, &g), -1);
    CU_ASSERT_EQUAL(errno, ERANGE);
    CU_ASSERT_EQUAL(lxe__gtable_get(&v1, UINT32_MAX, &g), -1);
    CU_ASSERT_EQUAL(errno, ERANGE);
}

static void full_table(void)
{
    struct lxe__grant g;
    int i;

    clear();
    for (i = 0; i < 512; i++)
        t1[i] = (grant_entry_v1_t){ GTF_permit_access | GTF_writing, 0,
                                    1000 + i };
    CU_ASSERT_EQUAL(collect(&v1, &g), 512);
}

LXE_SUITE(grants,
    { "sizes", sizes },
    { "empty table", empty_table },
    { "v1 being written", v1_being_written },
    { "v1 only read is not at risk", v1_only_read_is_not_at_risk },
    { "v1 granted and unused", v1_granted_and_unused },
    { "transfer is no access", transfer_is_no_access },
    { "reserved entries count unused", reserved_entries_count_unused },
    { "reserved entry not set up", reserved_entry_not_set_up },
    { "v2 flags are in the status", v2_flags_are_in_the_status },
    { "v2 guest cannot fake use", v2_guest_cannot_fake_use },
    { "v2 sub-page", v2_sub_page },
    { "v2 transitive names no frame", v2_transitive_names_no_frame },
    { "beyond the table", beyond_the_table },
    { "full table", full_table })
