/* Problem strings: reading and writing. */
#include "support/generator.h"

static clconv_problem parsed(const char *text) {
    clconv_problem problem = CLCONV_PROBLEM_INIT;
    if (clconv_problem_parse(&problem, text))
        fail_msg("%s: %s", text, clconv_last_message());
    return problem;
}

#define FIELD(name)                                                                                \
    { #name, offsetof(clconv_problem, name), sizeof(((clconv_problem *)0)->name) }

static const struct {
    const char *name;
    size_t offset, size;
} fields[] = {
    FIELD(version),
    FIELD(direction),
    FIELD(mode),
    FIELD(type),
    FIELD(layout),
    FIELD(weights_layout),
    FIELD(batch),
    FIELD(groups),
    FIELD(in_channels),
    FIELD(out_channels),
    FIELD(input),
    FIELD(kernel),
    FIELD(stride),
    FIELD(dilation),
    FIELD(pad_begin),
    FIELD(pad_end),
    FIELD(output_padding),
    FIELD(input_strides),
    FIELD(output_strides),
    FIELD(has_bias),
    FIELD(has_residual),
    FIELD(activation),
    FIELD(activation_a),
    FIELD(activation_b),
    FIELD(alpha),
    FIELD(beta),
    FIELD(input_zero_point),
    FIELD(weights_zero_point),
    FIELD(name),
};

/* Compares field by field, because padding bytes have no value. */
static void assert_same_problem(const clconv_problem *actual, const clconv_problem *expected,
                                const char *text) {
    for (size_t i = 0; i < COUNT_OF(fields); ++i)
        if (memcmp((const char *)actual + fields[i].offset,
                   (const char *)expected + fields[i].offset, fields[i].size) != 0)
            fail_msg("%s: %s differs", text, fields[i].name);
}

/* ---- geometry ---- */

typedef struct geometry_row {
    const char *text;
    size_t counts[4]; /* batch, groups, in and out channels */
    size_t input[3], kernel[3], stride[3], dilation[3], pad_begin[3], pad_end[3];
} geometry_row;

static const geometry_row geometry_rows[] = {
    {"ic3ih224iw224_oc64kh7kw7_sh2sw2_ph3pw3",
     {1, 1, 3, 64},
     {1, 224, 224},
     {1, 7, 7},
     {1, 2, 2},
     {1, 1, 1},
     {0, 3, 3},
     {0, 3, 3}},
    {"mb2_g4_ic8ih9iw7_oc12oh4ow7_kh3kw5_sh2sw1_ph1pw2_dh0dw0_n\"x\"",
     {2, 4, 8, 12},
     {1, 9, 7},
     {1, 3, 5},
     {1, 2, 1},
     {1, 1, 1},
     {0, 1, 2},
     {0, 0, 2}},
    {"mb2g4ic8ih9iw7oc12kh3kw5sh2sw1ph1pw2",
     {2, 4, 8, 12},
     {1, 9, 7},
     {1, 3, 5},
     {1, 2, 1},
     {1, 1, 1},
     {0, 1, 2},
     {0, 1, 2}},
    {"ic1ih8_oc1kh3_sh2_ph1_dh1",
     {1, 1, 1, 1},
     {1, 8, 8},
     {1, 3, 3},
     {1, 2, 2},
     {1, 2, 2},
     {0, 1, 1},
     {0, 1, 1}},
    {"ic1ih8_oc1kh3kw1_sh2sw1_ph1pw0",
     {1, 1, 1, 1},
     {1, 8, 8},
     {1, 3, 1},
     {1, 2, 1},
     {1, 1, 1},
     {0, 1, 0},
     {0, 1, 0}},
    {"ic1id8_oc1kd3_sd2_pd1_dd1",
     {1, 1, 1, 1},
     {8, 8, 8},
     {3, 3, 3},
     {2, 2, 2},
     {2, 2, 2},
     {1, 1, 1},
     {1, 1, 1}},
    {"ic1id4ih5iw6_oc1kd1kh2kw3_pd0ph1pw2",
     {1, 1, 1, 1},
     {4, 5, 6},
     {1, 2, 3},
     {1, 1, 1},
     {1, 1, 1},
     {0, 1, 2},
     {0, 1, 2}},
    {"ic2iw9_oc3kw3_sw2_pw1_dw2",
     {1, 1, 2, 3},
     {1, 1, 9},
     {1, 1, 3},
     {1, 1, 2},
     {1, 1, 3},
     {0, 0, 1},
     {0, 0, 1}},
    /* the end padding follows from the output: more, less, and none */
    {"ic1ih16iw16_oc1oh15ow16_kh3kw3_ph0pw0",
     {1, 1, 1, 1},
     {1, 16, 16},
     {1, 3, 3},
     {1, 1, 1},
     {1, 1, 1},
     {0, 0, 0},
     {0, 1, 2}},
    {"ic1ih16iw16_oc1oh15ow16_kh3kw3_ph1pw1",
     {1, 1, 1, 1},
     {1, 16, 16},
     {1, 3, 3},
     {1, 1, 1},
     {1, 1, 1},
     {0, 1, 1},
     {0, 0, 1}},
    {"ic1ih8iw8_oc1oh3ow4_kh3kw3_sh2sw2_ph0pw0",
     {1, 1, 1, 1},
     {1, 8, 8},
     {1, 3, 3},
     {1, 2, 2},
     {1, 1, 1},
     {0, 0, 0},
     {0, 0, 1}},
    {"ic1ih8iw8_oc1oh9_kh2_ph1",
     {1, 1, 1, 1},
     {1, 8, 8},
     {1, 2, 2},
     {1, 1, 1},
     {1, 1, 1},
     {0, 1, 1},
     {0, 1, 1}},
    /* explicit end pads */
    {"ic1ih8iw8_oc1kh3kw3_ph1pw2rh4rw5",
     {1, 1, 1, 1},
     {1, 8, 8},
     {1, 3, 3},
     {1, 1, 1},
     {1, 1, 1},
     {0, 1, 2},
     {0, 4, 5}},
    {"ic1id8ih8iw8_oc1kd3kh3kw3_rd1rh0rw2",
     {1, 1, 1, 1},
     {8, 8, 8},
     {3, 3, 3},
     {1, 1, 1},
     {1, 1, 1},
     {0, 0, 0},
     {1, 0, 2}},
    {"ic1ih8iw8_oc1oh3ow3_kh3kw3_sh2sw2_ph0pw0rh0rw0",
     {1, 1, 1, 1},
     {1, 8, 8},
     {1, 3, 3},
     {1, 2, 2},
     {1, 1, 1},
     {0, 0, 0},
     {0, 0, 0}},
};

static void test_problem_parse_geometry(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(geometry_rows); ++i) {
        const geometry_row *row = &geometry_rows[i];
        clconv_problem actual = parsed(row->text), expected = CLCONV_PROBLEM_INIT;
        expected.batch = row->counts[0];
        expected.groups = row->counts[1];
        expected.in_channels = row->counts[2];
        expected.out_channels = row->counts[3];
        memcpy(expected.input, row->input, sizeof row->input);
        memcpy(expected.kernel, row->kernel, sizeof row->kernel);
        memcpy(expected.stride, row->stride, sizeof row->stride);
        memcpy(expected.dilation, row->dilation, sizeof row->dilation);
        memcpy(expected.pad_begin, row->pad_begin, sizeof row->pad_begin);
        memcpy(expected.pad_end, row->pad_end, sizeof row->pad_end);
        memcpy(expected.name, actual.name, sizeof expected.name);
        assert_same_problem(&actual, &expected, row->text);
    }
}

