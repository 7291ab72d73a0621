/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * xl-ext restore: a guest from a file that xl or xl-ext wrote.
 *
 * What fails leaves no domain and the file as it is.  A crash of xl-ext
 * leaves a domain that was never unpaused, which "xl destroy" ends, and
 * the file: so the guest is not lost.
 *
 * Console and viewer are xl's: the first takes the place of this process
 * at its end, the second is left to itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guest.h"

enum {
    OPT_PAUSED, OPT_NO_MONITOR, OPT_FOREGROUND, OPT_JSON, OPT_VERBOSE,
    OPT_DEBUG, OPT_CONSOLE, OPT_VIEWER, OPT_LONG_VIEWER, OPT_AUTOPASS,
    OPT_LONG_AUTOPASS
};

static void show_config(struct guest *g, libxl_domain_config *config)
{
    char *json = libxl_domain_config_to_json(g->libxl, config);

    fputs(json ? json : "", stderr);
    free(json);
}

/* @own (NULL: none) is the file that takes the place of the image's. */
static int read_config(struct guest *g, int fd, const char *file,
                       const char *own, libxl_domain_config *config)
{
    char *json;
    int rc = libxl_ext_header_read(g->ctx, fd, g->op, &json);

    if (rc) {
        guest_error(g, "%s: %s%s", file, libxl_ext_error(g->ctx),
                    rc == ERROR_ABORTED ? ": no guest was made" : "");
        return -1;
    }
    if (libxl_ext_config_check(g->ctx, json)) {
        guest_error(g, "%s: %s", file, libxl_ext_error(g->ctx));
        free(json);
        return -1;
    }
    rc = libxl_domain_config_from_json(g->libxl, config, json);
    free(json);
    if (rc)
        guest_error(g, "%s: libxl does not take the configuration in it"
                    " (rc %d): a newer Xen may have written it", file, rc);
    if (rc || (own && guest_config_file(g, own, config)))
        return -1;
    if (command_has(g->call, OPT_DEBUG))
        show_config(g, config);
    return 0;
}

/* Older than its disks now: whoever restored it again would harm them. */
static void drop_image(struct guest *g)
{
    free(g->outcome.file);
    g->outcome.file = NULL;
}

static int let_run(struct guest *g, uint32_t domid)
{
    int rc = 0;

    if (!command_has(g->call, OPT_PAUSED))
        rc = libxl_domain_unpause(g->libxl, domid, NULL);
    if (rc)
        guest_error(g, "cannot let domain %u run (rc %d)", domid, rc);
    else if (!command_has(g->call, OPT_PAUSED))
        drop_image(g);
    return rc;
}

static int watch(struct guest *g, libxl_domain_config *config,
                 uint32_t domid)
{
    if (command_has(g->call, OPT_NO_MONITOR))
        return 0;
    if (!command_has(g->call, OPT_FOREGROUND))
        return guest_monitor_start(g, config, domid);
    guest_no_cancel();
    if (guest_monitor(g->libxl, config, domid) == EXIT_WELL)
        return 0;
    guest_error(g, "waiting for the end of domain %u, or what its"
                " configuration says to do then, failed: see syslog, and"
                " \"xl list\"", domid);
    return -1;
}

/* Becomes xl; returns where there is none. */
static void become_xl(const char *what, const char *option, uint32_t domid)
{
    char id[16];

    snprintf(id, sizeof(id), "%u", domid);
    signal(SIGPIPE, SIG_DFL);
    execlp("xl", "xl", what, option ? option : id, option ? id : NULL,
           NULL);
}

/* What is said of it is said by xl. */
static void start_viewer(struct guest *g, uint32_t domid)
{
    bool autopass = command_has(g->call, OPT_AUTOPASS) ||
                    command_has(g->call, OPT_LONG_AUTOPASS);
    pid_t pid;

    if (!autopass && !command_has(g->call, OPT_VIEWER) &&
        !command_has(g->call, OPT_LONG_VIEWER))
        return;
    pid = fork();
    if (!pid) {
        become_xl("vncviewer", autopass ? "--autopass" : NULL, domid);
        command_error(g->call, "cannot run xl vncviewer: %s",
                      strerror(errno));
        _exit(EXIT_CANNOT);
    }
    if (pid < 0)
        command_error(g->call, "cannot start xl vncviewer: %s",
                      strerror(errno));
}

