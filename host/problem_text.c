/* Problem strings: oneDNN benchdnn's convolution grammar with named suffixes. */
#include "problem.h"

#include <inttypes.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Numbers per axis, written as the item's letters and d, h or w: "ih56", "oph1". */
enum { INPUT, OUTPUT, KERNEL, STRIDE, DILATION, PAD, RIGHT_PAD, OUTPUT_PADDING, ITEMS };
static const char *const item_letters[ITEMS] = {"i", "o", "k", "s", "d", "p", "r", "op"};
static const size_t item_defaults[ITEMS] = {1, 0, 1, 1, 0, 0, 0, 0};
static const char axis_letters[] = "dhw";

/* Numbers of the whole problem. */
enum { BATCH, GROUPS, IN_CHANNELS, OUT_CHANNELS, COUNTS };
static const char *const count_letters[COUNTS] = {"mb", "g", "ic", "oc"};

typedef struct parser {
    const char *text; /* whole, for messages */
    const char *at;
    clconv_problem problem;
    size_t items[ITEMS][CLCONV_SPATIAL_AXES];
    int item_given[ITEMS][CLCONV_SPATIAL_AXES];
    size_t counts[COUNTS];
    int count_given[COUNTS];
    unsigned words_given; /* bit i: row i of the word table */
    int name_given;
} parser;

static clconv_status syntax_error(const parser *s, const char *at, const char *what) {
    return clconv__fail(CLCONV_SYNTAX, "problem \"%.200s\": %s at byte %td, \"%.24s\"", s->text,
                        what, at - s->text, at);
}

/* ---- values ---- */

static clconv_status parse_size(parser *s, size_t *value) {
    const char *start = s->at;
    size_t result = 0;
    if (*s->at < '0' || *s->at > '9')
        return syntax_error(s, start, "a number is missing");
    for (; *s->at >= '0' && *s->at <= '9'; ++s->at)
        if (__builtin_mul_overflow(result, 10, &result) ||
            __builtin_add_overflow(result, (size_t)(*s->at - '0'), &result))
            return syntax_error(s, start, "a number is too large");
    *value = result;
    return CLCONV_OK;
}

static clconv_status parse_double(parser *s, double *value) {
    char *end;
    *value = strtod(s->at, &end);
    if (end == s->at)
        return syntax_error(s, s->at, "a number is missing");
    s->at = end;
    return CLCONV_OK;
}

static clconv_status parse_int32(parser *s, int32_t *value) {
    const char *start = s->at;
    size_t magnitude = 0;
    int negative = *s->at == '-';
    s->at += negative;
    clconv_status status = parse_size(s, &magnitude);
    if (status)
        return status;
    if (magnitude > INT32_MAX)
        return syntax_error(s, start, "a number is too large");
    *value = negative ? -(int32_t)magnitude : (int32_t)magnitude;
    return CLCONV_OK;
}

/* The longest name that the text begins with, so that a name may contain another. */
static clconv_status parse_enum(parser *s, const char *const names[], int count, int *value) {
    size_t best = 0;
    for (int i = 0; i < count; ++i) {
        size_t length = strlen(names[i]);
        if (length > best && strncmp(s->at, names[i], length) == 0) {
            best = length;
            *value = i;
        }
    }
    if (!best)
        return syntax_error(s, s->at, "unknown value");
    s->at += best;
    return CLCONV_OK;
}

static clconv_status expect_colon(parser *s) {
    if (*s->at != ':')
        return syntax_error(s, s->at, "':' is missing");
    ++s->at;
    return CLCONV_OK;
}

/* ---- words: "_type=f16", "_bias" ---- */

#define ENUM_WORD(function, field, type, names, count)                                             \
    static clconv_status function(parser *s) {                                                     \
        int value = 0;                                                                             \
        clconv_status status = parse_enum(s, names, count, &value);                                \
        s->problem.field = (type)value;                                                            \
        return status;                                                                             \
    }
ENUM_WORD(word_type, type, clconv_type, clconv__type_names, CLCONV__TYPES)
ENUM_WORD(word_direction, direction, clconv_direction, clconv__direction_names, CLCONV__DIRECTIONS)
ENUM_WORD(word_mode, mode, clconv_mode, clconv__mode_names, CLCONV__MODES)
ENUM_WORD(word_layout, layout, clconv_layout, clconv__layout_names, CLCONV__LAYOUTS)
ENUM_WORD(word_weights, weights_layout, clconv_weights_layout, clconv__weights_layout_names,
          CLCONV__WEIGHTS_LAYOUTS)
