#include "random_problem.h"

#include "random.h"

#include <string.h>

#define PICK(state, ...)                                                                           \
    ((const size_t[]){                                                                             \
        __VA_ARGS__})[random_below(state, sizeof((const size_t[]){__VA_ARGS__}) / sizeof(size_t))]

/* What changes the generated code; few enough that a run builds tens of programs, not thousands. */
static const struct {
    clconv_type type;
    clconv_activation activation;
    double a, b, alpha, beta;
    int has_bias, has_residual;
} variants[] = {
    {CLCONV_F32, CLCONV_ACTIVATION_NONE, 0, 0, 1, 0, 0, 0},
    {CLCONV_F32, CLCONV_ACTIVATION_NONE, 0, 0, 1, 0, 0, 0},
    {CLCONV_F32, CLCONV_RELU, 0, 0, 1, 0, 1, 0},
    {CLCONV_F32, CLCONV_RELU, 0, 0, 1, 0, 1, 1},
    {CLCONV_F32, CLCONV_CLAMP, 0, 6, 1, 0, 0, 0},
    {CLCONV_F32, CLCONV_LEAKY_RELU, 0.1, 0, 1, 0, 1, 0},
    {CLCONV_F32, CLCONV_ACTIVATION_NONE, 0, 0, 0.5, 1, 0, 0},
    {CLCONV_F32, CLCONV_SIGMOID, 0, 0, 1, 0, 1, 0},
    {CLCONV_F32, CLCONV_TANH, 0, 0, 1, 0, 0, 0},
    {CLCONV_F32, CLCONV_SILU, 0, 0, 1, 0, 0, 0},
    {CLCONV_F32, CLCONV_GELU, 0, 0, 1, 0, 0, 0},
    {CLCONV_F32, CLCONV_HARD_SWISH, 0, 0, -1.5, 0.25, 1, 1},
    {CLCONV_F64, CLCONV_ACTIVATION_NONE, 0, 0, 1, 0, 0, 0},
    {CLCONV_F64, CLCONV_GELU, 0, 0, 0.5, 2, 1, 1},
    {CLCONV_F16, CLCONV_ACTIVATION_NONE, 0, 0, 1, 0, 0, 0},
    {CLCONV_F16, CLCONV_RELU, 0, 0, 1, 1, 1, 1},
    {CLCONV_F16, CLCONV_SILU, 0, 0, 1, 0, 1, 0},
    {CLCONV_BF16, CLCONV_ACTIVATION_NONE, 0, 0, 1, 0, 1, 0},
    {CLCONV_BF16, CLCONV_CLAMP, -1, 1, 2, 0.5, 0, 1},
    {CLCONV_S8, CLCONV_ACTIVATION_NONE, 0, 0, 1, 0, 0, 0},
    {CLCONV_S8, CLCONV_ACTIVATION_NONE, 0, 0, 1, 0, 1, 0},
    {CLCONV_U8, CLCONV_ACTIVATION_NONE, 0, 0, 1, 0, 0, 0},
};

static void draw_variant(clconv_problem *p, uint64_t *s) {
    size_t i = random_below(s, sizeof variants / sizeof variants[0]);
    p->type = variants[i].type;
    p->activation = variants[i].activation;
    p->activation_a = variants[i].a;
    p->activation_b = variants[i].b;
    p->alpha = variants[i].alpha;
    p->beta = variants[i].beta;
    p->has_bias = variants[i].has_bias;
    p->has_residual = variants[i].has_residual;
    if (p->type == CLCONV_S8 || p->type == CLCONV_U8) {
        p->weights_zero_point = (int32_t)PICK(s, 0, 0, 1, 5) - 2;
        p->input_zero_point = (int32_t)PICK(s, 0, 1, 7, 127) - (p->type == CLCONV_S8 ? 64 : 0);
        if (p->input_zero_point < 0 && p->type == CLCONV_U8)
            p->input_zero_point = 0;
    }
}

