/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * libxc's stream: its two headers, the framing of its records, which
 * records a guest has and in what order; rules C1 to C12, O1 to O9.
 *
 * What is in a record's body is in libxc_records.c and libxc_pages.c.
 */
#include <stdio.h>
#include <string.h>

#include "image/reader.h"
#include "stream/libxc_format.h"

#define NAMED(number, name) [number] = #name,
static const char *const names[LXE_LIBXC_NR_RECS] = {
    LXE_LIBXC_RECS(NAMED)
};
#undef NAMED

const char *lxe__libxc_name(uint32_t type)
{
    if (lxe__is_memory_record(type))
        return "memory record";
    return type < LXE_LIBXC_NR_RECS ? names[type]
                                    : "optional libxc record";
}

static int read_image_header(struct lxe__reader *r)
{
    uint64_t at = r->src.offset;
    const uint8_t *p = lxe__take(r, LXE_LIBXC_IHDR_LEN,
                                 "libxc image header");
    uint16_t options;
    int i;

    if (!p)
        return -1;
    if (lxe__get64(p, true) != UINT64_MAX)
        return lxe__fault_stop(r, LXE_RULE_C1, at, "libxc image header:"
                               " marker 0x%016llx is not all ones: the"
                               " image is damaged or of another format",
                               (unsigned long long)lxe__get64(p, true));
    if (lxe__get32(p + 8, true) != LXE_LIBXC_ID)
        return lxe__fault_stop(r, LXE_RULE_C2, at + 8, "libxc image"
                               " header: id 0x%08x is not 0x%08x (XENF)",
                               lxe__get32(p + 8, true), LXE_LIBXC_ID);
    r->out->version = lxe__get32(p + 12, true);
    if (r->out->version < 2 || r->out->version > 3)
        return lxe__fault_stop(r, LXE_RULE_C3, at + 12, "libxc image"
                               " header: version %u is neither 2 nor 3",
                               r->out->version);
    options = lxe__get16(p + 16, true);
    if (options & ~1)
        lxe__fault_note(r, LXE_RULE_C4, at + 16, "libxc image header:"
                        " options 0x%x have bits outside 0x1", options);
    r->out->big_endian = options & 1;
    for (i = 18; i < LXE_LIBXC_IHDR_LEN; i++)
        if (p[i]) {
            lxe__fault_note(r, LXE_RULE_C5, at + i, "libxc image header:"
                            " reserved byte %d is 0x%02x, not zero", i,
                            p[i]);
            break;
        }
    if (r->out->big_endian)
        lxe__fate_both(r, LIBXL_EXT_IMAGE_REFUSED, "libxc's stream is"
                       " big-endian");
    return 0;
}

static int read_domain_header(struct lxe__reader *r)
{
    bool big = r->out->big_endian;
    uint64_t at = r->src.offset;
    const uint8_t *p = lxe__take(r, LXE_LIBXC_DHDR_LEN,
                                 "libxc domain header");
    uint32_t type;

    if (!p)
        return -1;
    r->dhdr_offset = at;
    type = lxe__get32(p, big);
    if (type != LXE_LIBXC_TYPE_PV && type != LXE_LIBXC_TYPE_HVM)
        return lxe__fault_stop(r, LXE_RULE_C6, at, "libxc domain header:"
                               " type %u is neither x86 PV (1) nor x86 HVM"
                               " (2)", type);
    r->out->hvm = type == LXE_LIBXC_TYPE_HVM;
    if (lxe__get16(p + 4, big) != 12)
        return lxe__fault_stop(r, LXE_RULE_C7, at + 4, "libxc domain"
                               " header: page_shift %u is not 12",
                               lxe__get16(p + 4, big));
    if (lxe__get16(p + 6, big))
        lxe__fault_note(r, LXE_RULE_C8, at + 6, "libxc domain header:"
                        " reserved bytes 0x%04x are not zero",
                        lxe__get16(p + 6, big));
    r->out->xen_major = lxe__get32(p + 8, big);
    r->out->xen_minor = lxe__get32(p + 12, big);
    r->out->have_headers = true;
    if (*r->out->type && r->out->hvm == !strcmp(r->out->type, "pv"))
        lxe__fault_note(r, LXE_RULE_X9, at, "libxc domain header: type %u"
                        " is not that of a %s guest, which the"
                        " configuration has", type, r->out->type);
    return 0;
}

