/* Rows for OpenCL CPUs: how long they take, and how their kernels are started. */
#include "rows.h"

#include "arithmetic.h"
#include "reference.h"

#include <math.h>
#include <stdio.h>

/* ---- vector ---- */

static const char *const vector_macros[] = {"WIDTH", "ROWS", "SOURCE", NULL};
static const clconv__tile vector_tiles[] = {
    {{28, 1, CLCONV__IN_LINE}},
    {{14, 2, CLCONV__IN_LINE}},
    {{7, 4, CLCONV__IN_LINE}},
    {{14, 1, CLCONV__IN_LINE}},
    {{28, 1, CLCONV__IN_PATCH}},
    {{14, 2, CLCONV__IN_PATCH}},
    {{7, 4, CLCONV__IN_PATCH}},
    {{14, 1, CLCONV__IN_PATCH}},
    {{28, 1, CLCONV__IN_PANEL}},
    {{14, 1, CLCONV__IN_PANEL}},
    {{0}},
};

/* Whether rows are as wide as a tile and as many, and lines may be read where they are. */
static int has_rows(const clconv__request *r, const clconv__tile *tile) {
    const clconv__line line = clconv__line_of(r);
    const int in_line = tile->value[2] == CLCONV__IN_LINE;
    const int is_joined = in_line && line.is_plane; /* patches keep rows apart */
    const int is_plain = r->problem->type == CLCONV_F32 && !clconv__is_padded(r->problem);
    if (tile->value[0] > (is_joined ? line.width : r->g.output[2]) ||
        tile->value[1] > (is_joined ? 1 : r->g.output[1]))
        return 0;
    return !in_line || (is_plain && line.step >= 1 && line.step <= 2);
}

/*
 * What programs have as numbers: steps that are part of addresses, and rows of taps to unroll; a
 * panel is multiplied as if it had one.
 */
static int launch_vector(clconv__launch *l, const clconv__request *r, const clconv__tile *tile) {
    enum { WIDEST = 7 };
    const size_t *kernel = r->problem->kernel;
    const int in_panel = tile->value[2] == CLCONV__IN_PANEL;
    const double bytes = clconv__vector_floats(r, tile) * sizeof(float);
    const int has_one_tap = in_panel || kernel[0] * kernel[1] * kernel[2] == 1;
    char columns[sizeof " -DKERNEL_W=7"] = "";
    if (bytes > (double)r->device->info.local_memory_size ||
        (in_panel ? !clconv__vector_piece(r, tile) : !has_rows(r, tile)))
        return 0;
    if (has_one_tap || kernel[2] <= WIDEST)
        snprintf(columns, sizeof columns, " -DKERNEL_W=%d", has_one_tap ? 1 : (int)kernel[2]);
    snprintf(l->options, sizeof l->options, " -DLINE_STEP=%zu -DPHASES=%zu%s%s",
             tile->value[2] == CLCONV__IN_LINE ? clconv__line_of(r).step : 1,
             tile->value[2] == CLCONV__IN_PATCH ? r->problem->stride[2] : 1,
             has_one_tap ? " -DKERNEL_D=1 -DKERNEL_H=1" : "", columns);
    l->step = clconv__vector_share(r, tile);
    l->local_bytes = (size_t)bytes;
    return 1;
}

/* Sums, for which neighbours that do not lie side by side take twice the cache lines; what each
 * output costs to store and each tile to begin, and copies. */
