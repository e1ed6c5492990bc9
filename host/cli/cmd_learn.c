#include "cli.h"
#include "fit.h"
#include "npy.h"
#include "outfile.h"
#include "run_problem.h"
#include "svg.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Those that `run` has, too, come first, so that their rows can be shared. */
typedef struct options {
    run_options layer; /* output is the target */
    args_sizes kernel;
    uint64_t steps;
    double rate; /* NaN where it was not given */
    uint64_t seed;
    bool bias;
    const char *output_weights;
    const char *output_bias;
    const char *plot;
} options;

static const args_option option_table[] = {
    ARGS_OPTION(options, layer.input, "input", "X.npy",
                "N,C and one to three extents, or a single H,W"),
    ARGS_OPTION(options, layer.output, "target", "Y.npy", "what the layer shall make of the input"),
    ARGS_OPTION(options, kernel, "kernel", "K[,K...]", "extents of the kernel"),
    RUN_GEOMETRY_OPTIONS,
    RUN_LAYOUT_OPTIONS,
    ARGS_OPTION(options, bias, "bias", NULL, "learn one number per output channel, too"),
    ARGS_OPTION(options, steps, "steps", "N", "of gradient descent (default 100)"),
    ARGS_OPTION(options, rate, "rate", "R",
                "factor of the gradient in each step (default: whatever makes\n"
                "the loss smallest, found anew in each step)"),
    ARGS_OPTION(options, seed, "seed", "S", "of the random start (default 1)"),
    ARGS_OPTION(options, output_weights, "output-weights", "W.npy",
                "is written, or replaced, only on success"),
    ARGS_OPTION(options, output_bias, "output-bias", "B.npy", "the same for the bias"),
    ARGS_OPTION(options, plot, "plot", "LOSS.svg", "draw the loss over the steps"),
    ARGS_OPTION(options, layer.device, "device", "SELECTOR", CLI_DEVICE_HELP),
    ARGS_OPTION(options, layer.json, "json", NULL, CLI_JSON_HELP),
};

static const args_spec spec = {
    .command = "learn",
    .description =
        "Learns the kernel of one convolution from an input and a target, by gradient descent on\n"
        "half the sum of the squared differences between what the convolution makes of the input\n"
        "and the target. --input, --target and --kernel are required; both files hold f4. The\n"
        "axes are those of the command run.\n",
    ARGS_TABLE(option_table),
    .epilogue = "example:\n"
                "  clconv learn --input x.npy --target y.npy --kernel 1,2 --output-weights w.npy\n",
};

enum { MOST_SHOWN = 256 }; /* weights that are printed */

/* Everything that one call owns. */
typedef struct job {
    const options *o;
    npy_array input, target;
    run_problem r;
    clconv_device *device;
    clconv_device_info info;
    fit f;
    double *losses; /* before the first step and after each */
    size_t count;
} job;

/* ---- input ----------------------------------------------------------------------------------- */

static int check_options(const options *o) {
    const char *missing = !o->layer.input    ? "input"
                          : !o->layer.output ? "target"
                          : !o->kernel.count ? "kernel"
                                             : "";

    if (*missing)
        return cli_fail(spec.command, "option '--%s' is required", missing);
    if (!o->steps)
        return cli_fail(spec.command, "option '--steps' has the value 0, expected at least 1");
    if (o->rate <= 0 || isinf(o->rate))
        return cli_fail(spec.command, "option '--rate' has the value %g, expected a positive one",
                        o->rate);
    if (o->output_bias && !o->bias)
        return cli_fail(spec.command, "--output-bias needs --bias");
    return CLI_OK;
}

static int read_file(npy_array *array, const char *role, const char *path) {
    char message[MESSAGE_SIZE];

    if (!npy_read(array, path, message))
        return cli_fail(spec.command, "%s %s", role, message);
    if (array->type != NPY_F4)
        return cli_fail(spec.command, "%s '%s' has elements of type %s, expected f4", role, path,
                        npy_type_name(array->type));
    return CLI_OK;
}

