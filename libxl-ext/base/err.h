/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The one error convention of the blocking code.
 *
 * A function that can fail returns 0 or -1, sets errno, and writes one
 * line into the struct lxe__err of its caller: which operation, on
 * which object, with which value, against which bound, and what to do.
 * The first error wins: a later lxe__err_set() on the same struct, from
 * a cleanup path say, changes nothing.  The deepest place that knows
 * writes the line; only the outermost caller prints it, once.
 *
 * No Xen function is called here, so pure code can use it.
 */
#ifndef LXE_BASE_ERR_H
#define LXE_BASE_ERR_H

#define LXE_ERR_LEN 512

struct lxe__err {
    int code;               /* an errno value; 0 as long as all is well */
    char msg[LXE_ERR_LEN];  /* one line, no newline at its end */
};

void lxe__err_init(struct lxe__err *err);

/*
 * Records @code and the formatted line unless an error is recorded
 * already; sets errno to the code that is kept.  @err may be NULL.
 * Always returns -1, so that "return lxe__err_set(...)" reads well.
 */
int lxe__err_set(struct lxe__err *err, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
