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
 * stay the caller's and stay open, and may have O_NONBLOCK.  Pointers are
 * not NULL where nothing says that they may be.
 *
 * A pipe or a socket is waited for without a bound, and a large file takes
 * its time.  @stop_fd, if it is above 0, is a descriptor that ends a call
 * with ECANCELED as soon as it is readable, such as one of eventfd(2), to
 * which another thread writes, or of signalfd(2).  Nothing is read from
 * it.  A read(2) or fsync(2) of a file on storage that does not answer is
 * not ended by it.
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

/* What the input begins with. */
enum libxl_ext_image_container {
    LIBXL_EXT_IMAGE_XL,         /* what "xl save" writes: libxl's within */
    LIBXL_EXT_IMAGE_LIBXL,      /* a stream of libxl: libxc's within */
    LIBXL_EXT_IMAGE_LIBXC,      /* a stream of libxenguest */
    LIBXL_EXT_IMAGE_LIBVIRT     /* "virsh save": libxl's within */
};

/*
 * Which stream holds the memory record; docs/memory-record.md says what
 * each kind of receiver makes of it.  A set of two bits.
 */
enum libxl_ext_image_carrier {
    LIBXL_EXT_IMAGE_CARRIER_AUTO,   /* as it is; of an image: neither */
    LIBXL_EXT_IMAGE_CARRIER_LIBXC,
    LIBXL_EXT_IMAGE_CARRIER_LIBXL,
    LIBXL_EXT_IMAGE_CARRIER_BOTH
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
#define LIBXL_EXT_IMAGE_STALE 16        /* as many are named */

/* A pass over the guest's frames: a round of a live save. */
struct libxl_ext_image_pass {
    uint64_t named;             /* frames that its records name */
    uint64_t data;              /* of these, sent with contents */
    uint64_t again;             /* of these, sent with contents before */
    uint64_t unchanged;         /* of these, with the same contents;
                                   where all was read, else 0 */
    bool verify;                /* after a VERIFY record */
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
    LIBXL_EXT_IMAGE_CELL_ZERO,  /* all zero; where all was read */
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
    bool all_read;              /* all of them were, rule or no rule */

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
    enum libxl_ext_image_carrier record_carrier;    /* could be read */
    bool record_mandatory;      /* in one carrier at least */
    bool record_raised;
    char record_uuid[40];
    uint64_t max_pages, tot_pages, outstanding_pages;
    uint64_t shr_pages, paged_pages;
    uint64_t target_kb, static_max_kb, stock_max_kb;

    /*
     * The limit that stock libxl would set: from the configuration's
     * target, else from the memory record; 0 where neither is there.
     */
    uint64_t restore_max_kb;

    /* The frames in their last state. */
    uint64_t frames;            /* that the image names */
    uint64_t first_frame, last_frame;
    uint64_t types[LIBXL_EXT_IMAGE_TYPES];  /* by type, 0 to 15 */
    uint64_t populated;         /* that a restore allocates */
    /* Where all was read, else 0. */
    uint64_t zero_pages;
    uint64_t duplicate_pages;   /* as some other; zero pages and page
                                   tables are not counted */
    uint64_t verify_differs;    /* changed at the verify pass */

