/* Rows of elements: between memory and accumulators, and what follows a sum, on the host. */
#ifndef CLCONV__HOST_ROWS_H
#define CLCONV__HOST_ROWS_H

#include "algo.h"
#include "clconv.h"

#include <stddef.h>
#include <stdint.h>

/** Rows of elements in memory, and `pitch` apart as accumulators. */
typedef struct clconv__area {
    size_t rows, count;
    ptrdiff_t row_step, step; /* in memory */
    size_t pitch;
} clconv__area;

/** One row. */
clconv__area clconv__row_of(size_t count, ptrdiff_t step);

/** From memory, `first` elements behind `from`, to accumulators less `zero`, and back. Nothing
 * overlaps. */
typedef void clconv__gather_area(void *to, const void *from, size_t first, const clconv__area *a,
                                 int32_t zero);
typedef void clconv__scatter_area(void *to, size_t first, const clconv__area *a, const void *from);

/** Functions of one type of problem. */
typedef struct clconv__host_type {
    int accumulator; /* CLCONV__ACC_..., index of the register tile */
    int stores_sums; /* results are accumulators */
    clconv__gather_area *input, *weights, *output;
    clconv__scatter_area *store;
} clconv__host_type;

extern const clconv__host_type clconv__host_types[]; /* by clconv_type */

typedef struct clconv__epilogue {
    clconv_activation activation;
    clconv__scalars s;
    const void *bias;     /* one accumulator, or NULL */
    const void *residual; /* a row, or NULL */
    const void *old;      /* a row, or NULL */
} clconv__epilogue;

/** Changes one row of accumulators of a kind. */
void clconv__apply_epilogue(int accumulator, void *row, size_t count, const clconv__epilogue *e);

#endif
