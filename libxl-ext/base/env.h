/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Variables of the environment.  An empty one counts as not set, because
 * that is how a systemd unit unsets one (Environment=NAME=).
 */
#ifndef LXE_BASE_ENV_H
#define LXE_BASE_ENV_H

#include <stdlib.h>

static inline const char *lxe__env(const char *name)
{
    const char *value = getenv(name);

    return value && *value ? value : NULL;
}

#endif
