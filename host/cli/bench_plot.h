/* How time grows with work, as a picture. */
#ifndef CLCONV_CLI_BENCH_PLOT_H
#define CLCONV_CLI_BENCH_PLOT_H

#include <stddef.h>
#include <stdio.h>

/** Runs, at least one. */
typedef struct bench_points {
    const char **names; /* of problems; what stands before its last colon names the curve */
    double *flops, *seconds;
    size_t count;
} bench_points;

/**
 * Time over work, both in decades, with a curve for each row of points of one name, and the time
 * that the device's peak would take.
 * @param gflops the peak; 0 where it is not known
 */
void bench_plot(FILE *f, const bench_points *points, double gflops);

#endif
