#include "trial.h"

#include "opencl.h"
#include "reference.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define XXH_INLINE_ALL /* the header alone: no library to link */
#include <xxhash.h>

/* Products that the reference forms for all slices together, a fraction of a second; beyond them
 * some of the slices serve, but never fewer than two. */
static const double enough_products = 1 << 24;

/*
 * Results that are judged together, with the problem that computes them alone on views of the same
 * tensors: everything, or one channel of what is computed, of one picture where pictures have
 * results of their own.
 */
typedef struct clconv__slice {
    clconv_problem problem;
    size_t at[CLCONV__TENSORS]; /* bytes before its tensors */
    void *weights;              /* owned; NULL where they lie as they should */
    double *values, *bounds;    /* owned; those of plain sums */
    size_t count;
} slice;

/* ---- tensors ---- */

/* A number that depends on its place alone. */
static double draw(clconv_type type, uint64_t tensor, uint64_t index) {
    const uint64_t bits = XXH3_64bits_withSeed(&index, sizeof index, tensor);
    switch (type) {
    case CLCONV_S8:
        return (double)(bits % 256) - 128;
    case CLCONV_U8:
        return (double)(bits % 256);
    case CLCONV_S32:
        return (double)(bits % 2001) - 1000;
    default:
        return (double)(bits >> 11) * 0x1p-52 - 1;
    }
}

/* What is computed begins as NaN, or -1, unless it is read. */
static clconv_status make_tensor(clconv__trial *t, clconv_tensor tensor) {
    const clconv_type type = clconv_tensor_type(&t->problem, tensor);
    const int is_computed = clconv_tensor_is_computed(&t->problem, tensor);
    size_t elements;
    clconv_status status = clconv_tensor_elements(&elements, &t->problem, tensor);
    if (status || !elements)
        return status;
    const size_t bytes = elements * clconv_type_size(type);
    unsigned char *data = malloc(bytes);
    t->bytes[tensor] = bytes;
    t->data[tensor] = data;
    t->result[tensor] = data && is_computed ? malloc(bytes) : data;
    if (!t->result[tensor])
        return clconv__fail(CLCONV_OUT_OF_MEMORY, "a trial needs %zu bytes", bytes);
    if (is_computed && clconv__scalars_of(&t->problem).beta == 0)
        memset(data, 0xff, bytes);
    else
        for (size_t i = 0; i < elements; ++i)
            clconv_element_set(data, type, i, draw(type, (uint64_t)tensor, i));
    return CLCONV_OK;
}

static clconv_host_tensors tensors_at(unsigned char *const data[CLCONV__TENSORS],
                                      const size_t at[CLCONV__TENSORS]) {
    void *placed[CLCONV__TENSORS];
    for (int i = 0; i < CLCONV__TENSORS; ++i)
        placed[i] = data[i] ? data[i] + at[i] : NULL;
    return (clconv_host_tensors){placed[CLCONV_INPUT], placed[CLCONV_WEIGHTS], placed[CLCONV_BIAS],
                                 placed[CLCONV_RESIDUAL], placed[CLCONV_OUTPUT]};
}

/* ---- slices ---- */

static clconv_host_tensors tensors_of(const slice *s, const clconv__trial *t) {
    clconv_host_tensors tensors = tensors_at(t->data, s->at);
    if (s->weights)
        tensors.weights = s->weights;
    return tensors;
}

/* Channels of what is computed, and pictures that have their own results. */
static size_t count_slices(const clconv_problem *p, size_t *pictures) {
    *pictures = p->direction == CLCONV_BACKWARD_WEIGHTS ? 1 : p->batch;
    return *pictures * (p->direction == CLCONV_BACKWARD_DATA ? p->in_channels : p->out_channels);
}

