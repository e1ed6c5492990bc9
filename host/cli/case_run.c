#include "case_run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const char *const violation_texts[] = {
    "it wrote into an input tensor",
    "it wrote outside the elements of the output",
    "it wrote outside its workspace",
    "its results depend on what lay in memory before",
    "runs on the same data gave different bits",
    NULL,
};

/* Bytes around the workspace; its offset must be divisible by 64. */
enum { WORKSPACE_GUARD = 256 };

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- comparing images ---- */

typedef struct comparison {
    unsigned char *a;
    const unsigned char *b;
    size_t element, differing, first;
} comparison;

static void compare_element(void *context, size_t dense, size_t in_memory) {
    comparison *c = context;
    size_t at = (GUARD_ELEMENTS + in_memory) * c->element;
    (void)dense;
    if (memcmp(c->a + at, c->b + at, c->element) != 0 && !c->differing++)
        c->first = in_memory;
}

static void restore_element(void *context, size_t dense, size_t in_memory) {
    comparison *c = context;
    size_t at = (GUARD_ELEMENTS + in_memory) * c->element;
    (void)dense;
    memcpy(c->a + at, c->b + at, c->element);
}

size_t count_differing(size_t *first, const case_data *data, const unsigned char *a,
                       const unsigned char *b) {
    size_t extent[CLCONV_TENSOR_AXES], stride[CLCONV_TENSOR_AXES];
    comparison c = {.differing = 0};
    for (int t = 0; t < TENSORS; ++t) {
        const tensor_image *image = &data->images[t];
        const size_t guard = GUARD_ELEMENTS * image->element;
        const unsigned char *from = a + case_result_offset(data, (clconv_tensor)t);
        if (!image->size || !clconv_tensor_is_computed(&data->problem, (clconv_tensor)t))
            continue;
        c.b = b + case_result_offset(data, (clconv_tensor)t);
        c.element = image->element;
        memcpy(&c.a, &from, sizeof from); /* only read here */
        if (memcmp(c.a + guard, c.b + guard, image->size - 2 * guard) != 0 &&
            !clconv_tensor_shape(extent, stride, &data->problem, (clconv_tensor)t))
            visit_elements(extent, stride, compare_element, &c);
    }
    *first = c.first;
    return c.differing;
}

int image_was_written(const case_data *data, clconv_tensor tensor, poison_kind poison,
                      const unsigned char *after) {
    size_t size = data->images[tensor].size;
    unsigned char *before = malloc(size ? size : 1);
    int written = 1;
    if (before) {
        case_data_poison(before, data, tensor, poison);
        written = memcmp(before, after, size) != 0;
    }
    free(before);
    return written;
}

static int guard_was_written(const case_data *data, clconv_tensor tensor, poison_kind poison,
                             const unsigned char *after) {
    size_t extent[CLCONV_TENSOR_AXES], stride[CLCONV_TENSOR_AXES];
    const tensor_image *image = &data->images[tensor];
    size_t guard = GUARD_ELEMENTS * image->element, size = image->size;
    int written = 1;
    if (clconv_tensor_shape(extent, stride, &data->problem, tensor))
        return written;
    unsigned char *before = malloc(size);
    if (!before)
        return written;
    comparison c = {.a = before, .b = after, .element = image->element};
    poison_fill(before, size, poison);
    if (size - 2 * guard == count_of(extent) * image->element)
        memcpy(before + guard, after + guard, size - 2 * guard);
    else
        visit_elements(extent, stride, restore_element, &c);
    written = memcmp(before, after, size) != 0;
    free(before);
    return written;
}

int output_guard_was_written(const case_data *data, poison_kind poison,
                             const unsigned char *after) {
    int written = 0;
    for (int t = 0; t < TENSORS; ++t)
        if (data->images[t].size && clconv_tensor_is_computed(&data->problem, (clconv_tensor)t))
            written |= guard_was_written(data, (clconv_tensor)t, poison,
                                         after + case_result_offset(data, (clconv_tensor)t));
    return written;
}

/* ---- one run ---- */

