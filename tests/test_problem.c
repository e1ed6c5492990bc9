/* Problems: validation, extents, tensors, padding, receptive fields. */
#include "support/generator.h"

static clconv_problem parsed(const char *text) {
    clconv_problem problem = CLCONV_PROBLEM_INIT;
    assert_ok(clconv_problem_parse(&problem, text));
    return problem;
}

/* A valid problem on which no field has its initial value by accident. */
static clconv_problem plain_problem(void) {
    clconv_problem problem = CLCONV_PROBLEM_INIT;
    problem.batch = 2;
    problem.groups = 2;
    problem.in_channels = 4;
    problem.out_channels = 6;
    problem.input[CLCONV_H] = 9;
    problem.input[CLCONV_W] = 8;
    problem.kernel[CLCONV_H] = 3;
    problem.kernel[CLCONV_W] = 2;
    return problem;
}

/* ---- output extents ---- */

typedef struct extent_row {
    clconv_direction direction;
    size_t input, kernel, stride, dilation, pad_begin, pad_end, output_padding;
    size_t expected;
} extent_row;

static const extent_row extent_rows[] = {
    {CLCONV_FORWARD, 1, 1, 1, 1, 0, 0, 0, 1},
    {CLCONV_FORWARD, 3, 2, 1, 1, 0, 0, 0, 2},
    {CLCONV_FORWARD, 224, 7, 2, 1, 3, 3, 0, 112},
    {CLCONV_FORWARD, 8, 3, 2, 1, 0, 0, 0, 3},
    {CLCONV_FORWARD, 8, 3, 2, 1, 1, 0, 0, 4},
    {CLCONV_FORWARD, 8, 3, 2, 1, 0, 1, 0, 4},
    {CLCONV_FORWARD, 9, 3, 2, 1, 1, 0, 0, 4},
    {CLCONV_FORWARD, 10, 3, 1, 4, 0, 0, 0, 2},
    {CLCONV_FORWARD, 10, 3, 1, 4, 2, 5, 0, 9},
    {CLCONV_FORWARD, 9, 3, 1, 4, 0, 0, 0, 1},
    {CLCONV_FORWARD, 7, 2, 5, 1, 0, 0, 0, 2},
    {CLCONV_FORWARD, 6, 2, 5, 1, 0, 0, 0, 1},
    {CLCONV_FORWARD, 1, 3, 1, 1, 7, 4, 0, 10},
    {CLCONV_FORWARD, 1, 1, 3, 1, 3, 3, 0, 3},
    {CLCONV_FORWARD, 5, 1, 9, 9, 0, 0, 0, 1},
    {CLCONV_BACKWARD_DATA, 8, 3, 2, 1, 1, 0, 0, 4},
    {CLCONV_BACKWARD_WEIGHTS, 8, 3, 2, 1, 1, 0, 0, 4},
    {CLCONV_TRANSPOSED, 3, 3, 1, 1, 0, 0, 0, 5},
    {CLCONV_TRANSPOSED, 3, 3, 3, 1, 0, 0, 0, 9},
    {CLCONV_TRANSPOSED, 3, 3, 3, 1, 0, 0, 1, 10},
    {CLCONV_TRANSPOSED, 3, 3, 3, 1, 1, 2, 0, 6},
    {CLCONV_TRANSPOSED, 3, 2, 1, 2, 0, 0, 0, 5},
    {CLCONV_TRANSPOSED, 1, 4, 5, 3, 2, 1, 2, 9},
};

static clconv_problem problem_of_row(const extent_row *row, size_t axis) {
    clconv_problem problem = CLCONV_PROBLEM_INIT;
    problem.direction = row->direction;
    problem.input[axis] = row->input;
    problem.kernel[axis] = row->kernel;
    problem.stride[axis] = row->stride;
    problem.dilation[axis] = row->dilation;
    problem.pad_begin[axis] = row->pad_begin;
    problem.pad_end[axis] = row->pad_end;
    problem.output_padding[axis] = row->output_padding;
    return problem;
}

static void test_problem_output_by_table(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(extent_rows); ++i)
        for (size_t axis = 0; axis < CLCONV_SPATIAL_AXES; ++axis) {
            clconv_problem problem = problem_of_row(&extent_rows[i], axis);
            size_t output[CLCONV_SPATIAL_AXES] = {0};
            assert_ok(clconv_problem_output(output, &problem));
            for (size_t other = 0; other < CLCONV_SPATIAL_AXES; ++other)
                assert_int_equal(output[other], other == axis ? extent_rows[i].expected : 1);
        }
}

static void test_problem_output_untouched_on_failure(void **state) {
    clconv_problem problem = plain_problem();
    size_t output[CLCONV_SPATIAL_AXES] = {11, 12, 13};
    (void)state;
    problem.kernel[CLCONV_W] = 9;
    assert_fails(clconv_problem_output(output, &problem), CLCONV_INVALID_PROBLEM, "kernel");
    assert_int_equal(output[0], 11);
    assert_int_equal(output[1], 12);
    assert_int_equal(output[2], 13);
}

static void test_problem_functions_with_null(void **state) {
    clconv_problem problem = plain_problem();
    size_t numbers[CLCONV_TENSOR_AXES];
    (void)state;
    assert_fails(clconv_problem_validate(NULL), CLCONV_INVALID_ARGUMENT, "problem");
    assert_fails(clconv_problem_output(NULL, &problem), CLCONV_INVALID_ARGUMENT, "output");
    assert_fails(clconv_problem_output(numbers, NULL), CLCONV_INVALID_ARGUMENT, "problem");
    assert_fails(clconv_problem_pad(NULL, CLCONV_VALID), CLCONV_INVALID_ARGUMENT, "problem");
    assert_fails(clconv_tensor_elements(NULL, &problem, CLCONV_INPUT), CLCONV_INVALID_ARGUMENT,
                 "elements");
    assert_fails(clconv_tensor_elements(numbers, NULL, CLCONV_INPUT), CLCONV_INVALID_ARGUMENT,
                 "problem");
    assert_fails(clconv_tensor_shape(NULL, numbers, &problem, CLCONV_INPUT),
                 CLCONV_INVALID_ARGUMENT, "extent");
    assert_fails(clconv_tensor_shape(numbers, NULL, &problem, CLCONV_INPUT),
                 CLCONV_INVALID_ARGUMENT, "stride");
    assert_fails(clconv_tensor_shape(numbers, numbers, &problem, (clconv_tensor)5),
                 CLCONV_INVALID_ARGUMENT, "tensor");
    assert_fails(clconv_receptive_field_of(NULL, &problem, 1), CLCONV_INVALID_ARGUMENT, "field");
}

