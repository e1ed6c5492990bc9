#define _POSIX_C_SOURCE 200809L /* clock_gettime() */

#include "args.h"
#include "cli.h"
#include "npy.h"
#include "outfile.h"
#include "run_problem.h"
#include "tensor_file.h"

#include <time.h>

/* The orders of the enumerations in clconv.h. */
static const char *const direction_names[] = {"forward", "backward_data", "backward_weights",
                                              "transposed", NULL};
static const char *const type_names[] = {"f32", "f64", "f16", "bf16", "s8", "u8", NULL};

static const args_option option_table[] = {
    ARGS_OPTION(run_options, input, "input", "X.npy",
                "N,C and one to three extents, or a single H,W"),
    ARGS_OPTION(run_options, weights, "weights", "W.npy", "O,I/groups and as many extents, or H,W"),
    ARGS_OPTION(run_options, bias, "bias", "B.npy", "one number per output channel"),
    ARGS_OPTION(run_options, residual, "residual", "R.npy",
                "shaped like the output; is added to it"),
    ARGS_OPTION(run_options, output, "output", "Y.npy", "is written, or replaced, only on success"),
    ARGS_ONE_OF(run_options, direction, "direction", direction_names,
                "what is computed: the output (default); the gradient of the\n"
                "input, or of weights and bias, from that in the place of the\n"
                "output, their files being written; or the output of a\n"
                "transposed convolution, whose weights are I,O/groups,..."),
    RUN_GEOMETRY_OPTIONS,
    ARGS_OPTION(run_options, output_padding, "output-padding", "P[,P...]",
                "added to the end of a transposed output (default 0)"),
    ARGS_OPTION(run_options, extents, "extents", "N[,N...]",
                "of the input, or of the kernel, whose gradient is computed:\n"
                "needed where a stride or --padding leaves them open"),
    ARGS_OPTION(run_options, activation, "activation", "NAME[:A[:B]]",
                "none, relu, clamp:MIN:MAX, leaky_relu:SLOPE, sigmoid, tanh,\n"
                "silu, gelu or hard_swish (default none)"),
    ARGS_OPTION(run_options, alpha, "alpha", "X", "factor of the sum (default 1)"),
    ARGS_OPTION(run_options, beta, "beta", "X",
                "factor of the old output or gradient (default 0), which is\n"
                "then read from the file that is written"),
    ARGS_ONE_OF(run_options, type, "type", type_names,
                "of the computation (default: that of the input). Arrays of\n"
                "other types are converted; bf16 results are written as f4"),
    RUN_LAYOUT_OPTIONS,
    ARGS_OPTION(run_options, zero_points, "zero-points", "X[,W]",
                "subtracted from 8-bit input and weights (default 0,0)"),
    ARGS_OPTION(run_options, input_shape, "input-shape", "N[,N...]",
                "extents of a view of the input, in the order of its axes"),
    ARGS_OPTION(run_options, input_strides, "input-strides", "N[,N...]",
                "elements from one to the next along each axis of that view:\n"
                "a crop or a slice of the numbers of the file, however shaped"),
    ARGS_OPTION(run_options, output_strides, "output-strides", "N[,N...]",
                "the same for output and residual, which are then files of\n"
                "one axis; what lies between is 0, or kept where beta is not 0"),
    ARGS_OPTION(run_options, name, "name", "TEXT", "a label for the problem, which --json prints"),
    ARGS_OPTION(run_options, device, "device", "SELECTOR", CLI_DEVICE_HELP),
    ARGS_OPTION(run_options, algo, "algo", "NAME", CLI_ALGO_HELP),
    ARGS_OPTION(run_options, tf32, "tf32", NULL, CLI_TF32_HELP),
    ARGS_OPTION(run_options, json, "json", NULL, CLI_JSON_HELP),
};

static const args_spec spec = {
    .command = "run",
    .description =
        "Convolves arrays in NumPy's .npy files. --input, --weights and --output are required.\n"
        "\n"
        "The rank of the input tells the axes: rank 3 is 1-D (N,C,W), rank 4 is 2-D (N,C,H,W),\n"
        "rank 5 is 3-D (N,C,D,H,W). Rank 2 is one picture of one channel with a kernel of rank 2.\n"
        "The types f2, f4, f8, i1 and u1 make a computation in f16, f32, f64, s8 and u8; the "
        "8-bit\n"
        "ones have i1 weights, and i4 bias and output. Lists of numbers are in the order of the\n"
        "axes.\n",
    ARGS_TABLE(option_table),
    .epilogue =
        "example:\n"
        "  clconv run --input x.npy --weights w.npy --output y.npy --stride 2,1 --pad 1,1\n",
};

