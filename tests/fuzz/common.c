/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What the fuzzed readers share; see common.h.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "common.h"

#define DESCRIPTORS 64

static unsigned open_before;

void fuzz_must(int holds, const char *what, const char *file, int line)
{
    if (holds)
        return;
    fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
    abort();
}

/*----- the bounds of a run -----*/

static void on_hang(int sig)
{
    static const char text[] = "hang: FUZZ_CPU_S seconds of CPU time\n";

    (void)sig;
    if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
        _exit(1);
    abort();
}

static void set_timer(int seconds)
{
    const struct itimerval t = { .it_value.tv_sec = seconds };

    must(setitimer(ITIMER_PROF, &t, NULL) == 0);
}

/* Of the lowest, which are taken first. */
static unsigned count_open(void)
{
    struct pollfd p[DESCRIPTORS];
    unsigned i, n = 0;

    for (i = 0; i < DESCRIPTORS; i++)
        p[i] = (struct pollfd){ .fd = i };
    must(poll(p, DESCRIPTORS, 0) >= 0);
    for (i = 0; i < DESCRIPTORS; i++)
        n += !(p[i].revents & POLLNVAL);
    return n;
}

void fuzz_begin(void)
{
    static int ready;

    if (!ready) {
        /* A reader of ours that has gone is an error code. */
        must(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
        must(signal(SIGPROF, on_hang) != SIG_ERR);
        ready = 1;
    }
    open_before = count_open();
    set_timer(FUZZ_CPU_S);
}

void fuzz_end(void)
{
    struct rusage used;

    set_timer(0);
    must(getrusage(RUSAGE_SELF, &used) == 0);
    must(used.ru_maxrss <= FUZZ_RSS_MB * 1024L);
    must(count_open() == open_before);
}

/*----- inputs -----*/

void fuzz_refused(const struct lxe__err *err)
{
    must(memchr(err->msg, '\0', sizeof(err->msg)) != NULL);
    must(err->code && err->msg[0] && !strchr(err->msg, '\n'));
}

void *fuzz_exact(const void *data, size_t size)
{
    void *copy = malloc(size ? size : 1);

    must(copy != NULL);
    if (size)
        memcpy(copy, data, size);
    return copy;
}

char *fuzz_text(const void *data, size_t size)
{
    char *copy = malloc(size + 1);

    must(copy != NULL);
    if (size)
        memcpy(copy, data, size);
    copy[size] = '\0';
    return copy;
}

int fuzz_file(const void *data, size_t size)
{
    int fd = memfd_create("input", MFD_CLOEXEC);

    must(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    must(lseek(fd, 0, SEEK_SET) == 0);
    return fd;
}

int fuzz_pipe(const void *data, size_t size)
{
    int ends[2];

    must(size <= FUZZ_PIPE_ROOM && pipe(ends) == 0);
    must(write(ends[1], data, size) == (ssize_t)size);
    close(ends[1]);
    return ends[0];
}

void *fuzz_whole(int fd, size_t *len_r)
{
    struct stat st;
    void *all;

    must(fstat(fd, &st) == 0);
    all = malloc(st.st_size ? st.st_size : 1);
    must(all && pread(fd, all, st.st_size, 0) == st.st_size);
    *len_r = st.st_size;
    return all;
}