int lxe__libxc_headers_read(struct lxe__reader *r)
{
    if (read_image_header(r) || read_domain_header(r))
        return -1;
    return r->watch && r->watch->headers
           ? r->watch->headers(r->watch->user, r) : 0;
}

static int read_record_header(struct lxe__reader *r, struct lxe__rec *rec)
{
    bool big = r->out->big_endian;
    const uint8_t *p;

    rec->offset = r->src.offset;
    p = lxe__take(r, LXE_RHDR_LEN, "libxc record header");
    if (!p)
        return -1;
    rec->type = lxe__get32(p, big);
    rec->length = lxe__get32(p + 4, big);
    rec->body = r->src.offset;
    if (rec->type >= LXE_LIBXC_NR_RECS &&
        !(rec->type & LXE_REC_OPTIONAL) &&
        rec->type != LXE_RECORD_TYPE_MANDATORY)
        return lxe__fault_stop(r, LXE_RULE_C11, rec->offset, "libxc"
                               " record: type 0x%x is above 0x%x, the last"
                               " one known, and not optional%s: the stream"
                               " is damaged here or a length ahead of here"
                               " is", rec->type, LXE_LIBXC_NR_RECS - 1,
                               lxe__type_hint(rec->type));
    if (rec->length > LXE_LIBXC_REC_MAX)
        return lxe__fault_stop(r, LXE_RULE_C9, rec->offset + 4, "libxc"
                               " record %s: length %u is above the bound"
                               " of %u", lxe__libxc_name(rec->type),
                               rec->length, LXE_LIBXC_REC_MAX);
    lxe__count_record(r, true, rec, lxe__libxc_name(rec->type));
    return r->watch && r->watch->record
           ? r->watch->record(r->watch->user, r, true, rec) : 0;
}

#define BIT LXE_LIBXC_BIT

/* Types of libxc's stream that only guests of one kind have. */
#define PV_ONLY  (BIT(X86_PV_INFO) | BIT(X86_PV_P2M_FRAMES) |           \
                  LXE_LIBXC_VCPU_BITS | BIT(SHARED_INFO))
#define HVM_ONLY (BIT(HVM_CONTEXT) | BIT(HVM_PARAMS))
#define STATIC   (BIT(X86_PV_INFO) | BIT(X86_CPUID_POLICY) |            \
                  BIT(X86_MSR_POLICY) | BIT(STATIC_DATA_END) | BIT(END))
#define POLICIES (BIT(X86_CPUID_POLICY) | BIT(X86_MSR_POLICY))

static void second(struct lxe__reader *r, const struct lxe__rec *rec,
                   enum lxe__rule rule)
{
    lxe__fault_note(r, rule, rec->offset, "libxc record %s: a second one",
                    lxe__libxc_name(rec->type));
}

/* Notes a record that must be the only one of its kind. */
static void once(struct lxe__reader *r, const struct lxe__rec *rec,
                 bool *seen, enum lxe__rule rule)
{
    if (*seen)
        second(r, rec, rule);
    *seen = true;
}

/* Static records of version 3 in a stream of version 2. */
static void check_static_2(struct lxe__reader *r,
                           const struct lxe__rec *rec)
{
    const char *name = lxe__libxc_name(rec->type);
    unsigned long long at = rec->offset;
    bool end = rec->type == LXE_LIBXC_REC_STATIC_DATA_END;

    if (!end && !(1U << rec->type & POLICIES))
        return;
    lxe__fault_note(r, LXE_RULE_O2, rec->offset, "libxc record %s: in a"
                    " stream of version 2, which has none", name);
    if (!end)
        return;
    /* libxenguest takes one as read where the first of these begins. */
    if (r->seen_static_end || r->seen_p2m || r->seen_pages)
        lxe__fate_both(r, LIBXL_EXT_IMAGE_REFUSED, "O2 at byte %llu: %s"
                       " behind static data", at, name);
    r->seen_static_end = true;
}

