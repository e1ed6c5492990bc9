/* also: no-device */
/*
 * Extents beyond 32 bits: no tensor is large, but coordinates in the padding and steps are. The
 * reference would store the padding, so that the results are written here.
 */
#include "support/run.h"

typedef struct wide_row {
    const char *text;
    size_t count;
    float expected[9]; /* of what is computed */
} wide_row;

/* Input 2 and 3, weight 5. Cut to 32 bits, the coordinates would fall onto the input. */
static const wide_row rows[] = {
    {"ic1iw2_oc1kw1_pw4294967296rw0_sw4294967296", 2, {0, 10}},
    {"ic1iw2_oc1kw1_pw0rw4294967296_sw4294967296", 2, {10, 0}},
    {"ic1ih2iw1_oc1kh1kw1_ph4294967296rh0_sh4294967296sw1_pw0rw0", 2, {0, 10}},
    {"ic1id2_oc1kd1kh1kw1_pd4294967296ph0pw0rd0rh0rw0_sd4294967296sh1sw1_ih1iw1", 2, {0, 10}},
    {"ic1iw2_oc1kw1_pw8589934592rw0_sw4294967296", 3, {0, 0, 10}},
    /* each of what may be large by itself */
    {"ic1iw2_oc1kw1_pw4294967296rw0_sw536870912", 9, {0, 0, 0, 0, 0, 0, 0, 0, 10}},
    {"ic1iw2_oc1kw1_dw4294967295", 2, {10, 15}},
    {"ic1iw2_oc1kw1_sw4294967296", 1, {10}},
    {"ic1iw2_oc1kw1_sw4294967296_mode=convolution_bias_act=relu", 1, {17}},
    /* gradients, where the output has 11, 13 and so on */
    {"ic1iw2_oc1kw1_pw4294967296rw0_sw4294967296_dir=backward_data", 2, {65, 0}},
    {"ic1iw2_oc1kw1_pw0rw4294967296_sw4294967296_dir=backward_data", 2, {55, 0}},
    {"ic1ih2iw1_oc1kh1kw1_ph4294967296rh0_sh4294967296sw1_pw0rw0_dir=backward_data", 2, {65, 0}},
    {"ic1iw2_oc1kw1_dw4294967295_dir=backward_data", 2, {55, 65}},
    {"ic1iw2_oc1kw1_sw18446744073709551615_dir=backward_data", 2, {55, 0}},
    {"ic1iw2_oc1kw1_pw4294967296rw0_sw4294967296_dir=backward_weights", 1, {26}},
    {"ic1iw2_oc1kw1_pw0rw4294967296_sw4294967296_dir=backward_weights", 1, {22}},
    {"ic1iw2_oc1kw1_dw4294967295_dir=backward_weights", 1, {61}},
    /* transposed convolution */
    {"ic1iw1_oc1kw1_sw18446744073709551615_dir=transposed", 1, {10}},
    {"ic1iw2_oc1kw1_pw4294967296rw0_sw4294967296_dir=transposed_bias", 1, {22}},
    {"ic1iw2_oc1kw1_pw0rw4294967296_sw4294967296_dir=transposed", 1, {10}},
};

static void check_row(const wide_row *row, const clconv_problem *problem, clconv_plan *plan,
                      const char *label) {
    float values[][9] = {[CLCONV_INPUT] = {2, 3},
                         [CLCONV_WEIGHTS] = {5},
                         [CLCONV_OUTPUT] = {11, 13, 17, 19, 23, 29, 31, 37, 41}};
    static const float bias[] = {7};
    clconv_host_tensors tensors = {values[CLCONV_INPUT], values[CLCONV_WEIGHTS], bias, NULL,
                                   values[CLCONV_OUTPUT]};
    int computed = CLCONV_INPUT;
    size_t elements = 0;
    while (!clconv_tensor_is_computed(problem, (clconv_tensor)computed))
        ++computed;
    float *result = values[computed];
    for (size_t i = 0; i < 9; ++i)
        result[i] = NAN;
    assert_ok(clconv_tensor_elements(&elements, problem, (clconv_tensor)computed));
    assert_int_equal(elements, row->count);
    if (clconv_plan_run(plan, &tensors))
        fail_msg("%s: %s", label, clconv_last_message());
    for (size_t i = 0; i < row->count; ++i)
        if (result[i] != row->expected[i])
            fail_msg("%s: element %zu is %g instead of %g", label, i, (double)result[i],
                     (double)row->expected[i]);
}

/* Algorithms that would need a workspace as large as the padding are left out. */
static void check_algorithm(const wide_row *row, size_t device, const char *algorithm,
                            size_t *runs) {
    enum { LARGEST_WORKSPACE = 1 << 20 };
    clconv_problem problem = CLCONV_PROBLEM_INIT;
    clconv_plan_options options = CLCONV_PLAN_OPTIONS_INIT;
    clconv_plan *plan = NULL;
    char label[256];
    options.algorithm = algorithm;
    options.workspace_limit = LARGEST_WORKSPACE;
    assert_ok(clconv_problem_parse(&problem, row->text));
    clconv_status status =
        clconv_plan_create(&plan, devices()->devices[device], &problem, &options);
    if (status == CLCONV_UNSUPPORTED)
        return;
    assert_ok(status);
    snprintf(label, sizeof label, "%s on %s: %s", algorithm, devices()->infos[device].selector,
             row->text);
    check_row(row, &problem, plan, label);
    clconv_plan_destroy(plan);
    ++*runs;
}

static void test_plan_run_coordinates_beyond_32_bits(void **state) {
    (void)state;
    for (size_t row = 0; row < COUNT_OF(rows); ++row)
        for (size_t device = 0; device < devices()->count; ++device) {
            size_t runs = 0;
            for (size_t i = 0; i < clconv_algorithm_count(); ++i)
                check_algorithm(&rows[row], device, clconv_algorithm_name(i), &runs);
            if (runs == 0)
                fail_msg("no algorithm takes %s", rows[row].text);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plan_run_coordinates_beyond_32_bits),
    };
    use_optimizer(false);
    return run_group_on_devices(tests);
}
