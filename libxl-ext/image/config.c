/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What is wanted of the configuration that xl stores as JSON: name,
 * uuid and type of the guest, and its memory as libxl will set it.  The
 * type is there twice, in c_info and as a key of b_info ("type.pvh"),
 * and libxl needs both.
 *
 * The text is parsed in pieces as it is read and never held: an image
 * decides how long it is.  Only members of the objects "c_info" and
 * "b_info" at the top are looked at.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <yajl/yajl_parse.h>

#include "image/reader.h"

struct config {
    struct lxe__reader *r;
    unsigned int depth;             /* of objects and arrays */
    enum { OTHER, C_INFO, B_INFO } part;
    char key[32];                   /* of the member at depth 2 */
    unsigned int nr_unions;         /* keys of b_info that name a type */
    char build_type[8];             /* the last of them */
    bool ended;                     /* by its NUL */
};

static const char *const types[] = { "pv", "pvh", "hvm" };
#define NR_TYPES (sizeof(types) / sizeof(types[0]))

/* libxl does not mind the case of what it enumerates. */
static const char *type_of(const char *name)
{
    unsigned int i;

    for (i = 0; i < NR_TYPES; i++)
        if (!strcasecmp(name, types[i]))
            return types[i];
    return NULL;
}

/* Cut to the room that there is, and not within a UTF-8 sequence. */
static void set(char *to, size_t size, const unsigned char *s, size_t len)
{
    if (len >= size)
        for (len = size - 1; len && (s[len] & 0xc0) == 0x80; len--)
            ;
    snprintf(to, size, "%.*s", (int)len, s);
}

static int on_open(void *user)
{
    struct config *c = user;

    c->depth++;
    return 1;
}

/* A key is as it is, and what it has is an object. */
static int on_map(void *user)
{
    struct config *c = user;
    unsigned int i;

    for (i = 0; i < NR_TYPES; i++)
        if (c->depth == 2 && c->part == B_INFO &&
            !strncmp(c->key, "type.", 5) &&
            !strcmp(c->key + 5, types[i])) {
            c->nr_unions++;
            snprintf(c->build_type, sizeof(c->build_type), "%s", types[i]);
        }
    return on_open(user);
}

static int on_close(void *user)
{
    struct config *c = user;

    c->depth--;
    return 1;
}

static int on_key(void *user, const unsigned char *s, size_t len)
{
    struct config *c = user;
    char key[sizeof(c->key)];

    set(key, sizeof(key), s, len);
    if (c->depth == 1)
        c->part = !strcmp(key, "c_info") ? C_INFO :
                  !strcmp(key, "b_info") ? B_INFO : OTHER;
    if (c->depth == 2)
        memcpy(c->key, key, sizeof(key));
    return 1;
}

static int on_string(void *user, const unsigned char *s, size_t len)
{
    struct config *c = user;
    struct libxl_ext_image *out = c->r->out;

    if (c->depth == 2 && c->part == C_INFO) {
        if (!strcmp(c->key, "name"))
            set(out->name, sizeof(out->name), s, len);
        if (!strcmp(c->key, "uuid"))
            set(out->uuid, sizeof(out->uuid), s, len);
        if (!strcmp(c->key, "type"))
            set(out->type, sizeof(out->type), s, len);
    }
    if (c->depth == 2 && c->part == B_INFO &&
        !strcmp(c->key, "device_model_version"))
        c->r->dm_none = len == 4 && !memcmp(s, "none", 4);
    return 1;
}

static int on_integer(void *user, long long v)
{
    struct config *c = user;
    struct libxl_ext_image *out = c->r->out;

    if (c->depth == 2 && c->part == B_INFO && v >= 0) {
        if (!strcmp(c->key, "target_memkb"))
            out->config_target_kb = v;
        if (!strcmp(c->key, "max_memkb"))
            out->config_max_kb = v;
        if (!strcmp(c->key, "max_vcpus"))
            c->r->config_vcpus = v;
    }
    return 1;
}

static const yajl_callbacks callbacks = {
    .yajl_integer = on_integer, .yajl_string = on_string,
    .yajl_start_map = on_map, .yajl_map_key = on_key,
    .yajl_end_map = on_close, .yajl_start_array = on_open,
    .yajl_end_array = on_close,
};

static int bad_json(struct lxe__reader *r, uint64_t at)
{
    return lxe__fault_note(r, LXE_RULE_X8, at, "xl configuration: not the"
                           " JSON that the header's flags promise: give"
                           " xl restore a configuration file instead");
}

/* Of what is JSON: does libxl make a guest of it? */
static void judge(struct lxe__reader *r, const struct config *c,
                  uint64_t at)
{
    char *type = r->out->type;

    if (!type_of(type)) {
        lxe__fault_note(r, LXE_RULE_X8, at, "xl configuration: guest type"
                        " \"%s\" is none of pv, pvh, hvm", type);
        return;
    }
    snprintf(type, sizeof(r->out->type), "%s", type_of(type));
    if (c->nr_unions != 1)
        lxe__fault_note(r, LXE_RULE_X8, at, "xl configuration: b_info has"
                        " %u of type.pv, type.pvh and type.hvm, and must"
                        " have type.%s alone", c->nr_unions, type);
    else if (strcmp(c->build_type, type))
        lxe__fault_note(r, LXE_RULE_X8, at, "xl configuration: b_info has"
                        " type.%s, and c_info says %s", c->build_type,
                        type);
    else if (!c->ended)
        lxe__fault_note(r, LXE_RULE_X8, at, "xl configuration: no NUL at"
                        " its end: xl would read beyond it");
}

int lxe__config_read(struct lxe__reader *r, uint64_t len)
{
    uint64_t at = r->src.offset, end = at + len;
    struct config c = { .r = r };
    yajl_handle y = yajl_alloc(&callbacks, NULL, &c);
    bool bad = !y;
    int rc = -1;

    while (r->src.offset < end) {
        size_t n = end - r->src.offset;
        const uint8_t *p, *nul;

        if (n > LXE_SOURCE_PEEK_MAX)
            n = LXE_SOURCE_PEEK_MAX;
        p = lxe__take(r, n, "xl configuration");
        if (!p)
            goto out;
        if (bad || c.ended)
            continue;
        /* libxl takes it as a C string: it ends at the first NUL. */
        nul = memchr(p, '\0', n);
        c.ended = nul != NULL;
        bad = yajl_parse(y, p, nul ? (size_t)(nul - p) : n) !=
              yajl_status_ok;
    }
    if (!bad)
        bad = yajl_complete_parse(y) != yajl_status_ok;
    if (bad)
        bad_json(r, at);
    else
        judge(r, &c, at);
    rc = 0;

 out:
    if (y)
        yajl_free(y);
    return rc;
}
