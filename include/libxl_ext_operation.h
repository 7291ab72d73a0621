/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * libxl-ext: operations that move a guest.  Included by libxl_ext.h.
 *
 * An operation runs in the thread that calls for it and returns when it
 * has ended, as libxl's own calls do without an ao_how.  Its libxl_ext_op
 * is the handle to it: progress is called back, another thread may cancel,
 * and afterwards it has the result.
 *
 *   op = libxl_ext_op_alloc(my_progress, me);
 *   rc = libxl_ext_domain_save(ctx, domid, fd, &params, op);
 *   if (rc)
 *       fprintf(stderr, "%s\n", libxl_ext_op_error(op));
 *   libxl_ext_op_free(op);
 *
 * The context must have a libxl_ctx, and libxl must start libxl-ext's save
 * helper.  If LIBXL_SAVE_HELPER is not set, the first operation sets it; a
 * program with threads that read the environment must set it itself.
 *
 * While an operation that may be cancelled is under way, no other call
 * that waits, of this library or of libxl, may use its libxl_ctx: libxl
 * cannot name one of several calls (libxl_ao_abort), and the cancel may
 * end the other one.  Another libxl_ctx, with its own libxl_ext_ctx, may
 * be used.  docs/cancel.md says why that cannot be narrowed.
 *
 * libxl_ext_freeze(), libxl_ext_thaw() and some calls below that move
 * nothing take an operation only to be cancelled by it, and it may be
 * NULL.  They do not count as its one call, and leave its result and its
 * error alone: their line is libxl_ext_error()'s.  So a program has one
 * operation for a header and the save that follows it, and a cancel ends
 * whichever is under way, or the next.
 *
 * Descriptors may be files, pipes or sockets, and may have O_NONBLOCK.
 * When the other end of a pipe or socket is gone, writing raises SIGPIPE
 * in this process, and writing to a file that may not grow (RLIMIT_FSIZE)
 * raises SIGXFSZ; a process that ignores them gets an error instead.
 *
 * A domain can be in one operation at a time, over all processes of the
 * host that use libxl-ext: the second is refused, and its line names the
 * first.
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
 * A libxl_ext_op (libxl_ext.h) is one operation: used for one call that
 * moves a guest, then freed.  A second one with it fails with ERROR_INVAL
 * and touches no guest.
 */

/*
 * @progress (may be NULL) is called with @user from a thread that belongs
 * to the operation, at each new step and up to ten times a second; *p is
 * the library's.  It may call libxl_ext_op_cancel() and nothing else with
 * this operation or its context, and should not take long: until it
 * returns, no cancel is heard and the operation does not end.  NULL with
 * errno if there is no memory or no descriptor.
 */
libxl_ext_op *libxl_ext_op_alloc(
    void (*progress)(const libxl_ext_progress *p, void *user), void *user);

/* @op may be NULL; no call may be under way with it. */
void libxl_ext_op_free(libxl_ext_op *op);

/*
 * Asks the operation to end.  May be called from any thread or signal
 * handler, at any time, and more than once.  Nothing takes it back: each
 * later call with @op ends at once.  The operation then returns
 * ERROR_ABORTED, unless it is too far on to be cancelled, as a save is
 * whose image is complete.  A guest that was being saved runs again within
 * 5 s, unless it is an HVM guest whose QEMU hangs (docs/cancel.md); one
 * that was being restored is destroyed.
 */
void libxl_ext_op_cancel(libxl_ext_op *op);

/* What it did, also if it failed; belongs to @op. */
const libxl_ext_operation_result *libxl_ext_op_result(
    const libxl_ext_op *op);

/* Why it failed, one line; NULL if it did not.  Belongs to @op. */
const char *libxl_ext_op_error(const libxl_ext_op *op);

