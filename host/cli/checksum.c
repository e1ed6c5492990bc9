#include "checksum.h"

#include "random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A sum and the sum of the magnitudes of its terms. */
typedef struct pair {
    double sum, magnitude;
} pair;

/* One of the three tensors. */
typedef struct operand {
    clconv_tensor tensor;
    clconv_type type;
    size_t extent[CLCONV_TENSOR_AXES], stride[CLCONV_TENSOR_AXES];
} operand;

/*
 * Of the two tensors that are read, the source is summed first, with the weights of the computed
 * elements that it meets: one sum, a window, for each place of the factor, to be multiplied by it.
 */
static const struct {
    case_side source, factor;
} roles[SIDES] = {[SIDE_COARSE] = {SIDE_FINE, SIDE_TAP},
                  [SIDE_FINE] = {SIDE_COARSE, SIDE_TAP},
                  [SIDE_TAP] = {SIDE_FINE, SIDE_COARSE}};

typedef struct maker {
    const case_data *data;
    const clconv_problem *p;
    checksum *sums;
    operand operands[SIDES];
    case_side computed;
    const operand *source, *factor;
    size_t channels;  /* that have sums of their own, of each picture */
    size_t units;     /* channels of the source, or all of a group as one */
    size_t places;    /* of one unit's window */
    pair *windows;    /* owned; [unit][place of the factor], of one picture */
    pair *scratch[2]; /* owned; one unit of the source, and on its way to the window */
    double *row;      /* owned */
    pair *totals;     /* owned; sums of the products */
} maker;

static size_t larger(size_t a, size_t b) {
    return a > b ? a : b;
}

/* ---- reading ---- */

static void load_row(double *row, const void *data, clconv_type type, size_t first, size_t stride,
                     size_t count) {
    if (type == CLCONV_F32) /* by far the most frequent, and worth a loop of its own */
        for (size_t i = 0; i < count; ++i)
            row[i] = ((const float *)data)[first + i * stride];
    else
        for (size_t i = 0; i < count; ++i)
            row[i] = clconv_element_get(data, type, first + i * stride);
}

static void add(pair *total, double factor, pair term) {
    total->sum += factor * term.sum;
    total->magnitude += fabs(factor) * term.magnitude;
}

static pair term_of(double value) {
    return (pair){value, fabs(value)};
}

/* Sum i over a tensor shaped like what is computed. */
static pair sum_tensor(const checksum *s, double *row, const void *data, clconv_type type,
                       size_t i) {
    const size_t parts = s->extent[1] / s->channels;
    const size_t first = i / parts * s->stride[0] + i % parts * s->channels * s->stride[1];
    pair total = {0, 0};
    for (size_t c = 0; c < s->channels; ++c)
        for (size_t d = 0; d < s->extent[2]; ++d)
            for (size_t h = 0; h < s->extent[3]; ++h) {
                pair sum = {0, 0};
                load_row(row, data, type,
                         first + c * s->stride[1] + d * s->stride[2] + h * s->stride[3],
                         s->stride[4], s->extent[4]);
                for (size_t w = 0; w < s->extent[4]; ++w)
                    add(&sum, s->weights[4][w], term_of(row[w]));
                add(&total, s->weights[1][c] * s->weights[2][d] * s->weights[3][h], sum);
            }
    return total;
}

/* The same over all that is computed. */
static pair sum_computed(const checksum *s, double *row, const case_data *data,
                         const unsigned char *tensor, const unsigned char *bias, size_t i) {
    const clconv_problem *p = &data->problem;
    const clconv_type type = clconv_tensor_type(p, case_computed(p));
    pair total = sum_tensor(s, row, tensor, type, i);
    if (clconv_tensor_is_computed(p, CLCONV_BIAS))
        add(&total, 1, term_of(clconv_element_get(bias, type, i)));
    return total;
}

/* ---- windows: for each place of the factor, the weighted sum of what it is multiplied by ---- */

