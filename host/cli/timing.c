#define _POSIX_C_SOURCE 200809L /* clock_gettime() */

#include "timing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A plan with its tensors, on the host or in the memory of an OpenCL device. */
typedef struct bench {
    clconv_plan *plan;
    const case_data *data;
    cl_context context; /* NULL for the host */
    cl_command_queue queue;
    clconv_tensors tensors;
} bench;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static clconv_status upload(bench *b) {
    clconv_buffer *const slots[] = {&b->tensors.input, &b->tensors.weights, &b->tensors.bias,
                                    &b->tensors.residual, &b->tensors.output};
    const size_t workspace = clconv_plan_workspace_size(b->plan);
    cl_int code = CL_SUCCESS;
    for (int t = 0; t < TENSORS && code == CL_SUCCESS; ++t) {
        const tensor_image *image = &b->data->images[t];
        slots[t]->offset = GUARD_ELEMENTS;
        if (image->size)
            slots[t]->memory = clCreateBuffer(b->context, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR,
                                              image->size, image->bytes, &code);
    }
    if (workspace && code == CL_SUCCESS)
        b->tensors.workspace.memory =
            clCreateBuffer(b->context, CL_MEM_READ_WRITE, workspace, NULL, &code);
    return code == CL_SUCCESS ? CLCONV_OK : CLCONV_OUT_OF_MEMORY;
}

static void release(bench *b) {
    const cl_mem memories[] = {b->tensors.input.memory,  b->tensors.weights.memory,
                               b->tensors.bias.memory,   b->tensors.residual.memory,
                               b->tensors.output.memory, b->tensors.workspace.memory};
    for (size_t i = 0; i < sizeof memories / sizeof memories[0]; ++i)
        if (memories[i])
            clReleaseMemObject(memories[i]);
    clconv_plan_destroy(b->plan);
}

static clconv_status run(bench *b, double *seconds) {
    const double begin = now();
    const clconv_host_tensors tensors = case_data_tensors(b->data);
    clconv_status status = b->context
                               ? clconv_plan_enqueue(b->plan, b->queue, &b->tensors, 0, NULL, NULL)
                               : clconv_plan_run(b->plan, &tensors);
    if (!status && b->context && clFinish(b->queue) != CL_SUCCESS)
        status = CLCONV_OPENCL;
    *seconds = now() - begin;
    return status;
}

static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static clconv_status run_often(timing *t, bench *b, const timing_limits *limits) {
    double *seconds = malloc(limits->rounds * sizeof *seconds);
    clconv_status status = seconds ? run(b, &t->first) : CLCONV_OUT_OF_MEMORY;
    const double begin = now();
    for (t->runs = 0; !status && t->runs < limits->rounds; ++t->runs) {
        if (t->runs && now() - begin > limits->seconds)
            break;
        status = run(b, &seconds[t->runs]);
    }
    if (!status) {
        qsort(seconds, t->runs, sizeof *seconds, ascending);
        t->median = seconds[t->runs / 2];
    }
    free(seconds);
    return status;
}

clconv_status time_algorithm(timing *t, clconv_device *device, const case_data *data,
                             const char *algorithm, const timing_limits *limits) {
    clconv_plan_options options = CLCONV_PLAN_OPTIONS_INIT;
    bench b = {.data = data};
    memset(t, 0, sizeof *t);
    options.algorithm = algorithm;
    if (clconv_device_opencl(device, &b.context, NULL, &b.queue))
        b.context = NULL;
    const double begin = now();
    clconv_status status = clconv_plan_create(&b.plan, device, &data->problem, &options);
    t->create = now() - begin;
    if (status)
        return status;
    snprintf(t->algorithm, sizeof t->algorithm, "%s", clconv_plan_algorithm(b.plan));
    if (data->problem.direction != CLCONV_BACKWARD_WEIGHTS)
        status = clconv_plan_pack_weights(b.plan, case_data_tensors(data).weights);
    t->workspace = clconv_plan_workspace_size(b.plan);
    if (!status && b.context)
        status = upload(&b);
    if (!status)
        status = run_often(t, &b, limits);
    release(&b);
    return status;
}
