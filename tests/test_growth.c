/*
 * Devices, plans and calls over and over: memory, files and objects of OpenCL stay as many as they
 * were. $CLCONV_TEST_CYCLES is the number of rounds; scripts/soak asks for ten thousand.
 */
#include "cl_faults.h"
#include "host_faults.h"

typedef struct usage {
    long held;     /* by the library: memory, files */
    long objects;  /* of OpenCL */
    long files;    /* of the process */
    long resident; /* KiB of the process, what drivers keep included */
} usage;

static long count_files(void) {
    long count = 0;
    DIR *d = opendir("/proc/self/fd");
    for (; d && readdir(d); ++count)
        continue;
    if (d)
        closedir(d);
    return count;
}

static long resident_kib(void) {
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file && fscanf(file, "%*s %ld", &pages) != 1)
        pages = 0;
    if (file)
        fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static usage measure(void) {
    return (usage){host_fault_state.held, cl_faults_live(), count_files(), resident_kib()};
}

typedef struct scene {
    clconv_problem problem;
    tensor_set set;
    const char *selector;
} scene;

static void enqueue(clconv_plan *plan, clconv_device *device, const scene *s) {
    cl_context context;
    cl_command_queue queue;
    cl_mem memory[TENSOR_COUNT] = {NULL}, workspace = NULL;
    clconv_tensors tensors = {.workspace = {NULL, 0}};
    clconv_buffer *const slots[TENSOR_COUNT] = {&tensors.input, &tensors.weights, &tensors.bias,
                                                &tensors.residual, &tensors.output};
    cl_event event;
    cl_int code;
    if (clconv_device_opencl(device, &context, NULL, &queue))
        return; /* the host */
    for (size_t i = 0; i < TENSOR_COUNT; ++i)
        if (s->set.tensors[i].bytes) {
            memory[i] = clCreateBuffer(context, CL_MEM_COPY_HOST_PTR, s->set.tensors[i].bytes,
                                       s->set.tensors[i].data, &code);
            slots[i]->memory = memory[i];
        }
    if (clconv_plan_workspace_size(plan))
        workspace = tensors.workspace.memory = clCreateBuffer(
            context, CL_MEM_READ_WRITE, clconv_plan_workspace_size(plan), NULL, &code);
    assert_ok(clconv_plan_enqueue(plan, NULL, &tensors, 0, NULL, &event));
    assert_int_equal(clWaitForEvents(1, &event), CL_SUCCESS);
    clReleaseEvent(event);
    for (size_t i = 0; i < TENSOR_COUNT; ++i)
        if (memory[i])
            clReleaseMemObject(memory[i]);
    if (workspace)
        clReleaseMemObject(workspace);
}

/* One round: everything from opening a device to closing it, a failure among it. */
static void live_once(const scene *s) {
    clconv_device *device = NULL;
    clconv_plan *plan = NULL;
    clconv_plan_options options = CLCONV_PLAN_OPTIONS_INIT;
    const clconv_host_tensors tensors = host_tensors(&s->set);
    options.workspace_limit = SIZE_MAX;
    assert_ok(clconv_device_open(&device, s->selector));
    assert_ok(clconv_plan_create(&plan, device, &s->problem, &options));
    assert_ok(clconv_plan_run(plan, &tensors));
    assert_ok(clconv_plan_pack_weights(plan, tensors.weights));
    assert_ok(clconv_plan_pack_weights(plan, tensors.weights));
    assert_ok(clconv_plan_run(plan, &tensors));
    enqueue(plan, device, s);
    clconv_plan_destroy(plan);
    options.algorithm = "depthwise";
    assert_fails(clconv_plan_create(&plan, device, &s->problem, &options), CLCONV_UNSUPPORTED,
                 "depthwise");
    clconv_device_destroy(device);
}

/* What drivers keep for each round is theirs; much of it would be a leak of objects by us. */
enum { MOST_BYTES_PER_ROUND = 4096, WARM_UP = 20 };

static void check_growth(const char *selector, size_t rounds) {
    scene s = {.selector = selector};
    uint64_t random = 1;
    assert_ok(clconv_problem_parse(&s.problem, "ic4ih7iw9_oc6kh3_ph1_bias_act=relu"));
    make_tensors(&s.set, &s.problem, &random, REALS);
    for (size_t i = 0; i < WARM_UP; ++i)
        live_once(&s);
    const usage before = measure();
    for (size_t i = 0; i < rounds; ++i)
        live_once(&s);
    const usage after = measure();
    print_message("%s, %zu rounds: held %ld, objects %ld, files %ld more; %.1f bytes per round\n",
                  selector, rounds, after.held - before.held, after.objects - before.objects,
                  after.files - before.files,
                  1024.0 * (double)(after.resident - before.resident) / (double)rounds);
    assert_int_equal(after.held, before.held);
    assert_int_equal(after.objects, before.objects);
    assert_int_equal(after.files, before.files);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* which keep what is freed */
    assert_true((after.resident - before.resident) * 1024 <=
                (long)rounds * MOST_BYTES_PER_ROUND + 2 * 1024 * 1024);
#endif
    free_tensors(&s.set);
}

static void test_growth_on_the_host_device(void **state) {
    (void)state;
    check_growth("host", 10 * environment_number("CLCONV_TEST_CYCLES", 100));
}

static void test_growth_on_an_opencl_device(void **state) {
    clconv_device_info infos[MAX_DEVICES];
    size_t count;
    (void)state;
    assert_ok(clconv_device_list(infos, MAX_DEVICES, &count));
    if (count < 2)
        skip_because("there is no OpenCL device");
    check_growth(infos[0].selector, environment_number("CLCONV_TEST_CYCLES", 100));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_growth_on_the_host_device),
        cmocka_unit_test(test_growth_on_an_opencl_device),
    };
    return run_group(tests);
}
