#include "args.h"
#include "cli.h"

#include <stdbool.h>
#include <stdlib.h>

typedef struct options {
    bool json;
} options;

static const args_option option_table[] = {
    ARGS_OPTION(options, json, "json", NULL, CLI_JSON_HELP),
};

static const args_spec spec = {
    .command = "receptive-field",
    .positional = "PROBLEM...",
    .positional_min = 1,
    .positional_max = ARGS_ANY,
    .description =
        "Prints for a stack of layers, each of which consumes the output of the one before, which\n"
        "region of the first input one output element of each layer depends on: its size, how far\n"
        "it moves from one output to the next, and its first element for output 0, which is\n"
        "negative where it lies in the padding.\n",
    ARGS_TABLE(option_table),
};

/* What is known behind one layer. */
typedef struct layer {
    clconv_receptive_field field;
    size_t output[CLCONV_SPATIAL_AXES];
} layer;

static int study(layer *layers, clconv_problem *problems, size_t *axes, char **texts,
                 size_t count) {
    clconv_status status;

    *axes = 1;
    for (size_t i = 0; i < count; i++) {
        size_t used;
        if ((status = clconv_problem_parse(&problems[i], texts[i])) ||
            (status = clconv_problem_output(layers[i].output, &problems[i])) ||
            (status = clconv_receptive_field_of(&layers[i].field, problems, i + 1)))
            return cli_fail_status(spec.command, status);
        used = cli_spatial_axes(&problems[i]);
        *axes = used > *axes ? used : *axes;
    }
    return CLI_OK;
}

/* ---- text ------------------------------------------------------------------------------------ */

enum { COLUMNS = 6 };

typedef struct row {
    char number[24];
    char output[CLI_TEXT_SIZE];
    char size[CLI_TEXT_SIZE];
    char stride[CLI_TEXT_SIZE];
    char offset[CLI_TEXT_SIZE];
} row;

static void format_offset(char text[CLI_TEXT_SIZE], const int64_t *values, size_t count) {
    size_t used = 0;

    for (size_t i = 0; i < count; i++) {
        used += (size_t)snprintf(text + used, CLI_TEXT_SIZE - used, "%s%lld", i ? "," : "",
                                 (long long)values[i]);
    }
}

static void fill_cells(const char **cells, row *r, const layer *l, size_t axes) {
    size_t first = CLCONV_SPATIAL_AXES - axes;

    cli_format_shape(r->output, l->output + first, axes);
    cli_format_shape(r->size, l->field.size + first, axes);
    cli_format_shape(r->stride, l->field.stride + first, axes);
    format_offset(r->offset, l->field.offset + first, axes);
    cells[0] = r->number;
    cells[1] = r->output;
    cells[2] = r->size;
    cells[3] = r->stride;
    cells[4] = r->offset;
}

static int print_text(const layer *layers, size_t axes, char **texts, size_t count) {
    static const char *const heading[COLUMNS] = {"LAYER",  "OUTPUT", "FIELD",
                                                 "STRIDE", "OFFSET", "PROBLEM"};
    const char **cells = calloc((count + 1) * COLUMNS, sizeof *cells);
    row *rows = calloc(count + 1, sizeof *rows);
    int code = CLI_OK;

    if (!cells || !rows) {
        code = cli_fail(spec.command, "out of memory");
        goto done;
    }
    for (int i = 0; i < COLUMNS; i++)
        cells[i] = heading[i];
    for (size_t i = 0; i < count; i++) {
        snprintf(rows[i].number, sizeof rows[i].number, "%zu", i + 1);
        fill_cells(cells + (i + 1) * COLUMNS, &rows[i], &layers[i], axes);
        cells[(i + 1) * COLUMNS + 5] = texts[i];
    }
    cli_print_table(cells, count + 1, "rrrrrl");
done:
    free(rows);
    free(cells);
    return code;
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static cJSON *offsets_json(const int64_t *values, size_t count) {
    cJSON *array = cJSON_CreateArray();

    for (size_t i = 0; i < count; i++)
        cJSON_AddItemToArray(array, cJSON_CreateNumber((double)values[i]));
    return array;
}

static int print_json(const layer *layers, size_t axes, char **texts, size_t count) {
    size_t first = CLCONV_SPATIAL_AXES - axes;
    cJSON *array = cJSON_CreateArray();

    for (size_t i = 0; i < count; i++) {
        cJSON *object = cJSON_CreateObject();
        cJSON_AddStringToObject(object, "problem", texts[i]);
        cJSON_AddItemToObject(object, "output", cli_json_sizes(layers[i].output + first, axes));
        cJSON_AddItemToObject(object, "size", cli_json_sizes(layers[i].field.size + first, axes));
        cJSON_AddItemToObject(object, "stride",
                              cli_json_sizes(layers[i].field.stride + first, axes));
        cJSON_AddItemToObject(object, "offset", offsets_json(layers[i].field.offset + first, axes));
        cJSON_AddItemToArray(array, object);
    }
    return cli_print_json(spec.command, array);
}

int cmd_receptive_field(int argc, char **argv) {
    options o = {0};
    clconv_problem *problems = NULL;
    layer *layers = NULL;
    size_t count, axes = 0;
    int code = args_parse(&o, &spec, &argc, argv);

    if (code != ARGS_GO_ON)
        return code;
    count = (size_t)argc - 1;
    problems = calloc(count, sizeof *problems);
    layers = calloc(count, sizeof *layers);
    if (!problems || !layers) {
        code = cli_fail(spec.command, "out of memory");
        goto done;
    }
    if (!(code = study(layers, problems, &axes, argv + 1, count))) {
        code = o.json ? print_json(layers, axes, argv + 1, count)
                      : print_text(layers, axes, argv + 1, count);
    }
done:
    free(layers);
    free(problems);
    return code;
}