/*
 * Closes @fd: a monitor that had it would keep the space of a file that
 * is removed.
 */
static int restore(struct guest *g, const char *file, int fd,
                   const char *own)
{
    libxl_domain_config config;
    uint32_t domid;
    int r = -1;

    libxl_domain_config_init(&config);
    guest_can_cancel();
    if (!read_config(g, fd, file, own, &config)) {
        g->outcome.state = LIBXL_EXT_GUEST_STATE_GONE;
        g->outcome.file = strdup(file);
        g->outcome.guest = strdup(config.c_info.name ? config.c_info.name
                                                     : "(no name)");
        r = libxl_ext_domain_restore(g->ctx, &config, fd, &domid, g->op);
        if (r) {
            guest_error(g, "%s", libxl_ext_op_error(g->op));
            /* That of a checkpoint may run still. */
            guest_look_for(g, &config.c_info.uuid);
        }
    }
    if (fd > STDIN_FILENO)
        close(fd);
    if (r)
        goto out;
    start_viewer(g, domid);
    r = let_run(g, domid) || watch(g, &config, domid) ? -1 : 0;
    guest_look(g, domid);

 out:
    libxl_domain_config_dispose(&config);
    return r;
}

/* The outcome is said: xl has the terminal from here on. */
static int open_console(const struct command_call *call, uint32_t domid)
{
    if (!fflush(stdout)) {
        become_xl("console", NULL, domid);
        command_error(call, "the guest is restored, and its console is not"
                      " opened: cannot run xl: %s", strerror(errno));
    }
    return EXIT_CANNOT;
}

static int run_restore(const struct command_call *call)
{
    const char *file = call->args[call->nr_args - 1];
    const char *own = call->nr_args > 1 ? call->args[0] : NULL;
    int fd = STDIN_FILENO, rc;
    struct guest g;
    uint32_t domid;

    if (command_has(call, OPT_CONSOLE) &&
        command_has(call, OPT_FOREGROUND)) {
        command_error(call, "-c and -F exclude each other: one process"
                      " cannot be the console and wait for the guest's"
                      " end");
        return EXIT_CANNOT;
    }
    if (guest_open(&g, call, command_has(call, OPT_VERBOSE),
                   command_has(call, OPT_JSON)))
        return guest_close(&g);
    if (strcmp(file, "-"))
        fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        guest_error(&g, "cannot read %s: %s", file, strerror(errno));
    else
        restore(&g, file, fd, own);
    domid = g.outcome.domid;
    rc = guest_close(&g);
    /* 0: it has ended meanwhile. */
    if (rc == EXIT_WELL && domid && command_has(call, OPT_CONSOLE))
        rc = open_console(call, domid);
    return rc;
}

const struct command restore_commands[] = {
    { .name = "restore", .args = "[CONFIG] FILE|-", .nr_args = 1,
      .more_args = 1, .help = "make a guest from an image",
      .options = {
          [OPT_PAUSED] = { "-p", NULL, "leave the guest paused" },
          [OPT_NO_MONITOR] = { "-e", NULL, "do not wait in the background"
                               " for the guest's end" },
          [OPT_FOREGROUND] = { "-F", NULL, "wait for the guest's end in"
                               " the foreground" },
          [OPT_JSON] = { "--json", NULL, "print the outcome as one JSON"
                         " object" },
          [OPT_VERBOSE] = { "-v", NULL, "show what libxl says" },
          [OPT_DEBUG] = { "-d", NULL, "show the configuration that is"
                          " used" },
          [OPT_CONSOLE] = { "-c", NULL, "attach to the guest's console at"
                            " the end (xl console)" },
          [OPT_VIEWER] = { "-V", NULL, "start xl vncviewer for the"
                           " guest" },
          [OPT_LONG_VIEWER] = { "--vncviewer", NULL, "as -V" },
          [OPT_AUTOPASS] = { "-A", NULL, "as -V, and xl passes on the"
                             " password" },
          [OPT_LONG_AUTOPASS] = { "--vncviewer-autopass", NULL,
                                  "as -A" } },
      .run = run_restore },
    { 0 }
};
