/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A Xen, a xenstore and a bus of backends that live in a directory, to
 * be preloaded into xl-ext and the guardian: so that freeze and thaw are
 * tested as the processes that they are, without a hypervisor.
 *
 * $FAKE_WORLD has
 *
 *   state       of domain 5, which is PV: running, paused, suspended,
 *               ended (for a reboot) or gone; read at each look; what
 *               libxl is asked to do writes it, too
 *   made_anew   written when libxl makes the domain without an image
 *   vcpus, target_kb  of its configuration; without them: not said
 *   cpu_time    that it has run, in ns; libxl's unpause adds to it, and a
 *               restore makes it 0
 *   userdata    what libxl was given to keep of it
 *   undestroyable  where it is there, libxl cannot destroy the domain
 *   unpausable  where it is there, libxl cannot pause it
 *   unresumable  where it is there, libxl cannot resume it
 *   resume_hangs  while it is there, its resuming does not end, unless it
 *               is aborted
 *   config_hangs  while it is there, its configuration is not told: as
 *               while another holds libxl's lock on it
 *   emulator    where it is there, a restore starts a process that lives
 *               on, and writes its id into it
 *   reboots     where it is there, the domain ends while libxl suspends it
 *   second      the state of domain 6, which has the uuid of domain 5
 *   clock       by how many seconds the clock was stepped
 *   chatty      where it is there, libxl says something when it suspends
 *   unsynced    where it is there, no directory can be synced (CIFS)
 *   unsyncable  the same, for a disk that is broken
 *   max_pages   of domain 5, as it was set last; without it: 1000
 *   unwritable  where it is there, no file can be synced: its disk is full
 *   capabilities   of Xen's physinfo, a number; without it: all
 *   store/PATH  xenstore: a file a node
 *   logdirty    whether Xen's log-dirty mode is on or off
 *   grants      the grant table, one frame of version 1
 *   ring        the page that any mapped frame is
 *   sys/        stands for /sys/bus/xen-backend: devices/NAME/driver is
 *               there as long as NAME is bound.  What is written to
 *               drivers/vbd/unbind and bind, or to those of vif, takes it
 *               away and makes it, and with it the use of grant 8; of
 *               vif N that of grant 10 + N, of any other device that of
 *               grant 9
 *   net/VIF     an interface in a bridge: "up" or "down"
 *   events      an event of xenstore, taken away by who takes it
 *   storeless   where it is there, xenstore cannot be reached
 *   unmappable  where it is there, no frame of a guest can be mapped
 *   unseen      where it is there, nobody can look whether a device is
 *   stuck       the device whose unbind does not end while it is there
 *   stuck_bind  the same of its bind
 *   stuck_link  the interface whose link is not set while it is there
 *   full        where it is there, no journal has room for a line that
 *               begins with its text
 *
 * What the helper calls of libxenguest is in fake_xenguest.c.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <libxl.h>
#include <libxl_utils.h>
#include <xenctrl.h>
#include <xenforeignmemory.h>
#include <xenstore.h>

#include "_config.h"

/* After xenctrl.h, which it needs. */
#include <xen/grant_table.h>
#include <xen/version.h>

#define BUS  "/sys/bus/xen-backend"
#define NET  "/sys/class/net/"
#define PAGE 4096
#define RING_REF 8      /* of device 51712 */
#define TEXT_MAX 2048   /* of a file */

static char handle;

static int in_world(char *path, size_t len, const char *name)
{
    const char *world = getenv("FAKE_WORLD");
    int r = snprintf(path, len, "%s/%s", world ? world : "/nonexistent",
                     name);

    return r > 0 && (size_t)r < len;
}

static char *read_text(const char *name)
{
    char path[512], *text = calloc(1, TEXT_MAX);
    ssize_t n = -1;
    int fd = -1, e;

    errno = ENOENT;
    if (text && in_world(path, sizeof(path), name))
        fd = openat(AT_FDCWD, path, O_RDONLY);
    if (fd >= 0) {
        n = read(fd, text, TEXT_MAX - 1);
        close(fd);
    }
    if (n >= 0)
        return text;
    e = errno;
    free(text);
    errno = e;
    return NULL;
}

static unsigned long long read_number(const char *name,
                                      unsigned long long otherwise)
{
    char *text = read_text(name);

    if (text)
        otherwise = strtoull(text, NULL, 0);
    free(text);
    return otherwise;
}

