/*
 * The caller's own OpenCL context, queue, buffers and events.
 *
 * Two layers run one after the other on the device. Their tensors share two buffers, so each lies
 * at an offset, and events order the work although nothing waits for it in between:
 *
 *     write input ─┐
 *     write weights ┴─> layer 1 ──> layer 2 ──> read output
 *
 * Without an OpenCL device the program says so and succeeds: there is nothing that it could show.
 */
#include <clconv.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Layer 1 makes 8 channels from 3, layer 2 makes 4 from these and halves the extents. */
#define LAYER1 "ic3ih20iw20_oc8kh3kw3_ph1pw1"
#define LAYER2 "ic8ih20iw20_oc4kh3kw3_sh2sw2_ph1pw1"

enum { INPUT = 3 * 20 * 20, MIDDLE = 8 * 20 * 20, OUTPUT = 4 * 10 * 10 };
enum { WEIGHTS1 = 8 * 3 * 3 * 3, WEIGHTS2 = 4 * 8 * 3 * 3 };

/* One buffer holds input, middle and output, another the weights of both layers. */
enum {
    INPUT_AT = 0,
    MIDDLE_AT = INPUT,
    OUTPUT_AT = INPUT + MIDDLE,
    ACTIVATIONS = OUTPUT_AT + OUTPUT
};
enum { WEIGHTS1_AT = 0, WEIGHTS2_AT = WEIGHTS1, WEIGHTS = WEIGHTS1 + WEIGHTS2 };

static void check(clconv_status status) {
    if (status == CLCONV_OK)
        return;
    fprintf(stderr, "%s: %s\n", clconv_status_name(status), clconv_last_message());
    exit(EXIT_FAILURE);
}

static void check_cl(cl_int code, const char *call) {
    if (code == CL_SUCCESS)
        return;
    fprintf(stderr, "%s failed with %d\n", call, (int)code);
    exit(EXIT_FAILURE);
}

/* The first device of the first platform that has one. */
static cl_device_id find_device(void) {
    cl_platform_id platforms[16];
    cl_uint count = 0;
    if (clGetPlatformIDs(16, platforms, &count) != CL_SUCCESS)
        return NULL;
    for (cl_uint i = 0; i < count && i < 16; ++i) {
        cl_device_id id = NULL;
        if (clGetDeviceIDs(platforms[i], CL_DEVICE_TYPE_ALL, 1, &id, NULL) == CL_SUCCESS)
            return id;
    }
    return NULL;
}

static cl_mem new_buffer(cl_context context, size_t elements) {
    cl_int code = CL_SUCCESS;
    cl_mem buffer =
        clCreateBuffer(context, CL_MEM_READ_WRITE, elements * sizeof(float), NULL, &code);
    check_cl(code, "clCreateBuffer");
    return buffer;
}

/* A plan with the workspace that it needs, if any. */
typedef struct layer {
    clconv_plan *plan;
    cl_mem workspace;
} layer;

static layer new_layer(clconv_device *device, cl_context context, const char *text) {
    layer made = {NULL, NULL};
    clconv_problem problem = CLCONV_PROBLEM_INIT;
    check(clconv_problem_parse(&problem, text));
    check(clconv_plan_create(&made.plan, device, &problem, NULL));
    size_t bytes = clconv_plan_workspace_size(made.plan);
    if (bytes > 0)
        made.workspace = new_buffer(context, (bytes + 3) / sizeof(float));
    printf("%s: %s\n", text, clconv_plan_algorithm(made.plan));
    return made;
}

static void release_layer(layer *old) {
    if (old->workspace)
        clReleaseMemObject(old->workspace);
    clconv_plan_destroy(old->plan);
}

/* Values from -1 to 1 that look random. */
static void fill(float *values, size_t count, unsigned seed) {
    for (size_t i = 0; i < count; ++i) {
        seed = seed * 1664525u + 1013904223u;
        values[i] = (float)(seed >> 16) / 32768.0f - 1.0f;
    }
}

