/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * One conversion, and what its files share.
 *
 * Order of the calls: convert.c opens the output and either copies the
 * input on the way through the reader, with room left for a memory
 * record where convert_place.c says, or lets it be read first and
 * convert_pages.c write it anew; convert_record.c says what the record
 * is; convert_check.c reads the output; convert.c gives it its name.
 *
 * A change of what frames are belongs between the two passes, as the
 * page state of convert_state.c does: it changes the map, and pages as
 * they are written.
 */
#ifndef LXE_IMAGE_CONVERT_H
#define LXE_IMAGE_CONVERT_H

#include "base/err.h"
#include "image/digest.h"
#include "image/image.h"
#include "image/outfile.h"
#include "image/reader.h"
#include "memory/record.h"

/* A record with its header; see docs/memory-record.md. */
#define LXE_RECORD_IN_STREAM (LXE_RHDR_LEN + LXE_RECORD_LEN)

/*
 * A memory record in one stream, of libxl or of libxc: known when that
 * stream's headers were read.
 */
struct lxe__convert_place {
    /* In the input, from cut_from up to cut_to is left out. */
    uint64_t cut_from, cut_to;
    bool put;                   /* a new one is written there */
    bool big;                   /* the stream is big-endian */
    uint64_t at;                /* where it is in the output */
};

struct lxe__convert {
    const struct libxl_ext_image_conversion *how;
    struct libxl_ext_image_converted *done;
    struct lxe__err *err;
    int fd;
    struct lxe__outfile out;
    struct lxe__reader *r;      /* of the input */
    struct libxl_ext_image *in; /* what it found */

    bool twice;                 /* the input is read twice */
    bool cut_record;            /* an old one is left out */
    bool put_record;            /* a new one is written */
    struct lxe__record record;  /* that one */
    uint32_t record_type;
    /* Cut from the input, put into the output. */
    struct lxe__convert_place libxl, libxc;
    uint64_t seen;              /* bytes of the input that came by */
    struct lxe__sum state;      /* of all frames, where written anew */
};

/*
 * convert_record.c: the record that an image as @in is to have.  EINVAL
 * where that cannot be known or may not be.  Pure code.
 */
int lxe__convert_record(const struct libxl_ext_image_conversion *how,
                        const struct libxl_ext_image *in,
                        struct lxe__record *record_r, uint32_t *type_r,
                        struct lxe__err *err);

/* convert_place.c: of a reader's watch, with a conversion as its user. */
int lxe__convert_at_libxl(void *user, struct lxe__reader *r);
int lxe__convert_at_libxc(void *user, struct lxe__reader *r);

/* The record as it stands in a stream. */
void lxe__convert_encode(const struct lxe__convert *c, bool big,
                         uint8_t to[LXE_RECORD_IN_STREAM]);

/*
 * convert.c: does the input break a rule that counts?  EBADMSG.
 * After it, c->record is what is to be written, if anything.
 */
int lxe__convert_judge(struct lxe__convert *c);

/* convert_pages.c: writes the input anew. */
int lxe__convert_pages(struct lxe__convert *c);

/* Octets of the input, from @from up to @to, as they are. */
int lxe__convert_range(struct lxe__convert *c, uint64_t from, uint64_t to);

/*
 * convert_state.c: pages that are tables by their type and are not
 * validated (P1).  _init, between the two passes, judges whether that is
 * known (EINVAL) and makes plain pages of them in the map of the input;
 * _page and _record are for the second pass.
 */
struct lxe__stale;
int lxe__stale_init(struct lxe__convert *c, struct lxe__stale **stale_r);
void lxe__stale_free(struct lxe__stale *s);     /* NULL is taken */

/* What a table had in memory; good until the next call; NULL: error. */
const uint8_t *lxe__stale_page(struct lxe__stale *s, const uint8_t *page);

/* A PAGE_DATA record of the input, header and all, with all its copies. */
int lxe__stale_record(struct lxe__stale *s, uint64_t at, uint32_t length);

/* convert_check.c: is the output what was meant? */
int lxe__convert_check(struct lxe__convert *c);

/*
 * What a frame is in the end, into a sum over all of them in ascending
 * order; @page is NULL where it has no contents.
 */
void lxe__state_add(struct lxe__digest *d, uint64_t pfn,
                    const struct lxe__frame *f, const uint8_t *page);

#endif
