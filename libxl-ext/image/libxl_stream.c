/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * libxl's stream: header, records, and where it hands over to libxc and
 * takes over again; rules L1 to L16.  The memory record may stand ahead
 * of LIBXC_CONTEXT; memory_record.c has its rules.
 *
 *   header   ident, version and options, big-endian
 *   records  u32 type, u32 length, body padded to 8
 *
 *   LIBXC_CONTEXT -> libxc's headers and records, to its END or
 *   CHECKPOINT.  END: libxl's records follow, to libxl's END.
 *   CHECKPOINT: libxl's records follow to CHECKPOINT_END, then libxc's
 *   again, without headers.  With COLO a CHECKPOINT_STATE stands
 *   between the two; its type is one that libxc uses for PV guests
 *   only, and COLO is for HVM guests only, so the two can be told apart.
 */
#include <string.h>

#include "image/reader.h"
#include "stream/libxl_format.h"

#define NAMED(number, name) [number] = #name,
static const char *const names[LXE_LIBXL_NR_RECS] = {
    LXE_LIBXL_RECS(NAMED)
};
#undef NAMED

static int read_header(struct lxe__reader *r)
{
    uint64_t at = r->src.offset;
    const uint8_t *p = lxe__take(r, LXE_LIBXL_HEADER_LEN, "libxl header");
    uint32_t version, options;

    if (!p)
        return -1;
    if (memcmp(p, LXE_LIBXL_IDENT, LXE_LIBXL_IDENT_LEN))
        return lxe__fault_stop(r, LXE_RULE_L1, at, "libxl header: ident"
                               " 0x%016llx is not 0x4c6962786c466d74"
                               " (LibxlFmt): the image is damaged",
                               (unsigned long long)lxe__get64(p, true));
    version = lxe__get32(p + 8, true);
    options = lxe__get32(p + 12, true);
    if (version != LXE_LIBXL_VERSION)
        return lxe__fault_stop(r, LXE_RULE_L2, at + 8, "libxl header:"
                               " version %u is not 2", version);
    if (options & ~(LXE_LIBXL_OPT_BIG | LXE_LIBXL_OPT_LEGACY))
        lxe__fault_note(r, LXE_RULE_L3, at + 12, "libxl header: options"
                        " 0x%x have bits outside 0x3", options);
    r->libxl_big = options & LXE_LIBXL_OPT_BIG;
    r->libxl_legacy = options & LXE_LIBXL_OPT_LEGACY;
    if (r->libxl_big)
        lxe__fate_both(r, LIBXL_EXT_IMAGE_REFUSED, "libxl's stream is"
                       " big-endian");
    return r->watch && r->watch->libxl_header
           ? r->watch->libxl_header(r->watch->user, r) : 0;
}

static const char *name_of(uint32_t type)
{
    if (lxe__is_memory_record(type))
        return "memory record";
    return type < LXE_LIBXL_NR_RECS ? names[type]
                                    : "optional libxl record";
}

/* A key is relative, and there is one; @first is its first octet. */
static void check_key(struct lxe__reader *r, uint8_t first, uint64_t nr,
                      uint64_t offset)
{
    if (first == '\0' || first == '/')
        lxe__fault_note(r, LXE_RULE_L10, offset, "libxl record"
                        " EMULATOR_XENSTORE_DATA: key %llu is %s",
                        (unsigned long long)nr,
                        first ? "absolute" : "empty");
}

/* May a path of xenstore have it? */
static bool is_path_char(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '-' || c == '/' || c == '_' ||
           c == '@';
}

static void check_key_char(struct lxe__reader *r, uint8_t c, uint64_t nr,
                           uint64_t offset)
{
    if (c && !is_path_char(c))
        lxe__fault_note(r, LXE_RULE_L15, offset, "libxl record"
                        " EMULATOR_XENSTORE_DATA: key %llu has a byte"
                        " 0x%02x, which is no letter, digit or one of"
                        " -/_@", (unsigned long long)nr, c);
}

