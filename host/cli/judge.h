/*
 * Holds a result against the reference. Two measures: the proven bound decides what is wrong; the
 * alarm, a smaller scale that rounding reaches with negligible probability, decides what is
 * suspicious. docs/verifier.md derives both.
 */
#ifndef CLCONV_CLI_JUDGE_H
#define CLCONV_CLI_JUDGE_H

#include "case_data.h"

/** What a correct result is: at every element that is computed, or at some. */
typedef struct expected_output {
    double *values, *bounds; /* owned; in clconv_reference()'s order, or that of `places` */
    size_t *places;          /* owned; dense indices of the elements, NULL for all of them */
    size_t count;
    size_t nonzero;   /* elements whose value is not 0 */
    int has_no_alarm; /* the bounds are not those of plain sums */
} expected_output;

/** From the whole reference. */
clconv_status expectation_make(expected_output *expected, const case_data *data);
void expectation_free(expected_output *expected);

/** Memory for `count` elements; zeroed, with `nonzero` to be set. On failure nothing is owned. */
clconv_status expectation_allocate(expected_output *expected, size_t count, int has_places);

/** The element that is worst, and how many are bad. */
typedef struct judgement {
    size_t judged;        /* elements that were looked at */
    size_t wrong;         /* of these, outside their bound */
    size_t suspicious;    /* inside it, but beyond the alarm */
    size_t unbounded;     /* with an infinite bound, of which nothing is known */
    double share;         /* largest error as a share of its bound; infinite for a NaN */
    double alarm_share;   /* largest error as a share of the alarm's scale */
    size_t worst;         /* dense index of the element of the larger share */
    size_t first;         /* of the first bad one, wrong or suspicious */
    double got, expected; /* values of the worst */
    double bound, alarm;  /* its measures */
    uint64_t ulps;        /* numbers of the output's type between the two values */
} judgement;

/**
 * Judges the image of a result. Exact data must match to the last bit, real data within the bound
 * and the alarm's scale.
 */
clconv_status judge(judgement *verdict, const case_data *data, const unsigned char *result,
                    const expected_output *expected);

/** The alarm's scale of a floating-point problem from the proven bound of one element. */
double alarm_scale(const clconv_problem *problem, double bound, double value);

/** Steps from one number to another through all numbers of the type; UINT64_MAX from a NaN. */
uint64_t ulp_distance(clconv_type type, double a, double b);

/** The largest such distance between elements of two results. */
uint64_t largest_ulp_distance(const case_data *data, const unsigned char *a,
                              const unsigned char *b);

/** What is known about an element near one that is wrong. */
typedef enum cell {
    CELL_OUTSIDE, /* not an element of the output */
    CELL_RIGHT,
    CELL_SUSPICIOUS,
    CELL_WRONG,
    CELL_NAN /* not a number where one was expected: never written, or computed from poison */
} cell;

enum { VIEW_ROWS = 17, VIEW_COLUMNS = 33 };

/** A window of one plane of the output, one byte (a cell) for each element. */
typedef struct neighbourhood {
    size_t place[CLCONV_TENSOR_AXES]; /* N C D of the plane; H W of the window's first element */
    unsigned char cells[VIEW_ROWS][VIEW_COLUMNS];
} neighbourhood;

/** The window around a dense index, where all elements are expected; not of a bias's gradient. */
clconv_status look_around(neighbourhood *view, const case_data *data, const unsigned char *result,
                          const expected_output *expected, size_t dense);

#endif