/* ---- words ---- */

static void test_problem_parse_enum_words(void **state) {
    static const struct {
        const char *word;
        clconv_type type;
        clconv_direction direction;
        clconv_mode mode;
        clconv_layout layout;
        clconv_weights_layout weights;
    } rows[] = {
        {"_type=f32", CLCONV_F32, 0, 0, 0, 0},
        {"_type=f64", CLCONV_F64, 0, 0, 0, 0},
        {"_type=f16", CLCONV_F16, 0, 0, 0, 0},
        {"_type=bf16", CLCONV_BF16, 0, 0, 0, 0},
        {"_type=s8", CLCONV_S8, 0, 0, 0, 0},
        {"_type=u8", CLCONV_U8, 0, 0, 0, 0},
        {"_dir=forward", 0, CLCONV_FORWARD, 0, 0, 0},
        {"_dir=backward_data", 0, CLCONV_BACKWARD_DATA, 0, 0, 0},
        {"_dir=backward_weights", 0, CLCONV_BACKWARD_WEIGHTS, 0, 0, 0},
        {"_dir=transposed", 0, CLCONV_TRANSPOSED, 0, 0, 0},
        {"_mode=cross_correlation", 0, 0, CLCONV_CROSS_CORRELATION, 0, 0},
        {"_mode=convolution", 0, 0, CLCONV_CONVOLUTION, 0, 0},
        {"_layout=nchw", 0, 0, 0, CLCONV_NCHW, 0},
        {"_layout=nhwc", 0, 0, 0, CLCONV_NHWC, 0},
        {"_weights=oihw", 0, 0, 0, 0, CLCONV_OIHW},
        {"_weights=ohwi", 0, 0, 0, 0, CLCONV_OHWI},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); ++i) {
        char text[96];
        snprintf(text, sizeof text, "ic2iw9_oc2kw3%s", rows[i].word);
        clconv_problem problem = parsed(text);
        assert_int_equal(problem.type, rows[i].type);
        assert_int_equal(problem.direction, rows[i].direction);
        assert_int_equal(problem.mode, rows[i].mode);
        assert_int_equal(problem.layout, rows[i].layout);
        assert_int_equal(problem.weights_layout, rows[i].weights);
    }
}

