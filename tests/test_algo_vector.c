/* The vector row, where it reads weights that lie as if they were packed. */
#include "plan.h"
#include "support/run.h"

/* [out][in] becomes [in][out], which is what the gradient of the input finds in the tensor. */
static void turn_weights(tensor_set *set, size_t out, size_t in) {
    float *weights = (float *)set->tensors[CLCONV_WEIGHTS].data;
    float *turned = malloc(out * in * sizeof *turned);
    assert_non_null(turned);
    for (size_t o = 0; o < out; ++o)
        for (size_t c = 0; c < in; ++c)
            turned[c * out + o] = weights[o * in + c];
    memcpy(weights, turned, out * in * sizeof *turned);
    free(turned);
}

/* Whether the row's tile fits, and then whether the result is right. */
static bool check_tile(size_t device, const clconv_problem *problem, const clconv__tile *tile,
                       const tensor_set *set, const expectation *expected) {
    const clconv__weights_view view = {0, 1, (ptrdiff_t)problem->out_channels, {0, 0, 0}};
    const clconv__choice choice = {clconv__find_algo("vector"), tile, &view};
    clconv_plan_options options = CLCONV_PLAN_OPTIONS_INIT;
    clconv_plan *plan = NULL;
    char label[64];
    options.algorithm = "vector";
    if (clconv__plan_create(&plan, devices()->devices[device], problem, &options, &choice))
        return false;
    snprintf(label, sizeof label, "tile %u %u %u", tile->value[0], tile->value[1], tile->value[2]);
    unsigned char *result = malloc(set->tensors[CLCONV_OUTPUT].bytes);
    assert_non_null(result);
    assert_int_equal(plan->packed_bytes, 0);
    assert_true(enqueue_moated(plan, devices()->devices[device], set, result, label));
    assert_true(result_matches(&set->tensors[CLCONV_OUTPUT], result, expected, true, label));
    free(result);
    clconv_plan_destroy(plan);
    return true;
}

static void test_vector_reads_weights_in_place(void **state) {
    clconv_problem problem = CLCONV_PROBLEM_INIT;
    tensor_set set;
    uint64_t random = 3;
    size_t runs = 0, opencl = 0;
    (void)state;
    assert_ok(clconv_problem_parse(&problem, "mb2_ic40ih14iw14_oc64kh1kw1"));
    make_tensors(&set, &problem, &random, SMALL_INTEGERS);
    expectation expected = make_expectation(&problem, &set);
    turn_weights(&set, problem.out_channels, problem.in_channels);
    for (size_t device = 0; device < devices()->count; ++device) {
        if (devices()->infos[device].kind == CLCONV_KIND_HOST)
            continue;
        ++opencl;
        for (const clconv__tile *tile = clconv__find_algo("vector")->tiles; tile->value[0]; ++tile)
            runs += check_tile(device, &problem, tile, &set, &expected);
    }
    free_expectation(&expected);
    free_tensors(&set);
    if (opencl == 0)
        skip_because("there is no OpenCL device");
    assert_true(runs >= 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vector_reads_weights_in_place),
    };
    return run_group_on_devices(tests);
}