/* Everything that one run owns. */
typedef struct job {
    const run_options *o;
    run_problem r;
    tensor_file files[CLCONV_OUTPUT + 1];
    clconv_device *device;
    clconv_device_info info;
    clconv_plan *plan;
    double seconds;
} job;

/* ---- tensors --------------------------------------------------------------------------------- */

/* Whether a tensor's file is written. */
static bool is_computed(const job *j, int which) {
    const clconv_problem problem = {.direction = (clconv_direction)j->o->direction,
                                    .has_bias = j->o->bias != NULL};

    return clconv_tensor_is_computed(&problem, (clconv_tensor)which) != 0;
}

/* The first of those; only the gradient of a bias comes behind another. */
static tensor_file *computed_file(job *j) {
    int which = 0;

    while (which < CLCONV_OUTPUT && !is_computed(j, which))
        which++;
    return &j->files[which];
}

static int read_files(job *j) {
    char message[MESSAGE_SIZE];

    for (int i = 0; i <= CLCONV_OUTPUT; i++) {
        tensor_file *file = &j->files[i];
        if (file->path && (!is_computed(j, i) || j->o->beta != 0) &&
            !npy_read(&file->array, file->path, message))
            return cli_fail(spec.command, "%s %s", file->role, message);
    }
    return CLI_OK;
}

/* The numbers behind a view are one row, whatever the shape of the file was. */
static bool fit_file(tensor_file *file, const npy_array *shape, bool is_view, bool rounding,
                     char *message) {
    npy_array row = {.rank = 1, .shape = {npy_elements(&file->array)}};

    if (!file->array.data)
        return tensor_file_create(file, shape, message);
    if (!is_view || row.shape[0] < shape->shape[0])
        return tensor_file_fit(file, shape, rounding, message);
    file->array.rank = 1;
    file->array.shape[0] = row.shape[0];
    return tensor_file_fit(file, &row, rounding, message);
}

/* Makes every array what the problem says it is, and gives the output memory. */
static int fit_files(job *j) {
    char message[MESSAGE_SIZE];

    for (int i = 0; i <= CLCONV_OUTPUT; i++) {
        clconv_tensor tensor = (clconv_tensor)i;
        tensor_file *file = &j->files[i];
        npy_array shape = {.rank = 0};
        if (!file->path)
            continue;
        file->type = clconv_tensor_type(&j->r.problem, tensor);
        shape.rank = run_problem_extents(shape.shape, &j->r, tensor);
        if (!shape.rank)
            return cli_fail_status(spec.command, CLCONV_INVALID_PROBLEM);
        if (!fit_file(file, &shape, run_problem_is_view(&j->r, tensor), j->o->type >= 0, message))
            return cli_fail(spec.command, "%s", message);
    }
    return CLI_OK;
}

static int write_file(tensor_file *file) {
    outfile out = {.stream = NULL};
    char message[MESSAGE_SIZE];

    if (!tensor_file_finish(file, message))
        return cli_fail(spec.command, "%s", message);
    if (!outfile_open(&out, file->path, message))
        return cli_fail(spec.command, "%s %s", file->role, message);
    npy_write(out.stream, &file->array);
    if (!outfile_commit(&out, message))
        return cli_fail(spec.command, "%s %s", file->role, message);
    return CLI_OK;
}

static int write_results(job *j) {
    int code = CLI_OK;

    for (int i = 0; i <= CLCONV_OUTPUT && !code; i++)
        if (j->files[i].path && is_computed(j, i))
            code = write_file(&j->files[i]);
    return code;
}

/* ---- running --------------------------------------------------------------------------------- */