/* One channel of the source, or the weighted sum of those that go with the summed channels. */
static void load_unit(const maker *m, pair *to, size_t n, size_t unit) {
    const operand *s = m->source;
    const size_t *extent = s->extent, *stride = s->stride, members = m->sums->channels;
    memset(to, 0, extent[2] * extent[3] * extent[4] * sizeof *to);
    for (size_t c = 0; c < members; ++c) {
        pair *at = to;
        for (size_t d = 0; d < extent[2]; ++d)
            for (size_t h = 0; h < extent[3]; ++h) {
                load_row(m->row, image_tensor(&m->data->images[s->tensor]), s->type,
                         n * stride[0] + (unit * members + c) * stride[1] + d * stride[2] +
                             h * stride[3],
                         stride[4], extent[4]);
                for (size_t w = 0; w < extent[4]; ++w)
                    add(at++, m->sums->weights[1][c], term_of(m->row[w] - m->p->input_zero_point));
            }
    }
}

static void add_line(pair *to, double weight, const pair *from, size_t count) {
    for (size_t i = 0; i < count; ++i)
        add(&to[i], weight, from[i]);
}

/*
 * Replaces an axis of the source by that of the factor: each of its places receives the sum, over
 * what is computed, of weight times the source's place that meets the two. `before` and `after`
 * count the places of the axes outside and inside of it.
 */
static void contract(const maker *m, int axis, pair *to, const pair *from, size_t before,
                     size_t after) {
    const clconv_problem *p = m->p;
    const operand *o = m->operands;
    const case_side source = roles[m->computed].source, factor = roles[m->computed].factor;
    const size_t from_extent = m->source->extent[2 + axis], pad = p->pad_begin[axis];
    const size_t to_extent = m->factor->extent[2 + axis], taps = p->kernel[axis];
    const int flips = p->mode == CLCONV_CONVOLUTION;
    memset(to, 0, before * to_extent * after * sizeof *to);
    for (size_t k = 0; k < taps; ++k)
        for (size_t i = 0; i < o[SIDE_COARSE].extent[2 + axis]; ++i) {
            const size_t fine = i * p->stride[axis] + k * p->dilation[axis];
            if (fine < pad || fine - pad >= o[SIDE_FINE].extent[2 + axis])
                continue;
            const size_t place[SIDES] = {i, flips ? taps - 1 - k : k, fine - pad};
            for (size_t b = 0; b < before; ++b)
                add_line(to + (b * to_extent + place[factor]) * after,
                         m->sums->weights[2 + axis][place[m->computed]],
                         from + (b * from_extent + place[source]) * after, after);
        }
}

static void make_window(const maker *m, size_t n, size_t unit) {
    const size_t *from = m->source->extent, *to = m->factor->extent;
    pair *const *scratch = m->scratch, *window = m->windows + unit * m->places;
    load_unit(m, scratch[0], n, unit);
    contract(m, CLCONV_D, scratch[1], scratch[0], 1, from[3] * from[4]);
    contract(m, CLCONV_H, scratch[0], scratch[1], to[2], from[4]);
    contract(m, CLCONV_W, window, scratch[0], to[2] * to[3], 1);
    /* A bias is the weight of an input that is 1 everywhere. */
    for (size_t i = 0; clconv_tensor_is_computed(m->p, CLCONV_BIAS) && i < m->places; ++i)
        add(&window[i], 1, term_of(1));
}

/* ---- expected sums ---- */

/* Where the factor of a channel and a unit begins, both counted inside their group. */
static size_t factor_at(const maker *m, size_t n, size_t group, size_t channel, size_t unit) {
    const size_t *stride = m->factor->stride, channels = m->channels / m->p->groups;
    switch (m->computed) {
    case SIDE_COARSE:
        return (group * channels + channel) * stride[0] + unit * stride[1];
    case SIDE_FINE:
        return (group * m->units / m->p->groups + unit) * stride[0] + channel * stride[1];
    default:
        return n * stride[0] + (group * channels + channel) * stride[1];
    }
}

