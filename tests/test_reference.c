/* The reference: worked results, an independent oracle, and the properties of its bound. */
#include "support/generator.h"

#include <float.h>

static clconv_problem parsed(const char *text) {
    clconv_problem problem = CLCONV_PROBLEM_INIT;
    if (clconv_problem_parse(&problem, text))
        fail_msg("%s: %s", text, clconv_last_message());
    return problem;
}

/* ---- worked results ---- */

/* Input and kernel count up from these numbers, element by element. */
typedef struct worked_row {
    const char *text;
    float input_from, weights_from;
    size_t count;
    double expected[9];
} worked_row;

static const worked_row worked_rows[] = {
    {"ic1ih3iw3_oc1kh2kw2", 0, 0, 4, {19, 25, 37, 43}},
    {"ic1ih3iw3_oc1kh2kw2_mode=convolution", 0, 0, 4, {5, 11, 23, 29}},
    {"ic1ih3iw3_oc1kh2kw2_sh3sw2_ph1pw1", 0, 0, 4, {0, 8, 6, 8}},
    {"ic1ih3iw3_oc1kh2kw2_sh9223372036854775807sw4294967296", 0, 0, 1, {19}},
    {"ic1ih1iw5_oc1kh1kw2", 1, 1, 4, {5, 8, 11, 14}},
    {"ic1iw5_oc1kw2_mode=convolution", 1, 1, 4, {4, 7, 10, 13}},
    {"ic1iw5_oc1kw2_dw1", 1, 1, 3, {7, 10, 13}},
    {"ic1iw3_oc1kw2_pw2rw1", 1, 1, 5, {0, 2, 5, 8, 3}},
    {"ic1iw3_oc1kw1_pw1_sw2", 1, 5, 3, {0, 10, 0}},
    {"g2_ic2iw2_oc2kw2", 1, 1, 2, {5, 25}},
    {"g2_ic2iw1_oc4kw1", 1, 1, 4, {1, 2, 6, 8}},
    {"ic1iw3_oc1kw2_alpha=0.5", 1, 1, 2, {2.5, 4}},
    {"ic1iw3_oc1kw2_act=clamp:6:7", 1, 1, 2, {6, 7}},
    {"ic1iw2_oc1kw2_act=leaky_relu:0.25", -3, 1, 1, {-1.75}},
    {"ic1iw2_oc1kw2_act=relu", -3, 1, 1, {0}},
    {"ic1iw2_oc1kw1_act=hard_swish", -3, 1, 2, {0, -1.0 / 3}},
    {"ic2iw2_oc1kw1_layout=nhwc", 1, 1, 2, {5, 11}},
    {"ic2iw2_oc1kw2_weights=ohwi", 1, 1, 1, {1 + 2 * 3 + 3 * 2 + 4 * 4}},
};

static void test_reference_worked_results(void **state) {
    float input[64], weights[64], output[64];
    double actual[64];
    (void)state;
    for (size_t row = 0; row < COUNT_OF(worked_rows); ++row) {
        clconv_problem problem = parsed(worked_rows[row].text);
        clconv_host_tensors tensors = {.input = input, .weights = weights, .output = output};
        for (size_t i = 0; i < COUNT_OF(input); ++i) {
            input[i] = worked_rows[row].input_from + (float)i;
            weights[i] = worked_rows[row].weights_from + (float)i;
        }
        assert_ok(clconv_reference(actual, NULL, &problem, &tensors));
        for (size_t i = 0; i < worked_rows[row].count; ++i)
            if (actual[i] != worked_rows[row].expected[i])
                fail_msg("%s: element %zu is %g instead of %g", worked_rows[row].text, i, actual[i],
                         worked_rows[row].expected[i]);
    }
}

static void test_reference_two_input_channels(void **state) {
    clconv_problem problem = parsed("ic2ih3iw3_oc1kh2kw2");
    float input[18], weights[8];
    double actual[4];
    clconv_host_tensors tensors = {.input = input, .weights = weights};
    static const double expected[] = {56, 72, 104, 120};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(input); ++i)
        input[i] = (float)(i % 9 + i / 9);
    for (size_t i = 0; i < COUNT_OF(weights); ++i)
        weights[i] = (float)(i % 4 + i / 4);
    assert_ok(clconv_reference(actual, NULL, &problem, &tensors));
    assert_memory_equal(actual, expected, sizeof expected);
}

