/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What must hold of every reading of an image; see reading.h.
 */
#include <string.h>
#include <unistd.h>

#include "common.h"
#include "reading.h"

static void read_fd(int fd, unsigned int flags, struct libxl_ext_image *im)
{
    struct lxe__err err;

    lxe__err_init(&err);
    must(lxe__image_read(fd, flags, -1, im, &err) == 0);
    close(fd);
}

static void check(const struct libxl_ext_image *im, size_t size)
{
    int i;

    must(im->complete ? im->size == size : im->nr_faults > 0);
    for (i = 0; i < LIBXL_EXT_IMAGE_FAULTS && im->faults[i].rule[0]; i++) {
        must(im->faults[i].offset <= size);
        must(im->faults[i].text[0] && !strchr(im->faults[i].text, '\n'));
    }
    must((i > 0) == (im->nr_faults > 0));
    must(im->populated <= im->frames);
    must(im->tables_stale + im->tables_held <= im->tables);
    must(im->tables <= im->populated);
    must(im->page_state_judged || !im->tables);
    must(im->nr_passes <= LIBXL_EXT_IMAGE_PASSES);
    must(im->nr_records <= LIBXL_EXT_IMAGE_RECORDS);
}

/* Words apart: a page that is cut is one of many there. */
static void same_findings(const struct libxl_ext_image *a,
                          const struct libxl_ext_image *b)
{
    int i;

    must(a->size == b->size && a->complete == b->complete);
    must(a->nr_faults == b->nr_faults);
    for (i = 0; i < LIBXL_EXT_IMAGE_FAULTS; i++)
        must(!strcmp(a->faults[i].rule, b->faults[i].rule) &&
             a->faults[i].offset == b->faults[i].offset);
    must(a->stock.fate == b->stock.fate && a->ext.fate == b->ext.fate);
    must(a->frames == b->frames && a->populated == b->populated);
    must(!memcmp(a->types, b->types, sizeof(a->types)));
    must(!memcmp(a->records, b->records, sizeof(a->records)));
    must(a->page_state_judged == b->page_state_judged);
    must(a->tables == b->tables && a->tables_held == b->tables_held);
    must(a->tables_stale == b->tables_stale);
    must(!memcmp(a->stale, b->stale, sizeof(a->stale)));
    for (i = 0; i < LIBXL_EXT_IMAGE_PASSES; i++)
        must(a->passes[i].named == b->passes[i].named &&
             a->passes[i].data == b->passes[i].data &&
             a->passes[i].again == b->passes[i].again &&
             a->passes[i].verify == b->passes[i].verify);
}

const struct libxl_ext_image *fuzz_read_image(const uint8_t *data,
                                              size_t size)
{
    static struct libxl_ext_image file, other, rules;

    if (size > FUZZ_PIPE_ROOM)
        return NULL;
    read_fd(fuzz_file(data, size), 0, &file);
    check(&file, size);
    read_fd(fuzz_pipe(data, size), 0, &other);
    must(!memcmp(&file, &other, sizeof(file)));
    read_fd(fuzz_file(data, size), LIBXL_EXT_IMAGE_RULES, &rules);
    same_findings(&file, &rules);
    read_fd(fuzz_pipe(data, size), LIBXL_EXT_IMAGE_RULES, &other);
    must(!memcmp(&rules, &other, sizeof(rules)));
    read_fd(fuzz_file(data, size), LIBXL_EXT_IMAGE_QUICK, &other);
    check(&other, size);
    must(file.complete == other.complete && file.size == other.size);
    must(file.frames == other.frames);
    must(!memcmp(file.records, other.records, sizeof(file.records)));
    return &file;
}