static bool write_text(const char *name, const char *text)
{
    char path[512];
    size_t len = strlen(text);
    bool written;
    int fd;

    in_world(path, sizeof(path), name);
    fd = openat(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0)
        return false;
    written = write(fd, text, len) == (ssize_t)len;
    close(fd);
    return written;
}

static bool in_place(const char *name)
{
    char path[512];

    return in_world(path, sizeof(path), name) &&
        !faccessat(AT_FDCWD, path, F_OK, 0);
}

static void *map_file(const char *name)
{
    char path[512];
    void *page;
    int fd;

    in_world(path, sizeof(path), name);
    fd = openat(AT_FDCWD, path, O_RDWR);
    page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return page;
}

/* The clock that an administrator sets. */
time_t time(time_t *t)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    now.tv_sec += read_number("clock", 0);
    if (t)
        *t = now.tv_sec;
    return now.tv_sec;
}

/*----- Xen -----*/

xc_interface *xc_interface_open(xentoollog_logger *logger,
                                xentoollog_logger *dombuild_logger,
                                unsigned open_flags)
{
    (void)logger;
    (void)dombuild_logger;
    (void)open_flags;
    return (xc_interface *)&handle;
}

int xc_interface_close(xc_interface *xch)
{
    (void)xch;
    return 0;
}

int xc_domain_getinfolist(xc_interface *xch, uint32_t first_domain,
                          unsigned int max_domains, xc_domaininfo_t *info)
{
    char *state = read_text("state");
    int nr = 0;

    (void)xch;
    memset(info, 0, max_domains * sizeof(*info));
    if (state && first_domain <= 5 && strncmp(state, "gone", 4)) {
        info[0].domain = 5;
        info[0].max_pages = read_number("max_pages", 1000);
        info[0].tot_pages = 1000;
        info[0].handle[15] = 5;
        if (!strncmp(state, "paused", 6))
            info[0].flags = XEN_DOMINF_paused;
        if (!strncmp(state, "suspended", 9))
            info[0].flags = XEN_DOMINF_shutdown |
                SHUTDOWN_suspend << XEN_DOMINF_shutdownshift;
        nr = 1;
    }
    free(state);
    return nr;
}

int xc_domain_setmaxmem(xc_interface *xch, uint32_t domid,
                        uint64_t max_memkb)
{
    char text[24];

    (void)xch;
    (void)domid;
    snprintf(text, sizeof(text), "%llu",
             (unsigned long long)max_memkb / 4);
    write_text("max_pages", text);
    return 0;
}

int xc_physinfo(xc_interface *xch, xc_physinfo_t *info)
{
    (void)xch;
    memset(info, 0, sizeof(*info));
    info->total_pages = 1 << 20;
    info->free_pages = 1 << 19;
    info->capabilities = read_number("capabilities", ~0U);
    return 0;
}

int xc_flask_sid_to_context(xc_interface *xch, int sid, char *buf,
                            uint32_t size)
{
    (void)xch;
    (void)sid;
    (void)buf;
    (void)size;
    errno = ENOSYS;
    return -1;
}

/* 4.17, and no words. */
int xc_version(xc_interface *xch, int cmd, void *arg)
{
    (void)xch;
    if (arg)
        *(char *)arg = '\0';
    return cmd == XENVER_version ? 4 << 16 | 17 :
        cmd == XENVER_pagesize ? PAGE : 0;
}

int xc_domain_maximum_gpfn(xc_interface *xch, uint32_t domid,
                           xen_pfn_t *gpfns)
{
    (void)xch;
    (void)domid;
    *gpfns = 999;
    return 0;
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
    if (domid != 5 || sop != XEN_DOMCTL_SHADOW_OP_OFF) {
        errno = EINVAL;
        return -1;
    }
    write_text("logdirty", "off");
    return 0;
}

void *xc__hypercall_buffer_alloc_pages(xc_interface *xch,
                                       xc_hypercall_buffer_t *b,
                                       int nr_pages)
{
    (void)xch;
    b->hbuf = calloc(nr_pages, PAGE);
    return b->hbuf;
}

void xc__hypercall_buffer_free_pages(xc_interface *xch,
                                     xc_hypercall_buffer_t *b,
                                     int nr_pages)
{
    (void)xch;
    (void)nr_pages;
    free(b->hbuf);
}

int xc_gnttab_query_size(xc_interface *xch, struct gnttab_query_size *query)
{
    (void)xch;
    query->nr_frames = query->max_nr_frames = 1;
    query->status = 0;
    return 0;
}

