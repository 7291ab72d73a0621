/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Random values for the tests generated from idl/; see fill.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fill.h"

/* splitmix64: any seed will do, 0 too. */
static uint64_t next(void)
{
    static uint64_t state;
    static int seeded;
    uint64_t z;

    if (!seeded) {
        const char *set = getenv("LXE_TEST_SEED");

        state = set ? strtoull(set, NULL, 0) : (uint64_t)time(NULL);
        seeded = 1;
        printf("\n  seed %llu (LXE_TEST_SEED repeats it)\n",
               (unsigned long long)state);
    }
    z = state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

uint64_t lxe_fill_uint(uint64_t min, uint64_t max)
{
    uint64_t n = next(), range = max - min + 1;

    switch (n % 8) {
    case 0:
        return min;
    case 1:
        return max;
    default:
        n = next();
        return range ? min + n % range : n;
    }
}

void lxe_fill_octets(void *to, size_t len)
{
    uint8_t *at = to;

    while (len--)
        *at++ = next() >> 56;
}

char *lxe_fill_string(void)
{
    static const char *const pieces[] = {
        "", "a", "vbd-3-51712", "\"", "\\", "/", "\\u0000", "\n", "\x1b",
        "\x7f", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x90\xa7", "[{", " ",
    };
    uint64_t n = lxe_fill_uint(0, 8);
    char *s;

    if (n == 8)
        return NULL;
    s = calloc(1, n * 16 + 1);
    while (s && n--)
        strcat(s, pieces[next() % (sizeof(pieces) / sizeof(pieces[0]))]);
    return s;
}

/*
 * The linker sends calloc, realloc and strdup here: --wrap, see the
 * Makefile.
 */
void *__real_calloc(size_t nr, size_t size);
void *__real_realloc(void *old, size_t size);
char *__real_strdup(const char *s);
void *__wrap_calloc(size_t nr, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *s);

static int armed, left;

static int fails(void)
{
    if (!armed || left-- != 0)
        return 0;
    errno = ENOMEM;
    return 1;
}

void *__wrap_calloc(size_t nr, size_t size)
{
    return fails() ? NULL : __real_calloc(nr, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return fails() ? NULL : __real_realloc(old, size);
}

char *__wrap_strdup(const char *s)
{
    return fails() ? NULL : __real_strdup(s);
}

void lxe_fill_fail_after(unsigned n)
{
    armed = 1;
    left = n;
}

int lxe_fill_failed(void)
{
    int failed = armed && left < 0;

    armed = 0;
    return failed;
}
