/*
 * nhwc_mma.cl: implicit GEMM with a matrix engine over a copy of the input in which the channels of
 * a pixel lie together, its padding around it. The copy, and the parts of a reduction that is
 * split, lie in the workspace.
 */
#include "arithmetic.h"
#include "engine.h"
#include "gemm.h"
#include "opencl.h"
#include "rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of nhwc_mma.cl. */
enum { VEC_BYTES = 16, WARPS_M = 2, INPUT_PIXELS = 64, INPUT_VECS = 4, SUMS_SKEW = 8 };

/* Of any engine: rows of a fragment, or columns of two, which are loaded at a time. */
enum { FRAGMENT = 16 };

enum { MOST_STAGES = 4, LEAST_STAGES = 2 };

enum { PACK, INPUT, MULTIPLY, SUM, KERNELS };
static const char *const kernel_names[] = {"nhwc_mma_pack", "nhwc_mma_input", "nhwc_mma"};

typedef struct nhwc_shape {
    size_t tile_m, tile_n, vecs, warps;    /* values of the tile */
    size_t items, stages, local_bytes;     /* of a group */
    size_t blocks, tiles;                  /* of channels in a group of channels, of pixels */
    size_t vectors, steps;                 /* of a pixel, and of all taps in steps of `vecs` */
    size_t parts, per_part;                /* of the reduction, and steps of each */
    size_t extent[CLCONV_SPATIAL_AXES];    /* of the copy */
    size_t copy_step[CLCONV_SPATIAL_AXES]; /* pixels of the input between two of the copy */
    size_t step[CLCONV_SPATIAL_AXES];      /* pixels of the copy between those of two outputs */
    size_t staged;                         /* vectors of the copy */
} nhwc_shape;

typedef struct nhwc_state {
    cl_kernel kernels[KERNELS]; /* SUM is NULL where nothing is split */
    cl_mem taps;
    nhwc_shape shape;
    clconv__kernel_geometry input_geometry, geometry;
    clconv__kernel_scalars scalars;
} nhwc_state;

/* ---- the rows ---- */

/* Where one tap is read, only what it reads is copied. */
static void lay_out_copy(nhwc_shape *s, const clconv__request *r) {
    const clconv_problem *p = r->problem;
    s->vectors = clconv__divide_up(r->g.in_per_group * clconv_type_size(p->type), VEC_BYTES);
    s->staged = p->groups * p->batch * s->vectors;
    for (int axis = 0; axis < CLCONV_SPATIAL_AXES; ++axis) {
        const int is_point = p->kernel[axis] == 1;
        s->copy_step[axis] = is_point ? p->stride[axis] : 1;
        s->step[axis] = is_point ? 1 : p->stride[axis];
        s->extent[axis] =
            (r->g.output[axis] - 1) * s->step[axis] + (p->kernel[axis] - 1) * p->dilation[axis] + 1;
        s->staged *= s->extent[axis];
    }
}

/* As many steps as local memory holds: those to come are copied meanwhile. */
static void lay_out_memory(nhwc_shape *s, const clconv_device_info *info, size_t scratch) {
    const size_t warp_n = s->tile_n / (s->warps / WARPS_M);
    const size_t stage = (s->tile_m + s->tile_n) * s->vecs * VEC_BYTES;
    /* An emulation passes no more than a word of each row and column of its warp for each lane. */
    scratch = scratch ? s->items * (s->tile_m / WARPS_M + warp_n) * sizeof(cl_uint) : 0;
    const size_t sums = s->warps * FRAGMENT * (warp_n + SUMS_SKEW) * sizeof(float);
    const size_t local = info->local_memory_size;
    s->stages = local > scratch ? (local - scratch) / stage : 0;
    if (s->stages > MOST_STAGES)
        s->stages = MOST_STAGES;
    s->local_bytes = s->stages * stage < sums ? SIZE_MAX : s->stages * stage + scratch;
}