static double seconds_vector(const clconv__request *r, const clconv__tile *tile) {
    const clconv_problem *p = r->problem;
    const size_t width = tile->value[0], rows = tile->value[1];
    const clconv__line line = clconv__line_of(r);
    const int in_panel = tile->value[2] == CLCONV__IN_PANEL;
    const int is_row = in_panel || (tile->value[2] == CLCONV__IN_LINE && line.is_plane);
    const double useful = clconv__filled(r->g.out_per_group, 16) *
                          clconv__filled(is_row ? r->g.pixels : r->g.output[2], width) *
                          (is_row ? 1 : clconv__filled(r->g.output[1], rows)) *
                          (tile->value[2] == CLCONV__IN_LINE && line.step != 1 ? 0.68 : 1) *
                          (width * rows < 28 ? 0.9
                           : rows == 1       ? 1
                           : rows == 2       ? 0.98
                                             : 0.94);
    const size_t blocks = clconv__divide_up(r->g.out_per_group, 16);
    const double planes = (double)p->batch * (double)p->groups;
    const double tiles = planes * (double)clconv__divide_up(r->g.pixels, width * rows);
    const int is_refilled = in_panel && clconv__vector_piece(r, tile) < r->g.in_per_group;
    const size_t share = is_refilled ? 1 : clconv__vector_share(r, tile);
    const double copied = tile->value[2] == CLCONV__IN_PATCH
                              ? clconv__vector_floats(r, tile)
                              : (in_panel ? (double)r->g.taps * (double)width : 0);
    const double floats = planes * (double)clconv__vector_items(r, tile) *
                          (double)clconv__divide_up(blocks, share) * copied;
    const double outputs = (double)p->batch * (double)r->g.pixels * (double)p->out_channels;
    const unsigned units = r->device->info.compute_units ? r->device->info.compute_units : 1;
    return 1.5e-5 + clconv__seconds_at(r, (in_panel ? 1.15e11 : 1.5e11) * useful, 1e9) +
           (0.3e-9 * outputs + 5e-8 * tiles * (double)blocks +
            floats * (in_panel ? 5e-10 : 1e-10)) /
               units;
}

const clconv__algo clconv__row_vector = {
    .name = "vector",
    .kinds = CLCONV__FOR_CPU,
    .directions = CLCONV__ON_FORWARD,
    .ops = &clconv__vector_ops,
    .refuses = clconv__refuses_types,
    .seconds = seconds_vector,
    .macros = vector_macros,
    .tiles = vector_tiles,
    .launch = launch_vector,
};

/* ---- weights_gemm ---- */

/* Two vectors of channels by seven weights, or one by fourteen. */
static const char *const weights_gemm_macros[] = {"VECTORS", "PLACES", NULL};
static const clconv__tile weights_gemm_tiles[] = {{{2, 7}}, {{1, 14}}, {{0}}};

/* Sixteen channels alone would leave half of the wider tile idle. */
static int is_wide_enough(const clconv__request *r, const clconv__tile *tile) {
    return tile->value[0] == 1 || (r->g.out_per_group - 1) % 32 >= 16;
}

/* The padded planes must be countable; their bytes are checked like any workspace. */
static int refuses_weights_gemm(char refusal[CLCONV_REFUSAL_SIZE], const clconv__request *r) {
    const clconv_problem *p = r->problem;
    size_t elements = p->batch * p->in_channels * sizeof(float);
    int overflows = 0;
    for (int axis = 0; axis < CLCONV_SPATIAL_AXES; ++axis)
        overflows |= __builtin_mul_overflow(
            elements, p->input[axis] + p->pad_begin[axis] + p->pad_end[axis], &elements);
    if (overflows)
        return clconv__refuse(refusal, "the padded input does not fit size_t");
    return clconv__refuses_types(refusal, r);
}

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
    double useful = clconv__filled(r->g.out_per_group, 16 * (size_t)tile->value[0]) *
                    clconv__filled(places, tile->value[1]);
    double read = (double)p->batch * ((double)(p->groups * channels) * (double)r->g.pixels +
                                      (double)p->in_channels * (double)p->input[0] *
                                          (double)p->input[1] * (double)p->input[2]);
    double weights = (double)p->out_channels * (double)places;
    unsigned units = r->device->info.compute_units ? r->device->info.compute_units : 1;
    return 4e-5 + clconv__seconds_at(r, 1e11 * useful, 1e9) + (read + 2 * weights) * 1e-9 / units;
}

const clconv__algo clconv__row_weights_gemm = {
    .name = "weights_gemm",
    .kinds = CLCONV__FOR_CPU,
    .directions = CLCONV__ON_WEIGHTS,
    .ops = &clconv__weights_gemm_ops,
    .refuses = refuses_weights_gemm,
    .seconds = seconds_weights_gemm,
    .macros = weights_gemm_macros,
    .tiles = weights_gemm_tiles,
    .launch = launch_weights_gemm,
};

/* ---- lines ---- */

