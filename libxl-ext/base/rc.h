/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * From the convention of the blocking code to that of the library: the
 * one function that turns an errno value into a libxl code.
 */
#ifndef LXE_BASE_RC_H
#define LXE_BASE_RC_H

/* 0 for 0, else ERROR_NOMEM, ERROR_INVAL or, for others, ERROR_FAIL. */
int lxe__rc(int code);

#endif
