/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * client CALL
 *
 * Calls the library as its users may; prints "RC|LINE", where LINE is
 * what the context has to say of it, and "|MS", the time that it took,
 * in ms.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <libxl.h>
#include <libxl_ext.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define DOMID 5
#define MUCH  (200 * 1024)      /* a pipe has room for 64 KiB */

static libxl_ext_ctx *ctx;
static libxl_ext_op *op;

static int save_cancelled(void)
{
    libxl_ext_op_cancel(op);
    return libxl_ext_domain_save(ctx, DOMID, STDOUT_FILENO, NULL, op);
}

static int restore_cancelled(void)
{
    libxl_domain_config config;
    uint32_t domid;
    int rc;

    libxl_domain_config_init(&config);
    config.c_info.name = strdup("web");
    libxl_ext_op_cancel(op);
    rc = libxl_ext_domain_restore(ctx, &config, STDIN_FILENO, &domid, op);
    libxl_domain_config_dispose(&config);
    return rc;
}

static int migrate_nowhere(void)
{
    libxl_ext_migrate_end end;

    return libxl_ext_domain_migrate(ctx, DOMID, "{}", -1, -1, NULL, op,
                                    &end);
}

/* Xen restarts the machine when it suspends. */
static int save_control(void)
{
    return libxl_ext_domain_save(ctx, 0, STDOUT_FILENO, NULL, op);
}

static int migrate(uint32_t domid, uint32_t timeout)
{
    libxl_ext_migrate_params params;
    libxl_ext_migrate_end end;
    int fds[2], rc;

    libxl_ext_migrate_params_init(&params);
    params.timeout = timeout;
    if (pipe(fds))
        return 1;
    rc = libxl_ext_domain_migrate(ctx, domid, "{}", fds[1], fds[0],
                                  &params, op, &end);
    libxl_ext_migrate_params_dispose(&params);
    return rc;
}

static int migrate_impatient(void)
{
    return migrate(DOMID, 99);
}

static int migrate_control(void)
{
    return migrate(0, 3600000);
}

static int migrate_nobody(void)
{
    return migrate(77777, 3600000);
}

/* This process never hears how a child of its own ended. */
static int freeze_childless(void)
{
    libxl_ext_freeze_report report;

    signal(SIGCHLD, SIG_IGN);
    return libxl_ext_freeze(ctx, DOMID, NULL, &report);
}

/* Another thread cancels what is under way by then. */
#define SOON_MS 500

static void *cancel_soon(void *arg)
{
    (void)arg;
    usleep(SOON_MS * 1000);
    libxl_ext_op_cancel(op);
    return NULL;
}

static int start_cancel(void)
{
    pthread_t thread;

    return pthread_create(&thread, NULL, cancel_soon, NULL) ||
        pthread_detach(thread);
}

static int freeze_cancelled(void)
{
    libxl_ext_freeze_report report;

    return start_cancel() ? 1 : libxl_ext_freeze(ctx, DOMID, op, &report);
}

/* Has what is open by then, and lives on; nobody waits for its output. */
static void *fork_soon(void *arg)
{
    int fd;

    (void)arg;
    usleep(SOON_MS * 1000);
    if (!fork()) {
        for (fd = 0; fd <= STDERR_FILENO; fd++)
            close(fd);
        sleep(20);
        _exit(0);
    }
    return NULL;
}

/* Another thread forks a worker meanwhile; this process lives on, too. */
static int freeze_forked(void)
{
    libxl_ext_freeze_report report;
    pthread_t thread;
    int rc;

    if (pthread_create(&thread, NULL, fork_soon, NULL) ||
        pthread_detach(thread))
        return 1;
    rc = libxl_ext_freeze(ctx, DOMID, NULL, &report);
    printf("%d\n", rc);
    fflush(stdout);
    pause();
    return rc;
}

static int thaw_cancelled(void)
{
    return start_cancel() ? 1 : libxl_ext_thaw(ctx, DOMID, false, op);
}

/* A libxl_ext_op that has served already. */
static int save_again(void)
{
    int rc = save_cancelled();

    return rc == ERROR_ABORTED ?
        libxl_ext_domain_save(ctx, DOMID, STDOUT_FILENO, NULL, op) : rc;
}

/* Through a pipe that does not wait, with an end that is late. */
static int header(void)
{
    char *config = malloc(MUCH + 1), *got = NULL;
    int fds[2], rc;

    if (!config || pipe2(fds, O_NONBLOCK))
        return 1;
    memset(config, ' ', MUCH);
    config[MUCH] = '\0';
    if (!fork()) {
        usleep(200 * 1000);
        rc = libxl_ext_header_write(ctx, fds[1], config, NULL);
        _exit(rc ? 1 : 0);
    }
    close(fds[1]);
    rc = libxl_ext_header_read(ctx, fds[0], NULL, &got);
    if (!rc && strcmp(got, config))
        rc = 1;
    free(config);
    free(got);
    return rc;
}