/* ---- validation: one field spoiled per row ---- */

typedef enum field_kind { SIZE_FIELD, INT_FIELD, REAL_FIELD } field_kind;

typedef struct spoiled_row {
    size_t offset;
    field_kind kind;
    size_t size;
    int integer;
    double real;
    clconv_status status;
    const char *field; /* in the message */
    const char *value; /* the same */
} spoiled_row;

#define SIZE_ROW(field, axis, value, status, text)                                                 \
    {                                                                                              \
        offsetof(clconv_problem, field) + (axis) * sizeof(size_t), SIZE_FIELD, value, 0, 0,        \
            status, #field, text                                                                   \
    }
#define INT_ROW(field, value, text)                                                                \
    {                                                                                              \
        offsetof(clconv_problem, field), INT_FIELD, 0, value, 0, CLCONV_INVALID_PROBLEM, #field,   \
            text                                                                                   \
    }
#define REAL_ROW(field, value, text)                                                               \
    {                                                                                              \
        offsetof(clconv_problem, field), REAL_FIELD, 0, 0, value, CLCONV_INVALID_PROBLEM, #field,  \
            text                                                                                   \
    }
#define ZERO_ROWS(field)                                                                           \
    SIZE_ROW(field, CLCONV_D, 0, CLCONV_INVALID_PROBLEM, "axis d is 0"),                           \
        SIZE_ROW(field, CLCONV_H, 0, CLCONV_INVALID_PROBLEM, "axis h is 0"),                       \
        SIZE_ROW(field, CLCONV_W, 0, CLCONV_INVALID_PROBLEM, "axis w is 0")

#define HUGE_SIZE (SIZE_MAX / 2)

static const spoiled_row spoiled_rows[] = {
    INT_ROW(version, 0, "is 0"),
    INT_ROW(version, 2, "is 2"),
    INT_ROW(direction, 4, "is 4"),
    INT_ROW(direction, -1, "is"),
    INT_ROW(mode, 2, "is 2"),
    INT_ROW(type, CLCONV_S32, "is 6"),
    INT_ROW(type, 77, "is 77"),
    INT_ROW(layout, 2, "is 2"),
    INT_ROW(weights_layout, 3, "is 3"),
    INT_ROW(activation, 9, "is 9"),
    SIZE_ROW(batch, 0, 0, CLCONV_INVALID_PROBLEM, "is 0"),
    SIZE_ROW(groups, 0, 0, CLCONV_INVALID_PROBLEM, "is 0"),
    SIZE_ROW(in_channels, 0, 0, CLCONV_INVALID_PROBLEM, "is 0"),
    SIZE_ROW(out_channels, 0, 0, CLCONV_INVALID_PROBLEM, "is 0"),
    SIZE_ROW(groups, 0, 3, CLCONV_INVALID_PROBLEM, "in_channels, 4"),
    SIZE_ROW(groups, 0, 4, CLCONV_INVALID_PROBLEM, "out_channels, 6"),
    ZERO_ROWS(input),
    ZERO_ROWS(kernel),
    ZERO_ROWS(stride),
    ZERO_ROWS(dilation),
    SIZE_ROW(kernel, CLCONV_H, 10, CLCONV_INVALID_PROBLEM, "padded input, 9"),
    SIZE_ROW(kernel, CLCONV_W, 9, CLCONV_INVALID_PROBLEM, "padded input, 8"),
    SIZE_ROW(kernel, CLCONV_D, 2, CLCONV_INVALID_PROBLEM, "padded input, 1"),
    SIZE_ROW(dilation, CLCONV_H, 5, CLCONV_INVALID_PROBLEM, "5"),
    SIZE_ROW(output_padding, CLCONV_W, 1, CLCONV_INVALID_PROBLEM, "is 1"),
    SIZE_ROW(input, CLCONV_W, SIZE_MAX, CLCONV_SIZE_OVERFLOW, ""),
    SIZE_ROW(input, CLCONV_H, HUGE_SIZE, CLCONV_SIZE_OVERFLOW, ""),
    SIZE_ROW(kernel, CLCONV_D, SIZE_MAX, CLCONV_INVALID_PROBLEM, "axis d"),
    REAL_ROW(alpha, NAN, "nan"),
    REAL_ROW(alpha, INFINITY, "inf"),
    REAL_ROW(beta, NAN, "nan"),
    REAL_ROW(beta, -INFINITY, "-inf"),
    REAL_ROW(activation_a, NAN, "nan"),
    REAL_ROW(activation_b, NAN, "nan"),
    INT_ROW(input_zero_point, 1, "1"),
    INT_ROW(weights_zero_point, -1, "-1"),
};

static void spoil(clconv_problem *problem, const spoiled_row *row) {
    unsigned char *at = (unsigned char *)problem + row->offset;
    if (row->kind == SIZE_FIELD)
        memcpy(at, &row->size, sizeof row->size);
    else if (row->kind == INT_FIELD)
        memcpy(at, &row->integer, sizeof row->integer);
    else
        memcpy(at, &row->real, sizeof row->real);
}

/* The name as the message spells it: several zero points share one word. */
static const char *spelled(const char *field) {
    return strstr(field, "zero_point") ? "zero point" : field;
}

static void test_problem_validate_names_field_and_value(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(spoiled_rows); ++i) {
        clconv_problem problem = plain_problem();
        assert_ok(clconv_problem_validate(&problem));
        spoil(&problem, &spoiled_rows[i]);
        clconv_status status = clconv_problem_validate(&problem);
        assert_fails(status, spoiled_rows[i].status, spelled(spoiled_rows[i].field));
        assert_message(spoiled_rows[i].value);
    }
}

