/*
 * weights_tiled.cl and depthwise_weights.cl: the gradient of the weights for GPUs, in parts of its
 * reduction that lie in the workspace until sum_parts.cl adds them up. A matrix engine multiplies
 * where the row asks for one.
 */
#include "arithmetic.h"
#include "engine.h"
#include "gemm.h"
#include "opencl.h"
#include "rows.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { MULTIPLY, SUM, BIAS, KERNELS };

typedef struct weights_state {
    cl_kernel kernels[KERNELS]; /* BIAS is NULL where the problem has none */
    clconv__launch launch;
    size_t places, parts; /* weights of an output channel, and of the reduction */
    clconv__kernel_geometry geometry;
    clconv__kernel_geometry weights; /* as the pictures of an output: channels, and their taps */
    cl_long weights_at;              /* elements from the tensor's first to that of tap 0 */
    clconv__kernel_scalars scalars;
} weights_state;

/* ---- the rows ---- */

static size_t places_of(const clconv__request *r) {
    const clconv_problem *p = r->problem;
    return r->g.in_per_group * p->kernel[0] * p->kernel[1] * p->kernel[2];
}

/* `engine` is NULL where none multiplies. */
static clconv__gemm_shape shape_with(const clconv__request *r, const clconv__tile *tile,
                                     const clconv__engine *engine) {
    const clconv_problem *p = r->problem;
    clconv__gemm_size size = {.groups = p->groups,
                              .out_channels = r->g.out_per_group,
                              .in_channels = p->batch * r->g.pixels,
                              .taps = 1,
                              .pixels = places_of(r),
                              .along_k = 1};
    clconv__gemm_use_engine(&size, engine, p->type);
    return clconv__gemm_shape_of(&size, tile, r->device->info.compute_units);
}

static const clconv__engine *engine_of(const clconv__request *r) {
    return clconv__device_engine(r->device, r->problem->type, NULL);
}

/* Work-items share out the rows of a step, and then their channels and places. */
static int launch(clconv__launch *l, const clconv__request *r, const clconv__tile *tile,
                  const clconv__engine *engine) {
    const clconv__gemm_shape s = shape_with(r, tile, engine);
    char of_engine[CLCONV__ENGINE_OPTIONS_SIZE] = "";
    if (engine)
        clconv__engine_options(of_engine, engine);
    snprintf(l->options, sizeof l->options, " -DGAP=%zu -DPADDED=%d%s", s.skew,
             clconv__is_padded(r->problem), of_engine);
    clconv__gemm_launch(l, &s);
    return clconv__gemm_fits(&s, &r->device->info) && s.items % s.rows == 0 &&
           s.tile_m * s.rows % s.items == 0 && s.tile_n * s.rows % s.items == 0;
}

int clconv__launch_weights_tiled(clconv__launch *l, const clconv__request *r,
                                 const clconv__tile *tile) {
    return launch(l, r, tile, NULL);
}

int clconv__launch_weights_mma(clconv__launch *l, const clconv__request *r,
                               const clconv__tile *tile) {
    const clconv__engine *engine = engine_of(r);
    return engine && launch(l, r, tile, engine);
}

/* Two kernels, and parts that are written and read again. */
static double seconds_of_parts(const clconv__request *r, size_t parts) {
    const double weights = (double)r->problem->out_channels * (double)places_of(r);
    return 1e-5 +
           2.0 * (double)parts * sizeof(float) * weights / clconv__gpu_bandwidth(&r->device->info);
}

double clconv__seconds_weights_tiled(const clconv__request *r, const clconv__tile *tile) {
    const clconv__gemm_shape s = shape_with(r, tile, NULL);
    return clconv__gemm_seconds(&s, &r->device->info) + seconds_of_parts(r, s.parts);
}

double clconv__seconds_weights_mma(const clconv__request *r, const clconv__tile *tile) {
    const clconv__gemm_shape s = shape_with(r, tile, engine_of(r));
    return clconv__gemm_seconds(&s, &r->device->info) + seconds_of_parts(r, s.parts);
}

/* Sums of a work-item that have registers, on Intel's GPUs too, and groups that some devices take
 * in dimensions but the first. */
enum { MOST_TAPS = 25, MOST_GROUPS = 65535 };

