#define _POSIX_C_SOURCE 200809L
#include "case_run.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void case_result_free(case_result *result) {
    free(result->output);
    result->output = NULL;
}

/* ---- the host ---- */

static clconv_status run_on_host(case_result *result, clconv_plan *plan, const case_data *data) {
    clconv_host_tensors tensors = case_data_tensors(data);
    const tensor_image *output = &data->images[CLCONV_OUTPUT];
    tensor_image copies[CLCONV_OUTPUT] = {{0}};
    clconv_status status = CLCONV_OUT_OF_MEMORY;
    if (!(result->output = malloc(output->size)))
        goto done;
    memcpy(result->output, output->bytes, output->size);
    for (int i = CLCONV_INPUT; i < CLCONV_OUTPUT; ++i) {
        copies[i] = data->images[i];
        if (copies[i].size && !(copies[i].bytes = malloc(copies[i].size)))
            goto done;
        if (copies[i].size)
            memcpy(copies[i].bytes, data->images[i].bytes, copies[i].size);
    }
    tensors.output = result->output + GUARD_ELEMENTS * output->element;
    double begin = now();
    status = clconv_plan_run(plan, &tensors);
    result->seconds = now() - begin;
    for (int i = CLCONV_INPUT; i < CLCONV_OUTPUT; ++i)
        if (copies[i].size && memcmp(copies[i].bytes, data->images[i].bytes, copies[i].size) != 0)
            result->inputs_changed = 1;
done:
    for (int i = CLCONV_INPUT; i < CLCONV_OUTPUT; ++i)
        free(copies[i].bytes);
    return status;
}

/* ---- OpenCL ---- */

static clconv_status checked(cl_int code) {
    return code == CL_SUCCESS ? CLCONV_OK : CLCONV_OPENCL;
}

typedef struct device_case {
    cl_context context;
    cl_command_queue queue;
    clconv_tensors tensors;
} device_case;

static clconv_buffer *slot(device_case *d, int tensor) {
    clconv_buffer *const slots[] = {&d->tensors.input, &d->tensors.weights, &d->tensors.bias,
                                    &d->tensors.residual, &d->tensors.output};
    return slots[tensor];
}

static clconv_status upload(device_case *d, const case_data *data, size_t workspace) {
    cl_int code = CL_SUCCESS;
    for (int i = CLCONV_INPUT; i <= CLCONV_OUTPUT && code == CL_SUCCESS; ++i) {
        const tensor_image *image = &data->images[i];
        if (!image->size)
            continue;
        slot(d, i)->offset = GUARD_ELEMENTS;
        slot(d, i)->memory = clCreateBuffer(d->context, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR,
                                            image->size, image->bytes, &code);
    }
    if (code == CL_SUCCESS && workspace) {
        static const unsigned char poison[4] = {0xff, 0xff, 0xff, 0xff};
        size_t size = (workspace + 3) / 4 * 4;
        d->tensors.workspace.memory =
            clCreateBuffer(d->context, CL_MEM_READ_WRITE, size, NULL, &code);
        if (code == CL_SUCCESS)
            code = clEnqueueFillBuffer(d->queue, d->tensors.workspace.memory, poison, sizeof poison,
                                       0, size, 0, NULL, NULL);
    }
    return checked(code == CL_SUCCESS ? clFinish(d->queue) : code);
}

static clconv_status compare_inputs(int *changed, device_case *d, const case_data *data) {
    clconv_status status = CLCONV_OK;
    for (int i = CLCONV_INPUT; i < CLCONV_OUTPUT && !status; ++i) {
        const tensor_image *image = &data->images[i];
        if (!image->size)
            continue;
        unsigned char *bytes = malloc(image->size);
        if (!bytes)
            return CLCONV_OUT_OF_MEMORY;
        status = checked(clEnqueueReadBuffer(d->queue, slot(d, i)->memory, CL_TRUE, 0, image->size,
                                             bytes, 0, NULL, NULL));
        if (!status && memcmp(bytes, image->bytes, image->size) != 0)
            *changed = 1;
        free(bytes);
    }
    return status;
}

static clconv_status run_on_device(case_result *result, clconv_plan *plan, clconv_device *device,
                                   const case_data *data) {
    device_case d = {0};
    const tensor_image *output = &data->images[CLCONV_OUTPUT];
    clconv_status status = clconv_device_opencl(device, &d.context, NULL, &d.queue);
    if (status || (status = upload(&d, data, clconv_plan_workspace_size(plan))))
        goto done;
    double begin = now();
    if ((status = clconv_plan_enqueue(plan, NULL, &d.tensors, 0, NULL, NULL)) ||
        (status = checked(clFinish(d.queue))))
        goto done;
    result->seconds = now() - begin;
    if (!(result->output = malloc(output->size))) {
        status = CLCONV_OUT_OF_MEMORY;
        goto done;
    }
    status = checked(clEnqueueReadBuffer(d.queue, d.tensors.output.memory, CL_TRUE, 0, output->size,
                                         result->output, 0, NULL, NULL));
    if (!status)
        status = compare_inputs(&result->inputs_changed, &d, data);
done:
    for (int i = CLCONV_INPUT; i <= CLCONV_OUTPUT; ++i)
        if (slot(&d, i)->memory)
            clReleaseMemObject(slot(&d, i)->memory);
    if (d.tensors.workspace.memory)
        clReleaseMemObject(d.tensors.workspace.memory);
    return status;
}

clconv_status case_run(case_result *result, clconv_plan *plan, clconv_device *device,
                       const case_data *data) {
    memset(result, 0, sizeof *result);
    clconv_status status = clconv_device_opencl(device, NULL, NULL, NULL) == CLCONV_OK
                               ? run_on_device(result, plan, device, data)
                               : run_on_host(result, plan, data);
    if (status)
        case_result_free(result);
    return status;
}
