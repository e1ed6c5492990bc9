/*
 * Every OpenCL call of the library fails once, with each code that its specification allows: the
 * status is right, its message names call and code, nothing stays alive, and the next call works.
 */
#include "cl_faults.h"
#include "own_cache.h"

#include <unistd.h>

/* What is tried, and what the calls of a trial share. */
typedef struct trial {
    clconv_device *device;
    clconv_problem problem;
    const char *algorithm;
    tensor_set set;
    unsigned char *right, *result; /* of result_bytes() */
    size_t bytes;
    clconv_plan *plan;
    clconv_device *opened;
    clconv_device_info info;
    cl_context context; /* of enqueue: the caller's objects */
    cl_command_queue queue;
    cl_mem memory[TENSOR_COUNT + 1];
    cl_event event;
} trial;

/* A call of the library that fails in every way, and what is done between two tries. */
typedef struct step {
    const char *name;
    clconv_status (*call)(trial *t);
    bool (*is_right)(trial *t); /* after success */
    void (*clean)(trial *t);    /* whatever the status */
    const char *may_fail;       /* what it can do without; NULL for every call */
} step;

static cl_faults *faults(void) {
    return &cl_fault_state;
}

static bool names_the_fault(const char *text) {
    return strstr(text, faults()->name) &&
           strstr(text, clconv__cl_error_name(faults()->failed_with));
}

static void judge(trial *t, const step *s, clconv_status status) {
    const cl_faults *f = faults();
    const char *message = clconv_last_message();
    if (status == CLCONV_OK && !f->is_release && s->may_fail && !strstr(s->may_fail, f->name))
        fail_msg("%s took no notice that %s failed with %d", s->name, f->name, f->failed_with);
    if (status == CLCONV_OK && !s->is_right(t))
        fail_msg("%s is wrong after %s failed with %d", s->name, f->name, f->failed_with);
    if (status != CLCONV_OK && !names_the_fault(message))
        fail_msg("%s: %s failed with %d, but the message is \"%s\"", s->name, f->name,
                 f->failed_with, message);
    const bool is_memory = f->failed_with == CL_OUT_OF_HOST_MEMORY ||
                           f->failed_with == CL_MEM_OBJECT_ALLOCATION_FAILURE;
    const bool is_clblast = strncmp(f->name, "CLBlast", 7) == 0;
    if (is_clblast != (status == CLCONV_CLBLAST))
        fail_msg("%s: %s failed, but the status is %s", s->name, f->name,
                 clconv_status_name(status));
    if (status != CLCONV_OK && status != CLCONV_NO_DEVICE && !is_clblast &&
        is_memory != (status == CLCONV_OUT_OF_MEMORY))
        fail_msg("%s: %s failed with %d, but the status is %s", s->name, f->name, f->failed_with,
                 clconv_status_name(status));
}

static void check_nothing_lives(const step *s, long before) {
    const long live = cl_faults_live();
    if (live != before)
        fail_msg("%s: %ld objects live, but %ld did before %s failed with %d", s->name, live,
                 before, faults()->name ? faults()->name : "nothing", faults()->failed_with);
}

/* Tries once; the number of ways in which the call that failed can fail, 0 when none did. */
static size_t try_once(trial *t, const step *s, long fail_at, size_t code) {
    const long before = cl_faults_live();
    cl_faults_arm(fail_at, code);
    const clconv_status status = s->call(t);
    cl_faults_disarm();
    if (faults()->name)
        judge(t, s, status);
    else if (status || !s->is_right(t))
        fail_msg("%s fails by itself: %s", s->name, clconv_last_message());
    s->clean(t);
    check_nothing_lives(s, before);
    return faults()->name ? faults()->code_count : 0;
}

