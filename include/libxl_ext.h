/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * libxl-ext: safe save, restore and migration of Xen guests on an
 * unmodified Xen.  This is the header to include for all that moves,
 * limits or freezes a guest; libxl_ext_image.h, for images, stands alone.
 * Both are C99 and C++, and need no header of Xen.
 *
 * The types and their functions (init, dispose, copy, to and from JSON,
 * enums to and from words) are generated from idl/libxl_ext_types.idl; the
 * header included here gives the meaning and the unit of every field.
 *
 * Return values.  Functions that can fail return 0, or one of the codes
 * of libxl.h:
 *
 *   ERROR_INVAL             a value that makes no sense, or a limit that
 *                           the policy refuses; nothing was changed
 *   ERROR_DOMAIN_NOTFOUND   there is no such domain, or it is being
 *                           destroyed
 *   ERROR_NOTFOUND          a file that was named is not there
 *   ERROR_LOCK_FAIL         another operation holds the domain
 *   ERROR_TIMEDOUT          something did not happen in its time
 *   ERROR_ABORTED           the caller cancelled it
 *   ERROR_NOT_READY         a migration ended without the peer's answer:
 *                           see its end_r
 *   ERROR_NOMEM             no memory for this process, or a host that
 *                           has too little for the guest
 *   ERROR_VERSION           this library is older than the caller's
 *                           header, or has another major version
 *   ERROR_FAIL              all else: no privilege, no hypervisor, a
 *                           guest that the policy does not let be saved,
 *                           a backend that cannot be frozen, ...
 *
 * Every failure is described in one line that names the operation, the
 * object, the value, the bound and what to do: it goes to the logger at
 * XTL_ERROR, and libxl_ext_error() returns it.  A line of the save helper
 * goes to the libxl_ctx's logger alone, since it comes through libxl.
 *
 * Pointers are not NULL where nothing says that they may be.
 *
 * Outputs.  An argument whose name ends in _r is an output.  A struct is
 * initialised by the call, whatever was in it before: dispose of an old
 * value first, and of the new one with the type's _dispose().  After a
 * failure it is as the type's _init() leaves it.
 *
 * Waiting.  A call that may have to wait for more than Xen, xenstore and
 * the policy file takes a libxl_ext_op, and libxl_ext_op_cancel() ends it,
 * from another thread or a signal handler: libxl_ext_operation.h.
 *
 * Threads.  A context is used by one thread at a time; several contexts
 * may be used at once, also for the same domain.  libxl_ext_freeze() and
 * libxl_ext_thaw() start child processes, which nobody needs to wait for,
 * and bear it if SIGCHLD is ignored or somebody waits for every child.
 *
 * Children of libxl.  Its save helper and QEMU are started by the
 * libxl_ctx that was called.  In a program with more than one libxl_ctx,
 * each must be told by libxl_childproc_setmode(), ahead of its first call,
 * to reap only its own (libxl_sigchld_owner_libxl_always_selective_reap):
 * by libxl's default one takes the children of the others, whose
 * operations then never end and leave their guests suspended
 * (libxl_event.h).
 *
 * Privilege.  Every call that takes a domain or asks about the host talks
 * to Xen and xenstore, and needs root in the control domain.
 */
#ifndef LIBXL_EXT_H
#define LIBXL_EXT_H

#include "_libxl_ext_types.h"

