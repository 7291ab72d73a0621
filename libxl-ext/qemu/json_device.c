/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A device in JSON; see json_device.h.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "qemu/json_device.h"

static void put_text(FILE *to, const char *text)
{
    for (; *text; text++) {
        fputc(*text, to);
        if (*text == ',')
            fputc(',', to);
    }
}

static void put_member(FILE *to, const char *key, yajl_val v)
{
    const char *text;

    if (YAJL_IS_STRING(v))
        text = YAJL_GET_STRING(v);
    else if (YAJL_IS_NUMBER(v))
        text = YAJL_GET_NUMBER(v);
    else if (YAJL_IS_TRUE(v) || YAJL_IS_FALSE(v))
        text = YAJL_IS_TRUE(v) ? "on" : "off";
    else
        return;
    if (ftell(to))
        fputc(',', to);
    put_text(to, key);
    fputc('=', to);
    put_text(to, text);
}

char *lxe__qemu_json_device(const char *json)
{
    yajl_val root = NULL;
    struct lxe__err err;
    char *text = NULL;
    size_t size, i;
    FILE *to;

    lxe__err_init(&err);
    if (lxe__json_tree("-device", json, &root, &err) ||
        !YAJL_IS_OBJECT(root))
        goto out;
    to = open_memstream(&text, &size);
    if (!to)
        goto out;
    for (i = 0; i < root->u.object.len; i++)
        put_member(to, root->u.object.keys[i], root->u.object.values[i]);
    if (fclose(to)) {
        free(text);
        text = NULL;
    }

 out:
    yajl_tree_free(root);
    return text;
}
