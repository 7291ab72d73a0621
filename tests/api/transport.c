/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * transport SHELL HOST MS
 *
 * Asks over xl-ext's way to another host, as "xl-ext migrate" asks again
 * where its guest is, and prints the line "NAME|ERRNO|WORDS": what was
 * run, 0 or how the reading failed, and what was read.  SHELL of "-" is
 * the one that is taken by itself.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "transport.h"

int main(int argc, char **argv)
{
    const char *shell = argc == 4 && strcmp(argv[1], "-") ? argv[1] : NULL;
    char said[16] = "";
    struct transport t;
    volatile sig_atomic_t stop = 0;
    int failed = 0;

    if (argc != 4 || transport_open(&t, shell, argv[2], "words"))
        return 2;
    if (transport_read(&t, said, sizeof(said) - 1, atoi(argv[3]),
                       &stop) < 0)
        failed = errno;
    printf("%s|%d|%s\n", transport_name(shell, argv[2]), failed, said);
    transport_close(&t, 0);
    return 0;
}
