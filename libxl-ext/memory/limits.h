/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The live memory limits of a domain and of the host, as Xen has them.
 *
 * Nothing here is ever cached: Xen is the record of memory limits and
 * is asked at the moment a value is needed.
 */
#ifndef LXE_MEMORY_LIMITS_H
#define LXE_MEMORY_LIMITS_H

#include <stdbool.h>
#include <stdint.h>
#include <xenctrl.h>

#include "base/err.h"

struct xs_handle;

/* Pages are of 4 KiB, as everywhere in Xen's x86 accounting. */
struct lxe__limits {
    uint32_t domid;
    uint8_t uuid[16];           /* the domain's handle in Xen */
    bool hvm;                   /* PVH or HVM (XEN_DOMINF_hvm_guest) */
    uint64_t max_pages;         /* may be allocated */
    uint64_t tot_pages;         /* are allocated */
    uint64_t outstanding_pages; /* claimed, not yet allocated */
    uint64_t shr_pages;
    uint64_t paged_pages;
    uint64_t target_kb;         /* xenstore memory/target */
    uint64_t static_max_kb;     /* xenstore memory/static-max */
    /*
     * What stock libxl would set as the limit when it restores this
     * domain: the target that it would write into the image, plus
     * LIBXL_MAXMEM_CONSTANT and the architecture's extra, in KiB.
     */
    uint64_t stock_max_kb;
};

struct lxe__host {
    uint64_t total_pages;
    uint64_t free_pages;        /* free, claims of others not taken off */
    uint64_t outstanding_pages; /* claimed by all domains */
    bool shadow;                /* Xen has shadow page tables */
};

/*
 * Fills @l for @domid.  @xsh may be NULL: target_kb, static_max_kb and
 * stock_max_kb are then 0.  ESRCH where there is no such domain.
 */
int lxe__limits_read(xc_interface *xch, struct xs_handle *xsh,
                     uint32_t domid, struct lxe__limits *l,
                     struct lxe__err *err);

/* Only what Xen itself knows; cheap enough for every precopy round. */
int lxe__limits_read_pages(xc_interface *xch, uint32_t domid,
                           uint64_t *max_pages, uint64_t *tot_pages,
                           struct lxe__err *err);

/* Sets the limit to exactly @max_pages and reads it back. */
int lxe__limits_set(xc_interface *xch, uint32_t domid,
                    uint64_t max_pages, struct lxe__err *err);

int lxe__host_read(xc_interface *xch, struct lxe__host *h,
                   struct lxe__err *err);

/*
 * Claims so many pages that @domid can have @pages in all; 0 gives an
 * outstanding claim back.  ENOMEM where the host cannot promise them.
 */
int lxe__claim(xc_interface *xch, uint32_t domid, uint64_t pages,
               struct lxe__err *err);

#endif
