#include "problem.h"

#include "element.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

const char *const clconv__direction_names[] = {"forward", "backward_data", "backward_weights",
                                               "transposed"};
const char *const clconv__mode_names[] = {"cross_correlation", "convolution"};
const char *const clconv__type_names[] = {"f32", "f64", "f16", "bf16", "s8", "u8"};
const char *const clconv__layout_names[] = {"nchw", "nhwc"};
const char *const clconv__weights_layout_names[] = {"oihw", "ohwi"};
const char *const clconv__activation_names[] = {"none", "relu", "clamp", "leaky_relu", "sigmoid",
                                                "tanh", "silu", "gelu",  "hard_swish"};

/* Largest tensor, in bytes: what pointer differences can express. */
#define LARGEST_TENSOR ((size_t)PTRDIFF_MAX)

static const char axis_names[] = "dhw";

int clconv__activation_parameters(clconv_activation activation) {
    return activation == CLCONV_CLAMP ? 2 : activation == CLCONV_LEAKY_RELU ? 1 : 0;
}

static int is_integer(const clconv_problem *p) {
    return p->type == CLCONV_S8 || p->type == CLCONV_U8;
}

/* ---- validation: each check names the field and its value ---- */

static clconv_status check_enums(const clconv_problem *p) {
    const struct {
        const char *field;
        unsigned value;
        unsigned count;
    } rows[] = {
        {"direction", (unsigned)p->direction, CLCONV__DIRECTIONS},
        {"mode", (unsigned)p->mode, CLCONV__MODES},
        {"type", (unsigned)p->type, CLCONV__TYPES},
        {"layout", (unsigned)p->layout, CLCONV__LAYOUTS},
        {"weights_layout", (unsigned)p->weights_layout, CLCONV__WEIGHTS_LAYOUTS},
        {"activation", (unsigned)p->activation, CLCONV__ACTIVATIONS},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; ++i)
        if (rows[i].value >= rows[i].count)
            return clconv__fail(CLCONV_INVALID_PROBLEM, "%s is %u, but must be below %u",
                                rows[i].field, rows[i].value, rows[i].count);
    return CLCONV_OK;
}

static clconv_status check_counts(const clconv_problem *p) {
    const struct {
        const char *field;
        size_t value;
    } rows[] = {{"batch", p->batch},
                {"groups", p->groups},
                {"in_channels", p->in_channels},
                {"out_channels", p->out_channels}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; ++i)
        if (rows[i].value == 0)
            return clconv__fail(CLCONV_INVALID_PROBLEM, "%s is 0, but must be at least 1",
                                rows[i].field);
    for (size_t i = 2; i < 4; ++i)
        if (rows[i].value % p->groups)
            return clconv__fail(CLCONV_INVALID_PROBLEM,
                                "groups is %zu, which does not divide %s, %zu", p->groups,
                                rows[i].field, rows[i].value);
    return CLCONV_OK;
}

static clconv_status check_spatial(const clconv_problem *p) {
    const struct {
        const char *field;
        const size_t *values;
    } rows[] = {{"input", p->input},
                {"kernel", p->kernel},
                {"stride", p->stride},
                {"dilation", p->dilation}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; ++i)
        for (int axis = 0; axis < CLCONV_SPATIAL_AXES; ++axis)
            if (rows[i].values[axis] == 0)
                return clconv__fail(CLCONV_INVALID_PROBLEM,
                                    "%s of axis %c is 0, but must be at "
                                    "least 1",
                                    rows[i].field, axis_names[axis]);
    for (int axis = 0; axis < CLCONV_SPATIAL_AXES; ++axis) {
        size_t extra = p->output_padding[axis];
        if (extra && p->direction != CLCONV_TRANSPOSED)
            return clconv__fail(CLCONV_INVALID_PROBLEM,
                                "output_padding of axis %c is %zu, but only a transposed "
                                "convolution has one",
                                axis_names[axis], extra);
        if (extra && extra >= p->stride[axis] && extra >= p->dilation[axis])
            return clconv__fail(CLCONV_INVALID_PROBLEM,
                                "output_padding of axis %c is %zu, but must be below the stride, "
                                "%zu, or the dilation, %zu",
                                axis_names[axis], extra, p->stride[axis], p->dilation[axis]);
    }
    return CLCONV_OK;
}

