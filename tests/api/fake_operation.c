/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What libxl and libxenguest do of a save and a restore, to be preloaded
 * ahead of fake_world.c: libxl_domain_suspend() and
 * libxl_domain_create_restore() run $LIBXL_SAVE_HELPER as libxl does, and
 * in there xc_domain_save() writes a stream whose records say nothing,
 * and xc_domain_restore() reads it.  So a program that embeds the
 * library, the helper and what these two say to each other are tested as
 * they are.
 *
 * $FAKE_WORLD/rounds: how many rounds of precopy there are, 50 ms each;
 * without it: one.
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
#include <xenguest.h>
#include <xenstore.h>

/* suspend, switch_qemu_logdirty, static_data_done */
#define CALLBACKS (1 << 3 | 1 << 7 | 1 << 8)
#define BODY      (32 * 1024)           /* of a record: a pipe has 64 KiB */

static char *path_of(const char *name)
{
    static __thread char path[512];

    snprintf(path, sizeof(path), "%s/%s", getenv("FAKE_WORLD"), name);
    return path;
}

static int put(int fd, const void *data, size_t len)
{
    ssize_t n;

    for (; len; data = (const char *)data + n, len -= n) {
        n = write(fd, data, len);
        if (n < 0 && errno != EINTR)
            return -1;
        n = n < 0 ? 0 : n;
    }
    return 0;
}

static bool get(int fd, void *data, size_t len)
{
    ssize_t n;

    for (; len; data = (char *)data + n, len -= n) {
        n = read(fd, data, len);
        if (!n)
            errno = 0;          /* as libxenguest has it */
        if (!n || (n < 0 && errno != EINTR))
            return false;
        n = n < 0 ? 0 : n;
    }
    return true;
}

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

/*----- libxenguest -----*/

static int put_record(int fd, uint32_t type, uint32_t len)
{
    static const char body[BODY];
    uint32_t head[2] = { type, len };

    return put(fd, head, sizeof(head)) || put(fd, body, len);
}

static int rounds(void)
{
    FILE *f = fopen(path_of("rounds"), "r");
    int n = 1;

    if (f && fscanf(f, "%d", &n) != 1)
        n = 1;
    if (f)
        fclose(f);
    return n;
}

#undef xc_domain_save
int xc_domain_save(xc_interface *xch, int io_fd, uint32_t dom,
                   uint32_t flags, struct save_callbacks *callbacks,
                   xc_stream_type_t stream_type, int recv_fd)
{
    static const uint8_t head[40] = {
        255, 255, 255, 255, 255, 255, 255, 255, 'X', 'E', 'N', 'F',
        0, 0, 0, 3, [24] = 1, [28] = 12, [32] = 4, [36] = 17,
    };
    struct precopy_stats stats = { .dirty_count = 100 };
    int i, nr = rounds();

    (void)xch;
    (void)dom;
    (void)flags;
    (void)stream_type;
    (void)recv_fd;
    if (put(io_fd, head, sizeof(head)) || put_record(io_fd, 0x10, 0))
        return -1;
    for (i = 0; i < nr; i++) {
        stats.iteration = i < 4 ? i : 4;
        if (callbacks->precopy_policy(stats, callbacks->data) ==
            XGS_POLICY_ABORT || put_record(io_fd, 0x80000077, BODY))
            return -1;
        usleep(50 * 1000);
    }
    if (!callbacks->suspend(callbacks->data))
        return -1;
    return put_record(io_fd, 0x80000077, BODY) || put_record(io_fd, 0, 0) ?
        -1 : 0;
}

#undef xc_domain_restore
int xc_domain_restore(xc_interface *xch, int io_fd, uint32_t dom,
                      unsigned int store_evtchn, unsigned long *store_mfn,
                      uint32_t store_domid, unsigned int console_evtchn,
                      unsigned long *console_mfn, uint32_t console_domid,
                      xc_stream_type_t stream_type,
                      struct restore_callbacks *callbacks,
                      int send_back_fd)
{
    char head[40], body[BODY];
    uint32_t record[2];

    (void)xch;
    (void)dom;
    (void)store_evtchn;
    (void)store_domid;
    (void)console_evtchn;
    (void)console_domid;
    (void)stream_type;
    (void)send_back_fd;
    *store_mfn = *console_mfn = 1;
    if (!get(io_fd, head, sizeof(head)))
        return -1;
    do {
        if (!get(io_fd, record, sizeof(record)) || record[1] > BODY ||
            !get(io_fd, body, (record[1] + 7) & ~7U) ||
            (record[0] == 0x10 &&
             callbacks->static_data_done(0, callbacks->data)))
            return -1;
    } while (record[0]);
    return 0;
}

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
