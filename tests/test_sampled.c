/* Samples against the whole reference, on problems small enough for it. */
#include "sampled.h"
#include "support.h"

static const char *const texts[] = {
    "ic4ih9iw11_oc6kh3kw3_ph1pw1",
    "mb2_g3_ic6ih13iw17_oc9kh3kw5_sh2sw3_dh1dw0_ph4pw1_rh0rw6_bias_residual_act=relu",
    "ic5id7ih6iw9_oc4kd3kh2kw3_pd2ph1pw2_sd2_mode=convolution_layout=nhwc",
    "ic4ih8iw8_oc3kh3_ph9pw9_weights=ohwi_alpha=0.5_beta=2",
    "ic8ih20iw20_oc5kh5_type=f16",
    "ic8ih20iw20_oc5kh5_ph2_type=u8_xzp=9_wzp=1",
    "ic4ih9iw11_oc6kh3kw3_ph1pw1_xs=2000:200:200:20:1_ys=702:117:117:13:1",
};

static void check_samples(const char *text, const char *algorithm) {
    clconv_problem problem;
    case_data data;
    expected_output whole, samples;
    assert_ok(clconv_problem_parse(&problem, text));
    assert_ok(case_data_make(&data, &problem, DATA_REAL, 3));
    assert_ok(expectation_make(&whole, &data));
    if (algorithm) {
        const clconv_host_tensors tensors = case_data_tensors(&data);
        assert_ok(clconv_algorithm_bound(whole.bounds, &problem, &tensors, algorithm));
    }
    assert_ok(expectation_sample(&samples, &data, 11, algorithm));
    assert_true(samples.count > 0);
    for (size_t i = 0; i < samples.count; ++i) {
        size_t dense = samples.places[i];
        assert_in_range(dense, 0, whole.count - 1);
        assert_true(fabs(samples.values[i] - whole.values[dense]) <=
                    1e-12 * (1 + fabs(whole.values[dense])));
        assert_true(fabs(samples.bounds[i] - whole.bounds[dense]) <= 1e-9 * whole.bounds[dense]);
    }
    expectation_free(&samples);
    expectation_free(&whole);
    case_data_free(&data);
}

static void test_expectation_sample_equals_the_reference(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); ++i)
        check_samples(texts[i], NULL);
}

/* Every algorithm's own bounds, where it has some: they depend on whole tiles. */
static void test_expectation_sample_has_the_algorithms_bounds(void **state) {
    (void)state;
    for (size_t a = 0; a < clconv_algorithm_count(); ++a)
        check_samples("ic8ih21iw30_oc4kh3_ph1", clconv_algorithm_name(a));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_expectation_sample_equals_the_reference),
        cmocka_unit_test(test_expectation_sample_has_the_algorithms_bounds),
    };
    return run_group(tests);
}
