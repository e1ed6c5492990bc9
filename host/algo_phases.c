/*
 * The gradient of the input and transposed convolution as forward convolutions: the results of a
 * phase meet the same taps, one element of the source apart, so that with channels exchanged and
 * the kernel turned around, any forward row computes them on views of the same tensors. On CPUs the
 * weights are a view as well; elsewhere, and where groups leave no single distance between their
 * rows, they are rearranged first. With stride 1 there is one phase and with it one convolution.
 */
#include "arithmetic.h"
#include "gemm.h"
#include "opencl.h"
#include "reference.h"
#include "walk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Beyond so many, their launches cost more than they are worth. */
enum { MOST_PHASES = 16 };

enum { PACK, EMPTY, KERNELS };
static const char *const kernel_names[KERNELS] = {"phases_pack", "phases_empty"};

typedef struct phase {
    clconv_plan *plan;           /* owned; NULL where no weight meets a result */
    size_t source_at, result_at; /* elements from the tensors' first ones to the phase's */
    size_t weights_at;           /* elements behind the first packed one */
    size_t filter;               /* packed weights of a result channel */
    size_t rows;
    clconv__kernel_geometry geometry; /* of phases_pack, or of phases_empty */
} phase;

typedef struct phases_state {
    phase phases[MOST_PHASES];
    size_t count;
    cl_kernel kernels[KERNELS]; /* PACK is NULL where the weights are read in place */
    size_t block;               /* channels of a work-item of phases_pack, on either side */
    clconv__kernel_scalars scalars;
} phases_state;

/* ---- from a phase to a forward problem ---- */

/* One axis, turned around; 0 where its results meet nothing. source_at receives what is cropped. */
static int forward_axis(clconv_problem *f, size_t *source_at, const clconv__walk *w, int axis) {
    const size_t step = (size_t)-w->tap_step[axis], reach = (w->taps[axis] - 1) * step;
    const ptrdiff_t before = w->first[axis] - (ptrdiff_t)reach; /* of tap 0 and result 0 */
    const size_t whole = w->count[axis] + reach;
    const size_t pad = before < 0 ? (size_t)-before : 0, crop = before > 0 ? (size_t)before : 0;
    if (!w->taps[axis] || crop >= w->extent[axis] || pad >= whole)
        return 0;
    const size_t left = w->extent[axis] - crop;
    f->input[axis] = left < whole - pad ? left : whole - pad;
    f->pad_begin[axis] = pad;
    f->pad_end[axis] = whole - pad - f->input[axis];
    f->kernel[axis] = w->taps[axis];
    f->dilation[axis] = w->taps[axis] > 1 ? step : 1;
    f->stride[axis] = 1;
    f->output_padding[axis] = 0;
    *source_at += crop * w->x[axis];
    return 1;
}

static int forward_of(clconv_problem *f, size_t *source_at, const clconv__walk *w,
                      const clconv__request *r) {
    *f = *r->problem;
    f->direction = CLCONV_FORWARD;
    f->mode = CLCONV_CROSS_CORRELATION;
    f->weights_layout = CLCONV_OIHW;
    f->in_channels = w->channels * w->groups;
    f->out_channels = w->rows * w->groups;
    *source_at = 0;
    for (int axis = 0; axis < CLCONV_TENSOR_AXES; ++axis) {
        f->input_strides[axis] = r->g.input_stride[axis];
        f->output_strides[axis] = axis < 2 ? r->g.output_stride[axis] : (size_t)w->y[axis - 2];
    }
    for (int axis = 0; axis < CLCONV_SPATIAL_AXES; ++axis)
        if (!forward_axis(f, source_at, w, axis))
            return 0;
    return 1;
}

/* The phase's weights where they are; 0 where they must be rearranged. */
static int view_weights(clconv__weights_view *view, const clconv__walk *w,
                        const clconv_device *device) {
    *view = (clconv__weights_view){w->w_first, w->w_row, w->w_channel, {0}};
    if (w->rows == 1)
        view->row = w->w_group;
    for (int axis = 0; axis < CLCONV_SPATIAL_AXES; ++axis) {
        view->first += (ptrdiff_t)(w->taps[axis] - !!w->taps[axis]) * w->w[axis];
        view->tap[axis] = -w->w[axis];
    }
    return device->info.kind == CLCONV_KIND_CPU &&
           (w->groups == 1 || w->w_group == view->row * (ptrdiff_t)w->rows);
}

