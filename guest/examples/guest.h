/* What the machine gives a guest (docs/spec/machine.md): two read-only pages and a halt. */
#ifndef GUEST_H
#define GUEST_H

typedef unsigned int u32;
typedef unsigned long long u64;

#define STATEMENT ((const volatile u32 *)0xFFFFD000u) /* 1,024 words, fixed when the graph is made */

/* 32 bytes, one leaf. start.S compares them with the claim after main() has returned. */
extern u32 result[8];

/* First free page after the program; everything up to the stack is zero and free to use. */
extern u32 heap[];

/* Returns 0 to let the claim decide, else the exit code (an input the guest refuses). */
int main(void);

#endif