static nhwc_shape shape_of(const clconv__request *r, const clconv__tile *tile,
                           const clconv__engine *engine) {
    const clconv_problem *p = r->problem;
    const unsigned *v = tile->value;
    nhwc_shape s = {.tile_m = v[0], .tile_n = v[1], .vecs = v[2], .warps = v[3]};
    s.items = s.warps * engine->lanes[0] * engine->lanes[1];
    lay_out_copy(&s, r);
    lay_out_memory(&s, &r->device->info, engine->scratch);
    s.blocks = clconv__divide_up(r->g.out_per_group, s.tile_m);
    s.tiles = clconv__divide_up(p->batch * r->g.pixels, s.tile_n);
    s.steps = clconv__divide_up(p->kernel[0] * p->kernel[1] * p->kernel[2] * s.vectors, s.vecs);
    s.parts = clconv__gemm_parts(&s.per_part, p->groups * s.blocks * s.tiles, s.steps,
                                 (size_t)r->device->info.compute_units * CLCONV__GROUPS_OF_UNIT,
                                 CLCONV__MOST_PARTS);
    return s;
}

static const clconv__engine *engine_of(const clconv__request *r) {
    return clconv__device_engine(r->device, r->problem->type, NULL);
}

/* Work-items copy whole rows of vectors, 8 of which have the same exchanges as the next. */
static int fits(const nhwc_shape *s, const clconv_device_info *info, const clconv__engine *engine) {
    const size_t rows = s->items / s->vecs;
    return s->tile_m * s->tile_n / s->items <= engine->sums &&
           s->items <= info->max_work_group_size && s->items <= info->max_work_item_sizes[0] &&
           INPUT_PIXELS <= info->max_work_group_size &&
           INPUT_PIXELS <= info->max_work_item_sizes[0] && s->stages >= LEAST_STAGES &&
           s->local_bytes <= info->local_memory_size && s->vecs % 4 == 0 && rows % 8 == 0 &&
           s->tile_m % rows == 0 && s->tile_n % rows == 0 && s->tile_m / WARPS_M % FRAGMENT == 0 &&
           s->tile_n / (s->warps / WARPS_M) % FRAGMENT == 0;
}

/* Some devices take no more groups than this in dimensions but the first. */
enum { MOST_PICTURES = 65535 };

int clconv__refuses_nhwc_copy(char refusal[CLCONV_REFUSAL_SIZE], const clconv__request *r) {
    const clconv_problem *p = r->problem;
    nhwc_shape s = {0};
    lay_out_copy(&s, r); /* its product may be wrong, its factors are not */
    const double pictures = (double)p->groups * (double)p->batch;
    double bytes = pictures * (double)s.vectors * VEC_BYTES;
    for (int axis = 0; axis < CLCONV_SPATIAL_AXES; ++axis)
        bytes *= (double)s.extent[axis];
    if (bytes >= 0x1p62)
        return clconv__refuse(refusal, "a copy of the input with its padding takes %.3g bytes",
                              bytes);
    if (pictures > MOST_PICTURES)
        return clconv__refuse(refusal, "%zu groups of %zu pictures are more than %d", p->groups,
                              p->batch, (int)MOST_PICTURES);
    return 0;
}

int clconv__launch_nhwc_mma(clconv__launch *l, const clconv__request *r, const clconv__tile *tile) {
    const clconv__engine *engine = engine_of(r);
    char of_engine[CLCONV__ENGINE_OPTIONS_SIZE];
    if (!engine)
        return 0;
    const nhwc_shape s = shape_of(r, tile, engine);
    clconv__engine_options(of_engine, engine);
    snprintf(l->options, sizeof l->options, " -DSTAGES=%zu -DRAW=%d%s", s.stages, s.parts > 1,
             of_engine);
    l->local[0] = s.items;
    l->local[1] = l->local[2] = 1;
    l->global[0] = s.blocks * s.tiles * r->problem->groups * s.items;
    l->global[1] = s.parts;
    l->global[2] = 1;
    l->step = s.steps;
    return fits(&s, &r->device->info, engine);
}

