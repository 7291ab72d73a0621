/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The state of one reading, and what the files of this room share.
 *
 * Every function that reads returns 0 to go on, or -1 to stop: because
 * the framing is lost, which is a fault in the facts, or because reading
 * failed, which is in err.  A broken rule that leaves the framing whole
 * is noted and the reading goes on.
 *
 * Order of the calls: image.c opens and tells the containers apart;
 * xl_header.c, libvirt_header.c, libxl_stream.c and libxc_stream.c read
 * theirs; the last hands each record's body to libxc_records.c or
 * libxc_pages.c; at END pv_rules.c and verdict.c judge.
 */
#ifndef LXE_IMAGE_READER_H
#define LXE_IMAGE_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "image/page_map.h"
#include "image/rules.h"
#include "image/source.h"
#include "libxl_ext_image.h"
#include "memory/record.h"
#include "stream/libxc_format.h"
#include "tables/pages.h"

#define LXE_IMAGE_VCPUS   8192U         /* Xen's bound for PV guests */
#define LXE_IMAGE_GDT     16U           /* frames of a GDT */
#define LXE_IMAGE_PFN_MAX ((1ULL << 40) - 1)
#define LXE_P2M_PIECE     LXE_SOURCE_PEEK_MAX
#define LXE_START_INFOS   64U           /* that are noted of a pipe */
#define LXE_START_INFO_LEN 96U          /* what is looked at of one */
#define LXE_START_INFO_PIECE 1024U      /* entries of PAGE_DATA */

/* A record, of libxl's stream or of libxc's. */
struct lxe__rec {
    uint32_t type;
    uint32_t length;            /* of the body, without its padding */
    uint64_t offset;            /* of the header */
    uint64_t body;              /* of the body */
};

/* What of a PV vcpu's registers refers to frames. */
struct lxe__vcpu {
    uint64_t offset;            /* of its BASIC body; 0: none */
    uint32_t seen;              /* bits: kinds of records */
    uint32_t optional;          /* ... that were marked as optional */
    uint64_t optional_at;       /* the first of these */
    bool empty_extended;        /* one was there and empty */
    uint32_t gdt_ents;
    uint64_t start_info, cr3, cr1;
    uint64_t gdt[LXE_IMAGE_GDT];
};

/* What a page that begins as a start info says. */
struct lxe__start_info {
    uint64_t pfn;               /* its own */
    uint64_t at;                /* where its contents stand */
    uint64_t store, console;    /* frames */
};

/* The memory record as it stood in libxl's stream. */
struct lxe__carried {
    bool there;                 /* and it could be read */
    struct lxe__rec rec;
    uint32_t flags;
    uint8_t body[LXE_RECORD_LEN];
};

struct lxe__reader;

/* Callbacks for whoever uses a reading; each may be NULL. */
struct lxe__watch {
    void *user;
    /* libxl's header was handed out, and not a byte more. */
    int (*libxl_header)(void *user, struct lxe__reader *r);
    /* libxc's headers were handed out, and not a byte more. */
    int (*headers)(void *user, struct lxe__reader *r);
    /* The header of a record was read. */
    int (*record)(void *user, struct lxe__reader *r, bool libxc,
                  const struct lxe__rec *rec);
};

struct lxe__reader {
    const struct lxe__watch *watch;     /* NULL: nobody */
    /*
     * Of a file: note for each frame where its last contents stand (a
     * handle for lxe__source_again()), and hash none.
     */
    bool locate;

    struct libxl_ext_image *out;
    struct lxe__err *err;
    struct lxe__source src;
    struct lxe__page_map map;
    uint32_t rule_seen[(LXE_NR_RULES + 31) / 32];

    /* xl's configuration or libvirt's XML; 0: none */
    uint64_t config_offset, config_len;

    /* libxl */
    bool libxl_big, libxl_legacy;
    uint64_t libxl_records;     /* handed out so far */
    struct lxe__carried libxl_record;
    bool in_checkpoint;         /* libxc has handed over */
    uint64_t emulator_contexts, emulator_records;
    uint64_t emulator_offset;   /* of the first emulator record */
    uint32_t emulator_seen;     /* bits: types since the last checkpoint */
    bool dm_none;               /* configuration: no device model */
    uint64_t config_vcpus;      /* configuration: max_vcpus; 0: unknown */