static void test_problem_validate_overflowing_products(void **state) {
    static const struct {
        size_t batch, channels, extent, pad, stride;
        const char *text;
    } rows[] = {
        {HUGE_SIZE, 4, 1, 0, 1, "input"},
        {1, HUGE_SIZE, 3, 0, 1, "input"},
        {1, 1, (size_t)1 << 31, 0, 1, "input"},
        {1, 1, 8, HUGE_SIZE, 1, "padded input"},
        {1, 1, 1, (size_t)1 << 61, 1, "padded input of axis h is 4611686018427387905, but at most"},
        {1, 1, 8, (size_t)1 << 33, 1, "output"},
        {1, 1, (size_t)1 << 62, 0, (size_t)1 << 61, "input"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); ++i) {
        clconv_problem problem = CLCONV_PROBLEM_INIT;
        problem.batch = rows[i].batch;
        problem.in_channels = rows[i].channels;
        for (size_t axis = CLCONV_H; axis <= CLCONV_W; ++axis) {
            problem.input[axis] = rows[i].extent;
            problem.pad_begin[axis] = problem.pad_end[axis] = rows[i].pad;
            problem.stride[axis] = rows[i].stride;
        }
        assert_fails(clconv_problem_validate(&problem), CLCONV_SIZE_OVERFLOW, rows[i].text);
    }
}

static void test_problem_validate_overflowing_dilated_kernel(void **state) {
    clconv_problem problem = plain_problem();
    (void)state;
    problem.dilation[CLCONV_W] = SIZE_MAX;
    assert_fails(clconv_problem_validate(&problem), CLCONV_SIZE_OVERFLOW, "axis w");
    problem = plain_problem();
    problem.dilation[CLCONV_H] = HUGE_SIZE + 2;
    assert_fails(clconv_problem_validate(&problem), CLCONV_SIZE_OVERFLOW, "axis h");
}

static void test_problem_validate_names(void **state) {
    clconv_problem problem = plain_problem();
    (void)state;
    memset(problem.name, 'x', sizeof problem.name);
    assert_fails(clconv_problem_validate(&problem), CLCONV_INVALID_PROBLEM, "name");
    problem.name[sizeof problem.name - 1] = 0;
    assert_ok(clconv_problem_validate(&problem));
    strcpy(problem.name, "a\"b");
    assert_fails(clconv_problem_validate(&problem), CLCONV_INVALID_PROBLEM, "name");
    strcpy(problem.name, "two\nlines");
    assert_fails(clconv_problem_validate(&problem), CLCONV_INVALID_PROBLEM, "name");
    strcpy(problem.name, "conv_1/a:b c");
    assert_ok(clconv_problem_validate(&problem));
}

static void test_problem_validate_clamp(void **state) {
    clconv_problem problem = plain_problem();
    (void)state;
    problem.activation = CLCONV_CLAMP;
    problem.activation_a = 2;
    problem.activation_b = 1;
    assert_fails(clconv_problem_validate(&problem), CLCONV_INVALID_PROBLEM, "activation_a is 2");
    problem.activation_b = 2;
    assert_ok(clconv_problem_validate(&problem));
    problem.activation_b = INFINITY;
    assert_ok(clconv_problem_validate(&problem));
}

static void test_problem_validate_views(void **state) {
    static const struct {
        size_t input[CLCONV_TENSOR_AXES], output[CLCONV_TENSOR_AXES];
        clconv_status status;
        const char *field, *value;
    } rows[] = {
        {{288, 72, 72, 8, 1}, {0}, CLCONV_OK, "", ""},
        {{288, 72, 0, 8, 1}, {0}, CLCONV_OK, "", ""},
        {{0, 72, 72, 8, 1}, {0}, CLCONV_INVALID_PROBLEM, "input_strides", "axis n is 0"},
        {{288, 72, 72, 8, 0}, {0}, CLCONV_INVALID_PROBLEM, "input_strides", "axis w is 0"},
        {{288, 72, 72, 0, 1}, {0}, CLCONV_INVALID_PROBLEM, "input_strides", "axis h is 0"},
        {{72, 72, 72, 8, 1}, {0}, CLCONV_OK, "", ""},
        {{0}, {294, 49, 49, 7, 1}, CLCONV_OK, "", ""},
        {{0}, {300, 49, 49, 7, 1}, CLCONV_OK, "", ""},
        {{0}, {1, 98, 2, 14, 2}, CLCONV_OK, "", ""},
        {{0}, {294, 0, 49, 7, 1}, CLCONV_INVALID_PROBLEM, "output_strides", "axis c is 0"},
        {{0}, {294, 49, 49, 6, 1}, CLCONV_INVALID_PROBLEM, "output_strides", "axis h is 6"},
        {{0}, {293, 49, 49, 7, 1}, CLCONV_INVALID_PROBLEM, "output_strides", "axis n is 293"},
        {{0}, {49, 49, 49, 7, 1}, CLCONV_INVALID_PROBLEM, "output_strides", "is 49"},
        {{HUGE_SIZE, 72, 72, 8, 1}, {0}, CLCONV_SIZE_OVERFLOW, "input", ""},
        {{0}, {SIZE_MAX, 49, 49, 7, 1}, CLCONV_SIZE_OVERFLOW, "output", ""},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); ++i) {
        clconv_problem problem = plain_problem();
        memcpy(problem.input_strides, rows[i].input, sizeof rows[i].input);
        memcpy(problem.output_strides, rows[i].output, sizeof rows[i].output);
        clconv_status status = clconv_problem_validate(&problem);
        if (rows[i].status == CLCONV_OK) {
            assert_ok(status);
            continue;
        }
        assert_fails(status, rows[i].status, rows[i].field);
        assert_message(rows[i].value);
    }
}

