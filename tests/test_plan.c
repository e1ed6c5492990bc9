/* also: no-device */
/* Plans: creation, running on host memory and on the caller's buffers, packing, explaining. */
#include "support/run.h"

#include <pthread.h>
#include <time.h>

/* ---- a problem with every tensor, its data and what should come out ---- */

typedef struct fixture {
    clconv_problem problem;
    tensor_set set;
    expectation expected;
} fixture;

static const char *const plain = "mb2_g2_ic6ih9iw8_oc4kh3kw2_sh1sw2_ph1pw0";
static const char *const full = "mb2_g2_ic6ih9iw8_oc4kh3kw2_sh1sw2_ph1pw0_bias_residual_"
                                "alpha=0.5_beta=-1.25_act=relu";

static void make_fixture(fixture *f, const char *text) {
    uint64_t random = 17;
    f->problem = (clconv_problem)CLCONV_PROBLEM_INIT;
    assert_ok(clconv_problem_parse(&f->problem, text));
    make_tensors(&f->set, &f->problem, &random, REALS);
    f->expected = make_expectation(&f->problem, &f->set);
}

static void free_fixture(fixture *f) {
    free_expectation(&f->expected);
    free_tensors(&f->set);
}

static bool fixture_matches(const fixture *f, const unsigned char *result, const char *label) {
    return result_matches(&f->set.tensors[CLCONV_OUTPUT], result, &f->expected, false, label);
}

static unsigned char *copy_of_output(const fixture *f) {
    const tensor *output = &f->set.tensors[CLCONV_OUTPUT];
    unsigned char *copy = malloc(output->bytes);
    assert_non_null(copy);
    memcpy(copy, output->data, output->bytes);
    return copy;
}

static clconv_status create(clconv_plan **plan, clconv_device *device,
                            const clconv_problem *problem, const char *algorithm) {
    clconv_plan_options options = CLCONV_PLAN_OPTIONS_INIT;
    options.algorithm = algorithm;
    return clconv_plan_create(plan, device, problem, &options);
}

typedef enum which_devices { EVERY_DEVICE, OPENCL_DEVICES } which_devices;

typedef void (*plan_check)(clconv_plan *plan, clconv_device *device, const fixture *f,
                           const char *label);

/* Calls the check with a plan of every algorithm that takes the problem on every device. */
static void for_each_plan(const char *text, which_devices which, plan_check check) {
    fixture f;
    size_t plans = 0;
    make_fixture(&f, text);
    for (size_t i = 0; i < devices()->count; ++i) {
        if (which == OPENCL_DEVICES && devices()->infos[i].kind == CLCONV_KIND_HOST)
            continue;
        for (size_t row = 0; row < clconv_algorithm_count(); ++row) {
            const char *algorithm = clconv_algorithm_name(row);
            char label[64];
            clconv_plan *plan = NULL;
            clconv_status status = create(&plan, devices()->devices[i], &f.problem, algorithm);
            if (status == CLCONV_UNSUPPORTED)
                continue;
            assert_ok(status);
            snprintf(label, sizeof label, "%s on %s", algorithm, devices()->infos[i].selector);
            assert_string_equal(clconv_plan_algorithm(plan), algorithm);
            fixture own = f;
            own.expected = expectation_of(algorithm, &f.problem, &f.set, &f.expected);
            check(plan, devices()->devices[i], &own, label);
            free_expectation(&own.expected);
            clconv_plan_destroy(plan);
            ++plans;
        }
    }
    free_fixture(&f);
    if (plans == 0 && which == OPENCL_DEVICES)
        skip_because("there is no OpenCL device");
    assert_true(plans > 0);
}

static clconv_device *host_device(void) {
    return devices()->devices[devices()->count - 1];
}

static clconv_plan *const not_null = (clconv_plan *)(uintptr_t)8;

/* ---- creation ---- */

static void test_plan_create_bad_arguments(void **state) {
    clconv_problem problem = CLCONV_PROBLEM_INIT;
    clconv_plan_options options = CLCONV_PLAN_OPTIONS_INIT;
    clconv_plan *plan = not_null;
    (void)state;
    assert_fails(clconv_plan_create(NULL, host_device(), &problem, NULL), CLCONV_INVALID_ARGUMENT,
                 "plan is NULL");
    assert_fails(clconv_plan_create(&plan, NULL, &problem, NULL), CLCONV_INVALID_ARGUMENT,
                 "device is NULL");
    assert_null(plan);
    plan = not_null;
    assert_fails(clconv_plan_create(&plan, host_device(), NULL, NULL), CLCONV_INVALID_ARGUMENT,
                 "problem is NULL");
    assert_null(plan);
    plan = not_null;
    options.version = CLCONV_PLAN_OPTIONS_VERSION + 1;
    assert_fails(clconv_plan_create(&plan, host_device(), &problem, &options),
                 CLCONV_INVALID_ARGUMENT, "version is 4, but this library knows 3");
    assert_null(plan);
    plan = not_null;
    problem.stride[CLCONV_W] = 0;
    assert_fails(clconv_plan_create(&plan, host_device(), &problem, NULL), CLCONV_INVALID_PROBLEM,
                 "stride");
    assert_null(plan);
}

