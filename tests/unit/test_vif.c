/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The hotplug script, as the helper runs it when a save has failed
 * (freeze/vif.c).
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "freeze/device.h"
#include "unit.h"

static void write_script(char *path, const char *text)
{
    int fd = mkstemp(path);

    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    CU_ASSERT_EQUAL(fchmod(fd, 0700), 0);
    close(fd);
}

/* Runs @text with @out as standard output; what there is of ours beside. */
static int run(const char *text, int out)
{
    struct lxe__jentry e = {
        .undo = LXE_UNDO_UNBIND, .name = "vif-5-0", .driver = "vif",
        .vif = "vif5.0", .script = "/tmp/lxe-script-XXXXXX",
    };
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    int saved_out, saved_err, rc;
    struct lxe__err err;

    write_script(e.script, text);
    lxe__err_init(&err);
    fflush(stdout);
    saved_out = fcntl(1, F_DUPFD_CLOEXEC, 3);
    saved_err = fcntl(2, F_DUPFD_CLOEXEC, 3);
    dup2(out, 1);
    dup2(null, 2);
    rc = lxe__vif_online(&e, "/local/domain/0/backend/vif/5/0", 10000,
                         &err);
    dup2(saved_out, 1);
    dup2(saved_err, 2);
    close(saved_out);
    close(saved_err);
    close(null);
    unlink(e.script);
    return rc;
}

/* The helper's standard output is its protocol with libxl. */
static void what_a_script_prints_is_not_for_libxl(void)
{
    char got[8];
    int p[2];

    CU_ASSERT_EQUAL_FATAL(pipe2(p, O_CLOEXEC), 0);
    CU_ASSERT_EQUAL(run("#!/bin/sh\necho noise\n", p[1]), 0);
    close(p[1]);
    CU_ASSERT_EQUAL(read(p[0], got, sizeof(got)), 0);
    close(p[0]);
}

/* A daemon that it starts must not keep the stream open. */
static void what_a_script_leaves_holds_nothing(void)
{
    struct pollfd end = { .events = POLLIN };
    int p[2];

    CU_ASSERT_EQUAL_FATAL(pipe(p), 0);
    CU_ASSERT_EQUAL(run("#!/bin/sh\nsleep 2 &\n", p[1]), 0);
    close(p[1]);
    end.fd = p[0];
    CU_ASSERT_EQUAL(poll(&end, 1, 500), 1);
    CU_ASSERT_EQUAL(end.revents, POLLHUP);
    close(p[0]);
}

LXE_SUITE(vif,
    { "what a script prints is not for libxl",
      what_a_script_prints_is_not_for_libxl },
    { "what a script leaves holds nothing",
      what_a_script_leaves_holds_nothing })