int xc_gnttab_get_version(xc_interface *xch, uint32_t domid)
{
    (void)xch;
    (void)domid;
    return 1;
}

xenforeignmemory_handle *xenforeignmemory_open(
    struct xentoollog_logger *logger, unsigned open_flags)
{
    (void)logger;
    (void)open_flags;
    if (in_place("unmappable")) {
        errno = EMFILE;
        return NULL;
    }
    return (xenforeignmemory_handle *)&handle;
}

int xenforeignmemory_close(xenforeignmemory_handle *fmem)
{
    (void)fmem;
    return 0;
}

void *xenforeignmemory_map(xenforeignmemory_handle *fmem, uint32_t dom,
                           int prot, size_t pages, const xen_pfn_t arr[],
                           int err[])
{
    (void)fmem;
    (void)dom;
    (void)prot;
    (void)pages;
    (void)arr;
    (void)err;
    return map_file("ring");
}

int xenforeignmemory_unmap(xenforeignmemory_handle *fmem, void *addr,
                           size_t pages)
{
    (void)fmem;
    return munmap(addr, pages * PAGE);
}

xenforeignmemory_resource_handle *xenforeignmemory_map_resource(
    xenforeignmemory_handle *fmem, domid_t domid, unsigned int type,
    unsigned int id, unsigned long frame, unsigned long nr_frames,
    void **paddr, int prot, int flags)
{
    (void)fmem;
    (void)domid;
    (void)type;
    (void)id;
    (void)frame;
    (void)nr_frames;
    (void)prot;
    (void)flags;
    *paddr = map_file("grants");
    return *paddr;
}

int xenforeignmemory_unmap_resource(xenforeignmemory_handle *fmem,
                                    xenforeignmemory_resource_handle *fres)
{
    (void)fmem;
    return munmap(fres, PAGE);
}

/*----- xenstore -----*/

struct xs_handle *xs_open(unsigned long flags)
{
    (void)flags;
    if (in_place("storeless")) {
        errno = ENOMEM;
        return NULL;
    }
    return (struct xs_handle *)&handle;
}

void xs_close(struct xs_handle *xsh)
{
    (void)xsh;
}

bool xs_watch(struct xs_handle *h, const char *path, const char *token)
{
    (void)h;
    (void)path;
    (void)token;
    return true;
}

char **xs_check_watch(struct xs_handle *h)
{
    char path[512];

    (void)h;
    in_world(path, sizeof(path), "events");
    return unlink(path) ? NULL : calloc(2, sizeof(char *));
}

void *xs_read(struct xs_handle *h, xs_transaction_t t, const char *path,
              unsigned int *len)
{
    char name[512], *text;

    (void)h;
    (void)t;
    snprintf(name, sizeof(name), "store/%s", path);
    text = read_text(name);
    if (text && len)
        *len = strlen(text);
    return text;
}

bool xs_write(struct xs_handle *h, xs_transaction_t t, const char *path,
              const void *data, unsigned int len)
{
    char name[400], text[128];

    (void)h;
    (void)t;
    snprintf(name, sizeof(name), "store/%s", path);
    snprintf(text, sizeof(text), "%.*s", (int)len, (const char *)data);
    return write_text(name, text);
}

char **xs_directory(struct xs_handle *h, xs_transaction_t t,
                    const char *path, unsigned int *num)
{
    char name[400], dir[512], **out, *at;
    struct dirent *de;
    DIR *d;

    (void)h;
    (void)t;
    snprintf(name, sizeof(name), "store/%s", path);
    in_world(dir, sizeof(dir), name);
    d = opendir(dir);
    if (!d)
        return NULL;
    /* One block of pointers and words, as the library makes it. */
    out = calloc(16, sizeof(*out) + 64);
    at = (char *)(out + 16);
    *num = 0;
    while (out && (de = readdir(d)) && *num < 16)
        if (de->d_name[0] != '.') {
            snprintf(at, 64, "%.63s", de->d_name);
            out[(*num)++] = at;
            at += 64;
        }
    closedir(d);
    return out;
}

/*----- libxl -----*/

/* The library's own calls that are left real look into it for a logger. */
static char context[1 << 16];