/* The first call of each function fails with each of its codes, all others with one of them. */
static size_t fail_everywhere(trial *t, const step *s) {
    const char *seen[64] = {NULL};
    size_t ways, tries = 0;
    assert_ok(s->call(t)); /* programs are built and kept */
    s->clean(t);
    for (long n = 1; (ways = try_once(t, s, n, (size_t)n)) != 0; ++n) {
        size_t i = 0;
        while (seen[i] && seen[i] != faults()->name)
            ++i;
        if (!seen[i]) {
            seen[i] = faults()->name;
            for (size_t code = 0; code < ways; ++code, ++tries)
                try_once(t, s, n, code);
            try_once(t, s, 0, 0); /* the next call works */
        }
        ++tries;
    }
    return tries;
}

/* ---- devices ---- */

static bool opened_is_usable(trial *t) {
    clconv_device_info info;
    assert_ok(clconv_device_get_info(&info, t->opened));
    return info.usable && (!faults()->name || faults()->is_release ||
                           info.kind != CLCONV_KIND_HOST || names_the_fault(info.note));
}

static void close_opened(trial *t) {
    clconv_device_destroy(t->opened);
    t->opened = NULL;
}

static clconv_status open_first(trial *t) {
    return clconv_device_open(&t->opened, t->info.selector);
}

static clconv_status open_best(trial *t) {
    return clconv_device_open(&t->opened, NULL);
}

static clconv_status open_type(trial *t) {
    static const char *const types[] = {"cpu", "gpu", "accelerator"};
    return clconv_device_open(&t->opened, types[t->info.kind == CLCONV_KIND_GPU           ? 1
                                                : t->info.kind == CLCONV_KIND_ACCELERATOR ? 2
                                                                                          : 0]);
}

static clconv_status wrap_callers(trial *t) {
    cl_device_id id;
    assert_ok(clconv_device_opencl(t->device, &t->context, &id, NULL));
    return clconv_device_from_opencl(&t->opened, t->context, id);
}

#define OPTIONAL_CACHE "clGetProgramInfo clCreateProgramWithBinary clBuildProgram"

static void check_opening(void) {
    static const step steps[] = {
        {"opening by number", open_first, opened_is_usable, close_opened,
         OPTIONAL_CACHE " clGetDeviceInfo clGetDeviceIDs"},
        {"opening by type", open_type, opened_is_usable, close_opened,
         OPTIONAL_CACHE " clGetDeviceInfo clGetDeviceIDs"},
        {"opening the caller's", wrap_callers, opened_is_usable, close_opened,
         OPTIONAL_CACHE " clGetDeviceInfo clGetDeviceIDs clGetPlatformIDs"},
    };
    trial t = {0};
    clconv_device_info infos[MAX_DEVICES];
    size_t count;
    assert_ok(clconv_device_list(infos, MAX_DEVICES, &count));
    if (count < 2)
        skip_because("there is no OpenCL device");
    t.info = infos[0];
    assert_ok(clconv_device_open(&t.device, t.info.selector));
    for (size_t i = 0; i < COUNT_OF(steps); ++i)
        print_message("%s: %zu faults\n", steps[i].name, fail_everywhere(&t, &steps[i]));
    clconv_device_destroy(t.device);
    assert_int_equal(cl_faults_live(), 0);
}

static void test_device_open_faults(void **state) {
    (void)state;
    check_opening();
}

static void test_device_open_faults_without_cache(void **state) {
    (void)state;
    assert_int_equal(setenv("CLCONV_CACHE_DIR", "", 1), 0);
    check_opening();
    assert_int_equal(setenv("CLCONV_CACHE_DIR", own_cache, 1), 0);
}

/* The best device there is: the host at last, with the reason, and it computes. */
static void test_device_open_best_faults(void **state) {
    static const step best = {"opening the best", open_best, opened_is_usable, close_opened, NULL};
    trial t = {0};
    (void)state;
    fail_everywhere(&t, &best);
    assert_int_equal(cl_faults_live(), 0);
}

