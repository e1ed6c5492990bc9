/* The table of algorithms: what each refuses, how long it takes, and how its kernel is started. */
#include "algo.h"
#include "arithmetic.h"
#include "engine.h"
#include "reference.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int refuse(char refusal[CLCONV_REFUSAL_SIZE], const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static int refuse(char refusal[CLCONV_REFUSAL_SIZE], const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(refusal, CLCONV_REFUSAL_SIZE, format, arguments);
    va_end(arguments);
    return 1;
}

/* ---- refusals ---- */

static int refuses_buffers(char refusal[CLCONV_REFUSAL_SIZE], const clconv__request *r) {
    static const char *const names[] = {"input", "weights", "bias", "residual", "output"};
    for (int tensor = CLCONV_INPUT; tensor <= CLCONV_OUTPUT; ++tensor) {
        size_t elements = 0;
        clconv_tensor_elements(&elements, r->problem, (clconv_tensor)tensor);
        size_t bytes =
            elements * clconv_type_size(clconv_tensor_type(r->problem, (clconv_tensor)tensor));
        if (bytes > r->device->info.max_allocation_size)
            return refuse(
                refusal, "the %s needs %zu bytes, but one buffer of the device holds %llu",
                names[tensor], bytes, (unsigned long long)r->device->info.max_allocation_size);
    }
    return 0;
}

int clconv__algo_is_for(const clconv__algo *algo, const clconv_device *device) {
    return (int)(algo->kinds >> device->info.kind & 1);
}

int clconv__algo_computes(const clconv__algo *algo, clconv_direction direction) {
    return (unsigned)direction < CLCONV__DIRECTIONS && algo->directions >> direction & 1;
}

int clconv__algo_refuses(char refusal[CLCONV_REFUSAL_SIZE], const clconv__algo *algo,
                         const clconv__request *r) {
    const clconv_problem *p = r->problem;
    clconv__launch launch;
    int device_is_host = r->device->info.kind == CLCONV_KIND_HOST;
    if (algo->ops->is_host != device_is_host)
        return refuse(refusal, algo->ops->is_host ? "it runs on the host device only"
                                                  : "it needs an OpenCL device");
    if (!clconv__algo_computes(algo, p->direction))
        return refuse(refusal, "it does not compute direction %s",
                      clconv__direction_names[p->direction]);
    if (algo->kinds & CLCONV__ROUNDS && !r->allows_tf32)
        return refuse(refusal, "it rounds its operands to tf32, which was not allowed");
    if (!device_is_host && p->type == CLCONV_F64 && !clconv__device_has_f64(r->device))
        return refuse(refusal, "the device does not compute in double precision");
    if (!device_is_host && refuses_buffers(refusal, r))
        return 1;
    if (algo->refuses && algo->refuses(refusal, r))
        return 1;
    if (algo->tiles && !clconv__fitting_tile(&launch, algo, r))
        return refuse(refusal,
                      "no tile fits the device's local memory, %llu bytes, and its work-groups of "
                      "up to %zu work-items",
                      (unsigned long long)r->device->info.local_memory_size,
                      r->device->info.max_work_group_size);
    return 0;
}

double clconv__algo_seconds(const clconv__algo *algo, const clconv__request *r) {
    clconv__launch launch;
    return algo->seconds(r, algo->tiles ? clconv__fitting_tile(&launch, algo, r) : NULL);
}

const clconv__algo *clconv__find_algo(const char *name) {
    for (size_t i = 0; i < clconv__algo_count; ++i)
        if (strcmp(clconv__algos[i].name, name) == 0)
            return &clconv__algos[i];
    return NULL;
}

const clconv__tile *clconv__fitting_tile(clconv__launch *launch, const clconv__algo *algo,
                                         const clconv__request *r) {
    const clconv__tile *best = NULL;
    double best_seconds = 0;
    for (const clconv__tile *tile = algo->tiles; tile->value[0]; ++tile) {
        clconv__launch candidate = {{0}, {0}, 0, 0, ""};
        if ((r->tile && tile != r->tile) || !algo->launch(&candidate, r, tile))
            continue;
        double seconds = algo->seconds(r, tile);
        if (!best || seconds < best_seconds) {
            best = tile;
            best_seconds = seconds;
            *launch = candidate;
        }
    }
    return best;
}

/* ---- estimates ---- */

/*
 * Time from a rate of useful operations per compute unit, separately for OpenCL CPUs and GPUs. The
 * CPU rates were measured with `clconv verify` on PoCL; the GPU rates only order the rows.
 */
static double seconds_at(const clconv__request *r, double cpu_rate, double gpu_rate) {
    double rate = r->device->info.kind == CLCONV_KIND_GPU ? gpu_rate : cpu_rate;
    unsigned units = r->device->info.compute_units ? r->device->info.compute_units : 1;
    return clconv_problem_flops(r->problem) / (rate * units);
}

/* Share of a tile's work that is useful: what the borders leave of it. */
static double filled(size_t extent, size_t tile) {
    return (double)extent / (double)(clconv__divide_up(extent, tile) * tile);
}

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
    return 5e-6 + seconds_at(r, 2e9, 1e10);
}