/*
 * Writes the header that "xl save" puts before libxl's stream, with the
 * domain's configuration: @config is the text that
 * libxl_domain_config_to_json() returns.  @ctx needs no libxl_ctx.
 * ERROR_INVAL if it has more than 16 MiB.  @fd is waited for as long as it
 * takes nothing, or until @op (which may be NULL) is cancelled:
 * ERROR_ABORTED, and @fd may have a part of the header.
 */
int libxl_ext_header_write(libxl_ext_ctx *ctx, int fd,
                           const char *config, libxl_ext_op *op);

/*
 * Reads that header; @fd then stands at libxl's stream.  *@config_r is the
 * text, to be free(3)'d by the caller.  After a failure it is NULL:
 * ERROR_FAIL with a line that names the field, its value and its bound.
 * @fd is waited for as long as it gives nothing, or until @op (which may
 * be NULL) is cancelled: ERROR_ABORTED, and a part may have been read.
 */
int libxl_ext_header_read(libxl_ext_ctx *ctx, int fd, libxl_ext_op *op,
                          char **config_r);

/*
 * Is it safe to pass @json, which comes from outside, to
 * libxl_domain_config_from_json()?  libxl (4.20 and older) ends the
 * process if a text has two members of a keyed union, such as "type.pvh"
 * and "type.hvm", or a number in a bitmap, such as "avail_vcpus", that it
 * has no memory for.  0, or ERROR_INVAL with the line in
 * libxl_ext_error(): for two such members; for a number in an array that
 * is not a whole one from 0 to 16383 (but in "distances", "irqs",
 * "llc_colors" and "sample_rates", which are no bitmaps); for text that is
 * not JSON; and for text of more than 1 MiB or nested deeper than 16.
 */
int libxl_ext_config_check(libxl_ext_ctx *ctx, const char *json);

/*
 * Writes domain @domid to @fd: libxl's stream, with the memory record in
 * the carrier that @params asks for (NULL: the defaults).  xl's header is
 * not written.  @fd may be a file, a pipe or a socket; afterwards it
 * stands at the end of the stream, is still open, and has not been synced.
 *
 * 0: the image is whole.  The guest is suspended, its backends are frozen,
 * and the caller decides: libxl_ext_domain_commit() and
 * libxl_domain_destroy(), because the image is now the guest; or
 * libxl_domain_resume(), as for a checkpoint, after which its backends
 * are thawed.  If the caller ends without either, the guest runs again
 * within seconds (Linux 5.3 and newer).
 *
 * Otherwise a code of libxl: what was written to @fd is of no use, and the
 * guest runs with working devices, or never stopped.  If it could not be
 * made to run, the error line says how it was left.
 *   ERROR_DOMAIN_NOTFOUND  there is no such domain
 *   ERROR_ABORTED          cancelled
 *   ERROR_INVAL            a parameter, or domain 0, was refused; nothing
 *                          was written
 *   ERROR_LOCK_FAIL        another operation has the domain; likewise
 *   ERROR_FAIL             the line says what
 */
int libxl_ext_domain_save(libxl_ext_ctx *ctx, uint32_t domid,
                          int fd, const libxl_ext_save_params *params,
                          libxl_ext_op *op);

/*
 * Declares that the image which libxl_ext_domain_save() wrote is the guest
 * now: if the caller dies after this, the suspended domain is left as it
 * is, to be destroyed, and is not let run again.  A call that fails has
 * declared nothing.
 */
int libxl_ext_domain_commit(libxl_ext_ctx *ctx, uint32_t domid);

/*
 * Makes a domain of @config and the stream at @fd, which stands after xl's
 * header if the image has one.  @config is passed to
 * libxl_domain_create_restore(), which may add to it; if it has no uuid it
 * gets one.
 *
 * 0: *@domid_r is the new domain, paused, with the limit of the memory
 * record; libxl_domain_unpause() lets it run.
 *
 * Otherwise a code of libxl, as above: no new domain is left, and it is
 * not known how far the stream was read.  A stream that is refused before
 * its first page has changed nothing.
 */
int libxl_ext_domain_restore(libxl_ext_ctx *ctx,
                             struct libxl_domain_config *config,
                             int fd, uint32_t *domid_r, libxl_ext_op *op);

