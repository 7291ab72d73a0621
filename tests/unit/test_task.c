/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What may hang, in a process of its own (freeze/task.c).
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/rundir.h"
#include "freeze/task.h"
#include "unit.h"

static const char device[] = "vbd-3-51712";
static char rundir[64];

static void set_up(void)
{
    strcpy(rundir, "/tmp/lxe-task-XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(rundir));
    setenv(LXE_RUNDIR_ENV, rundir, 1);
}

/* Nothing is left but the file of the locks, which is empty. */
static void clean_up(void)
{
    char path[96];
    struct stat st;

    snprintf(path, sizeof(path), "%s/.devices", rundir);
    if (!stat(path, &st)) {
        CU_ASSERT_EQUAL(st.st_size, 0);
        CU_ASSERT_EQUAL(st.st_mode & 0777, 0600);
        unlink(path);
    }
    CU_ASSERT_EQUAL(rmdir(rundir), 0);
    unsetenv(LXE_RUNDIR_ENV);
}

static int give(const void *data)
{
    return *(const int *)data;
}

static int last(const void *data)
{
    lxe__sleep_ms(*(const int *)data);
    return 0;
}

static int be_killed(const void *data)
{
    (void)data;
    raise(SIGKILL);
    return 0;
}

static int run(lxe__task_fn *work, int data)
{
    struct lxe__task t;
    int result = -1;

    CU_ASSERT_EQUAL_FATAL(lxe__task_start(&t, device, work, &data, NULL),
                          0);
    CU_ASSERT_TRUE(lxe__task_ended(&t, 10000, &result));
    CU_ASSERT_EQUAL(t.fd, -1);
    return result;
}

static void its_result_is_heard(void)
{
    set_up();
    CU_ASSERT_EQUAL(run(give, 0), 0);
    CU_ASSERT_EQUAL(run(give, ENODEV), ENODEV);
    CU_ASSERT_EQUAL(run(give, -0x300), -0x300);
    CU_ASSERT_EQUAL(run(be_killed, 0), ECHILD);
    clean_up();
}

/* Without a moment in which somebody could begin another. */
static void one_is_under_way_at_a_time(void)
{
    struct lxe__task t, second;
    struct lxe__err err;
    int ms = 400, result;

    set_up();
    CU_ASSERT_FALSE(lxe__task_busy(device));
    CU_ASSERT_EQUAL_FATAL(lxe__task_start(&t, device, last, &ms, NULL), 0);
    CU_ASSERT_TRUE(lxe__task_busy(device));
    lxe__err_init(&err);
    CU_ASSERT_EQUAL(lxe__task_start(&second, device, last, &ms, &err), -1);
    CU_ASSERT_EQUAL(err.code, EBUSY);
    CU_ASSERT_FALSE(lxe__task_ended(&t, 0, &result));
    /* Left, it is as busy as ever. */
    lxe__task_leave(&t);
    CU_ASSERT_TRUE(lxe__task_busy(device));
    lxe__sleep_ms(1000);
    CU_ASSERT_FALSE(lxe__task_busy(device));
    /* And with its result it is so no more. */
    ms = 1;
    CU_ASSERT_EQUAL(run(last, ms), 0);
    CU_ASSERT_FALSE(lxe__task_busy(device));
    clean_up();
}

static void the_lock_of_one_device_is_not_anothers(void)
{
    static const char *const others[] = {
        "vif-3-51712", "vbd-3-51713", "vbd-4-51712", "vbd-3-5171",
        "vbd-3-0", "vbd-32751-4294967295", "vif-32751-4294967295",
    };
    struct lxe__task t, other;
    int ms = 5000, zero = 0, result;
    size_t i;

    set_up();
    CU_ASSERT_EQUAL_FATAL(lxe__task_start(&t, device, last, &ms, NULL), 0);
    for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        CU_ASSERT_FALSE(lxe__task_busy(others[i]));
        CU_ASSERT_EQUAL(lxe__task_start(&other, others[i], give, &zero,
                                        NULL), 0);
        CU_ASSERT_TRUE(lxe__task_ended(&other, 10000, &result));
    }
    CU_ASSERT_TRUE(lxe__task_busy(device));
    CU_ASSERT_TRUE(lxe__task_ended(&t, 10000, &result));
    clean_up();
}

/* It is not looked for by being taken. */
static void who_looks_is_in_nobodys_way(void)
{
    struct lxe__task t;
    int ms = 1, i, result;
    pid_t pid;

    set_up();
    CU_ASSERT_EQUAL(run(give, 0), 0);
    pid = fork();
    if (!pid)
        for (;;)
            lxe__task_busy(device);
    for (i = 0; i < 200; i++) {
        CU_ASSERT_EQUAL_FATAL(lxe__task_start(&t, device, give, &ms, NULL),
                              0);
        CU_ASSERT_TRUE(lxe__task_ended(&t, 10000, &result));
    }
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    clean_up();
}