/* It has none, and says nothing then. */
void xtl_log(struct xentoollog_logger *logger, xentoollog_level level,
             int errnoval, const char *context_words, const char *format,
             ...)
{
    va_list al;

    va_start(al, format);
    if (logger)
        logger->vmessage(logger, level, errnoval, context_words, format,
                         al);
    va_end(al);
}

int libxl_ctx_alloc(libxl_ctx **pctx, int version, unsigned flags,
                    xentoollog_logger *lg)
{
    (void)version;
    (void)flags;
    (void)lg;
    *pctx = (libxl_ctx *)context;
    return 0;
}

int libxl_ctx_free(libxl_ctx *ctx)
{
    (void)ctx;
    return 0;
}

void libxl_childproc_setmode(libxl_ctx *ctx,
                             const libxl_childproc_hooks *hooks, void *user)
{
    (void)ctx;
    (void)hooks;
    (void)user;
}

#define NAME_NODE "store/local/domain/5/name"

char *libxl_domid_to_name(libxl_ctx *ctx, uint32_t domid)
{
    (void)ctx;
    return domid == 5 ? read_text(NAME_NODE) : NULL;
}

int libxl_domain_rename(libxl_ctx *ctx, uint32_t domid,
                        const char *old_name, const char *new_name)
{
    char *name = read_text(NAME_NODE);
    bool ok = domid == 5 && name && !strcmp(name, old_name);

    (void)ctx;
    free(name);
    return ok && write_text(NAME_NODE, new_name) ? 0 : ERROR_FAIL;
}

static bool file_says(const char *name, const char *word)
{
    char *text = read_text(name);
    bool is = text && !strncmp(text, word, strlen(word));

    free(text);
    return is;
}

/* How the fake domain is, as libxl would say it. */
static bool is_state(const char *word)
{
    return file_says("state", word);
}

int libxl_name_to_domid(libxl_ctx *ctx, const char *name, uint32_t *domid)
{
    char *mine = libxl_domid_to_name(ctx, 5);
    bool same = mine && !strcmp(mine, name) && !is_state("gone");

    free(mine);
    *domid = 5;
    return same ? 0 : ERROR_INVAL;
}

const libxl_version_info *libxl_get_version_info(libxl_ctx *ctx)
{
    (void)ctx;
    return NULL;
}

/* As QEMU has them: what is above 2 and not closed by exec(2), too. */
static void start_emulator(void)
{
    char text[16];
    pid_t pid = fork();
    int null;

    if (!pid) {
        null = openat(AT_FDCWD, "/dev/null", O_RDWR);
        if (dup2(null, 0) == 0 && dup2(null, 1) == 1 && dup2(null, 2) == 2)
            execlp("sleep", "sleep", "60", NULL);
        _exit(127);
    }
    snprintf(text, sizeof(text), "%d", pid);
    write_text("emulator", text);
}

/* Refuses a second of the same name, as libxl does. */
int libxl_domain_create_restore(libxl_ctx *ctx, libxl_domain_config *config,
                                uint32_t *domid, int restore_fd,
                                int send_back_fd,
                                const libxl_domain_restore_params *params,
                                const libxl_asyncop_how *how,
                                const libxl_asyncprogress_how *progress)
{
    (void)restore_fd;
    (void)send_back_fd;
    (void)params;
    (void)how;
    (void)progress;
    if (!libxl_name_to_domid(ctx, config->c_info.name, domid))
        return ERROR_INVAL;
    if (in_place("emulator"))
        start_emulator();
    return write_text(NAME_NODE, config->c_info.name) &&
        write_text("cpu_time", "0") &&
        write_text("state", "paused") ? 0 : ERROR_FAIL;
}

int libxl_domain_create_new(libxl_ctx *ctx, libxl_domain_config *config,
                            uint32_t *domid, const libxl_asyncop_how *how,
                            const libxl_asyncprogress_how *progress)
{
    return write_text("made_anew", config->c_info.name) ?
        libxl_domain_create_restore(ctx, config, domid, -1, -1, NULL, how,
                                    progress) : ERROR_FAIL;
}

libxl_dominfo *libxl_list_domain(libxl_ctx *ctx, int *nr_r)
{
    libxl_dominfo *list = calloc(2, sizeof(*list));

    *nr_r = list && !libxl_domain_info(ctx, list, 5);
    *nr_r += list && !libxl_domain_info(ctx, list + *nr_r, 6);
    return list;
}

