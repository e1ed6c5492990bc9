/*
 * Error of forward sums whose f32 operands are rounded to tf32, which has 11 bits. With v = 2^-11
 * an operand becomes x (1 + d), |d| <= v, so that every product is off by at most (2 v + v^2) |x
 * w|; and the products that are summed are larger by that much at most, which the roundings of
 * their sum see. To the bound of sums of the operands themselves that adds
 *
 *     (2 v + v^2) (1 + gamma(n)) S,    S = sum of |x w|
 *
 * before alpha, the activation and the rounding in memory.
 */
#include "reference.h"

#include "element.h"
#include "problem.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

/* From here on an operand may be rounded to infinity. */
#define TOO_LARGE (FLT_MAX * (1 - 0x1p-11))

/* Freed by the caller; NULL where memory ran out. */
static float *magnitudes(int *overflows, const float *from, size_t count) {
    float *to = malloc(count * sizeof *to);
    for (size_t i = 0; to && i < count; ++i) {
        to[i] = fabsf(from[i]);
        *overflows |= isfinite(to[i]) && to[i] >= TOO_LARGE;
    }
    return to;
}

/* From a sum of magnitudes to the error. The activation's own error and the rounding in memory grow
 * with its result; 2^-16 is more than all of their constants together. */
static double factor_of(const clconv_problem *p, const clconv__geometry *g) {
    const double epilogue = 5, v = 0x1p-11;
    const double u = clconv__type(p->type)->accumulate_roundoff;
    return (2 * v + v * v) * (1 + clconv__gamma((double)g->taps + epilogue, u)) *
           fabs(clconv__scalars_of(p).alpha) * clconv__lipschitz(p) * (1 + 0x1p-16);
}

/* The sum of the magnitudes of each output's products. */
static clconv_status sum_magnitudes(double *sums, const clconv_problem *problem, const float *input,
                                    const float *weights) {
    clconv_problem p = *problem;
    p.has_bias = p.has_residual = 0;
    p.activation = CLCONV_ACTIVATION_NONE;
    p.alpha = 1;
    p.beta = 0;
    return clconv__reference(sums, NULL, &p,
                             &(clconv_host_tensors){.input = input, .weights = weights});
}

clconv_status clconv__tf32_bound(double *bound, const clconv_problem *problem,
                                 const clconv_host_tensors *tensors) {
    clconv__geometry g;
    size_t inputs = 0, filters = 0;
    int overflows = 0;
    float *input = NULL, *weights = NULL;
    double *sums = NULL;
    clconv_status status = clconv__geometry_of(&g, problem);
    if (status)
        return status;
    if (problem->direction != CLCONV_FORWARD || problem->type != CLCONV_F32)
        return clconv__fail(CLCONV_UNSUPPORTED, "tf32 is for forward problems of type f32");
    const size_t outputs = problem->batch * problem->out_channels * g.pixels;
    if ((status = clconv_tensor_elements(&inputs, problem, CLCONV_INPUT)) ||
        (status = clconv_tensor_elements(&filters, problem, CLCONV_WEIGHTS)))
        return status;
    input = magnitudes(&overflows, tensors->input, inputs);
    weights = magnitudes(&overflows, tensors->weights, filters);
    sums = malloc(outputs * sizeof *sums);
    if (!input || !weights || !sums)
        status = clconv__fail(CLCONV_OUT_OF_MEMORY, "the bound needs %zu doubles", outputs);
    else
        status = sum_magnitudes(sums, problem, input, weights);
    const double factor = factor_of(problem, &g);
    for (size_t i = 0; i < outputs && !status; ++i)
        bound[i] += overflows || sums[i] > FLT_MAX / 2 ? INFINITY : factor * sums[i];
    free(input);
    free(weights);
    free(sums);
    return status;
}
