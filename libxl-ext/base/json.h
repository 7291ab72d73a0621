/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What the code generated from idl/ writes and reads JSON with.
 *
 * Reading is strict, since the text may come from a peer: a key that is
 * not known, a key given twice, a value of another type and a number
 * out of bounds are refused with one line that names the type, the
 * field, the value and the bound.  Why unknown keys are: idl/README.md.
 */
#ifndef LXE_BASE_JSON_H
#define LXE_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <yajl/yajl_gen.h>
#include <yajl/yajl_tree.h>

#include "base/err.h"

#define LXE_JSON_MAX_LEN   (1024 * 1024)
#define LXE_JSON_MAX_DEPTH 16

/*----- writing -----*/

struct lxe__json_out {
    yajl_gen gen;
    int code;           /* of the first failure, an errno value, or 0 */
};

/*
 * Between begin and end each call adds to the text; after a failure
 * none does anything.  end frees everything and returns the text, or
 * NULL with errno.
 */
void lxe__json_begin(struct lxe__json_out *o);
void lxe__json_open_map(struct lxe__json_out *o);
void lxe__json_close_map(struct lxe__json_out *o);
void lxe__json_open_array(struct lxe__json_out *o);
void lxe__json_close_array(struct lxe__json_out *o);
void lxe__json_put_key(struct lxe__json_out *o, const char *key);
void lxe__json_put_uint(struct lxe__json_out *o, uint64_t n);
void lxe__json_put_bool(struct lxe__json_out *o, bool b);
/* NULL is null; each octet that is not part of UTF-8 becomes a ?. */
void lxe__json_put_string(struct lxe__json_out *o, const char *s);
/* NULL is null; what is not UTF-8 is a failure, EILSEQ. */
void lxe__json_put_exact(struct lxe__json_out *o, const char *s);
/* NULL, an enum without a word, is a failure. */
void lxe__json_put_word(struct lxe__json_out *o, const char *word);
void lxe__json_put_uuid(struct lxe__json_out *o, const uint8_t uuid[16]);
char *lxe__json_end(struct lxe__json_out *o);

/*----- reading -----*/

struct lxe__json_in {
    const char *type;   /* what is read, for error lines */
    struct lxe__err *err;
};

/*
 * The text as a tree, to be freed with yajl_tree_free().  Refused are
 * also texts of more than LXE_JSON_MAX_LEN bytes, ones that nest deeper
 * than LXE_JSON_MAX_DEPTH (yajl frees a tree by recursion: who made the
 * text could exhaust our stack), and comments.  yajl cuts a string short
 * at \u0000.
 */
int lxe__json_tree(const char *type, const char *text, yajl_val *root_r,
                   struct lxe__err *err);

/* The same of a peer's: refuses \u0000, too. */
int lxe__json_parse(const char *type, const char *text, yajl_val *root_r,
                    struct lxe__err *err);

/*
 * Sets at[i] to the value of keys[i], NULL where there is none.  Fails
 * where @obj is no object or has another key or one of them twice.
 */
int lxe__json_members(const struct lxe__json_in *in, yajl_val obj,
                      size_t nr, const char *const keys[],
                      yajl_val at[]);

/* Each fails, with its line, where @v is not what the name says. */
int lxe__json_uint(const struct lxe__json_in *in, const char *field,
                   yajl_val v, uint64_t min, uint64_t max, uint64_t *n);
int lxe__json_bool(const struct lxe__json_in *in, const char *field,
                   yajl_val v, bool *b);
/* *s is NULL for null, else the caller's to free. */
int lxe__json_string(const struct lxe__json_in *in, const char *field,
                     yajl_val v, char **s);
int lxe__json_uuid(const struct lxe__json_in *in, const char *field,
                   yajl_val v, uint8_t uuid[16]);
int lxe__json_array(const struct lxe__json_in *in, const char *field,
                    yajl_val v);

/* The line: nothing is known for @field.  Returns -1. */
int lxe__json_missing(const struct lxe__json_in *in, const char *field);

/* The line: @field's value is not @needed.  Returns -1. */
int lxe__json_refuse(const struct lxe__json_in *in, const char *field,
                     yajl_val v, const char *needed);
int lxe__json_no_memory(const struct lxe__json_in *in, const char *field);

/*
 * For public functions: libxl's code for @err, 0 if none; *error_r,
 * where @error_r is not NULL, is a copy of its line.
 */
int lxe__json_report(const struct lxe__err *err, char **error_r);

#endif
