/*
 * The innermost loops of the host path. host_kernel.c is compiled once per vector instruction set
 * and this table is what each of them offers.
 */
#ifndef CLCONV__HOST_KERNEL_H
#define CLCONV__HOST_KERNEL_H

#include <stddef.h>

/**
 * sums[o][p] = sum over k < taps of weights[k][o] * from[at[k] + p], added to what is there if
 * `adds`, for a tile of output channels and pixels; the rows of sums lie `pitch` apart. Nothing
 * needs to be aligned.
 */
typedef void clconv__multiply(size_t taps, const void *weights, const void *from, const size_t *at,
                              int adds, void *sums, size_t pitch);

/** Sums that stay in registers while taps run. */
enum { CLCONV__MOST_VECTORS = 8 };
typedef struct clconv__register_tile {
    size_t rows;                                      /* output channels */
    size_t vectors;                                   /* of pixels, at most */
    clconv__multiply *multiply[CLCONV__MOST_VECTORS]; /* of 1, 2, ... vectors */
} clconv__register_tile;

/** One accumulator type. */
typedef struct clconv__accumulator {
    size_t element;                    /* bytes */
    size_t lanes;                      /* of a vector */
    clconv__register_tile block, line; /* of several channels, and of one */
} clconv__accumulator;

/** Accumulator types, an index into clconv__host_kernel_set.accumulators. */
enum { CLCONV__ACC_F32, CLCONV__ACC_F64, CLCONV__ACC_S32, CLCONV__ACC_TYPES };

/** Copies rows of so many bytes, which do not overlap and lie `to_step` and `from_step` bytes
 * apart. */
typedef void clconv__copy_rows(size_t rows, size_t bytes, void *to, ptrdiff_t to_step,
                               const void *from, ptrdiff_t from_step);

/** Parts rows of pairs; steps are in floats. */
typedef void clconv__split_rows(size_t rows, size_t pairs, float *firsts, float *seconds,
                                ptrdiff_t to_step, const float *from, ptrdiff_t from_step);

typedef struct clconv__host_kernel_set {
    const char *name; /* of the instruction set */
    clconv__copy_rows *copy_rows;
    clconv__split_rows *split_rows;
    clconv__accumulator accumulators[CLCONV__ACC_TYPES];
} clconv__host_kernel_set;

extern const clconv__host_kernel_set clconv__host_kernels_portable;
extern const clconv__host_kernel_set clconv__host_kernels_avx2;
extern const clconv__host_kernel_set clconv__host_kernels_avx512;

/** The fastest set that this processor runs. */
const clconv__host_kernel_set *clconv__host_kernels(void);

#endif