static clconv_status list(trial *t) {
    clconv_device_info infos[MAX_DEVICES];
    size_t count = 0;
    clconv_status status = clconv_device_list(infos, MAX_DEVICES, &count);
    t->bytes = status ? 0 : count;
    if (!status)
        t->info = infos[count - 1];
    return status;
}

static bool list_ends_with_the_host(trial *t) {
    return t->bytes && t->info.kind == CLCONV_KIND_HOST;
}

static void clean_nothing(trial *t) {
    (void)t;
}

static void test_device_list_faults(void **state) {
    static const step listing = {"listing", list, list_ends_with_the_host, clean_nothing, NULL};
    trial t = {0};
    (void)state;
    fail_everywhere(&t, &listing);
}

/* The probe of double precision: what goes by says nothing about the device. */
static clconv_status probe(trial *t) {
    const int was_armed = faults()->is_armed;
    faults()->is_armed = 0;
    assert_ok(open_first(t));
    faults()->is_armed = was_armed;
    return clconv_device_get_info(&(clconv_device_info){0}, t->opened);
}

static bool probes_at_last(trial *t) {
    clconv_device_info info;
    assert_ok(clconv_device_get_info(&info, t->opened));
    return info.f64_probed == info.f64_claimed ||
           (faults()->name && faults()->failed_with == CL_BUILD_PROGRAM_FAILURE);
}

static void test_device_probe_faults(void **state) {
    static const step probing = {"probing", probe, probes_at_last, close_opened, NULL};
    trial t = {0};
    clconv_device_info infos[MAX_DEVICES];
    size_t count;
    (void)state;
    assert_ok(clconv_device_list(infos, MAX_DEVICES, &count));
    if (count < 2)
        skip_because("there is no OpenCL device");
    t.info = infos[0];
    fail_everywhere(&t, &probing);
    assert_int_equal(cl_faults_live(), 0);
}

/* ---- plans ---- */

static clconv_status create_plan(trial *t) {
    clconv_plan_options options = CLCONV_PLAN_OPTIONS_INIT;
    options.algorithm = t->algorithm;
    return clconv_plan_create(&t->plan, t->device, &t->problem, &options);
}

static bool plan_exists(trial *t) {
    return t->plan != NULL;
}

static void destroy_plan(trial *t) {
    clconv_plan_destroy(t->plan);
    t->plan = NULL;
}

/* Host tensors whose computed ones lie in the result. */
static clconv_host_tensors with_result(trial *t) {
    tensor_set set = t->set;
    memset(t->result, POISON, t->bytes);
    for (size_t i = 0; i < TENSOR_COUNT; ++i)
        if (set.tensors[i].is_computed)
            set.tensors[i].data = t->result + result_offset(&set, i);
    return host_tensors(&set);
}

static clconv_status run_plan(trial *t) {
    const clconv_host_tensors tensors = with_result(t);
    return clconv_plan_run(t->plan, &tensors);
}

static bool result_is_right(trial *t) {
    return memcmp(t->result, t->right, t->bytes) == 0;
}

static clconv_status pack(trial *t) {
    return clconv_plan_pack_weights(t->plan, t->set.tensors[CLCONV_WEIGHTS].data);
}

/* Or the weights that were packed before, after a failure. */
static bool packed_is_right(trial *t) {
    return run_plan(t) == CLCONV_OK && result_is_right(t);
}

