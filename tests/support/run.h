/* Runs plans, on OpenCL devices between guard bands of poison, and compares with the reference. */
#ifndef CLCONV_TESTS_RUN_H
#define CLCONV_TESTS_RUN_H

#include "support.h"

/* Elements behind each tensor; those before it differ, so that no two offsets are the same. */
enum { BACK_MOAT = 67, WORKSPACE_MOAT = 64 };
static const size_t front_moats[TENSOR_COUNT] = {61, 35, 19, 77, 43};

/* The devices of a test program, opened once by run_group_on_devices(). */
static inline device_set *devices(void) {
    static device_set set;
    return &set;
}

static inline int open_all_devices(void **state) {
    (void)state;
    open_devices(devices());
    return 0;
}

static inline int close_all_devices(void **state) {
    (void)state;
    close_devices(devices());
    return 0;
}

/* CLCONV_TEST_ALGORITHM, the only algorithm that is to be tried; NULL for all. */
static inline const char *asked_algorithm(void) {
    const char *name = getenv("CLCONV_TEST_ALGORITHM");
    return name && *name ? name : NULL;
}

/*
 * Whether an algorithm is tried on a problem that it takes. Each activation costs it a program, and
 * compiling takes most of the tests' time, while all kernels share the text of the epilogue. So
 * those that refuse nothing are tried with every activation, the others of the device's kind with
 * every third one beyond relu, each with different ones, and those of other kinds with none of
 * them.
 */
static inline bool is_tried(clconv_device *device, const clconv_problem *problem,
                            const char *algorithm) {
    size_t row = 0;
    if (asked_algorithm() && strcmp(asked_algorithm(), algorithm) != 0)
        return false;
    if (problem->activation <= CLCONV_RELU || strncmp(algorithm, "direct", 6) == 0 ||
        strcmp(algorithm, "host") == 0)
        return true;
    while (row < clconv_algorithm_count() && strcmp(clconv_algorithm_name(row), algorithm) != 0)
        ++row;
    return clconv_algorithm_is_for(device, algorithm) &&
           (row + (size_t)problem->activation) % 3 == 0;
}

#define run_group_on_devices(tests)                                                                \
    exit_code(cmocka_run_group_tests(tests, open_all_devices, close_all_devices), COUNT_OF(tests))

typedef struct moated_set {
    cl_mem memory[TENSOR_COUNT + 1]; /* the last is the workspace */
    size_t bytes[TENSOR_COUNT];
    size_t workspace_bytes;
} moated_set;

static inline cl_mem make_buffer(cl_context context, size_t bytes, const void *content) {
    cl_int code;
    cl_mem memory = clCreateBuffer(context, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR, bytes,
                                   (void *)(uintptr_t)content, &code);
    assert_int_equal(code, CL_SUCCESS);
    return memory;
}

static inline cl_mem make_poisoned_buffer(cl_context context, size_t bytes) {
    void *content = malloc(bytes);
    assert_non_null(content);
    memset(content, POISON, bytes);
    cl_mem memory = make_buffer(context, bytes, content);
    free(content);
    return memory;
}

/* What a moated buffer holds when the tensor holds `content`. */
static inline unsigned char *moated_image(const tensor *t, const unsigned char *content,
                                          size_t front, size_t bytes) {
    unsigned char *image = malloc(bytes);
    assert_non_null(image);
    memset(image, POISON, bytes);
    memcpy(image + front * clconv_type_size(t->type), content, t->bytes);
    return image;
}

static inline void make_moated(moated_set *moated, clconv_tensors *tensors, cl_context context,
                               const tensor_set *set, size_t workspace) {
    clconv_buffer *const buffers[TENSOR_COUNT] = {
        &tensors->input, &tensors->weights, &tensors->bias, &tensors->residual, &tensors->output};
    *moated = (moated_set){.workspace_bytes = workspace ? workspace + 2 * WORKSPACE_MOAT : 0};
    *tensors = (clconv_tensors){.workspace.offset = WORKSPACE_MOAT};
    for (size_t i = 0; i < TENSOR_COUNT; ++i) {
        const tensor *t = &set->tensors[i];
        if (!t->data)
            continue;
        moated->bytes[i] = t->bytes + (front_moats[i] + BACK_MOAT) * clconv_type_size(t->type);
        unsigned char *image = moated_image(t, t->data, front_moats[i], moated->bytes[i]);
        moated->memory[i] = make_buffer(context, moated->bytes[i], image);
        free(image);
        *buffers[i] = (clconv_buffer){moated->memory[i], front_moats[i]};
    }
    if (workspace)
        tensors->workspace.memory = moated->memory[TENSOR_COUNT] =
            make_poisoned_buffer(context, moated->workspace_bytes);
}

static inline void release_moated(moated_set *moated) {
    for (size_t i = 0; i < COUNT_OF(moated->memory); ++i)
        if (moated->memory[i])
            clReleaseMemObject(moated->memory[i]);
}

static inline unsigned char *read_buffer(cl_command_queue queue, cl_mem memory, size_t bytes) {
    unsigned char *content = malloc(bytes);
    assert_non_null(content);
    assert_int_equal(clEnqueueReadBuffer(queue, memory, CL_TRUE, 0, bytes, content, 0, NULL, NULL),
                     CL_SUCCESS);
    return content;
}

