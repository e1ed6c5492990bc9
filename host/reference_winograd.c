/*
 * Error of Winograd's minimal filtering F(M x M, R x R), element by element. Every output is
 *
 *     sum over i, j of A[r][i] A[q][j] * sum over c of (G w G')[i][j] * (B' x B)[i][j]
 *
 * so a computed one differs from it by at most gamma(n) times the same expression with the
 * magnitudes of all matrices, weights and inputs, where n counts the roundings on the longest path
 * through the three transforms and the sum over channels (Higham, "Accuracy and Stability of
 * Numerical Algorithms", 2nd ed., sections 3.1 and 3.5).
 */
#include "reference.h"

#include "element.h"
#include "parallel.h"
#include "problem.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

enum { MOST_OUT = 4, MOST_KERNEL = 5, MOST_SIDE = 6, MOST_PLACES = MOST_SIDE * MOST_SIDE };

/*
 * Magnitudes of the matrices of cl_kernels/winograd.h, and roundings: a division counts five,
 * because OpenCL C allows it 2.5 units in the last place, unless it is by a power of two.
 */
typedef struct winograd_matrices {
    size_t out, kernel, side;
    double weights[MOST_SIDE][MOST_KERNEL];
    const double (*input)[MOST_SIDE];
    double output[MOST_OUT][MOST_SIDE];
    double roundings; /* of the three transforms, both dimensions */
} winograd_matrices;

/* Inputs are transformed alike wherever the points of evaluation are the same. */
static const double of_four_points[][MOST_SIDE] = {
    {1, 0, 1, 0}, {0, 1, 1, 0}, {0, 1, 1, 0}, {0, 1, 0, 1}};
static const double of_six_points[][MOST_SIDE] = {{4, 0, 5, 0, 1, 0}, {0, 4, 4, 1, 1, 0},
                                                  {0, 4, 4, 1, 1, 0}, {0, 2, 1, 2, 1, 0},
                                                  {0, 2, 1, 2, 1, 0}, {0, 4, 0, 5, 0, 1}};

static const winograd_matrices f2 = {2,
                                     3,
                                     4,
                                     {{1, 0, 0}, {0.5, 0.5, 0.5}, {0.5, 0.5, 0.5}, {0, 0, 1}},
                                     of_four_points,
                                     {{1, 1, 1, 0}, {0, 1, 1, 1}},
                                     2 * (2 + 1 + 2)};

static const winograd_matrices f4 = {
    4,
    3,
    6,
    {{1 / 4., 0, 0},
     {1 / 6., 1 / 6., 1 / 6.},
     {1 / 6., 1 / 6., 1 / 6.},
     {1 / 24., 1 / 12., 1 / 6.},
     {1 / 24., 1 / 12., 1 / 6.},
     {0, 0, 1}},
    of_six_points,
    {{1, 1, 1, 1, 1, 0}, {0, 1, 1, 2, 2, 0}, {0, 1, 1, 4, 4, 0}, {0, 1, 1, 8, 8, 1}},
    2 * (7 + 3 + 3)};

/* F(2x2, 5x5). */
static const winograd_matrices f2_of_5 = {2,
                                          5,
                                          6,
                                          {{1 / 4., 0, 0, 0, 0},
                                           {1 / 6., 1 / 6., 1 / 6., 1 / 6., 1 / 6.},
                                           {1 / 6., 1 / 6., 1 / 6., 1 / 6., 1 / 6.},
                                           {1 / 24., 1 / 12., 1 / 6., 1 / 3., 2 / 3.},
                                           {1 / 24., 1 / 12., 1 / 6., 1 / 3., 2 / 3.},
                                           {0, 0, 0, 0, 1}},
                                          of_six_points,
                                          {{1, 1, 1, 1, 1, 0}, {0, 1, 1, 2, 2, 1}},
                                          2 * (8 + 3 + 3)};

typedef struct winograd_judge {
    const clconv_problem *problem;
    const clconv_host_tensors *tensors;
    clconv__geometry g;
    const winograd_matrices *m;
    size_t tiles_h, tiles_w;
    double *input;  /* one picture: [channel][tile][place] */
    double factor;  /* from the sum of magnitudes to the error */
    double tiny;    /* what subnormals that are flushed between the transforms can add */
    double largest; /* magnitudes from here on may overflow on the way, each transform's */
    double *bound;
    size_t picture;
} winograd_judge;

