/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The bytes of an image: file and pipe hand out the same, whatever is
 * peeked at, skipped and kept.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "image/source.h"
#include "unit.h"

#define LEN (3U << 20)

static uint8_t octet(uint64_t at)
{
    return (at * 2654435761U) >> 13;
}

static void *write_all(void *fd_)
{
    static uint8_t all[LEN];
    int fd = *(int *)fd_;
    size_t i;

    for (i = 0; i < LEN; i++)
        all[i] = octet(i);
    lxe__write_full(fd, all, LEN);
    close(fd);
    return NULL;
}

static void on_pipe(void (*fn)(struct lxe__source *s), bool sparse,
                    int flags)
{
    struct lxe__source s;
    struct lxe__err err;
    pthread_t writer;
    int ends[2];

    CU_ASSERT_EQUAL_FATAL(pipe(ends), 0);
    CU_ASSERT_EQUAL_FATAL(fcntl(ends[0], F_SETFL, flags), 0);
    lxe__err_init(&err);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&writer, NULL, write_all,
                                         &ends[1]), 0);
    CU_ASSERT_EQUAL_FATAL(lxe__source_init(&s, ends[0], sparse, &err), 0);
    CU_ASSERT_FALSE(s.is_file);
    fn(&s);
    lxe__source_dispose(&s);
    close(ends[0]);
    pthread_join(writer, NULL);
}

/*
 * Runs @fn on a file of LEN octets, then on pipes with the same, of which
 * one does not wait.
 */
static void on_both(void (*fn)(struct lxe__source *s), bool sparse)
{
    char path[] = "/tmp/lxe-source.XXXXXX";
    int fd = mkstemp(path), copy;
    struct lxe__source s;
    struct lxe__err err;

    CU_ASSERT_FATAL(fd >= 0);
    unlink(path);
    copy = dup(fd);
    write_all(&copy);
    CU_ASSERT_EQUAL(lseek(fd, 0, SEEK_SET), 0);
    lxe__err_init(&err);
    CU_ASSERT_EQUAL_FATAL(lxe__source_init(&s, fd, sparse, &err), 0);
    CU_ASSERT_TRUE(s.is_file);
    fn(&s);
    lxe__source_dispose(&s);
    close(fd);

    on_pipe(fn, sparse, 0);
    on_pipe(fn, sparse, O_NONBLOCK);
}

static void peek(struct lxe__source *s, size_t len, size_t want)
{
    struct lxe__err err;
    const uint8_t *p;
    size_t have, i;

    lxe__err_init(&err);
    p = lxe__source_peek(s, len, &have, &err);
    CU_ASSERT_PTR_NOT_NULL_FATAL(p);
    CU_ASSERT_EQUAL(have, want);
    for (i = 0; i < have && p[i] == octet(s->offset + i); i++)
        ;
    CU_ASSERT_EQUAL(i, have);
}

static void walk(struct lxe__source *s)
{
    size_t step = 1;

    while (s->offset + step <= LEN) {
        peek(s, step, step);
        lxe__source_advance(s, step / 2 + 1);
        step = step * 7 % 65521 + 1;
    }
    peek(s, LXE_SOURCE_PEEK_MAX, LEN - s->offset < LXE_SOURCE_PEEK_MAX
         ? LEN - s->offset : LXE_SOURCE_PEEK_MAX);
}

static void every_octet_is_handed_out_in_order(void)
{
    on_both(walk, false);
    on_both(walk, true);
}

static void skip(struct lxe__source *s)
{
    struct lxe__err err;
    uint64_t done;

    lxe__err_init(&err);
    peek(s, 100, 100);
    CU_ASSERT_EQUAL(lxe__source_skip(s, 40, &done, &err), 0);
    CU_ASSERT_EQUAL(done, 40);
    peek(s, 8, 8);
    CU_ASSERT_EQUAL(lxe__source_skip(s, 2 << 20, &done, &err), 0);
    CU_ASSERT_EQUAL(done, 2 << 20);
    CU_ASSERT_EQUAL(s->offset, 40 + (2 << 20));
    peek(s, 4096, 4096);
    CU_ASSERT_EQUAL(lxe__source_skip(s, UINT64_MAX, &done, &err), 0);
    CU_ASSERT_EQUAL(done, LEN - 40 - (2 << 20));
    CU_ASSERT_EQUAL(s->offset, LEN);
    peek(s, 1, 0);
}