static void test_problem_parse_activations(void **state) {
    static const struct {
        const char *word;
        clconv_activation activation;
        double a, b;
    } rows[] = {
        {"", CLCONV_ACTIVATION_NONE, 0, 0},
        {"_act=none", CLCONV_ACTIVATION_NONE, 0, 0},
        {"_act=relu", CLCONV_RELU, 0, 0},
        {"_act=clamp:0:6", CLCONV_CLAMP, 0, 6},
        {"_act=clamp:-1.5:2e-3", CLCONV_CLAMP, -1.5, 2e-3},
        {"_act=leaky_relu:0.01", CLCONV_LEAKY_RELU, 0.01, 0},
        {"_act=sigmoid", CLCONV_SIGMOID, 0, 0},
        {"_act=tanh", CLCONV_TANH, 0, 0},
        {"_act=silu", CLCONV_SILU, 0, 0},
        {"_act=gelu", CLCONV_GELU, 0, 0},
        {"_act=hard_swish", CLCONV_HARD_SWISH, 0, 0},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); ++i) {
        char text[96];
        snprintf(text, sizeof text, "ic2iw9_oc2kw3%s_bias", rows[i].word);
        clconv_problem problem = parsed(text);
        assert_int_equal(problem.activation, rows[i].activation);
        assert_true(problem.activation_a == rows[i].a && problem.activation_b == rows[i].b);
        assert_int_equal(problem.has_bias, 1);
        assert_int_equal(problem.has_residual, 0);
    }
}