/* One that died by a signal has left nothing. */
static void a_task_that_is_killed(void)
{
    struct lxe__task t;
    int ms = 1, result;

    set_up();
    CU_ASSERT_EQUAL_FATAL(lxe__task_start(&t, device, be_killed, &ms,
                                          NULL), 0);
    CU_ASSERT_TRUE(lxe__task_ended(&t, 10000, &result));
    CU_ASSERT_FALSE(lxe__task_busy(device));
    CU_ASSERT_EQUAL(run(give, 0), 0);
    clean_up();
}

static void what_has_no_lock(void)
{
    static const char *const names[] = {
        "", "vbd", "vbd-3", "vbd-3-", "qdisk-3-51712", "vbd-3-51712x",
        "vbd-333333-1", "vbd-3-99999999999", "vfb-3-0",
    };
    struct lxe__err err;
    struct lxe__task t;
    int ms = 1;
    size_t i;

    set_up();
    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        lxe__err_init(&err);
        CU_ASSERT_EQUAL(lxe__task_start(&t, names[i], last, &ms, &err),
                        -1);
        CU_ASSERT_EQUAL(err.code, EINVAL);
        CU_ASSERT_EQUAL(t.fd, -1);
    }
    /* Nor is there a place for locks; it is made by who takes one. */
    CU_ASSERT_FALSE(lxe__task_busy(device));
    CU_ASSERT_EQUAL(rmdir(rundir), 0);
    CU_ASSERT_FALSE(lxe__task_busy(device));
    CU_ASSERT_EQUAL(run(give, 0), 0);
    clean_up();
}

/* Where it cannot be told, nothing is begun. */
static void without_descriptors_all_are_busy(void)
{
    struct rlimit before, none;
    struct lxe__err err;
    struct lxe__task t;
    int ms = 1;

    set_up();
    CU_ASSERT_EQUAL(run(give, 0), 0);
    CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 0;
    setrlimit(RLIMIT_NOFILE, &none);
    lxe__err_init(&err);
    CU_ASSERT_TRUE(lxe__task_busy(device));
    CU_ASSERT_EQUAL(lxe__task_start(&t, device, last, &ms, &err), -1);
    setrlimit(RLIMIT_NOFILE, &before);
    CU_ASSERT_EQUAL(err.code, EMFILE);
    clean_up();
}

static void a_wait_that_ends(void)
{
    volatile sig_atomic_t stop = 1;
    struct lxe__task t;
    int ms = 600, result;
    double start;

    set_up();
    CU_ASSERT_EQUAL_FATAL(lxe__task_start(&t, device, last, &ms, NULL), 0);
    start = lxe__now_ms();
    CU_ASSERT_EQUAL(lxe__task_wait(&t, start + 100, NULL, &result), -1);
    CU_ASSERT_EQUAL(errno, ETIMEDOUT);
    CU_ASSERT_TRUE(lxe__now_ms() < start + 500);
    CU_ASSERT_EQUAL(t.fd, -1);
    lxe__sleep_ms(1000);
    CU_ASSERT_EQUAL_FATAL(lxe__task_start(&t, device, last, &ms, NULL), 0);
    CU_ASSERT_EQUAL(lxe__task_wait(&t, lxe__now_ms() + 10000, &stop,
                                   &result), -1);
    CU_ASSERT_EQUAL(errno, EINTR);
    lxe__sleep_ms(1000);
    ms = 1;
    CU_ASSERT_EQUAL_FATAL(lxe__task_start(&t, device, last, &ms, NULL), 0);
    CU_ASSERT_EQUAL(lxe__task_wait(&t, lxe__now_ms() + 10000, NULL,
                                   &result), 0);
    CU_ASSERT_EQUAL(result, 0);
    clean_up();
}

/* A stuck one must not keep the stream open, nor be waited for. */
static void it_holds_nothing_and_is_nobodys_child(void)
{
    struct pollfd end = { .events = POLLIN };
    struct lxe__task t;
    int p[2], ms = 500, result;

    set_up();
    CU_ASSERT_EQUAL_FATAL(pipe(p), 0);
    CU_ASSERT_EQUAL_FATAL(lxe__task_start(&t, device, last, &ms, NULL), 0);
    CU_ASSERT_EQUAL(waitpid(-1, NULL, WNOHANG), -1);
    close(p[1]);
    end.fd = p[0];
    CU_ASSERT_EQUAL(poll(&end, 1, 300), 1);
    CU_ASSERT_EQUAL(end.revents, POLLHUP);
    CU_ASSERT_TRUE(lxe__task_ended(&t, 10000, &result));
    CU_ASSERT_EQUAL(result, 0);
    close(p[0]);
    clean_up();
}

/* The process of a task that waits: it has the file of the locks open. */
static pid_t waiting_task(void)
{
    char file[96], path[64], target[96];
    struct dirent *d;
    pid_t pid = 0;
    ssize_t n;
    DIR *proc;

    lxe__sleep_ms(300);
    snprintf(file, sizeof(file), "%s/.devices", rundir);
    proc = opendir("/proc");
    CU_ASSERT_PTR_NOT_NULL_FATAL(proc);
    while (!pid && (d = readdir(proc))) {
        snprintf(path, sizeof(path), "/proc/%.16s/fd/4", d->d_name);
        n = readlink(path, target, sizeof(target) - 1);
        if (n < 0 || atoi(d->d_name) == getpid())
            continue;
        target[n] = '\0';
        if (!strcmp(target, file))
            pid = atoi(d->d_name);
    }
    closedir(proc);
    CU_ASSERT_FATAL(pid > 0);
    return pid;
}

