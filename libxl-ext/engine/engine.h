/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Who moves the pages: today libxenguest.  What differs between its
 * versions is hidden here and nowhere else.
 */
#ifndef LXE_ENGINE_ENGINE_H
#define LXE_ENGINE_ENGINE_H

#include <stdint.h>
#include <xenctrl.h>
#include <xenguest.h>

struct lxe__restore_args {
    int fd;
    int send_back_fd;
    uint32_t domid;
    unsigned store_evtchn;
    uint32_t store_domid;
    unsigned console_evtchn;
    uint32_t console_domid;
    xc_stream_type_t stream_type;
    unsigned long store_gfn;    /* out */
    unsigned long console_gfn;  /* out */
};

/* As xc_domain_save() of xenguest.h. */
int lxe__engine_save(xc_interface *xch, int fd, uint32_t domid,
                     uint32_t flags, struct save_callbacks *cb,
                     xc_stream_type_t stream_type, int recv_fd);

/* As xc_domain_restore() of xenguest.h. */
int lxe__engine_restore(xc_interface *xch, struct lxe__restore_args *a,
                        struct restore_callbacks *cb);

/*
 * The precopy policy that libxenguest uses where none is given, so that
 * a callback of ours that only looks on changes nothing: stop after
 * SPP_MAX_ITERATIONS (5) rounds or with fewer than
 * SPP_TARGET_DIRTY_COUNT (50) dirty pages (tools/libs/guest/
 * xg_sr_save.c, Xen 4.14 to master).
 */
int lxe__engine_precopy_default(struct precopy_stats stats);

#endif
