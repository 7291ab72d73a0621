/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The first error of an operation, kept through its cleanup.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/text.h"

void lxe__err_init(struct lxe__err *err)
{
    memset(err, 0, sizeof(*err));
}

int lxe__err_set(struct lxe__err *err, int code, const char *fmt, ...)
{
    va_list al;

    if (!err) {
        errno = code;
        return -1;
    }
    if (!err->code) {
        /* 0 would read as "no error" although we are told of one. */
        err->code = code ? code : EIO;
        va_start(al, fmt);
        vsnprintf(err->msg, sizeof(err->msg), fmt, al);
        va_end(al);
        /* Names come from outside; the line must stay one line. */
        lxe__one_line(err->msg, ' ');
    }
    errno = err->code;
    return -1;
}
