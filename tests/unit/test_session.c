/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What library and helper say to each other, where they meet, and the
 * lock of an operation.  Both ends are here; a child plays the helper,
 * since it is looked for by its parent's pid.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/rundir.h"
#include "session/lock.h"
#include "session/message.h"
#include "session/place.h"
#include "unit.h"

static const uint8_t uuid[16] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 };
static char run[] = "/tmp/lxe-session-XXXXXX";

static void run_begin(void)
{
    strcpy(run, "/tmp/lxe-session-XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(run));
    setenv(LXE_RUNDIR_ENV, run, 1);
}

/* What a test leaves there, rmdir() would refuse. */
static void run_end(void)
{
    unsetenv(LXE_RUNDIR_ENV);
    CU_ASSERT_EQUAL(rmdir(run), 0);
}

static void pair(int s[2])
{
    CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s), 0);
}

static void message_comes_as_it_was_sent(void)
{
    struct lxe__session_msg m;
    struct lxe__err err;
    int s[2], null = open("/dev/null", O_RDONLY);

    lxe__err_init(&err);
    pair(s);
    CU_ASSERT_EQUAL(lxe__session_send(s[0], LXE_SESSION_GO, 7, "body", 4,
                                      null), 0);
    CU_ASSERT_EQUAL(lxe__session_send(s[0], LXE_SESSION_RESULT, 0, NULL, 0,
                                      -1), 0);
    CU_ASSERT_EQUAL_FATAL(lxe__session_recv(s[1], &m, &err), 1);
    CU_ASSERT_EQUAL(m.kind, LXE_SESSION_GO);
    CU_ASSERT_EQUAL(m.arg, 7);
    CU_ASSERT_EQUAL(m.len, 4);
    CU_ASSERT_STRING_EQUAL(m.body, "body");
    CU_ASSERT(m.fd >= 0 && m.fd != null);
    CU_ASSERT(fcntl(m.fd, F_GETFD) & FD_CLOEXEC);
    lxe__session_msg_dispose(&m);
    CU_ASSERT_EQUAL_FATAL(lxe__session_recv(s[1], &m, &err), 1);
    CU_ASSERT_EQUAL(m.len, 0);
    CU_ASSERT_EQUAL(m.fd, -1);
    lxe__session_msg_dispose(&m);
    close(s[0]);
    CU_ASSERT_EQUAL(lxe__session_recv(s[1], &m, &err), 0);
    CU_ASSERT_EQUAL(err.code, 0);
    close(s[1]);
    close(null);
}

static void refuse(const void *datagram, size_t len, const char *says)
{
    struct lxe__session_msg m;
    struct lxe__err err;
    int s[2];

    lxe__err_init(&err);
    pair(s);
    CU_ASSERT_EQUAL_FATAL(send(s[0], datagram, len, 0), (ssize_t)len);
    CU_ASSERT_EQUAL(lxe__session_recv(s[1], &m, &err), -1);
    CU_ASSERT_EQUAL(err.code, EPROTO);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, says));
    close(s[0]);
    close(s[1]);
}

static void nonsense_is_refused(void)
{
    /* magic, version and kind, arg, length of the body */
    const uint32_t good[] = { 0x534c5845, 0x00050001, 0, 0 };
    uint32_t bad[5];
    size_t n;

    for (n = 1; n < sizeof(good); n++)
        refuse(good, n, "no message of libxl-ext");
    memcpy(bad, good, sizeof(good));
    bad[0]++;
    refuse(bad, sizeof(good), "no message of libxl-ext");
    memcpy(bad, good, sizeof(good));
    bad[1]++;
    refuse(bad, sizeof(good), "version 2 is not 1");
    memcpy(bad, good, sizeof(good));
    bad[3] = 4;
    refuse(bad, sizeof(good), "cut");
    bad[3] = 0;
    refuse(bad, sizeof(bad), "cut");
}