/* Before a packing that replaces another, all is as it was, so that the count of objects stays. */
static clconv_status enqueue(trial *t) {
    const clconv_tensors tensors = {
        .input.memory = t->memory[CLCONV_INPUT],
        .weights.memory = t->memory[CLCONV_WEIGHTS],
        .bias.memory = t->memory[CLCONV_BIAS],
        .residual.memory = t->memory[CLCONV_RESIDUAL],
        .output.memory = t->memory[CLCONV_OUTPUT],
        .workspace.memory = t->memory[TENSOR_COUNT],
    };
    const int was_armed = faults()->is_armed;
    cl_int code;
    faults()->is_armed = 0; /* the caller's part does not fail */
    cl_event gate = clCreateUserEvent(t->context, &code);
    assert_int_equal(code, CL_SUCCESS);
    t->event = (cl_event)(uintptr_t)8; /* must be set */
    faults()->is_armed = was_armed;
    const clconv_status status =
        clconv_plan_enqueue(t->plan, t->queue, &tensors, 1, &gate, &t->event);
    faults()->is_armed = 0;
    assert_int_equal(clSetUserEventStatus(gate, CL_COMPLETE), CL_SUCCESS);
    if (status)
        assert_null(t->event);
    else
        assert_int_equal(clWaitForEvents(1, &t->event), CL_SUCCESS);
    assert_int_equal(clFinish(t->queue), CL_SUCCESS);
    assert_int_equal(__real_clReleaseEvent(gate), CL_SUCCESS); /* nor was it counted */
    return status;
}

static bool enqueued_is_right(trial *t) {
    for (size_t i = 0; i < TENSOR_COUNT; ++i)
        if (t->set.tensors[i].is_computed)
            assert_int_equal(
                clEnqueueReadBuffer(t->queue, t->memory[i], CL_TRUE, 0, t->set.tensors[i].bytes,
                                    t->result + result_offset(&t->set, i), 0, NULL, NULL),
                CL_SUCCESS);
    return result_is_right(t);
}

static void release_event(trial *t) {
    if (t->event)
        clReleaseEvent(t->event);
    t->event = NULL;
}

static void make_buffers(trial *t) {
    cl_device_id id;
    cl_int code;
    assert_ok(clconv_device_opencl(t->device, &t->context, &id, NULL));
    t->queue = clCreateCommandQueue(t->context, id, CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE, &code);
    if (code != CL_SUCCESS)
        t->queue = clCreateCommandQueue(t->context, id, 0, &code);
    assert_int_equal(code, CL_SUCCESS);
    for (size_t i = 0; i <= TENSOR_COUNT; ++i) {
        const size_t bytes =
            i < TENSOR_COUNT ? t->set.tensors[i].bytes : clconv_plan_workspace_size(t->plan);
        t->memory[i] =
            bytes ? clCreateBuffer(t->context, CL_MEM_READ_WRITE, bytes, NULL, &code) : NULL;
        assert_int_equal(code, CL_SUCCESS);
        if (i < TENSOR_COUNT && t->memory[i])
            assert_int_equal(clEnqueueWriteBuffer(t->queue, t->memory[i], CL_TRUE, 0, bytes,
                                                  t->set.tensors[i].data, 0, NULL, NULL),
                             CL_SUCCESS);
    }
}

static void release_buffers(trial *t) {
    for (size_t i = 0; i <= TENSOR_COUNT; ++i)
        if (t->memory[i])
            clReleaseMemObject(t->memory[i]);
    clReleaseCommandQueue(t->queue);
}

/* All calls of a plan of one algorithm; the number of faults. */
static size_t check_algorithm(trial *t) {
    static const step creating = {"clconv_plan_create", create_plan, plan_exists, destroy_plan,
                                  OPTIONAL_CACHE};
    static const step running = {"clconv_plan_run", run_plan, result_is_right, clean_nothing, ""};
    static const step packing = {"clconv_plan_pack_weights", pack, packed_is_right, clean_nothing,
                                 ""};
    static const step enqueuing = {"clconv_plan_enqueue", enqueue, enqueued_is_right, release_event,
                                   ""};
    size_t tries = fail_everywhere(t, &creating);
    assert_ok(create_plan(t));
    assert_ok(run_plan(t));
    memcpy(t->right, t->result, t->bytes);
    make_buffers(t);
    tries += fail_everywhere(t, &running);
    tries += fail_everywhere(t, &enqueuing);
    if (t->problem.direction != CLCONV_BACKWARD_WEIGHTS) {
        assert_ok(pack(t)); /* replacing it changes no count of objects */
        tries += fail_everywhere(t, &packing);
        tries += fail_everywhere(t, &running);
    }
    release_buffers(t);
    destroy_plan(t);
    return tries;
}

