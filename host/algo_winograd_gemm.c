/*
 * winograd_gemm.cl: F(4x4, 3x3), F(2x2, 3x3) and F(2x2, 5x5) for GPUs. Some tiles of all pictures
 * at a time are transformed, multiplied by gemm_tiled.cl and transformed back.
 */
#include "arithmetic.h"
#include "gemm.h"
#include "opencl.h"

#include <stdio.h>
#include <stdlib.h>

/*
 * Transformed inputs and products beyond this size are made in several pieces: so many keep a
 * device busy, and may still be in the cache of a large one when the next stage reads them.
 */
#define LARGEST_PIECE ((size_t)32 << 20)

enum { PACK, INPUT, MULTIPLY, OUTPUT, STAGES };
static const struct {
    const char *file, *name;
} stages[STAGES] = {{"winograd_gemm.cl", "winograd_gemm_pack"},
                    {"winograd_gemm.cl", "winograd_gemm_input"},
                    {"gemm_tiled.cl", "gemm_tiled"},
                    {"winograd_gemm.cl", "winograd_gemm_output"}};

typedef struct winograd_state {
    cl_kernel kernels[STAGES];
    clconv__tile tile;
    size_t places;         /* of an input tile */
    size_t tiles, piece;   /* of all pictures, and at a time */
    size_t products_bytes; /* where the products begin in the workspace */
    clconv__gemm_shape whole;
    clconv__kernel_scalars scalars;
} winograd_state;

/* ---- the rows ---- */

static size_t count_tiles(const clconv__request *r, size_t out) {
    return r->problem->batch * clconv__divide_up(r->g.output[1], out) *
           clconv__divide_up(r->g.output[2], out);
}

/* Of a tile of the input. */
static size_t count_places(const clconv__request *r, size_t out) {
    const size_t side = out + r->problem->kernel[2] - 1;
    return side * side;
}

/* Never split: there is one multiplication for each place of a tile. */
static clconv__gemm_shape shape_of(const clconv__request *r, const clconv__tile *tile, size_t out,
                                   size_t tiles) {
    const clconv__gemm_size size = {.groups = count_places(r, out) * r->problem->groups,
                                    .out_channels = r->g.out_per_group,
                                    .in_channels = r->g.in_per_group,
                                    .taps = 1,
                                    .pixels = tiles};
    return clconv__gemm_shape_of(&size, tile, 0);
}

static int launch(clconv__launch *l, const clconv__request *r, const clconv__tile *tile,
                  size_t out) {
    const clconv__gemm_shape s = shape_of(r, tile, out, count_tiles(r, out));
    snprintf(l->options, sizeof l->options, " -DM=%zu -DR=%zu", out, r->problem->kernel[2]);
    l->step = out;
    return clconv__gemm_fits(&s, &r->device->info);
}

int clconv__launch_winograd_gemm_2x2(clconv__launch *l, const clconv__request *r,
                                     const clconv__tile *tile) {
    return launch(l, r, tile, 2);
}

int clconv__launch_winograd_gemm_4x4(clconv__launch *l, const clconv__request *r,
                                     const clconv__tile *tile) {
    return launch(l, r, tile, 4);
}

/* The transformed tensors are written and read once each, by stages that memory limits. */
static double seconds(const clconv__request *r, const clconv__tile *tile, size_t out) {
    const clconv_device_info *info = &r->device->info;
    const size_t tiles = count_tiles(r, out), places = count_places(r, out);
    const clconv__gemm_shape s = shape_of(r, tile, out, tiles);
    const double floats = (double)tiles * (double)(2 * places + out * out) *
                          ((double)r->problem->in_channels + (double)r->problem->out_channels);
    return 1.5e-5 + clconv__gemm_seconds(&s, info) +
           floats * sizeof(float) / clconv__gpu_bandwidth(info);
}

double clconv__seconds_winograd_gemm_2x2(const clconv__request *r, const clconv__tile *tile) {
    return seconds(r, tile, 2);
}

double clconv__seconds_winograd_gemm_4x4(const clconv__request *r, const clconv__tile *tile) {
    return seconds(r, tile, 4);
}

/* ---- a plan ---- */

static void destroy(clconv_plan *plan) {
    winograd_state *state = plan->state;
    if (!state)
        return;
    clconv__release_kernels(state->kernels, STAGES);
    free(state);
    plan->state = NULL;
}

