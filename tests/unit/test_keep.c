/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * An image that was removed, and is put back whole or not at all.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "helper/keep.h"
#include "files.h"
#include "unit.h"

#define LEN ((2U << 20) + 77)   /* more than the buffer, and no multiple */

static char dir[64], path[96];
static uint8_t data[LEN], back[LEN + 1];
static struct lxe__keep k;
static struct lxe__err err;

/* An image at path, read up to @at; its descriptor is kept. */
static int begin(off_t at)
{
    size_t i;
    int fd;

    snprintf(dir, sizeof(dir), "/tmp/lxe-keep.XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/web.save", dir);
    for (i = 0; i < LEN; i++)
        data[i] = i * 2654435761U >> 11;
    fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(fchmod(fd, 0640), 0);
    CU_ASSERT_EQUAL(write(fd, data, LEN), (ssize_t)LEN);
    CU_ASSERT_EQUAL(lseek(fd, at, SEEK_SET), at);
    lxe__err_init(&err);
    lxe__keep_init(&k);
    lxe__keep_begin(&k, fd);
    return fd;
}

static void end(int fd)
{
    lxe__keep_end(&k);
    close(fd);
    unlink(path);
    CU_ASSERT_EQUAL(rmdir(dir), 0);
}

static void all_of_it_is_put_back(void)
{
    int fd = begin(4711), there;
    struct stat st;

    CU_ASSERT_EQUAL(unlink(path), 0);
    CU_ASSERT_EQUAL(lxe__keep_put_back(&k, &err), 1);
    CU_ASSERT_EQUAL(err.code, 0);
    CU_ASSERT_STRING_EQUAL(k.path, path);
    there = open(path, O_RDONLY);
    CU_ASSERT_EQUAL(read(there, back, sizeof(back)), (ssize_t)LEN);
    CU_ASSERT_EQUAL(memcmp(back, data, LEN), 0);
    CU_ASSERT_EQUAL(fstat(there, &st), 0);
    CU_ASSERT_EQUAL(st.st_mode & 07777, 0640);
    CU_ASSERT_EQUAL(st.st_uid, getuid());
    close(there);
    /* What the caller does with its descriptor is not touched. */
    CU_ASSERT_EQUAL(lseek(fd, 0, SEEK_CUR), 4711);
    CU_ASSERT_EQUAL(files_in(dir), 1);
    end(fd);
}

static void one_with_a_name_is_left_alone(void)
{
    int fd = begin(0);

    CU_ASSERT_EQUAL(lxe__keep_put_back(&k, &err), 0);
    CU_ASSERT_EQUAL(err.code, 0);
    end(fd);
}

static void a_name_that_ends_as_that_of_a_removed_one(void)
{
    char to[128];
    int fd = begin(0);

    snprintf(to, sizeof(to), "%s/web (deleted)", dir);
    CU_ASSERT_EQUAL(rename(path, to), 0);
    CU_ASSERT_EQUAL(lxe__keep_put_back(&k, &err), 0);
    CU_ASSERT_EQUAL(unlink(to), 0);
    CU_ASSERT_EQUAL(lxe__keep_put_back(&k, &err), 1);
    CU_ASSERT_STRING_EQUAL(k.path, to);
    CU_ASSERT_EQUAL(unlink(to), 0);
    end(fd);
}

static void what_is_no_regular_file_is_left_alone(void)
{
    int ends[2];

    CU_ASSERT_EQUAL_FATAL(pipe(ends), 0);
    lxe__err_init(&err);
    lxe__keep_init(&k);
    lxe__keep_begin(&k, ends[0]);
    CU_ASSERT_EQUAL(k.fd, -1);
    CU_ASSERT_EQUAL(lxe__keep_put_back(&k, &err), 0);
    lxe__keep_end(&k);
    close(ends[0]);
    close(ends[1]);
}

static void what_never_had_a_name_gets_none(void)
{
    int fd = memfd_create("web", MFD_CLOEXEC);

    lxe__err_init(&err);
    lxe__keep_init(&k);
    lxe__keep_begin(&k, fd);
    CU_ASSERT_EQUAL(lxe__keep_put_back(&k, &err), 0);
    lxe__keep_end(&k);
    close(fd);
}

static void a_full_disk_leaves_nothing(void)
{
    struct rlimit was, now;
    int fd = begin(0);

    CU_ASSERT_EQUAL(unlink(path), 0);
    signal(SIGXFSZ, SIG_IGN);
    CU_ASSERT_EQUAL(getrlimit(RLIMIT_FSIZE, &was), 0);
    now = was;
    now.rlim_cur = LEN - 1;
    CU_ASSERT_EQUAL(setrlimit(RLIMIT_FSIZE, &now), 0);
    CU_ASSERT_EQUAL(lxe__keep_put_back(&k, &err), -1);
    CU_ASSERT_EQUAL(setrlimit(RLIMIT_FSIZE, &was), 0);
    signal(SIGXFSZ, SIG_DFL);
    CU_ASSERT_EQUAL(err.code, EFBIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, "writing at byte 2097152 of "));
    CU_ASSERT_EQUAL(files_in(dir), 0);
    /* With room it can be done yet. */
    lxe__err_init(&err);
    CU_ASSERT_EQUAL(lxe__keep_put_back(&k, &err), 1);
    end(fd);
}

static void what_has_the_name_is_not_replaced(void)
{
    int fd = begin(0), there;
    struct stat st;

    CU_ASSERT_EQUAL(unlink(path), 0);
    there = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    close(there);
    CU_ASSERT_EQUAL(lxe__keep_put_back(&k, &err), -1);
    CU_ASSERT_EQUAL(err.code, EEXIST);
    CU_ASSERT_EQUAL(stat(path, &st), 0);
    CU_ASSERT_EQUAL(st.st_size, 0);
    CU_ASSERT_EQUAL(files_in(dir), 1);
    end(fd);
}

static void sigterm_lets_the_stream_end(void)
{
    char byte;
    int fd = begin(0);

    CU_ASSERT_EQUAL(unlink(path), 0);
    CU_ASSERT_FALSE(*lxe__keep_stop());
    CU_ASSERT_EQUAL(read(fd, &byte, 1), 1);
    raise(SIGTERM);
    CU_ASSERT_TRUE(*lxe__keep_stop());
    CU_ASSERT_EQUAL(read(fd, &byte, 1), 0);
    CU_ASSERT_EQUAL(lxe__keep_put_back(&k, &err), 1);
    raise(SIGTERM);
    end(fd);
}

LXE_SUITE(keep,
    { "all of it is put back", all_of_it_is_put_back },
    { "one with a name is left alone", one_with_a_name_is_left_alone },
    { "a name that ends as that of a removed one",
      a_name_that_ends_as_that_of_a_removed_one },
    { "what is no regular file is left alone",
      what_is_no_regular_file_is_left_alone },
    { "what never had a name gets none", what_never_had_a_name_gets_none },
    { "a full disk leaves nothing", a_full_disk_leaves_nothing },
    { "what has the name is not replaced",
      what_has_the_name_is_not_replaced },
    { "SIGTERM lets the stream end", sigterm_lets_the_stream_end })
