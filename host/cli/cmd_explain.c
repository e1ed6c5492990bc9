#include "args.h"
#include "cli.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

typedef struct options {
    const char *device;
    const char *algo;
    bool tf32;
    bool json;
} options;

static const args_option option_table[] = {
    ARGS_OPTION(options, device, "device", "SELECTOR", CLI_DEVICE_HELP),
    ARGS_OPTION(options, algo, "algo", "NAME", CLI_ALGO_HELP),
    ARGS_OPTION(options, tf32, "tf32", NULL, CLI_TF32_HELP),
    ARGS_OPTION(options, json, "json", NULL, CLI_JSON_HELP),
};

static const args_spec spec = {
    .command = "explain",
    .positional = "PROBLEM",
    .positional_min = 1,
    .positional_max = 1,
    .description =
        "Says what a problem computes, which algorithm a device would use for it and with how\n"
        "much workspace, and for every other algorithm of its direction the estimated time or why\n"
        "it refuses.\n"
        "'clconv help problem' tells how a problem is written.\n",
    ARGS_TABLE(option_table),
};

/* What one algorithm says. */
typedef struct answer {
    const char *name;
    char refusal[CLCONV_REFUSAL_SIZE];
    double seconds;
    bool chosen;
} answer;

typedef struct explanation {
    clconv_problem problem;
    char text[CLCONV_PROBLEM_TEXT_SIZE];
    clconv_device *device;
    clconv_device_info info;
    clconv_plan *plan;
    answer *answers;
    size_t count;
    size_t axes;
} explanation;

static clconv_status ask_algorithms(explanation *e, const options *o) {
    const char *chosen = clconv_plan_algorithm(e->plan);

    e->answers = calloc(clconv_algorithm_count() + 1, sizeof *e->answers);
    if (!e->answers)
        return CLCONV_OUT_OF_MEMORY;
    for (size_t i = 0; i < clconv_algorithm_count(); i++) {
        answer *a = &e->answers[e->count];
        clconv_status status;
        a->name = clconv_algorithm_name(i);
        if (!clconv_algorithm_computes(a->name, e->problem.direction))
            continue;
        e->count++;
        a->chosen = !strcmp(a->name, chosen);
        status = clconv_algorithm_check(a->refusal, &a->seconds, e->device, &e->problem, a->name);
        if (status && status != CLCONV_UNSUPPORTED)
            return status;
        if (!status && !o->tf32 && !a->chosen && clconv_algorithm_rounds(a->name))
            strcpy(a->refusal, "it rounds its operands to tf32, which --tf32 allows");
    }
    return CLCONV_OK;
}

static int investigate(explanation *e, const options *o, const char *text) {
    clconv_plan_options plan_options = CLCONV_PLAN_OPTIONS_INIT;
    clconv_status status;

    plan_options.algorithm = o->algo;
    plan_options.allow_tf32 = o->tf32;
    if ((status = clconv_problem_parse(&e->problem, text)) ||
        (status = clconv_problem_format(e->text, sizeof e->text, &e->problem)) ||
        (status = clconv_device_open(&e->device, o->device)) ||
        (status = clconv_device_get_info(&e->info, e->device)) ||
        (status = clconv_plan_create(&e->plan, e->device, &e->problem, &plan_options)) ||
        (status = ask_algorithms(e, o)))
        return cli_fail_status(spec.command, status);
    e->axes = cli_spatial_axes(&e->problem);
    return CLI_OK;
}

/* A forward 1x1 kernel that visits every pixel once. */
static bool is_matrix_product(const clconv_problem *p) {
    if (p->direction != CLCONV_FORWARD)
        return false;
    for (int axis = 0; axis < CLCONV_SPATIAL_AXES; axis++)
        if (p->kernel[axis] != 1 || p->stride[axis] != 1 || p->pad_begin[axis] ||
            p->pad_end[axis] || p->output_padding[axis])
            return false;
    return true;
}

static void format_matrix_product(char *text, size_t size, const clconv_problem *p) {
    size_t pixels = p->batch * p->input[CLCONV_D] * p->input[CLCONV_H] * p->input[CLCONV_W];

    snprintf(text, size,
             "a 1x1 kernel is a matrix product over channels, a fully connected layer for every"
             " pixel: %zux%zu times %zux%zu%s",
             p->out_channels / p->groups, p->in_channels / p->groups, p->in_channels / p->groups,
             pixels, p->groups > 1 ? ", once for each group" : "");
}

/* ---- text ------------------------------------------------------------------------------------ */

static int print_tensor(const explanation *e, const char *label, clconv_tensor tensor) {
    size_t extents[CLCONV_TENSOR_AXES];
    char shape[CLI_TEXT_SIZE];
    size_t count = cli_tensor_extents(extents, &e->problem, tensor, e->axes);

    if (!count)
        return cli_fail_status(spec.command, CLCONV_INVALID_PROBLEM);
    cli_format_shape(shape, extents, count);
    printf("%-10s %s %s\n", label, shape, cli_type_name(clconv_tensor_type(&e->problem, tensor)));
    return CLI_OK;
}

