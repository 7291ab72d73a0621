/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Greeting and messages between two hosts; see peer.h.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/peer.h"
#include "base/bytes.h"
#include "base/io.h"

/* Also in idl/libxl_ext_types.idl. */
#define TIMEOUT_MIN 100
#define TIMEOUT_MAX 3600000

static int check_timeout(const char *op, const char *name, uint32_t ms,
                         struct lxe__err *err)
{
    if (ms >= TIMEOUT_MIN && ms <= TIMEOUT_MAX)
        return 0;
    return lxe__err_set(err, EINVAL, "%s: %s is %"PRIu32" ms, not %d to"
                        " %d", op, name, ms, TIMEOUT_MIN, TIMEOUT_MAX);
}

int lxe__peer_check(const libxl_ext_migrate_params *params,
                    const char *op, struct lxe__err *err)
{
    return check_timeout(op, "timeout", params->timeout, err) ||
           check_timeout(op, "ready_timeout", params->ready_timeout,
                         err) ? -1 : 0;
}

static const char *name_of(enum lxe__peer_type type)
{
    switch (type) {
    case LXE_PEER_OFFER:  return "offer";
    case LXE_PEER_ANSWER: return "answer";
    case LXE_PEER_READY:  return "word that it has the guest";
    case LXE_PEER_GO:     return "permission to let the guest run";
    case LXE_PEER_DONE:   return "word that the guest runs";
    }
    return "message";
}

static int say_why(const struct lxe__peer *p, const char *what,
                   struct lxe__err *err)
{
    if (errno == ETIMEDOUT)
        return lxe__err_set(err, ETIMEDOUT, "migrate: no %s from %s within"
                            " %u ms", what, p->who, p->timeout_ms);
    if (errno == ECANCELED)
        return lxe__err_set(err, ECANCELED, "migrate: cancelled while"
                            " waiting for the %s of %s", what, p->who);
    return lxe__err_set(err, errno, "migrate: the %s of %s: %s", what,
                        p->who, strerror(errno));
}

/*
 * @whole: all of @len; else up to a newline.  The number of octets; after
 * a failure @buf has what came, too.
 */
static ssize_t read_octets(const struct lxe__peer *p, char *buf,
                           size_t len, bool whole, const char *what,
                           struct lxe__err *err)
{
    struct lxe__bound b = lxe__bound_of(p->stop_fd, p->timeout_ms);
    size_t have = 0, want = whole ? len : 1;
    ssize_t n;

    while (have < len && (whole || !have || buf[have - 1] != '\n')) {
        n = lxe__read_full_by(&b, p->in, buf + have, want);
        if (n < 0)
            return say_why(p, what, err);
        if ((size_t)n < want)
            return lxe__err_set(err, EPIPE, "migrate: the link to %s ended"
                                " ahead of its %s", p->who, what);
        have += n;
    }
    return have;
}

int lxe__peer_read(const struct lxe__peer *p, void *buf, size_t len,
                   const char *what, struct lxe__err *err)
{
    return read_octets(p, buf, len, true, what, err) < 0 ? -1 : 0;
}

/*
 * Whatever it is, it can be shown: bytes, with their NULs.  The end of a
 * line becomes a '.', too.
 */
static void make_printable(char *text, size_t len)
{
    size_t i;

    for (i = 0; i < len; i++)
        if (!isprint((unsigned char)text[i]))
            text[i] = '.';
    text[len] = '\0';
}

#define SHOWN 60                /* of what is no greeting */

int lxe__peer_greeted(const struct lxe__peer *p,
                      libxl_ext_peer_kind *kind_r, struct lxe__err *err)
{
    const char *protocol = strrchr(LXE_PEER_GREETING, ',') + 2;
    size_t ours = protocol - LXE_PEER_GREETING;
    char line[LXE_PEER_LINE_MAX + 1] = "";
    struct lxe__err why;
    ssize_t n;

    *kind_r = LIBXL_EXT_PEER_KIND_UNKNOWN;
    lxe__err_init(&why);
    n = read_octets(p, line, LXE_PEER_LINE_MAX, false, "greeting", &why);
    if (n < 0) {
        make_printable(line, strnlen(line, SHOWN));
        return lxe__err_set(err, why.code, "%s%s%s%s", why.msg,
                            *line ? "; it said \"" : "", line,
                            *line ? "\"" : "");
    }
    line[n] = '\0';
    if (!strcmp(line, LXE_PEER_GREETING)) {
        *kind_r = LIBXL_EXT_PEER_KIND_EXT;
        return 0;
    }
    if (!strcmp(line, LXE_XL_GREETING)) {
        *kind_r = LIBXL_EXT_PEER_KIND_STOCK;
        return 0;
    }
    make_printable(line, n > SHOWN ? SHOWN : n);
    if (!strncmp(line, LXE_PEER_GREETING, ours)) {
        line[strcspn(line, ".")] = '\0';
        return lxe__err_set(err, EPROTO, "migrate: %s speaks \"%s\", known"
                            " here is %.*s: install the same version of"
                            " libxl-ext on both hosts", p->who,
                            line + ours, (int)strcspn(protocol, "\n"),
                            protocol);
    }
    return lxe__err_set(err, EPROTO, "migrate: %s greets with \"%s\": it"
                        " is neither xl-ext nor xl; does its shell print"
                        " something?", p->who, line);
}

