#include "random_problem.h"

#include "random.h"

#include <string.h>

#define PICK_OF(type, state, ...)                                                                  \
    ((const type[]){                                                                               \
        __VA_ARGS__})[random_below(state, sizeof((const type[]){__VA_ARGS__}) / sizeof(type))]
#define PICK(state, ...)      PICK_OF(size_t, state, __VA_ARGS__)
#define PICK_REAL(state, ...) PICK_OF(double, state, __VA_ARGS__)

/* ---- what the elements mean ---- */

static void draw_epilogue(clconv_problem *p, uint64_t *s) {
    p->has_residual = random_chance(s, 3);
    p->activation = (clconv_activation)random_below(s, CLCONV_HARD_SWISH + 1);
    if (p->activation == CLCONV_CLAMP) {
        p->activation_a = PICK_REAL(s, -1, 0, 0.25);
        p->activation_b = PICK_REAL(s, 0.25, 2.5, 6);
    } else if (p->activation == CLCONV_LEAKY_RELU) {
        p->activation_a = PICK_REAL(s, 0.125, -0.5, 2);
    }
    p->alpha = PICK_REAL(s, 1, 1, 1, 0.5, -1.25);
    p->beta = PICK_REAL(s, 0, 0, 0, 1, -0.5);
}

static void draw_zero_points(clconv_problem *p, uint64_t *s) {
    const int32_t lowest = p->type == CLCONV_S8 ? -128 : 0;
    p->input_zero_point = lowest + (int32_t)PICK(s, 0, 1, 128, 131, 255);
    p->weights_zero_point = (int32_t)PICK(s, 0, 128, 128, 125, 255) - 128;
}

void random_meaning(clconv_problem *p, uint64_t *s) {
    p->type = (clconv_type)PICK(s, CLCONV_F32, CLCONV_F32, CLCONV_F32, CLCONV_F64, CLCONV_F16,
                                CLCONV_BF16, CLCONV_S8, CLCONV_U8);
    p->mode = (clconv_mode)random_below(s, 2);
    p->layout = (clconv_layout)random_below(s, 2);
    p->weights_layout = (clconv_weights_layout)random_below(s, 2);
    p->has_bias = random_chance(s, 2);
    if (p->type == CLCONV_S8 || p->type == CLCONV_U8)
        draw_zero_points(p, s);
    else
        draw_epilogue(p, s);
}

void random_training(clconv_problem *p, uint64_t *s) {
    p->direction =
        (clconv_direction)PICK(s, CLCONV_BACKWARD_DATA, CLCONV_BACKWARD_WEIGHTS, CLCONV_TRANSPOSED);
    if (p->direction == CLCONV_TRANSPOSED)
        return;
    if (p->type == CLCONV_S8 || p->type == CLCONV_U8)
        p->type = CLCONV_F32;
    p->input_zero_point = p->weights_zero_point = 0;
    p->has_residual = 0;
    p->has_bias = p->has_bias && p->direction == CLCONV_BACKWARD_WEIGHTS;
    p->activation = CLCONV_ACTIVATION_NONE;
    p->activation_a = p->activation_b = 0;
}

size_t random_meanings(clconv_problem meanings[MOST_MEANINGS], size_t problems, uint64_t *state) {
    const size_t fewest = 8, problems_each = 100, wanted = fewest + problems / problems_each;
    const size_t count = wanted < MOST_MEANINGS ? wanted : MOST_MEANINGS;
    for (size_t i = 0; i < count; ++i) {
        meanings[i] = (clconv_problem)CLCONV_PROBLEM_INIT;
        if (i > 0)
            random_meaning(&meanings[i], state);
        if (i % 2)
            random_training(&meanings[i], state);
    }
    return count;
}

/* ---- what is counted in elements ---- */

/* Pads are independent of each other, may exceed the kernel, and make room for the kernel. */
static void draw_pads(clconv_problem *p, uint64_t *s, int axis) {
    const size_t span = p->dilation[axis] * (p->kernel[axis] - 1) + 1;
    size_t *begin = &p->pad_begin[axis], *end = &p->pad_end[axis];
    *begin = random_chance(s, 3) ? 0 : random_below(s, span + 3);
    *end = random_chance(s, 3) ? 0 : random_below(s, span + 3);
    const size_t padded = p->input[axis] + *begin + *end;
    if (padded < span)
        *(random_chance(s, 2) ? begin : end) += span - padded;
}

