#include "gemm.h"

#include "arithmetic.h"

#include <string.h>

/* By taps each tap is padded to whole steps; beyond this the table of the flat order is cheaper. */
#define MOST_PADDING 1.15

/* The least that is worth a part. */
enum { LEAST_STEPS = 4 };

/* Of a long reduction to few sums, as of pixels to weights: work-items that a unit gets, and how
 * many parts are allowed. */
enum { ITEMS_OF_UNIT = 768, MOST_PARTS_OF_PIXELS = 128 };

/* SKEW of gemm.h with a matrix engine, and GAP. */
enum { SKEW = 8, GAP = 4 };

/* Both sides of the two factors, what an engine passes its fragments through, and places. */
static size_t local_bytes(const clconv__gemm_shape *s, const clconv__gemm_size *size) {
    const size_t words = 2 * s->rows * (s->tile_m + s->tile_n + 2 * s->skew);
    const size_t places = size->along_k ? 4 * s->tile_n * sizeof(cl_long) : 0;
    return (words + size->scratch * s->item * s->items) * sizeof(float) + places;
}

size_t clconv__gemm_parts(size_t *per_part, size_t groups, size_t steps, size_t wanted,
                          size_t most) {
    size_t parts = wanted / groups;
    if (most > steps / LEAST_STEPS)
        most = steps / LEAST_STEPS;
    if (parts > most)
        parts = most;
    if (parts < 1)
        parts = 1;
    *per_part = clconv__divide_up(steps, parts);
    return clconv__divide_up(steps, *per_part); /* none is empty */
}

static void split(clconv__gemm_shape *s, int along_k, unsigned units) {
    const size_t groups = s->groups * s->blocks * s->tiles;
    s->parts = along_k
                   ? clconv__gemm_parts(&s->per_part, groups, s->steps,
                                        units * ITEMS_OF_UNIT / s->items, MOST_PARTS_OF_PIXELS)
                   : clconv__gemm_parts(&s->per_part, groups, s->steps,
                                        (size_t)units * CLCONV__GROUPS_OF_UNIT, CLCONV__MOST_PARTS);
}

clconv__gemm_shape clconv__gemm_shape_of(const clconv__gemm_size *size, const clconv__tile *tile,
                                         unsigned units) {
    const unsigned *v = tile->value;
    clconv__gemm_shape s = {.tile_m = v[0], .tile_n = v[1], .tile_k = v[2], .item = v[3]};
    const size_t by_taps = size->taps * clconv__divide_up(size->in_channels, s.tile_k);
    const size_t flat = clconv__divide_up(size->taps * size->in_channels, s.tile_k);
    s.packs = size->packs;
    s.most = size->most;
    s.rows = size->packs ? s.tile_k / size->packs : s.tile_k;
    s.skew = size->packs ? SKEW : size->along_k ? GAP : 0;
    s.items = s.tile_m / s.item * (s.tile_n / s.item);
    s.local_bytes = local_bytes(&s, size);
    s.groups = size->groups;
    s.blocks = clconv__divide_up(size->out_channels, s.tile_m);
    s.tiles = clconv__divide_up(size->pixels, s.tile_n);
    s.is_point = size->taps == 1 && !size->is_padded;
    s.is_flat = (double)by_taps > MOST_PADDING * (double)flat;
    s.steps = s.is_flat ? flat : by_taps;
    split(&s, size->along_k, units);
    return s;
}

void clconv__gemm_use_engine(clconv__gemm_size *size, const clconv__engine *engine,
                             clconv_type type) {
    if (!engine)
        return;
    size->packs = sizeof(cl_uint) / clconv_type_size(type); /* a word has 32 bits */
    size->scratch = engine->scratch;
    size->most = engine->item;
}

void clconv__gemm_launch(clconv__launch *l, const clconv__gemm_shape *s) {
    l->local[0] = s->items;
    l->local[1] = l->local[2] = 1;
    l->global[0] = s->blocks * s->tiles * s->groups * s->items;
    l->global[1] = s->parts;
    l->global[2] = 1;
    l->step = s->steps;
}

/* The registers of a lane: 8 by 8 sums are 64, which is all that Intel's GPUs have in SIMD16. */
static size_t largest_item(const clconv__gemm_shape *s, const clconv_device_info *info) {
    const int is_intel = info->kind == CLCONV_KIND_GPU && strstr(info->vendor, "Intel");
    return s->packs ? s->most : is_intel ? 4 : 8;
}

int clconv__gemm_fits(const clconv__gemm_shape *s, const clconv_device_info *info) {
    return s->items <= info->max_work_group_size && s->items <= info->max_work_item_sizes[0] &&
           s->local_bytes <= info->local_memory_size && s->item <= largest_item(s, info);
}

