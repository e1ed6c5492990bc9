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

static int refuses_gemm_mma(char refusal[CLCONV_REFUSAL_SIZE], const clconv__request *r) {
    clconv_type type = r->problem->type;
    if (type != CLCONV_F16 && type != CLCONV_BF16)
        return clconv__refuse(refusal, "type %s is not f16 or bf16", clconv__type_names[type]);
    return refuses_engine(refusal, r);
}

static int refuses_gemm_mma_tf32(char refusal[CLCONV_REFUSAL_SIZE], const clconv__request *r) {
    if (r->problem->type != CLCONV_F32)
        return clconv__refuse(refusal, "type %s is not f32", clconv__type_names[r->problem->type]);
    return refuses_engine(refusal, r);
}

/* ---- nhwc_mma ---- */

static const char *const nhwc_mma_macros[] = {"TILE_M", "TILE_N", "VECS", "WARPS", NULL};
static const clconv__tile nhwc_mma_tiles[] = {
    {{128, 128, 4, 4}},
    {{128, 256, 2, 8}},
    {{256, 128, 2, 8}},
    {{64, 256, 2, 4}},
    {{64, 128, 4, 4}},
    {{128, 64, 4, 4}},
    {{64, 64, 4, 4}},
    {{64, 64, 8, 4}},
    {{32, 64, 4, 4}},
    {{32, 32, 4, 4}},
    {{0}},
};

const clconv__algo clconv__row_nhwc_mma = {
    .name = "nhwc_mma",
    .kinds = CLCONV__FOR_GPU,
    .directions = CLCONV__ON_FORWARD,
    .ops = &clconv__nhwc_mma_ops,
    .refuses = refuses_gemm_mma,
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
    .refuses = refuses_gemm_mma_tf32,
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
    .refuses = refuses_gemm_mma,
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
    .refuses = refuses_gemm_mma_tf32,
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
    .refuses = clconv__refuses_winograd,
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
    .refuses = clconv__refuses_winograd,
    .bound = clconv__winograd_4x4_bound,
    .seconds = clconv__seconds_winograd_gemm_4x4,
    .macros = gemm_macros,
    .tiles = winograd_gemm_tiles,
    .launch = clconv__launch_winograd_gemm_4x4,
};

/* ---- depthwise ---- */

static const char *const depthwise_macros[] = {"LOCAL_W", "LOCAL_H", "ROWS", NULL};
static const clconv__tile depthwise_tiles[] = {
    {{32, 8, 4}}, {{32, 4, 4}}, {{32, 4, 2}}, {{16, 8, 2}}, {{16, 4, 4}}, {{8, 8, 1}},
    {{8, 4, 2}},  {{4, 4, 1}},  {{1, 1, 4}},  {{1, 1, 1}},  {{0}},
};

/* Floats of the input that a work-group reads. */
static double depthwise_patch(const clconv__request *r, const clconv__tile *tile) {
    const clconv_problem *p = r->problem;
    const size_t height = (size_t)tile->value[1] * tile->value[2];
    double patch_w = (double)(tile->value[0] - 1) * (double)p->stride[2] +
                     (double)(p->kernel[2] - 1) * (double)p->dilation[2] + 1;
    double patch_h = (double)(height - 1) * (double)p->stride[1] +
                     (double)(p->kernel[1] - 1) * (double)p->dilation[1] + 1;
    return patch_w * patch_h * (double)p->kernel[0];
}

static int launch_depthwise(clconv__launch *l, const clconv__request *r, const clconv__tile *tile) {
    const clconv_device_info *info = &r->device->info;
    const clconv_problem *p = r->problem;
    const unsigned *v = tile->value;
    double bytes = depthwise_patch(r, tile) * sizeof(float);
    if (bytes > (double)info->local_memory_size || v[0] * v[1] > info->max_work_group_size ||
        v[0] > info->max_work_item_sizes[0] || v[1] > info->max_work_item_sizes[1])
        return 0;
    int is_common = p->kernel[1] == p->kernel[2] && p->kernel[1] % 2 && p->kernel[1] <= 7 &&
                    p->stride[1] == p->stride[2] && p->stride[1] <= 2 && p->dilation[1] == 1 &&
                    p->dilation[2] == 1;
    if (is_common)
        snprintf(l->options, sizeof l->options, " -DKERNEL=%zu -DSTRIDE=%zu", p->kernel[1],
                 p->stride[1]);
    l->local_bytes = (size_t)bytes;
    l->local[0] = v[0];
    l->local[1] = v[1];
    l->local[2] = 1;
    l->global[0] =
        clconv__divide_up(r->g.output[2], v[0]) * v[0] * r->g.output[0] * p->groups * p->batch;
    l->global[1] = clconv__divide_up(r->g.output[1], (size_t)v[1] * v[2]) * v[1];
    l->global[2] = 1;
    return 1;
}

static int refuses_depthwise(char refusal[CLCONV_REFUSAL_SIZE], const clconv__request *r) {
    if (r->g.in_per_group != 1)
        return clconv__refuse(refusal, "a group has %zu input channels, but it takes 1",
                              r->g.in_per_group);
    return clconv__refuses_types(refusal, r);
}

/* What memory or the multiplications take, whichever is longer, with what the borders waste. */
static double seconds_depthwise(const clconv__request *r, const clconv__tile *tile) {
    const double enough_items = 128;
    const clconv_device_info *info = &r->device->info;
    const size_t items = (size_t)tile->value[0] * tile->value[1];
    const size_t outputs = items * tile->value[2];
    const unsigned units = info->compute_units ? info->compute_units : 1;
    double groups = (double)(clconv__divide_up(r->g.output[2], tile->value[0]) * r->g.output[0]) *
                    (double)clconv__divide_up(r->g.output[1], outputs / tile->value[0]) *
                    (double)r->problem->groups * (double)r->problem->batch;
    double rounds = groups < units ? 1 : groups / units;
    double busy = rounds * (double)items < enough_items ? rounds * (double)items / enough_items : 1;
    double bytes = (depthwise_patch(r, tile) + (double)(outputs * r->g.out_per_group)) *
                   (double)clconv_type_size(r->problem->type);
    double operations = 2.0 * (double)(outputs * r->g.out_per_group) * (double)r->g.taps;
    double of_group = info->kind == CLCONV_KIND_GPU ? fmax(bytes / 2e10, operations / 1e11) / busy
                                                    : operations / 1e9;
    return 5e-6 + rounds * of_group;
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
