#include "run_problem.h"

#include "cli.h"
#include "tensor_file.h"

#include <stdlib.h>
#include <string.h>

const char *const run_padding_names[] = {"valid", "same_upper", "same_lower", NULL};
const char *const run_mode_names[] = {"cross_correlation", "convolution", NULL};
const char *const run_layout_names[] = {"nchw", "nhwc", NULL};
const char *const run_weights_layout_names[] = {"oihw", "ohwi", NULL};

static int set_axes(const run_problem *r, size_t *destination, const args_sizes *list,
                    const char *name) {
    if (list->count > 1 && list->count != r->axes) {
        return cli_fail(r->command, "option '--%s' has %zu numbers, expected 1 or %zu", name,
                        list->count, r->axes);
    }
    for (size_t i = 0; list->count && i < r->axes; i++)
        destination[CLCONV_SPATIAL_AXES - r->axes + i] = list->values[list->count == 1 ? 0 : i];
    return CLI_OK;
}

static int set_pads(run_problem *r, const run_options *o) {
    const args_sizes *pad = &o->pad;
    size_t first = CLCONV_SPATIAL_AXES - r->axes;

    if (o->padding >= 0) {
        clconv_status status;
        if (pad->count)
            return cli_fail(r->command, "--pad and --padding contradict each other");
        status = clconv_problem_pad(&r->problem, (clconv_padding)o->padding);
        return status ? cli_fail_status(r->command, status) : CLI_OK;
    }
    if (pad->count > 1 && pad->count != r->axes && pad->count != 2 * r->axes) {
        return cli_fail(r->command, "option '--pad' has %zu numbers, expected 1, %zu or %zu",
                        pad->count, r->axes, 2 * r->axes);
    }
    for (size_t i = 0; pad->count && i < r->axes; i++) {
        size_t begin = pad->count == 1 ? 0 : i;
        size_t end = pad->count == 2 * r->axes ? r->axes + i : begin;
        r->problem.pad_begin[first + i] = pad->values[begin];
        r->problem.pad_end[first + i] = pad->values[end];
    }
    return CLI_OK;
}

typedef struct activation_row {
    const char *name;
    int parameters;
    clconv_activation activation;
} activation_row;

static const activation_row activations[] = {
    {"none", 0, CLCONV_ACTIVATION_NONE},
    {"relu", 0, CLCONV_RELU},
    {"clamp", 2, CLCONV_CLAMP},
    {"leaky_relu", 1, CLCONV_LEAKY_RELU},
    {"sigmoid", 0, CLCONV_SIGMOID},
    {"tanh", 0, CLCONV_TANH},
    {"silu", 0, CLCONV_SILU},
    {"gelu", 0, CLCONV_GELU},
    {"hard_swish", 0, CLCONV_HARD_SWISH},
};

/* Parses the ":A:B" behind a name; returns how many numbers there are, -1 for anything else. */
static int parse_parameters(double values[2], const char *text) {
    int count = 0;

    for (; *text == ':' && count < 2; count++) {
        char *end = NULL;
        values[count] = strtod(text + 1, &end);
        if (end == text + 1)
            return -1;
        text = end;
    }
    return *text ? -1 : count;
}

static int set_activation(run_problem *r, const run_options *o) {
    const char *text = o->activation;
    size_t length = text ? strcspn(text, ":") : 0;
    double values[2] = {0, 0};

    if (!text)
        return CLI_OK;
    for (size_t i = 0; i < sizeof activations / sizeof activations[0]; i++) {
        const activation_row *row = &activations[i];
        if (strlen(row->name) != length || strncmp(row->name, text, length) != 0)
            continue;
        if (parse_parameters(values, text + length) != row->parameters) {
            return cli_fail(r->command,
                            "option '--activation' has the value '%s', but %s takes"
                            " %d numbers",
                            text, row->name, row->parameters);
        }
        r->problem.activation = row->activation;
        r->problem.activation_a = values[0];
        r->problem.activation_b = values[1];
        return CLI_OK;
    }
    return cli_fail(r->command, "option '--activation' has the unknown value '%s'", text);
}

static int set_zero_points(run_problem *r, const run_options *o) {
    const args_ints *list = &o->zero_points;

    if (list->count > 2) {
        return cli_fail(r->command, "option '--zero-points' has %zu numbers, expected 1 or 2",
                        list->count);
    }
    r->problem.input_zero_point = list->count > 0 ? list->values[0] : 0;
    r->problem.weights_zero_point = list->count > 1 ? list->values[1] : 0;
    return CLI_OK;
}

