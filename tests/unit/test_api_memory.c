/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The public calls on limits: what is read, judged and set, and that
 * what is refused changes nothing.
 */
#include <errno.h>
#include <libxl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake_xen.h"
#include "libxl_ext.h"
#include "memory/policy.h"
#include "unit.h"

/* PV of 160 MiB: stock sets 160 MiB + 1 MiB = 41216 pages. */
#define STOCK 41216
#define TARGET_KB "163840"
#define HOST  1000000

static libxl_ext_ctx *ctx;

static void set_up(void)
{
    fake_xen_on();
    fake_xen_domain(0, 0, HOST, HOST / 2);
    fake_xen_domain(5, 0, STOCK, 41000);
    fake_xen_node("/local/domain/5/name", "web");
    fake_xen_node("/local/domain/5/memory/target", TARGET_KB);
    fake_xen_node("/local/domain/5/memory/static-max", TARGET_KB);
    CU_ASSERT_EQUAL_FATAL(libxl_ext_ctx_alloc(&ctx, LIBXL_EXT_VERSION,
                                              NULL, NULL), 0);
}

static void tear_down(void)
{
    libxl_ext_ctx_free(ctx);
    fake_xen_off();
}

static xc_domaininfo_t *web(void)
{
    return &fake_xen.domains[1];
}

static void limits_are_those_of_xen_and_xenstore(void)
{
    libxl_ext_memory_limits l;

    set_up();
    web()->shr_pages = 3;
    web()->paged_pages = 2;
    web()->outstanding_pages = 1;
    CU_ASSERT_EQUAL(libxl_ext_memory_limits_get(ctx, 5, &l), 0);
    CU_ASSERT_EQUAL(l.domid, 5);
    CU_ASSERT_EQUAL(l.uuid[15], 5);
    CU_ASSERT_FALSE(l.hvm);
    CU_ASSERT_EQUAL(l.max_pages, STOCK);
    CU_ASSERT_EQUAL(l.tot_pages, 41000);
    CU_ASSERT_EQUAL(l.shr_pages, 3);
    CU_ASSERT_EQUAL(l.paged_pages, 2);
    CU_ASSERT_EQUAL(l.outstanding_pages, 1);
    CU_ASSERT_EQUAL(l.target_kb, 163840);
    CU_ASSERT_EQUAL(l.static_max_kb, 163840);
    CU_ASSERT_EQUAL(l.stock_max_kb, STOCK * 4);
    tear_down();
}

static void a_domain_that_is_not_there_has_none(void)
{
    libxl_ext_memory_limits l;
    libxl_ext_domain_memory m;
    libxl_ext_verdict v;

    set_up();
    memset(&l, 0xff, sizeof(l));
    CU_ASSERT_EQUAL(libxl_ext_memory_limits_get(ctx, 4, &l),
                    ERROR_DOMAIN_NOTFOUND);
    CU_ASSERT_EQUAL(l.max_pages, 0);
    CU_ASSERT_EQUAL(libxl_ext_memory_limits_get(ctx, 0x7ff0, &l),
                    ERROR_DOMAIN_NOTFOUND);
    CU_ASSERT_EQUAL(libxl_ext_memory_get(ctx, 6, &m),
                    ERROR_DOMAIN_NOTFOUND);
    CU_ASSERT_EQUAL(libxl_ext_memory_judge(ctx, 6, 1, &v),
                    ERROR_DOMAIN_NOTFOUND);
    CU_ASSERT_EQUAL(libxl_ext_memory_limit_set(ctx, 6, STOCK),
                    ERROR_DOMAIN_NOTFOUND);
    CU_ASSERT_EQUAL(fake_xen.setmaxmem_calls, 0);
    web()->flags = XEN_DOMINF_dying;
    CU_ASSERT_EQUAL(libxl_ext_memory_limits_get(ctx, 5, &l),
                    ERROR_DOMAIN_NOTFOUND);
    CU_ASSERT_PTR_NOT_NULL(strstr(libxl_ext_error(ctx), "destroyed"));
    tear_down();
}

