/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * libxl-ext: what can be said of the image of a guest, and done with
 * it, without a hypervisor.  docs/image.md has the rules, by the names
 * that stand in the faults here, and says what a conversion keeps.
 *
 * One call reads an image and hands out all that was found, one gives
 * that back, one makes another image of the same guest, one compares
 * two.  None keeps state, so several threads may work on several
 * images.  Units: bytes, KiB where a name ends in _kb, pages of 4096
 * bytes everywhere else.  Offsets count from the first byte read.
 *
 * A call that can fail returns -1 with errno and one line in @error
 * (which may be NULL, and is always ended with a NUL); descriptors
 * stay the caller's and stay open.
 */
#ifndef LIBXL_EXT_IMAGE_H
#define LIBXL_EXT_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#ifdef __GNUC__
#pragma GCC visibility push(default)
#endif

/* What the input begins with; each contains the next. */
enum libxl_ext_image_container {
    LIBXL_EXT_IMAGE_XL,         /* what "xl save" writes */
    LIBXL_EXT_IMAGE_LIBXL,      /* a stream of libxl */
    LIBXL_EXT_IMAGE_LIBXC       /* a stream of libxenguest */
};

/* What a host makes of an image; the larger is the worse. */
enum libxl_ext_image_fate {
    LIBXL_EXT_IMAGE_RESTORED,
    LIBXL_EXT_IMAGE_DAMAGED,    /* restored, and the guest is not whole */
    LIBXL_EXT_IMAGE_REFUSED     /* not restored, or lost half-way */
};

struct libxl_ext_image_verdict {
    enum libxl_ext_image_fate fate;
    char reason[256];           /* empty for RESTORED */
};

/* A rule that is broken. */
struct libxl_ext_image_fault {
    char rule[8];               /* its name in docs/image.md */
    uint64_t offset;            /* of the field that breaks it */
    char text[384];             /* one line: expected, found */
};

#define LIBXL_EXT_IMAGE_FAULTS 16       /* as many are kept */
#define LIBXL_EXT_IMAGE_PASSES 64       /* the last stands for the rest */
#define LIBXL_EXT_IMAGE_RECORDS 48      /* the last stands for the rest */
#define LIBXL_EXT_IMAGE_TYPES 16        /* of a page, as in the stream */

/* A pass over the guest's frames: a round of a live save. */
struct libxl_ext_image_pass {
    uint64_t named;             /* frames that its records name */
    uint64_t data;              /* of these, sent with contents */
    uint64_t again;             /* of these, sent with contents before */
    uint64_t unchanged;         /* of these, with the same contents */
    bool verify;                /* behind a VERIFY record */
};

struct libxl_ext_image_record {
    bool libxc;                 /* else it is of libxl's stream */
    uint32_t type;
    const char *name;           /* as the specification has it */
    uint64_t count;
    uint64_t bytes;             /* with headers and padding */
};

/* What lies where in the guest's address space. */
#define LIBXL_EXT_IMAGE_CELLS 512

enum libxl_ext_image_cell_kind {
    LIBXL_EXT_IMAGE_CELL_PLAIN, /* a page with contents */
    LIBXL_EXT_IMAGE_CELL_ZERO,  /* all zero; full reading only */
    LIBXL_EXT_IMAGE_CELL_TABLE, /* a page table */
    LIBXL_EXT_IMAGE_CELL_EMPTY, /* allocated, without contents */
    LIBXL_EXT_IMAGE_CELL_HOLE,  /* named and not there */
    LIBXL_EXT_IMAGE_CELL_KINDS
};

struct libxl_ext_image_cell {
    uint64_t first, frames;     /* first frame number, how many */
    uint64_t counts[LIBXL_EXT_IMAGE_CELL_KINDS];    /* of those named */
};

struct libxl_ext_image {
    enum libxl_ext_image_container container;
    uint64_t size;              /* bytes that were read or passed over */
    bool quick;                 /* page contents were not looked at */

    /* Who: from xl's JSON configuration; empty where there is none. */
    char name[256];
    char uuid[40];
    char type[8];               /* "pv", "pvh", "hvm" */
    uint64_t config_target_kb;  /* b_info; UINT64_MAX: not given */
    uint64_t config_max_kb;

    /* From libxenguest's headers. */
    bool have_headers;
    bool hvm;                   /* PVH or HVM */
    bool big_endian;
    uint32_t version;           /* of the libxc stream, 2 or 3 */
    uint32_t xen_major, xen_minor;
    uint32_t pv_width;          /* bytes; 0: not PV */
    uint32_t pv_levels;         /* of page tables */
    uint32_t vcpus;             /* PV: with registers in the image */
    uint64_t checkpoints;

    /* The memory record; docs/memory-record.md. */
    bool have_record;
    bool record_mandatory;
    bool record_raised;
    char record_uuid[40];
    uint64_t max_pages, tot_pages, outstanding_pages;
    uint64_t shr_pages, paged_pages;
    uint64_t target_kb, static_max_kb, stock_max_kb;

    /*
     * The limit that stock libxl would set: from the memory record,
     * else from the configuration; 0 where neither is there.
     */
    uint64_t restore_max_kb;

    /* The frames in their last state. */
    uint64_t frames;            /* that the image names */
    uint64_t first_frame, last_frame;
    uint64_t types[LIBXL_EXT_IMAGE_TYPES];  /* by type, 0 to 15 */
    uint64_t populated;         /* that a restore allocates */
    uint64_t zero_pages;        /* full reading only */
    uint64_t duplicate_pages;   /* as some other; zero pages and page
                                   tables are not counted */
    uint64_t verify_differs;    /* changed at the verify pass */

    /*
     * In ascending order, from frame 0 on without a gap, each of
     * cell_frames (a power of 2); where nothing is, one for all of it.
     */
    uint64_t cell_frames;
    uint32_t nr_cells;
    struct libxl_ext_image_cell cells[LIBXL_EXT_IMAGE_CELLS];

    uint32_t nr_passes;
    struct libxl_ext_image_pass passes[LIBXL_EXT_IMAGE_PASSES];
    uint32_t nr_records;
    struct libxl_ext_image_record records[LIBXL_EXT_IMAGE_RECORDS];

    uint64_t nr_faults;         /* may be above what is kept */
    struct libxl_ext_image_fault faults[LIBXL_EXT_IMAGE_FAULTS];
    bool complete;              /* framing held up to the end */
    struct libxl_ext_image_verdict stock;   /* a host without libxl-ext */
    struct libxl_ext_image_verdict ext;     /* one with it */
};

/* Page contents are passed over; of a file they are not even read. */
#define LIBXL_EXT_IMAGE_QUICK (1U << 0)

/*
 * Reads the image at @fd, from where it stands to its end: a file (its
 * position is not moved) or anything that read(2) takes.  0 and
 * *@image_r, also for an image with faults; -1 with errno and one line
 * in @error (which may be NULL) where it could not be read at all, with
 * *@image_r untouched.  The caller owns *@image_r and frees it.
 */
int libxl_ext_image_read(int fd, unsigned int flags,
                         struct libxl_ext_image **image_r,
                         char *error, size_t error_len);

/* @image may be NULL. */
void libxl_ext_image_free(struct libxl_ext_image *image);

#ifdef __GNUC__
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif

#endif
