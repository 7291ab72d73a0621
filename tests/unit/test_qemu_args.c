/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * QEMU's command line as libxl writes it, and ROM sizes as QEMU rounds
 * them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "qemu/args.h"
#include "qemu/roms.h"
#include "unit.h"

static struct lxe__qemu_args a;

#define PARSE(...)                                                      \
    parse((char *[]){ __VA_ARGS__, NULL })

static int parse(char **argv)
{
    static struct lxe__err err;

    lxe__err_init(&err);
    return lxe__qemu_args_parse(&a, argv, &err);
}

static void libxl_s_own_line_is_understood(void)
{
    CU_ASSERT_EQUAL(PARSE("-xen-domid", "7", "-no-shutdown", "-chardev",
        "socket,id=libxl-cmd,fd=19,server=on", "-S", "-device",
        "e1000,id=nic0,netdev=net0,mac=00:16:3e:00:00:01", "-netdev",
        "type=tap,id=net0,ifname=vif7.0-emu", "-device",
        "rtl8139,id=nic1,netdev=net1", "-machine", "xenfv", "-m", "144"),
        0);
    CU_ASSERT_TRUE(a.has_domid);
    CU_ASSERT_EQUAL(a.domid, 7);
    CU_ASSERT_FALSE(a.incoming);
    CU_ASSERT_EQUAL(a.nr_roms, 2);
    CU_ASSERT_STRING_EQUAL(a.roms[0].device, "e1000");
    CU_ASSERT_STRING_EQUAL(a.roms[0].file, "efi-e1000.rom");
    CU_ASSERT_STRING_EQUAL(a.roms[1].file, "efi-rtl8139.rom");
}

static void romfile_rombar_and_romsize_are_heeded(void)
{
    CU_ASSERT_EQUAL(PARSE(
        "-device", "e1000,romfile=", "-device", "e1000,rombar=0",
        "-device", "e1000,id=a,rombar=off",
        "-device", "e1000,romfile=,a=b",
        "-device", "e1000,romfile=/x/my.rom,mac=1",
        "-device", "e1000,romsize=0x20000",
        "-device", "driver=e1000e,id=a", "-device", "xen-pci-passthrough",
        "-device", "vfio-pci,host=1,romfile=card.rom"), 0);
    CU_ASSERT_EQUAL_FATAL(a.nr_roms, 4);
    CU_ASSERT_STRING_EQUAL(a.roms[0].file, "/x/my.rom");
    CU_ASSERT_EQUAL(a.roms[1].size, 0x20000);
    CU_ASSERT_STRING_EQUAL(a.roms[2].file, "efi-e1000e.rom");
    CU_ASSERT_STRING_EQUAL(a.roms[3].file, "card.rom");
}

static void vga_and_old_net_options_count(void)
{
    CU_ASSERT_EQUAL(PARSE("-vga", "none", "-vga", "std", "-net",
        "nic,vlan=0,model=rtl8139", "-net", "tap,vlan=0", "-net", "nic",
        "-net", "nic,model=virtio", "-nic", "none", "-net", "none",
        "-nic", "user,model=vmxnet3"), 0);
    CU_ASSERT_EQUAL_FATAL(a.nr_roms, 5);
    CU_ASSERT_STRING_EQUAL(a.roms[0].file, "vgabios-stdvga.bin");
    CU_ASSERT_STRING_EQUAL(a.roms[1].file, "efi-rtl8139.rom");
    CU_ASSERT_STRING_EQUAL(a.roms[2].file, "efi-e1000.rom");
    CU_ASSERT_STRING_EQUAL(a.roms[3].file, "efi-virtio.rom");
    CU_ASSERT_STRING_EQUAL(a.roms[4].file, "efi-vmxnet3.rom");
}

static void video_memory_is_counted_as_qemu_sizes_it(void)
{
    CU_ASSERT_EQUAL(PARSE("-device", "VGA,vgamem_mb=8"), 0);
    CU_ASSERT_EQUAL(a.vram_pages, 2048);
    CU_ASSERT_EQUAL(a.nr_roms, 1);
    CU_ASSERT_EQUAL(PARSE("-device", "VGA,vgamem_mb=12"), 0);
    CU_ASSERT_EQUAL(a.vram_pages, 4096);
    CU_ASSERT_EQUAL(PARSE("-device", "VGA"), 0);
    CU_ASSERT_EQUAL(a.vram_pages, 4096);
    CU_ASSERT_EQUAL(PARSE("-device", "VGA,vgamem_mb=99999"), 0);
    CU_ASSERT_EQUAL(a.vram_pages, 131072);
    CU_ASSERT_EQUAL(PARSE("-device", "qxl-vga,vram_size_mb=32,"
                          "ram_size_mb=64"), 0);
    CU_ASSERT_EQUAL(a.vram_pages, 8192 + 16384 + 2);
    CU_ASSERT_EQUAL(PARSE("-device", "qxl-vga,vram_size_mb=1024,"
                          "ram_size_mb=1024"), 0);
    CU_ASSERT_EQUAL(a.vram_pages, 2 * 262144 + 2);
    CU_ASSERT_EQUAL(PARSE("-device", "qxl-vga", "-device", "qxl"), 0);
    CU_ASSERT_EQUAL(a.vram_pages, 2 * (16384 + 16384 + 2));
    CU_ASSERT_EQUAL(a.nr_roms, 1);
    CU_ASSERT_EQUAL(PARSE("-device", "virtio-vga,vgamem_mb=64", "-device",
                          "secondary-vga,vgamem_mb=2"), 0);
    CU_ASSERT_EQUAL(a.vram_pages, 2048 + 512);
    CU_ASSERT_EQUAL(PARSE("-device", "vmware-svga"), 0);
    CU_ASSERT_EQUAL(a.vram_pages, 4096 + 16);
    CU_ASSERT_EQUAL(PARSE("-vga", "cirrus", "-device", "e1000"), 0);
    CU_ASSERT_EQUAL(a.vram_pages, 1024);
}

