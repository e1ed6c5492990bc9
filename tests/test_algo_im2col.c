/* im2col and col2im: pictures whose columns exceed the workspace are computed in pieces. */
#include "support/generator.h"
#include "support/run.h"

static const char im2col[] = "im2col_clblast", col2im[] = "col2im_clblast";

/* Runs a case on every device whose algorithm takes it; returns how many those are. */
static size_t check_case(const char *text, const char *name, filling fill) {
    clconv_problem problem = CLCONV_PROBLEM_INIT;
    tensor_set set;
    uint64_t random = 7;
    size_t runs = 0;
    if (clconv_problem_parse(&problem, text))
        fail_msg("%s: %s", text, clconv_last_message());
    make_tensors(&set, &problem, &random, fill);
    expectation expected = make_expectation(&problem, &set);
    for (size_t i = 0; i < devices()->count; ++i) {
        clconv_device *device = devices()->devices[i];
        if (clconv_algorithm_check(NULL, NULL, device, &problem, name))
            continue;
        assert_true(algorithm_is_right(device, &devices()->infos[i], &problem, name, &set,
                                       &expected, fill == SMALL_INTEGERS));
        ++runs;
    }
    free_expectation(&expected);
    free_tensors(&set);
    return runs;
}

static void check_cases(const char *const cases[], size_t count, const char *name) {
    size_t runs = 0;
    for (size_t i = 0; i < count; ++i)
        runs += check_case(cases[i], name, SMALL_INTEGERS);
    if (runs == 0)
        skip_because("no device runs CLBlast's rows");
}

/* Workspace that a plan asks for; 0 where no device has the algorithm. */
static size_t workspace_of(const char *text, const char *name) {
    clconv_problem problem = CLCONV_PROBLEM_INIT;
    clconv_plan_options options = CLCONV_PLAN_OPTIONS_INIT;
    size_t workspace = 0;
    options.algorithm = name;
    assert_ok(clconv_problem_parse(&problem, text));
    for (size_t i = 0; i < devices()->count && workspace == 0; ++i) {
        clconv_plan *plan = NULL;
        if (clconv_plan_create(&plan, devices()->devices[i], &problem, &options))
            continue;
        workspace = clconv_plan_workspace_size(plan);
        clconv_plan_destroy(plan);
    }
    return workspace;
}

/* 1000 taps times 18632 pixels of 4 bytes, and the same pictures in two groups and batches. */
static void test_im2col_large_picture_in_pieces(void **state) {
    static const char *const cases[] = {
        "ic40ih140iw141_oc2kh5kw5",
        "mb2_g2_ic80ih140iw141_oc4kh5kw5_bias_act=relu",
    };
    (void)state;
    size_t workspace = workspace_of(cases[0], im2col);
    assert_true(workspace < (size_t)1000 * 18632 * 4);
    check_cases(cases, COUNT_OF(cases), im2col);
}

/* The same columns, whose products are added up. */
static void test_im2col_weights_of_large_picture_in_pieces(void **state) {
    static const char *const cases[] = {
        "ic40ih140iw141_oc2kh5kw5_dir=backward_weights_bias",
        "mb2_g2_ic80ih140iw141_oc4kh5kw5_dir=backward_weights_beta=1",
    };
    (void)state;
    assert_true(workspace_of(cases[0], im2col) < (size_t)1000 * 18632 * 4);
    check_cases(cases, COUNT_OF(cases), im2col);
}

/* 120 channels of 9 taps times 16384 pixels of 4 bytes. */
static void test_col2im_many_channels_in_pieces(void **state) {
    static const char *const cases[] = {
        "ic120ih128iw128_oc2kh3kw3_ph1pw1_dir=backward_data",
        "g2_ic4ih128iw128_oc240kh3kw3_ph1pw1_dir=transposed_bias_act=relu",
    };
    (void)state;
    assert_true(workspace_of(cases[0], col2im) < (size_t)120 * 9 * 16384 * 4);
    check_cases(cases, COUNT_OF(cases), col2im);
}

static void test_col2im_gathers_through_strides(void **state) {
    static const char *const cases[] = {
        "ic3ih9iw8_oc4kh3kw2_dir=backward_data_mode=convolution",
        "g2_mb2_ic6ih9iw8_oc4kh3kw2_sh2sw3_ph1pw1_dir=backward_data_mode=convolution_beta=1",
        "ic3ih7iw9_oc4kh3kw3_sh2sw2_dh1dw2_ph2pw5_dir=backward_data",
        "ic2id3ih4iw3_oc3kd2kh1kw3_sd2sh2sw1_pd0ph0pw1_dir=transposed_bias_residual",
    };
    (void)state;
    check_cases(cases, COUNT_OF(cases), col2im);
}

/* A 1x1 kernel multiplies its input as it lies, but only where pixels lie one behind the other. */
static void test_im2col_input_as_columns(void **state) {
    static const char *const cases[] = {
        "ic5ih6iw7_oc3kh1kw1",
        "mb2_g2_ic6ih6iw7_oc4kh1kw1_bias",
        "ic5ih6iw7_oc3kh1kw1_xs=400:60:42:7:1",
        "ic5ih6iw7_oc3kh1kw1_xs=400:1:210:35:5",
        "ic5ih6iw7_oc3kh1kw1_layout=nhwc_ys=200:42:42:7:1",
        /* channels that begin within each other */
        "ic5ih6iw7_oc3kh1kw1_xs=400:3:42:7:1",
        "ic5ih6iw7_oc3kh1kw1_xs=400:41:42:7:1",
        /* padding, in one channel and in channels that lie far apart as well */
        "ic1ih6iw7_oc3kh1kw1_ph0pw1rh0rw0",
        "ic1ih6iw7_oc3kh1kw1_ph0pw0rh0rw1",
        "ic5ih6iw7_oc3kh1kw1_ph1pw0rh0rw0_xs=500:100:42:7:1",
        "ic5ih6iw7_oc3kh1kw1_ph0pw0rh1rw0_xs=500:100:42:7:1",
        "ic5ih6iw7_oc3kh1kw1_ph0pw0rh1rw0",
        "ic5ih6iw7_oc3kh1kw1_ph0pw1rh0rw0",
        "ic5ih6iw7_oc3kh1kw1_sh1sw2",
        "ic5ih6iw7_oc3kh1kw1_sh2sw1",
        "ic5ih6iw7_oc3kh1kw1_sh6sw7",
    };
    (void)state;
    check_cases(cases, COUNT_OF(cases), im2col);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_im2col_large_picture_in_pieces),
        cmocka_unit_test(test_im2col_weights_of_large_picture_in_pieces),
        cmocka_unit_test(test_col2im_many_channels_in_pieces),
        cmocka_unit_test(test_col2im_gathers_through_strides),
        cmocka_unit_test(test_im2col_input_as_columns),
    };
    return run_group_on_devices(tests);
}
