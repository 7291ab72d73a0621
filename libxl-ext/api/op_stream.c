/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The head of libxl's stream; see op_stream.h.  No call of Xen or libxl
 * is made here.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "api/op_stream.h"
#include "base/bytes.h"
#include "base/io.h"
#include "stream/libxl_format.h"

void lxe__op_stream_init(struct lxe__op_stream *s)
{
    memset(s, 0, sizeof(*s));
    s->real = s->libxl = s->pipe = s->flags = -1;
}

static uint32_t type_of(const uint8_t *rhdr)
{
    return lxe__get_le32(rhdr);
}

/* As libxl does with the descriptor that it is given. */
static int take_real(struct lxe__op_stream *s, int fd,
                     struct lxe__err *err)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 ||
        (flags & O_NONBLOCK && fcntl(fd, F_SETFL, flags & ~O_NONBLOCK)))
        return lxe__err_set(err, errno, "stream: descriptor %d: %s", fd,
                            strerror(errno));
    s->real = fd;
    s->flags = flags;
    return 0;
}

static int make_pipe(struct lxe__op_stream *s, bool libxl_reads,
                     struct lxe__err *err)
{
    int fds[2];

    if (pipe2(fds, O_CLOEXEC))
        return lxe__err_set(err, errno, "stream: no pipe: %s",
                            strerror(errno));
    s->libxl = fds[!libxl_reads];
    s->pipe = fds[libxl_reads];
    return 0;
}

static int put_real(struct lxe__op_stream *s, struct lxe__err *err)
{
    close(s->pipe);
    s->pipe = -1;
    if (dup3(s->real, s->libxl, O_CLOEXEC) != s->libxl)
        return lxe__err_set(err, errno, "stream: cannot put descriptor %d"
                            " in place: %s", s->real, strerror(errno));
    return 0;
}

/*----- save -----*/

int lxe__op_stream_save(struct lxe__op_stream *s, int fd,
                        struct lxe__err *err)
{
    return take_real(s, fd, err) || make_pipe(s, false, err) ? -1 : 0;
}

int lxe__op_stream_join(struct lxe__op_stream *s, const void *record,
                        size_t len, bool mandatory, int stop_fd,
                        struct lxe__err *err)
{
    uint8_t head[LXE_LIBXL_HEADER_LEN + LXE_RHDR_LEN];
    uint8_t out[sizeof(head) + LXE_RHDR_LEN + LXE_RECORD_LEN];
    uint8_t *p = out;
    ssize_t n = lxe__read_full_or(stop_fd, s->pipe, head, sizeof(head));

    if (n < 0)
        return lxe__err_set(err, errno, "stream: libxl's header: %s",
                            strerror(errno));
    if (n != sizeof(head) ||
        memcmp(head, LXE_LIBXL_IDENT, LXE_LIBXL_IDENT_LEN) ||
        lxe__get32(head + 8, true) != LXE_LIBXL_VERSION ||
        type_of(head + LXE_LIBXL_HEADER_LEN) !=
        LXE_LIBXL_REC_LIBXC_CONTEXT)
        return lxe__err_set(err, EPROTO, "stream: libxl wrote %zd bytes"
                            " that are no version %d header with"
                            " LIBXC_CONTEXT behind it: this libxl is newer"
                            " than libxl-ext", n, LXE_LIBXL_VERSION);
    memcpy(p, head, LXE_LIBXL_HEADER_LEN);
    p += LXE_LIBXL_HEADER_LEN;
    if (len) {
        lxe__put_le32(p, mandatory ? LXE_RECORD_TYPE_MANDATORY
                                   : LXE_RECORD_TYPE_OPTIONAL);
        lxe__put_le32(p + 4, len);
        memcpy(p + LXE_RHDR_LEN, record, len);
        p += LXE_RHDR_LEN + len;
    }
    memcpy(p, head + LXE_LIBXL_HEADER_LEN, LXE_RHDR_LEN);
    p += LXE_RHDR_LEN;
    if (lxe__write_full_or(stop_fd, s->real, out, p - out))
        return lxe__err_set(err, errno, "stream: cannot write its header:"
                            " %s", strerror(errno));
    return put_real(s, err);
}

/*----- restore -----*/

static int read_head(struct lxe__op_stream *s, const struct lxe__bound *b,
                     void *buf, size_t len, const char *what,
                     struct lxe__err *err)
{
    ssize_t n = lxe__read_full_by(b, s->real, buf, len);

