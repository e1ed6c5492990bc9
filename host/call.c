#include "call.h"

#include "opencl.h"

#include <stdio.h>

clconv_status clconv__call_begin(clconv__call *call, clconv_plan *plan, cl_command_queue queue,
                                 const clconv_tensors *tensors, cl_uint wait_count,
                                 const cl_event *wait) {
    cl_command_queue_properties properties = 0;
    clconv_status status = clconv__cl_check(
        clGetCommandQueueInfo(queue, CL_QUEUE_PROPERTIES, sizeof properties, &properties, NULL),
        "clGetCommandQueueInfo(CL_QUEUE_PROPERTIES)");
    clconv_tensors filled = clconv__fill_absent(plan, tensors);
    *call = (clconv__call){plan,
                           queue,
                           (properties & CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE) != 0,
                           0,
                           wait_count,
                           wait,
                           filled,
                           clconv__tensor_offsets(&filled)};
    return status;
}

clconv_status clconv__call_begin_packed(clconv__call *call, clconv__packed *packed,
                                        clconv_plan *plan, cl_command_queue queue,
                                        const clconv_tensors *tensors, cl_uint wait_count,
                                        const cl_event *wait) {
    clconv_status status = clconv__call_begin(call, plan, queue, tensors, wait_count, wait);
    *packed = (clconv__packed){plan->packed, 0};
    if (status || packed->memory)
        return status;
    *packed =
        (clconv__packed){tensors->workspace.memory, tensors->workspace.offset + plan->workspace};
    return plan->algo->ops->pack_device(call, packed->memory, packed->offset);
}

clconv_status clconv__call_separate(clconv__call *call) {
    cl_uint wait_count = call->has_begun ? 0 : call->wait_count;
    int is_needed = wait_count || (call->is_unordered && call->has_begun);
    call->has_begun = 1;
    if (!is_needed)
        return CLCONV_OK;
    return clconv__cl_check(
        clEnqueueBarrierWithWaitList(call->queue, wait_count, wait_count ? call->wait : NULL, NULL),
        "clEnqueueBarrierWithWaitList");
}

clconv_status clconv__call_kernel(clconv__call *call, cl_kernel kernel, const clconv__range *range,
                                  const clconv__argument *arguments, size_t count,
                                  cl_event *event) {
    const size_t local[3] = {range->group, 1, 1};
    const size_t global[3] = {(range->global[0] + range->group - 1) / range->group * range->group,
                              range->global[1], range->global[2]};
    int is_first = !call->has_begun;
    clconv_status status = CLCONV_OK;
    if (!is_first)
        status = clconv__call_separate(call);
    call->has_begun = 1;
    if (status || (status = clconv__set_arguments(kernel, arguments, count)))
        return status;
    return clconv__cl_check(clEnqueueNDRangeKernel(call->queue, kernel, 3, NULL, global, local,
                                                   is_first ? call->wait_count : 0,
                                                   is_first && call->wait_count ? call->wait : NULL,
                                                   event),
                            "clEnqueueNDRangeKernel");
}

clconv__argument clconv__as_argument(clconv__index_argument *value, const clconv_plan *plan,
                                     size_t index) {
    value->narrow = (cl_int)index;
    value->wide = (cl_long)index;
    return plan->wide_index ? (clconv__argument){sizeof value->wide, &value->wide}
                            : (clconv__argument){sizeof value->narrow, &value->narrow};
}

/* The largest of some sizes that the device has. */
static size_t largest_group(const clconv_plan *plan, const size_t sizes[], size_t count) {
    const clconv_device_info *info = &plan->request.device->info;
    for (size_t i = 0; i < count; ++i)
        if (sizes[i] <= info->max_work_group_size && sizes[i] <= info->max_work_item_sizes[0])
            return sizes[i];
    return 1;
}

size_t clconv__line_group(const clconv_plan *plan) {
    static const size_t sizes[] = {64, 16};
    return largest_group(plan, sizes, sizeof sizes / sizeof sizes[0]);
}

/* On CPUs one work-item reads a row as fast as memory gives it. */
static size_t bias_group(const clconv_plan *plan) {
    static const size_t sizes[] = {256, 64, 16};
    if (plan->request.device->info.kind == CLCONV_KIND_CPU)
        return 1;
    return largest_group(plan, sizes, sizeof sizes / sizeof sizes[0]);
}

clconv_status clconv__bias_sums_kernel(cl_kernel *kernel, const clconv_plan *plan) {
    char options[32];
    clconv_problem plain = plan->problem; /* nothing is added to what is summed */
    plain.has_bias = 0;
    snprintf(options, sizeof options, " -DITEMS=%zu", bias_group(plan));
    return clconv__plan_kernel(kernel, plan, &plain, "bias_sums.cl", "bias_sums", NULL, options);
}

clconv_status clconv__call_bias_sums(clconv__call *call, cl_kernel kernel,
                                     const clconv__kernel_geometry *geometry,
                                     const clconv__kernel_scalars *scalars, cl_event *event) {
    const clconv__argument arguments[] = {
        {geometry->size, &geometry->values},
        {sizeof call->offsets, &call->offsets},
        {scalars->size, &scalars->values},
        {sizeof(cl_mem), &call->tensors.output.memory},
        {sizeof(cl_mem), &call->tensors.bias.memory},
    };
    const size_t group = bias_group(call->plan);
    const clconv__range range = {{call->plan->problem.out_channels * group, 1, 1}, group};
    return clconv__call_kernel(call, kernel, &range, arguments,
                               sizeof arguments / sizeof arguments[0], event);
}