/* Channels and rows of a register tile of 16 pixels; the last, rows of a band, is no macro. */
enum { LINES_LANES = 16 };
static const char *const lines_macros[] = {"OC", "ROWS", NULL};
static const clconv__tile lines_tiles[] = {
    {{16, 1, 4}}, {{8, 2, 4}}, {{8, 1, 1}}, {{1, 7, 14}}, {{1, 4, 32}},
    {{1, 4, 8}},  {{1, 1, 8}}, {{1, 1, 1}}, {{0}},
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
    const int unrolls = tile->value[0] > 8 || tile->value[1] > 1;
    if (bytes > (double)r->device->info.local_memory_size || (unrolls && !lines_are_common(p)))
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
    static const double common[2][2] = {{3e10, 6e10}, {6e10, 1.15e11}};
    const int channels = tile->value[0] > 1, rows = tile->value[1] > 1;
    if (tile->value[0] > 8)
        return 1.2e11;
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
    double useful = clconv__filled(r->g.output[2], LINES_LANES) *
                    clconv__filled(r->g.out_per_group, v[0]) *
                    clconv__filled(lines_rows(r, tile), v[1]);
    const double rate = lines_rate(p, tile);
    double waves = bands < units ? (double)units / bands : 1;
    return 1e-5 + clconv__seconds_at(r, rate * useful * (floats > 16384 ? 0.8 : 1), 1e9) * waves +
           bands * (5e-8 + floats * 0.06e-9) / units;
}

const clconv__algo clconv__row_lines = {
    .name = "lines",
    .kinds = CLCONV__FOR_CPU,
    .directions = CLCONV__ON_FORWARD,
    .ops = &clconv__kernel_ops,
    .refuses = clconv__refuses_types,
    .seconds = seconds_lines,
    .macros = lines_macros,
    .tiles = lines_tiles,
    .launch = launch_lines,
};

/* ---- pointwise ---- */

/* Vectors of 16 pixels, and channels of a register tile. */
static const char *const pointwise_macros[] = {"VECTORS", "OC", NULL};
static const clconv__tile pointwise_tiles[] = {{{3, 8}}, {{1, 8}}, {{0}}};

static int refuses_pointwise(char refusal[CLCONV_REFUSAL_SIZE], const clconv__request *r) {
    const clconv_problem *p = r->problem;
    for (int axis = 0; axis < CLCONV_SPATIAL_AXES; ++axis) {
        if (p->kernel[axis] != 1)
            return clconv__refuse(refusal, "kernels must have one tap, not %zux%zux%zu",
                                  p->kernel[0], p->kernel[1], p->kernel[2]);
        if (p->pad_begin[axis] || (r->g.output[axis] - 1) * p->stride[axis] >= p->input[axis])
            return clconv__refuse(refusal, "outputs must not lie in the padding");
    }
    return clconv__refuses_types(refusal, r);
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
    const double useful =
        clconv__filled(r->g.pixels, pixels) * clconv__filled(r->g.out_per_group, tile->value[1]);
    const unsigned units = r->device->info.compute_units ? r->device->info.compute_units : 1;
    const double copied =
        (double)p->batch * (double)p->in_channels * (double)clconv__round_up(r->g.pixels, pixels);
    const double rate = tile->value[0] == 1 ? 1e11 : r->g.in_per_group > LONGEST ? 1.4e11 : 1.5e11;
    return 1e-5 + clconv__seconds_at(r, rate * useful, 1e9) + copied * 4e-10 / units;
}

const clconv__algo clconv__row_pointwise = {
    .name = "pointwise",
    .kinds = CLCONV__FOR_CPU,
    .directions = CLCONV__ON_FORWARD,
    .ops = &clconv__kernel_ops,
    .refuses = refuses_pointwise,
    .seconds = seconds_pointwise,
    .macros = pointwise_macros,
    .tiles = pointwise_tiles,
    .launch = launch_pointwise,
};

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
        return clconv__refuse(refusal, "the stride along rows is %zu, but it takes 2",
                              p->stride[2]);
    if (p->kernel[0] != 1 || p->pad_begin[0] || r->g.input[0] != 1 || r->g.output[0] != 1)
        return clconv__refuse(refusal, "the problem is 3-D");
    if (p->kernel[2] > WIDEST)
        return clconv__refuse(refusal, "the kernel is %zu wide, but it takes up to %d",
                              p->kernel[2], WIDEST);
    for (int axis = 1; axis < CLCONV_SPATIAL_AXES; ++axis)
        if (p->dilation[axis] != 1 && p->kernel[axis] != 1)
            return clconv__refuse(refusal, "dilation is %zu on axis %c, but must be 1",
                                  p->dilation[axis], "dhw"[axis]);
    return clconv__refuses_types(refusal, r);
}

