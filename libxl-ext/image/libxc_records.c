/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The bodies of libxc's records but PAGE_DATA and HVM_CONTEXT; rules B9
 * to B21.
 *
 * Sizes of what Xen's domctls hand out are from Xen's public headers
 * (struct vcpu_guest_context of either width) and do not change: they are
 * in images of every release.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "image/reader.h"
#include "memory/record.h"
#include "stream/libxc_format.h"

#define LEN_AT(rec) ((rec)->offset + 4)

static int read_pv_info(struct lxe__reader *r, const struct lxe__rec *rec)
{
    const uint8_t *p;
    int i;

    if (rec->length < 8)
        return lxe__fault_note(r, LXE_RULE_B9, LEN_AT(rec), "X86_PV_INFO:"
                               " length %u is below 8", rec->length);
    if (rec->length > 8)
        lxe__fault_note(r, LXE_RULE_B10, LEN_AT(rec), "X86_PV_INFO: length"
                        " %u is above 8", rec->length);
    p = lxe__take(r, 8, "X86_PV_INFO");
    if (!p)
        return -1;
    if (!(p[0] == 4 && p[1] == 3) && !(p[0] == 8 && p[1] == 4))
        return lxe__fault_note(r, LXE_RULE_B9, rec->body, "X86_PV_INFO:"
                               " width %u with %u levels is neither 4 with"
                               " 3 nor 8 with 4", p[0], p[1]);
    r->out->pv_width = p[0];
    r->out->pv_levels = p[1];
    for (i = 2; i < 8; i++)
        if (p[i])
            return lxe__fault_note(r, LXE_RULE_B10, rec->body + i,
                                   "X86_PV_INFO: reserved byte 0x%02x is"
                                   " not zero", p[i]);
    return 0;
}

/* The list is read again at the end, when the frames are known. */
static int keep_p2m_list(struct lxe__reader *r, const struct lxe__rec *rec)
{
    uint64_t end = rec->body + rec->length;
    uint64_t nr = (rec->length + LXE_P2M_PIECE - 1) / LXE_P2M_PIECE;

    free(r->p2m_pieces);
    r->nr_p2m_pieces = 0;
    r->p2m_pieces = malloc(nr * sizeof(*r->p2m_pieces));
    if (!r->p2m_pieces)
        return lxe__err_set(r->err, ENOMEM, "image: no memory");
    r->p2m_offset = r->src.offset;
    r->p2m_entries = (end - r->src.offset) / 8;
    while (r->src.offset < end) {
        uint64_t at = r->src.offset, n = end - at;
        uint64_t *handle = &r->p2m_pieces[r->nr_p2m_pieces];
        const uint8_t *p;

        if (n > LXE_P2M_PIECE)
            n = LXE_P2M_PIECE;
        p = lxe__take(r, n, "X86_PV_P2M_FRAMES");
        *handle = LXE_KEEP_NEW;
        if (!p || lxe__source_keep(&r->src, p, n, at, handle, r->err))
            return -1;
        r->nr_p2m_pieces++;
    }
    return 0;
}

/* What the guest's last frame is; the list is read from here on. */
static int read_p2m_header(struct lxe__reader *r,
                           const struct lxe__rec *rec, uint32_t *end_r)
{
    uint32_t start, end, per_frame = 4096 / (r->out->pv_width ?: 8);
    uint64_t want;
    const uint8_t *p;

    /* With a fault no frame is judged by the range. */
    *end_r = UINT32_MAX;
    if (rec->length < 8)
        return lxe__fault_note(r, LXE_RULE_B11, LEN_AT(rec),
                               "X86_PV_P2M_FRAMES: length %u has no room"
                               " for the 8 bytes of its header",
                               rec->length);
    p = lxe__take(r, 8, "X86_PV_P2M_FRAMES");
    if (!p)
        return -1;
    start = lxe__get32(p, r->out->big_endian);
    end = lxe__get32(p + 4, r->out->big_endian);
    if (start > end)
        return lxe__fault_note(r, LXE_RULE_B11, rec->body,
                               "X86_PV_P2M_FRAMES: p2m_start_pfn 0x%x is"
                               " above p2m_end_pfn 0x%x", start, end);
    want = 8 + 8ULL * (end / per_frame - start / per_frame + 1);
    if (rec->length != want)
        return lxe__fault_note(r, LXE_RULE_B11, LEN_AT(rec),
                               "X86_PV_P2M_FRAMES: length %u is not the"
                               " %llu that frames 0x%x to 0x%x need",
                               rec->length, (unsigned long long)want,
                               start, end);
    *end_r = end;
    r->p2m_first = start / per_frame;
    return keep_p2m_list(r, rec);
}

