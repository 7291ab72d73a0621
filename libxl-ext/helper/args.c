/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The helper's arguments, as libxl_save_callout.c gives them: numbers,
 * each with bounds.  Pure code.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "helper/helper.h"

struct number {
    const char *name;
    int64_t min, max, value;
};

static int parse_numbers(char **argv, struct number *n, size_t count,
                         struct lxe__err *err)
{
    size_t i;
    char *end;

    for (i = 0; i < count; i++) {
        if (!argv[i])
            return lxe__err_set(err, EINVAL, "arguments: %s is missing;"
                                " libxl gives it", n[i].name);
        errno = 0;
        n[i].value = strtoll(argv[i], &end, 10);
        if (errno || end == argv[i] || *end || n[i].value < n[i].min ||
            n[i].value > n[i].max)
            return lxe__err_set(err, EINVAL, "arguments: %s is \"%.32s\","
                                " not a number from %"PRId64" to %"PRId64,
                                n[i].name, argv[i], n[i].min, n[i].max);
    }
    if (argv[count])
        return lxe__err_set(err, EINVAL, "arguments: \"%.32s\" is one too"
                            " many; %zu were expected", argv[count],
                            count);
    return 0;
}

int lxe__args_save(char **argv, struct lxe__helper *h,
                   struct lxe__save_args *a, struct lxe__err *err)
{
    struct number n[] = {
        { "FD", 0, INT32_MAX, 0 },
        { "BACK_FD", -1, INT32_MAX, 0 },
        /* Domain 0 that is asked to suspend takes the host down. */
        { "DOMID", 1, DOMID_FIRST_RESERVED - 1, 0 },
        { "FLAGS", 0, UINT32_MAX, 0 },
        { "CBFLAGS", 0, UINT32_MAX, 0 },
        { "STREAM_TYPE", 0, INT32_MAX, 0 },
    };

    if (parse_numbers(argv, n, sizeof(n) / sizeof(n[0]), err))
        return -1;
    a->fd = n[0].value;
    a->recv_fd = n[1].value;
    h->domid = n[2].value;
    a->flags = n[3].value;
    h->proto.cbflags = n[4].value;
    a->stream_type = n[5].value;
    return 0;
}

int lxe__args_restore(char **argv, struct lxe__helper *h,
                      struct lxe__restore_args *a, struct lxe__err *err)
{
    struct number n[] = {
        { "FD", 0, INT32_MAX, 0 },
        { "BACK_FD", -1, INT32_MAX, 0 },
        { "DOMID", 0, DOMID_FIRST_RESERVED - 1, 0 },
        { "STORE_EVTCHN", 0, UINT32_MAX, 0 },
        { "STORE_DOMID", 0, UINT16_MAX, 0 },
        { "CONSOLE_EVTCHN", 0, UINT32_MAX, 0 },
        { "CONSOLE_DOMID", 0, UINT16_MAX, 0 },
        { "CBFLAGS", 0, UINT32_MAX, 0 },
        { "STREAM_TYPE", 0, INT32_MAX, 0 },
    };

    if (parse_numbers(argv, n, sizeof(n) / sizeof(n[0]), err))
        return -1;
    memset(a, 0, sizeof(*a));
    a->fd = n[0].value;
    a->send_back_fd = n[1].value;
    h->domid = a->domid = n[2].value;
    a->store_evtchn = n[3].value;
    a->store_domid = n[4].value;
    a->console_evtchn = n[5].value;
    a->console_domid = n[6].value;
    h->proto.cbflags = n[7].value;
    a->stream_type = n[8].value;
    return 0;
}
