/*
 * winograd.cl: F(4x4, 3x3) and F(2x2, 3x3) for CPUs. Rows of tiles are transformed and multiplied
 * some at a time, so that what lies between the stages stays in cache and the workspace small.
 */
#include "arithmetic.h"
#include "call.h"

#include <stdlib.h>

/* Transformed input beyond this size is made in several pieces. */
#define LARGEST_PIECE ((size_t)4 << 20)

enum { PACK, INPUT, MULTIPLY, STAGES };
static const char *const stage_names[STAGES] = {"winograd_pack", "winograd_input", "winograd"};

typedef struct winograd_state {
    cl_kernel kernels[STAGES];
    size_t out, tile;     /* M, and M + 2 */
    size_t tiles_w, rows; /* tiles of a row, and rows of tiles of all pictures */
    size_t piece;         /* rows of tiles at a time */
    size_t group;         /* tiles of a work-item */
    size_t blocks;        /* channel blocks of all groups */
    size_t line;          /* floats of a line in local memory */
    int64_t fields[CLCONV__FIELDS];
    clconv__kernel_scalars scalars;
} winograd_state;

static void destroy(clconv_plan *plan) {
    winograd_state *state = plan->state;
    if (!state)
        return;
    for (int i = 0; i < STAGES; ++i)
        if (state->kernels[i])
            clReleaseKernel(state->kernels[i]);
    free(state);
    plan->state = NULL;
}

/* Floats of a transformed row of tiles. */
static size_t row_floats(const winograd_state *state, const clconv_problem *p) {
    return state->tile * state->tile * p->in_channels * state->tiles_w;
}

static void lay_out(winograd_state *state, clconv_plan *plan, const clconv__tile *tile) {
    const clconv_problem *p = &plan->problem;
    const clconv__geometry *g = &plan->request.g;
    size_t channels = 16 * (size_t)tile->value[0];
    state->group = tile->value[1];
    state->out = tile->value[2];
    state->tile = state->out + 2;
    state->tiles_w = clconv__divide_up(g->output[2], state->out);
    state->rows = p->batch * clconv__divide_up(g->output[1], state->out);
    state->blocks = p->groups * clconv__divide_up(g->out_per_group, channels);
    state->line = clconv__winograd_line(&plan->request, state->out);
    size_t most = LARGEST_PIECE / sizeof(float) / row_floats(state, p);
    state->piece = most < 1 ? 1 : most < state->rows ? most : state->rows;
    /* Equal pieces, for the last would otherwise leave processors idle. */
    state->piece = clconv__divide_up(state->rows, clconv__divide_up(state->rows, state->piece));
    plan->workspace = clconv__round_up(state->piece * row_floats(state, p) * sizeof(float), 64);
    plan->packed_bytes =
        state->blocks * state->tile * state->tile * g->in_per_group * channels * sizeof(float);
    clconv__plan_fields(state->fields, plan, 0);
    clconv__pack_scalars(&state->scalars, &plan->problem);
}

static clconv_status create(clconv_plan *plan) {
    clconv__launch launch;
    const clconv__tile *tile = clconv__fitting_tile(&launch, plan->algo, &plan->request);
    clconv_status status = CLCONV_OK;
    winograd_state *state = calloc(1, sizeof *state);
    if (!state)
        return clconv__fail(CLCONV_OUT_OF_MEMORY, "a plan needs %zu bytes", sizeof *state);
    plan->state = state;
    lay_out(state, plan, tile);
    for (int i = 0; i < STAGES && !status; ++i)
        status = clconv__plan_kernel(&state->kernels[i], plan, &plan->problem, "winograd.cl",
                                     stage_names[i], tile, "");
    if (status)
        destroy(plan);
    return status;
}

/* The plan's geometry with `step` as a stage needs it. */
static clconv__kernel_geometry geometry_with(const clconv_plan *plan, size_t step) {
    winograd_state state = *(const winograd_state *)plan->state;
    clconv__kernel_geometry geometry;
    state.fields[CLCONV__FIELD_step] = (int64_t)step;
    clconv__pack_geometry(&geometry, plan, state.fields);
    return geometry;
}

