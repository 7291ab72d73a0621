/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The memory record in libxc's stream: where it stands, what it says,
 * and whether that agrees with the rest of the image; rules M1 to M5.
 */
#include <stdio.h>
#include <strings.h>

#include "base/uuid.h"
#include "image/reader.h"
#include "memory/record.h"

/* A fault of the memory record: who reads it refuses the image. */
static int bad_record(struct lxe__reader *r, const struct lxe__rec *rec,
                      enum lxe__rule rule, uint64_t offset,
                      const char *text)
{
    lxe__fault_note(r, rule, offset, "%s", text);
    lxe__fate_raise(&r->out->ext, LIBXL_EXT_IMAGE_REFUSED, "%s", text);
    if (rec->type == LXE_RECORD_TYPE_MANDATORY)
        lxe__fate_raise(&r->out->stock, LIBXL_EXT_IMAGE_REFUSED, "%s",
                        text);
    return 0;
}

/* What the figures say of themselves; rule M5. */
static void check_statements(struct lxe__reader *r,
                             const struct lxe__rec *rec)
{
    const struct libxl_ext_image *o = r->out;
    uint64_t stock = o->stock_max_kb / 4;
    bool raised = o->max_pages > stock;

    if (raised != o->record_raised)
        lxe__fault_note(r, LXE_RULE_M5, rec->body + 4, "memory record:"
                        " RAISED is %d, and max_pages %llu against"
                        " stock_max_kb %llu says otherwise",
                        o->record_raised, (unsigned long long)o->max_pages,
                        (unsigned long long)o->stock_max_kb);
    if (!o->record_mandatory && o->tot_pages > stock)
        lxe__fault_note(r, LXE_RULE_M5, rec->offset, "memory record:"
                        " optional, and tot_pages %llu is above the %llu"
                        " that a stock host allows",
                        (unsigned long long)o->tot_pages,
                        (unsigned long long)stock);
    if (o->record_mandatory && o->tot_pages <= stock && !raised)
        lxe__fault_note(r, LXE_RULE_M5, rec->offset, "memory record:"
                        " mandatory, and a stock host would allow all that"
                        " the guest may have");
}

static void take_record(struct lxe__reader *r, const struct lxe__rec *rec,
                        const struct lxe__record *m)
{
    struct libxl_ext_image *o = r->out;

    o->have_record = true;
    o->record_mandatory = rec->type == LXE_RECORD_TYPE_MANDATORY;
    o->record_raised = m->flags & LXE_RECORD_F_RAISED;
    lxe__uuid_text(m->uuid, o->record_uuid);
    o->max_pages = m->max_pages;
    o->tot_pages = m->tot_pages;
    o->outstanding_pages = m->outstanding_pages;
    o->shr_pages = m->shr_pages;
    o->paged_pages = m->paged_pages;
    o->target_kb = m->target_kb;
    o->static_max_kb = m->static_max_kb;
    o->stock_max_kb = m->stock_max_kb;
}

int lxe__memory_record_read(struct lxe__reader *r,
                            const struct lxe__rec *rec)
{
    struct libxl_ext_image *o = r->out;
    struct lxe__record m;
    struct lxe__err why;
    const uint8_t *p;
    char text[256];
    bool hvm;

    if (r->libxc_records)
        return bad_record(r, rec, LXE_RULE_M1, rec->offset, "memory"
                          " record: a second one, or one behind other"
                          " records");
    if (rec->length > LXE_RECORD_MAX_LEN) {
        snprintf(text, sizeof(text), "memory record: length %u is above"
                 " the bound of %d bytes", rec->length,
                 LXE_RECORD_MAX_LEN);
        return bad_record(r, rec, LXE_RULE_M2, rec->offset + 4, text);
    }
    p = lxe__take(r, rec->length, "memory record");
    if (!p)
        return -1;
    lxe__err_init(&why);
    if (lxe__record_decode(p, rec->length, &m, &why))
        return bad_record(r, rec, LXE_RULE_M2, rec->body, why.msg);
    take_record(r, rec, &m);
    hvm = m.flags & LXE_RECORD_F_HVM;
    if (hvm != o->hvm) {
        snprintf(text, sizeof(text), "memory record: flags 0x%x say %s,"
                 " libxc's domain header %s", m.flags, hvm ? "HVM" : "PV",
                 o->hvm ? "HVM" : "PV");
        bad_record(r, rec, LXE_RULE_M3, rec->body + 4, text);
    }
    if (*o->uuid && strcasecmp(o->uuid, o->record_uuid)) {
        snprintf(text, sizeof(text), "memory record: uuid %s is not the"
                 " configuration's, %s", o->record_uuid, o->uuid);
        bad_record(r, rec, LXE_RULE_M4, rec->body + 8, text);
    }
    check_statements(r, rec);
    return 0;
}