static void test_problem_parse_every_other_word(void **state) {
    clconv_problem actual = parsed("ic2iw9_oc2kw3_residual_alpha=0.5_beta=-1e-3_"
                                   "xs=100:20:7:7:2_ys=50:7:0:0:1_n\"a_b c:1\"");
    clconv_problem expected = parsed("ic2iw9_oc2kw3");
    static const size_t input[] = {100, 20, 7, 7, 2}, output[] = {50, 7, 0, 0, 1};
    (void)state;
    expected.has_residual = 1;
    expected.alpha = 0.5;
    expected.beta = -1e-3;
    memcpy(expected.input_strides, input, sizeof input);
    memcpy(expected.output_strides, output, sizeof output);
    strcpy(expected.name, "a_b c:1");
    assert_same_problem(&actual, &expected, "words");
    actual = parsed("ic2iw9_oc2kw3_type=s8_xzp=3_wzp=-1");
    assert_int_equal(actual.input_zero_point, 3);
    assert_int_equal(actual.weights_zero_point, -1);
    actual = parsed("ic1ih3iw3_oc1kh3kw3_sh3sw2_dir=transposed_oph1opw0");
    assert_int_equal(actual.output_padding[CLCONV_H], 1);
    assert_int_equal(actual.output_padding[CLCONV_W], 0);
}

/* ---- errors ---- */

static void test_problem_parse_errors_leave_problem(void **state) {
    static const struct {
        const char *text;
        clconv_status status;
        const char *message;
    } rows[] = {
        {"", CLCONV_SYNTAX, "empty"},
        {"?", CLCONV_SYNTAX, "?"},
        {"zz3", CLCONV_SYNTAX, "zz3"},
        {"ic3iq5", CLCONV_SYNTAX, "iq5"},
        {"ic3ih", CLCONV_SYNTAX, "ih"},
        {"ic3ihiw5", CLCONV_SYNTAX, "ihiw5"},
        {"ic_oc3", CLCONV_SYNTAX, "ic_oc3"},
        {"ic-3", CLCONV_SYNTAX, "-3"},
        {"ic3.5", CLCONV_SYNTAX, ".5"},
        {"ic99999999999999999999", CLCONV_SYNTAX, "too large"},
        {"ic18446744073709551616", CLCONV_SYNTAX, "too large"},
        {"ic3ic3", CLCONV_SYNTAX, "second time"},
        {"ic3_kh3_kh3", CLCONV_SYNTAX, "second time"},
        {"ic3_bias_bias", CLCONV_SYNTAX, "second time"},
        {"ic3 oc4", CLCONV_SYNTAX, " oc4"},
        {"ic3_", CLCONV_SYNTAX, "byte 4"},
        {"ic3__oc4", CLCONV_SYNTAX, "_oc4"},
        {"_ic3", CLCONV_SYNTAX, "_ic3"},
        {"ic3\n", CLCONV_SYNTAX, "byte 3"},
        {"ic3_type", CLCONV_SYNTAX, "type"},
        {"ic3_type=f8", CLCONV_SYNTAX, "f8"},
        {"ic3_type=", CLCONV_SYNTAX, "byte 9"},
        {"ic3_type=f16x", CLCONV_SYNTAX, "x"},
        {"ic3_bias=1", CLCONV_SYNTAX, "bias"},
        {"ic3_colour=red", CLCONV_SYNTAX, "colour"},
        {"ic3_act=clamp", CLCONV_SYNTAX, "':'"},
        {"ic3_act=clamp:1", CLCONV_SYNTAX, "':'"},
        {"ic3_act=clamp:a:b", CLCONV_SYNTAX, "a:b"},
        {"ic3_act=relu:1", CLCONV_SYNTAX, ":1"},
        {"ic3_alpha=", CLCONV_SYNTAX, "byte 10"},
        {"ic3_alpha=x", CLCONV_SYNTAX, "x"},
        {"ic3_alpha=nan", CLCONV_INVALID_PROBLEM, "alpha"},
        {"ic3_xzp=5000000000", CLCONV_SYNTAX, "too large"},
        {"ic3_xs=1:2:3:4", CLCONV_SYNTAX, "':'"},
        {"ic3_xs=1:2:3:4:5:6", CLCONV_SYNTAX, ":6"},
        {"ic3_n\"open", CLCONV_SYNTAX, "closing quote"},
        {"ic3_n\"a\"_n\"b\"", CLCONV_SYNTAX, "second name"},
        {"ic3_n\"a\"b", CLCONV_SYNTAX, "byte 8"},
        {"ic3_n\"0123456789012345678901234567890123456789012345678901234567890123\"", CLCONV_SYNTAX,
         "63"},
        {"ic1ih8iw8_oc1oh9ow8_kh3kw3_sh1sw1_ph5pw1", CLCONV_SYNTAX, "oh is 9"},
        {"ic1ih8iw8_oc1oh8ow5_kh3kw3_sh1sw1_ph1pw1rh1rw1", CLCONV_SYNTAX, "ow is 5"},
        {"ic1ih8iw8_oc1oh0ow8_kh3kw3_ph1pw1", CLCONV_SYNTAX, "oh is 0"},
        {"ic0", CLCONV_INVALID_PROBLEM, "in_channels is 0"},
        {"ic3_g2", CLCONV_INVALID_PROBLEM, "groups is 2"},
        {"ic3_sh0sw1", CLCONV_INVALID_PROBLEM, "stride"},
        {"ic3ih2iw2_kh3kw3", CLCONV_INVALID_PROBLEM, "kernel"},
        {"ic3_opw1", CLCONV_INVALID_PROBLEM, "output_padding"},
        {"iw18446744073709551615_ic2", CLCONV_SIZE_OVERFLOW, "input"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); ++i) {
        clconv_problem problem, before;
        memset(&problem, 0x5a, sizeof problem);
        before = problem;
        clconv_status status = clconv_problem_parse(&problem, rows[i].text);
        if (status == CLCONV_OK)
            fail_msg("\"%s\" was read without complaint", rows[i].text);
        assert_fails(status, rows[i].status, rows[i].message);
        assert_memory_equal(&problem, &before, sizeof before);
    }
}

