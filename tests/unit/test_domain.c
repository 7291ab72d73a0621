/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What Xen says of one domain (memory/domain.c).  Lists and names are
 * test_api_memory.c's.
 */
#include <errno.h>

#include "fake_xen.h"
#include "memory/domain.h"
#include "unit.h"

static void the_one_that_was_asked_for(void)
{
    xc_domaininfo_t info;

    fake_xen_on();
    fake_xen_domain(5, XEN_DOMINF_dying, 100, 90);
    fake_xen_domain(7, 0, 200, 190);
    CU_ASSERT_EQUAL(lxe__domain_info(NULL, 7, &info), 0);
    CU_ASSERT_EQUAL(info.max_pages, 200);
    CU_ASSERT_EQUAL(lxe__domain_info(NULL, 5, &info), 0);
    CU_ASSERT_EQUAL(info.max_pages, 100);
    fake_xen_off();
}

/* Xen answers with the next one, or with none. */
static void one_that_is_not_there(void)
{
    xc_domaininfo_t info;

    fake_xen_on();
    fake_xen_domain(7, 0, 200, 190);
    errno = 0;
    CU_ASSERT_EQUAL(lxe__domain_info(NULL, 6, &info), -1);
    CU_ASSERT_EQUAL(errno, ESRCH);
    errno = 0;
    CU_ASSERT_EQUAL(lxe__domain_info(NULL, 8, &info), -1);
    CU_ASSERT_EQUAL(errno, ESRCH);
    fake_xen_off();
}

static void a_call_that_fails_keeps_its_errno(void)
{
    xc_domaininfo_t info;

    fake_xen_on();
    fake_xen_domain(7, 0, 200, 190);
    fake_xen.getinfo_error = EFAULT;
    CU_ASSERT_EQUAL(lxe__domain_info(NULL, 7, &info), -1);
    CU_ASSERT_EQUAL(errno, EFAULT);
    fake_xen_off();
}

static struct lxe__domstate state_of(uint32_t flags)
{
    struct lxe__domstate st = { .dying = true };

    fake_xen_on();
    fake_xen_domain(5, flags, 100, 90);
    CU_ASSERT_EQUAL(lxe__domstate_read(NULL, 5, &st), 0);
    CU_ASSERT_EQUAL(st.uuid[15], 5);
    fake_xen_off();
    return st;
}

static uint32_t shut_down(uint32_t reason)
{
    return XEN_DOMINF_shutdown | reason << XEN_DOMINF_shutdownshift;
}

static void how_it_stands_still(void)
{
    struct lxe__domstate st = state_of(0);

    CU_ASSERT(!st.suspended && !st.paused && !st.dying);
    st = state_of(XEN_DOMINF_paused);
    CU_ASSERT(!st.suspended && st.paused && !st.dying);
    st = state_of(shut_down(SHUTDOWN_suspend));
    CU_ASSERT(st.suspended && !st.paused && !st.dying);
    st = state_of(shut_down(SHUTDOWN_suspend) | XEN_DOMINF_dying);
    CU_ASSERT(st.suspended && !st.paused && st.dying);
    st = state_of(shut_down(SHUTDOWN_crash));
    CU_ASSERT(!st.suspended);
    st = state_of(SHUTDOWN_suspend << XEN_DOMINF_shutdownshift);
    CU_ASSERT(!st.suspended);
}

LXE_SUITE(domain,
    { "the one that was asked for", the_one_that_was_asked_for },
    { "one that is not there", one_that_is_not_there },
    { "a call that fails keeps its errno",
      a_call_that_fails_keeps_its_errno },
    { "how it stands still", how_it_stands_still })
