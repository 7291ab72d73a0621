/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The backends of a guest, and what is to be done with each.
 *
 * backends.c is pure: classification and the table of verdicts.
 * enumerate.c finds the backends in xenstore.
 */
#ifndef LXE_FREEZE_BACKENDS_H
#define LXE_FREEZE_BACKENDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "memory/policy.h"

struct xs_handle;

#define LXE_BACKENDS_MAX 512    /* libxl itself serves far fewer */

enum lxe__bk_kind {
    LXE_BK_UNKNOWN,
    LXE_BK_VBD,         /* blkback, in the kernel */
    LXE_BK_VIF,         /* netback, in the kernel */
    LXE_BK_QDISK,       /* a disk served by QEMU */
    LXE_BK_CONSOLE,     /* xenconsoled or QEMU: characters, no requests */
    LXE_BK_FB,          /* vfb and vkbd by QEMU: events, no requests */
    LXE_BK_PCI,         /* PCI devices passed through: they do DMA */
    LXE_BK_USB,         /* a USB controller that QEMU emulates */
};

enum lxe__bk_act {
    LXE_ACT_NOTHING,    /* not connected: it holds nothing of the guest */
    LXE_ACT_MARK,       /* no requests: its pages are sent again */
    LXE_ACT_PROVE,      /* wait until drained; pages are sent again */
    LXE_ACT_LINK,       /* the same, and no packet may arrive */
    LXE_ACT_DETACH,     /* unbind the driver */
    LXE_ACT_UNFREEZABLE,
};

struct lxe__verdict {
    enum lxe__bk_act act;
    enum lxe__bk_act fallback;  /* where act fails in time, or NOTHING */
    const char *why;            /* of UNFREEZABLE */
    const char *allow;          /* the setting that would allow it */
};

struct lxe__backend {
    enum lxe__bk_kind kind;
    char type[24];              /* the kind as the backend path has it */
    uint32_t domid;             /* of the guest */
    uint32_t devid;
    uint32_t backend_domid;
    char name[48];              /* vbd-3-51712, as in sysfs */
    char be_path[96];
    char fe_path[96];
    bool local;                 /* served by this very domain */
    bool connected;
    struct lxe__verdict verdict;
    /* what lxe__freeze_run() did */
    enum lxe__bk_act done;
};

struct lxe__backends {
    struct lxe__backend *list;
    size_t nr;
    uint32_t own_domid;
};

enum lxe__bk_kind lxe__backend_kind(const char *type);
const char *lxe__act_name(enum lxe__bk_act act);

/*
 * Takes /local/domain/B/backend/TYPE/D/DEVID apart.  Returns false where
 * @path is not of that form or does not fit.  Fills kind, type, domid,
 * devid, backend_domid, name and be_path.
 */
bool lxe__backend_parse(const char *path, struct lxe__backend *b);

/* For LXE_FREEZE_OFF the verdict is NOTHING for all. */
struct lxe__verdict lxe__backend_judge(const struct lxe__backend *b,
                                       const struct lxe__policy *policy);

/*
 * Finds the backends of @domid and judges each.  Entries that libxl made
 * and that make no sense to us are kept as LXE_BK_UNKNOWN, so that they
 * are seen.  All PCI devices that are passed through are one entry.  Free
 * with lxe__backends_dispose().
 */
int lxe__backends_find(struct lxe__backends *out, struct xs_handle *xsh,
                       uint32_t domid, const struct lxe__policy *policy,
                       struct lxe__err *err);

void lxe__backends_dispose(struct lxe__backends *bs);

/* One node below a directory; malloc'd, or NULL. */
char *lxe__xs_node(struct xs_handle *xsh, const char *dir,
                   const char *node);

/* The state node of @dir; 0 where there is none or it makes no sense. */
unsigned lxe__xs_state(struct xs_handle *xsh, const char *dir);

/* This domain's id; 0 where xenstore does not say. */
uint32_t lxe__xs_own_domid(struct xs_handle *xsh);

#endif
