/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The bytes of an image, front to back: from a file or a pipe, through
 * one buffer of fixed size.  read(2) and not mmap(2), so that a file
 * which shrinks meanwhile is a short read and no SIGBUS, and so that
 * file and pipe take the same way.
 *
 * Some bytes are needed a second time.  lxe__source_keep() gives a
 * handle to them: for a file the place where they stand, for a pipe a
 * place in an unlinked temporary file.
 */
#ifndef LXE_IMAGE_SOURCE_H
#define LXE_IMAGE_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define LXE_SOURCE_PEEK_MAX (64U << 10)

struct lxe__source {
    int fd;
    bool is_file;
    bool is_device;     /* of blocks: it goes on behind the image */
    uint64_t base;      /* where the image begins in a file */
    uint64_t size;      /* of the image, of a file */
    uint64_t offset;    /* of the next byte to be handed out */
    uint8_t *buf;
    size_t head, tail;  /* what is in the buffer and not handed out */
    bool sparse;        /* what is skipped of a file is not read */
    size_t fill;        /* as much is read at a time */
    uint64_t filled;    /* sparse: where the last read ended */
    uint64_t ahead;     /* ... and as far as the kernel was asked to */
    int kept_fd;        /* -1 until something is kept from a pipe */
    uint64_t kept_len;

    /* May be set after _init. */
    int stop_fd;        /* above 0: reading ends when it is readable */
    /*
     * Gets every byte that is handed out or skipped, in order; so all of
     * a file are read then.  0, or -1 with the error in the struct
     * lxe__err of the reading, which ends it.
     */
    int (*tap)(void *user, const uint8_t *data, size_t len);
    void *tap_user;
    bool tap_failed;
};

/*
 * @sparse: what will be skipped of a file need not be read, and it is
 * most of it, so read little ahead.  Else every byte is read, skipped or
 * not.  @fd stays the caller's.
 */
int lxe__source_init(struct lxe__source *s, int fd, bool sparse,
                     struct lxe__err *err);

/* Idempotent, also for a source of which _init failed. */
void lxe__source_dispose(struct lxe__source *s);

/*
 * Makes the next @len bytes (at most LXE_SOURCE_PEEK_MAX) addressable,
 * or as many as there are; *@have_r says how many.  NULL with @err on a
 * read error.  The pointer is good until the next call.
 */
const uint8_t *lxe__source_peek(struct lxe__source *s, size_t len,
                                size_t *have_r, struct lxe__err *err);

/* Hands out @len bytes that were peeked at. */
void lxe__source_advance(struct lxe__source *s, size_t len);

/*
 * Passes over @len bytes or to the end; *@done_r says how many were
 * there.
 */
int lxe__source_skip(struct lxe__source *s, uint64_t len, uint64_t *done_r,
                     struct lxe__err *err);

#define LXE_KEEP_NEW UINT64_MAX

/*
 * Keeps the @len bytes at @data, which were peeked at and stand at
 * @offset of the image.  *@handle: LXE_KEEP_NEW, or what an earlier
 * call gave for as many bytes that are not needed any more.
 */
int lxe__source_keep(struct lxe__source *s, const void *data, size_t len,
                     uint64_t offset, uint64_t *handle,
                     struct lxe__err *err);

/*
 * Reads kept bytes again; *@offset_r is where they stood in the image.
 * EIO where they are not there any more.
 */
int lxe__source_again(struct lxe__source *s, uint64_t handle, void *data,
                      size_t len, uint64_t *offset_r,
                      struct lxe__err *err);

#endif
