/*
 * The host CPU: implicit GEMM. For a strip of neighbouring results, columns of what a block of taps
 * meets are filled and multiplied with packed weights [channel block][tap][channel] by the register
 * tiles of host_kernel.c. Pieces of work are spread over the processors.
 *
 * Columns are mostly the padded lines of a band of rows: every tap reads them at a place of its
 * own, so that an element is copied once however many taps meet it. Where lines would be too long
 * or mostly padding, for kernels of one element, and in the gradient of the weights, each tap's
 * column is gathered. Every direction, type, layout, stride and epilogue goes the same way: walk.h
 * says what meets what, filling converts to the accumulator type, storing converts back. In the
 * gradient of the weights these are the pixels, and the gradient of the output is packed in their
 * stead. Short sums are made where the results are, if these are accumulators side by side.
 */
#include "arithmetic.h"
#include "host_bias.h"
#include "host_kernel.h"
#include "host_rows.h"
#include "parallel.h"
#include "plan.h"
#include "walk.h"

#include <stdlib.h>
#include <string.h>

/* Taps at a time: what they read stays in the caches. */
enum { TAP_BLOCK = 256, ALIGNMENT = 64 };

/* ---- the shape of the work ---- */

/* Neighbouring results of the same outer, d and h inside a strip. */
typedef struct run {
    size_t at;    /* place within the strip */
    size_t count; /* results */
    size_t outer, d, h, w;
} run;

/* What a phase of an axis takes from the source. */
typedef struct line_part {
    size_t before; /* zeros of the padding */
    size_t at, count;
} line_part;

/*
 * The padded lines of a band: [channel][tap of depth][row phase][column phase][row][column]. The
 * phases are as many as the steps between results, so that neighbours of a phase are a step apart
 * in the source, and the results of a band read one tap's elements one behind the other: at `pitch`
 * per row. Phases that meet no tap are left out. Parted lines have a phase for each tap of a row
 * instead: more is copied, but nothing lies between the rows of results.
 */
typedef struct lines {
    size_t reach[CLCONV_SPATIAL_AXES];  /* from the first element that a result meets to the last */
    size_t phases[CLCONV_SPATIAL_AXES]; /* of rows and columns */
    size_t behind[CLCONV_SPATIAL_AXES]; /* elements of a phase behind those of the results */
    size_t taps;                        /* of a channel */
    size_t pitch;
    size_t phase, plane; /* elements of a column phase, and of a tap of depth */
    size_t band;         /* rows of results */
    size_t channels;     /* that are summed at a time */
    int is_parted;
} lines;

typedef struct host_job {
    const clconv_problem *p;
    const clconv__geometry *g;
    clconv__walk w;
    size_t taps, pixels; /* products of a result, and results of a picture and channel */
    const clconv__host_type *type;
    const clconv__accumulator *accumulator;
    const clconv__register_tile *tile;
    size_t channel_blocks; /* register tiles per group */
    lines lines;
    size_t wanted;       /* pieces of work that keep all processors busy to the end */
    size_t band;         /* rows of results whose padded lines are held; 0: columns are gathered */
    size_t strip;        /* places of a piece of work, a multiple of the lanes */
    size_t strips;       /* per picture and group */
    size_t block;        /* taps at a time, */
    size_t columns;      /* and the elements that they read */
    size_t panel;        /* elements of a register tile, where columns are gathered */
    size_t chunk;        /* groups of a piece of work */
    size_t parts;        /* a strip's channel blocks are split into so many pieces of work */
    const void *weights; /* as the caller has them */
    char *packed;        /* [group][channel block][tap][row] */
    const void *source;  /* tensors */
    const void *bias, *residual; /* NULL where nothing is added */
    void *result;
    clconv__epilogue epilogue; /* without the rows that it adds */
    int adds;                  /* there are such rows */
    int in_place;              /* sums are made where the results are */
    int splits;                /* split_rows serves both column phases */
    line_part *line_parts;     /* for each column phase, */
    size_t *taps_at;           /* and for each tap of a block its first element in the columns */
    int *failed;               /* set to 1 by a worker that got no memory */
} host_job;

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

static size_t larger(size_t a, size_t b) {
    return a > b ? a : b;
}

static void *aligned(size_t bytes) {
    return aligned_alloc(ALIGNMENT, clconv__divide_up(bytes ? bytes : 1, ALIGNMENT) * ALIGNMENT);
}

