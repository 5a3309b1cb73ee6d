# Where the machine enters the kernel, and where it leaves it.
#
# SYSCALL 0 jumps to `enter` with the return address in $26; $26 and $27 belong to the kernel in the o32 ABI.

        .set    noreorder
        .set    noat

        .equ    HI, 128                         # struct thread in kernel.h
        .equ    LO, 132
        .equ    LOCAL, 136

        .macro  each_register op
        .irp    n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 28, 29, 30, 31
        \op     $\n, 4 * \n($27)
        .endr
        .endm

        .section .text.entry, "ax", @progbits
enter:
        lui     $27, %hi(current)
        lw      $27, %lo(current)($27)
        each_register sw
        sw      $26, 0($27)
        mfhi    $8
        mflo    $9
        sw      $8, HI($27)
        sw      $9, LO($27)
        lui     $29, %hi(stack_top)
        jal     serve
        addiu   $29, $29, %lo(stack_top)

leave:
        lui     $27, %hi(current)               # perhaps another one now
        lw      $27, %lo(current)($27)
        lw      $8, HI($27)
        lw      $9, LO($27)
        mthi    $8
        mtlo    $9
        lw      $8, LOCAL($27)
        mtc0    $8, $4, 2                       # UserLocal
        each_register lw
        lw      $26, 0($27)
        jr      $26
        nop

# The image's entry: the first thread begins as Linux begins a program, all registers zero but the stack pointer.
        .globl  _start
_start:
        lui     $27, %hi(boot)
        addiu   $27, $27, %lo(boot)
        lw      $26, 0($27)
        lw      $29, 4($27)
        jr      $26
        move    $27, $0

# void mark_boot(void), does not return: all is saved in memory, so an image can be taken at the mark. Without a host
# that takes one the program just goes on.
        .globl  mark_boot
mark_boot:
        mthi    $0
        mtlo    $0
        mtc0    $0, $4, 2
        .irp    n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16
        move    $\n, $0
        .endr
        .irp    n, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
        move    $\n, $0
        .endr
        .globl  boot_mark
boot_mark:
        syscall 3
        j       leave
        nop

# void map_slot(u32 slot, const u32 *root): the machine takes the blob's root from $8 to $15, words in little endian.
        .globl  map_slot
map_slot:
        .irp    n, 8, 9, 10, 11, 12, 13, 14, 15
        lw      $\n, 4 * (\n - 8)($5)
#ifdef __MIPSEB__
        wsbh    $\n, $\n
        rotr    $\n, $\n, 16
#endif
        .endr
        syscall 2
        jr      $31
        nop

        .globl  halt
halt:
        syscall 1

        .section .bss.stack, "aw", @nobits
        .balign 8
        .space  2048
        .globl  stack_top
stack_top:
        .space  16                              # o32: the callee may store its arguments here
