#include "reference.h"

#include "element.h"
#include "parallel.h"
#include "problem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Neighbouring outputs that are summed together, so that their sums stay in registers. */
enum { TILE = 8 };

/*
 * One picture lies in a buffer with zeros around its elements and, where the result is gathered
 * through strides, between them: element e of an axis at origin + e*spread. Windows of the kernel
 * then lie `step` apart, and gathering is a correlation with the kernel turned around.
 */
typedef struct judge {
    const clconv_problem *problem;
    const clconv_host_tensors *tensors;
    clconv__geometry g;
    clconv__scalars scalars;
    int gathers;              /* the gradient of the input, or a transposed convolution */
    const void *source, *old; /* tensors: what is read with the weights, and the result's content */
    size_t in_channels, out_channels; /* of all groups, where the problem reads and writes */
    size_t padded[CLCONV_SPATIAL_AXES];
    size_t origin[CLCONV_SPATIAL_AXES]; /* may be negative, and then wraps around */
    size_t spread[CLCONV_SPATIAL_AXES];
    size_t step[CLCONV_SPATIAL_AXES];
    double *input;    /* one picture: [channel][d][h][w], and slack for the last tile */
    double *weights;  /* [out channel][in channel of the group][kernel], flipped if need be */
    double *gradient; /* of one picture's output: [channel][d][h][w] */
    double *sums, *magnitudes; /* of the weights' and then the bias's gradients */
    double *output, *bound;
    size_t picture;
} judge;

static size_t product(const size_t extent[]) {
    return extent[0] * extent[1] * extent[2];
}

static size_t flipped(const clconv_problem *p, int axis, size_t k, int is_flipped) {
    return is_flipped ? p->kernel[axis] - 1 - k : k;
}

/* ---- tensors to dense doubles ---- */

static void load_weights(void *context, size_t channel) {
    judge *j = context;
    const clconv_problem *p = j->problem;
    const size_t *stride = j->g.weights_stride, *kernel = p->kernel;
    const int flips = (p->mode == CLCONV_CONVOLUTION) != j->gathers;
    const size_t group = channel / j->g.out_per_group, local = channel % j->g.out_per_group;
    clconv_type type = clconv_tensor_type(p, CLCONV_WEIGHTS);
    double *to = j->weights + channel * j->g.taps;
    for (size_t c = 0; c < j->g.in_per_group; ++c)
        for (size_t d = 0; d < kernel[0]; ++d)
            for (size_t h = 0; h < kernel[1]; ++h)
                for (size_t w = 0; w < kernel[2]; ++w) {
                    size_t at = flipped(p, 0, d, flips) * stride[2] +
                                flipped(p, 1, h, flips) * stride[3] +
                                flipped(p, 2, w, flips) * stride[4];
                    at += j->gathers
                              ? (group * j->g.in_per_group + c) * stride[0] + local * stride[1]
                              : channel * stride[0] + c * stride[1];
                    *to++ =
                        clconv_element_get(j->tensors->weights, type, at) - p->weights_zero_point;
                }
}

