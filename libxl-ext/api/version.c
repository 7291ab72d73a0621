/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Which libxl-ext this is.
 */
#include "libxl_ext.h"

const char *libxl_ext_version(void)
{
    return LIBXL_EXT_VERSION_STRING;
}
