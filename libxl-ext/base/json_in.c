/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Reading JSON; see json.h.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/rc.h"
#include "base/text.h"
#include "base/uuid.h"

/* Of a value in an error line; what is longer ends in "...". */
#define SHOWN 40

/*----- the text as a whole -----*/

/*
 * What yajl must not be given; see lxe__json_tree().  Quotes and
 * brackets are counted as if the text were valid: up to the place where
 * it is not, yajl sees the same, and there it stops.  yajl_tree_parse()
 * takes comments, in which a quote would upset that count, so these are
 * refused here: outside of strings JSON has no slash.
 */
static int check_text(const char *type, const char *text,
                      struct lxe__err *err)
{
    size_t len = strlen(text), depth = 0;
    bool in_string = false;
    const char *c;

    if (len > LXE_JSON_MAX_LEN)
        return lxe__err_set(err, EINVAL, "%s from JSON: its length of %zu"
                            " bytes is above the bound of %d", type, len,
                            LXE_JSON_MAX_LEN);
    for (c = text; *c; c++) {
        if (in_string && *c == '\\') {
            if (!*++c)
                break;
        } else if (*c == '"') {
            in_string = !in_string;
        } else if (!in_string && *c == '/') {
            return lxe__err_set(err, EINVAL, "%s from JSON: a slash"
                                " outside of strings; JSON has no"
                                " comments", type);
        } else if (!in_string && strchr("[{", *c)) {
            if (++depth > LXE_JSON_MAX_DEPTH)
                return lxe__err_set(err, EINVAL, "%s from JSON: it nests"
                                    " deeper than %d", type,
                                    LXE_JSON_MAX_DEPTH);
        } else if (!in_string && strchr("]}", *c) && depth) {
            depth--;
        }
    }
    return 0;
}

/* Where there is one outside of strings yajl stops. */
static bool has_nul(const char *text)
{
    const char *c;

    for (c = text; (c = strchr(c, '\\')); c += 2)
        if (!strncmp(c, "\\u0000", 6))
            return true;
        else if (!c[1])
            break;
    return false;
}

int lxe__json_tree(const char *type, const char *text, yajl_val *root_r,
                   struct lxe__err *err)
{
    char why[128];

    if (check_text(type, text, err))
        return -1;
    *root_r = yajl_tree_parse(text, why, sizeof(why));
    if (*root_r)
        return 0;
    /* What follows on yajl's other lines is a drawing of the place. */
    why[strcspn(why, "\n")] = '\0';
    return lxe__err_set(err, EINVAL, "%s from JSON: %s", type,
                        why[0] ? why : "not valid JSON");
}

int lxe__json_parse(const char *type, const char *text, yajl_val *root_r,
                    struct lxe__err *err)
{
    if (has_nul(text))
        return lxe__err_set(err, EINVAL, "%s from JSON: \\u0000 in a"
                            " string, which cannot hold it", type);
    return lxe__json_tree(type, text, root_r, err);
}

/*----- error lines -----*/

static void show(yajl_val v, char *out, size_t room)
{
    switch (v->type) {
    case yajl_t_string:
        snprintf(out, room, "\"%.*s\"%s", SHOWN, v->u.string,
                 strlen(v->u.string) > SHOWN ? "..." : "");
        break;
    case yajl_t_number:
        snprintf(out, room, "%.*s%s", SHOWN, v->u.number.r,
                 strlen(v->u.number.r) > SHOWN ? "..." : "");
        break;
    case yajl_t_true:
        snprintf(out, room, "true");
        break;
    case yajl_t_false:
        snprintf(out, room, "false");
        break;
    case yajl_t_null:
        snprintf(out, room, "null");
        break;
    default:
        snprintf(out, room, YAJL_IS_OBJECT(v) ? "{...}" : "[...]");
    }
    lxe__printable(out);
}

int lxe__json_refuse(const struct lxe__json_in *in, const char *field,
                     yajl_val v, const char *needed)
{
    char shown[SHOWN + 8];

    show(v, shown, sizeof(shown));
    return lxe__err_set(in->err, EINVAL, "%s from JSON: %s%s%s is not %s",
                        in->type, field, *field ? " " : "", shown, needed);
}

