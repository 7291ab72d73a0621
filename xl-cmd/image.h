/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * How the facts of an image are shown; docs/image.md has the members.
 */
#ifndef XL_CMD_IMAGE_H
#define XL_CMD_IMAGE_H

#include "libxl_ext_image.h"

const char *image_container_name(const struct libxl_ext_image *im);
const char *image_fate_name(enum libxl_ext_image_fate fate);

/* "NOTAB", "L1TAB_PIN" ...; NULL for a reserved type. */
const char *image_type_name(unsigned int type);

/* One JSON object on standard output.  0, or -1 without memory. */
int image_print_json(const struct libxl_ext_image *im);

/* All facts for people; only faults and verdicts. */
void image_print_text(const struct libxl_ext_image *im);
void image_print_verdict(const struct libxl_ext_image *im);

#endif