/* Where gathered results read their weights they are a column; it is copied. */
static clconv_status copy_weights(slice *s, const clconv__trial *t, size_t group, size_t column) {
    const clconv_type type = clconv_tensor_type(&t->problem, CLCONV_WEIGHTS);
    size_t extent[CLCONV_TENSOR_AXES], stride[CLCONV_TENSOR_AXES], to = 0;
    clconv_status status = clconv_tensor_shape(extent, stride, &t->problem, CLCONV_WEIGHTS);
    if (status)
        return status;
    const size_t rows = extent[0] / t->problem.groups;
    const size_t elements = rows * extent[2] * extent[3] * extent[4];
    if (!(s->weights = malloc(elements * clconv_type_size(type))))
        return clconv__fail(CLCONV_OUT_OF_MEMORY, "a trial needs %zu weights", elements);
    for (size_t row = group * rows; row < (group + 1) * rows; ++row)
        for (size_t d = 0; d < extent[2]; ++d)
            for (size_t h = 0; h < extent[3]; ++h)
                for (size_t w = 0; w < extent[4]; ++w) {
                    const size_t from = row * stride[0] + column * stride[1] + d * stride[2] +
                                        h * stride[3] + w * stride[4];
                    clconv_element_set(s->weights, type, to++,
                                       clconv_element_get(t->data[CLCONV_WEIGHTS], type, from));
                }
    s->problem.weights_layout = CLCONV_OIHW;
    return CLCONV_OK;
}

/* The problem of one channel, and where its tensors begin. */
static clconv_status cut(slice *s, const clconv__trial *t, size_t index) {
    const clconv_problem *p = &t->problem;
    const int to_input = p->direction == CLCONV_BACKWARD_DATA;
    const size_t ins = p->in_channels / p->groups, outs = p->out_channels / p->groups;
    size_t extent[CLCONV_TENSOR_AXES], pictures;
    const size_t all = count_slices(p, &pictures), channels = all / pictures;
    const size_t picture = index / channels, channel = index % channels;
    const size_t group = channel / (to_input ? ins : outs);
    const size_t in = to_input ? channel : group * ins, out = to_input ? group * outs : channel;
    clconv_status status;
    s->problem = *p;
    if ((status = clconv_tensor_shape(extent, s->problem.input_strides, p, CLCONV_INPUT)) ||
        (status = clconv_tensor_shape(extent, s->problem.output_strides, p, CLCONV_OUTPUT)))
        return status;
    s->problem.batch = p->batch / pictures;
    s->problem.groups = 1;
    s->problem.in_channels = to_input ? 1 : ins;
    s->problem.out_channels = to_input ? outs : 1;
    s->at[CLCONV_INPUT] = picture * s->problem.input_strides[0] + in * s->problem.input_strides[1];
    s->at[CLCONV_OUTPUT] = s->at[CLCONV_RESIDUAL] =
        picture * s->problem.output_strides[0] + out * s->problem.output_strides[1];
    s->at[CLCONV_BIAS] = out;
    if (clconv__gathers(p))
        status = copy_weights(s, t, group, channel % (to_input ? ins : outs));
    else
        s->at[CLCONV_WEIGHTS] = channel * ins * p->kernel[0] * p->kernel[1] * p->kernel[2];
    for (int i = 0; i < CLCONV__TENSORS; ++i)
        s->at[i] *= clconv_type_size(clconv_tensor_type(p, (clconv_tensor)i));
    return status;
}

/* Elements that a slice computes. */
static clconv_status count_results(size_t *count, const clconv_problem *p) {
    size_t extent[CLCONV_TENSOR_AXES], stride[CLCONV_TENSOR_AXES];
    *count = 0;
    for (int i = 0; i < CLCONV__TENSORS; ++i) {
        if (!clconv_tensor_is_computed(p, (clconv_tensor)i))
            continue;
        clconv_status status = clconv_tensor_shape(extent, stride, p, (clconv_tensor)i);
        if (status)
            return status;
        *count += extent[0] * extent[1] * extent[2] * extent[3] * extent[4];
    }
    return CLCONV_OK;
}

static clconv_status expect(slice *s, const clconv__trial *t) {
    clconv_status status = count_results(&s->count, &s->problem);
    if (status)
        return status;
    s->values = calloc(s->count, sizeof *s->values);
    s->bounds = calloc(s->count, sizeof *s->bounds);
    if (!s->values || !s->bounds)
        return clconv__fail(CLCONV_OUT_OF_MEMORY, "a trial needs %zu doubles", 2 * s->count);
    const clconv_host_tensors tensors = tensors_of(s, t);
    return clconv__reference(s->values, s->bounds, &s->problem, &tensors);
}

