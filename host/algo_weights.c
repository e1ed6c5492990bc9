/*
 * direct_weights.cl and bias_sums.cl: the gradients of weights and bias, each where it is wanted.
 * Rows with tiles have a kernel of their own for the weights.
 */
#include "call.h"
#include "opencl.h"

#include <stdio.h>
#include <stdlib.h>

enum { WEIGHTS, BIAS, KERNELS };

int clconv__weights_have_lanes(const clconv__request *r) {
    const clconv__geometry *g = &r->g;
    return r->device->info.kind == CLCONV_KIND_CPU && r->problem->type == CLCONV_F32 &&
           r->problem->stride[2] <= 2 && g->input_stride[4] == 1 && g->output_stride[4] == 1;
}

typedef struct weights_state {
    cl_kernel kernels[KERNELS]; /* BIAS is NULL where the problem has none */
    clconv__launch launch;      /* of a row with tiles */
    clconv__kernel_geometry geometry;
    clconv__kernel_scalars scalars;
} weights_state;

static void destroy(clconv_plan *plan) {
    weights_state *state = plan->state;
    if (!state)
        return;
    clconv__release_kernels(state->kernels, KERNELS);
    free(state);
    plan->state = NULL;
}

/* The row's own kernel of one of its tiles. */
static clconv_status create_tiled(clconv_plan *plan, const clconv_problem *plain) {
    weights_state *state = plan->state;
    const clconv__tile *tile = clconv__fitting_tile(&state->launch, plan->algo, &plan->request);
    char file[64];
    snprintf(file, sizeof file, "%s.cl", plan->algo->name);
    return clconv__plan_kernel(&state->kernels[WEIGHTS], plan, plain, file, plan->algo->name, tile,
                               state->launch.options);
}

static clconv_status create(clconv_plan *plan) {
    int64_t fields[CLCONV__FIELDS];
    clconv_problem plain = plan->problem; /* nothing is added to what is summed */
    plain.has_bias = 0;
    clconv_status status = CLCONV_OK;
    weights_state *state = calloc(1, sizeof *state);
    if (!state)
        return clconv__fail(CLCONV_OUT_OF_MEMORY, "a plan needs %zu bytes", sizeof *state);
    plan->state = state;
    if (plan->algo->tiles)
        status = create_tiled(plan, &plain);
    else
        status = clconv__plan_kernel(
            &state->kernels[WEIGHTS], plan, &plain, "direct_weights.cl", "direct_weights", NULL,
            clconv__weights_have_lanes(&plan->request) ? " -DLANES=1" : "");
    if (!status && plan->problem.has_bias)
        status = clconv__bias_sums_kernel(&state->kernels[BIAS], plan);
    if (status) {
        destroy(plan);
        return status;
    }
    clconv__plan_fields(fields, plan, state->launch.step);
    clconv__pack_geometry(&state->geometry, plan, fields);
    clconv__pack_scalars(&state->scalars, &plain);
    return CLCONV_OK;
}

static clconv_status sum_weights(clconv__call *call, cl_event *event) {
    const weights_state *state = call->plan->state;
    const clconv_problem *p = &call->plan->problem;
    const size_t taps =
        call->plan->request.g.in_per_group * p->kernel[0] * p->kernel[1] * p->kernel[2];
    const clconv__argument arguments[] = {
        {state->geometry.size, &state->geometry.values},
        {sizeof call->offsets, &call->offsets},
        {state->scalars.size, &state->scalars.values},
        {sizeof(cl_mem), &call->tensors.input.memory},
        {sizeof(cl_mem), &call->tensors.output.memory},
        {sizeof(cl_mem), &call->tensors.weights.memory},
        {state->launch.local_bytes, NULL},
    };
    const size_t *global = state->launch.global;
    const clconv__range of_sums = {{taps, p->out_channels, 1}, clconv__line_group(call->plan)};
    const clconv__range of_tiles = {{global[0], global[1], global[2]}, 1};
    return clconv__call_kernel(
        call, state->kernels[WEIGHTS], call->plan->algo->tiles ? &of_tiles : &of_sums, arguments,
        sizeof arguments / sizeof arguments[0] - !call->plan->algo->tiles, event);
}

static clconv_status enqueue(clconv_plan *plan, cl_command_queue queue,
                             const clconv_tensors *tensors, cl_uint wait_count,
                             const cl_event *wait, cl_event *event) {
    const weights_state *state = plan->state;
    const int wants_weights = tensors->weights.memory != NULL;
    clconv__call call;
    clconv_status status = clconv__call_begin(&call, plan, queue, tensors, wait_count, wait);
    if (!status && state->kernels[BIAS])
        status = clconv__call_bias_sums(&call, state->kernels[BIAS], &state->geometry,
                                        &state->scalars, wants_weights ? NULL : event);
    return status || !wants_weights ? status : sum_weights(&call, event);
}

const clconv__algo_ops clconv__weights_ops = {0, create, destroy, enqueue, NULL, NULL, NULL};
