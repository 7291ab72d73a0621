/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The relay of the first records of a libxc stream; see relay.h for
 * the picture.  In order: the two threads, starting, reading the head,
 * finishing.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/io.h"
#include "memory/record.h"
#include "stream/relay.h"

struct lxe__relay {
    int fd;             /* libxenguest's descriptor number */
    int real;           /* the stream itself */
    int pipe;           /* the thread's end */
    int stop;           /* an eventfd: readable when it is to end */
    bool running;       /* the thread has not been joined */
    bool whole;         /* version 2: relayed to its END record */
    pthread_t thread;
    struct lxe__err err;        /* the thread's; read after joining */
    size_t len;
    uint8_t *bytes;     /* save: the record.  restore: the head */
};

/*----- the threads -----*/

/*
 * The thread's last act.  At a save: with the read end gone,
 * libxenguest's next write fails; left open, it would fill the pipe and
 * wait for ever.  At a restore: after an error libxenguest sees the end
 * of the stream.
 */
static void relay_close_pipe(struct lxe__relay *relay)
{
    close(relay->pipe);
    relay->pipe = -1;
}

/* A thread that was told to stop has no error of its own. */
static int relay_err(struct lxe__relay *relay, const char *what)
{
    if (errno == ECANCELED)
        return -1;
    return lxe__err_set(&relay->err, errno, "relay: %s: %s", what,
                        strerror(errno));
}

static void *save_thread(void *arg)
{
    struct lxe__relay *relay = arg;
    struct lxe__libxc_headers h;
    uint8_t headers[LXE_LIBXC_HEADERS];
    ssize_t r;

    r = lxe__read_full(relay->pipe, headers, sizeof(headers));
    if (r < 0) {
        relay_err(relay, "reading the headers");
        goto out;
    }
    if (r < (ssize_t)sizeof(headers))
        /* libxenguest gave up before them and says why itself. */
        goto out;
    if (lxe__libxc_headers_decode(headers, &h, &relay->err))
        goto out;
    if (lxe__write_full_or(relay->stop, relay->real, headers,
                           sizeof(headers)) ||
        lxe__write_full_or(relay->stop, relay->real, relay->bytes,
                           relay->len)) {
        relay_err(relay, "writing the headers and the memory record");
        goto out;
    }
    if (lxe__move_or(relay->stop, relay->pipe, relay->real,
                     UINT64_MAX) < 0)
        relay_err(relay, "writing the records ahead of the pages");

 out:
    relay_close_pipe(relay);
    return NULL;
}

/* One record from the real stream to libxenguest; *rh is its header. */
static int forward_record(struct lxe__relay *relay,
                          struct lxe__libxc_rhdr *rh, bool have_rhdr)
{
    uint8_t buf[LXE_RHDR_LEN];
    uint64_t body;
    ssize_t r;
    int64_t moved;

    if (!have_rhdr) {
        r = lxe__read_full_or(relay->stop, relay->real, buf, sizeof(buf));
        if (r < 0)
            return relay_err(relay, "reading a record header");
        if (r < (ssize_t)sizeof(buf))
            return lxe__err_set(&relay->err, EPROTO, "restore: the stream"
                                " ends %zd bytes into a record header of"
                                " %zu: the image is cut short or the"
                                " sender died", r, sizeof(buf));
        if (lxe__libxc_rhdr_decode(buf, rh, &relay->err))
            return -1;
        if (lxe__is_memory_record(rh->type))
            return lxe__err_set(&relay->err, EPROTO, "restore: memory"
                                " record of type 0x%08x: a second one, or"
                                " one behind other records; at most 1 may"
                                " stand, right after the libxc headers",
                                rh->type);
        if (lxe__write_full(relay->pipe, buf, sizeof(buf)))
            goto broken;
    }
    body = lxe__rec_padded(rh->length);
    moved = lxe__move_or(relay->stop, relay->real, relay->pipe, body);
    if (moved < 0)
        goto broken;
    if ((uint64_t)moved < body)
        return lxe__err_set(&relay->err, EPROTO, "restore: the stream ends"
                            " %lld bytes into a record body of %llu (type"
                            " 0x%08x): the image is cut short or the"
                            " sender died", (long long)moved,
                            (unsigned long long)body, rh->type);
    return 0;