static int set_type(run_problem *r, const run_options *o, npy_type file_type) {
    const bool is_output = o->direction == CLCONV_BACKWARD_DATA;
    clconv_type type = tensor_file_type(file_type);

    if (o->type >= 0) {
        r->problem.type = (clconv_type)o->type;
        return CLI_OK;
    }
    if (type == CLCONV_S32) {
        return cli_fail(r->command, "%s '%s' has elements of type %s; --type chooses another",
                        is_output ? "output" : "input", is_output ? o->output : o->input,
                        npy_type_name(file_type));
    }
    r->problem.type = type;
    return CLI_OK;
}

/* ---- axes ------------------------------------------------------------------------------------ */

/* Numbers of the axes of a file, put where N C D H W have them; axes that it lacks become 1. */
static void spread(size_t all[CLCONV_TENSOR_AXES], const size_t *numbers, size_t rank,
                   bool channels_last) {
    size_t first = channels_last ? 1 : 2;

    for (size_t axis = 0; axis < CLCONV_TENSOR_AXES; axis++)
        all[axis] = 1;
    if (rank == 2) {
        all[CLCONV_AXIS_H] = numbers[0];
        all[CLCONV_AXIS_W] = numbers[1];
        return;
    }
    all[CLCONV_AXIS_N] = numbers[0];
    all[CLCONV_AXIS_C] = numbers[channels_last ? rank - 1 : 1];
    for (size_t i = 0; i < rank - 2; i++)
        all[CLCONV_TENSOR_AXES - (rank - 2) + i] = numbers[first + i];
}

static int set_strides(size_t strides[CLCONV_TENSOR_AXES], const run_problem *r,
                       const args_sizes *list, const char *name) {
    size_t rank = r->bare ? 2 : r->axes + 2;

    if (!list->count)
        return CLI_OK;
    if (list->count != rank) {
        return cli_fail(r->command, "option '--%s' has %zu numbers, expected %zu", name,
                        list->count, rank);
    }
    spread(strides, list->values, rank, r->problem.layout == CLCONV_NHWC);
    return CLI_OK;
}

static int set_views(run_problem *r, const run_options *o) {
    int code;

    if (!o->input_shape.count != !o->input_strides.count)
        return cli_fail(r->command, "--input-shape and --input-strides need each other");
    r->input_view = o->input_strides.count > 0;
    r->output_view = o->output_strides.count > 0;
    if ((code = set_strides(r->problem.input_strides, r, &o->input_strides, "input-strides")))
        return code;
    return set_strides(r->problem.output_strides, r, &o->output_strides, "output-strides");
}

/* The axes of the file that tells them; the other that is read has as many. */
static int set_rank(run_problem *r, const char *role, const char *path, size_t rank,
                    const char *other_role, const char *other_path, size_t other_rank) {
    if (rank < 2 || rank > CLCONV_TENSOR_AXES)
        return cli_fail(r->command, "%s '%s' has %zu axes, expected 2 to 5", role, path, rank);
    if (other_rank != rank) {
        return cli_fail(r->command, "%s '%s' %s %zu axes, but %s '%s' has %zu", other_role,
                        other_path, strcmp(other_role, "weights") ? "has" : "have", other_rank,
                        role, path, rank);
    }
    r->bare = rank == 2;
    r->axes = r->bare ? 2 : rank - 2;
    if (r->bare) {
        /* One channel: the layouts are the same. */
        r->problem.layout = CLCONV_NCHW;
        r->problem.weights_layout = CLCONV_OIHW;
    }
    return CLI_OK;
}

static void spread_weights(size_t all[CLCONV_TENSOR_AXES], run_problem *r,
                           const npy_array *weights) {
    spread(all, weights->shape, weights->rank, r->problem.weights_layout == CLCONV_OHWI);
    memcpy(r->problem.kernel, all + CLCONV_AXIS_D, sizeof r->problem.kernel);
}

static void spread_activations(size_t all[CLCONV_TENSOR_AXES], const run_problem *r,
                               const size_t *shape, size_t rank) {
    spread(all, shape, rank, r->problem.layout == CLCONV_NHWC);
}

/* The extents that the files tell; whether they fit each other is checked later. */
static int set_extents(run_problem *r, const run_options *o, const npy_array *input,
                       const npy_array *weights) {
    const size_t *shape = o->input_shape.count ? o->input_shape.values : input->shape;
    size_t rank = o->input_shape.count ? o->input_shape.count : input->rank;
    clconv_problem *p = &r->problem;
    size_t all[CLCONV_TENSOR_AXES];
    int code = set_rank(r, "input", o->input, rank, "weights", o->weights, weights->rank);

    if (code)
        return code;
    spread_activations(all, r, shape, rank);
    p->batch = all[CLCONV_AXIS_N];
    p->in_channels = all[CLCONV_AXIS_C];
    memcpy(p->input, all + CLCONV_AXIS_D, sizeof p->input);
    spread_weights(all, r, weights);
    p->out_channels =
        p->direction == CLCONV_TRANSPOSED ? all[CLCONV_AXIS_C] * p->groups : all[CLCONV_AXIS_N];
    return CLI_OK;
}