static void test_reference_one_by_one_kernel_is_matrix_product(void **state) {
    enum { IN = 5, OUT = 3, PIXELS = 12 };
    clconv_problem problem = parsed("ic5ih3iw4_oc3kh1kw1");
    float input[IN][PIXELS], weights[OUT][IN];
    double actual[OUT][PIXELS];
    clconv_host_tensors tensors = {.input = input, .weights = weights};
    uint64_t random = 3;
    (void)state;
    for (size_t i = 0; i < IN * PIXELS; ++i)
        input[i / PIXELS][i % PIXELS] = (float)random_below(&random, 100);
    for (size_t i = 0; i < OUT * IN; ++i)
        weights[i / IN][i % IN] = (float)random_below(&random, 100);
    assert_ok(clconv_reference(&actual[0][0], NULL, &problem, &tensors));
    for (size_t o = 0; o < OUT; ++o)
        for (size_t pixel = 0; pixel < PIXELS; ++pixel) {
            double sum = 0;
            for (size_t i = 0; i < IN; ++i)
                sum += (double)weights[o][i] * (double)input[i][pixel];
            assert_true(actual[o][pixel] == sum);
        }
}

static void test_reference_zero_points(void **state) {
    clconv_problem problem = parsed("ic1iw2_oc1kw2_pw1_type=u8_xzp=128_wzp=-1_bias");
    static const uint8_t input[] = {0, 255};
    static const int8_t weights[] = {-128, 127};
    static const int32_t bias[] = {1000};
    double actual[3], bound[3];
    clconv_host_tensors tensors = {.input = input, .weights = weights, .bias = bias};
    (void)state;
    assert_ok(clconv_reference(actual, bound, &problem, &tensors));
    assert_true(actual[0] == 1000 + -128 * 128);
    assert_true(actual[1] == 1000 + -128 * -127 + 127 * 128);
    assert_true(actual[2] == 1000 + 127 * -127);
    assert_true(bound[0] == 0 && bound[1] == 0 && bound[2] == 0);
}

static void test_reference_epilogue_order(void **state) {
    clconv_problem problem =
        parsed("ic1iw1_oc1kw1_bias_residual_alpha=2_beta=-3_act=leaky_relu:10");
    static const float input = 5, weights = 7, bias = 11, residual = 13;
    float output = 100;
    double actual;
    clconv_host_tensors tensors = {&input, &weights, &bias, &residual, &output};
    (void)state;
    assert_ok(clconv_reference(&actual, NULL, &problem, &tensors));
    assert_true(actual == 10 * (2 * 35 + 11 + 13 - 300));
    assert_true(output == 100);
}

/* ---- the oracle: the header's formulas in long double, one output at a time ---- */

static size_t at_index(const clconv_problem *p, const size_t view[], const size_t extent[],
                       const size_t at[]) {
    size_t is_view = 0, index = 0;
    for (size_t axis = 0; axis < CLCONV_TENSOR_AXES; ++axis)
        is_view |= view[axis];
    if (is_view) {
        for (size_t axis = 0; axis < CLCONV_TENSOR_AXES; ++axis)
            index += at[axis] * view[axis];
        return index;
    }
    if (p->layout == CLCONV_NCHW)
        return (((at[0] * extent[1] + at[1]) * extent[2] + at[2]) * extent[3] + at[3]) * extent[4] +
               at[4];
    return (((at[0] * extent[2] + at[2]) * extent[3] + at[3]) * extent[4] + at[4]) * extent[1] +
           at[1];
}

/* Input element, or zero in the padding; position counts from the first element of the padding. */
static long double oracle_input(const clconv_problem *p, const void *data, size_t n, size_t c,
                                const size_t position[]) {
    const size_t extent[] = {p->batch, p->in_channels, p->input[0], p->input[1], p->input[2]};
    size_t at[CLCONV_TENSOR_AXES] = {n, c};
    for (size_t axis = 0; axis < CLCONV_SPATIAL_AXES; ++axis) {
        if (position[axis] < p->pad_begin[axis] ||
            position[axis] - p->pad_begin[axis] >= p->input[axis])
            return 0;
        at[axis + 2] = position[axis] - p->pad_begin[axis];
    }
    return (long double)clconv_element_get(data, p->type,
                                           at_index(p, p->input_strides, extent, at)) -
           p->input_zero_point;
}

