/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The commands of xl-ext.  A command is a row of one table, which is
 * also the only source of its usage text and of its completion in the
 * shell; a group of commands is a file of this folder and is listed in
 * table.c.
 *
 * Two programs run them: xl-ext (xl_ext.c), which needs no library of
 * Xen, those on images, and xl-ext-host (xl_ext_host.c), which it
 * becomes, the rest.
 *
 * Exit status of every command: 0 done and well, 1 done and the answer
 * is no, 2 wrong usage or it could not be done.  ("run" becomes the
 * command that it is given and has its status.)  Errors go to standard
 * error as one line, "xl-ext GROUP COMMAND: ...".
 *
 * Options and arguments may be mixed; "--" ends the options, and "-" is
 * an argument.  An option's value is the next word, or stands after "="
 * in the same word.  Options of one letter may share a word, as with xl:
 * "-ep", "-esssh".  "--help" and "-h" show the usage of the command.
 */
#ifndef XL_CMD_COMMAND_H
#define XL_CMD_COMMAND_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

enum { EXIT_WELL, EXIT_NO, EXIT_CANNOT };

#define COMMAND_OPTIONS 16

struct command_option {
    const char *name;           /* "--json" */
    const char *arg;            /* "FILE", its value; NULL: a flag */
    const char *help;
};

struct command_call;

struct command {
    const char *group;          /* NULL: "xl-ext NAME" */
    const char *name;
    const char *args;           /* "FILE|-", as usage shows them */
    unsigned int nr_args;       /* so many must be there ... */
    const char *help;           /* one line */
    /*
     * By number: an enum of the command's own names them, and each of
     * these is a row here, since the first that is none ends the table.
     */
    struct command_option options[COMMAND_OPTIONS];
    int (*run)(const struct command_call *call);
    unsigned int more_args;     /* ... and so many more may be */
    /* The first argument ends the options: the rest is another's. */
    int options_first;
};

#define COMMAND_ANY (~0U)       /* more_args without a bound */

struct command_call {
    const struct command *command;
    unsigned int options;       /* see command_has() */
    const char *values[COMMAND_OPTIONS];    /* NULL: not given */
    unsigned int nr_args;
    char **args;                /* a NULL after the last */
};

/* Was the option of that number given? */
static inline bool command_has(const struct command_call *call,
                               unsigned int option)
{
    return call->options & 1U << option;
}

/* Each ends with a row without a name. */
extern const struct command memory_commands[];
extern const struct command policy_commands[];
extern const struct command backends_commands[];
extern const struct command save_commands[];
extern const struct command restore_commands[];
extern const struct command migrate_commands[];
extern const struct command precheck_commands[];
extern const struct command receive_commands[];
extern const struct command image_commands[];
extern const struct command run_commands[];

/*
 * The groups of the program: in xl-ext-host all of them (table.c), in
 * xl-ext those that it runs itself (xl_ext.c).  Ends with NULL.
 */
extern const struct command *const command_groups[];

/* What the program does with its arguments; returns its exit status. */
int command_main(int argc, char **argv);

/* One line on standard error that names the command. */
void command_error(const struct command_call *call, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Writes out what was printed: EXIT_CANNOT, and a line, where it cannot be,
 * since a full disk or a closed pipe is no success.  @c may be NULL.
 */
int command_flush(const struct command *c);

/*
 * Prints a text from outside, a name or an answer, without what a terminal
 * would act upon; "-" for NULL.
 */
void print_clean(const char *text);

/*
 * The signals that end or cancel a command: SIGINT, SIGTERM and SIGHUP.
 * A hangup that the caller ignores, as nohup(1) does, is none of them.
 * SIGINT is one also where it was ignored, since a shell without job
 * control starts everything in the background like that, and somebody may
 * want to end it all the same.
 */
void signals_fill(sigset_t *set);
/* @flags: of sigaction(2). */
void signals_handle(void (*handler)(int), int flags);

/* Prints the completion for bash, made from the table. */
void command_completion(void);

#endif
