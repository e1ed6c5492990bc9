/*
 * winograd.cl: F(4x4, 3x3), F(2x2, 3x3) and F(2x2, 5x5) for CPUs. Either each work-item transforms
 * an area of tiles and multiplies it, or rows of tiles are transformed and multiplied some at a
 * time, so that what lies between the stages stays in cache and the workspace small.
 */
#include "arithmetic.h"
#include "call.h"
#include "opencl.h"

#include <stdlib.h>

enum { LANES = 16 }; /* tiles that are transformed at a time */

enum { PACK, MULTIPLY, INPUT, STAGES };
static const char *const stage_names[2][STAGES] = {
    {"winograd_pack", "winograd", "winograd_input"},
    {"winograd_pack", "winograd_at_once"},
};

typedef struct winograd_state {
    cl_kernel kernels[STAGES];
    size_t out, tile;           /* M, and TS */
    size_t tiles_w, rows;       /* tiles of a row, and rows of tiles of all pictures */
    size_t piece;               /* rows of tiles at a time */
    size_t pitch;               /* floats between channels of transformed input */
    size_t group;               /* tiles of a work-item */
    clconv__winograd_area area; /* of a work-item; its rows are 0 where there are stages */
    size_t blocks;              /* channel blocks of all groups */
    size_t line, lines;         /* floats of a line, and lines in local memory */
    size_t products;            /* bytes of local memory that a work-item multiplies into */
    int64_t fields[CLCONV__FIELDS];
    clconv__kernel_scalars scalars;
} winograd_state;

static void destroy(clconv_plan *plan) {
    winograd_state *state = plan->state;
    if (!state)
        return;
    clconv__release_kernels(state->kernels, STAGES);
    free(state);
    plan->state = NULL;
}

/* Pieces that stay in a processor's cache, unless reading large weights for each would cost more.
 */
size_t clconv__winograd_piece(size_t weights) {
    enum { CACHED = 2 << 20 };
    return weights / 4 > CACHED ? weights / 4 : CACHED;
}

/*
 * Floats between the channels of so many transformed rows of tiles: rows are written in vectors of
 * LANES tiles, and read in groups.
 */
static size_t pitch_of(size_t rows, size_t columns, size_t tiles) {
    const size_t written = (rows - 1) * columns + clconv__round_up(columns, LANES);
    const size_t read = clconv__round_up(rows * columns, tiles);
    return clconv__round_up(written > read ? written : read, LANES);
}

clconv__winograd_area clconv__winograd_area_of(const clconv__request *r, const clconv__tile *tile) {
    const size_t out = tile->value[2], side = out + r->problem->kernel[2] - 1;
    const size_t blocks = clconv__divide_up(r->g.out_per_group, 16 * (size_t)tile->value[0]);
    const size_t units = r->device->info.compute_units ? r->device->info.compute_units : 1;
    clconv__winograd_area area = {.tiles_w = clconv__divide_up(r->g.output[2], out),
                                  .tiles_h =
                                      r->problem->batch * clconv__divide_up(r->g.output[1], out)};
    if (tile->value[3])
        return area;
    const size_t rows = tile->value[1] / area.tiles_w;
    area.rows = rows < 1 ? 1 : rows < area.tiles_h ? rows : area.tiles_h;
    area.columns = area.tiles_w < tile->value[1] ? area.tiles_w : tile->value[1];
    area.pitch = pitch_of(area.rows, area.columns, tile->value[1]);
    area.floats = (double)(side * side) * ((double)r->g.in_per_group * (double)area.pitch + LANES);
    area.areas = clconv__divide_up(area.tiles_w, area.columns) *
                 clconv__divide_up(area.tiles_h, area.rows) * r->problem->groups;
    const size_t parts = clconv__divide_up(units, area.areas);
    area.parts = parts < blocks ? parts : blocks;
    area.parts = clconv__divide_up(blocks, clconv__divide_up(blocks, area.parts));
    return area;
}

static void lay_out_stages(winograd_state *state, clconv_plan *plan, const clconv__tile *tile) {
    const size_t channels = state->tile * state->tile * plan->problem.in_channels;
    const size_t most =
        clconv__winograd_piece(plan->packed_bytes) / sizeof(float) / (channels * state->tiles_w);
    state->piece = most < 1 ? 1 : most < state->rows ? most : state->rows;
    /* Equal pieces, for the last would otherwise leave processors idle. */
    state->piece = clconv__divide_up(state->rows, clconv__divide_up(state->rows, state->piece));
    state->pitch = pitch_of(state->piece, state->tiles_w, tile->value[1]);
    plan->workspace = clconv__round_up(channels * state->pitch * sizeof(float), 64);
}

