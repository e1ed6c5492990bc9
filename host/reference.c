#include "reference.h"

#include "element.h"
#include "parallel.h"
#include "problem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Neighbouring outputs that are summed together, so that their sums stay in registers. */
enum { TILE = 8 };

typedef struct judge {
    const clconv_problem *problem;
    const clconv_host_tensors *tensors;
    clconv__geometry g;
    clconv__scalars scalars;
    size_t padded[CLCONV_SPATIAL_AXES]; /* extents of a channel with its zeros around it */
    double *input;   /* one picture, padded: [channel][d][h][w], and slack for the last tile */
    double *weights; /* [out channel][in channel of the group][kernel], flipped if need be */
    double *output, *bound;
    size_t picture;
} judge;

static size_t product(const size_t extent[]) {
    return extent[0] * extent[1] * extent[2];
}

/* ---- tensors to dense doubles ---- */

static void load_weights(void *context, size_t out_channel) {
    judge *j = context;
    const clconv_problem *p = j->problem;
    const size_t *stride = j->g.weights_stride, *kernel = p->kernel;
    clconv_type type = clconv_tensor_type(p, CLCONV_WEIGHTS);
    double *to = j->weights + out_channel * j->g.taps;
    for (size_t c = 0; c < j->g.in_per_group; ++c)
        for (size_t d = 0; d < kernel[0]; ++d)
            for (size_t h = 0; h < kernel[1]; ++h)
                for (size_t w = 0; w < kernel[2]; ++w) {
                    int flip = p->mode == CLCONV_CONVOLUTION;
                    size_t at = out_channel * stride[0] + c * stride[1] +
                                (flip ? kernel[0] - 1 - d : d) * stride[2] +
                                (flip ? kernel[1] - 1 - h : h) * stride[3] +
                                (flip ? kernel[2] - 1 - w : w) * stride[4];
                    *to++ =
                        clconv_element_get(j->tensors->weights, type, at) - p->weights_zero_point;
                }
}

static void load_channel(void *context, size_t channel) {
    judge *j = context;
    const clconv_problem *p = j->problem;
    const size_t *stride = j->g.input_stride, *extent = j->padded;
    double *to = j->input + channel * product(extent);
    memset(to, 0, product(extent) * sizeof *to);
    for (size_t d = 0; d < p->input[0]; ++d)
        for (size_t h = 0; h < p->input[1]; ++h) {
            size_t from =
                j->picture * stride[0] + channel * stride[1] + d * stride[2] + h * stride[3];
            double *row = to +
                          ((d + p->pad_begin[0]) * extent[1] + h + p->pad_begin[1]) * extent[2] +
                          p->pad_begin[2];
            for (size_t w = 0; w < p->input[2]; ++w)
                row[w] = clconv_element_get(j->tensors->input, p->type, from + w * stride[4]) -
                         p->input_zero_point;
        }
}

/* ---- the sums ---- */

/* Sums of products and of their magnitudes for TILE outputs that lie `step` inputs apart. */
static void sum_taps(double sum[TILE], double magnitude[TILE], const judge *j, const double *input,
                     const double *weights, size_t step) {
    const clconv_problem *p = j->problem;
    const size_t *extent = j->padded;
    for (size_t c = 0; c < j->g.in_per_group; ++c)
        for (size_t d = 0; d < p->kernel[0]; ++d)
            for (size_t h = 0; h < p->kernel[1]; ++h) {
                const double *row = input + ((c * extent[0] + d * p->dilation[0]) * extent[1] +
                                             h * p->dilation[1]) *
                                                extent[2];
                for (size_t w = 0; w < p->kernel[2]; ++w, ++weights)
                    for (int i = 0; i < TILE; ++i) {
                        double term = *weights * row[w * p->dilation[2] + (size_t)i * step];
                        sum[i] += term;
                        magnitude[i] += fabs(term);
                    }
            }
}

/* ---- the epilogue and its error ---- */

/*
 * Each activation, a Lipschitz constant of it, and the error of evaluating it at v with result r in
 * arithmetic of unit roundoff u: relative to r, and relative to v where terms cancel. The factors
 * count the roundings with OpenCL C's limits for full profile (exp 3, tanh 5, erf 16, divide 2.5
 * units in the last place, that is 2u each), rounded up.
 */
typedef struct activation_row {
    double (*function)(double v, double a, double b);
    double lipschitz;
    double relative_to_result;
    double relative_to_argument;
} activation_row;

