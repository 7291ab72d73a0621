/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A Xen and a xenstore of a few lines, in place of libxenctrl's and
 * libxenstore's calls, for tests of what asks them.  A call that is made
 * while no test has set the fake up aborts the run.
 */
#ifndef LXE_TESTS_FAKE_XEN_H
#define LXE_TESTS_FAKE_XEN_H

#include <stdbool.h>
#include <xenctrl.h>

#define FAKE_DOMAINS 600
#define FAKE_NODES   64

struct fake_xen {
    bool on;
    int xc_error, xs_error;     /* what opening them fails with */
    xc_domaininfo_t domains[FAKE_DOMAINS];      /* by rising id */
    unsigned nr_domains;
    xc_physinfo_t host;
    int getinfo_error;
    int setmaxmem_error;
    unsigned setmaxmem_calls;
    int shadow_error;
    uint32_t shadow_domid;      /* of the last xc_shadow_control() */
    unsigned shadow_op;
    /* What xenstore has; a directory is listed by the paths below it. */
    struct { const char *path, *value; } nodes[FAKE_NODES];
    unsigned nr_nodes;
    unsigned reads;             /* how many there were */
    unsigned failing_read;      /* the one that fails with EAGAIN */
    unsigned opened;            /* handles that are open now */
};
extern struct fake_xen fake_xen;

/* A host of 1,000,000 pages with no domain. */
void fake_xen_on(void);
/* Asserts that everything was closed. */
void fake_xen_off(void);

/*
 * With 4-KiB pages; XEN_DOMINF_* in @flags.  The last byte of the uuid
 * is the id's.
 */
xc_domaininfo_t *fake_xen_domain(uint32_t domid, uint32_t flags,
                                 uint64_t max_pages, uint64_t tot_pages);
void fake_xen_node(const char *path, const char *value);

#endif
