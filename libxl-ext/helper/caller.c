/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Speaking with the library; see caller.h.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "helper/caller.h"
#include "helper/protocol.h"
#include "session/place.h"

#define PROGRESS_US 100000      /* not more often than that */

/*
 * What this process has written, or read where it restores, on all
 * descriptors; 0 where Linux hides it.
 */
static uint64_t moved(const struct lxe__caller *c)
{
    bool saves = c->result.operation == LIBXL_EXT_OPERATION_SAVE;
    FILE *f = fopen("/proc/self/io", "re");
    char line[80];
    uint64_t n = 0;

    while (f && fgets(line, sizeof(line), f))
        if (sscanf(line, saves ? "wchar: %"SCNu64 : "rchar: %"SCNu64,
                   &n) == 1)
            break;
    if (f)
        fclose(f);
    return n;
}

void lxe__caller_init(struct lxe__caller *c)
{
    memset(c, 0, sizeof(*c));
    c->sock = -1;
    libxl_ext_operation_result_init(&c->result);
    libxl_ext_progress_init(&c->progress);
}

void lxe__caller_dispose(struct lxe__caller *c)
{
    if (c->sock >= 0)
        close(c->sock);
    c->sock = -1;
    libxl_ext_operation_result_dispose(&c->result);
    libxl_ext_progress_dispose(&c->progress);
}

int lxe__caller_find(struct lxe__caller *c, enum lxe__session_op op,
                     uint32_t domid, const uint8_t uuid[16],
                     struct lxe__err *err)
{
    struct lxe__session_hello hello = { .domid = domid };
    libxl_ext_operation what = op == LXE_SESSION_SAVE ?
        LIBXL_EXT_OPERATION_SAVE : LIBXL_EXT_OPERATION_RESTORE;

    memcpy(hello.uuid, uuid, sizeof(hello.uuid));
    c->sock = lxe__session_find(op, uuid, err);
    if (c->sock < 0)
        return c->sock == -1 ? 0 : -1;
    /* A Ctrl-C is for the caller, who then cancels in order. */
    signal(SIGINT, SIG_IGN);
    c->result.operation = c->progress.operation = what;
    c->moved = moved(c);
    lxe__caller_phase(c, LIBXL_EXT_PHASE_JUDGE);
    if (lxe__session_send(c->sock, LXE_SESSION_HELLO, op, &hello,
                          sizeof(hello), -1))
        return lxe__err_set(err, errno, "session: cannot greet the"
                            " library: %s", strerror(errno));
    return 0;
}

/* Until GO comes, or whoever would send it is no more. */
static int wait_go(struct lxe__caller *c, const struct lxe__proto *p,
                   int fd, struct lxe__session_msg *m,
                   struct lxe__err *err)
{
    struct pollfd pfd[] = {
        { .fd = c->sock, .events = POLLIN },
        { .fd = p->in },        /* its end */
    };
    int r;

    do
        r = poll(pfd, 2, -1);
    while (r < 0 && errno == EINTR);
    r = pfd[0].revents ? lxe__session_recv(c->sock, m, err) : 0;
    if (r < 0)
        return -1;
    if (!r)
        return lxe__err_set(err, ECANCELED, "the caller of libxl-ext gave"
                            " the operation up");
    if (m->kind != LXE_SESSION_GO || m->fd < 0) {
        lxe__session_msg_dispose(m);
        return lxe__err_set(err, EPROTO, "session: message %d without a"
                            " descriptor is no GO", m->kind);
    }
    if (dup2(m->fd, fd) != fd) {
        lxe__session_msg_dispose(m);
        return lxe__err_set(err, errno, "session: cannot put the stream in"
                            " place: %s", strerror(errno));
    }
    return 0;
}

