/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The lines of the journal as text; for journal_file.c and unit tests.
 * Each returns the length written, without a NUL, or -1 where it does
 * not fit.
 */
#ifndef LXE_FREEZE_JOURNAL_TEXT_H
#define LXE_FREEZE_JOURNAL_TEXT_H

#include "freeze/journal.h"

int lxe__journal_format_header(char *out, size_t room, uint32_t domid,
                               const uint8_t uuid[16]);
int lxe__journal_format_intent(char *out, size_t room,
                               const struct lxe__jentry *e);
int lxe__journal_format_undone(char *out, size_t room,
                               const struct lxe__jentry *e);

#endif