static void a_skip_ends_where_the_image_ends(void)
{
    on_both(skip, false);
    on_both(skip, true);
}

static void keep(struct lxe__source *s)
{
    uint64_t a = LXE_KEEP_NEW, b = LXE_KEEP_NEW, at;
    uint8_t page[4096], got[4096];
    struct lxe__err err;
    const uint8_t *p;
    size_t have, i;

    lxe__err_init(&err);
    for (i = 0; i < 3; i++) {
        at = s->offset;
        p = lxe__source_peek(s, 4096, &have, &err);
        CU_ASSERT_PTR_NOT_NULL_FATAL(p);
        memcpy(page, p, 4096);
        /* The third takes the place of the first. */
        CU_ASSERT_EQUAL(lxe__source_keep(s, p, 4096, at, i == 1 ? &b : &a,
                                         &err), 0);
        lxe__source_advance(s, 4096);
    }
    CU_ASSERT_EQUAL(lxe__source_again(s, a, got, 4096, &at, &err), 0);
    CU_ASSERT_EQUAL(at, 8192);
    CU_ASSERT_EQUAL(memcmp(got, page, 4096), 0);
    CU_ASSERT_EQUAL(lxe__source_again(s, b, got, 4096, &at, &err), 0);
    CU_ASSERT_EQUAL(at, 4096);
    CU_ASSERT_EQUAL(got[5], octet(4096 + 5));
    CU_ASSERT_EQUAL(s->offset, 3 * 4096);
    peek(s, 10, 10);
    /* Of a pipe as much was stored as is kept, not as was kept ever. */
    if (!s->is_file)
        CU_ASSERT_EQUAL(s->kept_len, 2 * (8 + 4096));
}

static void what_is_kept_can_be_read_again(void)
{
    on_both(keep, false);
}

static void stop(struct lxe__source *s)
{
    uint64_t handle = LXE_KEEP_NEW, at;
    struct lxe__err err;
    uint8_t got[4096];
    const uint8_t *p;
    int ends[2];
    size_t have;

    CU_ASSERT_EQUAL_FATAL(pipe(ends), 0);
    s->stop_fd = ends[0];
    lxe__err_init(&err);
    p = lxe__source_peek(s, 4096, &have, &err);
    CU_ASSERT_PTR_NOT_NULL_FATAL(p);
    CU_ASSERT_EQUAL(lxe__source_keep(s, p, 4096, 0, &handle, &err), 0);
    lxe__source_advance(s, 4096);
    CU_ASSERT_EQUAL(lxe__source_again(s, handle, got, 4096, &at, &err), 0);
    CU_ASSERT_EQUAL(write(ends[1], "", 1), 1);
    CU_ASSERT_EQUAL(lxe__source_again(s, handle, got, 4096, &at, &err),
                    -1);
    CU_ASSERT_EQUAL(err.code, ECANCELED);
    s->stop_fd = 0;
    close(ends[0]);
    close(ends[1]);
}

/* The pages of two images are compared when both have been read. */
static void reading_again_ends_when_it_is_told_to(void)
{
    on_both(stop, false);
}

static void a_read_error_is_named_with_its_place(void)
{
    struct lxe__source s;
    struct lxe__err err;
    int ends[2];
    size_t have;

    CU_ASSERT_EQUAL_FATAL(pipe(ends), 0);
    lxe__err_init(&err);
    /* The wrong end cannot be read from. */
    CU_ASSERT_EQUAL_FATAL(lxe__source_init(&s, ends[1], false, &err), 0);
    CU_ASSERT_PTR_NULL(lxe__source_peek(&s, 1, &have, &err));
    CU_ASSERT_EQUAL(err.code, EBADF);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, "byte 0"));
    lxe__source_dispose(&s);
    close(ends[0]);
    close(ends[1]);
}

LXE_SUITE(image_source,
    { "every octet is handed out in order",
      every_octet_is_handed_out_in_order },
    { "a skip ends where the image ends",
      a_skip_ends_where_the_image_ends },
    { "what is kept can be read again", what_is_kept_can_be_read_again },
    { "reading again ends when it is told to",
      reading_again_ends_when_it_is_told_to },
    { "a read error is named with its place",
      a_read_error_is_named_with_its_place })