static int count_open(void)
{
    int fd, n = 0;

    for (fd = 0; fd < 64; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

/* One with @nr descriptors is one without, and none of them stays. */
static void receive_descriptors(int nr)
{
    const uint32_t go[] = { 0x534c5845, 0x00030001, 0, 0 };
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(3 * sizeof(int))];
    } c = { .bytes = { 0 } };
    struct iovec iov = { (void *)(uintptr_t)go, sizeof(go) };
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &c,
        .msg_controllen = CMSG_SPACE(nr * sizeof(int)),
    };
    const int fds[3] = { STDERR_FILENO, STDERR_FILENO, STDERR_FILENO };
    struct lxe__session_msg m;
    struct lxe__err err;
    int s[2], before;

    lxe__err_init(&err);
    pair(s);
    c.align.cmsg_level = SOL_SOCKET;
    c.align.cmsg_type = SCM_RIGHTS;
    c.align.cmsg_len = CMSG_LEN(nr * sizeof(int));
    memcpy(CMSG_DATA(&c.align), fds, nr * sizeof(int));
    CU_ASSERT_EQUAL_FATAL(sendmsg(s[0], &msg, 0), (ssize_t)sizeof(go));
    before = count_open();
    CU_ASSERT_EQUAL_FATAL(lxe__session_recv(s[1], &m, &err), 1);
    CU_ASSERT_EQUAL(m.fd, -1);
    lxe__session_msg_dispose(&m);
    CU_ASSERT_EQUAL(count_open(), before);
    close(s[0]);
    close(s[1]);
}

static void several_descriptors_are_none(void)
{
    receive_descriptors(2);
    receive_descriptors(3);
}

static void message_is_bounded(void)
{
    static char big[LXE_SESSION_MAX + 1];
    int s[2];

    pair(s);
    CU_ASSERT_EQUAL(lxe__session_send(s[0], LXE_SESSION_RESULT, 0, big,
                                      sizeof(big), -1), -1);
    CU_ASSERT_EQUAL(errno, EMSGSIZE);
    close(s[0]);
    close(s[1]);
}

/* In a child; its exit status is what lxe__session_find() found. */
static int found(enum lxe__session_op op, const uint8_t id[16])
{
    struct lxe__err err;
    int status, r;
    pid_t pid = fork();

    CU_ASSERT_FATAL(pid >= 0);
    if (!pid) {
        lxe__err_init(&err);
        r = lxe__session_find(op, id, &err);
        _exit(r >= 0 ? 1 : r == -1 ? 0 : 2);
    }
    CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
    return WEXITSTATUS(status);
}

static void helper_finds_its_own_caller(void)
{
    static const uint8_t other[16] = { 9 };
    struct sockaddr_un where, again;
    struct lxe__err err;
    int sock, conn, pid;

    run_begin();
    CU_ASSERT_EQUAL(found(LXE_SESSION_SAVE, uuid), 0);
    lxe__err_init(&err);
    sock = lxe__session_listen(LXE_SESSION_SAVE, uuid, &where, &err);
    CU_ASSERT_FATAL(sock >= 0);
    CU_ASSERT_EQUAL(found(LXE_SESSION_RESTORE, uuid), 0);
    CU_ASSERT_EQUAL(found(LXE_SESSION_SAVE, other), 0);
    CU_ASSERT_EQUAL(found(LXE_SESSION_SAVE, uuid), 1);
    conn = lxe__session_accept(sock, &pid, &err);
    CU_ASSERT(conn >= 0);
    CU_ASSERT(pid > 0 && pid != getpid());
    close(conn);
    CU_ASSERT_EQUAL(lxe__session_listen(LXE_SESSION_SAVE, uuid, &again,
                                        &err), -1);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, "under way already"));
    lxe__session_unlisten(sock, &where);
    run_end();
}

/* In a child: -1 where all of @nr more are told so, else which is not. */
static int listen_again(int nr)
{
    struct sockaddr_un where, again;
    struct lxe__err err;
    int sock, i;

    lxe__err_init(&err);
    sock = lxe__session_listen(LXE_SESSION_RESTORE, uuid, &where, &err);
    for (i = 0; sock >= 0 && i < nr; i++) {
        alarm(1);
        lxe__err_init(&err);
        if (lxe__session_listen(LXE_SESSION_RESTORE, uuid, &again,
                                &err) != -1 || err.code != EBUSY)
            return i;
    }
    alarm(0);
    lxe__session_unlisten(sock, &where);
    return sock < 0 ? nr : -1;
}

/* More than the first one's queue has room for, and it never looks. */
static void nobody_waits_who_listens_in_vain(void)
{
    int status;
    pid_t pid;

    run_begin();
    pid = fork();
    CU_ASSERT_FATAL(pid >= 0);
    if (!pid)
        _exit(listen_again(4) == -1 ? 0 : 1);
    CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
    CU_ASSERT_EQUAL(status, 0);
    run_end();
}