#undef ENUM_WORD

static clconv_status word_bias(parser *s) {
    s->problem.has_bias = 1;
    return CLCONV_OK;
}

static clconv_status word_residual(parser *s) {
    s->problem.has_residual = 1;
    return CLCONV_OK;
}

static clconv_status word_activation(parser *s) {
    int value = 0;
    double *const parameters[] = {&s->problem.activation_a, &s->problem.activation_b};
    clconv_status status = parse_enum(s, clconv__activation_names, CLCONV__ACTIVATIONS, &value);
    s->problem.activation = (clconv_activation)value;
    for (int i = 0; !status && i < clconv__activation_parameters(s->problem.activation); ++i)
        if (!(status = expect_colon(s)))
            status = parse_double(s, parameters[i]);
    return status;
}

static clconv_status word_alpha(parser *s) {
    return parse_double(s, &s->problem.alpha);
}

static clconv_status word_beta(parser *s) {
    return parse_double(s, &s->problem.beta);
}

static clconv_status word_input_zero_point(parser *s) {
    return parse_int32(s, &s->problem.input_zero_point);
}

static clconv_status word_weights_zero_point(parser *s) {
    return parse_int32(s, &s->problem.weights_zero_point);
}

static clconv_status parse_view(parser *s, size_t strides[]) {
    clconv_status status = CLCONV_OK;
    for (int axis = 0; axis < CLCONV_TENSOR_AXES && !status; ++axis)
        if (axis == 0 || !(status = expect_colon(s)))
            status = parse_size(s, &strides[axis]);
    return status;
}

static clconv_status word_input_view(parser *s) {
    return parse_view(s, s->problem.input_strides);
}

static clconv_status word_output_view(parser *s) {
    return parse_view(s, s->problem.output_strides);
}

static const struct {
    const char *name;
    int has_value;
    clconv_status (*parse)(parser *s);
} words[] = {
    {"type", 1, word_type},
    {"dir", 1, word_direction},
    {"mode", 1, word_mode},
    {"layout", 1, word_layout},
    {"weights", 1, word_weights},
    {"bias", 0, word_bias},
    {"residual", 0, word_residual},
    {"act", 1, word_activation},
    {"alpha", 1, word_alpha},
    {"beta", 1, word_beta},
    {"xzp", 1, word_input_zero_point},
    {"wzp", 1, word_weights_zero_point},
    {"xs", 1, word_input_view},
    {"ys", 1, word_output_view},
};

/* ---- tokens ---- */

static clconv_status parse_name(parser *s) {
    const char *start = s->at + 1;
    const char *end = strchr(start, '"');
    if (s->name_given++)
        return syntax_error(s, s->at, "a second name");
    if (!end)
        return syntax_error(s, s->at, "a name without its closing quote");
    size_t length = (size_t)(end - start);
    if (length >= sizeof s->problem.name)
        return syntax_error(s, s->at, "a name of more than 63 bytes");
    memcpy(s->problem.name, start, length);
    s->at = end + 1;
    return CLCONV_OK;
}

static int equals(const char *name, const char *letters, size_t length) {
    return strlen(name) == length && memcmp(name, letters, length) == 0;
}

static clconv_status parse_word(parser *s, const char *letters, size_t length) {
    for (unsigned i = 0; i < sizeof words / sizeof words[0]; ++i) {
        if (!equals(words[i].name, letters, length))
            continue;
        if (s->words_given & (1u << i))
            return syntax_error(s, letters, "the word stands here a second time");
        s->words_given |= 1u << i;
        if (words[i].has_value != (*s->at == '='))
            return syntax_error(s, letters,
                                words[i].has_value ? "the word lacks its '=value'"
                                                   : "the word takes no value");
        s->at += words[i].has_value;
        return words[i].parse(s);
    }
    return syntax_error(s, letters, "unknown word");
}

