/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Variables of the environment.  One that is empty is as good as not set:
 * that is how a unit of systemd takes one back (Environment=NAME=).
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