int lxe__caller_record(struct lxe__caller *c, const struct lxe__proto *p,
                       const void *record, size_t len, bool mandatory,
                       int fd, bool *libxc_r, struct lxe__err *err)
{
    struct lxe__session_msg m = { .fd = -1 };

    *libxc_r = true;
    if (c->sock < 0)
        return 0;
    if (lxe__session_send(c->sock, LXE_SESSION_RECORD, mandatory, record,
                          len, -1))
        return lxe__err_set(err, errno, "session: cannot hand the memory"
                            " record over: %s", strerror(errno));
    if (wait_go(c, p, fd, &m, err))
        return -1;
    *libxc_r = m.arg & LXE_SESSION_GO_LIBXC;
    c->commits = m.arg & LXE_SESSION_GO_WHOLE;
    lxe__session_msg_dispose(&m);
    return 0;
}

int lxe__caller_go(struct lxe__caller *c, const struct lxe__proto *p,
                   int fd, void *record, size_t room, size_t *len_r,
                   struct lxe__err *err)
{
    struct lxe__session_msg m = { .fd = -1 };

    *len_r = 0;
    if (c->sock < 0)
        return 0;
    if (wait_go(c, p, fd, &m, err))
        return -1;
    if (m.len > room) {
        lxe__err_set(err, EPROTO, "session: a memory record of %zu bytes"
                     " is above the bound of %zu", m.len, room);
        lxe__session_msg_dispose(&m);
        return -1;
    }
    if (m.len)
        memcpy(record, m.body, m.len);
    *len_r = m.len;
    lxe__session_msg_dispose(&m);
    return 0;
}

static void end_phase(libxl_ext_operation_result *r, uint64_t now)
{
    libxl_ext_phase_time *last;

    if (!r->num_phases)
        return;
    last = &r->phases[r->num_phases - 1];
    last->time_us = now - last->start_us;
}

/* Progress that does not come through is no loss. */
static void tell(struct lxe__caller *c, uint64_t now)
{
    char *json;

    c->progress.elapsed_us = now;
    c->progress.bytes = moved(c) - c->moved;
    json = libxl_ext_progress_to_json(&c->progress);
    if (json)
        lxe__session_send(c->sock, LXE_SESSION_PROGRESS, 0, json,
                          strlen(json), -1);
    free(json);
    c->told_us = now;
}

void lxe__caller_phase(struct lxe__caller *c, libxl_ext_phase phase)
{
    libxl_ext_operation_result *r = &c->result;
    uint64_t now = lxe__now_us();
    libxl_ext_phase_time *p;

    if (c->sock < 0)
        return;
    end_phase(r, now);
    p = realloc(r->phases, (r->num_phases + 1) * sizeof(*p));
    if (p) {
        r->phases = p;
        p += r->num_phases++;
        libxl_ext_phase_time_init(p);
        p->phase = phase;
        p->start_us = now;
    }
    c->progress.phase = phase;
    tell(c, now);
}

void lxe__caller_pages(struct lxe__caller *c, uint32_t round,
                       uint64_t done, uint64_t total)
{
    uint64_t now;

    if (c->sock < 0)
        return;
    c->progress.round = round;
    c->progress.done_pages = done;
    c->progress.total_pages = total;
    if (round > c->result.rounds)
        c->result.rounds = round;
    now = lxe__now_us();
    if (now - c->told_us >= PROGRESS_US)
        tell(c, now);
}

void lxe__caller_end(struct lxe__caller *c, const struct lxe__err *err)
{
    char *json;

    if (c->sock < 0)
        return;
    end_phase(&c->result, lxe__now_us());
    c->result.bytes = moved(c) - c->moved;
    if (err && err->code)
        lxe__session_send(c->sock, LXE_SESSION_ERROR, err->code, err->msg,
                          strlen(err->msg), -1);
    json = libxl_ext_operation_result_to_json(&c->result);
    if (json)
        lxe__session_send(c->sock, LXE_SESSION_RESULT, 0, json,
                          strlen(json), -1);
    free(json);
}
