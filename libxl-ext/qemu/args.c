/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Reading QEMU's command line as far as memory goes.
 *
 * Which ROM a model has is QEMU's "romfile" default (the class_init
 * functions of hw/net/ and hw/display/, QEMU 4.2 to 10): a model that
 * is not in the table has none, or is not offered by libxl.  Compared
 * with what QEMU 7.2 lists for each, machine pc-i440fx-4.2, which
 * xenfv stands for.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xen/xen.h>

#include "qemu/args.h"
#include "qemu/json_device.h"

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
    { "ati-vga", "vgabios-ati.bin" },
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
 * for it (videoram): MiB, as QEMU 7.2 lists its RAM ("info ramblock").
 */
static const struct {
    const char *device, *key;   /* no key: not to be chosen */
    unsigned mib;               /* where the key is not given */
} vrams[] = {
    { "VGA", "vgamem_mb", 16 },
    { "secondary-vga", "vgamem_mb", 16 },
    { "cirrus-vga", "vgamem_mb", 4 },
    { "ati-vga", "vgamem_mb", 16 },
    { "vmware-svga", "vgamem_mb", 16 },
    { "virtio-vga", NULL, 8 },
    { "qxl-vga", "ram_size_mb", 64 },
    { "qxl-vga", "vram_size_mb", 64 },
    { "qxl", "ram_size_mb", 64 },
    { "qxl", "vram_size_mb", 64 },
};
#define VGAMEM_MIB_MAX 512      /* QEMU cuts vgamem_mb to this */
#define VRAM_MIB_MAX   65536    /* any other: QEMU takes no more */

/* Small RAM besides: qxl.vrom and vmsvga.fifo. */
static const struct {
    const char *device;
    unsigned pages;
} smalls[] = {
    { "qxl-vga", 2 },
    { "qxl", 2 },
    { "vmware-svga", 16 },
};

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

/*
 * "-global DRIVER.KEY=VALUE", or "driver=,property=,value=": the last
 * one counts, wherever it stands.  It is how a guest is told to do
 * without option ROMs: libxl has no setting for that.
 */
static bool global(char **argv, const char *device, const char *key,
                   char *value, size_t size)
{
    size_t device_len = strlen(device), key_len = strlen(key);
    char driver[64], property[64];
    const char *p;
    bool found = false;

    for (; argv[0] && argv[1]; argv++) {
        if (strcmp(argv[0], "-global") != 0 &&
            strcmp(argv[0], "--global") != 0)
            continue;
        p = argv[1];
        if (!strncmp(p, device, device_len) && p[device_len] == '.' &&
            !strncmp(p + device_len + 1, key, key_len) &&
            p[device_len + 1 + key_len] == '=') {
            snprintf(value, size, "%s", p + device_len + key_len + 2);
            found = true;
        } else if (option(p, "driver", driver, sizeof(driver)) &&
                   !strcmp(driver, device) &&
                   option(p, "property", property, sizeof(property)) &&
                   !strcmp(property, key)) {
            found |= option(p, "value", value, size);
        }
    }
    return found;
}

/* A device as it is asked for, and where else it is spoken of. */
struct model {
    const char *device;
    const char *options;
    char **argv;
};

/* What the device itself is given wins over -global. */
static bool property(const struct model *m, const char *key, char *value,
                     size_t size)
{
    return option(m->options, key, value, size) ||
        global(m->argv, m->device, key, value, size) ||
        global(m->argv, "pci-device", key, value, size);
}

static int add_rom(struct lxe__qemu_args *a, const struct model *m,
                   struct lxe__err *err)
{
    const char *file = model_rom(m->device);
    struct lxe__qemu_rom *rom;
    char value[sizeof(rom->file)];

