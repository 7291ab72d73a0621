/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * One line to the caller's logger.
 *
 * Everything that talks does so through a xentoollog logger: inside
 * the helper that is libxl's own log pipe, in programs it is stderr.
 * Levels: LXE_INFO for the one line an operation ends with (xl shows
 * it by default), LXE_DBG for what only -v should show.
 */
#ifndef LXE_BASE_LOG_H
#define LXE_BASE_LOG_H

#include <xentoollog.h>

#include "base/err.h"

#define LXE_LOG_CONTEXT "libxl-ext"

#define LXE_DBG(lg, ...)                                                \
    xtl_log((lg), XTL_DEBUG, -1, LXE_LOG_CONTEXT, __VA_ARGS__)
#define LXE_INFO(lg, ...)                                               \
    xtl_log((lg), XTL_INFO, -1, LXE_LOG_CONTEXT, __VA_ARGS__)
#define LXE_WARN(lg, ...)                                               \
    xtl_log((lg), XTL_WARN, -1, LXE_LOG_CONTEXT, __VA_ARGS__)
#define LXE_ERROR(lg, ...)                                              \
    xtl_log((lg), XTL_ERROR, -1, LXE_LOG_CONTEXT, __VA_ARGS__)

#endif