/* Computes one layer with the judge of the library, from what the device had as its input. */
static void check_layer(const char *text, const float *input, const float *weights,
                        const float *output, size_t count) {
    clconv_problem problem = CLCONV_PROBLEM_INIT;
    double *expected = malloc(count * sizeof *expected);
    double *bound = malloc(count * sizeof *bound);
    clconv_host_tensors tensors = {.input = input, .weights = weights};
    if (!expected || !bound)
        exit(EXIT_FAILURE);
    check(clconv_problem_parse(&problem, text));
    check(clconv_reference(expected, bound, &problem, &tensors));
    for (size_t i = 0; i < count; ++i) {
        if (fabs(output[i] - expected[i]) <= bound[i])
            continue;
        fprintf(stderr, "%s: element %zu is %.9g, should be %.9g within %.3g\n", text, i,
                (double)output[i], expected[i], bound[i]);
        exit(EXIT_FAILURE);
    }
    free(bound);
    free(expected);
}

int main(void) {
    static float activations[ACTIVATIONS], weights[WEIGHTS];
    cl_int code = CL_SUCCESS;

    cl_device_id id = find_device();
    if (!id) {
        puts("no OpenCL device");
        return EXIT_SUCCESS;
    }
    cl_context context = clCreateContext(NULL, 1, &id, NULL, NULL, &code);
    check_cl(code, "clCreateContext");
    cl_command_queue queue = clCreateCommandQueue(context, id, 0, &code);
    check_cl(code, "clCreateCommandQueue");

    clconv_device *device = NULL;
    check(clconv_device_from_opencl(&device, context, id));
    layer layer1 = new_layer(device, context, LAYER1);
    layer layer2 = new_layer(device, context, LAYER2);

    cl_mem activation_memory = new_buffer(context, ACTIVATIONS);
    cl_mem weight_memory = new_buffer(context, WEIGHTS);
    fill(activations, INPUT, 1);
    fill(weights, WEIGHTS, 2);

    cl_event written[2], done1 = NULL, done2 = NULL;
    check_cl(clEnqueueWriteBuffer(queue, activation_memory, CL_FALSE, INPUT_AT,
                                  INPUT * sizeof(float), activations, 0, NULL, &written[0]),
             "clEnqueueWriteBuffer");
    check_cl(clEnqueueWriteBuffer(queue, weight_memory, CL_FALSE, 0, sizeof weights, weights, 0,
                                  NULL, &written[1]),
             "clEnqueueWriteBuffer");
    check(clconv_plan_enqueue(layer1.plan, queue,
                              &(clconv_tensors){
                                  .input = {activation_memory, INPUT_AT},
                                  .weights = {weight_memory, WEIGHTS1_AT},
                                  .output = {activation_memory, MIDDLE_AT},
                                  .workspace = {layer1.workspace, 0},
                              },
                              2, written, &done1));
    check(clconv_plan_enqueue(layer2.plan, queue,
                              &(clconv_tensors){
                                  .input = {activation_memory, MIDDLE_AT},
                                  .weights = {weight_memory, WEIGHTS2_AT},
                                  .output = {activation_memory, OUTPUT_AT},
                                  .workspace = {layer2.workspace, 0},
                              },
                              1, &done1, &done2));
    check_cl(clEnqueueReadBuffer(queue, activation_memory, CL_TRUE, 0, sizeof activations,
                                 activations, 1, &done2, NULL),
             "clEnqueueReadBuffer");

    check_layer(LAYER1, activations + INPUT_AT, weights + WEIGHTS1_AT, activations + MIDDLE_AT,
                MIDDLE);
    check_layer(LAYER2, activations + MIDDLE_AT, weights + WEIGHTS2_AT, activations + OUTPUT_AT,
                OUTPUT);
    puts("both layers are right");

    clReleaseEvent(written[0]);
    clReleaseEvent(written[1]);
    clReleaseEvent(done1);
    clReleaseEvent(done2);
    clReleaseMemObject(activation_memory);
    clReleaseMemObject(weight_memory);
    release_layer(&layer1);
    release_layer(&layer2);
    clconv_device_destroy(device);
    clReleaseCommandQueue(queue);
    clReleaseContext(context);
    return EXIT_SUCCESS;
}