/* ---- the row that computes it ---- */

/*
 * Most forward rows rearrange the weights at every call where they are a part of this one, which
 * their own estimates leave out. Seconds for each weight were measured with PoCL; Winograd's become
 * four times as many.
 */
static double forward_seconds(const clconv__algo *algo, const clconv__request *forward) {
    const clconv_device_info *info = &forward->device->info;
    const unsigned units = info->compute_units ? info->compute_units : 1;
    const double weights = (double)forward->problem->out_channels * (double)forward->g.taps;
    const double each = algo->bound ? 3.5e-9 : forward->weights ? 0.6e-9 : 1.5e-9;
    const int packs = algo->ops->pack_device && info->kind == CLCONV_KIND_CPU &&
                      !(algo->ops == &clconv__vector_ops && clconv__vector_reads_in_place(forward));
    return clconv__algo_seconds(algo, forward) + (packs ? weights * each / units : 0);
}

/* Of the forward rows that sum products the fastest that was not tried, or the named one. */
static const clconv__algo *inner_row(const clconv__request *forward, const char *name,
                                     const int tried[CLCONV__MOST_ALGOS]) {
    char refusal[CLCONV_REFUSAL_SIZE];
    const clconv__algo *best = NULL;
    double best_seconds = 0;
    for (size_t i = 0; i < clconv__algo_count; ++i) {
        const clconv__algo *algo = clconv__algos[i];
        int is_wanted = name ? strcmp(algo->name, name) == 0
                             : !algo->bound && clconv__algo_is_for(algo, forward->device);
        if (!is_wanted || tried[i] || clconv__algo_refuses(refusal, algo, forward))
            continue;
        double seconds = forward_seconds(algo, forward);
        if (!best || seconds < best_seconds) {
            best = algo;
            best_seconds = seconds;
        }
    }
    return best;
}

static const int none_tried[CLCONV__MOST_ALGOS];

/* To rearrange a weight: on CPUs as measured with PoCL, on GPUs what memory takes. */
static double seconds_of_weight(const clconv__request *r) {
    return r->device->info.kind == CLCONV_KIND_GPU
               ? 2.0 * (double)clconv_type_size(r->problem->type) /
                     clconv__gpu_bandwidth(&r->device->info)
               : 1e-9;
}

static double seconds_with(const clconv__request *r, const char *name) {
    const size_t count = clconv__walk_count(r->problem, &r->g);
    double seconds = 1e-5;
    for (size_t i = 0; i < count; ++i) {
        clconv_problem forward;
        clconv__walk w;
        size_t source_at;
        clconv__walk_of(&w, r->problem, &r->g, i);
        clconv__weights_view view;
        clconv__request request = {.problem = &forward, .device = r->device};
        request.weights = view_weights(&view, &w, r->device) ? &view : NULL;
        seconds += 1e-5;
        if (!request.weights)
            seconds += seconds_of_weight(r) * (double)clconv__walk_products(&w) *
                       (double)(w.rows * w.groups);
        if (!forward_of(&forward, &source_at, &w, r) || clconv__geometry_of(&request.g, &forward))
            continue;
        const clconv__algo *algo = inner_row(&request, name, none_tried);
        seconds += algo ? forward_seconds(algo, &request) : 0;
    }
    return seconds;
}

double clconv__phases_seconds(const clconv__request *r, const clconv__tile *tile) {
    (void)tile;
    return seconds_with(r, NULL);
}

static const char *winograd_row(const clconv_device *device) {
    return device->info.kind == CLCONV_KIND_CPU ? "winograd_4x4" : "winograd_gemm_4x4";
}

double clconv__phases_winograd_seconds(const clconv__request *r, const clconv__tile *tile) {
    (void)tile;
    return seconds_with(r, winograd_row(r->device));
}

int clconv__phases_refuses(char refusal[CLCONV_REFUSAL_SIZE], const clconv__request *r) {
    const clconv_type type = r->problem->type;
    const size_t count = clconv__walk_count(r->problem, &r->g);
    if (type == CLCONV_S8 || type == CLCONV_U8)
        snprintf(refusal, CLCONV_REFUSAL_SIZE, "type %s is not of floating point",
                 clconv__type_names[type]);
    else if (count > MOST_PHASES)
        snprintf(refusal, CLCONV_REFUSAL_SIZE,
                 "the strides make %zu convolutions of it, more than %d", count, MOST_PHASES);
    else
        return 0;
    return 1;
}

