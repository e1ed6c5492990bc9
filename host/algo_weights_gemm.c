/*
 * weights_gemm.cl: the gradients of weights and bias out of vector registers, for CPUs. The
 * gradient of the output is packed by channel blocks; an input that is padded or not f32 is first
 * copied to padded float planes. How the rows are split depends on the problem alone, so that the
 * sums are the same on every device of the same arithmetic.
 */
#include "arithmetic.h"
#include "call.h"
#include "opencl.h"

#include <stdlib.h>

enum { PAD_ROWS = 16 };      /* of planes, that a work-item copies */
enum { PLACES_OF_SUM = 16 }; /* that the second pass adds up at a time */
enum { MOST_TILES = 16, FEWEST_ITEMS = 32 };
enum { PAD, PACK, MULTIPLY, SUM, BIAS, BIAS_SUM, STAGES };
static const char *const stage_names[STAGES] = {
    "weights_gemm_pad", "weights_gemm_pack", "weights_gemm",
    "weights_gemm_sum", "weights_gemm_bias", "weights_gemm_bias_sum",
};

typedef struct gemm_state {
    cl_kernel kernels[STAGES];         /* PAD is NULL where the input is read as it is, */
                                       /* BIAS and BIAS_SUM where the problem has none */
    size_t whole[CLCONV_SPATIAL_AXES]; /* extents of a padded plane */
    size_t rows, places;               /* of the output, and weights of an output channel */
    size_t tiles, blocks, parts;       /* of places, of all groups' channels, of rows */
    int is_direct;                     /* the sums are the weights: there is no second pass */
    size_t tiles_of_item;
    size_t packed_at, partial_at, bias_at; /* floats behind the workspace's first */
    clconv__kernel_geometry from, padded;  /* the input's own strides, and the planes' */
    clconv__kernel_scalars scalars;
} gemm_state;

static void destroy(clconv_plan *plan) {
    gemm_state *state = plan->state;
    if (!state)
        return;
    clconv__release_kernels(state->kernels, STAGES);
    free(state);
    plan->state = NULL;
}

static int needs_planes(const clconv_problem *p) {
    return p->type != CLCONV_F32 || clconv__is_padded(p);
}

/* A stage is left out where nothing asks for it. */
static int is_needed(const clconv_problem *p, int stage) {
    return stage == PAD ? needs_planes(p) : stage == BIAS || stage == BIAS_SUM ? p->has_bias : 1;
}

/*
 * Rows of a part: so few that their packed gradients stay in the second-level cache while all tiles
 * pass over them, and that there is work for several processors; so many that the partial sums stay
 * small.
 */
static size_t rows_of_part(const gemm_state *state, size_t row_floats, size_t partial_floats) {
    enum { CACHE_FLOATS = 65536, MOST_PARTIAL_FLOATS = 16 << 20 };
    size_t rows = CACHE_FLOATS / row_floats;
    const size_t parts_for_items = clconv__divide_up(FEWEST_ITEMS, state->tiles * state->blocks);
    const size_t most_parts = MOST_PARTIAL_FLOATS / partial_floats;
    if (rows > state->rows / parts_for_items)
        rows = state->rows / parts_for_items;
    if (rows < 1)
        rows = 1;
    if (clconv__divide_up(state->rows, rows) > most_parts)
        rows = most_parts ? clconv__divide_up(state->rows, most_parts) : state->rows;
    return rows;
}

/* As many as a work-item can keep, but that there is work for several processors. */
static size_t tiles_of_item(const gemm_state *state) {
    const size_t tiles = state->tiles * state->blocks * state->parts / FEWEST_ITEMS;
    return tiles < 1 ? 1 : tiles < MOST_TILES ? tiles : MOST_TILES;
}

/* Whether the weights of an output channel lie one behind the other, in the order of its taps. */
static int has_dense_filters(const clconv_problem *p) {
    return p->weights_layout == CLCONV_OIHW &&
           (p->mode == CLCONV_CROSS_CORRELATION || p->kernel[0] * p->kernel[1] * p->kernel[2] == 1);
}

/* Whether sums need no more than to be stored. */
static int is_plain(const clconv_problem *p) {
    const clconv__scalars s = clconv__scalars_of(p);
    return p->type == CLCONV_F32 && s.alpha == 1 && s.beta == 0;
}