/* libxenguest gives up at a record for which it lacks another. */
static void refuse(struct lxe__reader *r, const struct lxe__rec *rec,
                   const char *rule, const char *what)
{
    lxe__fate_both(r, LIBXL_EXT_IMAGE_REFUSED, "%s at byte %llu: libxc"
                   " record %s: %s", rule,
                   (unsigned long long)rec->offset,
                   lxe__libxc_name(rec->type), what);
}

static void check_static(struct lxe__reader *r, const struct lxe__rec *rec)
{
    const char *name = lxe__libxc_name(rec->type);
    uint32_t bit = 1U << rec->type;

    if (r->out->version < 3) {
        check_static_2(r, rec);
        return;
    }
    if (!(bit & STATIC) && !r->seen_static_end) {
        if (!r->said_static)
            lxe__fault_note(r, LXE_RULE_O1, rec->offset, "libxc record %s:"
                            " ahead of STATIC_DATA_END", name);
        r->said_static = true;
        if (bit & (BIT(PAGE_DATA) | BIT(X86_PV_P2M_FRAMES)))
            refuse(r, rec, "O1", "ahead of STATIC_DATA_END");
    } else if (bit & BIT(STATIC_DATA_END)) {
        if (r->seen_static_end)
            refuse(r, rec, "O1", "a second one");
        once(r, rec, &r->seen_static_end, LXE_RULE_O1);
    } else if ((bit & STATIC & ~BIT(END)) && r->seen_static_end) {
        lxe__fault_note(r, LXE_RULE_O3, rec->offset, "libxc record %s:"
                        " behind STATIC_DATA_END", name);
    }
}

static void check_pv_order(struct lxe__reader *r,
                           const struct lxe__rec *rec)
{
    const char *name = lxe__libxc_name(rec->type);
    uint32_t bit = 1U << rec->type;

    if (bit & BIT(X86_PV_INFO)) {
        if (r->seen_pv_info)
            refuse(r, rec, "O4", "a second one");
        once(r, rec, &r->seen_pv_info, LXE_RULE_O4);
        return;
    }
    if ((bit & PV_ONLY) && !r->seen_pv_info) {
        if (!r->said_pv_info)
            lxe__fault_note(r, LXE_RULE_O4, rec->offset, "libxc record %s:"
                            " ahead of X86_PV_INFO", name);
        r->said_pv_info = true;
        if (!(bit & LXE_LIBXC_VCPU_BITS))
            refuse(r, rec, "O4", "ahead of X86_PV_INFO");
    }
    if ((bit & BIT(PAGE_DATA)) && !r->seen_p2m) {
        lxe__fault_note(r, LXE_RULE_O5, rec->offset, "libxc record"
                        " PAGE_DATA: ahead of X86_PV_P2M_FRAMES");
        r->max_pfn = UINT32_MAX;        /* no frame is judged by it */
        r->seen_p2m = true;
    }
    if ((bit & LXE_LIBXC_VCPU_BITS) && !r->seen_pages)
        lxe__fault_note(r, LXE_RULE_O6, rec->offset, "libxc record %s:"
                        " ahead of PAGE_DATA", name);
}

static void check_once(struct lxe__reader *r, const struct lxe__rec *rec)
{
    switch (rec->type) {
    case LXE_LIBXC_REC_X86_PV_P2M_FRAMES:
        once(r, rec, &r->seen_p2m, LXE_RULE_O9);
        break;
    case LXE_LIBXC_REC_X86_CPUID_POLICY:
        once(r, rec, &r->seen_cpuid, LXE_RULE_O9);
        break;
    case LXE_LIBXC_REC_X86_MSR_POLICY:
        once(r, rec, &r->seen_msr, LXE_RULE_O9);
        break;
    case LXE_LIBXC_REC_HVM_PARAMS:
        /* What converts a legacy stream writes two. */
        if (!r->out->xen_major)
            break;
        /* fall through */
    case LXE_LIBXC_REC_X86_TSC_INFO:
    case LXE_LIBXC_REC_SHARED_INFO:
    case LXE_LIBXC_REC_HVM_CONTEXT:
        /* Between checkpoints. */
        if (r->seen_types & 1U << rec->type)
            second(r, rec, LXE_RULE_O9);
        break;
    }
}

