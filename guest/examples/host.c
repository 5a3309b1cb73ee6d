/* A guest in C as an ordinary program: STATEMENT and CLAIM are hexadecimal digits in the environment, BLOB the name of a
 * file; the result is told on stderr, the exit code is the guest's. Not part of any image.
 *
 * SWAP_WORDS is for guests that read and write words in the machine's byte order, on a computer of the other order. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest.h"
#undef main

enum { CLAIM_BYTES = 128, RESULT_BYTES = 32, HEAP_WORDS = 1 << 22 };

u32 statement_page[MOST_STATEMENT_BYTES / 4];
u32 result[RESULT_BYTES / 4];
u32 heap[HEAP_WORDS];

static void read_digits(const char *name, void *to, size_t room)
{
  const char *digits = getenv(name);
  for (size_t k = 0; digits && digits[2 * k]; k++) {
    unsigned value;
    if (k == room || sscanf(digits + 2 * k, "%2x", &value) != 1)
      exit(2);
    ((u8 *)to)[k] = value;
  }
}

static void swap_words(u32 *words, size_t count)
{
#ifdef SWAP_WORDS
  for (size_t k = 0; k < count; k++)
    words[k] = __builtin_bswap32(words[k]);
#else
  (void)words, (void)count;
#endif
}

const u8 *map_blob(u32 slot, const volatile u8 *root)
{
  FILE *file = fopen(getenv("BLOB") ? getenv("BLOB") : "", "rb");
  u8 *content = calloc(1, SLOT_BYTES);
  (void)slot, (void)root;
  if (!file || !content)
    exit(2);
  if (fread(content, 1, SLOT_BYTES, file) == 0)
    content[0] = 0;
  fclose(file);
  return content;
}

int main(void)
{
  u8 claim[CLAIM_BYTES] = {0}, honest[CLAIM_BYTES] = {0};
  read_digits("STATEMENT", statement_page, sizeof statement_page);
  read_digits("CLAIM", claim, sizeof claim);
  swap_words(statement_page, sizeof statement_page / 4);
  int code = guest_main();
  if (code)
    return code;
  swap_words(result, RESULT_BYTES / 4);
  memcpy(honest, result, RESULT_BYTES);
  fprintf(stderr, "result ");
  for (int k = 0; k < RESULT_BYTES; k++)
    fprintf(stderr, "%02x", honest[k]);
  fprintf(stderr, "\n");
  return memcmp(claim, honest, CLAIM_BYTES) != 0;
}