int clconv__phases_winograd_refuses(char refusal[CLCONV_REFUSAL_SIZE], const clconv__request *r) {
    clconv_problem forward;
    clconv__walk w;
    size_t source_at;
    char inner[CLCONV_REFUSAL_SIZE] = "no weight meets a result";
    clconv__request request = {.problem = &forward, .device = r->device};
    if (clconv__walk_count(r->problem, &r->g) > 1) {
        snprintf(refusal, CLCONV_REFUSAL_SIZE, "the strides are not all 1");
        return 1;
    }
    clconv__walk_of(&w, r->problem, &r->g, 0);
    if (forward_of(&forward, &source_at, &w, r) && !clconv__geometry_of(&request.g, &forward) &&
        !clconv__algo_refuses(inner, clconv__find_algo(winograd_row(r->device)), &request))
        return 0;
    snprintf(refusal, CLCONV_REFUSAL_SIZE, "as a forward convolution: %.200s", inner);
    return 1;
}

/* ---- the bound of Winograd's, which both rows of it share ---- */

/* Weights as phases_pack rearranges them. */
static void pack_on_host(void *to, const clconv__walk *w, clconv_type type, const void *from) {
    size_t index = 0;
    for (size_t row = 0; row < w->rows * w->groups; ++row)
        for (size_t c = 0; c < w->channels; ++c)
            for (size_t d = w->taps[0]; d-- > 0;)
                for (size_t h = w->taps[1]; h-- > 0;)
                    for (size_t k = w->taps[2]; k-- > 0;) {
                        ptrdiff_t at = w->w_first + (ptrdiff_t)(row / w->rows) * w->w_group +
                                       (ptrdiff_t)(row % w->rows) * w->w_row +
                                       (ptrdiff_t)c * w->w_channel + (ptrdiff_t)d * w->w[0] +
                                       (ptrdiff_t)h * w->w[1] + (ptrdiff_t)k * w->w[2];
                        clconv_element_set(to, type, index++,
                                           clconv_element_get(from, type, (size_t)at));
                    }
}

clconv_status clconv__phases_winograd_bound(double *bound, const clconv_problem *problem,
                                            const clconv_host_tensors *tensors) {
    const int is_gradient = problem->direction == CLCONV_BACKWARD_DATA;
    const unsigned char *source = is_gradient ? tensors->output : tensors->input;
    clconv__request r = {.problem = problem};
    clconv_problem forward;
    clconv__walk w;
    size_t source_at;
    clconv_status status = clconv__geometry_of(&r.g, problem);
    if (status)
        return status;
    if (!clconv__gathers(problem) || clconv__walk_count(problem, &r.g) > 1)
        return clconv__fail(CLCONV_UNSUPPORTED, "it gathers with strides of 1 only");
    if (!source)
        return clconv__fail(CLCONV_INVALID_ARGUMENT, "tensors.%s is NULL",
                            is_gradient ? "output" : "input");
    clconv__walk_of(&w, problem, &r.g, 0);
    if (!forward_of(&forward, &source_at, &w, &r))
        return CLCONV_OK;
    const size_t weights = w.rows * w.groups * clconv__walk_products(&w);
    void *packed = malloc(weights * clconv_type_size(problem->type));
    if (!packed)
        return clconv__fail(CLCONV_OUT_OF_MEMORY, "the bound needs %zu weights", weights);
    pack_on_host(packed, &w, problem->type, tensors->weights);
    clconv_host_tensors turned = *tensors;
    turned.input = source + source_at * clconv_type_size(problem->type);
    turned.weights = packed;
    status = clconv__winograd_4x4_bound(bound, &forward, &turned);
    free(packed);
    return status;
}

/* ---- plans ---- */

static void destroy(clconv_plan *plan) {
    phases_state *state = plan->state;
    if (!state)
        return;
    for (size_t i = 0; i < state->count; ++i)
        clconv_plan_destroy(state->phases[i].plan);
    clconv__release_kernels(state->kernels, KERNELS);
    free(state);
    plan->state = NULL;
}

