/*
 * ONNX's operator cases for Conv, ConvInteger and ConvTranspose, on every device. They lie in
 * $CLCONV_ONNX_CASES, one folder per case: case.json with the attributes, x.npy, w.npy, zero
 * points, and y.npy with the expected output.
 */
#include "cli/npy.h"
#include "support/run.h"

#include <cjson/cJSON.h>
#include <dirent.h>

typedef struct onnx_case {
    char folder[1024];
    cJSON *json;
    npy_array x, w, y;
} onnx_case;

static const char *cases_folder(void) {
    const char *folder = getenv("CLCONV_ONNX_CASES");
    return folder && *folder ? folder : CLCONV_SOURCE_DIR "/../shared/onnx";
}

/* ---- files ---- */

static cJSON *read_json(const char *path) {
    char text[16384];
    FILE *file = fopen(path, "r");
    if (!file)
        return NULL;
    size_t size = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[size] = 0;
    cJSON *json = cJSON_Parse(text);
    if (!json)
        fail_msg("%s is not JSON", path);
    return json;
}

/* An array of the case, or false where the case has no such file. */
static bool read_array(npy_array *array, const onnx_case *c, const char *name) {
    char path[1100], message[MESSAGE_SIZE];
    snprintf(path, sizeof path, "%s/%s.npy", c->folder, name);
    FILE *file = fopen(path, "r");
    if (!file)
        return false;
    fclose(file);
    if (!npy_read(array, path, message))
        fail_msg("%s", message);
    return true;
}

static const char *operator_of(const onnx_case *c) {
    const char *name = cJSON_GetStringValue(cJSON_GetObjectItem(c->json, "op"));
    return name ? name : "";
}

static bool is_integer_case(const onnx_case *c) {
    return strcmp(operator_of(c), "ConvInteger") == 0;
}

static bool is_transposed_case(const onnx_case *c) {
    return strcmp(operator_of(c), "ConvTranspose") == 0;
}

static bool is_known_case(const onnx_case *c) {
    return strcmp(operator_of(c), "Conv") == 0 || is_integer_case(c) || is_transposed_case(c);
}

/* ---- from a case to a problem ---- */

/* Entry `index` of a list among the effective attributes, which hold ONNX's defaults too. */
static long signed_attribute(const onnx_case *c, const char *name, size_t index) {
    const cJSON *effective = cJSON_GetObjectItem(c->json, "effective");
    const cJSON *entry = cJSON_GetArrayItem(cJSON_GetObjectItem(effective, name), (int)index);
    if (!cJSON_IsNumber(entry))
        fail_msg("%s: effective.%s[%zu] is missing", c->folder, name, index);
    return (long)cJSON_GetNumberValue(entry);
}

static size_t attribute(const onnx_case *c, const char *name, size_t index) {
    const long value = signed_attribute(c, name, index);
    assert_true(value >= 0);
    return (size_t)value;
}

/* An output_shape beyond what the input reaches is a negative end padding there. */
static void fill_transposed_axis(clconv_problem *problem, const onnx_case *c, size_t rank,
                                 size_t i) {
    size_t axis = CLCONV_SPATIAL_AXES - rank + i;
    const long pad_end = signed_attribute(c, "pads_begin_then_end", rank + i);
    problem->output_padding[axis] = attribute(c, "output_padding", i);
    problem->pad_end[axis] = pad_end > 0 ? (size_t)pad_end : 0;
    if (pad_end < 0)
        problem->output_padding[axis] += (size_t)-pad_end;
}

static size_t group_count(const onnx_case *c) {
    const cJSON *effective = cJSON_GetObjectItem(c->json, "effective");
    return (size_t)cJSON_GetNumberValue(cJSON_GetObjectItem(effective, "group"));
}

static void fill_axes(clconv_problem *problem, const onnx_case *c) {
    size_t rank = c->x.rank - 2;
    for (size_t i = 0; i < rank; ++i) {
        size_t axis = CLCONV_SPATIAL_AXES - rank + i;
        problem->input[axis] = c->x.shape[2 + i];
        problem->kernel[axis] = c->w.shape[2 + i];
        problem->stride[axis] = attribute(c, "strides", i);
        problem->dilation[axis] = attribute(c, "dilations", i);
        problem->pad_begin[axis] = attribute(c, "pads_begin_then_end", i);
        if (is_transposed_case(c))
            fill_transposed_axis(problem, c, rank, i);
        else
            problem->pad_end[axis] = attribute(c, "pads_begin_then_end", rank + i);
    }
}