static int read_p2m_frames(struct lxe__reader *r,
                           const struct lxe__rec *rec)
{
    uint32_t end;

    if (read_p2m_header(r, rec, &end))
        return -1;
    if (end > r->max_pfn)
        r->max_pfn = end;
    return 0;
}

struct lxe__vcpu *lxe__vcpu_get(struct lxe__reader *r, uint32_t id)
{
    struct lxe__vcpu *v;

    if (id >= r->nr_vcpus) {
        v = realloc(r->vcpus, (id + 1) * sizeof(*v));
        if (!v) {
            lxe__err_set(r->err, ENOMEM, "image: no memory for %u vcpus",
                         id + 1);
            return NULL;
        }
        memset(v + r->nr_vcpus, 0, (id + 1 - r->nr_vcpus) * sizeof(*v));
        r->vcpus = v;
        r->nr_vcpus = id + 1;
    }
    return &r->vcpus[id];
}

bool lxe__vcpu_none(const struct lxe__reader *r, uint32_t id)
{
    return r->config_vcpus && id >= r->config_vcpus;
}

/* Offsets in struct vcpu_guest_context of x86_32 and x86_64. */
#define CTX32_LEN   2800U
#define CTX64_LEN   5168U
/*
 * Of xsave: xcr0 and xcr0_accum, then nothing or an area, of which the
 * least is what FXSAVE writes and a header.  Xen refuses what is between.
 */
#define XSAVE_HEAD      16U
#define XSAVE_AREA_MIN  (512U + 64U)

/* What in the registers refers to frames; these are little-endian. */
static void read_context(struct lxe__vcpu *v, const uint8_t *p, bool wide)
{
    uint32_t cr3 = lxe__get32(p + 2728, false);
    unsigned int i;

    v->start_info = wide ? lxe__get64(p + 616, false)
                         : lxe__get32(p + 524, false);
    for (i = 0; i < LXE_IMAGE_GDT; i++)
        v->gdt[i] = wide ? lxe__get64(p + 4832 + i * 8, false)
                         : lxe__get32(p + 2640 + i * 4, false);
    if (wide) {
        v->gdt_ents = lxe__get64(p + 4960, false) > UINT32_MAX
                      ? UINT32_MAX : lxe__get64(p + 4960, false);
        v->cr1 = lxe__get64(p + 4992, false);
        v->cr3 = lxe__get64(p + 5008, false) >> 12;
    } else {
        /* The bits above 4 GiB are kept in the lowest 12. */
        v->gdt_ents = lxe__get32(p + 2704, false);
        v->cr1 = 0;
        v->cr3 = cr3 >> 12 | cr3 << 20;
    }
}

static int read_vcpu_blob(struct lxe__reader *r,
                          const struct lxe__rec *rec, uint32_t id,
                          const char *name)
{
    bool wide = r->out->pv_width != 4;
    uint32_t len = rec->length - 8, bit = 1U << rec->type;
    uint32_t want = wide ? CTX64_LEN : CTX32_LEN;
    struct lxe__vcpu *v;
    const uint8_t *p;

    if (rec->type == LXE_LIBXC_REC_X86_PV_VCPU_BASIC && len != want)
        return lxe__fault_note(r, LXE_RULE_B13, LEN_AT(rec), "%s: context"
                               " of %u bytes is not the %u of a %d-bit"
                               " guest", name, len, want, wide ? 64 : 32);
    if (rec->type == LXE_LIBXC_REC_X86_PV_VCPU_EXTENDED && len > 128)
        return lxe__fault_note(r, LXE_RULE_B13, LEN_AT(rec), "%s: context"
                               " of %u bytes is above 128", name, len);
    if (rec->type == LXE_LIBXC_REC_X86_PV_VCPU_XSAVE &&
        len != XSAVE_HEAD && len < XSAVE_HEAD + XSAVE_AREA_MIN)
        return lxe__fault_note(r, LXE_RULE_B13, LEN_AT(rec), "%s: context"
                               " of %u bytes is neither %u nor at least"
                               " %u", name, len, XSAVE_HEAD,
                               XSAVE_HEAD + XSAVE_AREA_MIN);
    if (rec->type == LXE_LIBXC_REC_X86_PV_VCPU_MSRS && len % 16)
        return lxe__fault_note(r, LXE_RULE_B13, LEN_AT(rec), "%s: context"
                               " of %u bytes is no multiple of 16", name,
                               len);
    v = lxe__vcpu_get(r, id);
    if (!v)
        return -1;
    if (v->seen & bit)
        lxe__fault_note(r, LXE_RULE_O9, rec->offset, "libxc record %s: a"
                        " second one for vcpu %u", name, id);
    v->seen |= bit;
    if (rec->type != LXE_LIBXC_REC_X86_PV_VCPU_BASIC)
        return 0;
    p = lxe__take(r, len, name);
    if (!p)
        return -1;
    if (!v->offset)
        r->out->vcpus++;
    v->offset = rec->body + 8;
    read_context(v, p, wide);
    return 0;
}