static void test_plan_create_unknown_algorithm(void **state) {
    static const char *const names[] = {"", "fastest", "DIRECT", "direct ", "host2"};
    clconv_problem problem = CLCONV_PROBLEM_INIT;
    (void)state;
    for (size_t device = 0; device < devices()->count; ++device)
        for (size_t i = 0; i < COUNT_OF(names); ++i) {
            clconv_plan *plan = not_null;
            assert_fails(create(&plan, devices()->devices[device], &problem, names[i]),
                         CLCONV_UNKNOWN_ALGORITHM, names[i]);
            assert_null(plan);
        }
}

/* Without a name, the smallest estimate among the rows that can run. */
static void test_plan_create_chooses_smallest_estimate(void **state) {
    static const char *const texts[] = {"ic3ih9iw9_oc4kh3kw3", "ic64ih28iw28_oc64kh3kw3_ph1pw1",
                                        "g32_ic32ih14iw14_oc32kh3kw3_ph1pw1"};
    (void)state;
    for (size_t device = 0; device < devices()->count; ++device)
        for (size_t i = 0; i < COUNT_OF(texts); ++i) {
            clconv_problem problem = CLCONV_PROBLEM_INIT;
            clconv_plan *plan = NULL;
            const char *best = NULL;
            double smallest = INFINITY, seconds;
            assert_ok(clconv_problem_parse(&problem, texts[i]));
            for (size_t row = 0; row < clconv_algorithm_count(); ++row)
                if (clconv_algorithm_check(NULL, &seconds, devices()->devices[device], &problem,
                                           clconv_algorithm_name(row)) == CLCONV_OK &&
                    seconds < smallest) {
                    smallest = seconds;
                    best = clconv_algorithm_name(row);
                }
            assert_non_null(best);
            assert_ok(clconv_plan_create(&plan, devices()->devices[device], &problem, NULL));
            assert_string_equal(clconv_plan_algorithm(plan), best);
            clconv_plan_destroy(plan);
        }
}

/* The plan keeps nothing of the caller's: neither problem, nor options, nor the name. */
static void test_plan_create_copies_its_arguments(void **state) {
    fixture f;
    clconv_plan_options options = CLCONV_PLAN_OPTIONS_INIT;
    char name[] = "host";
    clconv_plan *plan = NULL;
    (void)state;
    make_fixture(&f, full);
    clconv_problem problem = f.problem;
    options.algorithm = name;
    assert_ok(clconv_plan_create(&plan, host_device(), &problem, &options));
    memset(&problem, 0x77, sizeof problem);
    memset(&options, 0x77, sizeof options);
    memset(name, 'x', sizeof name - 1);
    assert_string_equal(clconv_plan_algorithm(plan), "host");
    unsigned char *result = copy_of_output(&f);
    assert_true(run_on_host_memory(plan, &f.set, result, "host"));
    assert_true(fixture_matches(&f, result, "host"));
    free(result);
    clconv_plan_destroy(plan);
    free_fixture(&f);
}

static void check_workspace_limit(clconv_plan *plan, clconv_device *device, const fixture *f,
                                  const char *label) {
    clconv_plan_options options = CLCONV_PLAN_OPTIONS_INIT;
    clconv_plan *limited = not_null;
    size_t size = clconv_plan_workspace_size(plan);
    (void)label;
    options.algorithm = clconv_plan_algorithm(plan);
    options.workspace_limit = size;
    assert_ok(clconv_plan_create(&limited, device, &f->problem, &options));
    assert_int_equal(clconv_plan_workspace_size(limited), size);
    clconv_plan_destroy(limited);
    if (size == 0)
        return;
    options.workspace_limit = 0;
    limited = not_null;
    assert_fails(clconv_plan_create(&limited, device, &f->problem, &options), CLCONV_UNSUPPORTED,
                 "workspace");
    assert_null(limited);
    options.algorithm = NULL;
    assert_ok(clconv_plan_create(&limited, device, &f->problem, &options));
    assert_int_equal(clconv_plan_workspace_size(limited), 0);
    clconv_plan_destroy(limited);
}

static void test_plan_create_workspace_limit(void **state) {
    (void)state;
    for_each_plan(plain, EVERY_DEVICE, check_workspace_limit);
}

static void test_plan_functions_with_null_plan(void **state) {
    clconv_host_tensors host = {0};
    clconv_tensors tensors = {0};
    char text[8];
    static const float one = 1;
    (void)state;
    clconv_plan_destroy(NULL);
    assert_null(clconv_plan_algorithm(NULL));
    assert_int_equal(clconv_plan_workspace_size(NULL), 0);
    assert_fails(clconv_plan_run(NULL, &host), CLCONV_INVALID_ARGUMENT, "plan is NULL");
    assert_fails(clconv_plan_enqueue(NULL, NULL, &tensors, 0, NULL, NULL), CLCONV_INVALID_ARGUMENT,
                 "plan is NULL");
    assert_fails(clconv_plan_explain(text, sizeof text, NULL), CLCONV_INVALID_ARGUMENT,
                 "plan is NULL");
    assert_fails(clconv_plan_pack_weights(NULL, &one), CLCONV_INVALID_ARGUMENT, "plan is NULL");
}