static pair sum_unit(const maker *m, size_t first, const pair *window) {
    const operand *f = m->factor;
    const double zero_point = f->tensor == CLCONV_WEIGHTS ? m->p->weights_zero_point : 0;
    pair total = {0, 0};
    for (size_t d = 0; d < f->extent[2]; ++d)
        for (size_t h = 0; h < f->extent[3]; ++h) {
            load_row(m->row, image_tensor(&m->data->images[f->tensor]), f->type,
                     first + d * f->stride[2] + h * f->stride[3], f->stride[4], f->extent[4]);
            for (size_t w = 0; w < f->extent[4]; ++w)
                add(&total, m->row[w] - zero_point, *window++);
        }
    return total;
}

static void add_products(const maker *m, size_t n, size_t channel) {
    const size_t channels = m->channels / m->p->groups, units = m->units / m->p->groups;
    const size_t group = channel / channels;
    pair *total = &m->totals[m->computed == SIDE_TAP ? channel : n * m->channels + channel];
    for (size_t u = 0; u < units; ++u)
        add(total, m->p->alpha,
            sum_unit(m, factor_at(m, n, group, channel % channels, u),
                     m->windows + (group * units + u) * m->places));
}

/* The sum as if every element were 1. */
static pair sum_of_weights(const checksum *s) {
    const size_t counts[CLCONV_TENSOR_AXES] = {0, s->channels, s->extent[2], s->extent[3],
                                               s->extent[4]};
    pair product = {1, 1};
    for (int axis = 1; axis < CLCONV_TENSOR_AXES; ++axis) {
        pair sum = {0, 0};
        for (size_t i = 0; i < counts[axis]; ++i)
            add(&sum, s->weights[axis][i], term_of(1));
        product.sum *= sum.sum;
        product.magnitude *= sum.magnitude;
    }
    return product;
}

/*
 * Sum of |weight| times the bound of each element, with clconv_reference()'s formula for sums of
 * magnitudes, plus the roundings of the checksums themselves in double precision. 0 where neither
 * the device nor these sums round.
 */
static double bound_of(const maker *m, double magnitude, double weights) {
    static const struct {
        double sum, tiny, storage, storage_tiny;
    } facts[] = {
        [CLCONV_F32] = {0x1p-24, 0x1p-126, 0, 0},
        [CLCONV_F64] = {0x1p-53, 0x1p-1022, 0, 0},
        [CLCONV_F16] = {0x1p-24, 0x1p-126, 0x1p-11, 0x1p-14},
        [CLCONV_BF16] = {0x1p-24, 0x1p-126, 0x1p-8, 0x1p-126},
        [CLCONV_S8] = {0, 0, 0, 0},
        [CLCONV_U8] = {0, 0, 0, 0},
    };
    const clconv_problem *p = m->p;
    const int is_exact = m->data->kind == DATA_EXACT;
    const double n = case_taps(p) + 5, own = n + (double)count_of(m->sums->extent);
    const double u = is_exact ? 0 : facts[p->type].sum, storage = facts[p->type].storage;
    /* Exact data and their sums are multiples of a quarter. */
    double rounding = is_exact && magnitude < 0x1p50 ? 0 : own * 0x1p-52 * magnitude;
    if (n * u >= 1) /* the proof says nothing of so many terms */
        return INFINITY;
    double sums = is_exact ? 0
                           : n * (u / (1 - n * u) + 0x1p-52) * magnitude +
                                 2 * n * facts[p->type].tiny * weights * fmax(1, fabs(p->alpha));
    return (1 + storage) * sums +
           storage * (magnitude + 2 * facts[p->type].storage_tiny * weights) + rounding;
}

