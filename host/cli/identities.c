#include "identities.h"

#include "random.h"

#include <stdio.h>
#include <string.h>

typedef struct trial {
    report *r;
    uint64_t seed;
    clconv_problem core; /* the problem without epilogue */
    case_data base;      /* its data and, once it was run, its result */
} trial;

/* ---- tensors ---- */

typedef struct view {
    unsigned char *data;
    clconv_type type;
    size_t extent[CLCONV_TENSOR_AXES], stride[CLCONV_TENSOR_AXES];
} view;

static clconv_status view_of(view *v, const case_data *data, clconv_tensor tensor) {
    const tensor_image *image = &data->images[tensor];
    v->type = image->type;
    v->data =
        clconv_tensor_is_computed(&data->problem, tensor)
            ? data->result + case_result_offset(data, tensor) + GUARD_ELEMENTS * image->element
            : image_tensor(image);
    return clconv_tensor_shape(v->extent, v->stride, &data->problem, tensor);
}

static double get(const view *v, const size_t place[CLCONV_TENSOR_AXES]) {
    return clconv_element_get(v->data, v->type, index_of(place, v->stride));
}

static void set(const view *v, const size_t place[CLCONV_TENSOR_AXES], double value) {
    clconv_element_set(v->data, v->type, index_of(place, v->stride), value);
}

/* Adds an offset to a place. */
static void move(size_t place[CLCONV_TENSOR_AXES], const size_t offset[CLCONV_TENSOR_AXES]) {
    for (int axis = 0; axis < CLCONV_TENSOR_AXES; ++axis)
        place[axis] += offset[axis];
}

/* Fills a tensor with the part of another that begins at an offset. */
static clconv_status copy_part(const case_data *to, const case_data *from, clconv_tensor tensor,
                               const size_t offset[CLCONV_TENSOR_AXES], int is_turned) {
    view a, b;
    clconv_status status;
    if ((status = view_of(&a, to, tensor)) || (status = view_of(&b, from, tensor)))
        return status;
    for (size_t i = 0; i < count_of(a.extent); ++i) {
        size_t place[CLCONV_TENSOR_AXES], source[CLCONV_TENSOR_AXES];
        place_of(place, a.extent, i);
        memcpy(source, place, sizeof source);
        for (int axis = 2; axis < CLCONV_TENSOR_AXES && is_turned; ++axis)
            source[axis] = a.extent[axis] - 1 - source[axis];
        move(source, offset);
        set(&a, place, get(&b, source));
    }
    return CLCONV_OK;
}

/* Integers of magnitude at most 1, or 2 where there are no negative ones. */
static clconv_status fill_small(const case_data *data, clconv_tensor tensor, uint64_t *state) {
    view v;
    clconv_status status = view_of(&v, data, tensor);
    if (status)
        return status;
    for (size_t i = 0; i < count_of(v.extent); ++i) {
        size_t place[CLCONV_TENSOR_AXES];
        place_of(place, v.extent, i);
        set(&v, place, (double)random_below(state, 3) - (v.type == CLCONV_U8 ? 0 : 1));
    }
    return CLCONV_OK;
}

static clconv_status make_empty(case_data *data, const clconv_problem *problem) {
    clconv_status status = case_data_allocate(data, problem, DATA_EXACT);
    for (int t = 0; t < TENSORS && !status; ++t)
        poison_fill(data->images[t].bytes, data->images[t].size, POISON_FIRST);
    return status;
}

/* ---- running and comparing ---- */

static clconv_status run_by(const trial *t, const case_data *data, const char *algorithm) {
    const worker_request request = {.data = data, .algorithm = algorithm, .runs = 1};
    worker_reply reply;
    worker_run(&reply, t->r->device->worker, &request);
    if (reply.died) {
        t->r->verdict = VERDICT_CRASHED;
        snprintf(t->r->reason, sizeof t->r->reason, "%s", reply.message);
    }
    return reply.died ? CLCONV_OPENCL : reply.status;
}

static clconv_status run(const trial *t, const case_data *data) {
    return run_by(t, data, t->r->algorithm);
}

