/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * libxl-ext: operations that move a guest.  Included by libxl_ext.h.
 *
 * An operation runs in the thread that calls for it and returns when it
 * has ended, as libxl's own calls do without an ao_how.  What can be
 * done meanwhile is done through its libxl_ext_op: progress is called
 * back, another thread may cancel, and afterwards it has the result.
 *
 *   op = libxl_ext_op_alloc(my_progress, me);
 *   rc = libxl_ext_domain_save(ctx, domid, fd, &params, op);
 *   if (rc)
 *       fprintf(stderr, "%s\n", libxl_ext_op_error(op));
 *   libxl_ext_op_free(op);
 *
 * The context must have a libxl_ctx.  libxl must start libxl-ext's save
 * helper: where LIBXL_SAVE_HELPER is not set, the first operation sets
 * it, so a program with threads that read the environment sets it
 * itself.  While an operation that may be cancelled is under way, no other
 * call that waits, of this library or of libxl, uses its libxl_ctx: libxl
 * has no name for one of several (libxl_ao_abort), and the cancel may end
 * that one.  Another libxl_ctx, with its own libxl_ext_ctx, is free to.
 *
 * Descriptors may be files, pipes or sockets, and may have O_NONBLOCK.
 * With the other end gone, a pipe or a socket raises SIGPIPE in this
 * process, and a file that may not grow (RLIMIT_FSIZE) SIGXFSZ: one that
 * is not to end by that ignores them, and gets an error.
 *
 * The same domain can be in one operation at a time, in any process of
 * the host that goes through libxl-ext: the second is refused, and its
 * line names the first.
 */
#ifndef LIBXL_EXT_OPERATION_H
#define LIBXL_EXT_OPERATION_H

#include "libxl_ext.h"

