/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The body of HVM_CONTEXT, which is Xen's own format: descriptors, each
 * with its data, up to END; rule B16.
 *
 * Xen reads a type in one of three ways: data of one size; data up to a
 * size, what is missing being zero, since the type has grown; or data of
 * its own, from a size on.  The sizes here are the greatest of Xen 4.6 to
 * 4.22 and the least that each of them takes.  Each of them writes types
 * in ascending order, and instances of a type as well.
 */
#include "image/reader.h"

/* Type codes, in Xen's public/arch-x86/hvm/save.h. */
enum { END = 0, HEADER = 1, CPU = 2, PIC = 3, LAPIC = 5, LAPIC_REGS = 6,
       CPU_MSR = 20 };

#define MAGIC       0x54381286U
#define VERSION     1U

#define NONE        UINT32_MAX
#define EXACTLY(n)  (n), (n)
#define UP_TO(n)    0, (n)
#define FROM(n)     (n), NONE
#define EACH_VCPU   0

static const struct kind {
    const char *name;
    uint32_t least, most;       /* octets */
    uint32_t instances;
} kinds[] = {
    { "END",             EXACTLY(0),    1 },
    { "HEADER",          EXACTLY(24),   1 },
    { "CPU",             UP_TO(1032),   EACH_VCPU },
    { "PIC",             EXACTLY(8),    2 },
    { "IOAPIC",          EXACTLY(400),  1 },
    { "LAPIC",           UP_TO(32),     EACH_VCPU },
    { "LAPIC_REGS",      EXACTLY(1024), EACH_VCPU },
    { "PCI_IRQ",         EXACTLY(16),   1 },
    { "ISA_IRQ",         EXACTLY(8),    1 },
    { "PCI_LINK",        EXACTLY(8),    1 },
    { "PIT",             EXACTLY(56),   1 },
    { "RTC",             16, 24,        1 },     /* up to Xen 4.13: 16 */
    { "HPET",            EXACTLY(1048), 1 },
    { "PMTIMER",         EXACTLY(8),    1 },
    { "MTRR",            EXACTLY(240),  EACH_VCPU },
    { "VIRIDIAN_DOMAIN", UP_TO(32),     1 },
    { "CPU_XSAVE",       FROM(600),     EACH_VCPU },
    { "VIRIDIAN_VCPU",   UP_TO(216),    EACH_VCPU },
    { "VMCE_VCPU",       UP_TO(32),     EACH_VCPU },
    { "TSC_ADJUST",      EXACTLY(8),    EACH_VCPU },
    { "CPU_MSR",         FROM(24),      EACH_VCPU },
};
#define NR_KINDS    (sizeof(kinds) / sizeof(kinds[0]))

struct descriptor {
    uint64_t at;                /* in the image */
    uint16_t type, instance;
    uint32_t len;
    const struct kind *kind;    /* NULL: perhaps of a Xen to come */
};

struct walk {
    struct lxe__reader *r;
    uint64_t body, end;
    bool begun;
    uint32_t previous;          /* type and instance */
    uint32_t cpus, lapics, lapic_regs;
};

/* What Xen makes of the fault that was just noted; the worst is kept. */
static void judge(struct walk *w, enum libxl_ext_image_fate fate)
{
    if (w->r->context_fault && w->r->context_fate >= fate)
        return;
    w->r->context_fault = w->body;
    w->r->context_fate = fate;
}