static double none(double v, double a, double b) {
    (void)a, (void)b;
    return v;
}
static double relu(double v, double a, double b) {
    (void)a, (void)b;
    return v > 0 ? v : 0;
}
static double clamp(double v, double a, double b) {
    return v < a ? a : v > b ? b : v;
}
static double leaky_relu(double v, double a, double b) {
    (void)b;
    return v < 0 ? a * v : v;
}
static double sigmoid(double v, double a, double b) {
    (void)a, (void)b;
    return 1 / (1 + exp(-v));
}
static double hyperbolic_tangent(double v, double a, double b) {
    (void)a, (void)b;
    return tanh(v);
}
static double silu(double v, double a, double b) {
    (void)a, (void)b;
    return v / (1 + exp(-v));
}
static double gelu(double v, double a, double b) {
    (void)a, (void)b;
    return 0.5 * v * (1 + erf(v * 0.70710678118654752440));
}
static double hard_swish(double v, double a, double b) {
    (void)a, (void)b;
    return v * clamp(v + 3, 0, 6) / 6;
}

static const activation_row activations[] = {
    [CLCONV_ACTIVATION_NONE] = {none, 1, 0, 0},
    [CLCONV_RELU] = {relu, 1, 0, 0},
    [CLCONV_CLAMP] = {clamp, 1, 0, 0},
    [CLCONV_LEAKY_RELU] = {leaky_relu, 1, 1, 0},
    [CLCONV_SIGMOID] = {sigmoid, 0.25, 16, 0},
    [CLCONV_TANH] = {hyperbolic_tangent, 1, 10, 0},
    [CLCONV_SILU] = {silu, 1.1, 20, 0},
    [CLCONV_GELU] = {gelu, 1.13, 8, 24},
    [CLCONV_HARD_SWISH] = {hard_swish, 1.5, 10, 0},
};

double clconv__lipschitz(const clconv_problem *p) {
    double constant = activations[p->activation].lipschitz;
    double slope = fabs(clconv__scalars_of(p).a);
    return p->activation == CLCONV_LEAKY_RELU ? fmax(constant, slope) : constant;
}

/* Roundings on the longest path from a product to the output. */
static double roundings(const judge *j) {
    const clconv_problem *p = j->problem;
    return (double)j->g.taps + (j->scalars.alpha != 1) + !!p->has_bias + !!p->has_residual +
           2 * (j->scalars.beta != 0);
}

double clconv__gamma(double n, double u) {
    return n * u < 1 ? n * u / (1 - n * u) : INFINITY;
}

/*
 * Bound on |computed - reference|; v is the exact argument of the activation up to the reference's
 * own roundings, r the result, S the sum of the magnitudes of all terms, magnitude that of the
 * products alone.
 */
static double error_bound(const judge *j, double v, double r, double S, double magnitude) {
    const clconv_problem *p = j->problem;
    const clconv__type_facts *type = clconv__type(p->type);
    const activation_row *row = &activations[p->activation];
    const double u = type->accumulate_roundoff, reference_u = 0x1p-53;
    if (u == 0)
        return 0;
    double n = roundings(j);
    double argument = (clconv__gamma(n, u) + clconv__gamma(n, reference_u)) * S +
                      2 * n * type->accumulate_tiny * fmax(1, fabs(j->scalars.alpha));
    double evaluation = (u + reference_u) *
                        (row->relative_to_result * fabs(r) + row->relative_to_argument * fabs(v));
    if (row->relative_to_result != 0)
        evaluation += 4 * type->accumulate_tiny;
    double bound = argument * clconv__lipschitz(p) + evaluation;
    double storage = type->storage_roundoff * (fabs(r) + bound + 2 * type->storage_tiny);
    /* Partial sums may overflow on the way, and hard_swish takes its argument six times. */
    double on_the_way = fmax(S, magnitude) + argument;
    if (p->activation == CLCONV_HARD_SWISH)
        on_the_way = fmax(on_the_way, 8 * fabs(v));
    if (fabs(r) + bound + storage > type->largest || on_the_way > type->accumulate_largest)
        return INFINITY;
    return bound + storage;
}

/* Index of an output element in memory and, by the return value, in the dense result. */
static size_t locate(size_t *in_memory, const judge *j, size_t channel, size_t d, size_t h,
                     size_t w) {
    const size_t *stride = j->g.output_stride, *extent = j->g.output;
    *in_memory = j->picture * stride[0] + channel * stride[1] + d * stride[2] + h * stride[3] +
                 w * stride[4];
    return (((j->picture * j->problem->out_channels + channel) * extent[0] + d) * extent[1] + h) *
               extent[2] +
           w;
}

