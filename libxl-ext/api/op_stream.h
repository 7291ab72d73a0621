/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The head of libxl's stream, where the libxl carrier of the memory
 * record stands (docs/memory-record.md):
 *
 *   header          16 octets: ident, version, options
 *   memory record   8 + 88 octets, in the libxl carrier only
 *   LIBXC_CONTEXT   8 octets, without a body
 *   then libxc's stream, written and read by the helper
 *
 * libxl writes and reads the first and the last itself.  It does so
 * through a pipe under the descriptor's number; when it starts its
 * helper, it has done with them.  Then the real descriptor takes the
 * number's place, and the pipe is gone: nothing is relayed.
 *
 *   save:     libxl -> pipe -> here -> real stream, with the record
 *   restore:  real stream -> here, without the record -> pipe -> libxl
 */
#ifndef LXE_API_OP_STREAM_H
#define LXE_API_OP_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/io.h"
#include "memory/record.h"

struct lxe__op_stream {
    int real;               /* the caller's descriptor, not ours */
    int libxl;              /* what libxl has; -1: closed */
    int pipe;               /* our end of its pipe; -1: closed */
    int flags;              /* of the real one, to be put back; -1 */
    size_t record_len;      /* restore: of the libxl carrier; 0: none */
    uint8_t record[LXE_RECORD_MAX_LEN];
};

void lxe__op_stream_init(struct lxe__op_stream *s);

/* A pipe for libxl to write its header into. */
int lxe__op_stream_save(struct lxe__op_stream *s, int fd,
                        struct lxe__err *err);

/*
 * Takes the head from @fd, checks the record, where there is one, as far
 * as that needs no domain, and puts what libxl is to see into a pipe.  @b
 * is for the whole head.
 */
int lxe__op_stream_restore(struct lxe__op_stream *s, int fd,
                           const struct lxe__bound *b,
                           struct lxe__err *err);

/*
 * At a save, when the helper has its record: takes what libxl has
 * written, writes it to the real stream with @record of @len octets in
 * its place (0: without), and puts that under libxl's number.
 */
int lxe__op_stream_join(struct lxe__op_stream *s, const void *record,
                        size_t len, bool mandatory, int stop_fd,
                        struct lxe__err *err);

/* At a restore: puts the real stream under libxl's number. */
int lxe__op_stream_hand_over(struct lxe__op_stream *s,
                             struct lxe__err *err);

void lxe__op_stream_dispose(struct lxe__op_stream *s);

#endif