/* Divisions in its inner loops keep it from using vectors. */
static double seconds_direct_data(const clconv__request *r, const clconv__tile *tile) {
    (void)tile;
    return 5e-6 + seconds_at(r, 1.5e8, 2e10);
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
        return 1e-5 + seconds_at(r, r->g.in_per_group == 1 ? 9e8 : 4e8, 1e10);
    return 1e-5 + weights * (3e-8 + rows * (2.5e-9 + 8e-11 * (double)r->g.output[2])) / units;
}

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
    double useful = filled(r->g.output[2], (size_t)v[0] * v[2]) * filled(r->g.output[1], v[1]) *
                    filled(r->g.out_per_group, v[3]) * tiled_reuse(r, tile);
    size_t items = (size_t)v[0] * v[1]; /* too few leave most of a GPU's lanes idle */
    double lanes = items < 64 ? (double)items / 64 : 1;
    return 1e-5 + seconds_at(r, 6e9 * useful, 1.2e11 * useful * lanes);
}

/* ---- vector ---- */

/* The last value, how pixels are found, is no macro. */
static const char *const vector_macros[] = {"VECTORS", "PIXELS", NULL};
static const clconv__tile vector_tiles[] = {
    {{2, 14, CLCONV__IN_PANEL}},
    {{2, 7, CLCONV__IN_PANEL}},
    {{2, 14, CLCONV__IN_LINE}},
    {{2, 7, CLCONV__IN_LINE}},
    {{2, 7, CLCONV__ANYWHERE}},
    {{1, 14, CLCONV__ANYWHERE}},
    {{0}},
};

/* Sixteen channels alone would leave half of the wider tile idle. */
static int is_wide_enough(const clconv__request *r, const clconv__tile *tile) {
    return tile->value[0] == 1 || (r->g.out_per_group - 1) % 32 >= 16;
}

/* The distance of neighbours is a number in the program where it is a common one. */
static int launch_vector(clconv__launch *l, const clconv__request *r, const clconv__tile *tile) {
    const clconv__line line = clconv__line_of(r);
    const int in_panel = tile->value[2] == CLCONV__IN_PANEL;
    if (!is_wide_enough(r, tile))
        return 0;
    if (tile->value[2] == CLCONV__ANYWHERE)
        return 1;
    snprintf(l->options, sizeof l->options, " -DLINE_STEP=%zu", in_panel ? 1 : line.step);
    return in_panel ? clconv__has_panels(r, tile->value[1])
                    : line.width >= tile->value[1] && line.step >= 1 && line.step <= 2;
}

static int refuses_types(char refusal[CLCONV_REFUSAL_SIZE], const clconv__request *r) {
    clconv_type type = r->problem->type;
    if (type != CLCONV_F32 && type != CLCONV_F16 && type != CLCONV_BF16)
        return refuse(refusal, "type %s is not f32, f16 or bf16", clconv__type_names[type]);
    return 0;
}

/* The padded planes, whose rows may be twice as long, must be countable; their bytes are checked
 * like any workspace. */
static int refuses_vector(char refusal[CLCONV_REFUSAL_SIZE], const clconv__request *r) {
    const clconv_problem *p = r->problem;
    size_t elements = p->batch * p->in_channels * 2 * sizeof(float);
    int overflows = 0;
    for (int axis = 0; axis < CLCONV_SPATIAL_AXES; ++axis)
        overflows |= __builtin_mul_overflow(
            elements, p->input[axis] + p->pad_begin[axis] + p->pad_end[axis], &elements);
    if (overflows && clconv__vector_needs_planes(p))
        return refuse(refusal, "the padded input does not fit size_t");
    return refuses_types(refusal, r);
}

/* Besides the sums, each output costs its store, each work-item its beginning, and panels a copy.
 */
static double seconds_vector(const clconv__request *r, const clconv__tile *tile) {
    static const double rates[] = {
        [CLCONV__ANYWHERE] = 7.5e10, [CLCONV__IN_LINE] = 1.5e11, [CLCONV__IN_PANEL] = 1.5e11};
    const clconv_problem *p = r->problem;
    const clconv__line line = clconv__line_of(r);
    const int is_line = tile->value[2] == CLCONV__IN_LINE;
    const size_t width = is_line ? line.width : r->g.pixels;
    const double useful =
        filled(r->g.out_per_group, 16 * (size_t)tile->value[0]) * filled(width, tile->value[1]) *
        (tile->value[0] * tile->value[1] < 28 ? 0.8 : 1) * (is_line && line.step != 1 ? 0.7 : 1);
    const double pixels = (double)p->batch * (double)r->g.pixels;
    const double outputs = pixels * (double)p->out_channels;
    const double copied = tile->value[2] == CLCONV__IN_PANEL ? pixels * (double)p->in_channels : 0;
    const double items =
        (double)p->batch * (double)p->groups *
        (double)clconv__divide_up(r->g.out_per_group, 16 * (size_t)tile->value[0]) *
        (double)clconv__divide_up(r->g.pixels, tile->value[1]);
    const unsigned units = r->device->info.compute_units ? r->device->info.compute_units : 1;
    return 2e-5 + seconds_at(r, rates[tile->value[2]] * useful, 1e9) +
           (0.3e-9 * outputs + 5e-8 * items + 3e-9 * copied) / units;
}

