#include "walk.h"

#include <stdint.h>

static size_t product(const size_t extent[]) {
    return extent[0] * extent[1] * extent[2];
}

static size_t common_divisor(size_t a, size_t b) {
    while (b) {
        size_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

size_t clconv__walk_products(const clconv__walk *walk) {
    return walk->channels * product(walk->taps);
}

size_t clconv__walk_places(const clconv__walk *walk) {
    return walk->outer * product(walk->count);
}

/* Phases that have results. */
static size_t phases_of(const clconv_problem *p, const clconv__geometry *g, int axis) {
    return p->stride[axis] < g->output[axis] ? p->stride[axis] : g->output[axis];
}

size_t clconv__walk_count(const clconv_problem *p, const clconv__geometry *g) {
    size_t count = 1;
    for (int axis = 0; axis < CLCONV_SPATIAL_AXES && clconv__gathers(p); ++axis)
        count *= phases_of(p, g, axis);
    return count;
}

/* A factor's place for kernel element 0 and its step, backwards where the kernel is flipped. */
static ptrdiff_t enter_kernel(ptrdiff_t *first, const clconv_problem *p, int axis, size_t stride) {
    if (p->mode != CLCONV_CONVOLUTION)
        return (ptrdiff_t)stride;
    *first += (ptrdiff_t)((p->kernel[axis] - 1) * stride);
    return -(ptrdiff_t)stride;
}

/* ---- forward ---- */

static void walk_forward(clconv__walk *w, const clconv_problem *p, const clconv__geometry *g) {
    w->w_group = (ptrdiff_t)(g->out_per_group * g->weights_stride[0]);
    w->w_row = (ptrdiff_t)g->weights_stride[0];
    w->w_channel = (ptrdiff_t)g->weights_stride[1];
    for (int axis = 0; axis < CLCONV_SPATIAL_AXES; ++axis) {
        w->count[axis] = g->output[axis];
        w->taps[axis] = p->kernel[axis];
        w->first[axis] = -(ptrdiff_t)p->pad_begin[axis];
        w->out_step[axis] = p->stride[axis];
        w->tap_step[axis] = (ptrdiff_t)p->dilation[axis];
        w->w[axis] = enter_kernel(&w->w_first, p, axis, g->weights_stride[2 + axis]);
    }
}

/* ---- gathering ---- */

/*
 * Result t takes source s through kernel element k where t + pad = s*stride + k*dilation. Results
 * t = residue + i*stride meet the elements k = k0 + j*stride/d, d the common divisor of stride and
 * dilation, at s = (residue + pad - k0*dilation)/stride + i - j*dilation/d.
 */
static void gather_axis(clconv__walk *w, const clconv_problem *p, const clconv__geometry *g,
                        int axis, size_t residue) {
    /* A stride beyond all memory steps over every source but the first, whatever it is. */
    const size_t stride = p->stride[axis] < PTRDIFF_MAX ? p->stride[axis] : PTRDIFF_MAX;
    const size_t dilation = p->dilation[axis];
    const size_t divisor = common_divisor(stride, dilation), period = stride / divisor;
    const ptrdiff_t start = (ptrdiff_t)(residue + p->pad_begin[axis]);
    const ptrdiff_t step = enter_kernel(&w->w_first, p, axis, g->weights_stride[2 + axis]);
    size_t k = 0;
    while (k < period && k < p->kernel[axis] &&
           (start - (ptrdiff_t)(k * dilation)) % (ptrdiff_t)stride != 0)
        ++k;
    w->count[axis] = (g->output[axis] - 1 - residue) / stride + 1;
    w->out_step[axis] = 1;
    w->y_first += (ptrdiff_t)residue * w->y[axis];
    w->y[axis] *= (ptrdiff_t)stride;
    w->taps[axis] = 0;
    if (k >= period || k >= p->kernel[axis])
        return;
    w->taps[axis] = (p->kernel[axis] - 1 - k) / period + 1;
    w->first[axis] = (start - (ptrdiff_t)(k * dilation)) / (ptrdiff_t)stride;
    w->tap_step[axis] = -(ptrdiff_t)(dilation / divisor);
    w->w_first += (ptrdiff_t)k * step;
    w->w[axis] = (ptrdiff_t)period * step;
}

static void walk_gather(clconv__walk *w, const clconv_problem *p, const clconv__geometry *g,
                        size_t phase) {
    w->w_group = (ptrdiff_t)(g->in_per_group * g->weights_stride[0]);
    w->w_row = (ptrdiff_t)g->weights_stride[1];
    w->w_channel = (ptrdiff_t)g->weights_stride[0];
    for (int axis = CLCONV_SPATIAL_AXES - 1; axis >= 0; --axis) {
        size_t phases = phases_of(p, g, axis);
        gather_axis(w, p, g, axis, phase % phases);
        phase /= phases;
    }
}

/* ---- the gradient of the weights ---- */

/*
 * Results are the weights of an output channel, with input channels as the outer axis; the sums run
 * over pictures and the output's places, and the factor is the gradient there.
 */
static void walk_weights(clconv__walk *w, const clconv_problem *p, const clconv__geometry *g) {
    w->pictures = 1;
    w->channels = p->batch;
    w->outer = g->in_per_group;
    w->x_channel = g->input_stride[0];
    w->x_outer = g->input_stride[1];
    w->w_group = (ptrdiff_t)(g->out_per_group * g->output_stride[1]);
    w->w_row = (ptrdiff_t)g->output_stride[1];
    w->w_channel = (ptrdiff_t)g->output_stride[0];
    w->y_group = (ptrdiff_t)(g->out_per_group * g->weights_stride[0]);
    w->y_row = (ptrdiff_t)g->weights_stride[0];
    w->y_outer = (ptrdiff_t)g->weights_stride[1];
    for (int axis = 0; axis < CLCONV_SPATIAL_AXES; ++axis) {
        w->count[axis] = p->kernel[axis];
        w->taps[axis] = g->output[axis];
        w->first[axis] = -(ptrdiff_t)p->pad_begin[axis];
        w->out_step[axis] = p->dilation[axis];
        w->tap_step[axis] = (ptrdiff_t)p->stride[axis];
        w->w[axis] = (ptrdiff_t)g->output_stride[2 + axis];
        w->y[axis] = enter_kernel(&w->y_first, p, axis, g->weights_stride[2 + axis]);
    }
}

void clconv__walk_of(clconv__walk *w, const clconv_problem *p, const clconv__geometry *g,
                     size_t phase) {
    *w = (clconv__walk){.pictures = p->batch,
                        .groups = p->groups,
                        .rows = g->out_per_group,
                        .channels = g->in_per_group,
                        .outer = 1,
                        .x_picture = g->input_stride[0],
                        .x_group = g->in_per_group * g->input_stride[1],
                        .x_channel = g->input_stride[1],
                        .y_picture = (ptrdiff_t)g->output_stride[0],
                        .y_group = (ptrdiff_t)(g->out_per_group * g->output_stride[1]),
                        .y_row = (ptrdiff_t)g->output_stride[1]};
    for (int axis = 0; axis < CLCONV_SPATIAL_AXES; ++axis) {
        w->extent[axis] = g->input[axis];
        w->x[axis] = g->input_stride[2 + axis];
        w->y[axis] = (ptrdiff_t)g->output_stride[2 + axis];
    }
    if (clconv__gathers(p))
        walk_gather(w, p, g, phase);
    else if (p->direction == CLCONV_BACKWARD_WEIGHTS)
        walk_weights(w, p, g);
    else
        walk_forward(w, p, g);
}