/* Whether results of a channel are accumulators side by side, and nothing is added to them. */
static int lies_together(const host_job *job) {
    const clconv__walk *w = &job->w;
    const size_t *count = w->count;
    return job->type->stores_sums && w->y_row > 0 && w->y[2] == 1 && w->outer == 1 &&
           (count[1] == 1 || w->y[1] == (ptrdiff_t)count[2]) &&
           (count[0] == 1 || w->y[0] == (ptrdiff_t)(count[1] * count[2])) &&
           !job->p->has_residual && clconv__scalars_of(job->p).beta == 0;
}

static void describe_lines(lines *l, const clconv__walk *w, int is_parted) {
    for (int axis = 0; axis < CLCONV_SPATIAL_AXES; ++axis) {
        const ptrdiff_t step = w->tap_step[axis];
        l->reach[axis] = (w->taps[axis] - 1) * (size_t)(step < 0 ? -step : step);
        l->phases[axis] = smaller(w->out_step[axis], l->reach[axis] + 1);
        l->behind[axis] = l->reach[axis] / w->out_step[axis];
    }
    l->taps = w->taps[0] * w->taps[1] * w->taps[2];
    l->is_parted = is_parted;
    if (is_parted) {
        l->phases[2] = w->taps[2];
        l->behind[2] = 0;
    }
    l->pitch = w->count[2] + l->behind[2];
}

/* A tap's place behind the first element that a result meets. */
static size_t tap_at(const host_job *job, int axis, size_t tap) {
    const ptrdiff_t step = job->w.tap_step[axis];
    return step < 0 ? job->lines.reach[axis] - tap * (size_t)-step : tap * (size_t)step;
}

/* Where column phase `k` begins behind the first element that a result meets. */
static size_t phase_at(const host_job *job, size_t k) {
    return job->lines.is_parted ? tap_at(job, 2, k) : k;
}

/* Where tap `k` of a block begins to read for the first result of a band. */
static size_t tap_place(const host_job *job, size_t k) {
    const clconv__walk *w = &job->w;
    const lines *l = &job->lines;
    const size_t rest = k / w->taps[2], row = tap_at(job, 1, rest % w->taps[1]);
    const size_t column = l->is_parted ? 0 : tap_at(job, 2, k % w->taps[2]);
    const size_t phase = l->is_parted ? k % w->taps[2] : column % w->out_step[2];
    return rest / w->taps[1] * l->plane + (row % w->out_step[1] * l->phases[2] + phase) * l->phase +
           row / w->out_step[1] * l->pitch + column / w->out_step[2];
}

/* A kernel of one element reads rows in their order: they are joined to one. */
static void join_rows(clconv__walk *w) {
    for (int axis = 1; axis < CLCONV_SPATIAL_AXES; ++axis)
        if (w->taps[axis] != 1 || w->first[axis] != 0 || w->out_step[axis] != 1 ||
            w->count[axis] != w->extent[axis])
            return;
    if (w->x[1] != w->count[2] * w->x[2] || w->y[1] != (ptrdiff_t)w->count[2] * w->y[2])
        return;
    const size_t rows = w->count[1];
    w->count[2] = w->extent[2] = w->count[2] * rows;
    w->count[1] = w->extent[1] = 1;
    w->x[1] *= rows;
    w->y[1] *= (ptrdiff_t)rows;
}

/* Results of a full register tile. */
static size_t tile_width(const host_job *job) {
    return job->tile->vectors * job->accumulator->lanes;
}

/* Results that a piece of work should have at least, so that its tiles are full. */
static size_t full_strip(const host_job *job) {
    enum { TILES = 4 };
    return TILES * tile_width(job);
}

/*
 * Chooses bands whose lines and sums stay in the second-level cache, and how many channels are
 * summed at a time. None where lines are too long, or mostly read in vain.
 */
