/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Committing: the line in the journal which says that another copy of a
 * saved domain may run, so that the guardian does not let this one run.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "api/ctx.h"
#include "api/op.h"
#include "freeze/journal.h"
#include "memory/domain.h"

int lxe__op_commit(uint32_t domid, const uint8_t uuid[16],
                   struct lxe__err *err)
{
    struct lxe__journal j;
    struct lxe__err mine;
    int fd, rc;

    lxe__err_init(&mine);
    fd = lxe__journal_open(domid, &mine);
    if (fd < 0)
        /* freeze = off: there is no guardian that could err. */
        return mine.code == ENOENT ? 0 : lxe__err_set(err, mine.code, "%s",
                                                      mine.msg);
    rc = lxe__journal_read(&j, fd, err);
    if (!rc && memcmp(j.uuid, uuid, sizeof(j.uuid)))
        rc = lxe__err_set(err, EPROTO, "commit: the journal of domain %u"
                          " is of another domain", domid);
    if (!rc)
        rc = lxe__journal_commit(fd, err);
    lxe__journal_dispose(&j);
    close(fd);
    return rc;
}

int libxl_ext_domain_commit(libxl_ext_ctx *ctx, uint32_t domid)
{
    struct lxe__domstate st;
    int r = -1;

    lxe__ctx_begin(ctx);
    if (lxe__ctx_domid(ctx, "commit", domid) || lxe__ctx_open(ctx))
        goto out;
    if (lxe__domstate_read(ctx->xch, domid, &st))
        lxe__err_set(&ctx->err, errno, "commit: domain %u: %s", domid,
                     errno == ESRCH ? "there is no such domain"
                                    : strerror(errno));
    else if (!st.suspended)
        lxe__err_set(&ctx->err, EINVAL, "commit: domain %u: it is not"
                     " suspended: no image of it is the guest", domid);
    else
        r = lxe__op_commit(domid, st.uuid, &ctx->err);

 out:
    return lxe__ctx_end(ctx, r);
}