/* The shape that a file of the weights would have, so far as a problem is made of it. */
static int shape_weights(npy_array *weights, const job *j) {
    const options *o = j->o;
    const size_t rank = j->input.rank;
    const size_t axes = rank < 3 ? rank : rank - 2;
    const size_t first = rank < 3 ? 0 : o->layer.weights_layout == CLCONV_OHWI ? 1 : 2;

    if (o->kernel.count != 1 && o->kernel.count != axes)
        return cli_fail(spec.command, "option '--kernel' has %zu numbers, expected 1 or %zu",
                        o->kernel.count, axes);
    weights->rank = rank;
    weights->shape[0] = j->target.shape[o->layer.layout == CLCONV_NHWC ? rank - 1 : 1];
    for (size_t i = 0; i < axes; i++)
        weights->shape[first + i] = o->kernel.values[o->kernel.count == 1 ? 0 : i];
    return CLI_OK;
}

static int check_target(const job *j) {
    npy_array made = {.rank = run_problem_extents(made.shape, &j->r, CLCONV_OUTPUT)};
    const size_t *kernel = j->r.problem.kernel + CLCONV_SPATIAL_AXES - j->r.axes;
    char texts[4][CLI_TEXT_SIZE];

    if (made.rank == j->target.rank &&
        !memcmp(made.shape, j->target.shape, made.rank * sizeof made.shape[0]))
        return CLI_OK;
    cli_format_shape(texts[0], j->target.shape, j->target.rank);
    cli_format_shape(texts[1], j->input.shape, j->input.rank);
    cli_format_shape(texts[2], kernel, j->r.axes);
    cli_format_shape(texts[3], made.shape, made.rank);
    return cli_fail(spec.command,
                    "target '%s' has the shape %s, but input '%s' of shape %s and a kernel of %s "
                    "make %s",
                    j->o->layer.output, texts[0], j->o->layer.input, texts[1], texts[2], texts[3]);
}

static int set_problem(job *j) {
    const options *o = j->o;
    npy_array weights = {.rank = 0};
    int code;

    if (j->input.rank < 2 || j->input.rank > CLCONV_TENSOR_AXES || j->target.rank != j->input.rank)
        return cli_fail(spec.command,
                        "input '%s' has %zu axes and target '%s' has %zu, expected the same "
                        "number, 2 to 5",
                        o->layer.input, j->input.rank, o->layer.output, j->target.rank);
    if ((code = shape_weights(&weights, j)) ||
        (code = run_problem_set(&j->r, spec.command, &o->layer, &j->input, &weights, &j->target)))
        return code;
    j->r.problem.has_bias = o->bias;
    return check_target(j);
}

/* ---- learning -------------------------------------------------------------------------------- */

static int fail_learning(const job *j, clconv_status status) {
    if (status == CLCONV_OUT_OF_MEMORY)
        return cli_fail(spec.command, "out of memory for %" PRIu64 " steps", j->o->steps);
    return cli_fail_status(spec.command, status);
}

/* A loss that is no number, or larger than without any step, is no result. */
static int check_loss(const job *j) {
    const double first = j->losses[0], last = j->losses[j->count - 1];

    if (!isfinite(first))
        return cli_fail(spec.command,
                        "the loss is %g before the first step: input '%s' or target '%s' has "
                        "elements that are too large or no numbers",
                        fabs(first), j->o->layer.input, j->o->layer.output);
    if (!isfinite(last) || last > first)
        return cli_fail(spec.command,
                        "the loss diverges: it is %g after step %zu, and was %g before the first; "
                        "option '--rate' needs a smaller value than %g",
                        fabs(last), j->count - 1, first, j->o->rate); /* fabs(): NaN has a sign */
    return CLI_OK;
}

static void show_progress(const job *j) {
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[K[%zu/%" PRIu64 "] loss %.6g", j->count - 1, j->o->steps,
                j->losses[j->count - 1]);
}

