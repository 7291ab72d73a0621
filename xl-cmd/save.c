/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * xl-ext save: a guest into a file that "xl restore" takes, too, unless
 * the guest needs more than stock gives.
 *
 * The image is written beside FILE and takes its name when it is whole
 * and on the disk; only then is the guest destroyed.  A crash before
 * that leaves FILE as it was, a FILE.part-XXXXXX, and a guest that the
 * guardian lets run again; right after it, an image and the running
 * guest, as with -c; and when that is committed, an image and a suspended
 * guest, which "xl destroy" ends.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest.h"

enum {
    SAVE_CHECKPOINT = 1 << 0,
    SAVE_PAUSED     = 1 << 1,
    SAVE_KEEP_DOMID = 1 << 2,
    SAVE_LIVE       = 1 << 3,
    SAVE_VERIFY     = 1 << 4,
    SAVE_JSON       = 1 << 5,
    SAVE_VERBOSE    = 1 << 6,
    SAVE_CARRIER    = 1 << 7,
};
#define CARRIER_OPTION 7

struct image {
    char file[PATH_MAX];
    char part[PATH_MAX];        /* "": FILE is written itself */
    int fd;
};

/*----- the file -----*/

/*
 * A device, a FIFO or standard output has no name to be given later, and
 * may take nothing for ever: signals end the process until that has the
 * header.
 */
static int image_open(struct guest *g, struct image *im, const char *file)
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

/* On the disk and under its name, or -1 with the old file untouched. */
static int image_keep(struct guest *g, struct image *im)
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

static void image_close(struct image *im)
{
    if (im->part[0])
        unlink(im->part);
    if (im->fd >= 0)
        close(im->fd);
    im->fd = -1;
}

/*----- the guest -----*/

static int write_header(struct guest *g, struct image *im, uint32_t domid)
{
    char *json = guest_config(g, domid,
                              g->call->options & SAVE_KEEP_DOMID);
    int rc;

    if (!json)
        return -1;
    rc = libxl_ext_header_write(g->ctx, im->fd, json);
    if (rc)
        guest_error(g, "%s: %s", im->file, libxl_ext_error(g->ctx));
    free(json);
    return rc ? -1 : 0;
}

static int carrier_of(struct guest *g, libxl_ext_save_params *p)
{
    const char *word = g->call->values[CARRIER_OPTION];

    if (!word || !libxl_ext_carrier_from_string(word, &p->carrier))
        return 0;
    guest_error(g, "--carrier is \"%.32s\"; it is auto, libxc, libxl or"
                " both", word);
    return -1;
}

/* The image is whole: what the caller wanted of the guest now. */
static void end_guest(struct guest *g, uint32_t domid)
{
    int rc;

    if (!(g->call->options & (SAVE_CHECKPOINT | SAVE_PAUSED))) {
        if (libxl_ext_domain_commit(g->ctx, domid)) {
            /* Nobody has said so, so it is as with -c. */
            guest_error(g, "%s: the guest goes on here, and its image is"
                        " only a copy", libxl_ext_error(g->ctx));
            guest_resume(g, domid);
            return;
        }
        rc = libxl_domain_destroy(g->libxl, domid, NULL);
        if (rc)
            guest_error(g, "cannot destroy domain %u (rc %d): its image is"
                        " the guest now, do not let it run", domid, rc);
        return;
    }
    if (g->call->options & SAVE_PAUSED) {
        rc = libxl_domain_pause(g->libxl, domid, NULL);
        if (rc)
            guest_error(g, "cannot pause domain %u (rc %d): it goes on"
                        " running, and its image is only a copy", domid,
                        rc);
    }
    rc = guest_resume(g, domid);
    if (rc)
        guest_error(g, "cannot let domain %u go on (rc %d)", domid, rc);
}

static int save(struct guest *g, uint32_t domid, const char *file)
{
    libxl_ext_save_params params;
    struct image im = { .fd = -1 };
    int r = -1;

    libxl_ext_save_params_init(&params);
    params.live = g->call->options & SAVE_LIVE;
    params.verify = g->call->options & SAVE_VERIFY;
    if (carrier_of(g, &params) || image_open(g, &im, file) ||
        write_header(g, &im, domid))
        goto out;
    guest_can_cancel();
    r = libxl_ext_domain_save(g->ctx, domid, im.fd, &params, g->op);
    if (r) {
        guest_error(g, "%s", libxl_ext_op_error(g->op));
        goto out;
    }
    r = image_keep(g, &im);
    if (r) {
        if (guest_resume(g, domid))
            guest_error(g, "cannot let domain %u go on", domid);
        goto out;
    }
    g->outcome.file = strdup(file);
    end_guest(g, domid);

 out:
    image_close(&im);
    libxl_ext_save_params_dispose(&params);
    return r;
}

static int run_save(const struct command_call *call)
{
    bool json = call->options & SAVE_JSON;
    struct guest g;
    uint32_t domid;

    if (guest_open(&g, call, call->options & SAVE_VERBOSE, json))
        return guest_close(&g);
    if (json && !strcmp(call->args[1], "-")) {
        guest_error(&g, "--json and an image on standard output exclude"
                    " each other");
    } else if (libxl_ext_domain_find(g.ctx, call->args[0], &domid)) {
        guest_error(&g, "%s", libxl_ext_error(g.ctx));
    } else {
        g.outcome.guest = libxl_domid_to_name(g.libxl, domid);
        save(&g, domid, call->args[1]);
        guest_look(&g, domid);
    }
    return guest_close(&g);
}

const struct command save_commands[] = {
    { NULL, "save", "DOMAIN FILE|-", 2,
      "write a guest to a file and destroy it",
      { { "-c", NULL, "checkpoint: the guest goes on running" },
        { "-p", NULL, "the guest stays, paused" },
        { "-D", NULL, "keep the domain's id in the image" },
        { "--live", NULL, "let the guest run while most pages are"
          " written" },
        { "--verify", NULL, "write every page once more at the end, for"
          " tests" },
        { "--json", NULL, "the outcome as one JSON object" },
        { "-v", NULL, "show what libxl says" },
        { "--carrier", "WHERE", "of the memory record: auto, libxc, libxl"
          " or both" } },
      run_save, 0, 0 },
    { 0 }
};