/* A peer that takes nothing is as bad as one that says nothing. */
static int send_octets(const struct lxe__peer *p,
                       const struct lxe__bound *b, const void *octets,
                       size_t len, const char *what, struct lxe__err *err)
{
    if (!lxe__write_full_by(b, p->out, octets, len))
        return 0;
    if (errno == ETIMEDOUT)
        return lxe__err_set(err, ETIMEDOUT, "migrate: %s did not take the"
                            " %s within %u ms", p->who, what,
                            p->timeout_ms);
    return lxe__err_set(err, errno, "migrate: cannot send the %s to %s:"
                        " %s", what, p->who, strerror(errno));
}

int lxe__peer_say(const struct lxe__peer *p, const void *octets,
                  size_t len, const char *what, struct lxe__err *err)
{
    struct lxe__bound b = lxe__bound_of(p->stop_fd, p->timeout_ms);

    return send_octets(p, &b, octets, len, what, err);
}

int lxe__peer_send(const struct lxe__peer *p, enum lxe__peer_type type,
                   const char *body, struct lxe__err *err)
{
    size_t len = body ? strlen(body) : 0;
    struct lxe__bound b;
    uint8_t head[8];

    if (len > LXE_PEER_BODY_MAX)
        return lxe__err_set(err, EMSGSIZE, "migrate: %s of %zu bytes is"
                            " above the bound of %d", name_of(type), len,
                            LXE_PEER_BODY_MAX);
    lxe__put_le32(head, type);
    lxe__put_le32(head + 4, len);
    b = lxe__bound_of(p->stop_fd, p->timeout_ms);
    return send_octets(p, &b, head, sizeof(head), name_of(type), err) ||
        (len && send_octets(p, &b, body, len, name_of(type), err)) ?
        -1 : 0;
}

int lxe__peer_receive(const struct lxe__peer *p, enum lxe__peer_type type,
                      char **body_r, struct lxe__err *err)
{
    const char *what = name_of(type);
    uint32_t got, len;
    uint8_t head[8];

    *body_r = NULL;
    if (lxe__peer_read(p, head, sizeof(head), what, err))
        return -1;
    got = lxe__get_le32(head);
    len = lxe__get_le32(head + 4);
    if (got != type)
        return lxe__err_set(err, EPROTO, "migrate: a message of type"
                            " 0x%"PRIx32" came from %s, the %s (0x%x) was"
                            " due", got, p->who, what, type);
    if (len > LXE_PEER_BODY_MAX)
        return lxe__err_set(err, EPROTO, "migrate: the %s of %s has"
                            " %"PRIu32" bytes, above the bound of %d",
                            what, p->who, len, LXE_PEER_BODY_MAX);
    *body_r = malloc(len + 1);
    if (!*body_r)
        return lxe__err_set(err, ENOMEM, "migrate: no memory for the %s",
                            what);
    if (len && lxe__peer_read(p, *body_r, len, what, err)) {
        free(*body_r);
        *body_r = NULL;
        return -1;
    }
    (*body_r)[len] = '\0';
    return 0;
}

int lxe__peer_report(const struct lxe__peer *p, enum lxe__peer_type type,
                     struct lxe__err *err)
{
    libxl_ext_migrate_report report;
    char *body, *error = NULL;
    int rc = 0;

    if (lxe__peer_receive(p, type, &body, err))
        return -1;
    if (libxl_ext_migrate_report_from_json(&report, body, &error))
        rc = lxe__err_set(err, EPROTO, "migrate: %s: %s", p->who,
                          error ? error : "no memory");
    else if (!report.ok)
        rc = lxe__err_set(err, EREMOTEIO, "migrate: %s: %s", p->who,
                          report.reason ? report.reason : "it failed");
    libxl_ext_migrate_report_dispose(&report);
    free(error);
    free(body);
    return rc;
}

int lxe__peer_expect(const struct lxe__peer *p, const char *text,
                     struct lxe__err *err)
{
    char got[64] = "";
    size_t len = strlen(text) + 1;

    if (lxe__peer_read(p, got, len, text, err))
        return -1;
    if (!memcmp(got, text, len))
        return 0;
    make_printable(got, len - 1);
    return lxe__err_set(err, EPROTO, "migrate: %s says \"%s\", \"%s\" was"
                        " due", p->who, got, text);
}
