/* Rows for all devices: how long they take, and how their kernels are started. */
#include "rows.h"

#include "arithmetic.h"

/* ---- direct ---- */

static const char *const direct_macros[] = {NULL};
static const clconv__tile direct_tiles[] = {{{64}}, {{16}}, {{1}}, {{0}}};

static int launch_direct(clconv__launch *l, const clconv__request *r, const clconv__tile *tile) {
    const clconv_device_info *info = &r->device->info;
    size_t items = tile->value[0];
    l->global[0] = clconv__divide_up(r->g.pixels, items) * items;
    l->global[1] = r->g.out_per_group * r->problem->groups;
    l->global[2] = r->problem->batch;
    l->local[0] = items;
    l->local[1] = l->local[2] = 1;
    return items <= info->max_work_group_size && items <= info->max_work_item_sizes[0];
}

static double seconds_direct(const clconv__request *r, const clconv__tile *tile) {
    (void)tile;
    return 5e-6 + clconv__seconds_at(r, 2e9, 1e10);
}

/* Divisions in its inner loops keep it from using vectors, and on an NVIDIA H200 take as long for
 * the taps that fall between outputs. */
static double seconds_direct_data(const clconv__request *r, const clconv__tile *tile) {
    const size_t *stride = r->problem->stride;
    const double rate = 4e9 / (double)stride[0] / (double)stride[1] / (double)stride[2];
    (void)tile;
    return 5e-6 + clconv__seconds_at(r, 1.5e8, rate);
}

/* In vectors each row of each weight's sum has its price, however short. */
static double seconds_direct_weights(const clconv__request *r, const clconv__tile *tile) {
    const clconv_problem *p = r->problem;
    const double weights = (double)p->out_channels * (double)r->g.in_per_group *
                           (double)(p->kernel[0] * p->kernel[1] * p->kernel[2]);
    const double rows = (double)p->batch * (double)r->g.output[0] * (double)r->g.output[1];
    const unsigned units = r->device->info.compute_units ? r->device->info.compute_units : 1;
    (void)tile;
    if (!clconv__weights_have_lanes(r))
        return 1e-5 + clconv__seconds_at(r, r->g.in_per_group == 1 ? 9e8 : 4e8, 1e10);
    return 1e-5 + weights * (3e-8 + rows * (2.5e-9 + 8e-11 * (double)r->g.output[2])) / units;
}

const clconv__algo clconv__row_direct = {
    .name = "direct",
    .kinds = CLCONV__FOR_OPENCL,
    .directions = CLCONV__ON_FORWARD,
    .ops = &clconv__kernel_ops,
    .seconds = seconds_direct,
    .macros = direct_macros,
    .tiles = direct_tiles,
    .launch = launch_direct,
};

const clconv__algo clconv__row_direct_data = {
    .name = "direct_data",
    .kinds = CLCONV__FOR_OPENCL,
    .directions = CLCONV__ON_GATHERED,
    .ops = &clconv__kernel_ops,
    .seconds = seconds_direct_data,
    .macros = direct_macros,
    .tiles = direct_tiles,
    .launch = launch_direct,
};

const clconv__algo clconv__row_direct_weights = {
    .name = "direct_weights",
    .kinds = CLCONV__FOR_OPENCL,
    .directions = CLCONV__ON_WEIGHTS,
    .ops = &clconv__weights_ops,
    .seconds = seconds_direct_weights,
};

/* ---- tiled ---- */

static const char *const tiled_macros[] = {"LOCAL_W", "LOCAL_H", "PIXELS", "TILE_OC", NULL};
static const clconv__tile tiled_tiles[] = {
    {{8, 8, 4, 8}}, {{8, 8, 1, 8}}, {{8, 4, 1, 4}}, {{4, 1, 1, 4}}, {{1, 1, 1, 4}}, {{0}},
};

