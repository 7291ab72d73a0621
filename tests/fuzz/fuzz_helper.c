/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What the helper reads: its command line, libxl's replies, and what
 * the library that caused it to run says to it, which the library hears
 * in the same form.
 *
 * The first octet of an input says which of them the rest is.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/io.h"
#include "common.h"
#include "helper/caller.h"
#include "helper/helper.h"
#include "memory/record.h"

/*----- the command line: words that end with NUL -----*/

#define WORDS 16

static void arguments(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size), *argv[WORDS + 1] = { NULL };
    struct lxe__helper h = { .domid = UINT32_MAX };
    struct lxe__restore_args r = { .fd = -2 };
    struct lxe__save_args s = { .fd = -2 };
    size_t at, n = 0;
    struct lxe__err err;

    for (at = 0; at < size && n < WORDS; at += strlen(text + at) + 1)
        argv[n++] = fuzz_text(text + at, strlen(text + at));
    lxe__err_init(&err);
    if (lxe__args_save(argv, &h, &s, &err)) {
        fuzz_refused(&err);
        must(s.fd == -2 && h.domid == UINT32_MAX && !h.proto.cbflags);
    } else {
        must(n == 6 && s.fd >= 0 && s.recv_fd >= -1);
        must(h.domid < DOMID_FIRST_RESERVED);
        h.domid = UINT32_MAX;
        h.proto.cbflags = 0;
    }
    lxe__err_init(&err);
    if (lxe__args_restore(argv, &h, &r, &err)) {
        fuzz_refused(&err);
        must(r.fd == -2 && h.domid == UINT32_MAX && !h.proto.cbflags);
    } else {
        must(n == 9 && r.fd >= 0 && r.send_back_fd >= -1);
        must(h.domid < DOMID_FIRST_RESERVED && r.domid == h.domid);
        must(r.store_domid <= UINT16_MAX && r.console_domid <= UINT16_MAX);
    }
    while (n)
        free(argv[--n]);
    free(text);
}

/*----- libxl's replies -----*/

static int ask(struct lxe__proto *p, unsigned what, int *reply)
{
    switch (what % 7) {
    case 0: return lxe__proto_call(p, LXE_PROTO_SUSPEND, reply);
    case 1: return lxe__proto_call(p, LXE_PROTO_POSTCOPY, reply);
    case 2: return lxe__proto_call(p, LXE_PROTO_CHECKPOINT, reply);
    case 3: return lxe__proto_call(p, LXE_PROTO_WAIT_CHECKPOINT, reply);
    case 4: return lxe__proto_switch_qemu_logdirty(p, what, what & 1,
                                                   reply);
    case 5: return lxe__proto_static_data_done(p, what, reply);
    }
    *reply = 0;
    return lxe__proto_complete(p, what, what);
}

static uint16_t get16(const uint8_t *at)
{
    uint16_t v;

    memcpy(&v, at, sizeof(v));
    return v;
}

/* Each message that was sent: its length, and then so many octets. */
static size_t count_messages(int fd)
{
    static uint8_t all[FUZZ_PIPE_ROOM];
    ssize_t len = lxe__read_full(fd, all, sizeof(all));
    size_t at = 0, n = 0;

    must(len >= 0);
    for (; at < (size_t)len; n++) {
        must((size_t)len - at >= 4);
        must(get16(all + at) >= 2 &&
             (size_t)len - at - 2 >= get16(all + at));
        must(get16(all + at + 2) >= LXE_PROTO_LOG &&
             get16(all + at + 2) <= LXE_PROTO_COMPLETE);
        at += 2 + get16(all + at);
    }
    return n;
}

