/* also: no-device */
/* Plans of the gradients and of transposed convolution: what a call needs, writes and repeats. */
#include "support/run.h"

static clconv_problem parsed(const char *text) {
    clconv_problem problem = CLCONV_PROBLEM_INIT;
    if (clconv_problem_parse(&problem, text))
        fail_msg("%s: %s", text, clconv_last_message());
    return problem;
}

/* A plan of the best row, or of a named one. */
static clconv_plan *plan_of(size_t device, const clconv_problem *problem, const char *algorithm) {
    clconv_plan_options options = CLCONV_PLAN_OPTIONS_INIT;
    clconv_plan *plan = NULL;
    options.algorithm = algorithm;
    assert_ok(clconv_plan_create(&plan, devices()->devices[device], problem, &options));
    return plan;
}

static const char *const problems[] = {
    "mb2_ic5ih9iw8_oc6kh3kw3_sh2sw1_ph1pw1_dir=backward_data_beta=1",
    "ic3ih6iw5_oc4kh3kw3_xs=300:90:90:12:2_ys=500:1:1:50:7_dir=backward_data",
    "mb2_ic5ih9iw8_oc6kh3kw3_sh2sw1_ph1pw1_dir=backward_weights_bias_beta=1",
    "mb2_ic5ih9iw8_oc6kh3kw3_ph1pw1_dir=backward_weights",
    "g2_ic4ih5iw6_oc6kh3kw3_sh2sw2_oph1opw0_dir=transposed_bias_act=relu",
};

/* clconv_plan_run() reads, writes and leaves alone what it should. */
static void test_plan_run_of_every_direction(void **state) {
    uint64_t random = 11;
    (void)state;
    for (size_t i = 0; i < COUNT_OF(problems); ++i) {
        const clconv_problem problem = parsed(problems[i]);
        tensor_set set;
        make_tensors(&set, &problem, &random, REALS);
        expectation expected = make_expectation(&problem, &set);
        unsigned char *result = malloc(result_bytes(&set));
        assert_non_null(result);
        for (size_t device = 0; device < devices()->count; ++device) {
            clconv_plan *plan = plan_of(device, &problem, NULL);
            assert_true(run_on_host_memory(plan, &set, result, problems[i]));
            assert_true(results_match(&set, result, &expected, false, problems[i]));
            clconv_plan_destroy(plan);
        }
        free(result);
        free_expectation(&expected);
        free_tensors(&set);
    }
}

/* Every row of every direction gives the same bits again. */
static void test_plan_run_repeats_to_the_bit(void **state) {
    uint64_t random = 12;
    size_t repeated = 0;
    (void)state;
    for (size_t i = 0; i < COUNT_OF(problems); ++i) {
        const clconv_problem problem = parsed(problems[i]);
        tensor_set set;
        make_tensors(&set, &problem, &random, REALS);
        const size_t bytes = result_bytes(&set);
        unsigned char *first = malloc(bytes), *again = malloc(bytes);
        assert_non_null(first);
        assert_non_null(again);
        for (size_t device = 0; device < devices()->count; ++device)
            for (size_t row = 0; row < clconv_algorithm_count(); ++row) {
                const char *name = clconv_algorithm_name(row);
                if (clconv_algorithm_check(NULL, NULL, devices()->devices[device], &problem, name))
                    continue;
                clconv_plan *plan = plan_of(device, &problem, name);
                assert_true(run_on_host_memory(plan, &set, first, name));
                for (int run = 0; run < 3; ++run, ++repeated) {
                    assert_true(run_on_host_memory(plan, &set, again, name));
                    assert_memory_equal(first, again, bytes);
                }
                clconv_plan_destroy(plan);
            }
        free(first);
        free(again);
        free_tensors(&set);
    }
    assert_true(repeated >= 3 * COUNT_OF(problems));
}

/* ---- the gradient of the bias alone ---- */

