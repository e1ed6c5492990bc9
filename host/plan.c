#include "plan.h"

#include "call.h"
#include "opencl.h"
#include "program.h"

#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what kernels of any algorithm need ---- */

static int needs_wide_index(const clconv_problem *p, const clconv__geometry *g) {
    for (int tensor = CLCONV_INPUT; tensor <= CLCONV_OUTPUT; ++tensor) {
        size_t elements = 0;
        clconv_tensor_elements(&elements, p, (clconv_tensor)tensor);
        if (elements > INT32_MAX / 2)
            return 1;
    }
    /* Coordinates run over the padding, too, and are multiplied with the input's strides. */
    double reach = 0;
    for (int axis = 0; axis < CLCONV_SPATIAL_AXES; ++axis) {
        size_t padded = p->input[axis] + p->pad_begin[axis] + p->pad_end[axis];
        /* Gathering, they run over what lies between the elements of the input as well. */
        double spread = (double)g->input[axis] * (double)p->stride[axis] + (double)g->output[axis] +
                        (double)p->pad_begin[axis] + (double)p->pad_end[axis];
        reach += (double)padded * (double)g->input_stride[2 + axis];
        if (padded > INT32_MAX / 2 || p->stride[axis] > INT32_MAX / 2 ||
            p->dilation[axis] > INT32_MAX / 2 || (clconv__gathers(p) && spread > INT32_MAX / 2))
            return 1;
    }
    return reach > INT32_MAX / 2;
}

clconv_status clconv__plan_kernel(cl_kernel *kernel, const clconv_plan *plan,
                                  const clconv_problem *p, const char *file, const char *name,
                                  const clconv__tile *tile, const char *more_options) {
    const clconv__scalars scalars = clconv__scalars_of(p);
    char options[512];
    cl_program program;
    cl_int code;
    int used =
        snprintf(options, sizeof options, " -DTYPE=%d -DINDEX=%s -DACTIVATION=%d -DBLENDS=%d",
                 (int)p->type, plan->wide_index ? "long" : "int", (int)p->activation,
                 scalars.alpha != 1 || scalars.beta != 0 || p->has_residual);
    for (int i = 0; tile && plan->algo->macros[i]; ++i)
        used += snprintf(options + used, sizeof options - (size_t)used, " -D%s=%u",
                         plan->algo->macros[i], tile->value[i]);
    snprintf(options + used, sizeof options - (size_t)used, "%s", more_options);
    *kernel = NULL;
    clconv_status status = clconv__device_program(&program, plan->request.device, file, options);
    if (status)
        return status;
    *kernel = clCreateKernel(program, name, &code);
    return clconv__cl_check(code, "clCreateKernel");
}

/* Where in the tensor that they are a part of the last weights lie, forwards or backwards. */
static double reach_of_weights(const clconv_problem *p, const clconv__weights_view *w) {
    double reach = fabs((double)w->row) * (double)p->out_channels +
                   fabs((double)w->channel) * (double)(p->in_channels / p->groups);
    for (int axis = 0; axis < CLCONV_SPATIAL_AXES; ++axis)
        reach += fabs((double)w->tap[axis]) * (double)p->kernel[axis];
    return reach + fabs((double)w->first);
}

/* A step beyond all memory is taken no more than once, so that any large one serves. */
static int64_t step_field(size_t step) {
    return step < INT64_MAX / 2 ? (int64_t)step : INT64_MAX / 2;
}

static void view_weights(int64_t f[CLCONV__FIELDS], const clconv__weights_view *w) {
    f[CLCONV__FIELD_w_start] = w->first;
    f[CLCONV__FIELD_w_o] = w->row;
    f[CLCONV__FIELD_w_i] = w->channel;
    for (int axis = 0; axis < CLCONV_SPATIAL_AXES; ++axis)
        f[CLCONV__FIELD_w_d + axis] = w->tap[axis];
}