int libxl_domain_unpause(libxl_ctx *ctx, uint32_t domid,
                         const libxl_asyncop_how *how)
{
    (void)ctx;
    (void)domid;
    (void)how;
    return write_text("cpu_time", "1000") && write_text("state", "running") ?
        0 : ERROR_FAIL;
}

int libxl_domain_info(libxl_ctx *ctx, libxl_dominfo *info, uint32_t domid)
{
    (void)ctx;
    if (domid == 6 ? !in_place("second") : domid != 5 || is_state("gone"))
        return ERROR_DOMAIN_NOTFOUND;
    info->domid = domid;
    memset(info->uuid.uuid, 0, 16);
    info->uuid.uuid[15] = 5;
    info->cpu_time = read_number("cpu_time", 0);
    info->paused = domid == 6 ? file_says("second", "paused")
                              : is_state("paused");
    info->shutdown = domid == 5 && (is_state("suspended") ||
                                    is_state("ended"));
    info->shutdown_reason = is_state("ended") ?
        LIBXL_SHUTDOWN_REASON_REBOOT : LIBXL_SHUTDOWN_REASON_SUSPEND;
    return 0;
}

int libxl_retrieve_domain_configuration(libxl_ctx *ctx, uint32_t domid,
                                        libxl_domain_config *config,
                                        const libxl_asyncop_how *how)
{
    (void)how;
    while (in_place("config_hangs"))
        usleep(10 * 1000);
    config->c_info.name = libxl_domid_to_name(ctx, domid);
    config->c_info.type = LIBXL_DOMAIN_TYPE_PVH;
    config->c_info.uuid.uuid[15] = 5;
    config->on_reboot = LIBXL_ACTION_ON_SHUTDOWN_RESTART;
    libxl_domain_build_info_init_type(&config->b_info,
                                      LIBXL_DOMAIN_TYPE_PVH);
    config->b_info.max_vcpus = read_number("vcpus", 0);
    config->b_info.target_memkb = read_number("target_kb",
                                              LIBXL_MEMKB_DEFAULT);
    return 0;
}

/* What goes to the helper goes nowhere. */
int libxl_domain_suspend(libxl_ctx *ctx, uint32_t domid, int fd, int flags,
                         const libxl_asyncop_how *how)
{
    (void)ctx;
    (void)domid;
    (void)fd;
    (void)flags;
    (void)how;
    if (in_place("chatty"))
        fputs("libxl: warning: it is slow\n", stderr);
    if (in_place("reboots")) {
        write_text("state", "gone");
        return ERROR_FAIL;
    }
    return write_text("state", "suspended") ? 0 : ERROR_FAIL;
}

static libxl_ctx *volatile aborted;

int libxl_domain_resume(libxl_ctx *ctx, uint32_t domid,
                        int suspend_cancel, const libxl_asyncop_how *how)
{
    int i;

    (void)domid;
    (void)suspend_cancel;
    (void)how;
    for (i = 0; i < 6000 && in_place("resume_hangs"); i++) {
        if (aborted == ctx)
            return ERROR_ABORTED;
        usleep(10 * 1000);
    }
    return is_state("suspended") && !in_place("unresumable") &&
        write_text("state", "running") ? 0 : ERROR_FAIL;
}

/* The only one that waits here. */
int libxl_ao_abort(libxl_ctx *ctx, const libxl_asyncop_how *how)
{
    if (how)
        return ERROR_NOTFOUND;
    aborted = ctx;
    return 0;
}

/* A suspended one, whose pausing is not to be seen. */
int libxl_domain_pause(libxl_ctx *ctx, uint32_t domid,
                       const libxl_asyncop_how *how)
{
    (void)ctx;
    (void)domid;
    (void)how;
    return in_place("unpausable") ? ERROR_FAIL : 0;
}

int libxl_domain_destroy(libxl_ctx *ctx, uint32_t domid,
                         const libxl_asyncop_how *how)
{
    (void)ctx;
    (void)domid;
    (void)how;
    if (in_place("undestroyable"))
        return ERROR_FAIL;
    return write_text("state", "gone") ? 0 : ERROR_FAIL;
}

/* One kind of it, which goes with the domain. */
int libxl_userdata_store(libxl_ctx *ctx, uint32_t domid, const char *userid,
                         const uint8_t *data, int datalen)
{
    char text[TEXT_MAX];

    (void)ctx;
    (void)domid;
    (void)userid;
    snprintf(text, sizeof(text), "%.*s", datalen, (const char *)data);
    return write_text("userdata", text) ? 0 : ERROR_FAIL;
}