static void check_verify(struct lxe__reader *r, const struct lxe__rec *rec)
{
    unsigned long long at = rec->offset;

    if (rec->type == LXE_LIBXC_REC_CHECKPOINT && r->seen_verify) {
        lxe__fault_note(r, LXE_RULE_O8, rec->offset, "libxc record"
                        " CHECKPOINT: behind VERIFY");
        return;
    }
    if (rec->type != LXE_LIBXC_REC_VERIFY)
        return;
    if (!r->seen_pages) {
        lxe__fault_note(r, LXE_RULE_O8, rec->offset, "libxc record VERIFY:"
                        " ahead of PAGE_DATA");
        lxe__fate_both(r, LIBXL_EXT_IMAGE_DAMAGED, "O8 at byte %llu: no"
                       " page is kept", at);
    }
    if (r->out->checkpoints)
        lxe__fault_note(r, LXE_RULE_O8, rec->offset, "libxc record VERIFY:"
                        " in a stream of checkpoints");
    once(r, rec, &r->seen_verify, LXE_RULE_O8);
}

/* What is asked of a record by its type and place alone. */
static void check_order(struct lxe__reader *r, const struct lxe__rec *rec)
{
    uint32_t bit = 1U << rec->type;

    if (bit & (r->out->hvm ? PV_ONLY : HVM_ONLY))
        lxe__fault_note(r, LXE_RULE_C12, rec->offset, "libxc record %s: in"
                        " the image of an x86 %s guest",
                        lxe__libxc_name(rec->type),
                        r->out->hvm ? "HVM" : "PV");
    check_static(r, rec);
    if (!r->out->hvm)
        check_pv_order(r, rec);
    check_once(r, rec);
    r->seen_types |= bit;
    check_verify(r, rec);
    if (rec->length && (bit & (BIT(END) | BIT(VERIFY) | BIT(CHECKPOINT) |
                               BIT(STATIC_DATA_END))))
        lxe__fault_note(r, LXE_RULE_B1, rec->offset + 4, "libxc record %s:"
                        " length %u is not 0", lxe__libxc_name(rec->type),
                        rec->length);
}

static void missing(struct lxe__reader *r, const struct lxe__rec *rec,
                    const char *what, bool fatal)
{
    lxe__fault_note(r, LXE_RULE_O7, rec->offset, "libxc record %s: no %s"
                    " ahead of it", lxe__libxc_name(rec->type), what);
    if (!fatal)
        return;
    lxe__fate_both(r, LIBXL_EXT_IMAGE_REFUSED, "O7 at byte %llu: no %s",
                   (unsigned long long)rec->offset, what);
}

/*
 * Is it known of each vcpu what it is about?  Of one that stood in an
 * earlier checkpoint alone a receiver sets the registers of then.
 */
static void check_vcpus(struct lxe__reader *r, const struct lxe__rec *rec)
{
    uint32_t basic = BIT(X86_PV_VCPU_BASIC), i;
    uint32_t extended = BIT(X86_PV_VCPU_EXTENDED);
    const struct lxe__vcpu *v = r->vcpus;
    char what[48];

    if (!r->nr_vcpus)
        missing(r, rec, "X86_PV_VCPU_BASIC of vcpu 0", true);
    for (i = 0; i < r->nr_vcpus; i++, v++) {
        if (!(v->seen & basic) && (!i || v->seen)) {
            snprintf(what, sizeof(what), "X86_PV_VCPU_BASIC of vcpu %u",
                     i);
            missing(r, rec, what, !i && !v->offset);
        } else if (v->seen & basic && !(v->seen & extended) &&
                   !v->empty_extended && r->out->xen_major) {
            /* A legacy stream need not have it. */
            snprintf(what, sizeof(what), "X86_PV_VCPU_EXTENDED of vcpu %u",
                     i);
            missing(r, rec, what, false);
        }
    }
}

