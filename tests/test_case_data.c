/* Data so small that sums of it are exact, and as large as they may be. */
#include "case_data.h"
#include "support.h"

static clconv_problem parsed(const char *text) {
    clconv_problem problem;
    assert_ok(clconv_problem_parse(&problem, text));
    return problem;
}

/* The largest element of the input. */
static double largest_of(const char *text) {
    const clconv_problem problem = parsed(text);
    size_t elements;
    double largest = 0;
    case_data data;
    assert_ok(case_data_make(&data, &problem, DATA_EXACT, 1));
    assert_ok(clconv_tensor_elements(&elements, &problem, CLCONV_INPUT));
    for (size_t i = 0; i < elements; ++i)
        largest = fmax(largest, fabs(clconv_element_get(image_tensor(&data.images[CLCONV_INPUT]),
                                                        problem.type, i)));
    case_data_free(&data);
    return largest;
}

static void test_case_data_make_keeps_sums_exact(void **state) {
    static const struct {
        const char *text;
        double largest; /* products of it, as many as there are, in steps stay below 2^24 */
    } rows[] = {{"ic3ih8_oc2kh3", 3},
                {"ic1ih1300_oc1kh1_dir=backward_weights", 3},          /* 1.69e6 * 9 */
                {"ic1ih1400_oc1kh1_dir=backward_weights", 1},          /* 1.96e6 * 9 */
                {"ic1ih680_oc1kh1_dir=backward_weights_alpha=0.5", 3}, /* 4.6e5 * 9 * 4 */
                {"ic1ih700_oc1kh1_dir=backward_weights_alpha=0.5", 1}, /* 4.9e5 * 9 * 4 */
                {"ic1ih700_oc1kh1_dir=backward_weights_beta=0.25", 1}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); ++i) {
        const clconv_problem problem = parsed(rows[i].text);
        assert_true(case_is_exact(&problem));
        assert_near(largest_of(rows[i].text), rows[i].largest, 0);
    }
}

static void test_case_is_exact_as_far_as_sums_fit(void **state) {
    static const struct {
        const char *text;
        int is_exact;
    } rows[] = {{"mb32_ic512ih224_oc512kh3_ph1_dir=backward_weights", 1},
                {"ic1ih4095_oc1kh1_dir=backward_weights", 1},
                {"ic1ih4096_oc1kh1_dir=backward_weights", 0},
                {"ic1ih2049_oc1kh1_dir=backward_weights_alpha=0.5", 0},
                {"ic3ih8_oc2kh3_alpha=-4_beta=3.75_act=relu", 1},
                {"ic3ih8_oc2kh3_alpha=0.1", 0},
                {"ic3ih8_oc2kh3_act=tanh", 0}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); ++i) {
        const clconv_problem problem = parsed(rows[i].text);
        if (case_is_exact(&problem) != rows[i].is_exact)
            fail_msg("%s is %sexact", rows[i].text, rows[i].is_exact ? "not " : "");
    }
}

static const char *const directions[] = {"ic3ih8_oc2kh3", "ic3ih8_oc2kh3_dir=backward_data",
                                         "ic3ih8_oc2kh3_dir=backward_weights",
                                         "ic3ih8_oc2kh3_dir=transposed"};

static void test_case_tensor_of_each_direction(void **state) {
    static const struct {
        case_side computed;
        clconv_tensor coarse, fine;
    } rows[] = {{SIDE_COARSE, CLCONV_OUTPUT, CLCONV_INPUT},
                {SIDE_FINE, CLCONV_OUTPUT, CLCONV_INPUT},
                {SIDE_TAP, CLCONV_OUTPUT, CLCONV_INPUT},
                {SIDE_FINE, CLCONV_INPUT, CLCONV_OUTPUT}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); ++i) {
        const clconv_problem problem = parsed(directions[i]);
        assert_int_equal(case_computed_side(&problem), rows[i].computed);
        assert_int_equal(case_tensor(&problem, SIDE_COARSE), rows[i].coarse);
        assert_int_equal(case_tensor(&problem, SIDE_TAP), CLCONV_WEIGHTS);
        assert_int_equal(case_tensor(&problem, SIDE_FINE), rows[i].fine);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_case_data_make_keeps_sums_exact),
        cmocka_unit_test(test_case_is_exact_as_far_as_sums_fit),
        cmocka_unit_test(test_case_tensor_of_each_direction),
    };
    return run_group(tests);
}
