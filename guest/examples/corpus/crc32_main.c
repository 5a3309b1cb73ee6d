/* CRC-32 (IEEE 802.3, reflected) of a mapped blob.
 *
 * Statement: 32 bytes root of the blob, u32 slot, u32 length (most significant byte first). Result: CRC-32, most significant
 * byte first, then 28 zero bytes. */
#include "guest.h"

static u32 table[256];

static void fill_table(void)
{
  for (u32 byte = 0; byte < 256; byte++) {
    table[byte] = byte;
    for (int bit = 0; bit < 8; bit++) table[byte] = table[byte] >> 1 ^ (table[byte] & 1 ? 0xEDB88320 : 0);
  }
}

int main(void)
{
  u32 slot = statement_number(32), length = statement_number(36), crc = 0xFFFFFFFF;
  if (length > SLOT_BYTES) return 2;
  fill_table();
  const u8 *blob = map_blob(slot, STATEMENT_BYTES);
  for (u32 k = 0; k < length; k++) crc = crc >> 8 ^ table[(crc ^ blob[k]) & 0xFF];
  for (int k = 0; k < 4; k++) ((u8 *)result)[k] = ~crc >> (24 - 8 * k);
  return 0;
}
