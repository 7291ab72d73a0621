/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Fault points: the part that acts.  Linked into debug builds only.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fault.h"

#ifdef LXE_DEBUG

#define NAP_S 20
#define SLEEP_S 600

static const struct {
    int number;
    const char *name, *side, *leaves;
} points[] = {
#define X(n, name, side, leaves) { n, #name, side, leaves },
    LXE_FAULT_POINTS(X)
#undef X
};

static const char *point_name(int number)
{
    size_t i;

    for (i = 0; i < sizeof(points) / sizeof(points[0]); i++)
        if (points[i].number == number)
            return points[i].name;
    return "?";
}

int lxe__fault(enum lxe__fault_point point, struct lxe__err *err)
{
    static unsigned long reached;
    const char *env = getenv(LXE_FAULT_ENV);
    unsigned long number, nth = 1;
    char *end;

    if (!env)
        return 0;
    number = strtoul(env, &end, 10);
    if (number != (unsigned long)point || *end != ':')
        return 0;
    env = end + 1;
    end = strchr(env, ':');
    if (end)
        nth = strtoul(end + 1, NULL, 10);
    if (++reached != nth)
        return 0;
    if (!strncmp(env, "kill", 4)) {
        raise(SIGKILL);
        pause();
    }
    if (!strncmp(env, "stop", 4)) {
        raise(SIGSTOP);
        return 0;
    }
    /* A signal that is caught ends these. */
    if (!strncmp(env, "nap", 3)) {
        sleep(NAP_S);
        return 0;
    }
    if (!strncmp(env, "sleep", 5)) {
        sleep(SLEEP_S);
        return 0;
    }
    return lxe__err_set(err, EIO, "fault point %lu (%s) was told to fail"
                        " by LIBXL_EXT_FAULT", number,
                        point_name(number));
}

void lxe__fault_list(void)
{
    size_t i;

    for (i = 0; i < sizeof(points) / sizeof(points[0]); i++)
        printf("%d %s %s %s\n", points[i].number, points[i].side,
               points[i].name, points[i].leaves);
}

#endif