static long double oracle_weight(const clconv_problem *p, const void *data, size_t o, size_t i,
                                 const size_t tap[]) {
    size_t in = p->in_channels / p->groups, k[CLCONV_SPATIAL_AXES], index;
    for (size_t axis = 0; axis < CLCONV_SPATIAL_AXES; ++axis)
        k[axis] = p->mode == CLCONV_CONVOLUTION ? p->kernel[axis] - 1 - tap[axis] : tap[axis];
    if (p->weights_layout == CLCONV_OIHW)
        index = (((o * in + i) * p->kernel[0] + k[0]) * p->kernel[1] + k[1]) * p->kernel[2] + k[2];
    else
        index = (((o * p->kernel[0] + k[0]) * p->kernel[1] + k[1]) * p->kernel[2] + k[2]) * in + i;
    clconv_type type = is_integer_type(p->type) ? CLCONV_S8 : p->type;
    return (long double)clconv_element_get(data, type, index) - p->weights_zero_point;
}

typedef struct oracle_result {
    long double value;
    long double magnitude; /* of all terms */
} oracle_result;

static void add_term(oracle_result *result, long double term) {
    result->value += term;
    result->magnitude += fabsl(term);
}

static oracle_result oracle_sum(const clconv_problem *p, const clconv_host_tensors *t, size_t n,
                                size_t o, const size_t out[]) {
    oracle_result sum = {0, 0};
    size_t in = p->in_channels / p->groups, group = o / (p->out_channels / p->groups);
    size_t k[CLCONV_SPATIAL_AXES], position[CLCONV_SPATIAL_AXES];
    for (size_t i = 0; i < in; ++i)
        for (k[0] = 0; k[0] < p->kernel[0]; ++k[0])
            for (k[1] = 0; k[1] < p->kernel[1]; ++k[1])
                for (k[2] = 0; k[2] < p->kernel[2]; ++k[2]) {
                    for (size_t axis = 0; axis < CLCONV_SPATIAL_AXES; ++axis)
                        position[axis] = out[axis] * p->stride[axis] + k[axis] * p->dilation[axis];
                    add_term(&sum, oracle_input(p, t->input, n, group * in + i, position) *
                                       oracle_weight(p, t->weights, o, i, k));
                }
    return sum;
}

static long double oracle_activation(const clconv_problem *p, long double v) {
    long double a = p->activation_a, b = p->activation_b;
    switch (p->activation) {
    case CLCONV_ACTIVATION_NONE:
        return v;
    case CLCONV_RELU:
        return fmaxl(v, 0);
    case CLCONV_CLAMP:
        return fminl(fmaxl(v, a), b);
    case CLCONV_LEAKY_RELU:
        return v < 0 ? a * v : v;
    case CLCONV_SIGMOID:
        return 1 / (1 + expl(-v));
    case CLCONV_TANH:
        return tanhl(v);
    case CLCONV_SILU:
        return v / (1 + expl(-v));
    case CLCONV_GELU:
        return v * (1 + erfl(v / sqrtl(2))) / 2;
    case CLCONV_HARD_SWISH:
        return v * fminl(fmaxl(v + 3, 0), 6) / 6;
    }
    return NAN;
}

static oracle_result oracle(const clconv_problem *p, const clconv_host_tensors *t, size_t n,
                            size_t o, const size_t out[], const size_t extent[]) {
    clconv_type type = is_integer_type(p->type) ? CLCONV_S32 : p->type;
    const size_t at[] = {n, o, out[0], out[1], out[2]};
    size_t index = at_index(p, p->output_strides, extent, at);
    oracle_result result = oracle_sum(p, t, n, o, out);
    result.value *= p->alpha;
    result.magnitude *= fabs(p->alpha);
    if (p->has_bias)
        add_term(&result, clconv_element_get(t->bias, type, o));
    if (p->has_residual)
        add_term(&result, clconv_element_get(t->residual, type, index));
    if (p->beta != 0)
        add_term(&result, (long double)p->beta * clconv_element_get(t->output, type, index));
    result.value = oracle_activation(p, result.value);
    return result;
}

/* How far double sums of the same terms may be from long double ones. */
static double double_tolerance(const clconv_problem *p, const oracle_result *wanted) {
    double terms =
        (double)(p->in_channels / p->groups * p->kernel[0] * p->kernel[1] * p->kernel[2]);
    double lipschitz = fmax(1.5, fabs(p->activation_a));
    return DBL_EPSILON *
           (lipschitz * (terms + 8) * (double)wanted->magnitude + 8 * fabs((double)wanted->value));
}

