/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * From the convention of the blocking code to that of the library: the
 * one function that turns an errno value into a libxl code.
 */
#ifndef LXE_BASE_RC_H
#define LXE_BASE_RC_H

/*
 * 0 for 0; ERROR_FAIL where no other code of libxl fits.  libxl_ext.h says
 * what each code means to users.
 */
int lxe__rc(int code);

#endif
