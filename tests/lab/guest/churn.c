/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The test guest's only program. As process 1 of a guest it loads the
 * Xen frontends, then churns memory and disk, checks both, and says once
 * a second on the console what it did and how many errors it has seen:
 *
 *   churn: t=12 mem_ops=.. disk_ops=.. wr_ops=.. net_rx=.. errors=0
 *       free_kib=..
 *
 * in one line.  free_kib is the guest's free memory: Linux loses about
 * 1 MiB of it each time that it resumes with a busy disk, and a guest
 * without any hangs.
 *
 * Errors never go away. What is checked:
 *   memory  pages with patterns of page and generation, so that a page
 *           lost, mixed up or turned back shows;
 *   reads   random blocks of a part of the disk that never changes, each
 *           block unlike any other, with O_DIRECT into few buffers by many
 *           threads: what a backend writes late lands in a buffer that
 *           holds something else;
 *   aio     the same reads, asked for without waiting: unlike a thread
 *           that waits they do not keep the guest from suspending, so
 *           that requests are in flight when it does;
 *   writes  blocks with a generation that memory remembers, so that a
 *           write lost, or done again after a later one, shows;
 *   net     datagrams with a pattern to port 7 are checked and echoed.
 *
 * In dom0 the same program prepares disks and sends datagrams:
 *   churn format FILE MIB
 *   churn flood ADDRESS PER_SECOND SECONDS
 *
 * Options on the guest's kernel command line: churn.disk=on|off,
 * churn.net=on|off, churn.mem=MIB, churn.ip=ADDRESS, churn.threads=N
 * (readers; 0: no writer either), churn.aio=N (reads in flight), and
 * options of the modules that it loads, as xen_blkfront.max_queues=N.
 */

#define _GNU_SOURCE
/* Ahead of the kernel's headers, which in Debian 11 it does not follow. */
#include <sys/mount.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096
#define BLOCK 16384         /* one disk request */
#define WORDS(n) ((n) / sizeof(uint64_t))
#define WRITE_SHARE 4       /* the last quarter of the disk is written */
#define MAX_THREADS 16
#define MAX_AIO 64
#define MAX_REPORTED 20     /* errors described one by one */

static atomic_ulong mem_ops, disk_ops, wr_ops, net_rx, errors;

/*
 * Patterns. A filled area begins with tag, number and generation, and
 * each word depends on all of them and on its place.
 */

#define TAG_READ  0x64616552ull
#define TAG_WRITE 0x74697257ull
#define TAG_MEM   0x79726f6dull
#define TAG_NET   0x6b636150ull
#define STEP 0x9e3779b97f4a7c15ull

static uint64_t mix(uint64_t x)
{
    x ^= x >> 30;
    x *= 0xbf58476d1ce4e5b9ull;
    x ^= x >> 27;
    x *= 0x94d049bb133111ebull;
    return x ^ x >> 31;
}

static void fill(uint64_t *w, size_t bytes, uint64_t tag, uint64_t nr,
                 uint64_t gen)
{
    uint64_t v = mix(tag ^ mix(nr ^ mix(gen)));
    size_t i;

    w[0] = tag;
    w[1] = nr;
    w[2] = gen;
    for (i = 3; i < WORDS(bytes); i++)
        w[i] = v += STEP;
}

/* -1 if the area is as fill() left it, else the first wrong word. */
static long differs(const uint64_t *w, size_t bytes, uint64_t tag,
                    uint64_t nr, uint64_t gen)
{
    uint64_t v = mix(tag ^ mix(nr ^ mix(gen)));
    size_t i;

    if (w[0] != tag)
        return 0;
    if (w[1] != nr)
        return 1;
    if (w[2] != gen)
        return 2;
    for (i = 3; i < WORDS(bytes); i++)
        if (w[i] != (v += STEP))
            return i;
    return -1;
}

static uint64_t next_random(uint64_t *state)
{
    return mix(*state += STEP);
}