/* ---- weights_gemm ---- */

/* Like the vector row, with weights in the place of pixels. */
static const char *const weights_gemm_macros[] = {"VECTORS", "PLACES", NULL};
static const clconv__tile weights_gemm_tiles[] = {{{2, 7}}, {{1, 14}}, {{0}}};

static int launch_weights_gemm(clconv__launch *l, const clconv__request *r,
                               const clconv__tile *tile) {
    (void)l;
    return is_wide_enough(r, tile);
}

/* Copies of both tensors, the gradient's with whole vectors of channels, the sums, and the second
 * pass, whose stores are far apart. */
static double seconds_weights_gemm(const clconv__request *r, const clconv__tile *tile) {
    const clconv_problem *p = r->problem;
    size_t places = r->g.in_per_group * p->kernel[0] * p->kernel[1] * p->kernel[2];
    size_t channels = clconv__round_up(r->g.out_per_group, 16 * (size_t)tile->value[0]);
    double useful =
        filled(r->g.out_per_group, 16 * (size_t)tile->value[0]) * filled(places, tile->value[1]);
    double read = (double)p->batch * ((double)(p->groups * channels) * (double)r->g.pixels +
                                      (double)p->in_channels * (double)p->input[0] *
                                          (double)p->input[1] * (double)p->input[2]);
    double weights = (double)p->out_channels * (double)places;
    unsigned units = r->device->info.compute_units ? r->device->info.compute_units : 1;
    return 4e-5 + seconds_at(r, 1e11 * useful, 1e9) + (read + 2 * weights) * 1e-9 / units;
}

/* ---- lines ---- */

/* Channels and rows of a register tile of 16 pixels; the last, rows of a band, is no macro. */
enum { LINES_LANES = 16 };
static const char *const lines_macros[] = {"OC", "ROWS", NULL};
static const clconv__tile lines_tiles[] = {
    {{8, 2, 4}}, {{8, 1, 1}}, {{1, 7, 14}}, {{1, 4, 32}},
    {{1, 4, 8}}, {{1, 1, 8}}, {{1, 1, 1}},  {{0}},
};

/* Rows of a band: no more than there are. */
static size_t lines_rows(const clconv__request *r, const clconv__tile *tile) {
    return tile->value[2] < r->g.output[1] ? tile->value[2] : r->g.output[1];
}

/* Kernels whose extents the program has as numbers. */
static int lines_are_common(const clconv_problem *p) {
    return p->kernel[0] == 1 && p->kernel[1] == p->kernel[2] && p->kernel[1] % 2 &&
           p->kernel[1] > 1 && p->kernel[1] <= 7 && p->stride[2] <= 2 &&
           p->stride[1] == p->stride[2] && p->dilation[1] == 1 && p->dilation[2] == 1;
}

/* Work-items that share the groups of one band. */
static size_t lines_workers(const clconv__request *r, size_t bands) {
    enum { ITEMS_PER_UNIT = 4 };
    const size_t wanted = clconv__divide_up(ITEMS_PER_UNIT * (size_t)r->device->info.compute_units,
                                            bands * r->problem->batch);
    return wanted < r->problem->groups ? wanted : r->problem->groups;
}

/* Floats of local memory. */
static double lines_floats(const clconv__request *r, const clconv__tile *tile) {
    const clconv_problem *p = r->problem;
    double phase = (double)clconv__round_up(r->g.output[2], LINES_LANES) +
                   (double)((p->kernel[2] - 1) * p->dilation[2] / p->stride[2]) + 1;
    size_t rows = clconv__round_up(lines_rows(r, tile), tile->value[1]);
    double in_rows = (double)(rows - 1) * (double)p->stride[1] +
                     (double)(p->kernel[1] - 1) * (double)p->dilation[1] + 1;
    const double planes = (double)(r->g.in_per_group * p->kernel[0]);
    return planes * (in_rows * phase * (double)p->stride[2] +
                     (double)(p->kernel[1] * p->kernel[2] * tile->value[0]));
}

static int launch_lines(clconv__launch *l, const clconv__request *r, const clconv__tile *tile) {
    const clconv_problem *p = r->problem;
    double bytes = lines_floats(r, tile) * sizeof(float);
    if (bytes > (double)r->device->info.local_memory_size ||
        (tile->value[1] > 1 && !lines_are_common(p)))
        return 0;
    if (lines_are_common(p))
        snprintf(l->options, sizeof l->options,
                 " -DKERNEL_D=1 -DKERNEL_H=%zu -DKERNEL_W=%zu -DSTRIDE_H=%zu -DSTRIDE_W=%zu"
                 " -DDILATION_W=1",
                 p->kernel[1], p->kernel[2], p->stride[1], p->stride[2]);
    l->step = lines_rows(r, tile);
    l->local_bytes = (size_t)bytes;
    for (int i = 0; i < 3; ++i)
        l->local[i] = 1;
    l->global[0] = clconv__divide_up(r->g.output[1], l->step) * r->g.output[0];
    l->global[1] = lines_workers(r, l->global[0]);
    l->global[2] = p->batch;
    return 1;
}

