/*
 * The reference's error bound where only one of its parts covers the error: roundings of the
 * epilogue, activations that amplify, flushed subnormals, overflow. And the rounding of the
 * epilogue's factors, which belong to the problem, not to its error.
 */
#include "support/support.h"

/* Unit roundoff of binary32. */
#define ROUNDOFF 0x1p-24

typedef struct judged {
    double value, bound;
} judged;

static judged judge_problem(const clconv_problem *problem, const clconv_host_tensors *tensors) {
    judged result = {NAN, NAN};
    assert_ok(clconv_reference(&result.value, &result.bound, problem, tensors));
    return result;
}

/* ---- roundings of the epilogue ---- */

enum { ALPHA = 1, BIAS = 2, RESIDUAL = 4, BETA = 8, ALL_PARTS = 15 };

/*
 * One product and an epilogue in which every operation loses almost half a unit in the last place
 * of a sum near 1, all in the same direction.
 */
static void check_epilogue_roundings(int parts) {
    const float x = 1 + 0x1p-12f, lost = 0x1p-24f * (1 - 0x1p-10f), alpha = 1 + 1023 * 0x1p-23f;
    float old = lost;
    clconv_problem problem = CLCONV_PROBLEM_INIT;
    problem.alpha = parts & ALPHA ? (double)alpha : 1;
    problem.has_bias = (parts & BIAS) != 0;
    problem.has_residual = (parts & RESIDUAL) != 0;
    problem.beta = parts & BETA ? 1 : 0;
    judged wanted = judge_problem(&problem, &(clconv_host_tensors){&x, &x, &lost, &lost, &old});

    volatile float v = x * x;
    if (parts & ALPHA)
        v = v * alpha;
    if (parts & BIAS)
        v = v + lost;
    if (parts & RESIDUAL)
        v = v + lost;
    if (parts & BETA)
        v = v + lost;
    int losses = 1 + !!(parts & ALPHA) + !!(parts & BIAS) + !!(parts & RESIDUAL) + !!(parts & BETA);
    double error = wanted.value - (double)v;
    assert_true(error > 0.99 * losses * ROUNDOFF);
    if (!(error <= wanted.bound))
        fail_msg("parts %d: the error is %g roundoffs, the bound %g", parts, error / ROUNDOFF,
                 wanted.bound / ROUNDOFF);
    assert_true(wanted.bound <= (losses + 2) * ROUNDOFF);
}

static void test_reference_bound_covers_every_rounding_of_the_epilogue(void **state) {
    (void)state;
    for (int parts = 0; parts <= ALL_PARTS; ++parts)
        check_epilogue_roundings(parts);
}

static void test_reference_bound_grows_with_bias_residual_and_old_output(void **state) {
    static const float one = 1, large = 1000;
    float old = 1000;
    const clconv_host_tensors tensors = {&one, &one, &large, &large, &old};
    (void)state;
    for (int parts = BIAS; parts <= BETA; parts *= 2) {
        clconv_problem problem = CLCONV_PROBLEM_INIT;
        problem.has_bias = parts == BIAS;
        problem.has_residual = parts == RESIDUAL;
        problem.beta = parts == BETA ? -1 : 0;
        judged wanted = judge_problem(&problem, &tensors);
        assert_true(wanted.bound >= 1000 * ROUNDOFF);
        assert_true(wanted.bound <= 4 * 1001 * ROUNDOFF);
    }
}

/* ---- activations that amplify the error of the sum ---- */

enum { TERMS = 2048 };

/* `first` and then terms so small against it that binary32 loses all of them. */
static void make_lossy_sum(float x[TERMS], float first, float last) {
    for (size_t i = 0; i < TERMS; ++i)
        x[i] = first * (float)ROUNDOFF;
    x[0] = first;
    x[TERMS - 1] = last;
}

static float sum_in_float(const float x[TERMS]) {
    volatile float sum = 0;
    for (size_t i = 0; i < TERMS; ++i)
        sum = sum + x[i];
    return sum;
}

