#include "tensor_file.h"

#include "cli.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const clconv_type types[] = {
    [NPY_F2] = CLCONV_F16, [NPY_F4] = CLCONV_F32, [NPY_F8] = CLCONV_F64,
    [NPY_I1] = CLCONV_S8,  [NPY_U1] = CLCONV_U8,  [NPY_I4] = CLCONV_S32,
};

enum { TYPE_COUNT = sizeof types / sizeof types[0] };

clconv_type tensor_file_type(npy_type type) {
    return types[type];
}

/* The type of file for a type of problem. */
static npy_type npy_type_of(clconv_type type) {
    for (int i = 0; i < TYPE_COUNT; i++)
        if (types[i] == type)
            return (npy_type)i;
    return NPY_F4; /* bf16 */
}

__attribute__((format(printf, 3, 4))) static bool fail(char *message, const tensor_file *file,
                                                       const char *format, ...) {
    va_list list;
    int used = snprintf(message, MESSAGE_SIZE, "%s '%.200s' ", file->role, file->path);

    va_start(list, format);
    vsnprintf(message + used, MESSAGE_SIZE - (size_t)used, format, list);
    va_end(list);
    return false;
}

static bool is_integer(clconv_type type) {
    return type == CLCONV_S8 || type == CLCONV_U8 || type == CLCONV_S32;
}

static bool check_shape(const tensor_file *file, const npy_array *shape, char *message) {
    char actual[CLI_TEXT_SIZE];
    char expected[CLI_TEXT_SIZE];

    if (file->array.rank == shape->rank &&
        !memcmp(file->array.shape, shape->shape, shape->rank * sizeof shape->shape[0]))
        return true;
    cli_format_shape(actual, file->array.shape, file->array.rank);
    cli_format_shape(expected, shape->shape, shape->rank);
    return fail(message, file, "has the shape %s, expected %s", actual, expected);
}

/* Elements of one type as those of another; integers must fit. */
static bool convert(tensor_file *file, clconv_type from, clconv_type to, char *message) {
    size_t elements = npy_elements(&file->array);
    void *data = calloc(elements ? elements : 1, clconv_type_size(to));

    if (!data)
        return fail(message, file, "cannot be converted: out of memory");
    for (size_t i = 0; i < elements; i++) {
        double value = clconv_element_get(file->array.data, from, i);
        clconv_element_set(data, to, i, value);
        if (is_integer(to) && clconv_element_get(data, to, i) != value) {
            free(data);
            return fail(message, file, "has the element %.0f, which is no %s", value,
                        cli_type_name(to));
        }
    }
    free(file->array.data);
    file->array.data = data;
    return true;
}

bool tensor_file_fit(tensor_file *file, const npy_array *shape, bool rounding,
                     char message[MESSAGE_SIZE]) {
    clconv_type from = types[file->array.type];

    if (!check_shape(file, shape, message))
        return false;
    if (from == file->type)
        return true;
    if (is_integer(file->type) ? !is_integer(from) : !rounding) {
        return fail(message, file, "has elements of type %s, expected %s%s",
                    npy_type_name(file->array.type), npy_type_name(npy_type_of(file->type)),
                    is_integer(file->type) ? "" : "; --type chooses one and converts");
    }
    return convert(file, from, file->type, message);
}

bool tensor_file_create(tensor_file *file, const npy_array *shape, char message[MESSAGE_SIZE]) {
    size_t elements = npy_elements(shape);

    file->array = *shape;
    file->array.type = npy_type_of(file->type);
    file->array.data = calloc(elements, clconv_type_size(file->type));
    return file->array.data || fail(message, file, "cannot be computed: out of memory");
}

bool tensor_file_finish(tensor_file *file, char message[MESSAGE_SIZE]) {
    file->array.type = npy_type_of(file->type);
    return file->type != CLCONV_BF16 || convert(file, CLCONV_BF16, CLCONV_F32, message);
}
