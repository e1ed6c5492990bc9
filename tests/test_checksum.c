/* Checksums agree with correct results and see every single element. */
#include "checksum.h"
#include "generator.h"

static const char *const texts[] = {
    "ic4ih9iw11_oc6kh3kw3_ph1pw1",
    "mb2_g3_ic6ih13iw17_oc9kh3kw5_sh2sw3_dh1dw0_ph4pw1_rh0rw6_bias_residual",
    "ic5id7ih6iw9_oc4kd3kh2kw3_pd2ph1pw2_sd2_mode=convolution_layout=nhwc",
    "ic4ih8iw8_oc3kh3_ph9pw9_weights=ohwi_alpha=0.5_beta=2",
    "ic8ih20iw20_oc5kh5_type=f16",
    "ic8ih20iw20_oc5kh5_ph2_type=u8_xzp=9_wzp=1",
    "ic4ih9iw11_oc6kh3kw3_ph1pw1_xs=2000:200:200:20:1_ys=702:117:117:13:1",
    "mb2_g2_ic6ih19iw7_oc4kh3kw2_sh2sw1_ph1_dir=backward_data_beta=1",
    "mb2_g2_ic6ih9iw7_oc4kh5kw3_ph5pw3_dir=backward_weights_bias_beta=1_weights=ohwi",
    "ic3id5ih6iw4_oc4kd2kh3kw2_sd2_dh1_dir=backward_weights_mode=convolution_layout=nhwc",
    "mb2_g2_ic6ih5iw7_oc4kh3kw2_sh3sw2_ph1_oph2opw1_dir=transposed_bias_residual",
    "ic6ih5iw7_oc4kh3kw2_sw2_dir=transposed_type=s8_bias_xzp=9_wzp=1",
};

typedef struct summed_case {
    case_data data;
    expected_output expected;
    checksum sums;
    size_t extent[CLCONV_TENSOR_AXES], stride[CLCONV_TENSOR_AXES];
} summed_case;

/* Behind the elements of the tensor are those of a gradient of the bias. */
static void put(summed_case *c, size_t dense, double value) {
    const clconv_tensor computed = case_computed(&c->data.problem);
    const size_t count = count_of(c->extent);
    size_t place[CLCONV_TENSOR_AXES];
    place_of(place, c->extent, dense);
    if (dense < count)
        clconv_element_set(c->data.result, c->data.images[computed].type,
                           GUARD_ELEMENTS + index_of(place, c->stride), value);
    else
        clconv_element_set(c->data.result + case_result_offset(&c->data, CLCONV_BIAS),
                           c->data.images[CLCONV_BIAS].type, GUARD_ELEMENTS + dense - count, value);
}

static void make_case(summed_case *c, const clconv_problem *problem, data_kind kind) {
    assert_ok(case_data_make(&c->data, problem, kind, 3));
    assert_ok(expectation_make(&c->expected, &c->data));
    assert_ok(checksum_make(&c->sums, &c->data, 7));
    assert_ok(clconv_tensor_shape(c->extent, c->stride, problem, case_computed(problem)));
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

/* The sum that an element is in. */
static size_t sum_of(const summed_case *c, size_t dense) {
    const size_t count = count_of(c->extent);
    return dense < count ? dense / (count / c->sums.count) : dense - count;
}

static void check_share(const summed_case *c, int is_right, double share, const char *what) {
    char text[CLCONV_PROBLEM_TEXT_SIZE];
    if (is_right)
        return;
    assert_ok(clconv_problem_format(text, sizeof text, &c->data.problem));
    fail_msg("%s: the share is %g %s on %s data", text, share, what, data_kind_names[c->data.kind]);
}

/* No sum may be off by less than all of its elements together, whose weights are 1 at least. */
static void check_bounds(const summed_case *c) {
    double *bounds = calloc(c->sums.count, sizeof *bounds);
    assert_non_null(bounds);
    for (size_t i = 0; i < c->expected.count; ++i)
        bounds[sum_of(c, i)] += c->expected.bounds[i];
    for (size_t i = 0; i < c->sums.count && c->data.kind == DATA_REAL; ++i)
        check_share(c, bounds[i] <= c->sums.bounds[i] * (1 + 1e-9), bounds[i] / c->sums.bounds[i],
                    "of the elements' bounds");
    free(bounds);
}

/* Correct, then with one element off by `change`, or by three times what its sum may be off. */
static void check_case(const clconv_problem *problem, data_kind kind, double change) {
    summed_case c;
    size_t worst;
    make_case(&c, problem, kind);
    check_bounds(&c);
    double share = worst_share(&c, &worst);
    check_share(&c, share <= 1, share, "of a correct result");
    for (size_t i = 0; i < 3; ++i) {
        const size_t bad = i * (c.expected.count - 1) / 2, sum = sum_of(&c, bad);
        put(&c, bad, c.expected.values[bad] + (change > 0 ? change : 3 * c.sums.bounds[sum]));
        share = worst_share(&c, &worst);
        check_share(&c, share > 1 && worst == sum, share, "of a corrupted one");
        put(&c, bad, c.expected.values[bad]);
    }
    if (!is_integer_type(problem->type)) {
        put(&c, c.expected.count / 2, NAN);
        share = worst_share(&c, &worst);
        check_share(&c, isinf(share), share, "of one with a NaN");
    }
    free_case(&c);
}

/* Sums of exact data see the smallest change, unless the type rounds. */
static void check_problem(const clconv_problem *p) {
    const int rounds = p->type == CLCONV_F16 || p->type == CLCONV_BF16;
    const int is_integer = is_integer_type(p->type);
    if (p->activation != CLCONV_ACTIVATION_NONE)
        return;
    if (is_integer || (case_is_exact(p) && !rounds))
        check_case(p, DATA_EXACT, is_integer ? 1 : 0.25);
    if (!is_integer)
        check_case(p, DATA_REAL, 0);
}

static void test_checksum_sees_one_element(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); ++i) {
        clconv_problem problem;
        assert_ok(clconv_problem_parse(&problem, texts[i]));
        check_problem(&problem);
    }
}

static void test_checksum_of_random_problems(void **state) {
    enum { COUNT = 400 };
    (void)state;
    check_random_problems(COUNT, check_problem);
}

static void test_checksum_none_for_an_activation(void **state) {
    clconv_problem problem;
    summed_case c;
    size_t worst;
    (void)state;
    assert_ok(clconv_problem_parse(&problem, "ic4ih9_oc6kh3_act=relu"));
    make_case(&c, &problem, DATA_EXACT);
    assert_int_equal(c.sums.count, 0);
    assert_true(worst_share(&c, &worst) == 0);
    free_case(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_checksum_sees_one_element),
        cmocka_unit_test(test_checksum_of_random_problems),
        cmocka_unit_test(test_checksum_none_for_an_activation),
    };
    return run_group(tests);
}
