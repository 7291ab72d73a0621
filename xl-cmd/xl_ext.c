/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * xl-ext.
 */
#include "command.h"

int main(int argc, char **argv)
{
    return command_main(argc, argv);
}
