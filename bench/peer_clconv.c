#include "peer.h"

#include <stdlib.h>
#include <string.h>

typedef struct clconv_state {
    clconv_device *device;
    clconv_plan *plan;
    clconv_host_tensors host;
    float *result;
    size_t result_bytes;
    cl_command_queue queue;  /* NULL for the host */
    cl_mem buffers[TENSORS]; /* NULL for the host */
    cl_mem computed;         /* one of them */
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

static void make_buffers(clconv_state *s, const layer *l, cl_context context) {
    size_t workspace = clconv_plan_workspace_size(s->plan);
    for (int i = 0; i < TENSORS; ++i)
        if (l->elements[i])
            s->buffers[i] = buffer(context, l->elements[i] * sizeof(float), l->data[i]);
    s->computed = s->buffers[l->computed];
    s->tensors.input.memory = s->buffers[CLCONV_INPUT];
    s->tensors.weights.memory = s->buffers[CLCONV_WEIGHTS];
    s->tensors.output.memory = s->buffers[CLCONV_OUTPUT];
    if (workspace)
        s->tensors.workspace.memory = buffer(context, workspace, NULL);
}

static float *host_tensor(const clconv_state *s, const layer *l, clconv_tensor tensor) {
    return tensor == l->computed ? s->result : l->data[tensor];
}

static void setup(void **result, const layer *l, const char *selector) {
    clconv_state *s = calloc(1, sizeof *s);
    clconv_plan_options options = CLCONV_PLAN_OPTIONS_INIT;
    cl_context context;
    bench_require(s != NULL, "memory");
    options.algorithm = selector ? NULL : getenv("CLCONV_BENCH_ALGO");
    require_ok(clconv_device_open(&s->device, selector));
    require_ok(clconv_plan_create(&s->plan, s->device, &l->problem, &options));
    /* In training they are others each time. */
    if (l->problem.direction == CLCONV_FORWARD)
        require_ok(clconv_plan_pack_weights(s->plan, l->data[CLCONV_WEIGHTS]));
    s->result_bytes = l->elements[l->computed] * sizeof(float);
    bench_require((s->result = malloc(s->result_bytes)) != NULL, "memory");
    if (clconv_device_opencl(s->device, &context, NULL, &s->queue) == CLCONV_OK)
        make_buffers(s, l, context);
    s->host =
        (clconv_host_tensors){host_tensor(s, l, CLCONV_INPUT), host_tensor(s, l, CLCONV_WEIGHTS),
                              NULL, NULL, host_tensor(s, l, CLCONV_OUTPUT)};
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
    if (s->queue)
        require_ok(clconv_plan_enqueue(s->plan, NULL, &s->tensors, 0, NULL, NULL));
    else
        require_ok(clconv_plan_run(s->plan, &s->host));
}

static void wait_for_all(void *state) {
    clconv_state *s = state;
    if (s->queue)
        bench_require(clFinish(s->queue) == CL_SUCCESS, "clFinish");
}

static void fetch(void *state, float *result) {
    clconv_state *s = state;
    if (s->queue)
        bench_require(clEnqueueReadBuffer(s->queue, s->computed, CL_TRUE, 0, s->result_bytes,
                                          result, 0, NULL, NULL) == CL_SUCCESS,
                      "clEnqueueReadBuffer");
    else
        memcpy(result, s->result, s->result_bytes);
}

static void teardown(void *state) {
    clconv_state *s = state;
    for (int i = 0; i < TENSORS; ++i)
        if (s->buffers[i])
            clReleaseMemObject(s->buffers[i]);
    if (s->tensors.workspace.memory)
        clReleaseMemObject(s->tensors.workspace.memory);
    clconv_plan_destroy(s->plan);
    clconv_device_destroy(s->device);
    free(s->result);
    free(s);
}

static const char *algorithm(void *state) {
    return clconv_plan_algorithm(((const clconv_state *)state)->plan);
}

const peer clconv_opencl_peer = {"clconv", setup_opencl, run,      wait_for_all,
                                 fetch,    teardown,     algorithm};
const peer clconv_host_peer = {"host", setup_host, run, wait_for_all, fetch, teardown, algorithm};
