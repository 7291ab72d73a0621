/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A domain's uuid as text and back.
 */
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/uuid.h"

static bool dash_before(int octet)
{
    return octet == 4 || octet == 6 || octet == 8 || octet == 10;
}

void lxe__uuid_text(const uint8_t uuid[16], char text[LXE_UUID_TEXT])
{
    int i, at = 0;

    for (i = 0; i < 16; i++) {
        if (dash_before(i))
            text[at++] = '-';
        at += sprintf(text + at, "%02x", uuid[i]);
    }
}

static int hex_digit(char c)
{
    if (!isxdigit((unsigned char)c))
        return -1;
    return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

int lxe__uuid_from_text(const char *text, uint8_t uuid[16])
{
    uint8_t got[16];
    int i, high, low;

    for (i = 0; i < 16; i++) {
        if (dash_before(i) && *text++ != '-')
            return -1;
        high = hex_digit(*text);
        low = high < 0 ? -1 : hex_digit(text[1]);
        if (low < 0)
            return -1;
        got[i] = high << 4 | low;
        text += 2;
    }
    if (*text)
        return -1;
    memcpy(uuid, got, sizeof(got));
    return 0;
}
