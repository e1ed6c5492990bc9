/*
 * gemm_tiled.cl: implicit GEMM for GPUs. The weights are packed by blocks of channels; a reduction
 * that is split writes its parts to the workspace. A matrix engine multiplies in its place where
 * the row asks for one.
 */
#include "arithmetic.h"
#include "engine.h"
#include "gemm.h"
#include "opencl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PACK, MULTIPLY, SUM, STAGES };
static const char *const stage_names[] = {"gemm_tiled_pack", "gemm_tiled"};

typedef struct gemm_state {
    cl_kernel kernels[STAGES]; /* SUM is NULL where nothing is split */
    cl_mem taps;               /* NULL where the kernel is not flat */
    clconv__gemm_shape shape;
    clconv__kernel_geometry geometry;
    clconv__kernel_scalars scalars;
} gemm_state;

/* ---- the row ---- */

/* `engine` is NULL where none multiplies. */
static clconv__gemm_shape shape_with(const clconv__request *r, const clconv__tile *tile,
                                     const clconv__engine *engine) {
    const clconv_problem *p = r->problem;
    clconv__gemm_size size = {.groups = p->groups,
                              .out_channels = r->g.out_per_group,
                              .in_channels = r->g.in_per_group,
                              .taps = p->kernel[0] * p->kernel[1] * p->kernel[2],
                              .pixels = p->batch * r->g.pixels,
                              .is_padded = clconv__is_padded(p)};
    clconv__gemm_use_engine(&size, engine, p->type);
    return clconv__gemm_shape_of(&size, tile, r->device->info.compute_units);
}

static const clconv__engine *engine_of(const clconv__request *r) {
    return clconv__device_engine(r->device, r->problem->type, NULL);
}

static int launch(clconv__launch *l, const clconv__request *r, const clconv__tile *tile,
                  const clconv__engine *engine) {
    const clconv__gemm_shape s = shape_with(r, tile, engine);
    char of_engine[CLCONV__ENGINE_OPTIONS_SIZE] = "";
    if (engine)
        clconv__engine_options(of_engine, engine);
    snprintf(l->options, sizeof l->options, " -DPOINT=%d -DFLAT=%d -DRAW=%d%s", s.is_point,
             s.is_flat, s.parts > 1, of_engine);
    clconv__gemm_launch(l, &s);
    return clconv__gemm_fits(&s, &r->device->info);
}

int clconv__launch_gemm(clconv__launch *l, const clconv__request *r, const clconv__tile *tile) {
    return launch(l, r, tile, NULL);
}

int clconv__launch_gemm_mma(clconv__launch *l, const clconv__request *r, const clconv__tile *tile) {
    const clconv__engine *engine = engine_of(r);
    return engine && launch(l, r, tile, engine);
}

/* Besides the sums, the outputs, and parts that are written and read again. */
static double seconds(const clconv__request *r, const clconv__gemm_shape *s) {
    const clconv_device_info *info = &r->device->info;
    const double outputs =
        (double)r->problem->batch * (double)r->problem->out_channels * (double)r->g.pixels;
    const double of_parts = s->parts > 1 ? 2.0 * (double)s->parts * sizeof(float) : 0;
    const double bytes = outputs * (of_parts + (double)clconv_type_size(r->problem->type));
    return (s->parts > 1 ? 1e-5 : 5e-6) + clconv__gemm_seconds(s, info) +
           bytes / clconv__gpu_bandwidth(info);
}

double clconv__seconds_gemm(const clconv__request *r, const clconv__tile *tile) {
    const clconv__gemm_shape s = shape_with(r, tile, NULL);
    return seconds(r, &s);
}

double clconv__seconds_gemm_mma(const clconv__request *r, const clconv__tile *tile) {
    const clconv__gemm_shape s = shape_with(r, tile, engine_of(r));
    return seconds(r, &s);
}

/* ---- a plan ---- */

static void destroy(clconv_plan *plan) {
    gemm_state *state = plan->state;
    if (!state)
        return;
    clconv__release_kernels(state->kernels, STAGES);
    if (state->taps)
        clReleaseMemObject(state->taps);
    free(state);
    plan->state = NULL;
}

/* Distances of a k of the flat order: in memory, and in d, h and w. */
static void place_tap(int64_t distances[4], const clconv_problem *p,
                      const int64_t f[CLCONV__FIELDS], size_t k) {
    distances[0] = 0;
    for (int axis = CLCONV_SPATIAL_AXES - 1; axis >= 0; k /= p->kernel[axis--]) {
        distances[1 + axis] = (int64_t)(k % p->kernel[axis]) * (int64_t)p->dilation[axis];
        distances[0] += distances[1 + axis] * f[CLCONV__FIELD_x_d + axis];
    }
    distances[0] += (int64_t)k * f[CLCONV__FIELD_x_c];
}