int libxl_userdata_retrieve(libxl_ctx *ctx, uint32_t domid,
                            const char *userid, uint8_t **data_r,
                            int *len_r)
{
    char *text = read_text("userdata");

    (void)ctx;
    (void)domid;
    (void)userid;
    *len_r = text ? strlen(text) : 0;
    *data_r = NULL;
    if (*len_r)
        *data_r = (uint8_t *)text;
    else
        free(text);
    return 0;
}

int libxl_userdata_unlink(libxl_ctx *ctx, uint32_t domid,
                          const char *userid)
{
    (void)ctx;
    (void)domid;
    (void)userid;
    return write_text("userdata", "") ? 0 : ERROR_FAIL;
}

/* Nothing happens but its suspend, its reboot and its end. */
int libxl_evenable_domain_death(libxl_ctx *ctx, uint32_t domid,
                                libxl_ev_user user,
                                libxl_evgen_domain_death **evgen_out)
{
    (void)ctx;
    (void)domid;
    (void)user;
    *evgen_out = NULL;
    return 0;
}

int libxl_event_wait(libxl_ctx *ctx, libxl_event **event_r,
                     uint64_t typemask, libxl_event_predicate *pred,
                     void *user)
{
    (void)ctx;
    (void)typemask;
    (void)pred;
    (void)user;
    *event_r = calloc(1, sizeof(**event_r));
    (*event_r)->domid = 5;
    (*event_r)->type = LIBXL_EVENT_TYPE_DOMAIN_SHUTDOWN;
    for (;; usleep(20 * 1000)) {
        if (is_state("gone"))
            (*event_r)->type = LIBXL_EVENT_TYPE_DOMAIN_DEATH;
        else if (is_state("ended"))
            (*event_r)->u.domain_shutdown.shutdown_reason =
                LIBXL_SHUTDOWN_REASON_REBOOT;
        else if (is_state("suspended"))
            (*event_r)->u.domain_shutdown.shutdown_reason =
                LIBXL_SHUTDOWN_REASON_SUSPEND;
        else
            continue;
        return 0;
    }
}

void libxl_event_free(libxl_ctx *ctx, libxl_event *event)
{
    (void)ctx;
    free(event);
}

void libxl_postfork_child_noexec(libxl_ctx *ctx)
{
    (void)ctx;
}

/*----- the bus -----*/

/* @path, or its stand-in, in @room. */
static const char *translate(const char *path, char *room, size_t len)
{
    char name[400], vif[16];

    if (sscanf(path, NET "%15[^/]/master", vif) == 1)
        snprintf(name, sizeof(name), "net/%s", vif);
    else if (!strncmp(path, BUS, strlen(BUS)))
        snprintf(name, sizeof(name), "sys%s", path + strlen(BUS));
    else
        return path;
    in_world(room, len, name);
    return room;
}

int access(const char *path, int mode)
{
    static const char devices[] = BUS "/devices/";
    size_t len = sizeof(devices) - 1;
    char room[512];

    if (in_place("unseen") && !strncmp(path, devices, len) &&
        !strchr(path + len, '/')) {
        errno = ENOMEM;
        return -1;
    }
    return faccessat(AT_FDCWD, translate(path, room, sizeof(room)), mode,
                     0);
}

int open(const char *path, int flags, ...)
{
    char room[512];
    va_list ap;
    mode_t mode;

    va_start(ap, flags);
    mode = flags & O_CREAT ? va_arg(ap, mode_t) : 0;
    va_end(ap);
    return openat(AT_FDCWD, translate(path, room, sizeof(room)), flags,
                  mode);
}

int fsync(int fd)
{
    bool broken = in_place("unsyncable");
    struct stat st;

    if ((broken || in_place("unsynced")) && !fstat(fd, &st) &&
        S_ISDIR(st.st_mode)) {
        errno = broken ? EIO : EINVAL;
        return -1;
    }
    if (in_place("unwritable") && !fstat(fd, &st) && S_ISREG(st.st_mode)) {
        errno = ENOSPC;
        return -1;
    }
    return fdatasync(fd);
}

/* What it needs does not answer: at most a minute. */
static void be_stuck(const char *file, const char *name, size_t len)
{
    bool same = true;
    char *stuck;
    int i;

    for (i = 0; same && i < 6000; i++) {
        stuck = read_text(file);
        same = stuck && strlen(stuck) == len && !memcmp(stuck, name, len);
        free(stuck);
        if (same)
            usleep(10 * 1000);
    }
}

