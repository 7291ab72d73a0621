/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The records of two images but those of pages, compared by parts:
 *
 *   record          id, sub                        shown as
 *   vcpu records    vcpu, 0                        "vcpu 3"
 *   HVM_CONTEXT     descriptor: type, instance     "CPU 0", "RTC 0"
 *   HVM_PARAMS      parameter, its high half       "parameter 17"
 *   all others      0, 0                           the whole record
 *
 * Numbers of descriptors are those of Xen's public headers (arch-x86/
 * hvm/save.h), which all releases share.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image/diff.h"
#include "stream/libxc_format.h"
#include "stream/libxl_format.h"

#define XL_CONFIG UINT32_MAX
#define LIBVIRT_XML (UINT32_MAX - 1)

static int add_part(struct lxe__diff_side *s, struct lxe__err *err,
                    const struct lxe__part *part)
{
    struct lxe__part *parts;
    uint32_t room;

    if (s->nr_parts == LXE_PARTS_MAX)
        return lxe__err_set(err, E2BIG, "image %s: more than %u records"
                            " and parts of records: they are not compared",
                            s->name, LXE_PARTS_MAX);
    if (s->nr_parts == s->room) {
        room = s->room ? s->room * 2 : 64;
        parts = realloc(s->parts, room * sizeof(*parts));
        if (!parts)
            return lxe__err_set(err, ENOMEM, "image: no memory");
        s->parts = parts;
        s->room = room;
    }
    s->parts[s->nr_parts++] = *part;
    return 0;
}

/* ---- parts of a record, as it is read --------------------------- */

static bool is_compared(bool libxc, const struct lxe__rec *rec)
{
    if (!rec->length)
        return false;
    if (lxe__is_memory_record(rec->type))
        return false;           /* it is compared as facts */
    return !libxc || rec->type != LXE_LIBXC_REC_PAGE_DATA;
}

int lxe__diff_note(void *user, struct lxe__reader *r, bool libxc,
                   const struct lxe__rec *rec)
{
    struct lxe__part part = {
        .type = rec->type, .libxc = libxc, .place = rec->body,
        .length = rec->length,
    };

    return is_compared(libxc, rec) ? add_part(user, r->err, &part) : 0;
}

/* ---- parts within records, when all were read ------------------- */

static int read_at(struct lxe__diff_side *s, uint64_t place, void *to,
                   size_t len, struct lxe__err *err)
{
    uint64_t at;

    return lxe__source_again(&s->r->src, place, to, len, &at, err);
}

static int split_vcpu(struct lxe__diff_side *s, struct lxe__part *p,
                      struct lxe__err *err)
{
    uint8_t head[8];

    if (read_at(s, p->place, head, sizeof(head), err))
        return -1;
    p->id = lxe__get32(head, s->image->big_endian);
    p->place += sizeof(head);
    p->length -= sizeof(head);
    return 0;
}

/* The reader has judged the descriptors; END ends them. */
static int split_hvm_context(struct lxe__diff_side *s,
                             const struct lxe__part *all,
                             struct lxe__err *err)
{
    uint64_t at = all->place, end = at + all->length;
    struct lxe__part part = *all;
    uint8_t head[8];

    while (end - at >= sizeof(head)) {
        if (read_at(s, at, head, sizeof(head), err))
            return -1;
        at += sizeof(head);
        part.id = lxe__get16(head, false);
        part.sub = lxe__get16(head + 2, false);
        part.length = lxe__get32(head + 4, false);
        part.place = at;
        if (!part.id || part.length > end - at)
            break;
        at += part.length;
        if (add_part(s, err, &part))
            return -1;
    }
    return 0;
}

static int split_hvm_params(struct lxe__diff_side *s,
                            const struct lxe__part *all,
                            struct lxe__err *err)
{
    uint64_t at = all->place + 8, end = all->place + all->length, index;
    struct lxe__part part = *all;
    uint8_t head[8];

    for (; end - at >= 16; at += 16) {
        if (read_at(s, at, head, sizeof(head), err))
            return -1;
        index = lxe__get64(head, s->image->big_endian);
        part.id = index;
        part.sub = index >> 32;
        part.place = at + 8;
        part.length = 8;
        if (add_part(s, err, &part))
            return -1;
    }
    return 0;
}

