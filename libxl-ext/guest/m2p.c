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

/*
 * The pages of the table that have entries of @mfns, which rise, so that
 * equal pages are neighbours.  How many.
 */
static size_t find_pages(const uint64_t *mfns, size_t nr_mfns,
                         uint64_t end_mfn, const xen_pfn_t *extents,
                         xen_pfn_t *pages)
{
    uint64_t page, last = 0;
    size_t i, nr = 0;

    for (i = 0; i < nr_mfns && mfns[i] < end_mfn; i++) {
        page = mfns[i] / ENTRIES_PER_PAGE;
        if (nr && page == last)
            continue;
        last = page;
        pages[nr++] = extents[mfns[i] / ENTRIES_PER_CHUNK] +
                      page % PAGES_PER_CHUNK;
    }
    return nr;
}

/*
 * What those pages, mapped at @map in the same order, say; @errs is not
 * 0 for one that could not be mapped.
 */
static void read_entries(const uint64_t *mfns, size_t nr_mfns,
                         uint64_t end_mfn, const uint64_t *map,
                         const int *errs, uint64_t *pfns)
{
    uint64_t page, last = UINT64_MAX;
    size_t i, nr = 0;

    for (i = 0; i < nr_mfns && mfns[i] < end_mfn; i++) {
        page = mfns[i] / ENTRIES_PER_PAGE;
        if (page != last) {
            last = page;
            nr++;
        }
        if (!errs[nr - 1])
            pfns[i] = map[(nr - 1) * ENTRIES_PER_PAGE +
                          mfns[i] % ENTRIES_PER_PAGE];
    }
}

int lxe__m2p_read(xc_interface *xch, xenforeignmemory_handle *fmem,
                  const uint64_t *mfns, size_t nr_mfns, uint64_t *pfns,
                  struct lxe__err *err)
{
    xen_pfn_t *extents = NULL, *pages = NULL;
    unsigned long end_mfn, chunks;
    const uint64_t *map = NULL;
    size_t i, nr = 0;
    int *errs = NULL;
    int rc;

    for (i = 0; i < nr_mfns; i++)
        pfns[i] = LXE_NO_PFN;
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
                          "physical table: %s", strerror(errno));
        goto out;
    }
    nr = find_pages(mfns, nr_mfns, end_mfn, extents, pages);
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
    read_entries(mfns, nr_mfns, end_mfn, map, errs, pfns);
    rc = 0;

 out:
    if (map)
        xenforeignmemory_unmap(fmem, (void *)map, nr);
    free(extents);
    free(pages);
    free(errs);
    return rc;
}