int clconv__refuses_depthwise_weights(char refusal[CLCONV_REFUSAL_SIZE], const clconv__request *r) {
    const size_t *kernel = r->problem->kernel;
    if (r->g.in_per_group != 1)
        return clconv__refuse(refusal, "a group has %zu input channels, but it takes 1",
                              r->g.in_per_group);
    if (kernel[2] > MOST_TAPS)
        return clconv__refuse(refusal, "a kernel of %zu columns is wider than %d", kernel[2],
                              (int)MOST_TAPS);
    if (kernel[0] * kernel[1] > MOST_GROUPS)
        return clconv__refuse(refusal, "a kernel of %zu rows has more than %d",
                              kernel[0] * kernel[1], (int)MOST_GROUPS);
    return clconv__refuses_types(refusal, r);
}

/* A step is a pixel of every work-item. */
int clconv__launch_depthwise_weights(clconv__launch *l, const clconv__request *r,
                                     const clconv__tile *tile) {
    enum { ITEMS_OF_UNIT = 2048 };
    const clconv_problem *p = r->problem;
    const clconv_device_info *info = &r->device->info;
    const size_t items = tile->value[0], rows = p->kernel[0] * p->kernel[1];
    const size_t tap_rows = rows * p->kernel[2] <= MOST_TAPS ? rows : 1;
    size_t per_part;
    l->step = clconv__divide_up(p->batch * r->g.pixels, items);
    l->global[0] = p->out_channels * items;
    l->global[1] =
        clconv__gemm_parts(&per_part, p->out_channels, l->step,
                           info->compute_units * ITEMS_OF_UNIT / items, CLCONV__MOST_PARTS);
    l->global[2] = rows / tap_rows;
    l->local[0] = items;
    l->local[1] = l->local[2] = 1;
    snprintf(l->options, sizeof l->options,
             " -DKERNEL_D=%zu -DKERNEL_H=%zu -DKERNEL_W=%zu -DTAP_ROWS=%zu", p->kernel[0],
             p->kernel[1], p->kernel[2], tap_rows);
    return items <= info->max_work_group_size && items <= info->max_work_item_sizes[0];
}

/* What memory or the instructions take, whichever is longer. */
double clconv__seconds_depthwise_weights(const clconv__request *r, const clconv__tile *tile) {
    const double of_pixel = 80, of_tap = 14, enough_items = 1024;
    const clconv_problem *p = r->problem;
    const clconv_device_info *info = &r->device->info;
    const double units = info->compute_units ? info->compute_units : 1;
    clconv__launch l;
    clconv__launch_depthwise_weights(&l, r, tile);
    const double busy = fmin((double)(l.global[0] * l.global[1]) / (units * enough_items), 1);
    const double outputs = (double)p->batch * (double)p->out_channels * (double)r->g.pixels;
    const double inputs = (double)p->batch * (double)p->in_channels *
                          (double)(r->g.input[0] * r->g.input[1] * r->g.input[2]);
    const double bytes = (outputs + inputs) * (double)clconv_type_size(p->type);
    const double instructions =
        outputs * (of_pixel * (double)l.global[2] + of_tap * (double)places_of(r));
    const double rate = info->kind == CLCONV_KIND_GPU ? 1.5e11 : 1e9;
    return fmax(bytes / clconv__gpu_bandwidth(info), instructions / (rate * units)) / busy +
           seconds_of_parts(r, l.global[1]);
}

/* ---- a plan ---- */

static void destroy(clconv_plan *plan) {
    weights_state *state = plan->state;
    if (!state)
        return;
    clconv__release_kernels(state->kernels, KERNELS);
    free(state);
    plan->state = NULL;
}

/* The weights as sum_parts.cl sees them: input channels are pictures, taps are pixels. */
static void make_geometries(weights_state *state, const clconv_plan *plan) {
    int64_t f[CLCONV__FIELDS];
    clconv__plan_fields(f, plan, state->launch.step);
    clconv__pack_geometry(&state->geometry, plan, f);
    state->weights_at = f[CLCONV__FIELD_w_start];
    f[CLCONV__FIELD_batch] = f[CLCONV__FIELD_in_per_group];
    f[CLCONV__FIELD_y_n] = f[CLCONV__FIELD_w_i];
    f[CLCONV__FIELD_y_c] = f[CLCONV__FIELD_w_o];
    for (int axis = 0; axis < CLCONV_SPATIAL_AXES; ++axis) {
        f[CLCONV__FIELD_out_d + axis] = f[CLCONV__FIELD_kernel_d + axis];
        f[CLCONV__FIELD_y_d + axis] = f[CLCONV__FIELD_w_d + axis];
    }
    clconv__pack_geometry(&state->weights, plan, f);
}