/* Of a work-group on an NVIDIA H200; on CPUs it is of no use. */
static double seconds_of_group(const nhwc_shape *s, const clconv_device_info *info, size_t size) {
    const double rate = info->kind == CLCONV_KIND_GPU ? 6e12 / (double)size : 1e9;
    const double begin = 6e-7, of_step = 7e-8; /* until vectors arrive, and all have waited */
    const double work = 2.0 * (double)(s->tile_m * s->tile_n * s->vecs * VEC_BYTES / size);
    const double efficiency = 1 / (1 + 12 / (double)s->tile_m + 12 / (double)s->tile_n);
    return begin + (double)s->per_part * (of_step + work / (rate * efficiency));
}

/* The copy is written and read, by a kernel of its own, and so are parts. */
double clconv__seconds_nhwc_mma(const clconv__request *r, const clconv__tile *tile) {
    const clconv_device_info *info = &r->device->info;
    const nhwc_shape s = shape_of(r, tile, engine_of(r));
    const clconv_problem *p = r->problem;
    const size_t size = clconv_type_size(p->type);
    const size_t units = info->compute_units ? info->compute_units : 1;
    const double outputs = (double)p->batch * (double)p->out_channels * (double)r->g.pixels;
    const double of_parts = s.parts > 1 ? 2.0 * (double)s.parts * sizeof(float) : 0;
    const double bytes = 2.0 * (double)s.staged * VEC_BYTES + outputs * (of_parts + (double)size);
    const double rounds =
        (double)clconv__divide_up(p->groups * s.blocks * s.tiles * s.parts, units);
    return (s.parts > 1 ? 2e-5 : 1.5e-5) + rounds * seconds_of_group(&s, info, size) +
           bytes / clconv__gpu_bandwidth(info);
}

/* ---- a plan ---- */

static void destroy(clconv_plan *plan) {
    nhwc_state *state = plan->state;
    if (!state)
        return;
    clconv__release_kernels(state->kernels, KERNELS);
    if (state->taps)
        clReleaseMemObject(state->taps);
    free(state);
    plan->state = NULL;
}

/* Vectors between neighbours of the copy along an axis. */
static size_t distance_of(const nhwc_shape *s, int axis) {
    size_t distance = s->vectors;
    for (int inner = axis + 1; inner < CLCONV_SPATIAL_AXES; ++inner)
        distance *= s->extent[inner];
    return distance;
}

/* The copy's own geometry as the kernel's output, and as the input of the multiplication. */
static void make_geometries(nhwc_state *state, const clconv_plan *plan) {
    const nhwc_shape *s = &state->shape;
    const clconv_problem *p = &plan->problem;
    int64_t f[CLCONV__FIELDS];
    clconv__plan_fields(f, plan, s->steps);
    for (int axis = 0; axis < CLCONV_SPATIAL_AXES; ++axis) {
        f[CLCONV__FIELD_out_d + axis] = (int64_t)s->extent[axis];
        f[CLCONV__FIELD_stride_d + axis] = (int64_t)s->copy_step[axis];
    }
    clconv__pack_geometry(&state->input_geometry, plan, f);
    for (int axis = 0; axis < CLCONV_SPATIAL_AXES; ++axis) {
        f[CLCONV__FIELD_out_d + axis] = (int64_t)plan->request.g.output[axis];
        f[CLCONV__FIELD_stride_d + axis] = (int64_t)s->step[axis];
        f[CLCONV__FIELD_x_d + axis] = (int64_t)distance_of(s, axis);
    }
    f[CLCONV__FIELD_x_n] = (int64_t)(distance_of(s, 0) * s->extent[0]);
    f[CLCONV__FIELD_x_c] = f[CLCONV__FIELD_x_n] * (int64_t)p->batch;
    clconv__pack_geometry(&state->geometry, plan, f);
}