#ifdef __cplusplus
extern "C" {
#endif
#ifdef __GNUC__
#pragma GCC visibility push(default)
#endif

struct libxl_domain_config;             /* of libxl.h */

/*
 * One operation; used for one call, then freed.  A second call with it is
 * ERROR_INVAL, says so, and touches no guest.
 */
typedef struct libxl_ext_op libxl_ext_op;

/*
 * @progress (may be NULL) is called with @user from a thread of the
 * operation's own, at each new step and up to ten times a second; *p is
 * the library's.  It may call libxl_ext_op_cancel() and nothing else with
 * this operation or its context, and should not take long: until it
 * returns nobody hears a cancel, and the operation does not end.  NULL
 * with errno where there is no memory or no descriptor.
 */
libxl_ext_op *libxl_ext_op_alloc(
    void (*progress)(const libxl_ext_progress *p, void *user), void *user);

/* @op may be NULL; no call may be under way with it. */
void libxl_ext_op_free(libxl_ext_op *op);

/*
 * Asks the operation to end; from any thread or signal handler, at any
 * time, more than once.  The call then returns ERROR_ABORTED, unless it
 * had come too far and ends well: a save whose image is complete is one.
 * A guest that was being saved runs again, within 5 s; one that was
 * being restored is destroyed.
 */
void libxl_ext_op_cancel(libxl_ext_op *op);

/* What it did, also when it failed; @op's, until it is freed. */
const libxl_ext_operation_result *libxl_ext_op_result(
    const libxl_ext_op *op);

/* Why it failed, one line; NULL where it did not.  @op's. */
const char *libxl_ext_op_error(const libxl_ext_op *op);

/*
 * The header that "xl save" writes ahead of libxl's stream, with the
 * domain's configuration: @config is libxl_domain_config_to_json()'s
 * text.  Nothing else is asked of @ctx.  ERROR_INVAL: more than 16 MiB.
 */
int libxl_ext_header_write(libxl_ext_ctx *ctx, int fd,
                           const char *config);

/*
 * Reads it; @fd then stands at libxl's stream.  *@config_r is the text,
 * free(3)'d by the caller; NULL after a failure: ERROR_FAIL and a line
 * that names the field, its value and its bound.
 */
int libxl_ext_header_read(libxl_ext_ctx *ctx, int fd,
                          char **config_r);

/*
 * May libxl_domain_config_from_json() be given @json, which is from
 * outside?  libxl (4.20 and older) ends the process where two members of
 * a keyed union are there, such as "type.pvh" and "type.hvm".  0, or
 * ERROR_INVAL with the line in libxl_ext_error(): for these, for what is
 * no JSON, and for texts of more than 1 MiB or nested deeper than 16.
 */
int libxl_ext_config_check(libxl_ext_ctx *ctx, const char *json);

/*
 * Writes domain @domid to @fd: libxl's stream, with the memory record in
 * the carrier that @params asks for (NULL: the defaults).  No header of
 * xl's is written.  @fd may be a file, a pipe or a socket; it stands
 * behind the stream afterwards, stays open, and is not synced.
 *
 * 0: the image is whole.  The guest is suspended, its backends frozen,
 * and the caller decides: libxl_ext_domain_commit() and
 * libxl_domain_destroy(), since the image is now the guest; or
 * libxl_domain_resume(), as for a checkpoint, after which its backends
 * are thawed.  A caller that ends without either has the guest run
 * again, within seconds.
 *
 * Else a code of libxl: what @fd has got is of no use, and the guest
 * runs with working devices, or never stopped.  Where that could not be
 * brought about, the error line says how the guest was left.
 *   ERROR_DOMAIN_NOTFOUND  there is no such domain
 *   ERROR_ABORTED          cancelled
 *   ERROR_INVAL            refused: a parameter, domain 0; nothing was
 *                          written
 *   ERROR_LOCK_FAIL        another operation has the domain; likewise
 *   ERROR_FAIL             the line says what
 */
int libxl_ext_domain_save(libxl_ext_ctx *ctx, uint32_t domid,
                          int fd, const libxl_ext_save_params *params,
                          libxl_ext_op *op);

/*
 * Says that the image which libxl_ext_domain_save() wrote is the guest
 * now: should the caller die behind this, the suspended domain is left as
 * it is, for somebody to destroy, and not let run again.  After a
 * failure nothing has been said.
 */
int libxl_ext_domain_commit(libxl_ext_ctx *ctx, uint32_t domid);

/*
 * Makes a domain of @config and the stream at @fd, which stands behind
 * xl's header where the image has one.  @config is libxl's, as
 * libxl_domain_create_restore() takes it and with what that adds to it;
 * without a uuid it gets one.
 *
 * 0: *@domid_r is the new domain, paused, with its limit as the record
 * has it; libxl_domain_unpause() lets it run.
 *
 * Else a code of libxl, as above: no new domain is left, and the stream
 * was read up to any place.  A stream that is refused ahead of its first
 * page has changed nothing.
 */
int libxl_ext_domain_restore(libxl_ext_ctx *ctx,
                             struct libxl_domain_config *config,
                             int fd, uint32_t *domid_r, libxl_ext_op *op);

/* Where @params->peer of a migration is kept. */
#define LIBXL_EXT_USERDATA_PEER "libxl-ext-peer"
/* Behind the name of a domain that a peer was given leave to run. */
#define LIBXL_EXT_SURNAME_AWAY  "--migratedaway"

/*
 * Sends domain @domid to a peer that runs "xl-ext migrate-receive", or
 * "xl migrate-receive" where a stock peer can take the guest:
 * docs/migration.md has the words and who has the guest when.  @out_fd
 * goes to the peer, @in_fd comes from it; both stay open.  @config is
 * libxl_domain_config_to_json()'s text.  @params may be NULL.
 *
 * *@end_r says where the guest is.  0 and THERE: the peer runs it, or has
 * it paused (@params->paused), and the domain here is destroyed.  Else a
 * code of libxl and
 *   HERE     the guest runs here with working devices, or never stopped
 *   UNKNOWN  it is suspended here, its name with LIBXL_EXT_SURNAME_AWAY;
 *            ask the peer (libxl_ext_domain_ask() there), then destroy it
 *            or libxl_domain_resume() it.  ERROR_NOT_READY.
 * With UNKNOWN, and if this process dies, @params->peer, the caller's own
 * words for whom to ask, is libxl's userdata LIBXL_EXT_USERDATA_PEER of the
 * domain.
 * A peer that refuses does so before a byte of the stream is sent.
 * ERROR_INVAL: a parameter out of its bounds, or domain 0; nothing was
 * said to the peer.
 * Cancelling has no effect once the peer has permission.
 */
int libxl_ext_domain_migrate(libxl_ext_ctx *ctx, uint32_t domid,
                             const char *config, int out_fd, int in_fd,
                             const libxl_ext_migrate_params *params,
                             libxl_ext_op *op,
                             libxl_ext_migrate_end *end_r);

/*
 * Asks the peer whether it would take @domid, and moves nothing; the
 * guest is not touched.  *@answer_r is its answer; of a stock peer, what
 * can be said without it.
 */
int libxl_ext_domain_precheck(libxl_ext_ctx *ctx, uint32_t domid,
                              const char *config, int out_fd, int in_fd,
                              const libxl_ext_migrate_params *params,
                              libxl_ext_peer_kind *peer_r,
                              libxl_ext_migrate_answer *answer_r);

/*
 * The other end: greets on @out_fd, takes what comes on @in_fd, and lets
 * the guest run when the sender permits it.  *@domid_r is the new domain
 * and runs, or is paused where the sender wants that; *@config_r is its
 * configuration, as the sender gave it,
 * free(3)'d by the caller.  After a dry run *@domid_r is all ones.
 *
 * Else a code of libxl, no domain is left, and the sender was told why
 * where it still listens.
 */
int libxl_ext_domain_receive(libxl_ext_ctx *ctx, int in_fd,
                             int out_fd,
                             const libxl_ext_migrate_params *params,
                             libxl_ext_op *op, uint32_t *domid_r,
                             char **config_r);

/*
 * Does a guest with @uuid run on this host, or did it since it came here
 * last?  It may have powered off or gone on, and then what the sender has
 * is old.  A receiver that still waits for permission to let it run is
 * ended first, so that the answer holds, until this host is booted anew:
 * then it is not known any more.  A guest that was given leave to run, and
 * that nobody ever let run, is unpaused.  ERROR_LOCK_FAIL where it does not end
 * in @timeout_ms.
 */
int libxl_ext_domain_ask(libxl_ext_ctx *ctx,
                         const uint8_t uuid[16], uint32_t timeout_ms,
                         bool *runs_r);

#ifdef __GNUC__
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif

#endif