static void the_host_s_memory(void)
{
    libxl_ext_host_memory h;

    set_up();
    CU_ASSERT_EQUAL(libxl_ext_host_memory_get(ctx, &h), 0);
    CU_ASSERT_EQUAL(h.total_pages, HOST);
    CU_ASSERT_EQUAL(h.free_pages, 400000);
    CU_ASSERT_EQUAL(h.outstanding_pages, 10);
    tear_down();
}

static void judged(uint64_t max_pages, bool allowed, uint64_t over)
{
    libxl_ext_verdict v;

    CU_ASSERT_EQUAL_FATAL(libxl_ext_memory_judge(ctx, 5, max_pages, &v),
                          0);
    CU_ASSERT_EQUAL(v.allowed, allowed);
    CU_ASSERT_EQUAL(v.over_pages, over);
    CU_ASSERT_EQUAL(v.bound_pages, STOCK + 16384);
    CU_ASSERT_EQUAL(!v.reason, allowed);
    libxl_ext_verdict_dispose(&v);
}

/* The default policy: bounded, 65536 KiB, which are 16384 pages. */
static void verdicts_at_each_bound(void)
{
    libxl_ext_verdict v;

    set_up();
    judged(1, true, 0);
    judged(STOCK + 16384, true, 0);
    judged(STOCK + 16385, false, 1);
    judged(HOST + 1, false, HOST + 1 - STOCK - 16384);
    judged(UINT64_MAX, false, UINT64_MAX - STOCK - 16384);
    CU_ASSERT_EQUAL(libxl_ext_memory_judge(ctx, 5, STOCK + 16385, &v), 0);
    CU_ASSERT_EQUAL(v.max_pages, STOCK + 16385);
    CU_ASSERT_PTR_NOT_NULL(strstr(v.setting, "memory_bump_limit=65540"));
    CU_ASSERT_PTR_NOT_NULL(strstr(v.reason, "limit: guest \"web\""));
    libxl_ext_verdict_dispose(&v);
    /* No setting lets a guest be larger than its host. */
    CU_ASSERT_EQUAL(libxl_ext_memory_judge(ctx, 5, HOST + 1, &v), 0);
    CU_ASSERT_PTR_NULL(v.setting);
    libxl_ext_verdict_dispose(&v);
    tear_down();
}

/* 0: the limit that it has, and its pages where these are more. */
static void the_live_limit_is_judged_as_a_save_does(void)
{
    set_up();
    judged(0, true, 0);
    web()->max_pages = STOCK + 16390;
    judged(0, false, 6);
    web()->max_pages = STOCK;
    web()->tot_pages = STOCK + 16387;
    judged(0, false, 3);
    /* To set a lower limit is another question. */
    judged(STOCK, true, 0);
    tear_down();
}

static void an_allowed_limit_is_set(void)
{
    set_up();
    CU_ASSERT_EQUAL(libxl_ext_memory_limit_set(ctx, 5, STOCK + 16384), 0);
    CU_ASSERT_EQUAL(web()->max_pages, STOCK + 16384);
    /* Below what it has: as Xen takes it. */
    CU_ASSERT_EQUAL(libxl_ext_memory_limit_set(ctx, 5, 40000), 0);
    CU_ASSERT_EQUAL(web()->max_pages, 40000);
    tear_down();
}

static void what_is_refused_changes_nothing(void)
{
    static const uint64_t bad[] = { 0, STOCK + 16385, HOST + 1, UINT64_MAX,
                                    UINT64_MAX / 4 + 2 };
    size_t i;

    set_up();
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CU_ASSERT_EQUAL(libxl_ext_memory_limit_set(ctx, 5, bad[i]),
                        ERROR_INVAL);
        CU_ASSERT_EQUAL(web()->max_pages, STOCK);
    }
    CU_ASSERT_EQUAL(fake_xen.setmaxmem_calls, 0);
    CU_ASSERT_EQUAL(libxl_ext_memory_limit_set(ctx, 5, STOCK + 16385),
                    ERROR_INVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(libxl_ext_error(ctx), "65540"));
    fake_xen.setmaxmem_error = EPERM;
    CU_ASSERT_EQUAL(libxl_ext_memory_limit_set(ctx, 5, STOCK + 1),
                    ERROR_FAIL);
    CU_ASSERT_PTR_NOT_NULL(strstr(libxl_ext_error(ctx), "no privilege"));
    CU_ASSERT_EQUAL(web()->max_pages, STOCK);
    tear_down();
}

