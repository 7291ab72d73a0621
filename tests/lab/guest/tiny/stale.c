/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A PV kernel of a few lines that has page tables which are not
 * validated any more (R5; docs/page-state.md), and watches them.
 *
 * When it starts it makes three sets of page tables, each of one page of
 * level 4, 3, 2 and 1, and has Xen validate them by pinning the highest:
 *
 *   stale    is unpinned and left alone: Xen up to 4.15 goes on to call
 *            these pages page tables
 *   pinned   stays pinned: its entries must name the guest's frames of
 *            whatever host it runs on
 *   written  is unpinned, and one word of each page is written: these are
 *            plain pages to any Xen
 *
 * Once a second it says on the console what has become of the entries
 * that were present:
 *
 *   stale: t=9 resumes=1 moved=503 stale=503:0:0 pinned=0:503:0
 *       written=503:0:0
 *
 * in one line.
 *
 * moved     entries, of one set, whose frame is another one by now
 * A:B:C     of the moved entries of each set: A are what they were when
 *           the set was made, B name the frame that is in the place of
 *           the former one, C are anything else (never)
 *
 * It suspends when the toolstack asks for it.  The events that are
 * delivered to it are masked for ever: it polls, and has no handler.
 */
#include "ring.h"

#include <xen/event_channel.h>
#include <xen/sched.h>

#define PAGE        4096UL
#define ENTRIES     512U
#define LEVELS      4
#define SECOND      1000000000ULL

#define PRESENT     0x001UL
#define WRITABLE    0x002UL
#define ACCESSED    0x020UL
#define DIRTY       0x040UL
#define FRAME       0x000ffffffffff000UL
#define XEN_FIRST   256U            /* slots of level 4 */
#define XEN_LAST    271U

#define aligned __attribute__((aligned(4096)))
#define barrier() __asm__ volatile ("" ::: "memory")

enum { STALE, PINNED, WRITTEN, SETS };

static uint64_t tables[SETS][LEVELS][ENTRIES] aligned;
static uint64_t were[SETS][LEVELS][ENTRIES];
static uint32_t pfns[SETS][LEVELS][ENTRIES];    /* that they name */
static uint8_t shared_page[PAGE] aligned;

static start_info_t *start;
static volatile shared_info_t *const shared = (void *)shared_page;
static unsigned long *p2m;
static unsigned int resumes;

/*----- hypercalls -----*/

static long hypercall(long nr, long a, long b, long c, long d)
{
    register long r10 __asm__("r10") = d;
    long rc;

    __asm__ volatile ("syscall"
                      : "=a" (rc), "+D" (a), "+S" (b), "+d" (c), "+r" (r10)
                      : "0" (nr)
                      : "rcx", "r11", "r8", "r9", "memory");
    return rc;
}

static void die(void)
{
    struct sched_shutdown s = { .reason = SHUTDOWN_crash };

    for (;;)
        hypercall(__HYPERVISOR_sched_op, SCHEDOP_shutdown, (long)&s, 0, 0);
}

static void must(long rc)
{
    if (rc < 0)
        die();
}

static void set_pte(const volatile void *va, uint64_t pte)
{
    must(hypercall(__HYPERVISOR_update_va_mapping, (long)va, pte,
                   UVMF_INVLPG, 0));
}

static void pin(unsigned int cmd, unsigned long mfn)
{
    struct mmuext_op op = { .cmd = cmd, .arg1.mfn = mfn };

    must(hypercall(__HYPERVISOR_mmuext_op, (long)&op, 1, 0, DOMID_SELF));
}

static void notify(evtchn_port_t port)
{
    struct evtchn_send s = { .port = port };

    hypercall(__HYPERVISOR_event_channel_op, EVTCHNOP_send, (long)&s, 0,
              0);
}

void notify_console(void)
{
    notify(start->console.domU.evtchn);
}

void notify_store(void)
{
    notify(start->store_evtchn);
}

/* The first page is 0, and each is where its number says. */
static unsigned long pfn_of(const volatile void *va)
{
    return (unsigned long)va / PAGE;
}

static unsigned long mfn_of(const volatile void *va)
{
    return p2m[pfn_of(va)];
}

/*----- time -----*/

static uint64_t now(void)
{
    volatile const struct vcpu_time_info *t = &shared->vcpu_info[0].time;
    uint32_t version, low, high;
    uint64_t base, delta;
    uint32_t mul;
    int8_t shift;

    do {
        version = t->version;
        barrier();
        __asm__ volatile ("lfence; rdtsc" : "=a" (low), "=d" (high));
        delta = ((uint64_t)high << 32 | low) - t->tsc_timestamp;
        base = t->system_time;
        mul = t->tsc_to_system_mul;
        shift = t->tsc_shift;
        barrier();
    } while (version & 1 || version != t->version);
    delta = shift < 0 ? delta >> -shift : delta << shift;
    return base + (uint64_t)((unsigned __int128)delta * mul >> 32);
}

/* Until xenstored has something to say, or @until. */
static void wait(uint64_t until)
{
    evtchn_port_t port = start->store_evtchn;
    struct sched_poll poll = {
        .nr_ports = 1,
        .timeout = until,
    };

    set_xen_guest_handle(poll.ports, &port);
    hypercall(__HYPERVISOR_sched_op, SCHEDOP_poll, (long)&poll, 0, 0);
    __atomic_fetch_and(&shared->evtchn_pending[port / 64],
                       ~(1UL << port % 64), __ATOMIC_SEQ_CST);
}