/* Where the case asks for automatic padding, the library's own must agree. */
static void check_auto_pad(const clconv_problem *problem, const onnx_case *c) {
    static const struct {
        const char *name;
        clconv_padding padding;
    } rows[] = {{"VALID", CLCONV_VALID},
                {"SAME_UPPER", CLCONV_SAME_UPPER},
                {"SAME_LOWER", CLCONV_SAME_LOWER}};
    const cJSON *attributes = cJSON_GetObjectItem(c->json, "attributes");
    const char *name = cJSON_GetStringValue(cJSON_GetObjectItem(attributes, "auto_pad"));
    for (size_t i = 0; name && i < COUNT_OF(rows); ++i) {
        clconv_problem padded = *problem;
        if (strcmp(name, rows[i].name) != 0)
            continue;
        assert_ok(clconv_problem_pad(&padded, rows[i].padding));
        assert_memory_equal(padded.pad_begin, problem->pad_begin, sizeof padded.pad_begin);
        assert_memory_equal(padded.pad_end, problem->pad_end, sizeof padded.pad_end);
    }
}

/* Element `index` of a zero point of one element or one per output channel; ONNX's default is 0. */
static int32_t zero_point(const onnx_case *c, const char *name, size_t index) {
    npy_array array;
    if (!read_array(&array, c, name))
        return 0;
    assert_int_equal(array.type, NPY_U1);
    int32_t value = ((const uint8_t *)array.data)[npy_elements(&array) == 1 ? 0 : index];
    npy_free(&array);
    return value;
}

/*
 * Ours is one zero point for all weights. With one per channel, each output channel is a problem of
 * its own, which gives the same numbers.
 */
static size_t piece_count(const onnx_case *c) {
    npy_array array;
    if (!read_array(&array, c, "w_zero_point"))
        return 1;
    size_t count = npy_elements(&array);
    npy_free(&array);
    assert_true(count == 1 ||
                (count == c->w.shape[0] && c->x.shape[0] == 1 && c->w.shape[1] == c->x.shape[1]));
    return count;
}

/* ONNX's weights are unsigned here, ours signed: 128 less in weights and zero point is the same. */
enum { SIGN_SHIFT = 128 };

static clconv_problem problem_of(const onnx_case *c, size_t piece, size_t pieces) {
    clconv_problem problem = CLCONV_PROBLEM_INIT;
    problem.batch = c->x.shape[0];
    problem.in_channels = c->x.shape[1];
    problem.out_channels = c->w.shape[0] / pieces;
    problem.groups = problem.in_channels / c->w.shape[1];
    fill_axes(&problem, c);
    if (is_transposed_case(c)) {
        problem.direction = CLCONV_TRANSPOSED;
        problem.groups = group_count(c);
        problem.out_channels = c->w.shape[1] * problem.groups;
    } else {
        check_auto_pad(&problem, c);
    }
    if (is_integer_case(c)) {
        problem.type = CLCONV_U8;
        problem.input_zero_point = zero_point(c, "x_zero_point", 0);
        problem.weights_zero_point = zero_point(c, "w_zero_point", piece) - SIGN_SHIFT;
    }
    assert_ok(clconv_problem_validate(&problem));
    return problem;
}

static double array_element(const npy_array *array, size_t index) {
    switch (array->type) {
    case NPY_F4:
        return clconv_element_get(array->data, CLCONV_F32, index);
    case NPY_U1:
        return clconv_element_get(array->data, CLCONV_U8, index);
    case NPY_I4:
        return clconv_element_get(array->data, CLCONV_S32, index);
    default:
        fail_msg("arrays of type %s are not expected", npy_type_name(array->type));
        return 0;
    }
}

/* Copies from element `first` on. */
static void copy_array(tensor *t, const npy_array *array, size_t first, double shift) {
    assert_in_range(first + t->count, 1, npy_elements(array));
    for (size_t i = 0; i < t->count; ++i)
        clconv_element_set(t->data, t->type, tensor_offset(t, i),
                           array_element(array, first + i) - shift);
}

