/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What xl puts before libxl's stream in a file and in a migration.
 * Source of every fact here: struct save_file_header and what is around
 * it in Xen's tools/xl/xl.h, the same from 4.6 to master.  Pure code.
 *
 *    0  32  magic
 *   32   4  byte order, 0x01020304 in the order of the saving host
 *   36   4  mandatory flags
 *   40   4  optional flags
 *   44   4  length of the optional data
 *   48      optional data: u32 length, the configuration with its NUL,
 *           more
 */
#ifndef LXE_STREAM_XL_FORMAT_H
#define LXE_STREAM_XL_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define LXE_XL_MAGIC       "Xen saved domain, xl format\n \0 \r"
#define LXE_XL_MAGIC_LEN   32
#define LXE_XL_ORDER       0x01020304U
#define LXE_XL_HEADER_LEN  48
#define LXE_XL_OPTDATA_MAX (16U << 20)
#define LXE_XL_FLAG_JSON   (1U << 0)    /* the configuration is JSON */
#define LXE_XL_FLAG_V2     (1U << 1)    /* libxl's stream is version 2 */

/*
 * The header of an image whose configuration takes @config_len octets
 * with its NUL; they follow a u32 that says so.
 */
void lxe__xl_header_encode(uint32_t config_len,
                           uint8_t out[LXE_XL_HEADER_LEN + 4]);

/*
 * *@optdata_r is the length of the optional data after the header.
 * EPROTO where it is no header, or one that cannot be restored from:
 * without the configuration, not as JSON, or of a legacy stream.
 */
int lxe__xl_header_decode(const uint8_t in[LXE_XL_HEADER_LEN],
                          uint32_t *optdata_r, struct lxe__err *err);

#endif