#ifdef __cplusplus
extern "C" {
#endif
#ifdef __GNUC__
#pragma GCC visibility push(default)
#endif

/* Major, minor and patch; the first is the library's soname. */
#define LIBXL_EXT_VERSION        0x000100
#define LIBXL_EXT_VERSION_STRING "0.1.0"

/* Of the library in use, as text; never NULL, not to be freed. */
const char *libxl_ext_version(void);

/*
 * Finds a program of this package that is on no search path: @name is
 * libxl-ext-save-helper, libxl-ext-guardian, libxl-ext-qemu or
 * xl-ext-host.  It is looked for beside the running program, as in a build
 * tree, then where it is installed.  0 with its path in @path, of @len
 * bytes; -1 with errno if it cannot be run, and @path says where it should
 * be.
 */
int libxl_ext_program_find(const char *name, char *path, size_t len);

/* ---- context ------------------------------------------------------ */

struct libxl__ctx;              /* libxl.h has it as libxl_ctx */
struct xentoollog_logger;       /* xentoollog.h */

typedef struct libxl_ext_ctx libxl_ext_ctx;
typedef struct libxl_ext_op libxl_ext_op;   /* libxl_ext_operation.h */

/*
 * Makes a context.  @version is LIBXL_EXT_VERSION.  @libxl is used until
 * libxl_ext_ctx_free(), and stays the caller's; it may be NULL for calls
 * whose description does not ask for one.  @logger gets all messages and
 * stays the caller's, too; NULL: there are none.
 *
 * Nothing is opened here: Xen and xenstore are opened by the first call
 * that needs them, so that this works on a host without Xen.
 *
 * ERROR_VERSION, ERROR_NOMEM; *@ctx_r is then NULL.
 */
int libxl_ext_ctx_alloc(libxl_ext_ctx **ctx_r, int version,
                        struct libxl__ctx *libxl,
                        struct xentoollog_logger *logger);

/* @ctx may be NULL. */
void libxl_ext_ctx_free(libxl_ext_ctx *ctx);

/*
 * The error line of the last call with @ctx if that failed, else "".  It
 * has no newline, is not to be freed, and is valid until the next call
 * with @ctx.
 */
const char *libxl_ext_error(const libxl_ext_ctx *ctx);

/*
 * The domain that @text means, by xl's rule: decimal digits are an id,
 * even if a domain has that name, and anything else is a name.
 * ERROR_DOMAIN_NOTFOUND if no domain has that id or name.
 */
int libxl_ext_domain_find(libxl_ext_ctx *ctx, const char *text,
                          uint32_t *domid_r);

/* ---- memory limits ------------------------------------------------ */

/*
 * Xen keeps the memory limits, and nothing is cached here: each call asks
 * Xen and xenstore.  Reading changes nothing: the guest stays as it was.
 */

int libxl_ext_memory_limits_get(libxl_ext_ctx *ctx, uint32_t domid,
                                libxl_ext_memory_limits *limits_r);

/* The host's pages, by Xen's own count. */
int libxl_ext_host_memory_get(libxl_ext_ctx *ctx,
                              libxl_ext_host_memory *host_r);

/*
 * What the policy says about a limit of @max_pages (of 4 KiB) for @domid.
 * A @max_pages of 0 asks about the limit that the domain has, or about its
 * pages if these are more: the verdict that a save of it would get now.
 * It is not a failure if the verdict is no.
 */
int libxl_ext_memory_judge(libxl_ext_ctx *ctx, uint32_t domid,
                           uint64_t max_pages,
                           libxl_ext_verdict *verdict_r);

/*
 * All domains but domain 0, which cannot be saved, by rising id, each with
 * its limits and the verdict on them; and the host.  Domains that end
 * during the call are left out.
 */
int libxl_ext_memory_list(libxl_ext_ctx *ctx,
                          libxl_ext_memory_table *table_r);

/* The same for one domain, which may be domain 0. */
int libxl_ext_memory_get(libxl_ext_ctx *ctx, uint32_t domid,
                         libxl_ext_domain_memory *memory_r);

/*
 * Sets the limit of @domid to @max_pages (of 4 KiB) if the policy allows
 * it, and reads it back.  ERROR_INVAL, with the verdict's reason as the
 * line, if the policy does not; nothing is changed then.  A limit below
 * what the guest has is accepted, as by Xen: the guest gets no more pages
 * until it has given some back.  The guest may be running, and runs on.
 */
int libxl_ext_memory_limit_set(libxl_ext_ctx *ctx, uint32_t domid,
                               uint64_t max_pages);

/* ---- policy ------------------------------------------------------- */

/*
 * The policy in force for the domain called @name, and where each value
 * of it comes from; NULL: for a domain that no override names.  The
 * domain need not exist.  Needs neither Xen nor xenstore, only the
 * policy file: ERROR_NOTFOUND if $LIBXL_EXT_CONFIG names one that does not
 * exist, ERROR_INVAL if there is an error in it.
 */
int libxl_ext_policy_get(libxl_ext_ctx *ctx, const char *name,
                         libxl_ext_policy_report *report_r);

/* The same for the name that @domid has. */
int libxl_ext_policy_get_domain(libxl_ext_ctx *ctx, uint32_t domid,
                                libxl_ext_policy_report *report_r);

/* ---- backends ----------------------------------------------------- */

/*
 * The backends of @domid, how each would be frozen under the policy in
 * force, and its state.  Changes nothing; the guest may be running.
 */
int libxl_ext_backends_list(libxl_ext_ctx *ctx, uint32_t domid,
                            libxl_ext_backend_list *list_r);

/*
 * Freezes the backends of @domid by hand: afterwards none looks at any
 * request of the guest, so that its memory and its disks do not change.
 * The guest itself must stand still:
 *
 *   suspended   (as libxl_domain_suspend_only() leaves it) each backend
 *               is frozen by the method of the policy
 *   paused      somebody may let it run at any time, so each backend is
 *               detached, whatever the policy's method
 *   running     ERROR_INVAL
 *
 * The policy's freeze = off is read as require here: it is for saves
 * that nobody asked to freeze anything.
 *
 * The guest stays as it is.  A guardian process outlives the caller and
 * thaws the backends when the guest runs again or libxl_ext_thaw() asks
 * for it, and ends with the domain.  If the guardian is killed, the
 * journal of what is frozen remains, and libxl_ext_thaw() and the next
 * save of the domain use it.
 *
 * After a failure, and if the caller is killed at any moment before
 * this returns, nothing stays frozen.  ERROR_LOCK_FAIL if the domain is
 * frozen already or is being saved.
 *
 * Of @op (which may be NULL) only the cancel is heard: within 5 s the call
 * returns ERROR_ABORTED, or 0 if all was frozen by then.  Without a cancel
 * the backends have the policy's freeze_timeout, and bringing back what an
 * earlier operation left frozen takes 150 s at most.  The guest is as it
 * was, suspended or paused.  A backend that hangs and is not back yet is
 * named in the error line; the guardian brings it back as soon as it
 * answers, and until then another freeze or save of the domain is refused.
 */
int libxl_ext_freeze(libxl_ext_ctx *ctx, uint32_t domid, libxl_ext_op *op,
                     libxl_ext_freeze_report *report_r);

/*
 * Undoes what was frozen of @domid, by hand or by an operation that died.
 * 0 also if nothing was.  The guest stays as it is, with one exception: a
 * guest that was left suspended by a save which died without an image is
 * let run, 20 s after that.  ERROR_LOCK_FAIL while an operation is under
 * way.
 *
 * A guest that is suspended and of which a complete image was written is
 * refused with ERROR_LOCK_FAIL, unless @force is set: if that image may be
 * restored, thawing makes both copies write to the same disks.
 *
 * If a guardian holds what is frozen, the guardian thaws it:
 * ERROR_TIMEDOUT if it has not done so within 150 s; it goes on trying.
 *
 * Of @op (which may be NULL) only the cancel is heard: within 5 s the call
 * returns ERROR_ABORTED, or 0 if all was thawed by then.  The guest stays
 * as it is.  What was brought back stays so; for the rest
 *   - a guardian that was asked goes on by itself;
 *   - without one it stays in the journal, for the next libxl_ext_thaw()
 *     or the next save of the domain.
 * The error line says which.
 */
int libxl_ext_thaw(libxl_ext_ctx *ctx, uint32_t domid, bool force,
                   libxl_ext_op *op);

#ifdef __GNUC__
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif

#include "libxl_ext_operation.h"

#endif
