/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Two calls of libxenguest to libxenctrl that go through this program,
 * for page_state.c; docs/page-state.md says why, and why that holds.
 *
 * Both libraries are shared ones, and the dynamic linker binds a call
 * from one to the other to the first definition that it finds, beginning
 * with the program.  exports.list puts these two, and nothing else, where
 * it looks.  Nothing changes for libxenguest: both hand on to libxenctrl,
 * and while no page state is attached they do only that.
 *
 * Only for libraries of Xen 4.15 and older, whose calls are known and do
 * not change any more; and in debug builds, to try it on others.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <string.h>

#include "_config.h"
#include "helper/page_state.h"

#if defined(LXE_HAVE_OLD_PAGE_TYPES) || defined(LXE_DEBUG)

#define EXPORTED __attribute__((visibility("default")))

typedef int tsc_fn(xc_interface *xch, uint32_t domid, uint32_t *mode,
                   uint64_t *elapsed, uint32_t *khz,
                   uint32_t *incarnation);

static struct lxe__page_state *attached;

/* The next definition, which is libxenctrl's. */
static void *next(const char *name)
{
    void *fn = dlsym(RTLD_NEXT, name);

    if (!fn)
        errno = ENOSYS;
    return fn;
}

lxe__types_fn *lxe__page_state_types(void)
{
    return (lxe__types_fn *)next("xc_get_pfn_type_batch");
}

int lxe__page_state_attach(struct lxe__page_state *ps)
{
    attached = ps;
    return !ps || (next("xc_get_pfn_type_batch") &&
                   next("xc_domain_get_tsc_info")) ? 0 : -1;
}

/* Of xc_private.h, which is not installed. */
lxe__types_fn xc_get_pfn_type_batch;

EXPORTED int xc_get_pfn_type_batch(xc_interface *xch, uint32_t domid,
                                   unsigned int num, xen_pfn_t *frames)
{
    lxe__types_fn *real = lxe__page_state_types();
    xen_pfn_t mfns[LXE_TYPES_MAX];
    int rc;

    if (!real)
        return -1;
    /* Xen takes no more at once. */
    if (!attached || num > LXE_TYPES_MAX)
        return real(xch, domid, num, frames);
    memcpy(mfns, frames, num * sizeof(*mfns));
    rc = real(xch, domid, num, frames);
    if (!rc)
        lxe__page_state_seen(attached, domid, mfns, frames, num);
    return rc;
}

/*
 * libxenguest writes X86_TSC_INFO, and asks for it here, when all pages
 * are written and nothing after them.
 */
EXPORTED int xc_domain_get_tsc_info(xc_interface *xch, uint32_t domid,
                                    uint32_t *mode, uint64_t *elapsed,
                                    uint32_t *khz, uint32_t *incarnation)
{
    tsc_fn *real = (tsc_fn *)next("xc_domain_get_tsc_info");

    if (!real || (attached && lxe__page_state_write(attached)))
        return -1;
    return real(xch, domid, mode, elapsed, khz, incarnation);
}

#else

lxe__types_fn *lxe__page_state_types(void)
{
    return NULL;
}

int lxe__page_state_attach(struct lxe__page_state *ps)
{
    if (!ps)
        return 0;
    errno = ENOSYS;
    return -1;
}

#endif