static int print_facts(const explanation *e) {
    char text[CLI_TEXT_SIZE * 2];
    int code;

    printf("%-10s %s\n", "problem", e->text);
    printf("%-10s %s %s (%s)\n", "device", e->info.selector, e->info.name,
           cli_kind_name(e->info.kind));
    if (e->info.note[0])
        printf("%-10s %s\n", "", e->info.note);
    if ((code = print_tensor(e, "input", CLCONV_INPUT)) ||
        (code = print_tensor(e, "weights", CLCONV_WEIGHTS)) ||
        (code = print_tensor(e, "output", CLCONV_OUTPUT)))
        return code;
    cli_format_flops(text, clconv_problem_flops(&e->problem));
    printf("%-10s %s\n", "work", text);
    if (is_matrix_product(&e->problem)) {
        format_matrix_product(text, sizeof text, &e->problem);
        printf("%-10s %s\n", "meaning", text);
    }
    cli_format_bytes(text, clconv_plan_workspace_size(e->plan));
    printf("%-10s %s, %s of workspace\n", "algorithm", clconv_plan_algorithm(e->plan), text);
    printf("%-10s %s\n\n", "because", clconv_plan_reason(e->plan));
    return CLI_OK;
}

static int print_answers(const explanation *e) {
    enum { COLUMNS = 3 };
    const char **cells = calloc((e->count + 1) * COLUMNS, sizeof *cells);
    char(*times)[CLI_TEXT_SIZE] = calloc(e->count + 1, sizeof *times);
    int code = CLI_OK;

    if (!cells || !times) {
        code = cli_fail(spec.command, "out of memory");
        goto done;
    }
    cells[0] = "ALGORITHM";
    cells[1] = "ESTIMATE";
    cells[2] = "";
    for (size_t i = 0; i < e->count; i++) {
        const answer *a = &e->answers[i];
        const char **row = cells + (i + 1) * COLUMNS;
        cli_format_seconds(times[i], a->seconds);
        row[0] = a->name;
        row[1] = a->refusal[0] ? "-" : times[i];
        row[2] = a->chosen ? "chosen" : a->refusal;
    }
    cli_print_table(cells, e->count + 1, "lrl");
done:
    free(times);
    free(cells);
    return code;
}

static int print_text(const explanation *e) {
    int code = print_facts(e);

    return code ? code : print_answers(e);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static cJSON *answers_json(const explanation *e) {
    cJSON *array = cJSON_CreateArray();

    for (size_t i = 0; i < e->count; i++) {
        const answer *a = &e->answers[i];
        cJSON *object = cJSON_CreateObject();
        cJSON_AddStringToObject(object, "algorithm", a->name);
        cJSON_AddBoolToObject(object, "chosen", a->chosen);
        if (a->refusal[0])
            cJSON_AddStringToObject(object, "refusal", a->refusal);
        else
            cJSON_AddNumberToObject(object, "estimate_seconds", a->seconds);
        cJSON_AddItemToArray(array, object);
    }
    return array;
}

static void add_shape(cJSON *object, const char *name, const explanation *e, clconv_tensor tensor) {
    size_t extents[CLCONV_TENSOR_AXES];
    size_t count = cli_tensor_extents(extents, &e->problem, tensor, e->axes);

    cJSON_AddItemToObject(object, name, cli_json_sizes(extents, count));
}

static int print_json(const explanation *e) {
    cJSON *object = cJSON_CreateObject();

    cJSON_AddStringToObject(object, "problem", e->text);
    cJSON_AddStringToObject(object, "device", e->info.selector);
    cJSON_AddStringToObject(object, "device_name", e->info.name);
    cJSON_AddStringToObject(object, "note", e->info.note);
    add_shape(object, "input_shape", e, CLCONV_INPUT);
    add_shape(object, "weights_shape", e, CLCONV_WEIGHTS);
    add_shape(object, "output_shape", e, CLCONV_OUTPUT);
    cJSON_AddNumberToObject(object, "flops", clconv_problem_flops(&e->problem));
    cJSON_AddBoolToObject(object, "matrix_product", is_matrix_product(&e->problem));
    cJSON_AddStringToObject(object, "algorithm", clconv_plan_algorithm(e->plan));
    cJSON_AddStringToObject(object, "reason", clconv_plan_reason(e->plan));
    cJSON_AddNumberToObject(object, "workspace_size", (double)clconv_plan_workspace_size(e->plan));
    cJSON_AddItemToObject(object, "algorithms", answers_json(e));
    return cli_print_json(spec.command, object);
}

int cmd_explain(int argc, char **argv) {
    options o = {0};
    explanation e = {.device = NULL};
    int code = args_parse(&o, &spec, &argc, argv);

    if (code != ARGS_GO_ON)
        return code;
    if (!(code = investigate(&e, &o, argv[1])))
        code = o.json ? print_json(&e) : print_text(&e);
    free(e.answers);
    clconv_plan_destroy(e.plan);
    clconv_device_destroy(e.device);
    return code;
}
