# Bring a blob in with MAP and add up its words.
#
# Statement: bytes 0-31 BLAKE3 tree root of the blob (64 MiB of leaves), 32-35 slot, 36-39 number of words (big
# endian).  Result: word 0 sum modulo 2^32, word 1 xor, word 2 the last word read, the others zero.

        .set    noreorder
        .set    noat

        .equ    STATEMENT, 0xffffd000

# A leaf holds its words as little-endian bytes, the statement is read in the guest's order: swap.
        .macro  root_word register, index
        lw      \register, 4 * \index($2)
        wsbh    \register, \register
        rotr    \register, \register, 16
        .endm

        .text
        .globl  main
        .ent    main
main:
        li      $2, STATEMENT
        root_word $8, 0
        root_word $9, 1
        root_word $10, 2
        root_word $11, 3
        root_word $12, 4
        root_word $13, 5
        root_word $14, 6
        root_word $15, 7
        lw      $4, 32($2)
        lw      $5, 36($2)
        syscall 2                       # MAP: node of slot $4 := $8 … $15

        lui     $6, 0xc000              # base of the slot: 0xC0000000 + slot · 2^26
        sll     $4, $4, 26
        addu    $6, $6, $4
        sll     $5, $5, 2
        addu    $5, $6, $5              # end of the words
        move    $16, $0
        move    $17, $0
        move    $18, $0
        beq     $6, $5, done
        nop
word:
        lw      $18, 0($6)
        addiu   $6, $6, 4
        addu    $16, $16, $18
        bne     $6, $5, word
        xor     $17, $17, $18
done:
        lui     $8, %hi(result)
        addiu   $8, $8, %lo(result)
        sw      $16, 0($8)
        sw      $17, 4($8)
        sw      $18, 8($8)
        jr      $31
        move    $2, $0
        .end    main
