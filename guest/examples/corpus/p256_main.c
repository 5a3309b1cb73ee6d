/* ECDSA over P-256 with SHA-256: verifies one signature (FIPS 186-5, section 6.4.2; curve: SP 800-186, 3.2.1.3).
 *
 * Statement: public key x, y, signature r, s (32 bytes each), u32 length, then the message; numbers most significant byte
 * first. Result: first byte 1 where the signature is valid, else 0; then 31 zero bytes. Everything is public, so
 * nothing here hides how long it takes. */
#include "corpus/sha256.h"

enum { LIMBS = 8 };

/* Least significant word first. */
typedef struct {
  u32 w[LIMBS];
} number;

/* Arithmetic modulo an odd number is Montgomery's, with R = 2^256: x stands for x·R. */
typedef struct {
  number m;
  number one;     /* R */
  number squared; /* R² */
  u32 inverse;    /* −1/m modulo 2^32 */
} modulus;

/* Jacobian coordinates: x/z², y/z³; z = 0 is the point at infinity. */
typedef struct {
  number x, y, z;
} point;

static modulus p = {.m = {{0xffffffff, 0xffffffff, 0xffffffff, 0, 0, 0, 1, 0xffffffff}}};
static modulus n = {.m = {{0xfc632551, 0xf3b9cac2, 0xa7179e84, 0xbce6faad, 0xffffffff, 0xffffffff, 0, 0xffffffff}}};
static const number B = {{0x27d2604b, 0x3bce3c3e, 0xcc53b0f6, 0x651d06b0, 0x769886bc, 0xb3ebbd55, 0xaa3a93e7,
                          0x5ac635d8}};
static const number GX = {{0xd898c296, 0xf4a13945, 0x2deb33a0, 0x77037d81, 0x63a440f2, 0xf8bce6e5, 0xe12c4247,
                           0x6b17d1f2}};
static const number GY = {{0x37bf51f5, 0xcbb64068, 0x6b315ece, 0x2bce3357, 0x7c0f9e16, 0x8ee7eb4a, 0xfe1a7f9b,
                           0x4fe342e2}};

static int is_zero(const number *a)
{
  u32 all = 0;
  for (int k = 0; k < LIMBS; k++) all |= a->w[k];
  return all == 0;
}

static int is_less(const number *a, const number *b)
{
  for (int k = LIMBS - 1; k >= 0; k--)
    if (a->w[k] != b->w[k]) return a->w[k] < b->w[k];
  return 0;
}

static int is_equal(const number *a, const number *b) { return !is_less(a, b) && !is_less(b, a); }

static u32 bit(const number *a, int place) { return a->w[place / 32] >> place % 32 & 1; }

/* a := a + b, gives the carry. */
static u32 add_words(number *a, const number *b)
{
  u64 sum = 0;
  for (int k = 0; k < LIMBS; k++) {
    sum += (u64)a->w[k] + b->w[k];
    a->w[k] = sum;
    sum >>= 32;
  }
  return sum;
}

/* a := a − b, gives the borrow. */
static u32 subtract_words(number *a, const number *b)
{
  u32 borrow = 0;
  for (int k = 0; k < LIMBS; k++) {
    u64 difference = (u64)a->w[k] - b->w[k] - borrow;
    a->w[k] = difference;
    borrow = difference >> 63;
  }
  return borrow;
}

static number add(number a, const number *b, const modulus *m)
{
  u32 carry = add_words(&a, b);
  if (carry || !is_less(&a, &m->m)) subtract_words(&a, &m->m);
  return a;
}

static number subtract(number a, const number *b, const modulus *m)
{
  if (subtract_words(&a, b)) add_words(&a, &m->m);
  return a;
}