static void test_problem_parse_null(void **state) {
    clconv_problem problem = CLCONV_PROBLEM_INIT;
    (void)state;
    assert_fails(clconv_problem_parse(NULL, "ic1"), CLCONV_INVALID_ARGUMENT, "problem is NULL");
    assert_fails(clconv_problem_parse(&problem, NULL), CLCONV_INVALID_ARGUMENT, "text is NULL");
}

static void test_problem_parse_every_prefix_and_changed_byte(void **state) {
    static const char text[] =
        "mb2_g2_ic4id3ih5iw6_oc2kd1kh2kw3_sh2sw1_ph1pw2rh0rw1_dh0dw1_type=u8_"
        "xzp=3_bias_xs=1000:1:300:60:10_n\"name\"";
    uint64_t random = 7;
    (void)state;
    (void)parsed(text);
    for (size_t i = 0; i < 20000; ++i) {
        char changed[sizeof text];
        clconv_problem problem = CLCONV_PROBLEM_INIT;
        memcpy(changed, text, sizeof text);
        if (i < sizeof text)
            changed[i] = 0;
        else
            changed[random_below(&random, sizeof text - 1)] = (char)random_below(&random, 256);
        if (clconv_problem_parse(&problem, changed) == CLCONV_OK)
            assert_ok(clconv_problem_validate(&problem));
    }
}

/* ---- writing ---- */

static void test_problem_format_canonical(void **state) {
    static const struct {
        const char *text, *canonical;
    } rows[] = {
        {"ic1", "mb1_ic1ih1iw1_oc1oh1ow1_kh1kw1_sh1sw1_ph0pw0_dh0dw0"},
        {"n\"c\"_kw5kh7_oc64_ic3ih224iw224", "mb1_ic3ih224iw224_oc64oh218ow220_kh7kw5_sh1sw1_"
                                             "ph0pw0_dh0dw0_n\"c\""},
        {"mb1_ic64ih56iw56_oc64oh56ow56_kh3kw3_sh1sw1_ph1pw1_dh0dw0_n\"resnet_50:res2a\"",
         "mb1_ic64ih56iw56_oc64oh56ow56_kh3kw3_sh1sw1_ph1pw1_dh0dw0_n\"resnet_50:res2a\""},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); ++i) {
        char text[CLCONV_PROBLEM_TEXT_SIZE];
        clconv_problem problem = parsed(rows[i].text);
        assert_ok(clconv_problem_format(text, sizeof text, &problem));
        assert_string_equal(text, rows[i].canonical);
    }
}