/* What stands in the pipe has no end, and no more comes. */
static int header_read_cancelled(void)
{
    char *config;
    int fds[2];

    if (pipe(fds) || write(fds[1], "Xen save", 8) != 8 || start_cancel())
        return 1;
    return libxl_ext_header_read(ctx, fds[0], op, &config);
}

/* The same the other way round. */
static int header_write_cancelled(void)
{
    char *config = malloc(MUCH + 1);
    int fds[2], rc;

    if (!config || pipe(fds) || start_cancel())
        return 1;
    memset(config, ' ', MUCH);
    config[MUCH] = '\0';
    rc = libxl_ext_header_write(ctx, fds[1], config, op);
    free(config);
    return rc;
}

/* A peer that does not even greet. */
static int precheck_cancelled(void)
{
    libxl_ext_migrate_answer answer;
    libxl_ext_peer_kind peer;
    int fds[2];

    if (pipe(fds) || start_cancel())
        return 1;
    return libxl_ext_domain_precheck(ctx, DOMID, "{}", fds[1], fds[0],
                                     NULL, op, &peer, &answer);
}

/* Of a guest that has a name of one that is here. */
static int receive_name_taken(void)
{
    static const char offer[] = "{\"version\": \"0\", \"name\": \"web\","
        " \"dry_run\": false, \"config\": \"{}\", \"limits\": {\"uuid\":"
        " \"00000000-0000-0000-0000-000000000009\", \"max_pages\": 1000,"
        " \"tot_pages\": 1000, \"stock_max_kb\": 5000}}";
    const uint32_t head[2] = { 'O', sizeof(offer) - 1 };
    int in[2], out[2];
    uint32_t domid;
    char *config;

    if (pipe(in) || pipe(out) ||
        write(in[1], head, sizeof(head)) != sizeof(head) ||
        write(in[1], offer, sizeof(offer) - 1) != sizeof(offer) - 1)
        return 1;
    return libxl_ext_domain_receive(ctx, in[0], out[1], NULL, op, &domid,
                                    &config);
}

/* Its receiver does not end; the test holds its lock. */
static int ask_cancelled(void)
{
    static const uint8_t uuid[16] = { 1 };
    bool runs;

    return start_cancel() ? 1 : libxl_ext_domain_ask(ctx, uuid, 0, 60000,
                                                     op, &runs);
}

/* Of domain 5, which would be destroyed or let run. */
static int ask_cancelled_before(void)
{
    static const uint8_t uuid[16] = { [15] = 5 };
    bool runs;

    libxl_ext_op_cancel(op);
    return libxl_ext_domain_ask(ctx, uuid, 0, 60000, op, &runs);
}

static const struct {
    const char *name;
    int (*call)(void);
} calls[] = {
    { "save-cancelled", save_cancelled },
    { "save-again", save_again },
    { "restore-cancelled", restore_cancelled },
    { "migrate-nowhere", migrate_nowhere },
    { "save-control", save_control },
    { "migrate-control", migrate_control },
    { "migrate-impatient", migrate_impatient },
    { "migrate-nobody", migrate_nobody },
    { "receive-name-taken", receive_name_taken },
    { "freeze-childless", freeze_childless },
    { "freeze-cancelled", freeze_cancelled },
    { "freeze-forked", freeze_forked },
    { "thaw-cancelled", thaw_cancelled },
    { "header", header },
    { "header-read-cancelled", header_read_cancelled },
    { "header-write-cancelled", header_write_cancelled },
    { "precheck-cancelled", precheck_cancelled },
    { "ask-cancelled", ask_cancelled },
    { "ask-cancelled-before", ask_cancelled_before },
};

static long now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000L + t.tv_nsec / 1000000;
}

int main(int argc, char **argv)
{
    libxl_ctx *libxl = NULL;
    long start = now_ms();
    size_t i;
    int rc;

    op = libxl_ext_op_alloc(NULL, NULL);
    if (argc != 2 || !op ||
        libxl_ctx_alloc(&libxl, LIBXL_VERSION, 0, NULL) ||
        libxl_ext_ctx_alloc(&ctx, LIBXL_EXT_VERSION, libxl, NULL))
        return 2;
    for (i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        if (strcmp(calls[i].name, argv[1]))
            continue;
        rc = calls[i].call();
        printf("%d|%s|%ld\n", rc, libxl_ext_error(ctx), now_ms() - start);
    }
    libxl_ext_op_free(op);
    libxl_ext_ctx_free(ctx);
    libxl_ctx_free(libxl);
    return 0;
}
