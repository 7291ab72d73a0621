/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The facts of an image as JSON.
 */
#include <stdio.h>

#include "image.h"
#include "json.h"

static void put_guest(yajl_gen g, const struct libxl_ext_image *im)
{
    if (!*im->type)
        return;
    json_key(g, "guest");
    yajl_gen_map_open(g);
    json_string(g, "name", im->name);
    json_string(g, "uuid", im->uuid);
    json_string(g, "type", im->type);
    yajl_gen_map_close(g);
}

static void put_stream(yajl_gen g, const struct libxl_ext_image *im)
{
    char xen[32];

    if (!im->have_headers)
        return;
    json_key(g, "stream");
    yajl_gen_map_open(g);
    json_number(g, "version", im->version);
    json_string(g, "type", im->hvm ? "x86 HVM" : "x86 PV");
    json_bool(g, "big_endian", im->big_endian);
    snprintf(xen, sizeof(xen), "%u.%u", im->xen_major, im->xen_minor);
    json_string(g, "xen", xen);
    json_number(g, "checkpoints", im->checkpoints);
    if (!im->hvm) {
        json_number(g, "width", im->pv_width);
        json_number(g, "levels", im->pv_levels);
        json_number(g, "vcpus", im->vcpus);
    }
    yajl_gen_map_close(g);
}

static void put_limits(yajl_gen g, const struct libxl_ext_image *im)
{
    if (im->have_record) {
        json_key(g, "limits");
        yajl_gen_map_open(g);
        json_string(g, "carrier", image_carrier_name(im->record_carrier));
        json_bool(g, "mandatory", im->record_mandatory);
        json_bool(g, "raised", im->record_raised);
        json_string(g, "uuid", im->record_uuid);
        json_number(g, "max_pages", im->max_pages);
        json_number(g, "tot_pages", im->tot_pages);
        json_number(g, "outstanding_pages", im->outstanding_pages);
        json_number(g, "shr_pages", im->shr_pages);
        json_number(g, "paged_pages", im->paged_pages);
        json_number(g, "target_kb", im->target_kb);
        json_number(g, "static_max_kb", im->static_max_kb);
        json_number(g, "stock_max_kb", im->stock_max_kb);
        yajl_gen_map_close(g);
    }
    if (im->config_target_kb != UINT64_MAX)
        json_number(g, "config_target_kb", im->config_target_kb);
    if (im->config_max_kb != UINT64_MAX)
        json_number(g, "config_max_kb", im->config_max_kb);
    if (im->restore_max_kb)
        json_number(g, "stock_limit_kb", im->restore_max_kb);
}

static void put_passes(yajl_gen g, const struct libxl_ext_image *im)
{
    const struct libxl_ext_image_pass *p = im->passes;
    uint32_t i;

    json_key(g, "passes");
    yajl_gen_array_open(g);
    for (i = 0; i < im->nr_passes; i++, p++) {
        yajl_gen_map_open(g);
        json_number(g, "named", p->named);
        json_number(g, "data", p->data);
        json_number(g, "again", p->again);
        if (im->all_read)
            json_number(g, "unchanged", p->unchanged);
        json_bool(g, "verify", p->verify);
        yajl_gen_map_close(g);
    }
    yajl_gen_array_close(g);
}

static void put_frames(yajl_gen g, const struct libxl_ext_image *im)
{
    unsigned int i;

    json_key(g, "frames");
    yajl_gen_map_open(g);
    json_number(g, "named", im->frames);
    if (im->frames) {
        json_number(g, "first", im->first_frame);
        json_number(g, "last", im->last_frame);
    }
    json_number(g, "populated", im->populated);
    yajl_gen_map_close(g);
    json_key(g, "types");
    yajl_gen_map_open(g);
    for (i = 0; i < LIBXL_EXT_IMAGE_TYPES; i++)
        if (im->types[i] && image_type_name(i))
            json_number(g, image_type_name(i), im->types[i]);
    yajl_gen_map_close(g);
    if (im->all_read) {
        json_number(g, "zero_pages", im->zero_pages);
        json_number(g, "duplicate_pages", im->duplicate_pages);
        json_number(g, "verify_differs", im->verify_differs);
    }
    put_passes(g, im);
}

static void put_page_state(yajl_gen g, const struct libxl_ext_image *im)
{
    unsigned int i;

    if (!im->have_headers || im->hvm)
        return;
    json_key(g, "page_state");
    yajl_gen_map_open(g);
    json_bool(g, "judged", im->page_state_judged);
    if (im->page_state_judged) {
        json_number(g, "tables", im->tables);
        json_number(g, "stale", im->tables_stale);
        json_number(g, "held", im->tables_held);
        json_key(g, "stale_frames");
        yajl_gen_array_open(g);
        for (i = 0; i < LIBXL_EXT_IMAGE_STALE && i < im->tables_stale;
             i++) {
            yajl_gen_map_open(g);
            json_number(g, "frame", im->stale[i].frame);
            json_string(g, "table", image_type_name(im->stale[i].type));
            yajl_gen_map_close(g);
        }
        yajl_gen_array_close(g);
    }
    yajl_gen_map_close(g);
}

static void put_records(yajl_gen g, const struct libxl_ext_image *im)
{
    const struct libxl_ext_image_record *c = im->records;
    uint32_t i;

    json_key(g, "records");
    yajl_gen_array_open(g);
    for (i = 0; i < im->nr_records; i++, c++) {
        yajl_gen_map_open(g);
        json_string(g, "stream", c->libxc ? "libxc" : "libxl");
        json_number(g, "type", c->type);
        json_string(g, "name", c->name);
        json_number(g, "count", c->count);
        json_number(g, "bytes", c->bytes);
        yajl_gen_map_close(g);
    }
    yajl_gen_array_close(g);
}

static void put_verdict(yajl_gen g, const char *host,
                        const struct libxl_ext_image_verdict *v)
{
    json_key(g, host);
    yajl_gen_map_open(g);
    json_string(g, "fate", image_fate_name(v->fate));
    json_string(g, "reason", v->reason);
    yajl_gen_map_close(g);
}

static void put_faults(yajl_gen g, const struct libxl_ext_image *im)
{
    const struct libxl_ext_image_fault *f = im->faults;
    int i;

    json_number(g, "nr_faults", im->nr_faults);
    json_key(g, "faults");
    yajl_gen_array_open(g);
    for (i = 0; i < LIBXL_EXT_IMAGE_FAULTS && f->rule[0]; i++, f++) {
        yajl_gen_map_open(g);
        json_string(g, "rule", f->rule);
        json_number(g, "offset", f->offset);
        json_string(g, "text", f->text);
        yajl_gen_map_close(g);
    }
    yajl_gen_array_close(g);
    json_key(g, "restores");
    yajl_gen_map_open(g);
    put_verdict(g, "stock", &im->stock);
    put_verdict(g, "libxl_ext", &im->ext);
    yajl_gen_map_close(g);
}

int image_print_json(const struct libxl_ext_image *im)
{
    yajl_gen g = json_new();

    if (!g)
        return -1;
    yajl_gen_map_open(g);
    json_string(g, "container", image_container_name(im));
    json_number(g, "size", im->size);
    json_bool(g, "complete", im->complete);
    json_bool(g, "quick", im->quick);
    json_bool(g, "all_read", im->all_read);
    put_guest(g, im);
    put_stream(g, im);
    put_limits(g, im);
    put_frames(g, im);
    put_page_state(g, im);
    put_records(g, im);
    put_faults(g, im);
    yajl_gen_map_close(g);
    json_flush(g);
    yajl_gen_free(g);
    return 0;
}