/* Copies what was computed to `result`; false where anything else was written. */
static inline bool read_moated(const moated_set *moated, cl_command_queue queue,
                               const tensor_set *set, unsigned char *result, const char *label) {
    bool clean = true;
    for (size_t i = 0; i < TENSOR_COUNT; ++i) {
        const tensor *t = &set->tensors[i];
        if (!t->data)
            continue;
        unsigned char *content = read_buffer(queue, moated->memory[i], moated->bytes[i]);
        const unsigned char *inside = content + front_moats[i] * clconv_type_size(t->type);
        if (t->is_computed)
            memcpy(result + result_offset(set, i), inside, t->bytes);
        unsigned char *expected =
            moated_image(t, t->is_computed ? inside : t->data, front_moats[i], moated->bytes[i]);
        if (memcmp(content, expected, moated->bytes[i]) != 0) {
            print_error("%s: memory around or in the %s was written\n", label, tensor_name(i));
            clean = false;
        }
        free(expected);
        free(content);
    }
    return clean;
}

static inline bool workspace_moat_is_clean(const moated_set *moated, cl_command_queue queue,
                                           const char *label) {
    if (!moated->workspace_bytes)
        return true;
    unsigned char *content =
        read_buffer(queue, moated->memory[TENSOR_COUNT], moated->workspace_bytes);
    const unsigned char *back = content + moated->workspace_bytes - WORKSPACE_MOAT;
    bool clean = true;
    for (size_t i = 0; i < WORKSPACE_MOAT; ++i)
        clean = clean && content[i] == POISON && back[i] == POISON;
    free(content);
    if (!clean)
        print_error("%s: memory around the workspace was written\n", label);
    return clean;
}

/* Enqueues on buffers of our own and waits; `result` receives the bytes of what is computed. */
static inline bool enqueue_moated(clconv_plan *plan, clconv_device *device, const tensor_set *set,
                                  unsigned char *result, const char *label) {
    moated_set moated;
    clconv_tensors tensors;
    cl_context context;
    cl_command_queue queue;
    assert_ok(clconv_device_opencl(device, &context, NULL, &queue));
    make_moated(&moated, &tensors, context, set, clconv_plan_workspace_size(plan));
    clconv_status status = clconv_plan_enqueue(plan, NULL, &tensors, 0, NULL, NULL);
    if (status)
        print_error("%s: %s: %s\n", label, clconv_status_name(status), clconv_last_message());
    bool clean = status == CLCONV_OK && clFinish(queue) == CL_SUCCESS &&
                 read_moated(&moated, queue, set, result, label) &&
                 workspace_moat_is_clean(&moated, queue, label);
    release_moated(&moated);
    return clean;
}

/* The same on host memory. */
static inline bool run_on_host_memory(clconv_plan *plan, const tensor_set *set,
                                      unsigned char *result, const char *label) {
    tensor_set with_result = *set;
    for (size_t i = 0; i < TENSOR_COUNT; ++i) {
        tensor *t = &with_result.tensors[i];
        unsigned char *part = result + result_offset(set, i);
        if (t->is_computed && t->data)
            t->data = memcpy(part, t->data, t->bytes);
    }
    const clconv_host_tensors tensors = host_tensors(&with_result);
    clconv_status status = clconv_plan_run(plan, &tensors);
    if (status)
        print_error("%s: %s: %s\n", label, clconv_status_name(status), clconv_last_message());
    return status == CLCONV_OK;
}

/* What is expected of one algorithm: the same values, within bounds of its own. */
static inline expectation expectation_of(const char *algorithm, const clconv_problem *problem,
                                         const tensor_set *set, const expectation *expected) {
    size_t bytes = result_count(set) * sizeof(double);
    clconv_host_tensors tensors = host_tensors(set);
    expectation own = {malloc(bytes), malloc(bytes)};
    assert_non_null(own.values);
    assert_non_null(own.bounds);
    memcpy(own.values, expected->values, bytes);
    memcpy(own.bounds, expected->bounds, bytes);
    assert_ok(clconv_algorithm_bound(own.bounds, problem, &tensors, algorithm));
    return own;
}

/*
 * Whether PoCL optimizes what is compiled from now on, which takes most of the time of tests that
 * compile many large kernels.
 */
static inline void use_optimizer(bool wanted) {
    if (wanted)
        unsetenv("POCL_EXTRA_BUILD_FLAGS");
    else
        setenv("POCL_EXTRA_BUILD_FLAGS", "-cl-opt-disable", 1);
}

/* Creates a plan, runs it once, and compares; prints what is wrong. */
static inline bool algorithm_is_right(clconv_device *device, const clconv_device_info *info,
                                      const clconv_problem *problem, const char *algorithm,
                                      const tensor_set *set, const expectation *expected,
                                      bool exact) {
    clconv_plan_options options = CLCONV_PLAN_OPTIONS_INIT;
    clconv_plan *plan = NULL;
    char text[CLCONV_PROBLEM_TEXT_SIZE] = "", label[CLCONV_PROBLEM_TEXT_SIZE + 128];
    (void)clconv_problem_format(text, sizeof text, problem);
    snprintf(label, sizeof label, "device %s, algorithm %s, %s", info->selector, algorithm, text);
    options.algorithm = algorithm;
    if (clconv_plan_create(&plan, device, problem, &options)) {
        print_error("%s: no plan: %s\n", label, clconv_last_message());
        return false;
    }
    unsigned char *result = malloc(result_bytes(set));
    assert_non_null(result);
    bool right = info->kind == CLCONV_KIND_HOST ? run_on_host_memory(plan, set, result, label)
                                                : enqueue_moated(plan, device, set, result, label);
    expectation own = expectation_of(algorithm, problem, set, expected);
    exact = exact && clconv_algorithm_is_exact(algorithm);
    right = right && results_match(set, result, &own, exact, label);
    free_expectation(&own);
    free(result);
    clconv_plan_destroy(plan);
    return right;
}

#endif
