/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * libxl-ext-guardian: brings frozen backends back when the process that
 * froze them cannot.
 *
 *   --guard DOMID      started by the helper; see watch.c
 *   --thaw DOMID       undo what a journal names, after a crash of all,
 *                      and let a guest run that its save left suspended
 *   --thaw-all         the same for every journal
 *   --resume DOMID     thaw a suspended domain, and let it run at once
 *   --probe DOMID      what a freeze would see, as JSON lines; changes
 *                      nothing
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xenctrl.h>

#include "guardian/guardian.h"

static int usage(FILE *to, int status)
{
    fputs("usage: libxl-ext-guardian --thaw DOMID [--force]\n"
          "       libxl-ext-guardian --thaw-all [--force]\n"
          "       libxl-ext-guardian --resume DOMID [--force]\n"
          "       libxl-ext-guardian --probe DOMID\n", to);
    return status;
}

static int take_domid(const char *arg, uint32_t *domid_r)
{
    unsigned long v;
    char *end;

    if (!arg)
        return -1;
    errno = 0;
    v = strtoul(arg, &end, 10);
    if (arg[0] < '0' || arg[0] > '9' || *end || errno ||
        v >= DOMID_FIRST_RESERVED) {
        fprintf(stderr, "libxl-ext-guardian: domain id '%s' is not a"
                " number below %u\n", arg, DOMID_FIRST_RESERVED);
        return -1;
    }
    *domid_r = v;
    return 0;
}

int main(int argc, char **argv)
{
    const char *cmd = argc > 1 ? argv[1] : "";
    int force = argc > 2 && !strcmp(argv[argc - 1], "--force");
    uint32_t domid;

    argc -= force;
    if (!strcmp(cmd, "--help"))
        return usage(stdout, 0);
    if (!strcmp(cmd, "--thaw-all") && argc == 2)
        return thaw_all(force);
    if (argc != 3)
        return usage(stderr, 2);
    if (take_domid(argv[2], &domid))
        return 2;
    if (!strcmp(cmd, "--guard"))
        return guard_domain(domid);
    if (!strcmp(cmd, "--thaw"))
        return thaw_domain(domid, force);
    if (!strcmp(cmd, "--resume"))
        return resume_domain(domid, force);
    if (!strcmp(cmd, "--probe"))
        return probe_domain(domid);
    return usage(stderr, 2);
}
