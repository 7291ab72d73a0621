/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Raises a running guest's max_pages by so many MiB and populates so many
 * more pages into it, as QEMU does for an option ROM: with gfns above all
 * that the guest has. This is the state in which stock tools save a guest
 * and cannot restore it.
 *
 * usage: raise DOMID MIB PAGES
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <xenctrl.h>

enum { PAGES_PER_MIB = 256, KIB_PER_PAGE = 4, MOST = 65536 };

static int raise_limit(xc_interface *xch, uint32_t domid,
                       unsigned long mib, unsigned long nr)
{
    static xen_pfn_t gfns[MOST];
    xc_domaininfo_t info;
    xen_pfn_t max_gpfn;
    uint64_t max_pages;
    unsigned long i;

    if (xc_domain_getinfolist(xch, domid, 1, &info) != 1 ||
        info.domain != domid) {
        fprintf(stderr, "raise: no domain %u\n", domid);
        return -1;
    }
    max_pages = info.max_pages + mib * PAGES_PER_MIB;
    if (xc_domain_setmaxmem(xch, domid, max_pages * KIB_PER_PAGE)) {
        perror("raise: xc_domain_setmaxmem");
        return -1;
    }
    if (!nr)
        return 0;
    if (xc_domain_maximum_gpfn(xch, domid, &max_gpfn)) {
        perror("raise: xc_domain_maximum_gpfn");
        return -1;
    }
    for (i = 0; i < nr; i++)
        gfns[i] = max_gpfn + 1 + i;
    if (xc_domain_populate_physmap_exact(xch, domid, nr, 0, 0, gfns)) {
        perror("raise: xc_domain_populate_physmap_exact");
        return -1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    xc_interface *xch;
    unsigned long nr;

    if (argc != 4) {
        fprintf(stderr, "usage: raise DOMID MIB PAGES\n");
        return 2;
    }
    nr = strtoul(argv[3], NULL, 10);
    if (nr > MOST) {
        fprintf(stderr, "raise: at most %d pages\n", MOST);
        return 2;
    }
    xch = xc_interface_open(NULL, NULL, 0);
    if (!xch)
        return 1;
    return raise_limit(xch, strtoul(argv[1], NULL, 10),
                       strtoul(argv[2], NULL, 10), nr) ? 1 : 0;
}