/* What follows the products. */
static void finish(const maker *m, size_t i) {
    const clconv_problem *p = m->p;
    const clconv_host_tensors t = case_data_tensors(m->data);
    const clconv_type type = clconv_tensor_type(p, case_computed(p));
    const int computes_bias = clconv_tensor_is_computed(p, CLCONV_BIAS);
    const pair ones = sum_of_weights(m->sums);
    pair total = m->totals[i];
    if (p->has_bias && !computes_bias)
        add(&total, clconv_element_get(t.bias, type, i % m->channels), ones);
    if (p->has_residual)
        add(&total, 1, sum_tensor(m->sums, m->row, t.residual, type, i));
    if (p->beta != 0)
        add(&total, p->beta,
            sum_computed(m->sums, m->row, m->data, image_tensor(&m->data->images[case_computed(p)]),
                         t.bias, i));
    m->sums->values[i] = total.sum;
    m->sums->bounds[i] = bound_of(m, total.magnitude, ones.magnitude + computes_bias);
}

/* ---- making ---- */

/* Odd, so that no error of one element can cancel, and with signs, so that sums stay small. */
static clconv_status draw_weights(checksum *s, uint64_t seed) {
    static const double choice[] = {-3, -1, 1, 3};
    uint64_t state = seed;
    for (int axis = 1; axis < CLCONV_TENSOR_AXES; ++axis) {
        const size_t count = axis > 1 ? s->extent[axis] : s->channels;
        if (!(s->weights[axis] = malloc(count * sizeof(double))))
            return CLCONV_OUT_OF_MEMORY;
        for (size_t i = 0; i < count; ++i)
            s->weights[axis][i] = count > 1 ? choice[random_below(&state, 4)] : 1;
    }
    return CLCONV_OK;
}

/* What is computed, what is read, and how both are divided. */
static clconv_status describe(maker *m) {
    const clconv_problem *p = m->p;
    checksum *sums = m->sums;
    clconv_status status = CLCONV_OK;
    m->computed = case_computed_side(p);
    m->source = &m->operands[roles[m->computed].source];
    m->factor = &m->operands[roles[m->computed].factor];
    for (int i = 0; i < SIDES && !status; ++i) {
        operand *o = &m->operands[i];
        o->tensor = case_tensor(p, (case_side)i);
        o->type = clconv_tensor_type(p, o->tensor);
        status = clconv_tensor_shape(o->extent, o->stride, p, o->tensor);
    }
    const operand *computed = &m->operands[m->computed];
    const int sums_filters = m->computed == SIDE_TAP;
    memcpy(sums->extent, computed->extent, sizeof sums->extent);
    memcpy(sums->stride, computed->stride, sizeof sums->stride);
    sums->channels = sums_filters ? computed->extent[1] : 1;
    sums->count = sums_filters ? computed->extent[0] : computed->extent[0] * computed->extent[1];
    m->channels = computed->extent[sums_filters ? 0 : 1];
    m->units = m->source->extent[1] / sums->channels;
    m->places = m->factor->extent[2] * m->factor->extent[3] * m->factor->extent[4];
    return status;
}

static clconv_status allocate(maker *m) {
    size_t image = 1, row = 1;
    for (int axis = 2; axis < CLCONV_TENSOR_AXES; ++axis)
        image *= larger(m->source->extent[axis], m->factor->extent[axis]);
    for (int i = 0; i < SIDES; ++i)
        row = larger(row, m->operands[i].extent[4]);
    m->sums->values = calloc(m->sums->count, sizeof(double));
    m->sums->bounds = calloc(m->sums->count, sizeof(double));
    m->totals = calloc(m->sums->count, sizeof *m->totals);
    m->windows = calloc(m->units * m->places, sizeof *m->windows);
    m->row = calloc(row, sizeof *m->row);
    for (int i = 0; i < 2; ++i)
        m->scratch[i] = calloc(image, sizeof *m->scratch[i]);
    return m->sums->values && m->sums->bounds && m->totals && m->windows && m->row &&
                   m->scratch[0] && m->scratch[1]
               ? CLCONV_OK
               : CLCONV_OUT_OF_MEMORY;
}

