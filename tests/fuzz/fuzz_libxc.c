/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The libxc stream: an input is an image that begins with one.
 */
#include "common.h"
#include "reading.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_begin();
    fuzz_read_image(data, size);
    fuzz_end();
    return 0;
}
