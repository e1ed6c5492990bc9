/* Rows of one kernel: name.cl with a kernel of the same name and the arguments common to all. */
#include "opencl.h"
#include "plan.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct kernel_state {
    cl_kernel kernel;
    clconv__launch launch;
    clconv__kernel_geometry geometry;
    clconv__kernel_scalars scalars;
} kernel_state;

static void destroy(clconv_plan *plan) {
    kernel_state *state = plan->state;
    if (!state)
        return;
    if (state->kernel)
        clReleaseKernel(state->kernel);
    free(state);
    plan->state = NULL;
}

static clconv_status create(clconv_plan *plan) {
    char file[64];
    int64_t fields[CLCONV__FIELDS];
    kernel_state *state = calloc(1, sizeof *state);
    if (!state)
        return clconv__fail(CLCONV_OUT_OF_MEMORY, "a plan needs %zu bytes", sizeof *state);
    plan->state = state;
    const clconv__tile *tile = clconv__fitting_tile(&state->launch, plan->algo, &plan->request);
    snprintf(file, sizeof file, "%s.cl", plan->algo->name);
    clconv_status status = clconv__plan_kernel(&state->kernel, plan, &plan->problem, file,
                                               plan->algo->name, tile, state->launch.options);
    if (status) {
        destroy(plan);
        return status;
    }
    clconv__plan_fields(fields, plan, state->launch.step);
    clconv__pack_geometry(&state->geometry, plan, fields);
    clconv__pack_scalars(&state->scalars, &plan->problem);
    return CLCONV_OK;
}

static clconv_status enqueue(clconv_plan *plan, cl_command_queue queue,
                             const clconv_tensors *tensors, cl_uint wait_count,
                             const cl_event *wait, cl_event *event) {
    const kernel_state *state = plan->state;
    const clconv_tensors t = clconv__fill_absent(plan, tensors);
    const clconv__kernel_offsets offsets = clconv__tensor_offsets(&t);
    const clconv__argument arguments[] = {
        {state->geometry.size, &state->geometry.values},
        {sizeof offsets, &offsets},
        {state->scalars.size, &state->scalars.values},
        {sizeof(cl_mem), &t.input.memory},
        {sizeof(cl_mem), &t.weights.memory},
        {sizeof(cl_mem), &t.bias.memory},
        {sizeof(cl_mem), &t.residual.memory},
        {sizeof(cl_mem), &t.output.memory},
        {state->launch.local_bytes, NULL},
    };
    size_t count = sizeof arguments / sizeof arguments[0] - (state->launch.local_bytes == 0);
    clconv_status status = clconv__set_arguments(state->kernel, arguments, count);
    if (status)
        return status;
    return clconv__cl_check(clEnqueueNDRangeKernel(queue, state->kernel, 3, NULL,
                                                   state->launch.global, state->launch.local,
                                                   wait_count, wait, event),
                            "clEnqueueNDRangeKernel");
}

const clconv__algo_ops clconv__kernel_ops = {0, create, destroy, enqueue, NULL, NULL, NULL};
