/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The libxl carrier: the record goes into the head of libxl's stream and
 * comes out of it.  The test plays libxl on the descriptor that it is
 * given, before the helper and after it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "api/op_stream.h"
#include "base/bytes.h"
#include "base/io.h"
#include "unit.h"

#define HEAD 24
#define REC  (8 + LXE_RECORD_LEN)

static const uint8_t head[HEAD] = {
    'L', 'i', 'b', 'x', 'l', 'F', 'm', 't', 0, 0, 0, 2, 0, 0, 0, 0,
    1, 0, 0, 0, 0, 0, 0, 0,
};

static void make_record(uint8_t rec[REC], uint32_t type)
{
    struct lxe__record r = {
        .version = 1, .max_pages = 1000, .tot_pages = 900,
        .target_kb = 4000, .static_max_kb = 4000, .stock_max_kb = 5024,
    };

    lxe__put_le32(rec, type);
    lxe__put_le32(rec + 4, LXE_RECORD_LEN);
    lxe__record_encode(&r, rec + 8);
}

static const struct lxe__bound never = { .stop_fd = -1 };

static int file_of(const void *a, size_t alen, const void *b, size_t blen)
{
    int fd = memfd_create("stream", 0);

    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(write(fd, a, alen), (ssize_t)alen);
    CU_ASSERT_EQUAL(write(fd, b, blen), (ssize_t)blen);
    lseek(fd, 0, SEEK_SET);
    return fd;
}

/*----- save -----*/

static void save_to(bool with)
{
    uint8_t rec[REC], got[HEAD + REC + 5], *p = got;
    int fd = memfd_create("stream", 0);
    size_t all = HEAD + (with ? REC : 0) + 5;
    struct lxe__op_stream s;
    struct lxe__err err;

    lxe__err_init(&err);
    make_record(rec, LXE_RECORD_TYPE_MANDATORY);
    lxe__op_stream_init(&s);
    CU_ASSERT_EQUAL_FATAL(lxe__op_stream_save(&s, fd, &err), 0);
    CU_ASSERT_EQUAL(write(s.libxl, head, HEAD), HEAD);
    CU_ASSERT_EQUAL(lxe__op_stream_join(&s, rec + 8, with ?
                                        LXE_RECORD_LEN : 0, true, -1,
                                        &err), 0);
    /* libxl goes on under the same number. */
    CU_ASSERT_EQUAL(write(s.libxl, "after", 5), 5);
    CU_ASSERT(fcntl(s.libxl, F_GETFD) & FD_CLOEXEC);
    lxe__op_stream_dispose(&s);
    CU_ASSERT_EQUAL_FATAL(pread(fd, got, sizeof(got), 0), (ssize_t)all);
    CU_ASSERT_EQUAL(memcmp(p, head, 16), 0);
    p += 16;
    if (with) {
        CU_ASSERT_EQUAL(memcmp(p, rec, REC), 0);
        p += REC;
    }
    CU_ASSERT_EQUAL(memcmp(p, head + 16, 8), 0);
    CU_ASSERT_EQUAL(memcmp(p + 8, "after", 5), 0);
    close(fd);
}

static void save_puts_the_record_in_its_place(void)
{
    save_to(true);
}

static void save_without_leaves_the_stream_as_it_is(void)
{
    save_to(false);
}

static void another_libxl_is_refused(void)
{
    int fd = memfd_create("stream", 0);
    struct lxe__op_stream s;
    struct lxe__err err;
    uint8_t other[HEAD];
    size_t at[] = { 0, 11, 16 }, i;

    for (i = 0; i < 3; i++) {
        memcpy(other, head, HEAD);
        other[at[i]]++;
        lxe__err_init(&err);
        lxe__op_stream_init(&s);
        CU_ASSERT_EQUAL_FATAL(lxe__op_stream_save(&s, fd, &err), 0);
        CU_ASSERT_EQUAL(write(s.libxl, other, HEAD), HEAD);
        CU_ASSERT_EQUAL(lxe__op_stream_join(&s, NULL, 0, true, -1, &err),
                        -1);
        CU_ASSERT_EQUAL(err.code, EPROTO);
        lxe__op_stream_dispose(&s);
    }
    CU_ASSERT_EQUAL(lseek(fd, 0, SEEK_END), 0);
    close(fd);
}

