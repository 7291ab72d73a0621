/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The libxenguest that is installed saves a PV guest that lives in a
 * file, and what the helper does for its page state takes part: whether
 * the two calls of helper/interpose.c are what libxenguest calls, and
 * what becomes of the stream, is seen without a hypervisor.
 *
 *   pv_save DIR live|plain mend|stock|blind OUT
 *
 * Under libxenguest and libxenctrl, which are the real ones, stands a
 * Xen of a few lines, in the place of libxencall and
 * libxenforeignmemory.  It aborts at what it does not know.  DIR has
 *
 *   mem    machine memory: frame N at N * 4096
 *   guest  64-bit numbers: width, frames, vcpus, machine frames; then of
 *          each frame its machine frame (all ones: none), what
 *          getpageframeinfo3 says of it, the same once the guest is
 *          suspended, and whether it is dirty then; then of each vcpu
 *          the machine frames of start info, GDT, cr3 (all ones: Xen has
 *          no registers) and the user's root (0: none), and whether it
 *          is online
 *   after  in a live save: frame, then a page, for each that the guest
 *          has written when it is suspended
 *
 * FAIL=types:N, map:N or vcpu:N makes Xen refuse the Nth such call that
 * is made behind the suspend; FULL=N leaves room for N bytes in OUT;
 * LIE=MFN:PFN puts that into the machine-to-physical table.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>
#include <xenctrl.h>
#include <xencall.h>
#include <xendevicemodel.h>
#include <xenforeignmemory.h>
#include <xenguest.h>
#include <xen/memory.h>

#include "engine/engine.h"
#include "helper/page_state.h"

/* The libraries are to find what is here; the rest is built as it is. */
#pragma GCC visibility push(default)

#define DOMID   5U
#define PAGE    4096UL
#define CHUNK   512UL           /* frames of a chunk of the M2P table */
#define NONE    UINT64_MAX
#define XTAB    (0xfUL << 28)

enum { WIDTH, FRAMES, VCPUS, END_MFN, HEAD };
enum { START_INFO, GDT, CR3, USER, ONLINE, PER_VCPU };

static uint64_t head[HEAD];
static uint64_t *p2m, *types, *types_after, *dirty, *vcpus, *m2p;
static uint64_t m2p_at, list_at, shared_at;     /* frames of mem */
static int mem = -1;
static bool suspended;
static char handle;
static const char *dir;

static void die(const char *what, unsigned long n)
{
    fprintf(stderr, "pv_save: %s %lu: %s\n", what, n, strerror(errno));
    abort();
}

/* Is this the call that is to fail? */
static bool refused(const char *what)
{
    static unsigned long calls;
    const char *env = getenv("FAIL");
    size_t len = strlen(what);

    if (!env || !suspended || strncmp(env, what, len) ||
        ++calls != strtoul(env + len + 1, NULL, 10))
        return false;
    errno = ENOTTY;
    return true;
}

/*----- the guest -----*/

static void *must_read(const char *name, size_t *len_r)
{
    char path[512];
    FILE *f;
    uint8_t *buf = NULL;
    size_t len = 0, n;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    f = fopen(path, "r");
    if (!f)
        die(path, 0);
    do {
        buf = realloc(buf, len + (1 << 20));
        n = fread(buf + len, 1, 1 << 20, f);
        len += n;
    } while (n);
    fclose(f);
    *len_r = len;
    return buf;
}

static void put_page(uint64_t mfn, const void *page)
{
    if (pwrite(mem, page, PAGE, mfn * PAGE) != (ssize_t)PAGE)
        die("writing frame", mfn);
}

/* List of lists, lists: the tree that libxenguest finds the P2M by. */
static void put_tree(uint64_t p2m_pages, const uint64_t *leaves)
{
    uint64_t per = PAGE / head[WIDTH], i, k, n;
    uint8_t top[PAGE], mid[PAGE];

    memset(top, 0xff, sizeof(top));
    for (i = n = 0; i < p2m_pages; i += per, n++) {
        memset(mid, 0xff, sizeof(mid));
        for (k = 0; k < per && i + k < p2m_pages; k++)
            memcpy(mid + k * head[WIDTH], &leaves[i + k], head[WIDTH]);
        put_page(list_at + 1 + n, mid);
        k = list_at + 1 + n;
        memcpy(top + n * head[WIDTH], &k, head[WIDTH]);
    }
    put_page(list_at, top);
}

