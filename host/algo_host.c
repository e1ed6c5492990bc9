/*
 * The host CPU: implicit GEMM. For a strip of neighbouring pixels, blocks of taps are gathered into
 * columns [tap][pixel] and multiplied with packed weights [channel block][tap][channel] by the
 * register tiles of host_kernel.c. Strips are spread over the processors. Forward groups of one or
 * two output channels would leave such a tile empty: their input rows are gathered once, padded,
 * and every output row is summed over its taps. Every direction, type, layout, stride and epilogue
 * goes the same way: walk.h says what meets what, gathering converts to the accumulator type,
 * storing converts back. In the gradient of the weights these are the pixels, and the gradient of
 * the output is packed in their stead.
 */
#include "arithmetic.h"
#include "element.h"
#include "host_kernel.h"
#include "parallel.h"
#include "plan.h"
#include "walk.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Taps gathered at a time: their columns stay in the second-level cache. */
enum { TAP_BLOCK = 256, ALIGNMENT = 64 };

/* Elements of one row of memory, `step` apart, to accumulators and back. */
typedef void gather_row(void *to, const void *from, size_t first, ptrdiff_t step, size_t count,
                        int32_t zero);
typedef void scatter_row(void *to, size_t first, ptrdiff_t step, const void *from, size_t count);

#define DEFINE_GATHER(function, memory, accumulator, convert)                                      \
    static void function(void *to, const void *from, size_t first, ptrdiff_t step, size_t count,   \
                         int32_t zero) {                                                           \
        accumulator *t = to;                                                                       \
        const memory *f = (const memory *)from + first;                                            \
        (void)zero;                                                                                \
        if (step == 1)                                                                             \
            for (size_t i = 0; i < count; ++i)                                                     \
                t[i] = convert(f[i]);                                                              \
        else                                                                                       \
            for (size_t i = 0; i < count; ++i)                                                     \
                t[i] = convert(f[(ptrdiff_t)i * step]);                                            \
    }
#define SAME(value)     (value)
#define SUBTRACT(value) ((value)-zero)
DEFINE_GATHER(gather_f32, float, float, SAME)
DEFINE_GATHER(gather_f64, double, double, SAME)
DEFINE_GATHER(gather_f16, uint16_t, float, clconv__f16_to_f32)
DEFINE_GATHER(gather_bf16, uint16_t, float, clconv__bf16_to_f32)
DEFINE_GATHER(gather_s8, int8_t, int32_t, SUBTRACT)
DEFINE_GATHER(gather_u8, uint8_t, int32_t, SUBTRACT)
DEFINE_GATHER(gather_s32, int32_t, int32_t, SAME)

#define DEFINE_SCATTER(function, memory, accumulator, convert)                                     \
    static void function(void *to, size_t first, ptrdiff_t step, const void *from, size_t count) { \
        memory *t = (memory *)to + first;                                                          \
        const accumulator *f = from;                                                               \
        if (step == 1)                                                                             \
            for (size_t i = 0; i < count; ++i)                                                     \
                t[i] = convert(f[i]);                                                              \
        else                                                                                       \
            for (size_t i = 0; i < count; ++i)                                                     \
                t[(ptrdiff_t)i * step] = convert(f[i]);                                            \
    }
DEFINE_SCATTER(scatter_f32, float, float, SAME)
DEFINE_SCATTER(scatter_f64, double, double, SAME)
DEFINE_SCATTER(scatter_f16, uint16_t, float, clconv__f64_to_f16)
DEFINE_SCATTER(scatter_bf16, uint16_t, float, clconv__f64_to_bf16)
DEFINE_SCATTER(scatter_s32, int32_t, int32_t, SAME)

/* Functions of one type of problem. */
typedef struct type_row {
    int accumulator; /* index of the register tile */
    gather_row *input, *weights, *output;
    scatter_row *store;
} type_row;

static const type_row type_rows[] = {
    [CLCONV_F32] = {CLCONV__ACC_F32, gather_f32, gather_f32, gather_f32, scatter_f32},
    [CLCONV_F64] = {CLCONV__ACC_F64, gather_f64, gather_f64, gather_f64, scatter_f64},
    [CLCONV_F16] = {CLCONV__ACC_F32, gather_f16, gather_f16, gather_f16, scatter_f16},
    [CLCONV_BF16] = {CLCONV__ACC_F32, gather_bf16, gather_bf16, gather_bf16, scatter_bf16},
    [CLCONV_S8] = {CLCONV__ACC_S32, gather_s8, gather_s8, gather_s32, scatter_s32},
    [CLCONV_U8] = {CLCONV__ACC_S32, gather_u8, gather_s8, gather_s32, scatter_s32},
};

/* ---- epilogue: on one row of accumulators ---- */

typedef struct epilogue {
    clconv_activation activation;
    clconv__scalars s;
    const void *bias;     /* one accumulator, or NULL */
    const void *residual; /* a row, or NULL */
    const void *old;      /* a row, or NULL */
} epilogue;

