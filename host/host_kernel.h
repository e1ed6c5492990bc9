/*
 * The innermost loops of the host path. host_kernel.c is compiled once per vector instruction set
 * and this table is what each of them offers.
 */
#ifndef CLCONV__HOST_KERNEL_H
#define CLCONV__HOST_KERNEL_H

#include <stddef.h>

/**
 * sums[o][p] += sum over k < taps of weights[k][o] * columns[k][p] for `rows` output channels and
 * `width` pixels; the rows of sums lie `width` elements apart. All arrays are 64-byte aligned.
 */
typedef void clconv__multiply(size_t taps, const void *weights, const void *columns, void *sums);

/**
 * sums[p] = sum over k < taps of weights[k] * from[at[k] + p] for `count` pixels, a multiple of
 * `width`. Only `sums` is aligned.
 */
typedef void clconv__sum_taps(size_t taps, const void *weights, const void *from, const size_t *at,
                              void *sums, size_t count);

/** One accumulator type's register tile. */
typedef struct clconv__register_tile {
    size_t element;             /* bytes of an accumulator */
    size_t width;               /* pixels */
    clconv__multiply *multiply; /* of `rows` output channels by `width` pixels */
    clconv__sum_taps *sum_taps; /* of one channel */
} clconv__register_tile;

/** Accumulator types, an index into clconv__host_kernel_set.tiles. */
enum { CLCONV__ACC_F32, CLCONV__ACC_F64, CLCONV__ACC_S32, CLCONV__ACC_TYPES };

typedef struct clconv__host_kernel_set {
    const char *name; /* of the instruction set */
    size_t rows;      /* output channels of a register tile */
    clconv__register_tile tiles[CLCONV__ACC_TYPES];
} clconv__host_kernel_set;

extern const clconv__host_kernel_set clconv__host_kernels_portable;
extern const clconv__host_kernel_set clconv__host_kernels_avx2;
extern const clconv__host_kernel_set clconv__host_kernels_avx512;

/** The fastest set that this processor runs. */
const clconv__host_kernel_set *clconv__host_kernels(void);

#endif
