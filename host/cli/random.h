/*
 * Numbers that depend on a seed alone, the same on every machine: splitmix64 (Steele, Lea and
 * Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).
 */
#ifndef CLCONV_CLI_RANDOM_H
#define CLCONV_CLI_RANDOM_H

#include <stddef.h>
#include <stdint.h>

static inline uint64_t random_next(uint64_t *state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/** A whole number below `limit`, which is not 0. */
static inline size_t random_below(uint64_t *state, size_t limit) {
    return (size_t)(random_next(state) % limit);
}

/** In [0, 1), a multiple of 2^-53. */
static inline double random_unit(uint64_t *state) {
    return (double)(random_next(state) >> 11) * 0x1p-53;
}

/** Whether an event of one in `count` happens. */
static inline int random_chance(uint64_t *state, size_t count) {
    return random_below(state, count) == 0;
}

#endif