static void fit_band(const host_job *job, lines *l) {
    enum { LINES = 64 * 1024, SUMS = 64 * 1024, ROWS_HELD = 32, LEAST_ROWS = 4 };
    const clconv__walk *w = &job->w;
    const size_t pitch = l->pitch, behind = l->behind[1];
    /* Of all channels. Steps may be any number, and their product wrap around. */
    const size_t rows = LINES / pitch / w->taps[0] / l->phases[1] / l->phases[2];
    const size_t wish = smaller(w->count[1], LEAST_ROWS) + behind;
    /* Parted lines are longer in all, and should stay in the first-level cache, too. */
    const size_t block = l->is_parted && job->taps > TAP_BLOCK ? TAP_BLOCK / 2 : TAP_BLOCK;
    const size_t most = smaller(smaller(block / l->taps, rows / wish), w->channels);
    l->band = 0;
    l->channels = larger(most, 1);
    if (rows / l->channels <= behind || (pitch > 2 * w->count[2] && w->count[1] > 1))
        return;
    const int is_whole = l->channels == w->channels;
    const size_t held = is_whole ? ROWS_HELD : job->channel_blocks * job->tile->rows;
    const size_t sums = larger(SUMS / held, full_strip(job));
    const size_t fit = smaller(rows / l->channels - behind, larger(sums / pitch, 1));
    const size_t all = w->pictures * w->groups * w->count[0] * w->count[1];
    const size_t fair =
        larger(clconv__divide_up(all, job->wanted), clconv__divide_up(full_strip(job), pitch));
    size_t bands = clconv__divide_up(w->count[1], smaller(fit, fair));
    if (bands > job->wanted) /* none works alone in the end */
        bands = clconv__round_up(bands, job->wanted);
    l->band = clconv__divide_up(w->count[1], bands);
}

/*
 * Multiplications of vectors that a plane costs; to copy a vector takes as long as so many. What
 * lies between the rows of results is multiplied in vain, and copied.
 */
static double band_cost(const host_job *job, const lines *l) {
    enum { OF_COPY = 16 };
    const clconv__walk *w = &job->w;
    const size_t vectors =
        clconv__divide_up(w->count[1], l->band) *
        clconv__divide_up((l->band - 1) * l->pitch + w->count[2], job->accumulator->lanes);
    const int in_place =
        l->channels == w->channels && l->pitch == w->count[2] && lies_together(job);
    const double filled =
        (double)w->channels * (double)w->out_step[2] * (double)(l->is_parted ? w->taps[2] : 1);
    const double rows = (double)w->rows, stored = in_place ? 0 : rows;
    return (double)vectors * ((double)job->taps * rows + OF_COPY * (filled + stored));
}

static void choose_band(host_job *job) {
    const clconv__walk *w = &job->w;
    lines own, parted, *l = &own;
    if (job->p->direction == CLCONV_BACKWARD_WEIGHTS || job->taps <= w->channels)
        return;
    describe_lines(&own, w, 0);
    fit_band(job, &own);
    if (!own.band)
        return;
    describe_lines(&parted, w, 1);
    fit_band(job, &parted);
    if (parted.band && band_cost(job, &parted) < band_cost(job, &own))
        l = &parted;
    l->phase = (l->band + l->behind[1]) * l->pitch;
    l->plane = l->phases[1] * l->phases[2] * l->phase;
    job->band = l->band;
    job->strip = clconv__round_up(l->band * l->pitch, job->accumulator->lanes);
    job->strips = clconv__divide_up(w->count[1], l->band) * w->count[0];
    job->block = l->channels * l->taps;
    /* Sums of whole vectors read on behind the last line. */
    job->columns = l->channels * w->taps[0] * l->plane + job->accumulator->lanes;
    job->lines = *l;
    job->splits = job->p->type == CLCONV_F32 && !l->is_parted && l->phases[2] == 2 &&
                  w->out_step[2] == 2 && w->x[2] == 1;
}

/*
 * Columns of the places of a register tile lie together, a panel, so that its vectors are aligned
 * and stay in the first-level cache.
 */
static void choose_strips(host_job *job) {
    enum { COLUMNS = 64 * 1024, PANEL_TAPS = 128 };
    const size_t width = tile_width(job), lanes = job->accumulator->lanes;
    const size_t all = job->w.pictures * job->w.groups * job->pixels;
    const size_t fair = larger(clconv__divide_up(all, job->wanted), width);
    const size_t most = COLUMNS / PANEL_TAPS;
    const size_t strips = clconv__divide_up(job->pixels, smaller(fair, most));
    job->strip = clconv__round_up(clconv__divide_up(job->pixels, strips), lanes);
    job->strips = clconv__divide_up(job->pixels, job->strip);
    job->block = larger(smaller(PANEL_TAPS, job->taps), 1);
    job->panel = job->block * width;
    job->columns = clconv__divide_up(job->strip, width) * job->panel;
}