void clconv__plan_fields(int64_t f[CLCONV__FIELDS], const clconv_plan *plan, size_t step) {
    const clconv_problem *p = &plan->problem;
    const clconv__geometry *g = &plan->request.g;
    const size_t counts[] = {p->batch, p->groups, g->in_per_group, g->out_per_group};
    for (int i = 0; i < 4; ++i)
        f[CLCONV__FIELD_batch + i] = (int64_t)counts[i];
    f[CLCONV__FIELD_w_start] = 0;
    for (int axis = 0; axis < CLCONV_SPATIAL_AXES; ++axis) {
        int64_t kernel = (int64_t)p->kernel[axis];
        int64_t tap = (int64_t)g->weights_stride[2 + axis];
        f[CLCONV__FIELD_in_d + axis] = (int64_t)g->input[axis];
        f[CLCONV__FIELD_out_d + axis] = (int64_t)g->output[axis];
        f[CLCONV__FIELD_kernel_d + axis] = kernel;
        f[CLCONV__FIELD_stride_d + axis] = step_field(p->stride[axis]);
        f[CLCONV__FIELD_dilation_d + axis] = step_field(p->dilation[axis]);
        f[CLCONV__FIELD_pad_d + axis] = (int64_t)p->pad_begin[axis];
        f[CLCONV__FIELD_w_d + axis] = p->mode == CLCONV_CONVOLUTION ? -tap : tap;
        if (p->mode == CLCONV_CONVOLUTION)
            f[CLCONV__FIELD_w_start] += (kernel - 1) * tap;
    }
    for (int axis = 0; axis < CLCONV_TENSOR_AXES; ++axis) {
        f[CLCONV__FIELD_x_n + axis] = (int64_t)g->input_stride[axis];
        f[CLCONV__FIELD_y_n + axis] = (int64_t)g->output_stride[axis];
    }
    f[CLCONV__FIELD_w_o] = (int64_t)g->weights_stride[clconv__gathers(p)];
    f[CLCONV__FIELD_w_i] = (int64_t)g->weights_stride[!clconv__gathers(p)];
    if (plan->request.weights)
        view_weights(f, plan->request.weights);
    f[CLCONV__FIELD_x_zero] = p->input_zero_point;
    f[CLCONV__FIELD_w_zero] = p->weights_zero_point;
    f[CLCONV__FIELD_step] = (int64_t)step;
}

clconv_status clconv__plan_index_table(cl_mem *table, const clconv_plan *plan,
                                       const int64_t *values, size_t count) {
    const size_t bytes = count * (plan->wide_index ? sizeof(cl_long) : sizeof(cl_int));
    const cl_mem_flags flags = CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR;
    cl_int code, *narrow = malloc(count * sizeof *narrow);
    if (!narrow)
        return clconv__fail(CLCONV_OUT_OF_MEMORY, "a plan needs %zu bytes", bytes);
    for (size_t i = 0; i < count; ++i)
        narrow[i] = (cl_int)values[i];
    void *content = plan->wide_index ? (void *)(uintptr_t)values : narrow;
    *table = clCreateBuffer(plan->request.device->context, flags, bytes, content, &code);
    free(narrow);
    return clconv__cl_check(code, "clCreateBuffer");
}

void clconv__pack_geometry(clconv__kernel_geometry *geometry, const clconv_plan *plan,
                           const int64_t fields[CLCONV__FIELDS]) {
    for (int i = 0; i < CLCONV__FIELDS; ++i)
        if (plan->wide_index)
            geometry->values.wide[i] = fields[i];
        else
            geometry->values.narrow[i] = (int32_t)fields[i];
    geometry->size = CLCONV__FIELDS * (plan->wide_index ? sizeof(int64_t) : sizeof(int32_t));
}

void clconv__drop_epilogue(clconv_problem *problem) {
    problem->activation = CLCONV_ACTIVATION_NONE;
    problem->has_bias = problem->has_residual = 0;
    problem->alpha = 1;
    problem->beta = 0;
}

void clconv__pack_scalars(clconv__kernel_scalars *scalars, const clconv_problem *p) {
    const clconv__scalars s = clconv__scalars_of(p);
    const cl_int has_bias = !!p->has_bias, has_residual = !!p->has_residual;
    if (p->type == CLCONV_F64) {
        scalars->values.wide =
            (clconv__wide_scalars){s.alpha, s.beta, s.a, s.b, has_bias, has_residual};
        scalars->size = sizeof scalars->values.wide;
    } else {
        scalars->values.narrow = (clconv__narrow_scalars){
            (float)s.alpha, (float)s.beta, (float)s.a, (float)s.b, has_bias, has_residual};
        scalars->size = sizeof scalars->values.narrow;
    }
}

