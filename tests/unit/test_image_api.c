/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The public calls: who owns what, and what an error leaves behind.
 * What is said of images is tested in tests/image.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "libxl_ext_image.h"
#include "unit.h"

/* In place of libc's: a block device needs root. */
static bool say_device;

int fstat(int fd, struct stat *st)
{
    int r = fstatat(fd, "", st, AT_EMPTY_PATH);

    if (!r && say_device)
        st->st_mode = (st->st_mode & ~S_IFMT) | S_IFBLK;
    return r;
}

static struct libxl_ext_image *read_bytes(const void *bytes, size_t len)
{
    struct libxl_ext_image *im = NULL;
    int ends[2];

    CU_ASSERT_EQUAL_FATAL(pipe(ends), 0);
    CU_ASSERT_EQUAL(write(ends[1], bytes, len), (ssize_t)len);
    close(ends[1]);
    CU_ASSERT_EQUAL(libxl_ext_image_read(ends[0], 0, -1, &im, NULL, 0),
                    0);
    close(ends[0]);
    CU_ASSERT_PTR_NOT_NULL_FATAL(im);
    return im;
}

static void an_empty_input_is_an_image_with_a_fault(void)
{
    struct libxl_ext_image *im = read_bytes("", 0);

    CU_ASSERT_EQUAL(im->nr_faults, 1);
    CU_ASSERT_STRING_EQUAL(im->faults[0].rule, "S1");
    CU_ASSERT_FALSE(im->complete);
    CU_ASSERT_EQUAL(im->stock.fate, LIBXL_EXT_IMAGE_REFUSED);
    libxl_ext_image_free(im);
}

static void what_is_no_image_is_named(void)
{
    struct libxl_ext_image *im = read_bytes("\177ELF\2\1\1\0 and so on",
                                            18);

    CU_ASSERT_STRING_EQUAL(im->faults[0].rule, "X1");
    CU_ASSERT_PTR_NOT_NULL(strstr(im->faults[0].text,
                                  "0x7f454c4602010100"));
    libxl_ext_image_free(im);
}

/* A stream of libxl that has an END and nothing else, and then more. */
static void a_block_device_goes_on_behind_the_image(void)
{
    static const char bytes[16 + 8 + 4] = "LibxlFmt\0\0\0\2";
    struct libxl_ext_image *im;
    int i;

    for (i = 0; i < 2; i++) {
        say_device = i;
        im = read_bytes(bytes, sizeof(bytes));
        say_device = false;
        CU_ASSERT_STRING_EQUAL(im->faults[0].rule, "L11");
        CU_ASSERT_STRING_EQUAL(im->faults[1].rule, i ? "" : "S2");
        CU_ASSERT_EQUAL(im->size, i ? 24 : 28);
        CU_ASSERT_TRUE(im->complete);
        libxl_ext_image_free(im);
    }
}

static void an_unreadable_descriptor_is_an_error(void)
{
    struct libxl_ext_image *im = (void *)&errno;
    char error[64];

    CU_ASSERT_EQUAL(libxl_ext_image_read(-1, 0, -1, &im, error,
                                         sizeof(error)), -1);
    CU_ASSERT_EQUAL(errno, EBADF);
    CU_ASSERT_PTR_EQUAL(im, (void *)&errno);
    CU_ASSERT_PTR_NOT_NULL(strstr(error, "fstat"));
}

static void an_unknown_flag_is_refused(void)
{
    struct libxl_ext_image *im = NULL;
    char error[8];

    CU_ASSERT_EQUAL(libxl_ext_image_read(0, 4, -1, &im, error,
                                         sizeof(error)), -1);
    CU_ASSERT_EQUAL(errno, EINVAL);
    /* Cut to the room that there is, and ended. */
    CU_ASSERT_STRING_EQUAL(error, "image: ");
    CU_ASSERT_PTR_NULL(im);
}

static void a_conversion_that_asks_for_nothing_is_refused(void)
{
    const struct libxl_ext_image_conversion none = { 0 };
    const struct libxl_ext_image_conversion high = {
        .max_pages = (1ULL << 40) + 1,
    };
    const struct libxl_ext_image_conversion nowhere = {
        .carrier = LIBXL_EXT_IMAGE_CARRIER_BOTH + 1,
    };
    char error[128];

    CU_ASSERT_EQUAL(libxl_ext_image_convert(0, "/nonexistent/x", &nowhere,
                                            NULL, error, sizeof(error)),
                    -1);
    CU_ASSERT_EQUAL(errno, EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(error, "carrier 4 is not one of 0 to"));
    CU_ASSERT_EQUAL(libxl_ext_image_convert(0, "/nonexistent/x", &none,
                                            NULL, error, sizeof(error)),
                    -1);
    CU_ASSERT_EQUAL(errno, EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(error, "nothing is to be changed"));
    CU_ASSERT_EQUAL(libxl_ext_image_convert(0, "/nonexistent/x", &high,
                                            NULL, NULL, 0), -1);
    CU_ASSERT_EQUAL(errno, EINVAL);
}

