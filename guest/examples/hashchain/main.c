/* SHA-256 chain: `rounds` times digest = SHA-256(digest), starting from the seed (FIPS 180-4).
 *
 * Statement: bytes 0-31 seed, bytes 32-35 rounds (big endian).  Result: the last digest.
 * The guest is big endian, so a word of memory is a word of the standard. */
#include "guest.h"

static const u32 K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static const u32 INITIAL[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                               0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

static inline u32 rotr(u32 x, int n) { return x >> n | x << (32 - n); }

static void expand(u32 w[64]) {
  for (int t = 16; t < 64; t++) {
    u32 x = w[t - 15], y = w[t - 2];
    u32 s0 = rotr(x, 7) ^ rotr(x, 18) ^ x >> 3;
    u32 s1 = rotr(y, 17) ^ rotr(y, 19) ^ y >> 10;
    w[t] = w[t - 16] + s0 + w[t - 7] + s1;
  }
}

/* digest := compression of the block whose schedule is w, from the initial value. */
static void compress(u32 digest[8], const u32 w[64]) {
  u32 a = INITIAL[0], b = INITIAL[1], c = INITIAL[2], d = INITIAL[3];
  u32 e = INITIAL[4], f = INITIAL[5], g = INITIAL[6], h = INITIAL[7];
  for (int t = 0; t < 64; t++) {
    u32 s1 = rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25);
    u32 t1 = h + s1 + ((e & f) ^ (~e & g)) + K[t] + w[t];
    u32 s0 = rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22);
    u32 t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
    h = g, g = f, f = e, e = d + t1;
    d = c, c = b, b = a, a = t1 + t2;
  }
  digest[0] = INITIAL[0] + a, digest[1] = INITIAL[1] + b, digest[2] = INITIAL[2] + c;
  digest[3] = INITIAL[3] + d, digest[4] = INITIAL[4] + e, digest[5] = INITIAL[5] + f;
  digest[6] = INITIAL[6] + g, digest[7] = INITIAL[7] + h;
}

int main(void) {
  u32 w[64];
  u32 rounds = STATEMENT[8];
  for (int i = 0; i < 8; i++) result[i] = STATEMENT[i];
  while (rounds--) {
    for (int i = 0; i < 8; i++) w[i] = result[i];
    w[8] = 0x80000000; /* padding of a 32-byte message */
    for (int i = 9; i < 15; i++) w[i] = 0;
    w[15] = 256;
    expand(w);
    compress(result, w);
  }
  return 0;
}
