/* Rows for GPUs: how long they take, and how their kernels are started. */
#include "rows.h"

#include "arithmetic.h"
#include "engine.h"
#include "reference.h"

#include <math.h>
#include <stdio.h>

/* ---- gemm_tiled, and what multiplies with it ---- */

static const char *const gemm_macros[] = {"TILE_M", "TILE_N", "TILE_K", "ITEM", NULL};
static const clconv__tile gemm_tiles[] = {
    {{128, 128, 8, 8}}, {{64, 128, 8, 8}}, {{128, 64, 8, 8}},
    {{64, 64, 8, 8}},   {{64, 64, 16, 4}}, {{32, 64, 16, 4}},
    {{32, 32, 16, 4}},  {{16, 16, 8, 4}},  {{0}},
};
/* The last is in warps, of as many times more channels and pixels as the engine says. */
static const clconv__tile gemm_mma_tiles[] = {
    {{128, 128, 32, 8}}, {{64, 128, 32, 8}}, {{128, 64, 32, 8}}, {{64, 64, 32, 8}},
    {{64, 64, 32, 4}},   {{32, 64, 32, 4}},  {{32, 32, 32, 4}},  {{0}},
};
static const clconv__tile gemm_mma_tf32_tiles[] = {
    {{128, 128, 16, 8}}, {{64, 128, 16, 8}}, {{128, 64, 16, 8}}, {{64, 64, 16, 8}},
    {{64, 64, 16, 4}},   {{32, 64, 16, 4}},  {{32, 32, 16, 4}},  {{0}},
};

static int refuses_engine(char refusal[CLCONV_REFUSAL_SIZE], const clconv__request *r) {
    char note[CLCONV_TEXT_SIZE];
    if (!clconv__device_engine(r->device, r->problem->type, note))
        return clconv__refuse(refusal, "the device has no matrix engine that OpenCL C can use%s",
                              note);
    return 0;
}

static int refuses_all_but_16_bits(char refusal[CLCONV_REFUSAL_SIZE], const clconv__request *r) {
    clconv_type type = r->problem->type;
    if (type != CLCONV_F16 && type != CLCONV_BF16)
        return clconv__refuse(refusal, "type %s is not f16 or bf16", clconv__type_names[type]);
    return refuses_engine(refusal, r);
}

static int refuses_all_but_f32(char refusal[CLCONV_REFUSAL_SIZE], const clconv__request *r) {
    if (r->problem->type != CLCONV_F32)
        return clconv__refuse(refusal, "type %s is not f32", clconv__type_names[r->problem->type]);
    return refuses_engine(refusal, r);
}

/* ---- nhwc_mma ---- */

static const char *const nhwc_mma_macros[] = {"TILE_M", "TILE_N", "VECS", "WARPS", NULL};
static const clconv__tile nhwc_mma_tiles[] = {
    {{128, 128, 4, 4}}, {{64, 256, 4, 4}}, {{64, 128, 4, 4}}, {{128, 64, 4, 4}}, {{64, 64, 4, 4}},
    {{64, 64, 8, 4}},   {{32, 64, 4, 4}},  {{32, 64, 8, 4}},  {{32, 32, 4, 4}},  {{0}},
};

static int refuses_nhwc_mma(char refusal[CLCONV_REFUSAL_SIZE], const clconv__request *r) {
    return refuses_all_but_16_bits(refusal, r) || clconv__refuses_nhwc_copy(refusal, r);
}

static int refuses_nhwc_mma_tf32(char refusal[CLCONV_REFUSAL_SIZE], const clconv__request *r) {
    return refuses_all_but_f32(refusal, r) || clconv__refuses_nhwc_copy(refusal, r);
}

const clconv__algo clconv__row_nhwc_mma = {
    .name = "nhwc_mma",
    .kinds = CLCONV__FOR_GPU,
    .directions = CLCONV__ON_FORWARD,
    .ops = &clconv__nhwc_mma_ops,
    .refuses = refuses_nhwc_mma,
    .seconds = clconv__seconds_nhwc_mma,
    .macros = nhwc_mma_macros,
    .tiles = nhwc_mma_tiles,
    .launch = clconv__launch_nhwc_mma,
};