static void the_fault_of_an_input_is_handed_out(void)
{
    const struct libxl_ext_image_conversion how = {
        .record = LIBXL_EXT_IMAGE_RECORD_DROP,
    };
    struct libxl_ext_image_converted done;
    int ends[2];

    CU_ASSERT_EQUAL_FATAL(pipe(ends), 0);
    close(ends[1]);
    CU_ASSERT_EQUAL(libxl_ext_image_convert(ends[0], "/tmp/lxe-none", &how,
                                            &done, NULL, 0), -1);
    CU_ASSERT_EQUAL(errno, EBADMSG);
    CU_ASSERT_STRING_EQUAL(done.fault.rule, "S1");
    CU_ASSERT_EQUAL(access("/tmp/lxe-none", F_OK), -1);
    close(ends[0]);
}

static void only_files_are_compared(void)
{
    struct libxl_ext_image_differences sum;
    char error[128];
    int ends[2];

    CU_ASSERT_EQUAL_FATAL(pipe(ends), 0);
    CU_ASSERT_EQUAL(libxl_ext_image_diff(ends[0], ends[0], -1, NULL, NULL,
                                         &sum, error, sizeof(error)), -1);
    CU_ASSERT_EQUAL(errno, ESPIPE);
    CU_ASSERT_PTR_NOT_NULL(strstr(error, "image A"));
    close(ends[0]);
    close(ends[1]);
}

/*----- stop_fd -----*/

#define SOON_MS 200

static void *stop_soon(void *fd)
{
    uint64_t one = 1;

    usleep(SOON_MS * 1000);
    CU_ASSERT_EQUAL(write(*(int *)fd, &one, sizeof(one)), sizeof(one));
    return NULL;
}

/* A pipe whose writer says so much and then nothing, and does not end. */
static void stopped_in(const char *said, unsigned int flags, int fd_flags)
{
    int stop = eventfd(0, EFD_CLOEXEC), ends[2];
    struct libxl_ext_image *im = NULL;
    double start = lxe__now_ms(), ms;
    pthread_t thread;
    char error[128];

    CU_ASSERT_FATAL(stop >= 0);
    CU_ASSERT_EQUAL_FATAL(pipe2(ends, fd_flags), 0);
    CU_ASSERT_EQUAL(write(ends[1], said, strlen(said)),
                    (ssize_t)strlen(said));
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, stop_soon, &stop),
                          0);
    CU_ASSERT_EQUAL(libxl_ext_image_read(ends[0], flags, stop, &im, error,
                                         sizeof(error)), -1);
    CU_ASSERT_EQUAL(errno, ECANCELED);
    ms = lxe__now_ms() - start;
    CU_ASSERT_TRUE(ms >= SOON_MS && ms < 5000);
    CU_ASSERT_PTR_NULL(im);
    CU_ASSERT_PTR_NOT_NULL(strstr(error, "stopped at byte 0"));
    pthread_join(thread, NULL);
    close(stop);
    close(ends[0]);
    close(ends[1]);
}

static void a_silent_pipe_can_be_left(void)
{
    stopped_in("", 0, 0);
    stopped_in("Xen s", 0, 0);
    stopped_in("", LIBXL_EXT_IMAGE_QUICK, 0);
    stopped_in("", LIBXL_EXT_IMAGE_RULES, O_NONBLOCK);
}

static void a_comparison_can_be_left(void)
{
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), stop;
    struct libxl_ext_image_differences sum;

    stop = eventfd(1, EFD_CLOEXEC);
    CU_ASSERT_FATAL(fd >= 0 && stop >= 0);
    CU_ASSERT_EQUAL(libxl_ext_image_diff(fd, fd, stop, NULL, NULL, &sum,
                                         NULL, 0), -1);
    CU_ASSERT_EQUAL(errno, ECANCELED);
    close(fd);
    close(stop);
}

LXE_SUITE(image_api,
    { "a silent pipe can be left", a_silent_pipe_can_be_left },
    { "a comparison can be left", a_comparison_can_be_left },
    { "a conversion that asks for nothing is refused",
      a_conversion_that_asks_for_nothing_is_refused },
    { "the fault of an input is handed out",
      the_fault_of_an_input_is_handed_out },
    { "only files are compared", only_files_are_compared },
    { "an empty input is an image with a fault",
      an_empty_input_is_an_image_with_a_fault },
    { "what is no image is named", what_is_no_image_is_named },
    { "a block device goes on behind the image",
      a_block_device_goes_on_behind_the_image },
    { "an unreadable descriptor is an error",
      an_unreadable_descriptor_is_an_error },
    { "an unknown flag is refused", an_unknown_flag_is_refused })