static void test_problem_validate_zero_points(void **state) {
    static const struct {
        clconv_type type;
        int32_t input, weights;
        const char *field, *value; /* NULL: valid */
    } rows[] = {
        {CLCONV_S8, -128, 127, NULL, NULL},
        {CLCONV_S8, 127, -128, NULL, NULL},
        {CLCONV_U8, 0, 0, NULL, NULL},
        {CLCONV_U8, 255, 0, NULL, NULL},
        {CLCONV_S8, 128, 0, "input_zero_point", "128"},
        {CLCONV_S8, -129, 0, "input_zero_point", "-129"},
        {CLCONV_S8, 0, 128, "weights_zero_point", "128"},
        {CLCONV_U8, -1, 0, "input_zero_point", "-1"},
        {CLCONV_U8, 256, 0, "input_zero_point", "256"},
        {CLCONV_U8, 0, 128, "weights_zero_point", "128"},
        {CLCONV_U8, 0, -129, "weights_zero_point", "-129"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); ++i) {
        clconv_problem problem = plain_problem();
        problem.type = rows[i].type;
        problem.input_zero_point = rows[i].input;
        problem.weights_zero_point = rows[i].weights;
        clconv_status status = clconv_problem_validate(&problem);
        if (!rows[i].field) {
            assert_ok(status);
            continue;
        }
        assert_fails(status, CLCONV_INVALID_PROBLEM, rows[i].field);
        assert_message(rows[i].value);
    }
}

static void test_problem_validate_8_bit_sums_that_leave_32_bits(void **state) {
    clconv_problem problem = CLCONV_PROBLEM_INIT;
    (void)state;
    problem.type = CLCONV_U8;
    problem.in_channels = INT32_MAX / (255 * 128);
    assert_ok(clconv_problem_validate(&problem));
    ++problem.in_channels;
    assert_fails(clconv_problem_validate(&problem), CLCONV_SIZE_OVERFLOW, "32 bits");
}

static void test_problem_validate_transposed(void **state) {
    clconv_problem problem = CLCONV_PROBLEM_INIT;
    (void)state;
    problem.direction = CLCONV_TRANSPOSED;
    problem.input[CLCONV_W] = 3;
    problem.kernel[CLCONV_W] = 3;
    problem.stride[CLCONV_W] = 2;
    problem.output_padding[CLCONV_W] = 1;
    assert_ok(clconv_problem_validate(&problem));
    problem.output_padding[CLCONV_W] = 2;
    assert_fails(clconv_problem_validate(&problem), CLCONV_INVALID_PROBLEM, "output_padding");
    assert_message("is 2");
    problem.output_padding[CLCONV_W] = 0;
    problem.pad_begin[CLCONV_W] = 7;
    assert_fails(clconv_problem_validate(&problem), CLCONV_INVALID_PROBLEM, "axis w");
}

static void test_problem_validate_gradients_have_no_epilogue(void **state) {
    static const struct {
        clconv_direction direction;
        clconv_type type;
        clconv_activation activation;
        int has_bias, has_residual;
        const char *text; /* of the refusal; NULL for none */
    } rows[] = {
        {CLCONV_BACKWARD_DATA, CLCONV_F16, CLCONV_ACTIVATION_NONE, 0, 0, NULL},
        {CLCONV_BACKWARD_DATA, CLCONV_F32, CLCONV_RELU, 0, 0, "activation is relu"},
        {CLCONV_BACKWARD_DATA, CLCONV_F32, CLCONV_ACTIVATION_NONE, 1, 0, "has_bias is 1"},
        {CLCONV_BACKWARD_DATA, CLCONV_F32, CLCONV_ACTIVATION_NONE, 0, 1, "has_residual is 1"},
        {CLCONV_BACKWARD_DATA, CLCONV_S8, CLCONV_ACTIVATION_NONE, 0, 0, "type is s8"},
        {CLCONV_BACKWARD_WEIGHTS, CLCONV_BF16, CLCONV_ACTIVATION_NONE, 1, 0, NULL},
        {CLCONV_BACKWARD_WEIGHTS, CLCONV_F32, CLCONV_TANH, 0, 0, "activation is tanh"},
        {CLCONV_BACKWARD_WEIGHTS, CLCONV_F32, CLCONV_ACTIVATION_NONE, 0, 1, "has_residual is 1"},
        {CLCONV_BACKWARD_WEIGHTS, CLCONV_U8, CLCONV_ACTIVATION_NONE, 0, 0, "type is u8"},
        {CLCONV_TRANSPOSED, CLCONV_F32, CLCONV_GELU, 1, 1, NULL},
        {CLCONV_TRANSPOSED, CLCONV_U8, CLCONV_ACTIVATION_NONE, 1, 0, NULL},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); ++i) {
        clconv_problem problem = CLCONV_PROBLEM_INIT;
        problem.direction = rows[i].direction;
        problem.type = rows[i].type;
        problem.activation = rows[i].activation;
        problem.has_bias = rows[i].has_bias;
        problem.has_residual = rows[i].has_residual;
        if (rows[i].text)
            assert_fails(clconv_problem_validate(&problem), CLCONV_INVALID_PROBLEM, rows[i].text);
        else
            assert_ok(clconv_problem_validate(&problem));
    }
}

/* What is written must not overlap itself; what is read may. */
static void test_problem_validate_view_of_computed_input(void **state) {
    clconv_problem problem = CLCONV_PROBLEM_INIT;
    (void)state;
    problem.input[CLCONV_H] = problem.input[CLCONV_W] = 3;
    for (int axis = 0; axis < CLCONV_TENSOR_AXES; ++axis)
        problem.input_strides[axis] = 1;
    assert_ok(clconv_problem_validate(&problem));
    problem.direction = CLCONV_BACKWARD_WEIGHTS;
    assert_ok(clconv_problem_validate(&problem));
    problem.direction = CLCONV_BACKWARD_DATA;
    assert_fails(clconv_problem_validate(&problem), CLCONV_INVALID_PROBLEM, "input_strides");
    assert_message("overlap");
}