static void finish(const judge *j, size_t channel, size_t d, size_t h, size_t w, double sum,
                   double magnitude) {
    const clconv_problem *p = j->problem;
    const clconv__scalars *s = &j->scalars;
    const clconv_host_tensors *t = j->tensors;
    clconv_type type = clconv_tensor_type(p, CLCONV_OUTPUT);
    size_t in_memory, dense = locate(&in_memory, j, channel, d, h, w);
    double bias = p->has_bias ? clconv_element_get(t->bias, type, channel) : 0;
    double residual = p->has_residual ? clconv_element_get(t->residual, type, in_memory) : 0;
    double old = s->beta != 0 ? s->beta * clconv_element_get(t->output, type, in_memory) : 0;
    double v = s->alpha * sum + bias + residual + old;
    double r = activations[p->activation].function(v, s->a, s->b);
    j->output[dense] = r;
    if (j->bound)
        j->bound[dense] = error_bound(
            j, v, r, fabs(s->alpha) * magnitude + fabs(bias) + fabs(residual) + fabs(old),
            magnitude);
}

/* One row of outputs: index counts channel, then d, then h. */
static void judge_row(void *context, size_t index) {
    const judge *j = context;
    const clconv_problem *p = j->problem;
    const size_t *out = j->g.output, *extent = j->padded;
    size_t h = index % out[1], d = index / out[1] % out[0], channel = index / out[1] / out[0];
    size_t group = channel / j->g.out_per_group;
    const double *row = j->input + group * j->g.in_per_group * product(extent) +
                        (d * p->stride[0] * extent[1] + h * p->stride[1]) * extent[2];
    const double *weights = j->weights + channel * j->g.taps;
    for (size_t w = 0; w < out[2]; w += TILE) {
        double sum[TILE] = {0}, magnitude[TILE] = {0};
        sum_taps(sum, magnitude, j, row + w * p->stride[2], weights, p->stride[2]);
        for (size_t i = 0; i < TILE && w + i < out[2]; ++i)
            finish(j, channel, d, h, w + i, sum[i], magnitude[i]);
    }
}

/* ---- */

static clconv_status check_tensors(const clconv_problem *p, const clconv_host_tensors *t) {
    const struct {
        const char *name;
        const void *data;
        int needed;
    } rows[] = {{"input", t->input, 1},
                {"weights", t->weights, 1},
                {"bias", t->bias, p->has_bias},
                {"residual", t->residual, p->has_residual},
                {"output (read because beta is not 0)", t->output, p->beta != 0}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; ++i)
        if (rows[i].needed && !rows[i].data)
            return clconv__fail(CLCONV_INVALID_ARGUMENT, "tensors.%s is NULL", rows[i].name);
    return CLCONV_OK;
}

/* Extents with padding, and doubles for one padded picture with slack behind its last tile. */
static clconv_status measure(judge *j, size_t *input_count, size_t *weights_count) {
    const clconv_problem *p = j->problem;
    size_t count = p->in_channels, slack;
    int overflows = 0;
    for (int axis = 0; axis < CLCONV_SPATIAL_AXES; ++axis) {
        j->padded[axis] = p->input[axis] + p->pad_begin[axis] + p->pad_end[axis];
        overflows |= __builtin_mul_overflow(count, j->padded[axis], &count);
    }
    overflows |= __builtin_mul_overflow(p->stride[2], TILE, &slack);
    overflows |= __builtin_add_overflow(count, slack, &count);
    overflows |= __builtin_mul_overflow(p->out_channels, j->g.taps, weights_count);
    *input_count = count;
    if (overflows || count > SIZE_MAX / sizeof(double) ||
        *weights_count > SIZE_MAX / sizeof(double))
        return clconv__fail(CLCONV_SIZE_OVERFLOW,
                            "the reference's padded picture does not fit size_t");
    return CLCONV_OK;
}

clconv_status clconv__reference(double *output, double *bound, const clconv_problem *problem,
                                const clconv_host_tensors *tensors) {
    judge j = {.problem = problem, .tensors = tensors, .output = output, .bound = bound};
    size_t input_count, weights_count;
    clconv_status status = clconv__geometry_of(&j.g, problem);
    if (status)
        return status;
    if (problem->direction != CLCONV_FORWARD)
        return clconv__fail(CLCONV_UNSUPPORTED, "direction %s has no reference",
                            clconv__direction_names[problem->direction]);
    if ((status = check_tensors(problem, tensors)) ||
        (status = measure(&j, &input_count, &weights_count)))
        return status;
    j.scalars = clconv__scalars_of(problem);
    j.input = calloc(input_count, sizeof *j.input);
    j.weights = malloc(weights_count * sizeof *j.weights);
    if (!j.input || !j.weights) {
        status = clconv__fail(CLCONV_OUT_OF_MEMORY, "the reference needs %zu and %zu doubles",
                              input_count, weights_count);
        goto done;
    }
    clconv__parallel_for(problem->out_channels, load_weights, &j);
    for (j.picture = 0; j.picture < problem->batch; ++j.picture) {
        clconv__parallel_for(problem->in_channels, load_channel, &j);
        clconv__parallel_for(problem->out_channels * j.g.output[0] * j.g.output[1], judge_row, &j);
    }
done:
    free(j.input);
    free(j.weights);
    return status;
}