static double now(void) {
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static int compute(job *j) {
    clconv_plan_options plan_options = CLCONV_PLAN_OPTIONS_INIT;
    const clconv_host_tensors tensors = {
        .input = j->files[CLCONV_INPUT].array.data,
        .weights = j->files[CLCONV_WEIGHTS].array.data,
        .bias = j->files[CLCONV_BIAS].array.data,
        .residual = j->files[CLCONV_RESIDUAL].array.data,
        .output = j->files[CLCONV_OUTPUT].array.data,
    };
    clconv_status status;
    double start;

    plan_options.algorithm = j->o->algo;
    plan_options.allow_tf32 = j->o->tf32;
    if ((status = clconv_device_open(&j->device, j->o->device)) ||
        (status = clconv_device_get_info(&j->info, j->device)) ||
        (status = clconv_plan_create(&j->plan, j->device, &j->r.problem, &plan_options)))
        return cli_fail_status(spec.command, status);
    start = now();
    status = clconv_plan_run(j->plan, &tensors);
    j->seconds = now() - start;
    return status ? cli_fail_status(spec.command, status) : CLI_OK;
}

static int report(job *j) {
    const tensor_file *file = computed_file(j);
    const npy_array *array = &file->array;
    char shape[CLI_TEXT_SIZE];
    char time[CLI_TEXT_SIZE];
    char problem[CLCONV_PROBLEM_TEXT_SIZE] = "";
    cJSON *object;

    if (!j->o->json) {
        cli_format_shape(shape, array->shape, array->rank);
        cli_format_seconds(time, j->seconds);
        printf("%s: %s %s, %s on %s %s, %s\n", file->path, shape, npy_type_name(array->type),
               clconv_plan_algorithm(j->plan), j->info.selector, j->info.name, time);
        cli_print_note(&j->info);
        return CLI_OK;
    }
    (void)clconv_problem_format(problem, sizeof problem, &j->r.problem);
    object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "problem", problem);
    cJSON_AddStringToObject(object, "output", file->path);
    cJSON_AddItemToObject(object, "shape", cli_json_sizes(array->shape, array->rank));
    cJSON_AddStringToObject(object, "type", npy_type_name(array->type));
    cJSON_AddStringToObject(object, "algorithm", clconv_plan_algorithm(j->plan));
    cJSON_AddStringToObject(object, "device", j->info.selector);
    cJSON_AddStringToObject(object, "device_name", j->info.name);
    cJSON_AddStringToObject(object, "note", j->info.note);
    cJSON_AddNumberToObject(object, "seconds", j->seconds);
    return cli_print_json(spec.command, object);
}

static int set_problem(job *j) {
    return run_problem_set(&j->r, spec.command, j->o, &j->files[CLCONV_INPUT].array,
                           &j->files[CLCONV_WEIGHTS].array, &j->files[CLCONV_OUTPUT].array);
}

static int check_required(const run_options *o) {
    const char *missing = !o->input     ? "input"
                          : !o->weights ? "weights"
                          : !o->output  ? "output"
                                        : "";

    return *missing ? cli_fail(spec.command, "option '--%s' is required", missing) : CLI_OK;
}

static void name_files(job *j, const run_options *o) {
    j->files[CLCONV_INPUT] = (tensor_file){.role = "input", .path = o->input};
    j->files[CLCONV_WEIGHTS] = (tensor_file){.role = "weights", .path = o->weights};
    j->files[CLCONV_BIAS] = (tensor_file){.role = "bias", .path = o->bias};
    j->files[CLCONV_RESIDUAL] = (tensor_file){.role = "residual", .path = o->residual};
    j->files[CLCONV_OUTPUT] = (tensor_file){.role = "output", .path = o->output};
}

int cmd_run(int argc, char **argv) {
    run_options o = {.groups = 1, .padding = -1, .alpha = 1, .type = -1};
    job j = {.o = &o};
    int code = args_parse(&o, &spec, &argc, argv);

    if (code != ARGS_GO_ON)
        return code;
    name_files(&j, &o);
    if ((code = check_required(&o)) || (code = read_files(&j)) || (code = set_problem(&j)) ||
        (code = fit_files(&j)) || (code = compute(&j)) || (code = write_results(&j)))
        goto done;
    code = report(&j);
done:
    clconv_plan_destroy(j.plan);
    clconv_device_destroy(j.device);
    for (int i = 0; i <= CLCONV_OUTPUT; i++)
        npy_free(&j.files[i].array);
    return code;
}
