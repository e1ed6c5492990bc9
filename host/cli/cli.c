#include "cli.h"

#include <stdarg.h>
#include <string.h>

static const char *const type_names[] = {
    [CLCONV_F32] = "f32", [CLCONV_F64] = "f64", [CLCONV_F16] = "f16", [CLCONV_BF16] = "bf16",
    [CLCONV_S8] = "s8",   [CLCONV_U8] = "u8",   [CLCONV_S32] = "s32",
};

static const char *const kind_names[] = {
    [CLCONV_KIND_HOST] = "host",
    [CLCONV_KIND_CPU] = "cpu",
    [CLCONV_KIND_GPU] = "gpu",
    [CLCONV_KIND_ACCELERATOR] = "accelerator",
};

static const char *name_of(const char *const *names, size_t count, unsigned index) {
    return index < count ? names[index] : "?";
}

const char *cli_type_name(clconv_type type) {
    return name_of(type_names, sizeof type_names / sizeof type_names[0], (unsigned)type);
}

const char *cli_kind_name(clconv_device_kind kind) {
    return name_of(kind_names, sizeof kind_names / sizeof kind_names[0], (unsigned)kind);
}

int cli_fail(const char *command, const char *format, ...) {
    va_list list;

    va_start(list, format);
    fprintf(stderr, "clconv %s: ", command);
    vfprintf(stderr, format, list);
    fprintf(stderr, "\n");
    va_end(list);
    return CLI_BAD_INPUT;
}

static int exit_code_of(clconv_status status) {
    return status == CLCONV_NO_DEVICE ? CLI_NO_DEVICE : CLI_BAD_INPUT;
}

int cli_fail_status(const char *command, clconv_status status) {
    cli_fail(command, "%s", clconv_last_message());
    return exit_code_of(status);
}

int cli_fail_about(const char *command, const char *about, clconv_status status) {
    cli_fail(command, "%s: %s", about, clconv_last_message());
    return exit_code_of(status);
}

int cli_print_json(const char *command, cJSON *json) {
    char *text = json ? cJSON_Print(json) : NULL;
    int code = CLI_OK;

    if (text)
        puts(text);
    else
        code = cli_fail(command, "out of memory");
    cJSON_free(text);
    cJSON_Delete(json);
    return code;
}

cJSON *cli_json_sizes(const size_t *values, size_t count) {
    cJSON *array = cJSON_CreateArray();

    for (size_t i = 0; array && i < count; i++)
        cJSON_AddItemToArray(array, cJSON_CreateNumber((double)values[i]));
    return array;
}

static int column_width(const char *const *cells, size_t rows, size_t columns, size_t column) {
    size_t width = 0;

    for (size_t row = 0; row < rows; row++) {
        size_t length = strlen(cells[row * columns + column]);
        width = length > width ? length : width;
    }
    return (int)width;
}

void cli_print_table(const char *const *cells, size_t rows, const char *align) {
    size_t columns = strlen(align);

    for (size_t row = 0; row < rows; row++) {
        for (size_t column = 0; column < columns; column++) {
            const char *cell = cells[row * columns + column];
            int width = column_width(cells, rows, columns, column);
            if (column + 1 == columns && align[column] == 'l')
                width = 0; /* nothing behind it to line up */
            if (column && (width || *cell))
                printf("  ");
            printf("%*s", align[column] == 'r' ? width : -width, cell);
        }
        printf("\n");
    }
}

void cli_format_shape(char text[CLI_TEXT_SIZE], const size_t *extents, size_t count) {
    size_t used = 0;

    text[0] = '\0';
    for (size_t i = 0; i < count && used < CLI_TEXT_SIZE; i++) {
        used +=
            (size_t)snprintf(text + used, CLI_TEXT_SIZE - used, "%s%zu", i ? "x" : "", extents[i]);
    }
}

typedef struct unit {
    double factor;
    const char *name;
} unit;

/* The first unit that leaves at least 1, or the last; three digits that count. */
static void format_unit(char *text, double value, const unit *units, size_t count) {
    size_t i = 0;
    double scaled;

    while (i + 1 < count && value < units[i].factor)
        i++;
    scaled = value / units[i].factor;
    snprintf(text, CLI_TEXT_SIZE, "%.*f %s",
             scaled < 9.995   ? 2
             : scaled < 99.95 ? 1
                              : 0,
             scaled, units[i].name);
}

void cli_format_seconds(char text[CLI_TEXT_SIZE], double seconds) {
    static const unit units[] = {{1, "s"}, {1e-3, "ms"}, {1e-6, "us"}};

    format_unit(text, seconds, units, sizeof units / sizeof units[0]);
}

void cli_format_flops(char text[CLI_TEXT_SIZE], double flops) {
    static const unit units[] = {{1e9, "GFLOP"}, {1e6, "MFLOP"}, {1e3, "kFLOP"}, {1, "FLOP"}};

    format_unit(text, flops, units, sizeof units / sizeof units[0]);
}

void cli_format_bytes(char text[CLI_TEXT_SIZE], uint64_t bytes) {
    static const unit units[] = {
        {1024.0 * 1024 * 1024, "GiB"}, {1024.0 * 1024, "MiB"}, {1024, "KiB"}};

    if (bytes < 1024)
        snprintf(text, CLI_TEXT_SIZE, "%u bytes", (unsigned)bytes);
    else
        format_unit(text, (double)bytes, units, sizeof units / sizeof units[0]);
}

static int axis_is_used(const clconv_problem *p, int axis) {
    return p->input[axis] != 1 || p->kernel[axis] != 1 || p->stride[axis] != 1 ||
           p->dilation[axis] != 1 || p->pad_begin[axis] || p->pad_end[axis] ||
           p->output_padding[axis];
}

size_t cli_spatial_axes(const clconv_problem *problem) {
    if (axis_is_used(problem, CLCONV_D))
        return 3;
    /* One pixel is a picture. */
    return axis_is_used(problem, CLCONV_H) || !axis_is_used(problem, CLCONV_W) ? 2 : 1;
}

size_t cli_tensor_extents(size_t extents[CLCONV_TENSOR_AXES], const clconv_problem *problem,
                          clconv_tensor tensor, size_t axes) {
    size_t all[CLCONV_TENSOR_AXES];
    size_t strides[CLCONV_TENSOR_AXES];
    int channels_last = tensor == CLCONV_WEIGHTS ? problem->weights_layout == CLCONV_OHWI
                                                 : problem->layout == CLCONV_NHWC;
    size_t *spatial = extents + (channels_last ? 1 : 2);

    if (clconv_tensor_shape(all, strides, problem, tensor))
        return 0;
    if (tensor == CLCONV_BIAS) {
        extents[0] = all[CLCONV_AXIS_C];
        return 1;
    }
    extents[0] = all[CLCONV_AXIS_N];
    extents[channels_last ? axes + 1 : 1] = all[CLCONV_AXIS_C];
    memcpy(spatial, all + CLCONV_TENSOR_AXES - axes, axes * sizeof *spatial);
    return axes + 2;
}

void cli_print_note(const clconv_device_info *info) {
    if (info->note[0])
        printf("note: %s\n", info->note);
}