/* How a guest is told to do without ROMs; libxl puts it last. */
static void global_properties_hold_wherever_they_stand(void)
{
    CU_ASSERT_EQUAL(PARSE("-device", "e1000,id=a", "-device", "rtl8139",
        "-device", "e1000,romfile=own.rom", "-global", "e1000.romfile="),
        0);
    CU_ASSERT_EQUAL_FATAL(a.nr_roms, 2);
    CU_ASSERT_STRING_EQUAL(a.roms[0].device, "rtl8139");
    CU_ASSERT_STRING_EQUAL(a.roms[1].file, "own.rom");
    CU_ASSERT_EQUAL(PARSE("--global",
        "driver=e1000,property=romfile,value=x.rom", "-device", "e1000",
        "-global", "e1000e.romfile=", "-global", "e1000.romfile=y.rom",
        "-global", "e1000.romsize=8192"), 0);
    CU_ASSERT_EQUAL_FATAL(a.nr_roms, 1);
    CU_ASSERT_STRING_EQUAL(a.roms[0].file, "y.rom");
    CU_ASSERT_EQUAL(a.roms[0].size, 8192);
    CU_ASSERT_EQUAL(PARSE("-global", "pci-device.rombar=0", "-device",
        "e1000", "-device", "VGA", "-global", "VGA.vgamem_mb=32"), 0);
    CU_ASSERT_EQUAL(a.nr_roms, 0);
    CU_ASSERT_EQUAL(a.vram_pages, 8192);
    /* An option without its value, at the end. */
    CU_ASSERT_EQUAL(PARSE("-device", "e1000", "-global"), 0);
    CU_ASSERT_EQUAL(a.nr_roms, 1);
}

static void incoming_and_attach_are_seen(void)
{
    CU_ASSERT_EQUAL(PARSE("-xen-domid", "3", "-incoming", "fd:20"), 0);
    CU_ASSERT_TRUE(a.incoming);
    CU_ASSERT_EQUAL(PARSE("-xen-domid", "3", "-xen-attach", "-name", "g"),
                    0);
    CU_ASSERT_TRUE(a.attach);
    CU_ASSERT_EQUAL(PARSE("-help"), 0);
    CU_ASSERT_FALSE(a.has_domid);
}

static void a_bad_domid_is_refused(void)
{
    CU_ASSERT_EQUAL(PARSE("-xen-domid", "seven"), -1);
    CU_ASSERT_EQUAL(errno, EINVAL);
    CU_ASSERT_EQUAL(PARSE("-xen-domid", "-1"), -1);
    CU_ASSERT_EQUAL(PARSE("-xen-domid", "32752"), -1);
    CU_ASSERT_EQUAL(PARSE("-xen-domid", "32751"), 0);
}

static void more_devices_than_a_bus_has_are_refused(void)
{
    static char *argv[2 * (LXE_QEMU_ROMS_MAX + 1) + 1];
    int i;

    for (i = 0; i <= LXE_QEMU_ROMS_MAX; i++) {
        argv[2 * i] = "-device";
        argv[2 * i + 1] = "e1000";
    }
    CU_ASSERT_EQUAL(parse(argv), -1);
    CU_ASSERT_EQUAL(errno, E2BIG);
}

static void sizes_are_rounded_as_qemu_does(void)
{
    CU_ASSERT_EQUAL(lxe__qemu_rom_pages(0), 0);
    CU_ASSERT_EQUAL(lxe__qemu_rom_pages(1), 1);
    CU_ASSERT_EQUAL(lxe__qemu_rom_pages(4096), 1);
    CU_ASSERT_EQUAL(lxe__qemu_rom_pages(4097), 2);
    CU_ASSERT_EQUAL(lxe__qemu_rom_pages(262144), 64);
    CU_ASSERT_EQUAL(lxe__qemu_rom_pages(262145), 128);
}

