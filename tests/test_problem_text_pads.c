/* Padding in problem strings that give the output extent: what is not written follows from it. */
#include "support/support.h"

typedef struct pad_row {
    const char *text;
    size_t begin, end; /* of axis w */
} pad_row;

static const pad_row pad_rows[] = {
    /* neither pad is given: half of the total at each side, an odd zero at the end */
    {"ic1iw8_oc1ow8_kw3", 1, 1},
    {"ic1iw8_oc1ow8_kw2", 0, 1},
    {"ic1iw8_oc1ow8_kw4", 1, 2},
    {"ic1iw8_oc1ow4_kw3_sw2", 0, 1},
    {"ic1iw8_oc1ow4_kw5_sw2", 1, 2},
    {"ic1iw8_oc1ow3_kw2_sw3", 0, 0},
    {"ic1iw8_oc1ow8_kw2_dw2", 1, 2},
    /* one is given */
    {"ic1iw8_oc1ow8_kw4_pw3", 3, 0},
    {"ic1iw8_oc1ow8_kw4_pw0", 0, 3},
    {"ic1iw8_oc1ow8_kw4_pw1", 1, 2},
    {"ic1iw8_oc1ow9_kw4_pw2", 2, 2},
    /* both are */
    {"ic1iw8_oc1ow4_kw3_sw2_pw1rw0", 1, 0},
    {"ic1iw8_oc1ow4_kw3_sw2_pw1rw1", 1, 1},
    {"ic1iw8_oc1ow4_kw3_sw2_pw0rw1", 0, 1},
};

static void test_problem_parse_pads_from_output(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(pad_rows); ++i) {
        clconv_problem problem = CLCONV_PROBLEM_INIT;
        assert_ok(clconv_problem_parse(&problem, pad_rows[i].text));
        if (problem.pad_begin[CLCONV_W] != pad_rows[i].begin ||
            problem.pad_end[CLCONV_W] != pad_rows[i].end)
            fail_msg("%s: pads %zu and %zu instead of %zu and %zu", pad_rows[i].text,
                     problem.pad_begin[CLCONV_W], problem.pad_end[CLCONV_W], pad_rows[i].begin,
                     pad_rows[i].end);
    }
}

/* Padding that exists in depth alone makes the depth part of the string. */
static void test_problem_format_keeps_depth_that_is_only_padded(void **state) {
    static const char *const cases[] = {
        "ic1id1ih4iw4_oc1kd1kh3kw3_pd2ph0pw0",
        "ic1id1ih4iw4_oc1kd1kh3kw3_pd0ph0pw0rd1rh0rw0",
        "ic1id1ih4iw4_oc1kd1kh3kw3_sd2sh1sw1",
        "ic1id1ih4iw4_oc1kd1kh3kw3_dd2dh0dw0",
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); ++i) {
        clconv_problem problem = CLCONV_PROBLEM_INIT, again = CLCONV_PROBLEM_INIT;
        char text[CLCONV_PROBLEM_TEXT_SIZE] = "";
        assert_ok(clconv_problem_parse(&problem, cases[i]));
        assert_ok(clconv_problem_format(text, sizeof text, &problem));
        assert_ok(clconv_problem_parse(&again, text));
        assert_memory_equal(problem.pad_begin, again.pad_begin, sizeof again.pad_begin);
        assert_memory_equal(problem.pad_end, again.pad_end, sizeof again.pad_end);
        assert_memory_equal(problem.stride, again.stride, sizeof again.stride);
        assert_memory_equal(problem.dilation, again.dilation, sizeof again.dilation);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_problem_parse_pads_from_output),
        cmocka_unit_test(test_problem_format_keeps_depth_that_is_only_padded),
    };
    return run_group(tests);
}
