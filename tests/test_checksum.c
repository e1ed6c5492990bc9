/* Checksums agree with correct results and see every single element. */
#include "checksum.h"
#include "support.h"

static const char *const texts[] = {
    "ic4ih9iw11_oc6kh3kw3_ph1pw1",
    "mb2_g3_ic6ih13iw17_oc9kh3kw5_sh2sw3_dh1dw0_ph4pw1_rh0rw6_bias_residual",
    "ic5id7ih6iw9_oc4kd3kh2kw3_pd2ph1pw2_sd2_mode=convolution_layout=nhwc",
    "ic4ih8iw8_oc3kh3_ph9pw9_weights=ohwi_alpha=0.5_beta=2",
    "ic8ih20iw20_oc5kh5_type=f16",
    "ic8ih20iw20_oc5kh5_ph2_type=u8_xzp=9_wzp=1",
    "ic4ih9iw11_oc6kh3kw3_ph1pw1_xs=2000:200:200:20:1_ys=702:117:117:13:1",
};

typedef struct summed_case {
    case_data data;
    expected_output expected;
    checksum sums;
    size_t extent[CLCONV_TENSOR_AXES], stride[CLCONV_TENSOR_AXES];
} summed_case;

static void put(summed_case *c, size_t dense, double value) {
    size_t place[CLCONV_TENSOR_AXES];
    place_of(place, c->extent, dense);
    clconv_element_set(c->data.result, c->data.images[CLCONV_OUTPUT].type,
                       GUARD_ELEMENTS + index_of(place, c->stride), value);
}

static void make_case(summed_case *c, const char *text, data_kind kind) {
    clconv_problem problem;
    assert_ok(clconv_problem_parse(&problem, text));
    assert_ok(case_data_make(&c->data, &problem, kind, 3));
    assert_ok(expectation_make(&c->expected, &c->data));
    assert_ok(checksum_make(&c->sums, &c->data, 7));
    assert_ok(clconv_tensor_shape(c->extent, c->stride, &problem, CLCONV_OUTPUT));
    for (size_t i = 0; i < c->expected.count; ++i)
        put(c, i, c->expected.values[i]);
}

static void free_case(summed_case *c) {
    case_data_free(&c->data);
    expectation_free(&c->expected);
    checksum_free(&c->sums);
}

static double worst_share(const summed_case *c, size_t *worst) {
    double share;
    assert_ok(checksum_worst(&share, worst, &c->sums, &c->data));
    return share;
}

static void test_checksum_agrees_with_correct_results(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); ++i)
        for (int kind = 0; kind < DATA_KINDS; ++kind) {
            summed_case c;
            size_t worst;
            make_case(&c, texts[i], (data_kind)kind);
            assert_true(worst_share(&c, &worst) <= 1);
            free_case(&c);
        }
}

static void test_checksum_sees_one_element_of_exact_data(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); ++i) {
        summed_case c;
        size_t worst;
        if (strstr(texts[i], "f16"))
            continue; /* its storage rounds */
        make_case(&c, texts[i], DATA_EXACT);
        size_t bad = c.expected.count * 2 / 3;
        put(&c, bad, c.expected.values[bad] + 1);
        assert_true(worst_share(&c, &worst) > 1);
        assert_int_equal(worst, bad / (c.expected.count / c.sums.count));
        free_case(&c);
    }
}

static void test_checksum_none_for_an_activation(void **state) {
    summed_case c;
    size_t worst;
    (void)state;
    make_case(&c, "ic4ih9_oc6kh3_act=relu", DATA_EXACT);
    assert_int_equal(c.sums.count, 0);
    assert_true(worst_share(&c, &worst) == 0);
    free_case(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_checksum_agrees_with_correct_results),
        cmocka_unit_test(test_checksum_sees_one_element_of_exact_data),
        cmocka_unit_test(test_checksum_none_for_an_activation),
    };
    return run_group(tests);
}