/* The parts that @p, a record, has. */
static int split(struct lxe__diff_side *s, struct lxe__part *p,
                 struct lxe__err *err)
{
    if (!p->libxc)
        return add_part(s, err, p);
    switch (p->type) {
    case LXE_LIBXC_REC_HVM_CONTEXT:
        return split_hvm_context(s, p, err);
    case LXE_LIBXC_REC_HVM_PARAMS:
        return split_hvm_params(s, p, err);
    case LXE_LIBXC_REC_X86_PV_VCPU_BASIC:
    case LXE_LIBXC_REC_X86_PV_VCPU_EXTENDED:
    case LXE_LIBXC_REC_X86_PV_VCPU_XSAVE:
    case LXE_LIBXC_REC_X86_PV_VCPU_MSRS:
        return split_vcpu(s, p, err) ? -1 : add_part(s, err, p);
    default:
        return add_part(s, err, p);
    }
}

/* Parts take the place of the records that the reader noted. */
static int split_all(struct lxe__diff_side *s, struct lxe__err *err)
{
    struct lxe__part *records = s->parts;
    uint32_t i, nr = s->nr_parts;
    int rc = 0;

    s->parts = NULL;
    s->nr_parts = s->room = 0;
    for (i = 0; i < nr && !rc; i++)
        rc = split(s, &records[i], err);
    free(records);
    return rc;
}

static int add_config(struct lxe__diff_side *s, struct lxe__err *err)
{
    struct lxe__part part = {
        .type = s->r->out->container == LIBXL_EXT_IMAGE_LIBVIRT
                ? LIBVIRT_XML : XL_CONFIG,
        .place = s->r->config_offset,
        .length = s->r->config_len,
    };

    return part.length ? add_part(s, err, &part) : 0;
}

/* ---- comparing -------------------------------------------------- */

static int by_key(const struct lxe__part *a, const struct lxe__part *b)
{
    if (a->libxc != b->libxc)
        return a->libxc ? 1 : -1;
    if (a->type != b->type)
        return a->type < b->type ? -1 : 1;
    if (a->id != b->id)
        return a->id < b->id ? -1 : 1;
    return a->sub < b->sub ? -1 : a->sub > b->sub;
}

static int by_key_and_place(const void *a, const void *b)
{
    const struct lxe__part *x = a, *y = b;
    int r = by_key(x, y);

    return r ? r : x->place < y->place ? -1 : x->place > y->place;
}

static const char *record_name(const struct lxe__part *p)
{
#define NAMED(number, name) [number] = #name,
    static const char *const names[LXE_LIBXC_NR_RECS] = {
        LXE_LIBXC_RECS(NAMED)
    };
#undef NAMED

    if (p->libxc)
        return p->type < LXE_LIBXC_NR_RECS ? names[p->type]
                                           : "optional libxc record";
    switch (p->type) {
    case XL_CONFIG: return "configuration";
    case LIBVIRT_XML: return "libvirt XML";
    case LXE_LIBXL_REC_EMULATOR_XENSTORE_DATA:
        return "EMULATOR_XENSTORE_DATA";
    case LXE_LIBXL_REC_EMULATOR_CONTEXT:
        return "EMULATOR_CONTEXT";
    default: return "libxl record";
    }
}

