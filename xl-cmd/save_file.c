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

#define PART ".part-XXXXXX"
#define LINKS 40                /* as many as Linux follows */

/*----- where -----*/

/* A link's text, where it stands, in its own place. */
static int follow(char *place)
{
    char to[PATH_MAX], *slash = strrchr(place, '/');
    ssize_t n = readlink(place, to, sizeof(to) - 1);
    int at, r;

    if (n < 0)
        return -1;
    to[n] = '\0';
    at = slash && *to != '/' ? slash + 1 - place : 0;
    r = snprintf(place + at, PATH_MAX - at, "%s", to);
    if (r < PATH_MAX - at)
        return 0;
    errno = ENAMETOOLONG;
    return -1;
}

/*
 * As xl: through links, also through one to what is not there yet.  What
 * is there and has no name (a file that was removed) gets none.
 */
static int find_place(const char *file, char *place)
{
    struct stat st;
    int i;

    if (!stat(file, &st))
        return realpath(file, place) ? 0 : -1;
    if (strlen(file) >= PATH_MAX) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(place, file);
    for (i = 0; i < LINKS; i++)
        if (follow(place))
            return errno == EINVAL || errno == ENOENT ? 0 : -1;
    errno = ELOOP;
    return -1;
}

/* Beside im->file; a long name is cut for that, between characters. */
static int name_part(struct save_file *im)
{
    const char *slash = strrchr(im->file, '/');
    const char *name = slash ? slash + 1 : im->file;
    size_t dir = name - im->file, len = strlen(name), bound;
    long max;
    int r;

    snprintf(im->part, sizeof(im->part), "%.*s", dir ? (int)dir : 1,
             dir ? im->file : ".");
    max = pathconf(im->part, _PC_NAME_MAX);
    bound = max < (long)sizeof(PART) ? NAME_MAX : max;
    /* Else that would be found out after the last page. */
    if (len > bound)
        goto too_long;
    if (len > bound - (sizeof(PART) - 1)) {
        len = bound - (sizeof(PART) - 1);
        while (len && (name[len] & 0xc0) == 0x80)
            len--;
    }
    r = snprintf(im->part, sizeof(im->part), "%.*s" PART, (int)(dir + len),
                 im->file);
    if (r > 0 && (size_t)r < sizeof(im->part))
        return 0;

 too_long:
    errno = ENAMETOOLONG;
    return -1;
}

/*----- open, keep, close -----*/

static int open_part(struct save_file *im, const char *file)
{
    if (!*file) {
        errno = ENOENT;
        return -1;
    }
    if (find_place(file, im->file) || name_part(im)) {
        im->part[0] = '\0';
        return -1;
    }
    im->fd = mkostemp(im->part, O_CLOEXEC);
    if (im->fd >= 0)
        fchmod(im->fd, 0600);           /* it holds a guest's memory */
    return im->fd < 0 ? -1 : 0;
}

int save_file_open(struct guest *g, struct save_file *im, const char *file)
{
    struct stat st;

    snprintf(im->file, sizeof(im->file), "%s", file);
    im->part[0] = '\0';
    im->fd = -1;
    if (!strcmp(file, "-")) {
        im->fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    } else if (!stat(file, &st) && !S_ISREG(st.st_mode)) {
        im->fd = open(file, O_WRONLY | O_CLOEXEC);
    } else {
        guest_can_cancel();     /* the part is to be removed */
        open_part(im, file);
    }
    if (im->fd >= 0 && isatty(im->fd)) {
        guest_error(g, "cannot write %s: it is a terminal, where an image"
                    " would be lost, and the guest with it", file);
        return -1;
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
    if (!im->part[0])
        return 0;
    im->part[0] = '\0';
    if (!sync_directory(im->file))
        return 0;
    guest_error(g, "cannot sync the directory of %s: %s: the file has been"
                " replaced, and is only a copy of the guest, which goes on"
                " here", im->file, strerror(errno));
    return -1;
}

void save_file_close(struct save_file *im)
{
    if (im->part[0])
        unlink(im->part);
    if (im->fd >= 0)
        close(im->fd);
    im->fd = -1;
}
