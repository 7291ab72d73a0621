/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The readers of JSON that are generated from idl/, one for each type.
 *
 * The first octet of an input says which type, the rest is the text.
 * What is taken and written is taken again and written the same; what
 * is refused leaves the type as its init does.
 */
#include <stdlib.h>
#include <string.h>

#include "_libxl_ext_types.h"
#include "_libxl_ext_types_internal.h"
#include "common.h"

/*
 * All of idl/libxl_ext_types.idl in its order; tests/fuzz/test_fuzz.py
 * sees that none is missing.
 */
#define TYPES(X)                                                        \
    X(version_info) X(policy) X(policy_value) X(policy_report)          \
    X(verdict) X(memory_limits) X(host_memory) X(domain_memory)         \
    X(memory_table) X(backend) X(backend_list) X(freeze_report)         \
    X(save_params) X(migrate_params) X(progress) X(phase_time)          \
    X(stop_time) X(operation_result) X(migrate_offer)                   \
    X(migrate_answer) X(precheck) X(migrate_asked) X(migrate_report)    \
    X(outcome)

static void same_and_free(char *one, char *two)
{
    must(one && two && !strcmp(one, two));
    free(one);
    free(two);
}

static void line_and_free(char *error)
{
    must(error && *error && !strchr(error, '\n'));
    free(error);
}

#define TYPE(name)                                                      \
static void name##_text(const char *text)                               \
{                                                                       \
    libxl_ext_##name p, q;                                              \
    char *error = NULL;                                                 \
                                                                        \
    libxl_ext_##name##_init(&q);                                        \
    if (libxl_ext_##name##_from_json(&p, text, &error)) {               \
        line_and_free(error);                                           \
    } else {                                                            \
        char *one = libxl_ext_##name##_to_json(&p);                     \
                                                                        \
        must(one && !error);                                            \
        libxl_ext_##name##_dispose(&q);                                 \
        must(!libxl_ext_##name##_from_json(&q, one, NULL));             \
        free(one);                                                      \
    }                                                                   \
    same_and_free(libxl_ext_##name##_to_json(&p),                       \
                  libxl_ext_##name##_to_json(&q));                      \
    libxl_ext_##name##_dispose(&q);                                     \
    must(!libxl_ext_##name##_copy(&q, &p));                             \
    same_and_free(libxl_ext_##name##_to_json(&p),                       \
                  libxl_ext_##name##_to_json(&q));                      \
    libxl_ext_##name##_dispose(&p);                                     \
    libxl_ext_##name##_dispose(&q);                                     \
}
TYPES(TYPE)

/* The one that only libxl-ext uses says why in another way. */
static void record_text(const char *text)
{
    struct lxe__record p, q;
    struct lxe__err err;

    lxe__err_init(&err);
    lxe__record_init(&q);
    if (lxe__record_from_json(&p, text, &err)) {
        fuzz_refused(&err);
    } else {
        char *one = lxe__record_to_json(&p);

        must(one && !err.code);
        must(!lxe__record_from_json(&q, one, &err));
        free(one);
    }
    same_and_free(lxe__record_to_json(&p), lxe__record_to_json(&q));
}

static void (*const readers[])(const char *text) = {
#define READER(name) name##_text,
    TYPES(READER)
    record_text,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t what;
    char *text;

    fuzz_begin();
    what = fuzz_choice(&data, &size);
    text = fuzz_text(data, size);
    if (what >= '0')
        what -= '0';            /* so that seeds are text */
    readers[what % (sizeof(readers) / sizeof(readers[0]))](text);
    free(text);
    fuzz_end();
    return 0;
}
