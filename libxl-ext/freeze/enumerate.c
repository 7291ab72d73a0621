/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Finding the backends of a guest.
 *
 * The list is taken from /libxl/DOMID/device, which only the toolstack
 * can write.  Whether a backend is connected is read from the backend's
 * own state node, which the guest cannot write either.  PCI devices that
 * are passed through are in that list up to Xen 4.14 only, and their
 * state says nothing, so they are looked for apart (memory/pci.c).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xenstore.h>
#include <xen/io/xenbus.h>

#include "freeze/backends.h"
#include "memory/pci.h"

char *lxe__xs_node(struct xs_handle *xsh, const char *dir,
                   const char *node)
{
    char path[256];
    unsigned len;
    int r = snprintf(path, sizeof(path), "%s/%s", dir, node);

    if (r < 0 || (size_t)r >= sizeof(path))
        return NULL;
    return xs_read(xsh, XBT_NULL, path, &len);
}

/* Read once: -1 where it could not be, 0 where there is none. */
static int read_state(struct xs_handle *xsh, const char *be)
{
    char *v = lxe__xs_node(xsh, be, "state");
    int state = v || errno == ENOENT ? 0 : -1;

    if (v && v[0] >= '0' && v[0] <= '9' && !v[1])
        state = v[0] - '0';
    free(v);
    return state;
}

unsigned lxe__xs_state(struct xs_handle *xsh, const char *dir)
{
    int state = read_state(xsh, dir);

    return state < 0 ? 0 : state;
}

uint32_t lxe__xs_own_domid(struct xs_handle *xsh)
{
    unsigned len;
    char *v = xs_read(xsh, XBT_NULL, "domid", &len);
    uint32_t domid = v ? strtoul(v, NULL, 10) : 0;

    free(v);
    return domid;
}

/* A device that we cannot read is one that we cannot freeze. */
static void make_unknown(struct lxe__backend *b, uint32_t domid,
                         const char *kind, const char *devid)
{
    memset(b, 0, sizeof(*b));
    b->kind = LXE_BK_UNKNOWN;
    b->domid = domid;
    b->connected = true;
    snprintf(b->type, sizeof(b->type), "%s", kind);
    snprintf(b->name, sizeof(b->name), "%.20s-%u-%.12s", kind, domid,
             devid);
}

/*
 * A USB controller that libxl had QEMU add (device_add): it is in the list
 * of devices without a backend or a frontend.
 */
static bool is_emulated_usb(struct xs_handle *xsh, const char *dir,
                            const char *kind)
{
    char *type = lxe__xs_node(xsh, dir, "type");
    bool is = type && !strcmp(kind, "vusb") &&
              !strcmp(type, "devicemodel");

    free(type);
    return is;
}

/* Unplugged since it was listed. */
static bool is_gone(struct xs_handle *xsh, const char *dir)
{
    unsigned nr;
    char **nodes = xs_directory(xsh, XBT_NULL, dir, &nr);
    bool gone = !nodes && errno == ENOENT;

    free(nodes);
    return gone;
}

/* False if it no longer exists. */
static bool find_one(struct lxe__backend *b, struct xs_handle *xsh,
                     uint32_t own, uint32_t domid, const char *dir,
                     const char *kind, const char *devid)
{
    char *be = lxe__xs_node(xsh, dir, "backend");
    char *fe = lxe__xs_node(xsh, dir, "frontend");
    int state;
    bool there = true;

    memset(b, 0, sizeof(*b));
    if (!be && !fe && is_gone(xsh, dir)) {
        there = false;
        goto out;
    }
    if (!be || !fe || strlen(fe) >= sizeof(b->fe_path) ||
        !lxe__backend_parse(be, b) || b->domid != domid ||
        (state = read_state(xsh, be)) < 0) {
        make_unknown(b, domid, kind, devid);
        if (!be && !fe && is_emulated_usb(xsh, dir, kind)) {
            b->kind = LXE_BK_USB;
            b->backend_domid = own;
            b->local = true;
        }
        goto out;
    }
    /* What find_pci() finds. */
    if (b->kind == LXE_BK_PCI && !b->backend_domid && !b->devid) {
        there = false;
        goto out;
    }
    strcpy(b->fe_path, fe);
    b->local = b->backend_domid == own;
    b->connected = state == XenbusStateConnected ||
        state == XenbusStateClosing;
    /* xenconsoled serves the first console whatever its state says. */
    if (b->kind == LXE_BK_CONSOLE && !b->devid)
        b->connected = true;
    if (b->kind == LXE_BK_PCI)
        b->connected = true;

 out:
    free(be);
    free(fe);
    return there;
}