/* a·b/R: after each word of b the lowest word becomes zero by a multiple of m, and is dropped. */
static number multiply(const number *a, const number *b, const modulus *m)
{
  u32 t[LIMBS + 2] = {0};
  for (int i = 0; i < LIMBS; i++) {
    u64 carry = 0;
    for (int k = 0; k < LIMBS; k++) {
      carry += (u64)a->w[k] * b->w[i] + t[k];
      t[k] = carry;
      carry >>= 32;
    }
    carry += t[LIMBS];
    t[LIMBS] = carry;
    t[LIMBS + 1] = carry >> 32;
    u32 factor = t[0] * m->inverse;
    carry = ((u64)factor * m->m.w[0] + t[0]) >> 32;
    for (int k = 1; k < LIMBS; k++) {
      carry += (u64)factor * m->m.w[k] + t[k];
      t[k - 1] = carry;
      carry >>= 32;
    }
    carry += t[LIMBS];
    t[LIMBS - 1] = carry;
    t[LIMBS] = t[LIMBS + 1] + (carry >> 32);
  }
  number product;
  for (int k = 0; k < LIMBS; k++) product.w[k] = t[k];
  if (t[LIMBS] || !is_less(&product, &m->m)) subtract_words(&product, &m->m);
  return product;
}

static number square(const number *a, const modulus *m) { return multiply(a, a, m); }

static void prepare(modulus *m)
{
  number r = {{1}};
  u32 inverse = 1;
  for (int k = 0; k < 5; k++) inverse *= 2 - m->m.w[0] * inverse; /* Newton: correct bits double */
  m->inverse = -inverse;
  for (int k = 0; k < 512; k++) {
    r = add(r, &r, m);
    if (k == 255) m->one = r;
  }
  m->squared = r;
}

/* 1/a = a^(m − 2), m being prime. */
static number invert(const number *a, const modulus *m)
{
  const number two = {{2}};
  number exponent = m->m, power = m->one;
  subtract_words(&exponent, &two);
  for (int place = 255; place >= 0; place--) {
    power = square(&power, m);
    if (bit(&exponent, place)) power = multiply(&power, a, m);
  }
  return power;
}

/* For a = −3: "dbl-2001-b" of the Explicit-Formulas Database. */
static point twice(const point *a)
{
  number delta = square(&a->z, &p), gamma = square(&a->y, &p), beta = multiply(&a->x, &gamma, &p);
  number less = subtract(a->x, &delta, &p), more = add(a->x, &delta, &p), alpha = multiply(&less, &more, &p);
  number alpha2 = add(alpha, &alpha, &p), beta2 = add(beta, &beta, &p), beta4 = add(beta2, &beta2, &p);
  number yz = add(a->y, &a->z, &p), gamma2 = add(gamma, &gamma, &p), gamma8;
  point sum;
  alpha = add(alpha2, &alpha, &p);
  sum.x = square(&alpha, &p);
  sum.x = subtract(sum.x, &beta4, &p);
  sum.x = subtract(sum.x, &beta4, &p);
  sum.z = square(&yz, &p);
  sum.z = subtract(sum.z, &gamma, &p);
  sum.z = subtract(sum.z, &delta, &p);
  gamma8 = square(&gamma2, &p);
  gamma8 = add(gamma8, &gamma8, &p);
  beta4 = subtract(beta4, &sum.x, &p);
  sum.y = multiply(&alpha, &beta4, &p);
  sum.y = subtract(sum.y, &gamma8, &p);
  return sum;
}

