#include "judge.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- expectations ---- */

void expectation_free(expected_output *expected) {
    free(expected->values);
    free(expected->bounds);
    free(expected->places);
    memset(expected, 0, sizeof *expected);
}

clconv_status expectation_allocate(expected_output *expected, size_t count, int has_places) {
    memset(expected, 0, sizeof *expected);
    expected->count = count;
    expected->values = calloc(count, sizeof *expected->values);
    expected->bounds = calloc(count, sizeof *expected->bounds);
    expected->places = has_places ? calloc(count, sizeof *expected->places) : NULL;
    if (expected->values && expected->bounds && (expected->places || !has_places))
        return CLCONV_OK;
    expectation_free(expected);
    return CLCONV_OUT_OF_MEMORY;
}

static clconv_status count_computed(size_t *count, const clconv_problem *p) {
    size_t extent[CLCONV_TENSOR_AXES], stride[CLCONV_TENSOR_AXES];
    clconv_status status = CLCONV_OK;
    *count = 0;
    for (int t = 0; t < TENSORS && !status; ++t)
        if (clconv_tensor_is_computed(p, (clconv_tensor)t) &&
            !(status = clconv_tensor_shape(extent, stride, p, (clconv_tensor)t)))
            *count += count_of(extent);
    return status;
}

clconv_status expectation_make(expected_output *expected, const case_data *data) {
    clconv_host_tensors tensors = case_data_tensors(data);
    clconv_status status;
    size_t count;
    memset(expected, 0, sizeof *expected);
    if ((status = count_computed(&count, &data->problem)) ||
        (status = expectation_allocate(expected, count, 0)))
        return status;
    status = clconv_reference(expected->values, expected->bounds, &data->problem, &tensors);
    if (status)
        expectation_free(expected);
    for (size_t i = 0; i < expected->count; ++i)
        expected->nonzero += expected->values[i] != 0;
    return status;
}

/* ---- the two measures ---- */

/* Unit roundoffs of sums and of storage; storage also has a smallest step. */
static const struct {
    double sum, storage, storage_tiny;
} arithmetic[] = {
    [CLCONV_F32] = {0x1p-24, 0, 0},
    [CLCONV_F64] = {0x1p-53, 0, 0},
    [CLCONV_F16] = {0x1p-24, 0x1p-11, 0x1p-14},
    [CLCONV_BF16] = {0x1p-24, 0x1p-8, 0x1p-126},
};

/*
 * The bound is B + storage*(|value| + B + 2 tiny), and all but a little of B is L*n*u*S. Rounding
 * errors that are independent and have mean 0 stay below lambda*sqrt(n)*u*S instead, with a chance
 * of at most 2n*exp(-lambda^2/2) of failing (Higham and Mary, "A new approach to probabilistic
 * rounding error analysis", SIAM J. Sci. Comput. 41(5), 2019). Here lambda is 6; 50 more units
 * cover the evaluation of an activation, which is not such a sum.
 */
double alarm_scale(const clconv_problem *p, double bound, double value) {
    enum { LAMBDA = 6, EVALUATION = 50, EPILOGUE = 5 };
    const double n = case_taps(p) + EPILOGUE, u = arithmetic[p->type].sum;
    const double storage = arithmetic[p->type].storage, tiny = arithmetic[p->type].storage_tiny;
    const double sums = (bound - storage * (fabs(value) + 2 * tiny)) / (1 + storage);
    const double units = LAMBDA * sqrt(n) + (p->activation > CLCONV_CLAMP ? EVALUATION : 0);
    if (!isfinite(bound) || units >= n)
        return bound;
    const double offset = p->activation > CLCONV_CLAMP ? 16 * u : 0;
    return fmin(bound, sums * units / n + offset + (bound - sums));
}

/* A float's numbers in order, as integers; both zeros are one. */
static int64_t order_of(clconv_type type, double value) {
    union {
        unsigned char bytes[8];
        uint64_t u64;
        uint32_t u32;
        uint16_t u16;
    } bits = {.u64 = 0};
    if (type == CLCONV_S8 || type == CLCONV_U8 || type == CLCONV_S32)
        return (int64_t)value;
    clconv_element_set(bits.bytes, type, 0, value);
    const size_t size = clconv_type_size(type);
    uint64_t pattern = size == 8 ? bits.u64 : size == 4 ? bits.u32 : bits.u16;
    uint64_t sign = (uint64_t)1 << (8 * size - 1);
    return pattern & sign ? -(int64_t)(pattern ^ sign) : (int64_t)pattern;
}