/* ---- gradients: what is computed has extents that the files may leave open ------------------- */

/* Nonzero, and said, where the extents must be given. */
static int check_open(const run_problem *r, const run_options *o, const char *what) {
    const clconv_problem *p = &r->problem;
    bool is_open = o->padding >= 0;

    for (int axis = 0; axis < CLCONV_SPATIAL_AXES; axis++)
        is_open = is_open || p->stride[axis] != 1;
    if (!is_open || o->extents.count)
        return CLI_OK;
    return cli_fail(r->command,
                    "option '--extents' is required: a stride or --padding leaves the %s open",
                    what);
}

static int set_data_extents(run_problem *r, const run_options *o, const npy_array *weights,
                            const npy_array *output) {
    clconv_problem *p = &r->problem;
    size_t all[CLCONV_TENSOR_AXES];
    int code = set_rank(r, "output", o->output, output->rank, "weights", o->weights, weights->rank);

    if (code)
        return code;
    spread_weights(all, r, weights);
    p->in_channels = all[CLCONV_AXIS_C] * p->groups;
    spread_activations(all, r, output->shape, output->rank);
    p->batch = all[CLCONV_AXIS_N];
    p->out_channels = all[CLCONV_AXIS_C];
    /* Kept here until strides and pads are known; stride 1 then leaves one possible input. */
    memcpy(p->input, all + CLCONV_AXIS_D, sizeof p->input);
    return CLI_OK;
}

static int finish_data_extents(run_problem *r, const run_options *o) {
    clconv_problem *p = &r->problem;
    int code = check_open(r, o, "input");

    if (code || o->extents.count)
        return code ? code : set_axes(r, p->input, &o->extents, "extents");
    for (int axis = 0; axis < CLCONV_SPATIAL_AXES; axis++) {
        size_t whole = p->input[axis] + p->dilation[axis] * (p->kernel[axis] - 1);
        size_t pads = p->pad_begin[axis] + p->pad_end[axis];
        if (pads >= whole)
            return cli_fail(r->command, "pads of %zu leave nothing of an input", pads);
        p->input[axis] = whole - pads;
    }
    return CLI_OK;
}

static int set_weights_extents(run_problem *r, const run_options *o, const npy_array *input,
                               const npy_array *output) {
    const size_t *shape = o->input_shape.count ? o->input_shape.values : input->shape;
    size_t rank = o->input_shape.count ? o->input_shape.count : input->rank;
    clconv_problem *p = &r->problem;
    size_t all[CLCONV_TENSOR_AXES];
    int code = set_rank(r, "input", o->input, rank, "output", o->output, output->rank);

    if (code)
        return code;
    spread_activations(all, r, shape, rank);
    p->batch = all[CLCONV_AXIS_N];
    p->in_channels = all[CLCONV_AXIS_C];
    memcpy(p->input, all + CLCONV_AXIS_D, sizeof p->input);
    spread_activations(all, r, output->shape, output->rank);
    p->out_channels = all[CLCONV_AXIS_C];
    memcpy(p->kernel, all + CLCONV_AXIS_D, sizeof p->kernel); /* kept here as the input above */
    return CLI_OK;
}

static int finish_weights_extents(run_problem *r, const run_options *o) {
    clconv_problem *p = &r->problem;
    int code = check_open(r, o, "kernel");

    if (code || o->extents.count)
        return code ? code : set_axes(r, p->kernel, &o->extents, "extents");
    for (int axis = 0; axis < CLCONV_SPATIAL_AXES; axis++) {
        size_t padded = p->input[axis] + p->pad_begin[axis] + p->pad_end[axis];
        size_t output = p->kernel[axis], steps = padded - output;
        if (output > padded || steps % p->dilation[axis])
            return cli_fail(r->command, "no kernel leads from %zu padded inputs to %zu outputs",
                            padded, output);
        p->kernel[axis] = steps / p->dilation[axis] + 1;
    }
    return CLI_OK;
}