#define FAULT(w, fate, at, ...)                                         \
    do {                                                                \
        lxe__fault_note((w)->r, LXE_RULE_B16, at, "HVM_CONTEXT: "       \
                        __VA_ARGS__);                                   \
        judge(w, LIBXL_EXT_IMAGE_##fate);                               \
    } while (0)
#define REFUSE(w, at, ...)  FAULT(w, REFUSED, at, __VA_ARGS__)
#define LOSE(w, at, ...)    FAULT(w, DAMAGED, at, __VA_ARGS__)

/* Each is false where Xen reads no further. */

static bool check_place(struct walk *w, const struct descriptor *d)
{
    uint32_t here = (uint32_t)d->type << 16 | d->instance;

    if (!w->begun && d->type != HEADER) {
        REFUSE(w, d->at, "its first descriptor is of type %u, not HEADER"
               " (1)", d->type);
        return false;
    }
    if (w->begun && d->type == HEADER) {
        REFUSE(w, d->at, "a second descriptor of type HEADER (1)");
        return false;
    }
    if (w->begun && d->type != END && here <= w->previous)
        LOSE(w, d->at, "type %u, instance %u behind type %u, instance %u:"
             " every Xen writes them in ascending order, each once",
             d->type, d->instance, w->previous >> 16,
             w->previous & 0xffff);
    w->begun = true;
    w->previous = here;
    return true;
}

static bool check_instance(struct walk *w, const struct descriptor *d)
{
    const struct kind *k = d->kind;

    if (k->instances == EACH_VCPU) {
        if (!lxe__vcpu_none(w->r, d->instance))
            return true;
        REFUSE(w, d->at + 2, "a descriptor of type %u of vcpu %u, which is"
               " not below %llu, the configuration's max_vcpus", d->type,
               d->instance, (unsigned long long)w->r->config_vcpus);
        return false;
    }
    if (d->instance < k->instances)
        return true;
    lxe__fault_note(w->r, LXE_RULE_B16, d->at + 2, "HVM_CONTEXT: instance"
                    " %u of type %u (%s) is not below %u", d->instance,
                    d->type, k->name, k->instances);
    /* Xen passes over the number, but where it has several. */
    if (k->instances == 1)
        return true;
    judge(w, LIBXL_EXT_IMAGE_REFUSED);
    return false;
}

static bool check_length(struct walk *w, const struct descriptor *d)
{
    const struct kind *k = d->kind;
    uint64_t left = w->end - w->r->src.offset;

    if (k && (d->len < k->least || d->len > k->most)) {
        bool exact = k->least == k->most;

        if (d->type == END)
            LOSE(w, d->at + 4, "%u bytes of END are not 0: Xen reads no"
                 " more of it", d->len);
        else
            REFUSE(w, d->at + 4, "%u bytes of %s are %s %u", d->len,
                   k->name, exact ? "not" : d->len < k->least
                   ? "below" : "above", d->len < k->least ? k->least
                   : k->most);
        return false;
    }
    if (d->len > left) {
        REFUSE(w, d->at + 4, "%u bytes of a descriptor of type %u do not"
               " fit the %llu that are left", d->len, d->type,
               (unsigned long long)left);
        return false;
    }
    return true;
}

/* Xen looks at no more of it; the rest is what the old host was like. */
static bool check_header(struct walk *w, uint64_t at, const uint8_t *p)
{
    uint32_t magic = lxe__get32(p, false);
    uint32_t version = lxe__get32(p + 4, false);

    if (magic != MAGIC)
        REFUSE(w, at, "the magic 0x%08x of HEADER is not 0x%08x", magic,
               MAGIC);
    else if (version != VERSION)
        REFUSE(w, at + 4, "version %u of HEADER is not %u", version,
               VERSION);
    else
        return true;
    return false;
}

/* A count, padding, and so many MSRs. */
static bool check_msrs(struct walk *w, uint64_t at, const uint8_t *p,
                       uint32_t len)
{
    uint32_t count = lxe__get32(p, false);

    if (8 + 16ULL * count == len)
        return true;
    REFUSE(w, at, "CPU_MSR: %u MSRs are not what %u bytes hold", count,
           len);
    return false;
}

/* 0 to go on, 1 where Xen ends, -1 where the image does. */
static int read_data(struct walk *w, const struct descriptor *d)
{
    uint64_t at = w->r->src.offset;
    uint32_t take = d->type == HEADER ? d->len
                    : d->type == CPU_MSR ? 8 : 0;
    const uint8_t *p;

    w->cpus += d->type == CPU;
    w->lapics += d->type == LAPIC;
    w->lapic_regs += d->type == LAPIC_REGS;
    if (take) {
        p = lxe__take(w->r, take, "HVM_CONTEXT");
        if (!p)
            return -1;
        if (!(d->type == HEADER ? check_header(w, at, p)
                                : check_msrs(w, at, p, d->len)))
            return 1;
    }
    return lxe__pass_over(w->r, d->len - take, "HVM_CONTEXT");
}

/*
 * A vcpu that is offline has no CPU, but one is not.  An APIC is put
 * together when both of its halves are there; a guest may have none.
 */
static void check_all(struct walk *w, uint64_t at)
{
    if (!w->cpus)
        LOSE(w, at, "no descriptor of type CPU (2) ahead of END: none of"
             " the vcpus would run");
    if (w->lapics != w->lapic_regs)
        LOSE(w, at, "%u descriptors of type LAPIC (5) and %u of LAPIC_REGS"
             " (6) ahead of END, and each vcpu has both or none",
             w->lapics, w->lapic_regs);
}

static int read_descriptors(struct walk *w)
{
    struct lxe__reader *r = w->r;

    for (;;) {
        struct descriptor d = { .at = r->src.offset };
        const uint8_t *p;
        int rc;

        if (w->end - d.at < 8) {
            REFUSE(w, d.at, "ends without its END descriptor");
            return 0;
        }
        p = lxe__take(r, 8, "HVM_CONTEXT");
        if (!p)
            return -1;
        d.type = lxe__get16(p, false);
        d.instance = lxe__get16(p + 2, false);
        d.len = lxe__get32(p + 4, false);
        d.kind = d.type < NR_KINDS ? &kinds[d.type] : NULL;
        if (!d.kind && !r->context_new) {
            r->context_new = d.at;
            r->context_new_type = d.type;
        }
        if (!check_place(w, &d) || (d.kind && !check_instance(w, &d)) ||
            !check_length(w, &d))
            return 0;
        if (d.type == END) {
            check_all(w, d.at);
            return 0;
        }
        rc = read_data(w, &d);
        if (rc)
            return rc < 0 ? rc : 0;
    }
}

/* Of several a restore gives Xen the last. */
int lxe__hvm_context_read(struct lxe__reader *r,
                          const struct lxe__rec *rec)
{
    struct walk w = {
        .r = r, .body = rec->body, .end = rec->body + rec->length,
    };

    r->context_fault = r->context_new = 0;
    return read_descriptors(&w);
}

void lxe__hvm_context_judge(struct lxe__reader *r)
{
    bool refused = r->context_fault &&
                   r->context_fate == LIBXL_EXT_IMAGE_REFUSED;

    if (r->context_new && !refused)
        lxe__fate_both(r, LIBXL_EXT_IMAGE_REFUSED, "HVM_CONTEXT at byte"
                       " %llu: Xen has no descriptor of type %u",
                       (unsigned long long)r->context_new,
                       r->context_new_type);
    else if (r->context_fault)
        lxe__fate_both(r, r->context_fate, "B16: Xen %s the HVM_CONTEXT at"
                       " byte %llu", refused ? "refuses"
                       : "takes but a part of",
                       (unsigned long long)r->context_fault);
}
