/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Random values for the tests generated from idl/.  The seed is printed
 * at the first use; LXE_TEST_SEED=N repeats a run.
 */
#ifndef LXE_TESTS_FILL_H
#define LXE_TESTS_FILL_H

#include <stddef.h>
#include <stdint.h>

#define LXE_FILL_ROUNDS 200     /* per type */

/* Within the bounds; one of the bounds in a quarter of all cases. */
uint64_t lxe_fill_uint(uint64_t min, uint64_t max);

void lxe_fill_octets(void *to, size_t len);

/*
 * malloc'd UTF-8, at times empty, at times NULL; with quotes, slashes,
 * control characters and characters of two to four octets.
 */
char *lxe_fill_string(void);

/*
 * After @n more calls of calloc, realloc and strdup from what is linked
 * into the runner the next one fails; lxe_fill_failed() says whether it
 * came to that, and ends it.
 */
void lxe_fill_fail_after(unsigned n);
int lxe_fill_failed(void);

#endif