static void __attribute__((format(printf, 1, 2)))
error_seen(const char *fmt, ...)
{
    va_list ap;
    char text[256];

    if (atomic_fetch_add(&errors, 1) >= MAX_REPORTED)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    printf("churn: ERROR %s\n", text);
}

static void report_wrong(const char *what, const uint64_t *w,
                         uint64_t nr, uint64_t gen, long at)
{
    error_seen("%s %llu: word %ld wrong, wanted nr=%llu gen=%llu, "
               "holds tag=%llx nr=%llu gen=%llu", what,
               (unsigned long long)nr, at, (unsigned long long)nr,
               (unsigned long long)gen, (unsigned long long)w[0],
               (unsigned long long)w[1], (unsigned long long)w[2]);
}

static void pause_us(long us)
{
    struct timespec ts = { us / 1000000, us % 1000000 * 1000 };

    nanosleep(&ts, NULL);
}

static void *pages(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

    if (p == MAP_FAILED) {
        error_seen("no %zu bytes of memory: %m", bytes);
        return NULL;
    }
    return p;
}

static void start(void *(*thread)(void *), void *arg)
{
    pthread_t id;
    int r = pthread_create(&id, NULL, thread, arg);

    if (r)
        error_seen("no thread: %s", strerror(r));
    else
        pthread_detach(id);
}

/* Memory */

static void *churn_memory(void *arg)
{
    size_t nr = *(size_t *)arg * 256, i;
    uint64_t rnd = 1, *pool = pages(nr * PAGE), *gen, *p;
    long at;

    gen = calloc(nr, sizeof(*gen));
    if (!pool || !gen)
        return NULL;
    for (i = 0; i < nr; i++)
        fill(pool + i * WORDS(PAGE), PAGE, TAG_MEM, i, 0);

    for (;;) {
        i = next_random(&rnd) % nr;
        p = pool + i * WORDS(PAGE);
        at = differs(p, PAGE, TAG_MEM, i, gen[i]);
        if (at >= 0)
            report_wrong("memory page", p, i, gen[i], at);
        gen[i]++;
        fill(p, PAGE, TAG_MEM, i, gen[i]);
        if (atomic_fetch_add(&mem_ops, 1) % 64 == 63)
            pause_us(20000);
    }
}

/* Disk */

static int disk = -1;
static uint64_t disk_blocks;

static uint64_t read_blocks(void)
{
    return disk_blocks - disk_blocks / WRITE_SHARE;
}

static void check_read(const uint64_t *b, uint64_t nr)
{
    long at = differs(b, BLOCK, TAG_READ, nr, 0);

    if (at >= 0)
        report_wrong("disk block", b, nr, 0, at);
    atomic_fetch_add(&disk_ops, 1);
}

static void *churn_reads(void *arg)
{
    uint64_t rnd = mix((uintptr_t)arg), nr, turn = 0, *buf, *b;
    enum { BUFFERS = 4 };
    ssize_t r;

    buf = pages(BUFFERS * BLOCK);
    if (!buf)
        return NULL;
    for (;;) {
        nr = next_random(&rnd) % read_blocks();
        b = buf + turn++ % BUFFERS * WORDS(BLOCK);
        r = pread(disk, b, BLOCK, nr * BLOCK);
        if (r != BLOCK) {
            error_seen("read of block %llu: %s", (unsigned long long)nr,
                       r < 0 ? strerror(errno) : "short");
            pause_us(100000);
            continue;
        }
        check_read(b, nr);
    }
}

static bool submit_read(aio_context_t ctx, struct iocb *cb, uint64_t nr,
                        uint64_t *buf)
{
    memset(cb, 0, sizeof(*cb));
    cb->aio_lio_opcode = IOCB_CMD_PREAD;
    cb->aio_fildes = disk;
    cb->aio_buf = (uintptr_t)buf;
    cb->aio_nbytes = BLOCK;
    cb->aio_offset = nr * BLOCK;
    cb->aio_data = nr;
    return syscall(SYS_io_submit, ctx, 1, &cb) == 1;
}

