/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * xl-ext image diff: what differs between two images of one guest.
 * Differences are printed as they are found, so that memory does not
 * grow with their number.
 */
#include <errno.h>
#include <stdio.h>

#include "image.h"
#include "json.h"

#define U(n) ((unsigned long long)(n))

/* ---- for people ------------------------------------------------- */

static void print_fact(const struct libxl_ext_image_difference *d)
{
    printf("%s: ", d->name);
    if (d->where != LIBXL_EXT_IMAGE_IN_B) {
        print_clean(d->a);
        printf(" in A%s", d->where == LIBXL_EXT_IMAGE_IN_A ? " only\n"
                                                           : ", ");
    }
    if (d->where != LIBXL_EXT_IMAGE_IN_A) {
        print_clean(d->b);
        printf(" in B%s", d->where == LIBXL_EXT_IMAGE_IN_B ? " only\n"
                                                           : "\n");
    }
}

static const char *type_name(uint8_t type)
{
    const char *name = image_type_name(type);

    return name ? name : "reserved";
}

static void print_pages(const struct libxl_ext_image_difference *d)
{
    if (d->count == 1)
        printf("frame 0x%llx:", U(d->first));
    else
        printf("frames 0x%llx to 0x%llx (%llu):", U(d->first),
               U(d->first + d->count - 1), U(d->count));
    if (d->where != LIBXL_EXT_IMAGE_IN_BOTH)
        printf(" only in %s", d->where == LIBXL_EXT_IMAGE_IN_A ? "A"
                                                               : "B");
    if (d->types)
        printf(" type %s in A, %s in B", type_name(d->type_a),
               type_name(d->type_b));
    if (d->contents)
        printf("%s contents", d->types ? "," : "");
    putchar('\n');
}

static void print_record(const struct libxl_ext_image_difference *d)
{
    printf("record %s%s%s: ", d->name, *d->part ? ", " : "", d->part);
    if (d->where == LIBXL_EXT_IMAGE_IN_A)
        printf("only in A, %llu bytes at byte %llu\n", U(d->length_a),
               U(d->offset_a));
    else if (d->where == LIBXL_EXT_IMAGE_IN_B)
        printf("only in B, %llu bytes at byte %llu\n", U(d->length_b),
               U(d->offset_b));
    else
        printf("%llu of %llu bytes (%llu in B) differ, the first at byte"
               " %llu of A, %llu of B\n", U(d->differ), U(d->length_a),
               U(d->length_b), U(d->offset_a), U(d->offset_b));
}

static int print_text(void *user,
                      const struct libxl_ext_image_difference *d)
{
    static void (*const print[])(
        const struct libxl_ext_image_difference *) = {
        print_fact, print_pages, print_record,
    };

    (void)user;
    print[d->kind](d);
    return ferror(stdout);
}

static bool is_same(const struct libxl_ext_image_differences *s)
{
    return !s->pages_only_a && !s->pages_only_b && !s->pages_type &&
           !s->pages_contents && !s->facts && !s->records;
}

static void print_sum(const struct libxl_ext_image_differences *s)
{
    if (is_same(s))
        printf("the same: %llu pages compared\n", U(s->pages_compared));
    else
        printf("%llu pages compared: %llu differ; %llu frames only in A,"
               " %llu only in B, %llu of another type; %llu facts and %llu"
               " records differ\n", U(s->pages_compared),
               U(s->pages_contents), U(s->pages_only_a),
               U(s->pages_only_b), U(s->pages_type), U(s->facts),
               U(s->records));
}

/* ---- JSON ------------------------------------------------------- */

struct json {
    yajl_gen g;
    unsigned int open;          /* arrays that were begun */
};

static const char *const arrays[] = { "facts", "pages", "records" };
#define NR_ARRAYS 3U

/* Arrays up to the @nr-th are begun, those before it ended. */
static void open_arrays(struct json *j, unsigned int nr)
{
    for (; j->open < nr && j->open < NR_ARRAYS; j->open++) {
        if (j->open)
            yajl_gen_array_close(j->g);
        json_key(j->g, arrays[j->open]);
        yajl_gen_array_open(j->g);
    }
}

static void put_only(yajl_gen g,
                     const struct libxl_ext_image_difference *d)
{
    if (d->where != LIBXL_EXT_IMAGE_IN_BOTH)
        json_string(g, "only", d->where == LIBXL_EXT_IMAGE_IN_A ? "a"
                                                                : "b");
}

