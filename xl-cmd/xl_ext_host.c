/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * xl-ext-host: all commands.  xl-ext runs it in its own place, with the
 * same arguments; see xl_ext.c.
 */
#include <sys/prctl.h>

#include "command.h"

int main(int argc, char **argv)
{
    /* As ps(1) shows it, and as the file of an operation names it. */
    prctl(PR_SET_NAME, "xl-ext");
    return command_main(argc, argv);
}