static void put_shared_info(void)
{
    uint8_t page[PAGE];

    memset(page, 0, sizeof(page));
    if (head[WIDTH] == 8) {
        struct shared_info_x86_64 *s = (void *)page;

        s->arch.max_pfn = head[FRAMES];
        s->arch.pfn_to_mfn_frame_list_list = list_at;
    } else {
        struct shared_info_x86_32 *s = (void *)page;

        s->arch.max_pfn = head[FRAMES];
        s->arch.pfn_to_mfn_frame_list_list = list_at;
    }
    put_page(shared_at, page);
}

/* What the guest says there is not what Xen knows. */
static void put_m2p(void)
{
    const char *lie = getenv("LIE");
    uint64_t i, mfn = 0, pfn, truth;

    if (lie && sscanf(lie, "%" SCNu64 ":%" SCNu64, &mfn, &pfn) != 2)
        die(lie, 0);
    truth = m2p[mfn];
    if (lie)
        m2p[mfn] = pfn;
    for (i = m2p_at; i < list_at; i++)
        put_page(i, (uint8_t *)m2p + (i - m2p_at) * PAGE);
    m2p[mfn] = truth;
}

/* Which frames the P2M table is in stands behind the vcpus. */
static void load(void)
{
    size_t len, i;
    uint64_t *g = must_read("guest", &len), nr;

    memcpy(head, g, sizeof(head));
    nr = head[FRAMES];
    p2m = g + HEAD;
    types = p2m + nr;
    types_after = types + nr;
    dirty = types_after + nr;
    vcpus = dirty + nr;
    m2p_at = (head[END_MFN] + CHUNK) / CHUNK * CHUNK;
    list_at = m2p_at + CHUNK;
    shared_at = list_at + 64;
    if (shared_at >= CHUNK * 512)
        die("machine frames are above one chunk:", shared_at);
    m2p = malloc((list_at - m2p_at) * PAGE);
    memset(m2p, 0xff, (list_at - m2p_at) * PAGE);
    for (i = 0; i < nr; i++)
        if (p2m[i] < head[END_MFN])
            m2p[p2m[i]] = i;
    {
        char path[512];

        snprintf(path, sizeof(path), "%s/mem", dir);
        mem = open(path, O_RDWR);
    }
    if (mem < 0 || ftruncate(mem, (shared_at + 1) * PAGE))
        die("mem", 0);
    put_m2p();
    i = head[VCPUS] * PER_VCPU;
    put_tree(len / 8 - (vcpus + i - g), vcpus + i);
    put_shared_info();
}

static uint64_t info_of(uint64_t mfn)
{
    uint64_t pfn = mfn < head[END_MFN] ? m2p[mfn] : NONE;

    if (pfn >= head[FRAMES])
        return XTAB;
    return suspended ? types_after[pfn] : types[pfn];
}

static void suspend(void)
{
    size_t len, at;
    uint8_t *after;

    suspended = true;
    after = must_read("after", &len);
    for (at = 0; at + 8 + PAGE <= len; at += 8 + PAGE)
        put_page(*(uint64_t *)(after + at), after + at + 8);
    free(after);
}

/*----- libxenforeignmemory, libxendevicemodel -----*/

xenforeignmemory_handle *xenforeignmemory_open(xentoollog_logger *logger,
                                               unsigned flags)
{
    (void)logger;
    (void)flags;
    return (xenforeignmemory_handle *)&handle;
}

int xenforeignmemory_close(xenforeignmemory_handle *fmem)
{
    (void)fmem;
    return 0;
}

