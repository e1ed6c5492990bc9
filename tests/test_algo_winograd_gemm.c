/* Winograd in stages for GPUs: more tiles than one piece, which the cases of the table are too
 * small for. */
#include "plan.h"
#include "support/run.h"

/* Two channels and so many pixels that both tile sizes need two pieces at least. */
static const char *const large = "mb2_ic1ih1000iw1003_oc1kh3kw3_ph1pw1_bias";

static const char *const rows[] = {"winograd_gemm_2x2", "winograd_gemm_4x4"};

static void test_winograd_gemm_of_several_pieces(void **state) {
    clconv_problem problem = CLCONV_PROBLEM_INIT;
    tensor_set set;
    uint64_t random = 3;
    size_t runs = 0;
    (void)state;
    assert_ok(clconv_problem_parse(&problem, large));
    make_tensors(&set, &problem, &random, REALS);
    expectation expected = make_expectation(&problem, &set);
    for (size_t device = 0; device < devices()->count; ++device)
        for (size_t i = 0; i < COUNT_OF(rows); ++i) {
            if (devices()->infos[device].kind == CLCONV_KIND_HOST)
                continue;
            ++runs;
            assert_true(algorithm_is_right(devices()->devices[device], &devices()->infos[device],
                                           &problem, rows[i], &set, &expected, false));
        }
    free_expectation(&expected);
    free_tensors(&set);
    if (runs == 0)
        skip_because("there is no OpenCL device");
}

/* The workspace does not grow with the problem beyond a piece. */
static void test_winograd_gemm_workspace_is_bounded(void **state) {
    const size_t most = ((size_t)32 << 20) + 4096;
    size_t runs = 0;
    (void)state;
    for (size_t device = 0; device < devices()->count; ++device)
        for (size_t i = 0; i < COUNT_OF(rows); ++i) {
            clconv_problem problem = CLCONV_PROBLEM_INIT;
            clconv_plan_options options = CLCONV_PLAN_OPTIONS_INIT;
            clconv_plan *plan = NULL;
            if (devices()->infos[device].kind == CLCONV_KIND_HOST)
                continue;
            ++runs;
            assert_ok(clconv_problem_parse(&problem, large));
            options.algorithm = rows[i];
            assert_ok(clconv_plan_create(&plan, devices()->devices[device], &problem, &options));
            assert_in_range(plan->workspace, most / 4, most);
            clconv_plan_destroy(plan);
        }
    if (runs == 0)
        skip_because("there is no OpenCL device");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_winograd_gemm_of_several_pieces),
        cmocka_unit_test(test_winograd_gemm_workspace_is_bounded),
    };
    return run_group_on_devices(tests);
}
