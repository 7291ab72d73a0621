/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Names of what the facts have as numbers.
 */
#include "image.h"

const char *image_container_name(const struct libxl_ext_image *im)
{
    static const char *const names[] = {
        "xl", "libxl", "libxc", "libvirt",
    };

    return names[im->container];
}

const char *image_fate_name(enum libxl_ext_image_fate fate)
{
    static const char *const names[] = {
        "restored", "damaged", "refused",
    };

    return names[fate];
}

const char *image_carrier_name(enum libxl_ext_image_carrier carrier)
{
    static const char *const names[] = { NULL, "libxc", "libxl", "both" };

    return names[carrier];
}

const char *image_type_name(unsigned int type)
{
    static const char *const names[LIBXL_EXT_IMAGE_TYPES] = {
        [0x0] = "NOTAB", [0x1] = "L1TAB", [0x2] = "L2TAB",
        [0x3] = "L3TAB", [0x4] = "L4TAB", [0x9] = "L1TAB_PIN",
        [0xa] = "L2TAB_PIN", [0xb] = "L3TAB_PIN", [0xc] = "L4TAB_PIN",
        [0xd] = "BROKEN", [0xe] = "XALLOC", [0xf] = "XTAB",
    };

    return type < LIBXL_EXT_IMAGE_TYPES ? names[type] : NULL;
}