static double activate(const clconv_problem *problem, double v) {
    switch (problem->activation) {
    case CLCONV_LEAKY_RELU:
        return v < 0 ? problem->activation_a * v : v;
    case CLCONV_SIGMOID:
        return 1 / (1 + exp(-v));
    case CLCONV_TANH:
        return tanh(v);
    case CLCONV_SILU:
        return v / (1 + exp(-v));
    case CLCONV_GELU:
        return v * (1 + erf(v * sqrt(0.5))) / 2;
    case CLCONV_HARD_SWISH:
        return v * fmin(fmax(v + 3, 0), 6) / 6;
    default:
        return v;
    }
}

/* The last term makes the sum cancel, or is as lost as the others. */
static const struct {
    clconv_activation activation;
    double a;
    float first, last;
} steep_rows[] = {
    {CLCONV_LEAKY_RELU, 1000, -1, 0}, {CLCONV_LEAKY_RELU, -1000, -1, 0},
    {CLCONV_LEAKY_RELU, 0.125, 1, 0}, {CLCONV_SIGMOID, 0, 1, -1},
    {CLCONV_TANH, 0, 1, -1},          {CLCONV_SILU, 0, 2, 0},
    {CLCONV_GELU, 0, 1, 0},           {CLCONV_HARD_SWISH, 0, 2, 0},
};

static void test_reference_bound_covers_amplified_errors(void **state) {
    static float x[TERMS], w[TERMS];
    (void)state;
    for (size_t i = 0; i < TERMS; ++i)
        w[i] = 1;
    for (size_t row = 0; row < COUNT_OF(steep_rows); ++row) {
        clconv_problem problem = CLCONV_PROBLEM_INIT;
        problem.in_channels = TERMS;
        problem.activation = steep_rows[row].activation;
        problem.activation_a = steep_rows[row].a;
        make_lossy_sum(x, steep_rows[row].first, steep_rows[row].last);
        judged wanted = judge_problem(&problem, &(clconv_host_tensors){.input = x, .weights = w});
        double error = fabs(activate(&problem, (double)sum_in_float(x)) - wanted.value);
        assert_true(error > 0);
        if (!(error <= wanted.bound))
            fail_msg("row %zu: the error is %g, the bound %g", row, error, wanted.bound);
    }
}

/* ---- the types ---- */

static void test_reference_bound_has_the_roundoff_of_each_type(void **state) {
    static const struct {
        clconv_type type;
        double roundoff; /* of one product and its way into memory */
    } types[] = {
        {CLCONV_F32, 0x1p-24}, {CLCONV_F64, 0x1p-53}, {CLCONV_F16, 0x1p-11}, {CLCONV_BF16, 0x1p-8}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(types); ++i) {
        clconv_problem problem = CLCONV_PROBLEM_INIT;
        double one;
        problem.type = types[i].type;
        clconv_element_set(&one, types[i].type, 0, 1);
        judged wanted =
            judge_problem(&problem, &(clconv_host_tensors){.input = &one, .weights = &one});
        assert_true(wanted.bound >= types[i].roundoff && wanted.bound <= 3 * types[i].roundoff);
    }
}

/* ---- the ends of the range ---- */

static void test_reference_bound_covers_flushed_subnormals(void **state) {
    static const float x = 0x1p-80f, w = 0x1p-60f;
    clconv_problem problem = CLCONV_PROBLEM_INIT;
    (void)state;
    judged wanted = judge_problem(&problem, &(clconv_host_tensors){.input = &x, .weights = &w});
    assert_true(wanted.value == 0x1p-140);
    assert_true(wanted.bound >= 0x1p-140 && wanted.bound <= 0x1p-120);
}

static void test_reference_bound_covers_flushed_subnormals_in_memory(void **state) {
    static const clconv_type types[] = {CLCONV_F16, CLCONV_BF16};
    static const double smallest_normal[] = {0x1p-14, 0x1p-126};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(types); ++i) {
        clconv_problem problem = CLCONV_PROBLEM_INIT;
        uint16_t x, one;
        problem.type = types[i];
        clconv_element_set(&x, types[i], 0, smallest_normal[i] / 2);
        clconv_element_set(&one, types[i], 0, 1);
        judged wanted =
            judge_problem(&problem, &(clconv_host_tensors){.input = &x, .weights = &one});
        assert_true(wanted.value == smallest_normal[i] / 2);
        assert_true(wanted.bound >= smallest_normal[i] * (i == 0 ? 0x1p-11 : 0x1p-8));
        assert_true(wanted.bound <= smallest_normal[i] * 4);
    }
}

