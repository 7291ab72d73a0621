/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The context of the public calls, codes, and finding a domain.
 */
#include <errno.h>
#include <libxl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <xentoollog.h>

#include "base/rc.h"
#include "fake_xen.h"
#include "libxl_ext.h"
#include "libxl_ext_operation.h"
#include "unit.h"

static char said[1024];
static unsigned lines;

__attribute__((format(printf, 5, 0)))
static void vmessage(struct xentoollog_logger *lg, xentoollog_level level,
                     int errnoval, const char *context, const char *format,
                     va_list al)
{
    (void)lg;
    (void)errnoval;
    (void)context;
    if (level < XTL_WARN)
        return;
    lines++;
    vsnprintf(said, sizeof(said), format, al);
}

static void destroy(struct xentoollog_logger *lg)
{
    (void)lg;
}

static struct xentoollog_logger logger = {
    .vmessage = vmessage, .destroy = destroy,
};

static libxl_ext_ctx *open_ctx(void)
{
    libxl_ext_ctx *ctx = NULL;

    lines = 0;
    CU_ASSERT_EQUAL_FATAL(libxl_ext_ctx_alloc(&ctx, LIBXL_EXT_VERSION,
                                              NULL, &logger), 0);
    return ctx;
}

/* Asking costs the peer nothing: no octet of the link is read. */
static void a_question_needs_a_libxl_ctx(void)
{
    libxl_ext_ctx *ctx = open_ctx();
    libxl_ext_migrate_answer answer;
    libxl_ext_peer_kind peer;

    CU_ASSERT_EQUAL(libxl_ext_domain_precheck(ctx, 1, "{}", -1, -1, NULL,
                                              NULL, &peer, &answer),
                    ERROR_INVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(said, "precheck: the context has no"
                                  " libxl_ctx"));
    CU_ASSERT_EQUAL(lines, 1);
    libxl_ext_migrate_answer_dispose(&answer);
    libxl_ext_ctx_free(ctx);
}

/* The fake is off: a call to Xen would abort. */
static void making_one_opens_nothing(void)
{
    libxl_ext_ctx *ctx = open_ctx();

    CU_ASSERT_STRING_EQUAL(libxl_ext_error(ctx), "");
    libxl_ext_ctx_free(ctx);
    libxl_ext_ctx_free(NULL);
    CU_ASSERT_EQUAL(lines, 0);
}

static void a_version_that_is_not_ours_is_refused(void)
{
    static const int bad[] = {
        LIBXL_EXT_VERSION + 0x10000, LIBXL_EXT_VERSION + 0x100, -1,
    };
    libxl_ext_ctx *ctx;
    size_t i;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ctx = (void *)&lines;
        CU_ASSERT_EQUAL(libxl_ext_ctx_alloc(&ctx, bad[i], NULL, NULL),
                        ERROR_VERSION);
        CU_ASSERT_PTR_NULL(ctx);
    }
    CU_ASSERT_EQUAL(libxl_ext_ctx_alloc(&ctx, bad[0], NULL, &logger),
                    ERROR_VERSION);
    CU_ASSERT_PTR_NOT_NULL(strstr(said, "0x010100"));
    /* A patch more changes nothing for users. */
    CU_ASSERT_EQUAL(libxl_ext_ctx_alloc(&ctx, LIBXL_EXT_VERSION + 1, NULL,
                                        NULL), 0);
    libxl_ext_ctx_free(ctx);
}

static void what_cannot_be_opened_is_one_line(void)
{
    libxl_ext_ctx *ctx = open_ctx();
    uint32_t domid = 77;

    fake_xen_on();
    fake_xen.xc_error = ENOENT;
    /* No such file is no such domain to nobody. */
    CU_ASSERT_EQUAL(libxl_ext_domain_find(ctx, "1", &domid), ERROR_FAIL);
    CU_ASSERT_EQUAL(lines, 1);
    CU_ASSERT_STRING_EQUAL(said, libxl_ext_error(ctx));
    CU_ASSERT_PTR_NOT_NULL(strstr(said, "hypervisor interface"));
    fake_xen.xc_error = 0;
    fake_xen.xs_error = EACCES;
    CU_ASSERT_EQUAL(libxl_ext_domain_find(ctx, "1", &domid), ERROR_FAIL);
    CU_ASSERT_PTR_NOT_NULL(strstr(said, "xenstored"));
    CU_ASSERT_EQUAL(domid, 77);
    libxl_ext_ctx_free(ctx);
    fake_xen_off();
}