/* ---- host memory ---- */

static void check_run(clconv_plan *plan, clconv_device *device, const fixture *f,
                      const char *label) {
    unsigned char *result = copy_of_output(f);
    (void)device;
    for (int repetition = 0; repetition < 2; ++repetition) {
        assert_true(run_on_host_memory(plan, &f->set, result, label));
        assert_true(fixture_matches(f, result, label));
    }
    free(result);
}

static void test_plan_run_with_every_tensor(void **state) {
    (void)state;
    for_each_plan(full, EVERY_DEVICE, check_run);
}

static void test_plan_run_without_optional_tensors(void **state) {
    (void)state;
    for_each_plan(plain, EVERY_DEVICE, check_run);
}

static void test_plan_run_strided_views(void **state) {
    (void)state;
    for_each_plan("mb2_ic3ih6iw5_oc4kh3kw3_ph1pw1_bias_residual_xs=200:1:1:30:5_ys=1:2:8:50:9",
                  EVERY_DEVICE, check_run);
}

static void check_worked_result(clconv_plan *plan, clconv_device *device, const fixture *f,
                                const char *label) {
    static const float input[] = {0, 1, 2, 3, 4, 5, 6, 7, 8}, weights[] = {0, 1, 2, 3};
    static const float expected[] = {19, 25, 37, 43};
    float output[4] = {NAN, NAN, NAN, NAN};
    (void)device;
    (void)f;
    (void)label;
    assert_ok(clconv_plan_run(
        plan, &(clconv_host_tensors){.input = input, .weights = weights, .output = output}));
    assert_memory_equal(output, expected, sizeof expected);
}

static void test_plan_run_worked_result(void **state) {
    (void)state;
    for_each_plan("ic1ih3iw3_oc1kh2kw2", EVERY_DEVICE, check_worked_result);
}

static void check_null_pointers(clconv_plan *plan, clconv_device *device, const fixture *f,
                                const char *label) {
    unsigned char *result = copy_of_output(f);
    clconv_host_tensors good = host_tensors(&f->set);
    (void)device;
    (void)label;
    good.output = result;
    for (size_t i = 0; i < TENSOR_COUNT; ++i) {
        clconv_host_tensors bad = without_tensor(good, i);
        assert_fails(clconv_plan_run(plan, &bad), CLCONV_INVALID_ARGUMENT, tensor_name(i));
    }
    assert_fails(clconv_plan_run(plan, NULL), CLCONV_INVALID_ARGUMENT, "tensors");
    assert_memory_equal(result, f->set.tensors[CLCONV_OUTPUT].data,
                        f->set.tensors[CLCONV_OUTPUT].bytes);
    free(result);
}

static void test_plan_run_null_pointers(void **state) {
    (void)state;
    for_each_plan(full, EVERY_DEVICE, check_null_pointers);
}

static void check_absent_tensors(clconv_plan *plan, clconv_device *device, const fixture *f,
                                 const char *label) {
    unsigned char *result = copy_of_output(f);
    clconv_host_tensors tensors = host_tensors(&f->set);
    (void)device;
    tensors.bias = tensors.residual = not_null;
    tensors.output = result;
    assert_ok(clconv_plan_run(plan, &tensors));
    assert_true(fixture_matches(f, result, label));
    free(result);
}

static void test_plan_run_does_not_look_at_absent_tensors(void **state) {
    (void)state;
    for_each_plan(plain, EVERY_DEVICE, check_absent_tensors);
}

/* ---- packed weights ---- */

static void check_packed_weights(clconv_plan *plan, clconv_device *device, const fixture *f,
                                 const char *label) {
    const tensor *weights = &f->set.tensors[CLCONV_WEIGHTS];
    unsigned char *result = copy_of_output(f), *packed = malloc(weights->bytes);
    clconv_host_tensors tensors = host_tensors(&f->set);
    (void)device;
    assert_non_null(packed);
    memset(packed, POISON, weights->bytes);
    assert_ok(clconv_plan_pack_weights(plan, packed));
    memcpy(packed, weights->data, weights->bytes);
    assert_ok(clconv_plan_pack_weights(plan, packed));
    memset(packed, POISON, weights->bytes);
    free(packed);
    tensors.output = result;
    tensors.weights = NULL;
    for (int repetition = 0; repetition < 2; ++repetition) {
        memcpy(result, f->set.tensors[CLCONV_OUTPUT].data, f->set.tensors[CLCONV_OUTPUT].bytes);
        assert_ok(clconv_plan_run(plan, &tensors));
        assert_true(fixture_matches(f, result, label));
    }
    free(result);
}

static void test_plan_pack_weights_then_run_without(void **state) {
    static const char *const texts[] = {
        "mb2_g2_ic6ih9iw8_oc4kh3kw2_sh1sw2_ph1pw0",
        "ic17ih9iw8_oc33kh3kw3_ph1pw1_bias_act=relu",
        "ic5ih9iw8_oc7kh3kw3_ph1pw1_mode=convolution",
        "ic5ih9iw8_oc7kh3kw3_ph1pw1_layout=nhwc_weights=ohwi",
        "ic5ih9iw8_oc7kh3kw3_ph1pw1_type=f16",
        "ic5ih9iw8_oc7kh3kw3_ph1pw1_type=u8_xzp=100_wzp=-3",
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); ++i)
        for_each_plan(texts[i], EVERY_DEVICE, check_packed_weights);
}