/* Sums, and the copy into local memory. */
static double seconds_lines_data(const clconv__request *r, const clconv__tile *tile) {
    const clconv_problem *p = r->problem;
    const unsigned *v = tile->value;
    const size_t rows = v[2] < r->g.output[1] ? v[2] : r->g.output[1];
    const double bands =
        (double)clconv__divide_up(r->g.output[1], rows) * (double)p->groups * (double)p->batch;
    const double floats = lines_data_floats(r, tile);
    const double useful = clconv__filled(clconv__divide_up(r->g.output[2], 2), 16 * (size_t)v[1]) *
                          clconv__filled(r->g.out_per_group, v[0]);
    const unsigned units = r->device->info.compute_units ? r->device->info.compute_units : 1;
    const double busy = bands < units ? bands : units;
    return 1e-5 + clconv__seconds_at(r, (v[0] > 1 ? 1e11 : 3e10) * useful, 1e9) * units / busy +
           bands * (1e-7 + floats * 0.1e-9) / units;
}

const clconv__algo clconv__row_lines_data = {
    .name = "lines_data",
    .kinds = CLCONV__FOR_CPU,
    .directions = CLCONV__ON_GATHERED,
    .ops = &clconv__kernel_ops,
    .refuses = refuses_lines_data,
    .seconds = seconds_lines_data,
    .macros = lines_data_macros,
    .tiles = lines_data_tiles,
    .launch = launch_lines_data,
};

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
        return clconv__refuse(refusal, "type %s is not f32", clconv__type_names[p->type]);
    if (p->kernel[0] != 1 || p->pad_begin[0] || r->g.input[0] != 1 || r->g.output[0] != 1)
        return clconv__refuse(refusal, "the problem is 3-D");
    if (p->stride[2] > 2 || (p->dilation[2] != 1 && p->kernel[2] > 1))
        return clconv__refuse(refusal,
                              "along rows the stride is %zu and the dilation %zu, but it takes up "
                              "to 2 and 1",
                              p->stride[2], p->dilation[2]);
    if (p->kernel[2] > WIDEST)
        return clconv__refuse(refusal, "the kernel is %zu wide, but it takes up to %d",
                              p->kernel[2], WIDEST);
    if (r->g.input_stride[4] != 1 || r->g.output_stride[4] != 1)
        return clconv__refuse(refusal, "neighbours in a row do not lie side by side");
    return 0;
}

/* Sums, with the lanes that rows do not fill, and those of lanes at the end. */
static double seconds_lines_weights(const clconv__request *r, const clconv__tile *tile) {
    const clconv_problem *p = r->problem;
    (void)tile;
    const double useful = clconv__filled(r->g.output[2], 16);
    const double weights =
        (double)p->out_channels * (double)r->g.in_per_group * (double)(p->kernel[1] * p->kernel[2]);
    const unsigned units = r->device->info.compute_units ? r->device->info.compute_units : 1;
    const double rate = r->g.in_per_group == 1 ? 3e10 : 5e9; /* gradients pass once for each */
    const double busy = p->out_channels < units ? (double)p->out_channels / units : 1;
    return 1e-5 + (clconv__seconds_at(r, rate * useful, 1e9) + weights * 6e-9 / units) / busy;
}

const clconv__algo clconv__row_lines_weights = {
    .name = "lines_weights",
    .kinds = CLCONV__FOR_CPU,
    .directions = CLCONV__ON_WEIGHTS,
    .ops = &clconv__weights_ops,
    .refuses = refuses_lines_weights,
    .seconds = seconds_lines_weights,
    .macros = lines_weights_macros,
    .tiles = lines_weights_tiles,
    .launch = launch_lines_weights,
};

/* ---- winograd ---- */

/* The last value, groups of TILES tiles that a work-item multiplies, is no macro; where it is 0,
 * the work-item transforms an area of some TILES tiles before. */
