/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What libxenguest does for the helper, a part of what is preloaded with
 * fake_world.c: xc_domain_save() writes a stream whose records say
 * nothing, and xc_domain_restore() reads it.
 *
 * $FAKE_WORLD/rounds: how many rounds of precopy there are, 50 ms each;
 * without it: one.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <xenctrl.h>
#include <xenguest.h>

#include "fake_io.h"

#define BODY      (32 * 1024)           /* of a record: a pipe has 64 KiB */

static int put_record(int fd, uint32_t type, uint32_t len)
{
    static const char body[BODY];
    uint32_t head[2] = { type, len };

    return put(fd, head, sizeof(head)) || put(fd, body, len);
}

static int rounds(void)
{
    FILE *f = fopen(path_of("rounds"), "r");
    int n = 1;

    if (f && fscanf(f, "%d", &n) != 1)
        n = 1;
    if (f)
        fclose(f);
    return n;
}

#undef xc_domain_save
int xc_domain_save(xc_interface *xch, int io_fd, uint32_t dom,
                   uint32_t flags, struct save_callbacks *callbacks,
                   xc_stream_type_t stream_type, int recv_fd)
{
    static const uint8_t head[40] = {
        255, 255, 255, 255, 255, 255, 255, 255, 'X', 'E', 'N', 'F',
        0, 0, 0, 3, [24] = 1, [28] = 12, [32] = 4, [36] = 17,
    };
    struct precopy_stats stats = { .dirty_count = 100 };
    int i, nr = rounds();

    (void)xch;
    (void)dom;
    (void)flags;
    (void)stream_type;
    (void)recv_fd;
    if (put(io_fd, head, sizeof(head)) || put_record(io_fd, 0x10, 0))
        return -1;
    for (i = 0; i < nr; i++) {
        stats.iteration = i < 4 ? i : 4;
        if (callbacks->precopy_policy(stats, callbacks->data) ==
            XGS_POLICY_ABORT || put_record(io_fd, 0x80000077, BODY))
            return -1;
        usleep(50 * 1000);
    }
    if (!callbacks->suspend(callbacks->data))
        return -1;
    return put_record(io_fd, 0x80000077, BODY) || put_record(io_fd, 0, 0) ?
        -1 : 0;
}

#undef xc_domain_restore
int xc_domain_restore(xc_interface *xch, int io_fd, uint32_t dom,
                      unsigned int store_evtchn, unsigned long *store_mfn,
                      uint32_t store_domid, unsigned int console_evtchn,
                      unsigned long *console_mfn, uint32_t console_domid,
                      xc_stream_type_t stream_type,
                      struct restore_callbacks *callbacks,
                      int send_back_fd)
{
    char head[40], body[BODY];
    uint32_t record[2];

    (void)xch;
    (void)dom;
    (void)store_evtchn;
    (void)store_domid;
    (void)console_evtchn;
    (void)console_domid;
    (void)stream_type;
    (void)send_back_fd;
    *store_mfn = *console_mfn = 1;
    if (!get(io_fd, head, sizeof(head)))
        return -1;
    do {
        if (!get(io_fd, record, sizeof(record)) || record[1] > BODY ||
            !get(io_fd, body, (record[1] + 7) & ~7U) ||
            (record[0] == 0x10 &&
             callbacks->static_data_done(0, callbacks->data)))
            return -1;
    } while (record[0]);
    return 0;
}