/* What overflows may come out as infinity, from which every number is infinitely far. */
static void test_reference_bound_is_infinite_where_the_type_overflows(void **state) {
    static const struct {
        clconv_type type;
        double x, w;
        bool overflows;
    } rows[] = {
        {CLCONV_F16, 256, 256, true},         {CLCONV_F16, 256, -256, true},
        {CLCONV_F16, 256, 255.875, true},     {CLCONV_F16, 256, 248, false},
        {CLCONV_F32, 0x1p64, 0x1p64, true},   {CLCONV_F32, 0x1p64, 0x1p63, false},
        {CLCONV_BF16, 0x1p64, -0x1p64, true}, {CLCONV_BF16, 0x1p64, 0x1p63, false},
    };
    (void)state;
    for (size_t row = 0; row < COUNT_OF(rows); ++row) {
        clconv_problem problem = CLCONV_PROBLEM_INIT;
        double x, w;
        problem.type = rows[row].type;
        clconv_element_set(&x, problem.type, 0, rows[row].x);
        clconv_element_set(&w, problem.type, 0, rows[row].w);
        judged wanted = judge_problem(&problem, &(clconv_host_tensors){.input = &x, .weights = &w});
        assert_true(wanted.value == rows[row].x * rows[row].w);
        if (!!isinf(wanted.bound) != rows[row].overflows)
            fail_msg("row %zu: the bound is %g", row, wanted.bound);
    }
}

/* ---- factors ---- */

/* Factors are doubles in the problem; kernels get them rounded, and so does the reference. */
static void test_reference_rounds_factors_as_the_arithmetic_does(void **state) {
    static const float one = 1, minus_one = -1;
    float old = 1;
    clconv_problem problem = CLCONV_PROBLEM_INIT;
    (void)state;
    problem.alpha = 0.1;
    problem.beta = 0.7;
    judged wanted = judge_problem(&problem, &(clconv_host_tensors){&one, &one, NULL, NULL, &old});
    assert_true(wanted.value == (double)0.1f + (double)0.7f);

    problem = (clconv_problem)CLCONV_PROBLEM_INIT;
    problem.activation = CLCONV_LEAKY_RELU;
    problem.activation_a = 0.1;
    wanted = judge_problem(&problem, &(clconv_host_tensors){.input = &minus_one, .weights = &one});
    assert_true(wanted.value == -(double)0.1f);

    problem.activation = CLCONV_CLAMP;
    problem.activation_a = 0.2;
    problem.activation_b = 0.3;
    wanted = judge_problem(&problem, &(clconv_host_tensors){.input = &one, .weights = &one});
    assert_true(wanted.value == (double)0.3f);
    wanted = judge_problem(&problem, &(clconv_host_tensors){.input = &minus_one, .weights = &one});
    assert_true(wanted.value == (double)0.2f);
}

static void test_reference_keeps_factors_of_f64(void **state) {
    static const double one = 1;
    clconv_problem problem = CLCONV_PROBLEM_INIT;
    (void)state;
    problem.type = CLCONV_F64;
    problem.alpha = 0.1;
    judged wanted = judge_problem(&problem, &(clconv_host_tensors){.input = &one, .weights = &one});
    assert_true(wanted.value == 0.1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reference_bound_covers_every_rounding_of_the_epilogue),
        cmocka_unit_test(test_reference_bound_grows_with_bias_residual_and_old_output),
        cmocka_unit_test(test_reference_bound_covers_amplified_errors),
        cmocka_unit_test(test_reference_bound_has_the_roundoff_of_each_type),
        cmocka_unit_test(test_reference_bound_covers_flushed_subnormals),
        cmocka_unit_test(test_reference_bound_covers_flushed_subnormals_in_memory),
        cmocka_unit_test(test_reference_bound_is_infinite_where_the_type_overflows),
        cmocka_unit_test(test_reference_rounds_factors_as_the_arithmetic_does),
        cmocka_unit_test(test_reference_keeps_factors_of_f64),
    };
    return run_group(tests);
}