static int read_vcpu(struct lxe__reader *r, const struct lxe__rec *rec,
                     const char *name)
{
    const uint8_t *p;
    uint32_t id, reserved;

    if (rec->length < 8)
        return lxe__fault_note(r, LXE_RULE_B12, LEN_AT(rec), "%s: length"
                               " %u has no room for the 8 bytes of its"
                               " header", name, rec->length);
    p = lxe__take(r, 8, name);
    if (!p)
        return -1;
    id = lxe__get32(p, r->out->big_endian);
    reserved = lxe__get32(p + 4, r->out->big_endian);
    if (reserved)
        lxe__fault_note(r, LXE_RULE_B20, rec->body + 4, "%s: reserved"
                        " bytes 0x%08x are not zero", name, reserved);
    /* An empty one is skipped, whoever's it is: the erratum. */
    if (rec->length == 8) {
        if (rec->type == LXE_LIBXC_REC_X86_PV_VCPU_EXTENDED &&
            id < r->nr_vcpus)
            r->vcpus[id].empty_extended = true;
        return 0;
    }
    if (id >= LXE_IMAGE_VCPUS)
        return lxe__fault_note(r, LXE_RULE_B12, rec->body, "%s: vcpu %u is"
                               " not below %u", name, id, LXE_IMAGE_VCPUS);
    if (lxe__vcpu_none(r, id))
        return lxe__fault_note(r, LXE_RULE_B12, rec->body, "%s: vcpu %u is"
                               " not below %llu, the configuration's"
                               " max_vcpus", name, id,
                               (unsigned long long)r->config_vcpus);
    return read_vcpu_blob(r, rec, id, name);
}

/* The greatest TSC_MODE_* that there was: up to Xen 4.11. */
#define TSC_PVRDTSCP 3U

static int read_tsc_info(struct lxe__reader *r, const struct lxe__rec *rec)
{
    const uint8_t *p;
    uint32_t reserved, mode;

    if (rec->length != 24)
        return lxe__fault_note(r, LXE_RULE_B15, LEN_AT(rec),
                               "X86_TSC_INFO: length %u is not 24",
                               rec->length);
    p = lxe__take(r, 24, "X86_TSC_INFO");
    if (!p)
        return -1;
    mode = lxe__get32(p, r->out->big_endian);
    if (mode > TSC_PVRDTSCP)
        lxe__fault_note(r, LXE_RULE_B15, rec->body, "X86_TSC_INFO: mode %u"
                        " is above %u", mode, TSC_PVRDTSCP);
    if (mode == TSC_PVRDTSCP)
        lxe__fate_both(r, LIBXL_EXT_IMAGE_REFUSED, "the TSC mode is"
                       " pvrdtscp, which Xen has not since 4.12");
    reserved = lxe__get32(p + 20, r->out->big_endian);
    if (reserved)
        lxe__fault_note(r, LXE_RULE_B20, rec->body + 20, "X86_TSC_INFO:"
                        " reserved bytes 0x%08x are not zero", reserved);
    return 0;
}

/* Numbers of parameters, in Xen's public/hvm/params.h. */
#define PARAM_STORE_PFN   1
#define PARAM_CONSOLE_PFN 17
#define NR_PARAMS         39U