static void test_tensor_is_computed_by_direction(void **state) {
    static const struct {
        clconv_direction direction;
        int has_bias, computed[TENSOR_COUNT]; /* in the order of clconv_tensor */
    } rows[] = {
        {CLCONV_FORWARD, 1, {0, 0, 0, 0, 1}},
        {CLCONV_BACKWARD_DATA, 0, {1, 0, 0, 0, 0}},
        {CLCONV_BACKWARD_WEIGHTS, 0, {0, 1, 0, 0, 0}},
        {CLCONV_BACKWARD_WEIGHTS, 1, {0, 1, 1, 0, 0}},
        {CLCONV_TRANSPOSED, 1, {0, 0, 0, 0, 1}},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); ++i)
        for (int which = CLCONV_INPUT; which <= CLCONV_OUTPUT; ++which) {
            clconv_problem problem = CLCONV_PROBLEM_INIT;
            problem.direction = rows[i].direction;
            problem.has_bias = rows[i].has_bias;
            assert_int_equal(clconv_tensor_is_computed(&problem, (clconv_tensor)which),
                             rows[i].computed[which]);
        }
    assert_int_equal(clconv_tensor_is_computed(NULL, CLCONV_OUTPUT), 0);
}

/* ---- padding ---- */

typedef struct pad_row {
    size_t input, kernel, stride, dilation;
    size_t total, upper_end, lower_end; /* lower and upper differ where the total is odd */
} pad_row;

static const pad_row pad_rows[] = {
    {5, 3, 1, 1, 2, 1, 1},   {5, 2, 1, 1, 1, 1, 0}, {6, 4, 1, 1, 3, 2, 1},  {5, 3, 2, 1, 2, 1, 1},
    {6, 3, 2, 1, 1, 1, 0},   {7, 2, 2, 1, 1, 1, 0}, {8, 2, 2, 1, 0, 0, 0},  {5, 1, 3, 1, 0, 0, 0},
    {5, 3, 1, 3, 6, 3, 3},   {6, 4, 1, 3, 9, 5, 4}, {1, 5, 1, 1, 4, 2, 2},  {1, 4, 7, 2, 6, 3, 3},
    {224, 7, 2, 1, 5, 3, 2}, {9, 2, 4, 2, 2, 1, 1}, {10, 3, 4, 1, 1, 1, 0},
};

static void check_pads(const pad_row *row, size_t axis, clconv_padding padding, size_t end) {
    clconv_problem problem = CLCONV_PROBLEM_INIT;
    size_t output[CLCONV_SPATIAL_AXES];
    problem.input[axis] = row->input;
    problem.kernel[axis] = row->kernel;
    problem.stride[axis] = row->stride;
    problem.dilation[axis] = row->dilation;
    problem.pad_begin[axis] = 77;
    problem.pad_end[axis] = 88;
    assert_ok(clconv_problem_pad(&problem, padding));
    assert_int_equal(problem.pad_end[axis], end);
    assert_int_equal(problem.pad_begin[axis], row->total - end);
    assert_ok(clconv_problem_output(output, &problem));
    assert_int_equal(output[axis], (row->input + row->stride - 1) / row->stride);
}

static void test_problem_pad_same(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(pad_rows); ++i)
        for (size_t axis = 0; axis < CLCONV_SPATIAL_AXES; ++axis) {
            check_pads(&pad_rows[i], axis, CLCONV_SAME_UPPER, pad_rows[i].upper_end);
            check_pads(&pad_rows[i], axis, CLCONV_SAME_LOWER, pad_rows[i].lower_end);
        }
}

static void test_problem_pad_valid_clears_pads(void **state) {
    clconv_problem problem = plain_problem();
    (void)state;
    problem.pad_begin[CLCONV_H] = 3;
    problem.pad_end[CLCONV_W] = 4;
    assert_ok(clconv_problem_pad(&problem, CLCONV_VALID));
    for (size_t axis = 0; axis < CLCONV_SPATIAL_AXES; ++axis)
        assert_int_equal(problem.pad_begin[axis] + problem.pad_end[axis], 0);
}

static void test_problem_pad_failures_leave_problem(void **state) {
    clconv_problem problem = plain_problem(), before;
    (void)state;
    problem.pad_begin[CLCONV_H] = 3;
    before = problem;
    assert_fails(clconv_problem_pad(&problem, (clconv_padding)3), CLCONV_INVALID_ARGUMENT,
                 "padding is 3");
    assert_memory_equal(&problem, &before, sizeof before);
    problem.stride[CLCONV_W] = 0;
    before = problem;
    assert_fails(clconv_problem_pad(&problem, CLCONV_SAME_UPPER), CLCONV_INVALID_PROBLEM, "stride");
    assert_memory_equal(&problem, &before, sizeof before);
    problem.stride[CLCONV_W] = 1;
    problem.dilation[CLCONV_W] = SIZE_MAX;
    before = problem;
    assert_fails(clconv_problem_pad(&problem, CLCONV_SAME_UPPER), CLCONV_SIZE_OVERFLOW, "axis w");
    assert_memory_equal(&problem, &before, sizeof before);
}

/* ---- tensors ---- */

static void check_shape(const clconv_problem *problem, clconv_tensor which,
                        const size_t extent[CLCONV_TENSOR_AXES],
                        const size_t stride[CLCONV_TENSOR_AXES], size_t elements) {
    size_t extents[CLCONV_TENSOR_AXES], strides[CLCONV_TENSOR_AXES], count = 77;
    assert_ok(clconv_tensor_shape(extents, strides, problem, which));
    assert_memory_equal(extents, extent, sizeof extents);
    assert_memory_equal(strides, stride, sizeof strides);
    assert_ok(clconv_tensor_elements(&count, problem, which));
    assert_int_equal(count, elements);
}

#define CHECK_SHAPE(problem, which, n, c, d, h, w, sn, sc, sd, sh, sw, elements)                   \
    check_shape(problem, which, (const size_t[]){n, c, d, h, w},                                   \
                (const size_t[]){sn, sc, sd, sh, sw}, elements)

/* Two pictures of 4 channels, 2x5x7, and a 2x3x4 kernel; the output has 6 channels, 1x3x4. */
static clconv_problem volume_problem(void) {
    clconv_problem problem = parsed("mb2g2ic4id2ih5iw7oc6kd2kh3kw4_sd1sh1sw1_pd0ph0pw0");
    problem.has_bias = problem.has_residual = 1;
    return problem;
}

