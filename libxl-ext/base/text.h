/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Text from outside, made safe to be shown.
 */
#ifndef LXE_BASE_TEXT_H
#define LXE_BASE_TEXT_H

#include <ctype.h>

/*
 * Puts @instead in place of each control character, so that @text is one
 * line.  Names keep their letters of other alphabets.  Returns @text.
 */
static inline char *lxe__one_line(char *text, char instead)
{
    char *p;

    for (p = text; *p; p++)
        if (iscntrl((unsigned char)*p))
            *p = instead;
    return text;
}

/*
 * For what a guest, an image or a peer says: everything but printable
 * ASCII becomes '?'.  Some characters of two bytes can steer a terminal,
 * too, and one that is cut in half could not be logged as JSON.  Returns
 * @text.
 */
static inline char *lxe__printable(char *text)
{
    char *p;

    for (p = text; *p; p++)
        if (*p < ' ' || *p > '~')
            *p = '?';
    return text;
}

#endif
