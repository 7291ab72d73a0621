/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The file that xl-ext save writes; see save_file.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "save_file.h"

int save_file_open(struct guest *g, struct save_file *im, const char *file)
{
    struct stat st;
    int r;

    /* As xl, through a link to where it leads. */
    if (!realpath(file, im->file))
        snprintf(im->file, sizeof(im->file), "%s", file);
    im->part[0] = '\0';
    if (!strcmp(file, "-")) {
        guest_no_cancel();
        im->fd = dup(STDOUT_FILENO);
    } else if (!stat(file, &st) && !S_ISREG(st.st_mode)) {
        guest_no_cancel();
        im->fd = open(file, O_WRONLY | O_CLOEXEC);
    } else if (!*file) {
        im->fd = -1;
        errno = ENOENT;
    } else {
        r = snprintf(im->part, sizeof(im->part), "%s.part-XXXXXX",
                     im->file);
        if (r < 0 || (size_t)r >= sizeof(im->part)) {
            guest_error(g, "%.64s...: the path is above the bound of %d"
                        " octets", file, PATH_MAX - 14);
            im->part[0] = '\0';
            im->fd = -1;
            return -1;
        }
        im->fd = mkostemp(im->part, O_CLOEXEC);
        if (im->fd >= 0)
            fchmod(im->fd, 0600);       /* it holds a guest's memory */
    }
    if (im->fd >= 0)
        return 0;
    guest_error(g, "cannot write %s: %s", im->part[0] ? im->part :
                *file ? file : "\"\"", strerror(errno));
    im->part[0] = '\0';
    return -1;
}

static int sync_directory(const char *file)
{
    char path[PATH_MAX];
    int fd, r;

    snprintf(path, sizeof(path), "%s", file);
    fd = open(dirname(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    r = fsync(fd);
    /* Some file systems (CIFS) do not sync directories. */
    if (r && errno == EINVAL)
        r = 0;
    close(fd);
    return r;
}

int save_file_keep(struct guest *g, struct save_file *im)
{
    /* What cannot be synced (a pipe) says so with EINVAL. */
    if ((fsync(im->fd) && errno != EINVAL && errno != EROFS) ||
        (im->part[0] && rename(im->part, im->file))) {
        guest_error(g, "cannot keep %s: %s", im->file, strerror(errno));
        return -1;
    }
    if (im->part[0] && sync_directory(im->file)) {
        guest_error(g, "cannot sync the directory of %s: %s", im->file,
                    strerror(errno));
        return -1;
    }
    im->part[0] = '\0';
    return 0;
}

void save_file_close(struct save_file *im)
{
    if (im->part[0])
        unlink(im->part);
    if (im->fd >= 0)
        close(im->fd);
    im->fd = -1;
}