static void *churn_aio(void *arg)
{
    static struct iocb cbs[MAX_AIO];
    struct io_event done[MAX_AIO];
    uint64_t rnd = 11, nr, *buf, *b;
    long depth = *(long *)arg, i, n;
    aio_context_t ctx = 0;

    buf = pages(depth * BLOCK);
    if (!buf || syscall(SYS_io_setup, depth, &ctx)) {
        error_seen("io_setup: %m");
        return NULL;
    }
    for (i = 0; i < depth; i++)
        if (!submit_read(ctx, &cbs[i], next_random(&rnd) % read_blocks(),
                         buf + i * WORDS(BLOCK)))
            error_seen("io_submit: %m");
    for (;;) {
        n = syscall(SYS_io_getevents, ctx, 1, depth, done, NULL);
        for (i = 0; i < n; i++) {
            struct iocb *cb = (struct iocb *)(uintptr_t)done[i].obj;

            b = (uint64_t *)(uintptr_t)cb->aio_buf;
            nr = done[i].data;
            if (done[i].res != BLOCK) {
                error_seen("aio read of block %llu: %lld",
                           (unsigned long long)nr,
                           (long long)done[i].res);
            } else {
                check_read(b, nr);
            }
            if (!submit_read(ctx, cb, next_random(&rnd) % read_blocks(),
                             b))
                error_seen("io_submit: %m");
        }
    }
}

static void *churn_writes(void *arg)
{
    uint64_t rnd = 7, first = read_blocks(), nr, *gen, *b;
    uint64_t blocks = disk_blocks - first;
    ssize_t r;
    long at;

    (void)arg;
    b = pages(BLOCK);
    gen = calloc(blocks, sizeof(*gen));
    if (!b || !gen)
        return NULL;
    for (;;) {
        nr = next_random(&rnd) % blocks;
        r = pread(disk, b, BLOCK, (first + nr) * BLOCK);
        if (r != BLOCK) {
            error_seen("read of written block %llu: %s",
                       (unsigned long long)nr,
                       r < 0 ? strerror(errno) : "short");
            pause_us(100000);
            continue;
        }
        at = differs(b, BLOCK, TAG_WRITE, nr, gen[nr]);
        if (at >= 0)
            report_wrong("written block", b, nr, gen[nr], at);

        fill(b, BLOCK, TAG_WRITE, nr, gen[nr] + 1);
        r = pwrite(disk, b, BLOCK, (first + nr) * BLOCK);
        if (r != BLOCK)
            error_seen("write of block %llu: %s", (unsigned long long)nr,
                       r < 0 ? strerror(errno) : "short");
        else
            gen[nr]++;
        atomic_fetch_add(&wr_ops, 1);
        pause_us(5000);
    }
}

static bool open_disk(const char *path)
{
    off_t size;
    int i;

    for (i = 0; i < 300 && disk < 0; i++) {
        disk = open(path, O_RDWR | O_DIRECT);
        if (disk < 0)
            pause_us(100000);
    }
    size = disk < 0 ? -1 : lseek(disk, 0, SEEK_END);
    if (size < BLOCK * WRITE_SHARE) {
        error_seen("disk %s: %m", path);
        return false;
    }
    disk_blocks = size / BLOCK;
    return true;
}

static int format_disk(const char *path, unsigned long mib)
{
    static uint64_t b[WORDS(BLOCK)];
    FILE *f = fopen(path, "w");
    uint64_t nr;

    if (!f) {
        perror(path);
        return 1;
    }
    disk_blocks = mib * (1 << 20) / BLOCK;
    for (nr = 0; nr < disk_blocks; nr++) {
        if (nr < read_blocks())
            fill(b, BLOCK, TAG_READ, nr, 0);
        else
            fill(b, BLOCK, TAG_WRITE, nr - read_blocks(), 0);
        if (fwrite(b, BLOCK, 1, f) != 1)
            break;
    }
    if (nr < disk_blocks || fclose(f)) {
        perror(path);
        return 1;
    }
    return 0;
}