static void put_fact(yajl_gen g,
                     const struct libxl_ext_image_difference *d)
{
    json_string(g, "name", d->name);
    if (d->where != LIBXL_EXT_IMAGE_IN_B)
        json_string(g, "a", d->a);
    if (d->where != LIBXL_EXT_IMAGE_IN_A)
        json_string(g, "b", d->b);
}

static void put_pages(yajl_gen g,
                      const struct libxl_ext_image_difference *d)
{
    json_number(g, "first", d->first);
    json_number(g, "count", d->count);
    put_only(g, d);
    if (d->types) {
        json_string(g, "type_a", type_name(d->type_a));
        json_string(g, "type_b", type_name(d->type_b));
    }
    json_bool(g, "contents", d->contents);
}

static void put_record(yajl_gen g,
                       const struct libxl_ext_image_difference *d)
{
    json_string(g, "stream", d->libxc ? "libxc" : "libxl");
    json_string(g, "name", d->name);
    json_string(g, "part", d->part);
    put_only(g, d);
    if (d->where != LIBXL_EXT_IMAGE_IN_B) {
        json_number(g, "length_a", d->length_a);
        json_number(g, "offset_a", d->offset_a);
    }
    if (d->where != LIBXL_EXT_IMAGE_IN_A) {
        json_number(g, "length_b", d->length_b);
        json_number(g, "offset_b", d->offset_b);
    }
    if (d->where == LIBXL_EXT_IMAGE_IN_BOTH)
        json_number(g, "differ", d->differ);
}

static int print_json(void *user,
                      const struct libxl_ext_image_difference *d)
{
    static void (*const put[])(
        yajl_gen, const struct libxl_ext_image_difference *) = {
        put_fact, put_pages, put_record,
    };
    struct json *j = user;

    open_arrays(j, d->kind + 1);
    yajl_gen_map_open(j->g);
    put[d->kind](j->g, d);
    yajl_gen_map_close(j->g);
    json_flush(j->g);
    return ferror(stdout);
}

static void end_json(struct json *j,
                     const struct libxl_ext_image_differences *s)
{
    yajl_gen g = j->g;

    open_arrays(j, NR_ARRAYS);
    yajl_gen_array_close(g);
    json_key(g, "counts");
    yajl_gen_map_open(g);
    json_number(g, "pages_compared", s->pages_compared);
    json_number(g, "pages_only_a", s->pages_only_a);
    json_number(g, "pages_only_b", s->pages_only_b);
    json_number(g, "pages_type", s->pages_type);
    json_number(g, "pages_contents", s->pages_contents);
    json_number(g, "facts", s->facts);
    json_number(g, "records", s->records);
    yajl_gen_map_close(g);
    json_bool(g, "same", is_same(s));
    yajl_gen_map_close(g);
    json_flush(g);
}

/* ---- the command ------------------------------------------------ */

static int compare(const struct command_call *call, int a, int b)
{
    struct libxl_ext_image_differences sum;
    bool json = command_has(call, DIFF_JSON);
    struct json j = { .g = json ? json_new() : NULL };
    char error[1024];
    int rc = EXIT_CANNOT;

    if (json && !j.g) {
        command_error(call, "no memory for the JSON text");
        return rc;
    }
    if (json)
        yajl_gen_map_open(j.g);
    if (libxl_ext_image_diff(a, b, -1, json ? print_json : print_text, &j,
                             &sum, error, sizeof(error))) {
        /* Where standard output failed main() says so. */
        if (errno != ECANCELED)
            command_error(call, "%s", error);
        goto out;
    }
    if (json)
        end_json(&j, &sum);
    else
        print_sum(&sum);
    rc = is_same(&sum) ? EXIT_WELL : EXIT_NO;

 out:
    if (json)
        yajl_gen_free(j.g);
    return rc;
}

int image_diff(const struct command_call *call)
{
    int a, b, rc;

    image_take_signals(call, true);
    a = image_open(call, call->args[0]);
    if (a < 0)
        return EXIT_CANNOT;
    b = image_open(call, call->args[1]);
    rc = b < 0 ? EXIT_CANNOT : compare(call, a, b);
    image_close(b);
    image_close(a);
    return rc;
}