/* Finds where a number goes; NULL for letters that are no key. */
static size_t *find_number(parser *s, const char *letters, size_t length, int **given) {
    for (int i = 0; i < COUNTS; ++i)
        if (equals(count_letters[i], letters, length)) {
            *given = &s->count_given[i];
            return &s->counts[i];
        }
    const char *axis = length ? strchr(axis_letters, letters[length - 1]) : NULL;
    for (int item = 0; axis && item < ITEMS; ++item)
        if (equals(item_letters[item], letters, length - 1)) {
            *given = &s->item_given[item][axis - axis_letters];
            return &s->items[item][axis - axis_letters];
        }
    return NULL;
}

static clconv_status parse_token(parser *s) {
    const char *letters = s->at;
    int *given = NULL;
    while (*s->at >= 'a' && *s->at <= 'z')
        ++s->at;
    size_t length = (size_t)(s->at - letters);
    if (length == 1 && *letters == 'n' && *s->at == '"')
        return parse_name(s);
    if (length == 0)
        return syntax_error(s, letters, "a key was expected");
    if (*s->at < '0' || *s->at > '9') {
        if (find_number(s, letters, length, &given))
            return syntax_error(s, letters, "the key lacks its number");
        return parse_word(s, letters, length);
    }
    size_t *number = find_number(s, letters, length, &given);
    if (!number)
        return syntax_error(s, letters, "unknown key");
    if ((*given)++)
        return syntax_error(s, letters, "the key stands here a second time");
    return parse_size(s, number);
}

/* ---- from numbers to a problem ---- */

/* A lone h serves for w and a lone d for all three, as in benchdnn. */
static void fill_item(parser *s, int item) {
    size_t *value = s->items[item];
    int *given = s->item_given[item];
    for (int axis = 0; axis < CLCONV_SPATIAL_AXES; ++axis)
        if (!given[axis])
            value[axis] = item_defaults[item];
    if (given[CLCONV_D] && !given[CLCONV_H] && !given[CLCONV_W]) {
        value[CLCONV_H] = value[CLCONV_W] = value[CLCONV_D];
        given[CLCONV_H] = given[CLCONV_W] = 1;
    } else if (given[CLCONV_H] && !given[CLCONV_W]) {
        value[CLCONV_W] = value[CLCONV_H];
        given[CLCONV_W] = 1;
    }
}

/* Pads of one axis; with a given output the end padding is what makes it come out. */
static void fill_pads(parser *s, int axis) {
    clconv_problem *p = &s->problem;
    size_t kernel = p->dilation[axis] * (p->kernel[axis] - 1) + 1;
    size_t out = s->items[OUTPUT][axis], in = p->input[axis];
    int transposed = p->direction == CLCONV_TRANSPOSED;
    p->pad_begin[axis] = p->pad_end[axis] = s->items[PAD][axis];
    if (s->item_given[RIGHT_PAD][axis])
        p->pad_end[axis] = s->items[RIGHT_PAD][axis];
    if (!s->item_given[OUTPUT][axis] || out == 0)
        return;
    size_t covered = transposed ? (in - 1) * p->stride[axis] + kernel + p->output_padding[axis]
                                : (out - 1) * p->stride[axis] + kernel;
    size_t without = transposed ? out : in;
    size_t total = covered > without ? covered - without : 0;
    if (!s->item_given[PAD][axis] && !s->item_given[RIGHT_PAD][axis])
        p->pad_begin[axis] = total / 2;
    if (!s->item_given[RIGHT_PAD][axis])
        p->pad_end[axis] = total > p->pad_begin[axis] ? total - p->pad_begin[axis] : 0;
}

static clconv_status check_outputs(parser *s) {
    size_t output[CLCONV_SPATIAL_AXES];
    clconv_status status = clconv_problem_output(output, &s->problem);
    for (int axis = 0; axis < CLCONV_SPATIAL_AXES && !status; ++axis)
        if (s->item_given[OUTPUT][axis] && output[axis] != s->items[OUTPUT][axis])
            status = clconv__fail(
                CLCONV_SYNTAX, "problem \"%.200s\": o%c is %zu, but the extents give %zu", s->text,
                axis_letters[axis], s->items[OUTPUT][axis], output[axis]);
    return status;
}

