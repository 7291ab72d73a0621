/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * xl-ext image convert: another image of the same guest.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "image.h"
#include "json.h"

#define U(n) ((unsigned long long)(n))

static int parse_record(const struct command_call *call,
                        enum libxl_ext_image_record_change *to)
{
    static const char *const kinds[] = {
        "keep", "optional", "mandatory", "drop",
    };
    const char *value = call->values[CONVERT_RECORD];
    unsigned int i;

    if (!value)
        return 0;
    for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (!strcmp(value, kinds[i])) {
            *to = i;
            return 0;
        }
    command_error(call, "--record %s is none of keep, optional, mandatory,"
                  " drop", value);
    return -1;
}

static int parse_max_pages(const struct command_call *call, uint64_t *to)
{
    const char *value = call->values[CONVERT_MAX_PAGES];
    char *end;

    if (!value)
        return 0;
    errno = 0;
    *to = strtoull(value, &end, 10);
    if (*value && strspn(value, "0123456789") == strlen(value) && !errno &&
        *to)
        return 0;
    command_error(call, "--max-pages %s is no number of pages from 1 to"
                  " 2^40", value);
    return -1;
}

static int parse_carrier(const struct command_call *call,
                         enum libxl_ext_image_carrier *to)
{
    const char *value = call->values[CONVERT_CARRIER];
    unsigned int i;

    if (!value)
        return 0;
    for (i = 0; i <= LIBXL_EXT_IMAGE_CARRIER_BOTH; i++)
        if (!strcmp(value, i ? image_carrier_name(i) : "auto")) {
            *to = i;
            return 0;
        }
    command_error(call, "--carrier %s is none of auto, libxc, libxl, both",
                  value);
    return -1;
}

/*
 * The signals that end a command end the conversion in order: nothing
 * is left behind.  The descriptor, or -1 with a line on standard error.
 */
static int take_signals(const struct command_call *call, sigset_t *old)
{
    sigset_t set;
    int fd;

    signals_fill(&set);
    sigprocmask(SIG_BLOCK, &set, old);
    /* Above the file size limit is an error of write(2), said as one. */
    signal(SIGXFSZ, SIG_IGN);
    fd = signalfd(-1, &set, SFD_CLOEXEC);
    if (fd < 0)
        command_error(call, "signalfd: %s", strerror(errno));
    return fd;
}

static void report(const struct libxl_ext_image_conversion *how,
                   const struct libxl_ext_image_converted *d)
{
    printf("%llu bytes from %llu, %llu frames\n", U(d->size_out),
           U(d->size_in), U(d->frames));
    if (d->superseded_pages || d->verify_pages)
        printf("left out: %llu superseded copies of pages, %llu pages of"
               " the verify pass\n", U(d->superseded_pages),
               U(d->verify_pages));
    if (how->page_state)
        printf("page state: %llu tables that are not validated became"
               " plain pages, %llu of their entries cleared\n",
               U(d->stale_tables), U(d->stale_entries));
    if (d->have_record)
        printf("memory record: %s, max_pages %llu, tot_pages %llu,"
               " carrier %s\n",
               d->record_mandatory ? "mandatory" : "optional",
               U(d->max_pages), U(d->tot_pages),
               image_carrier_name(d->carrier));
    else
        printf("memory record: none\n");
}

/* The same; what was not asked for is 0, too. */
static int report_json(const struct command_call *call,
                       const struct libxl_ext_image_converted *d)
{
    yajl_gen g = json_new();

    if (!g) {
        command_error(call, "no memory; %s is written", call->args[1]);
        return EXIT_CANNOT;
    }
    yajl_gen_map_open(g);
    json_number(g, "size_in", d->size_in);
    json_number(g, "size_out", d->size_out);
    json_number(g, "frames", d->frames);
    json_number(g, "superseded_pages", d->superseded_pages);
    json_number(g, "verify_pages", d->verify_pages);
    json_number(g, "stale_tables", d->stale_tables);
    json_number(g, "stale_entries", d->stale_entries);
    json_key(g, "limits");
    if (d->have_record) {
        yajl_gen_map_open(g);
        json_string(g, "carrier", image_carrier_name(d->carrier));
        json_bool(g, "mandatory", d->record_mandatory);
        json_number(g, "max_pages", d->max_pages);
        json_number(g, "tot_pages", d->tot_pages);
        yajl_gen_map_close(g);
    } else {
        yajl_gen_null(g);
    }
    yajl_gen_map_close(g);
    json_flush(g);
    yajl_gen_free(g);
    return EXIT_WELL;
}

static int convert(const struct command_call *call, int fd,
                   const struct libxl_ext_image_conversion *how)
{
    struct libxl_ext_image_converted done;
    char error[1024];

    if (!libxl_ext_image_convert(fd, call->args[1], how, &done, error,
                                 sizeof(error))) {
        if (command_has(call, CONVERT_JSON))
            return report_json(call, &done);
        report(how, &done);
        return EXIT_WELL;
    }
    if (errno == EBADMSG) {
        command_error(call, "%s: %s", call->args[0], error);
        return EXIT_NO;
    }
    if (errno == ECANCELED) {
        command_error(call, "%s: nothing was left behind", error);
        return -1;
    }
    command_error(call, "%s", error);
    return EXIT_CANNOT;
}

int image_convert(const struct command_call *call)
{
    struct libxl_ext_image_conversion how = {
        .drop_superseded = command_has(call, CONVERT_DROP_SUPERSEDED),
        .page_state = command_has(call, CONVERT_PAGE_STATE),
        .replace = command_has(call, CONVERT_FORCE),
    };
    sigset_t old;
    int fd, rc;

    if (parse_record(call, &how.record) ||
        parse_max_pages(call, &how.max_pages) ||
        parse_carrier(call, &how.carrier))
        return EXIT_CANNOT;
    if (!strcmp(call->args[1], "-")) {
        command_error(call, "output -: the output is read again, which"
                      " standard output cannot be: name a file (./- where"
                      " that is its name)");
        return EXIT_CANNOT;
    }
    image_take_signals(call, true);
    fd = image_open(call, call->args[0]);
    if (fd < 0)
        return EXIT_CANNOT;
    /* Without that line: what becomes of them is said here. */
    image_take_signals(call, false);
    how.stop_fd = take_signals(call, &old);
    rc = how.stop_fd < 0 ? EXIT_CANNOT : convert(call, fd, &how);
    image_close(fd);
    if (rc < 0) {
        /* The signal is still there: it ends this process now. */
        sigprocmask(SIG_SETMASK, &old, NULL);
        rc = EXIT_CANNOT;
    }
    return rc;
}
