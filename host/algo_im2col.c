/*
 * im2col and CLBlast's GEMM: for every picture and group, weights [out][taps] times columns
 * [taps][pixels], then the epilogue in place. Large pictures are unrolled some pixels at a time, so
 * that the workspace stays small. A 1x1 kernel that reads the input as it lies needs no unrolling.
 */
#include "call.h"
#include "opencl.h"

#ifdef CLCONV_WITH_CLBLAST
#include <clblast_c.h>

#include <stdlib.h>
#include <string.h>

/* Columns beyond this size are made in several pieces. */
#define LARGEST_WORKSPACE ((size_t)64 << 20)

typedef struct gemm_state {
    cl_kernel unroll;   /* NULL where the input is its own column matrix */
    cl_kernel epilogue; /* NULL where there is none */
    size_t pixels;      /* unrolled at a time */
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
    clconv_problem rest = plan->problem; /* what the GEMM leaves to the epilogue */
    rest.alpha = 1;
    rest.beta = 0;
    clconv_status status = CLCONV_OK;
    gemm_state *state = calloc(1, sizeof *state);
    if (!state)
        return clconv__fail(CLCONV_OUT_OF_MEMORY, "a plan needs %zu bytes", sizeof *state);
    plan->state = state;
    state->pixels = g->pixels;
    if (!input_is_columns(plan)) {
        size_t most = LARGEST_WORKSPACE / element / g->taps;
        if (state->pixels > most)
            state->pixels = most ? most : 1;
        plan->workspace = state->pixels * g->taps * element;
        status = clconv__plan_kernel(&state->unroll, plan, &plan->problem, "im2col.cl", "im2col",
                                     NULL, "");
    }
    if (!status && has_epilogue(&plan->problem))
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
    clconv__plan_scalars(&state->scalars, plan);
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
    const clconv__range range = {{state->pixels, call->plan->request.g.taps, 1},
                                 clconv__line_group(call->plan)};
    return clconv__call_kernel(call, state->unroll, &range, arguments,
                               sizeof arguments / sizeof arguments[0], NULL);
}

/* A row-major matrix inside a buffer; offset and leading dimension in elements. */
typedef struct matrix {
    cl_mem memory;
    size_t offset, leading;
} matrix;

/* c[m][n] = alpha * a[m][k] * b[k][n] + beta * c[m][n] */
static clconv_status multiply(clconv__call *call, size_t m, size_t n, size_t k, matrix a, matrix b,
                              matrix c) {
    clconv__scalars s = clconv__scalars_of(&call->plan->problem);
    cl_command_queue queue = call->queue;
    CLBlastStatusCode code;
    clconv_status status = clconv__call_separate(call); /* it takes no list of events */
    if (status)
        return status;
    if (call->plan->problem.type == CLCONV_F64)
        code = CLBlastDgemm(CLBlastLayoutRowMajor, CLBlastTransposeNo, CLBlastTransposeNo, m, n, k,
                            s.alpha, a.memory, a.offset, a.leading, b.memory, b.offset, b.leading,
                            s.beta, c.memory, c.offset, c.leading, &queue, NULL);
    else
        code = CLBlastSgemm(CLBlastLayoutRowMajor, CLBlastTransposeNo, CLBlastTransposeNo, m, n, k,
                            (float)s.alpha, a.memory, a.offset, a.leading, b.memory, b.offset,
                            b.leading, (float)s.beta, c.memory, c.offset, c.leading, &queue, NULL);
    if (code != CLBlastSuccess)
        return clconv__fail(CLCONV_CLBLAST, "CLBlast's gemm of %zu x %zu x %zu failed with %d", m,
                            n, k, (int)code);
    return CLCONV_OK;
}

static clconv_status convolve_piece(clconv__call *call, size_t picture, size_t group,
                                    size_t first) {
    const clconv__geometry *g = &call->plan->request.g;
    const gemm_state *state = call->plan->state;
    const clconv_tensors *t = &call->tensors;
    size_t element = clconv_type_size(call->plan->problem.type);
    size_t pixels = g->pixels - first < state->pixels ? g->pixels - first : state->pixels;
    matrix weights = {t->weights.memory,
                      t->weights.offset + group * g->out_per_group * g->weights_stride[0], g->taps};
    matrix columns = {t->workspace.memory, t->workspace.offset / element, state->pixels};
    matrix output = {t->output.memory,
                     t->output.offset + picture * g->output_stride[0] +
                         group * g->out_per_group * g->output_stride[1] + first,
                     g->out_per_group > 1 ? g->output_stride[1] : pixels};
    clconv_status status = CLCONV_OK;
    if (state->unroll)
        status = unroll(call, picture, group, first);
    else
        columns = (matrix){t->input.memory,
                           t->input.offset + picture * g->input_stride[0] +
                               group * g->in_per_group * g->input_stride[1] + first,
                           g->in_per_group > 1 ? g->input_stride[1] : pixels};
    if (status)
        return status;
    return multiply(call, g->out_per_group, pixels, g->taps, weights, columns, output);
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
    clconv__call call;
    clconv_status status = clconv__call_begin(&call, plan, queue, tensors, wait_count, wait);
    if (status || (status = convolve(&call)))
        return status;
    if (state->epilogue)
        return finish(&call, event);
    if (!event)
        return CLCONV_OK;
    return clconv__cl_check(clEnqueueMarkerWithWaitList(queue, 0, NULL, event),
                            "clEnqueueMarkerWithWaitList");
}

#else

/* Without CLBlast the row refuses every problem, so that these are never called. */
static clconv_status create(clconv_plan *plan) {
    (void)plan;
    return clconv__fail(CLCONV_UNSUPPORTED, "the library was built without CLBlast");
}

static void destroy(clconv_plan *plan) {
    (void)plan;
}

static clconv_status enqueue(clconv_plan *plan, cl_command_queue queue,
                             const clconv_tensors *tensors, cl_uint wait_count,
                             const cl_event *wait, cl_event *event) {
    (void)queue, (void)tensors, (void)wait_count, (void)wait, (void)event;
    return create(plan);
}

#endif

const clconv__algo_ops clconv__im2col_ops = {0, create, destroy, enqueue, NULL, NULL, NULL};
