/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Reading QEMU's command line as far as memory goes.
 *
 * Which ROM a model has is QEMU's "romfile" default (the class_init
 * functions of hw/net/ and hw/display/, QEMU 4.2 to 10): a model that
 * is not in the table has none, or is not offered by libxl.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xen/xen.h>

#include "qemu/args.h"

static const struct {
    const char *device, *file;
} models[] = {
    { "e1000", "efi-e1000.rom" },
    { "e1000-82540em", "efi-e1000.rom" },
    { "e1000-82544gc", "efi-e1000.rom" },
    { "e1000-82545em", "efi-e1000.rom" },
    { "e1000e", "efi-e1000e.rom" },
    { "i82550", "pxe-eepro100.rom" },
    { "i82551", "pxe-eepro100.rom" },
    { "i82557a", "pxe-eepro100.rom" },
    { "i82557b", "pxe-eepro100.rom" },
    { "i82557c", "pxe-eepro100.rom" },
    { "i82558a", "pxe-eepro100.rom" },
    { "i82558b", "pxe-eepro100.rom" },
    { "i82559a", "pxe-eepro100.rom" },
    { "i82559b", "pxe-eepro100.rom" },
    { "i82559c", "pxe-eepro100.rom" },
    { "i82559er", "pxe-eepro100.rom" },
    { "i82562", "pxe-eepro100.rom" },
    { "i82801", "pxe-eepro100.rom" },
    { "ne2k_pci", "efi-ne2k_pci.rom" },
    { "pcnet", "efi-pcnet.rom" },
    { "rtl8139", "efi-rtl8139.rom" },
    { "virtio-net-pci", "efi-virtio.rom" },
    { "virtio-net", "efi-virtio.rom" },
    { "virtio-net-pci-transitional", "efi-virtio.rom" },
    { "virtio-net-pci-non-transitional", "efi-virtio.rom" },
    { "vmxnet3", "efi-vmxnet3.rom" },
    { "VGA", "vgabios-stdvga.bin" },
    { "cirrus-vga", "vgabios-cirrus.bin" },
    { "qxl-vga", "vgabios-qxl.bin" },
    { "virtio-vga", "vgabios-virtio.bin" },
    { "vmware-svga", "vgabios-vmware.bin" },
};

/* -vga TYPE is short for a device. */
static const struct {
    const char *vga, *device;
} vgas[] = {
    { "std", "VGA" },
    { "cirrus", "cirrus-vga" },
    { "qxl", "qxl-vga" },
    { "virtio", "virtio-vga" },
    { "vmware", "vmware-svga" },
};

/*
 * Video memory is populated by QEMU too, out of what libxl keeps back
 * for it (videoram): sizes in MiB, QEMU 4.2 to 10.
 */
static const struct {
    const char *device, *key;
    unsigned mib;               /* where the key is not given */
} vrams[] = {
    { "VGA", "vgamem_mb", 16 },
    { "cirrus-vga", "vgamem_mb", 4 },
    { "qxl-vga", "ram_size_mb", 64 },
    { "qxl-vga", "vram_size_mb", 64 },
};
#define VRAM_MIB_MAX 512        /* QEMU cuts vgamem_mb to this */

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *model_rom(const char *device)
{
    size_t i;

    for (i = 0; i < COUNT(models); i++)
        if (!strcmp(models[i].device, device))
            return models[i].file;
    return NULL;
}

/*
 * The value of @key in "driver,key=value,..." or NULL.  Commas within a
 * value are doubled in QEMU's syntax; no value of interest has one but
 * a path, in which they are kept as they stand.
 */
static bool option(const char *text, const char *key, char *value,
                   size_t size)
{
    size_t key_len = strlen(key), len;
    const char *p = text, *next;

    for (; p; p = next) {
        next = p;
        do {
            next = strchr(next, ',');
            if (next && next[1] == ',')
                next += 2;      /* a comma of the value */
            else
                break;
        } while (next);
        len = next ? (size_t)(next - p) : strlen(p);
        if (len > key_len && !strncmp(p, key, key_len) &&
            p[key_len] == '=') {
            len -= key_len + 1;
            if (len >= size)
                len = size - 1;
            memcpy(value, p + key_len + 1, len);
            value[len] = '\0';
            return true;
        }
        if (next)
            next++;
    }
    return false;
}

static int add_rom(struct lxe__qemu_args *a, const char *device,
                   const char *options, struct lxe__err *err)
{
    const char *file = model_rom(device);
    struct lxe__qemu_rom *rom;
    char value[sizeof(rom->file)];

    /* Shown in the guest's BAR is what is RAM of the guest. */
    if (option(options, "rombar", value, sizeof(value)) &&
        (!strcmp(value, "0") || !strcmp(value, "off")))
        return 0;
    if (!file && !option(options, "romfile", value, sizeof(value)))
        return 0;
    if (a->nr_roms == LXE_QEMU_ROMS_MAX)
        return lxe__err_set(err, E2BIG, "start QEMU: more than %d devices"
                            " with an option ROM", LXE_QEMU_ROMS_MAX);
    rom = &a->roms[a->nr_roms];
    memset(rom, 0, sizeof(*rom));
    snprintf(rom->device, sizeof(rom->device), "%s", device);
    if (option(options, "romfile", value, sizeof(value)))
        snprintf(rom->file, sizeof(rom->file), "%s", value);
    else
        snprintf(rom->file, sizeof(rom->file), "%s", file);
    if (!rom->file[0])
        return 0;               /* romfile= asks for none */
    if (option(options, "romsize", value, sizeof(value)))
        rom->size = strtoull(value, NULL, 0) & UINT32_MAX;
    a->nr_roms++;
    return 0;
}

