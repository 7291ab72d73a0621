/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Faults, bounded reads and counts: what every reader here needs.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "image/reader.h"

static const struct {
    const char *name;
    enum libxl_ext_image_fate fate;
} rules[LXE_NR_RULES] = {
#define X(name, fate) { #name, LIBXL_EXT_IMAGE_##fate },
    LXE_RULES(X)
#undef X
};

__attribute__((format(printf, 4, 0)))
static void note(struct lxe__reader *r, enum lxe__rule rule,
                 uint64_t offset, const char *fmt, va_list ap)
{
    struct libxl_ext_image *out = r->out;
    struct libxl_ext_image_fault f = { .offset = offset };
    uint32_t bit = 1U << (rule % 32);
    int i;

    out->nr_faults++;
    /* One of each rule is enough: the others may be thousands. */
    if (r->rule_seen[rule / 32] & bit)
        return;
    r->rule_seen[rule / 32] |= bit;
    snprintf(f.rule, sizeof(f.rule), "%s", rules[rule].name);
    vsnprintf(f.text, sizeof(f.text), fmt, ap);
    lxe__printable(f.text);
    lxe__fate_raise(&out->stock, rules[rule].fate, "%s at byte %llu:"
                    " %.200s", f.rule, (unsigned long long)offset, f.text);
    lxe__fate_raise(&out->ext, rules[rule].fate, "%s at byte %llu:"
                    " %.200s", f.rule, (unsigned long long)offset, f.text);
    for (i = 0; i < LIBXL_EXT_IMAGE_FAULTS; i++)
        if (!out->faults[i].rule[0]) {
            out->faults[i] = f;
            return;
        }
}

int lxe__fault_note(struct lxe__reader *r, enum lxe__rule rule,
                    uint64_t offset, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    note(r, rule, offset, fmt, ap);
    va_end(ap);
    return 0;
}

int lxe__fault_stop(struct lxe__reader *r, enum lxe__rule rule,
                    uint64_t offset, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    note(r, rule, offset, fmt, ap);
    va_end(ap);
    return -1;
}

void lxe__fate_raise(struct libxl_ext_image_verdict *v,
                     enum libxl_ext_image_fate fate, const char *fmt, ...)
{
    va_list ap;

    if (fate <= v->fate)
        return;
    v->fate = fate;
    va_start(ap, fmt);
    vsnprintf(v->reason, sizeof(v->reason), fmt, ap);
    va_end(ap);
    lxe__printable(v->reason);
}

void lxe__fate_both(struct lxe__reader *r, enum libxl_ext_image_fate fate,
                    const char *fmt, ...)
{
    char reason[sizeof(r->out->stock.reason)];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(reason, sizeof(reason), fmt, ap);
    va_end(ap);
    lxe__fate_raise(&r->out->stock, fate, "%s", reason);
    lxe__fate_raise(&r->out->ext, fate, "%s", reason);
}

int lxe__cut_short(struct lxe__reader *r, uint64_t have, uint64_t len,
                   const char *what)
{
    return lxe__fault_stop(r, LXE_RULE_S1, r->src.offset, "%s: the image"
                           " ends %llu bytes into %llu: it is cut short,"
                           " or a length ahead of here is damaged", what,
                           (unsigned long long)have,
                           (unsigned long long)len);
}

const uint8_t *lxe__take(struct lxe__reader *r, size_t len,
                         const char *what)
{
    const uint8_t *p;
    size_t have;

    p = lxe__source_peek(&r->src, len, &have, r->err);
    if (!p)
        return NULL;
    lxe__source_advance(&r->src, have);
    if (have < len) {
        lxe__cut_short(r, have, len, what);
        return NULL;
    }
    return p;
}

int lxe__pass_over(struct lxe__reader *r, uint64_t len, const char *what)
{
    uint64_t done;

    if (lxe__source_skip(&r->src, len, &done, r->err))
        return -1;
    return done < len ? lxe__cut_short(r, done, len, what) : 0;
}

int lxe__finish_body(struct lxe__reader *r, const struct lxe__rec *rec,
                     enum lxe__rule rule, const char *what)
{
    uint64_t end = rec->body + rec->length;
    size_t i, len = -rec->length & 7;
    const uint8_t *p;

    if (r->src.offset < end &&
        lxe__pass_over(r, end - r->src.offset, what))
        return -1;
    if (!len)
        return 0;
    p = lxe__take(r, len, what);
    if (!p)
        return -1;
    for (i = 0; i < len; i++)
        if (p[i])
            return lxe__fault_note(r, rule, end + i, "%s: padding byte"
                                   " 0x%02x is not zero", what, p[i]);
    return 0;
}

void lxe__count_record(struct lxe__reader *r, bool libxc,
                       const struct lxe__rec *rec, const char *name)
{
    struct libxl_ext_image *out = r->out;
    struct libxl_ext_image_record *c = out->records;
    uint32_t i;

    for (i = 0; i < out->nr_records; i++, c++)
        if (c->libxc == libxc && c->type == rec->type)
            break;
    if (i == LIBXL_EXT_IMAGE_RECORDS) {
        c = &out->records[LIBXL_EXT_IMAGE_RECORDS - 1];
        c->name = "all others";
    } else if (i == out->nr_records) {
        out->nr_records++;
        c->libxc = libxc;
        c->type = rec->type;
        c->name = name;
    }
    c->count++;
    c->bytes += LXE_RHDR_LEN + lxe__rec_padded(rec->length);
}