static void test_problem_format_failures_leave_text(void **state) {
    clconv_problem problem = parsed("ic3iw9_oc4kw3");
    char text[CLCONV_PROBLEM_TEXT_SIZE], small[CLCONV_PROBLEM_TEXT_SIZE];
    (void)state;
    assert_ok(clconv_problem_format(text, sizeof text, &problem));
    size_t needed = strlen(text) + 1;
    memset(small, 'x', sizeof small);
    for (size_t size = 0; size < needed; ++size) {
        assert_fails(clconv_problem_format(small, size, &problem), CLCONV_BUFFER_TOO_SMALL, "size");
        for (size_t i = 0; i < sizeof small; ++i)
            assert_int_equal(small[i], 'x');
    }
    assert_ok(clconv_problem_format(small, needed, &problem));
    assert_string_equal(small, text);
    assert_int_equal(small[needed], 'x');
    assert_fails(clconv_problem_format(NULL, 9, &problem), CLCONV_INVALID_ARGUMENT, "text");
    assert_fails(clconv_problem_format(text, sizeof text, NULL), CLCONV_INVALID_ARGUMENT,
                 "problem");
    problem.stride[CLCONV_W] = 0;
    assert_fails(clconv_problem_format(text, sizeof text, &problem), CLCONV_INVALID_PROBLEM,
                 "stride");
    assert_string_equal(small, text);
}

static void assert_round_trip(const clconv_problem *problem) {
    char text[CLCONV_PROBLEM_TEXT_SIZE], again[CLCONV_PROBLEM_TEXT_SIZE];
    assert_ok(clconv_problem_format(text, sizeof text, problem));
    clconv_problem read = parsed(text);
    assert_same_problem(&read, problem, text);
    assert_ok(clconv_problem_format(again, sizeof again, &read));
    assert_string_equal(again, text);
}

/* A double with a random exponent, so that it needs all its digits. */
static double random_double(uint64_t *random) {
    return ldexp(random_real(random), (int)random_below(random, 200) - 100);
}

static void random_label(clconv_problem *problem, uint64_t *random) {
    static const char letters[] = "abcxyzABC0189_:/.-+ ()=\\'";
    size_t length = random_below(random, CLCONV_NAME_SIZE);
    for (size_t i = 0; i < length; ++i)
        problem->name[i] = letters[random_below(random, sizeof letters - 1)];
}

static void random_rest(clconv_problem *problem, uint64_t *random) {
    random_label(problem, random);
    if (is_integer_type(problem->type) || random_chance(random, 2))
        return;
    problem->alpha = random_double(random);
    problem->beta = random_double(random);
    if (problem->activation == CLCONV_LEAKY_RELU)
        problem->activation_a = random_double(random);
}

static void test_problem_format_round_trip_of_random_problems(void **state) {
    uint64_t random = environment_number("CLCONV_TEST_SEED", 1);
    (void)state;
    for (size_t i = 0; i < 20000; ++i) {
        clconv_problem problem = CLCONV_PROBLEM_INIT;
        random_meaning(&problem, &random);
        if (random_chance(&random, 2))
            random_training(&problem, &random);
        random_geometry(&problem, &random, SMALL_WORK);
        random_rest(&problem, &random);
        assert_round_trip(&problem);
    }
}

static void test_problem_format_round_trip_of_transposed(void **state) {
    static const char *const texts[] = {
        "ic2ih3iw4_oc4kh3kw3_sh2sw3_ph1pw0_dir=transposed",
        "g2_ic2ih3iw4_oc4kh3kw3_sh2sw3_ph1pw0rh0rw2_dir=transposed_oph1opw2",
        "ic1id2ih3iw4_oc1kd2kh3kw3_dd1dh0dw2_opd1oph0opw2_dir=transposed",
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); ++i) {
        clconv_problem problem = parsed(texts[i]);
        assert_round_trip(&problem);
    }
}