/* Bytes of local memory for each input channel of a reduction step. */
static double tiled_bytes_per_channel(const clconv__request *r, const clconv__tile *tile) {
    const clconv_problem *p = r->problem;
    const double w = (double)(tile->value[0] * tile->value[2]), h = (double)tile->value[1];
    double patch_w =
        (w - 1) * (double)p->stride[2] + (double)(p->kernel[2] - 1) * (double)p->dilation[2] + 1;
    double patch_h =
        (h - 1) * (double)p->stride[1] + (double)(p->kernel[1] - 1) * (double)p->dilation[1] + 1;
    double weights = (double)p->kernel[1] * (double)p->kernel[2] * tile->value[3];
    return (patch_w * patch_h + weights) * (p->type == CLCONV_F64 ? 8 : 4);
}

/* A step as large as local memory allows, up to what is worth a barrier. */
static int launch_tiled(clconv__launch *l, const clconv__request *r, const clconv__tile *tile) {
    enum { ENOUGH_BYTES = 24 * 1024, MOST_CHANNELS = 32 };
    const clconv_device_info *info = &r->device->info;
    const clconv_problem *p = r->problem;
    const unsigned *v = tile->value;
    double available = (double)info->local_memory_size;
    double per_channel = tiled_bytes_per_channel(r, tile);
    size_t items = (size_t)v[0] * v[1];
    if (per_channel > available || items > info->max_work_group_size ||
        v[0] > info->max_work_item_sizes[0] || v[1] > info->max_work_item_sizes[1])
        return 0;
    double budget = available < ENOUGH_BYTES ? available : ENOUGH_BYTES;
    l->step = per_channel < budget ? (size_t)(budget / per_channel) : 1;
    if (l->step > MOST_CHANNELS)
        l->step = MOST_CHANNELS;
    if (l->step > r->g.in_per_group)
        l->step = r->g.in_per_group;
    l->local_bytes = (size_t)(per_channel * (double)l->step);
    l->local[0] = v[0];
    l->local[1] = v[1];
    l->local[2] = 1;
    l->global[0] = clconv__divide_up(r->g.output[2], (size_t)v[0] * v[2]) * v[0] * p->batch *
                   p->groups * clconv__divide_up(r->g.out_per_group, v[3]) * r->g.output[0];
    l->global[1] = clconv__divide_up(r->g.output[1], v[1]) * v[1];
    l->global[2] = 1;
    return 1;
}

/* The part of the time that is spent on products: an element of local memory costs as much as four.
 */
static double tiled_reuse(const clconv__request *r, const clconv__tile *tile) {
    const unsigned *v = tile->value;
    const double element = r->problem->type == CLCONV_F64 ? 8 : 4;
    const double taps = (double)(r->problem->kernel[1] * r->problem->kernel[2]);
    const double products = taps * v[0] * v[1] * v[2] * v[3];
    return products / (products + 4 * tiled_bytes_per_channel(r, tile) / element);
}

static double seconds_tiled(const clconv__request *r, const clconv__tile *tile) {
    const unsigned *v = tile->value;
    double useful = clconv__filled(r->g.output[2], (size_t)v[0] * v[2]) *
                    clconv__filled(r->g.output[1], v[1]) *
                    clconv__filled(r->g.out_per_group, v[3]) * tiled_reuse(r, tile);
    size_t items = (size_t)v[0] * v[1]; /* too few leave most of a GPU's lanes idle */
    double lanes = items < 64 ? (double)items / 64 : 1;
    return 1e-5 + clconv__seconds_at(r, 6e9 * useful, 1.2e11 * useful * lanes);
}

const clconv__algo clconv__row_tiled = {
    .name = "tiled",
    .kinds = CLCONV__FOR_OPENCL,
    .directions = CLCONV__ON_FORWARD,
    .ops = &clconv__kernel_ops,
    .seconds = seconds_tiled,
    .macros = tiled_macros,
    .tiles = tiled_tiles,
    .launch = launch_tiled,
};

/* ---- im2col + CLBlast ---- */

/* Whether the pixels of a channel lie one behind the other, and channels apart. */
static int is_matrix(const size_t extent[], const size_t stride[], size_t channels) {
    return (extent[2] == 1 || stride[4] == 1) && (extent[1] == 1 || stride[3] == extent[2]) &&
           (extent[0] == 1 || stride[2] == extent[1] * extent[2]) &&
           (channels == 1 || stride[1] >= extent[0] * extent[1] * extent[2]);
}