uint64_t ulp_distance(clconv_type type, double a, double b) {
    if (isnan(a) || isnan(b))
        return UINT64_MAX;
    int64_t x = order_of(type, a), y = order_of(type, b);
    return x < y ? (uint64_t)y - (uint64_t)x : (uint64_t)x - (uint64_t)y;
}

typedef struct ulp_search {
    const unsigned char *a, *b;
    clconv_type type;
    uint64_t largest;
} ulp_search;

static void measure_ulps(void *context, size_t dense, size_t in_memory) {
    ulp_search *s = context;
    uint64_t distance = ulp_distance(s->type, clconv_element_get(s->a, s->type, in_memory),
                                     clconv_element_get(s->b, s->type, in_memory));
    (void)dense;
    s->largest = distance > s->largest ? distance : s->largest;
}

uint64_t largest_ulp_distance(const case_data *data, const unsigned char *a,
                              const unsigned char *b) {
    size_t extent[CLCONV_TENSOR_AXES], stride[CLCONV_TENSOR_AXES];
    ulp_search s = {.largest = 0};
    for (int t = 0; t < TENSORS; ++t) {
        const size_t first =
            case_result_offset(data, (clconv_tensor)t) + GUARD_ELEMENTS * data->images[t].element;
        if (!clconv_tensor_is_computed(&data->problem, (clconv_tensor)t) ||
            clconv_tensor_shape(extent, stride, &data->problem, (clconv_tensor)t))
            continue;
        s.a = a + first;
        s.b = b + first;
        s.type = data->images[t].type;
        visit_elements(extent, stride, measure_ulps, &s);
    }
    return s.largest;
}

/* ---- elements ---- */

typedef struct element {
    double got, expected, bound, alarm;
    double share, alarm_share;
} element;

/* Error as a share of a measure; above 1 is too much. */
static double share_of(double got, double expected, double measure) {
    double error = fabs(got - expected);
    if (got == expected || (isinf(measure) && !isnan(got)))
        return 0;
    return error <= HUGE_VAL && measure > 0 ? error / measure : INFINITY;
}

typedef struct judging {
    const case_data *data;
    const unsigned char *result;
    const expected_output *expected;
    size_t extent[CLCONV_TENSOR_AXES], stride[CLCONV_TENSOR_AXES];
    size_t before; /* elements of tensors before this one */
    clconv_type type;
    judgement *verdict;
} judging;

static clconv_status begin(judging *j, const case_data *data, clconv_tensor tensor,
                           const unsigned char *result, const expected_output *expected) {
    j->data = data;
    j->result =
        result + case_result_offset(data, tensor) + GUARD_ELEMENTS * data->images[tensor].element;
    j->expected = expected;
    j->type = data->images[tensor].type;
    return clconv_tensor_shape(j->extent, j->stride, &data->problem, tensor);
}

static element look_at(const judging *j, size_t index, size_t in_memory) {
    element e = {.got = clconv_element_get(j->result, j->type, in_memory),
                 .expected = j->expected->values[index],
                 .bound = j->expected->bounds[index]};
    if (j->data->kind == DATA_EXACT) {
        double rounded[1];
        clconv_element_set(rounded, j->type, 0, e.expected);
        e.expected = clconv_element_get(rounded, j->type, 0);
        e.bound = 0;
    }
    e.share = share_of(e.got, e.expected, e.bound);
    e.alarm = e.bound;
    if (j->data->kind != DATA_EXACT && !j->expected->has_no_alarm)
        e.alarm = alarm_scale(&j->data->problem, e.bound, e.expected);
    e.alarm_share = e.share > 0 ? share_of(e.got, e.expected, e.alarm) : 0;
    return e;
}

