/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The guardian is two processes: one guards the domain (watch.c), the
 * other only waits for it and starts it anew should it be killed, so that
 * no single kill leaves a backend frozen.  The journal and the socket to
 * the helper, which both hold, tell the new one all that it must know.
 * Killed itself, the waiting one is not missed.
 *
 * systemd sends SIGTERM to all of a unit when its first process has ended
 * or it is stopped: to `xl save -c` a moment after the guest runs again,
 * or to xl, helper and guardian at once.  That is just when the guardian
 * is needed, so both processes only note it, and decide.h says when they
 * end.  What they start has no such handler (lxe__program_clean()).
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"
#include "guardian/guardian.h"

/* What dies so often dies of something that a new one has, too. */
#define DEATHS_MAX 5
#define PAUSE_MS   200

static volatile sig_atomic_t told;

static void on_signal(int number)
{
    told = number;
}

int guard_told(void)
{
    return told;
}

/* A terminal's, too: whoever sends one means all of the group. */
static void note_signals(void)
{
    static const int ending[] = { SIGTERM, SIGHUP, SIGINT, SIGQUIT };
    struct sigaction sa = { .sa_handler = on_signal,
                            .sa_flags = SA_RESTART };
    size_t i;

    for (i = 0; i < sizeof(ending) / sizeof(ending[0]); i++)
        sigaction(ending[i], &sa, NULL);
}

int guard_domain(uint32_t domid)
{
    /* Before anything is opened, which could get the same number. */
    bool caller_known = fcntl(GUARD_FD_CALLER, F_GETFD) >= 0;
    bool toolstack_known = fcntl(GUARD_FD_TOOLSTACK, F_GETFD) >= 0;
    unsigned deaths = 0;
    int status;
    pid_t pid;

    note_signals();
    openlog("libxl-ext-guardian", LOG_PID, LOG_DAEMON);
    for (;;) {
        pid = fork();
        /* One alone is better than none. */
        if (pid <= 0)
            return guard_work(domid, caller_known, toolstack_known,
                              deaths);
        while (waitpid(pid, &status, 0) < 0)
            if (errno != EINTR)
                return 1;
        if (WIFEXITED(status))
            return WEXITSTATUS(status);
        syslog(LOG_WARNING, "domain %u: the guardian was killed by signal"
               " %d (death %u of at most %u)", domid, WTERMSIG(status),
               ++deaths, DEATHS_MAX);
        if (deaths == DEATHS_MAX)
            return 1;
        /* A fault is injected once. */
        unsetenv(LXE_FAULT_ENV);
        lxe__sleep_ms(PAUSE_MS);
    }
}
