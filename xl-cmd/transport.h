/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The way to another host: a command with two pipes, ssh unless told
 * otherwise, as "xl migrate" has it.
 */
#ifndef XL_CMD_TRANSPORT_H
#define XL_CMD_TRANSPORT_H

#include <signal.h>
#include <sys/types.h>

/* A link that is cut would else be noticed when TCP gives up, after a
   quarter of an hour. */
#define TRANSPORT_SSH "ssh -o ServerAliveInterval=10"                   \
                      " -o ServerAliveCountMax=3"

struct transport {
    pid_t pid;                  /* -1: none */
    int to, from;
};

/*
 * Runs @shell (NULL: TRANSPORT_SSH) with @host and @remote after it,
 * quoted for a shell that hears them (@shell of "": @host is the command
 * itself, as with "xl migrate -s ''").  0, or -1 with errno.
 */
int transport_open(struct transport *t, const char *shell,
                   const char *host, const char *remote);

/* What is run so, for messages. */
const char *transport_name(const char *shell, const char *host);

/*
 * Reads up to @len octets, as many as come before the end.  How many, or
 * -1 with errno: ETIMEDOUT where it has not ended in @ms, ECANCELED
 * soon after *@stop was set.
 */
ssize_t transport_read(const struct transport *t, char *buf, size_t len,
                       unsigned ms, const volatile sig_atomic_t *stop);

/* Ends both pipes and waits up to @ms for the command, then kills it. */
void transport_close(struct transport *t, unsigned ms);

#endif
