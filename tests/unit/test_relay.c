/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The relay between a stream and libxenguest.  The test plays
 * libxenguest: it writes to, or reads from, the one descriptor number
 * that it was given, before and after the relay leaves the stream.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/io.h"
#include "memory/record.h"
#include "stream/relay.h"
#include "unit.h"

static const uint8_t headers[LXE_LIBXC_HEADERS] = {
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0x58, 0x45, 0x4e, 0x46, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0,
    2, 0, 0, 0, 12, 0, 0, 0, 4, 0, 0, 0, 17, 0, 0, 0,
};
static const uint8_t our_record[] = {
    0x58, 0x4c, 0, 0x80, 8, 0, 0, 0, 'm', 'e', 'm', 'o', 'r', 'y', '!', 0,
};
static const uint8_t static_end[] = { 0x10, 0, 0, 0, 0, 0, 0, 0 };
static const uint8_t stream_end[] = { 0, 0, 0, 0, 0, 0, 0, 0 };

#define STATIC_LEN 200000 /* more than a pipe holds */

static int memory_file(void)
{
    int fd = memfd_create("stream", 0);

    CU_ASSERT_FATAL(fd >= 0);
    return fd;
}

/* A CPUID record of STATIC_LEN bytes with a pattern. */
static uint8_t *static_record(void)
{
    struct lxe__libxc_rhdr rh = { .type = 0x11, .length = STATIC_LEN };
    uint8_t *p = malloc(LXE_RHDR_LEN + STATIC_LEN);
    size_t i;

    CU_ASSERT_PTR_NOT_NULL_FATAL(p);
    lxe__libxc_rhdr_encode(&rh, p);
    for (i = 0; i < STATIC_LEN; i++)
        p[LXE_RHDR_LEN + i] = i * 7;
    return p;
}

#define RECORD_TOTAL (LXE_RHDR_LEN + STATIC_LEN)

static void put(int fd, const void *p, size_t len)
{
    CU_ASSERT_EQUAL(lxe__write_full(fd, p, len), 0);
}

static int same(int fd, const void *want, size_t len)
{
    uint8_t *got = malloc(len);
    ssize_t r = lxe__read_full(fd, got, len);
    int ok = r == (ssize_t)len && !memcmp(got, want, len);

    free(got);
    return ok;
}

static void save_puts_the_record_behind_the_headers(void)
{
    struct lxe__relay *relay = NULL;
    struct lxe__err err;
    uint8_t *rec = static_record(), byte;
    int fd = memory_file(), look = dup(fd);

    lxe__err_init(&err);
    CU_ASSERT_EQUAL_FATAL(lxe__relay_save_start(&relay, fd, our_record,
                          sizeof(our_record), &err), 0);
    put(fd, headers, sizeof(headers));
    put(fd, rec, RECORD_TOTAL);
    CU_ASSERT_EQUAL(lxe__relay_finish(relay, &err), 0);
    CU_ASSERT_EQUAL(lxe__relay_finish(relay, &err), 0); /* idempotent */
    put(fd, "pages", 5);        /* straight into the file */
    lxe__relay_dispose(relay, &err);
    CU_ASSERT_EQUAL(err.code, 0);

    lseek(look, 0, SEEK_SET);
    CU_ASSERT_TRUE(same(look, headers, sizeof(headers)));
    CU_ASSERT_TRUE(same(look, our_record, sizeof(our_record)));
    CU_ASSERT_TRUE(same(look, rec, RECORD_TOTAL));
    CU_ASSERT_TRUE(same(look, "pages", 5));
    CU_ASSERT_EQUAL(read(look, &byte, 1), 0);
    close(fd);
    close(look);
    free(rec);
}

static void save_to_a_dead_receiver_fails_and_does_not_hang(void)
{
    struct lxe__relay *relay = NULL;
    struct lxe__err err;
    uint8_t *rec = static_record();
    int sv[2], i, failed = 0;

    lxe__err_init(&err);
    CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
    close(sv[1]);
    CU_ASSERT_EQUAL_FATAL(lxe__relay_save_start(&relay, sv[0], our_record,
                          sizeof(our_record), &err), 0);
    put(sv[0], headers, sizeof(headers));
    for (i = 0; i < 4 && !failed; i++)
        failed = lxe__write_full(sv[0], rec, RECORD_TOTAL) != 0;
    CU_ASSERT_TRUE(failed);
    lxe__relay_dispose(relay, &err);
    CU_ASSERT_EQUAL(err.code, EPIPE);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, "memory record"));
    close(sv[0]);
    free(rec);
}

static void save_that_ends_before_its_headers_is_no_relay_error(void)
{
    struct lxe__relay *relay = NULL;
    struct lxe__err err;
    int fd = memory_file(), look = dup(fd);
    uint8_t byte;

    lxe__err_init(&err);
    CU_ASSERT_EQUAL_FATAL(lxe__relay_save_start(&relay, fd, our_record,
                          sizeof(our_record), &err), 0);
    lxe__relay_dispose(relay, &err);
    CU_ASSERT_EQUAL(err.code, 0);
    CU_ASSERT_EQUAL(read(look, &byte, 1), 0);  /* not a byte written */
    close(fd);
    close(look);
}