/* |x| of one element, 0 in the padding. */
static double magnitude_at(const winograd_judge *j, size_t channel, ptrdiff_t h, ptrdiff_t w) {
    const clconv_problem *p = j->problem;
    const size_t *stride = j->g.input_stride;
    if (h < 0 || w < 0 || (size_t)h >= p->input[1] || (size_t)w >= p->input[2])
        return 0;
    return fabs(clconv_element_get(j->tensors->input, p->type,
                                   j->picture * stride[0] + channel * stride[1] +
                                       (size_t)h * stride[3] + (size_t)w * stride[4]));
}

static void transform_tile(double *to, const winograd_judge *j, size_t channel, size_t tile_h,
                           size_t tile_w) {
    const winograd_matrices *m = j->m;
    double half_done[MOST_SIDE][MOST_SIDE] = {{0}};
    for (size_t r = 0; r < m->side; ++r)
        for (size_t q = 0; q < m->side; ++q) {
            double x = magnitude_at(
                j, channel, (ptrdiff_t)(tile_h * m->out + r) - (ptrdiff_t)j->problem->pad_begin[1],
                (ptrdiff_t)(tile_w * m->out + q) - (ptrdiff_t)j->problem->pad_begin[2]);
            for (size_t i = 0; i < m->side; ++i)
                half_done[i][q] += m->input[i][r] * x;
        }
    double largest = 0;
    for (size_t i = 0; i < m->side; ++i)
        for (size_t k = 0; k < m->side; ++k) {
            double sum = 0;
            for (size_t q = 0; q < m->side; ++q)
                sum += half_done[i][q] * m->input[k][q];
            to[i * m->side + k] = sum;
            largest = sum > largest ? sum : largest;
        }
    if (largest >= j->largest) /* the transform may overflow on the way */
        for (size_t i = 0; i < m->side * m->side; ++i)
            to[i] = INFINITY;
}

static void transform_channel(void *context, size_t channel) {
    const winograd_judge *j = context;
    size_t places = j->m->side * j->m->side;
    double *to = j->input + channel * j->tiles_h * j->tiles_w * places;
    for (size_t h = 0; h < j->tiles_h; ++h)
        for (size_t w = 0; w < j->tiles_w; ++w, to += places)
            transform_tile(to, j, channel, h, w);
}

/* Magnitudes of the transformed kernel of one pair of channels; flipping changes none. */
static void transform_kernel(double to[MOST_PLACES], const winograd_judge *j, size_t out_channel,
                             size_t c) {
    const winograd_matrices *m = j->m;
    const size_t *stride = j->g.weights_stride;
    const int flip = j->problem->mode == CLCONV_CONVOLUTION;
    const size_t last = m->kernel - 1;
    double w[MOST_KERNEL][MOST_KERNEL];
    for (size_t h = 0; h < m->kernel; ++h)
        for (size_t k = 0; k < m->kernel; ++k)
            w[h][k] = fabs(clconv_element_get(
                j->tensors->weights, clconv_tensor_type(j->problem, CLCONV_WEIGHTS),
                out_channel * stride[0] + c * stride[1] + (flip ? last - h : h) * stride[3] +
                    (flip ? last - k : k) * stride[4]));
    for (size_t i = 0; i < m->side; ++i)
        for (size_t k = 0; k < m->side; ++k) {
            double sum = 0;
            for (size_t h = 0; h < m->kernel; ++h)
                for (size_t q = 0; q < m->kernel; ++q)
                    sum += m->weights[i][h] * w[h][q] * m->weights[k][q];
            to[i * m->side + k] = sum < j->largest ? sum : INFINITY;
        }
}

static void raise_tile(const winograd_judge *j, const double *sums, size_t out_channel,
                       size_t tile_h, size_t tile_w) {
    const winograd_matrices *m = j->m;
    const size_t *out = j->g.output;
    for (size_t r = 0; r < m->out && tile_h * m->out + r < out[1]; ++r)
        for (size_t q = 0; q < m->out && tile_w * m->out + q < out[2]; ++q) {
            double sum = 0;
            for (size_t i = 0; i < m->side; ++i)
                for (size_t k = 0; k < m->side; ++k)
                    sum += m->output[r][i] * sums[i * m->side + k] * m->output[q][k];
            size_t dense = ((j->picture * j->problem->out_channels + out_channel) * out[1] +
                            tile_h * m->out + r) *
                               out[2] +
                           tile_w * m->out + q;
            j->bound[dense] += sum < j->largest ? j->factor * sum + j->tiny : INFINITY;
        }
}