/* Vectors from a pixel's first to vector k of the reduction, as place_of_vector() has it. */
static size_t tap_distance(const nhwc_shape *s, const clconv_problem *p, size_t k) {
    const size_t chunk = s->vectors % s->vecs ? s->vectors : s->vecs;
    const size_t of_taps = p->kernel[0] * p->kernel[1] * p->kernel[2] * chunk;
    size_t distance = k / of_taps * chunk + k % chunk, tap = k % of_taps / chunk;
    for (int axis = CLCONV_SPATIAL_AXES - 1; axis >= 0; tap /= p->kernel[axis--])
        distance += tap % p->kernel[axis] * p->dilation[axis] * distance_of(s, axis);
    return distance;
}

static clconv_status make_taps(nhwc_state *state, const clconv_plan *plan) {
    const nhwc_shape *s = &state->shape;
    const clconv_problem *p = &plan->problem;
    const size_t there = p->kernel[0] * p->kernel[1] * p->kernel[2] * s->vectors;
    const size_t count = s->steps * s->vecs;
    int64_t *table = malloc(count * sizeof *table);
    if (!table)
        return clconv__fail(CLCONV_OUT_OF_MEMORY, "a plan needs %zu bytes", count * sizeof *table);
    for (size_t k = 0; k < count; ++k)
        table[k] = k < there ? (int64_t)tap_distance(s, p, k) : -1;
    clconv_status status = clconv__plan_index_table(&state->taps, plan, table, count);
    free(table);
    return status;
}

static size_t staged_bytes(const nhwc_shape *s) {
    return clconv__round_up(s->staged * VEC_BYTES, 64);
}

static void lay_out(nhwc_state *state, clconv_plan *plan, const clconv__tile *tile) {
    const clconv_problem *p = &plan->problem;
    state->shape = shape_of(&plan->request, tile, engine_of(&plan->request));
    const nhwc_shape *s = &state->shape;
    const size_t outputs = p->batch * p->out_channels * plan->request.g.pixels;
    const size_t packed = s->steps * s->tile_m * s->vecs * VEC_BYTES; /* of a block */
    if (packed > INT32_MAX / 2 || s->staged > INT32_MAX / 2)
        plan->wide_index = 1;
    plan->packed_bytes = p->groups * s->blocks * packed;
    plan->workspace = staged_bytes(s);
    if (s->parts > 1)
        plan->workspace += clconv__round_up(s->parts * outputs * sizeof(float), 64);
}

static clconv_status create(clconv_plan *plan) {
    clconv__launch l;
    const clconv__tile *tile = clconv__fitting_tile(&l, plan->algo, &plan->request);
    nhwc_state *state = calloc(1, sizeof *state);
    if (!state)
        return clconv__fail(CLCONV_OUT_OF_MEMORY, "a plan needs %zu bytes", sizeof *state);
    plan->state = state;
    lay_out(state, plan, tile);
    make_geometries(state, plan);
    clconv__pack_scalars(&state->scalars, &plan->problem);
    clconv_status status = make_taps(state, plan);
    for (int i = 0; i < SUM && !status; ++i)
        status = clconv__plan_kernel(&state->kernels[i], plan, &plan->problem, "nhwc_mma.cl",
                                     kernel_names[i], tile, l.options);
    if (!status && state->shape.parts > 1)
        status = clconv__sum_parts_kernel(&state->kernels[SUM], plan, &plan->problem);
    if (status)
        destroy(plan);
    return status;
}

static clconv_status pack_device(clconv__call *call, cl_mem packed, size_t offset) {
    const nhwc_state *state = call->plan->state;
    const nhwc_shape *s = &state->shape;
    const cl_long at = (cl_long)(offset / sizeof(cl_uint));
    const clconv__argument arguments[] = {
        {state->geometry.size, &state->geometry.values},
        {sizeof call->offsets, &call->offsets},
        {sizeof(cl_mem), &call->tensors.weights.memory},
        {sizeof(cl_mem), &packed},
        {sizeof at, &at},
    };
    const clconv__range range = {{s->steps * s->tile_m * s->vecs * VEC_BYTES / sizeof(cl_uint),
                                  call->plan->problem.groups * s->blocks, 1},
                                 clconv__line_group(call->plan)};
    return clconv__call_kernel(call, state->kernels[PACK], &range, arguments,
                               sizeof arguments / sizeof arguments[0], NULL);
}

