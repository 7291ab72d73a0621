/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What the tiny kernels have in common: the console's and xenstore's
 * rings, and what the compiler may ask for.  It is for 64-bit PV as for
 * 32-bit PVH, and knows no hypercalls: each kernel has its own.
 */
#ifndef TINY_RING_H
#define TINY_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Else the headers mean the calls of Xen 3.0. */
#define __XEN_INTERFACE_VERSION__ 0x00040e00
#include <xen/xen.h>
#include <xen/io/console.h>
#include <xen/io/xs_wire.h>

/* Set by the kernel before anything else here is called. */
extern struct xencons_interface *console;
extern struct xenstore_domain_interface *store;

/* The kernel's own. */
void notify_console(void);
void notify_store(void);
void wait_store(void);      /* until there may be something new */

/* What does not fit into the ring is lost. */
void put(const char *s);

/* Writes @name and @n at @at, which has room, and says where it ended. */
char *number(char *at, const char *name, unsigned long n);

/* Has the toolstack asked for it?  Then it is told that it was heard. */
bool told_to_suspend(void);

void *memset(void *to, int c, size_t n);
void *memcpy(void *to, const void *from, size_t n);

#endif