static bool element_agrees(const clconv_problem *p, filling fill, const oracle_result *wanted,
                           double actual, double bound) {
    clconv_type type = clconv_tensor_type(p, CLCONV_OUTPUT);
    bool exact = is_integer_type(p->type) || (fill == SMALL_INTEGERS && is_exact_on_integers(p));
    double tolerance = exact ? 0 : double_tolerance(p, wanted);
    bool bound_sane = is_integer_type(p->type) ? bound == 0 : bound > 0 && isfinite(bound);
    return fabsl((long double)actual - wanted->value) <= tolerance && bound_sane &&
           fabs(stored(type, actual) - actual) <= bound;
}

static void check_against_oracle(const clconv_problem *p, const tensor_set *set, filling fill) {
    clconv_host_tensors tensors = host_tensors(set);
    expectation reference = make_expectation(p, set);
    const size_t *extent = set->tensors[CLCONV_OUTPUT].extent;
    size_t index = 0, out[CLCONV_SPATIAL_AXES];
    for (size_t n = 0; n < extent[0]; ++n)
        for (size_t o = 0; o < extent[1]; ++o)
            for (out[0] = 0; out[0] < extent[2]; ++out[0])
                for (out[1] = 0; out[1] < extent[3]; ++out[1])
                    for (out[2] = 0; out[2] < extent[4]; ++out[2], ++index) {
                        oracle_result wanted = oracle(p, &tensors, n, o, out, extent);
                        if (element_agrees(p, fill, &wanted, reference.values[index],
                                           reference.bounds[index]))
                            continue;
                        char text[CLCONV_PROBLEM_TEXT_SIZE] = "";
                        (void)clconv_problem_format(text, sizeof text, p);
                        fail_msg("%s: element %zu is %.17g within %g instead of %.17Lg", text,
                                 index, reference.values[index], reference.bounds[index],
                                 wanted.value);
                    }
    free_expectation(&reference);
}

static void compare_random_problems(filling fill, size_t count) {
    uint64_t random = environment_number("CLCONV_TEST_SEED", 20240601);
    print_message("seed %llu\n", (unsigned long long)random);
    for (size_t i = 0; i < count; ++i) {
        clconv_problem problem = CLCONV_PROBLEM_INIT;
        tensor_set set;
        random_meaning(&problem, &random);
        random_geometry(&problem, &random, SMALL_WORK);
        make_tensors(&set, &problem, &random, fill);
        check_against_oracle(&problem, &set, fill);
        free_tensors(&set);
    }
}

static void test_reference_random_reals_agree_with_oracle(void **state) {
    (void)state;
    compare_random_problems(REALS, 600);
}

static void test_reference_random_integers_agree_with_oracle(void **state) {
    (void)state;
    compare_random_problems(SMALL_INTEGERS, 600);
}

static void test_reference_convolution_is_correlation_with_flipped_kernel(void **state) {
    clconv_problem problem = parsed("ic2id3ih4iw5_oc3kd2kh3kw2_pd1ph0pw1_mode=convolution");
    tensor_set set;
    uint64_t random = 5;
    (void)state;
    make_tensors(&set, &problem, &random, REALS);
    expectation flipped = make_expectation(&problem, &set);
    float *weights = (float *)set.tensors[CLCONV_WEIGHTS].data;
    for (size_t filter = 0; filter < 6; ++filter)
        for (size_t i = 0; i < 6; ++i) {
            float swapped = weights[filter * 12 + i];
            weights[filter * 12 + i] = weights[filter * 12 + 11 - i];
            weights[filter * 12 + 11 - i] = swapped;
        }
    problem.mode = CLCONV_CROSS_CORRELATION;
    expectation plain = make_expectation(&problem, &set);
    for (size_t i = 0; i < set.tensors[CLCONV_OUTPUT].count; ++i)
        assert_true(plain.values[i] == flipped.values[i]);
    free_expectation(&flipped);
    free_expectation(&plain);
    free_tensors(&set);
}

/* ---- the bound ---- */

/* Value and bound of one dot product of `count` terms with kernel 1. */
static void dot_product(double *value, double *bound, const float *x, const float *w,
                        size_t count) {
    clconv_problem problem = CLCONV_PROBLEM_INIT;
    clconv_host_tensors tensors = {.input = x, .weights = w};
    problem.in_channels = count;
    assert_ok(clconv_reference(value, bound, &problem, &tensors));
}

static float sum_forward(const float *x, const float *w, size_t count) {
    volatile float sum = 0;
    for (size_t i = 0; i < count; ++i) {
        volatile float product = x[i] * w[i];
        sum = sum + product;
    }
    return sum;
}

