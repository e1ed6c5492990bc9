/*
 * im2col and CLBlast's GEMM: for every picture and group, weights [out][taps] times columns
 * [taps][pixels], then the epilogue in place. Large pictures are unrolled some pixels at a time, so
 * that the workspace stays small. A 1x1 kernel that reads the input as it lies needs no unrolling.
 * For the gradient of the weights the gradient of the output [out][pixels] times the columns
 * transposed, added up over pictures and pieces one after the other.
 */
#include "clblast.h"
#include "opencl.h"

#include <stdlib.h>

/* Columns beyond this size are made in several pieces. */
#define LARGEST_WORKSPACE ((size_t)64 << 20)

typedef struct gemm_state {
    cl_kernel unroll;   /* NULL where the input is its own column matrix */
    cl_kernel epilogue; /* NULL where there is none; of the weights' gradient the bias's kernel */
    size_t pixels;      /* unrolled at a time */
    size_t taps;        /* rows of the columns */
    clconv__kernel_geometry geometry;
    clconv__kernel_scalars scalars;
} gemm_state;

/* Whether column p of tap c is input element c*stride + p. */
static int input_is_columns(const clconv_plan *plan) {
    const clconv_problem *p = &plan->problem;
    const size_t *x = plan->request.g.input_stride, *in = p->input;
    for (int axis = 0; axis < CLCONV_SPATIAL_AXES; ++axis)
        if (p->kernel[axis] != 1 || p->stride[axis] != 1 || p->pad_begin[axis] || p->pad_end[axis])
            return 0;
    return (in[2] == 1 || x[4] == 1) && (in[1] == 1 || x[3] == in[2]) &&
           (in[0] == 1 || x[2] == in[1] * in[2]) &&
           (plan->request.g.in_per_group == 1 || x[1] >= plan->request.g.pixels);
}

static int computes_weights(const clconv_problem *p) {
    return p->direction == CLCONV_BACKWARD_WEIGHTS;
}

static int has_epilogue(const clconv_problem *p) {
    return p->has_bias || p->activation != CLCONV_ACTIVATION_NONE;
}

static void destroy(clconv_plan *plan) {
    gemm_state *state = plan->state;
    if (!state)
        return;
    if (state->unroll)
        clReleaseKernel(state->unroll);
    if (state->epilogue)
        clReleaseKernel(state->epilogue);
    free(state);
    plan->state = NULL;
}

/*
 * The weights' memory order cannot be flipped for a GEMM, so a flipped kernel walks the input
 * backwards: in = out*stride - pad + (kernel-1-k)*dilation.
 */
static void flip_walk(int64_t f[CLCONV__FIELDS]) {
    for (int axis = 0; axis < CLCONV_SPATIAL_AXES; ++axis) {
        int64_t *dilation = &f[CLCONV__FIELD_dilation_d + axis];
        f[CLCONV__FIELD_pad_d + axis] -= (f[CLCONV__FIELD_kernel_d + axis] - 1) * *dilation;
        *dilation = -*dilation;
    }
}

static clconv_status create(clconv_plan *plan) {
    const clconv__geometry *g = &plan->request.g;
    size_t element = clconv_type_size(plan->problem.type);
    int64_t fields[CLCONV__FIELDS];
    clconv_problem columns = plan->problem;
    clconv_problem rest = plan->problem;   /* what the GEMM leaves to the epilogue */
    clconv_problem summed = plan->problem; /* the bias's gradient, to which nothing is added */
    rest.alpha = 1;
    rest.beta = 0;
    summed.has_bias = 0;
    clconv__drop_epilogue(&columns);
    clconv_status status = CLCONV_OK;
    gemm_state *state = calloc(1, sizeof *state);
    if (!state)
        return clconv__fail(CLCONV_OUT_OF_MEMORY, "a plan needs %zu bytes", sizeof *state);
    plan->state = state;
    state->pixels = g->pixels;
    state->taps = g->in_per_group * plan->problem.kernel[0] * plan->problem.kernel[1] *
                  plan->problem.kernel[2];
    if (!input_is_columns(plan)) {
        size_t most = LARGEST_WORKSPACE / element / state->taps;
        if (state->pixels > most)
            state->pixels = most ? most : 1;
        plan->workspace = state->pixels * state->taps * element;
        status =
            clconv__plan_kernel(&state->unroll, plan, &columns, "im2col.cl", "im2col", NULL, "");
    }
    if (!status && computes_weights(&plan->problem) && plan->problem.has_bias)
        status = clconv__bias_sums_kernel(&state->epilogue, plan);
    else if (!status && has_epilogue(&plan->problem))
        status = clconv__plan_kernel(&state->epilogue, plan, &rest, "im2col.cl", "im2col_epilogue",
                                     NULL, "");
    if (status) {
        destroy(plan);
        return status;
    }
    clconv__plan_fields(fields, plan, state->pixels);
    if (plan->problem.mode == CLCONV_CONVOLUTION)
        flip_walk(fields);
    clconv__pack_geometry(&state->geometry, plan, fields);
    clconv__pack_scalars(&state->scalars, computes_weights(&plan->problem) ? &summed : &rest);
    return CLCONV_OK;
}