static void fail(const trial *t, const char *identity, const clconv_problem *other,
                 const size_t place[CLCONV_TENSOR_AXES], double a, double b) {
    char text[CLCONV_PROBLEM_TEXT_SIZE];
    if (clconv_problem_format(text, sizeof text, other))
        *text = 0;
    t->r->verdict = VERDICT_WRONG;
    snprintf(t->r->reason, sizeof t->r->reason,
             "%s does not hold: at [%zu][%zu][%zu][%zu][%zu] %.9g differs from %.9g; the other "
             "problem is %.400s",
             identity, place[0], place[1], place[2], place[3], place[4], a, b, text);
}

/* Whether each output of `part` is that of `whole` at an offset. */
static clconv_status compare(const trial *t, const char *identity, const case_data *part,
                             const case_data *whole, const size_t offset[CLCONV_TENSOR_AXES],
                             const clconv_problem *other) {
    view a, b;
    clconv_status status;
    if ((status = view_of(&a, part, CLCONV_OUTPUT)) || (status = view_of(&b, whole, CLCONV_OUTPUT)))
        return status;
    for (size_t i = 0; i < count_of(a.extent); ++i) {
        size_t place[CLCONV_TENSOR_AXES];
        place_of(place, a.extent, i);
        double value = get(&a, place);
        move(place, offset);
        if (!(value == get(&b, place))) {
            fail(t, identity, other, place, get(&b, place), value);
            return CLCONV_OK;
        }
    }
    return CLCONV_OK;
}

/* ---- the identities ---- */

static const size_t nowhere[CLCONV_TENSOR_AXES];

static clconv_status flip(const trial *t) {
    clconv_problem problem = t->core;
    case_data data;
    clconv_status status;
    problem.mode =
        t->core.mode == CLCONV_CONVOLUTION ? CLCONV_CROSS_CORRELATION : CLCONV_CONVOLUTION;
    if (!(status = make_empty(&data, &problem)) &&
        !(status = copy_part(&data, &t->base, CLCONV_INPUT, nowhere, 0)) &&
        !(status = copy_part(&data, &t->base, CLCONV_WEIGHTS, nowhere, 1)) &&
        !(status = run(t, &data)))
        status = compare(t, "flip", &t->base, &data, nowhere, &problem);
    case_data_free(&data);
    return status;
}

static clconv_status shift(const trial *t) {
    const int axis = (int)(t->seed % CLCONV_SPATIAL_AXES);
    clconv_problem problem = t->core;
    size_t offset[CLCONV_TENSOR_AXES] = {0};
    case_data data;
    clconv_status status;
    problem.pad_begin[axis] += problem.stride[axis];
    memset(problem.output_strides, 0, sizeof problem.output_strides);
    offset[2 + axis] = 1;
    if (!(status = make_empty(&data, &problem)) &&
        !(status = copy_part(&data, &t->base, CLCONV_INPUT, nowhere, 0)) &&
        !(status = copy_part(&data, &t->base, CLCONV_WEIGHTS, nowhere, 0)) &&
        !(status = run(t, &data)))
        status = compare(t, "shift", &t->base, &data, offset, &problem);
    case_data_free(&data);
    return status;
}

static clconv_status group_split(const trial *t) {
    const size_t group = (size_t)(t->seed % t->core.groups);
    clconv_problem problem = t->core;
    case_data data;
    clconv_status status;
    if (t->core.groups == 1)
        return CLCONV_OK;
    problem.groups = 1;
    problem.in_channels /= t->core.groups;
    problem.out_channels /= t->core.groups;
    memset(problem.input_strides, 0, sizeof problem.input_strides);
    memset(problem.output_strides, 0, sizeof problem.output_strides);
    const size_t input[CLCONV_TENSOR_AXES] = {0, group * problem.in_channels};
    const size_t weights[CLCONV_TENSOR_AXES] = {group * problem.out_channels};
    const size_t output[CLCONV_TENSOR_AXES] = {0, group * problem.out_channels};
    if (!(status = make_empty(&data, &problem)) &&
        !(status = copy_part(&data, &t->base, CLCONV_INPUT, input, 0)) &&
        !(status = copy_part(&data, &t->base, CLCONV_WEIGHTS, weights, 0)) &&
        !(status = run(t, &data)))
        status = compare(t, "group split", &data, &t->base, output, &problem);
    case_data_free(&data);
    return status;
}