static void describe(host_job *job, const clconv_plan *plan, size_t phase) {
    enum { MOST_SUMS = 256 * 1024 }; /* that a piece of work holds */
    memset(job, 0, sizeof *job);
    job->wanted = 2 * (size_t)clconv__processors();
    job->p = &plan->problem;
    job->g = &plan->request.g;
    clconv__walk_of(&job->w, job->p, job->g, phase);
    join_rows(&job->w);
    job->taps = clconv__walk_products(&job->w);
    job->pixels = clconv__walk_places(&job->w);
    job->type = &clconv__host_types[job->p->type];
    job->accumulator = &clconv__host_kernels()->accumulators[job->type->accumulator];
    const int is_narrow = 4 * job->w.rows <= job->accumulator->block.rows;
    job->tile = is_narrow ? &job->accumulator->line : &job->accumulator->block;
    job->channel_blocks = clconv__divide_up(job->w.rows, job->tile->rows);
    choose_band(job);
    if (!job->band)
        choose_strips(job);
    job->in_place = job->block >= job->taps && lies_together(job) &&
                    (!job->band || job->lines.pitch == job->w.count[2]);
    const size_t strips = job->strips * job->w.pictures;
    job->chunk = clconv__divide_up(job->w.groups, clconv__divide_up(2 * job->wanted, strips));
    /* Each part fills its columns anew. */
    const size_t sums = job->block < job->taps ? job->channel_blocks * job->tile->rows : 0;
    const size_t parts = larger(clconv__divide_up(job->wanted, strips * job->w.groups),
                                clconv__divide_up(sums * job->strip, MOST_SUMS));
    job->parts = smaller(parts, job->channel_blocks);
}

