/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Members of a JSON object; see json.h.
 */
#include <stdio.h>
#include <string.h>

#include "json.h"

yajl_gen json_new(void)
{
    yajl_gen g = yajl_gen_alloc(NULL);

    if (g) {
        yajl_gen_config(g, yajl_gen_beautify, 1);
        yajl_gen_config(g, yajl_gen_indent_string, "  ");
        yajl_gen_config(g, yajl_gen_validate_utf8, 1);
    }
    return g;
}

void json_key(yajl_gen g, const char *name)
{
    yajl_gen_string(g, (const unsigned char *)name, strlen(name));
}

void json_string(yajl_gen g, const char *name, const char *value)
{
    json_key(g, name);
    /* Refused where it is no UTF-8: the image's fault, shown as such. */
    if (yajl_gen_string(g, (const unsigned char *)value, strlen(value)) !=
        yajl_gen_status_ok)
        yajl_gen_null(g);
}

/* yajl's integers are signed; a count of pages or bytes may not fit. */
void json_number(yajl_gen g, const char *name, uint64_t value)
{
    char text[24];

    json_key(g, name);
    yajl_gen_number(g, text, snprintf(text, sizeof(text), "%llu",
                                      (unsigned long long)value));
}

void json_bool(yajl_gen g, const char *name, bool value)
{
    json_key(g, name);
    yajl_gen_bool(g, value);
}

void json_flush(yajl_gen g)
{
    const unsigned char *text;
    size_t len;

    yajl_gen_get_buf(g, &text, &len);
    fwrite(text, 1, len, stdout);
    yajl_gen_clear(g);
}
