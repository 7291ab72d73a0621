/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Processes that outlive their maker (base/program.c).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/program.h"
#include "unit.h"

/* What the caller is told, where its user may have @nr processes. */
static int told_with(int nr)
{
    const struct rlimit limit = { nr, nr };
    int status, r;
    pid_t pid = fork();

    if (!pid) {
        /* A user whom nobody else is; no limit holds for root. */
        if (!geteuid() && setuid(1000000000 + getpid()))
            _exit(255);
        if (setrlimit(RLIMIT_NPROC, &limit))
            _exit(255);
        r = lxe__program_fork();
        _exit(r < 0 ? errno : r ? 0 : 255);
    }
    if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
        return 255;
    return WEXITSTATUS(status);
}

static void a_fork_that_fails_is_heard_of(void)
{
    CU_ASSERT_EQUAL(told_with(1), EAGAIN);
    CU_ASSERT_EQUAL(told_with(2), EAGAIN);
    /* With the maker's other processes, if it is not root's. */
    CU_ASSERT_EQUAL(told_with(geteuid() ? 1000000 : 3), 0);
}

static void it_is_nobodys_child(void)
{
    pid_t its[4];
    int fds[2], r;

    CU_ASSERT_EQUAL_FATAL(pipe(fds), 0);
    r = lxe__program_fork();
    if (!r) {
        its[0] = getpid();
        its[1] = getsid(0);
        its[2] = getpgrp();
        its[3] = getppid();
        _exit(write(fds[1], its, sizeof(its)) != sizeof(its));
    }
    CU_ASSERT_EQUAL_FATAL(r, 1);
    CU_ASSERT_EQUAL_FATAL(read(fds[0], its, sizeof(its)), sizeof(its));
    CU_ASSERT_NOT_EQUAL(its[0], getpid());
    /* Its own, not of a process that has ended: see program.h. */
    CU_ASSERT_EQUAL(its[1], its[0]);
    CU_ASSERT_EQUAL(its[2], its[0]);
    CU_ASSERT_NOT_EQUAL(its[3], getpid());
    /* It is nothing that somebody could wait for, or has to. */
    CU_ASSERT_EQUAL(waitpid(-1, NULL, WNOHANG), -1);
    CU_ASSERT_EQUAL(errno, ECHILD);
    close(fds[0]);
    close(fds[1]);
}

LXE_SUITE(program,
    { "a fork that fails is heard of", a_fork_that_fails_is_heard_of },
    { "it is nobody's child", it_is_nobodys_child })