static void test_tensor_shape_nchw(void **state) {
    clconv_problem problem = volume_problem();
    (void)state;
    CHECK_SHAPE(&problem, CLCONV_INPUT, 2, 4, 2, 5, 7, 280, 70, 35, 7, 1, 560);
    CHECK_SHAPE(&problem, CLCONV_WEIGHTS, 6, 2, 2, 3, 4, 48, 24, 12, 4, 1, 288);
    CHECK_SHAPE(&problem, CLCONV_OUTPUT, 2, 6, 1, 3, 4, 72, 12, 12, 4, 1, 144);
    CHECK_SHAPE(&problem, CLCONV_RESIDUAL, 2, 6, 1, 3, 4, 72, 12, 12, 4, 1, 144);
}

static void test_tensor_shape_nhwc_and_ohwi(void **state) {
    clconv_problem problem = volume_problem();
    (void)state;
    problem.layout = CLCONV_NHWC;
    CHECK_SHAPE(&problem, CLCONV_INPUT, 2, 4, 2, 5, 7, 280, 1, 140, 28, 4, 560);
    CHECK_SHAPE(&problem, CLCONV_WEIGHTS, 6, 2, 2, 3, 4, 48, 24, 12, 4, 1, 288);
    CHECK_SHAPE(&problem, CLCONV_OUTPUT, 2, 6, 1, 3, 4, 72, 1, 72, 24, 6, 144);
    problem.weights_layout = CLCONV_OHWI;
    CHECK_SHAPE(&problem, CLCONV_WEIGHTS, 6, 2, 2, 3, 4, 48, 1, 24, 8, 2, 288);
    problem.layout = CLCONV_NCHW;
    CHECK_SHAPE(&problem, CLCONV_INPUT, 2, 4, 2, 5, 7, 280, 70, 35, 7, 1, 560);
    CHECK_SHAPE(&problem, CLCONV_WEIGHTS, 6, 2, 2, 3, 4, 48, 1, 24, 8, 2, 288);
}

static void test_tensor_shape_views(void **state) {
    clconv_problem problem = volume_problem();
    static const size_t input[] = {1000, 3, 500, 100, 13};
    static const size_t output[] = {2, 100, 0, 4, 25};
    (void)state;
    memcpy(problem.input_strides, input, sizeof input);
    memcpy(problem.output_strides, output, sizeof output);
    CHECK_SHAPE(&problem, CLCONV_INPUT, 2, 4, 2, 5, 7, 1000, 3, 500, 100, 13,
                1000 + 3 * 3 + 500 + 4 * 100 + 6 * 13 + 1);
    CHECK_SHAPE(&problem, CLCONV_OUTPUT, 2, 6, 1, 3, 4, 2, 100, 0, 4, 25,
                2 + 5 * 100 + 2 * 4 + 3 * 25 + 1);
    CHECK_SHAPE(&problem, CLCONV_RESIDUAL, 2, 6, 1, 3, 4, 2, 100, 0, 4, 25,
                2 + 5 * 100 + 2 * 4 + 3 * 25 + 1);
}

static void test_tensor_shape_bias(void **state) {
    clconv_problem problem = volume_problem();
    size_t extent[CLCONV_TENSOR_AXES], stride[CLCONV_TENSOR_AXES];
    (void)state;
    assert_ok(clconv_tensor_shape(extent, stride, &problem, CLCONV_BIAS));
    assert_int_equal(extent[CLCONV_AXIS_C], 6);
    assert_int_equal(stride[CLCONV_AXIS_C], 1);
    assert_int_equal(extent[CLCONV_AXIS_N] * extent[CLCONV_AXIS_D] * extent[CLCONV_AXIS_H] *
                         extent[CLCONV_AXIS_W],
                     1);
}

static void test_tensor_elements_of_absent_tensors(void **state) {
    clconv_problem problem = plain_problem();
    size_t elements = 77;
    (void)state;
    assert_ok(clconv_tensor_elements(&elements, &problem, CLCONV_BIAS));
    assert_int_equal(elements, 0);
    elements = 77;
    assert_ok(clconv_tensor_elements(&elements, &problem, CLCONV_RESIDUAL));
    assert_int_equal(elements, 0);
    problem.has_bias = 1;
    assert_ok(clconv_tensor_elements(&elements, &problem, CLCONV_BIAS));
    assert_int_equal(elements, 6);
}

static void test_tensor_elements_untouched_on_failure(void **state) {
    clconv_problem problem = plain_problem();
    size_t elements = 77, extent[CLCONV_TENSOR_AXES] = {78}, stride[CLCONV_TENSOR_AXES] = {79};
    (void)state;
    problem.batch = 0;
    assert_fails(clconv_tensor_elements(&elements, &problem, CLCONV_INPUT), CLCONV_INVALID_PROBLEM,
                 "batch");
    assert_fails(clconv_tensor_shape(extent, stride, &problem, CLCONV_INPUT),
                 CLCONV_INVALID_PROBLEM, "batch");
    assert_int_equal(elements, 77);
    assert_int_equal(extent[0], 78);
    assert_int_equal(stride[0], 79);
}

static void test_tensor_type_every_type(void **state) {
    (void)state;
    for (int type = CLCONV_F32; type <= CLCONV_BF16; ++type) {
        clconv_problem problem = CLCONV_PROBLEM_INIT;
        problem.type = (clconv_type)type;
        for (int which = CLCONV_INPUT; which <= CLCONV_OUTPUT; ++which)
            assert_int_equal(clconv_tensor_type(&problem, (clconv_tensor)which), type);
    }
    for (int type = CLCONV_S8; type <= CLCONV_U8; ++type) {
        clconv_problem problem = CLCONV_PROBLEM_INIT;
        problem.type = (clconv_type)type;
        assert_int_equal(clconv_tensor_type(&problem, CLCONV_INPUT), type);
        assert_int_equal(clconv_tensor_type(&problem, CLCONV_WEIGHTS), CLCONV_S8);
        assert_int_equal(clconv_tensor_type(&problem, CLCONV_BIAS), CLCONV_S32);
        assert_int_equal(clconv_tensor_type(&problem, CLCONV_OUTPUT), CLCONV_S32);
    }
}

