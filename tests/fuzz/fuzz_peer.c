/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What two ends of a migration say to each other, and the greeting.
 *
 * The first octet of an input says which end this is and what the other
 * one is, the rest is what comes from there, up to the end of the link.
 * What was read must be what stands there; what is refused is refused
 * with one line.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/peer.h"
#include "base/bytes.h"
#include "common.h"

struct link {
    struct lxe__peer peer;
    struct lxe__err err;
    const uint8_t *data;        /* what is yet to come */
    size_t size;
};

/* 0, or the end of it. */
static int receive(struct link *l, enum lxe__peer_type type, char **body_r)
{
    size_t len;

    if (lxe__peer_receive(&l->peer, type, body_r, &l->err)) {
        must(!*body_r);
        return -1;
    }
    must(l->size >= 8 && lxe__get_le32(l->data) == type);
    len = lxe__get_le32(l->data + 4);
    must(len <= LXE_PEER_BODY_MAX && len <= l->size - 8);
    must(!memcmp(*body_r, l->data + 8, len) && !(*body_r)[len]);
    l->data += 8 + len;
    l->size -= 8 + len;
    return 0;
}

static int take_answer(struct link *l)
{
    libxl_ext_migrate_answer answer;
    char *body, *error = NULL;
    int rc;

    if (receive(l, LXE_PEER_ANSWER, &body))
        return -1;
    rc = libxl_ext_migrate_answer_from_json(&answer, body, &error);
    if (rc)
        lxe__err_set(&l->err, EPROTO, "%s", error);
    libxl_ext_migrate_answer_dispose(&answer);
    free(error);
    free(body);
    return rc;
}

static int take_offer(struct link *l)
{
    libxl_ext_migrate_offer offer;
    char *body, *error = NULL;
    int rc;

    if (receive(l, LXE_PEER_OFFER, &body))
        return -1;
    rc = libxl_ext_migrate_offer_from_json(&offer, body, &error);
    if (rc)
        lxe__err_set(&l->err, EPROTO, "%s", error);
    libxl_ext_migrate_offer_dispose(&offer);
    free(error);
    free(body);
    return rc;
}

/*----- the four conversations -----*/

static int to_receiver(struct link *l)
{
    return take_answer(l) ||
        lxe__peer_report(&l->peer, LXE_PEER_READY, &l->err) ||
        lxe__peer_report(&l->peer, LXE_PEER_DONE, &l->err);
}

static int to_xl(struct link *l)
{
    return lxe__peer_expect(&l->peer, LXE_XL_READY, &l->err) ||
        lxe__peer_expect(&l->peer, LXE_XL_DONE, &l->err);
}

static int as_sender(struct link *l)
{
    libxl_ext_peer_kind kind;
    const char *line;

    if (lxe__peer_greeted(&l->peer, &kind, &l->err)) {
        must(kind == LIBXL_EXT_PEER_KIND_UNKNOWN);
        return -1;
    }
    must(kind != LIBXL_EXT_PEER_KIND_UNKNOWN);
    line = kind == LIBXL_EXT_PEER_KIND_EXT ? LXE_PEER_GREETING
                                           : LXE_XL_GREETING;
    must(l->size >= strlen(line) && !memcmp(l->data, line, strlen(line)));
    l->data += strlen(line);
    l->size -= strlen(line);
    return kind == LIBXL_EXT_PEER_KIND_EXT ? to_receiver(l) : to_xl(l);
}

static int as_receiver(struct link *l)
{
    char *none = NULL;
    int rc = take_offer(l) || receive(l, LXE_PEER_GO, &none);

    free(none);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct link l = { .peer = { .stop_fd = -1, .timeout_ms = 60000 } };
    uint8_t what;
    int rc;

    if (size > FUZZ_PIPE_ROOM)
        return 0;
    fuzz_begin();
    what = fuzz_choice(&data, &size);
    l.data = data;
    l.size = size;
    l.peer.in = fuzz_pipe(data, size);
    l.peer.out = -1;
    lxe__err_init(&l.err);
    switch (what) {
    case 'r':
        l.peer.who = "the sender";
        rc = as_receiver(&l);
        break;
    case 'a':
        l.peer.who = "the receiver";
        rc = to_receiver(&l);
        break;
    case 'x':
        l.peer.who = "xl";
        rc = to_xl(&l);
        break;
    default:
        l.peer.who = "the receiver";
        rc = as_sender(&l);
    }
    must(rc ? l.err.code : !l.err.code);
    if (rc)
        fuzz_refused(&l.err);
    close(l.peer.in);
    fuzz_end();
    return 0;
}
