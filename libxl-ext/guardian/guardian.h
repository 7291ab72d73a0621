/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The commands of libxl-ext-guardian; each returns an exit status.
 */
#ifndef LXE_GUARDIAN_GUARDIAN_H
#define LXE_GUARDIAN_GUARDIAN_H

#include <stdint.h>
#include <xenctrl.h>

struct xs_handle;

#define GUARD_FD_ORDERS 3
#define GUARD_FD_READY  4

int guard_domain(uint32_t domid);
int thaw_domain(uint32_t domid, int force);
int thaw_all(int force);
int probe_domain(uint32_t domid);

#endif
