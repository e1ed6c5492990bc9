/* One call of a plan on a queue: its commands run one after the other whatever the queue's order.
 */
#ifndef CLCONV__CALL_H
#define CLCONV__CALL_H

#include "plan.h"

typedef struct clconv__call {
    clconv_plan *plan;
    cl_command_queue queue;
    int is_unordered; /* commands must be separated by barriers */
    int has_begun;    /* a command was enqueued: what was waited for is over */
    cl_uint wait_count;
    const cl_event *wait;
    clconv_tensors tensors; /* absent ones filled */
    clconv__kernel_offsets offsets;
} clconv__call;

clconv_status clconv__call_begin(clconv__call *call, clconv_plan *plan, cl_command_queue queue,
                                 const clconv_tensors *tensors, cl_uint wait_count,
                                 const cl_event *wait);

/** Where the weights lie that a call multiplies with, rearranged; the offset is in bytes. */
typedef struct clconv__packed {
    cl_mem memory;
    size_t offset;
} clconv__packed;

/**
 * Begins a call with rearranged weights: those that the plan keeps, or the call's own, which the
 * row first rearranges into the workspace, behind what the plan needs of it.
 */
clconv_status clconv__call_begin_packed(clconv__call *call, clconv__packed *packed,
                                        clconv_plan *plan, cl_command_queue queue,
                                        const clconv_tensors *tensors, cl_uint wait_count,
                                        const cl_event *wait);

/** Lets what comes next wait for the call's wait list, or for the command before. */
clconv_status clconv__call_separate(clconv__call *call);

/**
 * Sizes of a kernel's run. Work-groups are `group` work-items long along the first dimension and 1
 * along the others; the global size is rounded up to that, so kernels of longer groups check their
 * ends. Never the driver's choice: PoCL compiles a kernel anew for each work-group size it is
 * given.
 */
typedef struct clconv__range {
    size_t global[3];
    size_t group;
} clconv__range;

/** A work-group size for kernels that work along lines of memory. */
size_t clconv__line_group(const clconv_plan *plan);

/** An index as wide as the plan's. */
typedef struct clconv__index_argument {
    cl_int narrow;
    cl_long wide;
} clconv__index_argument;

/** Puts an index into `value`, which must live as long as the argument. */
clconv__argument clconv__as_argument(clconv__index_argument *value, const clconv_plan *plan,
                                     size_t index);

/** Sets the arguments and enqueues; event is that of the call's last command, else NULL. */
clconv_status clconv__call_kernel(clconv__call *call, cl_kernel kernel, const clconv__range *range,
                                  const clconv__argument *arguments, size_t count, cl_event *event);

/** bias_sums.cl, which sums the output's gradient over pictures and pixels: the gradient of the
 * bias. */
clconv_status clconv__bias_sums_kernel(cl_kernel *kernel, const clconv_plan *plan);

/** Enqueues it; the scalars are of a problem that adds no bias. */
clconv_status clconv__call_bias_sums(clconv__call *call, cl_kernel kernel,
                                     const clconv__kernel_geometry *geometry,
                                     const clconv__kernel_scalars *scalars, cl_event *event);

#endif