void wait_store(void)
{
    wait(now() + SECOND);
}

/*----- the three sets -----*/

static void name_frame(int set, int level, unsigned int slot,
                       unsigned long pfn, uint64_t flags)
{
    tables[set][level - 1][slot] = p2m[pfn] << 12 | flags;
    pfns[set][level - 1][slot] = pfn;
}

static void make_set(int set)
{
    unsigned int i;
    int level;

    /* Read-only, and so free to be any frame of the guest. */
    for (i = 0; i < ENTRIES; i++)
        name_frame(set, 1, i, (uint64_t)i * start->nr_pages / ENTRIES,
                   PRESENT | ACCESSED);
    for (level = 2; level <= LEVELS; level++)
        name_frame(set, level, 5, pfn_of(tables[set][level - 2]),
                   PRESENT | WRITABLE | ACCESSED | DIRTY);
    /* No page table may be mapped for writing. */
    for (level = 1; level <= LEVELS; level++)
        set_pte(tables[set][level - 1],
                mfn_of(tables[set][level - 1]) << 12 |
                PRESENT | ACCESSED);
    pin(MMUEXT_PIN_L4_TABLE, mfn_of(tables[set][LEVELS - 1]));
    if (set != PINNED)
        pin(MMUEXT_UNPIN_TABLE, mfn_of(tables[set][LEVELS - 1]));
    for (level = 1; set == WRITTEN && level <= LEVELS; level++) {
        volatile uint64_t *word = tables[set][level - 1];

        set_pte(tables[set][level - 1],
                mfn_of(tables[set][level - 1]) << 12 |
                PRESENT | WRITABLE | ACCESSED | DIRTY);
        *word = *word;
    }
    /* As it is by now: Xen adds flags, and slots of its own. */
    memcpy(were[set], tables[set], sizeof(were[set]));
}

struct count {
    unsigned int moved, kept, followed, other;
};

static struct count count_set(int set)
{
    struct count c = { 0, 0, 0, 0 };
    unsigned int i;
    int level;

    for (level = 1; level <= LEVELS; level++)
        for (i = 0; i < ENTRIES; i++) {
            uint64_t was = were[set][level - 1][i];
            uint64_t is = tables[set][level - 1][i];
            uint64_t mfn = p2m[pfns[set][level - 1][i]];

            if (!(was & PRESENT) ||
                (level == LEVELS && i >= XEN_FIRST && i <= XEN_LAST))
                continue;
            if ((was & FRAME) == mfn << 12) {
                /* It has not moved: it can only be what it was. */
                c.other += is != was;
                continue;
            }
            c.moved++;
            if (is == was)
                c.kept++;
            else if ((is & FRAME) == mfn << 12)
                c.followed++;
            else
                c.other++;
        }
    return c;
}

static void report(unsigned int t)
{
    static const char *const names[SETS] = {
        " stale=", " pinned=", " written=",
    };
    char line[200], *at = number(line, "stale: t=", t);
    struct count c;
    int set;

    at = number(at, " resumes=", resumes);
    at = number(at, " moved=", count_set(PINNED).moved);
    for (set = 0; set < SETS; set++) {
        c = count_set(set);
        at = number(at, names[set], c.kept);
        at = number(at, ":", c.followed);
        at = number(at, ":", c.other);
    }
    *at++ = '\r';
    *at++ = '\n';
    *at = 0;
    put(line);
}

/*----- suspend -----*/

/* Where it is has to be said anew in each domain. */
static void map_shared_info(void)
{
    set_pte(shared, start->shared_info | PRESENT | WRITABLE | ACCESSED |
            DIRTY);
    shared->vcpu_info[0].evtchn_upcall_mask = 1;
    shared->arch.max_pfn = start->nr_pages;
    shared->arch.p2m_vaddr = start->mfn_list;
    shared->arch.p2m_cr3 = mfn_of((void *)start->pt_base) << 12;
}

/*
 * The toolstack finds the two rings by frame numbers of the guest, and
 * can move no mapping of a page that is not the guest's.
 */
static void suspend(void)
{
    struct sched_shutdown s = { .reason = SHUTDOWN_suspend };
    unsigned long store_was = start->store_mfn;
    unsigned long console_was = start->console.domU.mfn;

    start->store_mfn = pfn_of(store);
    start->console.domU.mfn = pfn_of(console);
    set_pte(shared, 0);
    if (hypercall(__HYPERVISOR_sched_op, SCHEDOP_shutdown, (long)&s,
                  mfn_of(start), 0)) {
        /* Cancelled: it runs on where it was. */
        start->store_mfn = store_was;
        start->console.domU.mfn = console_was;
    } else {
        resumes++;
    }
    map_shared_info();
}

void kernel(start_info_t *si);

void kernel(start_info_t *si)
{
    const unsigned long *m2p = (unsigned long *)MACH2PHYS_VIRT_START;
    unsigned int t;
    uint64_t next;
    int set;

    start = si;
    p2m = (unsigned long *)start->mfn_list;
    store = (void *)(m2p[start->store_mfn] * PAGE);
    console = (void *)(m2p[start->console.domU.mfn] * PAGE);
    map_shared_info();
    for (set = 0; set < SETS; set++)
        make_set(set);
    next = now();
    for (t = 0;; t++) {
        report(t);
        if (told_to_suspend()) {
            suspend();
            next = now();
        }
        next += SECOND;
        while (now() < next)
            wait(next);
    }
}