    if (n == (ssize_t)len)
        return 0;
    if (n < 0 && errno == ETIMEDOUT)
        return lxe__err_set(err, ETIMEDOUT, "stream: no %s from the sender"
                            " within %u ms: see whether it hangs or the"
                            " link is cut", what, b->timeout_ms);
    if (n < 0)
        return lxe__err_set(err, errno, "stream: cannot read the %s: %s",
                            what, strerror(errno));
    return lxe__err_set(err, EPROTO, "stream: it ends %zd bytes into the"
                        " %s of %zu: the image is cut short or the sender"
                        " died", n, what, len);
}

static int check_header(const uint8_t *h, struct lxe__err *err)
{
    if (memcmp(h, LXE_LIBXL_IDENT, LXE_LIBXL_IDENT_LEN))
        return lxe__err_set(err, EPROTO, "stream: its first bytes are not"
                            " %s: it is no libxl stream", LXE_LIBXL_IDENT);
    if (lxe__get32(h + 8, true) != LXE_LIBXL_VERSION)
        return lxe__err_set(err, EPROTO, "stream: libxl header: version"
                            " %"PRIu32" is not %d, the one known here",
                            lxe__get32(h + 8, true), LXE_LIBXL_VERSION);
    if (lxe__get32(h + 12, true) & LXE_LIBXL_OPT_BIG)
        return lxe__err_set(err, EPROTO, "stream: libxl header: it is"
                            " big-endian, which no x86 host restores");
    return 0;
}

/* @rhdr holds the memory record's header, then that of the next one. */
static int take_record(struct lxe__op_stream *s,
                       const struct lxe__bound *b, uint8_t *rhdr,
                       struct lxe__err *err)
{
    uint32_t len = lxe__get_le32(rhdr + 4);
    struct lxe__record r;

    if (len > LXE_RECORD_MAX_LEN)
        return lxe__err_set(err, EPROTO, "memory record: length %"PRIu32
                            " is above the bound of %d bytes", len,
                            LXE_RECORD_MAX_LEN);
    if (read_head(s, b, s->record, lxe__rec_padded(len), "memory record",
                  err) ||
        lxe__record_decode(s->record, len, &r, err))
        return -1;
    s->record_len = len;
    if (read_head(s, b, rhdr, LXE_RHDR_LEN, "record header", err))
        return -1;
    if (lxe__is_memory_record(type_of(rhdr)))
        return lxe__err_set(err, EPROTO, "memory record of type 0x%"PRIx32
                            " in the libxl stream: a second one",
                            type_of(rhdr));
    return 0;
}

int lxe__op_stream_restore(struct lxe__op_stream *s, int fd,
                           const struct lxe__bound *b,
                           struct lxe__err *err)
{
    uint8_t head[LXE_LIBXL_HEADER_LEN + LXE_RHDR_LEN];
    uint8_t *rhdr = head + LXE_LIBXL_HEADER_LEN;

    if (take_real(s, fd, err) ||
        read_head(s, b, head, LXE_LIBXL_HEADER_LEN, "libxl header",
                  err) ||
        check_header(head, err) ||
        read_head(s, b, rhdr, LXE_RHDR_LEN, "record header", err))
        return -1;
    if (lxe__is_memory_record(type_of(rhdr)) &&
        take_record(s, b, rhdr, err))
        return -1;
    if (type_of(rhdr) != LXE_LIBXL_REC_LIBXC_CONTEXT)
        return lxe__err_set(err, EPROTO, "stream: its first record is of"
                            " type 0x%"PRIx32" and not LIBXC_CONTEXT (1)",
                            type_of(rhdr));
    /* libxl would wait for the body on the pipe, which has none. */
    if (lxe__get_le32(rhdr + 4))
        return lxe__err_set(err, EPROTO, "stream: LIBXC_CONTEXT: length"
                            " %"PRIu32" is not 0: the stream is damaged",
                            lxe__get_le32(rhdr + 4));
    if (make_pipe(s, true, err))
        return -1;
    /* A new pipe has room for that. */
    if (lxe__write_full(s->pipe, head, sizeof(head)))
        return lxe__err_set(err, errno, "stream: cannot fill a pipe: %s",
                            strerror(errno));
    return 0;
}

int lxe__op_stream_hand_over(struct lxe__op_stream *s,
                             struct lxe__err *err)
{
    return put_real(s, err);
}

void lxe__op_stream_dispose(struct lxe__op_stream *s)
{
    if (s->pipe >= 0)
        close(s->pipe);
    if (s->libxl >= 0)
        close(s->libxl);
    s->pipe = s->libxl = -1;
    /* libxl has put back the flags that its pipe had. */
    if (s->flags >= 0)
        fcntl(s->real, F_SETFL, s->flags);
    s->flags = -1;
}