static clconv_status check_scalars(const clconv_problem *p) {
    const struct {
        const char *field;
        double value;
    } rows[] = {{"alpha", p->alpha},
                {"beta", p->beta},
                {"activation_a", p->activation_a},
                {"activation_b", p->activation_b}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; ++i)
        if (isnan(rows[i].value) || (isinf(rows[i].value) && p->activation != CLCONV_CLAMP) ||
            (isinf(rows[i].value) && i < 2))
            return clconv__fail(CLCONV_INVALID_PROBLEM, "%s is %g, but must be finite",
                                rows[i].field, rows[i].value);
        else if (p->type != CLCONV_F64 && fabs(rows[i].value) > FLT_MAX &&
                 (i < 2 || p->activation != CLCONV_CLAMP))
            return clconv__fail(CLCONV_INVALID_PROBLEM, "%s is %g, beyond the range of f32",
                                rows[i].field, rows[i].value);
    if (p->activation == CLCONV_CLAMP && p->activation_a > p->activation_b)
        return clconv__fail(CLCONV_INVALID_PROBLEM,
                            "activation_a is %g, above activation_b, %g: nothing lies between",
                            p->activation_a, p->activation_b);
    return CLCONV_OK;
}

/* What the gradients have no use for. */
static clconv_status check_direction(const clconv_problem *p) {
    const char *name = clconv__direction_names[p->direction];
    if (p->direction == CLCONV_FORWARD || p->direction == CLCONV_TRANSPOSED)
        return CLCONV_OK;
    if (is_integer(p))
        return clconv__fail(CLCONV_INVALID_PROBLEM,
                            "direction %s is of floating-point types, but type is %s", name,
                            clconv__type_names[p->type]);
    if (p->activation != CLCONV_ACTIVATION_NONE)
        return clconv__fail(CLCONV_INVALID_PROBLEM, "activation is %s, but direction %s has none",
                            clconv__activation_names[p->activation], name);
    if (p->has_residual)
        return clconv__fail(CLCONV_INVALID_PROBLEM, "has_residual is %d, but direction %s has none",
                            p->has_residual, name);
    if (p->has_bias && p->direction == CLCONV_BACKWARD_DATA)
        return clconv__fail(CLCONV_INVALID_PROBLEM,
                            "has_bias is %d, but the bias plays no part in direction %s",
                            p->has_bias, name);
    return CLCONV_OK;
}

static clconv_status check_zero_point(const char *field, int32_t value, clconv_type type) {
    const clconv__type_facts *facts = clconv__type(type);
    if (value < facts->smallest || value > facts->largest)
        return clconv__fail(CLCONV_INVALID_PROBLEM, "%s is %" PRId32 ", outside the range of %s",
                            field, value, facts->name);
    return CLCONV_OK;
}

/* Largest |value - zero_point| of an 8-bit type. */
static double largest_difference(clconv_type type, int32_t zero_point) {
    const clconv__type_facts *facts = clconv__type(type);
    return fmax(facts->largest - zero_point, zero_point - facts->smallest);
}

