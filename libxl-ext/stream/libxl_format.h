/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What this project must know of libxl's migration stream.  Source of
 * every fact here: Xen's docs/specs/libxl-migration-stream.pandoc.
 *
 *   header (16 bytes)  ident, version and options, big-endian
 *   records            as in record_header.h, in the byte order that
 *                      options names
 */
#ifndef LXE_STREAM_LIBXL_FORMAT_H
#define LXE_STREAM_LIBXL_FORMAT_H

#include "stream/record_header.h"

#define LXE_LIBXL_HEADER_LEN 16
#define LXE_LIBXL_REC_MAX    (128U << 20)   /* ours: libxl has none */

#define LXE_LIBXL_IDENT      "LibxlFmt"
#define LXE_LIBXL_IDENT_LEN  8
#define LXE_LIBXL_VERSION    2
#define LXE_LIBXL_OPT_BIG    (1U << 0)      /* big-endian */
#define LXE_LIBXL_OPT_LEGACY (1U << 1)      /* it was converted */

/* Record types: number, name in the specification. */
#define LXE_LIBXL_RECS(X)                                               \
    X(0, END)                          X(1, LIBXC_CONTEXT)              \
    X(2, EMULATOR_XENSTORE_DATA)       X(3, EMULATOR_CONTEXT)           \
    X(4, CHECKPOINT_END)               X(5, CHECKPOINT_STATE)

enum lxe__libxl_rec {
#define X(number, name) LXE_LIBXL_REC_##name = (number),
    LXE_LIBXL_RECS(X)
#undef X
    LXE_LIBXL_NR_RECS
};

#endif