/* Operations per second of a unit. */
static double lines_rate(const clconv_problem *p, const clconv__tile *tile) {
    static const double common[2][2] = {{3e10, 6e10}, {6e10, 1.1e11}};
    const int channels = tile->value[0] > 1, rows = tile->value[1] > 1;
    return lines_are_common(p) ? common[channels][rows] : channels ? 3e10 : 6e9;
}

/* Sums, the copy into local memory, and a copy that leaves the first-level cache. */
static double seconds_lines(const clconv__request *r, const clconv__tile *tile) {
    const clconv_problem *p = r->problem;
    const unsigned *v = tile->value;
    double bands = (double)clconv__divide_up(r->g.output[1], lines_rows(r, tile)) *
                   (double)r->g.output[0] * (double)p->groups * (double)p->batch;
    double floats = lines_floats(r, tile);
    unsigned units = r->device->info.compute_units ? r->device->info.compute_units : 1;
    double useful = filled(r->g.output[2], LINES_LANES) * filled(r->g.out_per_group, v[0]) *
                    filled(lines_rows(r, tile), v[1]);
    const double rate = lines_rate(p, tile);
    double waves = bands < units ? (double)units / bands : 1;
    return 1e-5 + seconds_at(r, rate * useful * (floats > 16384 ? 0.8 : 1), 1e9) * waves +
           bands * (5e-8 + floats * 0.06e-9) / units;
}

/* ---- pointwise ---- */

/* Vectors of 16 pixels, and channels of a register tile. */
static const char *const pointwise_macros[] = {"VECTORS", "OC", NULL};
static const clconv__tile pointwise_tiles[] = {{{3, 8}}, {{1, 8}}, {{0}}};

static int refuses_pointwise(char refusal[CLCONV_REFUSAL_SIZE], const clconv__request *r) {
    const clconv_problem *p = r->problem;
    for (int axis = 0; axis < CLCONV_SPATIAL_AXES; ++axis) {
        if (p->kernel[axis] != 1)
            return refuse(refusal, "kernels must have one tap, not %zux%zux%zu", p->kernel[0],
                          p->kernel[1], p->kernel[2]);
        if (p->pad_begin[axis] || (r->g.output[axis] - 1) * p->stride[axis] >= p->input[axis])
            return refuse(refusal, "outputs must not lie in the padding");
    }
    return refuses_types(refusal, r);
}

static int launch_pointwise(clconv__launch *l, const clconv__request *r, const clconv__tile *tile) {
    enum { ITEMS_PER_UNIT = 8 };
    const size_t pixels = 16 * (size_t)tile->value[0], oc = tile->value[1];
    const size_t tiles = clconv__divide_up(r->g.pixels, pixels);
    const size_t shared = tiles * r->problem->batch * r->problem->groups;
    const size_t blocks = clconv__divide_up(r->g.out_per_group, oc);
    const size_t wanted =
        clconv__divide_up(ITEMS_PER_UNIT * (size_t)r->device->info.compute_units, shared);
    const double bytes = (double)r->g.in_per_group * (double)pixels * sizeof(float);
    if (bytes > (double)r->device->info.local_memory_size)
        return 0;
    l->step = clconv__divide_up(blocks, wanted < blocks ? wanted : blocks) * oc;
    l->local_bytes = (size_t)bytes;
    for (int i = 0; i < 3; ++i)
        l->local[i] = 1;
    l->global[0] = tiles;
    l->global[1] = clconv__divide_up(r->g.out_per_group, l->step) * r->problem->groups;
    l->global[2] = r->problem->batch;
    return 1;
}

/* Sums, and the copy of what each part of the channels reads. */
static double seconds_pointwise(const clconv__request *r, const clconv__tile *tile) {
    enum { LONGEST = 160 }; /* channels of a tile that stays in the first-level cache */
    const clconv_problem *p = r->problem;
    const size_t pixels = 16 * (size_t)tile->value[0];
    const int is_plane = r->g.pixels == p->input[0] * p->input[1] * p->input[2];
    const double useful = filled(r->g.pixels, pixels) * filled(r->g.out_per_group, tile->value[1]);
    const unsigned units = r->device->info.compute_units ? r->device->info.compute_units : 1;
    const double copied =
        (double)p->batch * (double)p->in_channels * (double)clconv__round_up(r->g.pixels, pixels);
    const double rate = tile->value[0] == 1 ? 1e11 : r->g.in_per_group > LONGEST ? 1.4e11 : 1.5e11;
    return 1e-5 + seconds_at(r, rate * useful, 1e9) + copied * (is_plane ? 1e-10 : 4e-10) / units;
}

/* ---- lines_data ---- */

/* Channels and vectors of a register tile; the last, rows of a band, is no macro. */
static const char *const lines_data_macros[] = {"OC", "VECTORS", NULL};
static const clconv__tile lines_data_tiles[] = {
    {{3, 4, 16}}, {{3, 4, 4}}, {{1, 2, 16}}, {{1, 1, 16}}, {{1, 1, 1}}, {{0}},
};

/* Floats of local memory. */
static double lines_data_floats(const clconv__request *r, const clconv__tile *tile) {
    const clconv_problem *p = r->problem;
    const double sources = 16 * (double)tile->value[1];
    const double vectors = ceil(ceil((double)r->g.output[2] / 2) / sources);
    const double rows = floor((double)(tile->value[2] + p->kernel[1] - 2) / (double)p->stride[1]);
    const double shifts = (double)(p->kernel[2] / 2 + 1);
    return (double)r->g.in_per_group * (rows + 1) * (vectors * sources + shifts);
}

