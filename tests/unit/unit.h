/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * How a unit test file joins the runner: it defines its cases and ends
 * with LXE_SUITE(name, {"case", fn}, ...).  One behaviour per case,
 * named for it; one file per source file under test.
 */
#ifndef LXE_TESTS_UNIT_H
#define LXE_TESTS_UNIT_H

#include <CUnit/CUnit.h>

struct lxe_case {
    const char *name;
    void (*fn)(void);
};

struct lxe_suite {
    const char *name;
    const struct lxe_case *cases;   /* ends with a NULL name */
    struct lxe_suite *next;
};

void lxe_suite_add(struct lxe_suite *suite);

#define LXE_SUITE(suite, ...)                                           \
    static const struct lxe_case suite##_cases[] = {                    \
        __VA_ARGS__, { 0 }                                              \
    };                                                                  \
    static struct lxe_suite suite##_suite = {                           \
        .name = #suite, .cases = suite##_cases,                         \
    };                                                                  \
    __attribute__((constructor)) static void suite##_join(void)         \
    {                                                                   \
        lxe_suite_add(&suite##_suite);                                  \
    }

#endif