static clconv_status check_integer(const clconv_problem *p) {
    clconv_status status;
    if (!is_integer(p)) {
        if (p->input_zero_point || p->weights_zero_point)
            return clconv__fail(CLCONV_INVALID_PROBLEM,
                                "zero points are %" PRId32 " and %" PRId32 ", but type %s has none",
                                p->input_zero_point, p->weights_zero_point,
                                clconv__type_names[p->type]);
        return CLCONV_OK;
    }
    if (p->activation != CLCONV_ACTIVATION_NONE || p->has_residual || p->alpha != 1 || p->beta != 0)
        return clconv__fail(CLCONV_INVALID_PROBLEM,
                            "type %s takes a bias, but no activation, residual, alpha or beta",
                            clconv__type_names[p->type]);
    if ((status = check_zero_point("input_zero_point", p->input_zero_point, p->type)) ||
        (status = check_zero_point("weights_zero_point", p->weights_zero_point, CLCONV_S8)))
        return status;
    double taps = (double)(p->in_channels / p->groups) * (double)p->kernel[0] *
                  (double)p->kernel[1] * (double)p->kernel[2];
    double largest = taps * largest_difference(p->type, p->input_zero_point) *
                     largest_difference(CLCONV_S8, p->weights_zero_point);
    if (largest > INT32_MAX)
        return clconv__fail(CLCONV_SIZE_OVERFLOW,
                            "sums of %.0f 8-bit products can reach %.0f, beyond 32 bits", taps,
                            largest);
    return CLCONV_OK;
}

static clconv_status check_name(const clconv_problem *p) {
    const char *end = memchr(p->name, 0, sizeof p->name);
    if (!end)
        return clconv__fail(CLCONV_INVALID_PROBLEM, "name does not end within its %zu bytes",
                            sizeof p->name);
    for (const char *c = p->name; c < end; ++c)
        if (*c == '"' || (unsigned char)*c < 0x20 || *c == 0x7f)
            return clconv__fail(CLCONV_INVALID_PROBLEM,
                                "name has a quote or control character at byte %td", c - p->name);
    return CLCONV_OK;
}

/* ---- extents ---- */

static clconv_status overflow(const char *what, int axis) {
    return clconv__fail(CLCONV_SIZE_OVERFLOW, "%s of axis %c does not fit size_t", what,
                        axis_names[axis]);
}

/* Coordinates are signed, and a stride is added to them before they are compared. */
static const size_t most_extent = SIZE_MAX / 4;

static clconv_status check_extent(const char *what, int axis, size_t extent) {
    if (extent <= most_extent)
        return CLCONV_OK;
    return clconv__fail(CLCONV_SIZE_OVERFLOW, "%s of axis %c is %zu, but at most %zu", what,
                        axis_names[axis], extent, most_extent);
}

/* dilation*(kernel-1) + 1 */
static clconv_status dilated_kernel(size_t *extent, const clconv_problem *p, int axis) {
    if (__builtin_mul_overflow(p->dilation[axis], p->kernel[axis] - 1, extent) ||
        __builtin_add_overflow(*extent, 1, extent))
        return overflow("the dilated kernel", axis);
    return CLCONV_OK;
}

static clconv_status forward_extent(size_t *output, const clconv_problem *p, int axis) {
    size_t kernel, padded;
    clconv_status status = dilated_kernel(&kernel, p, axis);
    if (status)
        return status;
    if (__builtin_add_overflow(p->input[axis], p->pad_begin[axis], &padded) ||
        __builtin_add_overflow(padded, p->pad_end[axis], &padded))
        return overflow("the padded input", axis);
    if ((status = check_extent("the padded input", axis, padded)))
        return status;
    if (kernel > padded)
        return clconv__fail(CLCONV_INVALID_PROBLEM,
                            "kernel of axis %c spans %zu (extent %zu, dilation %zu), more than the "
                            "padded input, %zu",
                            axis_names[axis], kernel, p->kernel[axis], p->dilation[axis], padded);
    *output = (padded - kernel) / p->stride[axis] + 1;
    return CLCONV_OK;
}

