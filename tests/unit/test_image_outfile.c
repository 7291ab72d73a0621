/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A file that comes into being whole or not at all, with and without a
 * name while it is written.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/digest.h"
#include "image/outfile.h"
#include "files.h"
#include "unit.h"

static char dir[64], path[96];
static struct lxe__err err;

static void begin(void)
{
    snprintf(dir, sizeof(dir), "/tmp/lxe-outfile.XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/out", dir);
    lxe__err_init(&err);
}

/* As text; empty where there is none. */
static const char *contents(void)
{
    static char text[64];
    int fd = open(path, O_RDONLY);
    ssize_t r = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

    text[r < 0 ? 0 : r] = '\0';
    if (fd >= 0)
        close(fd);
    return text;
}

static void end(void)
{
    unlink(path);
    CU_ASSERT_EQUAL(rmdir(dir), 0);
}

static void make_old(const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT, 0644);

    CU_ASSERT_EQUAL(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static int open_it(struct lxe__outfile *f, bool replace, bool named)
{
    return lxe__outfile_open(f, -1, path, replace, named, &err);
}

static void it_is_there_when_it_is_committed(void)
{
    struct lxe__outfile f;
    struct lxe__sum sum;
    int named;

    for (named = 0; named < 2; named++) {
        begin();
        CU_ASSERT_EQUAL_FATAL(open_it(&f, false, named), 0);
        CU_ASSERT_EQUAL(*f.file.temp != '\0', named);
        CU_ASSERT_EQUAL(lxe__outfile_write(&f, "some ", 5, &err), 0);
        CU_ASSERT_EQUAL(lxe__outfile_write(&f, "text", 4, &err), 0);
        sum = lxe__digest_sum(f.digest);
        CU_ASSERT_NOT_EQUAL(sum.low, 0);
        CU_ASSERT_EQUAL(lxe__outfile_patch(&f, 5, "TE", 2, &err), 0);
        CU_ASSERT_EQUAL(access(path, F_OK), -1);
        CU_ASSERT_EQUAL(files_in(dir), named);
        CU_ASSERT_EQUAL(lxe__outfile_commit(&f, &err), 0);
        lxe__outfile_dispose(&f);
        CU_ASSERT_EQUAL(f.written, 9);
        CU_ASSERT_EQUAL(files_in(dir), 1);
        CU_ASSERT_STRING_EQUAL(contents(), "some TExt");
        end();
    }
}

static void nothing_is_there_when_it_is_not(void)
{
    struct lxe__outfile f;
    int named;

    for (named = 0; named < 2; named++) {
        begin();
        CU_ASSERT_EQUAL_FATAL(open_it(&f, false, named), 0);
        CU_ASSERT_EQUAL(lxe__outfile_write(&f, "some", 4, &err), 0);
        CU_ASSERT_EQUAL(lxe__outfile_flush(&f, &err), 0);
        lxe__outfile_dispose(&f);
        lxe__outfile_dispose(&f);
        CU_ASSERT_EQUAL(files_in(dir), 0);
        end();
    }
}

static void an_old_one_is_replaced_whole_or_stays(void)
{
    struct lxe__outfile f;
    int named;

    for (named = 0; named < 2; named++) {
        begin();
        make_old("old");
        CU_ASSERT_EQUAL_FATAL(open_it(&f, true, named), 0);
        CU_ASSERT_EQUAL(lxe__outfile_write(&f, "new", 3, &err), 0);
        lxe__outfile_dispose(&f);
        CU_ASSERT_STRING_EQUAL(contents(), "old");
        CU_ASSERT_EQUAL(files_in(dir), 1);
        CU_ASSERT_EQUAL_FATAL(open_it(&f, true, named), 0);
        CU_ASSERT_EQUAL(lxe__outfile_write(&f, "new", 3, &err), 0);
        CU_ASSERT_EQUAL(lxe__outfile_commit(&f, &err), 0);
        lxe__outfile_dispose(&f);
        CU_ASSERT_STRING_EQUAL(contents(), "new");
        CU_ASSERT_EQUAL(files_in(dir), 1);
        end();
    }
}

/* Made by another while ours was being written. */
static void one_that_came_meanwhile_is_not_replaced(void)
{
    struct lxe__outfile f;
    int named;

    for (named = 0; named < 2; named++) {
        begin();
        CU_ASSERT_EQUAL_FATAL(open_it(&f, false, named), 0);
        make_old("theirs");
        CU_ASSERT_EQUAL(lxe__outfile_commit(&f, &err), -1);
        CU_ASSERT_EQUAL(err.code, EEXIST);
        lxe__outfile_dispose(&f);
        CU_ASSERT_STRING_EQUAL(contents(), "theirs");
        CU_ASSERT_EQUAL(files_in(dir), 1);
        end();
    }
}

static void a_temporary_name_that_is_taken_is_left_alone(void)
{
    char other[128];
    struct lxe__outfile f;
    int fd;

    begin();
    snprintf(other, sizeof(other), "%s/.xl-ext.%ld.0", dir,
             (long)getpid());
    fd = open(other, O_WRONLY | O_CREAT, 0644);
    close(fd);
    CU_ASSERT_EQUAL_FATAL(open_it(&f, false, true), 0);
    CU_ASSERT_EQUAL(files_in(dir), 2);
    lxe__outfile_dispose(&f);
    CU_ASSERT_EQUAL(access(other, F_OK), 0);
    CU_ASSERT_EQUAL(files_in(dir), 1);
    unlink(other);
    end();
}

static void a_readable_stop_fd_ends_it(void)
{
    struct lxe__outfile f;
    int ends[2];

    begin();
    CU_ASSERT_EQUAL_FATAL(pipe(ends), 0);
    CU_ASSERT_EQUAL_FATAL(open_it(&f, false, false), 0);
    f.stop_fd = ends[0];
    CU_ASSERT_EQUAL(lxe__outfile_flush(&f, &err), 0);
    CU_ASSERT_EQUAL(write(ends[1], "!", 1), 1);
    CU_ASSERT_EQUAL(lxe__outfile_commit(&f, &err), -1);
    CU_ASSERT_EQUAL(err.code, ECANCELED);
    lxe__outfile_dispose(&f);
    CU_ASSERT_EQUAL(files_in(dir), 0);
    close(ends[0]);
    close(ends[1]);
    end();
}

/* More than the buffer holds, in steps that do not divide it. */
static void all_octets_arrive_in_order(void)
{
    static uint8_t in[(3 << 20) + 77], out[sizeof(in)];
    struct lxe__outfile f;
    size_t i, n;

    begin();
    for (i = 0; i < sizeof(in); i++)
        in[i] = i * 2654435761U >> 11;
    CU_ASSERT_EQUAL_FATAL(open_it(&f, false, false), 0);
    for (i = 0; i < sizeof(in); i += n) {
        n = sizeof(in) - i < 65521 ? sizeof(in) - i : 65521;
        CU_ASSERT_EQUAL_FATAL(lxe__outfile_write(&f, in + i, n, &err), 0);
    }
    CU_ASSERT_EQUAL(lxe__outfile_flush(&f, &err), 0);
    CU_ASSERT_EQUAL(pread(f.file.fd, out, sizeof(out), 0),
                    (ssize_t)sizeof(out));
    CU_ASSERT_EQUAL(memcmp(in, out, sizeof(in)), 0);
    lxe__outfile_dispose(&f);
    end();
}

LXE_SUITE(image_outfile,
    { "it is there when it is committed",
      it_is_there_when_it_is_committed },
    { "nothing is there when it is not", nothing_is_there_when_it_is_not },
    { "an old one is replaced whole or stays",
      an_old_one_is_replaced_whole_or_stays },
    { "one that came meanwhile is not replaced",
      one_that_came_meanwhile_is_not_replaced },
    { "a temporary name that is taken is left alone",
      a_temporary_name_that_is_taken_is_left_alone },
    { "a readable stop_fd ends it", a_readable_stop_fd_ends_it },
    { "all octets arrive in order", all_octets_arrive_in_order })
