/* AES-128 and AES-256 (FIPS 197): a block enciphered many times over, and back.
 *
 * Statement: u32 bits of the key (128 or 256), 32 bytes key (the first 16 for 128 bits), 16 bytes block, u32 times; numbers
 * most significant byte first. Result: 16 bytes that come out, then these deciphered as often, which is the block again. */
#include "guest.h"

enum { BLOCK = 16, MOST_ROUNDS = 14 };

static u8 substitute[256], inverse[256];
static u8 round_key[MOST_ROUNDS + 1][BLOCK];

/* In GF(2^8) modulo x^8 + x^4 + x^3 + x + 1. */
static u8 multiply(u8 a, u8 b)
{
  u8 product = 0;
  for (; b; b >>= 1) {
    if (b & 1) product ^= a;
    a = a << 1 ^ (a & 0x80 ? 0x1B : 0);
  }
  return product;
}

/* The generator 3 runs through all elements, its inverse 0xF6 through their inverses. */
static void fill_boxes(void)
{
  u8 element = 1, inverted = 1;
  do {
    u8 x = inverted, y = inverted;
    for (int k = 0; k < 4; k++) {
      y = y << 1 | y >> 7;
      x ^= y;
    }
    substitute[element] = x ^ 0x63;
    element = multiply(element, 3);
    inverted = multiply(inverted, 0xF6);
  } while (element != 1);
  substitute[0] = 0x63;
  for (int k = 0; k < 256; k++) inverse[substitute[k]] = k;
}

static void expand_key(const volatile u8 *key, u32 words, u32 rounds)
{
  u8 *expanded = round_key[0], constant = 1;
  for (u32 k = 0; k < 4 * words; k++) expanded[k] = key[k];
  for (u32 word = words; word < 4 * (rounds + 1); word++) {
    u8 last[4];
    for (u32 k = 0; k < 4; k++) last[k] = expanded[4 * (word - 1) + k];
    if (word % words == 0) {
      u8 first = last[0];
      for (u32 k = 0; k < 4; k++) last[k] = substitute[k == 3 ? first : last[k + 1]];
      last[0] ^= constant;
      constant = multiply(constant, 2);
    } else if (words > 6 && word % words == 4) {
      for (u32 k = 0; k < 4; k++) last[k] = substitute[last[k]];
    }
    for (u32 k = 0; k < 4; k++) expanded[4 * word + k] = expanded[4 * (word - words) + k] ^ last[k];
  }
}

static void add_key(u8 *block, u32 round)
{
  for (u32 k = 0; k < BLOCK; k++) block[k] ^= round_key[round][k];
}

/* Row r of a column-wise block moves r places: to the left with `step` 5, to the right with 13. */
static void substitute_and_shift(u8 *block, const u8 *box, u32 step)
{
  u8 before[BLOCK];
  for (u32 k = 0; k < BLOCK; k++) before[k] = box[block[k]];
  for (u32 k = 0; k < BLOCK; k++) block[k] = before[(4 * (k / 4) + step * (k % 4)) % BLOCK];
}

/* Each column times a circulant matrix, given by its first row. */
static void mix_columns(u8 *block, const u8 row[4])
{
  for (u32 column = 0; column < BLOCK; column += 4) {
    u8 before[4];
    for (u32 k = 0; k < 4; k++) before[k] = block[column + k], block[column + k] = 0;
    for (u32 k = 0; k < 4; k++)
      for (u32 i = 0; i < 4; i++) block[column + k] ^= multiply(before[i], row[(i + 4 - k) % 4]);
  }
}

static void encipher(u8 *block, u32 rounds)
{
  static const u8 row[4] = {2, 3, 1, 1};
  add_key(block, 0);
  for (u32 round = 1; round <= rounds; round++) {
    substitute_and_shift(block, substitute, 1 + 4);
    if (round < rounds) mix_columns(block, row);
    add_key(block, round);
  }
}

static void decipher(u8 *block, u32 rounds)
{
  static const u8 row[4] = {14, 11, 13, 9};
  for (u32 round = rounds; round >= 1; round--) {
    add_key(block, round);
    if (round < rounds) mix_columns(block, row);
    substitute_and_shift(block, inverse, 1 + 12);
  }
  add_key(block, 0);
}

int main(void)
{
  u32 bits = statement_number(0), times = statement_number(52), rounds = bits / 32 + 6;
  u8 *out = (u8 *)result, *back = out + BLOCK;
  if (bits != 128 && bits != 256) return 2;
  fill_boxes();
  expand_key(STATEMENT_BYTES + 4, bits / 32, rounds);
  for (u32 k = 0; k < BLOCK; k++) out[k] = STATEMENT_BYTES[36 + k];
  for (u32 k = 0; k < times; k++) encipher(out, rounds);
  for (u32 k = 0; k < BLOCK; k++) back[k] = out[k];
  for (u32 k = 0; k < times; k++) decipher(back, rounds);
  return 0;
}