/* Pairs of strings, a key and a value, each with its NUL. */
static int read_xenstore_data(struct lxe__reader *r,
                              const struct lxe__rec *rec)
{
    uint64_t end = rec->body + rec->length, at, nuls = 0;
    uint8_t last = '\0';

    while (r->src.offset < end) {
        const uint8_t *p;
        size_t i, n;

        at = r->src.offset;
        n = LXE_SOURCE_PEEK_MAX;
        if (n > end - at)
            n = end - at;
        p = lxe__take(r, n, names[rec->type]);
        if (!p)
            return -1;
        for (i = 0; i < n; i++) {
            if (!last && nuls % 2 == 0)
                check_key(r, p[i], nuls / 2 + 1, at + i);
            if (nuls % 2 == 0)
                check_key_char(r, p[i], nuls / 2 + 1, at + i);
            nuls += !p[i];
            last = p[i];
        }
    }
    if (last)
        return lxe__fault_note(r, LXE_RULE_L10, end - 1, "libxl record"
                               " EMULATOR_XENSTORE_DATA: its last byte is"
                               " 0x%02x and no NUL", last);
    if (nuls % 2)
        return lxe__fault_note(r, LXE_RULE_L10, rec->body, "libxl record"
                               " EMULATOR_XENSTORE_DATA: %llu strings are"
                               " no pairs of key and value",
                               (unsigned long long)nuls);
    return 0;
}

/* A guest has one emulator, and it has one state. */
static void check_only(struct lxe__reader *r, const struct lxe__rec *rec,
                       uint32_t index)
{
    uint32_t bit = 1U << rec->type;

    if (index)
        lxe__fault_note(r, LXE_RULE_L16, rec->body + 4, "libxl record %s:"
                        " index %u is not 0, that of the only emulator",
                        names[rec->type], index);
    if (r->emulator_seen & bit)
        lxe__fault_note(r, LXE_RULE_L16, rec->offset, "libxl record %s: a"
                        " second one", names[rec->type]);
    r->emulator_seen |= bit;
}

static int read_emulator(struct lxe__reader *r, const struct lxe__rec *rec)
{
    const char *name = names[rec->type];
    const uint8_t *p;
    uint32_t id;

    if (!r->emulator_records++)
        r->emulator_offset = rec->offset;
    if (rec->type == LXE_LIBXL_REC_EMULATOR_CONTEXT)
        r->emulator_contexts++;
    if (rec->length < 8)
        return lxe__fault_note(r, LXE_RULE_L8, rec->offset + 4, "libxl"
                               " record %s: length %u has no room for the"
                               " 8 bytes of its header", name,
                               rec->length);
    p = lxe__take(r, 8, name);
    if (!p)
        return -1;
    id = lxe__get32(p, r->libxl_big);
    if (id > 2 || (!id && !r->libxl_legacy))
        lxe__fault_note(r, LXE_RULE_L9, rec->body, "libxl record %s:"
                        " emulator %u is neither 1 nor 2 (nor 0 in a"
                        " converted stream)", name, id);
    check_only(r, rec, lxe__get32(p + 4, r->libxl_big));
    return rec->type == LXE_LIBXL_REC_EMULATOR_XENSTORE_DATA
           ? read_xenstore_data(r, rec) : 0;
}

static int read_checkpoint_state(struct lxe__reader *r,
                                 const struct lxe__rec *rec, bool expected)
{
    const uint8_t *p;
    uint32_t id, pad;

    if (!expected)
        return lxe__fault_note(r, LXE_RULE_L13, rec->offset, "libxl record"
                               " CHECKPOINT_STATE: not between two"
                               " checkpoints");
    if (rec->length != 8)
        return lxe__fault_note(r, LXE_RULE_L13, rec->offset + 4, "libxl"
                               " record CHECKPOINT_STATE: length %u is not"
                               " 8", rec->length);
    p = lxe__take(r, 8, "CHECKPOINT_STATE");
    if (!p)
        return -1;
    id = lxe__get32(p, r->libxl_big);
    if (id)
        lxe__fault_note(r, LXE_RULE_L13, rec->body, "libxl record"
                        " CHECKPOINT_STATE: control_id %u is not 0, the"
                        " one that a primary sends", id);
    pad = lxe__get32(p + 4, r->libxl_big);
    if (pad)
        lxe__fault_note(r, LXE_RULE_L7, rec->body + 4, "libxl record"
                        " CHECKPOINT_STATE: padding 0x%08x is not zero",
                        pad);
    return 0;
}

/*
 * Rule L6, of a record with a body.  libxl passes over it; the C API
 * hands libxl LIBXC_CONTEXT's header alone and refuses a body, and it
 * alone takes a memory record out of libxl's stream.
 */
