/* Random forward problems over everything that the grammar can say, skewed to what goes wrong. */
#ifndef CLCONV_CLI_RANDOM_PROBLEM_H
#define CLCONV_CLI_RANDOM_PROBLEM_H

#include "clconv.h"

/**
 * A valid problem of at most about `most_flops` operations. Types, activations and other fields
 * that cost a device a build of its kernels are drawn from a few dozen combinations.
 */
void random_problem(clconv_problem *problem, uint64_t *state, double most_flops);

#endif
