/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The facts of an image for people.
 */
#include <stdio.h>

#include "image.h"

#define U(n) ((unsigned long long)(n))

static void print_guest(const struct libxl_ext_image *im)
{
    printf("image of %s, %llu bytes%s\n", image_container_name(im),
           U(im->size), im->complete ? "" : ", not whole");
    if (*im->type) {
        printf("guest: ");
        print_clean(im->name);
        printf(", ");
        print_clean(im->uuid);
        printf(", ");
        print_clean(im->type);
        putchar('\n');
    }
    if (!im->have_headers)
        return;
    printf("stream: version %u, x86 %s, %s-endian, from Xen %u.%u",
           im->version, im->hvm ? "HVM" : "PV",
           im->big_endian ? "big" : "little", im->xen_major,
           im->xen_minor);
    if (!im->hvm)
        printf(", %u-bit, %u vcpus", im->pv_width * 8, im->vcpus);
    if (im->checkpoints)
        printf(", %llu checkpoints", U(im->checkpoints));
    putchar('\n');
}

static void print_limits(const struct libxl_ext_image *im)
{
    if (im->have_record)
        printf("memory record: %s, max_pages %llu, tot_pages %llu, target"
               " %llu KiB, carrier %s\n", im->record_mandatory
               ? "mandatory" : "optional", U(im->max_pages),
               U(im->tot_pages), U(im->target_kb),
               image_carrier_name(im->record_carrier));
    if (im->restore_max_kb)
        printf("limit that stock libxl would set: %llu KiB (%llu pages)\n",
               U(im->restore_max_kb), U(im->restore_max_kb / 4));
}

static void print_frames(const struct libxl_ext_image *im)
{
    unsigned int i;

    if (!im->frames)
        return;
    printf("frames: %llu named, 0x%llx to 0x%llx, a restore allocates"
           " %llu\n", U(im->frames), U(im->first_frame),
           U(im->last_frame), U(im->populated));
    for (i = 0; i < LIBXL_EXT_IMAGE_TYPES; i++)
        if (im->types[i] && image_type_name(i))
            printf("    %-10s %llu\n", image_type_name(i),
                   U(im->types[i]));
    printf("zero pages: %llu, duplicates: %llu\n", U(im->zero_pages),
           U(im->duplicate_pages));
    for (i = 0; i < im->nr_passes; i++)
        printf("pass %u%s: %llu frames, %llu with contents, %llu of them"
               " again, %llu unchanged\n", i + 1,
               im->passes[i].verify ? " (verify)" : "",
               U(im->passes[i].named), U(im->passes[i].data),
               U(im->passes[i].again), U(im->passes[i].unchanged));
    if (im->verify_differs)
        printf("changed at the verify pass: %llu pages\n",
               U(im->verify_differs));
}

static void print_records(const struct libxl_ext_image *im)
{
    uint32_t i;

    for (i = 0; i < im->nr_records; i++)
        printf("record %s %-25s %8llu, %llu bytes\n",
               im->records[i].libxc ? "libxc" : "libxl",
               im->records[i].name, U(im->records[i].count),
               U(im->records[i].bytes));
}

/* Findings, which are no faults: docs/image.md, "Page state". */
static void print_page_state(const struct libxl_ext_image *im)
{
    if (!im->have_headers || im->hvm)
        return;
    if (!im->page_state_judged) {
        printf("page state: not judged, since %s\n",
               im->quick ? "pages were not looked at" :
               im->nr_faults ? "a rule is broken" :
               "a page is a page table in the verify pass alone");
        return;
    }
    if (im->tables_stale)
        printf("finding P1: %llu of %llu page tables are not validated,"
               " the first in frame 0x%llx (%s): a restore rewrites their"
               " entries, as if the guest still used them; xl-ext image"
               " convert --page-state makes plain pages of them\n",
               U(im->tables_stale), U(im->tables), U(im->stale[0].frame),
               image_type_name(im->stale[0].type));
    if (im->tables_held)
        printf("finding P2: %llu of %llu page tables belong to nothing"
               " that the image has; a vcpu that was offline may hold"
               " them: they are left as they are\n", U(im->tables_held),
               U(im->tables));
}

static void print_host(const char *host,
                       const struct libxl_ext_image_verdict *v)
{
    static const char *const words[] = {
        "yes", "yes, but the guest would be damaged: ", "no: ",
    };

    printf("restored by %s: %s%s\n", host, words[v->fate], v->reason);
}

void image_print_verdict(const struct libxl_ext_image *im)
{
    int i;

    for (i = 0; i < LIBXL_EXT_IMAGE_FAULTS && im->faults[i].rule[0]; i++)
        printf("fault %s at byte %llu: %s\n", im->faults[i].rule,
               U(im->faults[i].offset), im->faults[i].text);
    if (im->nr_faults)
        printf("faults: %llu\n", U(im->nr_faults));
    else if (im->all_read)
        printf("no rule is broken; all %llu bytes were read\n",
               U(im->size));
    else
        printf("no rule is broken; %s were not looked at\n", im->quick
               ? "pages" : "contents that no rule speaks of");
    print_page_state(im);
    print_host("a stock host", &im->stock);
    print_host("a libxl-ext host", &im->ext);
    if (im->record_carrier & LIBXL_EXT_IMAGE_CARRIER_LIBXL &&
        im->ext.fate != LIBXL_EXT_IMAGE_REFUSED)
        printf("there by xl-ext and the C API alone: xl and libvirt refuse"
               " the libxl carrier\n");
    if (im->container == LIBXL_EXT_IMAGE_LIBVIRT &&
        (im->stock.fate != LIBXL_EXT_IMAGE_REFUSED ||
         im->ext.fate != LIBXL_EXT_IMAGE_REFUSED))
        printf("there by libvirt alone: xl and xl-ext restore no file of"
               " virsh save\n");
}

void image_print_text(const struct libxl_ext_image *im)
{
    print_guest(im);
    print_limits(im);
    print_frames(im);
    print_records(im);
    image_print_verdict(im);
}