typedef struct run {
    clconv_plan *plan;
    const case_data *data;
    const case_runs *runs;
    poison_kind poison;
    unsigned char *copies[TENSORS]; /* owned: images with the poison; then what the run left */
    unsigned char *result;          /* owned: of these what was computed */
    unsigned violations;
    double seconds;
    const char *call;   /* the last one that doing() was told */
    cl_int code;        /* of the one that failed */
    cl_context context; /* NULL for the host */
    cl_command_queue queue;
    clconv_tensors tensors;
} run;

static void doing(run *r, const char *call) {
    r->call = call;
    if (r->runs->doing)
        r->runs->doing(r->runs->context, call);
}

static clconv_status copy_images(run *r) {
    for (int t = 0; t < TENSORS; ++t) {
        size_t size = r->data->images[t].size;
        if (size && !r->copies[t] && !(r->copies[t] = malloc(size)))
            return CLCONV_OUT_OF_MEMORY;
        if (size)
            case_data_poison(r->copies[t], r->data, (clconv_tensor)t, r->poison);
    }
    return CLCONV_OK;
}

static void *host_tensor(const run *r, clconv_tensor tensor) {
    const tensor_image *image = &r->data->images[tensor];
    return r->copies[tensor] ? r->copies[tensor] + GUARD_ELEMENTS * image->element : NULL;
}

static clconv_status run_on_host(run *r) {
    clconv_host_tensors tensors = {host_tensor(r, CLCONV_INPUT), host_tensor(r, CLCONV_WEIGHTS),
                                   host_tensor(r, CLCONV_BIAS), host_tensor(r, CLCONV_RESIDUAL),
                                   host_tensor(r, CLCONV_OUTPUT)};
    doing(r, "clconv_plan_run");
    double begin = now();
    clconv_status status = clconv_plan_run(r->plan, &tensors);
    r->seconds = now() - begin;
    return status;
}

static clconv_status checked(run *r, cl_int code) {
    r->code = code;
    return code == CL_SUCCESS ? CLCONV_OK : CLCONV_OPENCL;
}

static clconv_buffer *slot(run *r, int tensor) {
    clconv_buffer *const slots[] = {&r->tensors.input, &r->tensors.weights, &r->tensors.bias,
                                    &r->tensors.residual, &r->tensors.output};
    return slots[tensor];
}

static size_t workspace_bytes(const run *r) {
    size_t size = clconv_plan_workspace_size(r->plan);
    return size ? (size + 3) / 4 * 4 + 2 * WORKSPACE_GUARD : 0;
}

/* Copied from here rather than filled there: some simulators take what was filled for unset. */
static cl_int make_workspace(run *r) {
    cl_int code = CL_OUT_OF_HOST_MEMORY;
    size_t size = workspace_bytes(r);
    unsigned char *content = size ? malloc(size) : NULL;
    if (!size)
        return CL_SUCCESS;
    if (content) {
        poison_fill(content, size, r->poison);
        r->tensors.workspace.offset = WORKSPACE_GUARD;
        r->tensors.workspace.memory = clCreateBuffer(
            r->context, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR, size, content, &code);
    }
    free(content);
    return code;
}

static clconv_status upload(run *r) {
    cl_int code = CL_SUCCESS;
    doing(r, "clCreateBuffer");
    for (int t = 0; t < TENSORS && code == CL_SUCCESS; ++t) {
        if (!r->copies[t])
            continue;
        slot(r, t)->offset = GUARD_ELEMENTS;
        slot(r, t)->memory = clCreateBuffer(r->context, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR,
                                            r->data->images[t].size, r->copies[t], &code);
    }
    if (code == CL_SUCCESS)
        code = make_workspace(r);
    return checked(r, code == CL_SUCCESS ? clFinish(r->queue) : code);
}

static cl_int read_back(run *r, cl_mem memory, size_t offset, size_t size, void *to) {
    doing(r, "clEnqueueReadBuffer");
    return clEnqueueReadBuffer(r->queue, memory, CL_TRUE, offset, size, to, 0, NULL, NULL);
}

