#include "shrink.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Each makes a problem simpler in one way, or leaves it as it is. `amount` is at least 1. */
typedef void simplify(clconv_problem *p, int axis, size_t amount);

static size_t less(size_t value, size_t amount) {
    return value > amount ? value - amount : 1;
}

static void fewer_pictures(clconv_problem *p, int axis, size_t amount) {
    (void)axis;
    p->batch = less(p->batch, amount);
}

static void fewer_groups(clconv_problem *p, int axis, size_t amount) {
    (void)axis;
    size_t groups = less(p->groups, amount);
    p->in_channels = p->in_channels / p->groups * groups;
    p->out_channels = p->out_channels / p->groups * groups;
    p->groups = groups;
}

static void fewer_inputs(clconv_problem *p, int axis, size_t amount) {
    (void)axis;
    p->in_channels = less(p->in_channels / p->groups, amount) * p->groups;
}

static void fewer_outputs(clconv_problem *p, int axis, size_t amount) {
    (void)axis;
    p->out_channels = less(p->out_channels / p->groups, amount) * p->groups;
}

static void smaller_input(clconv_problem *p, int axis, size_t amount) {
    p->input[axis] = less(p->input[axis], amount);
}

static void smaller_kernel(clconv_problem *p, int axis, size_t amount) {
    p->kernel[axis] = less(p->kernel[axis], amount);
}

static void smaller_stride(clconv_problem *p, int axis, size_t amount) {
    p->stride[axis] = less(p->stride[axis], amount);
}

static void smaller_dilation(clconv_problem *p, int axis, size_t amount) {
    p->dilation[axis] = less(p->dilation[axis], amount);
}

static void smaller_pad_begin(clconv_problem *p, int axis, size_t amount) {
    p->pad_begin[axis] -= p->pad_begin[axis] < amount ? p->pad_begin[axis] : amount;
}

static void smaller_pad_end(clconv_problem *p, int axis, size_t amount) {
    p->pad_end[axis] -= p->pad_end[axis] < amount ? p->pad_end[axis] : amount;
}

static void smaller_output_padding(clconv_problem *p, int axis, size_t amount) {
    p->output_padding[axis] -= p->output_padding[axis] < amount ? p->output_padding[axis] : amount;
}

static void no_bias(clconv_problem *p, int axis, size_t amount) {
    (void)axis, (void)amount;
    p->has_bias = 0;
}

static void no_residual(clconv_problem *p, int axis, size_t amount) {
    (void)axis, (void)amount;
    p->has_residual = 0;
}

static void no_activation(clconv_problem *p, int axis, size_t amount) {
    (void)axis, (void)amount;
    p->activation = CLCONV_ACTIVATION_NONE;
    p->activation_a = p->activation_b = 0;
}

static void no_factors(clconv_problem *p, int axis, size_t amount) {
    (void)axis, (void)amount;
    p->alpha = 1;
    p->beta = 0;
}

static void no_zero_points(clconv_problem *p, int axis, size_t amount) {
    (void)axis, (void)amount;
    p->input_zero_point = p->weights_zero_point = 0;
}

static void no_views(clconv_problem *p, int axis, size_t amount) {
    (void)axis, (void)amount;
    memset(p->input_strides, 0, sizeof p->input_strides);
    memset(p->output_strides, 0, sizeof p->output_strides);
}

static void usual_layouts(clconv_problem *p, int axis, size_t amount) {
    (void)axis, (void)amount;
    p->layout = CLCONV_NCHW;
    p->weights_layout = CLCONV_OIHW;
}

static void usual_mode(clconv_problem *p, int axis, size_t amount) {
    (void)axis, (void)amount;
    p->mode = CLCONV_CROSS_CORRELATION;
}

static void usual_type(clconv_problem *p, int axis, size_t amount) {
    (void)axis, (void)amount;
    p->type = CLCONV_F32;
}

/* Once, for each axis, and with how much at a time: first nearly all, then halves, then one. */
static const struct {
    simplify *apply;
    int axes;
    int has_amount;
} steps[] = {
    {no_views, 1, 0},         {no_residual, 1, 0},
    {no_bias, 1, 0},          {no_activation, 1, 0},
    {no_factors, 1, 0},       {no_zero_points, 1, 0},
    {usual_layouts, 1, 0},    {usual_mode, 1, 0},
    {usual_type, 1, 0},       {fewer_pictures, 1, 1},
    {fewer_groups, 1, 1},     {fewer_inputs, 1, 1},
    {fewer_outputs, 1, 1},    {smaller_stride, 3, 1},
    {smaller_dilation, 3, 1}, {smaller_pad_begin, 3, 1},
    {smaller_pad_end, 3, 1},  {smaller_kernel, 3, 1},
    {smaller_input, 3, 1},    {smaller_output_padding, 3, 1},
};

typedef struct search {
    clconv_problem *problem;
    still_fails *fails;
    void *context;
    int tries, most_tries;
} search;

static int try_step(search *s, simplify *apply, int axis, size_t amount) {
    clconv_problem simpler = *s->problem;
    apply(&simpler, axis, amount);
    if (memcmp(&simpler, s->problem, sizeof simpler) == 0 || clconv_problem_validate(&simpler))
        return 0;
    if (s->tries++ >= s->most_tries || !s->fails(s->context, &simpler))
        return 0;
    *s->problem = simpler;
    return 1;
}

/* Repeats a step while it helps, with amounts from large to 1. */
static int exhaust_step(search *s, size_t step, int axis) {
    int helped = 0;
    if (!steps[step].has_amount)
        return try_step(s, steps[step].apply, axis, 1);
    for (size_t amount = (size_t)1 << 20; amount; amount /= 2)
        while (try_step(s, steps[step].apply, axis, amount))
            helped = 1;
    return helped;
}

int shrink_problem(clconv_problem *problem, int most_tries, still_fails *fails, void *context) {
    search s = {problem, fails, context, 0, most_tries};
    int helped = 1;
    problem->name[0] = 0;
    while (helped && s.tries < most_tries) {
        helped = 0;
        for (size_t step = 0; step < sizeof steps / sizeof steps[0]; ++step)
            for (int axis = 0; axis < steps[step].axes; ++axis)
                helped |= exhaust_step(&s, step, axis);
    }
    return s.tries;
}

/* ---- reports ---- */

typedef struct retrial {
    const report *r;
    verify_options options;
    double deadline;
    int failed;
} retrial;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void note(void *context, const report *r) {
    retrial *again = context;
    again->failed |= r->verdict == again->r->verdict;
}

static int fails_again(void *context, const clconv_problem *problem) {
    retrial *again = context;
    again->failed = 0;
    if (now() > again->deadline ||
        verify_case(problem, again->r->device, 1, &again->options, note, again))
        return 0;
    return again->failed;
}

void shrink_report(clconv_problem *problem, const report *r, const verify_options *options,
                   double seconds) {
    enum { MOST_TRIES = 2000 };
    retrial again = {.r = r, .options = *options, .deadline = now() + seconds};
    again.options.algorithm = r->algorithm;
    again.options.compare = false;
    *problem = *r->problem;
    shrink_problem(problem, MOST_TRIES, fails_again, &again);
}