    /* libxc, of the stream */
    uint64_t libxc_records;     /* handed out so far */
    uint64_t dhdr_offset;
    bool seen_static_end, seen_pv_info, seen_p2m, seen_verify;
    bool said_static, said_pv_info;     /* that records are ahead of it */
    bool seen_cpuid, seen_msr, seen_pages;
    /* ... and since the last checkpoint */
    uint32_t seen_types;        /* bits */
    /* The first that but for the optional bit is of a type; 0: none */
    uint64_t optional_at[LXE_LIBXC_NR_RECS];
    /* Of the last HVM_CONTEXT; 0: none */
    uint64_t context_fault;     /* where the body is that is broken */
    enum libxl_ext_image_fate context_fate;     /* ... if there is one */
    uint64_t context_new;       /* where a descriptor of the future is */
    uint32_t context_new_type;

    /* Frames. */
    bool pages_begun;           /* a pass is going on */
    uint64_t prev_pfn;          /* of the pass */
    uint32_t pass;              /* from 1 */
    uint64_t max_pfn;           /* PV: from P2M_FRAMES */
    uint64_t *data_pfns;        /* of one PAGE_DATA record; NULL: what is
                                   in pages is not looked at */
    uint64_t zero_hash;

    /* PV: what is judged at the end. */
    struct lxe__vcpu *vcpus;
    uint32_t nr_vcpus;
    uint64_t p2m_offset;        /* of the list */
    uint32_t p2m_entries;
    uint32_t p2m_first;         /* index of the first, from frame 0 on */
    uint32_t nr_p2m_pieces;
    uint64_t *p2m_pieces;       /* handles, LXE_P2M_PIECE bytes each */
    /* Of a pipe: plain pages, in their last version. */
    unsigned int nr_start_infos;
    struct lxe__start_info start_infos[LXE_START_INFOS];
    /* HVM */
    uint64_t store_pfn, store_offset;       /* offset 0: not named */
    uint64_t console_pfn, console_offset;
    uint64_t params_offset;     /* of the last body that names one */
};

/*
 * image.c: begins a reading; *@out is overwritten.  NULL with @err.
 * What @out says is whole when _run is done; the map, and of a file the
 * source, are good until _free, which closes nothing of the caller's.
 */
struct lxe__reader *lxe__reader_new(int fd, unsigned int flags,
                                    struct libxl_ext_image *out,
                                    struct lxe__err *err);
/* 0, also with faults in *out; -1 with the error. */
int lxe__reader_run(struct lxe__reader *r);
void lxe__reader_free(struct lxe__reader *r);   /* NULL is taken */

/* reader.c */