static void check_empty(struct lxe__reader *r, const struct lxe__rec *rec)
{
    bool context = rec->type == LXE_LIBXL_REC_LIBXC_CONTEXT;

    lxe__fault_note(r, LXE_RULE_L6, rec->offset + 4, "libxl record %s:"
                    " length %u is not 0%s", names[rec->type], rec->length,
                    context ? ", which xl-ext and the C API refuse" : "");
    if (context && r->out->record_carrier & LIBXL_EXT_IMAGE_CARRIER_LIBXL)
        lxe__fate_raise(&r->out->ext, LIBXL_EXT_IMAGE_REFUSED, "L6 at byte"
                        " %llu: xl-ext refuses LIBXC_CONTEXT with a body,"
                        " and libxl the memory record ahead of it",
                        (unsigned long long)rec->offset + 4);
}

static int read_record_header(struct lxe__reader *r, struct lxe__rec *rec)
{
    const uint8_t *p;

    rec->offset = r->src.offset;
    p = lxe__take(r, LXE_RHDR_LEN, "libxl record header");
    if (!p)
        return -1;
    rec->type = lxe__get32(p, r->libxl_big);
    rec->length = lxe__get32(p + 4, r->libxl_big);
    rec->body = r->src.offset;
    if (rec->type >= LXE_LIBXL_NR_RECS &&
        !(rec->type & LXE_REC_OPTIONAL) &&
        rec->type != LXE_RECORD_TYPE_MANDATORY)
        return lxe__fault_stop(r, LXE_RULE_L4, rec->offset, "libxl record:"
                               " type 0x%x is above 0x%x, the last one"
                               " known%s: the stream is damaged here or a"
                               " length ahead of here is", rec->type,
                               LXE_LIBXL_NR_RECS - 1,
                               lxe__type_hint(rec->type));
    /* The memory record has a bound of its own. */
    if (rec->length > LXE_LIBXL_REC_MAX &&
        !lxe__is_memory_record(rec->type)) {
        lxe__fault_note(r, LXE_RULE_L5, rec->offset + 4, "libxl record of"
                        " type 0x%x: length %u is above the bound of %u",
                        rec->type, rec->length, LXE_LIBXL_REC_MAX);
        /* libxl reads whatever there is; mostly there is less. */
        (void)lxe__pass_over(r, lxe__rec_padded(rec->length),
                             "libxl record");
        return -1;
    }
    lxe__count_record(r, false, rec, name_of(rec->type));
    if (rec->length && (rec->type == LXE_LIBXL_REC_END ||
                        rec->type == LXE_LIBXL_REC_LIBXC_CONTEXT ||
                        rec->type == LXE_LIBXL_REC_CHECKPOINT_END))
        check_empty(r, rec);
    return r->watch && r->watch->record
           ? r->watch->record(r->watch->user, r, false, rec) : 0;
}

/* After libxc's CHECKPOINT: to CHECKPOINT_END and what COLO adds. */
static int read_checkpoint(struct lxe__reader *r);

/* Hands over to libxc until its END. */
static int read_libxc(struct lxe__reader *r)
{
    enum lxe__libxc_stop stop;

    if (lxe__libxc_headers_read(r))
        return -1;
    lxe__memory_record_headers(r);
    for (;;) {
        if (lxe__libxc_records_read(r, &stop))
            return -1;
        if (stop == LXE_LIBXC_END)
            return 0;
        if (read_checkpoint(r))
            return -1;
    }
}

static int read_body(struct lxe__reader *r, const struct lxe__rec *rec)
{
    switch (rec->type) {
    case LXE_LIBXL_REC_EMULATOR_XENSTORE_DATA:
    case LXE_LIBXL_REC_EMULATOR_CONTEXT:
        return read_emulator(r, rec);
    case LXE_LIBXL_REC_CHECKPOINT_STATE:
        return read_checkpoint_state(r, rec, false);
    case LXE_LIBXL_REC_CHECKPOINT_END:
        return lxe__fault_note(r, LXE_RULE_L12, rec->offset, "libxl record"
                               " CHECKPOINT_END: no checkpoint was begun");
    case LXE_LIBXL_REC_END:
    case LXE_LIBXL_REC_LIBXC_CONTEXT:
        return 0;
    case LXE_RECORD_TYPE_MANDATORY:
    case LXE_RECORD_TYPE_OPTIONAL:
        return lxe__memory_record_read(r, false, rec);
    default:
        /* Optional, and stock libxl refuses what it does not know. */
        lxe__fate_raise(&r->out->stock, LIBXL_EXT_IMAGE_REFUSED, "stock"
                        " libxl refuses optional records, here of type"
                        " 0x%x at byte %llu", rec->type,
                        (unsigned long long)rec->offset);
        lxe__fate_raise(&r->out->ext, LIBXL_EXT_IMAGE_REFUSED, "libxl"
                        " refuses optional records, here of type 0x%x at"
                        " byte %llu", rec->type,
                        (unsigned long long)rec->offset);
        return 0;
    }
}