 broken:
    if (errno == EPIPE)
        /* libxenguest refused what it had and says why itself. */
        return -1;
    return relay_err(relay, "passing a record on to libxenguest");
}

static void *restore_thread(void *arg)
{
    struct lxe__relay *relay = arg;
    struct lxe__libxc_rhdr rh = { .type = ~0U };
    bool have_rhdr = relay->len > LXE_LIBXC_HEADERS;

    if (have_rhdr &&
        lxe__libxc_rhdr_decode(relay->bytes + LXE_LIBXC_HEADERS, &rh,
                               &relay->err))
        goto out;
    if (lxe__write_full(relay->pipe, relay->bytes, relay->len))
        goto out;
    do {
        if (forward_record(relay, &rh, have_rhdr))
            goto out;
        have_rhdr = false;
    } while (rh.type != LXE_LIBXC_REC_END &&
             (relay->whole || rh.type != LXE_LIBXC_REC_STATIC_DATA_END));

 out:
    relay_close_pipe(relay);
    return NULL;
}

/*----- starting -----*/

static void relay_free(struct lxe__relay *relay)
{
    if (relay->pipe >= 0)
        close(relay->pipe);
    if (relay->real >= 0)
        close(relay->real);
    if (relay->stop >= 0)
        close(relay->stop);
    free(relay->bytes);
    free(relay);
}

static int relay_start(struct lxe__relay **out, int fd, bool save,
                       bool whole, const void *bytes, size_t len,
                       struct lxe__err *err)
{
    struct lxe__relay *relay = NULL;
    int p[2] = { -1, -1 };
    sigset_t all, old;
    int r;

    relay = calloc(1, sizeof(*relay));
    if (!relay)
        goto nomem;
    relay->real = relay->stop = -1;
    relay->bytes = malloc(len);
    if (!relay->bytes)
        goto nomem;
    memcpy(relay->bytes, bytes, len);
    relay->fd = fd;
    relay->pipe = -1;
    relay->len = len;
    relay->whole = whole;
    relay->real = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    relay->stop = eventfd(0, EFD_CLOEXEC);
    if (relay->real < 0 || relay->stop < 0 || pipe2(p, O_CLOEXEC)) {
        lxe__err_set(err, errno, "relay: descriptor %d: %s", fd,
                     strerror(errno));
        goto fail;
    }
    relay->pipe = save ? p[0] : p[1];
    if (dup2(save ? p[1] : p[0], fd) < 0) {
        lxe__err_set(err, errno, "relay: putting a pipe under descriptor"
                     " %d: %s", fd, strerror(errno));
        goto fail;
    }
    close(save ? p[1] : p[0]);
    p[0] = p[1] = -1;

    /* Signals are for the thread that runs libxenguest. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    r = pthread_create(&relay->thread, NULL,
                       save ? save_thread : restore_thread, relay);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (r) {
        dup2(relay->real, fd);
        lxe__err_set(err, r, "relay: starting its thread: %s",
                     strerror(r));
        goto fail;
    }
    relay->running = true;
    *out = relay;
    return 0;

 nomem:
    lxe__err_set(err, ENOMEM, "relay: no memory for %zu bytes", len);
 fail:
    if (p[0] >= 0) {
        close(p[0]);
        close(p[1]);
    }
    if (relay)
        relay_free(relay);
    return -1;
}

int lxe__relay_save_start(struct lxe__relay **out, int fd,
                          const void *record, size_t record_len,
                          struct lxe__err *err)
{
    return relay_start(out, fd, true, false, record, record_len, err);
}

int lxe__relay_restore_start(struct lxe__relay **out, int fd,
                             const struct lxe__stream_head *head,
                             struct lxe__err *err)
{
    return relay_start(out, fd, false, head->headers.version < 3,
                       head->head, head->head_len, err);
}

/*----- the head of a stream -----*/

static int read_head(int fd, void *buf, size_t len, const char *what,
                     struct lxe__err *err)
{
    ssize_t r = lxe__read_full(fd, buf, len);