static void lay_out(winograd_state *state, clconv_plan *plan, size_t out) {
    const clconv_problem *p = &plan->problem;
    const size_t row = state->tile.value[1];
    state->places = count_places(&plan->request, out);
    state->tiles = count_tiles(&plan->request, out);
    state->whole = shape_of(&plan->request, &state->tile, out, state->tiles);
    const clconv__gemm_shape *s = &state->whole;
    size_t most =
        LARGEST_PIECE / sizeof(float) / state->places / (p->in_channels + p->out_channels);
    most = most < row ? row : most / row * row;
    /* Equal pieces, for the last would otherwise leave the device idle. */
    state->piece = clconv__divide_up(state->tiles, clconv__divide_up(state->tiles, most));
    const size_t tile_floats = state->places * state->piece;
    if (tile_floats * p->in_channels > INT32_MAX / 2 ||
        tile_floats * p->out_channels > INT32_MAX / 2 ||
        s->steps * s->tile_k * s->tile_m > INT32_MAX / 2)
        plan->wide_index = 1;
    state->products_bytes = clconv__round_up(tile_floats * p->in_channels * sizeof(float), 64);
    plan->workspace =
        state->products_bytes + clconv__round_up(tile_floats * p->out_channels * sizeof(float), 64);
    plan->packed_bytes = clconv__gemm_packed(s) * sizeof(float);
    clconv__pack_scalars(&state->scalars, &plan->problem);
}

/* The multiplication's numbers are floats without an epilogue, whatever the plan's are. */
static clconv_status build(winograd_state *state, const clconv_plan *plan, const char *options) {
    clconv_problem plain = plan->problem;
    clconv_status status = CLCONV_OK;
    plain.type = CLCONV_F32;
    clconv__drop_epilogue(&plain);
    for (int i = 0; i < STAGES && !status; ++i)
        status = clconv__plan_kernel(
            &state->kernels[i], plan, i == MULTIPLY ? &plain : &plan->problem, stages[i].file,
            stages[i].name, &state->tile, i == MULTIPLY ? " -DPOINT=1 -DFLAT=0 -DRAW=1" : options);
    return status;
}

static clconv_status create(clconv_plan *plan) {
    clconv__launch launched;
    const clconv__tile *tile = clconv__fitting_tile(&launched, plan->algo, &plan->request);
    winograd_state *state = calloc(1, sizeof *state);
    if (!state)
        return clconv__fail(CLCONV_OUT_OF_MEMORY, "a plan needs %zu bytes", sizeof *state);
    plan->state = state;
    state->tile = *tile;
    lay_out(state, plan, launched.step);
    clconv_status status = build(state, plan, launched.options);
    if (status)
        destroy(plan);
    return status;
}

/* The plan's geometry, `step` being the number of tiles. */
static clconv__kernel_geometry geometry_of(const clconv_plan *plan, size_t tiles) {
    int64_t fields[CLCONV__FIELDS];
    clconv__kernel_geometry geometry;
    clconv__plan_fields(fields, plan, tiles);
    clconv__pack_geometry(&geometry, plan, fields);
    return geometry;
}

/* One row of pixels, the tiles, and a group for each place and group. */
static clconv__kernel_geometry gemm_geometry_of(const clconv_plan *plan, size_t tiles) {
    const winograd_state *state = plan->state;
    const clconv__geometry *g = &plan->request.g;
    int64_t f[CLCONV__FIELDS];
    clconv__kernel_geometry geometry;
    for (int i = 0; i < CLCONV__FIELDS; ++i)
        f[i] = 0;
    f[CLCONV__FIELD_batch] = 1;
    f[CLCONV__FIELD_groups] = (int64_t)(state->places * plan->problem.groups);
    f[CLCONV__FIELD_in_per_group] = (int64_t)g->in_per_group;
    f[CLCONV__FIELD_out_per_group] = (int64_t)g->out_per_group;
    for (int axis = 0; axis < CLCONV_SPATIAL_AXES; ++axis)
        f[CLCONV__FIELD_in_d + axis] = f[CLCONV__FIELD_out_d + axis] =
            f[CLCONV__FIELD_kernel_d + axis] = f[CLCONV__FIELD_stride_d + axis] =
                f[CLCONV__FIELD_dilation_d + axis] = 1;
    f[CLCONV__FIELD_in_w] = f[CLCONV__FIELD_out_w] = (int64_t)tiles;
    f[CLCONV__FIELD_x_c] = f[CLCONV__FIELD_y_c] = (int64_t)tiles;
    f[CLCONV__FIELD_x_w] = f[CLCONV__FIELD_y_w] = 1;
    f[CLCONV__FIELD_step] = (int64_t)state->whole.steps;
    clconv__pack_geometry(&geometry, plan, f);
    return geometry;
}

