/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Speaking libxl's save helper protocol; see protocol.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xenctrl.h>

#include "base/io.h"
#include "helper/protocol.h"

/*
 * The length is a u16; libxl reads the whole of it onto its stack.  A
 * longer log line is cut rather than lost.
 */
#define MSG_MAX    32768
#define STRING_MAX 16000

struct msg {
    size_t len;
    uint8_t bytes[MSG_MAX];
};

/*----- building a message -----*/

static void put(struct msg *m, const void *value, size_t len)
{
    memcpy(m->bytes + m->len, value, len);
    m->len += len;
}

static void put_string(struct msg *m, const char *s)
{
    size_t slen = s ? strnlen(s, STRING_MAX) : 0;
    uint32_t len = slen + 1;

    put(m, &len, sizeof(len));
    put(m, s ? s : "", slen);
    put(m, "", 1);
}

static void msg_init(struct msg *m, enum lxe__proto_message type)
{
    uint16_t number = type;

    m->len = sizeof(uint16_t);  /* room for the length */
    put(m, &number, sizeof(number));
}

static int msg_send(struct lxe__proto *p, struct msg *m)
{
    uint16_t len = m->len - sizeof(len);

    if (p->broken) {
        errno = EPIPE;
        return -1;
    }
    memcpy(m->bytes, &len, sizeof(len));
    if (!lxe__write_full(p->out, m->bytes, m->len))
        return 0;
    p->broken = 1;
    return -1;
}

static int get_reply(struct lxe__proto *p, int *reply)
{
    ssize_t r = lxe__read_full(p->in, reply, sizeof(*reply));

    if (r == sizeof(*reply))
        return 0;
    if (r >= 0)
        errno = EPIPE;
    p->broken = 1;
    return -1;
}

/*----- the logger -----*/

__attribute__((format(printf, 5, 0)))
static void proto_vmessage(struct xentoollog_logger *logger,
                           xentoollog_level level, int errnoval,
                           const char *context, const char *format,
                           va_list al)
{
    struct lxe__proto *p = (void *)logger;
    uint32_t u_level = level, u_errno = errnoval;
    char text[STRING_MAX];
    int saved = errno;
    struct msg m;

    vsnprintf(text, sizeof(text), format, al);
    msg_init(&m, LXE_PROTO_LOG);
    put(&m, &u_level, sizeof(u_level));
    put(&m, &u_errno, sizeof(u_errno));
    put_string(&m, context);
    put_string(&m, text);
    if (msg_send(p, &m))
        /* The last resort, so that the cause is not lost. */
        fprintf(stderr, "%s: %s\n", context ? context : "", text);
    errno = saved;
}

static void proto_progress(struct xentoollog_logger *logger,
                           const char *context, const char *doing_what,
                           int percent, unsigned long done,
                           unsigned long total)
{
    struct lxe__proto *p = (void *)logger;
    int saved = errno;
    struct msg m;

    (void)percent;
    if (p->on_progress)
        p->on_progress(p->on_progress_data, done, total);
    msg_init(&m, LXE_PROTO_PROGRESS);
    put_string(&m, context);
    put_string(&m, doing_what);
    put(&m, &done, sizeof(done));
    put(&m, &total, sizeof(total));
    msg_send(p, &m);
    errno = saved;
}

static void proto_destroy(struct xentoollog_logger *logger)
{
    (void)logger;       /* part of struct lxe__proto */
}

/*----- entry points -----*/

void lxe__proto_init(struct lxe__proto *p, int in, int out)
{
    memset(p, 0, sizeof(*p));
    p->logger.vmessage = proto_vmessage;
    p->logger.progress = proto_progress;
    p->logger.destroy = proto_destroy;
    p->in = in;
    p->out = out;
}

bool lxe__proto_wants(const struct lxe__proto *p,
                      enum lxe__proto_message m)
{
    return p->cbflags & (1U << m);
}

bool lxe__proto_gone(const struct lxe__proto *p)
{
    struct pollfd pfd = { .fd = p->in };

    return p->broken ||
        (poll(&pfd, 1, 0) == 1 && pfd.revents & (POLLHUP | POLLERR));
}

int lxe__proto_call(struct lxe__proto *p, enum lxe__proto_message type,
                    int *reply)
{
    struct msg m;

    msg_init(&m, type);
    return msg_send(p, &m) || get_reply(p, reply) ? -1 : 0;
}

int lxe__proto_switch_qemu_logdirty(struct lxe__proto *p, uint32_t domid,
                                    unsigned enable, int *reply)
{
    struct msg m;

    msg_init(&m, LXE_PROTO_SWITCH_QEMU_LOGDIRTY);
    put(&m, &domid, sizeof(domid));
    put(&m, &enable, sizeof(enable));
    return msg_send(p, &m) || get_reply(p, reply) ? -1 : 0;
}

int lxe__proto_static_data_done(struct lxe__proto *p, unsigned missing,
                                int *reply)
{
    struct msg m;

    msg_init(&m, LXE_PROTO_STATIC_DATA_DONE);
    put(&m, &missing, sizeof(missing));
    return msg_send(p, &m) || get_reply(p, reply) ? -1 : 0;
}

int lxe__proto_restore_results(struct lxe__proto *p,
                               unsigned long store_gfn,
                               unsigned long console_gfn)
{
    xen_pfn_t store = store_gfn, console = console_gfn;
    struct msg m;

    msg_init(&m, LXE_PROTO_RESTORE_RESULTS);
    put(&m, &store, sizeof(store));
    put(&m, &console, sizeof(console));
    return msg_send(p, &m);
}

int lxe__proto_complete(struct lxe__proto *p, int retval, int errnoval)
{
    struct msg m;
    int reply;

    msg_init(&m, LXE_PROTO_COMPLETE);
    put(&m, &retval, sizeof(retval));
    put(&m, &errnoval, sizeof(errnoval));
    return msg_send(p, &m) || get_reply(p, &reply) ? -1 : 0;
}