clconv__kernel_offsets clconv__tensor_offsets(const clconv_tensors *t) {
    return (clconv__kernel_offsets){(cl_long)t->input.offset, (cl_long)t->weights.offset,
                                    (cl_long)t->bias.offset, (cl_long)t->residual.offset,
                                    (cl_long)t->output.offset};
}

/* Kernels never read a bias or residual that the problem lacks, but some drivers refuse NULL. */
clconv_tensors clconv__fill_absent(const clconv_plan *plan, const clconv_tensors *tensors) {
    clconv_tensors filled = *tensors;
    if (!plan->problem.has_bias)
        filled.bias = (clconv_buffer){tensors->input.memory, 0};
    if (!plan->problem.has_residual)
        filled.residual = (clconv_buffer){tensors->input.memory, 0};
    return filled;
}

clconv_status clconv__set_arguments(cl_kernel kernel, const clconv__argument *arguments,
                                    size_t count) {
    clconv_status status = CLCONV_OK;
    for (size_t i = 0; i < count && !status; ++i)
        status = clconv__cl_check(
            clSetKernelArg(kernel, (cl_uint)i, arguments[i].size, arguments[i].value),
            "clSetKernelArg");
    return status;
}

size_t clconv__plan_workspace(const clconv_plan *plan) {
    return plan->workspace + (plan->packed ? 0 : plan->packed_bytes);
}

/* ---- choosing ---- */

static clconv_status create_with(clconv_plan *plan, const clconv__algo *algo,
                                 char refusal[CLCONV_REFUSAL_SIZE]) {
    *refusal = 0;
    if (clconv__algo_refuses(refusal, algo, &plan->request))
        return clconv__fail(CLCONV_UNSUPPORTED, "algorithm %s: %s", algo->name, refusal);
    plan->algo = algo;
    plan->seconds = clconv__algo_seconds(algo, &plan->request);
    plan->workspace = plan->packed_bytes = 0;
    clconv_status status = algo->ops->create(plan);
    if (!status && clconv__plan_workspace(plan) > plan->options.workspace_limit) {
        algo->ops->destroy(plan);
        status =
            clconv__fail(CLCONV_UNSUPPORTED,
                         "algorithm %s: it needs %zu bytes of workspace, above the limit, %zu",
                         algo->name, clconv__plan_workspace(plan), plan->options.workspace_limit);
    }
    uint64_t largest = plan->request.device->info.max_allocation_size;
    if (!status && !algo->ops->is_host && clconv__plan_workspace(plan) > largest) {
        algo->ops->destroy(plan);
        status =
            clconv__fail(CLCONV_UNSUPPORTED,
                         "algorithm %s: it needs %zu bytes of workspace, but one buffer of the "
                         "device holds %llu",
                         algo->name, clconv__plan_workspace(plan), (unsigned long long)largest);
    }
    if (status)
        plan->algo = NULL;
    return status;
}

/* Tries the rows in the order of their estimates until one neither refuses nor exceeds the limit.
 */
static clconv_status choose(clconv_plan *plan) {
    int tried[CLCONV__MOST_ALGOS] = {0};
    char refusal[CLCONV_REFUSAL_SIZE];
    clconv_status status = CLCONV_UNSUPPORTED;
    int was_created = 0;
    for (size_t round = 0; round < clconv__algo_count; ++round) {
        const clconv__algo *best = NULL;
        double best_seconds = 0;
        for (size_t i = 0; i < clconv__algo_count; ++i) {
            if (tried[i] || !clconv__algo_is_for(clconv__algos[i], plan->request.device) ||
                (tried[i] = clconv__algo_refuses(refusal, clconv__algos[i], &plan->request)))
                continue;
            double seconds = clconv__algo_seconds(clconv__algos[i], &plan->request);
            if (!best || seconds < best_seconds) {
                best = clconv__algos[i];
                best_seconds = seconds;
            }
        }
        if (!best)
            break;
        tried[clconv__algo_index(best)] = was_created = 1;
        status = create_with(plan, best, refusal);
        if (status != CLCONV_UNSUPPORTED)
            return status;
    }
    if (was_created)
        return status;
    size_t last = clconv__algo_count - 1;
    while (last && !clconv__algo_computes(clconv__algos[last], plan->problem.direction))
        --last;
    clconv__algo_refuses(refusal, clconv__algos[last], &plan->request);
    return clconv__fail(CLCONV_UNSUPPORTED, "no algorithm: %s", refusal);
}

