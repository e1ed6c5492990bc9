/* The two measures, distances in units of the last place, and the window around a wrong element. */
#include "judge.h"
#include "support.h"

#include <float.h>

typedef struct judged_case {
    case_data data;
    expected_output expected;
} judged_case;

/* A correct result: the expected values, rounded. */
static void make_case(judged_case *c, const char *text, data_kind kind) {
    clconv_problem problem;
    assert_ok(clconv_problem_parse(&problem, text));
    assert_ok(case_data_make(&c->data, &problem, kind, 5));
    assert_ok(expectation_make(&c->expected, &c->data));
    const tensor_image *output = &c->data.images[CLCONV_OUTPUT];
    poison_fill(c->data.result, output->size, POISON_FIRST);
    for (size_t i = 0; i < c->expected.count; ++i)
        clconv_element_set(c->data.result, output->type, GUARD_ELEMENTS + i, c->expected.values[i]);
}

static void put(judged_case *c, size_t index, double value) {
    clconv_element_set(c->data.result, c->data.images[CLCONV_OUTPUT].type, GUARD_ELEMENTS + index,
                       value);
}

static judgement judge_case(const judged_case *c) {
    judgement j;
    assert_ok(judge(&j, &c->data, c->data.result, &c->expected));
    return j;
}

static void free_case(judged_case *c) {
    case_data_free(&c->data);
    expectation_free(&c->expected);
}

static void test_judge_correct(void **state) {
    judged_case c;
    (void)state;
    make_case(&c, "ic3ih7_oc5kh3", DATA_REAL);
    judgement j = judge_case(&c);
    assert_int_equal(j.judged, 5 * 5 * 5);
    assert_int_equal(j.wrong, 0);
    assert_int_equal(j.suspicious, 0);
    assert_true(j.share < 0.1);
    free_case(&c);
}

static void test_judge_bound_decides(void **state) {
    judged_case c;
    (void)state;
    make_case(&c, "ic3ih7_oc5kh3", DATA_REAL);
    put(&c, 17, c.expected.values[17] + 0.9 * c.expected.bounds[17]);
    assert_int_equal(judge_case(&c).wrong, 0);
    put(&c, 17, c.expected.values[17] + 1.1 * c.expected.bounds[17]);
    judgement j = judge_case(&c);
    assert_int_equal(j.wrong, 1);
    assert_int_equal(j.worst, 17);
    assert_int_equal(j.first, 17);
    assert_true(j.share > 1);
    free_case(&c);
}

static void test_judge_nan_and_infinity_are_wrong(void **state) {
    judged_case c;
    (void)state;
    make_case(&c, "ic3ih7_oc5kh3", DATA_REAL);
    put(&c, 3, NAN);
    put(&c, 4, INFINITY);
    judgement j = judge_case(&c);
    assert_int_equal(j.wrong, 2);
    assert_true(isinf(j.share));
    free_case(&c);
}

static void test_judge_exact_needs_every_bit(void **state) {
    judged_case c;
    (void)state;
    make_case(&c, "ic3ih7_oc5kh3", DATA_EXACT);
    assert_int_equal(judge_case(&c).wrong, 0);
    put(&c, 9, nextafterf((float)c.expected.values[9], 1e9f));
    judgement j = judge_case(&c);
    assert_int_equal(j.wrong, 1);
    assert_int_equal(j.ulps, 1);
    free_case(&c);
}

/* The gradient of a bias lies behind that of the weights, and samples are of either. */
static void test_judge_places_in_two_tensors(void **state) {
    enum { WEIGHTS = 3 * 2 * 2 * 2 };
    clconv_problem problem;
    case_data data;
    expected_output whole, some;
    (void)state;
    assert_ok(clconv_problem_parse(&problem, "ic2ih5_oc3kh2_dir=backward_weights_bias"));
    assert_ok(case_data_make(&data, &problem, DATA_EXACT, 5));
    assert_ok(expectation_make(&whole, &data));
    assert_ok(expectation_allocate(&some, 2, 1));
    unsigned char *bias = data.result + case_result_offset(&data, CLCONV_BIAS);
    some.places[0] = 5;
    some.places[1] = WEIGHTS + 1;
    for (size_t i = 0; i < 2; ++i)
        some.values[i] = whole.values[some.places[i]];
    clconv_element_set(data.result, CLCONV_F32, GUARD_ELEMENTS + 5, some.values[0]);
    clconv_element_set(bias, CLCONV_F32, GUARD_ELEMENTS + 1, some.values[1]);
    judgement j;
    assert_ok(judge(&j, &data, data.result, &some));
    assert_int_equal(j.judged, 2);
    assert_int_equal(j.wrong, 0);
    clconv_element_set(bias, CLCONV_F32, GUARD_ELEMENTS + 1, some.values[1] + 1);
    assert_ok(judge(&j, &data, data.result, &some));
    assert_int_equal(j.wrong, 1);
    assert_int_equal(j.first, WEIGHTS + 1);
    expectation_free(&some);
    expectation_free(&whole);
    case_data_free(&data);
}

