#include "gemm.h"

#include "arithmetic.h"

#include <string.h>

/* By taps each tap is padded to whole steps; beyond this the table of the flat order is cheaper. */
#define MOST_PADDING 1.15

/* Groups of work-items that a unit gets by splitting, and the least that is worth a part. */
enum { GROUPS_OF_UNIT = 2, LEAST_STEPS = 4, MOST_PARTS = 32 };

/* SKEW of gemm_tiled.cl, for matrix engines. */
enum { SKEW = 8 };

/* Both sides of the two factors, and what an engine passes its fragments through. */
static size_t local_bytes(const clconv__gemm_shape *s, size_t scratch) {
    const size_t words = 2 * s->rows * (s->tile_m + s->tile_n + 2 * s->skew);
    return (words + scratch * s->item * s->items) * sizeof(float);
}

static void split(clconv__gemm_shape *s, unsigned units) {
    const size_t wanted = (size_t)units * GROUPS_OF_UNIT;
    const size_t there = s->groups * s->blocks * s->tiles;
    size_t most = s->steps / LEAST_STEPS;
    s->parts = wanted / there;
    if (most > MOST_PARTS)
        most = MOST_PARTS;
    if (s->parts > most)
        s->parts = most;
    if (s->parts < 1)
        s->parts = 1;
    s->per_part = clconv__divide_up(s->steps, s->parts);
    s->parts = clconv__divide_up(s->steps, s->per_part); /* none is empty */
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
    s.skew = size->packs ? SKEW : 0;
    s.items = s.tile_m / s.item * (s.tile_n / s.item);
    s.local_bytes = local_bytes(&s, size->scratch);
    s.groups = size->groups;
    s.blocks = clconv__divide_up(size->out_channels, s.tile_m);
    s.tiles = clconv__divide_up(size->pixels, s.tile_n);
    s.is_point = size->taps == 1 && !size->is_padded;
    s.is_flat = (double)by_taps > MOST_PADDING * (double)flat;
    s.steps = s.is_flat ? flat : by_taps;
    split(&s, units);
    return s;
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
 * Rounds of work-groups on a unit, which waits for memory where it has few work-items. The rates
 * only order the rows.
 */
double clconv__gemm_seconds(const clconv__gemm_shape *s, const clconv_device_info *info) {
    const double enough_items = info->kind == CLCONV_KIND_GPU ? 256 : 1;
    const double of_engine = s->packs ? 4.0 * (double)s->packs : 1;
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
