/* Samples against the whole reference, on problems small enough for it. */
#include "generator.h"
#include "sampled.h"

static const char *const texts[] = {
    "ic4ih9iw11_oc6kh3kw3_ph1pw1",
    "mb2_g3_ic6ih13iw17_oc9kh3kw5_sh2sw3_dh1dw0_ph4pw1_rh0rw6_bias_residual_act=relu",
    "ic5id7ih6iw9_oc4kd3kh2kw3_pd2ph1pw2_sd2_mode=convolution_layout=nhwc",
    "ic4ih8iw8_oc3kh3_ph9pw9_weights=ohwi_alpha=0.5_beta=2",
    "ic8ih20iw20_oc5kh5_type=f16",
    "ic8ih20iw20_oc5kh5_ph2_type=u8_xzp=9_wzp=1",
    "ic4ih9iw11_oc6kh3kw3_ph1pw1_xs=2000:200:200:20:1_ys=702:117:117:13:1",
    "mb2_g2_ic6ih19iw7_oc4kh3kw2_sh2sw1_ph1_dir=backward_data_beta=1",
    "ic6ih19iw17_oc4kh2kw1_sh3sw2_ph1_dir=backward_data_mode=convolution_weights=ohwi",
    "mb2_g2_ic6ih9iw7_oc4kh9kw6_ph5pw3_dir=backward_weights_bias_beta=1_weights=ohwi",
    "g4_ic4ih21iw6_oc8kh7kw1_dh1_ph1_dir=backward_weights_mode=convolution_alpha=0.5",
    "mb2_g2_ic6ih5iw7_oc4kh3kw2_sh3sw2_ph1_oph2opw1_dir=transposed_bias_residual_act=tanh",
};

/* Returns how many samples there are. */
static size_t check_samples(const clconv_problem *problem, const char *algorithm) {
    case_data data;
    expected_output whole, samples;
    assert_ok(
        case_data_make(&data, problem, problem->type < CLCONV_S8 ? DATA_REAL : DATA_EXACT, 3));
    assert_ok(expectation_make(&whole, &data));
    if (algorithm) {
        const clconv_host_tensors tensors = case_data_tensors(&data);
        assert_ok(clconv_algorithm_bound(whole.bounds, problem, &tensors, algorithm));
    }
    assert_ok(expectation_sample(&samples, &data, 11, algorithm));
    for (size_t i = 0; i < samples.count; ++i) {
        const size_t dense = samples.places[i];
        assert_in_range(dense, 0, whole.count - 1);
        if (samples.values[i] != whole.values[dense] ||
            fabs(samples.bounds[i] - whole.bounds[dense]) > 1e-9 * whole.bounds[dense]) {
            char text[CLCONV_PROBLEM_TEXT_SIZE];
            assert_ok(clconv_problem_format(text, sizeof text, problem));
            fail_msg("%s: element %zu is %.17g +- %.9g, not %.17g +- %.9g", text, dense,
                     samples.values[i], samples.bounds[i], whole.values[dense],
                     whole.bounds[dense]);
        }
    }
    const size_t count = samples.count;
    expectation_free(&samples);
    expectation_free(&whole);
    case_data_free(&data);
    return count;
}

static void check_text(const char *text, const char *algorithm) {
    clconv_problem problem;
    assert_ok(clconv_problem_parse(&problem, text));
    assert_true(check_samples(&problem, algorithm) > 0);
}

static void test_expectation_sample_equals_the_reference(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); ++i)
        check_text(texts[i], NULL);
}

static size_t sampled;

static void check_random(const clconv_problem *problem) {
    sampled += check_samples(problem, NULL) > 0;
}

/* Few see so much padding that there is nothing to sample. */
static void test_expectation_sample_of_random_problems(void **state) {
    enum { COUNT = 400 };
    (void)state;
    check_random_problems(COUNT, check_random);
    assert_in_range(sampled, COUNT * 9 / 10, COUNT);
}

/* Every algorithm's own bounds, where it has some: they depend on whole tiles. */
static void test_expectation_sample_has_the_algorithms_bounds(void **state) {
    (void)state;
    for (size_t a = 0; a < clconv_algorithm_count(); ++a) {
        check_text("ic8ih21iw30_oc4kh3_ph1", clconv_algorithm_name(a));
        if (!clconv_algorithm_computes(clconv_algorithm_name(a), CLCONV_TRANSPOSED))
            continue;
        check_text("ic8ih21iw30_oc4kh3_ph1_dir=backward_data", clconv_algorithm_name(a));
        check_text("ic8ih21iw30_oc4kh3_ph3pw0_dir=transposed", clconv_algorithm_name(a));
    }
}

/* Each filter that is sampled brings its bias. */
static void test_expectation_sample_has_the_gradient_of_the_bias(void **state) {
    enum { WEIGHTS = 8 * 4 * 3 * 3 };
    clconv_problem problem;
    case_data data;
    expected_output samples;
    size_t biases = 0;
    (void)state;
    assert_ok(clconv_problem_parse(&problem, "ic4ih9_oc8kh3_dir=backward_weights_bias"));
    assert_ok(case_data_make(&data, &problem, DATA_REAL, 3));
    assert_ok(expectation_sample(&samples, &data, 11, NULL));
    for (size_t i = 0; i < samples.count; ++i)
        biases += samples.places[i] >= WEIGHTS;
    assert_int_equal(biases, SAMPLE_BLOCKS);
    assert_int_equal(samples.count, SAMPLE_BLOCKS * (3 * 3 + 1));
    expectation_free(&samples);
    case_data_free(&data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_expectation_sample_equals_the_reference),
        cmocka_unit_test(test_expectation_sample_of_random_problems),
        cmocka_unit_test(test_expectation_sample_has_the_algorithms_bounds),
        cmocka_unit_test(test_expectation_sample_has_the_gradient_of_the_bias),
    };
    return run_group(tests);
}
