/* Whole-number helpers. */
#ifndef CLCONV__ARITHMETIC_H
#define CLCONV__ARITHMETIC_H

#include <stddef.h>

/** a/b, rounded up. */
static inline size_t clconv__divide_up(size_t a, size_t b) {
    return a / b + (a % b != 0);
}

/** The smallest multiple of b that is not below a. */
static inline size_t clconv__round_up(size_t a, size_t b) {
    return clconv__divide_up(a, b) * b;
}

#endif
