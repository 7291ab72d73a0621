/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Records that are of a known type but for their optional bit; rule C13.
 *
 * libxenguest knows them as little as any other optional type and skips
 * them.  No Xen writes one, but a Xen to come may give such a number to
 * a record of its own, beside the known one.  So it is a fault where the
 * known one is not there; or for PAGE_DATA, of which there are many,
 * where the body is one of frames and pages.
 */
#include "image/reader.h"

#define BIT LXE_LIBXC_BIT

static void skipped(struct lxe__reader *r, uint64_t offset, uint32_t type)
{
    lxe__fault_note(r, LXE_RULE_C13, offset, "libxc record: type 0x%x is"
                    " that of %s and the optional bit, with which a"
                    " restore skips it", type | LXE_REC_OPTIONAL,
                    lxe__libxc_name(type));
}

/* Is it as long as so many frames, and pages for some of them, are? */
static int read_pages(struct lxe__reader *r, const struct lxe__rec *rec)
{
    uint64_t count, left;
    const uint8_t *p;

    if (rec->length < LXE_LIBXC_PAGE_DATA_LEN || r->seen_verify)
        return 0;
    p = lxe__take(r, LXE_LIBXC_PAGE_DATA_LEN, "optional libxc record");
    if (!p)
        return -1;
    count = lxe__get32(p, r->out->big_endian);
    left = rec->length - LXE_LIBXC_PAGE_DATA_LEN;
    if (count && count <= left / 8 && !lxe__get32(p + 4, false) &&
        (left - 8 * count) % LXE_PAGE_SIZE == 0 &&
        (left - 8 * count) / LXE_PAGE_SIZE <= count)
        skipped(r, rec->offset, LXE_LIBXC_REC_PAGE_DATA);
    return 0;
}

static int read_vcpu(struct lxe__reader *r, const struct lxe__rec *rec,
                     uint32_t bit)
{
    struct lxe__vcpu *v;
    const uint8_t *p;
    uint32_t id;

    /* An empty one says nothing: the erratum. */
    if (rec->length <= 8 || r->out->hvm)
        return 0;
    p = lxe__take(r, 8, "optional libxc record");
    if (!p)
        return -1;
    id = lxe__get32(p, r->out->big_endian);
    if (id >= LXE_IMAGE_VCPUS || lxe__vcpu_none(r, id))
        return 0;
    v = lxe__vcpu_get(r, id);
    if (!v)
        return -1;
    if (!v->optional)
        v->optional_at = rec->offset;
    v->optional |= bit;
    return 0;
}

int lxe__libxc_optional_read(struct lxe__reader *r,
                             const struct lxe__rec *rec)
{
    uint32_t type = rec->type & ~LXE_REC_OPTIONAL;

    if (type == LXE_LIBXC_REC_PAGE_DATA)
        return read_pages(r, rec);
    if (1U << type & LXE_LIBXC_VCPU_BITS)
        return read_vcpu(r, rec, 1U << type);
    if (!r->optional_at[type])
        r->optional_at[type] = rec->offset;
    return 0;
}

/* Types of which this guest's restore needs one. */
static uint32_t needed(const struct lxe__reader *r)
{
    uint32_t bits = BIT(X86_TSC_INFO);

    if (r->out->version == 3)
        bits |= BIT(X86_CPUID_POLICY) | BIT(X86_MSR_POLICY);
    if (r->out->hvm)
        return bits | BIT(HVM_CONTEXT) | BIT(HVM_PARAMS);
    return bits | BIT(X86_PV_INFO) | BIT(X86_PV_P2M_FRAMES) |
           BIT(SHARED_INFO);
}

void lxe__libxc_optional_judge(struct lxe__reader *r)
{
    const struct lxe__vcpu *v = r->vcpus;
    uint32_t bits = needed(r) & ~r->seen_types, type, i;

    for (type = 0; type < LXE_LIBXC_NR_RECS; type++)
        if (bits & 1U << type && r->optional_at[type])
            skipped(r, r->optional_at[type], type);
    for (i = 0; i < r->nr_vcpus; i++, v++)
        for (type = 0; type < LXE_LIBXC_NR_RECS; type++)
            if (v->optional & ~v->seen & 1U << type)
                skipped(r, v->optional_at, type);
}
