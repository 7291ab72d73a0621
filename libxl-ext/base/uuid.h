/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A domain's uuid as text and back.
 */
#ifndef LXE_BASE_UUID_H
#define LXE_BASE_UUID_H

#include <stdint.h>

#define LXE_UUID_TEXT 37    /* with its NUL */

void lxe__uuid_text(const uint8_t uuid[16], char text[LXE_UUID_TEXT]);

/* -1, and @uuid untouched, where @text is not 8-4-4-4-12 hex digits. */
int lxe__uuid_from_text(const char *text, uint8_t uuid[16]);

#endif