static void check_pack_null(clconv_plan *plan, clconv_device *device, const fixture *f,
                            const char *label) {
    clconv_host_tensors tensors = host_tensors(&f->set);
    (void)device;
    (void)label;
    assert_fails(clconv_plan_pack_weights(plan, NULL), CLCONV_INVALID_ARGUMENT, "weights");
    tensors.weights = NULL;
    assert_fails(clconv_plan_run(plan, &tensors), CLCONV_INVALID_ARGUMENT, "weights");
}

static void test_plan_pack_weights_null(void **state) {
    (void)state;
    for_each_plan(plain, EVERY_DEVICE, check_pack_null);
}

static void check_packed_enqueue(clconv_plan *plan, clconv_device *device, const fixture *f,
                                 const char *label) {
    tensor_set without_weights = f->set;
    unsigned char *result = copy_of_output(f);
    assert_ok(clconv_plan_pack_weights(plan, f->set.tensors[CLCONV_WEIGHTS].data));
    without_weights.tensors[CLCONV_WEIGHTS].data = NULL;
    assert_true(enqueue_moated(plan, device, &without_weights, result, label));
    assert_true(fixture_matches(f, result, label));
    free(result);
}

static void test_plan_pack_weights_then_enqueue_without(void **state) {
    (void)state;
    for_each_plan(full, OPENCL_DEVICES, check_packed_enqueue);
}

/* ---- the caller's buffers ---- */

static void check_enqueue(clconv_plan *plan, clconv_device *device, const fixture *f,
                          const char *label) {
    unsigned char *result = copy_of_output(f);
    assert_true(enqueue_moated(plan, device, &f->set, result, label));
    assert_true(fixture_matches(f, result, label));
    free(result);
}

static void test_plan_enqueue_between_guard_bands(void **state) {
    (void)state;
    for_each_plan(full, OPENCL_DEVICES, check_enqueue);
    for_each_plan("ic17ih16iw15_oc33kh3kw3_ph1pw1_bias", OPENCL_DEVICES, check_enqueue);
}

/* Buffers, tensors and an output that can be read back, for one plan. */
typedef struct bench {
    cl_context context;
    cl_device_id id;
    cl_command_queue queue;
    moated_set moated;
    clconv_tensors tensors;
} bench;

static void make_bench(bench *b, clconv_plan *plan, clconv_device *device, const fixture *f) {
    assert_ok(clconv_device_opencl(device, &b->context, &b->id, &b->queue));
    make_moated(&b->moated, &b->tensors, b->context, &f->set, clconv_plan_workspace_size(plan));
}

static void assert_bench_matches(const bench *b, const fixture *f, const char *label) {
    unsigned char *result = copy_of_output(f);
    assert_true(read_moated(&b->moated, b->queue, &f->set, result, label));
    assert_true(fixture_matches(f, result, label));
    free(result);
}

static void assert_bench_output_untouched(const bench *b, const fixture *f, const char *label) {
    unsigned char *result = copy_of_output(f);
    assert_int_equal(clFinish(b->queue), CL_SUCCESS);
    assert_true(read_moated(&b->moated, b->queue, &f->set, result, label));
    assert_memory_equal(result, f->set.tensors[CLCONV_OUTPUT].data,
                        f->set.tensors[CLCONV_OUTPUT].bytes);
    free(result);
}

static void free_bench(bench *b) {
    release_moated(&b->moated);
}

/* Nothing runs before the wait event is set, and the call returns nevertheless. */
static void check_events(clconv_plan *plan, clconv_device *device, const fixture *f,
                         cl_command_queue_properties properties, const char *label) {
    bench b;
    cl_int code, execution = CL_COMPLETE;
    cl_event event = NULL;
    make_bench(&b, plan, device, f);
    cl_command_queue queue = clCreateCommandQueue(b.context, b.id, properties, &code);
    if (code == CL_INVALID_QUEUE_PROPERTIES || code == CL_INVALID_VALUE) {
        print_message("%s: the device has no such queue\n", label);
        free_bench(&b);
        return;
    }
    assert_int_equal(code, CL_SUCCESS);
    cl_event wait = clCreateUserEvent(b.context, &code);
    assert_int_equal(code, CL_SUCCESS);
    assert_ok(clconv_plan_enqueue(plan, queue, &b.tensors, 1, &wait, &event));
    assert_non_null(event);
    assert_int_equal(clFlush(queue), CL_SUCCESS);
    nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    assert_int_equal(clGetEventInfo(event, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof execution,
                                    &execution, NULL),
                     CL_SUCCESS);
    assert_int_not_equal(execution, CL_COMPLETE);
    assert_int_equal(clSetUserEventStatus(wait, CL_COMPLETE), CL_SUCCESS);
    assert_int_equal(clWaitForEvents(1, &event), CL_SUCCESS);
    assert_bench_matches(&b, f, label);
    clReleaseEvent(event);
    clReleaseEvent(wait);
    clReleaseCommandQueue(queue);
    free_bench(&b);
}