static clconv_status take_steps(job *j) {
    clconv_status status = CLCONV_OK;

    j->losses[j->count++] = j->f.loss;
    while (j->count <= j->o->steps && isfinite(j->f.loss) && !j->f.is_settled && !status) {
        if ((status = fit_step(&j->f, isnan(j->o->rate) ? 0 : j->o->rate)))
            break;
        j->losses[j->count++] = j->f.loss;
        show_progress(j);
    }
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
    return status;
}

static int learn(job *j) {
    clconv_status status;

    if (j->o->steps < SIZE_MAX / sizeof *j->losses)
        j->losses = malloc((size_t)(j->o->steps + 1) * sizeof *j->losses);
    if (!j->losses)
        return fail_learning(j, CLCONV_OUT_OF_MEMORY);
    if ((status = clconv_device_open(&j->device, j->o->layer.device)) ||
        (status = clconv_device_get_info(&j->info, j->device)) ||
        (status = fit_begin(&j->f, j->device, &j->r.problem, j->input.data, j->target.data,
                            j->o->seed)) ||
        (status = take_steps(j)))
        return fail_learning(j, status);
    return check_loss(j);
}

/* ---- results --------------------------------------------------------------------------------- */

static int write_array(const job *j, const char *path, clconv_tensor tensor, float *values) {
    npy_array array = {.data = values, .type = NPY_F4};
    outfile out = {.stream = NULL};
    char message[MESSAGE_SIZE];

    if (!path)
        return CLI_OK;
    array.rank = run_problem_extents(array.shape, &j->r, tensor);
    if (!outfile_open(&out, path, message))
        return cli_fail(spec.command, "%s", message);
    npy_write(out.stream, &array);
    return outfile_commit(&out, message) ? CLI_OK : cli_fail(spec.command, "%s", message);
}

/* The loss over the steps; a loss of 0 has no place on a scale of decades and lies at its end. */
static void draw(FILE *f, const job *j) {
    double least = j->losses[0], most = j->losses[0];
    svg_scale x = {0, fmax(1, (double)(j->count - 1)), SVG_LEFT, SVG_WIDTH - SVG_RIGHT, true};
    svg_scale y = {0, 1, SVG_HEIGHT - SVG_BOTTOM, SVG_TOP, false};

    for (size_t i = 0; i < j->count; i++) {
        most = fmax(most, j->losses[i]);
        if (j->losses[i] > 0)
            least = fmin(least, j->losses[i]);
    }
    if (most > 0) {
        y.first = floor(log10(least));
        y.last = fmax(y.first + 1, ceil(log10(most)));
    }
    svg_begin_file(f, "the loss over the steps");
    svg_axes(f, &x, &y, "step", "loss");
    svg_curve(f, 0, &x, &y, NULL, j->losses, j->count);
    svg_end(f);
}

static int write_plot(const job *j) {
    outfile out = {.stream = NULL};
    char message[MESSAGE_SIZE];

    if (!j->o->plot)
        return CLI_OK;
    if (!outfile_open(&out, j->o->plot, message))
        return cli_fail(spec.command, "%s", message);
    draw(out.stream, j);
    return outfile_commit(&out, message) ? CLI_OK : cli_fail(spec.command, "%s", message);
}

static void print_plane(const job *j, const size_t *stride, size_t first) {
    const size_t *kernel = j->r.problem.kernel;

    for (size_t d = 0; d < kernel[CLCONV_D]; d++)
        for (size_t h = 0; h < kernel[CLCONV_H]; h++) {
            for (size_t w = 0; w < kernel[CLCONV_W]; w++)
                printf(" %11.5g",
                       (double)j->f.weights[first + d * stride[CLCONV_AXIS_D] +
                                            h * stride[CLCONV_AXIS_H] + w * stride[CLCONV_AXIS_W]]);
            printf("\n");
        }
}

