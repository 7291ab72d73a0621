/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * xl-ext run: any libxl client with the plug-in active; and xl-ext
 * version.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "domain.h"

/* libxl takes the path of its helper from this variable. */
#define HELPER_ENV "LIBXL_SAVE_HELPER"
#define HELPER     "libxl-ext-save-helper"
#define GUARDIAN   "libxl-ext-guardian"

/*----- run -----*/

static int run(const struct command_call *call)
{
    char guardian[PATH_MAX], helper[PATH_MAX];

    if (libxl_ext_program_find(HELPER, helper, sizeof(helper))) {
        command_error(call, "%s cannot be run: %s: install libxl-ext's"
                      " programs", helper, strerror(errno));
        return EXIT_CANNOT;
    }
    /* Without it the helper would refuse each save, half-way there. */
    if (libxl_ext_program_find(GUARDIAN, guardian, sizeof(guardian))) {
        command_error(call, "%s cannot be run: %s: install libxl-ext's"
                      " programs", guardian, strerror(errno));
        return EXIT_CANNOT;
    }
    if (setenv(HELPER_ENV, helper, 1)) {
        command_error(call, "cannot set %s: %s", HELPER_ENV,
                      strerror(errno));
        return EXIT_CANNOT;
    }
    execvp(call->args[0], call->args);
    command_error(call, "cannot run %s: %s", call->args[0],
                  strerror(errno));
    return EXIT_CANNOT;
}

/*----- version -----*/

enum { VERSION_JSON };

static int version(const struct command_call *call)
{
    char helper[PATH_MAX];
    char program[] = LIBXL_EXT_VERSION_STRING;
    libxl_ext_version_info v;
    int found = !libxl_ext_program_find(HELPER, helper, sizeof(helper));

    if (!command_has(call, VERSION_JSON)) {
        printf("xl-ext %s, library %s, %s%s\n", program,
               libxl_ext_version(), found ? "helper " : "no helper",
               found ? helper : "");
        return EXIT_WELL;
    }
    libxl_ext_version_info_init(&v);
    /* Only lent: the struct is not disposed of. */
    v.program = program;
    v.library = (char *)libxl_ext_version();
    v.helper = found ? helper : NULL;
    return command_json(call, libxl_ext_version_info_to_json(&v));
}

const struct command run_commands[] = {
    { .name = "run", .args = "[--] COMMAND [ARG...]", .nr_args = 1,
      .more_args = COMMAND_ANY, .options_first = 1,
      .help = "run xl, or any other user of libxl, with libxl-ext active",
      .run = run },
    { .name = "version", .args = "",
      .help = "show versions, and whether the helper is installed",
      .options = {
          [VERSION_JSON] = { "--json", NULL, "as one JSON object" } },
      .run = version },
    { 0 }
};
