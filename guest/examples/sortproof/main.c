/* Sort a large table of records and prove that the output is the input in order.
 *
 * Statement: bytes 0-15 seed of xorshift128 (not all zero), bytes 16-19 number of records (little endian).
 * A record is 16 words, two leaves; its first word is the key. Result, 8 words:
 *   0 sum and 1 xor of the records' hashes (the multiset, equal before and after), 2-3 FNV-1a of the keys in
 *   order (low word first), 4 smallest, 5 middle and 6 largest key, 7 number of records.
 * Exit code 2: an input that is refused; 3: the table came out wrong (cannot happen on an honest machine). */
#include "guest.h"

#define WORDS 16
#define MOST_RECORDS (1u << 23) /* 512 MiB, far below the stack */

typedef struct {
  u32 word[WORDS];
} record;

typedef struct {
  u32 sum, xor;
} fingerprint;

/* The table as one stream of xorshift128: Marsaglia, "Xorshift RNGs" (2003), section 4. */
static void fill(u32 *next, const u32 *end) {
  u32 x = STATEMENT[0], y = STATEMENT[1], z = STATEMENT[2], w = STATEMENT[3];
  while (next < end) {
    u32 t = x ^ x << 11;
    x = y, y = z, z = w;
    w ^= w >> 19 ^ t ^ t >> 8;
    *next++ = w;
  }
}

/* FNV-1a over the words of a record; sum and xor do not depend on the records' order. */
static fingerprint fingerprint_of(const record *table, u32 count) {
  fingerprint f = {0, 0};
  for (u32 i = 0; i < count; i++) {
    u32 h = 0x811c9dc5;
#pragma GCC unroll 16
    for (int j = 0; j < WORDS; j++) h = (h ^ table[i].word[j]) * 0x01000193;
    f.sum += h;
    f.xor ^= h;
  }
  return f;
}

static inline void swap(record *a, record *b) {
#pragma GCC unroll 16
  for (int j = 0; j < WORDS; j++) {
    u32 w = a->word[j];
    a->word[j] = b->word[j];
    b->word[j] = w;
  }
}

static u32 middle(u32 a, u32 b, u32 c) {
  if (a > b) {
    u32 t = a;
    a = b, b = t;
  }
  return c < a ? a : c > b ? b : c;
}

/* Hoare's quicksort; recursion into the smaller half bounds the stack by log2(count) frames. */
static void sort(record *low, record *high) {
  while (low < high) {
    record *i = low, *j = high;
    u32 pivot = middle(low->word[0], low[(high - low) >> 1].word[0], high->word[0]);
    while (i <= j) {
      while (i->word[0] < pivot) i++;
      while (j->word[0] > pivot) j--;
      if (i <= j) swap(i++, j--);
    }
    if (j - low < high - i) {
      sort(low, j);
      low = i;
    } else {
      sort(i, high);
      high = j;
    }
  }
}

static int is_sorted(const record *table, u32 count) {
  for (u32 i = 1; i < count; i++)
    if (table[i - 1].word[0] > table[i].word[0]) return 0;
  return 1;
}

static u64 hash_of_keys(const record *table, u32 count) {
  u64 h = 0xcbf29ce484222325ull;
  for (u32 i = 0; i < count; i++) h = (h ^ table[i].word[0]) * 0x100000001b3ull;
  return h;
}

int main(void) {
  record *table = (record *)heap;
  u32 count = STATEMENT[4];
  if (count == 0 || count > MOST_RECORDS) return 2;
  if (!(STATEMENT[0] | STATEMENT[1] | STATEMENT[2] | STATEMENT[3])) return 2;
  fill(heap, heap + count * WORDS);
  fingerprint before = fingerprint_of(table, count);
  sort(table, table + count - 1);
  fingerprint after = fingerprint_of(table, count);
  if (before.sum != after.sum || before.xor != after.xor || !is_sorted(table, count)) return 3;
  u64 keys = hash_of_keys(table, count);
  result[0] = after.sum, result[1] = after.xor;
  result[2] = (u32)keys, result[3] = (u32)(keys >> 32);
  result[4] = table[0].word[0], result[5] = table[count >> 1].word[0];
  result[6] = table[count - 1].word[0], result[7] = count;
  return 0;
}