/* One plane after the other, with its output and input channel where there are several. */
static void print_weights(const job *j) {
    size_t extent[CLCONV_TENSOR_AXES], stride[CLCONV_TENSOR_AXES];

    if (clconv_tensor_shape(extent, stride, &j->r.problem, CLCONV_WEIGHTS))
        return;
    for (size_t o = 0; o < extent[0]; o++)
        for (size_t i = 0; i < extent[1]; i++) {
            if (extent[0] * extent[1] > 1)
                printf("weights [%zu][%zu]\n", o, i);
            else
                printf("weights\n");
            print_plane(j, stride, o * stride[0] + i * stride[1]);
        }
}

static int report_text(const job *j) {
    printf("loss %.6g before the first step, %.6g after step %zu; largest difference %.3g\n",
           j->losses[0], j->f.loss, j->count - 1, j->f.worst);
    printf("%s and %s on %s %s\n", clconv_plan_algorithm(j->f.forward),
           clconv_plan_algorithm(j->f.gradient), j->info.selector, j->info.name);
    cli_print_note(&j->info);
    if (j->f.weight_count + j->f.bias_count > MOST_SHOWN) {
        printf("%zu weights\n", j->f.weight_count);
        return CLI_OK;
    }
    print_weights(j);
    for (size_t i = 0; i < j->f.bias_count; i++)
        printf("%s %11.5g%s", i ? "" : "bias\n", (double)j->f.bias[i],
               i + 1 < j->f.bias_count ? "" : "\n");
    return CLI_OK;
}

static int report_json(const job *j) {
    cJSON *object = cJSON_CreateObject();
    char problem[CLCONV_PROBLEM_TEXT_SIZE] = "";
    size_t shape[NPY_MAX_RANK];
    size_t rank = run_problem_extents(shape, &j->r, CLCONV_WEIGHTS);

    (void)clconv_problem_format(problem, sizeof problem, &j->r.problem);
    cJSON_AddStringToObject(object, "problem", problem);
    cJSON_AddStringToObject(object, "device", j->info.selector);
    cJSON_AddStringToObject(object, "device_name", j->info.name);
    cJSON_AddStringToObject(object, "note", j->info.note);
    cJSON_AddStringToObject(object, "algorithm", clconv_plan_algorithm(j->f.forward));
    cJSON_AddStringToObject(object, "gradient_algorithm", clconv_plan_algorithm(j->f.gradient));
    cJSON_AddNumberToObject(object, "steps", (double)(j->count - 1));
    cJSON_AddItemToObject(object, "losses", cJSON_CreateDoubleArray(j->losses, (int)j->count));
    cJSON_AddNumberToObject(object, "largest_difference", j->f.worst);
    cJSON_AddItemToObject(object, "shape", cli_json_sizes(shape, rank));
    cJSON_AddItemToObject(object, "weights",
                          cJSON_CreateFloatArray(j->f.weights, (int)j->f.weight_count));
    if (j->o->bias)
        cJSON_AddItemToObject(object, "bias",
                              cJSON_CreateFloatArray(j->f.bias, (int)j->f.bias_count));
    return cli_print_json(spec.command, object);
}

int cmd_learn(int argc, char **argv) {
    options o = {.layer = {.groups = 1, .padding = -1, .alpha = 1, .type = -1},
                 .steps = 100,
                 .rate = NAN,
                 .seed = 1};
    job j = {.o = &o};
    int code = args_parse(&o, &spec, &argc, argv);

    if (code != ARGS_GO_ON)
        return code;
    if ((code = check_options(&o)) || (code = read_file(&j.input, "input", o.layer.input)) ||
        (code = read_file(&j.target, "target", o.layer.output)) || (code = set_problem(&j)) ||
        (code = learn(&j)) ||
        (code = write_array(&j, o.output_weights, CLCONV_WEIGHTS, j.f.weights)) ||
        (code = write_array(&j, o.output_bias, CLCONV_BIAS, j.f.bias)) || (code = write_plot(&j)))
        goto done;
    code = o.layer.json ? report_json(&j) : report_text(&j);
done:
    fit_end(&j.f);
    clconv_device_destroy(j.device);
    npy_free(&j.input);
    npy_free(&j.target);
    free(j.losses);
    return code;
}
