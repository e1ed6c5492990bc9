/*
 * CLBlast's GEMM and col2im: the gradient of the input and transposed convolution. For every
 * picture and group, the weights transposed [channel, tap][source channel] times the source [source
 * channel][pixels] are columns from which each result gathers its terms. Many result channels are
 * made some at a time, so that the workspace stays small.
 */
#include "clblast.h"
#include "opencl.h"

#include <stdlib.h>

/* Columns beyond this size are made in several pieces. */
#define LARGEST_WORKSPACE ((size_t)64 << 20)

typedef struct col2im_state {
    cl_kernel gather;
    size_t taps, source; /* of the kernel, and pixels of a source channel */
    size_t channels;     /* of the result, at a time */
    clconv__kernel_geometry geometry;
    clconv__kernel_scalars scalars;
} col2im_state;

static void destroy(clconv_plan *plan) {
    col2im_state *state = plan->state;
    if (!state)
        return;
    if (state->gather)
        clReleaseKernel(state->gather);
    free(state);
    plan->state = NULL;
}

static clconv_status create(clconv_plan *plan) {
    const clconv__geometry *g = &plan->request.g;
    const clconv_problem *p = &plan->problem;
    int64_t fields[CLCONV__FIELDS];
    col2im_state *state = calloc(1, sizeof *state);
    if (!state)
        return clconv__fail(CLCONV_OUT_OF_MEMORY, "a plan needs %zu bytes", sizeof *state);
    plan->state = state;
    state->taps = p->kernel[0] * p->kernel[1] * p->kernel[2];
    state->source = g->input[0] * g->input[1] * g->input[2];
    const size_t bytes = state->taps * state->source * clconv_type_size(p->type);
    const size_t most = LARGEST_WORKSPACE / bytes;
    state->channels = most < 1 ? 1 : most < g->out_per_group ? most : g->out_per_group;
    plan->workspace = state->channels * bytes;
    clconv__plan_fields(fields, plan, 0);
    clconv__pack_geometry(&state->geometry, plan, fields);
    clconv__pack_scalars(&state->scalars, &plan->problem);
    clconv_status status =
        clconv__plan_kernel(&state->gather, plan, p, "col2im.cl", "col2im", NULL, "");
    if (status)
        destroy(plan);
    return status;
}

static clconv_status multiply(clconv__call *call, size_t picture, size_t group, size_t first,
                              size_t channels) {
    const clconv__geometry *g = &call->plan->request.g;
    const col2im_state *state = call->plan->state;
    const clconv_tensors *t = &call->tensors;
    const clconv__matrix weights = {t->weights.memory,
                                    t->weights.offset +
                                        group * g->in_per_group * g->weights_stride[0] +
                                        first * g->weights_stride[1],
                                    g->weights_stride[0], 1};
    const clconv__matrix source = {t->input.memory,
                                   t->input.offset + picture * g->input_stride[0] +
                                       group * g->in_per_group * g->input_stride[1],
                                   g->in_per_group > 1 ? g->input_stride[1] : state->source, 0};
    const clconv__matrix columns = {
        t->workspace.memory, t->workspace.offset / clconv_type_size(call->plan->problem.type),
        state->source, 0};
    return clconv__clblast_multiply(
        call, (size_t[]){channels * state->taps, state->source, g->in_per_group}, 1, &weights,
        &source, 0, &columns);
}

static clconv_status gather(clconv__call *call, size_t picture, size_t first, size_t channels,
                            cl_event *event) {
    const col2im_state *state = call->plan->state;
    const clconv_tensors *t = &call->tensors;
    clconv__index_argument place[2];
    const clconv__argument arguments[] = {
        {state->geometry.size, &state->geometry.values},
        {sizeof call->offsets, &call->offsets},
        {state->scalars.size, &state->scalars.values},
        {sizeof(cl_mem), &t->workspace.memory},
        {sizeof(cl_long), &(cl_long){(cl_long)t->workspace.offset}},
        clconv__as_argument(&place[0], call->plan, picture),
        clconv__as_argument(&place[1], call->plan, first),
        {sizeof(cl_mem), &t->bias.memory},
        {sizeof(cl_mem), &t->residual.memory},
        {sizeof(cl_mem), &t->output.memory},
    };
    const clconv__range range = {{call->plan->request.g.pixels, channels, 1},
                                 clconv__line_group(call->plan)};
    return clconv__call_kernel(call, state->gather, &range, arguments,
                               sizeof arguments / sizeof arguments[0], event);
}

static clconv_status compute_group(clconv__call *call, size_t picture, size_t group,
                                   cl_event *event) {
    const col2im_state *state = call->plan->state;
    const size_t all = call->plan->request.g.out_per_group;
    clconv_status status = CLCONV_OK;
    for (size_t first = 0; first < all && !status; first += state->channels) {
        const size_t channels = all - first < state->channels ? all - first : state->channels;
        const int is_last = first + channels == all;
        if (!(status = multiply(call, picture, group, first, channels)))
            status = gather(call, picture, group * all + first, channels, is_last ? event : NULL);
    }
    return status;
}

static clconv_status enqueue(clconv_plan *plan, cl_command_queue queue,
                             const clconv_tensors *tensors, cl_uint wait_count,
                             const cl_event *wait, cl_event *event) {
    const size_t groups = plan->problem.groups, count = plan->problem.batch * groups;
    clconv__call call;
    clconv_status status = clconv__call_begin(&call, plan, queue, tensors, wait_count, wait);
    for (size_t i = 0; i < count && !status; ++i)
        status = compute_group(&call, i / groups, i % groups, i + 1 == count ? event : NULL);
    return status;
}

const clconv__algo_ops clconv__col2im_ops = {0, create, destroy, enqueue, NULL, NULL, NULL};