static const char *const winograd_macros[] = {"VECTORS", "TILES", "M", NULL};
static const clconv__tile winograd_4x4_tiles[] = {
    {{1, 28, 4, 0}}, {{1, 16, 4, 0}}, {{2, 14, 4, 0}}, {{2, 14, 4, 4}},
    {{2, 14, 4, 1}}, {{2, 8, 4, 2}},  {{2, 7, 4, 1}},  {{0}},
};
static const clconv__tile winograd_2x2_tiles[] = {
    {{1, 28, 2, 0}}, {{1, 16, 2, 0}}, {{2, 14, 2, 0}}, {{2, 14, 2, 4}},
    {{2, 14, 2, 1}}, {{2, 8, 2, 2}},  {{0}},
};

size_t clconv__winograd_line(const clconv__request *r, size_t out) {
    enum { LANES = 16 }; /* tiles of a vector */
    /* Vectors of tiles may begin anywhere. */
    size_t tiles = clconv__divide_up(r->g.output[2], out) + LANES - 1;
    size_t needed = tiles * out + clconv__round_up(r->problem->kernel[2] - 1, out);
    size_t padded = r->problem->pad_begin[2] + r->problem->input[2];
    return clconv__round_up(needed > padded ? needed : padded, LANES);
}

size_t clconv__winograd_rows(const clconv__request *r, size_t out) {
    enum { LANES = 16 };
    const size_t tiles = clconv__divide_up(r->g.output[2], out);
    return out == 4 && tiles <= LANES / 4 ? 4 : tiles <= LANES / 2 ? 2 : 1;
}

/* An area lies in local memory, and in the second-level cache of usual processors. */
static int launch_winograd(clconv__launch *l, const clconv__request *r, const clconv__tile *tile) {
    enum { SECOND_CACHE = 2 << 20, ALIGNMENT = 128 }; /* the latter of arguments in local memory */
    const size_t out = tile->value[2], side = out + r->problem->kernel[2] - 1;
    const size_t rows = clconv__winograd_rows(r, out);
    const double lines = (double)(rows * side * clconv__winograd_line(r, out)) * sizeof(float);
    const double local = (double)r->device->info.local_memory_size;
    const clconv__winograd_area area = clconv__winograd_area_of(r, tile);
    snprintf(l->options, sizeof l->options, " -DR=%zu -DROWS=%zu -DAT_ONCE=%d",
             r->problem->kernel[2], rows, area.rows > 0);
    l->step = area.rows ? clconv__round_up(area.rows * area.columns, tile->value[1])
                        : (size_t)tile->value[1] * tile->value[3];
    l->local_bytes = side * (1 + out) * l->step * 16 * tile->value[0] * sizeof(float);
    /* Of the stages one has lines, and one products. */
    const double most = area.rows && local > SECOND_CACHE ? SECOND_CACHE : local;
    const double transformed = area.floats * sizeof(float);
    return area.rows ? lines + transformed + (double)l->local_bytes + 3 * ALIGNMENT <= most
                     : lines <= most && (double)l->local_bytes <= most;
}

/* Kernels of 3x3, and where `largest` is 5, of 5x5. */
static int refuses_winograd(char refusal[CLCONV_REFUSAL_SIZE], const clconv__request *r,
                            size_t largest) {
    const clconv_problem *p = r->problem;
    const size_t side = p->kernel[2];
    if (p->kernel[0] != 1 || p->kernel[1] != side || (side != 3 && side != largest))
        return clconv__refuse(refusal, "the kernel is %zux%zux%zu, but it takes 3x3%s",
                              p->kernel[0], p->kernel[1], p->kernel[2],
                              largest == 5 ? " and 5x5" : "");
    for (int axis = 0; axis < CLCONV_SPATIAL_AXES; ++axis)
        if (p->stride[axis] != 1 || (p->dilation[axis] != 1 && p->kernel[axis] != 1))
            return clconv__refuse(refusal,
                                  "stride is %zu and dilation %zu on axis %c, but both must be 1",
                                  p->stride[axis], p->dilation[axis], "dhw"[axis]);
    if (r->g.output[0] != 1 || p->input[0] != 1)
        return clconv__refuse(refusal, "the problem is 3-D");
    return clconv__refuses_types(refusal, r);
}

int clconv__refuses_winograd_2x2(char refusal[CLCONV_REFUSAL_SIZE], const clconv__request *r) {
    return refuses_winograd(refusal, r, 5);
}

