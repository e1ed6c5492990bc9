/*
 * vector.cl: direct convolution out of vector registers, for CPUs. The weights are packed by
 * channel blocks; what a work-item cannot read where it is it copies to local memory.
 */
#include "arithmetic.h"
#include "call.h"
#include "opencl.h"

#include <stdlib.h>

enum { OC = 16 };                  /* channels of a block */
enum { TAPS = 16, CHANNELS = 16 }; /* that are packed at a time, of filters and of turned ones */
enum { TURNED_SPAN = 64 };         /* the longest turned filter that is packed in vectors */
enum { PACK, MULTIPLY, STAGES };

typedef struct vector_state {
    cl_kernel kernels[STAGES];
    size_t items, shares;                   /* tiles or patches, and parts of all groups' blocks */
    size_t blocks;                          /* of all groups */
    size_t local_bytes;                     /* of a work-item's copy */
    size_t piece;                           /* rows of tiles of a patch, channels of a panel */
    int tile_axis;                          /* of the global size; the other has the shares */
    int is_turned;                          /* PACK is vector_pack_turned */
    int is_in_place;                        /* or there is none: the weights lie as if packed */
    clconv__kernel_geometry taps, multiply; /* `step` is taps, and the blocks of a share */
    clconv__kernel_scalars scalars;
} vector_state;

/* Whether the rows of a tensor's planes lie one behind the other without a gap. */
static int has_whole_planes(const size_t extent[CLCONV_SPATIAL_AXES],
                            const size_t stride[CLCONV_TENSOR_AXES]) {
    size_t next = 1;
    int is_whole = 1;
    for (int axis = CLCONV_SPATIAL_AXES - 1; axis >= 0; next *= extent[axis--])
        is_whole &= extent[axis] == 1 || stride[2 + axis] == next;
    return is_whole;
}

static int has_one_tap(const clconv_problem *p) {
    int is_point = 1;
    for (int axis = 0; axis < CLCONV_SPATIAL_AXES; ++axis)
        is_point &= p->kernel[axis] == 1 && !p->pad_begin[axis] && !p->pad_end[axis];
    return is_point;
}

clconv__line clconv__line_of(const clconv__request *r) {
    const clconv_problem *p = r->problem;
    clconv__line line = {r->g.output[2], p->stride[2] * r->g.input_stride[4], 0};
    line.is_plane = p->type == CLCONV_F32 && has_one_tap(p) && p->stride[0] == 1 &&
                    p->stride[1] == 1 && p->stride[2] == 1 &&
                    has_whole_planes(r->g.input, r->g.input_stride) &&
                    has_whole_planes(r->g.output, r->g.output_stride);
    /* Where planes are whole, rows of one element may have any step. */
    if (line.is_plane)
        line = (clconv__line){r->g.pixels, 1, 1};
    return line;
}

static size_t units_of(const clconv__request *r) {
    const size_t units = r->device->info.compute_units;
    return units ? units : 1;
}

/* Rows of tiles of a plane. */
static size_t rows_of(const clconv__request *r, const clconv__tile *tile) {
    return clconv__divide_up(r->g.output[1], tile->value[1]);
}

/* Of tiles, all alike; patches of several copy less, but leave processors idle where there are few.
 */
static size_t rows_of_patch(const clconv__request *r, const clconv__tile *tile) {
    enum { ITEMS_PER_UNIT = 6, MOST = 8 }; /* 12 were slower by 1 to 3 percent */
    const size_t all = rows_of(r, tile);
    const size_t planes = r->g.output[0] * r->problem->groups * r->problem->batch;
    size_t rows = all * planes / (ITEMS_PER_UNIT * units_of(r) + 1);
    rows = rows < 1 ? 1 : rows > MOST ? MOST : rows;
    rows = rows < all ? rows : all;
    return clconv__divide_up(all, clconv__divide_up(all, rows));
}

static double floats_of_patch(const clconv__request *r, const clconv__tile *tile) {
    enum { LANES = 16 }; /* vectors write behind the last row */
    const clconv_problem *p = r->problem;
    const double rows =
        ((double)rows_of_patch(r, tile) * tile->value[1] - 1) * (double)p->stride[1] +
        (double)(p->kernel[1] - 1) * (double)p->dilation[1] + 1;
    const double columns = (double)(r->g.output[2] - 1) * (double)p->stride[2] +
                           (double)(p->kernel[2] - 1) * (double)p->dilation[2] + 1;
    return (double)r->g.in_per_group * (double)p->kernel[0] * rows *
               (columns + (double)(p->stride[2] - 1)) +
           LANES;
}

/* Channels of a panel that fit local memory at a time; 0 where none does. */
static size_t channels_of_panel(const clconv__request *r, const clconv__tile *tile) {
    const double channel = (double)(r->g.taps / r->g.in_per_group) * tile->value[0] * sizeof(float);
    const double fitting = (double)r->device->info.local_memory_size / channel;
    return fitting < (double)r->g.in_per_group ? (size_t)fitting : r->g.in_per_group;
}