void *xenforeignmemory_map(xenforeignmemory_handle *fmem, uint32_t dom,
                           int prot, size_t pages,
                           const xen_pfn_t arr[/*pages*/],
                           int err[/*pages*/])
{
    uint8_t *at = mmap(NULL, pages * PAGE, PROT_NONE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    size_t i;

    (void)fmem;
    if (at == MAP_FAILED || refused("map"))
        return NULL;
    for (i = 0; i < pages; i++) {
        bool there = dom == DOMID_XEN
                     ? arr[i] >= m2p_at && arr[i] < list_at
                     : arr[i] >= list_at || info_of(arr[i]) != XTAB;

        if (err)
            err[i] = there ? 0 : -EINVAL;
        if (there && mmap(at + i * PAGE, PAGE, prot,
                          MAP_SHARED | MAP_FIXED, mem,
                          arr[i] * PAGE) == MAP_FAILED)
            die("mapping frame", arr[i]);
        if (!there && !err)
            die("no such frame", arr[i]);
    }
    return at;
}

int xenforeignmemory_unmap(xenforeignmemory_handle *fmem, void *addr,
                           size_t pages)
{
    (void)fmem;
    return munmap(addr, pages * PAGE);
}

xendevicemodel_handle *xendevicemodel_open(xentoollog_logger *logger,
                                           unsigned open_flags)
{
    (void)logger;
    (void)open_flags;
    return (xendevicemodel_handle *)&handle;
}

int xendevicemodel_close(xendevicemodel_handle *dmod)
{
    (void)dmod;
    return 0;
}

/*----- hypercalls -----*/

static void domain_info(xc_domaininfo_t *info)
{
    memset(info, 0, sizeof(*info));
    info->domain = DOMID;
    if (suspended)
        info->flags = XEN_DOMINF_shutdown |
                      SHUTDOWN_suspend << XEN_DOMINF_shutdownshift;
    info->tot_pages = head[FRAMES];
    info->max_vcpu_id = head[VCPUS] - 1;
    info->nr_online_vcpus = head[VCPUS];
    info->shared_info_frame = shared_at;
}

/* A cr3 as Xen says it. */
static uint64_t cr3_of(uint64_t mfn)
{
    return head[WIDTH] == 8 ? mfn << 12
                            : (uint32_t)(mfn << 12 | mfn >> 20);
}

static int get_context(struct xen_domctl *d)
{
    const uint64_t *v = vcpus + d->u.vcpucontext.vcpu * PER_VCPU;
    vcpu_guest_context_any_t *c;

    c = (void *)d->u.vcpucontext.ctxt.p;
    if (d->u.vcpucontext.vcpu >= head[VCPUS]) {
        errno = EINVAL;
        return -1;
    }
    if (v[CR3] == NONE) {
        errno = ENODATA;
        return -1;
    }
    if (refused("vcpu"))
        return -1;
    if (head[WIDTH] == 8) {
        memset(&c->x64, 0, sizeof(c->x64));
        c->x64.user_regs.rdx = v[START_INFO];
        c->x64.gdt_ents = 512;
        c->x64.gdt_frames[0] = v[GDT];
        c->x64.ctrlreg[3] = cr3_of(v[CR3]);
        c->x64.ctrlreg[1] = v[USER] << 12;
    } else {
        memset(&c->x32, 0, sizeof(c->x32));
        c->x32.user_regs.edx = v[START_INFO];
        c->x32.gdt_ents = 512;
        c->x32.gdt_frames[0] = v[GDT];
        c->x32.ctrlreg[3] = cr3_of(v[CR3]);
    }
    return 0;
}

static int shadow_op(struct xen_domctl_shadow_op *op)
{
    uint8_t *bits = (uint8_t *)op->dirty_bitmap.p;
    uint64_t i, n = 0;

    if (op->op != XEN_DOMCTL_SHADOW_OP_CLEAN &&
        op->op != XEN_DOMCTL_SHADOW_OP_PEEK)
        return 0;
    if (bits)
        memset(bits, 0, (op->pages + 7) / 8);
    for (i = 0; bits && suspended && i < op->pages; i++)
        if (i < head[FRAMES] && dirty[i]) {
            bits[i / 8] |= 1 << i % 8;
            n++;
        }
    op->stats.dirty_count = n;
    return 0;
}

static int domctl(struct xen_domctl *d)
{
    xen_pfn_t *frames;
    unsigned i;

    switch (d->cmd) {
    case XEN_DOMCTL_getdomaininfo:
        d->domain = DOMID;
        domain_info(&d->u.getdomaininfo);
        return 0;
    case XEN_DOMCTL_get_address_size:
        d->u.address_size.size = head[WIDTH] * 8;
        return 0;
    case XEN_DOMCTL_getpageframeinfo3:
        if (refused("types"))
            return -1;
        frames = (xen_pfn_t *)d->u.getpageframeinfo3.array.p;
        for (i = 0; i < d->u.getpageframeinfo3.num; i++)
            frames[i] = info_of(frames[i]);
        return 0;
    case XEN_DOMCTL_getvcpucontext:
        return get_context(d);
    case XEN_DOMCTL_getvcpuinfo:
        memset((char *)&d->u.getvcpuinfo + 4, 0,
               sizeof(d->u.getvcpuinfo) - 4);
        d->u.getvcpuinfo.online =
            vcpus[d->u.getvcpuinfo.vcpu * PER_VCPU + ONLINE];
        return 0;
    case XEN_DOMCTL_gettscinfo:
        memset(&d->u.tsc_info, 0, sizeof(d->u.tsc_info));
        return 0;
    case XEN_DOMCTL_shadow_op:
        return shadow_op(&d->u.shadow_op);
    case XEN_DOMCTL_get_ext_vcpucontext:
        memset((uint8_t *)&d->u.ext_vcpucontext + 4, 0,
               sizeof(d->u.ext_vcpucontext) - 4);
        d->u.ext_vcpucontext.size = sizeof(d->u.ext_vcpucontext);
        return 0;
    case XEN_DOMCTL_getvcpuextstate:
        d->u.vcpuextstate.size = 0;
        return 0;
    case XEN_DOMCTL_get_vcpu_msrs:
        d->u.vcpu_msrs.msr_count = 0;
        return 0;
    case XEN_DOMCTL_get_cpu_policy:
        d->u.cpu_policy.nr_leaves = 0;
        d->u.cpu_policy.nr_msrs = 0;
        return 0;
    }
    die("unknown domctl", d->cmd);
    return -1;
}

static int memory_op(unsigned long cmd, void *arg)
{
    struct xen_machphys_mfn_list *l = arg;
    xen_pfn_t *extents;
    unsigned i;

    switch (cmd) {
    case XENMEM_maximum_ram_page:
        return shared_at;
    case XENMEM_maximum_gpfn:
        return head[FRAMES] - 1;
    case XENMEM_machphys_mfn_list:
    case XENMEM_machphys_compat_mfn_list:
        extents = (xen_pfn_t *)l->extent_start.p;
        for (i = 0; i < l->max_extents; i++)
            extents[i] = cmd == XENMEM_machphys_mfn_list
                         ? m2p_at + i * CHUNK : NONE >> 24;
        l->nr_extents = l->max_extents;
        return 0;
    }
    die("unknown memory_op", cmd);
    return -1;
}

xencall_handle *xencall_open(xentoollog_logger *logger,
                             unsigned open_flags)
{
    (void)logger;
    (void)open_flags;
    return (xencall_handle *)&handle;
}

int xencall_close(xencall_handle *xcall)
{
    (void)xcall;
    return 0;
}

int xencall_buffers_never_fault(xencall_handle *xcall)
{
    (void)xcall;
    return 1;
}

void *xencall_alloc_buffer_pages(xencall_handle *xcall, size_t nr_pages)
{
    (void)xcall;
    return aligned_alloc(PAGE, nr_pages * PAGE);
}

void xencall_free_buffer_pages(xencall_handle *xcall, void *p, size_t n)
{
    (void)xcall;
    (void)n;
    free(p);
}

void *xencall_alloc_buffer(xencall_handle *xcall, size_t size)
{
    (void)xcall;
    return malloc(size);
}

void xencall_free_buffer(xencall_handle *xcall, void *p)
{
    (void)xcall;
    free(p);
}

int xencall1(xencall_handle *xcall, unsigned int op, uint64_t arg1)
{
    struct xen_sysctl *s = (void *)arg1;

    (void)xcall;
    if (op == __HYPERVISOR_domctl)
        return domctl((void *)arg1);
    if (op == __HYPERVISOR_sysctl && s->cmd == XEN_SYSCTL_getdomaininfolist) {
        s->u.getdomaininfolist.num_domains = 1;
        domain_info(s->u.getdomaininfolist.buffer.p);
        return 0;
    }
    if (op == __HYPERVISOR_sysctl && s->cmd == XEN_SYSCTL_get_cpu_policy) {
        s->u.cpu_policy.nr_leaves = 600;
        s->u.cpu_policy.nr_msrs = 16;
        return 0;
    }
    die("unknown hypercall of 1 argument", op);
    return -1;
}

int xencall2(xencall_handle *xcall, unsigned int op, uint64_t arg1,
             uint64_t arg2)
{
    multicall_entry_t *m = (void *)arg1;

    (void)xcall;
    if (op == __HYPERVISOR_multicall && arg2 == 1 &&
        m->op == __HYPERVISOR_memory_op) {
        m->result = memory_op(m->args[0], (void *)m->args[1]);
        return 0;
    }
    if (op == __HYPERVISOR_memory_op)
        return memory_op(arg1, (void *)arg2);
    if (op == __HYPERVISOR_xen_version && arg1 == XENVER_version)
        return 4 << 16 | 14;
    if (op == __HYPERVISOR_xen_version && arg1 == XENVER_capabilities) {
        strcpy((char *)arg2, "xen-3.0-x86_64 xen-3.0-x86_32p");
        return 0;
    }
    die("unknown hypercall of 2 arguments", op);
    return -1;
}

/* As newer headers have it. */
long xencall2L(xencall_handle *xcall, unsigned int op, uint64_t arg1,
               uint64_t arg2);

long xencall2L(xencall_handle *xcall, unsigned int op, uint64_t arg1,
               uint64_t arg2)
{
    return xencall2(xcall, op, arg1, arg2);
}

/*----- the save -----*/

static int cb_suspend(void *data)
{
    suspend();
    lxe__page_state_stopped(data);
    return 1;
}

static int cb_precopy(struct precopy_stats stats, void *data)
{
    (void)data;
    return stats.iteration ? XGS_POLICY_STOP_AND_COPY
                           : XGS_POLICY_CONTINUE_PRECOPY;
}

static int cb_logdirty(uint32_t domid, unsigned enable, void *data)
{
    (void)domid;
    (void)enable;
    (void)data;
    return 0;
}

static int open_out(const char *path)
{
    const char *full = getenv("FULL");
    struct rlimit room;
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    if (fd < 0)
        die(path, 0);
    if (full) {
        room.rlim_cur = room.rlim_max = strtoul(full, NULL, 10);
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &room);
    }
    return fd;
}