static clconv_status pack_device(clconv__call *call, cl_mem packed, size_t offset) {
    const winograd_state *state = call->plan->state;
    const clconv__gemm_shape *s = &state->whole;
    const clconv__kernel_geometry geometry = geometry_of(call->plan, 0);
    const cl_long at = (cl_long)(offset / sizeof(float));
    const clconv__argument arguments[] = {
        {geometry.size, &geometry.values},
        {sizeof call->offsets, &call->offsets},
        {sizeof(cl_mem), &call->tensors.weights.memory},
        {sizeof(cl_mem), &packed},
        {sizeof at, &at},
    };
    const clconv__range range = {
        {s->steps * s->tile_k * s->tile_m, call->plan->problem.groups * s->blocks, 1},
        clconv__line_group(call->plan)};
    return clconv__call_kernel(call, state->kernels[PACK], &range, arguments,
                               sizeof arguments / sizeof arguments[0], NULL);
}

static clconv_status transform(clconv__call *call, size_t first, size_t tiles) {
    const clconv_plan *plan = call->plan;
    const winograd_state *state = plan->state;
    const clconv__kernel_geometry geometry = geometry_of(plan, tiles);
    const cl_long at = (cl_long)(call->tensors.workspace.offset / sizeof(float));
    clconv__index_argument tile;
    const clconv__argument arguments[] = {
        {geometry.size, &geometry.values},
        {sizeof call->offsets, &call->offsets},
        {sizeof(cl_mem), &call->tensors.input.memory},
        {sizeof(cl_mem), &call->tensors.workspace.memory},
        {sizeof at, &at},
        clconv__as_argument(&tile, plan, first),
    };
    const clconv__range range = {{tiles, plan->problem.in_channels, 1}, clconv__line_group(plan)};
    return clconv__call_kernel(call, state->kernels[INPUT], &range, arguments,
                               sizeof arguments / sizeof arguments[0], NULL);
}

static clconv_status multiply(clconv__call *call, const clconv__packed *packed, size_t tiles) {
    const clconv_plan *plan = call->plan;
    const winograd_state *state = plan->state;
    const clconv__kernel_geometry geometry = gemm_geometry_of(plan, tiles);
    const clconv_buffer workspace = call->tensors.workspace;
    clconv__gemm_shape shape = state->whole;
    shape.tiles = clconv__divide_up(tiles, shape.tile_n);
    const clconv__gemm_buffers buffers = {
        .x = workspace.memory,
        .packed = packed->memory,
        .raw = workspace.memory,
        .x_at = (cl_long)(workspace.offset / sizeof(float)),
        .packed_at = (cl_long)(packed->offset / sizeof(float)),
        .raw_at = (cl_long)((workspace.offset + state->products_bytes) / sizeof(float))};
    return clconv__gemm_multiply(call, state->kernels[MULTIPLY], &shape, &geometry, &state->scalars,
                                 &buffers, NULL);
}

static clconv_status transform_back(clconv__call *call, size_t first, size_t tiles,
                                    cl_event *event) {
    const clconv_plan *plan = call->plan;
    const winograd_state *state = plan->state;
    const clconv_tensors *t = &call->tensors;
    const clconv__kernel_geometry geometry = geometry_of(plan, tiles);
    const cl_long at = (cl_long)((t->workspace.offset + state->products_bytes) / sizeof(float));
    clconv__index_argument tile;
    const clconv__argument arguments[] = {
        {geometry.size, &geometry.values},
        {sizeof call->offsets, &call->offsets},
        {state->scalars.size, &state->scalars.values},
        {sizeof(cl_mem), &t->workspace.memory},
        {sizeof at, &at},
        clconv__as_argument(&tile, plan, first),
        {sizeof(cl_mem), &t->bias.memory},
        {sizeof(cl_mem), &t->residual.memory},
        {sizeof(cl_mem), &t->output.memory},
    };
    const clconv__range range = {{tiles, plan->problem.out_channels, 1}, clconv__line_group(plan)};
    return clconv__call_kernel(call, state->kernels[OUTPUT], &range, arguments,
                               sizeof arguments / sizeof arguments[0], event);
}

static clconv_status enqueue(clconv_plan *plan, cl_command_queue queue,
                             const clconv_tensors *tensors, cl_uint wait_count,
                             const cl_event *wait, cl_event *event) {
    const winograd_state *state = plan->state;
    clconv__call call;
    clconv__packed packed;
    clconv_status status =
        clconv__call_begin_packed(&call, &packed, plan, queue, tensors, wait_count, wait);
    for (size_t first = 0; first < state->tiles && !status; first += state->piece) {
        size_t tiles = state->tiles - first < state->piece ? state->tiles - first : state->piece;
        int is_last = first + tiles == state->tiles;
        if (!(status = transform(&call, first, tiles)) &&
            !(status = multiply(&call, &packed, tiles)))
            status = transform_back(&call, first, tiles, is_last ? event : NULL);
    }
    return status;
}

const clconv__algo_ops clconv__winograd_gemm_ops = {0,    create, destroy,    enqueue,
                                                    NULL, NULL,   pack_device};