static void test_plan_run_bias_alone(void **state) {
    clconv_problem problem = parsed("mb2_ic3ih7iw6_oc5kh3kw3_ph1pw1_dir=backward_weights_bias");
    uint64_t random = 13;
    tensor_set set;
    (void)state;
    make_tensors(&set, &problem, &random, SMALL_INTEGERS);
    expectation expected = make_expectation(&problem, &set);
    const double *wanted = expected.values + set.tensors[CLCONV_WEIGHTS].count;
    for (size_t device = 0; device < devices()->count; ++device)
        for (size_t row = 0; row < clconv_algorithm_count(); ++row) {
            const char *name = clconv_algorithm_name(row);
            if (clconv_algorithm_check(NULL, NULL, devices()->devices[device], &problem, name))
                continue;
            clconv_plan *plan = plan_of(device, &problem, name);
            float bias[5] = {NAN, NAN, NAN, NAN, NAN};
            clconv_host_tensors tensors = host_tensors(&set);
            tensors.weights = NULL;
            tensors.bias = bias;
            assert_ok(clconv_plan_run(plan, &tensors));
            for (size_t i = 0; i < COUNT_OF(bias); ++i)
                assert_true((double)bias[i] == wanted[i]);
            tensors.bias = NULL;
            assert_fails(clconv_plan_run(plan, &tensors), CLCONV_INVALID_ARGUMENT, "bias");
            clconv_plan_destroy(plan);
        }
    problem.has_bias = 0;
    for (size_t device = 0; device < devices()->count; ++device) {
        clconv_plan *plan = plan_of(device, &problem, NULL);
        clconv_host_tensors tensors = host_tensors(&set);
        tensors.weights = NULL;
        assert_fails(clconv_plan_run(plan, &tensors), CLCONV_INVALID_ARGUMENT, "weights");
        clconv_plan_destroy(plan);
    }
    free_expectation(&expected);
    free_tensors(&set);
}

static void enqueue_bias_alone(size_t device, clconv_plan *plan, const tensor_set *set,
                               const expectation *expected) {
    const tensor *weights = &set->tensors[CLCONV_WEIGHTS], *bias = &set->tensors[CLCONV_BIAS];
    unsigned char *result = malloc(result_bytes(set));
    moated_set moated;
    clconv_tensors tensors;
    cl_context context;
    cl_command_queue queue;
    cl_event event = NULL;
    assert_non_null(result);
    assert_ok(clconv_device_opencl(devices()->devices[device], &context, NULL, &queue));
    make_moated(&moated, &tensors, context, set, clconv_plan_workspace_size(plan));
    tensors.weights = (clconv_buffer){NULL, 0};
    assert_ok(clconv_plan_enqueue(plan, NULL, &tensors, 0, NULL, &event));
    assert_int_equal(clWaitForEvents(1, &event), CL_SUCCESS);
    assert_int_equal(clReleaseEvent(event), CL_SUCCESS);
    assert_true(read_moated(&moated, queue, set, result, "bias alone"));
    assert_memory_equal(result, weights->data, weights->bytes); /* as poisoned as before */
    for (size_t i = 0; i < bias->count; ++i)
        assert_true(clconv_element_get(result + weights->bytes, bias->type, i) ==
                    expected->values[weights->count + i]);
    release_moated(&moated);
    free(result);
}

/* On buffers the event belongs to the last command, whichever that is. */
static void test_plan_enqueue_bias_alone(void **state) {
    const clconv_problem problem = parsed("ic3ih7iw6_oc5kh3kw3_dir=backward_weights_bias");
    uint64_t random = 14;
    tensor_set set;
    (void)state;
    make_tensors(&set, &problem, &random, SMALL_INTEGERS);
    expectation expected = make_expectation(&problem, &set);
    for (size_t device = 0; device + 1 < devices()->count; ++device)
        for (size_t row = 0; row < clconv_algorithm_count(); ++row) {
            const char *name = clconv_algorithm_name(row);
            if (clconv_algorithm_check(NULL, NULL, devices()->devices[device], &problem, name))
                continue;
            clconv_plan *plan = plan_of(device, &problem, name);
            enqueue_bias_alone(device, plan, &set, &expected);
            clconv_plan_destroy(plan);
        }
    free_expectation(&expected);
    free_tensors(&set);
}

/* ---- arguments ---- */

