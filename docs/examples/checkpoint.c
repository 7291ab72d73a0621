/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Writes a copy of a running domain to a file, with progress, and lets it
 * go on; Ctrl-C ends it, and the guest runs on as well.  An example for
 * libxlext; build it with
 *
 *   cc -o checkpoint checkpoint.c \
 *       $(pkg-config --cflags --libs xlext xenlight xentoollog)
 */
#include <fcntl.h>
#include <inttypes.h>
#include <libxl.h>
#include <libxl_ext.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static libxl_ext_op *op;

static void on_interrupt(int number)
{
    (void)number;
    libxl_ext_op_cancel(op);
}

static void show(const libxl_ext_progress *p, void *user)
{
    (void)user;
    fprintf(stderr, "\r%s, round %" PRIu32 ", %" PRIu64 " of %" PRIu64
            " pages  ", libxl_ext_phase_to_string(p->phase), p->round,
            p->done_pages, p->total_pages);
}

/*
 * 0, or a code of libxl with the line said.  *whole: @fd has an image
 * that can be restored, whatever became of the guest after it.
 */
static int copy(libxl_ctx *libxl, libxl_ext_ctx *ctx, uint32_t domid,
                int fd, bool *whole)
{
    libxl_ext_save_params params;
    libxl_domain_config config;
    char *json;
    int rc;

    libxl_domain_config_init(&config);
    rc = libxl_retrieve_domain_configuration(libxl, domid, &config, NULL);
    json = rc ? NULL : libxl_domain_config_to_json(libxl, &config);
    libxl_domain_config_dispose(&config);
    if (!json)
        return rc ? rc : ERROR_NOMEM;
    rc = libxl_ext_header_write(ctx, fd, json, op);
    free(json);
    if (rc)
        return rc;
    libxl_ext_save_params_init(&params);
    params.live = true;
    rc = libxl_ext_domain_save(ctx, domid, fd, &params, op);
    libxl_ext_save_params_dispose(&params);
    if (rc) {
        fprintf(stderr, "\n%s\n", libxl_ext_op_error(op));
        return rc;
    }
    *whole = true;
    fprintf(stderr, "\nthe guest stood still for %" PRIu64 " us, of which"
            " %" PRIu64 " us to freeze its backends\n",
            libxl_ext_op_result(op)->stop.suspend_us +
            libxl_ext_op_result(op)->stop.freeze_us +
            libxl_ext_op_result(op)->stop.last_pass_us +
            libxl_ext_op_result(op)->stop.emulator_us,
            libxl_ext_op_result(op)->stop.freeze_us);
    rc = libxl_domain_resume(libxl, domid, 1, NULL);
    if (rc)
        fprintf(stderr, "the copy is whole, but the guest could not be"
                " resumed (rc %d)\n", rc);
    return rc;
}

/* 0 where what was written is on the disk; some only say so here. */
static int put_down(int fd, const char *path)
{
    int r = fsync(fd);

    if (r)
        perror(path);
    if (close(fd) && !r) {
        perror(path);
        r = -1;
    }
    return r;
}

int main(int argc, char **argv)
{
    xentoollog_logger *lg;
    libxl_ctx *libxl = NULL;
    libxl_ext_ctx *ctx = NULL;
    bool whole = false;
    uint32_t domid;
    int fd, rc = 1;

    if (argc != 3) {
        fprintf(stderr, "usage: checkpoint DOMAIN FILE\n");
        return 1;
    }
    lg = (xentoollog_logger *)
        xtl_createlogger_stdiostream(stderr, XTL_WARN, 0);
    op = libxl_ext_op_alloc(show, NULL);
    fd = open(argv[2], O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (lg && op && fd >= 0 &&
        !libxl_ctx_alloc(&libxl, LIBXL_VERSION, 0, lg) &&
        !libxl_ext_ctx_alloc(&ctx, LIBXL_EXT_VERSION, libxl, lg) &&
        !libxl_ext_domain_find(ctx, argv[1], &domid)) {
        signal(SIGINT, on_interrupt);
        rc = copy(libxl, ctx, domid, fd, &whole);
    }
    if (fd < 0) {
        perror(argv[2]);
    } else if (put_down(fd, argv[2]) && !rc) {
        /* The guest runs, so nothing is lost with it. */
        whole = false;
        rc = 1;
    }
    if (fd >= 0 && !whole)
        unlink(argv[2]);
    /* It would be told to an op that is gone. */
    signal(SIGINT, SIG_IGN);
    libxl_ext_op_free(op);
    libxl_ext_ctx_free(ctx);
    if (libxl)
        libxl_ctx_free(libxl);
    if (lg)
        xtl_logger_destroy(lg);
    return rc ? 1 : 0;
}