static void found(libxl_ext_ctx *ctx, const char *text, uint32_t want)
{
    uint32_t domid = UINT32_MAX;

    CU_ASSERT_EQUAL(libxl_ext_domain_find(ctx, text, &domid), 0);
    CU_ASSERT_EQUAL(domid, want);
    CU_ASSERT_STRING_EQUAL(libxl_ext_error(ctx), "");
}

static void not_found(libxl_ext_ctx *ctx, const char *text)
{
    uint32_t domid = 77;

    said[0] = '\0';
    CU_ASSERT_EQUAL(libxl_ext_domain_find(ctx, text, &domid),
                    ERROR_DOMAIN_NOTFOUND);
    CU_ASSERT_EQUAL(domid, 77);
    CU_ASSERT_PTR_NOT_NULL(strstr(said, "see xl list"));
}

static void a_domain_by_id_or_name(void)
{
    libxl_ext_ctx *ctx = open_ctx();

    fake_xen_on();
    fake_xen_domain(0, 0, 1000, 1000);
    fake_xen_domain(3, 0, 1000, 1000);
    fake_xen_domain(7, 0, 1000, 1000);
    fake_xen_node("/local/domain/0/name", "Domain-0");
    fake_xen_node("/local/domain/3/name", "7");
    fake_xen_node("/local/domain/7/name", "web");
    found(ctx, "0", 0);
    found(ctx, "Domain-0", 0);
    found(ctx, "web", 7);
    /* Digits are an id, whatever domains are called. */
    found(ctx, "7", 7);
    found(ctx, "007", 7);
    not_found(ctx, "");
    not_found(ctx, "we");
    not_found(ctx, "webb");
    not_found(ctx, "5");
    not_found(ctx, "32752");
    not_found(ctx, "4294967303");               /* 2^32 + 7 */
    not_found(ctx, "18446744073709551623");     /* 2^64 + 7 */
    not_found(ctx, "-7");
    libxl_ext_ctx_free(ctx);
    fake_xen_off();
}

/* More than one answer of the hypercall holds. */
static void the_last_of_many_domains_is_found(void)
{
    libxl_ext_ctx *ctx = open_ctx();
    uint32_t i;

    fake_xen_on();
    for (i = 0; i < 513; i++)
        fake_xen_domain(i, i == 511 ? XEN_DOMINF_dying : 0, 10, 10);
    fake_xen_node("/local/domain/511/name", "last");
    fake_xen_node("/local/domain/512/name", "last");
    found(ctx, "last", 512);
    not_found(ctx, "next");
    libxl_ext_ctx_free(ctx);
    fake_xen_off();
}

static void errno_values_become_codes(void)
{
    CU_ASSERT_EQUAL(lxe__rc(0), 0);
    CU_ASSERT_EQUAL(lxe__rc(ENOMEM), ERROR_NOMEM);
    CU_ASSERT_EQUAL(lxe__rc(EINVAL), ERROR_INVAL);
    CU_ASSERT_EQUAL(lxe__rc(ERANGE), ERROR_INVAL);
    CU_ASSERT_EQUAL(lxe__rc(ESRCH), ERROR_DOMAIN_NOTFOUND);
    CU_ASSERT_EQUAL(lxe__rc(ENOENT), ERROR_NOTFOUND);
    CU_ASSERT_EQUAL(lxe__rc(EBUSY), ERROR_LOCK_FAIL);
    CU_ASSERT_EQUAL(lxe__rc(ETIMEDOUT), ERROR_TIMEDOUT);
    CU_ASSERT_EQUAL(lxe__rc(EINTR), ERROR_ABORTED);
    CU_ASSERT_EQUAL(lxe__rc(EPERM), ERROR_FAIL);
    /* Another guest's name or id: nobody's operation is in the way. */
    CU_ASSERT_EQUAL(lxe__rc(EEXIST), ERROR_FAIL);
}

LXE_SUITE(api_ctx,
    { "making one opens nothing", making_one_opens_nothing },
    { "a version that is not ours is refused",
      a_version_that_is_not_ours_is_refused },
    { "what cannot be opened is one line",
      what_cannot_be_opened_is_one_line },
    { "a domain by id or name", a_domain_by_id_or_name },
    { "the last of many domains is found",
      the_last_of_many_domains_is_found },
    { "a question to a peer needs a libxl_ctx",
      a_question_needs_a_libxl_ctx },
    { "errno values become codes", errno_values_become_codes })
