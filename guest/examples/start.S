# Entry of every example: run main, compare its result with the claim, halt.
#
# The claim (128 bytes at 0xFFFFE000) must be the 32 bytes of `result` followed by 96 zero bytes; then the
# exit code is 0, else 1. A main that returns a non-zero code halts with that code, whatever the claim says.

        .set    noreorder
        .set    noat

        .equ    STACK_TOP, 0x7ffff000
        .equ    CLAIM, 0xffffe000
        .equ    RESULT_WORDS, 8
        .equ    CLAIM_WORDS, 32

        .section .text.start, "ax", @progbits
        .globl  _start
        .ent    _start
_start:
        lui     $29, %hi(STACK_TOP)
        jal     main
        addiu   $29, $29, %lo(STACK_TOP)
        bnez    $2, halt
        move    $4, $2

        lui     $8, %hi(result)
        addiu   $8, $8, %lo(result)
        li      $9, CLAIM
        addiu   $10, $9, 4 * RESULT_WORDS       # first claim word that must be zero
        addiu   $11, $9, 4 * CLAIM_WORDS
        move    $4, $0                          # collects every difference
compare:
        lw      $12, 0($8)
        lw      $13, 0($9)
        addiu   $8, $8, 4
        addiu   $9, $9, 4
        xor     $12, $12, $13
        bne     $9, $10, compare
        or      $4, $4, $12
rest:
        lw      $13, 0($9)
        addiu   $9, $9, 4
        bne     $9, $11, rest
        or      $4, $4, $13

        sltu    $4, $0, $4
halt:
        syscall 1
        .end    _start

        .section .bss.result, "aw", @nobits
        .balign 32                              # one leaf of the state tree
        .globl  result
result:
        .space  4 * RESULT_WORDS