/* A dropped term that the proven bound hides. */
static void test_judge_alarm_on_many_terms(void **state) {
    judged_case c;
    (void)state;
    make_case(&c, "ic9000ih1_oc1kh1", DATA_REAL);
    put(&c, 0, c.expected.values[0] + 0.25);
    judgement j = judge_case(&c);
    assert_int_equal(j.wrong, 0);
    assert_int_equal(j.suspicious, 1);
    assert_true(j.alarm_share > 1);
    assert_true(j.alarm < j.bound);
    free_case(&c);
}

static void test_alarm_scale_is_never_above_the_bound(void **state) {
    static const char *const texts[] = {"ic3ih7_oc5kh3", "ic500ih7_oc5kh3",
                                        "ic500ih7_oc5kh3_act=gelu", "ic64ih7_oc5kh3_type=f16",
                                        "ic64ih7_oc5kh3_type=bf16"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); ++i) {
        clconv_problem problem;
        assert_ok(clconv_problem_parse(&problem, texts[i]));
        for (double bound = 1e-3; bound < 10; bound *= 10) {
            double scale = alarm_scale(&problem, bound, 0.5 * bound);
            assert_true(scale > 0 && scale <= bound);
        }
        assert_true(isinf(alarm_scale(&problem, INFINITY, 1)));
    }
}

static void test_ulp_distance_counts_numbers(void **state) {
    (void)state;
    assert_int_equal(ulp_distance(CLCONV_F32, 1, 1), 0);
    assert_int_equal(ulp_distance(CLCONV_F32, 1, (double)nextafterf(1, 2)), 1);
    assert_int_equal(ulp_distance(CLCONV_F32, -0.0, 0.0), 0);
    assert_int_equal(ulp_distance(CLCONV_F32, -(double)FLT_TRUE_MIN, (double)FLT_TRUE_MIN), 2);
    assert_int_equal(ulp_distance(CLCONV_F64, 1, nextafter(1, 0)), 1);
    assert_int_equal(ulp_distance(CLCONV_F16, 1, 1 + 0x1p-10), 1);
    assert_int_equal(ulp_distance(CLCONV_BF16, 2, 1), 128);
    assert_int_equal(ulp_distance(CLCONV_S32, -3, 4), 7);
    assert_true(ulp_distance(CLCONV_F32, NAN, 1) == UINT64_MAX);
}

static void test_look_around_shows_the_window(void **state) {
    judged_case c;
    neighbourhood view;
    (void)state;
    make_case(&c, "ic1ih40iw50_oc1kh1", DATA_REAL);
    put(&c, 20 * 50 + 30, NAN);
    put(&c, 20 * 50 + 31, 100);
    assert_ok(look_around(&view, &c.data, c.data.result, &c.expected, 20 * 50 + 30));
    size_t h = 20 - view.place[3], w = 30 - view.place[4];
    assert_in_range(h, 0, VIEW_ROWS - 1);
    assert_in_range(w, 0, VIEW_COLUMNS - 2);
    assert_int_equal(view.cells[h][w], CELL_NAN);
    assert_int_equal(view.cells[h][w + 1], CELL_WRONG);
    assert_int_equal(view.cells[0][0], CELL_RIGHT);
    free_case(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_judge_correct),
        cmocka_unit_test(test_judge_bound_decides),
        cmocka_unit_test(test_judge_nan_and_infinity_are_wrong),
        cmocka_unit_test(test_judge_exact_needs_every_bit),
        cmocka_unit_test(test_judge_places_in_two_tensors),
        cmocka_unit_test(test_judge_alarm_on_many_terms),
        cmocka_unit_test(test_alarm_scale_is_never_above_the_bound),
        cmocka_unit_test(test_ulp_distance_counts_numbers),
        cmocka_unit_test(test_look_around_shows_the_window),
    };
    return run_group(tests);
}
