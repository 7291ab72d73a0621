/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * PV: from machine frame to the guest's own number of it.
 *
 * Xen keeps the machine-to-physical table in chunks of 2 MiB and names
 * their first frames; it can be mapped read-only from DOMID_XEN.  Only
 * the pages of it that hold an entry we need are mapped.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "guest/m2p.h"

#define ENTRIES_PER_PAGE  512U
#define PAGES_PER_CHUNK   512U  /* 2 MiB */
#define ENTRIES_PER_CHUNK (ENTRIES_PER_PAGE * PAGES_PER_CHUNK)

int lxe__m2p_read(xc_interface *xch, xenforeignmemory_handle *fmem,
                  const uint64_t *mfns, size_t nr_mfns, uint64_t *pfns,
                  struct lxe__err *err)
{
    xen_pfn_t *extents = NULL, *pages = NULL;
    const uint64_t *map = NULL;
    unsigned long end_mfn, chunks;
    size_t i, nr = 0, last = 0;
    int *errs = NULL;
    int rc;

    if (!nr_mfns)
        return 0;
    if (xc_maximum_ram_page(xch, &end_mfn) < 0) {
        rc = lxe__err_set(err, errno, "cannot ask Xen for its highest"
                          " frame: %s", strerror(errno));
        goto out;
    }
    chunks = (end_mfn + ENTRIES_PER_CHUNK - 1) / ENTRIES_PER_CHUNK;
    extents = calloc(chunks, sizeof(*extents));
    pages = calloc(nr_mfns, sizeof(*pages));
    errs = calloc(nr_mfns, sizeof(*errs));
    if (!extents || !pages || !errs) {
        rc = lxe__err_set(err, ENOMEM, "no memory to look up %zu frames",
                          nr_mfns);
        goto out;
    }
    if (xc_machphys_mfn_list(xch, chunks, extents)) {
        rc = lxe__err_set(err, errno, "cannot ask Xen for the machine-to-"
                          "physical table: %s",
                          strerror(errno));
        goto out;
    }
    /* Sorted by frame, so equal pages of the table are neighbours. */
    for (i = 0; i < nr_mfns; i++) {
        uint64_t mfn = mfns[i];
        size_t page = mfn / ENTRIES_PER_PAGE;

        pfns[i] = LXE_NO_PFN;
        if (mfn >= end_mfn || (nr && page == last))
            continue;
        last = page;
        pages[nr++] = extents[mfn / ENTRIES_PER_CHUNK] +
                      page % PAGES_PER_CHUNK;
    }
    if (!nr) {
        rc = 0;
        goto out;
    }
    map = xenforeignmemory_map(fmem, DOMID_XEN, PROT_READ, nr, pages,
                               errs);
    if (!map) {
        rc = lxe__err_set(err, errno, "cannot map %zu pages of the"
                          " machine-to-physical table: %s", nr,
                          strerror(errno));
        goto out;
    }
    last = SIZE_MAX;
    for (i = 0, nr = 0; i < nr_mfns; i++) {
        uint64_t mfn = mfns[i];
        size_t page = mfn / ENTRIES_PER_PAGE;

        if (mfn >= end_mfn)
            continue;
        if (page != last) {
            last = page;
            nr++;
        }
        if (!errs[nr - 1])
            pfns[i] = map[(nr - 1) * ENTRIES_PER_PAGE +
                          mfn % ENTRIES_PER_PAGE];
    }
    rc = 0;

 out:
    if (map)
        xenforeignmemory_unmap(fmem, (void *)map, nr);
    free(extents);
    free(pages);
    free(errs);
    return rc;
}