static void judge_element(judging *j, size_t index, size_t dense, size_t in_memory) {
    judgement *v = j->verdict;
    element e = look_at(j, index, in_memory);
    int is_wrong = !(e.share <= 1), is_suspicious = !is_wrong && !(e.alarm_share <= 1);
    if ((is_wrong || is_suspicious) && !v->wrong && !v->suspicious)
        v->first = dense;
    v->wrong += (size_t)is_wrong;
    v->suspicious += (size_t)is_suspicious;
    v->unbounded += (size_t) !!isinf(e.bound);
    v->alarm_share = fmax(v->alarm_share, e.alarm_share);
    if (v->judged++ == 0 || e.share > v->share) {
        v->share = e.share;
        v->worst = dense;
        v->got = e.got;
        v->expected = e.expected;
        v->bound = e.bound;
        v->alarm = e.alarm;
    }
}

static void judge_visited(void *context, size_t dense, size_t in_memory) {
    judging *j = context;
    judge_element(j, j->before + dense, j->before + dense, in_memory);
}

static void judge_places(judging *j) {
    const expected_output *expected = j->expected;
    for (size_t i = 0; i < expected->count; ++i) {
        size_t place[CLCONV_TENSOR_AXES], dense = expected->places[i];
        if (dense < j->before || dense - j->before >= count_of(j->extent))
            continue; /* of another tensor */
        place_of(place, j->extent, dense - j->before);
        judge_element(j, i, dense, index_of(place, j->stride));
    }
}

clconv_status judge(judgement *verdict, const case_data *data, const unsigned char *result,
                    const expected_output *expected) {
    judging j = {.verdict = verdict};
    clconv_status status = CLCONV_OK;
    memset(verdict, 0, sizeof *verdict);
    for (int t = 0; t < TENSORS; ++t) {
        if (!clconv_tensor_is_computed(&data->problem, (clconv_tensor)t))
            continue;
        if ((status = begin(&j, data, (clconv_tensor)t, result, expected)))
            return status;
        if (expected->places)
            judge_places(&j);
        else
            visit_elements(j.extent, j.stride, judge_visited, &j);
        j.before += count_of(j.extent);
    }
    verdict->ulps = ulp_distance(j.type, verdict->got, verdict->expected);
    return CLCONV_OK;
}

/* ---- pictures ---- */

static cell cell_of(const judging *j, const size_t place[CLCONV_TENSOR_AXES]) {
    size_t dense = 0;
    for (int axis = 0; axis < CLCONV_TENSOR_AXES; ++axis) {
        if (place[axis] >= j->extent[axis])
            return CELL_OUTSIDE;
        dense = dense * j->extent[axis] + place[axis];
    }
    element e = look_at(j, dense, index_of(place, j->stride));
    if (isnan(e.got) && !isnan(e.expected))
        return CELL_NAN;
    return !(e.share <= 1) ? CELL_WRONG : !(e.alarm_share <= 1) ? CELL_SUSPICIOUS : CELL_RIGHT;
}

/* First index of a window of `size` around `centre` that shows as much as there is. */
static size_t window_start(size_t centre, size_t size, size_t extent) {
    size_t first = centre > size / 2 ? centre - size / 2 : 0;
    size_t last = extent > size ? extent - size : 0;
    return first < last ? first : last;
}

clconv_status look_around(neighbourhood *view, const case_data *data, const unsigned char *result,
                          const expected_output *expected, size_t dense) {
    judging j = {0};
    size_t place[CLCONV_TENSOR_AXES];
    memset(view, 0, sizeof *view);
    clconv_status status = begin(&j, data, case_computed(&data->problem), result, expected);
    if (status || expected->places || dense >= count_of(j.extent))
        return status ? status : CLCONV_UNSUPPORTED;
    place_of(place, j.extent, dense);
    place[3] = window_start(place[3], VIEW_ROWS, j.extent[3]);
    place[4] = window_start(place[4], VIEW_COLUMNS, j.extent[4]);
    memcpy(view->place, place, sizeof place);
    for (size_t h = 0; h < VIEW_ROWS; ++h)
        for (size_t w = 0; w < VIEW_COLUMNS; ++w) {
            place[3] = view->place[3] + h;
            place[4] = view->place[4] + w;
            view->cells[h][w] = (unsigned char)cell_of(&j, place);
        }
    return CLCONV_OK;
}