static void test_problem_flops_known_layers(void **state) {
    static const struct {
        const char *text;
        double flops;
    } rows[] = {
        {"ic1ih1iw1_oc1kh1kw1", 2},
        {"ic64ih224iw224_oc64kh3kw3_ph1pw1", 3699376128.0},
        {"ic3ih224iw224_oc64kh7kw7_sh2sw2_ph3pw3", 236027904.0},
        {"g32ic32ih112iw112_oc32kh3kw3_ph1pw1", 7225344.0},
        {"mb3g2ic4id3ih3iw3_oc6kd2kh2kw2", 2.0 * 3 * 6 * 8 * 16},
        {"ic2ih3iw3_oc5kh2kw2_dir=transposed", 2.0 * 9 * 2 * 5 * 4},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); ++i) {
        clconv_problem problem = parsed(rows[i].text);
        double flops = clconv_problem_flops(&problem);
        if (flops != rows[i].flops)
            fail_msg("%s: %.0f instead of %.0f", rows[i].text, flops, rows[i].flops);
    }
}

/* ---- receptive fields ---- */

typedef struct stack_row {
    const char *layers[16];
    size_t size, stride;
    int64_t offset;
} stack_row;

static const stack_row stack_rows[] = {
    {{"iw9_kw3"}, 3, 1, 0},
    {{"iw3_kw2", "iw2_kw2"}, 3, 1, 0},
    {{"iw9_kw3pw1", "iw9_kw3pw1"}, 5, 1, -2},
    {{"iw9_kw3pw2rw0", "iw9_kw3sw2pw0rw1"}, 5, 2, -2},
    {{"iw9_kw3sw2pw1rw0", "iw4_kw3pw2rw1"}, 7, 2, -5},
    {{"iw32_kw3sw2pw1", "iw16_kw3sw2pw1", "iw8_kw3pw1"}, 15, 4, -7},
    {{"iw17_kw3dw1", "iw13_kw3dw1"}, 9, 1, 0},
    {{"iw20_kw1sw3", "iw7_kw1sw2", "iw4_kw2"}, 7, 6, 0},
    /* VGG-16 up to its last pooling layer */
    {{"iw224_kw3pw1", "iw224_kw3pw1", "iw224_kw2sw2", "iw112_kw3pw1", "iw112_kw3pw1",
      "iw112_kw2sw2", "iw56_kw3pw1", "iw56_kw3pw1", "iw56_kw3pw1", "iw56_kw2sw2", "iw28_kw3pw1",
      "iw28_kw3pw1", "iw28_kw3pw1", "iw28_kw2sw2"},
     100,
     16,
     -42},
    /* AlexNet's convolutions and poolings */
    {{"iw227_kw11sw4", "iw55_kw3sw2", "iw27_kw5pw2", "iw27_kw3sw2", "iw13_kw3pw1", "iw13_kw3pw1",
      "iw13_kw3pw1", "iw13_kw3sw2"},
     195,
     32,
     -64},
};

static size_t parse_stack(clconv_problem *layers, const stack_row *row) {
    size_t count = 0;
    for (; count < COUNT_OF(row->layers) && row->layers[count]; ++count) {
        char text[128];
        snprintf(text, sizeof text, "ic1oc1%s", row->layers[count]);
        layers[count] = parsed(text);
    }
    return count;
}

static void test_receptive_field_by_table(void **state) {
    clconv_problem layers[16];
    (void)state;
    for (size_t i = 0; i < COUNT_OF(stack_rows); ++i) {
        clconv_receptive_field field;
        size_t count = parse_stack(layers, &stack_rows[i]);
        assert_ok(clconv_receptive_field_of(&field, layers, count));
        assert_int_equal(field.size[CLCONV_W], stack_rows[i].size);
        assert_int_equal(field.stride[CLCONV_W], stack_rows[i].stride);
        assert_true(field.offset[CLCONV_W] == stack_rows[i].offset);
        assert_int_equal(field.size[CLCONV_H], 1);
        assert_int_equal(field.stride[CLCONV_H], 1);
        assert_true(field.offset[CLCONV_H] == 0);
    }
}

static void test_receptive_field_two_by_two_twice_sees_three_by_three(void **state) {
    clconv_problem layers[] = {parsed("ic1ih3iw3_oc1kh2kw2"), parsed("ic1ih2iw2_oc1kh2kw2")};
    clconv_receptive_field field;
    (void)state;
    assert_ok(clconv_receptive_field_of(&field, layers, 2));
    assert_int_equal(field.size[CLCONV_D], 1);
    assert_int_equal(field.size[CLCONV_H], 3);
    assert_int_equal(field.size[CLCONV_W], 3);
}

static void test_receptive_field_failures(void **state) {
    clconv_problem layers[] = {parsed("ic1ih9iw9_oc4kh3kw3"), parsed("ic4ih7iw7_oc4kh3kw3")};
    clconv_receptive_field field = {{5, 5, 5}, {5, 5, 5}, {5, 5, 5}}, before = field;
    (void)state;
    assert_fails(clconv_receptive_field_of(&field, layers, 0), CLCONV_INVALID_ARGUMENT, "count");
    assert_fails(clconv_receptive_field_of(&field, NULL, 1), CLCONV_INVALID_ARGUMENT, "layers");
    layers[1].input[CLCONV_W] = 8;
    assert_fails(clconv_receptive_field_of(&field, layers, 2), CLCONV_INVALID_PROBLEM, "layer 1");
    assert_message("8");
    assert_message("7");
    layers[1] = parsed("ic3ih7iw7_oc4kh3kw3");
    assert_fails(clconv_receptive_field_of(&field, layers, 2), CLCONV_INVALID_PROBLEM,
                 "in_channels 3");
    layers[0].stride[CLCONV_H] = 0;
    assert_fails(clconv_receptive_field_of(&field, layers, 2), CLCONV_INVALID_PROBLEM, "stride");
    assert_memory_equal(&field, &before, sizeof field);
}

