/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Reading and setting the memory limits that Xen keeps.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xenstore.h>

#include "base/io.h"
#include "base/uuid.h"
#include "memory/domain.h"
#include "memory/limits.h"
#include "memory/stock.h"

/* Where libxl keeps what it knows of a domain (XEN_LIB_DIR). */
#define XEN_LIB_DIR "/var/lib/xen"
#define JSON_MAX (1 << 20)      /* a configuration has some KiB */

static int getinfo(xc_interface *xch, uint32_t domid,
                   xc_domaininfo_t *info, struct lxe__err *err)
{
    if (lxe__domain_info(xch, domid, info))
        return lxe__err_set(err, errno, "reading the limits of domain %u:"
                            " %s", domid, lxe__xen_why(errno));
    if (info->flags & XEN_DOMINF_dying)
        return lxe__err_set(err, ESRCH, "reading the limits of domain %u:"
                            " the domain is being destroyed", domid);
    return 0;
}

/* A number of KiB below the domain's xenstore directory; 0 if none. */
static uint64_t read_kb(struct xs_handle *xsh, uint32_t domid,
                        const char *node)
{
    char path[80], *text, *end;
    uint64_t kb;

    snprintf(path, sizeof(path), "/local/domain/%u/%s", domid, node);
    text = xs_read(xsh, XBT_NULL, path, NULL);
    if (!text)
        return 0;
    errno = 0;
    kb = strtoull(text, &end, 10);
    if (errno || end == text || *end || *text == '-')
        kb = 0;
    free(text);
    return kb;
}

/* HVM in libxl's sense: with a device model.  PVH is not. */
static bool is_libxl_hvm(struct xs_handle *xsh, uint32_t domid)
{
    char path[80], *type;
    bool hvm;

    snprintf(path, sizeof(path), "/libxl/%u/type", domid);
    type = xs_read(xsh, XBT_NULL, path, NULL);
    hvm = type && !strcmp(type, "hvm");
    free(type);
    return hvm;
}

/*
 * libxl's stored configuration of the domain, or NULL (libxl__userdata
 * in tools/libs/light/libxl_dom.c; the name is the same since 4.5).
 */
static char *read_json(uint32_t domid, const uint8_t uuid[16])
{
    char path[160], uuid_text[LXE_UUID_TEXT], *text = NULL;
    size_t len;

    lxe__uuid_text(uuid, uuid_text);
    snprintf(path, sizeof(path), XEN_LIB_DIR
             "/userdata-d.%u.%s.libxl-json", domid, uuid_text);
    lxe__read_file("configuration", path, JSON_MAX, &text, &len, NULL);
    return text;
}

/*
 * Where libxl stored no configuration here, the limits of today stand
 * in for those of the creation: right unless an HVM guest was ballooned.
 */
static uint64_t stock_max_kb(struct xs_handle *xsh,
                             const struct lxe__limits *l)
{
    char *json = read_json(l->domid, l->uuid);
    struct lxe__stock s = {
        .hvm = is_libxl_hvm(xsh, l->domid),
        .target_kb = l->target_kb,
        .video_kb = read_kb(xsh, l->domid, "memory/videoram"),
        .created_max_kb = l->static_max_kb,
    };

    s.created_target_kb = s.target_kb + s.video_kb;
    if (json) {
        s.created_max_kb = lxe__stock_json_kb(json, "max_memkb");
        s.created_target_kb = lxe__stock_json_kb(json, "target_memkb");
    }
    free(json);
    return lxe__stock_max_kb(&s);
}

int lxe__limits_read(xc_interface *xch, struct xs_handle *xsh,
                     uint32_t domid, struct lxe__limits *l,
                     struct lxe__err *err)
{
    xc_domaininfo_t info;

    if (getinfo(xch, domid, &info, err))
        return -1;
    memset(l, 0, sizeof(*l));
    l->domid = domid;
    memcpy(l->uuid, info.handle, sizeof(l->uuid));
    l->hvm = info.flags & XEN_DOMINF_hvm_guest;
    l->max_pages = info.max_pages;
    l->tot_pages = info.tot_pages;
    l->outstanding_pages = info.outstanding_pages;
    l->shr_pages = info.shr_pages;
    l->paged_pages = info.paged_pages;
    if (!xsh)
        return 0;
    l->target_kb = read_kb(xsh, domid, "memory/target");
    l->static_max_kb = read_kb(xsh, domid, "memory/static-max");
    l->stock_max_kb = stock_max_kb(xsh, l);
    return 0;
}

int lxe__limits_read_pages(xc_interface *xch, uint32_t domid,
                           uint64_t *max_pages, uint64_t *tot_pages,
                           struct lxe__err *err)
{
    xc_domaininfo_t info;

    if (getinfo(xch, domid, &info, err))
        return -1;
    *max_pages = info.max_pages;
    *tot_pages = info.tot_pages;
    return 0;
}

int lxe__limits_set(xc_interface *xch, uint32_t domid,
                    uint64_t max_pages, struct lxe__err *err)
{
    uint64_t now, tot;

    /* In KiB; Xen divides by the size of a page again. */
    if (xc_domain_setmaxmem(xch, domid, max_pages * 4))
        return lxe__err_set(err, errno, "setting max_pages of domain %u to"
                            " %"PRIu64": %s", domid, max_pages,
                            lxe__xen_why(errno));
    if (lxe__limits_read_pages(xch, domid, &now, &tot, err))
        return -1;
    if (now != max_pages)
        return lxe__err_set(err, ERANGE, "setting max_pages of domain %u"
                            " to %"PRIu64": Xen made it %"PRIu64, domid,
                            max_pages, now);
    return 0;
}

int lxe__host_read(xc_interface *xch, struct lxe__host *h,
                   struct lxe__err *err)
{
    xc_physinfo_t info;

    memset(&info, 0, sizeof(info));
    if (xc_physinfo(xch, &info))
        return lxe__err_set(err, errno, "reading the host's memory: %s",
                            lxe__xen_why(errno));
    h->total_pages = info.total_pages;
    h->free_pages = info.free_pages;
    h->outstanding_pages = info.outstanding_pages;
    h->shadow = info.capabilities & XEN_SYSCTL_PHYSCAP_shadow;
    return 0;
}

int lxe__claim(xc_interface *xch, uint32_t domid, uint64_t pages,
               struct lxe__err *err)
{
    if (!xc_domain_claim_pages(xch, domid, pages))
        return 0;
    if (errno == ENOMEM)
        return lxe__err_set(err, ENOMEM, "claiming %"PRIu64" pages (%"
                            PRIu64" KiB) for domain %u: the host has not"
                            " so many that are free and unclaimed: free"
                            " memory and try again", pages, pages * 4,
                            domid);
    return lxe__err_set(err, errno, "claiming %"PRIu64" pages for domain"
                        " %u: %s", pages, domid, lxe__xen_why(errno));
}
