/* What the machine gives a guest (docs/spec/machine.md): two read-only pages, blobs, a halt.
 *
 * With HOSTED the same guest is an ordinary program (host.c). */
#ifndef GUEST_H
#define GUEST_H

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

#ifdef HOSTED
#define main guest_main
extern u32 statement_page[1024];
#define STATEMENT ((const volatile u32 *)statement_page)
#else
#define STATEMENT ((const volatile u32 *)0xFFFFD000u) /* 1,024 words, fixed when the graph is made */
#endif

/* The statement as bytes: in whatever byte order, the same on every machine. */
#define STATEMENT_BYTES ((const volatile u8 *)STATEMENT)

enum { MOST_STATEMENT_BYTES = 4096, SLOT_BYTES = 1 << 26 };

/* 32 bytes, one leaf. start.S compares them with the claim after main() has returned. */
extern u32 result[8];

/* First free page after the program; everything up to the stack is zero and free to use. */
extern u32 heap[];

/* Returns 0 to let the claim decide, else the exit code (an input the guest refuses). */
int main(void);

/* Number at a place of the statement, most significant byte first. */
static inline u32 statement_number(u32 place)
{
  const volatile u8 *at = STATEMENT_BYTES + place;
  return (u32)at[0] << 24 | (u32)at[1] << 16 | (u32)at[2] << 8 | at[3];
}

#ifdef HOSTED
const u8 *map_blob(u32 slot, const volatile u8 *root);
#else
#define ROOT_WORD(n) \
  register u32 w##n __asm__("$" #n) = root[4 * (n - 8)] | (u32)root[4 * (n - 8) + 1] << 8 | \
                                      (u32)root[4 * (n - 8) + 2] << 16 | (u32)root[4 * (n - 8) + 3] << 24

/* Brings a blob into a slot (0 to 14); a slot that does not exist is a trap. */
static inline const u8 *map_blob(u32 slot, const volatile u8 *root)
{
  register u32 number __asm__("$4") = slot;
  ROOT_WORD(8); ROOT_WORD(9); ROOT_WORD(10); ROOT_WORD(11);
  ROOT_WORD(12); ROOT_WORD(13); ROOT_WORD(14); ROOT_WORD(15);
  __asm__ volatile("syscall 2" : : "r"(number), "r"(w8), "r"(w9), "r"(w10), "r"(w11), "r"(w12), "r"(w13), "r"(w14),
                   "r"(w15) : "memory");
  return (const u8 *)(0xC0000000u + slot * SLOT_BYTES);
}
#endif

#endif
