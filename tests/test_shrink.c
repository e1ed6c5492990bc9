/* Shrinking with failures that are known. */
#include "shrink.h"
#include "support.h"

/* Fails where an output column lies in padding behind the input, as an off-by-one there would. */
static int fails_behind_the_input(void *context, const clconv_problem *p) {
    ++*(int *)context;
    return p->pad_end[CLCONV_W] > 0;
}

static int fails_with_two_groups(void *context, const clconv_problem *p) {
    ++*(int *)context;
    return p->groups > 1 && p->stride[CLCONV_H] > 1;
}

static int never_fails(void *context, const clconv_problem *p) {
    (void)p;
    ++*(int *)context;
    return 0;
}

static clconv_problem shrunk(const char *text, still_fails *fails) {
    clconv_problem problem;
    int asked = 0;
    assert_ok(clconv_problem_parse(&problem, text));
    int tried = shrink_problem(&problem, 1000, fails, &asked);
    assert_int_equal(tried, asked);
    assert_ok(clconv_problem_validate(&problem));
    return problem;
}

static void assert_text(const clconv_problem *problem, const char *expected) {
    clconv_problem wanted;
    char text[CLCONV_PROBLEM_TEXT_SIZE], again[CLCONV_PROBLEM_TEXT_SIZE];
    assert_ok(clconv_problem_parse(&wanted, expected));
    assert_ok(clconv_problem_format(text, sizeof text, problem));
    assert_ok(clconv_problem_format(again, sizeof again, &wanted));
    assert_string_equal(text, again);
}

static void test_shrink_problem_to_one_padded_pixel(void **state) {
    (void)state;
    clconv_problem p =
        shrunk("mb3_g2_ic34ih30iw41_oc16kh5kw3_sh2_ph2pw1_bias_residual_act=silu_layout=nhwc",
               fails_behind_the_input);
    assert_text(&p, "ic1ih1iw1_oc1kh1kw1_ph0pw0_rw1");
}

static void test_shrink_problem_keeps_what_it_needs(void **state) {
    (void)state;
    clconv_problem p = shrunk("g4_ic16ih30iw41_oc16kh5kw3_sh3sw2_ph2_type=f16_mode=convolution",
                              fails_with_two_groups);
    assert_text(&p, "g2_ic2ih1iw1_oc2kh1kw1_sh2sw1_ph0pw0");
}

static void test_shrink_problem_that_does_not_fail_again(void **state) {
    (void)state;
    clconv_problem p = shrunk("ic3ih9_oc4kh3", never_fails);
    assert_text(&p, "ic3ih9_oc4kh3");
}

static void test_shrink_problem_gives_up(void **state) {
    clconv_problem problem;
    int asked = 0;
    (void)state;
    assert_ok(clconv_problem_parse(&problem, "mb3_ic34ih30_oc16kh5_ph2"));
    shrink_problem(&problem, 5, fails_behind_the_input, &asked);
    assert_int_equal(asked, 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shrink_problem_to_one_padded_pixel),
        cmocka_unit_test(test_shrink_problem_keeps_what_it_needs),
        cmocka_unit_test(test_shrink_problem_that_does_not_fail_again),
        cmocka_unit_test(test_shrink_problem_gives_up),
    };
    return run_group(tests);
}
