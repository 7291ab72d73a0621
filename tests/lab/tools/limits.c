/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Prints what Xen says of a domain's memory, as one JSON object. Pages
 * throughout. A test's own view, independent of the project's code.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <xenctrl.h>

int main(int argc, char **argv)
{
    xc_interface *xch = xc_interface_open(NULL, NULL, 0);
    uint32_t domid = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;
    xc_domaininfo_t info;
    xen_pfn_t max_gpfn = 0;

    if (argc != 2 || !xch) {
        fprintf(stderr, "usage: limits DOMID (as root, in dom0)\n");
        return 2;
    }
    if (xc_domain_getinfolist(xch, domid, 1, &info) != 1 ||
        info.domain != domid) {
        fprintf(stderr, "limits: no domain %u\n", domid);
        return 1;
    }
    if (xc_domain_maximum_gpfn(xch, domid, &max_gpfn))
        max_gpfn = 0;
    printf("{\"domid\": %u, \"max_pages\": %" PRIu64 ", "
           "\"tot_pages\": %" PRIu64 ", \"outstanding_pages\": %" PRIu64
           ", \"shr_pages\": %" PRIu64 ", \"paged_pages\": %" PRIu64
           ", \"max_gpfn\": %" PRIu64 "}\n", domid,
           (uint64_t)info.max_pages, (uint64_t)info.tot_pages,
           (uint64_t)info.outstanding_pages, (uint64_t)info.shr_pages,
           (uint64_t)info.paged_pages, (uint64_t)max_gpfn);
    xc_interface_close(xch);
    return 0;
}