/* libxl's userdata in which @params->peer of a migration is kept. */
#define LIBXL_EXT_USERDATA_PEER "libxl-ext-peer"
/* Added to the name of a domain that a peer has permission to run. */
#define LIBXL_EXT_SUFFIX_AWAY  "--migratedaway"

/*
 * Sends domain @domid to a peer that runs "xl-ext migrate-receive", or "xl
 * migrate-receive" where a stock peer can take the guest:
 * docs/migration.md specifies the protocol, and who has the guest when.
 * @out_fd leads to the peer, @in_fd comes from it; both stay open.
 * @config is the text that libxl_domain_config_to_json() returns.  @params
 * may be NULL.
 *
 * *@end_r says where the guest is.  0 and THERE: the peer runs it, or has
 * it paused (@params->paused), and the domain here is destroyed.
 * Otherwise a code of libxl and
 *   HERE     the guest runs here with working devices, or never stopped
 *   UNKNOWN  it is suspended here, with LIBXL_EXT_SUFFIX_AWAY added to
 *            its name; ask the peer (libxl_ext_domain_ask() there), then
 *            destroy it or libxl_domain_resume() it.  ERROR_NOT_READY.
 *   THERE    the peer runs it, and its suspended copy here could not be
 *            destroyed: destroy that, and never resume it
 * With UNKNOWN, and if this process dies, the domain's userdata
 * LIBXL_EXT_USERDATA_PEER has @params->peer, the caller's own words for
 * whom to ask.
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
 * guest is not touched.  *@answer_r is its answer; for a stock peer, what
 * is known without asking.  @op (which may be NULL) ends the wait for the
 * peer, of @params->timeout, when it is cancelled: ERROR_ABORTED.
 */
int libxl_ext_domain_precheck(libxl_ext_ctx *ctx, uint32_t domid,
                              const char *config, int out_fd, int in_fd,
                              const libxl_ext_migrate_params *params,
                              libxl_ext_op *op,
                              libxl_ext_peer_kind *peer_r,
                              libxl_ext_migrate_answer *answer_r);

/*
 * The other end: greets on @out_fd, receives on @in_fd, and lets the guest
 * run when the sender permits it.  *@domid_r is the new domain, which
 * runs, or is paused if the sender wants that; *@config_r is its
 * configuration, as the sender gave it, to be free(3)'d by the caller.
 * After a dry run *@domid_r is all ones.
 *
 * Otherwise a code of libxl; no domain is left, and the sender was told
 * why if it still listens.
 */
int libxl_ext_domain_receive(libxl_ext_ctx *ctx, int in_fd,
                             int out_fd,
                             const libxl_ext_migrate_params *params,
                             libxl_ext_op *op, uint32_t *domid_r,
                             char **config_r);

/*
 * Does a guest with @uuid run on this host, or did it run here since it
 * last came?  It may have powered off or moved on since, and then the
 * sender's copy is out of date.  @since: it was sent so many seconds ago
 * (0: nobody knows), and what became of it when it came here before does
 * not count; a host that was booted later cannot say: ERROR_FAIL.
 *
 * A receiver that still waits for permission is ended first, so that the
 * answer stays true: its process gets SIGTERM, so a program that receives
 * should do so in a process of its own, whose handler cancels the
 * operation.  ERROR_LOCK_FAIL if that is this process, or does not end
 * within @timeout_ms; ERROR_ABORTED if @op (which may be NULL) is
 * cancelled before: it was told to end, so ask again.  If @op was
 * cancelled before the call, nothing was done.
 *
 * A guest that was given permission to run, and that nobody ever let run,
 * is unpaused.
 */
int libxl_ext_domain_ask(libxl_ext_ctx *ctx,
                         const uint8_t uuid[16], uint32_t since,
                         uint32_t timeout_ms, libxl_ext_op *op,
                         bool *runs_r);

#ifdef __GNUC__
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif

#endif