/* The flags of an interface: whether it is up. */
int ioctl(int fd, unsigned long request, ...)
{
    static int (*real)(int, unsigned long, ...);
    struct ifreq *ifr;
    char name[32], *text;
    va_list ap;
    void *arg;

    va_start(ap, request);
    arg = va_arg(ap, void *);
    va_end(ap);
    if (request != SIOCGIFFLAGS && request != SIOCSIFFLAGS) {
        if (!real)
            *(void **)&real = dlsym(RTLD_NEXT, "ioctl");
        return real(fd, request, arg);
    }
    ifr = arg;
    snprintf(name, sizeof(name), "net/%.15s", ifr->ifr_name);
    text = read_text(name);
    if (!text) {
        errno = ENODEV;
        return -1;
    }
    if (request == SIOCSIFFLAGS) {
        be_stuck("stuck_link", ifr->ifr_name, strlen(ifr->ifr_name));
        write_text(name, ifr->ifr_flags & IFF_UP ? "up" : "down");
    } else {
        ifr->ifr_flags = strncmp(text, "up", 2) ? 0 : IFF_UP;
    }
    free(text);
    return 0;
}

/* Does @fd lead to the file of the bus with that name? */
static bool leads_to(int fd, const char *name)
{
    char link[64], path[512], file[512];
    ssize_t n;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof(path) - 1);
    if (n < 0 || !in_world(file, sizeof(file), name))
        return false;
    path[n] = '\0';
    return !strcmp(path, file);
}

/* As netback does; the device's script has to run again. */
static void forget_script(const char *name, size_t len)
{
    char file[160], path[512];
    unsigned devid;

    snprintf(file, sizeof(file), "%.*s", (int)len, name);
    if (sscanf(file, "vif-5-%u", &devid) != 1)
        return;
    snprintf(file, sizeof(file), "store/local/domain/0/backend/vif/5/%u"
             "/hotplug-status", devid);
    in_world(path, sizeof(path), file);
    unlink(path);
}

static int set_bound(const char *name, size_t len, bool bound)
{
    grant_entry_v1_t *grants = map_file("grants");
    int ref = RING_REF + !memmem(name, len, "-51712", 6);
    char file[160], path[512];
    unsigned devid;
    int fd;

    snprintf(file, sizeof(file), "%.*s", (int)len, name);
    if (sscanf(file, "vif-5-%u", &devid) == 1)
        ref = RING_REF + 2 + devid;

    snprintf(file, sizeof(file), "sys/devices/%.*s/driver", (int)len, name);
    in_world(path, sizeof(path), file);
    if (bound == !faccessat(AT_FDCWD, path, F_OK, 0)) {
        errno = ENODEV;
        return -1;
    }
    if (bound) {
        fd = openat(AT_FDCWD, path, O_WRONLY | O_CREAT, 0600);
        close(fd);
        grants[ref].flags |= GTF_reading | GTF_writing;
    } else {
        unlink(path);
        grants[ref].flags &= ~(GTF_reading | GTF_writing);
        forget_script(name, len);
    }
    munmap(grants, PAGE);
    return 0;
}

/* Is there no room for that line? */
static bool is_full(int fd, const void *line, size_t len)
{
    char *full = read_text("full"), link[64], path[512];
    bool is = full && strlen(full) <= len &&
        !memcmp(full, line, strlen(full));
    ssize_t n;

    free(full);
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    n = is ? readlink(link, path, sizeof(path)) : -1;
    return n > 8 && !memcmp(path + n - 8, ".journal", 8);
}

ssize_t write(int fd, const void *data, size_t len)
{
    static ssize_t (*real)(int, const void *, size_t);

    if (leads_to(fd, "sys/drivers/vbd/unbind") ||
        leads_to(fd, "sys/drivers/vif/unbind")) {
        be_stuck("stuck", data, len);
        return set_bound(data, len, false) ? -1 : (ssize_t)len;
    }
    if (leads_to(fd, "sys/drivers/vbd/bind") ||
        leads_to(fd, "sys/drivers/vif/bind")) {
        be_stuck("stuck_bind", data, len);
        return set_bound(data, len, true) ? -1 : (ssize_t)len;
    }
    if (is_full(fd, data, len)) {
        errno = ENOSPC;
        return -1;
    }
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "write");
    return real(fd, data, len);
}
