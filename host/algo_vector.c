/*
 * vector.cl: direct convolution out of vector registers, for CPUs. The weights are packed by
 * channel blocks; an input that is padded or not f32 is first copied to padded float planes, or
 * that of a kernel of one tap to panels.
 */
#include "arithmetic.h"
#include "call.h"
#include "opencl.h"

#include <stdlib.h>

enum { OC = 16 };                  /* channels of a block */
enum { TAPS = 16, CHANNELS = 16 }; /* that are packed at a time, of filters and of turned ones */
enum { TURNED_SPAN = 64 };         /* the longest turned filter that is packed in vectors */
enum { PACK, PAD, PANELS, MULTIPLY, STAGES };
static const char *const stage_names[STAGES] = {"vector_pack", "vector_pad", "vector_panels",
                                                "vector"};

typedef struct vector_state {
    cl_kernel kernels[STAGES];         /* PAD or PANELS, or neither; others are NULL */
    size_t whole[CLCONV_SPATIAL_AXES]; /* extents of a padded plane */
    size_t tiles, blocks;              /* of pixels, and of all groups' channels */
    int tile_axis;                     /* of the global size; the other, up to 1, has the blocks */
    int is_turned;                     /* PACK is vector_pack_turned */
    int is_in_place;                   /* or there is none: the weights lie as if packed */
    clconv__kernel_geometry from, copied; /* the input's own strides, and the copy's */
    size_t channel_step;                  /* elements between the channels of a tap */
    size_t phases, phase;                 /* that rows of padded planes are split into; elements */
    clconv__kernel_scalars scalars;
} vector_state;

int clconv__vector_needs_planes(const clconv_problem *p) {
    return p->type != CLCONV_F32 || clconv__is_padded(p);
}

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

int clconv__has_panels(const clconv__request *r) {
    return has_one_tap(r->problem) && has_whole_planes(r->g.output, r->g.output_stride);
}

clconv__line clconv__line_of(const clconv__request *r) {
    const clconv_problem *p = r->problem;
    const int has_planes = clconv__vector_needs_planes(p);
    clconv__line line = {r->g.output[2], 1, 1, 0};
    line.is_plane = has_one_tap(p) && p->stride[0] == 1 && p->stride[1] == 1 && p->stride[2] == 1 &&
                    (has_planes || has_whole_planes(r->g.input, r->g.input_stride)) &&
                    has_whole_planes(r->g.output, r->g.output_stride);
    if (line.is_plane)
        line.width = r->g.pixels;
    /* Where planes are whole, rows of one element may have any step. */
    line.step = has_planes || line.is_plane ? 1 : p->stride[2] * r->g.input_stride[4];
    /* Where there is a second window, rows become less than twice as long. */
    line.phases = has_planes && r->g.output[2] > 1 ? p->stride[2] : 1;
    return line;
}

static void destroy(clconv_plan *plan) {
    vector_state *state = plan->state;
    if (!state)
        return;
    clconv__release_kernels(state->kernels, STAGES);
    free(state);
    plan->state = NULL;
}

/* The fields of padded planes, of whose rows each phase has what a stride steps over; elements. */
static size_t lay_out_planes(int64_t fields[CLCONV__FIELDS], const clconv_problem *p,
                             const vector_state *state) {
    const size_t *whole = state->whole;
    const size_t row = state->phase * state->phases, plane = whole[0] * whole[1] * row;
    fields[CLCONV__FIELD_x_n] = (int64_t)(plane * p->in_channels);
    fields[CLCONV__FIELD_x_c] = (int64_t)plane;
    fields[CLCONV__FIELD_x_d] = (int64_t)(whole[1] * row);
    fields[CLCONV__FIELD_x_h] = (int64_t)row;
    fields[CLCONV__FIELD_x_w] = fields[CLCONV__FIELD_stride_w] = 1;
    return plane * p->in_channels * p->batch;
}

/* Planes without gaps are one long row. */
static void join_rows(int64_t fields[CLCONV__FIELDS], const clconv_plan *plan) {
    fields[CLCONV__FIELD_out_d] = fields[CLCONV__FIELD_out_h] = 1;
    fields[CLCONV__FIELD_out_w] = (int64_t)plan->request.g.pixels;
    fields[CLCONV__FIELD_y_w] = 1;
}

