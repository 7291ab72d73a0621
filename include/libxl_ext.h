/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * libxl-ext: safe and fast save, restore and migration of Xen guests on
 * an unmodified Xen.  This is the one header that users include; C99 and
 * C++ alike, with no header of Xen behind it.
 *
 * Its types and what can be done with each (init, dispose, copy, to and
 * from JSON, enums to and from words) are generated from
 * idl/libxl_ext_types.idl; the header included here says of every field
 * what it means and in which unit it is.  Codes that functions return are
 * those of libxl.h, 0 or ERROR_*.
 */
#ifndef LIBXL_EXT_H
#define LIBXL_EXT_H

#include "_libxl_ext_types.h"

#ifdef __cplusplus
extern "C" {
#endif
#ifdef __GNUC__
#pragma GCC visibility push(default)
#endif

/* Major, minor and patch; the first is the library's soname. */
#define LIBXL_EXT_VERSION        0x000100
#define LIBXL_EXT_VERSION_STRING "0.1.0"

/* Of the library in use, as text; never NULL, not to be freed. */
const char *libxl_ext_version(void);

#ifdef __GNUC__
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif

#endif