static clconv_status assemble(parser *s) {
    clconv_problem *p = &s->problem;
    size_t *const counts[COUNTS] = {&p->batch, &p->groups, &p->in_channels, &p->out_channels};
    for (int i = 0; i < COUNTS; ++i)
        if (s->count_given[i])
            *counts[i] = s->counts[i];
    for (int item = 0; item < ITEMS; ++item)
        fill_item(s, item);
    memcpy(p->input, s->items[INPUT], sizeof p->input);
    memcpy(p->kernel, s->items[KERNEL], sizeof p->kernel);
    memcpy(p->stride, s->items[STRIDE], sizeof p->stride);
    memcpy(p->output_padding, s->items[OUTPUT_PADDING], sizeof p->output_padding);
    for (int axis = 0; axis < CLCONV_SPATIAL_AXES; ++axis) {
        if (__builtin_add_overflow(s->items[DILATION][axis], 1, &p->dilation[axis]))
            return clconv__fail(CLCONV_SYNTAX, "problem \"%.200s\": d%c is too large", s->text,
                                axis_letters[axis]);
        fill_pads(s, axis);
    }
    return check_outputs(s);
}

static clconv_status parse(parser *s) {
    clconv_status status = CLCONV_OK;
    if (!*s->at)
        return clconv__fail(CLCONV_SYNTAX, "the problem is an empty text");
    while (*s->at && !status) {
        if (*s->at == '_' && s->at > s->text)
            ++s->at;
        status = parse_token(s);
    }
    return status ? status : assemble(s);
}

/* Numbers have a decimal point whatever the locale of the program. */
static locale_t enter_c_locale(locale_t *c_locale) {
    *c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    return *c_locale ? uselocale(*c_locale) : (locale_t)0;
}

static void leave_c_locale(locale_t c_locale, locale_t previous) {
    if (c_locale) {
        uselocale(previous);
        freelocale(c_locale);
    }
}

clconv_status clconv_problem_parse(clconv_problem *problem, const char *text) {
    if (!problem || !text)
        return clconv__fail(CLCONV_INVALID_ARGUMENT, "%s is NULL", problem ? "text" : "problem");
    locale_t c_locale, previous = enter_c_locale(&c_locale);
    parser s = {.text = text, .at = text, .problem = CLCONV_PROBLEM_INIT};
    clconv_status status = parse(&s);
    leave_c_locale(c_locale, previous);
    if (!status)
        *problem = s.problem;
    return status;
}

/* ---- formatting ---- */

typedef struct writer {
    char *text;
    size_t size, used;
} writer;

