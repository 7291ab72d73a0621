/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Writing JSON; see json.h.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/uuid.h"

static void keep(struct lxe__json_out *o, yajl_gen_status s)
{
    if (!o->code && s != yajl_gen_status_ok)
        o->code = EINVAL;
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

/*
 * How many octets the character at @s has; 0 where it is not UTF-8.
 * yajl's own check takes what is longer than it has to be, surrogates and
 * what is above U+10FFFF.
 */
static size_t character(const unsigned char *s)
{
    size_t len = *s < 0x80 ? 1 : *s < 0xc2 ? 0 : *s < 0xe0 ? 2 :
        *s < 0xf0 ? 3 : *s < 0xf5 ? 4 : 0, i;
    unsigned char least = *s == 0xe0 ? 0xa0 : *s == 0xf0 ? 0x90 : 0x80;
    unsigned char most = *s == 0xed ? 0x9f : *s == 0xf4 ? 0x8f : 0xbf;

    for (i = 1; i < len; i++) {
        if (s[i] < least || s[i] > most)
            return 0;
        least = 0x80;
        most = 0xbf;
    }
    return len;
}

/* True where all of it was UTF-8; what was not is a ? then. */
static bool make_utf8(char *text)
{
    bool all = true;
    size_t len;

    for (; *text; text += len) {
        len = character((const unsigned char *)text);
        if (len)
            continue;
        *text = '?';
        len = 1;
        all = false;
    }
    return all;
}

static void put_text(struct lxe__json_out *o, const char *s, bool exact)
{
    char *copy;

    if (o->code)
        return;
    if (!s) {
        keep(o, yajl_gen_null(o->gen));
        return;
    }
    copy = strdup(s);
    if (!copy)
        o->code = ENOMEM;
    else if (!make_utf8(copy) && exact)
        o->code = EILSEQ;
    else
        keep(o, yajl_gen_string(o->gen, (unsigned char *)copy,
                                strlen(copy)));
    free(copy);
}

void lxe__json_put_string(struct lxe__json_out *o, const char *s)
{
    put_text(o, s, false);
}

void lxe__json_put_exact(struct lxe__json_out *o, const char *s)
{
    put_text(o, s, true);
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
