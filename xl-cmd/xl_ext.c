/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * xl-ext: runs the commands on images, and becomes xl-ext-host for all
 * else: the commands that need a hypervisor, help of all, completion.
 *
 * It links no library of Xen, so that images can be read where none is
 * installed, and without loading 17 of them, which takes longer than all
 * else of a quick verify.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "libxl_ext.h"

#define HOST "xl-ext-host"

const struct command *const command_groups[] = { image_commands, NULL };

int main(int argc, char **argv)
{
    char host[PATH_MAX];

    if (argc > 1 && !strcmp(argv[1], "image"))
        return command_main(argc, argv);
    if (!libxl_ext_program_find(HOST, host, sizeof(host)))
        execv(host, argv);
    fprintf(stderr, "xl-ext: %s cannot be run: %s: install libxl-ext's"
            " programs\n", host, strerror(errno));
    return EXIT_CANNOT;
}