/* a += b, element by element. */
static clconv_status add(const case_data *a, const case_data *b, clconv_tensor tensor) {
    view x, y;
    clconv_status status;
    if ((status = view_of(&x, a, tensor)) || (status = view_of(&y, b, tensor)))
        return status;
    for (size_t i = 0; i < count_of(x.extent); ++i) {
        size_t place[CLCONV_TENSOR_AXES];
        place_of(place, x.extent, i);
        set(&x, place, get(&x, place) + get(&y, place));
    }
    return CLCONV_OK;
}

/* Whether sums of the values that fill_small() draws are representable where they are stored. */
static int sums_are_exact(const clconv_problem *p) {
    const double limit = p->type == CLCONV_F16 ? 0x1p11 : p->type == CLCONV_BF16 ? 0x1p8 : 0x1p24;
    return 8 * case_taps(p) <= limit;
}

static clconv_status linearity(const trial *t) {
    case_data other = {0}, sum = {0};
    uint64_t state = t->seed ^ 1;
    clconv_status status;
    if (!sums_are_exact(&t->core))
        return CLCONV_OK;
    if (!(status = make_empty(&other, &t->core)) &&
        !(status = fill_small(&other, CLCONV_INPUT, &state)) &&
        !(status = copy_part(&other, &t->base, CLCONV_WEIGHTS, nowhere, 0)) &&
        !(status = make_empty(&sum, &t->core)) &&
        !(status = copy_part(&sum, &t->base, CLCONV_INPUT, nowhere, 0)) &&
        !(status = add(&sum, &other, CLCONV_INPUT)) &&
        !(status = copy_part(&sum, &t->base, CLCONV_WEIGHTS, nowhere, 0)) &&
        !(status = run(t, &other)) && !(status = run(t, &sum)) &&
        !(status = add(&other, &t->base, CLCONV_OUTPUT)))
        status = compare(t, "linearity", &other, &sum, nowhere, &t->core);
    case_data_free(&other);
    case_data_free(&sum);
    return status;
}

/* ---- the directions of training: what they compute is adjoint to a forward convolution ---- */

/* The forward convolution between the same tensors; a transposed one leads back. */
static clconv_problem forward_of(const clconv_problem *core, const size_t output[]) {
    clconv_problem p = *core;
    p.direction = CLCONV_FORWARD;
    if (core->direction != CLCONV_TRANSPOSED)
        return p;
    p.in_channels = core->out_channels;
    p.out_channels = core->in_channels;
    memcpy(p.input, output, sizeof p.input);
    memcpy(p.input_strides, core->output_strides, sizeof p.input_strides);
    memcpy(p.output_strides, core->input_strides, sizeof p.output_strides);
    memset(p.output_padding, 0, sizeof p.output_padding);
    return p;
}

/* A row of the device's kind that takes every forward problem. */
static const char *plain_row(const verify_device *device) {
    for (size_t a = 0; a < clconv_algorithm_count(); ++a)
        if (strcmp(clconv_algorithm_name(a), "direct") == 0 && device->facts.algorithms >> a & 1)
            return "direct";
    return "host";
}

static clconv_status inner_product(double *sum, const case_data *a, clconv_tensor a_tensor,
                                   const case_data *b, clconv_tensor b_tensor) {
    view x, y;
    clconv_status status;
    *sum = 0;
    if ((status = view_of(&x, a, a_tensor)) || (status = view_of(&y, b, b_tensor)))
        return status;
    for (size_t i = 0; i < count_of(x.extent); ++i) {
        size_t place[CLCONV_TENSOR_AXES];
        place_of(place, x.extent, i);
        *sum += get(&x, place) * get(&y, place);
    }
    return CLCONV_OK;
}

/* A forward operand: what the base read, or new numbers in the place of what it computed. */
static clconv_status make_operand(const trial *t, const case_data *forward, clconv_tensor tensor,
                                  int is_new) {
    uint64_t state = t->seed ^ 2;
    return is_new ? fill_small(forward, tensor, &state)
                  : copy_part(forward, &t->base, tensor, nowhere, 0);
}

