/*
 * Many threads at once: on one device with shared plans, and on a device and plans of each. All
 * results are those of one thread, to the last bit, and every thread has its own message.
 */
#include "support.h"

#include <pthread.h>

enum { THREADS = 32, TASKS = 200 };

/* What is computed, and what one thread alone made of it. */
typedef struct item {
    const char *text, *algorithm; /* NULL for the one that is chosen */
    clconv_problem problem;
    tensor_set set;
    size_t bytes;
    unsigned char *right; /* what one thread alone made of it on the device under test */
    double *values;       /* the reference */
} item;

static item items[] = {
    {.text = "ic8ih9_oc8kh3_ph1_bias_act=relu"},
    {.text = "g2ic6ih7iw9_oc4kh3_sh2_ph1_bias_residual"},
    {.text = "g8ic8ih9_oc8kh3_ph1"},
    {.text = "mb2ic5ih6_oc7kh1_type=f16"},
    {.text = "ic4ih7_oc6kh3_ph1_dir=backward_data"},
    {.text = "ic4ih7_oc6kh3_ph1_bias_dir=backward_weights"},
    {.text = "ic4ih7_oc6kh3_sh2_dir=transposed"},
    {.text = "ic3ih8_oc4kh3_type=s8"},
    {.text = "ic3ih8_oc5kh3_ph1_bias", .algorithm = "im2col_clblast"},
};

/* NULL where the algorithm is not for the device. */
static clconv_plan *plan_of(const item *it, clconv_device *device) {
    clconv_plan_options options = CLCONV_PLAN_OPTIONS_INIT;
    clconv_plan *plan = NULL;
    options.algorithm =
        it->algorithm && clconv_algorithm_check(NULL, NULL, device, &it->problem, it->algorithm)
            ? NULL
            : it->algorithm;
    return clconv_plan_create(&plan, device, &it->problem, &options) ? NULL : plan;
}

/* No assertions in here, nor in what follows: they belong to the main thread. */
static bool run(clconv_plan *plan, const item *it, unsigned char *result) {
    tensor_set set = it->set;
    for (size_t i = 0; i < TENSOR_COUNT; ++i)
        if (set.tensors[i].is_computed)
            set.tensors[i].data = result + result_offset(&set, i);
    const clconv_host_tensors tensors = host_tensors(&set);
    return clconv_plan_run(plan, &tensors) == CLCONV_OK;
}

typedef struct job {
    const char *selector;  /* the device is this thread's own, or */
    clconv_device *device; /* shared */
    clconv_plan *plans[COUNT_OF(items)];
    uint64_t random;
    const char *failed;
} job;

static bool run_a_plan(job *j, const item *it, clconv_plan *plan) {
    unsigned char *result = malloc(it->bytes);
    bool same = result && run(plan, it, result) && memcmp(result, it->right, it->bytes) == 0;
    (void)j;
    free(result);
    return same;
}

static bool run_shared_plan(job *j, size_t i) {
    return run_a_plan(j, &items[i], j->plans[i]);
}

static bool run_own_plan(job *j, size_t i) {
    clconv_plan *plan = plan_of(&items[i], j->device);
    bool same = plan && run_a_plan(j, &items[i], plan);
    clconv_plan_destroy(plan);
    return same;
}

static bool pack_own_plan(job *j, size_t i) {
    clconv_plan *plan = plan_of(&items[i], j->device);
    bool same = plan &&
                (items[i].problem.direction == CLCONV_BACKWARD_WEIGHTS ||
                 !clconv_plan_pack_weights(plan, items[i].set.tensors[CLCONV_WEIGHTS].data)) &&
                run_a_plan(j, &items[i], plan);
    clconv_plan_destroy(plan);
    return same;
}

static bool refer(job *j, size_t i) {
    const size_t count = result_count(&items[i].set);
    const clconv_host_tensors tensors = host_tensors(&items[i].set);
    double *values = malloc(count * sizeof *values);
    bool same = values &&
                clconv_reference(values, NULL, &items[i].problem, &tensors) == CLCONV_OK &&
                memcmp(values, items[i].values, count * sizeof *values) == 0;
    (void)j;
    free(values);
    return same;
}

/* The message is this thread's, whatever others do in between. */
static bool fail_on_purpose(job *j, size_t i) {
    char name[32], expected[64];
    clconv_problem problem = items[i].problem;
    snprintf(name, sizeof name, "a%llu", (unsigned long long)random_next(&j->random));
    snprintf(expected, sizeof expected, "algorithm \"%s\" is unknown", name);
    return clconv_algorithm_check(NULL, NULL, j->device, &problem, name) ==
               CLCONV_UNKNOWN_ALGORITHM &&
           strcmp(clconv_last_message(), expected) == 0;
}

