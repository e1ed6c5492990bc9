/* Spreads independent pieces of work over the processors. Knows nothing else. */
#ifndef CLCONV__PARALLEL_H
#define CLCONV__PARALLEL_H

#include <stddef.h>

/** Processors that this process may use, at least 1. */
unsigned clconv__processors(void);

/**
 * Calls body(context, i) once for each i below count, on up to clconv__processors() threads, the
 * caller's among them, and returns when all are done. Where threads cannot be had, the caller does
 * the work alone.
 */
void clconv__parallel_for(size_t count, void (*body)(void *context, size_t index), void *context);

#endif
