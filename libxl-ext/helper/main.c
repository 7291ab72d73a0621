/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * libxl-ext-save-helper: the program in the place of libxl-save-helper.
 *
 * libxl runs it with the arguments of libxl_save_callout.c:
 *
 *   --save-domain FD BACK_FD DOMID FLAGS CBFLAGS STREAM_TYPE
 *   --restore-domain FD BACK_FD DOMID STORE_EVTCHN STORE_DOMID
 *       CONSOLE_EVTCHN CONSOLE_DOMID CBFLAGS STREAM_TYPE
 *
 * and speaks with it as protocol.h says.  Exit status 0 means that
 * libxl was told how the operation ended, well or not; anything else
 * that it was not.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/log.h"
#include "helper/helper.h"
#include "memory/domain.h"
#include "session/lock.h"

#define PROGRAM "libxl-ext-save-helper"

static int usage(FILE *to, int status)
{
    fprintf(to,
"usage: " PROGRAM " --save-domain FD BACK_FD DOMID FLAGS CBFLAGS"
" STREAM_TYPE\n"
"       " PROGRAM " --restore-domain FD BACK_FD DOMID STORE_EVTCHN\n"
"           STORE_DOMID CONSOLE_EVTCHN CONSOLE_DOMID CBFLAGS STREAM_TYPE\n"
"libxl runs this program where LIBXL_SAVE_HELPER names it; it is of no\n"
"use by hand.\n");
    return status;
}

/*----- what both operations share -----*/

/*
 * An operation of the library has locked the domain already; other users
 * of libxl have not.
 */
static int meet_caller(struct lxe__helper *h, enum lxe__session_op op,
                       struct lxe__err *err)
{
    struct lxe__domstate st;

    if (lxe__domstate_read(h->xch, h->domid, &st))
        return 0;       /* the operation itself says it better */
    if (lxe__caller_find(&h->caller, op, h->domid, st.uuid, err))
        return -1;
    if (lxe__caller_there(&h->caller) || op != LXE_SESSION_SAVE)
        return 0;
    h->lock = lxe__operation_lock(h->domid, "save", getppid(), err);
    return h->lock < 0 ? -1 : 0;
}

/*
 * A save that is refused loses nothing; a restore may be of the guest's
 * only copy (keep.h), and needs the policy for a raise only.
 */
static int load_policy(struct lxe__helper *h, enum lxe__session_op op,
                       struct lxe__err *err)
{
    if (op == LXE_SESSION_SAVE)
        return lxe__policy_load_domain(&h->policy, h->xsh, h->domid,
                                       &h->name, NULL, err);
    lxe__policy_load_domain_or_none(&h->policy, h->xsh, h->domid,
                                    &h->name);
    return 0;
}

static int helper_open(struct lxe__helper *h, enum lxe__session_op op,
                       struct lxe__err *err)
{
    h->xch = xc_interface_open(&h->proto.logger, &h->proto.logger, 0);
    if (!h->xch)
        return lxe__err_set(err, errno, "opening the hypervisor interface:"
                            " %s: this needs root in the control domain"
                            " of a running Xen", strerror(errno));
    h->xsh = xs_open(0);
    if (!h->xsh)
        return lxe__err_set(err, errno, "opening xenstore: %s: is"
                            " xenstored running?", strerror(errno));
    return load_policy(h, op, err);
}

static void helper_close(struct lxe__helper *h)
{
    lxe__keep_end(&h->keep);
    lxe__operation_unlock(h->lock, h->domid);
    lxe__caller_dispose(&h->caller);
    lxe__policy_dispose(&h->policy);
    free(h->name);
    if (h->xsh)
        xs_close(h->xsh);
    if (h->xch)
        xc_interface_close(h->xch);
}

static int finish(struct lxe__helper *h, int r)
{
    int errnoval = r ? errno : 0;

    xtl_log(&h->proto.logger, XTL_DEBUG, r ? errnoval : -1, PROGRAM,
            "complete r=%d", r);
    r = lxe__proto_complete(&h->proto, r, errnoval);
    helper_close(h);
    return r ? 1 : 0;
}

static int bad_arguments(const struct lxe__err *err)
{
    fprintf(stderr, PROGRAM ": %s\n", err->msg);
    return usage(stderr, 2);
}

/* libxl's process, which is to be heard when it asks for our end ... */
static pid_t libxl;

/*
 * ... or when it has died.  Linux says so of the thread that forked us,
 * too, and libvirt's end while libvirt goes on.
 */
static void on_death(int number)
{
    int saved = errno;

    (void)number;
    if (getppid() != libxl)
        raise(SIGTERM);
    errno = saved;
}

/*
 * A cancel comes as SIGTERM, and what a caller ignores or has blocked
 * would be so here: fork and exec keep it.  A save catches it (save.c),
 * and a restore of what would be lost with it (keep.c).
 */