/* Extents one wide, just beside the usual tiles, and prime; pads up to beyond the kernel. */
static void draw_axis(clconv_problem *p, uint64_t *s, int axis) {
    p->input[axis] = PICK(s, 1, 1, 2, 3, 5, 7, 8, 11, 13, 15, 16, 17, 31, 33);
    p->kernel[axis] = PICK(s, 1, 1, 2, 3, 3, 3, 4, 5, 7);
    p->stride[axis] = PICK(s, 1, 1, 1, 2, 2, 3, 5);
    p->dilation[axis] = PICK(s, 1, 1, 1, 2, 3);
    size_t span = p->dilation[axis] * (p->kernel[axis] - 1) + 1;
    p->pad_begin[axis] = random_chance(s, 3) ? 0 : random_below(s, span + 2);
    p->pad_end[axis] = random_chance(s, 3) ? 0 : random_below(s, span + 2);
    size_t padded = p->input[axis] + p->pad_begin[axis] + p->pad_end[axis];
    if (padded < span)
        *(random_chance(s, 2) ? &p->pad_begin[axis] : &p->pad_end[axis]) += span - padded;
}

/* The commonest layer, for which there are algorithms of their own: 3x3, stride 1. */
static void make_common(clconv_problem *p) {
    p->input[CLCONV_D] = p->kernel[CLCONV_D] = p->stride[CLCONV_D] = p->dilation[CLCONV_D] = 1;
    p->pad_begin[CLCONV_D] = p->pad_end[CLCONV_D] = 0;
    for (int axis = CLCONV_H; axis < CLCONV_SPATIAL_AXES; ++axis) {
        p->kernel[axis] = 3;
        p->stride[axis] = p->dilation[axis] = 1;
        if (p->input[axis] + p->pad_begin[axis] + p->pad_end[axis] < 3)
            p->pad_end[axis] += 2;
    }
}

static void draw_channels(clconv_problem *p, uint64_t *s) {
    size_t in = PICK(s, 1, 2, 3, 4, 7, 8, 9, 16, 17);
    size_t out = PICK(s, 1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 33);
    p->groups = PICK(s, 1, 1, 1, 2, 3, 8);
    if (random_chance(s, 6)) { /* depthwise, with a channel multiplier */
        in = 1;
        out = PICK(s, 1, 1, 2, 3);
        p->groups = PICK(s, 2, 3, 16, 17);
    }
    p->in_channels = p->groups * in;
    p->out_channels = p->groups * out;
    p->batch = PICK(s, 1, 1, 1, 2, 3);
}

/* A view into a larger tensor: more elements along every axis than are seen. */
static void draw_view(size_t strides[], const clconv_problem *p, clconv_tensor tensor,
                      uint64_t *s) {
    static const int orders[][CLCONV_TENSOR_AXES] = {
        {0, 1, 2, 3, 4}, {0, 2, 3, 4, 1}, {1, 0, 2, 4, 3}};
    size_t extent[CLCONV_TENSOR_AXES], dense[CLCONV_TENSOR_AXES];
    const int *order = orders[random_below(s, 3)];
    size_t step = PICK(s, 1, 1, 2);
    if (clconv_tensor_shape(extent, dense, p, tensor))
        return;
    for (int i = CLCONV_TENSOR_AXES - 1; i >= 0; --i) {
        strides[order[i]] = step;
        step *= extent[order[i]] + random_below(s, 3);
    }
}

static void draw_layouts(clconv_problem *p, uint64_t *s) {
    p->mode = random_chance(s, 3) ? CLCONV_CONVOLUTION : CLCONV_CROSS_CORRELATION;
    p->layout = random_chance(s, 3) ? CLCONV_NHWC : CLCONV_NCHW;
    p->weights_layout = random_chance(s, 4) ? CLCONV_OHWI : CLCONV_OIHW;
    size_t strides[CLCONV_TENSOR_AXES];
    if (random_chance(s, 5)) {
        draw_view(strides, p, CLCONV_INPUT, s);
        memcpy(p->input_strides, strides, sizeof strides);
    }
    if (random_chance(s, 5)) {
        draw_view(strides, p, CLCONV_OUTPUT, s);
        memcpy(p->output_strides, strides, sizeof strides);
    }
}

void random_problem(clconv_problem *problem, uint64_t *state, double most_flops) {
    do {
        const clconv_problem initial = CLCONV_PROBLEM_INIT;
        *problem = initial;
        int first = (int)PICK(state, CLCONV_D, CLCONV_H, CLCONV_H, CLCONV_H, CLCONV_W);
        for (int axis = first; axis < CLCONV_SPATIAL_AXES; ++axis)
            draw_axis(problem, state, axis);
        if (random_chance(state, 6))
            make_common(problem);
        draw_channels(problem, state);
        draw_variant(problem, state);
        draw_layouts(problem, state);
    } while (clconv_problem_validate(problem) || clconv_problem_flops(problem) > most_flops);
}