    /*
     * The page state of a PV guest; all zero where it was not judged: in
     * a quick reading, where a rule is broken (but the memory record's),
     * or where a page became a table in the verify pass alone.
     */
    bool page_state_judged;
    uint64_t tables;            /* frames whose type is a page table's */
    uint64_t tables_stale;      /* P1: not validated */
    uint64_t tables_held;       /* P2: perhaps by a vcpu that is off */
    struct {
        uint64_t frame;
        uint8_t type;           /* as in the stream */
    } stale[LIBXL_EXT_IMAGE_STALE];     /* the first of P1 */

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

/*
 * How much is looked at of what is in pages.  Without a flag all of it:
 * where it is the same, and that the storage still gives it.  Of a file
 * what is passed over is not even read.
 */
/* Nothing; rules on contents are not asked. */
#define LIBXL_EXT_IMAGE_QUICK (1U << 0)
/* Only what a rule speaks of: the page tables of PV guests. */
#define LIBXL_EXT_IMAGE_RULES (1U << 1)

/*
 * Reads the image at @fd, from where it stands to its end: a file (its
 * position is not moved) or anything that read(2) takes.  0 and
 * *@image_r, also for an image with faults; -1 with errno and one line
 * in @error (which may be NULL) where it could not be read at all or
 * @stop_fd became readable, with *@image_r untouched.  The caller owns
 * *@image_r and frees it.
 */
int libxl_ext_image_read(int fd, unsigned int flags, int stop_fd,
                         struct libxl_ext_image **image_r,
                         char *error, size_t error_len);

/* @image may be NULL. */
void libxl_ext_image_free(struct libxl_ext_image *image);

/* ---- conversion ------------------------------------------------- */

enum libxl_ext_image_record_change {
    LIBXL_EXT_IMAGE_RECORD_KEEP,
    LIBXL_EXT_IMAGE_RECORD_OPTIONAL,    /* added where there is none */
    LIBXL_EXT_IMAGE_RECORD_MANDATORY,   /* added where there is none */
    LIBXL_EXT_IMAGE_RECORD_DROP
};

/* What is to be changed; all zero: nothing, which is refused. */
struct libxl_ext_image_conversion {
    enum libxl_ext_image_record_change record;
    /* Of the memory record, added where there is none; 0: as it is. */
    uint64_t max_pages;
    /*
     * Where the memory record is to be; AUTO: where it is, and one that
     * is added is in the libxc carrier.
     */
    enum libxl_ext_image_carrier carrier;
    bool drop_superseded;       /* each frame once, in its final state */
    bool page_state;            /* tables of P1 become plain pages */
    bool replace;               /* an output that exists is replaced */
    int stop_fd;                /* as @stop_fd of the other calls */
};

/* What was done. */
struct libxl_ext_image_converted {
    uint64_t size_in, size_out;
    uint64_t frames;            /* that the output names */
    uint64_t superseded_pages;  /* copies that were left out */
    uint64_t verify_pages;      /* left out with the verify pass */
    uint64_t stale_tables;      /* became plain pages */
    uint64_t stale_entries;     /* of theirs, cleared: in all copies */
    bool had_record, have_record, record_mandatory;
    enum libxl_ext_image_carrier had_carrier, carrier;
    uint64_t max_pages, tot_pages;      /* of the record, if any */
    /* The input breaks this rule, where errno is EBADMSG. */
    struct libxl_ext_image_fault fault;
};

/*
 * Reads the image at @fd, from where it stands to its end, and makes
 * another image of the same guest at @path.  A file's position is not
 * moved.  *@how says what changes; *@done_r (which may be NULL) is
 * filled in, also by a call that fails.
 *
 * 0: the new image is at @path, whole, read again and synced, and so is
 * its directory.
 *
 * -1 with errno:
 *   EBADMSG    the input breaks a rule of docs/image.md
 *   EINVAL     *@how, or what it asks of this image, is refused; or
 *              @path is the input, a symbolic link or no regular file
 *   EEXIST     @path exists and *@how does not replace it
 *   ESPIPE     the input is no file, and two passes are needed
 *   EBUSY      the input was changed while it was read
 *   ECANCELED  stop_fd became readable
 *   EIO        what was read back is not what was written, or reading
 *              failed
 *   others     as of open(2), write(2), fsync(2), link(2), rename(2)
 *
 * After each of these the directory is as it was: no temporary file,
 * and what was at @path unchanged.  There is one exception: where the
 * last step failed, syncing the directory, the new image is at @path
 * and only a crash of the host could undo that; the line says so.
 *
 * A signal that kills the process leaves the same, except kill -9 where
 * the file system has no O_TMPFILE or in the instant in which an output
 * is replaced: then a file .xl-ext.PID.N may remain.
 */
int libxl_ext_image_convert(int fd, const char *path,
                            const struct libxl_ext_image_conversion *how,
                            struct libxl_ext_image_converted *done_r,
                            char *error, size_t error_len);

/* ---- differences ------------------------------------------------ */

enum libxl_ext_image_difference_kind {
    LIBXL_EXT_IMAGE_FACT,
    LIBXL_EXT_IMAGE_PAGES,
    LIBXL_EXT_IMAGE_RECORD
};

/* Where it is, if not in both. */
enum libxl_ext_image_where {
    LIBXL_EXT_IMAGE_IN_BOTH,
    LIBXL_EXT_IMAGE_IN_A,
    LIBXL_EXT_IMAGE_IN_B
};

/* Only the members of its kind are set, the others are zero. */
struct libxl_ext_image_difference {
    enum libxl_ext_image_difference_kind kind;
    enum libxl_ext_image_where where;

    /* FACT and RECORD: its name; never NULL there. */
    const char *name;

    /* FACT: the values as text. */
    char a[256], b[256];

    /* PAGES: frames that differ in the same way. */
    uint64_t first, count;
    bool types;                 /* type_a is not type_b */
    bool contents;
    uint8_t type_a, type_b;     /* as in the stream, 0 to 15 */

    /* RECORD */
    bool libxc;                 /* else of libxl's stream or xl's file */
    char part[48];              /* "vcpu 3"; empty: the whole record */
    uint64_t length_a, length_b;
    uint64_t differ;            /* octets, up to the shorter length */
    uint64_t offset_a, offset_b;        /* of the first, in the files */
};

/* How much was compared and found. */
struct libxl_ext_image_differences {
    uint64_t pages_compared;    /* with contents in both */
    uint64_t pages_only_a, pages_only_b;
    uint64_t pages_type, pages_contents;
    uint64_t facts, records;    /* that differ */
};

/*
 * Called for each difference: all facts, then all pages in ascending
 * order, then all records.  *@d is good until it returns.  Anything
 * but 0 ends the comparison with ECANCELED.
 */
typedef int libxl_ext_image_difference_fn(
    void *user, const struct libxl_ext_image_difference *d);

/*
 * Compares what a restore would make of the images at @fd_a and @fd_b,
 * each a file, from where it stands to its end; positions are not
 * moved.  @found may be NULL.
 *
 * 0: *@sum_r says how many differences there are; with none at all the
 * two restore the same guest.  -1 with errno, and *@sum_r not to be
 * used: EBADMSG, one of them breaks a rule; ESPIPE, one of them is no
 * file; EINVAL, they cannot be compared (byte order, PV against HVM);
 * ENOMEM, EIO; ECANCELED from @found, or @stop_fd became readable.
 */
int libxl_ext_image_diff(int fd_a, int fd_b, int stop_fd,
                         libxl_ext_image_difference_fn *found, void *user,
                         struct libxl_ext_image_differences *sum_r,
                         char *error, size_t error_len);


#ifdef __GNUC__
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif

#endif
