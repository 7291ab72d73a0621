/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * All groups of commands, in the order in which help shows them.
 */
#include "command.h"

const struct command *const command_groups[] = {
    save_commands, restore_commands, migrate_commands, precheck_commands,
    receive_commands, memory_commands, policy_commands, backends_commands,
    image_commands, run_commands, NULL
};
