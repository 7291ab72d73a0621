/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The fake; see fake_xen.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xenstore.h>

#include "_config.h"
#include "fake_xen.h"
#include "unit.h"

struct fake_xen fake_xen;
static char a_handle;

static void must_be_on(const char *call)
{
    if (fake_xen.on)
        return;
    fprintf(stderr, "%s is called, and no test expects that\n", call);
    abort();
}

void fake_xen_on(void)
{
    memset(&fake_xen, 0, sizeof(fake_xen));
    fake_xen.on = true;
    fake_xen.host.total_pages = 1000000;
    fake_xen.host.free_pages = 400000;
    fake_xen.host.outstanding_pages = 10;
}

void fake_xen_off(void)
{
    CU_ASSERT_EQUAL(fake_xen.opened, 0);
    fake_xen.on = false;
}

xc_domaininfo_t *fake_xen_domain(uint32_t domid, uint32_t flags,
                                 uint64_t max_pages, uint64_t tot_pages)
{
    xc_domaininfo_t *d = &fake_xen.domains[fake_xen.nr_domains++];

    d->domain = domid;
    d->flags = flags;
    d->max_pages = max_pages;
    d->tot_pages = tot_pages;
    d->handle[15] = domid;
    return d;
}

void fake_xen_node(const char *path, const char *value)
{
    fake_xen.nodes[fake_xen.nr_nodes].path = path;
    fake_xen.nodes[fake_xen.nr_nodes++].value = value;
}

/* The libraries themselves call some of these: all must see the same. */
#pragma GCC visibility push(default)

xc_interface *xc_interface_open(xentoollog_logger *logger,
                                xentoollog_logger *dombuild_logger,
                                unsigned open_flags)
{
    (void)logger;
    (void)dombuild_logger;
    (void)open_flags;
    must_be_on(__func__);
    if (fake_xen.xc_error) {
        errno = fake_xen.xc_error;
        return NULL;
    }
    fake_xen.opened++;
    return (xc_interface *)&a_handle;
}

int xc_interface_close(xc_interface *xch)
{
    (void)xch;
    must_be_on(__func__);
    fake_xen.opened--;
    return 0;
}

int xc_domain_getinfolist(xc_interface *xch, uint32_t first_domain,
                          unsigned int max_domains, xc_domaininfo_t *info)
{
    unsigned i, nr = 0;

    (void)xch;
    must_be_on(__func__);
    if (fake_xen.getinfo_error) {
        errno = fake_xen.getinfo_error;
        return -1;
    }
    for (i = 0; i < fake_xen.nr_domains && nr < max_domains; i++)
        if (fake_xen.domains[i].domain >= first_domain)
            info[nr++] = fake_xen.domains[i];
    return nr;
}

int xc_domain_setmaxmem(xc_interface *xch, uint32_t domid,
                        uint64_t max_memkb)
{
    unsigned i;

    (void)xch;
    must_be_on(__func__);
    fake_xen.setmaxmem_calls++;
    for (i = 0; i < fake_xen.nr_domains; i++)
        if (fake_xen.domains[i].domain == domid &&
            !fake_xen.setmaxmem_error) {
            fake_xen.domains[i].max_pages = max_memkb / 4;
            return 0;
        }
    errno = fake_xen.setmaxmem_error ? fake_xen.setmaxmem_error : ESRCH;
    return -1;
}

#ifdef LXE_HAVE_LOGDIRTY_CONTROL
int xc_shadow_control(xc_interface *xch, uint32_t domid, unsigned int sop,
                      unsigned int *mb, unsigned int mode)
{
    (void)xch;
    (void)mb;
    (void)mode;
#else
int xc_shadow_control(xc_interface *xch, uint32_t domid, unsigned int sop,
                      xc_hypercall_buffer_t *dirty_bitmap,
                      unsigned long pages, unsigned long *mb,
                      uint32_t mode, xc_shadow_op_stats_t *stats)
{
    (void)xch;
    (void)dirty_bitmap;
    (void)pages;
    (void)mb;
    (void)mode;
    (void)stats;
#endif
    must_be_on(__func__);
    fake_xen.shadow_domid = domid;
    fake_xen.shadow_op = sop;
    errno = fake_xen.shadow_error;
    return errno ? -1 : 0;
}

int xc_physinfo(xc_interface *xch, xc_physinfo_t *info)
{
    (void)xch;
    must_be_on(__func__);
    *info = fake_xen.host;
    return 0;
}

struct xs_handle *xs_open(unsigned long flags)
{
    (void)flags;
    must_be_on(__func__);
    if (fake_xen.xs_error) {
        errno = fake_xen.xs_error;
        return NULL;
    }
    fake_xen.opened++;
    return (struct xs_handle *)&a_handle;
}

void xs_close(struct xs_handle *xsh)
{
    (void)xsh;
    must_be_on(__func__);
    fake_xen.opened--;
}

void *xs_read(struct xs_handle *h, xs_transaction_t t, const char *path,
              unsigned int *len)
{
    unsigned i;

    (void)h;
    (void)t;
    must_be_on(__func__);
    if (++fake_xen.reads == fake_xen.failing_read) {
        errno = EAGAIN;
        return NULL;
    }
    for (i = 0; i < fake_xen.nr_nodes; i++)
        if (!strcmp(fake_xen.nodes[i].path, path)) {
            if (len)
                *len = strlen(fake_xen.nodes[i].value);
            return strdup(fake_xen.nodes[i].value);
        }
    errno = ENOENT;
    return NULL;
}

/* One block of pointers and words, as the library makes it. */
char **xs_directory(struct xs_handle *h, xs_transaction_t t,
                    const char *path, unsigned int *num)
{
    size_t len = strlen(path), word;
    char **out = calloc(FAKE_NODES, sizeof(*out) + 64), *at;
    const char *rest;
    unsigned i, k;

    (void)h;
    (void)t;
    must_be_on(__func__);
    CU_ASSERT_PTR_NOT_NULL_FATAL(out);
    at = (char *)(out + FAKE_NODES);
    *num = 0;
    for (i = 0; i < fake_xen.nr_nodes; i++) {
        rest = fake_xen.nodes[i].path + len;
        if (strncmp(fake_xen.nodes[i].path, path, len) || *rest++ != '/')
            continue;
        word = strcspn(rest, "/");
        for (k = 0; k < *num; k++)
            if (strlen(out[k]) == word && !memcmp(out[k], rest, word))
                break;
        if (k < *num || word >= 64)
            continue;
        memcpy(at, rest, word);
        out[(*num)++] = at;
        at += 64;
    }
    if (*num)
        return out;
    free(out);
    errno = ENOENT;
    return NULL;
}

#pragma GCC visibility pop