static size_t packed_bytes(const host_job *job) {
    return job->w.groups * job->channel_blocks * job->taps * job->tile->rows *
           job->accumulator->element;
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
    size_t rows = job->tile->rows, line = rows * job->accumulator->element;
    size_t group = block / job->channel_blocks;
    size_t first = block % job->channel_blocks * rows;
    const clconv__area row = clconv__row_of(smaller(rows, job->w.rows - first), job->w.w_row);
    char *to = job->packed + block * job->taps * line;
    for (size_t k = 0; k < job->taps; ++k, to += line) {
        ptrdiff_t from = (ptrdiff_t)group * job->w.w_group + (ptrdiff_t)first * job->w.w_row +
                         weight_offset(job, k);
        memset(to, 0, line);
        job->type->weights(to, job->weights, (size_t)from, &row, job->p->weights_zero_point);
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

/* ---- a piece of work: some channel blocks of one strip, or some groups of it ---- */

typedef struct piece {
    size_t picture, strip, first_block, blocks, first_group, groups;
    size_t held;            /* blocks whose sums are held at a time */
    size_t places, vectors; /* of the strip */
    run *runs;
    size_t run_count;
    line_part *row_parts; /* for each row phase of a band */
    char *columns, *own_sums, *scratch;
    char *sums;   /* of the blocks held: own ones, or in place, */
    size_t pitch; /* and the elements between channels */
} piece;

static size_t count_pieces(const host_job *job) {
    return job->parts * job->strips * clconv__divide_up(job->w.groups, job->chunk) *
           job->w.pictures;
}

static piece find_piece(const host_job *job, size_t index) {
    piece w = {0};
    size_t part = index % job->parts, per_part = clconv__divide_up(job->channel_blocks, job->parts);
    size_t chunks = clconv__divide_up(job->w.groups, job->chunk);
    index /= job->parts;
    w.first_block = smaller(part * per_part, job->channel_blocks);
    w.blocks = smaller(per_part, job->channel_blocks - w.first_block);
    w.held = job->block < job->taps ? w.blocks : 1;
    w.strip = index % job->strips;
    index /= job->strips;
    w.first_group = index % chunks * job->chunk;
    w.groups = smaller(job->chunk, job->w.groups - w.first_group);
    w.picture = index / chunks;
    return w;
}

/* The first element of the source that a result meets; negative in the padding. */
static ptrdiff_t first_met(const host_job *job, int axis, size_t out) {
    const clconv__walk *w = &job->w;
    const ptrdiff_t first = w->first[axis] + (ptrdiff_t)(out * w->out_step[axis]);
    return w->tap_step[axis] < 0 ? first - (ptrdiff_t)job->lines.reach[axis] : first;
}

/* What is not padding of `length` rows or columns of a phase, `first` being where they begin. */
static line_part find_part(const clconv__walk *w, int axis, ptrdiff_t first, size_t length) {
    const size_t step = w->out_step[axis], extent = w->extent[axis];
    line_part part = {.before = first < 0 ? clconv__divide_up((size_t)-first, step) : 0};
    part.at = (size_t)first + part.before * step;
    if (part.before < length && part.at < extent)
        part.count = smaller(clconv__divide_up(extent - part.at, step), length - part.before);
    return part;
}

/* Rows of a band; what lies between them is no result. */
static void find_band(piece *w, const host_job *job) {
    const size_t *count = job->w.count, bands = job->strips / count[0];
    const size_t first = w->strip % bands * job->band, pitch = job->lines.pitch;
    w->run_count = smaller(job->band, count[1] - first);
    w->places = (w->run_count - 1) * pitch + count[2];
    for (size_t i = 0; i < w->run_count; ++i)
        w->runs[i] =
            (run){.at = i * pitch, .count = count[2], .d = w->strip / bands, .h = first + i};
    for (size_t k = 0; k < job->lines.phases[1]; ++k)
        w->row_parts[k] = find_part(&job->w, 1, first_met(job, 1, first) + (ptrdiff_t)k,
                                    w->run_count + job->lines.behind[1]);
}

static void find_strip(piece *w, const host_job *job) {
    const size_t *count = job->w.count, first = w->strip * job->strip;
    w->places = smaller(job->strip, job->pixels - first);
    for (size_t at = 0; at < w->places; at += w->runs[w->run_count++].count) {
        const size_t pixel = first + at, row = pixel / count[2];
        run *r = &w->runs[w->run_count];
        *r = (run){.at = at, .w = pixel % count[2], .h = row % count[1]};
        r->d = row / count[1] % count[0];
        r->outer = row / count[1] / count[0];
        r->count = smaller(count[2] - r->w, w->places - at);
    }
}

/* ---- filling columns with the lines of a band ---- */

/*
 * Rows that begin at `at` in memory, from both column phases at once where these are neighbours
 * there: says how many columns of each.
 */
static size_t split_phases(const host_job *job, char *to, size_t at, size_t rows) {
    const line_part *parts = job->line_parts;
    if (!job->splits)
        return 0;
    const int first = parts[1].at < parts[0].at;
    const size_t pairs = smaller(parts[0].count, parts[1].count);
    float *floats = (void *)to;
    float *places[] = {floats + parts[0].before, floats + job->lines.phase + parts[1].before};
    clconv__host_kernels()->split_rows(rows, pairs, places[first], places[!first],
                                       (ptrdiff_t)job->lines.pitch,
                                       (const float *)job->source + at + parts[first].at,
                                       (ptrdiff_t)(job->w.out_step[1] * job->w.x[1]));
    return pairs;
}

/* Rows of a phase into those of every column phase. */
static void gather_rows(const host_job *job, char *to, size_t plane_at, const line_part *rows) {
    const clconv__walk *w = &job->w;
    if (!rows->count)
        return;
    const size_t element = job->accumulator->element, pitch = job->lines.pitch;
    const size_t at = plane_at + rows->at * w->x[1];
    to += rows->before * pitch * element;
    const size_t done = split_phases(job, to, at, rows->count);
    for (size_t k = 0; k < job->lines.phases[2]; ++k, to += job->lines.phase * element) {
        const line_part *columns = &job->line_parts[k];
        const clconv__area a = {rows->count, columns->count - done,
                                (ptrdiff_t)(w->out_step[1] * w->x[1]),
                                (ptrdiff_t)(w->out_step[2] * w->x[2]), pitch};
        if (a.count)
            job->type->input(to + (columns->before + done) * element, job->source,
                             at + (columns->at + done * w->out_step[2]) * w->x[2], &a,
                             job->p->input_zero_point);
    }
}

/* The padding is zero already: it is at the same place in every channel and group of a piece. */
static void gather_lines(const host_job *job, const piece *w, size_t group_at, size_t block) {
    const clconv__walk *walk = &job->w;
    const lines *l = &job->lines;
    const size_t plane_bytes = l->plane * job->accumulator->element;
    const size_t phase_bytes = l->phases[2] * l->phase * job->accumulator->element;
    const size_t first = block * l->channels, end = smaller(first + l->channels, walk->channels);
    char *to = w->columns;
    for (size_t c = first; c < end; ++c)
        for (size_t tap = 0; tap < walk->taps[0]; ++tap, to += plane_bytes) {
            const ptrdiff_t d = first_met(job, 0, w->runs->d) + (ptrdiff_t)tap_at(job, 0, tap);
            const size_t plane_at = group_at + c * walk->x_channel + (size_t)d * walk->x[0];
            if (d < 0 || (size_t)d >= walk->extent[0])
                continue;
            for (size_t phase = 0; phase < job->lines.phases[1]; ++phase)
                gather_rows(job, to + phase * phase_bytes, plane_at, &w->row_parts[phase]);
        }
}

/* ---- filling columns with what each tap meets ---- */

/* Source coordinate of a result and tap; negative or behind the end in the padding. */
static ptrdiff_t source_at(const clconv__walk *w, int axis, size_t out, size_t tap) {
    return w->first[axis] + (ptrdiff_t)(out * w->out_step[axis]) +
           (ptrdiff_t)tap * w->tap_step[axis];
}

static void zero_rows(char *to, size_t rows, size_t pitch, size_t bytes) {
    for (size_t row = 0; bytes && row < rows; ++row)
        memset(to + row * pitch, 0, bytes);
}

/* A tap of one run in some channels: zeros in the padding, else input elements a stride apart. */
static void gather_run(const host_job *job, char *to, size_t channel_offset, size_t channels,
                       const size_t tap[], const run *r) {
    const clconv__walk *walk = &job->w;
    const size_t *x = walk->x, *extent = walk->extent;
    const size_t element = job->accumulator->element, stride = walk->out_step[2];
    const size_t width = tile_width(job), pitch = width * element;
    ptrdiff_t d = source_at(walk, 0, r->d, tap[0]), h = source_at(walk, 1, r->h, tap[1]);
    ptrdiff_t w = source_at(walk, 2, r->w, tap[2]);
    size_t before = w < 0 ? smaller(clconv__divide_up((size_t)-w, stride), r->count) : 0;
    ptrdiff_t room = (ptrdiff_t)extent[2] - w;
    size_t end = room > 0 ? smaller(clconv__divide_up((size_t)room, stride), r->count) : 0;
    if (d < 0 || h < 0 || (size_t)d >= extent[0] || (size_t)h >= extent[1] || end <= before) {
        zero_rows(to, channels, pitch, r->count * element);
        return;
    }
    size_t first = channel_offset + r->outer * walk->x_outer + (size_t)d * x[0] + (size_t)h * x[1] +
                   (size_t)(w + (ptrdiff_t)(before * stride)) * x[2];
    const clconv__area a = {channels, end - before, (ptrdiff_t)walk->x_channel,
                            (ptrdiff_t)(stride * x[2]), width};
    zero_rows(to, channels, pitch, before * element);
    job->type->input(to + before * element, job->source, first, &a, job->p->input_zero_point);
    zero_rows(to + end * element, channels, pitch, (r->count - end) * element);
}

/* All taps of a run. A kernel of one element takes all channels at once. */
static void gather_taps(const host_job *job, char *to, size_t group_at, size_t from, size_t taps,
                        const run *r) {
    const size_t line = tile_width(job) * job->accumulator->element;
    const size_t step = job->taps == job->w.channels ? taps : 1;
    for (size_t k = 0; k < taps; k += step) {
        size_t rest = from + k, tap[CLCONV_SPATIAL_AXES];
        for (int axis = CLCONV_SPATIAL_AXES - 1; axis >= 0; --axis) {
            tap[axis] = rest % job->w.taps[axis];
            rest /= job->w.taps[axis];
        }
        gather_run(job, to + k * line, group_at + rest * job->w.x_channel, step, tap, r);
    }
}

/* Vectors of the next register tile. */
static size_t next_tile(const host_job *job, size_t left) {
    const size_t most = job->tile->vectors;
    return left >= 2 * most ? most : left > most ? (left + 1) / 2 : left;
}

/* What of a run lies between two places. */
static run cut_run(const run *r, size_t from, size_t end) {
    run part = *r;
    part.at = from;
    part.w += from - r->at;
    part.count = smaller(r->at + r->count, end) - from;
    return part;
}

/* Runs are cut where panels end. */
static void gather_columns(const host_job *job, const piece *w, size_t group_at, size_t from,
                           size_t taps) {
    const size_t element = job->accumulator->element;
    const run *r = w->runs;
    char *panel = w->columns;
    for (size_t left = w->vectors, vectors, first = 0, end; left; left -= vectors, first = end) {
        vectors = next_tile(job, left);
        end = smaller(first + vectors * job->accumulator->lanes, w->places);
        for (size_t at = first; at < end;) {
            const run part = cut_run(r, at, end);
            gather_taps(job, panel + (at - first) * element, group_at, from, taps, &part);
            at += part.count;
            r += at == r->at + r->count;
        }
        panel += job->panel * element;
    }
}

/* ---- multiplying ---- */

static void fill_columns(const host_job *job, const piece *w, size_t group, size_t block) {
    const size_t from = block * job->block;
    const size_t group_at = w->picture * job->w.x_picture + group * job->w.x_group;
    if (job->band)
        gather_lines(job, w, group_at, block);
    else
        gather_columns(job, w, group_at, from, smaller(job->block, job->taps - from));
}

/* Of a run's first place. */
static size_t result_at(const host_job *job, const piece *w, size_t group, size_t row,
                        const run *r) {
    const clconv__walk *walk = &job->w;
    return (size_t)(walk->y_first + (ptrdiff_t)w->picture * walk->y_picture +
                    (ptrdiff_t)group * walk->y_group + (ptrdiff_t)row * walk->y_row +
                    (ptrdiff_t)r->outer * walk->y_outer + (ptrdiff_t)r->d * walk->y[0] +
                    (ptrdiff_t)r->h * walk->y[1] + (ptrdiff_t)r->w * walk->y[2]);
}

static void choose_sums(piece *w, const host_job *job, size_t group, size_t first) {
    w->sums = w->own_sums;
    w->pitch = job->strip;
    if (!job->in_place)
        return;
    w->pitch = (size_t)job->w.y_row;
    w->sums = (char *)job->result + result_at(job, w, group, first * job->tile->rows, w->runs) *
                                        job->accumulator->element;
}

/* A tile that is not full of results, where sums are made in place: the results are copied. */
static void multiply_aside(const host_job *job, const piece *w, size_t vectors, const char *packed,
                           const char *columns, char *sums, size_t rows, size_t places) {
    const size_t element = job->accumulator->element, width = vectors * job->accumulator->lanes;
    job->tile->multiply[vectors - 1](job->taps, packed, columns, job->taps_at, 0, w->own_sums,
                                     width);
    clconv__host_kernels()->copy_rows(rows, smaller(places, width) * element, sums,
                                      (ptrdiff_t)(w->pitch * element), w->own_sums,
                                      (ptrdiff_t)(width * element));
}

/* Tiles of places outermost: what they read stays in the first-level cache. */
static void multiply_blocks(const host_job *job, const piece *w, size_t group, size_t first,
                            size_t from, size_t taps) {
    const size_t element = job->accumulator->element, rows = job->tile->rows;
    const size_t lanes = job->accumulator->lanes;
    const size_t results = smaller(rows, job->w.rows - first * rows);
    const char *packed = job->packed +
                         (group * job->channel_blocks + first) * job->taps * rows * element +
                         from * rows * element;
    size_t at = 0, tile = 0;
    for (size_t left = w->vectors, vectors; left; left -= vectors, at += vectors * lanes, ++tile) {
        const char *columns = w->columns + (job->band ? at : tile * job->panel) * element;
        vectors = next_tile(job, left);
        if (job->in_place && (w->places - at < vectors * lanes || results < rows))
            multiply_aside(job, w, vectors, packed, columns, w->sums + at * element, results,
                           w->places - at);
        else
            for (size_t b = 0; b < w->held; ++b)
                job->tile->multiply[vectors - 1](
                    taps, packed + b * job->taps * rows * element, columns, job->taps_at, from > 0,
                    w->sums + (b * rows * w->pitch + at) * element, w->pitch);
    }
}

/* ---- storing ---- */

/* What is added to a run is read first. */
static void add_to_run(const host_job *job, const piece *w, char *sums, size_t first, size_t count,
                       clconv__epilogue *e) {
    const clconv__area row = clconv__row_of(count, job->w.y[2]);
    char *residual = w->scratch + ALIGNMENT;
    char *old = residual + job->strip * job->accumulator->element;
    if (job->residual) {
        job->type->output(residual, job->residual, first, &row, 0);
        e->residual = residual;
    }
    if (e->s.beta != 0) {
        job->type->output(old, job->result, first, &row, 0);
        e->old = old;
    }
    clconv__apply_epilogue(job->type->accumulator, sums, count, e);
}

/* The rows of a band are stored at once. */
static void store_runs(const host_job *job, const piece *w, char *sums, size_t group, size_t row,
                       clconv__epilogue *e) {
    const size_t rows = job->band && !job->adds ? w->run_count : 1;
    for (const run *r = w->runs; r < w->runs + w->run_count; r += rows) {
        const clconv__area a = {rows, r->count, job->w.y[1], job->w.y[2], job->lines.pitch};
        const size_t first = result_at(job, w, group, row, r);
        char *from = sums + r->at * job->accumulator->element;
        if (job->adds)
            add_to_run(job, w, from, first, r->count, e);
        job->type->store(job->result, first, &a, from);
    }
}

static void store_channel(const host_job *job, const piece *w, char *sums, size_t group,
                          size_t row) {
    const clconv__area one = clconv__row_of(1, 1);
    clconv__epilogue e = job->epilogue;
    if (job->bias) {
        job->type->output(w->scratch, job->bias, group * job->w.rows + row, &one, 0);
        e.bias = w->scratch;
    }
    if (!job->adds)
        clconv__apply_epilogue(job->type->accumulator, sums, w->places, &e);
    if (!job->in_place)
        store_runs(job, w, sums, group, row, &e);
}

static void store_blocks(const host_job *job, const piece *w, size_t group, size_t first_block) {
    const size_t rows = job->tile->rows, first = first_block * rows;
    const size_t count = smaller(w->held * rows, job->w.rows - first);
    for (size_t row = 0; row < count; ++row)
        store_channel(job, w, w->sums + row * w->pitch * job->accumulator->element, group,
                      first + row);
}

/* ---- pieces of work ---- */

/* Columns of all taps are filled once, and then the sums of one channel block held at a time. */
static void do_group(const host_job *job, piece *w, size_t group) {
    for (size_t b = w->first_block; b < w->first_block + w->blocks; b += w->held) {
        size_t block = 0, from = 0;
        choose_sums(w, job, group, b);
        do {
            if (b == w->first_block)
                fill_columns(job, w, group, block);
            multiply_blocks(job, w, group, b, from, smaller(job->block, job->taps - from));
            from = ++block * job->block;
        } while (from < job->taps);
        store_blocks(job, w, group, b);
    }
}

static void do_piece(void *context, size_t index) {
    const host_job *job = context;
    const size_t element = job->accumulator->element, line = job->strip * element;
    piece w = find_piece(job, index);
    if (!w.blocks)
        return;
    w.own_sums =
        aligned(job->tile->rows * (job->in_place ? tile_width(job) * element : w.held * line));
    w.columns = aligned(job->columns * element);
    w.scratch = aligned(ALIGNMENT + 2 * line);
    w.runs = malloc(job->strip * sizeof *w.runs);
    w.row_parts = malloc((job->lines.phases[1] + 1) * sizeof *w.row_parts);
    if (w.own_sums && w.columns && w.scratch && w.runs && w.row_parts) {
        if (job->band)
            find_band(&w, job);
        else
            find_strip(&w, job);
        w.vectors = clconv__divide_up(w.places, job->accumulator->lanes);
        memset(w.columns, 0, job->columns * element);
        for (size_t i = 0; i < w.groups; ++i)
            do_group(job, &w, w.first_group + i);
    } else {
        __atomic_store_n(job->failed, 1, __ATOMIC_RELAXED);
    }
    free(w.row_parts);
    free(w.runs);
    free(w.scratch);
    free(w.columns);
    free(w.own_sums);
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

static void compute(host_job *job) {
    const size_t phases = job->lines.phases[2];
    job->line_parts = malloc((phases + 1) * sizeof *job->line_parts);
    job->taps_at = malloc(job->block * sizeof *job->taps_at);
    if (job->line_parts && job->taps_at) {
        for (size_t k = 0; k < phases; ++k)
            job->line_parts[k] = find_part(
                &job->w, 2, first_met(job, 2, 0) + (ptrdiff_t)phase_at(job, k), job->lines.pitch);
        for (size_t k = 0; k < job->block; ++k)
            job->taps_at[k] = job->band ? tap_place(job, k) : k * tile_width(job);
        clconv__parallel_for(count_pieces(job), do_piece, job);
    } else {
        *job->failed = 1;
    }
    free(job->taps_at);
    free(job->line_parts);
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
    job->epilogue =
        (clconv__epilogue){.activation = job->p->activation, .s = clconv__scalars_of(job->p)};
    job->adds = job->residual || job->epilogue.s.beta != 0;
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
    if (computes_weights && p->has_bias)
        failed =
            !clconv__host_bias_gradient(plan, tensors->output, (void *)(uintptr_t)tensors->bias);
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
