/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Finds the command in the table, parses its options by its row, runs
 * it.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"

/* "image verify", or "memory" for one without a group. */
static void full_name(const struct command *c, char *name, size_t len)
{
    snprintf(name, len, "%s%s%s", c->group ? c->group : "",
             c->group ? " " : "", c->name);
}

static void usage_line(FILE *to, const struct command *c)
{
    const struct command_option *o;
    char name[64];

    full_name(c, name, sizeof(name));
    fprintf(to, "xl-ext %s", name);
    for (o = c->options; o->name; o++)
        fprintf(to, " [%s%s%s]", o->name, o->arg ? " " : "",
                o->arg ? o->arg : "");
    fprintf(to, "%s%s\n", *c->args ? " " : "", c->args);
}

static void usage_options(FILE *to, const struct command *c)
{
    const struct command_option *o;
    char name[64];

    fprintf(to, "    %s\n", c->help);
    for (o = c->options; o->name; o++) {
        snprintf(name, sizeof(name), "%s%s%s", o->name,
                 o->arg ? " " : "", o->arg ? o->arg : "");
        fprintf(to, "    %-17s %s\n", name, o->help);
    }
}

static int in_group(const struct command *c, const char *group)
{
    return c->group && !strcmp(c->group, group);
}

/* Of @group alone, or of all where it is NULL.  How many were shown. */
static unsigned int usage(FILE *to, const char *group)
{
    const struct command *const *g, *c;
    unsigned int nr = 0;

    for (g = command_groups; *g; g++)
        for (c = *g; c->name; c++)
            if (!group || in_group(c, group)) {
                usage_line(to, c);
                usage_options(to, c);
                nr++;
            }
    return nr;
}

static void usage_all(void)
{
    usage(stdout, NULL);
    printf("xl-ext --completion bash\n"
           "    print the completion for bash\n"
           "xl-ext [COMMAND] --help\n"
           "    print this, or the same of one command or group\n"
           "DOMAIN is a name or an id; what is all digits is an id.\n"
           "Exit status: 0 done and well, 1 done and the answer is no,"
           " 2 wrong usage\nor it could not be done.\n");
}

/* Names come from outside; the line must stay one line. */
/*
 * How many bytes at @text a terminal would act upon: a control character,
 * or one of C1 (U+0080 to U+009F) in UTF-8.
 */
static size_t control(const char *text)
{
    unsigned char next = *text ? text[1] : 0;

    if (iscntrl((unsigned char)*text))
        return 1;
    return (unsigned char)*text == 0xc2 && next >= 0x80 && next <= 0x9f ?
        2 : 0;
}

void command_error(const struct command_call *call, const char *fmt, ...)
{
    char name[64], *line, *p;
    size_t n;
    va_list ap;

    full_name(call->command, name, sizeof(name));
    va_start(ap, fmt);
    if (vasprintf(&line, fmt, ap) < 0)
        line = NULL;
    va_end(ap);
    for (p = line; p && *p; p += n ? n : 1) {
        n = control(p);
        memset(p, '?', n);
    }
    fprintf(stderr, "xl-ext %s: %s\n", name, line ? line : "no memory");
    free(line);
}

void print_clean(const char *text)
{
    size_t n;

    for (text = text ? text : "-"; *text; text += n ? n : 1) {
        n = control(text);
        putchar(n ? '?' : *text);
    }
}

/* @group may be NULL. */
static const struct command *find(const char *group, const char *name)
{
    const struct command *const *g, *c;

    for (g = command_groups; *g; g++)
        for (c = *g; c->name; c++)
            if (!strcmp(name, c->name) &&
                (group ? in_group(c, group) : !c->group))
                return c;
    return NULL;
}

