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
    case ERANGE:
        return ERROR_INVAL;
    case ESRCH:
        return ERROR_DOMAIN_NOTFOUND;
    case ENOENT:
        return ERROR_NOTFOUND;
    case EBUSY:
        return ERROR_LOCK_FAIL;
    case ETIMEDOUT:
        return ERROR_TIMEDOUT;
    case EINTR:
    case ECANCELED:
        return ERROR_ABORTED;
    default:
        return ERROR_FAIL;
    }
}
