/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The facts of an image as JSON, by yajl's generator: it does the
 * quoting, also of a name that an image has made up.
 */
#include <stdio.h>
#include <string.h>
#include <yajl/yajl_gen.h>

#include "image.h"

static void key(yajl_gen g, const char *name)
{
    yajl_gen_string(g, (const unsigned char *)name, strlen(name));
}

static void put_string(yajl_gen g, const char *name, const char *value)
{
    key(g, name);
    /* Refused where it is no UTF-8: the image's fault, shown as such. */
    if (yajl_gen_string(g, (const unsigned char *)value, strlen(value)) !=
        yajl_gen_status_ok)
        yajl_gen_null(g);
}

/* yajl's integers are signed; a count of pages or bytes may not fit. */
static void put_number(yajl_gen g, const char *name, uint64_t value)
{
    char text[24];

    key(g, name);
    yajl_gen_number(g, text, snprintf(text, sizeof(text), "%llu",
                                      (unsigned long long)value));
}

static void put_bool(yajl_gen g, const char *name, bool value)
{
    key(g, name);
    yajl_gen_bool(g, value);
}

static void put_guest(yajl_gen g, const struct libxl_ext_image *im)
{
    if (!*im->type)
        return;
    key(g, "guest");
    yajl_gen_map_open(g);
    put_string(g, "name", im->name);
    put_string(g, "uuid", im->uuid);
    put_string(g, "type", im->type);
    yajl_gen_map_close(g);
}

static void put_stream(yajl_gen g, const struct libxl_ext_image *im)
{
    char xen[32];

    if (!im->have_headers)
        return;
    key(g, "stream");
    yajl_gen_map_open(g);
    put_number(g, "version", im->version);
    put_string(g, "type", im->hvm ? "x86 HVM" : "x86 PV");
    put_bool(g, "big_endian", im->big_endian);
    snprintf(xen, sizeof(xen), "%u.%u", im->xen_major, im->xen_minor);
    put_string(g, "xen", xen);
    put_number(g, "checkpoints", im->checkpoints);
    if (!im->hvm) {
        put_number(g, "width", im->pv_width);
        put_number(g, "levels", im->pv_levels);
        put_number(g, "vcpus", im->vcpus);
    }
    yajl_gen_map_close(g);
}

static void put_limits(yajl_gen g, const struct libxl_ext_image *im)
{
    if (im->have_record) {
        key(g, "limits");
        yajl_gen_map_open(g);
        put_bool(g, "mandatory", im->record_mandatory);
        put_bool(g, "raised", im->record_raised);
        put_string(g, "uuid", im->record_uuid);
        put_number(g, "max_pages", im->max_pages);
        put_number(g, "tot_pages", im->tot_pages);
        put_number(g, "outstanding_pages", im->outstanding_pages);
        put_number(g, "shr_pages", im->shr_pages);
        put_number(g, "paged_pages", im->paged_pages);
        put_number(g, "target_kb", im->target_kb);
        put_number(g, "static_max_kb", im->static_max_kb);
        put_number(g, "stock_max_kb", im->stock_max_kb);
        yajl_gen_map_close(g);
    }
    if (im->config_target_kb != UINT64_MAX)
        put_number(g, "config_target_kb", im->config_target_kb);
    if (im->config_max_kb != UINT64_MAX)
        put_number(g, "config_max_kb", im->config_max_kb);
    if (im->restore_max_kb)
        put_number(g, "stock_limit_kb", im->restore_max_kb);
}

static void put_passes(yajl_gen g, const struct libxl_ext_image *im)
{
    const struct libxl_ext_image_pass *p = im->passes;
    uint32_t i;

    key(g, "passes");
    yajl_gen_array_open(g);
    for (i = 0; i < im->nr_passes; i++, p++) {
        yajl_gen_map_open(g);
        put_number(g, "named", p->named);
        put_number(g, "data", p->data);
        put_number(g, "again", p->again);
        if (!im->quick)
            put_number(g, "unchanged", p->unchanged);
        put_bool(g, "verify", p->verify);
        yajl_gen_map_close(g);
    }
    yajl_gen_array_close(g);
}