double clconv__gpu_bandwidth(const clconv_device_info *info) {
    return 2.5e10 * (info->compute_units ? info->compute_units : 1);
}

/*
 * A larger tile reads less for each multiplication, from local memory by the item's share and from
 * global memory by the group's. On CPUs, where it is of no use, it only takes longer to compile.
 */
static double efficiency(const clconv__gemm_shape *s, const clconv_device_info *info) {
    if (info->kind != CLCONV_KIND_GPU)
        return 1024 / (double)(s->item * s->tile_m * s->tile_n);
    return 1 / (1 + 4 / (double)s->item + 16 / (double)s->tile_m + 16 / (double)s->tile_n);
}

/*
 * Rounds of work-groups on a unit, which waits for memory where it has few work-items. The rate of
 * GPUs, and how little an engine gains where words are gathered one by one, are of an NVIDIA H200.
 */
double clconv__gemm_seconds(const clconv__gemm_shape *s, const clconv_device_info *info) {
    const double enough_items = info->kind == CLCONV_KIND_GPU ? 256 : 1;
    const double of_engine = s->packs ? 1.3 : 1;
    const double rate = info->kind == CLCONV_KIND_GPU ? 4e11 * of_engine : 7.5e8;
    const size_t units = info->compute_units ? info->compute_units : 1;
    const double rounds =
        (double)clconv__divide_up(s->groups * s->blocks * s->tiles * s->parts, units);
    const double items = rounds * (double)s->items;
    const double busy = items < enough_items ? items / enough_items : 1;
    const double work = 2.0 * (double)(s->tile_m * s->tile_n) * (double)(s->tile_k * s->per_part);
    return rounds * work / (rate * efficiency(s, info) * busy);
}

size_t clconv__gemm_packed(const clconv__gemm_shape *s) {
    return s->groups * s->blocks * s->steps * s->rows * s->tile_m;
}

clconv_status clconv__gemm_multiply(clconv__call *call, cl_kernel kernel,
                                    const clconv__gemm_shape *shape,
                                    const clconv__kernel_geometry *geometry,
                                    const clconv__kernel_scalars *scalars,
                                    const clconv__gemm_buffers *b, cl_event *event) {
    const clconv_tensors *t = &call->tensors;
    clconv__kernel_offsets offsets = call->offsets;
    clconv__index_argument per_part;
    const cl_mem taps = b->taps ? b->taps : b->packed;
    offsets.x = b->x_at;
    const clconv__argument arguments[] = {
        {geometry->size, &geometry->values},
        {sizeof offsets, &offsets},
        {scalars->size, &scalars->values},
        {sizeof(cl_mem), &b->x},
        {sizeof(cl_mem), &b->packed},
        {sizeof b->packed_at, &b->packed_at},
        {sizeof(cl_mem), &taps},
        clconv__as_argument(&per_part, call->plan, shape->per_part),
        {sizeof(cl_mem), &b->raw},
        {sizeof b->raw_at, &b->raw_at},
        {sizeof(cl_mem), &t->bias.memory},
        {sizeof(cl_mem), &t->residual.memory},
        {sizeof(cl_mem), &t->output.memory},
    };
    const clconv__range range = {
        {shape->blocks * shape->tiles * shape->groups * shape->items, shape->parts, 1},
        shape->items};
    return clconv__call_kernel(call, kernel, &range, arguments,
                               sizeof arguments / sizeof arguments[0], event);
}

clconv_status clconv__sum_parts_kernel(cl_kernel *kernel, const clconv_plan *plan,
                                       const clconv_problem *problem) {
    return clconv__plan_kernel(kernel, plan, problem, "sum_parts.cl", "sum_parts", NULL, "");
}

clconv_status clconv__sum_parts(clconv__call *call, cl_kernel kernel,
                                const clconv__kernel_geometry *geometry,
                                const clconv__kernel_scalars *scalars, size_t pixels, size_t parts,
                                cl_long raw_at, cl_event *event) {
    const clconv_tensors *t = &call->tensors;
    const cl_int count = (cl_int)parts;
    const clconv__argument arguments[] = {
        {geometry->size, &geometry->values},
        {sizeof call->offsets, &call->offsets},
        {scalars->size, &scalars->values},
        {sizeof(cl_mem), &t->workspace.memory},
        {sizeof raw_at, &raw_at},
        {sizeof count, &count},
        {sizeof(cl_mem), &t->bias.memory},
        {sizeof(cl_mem), &t->residual.memory},
        {sizeof(cl_mem), &t->output.memory},
    };
    const clconv__range range = {{pixels * call->plan->problem.out_channels, 1, 1},
                                 clconv__line_group(call->plan)};
    return clconv__call_kernel(call, kernel, &range, arguments,
                               sizeof arguments / sizeof arguments[0], event);
}
