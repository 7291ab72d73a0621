/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What libxl does of a save and a restore, to be preloaded ahead of
 * fake_world.c: libxl_domain_suspend() and libxl_domain_create_restore()
 * run $LIBXL_SAVE_HELPER as libxl does, with fake_xenguest.c in there.  So
 * a program that embeds the library, the helper and what these two say to
 * each other are tested as they are.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <libxl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xenctrl.h>
#include <xenstore.h>

#include "fake_io.h"

/* suspend, switch_qemu_logdirty, static_data_done */
#define CALLBACKS (1 << 3 | 1 << 7 | 1 << 8)

/*----- libxl -----*/

static volatile pid_t helper;

static int put_text(const char *name, const char *text)
{
    int fd = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    int r = fd < 0 || put(fd, text, strlen(text)) ? -1 : 0;

    close(fd);
    return r;
}

static int set_state(const char *state)
{
    return put_text("state", state);
}

/* What the helper says, up to its word that it is complete: its result. */
static int listen_to_helper(int out, int in)
{
    int r = -1, reply;
    uint16_t len, what;
    char m[65536];

    while (get(out, &len, 2) && get(out, m, len)) {
        memcpy(&what, m, 2);
        if (what == 10)
            memcpy(&r, m + 2, sizeof(r));
        reply = what == 3 ? !set_state("suspended") : 0;
        if ((what == 3 || what == 7 || what == 8 || what == 10) &&
            put(in, &reply, sizeof(reply)))
            break;
        if (what == 10)
            break;
    }
    return r;
}

static void become_helper(bool saves, int fd, const int *to,
                          const int *from)
{
    const char *path = getenv("LIBXL_SAVE_HELPER");
    char stream[16], callbacks[16];
    const char *save[] = {
        path, "--save-domain", stream, "-1", "5", "0", callbacks, "0", NULL
    }, *restore[] = {
        path, "--restore-domain", stream, "-1", "5", "1", "0", "2", "0",
        callbacks, "0", NULL
    };

    snprintf(stream, sizeof(stream), "%d", dup(fd));
    snprintf(callbacks, sizeof(callbacks), "%d", CALLBACKS);
    dup2(to[0], 0);
    dup2(from[1], 1);
    signal(SIGPIPE, SIG_DFL);
    execv(path, (char **)(saves ? save : restore));
    _exit(127);
}

static int run_helper(bool saves, int fd)
{
    int to[2], from[2], r, status;

    if (pipe2(to, O_CLOEXEC) || pipe2(from, O_CLOEXEC))
        return -1;
    helper = fork();
    if (!helper)
        become_helper(saves, fd, to, from);
    close(to[0]);
    close(from[1]);
    r = listen_to_helper(from[0], to[1]);
    close(to[1]);
    close(from[0]);
    while (waitpid(helper, &status, 0) < 0 && errno == EINTR)
        ;
    helper = 0;
    return r;
}

#define HEAD 24                 /* of the stream, with LIBXC_CONTEXT */

int libxl_domain_suspend(libxl_ctx *ctx, uint32_t domid, int fd, int flags,
                         const libxl_asyncop_how *how)
{
    static const char end[8], head[HEAD] =
        "LibxlFmt\0\0\0\2\0\0\0\0\1\0\0\0\0\0\0";

    (void)ctx;
    (void)domid;
    (void)flags;
    (void)how;
    return put(fd, head, HEAD) || run_helper(true, fd) ||
        put(fd, end, sizeof(end)) ? ERROR_FAIL : 0;
}

int libxl_domain_create_restore(libxl_ctx *ctx, libxl_domain_config *config,
                                uint32_t *domid, int restore_fd,
                                int send_back_fd,
                                const libxl_domain_restore_params *params,
                                const libxl_asyncop_how *how,
                                const libxl_asyncprogress_how *progress)
{
    char head[HEAD];

    (void)ctx;
    (void)send_back_fd;
    (void)params;
    (void)how;
    (void)progress;
    *domid = 5;
    if (!put_text("store/local/domain/5/name", config->c_info.name) &&
        !set_state("paused") && get(restore_fd, head, HEAD) &&
        !run_helper(false, restore_fd) && get(restore_fd, head, 8))
        return 0;
    set_state("gone");
    return ERROR_FAIL;
}

int libxl_ao_abort(libxl_ctx *ctx, const libxl_asyncop_how *how)
{
    (void)ctx;
    (void)how;
    return helper && !kill(helper, SIGTERM) ? 0 : ERROR_NOTFOUND;
}

/* Of one step, since nobody else writes there meanwhile. */
xs_transaction_t xs_transaction_start(struct xs_handle *h)
{
    (void)h;
    return 1;
}

bool xs_transaction_end(struct xs_handle *h, xs_transaction_t t,
                        bool abort)
{
    (void)h;
    (void)t;
    (void)abort;
    return true;
}

/*----- libxenctrl -----*/

int xc_domain_setmaxmem(xc_interface *xch, uint32_t domid,
                        uint64_t max_memkb)
{
    (void)xch;
    (void)domid;
    (void)max_memkb;
    return 0;
}

int xc_domain_claim_pages(xc_interface *xch, uint32_t domid,
                          unsigned long nr_pages)
{
    (void)xch;
    (void)domid;
    (void)nr_pages;
    return 0;
}
