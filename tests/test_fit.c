#include "fit.h"

#include "support.h"

/* A layer of which the target was made; with more outputs than parameters it is the only answer. */
typedef struct layer {
    clconv_device *device;
    clconv_problem problem;
    float input[2 * 4 * 9 * 8];
    float weights[6 * 2 * 3 * 3];
    float bias[6];
    float target[2 * 6 * 5 * 8];
} layer;

static void fill(float *values, size_t count, unsigned seed) {
    for (size_t i = 0; i < count; i++) {
        seed = seed * 1664525u + 1013904223u;
        values[i] = (float)(seed >> 16) / 32768.0f - 1.0f;
    }
}

static int make_layer(void **state) {
    static layer l;
    clconv_plan *plan = NULL;
    l = (layer){.problem = CLCONV_PROBLEM_INIT};
    fill(l.input, sizeof l.input / sizeof l.input[0], 1);
    fill(l.weights, sizeof l.weights / sizeof l.weights[0], 2);
    fill(l.bias, 6, 3);
    assert_ok(clconv_problem_parse(
        &l.problem, "mb2_g2_ic4ih9iw8_oc6kh3kw3_sh2sw1_ph1pw1_bias_mode=convolution"));
    assert_ok(clconv_device_open(&l.device, "host"));
    assert_ok(clconv_plan_create(&plan, l.device, &l.problem, NULL));
    assert_ok(clconv_plan_run(
        plan, &(clconv_host_tensors){
                  .input = l.input, .weights = l.weights, .bias = l.bias, .output = l.target}));
    clconv_plan_destroy(plan);
    *state = &l;
    return 0;
}

static int drop_layer(void **state) {
    layer *l = *state;
    clconv_device_destroy(l->device);
    return 0;
}

static void test_fit_step_finds_what_made_the_target(void **state) {
    layer *l = *state;
    fit f;
    assert_ok(fit_begin(&f, l->device, &l->problem, l->input, l->target, 1));
    for (int i = 0; i < 200 && !f.is_settled; i++)
        assert_ok(fit_step(&f, 0));
    assert_true(f.loss < 1e-8);
    for (size_t i = 0; i < f.weight_count; i++)
        assert_near((double)f.weights[i], (double)l->weights[i], 1e-4);
    for (size_t i = 0; i < f.bias_count; i++)
        assert_near((double)f.bias[i], (double)l->bias[i], 1e-4);
    fit_end(&f);
}

/* The slopes are those of the loss: moving one parameter by a little changes it by that much. */
static void test_fit_step_follows_the_gradient(void **state) {
    layer *l = *state;
    fit f;
    const double rate = 1e-5;
    double before, squares = 0;
    assert_ok(fit_begin(&f, l->device, &l->problem, l->input, l->target, 7));
    before = f.loss;
    assert_ok(fit_step(&f, rate));
    for (size_t i = 0; i < f.weight_count + f.bias_count; i++)
        squares += (double)f.slopes[i] * (double)f.slopes[i];
    assert_near((before - f.loss) / (rate * squares), 1, 0.01);
    fit_end(&f);
}

static double loss_after_one_step(const layer *l, double rate, double *taken) {
    fit f;
    float first;
    assert_ok(fit_begin(&f, l->device, &l->problem, l->input, l->target, 7));
    first = f.weights[0];
    assert_ok(fit_step(&f, rate));
    *taken = ((double)first - (double)f.weights[0]) / (double)f.slopes[0];
    fit_end(&f);
    return f.loss;
}

static void test_fit_step_default_rate_is_the_best(void **state) {
    static const double factors[] = {0.8, 0.95, 1.05, 1.2};
    double rate, other;
    const double best = loss_after_one_step(*state, 0, &rate);
    for (size_t i = 0; i < COUNT_OF(factors); i++)
        assert_true(loss_after_one_step(*state, rate * factors[i], &other) > best);
}

static void test_fit_step_settles_at_a_perfect_start(void **state) {
    layer *l = *state;
    static float nothing[sizeof l->input / sizeof l->input[0]];
    fit f;
    assert_ok(fit_begin(&f, l->device, &l->problem, nothing, nothing, 1));
    assert_true(f.loss == 0);
    assert_ok(fit_step(&f, 0));
    assert_true(f.is_settled);
    fit_end(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fit_step_finds_what_made_the_target),
        cmocka_unit_test(test_fit_step_follows_the_gradient),
        cmocka_unit_test(test_fit_step_default_rate_is_the_best),
        cmocka_unit_test(test_fit_step_settles_at_a_perfect_start),
    };
    return cmocka_run_group_tests(tests, make_layer, drop_layer);
}