static bool ask(job *j, size_t i) {
    char text[8192];
    clconv_device_info info;
    return clconv_plan_explain(text, sizeof text, j->plans[i]) == CLCONV_OK &&
           clconv_device_get_info(&info, j->device) == CLCONV_OK &&
           clconv_problem_format(text, sizeof text, &items[i].problem) == CLCONV_OK;
}

/* Most of what threads do is to run plans. */
static const struct {
    const char *name;
    bool (*task)(job *j, size_t item);
} tasks[] = {
    {"run_shared_plan", run_shared_plan},
    {"run_shared_plan", run_shared_plan},
    {"run_own_plan", run_own_plan},
    {"pack_own_plan", pack_own_plan},
    {"refer", refer},
    {"fail_on_purpose", fail_on_purpose},
    {"ask", ask},
};

static bool make_plans(job *j) {
    for (size_t i = 0; i < COUNT_OF(items); ++i)
        if (!(j->plans[i] = plan_of(&items[i], j->device)))
            return false;
    return true;
}

static void destroy_plans(job *j) {
    for (size_t i = 0; i < COUNT_OF(items); ++i)
        clconv_plan_destroy(j->plans[i]);
}

static void *work(void *argument) {
    job *j = argument;
    if (j->selector && (clconv_device_open(&j->device, j->selector) || !make_plans(j)))
        j->failed = "opening";
    for (int n = 0; n < TASKS && !j->failed; ++n) {
        const size_t task = random_below(&j->random, COUNT_OF(tasks));
        if (!tasks[task].task(j, random_below(&j->random, COUNT_OF(items))))
            j->failed = tasks[task].name;
    }
    if (j->selector) {
        destroy_plans(j);
        clconv_device_destroy(j->device);
    }
    return NULL;
}

/* All threads at once; prints what failed. */
static void run_threads(const job *pattern) {
    pthread_t threads[THREADS];
    job jobs[THREADS];
    size_t failures = 0;
    for (size_t i = 0; i < THREADS; ++i) {
        jobs[i] = *pattern;
        jobs[i].random = i + 1;
        assert_int_equal(pthread_create(&threads[i], NULL, work, &jobs[i]), 0);
    }
    for (size_t i = 0; i < THREADS; ++i) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        if (jobs[i].failed)
            print_error("thread %zu: %s failed or differs\n", i, jobs[i].failed);
        failures += jobs[i].failed != NULL;
    }
    assert_int_equal(failures, 0);
}

static void make_items(clconv_device *device) {
    uint64_t random = 3;
    for (size_t i = 0; i < COUNT_OF(items); ++i) {
        item *it = &items[i];
        assert_ok(clconv_problem_parse(&it->problem, it->text));
        make_tensors(&it->set, &it->problem, &random, REALS);
        it->bytes = result_bytes(&it->set);
        it->right = malloc(it->bytes);
        it->values = malloc(result_count(&it->set) * sizeof(double));
        assert_non_null(it->right);
        assert_non_null(it->values);
        const clconv_host_tensors tensors = host_tensors(&it->set);
        assert_ok(clconv_reference(it->values, NULL, &it->problem, &tensors));
        clconv_plan *plan = plan_of(it, device);
        assert_non_null(plan);
        assert_true(run(plan, it, it->right));
        clconv_plan_destroy(plan);
    }
}

static void free_items(void) {
    for (size_t i = 0; i < COUNT_OF(items); ++i) {
        free_tensors(&items[i].set);
        free(items[i].right);
        free(items[i].values);
    }
}

static void check_device(const char *selector) {
    job shared = {.device = NULL}, own = {.selector = selector};
    assert_ok(clconv_device_open(&shared.device, selector));
    make_items(shared.device);
    assert_true(make_plans(&shared));
    run_threads(&shared);
    run_threads(&own);
    destroy_plans(&shared);
    clconv_device_destroy(shared.device);
    free_items();
}

static void test_threads_on_the_host_device(void **state) {
    (void)state;
    check_device("host");
}

static void test_threads_on_an_opencl_device(void **state) {
    clconv_device_info infos[MAX_DEVICES];
    size_t count;
    (void)state;
    assert_ok(clconv_device_list(infos, MAX_DEVICES, &count));
    if (count < 2)
        skip_because("there is no OpenCL device");
    check_device(infos[0].selector);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads_on_the_host_device),
        cmocka_unit_test(test_threads_on_an_opencl_device),
    };
    return run_group(tests);
}