static void make_case_tensors(tensor_set *set, const clconv_problem *problem, const onnx_case *c,
                              size_t piece) {
    for (int which = CLCONV_INPUT; which <= CLCONV_OUTPUT; ++which)
        set->tensors[which] = make_tensor(problem, (clconv_tensor)which);
    copy_array(&set->tensors[CLCONV_INPUT], &c->x, 0, 0);
    copy_array(&set->tensors[CLCONV_WEIGHTS], &c->w, piece * set->tensors[CLCONV_WEIGHTS].count,
               is_integer_case(c) ? SIGN_SHIFT : 0);
}

/* ---- running ---- */

/* ONNX's output is a result in the type's arithmetic like any other: the bound holds for it too. */
static void check_expected_output(const onnx_case *c, size_t piece, const tensor *output,
                                  const expectation *expected) {
    for (size_t i = 0; i < output->count; ++i) {
        double wanted = array_element(&c->y, piece * output->count + i);
        if (!(fabs(wanted - expected->values[i]) <= expected->bounds[i]))
            fail_msg("%s: element %zu of the reference is %.9g, not %.9g", c->folder, i,
                     expected->values[i], wanted);
    }
}

static size_t run_everywhere(const clconv_problem *problem, const tensor_set *set,
                             const expectation *expected) {
    size_t wrong = 0;
    for (size_t device = 0; device < devices()->count; ++device) {
        size_t takers = 0;
        for (size_t row = 0; row < clconv_algorithm_count(); ++row) {
            const char *name = clconv_algorithm_name(row);
            if (clconv_algorithm_check(NULL, NULL, devices()->devices[device], problem, name))
                continue;
            ++takers;
            wrong += !algorithm_is_right(devices()->devices[device], &devices()->infos[device],
                                         problem, name, set, expected, false);
        }
        assert_true(takers > 0);
    }
    return wrong;
}

static size_t run_piece(const onnx_case *c, size_t piece, size_t pieces) {
    tensor_set set;
    clconv_problem problem = problem_of(c, piece, pieces);
    make_case_tensors(&set, &problem, c, piece);
    expectation expected = make_expectation(&problem, &set);
    assert_int_equal(pieces * set.tensors[CLCONV_OUTPUT].count, npy_elements(&c->y));
    check_expected_output(c, piece, &set.tensors[CLCONV_OUTPUT], &expected);
    size_t wrong = run_everywhere(&problem, &set, &expected);
    free_expectation(&expected);
    free_tensors(&set);
    return wrong;
}

static size_t run_case(onnx_case *c) {
    size_t wrong = 0;
    assert_true(read_array(&c->x, c, "x") && read_array(&c->w, c, "w") &&
                read_array(&c->y, c, "y"));
    size_t pieces = piece_count(c);
    for (size_t piece = 0; piece < pieces; ++piece)
        wrong += run_piece(c, piece, pieces);
    print_message("%s: %s\n", c->folder, wrong ? "wrong" : "right");
    npy_free(&c->x);
    npy_free(&c->w);
    npy_free(&c->y);
    return wrong;
}

static void test_onnx_cases_on_every_device(void **state) {
    size_t cases = 0, transposed = 0, wrong = 0;
    DIR *folder = opendir(cases_folder());
    (void)state;
    if (!folder) {
        print_message("skipped: no ONNX cases\n");
        return;
    }
    for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
        onnx_case c = {0};
        char path[1100];
        snprintf(c.folder, sizeof c.folder, "%s/%s", cases_folder(), entry->d_name);
        snprintf(path, sizeof path, "%s/case.json", c.folder);
        c.json = read_json(path);
        if (c.json && is_known_case(&c)) {
            transposed += is_transposed_case(&c);
            wrong += run_case(&c);
            ++cases;
        }
        cJSON_Delete(c.json);
    }
    closedir(folder);
    print_message("%zu cases\n", cases);
    assert_true(cases > transposed && transposed > 0);
    assert_int_equal(wrong, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_onnx_cases_on_every_device),
    };
    return run_group_on_devices(tests);
}