/* Rows that need too much workspace are passed over. */
static clconv_status plan_forward(clconv_plan **inner, const clconv_plan *plan,
                                  const clconv_problem *forward, const clconv__weights_view *view,
                                  const char *name) {
    clconv_plan_options options = CLCONV_PLAN_OPTIONS_INIT;
    clconv__request request = {.problem = forward, .device = plan->request.device, .weights = view};
    int tried[CLCONV__MOST_ALGOS] = {0};
    clconv_status status = clconv__geometry_of(&request.g, forward);
    const clconv__algo *algo;
    options.workspace_limit = plan->options.workspace_limit;
    while (!status && (algo = inner_row(&request, name, tried))) {
        tried[clconv__algo_index(algo)] = 1;
        options.algorithm = algo->name;
        status = clconv__plan_create(inner, request.device, forward, &options,
                                     &(clconv__choice){.algo = algo, .weights = view});
        if (status != CLCONV_UNSUPPORTED)
            return status;
        status = CLCONV_OK;
    }
    return status ? status
                  : clconv__fail(CLCONV_UNSUPPORTED,
                                 "algorithm %s: no forward row takes one of its convolutions",
                                 plan->algo->name);
}

/* What phases_pack and phases_empty see of a phase. */
static void describe(phase *f, const clconv_plan *plan, const clconv__walk *w) {
    int64_t fields[CLCONV__FIELDS];
    clconv__plan_fields(fields, plan, 0);
    fields[CLCONV__FIELD_w_start] = w->w_first;
    for (int axis = 0; axis < CLCONV_SPATIAL_AXES; ++axis) {
        const int64_t last = w->taps[axis] ? (int64_t)w->taps[axis] - 1 : 0;
        fields[CLCONV__FIELD_w_start] += last * w->w[axis];
        fields[CLCONV__FIELD_w_d + axis] = -w->w[axis];
        fields[CLCONV__FIELD_kernel_d + axis] = (int64_t)w->taps[axis];
        fields[CLCONV__FIELD_out_d + axis] = (int64_t)w->count[axis];
        fields[CLCONV__FIELD_y_d + axis] = w->y[axis];
    }
    clconv__pack_geometry(&f->geometry, plan, fields);
    f->filter = clconv__walk_products(w);
    f->rows = w->count[0] * w->count[1];
    f->result_at = (size_t)w->y_first;
}

static clconv_status add_phase(clconv_plan *plan, const char *name, size_t *weights) {
    phases_state *state = plan->state;
    phase *f = &state->phases[state->count];
    clconv_problem forward;
    clconv__walk w;
    clconv__weights_view view;
    clconv__walk_of(&w, &plan->problem, &plan->request.g, state->count++);
    describe(f, plan, &w);
    if (!forward_of(&forward, &f->source_at, &w, &plan->request))
        return CLCONV_OK;
    const int is_view = view_weights(&view, &w, plan->request.device);
    clconv_status status = plan_forward(&f->plan, plan, &forward, is_view ? &view : NULL, name);
    if (status)
        return status;
    const size_t workspace = clconv__plan_workspace(f->plan);
    if (workspace > plan->workspace)
        plan->workspace = clconv__round_up(workspace, 64);
    f->weights_at = *weights;
    *weights += is_view ? 0 : f->filter * w.rows * w.groups;
    return CLCONV_OK;
}

static clconv_status create_with(clconv_plan *plan, const char *name) {
    const size_t count = clconv__walk_count(&plan->problem, &plan->request.g);
    size_t weights = 0;
    char options[32];
    clconv_status status = CLCONV_OK;
    phases_state *state = calloc(1, sizeof *state);
    if (!state)
        return clconv__fail(CLCONV_OUT_OF_MEMORY, "a plan needs %zu bytes", sizeof *state);
    plan->state = state;
    for (size_t i = 0; i < count && !status; ++i)
        status = add_phase(plan, name, &weights);
    state->block = plan->request.device->info.kind == CLCONV_KIND_CPU ? 16 : 1;
    snprintf(options, sizeof options, " -DBLOCK=%zu", state->block);
    for (int i = 0; i < KERNELS && !status; ++i)
        if (i != PACK || weights)
            status = clconv__plan_kernel(&state->kernels[i], plan, &plan->problem, "phases.cl",
                                         kernel_names[i], NULL, options);
    if (status) {
        destroy(plan);
        return status;
    }
    plan->packed_bytes = weights * clconv_type_size(plan->problem.type);
    clconv__pack_scalars(&state->scalars, &plan->problem);
    return CLCONV_OK;
}

static clconv_status create(clconv_plan *plan) {
    return create_with(plan, NULL);
}

static clconv_status create_winograd(clconv_plan *plan) {
    return create_with(plan, winograd_row(plan->request.device));
}