static int launch_lines_data(clconv__launch *l, const clconv__request *r,
                             const clconv__tile *tile) {
    const clconv_problem *p = r->problem;
    const size_t tap = r->g.weights_stride[4];
    const double bytes = lines_data_floats(r, tile) * sizeof(float);
    if (bytes > (double)r->device->info.local_memory_size)
        return 0;
    snprintf(l->options, sizeof l->options, " -DKERNEL_W=%zu -DPARITY=%zu -DW_STEP=%s",
             p->kernel[2], p->pad_begin[2] % 2,
             tap > 1 && p->kernel[2] > 1     ? "g.w_w"
             : p->mode == CLCONV_CONVOLUTION ? "-1"
                                             : "1");
    l->step = tile->value[2];
    l->local_bytes = (size_t)bytes;
    for (int i = 0; i < 3; ++i)
        l->local[i] = 1;
    l->global[0] = clconv__divide_up(r->g.output[1], l->step);
    l->global[1] = lines_workers(r, l->global[0]);
    l->global[2] = p->batch;
    return 1;
}

static int refuses_lines_data(char refusal[CLCONV_REFUSAL_SIZE], const clconv__request *r) {
    enum { WIDEST = 11 };
    const clconv_problem *p = r->problem;
    if (p->stride[2] != 2)
        return refuse(refusal, "the stride along rows is %zu, but it takes 2", p->stride[2]);
    if (p->kernel[0] != 1 || p->pad_begin[0] || r->g.input[0] != 1 || r->g.output[0] != 1)
        return refuse(refusal, "the problem is 3-D");
    if (p->kernel[2] > WIDEST)
        return refuse(refusal, "the kernel is %zu wide, but it takes up to %d", p->kernel[2],
                      WIDEST);
    for (int axis = 1; axis < CLCONV_SPATIAL_AXES; ++axis)
        if (p->dilation[axis] != 1 && p->kernel[axis] != 1)
            return refuse(refusal, "dilation is %zu on axis %c, but must be 1", p->dilation[axis],
                          "dhw"[axis]);
    return refuses_types(refusal, r);
}

/* Sums, and the copy into local memory. */
static double seconds_lines_data(const clconv__request *r, const clconv__tile *tile) {
    const clconv_problem *p = r->problem;
    const unsigned *v = tile->value;
    const size_t rows = v[2] < r->g.output[1] ? v[2] : r->g.output[1];
    const double bands =
        (double)clconv__divide_up(r->g.output[1], rows) * (double)p->groups * (double)p->batch;
    const double floats = lines_data_floats(r, tile);
    const double useful = filled(clconv__divide_up(r->g.output[2], 2), 16 * (size_t)v[1]) *
                          filled(r->g.out_per_group, v[0]);
    const unsigned units = r->device->info.compute_units ? r->device->info.compute_units : 1;
    const double busy = bands < units ? bands : units;
    return 1e-5 + seconds_at(r, (v[0] > 1 ? 1e11 : 3e10) * useful, 1e9) * units / busy +
           bands * (1e-7 + floats * 0.1e-9) / units;
}

/* ---- lines_weights ---- */

/* Rows of a band, which is no macro. */
static const char *const lines_weights_macros[] = {NULL};
static const clconv__tile lines_weights_tiles[] = {{{16}}, {{0}}};

static int launch_lines_weights(clconv__launch *l, const clconv__request *r,
                                const clconv__tile *tile) {
    enum { LANES = 16 };
    const clconv_problem *p = r->problem;
    const double sums = (double)r->g.in_per_group * (double)(p->kernel[1] * p->kernel[2]) + LANES;
    const double bytes = sums * LANES * sizeof(float);
    if (bytes > (double)r->device->info.local_memory_size)
        return 0;
    snprintf(l->options, sizeof l->options, " -DKERNEL_W=%zu -DSTRIDE_W=%zu", p->kernel[2],
             p->stride[2]);
    l->step = tile->value[0];
    l->local_bytes = (size_t)bytes;
    for (int i = 0; i < 3; ++i)
        l->local[i] = 1;
    l->global[0] = r->g.out_per_group;
    l->global[1] = lines_workers(r, l->global[0]);
    l->global[2] = 1;
    return 1;
}

static int refuses_lines_weights(char refusal[CLCONV_REFUSAL_SIZE], const clconv__request *r) {
    enum { WIDEST = 7 };
    const clconv_problem *p = r->problem;
    if (p->type != CLCONV_F32)
        return refuse(refusal, "type %s is not f32", clconv__type_names[p->type]);
    if (p->kernel[0] != 1 || p->pad_begin[0] || r->g.input[0] != 1 || r->g.output[0] != 1)
        return refuse(refusal, "the problem is 3-D");
    if (p->stride[2] > 2 || (p->dilation[2] != 1 && p->kernel[2] > 1))
        return refuse(refusal,
                      "along rows the stride is %zu and the dilation %zu, but it takes up "
                      "to 2 and 1",
                      p->stride[2], p->dilation[2]);
    if (p->kernel[2] > WIDEST)
        return refuse(refusal, "the kernel is %zu wide, but it takes up to %d", p->kernel[2],
                      WIDEST);
    if (r->g.input_stride[4] != 1 || r->g.output_stride[4] != 1)
        return refuse(refusal, "neighbours in a row do not lie side by side");
    return 0;
}

