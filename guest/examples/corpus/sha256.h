/* SHA-256 (FIPS 180-4). */
#include "guest.h"

/* digest := SHA-256 of `length` bytes. */
void sha256(u8 digest[32], const volatile u8 *message, u32 length);
