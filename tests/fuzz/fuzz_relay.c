/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The relay: the head of a stream that comes in, and the records up to
 * the first page that go through it, with this program in libxenguest's
 * place.
 *
 * The first octet of an input says whether the rest is what a sender
 * sends or what libxenguest writes, and when libxenguest gives up.  At
 * a restore libxenguest sees the stream without the memory record,
 * octet for octet and as far as it is one; at a save the stream has
 * what it wrote with the record after the headers, or nothing.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/io.h"
#include "common.h"
#include "memory/record.h"
#include "stream/relay.h"

/*----- restore -----*/

/* What libxenguest has read so far. */
struct seen {
    uint8_t *bytes;
    size_t len, room;
};

/* False at the end of the stream, or where it has seen enough. */
static int see(struct seen *s, int fd, size_t len)
{
    ssize_t r;

    if (len > s->room - s->len)
        len = s->room - s->len;
    r = lxe__read_full(fd, s->bytes + s->len, len);
    must(r >= 0);
    s->len += r;
    return (size_t)r == len && s->len < s->room;
}

/* Up to STATIC_DATA_END or END: true when that was read whole. */
static int see_records(struct seen *s, int fd, uint32_t last)
{
    struct lxe__libxc_rhdr rh;
    struct lxe__err err;

    if (!see(s, fd, LXE_LIBXC_HEADERS))
        return 0;
    do {
        size_t at = s->len;

        lxe__err_init(&err);
        if (!see(s, fd, LXE_RHDR_LEN) ||
            lxe__libxc_rhdr_decode(s->bytes + at, &rh, &err) ||
            (rh.length && !see(s, fd, lxe__rec_padded(rh.length))))
            return 0;
    } while (rh.type != last && rh.type != LXE_LIBXC_REC_END);
    return rh.type == last;
}

static void same_but_record(const struct lxe__stream_head *head,
                            const struct seen *s, const uint8_t *data,
                            size_t size)
{
    size_t gap = head->has_record ?
        LXE_RHDR_LEN + lxe__rec_padded(head->record_len) : 0;
    size_t first = s->len < LXE_LIBXC_HEADERS ? s->len : LXE_LIBXC_HEADERS;

    must(s->len + gap <= size);
    must(!memcmp(s->bytes, data, first));
    must(!memcmp(s->bytes + first, data + gap + first, s->len - first));
}

static void relay_restore(int fd, const struct lxe__stream_head *head,
                          const uint8_t *data, size_t size,
                          size_t patience)
{
    struct lxe__relay *relay = NULL;
    uint32_t last = head->headers.version < 3 ? LXE_LIBXC_REC_END :
        LXE_LIBXC_REC_STATIC_DATA_END;
    struct seen s = { .room = patience < size ? patience : size };
    struct lxe__err err;

    lxe__err_init(&err);
    s.bytes = malloc(size + 1);
    must(s.bytes && !lxe__relay_restore_start(&relay, fd, head, &err));
    if (see_records(&s, fd, last)) {
        if (lxe__relay_finish(relay, &err))
            fuzz_refused(&err);
        else if (head->headers.version >= 3)
            see(&s, fd, size);  /* the pages, from the stream itself */
    }
    lxe__relay_dispose(relay, &err);
    if (err.code)
        fuzz_refused(&err);
    same_but_record(head, &s, data, size);
    free(s.bytes);
}

static void restore(const uint8_t *data, size_t size, size_t patience)
{
    static struct lxe__stream_head head;
    int fd = fuzz_file(data, size);
    struct lxe__err err;
    struct lxe__record r;

    lxe__err_init(&err);
    if (lxe__stream_head_read(fd, &head, &err)) {
        fuzz_refused(&err);
    } else {
        must(!head.has_record || head.record_len <= sizeof(head.record));
        must(head.headers.version == 2 || head.headers.version == 3);
        if (head.has_record &&
            lxe__record_decode(head.record, head.record_len, &r, &err))
            fuzz_refused(&err);
        relay_restore(fd, &head, data, size, patience);
    }
    close(fd);
}

/*----- save -----*/

static void check_saved(int look, const uint8_t *record, size_t len,
                        const uint8_t *data, size_t size)
{
    struct lxe__libxc_headers h;
    struct lxe__err err;
    uint8_t *out;
    size_t n;

    lxe__err_init(&err);
    out = fuzz_whole(look, &n);
    if (size < LXE_LIBXC_HEADERS ||
        lxe__libxc_headers_decode(data, &h, &err)) {
        must(n == 0);
    } else {
        must(n == size + len);
        must(!memcmp(out, data, LXE_LIBXC_HEADERS));
        must(!memcmp(out + LXE_LIBXC_HEADERS, record, len));
        must(!memcmp(out + LXE_LIBXC_HEADERS + len,
                     data + LXE_LIBXC_HEADERS, size - LXE_LIBXC_HEADERS));
    }
    free(out);
}

static void save(const uint8_t *data, size_t size)
{
    static const uint8_t record[16] = { 0x58, 0x4c, 0, 0x80, 8 };
    int fd = memfd_create("stream", MFD_CLOEXEC), look = dup(fd);
    struct lxe__relay *relay = NULL;
    struct lxe__err err;
    int failed;

    lxe__err_init(&err);
    must(fd >= 0 && look >= 0);
    must(!lxe__relay_save_start(&relay, fd, record, sizeof(record), &err));
    failed = lxe__write_full(fd, data, size);
    if (lxe__relay_finish(relay, &err))
        fuzz_refused(&err);
    else
        must(!failed);
    lxe__relay_dispose(relay, &err);
    check_saved(look, record, sizeof(record), data, size);
    close(fd);
    close(look);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t what;

    fuzz_begin();
    what = fuzz_choice(&data, &size);
    if (what == 's')
        save(data, size);
    else
        restore(data, size, what == 'r' ? SIZE_MAX : what);
    fuzz_end();
    return 0;
}
