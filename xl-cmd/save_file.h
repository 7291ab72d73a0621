/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The file that xl-ext save writes: beside its place, under a name of its
 * own, until it is whole and on the disk.
 */
#ifndef XL_CMD_SAVE_FILE_H
#define XL_CMD_SAVE_FILE_H

#include <limits.h>

#include "guest.h"

struct save_file {
    char file[PATH_MAX];
    char part[PATH_MAX];        /* "": FILE is written itself */
    int fd;
};

/*
 * Where @file leads, through links; "-" is standard output.  0, or -1
 * with a line said and im->fd of -1.  A device, a FIFO or standard output
 * has no name to be given later, and may take nothing for ever: signals
 * end the process meanwhile.  Ahead of all else guest_can_cancel() is
 * called, because something is to be removed.
 */
int save_file_open(struct guest *g, struct save_file *im,
                   const char *file);

/*
 * On the disk and under its name.  -1, with a line: the old file is
 * untouched, unless the line says that it has been replaced, because only
 * its directory could not be synced.  The guest must go on then.
 */
int save_file_keep(struct guest *g, struct save_file *im);

/* Removes what was not kept. */
void save_file_close(struct save_file *im);

#endif
