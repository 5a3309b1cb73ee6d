/* The two functions that GCC calls also where there is no C library. */
#include "guest.h"

void *memcpy(void *to, const void *from, unsigned long length)
{
  for (unsigned long k = 0; k < length; k++) ((u8 *)to)[k] = ((const u8 *)from)[k];
  return to;
}

void *memset(void *to, int byte, unsigned long length)
{
  for (unsigned long k = 0; k < length; k++) ((u8 *)to)[k] = byte;
  return to;
}