/* Network */

enum { NET_PORT = 7, NET_BYTES = 1400 };

static bool set_address(const char *name, const char *ip)
{
    struct ifreq ifr = { 0 };
    struct sockaddr_in *sin = (struct sockaddr_in *)&ifr.ifr_addr;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    bool ok;

    snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
    sin->sin_family = AF_INET;
    sin->sin_addr.s_addr = inet_addr(ip);
    ok = !ioctl(fd, SIOCSIFADDR, &ifr);
    sin->sin_addr.s_addr = htonl(0xffffff00);
    ok = ok && !ioctl(fd, SIOCSIFNETMASK, &ifr);
    ok = ok && !ioctl(fd, SIOCGIFFLAGS, &ifr);
    ifr.ifr_flags |= IFF_UP;
    ok = ok && !ioctl(fd, SIOCSIFFLAGS, &ifr);
    close(fd);
    return ok;
}

static void *serve_net(void *arg)
{
    struct sockaddr_in sin = { .sin_family = AF_INET,
                               .sin_port = htons(NET_PORT) };
    static uint64_t b[WORDS(2048)];
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    socklen_t len;
    ssize_t r;
    long at;

    (void)arg;
    if (bind(fd, (struct sockaddr *)&sin, sizeof(sin))) {
        error_seen("bind: %m");
        return NULL;
    }
    for (;;) {
        len = sizeof(sin);
        r = recvfrom(fd, b, sizeof(b), 0, (struct sockaddr *)&sin, &len);
        if (r != NET_BYTES || b[0] != TAG_NET)
            continue;
        at = differs(b, NET_BYTES, TAG_NET, b[1], b[2]);
        if (at >= 0)
            report_wrong("datagram", b, b[1], b[2], at);
        atomic_fetch_add(&net_rx, 1);
        sendto(fd, b, r, 0, (struct sockaddr *)&sin, len);
    }
}

static int flood(const char *ip, unsigned long rate, unsigned long secs)
{
    struct sockaddr_in sin = { .sin_family = AF_INET,
                               .sin_port = htons(NET_PORT),
                               .sin_addr.s_addr = inet_addr(ip) };
    static uint64_t b[WORDS(2048)];
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    unsigned long sent = 0, back = 0, batch = rate / 100 + 1;
    time_t end = time(NULL) + secs;
    unsigned long i;

    while (time(NULL) < end) {
        for (i = 0; i < batch; i++, sent++) {
            fill(b, NET_BYTES, TAG_NET, sent, rate);
            /* Full queues and a guest that is away are expected. */
            sendto(fd, b, NET_BYTES, MSG_DONTWAIT,
                   (struct sockaddr *)&sin, sizeof(sin));
        }
        while (recv(fd, b, sizeof(b), MSG_DONTWAIT) > 0)
            back++;
        pause_us(10000);
    }
    printf("sent=%lu echoed=%lu\n", sent, back);
    return 0;
}

/* Process 1 */

static char cmdline[2048];

static const char *option(const char *name, const char *otherwise)
{
    static char value[8][64];
    static int turn;
    const char *p = strstr(cmdline, name);
    char *v = value[turn++ % 8];

    if (!p || sscanf(p + strlen(name), "=%63s", v) != 1)
        return otherwise;
    return v;
}

static void prepare_system(void)
{
    FILE *f;

    mkdir("/dev", 0755);
    mkdir("/proc", 0755);
    mkdir("/sys", 0755);
    mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
    mount("proc", "/proc", "proc", 0, NULL);
    mount("sysfs", "/sys", "sysfs", 0, NULL);
    f = fopen("/proc/cmdline", "r");
    if (f) {
        if (!fgets(cmdline, sizeof(cmdline), f))
            cmdline[0] = '\0';
        fclose(f);
    }
    /* Started before the console had a driver, there may be no stdout. */
    if (!freopen("/dev/console", "w", stdout))
        return;
    setvbuf(stdout, NULL, _IOLBF, 0);
}