static void a_device_in_json_is_a_device(void)
{
    CU_ASSERT_EQUAL(PARSE(
        "-device", "{\"driver\": \"e1000\", \"id\": \"nic0\"}",
        "-device", "{\"driver\":\"e1000\",\"romfile\":\"\"}",
        "-device", "{\"driver\":\"e1000\",\"rombar\":0}",
        "-device", "{\"romsize\":131072,\"driver\":\"e1000e\"}",
        "-device", "{\"driver\":\"e1000\",\"x\":{\"romfile\":\"\"},"
                   "\"id\":\"a,romfile=\",\"y\":[1],\"z\":false}",
        "-device", "{\"driver\":\"VGA\",\"vgamem_mb\":32,"
                   "\"romfile\":\"\"}",
        "-device", "{\"driver\":\"e1000\"", "-device", "{}",
        "-device", "{\"driver\":7}"), 0);
    CU_ASSERT_EQUAL_FATAL(a.nr_roms, 3);
    CU_ASSERT_STRING_EQUAL(a.roms[0].file, "efi-e1000.rom");
    CU_ASSERT_STRING_EQUAL(a.roms[1].file, "efi-e1000e.rom");
    CU_ASSERT_EQUAL(a.roms[1].size, 131072);
    CU_ASSERT_STRING_EQUAL(a.roms[2].file, "efi-e1000.rom");
    CU_ASSERT_EQUAL(a.vram_pages, 32 * 256);
}

/* As QEMU 7.2 does; a string that has \u0000 is no reason to refuse. */
static void json_that_qemu_refuses_is_no_device(void)
{
    CU_ASSERT_EQUAL(PARSE(
        "-device", "{\"driver\":\"e1000\",\"id\":\"a\\u0000b\"}",
        "-device", "{\"driver\":\"e1000e\",\"id\":\"/*\"}",
        "-device", "{\"driver\":\"e1000\"/* c */}",
        "-device", "{\"driver\":\"e1000\"} // c"), 0);
    CU_ASSERT_EQUAL_FATAL(a.nr_roms, 2);
    CU_ASSERT_STRING_EQUAL(a.roms[0].file, "efi-e1000.rom");
    CU_ASSERT_STRING_EQUAL(a.roms[1].file, "efi-e1000e.rom");
}

/* yajl frees a tree by recursion, which must not take all of the stack. */
static void json_nests_no_deeper_than_its_bound(void)
{
    static const size_t deep[] = { 15, 16, 500000 };
    char *text = malloc(1 << 20);
    size_t i, at;

    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    for (i = 0; i < 3; i++) {
        at = sprintf(text, "{\"driver\":\"e1000\",\"x\":");
        memset(text + at, '[', deep[i]);
        memset(text + at + deep[i], ']', deep[i]);
        strcpy(text + at + 2 * deep[i], "}");
        CU_ASSERT_EQUAL(PARSE("-device", text), 0);
        CU_ASSERT_EQUAL(a.nr_roms, i == 0);
    }
    free(text);
}

static void files_are_found_in_the_directories_given(void)
{
    char dir[] = "/tmp/lxe-roms-XXXXXX", path[64];
    unsigned found;
    FILE *f;

    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/my.rom", dir);
    f = fopen(path, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    CU_ASSERT_EQUAL(ftruncate(fileno(f), 70000), 0);
    fclose(f);
    CU_ASSERT_EQUAL(PARSE("-L", "/nonexistent", "-L", dir, "-device",
        "e1000,romfile=my.rom", "-device", "e1000,romfile=no-such.rom",
        "-device", "e1000,romfile=x,romsize=8192"), 0);
    CU_ASSERT_EQUAL(lxe__qemu_roms_pages(&a, &found), 32 + 2);
    CU_ASSERT_EQUAL(found, 2);
    unlink(path);
    rmdir(dir);
}

LXE_SUITE(qemu_args,
    { "libxl's own line is understood", libxl_s_own_line_is_understood },
    { "romfile, rombar and romsize are heeded",
      romfile_rombar_and_romsize_are_heeded },
    { "vga and old net options count", vga_and_old_net_options_count },
    { "video memory is counted as QEMU sizes it",
      video_memory_is_counted_as_qemu_sizes_it },
    { "-global properties hold wherever they stand",
      global_properties_hold_wherever_they_stand },
    { "a device in JSON is a device", a_device_in_json_is_a_device },
    { "JSON that QEMU refuses is no device",
      json_that_qemu_refuses_is_no_device },
    { "JSON nests no deeper than its bound",
      json_nests_no_deeper_than_its_bound },
    { "incoming and attach are seen", incoming_and_attach_are_seen },
    { "a bad domid is refused", a_bad_domid_is_refused },
    { "more devices than a bus has are refused",
      more_devices_than_a_bus_has_are_refused },
    { "sizes are rounded as QEMU does", sizes_are_rounded_as_qemu_does },
    { "files are found in the directories given",
      files_are_found_in_the_directories_given })
