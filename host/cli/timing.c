#define _POSIX_C_SOURCE 200809L /* clock_gettime() */

#include "timing.h"

#include "sampled.h"
#include "verify.h"

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

/* One run: seconds until the call returned, and until the result was there. */
typedef struct moment {
    double enqueued, done;
} moment;

static clconv_status run(bench *b, moment *m) {
    const double begin = now();
    const clconv_host_tensors tensors = case_data_tensors(b->data);
    clconv_status status = b->context
                               ? clconv_plan_enqueue(b->plan, b->queue, &b->tensors, 0, NULL, NULL)
                               : clconv_plan_run(b->plan, &tensors);
    m->enqueued = now() - begin;
    if (!status && b->context && clFinish(b->queue) != CL_SUCCESS)
        status = CLCONV_OPENCL;
    m->done = now() - begin;
    return status;
}

static int by_enqueued(const void *a, const void *b) {
    const double x = ((const moment *)a)->enqueued, y = ((const moment *)b)->enqueued;
    return (x > y) - (x < y);
}

static int by_done(const void *a, const void *b) {
    const double x = ((const moment *)a)->done, y = ((const moment *)b)->done;
    return (x > y) - (x < y);
}

static void take_medians(timing *t, moment *moments) {
    qsort(moments, t->runs, sizeof *moments, by_enqueued);
    t->enqueue = moments[t->runs / 2].enqueued;
    qsort(moments, t->runs, sizeof *moments, by_done);
    t->median = moments[t->runs / 2].done;
    t->spread = (moments[3 * t->runs / 4].done - moments[t->runs / 4].done) / t->median;
}

static clconv_status run_often(timing *t, bench *b, const timing_limits *limits) {
    moment *moments = malloc(limits->rounds * sizeof *moments);
    clconv_status status = moments ? CLCONV_OK : CLCONV_OUT_OF_MEMORY;
    const double begin = now();
    for (t->runs = 0; !status && t->runs < limits->rounds; ++t->runs) {
        if (t->runs && now() - begin > limits->seconds)
            break;
        status = run(b, &moments[t->runs]);
    }
    if (!status)
        take_medians(t, moments);
    free(moments);
    return status;
}

/* Judges one more run, on copies of the tensors between guards. */
static clconv_status prove(timing *t, clconv_device *device, const bench *b) {
    const case_runs once = {.plain = 1};
    const bool sums_are_exact = clconv_algorithm_is_exact(t->algorithm);
    expected_output expected = {0};
    case_result result;
    report r = {.problem = &b->data->problem, .kind = b->data->kind};
    clconv_status status = case_run(&result, b->plan, device, b->data, &once);
    if (!status)
        status = expectation_sample(&expected, b->data, 1, sums_are_exact ? NULL : t->algorithm);
    expected.has_no_alarm = !sums_are_exact;
    if (!status && !(status = judge(&r.judged, b->data, b->data->result, &expected))) {
        r.violations = result.violations;
        give_verdict(&r, &expected);
        t->is_wrong = is_bad(r.verdict);
        snprintf(t->reason, sizeof t->reason, "%s", r.reason);
    }
    expectation_free(&expected);
    return status;
}

clconv_status time_algorithm(timing *t, clconv_device *device, const case_data *data,
                             const char *algorithm, const timing_limits *limits) {
    clconv_plan_options options = CLCONV_PLAN_OPTIONS_INIT;
    bench b = {.data = data};
    moment first = {0, 0};
    memset(t, 0, sizeof *t);
    options.algorithm = algorithm;
    options.allow_tf32 = limits->allows_tf32;
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
    if (!status && !(status = run(&b, &first)) && !(status = prove(t, device, &b)) && !t->is_wrong)
        status = run_often(t, &b, limits);
    t->first = first.done;
    release(&b);
    return status;
}
