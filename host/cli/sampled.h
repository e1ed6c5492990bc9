/* The reference at some elements of a problem that is too large for all of them. */
#ifndef CLCONV_CLI_SAMPLED_H
#define CLCONV_CLI_SAMPLED_H

#include "judge.h"

/** Blocks that are sampled, and their largest extents along H and W, of weights as of pictures. */
enum { SAMPLE_BLOCKS = 40, SAMPLE_BLOCK = 4 };

/**
 * What is expected at corners, beside the usual tile borders, and at random places. Each is a block
 * of what is computed and a problem of its own, on views of the same tensors; one of a gradient of
 * weights brings that of its bias. Blocks begin at multiples of their extents, because the bound of
 * an algorithm that transforms depends on whole tiles.
 * @param algorithm whose bounds are wanted; NULL for those of plain sums
 */
clconv_status expectation_sample(expected_output *expected, const case_data *data, uint64_t seed,
                                 const char *algorithm);

#endif
