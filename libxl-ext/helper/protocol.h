/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The pipe protocol between libxl and its save helper, the helper's
 * end.
 *
 * The helper speaks on standard output and hears on standard input, in
 * the machine's own byte order.  It speaks first: a u16 that is the
 * length of what follows, then a u16 that says which message this is,
 * then the arguments.  Strings are a u32 length, which counts the final
 * NUL, and the bytes.  A message that wants a reply is answered by one
 * int.  Numbers and arguments are those of libxl_save_msgs_gen.pl and
 * have not changed from Xen 4.14 to master; bit N of the "cbflags"
 * argument says that libxl has a callback for message N.
 */
#ifndef LXE_HELPER_PROTOCOL_H
#define LXE_HELPER_PROTOCOL_H

#include <stdbool.h>
#include <stdint.h>
#include <xentoollog.h>

/* number, name */
#define LXE_PROTO_MESSAGES(X)                                           \
    X(1, LOG)                                                           \
    X(2, PROGRESS)                                                      \
    X(3, SUSPEND)               /* reply: 0 failed, else suspended */   \
    X(4, POSTCOPY)                                                      \
    X(5, CHECKPOINT)                                                    \
    X(6, WAIT_CHECKPOINT)                                               \
    X(7, SWITCH_QEMU_LOGDIRTY)  /* reply: 0 done */                     \
    X(8, STATIC_DATA_DONE)      /* reply: 0 done */                     \
    X(9, RESTORE_RESULTS)                                               \
    X(10, COMPLETE)             /* reply: of no meaning */

enum lxe__proto_message {
#define X(n, name) LXE_PROTO_##name = n,
    LXE_PROTO_MESSAGES(X)
#undef X
};

struct lxe__proto {
    xentoollog_logger logger;   /* first: xentoollog hands it back */
    int in, out;
    unsigned cbflags;
    /*
     * libxl has gone away or speaks nonsense.  Every later call fails at
     * once, so that libxenguest's own error path puts the guest right.
     */
    int broken;
    /* libxenguest's own count of pages; may be NULL. */
    void (*on_progress)(void *data, uint64_t done, uint64_t total);
    void *on_progress_data;
};

/*
 * @p speaks on @out and hears on @in.  &p->logger may then be given to
 * xc_interface_open() and to everything else that logs.
 */
void lxe__proto_init(struct lxe__proto *p, int in, int out);

/* Does libxl have a callback for this message? */
bool lxe__proto_wants(const struct lxe__proto *p,
                      enum lxe__proto_message m);

/* Has libxl closed its end, as it does when it dies? */
bool lxe__proto_gone(const struct lxe__proto *p);

/*
 * Calls that wait for libxl's reply and return it in *reply.  0, or -1
 * with errno where libxl cannot be heard (EPIPE).
 */
int lxe__proto_call(struct lxe__proto *p, enum lxe__proto_message m,
                    int *reply);
int lxe__proto_switch_qemu_logdirty(struct lxe__proto *p, uint32_t domid,
                                    unsigned enable, int *reply);
int lxe__proto_static_data_done(struct lxe__proto *p, unsigned missing,
                                int *reply);

int lxe__proto_restore_results(struct lxe__proto *p,
                               unsigned long store_gfn,
                               unsigned long console_gfn);
int lxe__proto_complete(struct lxe__proto *p, int retval, int errnoval);

#endif