static float sum_backward(const float *x, const float *w, size_t count) {
    volatile float sum = 0;
    for (size_t i = count; i-- > 0;) {
        volatile float product = x[i] * w[i];
        sum = sum + product;
    }
    return sum;
}

static float sum_pairwise(const float *x, const float *w, size_t count) {
    if (count == 1)
        return x[0] * w[0];
    size_t half = count / 2;
    return sum_pairwise(x, w, half) + sum_pairwise(x + half, w + half, count - half);
}

static float sum_fused(const float *x, const float *w, size_t count) {
    float sum = 0;
    for (size_t i = 0; i < count; ++i)
        sum = fmaf(x[i], w[i], sum);
    return sum;
}

static void check_summations(const float *x, const float *w, size_t count) {
    float (*const sums[])(const float *, const float *, size_t) = {sum_forward, sum_backward,
                                                                   sum_pairwise, sum_fused};
    double value, bound, magnitude = 0;
    dot_product(&value, &bound, x, w, count);
    for (size_t i = 0; i < COUNT_OF(sums); ++i)
        assert_true(fabs((double)sums[i](x, w, count) - value) <= bound);
    for (size_t i = 0; i < count; ++i)
        magnitude += fabs((double)x[i] * (double)w[i]);
    assert_true(bound <= 2 * (double)(count + 8) * 0x1p-24 * magnitude + 0x1p-100);
}

enum { LONGEST = 4096 };

static void test_reference_bound_covers_every_summation_order(void **state) {
    static float x[LONGEST], w[LONGEST];
    uint64_t random = 11;
    (void)state;
    for (size_t count = 1; count <= LONGEST; count = count * 3 / 2 + 1) {
        for (size_t i = 0; i < count; ++i) {
            x[i] = (float)(random_real(&random) * ldexp(1, (int)random_below(&random, 12)));
            w[i] = (float)random_real(&random);
        }
        check_summations(x, w, count);
    }
}

/* Each term is half a unit of the sum and gets lost: the error is as large as it can be. */
static void test_reference_bound_covers_worst_summation(void **state) {
    static float x[LONGEST], w[LONGEST];
    double value, bound;
    (void)state;
    for (size_t i = 0; i < LONGEST; ++i) {
        x[i] = i ? 0x1p-24f : 1;
        w[i] = 1;
    }
    check_summations(x, w, LONGEST);
    dot_product(&value, &bound, x, w, LONGEST);
    double error = value - (double)sum_forward(x, w, LONGEST);
    assert_true(error > 0.9 * LONGEST * 0x1p-24 && error <= bound);
}

static void test_reference_bound_grows_with_terms(void **state) {
    static float x[LONGEST], w[LONGEST];
    double value, bound, before = 0;
    (void)state;
    for (size_t count = 1; count <= LONGEST; count *= 2) {
        for (size_t i = 0; i < count; ++i) {
            x[i] = 1;
            w[i] = 1.0f / (float)count;
        }
        dot_product(&value, &bound, x, w, count);
        assert_true(value == 1);
        assert_true(bound > before);
        before = bound;
    }
}

static float evaluate_in_float(clconv_activation activation, float v) {
    switch (activation) {
    case CLCONV_SIGMOID:
        return 1 / (1 + expf(-v));
    case CLCONV_TANH:
        return tanhf(v);
    case CLCONV_SILU:
        return v * (1 / (1 + expf(-v)));
    case CLCONV_GELU:
        return v * (1 + erff(v * 0.70710678f)) / 2;
    case CLCONV_HARD_SWISH:
        return v * fminf(fmaxf(v + 3, 0), 6) / 6;
    default:
        return v;
    }
}

static void test_reference_bound_covers_activations_in_float(void **state) {
    (void)state;
    for (int activation = CLCONV_SIGMOID; activation <= CLCONV_HARD_SWISH; ++activation)
        for (int step = -4000; step <= 4000; ++step) {
            clconv_problem problem = CLCONV_PROBLEM_INIT;
            float x = (float)step * 0.0251f, w = 1;
            clconv_host_tensors tensors = {.input = &x, .weights = &w};
            double value, bound;
            problem.activation = (clconv_activation)activation;
            assert_ok(clconv_reference(&value, &bound, &problem, &tensors));
            double actual = (double)evaluate_in_float(problem.activation, x);
            if (!(fabs(actual - value) <= bound))
                fail_msg("activation %d of %g: %.9g, reference %.17g within %g", activation,
                         (double)x, actual, value, bound);
            assert_true(bound <= 64 * 0x1p-24 * (fabs((double)x) + fabs(value)) + 0x1p-100);
        }
}