/* What rows of CLBlast's GEMM share. */
static int refuses_clblast(char refusal[CLCONV_REFUSAL_SIZE], const clconv__request *r) {
    const clconv_problem *p = r->problem;
#ifndef CLCONV_WITH_CLBLAST
    return clconv__refuse(refusal, "the library was built without CLBlast");
#endif
    if (p->type != CLCONV_F32 && p->type != CLCONV_F64)
        return clconv__refuse(refusal, "type %s is not f32 or f64", clconv__type_names[p->type]);
    if (p->weights_layout != CLCONV_OIHW)
        return clconv__refuse(refusal, "weights are ohwi, but its matrix needs oihw");
    if (r->weights)
        return clconv__refuse(refusal,
                              "the weights are part of another tensor, but its matrix needs oihw");
    return 0;
}

static int refuses_im2col(char refusal[CLCONV_REFUSAL_SIZE], const clconv__request *r) {
    if (refuses_clblast(refusal, r))
        return 1;
    if (r->problem->has_residual)
        return clconv__refuse(refusal,
                              "the GEMM would overwrite a residual that lies in the output");
    if (!is_matrix(r->g.output, r->g.output_stride, r->problem->out_channels))
        return clconv__refuse(refusal,
                              "the pixels of an output channel do not lie one behind the other");
    return 0;
}

static int refuses_col2im(char refusal[CLCONV_REFUSAL_SIZE], const clconv__request *r) {
    if (refuses_clblast(refusal, r))
        return 1;
    if (!is_matrix(r->g.input, r->g.input_stride, r->g.in_per_group))
        return clconv__refuse(refusal,
                              "the pixels of a channel that is read do not lie one behind the "
                              "other");
    return 0;
}

static double seconds_im2col(const clconv__request *r, const clconv__tile *tile) {
    (void)tile;
    double calls = (double)r->problem->batch * (double)r->problem->groups;
    return 2e-4 * calls + clconv__seconds_at(r, 2e9, 4e10);
}

const clconv__algo clconv__row_im2col_clblast = {
    .name = "im2col_clblast",
    .kinds = CLCONV__FOR_OPENCL,
    .directions = CLCONV__ON_FORWARD | CLCONV__ON_WEIGHTS,
    .ops = &clconv__im2col_ops,
    .refuses = refuses_im2col,
    .seconds = seconds_im2col,
};

const clconv__algo clconv__row_col2im_clblast = {
    .name = "col2im_clblast",
    .kinds = CLCONV__FOR_OPENCL,
    .directions = CLCONV__ON_GATHERED,
    .ops = &clconv__col2im_ops,
    .refuses = refuses_col2im,
    .seconds = seconds_im2col,
};

/* ---- phases ---- */

const clconv__algo clconv__row_phases = {
    .name = "phases",
    .kinds = CLCONV__FOR_OPENCL,
    .directions = CLCONV__ON_GATHERED,
    .ops = &clconv__phases_ops,
    .refuses = clconv__phases_refuses,
    .seconds = clconv__phases_seconds,
};

const clconv__algo clconv__row_phases_winograd = {
    .name = "phases_winograd",
    .kinds = CLCONV__FOR_OPENCL,
    .directions = CLCONV__ON_GATHERED,
    .ops = &clconv__phases_winograd_ops,
    .refuses = clconv__phases_winograd_refuses,
    .bound = clconv__phases_winograd_bound,
    .seconds = clconv__phases_winograd_seconds,
};

/* ---- host ---- */

static double seconds_host(const clconv__request *r, const clconv__tile *tile) {
    (void)tile;
    return 2e-5 + clconv__seconds_at(r, 5e10, 5e10);
}

const clconv__algo clconv__row_host = {
    .name = "host",
    .kinds = CLCONV__FOR_HOST,
    .directions = CLCONV__ON_ALL,
    .ops = &clconv__host_ops,
    .seconds = seconds_host,
};
