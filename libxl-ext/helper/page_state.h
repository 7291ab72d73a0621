/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Page state of a PV guest that is saved under Xen 4.15 or older (R5):
 * page tables that are not validated any more become plain pages.
 * docs/page-state.md is the specification.
 *
 *   libxenguest asks for types     lxe__page_state_seen()
 *   the guest is suspended         lxe__page_state_stopped()
 *   all its pages are written      lxe__page_state_write()
 *   the save is done               lxe__page_state_report()
 */
#ifndef LXE_HELPER_PAGE_STATE_H
#define LXE_HELPER_PAGE_STATE_H

#include <stdbool.h>
#include <stdint.h>
#include <xenctrl.h>
#include <xentoollog.h>

#include "base/err.h"
#include "guest/tables.h"

struct lxe__page_state;

/* Does the running Xen report a page's last type, validated or not? */
bool lxe__page_state_needed(xc_interface *xch);

struct lxe__page_state_args {
    xc_interface *xch;
    xentoollog_logger *logger;
    uint32_t domid;
    int fd;                     /* libxenguest's */
    bool verify;                /* XCFLAGS_DEBUG */
    lxe__types_fn *types;       /* libxenctrl's own */
};

int lxe__page_state_new(struct lxe__page_state **out,
                        const struct lxe__page_state_args *args,
                        struct lxe__err *err);
void lxe__page_state_free(struct lxe__page_state *ps); /* NULL is taken */

/* Xen's answer of @nr @types for the frames at @mfns. */
void lxe__page_state_seen(struct lxe__page_state *ps, uint32_t domid,
                          const xen_pfn_t *mfns, const xen_pfn_t *types,
                          unsigned int nr);

/* Memory of the guest does not change from here on. */
void lxe__page_state_stopped(struct lxe__page_state *ps);

/*
 * All pages are in the stream and nothing after them: adds what makes
 * plain pages of those that are stale.  Does nothing before _stopped()
 * and the second time.  -1 with errno only where the stream cannot be
 * written; what cannot be known is for _report() to say.
 */
int lxe__page_state_write(struct lxe__page_state *ps);

/* Says in one line how it went.  NULL is taken. */
void lxe__page_state_report(const struct lxe__page_state *ps);

/* What _write() met; of no code where all is well. */
const struct lxe__err *
lxe__page_state_error(const struct lxe__page_state *ps);

/*
 * interpose.c: from here on, until it is called with NULL, libxenguest's
 * calls go to @ps as well.  -1 where this program has no way to do so.
 */
int lxe__page_state_attach(struct lxe__page_state *ps);
/* libxenctrl's own; NULL where it has none. */
lxe__types_fn *lxe__page_state_types(void);

#endif
