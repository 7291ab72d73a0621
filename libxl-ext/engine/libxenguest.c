/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The engine on top of libxenguest.
 */
#include "_config.h"
#include "engine/engine.h"

int lxe__engine_save(xc_interface *xch, int fd, uint32_t domid,
                     uint32_t flags, struct save_callbacks *cb,
                     xc_stream_type_t stream_type, int recv_fd)
{
    return xc_domain_save(xch, fd, domid, flags, cb, stream_type,
                          recv_fd);
}

int lxe__engine_restore(xc_interface *xch, struct lxe__restore_args *a,
                        struct restore_callbacks *cb)
{
    return xc_domain_restore(xch, a->fd, a->domid, a->store_evtchn,
                             &a->store_gfn, a->store_domid,
                             a->console_evtchn, &a->console_gfn,
                             a->console_domid, a->stream_type, cb,
                             a->send_back_fd
#ifdef LXE_HAVE_RESTORE_MEMFLAGS
                             , 0
#endif
                             );
}

int lxe__engine_precopy_default(struct precopy_stats stats)
{
    if (stats.dirty_count >= 0 && stats.dirty_count < 50)
        return XGS_POLICY_STOP_AND_COPY;
    return stats.iteration >= 5 ? XGS_POLICY_STOP_AND_COPY
                                : XGS_POLICY_CONTINUE_PRECOPY;
}
