/* Memory that a process hands to another one as a file descriptor. */
#ifndef CLCONV_CLI_SHARED_MEMORY_H
#define CLCONV_CLI_SHARED_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

typedef struct shared_memory {
    int descriptor; /* of an unnamed file; valid while bytes is not NULL */
    unsigned char *bytes;
    size_t size;
} shared_memory;

/** Zeroed memory; false when it cannot be had, and then nothing is owned. */
bool shared_memory_make(shared_memory *memory, size_t size);

/** Maps the memory behind a descriptor, which it then owns, even on failure. */
bool shared_memory_map(shared_memory *memory, int descriptor, size_t size);

void shared_memory_free(shared_memory *memory);

#endif
