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

typedef struct maker {
    const case_data *data;
    const clconv_problem *p;
    checksum *sums;
    size_t in_extent[CLCONV_TENSOR_AXES], in_stride[CLCONV_TENSOR_AXES];
    size_t out_extent[CLCONV_TENSOR_AXES], out_stride[CLCONV_TENSOR_AXES];
    size_t taps;   /* of one input channel */
    pair *windows; /* owned; [input channel][tap], of one picture */
    pair *scratch; /* owned; the sums along W, and along W and H */
    double *row;   /* owned */
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

/* Sums weighted over one channel of a tensor shaped like the output. */
static pair sum_channel(const checksum *sums, double *row, const void *data, clconv_type type,
                        const size_t extent[], const size_t stride[], size_t n, size_t c) {
    pair total = {0, 0};
    for (size_t d = 0; d < extent[2]; ++d)
        for (size_t h = 0; h < extent[3]; ++h) {
            double weight = sums->weights[0][d] * sums->weights[1][h];
            double sum = 0, magnitude = 0;
            load_row(row, data, type, n * stride[0] + c * stride[1] + d * stride[2] + h * stride[3],
                     stride[4], extent[4]);
            for (size_t w = 0; w < extent[4]; ++w) {
                sum += sums->weights[2][w] * row[w];
                magnitude += fabs(sums->weights[2][w] * row[w]);
            }
            total.sum += weight * sum;
            total.magnitude += fabs(weight) * magnitude;
        }
    return total;
}

/* ---- windows: for each tap, the weighted sum of the inputs that it meets ---- */

/*
 * Along one axis: to[i] is the sum over outputs of weight * from[output*stride + k*dilation - pad],
 * with `step` elements between neighbours.
 */
static pair sum_along(const maker *m, int axis, size_t k, const pair *from, size_t step) {
    const clconv_problem *p = m->p;
    const double *weights = m->sums->weights[axis];
    pair total = {0, 0};
    for (size_t o = 0; o < m->out_extent[2 + axis]; ++o) {
        size_t at = o * p->stride[axis] + k * p->dilation[axis];
        if (at < p->pad_begin[axis] || at - p->pad_begin[axis] >= p->input[axis])
            continue;
        const pair *x = &from[(at - p->pad_begin[axis]) * step];
        total.sum += weights[o] * x->sum;
        total.magnitude += fabs(weights[o]) * x->magnitude;
    }
    return total;
}

/* The same along W, from plain numbers: this is where the time goes. */
static pair sum_row(const maker *m, size_t k) {
    const clconv_problem *p = m->p;
    const double *weights = m->sums->weights[2];
    const size_t step = p->stride[2], pad = p->pad_begin[2], offset = k * p->dilation[2];
    size_t first = offset < pad ? (pad - offset + step - 1) / step : 0;
    size_t end = pad + p->input[2] > offset ? (pad + p->input[2] - offset + step - 1) / step : 0;
    pair total = {0, 0};
    if (end > m->out_extent[4])
        end = m->out_extent[4];
    for (size_t o = first; o < end; ++o) {
        double term = weights[o] * m->row[o * step + offset - pad];
        total.sum += term;
        total.magnitude += fabs(term);
    }
    return total;
}

/* scratch[kw][d][h], then scratch behind it [kw][kh][d], then the windows [kd][kh][kw]. */
static void sum_windows(const maker *m, size_t n, size_t c) {
    const clconv_problem *p = m->p;
    const size_t D = p->input[0], H = p->input[1];
    pair *rows = m->scratch, *planes = rows + p->kernel[2] * D * H;
    for (size_t d = 0; d < D; ++d)
        for (size_t h = 0; h < H; ++h) {
            load_row(m->row, image_tensor(&m->data->images[CLCONV_INPUT]), p->type,
                     n * m->in_stride[0] + c * m->in_stride[1] + d * m->in_stride[2] +
                         h * m->in_stride[3],
                     m->in_stride[4], p->input[2]);
            for (size_t w = 0; p->input_zero_point && w < p->input[2]; ++w)
                m->row[w] -= p->input_zero_point;
            for (size_t k = 0; k < p->kernel[2]; ++k)
                rows[(k * D + d) * H + h] = sum_row(m, k);
        }
    for (size_t kw = 0; kw < p->kernel[2]; ++kw)
        for (size_t kh = 0; kh < p->kernel[1]; ++kh) {
            pair *plane = &planes[(kw * p->kernel[1] + kh) * D];
            for (size_t d = 0; d < D; ++d)
                plane[d] = sum_along(m, 1, kh, &rows[(kw * D + d) * H], 1);
            for (size_t kd = 0; kd < p->kernel[0]; ++kd)
                m->windows[c * m->taps + (kd * p->kernel[1] + kh) * p->kernel[2] + kw] =
                    sum_along(m, 0, kd, plane, 1);
        }
}

/* ---- expected sums ---- */

static pair sum_products(const maker *m, size_t channel) {
    const clconv_problem *p = m->p;
    const size_t in = p->in_channels / p->groups, group = channel / (p->out_channels / p->groups);
    const clconv_type type = clconv_tensor_type(p, CLCONV_WEIGHTS);
    const void *weights = image_tensor(&m->data->images[CLCONV_WEIGHTS]);
    const int last = p->weights_layout == CLCONV_OHWI, flips = p->mode == CLCONV_CONVOLUTION;
    pair total = {0, 0};
    for (size_t c = 0; c < in; ++c)
        for (size_t tap = 0; tap < m->taps; ++tap) {
            size_t at = flips ? m->taps - 1 - tap : tap; /* all axes at once */
            double weight = clconv_element_get(weights, type,
                                               channel * in * m->taps +
                                                   (last ? at * in + c : c * m->taps + at)) -
                            p->weights_zero_point;
            const pair *x = &m->windows[(group * in + c) * m->taps + tap];
            total.sum += weight * x->sum;
            total.magnitude += fabs(weight) * x->magnitude;
        }
    return total;
}

static void add(pair *total, double factor, pair term) {
    total->sum += factor * term.sum;
    total->magnitude += fabs(factor) * term.magnitude;
}

/* Sum of all weights, as if every output were 1. */
static pair sum_of_weights(const maker *m) {
    pair product = {1, 1};
    for (int axis = 0; axis < CLCONV_SPATIAL_AXES; ++axis) {
        pair sum = {0, 0};
        for (size_t o = 0; o < m->out_extent[2 + axis]; ++o)
            add(&sum, m->sums->weights[axis][o], (pair){1, 1});
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
    const double n = case_taps(p) + 5, own = n + (double)count_of(m->out_extent);
    const double u = is_exact ? 0 : facts[p->type].sum, storage = facts[p->type].storage;
    /* Exact data and their sums are multiples of a quarter. */
    double rounding = is_exact && magnitude < 0x1p50 ? 0 : own * 0x1p-52 * magnitude;
    double sums = is_exact ? 0
                           : n * (u / (1 - n * u) + 0x1p-52) * magnitude +
                                 2 * n * facts[p->type].tiny * weights * fmax(1, fabs(p->alpha));
    return (1 + storage) * sums +
           storage * (magnitude + 2 * facts[p->type].storage_tiny * weights) + rounding;
}

static void make_sums(const maker *m, size_t n) {
    const clconv_problem *p = m->p;
    const clconv_type type = clconv_tensor_type(p, CLCONV_OUTPUT);
    const clconv_host_tensors t = case_data_tensors(m->data);
    const pair ones = sum_of_weights(m);
    for (size_t o = 0; o < p->out_channels; ++o) {
        pair total = {0, 0};
        add(&total, p->alpha, sum_products(m, o));
        if (p->has_bias)
            add(&total, clconv_element_get(t.bias, type, o), ones);
        if (p->has_residual)
            add(&total, 1,
                sum_channel(m->sums, m->row, t.residual, type, m->out_extent, m->out_stride, n, o));
        if (p->beta != 0)
            add(&total, p->beta,
                sum_channel(m->sums, m->row, t.output, type, m->out_extent, m->out_stride, n, o));
        m->sums->values[n * p->out_channels + o] = total.sum;
        m->sums->bounds[n * p->out_channels + o] = bound_of(m, total.magnitude, ones.magnitude);
    }
}

/* ---- making ---- */

/* Odd, so that no error of one element can cancel, and with signs, so that sums stay small. */
static clconv_status draw_weights(maker *m, uint64_t seed) {
    static const double choice[] = {-3, -1, 1, 3};
    uint64_t state = seed;
    for (int axis = 0; axis < CLCONV_SPATIAL_AXES; ++axis) {
        size_t count = m->out_extent[2 + axis];
        if (!(m->sums->weights[axis] = malloc(count * sizeof(double))))
            return CLCONV_OUT_OF_MEMORY;
        for (size_t i = 0; i < count; ++i)
            m->sums->weights[axis][i] = choice[random_below(&state, 4)];
    }
    return CLCONV_OK;
}

static clconv_status allocate(maker *m) {
    const clconv_problem *p = m->p;
    m->taps = p->kernel[0] * p->kernel[1] * p->kernel[2];
    m->sums->count = p->batch * p->out_channels;
    m->sums->values = calloc(m->sums->count, sizeof(double));
    m->sums->bounds = calloc(m->sums->count, sizeof(double));
    m->windows = calloc(p->in_channels * m->taps, sizeof *m->windows);
    m->scratch =
        calloc(p->kernel[2] * p->input[0] * (p->input[1] + p->kernel[1]), sizeof *m->scratch);
    m->row = calloc(larger(p->input[2], m->out_extent[4]), sizeof *m->row);
    return m->sums->values && m->sums->bounds && m->windows && m->scratch && m->row
               ? CLCONV_OK
               : CLCONV_OUT_OF_MEMORY;
}

clconv_status checksum_make(checksum *sums, const case_data *data, uint64_t seed) {
    maker m = {.data = data, .p = &data->problem, .sums = sums};
    clconv_status status;
    memset(sums, 0, sizeof *sums);
    if (data->problem.activation != CLCONV_ACTIVATION_NONE)
        return CLCONV_OK;
    if ((status = clconv_tensor_shape(m.in_extent, m.in_stride, m.p, CLCONV_INPUT)) ||
        (status = clconv_tensor_shape(m.out_extent, m.out_stride, m.p, CLCONV_OUTPUT)))
        return status;
    if ((status = draw_weights(&m, seed)) || (status = allocate(&m)))
        goto done;
    for (size_t n = 0; n < m.p->batch; ++n) {
        for (size_t c = 0; c < m.p->in_channels; ++c)
            sum_windows(&m, n, c);
        make_sums(&m, n);
    }
done:
    free(m.windows);
    free(m.scratch);
    free(m.row);
    if (status)
        checksum_free(sums);
    return status;
}

void checksum_free(checksum *sums) {
    free(sums->values);
    free(sums->bounds);
    for (int axis = 0; axis < CLCONV_SPATIAL_AXES; ++axis)
        free(sums->weights[axis]);
    memset(sums, 0, sizeof *sums);
}

/* ---- judging ---- */

clconv_status checksum_worst(double *share, size_t *worst, const checksum *sums,
                             const case_data *data) {
    size_t extent[CLCONV_TENSOR_AXES], stride[CLCONV_TENSOR_AXES];
    const clconv_type type = data->images[CLCONV_OUTPUT].type;
    const unsigned char *result =
        data->result + GUARD_ELEMENTS * data->images[CLCONV_OUTPUT].element;
    clconv_status status = clconv_tensor_shape(extent, stride, &data->problem, CLCONV_OUTPUT);
    *share = 0;
    *worst = 0;
    if (status)
        return status;
    double *row = malloc(extent[4] * sizeof *row);
    if (!row)
        return CLCONV_OUT_OF_MEMORY;
    for (size_t i = 0; i < sums->count; ++i) {
        pair got =
            sum_channel(sums, row, result, type, extent, stride, i / extent[1], i % extent[1]);
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

void checksum_judge(report *r, const checksum *sums, const case_data *data) {
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
        snprintf(r->reason, sizeof r->reason,
                 "the checksum of picture %zu, channel %zu is off by %.3g times its bound on %s "
                 "data",
                 worst / data->problem.out_channels, worst % data->problem.out_channels, share,
                 data_kind_names[data->kind]);
    }
}