/* Floats of the workspace, one part behind the other; fields become those of what is read. */
static void lay_out(int64_t fields[CLCONV__FIELDS], gemm_state *state, clconv_plan *plan,
                    const clconv__tile *tile) {
    const clconv_problem *p = &plan->problem;
    const clconv__geometry *g = &plan->request.g;
    const size_t channels = 16 * (size_t)tile->value[0];
    size_t plane = 1, floats = 0;
    for (int axis = 0; axis < CLCONV_SPATIAL_AXES; ++axis) {
        state->whole[axis] = p->input[axis] + p->pad_begin[axis] + p->pad_end[axis];
        plane *= state->whole[axis];
    }
    state->rows = p->batch * g->output[0] * g->output[1];
    state->places = g->in_per_group * p->kernel[0] * p->kernel[1] * p->kernel[2];
    state->tiles = clconv__divide_up(state->places, tile->value[1]);
    state->blocks = p->groups * clconv__divide_up(g->out_per_group, channels);
    const size_t partial = state->blocks * state->tiles * tile->value[1] * channels;
    const size_t rows = rows_of_part(state, g->output[2] * channels, partial);
    state->parts = clconv__divide_up(state->rows, rows);
    state->is_direct = state->parts == 1 && has_dense_filters(p) && is_plain(p);
    state->tiles_of_item = tiles_of_item(state);
    if (plane * p->in_channels * p->batch > INT32_MAX / 2)
        plan->wide_index = 1;
    clconv__plan_fields(fields, plan, rows);
    clconv__pack_geometry(&state->from, plan, fields);
    if (needs_planes(p)) {
        floats = clconv__round_up(plane * p->in_channels * p->batch, 16);
        fields[CLCONV__FIELD_x_n] = (int64_t)(plane * p->in_channels);
        fields[CLCONV__FIELD_x_c] = (int64_t)plane;
        fields[CLCONV__FIELD_x_d] = (int64_t)(state->whole[1] * state->whole[2]);
        fields[CLCONV__FIELD_x_h] = (int64_t)state->whole[2];
        fields[CLCONV__FIELD_x_w] = 1;
    }
    clconv__pack_geometry(&state->padded, plan, fields);
    state->packed_at = floats;
    floats += state->blocks * state->rows * g->output[2] * channels;
    state->partial_at = floats;
    floats += state->parts * partial + (PLACES_OF_SUM - 1) * channels;
    state->bias_at = floats;
    floats += p->has_bias ? state->parts * state->blocks * channels : 0;
    plan->workspace = floats * sizeof(float);
}

static clconv_status create(clconv_plan *plan) {
    clconv__launch launch;
    const clconv__tile *tile = clconv__fitting_tile(&launch, plan->algo, &plan->request);
    int64_t fields[CLCONV__FIELDS];
    clconv_problem plain = plan->problem; /* nothing is added to what is summed */
    plain.has_bias = 0;
    clconv_status status = CLCONV_OK;
    gemm_state *state = calloc(1, sizeof *state);
    if (!state)
        return clconv__fail(CLCONV_OUT_OF_MEMORY, "a plan needs %zu bytes", sizeof *state);
    plan->state = state;
    lay_out(fields, state, plan, tile);
    clconv__pack_scalars(&state->scalars, &plain);
    for (int i = 0; i < STAGES && !status; ++i)
        if (is_needed(&plan->problem, i))
            status = clconv__plan_kernel(&state->kernels[i], plan, &plain, "weights_gemm.cl",
                                         stage_names[i], tile, "");
    if (status)
        destroy(plan);
    return status;
}

/* ---- stages; places in the workspace are in floats ---- */

static cl_long place_of(const clconv__call *call, size_t floats) {
    return (cl_long)(call->tensors.workspace.offset / sizeof(float) + floats);
}

static clconv_status pad(clconv__call *call) {
    const gemm_state *state = call->plan->state;
    const clconv_problem *p = &call->plan->problem;
    const cl_long at = place_of(call, 0);
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
    const size_t pieces = clconv__divide_up(state->whole[0] * state->whole[1], PAD_ROWS);
    const clconv__range range = {{pieces, p->in_channels, p->batch}, 1};
    return clconv__call_kernel(call, state->kernels[PAD], &range, arguments,
                               sizeof arguments / sizeof arguments[0], NULL);
}

static clconv_status pack(clconv__call *call) {
    const gemm_state *state = call->plan->state;
    const cl_long at = place_of(call, state->packed_at);
    const clconv__argument arguments[] = {
        {state->from.size, &state->from.values},
        {sizeof call->offsets, &call->offsets},
        {sizeof(cl_mem), &call->tensors.output.memory},
        {sizeof(cl_mem), &call->tensors.workspace.memory},
        {sizeof at, &at},
    };
    const clconv__range range = {{state->rows, state->blocks, 1}, 1};
    return clconv__call_kernel(call, state->kernels[PACK], &range, arguments,
                               sizeof arguments / sizeof arguments[0], NULL);
}

