/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What must hold of every reading of an image, whatever is in it.
 */
#ifndef LXE_TESTS_FUZZ_READING_H
#define LXE_TESTS_FUZZ_READING_H

#include "image/image.h"

/*
 * Reads it in every way that there is.  Besides what the sanitizers
 * see: a file and a pipe give the same facts, octet for octet; a
 * reading of no more than the rules need finds the same, and a quick
 * one sees the same framing; a fault is a line of text within the
 * input.  Returns what was read, good until the next call, or NULL for
 * one that no pipe holds.
 */
const struct libxl_ext_image *fuzz_read_image(const uint8_t *data,
                                              size_t size);

#endif