static clconv_status make_kernels(weights_state *state, const clconv_plan *plan,
                                  const clconv_problem *plain, const clconv__tile *tile,
                                  const char *file, const char *name) {
    clconv_problem sums = *plain;
    clconv__drop_epilogue(&sums);
    clconv_status status = clconv__plan_kernel(&state->kernels[MULTIPLY], plan, &sums, file, name,
                                               tile, state->launch.options);
    if (!status)
        status = clconv__sum_parts_kernel(&state->kernels[SUM], plan, plain);
    if (!status && plan->problem.has_bias)
        status = clconv__bias_sums_kernel(&state->kernels[BIAS], plan);
    return status;
}

static clconv_status create_with(clconv_plan *plan, const char *file, const char *name) {
    clconv_problem plain = plan->problem; /* nothing is added to what is summed */
    weights_state *state = calloc(1, sizeof *state);
    if (!state)
        return clconv__fail(CLCONV_OUT_OF_MEMORY, "a plan needs %zu bytes", sizeof *state);
    plan->state = state;
    plain.has_bias = 0;
    const clconv__tile *tile = clconv__fitting_tile(&state->launch, plan->algo, &plan->request);
    state->places = places_of(&plan->request);
    state->parts = state->launch.global[1];
    plan->workspace = state->parts * plan->problem.out_channels * state->places * sizeof(float);
    make_geometries(state, plan);
    clconv__pack_scalars(&state->scalars, &plain);
    clconv_status status = make_kernels(state, plan, &plain, tile, file, name);
    if (status)
        destroy(plan);
    return status;
}

static clconv_status create(clconv_plan *plan) {
    return create_with(plan, "weights_tiled.cl", "weights_tiled");
}

static clconv_status create_depthwise(clconv_plan *plan) {
    return create_with(plan, "depthwise_weights.cl", "depthwise_weights");
}

static clconv_status multiply(clconv__call *call, cl_long raw_at) {
    const weights_state *state = call->plan->state;
    const clconv__launch *l = &state->launch;
    const clconv_tensors *t = &call->tensors;
    clconv__index_argument per_part;
    const clconv__argument arguments[] = {
        {state->geometry.size, &state->geometry.values},
        {sizeof call->offsets, &call->offsets},
        {sizeof(cl_mem), &t->input.memory},
        {sizeof(cl_mem), &t->output.memory},
        clconv__as_argument(&per_part, call->plan, clconv__divide_up(l->step, state->parts)),
        {sizeof(cl_mem), &t->workspace.memory},
        {sizeof raw_at, &raw_at},
    };
    const clconv__range range = {{l->global[0], l->global[1], l->global[2]}, l->local[0]};
    return clconv__call_kernel(call, state->kernels[MULTIPLY], &range, arguments,
                               sizeof arguments / sizeof arguments[0], NULL);
}

/* Of the call, as one whose output is the weights. */
static clconv_status sum(const clconv__call *call, cl_long raw_at, cl_event *event) {
    const weights_state *state = call->plan->state;
    clconv__call of_weights = *call;
    of_weights.tensors.output = call->tensors.weights;
    of_weights.offsets.y = call->offsets.w + state->weights_at;
    return clconv__sum_parts(&of_weights, state->kernels[SUM], &state->weights, &state->scalars,
                             state->places, state->parts, raw_at, event);
}

static clconv_status enqueue(clconv_plan *plan, cl_command_queue queue,
                             const clconv_tensors *tensors, cl_uint wait_count,
                             const cl_event *wait, cl_event *event) {
    const weights_state *state = plan->state;
    const int wants_weights = tensors->weights.memory != NULL;
    const cl_long raw_at = (cl_long)(tensors->workspace.offset / sizeof(float));
    clconv__call call;
    clconv_status status = clconv__call_begin(&call, plan, queue, tensors, wait_count, wait);
    if (!status && state->kernels[BIAS])
        status = clconv__call_bias_sums(&call, state->kernels[BIAS], &state->geometry,
                                        &state->scalars, wants_weights ? NULL : event);
    if (!status && wants_weights && !(status = multiply(&call, raw_at)))
        status = sum(&call, raw_at, event);
    return status;
}

const clconv__algo_ops clconv__weights_tiled_ops = {0, create, destroy, enqueue, NULL, NULL, NULL};
const clconv__algo_ops clconv__depthwise_weights_ops = {
    0, create_depthwise, destroy, enqueue, NULL, NULL, NULL};