const clconv__algo clconv__row_nhwc_mma_tf32 = {
    .name = "nhwc_mma_tf32",
    .kinds = CLCONV__FOR_GPU | CLCONV__ROUNDS,
    .directions = CLCONV__ON_FORWARD,
    .ops = &clconv__nhwc_mma_ops,
    .refuses = refuses_nhwc_mma_tf32,
    .bound = clconv__tf32_bound,
    .seconds = clconv__seconds_nhwc_mma,
    .macros = nhwc_mma_macros,
    .tiles = nhwc_mma_tiles,
    .launch = clconv__launch_nhwc_mma,
};

/* ---- winograd_gemm ---- */

static const clconv__tile winograd_gemm_tiles[] = {
    {{128, 128, 8, 8}},
    {{64, 128, 8, 8}},
    {{64, 64, 8, 8}},
    {{64, 64, 16, 4}},
    {{32, 32, 16, 4}},
    {{16, 16, 8, 4}},
    {{0}},
};

const clconv__algo clconv__row_gemm_tiled = {
    .name = "gemm_tiled",
    .kinds = CLCONV__FOR_GPU,
    .directions = CLCONV__ON_FORWARD,
    .ops = &clconv__gemm_ops,
    .refuses = clconv__refuses_types,
    .seconds = clconv__seconds_gemm,
    .macros = gemm_macros,
    .tiles = gemm_tiles,
    .launch = clconv__launch_gemm,
};

const clconv__algo clconv__row_gemm_mma = {
    .name = "gemm_mma",
    .kinds = CLCONV__FOR_GPU,
    .directions = CLCONV__ON_FORWARD,
    .ops = &clconv__gemm_mma_ops,
    .refuses = refuses_all_but_16_bits,
    .seconds = clconv__seconds_gemm_mma,
    .macros = gemm_macros,
    .tiles = gemm_mma_tiles,
    .launch = clconv__launch_gemm_mma,
};

const clconv__algo clconv__row_gemm_mma_tf32 = {
    .name = "gemm_mma_tf32",
    .kinds = CLCONV__FOR_GPU | CLCONV__ROUNDS,
    .directions = CLCONV__ON_FORWARD,
    .ops = &clconv__gemm_mma_ops,
    .refuses = refuses_all_but_f32,
    .bound = clconv__tf32_bound,
    .seconds = clconv__seconds_gemm_mma,
    .macros = gemm_macros,
    .tiles = gemm_mma_tf32_tiles,
    .launch = clconv__launch_gemm_mma,
};

const clconv__algo clconv__row_winograd_gemm_2x2 = {
    .name = "winograd_gemm_2x2",
    .kinds = CLCONV__FOR_GPU,
    .directions = CLCONV__ON_FORWARD,
    .ops = &clconv__winograd_gemm_ops,
    .refuses = clconv__refuses_winograd_2x2,
    .bound = clconv__winograd_2x2_bound,
    .seconds = clconv__seconds_winograd_gemm_2x2,
    .macros = gemm_macros,
    .tiles = winograd_gemm_tiles,
    .launch = clconv__launch_winograd_gemm_2x2,
};

const clconv__algo clconv__row_winograd_gemm_4x4 = {
    .name = "winograd_gemm_4x4",
    .kinds = CLCONV__FOR_GPU,
    .directions = CLCONV__ON_FORWARD,
    .ops = &clconv__winograd_gemm_ops,
    .refuses = clconv__refuses_winograd_4x4,
    .bound = clconv__winograd_4x4_bound,
    .seconds = clconv__seconds_winograd_gemm_4x4,
    .macros = gemm_macros,
    .tiles = winograd_gemm_tiles,
    .launch = clconv__launch_winograd_gemm_4x4,
};