/* Questions in an order that the length of the input gives. */
static void replies(const uint8_t *data, size_t size)
{
    size_t at = 0, sent = 0;
    struct lxe__proto p;
    int out[2], reply;
    char *text;

    if (size > 4096)
        return;
    must(pipe(out) == 0);
    lxe__proto_init(&p, fuzz_pipe(data, size), out[1]);
    while (at + sizeof(reply) <= size) {
        must(!ask(&p, size + sent, &reply) && !p.broken);
        must((size + sent) % 7 == 6 ||
             !memcmp(&reply, data + at, sizeof(reply)));
        at += sizeof(reply);
        sent++;
    }
    must(lxe__proto_call(&p, LXE_PROTO_SUSPEND, &reply) == -1);
    must(errno == EPIPE && p.broken && lxe__proto_gone(&p));
    must(lxe__proto_restore_results(&p, 1, 2) == -1);
    must(lxe__proto_complete(&p, 0, 0) == -1);
    sent++;
    /* What came from outside goes into libxl's log as it is. */
    p.broken = 0;
    text = fuzz_text(data, size);
    xtl_log(&p.logger, XTL_DEBUG, -1, text, "%s%s%s%s%s%s%s%s", text,
            text, text, text, text, text, text, text);
    free(text);
    sent++;
    close(out[1]);
    must(count_messages(out[0]) == sent);
    close(out[0]);
    close(p.in);
}

/*----- the library's messages -----*/

/* One datagram, with as many descriptors; false where there is no room. */
static bool send_datagram(int sock, const uint8_t *data, size_t size,
                          unsigned fds)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(3 * sizeof(int))];
    } c = { .bytes = { 0 } };
    static const int some[3] = { STDERR_FILENO, STDERR_FILENO,
                                 STDERR_FILENO };
    struct iovec iov = { (void *)(uintptr_t)data, size };
    struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
    struct cmsghdr *cm = &c.align;

    if (fds) {
        m.msg_control = &c;
        m.msg_controllen = CMSG_SPACE(fds * sizeof(int));
        cm->cmsg_level = SOL_SOCKET;
        cm->cmsg_type = SCM_RIGHTS;
        cm->cmsg_len = CMSG_LEN(fds * sizeof(int));
        memcpy(CMSG_DATA(cm), some, fds * sizeof(int));
    }
    if (sendmsg(sock, &m, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)size)
        return true;
    must(errno == EAGAIN || errno == ETOOMANYREFS);
    return false;
}

/*
 * Each datagram is an octet that says how many descriptors come with it,
 * two of its length, and its octets.
 */
static void send_all(int sock, const uint8_t *data, size_t size)
{
    while (size >= 3) {
        unsigned fds = data[0] % 4;
        size_t len = get16(data + 1);

        data += 3;
        size -= 3;
        if (len > size)
            len = size;
        if (len && !send_datagram(sock, data, len, fds))
            break;
        data += len;
        size -= len;
    }
}

static void hear(int sock)
{
    struct lxe__session_msg m;
    struct lxe__err err;
    int r;

    do {
        lxe__err_init(&err);
        r = lxe__session_recv(sock, &m, &err);
        if (r > 0)
            must(m.len <= LXE_SESSION_MAX && !m.body[m.len]);
        else if (r < 0)
            fuzz_refused(&err);
        must(r > 0 || (m.fd == -1 && !m.body));
        lxe__session_msg_dispose(&m);
    } while (r);
}

static void meet(int sock, const struct lxe__proto *p, bool save)
{
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    uint8_t record[LXE_RECORD_MAX_LEN];
    struct lxe__caller c;
    struct lxe__err err;
    size_t len = 0;
    bool libxc;
    int r;

    lxe__caller_init(&c);
    c.sock = sock;
    lxe__err_init(&err);
    memset(record, 0, sizeof(record));
    r = save ? lxe__caller_record(&c, p, record, LXE_RECORD_LEN, true, fd,
                                  &libxc, &err)
             : lxe__caller_go(&c, p, fd, record, sizeof(record), &len,
                              &err);
    if (r)
        fuzz_refused(&err);
    must(len <= sizeof(record));
    lxe__caller_end(&c, &err);
    lxe__caller_dispose(&c);
    close(fd);
}

static void session(const uint8_t *data, size_t size, uint8_t what)
{
    struct lxe__proto p = { .in = open("/dev/null", O_RDONLY) };
    int s[2];

    must(p.in >= 0 && !socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s));
    send_all(s[0], data, size);
    shutdown(s[0], SHUT_WR);
    if (what == 'm') {
        hear(s[1]);
        close(s[1]);
    } else {
        meet(s[1], &p, what == 'g');
    }
    close(s[0]);
    close(p.in);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t what;

    fuzz_begin();
    what = fuzz_choice(&data, &size);
    if (what == 'm' || what == 'g' || what == 'c')
        session(data, size, what);
    else if (what == 'r')
        replies(data, size);
    else
        arguments(data, size);
    fuzz_end();
    return 0;
}
