/* SHA-256 of a message.
 *
 * Statement: u32 length (most significant byte first), then the message, at most 4,092 bytes. Result: the digest. */
#include "corpus/sha256.h"

int main(void)
{
  u32 length = statement_number(0);
  if (length > MOST_STATEMENT_BYTES - 4) return 2;
  sha256((u8 *)result, STATEMENT_BYTES + 4, length);
  return 0;
}