static void full_disk_is_an_error(void)
{
    int fd = open("/dev/full", O_WRONLY);
    struct lxe__op_stream s;
    struct lxe__err err;

    lxe__err_init(&err);
    lxe__op_stream_init(&s);
    CU_ASSERT_EQUAL_FATAL(lxe__op_stream_save(&s, fd, &err), 0);
    CU_ASSERT_EQUAL(write(s.libxl, head, HEAD), HEAD);
    CU_ASSERT_EQUAL(lxe__op_stream_join(&s, NULL, 0, true, -1, &err), -1);
    CU_ASSERT_EQUAL(err.code, ENOSPC);
    lxe__op_stream_dispose(&s);
    close(fd);
}

static void flags_of_the_stream_are_put_back(void)
{
    int fds[2], flags;
    struct lxe__op_stream s;
    struct lxe__err err;

    lxe__err_init(&err);
    CU_ASSERT_EQUAL_FATAL(pipe2(fds, O_NONBLOCK), 0);
    flags = fcntl(fds[1], F_GETFL);
    lxe__op_stream_init(&s);
    CU_ASSERT_EQUAL_FATAL(lxe__op_stream_save(&s, fds[1], &err), 0);
    CU_ASSERT_EQUAL(fcntl(fds[1], F_GETFL) & O_NONBLOCK, 0);
    lxe__op_stream_dispose(&s);
    CU_ASSERT_EQUAL(fcntl(fds[1], F_GETFL), flags);
    close(fds[0]);
    close(fds[1]);
}

/*----- restore -----*/

/* What libxl reads before the helper, and what it reads after it. */
static void check_libxl_sees(struct lxe__op_stream *s)
{
    uint8_t got[HEAD];
    struct lxe__err err;

    lxe__err_init(&err);
    CU_ASSERT_EQUAL(read(s->libxl, got, HEAD), HEAD);
    CU_ASSERT_EQUAL(memcmp(got, head, HEAD), 0);
    CU_ASSERT_EQUAL(lxe__op_stream_hand_over(s, &err), 0);
    CU_ASSERT_EQUAL(read(s->libxl, got, HEAD), 5);
    CU_ASSERT_EQUAL(memcmp(got, "after", 5), 0);
}

static void restore_takes_the_record_out(void)
{
    uint8_t in[16 + REC + 8];
    struct lxe__op_stream s;
    struct lxe__err err;
    int fd;

    memcpy(in, head, 16);
    make_record(in + 16, LXE_RECORD_TYPE_OPTIONAL);
    memcpy(in + 16 + REC, head + 16, 8);
    fd = file_of(in, sizeof(in), "after", 5);
    lxe__err_init(&err);
    lxe__op_stream_init(&s);
    CU_ASSERT_EQUAL_FATAL(lxe__op_stream_restore(&s, fd, &never, &err), 0);
    CU_ASSERT_EQUAL(s.record_len, LXE_RECORD_LEN);
    CU_ASSERT_EQUAL(memcmp(s.record, in + 24, LXE_RECORD_LEN), 0);
    check_libxl_sees(&s);
    lxe__op_stream_dispose(&s);
    close(fd);
}

static void restore_of_a_stock_stream_changes_nothing(void)
{
    struct lxe__op_stream s;
    struct lxe__err err;
    int fd = file_of(head, HEAD, "after", 5);

    lxe__err_init(&err);
    lxe__op_stream_init(&s);
    CU_ASSERT_EQUAL_FATAL(lxe__op_stream_restore(&s, fd, &never, &err), 0);
    CU_ASSERT_EQUAL(s.record_len, 0);
    check_libxl_sees(&s);
    lxe__op_stream_dispose(&s);
    close(fd);
}

static void refuse(const uint8_t *in, size_t len, const char *says)
{
    int fd = file_of(in, len, "", 0);
    struct lxe__op_stream s;
    struct lxe__err err;

    lxe__err_init(&err);
    lxe__op_stream_init(&s);
    CU_ASSERT_EQUAL(lxe__op_stream_restore(&s, fd, &never, &err), -1);
    CU_ASSERT_EQUAL(err.code, EPROTO);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, says));
    lxe__op_stream_dispose(&s);
    close(fd);
}

