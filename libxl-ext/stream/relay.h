/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Putting the memory record into a libxc stream, and taking it out,
 * without touching the page stream.
 *
 * libxenguest keeps the number of one descriptor for the whole stream.
 * The relay puts a pipe under that number, and a thread of ours moves
 * what comes through it: at a save the headers, then our record, then
 * all that libxenguest writes before the first page; at a restore
 * the headers, then the records up to STATIC_DATA_END.  At that point
 * libxenguest calls back, and lxe__relay_finish() puts the real
 * descriptor under the number again: from there on pages move exactly
 * as they do with stock tools.  A version 2 stream has no such point;
 * it is relayed to its END record with splice(2).
 *
 *   save:     libxc -> fd -> pipe -> thread -> real stream
 *   restore:  real stream -> thread -> pipe -> fd -> libxc
 *
 * Entry points in order: _save_start or _restore_start, _finish,
 * _dispose.  The caller blocks SIGTERM around _finish and skips it when
 * a SIGTERM made the descriptor useless: see helper/stop.c.
 */
#ifndef LXE_STREAM_RELAY_H
#define LXE_STREAM_RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "stream/libxc_format.h"

struct lxe__relay;

/*
 * @fd is libxenguest's descriptor.  @record: the whole record, header,
 * body and padding; copied.  0 and *out, or -1 with nothing changed.
 */
int lxe__relay_save_start(struct lxe__relay **out, int fd,
                          const void *record, size_t record_len,
                          struct lxe__err *err);

/*
 * What stands at the head of a stream to be restored.  @head keeps the
 * bytes that libxenguest must still see.
 */
struct lxe__stream_head {
    struct lxe__libxc_headers headers;
    bool has_record;
    bool record_mandatory;
    size_t record_len;
    uint8_t record[4096];       /* the memory record's body */
    size_t head_len;
    uint8_t head[LXE_LIBXC_HEADERS + LXE_RHDR_LEN];
};

/*
 * Reads the headers and, where it comes first, the memory record from
 * @fd.  Nothing but these bytes (and, where there is no memory record,
 * the header of the first record) has been read when it returns 0.
 */
int lxe__stream_head_read(int fd, struct lxe__stream_head *head,
                          struct lxe__err *err);

/* @head as lxe__stream_head_read() left it; copied. */
int lxe__relay_restore_start(struct lxe__relay **out, int fd,
                             const struct lxe__stream_head *head,
                             struct lxe__err *err);

/*
 * Called from libxenguest's callback before the first page: ends the
 * thread and puts the real descriptor in place.  For a version 2
 * restore it does nothing.  Idempotent.
 */
int lxe__relay_finish(struct lxe__relay *relay, struct lxe__err *err);

/*
 * Ends a relay in any state; @relay may be NULL.  Where the thread met
 * an error, @err gets it: it is the cause of libxenguest's.
 */
void lxe__relay_dispose(struct lxe__relay *relay, struct lxe__err *err);

#endif