static void check_out_of_order_queue(clconv_plan *plan, clconv_device *device, const fixture *f,
                                     const char *label) {
    check_events(plan, device, f, CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE, label);
}

static void check_in_order_queue(clconv_plan *plan, clconv_device *device, const fixture *f,
                                 const char *label) {
    check_events(plan, device, f, 0, label);
}

static void test_plan_enqueue_waits_in_out_of_order_queue(void **state) {
    (void)state;
    for_each_plan(full, OPENCL_DEVICES, check_out_of_order_queue);
}

static void test_plan_enqueue_waits_in_in_order_queue(void **state) {
    (void)state;
    for_each_plan(full, OPENCL_DEVICES, check_in_order_queue);
}

/* The second run reads what the first has written, ordered by its event alone. */
static void check_chain(clconv_plan *plan, clconv_device *device, const fixture *f,
                        const char *label) {
    bench b;
    cl_int code;
    cl_event events[2] = {NULL, NULL};
    make_bench(&b, plan, device, f);
    cl_command_queue queue =
        clCreateCommandQueue(b.context, b.id, CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE, &code);
    if (code != CL_SUCCESS)
        queue = clCreateCommandQueue(b.context, b.id, 0, &code);
    assert_int_equal(code, CL_SUCCESS);
    assert_ok(clconv_plan_enqueue(plan, queue, &b.tensors, 0, NULL, &events[0]));
    assert_ok(clconv_plan_enqueue(plan, queue, &b.tensors, 1, &events[0], &events[1]));
    assert_int_equal(clWaitForEvents(1, &events[1]), CL_SUCCESS);
    assert_bench_matches(&b, f, label);
    clReleaseEvent(events[0]);
    clReleaseEvent(events[1]);
    clReleaseCommandQueue(queue);
    free_bench(&b);
}

static void test_plan_enqueue_chained_by_events(void **state) {
    (void)state;
    for_each_plan(plain, OPENCL_DEVICES, check_chain);
}

static void check_destroyed_plan(clconv_plan *plan, clconv_device *device, const fixture *f,
                                 const char *label) {
    bench b;
    cl_int code;
    clconv_plan *doomed = NULL;
    assert_ok(create(&doomed, device, &f->problem, clconv_plan_algorithm(plan)));
    make_bench(&b, doomed, device, f);
    cl_event wait = clCreateUserEvent(b.context, &code), event = NULL;
    assert_int_equal(code, CL_SUCCESS);
    assert_ok(clconv_plan_enqueue(doomed, NULL, &b.tensors, 1, &wait, &event));
    clconv_plan_destroy(doomed);
    assert_int_equal(clSetUserEventStatus(wait, CL_COMPLETE), CL_SUCCESS);
    assert_int_equal(clWaitForEvents(1, &event), CL_SUCCESS);
    assert_bench_matches(&b, f, label);
    clReleaseEvent(event);
    clReleaseEvent(wait);
    free_bench(&b);
}

static void test_plan_destroy_while_its_work_waits(void **state) {
    (void)state;
    for_each_plan(full, OPENCL_DEVICES, check_destroyed_plan);
}

static void check_residual_in_place(clconv_plan *plan, clconv_device *device, const fixture *f,
                                    const char *label) {
    const tensor *residual = &f->set.tensors[CLCONV_RESIDUAL];
    tensor_set in_place = f->set;
    bench b;
    in_place.tensors[CLCONV_OUTPUT].data = residual->data;
    assert_ok(clconv_device_opencl(device, &b.context, &b.id, &b.queue));
    make_moated(&b.moated, &b.tensors, b.context, &in_place, clconv_plan_workspace_size(plan));
    b.tensors.residual = b.tensors.output;
    assert_ok(clconv_plan_enqueue(plan, NULL, &b.tensors, 0, NULL, NULL));
    assert_int_equal(clFinish(b.queue), CL_SUCCESS);
    unsigned char *result = copy_of_output(f);
    assert_true(read_moated(&b.moated, b.queue, &in_place, result, label));
    assert_true(values_match(residual, result, &f->expected, false, label));
    free(result);
    free_bench(&b);
}

static void test_plan_enqueue_residual_may_be_the_output(void **state) {
    (void)state;
    for_each_plan("mb2_ic6ih9iw8_oc4kh3kw2_ph1pw0_bias_residual", OPENCL_DEVICES,
                  check_residual_in_place);
}

static void check_overlap(clconv_plan *plan, clconv_device *device, const fixture *f,
                          const char *label) {
    bench b;
    make_bench(&b, plan, device, f);
    clconv_tensors tensors = b.tensors;
    tensors.output = tensors.input;
    assert_fails(clconv_plan_enqueue(plan, NULL, &tensors, 0, NULL, NULL), CLCONV_INVALID_ARGUMENT,
                 "overlaps tensors.input");
    assert_bench_output_untouched(&b, f, label);
    free_bench(&b);
}

static void test_plan_enqueue_output_over_input(void **state) {
    (void)state;
    for_each_plan("ic6ih9iw8_oc6kh1kw1", OPENCL_DEVICES, check_overlap);
}