static void put_frames(yajl_gen g, const struct libxl_ext_image *im)
{
    unsigned int i;

    key(g, "frames");
    yajl_gen_map_open(g);
    put_number(g, "named", im->frames);
    if (im->frames) {
        put_number(g, "first", im->first_frame);
        put_number(g, "last", im->last_frame);
    }
    put_number(g, "populated", im->populated);
    yajl_gen_map_close(g);
    key(g, "types");
    yajl_gen_map_open(g);
    for (i = 0; i < LIBXL_EXT_IMAGE_TYPES; i++)
        if (im->types[i] && image_type_name(i))
            put_number(g, image_type_name(i), im->types[i]);
    yajl_gen_map_close(g);
    if (!im->quick) {
        put_number(g, "zero_pages", im->zero_pages);
        put_number(g, "duplicate_pages", im->duplicate_pages);
        put_number(g, "verify_differs", im->verify_differs);
    }
    put_passes(g, im);
}

static void put_records(yajl_gen g, const struct libxl_ext_image *im)
{
    const struct libxl_ext_image_record *c = im->records;
    uint32_t i;

    key(g, "records");
    yajl_gen_array_open(g);
    for (i = 0; i < im->nr_records; i++, c++) {
        yajl_gen_map_open(g);
        put_string(g, "stream", c->libxc ? "libxc" : "libxl");
        put_number(g, "type", c->type);
        put_string(g, "name", c->name);
        put_number(g, "count", c->count);
        put_number(g, "bytes", c->bytes);
        yajl_gen_map_close(g);
    }
    yajl_gen_array_close(g);
}

static void put_verdict(yajl_gen g, const char *host,
                        const struct libxl_ext_image_verdict *v)
{
    key(g, host);
    yajl_gen_map_open(g);
    put_string(g, "fate", image_fate_name(v->fate));
    put_string(g, "reason", v->reason);
    yajl_gen_map_close(g);
}

static void put_faults(yajl_gen g, const struct libxl_ext_image *im)
{
    const struct libxl_ext_image_fault *f = im->faults;
    int i;

    put_number(g, "nr_faults", im->nr_faults);
    key(g, "faults");
    yajl_gen_array_open(g);
    for (i = 0; i < LIBXL_EXT_IMAGE_FAULTS && f->rule[0]; i++, f++) {
        yajl_gen_map_open(g);
        put_string(g, "rule", f->rule);
        put_number(g, "offset", f->offset);
        put_string(g, "text", f->text);
        yajl_gen_map_close(g);
    }
    yajl_gen_array_close(g);
    key(g, "restores");
    yajl_gen_map_open(g);
    put_verdict(g, "stock", &im->stock);
    put_verdict(g, "libxl_ext", &im->ext);
    yajl_gen_map_close(g);
}

int image_print_json(const struct libxl_ext_image *im)
{
    yajl_gen g = yajl_gen_alloc(NULL);
    const unsigned char *text;
    size_t len;

    if (!g)
        return -1;
    yajl_gen_config(g, yajl_gen_beautify, 1);
    yajl_gen_config(g, yajl_gen_indent_string, "  ");
    yajl_gen_config(g, yajl_gen_validate_utf8, 1);
    yajl_gen_map_open(g);
    put_string(g, "container", image_container_name(im));
    put_number(g, "size", im->size);
    put_bool(g, "complete", im->complete);
    put_bool(g, "quick", im->quick);
    put_guest(g, im);
    put_stream(g, im);
    put_limits(g, im);
    put_frames(g, im);
    put_records(g, im);
    put_faults(g, im);
    yajl_gen_map_close(g);
    yajl_gen_get_buf(g, &text, &len);
    fwrite(text, 1, len, stdout);
    yajl_gen_free(g);
    return 0;
}