/* The calls that differ between rows, directions and epilogues. */
static const char *const problems[] = {
    "g2ic4ih7iw9_oc6kh3_ph1_bias_residual_act=relu",
    "ic4ih7iw9_oc6kh3_ph1_bias_act=relu",
    "ic4ih7iw9_oc6kh1_bias_act=relu",
    "g4ic4ih7iw9_oc4kh3_ph1_bias_act=relu",
    "g2ic4ih7iw9_oc6kh3_ph1_dir=backward_data",
    "g2ic4ih7iw9_oc6kh3_sh2_ph1_dir=backward_data",
    "ic4ih7iw9_oc6kh3_ph1_bias_dir=backward_weights",
    "ic4ih7iw9_oc6kh3_ph1_bias_residual_act=relu_dir=transposed",
};

static bool takes(trial *t, const char *text, size_t algorithm) {
    assert_ok(clconv_problem_parse(&t->problem, text));
    t->algorithm = clconv_algorithm_name(algorithm);
    return clconv_algorithm_check(NULL, NULL, t->device, &t->problem, t->algorithm) == CLCONV_OK;
}

/* An algorithm meets the first problem of each direction that it takes. */
static void test_plan_faults(void **state) {
    trial t = {0};
    size_t tries = 0, plans = 0;
    uint64_t random = 1;
    clconv_device_info infos[MAX_DEVICES];
    size_t count;
    (void)state;
    assert_ok(clconv_device_list(infos, MAX_DEVICES, &count));
    if (count < 2)
        skip_because("there is no OpenCL device");
    assert_ok(clconv_device_open(&t.device, infos[0].selector));
    for (size_t a = 0; a < clconv_algorithm_count(); ++a) {
        unsigned done = 0;
        for (size_t i = 0; i < COUNT_OF(problems); ++i) {
            if (!takes(&t, problems[i], a) || done >> t.problem.direction & 1)
                continue;
            done |= 1U << t.problem.direction;
            make_tensors(&t.set, &t.problem, &random, REALS);
            t.bytes = result_bytes(&t.set);
            t.right = malloc(t.bytes);
            t.result = malloc(t.bytes);
            assert_non_null(t.right);
            assert_non_null(t.result);
            tries += check_algorithm(&t);
            ++plans;
            free(t.result);
            free(t.right);
            free_tensors(&t.set);
        }
        assert_true(done || !clconv_algorithm_is_for(t.device, t.algorithm));
    }
    clconv_device_destroy(t.device);
    assert_int_equal(cl_faults_live(), 0);
    print_message("%zu plans, %zu faults\n", plans, tries);
}

/* Whatever was asked for, compilers are given names and numbers of ours, and nothing that they
 * could take for something else. */
static void test_build_options_are_plain(void **state) {
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_=.- ";
    static clconv_cache_entry entries[4096];
    size_t count = 0;
    (void)state;
    assert_ok(clconv_cache_list(entries, COUNT_OF(entries), &count));
    for (size_t i = 0; i < count && i < COUNT_OF(entries); ++i)
        if (entries[i].options[strspn(entries[i].options, plain)])
            fail_msg("%s was built with \"%s\"", entries[i].program, entries[i].options);
    print_message("%zu programs\n", count);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_device_open_faults),
        cmocka_unit_test(test_device_open_faults_without_cache),
        cmocka_unit_test(test_device_open_best_faults),
        cmocka_unit_test(test_device_list_faults),
        cmocka_unit_test(test_device_probe_faults),
        cmocka_unit_test(test_plan_faults),
        cmocka_unit_test(test_build_options_are_plain), /* of all that was built before */
    };
    return exit_code(cmocka_run_group_tests(tests, make_own_cache, remove_own_cache),
                     COUNT_OF(tests));
}
