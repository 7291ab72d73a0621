/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * xl-ext: finds the command in the table, parses its options by its
 * row, runs it.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "command.h"

static void usage_line(FILE *to, const struct command *c)
{
    const struct command_option *o;

    fprintf(to, "xl-ext %s %s", c->group, c->name);
    for (o = c->options; o->name; o++)
        fprintf(to, " [%s%s%s]", o->name, o->arg ? " " : "",
                o->arg ? o->arg : "");
    fprintf(to, " %s\n", c->args);
}

static void usage_options(FILE *to, const struct command *c)
{
    const struct command_option *o;
    char name[64];

    fprintf(to, "    %s\n", c->help);
    for (o = c->options; o->name; o++) {
        snprintf(name, sizeof(name), "%s%s%s", o->name,
                 o->arg ? " " : "", o->arg ? o->arg : "");
        fprintf(to, "    %-10s %s\n", name, o->help);
    }
}

/* Of @group alone, or of all where it is NULL. */
static void usage(FILE *to, const char *group)
{
    const struct command *const *g, *c;

    for (g = command_groups; *g; g++)
        for (c = *g; c->name; c++)
            if (!group || !strcmp(group, c->group)) {
                usage_line(to, c);
                usage_options(to, c);
            }
}

void command_error(const struct command_call *call, const char *fmt, ...)
{
    va_list ap;

    fprintf(stderr, "xl-ext %s %s: ", call->command->group,
            call->command->name);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
}

static const struct command *find(const char *group, const char *name)
{
    const struct command *const *g, *c;

    for (g = command_groups; *g; g++)
        for (c = *g; c->name; c++)
            if (!strcmp(group, c->group) && !strcmp(name, c->name))
                return c;
    return NULL;
}

/* The option that @arg is, "--name" or "--name=VALUE"; -1: none. */
static int find_option(const struct command *c, const char *arg)
{
    size_t len = strcspn(arg, "=");
    int i;

    for (i = 0; c->options[i].name; i++)
        if (strlen(c->options[i].name) == len &&
            !strncmp(arg, c->options[i].name, len))
            return i;
    return -1;
}

/*
 * Takes the option at argv[*@k] and, where it stands on its own, its
 * value behind it.  0, or -1 with a line on standard error.
 */
static int parse_option(struct command_call *call, int argc, char **argv,
                        int *k)
{
    const char *arg = argv[*k], *value = strchr(arg, '=');
    int i = find_option(call->command, arg);
    const struct command_option *o;

    if (i < 0) {
        command_error(call, "no option %s", arg);
        return -1;
    }
    o = &call->command->options[i];
    if (!o->arg && value) {
        command_error(call, "option %s takes no value", o->name);
        return -1;
    }
    if (o->arg && call->options & 1U << i) {
        command_error(call, "option %s is given twice", o->name);
        return -1;
    }
    if (o->arg && !value && *k + 1 == argc) {
        command_error(call, "option %s needs its %s", o->name, o->arg);
        return -1;
    }
    if (o->arg)
        call->values[i] = value ? value + 1 : argv[++*k];
    call->options |= 1U << i;
    return 0;
}

/* 0, or -1 with a line on standard error. */
static int parse(struct command_call *call, int argc, char **argv)
{
    const struct command *c = call->command;
    unsigned int nr = 0;
    int k;

    for (k = 0; k < argc; k++) {
        /* "-" alone is an argument: standard input. */
        if (argv[k][0] != '-' || !argv[k][1]) {
            if (nr == c->nr_args) {
                command_error(call, "argument %s is one too many",
                              argv[k]);
                return -1;
            }
            call->args[nr++] = argv[k];
            continue;
        }
        if (parse_option(call, argc, argv, &k))
            return -1;
    }
    if (nr < c->nr_args) {
        command_error(call, "%s is missing", c->args);
        return -1;
    }
    return 0;
}

static int run(const struct command *c, int argc, char **argv)
{
    struct command_call call = { .command = c };
    int rc;

    if (argc == 1 && !strcmp(argv[0], "--help")) {
        usage_line(stdout, c);
        usage_options(stdout, c);
        rc = EXIT_WELL;
    } else if (parse(&call, argc, argv)) {
        usage_line(stderr, c);
        return EXIT_CANNOT;
    } else {
        rc = c->run(&call);
    }
    /* A full disk or a closed pipe is no success. */
    if (fflush(stdout) || ferror(stdout)) {
        command_error(&call, "cannot write to standard output: %s",
                      strerror(errno));
        rc = EXIT_CANNOT;
    }
    return rc;
}

int main(int argc, char **argv)
{
    const struct command *c;

    if (argc >= 3 && (c = find(argv[1], argv[2])))
        return run(c, argc - 3, argv + 3);
    if (argc == 2 && !strcmp(argv[1], "--help")) {
        usage(stdout, NULL);
        return EXIT_WELL;
    }
    if (argc == 3 && !strcmp(argv[2], "--help")) {
        usage(stdout, argv[1]);
        return EXIT_WELL;
    }
    if (argc >= 3)
        fprintf(stderr, "xl-ext: no command %s %s\n", argv[1], argv[2]);
    usage(stderr, NULL);
    return EXIT_CANNOT;
}
