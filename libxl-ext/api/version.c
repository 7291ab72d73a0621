/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Which libxl-ext this is, and where its programs are.
 */
#include "base/program.h"
#include "libxl_ext.h"

const char *libxl_ext_version(void)
{
    return LIBXL_EXT_VERSION_STRING;
}

int libxl_ext_program_find(const char *name, char *path, size_t len)
{
    return lxe__program_find(path, len, name);
}
