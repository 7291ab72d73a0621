/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Where the kernel of plain.c is entered, in 32-bit protected mode
 * without paging, and the note by which the domain builder knows it for
 * PVH.  What has notes is not taken in hvmloader's place.
 */
#ifndef AS_HVM
        .section .note.Xen, "a", @note
        .balign 4
        .long 4, 4, 18                  /* PHYS32_ENTRY of xen/elfnote.h */
        .asciz "Xen"
        .long _start
#endif

        .text
        .globl _start
_start:
        cli
        cld
        mov     $stack_end, %esp
        xor     %ebp, %ebp
        push    %ebx                    /* start info */
        call    kernel
        ud2

        .bss
        .balign 4096
        .space  16384
stack_end:

        .section .note.GNU-stack, "", @progbits