static int image(const uint8_t *h, int with_record, const uint8_t *rec)
{
    int fd = memory_file();

    put(fd, h, LXE_LIBXC_HEADERS);
    if (with_record)
        put(fd, our_record, sizeof(our_record));
    put(fd, rec, RECORD_TOTAL);
    put(fd, static_end, sizeof(static_end));
    put(fd, "pages", 5);
    lseek(fd, 0, SEEK_SET);
    return fd;
}

static void restore_takes_the_record_out(int with_record)
{
    struct lxe__stream_head head;
    struct lxe__relay *relay = NULL;
    struct lxe__err err;
    uint8_t *rec = static_record(), byte;
    int fd = image(headers, with_record, rec);

    lxe__err_init(&err);
    CU_ASSERT_EQUAL_FATAL(lxe__stream_head_read(fd, &head, &err), 0);
    CU_ASSERT_EQUAL(head.has_record, with_record);
    if (with_record) {
        CU_ASSERT_EQUAL(head.record_len, 8);
        CU_ASSERT_FALSE(head.record_mandatory);
        CU_ASSERT_EQUAL(memcmp(head.record, "memory!", 8), 0);
    }
    CU_ASSERT_EQUAL_FATAL(lxe__relay_restore_start(&relay, fd, &head,
                                                   &err), 0);
    CU_ASSERT_TRUE(same(fd, headers, sizeof(headers)));
    CU_ASSERT_TRUE(same(fd, rec, RECORD_TOTAL));
    CU_ASSERT_TRUE(same(fd, static_end, sizeof(static_end)));
    CU_ASSERT_EQUAL(lxe__relay_finish(relay, &err), 0);
    CU_ASSERT_TRUE(same(fd, "pages", 5));      /* from the file itself */
    CU_ASSERT_EQUAL(read(fd, &byte, 1), 0);
    lxe__relay_dispose(relay, &err);
    CU_ASSERT_EQUAL(err.code, 0);
    close(fd);
    free(rec);
}

static void restore_takes_our_record_out(void)
{
    restore_takes_the_record_out(1);
}

static void restore_passes_a_stock_image_unchanged(void)
{
    restore_takes_the_record_out(0);
}

static void restore_of_version_2_stops_at_its_end_record(void)
{
    struct lxe__stream_head head;
    struct lxe__relay *relay = NULL;
    struct lxe__err err;
    uint8_t h[LXE_LIBXC_HEADERS], *rec = static_record();
    int fd = memory_file();

    lxe__err_init(&err);
    memcpy(h, headers, sizeof(h));
    h[15] = 2;
    put(fd, h, sizeof(h));
    put(fd, rec, RECORD_TOTAL);
    put(fd, stream_end, sizeof(stream_end));
    put(fd, "libxl's own", 11);
    lseek(fd, 0, SEEK_SET);
    CU_ASSERT_EQUAL_FATAL(lxe__stream_head_read(fd, &head, &err), 0);
    CU_ASSERT_EQUAL_FATAL(lxe__relay_restore_start(&relay, fd, &head,
                                                   &err), 0);
    CU_ASSERT_TRUE(same(fd, h, sizeof(h)));
    CU_ASSERT_TRUE(same(fd, rec, RECORD_TOTAL));
    CU_ASSERT_EQUAL(lxe__relay_finish(relay, &err), 0); /* does nothing */
    CU_ASSERT_TRUE(same(fd, stream_end, sizeof(stream_end)));
    lxe__relay_dispose(relay, &err);
    CU_ASSERT_EQUAL(err.code, 0);
    CU_ASSERT_TRUE(same(fd, "libxl's own", 11));
    close(fd);
    free(rec);
}

static void a_second_memory_record_is_refused(void)
{
    struct lxe__stream_head head;
    struct lxe__relay *relay = NULL;
    struct lxe__err err;
    uint8_t byte;
    int fd = memory_file();

    lxe__err_init(&err);
    put(fd, headers, sizeof(headers));
    put(fd, our_record, sizeof(our_record));
    put(fd, our_record, sizeof(our_record));
    put(fd, static_end, sizeof(static_end));
    lseek(fd, 0, SEEK_SET);
    CU_ASSERT_EQUAL_FATAL(lxe__stream_head_read(fd, &head, &err), 0);
    CU_ASSERT_EQUAL_FATAL(lxe__relay_restore_start(&relay, fd, &head,
                                                   &err), 0);
    CU_ASSERT_TRUE(same(fd, headers, sizeof(headers)));
    CU_ASSERT_EQUAL(read(fd, &byte, 1), 0);    /* no record after it */
    lxe__relay_dispose(relay, &err);
    CU_ASSERT_EQUAL(err.code, EPROTO);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, "second one"));
    close(fd);
}

