/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Marking frames dirty from outside the guest.
 *
 * PVH and HVM: XEN_DMOP_modified_memory.  It refuses the very last frame
 * of the guest (its bound is one too low: the end of the extent, which
 * is exclusive, must not exceed the highest gfn, Xen 4.14 to 4.20), and
 * that frame is the console page of every PVH and HVM guest.  PV: the
 * call does not exist for them; MMU_MACHPHYS_UPDATE with the value that
 * is already there changes nothing and marks the pfn.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <xenctrl.h>
#include <xencall.h>
#include <xendevicemodel.h>
#include <xengnttab.h>

#include "freeze/mark.h"

#define MARK_BATCH 256

static int mark_hvm(const struct lxe__marker *m, struct lxe__frames *fs,
                    struct lxe__err *err)
{
    xendevicemodel_handle *dmod;
    size_t i, j;

    dmod = xendevicemodel_open(NULL, 0);
    if (!dmod)
        return lxe__err_set(err, errno, "freeze: cannot open the device"
                            " model interface: %s", strerror(errno));
    for (i = 0; i < fs->nr; i = j) {
        for (j = i + 1; j < fs->nr &&
             fs->list[j].pfn == fs->list[j - 1].pfn + 1; j++)
            ;
        if (!xendevicemodel_modified_memory(dmod, m->domid,
                                            fs->list[i].pfn, j - i))
            continue;
        /* One bad frame must not take its neighbours with it. */
        for (; i < j; i++)
            xendevicemodel_modified_memory(dmod, m->domid,
                                           fs->list[i].pfn, 1);
    }
    xendevicemodel_close(dmod);
    return 0;
}

static int mark_pv(const struct lxe__marker *m, struct lxe__frames *fs,
                   struct lxe__err *err)
{
    const size_t max = MARK_BATCH;
    mmu_update_t *up = NULL;
    xencall_handle *call;
    size_t i, n, k;
    int rc;

    call = xencall_open(NULL, 0);
    if (!call)
        return lxe__err_set(err, errno, "freeze: cannot open the"
                            " hypercall interface: %s", strerror(errno));
    up = xencall_alloc_buffer(call, max * sizeof(*up));
    if (!up) {
        rc = lxe__err_set(err, ENOMEM, "freeze: no hypercall buffer");
        goto out;
    }
    for (i = 0; i < fs->nr; i += n) {
        for (n = 0, k = 0; i + n < fs->nr && n < max; n++) {
            const struct lxe__frame *f = &fs->list[i + n];

            if (f->pfn == LXE_NO_PFN)
                continue;
            up[k].ptr = (f->frame << XC_PAGE_SHIFT) | MMU_MACHPHYS_UPDATE;
            up[k++].val = f->pfn;
        }
        /*
         * The call stops at the first that fails, so the rest is tried
         * one by one: a frame that is no longer the guest's must not
         * take others with it.
         */
        if (k && xencall4(call, __HYPERVISOR_mmu_update, (uintptr_t)up, k,
                          0, m->domid) < 0)
            for (; k; k--, up[0] = up[k])
                xencall4(call, __HYPERVISOR_mmu_update, (uintptr_t)up, 1,
                         0, m->domid);
    }
    rc = 0;

 out:
    if (up)
        xencall_free_buffer(call, up);
    xencall_close(call);
    return rc;
}

int lxe__frames_resolve(const struct lxe__marker *m,
                        struct lxe__frames *fs, struct lxe__err *err)
{
    uint64_t *mfns = NULL, *pfns = NULL;
    size_t i;
    int rc = 0;

    if (!fs->nr)
        return 0;
    mfns = calloc(fs->nr, sizeof(*mfns));
    pfns = calloc(fs->nr, sizeof(*pfns));
    if (!mfns || !pfns) {
        rc = lxe__err_set(err, ENOMEM, "freeze: no memory for %zu frames"
                          " at risk", fs->nr);
        goto out;
    }
    for (i = 0; i < fs->nr; i++)
        mfns[i] = pfns[i] = fs->list[i].frame;
    if (!m->hvm)
        rc = lxe__m2p_read(m->xch, m->fmem, mfns, fs->nr, pfns, err);
    for (i = 0; !rc && i < fs->nr; i++)
        fs->list[i].pfn = pfns[i];

 out:
    free(mfns);
    free(pfns);
    return rc;
}

int lxe__mark(const struct lxe__marker *m, struct lxe__frames *fs,
              struct lxe__err *err)
{
    return m->hvm ? mark_hvm(m, fs, err) : mark_pv(m, fs, err);
}

static bool wanted(const struct lxe__marker *m, const struct lxe__frame *f,
                   bool all)
{
    if (!f->has_ref || f->domid != m->own_domid)
        return false;
    return all ? !f->marked : m->hvm && f->pfn == m->max_pfn;
}

int lxe__mark_by_grant(const struct lxe__marker *m,
                       struct lxe__frames *fs, bool all,
                       struct lxe__err *err)
{
    xengnttab_handle *xgt = NULL;
    size_t i;
    void *p;

    for (i = 0; i < fs->nr; i++) {
        const struct lxe__frame *f = &fs->list[i];

        if (!wanted(m, f, all))
            continue;
        if (!xgt && !(xgt = xengnttab_open(NULL, 0)))
            return lxe__err_set(err, errno, "freeze: cannot open the"
                                " grant table device: %s",
                                strerror(errno));
        p = xengnttab_map_grant_ref(xgt, m->domid, f->ref,
                                    PROT_READ | PROT_WRITE);
        if (p)
            xengnttab_unmap(xgt, p, 1);
    }
    if (xgt)
        xengnttab_close(xgt);
    return 0;
}