static clconv_status transposed_extent(size_t *output, const clconv_problem *p, int axis) {
    size_t kernel, full, pads;
    clconv_status status = dilated_kernel(&kernel, p, axis);
    if (status)
        return status;
    if (__builtin_mul_overflow(p->input[axis] - 1, p->stride[axis], &full) ||
        __builtin_add_overflow(full, kernel, &full) ||
        __builtin_add_overflow(full, p->output_padding[axis], &full) ||
        __builtin_add_overflow(p->pad_begin[axis], p->pad_end[axis], &pads))
        return overflow("the output", axis);
    if ((status = check_extent("the output with its pads", axis, full)))
        return status;
    if (pads >= full)
        return clconv__fail(CLCONV_INVALID_PROBLEM,
                            "pads of axis %c remove %zu of %zu output elements", axis_names[axis],
                            pads, full);
    *output = full - pads;
    return CLCONV_OK;
}

static clconv_status output_extents(size_t output[], const clconv_problem *p) {
    clconv_status status = CLCONV_OK;
    for (int axis = 0; axis < CLCONV_SPATIAL_AXES && !status; ++axis)
        status = p->direction == CLCONV_TRANSPOSED ? transposed_extent(&output[axis], p, axis)
                                                   : forward_extent(&output[axis], p, axis);
    return status;
}

/* ---- tensors ---- */

/* Memory orders, outermost first, as axes N C D H W (O I D H W for weights). */
static const int channels_first[] = {0, 1, 2, 3, 4};
static const int channels_last[] = {0, 2, 3, 4, 1};

static const char *const tensor_names[] = {"input", "weights", "bias", "residual", "output"};

static clconv_status dense_strides(size_t stride[], const size_t extent[], int channels_are_last,
                                   const char *name) {
    const int *order = channels_are_last ? channels_last : channels_first;
    size_t step = 1;
    for (int i = CLCONV_TENSOR_AXES - 1; i >= 0; --i) {
        stride[order[i]] = step;
        if (__builtin_mul_overflow(step, extent[order[i]], &step))
            return clconv__fail(CLCONV_SIZE_OVERFLOW,
                                "the number of %s elements does not fit "
                                "size_t",
                                name);
    }
    return CLCONV_OK;
}

static const size_t *view_of(const clconv_problem *p, clconv_tensor tensor) {
    const size_t *view = tensor == CLCONV_INPUT                                 ? p->input_strides
                         : tensor == CLCONV_OUTPUT || tensor == CLCONV_RESIDUAL ? p->output_strides
                                                                                : NULL;
    for (int axis = 0; view && axis < CLCONV_TENSOR_AXES; ++axis)
        if (view[axis])
            return view;
    return NULL;
}

int clconv__is_dense(const clconv_problem *p, clconv_tensor tensor) {
    size_t extent[CLCONV_TENSOR_AXES], stride[CLCONV_TENSOR_AXES], dense[CLCONV_TENSOR_AXES];
    if (clconv_tensor_shape(extent, stride, p, tensor) ||
        dense_strides(dense, extent, p->layout == CLCONV_NHWC, tensor_names[tensor]))
        return 0;
    for (int axis = 0; axis < CLCONV_TENSOR_AXES; ++axis)
        if (extent[axis] > 1 && stride[axis] != dense[axis])
            return 0;
    return 1;
}

static void tensor_extents(size_t extent[], const clconv_problem *p, clconv_tensor tensor,
                           const size_t output[]) {
    int transposed = p->direction == CLCONV_TRANSPOSED;
    const size_t heads[][2] = {
        [CLCONV_INPUT] = {p->batch, p->in_channels},
        [CLCONV_WEIGHTS] = {transposed ? p->in_channels : p->out_channels,
                            (transposed ? p->out_channels : p->in_channels) / p->groups},
        [CLCONV_BIAS] = {1, p->has_bias ? p->out_channels : 0},
        [CLCONV_RESIDUAL] = {p->has_residual ? p->batch : 0, p->out_channels},
        [CLCONV_OUTPUT] = {p->batch, p->out_channels},
    };
    static const size_t ones[CLCONV_SPATIAL_AXES] = {1, 1, 1};
    const size_t *spatial = tensor == CLCONV_INPUT     ? p->input
                            : tensor == CLCONV_WEIGHTS ? p->kernel
                            : tensor == CLCONV_BIAS    ? ones
                                                       : output;
    extent[0] = heads[tensor][0];
    extent[1] = heads[tensor][1];
    memcpy(extent + 2, spatial, CLCONV_SPATIAL_AXES * sizeof *extent);
}