/* "NAME.KEY=VALUE" of the command line as the module's own options. */
static void module_options(const char *name, char *out, size_t size)
{
    char prefix[128], *word, *rest = NULL, *copy = strdup(cmdline), *p;
    size_t len;

    out[0] = '\0';
    snprintf(prefix, sizeof(prefix), "%.*s.", (int)strcspn(name, "."),
             name);
    for (p = prefix; *p; p++)
        if (*p == '-')
            *p = '_';
    for (word = strtok_r(copy, " \n", &rest); word;
         word = strtok_r(NULL, " \n", &rest)) {
        len = strlen(out);
        if (!strncmp(word, prefix, strlen(prefix)))
            snprintf(out + len, size - len, "%s ", word + strlen(prefix));
    }
    free(copy);
}

static void load_modules(void)
{
    char name[128], path[160], options[256];
    FILE *f = fopen("/modules/order", "r");
    int fd;

    while (f && fscanf(f, "%127s", name) == 1) {
        snprintf(path, sizeof(path), "/modules/%s", name);
        module_options(name, options, sizeof(options));
        fd = open(path, O_RDONLY);
        if (fd < 0 || (syscall(SYS_finit_module, fd, options, 0) &&
                       errno != EEXIST))
            error_seen("module %s: %m", name);
        if (fd >= 0)
            close(fd);
    }
    if (f)
        fclose(f);
}

static bool is_on(const char *name)
{
    return !strcmp(option(name, "on"), "on");
}

static void start_net(void)
{
    const char *ip = option("churn.ip", "");
    int i;

    for (i = 0; i < 100; i++) {
        if (set_address("eth0", ip)) {
            start(serve_net, NULL);
            return;
        }
        pause_us(100000);
    }
    error_seen("eth0 with %s: %m", ip);
}

static void be_guest(void)
{
    static size_t mem_mib;
    static long aio;
    struct timespec now, begin;
    struct sysinfo si;
    long i, threads;

    prepare_system();
    printf("churn: starting\n");
    load_modules();

    mem_mib = strtoul(option("churn.mem", "24"), NULL, 10);
    start(churn_memory, &mem_mib);
    if (is_on("churn.disk") && open_disk("/dev/xvda")) {
        threads = strtol(option("churn.threads", "8"), NULL, 10);
        if (threads > MAX_THREADS)
            threads = MAX_THREADS;
        for (i = 1; i <= threads; i++)
            start(churn_reads, (void *)(uintptr_t)i);
        if (threads)
            start(churn_writes, NULL);
        aio = strtol(option("churn.aio", "0"), NULL, 10);
        if (aio > MAX_AIO)
            aio = MAX_AIO;
        if (aio)
            start(churn_aio, &aio);
    }
    if (is_on("churn.net"))
        start_net();

    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (;;) {
        pause_us(1000000);
        clock_gettime(CLOCK_MONOTONIC, &now);
        sysinfo(&si);
        printf("churn: t=%ld mem_ops=%lu disk_ops=%lu wr_ops=%lu "
               "net_rx=%lu errors=%lu free_kib=%lu\n",
               now.tv_sec - begin.tv_sec, mem_ops, disk_ops, wr_ops,
               net_rx, errors, si.freeram * si.mem_unit / 1024);
    }
}

int main(int argc, char **argv)
{
    if (argc == 4 && !strcmp(argv[1], "format"))
        return format_disk(argv[2], strtoul(argv[3], NULL, 10));
    if (argc == 5 && !strcmp(argv[1], "flood"))
        return flood(argv[2], strtoul(argv[3], NULL, 10),
                     strtoul(argv[4], NULL, 10));
    if (getpid() == 1)
        be_guest();
    fprintf(stderr, "usage: churn format FILE MIB | "
            "churn flood ADDRESS PER_SECOND SECONDS\n");
    return 2;
}
