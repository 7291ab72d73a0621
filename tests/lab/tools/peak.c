/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Stands in the save helper's place (LIBXL_SAVE_HELPER), runs the real
 * one, LAB_HELPER, and appends its peak memory in KiB to LAB_PEAK.
 *
 * A program of its own, as the peak that the kernel reports begins with
 * that of the process that was there before exec: a script's
 * interpreter would hide what is to be measured.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    const char *helper = getenv("LAB_HELPER"), *path = getenv("LAB_PEAK");
    struct rusage usage;
    int status;
    pid_t pid;
    FILE *f;

    (void)argc;
    if (!helper || !path)
        return 2;
    pid = fork();
    if (!pid) {
        execv(helper, argv);
        _exit(127);
    }
    if (pid < 0 || wait4(pid, &status, 0, &usage) != pid)
        return 2;
    f = fopen(path, "a");
    if (!f || fprintf(f, "%ld\n", usage.ru_maxrss) < 0 || fclose(f))
        return 2;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}