/* The head, cut at every byte: its own words, and never a hang. */
static void a_head_cut_at_every_byte_is_refused(void)
{
    uint8_t bytes[LXE_LIBXC_HEADERS + sizeof(our_record)];
    struct lxe__stream_head head;
    struct lxe__err err;
    size_t len;
    int fd;

    memcpy(bytes, headers, sizeof(headers));
    memcpy(bytes + sizeof(headers), our_record, sizeof(our_record));
    for (len = 0; len <= sizeof(bytes); len++) {
        lxe__err_init(&err);
        fd = memory_file();
        put(fd, bytes, len);
        lseek(fd, 0, SEEK_SET);
        if (len == sizeof(bytes)) {
            CU_ASSERT_EQUAL(lxe__stream_head_read(fd, &head, &err), 0);
        } else {
            CU_ASSERT_EQUAL(lxe__stream_head_read(fd, &head, &err), -1);
            CU_ASSERT_EQUAL(errno, EPROTO);
            CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, "cut short"));
        }
        close(fd);
    }
}

static void a_memory_record_of_a_silly_length_is_refused_unread(void)
{
    static const uint8_t rhdr[] = { 0x58, 0x4c, 0, 0, 0, 0, 0, 1 };
    struct lxe__stream_head head;
    struct lxe__err err;
    int fd = memory_file();

    lxe__err_init(&err);
    put(fd, headers, sizeof(headers));
    put(fd, rhdr, sizeof(rhdr));
    lseek(fd, 0, SEEK_SET);
    CU_ASSERT_EQUAL(lxe__stream_head_read(fd, &head, &err), -1);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, "length 16777216"));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, "4096"));
    CU_ASSERT_EQUAL(lseek(fd, 0, SEEK_CUR), LXE_LIBXC_HEADERS + 8);
    close(fd);
}

/* The sender dies inside a record: libxenguest sees an end, we say why. */
static void a_stream_cut_inside_a_record_is_named(void)
{
    struct lxe__stream_head head;
    struct lxe__relay *relay = NULL;
    struct lxe__err err;
    uint8_t *rec = static_record(), *got = malloc(RECORD_TOTAL);
    int fd = memory_file();

    lxe__err_init(&err);
    put(fd, headers, sizeof(headers));
    put(fd, rec, RECORD_TOTAL - 1000);
    lseek(fd, 0, SEEK_SET);
    CU_ASSERT_EQUAL_FATAL(lxe__stream_head_read(fd, &head, &err), 0);
    CU_ASSERT_EQUAL_FATAL(lxe__relay_restore_start(&relay, fd, &head,
                                                   &err), 0);
    CU_ASSERT_TRUE(same(fd, headers, sizeof(headers)));
    CU_ASSERT_EQUAL(lxe__read_full(fd, got, RECORD_TOTAL),
                    RECORD_TOTAL - 1000);
    lxe__relay_dispose(relay, &err);
    CU_ASSERT_EQUAL(err.code, EPROTO);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, "cut short"));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, "0x00000011"));
    close(fd);
    free(rec);
    free(got);
}

/* A sender that hangs must not keep a failed restore from ending. */
static void dispose_does_not_wait_for_a_silent_sender(void)
{
    struct lxe__stream_head head;
    struct lxe__relay *relay = NULL;
    struct lxe__err err;
    int sv[2];

    lxe__err_init(&err);
    CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
    put(sv[1], headers, sizeof(headers));
    put(sv[1], static_end, sizeof(static_end) - 8);
    put(sv[1], our_record, sizeof(our_record));
    CU_ASSERT_EQUAL_FATAL(lxe__stream_head_read(sv[0], &head, &err), 0);
    CU_ASSERT_EQUAL_FATAL(lxe__relay_restore_start(&relay, sv[0], &head,
                                                   &err), 0);
    lxe__relay_dispose(relay, &err);
    CU_ASSERT_EQUAL(err.code, 0);
    close(sv[0]);
    close(sv[1]);
}

LXE_SUITE(relay,
    { "save puts the record behind the headers",
      save_puts_the_record_behind_the_headers },
    { "save to a dead receiver fails and does not hang",
      save_to_a_dead_receiver_fails_and_does_not_hang },
    { "save that ends before its headers is no relay error",
      save_that_ends_before_its_headers_is_no_relay_error },
    { "restore takes our record out", restore_takes_our_record_out },
    { "restore passes a stock image unchanged",
      restore_passes_a_stock_image_unchanged },
    { "restore of version 2 stops at its END record",
      restore_of_version_2_stops_at_its_end_record },
    { "a second memory record is refused",
      a_second_memory_record_is_refused },
    { "a head cut at every byte is refused",
      a_head_cut_at_every_byte_is_refused },
    { "a memory record of a silly length is refused unread",
      a_memory_record_of_a_silly_length_is_refused_unread },
    { "a stream cut inside a record is named",
      a_stream_cut_inside_a_record_is_named },
    { "dispose does not wait for a silent sender",
      dispose_does_not_wait_for_a_silent_sender })
