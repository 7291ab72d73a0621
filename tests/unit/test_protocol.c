/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The helper's end of the pipe protocol, byte by byte as libxl reads
 * it, and what happens when libxl goes away.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "helper/protocol.h"
#include "unit.h"

struct ends {
    struct lxe__proto p;
    int to_libxl[2], from_libxl[2];
};

static void ends_open(struct ends *e)
{
    CU_ASSERT_EQUAL_FATAL(pipe(e->to_libxl), 0);
    CU_ASSERT_EQUAL_FATAL(pipe(e->from_libxl), 0);
    lxe__proto_init(&e->p, e->from_libxl[0], e->to_libxl[1]);
}

static void ends_close(struct ends *e)
{
    close(e->to_libxl[0]);
    close(e->to_libxl[1]);
    close(e->from_libxl[0]);
    close(e->from_libxl[1]);
}

static void reply(struct ends *e, int value)
{
    CU_ASSERT_EQUAL(write(e->from_libxl[1], &value, sizeof(value)),
                    sizeof(value));
}

/* The next message is exactly these bytes, after its u16 length. */
static void heard(struct ends *e, const void *want, size_t len)
{
    uint8_t got[256];
    uint16_t n = 0;

    CU_ASSERT_EQUAL(lxe__read_full(e->to_libxl[0], &n, sizeof(n)),
                    sizeof(n));
    CU_ASSERT_EQUAL_FATAL(n, len);
    CU_ASSERT_EQUAL(lxe__read_full(e->to_libxl[0], got, n), n);
    CU_ASSERT_EQUAL(memcmp(got, want, len), 0);
}

static void suspend_is_message_3_and_returns_the_reply(void)
{
    struct ends e;
    int r = 0;

    ends_open(&e);
    reply(&e, 1);
    CU_ASSERT_EQUAL(lxe__proto_call(&e.p, LXE_PROTO_SUSPEND, &r), 0);
    CU_ASSERT_EQUAL(r, 1);
    heard(&e, "\x03\x00", 2);
    ends_close(&e);
}

static void qemu_logdirty_carries_domid_and_enable(void)
{
    struct ends e;
    int r = 0;

    ends_open(&e);
    reply(&e, -7);
    CU_ASSERT_EQUAL(lxe__proto_switch_qemu_logdirty(&e.p, 0x1234, 1, &r),
                    0);
    CU_ASSERT_EQUAL(r, -7);
    heard(&e, "\x07\x00\x34\x12\x00\x00\x01\x00\x00\x00", 10);
    ends_close(&e);
}

static void results_and_complete_have_their_layout(void)
{
    struct ends e;

    ends_open(&e);
    reply(&e, 0);
    CU_ASSERT_EQUAL(lxe__proto_restore_results(&e.p, 0x11, 0x2233), 0);
    heard(&e, "\x09\x00\x11\0\0\0\0\0\0\0\x33\x22\0\0\0\0\0\0", 18);
    CU_ASSERT_EQUAL(lxe__proto_complete(&e.p, -1, 5), 0);
    heard(&e, "\x0a\x00\xff\xff\xff\xff\x05\0\0\0", 10);
    ends_close(&e);
}

static void a_log_line_is_level_errno_context_text(void)
{
    struct ends e;

    ends_open(&e);
    xtl_log(&e.p.logger, XTL_ERROR, 0, "ctx", "v=%d", 42);
    heard(&e, "\x01\x00\x08\0\0\0\0\0\0\0\x04\0\0\0ctx\0\x05\0\0\0v=42\0",
          27);
    ends_close(&e);
}

static void a_log_line_of_any_length_fits_a_message(void)
{
    static char text[70000];
    struct ends e;
    uint16_t n;
    uint8_t got[65536];

    ends_open(&e);
    memset(text, 'x', sizeof(text) - 1);
    xtl_log(&e.p.logger, XTL_ERROR, 0, "ctx", "%s", text);
    CU_ASSERT_EQUAL(lxe__read_full(e.to_libxl[0], &n, sizeof(n)),
                    sizeof(n));
    CU_ASSERT_TRUE(n > 10000);
    CU_ASSERT_EQUAL(lxe__read_full(e.to_libxl[0], got, n), n);
    CU_ASSERT_EQUAL(got[n - 1], '\0');
    ends_close(&e);
}

static void libxl_gone_fails_this_call_and_all_later(void)
{
    struct ends e;
    int r = 0;

    ends_open(&e);
    close(e.from_libxl[1]);
    CU_ASSERT_EQUAL(lxe__proto_call(&e.p, LXE_PROTO_SUSPEND, &r), -1);
    CU_ASSERT_EQUAL(errno, EPIPE);
    CU_ASSERT_EQUAL(lxe__proto_complete(&e.p, 0, 0), -1);
    CU_ASSERT_EQUAL(errno, EPIPE);
    heard(&e, "\x03\x00", 2);   /* and nothing after it */
    close(e.to_libxl[1]);
    CU_ASSERT_EQUAL(lxe__read_full(e.to_libxl[0], &r, 1), 0);
    close(e.to_libxl[0]);
    close(e.from_libxl[0]);
}

static void libxl_gone_is_seen_without_a_call(void)
{
    struct ends e;

    ends_open(&e);
    CU_ASSERT_FALSE(lxe__proto_gone(&e.p));
    reply(&e, 1);       /* something to read is not its end */
    CU_ASSERT_FALSE(lxe__proto_gone(&e.p));
    close(e.from_libxl[1]);
    CU_ASSERT_TRUE(lxe__proto_gone(&e.p));
    close(e.from_libxl[0]);
    close(e.to_libxl[0]);
    close(e.to_libxl[1]);
}

static void cbflags_bit_n_is_message_n(void)
{
    struct lxe__proto p = { .cbflags = 1U << 3 | 1U << 7 };

    CU_ASSERT_TRUE(lxe__proto_wants(&p, LXE_PROTO_SUSPEND));
    CU_ASSERT_TRUE(lxe__proto_wants(&p, LXE_PROTO_SWITCH_QEMU_LOGDIRTY));
    CU_ASSERT_FALSE(lxe__proto_wants(&p, LXE_PROTO_STATIC_DATA_DONE));
}

LXE_SUITE(protocol,
    { "suspend is message 3 and returns the reply",
      suspend_is_message_3_and_returns_the_reply },
    { "qemu log-dirty carries domid and enable",
      qemu_logdirty_carries_domid_and_enable },
    { "results and complete have their layout",
      results_and_complete_have_their_layout },
    { "a log line is level, errno, context, text",
      a_log_line_is_level_errno_context_text },
    { "a log line of any length fits a message",
      a_log_line_of_any_length_fits_a_message },
    { "libxl gone fails this call and all later",
      libxl_gone_fails_this_call_and_all_later },
    { "libxl gone is seen without a call",
      libxl_gone_is_seen_without_a_call },
    { "cbflags bit N is message N", cbflags_bit_n_is_message_n })