static void stream_cut_at_every_octet_is_refused(void)
{
    uint8_t in[16 + REC + 8];
    size_t n;

    memcpy(in, head, 16);
    make_record(in + 16, LXE_RECORD_TYPE_OPTIONAL);
    memcpy(in + 16 + REC, head + 16, 8);
    for (n = 0; n < sizeof(in); n++)
        refuse(in, n, "stream: it ends");
}

static void bad_heads_are_refused(void)
{
    uint8_t in[16 + 2 * REC + 8];

    memcpy(in, head, HEAD);
    in[0]++;
    refuse(in, HEAD, "no libxl stream");
    memcpy(in, head, HEAD);
    in[11] = 1;
    refuse(in, HEAD, "version 1 is not 2");
    memcpy(in, head, HEAD);
    in[15] = 1;
    refuse(in, HEAD, "big-endian");
    memcpy(in, head, HEAD);
    in[16] = 2;
    refuse(in, HEAD, "type 0x2 and not LIBXC_CONTEXT");
    /* libxl would wait for that body on a pipe of ours. */
    memcpy(in, head, HEAD);
    in[20] = 8;
    refuse(in, HEAD + 8, "LIBXC_CONTEXT: length 8 is not 0");
    /* A record of ours, with all that its reader refuses. */
    memcpy(in, head, 16);
    make_record(in + 16, LXE_RECORD_TYPE_OPTIONAL);
    lxe__put_le32(in + 20, LXE_RECORD_MAX_LEN + 1);
    refuse(in, sizeof(in), "length 4097 is above the bound of 4096");
    lxe__put_le32(in + 20, LXE_RECORD_LEN);
    lxe__put_le32(in + 24, 2);
    refuse(in, sizeof(in), "version 2 is newer than 1");
    make_record(in + 16, LXE_RECORD_TYPE_OPTIONAL);
    make_record(in + 16 + REC, LXE_RECORD_TYPE_MANDATORY);
    memcpy(in + 16 + 2 * REC, head + 16, 8);
    refuse(in, sizeof(in), "a second one");
}

/* A header came, and nothing after it. */
static void hang(const struct lxe__bound *b, int code, const char *says)
{
    struct lxe__op_stream s;
    struct lxe__err err;
    int fds[2];

    lxe__err_init(&err);
    CU_ASSERT_EQUAL_FATAL(pipe(fds), 0);
    CU_ASSERT_EQUAL(write(fds[1], head, 16), 16);
    lxe__op_stream_init(&s);
    CU_ASSERT_EQUAL(lxe__op_stream_restore(&s, fds[0], b, &err), -1);
    CU_ASSERT_EQUAL(err.code, code);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, says));
    lxe__op_stream_dispose(&s);
    close(fds[0]);
    close(fds[1]);
}

static void hanging_peer_can_be_left(void)
{
    const struct lxe__bound b = { .stop_fd = eventfd(1, 0) };

    hang(&b, ECANCELED, "cannot read the libxl header");
    close(b.stop_fd);
}

static void hanging_peer_is_left(void)
{
    const struct lxe__bound b = lxe__bound_of(-1, 50);

    hang(&b, ETIMEDOUT, "no record header from the sender within 50 ms");
}

LXE_SUITE(op_stream,
    { "save puts the record in its place",
      save_puts_the_record_in_its_place },
    { "save without leaves the stream as it is",
      save_without_leaves_the_stream_as_it_is },
    { "another libxl is refused", another_libxl_is_refused },
    { "full disk is an error", full_disk_is_an_error },
    { "flags of the stream are put back",
      flags_of_the_stream_are_put_back },
    { "restore takes the record out", restore_takes_the_record_out },
    { "restore of a stock stream changes nothing",
      restore_of_a_stock_stream_changes_nothing },
    { "stream cut at every octet is refused",
      stream_cut_at_every_octet_is_refused },
    { "bad heads are refused", bad_heads_are_refused },
    { "hanging peer can be left", hanging_peer_can_be_left },
    { "hanging peer is left", hanging_peer_is_left })