static void test_reference_bound_of_storage_types(void **state) {
    static const struct {
        clconv_type type;
        double roundoff;
    } rows[] = {{CLCONV_F16, 0x1p-11}, {CLCONV_BF16, 0x1p-8}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); ++i) {
        clconv_problem problem = CLCONV_PROBLEM_INIT;
        uint16_t x, w;
        clconv_host_tensors tensors = {.input = &x, .weights = &w};
        double value, bound;
        problem.type = rows[i].type;
        clconv_element_set(&x, problem.type, 0, 1 + rows[i].roundoff * 2);
        clconv_element_set(&w, problem.type, 0, 1.5);
        assert_ok(clconv_reference(&value, &bound, &problem, &tensors));
        assert_true(value == 1.5 * (1 + rows[i].roundoff * 2));
        assert_in_range((size_t)(bound / rows[i].roundoff * 100), 150, 152);
    }
}

/* ---- arguments ---- */

static void test_reference_null_arguments(void **state) {
    clconv_problem problem = parsed("ic1iw1_oc1kw1_bias_residual_beta=1");
    static const float one = 1;
    float old = 1;
    double output = 77, bound = 78;
    const clconv_host_tensors full = {&one, &one, &one, &one, &old};
    (void)state;
    assert_fails(clconv_reference(NULL, &bound, &problem, &full), CLCONV_INVALID_ARGUMENT,
                 "output");
    assert_fails(clconv_reference(&output, &bound, NULL, &full), CLCONV_INVALID_ARGUMENT,
                 "problem");
    assert_fails(clconv_reference(&output, &bound, &problem, NULL), CLCONV_INVALID_ARGUMENT,
                 "tensors");
    for (size_t i = 0; i < TENSOR_COUNT; ++i) {
        clconv_host_tensors tensors = without_tensor(full, i);
        assert_fails(clconv_reference(&output, &bound, &problem, &tensors), CLCONV_INVALID_ARGUMENT,
                     tensor_name(i));
    }
    assert_true(output == 77 && bound == 78);
    assert_ok(clconv_reference(&output, NULL, &problem, &full));
    assert_true(output == 4);
}

static void test_reference_invalid_problem_leaves_outputs(void **state) {
    clconv_problem problem = CLCONV_PROBLEM_INIT;
    static const float one = 1;
    double output = 77, bound = 78;
    clconv_host_tensors tensors = {.input = &one, .weights = &one};
    (void)state;
    problem.kernel[CLCONV_H] = 2;
    assert_fails(clconv_reference(&output, &bound, &problem, &tensors), CLCONV_INVALID_PROBLEM,
                 "kernel");
    assert_true(output == 77 && bound == 78);
}

static void test_reference_old_output_is_not_read_without_beta(void **state) {
    clconv_problem problem = CLCONV_PROBLEM_INIT;
    static const float three = 3;
    float old = NAN;
    double output;
    clconv_host_tensors tensors = {.input = &three, .weights = &three, .output = &old};
    (void)state;
    assert_ok(clconv_reference(&output, NULL, &problem, &tensors));
    assert_true(output == 9);
    assert_true(isnan(old));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reference_worked_results),
        cmocka_unit_test(test_reference_two_input_channels),
        cmocka_unit_test(test_reference_one_by_one_kernel_is_matrix_product),
        cmocka_unit_test(test_reference_zero_points),
        cmocka_unit_test(test_reference_epilogue_order),
        cmocka_unit_test(test_reference_random_reals_agree_with_oracle),
        cmocka_unit_test(test_reference_random_integers_agree_with_oracle),
        cmocka_unit_test(test_reference_convolution_is_correlation_with_flipped_kernel),
        cmocka_unit_test(test_reference_bound_covers_every_summation_order),
        cmocka_unit_test(test_reference_bound_covers_worst_summation),
        cmocka_unit_test(test_reference_bound_grows_with_terms),
        cmocka_unit_test(test_reference_bound_covers_activations_in_float),
        cmocka_unit_test(test_reference_bound_of_storage_types),
        cmocka_unit_test(test_reference_null_arguments),
        cmocka_unit_test(test_reference_invalid_problem_leaves_outputs),
        cmocka_unit_test(test_reference_old_output_is_not_read_without_beta),
    };
    return run_group(tests);
}