/* A view's axes must not overlap; sorted by stride, each must step over the one before. */
static clconv_status check_view(const size_t extent[], const size_t stride[], const char *name,
                                int is_written) {
    size_t reach = 0;
    int done[CLCONV_TENSOR_AXES] = {0};
    for (int step = 0; step < CLCONV_TENSOR_AXES; ++step) {
        int axis = -1;
        for (int i = 0; i < CLCONV_TENSOR_AXES; ++i)
            if (!done[i] && (axis < 0 || stride[i] < stride[axis]))
                axis = i;
        done[axis] = 1;
        if (extent[axis] <= 1) /* 0 where the problem lacks the tensor */
            continue;
        if (stride[axis] == 0)
            return clconv__fail(CLCONV_INVALID_PROBLEM,
                                "%s_strides of axis %c is 0, but its extent is %zu", name,
                                "ncdhw"[axis], extent[axis]);
        if (is_written && stride[axis] <= reach)
            return clconv__fail(CLCONV_INVALID_PROBLEM,
                                "%s_strides of axis %c is %zu, so that elements overlap", name,
                                "ncdhw"[axis], stride[axis]);
        size_t length;
        if (__builtin_mul_overflow(stride[axis], extent[axis] - 1, &length) ||
            __builtin_add_overflow(reach, length, &reach))
            return clconv__fail(CLCONV_SIZE_OVERFLOW, "the %s view does not fit size_t", name);
    }
    return CLCONV_OK;
}

/* Extents and strides of a tensor of a problem whose own fields are in range. */
static clconv_status tensor_shape(size_t extent[], size_t stride[], const clconv_problem *p,
                                  clconv_tensor tensor, const size_t output[]) {
    tensor_extents(extent, p, tensor, output);
    const size_t *view = view_of(p, tensor);
    if (view) {
        memcpy(stride, view, CLCONV_TENSOR_AXES * sizeof *stride);
        return check_view(extent, stride, tensor == CLCONV_INPUT ? "input" : "output",
                          tensor != CLCONV_INPUT || p->direction == CLCONV_BACKWARD_DATA);
    }
    int last =
        tensor == CLCONV_WEIGHTS ? p->weights_layout == CLCONV_OHWI : p->layout == CLCONV_NHWC;
    return dense_strides(stride, extent, last, tensor_names[tensor]);
}

static clconv_status span(size_t *elements, const size_t extent[], const size_t stride[],
                          size_t type_size, const char *name) {
    size_t last = 0;
    for (int axis = 0; axis < CLCONV_TENSOR_AXES; ++axis) {
        if (extent[axis] == 0) {
            *elements = 0;
            return CLCONV_OK;
        }
        size_t length;
        if (__builtin_mul_overflow(extent[axis] - 1, stride[axis], &length) ||
            __builtin_add_overflow(last, length, &last))
            last = SIZE_MAX;
        if (last >= LARGEST_TENSOR / type_size)
            return clconv__fail(CLCONV_SIZE_OVERFLOW,
                                "the %s needs more than the %zu bytes that can be addressed", name,
                                LARGEST_TENSOR);
    }
    *elements = last + 1;
    return CLCONV_OK;
}

clconv_type clconv_tensor_type(const clconv_problem *problem, clconv_tensor tensor) {
    if (!problem || !is_integer(problem))
        return problem ? problem->type : CLCONV_F32;
    return tensor == CLCONV_INPUT     ? problem->type
           : tensor == CLCONV_WEIGHTS ? CLCONV_S8
                                      : CLCONV_S32;
}

