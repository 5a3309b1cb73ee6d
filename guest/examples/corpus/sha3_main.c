/* SHA3-256 of a message (FIPS 202).
 *
 * Statement: u32 length (most significant byte first), then the message, at most 4,092 bytes. Result: the digest. */
#include "guest.h"

enum { ROUNDS = 24, RATE = 136, DIGEST = 32 };

static u64 lanes[25]; /* A[x, y] of the standard stands at x + 5·y */

static u64 rotl(u64 x, u32 n)
{
  u32 high = x >> 32, low = x;
  if (n & 32) {
    u32 kept = high;
    high = low, low = kept;
  }
  n &= 31;
  if (n == 0) return (u64)high << 32 | low;
  return (u64)(high << n | low >> (32 - n)) << 32 | (low << n | high >> (32 - n));
}

static void theta(void)
{
  u64 column[5];
  for (int x = 0; x < 5; x++) column[x] = lanes[x] ^ lanes[x + 5] ^ lanes[x + 10] ^ lanes[x + 15] ^ lanes[x + 20];
  for (int x = 0; x < 5; x++) {
    u64 change = column[(x + 4) % 5] ^ rotl(column[(x + 1) % 5], 1);
    for (int y = 0; y < 25; y += 5) lanes[x + y] ^= change;
  }
}

/* Lane (x, y) goes to (y, 2x + 3y), turned by the triangular numbers. */
static void rho_and_pi(void)
{
  u32 x = 1, y = 0, turn = 0;
  u64 carried = lanes[1];
  for (u32 t = 1; t <= 24; t++) {
    u32 next = (2 * x + 3 * y) % 5;
    x = y, y = next;
    turn = (turn + t) % 64;
    u64 kept = lanes[x + 5 * y];
    lanes[x + 5 * y] = rotl(carried, turn);
    carried = kept;
  }
}

static void chi(void)
{
  for (int y = 0; y < 25; y += 5) {
    u64 row[5];
    for (int x = 0; x < 5; x++) row[x] = lanes[x + y];
    for (int x = 0; x < 5; x++) lanes[x + y] = row[x] ^ (~row[(x + 1) % 5] & row[(x + 2) % 5]);
  }
}

/* Bit 2^j − 1 of the constant comes from a shift register with the polynomial x^8 + x^6 + x^5 + x^4 + 1. */
static void iota(u8 *shift_register)
{
  u32 halves[2] = {0, 0};
  for (u32 j = 0; j <= 6; j++) {
    u32 place = (1u << j) - 1;
    if (*shift_register & 1) halves[place / 32] |= 1u << place % 32;
    *shift_register = *shift_register & 0x80 ? *shift_register << 1 ^ 0x71 : *shift_register << 1;
  }
  lanes[0] ^= (u64)halves[1] << 32 | halves[0];
}

static void permute(void)
{
  u8 shift_register = 1;
  for (int round = 0; round < ROUNDS; round++) {
    theta();
    rho_and_pi();
    chi();
    iota(&shift_register);
  }
}

/* Bytes of the state in the standard's order: least significant first. */
static void add_byte(u32 place, u8 byte)
{
  u32 half = (u32)byte << 8 * (place % 4);
  lanes[place / 8] ^= place % 8 < 4 ? half : (u64)half << 32;
}

static u8 get_byte(u32 place)
{
  u32 half = place % 8 < 4 ? lanes[place / 8] : lanes[place / 8] >> 32;
  return half >> 8 * (place % 4);
}

int main(void)
{
  u32 length = statement_number(0), place = 0;
  if (length > MOST_STATEMENT_BYTES - 4) return 2;
  for (u32 k = 0; k < length; k++) {
    add_byte(place++, STATEMENT_BYTES[4 + k]);
    if (place == RATE) {
      permute();
      place = 0;
    }
  }
  add_byte(place, 0x06);
  add_byte(RATE - 1, 0x80);
  permute();
  for (u32 k = 0; k < DIGEST; k++) ((u8 *)result)[k] = get_byte(k);
  return 0;
}