static clconv_status copy_input(clconv__call *call) {
    const nhwc_state *state = call->plan->state;
    const nhwc_shape *s = &state->shape;
    const clconv_problem *p = &call->plan->problem;
    const cl_long at = (cl_long)(call->tensors.workspace.offset / VEC_BYTES);
    const clconv__argument arguments[] = {
        {state->input_geometry.size, &state->input_geometry.values},
        {sizeof call->offsets, &call->offsets},
        {sizeof(cl_mem), &call->tensors.input.memory},
        {sizeof(cl_mem), &call->tensors.workspace.memory},
        {sizeof at, &at},
    };
    const clconv__range range = {{s->extent[0] * s->extent[1] * s->extent[2],
                                  clconv__divide_up(s->vectors, INPUT_VECS), p->groups * p->batch},
                                 INPUT_PIXELS};
    return clconv__call_kernel(call, state->kernels[INPUT], &range, arguments,
                               sizeof arguments / sizeof arguments[0], NULL);
}

static clconv_status multiply(clconv__call *call, const clconv__packed *packed, cl_long raw_at,
                              cl_event *event) {
    const nhwc_state *state = call->plan->state;
    const nhwc_shape *s = &state->shape;
    const clconv_tensors *t = &call->tensors;
    const cl_long staged_at = (cl_long)(t->workspace.offset / VEC_BYTES);
    const cl_long packed_at = (cl_long)(packed->offset / VEC_BYTES);
    clconv__index_argument per_part;
    const clconv__argument arguments[] = {
        {state->geometry.size, &state->geometry.values},
        {sizeof call->offsets, &call->offsets},
        {state->scalars.size, &state->scalars.values},
        {sizeof(cl_mem), &t->workspace.memory},
        {sizeof staged_at, &staged_at},
        {sizeof(cl_mem), &packed->memory},
        {sizeof packed_at, &packed_at},
        {sizeof(cl_mem), &state->taps},
        clconv__as_argument(&per_part, call->plan, s->per_part),
        {sizeof(cl_mem), &t->workspace.memory},
        {sizeof raw_at, &raw_at},
        {sizeof(cl_mem), &t->bias.memory},
        {sizeof(cl_mem), &t->residual.memory},
        {sizeof(cl_mem), &t->output.memory},
    };
    const clconv__range range = {
        {s->blocks * s->tiles * call->plan->problem.groups * s->items, s->parts, 1}, s->items};
    return clconv__call_kernel(call, state->kernels[MULTIPLY], &range, arguments,
                               sizeof arguments / sizeof arguments[0], event);
}

static clconv_status enqueue(clconv_plan *plan, cl_command_queue queue,
                             const clconv_tensors *tensors, cl_uint wait_count,
                             const cl_event *wait, cl_event *event) {
    const nhwc_state *state = plan->state;
    const size_t workspace = tensors->workspace.offset;
    const cl_long raw_at = (cl_long)((workspace + staged_bytes(&state->shape)) / sizeof(float));
    const int is_split = state->shape.parts > 1;
    clconv__call call;
    clconv__packed packed;
    clconv_status status =
        clconv__call_begin_packed(&call, &packed, plan, queue, tensors, wait_count, wait);
    if (!status)
        status = copy_input(&call);
    if (!status)
        status = multiply(&call, &packed, raw_at, is_split ? NULL : event);
    if (!status && is_split)
        status = clconv__sum_parts(&call, state->kernels[SUM], &state->geometry, &state->scalars,
                                   plan->problem.batch * plan->request.g.pixels, state->shape.parts,
                                   raw_at, event);
    return status;
}

const clconv__algo_ops clconv__nhwc_mma_ops = {0,    create, destroy,    enqueue,
                                               NULL, NULL,   pack_device};
