#include "peer.h"

#include <clblast_c.h>
#include <stdlib.h>

typedef struct clblast_state {
    const layer *l;
    clconv_device *device;
    cl_command_queue queue;
    cl_mem input, weights, output;
} clblast_state;

static cl_mem buffer(cl_context context, size_t elements, float *content) {
    cl_int code;
    cl_mem memory =
        clCreateBuffer(context, CL_MEM_READ_WRITE | (content ? CL_MEM_COPY_HOST_PTR : 0),
                       elements * sizeof *content, content, &code);
    bench_require(code == CL_SUCCESS, "clCreateBuffer");
    return memory;
}

/* It has no gradients and no groups, and one padding for both ends of an axis. */
static void setup(void **result, const layer *l) {
    const clconv_problem *p = &l->problem;
    cl_context context;
    *result = NULL;
    if (p->groups > 1 || p->direction != CLCONV_FORWARD)
        return;
    clblast_state *s = calloc(1, sizeof *s);
    bench_require(s != NULL, "memory");
    s->l = l;
    bench_require(clconv_device_open(&s->device, NULL) == CLCONV_OK, clconv_last_message());
    bench_require(clconv_device_opencl(s->device, &context, NULL, &s->queue) == CLCONV_OK,
                  clconv_last_message());
    s->input = buffer(context, l->elements[CLCONV_INPUT], l->data[CLCONV_INPUT]);
    s->weights = buffer(context, l->elements[CLCONV_WEIGHTS], l->data[CLCONV_WEIGHTS]);
    s->output = buffer(context, l->elements[CLCONV_OUTPUT], NULL);
    *result = s;
}

static void run(void *state) {
    clblast_state *s = state;
    const clconv_problem *p = &s->l->problem;
    CLBlastStatusCode code = CLBlastSconvgemm(
        CLBlastKernelModeCrossCorrelation, p->in_channels, p->input[1], p->input[2], p->kernel[1],
        p->kernel[2], p->pad_begin[1], p->pad_begin[2], p->stride[1], p->stride[2], p->dilation[1],
        p->dilation[2], p->out_channels, p->batch, s->input, 0, s->weights, 0, s->output, 0,
        &s->queue, NULL);
    bench_require(code == CLBlastSuccess, "CLBlastSconvgemm");
}

static void wait_for_all(void *state) {
    clblast_state *s = state;
    bench_require(clFinish(s->queue) == CL_SUCCESS, "clFinish");
}

static void fetch(void *state, float *output) {
    clblast_state *s = state;
    bench_require(clEnqueueReadBuffer(s->queue, s->output, CL_TRUE, 0,
                                      s->l->elements[CLCONV_OUTPUT] * sizeof *output, output, 0,
                                      NULL, NULL) == CL_SUCCESS,
                  "clEnqueueReadBuffer");
}

static void teardown(void *state) {
    clblast_state *s = state;
    clReleaseMemObject(s->input);
    clReleaseMemObject(s->weights);
    clReleaseMemObject(s->output);
    clconv_device_destroy(s->device);
    free(s);
}

const peer clblast_peer = {"clblast", setup, run, wait_for_all, fetch, teardown, NULL};