static void hear_libxl(void)
{
    struct sigaction death = { .sa_handler = on_death,
                               .sa_flags = SA_RESTART };
    sigset_t set;

    libxl = getppid();
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGUSR1);
    signal(SIGTERM, SIG_DFL);
    sigaction(SIGUSR1, &death, NULL);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

/* What precedes either operation; -1 with errno, and the cause logged. */
static int begin(struct lxe__helper *h, char **argv,
                 enum lxe__session_op op, xc_stream_type_t stream_type)
{
    struct lxe__err err;
    int r;

    lxe__err_init(&err);
    r = helper_open(h, op, &err);
    if (stream_type != XC_STREAM_PLAIN) {
        lxe__err_init(&err);    /* stock opens things for itself */
        lxe__helper_exec_stock(h, argv, &err);
        r = -1;
    }
    /* Not for stock's helper, which would keep it without the handler. */
    prctl(PR_SET_PDEATHSIG, SIGUSR1);
    if (!r)
        r = meet_caller(h, op, &err);
    if (!r)
        return 0;
    lxe__caller_end(&h->caller, &err);
    LXE_ERROR(&h->proto.logger, "%s: domain %u: %s",
              op == LXE_SESSION_SAVE ? "save" : "restore", h->domid,
              err.msg);
    errno = err.code;
    return -1;
}

/*----- the two operations -----*/

static int main_save(struct lxe__helper *h, char **argv)
{
    struct lxe__save_args a;
    struct lxe__err err;
    int r;

    lxe__err_init(&err);
    if (lxe__args_save(argv + 2, h, &a, &err))
        return bad_arguments(&err);
    r = begin(h, argv, LXE_SESSION_SAVE, a.stream_type);
    return finish(h, r ? r : lxe__helper_save(h, &a));
}

/*
 * Its caller may have removed the image.  That is over when libxl hears of
 * the failure, so it comes before that.
 */
static void put_back(struct lxe__helper *h)
{
    struct lxe__err err;
    int r;

    lxe__err_init(&err);
    r = lxe__keep_put_back(&h->keep, &err);
    if (r > 0)
        LXE_WARN(&h->proto.logger, "restore: domain %u: the file that its"
                 " caller had removed was put back as %s%s%s", h->domid,
                 h->keep.path, err.code ? ": " : "", err.msg);
    else if (r)
        LXE_ERROR(&h->proto.logger, "restore: domain %u: the file that its"
                  " caller had removed was not put back as %s: %s: unless"
                  " there is another copy of the image, the guest's memory"
                  " is lost, and it can only be started anew", h->domid,
                  h->keep.path, err.msg);
}

static int main_restore(struct lxe__helper *h, char **argv)
{
    struct lxe__restore_args a;
    struct lxe__err err;
    int r, saved;

    lxe__err_init(&err);
    if (lxe__args_restore(argv + 2, h, &a, &err))
        return bad_arguments(&err);
    lxe__keep_begin(&h->keep, a.fd);
    h->stop = lxe__keep_stop();
    r = begin(h, argv, LXE_SESSION_RESTORE, a.stream_type);
    if (!r)
        r = lxe__helper_restore(h, &a);
    saved = errno;
    if (r)
        put_back(h);
    /* libxl expects results before a failure, too. */
    lxe__proto_restore_results(&h->proto, r ? 0 : a.store_gfn,
                               r ? 0 : a.console_gfn);
    errno = saved;
    return finish(h, r);
}

int main(int argc, char **argv)
{
    struct lxe__helper h;

    memset(&h, 0, sizeof(h));
    lxe__policy_init(&h.policy);
    lxe__proto_init(&h.proto, STDIN_FILENO, STDOUT_FILENO);
    lxe__caller_init(&h.caller);
    lxe__keep_init(&h.keep);
    h.lock = -1;
    hear_libxl();
    /*
     * A receiver that dies must be an EPIPE, with libxenguest's cleanup
     * after it, not the end of this process: libxl gives its children
     * the default action.
     */
    signal(SIGPIPE, SIG_IGN);
    /* And a file that may not grow any more is an EFBIG (ulimit -f). */
    signal(SIGXFSZ, SIG_IGN);

    if (argc >= 2 && !strcmp(argv[1], "--save-domain"))
        return main_save(&h, argv);
    if (argc >= 2 && !strcmp(argv[1], "--restore-domain"))
        return main_restore(&h, argv);
    if (argc == 2 && !strcmp(argv[1], "--help"))
        return usage(stdout, 0);
#ifdef LXE_DEBUG
    if (argc == 2 && !strcmp(argv[1], "--list-faults")) {
        lxe__fault_list();
        return 0;
    }
#endif
    return usage(stderr, 2);
}