    /* Shown in the guest's BAR is what is RAM of the guest. */
    if (property(m, "rombar", value, sizeof(value)) &&
        (!strcmp(value, "0") || !strcmp(value, "off")))
        return 0;
    if (property(m, "romfile", value, sizeof(value)))
        file = value;
    if (!file || !*file)
        return 0;               /* romfile= asks for none */
    if (a->nr_roms == LXE_QEMU_ROMS_MAX)
        return lxe__err_set(err, E2BIG, "start QEMU: more than %d devices"
                            " with an option ROM", LXE_QEMU_ROMS_MAX);
    rom = &a->roms[a->nr_roms++];
    memset(rom, 0, sizeof(*rom));
    snprintf(rom->device, sizeof(rom->device), "%s", m->device);
    snprintf(rom->file, sizeof(rom->file), "%s", file);
    if (property(m, "romsize", value, sizeof(value)))
        rom->size = strtoull(value, NULL, 0) & UINT32_MAX;
    if (rom->size == UINT32_MAX)
        rom->size = 0;          /* QEMU's default: the file's */
    return 0;
}

/* A power of two of MiB, for vga_common_init() of at most 512. */
static void add_vram(struct lxe__qemu_args *a, const struct model *m)
{
    char value[16];
    unsigned long mib, max;
    const char *key;
    size_t i;

    for (i = 0; i < COUNT(vrams); i++) {
        if (strcmp(vrams[i].device, m->device) != 0)
            continue;
        key = vrams[i].key;
        mib = vrams[i].mib;
        if (key && property(m, key, value, sizeof(value)))
            mib = strtoul(value, NULL, 0);
        max = key && !strcmp(key, "vgamem_mb") ? VGAMEM_MIB_MAX :
            VRAM_MIB_MAX;
        mib = mib < 1 ? 1 : mib > max ? max : mib;
        a->vram_pages += lxe__qemu_rom_pages((uint64_t)mib << 20);
    }
    for (i = 0; i < COUNT(smalls); i++)
        if (!strcmp(smalls[i].device, m->device))
            a->vram_pages += smalls[i].pages;
}

static int add_model(struct lxe__qemu_args *a, const char *device,
                     const char *options, char **argv,
                     struct lxe__err *err)
{
    struct model m = { device, options, argv };

    add_vram(a, &m);
    return add_rom(a, &m, err);
}

static int add_device(struct lxe__qemu_args *a, const char *options,
                      char **argv, struct lxe__err *err)
{
    char device[64], *json = NULL;
    size_t len;
    int rc;

    if (*options == '{') {
        json = lxe__qemu_json_device(options);
        if (!json)
            return 0;           /* QEMU refuses it */
        options = json;
    }
    len = strcspn(options, ",");
    if (!option(options, "driver", device, sizeof(device)))
        snprintf(device, sizeof(device), "%.*s",
                 (int)(len < sizeof(device) ? len : sizeof(device) - 1),
                 options);
    rc = add_model(a, device, options, argv, err);
    free(json);
    return rc;
}

static int add_vga(struct lxe__qemu_args *a, const char *type,
                   char **argv, struct lxe__err *err)
{
    size_t i;

    for (i = 0; i < COUNT(vgas); i++)
        if (!strcmp(vgas[i].vga, type))
            return add_model(a, vgas[i].device, "", argv, err);
    return 0;
}

/* "-net nic,model=NAME" and "-nic BACKEND,model=NAME". */
static int add_net(struct lxe__qemu_args *a, const char *options,
                   char **argv, struct lxe__err *err)
{
    char model[64];

    if (!option(options, "model", model, sizeof(model)))
        strcpy(model, "e1000"); /* QEMU's default on a PC */
    else if (!strcmp(model, "virtio"))
        strcpy(model, "virtio-net-pci");        /* QEMU's alias */
    return add_model(a, model, "", argv, err);
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
    char **const all = argv;
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
            if (add_device(a, value, all, err))
                return -1;
        } else if (!strcmp(opt, "vga")) {
            if (add_vga(a, value, all, err))
                return -1;
        } else if (!strcmp(opt, "net")) {
            if (!strncmp(value, "nic", 3) && add_net(a, value, all, err))
                return -1;
        } else if (!strcmp(opt, "nic")) {
            if (strcmp(value, "none") != 0 && add_net(a, value, all, err))
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
