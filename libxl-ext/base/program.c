/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Where the programs of this package are; see program.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/program.h"

static int look_in(const char *dir, char *path, size_t len,
                   const char *name)
{
    int r = snprintf(path, len, "%s/%s", dir, name);

    if (r < 0 || (size_t)r >= len) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return access(path, X_OK);
}

int lxe__program_find(char *path, size_t len, const char *name)
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    char *slash;

    if (n > 0) {
        self[n] = '\0';
        slash = strrchr(self, '/');
        if (slash) {
            *slash = '\0';
            if (!look_in(self, path, len, name))
                return 0;
        }
    }
    return look_in(LXE_LIBEXECDIR, path, len, name);
}

/* The copies of a child would keep locks held and streams open. */
static void close_from(int first)
{
    long max;
    int fd;

#ifdef SYS_close_range
    if (!syscall(SYS_close_range, first, ~0U, 0))
        return;
#endif
    max = sysconf(_SC_OPEN_MAX);
    for (fd = first; fd < (max > 0 ? max : 1024); fd++)
        close(fd);
}

int lxe__program_fork(void)
{
    int status = 0;
    pid_t pid = fork();

    if (!pid) {
        pid = fork();
        if (pid)
            _exit(pid < 0 ? errno : 0);
        setsid();
        return 0;
    }
    if (pid < 0)
        return -1;
    /* Where the caller has children reaped, there is no status. */
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (!status)
        return 1;
    errno = WIFEXITED(status) ? WEXITSTATUS(status) : ECHILD;
    return -1;
}

int lxe__program_clean(const int *fds, int nr)
{
    struct sigaction dfl = { .sa_handler = SIG_DFL };
    int above[LXE_PROGRAM_FDS_MAX], null, i, sig;
    sigset_t none;

    if (nr > LXE_PROGRAM_FDS_MAX)
        return -1;
    /* Out of the way first, so that no dup2 hits another. */
    for (i = 0; i < nr; i++) {
        above[i] = fcntl(fds[i], F_DUPFD, 3 + LXE_PROGRAM_FDS_MAX);
        if (above[i] < 0)
            return -1;
    }
    null = open("/dev/null", O_RDWR);
    if (null < 0)
        return -1;
    for (i = 0; i < 3 + nr; i++)
        if (dup2(i < 3 ? null : above[i - 3], i) < 0)
            return -1;
    close_from(3 + nr);
    for (sig = 1; sig < NSIG; sig++)
        sigaction(sig, &dfl, NULL);
    sigemptyset(&none);
    return sigprocmask(SIG_SETMASK, &none, NULL);
}