static int append(struct lxe__backends *out, const struct lxe__backend *b,
                  const struct lxe__policy *policy, struct lxe__err *err)
{
    struct lxe__backend *list;

    if (out->nr == LXE_BACKENDS_MAX)
        return lxe__err_set(err, E2BIG, "freeze: domain %u has more than"
                            " %d devices", b->domid, LXE_BACKENDS_MAX);
    list = realloc(out->list, (out->nr + 1) * sizeof(*list));
    if (!list)
        return lxe__err_set(err, ENOMEM, "freeze: no memory");
    out->list = list;
    list += out->nr++;
    *list = *b;
    list->verdict = lxe__backend_judge(list, policy);
    return 0;
}

static int find_pci(struct lxe__backends *out, struct xs_handle *xsh,
                    uint32_t domid, const struct lxe__policy *policy,
                    struct lxe__err *err)
{
    struct lxe__backend b = { .connected = true };
    char path[sizeof(b.be_path)];
    unsigned nr;

    if (lxe__pci_devices(xsh, domid, &nr))
        return lxe__err_set(err, errno, "freeze: cannot read how many PCI"
                            " devices are passed through to domain %u:"
                            " %s", domid, strerror(errno));
    if (!nr)
        return 0;
    snprintf(path, sizeof(path), LXE_PCI_BACKEND "/0", domid);
    lxe__backend_parse(path, &b);
    snprintf(b.fe_path, sizeof(b.fe_path), "/local/domain/%u/device/pci/0",
             domid);
    b.local = b.backend_domid == out->own_domid;
    return append(out, &b, policy, err);
}

int lxe__backends_find(struct lxe__backends *out, struct xs_handle *xsh,
                       uint32_t domid, const struct lxe__policy *policy,
                       struct lxe__err *err)
{
    char **kinds = NULL, **devids = NULL;
    unsigned nr_kinds = 0, nr_devids, k, d;
    struct lxe__backend b;
    char dir[256];
    int rc;

    memset(out, 0, sizeof(*out));
    out->own_domid = lxe__xs_own_domid(xsh);
    snprintf(dir, sizeof(dir), "/libxl/%u/device", domid);
    kinds = xs_directory(xsh, XBT_NULL, dir, &nr_kinds);
    if (!kinds && errno != ENOENT) {
        rc = lxe__err_set(err, errno, "freeze: cannot list %s: %s", dir,
                          strerror(errno));
        goto out;
    }
    for (k = 0; kinds && k < nr_kinds; k++) {
        snprintf(dir, sizeof(dir), "/libxl/%u/device/%.32s", domid,
                 kinds[k]);
        free(devids);
        devids = xs_directory(xsh, XBT_NULL, dir, &nr_devids);
        if (!devids && errno != ENOENT) {
            rc = lxe__err_set(err, errno, "freeze: cannot list %s: %s",
                              dir, strerror(errno));
            goto out;
        }
        for (d = 0; devids && d < nr_devids; d++) {
            snprintf(dir, sizeof(dir), "/libxl/%u/device/%.32s/%.16s",
                     domid, kinds[k], devids[d]);
            if (!find_one(&b, xsh, out->own_domid, domid, dir, kinds[k],
                          devids[d]))
                continue;
            rc = append(out, &b, policy, err);
            if (rc)
                goto out;
        }
    }
    rc = find_pci(out, xsh, domid, policy, err);

 out:
    free(kinds);
    free(devids);
    if (rc)
        lxe__backends_dispose(out);
    return rc;
}

void lxe__backends_dispose(struct lxe__backends *bs)
{
    free(bs->list);
    memset(bs, 0, sizeof(*bs));
}
