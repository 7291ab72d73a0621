/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * QEMU's second way to write a device (-device '{"driver": ...}', since
 * 6.1) as the first ("driver=...,key=value").  Pure code.
 */
#ifndef LXE_QEMU_JSON_DEVICE_H
#define LXE_QEMU_JSON_DEVICE_H

/*
 * For the caller to free.  NULL where @json is no object or nests deeper
 * than LXE_JSON_MAX_DEPTH, both of which QEMU refuses (no property of a
 * device nests so deep), or without memory.  Members that are objects or
 * lists are left out: none of them says anything of memory.  A comma in
 * a value is doubled, as in QEMU's own options.
 */
char *lxe__qemu_json_device(const char *json);

#endif