/* ---- weights_tiled ---- */

static const clconv__tile weights_tiles[] = {
    {{64, 128, 16, 8}},
    {{64, 64, 16, 8}},
    {{64, 64, 16, 4}},
    {{32, 64, 16, 4}},
    {{32, 32, 16, 4}},
    {{16, 16, 8, 4}},
    {{0}},
};

/* 64 by 64 in one warp of NVIDIA's took twice as long as in four on an H200. */
static const clconv__tile weights_mma_tiles[] = {
    {{128, 128, 32, 8}},
    {{64, 128, 32, 8}},
    {{128, 64, 32, 8}},
    {{64, 64, 32, 4}},
    {{32, 64, 32, 4}},
    {{32, 32, 32, 4}},
    {{0}},
};

const clconv__algo clconv__row_weights_tiled = {
    .name = "weights_tiled",
    .kinds = CLCONV__FOR_GPU,
    .directions = CLCONV__ON_WEIGHTS,
    .ops = &clconv__weights_tiled_ops,
    .refuses = clconv__refuses_types,
    .seconds = clconv__seconds_weights_tiled,
    .macros = gemm_macros,
    .tiles = weights_tiles,
    .launch = clconv__launch_weights_tiled,
};

const clconv__algo clconv__row_weights_mma = {
    .name = "weights_mma",
    .kinds = CLCONV__FOR_GPU,
    .directions = CLCONV__ON_WEIGHTS,
    .ops = &clconv__weights_tiled_ops,
    .refuses = refuses_all_but_16_bits,
    .seconds = clconv__seconds_weights_mma,
    .macros = gemm_macros,
    .tiles = weights_mma_tiles,
    .launch = clconv__launch_weights_mma,
};

static const char *const depthwise_weights_macros[] = {"ITEMS", NULL};
static const clconv__tile depthwise_weights_tiles[] = {
    {{256}}, {{128}}, {{64}}, {{16}}, {{1}}, {{0}},
};

const clconv__algo clconv__row_depthwise_weights = {
    .name = "depthwise_weights",
    .kinds = CLCONV__FOR_GPU,
    .directions = CLCONV__ON_WEIGHTS,
    .ops = &clconv__depthwise_weights_ops,
    .refuses = clconv__refuses_depthwise_weights,
    .seconds = clconv__seconds_depthwise_weights,
    .macros = depthwise_weights_macros,
    .tiles = depthwise_weights_tiles,
    .launch = clconv__launch_depthwise_weights,
};

/* ---- depthwise ---- */

static const char *const depthwise_macros[] = {"ITEMS", "ROWS", "COLUMNS", NULL};
static const clconv__tile depthwise_tiles[] = {
    {{128, 7, 1}}, {{128, 14, 1}}, {{128, 7, 2}}, {{128, 4, 1}}, {{128, 4, 2}}, {{128, 2, 4}},
    {{128, 2, 1}}, {{64, 7, 1}},   {{64, 1, 1}},  {{1, 4, 1}},   {{0}},
};

/* Tiles of one output channel of one picture. */
static size_t depthwise_tiles_of_plane(const clconv__request *r, const clconv__tile *tile) {
    return clconv__divide_up(r->g.output[2], tile->value[2]) *
           clconv__divide_up(r->g.output[1], tile->value[1]) * r->g.output[0];
}

static int has_common_kernel(const clconv_problem *p) {
    return p->kernel[0] == 1 && p->kernel[1] == p->kernel[2] && p->kernel[1] % 2 &&
           p->kernel[1] <= 7 && p->stride[1] == p->stride[2] && p->stride[1] <= 2 &&
           p->dilation[1] == 1 && p->dilation[2] == 1;
}