static clconv_status make_slices(clconv__trial *t) {
    size_t pictures;
    const size_t all = count_slices(&t->problem, &pictures);
    const double products = clconv_problem_flops(&t->problem) / 2;
    const int is_whole = products <= enough_products;
    const double affordable = enough_products * (double)all / products;
    size_t count = is_whole ? 1 : affordable > 2 ? (size_t)affordable : 2;
    clconv_status status = CLCONV_OK;
    if (all > 0 && count > all)
        count = all;
    if (!(t->slices = calloc(count, sizeof *t->slices)))
        return clconv__fail(CLCONV_OUT_OF_MEMORY, "a trial needs %zu slices", count);
    t->slice_count = count;
    for (size_t i = 0; i < count && !status; ++i) {
        t->slices[i].problem = t->problem;
        if (!is_whole) /* the first, the last, and what lies evenly between them */
            status = cut(&t->slices[i], t, count > 1 ? i * (all - 1) / (count - 1) : 0);
        if (!status)
            status = expect(&t->slices[i], t);
    }
    return status;
}

/* ---- a trial ---- */

clconv_status clconv__trial_begin(clconv__trial *t, clconv_device *device,
                                  const clconv_problem *problem) {
    clconv_status status = clconv_problem_validate(problem);
    if (status)
        return status;
    *t = (clconv__trial){.problem = *problem, .device = device};
    for (int i = 0; i < CLCONV__TENSORS && !status; ++i)
        status = make_tensor(t, (clconv_tensor)i);
    if (!status)
        status = make_slices(t);
    if (status)
        clconv__trial_end(t);
    return status;
}

void clconv__trial_end(clconv__trial *t) {
    for (int i = 0; i < CLCONV__TENSORS; ++i) {
        if (t->result[i] != t->data[i])
            free(t->result[i]);
        free(t->data[i]);
        if (t->memory[i])
            clReleaseMemObject(t->memory[i]);
    }
    for (size_t i = 0; i < t->slice_count; ++i) {
        free(t->slices[i].weights);
        free(t->slices[i].values);
        free(t->slices[i].bounds);
    }
    free(t->slices);
    if (t->queue)
        clReleaseCommandQueue(t->queue);
    *t = (clconv__trial){.slices = NULL};
}

/* ---- comparing ---- */

/* Compares one tensor of a slice; values and bounds begin with its elements. */
static size_t compare_tensor(char wrong[CLCONV_REFUSAL_SIZE], const slice *s,
                             const clconv__trial *t, clconv_tensor tensor, const double *values,
                             const double *bounds) {
    const clconv_type type = clconv_tensor_type(&s->problem, tensor);
    const unsigned char *result = t->result[tensor] + s->at[tensor];
    size_t extent[CLCONV_TENSOR_AXES], stride[CLCONV_TENSOR_AXES], i = 0;
    if (clconv_tensor_shape(extent, stride, &s->problem, tensor))
        return 0;
    const size_t count = extent[0] * extent[1] * extent[2] * extent[3] * extent[4];
    for (; i < count; ++i) {
        size_t rest = i, at = 0;
        for (int axis = CLCONV_TENSOR_AXES - 1; axis >= 0; rest /= extent[axis--])
            at += rest % extent[axis] * stride[axis];
        const double got = clconv_element_get(result, type, at);
        if (fabs(got - values[i]) <= bounds[i])
            continue;
        snprintf(wrong, CLCONV_REFUSAL_SIZE, "an element is %.9g instead of %.9g +- %.3g", got,
                 values[i], bounds[i]);
        break;
    }
    return count;
}

