/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What stock libxl makes of a domain's memory between save and restore.
 *
 * Sources, the same in Xen 4.14, 4.17, 4.20 and master, in tools/libs/
 * light (4.14: tools/libxl):
 *   save     libxl_domain.c, libxl_retrieve_domain_configuration(),
 *            "Memory limits": target = xenstore's target + fudge
 *   fudge    libxl_internal.h, libxl__get_targetmem_fudge(): video
 *            memory, and LIBXL_MAXMEM_CONSTANT for an HVM guest whose
 *            stored configuration has max_memkb above target_memkb
 *   restore  libxl_dom.c, libxl__build_pre(): setmaxmem of target +
 *            libxl__arch_extra_memory(), on x86 LIBXL_MAXMEM_CONSTANT
 */
#include <stddef.h>

#include "base/json.h"
#include "memory/stock.h"

uint64_t lxe__stock_max_kb(const struct lxe__stock *s)
{
    uint64_t kb = s->target_kb + s->video_kb;

    if (s->hvm && s->created_max_kb > s->created_target_kb)
        kb += LXE_STOCK_MAXMEM_CONSTANT_KB;
    return kb + LXE_STOCK_MAXMEM_CONSTANT_KB;
}

uint64_t lxe__stock_json_kb(const char *json, const char *key)
{
    const char *path[] = { "b_info", key, NULL };
    yajl_val root = NULL, v = NULL;
    uint64_t kb = LXE_STOCK_DEFAULT_KB;

    if (!lxe__json_tree("domain configuration", json, &root, NULL))
        v = yajl_tree_get(root, path, yajl_t_number);
    if (YAJL_IS_INTEGER(v) && YAJL_GET_INTEGER(v) >= 0)
        kb = YAJL_GET_INTEGER(v);
    yajl_tree_free(root);
    return kb;
}