static void the_table_has_every_guest(void)
{
    libxl_ext_memory_table t;

    set_up();
    web()->max_pages = STOCK + 20000;
    fake_xen_domain(6, XEN_DOMINF_dying, 1, 1);
    fake_xen_domain(9, XEN_DOMINF_hvm_guest, 100, 100);
    CU_ASSERT_EQUAL_FATAL(libxl_ext_memory_list(ctx, &t), 0);
    CU_ASSERT_EQUAL(t.host.total_pages, HOST);
    CU_ASSERT_EQUAL_FATAL(t.num_domains, 2);
    CU_ASSERT_STRING_EQUAL(t.domains[0].name, "web");
    CU_ASSERT_EQUAL(t.domains[0].raise_pages, 20000);
    CU_ASSERT_FALSE(t.domains[0].verdict.allowed);
    CU_ASSERT_EQUAL(t.domains[0].verdict.over_pages, 3616);
    CU_ASSERT_PTR_NULL(t.domains[1].name);
    CU_ASSERT_EQUAL(t.domains[1].limits.domid, 9);
    CU_ASSERT_TRUE(t.domains[1].limits.hvm);
    CU_ASSERT_TRUE(t.domains[1].verdict.allowed);
    libxl_ext_memory_table_dispose(&t);
    tear_down();
}

static void the_policy_is_that_of_the_domain_s_name(void)
{
    char path[] = "/tmp/lxe-policy-XXXXXX";
    static const char text[] = "memory_bump = \"strict\"\n"
        "memory_bump_overrides = [ \"web=bounded:40\" ]\n";
    libxl_ext_domain_memory m;
    libxl_ext_memory_table t;
    int fd = mkstemp(path);

    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    setenv(LXE_POLICY_ENV, path, 1);
    set_up();
    web()->max_pages = STOCK + 10;
    fake_xen_domain(8, 0, STOCK + 10, 41000);
    /* The guest that comes in by xl migrate is still itself. */
    fake_xen_node("/local/domain/8/name", "web--incoming");
    fake_xen_node("/local/domain/8/memory/target", TARGET_KB);
    CU_ASSERT_EQUAL_FATAL(libxl_ext_memory_list(ctx, &t), 0);
    CU_ASSERT_TRUE(t.domains[0].verdict.allowed);
    CU_ASSERT_TRUE(t.domains[1].verdict.allowed);
    CU_ASSERT_STRING_EQUAL(t.domains[1].name, "web--incoming");
    libxl_ext_memory_table_dispose(&t);
    CU_ASSERT_EQUAL(libxl_ext_memory_get(ctx, 0, &m), 0);
    CU_ASSERT_FALSE(m.verdict.allowed);
    libxl_ext_domain_memory_dispose(&m);
    unlink(path);
    CU_ASSERT_EQUAL(libxl_ext_memory_list(ctx, &t), ERROR_NOTFOUND);
    CU_ASSERT_EQUAL(t.num_domains, 0);
    unsetenv(LXE_POLICY_ENV);
    tear_down();
}

LXE_SUITE(api_memory,
    { "limits are those of Xen and xenstore",
      limits_are_those_of_xen_and_xenstore },
    { "a domain that is not there has none",
      a_domain_that_is_not_there_has_none },
    { "the host's memory", the_host_s_memory },
    { "verdicts at each bound", verdicts_at_each_bound },
    { "the live limit is judged as a save does",
      the_live_limit_is_judged_as_a_save_does },
    { "an allowed limit is set", an_allowed_limit_is_set },
    { "what is refused changes nothing", what_is_refused_changes_nothing },
    { "the table has every guest", the_table_has_every_guest },
    { "the policy is that of the domain's name",
      the_policy_is_that_of_the_domain_s_name })
