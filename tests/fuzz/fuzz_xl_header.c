/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * xl's header and the configuration after it, which is JSON: as the
 * head of an image, and as libxl_ext_header_read() takes it.
 *
 * The first octet of an input says what the rest is: the file from its
 * first octet on, or a configuration, before which a right header and
 * after which an empty libxl stream are put.  What the library takes
 * breaks none of the reader's rules but those of JSON itself; written
 * again and read again it is the same.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common.h"
#include "libxl_ext.h"
#include "reading.h"
#include "stream/xl_format.h"

static libxl_ext_ctx *ctx;

static void decode(const uint8_t *data, size_t size)
{
    uint8_t again[LXE_XL_HEADER_LEN + 4], *head;
    struct lxe__err err;
    uint32_t len;

    if (size < LXE_XL_HEADER_LEN)
        return;
    head = fuzz_exact(data, LXE_XL_HEADER_LEN);
    lxe__err_init(&err);
    if (lxe__xl_header_decode(head, &len, &err)) {
        fuzz_refused(&err);
    } else {
        must(len >= 4 && len <= LXE_XL_OPTDATA_MAX);
        lxe__xl_header_encode(len - 4, again);
        must(!memcmp(again, head, LXE_XL_HEADER_LEN));
    }
    free(head);
}

/* The configuration, or NULL. */
static char *take(int fd)
{
    char *config = NULL;

    if (libxl_ext_header_read(ctx, fd, NULL, &config)) {
        must(!config && *libxl_ext_error(ctx));
        must(!strchr(libxl_ext_error(ctx), '\n'));
    } else {
        must(config && !*libxl_ext_error(ctx));
    }
    close(fd);
    return config;
}

static void put_and_take(const char *config)
{
    int fd = fuzz_file(NULL, 0);
    char *again;

    must(!libxl_ext_header_write(ctx, fd, config, NULL));
    must(!lseek(fd, 0, SEEK_SET));
    again = take(fd);
    must(again && !strcmp(again, config));
    free(again);
}

/* X8 is that of JSON, which libxl itself judges. */
static int header_fault(const struct libxl_ext_image *im)
{
    int i;

    for (i = 0; i < LIBXL_EXT_IMAGE_FAULTS && im->faults[i].rule[0]; i++)
        if (im->faults[i].rule[0] == 'X' &&
            strcmp(im->faults[i].rule, "X8"))
            return 1;
    return 0;
}

static void both(const uint8_t *data, size_t size)
{
    const struct libxl_ext_image *im = fuzz_read_image(data, size);
    char *config;

    if (!im)
        return;
    decode(data, size);
    config = take(fuzz_file(data, size));
    if (config) {
        must(!header_fault(im));
        put_and_take(config);
    }
    free(config);
}

static void with_header(const uint8_t *data, size_t size)
{
    static const uint8_t end[] = {
        'L', 'i', 'b', 'x', 'l', 'F', 'm', 't', 0, 0, 0, 2, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0,         /* END */
    };
    size_t len = LXE_XL_HEADER_LEN + 4 + size + 1 + sizeof(end);
    uint8_t *all = malloc(len), *at = all;

    must(all != NULL);
    lxe__xl_header_encode(size + 1, at);
    at += LXE_XL_HEADER_LEN + 4;
    if (size)
        memcpy(at, data, size);
    at += size;
    *at++ = '\0';
    memcpy(at, end, sizeof(end));
    both(all, len);
    free(all);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t what;

    if (!ctx)
        must(!libxl_ext_ctx_alloc(&ctx, LIBXL_EXT_VERSION, NULL, NULL));
    fuzz_begin();
    what = fuzz_choice(&data, &size);
    if (what & 1)
        with_header(data, size);
    else
        both(data, size);
    fuzz_end();
    return 0;
}