static int is_help(const char *arg)
{
    return !strcmp(arg, "--help") || !strcmp(arg, "-h");
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
 * Sets option @i, whose value is @value, or where that is NULL what is
 * after argv[*@k].  0, or -1 with a line on standard error.
 */
static int set_option(struct command_call *call, int i, const char *value,
                      int argc, char **argv, int *k)
{
    const struct command_option *o = &call->command->options[i];

    if (!o->arg && value) {
        command_error(call, "option %s takes no value", o->name);
        return -1;
    }
    if (o->arg && command_has(call, i)) {
        command_error(call, "option %s is given twice", o->name);
        return -1;
    }
    if (o->arg && !value && *k + 1 == argc) {
        command_error(call, "option %s needs its %s", o->name, o->arg);
        return -1;
    }
    if (o->arg)
        call->values[i] = value ? value : argv[++*k];
    call->options |= 1U << i;
    return 0;
}

/*
 * Several of one letter in one word, as getopt(3) has it: the last may
 * have its value in the same word or after it.  As parse().
 */
static int parse_letters(struct command_call *call, int argc, char **argv,
                         int *k)
{
    const char *word = argv[*k], *p;
    char name[] = "-x";
    int i;

    for (p = word + 1; *p; p++) {
        name[1] = *p;
        if (is_help(name))
            return 1;
        i = find_option(call->command, name);
        if (i < 0) {
            command_error(call, p == word + 1 ? "no option %s" :
                          "no option %s in %s", p == word + 1 ? word :
                          name, word);
            return -1;
        }
        if (call->command->options[i].arg)
            return set_option(call, i, p[1] ? p + 1 : NULL, argc, argv,
                              k);
        set_option(call, i, NULL, argc, argv, k);
    }
    return 0;
}

/* The option or the options at argv[*@k]; as parse(). */
static int parse_option(struct command_call *call, int argc, char **argv,
                        int *k)
{
    const char *arg = argv[*k], *value = strchr(arg, '=');
    int i = find_option(call->command, arg);

    if (i >= 0)
        return set_option(call, i, value ? value + 1 : NULL, argc, argv,
                          k);
    if (arg[1] != '-')
        return parse_letters(call, argc, argv, k);
    command_error(call, "no option %s", arg);
    return -1;
}

static int take_arg(struct command_call *call, char *arg)
{
    const struct command *c = call->command;

    if (call->nr_args >= c->nr_args &&
        call->nr_args - c->nr_args >= c->more_args) {
        command_error(call, "argument %s is one too many", arg);
        return -1;
    }
    /* Its place is never behind the one that is read. */
    call->args[call->nr_args++] = arg;
    return 0;
}

/* Which argument is the first that is not there, as usage names it? */
static int say_missing(const struct command_call *call)
{
    const char *name = call->command->args;
    unsigned int at = call->nr_args;
    size_t len = strcspn(name, " ");

    /* Those in brackets need not be there. */
    while (*name == '[' || at--) {
        name += len + strspn(name + len, " ");
        len = strcspn(name, " ");
    }
    command_error(call, "%.*s is missing", (int)len, name);
    return -1;
}

/*
 * 0, 1 where help is wanted, or -1 with a line on standard error.  The
 * arguments are moved to the start of @argv, which has a NULL at its
 * end.
 */
static int parse(struct command_call *call, int argc, char **argv)
{
    const struct command *c = call->command;
    int k, r, ended = 0;

    call->args = argv;
    for (k = 0; k < argc; k++) {
        /* "-" alone is an argument: standard input. */
        if (ended || argv[k][0] != '-' || !argv[k][1]) {
            ended |= c->options_first;
            if (take_arg(call, argv[k]))
                return -1;
        } else if (!strcmp(argv[k], "--")) {
            ended = 1;
        } else if (is_help(argv[k])) {
            return 1;
        } else if ((r = parse_option(call, argc, argv, &k))) {
            return r;
        }
    }
    if (call->nr_args < c->nr_args)
        return say_missing(call);
    call->args[call->nr_args] = NULL;
    return 0;
}

int command_flush(const struct command *c)
{
    char name[64] = "";

    if (!fflush(stdout) && !ferror(stdout))
        return EXIT_WELL;
    if (c)
        full_name(c, name, sizeof(name));
    fprintf(stderr, "xl-ext%s%s: cannot write to standard output: %s\n",
            c ? " " : "", name, strerror(errno));
    /* It is said once. */
    __fpurge(stdout);
    clearerr(stdout);
    return EXIT_CANNOT;
}

static int flushed(const struct command *c, int rc)
{
    return command_flush(c) ? EXIT_CANNOT : rc;
}

static int run(const struct command *c, int argc, char **argv)
{
    struct command_call call = { .command = c };
    int rc;

    switch (parse(&call, argc, argv)) {
    case 0:
        rc = c->run(&call);
        break;
    case 1:
        usage_line(stdout, c);
        usage_options(stdout, c);
        rc = EXIT_WELL;
        break;
    default:
        usage_line(stderr, c);
        return EXIT_CANNOT;
    }
    return flushed(c, rc);
}

/*
 * A standard descriptor that the caller has closed would be the next one
 * that is opened: an image, and what is said would be written into it.
 * In its place stands one that cannot be used either.
 */
static int take_descriptors(void)
{
    int fd;

    for (fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 &&
            open("/dev/null", fd == STDIN_FILENO ? O_WRONLY
                                                 : O_RDONLY) != fd)
            return -1;
    return 0;
}

/*----- signals -----*/

static const int ending[] = { SIGINT, SIGTERM, SIGHUP };
#define NR_ENDING (sizeof(ending) / sizeof(ending[0]))

static bool stays_ignored(int sig)
{
    struct sigaction was;

    return sig == SIGHUP && !sigaction(sig, NULL, &was) &&
        was.sa_handler == SIG_IGN;
}

void signals_fill(sigset_t *set)
{
    size_t i;

    sigemptyset(set);
    for (i = 0; i < NR_ENDING; i++)
        if (!stays_ignored(ending[i]))
            sigaddset(set, ending[i]);
}

void signals_handle(void (*handler)(int), int flags)
{
    struct sigaction sa = { .sa_flags = flags };
    size_t i;

    sa.sa_handler = handler;
    for (i = 0; i < NR_ENDING; i++)
        if (!stays_ignored(ending[i]))
            sigaction(ending[i], &sa, NULL);
}

/*----- the program -----*/

int command_main(int argc, char **argv)
{
    const char *first = argc > 1 ? argv[1] : "";
    const struct command *c;

    if (take_descriptors())
        return EXIT_CANNOT;
    /* Ignored, which exec(2) keeps, children could not be waited for. */
    signal(SIGCHLD, SIG_DFL);
    if (argc > 1 && (c = find(NULL, first)))
        return run(c, argc - 2, argv + 2);
    if (argc > 2 && (c = find(first, argv[2])))
        return run(c, argc - 3, argv + 3);
    if (argc == 2 && is_help(first)) {
        usage_all();
        return flushed(NULL, EXIT_WELL);
    }
    if (argc == 3 && is_help(argv[2]) && usage(stdout, first))
        return flushed(NULL, EXIT_WELL);
    if (argc == 3 && !strcmp(first, "--completion") &&
        !strcmp(argv[2], "bash")) {
        command_completion();
        return flushed(NULL, EXIT_WELL);
    }
    if (argc > 1)
        fprintf(stderr, "xl-ext: no command %s%s%s: see xl-ext --help\n",
                first, argc > 2 ? " " : "", argc > 2 ? argv[2] : "");
    else
        usage(stderr, NULL);
    return EXIT_CANNOT;
}