static clconv_status download(run *r) {
    unsigned char guard[2][WORKSPACE_GUARD], untouched[WORKSPACE_GUARD];
    size_t size = workspace_bytes(r);
    cl_int code = CL_SUCCESS;
    for (int t = 0; t < TENSORS && code == CL_SUCCESS; ++t)
        if (r->copies[t])
            code = read_back(r, slot(r, t)->memory, 0, r->data->images[t].size, r->copies[t]);
    if (!size || code != CL_SUCCESS)
        return checked(r, code);
    if ((code = read_back(r, r->tensors.workspace.memory, 0, WORKSPACE_GUARD, guard[0])) ||
        (code = read_back(r, r->tensors.workspace.memory, size - WORKSPACE_GUARD, WORKSPACE_GUARD,
                          guard[1])))
        return checked(r, code);
    poison_fill(untouched, sizeof untouched, r->poison);
    for (int side = 0; side < 2; ++side)
        if (memcmp(guard[side], untouched, sizeof untouched) != 0)
            r->violations |= VIOLATION_WORKSPACE;
    return CLCONV_OK;
}

static void release(run *r) {
    for (int t = 0; t < TENSORS; ++t)
        if (slot(r, t)->memory)
            clReleaseMemObject(slot(r, t)->memory);
    if (r->tensors.workspace.memory)
        clReleaseMemObject(r->tensors.workspace.memory);
    memset(&r->tensors, 0, sizeof r->tensors);
}

static clconv_status run_on_device(run *r) {
    clconv_status status = upload(r);
    if (status)
        goto done;
    doing(r, "clconv_plan_enqueue");
    double begin = now();
    if ((status = clconv_plan_enqueue(r->plan, NULL, &r->tensors, 0, NULL, NULL)))
        goto done;
    doing(r, "clFinish");
    if ((status = checked(r, clFinish(r->queue))))
        goto done;
    r->seconds = now() - begin;
    status = download(r);
done:
    release(r);
    return status;
}

static clconv_status run_once(run *r) {
    clconv_status status = copy_images(r);
    if (!status)
        status = r->context ? run_on_device(r) : run_on_host(r);
    if (status)
        return status;
    for (int t = 0; t < TENSORS; ++t) {
        const clconv_tensor tensor = (clconv_tensor)t;
        if (!r->copies[t])
            continue;
        if (clconv_tensor_is_computed(&r->data->problem, tensor))
            memcpy(r->result + case_result_offset(r->data, tensor), r->copies[t],
                   r->data->images[t].size);
        else if (image_was_written(r->data, tensor, r->poison, r->copies[t]))
            r->violations |= VIOLATION_INPUT;
    }
    return CLCONV_OK;
}

/* ---- all of them ---- */

/* Later runs are judged here: the caller sees the first alone. */
static void compare_to_first(case_result *result, run *r, unsigned bit) {
    size_t first, differing = count_differing(&first, r->data, r->data->result, r->result);
    if (differing) {
        r->violations |= bit;
        result->differing = differing;
        result->first = first;
    }
}

static clconv_status run_all(case_result *result, run *r) {
    int runs = r->runs->plain + r->runs->on_other_poison;
    if (!(r->result = calloc(1, r->data->result_size)))
        return CLCONV_OUT_OF_MEMORY;
    for (int i = 0; i < runs; ++i) {
        r->poison = i < r->runs->plain ? POISON_FIRST : POISON_SECOND;
        clconv_status status = run_once(r);
        if (status)
            return status;
        if (output_guard_was_written(r->data, r->poison, r->result))
            r->violations |= VIOLATION_OUTSIDE;
        result->seconds = i ? fmin(result->seconds, r->seconds) : r->seconds;
        if (i)
            compare_to_first(result, r, i < r->runs->plain ? VIOLATION_REPEAT : VIOLATION_POISON);
        else
            memcpy(r->data->result, r->result, r->data->result_size);
    }
    result->violations = r->violations;
    return CLCONV_OK;
}

clconv_status case_run(case_result *result, clconv_plan *plan, clconv_device *device,
                       const case_data *data, const case_runs *runs) {
    run r = {.plan = plan, .data = data, .runs = runs};
    memset(result, 0, sizeof *result);
    if (clconv_device_opencl(device, &r.context, NULL, &r.queue))
        r.context = NULL;
    clconv_status status = run_all(result, &r);
    result->code = r.code;
    result->call = r.call;
    for (int t = 0; t < TENSORS; ++t)
        free(r.copies[t]);
    free(r.result);
    return status;
}
