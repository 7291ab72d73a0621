/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Pages of a guest and entries of its page tables, as Xen has them and
 * as the libxc stream does.  Pure code.
 */
#ifndef LXE_TABLES_PAGES_H
#define LXE_TABLES_PAGES_H

#include <stdbool.h>
#include <stdint.h>

#define LXE_PAGE_SIZE     4096U

/* Types of a page, bits 60 to 63 of its entry in PAGE_DATA. */
#define LXE_PAGE_NOTAB   0x0U
#define LXE_PAGE_L1TAB   0x1U
#define LXE_PAGE_L4TAB   0x4U
#define LXE_PAGE_LEVEL   0x7U   /* mask: without the pinned bit */
#define LXE_PAGE_PINNED  0x8U   /* of a page table */
#define LXE_PAGE_BROKEN  0xdU
#define LXE_PAGE_XALLOC  0xeU
#define LXE_PAGE_XTAB    0xfU
#define LXE_PAGE_TYPES   16U

/* Entries of page tables; the same 64 bits in 32-bit guests. */
#define LXE_PTE_PRESENT   (1ULL << 0)
#define LXE_PTE_RW        (1ULL << 1)
#define LXE_PTE_SUPERPAGE (1ULL << 7)   /* of level 2 and above */
#define LXE_PTE_FRAME     (((1ULL << 52) - 1) & ~0xfffULL)

static inline uint64_t lxe__pte_frame(uint64_t pte)
{
    return (pte & LXE_PTE_FRAME) >> 12;
}

static inline bool lxe__page_has_data(unsigned int type)
{
    return type < LXE_PAGE_BROKEN;
}

static inline bool lxe__page_is_table(unsigned int type)
{
    return lxe__page_has_data(type) && (type & LXE_PAGE_LEVEL);
}

static inline bool lxe__page_is_populated(unsigned int type)
{
    return lxe__page_has_data(type) || type == LXE_PAGE_XALLOC;
}

#endif
