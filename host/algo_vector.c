/*
 * vector.cl: direct convolution out of vector registers, for CPUs. The weights are packed by
 * channel blocks; an input that is padded or not f32 is first copied to padded float planes.
 */
#include "arithmetic.h"
#include "call.h"
#include "opencl.h"

#include <stdlib.h>

enum { PACK, PAD, MULTIPLY, STAGES };
static const char *const stage_names[STAGES] = {"vector_pack", "vector_pad", "vector"};

typedef struct vector_state {
    cl_kernel kernels[STAGES];            /* PAD is NULL where the input is read as it is */
    cl_mem tap_from;                      /* where each tap reads, seen from the first */
    size_t whole[CLCONV_SPATIAL_AXES];    /* extents of a padded plane */
    size_t tiles, blocks;                 /* of pixels, and of all groups' channels */
    clconv__kernel_geometry from, padded; /* the input's own strides, and the planes' */
    clconv__kernel_scalars scalars;
} vector_state;

int clconv__vector_needs_planes(const clconv_problem *p) {
    int pads = p->type != CLCONV_F32;
    for (int axis = 0; axis < CLCONV_SPATIAL_AXES; ++axis)
        pads |= p->pad_begin[axis] || p->pad_end[axis];
    return pads;
}

static void destroy(clconv_plan *plan) {
    vector_state *state = plan->state;
    if (!state)
        return;
    for (int i = 0; i < STAGES; ++i)
        if (state->kernels[i])
            clReleaseKernel(state->kernels[i]);
    if (state->tap_from)
        clReleaseMemObject(state->tap_from);
    free(state);
    plan->state = NULL;
}

/* Extents of the planes and bytes of the workspace; fields become those of what is read. */
static void lay_out(int64_t fields[CLCONV__FIELDS], vector_state *state, clconv_plan *plan) {
    const clconv_problem *p = &plan->problem;
    size_t plane = 1;
    for (int axis = 0; axis < CLCONV_SPATIAL_AXES; ++axis) {
        state->whole[axis] = p->input[axis] + p->pad_begin[axis] + p->pad_end[axis];
        plane *= state->whole[axis];
    }
    size_t elements = plane * p->in_channels * p->batch;
    if (elements > INT32_MAX / 2)
        plan->wide_index = 1;
    clconv__plan_fields(fields, plan, plan->request.g.taps);
    clconv__pack_geometry(&state->from, plan, fields);
    if (clconv__vector_needs_planes(p)) {
        plan->workspace = clconv__round_up(elements * sizeof(float), 64);
        fields[CLCONV__FIELD_x_n] = (int64_t)(plane * p->in_channels);
        fields[CLCONV__FIELD_x_c] = (int64_t)plane;
        fields[CLCONV__FIELD_x_d] = (int64_t)(state->whole[1] * state->whole[2]);
        fields[CLCONV__FIELD_x_h] = (int64_t)state->whole[2];
        fields[CLCONV__FIELD_x_w] = 1;
    }
    clconv__pack_geometry(&state->padded, plan, fields);
}

/* One integer per tap, as wide as the plan's indices. */
static clconv_status make_taps(vector_state *state, const clconv_plan *plan,
                               const int64_t f[CLCONV__FIELDS]) {
    const size_t taps = plan->request.g.taps, *kernel = plan->problem.kernel;
    const size_t size = plan->wide_index ? sizeof(cl_long) : sizeof(cl_int);
    cl_int code;
    char *table = malloc(taps * size);
    if (!table)
        return clconv__fail(CLCONV_OUT_OF_MEMORY, "a plan needs %zu bytes", taps * size);
    for (size_t tap = 0; tap < taps; ++tap) {
        size_t rest = tap;
        int64_t from = 0;
        for (int axis = CLCONV_SPATIAL_AXES - 1; axis >= 0; rest /= kernel[axis--])
            from += (int64_t)(rest % kernel[axis]) * f[CLCONV__FIELD_dilation_d + axis] *
                    f[CLCONV__FIELD_x_d + axis];
        from += (int64_t)rest * f[CLCONV__FIELD_x_c];
        if (plan->wide_index)
            ((cl_long *)table)[tap] = from;
        else
            ((cl_int *)table)[tap] = (cl_int)from;
    }
    state->tap_from =
        clCreateBuffer(plan->request.device->context, CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR,
                       taps * size, table, &code);
    free(table);
    return clconv__cl_check(code, "clCreateBuffer");
}