static int read_hvm_params(struct lxe__reader *r,
                           const struct lxe__rec *rec)
{
    bool big = r->out->big_endian;
    const uint8_t *p;
    uint32_t count, reserved, i;

    if (rec->length < 8)
        return lxe__fault_note(r, LXE_RULE_B17, LEN_AT(rec), "HVM_PARAMS:"
                               " length %u has no room for the 8 bytes of"
                               " its header", rec->length);
    p = lxe__take(r, 8, "HVM_PARAMS");
    if (!p)
        return -1;
    count = lxe__get32(p, big);
    reserved = lxe__get32(p + 4, big);
    if (reserved)
        lxe__fault_note(r, LXE_RULE_B20, rec->body + 4, "HVM_PARAMS:"
                        " reserved bytes 0x%08x are not zero", reserved);
    if (rec->length != 8 + 16ULL * count)
        return lxe__fault_note(r, LXE_RULE_B17, rec->body, "HVM_PARAMS:"
                               " count %u needs a length of %llu, not %u",
                               count, (unsigned long long)(8 + 16ULL *
                                                           count),
                               rec->length);
    for (i = 0; i < count; i++) {
        uint64_t at = r->src.offset, index, value;

        p = lxe__take(r, 16, "HVM_PARAMS");
        if (!p)
            return -1;
        index = lxe__get64(p, big);
        value = lxe__get64(p + 8, big);
        if (index >= NR_PARAMS)
            lxe__fault_note(r, LXE_RULE_B17, at, "HVM_PARAMS: parameter"
                            " %llu is not below %u",
                            (unsigned long long)index, NR_PARAMS);
        if (index == PARAM_STORE_PFN) {
            r->store_pfn = value;
            r->store_offset = at + 8;
        } else if (index == PARAM_CONSOLE_PFN) {
            r->console_pfn = value;
            r->console_offset = at + 8;
        }
    }
    /* An empty one is skipped: the erratum. */
    if (count)
        r->params_offset = rec->body;
    return 0;
}

static int check_whole_entries(struct lxe__reader *r,
                               const struct lxe__rec *rec, uint32_t size,
                               enum lxe__rule rule, const char *name)
{
    if (rec->length && rec->length % size == 0)
        return 0;
    return lxe__fault_note(r, rule, LEN_AT(rec), "%s: length %u is no"
                           " multiple of %u, or none", name, rec->length,
                           size);
}

int lxe__libxc_body_read(struct lxe__reader *r,
                         const struct lxe__rec *rec)
{
    switch (rec->type) {
    case LXE_LIBXC_REC_X86_PV_INFO:
        return read_pv_info(r, rec);
    case LXE_LIBXC_REC_X86_PV_P2M_FRAMES:
        return read_p2m_frames(r, rec);
    case LXE_LIBXC_REC_X86_PV_VCPU_BASIC:
        return read_vcpu(r, rec, "X86_PV_VCPU_BASIC");
    case LXE_LIBXC_REC_X86_PV_VCPU_EXTENDED:
        return read_vcpu(r, rec, "X86_PV_VCPU_EXTENDED");
    case LXE_LIBXC_REC_X86_PV_VCPU_XSAVE:
        return read_vcpu(r, rec, "X86_PV_VCPU_XSAVE");
    case LXE_LIBXC_REC_X86_PV_VCPU_MSRS:
        return read_vcpu(r, rec, "X86_PV_VCPU_MSRS");
    case LXE_LIBXC_REC_SHARED_INFO:
        if (rec->length != LXE_PAGE_SIZE)
            lxe__fault_note(r, LXE_RULE_B14, LEN_AT(rec), "SHARED_INFO:"
                            " length %u is not 4096", rec->length);
        return 0;
    case LXE_LIBXC_REC_X86_TSC_INFO:
        return read_tsc_info(r, rec);
    case LXE_LIBXC_REC_HVM_CONTEXT:
        return lxe__hvm_context_read(r, rec);
    case LXE_LIBXC_REC_HVM_PARAMS:
        return read_hvm_params(r, rec);
    case LXE_LIBXC_REC_X86_CPUID_POLICY:
        return check_whole_entries(r, rec, 24, LXE_RULE_B18,
                                   "X86_CPUID_POLICY");
    case LXE_LIBXC_REC_X86_MSR_POLICY:
        return check_whole_entries(r, rec, 16, LXE_RULE_B19,
                                   "X86_MSR_POLICY");
    case LXE_LIBXC_REC_TOOLSTACK:
        return lxe__fault_note(r, LXE_RULE_B21, rec->offset, "TOOLSTACK: a"
                               " record that no release has written");
    case LXE_LIBXC_REC_CHECKPOINT_DIRTY_PFN_LIST:
        return lxe__fault_note(r, LXE_RULE_B21, rec->offset,
                               "CHECKPOINT_DIRTY_PFN_LIST: goes from the"
                               " secondary to the primary, never in an"
                               " image");
    case LXE_RECORD_TYPE_MANDATORY:
    case LXE_RECORD_TYPE_OPTIONAL:
        return lxe__memory_record_read(r, true, rec);
    default:
        return 0;       /* signalling, or optional and unknown */
    }
}