/* ---- bad buffers ---- */

static const char *buffer_name(size_t index) {
    return index < TENSOR_COUNT ? tensor_name(index) : "workspace";
}

static clconv_buffer *buffer_at(clconv_tensors *tensors, size_t index) {
    clconv_buffer *const buffers[] = {&tensors->input,    &tensors->weights, &tensors->bias,
                                      &tensors->residual, &tensors->output,  &tensors->workspace};
    return buffers[index];
}

/* Each buffer in turn becomes bad in the way that `spoil` does; nothing may be written. */
static void check_bad_buffers(clconv_plan *plan, clconv_device *device, const fixture *f,
                              const char *label, void (*spoil)(clconv_buffer *, bench *, size_t),
                              clconv_status expected) {
    bench b;
    make_bench(&b, plan, device, f);
    size_t count = TENSOR_COUNT + (clconv_plan_workspace_size(plan) > 0);
    for (size_t i = 0; i < count; ++i) {
        clconv_tensors tensors = b.tensors;
        spoil(buffer_at(&tensors, i), &b, i);
        assert_fails(clconv_plan_enqueue(plan, NULL, &tensors, 0, NULL, NULL), expected,
                     buffer_name(i));
    }
    assert_bench_output_untouched(&b, f, label);
    free_bench(&b);
}

static void spoil_by_null(clconv_buffer *buffer, bench *b, size_t index) {
    (void)b;
    (void)index;
    buffer->memory = NULL;
}

/* The tensor ends one element (64 bytes for the workspace) behind the buffer's end. */
static void spoil_by_offset(clconv_buffer *buffer, bench *b, size_t index) {
    (void)b;
    buffer->offset += index < TENSOR_COUNT ? BACK_MOAT + 1 : 2 * WORKSPACE_MOAT;
}

static void spoil_by_huge_offset(clconv_buffer *buffer, bench *b, size_t index) {
    (void)b;
    (void)index;
    buffer->offset = SIZE_MAX - 63;
}

static void check_null_buffers(clconv_plan *plan, clconv_device *device, const fixture *f,
                               const char *label) {
    check_bad_buffers(plan, device, f, label, spoil_by_null, CLCONV_INVALID_ARGUMENT);
}

static void check_small_buffers(clconv_plan *plan, clconv_device *device, const fixture *f,
                                const char *label) {
    check_bad_buffers(plan, device, f, label, spoil_by_offset, CLCONV_BUFFER_TOO_SMALL);
    check_bad_buffers(plan, device, f, label, spoil_by_huge_offset, CLCONV_BUFFER_TOO_SMALL);
}

static void test_plan_enqueue_null_buffers(void **state) {
    (void)state;
    for_each_plan(full, OPENCL_DEVICES, check_null_buffers);
}

static void test_plan_enqueue_small_buffers(void **state) {
    (void)state;
    for_each_plan(full, OPENCL_DEVICES, check_small_buffers);
}

/* The last element that fits is still taken. */
static void check_exact_fit(clconv_plan *plan, clconv_device *device, const fixture *f,
                            const char *label) {
    bench b;
    make_bench(&b, plan, device, f);
    b.tensors.bias.offset += BACK_MOAT;
    assert_ok(clconv_plan_enqueue(plan, NULL, &b.tensors, 0, NULL, NULL));
    assert_int_equal(clFinish(b.queue), CL_SUCCESS);
    free_bench(&b);
    (void)label;
}

static void test_plan_enqueue_buffer_that_just_fits(void **state) {
    (void)state;
    for_each_plan(full, OPENCL_DEVICES, check_exact_fit);
}

static void check_workspace_offset(clconv_plan *plan, clconv_device *device, const fixture *f,
                                   const char *label) {
    bench b;
    if (clconv_plan_workspace_size(plan) == 0)
        return;
    make_bench(&b, plan, device, f);
    b.tensors.workspace.offset += 4;
    assert_fails(clconv_plan_enqueue(plan, NULL, &b.tensors, 0, NULL, NULL),
                 CLCONV_INVALID_ARGUMENT, "workspace");
    assert_message("64");
    assert_bench_output_untouched(&b, f, label);
    free_bench(&b);
}

static void test_plan_enqueue_workspace_offset(void **state) {
    (void)state;
    for_each_plan(full, OPENCL_DEVICES, check_workspace_offset);
}

static void check_wrong_context(clconv_plan *plan, clconv_device *device, const fixture *f,
                                const char *label) {
    bench b;
    cl_int code;
    make_bench(&b, plan, device, f);
    cl_context other = clCreateContext(NULL, 1, &b.id, NULL, NULL, &code);
    assert_int_equal(code, CL_SUCCESS);
    cl_command_queue queue = clCreateCommandQueue(other, b.id, 0, &code);
    assert_int_equal(code, CL_SUCCESS);
    cl_mem foreign = make_poisoned_buffer(other, 1 << 20);
    size_t count = TENSOR_COUNT + (clconv_plan_workspace_size(plan) > 0);
    for (size_t i = 0; i < count; ++i) {
        clconv_tensors tensors = b.tensors;
        buffer_at(&tensors, i)->memory = foreign;
        assert_fails(clconv_plan_enqueue(plan, NULL, &tensors, 0, NULL, NULL), CLCONV_WRONG_CONTEXT,
                     buffer_name(i));
    }
    assert_fails(clconv_plan_enqueue(plan, queue, &b.tensors, 0, NULL, NULL), CLCONV_WRONG_CONTEXT,
                 "queue");
    assert_bench_output_untouched(&b, f, label);
    clReleaseMemObject(foreign);
    clReleaseCommandQueue(queue);
    clReleaseContext(other);
    free_bench(&b);
}