/* Sums, with the lanes that rows do not fill, and those of lanes at the end. */
static double seconds_lines_weights(const clconv__request *r, const clconv__tile *tile) {
    const clconv_problem *p = r->problem;
    (void)tile;
    const double useful = filled(r->g.output[2], 16);
    const double weights =
        (double)p->out_channels * (double)r->g.in_per_group * (double)(p->kernel[1] * p->kernel[2]);
    const unsigned units = r->device->info.compute_units ? r->device->info.compute_units : 1;
    const double rate = r->g.in_per_group == 1 ? 3e10 : 5e9; /* gradients pass once for each */
    const double busy = p->out_channels < units ? (double)p->out_channels / units : 1;
    return 1e-5 + (seconds_at(r, rate * useful, 1e9) + weights * 6e-9 / units) / busy;
}

/* ---- winograd ---- */

/* The last value, groups of TILES tiles that a work-item multiplies, is no macro. */
static const char *const winograd_macros[] = {"VECTORS", "TILES", "M", NULL};
static const clconv__tile winograd_4x4_tiles[] = {
    {{2, 14, 4, 4}}, {{2, 14, 4, 1}}, {{2, 8, 4, 2}}, {{2, 7, 4, 1}}, {{0}}};
static const clconv__tile winograd_2x2_tiles[] = {
    {{2, 14, 2, 4}}, {{2, 14, 2, 1}}, {{2, 8, 2, 2}}, {{0}}};

size_t clconv__winograd_line(const clconv__request *r, size_t out) {
    enum { LANES = 16 }; /* tiles of a vector, which the last reaches beyond with two columns */
    size_t tiles = clconv__round_up(clconv__divide_up(r->g.output[2], out), LANES);
    size_t needed = tiles * out + 2;
    size_t padded = r->problem->pad_begin[2] + r->problem->input[2];
    return clconv__round_up(needed > padded ? needed : padded, LANES);
}

static int launch_winograd(clconv__launch *l, const clconv__request *r, const clconv__tile *tile) {
    const size_t out = tile->value[2], side = out + 2;
    const size_t lines = side * clconv__winograd_line(r, out) * sizeof(float);
    l->step = (size_t)tile->value[1] * tile->value[3];
    l->local_bytes = side * side * l->step * 16 * tile->value[0] * sizeof(float);
    return lines <= r->device->info.local_memory_size &&
           l->local_bytes <= r->device->info.local_memory_size;
}

static int refuses_winograd(char refusal[CLCONV_REFUSAL_SIZE], const clconv__request *r) {
    const clconv_problem *p = r->problem;
    if (p->kernel[0] != 1 || p->kernel[1] != 3 || p->kernel[2] != 3)
        return refuse(refusal, "the kernel is %zux%zux%zu, but it takes 3x3", p->kernel[0],
                      p->kernel[1], p->kernel[2]);
    for (int axis = 0; axis < CLCONV_SPATIAL_AXES; ++axis)
        if (p->stride[axis] != 1 || (p->dilation[axis] != 1 && p->kernel[axis] != 1))
            return refuse(refusal, "stride is %zu and dilation %zu on axis %c, but both must be 1",
                          p->stride[axis], p->dilation[axis], "dhw"[axis]);
    if (r->g.output[0] != 1 || p->input[0] != 1)
        return refuse(refusal, "the problem is 3-D");
    return refuses_types(refusal, r);
}

/* Multiplications, transforms by the tile, and the weights, which each piece reads anew. */
static double seconds_winograd(const clconv__request *r, const clconv__tile *tile) {
    const clconv_problem *p = r->problem;
    const size_t out = tile->value[2], places = (out + 2) * (out + 2);
    const size_t count =
        p->batch * clconv__divide_up(r->g.output[1], out) * clconv__divide_up(r->g.output[2], out);
    const double tiles = (double)count;
    const double rate = (r->device->info.kind == CLCONV_KIND_GPU ? 1e9 : 1.3e11) *
                        filled(count, tile->value[1]) * filled(r->g.out_per_group, 32) *
                        (tile->value[1] < 14 ? 0.8 : 1) * (tile->value[3] < 2 ? 0.8 : 1);
    const double products =
        2.0 * (double)places * tiles * (double)r->g.in_per_group * (double)p->out_channels;
    const double transforms =
        tiles * (double)(p->in_channels + p->out_channels) * (out == 4 ? 14e-9 : 7e-9);
    const double weights =
        4.0 * (double)places * (double)r->g.in_per_group * (double)p->out_channels;
    const double input = 4.0 * (double)places * tiles * (double)p->in_channels;
    const double pieces = ceil(input / (double)clconv__winograd_piece((size_t)weights));
    /* A group of tiles is one work-item; too few of them leave processors idle. */
    const double items = (double)clconv__divide_up(count, (size_t)tile->value[1] * tile->value[3]) *
                         (double)clconv__divide_up(r->g.out_per_group, 32) * (double)p->groups;
    const unsigned units = r->device->info.compute_units ? r->device->info.compute_units : 1;
    const double busy = items < units ? items : units;
    return 4e-5 + products / rate / busy + (transforms + weights * pieces / 1.7e10) / units;
}