static clconv_status check_tensors(const clconv_problem *p, const size_t output[]) {
    for (int tensor = CLCONV_INPUT; tensor <= CLCONV_OUTPUT; ++tensor) {
        size_t extent[CLCONV_TENSOR_AXES], stride[CLCONV_TENSOR_AXES], elements;
        size_t size = clconv_type_size(clconv_tensor_type(p, (clconv_tensor)tensor));
        if ((tensor == CLCONV_BIAS && !p->has_bias) ||
            (tensor == CLCONV_RESIDUAL && !p->has_residual))
            continue;
        clconv_status status = tensor_shape(extent, stride, p, (clconv_tensor)tensor, output);
        if (!status)
            status = span(&elements, extent, stride, size, tensor_names[tensor]);
        if (status)
            return status;
    }
    return CLCONV_OK;
}

static clconv_status validate(const clconv_problem *p, size_t output[]) {
    clconv_status status;
    if (!p)
        return clconv__fail(CLCONV_INVALID_ARGUMENT, "problem is NULL");
    if (p->version != CLCONV_PROBLEM_VERSION)
        return clconv__fail(CLCONV_INVALID_PROBLEM,
                            "version is %" PRIu32 ", but this library knows %d; start from "
                            "CLCONV_PROBLEM_INIT",
                            p->version, CLCONV_PROBLEM_VERSION);
    if ((status = check_enums(p)) || (status = check_counts(p)) || (status = check_spatial(p)) ||
        (status = check_scalars(p)) || (status = check_direction(p)) ||
        (status = check_integer(p)) || (status = check_name(p)) ||
        (status = output_extents(output, p)))
        return status;
    return check_tensors(p, output);
}

clconv_status clconv_problem_validate(const clconv_problem *problem) {
    size_t output[CLCONV_SPATIAL_AXES];
    return validate(problem, output);
}

clconv_status clconv_problem_output(size_t output[CLCONV_SPATIAL_AXES],
                                    const clconv_problem *problem) {
    size_t result[CLCONV_SPATIAL_AXES];
    if (!output)
        return clconv__fail(CLCONV_INVALID_ARGUMENT, "output is NULL");
    clconv_status status = validate(problem, result);
    if (!status)
        memcpy(output, result, sizeof result);
    return status;
}

clconv_status clconv_tensor_shape(size_t extent[CLCONV_TENSOR_AXES],
                                  size_t stride[CLCONV_TENSOR_AXES], const clconv_problem *problem,
                                  clconv_tensor tensor) {
    size_t output[CLCONV_SPATIAL_AXES], extents[CLCONV_TENSOR_AXES], strides[CLCONV_TENSOR_AXES];
    if (!extent || !stride || (unsigned)tensor > CLCONV_OUTPUT)
        return clconv__fail(CLCONV_INVALID_ARGUMENT, "%s",
                            !extent   ? "extent is NULL"
                            : !stride ? "stride is NULL"
                                      : "tensor is not one of the five");
    clconv_status status = validate(problem, output);
    if (!status)
        status = tensor_shape(extents, strides, problem, tensor, output);
    if (status)
        return status;
    memcpy(extent, extents, sizeof extents);
    memcpy(stride, strides, sizeof strides);
    return CLCONV_OK;
}

clconv_status clconv_tensor_elements(size_t *elements, const clconv_problem *problem,
                                     clconv_tensor tensor) {
    size_t extent[CLCONV_TENSOR_AXES], stride[CLCONV_TENSOR_AXES];
    if (!elements)
        return clconv__fail(CLCONV_INVALID_ARGUMENT, "elements is NULL");
    clconv_status status = clconv_tensor_shape(extent, stride, problem, tensor);
    if (status)
        return status;
    return span(elements, extent, stride, clconv_type_size(clconv_tensor_type(problem, tensor)),
                tensor_names[tensor]);
}

