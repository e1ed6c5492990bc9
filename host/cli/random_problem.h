/* Random problems over everything that the grammar can say, skewed to what goes wrong. */
#ifndef CLCONV_CLI_RANDOM_PROBLEM_H
#define CLCONV_CLI_RANDOM_PROBLEM_H

#include "clconv.h"

enum { MOST_MEANINGS = 32 };

/**
 * Sets what the elements of an initial problem mean: type, layouts, mode, and the epilogue that the
 * type allows.
 */
void random_meaning(clconv_problem *problem, uint64_t *state);

/** Sets a direction, of all but the forward one, and takes away what it has no use for. */
void random_training(clconv_problem *problem, uint64_t *state);

/**
 * Draws the meanings for a run of so many problems, the first of them plain f32, and returns how
 * many; half of them are forward. They are few, because each may cost every algorithm a program,
 * which takes a device's compiler up to a second; geometry costs none.
 */
size_t random_meanings(clconv_problem meanings[MOST_MEANINGS], size_t problems, uint64_t *state);

/**
 * Sets everything that is counted in elements, so that the problem is valid; what the elements mean
 * stays as it is.
 * @param most_flops operations at most
 */
void random_geometry(clconv_problem *problem, uint64_t *state, double most_flops);

#endif