static bool is_gone(pid_t pid)
{
    int ms;

    for (ms = 0; ms < 5000; ms += 10) {
        if (kill(pid, 0) && errno == ESRCH)
            return true;
        lxe__sleep_ms(10);
    }
    return false;
}

/* The lock is from the word on, and not before. */
static void one_that_was_made_ready(void)
{
    int ms = 300, result = -1;
    struct lxe__task t;

    set_up();
    CU_ASSERT_EQUAL_FATAL(lxe__task_ready(&t, device, last, &ms, NULL), 0);
    ms = 0;     /* it has its own */
    CU_ASSERT_FALSE(lxe__task_busy(device));
    CU_ASSERT_FALSE(lxe__task_ended(&t, 500, &result));
    CU_ASSERT_EQUAL(run(give, 0), 0);
    CU_ASSERT_TRUE_FATAL(lxe__task_go(&t));
    CU_ASSERT_TRUE(lxe__task_busy(device));
    CU_ASSERT_FALSE(lxe__task_go(&t));
    CU_ASSERT_TRUE(lxe__task_ended(&t, 10000, &result));
    CU_ASSERT_EQUAL(result, 0);
    CU_ASSERT_FALSE(lxe__task_busy(device));
    CU_ASSERT_FALSE(lxe__task_go(&t));
    clean_up();
}

static void one_that_gets_no_word(void)
{
    struct lxe__task t, other;
    int ms = 300, result;
    pid_t pid;

    set_up();
    CU_ASSERT_EQUAL_FATAL(lxe__task_ready(&t, device, last, &ms, NULL), 0);
    pid = waiting_task();
    lxe__task_leave(&t);
    CU_ASSERT_TRUE(is_gone(pid));
    /* The device is busy: it is not begun, and ends. */
    CU_ASSERT_EQUAL_FATAL(lxe__task_ready(&t, device, last, &ms, NULL), 0);
    pid = waiting_task();
    CU_ASSERT_EQUAL_FATAL(lxe__task_start(&other, device, last, &ms, NULL),
                          0);
    CU_ASSERT_FALSE(lxe__task_go(&t));
    CU_ASSERT_EQUAL(t.fd, -1);
    CU_ASSERT_TRUE(is_gone(pid));
    CU_ASSERT_TRUE(lxe__task_ended(&other, 10000, &result));
    /* It was killed: another can be begun at once. */
    CU_ASSERT_EQUAL_FATAL(lxe__task_ready(&t, device, last, &ms, NULL), 0);
    pid = waiting_task();
    kill(pid, SIGKILL);
    CU_ASSERT_TRUE(is_gone(pid));
    CU_ASSERT_FALSE(lxe__task_go(&t));
    CU_ASSERT_FALSE(lxe__task_busy(device));
    CU_ASSERT_EQUAL(run(give, 7), 7);
    clean_up();
}

/* A fork of its starter's has its descriptors, too: see take_lock(). */
static void what_others_have_of_it(void)
{
    struct lxe__task t;
    int ms = 1, result = -1;
    pid_t pid;

    set_up();
    CU_ASSERT_EQUAL_FATAL(lxe__task_ready(&t, device, last, &ms, NULL), 0);
    pid = fork();
    if (!pid) {
        pause();
        _exit(0);
    }
    CU_ASSERT_TRUE_FATAL(lxe__task_go(&t));
    CU_ASSERT_TRUE(lxe__task_ended(&t, 10000, &result));
    CU_ASSERT_EQUAL(result, 0);
    CU_ASSERT_FALSE(lxe__task_busy(device));
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    /* What is no word begins nothing. */
    CU_ASSERT_EQUAL_FATAL(lxe__task_ready(&t, device, last, &ms, NULL), 0);
    CU_ASSERT_EQUAL(write(t.fd, "freeze: ", 8), 8);
    CU_ASSERT_TRUE(lxe__task_ended(&t, 10000, &result));
    CU_ASSERT_EQUAL(result, ECHILD);
    clean_up();
}

LXE_SUITE(task,
    { "its result is heard", its_result_is_heard },
    { "one is under way at a time", one_is_under_way_at_a_time },
    { "the lock of one device is not another's",
      the_lock_of_one_device_is_not_anothers },
    { "who looks is in nobody's way", who_looks_is_in_nobodys_way },
    { "a task that is killed", a_task_that_is_killed },
    { "what has no lock", what_has_no_lock },
    { "without descriptors all are busy",
      without_descriptors_all_are_busy },
    { "a wait that ends", a_wait_that_ends },
    { "one that was made ready", one_that_was_made_ready },
    { "one that gets no word", one_that_gets_no_word },
    { "what others have of it", what_others_have_of_it },
    { "it holds nothing and is nobody's child",
      it_holds_nothing_and_is_nobodys_child })