/* ---- gemm_tiled, and what multiplies with it ---- */

static const char *const gemm_macros[] = {"TILE_M", "TILE_N", "TILE_K", "ITEM", NULL};
static const clconv__tile gemm_tiles[] = {
    {{128, 128, 8, 8}}, {{64, 128, 8, 8}}, {{128, 64, 8, 8}},
    {{64, 64, 8, 8}},   {{64, 64, 16, 4}}, {{32, 64, 16, 4}},
    {{32, 32, 16, 4}},  {{16, 16, 8, 4}},  {{0}},
};
/* The last is in warps of 8 times as many channels and 4 times as many pixels. */
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
        return refuse(refusal, "the device has no matrix engine that OpenCL C can use%s", note);
    return 0;
}

static int refuses_gemm_mma(char refusal[CLCONV_REFUSAL_SIZE], const clconv__request *r) {
    clconv_type type = r->problem->type;
    if (type != CLCONV_F16 && type != CLCONV_BF16)
        return refuse(refusal, "type %s is not f16 or bf16", clconv__type_names[type]);
    return refuses_engine(refusal, r);
}

static int refuses_gemm_mma_tf32(char refusal[CLCONV_REFUSAL_SIZE], const clconv__request *r) {
    if (r->problem->type != CLCONV_F32)
        return refuse(refusal, "type %s is not f32", clconv__type_names[r->problem->type]);
    return refuses_engine(refusal, r);
}

static const clconv__tile winograd_gemm_tiles[] = {
    {{128, 128, 8, 8}},
    {{64, 128, 8, 8}},
    {{64, 64, 8, 8}},
    {{64, 64, 16, 4}},
    {{32, 32, 16, 4}},
    {{16, 16, 8, 4}},
    {{0}},
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
        return refuse(refusal, "a group has %zu input channels, but it takes 1", r->g.in_per_group);
    return refuses_types(refusal, r);
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
    return refuse(refusal, "the library was built without CLBlast");
#endif
    if (p->type != CLCONV_F32 && p->type != CLCONV_F64)
        return refuse(refusal, "type %s is not f32 or f64", clconv__type_names[p->type]);
    if (p->weights_layout != CLCONV_OIHW)
        return refuse(refusal, "weights are ohwi, but its matrix needs oihw");
    if (r->weights)
        return refuse(refusal, "the weights are part of another tensor, but its matrix needs oihw");
    return 0;
}

static int refuses_im2col(char refusal[CLCONV_REFUSAL_SIZE], const clconv__request *r) {
    if (refuses_clblast(refusal, r))
        return 1;
    if (r->problem->has_residual)
        return refuse(refusal, "the GEMM would overwrite a residual that lies in the output");
    if (!is_matrix(r->g.output, r->g.output_stride, r->problem->out_channels))
        return refuse(refusal, "the pixels of an output channel do not lie one behind the other");
    return 0;
}

static int refuses_col2im(char refusal[CLCONV_REFUSAL_SIZE], const clconv__request *r) {
    if (refuses_clblast(refusal, r))
        return 1;
    if (!is_matrix(r->g.input, r->g.input_stride, r->g.in_per_group))
        return refuse(refusal, "the pixels of a channel that is read do not lie one behind the "
                               "other");
    return 0;
}

static double seconds_im2col(const clconv__request *r, const clconv__tile *tile) {
    (void)tile;
    double calls = (double)r->problem->batch * (double)r->problem->groups;
    return 2e-4 * calls + seconds_at(r, 2e9, 4e10);
}

/* ---- host ---- */

static double seconds_host(const clconv__request *r, const clconv__tile *tile) {
    (void)tile;
    return 2e-5 + seconds_at(r, 5e10, 5e10);
}

/* ---- the table ---- */

