/*
 * Linear checksums of outputs that are too many for the whole reference: for each picture and
 * channel, the sum of all outputs times random weights. Because convolution is linear, it is known
 * from sums over the input, at a small share of the operations. (Freivalds, "Probabilistic machines
 * can use less running time", IFIP 1977, does this for matrix products.)
 */
#ifndef CLCONV_CLI_CHECKSUM_H
#define CLCONV_CLI_CHECKSUM_H

#include "verify.h"

typedef struct checksum {
    double *values, *bounds; /* owned; for each picture and output channel */
    size_t count;            /* 0 where the problem has none: its activation is not linear */
    double *weights[CLCONV_SPATIAL_AXES]; /* owned; of the outputs of each axis */
} checksum;

clconv_status checksum_make(checksum *sums, const case_data *data, uint64_t seed);
void checksum_free(checksum *sums);

/** Worst checksum of a result, as a share of its bound, and its index; for tests. */
clconv_status checksum_worst(double *share, size_t *worst, const checksum *sums,
                             const case_data *data);

/** Judges `data->result` and turns a report that has passed into one that has not. */
void checksum_judge(report *r, const checksum *sums, const case_data *data);

#endif