static void test_problem_format_longest_text_fits(void **state) {
    clconv_problem problem = CLCONV_PROBLEM_INIT;
    size_t many = (size_t)1 << 20, stride = (size_t)1 << 30;
    char text[CLCONV_PROBLEM_TEXT_SIZE];
    (void)state;
    problem.in_channels = problem.out_channels = problem.groups = many;
    for (size_t axis = 0; axis < CLCONV_SPATIAL_AXES; ++axis) {
        problem.stride[axis] = SIZE_MAX;
        problem.dilation[axis] = SIZE_MAX;
        problem.pad_begin[axis] = SIZE_MAX / 9;
        problem.pad_end[axis] = SIZE_MAX / 9;
        problem.input_strides[axis + 2] = problem.output_strides[axis + 2] = SIZE_MAX;
    }
    problem.input_strides[0] = problem.output_strides[0] = SIZE_MAX;
    problem.input_strides[1] = problem.output_strides[1] = stride;
    problem.has_bias = problem.has_residual = 1;
    problem.type = CLCONV_BF16;
    problem.mode = CLCONV_CONVOLUTION;
    problem.layout = CLCONV_NHWC;
    problem.weights_layout = CLCONV_OHWI;
    problem.activation = CLCONV_CLAMP;
    problem.activation_a = -1.7976931348623157e308;
    problem.activation_b = -1.2345678901234567e-308;
    problem.alpha = problem.beta = -1.2345678901234567e-308;
    memset(problem.name, 'n', sizeof problem.name - 1);
    assert_ok(clconv_problem_format(text, sizeof text, &problem));
    assert_round_trip(&problem);
}

/* ---- case files ---- */

static size_t check_case_file(const char *name, bool is_published) {
    char path[1024], line[512];
    size_t count = 0;
    snprintf(path, sizeof path, "%s/tests/cases/%s.txt", CLCONV_SOURCE_DIR, name);
    FILE *file = fopen(path, "r");
    if (!file)
        fail_msg("%s cannot be opened", path);
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        if (line[0] == '#' || line[0] == 0)
            continue;
        clconv_problem problem = parsed(line);
        char text[CLCONV_PROBLEM_TEXT_SIZE];
        assert_true(problem.batch == 1 || !is_published);
        assert_round_trip(&problem);
        assert_ok(clconv_problem_format(text, sizeof text, &problem));
        if (problem.groups == 1)
            assert_string_equal(text, line);
        ++count;
    }
    fclose(file);
    return count;
}

/* A published network has its number of layers; our own files grow. */
static void test_problem_parse_case_files(void **state) {
    static const struct {
        const char *name;
        size_t layers;
    } networks[] = {{"resnet_50_v1_5", 23}, {"vgg_16", 9}, {"googlenet_v1", 51}, {"mobilenet", 20}};
    static const char *const ours[] = {"tails", "padding", "dilated", "half"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(networks); ++i)
        assert_int_equal(check_case_file(networks[i].name, true), networks[i].layers);
    for (size_t i = 0; i < COUNT_OF(ours); ++i)
        assert_true(check_case_file(ours[i], false) > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_problem_parse_geometry),
        cmocka_unit_test(test_problem_parse_enum_words),
        cmocka_unit_test(test_problem_parse_activations),
        cmocka_unit_test(test_problem_parse_every_other_word),
        cmocka_unit_test(test_problem_parse_errors_leave_problem),
        cmocka_unit_test(test_problem_parse_null),
        cmocka_unit_test(test_problem_parse_every_prefix_and_changed_byte),
        cmocka_unit_test(test_problem_format_canonical),
        cmocka_unit_test(test_problem_format_failures_leave_text),
        cmocka_unit_test(test_problem_format_round_trip_of_random_problems),
        cmocka_unit_test(test_problem_format_round_trip_of_transposed),
        cmocka_unit_test(test_problem_format_longest_text_fits),
        cmocka_unit_test(test_problem_parse_case_files),
    };
    return run_group(tests);
}
