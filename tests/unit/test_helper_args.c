/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The helper's command line (helper/args.c).
 */
#include <string.h>

#include "helper/helper.h"
#include "unit.h"

#define WORDS 9

static struct lxe__helper h;
static struct lxe__err err;

/* @words as the argv after the operation's name. */
static char **argv_of(const char *words)
{
    static char text[256], *argv[WORDS + 3];
    char *save = NULL;
    size_t n = 0;

    strcpy(text, words);
    memset(argv, 0, sizeof(argv));
    for (argv[0] = strtok_r(text, " ", &save); argv[n];
         argv[n] = strtok_r(NULL, " ", &save))
        n++;
    memset(&h, 0, sizeof(h));
    h.domid = UINT32_MAX;
    lxe__err_init(&err);
    return argv;
}

static void save_takes_what_libxl_gives(void)
{
    struct lxe__save_args a;

    CU_ASSERT_EQUAL(lxe__args_save(argv_of("7 -1 12 1 254 0"), &h, &a,
                                   &err), 0);
    CU_ASSERT(a.fd == 7 && a.recv_fd == -1 && a.flags == 1);
    CU_ASSERT(h.domid == 12 && h.proto.cbflags == 254 && !a.stream_type);
}

static void restore_takes_what_libxl_gives(void)
{
    struct lxe__restore_args a;

    CU_ASSERT_EQUAL(lxe__args_restore(argv_of("7 8 12 3 0 4 1 768 0"), &h,
                                      &a, &err), 0);
    CU_ASSERT(a.fd == 7 && a.send_back_fd == 8 && a.domid == 12);
    CU_ASSERT(a.store_evtchn == 3 && a.store_domid == 0);
    CU_ASSERT(a.console_evtchn == 4 && a.console_domid == 1);
    CU_ASSERT(h.domid == 12 && h.proto.cbflags == 768 && !a.stream_type);
}

static void others_are_refused_and_named(void)
{
    static const struct { const char *words, *line; } bad[] = {
        { "7 -1 12 1 254", "arguments: STREAM_TYPE is missing; libxl gives"
          " it" },
        { "7 -1 12 1 254 0 9", "arguments: \"9\" is one too many; 6 were"
          " expected" },
        { "-1 -1 12 1 254 0", "arguments: FD is \"-1\", not a number from"
          " 0 to 2147483647" },
        { "7 -2 12 1 254 0", "arguments: BACK_FD is \"-2\", not a number"
          " from -1 to 2147483647" },
        { "7 -1 0 1 254 0", "arguments: DOMID is \"0\", not a number"
          " from 1 to 32751" },
        { "7 -1 32752 1 254 0", "arguments: DOMID is \"32752\", not a"
          " number from 1 to 32751" },
        { "7 -1 12x 1 254 0", "arguments: DOMID is \"12x\", not a number"
          " from 1 to 32751" },
        { "7 -1 12 4294967296 254 0", "arguments: FLAGS is \"4294967296\","
          " not a number from 0 to 4294967295" },
        { "7 -1 12 1 99999999999999999999 0", "arguments: CBFLAGS is"
          " \"99999999999999999999\", not a number from 0 to 4294967295" },
    };
    struct lxe__save_args a;
    size_t i;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CU_ASSERT_EQUAL(lxe__args_save(argv_of(bad[i].words), &h, &a,
                                       &err), -1);
        CU_ASSERT_STRING_EQUAL(err.msg, bad[i].line);
        CU_ASSERT(h.domid == UINT32_MAX && !h.proto.cbflags);
    }
}

LXE_SUITE(helper_args,
    { "save: as libxl gives them", save_takes_what_libxl_gives },
    { "restore: as libxl gives them", restore_takes_what_libxl_gives },
    { "others are refused, and the line names them",
      others_are_refused_and_named })