/* ---- calls ---- */

static size_t result_channels(const clconv_plan *plan) {
    return plan->request.g.out_per_group * plan->problem.groups;
}

static clconv_status pack_device(clconv__call *call, cl_mem packed, size_t offset) {
    const phases_state *state = call->plan->state;
    const size_t element = clconv_type_size(call->plan->problem.type);
    clconv_status status = CLCONV_OK;
    for (size_t i = 0; i < state->count && !status; ++i) {
        const phase *f = &state->phases[i];
        const cl_long at = (cl_long)(offset / element + f->weights_at);
        const clconv__argument arguments[] = {
            {f->geometry.size, &f->geometry.values},
            {sizeof call->offsets, &call->offsets},
            {sizeof(cl_mem), &call->tensors.weights.memory},
            {sizeof(cl_mem), &packed},
            {sizeof at, &at},
        };
        const clconv__geometry *g = &call->plan->request.g;
        const clconv__range range = {{clconv__divide_up(g->in_per_group, state->block),
                                      clconv__divide_up(g->out_per_group, state->block),
                                      call->plan->problem.groups},
                                     state->block > 1 ? 1 : clconv__line_group(call->plan)};
        if (f->plan)
            status = clconv__call_kernel(call, state->kernels[PACK], &range, arguments,
                                         sizeof arguments / sizeof arguments[0], NULL);
    }
    return status;
}

static clconv_status finish_empty(clconv__call *call, const phase *f, cl_event *event) {
    const phases_state *state = call->plan->state;
    const clconv_tensors *t = &call->tensors;
    clconv__kernel_offsets offsets = call->offsets;
    offsets.y += (cl_long)f->result_at;
    offsets.residual += (cl_long)f->result_at;
    const clconv__argument arguments[] = {
        {f->geometry.size, &f->geometry.values},       {sizeof offsets, &offsets},
        {state->scalars.size, &state->scalars.values}, {sizeof(cl_mem), &t->bias.memory},
        {sizeof(cl_mem), &t->residual.memory},         {sizeof(cl_mem), &t->output.memory},
    };
    const int is_cpu = state->block > 1;
    const size_t items = is_cpu ? 1 : clconv__line_group(call->plan);
    const clconv__range range = {{items * (is_cpu ? 1 : f->rows) * result_channels(call->plan), 1,
                                  call->plan->problem.batch},
                                 items};
    return clconv__call_kernel(call, state->kernels[EMPTY], &range, arguments,
                               sizeof arguments / sizeof arguments[0], event);
}

/* The plan inside counts its own commands; what came before it here must be over. */
static clconv_status convolve(clconv__call *call, const phase *f, clconv_buffer packed,
                              cl_event *event) {
    clconv_tensors t = call->tensors;
    clconv_status status = clconv__call_separate(call);
    t.input.offset += f->source_at;
    t.output.offset += f->result_at;
    t.residual.offset += f->result_at;
    t.weights = (clconv_buffer){packed.memory, packed.offset + f->weights_at};
    return status ? status : clconv__plan_enqueue(f->plan, call->queue, &t, 0, NULL, event);
}

static clconv_status enqueue(clconv_plan *plan, cl_command_queue queue,
                             const clconv_tensors *tensors, cl_uint wait_count,
                             const cl_event *wait, cl_event *event) {
    const phases_state *state = plan->state;
    clconv_buffer packed = {plan->packed, 0};
    clconv__call call;
    clconv_status status = clconv__call_begin(&call, plan, queue, tensors, wait_count, wait);
    if (!plan->packed_bytes)
        packed = tensors->weights;
    else if (!status && !packed.memory) {
        const size_t offset = tensors->workspace.offset + plan->workspace;
        packed.memory = tensors->workspace.memory;
        packed.offset = offset / clconv_type_size(plan->problem.type);
        status = pack_device(&call, packed.memory, offset);
    }
    for (size_t i = 0; i < state->count && !status; ++i) {
        const phase *f = &state->phases[i];
        cl_event *last = i + 1 == state->count ? event : NULL;
        status = f->plan ? convolve(&call, f, packed, last) : finish_empty(&call, f, last);
    }
    return status;
}

const clconv__algo_ops clconv__phases_ops = {0, create, destroy, enqueue, NULL, NULL, pack_device};
const clconv__algo_ops clconv__phases_winograd_ops = {0,    create_winograd, destroy, enqueue, NULL,
                                                      NULL, pack_device};
