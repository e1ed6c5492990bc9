/* The verifier's random problems, of a size for tests, and what can be said of any problem. */
#ifndef CLCONV_TESTS_GENERATOR_H
#define CLCONV_TESTS_GENERATOR_H

#include "cli/random_problem.h"
#include "support.h"

/* Operations of a random problem at most. */
enum { SMALL_WORK = 400000 };

static inline bool is_integer_type(clconv_type type) {
    return type == CLCONV_S8 || type == CLCONV_U8;
}

/* Whether small integers give a result without any rounding but the last. */
static inline bool is_exact_on_integers(const clconv_problem *problem) {
    return problem->activation <= CLCONV_LEAKY_RELU;
}

/* Checks random problems of every direction; $CLCONV_TEST_SEED has other ones. */
static inline void check_random_problems(size_t count, void (*check)(const clconv_problem *)) {
    uint64_t random = environment_number("CLCONV_TEST_SEED", 1);
    clconv_problem meanings[MOST_MEANINGS];
    const size_t meaning_count = random_meanings(meanings, count, &random);
    for (size_t i = 0; i < count; ++i) {
        clconv_problem problem = meanings[i % meaning_count];
        random_geometry(&problem, &random, SMALL_WORK);
        check(&problem);
    }
}

#endif
