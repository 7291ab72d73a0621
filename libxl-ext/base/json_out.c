/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Writing JSON; see json.h.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/uuid.h"

static void keep(struct lxe__json_out *o, yajl_gen_status s)
{
    if (o->code || s == yajl_gen_status_ok)
        return;
    o->code = s == yajl_gen_invalid_string ? EILSEQ : EINVAL;
}

void lxe__json_begin(struct lxe__json_out *o)
{
    o->code = 0;
    o->gen = yajl_gen_alloc(NULL);
    if (!o->gen) {
        o->code = ENOMEM;
        return;
    }
    yajl_gen_config(o->gen, yajl_gen_beautify, 1);
    yajl_gen_config(o->gen, yajl_gen_validate_utf8, 1);
}

void lxe__json_open_map(struct lxe__json_out *o)
{
    if (!o->code)
        keep(o, yajl_gen_map_open(o->gen));
}

void lxe__json_close_map(struct lxe__json_out *o)
{
    if (!o->code)
        keep(o, yajl_gen_map_close(o->gen));
}

void lxe__json_open_array(struct lxe__json_out *o)
{
    if (!o->code)
        keep(o, yajl_gen_array_open(o->gen));
}

void lxe__json_close_array(struct lxe__json_out *o)
{
    if (!o->code)
        keep(o, yajl_gen_array_close(o->gen));
}

void lxe__json_put_key(struct lxe__json_out *o, const char *key)
{
    lxe__json_put_word(o, key);
}

/* As text: yajl_gen_integer() has no room for the upper half. */
void lxe__json_put_uint(struct lxe__json_out *o, uint64_t n)
{
    char text[24];

    snprintf(text, sizeof(text), "%"PRIu64, n);
    if (!o->code)
        keep(o, yajl_gen_number(o->gen, text, strlen(text)));
}

void lxe__json_put_bool(struct lxe__json_out *o, bool b)
{
    if (!o->code)
        keep(o, yajl_gen_bool(o->gen, b));
}

void lxe__json_put_string(struct lxe__json_out *o, const char *s)
{
    if (o->code)
        return;
    if (!s)
        keep(o, yajl_gen_null(o->gen));
    else
        keep(o, yajl_gen_string(o->gen, (const unsigned char *)s,
                                strlen(s)));
}

void lxe__json_put_word(struct lxe__json_out *o, const char *word)
{
    if (word)
        lxe__json_put_string(o, word);
    else if (!o->code)
        o->code = EINVAL;
}

void lxe__json_put_uuid(struct lxe__json_out *o, const uint8_t uuid[16])
{
    char text[LXE_UUID_TEXT];

    lxe__uuid_text(uuid, text);
    lxe__json_put_string(o, text);
}

char *lxe__json_end(struct lxe__json_out *o)
{
    const unsigned char *text;
    char *copy = NULL;
    size_t len;

    if (!o->code)
        keep(o, yajl_gen_get_buf(o->gen, &text, &len));
    if (!o->code && !(copy = strdup((const char *)text)))
        o->code = ENOMEM;
    if (o->gen)
        yajl_gen_free(o->gen);
    if (o->code)
        errno = o->code;
    return copy;
}