static int read_checkpoint(struct lxe__reader *r)
{
    struct lxe__rec rec;
    const uint8_t *p;
    size_t have;

    do {
        if (read_record_header(r, &rec))
            return -1;
        if (rec.type == LXE_LIBXL_REC_END ||
            rec.type == LXE_LIBXL_REC_LIBXC_CONTEXT)
            return lxe__fault_stop(r, LXE_RULE_L12, rec.offset, "libxl"
                                   " record %s: in a checkpoint, which"
                                   " CHECKPOINT_END ends",
                                   names[rec.type]);
        if (rec.type != LXE_LIBXL_REC_CHECKPOINT_END && read_body(r, &rec))
            return -1;
        if (lxe__finish_body(r, &rec, LXE_RULE_L7, name_of(rec.type)))
            return -1;
    } while (rec.type != LXE_LIBXL_REC_CHECKPOINT_END);
    r->emulator_seen = 0;
    p = lxe__source_peek(&r->src, 4, &have, r->err);
    if (!p)
        return -1;
    if (have < 4 || !r->out->hvm ||
        lxe__get32(p, r->libxl_big) != LXE_LIBXL_REC_CHECKPOINT_STATE)
        return 0;
    if (read_record_header(r, &rec) ||
        read_checkpoint_state(r, &rec, true))
        return -1;
    return lxe__finish_body(r, &rec, LXE_RULE_L7, name_of(rec.type));
}

/* At END: what the guest's type asks for. */
static void check_emulator(struct lxe__reader *r, uint64_t end)
{
    const char *type = r->out->type;
    bool hvm = !strcmp(type, "hvm") && !r->dm_none;

    if (hvm && !r->emulator_contexts)
        lxe__fault_note(r, LXE_RULE_L14, end, "libxl record END: no"
                        " EMULATOR_CONTEXT ahead of it, and an HVM guest"
                        " has a device model");
    if (r->emulator_records && (!r->out->hvm || (*type && !hvm)))
        lxe__fault_note(r, LXE_RULE_L14, r->emulator_offset, "libxl record"
                        " of an emulator: a %s guest has none",
                        r->out->hvm ? type : "pv");
}

/*
 * libxl does not mind when emulator records come; without the guest, or
 * with two of them, nothing is restored.
 */
static int out_of_order(struct lxe__reader *r, const struct lxe__rec *rec,
                        const char *what)
{
    const char *name = name_of(rec->type);
    unsigned long long at = rec->offset;

    lxe__fault_note(r, LXE_RULE_L11, rec->offset, "libxl record %s: %s",
                    name, what);
    if (rec->type != LXE_LIBXL_REC_END &&
        rec->type != LXE_LIBXL_REC_LIBXC_CONTEXT)
        return 0;
    lxe__fate_both(r, LIBXL_EXT_IMAGE_REFUSED, "L11 at byte %llu: libxl"
                   " record %s: %s", at, name, what);
    return rec->type == LXE_LIBXL_REC_LIBXC_CONTEXT ? -1 : 0;
}

int lxe__libxl_stream_read(struct lxe__reader *r)
{
    bool seen_context = false;
    struct lxe__rec rec;

    if (read_header(r))
        return -1;
    do {
        if (read_record_header(r, &rec))
            return -1;
        if (!seen_context && rec.type != LXE_LIBXL_REC_LIBXC_CONTEXT &&
            !lxe__is_memory_record(rec.type))
            out_of_order(r, &rec, "ahead of LIBXC_CONTEXT");
        if (seen_context && rec.type == LXE_LIBXL_REC_LIBXC_CONTEXT)
            return out_of_order(r, &rec, "a second one");
        if (read_body(r, &rec) ||
            lxe__finish_body(r, &rec, LXE_RULE_L7, name_of(rec.type)))
            return -1;
        r->libxl_records++;
        if (rec.type == LXE_LIBXL_REC_LIBXC_CONTEXT) {
            seen_context = true;
            if (read_libxc(r))
                return -1;
        }
    } while (rec.type != LXE_LIBXL_REC_END);
    if (seen_context)
        check_emulator(r, rec.offset);
    return 0;
}