/* Notes a broken rule; always 0. */
int lxe__fault_note(struct lxe__reader *r, enum lxe__rule rule,
                    uint64_t offset, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* The same where the framing is lost; always -1. */
int lxe__fault_stop(struct lxe__reader *r, enum lxe__rule rule,
                    uint64_t offset, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Makes a verdict worse; the first reason of the worst fate is kept. */
void lxe__fate_raise(struct libxl_ext_image_verdict *v,
                     enum libxl_ext_image_fate fate, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The same of a stock host and of a libxl-ext host. */
void lxe__fate_both(struct lxe__reader *r, enum libxl_ext_image_fate fate,
                    const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * The next @len bytes, handed out; NULL, with a fault S1 that names
 * @what, where the image ends before.
 */
const uint8_t *lxe__take(struct lxe__reader *r, size_t len,
                         const char *what);

/* Passes over @len bytes of @what. */
int lxe__pass_over(struct lxe__reader *r, uint64_t len, const char *what);

/* A fault S1: of the @len bytes of @what there were but @have. */
int lxe__cut_short(struct lxe__reader *r, uint64_t have, uint64_t len,
                   const char *what);

/*
 * What is left of the body of @rec, and its padding, which must be zero
 * by @rule.
 */
int lxe__finish_body(struct lxe__reader *r, const struct lxe__rec *rec,
                     enum lxe__rule rule, const char *what);

/* Adds a record to the counts by type. */
void lxe__count_record(struct lxe__reader *r, bool libxc,
                       const struct lxe__rec *rec, const char *name);

/* For the line about an unknown type: what it may have been. */
static inline const char *lxe__type_hint(uint32_t type)
{
    return lxe__is_memory_record(__builtin_bswap32(type))
           ? " (it is the memory record's in the other byte order)" : "";
}

/* xl_header.c, config.c, libvirt_header.c */
int lxe__xl_header_read(struct lxe__reader *r);
int lxe__libvirt_header_read(struct lxe__reader *r);
int lxe__config_read(struct lxe__reader *r, uint64_t len);

/* Records of one vcpu of a PV guest. */
#define LXE_LIBXC_VCPU_BITS                                             \
    (LXE_LIBXC_BIT(X86_PV_VCPU_BASIC) |                                 \
     LXE_LIBXC_BIT(X86_PV_VCPU_EXTENDED) |                              \
     LXE_LIBXC_BIT(X86_PV_VCPU_XSAVE) | LXE_LIBXC_BIT(X86_PV_VCPU_MSRS))

/* libxl_stream.c, libxc_stream.c */
int lxe__libxl_stream_read(struct lxe__reader *r);
int lxe__libxc_headers_read(struct lxe__reader *r);
/* For a line: the name of a record's type. */
const char *lxe__libxc_name(uint32_t type);

enum lxe__libxc_stop { LXE_LIBXC_END, LXE_LIBXC_CHECKPOINT };

/* Reads records up to and with END or CHECKPOINT. */
int lxe__libxc_records_read(struct lxe__reader *r,
                            enum lxe__libxc_stop *stop_r);

/* libxc_records.c: what is in a body, framing being checked already */
int lxe__libxc_body_read(struct lxe__reader *r,
                         const struct lxe__rec *rec);
/* What is known of PV vcpu @id; NULL: no memory. */
struct lxe__vcpu *lxe__vcpu_get(struct lxe__reader *r, uint32_t id);
/* Is the domain that a restore makes without vcpu @id? */
bool lxe__vcpu_none(const struct lxe__reader *r, uint32_t id);

/*
 * hvm_context.c: its body; at END or CHECKPOINT: does Xen take the last?
 */
int lxe__hvm_context_read(struct lxe__reader *r,
                          const struct lxe__rec *rec);
void lxe__hvm_context_judge(struct lxe__reader *r);

/*
 * libxc_optional.c: the body of a record whose type but for its optional
 * bit is below LXE_LIBXC_NR_RECS; at END or CHECKPOINT: is one lacking?
 */
int lxe__libxc_optional_read(struct lxe__reader *r,
                             const struct lxe__rec *rec);
void lxe__libxc_optional_judge(struct lxe__reader *r);

/* memory_record.c: of libxc's stream, else of libxl's */
int lxe__memory_record_read(struct lxe__reader *r, bool libxc,
                            const struct lxe__rec *rec);
/* After libxc's headers: does what libxl's stream said go with them? */
void lxe__memory_record_headers(struct lxe__reader *r);

/* libxc_pages.c */
int lxe__page_data_read(struct lxe__reader *r, const struct lxe__rec *rec);
/* A frame number that is not above the one before begins a pass. */
void lxe__pass_end(struct lxe__reader *r, uint64_t offset);

/*
 * page_tables.c: which page tables of a PV guest are validated?  Marks
 * them in the map, and what is not in *r->out; does nothing where a rule
 * is broken already, but the memory record's.
 */
int lxe__page_tables_walk(struct lxe__reader *r);
/* After the last rule on pages: does what was found count? */
void lxe__page_tables_conclude(struct lxe__reader *r);
/* Makes plain pages of those of P1, in the map and in *r->out. */
int lxe__page_tables_reset(struct lxe__reader *r);

/*
 * start_info.c.  _note: what a pipe sends of frame @pfn, at @at, begins
 * with the LXE_START_INFO_LEN bytes at @page.  _judge: at the end, @pfn
 * is the guest's.
 */
void lxe__start_info_note(struct lxe__reader *r, uint64_t pfn,
                          uint64_t at, const uint8_t *page);
int lxe__start_info_judge(struct lxe__reader *r, uint64_t pfn);

/* pv_rules.c, duplicates.c, verdict.c */
int lxe__pv_judge(struct lxe__reader *r);
int lxe__duplicates_count(struct lxe__reader *r);
int lxe__frames_count(struct lxe__reader *r);
int lxe__cells_count(struct lxe__reader *r);    /* cells.c, after it */
void lxe__verdict(struct lxe__reader *r);

#endif