size_t clconv__vector_piece(const clconv__request *r, const clconv__tile *tile) {
    return tile->value[2] == CLCONV__IN_PATCH   ? rows_of_patch(r, tile)
           : tile->value[2] == CLCONV__IN_PANEL ? channels_of_panel(r, tile)
                                                : 1;
}

double clconv__vector_floats(const clconv__request *r, const clconv__tile *tile) {
    const double taps = (double)(r->g.taps / r->g.in_per_group);
    return tile->value[2] == CLCONV__IN_PATCH ? floats_of_patch(r, tile)
           : tile->value[2] == CLCONV__IN_PANEL
               ? (double)channels_of_panel(r, tile) * taps * tile->value[0]
               : 1;
}

size_t clconv__vector_items(const clconv__request *r, const clconv__tile *tile) {
    const size_t width = tile->value[0], *out = r->g.output;
    const int is_row = tile->value[2] == CLCONV__IN_PANEL ||
                       (tile->value[2] == CLCONV__IN_LINE && clconv__line_of(r).is_plane);
    if (is_row)
        return clconv__divide_up(r->g.pixels, width);
    return out[0] * (tile->value[2] == CLCONV__IN_PATCH
                         ? clconv__divide_up(rows_of(r, tile), rows_of_patch(r, tile))
                         : rows_of(r, tile) * clconv__divide_up(out[2], width));
}

/* As many as leave each processor some work-items; nothing is copied for lines. */
size_t clconv__vector_share(const clconv__request *r, const clconv__tile *tile) {
    enum { ITEMS_PER_UNIT = 4 };
    const size_t blocks = clconv__divide_up(r->g.out_per_group, OC);
    const size_t copies = clconv__vector_items(r, tile) * r->problem->groups * r->problem->batch;
    const size_t wanted = clconv__divide_up(ITEMS_PER_UNIT * units_of(r), copies);
    if (tile->value[2] == CLCONV__IN_LINE)
        return 1;
    return clconv__divide_up(blocks, wanted < blocks ? wanted : blocks);
}

static void destroy(clconv_plan *plan) {
    vector_state *state = plan->state;
    if (!state)
        return;
    clconv__release_kernels(state->kernels, STAGES);
    free(state);
    plan->state = NULL;
}

/* Whether the filters of one input channel lie side by side, so that vectors can turn them. */
static int has_turned_filters(const clconv__request *r) {
    const clconv__weights_view *view = r->weights;
    ptrdiff_t span = 1;
    if (!view || view->row < 1)
        return 0;
    for (int axis = 0; axis < CLCONV_SPATIAL_AXES; ++axis)
        span += (ptrdiff_t)(r->problem->kernel[axis] - 1) * labs(view->tap[axis]);
    return view->row == 1 || span <= TURNED_SPAN;
}

int clconv__vector_reads_in_place(const clconv__request *r) {
    return r->weights && r->weights->row == 1 && r->problem->type == CLCONV_F32 &&
           r->problem->groups == 1 && r->g.in_per_group == r->g.taps &&
           r->g.out_per_group % OC == 0;
}

/*
 * Work-items that follow each other share the weights of a block, and read the tiles of the input
 * one after the other; or the other way round, where the input would not be in cache the next time,
 * and where so few tiles share a block that large weights had better be read as one long stream.
 */
static int has_blocks_first(const clconv_plan *plan, const clconv__tile *tile, size_t tiles) {
    enum { CACHED = 1 << 20, FEW = 2 };
    const clconv_problem *p = &plan->problem;
    const size_t picture = p->in_channels * p->input[0] * p->input[1] * p->input[2];
    return tile->value[2] == CLCONV__IN_PANEL ||
           (has_one_tap(p) && picture * sizeof(float) > CACHED) ||
           (tiles <= FEW && plan->packed_bytes > 4 * (size_t)CACHED);
}

/* Planes without gaps are one long row. */
static void join_rows(int64_t fields[CLCONV__FIELDS], const clconv_plan *plan) {
    fields[CLCONV__FIELD_out_d] = fields[CLCONV__FIELD_out_h] = 1;
    fields[CLCONV__FIELD_out_w] = (int64_t)plan->request.g.pixels;
    fields[CLCONV__FIELD_y_w] = 1;
}