static void load_channel(void *context, size_t channel) {
    judge *j = context;
    const clconv_problem *p = j->problem;
    const size_t *stride = j->g.input_stride, *extent = j->padded, *in = j->g.input;
    double *to = j->input + channel * product(extent);
    memset(to, 0, product(extent) * sizeof *to);
    for (size_t d = 0; d < in[0]; ++d)
        for (size_t h = 0; h < in[1]; ++h) {
            size_t from =
                j->picture * stride[0] + channel * stride[1] + d * stride[2] + h * stride[3];
            size_t at_d = j->origin[0] + d * j->spread[0], at_h = j->origin[1] + h * j->spread[1];
            if (at_d >= extent[0] || at_h >= extent[1])
                continue;
            double *row = to + (at_d * extent[1] + at_h) * extent[2];
            for (size_t w = 0; w < in[2]; ++w) {
                size_t at_w = j->origin[2] + w * j->spread[2];
                if (at_w < extent[2])
                    row[at_w] = clconv_element_get(j->source, p->type, from + w * stride[4]) -
                                p->input_zero_point;
            }
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
    const int adds_bias = p->has_bias && p->direction != CLCONV_BACKWARD_WEIGHTS;
    return (double)j->g.taps + (j->scalars.alpha != 1) + adds_bias + !!p->has_residual +
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
    return (((j->picture * j->out_channels + channel) * extent[0] + d) * extent[1] + h) *
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
    double old = s->beta != 0 ? s->beta * clconv_element_get(j->old, type, in_memory) : 0;
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
    const size_t *out = j->g.output, *extent = j->padded;
    size_t h = index % out[1], d = index / out[1] % out[0], channel = index / out[1] / out[0];
    size_t group = channel / j->g.out_per_group;
    const double *row = j->input + group * j->g.in_per_group * product(extent) +
                        (d * j->step[0] * extent[1] + h * j->step[1]) * extent[2];
    const double *weights = j->weights + channel * j->g.taps;
    for (size_t w = 0; w < out[2]; w += TILE) {
        double sum[TILE] = {0}, magnitude[TILE] = {0};
        sum_taps(sum, magnitude, j, row + w * j->step[2], weights, j->step[2]);
        for (size_t i = 0; i < TILE && w + i < out[2]; ++i)
            finish(j, channel, d, h, w + i, sum[i], magnitude[i]);
    }
}

/* ---- the gradient of the weights and the bias ---- */

/* One channel of one picture's output gradient, dense; its sum is part of the bias's gradient. */
static void load_gradient(void *context, size_t channel) {
    judge *j = context;
    const clconv_problem *p = j->problem;
    const size_t *stride = j->g.output_stride, *out = j->g.output;
    double *to = j->gradient + channel * j->g.pixels;
    const size_t bias = p->out_channels * j->g.in_per_group * product(p->kernel) + channel;
    for (size_t d = 0; d < out[0]; ++d)
        for (size_t h = 0; h < out[1]; ++h)
            for (size_t w = 0; w < out[2]; ++w, ++to) {
                *to = clconv_element_get(j->tensors->output, p->type,
                                         j->picture * stride[0] + channel * stride[1] +
                                             d * stride[2] + h * stride[3] + w * stride[4]);
                j->sums[bias] += *to;
                j->magnitudes[bias] += fabs(*to);
            }
}

/* Adds products of a row of gradients and inputs `step` apart, in TILE sums. */
static void add_row(double sum[TILE], double magnitude[TILE], const double *gradient,
                    const double *input, size_t step, size_t count) {
    size_t w = 0;
    for (; w + TILE <= count; w += TILE)
        for (size_t i = 0; i < TILE; ++i) {
            double term = gradient[w + i] * input[(w + i) * step];
            sum[i] += term;
            magnitude[i] += fabs(term);
        }
    for (; w < count; ++w) {
        double term = gradient[w] * input[w * step];
        sum[0] += term;
        magnitude[0] += fabs(term);
    }
}

/* One weight's part that comes from the picture; input is where its tap meets the first output. */
static void add_picture(const judge *j, const double *gradient, const double *input,
                        size_t weight) {
    const size_t *out = j->g.output, *extent = j->padded;
    double sum[TILE] = {0}, magnitude[TILE] = {0};
    for (size_t d = 0; d < out[0]; ++d)
        for (size_t h = 0; h < out[1]; ++h)
            add_row(sum, magnitude, gradient + (d * out[1] + h) * out[2],
                    input + (d * j->step[0] * extent[1] + h * j->step[1]) * extent[2], j->step[2],
                    out[2]);
    for (int i = 0; i < TILE; ++i) {
        j->sums[weight] += sum[i];
        j->magnitudes[weight] += magnitude[i];
    }
}

/* All weights of one output channel, in the order of the reference's result. */
static void add_filter(void *context, size_t channel) {
    judge *j = context;
    const clconv_problem *p = j->problem;
    const size_t *kernel = p->kernel, *extent = j->padded;
    const int flips = p->mode == CLCONV_CONVOLUTION;
    const size_t group = channel / j->g.out_per_group;
    const double *gradient = j->gradient + channel * j->g.pixels;
    size_t weight = channel * j->g.in_per_group * product(kernel);
    for (size_t c = 0; c < j->g.in_per_group; ++c)
        for (size_t d = 0; d < kernel[0]; ++d)
            for (size_t h = 0; h < kernel[1]; ++h)
                for (size_t w = 0; w < kernel[2]; ++w, ++weight) {
                    size_t plane = (group * j->g.in_per_group + c) * extent[0] +
                                   flipped(p, 0, d, flips) * p->dilation[0];
                    size_t row = plane * extent[1] + flipped(p, 1, h, flips) * p->dilation[1];
                    add_picture(j, gradient,
                                j->input + row * extent[2] +
                                    flipped(p, 2, w, flips) * p->dilation[2],
                                weight);
                }
}

static void finish_gradient(const judge *j, size_t index, const void *old, size_t in_memory) {
    const clconv__scalars *s = &j->scalars;
    double sum = s->alpha * j->sums[index], magnitude = j->magnitudes[index];
    double before =
        s->beta != 0 ? s->beta * clconv_element_get(old, j->problem->type, in_memory) : 0;
    j->output[index] = sum + before;
    if (j->bound)
        j->bound[index] = error_bound(j, sum + before, sum + before,
                                      fabs(s->alpha) * magnitude + fabs(before), magnitude);
}

static void finish_gradients(const judge *j) {
    const clconv_problem *p = j->problem;
    const size_t *stride = j->g.weights_stride, *kernel = p->kernel;
    const size_t in = j->g.in_per_group, weights = p->out_channels * in * product(kernel);
    for (size_t i = 0; i < weights; ++i) {
        size_t w = i % kernel[2], h = i / kernel[2] % kernel[1];
        size_t d = i / kernel[2] / kernel[1] % kernel[0], filter = i / product(kernel);
        finish_gradient(j, i, j->old,
                        filter / in * stride[0] + filter % in * stride[1] + d * stride[2] +
                            h * stride[3] + w * stride[4]);
    }
    for (size_t c = 0; p->has_bias && c < p->out_channels; ++c)
        finish_gradient(j, weights + c, j->tensors->bias, c);
}

static clconv_status judge_gradients(judge *j) {
    const clconv_problem *p = j->problem;
    const size_t outputs = p->out_channels * j->g.pixels;
    const size_t results = p->out_channels * (j->g.in_per_group * product(p->kernel) + 1);
    j->gradient = malloc(outputs * sizeof(double));
    j->sums = calloc(results, sizeof(double));
    j->magnitudes = calloc(results, sizeof(double));
    if (!j->gradient || !j->sums || !j->magnitudes)
        return clconv__fail(CLCONV_OUT_OF_MEMORY, "the reference needs %zu and %zu doubles",
                            outputs, results);
    for (j->picture = 0; j->picture < p->batch; ++j->picture) {
        clconv__parallel_for(p->in_channels, load_channel, j);
        clconv__parallel_for(p->out_channels, load_gradient, j);
        clconv__parallel_for(p->out_channels, add_filter, j);
    }
    finish_gradients(j);
    return CLCONV_OK;
}

/* ---- */

static clconv_status check_tensors(const clconv_problem *p, const clconv_host_tensors *t) {
    const struct {
        const char *name;
        const void *data;
        clconv_tensor tensor;
        int is_there;
    } rows[] = {{"input", t->input, CLCONV_INPUT, 1},
                {"weights", t->weights, CLCONV_WEIGHTS, 1},
                {"bias", t->bias, CLCONV_BIAS, p->has_bias},
                {"residual", t->residual, CLCONV_RESIDUAL, p->has_residual},
                {"output", t->output, CLCONV_OUTPUT, 1}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; ++i) {
        int is_computed = clconv_tensor_is_computed(p, rows[i].tensor);
        if (rows[i].is_there && !rows[i].data && (!is_computed || p->beta != 0))
            return clconv__fail(CLCONV_INVALID_ARGUMENT, "tensors.%s%s is NULL", rows[i].name,
                                is_computed ? " (read because beta is not 0)" : "");
    }
    return CLCONV_OK;
}

/* Where a picture's elements lie in the buffer; nonzero where its extents overflow. */
static int place_axis(judge *j, int axis) {
    const clconv_problem *p = j->problem;
    const size_t reach = p->dilation[axis] * (p->kernel[axis] - 1);
    if (!j->gathers) {
        j->origin[axis] = p->pad_begin[axis];
        j->spread[axis] = 1;
        /* From a single output on nothing steps, and the stride may be any number. */
        j->step[axis] = j->g.output[axis] > 1 ? p->stride[axis] : 1;
        j->padded[axis] = p->input[axis] + p->pad_begin[axis] + p->pad_end[axis];
        return 0;
    }
    j->origin[axis] = reach - p->pad_begin[axis];
    j->spread[axis] = p->stride[axis];
    j->step[axis] = 1;
    return __builtin_add_overflow(j->g.output[axis], reach, &j->padded[axis]);
}

/* Extents with padding, and doubles for one padded picture with slack behind its last tile. */
static clconv_status measure(judge *j, size_t *input_count, size_t *weights_count) {
    size_t count = j->in_channels, slack;
    int overflows = 0;
    for (int axis = 0; axis < CLCONV_SPATIAL_AXES; ++axis) {
        overflows |= place_axis(j, axis);
        overflows |= __builtin_mul_overflow(count, j->padded[axis], &count);
    }
    overflows |= __builtin_mul_overflow(j->step[2], TILE, &slack);
    overflows |= __builtin_add_overflow(count, slack, &count);
    overflows |= __builtin_mul_overflow(j->out_channels, j->g.taps, weights_count);
    *input_count = count;
    if (overflows || count > SIZE_MAX / sizeof(double) ||
        *weights_count > SIZE_MAX / sizeof(double))
        return clconv__fail(CLCONV_SIZE_OVERFLOW,
                            "the reference's padded picture does not fit size_t");
    return CLCONV_OK;
}

static void judge_pictures(judge *j) {
    clconv__parallel_for(j->out_channels, load_weights, j);
    for (j->picture = 0; j->picture < j->problem->batch; ++j->picture) {
        clconv__parallel_for(j->in_channels, load_channel, j);
        clconv__parallel_for(j->out_channels * j->g.output[0] * j->g.output[1], judge_row, j);
    }
}

static void describe(judge *j) {
    const clconv_problem *p = j->problem;
    const clconv_host_tensors *t = j->tensors;
    const void *const tensors[] = {t->input, t->weights, t->bias, t->residual, t->output};
    j->gathers = clconv__gathers(p);
    j->source = p->direction == CLCONV_BACKWARD_DATA ? t->output : t->input;
    j->old = tensors[clconv__result_of(p)];
    j->in_channels = j->g.in_per_group * p->groups;
    j->out_channels = j->g.out_per_group * p->groups;
    j->scalars = clconv__scalars_of(p);
}

clconv_status clconv__reference(double *output, double *bound, const clconv_problem *problem,
                                const clconv_host_tensors *tensors) {
    judge j = {.problem = problem, .tensors = tensors, .output = output, .bound = bound};
    const int computes_weights = problem && problem->direction == CLCONV_BACKWARD_WEIGHTS;
    size_t input_count, weights_count;
    clconv_status status = clconv__geometry_of(&j.g, problem);
    if (status || (status = check_tensors(problem, tensors)))
        return status;
    describe(&j);
    if ((status = measure(&j, &input_count, &weights_count)))
        return status;
    if (computes_weights)
        weights_count = 1; /* they are not read */
    j.input = calloc(input_count, sizeof *j.input);
    j.weights = malloc(weights_count * sizeof *j.weights);
    if (!j.input || !j.weights)
        status = clconv__fail(CLCONV_OUT_OF_MEMORY, "the reference needs %zu and %zu doubles",
                              input_count, weights_count);
    else if (computes_weights)
        status = judge_gradients(&j);
    else
        judge_pictures(&j);
    free(j.input);
    free(j.weights);
    free(j.gradient);
    free(j.sums);
    free(j.magnitudes);
    return status;
}