int clconv__refuses_winograd_4x4(char refusal[CLCONV_REFUSAL_SIZE], const clconv__request *r) {
    return refuses_winograd(refusal, r, 3);
}

/* Of a tile of a channel. */
static double winograd_transform_seconds(size_t out, size_t side) {
    return side == 4 ? 7e-9 : out == 4 ? 14e-9 : 9e-9;
}

/*
 * Multiplications and transforms of a work-item, whose rates come from runs on an AVX-512
 * processor. Where the weights that areas share do not fit into half of a second-level cache beside
 * them, multiplications may wait for those that the work-item reads.
 */
static double seconds_at_once(const clconv__request *r, const clconv__tile *tile,
                              const clconv__winograd_area *area) {
    enum { CACHED = 1 << 20 };
    const size_t out = tile->value[2], side = out + r->problem->kernel[2] - 1;
    const size_t block = 16 * (size_t)tile->value[0];
    const size_t blocks = clconv__divide_up(r->g.out_per_group, block);
    const double places = (double)(side * side), in = (double)r->g.in_per_group;
    const double channels = (double)(clconv__divide_up(blocks, area->parts) * block);
    const double tiles = (double)(area->rows * area->columns);
    const double filled = (double)clconv__round_up(area->rows * area->columns, tile->value[1]);
    const double rate = r->device->info.kind == CLCONV_KIND_GPU ? 1e9
                        : tile->value[1] == 28                  ? 1.8e11
                        : tile->value[1] == 16                  ? 1.65e11
                                                                : 1.5e11;
    const double weights = places * in * channels * sizeof(float);
    const double transforms =
        0.75 * tiles * (in + channels) * winograd_transform_seconds(out, side);
    const double products = 2 * places * filled * in * channels / rate;
    const int is_cached = weights * (double)area->parts <= CACHED;
    const double item = transforms + (is_cached ? products : fmax(products, weights * 9e-11));
    const unsigned units = r->device->info.compute_units ? r->device->info.compute_units : 1;
    return 2e-5 + item * ceil((double)(area->areas * area->parts) / units);
}

/* Multiplications, transforms by the tile, and the weights, which each piece reads anew. */
static double seconds_winograd(const clconv__request *r, const clconv__tile *tile) {
    const clconv_problem *p = r->problem;
    const size_t out = tile->value[2], side = out + p->kernel[2] - 1, places = side * side;
    const clconv__winograd_area area = clconv__winograd_area_of(r, tile);
    if (area.rows)
        return seconds_at_once(r, tile, &area);
    const size_t count =
        p->batch * clconv__divide_up(r->g.output[1], out) * clconv__divide_up(r->g.output[2], out);
    const double tiles = (double)count;
    const double rate = (r->device->info.kind == CLCONV_KIND_GPU ? 1e9 : 1.3e11) *
                        clconv__filled(count, tile->value[1]) *
                        clconv__filled(r->g.out_per_group, 32) * (tile->value[1] < 14 ? 0.8 : 1) *
                        (tile->value[3] < 2 ? 0.8 : 1);
    const double products =
        2.0 * (double)places * tiles * (double)r->g.in_per_group * (double)p->out_channels;
    const double transforms =
        tiles * (double)(p->in_channels + p->out_channels) * winograd_transform_seconds(out, side);
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

const clconv__algo clconv__row_winograd_2x2 = {
    .name = "winograd_2x2",
    .kinds = CLCONV__FOR_CPU,
    .directions = CLCONV__ON_FORWARD,
    .ops = &clconv__winograd_ops,
    .refuses = clconv__refuses_winograd_2x2,
    .bound = clconv__winograd_2x2_bound,
    .seconds = seconds_winograd,
    .macros = winograd_macros,
    .tiles = winograd_2x2_tiles,
    .launch = launch_winograd,
};

const clconv__algo clconv__row_winograd_4x4 = {
    .name = "winograd_4x4",
    .kinds = CLCONV__FOR_CPU,
    .directions = CLCONV__ON_FORWARD,
    .ops = &clconv__winograd_ops,
    .refuses = clconv__refuses_winograd_4x4,
    .bound = clconv__winograd_4x4_bound,
    .seconds = seconds_winograd,
    .macros = winograd_macros,
    .tiles = winograd_4x4_tiles,
    .launch = launch_winograd,
};
