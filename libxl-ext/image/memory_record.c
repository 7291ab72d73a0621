/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The memory record in both carriers, libxl's stream and libxc's: where
 * it stands, what it says, and whether that agrees with the rest of the
 * image; rules M1 to M6.
 *
 * libxl's comes first, before libxc's headers, so its guest type is
 * judged when these are known; and libxc's, where there is one too, is
 * compared with it.
 */
#include <stdio.h>
#include <strings.h>

#include "base/uuid.h"
#include "image/reader.h"
#include "memory/record.h"
#include "memory/stock.h"

#define U(n) ((unsigned long long)(n))

/* In which stream: one in libxc's needs no further name. */
static const char *whose(bool libxc)
{
    return libxc ? "" : "libxl ";
}

/* A fault of the memory record: its readers refuse the image. */
static int bad_record(struct lxe__reader *r, bool libxc,
                      const struct lxe__rec *rec, enum lxe__rule rule,
                      uint64_t offset, const char *text)
{
    lxe__fault_note(r, rule, offset, "%s%s", whose(libxc), text);
    lxe__fate_raise(&r->out->ext, LIBXL_EXT_IMAGE_REFUSED, "%s%s",
                    whose(libxc), text);
    if (libxc && rec->type == LXE_RECORD_TYPE_MANDATORY)
        lxe__fate_raise(&r->out->stock, LIBXL_EXT_IMAGE_REFUSED, "%s",
                        text);
    return 0;
}

/* What the figures say of themselves; rule M5. */
static void check_statements(struct lxe__reader *r, bool libxc,
                             const struct lxe__rec *rec,
                             const struct lxe__record *m)
{
    bool mandatory = rec->type == LXE_RECORD_TYPE_MANDATORY;
    bool says = m->flags & LXE_RECORD_F_RAISED;
    uint64_t stock = m->stock_max_kb / 4;
    bool raised = m->max_pages > stock;

    if (raised != says)
        lxe__fault_note(r, LXE_RULE_M5, rec->body + 4, "%smemory record:"
                        " RAISED is %d, and max_pages %llu against"
                        " stock_max_kb %llu says otherwise", whose(libxc),
                        says, U(m->max_pages), U(m->stock_max_kb));
    if (!mandatory && m->tot_pages > stock)
        lxe__fault_note(r, LXE_RULE_M5, rec->offset, "%smemory record:"
                        " optional, and tot_pages %llu is above the %llu"
                        " that a stock host allows", whose(libxc),
                        U(m->tot_pages), U(stock));
    if (mandatory && m->tot_pages <= stock && !raised)
        lxe__fault_note(r, LXE_RULE_M5, rec->offset, "%smemory record:"
                        " mandatory, and a stock host would allow all that"
                        " the guest may have", whose(libxc));
}

/* Rule M3. */
static void check_type(struct lxe__reader *r, bool libxc,
                       const struct lxe__rec *rec, uint32_t flags)
{
    bool hvm = flags & LXE_RECORD_F_HVM;
    char text[256];

    if (hvm == r->out->hvm)
        return;
    snprintf(text, sizeof(text), "memory record: flags 0x%x say %s,"
             " libxc's domain header %s", flags, hvm ? "HVM" : "PV",
             r->out->hvm ? "HVM" : "PV");
    bad_record(r, libxc, rec, LXE_RULE_M3, rec->body + 4, text);
}

/* May the guest have more than stock libxl would allow it? */
static bool is_needed(const struct lxe__reader *r,
                      const struct lxe__record *m)
{
    uint64_t target = r->out->config_target_kb;

    return target == UINT64_MAX ||
        lxe__pages_limit(m->max_pages, m->tot_pages) >
        (target + LXE_STOCK_MAXMEM_CONSTANT_KB) / 4;
}

/* Rule M4: "xl save" may have been given another configuration. */
static void check_uuid(struct lxe__reader *r, bool libxc,
                       const struct lxe__rec *rec,
                       const struct lxe__record *m)
{
    char uuid[LXE_UUID_TEXT], text[256];

    lxe__uuid_text(m->uuid, uuid);
    if (!*r->out->uuid || !strcasecmp(r->out->uuid, uuid) ||
        !is_needed(r, m))
        return;
    snprintf(text, sizeof(text), "memory record: uuid %s is not the"
             " configuration's, %s", uuid, r->out->uuid);
    bad_record(r, libxc, rec, LXE_RULE_M4, rec->body + 8, text);
}