static clconv_status multiply(clconv__call *call, cl_event *event) {
    const gemm_state *state = call->plan->state;
    const clconv_tensors *t = &call->tensors;
    const int is_padded = state->kernels[PAD] != NULL;
    const cl_mem x = is_padded ? t->workspace.memory : t->input.memory;
    const cl_long x_at = is_padded ? place_of(call, 0) : (cl_long)t->input.offset;
    const cl_long packed_at = place_of(call, state->packed_at);
    const cl_long partial_at = place_of(call, state->partial_at);
    const cl_int is_direct = state->is_direct;
    clconv__index_argument tiles;
    const clconv__argument arguments[] = {
        {state->padded.size, &state->padded.values},
        {sizeof(cl_mem), &x},
        {sizeof x_at, &x_at},
        {sizeof(cl_mem), &t->workspace.memory},
        {sizeof packed_at, &packed_at},
        {sizeof(cl_mem), &t->workspace.memory},
        {sizeof partial_at, &partial_at},
        {sizeof call->offsets, &call->offsets},
        clconv__as_argument(&tiles, call->plan, state->tiles_of_item),
        {sizeof is_direct, &is_direct},
        {sizeof(cl_mem), &t->weights.memory},
    };
    const clconv__range range = {
        {clconv__divide_up(state->tiles, state->tiles_of_item), state->blocks, state->parts}, 1};
    return clconv__call_kernel(call, state->kernels[MULTIPLY], &range, arguments,
                               sizeof arguments / sizeof arguments[0], event);
}

static clconv_status sum_bias_parts(clconv__call *call) {
    const gemm_state *state = call->plan->state;
    const cl_long packed_at = place_of(call, state->packed_at);
    const cl_long partial_at = place_of(call, state->bias_at);
    const clconv__argument arguments[] = {
        {state->from.size, &state->from.values}, {sizeof(cl_mem), &call->tensors.workspace.memory},
        {sizeof packed_at, &packed_at},          {sizeof(cl_mem), &call->tensors.workspace.memory},
        {sizeof partial_at, &partial_at},
    };
    const clconv__range range = {{state->blocks, state->parts, 1}, 1};
    return clconv__call_kernel(call, state->kernels[BIAS], &range, arguments,
                               sizeof arguments / sizeof arguments[0], NULL);
}

/* The second pass, over weights or bias. */
static clconv_status sum(clconv__call *call, int stage, size_t from, cl_mem to,
                         const clconv__range *range, cl_event *event) {
    const gemm_state *state = call->plan->state;
    const cl_long at = place_of(call, from);
    clconv__index_argument parts;
    const clconv__argument arguments[] = {
        {state->from.size, &state->from.values},
        {sizeof call->offsets, &call->offsets},
        {state->scalars.size, &state->scalars.values},
        {sizeof(cl_mem), &call->tensors.workspace.memory},
        {sizeof at, &at},
        clconv__as_argument(&parts, call->plan, state->parts),
        {sizeof(cl_mem), &to},
    };
    return clconv__call_kernel(call, state->kernels[stage], range, arguments,
                               sizeof arguments / sizeof arguments[0], event);
}

static clconv_status enqueue(clconv_plan *plan, cl_command_queue queue,
                             const clconv_tensors *tensors, cl_uint wait_count,
                             const cl_event *wait, cl_event *event) {
    const gemm_state *state = plan->state;
    const clconv_problem *p = &plan->problem;
    const int wants_weights = tensors->weights.memory != NULL;
    const clconv__range channels = {{p->out_channels, 1, 1}, clconv__line_group(plan)};
    const clconv__range places = {
        {clconv__divide_up(state->places, PLACES_OF_SUM), state->blocks, 1}, 1};
    clconv__call call;
    clconv_status status = clconv__call_begin(&call, plan, queue, tensors, wait_count, wait);
    if (!status)
        status = pack(&call);
    if (!status && p->has_bias && !(status = sum_bias_parts(&call)))
        status = sum(&call, BIAS_SUM, state->bias_at, tensors->bias.memory, &channels,
                     wants_weights ? NULL : event);
    if (status || !wants_weights)
        return status;
    if (state->kernels[PAD] && (status = pad(&call)))
        return status;
    status = multiply(&call, state->is_direct ? event : NULL);
    if (status || state->is_direct)
        return status;
    return sum(&call, SUM, state->partial_at, tensors->weights.memory, &places, event);
}

const clconv__algo_ops clconv__weights_gemm_ops = {0, create, destroy, enqueue, NULL, NULL, NULL};
