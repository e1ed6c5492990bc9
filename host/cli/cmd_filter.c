#include "args.h"
#include "cli.h"
#include "npy.h"
#include "outfile.h"
#include "picture.h"
#include "tensor_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct options {
    const char *kernel;
    const char *device;
    const char *algo;
} options;

static const args_option option_table[] = {
    ARGS_OPTION(options, kernel, "kernel", "KERNEL",
                "sobel-x, sobel-y, edges, box, gaussian, sharpen, emboss,\n"
                "or a .npy file that holds H,W numbers"),
    ARGS_OPTION(options, device, "device", "SELECTOR", CLI_DEVICE_HELP),
    ARGS_OPTION(options, algo, "algo", "NAME", CLI_ALGO_HELP),
};

static const args_spec spec = {
    .command = "filter",
    .positional = "IN.png OUT.png",
    .positional_min = 2,
    .positional_max = 2,
    .description =
        "Filters a picture. --kernel is required. Every colour is a channel that is filtered for\n"
        "itself; alpha is kept as it is. The output has the size of the input: beyond the edge\n"
        "the picture is black. The kernel is not flipped.\n",
    ARGS_TABLE(option_table),
    .epilogue = "kernels:\n"
                "  sobel-x    vertical edges: 3x3 horizontal derivative, absolute value\n"
                "  sobel-y    horizontal edges: 3x3 vertical derivative, absolute value\n"
                "  edges      all edges: 3x3 Laplacian, absolute value\n"
                "  box        3x3 mean\n"
                "  gaussian   5x5 binomial blur\n"
                "  sharpen    3x3\n"
                "  emboss     3x3, lit from above left\n"
                "  FILE.npy   numbers as they are, of type f2, f4 or f8\n"
                "\n"
                "Results are rounded and limited to 0..255, the samples of the file.\n"
                "\n"
                "example:\n"
                "  clconv filter photo.png edges.png --kernel edges\n",
};

enum { KERNEL_MAX = 25 };

/* A kernel by name; its numbers are divided by the divisor. */
typedef struct kernel_row {
    const char *name;
    size_t extent;
    float divisor;
    bool absolute; /* show how large results are, whatever their sign */
    float values[KERNEL_MAX];
} kernel_row;

static const kernel_row kernels[] = {
    {"sobel-x", 3, 1, true, {-1, 0, 1, -2, 0, 2, -1, 0, 1}},
    {"sobel-y", 3, 1, true, {-1, -2, -1, 0, 0, 0, 1, 2, 1}},
    {"edges", 3, 1, true, {-1, -1, -1, -1, 8, -1, -1, -1, -1}},
    {"box", 3, 9, false, {1, 1, 1, 1, 1, 1, 1, 1, 1}},
    {"gaussian", 5, 256, false, {1,  4, 6, 4,  1,  4,  16, 24, 16, 4, 6, 24, 36,
                                 24, 6, 4, 16, 24, 16, 4,  1,  4,  6, 4, 1}},
    {"sharpen", 3, 1, false, {0, -1, 0, -1, 5, -1, 0, -1, 0}},
    {"emboss", 3, 1, false, {-2, -1, 0, -1, 1, 1, 0, 1, 2}},
};

/* Everything that one filtering owns. */
typedef struct job {
    picture picture;
    npy_array kernel; /* H,W of f4 */
    bool absolute;
    size_t channels; /* colours, without alpha */
    clconv_problem problem;
    float *planes;
    float *weights;
    float *results;
    clconv_device *device;
    clconv_plan *plan;
} job;

/* ---- the kernel ------------------------------------------------------------------------------ */

static bool take_kernel(job *j, const kernel_row *row) {
    size_t count = row->extent * row->extent;
    float *values = calloc(count, sizeof *values);

    if (!values)
        return false;
    for (size_t i = 0; i < count; i++)
        values[i] = row->values[i] / row->divisor;
    j->absolute = row->absolute;
    j->kernel =
        (npy_array){.data = values, .type = NPY_F4, .rank = 2, .shape = {row->extent, row->extent}};
    return true;
}

static int read_kernel(job *j, const char *path) {
    tensor_file file = {.role = "kernel", .path = path, .type = CLCONV_F32};
    char message[MESSAGE_SIZE];

    if (!npy_read(&file.array, path, message))
        return cli_fail(spec.command, "kernel %s", message);
    j->kernel = file.array;
    if (file.array.rank != 2) {
        return cli_fail(spec.command, "kernel '%s' has %zu axes, expected 2", path,
                        file.array.rank);
    }
    if (!tensor_file_fit(&file, &j->kernel, true, message))
        return cli_fail(spec.command, "%s", message);
    j->kernel = file.array;
    return CLI_OK;
}

static bool ends_in(const char *text, const char *end) {
    size_t length = strlen(text);

    return length >= strlen(end) && !strcmp(text + length - strlen(end), end);
}

static int choose_kernel(job *j, const char *name) {
    if (!name)
        return cli_fail(spec.command, "option '--kernel' is required");
    if (ends_in(name, ".npy"))
        return read_kernel(j, name);
    for (size_t i = 0; i < sizeof kernels / sizeof kernels[0]; i++)
        if (!strcmp(kernels[i].name, name))
            return take_kernel(j, &kernels[i]) ? CLI_OK : cli_fail(spec.command, "out of memory");
    return cli_fail(spec.command, "unknown kernel '%s'; 'clconv help filter' lists them", name);
}

