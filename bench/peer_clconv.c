#include "peer.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct clconv_state {
    clconv_device *device;
    clconv_plan *plan;
    clconv_host_tensors host;
    float *output;
    size_t output_elements;
    cl_command_queue queue; /* NULL for the host */
    clconv_tensors tensors;
} clconv_state;

static void require_ok(clconv_status status) {
    bench_require(status == CLCONV_OK, clconv_last_message());
}

static cl_mem buffer(cl_context context, size_t bytes, void *content) {
    cl_int code;
    cl_mem memory = clCreateBuffer(
        context, CL_MEM_READ_WRITE | (content ? CL_MEM_COPY_HOST_PTR : 0), bytes, content, &code);
    bench_require(code == CL_SUCCESS, "clCreateBuffer");
    return memory;
}

static void setup(void **result, const layer *l, const char *selector) {
    clconv_state *s = calloc(1, sizeof *s);
    clconv_plan_options options = CLCONV_PLAN_OPTIONS_INIT;
    cl_context context;
    bench_require(s != NULL, "memory");
    options.algorithm = selector ? NULL : getenv("CLCONV_BENCH_ALGO");
    require_ok(clconv_device_open(&s->device, selector));
    require_ok(clconv_plan_create(&s->plan, s->device, &l->problem, &options));
    require_ok(clconv_plan_pack_weights(s->plan, l->weights));
    s->output_elements = l->output_elements;
    bench_require((s->output = malloc(l->output_elements * sizeof(float))) != NULL, "memory");
    s->host = (clconv_host_tensors){.input = l->input, .output = s->output};
    if (clconv_device_opencl(s->device, &context, NULL, &s->queue) == CLCONV_OK) {
        size_t workspace = clconv_plan_workspace_size(s->plan);
        s->tensors.input.memory = buffer(context, l->input_elements * sizeof(float), l->input);
        s->tensors.output.memory = buffer(context, l->output_elements * sizeof(float), NULL);
        if (workspace)
            s->tensors.workspace.memory = buffer(context, workspace, NULL);
    }
    *result = s;
}

static void setup_opencl(void **state, const layer *l) {
    setup(state, l, NULL);
}

static void setup_host(void **state, const layer *l) {
    setup(state, l, "host");
}

static void run(void *state) {
    clconv_state *s = state;
    if (!s->queue) {
        require_ok(clconv_plan_run(s->plan, &s->host));
        return;
    }
    require_ok(clconv_plan_enqueue(s->plan, NULL, &s->tensors, 0, NULL, NULL));
    bench_require(clFinish(s->queue) == CL_SUCCESS, "clFinish");
}

static void fetch(void *state, float *output) {
    clconv_state *s = state;
    size_t bytes = s->output_elements * sizeof *output;
    if (s->queue)
        bench_require(clEnqueueReadBuffer(s->queue, s->tensors.output.memory, CL_TRUE, 0, bytes,
                                          output, 0, NULL, NULL) == CL_SUCCESS,
                      "clEnqueueReadBuffer");
    else
        for (size_t i = 0; i < s->output_elements; ++i)
            output[i] = s->output[i];
}

static void teardown(void *state) {
    clconv_state *s = state;
    const cl_mem buffers[] = {s->tensors.input.memory, s->tensors.output.memory,
                              s->tensors.workspace.memory};
    for (size_t i = 0; i < sizeof buffers / sizeof buffers[0]; ++i)
        if (buffers[i])
            clReleaseMemObject(buffers[i]);
    clconv_plan_destroy(s->plan);
    clconv_device_destroy(s->device);
    free(s->output);
    free(s);
}

static const char *algorithm(void *state) {
    return clconv_plan_algorithm(((const clconv_state *)state)->plan);
}

const peer clconv_opencl_peer = {"clconv", setup_opencl, run, fetch, teardown, algorithm};
const peer clconv_host_peer = {"host", setup_host, run, fetch, teardown, algorithm};
