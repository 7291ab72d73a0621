/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What may hang, in a process of its own (freeze/task.c).  Any directory
 * will do for a device.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "freeze/device.h"
#include "freeze/task.h"
#include "unit.h"

static char device[] = "/tmp/lxe-device-XXXXXX";

static void set_up(void)
{
    static const char fresh[] = "XXXXXX";

    memcpy(device + sizeof(device) - sizeof(fresh), fresh, sizeof(fresh));
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(device));
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
    rmdir(device);
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
    rmdir(device);
}

static void a_device_that_is_gone(void)
{
    struct lxe__task t;
    struct lxe__err err;
    int ms = 1;

    set_up();
    rmdir(device);
    lxe__err_init(&err);
    CU_ASSERT_EQUAL(lxe__task_start(&t, device, last, &ms, &err), -1);
    CU_ASSERT_EQUAL(err.code, ENODEV);
    CU_ASSERT_EQUAL(t.fd, -1);
    CU_ASSERT_FALSE(lxe__task_busy(device));
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
    rmdir(device);
}

LXE_SUITE(task,
    { "its result is heard", its_result_is_heard },
    { "one is under way at a time", one_is_under_way_at_a_time },
    { "a device that is gone", a_device_that_is_gone },
    { "it holds nothing and is nobody's child",
      it_holds_nothing_and_is_nobodys_child })