/* Counts what does not fit, so that one check at the end suffices. */
static void put(writer *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(writer *w, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(w->used < w->size ? w->text + w->used : NULL,
                           w->used < w->size ? w->size - w->used : 0, format, arguments);
    va_end(arguments);
    w->used += (size_t)length;
}

/* The shortest decimal that reads back as the same double. */
static void put_double(writer *w, const char *prefix, double value) {
    char digits[40];
    for (int precision = 1; precision <= 17; ++precision) {
        snprintf(digits, sizeof digits, "%.*g", precision, value);
        if (strtod(digits, NULL) == value)
            break;
    }
    put(w, "%s%s", prefix, digits);
}

static void put_axes(writer *w, const char *letters, const size_t values[], int first_axis) {
    for (int axis = first_axis; axis < CLCONV_SPATIAL_AXES; ++axis)
        put(w, "%s%c%zu", letters, axis_letters[axis], values[axis]);
}

static void put_enum(writer *w, const char *key, const char *const names[], unsigned value) {
    if (value)
        put(w, "_%s=%s", key, names[value]);
}

static void put_view(writer *w, const char *key, const size_t strides[]) {
    static const size_t dense[CLCONV_TENSOR_AXES] = {0};
    if (memcmp(strides, dense, sizeof dense) != 0)
        put(w, "_%s=%zu:%zu:%zu:%zu:%zu", key, strides[0], strides[1], strides[2], strides[3],
            strides[4]);
}

static int uses_depth(const clconv_problem *p) {
    return p->input[0] != 1 || p->kernel[0] != 1 || p->stride[0] != 1 || p->dilation[0] != 1 ||
           p->pad_begin[0] || p->pad_end[0] || p->output_padding[0];
}

/* Whether the output alone would give other end pads back. */
static int needs_right_pads(const clconv_problem *p, const size_t output[]) {
    parser s = {.problem = *p};
    int differs = 0;
    for (int axis = 0; axis < CLCONV_SPATIAL_AXES; ++axis) {
        s.items[OUTPUT][axis] = output[axis];
        s.items[PAD][axis] = p->pad_begin[axis];
        s.item_given[OUTPUT][axis] = s.item_given[PAD][axis] = 1;
        fill_pads(&s, axis);
        differs |= s.problem.pad_end[axis] != p->pad_end[axis];
    }
    return differs;
}

static void put_geometry(writer *w, const clconv_problem *p, const size_t output[]) {
    static const size_t none[CLCONV_SPATIAL_AXES] = {0};
    int first = uses_depth(p) ? CLCONV_D : CLCONV_H;
    size_t zero_based[CLCONV_SPATIAL_AXES];
    for (int axis = 0; axis < CLCONV_SPATIAL_AXES; ++axis)
        zero_based[axis] = p->dilation[axis] - 1;
    put(w, "mb%zu_", p->batch);
    if (p->groups != 1)
        put(w, "g%zu_", p->groups);
    put(w, "ic%zu", p->in_channels);
    put_axes(w, "i", p->input, first);
    put(w, "_oc%zu", p->out_channels);
    put_axes(w, "o", output, first);
    put(w, "_");
    put_axes(w, "k", p->kernel, first);
    put(w, "_");
    put_axes(w, "s", p->stride, first);
    put(w, "_");
    put_axes(w, "p", p->pad_begin, first);
    if (needs_right_pads(p, output))
        put_axes(w, "r", p->pad_end, first);
    put(w, "_");
    put_axes(w, "d", zero_based, first);
    if (memcmp(p->output_padding, none, sizeof none) != 0) {
        put(w, "_");
        put_axes(w, "op", p->output_padding, first);
    }
}

static void put_words(writer *w, const clconv_problem *p) {
    const double parameters[] = {p->activation_a, p->activation_b};
    put_enum(w, "type", clconv__type_names, (unsigned)p->type);
    put_enum(w, "dir", clconv__direction_names, (unsigned)p->direction);
    put_enum(w, "mode", clconv__mode_names, (unsigned)p->mode);
    put_enum(w, "layout", clconv__layout_names, (unsigned)p->layout);
    put_enum(w, "weights", clconv__weights_layout_names, (unsigned)p->weights_layout);
    put(w, "%s%s", p->has_bias ? "_bias" : "", p->has_residual ? "_residual" : "");
    put_enum(w, "act", clconv__activation_names, (unsigned)p->activation);
    for (int i = 0; i < clconv__activation_parameters(p->activation); ++i)
        put_double(w, ":", parameters[i]);
    if (p->alpha != 1)
        put_double(w, "_alpha=", p->alpha);
    if (p->beta != 0)
        put_double(w, "_beta=", p->beta);
    if (p->input_zero_point)
        put(w, "_xzp=%" PRId32, p->input_zero_point);
    if (p->weights_zero_point)
        put(w, "_wzp=%" PRId32, p->weights_zero_point);
    put_view(w, "xs", p->input_strides);
    put_view(w, "ys", p->output_strides);
    if (p->name[0])
        put(w, "_n\"%s\"", p->name);
}

clconv_status clconv_problem_format(char *text, size_t size, const clconv_problem *problem) {
    size_t output[CLCONV_SPATIAL_AXES];
    char buffer[CLCONV_PROBLEM_TEXT_SIZE];
    writer w = {buffer, sizeof buffer, 0};
    if (!text)
        return clconv__fail(CLCONV_INVALID_ARGUMENT, "text is NULL");
    clconv_status status = clconv_problem_output(output, problem);
    if (status)
        return status;
    locale_t c_locale, previous = enter_c_locale(&c_locale);
    put_geometry(&w, problem, output);
    put_words(&w, problem);
    leave_c_locale(c_locale, previous);
    if (w.used >= size || w.used >= sizeof buffer)
        return clconv__fail(CLCONV_BUFFER_TOO_SMALL,
                            "size is %zu bytes, but the problem string takes %zu", size,
                            w.used + 1);
    memcpy(text, buffer, w.used + 1);
    return CLCONV_OK;
}