/* It was there ahead of the helper, which is taken all the same. */
static void who_listens_in_vain_is_no_helper(void)
{
    struct sockaddr_un where, again;
    int sock, conn, pid = 0;
    struct lxe__err err;

    run_begin();
    lxe__err_init(&err);
    sock = lxe__session_listen(LXE_SESSION_SAVE, uuid, &where, &err);
    CU_ASSERT_FATAL(sock >= 0);
    CU_ASSERT_EQUAL(lxe__session_listen(LXE_SESSION_SAVE, uuid, &again,
                                        &err), -1);
    CU_ASSERT_EQUAL(found(LXE_SESSION_SAVE, uuid), 1);
    CU_ASSERT_EQUAL(lxe__session_accept(sock, &pid, &err), -1);
    CU_ASSERT_EQUAL(errno, EAGAIN);
    conn = lxe__session_accept(sock, &pid, &err);
    CU_ASSERT(conn >= 0 && pid > 0 && pid != getpid());
    close(conn);
    lxe__session_unlisten(sock, &where);
    run_end();
}

/* A process of the same pid died here with its socket bound. */
static void stale_socket_is_nobody(void)
{
    struct sockaddr_un where;
    struct lxe__err err;
    int sock;

    run_begin();
    lxe__err_init(&err);
    sock = lxe__session_listen(LXE_SESSION_SAVE, uuid, &where, &err);
    CU_ASSERT_FATAL(sock >= 0);
    close(sock);
    CU_ASSERT_EQUAL(access(where.sun_path, F_OK), 0);
    sock = lxe__session_listen(LXE_SESSION_SAVE, uuid, &where, &err);
    CU_ASSERT_FATAL(sock >= 0);
    close(sock);
    CU_ASSERT_EQUAL(found(LXE_SESSION_SAVE, uuid), 0);
    CU_ASSERT_NOT_EQUAL(access(where.sun_path, F_OK), 0);
    run_end();
}

static void second_operation_is_refused_and_told_why(void)
{
    struct lxe__err err;
    char says[64];
    int fd, again;

    run_begin();
    lxe__err_init(&err);
    fd = lxe__operation_lock(5, "save", getpid(), &err);
    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(lxe__operation_lock(5, "migrate", getpid(), &err), -1);
    CU_ASSERT_EQUAL(err.code, EBUSY);
    snprintf(says, sizeof(says), "migrate: domain 5: a save by process %d"
             " (", getpid());
    CU_ASSERT_PTR_NOT_NULL(strstr(err.msg, says));
    lxe__err_init(&err);
    again = lxe__operation_lock(6, "save", getpid(), &err);
    CU_ASSERT(again >= 0);
    lxe__operation_unlock(again, 6);
    lxe__operation_unlock(fd, 5);
    fd = lxe__operation_lock(5, "save", getpid(), &err);
    CU_ASSERT(fd >= 0);
    lxe__operation_unlock(fd, 5);
    run_end();
}

static void dead_holder_holds_nothing(void)
{
    struct lxe__err err;
    int fd, ready[2];
    char c;
    pid_t pid;

    run_begin();
    lxe__err_init(&err);
    CU_ASSERT_EQUAL_FATAL(pipe(ready), 0);
    pid = fork();
    CU_ASSERT_FATAL(pid >= 0);
    if (!pid) {
        c = lxe__operation_lock(5, "save", getpid(), &err) < 0;
        if (write(ready[1], &c, 1) == 1)
            pause();
        _exit(1);
    }
    CU_ASSERT_EQUAL_FATAL(read(ready[0], &c, 1), 1);
    CU_ASSERT_EQUAL(c, 0);
    CU_ASSERT_EQUAL(lxe__operation_lock(5, "save", getpid(), &err), -1);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    lxe__err_init(&err);
    fd = lxe__operation_lock(5, "save", getpid(), &err);
    CU_ASSERT(fd >= 0);
    lxe__operation_unlock(fd, 5);
    close(ready[0]);
    close(ready[1]);
    run_end();
}

LXE_SUITE(session,
    { "message comes as it was sent", message_comes_as_it_was_sent },
    { "nonsense is refused", nonsense_is_refused },
    { "several descriptors are none, and closed",
      several_descriptors_are_none },
    { "message is bounded", message_is_bounded },
    { "helper finds its own caller", helper_finds_its_own_caller },
    { "nobody waits who listens in vain",
      nobody_waits_who_listens_in_vain },
    { "who listens in vain is no helper",
      who_listens_in_vain_is_no_helper },
    { "stale socket is nobody", stale_socket_is_nobody },
    { "second operation is refused and told why",
      second_operation_is_refused_and_told_why },
    { "dead holder holds nothing", dead_holder_holds_nothing })