static clconv_status compare(char wrong[CLCONV_REFUSAL_SIZE], const slice *s,
                             const clconv__trial *t, const clconv__algo *algo) {
    const clconv_host_tensors tensors = tensors_of(s, t);
    clconv_status status = CLCONV_OK;
    size_t done = 0;
    double *bounds = malloc(s->count * sizeof *bounds);
    if (!bounds)
        return clconv__fail(CLCONV_OUT_OF_MEMORY, "a trial needs %zu doubles", s->count);
    memcpy(bounds, s->bounds, s->count * sizeof *bounds);
    if (algo->bound)
        status = algo->bound(bounds, &s->problem, &tensors);
    for (int i = 0; i < CLCONV__TENSORS && !status && !*wrong; ++i)
        if (clconv_tensor_is_computed(&s->problem, (clconv_tensor)i))
            done += compare_tensor(wrong, s, t, (clconv_tensor)i, s->values + done, bounds + done);
    free(bounds);
    return status;
}

clconv_status clconv__trial_check(char wrong[CLCONV_REFUSAL_SIZE], const clconv__trial *t,
                                  clconv_plan *plan) {
    const size_t none[CLCONV__TENSORS] = {0};
    const clconv_host_tensors tensors = tensors_at(t->result, none);
    *wrong = 0;
    for (int i = 0; i < CLCONV__TENSORS; ++i)
        if (t->result[i] != t->data[i])
            memcpy(t->result[i], t->data[i], t->bytes[i]);
    clconv_status status = clconv__plan_run(plan, &tensors);
    for (size_t i = 0; i < t->slice_count && !status && !*wrong; ++i)
        status = compare(wrong, &t->slices[i], t, plan->algo);
    return status;
}

/* ---- timing ---- */

/* Tensors in the device's memory, once for all plans. */
static clconv_status upload(clconv__trial *t) {
    cl_int code = CL_SUCCESS;
    if (t->queue)
        return CLCONV_OK;
    for (int i = 0; i < CLCONV__TENSORS && code == CL_SUCCESS; ++i)
        if (t->data[i] && !t->memory[i])
            t->memory[i] =
                clCreateBuffer(t->device->context, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR,
                               t->bytes[i], t->data[i], &code);
    clconv_status status = clconv__cl_check(code, "clCreateBuffer");
    if (status)
        return status;
    t->queue = clCreateCommandQueue(t->device->context, t->device->id, 0, &code);
    return clconv__cl_check(code, "clCreateCommandQueue");
}

clconv_status clconv__trial_prepare(cl_mem *workspace, clconv__trial *t, clconv_plan *plan) {
    cl_int code = CL_SUCCESS;
    clconv_status status = CLCONV_OK;
    *workspace = NULL;
    if (t->problem.direction != CLCONV_BACKWARD_WEIGHTS)
        status = clconv__plan_pack(plan, t->data[CLCONV_WEIGHTS]);
    if (status || plan->algo->ops->is_host)
        return status;
    const size_t bytes = clconv__plan_workspace(plan);
    if (!(status = upload(t)) && bytes) {
        *workspace = clCreateBuffer(t->device->context, CL_MEM_READ_WRITE, bytes, NULL, &code);
        status = clconv__cl_check(code, "clCreateBuffer");
    }
    return status;
}

double clconv__now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

clconv_status clconv__trial_time(double *seconds, clconv__trial *t, clconv_plan *plan,
                                 cl_mem workspace) {
    const size_t none[CLCONV__TENSORS] = {0};
    const clconv_host_tensors on_host = tensors_at(t->result, none);
    const cl_mem *m = t->memory;
    const clconv_tensors on_device = {{m[CLCONV_INPUT], 0},  {m[CLCONV_WEIGHTS], 0},
                                      {m[CLCONV_BIAS], 0},   {m[CLCONV_RESIDUAL], 0},
                                      {m[CLCONV_OUTPUT], 0}, {workspace, 0}};
    const double begin = clconv__now();
    clconv_status status;
    if (plan->algo->ops->is_host)
        status = clconv__plan_run(plan, &on_host);
    else if (!(status = clconv__plan_enqueue(plan, t->queue, &on_device, 0, NULL, NULL)))
        status = clconv__cl_check(clFinish(t->queue), "clFinish");
    *seconds = clconv__now() - begin;
    return status;
}
