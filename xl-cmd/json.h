/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Members of a JSON object by yajl's generator, which does the quoting,
 * also of a name that an image has made up.
 */
#ifndef XL_CMD_JSON_H
#define XL_CMD_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <yajl/yajl_gen.h>

/* Indented, as all commands print it; NULL without memory. */
yajl_gen json_new(void);

void json_key(yajl_gen g, const char *name);
/* null where @value is no UTF-8. */
void json_string(yajl_gen g, const char *name, const char *value);
void json_number(yajl_gen g, const char *name, uint64_t value);
void json_bool(yajl_gen g, const char *name, bool value);

/* What was made so far goes to standard output. */
void json_flush(yajl_gen g);

#endif