static clconv_status unroll(clconv__call *call, size_t picture, size_t group, size_t first) {
    const gemm_state *state = call->plan->state;
    clconv__index_argument place[3];
    const clconv__argument arguments[] = {
        {state->geometry.size, &state->geometry.values},
        {sizeof call->offsets, &call->offsets},
        {sizeof(cl_mem), &call->tensors.input.memory},
        {sizeof(cl_mem), &call->tensors.workspace.memory},
        {sizeof(cl_long), &(cl_long){(cl_long)call->tensors.workspace.offset}},
        clconv__as_argument(&place[0], call->plan, picture),
        clconv__as_argument(&place[1], call->plan, group),
        clconv__as_argument(&place[2], call->plan, first),
    };
    const clconv__range range = {{state->pixels, state->taps, 1}, clconv__line_group(call->plan)};
    return clconv__call_kernel(call, state->unroll, &range, arguments,
                               sizeof arguments / sizeof arguments[0], NULL);
}

/* A matrix of the output's tensor: channels of a group by pixels from `first` on. */
static clconv__matrix output_of(const clconv__call *call, size_t picture, size_t group,
                                size_t first, size_t pixels) {
    const clconv__geometry *g = &call->plan->request.g;
    return (clconv__matrix){call->tensors.output.memory,
                            call->tensors.output.offset + picture * g->output_stride[0] +
                                group * g->out_per_group * g->output_stride[1] + first,
                            g->out_per_group > 1 ? g->output_stride[1] : pixels, 0};
}

static clconv_status make_columns(clconv__matrix *columns, clconv__call *call, size_t picture,
                                  size_t group, size_t first, size_t pixels) {
    const clconv__geometry *g = &call->plan->request.g;
    const gemm_state *state = call->plan->state;
    const clconv_tensors *t = &call->tensors;
    const size_t element = clconv_type_size(call->plan->problem.type);
    if (state->unroll) {
        *columns =
            (clconv__matrix){t->workspace.memory, t->workspace.offset / element, state->pixels, 0};
        return unroll(call, picture, group, first);
    }
    *columns = (clconv__matrix){t->input.memory,
                                t->input.offset + picture * g->input_stride[0] +
                                    group * g->in_per_group * g->input_stride[1] + first,
                                g->in_per_group > 1 ? g->input_stride[1] : pixels, 0};
    return CLCONV_OK;
}

static clconv_status convolve_piece(clconv__call *call, size_t picture, size_t group,
                                    size_t first) {
    const clconv__geometry *g = &call->plan->request.g;
    const gemm_state *state = call->plan->state;
    const clconv__scalars s = clconv__scalars_of(&call->plan->problem);
    const clconv_tensors *t = &call->tensors;
    size_t pixels = g->pixels - first < state->pixels ? g->pixels - first : state->pixels;
    clconv__matrix columns, output = output_of(call, picture, group, first, pixels);
    clconv__matrix weights = {t->weights.memory,
                              t->weights.offset + group * g->out_per_group * g->weights_stride[0],
                              state->taps, 0};
    clconv_status status = make_columns(&columns, call, picture, group, first, pixels);
    if (status)
        return status;
    if (!computes_weights(&call->plan->problem))
        return clconv__clblast_multiply(call, (size_t[]){g->out_per_group, pixels, state->taps},
                                        s.alpha, &weights, &columns, s.beta, &output);
    columns.is_transposed = 1;
    return clconv__clblast_multiply(call, (size_t[]){g->out_per_group, state->taps, pixels},
                                    s.alpha, &output, &columns, picture || first ? 1 : s.beta,
                                    &weights);
}

static clconv_status finish(clconv__call *call, cl_event *event) {
    const gemm_state *state = call->plan->state;
    const clconv_tensors *t = &call->tensors;
    const clconv_problem *p = &call->plan->problem;
    const clconv__argument arguments[] = {
        {state->geometry.size, &state->geometry.values},
        {sizeof call->offsets, &call->offsets},
        {state->scalars.size, &state->scalars.values},
        {sizeof(cl_mem), &t->bias.memory},
        {sizeof(cl_mem), &t->output.memory},
    };
    const clconv__range range = {{call->plan->request.g.pixels, p->out_channels, p->batch},
                                 clconv__line_group(call->plan)};
    return clconv__call_kernel(call, state->epilogue, &range, arguments,
                               sizeof arguments / sizeof arguments[0], event);
}

static clconv_status convolve(clconv__call *call) {
    const clconv_plan *plan = call->plan;
    const gemm_state *state = plan->state;
    clconv_status status = CLCONV_OK;
    for (size_t picture = 0; picture < plan->problem.batch; ++picture)
        for (size_t group = 0; group < plan->problem.groups; ++group)
            for (size_t first = 0; first < plan->request.g.pixels; first += state->pixels)
                if ((status = convolve_piece(call, picture, group, first)))
                    return status;
    return CLCONV_OK;
}

static clconv_status enqueue(clconv_plan *plan, cl_command_queue queue,
                             const clconv_tensors *tensors, cl_uint wait_count,
                             const cl_event *wait, cl_event *event) {
    const gemm_state *state = plan->state;
    const int wants_product = tensors->weights.memory != NULL;
    clconv__call call;
    clconv_status status = clconv__call_begin(&call, plan, queue, tensors, wait_count, wait);
    if (status || (wants_product && (status = convolve(&call))))
        return status;
    if (state->epilogue)
        return computes_weights(&plan->problem)
                   ? clconv__call_bias_sums(&call, state->epilogue, &state->geometry,
                                            &state->scalars, event)
                   : finish(&call, event);
    if (!event)
        return CLCONV_OK;
    return clconv__cl_check(clEnqueueMarkerWithWaitList(queue, 0, NULL, event),
                            "clEnqueueMarkerWithWaitList");
}

const clconv__algo_ops clconv__im2col_ops = {0, create, destroy, enqueue, NULL, NULL, NULL};