static void raise_channel(void *context, size_t out_channel) {
    const winograd_judge *j = context;
    const size_t places = j->m->side * j->m->side, tiles = j->tiles_h * j->tiles_w;
    const size_t group = out_channel / j->g.out_per_group;
    double *sums = calloc(tiles * places, sizeof *sums);
    if (!sums) { /* a bound that proves nothing is still a bound */
        for (size_t i = 0; i < j->g.pixels; ++i)
            j->bound[(j->picture * j->problem->out_channels + out_channel) * j->g.pixels + i] =
                INFINITY;
        return;
    }
    for (size_t c = 0; c < j->g.in_per_group; ++c) {
        double kernel[MOST_PLACES];
        const double *x = j->input + (group * j->g.in_per_group + c) * tiles * places;
        transform_kernel(kernel, j, out_channel, c);
        for (size_t t = 0; t < tiles; ++t)
            for (size_t i = 0; i < places; ++i)
                sums[t * places + i] += kernel[i] * x[t * places + i];
    }
    for (size_t t = 0; t < tiles; ++t)
        raise_tile(j, sums + t * places, out_channel, t / j->tiles_w, t % j->tiles_w);
    free(sums);
}

/* gamma(n), with the epilogue's roundings counted in, through the activation and into memory. */
static double factor_of(const winograd_judge *j) {
    const clconv_problem *p = j->problem;
    const clconv__type_facts *type = clconv__type(p->type);
    const double epilogue = 5;
    double n = (double)j->g.in_per_group + j->m->roundings + epilogue;
    double gamma = clconv__gamma(n, type->accumulate_roundoff);
    return gamma * fabs(clconv__scalars_of(p).alpha) * clconv__lipschitz(p) *
           (1 + type->storage_roundoff);
}

static int is_minimal_filter(const clconv_problem *p, size_t kernel) {
    for (int axis = CLCONV_H; axis < CLCONV_SPATIAL_AXES; ++axis)
        if (p->kernel[axis] != kernel || p->stride[axis] != 1 || p->dilation[axis] != 1)
            return 0;
    return p->direction == CLCONV_FORWARD && p->kernel[CLCONV_D] == 1 && p->input[CLCONV_D] == 1 &&
           !p->pad_begin[CLCONV_D] && !p->pad_end[CLCONV_D];
}

static clconv_status raise_bound(double *bound, const clconv_problem *problem,
                                 const clconv_host_tensors *tensors, const winograd_matrices *m) {
    winograd_judge j = {.problem = problem, .tensors = tensors, .bound = bound, .m = m};
    clconv_status status = clconv__geometry_of(&j.g, problem);
    if (status)
        return status;
    if (!is_minimal_filter(problem, m->kernel))
        return clconv__fail(
            CLCONV_UNSUPPORTED,
            "F(%zux%zu, %zux%zu) is for forward kernels of that extent, with stride and "
            "dilation 1",
            m->out, m->out, m->kernel, m->kernel);
    j.tiles_h = (j.g.output[1] + m->out - 1) / m->out;
    j.tiles_w = (j.g.output[2] + m->out - 1) / m->out;
    /* No transform enlarges by more than 2^12, the square of its matrix's largest row sum; weights
     * of 5x5 are divided by 24*24 in the end. */
    j.factor = factor_of(&j);
    j.tiny = 0x1p-126 * 0x1p12 * (double)j.g.taps * j.factor / 0x1p-24;
    j.largest = FLT_MAX / 0x1p12;
    size_t count = problem->in_channels * j.tiles_h * j.tiles_w * m->side * m->side;
    if (!(j.input = malloc(count * sizeof *j.input)))
        return clconv__fail(CLCONV_OUT_OF_MEMORY, "the bound needs %zu doubles", count);
    for (j.picture = 0; j.picture < problem->batch; ++j.picture) {
        clconv__parallel_for(problem->in_channels, transform_channel, &j);
        clconv__parallel_for(problem->out_channels, raise_channel, &j);
    }
    free(j.input);
    return CLCONV_OK;
}

clconv_status clconv__winograd_2x2_bound(double *bound, const clconv_problem *problem,
                                         const clconv_host_tensors *tensors) {
    return raise_bound(bound, problem, tensors,
                       problem->kernel[CLCONV_W] == f2_of_5.kernel ? &f2_of_5 : &f2);
}

clconv_status clconv__winograd_4x4_bound(double *bound, const clconv_problem *problem,
                                         const clconv_host_tensors *tensors) {
    return raise_bound(bound, problem, tensors, &f4);
}
