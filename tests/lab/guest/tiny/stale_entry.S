/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Where Xen enters the kernel of stale.c, and the notes by which the
 * domain builder knows it: a 64-bit PV guest, mapped from address 0 on.
 */
#define NOTE(type, value...)                                            \
        .pushsection .note.Xen, "a", @note;                             \
        .balign 4;                                                      \
        .long 4, 2f - 1f, type;                                         \
        .asciz "Xen";                                                   \
1:      value;                                                          \
2:      .balign 4;                                                      \
        .popsection

#define ENTRY           1       /* of xen/elfnote.h */
#define VIRT_BASE       3
#define PADDR_OFFSET    4
#define XEN_VERSION     5
#define GUEST_OS        6
#define GUEST_VERSION   7
#define LOADER          8
#define SUSPEND_CANCEL  14

        NOTE(GUEST_OS, .asciz "stale")
        NOTE(GUEST_VERSION, .asciz "1")
        NOTE(XEN_VERSION, .asciz "xen-3.0")
        NOTE(LOADER, .asciz "generic")
        NOTE(VIRT_BASE, .quad 0)
        NOTE(PADDR_OFFSET, .quad 0)
        NOTE(ENTRY, .quad _start)
        NOTE(SUSPEND_CANCEL, .long 1)

        .text
        .globl _start
_start:
        cld
        lea     stack_end(%rip), %rsp
        xor     %ebp, %ebp
        mov     %rsi, %rdi              /* start info */
        call    kernel
        ud2

        .bss
        .balign 4096
        .space  16384
stack_end:

        .section .note.GNU-stack, "", @progbits