/* "add-1998-cmo-2"; equal and opposite points are no exceptions. */
static point add_points(const point *a, const point *b)
{
  if (is_zero(&a->z)) return *b;
  if (is_zero(&b->z)) return *a;
  number za2 = square(&a->z, &p), zb2 = square(&b->z, &p);
  number ua = multiply(&a->x, &zb2, &p), ub = multiply(&b->x, &za2, &p);
  number za3 = multiply(&a->z, &za2, &p), zb3 = multiply(&b->z, &zb2, &p);
  number sa = multiply(&a->y, &zb3, &p), sb = multiply(&b->y, &za3, &p);
  number h = subtract(ub, &ua, &p), r = subtract(sb, &sa, &p);
  point sum = {0};
  if (is_zero(&h)) return is_zero(&r) ? twice(a) : sum;
  number h2 = square(&h, &p), h3 = multiply(&h, &h2, &p), v = multiply(&ua, &h2, &p);
  sum.x = square(&r, &p);
  sum.x = subtract(sum.x, &h3, &p);
  sum.x = subtract(sum.x, &v, &p);
  sum.x = subtract(sum.x, &v, &p);
  v = subtract(v, &sum.x, &p);
  sum.y = multiply(&r, &v, &p);
  sa = multiply(&sa, &h3, &p);
  sum.y = subtract(sum.y, &sa, &p);
  sum.z = multiply(&a->z, &b->z, &p);
  sum.z = multiply(&sum.z, &h, &p);
  return sum;
}

/* u·G + v·Q, both bit by bit at once. */
static point combine(const number *u, const point *g, const number *v, const point *q)
{
  point both = add_points(g, q), sum = {0};
  for (int place = 255; place >= 0; place--) {
    u32 chosen = bit(u, place) | bit(v, place) << 1;
    sum = twice(&sum);
    if (chosen) sum = add_points(&sum, chosen == 1 ? g : chosen == 2 ? q : &both);
  }
  return sum;
}

/* y² = x³ − 3x + b, in Montgomery's form. */
static int is_on_curve(const point *a)
{
  number left = square(&a->y, &p), right = square(&a->x, &p), b = multiply(&B, &p.squared, &p);
  for (int k = 0; k < 3; k++) right = subtract(right, &p.one, &p);
  right = multiply(&right, &a->x, &p);
  right = add(right, &b, &p);
  return is_equal(&left, &right);
}

static number read_number(const volatile u8 *bytes)
{
  number a = {{0}};
  for (int k = 0; k < 32; k++) a.w[(31 - k) / 4] |= (u32)bytes[k] << 8 * ((31 - k) % 4);
  return a;
}

static point make_point(const number *x, const number *y)
{
  point a = {multiply(x, &p.squared, &p), multiply(y, &p.squared, &p), p.one};
  return a;
}

static int is_valid(const number *x, const number *y, const number *r, const number *s, const u8 digest[32])
{
  const number one = {{1}};
  number e = read_number(digest), u, v, w, z, found;
  if (!is_less(x, &p.m) || !is_less(y, &p.m)) return 0;
  if (is_zero(r) || !is_less(r, &n.m) || is_zero(s) || !is_less(s, &n.m)) return 0;
  point q = make_point(x, y), g = make_point(&GX, &GY), sum;
  if (!is_on_curve(&q)) return 0;
  if (!is_less(&e, &n.m)) subtract_words(&e, &n.m);
  w = multiply(s, &n.squared, &n);
  w = invert(&w, &n);
  u = multiply(&e, &w, &n); /* w carries R, so these two are plain */
  v = multiply(r, &w, &n);
  sum = combine(&u, &g, &v, &q);
  if (is_zero(&sum.z)) return 0;
  z = square(&sum.z, &p);
  z = invert(&z, &p);
  found = multiply(&sum.x, &z, &p);
  found = multiply(&found, &one, &p);
  if (!is_less(&found, &n.m)) subtract_words(&found, &n.m);
  return is_equal(&found, r);
}

int main(void)
{
  const volatile u8 *at = STATEMENT_BYTES;
  u32 length = statement_number(128);
  u8 digest[32];
  if (length > MOST_STATEMENT_BYTES - 132) return 2;
  sha256(digest, at + 132, length);
  prepare(&p);
  prepare(&n);
  number x = read_number(at), y = read_number(at + 32), r = read_number(at + 64), s = read_number(at + 96);
  ((u8 *)result)[0] = is_valid(&x, &y, &r, &s, digest);
  return 0;
}
