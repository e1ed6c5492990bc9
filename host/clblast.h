/* CLBlast's GEMM; the one place that includes its header is clblast.c. */
#ifndef CLCONV__CLBLAST_H
#define CLCONV__CLBLAST_H

#include "call.h"

/** A row-major matrix inside a buffer; offset and leading dimension in elements, as it lies. */
typedef struct clconv__matrix {
    cl_mem memory;
    size_t offset, leading;
    int is_transposed; /* it is multiplied as its transpose */
} clconv__matrix;

/** c[m][n] = alpha * a[m][k] * b[k][n] + beta * c[m][n], in f32 or f64, as the plan's type says. */
clconv_status clconv__clblast_multiply(clconv__call *call, const size_t mnk[3], double alpha,
                                       const clconv__matrix *a, const clconv__matrix *b,
                                       double beta, const clconv__matrix *c);

#endif
