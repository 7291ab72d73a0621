/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Conversion and comparison of images.
 *
 * An input is an image of any of the three containers.  Besides what
 * the sanitizers see: an image that breaks a rule is refused and leaves
 * no file; of any other one, what --drop-superseded makes is an image
 * of the same guest by diff, and so is what each --carrier makes but for
 * that fact; and a failure leaves no file either.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common.h"
#include "image/image.h"

static char out[64];

/* 0, or the error; the output is there or is not. */
static int convert(int fd, const struct libxl_ext_image_conversion *how)
{
    struct libxl_ext_image_converted done;
    struct lxe__err err;
    int rc;

    lxe__err_init(&err);
    rc = lxe__image_convert(fd, out, how, &done, &err);
    must(rc == 0 ? err.code == 0 : err.code && *err.msg);
    must(!strchr(err.msg, '\n'));
    must((access(out, F_OK) == 0) == (rc == 0));
    return err.code;
}

static void same_guest(int fd, unsigned int facts)
{
    struct libxl_ext_image_differences sum;
    int other = open(out, O_RDONLY | O_CLOEXEC);
    struct lxe__err err;

    lxe__err_init(&err);
    must(other >= 0);
    must(lxe__image_diff(fd, other, -1, NULL, NULL, &sum, &err) == 0);
    must(!sum.pages_only_a && !sum.pages_only_b && !sum.pages_type &&
         !sum.pages_contents && sum.facts <= facts && !sum.records);
    close(other);
    unlink(out);
}

/* Both streams, or one: whatever there was, the guest is the same. */
static void carry(int fd, const struct libxl_ext_image *im)
{
    struct libxl_ext_image_conversion how = {
        .carrier = LIBXL_EXT_IMAGE_CARRIER_LIBXC,
    };
    int code;

    for (; how.carrier <= LIBXL_EXT_IMAGE_CARRIER_BOTH; how.carrier++) {
        code = convert(fd, &how);
        must(!code || code == EBADMSG || code == EINVAL);
        if (!code && !im->nr_faults)
            same_guest(fd, how.carrier != im->record_carrier);
        unlink(out);
    }
}

/* Of the same length; the tables of P1 are none now, no other is. */
static void plain_pages(const struct libxl_ext_image *was)
{
    static struct libxl_ext_image im;
    int fd = open(out, O_RDONLY | O_CLOEXEC);
    struct lxe__err err;

    lxe__err_init(&err);
    must(fd >= 0 && lxe__image_read(fd, 0, -1, &im, &err) == 0);
    must(im.page_state_judged && !im.tables_stale && !im.nr_faults);
    must(im.tables == was->tables - was->tables_stale);
    must(im.tables_held == was->tables_held && im.size == was->size);
    close(fd);
    unlink(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct libxl_ext_image_conversion drop = {
        .drop_superseded = true,
    }, record = {
        .record = LIBXL_EXT_IMAGE_RECORD_DROP,
    }, limit = {
        .max_pages = 1 << 20, .drop_superseded = true,
    }, state = {
        .page_state = true,
    };
    static struct libxl_ext_image im;
    struct lxe__err err;
    int fd, code;

    fuzz_begin();
    fd = fuzz_file(data, size);
    if (!*out) {
        snprintf(out, sizeof(out), "/dev/shm/fuzz-convert.%ld",
                 (long)getpid());
        unlink(out);
    }
    lxe__err_init(&err);
    must(lxe__image_read(fd, 0, -1, &im, &err) == 0);
    code = convert(fd, &drop);
    must(im.nr_faults ? code == EBADMSG : !code || code == EINVAL);
    if (!code)
        same_guest(fd, 0);
    code = convert(fd, &record);
    must(!code || code == EBADMSG || code == EINVAL);
    unlink(out);
    code = convert(fd, &limit);
    must(!code || code == EBADMSG || code == EINVAL);
    unlink(out);
    carry(fd, &im);
    code = convert(fd, &state);
    must(im.nr_faults ? code == EBADMSG : !code || code == EINVAL);
    must(!code || !im.page_state_judged || im.checkpoints ||
         im.nr_faults);
    if (!code)
        plain_pages(&im);
    close(fd);
    fuzz_end();
    return 0;
}