int main(int argc, char **argv)
{
    xentoollog_logger *logger = (xentoollog_logger *)
        xtl_createlogger_stdiostream(stderr, XTL_DEBUG, 0);
    struct lxe__page_state *ps = NULL;
    struct lxe__err err;
    bool live;
    int fd, rc;

    if (argc != 5)
        return 2;
    dir = argv[1];
    live = !strcmp(argv[2], "live");
    load();
    fd = open_out(argv[4]);
    lxe__err_init(&err);
    {
        xc_interface *xch = xc_interface_open(logger, logger, 0);
        struct lxe__page_state_args args = {
            .xch = xch, .logger = logger, .domid = DOMID, .fd = fd,
            .verify = getenv("VERIFY"), .types = lxe__page_state_types(),
        };
        struct save_callbacks cb = {
            .suspend = cb_suspend, .precopy_policy = cb_precopy,
            .switch_qemu_logdirty = cb_logdirty,
        };

        if (strcmp(argv[3], "stock") &&
            lxe__page_state_new(&ps, &args, &err))
            die("page state", 0);
        if (!strcmp(argv[3], "mend") && lxe__page_state_attach(ps))
            die("page state", 0);
        cb.data = ps;
        rc = lxe__engine_save(xch, fd, DOMID, live ? XCFLAGS_LIVE : 0,
                              &cb, XC_STREAM_PLAIN, -1);
        if (ps)
            lxe__page_state_report(ps);
        if (ps && lxe__page_state_error(ps)->code)
            fprintf(stderr, "error: %s\n", lxe__page_state_error(ps)->msg);
        lxe__page_state_attach(NULL);
        lxe__page_state_free(ps);
        xc_interface_close(xch);
    }
    return rc ? 1 : 0;
}
