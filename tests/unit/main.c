/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The unit test runner: every suite that was linked in, then one line
 * "N passed, N failed, N skipped" that counts test cases.
 */
#include <CUnit/Basic.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "unit.h"

static struct lxe_suite *suites;

void lxe_suite_add(struct lxe_suite *suite)
{
    struct lxe_suite **at = &suites;

    while (*at)
        at = &(*at)->next;
    *at = suite;
}

int main(void)
{
    const struct lxe_suite *s;
    const struct lxe_case *c;
    unsigned run, failed;

    /* As the programs do: a dead peer is an EPIPE. */
    signal(SIGPIPE, SIG_IGN);
    if (CU_initialize_registry() != CUE_SUCCESS)
        return 2;
    for (s = suites; s; s = s->next) {
        CU_pSuite cs = CU_add_suite(s->name, NULL, NULL);

        if (!cs)
            return 2;
        for (c = s->cases; c->name; c++)
            if (!CU_add_test(cs, c->name, c->fn))
                return 2;
    }
    CU_basic_set_mode(CU_BRM_NORMAL);
    if (CU_basic_run_tests() != CUE_SUCCESS)
        return 2;
    run = CU_get_number_of_tests_run();
    failed = CU_get_number_of_tests_failed();
    CU_cleanup_registry();
    printf("unit: %u passed, %u failed, 0 skipped\n", run - failed,
           failed);
    return failed || !run ? 1 : 0;
}