static void test_plan_enqueue_computed_tensor_overlaps(void **state) {
    static const struct {
        const char *problem, *text;
        size_t computed, other;
    } rows[] = {
        {"ic2ih4iw4_oc2kh3kw3_dir=backward_data", "tensors.input overlaps tensors.output",
         CLCONV_INPUT, CLCONV_OUTPUT},
        {"ic2ih4iw4_oc2kh3kw3_dir=backward_data", "tensors.input overlaps tensors.weights",
         CLCONV_INPUT, CLCONV_WEIGHTS},
        {"ic2ih4iw4_oc2kh3kw3_dir=backward_weights_bias", "tensors.weights overlaps tensors.input",
         CLCONV_WEIGHTS, CLCONV_INPUT},
        {"ic2ih4iw4_oc2kh3kw3_dir=backward_weights_bias", "tensors.weights overlaps tensors.bias",
         CLCONV_WEIGHTS, CLCONV_BIAS},
        {"ic2ih4iw4_oc2kh3kw3_dir=backward_weights_bias", "tensors.bias overlaps tensors.output",
         CLCONV_BIAS, CLCONV_OUTPUT},
    };
    (void)state;
    for (size_t device = 0; device + 1 < devices()->count; ++device)
        for (size_t i = 0; i < COUNT_OF(rows); ++i) {
            const clconv_problem problem = parsed(rows[i].problem);
            clconv_plan *plan = plan_of(device, &problem, NULL);
            uint64_t random = 15;
            tensor_set set;
            moated_set moated;
            clconv_tensors tensors;
            cl_context context;
            make_tensors(&set, &problem, &random, REALS);
            assert_ok(clconv_device_opencl(devices()->devices[device], &context, NULL, NULL));
            make_moated(&moated, &tensors, context, &set, clconv_plan_workspace_size(plan));
            clconv_buffer *const slots[] = {&tensors.input, &tensors.weights, &tensors.bias,
                                            &tensors.residual, &tensors.output};
            /* The larger of the two holds both. */
            const size_t large =
                set.tensors[rows[i].computed].bytes > set.tensors[rows[i].other].bytes
                    ? rows[i].computed
                    : rows[i].other;
            *slots[large == rows[i].computed ? rows[i].other : rows[i].computed] = *slots[large];
            assert_fails(clconv_plan_enqueue(plan, NULL, &tensors, 0, NULL, NULL),
                         CLCONV_INVALID_ARGUMENT, rows[i].text);
            release_moated(&moated);
            free_tensors(&set);
            clconv_plan_destroy(plan);
        }
}

static void test_plan_pack_weights_by_direction(void **state) {
    uint64_t random = 16;
    (void)state;
    for (size_t i = 0; i < COUNT_OF(problems); ++i) {
        const clconv_problem problem = parsed(problems[i]);
        tensor_set set;
        make_tensors(&set, &problem, &random, REALS);
        expectation expected = make_expectation(&problem, &set);
        unsigned char *result = malloc(result_bytes(&set));
        assert_non_null(result);
        for (size_t device = 0; device < devices()->count; ++device) {
            clconv_plan *plan = plan_of(device, &problem, NULL);
            const clconv_status status =
                clconv_plan_pack_weights(plan, set.tensors[CLCONV_WEIGHTS].data);
            if (problem.direction == CLCONV_BACKWARD_WEIGHTS) {
                assert_fails(status, CLCONV_UNSUPPORTED, "backward_weights");
            } else {
                tensor_set without = set;
                assert_ok(status);
                without.tensors[CLCONV_WEIGHTS].data = NULL;
                assert_true(run_on_host_memory(plan, &without, result, problems[i]));
                assert_true(results_match(&set, result, &expected, false, problems[i]));
            }
            clconv_plan_destroy(plan);
        }
        free(result);
        free_expectation(&expected);
        free_tensors(&set);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plan_run_of_every_direction),
        cmocka_unit_test(test_plan_run_repeats_to_the_bit),
        cmocka_unit_test(test_plan_run_bias_alone),
        cmocka_unit_test(test_plan_enqueue_bias_alone),
        cmocka_unit_test(test_plan_enqueue_computed_tensor_overlaps),
        cmocka_unit_test(test_plan_pack_weights_by_direction),
    };
    use_optimizer(false);
    return run_group_on_devices(tests);
}