static void test_plan_enqueue_wrong_context(void **state) {
    (void)state;
    for_each_plan(full, OPENCL_DEVICES, check_wrong_context);
}

static void check_bad_call(clconv_plan *plan, clconv_device *device, const fixture *f,
                           const char *label) {
    bench b;
    make_bench(&b, plan, device, f);
    assert_fails(clconv_plan_enqueue(plan, NULL, NULL, 0, NULL, NULL), CLCONV_INVALID_ARGUMENT,
                 "tensors");
    assert_fails(clconv_plan_enqueue(plan, NULL, &b.tensors, 1, NULL, NULL),
                 CLCONV_INVALID_ARGUMENT, "wait");
    assert_bench_output_untouched(&b, f, label);
    free_bench(&b);
}

static void test_plan_enqueue_bad_arguments(void **state) {
    (void)state;
    for_each_plan(full, OPENCL_DEVICES, check_bad_call);
}

static void check_absent_buffers(clconv_plan *plan, clconv_device *device, const fixture *f,
                                 const char *label) {
    bench b;
    cl_int code;
    make_bench(&b, plan, device, f);
    cl_context other = clCreateContext(NULL, 1, &b.id, NULL, NULL, &code);
    assert_int_equal(code, CL_SUCCESS);
    cl_mem foreign = make_poisoned_buffer(other, 4);
    b.tensors.bias = b.tensors.residual = (clconv_buffer){foreign, 1000};
    assert_ok(clconv_plan_enqueue(plan, NULL, &b.tensors, 0, NULL, NULL));
    assert_int_equal(clFinish(b.queue), CL_SUCCESS);
    assert_bench_matches(&b, f, label);
    clReleaseMemObject(foreign);
    clReleaseContext(other);
    free_bench(&b);
}

static void test_plan_enqueue_does_not_look_at_absent_tensors(void **state) {
    (void)state;
    for_each_plan(plain, OPENCL_DEVICES, check_absent_buffers);
}

static void test_plan_enqueue_on_the_host_device(void **state) {
    clconv_problem problem = CLCONV_PROBLEM_INIT;
    clconv_plan *plan = NULL;
    clconv_tensors tensors = {0};
    (void)state;
    assert_ok(clconv_plan_create(&plan, host_device(), &problem, NULL));
    assert_int_equal(clconv_plan_workspace_size(plan), 0);
    assert_fails(clconv_plan_enqueue(plan, NULL, &tensors, 0, NULL, NULL), CLCONV_UNSUPPORTED,
                 "clconv_plan_run");
    clconv_plan_destroy(plan);
}

/* ---- explaining ---- */

static void check_explain(clconv_plan *plan, clconv_device *device, const fixture *f,
                          const char *label) {
    char text[8192], refusal[CLCONV_REFUSAL_SIZE];
    (void)label;
    assert_ok(clconv_plan_explain(text, sizeof text, plan));
    const char *line_end = strchr(text, '\n');
    const char *chosen = strstr(text, clconv_plan_algorithm(plan));
    assert_true(line_end && chosen && chosen < line_end);
    for (size_t row = 0; row < clconv_algorithm_count(); ++row) {
        const char *algorithm = clconv_algorithm_name(row);
        (void)clconv_algorithm_check(refusal, NULL, device, &f->problem, algorithm);
        assert_non_null(strstr(text, algorithm));
        /* The plan was not allowed to round. */
        assert_true(strstr(text, refusal) || (clconv_algorithm_rounds(algorithm) &&
                                              strstr(text, "to tf32, which was not allowed")));
    }
    size_t needed = strlen(text) + 1;
    char small[sizeof text];
    memset(small, 'x', sizeof small);
    assert_fails(clconv_plan_explain(small, needed - 1, plan), CLCONV_BUFFER_TOO_SMALL, "size");
    assert_fails(clconv_plan_explain(small, 0, plan), CLCONV_BUFFER_TOO_SMALL, "size is 0");
    for (size_t i = 0; i < sizeof small; ++i)
        assert_int_equal(small[i], 'x');
    assert_ok(clconv_plan_explain(small, needed, plan));
    assert_string_equal(small, text);
    assert_int_equal(small[needed], 'x');
    assert_fails(clconv_plan_explain(NULL, 9, plan), CLCONV_INVALID_ARGUMENT, "text");
}

static void test_plan_explain_names_every_algorithm(void **state) {
    (void)state;
    for_each_plan(plain, EVERY_DEVICE, check_explain);
}

/* ---- threads ---- */

enum { THREADS = 4, RUNS_PER_THREAD = 8 };