/* <computed, new> = <read, forward(new, ...)>: all three products of training are one number. */
static clconv_status adjoint(const trial *t) {
    const clconv_direction direction = t->core.direction;
    const clconv_tensor computed = case_computed(&t->core);
    const clconv_tensor fresh = computed == CLCONV_WEIGHTS ? CLCONV_WEIGHTS : CLCONV_INPUT;
    const clconv_tensor read = direction == CLCONV_TRANSPOSED ? CLCONV_INPUT : CLCONV_OUTPUT;
    size_t output[CLCONV_SPATIAL_AXES], back[CLCONV_SPATIAL_AXES];
    case_data data = {0};
    double left, right;
    clconv_status status = clconv_problem_output(output, &t->core);
    if (status)
        return status;
    const clconv_problem problem = forward_of(&t->core, output);
    if (!sums_are_exact(&t->core) || !sums_are_exact(&problem) ||
        clconv_problem_output(back, &problem) ||
        (direction == CLCONV_TRANSPOSED && memcmp(back, t->core.input, sizeof back) != 0))
        return CLCONV_OK; /* an output_padding beyond the stride has no convolution back */
    if (!(status = make_empty(&data, &problem)) &&
        !(status = make_operand(t, &data, CLCONV_INPUT, fresh == CLCONV_INPUT)) &&
        !(status = make_operand(t, &data, CLCONV_WEIGHTS, fresh == CLCONV_WEIGHTS)) &&
        !(status = run_by(t, &data, plain_row(t->r->device))) &&
        !(status = inner_product(&left, &t->base, computed, &data, fresh)) &&
        !(status = inner_product(&right, &t->base, read, &data, CLCONV_OUTPUT)) &&
        !(left == right)) {
        t->r->verdict = VERDICT_WRONG;
        snprintf(t->r->reason, sizeof t->r->reason,
                 "adjoint does not hold: the inner product is %.17g, but %.17g by a forward "
                 "convolution",
                 left, right);
    }
    case_data_free(&data);
    return status;
}

/* ---- */

static clconv_status fill_operands(trial *t) {
    static const clconv_tensor operands[] = {CLCONV_INPUT, CLCONV_WEIGHTS, CLCONV_OUTPUT};
    uint64_t state = t->seed;
    clconv_status status = CLCONV_OK;
    for (size_t i = 0; i < sizeof operands / sizeof operands[0] && !status; ++i)
        if (!clconv_tensor_is_computed(&t->core, operands[i]))
            status = fill_small(&t->base, operands[i], &state);
    return status;
}

static clconv_status make_base(trial *t) {
    clconv_problem *p = &t->core;
    clconv_status status;
    p->has_bias = p->has_residual = 0;
    p->activation = CLCONV_ACTIVATION_NONE;
    p->activation_a = p->activation_b = 0;
    p->alpha = 1;
    p->beta = 0;
    p->input_zero_point = p->weights_zero_point = 0;
    p->name[0] = 0;
    if ((status = make_empty(&t->base, p)) || (status = fill_operands(t)))
        return status;
    return run(t, &t->base);
}

void identities_check(report *r, uint64_t seed) {
    static clconv_status (*const forward[])(const trial *) = {linearity, shift, group_split, flip,
                                                              NULL};
    static clconv_status (*const training[])(const trial *) = {adjoint, NULL};
    const int is_forward = r->problem->direction == CLCONV_FORWARD;
    clconv_status (*const *identity)(const trial *) = is_forward ? forward : training;
    trial t = {.r = r, .seed = seed, .core = *r->problem};
    if (!clconv_algorithm_is_exact(r->algorithm))
        return;
    clconv_status status = make_base(&t);
    for (; *identity && !status && r->verdict == VERDICT_PASSED; ++identity) {
        status = (*identity)(&t);
        /* The algorithm takes the problem but not its twin, or the twin is too large. */
        if (status == CLCONV_UNSUPPORTED || status == CLCONV_SIZE_OVERFLOW)
            status = CLCONV_OK;
    }
    if (status && status != CLCONV_UNSUPPORTED && r->verdict == VERDICT_PASSED) {
        r->verdict = VERDICT_FAILED;
        snprintf(r->reason, sizeof r->reason, "trying an identity: %s", clconv_status_name(status));
    }
    case_data_free(&t.base);
}
