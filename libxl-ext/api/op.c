/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * One operation: its thread, its session with the helper, cancelling.
 *
 * The thread's states: it waits for the helper, then hears it, and ends
 * when it is told to.  A helper may also never come (libxl failed ahead
 * of it) or go at any time (it was killed): neither is the thread's to
 * judge, since libxl sees both.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "api/ctx.h"
#include "api/op.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/program.h"
#include "base/rc.h"
#include "session/place.h"

/* Each step of a cancel has this long before the next: see cancel(). */
#define STOP_MS 2000

static bool is_set(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };

    return poll(&p, 1, 0) == 1;
}

static void set(int fd)
{
    uint64_t one = 1;

    /* A counter of 1 already serves as well. */
    if (write(fd, &one, sizeof(one)) < 0)
        errno = 0;
}

/*----- with the helper -----*/

/* The caller's callback, with times from the operation's beginning. */
static void hear_progress(struct libxl_ext_op *op, const char *json)
{
    libxl_ext_progress p;
    char *error = NULL;

    if (!libxl_ext_progress_from_json(&p, json, &error) && op->progress) {
        p.elapsed_us -= p.elapsed_us > op->start_us ? op->start_us :
            p.elapsed_us;
        op->progress(&p, op->user);
    }
    libxl_ext_progress_dispose(&p);
    free(error);
}

static void hear_result(struct libxl_ext_op *op, const char *json)
{
    libxl_ext_operation_result r;
    char *error = NULL;
    uint32_t i;

    if (!libxl_ext_operation_result_from_json(&r, json, &error)) {
        for (i = 0; i < r.num_phases; i++)
            r.phases[i].start_us -= op->start_us;
        libxl_ext_operation_result_dispose(&op->result);
        op->result = r;
        op->reported = true;
    } else {
        libxl_ext_operation_result_dispose(&r);
    }
    free(error);
}

/* The save's helper has read its limits: the stream can begin. */
static int hear_record(struct libxl_ext_op *op, int conn,
                       const struct lxe__session_msg *m)
{
    libxl_ext_carrier carrier = op->carrier;
    bool in_libxl, in_libxc;

    /* What stock libxl refuses anyway is refused sooner there. */
    if (carrier == LIBXL_EXT_CARRIER_AUTO)
        carrier = m->arg ? LIBXL_EXT_CARRIER_LIBXL
                         : LIBXL_EXT_CARRIER_LIBXC;
    in_libxl = carrier != LIBXL_EXT_CARRIER_LIBXC;
    in_libxc = carrier != LIBXL_EXT_CARRIER_LIBXL;
    if (m->len != LXE_RECORD_LEN)
        return lxe__err_set(&op->err, EPROTO, "session: a memory record of"
                            " %zu bytes, %d were expected", m->len,
                            LXE_RECORD_LEN);
    if (lxe__op_stream_join(&op->stream, m->body, in_libxl ? m->len : 0,
                            m->arg, op->cancel_fd, &op->err))
        return -1;
    if (lxe__session_send(conn, LXE_SESSION_GO, LXE_SESSION_GO_WHOLE |
                          (in_libxc ? LXE_SESSION_GO_LIBXC : 0), NULL, 0,
                          op->stream.real))
        return lxe__err_set(&op->err, errno, "session: cannot hand the"
                            " stream over: %s", strerror(errno));
    op->met = true;
    return 0;
}

static int hear_hello(struct libxl_ext_op *op, int conn,
                      const struct lxe__session_msg *m)
{
    if (m->arg != op->what || m->len != sizeof(struct lxe__session_hello))
        return lxe__err_set(&op->err, EPROTO, "session: a greeting for"
                            " operation %u of %zu bytes: library and"
                            " helper are of different packages: install"
                            " them together", m->arg, m->len);
    if (op->what == LXE_SESSION_SAVE)
        return 0;       /* RECORD comes next */
    if (lxe__op_stream_hand_over(&op->stream, &op->err))
        return -1;
    if (lxe__session_send(conn, LXE_SESSION_GO, 0, op->stream.record,
                          op->stream.record_len, op->stream.real))
        return lxe__err_set(&op->err, errno, "session: cannot hand the"
                            " stream over: %s", strerror(errno));
    op->met = true;
    return 0;
}