/* At END or CHECKPOINT: is the guest's state whole? */
static void check_whole(struct lxe__reader *r, const struct lxe__rec *rec)
{
    /* The END after a checkpoint has no state of its own. */
    if (rec->type == LXE_LIBXC_REC_END && r->out->checkpoints)
        return;
    lxe__libxc_optional_judge(r);
    if (r->out->version == 3 && !r->seen_static_end)
        lxe__fault_note(r, LXE_RULE_O1, rec->offset, "libxc record %s: no"
                        " STATIC_DATA_END ahead of it",
                        lxe__libxc_name(rec->type));
    /* What converts a legacy stream has no policy to write. */
    if (r->out->version == 3 && r->out->xen_major) {
        if (!r->seen_cpuid)
            missing(r, rec, "X86_CPUID_POLICY", false);
        if (!r->seen_msr)
            missing(r, rec, "X86_MSR_POLICY", false);
    }
    if (!r->seen_pages)
        missing(r, rec, "PAGE_DATA", true);
    if (!(r->seen_types & BIT(X86_TSC_INFO)))
        missing(r, rec, "X86_TSC_INFO", false);
    if (r->out->hvm) {
        if (!(r->seen_types & BIT(HVM_CONTEXT)))
            missing(r, rec, "HVM_CONTEXT", true);
        lxe__hvm_context_judge(r);
        if (!(r->seen_types & BIT(HVM_PARAMS)))
            missing(r, rec, "HVM_PARAMS", false);
    } else {
        if (!(r->seen_types & BIT(SHARED_INFO)))
            missing(r, rec, "SHARED_INFO", false);
        check_vcpus(r, rec);
    }
}

static void begin_checkpoint(struct lxe__reader *r)
{
    uint32_t i;

    if (!r->out->checkpoints++)
        lxe__fate_both(r, LIBXL_EXT_IMAGE_REFUSED, "a checkpointed stream,"
                       " which only a Remus or COLO receiver takes");
    r->seen_types = 0;
    memset(r->optional_at, 0, sizeof(r->optional_at));
    for (i = 0; i < r->nr_vcpus; i++)
        r->vcpus[i].seen = r->vcpus[i].optional = 0;
}

static int read_body(struct lxe__reader *r, const struct lxe__rec *rec)
{
    if (rec->type == LXE_LIBXC_REC_PAGE_DATA) {
        r->seen_pages = true;
        return lxe__page_data_read(r, rec);
    }
    if (rec->type >= LXE_REC_OPTIONAL &&
        rec->type - LXE_REC_OPTIONAL < LXE_LIBXC_NR_RECS)
        return lxe__libxc_optional_read(r, rec);
    return lxe__libxc_body_read(r, rec);
}

int lxe__libxc_records_read(struct lxe__reader *r,
                            enum lxe__libxc_stop *stop_r)
{
    struct lxe__rec rec;

    do {
        if (read_record_header(r, &rec))
            return -1;
        if (rec.type < LXE_LIBXC_NR_RECS)
            check_order(r, &rec);
        if (rec.type == LXE_LIBXC_REC_VERIFY ||
            rec.type == LXE_LIBXC_REC_CHECKPOINT ||
            rec.type == LXE_LIBXC_REC_END)
            lxe__pass_end(r, rec.offset);
        if (read_body(r, &rec) ||
            lxe__finish_body(r, &rec, LXE_RULE_C10,
                             lxe__libxc_name(rec.type)))
            return -1;
        r->libxc_records++;
        if (rec.type == LXE_LIBXC_REC_END ||
            rec.type == LXE_LIBXC_REC_CHECKPOINT)
            check_whole(r, &rec);
        if (rec.type == LXE_LIBXC_REC_CHECKPOINT) {
            begin_checkpoint(r);
            *stop_r = LXE_LIBXC_CHECKPOINT;
            return 0;
        }
    } while (rec.type != LXE_LIBXC_REC_END);
    *stop_r = LXE_LIBXC_END;
    return 0;
}