/* The output of a stack of one-channel layers whose weights are all 1. */
static double run_stack(const clconv_problem *layers, size_t count, const float *image,
                        size_t index) {
    float ones[64];
    float values[2048];
    double outputs[2048];
    for (size_t i = 0; i < COUNT_OF(ones); ++i)
        ones[i] = 1;
    memcpy(values, image, layers[0].input[CLCONV_H] * layers[0].input[CLCONV_W] * sizeof *image);
    for (size_t layer = 0; layer < count; ++layer) {
        clconv_host_tensors tensors = {.input = values, .weights = ones, .output = values};
        size_t elements;
        assert_ok(clconv_tensor_elements(&elements, &layers[layer], CLCONV_OUTPUT));
        assert_in_range(elements, 1, COUNT_OF(values));
        assert_ok(clconv_reference(outputs, NULL, &layers[layer], &tensors));
        for (size_t i = 0; i < elements; ++i)
            values[i] = (float)outputs[i];
    }
    return outputs[index];
}

/* Whether the pixel lies where the field, moved to an output, has a tap's row or column. */
static bool lies_in_field(const clconv_receptive_field *field, size_t axis, size_t output,
                          size_t input) {
    int64_t first = field->offset[axis] + (int64_t)(output * field->stride[axis]);
    return (int64_t)input >= first && (int64_t)input < first + (int64_t)field->size[axis];
}

typedef struct seen_range {
    size_t first, last;
} seen_range;

/* First and last input row and column whose change reaches the output. */
static void perturb(const clconv_problem *layers, size_t count, size_t index, seen_range seen[]) {
    float image[1024] = {0};
    size_t height = layers[0].input[CLCONV_H], width = layers[0].input[CLCONV_W];
    for (size_t axis = 0; axis < 2; ++axis)
        seen[axis] = (seen_range){SIZE_MAX, 0};
    for (size_t i = 0; i < height * width; ++i) {
        const size_t at[] = {i / width, i % width};
        image[i] = 1;
        bool reaches = run_stack(layers, count, image, index) != 0;
        image[i] = 0;
        for (size_t axis = 0; reaches && axis < 2; ++axis) {
            seen[axis].first = at[axis] < seen[axis].first ? at[axis] : seen[axis].first;
            seen[axis].last = at[axis] > seen[axis].last ? at[axis] : seen[axis].last;
        }
    }
}

/* For every output: the pixels that reach it span exactly the part of its field in the image. */
static void check_field_by_perturbation(const clconv_problem *layers, size_t count) {
    clconv_receptive_field field;
    size_t output[CLCONV_SPATIAL_AXES];
    seen_range seen[2];
    assert_ok(clconv_receptive_field_of(&field, layers, count));
    assert_ok(clconv_problem_output(output, &layers[count - 1]));
    for (size_t index = 0; index < output[CLCONV_H] * output[CLCONV_W]; ++index) {
        const size_t at[] = {index / output[CLCONV_W], index % output[CLCONV_W]};
        perturb(layers, count, index, seen);
        for (size_t axis = 0; axis < 2; ++axis)
            for (size_t i = 0; i < layers[0].input[CLCONV_H + axis]; ++i) {
                bool inside = i >= seen[axis].first && i <= seen[axis].last;
                assert_int_equal(inside, lies_in_field(&field, CLCONV_H + axis, at[axis], i));
            }
    }
}

static void test_receptive_field_against_perturbation(void **state) {
    static const char *const stacks[][4] = {
        {"ic1oc1ih3iw3_kh2kw2", "ic1oc1ih2iw2_kh2kw2"},
        {"ic1oc1ih9iw8_kh3kw2_sh2sw1", "ic1oc1ih4iw7_kh2kw3_ph0pw0"},
        {"ic1oc1ih8iw9_kh3kw3_sh1sw2_ph1pw1", "ic1oc1ih8iw5_kh3kw3_ph1pw1",
         "ic1oc1ih8iw5_kh2kw3_sh2sw1_ph0pw1"},
        {"ic1oc1ih8iw9_kh3kw2_ph2pw1rh0rw0", "ic1oc1ih8iw9_kh2kw3_sh1sw2_ph0pw1rh1rw0"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(stacks); ++i) {
        clconv_problem layers[4];
        size_t count = 0;
        for (; count < 4 && stacks[i][count]; ++count)
            layers[count] = parsed(stacks[i][count]);
        check_field_by_perturbation(layers, count);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_problem_output_by_table),
        cmocka_unit_test(test_problem_output_untouched_on_failure),
        cmocka_unit_test(test_problem_functions_with_null),
        cmocka_unit_test(test_problem_validate_names_field_and_value),
        cmocka_unit_test(test_problem_validate_overflowing_products),
        cmocka_unit_test(test_problem_validate_overflowing_dilated_kernel),
        cmocka_unit_test(test_problem_validate_names),
        cmocka_unit_test(test_problem_validate_clamp),
        cmocka_unit_test(test_problem_validate_views),
        cmocka_unit_test(test_problem_validate_zero_points),
        cmocka_unit_test(test_problem_validate_8_bit_sums_that_leave_32_bits),
        cmocka_unit_test(test_problem_validate_transposed),
        cmocka_unit_test(test_problem_validate_gradients_have_no_epilogue),
        cmocka_unit_test(test_problem_validate_view_of_computed_input),
        cmocka_unit_test(test_tensor_is_computed_by_direction),
        cmocka_unit_test(test_problem_pad_same),
        cmocka_unit_test(test_problem_pad_valid_clears_pads),
        cmocka_unit_test(test_problem_pad_failures_leave_problem),
        cmocka_unit_test(test_tensor_shape_nchw),
        cmocka_unit_test(test_tensor_shape_nhwc_and_ohwi),
        cmocka_unit_test(test_tensor_shape_views),
        cmocka_unit_test(test_tensor_shape_bias),
        cmocka_unit_test(test_tensor_elements_of_absent_tensors),
        cmocka_unit_test(test_tensor_elements_untouched_on_failure),
        cmocka_unit_test(test_tensor_type_every_type),
        cmocka_unit_test(test_problem_flops_known_layers),
        cmocka_unit_test(test_receptive_field_by_table),
        cmocka_unit_test(test_receptive_field_two_by_two_twice_sees_three_by_three),
        cmocka_unit_test(test_receptive_field_failures),
        cmocka_unit_test(test_receptive_field_against_perturbation),
    };
    return run_group(tests);
}
