/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * embedder CASE FILE
 *
 * A program that embeds the library and saves domain 5 to FILE, or
 * restores it from there, in the circumstances that CASE names; prints
 * "RC|LINE|BYTES|MS": the result, libxl_ext_op_error(), the octets that
 * the result tells of, the time that it took.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <libxl.h>
#include <libxl_ext.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include <xentoollog.h>

#define DESCRIPTORS 64          /* as many as "no-descriptors" may have */

static libxl_ext_ctx *ctx;
static libxl_ext_op *op;
static const char *what;

static bool is(const char *name)
{
    return !strcmp(what, name);
}

static void check(bool good)
{
    if (!good)
        abort();
}

static long now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000L + t.tv_nsec / 1000000;
}

/* A worker that keeps what it inherited, as without exec(2) they do. */
static void fork_worker(void)
{
    static bool done;

    if (!done && !fork()) {
        sleep(10);
        _exit(0);
    }
    done = true;
}

static void progress(const libxl_ext_progress *p, void *user)
{
    (void)user;
    if (is("fork"))
        fork_worker();
    if (is("callback-cancels") && p->round > 1)
        libxl_ext_op_cancel(op);
}

static void *cancel_soon(void *arg)
{
    (void)arg;
    usleep(300 * 1000);
    libxl_ext_op_cancel(op);
    return NULL;
}

/* Before the helper, which test_embedder.py has made slow, is there. */
static void *take_descriptors(void *arg)
{
    (void)arg;
    usleep(300 * 1000);
    while (dup(STDOUT_FILENO) >= 0)
        ;
    return NULL;
}

static void set_limit(int resource, rlim_t value)
{
    struct rlimit limit = { value, value };

    check(!setrlimit(resource, &limit));
}

static void start(void *(*run)(void *))
{
    pthread_t thread;

    check(!pthread_create(&thread, NULL, run, NULL));
    pthread_detach(thread);
}

static int open_stream(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC |
                  (is("append") ? O_APPEND : 0), 0600);

    check(fd >= 0);
    return fd;
}

static void prepare(void)
{
    if (is("thread-cancels"))
        start(cancel_soon);
    if (is("no-descriptors")) {
        set_limit(RLIMIT_NOFILE, DESCRIPTORS);
        start(take_descriptors);
    }
    if (is("file-size"))
        set_limit(RLIMIT_FSIZE, 20000);
    if (is("closed")) {
        close(STDIN_FILENO);
        close(STDERR_FILENO);
    }
    if (is("ignored"))
        signal(SIGCHLD, SIG_IGN);
}

/* What feeds the pipe ends with it. */
static int through_a_pipe(int file)
{
    char octets[4096];
    ssize_t n;
    int fds[2];

    check(!pipe(fds));
    if (!fork()) {
        close(fds[0]);
        while ((n = read(file, octets, sizeof(octets))) > 0)
            check(write(fds[1], octets, n) == n);
        _exit(0);
    }
    close(fds[1]);
    return fds[0];
}

static int restore(const char *path)
{
    libxl_domain_config config;
    int fd = open(path, O_RDONLY | O_CLOEXEC), rc;
    uint32_t domid;

    check(fd >= 0);
    libxl_domain_config_init(&config);
    config.c_info.name = strdup("web");
    config.c_info.uuid.uuid[15] = 5;
    rc = libxl_ext_domain_restore(ctx, &config, is("restore-pipe") ?
                                  through_a_pipe(fd) : fd, &domid, op);
    check(rc || domid == 5);
    libxl_domain_config_dispose(&config);
    return rc;
}

static int save(const char *path)
{
    return libxl_ext_domain_save(ctx, is("domain-0") ? 0 : 5,
                                 open_stream(path), NULL, op);
}

int main(int argc, char **argv)
{
    xentoollog_logger *lg = NULL;
    libxl_ctx *libxl = NULL;
    const char *line;
    long begin;
    int rc;

    check(argc == 3);
    what = argv[1];
    if (is("logs"))
        lg = (xentoollog_logger *)xtl_createlogger_stdiostream(
            stderr, XTL_ERROR, 0);
    op = libxl_ext_op_alloc(progress, NULL);
    check(op && !libxl_ctx_alloc(&libxl, LIBXL_VERSION, 0, NULL) &&
          !libxl_ext_ctx_alloc(&ctx, LIBXL_EXT_VERSION, libxl, lg));
    prepare();
    begin = now_ms();
    rc = strncmp(what, "restore", 7) ? save(argv[2]) : restore(argv[2]);
    line = libxl_ext_op_error(op);
    printf("%d|%s|%llu|%ld\n", rc, line ? line : "",
           (unsigned long long)libxl_ext_op_result(op)->bytes,
           now_ms() - begin);
    libxl_ext_op_free(op);
    libxl_ext_ctx_free(ctx);
    libxl_ctx_free(libxl);
    return 0;
}
