/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The completion for bash, made from the table: commands, options by
 * command, and by the words of a row's arguments names of domains
 * (DOMAIN), files, both, or another command and its own completion.
 */
#include <stdio.h>
#include <string.h>

#include "command.h"

static const char *prefix(const struct command *c)
{
    return c->group ? c->group : "";
}

/* Is @c the first command of its group, or without one? */
static int is_first(const struct command *group, const struct command *c)
{
    return !c->group || c == group ||
        !(c - 1)->group || strcmp((c - 1)->group, c->group);
}

static void put_words(void)
{
    const struct command *const *g, *c;

    fputs("        words=\"", stdout);
    for (g = command_groups; *g; g++)
        for (c = *g; c->name; c++)
            if (is_first(*g, c))
                printf("%s ", c->group ? c->group : c->name);
    puts("--help --completion\"");
}

/* The commands of each group, for its second word. */
static void put_groups(void)
{
    const struct command *const *g, *c, *d;

    for (g = command_groups; *g; g++)
        for (c = *g; c->name; c++) {
            if (!c->group || !is_first(*g, c))
                continue;
            printf("    %s)\n        if [ \"$COMP_CWORD\" = 2 ]; then\n"
                   "            words=\"", c->group);
            for (d = c; d->name && d->group &&
                 !strcmp(d->group, c->group); d++)
                printf("%s ", d->name);
            puts("--help\"\n        fi\n        ;;");
        }
}

static void put_options(const struct command *c)
{
    const struct command_option *o;

    fputs("        options=\"", stdout);
    for (o = c->options; o->name; o++)
        printf("%s ", o->name);
    puts("--help\"");
}

static void put_command(const struct command *c)
{
    const struct command_option *o;

    printf("    \"%s%s%s\")\n", prefix(c), c->group ? " " : "", c->name);
    put_options(c);
    if (strstr(c->args, "DOMAIN"))
        printf("        what=domain%s\n",
               strstr(c->args, "FILE") ? "_file" : "");
    else if (strstr(c->args, "COMMAND"))
        puts("        what=command");
    else if (strstr(c->args, "FILE") || c->group)
        puts("        what=file");
    for (o = c->options; o->name; o++)
        if (o->arg && (!strcmp(o->arg, "FILE") ||
                       !strcmp(o->arg, "CONFIG")))
            printf("        [ \"$last\" = %s ] && what=file\n", o->name);
    puts("        ;;");
}

/*
 * Names come from outside, so the shell must not expand them: they are
 * read a line at a time, and readline quotes what it inserts, but for
 * names with a $ or a `, which bash 5.2 leaves as they are.
 */
static void put_domains(void)
{
    puts("_xl_ext_domains()\n{\n"
         "    local name start=${1#[\\\"\\']}\n"
         "    # What was typed without a quote may have a \\ in it.\n"
         "    [ \"$start\" != \"$1\" ] || IFS= read start <<< \"$1\"\n"
         "    while IFS= read -r name; do\n"
         "        [[ $name != *[\\$\\`]* && $name = \"$start\"* ]] &&\n"
         "            COMPREPLY+=(\"$name\")\n"
         "    done < <(xl list 2> /dev/null |"
         " sed -nE '3,$s/( +[^ ]+){5} *$//p')\n"
         "}\n");
}

void command_completion(void)
{
    const struct command *const *g, *c;

    puts("# bash completion for xl-ext, printed by xl-ext --completion"
         " bash");
    put_domains();
    puts("_xl_ext()\n{\n"
         "    local cur=\"${COMP_WORDS[COMP_CWORD]}\" words= options="
         " what= command\n"
         "    local last=\"${COMP_WORDS[COMP_CWORD - 1]}\"\n"
         "    COMPREPLY=()\n"
         "    command=\"${COMP_WORDS[1]}\"\n"
         "    if [ \"$COMP_CWORD\" = 1 ]; then");
    put_words();
    puts("    fi\n"
         "    [ \"${COMP_WORDS[1]}\" = --completion ] && words=bash\n"
         "    case $command in");
    put_groups();
    puts("    esac\n"
         "    if [ -n \"$words\" ]; then\n"
         "        COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
         "        return\n"
         "    fi\n"
         "    case $command in");
    for (g = command_groups; *g; g++)
        for (c = *g; c->name; c++)
            if (c->group && is_first(*g, c))
                printf("    %s) command=\"$command ${COMP_WORDS[2]}\""
                       " ;;\n", c->group);
    puts("    esac\n    case $command in");
    for (g = command_groups; *g; g++)
        for (c = *g; c->name; c++)
            put_command(c);
    puts("    esac\n"
         "    case $what:$cur in\n"
         "    command:*)\n"
         "        if declare -F _command_offset > /dev/null; then\n"
         "            local i=2\n"
         "            [ \"${COMP_WORDS[2]}\" = -- ] && i=3\n"
         "            _command_offset $i\n"
         "        else\n"
         "            mapfile -t COMPREPLY < <(compgen -c -- \"$cur\")\n"
         "        fi\n"
         "        ;;\n"
         "    *:-*)\n"
         "        COMPREPLY=($(compgen -W \"$options\" -- \"$cur\"))\n"
         "        ;;\n"
         "    domain*:*)\n"
         "        _xl_ext_domains \"$cur\"\n"
         "        [ $what = domain ] ||\n"
         "            mapfile -t -O ${#COMPREPLY[@]} COMPREPLY"
         " < <(compgen -f -- \"$cur\")\n"
         "        ;;\n"
         "    file:*)\n"
         "        mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
         "        ;;\n"
         "    esac\n"
         "}\n"
         "complete -o filenames -F _xl_ext xl-ext");
}