clconv_status clconv__check_plan_options(const clconv_plan_options *options) {
    if (options->version != CLCONV_PLAN_OPTIONS_VERSION)
        return clconv__fail(CLCONV_INVALID_ARGUMENT,
                            "options.version is %u, but this library knows %d; start from "
                            "CLCONV_PLAN_OPTIONS_INIT",
                            (unsigned)options->version, CLCONV_PLAN_OPTIONS_VERSION);
    if (options->algorithm && !clconv__find_algo(options->algorithm))
        return clconv__fail(CLCONV_UNKNOWN_ALGORITHM, "algorithm \"%.64s\" is unknown",
                            options->algorithm);
    if (options->tuning > CLCONV_TUNING_MADE)
        return clconv__fail(CLCONV_INVALID_ARGUMENT, "options.tuning is %d, which is none",
                            (int)options->tuning);
    if (!(options->tuning_seconds >= 0))
        return clconv__fail(CLCONV_INVALID_ARGUMENT,
                            "options.tuning_seconds is %g, but must be at least 0",
                            options->tuning_seconds);
    return CLCONV_OK;
}

void clconv__plan_set_reason(clconv_plan *plan, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(plan->reason, sizeof plan->reason, format, arguments);
    va_end(arguments);
}

clconv_status clconv__plan_create(clconv_plan **plan, clconv_device *device,
                                  const clconv_problem *problem, const clconv_plan_options *options,
                                  const clconv__choice *choice) {
    static const clconv_plan_options defaults = CLCONV_PLAN_OPTIONS_INIT;
    char refusal[CLCONV_REFUSAL_SIZE];
    clconv__geometry g;
    clconv_status status = clconv__check_plan_options(options ? options : &defaults);
    if (status || (status = clconv__geometry_of(&g, problem)))
        return status;
    clconv_plan *new = calloc(1, sizeof *new);
    if (!new)
        return clconv__fail(CLCONV_OUT_OF_MEMORY, "a plan needs %zu bytes", sizeof *new);
    pthread_mutex_init(&new->lock, NULL);
    new->problem = *problem;
    new->request = (clconv__request){.problem = &new->problem, .g = g, .device = device};
    new->options = options ? *options : defaults;
    new->request.allows_tf32 = new->options.allow_tf32 || new->options.algorithm;
    new->wide_index = needs_wide_index(problem, &g);
    if (choice && choice->weights) {
        new->weights = *choice->weights;
        new->request.weights = &new->weights;
        new->wide_index |= reach_of_weights(problem, &new->weights) > INT32_MAX / 2;
    }
    if (choice) {
        new->request.tile = choice->tile;
        status = create_with(new, choice->algo, refusal);
    } else if (new->options.algorithm) {
        const clconv__algo *algo = clconv__find_algo(new->options.algorithm);
        new->options.algorithm = algo->name; /* static storage, unlike the caller's */
        clconv__plan_set_reason(new, "asked for by name");
        status = create_with(new, algo, refusal);
    } else {
        clconv__plan_set_reason(new, "smallest estimate");
        status = choose(new);
    }
    if (status) {
        clconv_plan_destroy(new);
        return status;
    }
    *plan = new;
    return CLCONV_OK;
}

void clconv_plan_destroy(clconv_plan *plan) {
    if (!plan)
        return;
    if (plan->algo)
        plan->algo->ops->destroy(plan);
    if (plan->packed)
        clReleaseMemObject(plan->packed);
    free(plan->packed_host);
    pthread_mutex_destroy(&plan->lock);
    free(plan);
}

/* ---- explaining ---- */

typedef struct text_writer {
    char *text;
    size_t size, used;
} text_writer;