/* Whether the output that was read is the one that the problem has. */
static int check_output(const run_problem *r, const run_options *o, const npy_array *output) {
    size_t all[CLCONV_TENSOR_AXES], expected[CLCONV_SPATIAL_AXES];
    clconv_status status = clconv_problem_output(expected, &r->problem);

    if (status)
        return cli_fail_status(r->command, status);
    spread_activations(all, r, output->shape, output->rank);
    for (int axis = 0; axis < CLCONV_SPATIAL_AXES; axis++)
        if (!r->output_view && all[CLCONV_AXIS_D + axis] != expected[axis])
            return cli_fail(r->command, "output '%s' has the extent %zu where the problem has %zu",
                            o->output, all[CLCONV_AXIS_D + axis], expected[axis]);
    return CLI_OK;
}

static int set_name(run_problem *r, const run_options *o) {
    const size_t length = o->name ? strlen(o->name) : 0;

    if (length >= sizeof r->problem.name) {
        return cli_fail(r->command, "option '--name' has %zu bytes, but at most %zu fit", length,
                        sizeof r->problem.name - 1);
    }
    memcpy(r->problem.name, o->name ? o->name : "", length);
    return CLI_OK;
}

static int set_files(run_problem *r, const run_options *o, const npy_array *input,
                     const npy_array *weights, const npy_array *output) {
    if (r->problem.direction == CLCONV_BACKWARD_DATA)
        return set_data_extents(r, o, weights, output);
    if (r->problem.direction == CLCONV_BACKWARD_WEIGHTS)
        return set_weights_extents(r, o, input, output);
    return set_extents(r, o, input, weights);
}

/* What strides and pads must be known for. */
static int finish_extents(run_problem *r, const run_options *o) {
    if (r->problem.direction == CLCONV_BACKWARD_DATA)
        return finish_data_extents(r, o);
    if (r->problem.direction == CLCONV_BACKWARD_WEIGHTS)
        return finish_weights_extents(r, o);
    if (o->extents.count)
        return cli_fail(r->command, "--extents is for the directions backward_data and "
                                    "backward_weights");
    return CLI_OK;
}

int run_problem_set(run_problem *r, const char *command, const run_options *o,
                    const npy_array *input, const npy_array *weights, const npy_array *output) {
    clconv_problem *p = &r->problem;
    const bool reads_output =
        o->direction == CLCONV_BACKWARD_DATA || o->direction == CLCONV_BACKWARD_WEIGHTS;
    const npy_array *first = o->direction == CLCONV_BACKWARD_DATA ? output : input;
    clconv_status status;
    int code;

    *r = (run_problem){.command = command, .problem = CLCONV_PROBLEM_INIT};
    p->direction = (clconv_direction)o->direction;
    p->groups = (size_t)o->groups;
    p->mode = (clconv_mode)o->mode;
    p->layout = (clconv_layout)o->layout;
    p->weights_layout = (clconv_weights_layout)o->weights_layout;
    p->alpha = o->alpha;
    p->beta = o->beta;
    p->has_bias = o->bias != NULL;
    p->has_residual = o->residual != NULL;
    if ((code = set_type(r, o, first->type)) || (code = set_files(r, o, input, weights, output)) ||
        (code = set_axes(r, p->stride, &o->stride, "stride")) ||
        (code = set_axes(r, p->dilation, &o->dilation, "dilation")) ||
        (code = set_axes(r, p->output_padding, &o->output_padding, "output-padding")) ||
        (reads_output && o->padding >= 0 && (code = finish_extents(r, o))) ||
        (code = set_pads(r, o)) || (code = finish_extents(r, o)) || (code = set_activation(r, o)) ||
        (code = set_zero_points(r, o)) || (code = set_views(r, o)) || (code = set_name(r, o)))
        return code;
    status = clconv_problem_validate(p);
    if (status)
        return cli_fail_status(r->command, status);
    return reads_output ? check_output(r, o, output) : CLI_OK;
}

bool run_problem_is_view(const run_problem *r, clconv_tensor tensor) {
    return tensor == CLCONV_INPUT
               ? r->input_view
               : r->output_view && (tensor == CLCONV_OUTPUT || tensor == CLCONV_RESIDUAL);
}

size_t run_problem_extents(size_t extents[NPY_MAX_RANK], const run_problem *r,
                           clconv_tensor tensor) {
    size_t count;

    if (run_problem_is_view(r, tensor))
        return clconv_tensor_elements(extents, &r->problem, tensor) ? 0 : 1;
    count = cli_tensor_extents(extents, &r->problem, tensor, r->axes);
    if (r->bare && count > 2) {
        memmove(extents, extents + 2, 2 * sizeof extents[0]);
        return 2;
    }
    return count;
}