static void name_part(const struct lxe__part *p, char *to, size_t size)
{
    static const char *const names[] = {
        [1] = "HEADER", [2] = "CPU", [3] = "PIC", [4] = "IOAPIC",
        [5] = "LAPIC", [6] = "LAPIC_REGS", [7] = "PCI_IRQ",
        [8] = "ISA_IRQ", [9] = "PCI_LINK", [10] = "PIT", [11] = "RTC",
        [12] = "HPET", [13] = "PMTIMER", [14] = "MTRR",
        [15] = "VIRIDIAN_DOMAIN", [16] = "CPU_XSAVE",
        [17] = "VIRIDIAN_VCPU", [18] = "VMCE_VCPU", [19] = "TSC_ADJUST",
        [20] = "CPU_MSR",
    };

    *to = '\0';
    if (!p->libxc)
        return;
    switch (p->type) {
    case LXE_LIBXC_REC_X86_PV_VCPU_BASIC:
    case LXE_LIBXC_REC_X86_PV_VCPU_EXTENDED:
    case LXE_LIBXC_REC_X86_PV_VCPU_XSAVE:
    case LXE_LIBXC_REC_X86_PV_VCPU_MSRS:
        snprintf(to, size, "vcpu %u", p->id);
        break;
    case LXE_LIBXC_REC_HVM_CONTEXT:
        if (p->id < sizeof(names) / sizeof(names[0]) && names[p->id])
            snprintf(to, size, "%s %u", names[p->id], p->sub);
        else
            snprintf(to, size, "type %u, instance %u", p->id, p->sub);
        break;
    case LXE_LIBXC_REC_HVM_PARAMS:
        snprintf(to, size, "parameter %llu", (unsigned long long)
                 ((uint64_t)p->sub << 32 | p->id));
        break;
    default:
        break;
    }
}

/* Octets up to the shorter length. */
static int compare_octets(struct lxe__diff *diff,
                          const struct lxe__part *a,
                          const struct lxe__part *b)
{
    uint32_t len = a->length < b->length ? a->length : b->length, done, i;
    struct libxl_ext_image_difference *d = &diff->d;
    uint8_t x[8 << 10], y[8 << 10];
    uint32_t n;

    for (done = 0; done < len; done += n) {
        n = len - done < sizeof(x) ? len - done : sizeof(x);
        if (read_at(&diff->side[0], a->place + done, x, n, diff->err) ||
            read_at(&diff->side[1], b->place + done, y, n, diff->err))
            return -1;
        for (i = 0; i < n; i++)
            if (x[i] != y[i] && !d->differ++) {
                d->offset_a = a->place + done + i;
                d->offset_b = b->place + done + i;
            }
    }
    if (!d->differ && a->length != b->length) {
        d->offset_a = a->place + len;
        d->offset_b = b->place + len;
    }
    return 0;
}

/*
 * @a or @b may be NULL: it is in one image only.  @p is one that is
 * there, for its name.
 */
static int compare_part(struct lxe__diff *diff, const struct lxe__part *p,
                        const struct lxe__part *a,
                        const struct lxe__part *b)
{
    struct libxl_ext_image_difference *d = &diff->d;

    if (a && b && compare_octets(diff, a, b))
        return -1;
    if (a && b && !d->differ && a->length == b->length)
        return 0;
    diff->sum->records++;
    d->kind = LIBXL_EXT_IMAGE_RECORD;
    d->where = !b ? LIBXL_EXT_IMAGE_IN_A :
               !a ? LIBXL_EXT_IMAGE_IN_B : LIBXL_EXT_IMAGE_IN_BOTH;
    d->name = record_name(p);
    d->libxc = p->libxc;
    name_part(p, d->part, sizeof(d->part));
    if (a) {
        d->length_a = a->length;
        d->offset_a = b ? d->offset_a : a->place;
    }
    if (b) {
        d->length_b = b->length;
        d->offset_b = a ? d->offset_b : b->place;
    }
    return lxe__diff_found(diff);
}

int lxe__diff_parts(struct lxe__diff *diff)
{
    struct lxe__diff_side *a = &diff->side[0], *b = &diff->side[1];
    const struct lxe__part *x, *y;
    uint32_t i, k;
    int r;

    for (i = 0; i < 2; i++) {
        struct lxe__diff_side *s = &diff->side[i];

        if (split_all(s, diff->err) || add_config(s, diff->err))
            return -1;
        if (s->nr_parts)
            qsort(s->parts, s->nr_parts, sizeof(s->parts[0]),
                  by_key_and_place);
    }
    for (i = k = 0; ; i += r <= 0, k += r >= 0) {
        x = i < a->nr_parts ? &a->parts[i] : NULL;
        y = k < b->nr_parts ? &b->parts[k] : NULL;
        if (!x && !y)
            break;
        r = !x ? 1 : !y ? -1 : by_key(x, y);
        if (r < 0 ? compare_part(diff, x, x, NULL) :
            r > 0 ? compare_part(diff, y, NULL, y)
                  : compare_part(diff, x, x, y))
            return -1;
    }
    return 0;
}