static int launch_depthwise(clconv__launch *l, const clconv__request *r, const clconv__tile *tile) {
    const clconv_device_info *info = &r->device->info;
    const clconv_problem *p = r->problem;
    const size_t items = tile->value[0];
    const size_t tiles = depthwise_tiles_of_plane(r, tile) * p->groups;
    const int is_large = has_common_kernel(p) && p->kernel[1] > 5; /* more sums spill */
    const char *order = p->layout == CLCONV_NHWC ? " -DCHANNELS_LAST" : "";
    if (has_common_kernel(p))
        snprintf(l->options, sizeof l->options, "%s -DKERNEL=%zu -DSTRIDE=%zu", order, p->kernel[1],
                 p->stride[1]);
    else
        snprintf(l->options, sizeof l->options, "%s", order);
    l->global[0] = clconv__divide_up(tiles, items) * items;
    l->global[1] = r->g.out_per_group;
    l->global[2] = p->batch;
    l->local[0] = items;
    l->local[1] = l->local[2] = 1;
    return items <= info->max_work_group_size && items <= info->max_work_item_sizes[0] &&
           !(is_large && tile->value[1] * tile->value[2] > 4);
}

/* Of some devices, in dimensions but the first. */
static const size_t most_groups = 65535;

static int refuses_depthwise(char refusal[CLCONV_REFUSAL_SIZE], const clconv__request *r) {
    if (r->g.in_per_group != 1)
        return clconv__refuse(refusal, "a group has %zu input channels, but it takes 1",
                              r->g.in_per_group);
    if (r->problem->batch > most_groups || r->g.out_per_group > most_groups)
        return clconv__refuse(refusal,
                              "%zu pictures, or %zu output channels of a group, are more than %zu",
                              r->problem->batch, r->g.out_per_group, most_groups);
    return clconv__refuses_types(refusal, r);
}

/* Elements that a work-item reads. */
static double depthwise_loads(const clconv__request *r, double rows, double columns) {
    const clconv_problem *p = r->problem;
    if (!has_common_kernel(p))
        return rows * columns * (double)r->g.taps;
    return ((rows - 1) * (double)p->stride[1] + (double)p->kernel[1]) *
           ((columns - 1) * (double)p->stride[2] + (double)p->kernel[2]);
}

/*
 * What memory or the instructions take, whichever is longer. The instructions were counted in what
 * ptxas makes of it; of a work-item's loads few are under way at a time, so that it takes many to
 * keep memory busy. On CPUs, it is slow with any tile.
 */
static double seconds_depthwise(const clconv__request *r, const clconv__tile *tile) {
    const double of_item = 180, of_load = 5, of_output = 11, enough_items = 1024;
    const clconv_problem *p = r->problem;
    const double rows = tile->value[1], columns = tile->value[2];
    if (r->device->info.kind != CLCONV_KIND_GPU)
        return 5e-6 + clconv__seconds_at(r, 1e9, 1e9);
    const double units = r->device->info.compute_units ? r->device->info.compute_units : 1;
    double planes = (double)p->batch * (double)p->groups;
    double outputs = (double)(r->g.pixels * r->g.out_per_group);
    double items = planes * (double)(depthwise_tiles_of_plane(r, tile) * r->g.out_per_group);
    double instructions = items * (of_item + of_load * depthwise_loads(r, rows, columns) +
                                   rows * columns * (of_output + (double)r->g.taps));
    double elements = planes * ((double)(r->g.input[0] * r->g.input[1] * r->g.input[2]) + outputs);
    double bytes = elements * (double)clconv_type_size(p->type);
    double busy = fmin(items / (units * enough_items), 1);
    return 5e-6 + fmax(bytes / 2e10, instructions / 1.5e11) / (units * busy);
}

const clconv__algo clconv__row_depthwise = {
    .name = "depthwise",
    .kinds = CLCONV__FOR_GPU,
    .directions = CLCONV__ON_FORWARD,
    .ops = &clconv__kernel_ops,
    .refuses = refuses_depthwise,
    .seconds = seconds_depthwise,
    .macros = depthwise_macros,
    .tiles = depthwise_tiles,
    .launch = launch_depthwise,
};