/* As vga_common_init() has it: a power of two from 1 to 512 MiB. */
static void add_vram(struct lxe__qemu_args *a, const char *device,
                     const char *options)
{
    char value[16];
    unsigned long mib;
    size_t i;

    for (i = 0; i < COUNT(vrams); i++) {
        if (strcmp(vrams[i].device, device) != 0)
            continue;
        mib = vrams[i].mib;
        if (option(options, vrams[i].key, value, sizeof(value)))
            mib = strtoul(value, NULL, 0);
        mib = mib < 1 ? 1 : mib > VRAM_MIB_MAX ? VRAM_MIB_MAX : mib;
        a->vram_pages += lxe__qemu_rom_pages((uint64_t)mib << 20);
    }
}

static int add_model(struct lxe__qemu_args *a, const char *device,
                     const char *options, struct lxe__err *err)
{
    add_vram(a, device, options);
    return add_rom(a, device, options, err);
}

static int add_device(struct lxe__qemu_args *a, const char *options,
                      struct lxe__err *err)
{
    char device[64];
    size_t len = strcspn(options, ",");

    if (!option(options, "driver", device, sizeof(device)))
        snprintf(device, sizeof(device), "%.*s",
                 (int)(len < sizeof(device) ? len : sizeof(device) - 1),
                 options);
    return add_model(a, device, options, err);
}

static int add_vga(struct lxe__qemu_args *a, const char *type,
                   struct lxe__err *err)
{
    size_t i;

    for (i = 0; i < COUNT(vgas); i++)
        if (!strcmp(vgas[i].vga, type))
            return add_model(a, vgas[i].device, "", err);
    return 0;
}

/* The old "-net nic,model=NAME". */
static int add_net(struct lxe__qemu_args *a, const char *options,
                   struct lxe__err *err)
{
    char model[64];

    if (strncmp(options, "nic", 3) != 0)
        return 0;
    if (!option(options, "model", model, sizeof(model)))
        strcpy(model, "e1000"); /* QEMU's default on a PC */
    else if (!strcmp(model, "virtio"))
        strcpy(model, "virtio-net-pci");        /* QEMU's alias */
    return add_model(a, model, "", err);
}

static int set_domid(struct lxe__qemu_args *a, const char *text,
                     struct lxe__err *err)
{
    char *end;
    unsigned long v;

    errno = 0;
    v = strtoul(text, &end, 10);
    if (errno || end == text || *end || *text == '-' ||
        v >= DOMID_FIRST_RESERVED)
        return lxe__err_set(err, EINVAL, "start QEMU: -xen-domid \"%.32s\""
                            " is not a domain id from 0 to %u", text,
                            DOMID_FIRST_RESERVED - 1);
    a->domid = v;
    a->has_domid = true;
    return 0;
}

int lxe__qemu_args_parse(struct lxe__qemu_args *a, char **argv,
                         struct lxe__err *err)
{
    const char *opt, *value;

    memset(a, 0, sizeof(*a));
    for (; *argv; argv++) {
        opt = *argv;
        if (*opt != '-')
            continue;
        /* QEMU takes one dash or two. */
        opt += opt[1] == '-' ? 2 : 1;
        value = argv[1];
        if (!strcmp(opt, "xen-attach")) {
            a->attach = true;
            continue;
        }
        if (!value)
            break;
        if (!strcmp(opt, "xen-domid")) {
            if (set_domid(a, value, err))
                return -1;
        } else if (!strcmp(opt, "incoming")) {
            a->incoming = true;
        } else if (!strcmp(opt, "device")) {
            if (add_device(a, value, err))
                return -1;
        } else if (!strcmp(opt, "vga")) {
            if (add_vga(a, value, err))
                return -1;
        } else if (!strcmp(opt, "net")) {
            if (add_net(a, value, err))
                return -1;
        } else if (!strcmp(opt, "L")) {
            if (a->nr_dirs < LXE_QEMU_DIRS_MAX)
                a->dirs[a->nr_dirs++] = value;
        } else {
            continue;           /* its value may look like an option */
        }
        argv++;
    }
    return 0;
}

uint64_t lxe__qemu_rom_pages(uint64_t bytes)
{
    uint64_t size = 4096;

    if (!bytes)
        return 0;
    while (size < bytes)
        size <<= 1;
    return size / 4096;
}