/* clang-format off */
const clconv__algo clconv__algos[] = {
    {"tiled", CLCONV__FOR_OPENCL, CLCONV__ON_FORWARD,
     &clconv__kernel_ops, NULL, NULL,
     seconds_tiled, tiled_macros, tiled_tiles, launch_tiled},
    {"vector", CLCONV__FOR_CPU, CLCONV__ON_FORWARD,
     &clconv__vector_ops, refuses_vector, NULL,
     seconds_vector, vector_macros, vector_tiles, launch_vector},
    {"winograd_2x2", CLCONV__FOR_CPU, CLCONV__ON_FORWARD,
     &clconv__winograd_ops, refuses_winograd, clconv__winograd_2x2_bound,
     seconds_winograd, winograd_macros, winograd_2x2_tiles, launch_winograd},
    {"winograd_4x4", CLCONV__FOR_CPU, CLCONV__ON_FORWARD,
     &clconv__winograd_ops, refuses_winograd, clconv__winograd_4x4_bound,
     seconds_winograd, winograd_macros, winograd_4x4_tiles, launch_winograd},
    {"gemm_tiled", CLCONV__FOR_GPU, CLCONV__ON_FORWARD,
     &clconv__gemm_ops, refuses_types, NULL,
     clconv__seconds_gemm, gemm_macros, gemm_tiles, clconv__launch_gemm},
    {"gemm_mma", CLCONV__FOR_GPU, CLCONV__ON_FORWARD,
     &clconv__gemm_mma_ops, refuses_gemm_mma, NULL,
     clconv__seconds_gemm_mma, gemm_macros, gemm_mma_tiles, clconv__launch_gemm_mma},
    {"gemm_mma_tf32", CLCONV__FOR_GPU | CLCONV__ROUNDS, CLCONV__ON_FORWARD,
     &clconv__gemm_mma_ops, refuses_gemm_mma_tf32, clconv__tf32_bound,
     clconv__seconds_gemm_mma, gemm_macros, gemm_mma_tf32_tiles, clconv__launch_gemm_mma},
    {"winograd_gemm_2x2", CLCONV__FOR_GPU, CLCONV__ON_FORWARD,
     &clconv__winograd_gemm_ops, refuses_winograd, clconv__winograd_2x2_bound,
     clconv__seconds_winograd_gemm_2x2, gemm_macros, winograd_gemm_tiles,
     clconv__launch_winograd_gemm_2x2},
    {"winograd_gemm_4x4", CLCONV__FOR_GPU, CLCONV__ON_FORWARD,
     &clconv__winograd_gemm_ops, refuses_winograd, clconv__winograd_4x4_bound,
     clconv__seconds_winograd_gemm_4x4, gemm_macros, winograd_gemm_tiles,
     clconv__launch_winograd_gemm_4x4},
    {"depthwise", CLCONV__FOR_GPU, CLCONV__ON_FORWARD,
     &clconv__kernel_ops, refuses_depthwise, NULL,
     seconds_depthwise, depthwise_macros, depthwise_tiles, launch_depthwise},
    {"lines", CLCONV__FOR_CPU, CLCONV__ON_FORWARD,
     &clconv__kernel_ops, refuses_types, NULL,
     seconds_lines, lines_macros, lines_tiles, launch_lines},
    {"pointwise", CLCONV__FOR_CPU, CLCONV__ON_FORWARD,
     &clconv__kernel_ops, refuses_pointwise, NULL,
     seconds_pointwise, pointwise_macros, pointwise_tiles, launch_pointwise},
    {"im2col_clblast", CLCONV__FOR_OPENCL, CLCONV__ON_FORWARD | CLCONV__ON_WEIGHTS,
     &clconv__im2col_ops, refuses_im2col, NULL,
     seconds_im2col, NULL, NULL, NULL},
    {"weights_gemm", CLCONV__FOR_CPU, CLCONV__ON_WEIGHTS,
     &clconv__weights_gemm_ops, refuses_vector, NULL,
     seconds_weights_gemm, weights_gemm_macros, weights_gemm_tiles, launch_weights_gemm},
    {"lines_data", CLCONV__FOR_CPU, CLCONV__ON_GATHERED,
     &clconv__kernel_ops, refuses_lines_data, NULL,
     seconds_lines_data, lines_data_macros, lines_data_tiles, launch_lines_data},
    {"lines_weights", CLCONV__FOR_CPU, CLCONV__ON_WEIGHTS,
     &clconv__weights_ops, refuses_lines_weights, NULL,
     seconds_lines_weights, lines_weights_macros, lines_weights_tiles, launch_lines_weights},
    {"phases", CLCONV__FOR_OPENCL, CLCONV__ON_GATHERED,
     &clconv__phases_ops, clconv__phases_refuses, NULL,
     clconv__phases_seconds, NULL, NULL, NULL},
    {"phases_winograd", CLCONV__FOR_CPU, CLCONV__ON_GATHERED,
     &clconv__phases_winograd_ops, clconv__phases_winograd_refuses, clconv__phases_winograd_bound,
     clconv__phases_winograd_seconds, NULL, NULL, NULL},
    {"col2im_clblast", CLCONV__FOR_OPENCL, CLCONV__ON_GATHERED,
     &clconv__col2im_ops, refuses_col2im, NULL,
     seconds_im2col, NULL, NULL, NULL},
    {"host", CLCONV__FOR_HOST, CLCONV__ON_ALL,
     &clconv__host_ops, NULL, NULL,
     seconds_host, NULL, NULL, NULL},
    /* Last, because in their directions these never refuse a problem that the device can hold. */
    {"direct_weights", CLCONV__FOR_OPENCL, CLCONV__ON_WEIGHTS,
     &clconv__weights_ops, NULL, NULL,
     seconds_direct_weights, NULL, NULL, NULL},
    {"direct_data", CLCONV__FOR_OPENCL, CLCONV__ON_GATHERED,
     &clconv__kernel_ops, NULL, NULL,
     seconds_direct_data, direct_macros, direct_tiles, launch_direct},
    {"direct", CLCONV__FOR_OPENCL, CLCONV__ON_FORWARD,
     &clconv__kernel_ops, NULL, NULL,
     seconds_direct, direct_macros, direct_tiles, launch_direct},
};
/* clang-format on */
const size_t clconv__algo_count = sizeof clconv__algos / sizeof clconv__algos[0];