    if (r < 0)
        return lxe__err_set(err, errno, "restore: reading the %s: %s",
                            what, strerror(errno));
    if ((size_t)r < len)
        return lxe__err_set(err, EPROTO, "restore: the stream ends %zd"
                            " bytes into the %s of %zu: the image is cut"
                            " short or the sender died", r, what, len);
    return 0;
}

int lxe__stream_head_read(int fd, struct lxe__stream_head *head,
                          struct lxe__err *err)
{
    struct lxe__libxc_rhdr rh;
    uint8_t *rhdr = head->head + LXE_LIBXC_HEADERS;
    uint64_t padded;

    memset(head, 0, sizeof(*head));
    if (read_head(fd, head->head, LXE_LIBXC_HEADERS, "libxc headers",
                  err) ||
        lxe__libxc_headers_decode(head->head, &head->headers, err) ||
        read_head(fd, rhdr, LXE_RHDR_LEN, "first record's header",
                  err) ||
        lxe__libxc_rhdr_decode(rhdr, &rh, err))
        return -1;
    if (!lxe__is_memory_record(rh.type)) {
        head->head_len = LXE_LIBXC_HEADERS + LXE_RHDR_LEN;
        return 0;
    }
    /* The body is bounded before a byte of it is read. */
    padded = lxe__rec_padded(rh.length);
    if (padded > sizeof(head->record))
        return lxe__err_set(err, EPROTO, "restore: memory record: length"
                            " %u is above the bound of %zu bytes: the"
                            " stream is damaged", rh.length,
                            sizeof(head->record));
    if (read_head(fd, head->record, padded, "memory record", err))
        return -1;
    head->has_record = true;
    head->record_mandatory = rh.type == LXE_RECORD_TYPE_MANDATORY;
    head->record_len = rh.length;
    head->head_len = LXE_LIBXC_HEADERS;
    return 0;
}

/*----- finishing -----*/

static int relay_join(struct lxe__relay *relay)
{
    if (relay->running) {
        pthread_join(relay->thread, NULL);
        relay->running = false;
    }
    return relay->err.code ? -1 : 0;
}

int lxe__relay_finish(struct lxe__relay *relay, struct lxe__err *err)
{
    if (relay->whole || relay->real < 0)
        return 0;
    /*
     * At a save this closes the last write end of the pipe, so that
     * the thread drains it and ends.  At a restore the pipe is empty:
     * libxenguest has read STATIC_DATA_END, the last that is put in.
     */
    if (dup2(relay->real, relay->fd) < 0)
        return lxe__err_set(err, errno, "relay: putting the stream back"
                            " under descriptor %d: %s", relay->fd,
                            strerror(errno));
    if (relay_join(relay))
        return lxe__err_set(err, relay->err.code, "%s", relay->err.msg);
    close(relay->real);
    relay->real = -1;
    return 0;
}

void lxe__relay_dispose(struct lxe__relay *relay, struct lxe__err *err)
{
    if (!relay)
        return;
    if (relay->running) {
        /*
         * libxenguest has returned, so this is a failure, or a version
         * 2 stream whose END record it has read.  The thread may wait
         * on the pipe or on a peer that says nothing more: it is not
         * needed any longer, wherever it stands.
         */
        dup2(relay->real, relay->fd);
        eventfd_write(relay->stop, 1);
    }
    if (relay_join(relay))
        lxe__err_set(err, relay->err.code, "%s", relay->err.msg);
    relay_free(relay);
}
