/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What the commands that move a guest share: libxl and libxl-ext opened,
 * signals that cancel, progress, and the last line, which says where the
 * guest is and how.
 */
#ifndef XL_CMD_GUEST_H
#define XL_CMD_GUEST_H

#include <libxl.h>
#include <libxl_utils.h>
#include <signal.h>
#include <stdbool.h>

#include "command.h"
#include "libxl_ext.h"

struct guest {
    const struct command_call *call;
    xentoollog_logger *lg;
    libxl_ctx *libxl;
    libxl_ext_ctx *ctx;
    libxl_ext_op *op;
    bool json;
    bool tty;                   /* progress as a bar */
    libxl_ext_phase phase;      /* shown last */
    long sent;                  /* when, by this host's uptime in s */
    bool sent_paused;           /* to be left so there */
    libxl_uuid uuid;            /* of guest_know() */
    uint32_t ended;             /* guest_look_after()'s; 0: none */
    libxl_ext_outcome outcome;
};

/*
 * 0, or -1 with a line said.  SIGINT, SIGTERM and SIGHUP, but for a SIGHUP
 * that the caller ignores, end the process: what is asked ahead of the
 * operation can wait without a bound (libxl, for a lock on the guest's
 * configuration), and nothing was changed.  Behind guest_can_cancel() they
 * cancel.
 * @verbose: libxl's own lines are shown, too.
 */
int guest_open(struct guest *g, const struct command_call *call,
               bool verbose, bool json);

/*
 * The operation begins: from here on these signals cancel it.  Called
 * ahead of the first thing that would be left behind.
 */
void guest_can_cancel(void);
/* They end the process again. */
void guest_no_cancel(void);
/* From here on they cancel @op, of a command without a struct guest. */
void guest_cancel_by(libxl_ext_op *op);

/* Raised by each of these signals; for waits that are no operation. */
extern volatile sig_atomic_t guest_signalled;

/*
 * Says where the guest is: as JSON on standard output, or as the last
 * line on standard error.  Frees everything; returns the exit status.
 */
int guest_close(struct guest *g);

/* Without a last word: for commands that are not about one guest. */
void guest_free(struct guest *g);

/* The name of @domid for the outcome, and the uuid to look for. */
void guest_know(struct guest *g, uint32_t domid);

/* The domain that @text means, known; -1 with a line. */
int guest_find(struct guest *g, const char *text, uint32_t *domid_r);

/* Keeps the first error for the outcome and says it at once. */
void guest_error(struct guest *g, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* @text, all of it, as a number from @min to @max into *@n_r; or -1. */
int guest_number(const char *text, long min, long max, long *n_r);

/* --timeout's @text (NULL: not given) into *@ms_r; -1 with a line. */
int guest_timeout(struct guest *g, const char *text, uint32_t *ms_r);

/*
 * The domain's configuration, as JSON; NULL with the error said.  @file
 * (NULL: none) is put in its place.
 */
char *guest_config(struct guest *g, uint32_t domid, bool keep_domid,
                   const char *file);

/*
 * config.c: puts what is in @file, in xl's syntax or JSON, in the place of
 * *@config, which is the guest's; -1 with a line, also where it is not of
 * that guest, and then *@config is as it was.
 */
int guest_config_file(struct guest *g, const char *file,
                      libxl_domain_config *config);

/* A suspended domain goes on, as from a suspend that was cancelled. */
int guest_resume(struct guest *g, uint32_t domid);

/* What became of @domid here, for the outcome. */
void guest_look(struct guest *g, uint32_t domid);
/* The same of the guest with @uuid, if it is here. */
void guest_look_for(struct guest *g, const libxl_uuid *uuid);
/*
 * The same of @domid, known, when what was to be done with it failed.  A
 * guest that rebooted meanwhile is made anew by whoever waits for its end,
 * under another id: it is looked for until then, for a bound, or until a
 * signal comes.
 */
void guest_look_after(struct guest *g, uint32_t domid);

/* progress.c: is standard error a terminal that can show a bar? */
bool guest_progress_tty(void);
/* Shows one; for libxl_ext_op_alloc(). */
void guest_progress(const libxl_ext_progress *p, void *guest);
/* The bar's line is ended. */
void guest_progress_end(struct guest *g);

/* monitor.c */

/*
 * Does what xl does for a domain that it has made: waits for its end and
 * for ejected discs, and acts as @config says.  Returns the exit status
 * when there is nothing left to wait for.
 */
int guest_monitor(libxl_ctx *ctx, libxl_domain_config *config,
                  uint32_t domid);

/* The same in a process of its own; 0 in the caller, or -1. */
int guest_monitor_start(struct guest *g, libxl_domain_config *config,
                        uint32_t domid);

#endif
