/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The console's and xenstore's rings of the tiny kernels: ring.h.
 *
 * No index is kept here: behind a restore the rings may be empty ones.
 */
#include "ring.h"

#define barrier() __asm__ volatile ("" ::: "memory")

struct xencons_interface *console;
struct xenstore_domain_interface *store;

/*----- what the compiler may ask for -----*/

void *memset(void *to, int c, size_t n)
{
    char *p = to;

    while (n--)
        *p++ = c;
    return to;
}

void *memcpy(void *to, const void *from, size_t n)
{
    const char *q = from;
    char *p = to;

    while (n--)
        *p++ = *q++;
    return to;
}

/*----- console -----*/

void put(const char *s)
{
    XENCONS_RING_IDX prod = console->out_prod;

    for (; *s; s++)
        if (prod - *(volatile XENCONS_RING_IDX *)&console->out_cons <
            sizeof(console->out))
            console->out[MASK_XENCONS_IDX(prod++, console->out)] = *s;
    __atomic_store_n(&console->out_prod, prod, __ATOMIC_SEQ_CST);
    notify_console();
}

char *number(char *at, const char *name, unsigned long n)
{
    char digits[24];
    int i = 0;

    while (*name)
        *at++ = *name++;
    do {
        digits[i++] = '0' + n % 10;
        n /= 10;
    } while (n);
    while (i)
        *at++ = digits[--i];
    *at = 0;
    return at;
}

/*----- xenstore -----*/

static void store_write(const void *data, uint32_t len)
{
    const char *from = data;
    XENSTORE_RING_IDX prod = store->req_prod;

    while (len) {
        if (prod - *(volatile XENSTORE_RING_IDX *)&store->req_cons ==
            XENSTORE_RING_SIZE) {
            wait_store();
            continue;
        }
        store->req[MASK_XENSTORE_IDX(prod++)] = *from++;
        len--;
    }
    __atomic_store_n(&store->req_prod, prod, __ATOMIC_SEQ_CST);
}

static void store_read(void *data, uint32_t len)
{
    XENSTORE_RING_IDX cons = store->rsp_cons;
    char *to = data;

    while (len) {
        if (cons == *(volatile XENSTORE_RING_IDX *)&store->rsp_prod) {
            wait_store();
            continue;
        }
        barrier();
        *to++ = store->rsp[MASK_XENSTORE_IDX(cons++)];
        len--;
        /* Room for what is longer than the ring. */
        __atomic_store_n(&store->rsp_cons, cons, __ATOMIC_SEQ_CST);
    }
    notify_store();
}

/* The answer's first octets, and how many it has; -1: an error. */
static int ask(uint32_t type, const char *payload, uint32_t len,
               char *answer, uint32_t room)
{
    struct xsd_sockmsg m = { .type = type, .len = len };
    uint32_t i;
    char c;

    store_write(&m, sizeof(m));
    store_write(payload, len);
    notify_store();
    store_read(&m, sizeof(m));
    for (i = 0; i < m.len; i++) {
        store_read(&c, 1);
        if (i < room)
            answer[i] = c;
    }
    return m.type == XS_ERROR ? -1 : (int)m.len;
}

bool told_to_suspend(void)
{
    static const char path[] = "control/shutdown", word[] = "suspend";
    char answer[sizeof(word)] = { 0 };
    unsigned int i;

    if (ask(XS_READ, path, sizeof(path), answer, sizeof(word) - 1) !=
        sizeof(word) - 1)
        return false;
    for (i = 0; i < sizeof(word); i++)
        if (answer[i] != word[i])
            return false;
    /* An empty value says that it was heard. */
    return ask(XS_WRITE, path, sizeof(path), answer, 0) >= 0;
}