static void put(text_writer *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(text_writer *w, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(w->used < w->size ? w->text + w->used : NULL,
                           w->used < w->size ? w->size - w->used : 0, format, arguments);
    va_end(arguments);
    w->used += (size_t)length;
}

clconv_status clconv__plan_explain(char *text, size_t size, const clconv_plan *plan) {
    char refusal[CLCONV_REFUSAL_SIZE];
    /* A line is shorter than 400 bytes, but for the reason. */
    char buffer[CLCONV__REASON_SIZE + 400 * (1 + CLCONV__MOST_ALGOS)];
    clconv__request request = plan->request;
    text_writer w = {buffer, sizeof buffer, 0};
    request.tile = NULL; /* which is the chosen row's */
    request.allows_tf32 = plan->options.allow_tf32;
    put(&w, "chosen: %s (%s), estimated %.3g ms, workspace %zu bytes\n", plan->algo->name,
        plan->reason, plan->seconds * 1e3, clconv__plan_workspace(plan));
    for (size_t i = 0; i < clconv__algo_count; ++i) {
        const clconv__algo *algo = clconv__algos[i];
        if (algo == plan->algo)
            continue;
        if (clconv__algo_refuses(refusal, algo, &request))
            put(&w, "%s: refuses, %s\n", algo->name, refusal);
        else
            put(&w, "%s: estimated %.3g ms\n", algo->name,
                clconv__algo_seconds(algo, &request) * 1e3);
    }
    if (w.used >= size)
        return clconv__fail(CLCONV_BUFFER_TOO_SMALL, "size is %zu bytes, but the text takes %zu",
                            size, w.used + 1);
    memcpy(text, buffer, w.used + 1);
    return CLCONV_OK;
}

/* ---- checking tensors ---- */

typedef struct tensor_row {
    clconv_tensor tensor;
    const char *name;
    size_t elements, element_size;
    int is_computed;
} tensor_row;

/* Whether the gradient of the weights is not wanted, but that of the bias alone. */
static int omits_weights(const clconv_plan *plan, int has_weights) {
    return !has_weights && plan->problem.has_bias &&
           plan->problem.direction == CLCONV_BACKWARD_WEIGHTS;
}

/* The tensors that a call of the plan touches. */
static size_t list_tensors(tensor_row rows[5], const clconv_plan *plan, int has_weights) {
    static const char *const names[] = {"input", "weights", "bias", "residual", "output"};
    size_t count = 0;
    for (int tensor = CLCONV_INPUT; tensor <= CLCONV_OUTPUT; ++tensor) {
        tensor_row row = {(clconv_tensor)tensor, names[tensor], 0, 0, 0};
        clconv_tensor_elements(&row.elements, &plan->problem, row.tensor);
        row.element_size = clconv_type_size(clconv_tensor_type(&plan->problem, row.tensor));
        row.is_computed = clconv_tensor_is_computed(&plan->problem, row.tensor);
        int is_left_out = tensor == CLCONV_WEIGHTS &&
                          (plan->packed || plan->packed_host || omits_weights(plan, has_weights));
        if (row.elements && !is_left_out)
            rows[count++] = row;
    }
    return count;
}

static clconv_status check_buffer(const clconv_plan *plan, const char *name,
                                  const clconv_buffer *buffer, size_t elements,
                                  size_t element_size) {
    size_t size = 0, end;
    cl_context context = NULL;
    clconv_status status;
    if (!buffer->memory)
        return clconv__fail(CLCONV_INVALID_ARGUMENT, "tensors.%s.memory is NULL", name);
    if ((status = clconv__cl_check(
             clGetMemObjectInfo(buffer->memory, CL_MEM_CONTEXT, sizeof context, &context, NULL),
             "clGetMemObjectInfo(CL_MEM_CONTEXT)")) ||
        (status = clconv__cl_check(
             clGetMemObjectInfo(buffer->memory, CL_MEM_SIZE, sizeof size, &size, NULL),
             "clGetMemObjectInfo(CL_MEM_SIZE)")))
        return status;
    if (context != plan->request.device->context)
        return clconv__fail(CLCONV_WRONG_CONTEXT,
                            "tensors.%s.memory belongs to another context than the device", name);
    if (__builtin_add_overflow(buffer->offset, elements, &end) ||
        __builtin_mul_overflow(end, element_size, &end) || end > size)
        return clconv__fail(CLCONV_BUFFER_TOO_SMALL,
                            "tensors.%s holds %zu bytes, but offset %zu and %zu elements of %zu "
                            "bytes need more",
                            name, size, buffer->offset, elements, element_size);
    return CLCONV_OK;
}

static clconv_buffer buffer_of(const clconv_tensors *t, clconv_tensor tensor) {
    const clconv_buffer buffers[] = {t->input, t->weights, t->bias, t->residual, t->output};
    return buffers[tensor];
}

static int overlaps(const tensor_row *a, size_t a_offset, const tensor_row *b, size_t b_offset) {
    return a_offset * a->element_size < (b_offset + b->elements) * b->element_size &&
           b_offset * b->element_size < (a_offset + a->elements) * a->element_size;
}

/* What is computed may lie over nothing but, exactly, the residual that is added to it. */
static clconv_status check_computed(const tensor_row *computed, const tensor_row *other,
                                    const clconv_tensors *t) {
    const clconv_buffer a = buffer_of(t, computed->tensor), b = buffer_of(t, other->tensor);
    int is_same_residual = other->tensor == CLCONV_RESIDUAL && b.offset == a.offset;
    if (computed != other && a.memory == b.memory && !is_same_residual &&
        overlaps(computed, a.offset, other, b.offset))
        return clconv__fail(CLCONV_INVALID_ARGUMENT, "tensors.%s overlaps tensors.%s",
                            computed->name, other->name);
    return CLCONV_OK;
}

static clconv_status check_overlaps(const tensor_row *rows, size_t count, const clconv_tensors *t,
                                    size_t workspace) {
    const tensor_row scratch = {CLCONV_OUTPUT, "workspace", workspace, 1, 0};
    clconv_status status = CLCONV_OK;
    for (size_t i = 0; i < count; ++i) {
        clconv_buffer other = buffer_of(t, rows[i].tensor);
        if (workspace && t->workspace.memory == other.memory &&
            overlaps(&scratch, t->workspace.offset, &rows[i], other.offset))
            return clconv__fail(CLCONV_INVALID_ARGUMENT, "tensors.workspace overlaps tensors.%s",
                                rows[i].name);
    }
    for (size_t i = 0; i < count; ++i)
        for (size_t j = 0; j < count && rows[i].is_computed && !status; ++j)
            status = check_computed(&rows[i], &rows[j], t);
    return status;
}

static clconv_status check_buffers(const clconv_plan *plan, const clconv_tensors *t) {
    tensor_row rows[5];
    size_t count = list_tensors(rows, plan, t->weights.memory != NULL);
    clconv_status status = CLCONV_OK;
    for (size_t i = 0; i < count && !status; ++i) {
        clconv_buffer buffer = buffer_of(t, rows[i].tensor);
        status = check_buffer(plan, rows[i].name, &buffer, rows[i].elements, rows[i].element_size);
    }
    size_t workspace = clconv__plan_workspace(plan);
    if (!status && workspace)
        status = check_buffer(plan, "workspace", &t->workspace, workspace, 1);
    if (!status && workspace && t->workspace.offset % 64)
        status = clconv__fail(CLCONV_INVALID_ARGUMENT,
                              "tensors.workspace.offset is %zu, but must be divisible by 64",
                              t->workspace.offset);
    return status ? status : check_overlaps(rows, count, t, workspace);
}

static clconv_status check_queue(const clconv_plan *plan, cl_command_queue queue) {
    cl_context context = NULL;
    cl_device_id id = NULL;
    clconv_status status;
    if ((status = clconv__cl_check(
             clGetCommandQueueInfo(queue, CL_QUEUE_CONTEXT, sizeof context, &context, NULL),
             "clGetCommandQueueInfo(CL_QUEUE_CONTEXT)")) ||
        (status =
             clconv__cl_check(clGetCommandQueueInfo(queue, CL_QUEUE_DEVICE, sizeof id, &id, NULL),
                              "clGetCommandQueueInfo(CL_QUEUE_DEVICE)")))
        return status;
    if (context != plan->request.device->context || id != plan->request.device->id)
        return clconv__fail(CLCONV_WRONG_CONTEXT,
                            "queue belongs to another context or device than the plan");
    return CLCONV_OK;
}

/* ---- running on buffers ---- */

clconv_status clconv__plan_enqueue(clconv_plan *plan, cl_command_queue queue,
                                   const clconv_tensors *tensors, cl_uint wait_count,
                                   const cl_event *wait, cl_event *event) {
    clconv_status status;
    if (event)
        *event = NULL;
    if (plan->algo->ops->is_host)
        return clconv__fail(CLCONV_UNSUPPORTED,
                            "the host device has no queue; use clconv_plan_run()");
    if (queue && (status = check_queue(plan, queue)))
        return status;
    if ((wait_count == 0) != (wait == NULL))
        return clconv__fail(CLCONV_INVALID_ARGUMENT, "wait_count is %u, but wait is %sNULL",
                            wait_count, wait ? "not " : "");
    if ((status = check_buffers(plan, tensors)))
        return status;
    clconv_tensors placed = *tensors;
    if (plan->problem.direction == CLCONV_BACKWARD_DATA) {
        placed.input = tensors->output;
        placed.output = tensors->input;
    }
    if (plan->packed && !plan->packed_bytes)
        placed.weights = (clconv_buffer){plan->packed, 0};
    pthread_mutex_lock(&plan->lock);
    status = plan->algo->ops->enqueue(plan, queue ? queue : plan->request.device->queue, &placed,
                                      wait_count, wait, event);
    pthread_mutex_unlock(&plan->lock);
    return status;
}

/* A buffer of our own; `name` is whose content it takes. */
static clconv_status make_buffer(cl_mem *buffer, const clconv_device *device, const char *name,
                                 cl_mem_flags flags, size_t bytes, const void *content) {
    const unsigned long long largest = device->info.max_allocation_size;
    cl_int code;
    *buffer = NULL;
    if (bytes > largest) /* some drivers would try, and fail much later */
        return clconv__fail(CLCONV_UNSUPPORTED,
                            "%s takes %zu bytes, but one buffer of the device holds %llu", name,
                            bytes, largest);
    *buffer = clCreateBuffer(device->context, flags, bytes, (void *)(uintptr_t)content, &code);
    return clconv__cl_check(code, "clCreateBuffer");
}

/* Rearranges weights in device memory into a new buffer, and waits for it. */
static clconv_status rearrange(cl_mem *packed, clconv_plan *plan, cl_mem weights) {
    cl_command_queue queue = plan->request.device->queue;
    const clconv_tensors tensors = {.weights = {weights, 0}};
    clconv__call call;
    clconv_status status = make_buffer(packed, plan->request.device, "the packed weights",
                                       CL_MEM_READ_WRITE, plan->packed_bytes, NULL);
    if (status)
        return status;
    pthread_mutex_lock(&plan->lock);
    status = clconv__call_begin(&call, plan, queue, &tensors, 0, NULL);
    if (!status)
        status = plan->algo->ops->pack_device(&call, *packed, 0);
    pthread_mutex_unlock(&plan->lock);
    if (!status)
        status = clconv__cl_check(clFinish(queue), "clFinish");
    if (status)
        clReleaseMemObject(*packed);
    return status;
}

clconv_status clconv__plan_pack(clconv_plan *plan, const void *weights) {
    size_t elements;
    cl_mem packed;
    if (plan->problem.direction == CLCONV_BACKWARD_WEIGHTS)
        return clconv__fail(CLCONV_UNSUPPORTED,
                            "direction backward_weights computes the weights, so that there are "
                            "none to pack");
    if (plan->algo->ops->pack)
        return plan->algo->ops->pack(plan, weights);
    clconv_status status = clconv_tensor_elements(&elements, &plan->problem, CLCONV_WEIGHTS);
    if (status)
        return status;
    size_t bytes = elements * clconv_type_size(clconv_tensor_type(&plan->problem, CLCONV_WEIGHTS));
    if ((status = make_buffer(&packed, plan->request.device, "weights",
                              CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR, bytes, weights)))
        return status;
    if (plan->packed_bytes) {
        cl_mem plain = packed;
        status = rearrange(&packed, plan, plain);
        clReleaseMemObject(plain);
        if (status)
            return status;
    }
    if (plan->packed)
        clReleaseMemObject(plan->packed);
    plan->packed = packed;
    return CLCONV_OK;
}

/* ---- running on host pointers ---- */

static const void *host_pointer(const clconv_host_tensors *t, clconv_tensor tensor) {
    const void *const pointers[] = {t->input, t->weights, t->bias, t->residual, t->output};
    return pointers[tensor];
}

static clconv_status check_pointers(const clconv_plan *plan, const clconv_host_tensors *t) {
    tensor_row rows[5];
    size_t count = list_tensors(rows, plan, t->weights != NULL);
    for (size_t i = 0; i < count; ++i)
        if (!host_pointer(t, rows[i].tensor))
            return clconv__fail(CLCONV_INVALID_ARGUMENT, "tensors.%s is NULL", rows[i].name);
    return CLCONV_OK;
}

/* What is computed is uploaded as well where some of its old content survives or is read. */
static int reads_old(const clconv_plan *plan, clconv_tensor tensor) {
    return clconv__scalars_of(&plan->problem).beta != 0 ||
           (tensor != CLCONV_BIAS && tensor != CLCONV_WEIGHTS &&
            !clconv__is_dense(&plan->problem, tensor));
}

static clconv_buffer *slot_of(clconv_tensors *t, clconv_tensor tensor) {
    clconv_buffer *const slots[] = {&t->input, &t->weights, &t->bias, &t->residual, &t->output};
    return slots[tensor];
}

static clconv_status upload(clconv_tensors *buffers, const clconv_plan *plan,
                            const tensor_row *rows, size_t count, const clconv_host_tensors *t) {
    const clconv_device *device = plan->request.device;
    clconv_status status = CLCONV_OK;
    for (size_t i = 0; i < count && !status; ++i) {
        char name[32];
        int copies = !rows[i].is_computed || reads_old(plan, rows[i].tensor);
        cl_mem_flags flags = (rows[i].is_computed ? CL_MEM_READ_WRITE : CL_MEM_READ_ONLY) |
                             (copies ? CL_MEM_COPY_HOST_PTR : 0);
        snprintf(name, sizeof name, "tensors.%s", rows[i].name);
        status = make_buffer(&slot_of(buffers, rows[i].tensor)->memory, device, name, flags,
                             rows[i].elements * rows[i].element_size,
                             copies ? host_pointer(t, rows[i].tensor) : NULL);
    }
    size_t workspace = clconv__plan_workspace(plan);
    if (!status && workspace)
        status = make_buffer(&buffers->workspace.memory, device, "the workspace", CL_MEM_READ_WRITE,
                             workspace, NULL);
    return status;
}

static clconv_status download(cl_command_queue queue, clconv_tensors *buffers,
                              const tensor_row *rows, size_t count, const clconv_host_tensors *t) {
    clconv_status status = CLCONV_OK;
    for (size_t i = 0; i < count && !status; ++i)
        if (rows[i].is_computed)
            status = clconv__cl_check(
                clEnqueueReadBuffer(queue, slot_of(buffers, rows[i].tensor)->memory, CL_TRUE, 0,
                                    rows[i].elements * rows[i].element_size,
                                    (void *)(uintptr_t)host_pointer(t, rows[i].tensor), 0, NULL,
                                    NULL),
                "clEnqueueReadBuffer");
    return status;
}

/*
 * A queue of its own for the call: the device's queue may be busy with other threads' work, and
 * reading back waits for all that was enqueued before.
 */
static clconv_status run_on_device(clconv_plan *plan, const clconv_host_tensors *t) {
    const clconv_device *device = plan->request.device;
    clconv_tensors buffers = {{0}, {0}, {0}, {0}, {0}, {0}};
    clconv_buffer *const all[] = {&buffers.input,    &buffers.weights, &buffers.bias,
                                  &buffers.residual, &buffers.output,  &buffers.workspace};
    tensor_row rows[5];
    size_t count = list_tensors(rows, plan, t->weights != NULL);
    cl_int code;
    cl_command_queue queue = clCreateCommandQueue(device->context, device->id, 0, &code);
    clconv_status status = clconv__cl_check(code, "clCreateCommandQueue");
    if (!status && !(status = upload(&buffers, plan, rows, count, t)) &&
        !(status = clconv__plan_enqueue(plan, queue, &buffers, 0, NULL, NULL)))
        status = download(queue, &buffers, rows, count, t);
    for (size_t i = 0; i < sizeof all / sizeof all[0]; ++i)
        if (all[i]->memory)
            clReleaseMemObject(all[i]->memory);
    if (queue)
        clReleaseCommandQueue(queue);
    return status;
}

clconv_status clconv__plan_run(clconv_plan *plan, const clconv_host_tensors *tensors) {
    clconv_status status = check_pointers(plan, tensors);
    if (status)
        return status;
    return plan->algo->ops->is_host ? plan->algo->ops->run(plan, tensors)
                                    : run_on_device(plan, tensors);
}