static clconv_status create(clconv_plan *plan) {
    const clconv__geometry *g = &plan->request.g;
    clconv__launch launch;
    const clconv__tile *tile = clconv__fitting_tile(&launch, plan->algo, &plan->request);
    int64_t fields[CLCONV__FIELDS];
    clconv_status status;
    vector_state *state = calloc(1, sizeof *state);
    if (!state)
        return clconv__fail(CLCONV_OUT_OF_MEMORY, "a plan needs %zu bytes", sizeof *state);
    plan->state = state;
    size_t channels = 16 * (size_t)tile->value[0];
    state->tiles = clconv__divide_up(g->pixels, tile->value[1]);
    state->blocks = plan->problem.groups * clconv__divide_up(g->out_per_group, channels);
    plan->packed_bytes = state->blocks * g->taps * channels * sizeof(float);
    lay_out(fields, state, plan);
    clconv__pack_scalars(&state->scalars, &plan->problem);
    status = make_taps(state, plan, fields);
    for (int i = 0; i < STAGES && !status; ++i)
        if (i != PAD || clconv__vector_needs_planes(&plan->problem))
            status = clconv__plan_kernel(&state->kernels[i], plan, &plan->problem, "vector.cl",
                                         stage_names[i], tile, "");
    if (status)
        destroy(plan);
    return status;
}

static clconv_status pack_device(clconv__call *call, cl_mem packed, size_t offset) {
    const vector_state *state = call->plan->state;
    const cl_long at = (cl_long)(offset / sizeof(float));
    const clconv__argument arguments[] = {
        {state->from.size, &state->from.values},
        {sizeof call->offsets, &call->offsets},
        {sizeof(cl_mem), &call->tensors.weights.memory},
        {sizeof(cl_mem), &packed},
        {sizeof at, &at},
    };
    const clconv__range range = {{call->plan->request.g.taps, state->blocks, 1}, 1};
    return clconv__call_kernel(call, state->kernels[PACK], &range, arguments,
                               sizeof arguments / sizeof arguments[0], NULL);
}

static clconv_status pad(clconv__call *call) {
    const vector_state *state = call->plan->state;
    const clconv_problem *p = &call->plan->problem;
    const cl_long at = (cl_long)(call->tensors.workspace.offset / sizeof(float));
    clconv__index_argument whole[CLCONV_SPATIAL_AXES];
    const clconv__argument arguments[] = {
        {state->from.size, &state->from.values},
        {sizeof call->offsets, &call->offsets},
        {sizeof(cl_mem), &call->tensors.input.memory},
        {sizeof(cl_mem), &call->tensors.workspace.memory},
        {sizeof at, &at},
        clconv__as_argument(&whole[0], call->plan, state->whole[0]),
        clconv__as_argument(&whole[1], call->plan, state->whole[1]),
        clconv__as_argument(&whole[2], call->plan, state->whole[2]),
    };
    const clconv__range range = {{state->whole[0] * state->whole[1], p->in_channels, p->batch}, 1};
    return clconv__call_kernel(call, state->kernels[PAD], &range, arguments,
                               sizeof arguments / sizeof arguments[0], NULL);
}

static clconv_status multiply(clconv__call *call, cl_mem packed, size_t packed_offset,
                              cl_event *event) {
    const vector_state *state = call->plan->state;
    const clconv_tensors *t = &call->tensors;
    const int is_padded = state->kernels[PAD] != NULL;
    const cl_mem x = is_padded ? t->workspace.memory : t->input.memory;
    const cl_long x_at =
        is_padded ? (cl_long)(t->workspace.offset / sizeof(float)) : (cl_long)t->input.offset;
    const cl_long packed_at = (cl_long)(packed_offset / sizeof(float));
    const clconv__argument arguments[] = {
        {state->padded.size, &state->padded.values},
        {sizeof call->offsets, &call->offsets},
        {state->scalars.size, &state->scalars.values},
        {sizeof(cl_mem), &x},
        {sizeof x_at, &x_at},
        {sizeof(cl_mem), &packed},
        {sizeof packed_at, &packed_at},
        {sizeof(cl_mem), &state->tap_from},
        {sizeof(cl_mem), &t->bias.memory},
        {sizeof(cl_mem), &t->residual.memory},
        {sizeof(cl_mem), &t->output.memory},
    };
    const clconv__range range = {{state->tiles, state->blocks, call->plan->problem.batch}, 1};
    return clconv__call_kernel(call, state->kernels[MULTIPLY], &range, arguments,
                               sizeof arguments / sizeof arguments[0], event);
}

static clconv_status enqueue(clconv_plan *plan, cl_command_queue queue,
                             const clconv_tensors *tensors, cl_uint wait_count,
                             const cl_event *wait, cl_event *event) {
    const vector_state *state = plan->state;
    cl_mem packed = plan->packed;
    size_t packed_offset = 0;
    clconv__call call;
    clconv_status status = clconv__call_begin(&call, plan, queue, tensors, wait_count, wait);
    if (!status && !packed) {
        packed = tensors->workspace.memory;
        packed_offset = tensors->workspace.offset + plan->workspace;
        status = pack_device(&call, packed, packed_offset);
    }
    if (!status && state->kernels[PAD])
        status = pad(&call);
    return status ? status : multiply(&call, packed, packed_offset, event);
}

const clconv__algo_ops clconv__vector_ops = {0, create, destroy, enqueue, NULL, NULL, pack_device};
