/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What tests of files ask about a directory.
 */
#ifndef LXE_TESTS_FILES_H
#define LXE_TESTS_FILES_H

#include <dirent.h>
#include <string.h>

#include "unit.h"

/* How many files are in it? */
static inline int files_in(const char *dir)
{
    DIR *d = opendir(dir);
    struct dirent *e;
    int nr = 0;

    CU_ASSERT_PTR_NOT_NULL_FATAL(d);
    while ((e = readdir(d)))
        nr += strcmp(e->d_name, ".") && strcmp(e->d_name, "..");
    closedir(d);
    return nr;
}

#endif
