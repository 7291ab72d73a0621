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

/* By the numbers above: the words that the policy file has. */
extern const char *const lxe__bump_words[3];
extern const char *const lxe__freeze_words[3];
extern const char *const lxe__method_words[3];

struct lxe__policy {
    enum lxe__bump_mode memory_bump;
    uint64_t memory_bump_limit;         /* KiB */
    enum lxe__freeze_mode freeze;
    enum lxe__freeze_method freeze_method;
    unsigned freeze_timeout;            /* milliseconds for all backends */
    unsigned link_timeout;              /* milliseconds; 0: the kernel's */
    bool claim;                         /* claim pages before a restore */
    char *stock_helper;                 /* path, or NULL: look for it */
    char *qemu;                         /* path, or NULL: look for it */
    char *path;                         /* of the file, or NULL */
    struct lxe__err unread;             /* why it could not be read */
};

/* The file that a message about a verdict names. */
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
 * The same for what must not fail of it, a restore above all: where the
 * policy cannot be read, the defaults hold, no raise is allowed, and
 * p->unread, which has no code else, is what every refusal says.
 */
void lxe__policy_load_or_none(struct lxe__policy *p, const char *path,
                              const char *name);

/* Where each value comes from, for those who show it. */

enum lxe__policy_key {
    LXE_KEY_MEMORY_BUMP,
    LXE_KEY_MEMORY_BUMP_LIMIT,
    LXE_KEY_FREEZE,
    LXE_KEY_FREEZE_METHOD,
    LXE_KEY_FREEZE_TIMEOUT,
    LXE_KEY_LINK_TIMEOUT,
    LXE_KEY_CLAIM,
    LXE_KEY_STOCK_HELPER,
    LXE_KEY_QEMU,
    LXE_KEY_MEMORY_BUMP_OVERRIDES,  /* no value, only a source */
    LXE_NR_KEYS
};

const char *lxe__policy_key_name(enum lxe__policy_key key);

struct lxe__policy_source {
    unsigned line;              /* of the file that sets it; 0: none */
    unsigned entry;             /* of the overrides, from 1; 0: none */
};

struct lxe__policy_sources {
    bool file_found;
    bool file_by_env;           /* LXE_POLICY_ENV names the file */
    struct lxe__policy_source of[LXE_NR_KEYS];
};

/* As lxe__policy_load(); @sources may be NULL. */
int lxe__policy_load_sources(struct lxe__policy *p, const char *path,
                             const char *name,
                             struct lxe__policy_sources *sources,
                             struct lxe__err *err);

/* What xl migrate adds to the name of the incoming domain. */
#define LXE_INCOMING "--incoming"

/*
 * Removes it from @name, because the policy is about the guest.  @name may
 * be NULL.  Returns whether it was there.
 */
bool lxe__policy_guest_name(char *name);

struct xs_handle;

/*
 * The policy for the guest in @domid, by the name that xenstore has less
 * LXE_INCOMING, from the usual file.  *@name_r is that name, for the
 * caller to free; NULL where there is none or @xsh is NULL; set after a
 * failure, too.  @name_r and @sources may be NULL.
 */
int lxe__policy_load_domain(struct lxe__policy *p, struct xs_handle *xsh,
                            uint32_t domid, char **name_r,
                            struct lxe__policy_sources *sources,
                            struct lxe__err *err);
/* The same as lxe__policy_load_or_none(). */
void lxe__policy_load_domain_or_none(struct lxe__policy *p,
                                     struct xs_handle *xsh, uint32_t domid,
                                     char **name_r);

struct lxe__memory_verdict {
    int code;                   /* 0: allowed; else EPERM or ERANGE */
    uint64_t need_pages;        /* what was judged */
    uint64_t bound_pages;       /* the highest that is allowed */
    uint64_t over_pages;        /* by how much it is above that */
    char reason[LXE_ERR_LEN];   /* "" where allowed */
    char setting[128];          /* that would allow it; "": none would */
};

/*
 * May @who have a limit of @max_pages, and @tot_pages where that is
 * more (it has not ballooned down yet), where stock libxl would set
 * @stock_kb KiB and the host has @host_pages in all?  Never 0, never all
 * ones, never above the host (ERANGE), whatever the mode; else by the
 * mode (EPERM), and not above what stock sets by a policy that could not
 * be read (EPERM).  The reason says which limit, by how much it is over,
 * and which setting would allow it, or why the policy was not read; where
 * @op is "save", and no page is above what stock libxl would set, also how
 * that limit is put back.
 */
void lxe__policy_verdict(const struct lxe__policy *p, const char *op,
                         const char *who, uint64_t max_pages,
                         uint64_t tot_pages, uint64_t stock_kb,
                         uint64_t host_pages,
                         struct lxe__memory_verdict *v);

/* The same as an error: 0 where it is allowed, else -1 with @err. */
int lxe__policy_judge(const struct lxe__policy *p, const char *op,
                      const char *who, uint64_t max_pages,
                      uint64_t tot_pages, uint64_t stock_kb,
                      uint64_t host_pages, struct lxe__err *err);

#endif