/* Those of panels, which lie `x_h` elements apart. */
static size_t lay_out_panels(int64_t fields[CLCONV__FIELDS], const clconv_plan *plan,
                             size_t pixels) {
    const clconv_problem *p = &plan->problem;
    const size_t plane = clconv__round_up(plan->request.g.pixels, pixels);
    fields[CLCONV__FIELD_x_n] = (int64_t)(plane * p->in_channels);
    fields[CLCONV__FIELD_x_c] = (int64_t)plane;
    fields[CLCONV__FIELD_x_h] = (int64_t)(plan->request.g.in_per_group * pixels);
    join_rows(fields, plan);
    return plane * p->in_channels * p->batch;
}

/* What is copied and the bytes of the workspace; fields become those of what is read. */
static void lay_out(int64_t fields[CLCONV__FIELDS], vector_state *state, clconv_plan *plan,
                    const clconv__tile *tile) {
    const clconv_problem *p = &plan->problem;
    const clconv__line line = clconv__line_of(&plan->request);
    size_t elements = p->batch * p->in_channels;
    for (int axis = 0; axis < CLCONV_SPATIAL_AXES; ++axis) {
        state->whole[axis] = p->input[axis] + p->pad_begin[axis] + p->pad_end[axis];
        elements *= state->whole[axis];
    }
    if (elements > INT32_MAX / 2 || OC * plan->request.g.taps > INT32_MAX / 2)
        plan->wide_index = 1;
    state->phases = line.phases;
    state->phase = clconv__divide_up(state->whole[2], line.phases);
    clconv__plan_fields(fields, plan, plan->request.g.taps);
    clconv__pack_geometry(&state->from, plan, fields);
    if (tile->value[2] == CLCONV__IN_PANEL)
        plan->workspace = lay_out_panels(fields, plan, tile->value[0]) * sizeof(float);
    else if (clconv__vector_needs_planes(p))
        plan->workspace = lay_out_planes(fields, p, state) * sizeof(float);
    plan->workspace = clconv__round_up(plan->workspace, 64);
    state->channel_step =
        tile->value[2] == CLCONV__IN_PANEL ? tile->value[0] : (size_t)fields[CLCONV__FIELD_x_c];
    if (tile->value[2] == CLCONV__IN_LINE && line.is_plane)
        join_rows(fields, plan);
    if (!state->is_in_place) {
        fields[CLCONV__FIELD_w_i] = OC;
        fields[CLCONV__FIELD_w_o] = (int64_t)(OC * plan->request.g.taps);
    } else
        fields[CLCONV__FIELD_w_o] = OC;
    clconv__pack_geometry(&state->copied, plan, fields);
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

/* Whether a stage has work to do. */
static int is_needed(const clconv_plan *plan, const clconv__tile *tile, int stage) {
    const int has_panels = tile->value[2] == CLCONV__IN_PANEL;
    return stage == PACK     ? plan->packed_bytes > 0
           : stage == PANELS ? has_panels
           : stage == PAD    ? !has_panels && clconv__vector_needs_planes(&plan->problem)
                             : 1;
}

/* Tiles of one picture's pixels. */
static size_t tiles_of(const clconv__request *r, const clconv__tile *tile) {
    const size_t width = tile->value[0], rows = tile->value[1], *out = r->g.output;
    const clconv__line line = clconv__line_of(r);
    return tile->value[2] == CLCONV__IN_LINE && !line.is_plane
               ? out[0] * clconv__divide_up(out[1], rows) * clconv__divide_up(out[2], width)
               : clconv__divide_up(r->g.pixels, width);
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

static clconv_status create(clconv_plan *plan) {
    const clconv__geometry *g = &plan->request.g;
    clconv__launch launch;
    const clconv__tile *tile = clconv__fitting_tile(&launch, plan->algo, &plan->request);
    int64_t fields[CLCONV__FIELDS];
    clconv_status status = CLCONV_OK;
    vector_state *state = calloc(1, sizeof *state);
    if (!state)
        return clconv__fail(CLCONV_OUT_OF_MEMORY, "a plan needs %zu bytes", sizeof *state);
    plan->state = state;
    state->tiles = tiles_of(&plan->request, tile);
    state->blocks = plan->problem.groups * clconv__divide_up(g->out_per_group, OC);
    state->is_in_place = clconv__vector_reads_in_place(&plan->request);
    plan->packed_bytes = state->is_in_place ? 0 : state->blocks * g->taps * OC * sizeof(float);
    state->is_turned = has_turned_filters(&plan->request);
    state->tile_axis = has_blocks_first(plan, tile, state->tiles);
    lay_out(fields, state, plan, tile);
    clconv__pack_scalars(&state->scalars, &plan->problem);
    for (int i = 0; i < STAGES && !status; ++i)
        if (is_needed(plan, tile, i))
            status = clconv__plan_kernel(&state->kernels[i], plan, &plan->problem, "vector.cl",
                                         i == PACK && state->is_turned ? "vector_pack_turned"
                                                                       : stage_names[i],
                                         tile, launch.options);
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
    const clconv__geometry *g = &call->plan->request.g;
    const size_t pieces = state->is_turned ? clconv__divide_up(g->in_per_group, CHANNELS)
                                           : clconv__divide_up(g->taps, TAPS);
    const clconv__range range = {{pieces, state->blocks, 1}, 1};
    return clconv__call_kernel(call, state->kernels[PACK], &range, arguments,
                               sizeof arguments / sizeof arguments[0], NULL);
}

/* Copies the input to the workspace, if at all. */
static clconv_status copy(clconv__call *call) {
    const vector_state *state = call->plan->state;
    const clconv_problem *p = &call->plan->problem;
    const cl_long at = (cl_long)(call->tensors.workspace.offset / sizeof(float));
    clconv__index_argument whole[CLCONV_SPATIAL_AXES], phases;
    const clconv__argument arguments[] = {
        {state->from.size, &state->from.values},
        {sizeof call->offsets, &call->offsets},
        {sizeof(cl_mem), &call->tensors.input.memory},
        {sizeof(cl_mem), &call->tensors.workspace.memory},
        {sizeof at, &at},
        clconv__as_argument(&whole[0], call->plan, state->whole[0]),
        clconv__as_argument(&whole[1], call->plan, state->whole[1]),
        clconv__as_argument(&whole[2], call->plan, state->whole[2]),
        clconv__as_argument(&phases, call->plan, state->phases),
    };
    enum { PANELS_ARGUMENTS = 5 };
    const size_t count = sizeof arguments / sizeof arguments[0];
    const size_t pieces = clconv__divide_up(state->whole[0] * state->whole[1], CLCONV__PAD_ROWS);
    const clconv__range rows = {{pieces, p->in_channels, p->batch}, 1};
    const clconv__range tiles = {{state->tiles, p->groups, p->batch}, 1};
    if (state->kernels[PANELS])
        return clconv__call_kernel(call, state->kernels[PANELS], &tiles, arguments,
                                   PANELS_ARGUMENTS, NULL);
    if (state->kernels[PAD])
        return clconv__call_kernel(call, state->kernels[PAD], &rows, arguments, count, NULL);
    return CLCONV_OK;
}

static clconv_status multiply(clconv__call *call, const clconv__packed *packed, cl_event *event) {
    const vector_state *state = call->plan->state;
    const clconv_tensors *t = &call->tensors;
    const int is_copied = state->kernels[PAD] || state->kernels[PANELS];
    const cl_mem x = is_copied ? t->workspace.memory : t->input.memory;
    const cl_long x_at =
        is_copied ? (cl_long)(t->workspace.offset / sizeof(float)) : (cl_long)t->input.offset;
    const cl_long packed_at = (cl_long)(packed->offset / sizeof(float));
    clconv__index_argument channel_step, phase, tile_axis;
    const clconv__argument arguments[] = {
        {state->copied.size, &state->copied.values},
        {sizeof call->offsets, &call->offsets},
        {state->scalars.size, &state->scalars.values},
        {sizeof(cl_mem), &x},
        {sizeof x_at, &x_at},
        clconv__as_argument(&channel_step, call->plan, state->channel_step),
        clconv__as_argument(&phase, call->plan, state->phase),
        {sizeof(cl_mem), &packed->memory},
        {sizeof packed_at, &packed_at},
        clconv__as_argument(&tile_axis, call->plan, (size_t)state->tile_axis),
        {sizeof(cl_mem), &t->bias.memory},
        {sizeof(cl_mem), &t->residual.memory},
        {sizeof(cl_mem), &t->output.memory},
    };
    clconv__range range = {{0, 0, call->plan->problem.batch}, 1};
    range.global[state->tile_axis] = state->tiles;
    range.global[1 - state->tile_axis] = state->blocks;
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
    if (!status)
        status = copy(&call);
    return status ? status : multiply(&call, &packed, event);
}

const clconv__algo_ops clconv__vector_ops = {0, create, destroy, enqueue, NULL, NULL, pack_device};