int clconv_tensor_is_computed(const clconv_problem *problem, clconv_tensor tensor) {
    if (!problem)
        return 0;
    switch (problem->direction) {
    case CLCONV_BACKWARD_DATA:
        return tensor == CLCONV_INPUT;
    case CLCONV_BACKWARD_WEIGHTS:
        return tensor == CLCONV_WEIGHTS || (tensor == CLCONV_BIAS && problem->has_bias);
    case CLCONV_FORWARD:
    case CLCONV_TRANSPOSED:
        break;
    }
    return tensor == CLCONV_OUTPUT;
}

clconv_tensor clconv__result_of(const clconv_problem *p) {
    return clconv_tensor_is_computed(p, CLCONV_INPUT)     ? CLCONV_INPUT
           : clconv_tensor_is_computed(p, CLCONV_WEIGHTS) ? CLCONV_WEIGHTS
                                                          : CLCONV_OUTPUT;
}

static size_t product(const size_t extent[]) {
    return extent[0] * extent[1] * extent[2];
}

/* Of the gradient of the input: its source is the output, its result the input. */
static void turn_around(clconv__geometry *g) {
    const clconv__geometry forward = *g;
    memcpy(g->input, forward.output, sizeof g->input);
    memcpy(g->output, forward.input, sizeof g->output);
    memcpy(g->input_stride, forward.output_stride, sizeof g->input_stride);
    memcpy(g->output_stride, forward.input_stride, sizeof g->output_stride);
    g->in_per_group = forward.out_per_group;
    g->out_per_group = forward.in_per_group;
}

clconv_status clconv__geometry_of(clconv__geometry *g, const clconv_problem *p) {
    size_t extent[CLCONV_TENSOR_AXES];
    clconv_status status = validate(p, g->output);
    if (status || (status = tensor_shape(extent, g->input_stride, p, CLCONV_INPUT, g->output)) ||
        (status = tensor_shape(extent, g->weights_stride, p, CLCONV_WEIGHTS, g->output)) ||
        (status = tensor_shape(extent, g->output_stride, p, CLCONV_OUTPUT, g->output)))
        return status;
    memcpy(g->input, p->input, sizeof g->input);
    g->in_per_group = p->in_channels / p->groups;
    g->out_per_group = p->out_channels / p->groups;
    if (p->direction == CLCONV_BACKWARD_DATA)
        turn_around(g);
    g->pixels = product(g->output);
    g->taps = p->direction == CLCONV_BACKWARD_WEIGHTS ? p->batch * g->pixels
                                                      : g->in_per_group * product(p->kernel);
    return CLCONV_OK;
}

clconv__scalars clconv__scalars_of(const clconv_problem *p) {
    clconv__scalars exact = {p->alpha, p->beta, p->activation_a, p->activation_b};
    clconv__scalars rounded = {(float)p->alpha, (float)p->beta, (float)p->activation_a,
                               (float)p->activation_b};
    return p->type == CLCONV_F64 ? exact : rounded;
}

/* ---- helpers for users ---- */

clconv_status clconv_problem_pad(clconv_problem *problem, clconv_padding padding) {
    size_t begin[CLCONV_SPATIAL_AXES], end[CLCONV_SPATIAL_AXES];
    if (!problem)
        return clconv__fail(CLCONV_INVALID_ARGUMENT, "problem is NULL");
    if ((unsigned)padding > CLCONV_SAME_LOWER)
        return clconv__fail(CLCONV_INVALID_ARGUMENT, "padding is %u, but must be below %d",
                            (unsigned)padding, CLCONV_SAME_LOWER + 1);
    clconv_status status = check_spatial(problem);
    if (status)
        return status;
    for (int axis = 0; axis < CLCONV_SPATIAL_AXES; ++axis) {
        size_t kernel, total = 0;
        if ((status = dilated_kernel(&kernel, problem, axis)))
            return status;
        /* (out-1)*stride + kernel - in with out = ceil(in/stride), without leaving size_t */
        size_t covered = (problem->input[axis] - 1) % problem->stride[axis] + 1;
        if (padding != CLCONV_VALID && kernel > covered)
            total = kernel - covered;
        begin[axis] = padding == CLCONV_SAME_LOWER ? total - total / 2 : total / 2;
        end[axis] = total - begin[axis];
    }
    memcpy(problem->pad_begin, begin, sizeof begin);
    memcpy(problem->pad_end, end, sizeof end);
    return CLCONV_OK;
}

