/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * xl-ext image: what can be said of an image without a hypervisor.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "image.h"

/*----- signals -----*/

static char last_words[128];

/* The signal is blocked here, and ends the program behind it. */
static void on_signal(int sig)
{
    if (write(STDERR_FILENO, last_words, strlen(last_words)) < 0)
        errno = 0;
    raise(sig);
}

void image_take_signals(const struct command_call *call, bool say)
{
    snprintf(last_words, sizeof(last_words), "xl-ext image %s: ended by a"
             " signal: nothing was changed\n", call->command->name);
    signals_handle(say ? on_signal : SIG_DFL, SA_RESETHAND);
}

/*----- reading -----*/

int image_open(const struct command_call *call, const char *path)
{
    int fd;

    if (!strcmp(path, "-"))
        return STDIN_FILENO;
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        command_error(call, "cannot open %s: %s", path, strerror(errno));
    return fd;
}

void image_close(int fd)
{
    if (fd > STDIN_FILENO)
        close(fd);
}

/* NULL with a line on standard error. */
static struct libxl_ext_image *read_image(const struct command_call *call,
                                          unsigned int flags)
{
    const char *path = call->args[0];
    struct libxl_ext_image *im = NULL;
    int fd = image_open(call, path);
    char error[512];

    if (fd < 0)
        return NULL;
    if (libxl_ext_image_read(fd, flags, -1, &im, error, sizeof(error)))
        command_error(call, "cannot read %s: %s", path, error);
    image_close(fd);
    return im;
}

static int answer(const struct libxl_ext_image *im)
{
    return im->nr_faults || im->ext.fate == LIBXL_EXT_IMAGE_REFUSED
           ? EXIT_NO : EXIT_WELL;
}

static int show(const struct command_call *call, unsigned int flags,
                bool json, const char *plot,
                void (*text)(const struct libxl_ext_image *))
{
    struct libxl_ext_image *im;
    int rc;

    image_take_signals(call, true);
    im = read_image(call, flags);
    if (!im)
        return EXIT_CANNOT;
    rc = answer(im);
    /* From here on what is printed may be cut, or a picture made. */
    image_take_signals(call, false);
    if (plot && image_plot(call, plot, im)) {
        rc = EXIT_CANNOT;
    } else if (!json) {
        text(im);
    } else if (image_print_json(im)) {
        command_error(call, "no memory for the JSON text");
        rc = EXIT_CANNOT;
    }
    libxl_ext_image_free(im);
    return rc;
}

enum { VERIFY_QUICK, VERIFY_READ_ALL, VERIFY_JSON };

static int image_verify(const struct command_call *call)
{
    unsigned int flags = LIBXL_EXT_IMAGE_RULES;

    if (command_has(call, VERIFY_QUICK))
        flags = LIBXL_EXT_IMAGE_QUICK;
    if (command_has(call, VERIFY_READ_ALL)) {
        if (flags == LIBXL_EXT_IMAGE_QUICK) {
            command_error(call, "--quick and --read-all exclude each"
                          " other: give one of the two");
            return EXIT_CANNOT;
        }
        flags = 0;
    }
    return show(call, flags, command_has(call, VERIFY_JSON), NULL,
                image_print_verdict);
}

enum { INSPECT_JSON, INSPECT_PLOT };

static int image_inspect(const struct command_call *call)
{
    return show(call, 0, command_has(call, INSPECT_JSON),
                call->values[INSPECT_PLOT], image_print_text);
}

const struct command image_commands[] = {
    { .group = "image", .name = "inspect", .args = "FILE|-", .nr_args = 1,
      .help = "say what is in the image of a guest",
      .options = {
          [INSPECT_JSON] = { "--json", NULL, "as one JSON object" },
          [INSPECT_PLOT] = { "--plot", "FILE", "draw rounds and page types"
                             " as an SVG" } },
      .run = image_inspect },
    { .group = "image", .name = "verify", .args = "FILE|-", .nr_args = 1,
      .help = "say whether an image is whole and who would restore it",
      .options = {
          [VERIFY_QUICK] = { "--quick", NULL, "do not look into pages" },
          [VERIFY_READ_ALL] = { "--read-all", NULL, "read every byte, even"
                                " where no rule looks at it" },
          [VERIFY_JSON] = { "--json", NULL, "as one JSON object" } },
      .run = image_verify },
    { .group = "image", .name = "convert", .args = "IN|- OUT",
      .nr_args = 2, .help = "make a changed copy of an image",
      .options = {
          [CONVERT_RECORD] = { "--record", "KIND", "what becomes of the"
                               " memory record: keep, optional, mandatory"
                               " or drop" },
          [CONVERT_MAX_PAGES] = { "--max-pages", "N", "the limit that the"
                                  " memory record is to give" },
          [CONVERT_CARRIER] = { "--carrier", "WHERE", "where the memory"
                                " record is put: auto, libxc, libxl or"
                                " both" },
          [CONVERT_DROP_SUPERSEDED] = { "--drop-superseded", NULL, "keep"
                                        " only the last copy of each"
                                        " page" },
          [CONVERT_PAGE_STATE] = { "--page-state", NULL, "make plain pages"
                                   " of page tables that are not"
                                   " validated" },
          [CONVERT_FORCE] = { "--force", NULL, "replace OUT" },
          [CONVERT_JSON] = { "--json", NULL, "print what was done as one"
                             " JSON object" } },
      .run = image_convert },
    { .group = "image", .name = "diff", .args = "A B", .nr_args = 2,
      .help = "say what differs between two images of one guest",
      .options = {
          [DIFF_JSON] = { "--json", NULL, "as one JSON object" } },
      .run = image_diff },
    { 0 }
};