/* Rule M6, of libxc's record: is it the one that libxl's stream has? */
static void check_same(struct lxe__reader *r, const struct lxe__rec *rec,
                       const uint8_t *body)
{
    const struct lxe__carried *libxl = &r->libxl_record;
    char text[256];
    unsigned int i;

    if (libxl->rec.type != rec->type)
        lxe__fault_note(r, LXE_RULE_M5, rec->offset, "memory record: of"
                        " type 0x%x in libxl's stream, 0x%x in libxc's",
                        libxl->rec.type, rec->type);
    for (i = 0; i < LXE_RECORD_LEN && body[i] == libxl->body[i]; i++)
        ;
    if (i == LXE_RECORD_LEN)
        return;
    snprintf(text, sizeof(text), "memory record: that of the libxl stream"
             " (%u bytes) and that of the libxc stream (%u) differ from"
             " byte %u on", libxl->rec.length, rec->length, i);
    bad_record(r, true, rec, LXE_RULE_M6, rec->body + i, text);
}

static void keep(struct lxe__reader *r, const struct lxe__rec *rec,
                 const struct lxe__record *m, const uint8_t *body)
{
    struct lxe__carried *libxl = &r->libxl_record;

    libxl->there = true;
    libxl->rec = *rec;
    libxl->flags = m->flags;
    memcpy(libxl->body, body, LXE_RECORD_LEN);
}

static void take_record(struct lxe__reader *r, bool libxc,
                        const struct lxe__rec *rec,
                        const struct lxe__record *m)
{
    struct libxl_ext_image *o = r->out;

    o->record_carrier |= libxc ? LIBXL_EXT_IMAGE_CARRIER_LIBXC
                               : LIBXL_EXT_IMAGE_CARRIER_LIBXL;
    o->record_mandatory |= rec->type == LXE_RECORD_TYPE_MANDATORY;
    if (o->have_record)
        return;                 /* of two that differ, the first */
    o->have_record = true;
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

static void judge(struct lxe__reader *r, bool libxc,
                  const struct lxe__rec *rec, const struct lxe__record *m,
                  const uint8_t *body)
{
    take_record(r, libxc, rec, m);
    if (!libxc)
        keep(r, rec, m, body);
    else if (r->libxl_record.there)
        check_same(r, rec, body);
    if (libxc)
        check_type(r, true, rec, m->flags);
    check_uuid(r, libxc, rec, m);
    check_statements(r, libxc, rec, m);
}

/*
 * Rule M1.  The helper looks at a stream of version 3 no further than
 * STATIC_DATA_END; what is optional behind it libxenguest skips.
 */
static int out_of_place(struct lxe__reader *r, bool libxc,
                        const struct lxe__rec *rec)
{
    static const char text[] = "memory record: a second one, or one behind"
                               " other records";

    if (libxc && r->out->version == 3 && r->seen_static_end &&
        rec->type == LXE_RECORD_TYPE_OPTIONAL)
        return lxe__fault_note(r, LXE_RULE_M1, rec->offset, "%s", text);
    return bad_record(r, libxc, rec, LXE_RULE_M1, rec->offset, text);
}

int lxe__memory_record_read(struct lxe__reader *r, bool libxc,
                            const struct lxe__rec *rec)
{
    struct lxe__record m;
    struct lxe__err why;
    const uint8_t *p;
    char text[256];

    if (!libxc)
        lxe__fate_raise(&r->out->stock, LIBXL_EXT_IMAGE_REFUSED, "stock"
                        " libxl refuses every record that it does not"
                        " know, here the memory record 0x%08x at byte"
                        " %llu; xl 4.17 crashes as it does so and leaves"
                        " an empty paused domain", rec->type,
                        U(rec->offset));
    if (!libxc && r->out->container == LIBXL_EXT_IMAGE_LIBVIRT)
        lxe__fate_raise(&r->out->ext, LIBXL_EXT_IMAGE_REFUSED, "libvirt"
                        " alone restores its file, and libxl refuses the"
                        " memory record in its stream, here at byte %llu",
                        U(rec->offset));
    if (libxc ? r->libxc_records : r->libxl_records)
        return out_of_place(r, libxc, rec);
    if (rec->length > LXE_RECORD_MAX_LEN) {
        snprintf(text, sizeof(text), "memory record: length %u is above"
                 " the bound of %d bytes", rec->length,
                 LXE_RECORD_MAX_LEN);
        return bad_record(r, libxc, rec, LXE_RULE_M2, rec->offset + 4,
                          text);
    }
    p = lxe__take(r, rec->length, "memory record");
    if (!p)
        return -1;
    lxe__err_init(&why);
    if (lxe__record_decode(p, rec->length, &m, &why))
        return bad_record(r, libxc, rec, LXE_RULE_M2, rec->body, why.msg);
    judge(r, libxc, rec, &m, p);
    return 0;
}

void lxe__memory_record_headers(struct lxe__reader *r)
{
    const struct lxe__carried *libxl = &r->libxl_record;

    if (libxl->there)
        check_type(r, false, &libxl->rec, libxl->flags);
}