int lxe__json_no_memory(const struct lxe__json_in *in, const char *field)
{
    return lxe__err_set(in->err, ENOMEM, "%s from JSON: %s: no memory",
                        in->type, field);
}

/* All known keys, so that a misspelled one is found. */
static int refuse_key(const struct lxe__json_in *in, const char *key,
                      size_t nr, const char *const keys[])
{
    char shown[SHOWN + 1], known[LXE_ERR_LEN] = "";
    size_t i, at = 0;

    snprintf(shown, sizeof(shown), "%s", key);
    lxe__printable(shown);
    for (i = 0; i < nr && at < sizeof(known); i++)
        at += snprintf(known + at, sizeof(known) - at, "%s%s",
                       i ? ", " : "", keys[i]);
    return lxe__err_set(in->err, EINVAL, "%s from JSON: key \"%s\" is none"
                        " of %s", in->type, shown, known);
}

/*----- values -----*/

int lxe__json_members(const struct lxe__json_in *in, yajl_val obj,
                      size_t nr, const char *const keys[], yajl_val at[])
{
    size_t i, k;

    for (k = 0; k < nr; k++)
        at[k] = NULL;
    if (!YAJL_IS_OBJECT(obj))
        return lxe__json_refuse(in, "", obj, "an object");
    for (i = 0; i < obj->u.object.len; i++) {
        for (k = 0; k < nr; k++)
            if (!strcmp(keys[k], obj->u.object.keys[i]))
                break;
        if (k == nr)
            return refuse_key(in, obj->u.object.keys[i], nr, keys);
        if (at[k])
            return lxe__err_set(in->err, EINVAL, "%s from JSON: key \"%s\""
                                " is there twice", in->type, keys[k]);
        at[k] = obj->u.object.values[i];
    }
    return 0;
}

int lxe__json_missing(const struct lxe__json_in *in, const char *field)
{
    return lxe__err_set(in->err, EINVAL, "%s from JSON: %s is missing, and"
                        " has no default", in->type, field);
}

int lxe__json_uint(const struct lxe__json_in *in, const char *field,
                   yajl_val v, uint64_t min, uint64_t max, uint64_t *n)
{
    char needed[80];
    char *end;

    if (YAJL_IS_NUMBER(v) && isdigit((unsigned char)v->u.number.r[0])) {
        errno = 0;
        *n = strtoull(v->u.number.r, &end, 10);
        if (!*end && !errno && *n >= min && *n <= max)
            return 0;
    }
    snprintf(needed, sizeof(needed), "a whole number from %"PRIu64" to %"
             PRIu64, min, max);
    return lxe__json_refuse(in, field, v, needed);
}

int lxe__json_bool(const struct lxe__json_in *in, const char *field,
                   yajl_val v, bool *b)
{
    if (!YAJL_IS_TRUE(v) && !YAJL_IS_FALSE(v))
        return lxe__json_refuse(in, field, v, "true or false");
    *b = YAJL_IS_TRUE(v);
    return 0;
}

int lxe__json_string(const struct lxe__json_in *in, const char *field,
                     yajl_val v, char **s)
{
    if (!YAJL_IS_STRING(v) && !YAJL_IS_NULL(v))
        return lxe__json_refuse(in, field, v, "a string or null");
    if (YAJL_IS_STRING(v) && !(*s = strdup(v->u.string)))
        return lxe__json_no_memory(in, field);
    return 0;
}

int lxe__json_uuid(const struct lxe__json_in *in, const char *field,
                   yajl_val v, uint8_t uuid[16])
{
    if (!YAJL_IS_STRING(v) ||
        lxe__uuid_from_text(v->u.string, uuid))
        return lxe__json_refuse(in, field, v,
                                "a uuid of 8-4-4-4-12 hex digits");
    return 0;
}

int lxe__json_array(const struct lxe__json_in *in, const char *field,
                    yajl_val v)
{
    if (!YAJL_IS_ARRAY(v))
        return lxe__json_refuse(in, field, v, "an array");
    return 0;
}

int lxe__json_report(const struct lxe__err *err, char **error_r)
{
    if (error_r)
        *error_r = err->code ? strdup(err->msg) : NULL;
    return lxe__rc(err->code);
}