static clconv_status make_taps(gemm_state *state, const clconv_plan *plan,
                               const int64_t fields[CLCONV__FIELDS]) {
    const size_t taps = plan->request.g.taps, bytes = taps * 4 * sizeof(int64_t);
    int64_t *distances = malloc(bytes);
    if (!distances)
        return clconv__fail(CLCONV_OUT_OF_MEMORY, "a plan needs %zu bytes", bytes);
    for (size_t k = 0; k < taps; ++k)
        place_tap(distances + 4 * k, &plan->problem, fields, k);
    clconv_status status = clconv__plan_index_table(&state->taps, plan, distances, 4 * taps);
    free(distances);
    return status;
}

static void lay_out(gemm_state *state, clconv_plan *plan, const clconv__tile *tile,
                    const clconv__engine *engine) {
    const clconv_problem *p = &plan->problem;
    state->shape = shape_with(&plan->request, tile, engine);
    const clconv__gemm_shape *s = &state->shape;
    const size_t outputs = p->batch * p->out_channels * plan->request.g.pixels;
    if (s->steps * s->tile_k * s->tile_m > INT32_MAX / 2)
        plan->wide_index = 1;
    plan->packed_bytes = clconv__gemm_packed(s) * sizeof(float);
    if (s->parts > 1)
        plan->workspace = clconv__round_up(s->parts * outputs * sizeof(float), 64);
}

static clconv_status create_with(clconv_plan *plan, const clconv__engine *engine) {
    clconv__launch l;
    const clconv__tile *tile = clconv__fitting_tile(&l, plan->algo, &plan->request);
    int64_t fields[CLCONV__FIELDS];
    clconv_status status = CLCONV_OK;
    gemm_state *state = calloc(1, sizeof *state);
    if (!state)
        return clconv__fail(CLCONV_OUT_OF_MEMORY, "a plan needs %zu bytes", sizeof *state);
    plan->state = state;
    lay_out(state, plan, tile, engine);
    clconv__plan_fields(fields, plan, state->shape.steps);
    clconv__pack_geometry(&state->geometry, plan, fields);
    clconv__pack_scalars(&state->scalars, &plan->problem);
    if (state->shape.is_flat)
        status = make_taps(state, plan, fields);
    for (int i = 0; i < SUM && !status; ++i)
        status = clconv__plan_kernel(&state->kernels[i], plan, &plan->problem, "gemm_tiled.cl",
                                     stage_names[i], tile, l.options);
    if (!status && state->shape.parts > 1)
        status = clconv__sum_parts_kernel(&state->kernels[SUM], plan, &plan->problem);
    if (status)
        destroy(plan);
    return status;
}

static clconv_status create(clconv_plan *plan) {
    return create_with(plan, NULL);
}

static clconv_status create_mma(clconv_plan *plan) {
    return create_with(plan, engine_of(&plan->request));
}

static clconv_status pack_device(clconv__call *call, cl_mem packed, size_t offset) {
    const gemm_state *state = call->plan->state;
    const clconv__gemm_shape *s = &state->shape;
    const cl_long at = (cl_long)(offset / sizeof(float));
    const clconv__argument arguments[] = {
        {state->geometry.size, &state->geometry.values},
        {sizeof call->offsets, &call->offsets},
        {sizeof(cl_mem), &call->tensors.weights.memory},
        {sizeof(cl_mem), &packed},
        {sizeof at, &at},
    };
    const clconv__range range = {{s->steps * s->rows * s->tile_m, s->groups * s->blocks, 1},
                                 clconv__line_group(call->plan)};
    return clconv__call_kernel(call, state->kernels[PACK], &range, arguments,
                               sizeof arguments / sizeof arguments[0], NULL);
}

static clconv_status enqueue(clconv_plan *plan, cl_command_queue queue,
                             const clconv_tensors *tensors, cl_uint wait_count,
                             const cl_event *wait, cl_event *event) {
    const gemm_state *state = plan->state;
    const int is_split = state->shape.parts > 1;
    clconv__call call;
    clconv__packed packed;
    clconv_status status =
        clconv__call_begin_packed(&call, &packed, plan, queue, tensors, wait_count, wait);
    if (status)
        return status;
    const clconv__gemm_buffers buffers = {
        .x = tensors->input.memory,
        .packed = packed.memory,
        .raw = is_split ? tensors->workspace.memory : packed.memory, /* or something harmless */
        .taps = state->taps,
        .x_at = (cl_long)tensors->input.offset,
        .packed_at = (cl_long)(packed.offset / sizeof(float)),
        .raw_at = is_split ? (cl_long)(tensors->workspace.offset / sizeof(float)) : 0};
    status = clconv__gemm_multiply(&call, state->kernels[MULTIPLY], &state->shape, &state->geometry,
                                   &state->scalars, &buffers, is_split ? NULL : event);
    if (status || !is_split)
        return status;
    return clconv__sum_parts(&call, state->kernels[SUM], &state->geometry, &state->scalars,
                             plan->problem.batch * plan->request.g.pixels, state->shape.parts,
                             buffers.raw_at, event);
}

const clconv__algo_ops clconv__gemm_ops = {0, create, destroy, enqueue, NULL, NULL, pack_device};
const clconv__algo_ops clconv__gemm_mma_ops = {0,    create_mma, destroy,    enqueue,
                                               NULL, NULL,       pack_device};