static void lay_out(winograd_state *state, clconv_plan *plan, const clconv__tile *tile,
                    const clconv__launch *launch) {
    const clconv_problem *p = &plan->problem;
    const clconv__geometry *g = &plan->request.g;
    size_t channels = 16 * (size_t)tile->value[0];
    state->out = tile->value[2];
    state->tile = state->out + p->kernel[2] - 1;
    state->area = clconv__winograd_area_of(&plan->request, tile);
    state->tiles_w = state->area.tiles_w;
    state->rows = state->area.tiles_h;
    state->blocks = p->groups * clconv__divide_up(g->out_per_group, channels);
    state->line = clconv__winograd_line(&plan->request, state->out);
    state->lines = state->tile * clconv__winograd_rows(&plan->request, state->out);
    state->group = launch->step;
    state->products = launch->local_bytes;
    const size_t places = state->tile * state->tile;
    plan->packed_bytes = state->blocks * places * g->in_per_group * channels * sizeof(float);
    if (!state->area.rows)
        lay_out_stages(state, plan, tile);
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
    lay_out(state, plan, tile, &launch);
    const char *const *names = stage_names[state->area.rows > 0];
    for (int i = 0; i < STAGES && names[i] && !status; ++i)
        status = clconv__plan_kernel(&state->kernels[i], plan, &plan->problem, "winograd.cl",
                                     names[i], tile, launch.options);
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
    clconv__index_argument row, row_count, pitch;
    const clconv__argument arguments[] = {
        {geometry.size, &geometry.values},
        {sizeof call->offsets, &call->offsets},
        {sizeof(cl_mem), &call->tensors.input.memory},
        {sizeof(cl_mem), &call->tensors.workspace.memory},
        {sizeof at, &at},
        clconv__as_argument(&row, plan, first_row),
        clconv__as_argument(&row_count, plan, rows),
        clconv__as_argument(&pitch, plan, state->pitch),
        {state->lines * state->line * sizeof(float), NULL},
    };
    const clconv__range range = {{plan->problem.in_channels, 1, 1}, 1};
    return clconv__call_kernel(call, state->kernels[INPUT], &range, arguments,
                               sizeof arguments / sizeof arguments[0], NULL);
}

static clconv_status multiply(clconv__call *call, const clconv__packed *packed, size_t first_row,
                              size_t rows, cl_event *event) {
    const clconv_plan *plan = call->plan;
    const winograd_state *state = plan->state;
    const clconv_tensors *t = &call->tensors;
    const clconv__kernel_geometry geometry = geometry_with(plan, rows * state->tiles_w);
    const cl_long at = (cl_long)(t->workspace.offset / sizeof(float));
    const cl_long packed_at = (cl_long)(packed->offset / sizeof(float));
    clconv__index_argument row, pitch, group;
    const clconv__argument arguments[] = {
        {geometry.size, &geometry.values},
        {sizeof call->offsets, &call->offsets},
        {state->scalars.size, &state->scalars.values},
        {sizeof(cl_mem), &t->workspace.memory},
        {sizeof at, &at},
        {sizeof(cl_mem), &packed->memory},
        {sizeof packed_at, &packed_at},
        clconv__as_argument(&row, plan, first_row),
        clconv__as_argument(&pitch, plan, state->pitch),
        clconv__as_argument(&group, plan, state->group),
        {sizeof(cl_mem), &t->bias.memory},
        {sizeof(cl_mem), &t->residual.memory},
        {sizeof(cl_mem), &t->output.memory},
        {state->products, NULL},
    };
    const clconv__range range = {
        {clconv__divide_up(rows * state->tiles_w, state->group), state->blocks, 1}, 1};
    return clconv__call_kernel(call, state->kernels[MULTIPLY], &range, arguments,
                               sizeof arguments / sizeof arguments[0], event);
}

static clconv_status compute_at_once(clconv__call *call, const clconv__packed *packed,
                                     cl_event *event) {
    const clconv_plan *plan = call->plan;
    const winograd_state *state = plan->state;
    const clconv_tensors *t = &call->tensors;
    const clconv__kernel_geometry geometry = geometry_with(plan, state->line);
    const cl_long packed_at = (cl_long)(packed->offset / sizeof(float));
    clconv__index_argument rows, columns, pitch;
    const clconv__argument arguments[] = {
        {geometry.size, &geometry.values},
        {sizeof call->offsets, &call->offsets},
        {state->scalars.size, &state->scalars.values},
        {sizeof(cl_mem), &t->input.memory},
        {sizeof(cl_mem), &packed->memory},
        {sizeof packed_at, &packed_at},
        clconv__as_argument(&rows, plan, state->area.rows),
        clconv__as_argument(&columns, plan, state->area.columns),
        clconv__as_argument(&pitch, plan, state->area.pitch),
        {sizeof(cl_mem), &t->bias.memory},
        {sizeof(cl_mem), &t->residual.memory},
        {sizeof(cl_mem), &t->output.memory},
        {state->lines * state->line * sizeof(float), NULL},
        {(size_t)state->area.floats * sizeof(float), NULL},
        {state->products, NULL},
    };
    const clconv__range range = {{clconv__divide_up(state->tiles_w, state->area.columns),
                                  clconv__divide_up(state->rows, state->area.rows),
                                  plan->problem.groups * state->area.parts},
                                 1};
    return clconv__call_kernel(call, state->kernels[MULTIPLY], &range, arguments,
                               sizeof arguments / sizeof arguments[0], event);
}

static clconv_status compute_in_stages(clconv__call *call, const clconv__packed *packed,
                                       cl_event *event) {
    const winograd_state *state = call->plan->state;
    clconv_status status = CLCONV_OK;
    for (size_t row = 0; row < state->rows && !status; row += state->piece) {
        size_t rows = state->rows - row < state->piece ? state->rows - row : state->piece;
        int is_last = row + rows == state->rows;
        if (!(status = transform(call, row, rows)))
            status = multiply(call, packed, row, rows, is_last ? event : NULL);
    }
    return status;
}

static clconv_status enqueue(clconv_plan *plan, cl_command_queue queue,
                             const clconv_tensors *tensors, cl_uint wait_count,
                             const cl_event *wait, cl_event *event) {
    const winograd_state *state = plan->state;
    clconv__call call;
    clconv__packed packed;
    clconv_status status =
        clconv__call_begin_packed(&call, &packed, plan, queue, tensors, wait_count, wait);
    if (status)
        return status;
    return state->area.rows ? compute_at_once(&call, &packed, event)
                            : compute_in_stages(&call, &packed, event);
}

const clconv__algo_ops clconv__winograd_ops = {0,    create, destroy,    enqueue,
                                               NULL, NULL,   pack_device};
