/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The commands of xl-ext.  A command is a row of one table, which is
 * also the only source of its usage text; a group of commands is a file
 * of this folder and is listed in table.c.
 *
 * Exit status of every command: 0 done and well, 1 done and the answer
 * is no, 2 wrong usage or it could not be done.  Errors go to standard
 * error as one line, "xl-ext GROUP COMMAND: ...".
 */
#ifndef XL_CMD_COMMAND_H
#define XL_CMD_COMMAND_H

#include <stddef.h>

enum { EXIT_WELL, EXIT_NO, EXIT_CANNOT };

#define COMMAND_OPTIONS 16
#define COMMAND_ARGS    4

struct command_option {
    const char *name;           /* "--json" */
    const char *arg;            /* "FILE", its value; NULL: a flag */
    const char *help;
};

struct command_call;

struct command {
    const char *group, *name;
    const char *args;           /* "FILE|-", as usage shows them */
    unsigned int nr_args;
    const char *help;           /* one line */
    /* Option i sets bit i in command_call.options. */
    struct command_option options[COMMAND_OPTIONS];
    int (*run)(const struct command_call *call);
};

struct command_call {
    const struct command *command;
    unsigned int options;
    const char *values[COMMAND_OPTIONS];    /* NULL: not given */
    const char *args[COMMAND_ARGS];
};

/* Ends with a row without a name. */
extern const struct command image_commands[];

/* All groups; ends with NULL. */
extern const struct command *const command_groups[];

/* One line on standard error that names the command. */
void command_error(const struct command_call *call, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
