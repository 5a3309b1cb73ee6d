# Fibonacci numbers modulo 2^64 and the CRC-32 of all of them.
#
# Statement: bytes 0-3 n (big endian).  Result: words 0-1 F(n), word 2 the CRC-32 (reflected 0xEDB88320, as in zlib)
# of F(1) … F(n) written as 8 big-endian bytes each, the other words zero.
#
# $16 numbers to go   $17:$18 F(k-1)   $19:$20 F(k)   $21 CRC register   $22 statement, then `term`

        .set    noreorder
        .set    noat

        .equ    STATEMENT, 0xffffd000
        .equ    POLYNOMIAL, 0xedb88320

        .text
        .globl  main
        .ent    main
main:
        move    $23, $31                # the caller, start.S, needs no saved register
        li      $22, STATEMENT
        lw      $16, 0($22)
        lui     $22, %hi(term)
        addiu   $22, $22, %lo(term)
        syscall 3                       # end of boot: a host may stop here and take the image
        move    $17, $0                 # F(-1) = 1, F(0) = 0
        li      $18, 1
        move    $19, $0
        move    $20, $0
        li      $21, -1
        beqz    $16, done
        nop
number:
        addu    $8, $18, $20            # F(k+1) = F(k-1) + F(k), 64 bits: low words, carry, high words
        sltu    $9, $8, $20
        addu    $10, $17, $19
        addu    $10, $10, $9
        move    $17, $19
        move    $18, $20
        move    $19, $10
        move    $20, $8
        sw      $19, 0($22)
        sw      $20, 4($22)
        jal     crc
        addiu   $4, $22, 8              # end of the eight bytes
        addiu   $16, $16, -1
        bnez    $16, number
        nop
done:
        nor     $21, $21, $0
        lui     $8, %hi(result)
        addiu   $8, $8, %lo(result)
        sw      $19, 0($8)
        sw      $20, 4($8)
        sw      $21, 8($8)
        jr      $23
        move    $2, $0
        .end    main

# CRC register $21 := register after the bytes from $22 up to $4.
        .ent    crc
crc:
        move    $5, $22
        lui     $6, %hi(POLYNOMIAL)
        addiu   $6, $6, %lo(POLYNOMIAL)
byte:
        lbu     $7, 0($5)
        addiu   $5, $5, 1
        xor     $21, $21, $7
        li      $8, 8
bit:
        andi    $9, $21, 1
        subu    $9, $0, $9              # all ones if the lowest bit was set
        and     $9, $9, $6
        srl     $21, $21, 1
        addiu   $8, $8, -1
        bnez    $8, bit
        xor     $21, $21, $9
        bne     $5, $4, byte
        nop
        jr      $31
        nop
        .end    crc

        .section .bss, "aw", @nobits
        .balign 8
term:   .space  8
