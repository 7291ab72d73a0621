/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What the fuzzed readers share: the bounds of one run, and inputs as
 * files, pipes and copies of exact size.
 *
 * A run that takes more than FUZZ_CPU_S seconds of CPU time is a hang,
 * whatever else the machine has to do; one after which the process has
 * had more than FUZZ_RSS_MB of memory, or has another descriptor open
 * than before, is a find as well.  Both engines see each as an abort(3).
 */
#ifndef LXE_TESTS_FUZZ_COMMON_H
#define LXE_TESTS_FUZZ_COMMON_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define FUZZ_CPU_S  10
#define FUZZ_RSS_MB 256

/* Linux's default for a pipe: more would wait for a reader. */
#define FUZZ_PIPE_ROOM 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* First and last in each run. */
void fuzz_begin(void);
void fuzz_end(void);

#define must(holds) fuzz_must(!!(holds), #holds, __FILE__, __LINE__)
void fuzz_must(int holds, const char *what, const char *file, int line);

/* It failed: one line says why. */
void fuzz_refused(const struct lxe__err *err);

/* A copy of exact size, so that an octet read after it is seen. */
void *fuzz_exact(const void *data, size_t size);
/* The same with a NUL after it. */
char *fuzz_text(const void *data, size_t size);

/* At its start; and one of at most FUZZ_PIPE_ROOM octets. */
int fuzz_file(const void *data, size_t size);
int fuzz_pipe(const void *data, size_t size);

/* All of a file, from its start; *len_r octets, free(3). */
void *fuzz_whole(int fd, size_t *len_r);

/* The first octet of an input, which says what the rest is for. */
static inline uint8_t fuzz_choice(const uint8_t **data, size_t *size)
{
    if (!*size)
        return 0;
    --*size;
    return *(*data)++;
}

#endif
