/* Holds a result against the reference and its bound. */
#ifndef CLCONV_CLI_JUDGE_H
#define CLCONV_CLI_JUDGE_H

#include "case_run.h"

/** What a correct result is. */
typedef struct expectation {
    double *values, *bounds; /* owned; dense, in the order N C D H W */
    size_t count;
    size_t nonzero; /* elements whose value is not 0 */
} expectation;

clconv_status expectation_make(expectation *expected, const case_data *data);
void expectation_free(expectation *expected);

/** The element that is worst, and how many are wrong. */
typedef struct judgement {
    size_t wrong;         /* elements outside their bound */
    double share;         /* largest error as a share of its bound; infinite for a NaN */
    size_t worst;         /* dense index of that element */
    double got, expected; /* its values */
    double bound;
    int guards_changed; /* something was written outside the output tensor */
} judgement;

/**
 * Judges and, in passing, restores the output's image. Exact data must match to the last bit; real
 * data within the bound.
 */
clconv_status judge(judgement *verdict, case_result *result, const case_data *data,
                    const expectation *expected);

#endif
