/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The policy file: an input is its text.
 *
 * What is taken is within the documented bounds; what is refused leaves
 * the defaults.  libxlutil lists no keys, so our own look at the text
 * says which are set: it must say the same as libxlutil of each, else
 * one could be set unseen.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <libxlutil.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common.h"
#include "memory/policy.h"

const char *__lsan_default_suppressions(void);

/*
 * Its parser loses the items of a list after which there is a syntax
 * error (seen with Xen 4.17): some octets and their text for each.
 */
const char *__lsan_default_suppressions(void)
{
    return "leak:libxlutil.so\n";
}

static void same_keys(const uint8_t *data, size_t size,
                      const struct lxe__policy_sources *sources)
{
    char *text = fuzz_text(data, size);
    FILE *null = fopen("/dev/null", "we");
    XLU_Config *cfg = xlu_cfg_init(null, "input");
    const char *name, *value;
    XLU_ConfigList *list;
    bool set;
    int i, n;

    must(null && cfg && !xlu_cfg_readdata(cfg, text, size));
    for (i = 0; i < LXE_NR_KEYS; i++) {
        name = lxe__policy_key_name(i);
        set = xlu_cfg_get_string(cfg, name, &value, 1) != ESRCH ||
            xlu_cfg_get_list(cfg, name, &list, &n, 1) != ESRCH;
        /* What an override replaces has the line of that. */
        must(sources->of[i].entry || set == (sources->of[i].line > 0));
    }
    xlu_cfg_destroy(cfg);
    fclose(null);
    free(text);
}

static void bounds(const struct lxe__policy *p)
{
    must(p->memory_bump <= LXE_BUMP_TRACK);
    must(p->memory_bump_limit <= 1ULL << 40);
    must(p->freeze <= LXE_FREEZE_OFF);
    must(p->freeze_method <= LXE_METHOD_DETACH);
    must(p->freeze_timeout && p->freeze_timeout <= 600000);
    must(p->link_timeout <= 600000);
    must(!p->stock_helper || *p->stock_helper == '/');
    must(!p->qemu || *p->qemu == '/');
}

static void defaults(const struct lxe__policy *p)
{
    struct lxe__policy fresh;

    lxe__policy_init(&fresh);
    must(p->memory_bump == fresh.memory_bump);
    must(p->memory_bump_limit == fresh.memory_bump_limit);
    must(p->freeze == fresh.freeze && p->claim == fresh.claim);
    must(p->freeze_method == fresh.freeze_method);
    must(p->freeze_timeout == fresh.freeze_timeout);
    must(p->link_timeout == fresh.link_timeout);
    must(!p->stock_helper && !p->qemu && !p->path);
    lxe__policy_dispose(&fresh);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lxe__policy_sources sources;
    struct lxe__policy p;
    struct lxe__err err;
    char path[32];
    int fd;

    fuzz_begin();
    fd = fuzz_file(data, size);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    lxe__err_init(&err);
    if (lxe__policy_load_sources(&p, path, "web", &sources, &err)) {
        fuzz_refused(&err);
        defaults(&p);
    } else {
        bounds(&p);
        same_keys(data, size, &sources);
        lxe__policy_dispose(&p);
    }
    close(fd);
    fuzz_end();
    return 0;
}