clconv_status checksum_make(checksum *sums, const case_data *data, uint64_t seed) {
    maker m = {.data = data, .p = &data->problem, .sums = sums};
    clconv_status status;
    memset(sums, 0, sizeof *sums);
    if (data->problem.activation != CLCONV_ACTIVATION_NONE)
        return CLCONV_OK;
    if ((status = describe(&m)) || (status = draw_weights(sums, seed)) || (status = allocate(&m)))
        goto done;
    for (size_t n = 0; n < m.source->extent[0]; ++n) {
        for (size_t unit = 0; unit < m.units; ++unit)
            make_window(&m, n, unit);
        for (size_t channel = 0; channel < m.channels; ++channel)
            add_products(&m, n, channel);
    }
    for (size_t i = 0; i < sums->count; ++i)
        finish(&m, i);
done:
    free(m.totals);
    free(m.windows);
    free(m.scratch[0]);
    free(m.scratch[1]);
    free(m.row);
    if (status)
        checksum_free(sums);
    return status;
}

void checksum_free(checksum *sums) {
    free(sums->values);
    free(sums->bounds);
    for (int axis = 0; axis < CLCONV_TENSOR_AXES; ++axis)
        free(sums->weights[axis]);
    memset(sums, 0, sizeof *sums);
}

/* ---- judging ---- */

static const unsigned char *result_of(const case_data *data, clconv_tensor tensor) {
    return data->result + case_result_offset(data, tensor) +
           GUARD_ELEMENTS * data->images[tensor].element;
}

clconv_status checksum_worst(double *share, size_t *worst, const checksum *sums,
                             const case_data *data) {
    *share = 0;
    *worst = 0;
    if (!sums->count)
        return CLCONV_OK;
    double *row = malloc(sums->extent[4] * sizeof *row);
    if (!row)
        return CLCONV_OUT_OF_MEMORY;
    for (size_t i = 0; i < sums->count; ++i) {
        pair got = sum_computed(sums, row, data, result_of(data, case_computed(&data->problem)),
                                result_of(data, CLCONV_BIAS), i);
        double error = fabs(got.sum - sums->values[i]);
        double one = error == 0                                 ? 0
                     : sums->bounds[i] > 0 && error <= HUGE_VAL ? error / sums->bounds[i]
                                                                : INFINITY;
        if (one > *share) {
            *share = one;
            *worst = i;
        }
    }
    free(row);
    return CLCONV_OK;
}

static void format_sum(char text[64], const case_data *data, size_t i, size_t channels) {
    if (data->problem.direction == CLCONV_BACKWARD_WEIGHTS)
        snprintf(text, 64, "the checksum of the weights of output channel %zu", i);
    else
        snprintf(text, 64, "the checksum of picture %zu, channel %zu", i / channels, i % channels);
}

void checksum_judge(report *r, const checksum *sums, const case_data *data) {
    char which[64];
    double share;
    size_t worst;
    if (!sums->count) {
        snprintf(r->method, sizeof r->method,
                 "%zu samples; no checksums, its activation is not linear", r->judged.judged);
        return;
    }
    if (checksum_worst(&share, &worst, sums, data)) {
        r->verdict = VERDICT_FAILED;
        snprintf(r->reason, sizeof r->reason, "judging: memory ran out");
        return;
    }
    snprintf(r->method, sizeof r->method, "%zu samples, %zu checksums, worst share %.3g",
             r->judged.judged, sums->count, share);
    if (r->verdict == VERDICT_PASSED && !(share <= 1)) {
        r->verdict = VERDICT_WRONG;
        format_sum(which, data, worst, sums->extent[1]);
        snprintf(r->reason, sizeof r->reason, "%s is off by %.3g times its bound on %s data", which,
                 share, data_kind_names[data->kind]);
    }
}