/* ---- the picture ----------------------------------------------------------------------------- */

static int read_picture(job *j, const char *path) {
    char message[MESSAGE_SIZE];

    if (!picture_read(&j->picture, path, message))
        return cli_fail(spec.command, "%s", message);
    j->channels = j->picture.channels - (picture_has_alpha(&j->picture) ? 1 : 0);
    return CLI_OK;
}

/* Index of a sample of the picture for element i of the planes. */
static size_t sample_index(const job *j, size_t i) {
    size_t pixels = j->picture.width * j->picture.height;

    return i % pixels * j->picture.channels + i / pixels;
}

static int make_tensors(job *j) {
    size_t elements = j->picture.width * j->picture.height * j->channels;
    size_t taps = npy_elements(&j->kernel);

    j->planes = calloc(elements, sizeof *j->planes);
    j->results = calloc(elements, sizeof *j->results);
    j->weights = calloc(taps * j->channels, sizeof *j->weights);
    if (!j->planes || !j->results || !j->weights)
        return cli_fail(spec.command, "out of memory for %zu samples", elements);
    for (size_t i = 0; i < elements; i++)
        j->planes[i] = (float)j->picture.samples[sample_index(j, i)];
    for (size_t channel = 0; channel < j->channels; channel++)
        memcpy(j->weights + channel * taps, j->kernel.data, taps * sizeof *j->weights);
    return CLI_OK;
}

static void store_results(job *j) {
    size_t elements = j->picture.width * j->picture.height * j->channels;

    for (size_t i = 0; i < elements; i++) {
        float value = j->absolute ? fabsf(j->results[i]) : j->results[i];
        /* Written so that NaN, which a kernel in a file can make, becomes black. */
        value = value > 0 ? value : 0;
        value = value < 255 ? value : 255;
        j->picture.samples[sample_index(j, i)] = (unsigned char)lrintf(value);
    }
}

static int write_picture(const job *j, const char *path) {
    outfile out = {.stream = NULL};
    char message[MESSAGE_SIZE];

    if (!outfile_open(&out, path, message))
        return cli_fail(spec.command, "%s", message);
    if (!picture_write(out.stream, &j->picture, message)) {
        outfile_discard(&out);
        return cli_fail(spec.command, "'%s' cannot be written: %s", path, message);
    }
    if (!outfile_commit(&out, message))
        return cli_fail(spec.command, "%s", message);
    return CLI_OK;
}

/* ---- filtering ------------------------------------------------------------------------------- */

static int set_problem(job *j) {
    clconv_problem *p = &j->problem;
    clconv_status status;

    p->groups = p->in_channels = p->out_channels = j->channels;
    p->input[CLCONV_H] = j->picture.height;
    p->input[CLCONV_W] = j->picture.width;
    p->kernel[CLCONV_H] = j->kernel.shape[0];
    p->kernel[CLCONV_W] = j->kernel.shape[1];
    if ((status = clconv_problem_pad(p, CLCONV_SAME_UPPER)) ||
        (status = clconv_problem_validate(p)))
        return cli_fail_status(spec.command, status);
    return CLI_OK;
}

static int compute(job *j, const options *o) {
    clconv_plan_options plan_options = CLCONV_PLAN_OPTIONS_INIT;
    const clconv_host_tensors tensors = {
        .input = j->planes, .weights = j->weights, .output = j->results};
    clconv_status status;

    plan_options.algorithm = o->algo;
    if ((status = clconv_device_open(&j->device, o->device)) ||
        (status = clconv_plan_create(&j->plan, j->device, &j->problem, &plan_options)) ||
        (status = clconv_plan_run(j->plan, &tensors)))
        return cli_fail_status(spec.command, status);
    return CLI_OK;
}

static int report(job *j, const char *path) {
    clconv_device_info info;
    clconv_status status = clconv_device_get_info(&info, j->device);

    if (status)
        return cli_fail_status(spec.command, status);
    printf("%s: %zux%zu with %zu channel%s, %s on %s %s\n", path, j->picture.width,
           j->picture.height, j->picture.channels, j->picture.channels == 1 ? "" : "s",
           clconv_plan_algorithm(j->plan), info.selector, info.name);
    cli_print_note(&info);
    return CLI_OK;
}

static int filter(job *j, const options *o, const char *input, const char *output) {
    int code;

    if ((code = choose_kernel(j, o->kernel)) || (code = read_picture(j, input)) ||
        (code = set_problem(j)) || (code = make_tensors(j)) || (code = compute(j, o)))
        return code;
    store_results(j);
    code = write_picture(j, output);
    return code ? code : report(j, output);
}

int cmd_filter(int argc, char **argv) {
    options o = {0};
    job j = {.problem = CLCONV_PROBLEM_INIT};
    int code = args_parse(&o, &spec, &argc, argv);

    if (code != ARGS_GO_ON)
        return code;
    code = filter(&j, &o, argv[1], argv[2]);
    clconv_plan_destroy(j.plan);
    clconv_device_destroy(j.device);
    picture_free(&j.picture);
    npy_free(&j.kernel);
    free(j.planes);
    free(j.weights);
    free(j.results);
    return code;
}
