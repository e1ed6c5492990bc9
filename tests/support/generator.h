/* Random forward problems, skewed to what goes wrong: one-wide, primes, tiles plus or minus one. */
#ifndef CLCONV_TESTS_GENERATOR_H
#define CLCONV_TESTS_GENERATOR_H

#include "support.h"

/* Multiply-adds of a random problem at most. */
enum { LARGEST_WORK = 200000 };

static inline size_t pick(uint64_t *random, const size_t *values, size_t count) {
    return values[random_below(random, count)];
}
#define PICK(random, ...)                                                                          \
    pick(random, (const size_t[]){__VA_ARGS__},                                                    \
         sizeof((const size_t[]){__VA_ARGS__}) / sizeof(size_t))

static inline double pick_real(uint64_t *random, const double *values, size_t count) {
    return values[random_below(random, count)];
}
#define PICK_REAL(random, ...)                                                                     \
    pick_real(random, (const double[]){__VA_ARGS__},                                               \
              sizeof((const double[]){__VA_ARGS__}) / sizeof(double))

/* Pads are independent of each other, may exceed the kernel, and make room for the kernel. */
static inline void random_pads(clconv_problem *problem, uint64_t *random, size_t axis) {
    size_t span = problem->dilation[axis] * (problem->kernel[axis] - 1) + 1;
    size_t *begin = &problem->pad_begin[axis], *end = &problem->pad_end[axis];
    *begin = random_chance(random, 3) ? 0 : random_below(random, span + 3);
    *end = random_chance(random, 3) ? 0 : random_below(random, span + 3);
    size_t padded = problem->input[axis] + *begin + *end;
    if (padded < span)
        *(random_chance(random, 2) ? begin : end) += span - padded;
}

static inline void random_axis(clconv_problem *problem, uint64_t *random, size_t axis) {
    problem->input[axis] = PICK(random, 1, 1, 2, 3, 5, 7, 11, 13, 15, 16, 17, 31, 33);
    problem->kernel[axis] = PICK(random, 1, 1, 2, 3, 3, 4, 5, 7);
    problem->stride[axis] = PICK(random, 1, 1, 1, 2, 2, 3, 5);
    problem->dilation[axis] = PICK(random, 1, 1, 1, 2, 3);
    random_pads(problem, random, axis);
}

static inline void random_channels(clconv_problem *problem, uint64_t *random) {
    size_t groups = PICK(random, 1, 1, 1, 2, 3, 5, 16);
    size_t in = PICK(random, 1, 1, 2, 3, 4, 7, 8, 15, 16, 17, 33);
    size_t out = PICK(random, 1, 1, 2, 3, 4, 7, 8, 15, 16, 17, 33);
    problem->batch = PICK(random, 1, 1, 1, 2, 3);
    problem->groups = groups;
    problem->in_channels = groups * in;
    problem->out_channels = groups * out;
}

/* Strides of a view whose axes lie in any order, with gaps. */
static inline void random_view(size_t stride[CLCONV_TENSOR_AXES],
                               const size_t extent[CLCONV_TENSOR_AXES], uint64_t *random) {
    size_t order[CLCONV_TENSOR_AXES] = {0, 1, 2, 3, 4};
    size_t step = 1 + random_below(random, 2);
    for (size_t i = 0; i < CLCONV_TENSOR_AXES; ++i) {
        size_t other = i + random_below(random, CLCONV_TENSOR_AXES - i);
        size_t axis = order[other];
        order[other] = order[i];
        stride[axis] = step;
        step = step * extent[axis] + random_below(random, 3);
    }
}

static inline void random_views(clconv_problem *problem, uint64_t *random) {
    size_t extent[CLCONV_TENSOR_AXES], stride[CLCONV_TENSOR_AXES];
    if (random_chance(random, 4)) {
        assert_ok(clconv_tensor_shape(extent, stride, problem, CLCONV_INPUT));
        random_view(problem->input_strides, extent, random);
    }
    if (random_chance(random, 4)) {
        assert_ok(clconv_tensor_shape(extent, stride, problem, CLCONV_OUTPUT));
        random_view(problem->output_strides, extent, random);
    }
}

/* Sets everything that is counted in elements; what the elements mean stays as it is. */
static inline void random_geometry(clconv_problem *problem, uint64_t *random) {
    clconv_problem meaning = *problem;
    do {
        *problem = meaning;
        random_channels(problem, random);
        for (size_t axis = PICK(random, 0, 1, 1, 1, 2); axis < CLCONV_SPATIAL_AXES; ++axis)
            random_axis(problem, random, axis);
    } while (clconv_problem_flops(problem) > 2.0 * LARGEST_WORK);
    random_views(problem, random);
}

static inline bool is_integer_type(clconv_type type) {
    return type == CLCONV_S8 || type == CLCONV_U8;
}

static inline void random_epilogue(clconv_problem *problem, uint64_t *random) {
    problem->has_residual = random_chance(random, 3);
    problem->activation = (clconv_activation)random_below(random, CLCONV_HARD_SWISH + 1);
    if (problem->activation == CLCONV_CLAMP) {
        problem->activation_a = PICK_REAL(random, -1, 0, 0.25);
        problem->activation_b = PICK_REAL(random, 0.25, 2.5, 6);
    } else if (problem->activation == CLCONV_LEAKY_RELU) {
        problem->activation_a = PICK_REAL(random, 0.125, -0.5, 2);
    }
    problem->alpha = PICK_REAL(random, 1, 1, 1, 0.5, -1.25);
    problem->beta = PICK_REAL(random, 0, 0, 0, 1, -0.5);
}

/* Sets what the elements mean: type, layouts, mode, and the epilogue that the type allows. */
static inline void random_meaning(clconv_problem *problem, uint64_t *random) {
    problem->type = (clconv_type)PICK(random, CLCONV_F32, CLCONV_F32, CLCONV_F32, CLCONV_F64,
                                      CLCONV_F16, CLCONV_BF16, CLCONV_S8, CLCONV_U8);
    problem->mode = (clconv_mode)random_below(random, 2);
    problem->layout = (clconv_layout)random_below(random, 2);
    problem->weights_layout = (clconv_weights_layout)random_below(random, 2);
    problem->has_bias = random_chance(random, 2);
    if (!is_integer_type(problem->type)) {
        random_epilogue(problem, random);
        return;
    }
    int32_t lowest = problem->type == CLCONV_S8 ? -128 : 0;
    problem->input_zero_point = lowest + (int32_t)PICK(random, 0, 128, 131, 255);
    problem->weights_zero_point = (int32_t)PICK(random, 0, 128, 128, 125, 255) - 128;
}

/* Whether small integers give a result without any rounding but the last. */
static inline bool is_exact_on_integers(const clconv_problem *problem) {
    return problem->activation <= CLCONV_LEAKY_RELU;
}

#endif