/* Pads of a transposed convolution take elements away, but must leave some. */
static void draw_transposed_pads(clconv_problem *p, uint64_t *s, int axis) {
    const size_t span = p->dilation[axis] * (p->kernel[axis] - 1) + 1;
    const size_t step = p->stride[axis] > p->dilation[axis] ? p->stride[axis] : p->dilation[axis];
    size_t *begin = &p->pad_begin[axis], *end = &p->pad_end[axis];
    p->output_padding[axis] = random_chance(s, 3) ? random_below(s, step) : 0;
    const size_t full = (p->input[axis] - 1) * p->stride[axis] + span + p->output_padding[axis];
    *begin = random_chance(s, 3) ? 0 : random_below(s, span + 3);
    *end = random_chance(s, 3) ? 0 : random_below(s, span + 3);
    if (*begin + *end >= full) {
        *begin = random_below(s, full);
        *end = random_below(s, full - *begin);
    }
}

static void draw_either_pads(clconv_problem *p, uint64_t *s, int axis) {
    if (p->direction == CLCONV_TRANSPOSED)
        draw_transposed_pads(p, s, axis);
    else
        draw_pads(p, s, axis);
}

/* Extents one wide, just beside the usual tiles, and prime. */
static void draw_axis(clconv_problem *p, uint64_t *s, int axis) {
    p->input[axis] = PICK(s, 1, 1, 2, 3, 5, 7, 8, 11, 13, 15, 16, 17, 31, 33);
    p->kernel[axis] = PICK(s, 1, 1, 2, 3, 3, 4, 5, 7);
    p->stride[axis] = PICK(s, 1, 1, 1, 2, 2, 3, 5);
    p->dilation[axis] = PICK(s, 1, 1, 1, 2, 3);
    draw_either_pads(p, s, axis);
}

/* The commonest layer, for which there are algorithms of their own: 3x3, stride 1. */
static void draw_common_axis(clconv_problem *p, uint64_t *s, int axis) {
    p->input[axis] = PICK(s, 1, 2, 3, 5, 7, 8, 13, 16, 17, 31, 33);
    p->kernel[axis] = 3;
    draw_either_pads(p, s, axis);
}

static void draw_channels(clconv_problem *p, uint64_t *s) {
    size_t in = PICK(s, 1, 1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 33);
    size_t out = PICK(s, 1, 1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 33);
    p->groups = PICK(s, 1, 1, 1, 2, 3, 5, 8, 16);
    if (random_chance(s, 6)) { /* depthwise, with a channel multiplier */
        in = 1;
        out = PICK(s, 1, 1, 2, 3);
        p->groups = PICK(s, 2, 3, 16, 17);
    }
    p->in_channels = p->groups * in;
    p->out_channels = p->groups * out;
    p->batch = PICK(s, 1, 1, 1, 2, 3);
}

/* A view whose axes lie in any order, with gaps. */
static void draw_view(size_t strides[CLCONV_TENSOR_AXES], const clconv_problem *p,
                      clconv_tensor tensor, uint64_t *s) {
    size_t extent[CLCONV_TENSOR_AXES], dense[CLCONV_TENSOR_AXES];
    size_t order[CLCONV_TENSOR_AXES] = {0, 1, 2, 3, 4}, step = PICK(s, 1, 1, 2);
    if (clconv_tensor_shape(extent, dense, p, tensor))
        return;
    for (size_t i = 0; i < CLCONV_TENSOR_AXES; ++i) {
        const size_t other = i + random_below(s, CLCONV_TENSOR_AXES - i), axis = order[other];
        order[other] = order[i];
        strides[axis] = step;
        step *= extent[axis] + random_below(s, 3);
    }
}

static void draw_views(clconv_problem *p, uint64_t *s) {
    size_t strides[CLCONV_TENSOR_AXES] = {0};
    if (random_chance(s, 4)) {
        draw_view(strides, p, CLCONV_INPUT, s);
        memcpy(p->input_strides, strides, sizeof strides);
    }
    if (random_chance(s, 4)) {
        draw_view(strides, p, CLCONV_OUTPUT, s);
        memcpy(p->output_strides, strides, sizeof strides);
    }
}

void random_geometry(clconv_problem *problem, uint64_t *state, double most_flops) {
    const clconv_problem meaning = *problem;
    do {
        *problem = meaning;
        draw_channels(problem, state);
        if (random_chance(state, 6))
            for (int axis = CLCONV_H; axis < CLCONV_SPATIAL_AXES; ++axis)
                draw_common_axis(problem, state, axis);
        else
            for (int axis = (int)PICK(state, CLCONV_D, CLCONV_H, CLCONV_H, CLCONV_H, CLCONV_W);
                 axis < CLCONV_SPATIAL_AXES; ++axis)
                draw_axis(problem, state, axis);
    } while (clconv_problem_flops(problem) > most_flops);
    draw_views(problem, state);
}
