/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The first error of an operation, kept through its cleanup.
 */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"

void lxe__err_init(struct lxe__err *err)
{
    memset(err, 0, sizeof(*err));
}

int lxe__err_set(struct lxe__err *err, int code, const char *fmt, ...)
{
    va_list al;
    char *p;

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
        for (p = err->msg; *p; p++)
            if (iscntrl((unsigned char)*p))
                *p = ' ';
    }
    errno = err->code;
    return -1;
}

char *lxe__printable(char *text)
{
    char *p;

    for (p = text; *p; p++)
        if (*p < ' ' || *p > '~')
            *p = '?';
    return text;
}
