/*
 * Linear checksums of results that are too many for the whole reference: for each picture and
 * channel the sum of all elements times random weights, or of a gradient of weights the same for
 * each output channel. Because convolution is linear in each of its tensors, they are known from
 * sums over what is read, at a small share of the operations. (Freivalds, "Probabilistic machines
 * can use less running time", IFIP 1977, does this for matrix products.)
 */
#ifndef CLCONV_CLI_CHECKSUM_H
#define CLCONV_CLI_CHECKSUM_H

#include "verify.h"

typedef struct checksum {
    double *values, *bounds; /* owned; one for each sum */
    size_t count;            /* 0 where the problem has none: its activation is not linear */
    /* Of what is computed; a gradient of the bias is added to the sum of its weights. */
    size_t extent[CLCONV_TENSOR_AXES], stride[CLCONV_TENSOR_AXES];
    size_t channels;                     /* of axis 1 that are in one sum: one, or all */
    double *weights[CLCONV_TENSOR_AXES]; /* owned; random, of the axes behind the first */
} checksum;

clconv_status checksum_make(checksum *sums, const case_data *data, uint64_t seed);
void checksum_free(checksum *sums);

/** Worst checksum of a result, as a share of its bound, and its index; for tests. */
clconv_status checksum_worst(double *share, size_t *worst, const checksum *sums,
                             const case_data *data);

/** Judges `data->result` and turns a report that has passed into one that has not. */
void checksum_judge(report *r, const checksum *sums, const case_data *data);

#endif