typedef struct job {
    clconv_plan *plan; /* NULL: each run creates its own */
    clconv_device *device;
    const fixture *fixture;
    unsigned char *result;
    bool failed;
} job;

/* No assertions in here: they belong to the main thread. */
static void *run_job(void *argument) {
    job *j = argument;
    for (int run = 0; run < RUNS_PER_THREAD && !j->failed; ++run) {
        clconv_plan *own = NULL;
        j->failed = !j->plan && clconv_plan_create(&own, j->device, &j->fixture->problem, NULL);
        j->failed = j->failed || !run_on_host_memory(j->plan ? j->plan : own, &j->fixture->set,
                                                     j->result, "thread");
        j->failed = j->failed || !fixture_matches(j->fixture, j->result, "thread");
        clconv_plan_destroy(own);
    }
    return NULL;
}

/* The threads use two data sets, so that a mixed-up argument shows. */
static void run_jobs(clconv_plan *plan, clconv_device *device, const fixture fixtures[2]) {
    pthread_t threads[THREADS];
    job jobs[THREADS];
    for (size_t i = 0; i < THREADS; ++i) {
        const fixture *f = &fixtures[i % 2];
        jobs[i] = (job){plan, device, f, copy_of_output(f), false};
        assert_int_equal(pthread_create(&threads[i], NULL, run_job, &jobs[i]), 0);
    }
    size_t failures = 0;
    for (size_t i = 0; i < THREADS; ++i) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        free(jobs[i].result);
        failures += jobs[i].failed;
    }
    assert_int_equal(failures, 0);
}

static void make_other_data(fixture *other, const fixture *f) {
    uint64_t random = 18;
    other->problem = f->problem;
    make_tensors(&other->set, &other->problem, &random, REALS);
    other->expected = make_expectation(&other->problem, &other->set);
}

static void check_shared_plan(clconv_plan *plan, clconv_device *device, const fixture *f,
                              const char *label) {
    fixture fixtures[2] = {*f};
    (void)label;
    make_other_data(&fixtures[1], f);
    run_jobs(plan, device, fixtures);
    free_fixture(&fixtures[1]);
}

static void test_plan_run_by_threads_that_share_it(void **state) {
    (void)state;
    for_each_plan(full, EVERY_DEVICE, check_shared_plan);
}

static void test_plan_create_by_threads_that_share_a_device(void **state) {
    fixture fixtures[2];
    (void)state;
    make_fixture(&fixtures[0], full);
    make_other_data(&fixtures[1], &fixtures[0]);
    for (size_t device = 0; device < devices()->count; ++device)
        run_jobs(NULL, devices()->devices[device], fixtures);
    free_fixture(&fixtures[0]);
    free_fixture(&fixtures[1]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plan_create_bad_arguments),
        cmocka_unit_test(test_plan_create_unknown_algorithm),
        cmocka_unit_test(test_plan_create_chooses_smallest_estimate),
        cmocka_unit_test(test_plan_create_copies_its_arguments),
        cmocka_unit_test(test_plan_create_workspace_limit),
        cmocka_unit_test(test_plan_functions_with_null_plan),
        cmocka_unit_test(test_plan_run_with_every_tensor),
        cmocka_unit_test(test_plan_run_without_optional_tensors),
        cmocka_unit_test(test_plan_run_strided_views),
        cmocka_unit_test(test_plan_run_worked_result),
        cmocka_unit_test(test_plan_run_null_pointers),
        cmocka_unit_test(test_plan_run_does_not_look_at_absent_tensors),
        cmocka_unit_test(test_plan_pack_weights_then_run_without),
        cmocka_unit_test(test_plan_pack_weights_null),
        cmocka_unit_test(test_plan_pack_weights_then_enqueue_without),
        cmocka_unit_test(test_plan_enqueue_between_guard_bands),
        cmocka_unit_test(test_plan_enqueue_waits_in_out_of_order_queue),
        cmocka_unit_test(test_plan_enqueue_waits_in_in_order_queue),
        cmocka_unit_test(test_plan_enqueue_chained_by_events),
        cmocka_unit_test(test_plan_destroy_while_its_work_waits),
        cmocka_unit_test(test_plan_enqueue_residual_may_be_the_output),
        cmocka_unit_test(test_plan_enqueue_output_over_input),
        cmocka_unit_test(test_plan_enqueue_null_buffers),
        cmocka_unit_test(test_plan_enqueue_small_buffers),
        cmocka_unit_test(test_plan_enqueue_buffer_that_just_fits),
        cmocka_unit_test(test_plan_enqueue_workspace_offset),
        cmocka_unit_test(test_plan_enqueue_wrong_context),
        cmocka_unit_test(test_plan_enqueue_bad_arguments),
        cmocka_unit_test(test_plan_enqueue_does_not_look_at_absent_tensors),
        cmocka_unit_test(test_plan_enqueue_on_the_host_device),
        cmocka_unit_test(test_plan_explain_names_every_algorithm),
        cmocka_unit_test(test_plan_run_by_threads_that_share_it),
        cmocka_unit_test(test_plan_create_by_threads_that_share_a_device),
    };
    use_optimizer(false);
    return run_group_on_devices(tests);
}
