/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * errno values as libxl codes; see rc.h.
 */
#include <errno.h>
#include <libxl.h>

#include "base/rc.h"

int lxe__rc(int code)
{
    switch (code) {
    case 0:
        return 0;
    case ENOMEM:
        return ERROR_NOMEM;
    case EINVAL:
        return ERROR_INVAL;
    default:
        return ERROR_FAIL;
    }
}