static int hear(struct libxl_ext_op *op, int conn,
                const struct lxe__session_msg *m)
{
    switch (m->kind) {
    case LXE_SESSION_HELLO:
        return hear_hello(op, conn, m);
    case LXE_SESSION_RECORD:
        return op->what == LXE_SESSION_SAVE && !op->met ?
            hear_record(op, conn, m) : 0;
    case LXE_SESSION_PROGRESS:
        hear_progress(op, m->body);
        return 0;
    case LXE_SESSION_ERROR:
        op->said = !op->err.code;
        lxe__err_set(&op->err, m->arg ? m->arg : EIO, "%s", m->body);
        return 0;
    case LXE_SESSION_RESULT:
        hear_result(op, m->body);
        return 0;
    default:
        return 0;       /* of a newer helper */
    }
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void stop_listening(struct libxl_ext_op *op)
{
    lxe__session_unlisten(op->listen_fd, &op->where);
    op->listen_fd = -1;
}

/* A new connection; a second one is none of ours. */
static int take_helper(struct libxl_ext_op *op)
{
    int pid, conn = lxe__session_accept(op->listen_fd, &pid, &op->err);

    if (conn < 0) {
        /* It would wait there for ever, and be heard of each time. */
        if (errno != EAGAIN)
            stop_listening(op);
        return -1;
    }
    close_fd(&op->helper_pid_fd);
#ifdef SYS_pidfd_open
    /* A pid alone may be somebody else's by the time it is signalled. */
    op->helper_pid_fd = syscall(SYS_pidfd_open, pid, 0);
#endif
    return conn;
}

/*
 * The helper gives up where it waits for us.  A child that another
 * thread has forked meanwhile would keep what is only closed here.
 */
static void hang_up(int *conn)
{
    shutdown(*conn, SHUT_RDWR);
    close_fd(conn);
}

static bool signal_helper(struct libxl_ext_op *op, int number)
{
#ifdef SYS_pidfd_send_signal
    return op->helper_pid_fd >= 0 &&
        !syscall(SYS_pidfd_send_signal, op->helper_pid_fd, number, NULL,
                 0);
#else
    (void)op;
    (void)number;
    return false;
#endif
}

/*
 * First the helper is told, which knows how to put a guest right; then
 * libxl, which may be waiting for something that is not the helper's and
 * tells it as well; then the helper is killed: a write to storage that
 * hangs is ended by nothing less.  Who puts the guest right then is in
 * docs/faults.md.  @told: how often a helper was here to be told.
 */
static void cancel(struct libxl_ext_op *op, bool helper, unsigned *told)
{
    if (helper && !(*told)++ && signal_helper(op, SIGTERM))
        return;
    if (helper && *told > 2)
        signal_helper(op, SIGKILL);
    libxl_ao_abort(op->ctx, NULL);      /* again: it may not have begun */
}

static void *op_thread(void *arg)
{
    struct libxl_ext_op *op = arg;
    struct lxe__session_msg m;
    uint64_t until = 0, now;            /* 0: not cancelled */
    unsigned told = 0;
    int conn = -1, r;

    for (;;) {
        struct pollfd p[] = {
            { .fd = op->end_fd, .events = POLLIN },
            { .fd = conn >= 0 ? conn : op->listen_fd, .events = POLLIN },
            /* Once heard it stays readable: not looked at any more. */
            { .fd = until ? -1 : op->cancel_fd, .events = POLLIN },
        };
        int wait = -1;

        if (until) {
            now = lxe__now_us();
            wait = until > now ? (until - now) / 1000 + 1 : 0;
        }
        r = poll(p, 3, wait);
        if (r < 0 && errno != EINTR)
            break;
        if (r < 0)
            continue;
        if (!r || p[2].revents) {
            cancel(op, conn >= 0, &told);
            until = lxe__now_us() + STOP_MS * 1000ULL;
            continue;
        }
        if (p[1].revents && conn < 0) {
            conn = take_helper(op);
        } else if (p[1].revents) {
            r = lxe__session_recv(conn, &m, &op->err);
            if (r > 0) {
                r = hear(op, conn, &m) ? -1 : 1;
                lxe__session_msg_dispose(&m);
            }
            if (r <= 0)
                hang_up(&conn);
            continue;
        }
        /* What was said before the end is heard first. */
        if (p[0].revents && !p[1].revents)
            break;
    }
    if (conn >= 0)
        hang_up(&conn);
    return NULL;
}

/*----- begin and end -----*/

/*
 * libxl takes its helper from the environment.  With another one than
 * ours nobody would empty libxl's pipe.
 */
static int check_helper(const char *what, struct lxe__err *err)
{
    static const char ours[] = "libxl-ext-save-helper";
    const char *path = getenv("LIBXL_SAVE_HELPER"), *slash;
    char found[PATH_MAX];

    if (!path) {
        if (lxe__program_find(found, sizeof(found), ours))
            return lxe__err_set(err, errno, "%s: %s: %s: is libxl-ext"
                                " installed?", what, found,
                                strerror(errno));
        if (setenv("LIBXL_SAVE_HELPER", found, 0))
            return lxe__err_set(err, errno, "%s: cannot set"
                                " LIBXL_SAVE_HELPER: %s", what,
                                strerror(errno));
        return 0;
    }
    slash = strrchr(path, '/');
    if (!slash || strcmp(slash + 1, ours) || access(path, X_OK))
        return lxe__err_set(err, EINVAL, "%s: LIBXL_SAVE_HELPER is \"%s\","
                            " which is not %s or cannot be run: unset it",
                            what, path, ours);
    return 0;
}

int lxe__op_check(struct libxl_ext_ctx *ctx, struct libxl_ext_op *op,
                  const char *what)
{
    if (op->used) {
        /* What became of the first one would read as this one's. */
        lxe__op_forget(op);
        return lxe__err_set(&op->err, EINVAL, "%s: a libxl_ext_op serves"
                            " one operation: allocate another", what);
    }
    op->used = true;
    if (lxe__ctx_libxl(ctx, what, &op->err))
        return -1;
    return check_helper(what, &op->err);
}

void lxe__op_forget(struct libxl_ext_op *op)
{
    lxe__err_init(&op->err);
    op->said = false;
}

int lxe__op_return(struct libxl_ext_ctx *ctx, struct libxl_ext_op *op,
                   int r)
{
    if (!r) {
        /* What went amiss on the way and did no harm. */
        lxe__err_init(&op->err);
        return 0;
    }
    /* A step that stands on the context has its line there. */
    if (!op->err.code)
        op->err = ctx->err;
    if (op->stop && op->err.code == ECANCELED)
        r = ERROR_ABORTED;
    else
        r = lxe__rc(op->err.code);
    if (!op->said)
        LXE_ERROR(ctx->lg, "%s", op->err.msg);
    ctx->err = op->err;
    return r;
}

/* -1: no file.  What is appended goes to its end, wherever it stands. */
static int64_t write_position(int fd, enum lxe__session_op what)
{
    int64_t at = lseek(fd, 0, SEEK_CUR);
    int flags = fcntl(fd, F_GETFL);
    struct stat st;

    if (at >= 0 && what == LXE_SESSION_SAVE && flags >= 0 &&
        flags & O_APPEND && !fstat(fd, &st))
        at = st.st_size;
    return at;
}

int lxe__op_begin(struct libxl_ext_op *op, libxl_ctx *ctx,
                  enum lxe__session_op what, const uint8_t uuid[16],
                  int fd, int *libxl_fd_r)
{
    struct lxe__bound head = { .stop_fd = op->cancel_fd };
    int r;

    op->ctx = ctx;
    op->what = what;
    op->start_us = lxe__now_us();
    op->helper_pid_fd = op->listen_fd = -1;
    op->met = false;
    op->file_at = write_position(fd, what);
    op->result.operation = what == LXE_SESSION_SAVE ?
        LIBXL_EXT_OPERATION_SAVE : LIBXL_EXT_OPERATION_RESTORE;
    lxe__op_stream_init(&op->stream);
    op->end_fd = eventfd(0, EFD_CLOEXEC);
    if (op->end_fd < 0) {
        lxe__err_set(&op->err, errno, "no eventfd: %s", strerror(errno));
        goto fail;
    }
    if (is_set(op->cancel_fd)) {
        lxe__err_set(&op->err, ECANCELED, "cancelled before it began");
        goto fail;
    }
    if (op->head_ms)
        head = lxe__bound_of(op->cancel_fd, op->head_ms);
    if (what == LXE_SESSION_SAVE)
        r = lxe__op_stream_save(&op->stream, fd, &op->err);
    else
        r = lxe__op_stream_restore(&op->stream, fd, &head, &op->err);
    if (r)
        goto fail;
    op->listen_fd = lxe__session_listen(what, uuid, &op->where, &op->err);
    if (op->listen_fd < 0)
        goto fail;
    r = pthread_create(&op->thread, NULL, op_thread, op);
    if (r) {
        lxe__err_set(&op->err, r, "no thread: %s", strerror(r));
        goto fail;
    }
    op->thread_runs = true;
    *libxl_fd_r = op->stream.libxl;
    return 0;

 fail:
    lxe__op_end(op);
    return -1;
}

/* Of a file it is exact; else what the helper wrote, libxl's not. */
static void count_bytes(struct libxl_ext_op *op)
{
    int64_t at = op->file_at < 0 ? -1 : lseek(op->stream.real, 0,
                                              SEEK_CUR);

    if (at > op->file_at)
        op->result.bytes = at - op->file_at;
}

static void add_up(struct libxl_ext_op *op)
{
    libxl_ext_operation_result *r = &op->result;
    uint32_t i;

    for (i = 0; i < r->num_phases; i++) {
        const libxl_ext_phase_time *p = &r->phases[i];

        switch (p->phase) {
        case LIBXL_EXT_PHASE_SUSPEND:
            r->stop.suspend_us += p->time_us;
            break;
        case LIBXL_EXT_PHASE_FREEZE:
            r->stop.freeze_us += p->time_us;
            break;
        case LIBXL_EXT_PHASE_LAST_PASS:
            if (op->what == LXE_SESSION_SAVE)
                r->stop.last_pass_us += p->time_us;
            break;
        case LIBXL_EXT_PHASE_EMULATOR:
            r->stop.emulator_us += p->time_us;
            break;
        default:
            break;
        }
    }
}

void lxe__op_phase(struct libxl_ext_op *op, libxl_ext_phase phase)
{
    libxl_ext_operation_result *r = &op->result;
    uint64_t now = lxe__now_us() - op->start_us;
    libxl_ext_phase_time *p;

    if (r->num_phases) {
        p = &r->phases[r->num_phases - 1];
        p->time_us = now - p->start_us;
    }
    p = realloc(r->phases, (r->num_phases + 1) * sizeof(*p));
    if (!p)
        return;
    r->phases = p;
    p += r->num_phases++;
    libxl_ext_phase_time_init(p);
    p->phase = phase;
    p->start_us = now;
}

void lxe__op_end(struct libxl_ext_op *op)
{
    if (op->thread_runs) {
        set(op->end_fd);
        pthread_join(op->thread, NULL);
        op->thread_runs = false;
        count_bytes(op);
        lxe__op_phase(op, LIBXL_EXT_PHASE_DONE);
        add_up(op);
    }
    stop_listening(op);
    lxe__op_stream_dispose(&op->stream);
    close_fd(&op->end_fd);
    close_fd(&op->helper_pid_fd);
}

/*----- what callers see -----*/

libxl_ext_op *libxl_ext_op_alloc(
    void (*progress)(const libxl_ext_progress *p, void *user), void *user)
{
    libxl_ext_op *op = calloc(1, sizeof(*op));

    if (!op)
        return NULL;
    op->progress = progress;
    op->user = user;
    op->listen_fd = op->end_fd = op->helper_pid_fd = -1;
    lxe__op_stream_init(&op->stream);
    lxe__err_init(&op->err);
    libxl_ext_operation_result_init(&op->result);
    op->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (op->cancel_fd < 0) {
        free(op);
        return NULL;
    }
    return op;
}

void libxl_ext_op_free(libxl_ext_op *op)
{
    if (!op)
        return;
    lxe__op_end(op);
    close(op->cancel_fd);
    libxl_ext_operation_result_dispose(&op->result);
    free(op);
}

void libxl_ext_op_cancel(libxl_ext_op *op)
{
    op->stop = 1;
    set(op->cancel_fd);
}

const libxl_ext_operation_result *libxl_ext_op_result(
    const libxl_ext_op *op)
{
    return &op->result;
}

const char *libxl_ext_op_error(const libxl_ext_op *op)
{
    return op->err.code ? op->err.msg : NULL;
}