#define DEFINE_EPILOGUE(function, type, suffix)                                                    \
    static type function##_activate(type v, clconv_activation activation, type a, type b) {        \
        switch (activation) {                                                                      \
        case CLCONV_RELU:                                                                          \
            return v > 0 ? v : 0;                                                                  \
        case CLCONV_CLAMP:                                                                         \
            return v < a ? a : v > b ? b : v;                                                      \
        case CLCONV_LEAKY_RELU:                                                                    \
            return v < 0 ? a * v : v;                                                              \
        case CLCONV_SIGMOID:                                                                       \
            return 1 / (1 + exp##suffix(-v));                                                      \
        case CLCONV_TANH:                                                                          \
            return tanh##suffix(v);                                                                \
        case CLCONV_SILU:                                                                          \
            return v / (1 + exp##suffix(-v));                                                      \
        case CLCONV_GELU:                                                                          \
            return (type)0.5 * v * (1 + erf##suffix(v * (type)0.70710678118654752440));            \
        case CLCONV_HARD_SWISH:                                                                    \
            return v * fmin##suffix(fmax##suffix(v + 3, 0), 6) / 6;                                \
        case CLCONV_ACTIVATION_NONE:                                                               \
            break;                                                                                 \
        }                                                                                          \
        return v;                                                                                  \
    }                                                                                              \
    static void function(type *v, size_t count, const epilogue *e) {                               \
        const type *residual = e->residual, *old = e->old;                                         \
        type alpha = (type)e->s.alpha, beta = (type)e->s.beta;                                     \
        type bias = e->bias ? *(const type *)e->bias : 0;                                          \
        for (size_t i = 0; i < count; ++i) {                                                       \
            type sum = alpha * v[i] + bias;                                                        \
            if (residual)                                                                          \
                sum += residual[i];                                                                \
            if (old)                                                                               \
                sum += beta * old[i];                                                              \
            v[i] = sum;                                                                            \
        }                                                                                          \
        if (e->activation != CLCONV_ACTIVATION_NONE)                                               \
            for (size_t i = 0; i < count; ++i)                                                     \
                v[i] = function##_activate(v[i], e->activation, (type)e->s.a, (type)e->s.b);       \
    }
DEFINE_EPILOGUE(epilogue_f32, float, f)
DEFINE_EPILOGUE(epilogue_f64, double, )

/* The integer types have a bias alone. */
static void epilogue_s32(int32_t *v, size_t count, const epilogue *e) {
    if (e->bias)
        for (size_t i = 0; i < count; ++i)
            v[i] = (int32_t)((uint32_t)v[i] + *(const uint32_t *)e->bias);
}

static void apply_epilogue(int accumulator, void *row, size_t count, const epilogue *e) {
    if (accumulator == CLCONV__ACC_F32)
        epilogue_f32(row, count, e);
    else if (accumulator == CLCONV__ACC_F64)
        epilogue_f64(row, count, e);
    else
        epilogue_s32(row, count, e);
}

/* ---- the shape of the work ---- */

/* What a phase of a line takes from an input row. */
typedef struct line_part {
    size_t before; /* zeros of the padding */
    size_t w, count;
} line_part;

typedef struct host_job {
    const clconv_problem *p;
    const clconv__geometry *g;
    clconv__walk w;
    size_t taps, pixels; /* products of a result, and results of a picture and channel */
    const type_row *type;
    const clconv__register_tile *tile;
    size_t rows;           /* channels of a register tile */
    size_t channel_blocks; /* register tiles per group */
    size_t strip;          /* pixels of a strip, a multiple of tile->width */
    size_t strips;         /* per picture and group */
    size_t parts;          /* a strip's channel blocks are split into so many pieces of work */
    const void *weights;   /* as the caller has them */
    char *packed;          /* [group][channel block][tap][row] */
    const void *source;    /* tensors */
    const void *bias, *residual; /* NULL where nothing is added */
    void *result;
    size_t band;           /* output rows of a piece of work that sums rows; 0 for GEMM */
    size_t chunk;          /* and its groups, */
    line_part *line_parts; /* for each column phase, */
    size_t *taps_at;       /* and for each tap its first element in the lines of a band */
    int *failed;           /* set to 1 by a worker that got no memory */
} host_job;

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

static void *aligned(size_t bytes) {
    return aligned_alloc(ALIGNMENT, clconv__divide_up(bytes ? bytes : 1, ALIGNMENT) * ALIGNMENT);
}

/*
 * ---- the padded lines of a band: [plane][row phase][column phase][row][column] ----
 * The phases are as many as the strides, so that neighbours of a phase are a stride apart in the
 * input, and the outputs of a band read one tap's inputs one behind the other: at `pitch` per row.
 */

static size_t line_pitch(const host_job *job) {
    const clconv_problem *p = job->p;
    return job->g->output[2] + (p->kernel[2] - 1) * p->dilation[2] / p->stride[2];
}

/* Rows of a phase. */
static size_t phase_rows(const host_job *job, size_t band) {
    const clconv_problem *p = job->p;
    return band + (p->kernel[1] - 1) * p->dilation[1] / p->stride[1];
}

/* Planes of a group that an output row sees: one for each channel and tap of depth. */
static size_t band_planes(const host_job *job) {
    return job->g->in_per_group * job->p->kernel[0];
}

/* Behind the last row, taps read a part of a line on, and sums of whole vectors. */
static size_t band_elements(const host_job *job, size_t band) {
    return band_planes(job) * job->p->stride[1] * job->p->stride[2] * phase_rows(job, band) *
               line_pitch(job) +
           line_pitch(job) + job->tile->width;
}

/* The largest band whose lines stay in the second-level cache; 0 where GEMM is better. */
static size_t band_of(const host_job *job) {
    enum { CACHE_ELEMENTS = 32 * 1024, MOST_ROWS = 32 };
    const clconv_problem *p = job->p;
    /* Strides may be any number, and their product wrap around. */
    const size_t lines = CACHE_ELEMENTS / line_pitch(job) / band_planes(job);
    if (p->direction != CLCONV_FORWARD || 4 * job->g->out_per_group > job->rows ||
        p->stride[2] > lines || p->stride[1] > lines / p->stride[2] ||
        phase_rows(job, 1) > CACHE_ELEMENTS)
        return 0;
    size_t band = smaller(MOST_ROWS, job->g->output[1]);
    while (band && band_elements(job, band) > CACHE_ELEMENTS)
        band /= 2;
    return band;
}

static void describe(host_job *job, const clconv_plan *plan, size_t phase) {
    enum { TILES_PER_STRIP = 4 };
    const clconv__host_kernel_set *kernels = clconv__host_kernels();
    memset(job, 0, sizeof *job);
    job->p = &plan->problem;
    job->g = &plan->request.g;
    clconv__walk_of(&job->w, job->p, job->g, phase);
    job->taps = clconv__walk_products(&job->w);
    job->pixels = clconv__walk_places(&job->w);
    job->type = &type_rows[job->p->type];
    job->tile = &kernels->tiles[job->type->accumulator];
    job->rows = kernels->rows;
    job->channel_blocks = clconv__divide_up(job->w.rows, job->rows);
    job->strip = TILES_PER_STRIP * job->tile->width;
    if (job->pixels < job->strip)
        job->strip = clconv__divide_up(job->pixels, job->tile->width) * job->tile->width;
    job->strips = clconv__divide_up(job->pixels, job->strip);
    size_t pieces = job->strips * job->w.groups * job->w.pictures;
    size_t wanted = 2 * (size_t)clconv__processors(); /* each part gathers the strip anew */
    job->parts = smaller(clconv__divide_up(wanted, pieces), job->channel_blocks);
    job->band = band_of(job);
    if (job->band)
        job->rows = 1; /* weights [channel][tap] */
    job->channel_blocks = clconv__divide_up(job->w.rows, job->rows);
}

static size_t packed_bytes(const host_job *job) {
    return job->w.groups * job->channel_blocks * job->taps * job->rows * job->tile->element;
}

/* ---- packing the weights ---- */

/* Offset of tap `k` among the weights of one output channel. */
static ptrdiff_t weight_offset(const host_job *job, size_t k) {
    const clconv__walk *w = &job->w;
    ptrdiff_t offset = w->w_first;
    for (int axis = CLCONV_SPATIAL_AXES - 1; axis >= 0; --axis) {
        offset += (ptrdiff_t)(k % w->taps[axis]) * w->w[axis];
        k /= w->taps[axis];
    }
    return offset + (ptrdiff_t)k * w->w_channel;
}

/* Channels behind the last get zeros, so that register tiles need no tails. */
static void pack_block(void *context, size_t block) {
    host_job *job = context;
    size_t element = job->tile->element, rows = job->rows;
    size_t group = block / job->channel_blocks;
    size_t first = block % job->channel_blocks * rows;
    size_t count = smaller(rows, job->w.rows - first);
    char *to = job->packed + block * job->taps * rows * element;
    for (size_t k = 0; k < job->taps; ++k, to += rows * element) {
        ptrdiff_t from = (ptrdiff_t)group * job->w.w_group + (ptrdiff_t)first * job->w.w_row +
                         weight_offset(job, k);
        memset(to, 0, rows * element);
        job->type->weights(to, job->weights, (size_t)from, job->w.w_row, count,
                           job->p->weights_zero_point);
    }
}

static void pack_weights(host_job *job, const void *weights) {
    job->weights = weights;
    clconv__parallel_for(job->w.groups * job->channel_blocks, pack_block, job);
}

/* All phases' weights, one behind the other. */
static clconv_status pack_phases(char **packed, const clconv_plan *plan, const void *weights) {
    const size_t phases = clconv__walk_count(&plan->problem, &plan->request.g);
    host_job job;
    size_t bytes = 0;
    for (size_t phase = 0; phase < phases; ++phase) {
        describe(&job, plan, phase);
        bytes += packed_bytes(&job);
    }
    char *to = *packed = aligned(bytes);
    if (!to)
        return clconv__fail(CLCONV_OUT_OF_MEMORY, "packed weights need %zu bytes", bytes);
    for (size_t phase = 0; phase < phases; ++phase) {
        describe(&job, plan, phase);
        job.packed = to;
        pack_weights(&job, weights);
        to += packed_bytes(&job);
    }
    return CLCONV_OK;
}

/* ---- gathering columns ---- */

/* A part of an output row inside a strip: neighbouring pixels of the same d and h. */
typedef struct run {
    size_t at;    /* pixel within the strip */
    size_t count; /* pixels */
    size_t outer, d, h, w;
} run;

static size_t find_runs(run *runs, const host_job *job, size_t first, size_t pixels) {
    const size_t *out = job->w.count;
    size_t count = 0;
    for (size_t at = 0; at < pixels; at += runs[count++].count) {
        size_t pixel = first + at, row = pixel / out[2];
        runs[count].at = at;
        runs[count].w = pixel % out[2];
        runs[count].h = row % out[1];
        runs[count].d = row / out[1] % out[0];
        runs[count].outer = row / out[1] / out[0];
        runs[count].count = smaller(out[2] - runs[count].w, pixels - at);
    }
    return count;
}

/* Source coordinate of a result and tap; negative or behind the end in the padding. */
static ptrdiff_t source_at(const clconv__walk *w, int axis, size_t out, size_t tap) {
    return w->first[axis] + (ptrdiff_t)(out * w->out_step[axis]) +
           (ptrdiff_t)tap * w->tap_step[axis];
}

/* One tap of one run: zeros in the padding, else input elements a stride apart. */
static void gather_run(const host_job *job, char *to, size_t channel_offset, const size_t tap[],
                       const run *r) {
    const clconv__walk *walk = &job->w;
    const size_t *x = walk->x, *extent = walk->extent;
    size_t element = job->tile->element, stride = walk->out_step[2];
    ptrdiff_t d = source_at(walk, 0, r->d, tap[0]), h = source_at(walk, 1, r->h, tap[1]);
    ptrdiff_t w = source_at(walk, 2, r->w, tap[2]);
    size_t before = w < 0 ? smaller(clconv__divide_up((size_t)-w, stride), r->count) : 0;
    ptrdiff_t room = (ptrdiff_t)extent[2] - w;
    size_t end = room > 0 ? smaller(clconv__divide_up((size_t)room, stride), r->count) : 0;
    if (d < 0 || h < 0 || (size_t)d >= extent[0] || (size_t)h >= extent[1] || end <= before) {
        memset(to, 0, r->count * element);
        return;
    }
    size_t first = channel_offset + r->outer * walk->x_outer + (size_t)d * x[0] + (size_t)h * x[1] +
                   (size_t)(w + (ptrdiff_t)(before * stride)) * x[2];
    memset(to, 0, before * element);
    job->type->input(to + before * element, job->source, first, (ptrdiff_t)(stride * x[2]),
                     end - before, job->p->input_zero_point);
    memset(to + end * element, 0, (r->count - end) * element);
}

/* Columns of taps [from, from+taps): tiles [tile][tap][width], one behind the other. */
static void gather_columns(const host_job *job, char *columns, char *line, size_t group_offset,
                           size_t from, size_t taps, const run *runs, size_t run_count) {
    size_t element = job->tile->element, width = job->tile->width * element;
    size_t tiles = job->strip / job->tile->width;
    for (size_t k = 0; k < taps; ++k) {
        size_t rest = from + k, tap[CLCONV_SPATIAL_AXES];
        for (int axis = CLCONV_SPATIAL_AXES - 1; axis >= 0; --axis) {
            tap[axis] = rest % job->w.taps[axis];
            rest /= job->w.taps[axis];
        }
        for (size_t i = 0; i < run_count; ++i)
            gather_run(job, line + runs[i].at * element, group_offset + rest * job->w.x_channel,
                       tap, &runs[i]);
        for (size_t t = 0; t < tiles; ++t)
            memcpy(columns + (t * taps + k) * width, line + t * width, width);
    }
}

/* ---- storing a strip ---- */

static void store_run(const host_job *job, char *sums, char *scratch, ptrdiff_t row_offset,
                      size_t channel, const run *r) {
    const clconv_problem *p = job->p;
    const clconv__walk *w = &job->w;
    size_t first =
        (size_t)(row_offset + (ptrdiff_t)r->outer * w->y_outer + (ptrdiff_t)r->d * w->y[0] +
                 (ptrdiff_t)r->h * w->y[1] + (ptrdiff_t)r->w * w->y[2]);
    char *bias = scratch, *residual = scratch + ALIGNMENT;
    char *old = residual + job->strip * job->tile->element;
    epilogue e = {p->activation, clconv__scalars_of(p), NULL, NULL, NULL};
    if (job->bias) {
        job->type->output(bias, job->bias, channel, 1, 1, 0);
        e.bias = bias;
    }
    if (job->residual) {
        job->type->output(residual, job->residual, first, w->y[2], r->count, 0);
        e.residual = residual;
    }
    if (e.s.beta != 0) {
        job->type->output(old, job->result, first, w->y[2], r->count, 0);
        e.old = old;
    }
    apply_epilogue(job->type->accumulator, sums, r->count, &e);
    job->type->store(job->result, first, w->y[2], sums, r->count);
}

/* Sums lie in register tiles [channel block][tile][row][width]; a channel's line is put together.
 */
static void store_channel(const host_job *job, const char *sums, char *scratch, size_t row,
                          ptrdiff_t row_offset, size_t channel, const run *runs, size_t run_count) {
    size_t width = job->tile->width * job->tile->element;
    size_t tiles = job->strip / job->tile->width;
    char *line = scratch + ALIGNMENT + 2 * job->strip * job->tile->element;
    for (size_t t = 0; t < tiles; ++t)
        memcpy(line + t * width, sums + (t * job->rows + row) * width, width);
    for (size_t i = 0; i < run_count; ++i)
        store_run(job, line + runs[i].at * job->tile->element, scratch, row_offset, channel,
                  &runs[i]);
}

/* ---- a piece of work: some channel blocks of one strip ---- */

typedef struct piece {
    size_t picture, group, first_pixel, first_block, blocks;
} piece;

static piece find_piece(const host_job *job, size_t index) {
    piece w;
    size_t part = index % job->parts, per_part = clconv__divide_up(job->channel_blocks, job->parts);
    index /= job->parts;
    w.first_block = smaller(part * per_part, job->channel_blocks);
    w.blocks = smaller(per_part, job->channel_blocks - w.first_block);
    w.first_pixel = index % job->strips * job->strip;
    index /= job->strips;
    w.group = index % job->w.groups;
    w.picture = index / job->w.groups;
    return w;
}

static void multiply_piece(const host_job *job, const piece *w, char *sums, char *columns,
                           char *line, const run *runs, size_t run_count) {
    size_t element = job->tile->element, width = job->tile->width * element;
    size_t tiles = job->strip / job->tile->width, sum_tile = job->rows * width;
    size_t group_offset = w->picture * job->w.x_picture + w->group * job->w.x_group;
    memset(sums, 0, w->blocks * tiles * sum_tile);
    for (size_t from = 0; from < job->taps; from += TAP_BLOCK) {
        size_t taps = smaller(TAP_BLOCK, job->taps - from);
        gather_columns(job, columns, line, group_offset, from, taps, runs, run_count);
        for (size_t b = 0; b < w->blocks; ++b) {
            size_t block = w->group * job->channel_blocks + w->first_block + b;
            const char *weights = job->packed + (block * job->taps + from) * job->rows * element;
            for (size_t t = 0; t < tiles; ++t)
                job->tile->multiply(taps, weights, columns + t * taps * width,
                                    sums + (b * tiles + t) * sum_tile);
        }
    }
}

static void store_piece(const host_job *job, const piece *w, const char *sums, char *scratch,
                        const run *runs, size_t run_count) {
    const clconv__walk *walk = &job->w;
    size_t block_bytes = job->strip * job->rows * job->tile->element;
    ptrdiff_t group_offset = walk->y_first + (ptrdiff_t)w->picture * walk->y_picture +
                             (ptrdiff_t)w->group * walk->y_group;
    for (size_t b = 0; b < w->blocks; ++b)
        for (size_t row = 0; row < job->rows; ++row) {
            size_t channel = (w->first_block + b) * job->rows + row;
            if (channel < walk->rows)
                store_channel(job, sums + b * block_bytes, scratch, row,
                              group_offset + (ptrdiff_t)channel * walk->y_row,
                              w->group * walk->rows + channel, runs, run_count);
        }
}

static void do_piece(void *context, size_t index) {
    const host_job *whole = context;
    host_job own = *whole, *job = &own;
    piece w = find_piece(job, index);
    size_t pixels = smaller(job->strip, job->pixels - w.first_pixel);
    job->strip = clconv__round_up(pixels, job->tile->width); /* the last one may be shorter */
    size_t line_bytes = job->strip * job->tile->element;
    char *sums = aligned(w.blocks * job->rows * line_bytes);
    char *columns = aligned(TAP_BLOCK * line_bytes);
    char *scratch = aligned(ALIGNMENT + 3 * line_bytes);
    run *runs = malloc((pixels + 1) * sizeof *runs);
    if (sums && columns && scratch && runs) {
        char *line = scratch + ALIGNMENT + 2 * line_bytes;
        size_t run_count = find_runs(runs, job, w.first_pixel, pixels);
        memset(line, 0, line_bytes); /* pixels behind the last are summed, but never stored */
        multiply_piece(job, &w, sums, columns, line, runs, run_count);
        store_piece(job, &w, sums, scratch, runs, run_count);
    } else {
        __atomic_store_n(job->failed, 1, __ATOMIC_RELAXED);
    }
    free(runs);
    free(scratch);
    free(columns);
    free(sums);
}

/* ---- a piece of work: a band of output rows of some groups ---- */

typedef struct rows_piece {
    size_t picture, d, first_row, rows, first_group, groups;
    char *lines, *sums, *scratch;
} rows_piece;

/* Columns of phase k that are not padding. */
static void find_line_parts(const host_job *job) {
    const clconv_problem *p = job->p;
    const size_t stride = p->stride[2], pitch = line_pitch(job);
    for (size_t k = 0; k < stride; ++k) {
        line_part *part = &job->line_parts[k];
        part->before = p->pad_begin[2] > k ? clconv__divide_up(p->pad_begin[2] - k, stride) : 0;
        part->w = part->before * stride + k - p->pad_begin[2];
        part->count = 0;
        if (part->before < pitch && part->w < p->input[2])
            part->count =
                smaller(clconv__divide_up(p->input[2] - part->w, stride), pitch - part->before);
    }
}

/* Where the taps of a band's first output begin to read, in the order of the packed weights. */
static void find_taps(const host_job *job) {
    const clconv_problem *p = job->p;
    const size_t pitch = line_pitch(job), rows = phase_rows(job, job->band);
    const size_t *stride = p->stride;
    size_t *tap = job->taps_at;
    for (size_t plane = 0; plane < band_planes(job); ++plane)
        for (size_t i = 0; i < p->kernel[1]; ++i)
            for (size_t k = 0; k < p->kernel[2]; ++k) {
                const size_t h = i * p->dilation[1], w = k * p->dilation[2];
                const size_t phase =
                    (plane * stride[1] + h % stride[1]) * stride[2] + w % stride[2];
                *tap++ = (phase * rows + h / stride[1]) * pitch + w / stride[2];
            }
}

/* One input row into its row of each column phase. */
static void gather_line(const host_job *job, char *to, size_t row_at) {
    const clconv_problem *p = job->p;
    const size_t stride = p->stride[2], element = job->tile->element;
    const size_t phase = phase_rows(job, job->band) * line_pitch(job) * element;
    const size_t step = job->g->input_stride[4];
    for (size_t k = 0; k < stride; ++k, to += phase) {
        const line_part *part = &job->line_parts[k];
        if (part->count)
            job->type->input(to + part->before * element, job->source, row_at + part->w * step,
                             (ptrdiff_t)(stride * step), part->count, p->input_zero_point);
    }
}

static void gather_plane(const host_job *job, const rows_piece *w, char *to, size_t plane_at) {
    const clconv_problem *p = job->p;
    const size_t stride = p->stride[1], rows = phase_rows(job, job->band);
    const size_t line = line_pitch(job) * job->tile->element;
    const ptrdiff_t first = source_at(&job->w, 1, w->first_row, 0);
    for (size_t phase = 0; phase < stride; ++phase)
        for (size_t row = 0; row < rows; ++row) {
            const ptrdiff_t h = first + (ptrdiff_t)(row * stride + phase);
            if (h >= 0 && (size_t)h < p->input[1])
                gather_line(job, to + (phase * p->stride[2] * rows + row) * line,
                            plane_at + (size_t)h * job->g->input_stride[3]);
        }
}

/* The padding is zero already: it is at the same place in every group of a piece. */
static void gather_band(const host_job *job, const rows_piece *w, size_t group) {
    const clconv_problem *p = job->p;
    const size_t *x = job->g->input_stride;
    const size_t plane_bytes = p->stride[1] * p->stride[2] * phase_rows(job, job->band) *
                               line_pitch(job) * job->tile->element;
    for (size_t plane = 0; plane < band_planes(job); ++plane) {
        const size_t c = group * job->g->in_per_group + plane / p->kernel[0];
        const ptrdiff_t d = source_at(&job->w, 0, w->d, plane % p->kernel[0]);
        if (d >= 0 && (size_t)d < p->input[0])
            gather_plane(job, w, w->lines + plane * plane_bytes,
                         w->picture * x[0] + c * x[1] + (size_t)d * x[2]);
    }
}

/* The sums of a band lie `pitch` per row; what is between the rows is no output. */
static void store_rows(const host_job *job, const rows_piece *w, size_t channel) {
    const size_t *y = job->g->output_stride, width = job->g->output[2];
    const size_t pitch = line_pitch(job), line = pitch * job->tile->element;
    const size_t at = w->picture * y[0] + channel * y[1] + w->d * y[2] + w->first_row * y[3];
    epilogue e = {job->p->activation, clconv__scalars_of(job->p), NULL, NULL, NULL};
    if (job->residual || e.s.beta != 0) {
        for (size_t row = 0; row < w->rows; ++row) {
            const run r = {0, width, 0, w->d, w->first_row + row, 0};
            store_run(job, w->sums + row * line, w->scratch,
                      (ptrdiff_t)(w->picture * y[0] + channel * y[1]), channel, &r);
        }
        return;
    }
    if (job->bias) {
        job->type->output(w->scratch, job->bias, channel, 1, 1, 0);
        e.bias = w->scratch;
    }
    apply_epilogue(job->type->accumulator, w->sums, (w->rows - 1) * pitch + width, &e);
    for (size_t row = 0; row < w->rows; ++row)
        job->type->store(job->result, at + row * y[3], (ptrdiff_t)y[4], w->sums + row * line,
                         width);
}

static void sum_group(const host_job *job, const rows_piece *w, size_t group) {
    const clconv__geometry *g = job->g;
    const size_t sums = clconv__round_up(w->rows * line_pitch(job), job->tile->width);
    gather_band(job, w, group);
    for (size_t o = 0; o < g->out_per_group; ++o) {
        const size_t channel = group * g->out_per_group + o;
        job->tile->sum_taps(g->taps, job->packed + channel * g->taps * job->tile->element, w->lines,
                            job->taps_at, w->sums, sums);
        store_rows(job, w, channel);
    }
}

static size_t count_bands(const host_job *job) {
    return clconv__divide_up(job->g->output[1], job->band);
}

static void do_rows_piece(void *context, size_t index) {
    const host_job *whole = context;
    host_job own = *whole, *job = &own;
    const size_t element = job->tile->element, lines = band_elements(job, job->band) * element;
    const size_t chunks = clconv__divide_up(job->p->groups, job->chunk);
    rows_piece w = {.first_group = index % chunks * job->chunk};
    index /= chunks;
    w.groups = smaller(job->chunk, job->p->groups - w.first_group);
    w.first_row = index % count_bands(job) * job->band;
    index /= count_bands(job);
    w.rows = smaller(job->band, job->g->output[1] - w.first_row);
    w.d = index % job->g->output[0];
    w.picture = index / job->g->output[0];
    job->strip = job->g->output[2];
    w.lines = aligned(lines);
    w.sums = aligned(clconv__round_up(job->band * line_pitch(job), job->tile->width) * element);
    w.scratch = aligned(ALIGNMENT + 2 * job->strip * element);
    if (w.lines && w.sums && w.scratch) {
        memset(w.lines, 0, lines);
        for (size_t i = 0; i < w.groups; ++i)
            sum_group(job, &w, w.first_group + i);
    } else {
        __atomic_store_n(job->failed, 1, __ATOMIC_RELAXED);
    }
    free(w.scratch);
    free(w.sums);
    free(w.lines);
}

/* ---- the gradient of the bias ---- */

/* Sums of a channel's rows of gradients, LANES at a time and in one order always. */
#define DEFINE_ROW_SUM(function, type)                                                             \
    static void function(void *sums, const void *row, size_t count) {                              \
        type *s = sums;                                                                            \
        const type *r = row;                                                                       \
        size_t i = 0;                                                                              \
        for (; i + LANES <= count; i += LANES)                                                     \
            for (size_t lane = 0; lane < LANES; ++lane)                                            \
                s[lane] += r[i + lane];                                                            \
        for (; i < count; ++i)                                                                     \
            s[0] += r[i];                                                                          \
    }                                                                                              \
    static void function##_fold(void *sums) {                                                      \
        type *s = sums;                                                                            \
        for (size_t lane = 1; lane < LANES; ++lane)                                                \
            s[0] += s[lane];                                                                       \
    }
enum { LANES = 16 };
DEFINE_ROW_SUM(add_row_f32, float)
DEFINE_ROW_SUM(add_row_f64, double)

typedef struct bias_job {
    const clconv_plan *plan;
    const void *gradient;
    void *bias;
    int *failed;
} bias_job;

/* Sums of either type. */
typedef union lanes {
    float narrow[LANES];
    double wide[LANES];
} lanes;

static void sum_channel(const bias_job *job, size_t channel, lanes *sums, char *row) {
    const clconv_problem *p = &job->plan->problem;
    const clconv__geometry *g = &job->plan->request.g;
    const type_row *type = &type_rows[p->type];
    const int is_wide = type->accumulator == CLCONV__ACC_F64;
    for (size_t n = 0; n < p->batch; ++n)
        for (size_t d = 0; d < g->output[0]; ++d)
            for (size_t h = 0; h < g->output[1]; ++h) {
                type->output(row, job->gradient,
                             n * g->output_stride[0] + channel * g->output_stride[1] +
                                 d * g->output_stride[2] + h * g->output_stride[3],
                             (ptrdiff_t)g->output_stride[4], g->output[2], 0);
                (is_wide ? add_row_f64 : add_row_f32)(sums, row, g->output[2]);
            }
    (is_wide ? add_row_f64_fold : add_row_f32_fold)(sums);
}

static void do_bias(void *context, size_t channel) {
    const bias_job *job = context;
    const clconv_problem *p = &job->plan->problem;
    const type_row *type = &type_rows[p->type];
    lanes sums = {.wide = {0}}, old;
    epilogue e = {CLCONV_ACTIVATION_NONE, clconv__scalars_of(p), NULL, NULL, NULL};
    char *row = aligned(job->plan->request.g.output[2] * sizeof(double));
    if (!row) {
        __atomic_store_n(job->failed, 1, __ATOMIC_RELAXED);
        return;
    }
    sum_channel(job, channel, &sums, row);
    if (e.s.beta != 0) {
        type->output(&old, job->bias, channel, 1, 1, 0);
        e.old = &old;
    }
    apply_epilogue(type->accumulator, &sums, 1, &e);
    type->store(job->bias, channel, 1, &sums, 1);
    free(row);
}

/* ---- the row ---- */

static clconv_status create(clconv_plan *plan) {
    (void)plan;
    return CLCONV_OK;
}

static void destroy(clconv_plan *plan) {
    (void)plan;
}

static clconv_status pack(clconv_plan *plan, const void *weights) {
    char *packed;
    clconv_status status = pack_phases(&packed, plan, weights);
    if (status)
        return status;
    free(plan->packed_host);
    plan->packed_host = packed;
    return CLCONV_OK;
}

static void compute_rows(host_job *job) {
    const clconv__geometry *g = job->g;
    const size_t bands = count_bands(job) * g->output[0] * job->p->batch;
    const size_t wanted = 4 * (size_t)clconv__processors();
    job->chunk = clconv__divide_up(job->p->groups, clconv__divide_up(wanted, bands));
    job->line_parts = malloc(job->p->stride[2] * sizeof *job->line_parts);
    job->taps_at = malloc(g->taps * sizeof *job->taps_at);
    if (job->line_parts && job->taps_at) {
        find_line_parts(job);
        find_taps(job);
        clconv__parallel_for(bands * clconv__divide_up(job->p->groups, job->chunk), do_rows_piece,
                             job);
    } else {
        *job->failed = 1;
    }
    free(job->taps_at);
    free(job->line_parts);
}

static void compute(host_job *job) {
    if (job->band)
        compute_rows(job);
    else
        clconv__parallel_for(job->parts * job->strips * job->w.groups * job->w.pictures, do_piece,
                             job);
}

/* What a direction reads besides the packed factor, and what it computes. */
static void choose_tensors(host_job *job, const clconv_host_tensors *t) {
    const int direction = (int)job->p->direction;
    const void *result = direction == CLCONV_BACKWARD_DATA      ? t->input
                         : direction == CLCONV_BACKWARD_WEIGHTS ? t->weights
                                                                : t->output;
    job->source = direction == CLCONV_BACKWARD_DATA ? t->output : t->input;
    job->bias = job->p->has_bias && direction != CLCONV_BACKWARD_WEIGHTS ? t->bias : NULL;
    job->residual = job->p->has_residual ? t->residual : NULL;
    job->result = (void *)(uintptr_t)result;
}

static void run_phases(const clconv_plan *plan, const clconv_host_tensors *tensors, char *packed,
                       int *failed) {
    const size_t phases = clconv__walk_count(&plan->problem, &plan->request.g);
    for (size_t phase = 0; phase < phases; ++phase) {
        host_job job;
        describe(&job, plan, phase);
        choose_tensors(&job, tensors);
        job.failed = failed;
        job.packed = packed;
        compute(&job);
        packed += packed_bytes(&job);
    }
}

static clconv_status run_job(clconv_plan *plan, const clconv_host_tensors *tensors) {
    const clconv_problem *p = &plan->problem;
    const int computes_weights = p->direction == CLCONV_BACKWARD_WEIGHTS;
    int failed = 0;
    char *packed = plan->packed_host;
    clconv_status status = CLCONV_OK;
    if (computes_weights && p->has_bias) {
        bias_job bias = {plan, tensors->output, (void *)(uintptr_t)tensors->bias, &failed};
        clconv__parallel_for(p->out_channels, do_bias, &bias);
    }
    if (!computes_weights || tensors->weights) {
        if (!packed)
            status =
                pack_phases(&packed, plan, computes_weights ? tensors->output : tensors->weights);
        if (!status)
            run_phases(plan, tensors, packed, &failed);
        if (!plan->packed_host)
            free(packed);
    }
    if (failed)
        status = clconv__fail(CLCONV_OUT_OF_MEMORY, "the host path ran out of memory");
    return status;
}

const clconv__algo_ops clconv__host_ops = {1, create, destroy, NULL, run_job, pack, NULL};
