/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The libxl stream: as an image, and its head as the library takes it
 * from a sender (restore) and from libxl (save).
 *
 * At a restore libxl must see header and LIBXC_CONTEXT as they came and
 * nothing of the memory record; at a save the stream must have what
 * libxl wrote with the record in its place, or nothing at all.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "api/op_stream.h"
#include "base/io.h"
#include "common.h"
#include "reading.h"
#include "stream/libxl_format.h"

#define HEAD (LXE_LIBXL_HEADER_LEN + LXE_RHDR_LEN)

static void restore(const uint8_t *data, size_t size)
{
    const struct lxe__bound never = { -1, 0, 0 };
    /*
     * On the stack, what is written past it would take away what the
     * sanitizer needs to report that.
     */
    static struct lxe__op_stream s;
    int fd = fuzz_file(data, size);
    struct lxe__record r;
    struct lxe__err err;
    uint8_t seen[HEAD];
    size_t at;

    lxe__err_init(&err);
    lxe__op_stream_init(&s);
    if (lxe__op_stream_restore(&s, fd, &never, &err)) {
        fuzz_refused(&err);
        goto out;
    }
    at = LXE_LIBXL_HEADER_LEN;
    if (s.record_len) {
        must(!lxe__record_decode(s.record, s.record_len, &r, &err));
        must(!memcmp(data + at + LXE_RHDR_LEN, s.record,
                     s.record_len));
        at += LXE_RHDR_LEN + s.record_len;
    }
    must(lxe__read_full(s.libxl, seen, HEAD) == HEAD);
    must(!memcmp(seen, data, LXE_LIBXL_HEADER_LEN));
    must(!memcmp(seen + LXE_LIBXL_HEADER_LEN, data + at,
                 LXE_RHDR_LEN));
    /* For a body libxl would wait on the pipe. */
    must(!memcmp(seen + HEAD - 4, "\0\0\0", 4));
    must(lseek(fd, 0, SEEK_CUR) == (off_t)at + LXE_RHDR_LEN);
    must(!lxe__op_stream_hand_over(&s, &err));
    must(lseek(s.libxl, 0, SEEK_CUR) == lseek(fd, 0, SEEK_CUR));

 out:
    lxe__op_stream_dispose(&s);
    close(fd);
}

static void save(const uint8_t *data, size_t size)
{
    static const uint8_t record[LXE_RECORD_LEN] = { 1 };
    int fd = memfd_create("stream", MFD_CLOEXEC);
    struct lxe__op_stream s;
    struct lxe__err err;
    uint8_t *out;
    size_t len;

    lxe__err_init(&err);
    lxe__op_stream_init(&s);
    must(fd >= 0 && !lxe__op_stream_save(&s, fd, &err));
    must(!lxe__write_full(s.libxl, data, size));
    if (size < HEAD) {
        /* libxl has died. */
        close(s.libxl);
        s.libxl = -1;
    }
    if (lxe__op_stream_join(&s, record, sizeof(record), true, -1, &err)) {
        fuzz_refused(&err);
        out = fuzz_whole(fd, &len);
        must(len == 0);
    } else {
        out = fuzz_whole(fd, &len);
        must(len == HEAD + LXE_RHDR_LEN + sizeof(record));
        must(!memcmp(out, data, LXE_LIBXL_HEADER_LEN));
        must(!memcmp(out + len - LXE_RHDR_LEN,
                     data + LXE_LIBXL_HEADER_LEN, LXE_RHDR_LEN));
    }
    free(out);
    lxe__op_stream_dispose(&s);
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_begin();
    if (fuzz_read_image(data, size)) {
        restore(data, size);
        save(data, size);
    }
    fuzz_end();
    return 0;
}