static void lay_out(vector_state *state, clconv_plan *plan, const clconv__tile *tile,
                    const clconv__launch *launch) {
    const clconv__geometry *g = &plan->request.g;
    const size_t groups = plan->problem.groups;
    const size_t blocks = clconv__divide_up(g->out_per_group, OC);
    int64_t fields[CLCONV__FIELDS];
    state->items = clconv__vector_items(&plan->request, tile);
    state->blocks = groups * blocks;
    state->shares = groups * clconv__divide_up(blocks, launch->step);
    state->local_bytes = launch->local_bytes;
    state->piece = clconv__vector_piece(&plan->request, tile);
    state->is_in_place = clconv__vector_reads_in_place(&plan->request);
    state->is_turned = has_turned_filters(&plan->request);
    plan->packed_bytes = state->is_in_place ? 0 : state->blocks * g->taps * OC * sizeof(float);
    state->tile_axis = has_blocks_first(plan, tile, state->items);
    if (OC * g->taps > INT32_MAX / 2)
        plan->wide_index = 1;
    clconv__plan_fields(fields, plan, g->taps);
    clconv__pack_geometry(&state->taps, plan, fields);
    if (tile->value[2] == CLCONV__IN_LINE && clconv__line_of(&plan->request).is_plane)
        join_rows(fields, plan);
    if (!state->is_in_place) {
        fields[CLCONV__FIELD_w_i] = OC;
        fields[CLCONV__FIELD_w_o] = (int64_t)(OC * g->taps);
    } else
        fields[CLCONV__FIELD_w_o] = OC;
    fields[CLCONV__FIELD_step] = (int64_t)launch->step;
    clconv__pack_geometry(&state->multiply, plan, fields);
    clconv__pack_scalars(&state->scalars, &plan->problem);
}

static clconv_status create(clconv_plan *plan) {
    clconv__launch launch;
    const clconv__tile *tile = clconv__fitting_tile(&launch, plan->algo, &plan->request);
    clconv_status status = CLCONV_OK;
    vector_state *state = calloc(1, sizeof *state);
    if (!state)
        return clconv__fail(CLCONV_OUT_OF_MEMORY, "a plan needs %zu bytes", sizeof *state);
    plan->state = state;
    lay_out(state, plan, tile, &launch);
    const char *const names[STAGES] = {state->is_turned ? "vector_pack_turned" : "vector_pack",
                                       "vector"};
    for (int i = 0; i < STAGES && !status; ++i)
        if (i != PACK || !state->is_in_place)
            status = clconv__plan_kernel(&state->kernels[i], plan, &plan->problem, "vector.cl",
                                         names[i], tile, launch.options);
    if (status)
        destroy(plan);
    return status;
}

static clconv_status pack_device(clconv__call *call, cl_mem packed, size_t offset) {
    const vector_state *state = call->plan->state;
    const cl_long at = (cl_long)(offset / sizeof(float));
    const clconv__argument arguments[] = {
        {state->taps.size, &state->taps.values},
        {sizeof call->offsets, &call->offsets},
        {sizeof(cl_mem), &call->tensors.weights.memory},
        {sizeof(cl_mem), &packed},
        {sizeof at, &at},
    };
    const clconv__geometry *g = &call->plan->request.g;
    const size_t pieces = state->is_turned ? clconv__divide_up(g->in_per_group, CHANNELS)
                                           : clconv__divide_up(g->taps, TAPS);
    const clconv__range range = {{pieces, state->blocks, 1}, 1};
    return clconv__call_kernel(call, state->kernels[PACK], &range, arguments,
                               sizeof arguments / sizeof arguments[0], NULL);
}

static clconv_status multiply(clconv__call *call, const clconv__packed *packed, cl_event *event) {
    const vector_state *state = call->plan->state;
    const clconv_tensors *t = &call->tensors;
    const cl_long packed_at = (cl_long)(packed->offset / sizeof(float));
    clconv__index_argument tile_axis, piece;
    const clconv__argument arguments[] = {
        {state->multiply.size, &state->multiply.values},
        {sizeof call->offsets, &call->offsets},
        {state->scalars.size, &state->scalars.values},
        {sizeof(cl_mem), &t->input.memory},
        {sizeof(cl_mem), &packed->memory},
        {sizeof packed_at, &packed_at},
        clconv__as_argument(&tile_axis, call->plan, (size_t)state->tile_axis),
        clconv__as_argument(&piece, call->plan, state->piece),
        {sizeof(cl_mem), &t->bias.memory},
        {sizeof(cl_mem), &t->residual.memory},
        {sizeof(cl_mem), &t->output.memory},
        {state->local_bytes, NULL},
    };
    clconv__range range = {{0, 0, call->plan->problem.batch}, 1};
    range.global[state->tile_axis] = state->items;
    range.global[1 - state->tile_axis] = state->shares;
    return clconv__call_kernel(call, state->kernels[MULTIPLY], &range, arguments,
                               sizeof arguments / sizeof arguments[0], event);
}

static clconv_status enqueue(clconv_plan *plan, cl_command_queue queue,
                             const clconv_tensors *tensors, cl_uint wait_count,
                             const cl_event *wait, cl_event *event) {
    const vector_state *state = plan->state;
    clconv__call call;
    clconv__packed packed;
    clconv_status status;
    if (state->is_in_place) {
        status = clconv__call_begin(&call, plan, queue, tensors, wait_count, wait);
        packed.memory = tensors->weights.memory;
        packed.offset =
            (tensors->weights.offset + (size_t)plan->request.weights->first) * sizeof(float);
    } else {
        status = clconv__call_begin_packed(&call, &packed, plan, queue, tensors, wait_count, wait);
    }
    return status ? status : multiply(&call, &packed, event);
}

const clconv__algo_ops clconv__vector_ops = {0, create, destroy, enqueue, NULL, NULL, pack_device};
