/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The commands on images, and how facts are shown; docs/image.md has
 * the members.
 */
#ifndef XL_CMD_IMAGE_H
#define XL_CMD_IMAGE_H

#include "command.h"
#include "libxl_ext_image.h"

const char *image_container_name(const struct libxl_ext_image *im);
const char *image_fate_name(enum libxl_ext_image_fate fate);

/* NULL where there is none. */
const char *image_carrier_name(enum libxl_ext_image_carrier carrier);

/* "NOTAB", "L1TAB_PIN" ...; NULL for a reserved type. */
const char *image_type_name(unsigned int type);

/* One JSON object on standard output.  0, or -1 without memory. */
int image_print_json(const struct libxl_ext_image *im);

/* All facts for people; only faults and verdicts. */
void image_print_text(const struct libxl_ext_image *im);
void image_print_verdict(const struct libxl_ext_image *im);

/*
 * Draws the picture of @im into a file that must not exist: 0, or -1
 * with a line on standard error and no file.
 */
int image_plot(const struct command_call *call, const char *path,
               const struct libxl_ext_image *im);

/* image_convert.c, image_diff.c: rows of the table and their options. */
enum {
    CONVERT_RECORD, CONVERT_MAX_PAGES, CONVERT_CARRIER,
    CONVERT_DROP_SUPERSEDED, CONVERT_PAGE_STATE, CONVERT_FORCE,
    CONVERT_JSON
};
int image_convert(const struct command_call *call);
enum { DIFF_JSON };
int image_diff(const struct command_call *call);

/*
 * From here on SIGINT, SIGTERM and SIGHUP (but for a SIGHUP that the
 * caller ignores) end the program at once, with a line which says that
 * nothing was changed; with @say of false they do so without a line.
 */
void image_take_signals(const struct command_call *call, bool say);

/*
 * Opens an image, or takes standard input for "-"; -1 with a line on
 * standard error.  To be given to image_close().
 */
int image_open(const struct command_call *call, const char *path);
void image_close(int fd);

#endif
