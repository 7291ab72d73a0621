/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A PVH or HVM kernel of a few lines, for images that compress to next to
 * nothing (tests/image/golden).  Some of its pages are empty, some alike,
 * some of their own, and some are written anew all the time; it looks
 * that they are what they were, and says so on the console about once a
 * second:
 *
 *   plain: t=9 suspends=1 errors=0
 *
 * It is entered as Xen's docs/misc/pvh describes, without paging; as HVM
 * it stands where hvmloader does.  PVH suspends when the toolstack asks
 * for it.  HVM is suspended by the toolstack between any two
 * instructions, as it has no drivers, and hears nothing of it; so it
 * does not use xenstore.
 */
#include "ring.h"

#include <xen/event_channel.h>
#include <xen/sched.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>
#include <xen/arch-x86/cpuid.h>
#include <xen/arch-x86/hvm/start_info.h>

#define PAGE            4096U
#define WORDS           (PAGE / sizeof(uint32_t))
#define PAGES           64U
#define SECOND          (1ULL << 31)    /* ticks of the TSC, about */
#define LAST_LEAF       0x40010000U

enum { EMPTY, ALIKE, OWN, NEW, KINDS };

static uint8_t calls[PAGE] __attribute__((aligned(4096)));
static uint32_t pages[PAGES][WORDS] __attribute__((aligned(4096)));

/*----- hypercalls -----*/

static long hypercall(unsigned int nr, long a, void *b)
{
    long rc;

    __asm__ volatile ("call *%%eax"
                      : "=a" (rc), "+b" (a), "+c" (b)
                      : "0" (calls + nr * 32)
                      : "edx", "esi", "edi", "memory");
    return rc;
}

static void cpuid(uint32_t leaf, uint32_t out[4])
{
    __asm__ volatile ("cpuid"
                      : "=a" (out[0]), "=b" (out[1]), "=c" (out[2]),
                        "=d" (out[3])
                      : "0" (leaf), "2" (0));
}

/* Has Xen fill in the page of hypercalls. */
static bool find_xen(void)
{
    uint32_t leaf, r[4];

    for (leaf = XEN_CPUID_FIRST_LEAF; leaf < LAST_LEAF; leaf += 0x100) {
        cpuid(leaf, r);
        if (r[1] == XEN_CPUID_SIGNATURE_EBX &&
            r[2] == XEN_CPUID_SIGNATURE_ECX &&
            r[3] == XEN_CPUID_SIGNATURE_EDX)
            break;
    }
    if (leaf >= LAST_LEAF)
        return false;
    cpuid(leaf + 2, r);
    __asm__ volatile ("wrmsr" :: "a" (calls), "d" (0), "c" (r[1])
                      : "memory");
    return true;
}

/* Asked for each time: it is another one behind a restore. */
static unsigned long param(uint32_t index)
{
    struct xen_hvm_param p = { .domid = DOMID_SELF, .index = index };

    hypercall(__HYPERVISOR_hvm_op, HVMOP_get_param, &p);
    return p.value;
}

static void notify(uint32_t index)
{
    struct evtchn_send s = { .port = param(index) };

    hypercall(__HYPERVISOR_event_channel_op, EVTCHNOP_send, &s);
}

void notify_console(void)
{
    notify(HVM_PARAM_CONSOLE_EVTCHN);
}

void notify_store(void)
{
    notify(HVM_PARAM_STORE_EVTCHN);
}

void wait_store(void)
{
    hypercall(__HYPERVISOR_sched_op, SCHEDOP_yield, NULL);
}

/*----- the pages -----*/

static uint32_t word(unsigned int page, unsigned int i, uint32_t t)
{
    switch (page % KINDS) {
    case ALIKE:
        return 0xa11ce000 + i;
    case OWN:
        return 0x0e000000 + page * WORDS + i;
    case NEW:
        return (i ? 0x4e000000 + page : 0) + t;
    default:
        return 0;
    }
}

static void fill(uint32_t t, bool only_new)
{
    unsigned int page, i;

    for (page = 0; page < PAGES; page++)
        for (i = 0; i < WORDS; i++)
            if (!only_new || page % KINDS == NEW)
                pages[page][i] = word(page, i, t);
}

static unsigned int errors(uint32_t t)
{
    unsigned int page, i, n = 0;

    for (page = 0; page < PAGES; page++)
        for (i = 0; i < WORDS; i++)
            n += pages[page][i] != word(page, i, t);
    return n;
}

/*----- the kernel -----*/

static uint64_t ticks(void)
{
    uint32_t low, high;

    __asm__ volatile ("rdtsc" : "=a" (low), "=d" (high));
    return (uint64_t)high << 32 | low;
}

#ifdef AS_HVM
static bool suspended(void)
{
    return false;
}
#else
static bool suspended(void)
{
    struct sched_shutdown s = { .reason = SHUTDOWN_suspend };

    if (!told_to_suspend())
        return false;
    hypercall(__HYPERVISOR_sched_op, SCHEDOP_shutdown, &s);
    return true;
}
#endif

static void report(uint32_t t, unsigned int suspends, unsigned int n)
{
    char line[80], *at = number(line, "plain: t=", t);

    at = number(at, " suspends=", suspends);
    at = number(at, " errors=", n);
    *at++ = '\r';
    *at++ = '\n';
    *at = 0;
    put(line);
}

/* A BIOS that was put into memory would be most of the image. */
static void drop_modules(const struct hvm_start_info *info)
{
    const struct hvm_modlist_entry *m =
        (const void *)(uint32_t)info->modlist_paddr;
    uint32_t i;

    for (i = 0; i < info->nr_modules; i++)
        memset((void *)(uint32_t)m[i].paddr, 0, m[i].size);
}

void kernel(const struct hvm_start_info *info);

void kernel(const struct hvm_start_info *info)
{
    unsigned int suspends = 0, n = 0;
    uint64_t since;
    uint32_t t;

    if (info->magic != XEN_HVM_START_MAGIC_VALUE || !find_xen())
        return;
    drop_modules(info);
    console = (void *)(param(HVM_PARAM_CONSOLE_PFN) * PAGE);
    store = (void *)(param(HVM_PARAM_STORE_PFN) * PAGE);
    fill(0, false);
    for (t = 0;; t++) {
        n += errors(t);
        report(t, suspends, n);
        suspends += suspended();
        fill(t + 1, true);
        /* A TSC that went back makes one second shorter. */
        since = ticks();
        while (ticks() - since < SECOND)
            wait_store();
    }
}
