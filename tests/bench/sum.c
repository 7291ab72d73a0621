/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The yardstick for reading an image: reads FILE in pieces of 1 MiB and
 * sums its bytes, as fast as the compiler makes a plain loop (-O3).
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    static uint8_t buf[1 << 20];
    uint64_t sum = 0;
    ssize_t r, i;
    int fd;

    if (argc != 2 || (fd = open(argv[1], O_RDONLY)) < 0)
        return 2;
    while ((r = read(fd, buf, sizeof(buf))) > 0)
        for (i = 0; i < r; i++)
            sum += buf[i];
    printf("%llu\n", (unsigned long long)sum);
    return r < 0;
}