double clconv_problem_flops(const clconv_problem *problem) {
    size_t output[CLCONV_SPATIAL_AXES];
    if (validate(problem, output))
        return 0;
    /* Every tap meets each place of the smaller side of a stride: all directions do the same. */
    const size_t *places = problem->direction == CLCONV_TRANSPOSED ? problem->input : output;
    double products = (double)problem->batch * (double)problem->in_channels *
                      (double)(problem->out_channels / problem->groups);
    for (int axis = 0; axis < CLCONV_SPATIAL_AXES; ++axis)
        products *= (double)places[axis] * (double)problem->kernel[axis];
    return 2 * products;
}

/* One more layer: its taps are spread by the strides of the layers before. */
static clconv_status extend_field(clconv_receptive_field *field, const clconv_problem *layer) {
    for (int axis = 0; axis < CLCONV_SPATIAL_AXES; ++axis) {
        size_t kernel, reach, shift;
        clconv_status status = dilated_kernel(&kernel, layer, axis);
        if (status)
            return status;
        if (__builtin_mul_overflow(kernel - 1, field->stride[axis], &reach) ||
            __builtin_add_overflow(field->size[axis], reach, &field->size[axis]) ||
            __builtin_mul_overflow(layer->pad_begin[axis], field->stride[axis], &shift) ||
            shift > INT64_MAX ||
            __builtin_sub_overflow(field->offset[axis], (int64_t)shift, &field->offset[axis]) ||
            __builtin_mul_overflow(field->stride[axis], layer->stride[axis], &field->stride[axis]))
            return overflow("the receptive field", axis);
    }
    return CLCONV_OK;
}

static clconv_status check_follows(const clconv_problem *layers, size_t index) {
    size_t output[CLCONV_SPATIAL_AXES];
    const clconv_problem *layer = &layers[index], *before = layer - 1;
    clconv_status status = clconv_problem_validate(layer);
    if (status)
        return status;
    if (layer->direction != CLCONV_FORWARD)
        return clconv__fail(CLCONV_UNSUPPORTED,
                            "layer %zu has direction %s, but a receptive field "
                            "is of forward layers",
                            index, clconv__direction_names[layer->direction]);
    if (index == 0)
        return CLCONV_OK;
    if (layer->in_channels != before->out_channels)
        return clconv__fail(CLCONV_INVALID_PROBLEM,
                            "layer %zu has in_channels %zu, but the layer before gives %zu", index,
                            layer->in_channels, before->out_channels);
    if ((status = clconv_problem_output(output, before)))
        return status;
    for (int axis = 0; axis < CLCONV_SPATIAL_AXES; ++axis)
        if (layer->input[axis] != output[axis])
            return clconv__fail(CLCONV_INVALID_PROBLEM,
                                "layer %zu has input %zu on axis %c, but the layer before gives "
                                "%zu",
                                index, layer->input[axis], axis_names[axis], output[axis]);
    return CLCONV_OK;
}

clconv_status clconv_receptive_field_of(clconv_receptive_field *field, const clconv_problem *layers,
                                        size_t count) {
    clconv_receptive_field result = {{1, 1, 1}, {1, 1, 1}, {0, 0, 0}};
    if (!field || !layers || !count)
        return clconv__fail(CLCONV_INVALID_ARGUMENT, "%s",
                            !field    ? "field is NULL"
                            : !layers ? "layers is NULL"
                                      : "count is 0");
    for (size_t i = 0; i < count; ++i) {
        clconv_status status = check_follows(layers, i);
        if (!status)
            status = extend_field(&result, &layers[i]);
        if (status)
            return status;
    }
    *field = result;
    return CLCONV_OK;
}
