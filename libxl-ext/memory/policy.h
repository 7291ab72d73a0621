/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The policy: what raises of a memory limit are allowed, and how
 * backends are frozen.  The verdicts are pure code; policy_file.c reads
 * the file.
 */
#ifndef LXE_MEMORY_POLICY_H
#define LXE_MEMORY_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define LXE_POLICY_FILE LXE_SYSCONFDIR "/libxl-ext.conf"
#define LXE_POLICY_ENV  "LIBXL_EXT_CONFIG"  /* names another file */

enum lxe__bump_mode {
    LXE_BUMP_STRICT,    /* no raise above what stock libxl would set */
    LXE_BUMP_BOUNDED,   /* up to memory_bump_limit KiB above it */
    LXE_BUMP_TRACK,     /* any raise that the host can hold */
};

enum lxe__freeze_mode {
    LXE_FREEZE_REQUIRE, /* what cannot be frozen refuses the operation */
    LXE_FREEZE_TRY,     /* ... is named in a warning */
    LXE_FREEZE_OFF,
};

enum lxe__freeze_method {
    LXE_METHOD_AUTO,    /* prove where it can be, else detach */
    LXE_METHOD_PROVE,
    LXE_METHOD_DETACH,
};

struct lxe__policy {
    enum lxe__bump_mode memory_bump;
    uint64_t memory_bump_limit;         /* KiB */
    enum lxe__freeze_mode freeze;
    enum lxe__freeze_method freeze_method;
    unsigned freeze_timeout;            /* milliseconds for all backends */
    bool claim;                         /* claim pages before a restore */
    char *stock_helper;                 /* path, or NULL: look for it */
    char *qemu;                         /* path, or NULL: look for it */
    char *path;                         /* of the file, or NULL */
};

/* The file to name to who wants another verdict. */
const char *lxe__policy_path(const struct lxe__policy *p);

/* The defaults, which hold where no file exists. */
void lxe__policy_init(struct lxe__policy *p);
void lxe__policy_dispose(struct lxe__policy *p);

/*
 * Reads the policy for the domain called @name (NULL: none) from @path;
 * NULL stands for $LIBXL_EXT_CONFIG or else LXE_POLICY_FILE.  A missing
 * file is an error only where the environment or the caller named it.
 * memory_bump_overrides is a list of "NAME=MODE" or "NAME=MODE:KIB"
 * strings; where one matches @name it replaces mode and limit.
 * On failure @p is as lxe__policy_init() leaves it, and the line names
 * file, line, key, value and bound.
 */
int lxe__policy_load(struct lxe__policy *p, const char *path,
                     const char *name, struct lxe__err *err);

/*
 * May @who have a limit of @max_pages, and @tot_pages where that is
 * more (it has not ballooned down yet), where stock libxl would set
 * @stock_kb KiB and the host has @host_pages in all?  Never 0, never all
 * ones, never above the host, whatever the mode.  EPERM or ERANGE with
 * a line that says which limit, by how much it is over, and which
 * setting would allow it.
 */
int lxe__policy_judge(const struct lxe__policy *p, const char *op,
                      const char *who, uint64_t max_pages,
                      uint64_t tot_pages, uint64_t stock_kb,
                      uint64_t host_pages, struct lxe__err *err);

#endif
