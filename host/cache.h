/*
 * Blobs on disk under a key, shared by all processes of a user. Knows no OpenCL. A cache is a help
 * and no more: whatever goes wrong here is a miss, never a failure. Environment and format:
 * clconv_cache_folder().
 */
#ifndef CLCONV__CACHE_H
#define CLCONV__CACHE_H

#include <stddef.h>

/**
 * Reads the blob that was stored under exactly this key. A file that is damaged in any byte, has
 * another key, or may have been written by another user is a miss.
 * @param data receives memory that the caller frees
 * @return 1 for a hit, else 0
 */
int clconv__cache_get(void **data, size_t *size, const char *key);

/** Stores a blob: readers see all of it or nothing. Removes what was used longest ago if need be.
 */
void clconv__cache_put(const char *key, const void *data, size_t size);

#endif