static clconv_status pack_device(clconv__call *call, cl_mem packed, size_t offset) {
    const clconv_plan *plan = call->plan;
    const winograd_state *state = plan->state;
    const clconv__kernel_geometry geometry = geometry_with(plan, 0);
    const cl_long at = (cl_long)(offset / sizeof(float));
    const clconv__argument arguments[] = {
        {geometry.size, &geometry.values},
        {sizeof call->offsets, &call->offsets},
        {sizeof(cl_mem), &call->tensors.weights.memory},
        {sizeof(cl_mem), &packed},
        {sizeof at, &at},
    };
    const clconv__range range = {{plan->request.g.in_per_group, state->blocks, 1}, 1};
    return clconv__call_kernel(call, state->kernels[PACK], &range, arguments,
                               sizeof arguments / sizeof arguments[0], NULL);
}

static clconv_status transform(clconv__call *call, size_t first_row, size_t rows) {
    const clconv_plan *plan = call->plan;
    const winograd_state *state = plan->state;
    const clconv__kernel_geometry geometry = geometry_with(plan, state->line);
    const cl_long at = (cl_long)(call->tensors.workspace.offset / sizeof(float));
    clconv__index_argument row;
    const clconv__argument arguments[] = {
        {geometry.size, &geometry.values},
        {sizeof call->offsets, &call->offsets},
        {sizeof(cl_mem), &call->tensors.input.memory},
        {sizeof(cl_mem), &call->tensors.workspace.memory},
        {sizeof at, &at},
        clconv__as_argument(&row, plan, first_row),
        {state->tile * state->line * sizeof(float), NULL},
    };
    const clconv__range range = {{rows, plan->problem.in_channels, 1}, 1};
    return clconv__call_kernel(call, state->kernels[INPUT], &range, arguments,
                               sizeof arguments / sizeof arguments[0], NULL);
}

static clconv_status multiply(clconv__call *call, cl_mem packed, size_t packed_offset,
                              size_t first_row, size_t rows, cl_event *event) {
    const clconv_plan *plan = call->plan;
    const winograd_state *state = plan->state;
    const clconv_tensors *t = &call->tensors;
    const clconv__kernel_geometry geometry = geometry_with(plan, rows * state->tiles_w);
    const cl_long at = (cl_long)(t->workspace.offset / sizeof(float));
    const cl_long packed_at = (cl_long)(packed_offset / sizeof(float));
    clconv__index_argument row;
    const clconv__argument arguments[] = {
        {geometry.size, &geometry.values},
        {sizeof call->offsets, &call->offsets},
        {state->scalars.size, &state->scalars.values},
        {sizeof(cl_mem), &t->workspace.memory},
        {sizeof at, &at},
        {sizeof(cl_mem), &packed},
        {sizeof packed_at, &packed_at},
        clconv__as_argument(&row, plan, first_row),
        {sizeof(cl_mem), &t->bias.memory},
        {sizeof(cl_mem), &t->residual.memory},
        {sizeof(cl_mem), &t->output.memory},
    };
    const clconv__range range = {
        {clconv__divide_up(rows * state->tiles_w, state->group), state->blocks, 1}, 1};
    return clconv__call_kernel(call, state->kernels[MULTIPLY], &range, arguments,
                               sizeof arguments / sizeof arguments[0], event);
}

static clconv_status enqueue(clconv_plan *plan, cl_command_queue queue,
                             const clconv_tensors *tensors, cl_uint wait_count,
                             const cl_event *wait, cl_event *event) {
    const winograd_state *state = plan->state;
    cl_mem packed = plan->packed;
    size_t packed_offset = 0;
    clconv__call call;
    clconv_status status = clconv__call_begin(&call, plan, queue, tensors, wait_count, wait);
    if (!status && !packed) {
        packed = tensors->workspace.memory;
        packed_offset = tensors->workspace.offset + plan->workspace;
        status = pack_device(&call, packed, packed_offset);
    }
    for (size_t row = 0; row < state->rows && !status; row += state->piece) {
        size_t rows = state->rows - row < state->piece ? state->rows - row : state->piece;
        int is_last = row + rows == state->rows;
        if (!(status = transform(&call, row, rows)))
            status = multiply(&call, packed, packed_offset, row, rows, is_last ? event : NULL);
    }
    return status;
}

const clconv__algo_ops clconv__winograd_ops = {0,    create, destroy,    enqueue,
                                               NULL, NULL,   pack_device};
