/*
 * Input that cannot be: each row with its status and the whole of its message, through every
 * function that takes it, and whatever the function would have written keeps its content.
 */
#include "device.h"
#include "support.h"

/* ---- problems: a string that is right, and assignments that make it wrong ---- */

enum field_kind { SIZE, INTEGER, NUMBER };

static const struct field {
    const char *name;
    enum field_kind kind;
    size_t offset;
} fields[] = {
#define FIELD(kind, name)                                                                          \
    { #name, kind, offsetof(clconv_problem, name) }
    FIELD(INTEGER, version),
    FIELD(INTEGER, direction),
    FIELD(INTEGER, mode),
    FIELD(INTEGER, type),
    FIELD(INTEGER, layout),
    FIELD(INTEGER, weights_layout),
    FIELD(SIZE, batch),
    FIELD(SIZE, groups),
    FIELD(SIZE, in_channels),
    FIELD(SIZE, out_channels),
    FIELD(SIZE, input),
    FIELD(SIZE, kernel),
    FIELD(SIZE, stride),
    FIELD(SIZE, dilation),
    FIELD(SIZE, pad_begin),
    FIELD(SIZE, pad_end),
    FIELD(SIZE, output_padding),
    FIELD(SIZE, input_strides),
    FIELD(SIZE, output_strides),
    FIELD(INTEGER, has_bias),
    FIELD(INTEGER, has_residual),
    FIELD(INTEGER, activation),
    FIELD(NUMBER, activation_a),
    FIELD(NUMBER, activation_b),
    FIELD(NUMBER, alpha),
    FIELD(NUMBER, beta),
    FIELD(INTEGER, input_zero_point),
    FIELD(INTEGER, weights_zero_point),
#undef FIELD
};

/* "name=value" or "name[index]=value", parted by spaces. */
static void assign(clconv_problem *problem, const char *text) {
    while (*text) {
        const struct field *f = fields;
        const size_t length = strcspn(text, "[=");
        while (strlen(f->name) != length || strncmp(f->name, text, length) != 0)
            assert_true(++f < fields + COUNT_OF(fields));
        text += length;
        size_t index = *text == '[' ? (size_t)(text[1] - '0') : 0;
        text = strchr(text, '=') + 1;
        char *at = (char *)problem + f->offset, *end;
        if (f->kind == SIZE)
            ((size_t *)(void *)at)[index] = strtoull(text, &end, 0);
        else if (f->kind == INTEGER)
            *(int *)(void *)at = (int)strtol(text, &end, 0);
        else
            *(double *)(void *)at = strtod(text, &end);
        text = end + strspn(end, " ");
    }
}

#define FORWARD    "g2mb2_ic4ih7iw9_oc6kh3_ph1"
#define TRANSPOSED FORWARD "_dir=transposed"
#define DATA       FORWARD "_dir=backward_data"
#define WEIGHTS    FORWARD "_dir=backward_weights"
#define BYTES      "ic4ih7iw7_oc4kh3_type="

static const struct bad_problem {
    const char *base, *assignments;
    clconv_status status;
    const char *message;
} bad_problems[] = {
    {FORWARD, "version=0", CLCONV_INVALID_PROBLEM,
     "version is 0, but this library knows 1; start from CLCONV_PROBLEM_INIT"},
    {FORWARD, "version=2", CLCONV_INVALID_PROBLEM,
     "version is 2, but this library knows 1; start from CLCONV_PROBLEM_INIT"},
    {FORWARD, "version=-1", CLCONV_INVALID_PROBLEM,
     "version is 4294967295, but this library knows 1; start from CLCONV_PROBLEM_INIT"},
    {FORWARD, "direction=4", CLCONV_INVALID_PROBLEM, "direction is 4, but must be below 4"},
    {FORWARD, "direction=-1", CLCONV_INVALID_PROBLEM,
     "direction is 4294967295, but must be below 4"},
    {FORWARD, "mode=2", CLCONV_INVALID_PROBLEM, "mode is 2, but must be below 2"},
    {FORWARD, "mode=-1", CLCONV_INVALID_PROBLEM, "mode is 4294967295, but must be below 2"},
    {FORWARD, "type=6", CLCONV_INVALID_PROBLEM, "type is 6, but must be below 6"},
    {FORWARD, "type=-1", CLCONV_INVALID_PROBLEM, "type is 4294967295, but must be below 6"},
    {FORWARD, "layout=2", CLCONV_INVALID_PROBLEM, "layout is 2, but must be below 2"},
    {FORWARD, "layout=-1", CLCONV_INVALID_PROBLEM, "layout is 4294967295, but must be below 2"},
    {FORWARD, "weights_layout=2", CLCONV_INVALID_PROBLEM,
     "weights_layout is 2, but must be below 2"},
    {FORWARD, "weights_layout=-1", CLCONV_INVALID_PROBLEM,
     "weights_layout is 4294967295, but must be below 2"},
    {FORWARD, "activation=9", CLCONV_INVALID_PROBLEM, "activation is 9, but must be below 9"},
    {FORWARD, "activation=-1", CLCONV_INVALID_PROBLEM,
     "activation is 4294967295, but must be below 9"},
    {FORWARD, "batch=0", CLCONV_INVALID_PROBLEM, "batch is 0, but must be at least 1"},
    {FORWARD, "batch=0xffffffffffffffff", CLCONV_SIZE_OVERFLOW,
     "the number of input elements does not fit size_t"},
    {FORWARD, "batch=0x8000000000000000", CLCONV_SIZE_OVERFLOW,
     "the number of input elements does not fit size_t"},
    {FORWARD, "groups=0", CLCONV_INVALID_PROBLEM, "groups is 0, but must be at least 1"},
    {FORWARD, "groups=0xffffffffffffffff", CLCONV_INVALID_PROBLEM,
     "groups is 18446744073709551615, which does not divide in_channels, 4"},
    {FORWARD, "groups=0x8000000000000000", CLCONV_INVALID_PROBLEM,
     "groups is 9223372036854775808, which does not divide in_channels, 4"},
    {FORWARD, "in_channels=0", CLCONV_INVALID_PROBLEM, "in_channels is 0, but must be at least 1"},
    {FORWARD, "in_channels=0xffffffffffffffff", CLCONV_INVALID_PROBLEM,
     "groups is 2, which does not divide in_channels, 18446744073709551615"},
    {FORWARD, "in_channels=0x8000000000000000", CLCONV_SIZE_OVERFLOW,
     "the number of input elements does not fit size_t"},
    {FORWARD, "out_channels=0", CLCONV_INVALID_PROBLEM,
     "out_channels is 0, but must be at least 1"},
    {FORWARD, "out_channels=0xffffffffffffffff", CLCONV_INVALID_PROBLEM,
     "groups is 2, which does not divide out_channels, 18446744073709551615"},
    {FORWARD, "out_channels=0x8000000000000000", CLCONV_SIZE_OVERFLOW,
     "the number of weights elements does not fit size_t"},
    {FORWARD, "groups=3", CLCONV_INVALID_PROBLEM,
     "groups is 3, which does not divide in_channels, 4"},
    {FORWARD, "groups=4", CLCONV_INVALID_PROBLEM,
     "groups is 4, which does not divide out_channels, 6"},
    {FORWARD, "in_channels=5", CLCONV_INVALID_PROBLEM,
     "groups is 2, which does not divide in_channels, 5"},
    {FORWARD, "out_channels=7", CLCONV_INVALID_PROBLEM,
     "groups is 2, which does not divide out_channels, 7"},
    {FORWARD, "input[0]=0", CLCONV_INVALID_PROBLEM, "input of axis d is 0, but must be at least 1"},
    {FORWARD, "kernel[0]=0", CLCONV_INVALID_PROBLEM,
     "kernel of axis d is 0, but must be at least 1"},
    {FORWARD, "stride[0]=0", CLCONV_INVALID_PROBLEM,
     "stride of axis d is 0, but must be at least 1"},
    {FORWARD, "dilation[0]=0", CLCONV_INVALID_PROBLEM,
     "dilation of axis d is 0, but must be at least 1"},
    {FORWARD, "input[0]=0xffffffffffffffff", CLCONV_SIZE_OVERFLOW,
     "the padded input of axis d is 18446744073709551615, but at most 4611686018427387903"},
    {FORWARD, "kernel[0]=0xffffffffffffffff", CLCONV_INVALID_PROBLEM,
     "kernel of axis d spans 18446744073709551615 (extent 18446744073709551615, dilation 1), more "
     "than the padded input, 1"},
    {FORWARD, "pad_begin[0]=0xffffffffffffffff", CLCONV_SIZE_OVERFLOW,
     "the padded input of axis d does not fit size_t"},
    {FORWARD, "pad_end[0]=0xffffffffffffffff", CLCONV_SIZE_OVERFLOW,
     "the padded input of axis d does not fit size_t"},
    {FORWARD, "kernel[0]=12", CLCONV_INVALID_PROBLEM,
     "kernel of axis d spans 12 (extent 12, dilation 1), more than the padded input, 1"},
    {FORWARD, "input[0]=0x8000000000000000 pad_end[0]=0x8000000000000000", CLCONV_SIZE_OVERFLOW,
     "the padded input of axis d does not fit size_t"},
    {FORWARD, "pad_begin[0]=0x8000000000000000 pad_end[0]=0x8000000000000000", CLCONV_SIZE_OVERFLOW,
     "the padded input of axis d does not fit size_t"},
    {FORWARD, "kernel[0]=2 dilation[0]=0xffffffffffffffff", CLCONV_SIZE_OVERFLOW,
     "the dilated kernel of axis d does not fit size_t"},
    {FORWARD, "kernel[0]=0x100000000 dilation[0]=0x100000000", CLCONV_INVALID_PROBLEM,
     "kernel of axis d spans 18446744069414584321 (extent 4294967296, dilation 4294967296), more "
     "than the padded input, 1"},
    {FORWARD, "output_padding[0]=1", CLCONV_INVALID_PROBLEM,
     "output_padding of axis d is 1, but only a transposed convolution has one"},
    {TRANSPOSED, "output_padding[0]=1", CLCONV_INVALID_PROBLEM,
     "output_padding of axis d is 1, but must be below the stride, 1, or the dilation, 1"},
    {TRANSPOSED, "stride[0]=2 output_padding[0]=2", CLCONV_INVALID_PROBLEM,
     "output_padding of axis d is 2, but must be below the stride, 2, or the dilation, 1"},
    {TRANSPOSED, "input[0]=0x8000000000000000 stride[0]=2", CLCONV_SIZE_OVERFLOW,
     "the output with its pads of axis d is 18446744073709551615, but at most 4611686018427387903"},
    {TRANSPOSED, "pad_begin[0]=20", CLCONV_INVALID_PROBLEM,
     "pads of axis d remove 20 of 1 output elements"},
    {TRANSPOSED, "pad_end[0]=0xffffffffffffffff pad_begin[0]=1", CLCONV_SIZE_OVERFLOW,
     "the output of axis d does not fit size_t"},
    {TRANSPOSED, "input[0]=0x7fffffffffffffff kernel[0]=0x7fffffffffffffff", CLCONV_SIZE_OVERFLOW,
     "the output with its pads of axis d is 18446744073709551613, but at most 4611686018427387903"},
    {TRANSPOSED, "kernel[0]=2 dilation[0]=0xffffffffffffffff", CLCONV_SIZE_OVERFLOW,
     "the dilated kernel of axis d does not fit size_t"},
    {FORWARD, "input[0]=0x7fffffffffffffff", CLCONV_SIZE_OVERFLOW,
     "the padded input of axis d is 9223372036854775807, but at most 4611686018427387903"},
    {DATA, "input[0]=0x7fffffffffffffff", CLCONV_SIZE_OVERFLOW,
     "the padded input of axis d is 9223372036854775807, but at most 4611686018427387903"},
    {WEIGHTS, "kernel[0]=0x7fffffffffffffff input[0]=0x7fffffffffffffff", CLCONV_SIZE_OVERFLOW,
     "the padded input of axis d is 9223372036854775807, but at most 4611686018427387903"},
    {FORWARD, "input[1]=0", CLCONV_INVALID_PROBLEM, "input of axis h is 0, but must be at least 1"},
    {FORWARD, "kernel[1]=0", CLCONV_INVALID_PROBLEM,
     "kernel of axis h is 0, but must be at least 1"},
    {FORWARD, "stride[1]=0", CLCONV_INVALID_PROBLEM,
     "stride of axis h is 0, but must be at least 1"},
    {FORWARD, "dilation[1]=0", CLCONV_INVALID_PROBLEM,
     "dilation of axis h is 0, but must be at least 1"},
    {FORWARD, "input[1]=0xffffffffffffffff", CLCONV_SIZE_OVERFLOW,
     "the padded input of axis h does not fit size_t"},
    {FORWARD, "kernel[1]=0xffffffffffffffff", CLCONV_INVALID_PROBLEM,
     "kernel of axis h spans 18446744073709551615 (extent 18446744073709551615, dilation 1), more "
     "than the padded input, 9"},
    {FORWARD, "pad_begin[1]=0xffffffffffffffff", CLCONV_SIZE_OVERFLOW,
     "the padded input of axis h does not fit size_t"},
    {FORWARD, "pad_end[1]=0xffffffffffffffff", CLCONV_SIZE_OVERFLOW,
     "the padded input of axis h does not fit size_t"},
    {FORWARD, "kernel[1]=12", CLCONV_INVALID_PROBLEM,
     "kernel of axis h spans 12 (extent 12, dilation 1), more than the padded input, 9"},
    {FORWARD, "input[1]=0x8000000000000000 pad_end[1]=0x8000000000000000", CLCONV_SIZE_OVERFLOW,
     "the padded input of axis h does not fit size_t"},
    {FORWARD, "pad_begin[1]=0x8000000000000000 pad_end[1]=0x8000000000000000", CLCONV_SIZE_OVERFLOW,
     "the padded input of axis h does not fit size_t"},
    {FORWARD, "kernel[1]=2 dilation[1]=0xffffffffffffffff", CLCONV_SIZE_OVERFLOW,
     "the dilated kernel of axis h does not fit size_t"},
    {FORWARD, "kernel[1]=0x100000000 dilation[1]=0x100000000", CLCONV_INVALID_PROBLEM,
     "kernel of axis h spans 18446744069414584321 (extent 4294967296, dilation 4294967296), more "
     "than the padded input, 9"},
    {FORWARD, "output_padding[1]=1", CLCONV_INVALID_PROBLEM,
     "output_padding of axis h is 1, but only a transposed convolution has one"},
    {TRANSPOSED, "output_padding[1]=1", CLCONV_INVALID_PROBLEM,
     "output_padding of axis h is 1, but must be below the stride, 1, or the dilation, 1"},
    {TRANSPOSED, "stride[1]=2 output_padding[1]=2", CLCONV_INVALID_PROBLEM,
     "output_padding of axis h is 2, but must be below the stride, 2, or the dilation, 1"},
    {TRANSPOSED, "input[1]=0x8000000000000000 stride[1]=2", CLCONV_SIZE_OVERFLOW,
     "the output of axis h does not fit size_t"},
    {TRANSPOSED, "stride[1]=0xffffffffffffffff", CLCONV_SIZE_OVERFLOW,
     "the output of axis h does not fit size_t"},
    {TRANSPOSED, "pad_begin[1]=20", CLCONV_INVALID_PROBLEM,
     "pads of axis h remove 21 of 9 output elements"},
    {TRANSPOSED, "pad_end[1]=0xffffffffffffffff pad_begin[1]=1", CLCONV_SIZE_OVERFLOW,
     "the output of axis h does not fit size_t"},
    {TRANSPOSED, "input[1]=0x7fffffffffffffff kernel[1]=0x7fffffffffffffff", CLCONV_SIZE_OVERFLOW,
     "the output with its pads of axis h is 18446744073709551613, but at most 4611686018427387903"},
    {TRANSPOSED, "kernel[1]=2 dilation[1]=0xffffffffffffffff", CLCONV_SIZE_OVERFLOW,
     "the dilated kernel of axis h does not fit size_t"},
    {FORWARD, "input[1]=0x7fffffffffffffff", CLCONV_SIZE_OVERFLOW,
     "the padded input of axis h is 9223372036854775809, but at most 4611686018427387903"},
    {DATA, "input[1]=0x7fffffffffffffff", CLCONV_SIZE_OVERFLOW,
     "the padded input of axis h is 9223372036854775809, but at most 4611686018427387903"},
    {WEIGHTS, "kernel[1]=0x7fffffffffffffff input[1]=0x7fffffffffffffff", CLCONV_SIZE_OVERFLOW,
     "the padded input of axis h is 9223372036854775809, but at most 4611686018427387903"},
    {FORWARD, "input[2]=0", CLCONV_INVALID_PROBLEM, "input of axis w is 0, but must be at least 1"},
    {FORWARD, "kernel[2]=0", CLCONV_INVALID_PROBLEM,
     "kernel of axis w is 0, but must be at least 1"},
    {FORWARD, "stride[2]=0", CLCONV_INVALID_PROBLEM,
     "stride of axis w is 0, but must be at least 1"},
    {FORWARD, "dilation[2]=0", CLCONV_INVALID_PROBLEM,
     "dilation of axis w is 0, but must be at least 1"},
    {FORWARD, "input[2]=0xffffffffffffffff", CLCONV_SIZE_OVERFLOW,
     "the padded input of axis w does not fit size_t"},
    {FORWARD, "kernel[2]=0xffffffffffffffff", CLCONV_INVALID_PROBLEM,
     "kernel of axis w spans 18446744073709551615 (extent 18446744073709551615, dilation 1), more "
     "than the padded input, 11"},
    {FORWARD, "pad_begin[2]=0xffffffffffffffff", CLCONV_SIZE_OVERFLOW,
     "the padded input of axis w does not fit size_t"},
    {FORWARD, "pad_end[2]=0xffffffffffffffff", CLCONV_SIZE_OVERFLOW,
     "the padded input of axis w does not fit size_t"},
    {FORWARD, "kernel[2]=12", CLCONV_INVALID_PROBLEM,
     "kernel of axis w spans 12 (extent 12, dilation 1), more than the padded input, 11"},
    {FORWARD, "input[2]=0x8000000000000000 pad_end[2]=0x8000000000000000", CLCONV_SIZE_OVERFLOW,
     "the padded input of axis w does not fit size_t"},
    {FORWARD, "pad_begin[2]=0x8000000000000000 pad_end[2]=0x8000000000000000", CLCONV_SIZE_OVERFLOW,
     "the padded input of axis w does not fit size_t"},
    {FORWARD, "kernel[2]=2 dilation[2]=0xffffffffffffffff", CLCONV_SIZE_OVERFLOW,
     "the dilated kernel of axis w does not fit size_t"},
    {FORWARD, "kernel[2]=0x100000000 dilation[2]=0x100000000", CLCONV_INVALID_PROBLEM,
     "kernel of axis w spans 18446744069414584321 (extent 4294967296, dilation 4294967296), more "
     "than the padded input, 11"},
    {FORWARD, "output_padding[2]=1", CLCONV_INVALID_PROBLEM,
     "output_padding of axis w is 1, but only a transposed convolution has one"},
    {TRANSPOSED, "output_padding[2]=1", CLCONV_INVALID_PROBLEM,
     "output_padding of axis w is 1, but must be below the stride, 1, or the dilation, 1"},
    {TRANSPOSED, "stride[2]=2 output_padding[2]=2", CLCONV_INVALID_PROBLEM,
     "output_padding of axis w is 2, but must be below the stride, 2, or the dilation, 1"},
    {TRANSPOSED, "input[2]=0x8000000000000000 stride[2]=2", CLCONV_SIZE_OVERFLOW,
     "the output of axis w does not fit size_t"},
    {TRANSPOSED, "stride[2]=0xffffffffffffffff", CLCONV_SIZE_OVERFLOW,
     "the output of axis w does not fit size_t"},
    {TRANSPOSED, "pad_begin[2]=20", CLCONV_INVALID_PROBLEM,
     "pads of axis w remove 21 of 11 output elements"},
    {TRANSPOSED, "pad_end[2]=0xffffffffffffffff pad_begin[2]=1", CLCONV_SIZE_OVERFLOW,
     "the output of axis w does not fit size_t"},
    {TRANSPOSED, "input[2]=0x7fffffffffffffff kernel[2]=0x7fffffffffffffff", CLCONV_SIZE_OVERFLOW,
     "the output with its pads of axis w is 18446744073709551613, but at most 4611686018427387903"},
    {TRANSPOSED, "kernel[2]=2 dilation[2]=0xffffffffffffffff", CLCONV_SIZE_OVERFLOW,
     "the dilated kernel of axis w does not fit size_t"},
    {FORWARD, "input[2]=0x7fffffffffffffff", CLCONV_SIZE_OVERFLOW,
     "the padded input of axis w is 9223372036854775809, but at most 4611686018427387903"},
    {DATA, "input[2]=0x7fffffffffffffff", CLCONV_SIZE_OVERFLOW,
     "the padded input of axis w is 9223372036854775809, but at most 4611686018427387903"},
    {WEIGHTS, "kernel[2]=0x7fffffffffffffff input[2]=0x7fffffffffffffff", CLCONV_SIZE_OVERFLOW,
     "the padded input of axis w is 9223372036854775809, but at most 4611686018427387903"},
    {FORWARD, "batch=0x100000000 input[1]=0x100000000", CLCONV_SIZE_OVERFLOW,
     "the number of input elements does not fit size_t"},
    {FORWARD, "batch=0x100000000 in_channels=0x100000000", CLCONV_SIZE_OVERFLOW,
     "the number of input elements does not fit size_t"},
    {FORWARD, "in_channels=0x100000000 out_channels=0x100000000", CLCONV_SIZE_OVERFLOW,
     "the number of weights elements does not fit size_t"},
    {FORWARD, "batch=0x4000000000000 input[1]=0x4000", CLCONV_SIZE_OVERFLOW,
     "the number of input elements does not fit size_t"},
    {FORWARD, "input[0]=0x100000000 input[1]=0x100000000 input[2]=0x100000000",
     CLCONV_SIZE_OVERFLOW, "the number of input elements does not fit size_t"},
    {DATA, "batch=0x100000000 input[1]=0x100000000", CLCONV_SIZE_OVERFLOW,
     "the number of input elements does not fit size_t"},
    {DATA, "batch=0x100000000 in_channels=0x100000000", CLCONV_SIZE_OVERFLOW,
     "the number of input elements does not fit size_t"},
    {DATA, "in_channels=0x100000000 out_channels=0x100000000", CLCONV_SIZE_OVERFLOW,
     "the number of weights elements does not fit size_t"},
    {DATA, "batch=0x4000000000000 input[1]=0x4000", CLCONV_SIZE_OVERFLOW,
     "the number of input elements does not fit size_t"},
    {DATA, "input[0]=0x100000000 input[1]=0x100000000 input[2]=0x100000000", CLCONV_SIZE_OVERFLOW,
     "the number of input elements does not fit size_t"},
    {WEIGHTS, "batch=0x100000000 input[1]=0x100000000", CLCONV_SIZE_OVERFLOW,
     "the number of input elements does not fit size_t"},
    {WEIGHTS, "batch=0x100000000 in_channels=0x100000000", CLCONV_SIZE_OVERFLOW,
     "the number of input elements does not fit size_t"},
    {WEIGHTS, "in_channels=0x100000000 out_channels=0x100000000", CLCONV_SIZE_OVERFLOW,
     "the number of weights elements does not fit size_t"},
    {WEIGHTS, "batch=0x4000000000000 input[1]=0x4000", CLCONV_SIZE_OVERFLOW,
     "the number of input elements does not fit size_t"},
    {WEIGHTS, "input[0]=0x100000000 input[1]=0x100000000 input[2]=0x100000000",
     CLCONV_SIZE_OVERFLOW, "the number of input elements does not fit size_t"},
    {FORWARD,
     "kernel[0]=0x200000 kernel[1]=0x200000 kernel[2]=0x200000 input[0]=0x200000 input[1]=0x200000 "
     "input[2]=0x200000",
     CLCONV_SIZE_OVERFLOW, "the number of input elements does not fit size_t"},
    {FORWARD, "out_channels=0x2000000000000000", CLCONV_SIZE_OVERFLOW,
     "the number of weights elements does not fit size_t"},
    {FORWARD, "out_channels=0x1000000000000000 has_bias=1", CLCONV_SIZE_OVERFLOW,
     "the number of weights elements does not fit size_t"},
    {FORWARD "_type=f64", "batch=0x20000000000000", CLCONV_SIZE_OVERFLOW,
     "the input needs more than the 9223372036854775807 bytes that can be addressed"},
    {FORWARD, "batch=0x40000000000000", CLCONV_SIZE_OVERFLOW,
     "the input needs more than the 9223372036854775807 bytes that can be addressed"},
    {FORWARD, "input_strides[1]=63 input_strides[2]=63 input_strides[3]=9 input_strides[4]=1",
     CLCONV_INVALID_PROBLEM, "input_strides of axis n is 0, but its extent is 2"},
    {FORWARD,
     "input_strides[0]=0xffffffffffffffff input_strides[1]=63 input_strides[2]=63 "
     "input_strides[3]=9 input_strides[4]=1",
     CLCONV_SIZE_OVERFLOW, "the input view does not fit size_t"},
    {FORWARD, "output_strides[1]=63 output_strides[2]=63 output_strides[3]=9 output_strides[4]=1",
     CLCONV_INVALID_PROBLEM, "output_strides of axis n is 0, but its extent is 2"},
    {FORWARD,
     "output_strides[0]=1 output_strides[1]=70 output_strides[2]=70 output_strides[3]=16 "
     "output_strides[4]=8",
     CLCONV_INVALID_PROBLEM, "output_strides of axis h is 16, so that elements overlap"},
    {DATA,
     "input_strides[0]=1 input_strides[1]=70 input_strides[2]=70 input_strides[3]=16 "
     "input_strides[4]=8",
     CLCONV_INVALID_PROBLEM, "input_strides of axis h is 16, so that elements overlap"},
    {FORWARD, "input_strides[0]=252 input_strides[2]=63 input_strides[3]=9 input_strides[4]=1",
     CLCONV_INVALID_PROBLEM, "input_strides of axis c is 0, but its extent is 4"},
    {FORWARD,
     "input_strides[0]=252 input_strides[1]=0xffffffffffffffff input_strides[2]=63 "
     "input_strides[3]=9 input_strides[4]=1",
     CLCONV_SIZE_OVERFLOW, "the input view does not fit size_t"},
    {FORWARD, "output_strides[0]=378 output_strides[2]=63 output_strides[3]=9 output_strides[4]=1",
     CLCONV_INVALID_PROBLEM, "output_strides of axis c is 0, but its extent is 6"},
    {FORWARD,
     "output_strides[0]=385 output_strides[1]=1 output_strides[2]=70 output_strides[3]=16 "
     "output_strides[4]=8",
     CLCONV_INVALID_PROBLEM, "output_strides of axis h is 16, so that elements overlap"},
    {DATA,
     "input_strides[0]=259 input_strides[1]=1 input_strides[2]=70 input_strides[3]=16 "
     "input_strides[4]=8",
     CLCONV_INVALID_PROBLEM, "input_strides of axis h is 16, so that elements overlap"},
    {FORWARD, "input_strides[0]=252 input_strides[1]=63 input_strides[2]=63 input_strides[4]=1",
     CLCONV_INVALID_PROBLEM, "input_strides of axis h is 0, but its extent is 7"},
    {FORWARD,
     "input_strides[0]=252 input_strides[1]=63 input_strides[2]=63 "
     "input_strides[3]=0xffffffffffffffff input_strides[4]=1",
     CLCONV_SIZE_OVERFLOW, "the input view does not fit size_t"},
    {FORWARD, "output_strides[0]=378 output_strides[1]=63 output_strides[2]=63 output_strides[4]=1",
     CLCONV_INVALID_PROBLEM, "output_strides of axis h is 0, but its extent is 7"},
    {FORWARD,
     "output_strides[0]=385 output_strides[1]=70 output_strides[2]=70 output_strides[3]=1 "
     "output_strides[4]=8",
     CLCONV_INVALID_PROBLEM, "output_strides of axis c is 70, so that elements overlap"},
    {DATA,
     "input_strides[0]=259 input_strides[1]=70 input_strides[2]=70 input_strides[3]=1 "
     "input_strides[4]=8",
     CLCONV_INVALID_PROBLEM, "input_strides of axis c is 70, so that elements overlap"},
    {FORWARD, "input_strides[0]=252 input_strides[1]=63 input_strides[2]=63 input_strides[3]=9",
     CLCONV_INVALID_PROBLEM, "input_strides of axis w is 0, but its extent is 9"},
    {FORWARD,
     "input_strides[0]=252 input_strides[1]=63 input_strides[2]=63 input_strides[3]=9 "
     "input_strides[4]=0xffffffffffffffff",
     CLCONV_SIZE_OVERFLOW, "the input view does not fit size_t"},
    {FORWARD, "output_strides[0]=378 output_strides[1]=63 output_strides[2]=63 output_strides[3]=9",
     CLCONV_INVALID_PROBLEM, "output_strides of axis w is 0, but its extent is 9"},
    {FORWARD, "alpha=nan", CLCONV_INVALID_PROBLEM, "alpha is nan, but must be finite"},
    {FORWARD, "alpha=inf", CLCONV_INVALID_PROBLEM, "alpha is inf, but must be finite"},
    {FORWARD, "alpha=-inf", CLCONV_INVALID_PROBLEM, "alpha is -inf, but must be finite"},
    {FORWARD, "alpha=1e39", CLCONV_INVALID_PROBLEM, "alpha is 1e+39, beyond the range of f32"},
    {FORWARD, "alpha=-1e300", CLCONV_INVALID_PROBLEM, "alpha is -1e+300, beyond the range of f32"},
    {FORWARD "_type=f64", "alpha=inf", CLCONV_INVALID_PROBLEM, "alpha is inf, but must be finite"},
    {BYTES "s8", "alpha=0.5", CLCONV_INVALID_PROBLEM,
     "type s8 takes a bias, but no activation, residual, alpha or beta"},
    {FORWARD, "beta=nan", CLCONV_INVALID_PROBLEM, "beta is nan, but must be finite"},
    {FORWARD, "beta=inf", CLCONV_INVALID_PROBLEM, "beta is inf, but must be finite"},
    {FORWARD, "beta=-inf", CLCONV_INVALID_PROBLEM, "beta is -inf, but must be finite"},
    {FORWARD, "beta=1e39", CLCONV_INVALID_PROBLEM, "beta is 1e+39, beyond the range of f32"},
    {FORWARD, "beta=-1e300", CLCONV_INVALID_PROBLEM, "beta is -1e+300, beyond the range of f32"},
    {FORWARD "_type=f64", "beta=inf", CLCONV_INVALID_PROBLEM, "beta is inf, but must be finite"},
    {BYTES "s8", "beta=0.5", CLCONV_INVALID_PROBLEM,
     "type s8 takes a bias, but no activation, residual, alpha or beta"},
    {FORWARD "_act=leaky_relu:0.1", "activation_a=nan", CLCONV_INVALID_PROBLEM,
     "activation_a is nan, but must be finite"},
    {FORWARD "_act=leaky_relu:0.1", "activation_a=inf", CLCONV_INVALID_PROBLEM,
     "activation_a is inf, but must be finite"},
    {FORWARD "_act=leaky_relu:0.1", "activation_a=1e39", CLCONV_INVALID_PROBLEM,
     "activation_a is 1e+39, beyond the range of f32"},
    {FORWARD "_act=leaky_relu:0.1", "activation_b=nan", CLCONV_INVALID_PROBLEM,
     "activation_b is nan, but must be finite"},
    {"ic1ih3_oc1kh2_act=clamp:-1:1", "activation_a=nan", CLCONV_INVALID_PROBLEM,
     "activation_a is nan, but must be finite"},
    {"ic1ih3_oc1kh2_act=clamp:-1:1", "activation_b=nan", CLCONV_INVALID_PROBLEM,
     "activation_b is nan, but must be finite"},
    {"ic1ih3_oc1kh2_act=clamp:-1:1", "activation_a=2", CLCONV_INVALID_PROBLEM,
     "activation_a is 2, above activation_b, 1: nothing lies between"},
    {"ic1ih3_oc1kh2_act=clamp:-1:1", "activation_b=-inf", CLCONV_INVALID_PROBLEM,
     "activation_a is -1, above activation_b, -inf: nothing lies between"},
    {"ic1ih3_oc1kh2_act=clamp:-1:1", "activation_a=inf activation_b=1", CLCONV_INVALID_PROBLEM,
     "activation_a is inf, above activation_b, 1: nothing lies between"},
    {DATA, "activation=1", CLCONV_INVALID_PROBLEM,
     "activation is relu, but direction backward_data has none"},
    {DATA, "has_residual=1", CLCONV_INVALID_PROBLEM,
     "has_residual is 1, but direction backward_data has none"},
    {DATA, "type=4", CLCONV_INVALID_PROBLEM,
     "direction backward_data is of floating-point types, but type is s8"},
    {DATA, "type=5", CLCONV_INVALID_PROBLEM,
     "direction backward_data is of floating-point types, but type is u8"},
    {DATA, "output_padding[1]=1 stride[1]=2", CLCONV_INVALID_PROBLEM,
     "output_padding of axis h is 1, but only a transposed convolution has one"},
    {WEIGHTS, "activation=1", CLCONV_INVALID_PROBLEM,
     "activation is relu, but direction backward_weights has none"},
    {WEIGHTS, "has_residual=1", CLCONV_INVALID_PROBLEM,
     "has_residual is 1, but direction backward_weights has none"},
    {WEIGHTS, "type=4", CLCONV_INVALID_PROBLEM,
     "direction backward_weights is of floating-point types, but type is s8"},
    {WEIGHTS, "type=5", CLCONV_INVALID_PROBLEM,
     "direction backward_weights is of floating-point types, but type is u8"},
    {WEIGHTS, "output_padding[1]=1 stride[1]=2", CLCONV_INVALID_PROBLEM,
     "output_padding of axis h is 1, but only a transposed convolution has one"},
    {DATA, "has_bias=1", CLCONV_INVALID_PROBLEM,
     "has_bias is 1, but the bias plays no part in direction backward_data"},
    {FORWARD, "input_zero_point=1", CLCONV_INVALID_PROBLEM,
     "zero points are 1 and 0, but type f32 has none"},
    {FORWARD, "weights_zero_point=-1", CLCONV_INVALID_PROBLEM,
     "zero points are 0 and -1, but type f32 has none"},
    {BYTES "s8", "input_zero_point=128", CLCONV_INVALID_PROBLEM,
     "input_zero_point is 128, outside the range of s8"},
    {BYTES "s8", "input_zero_point=-129", CLCONV_INVALID_PROBLEM,
     "input_zero_point is -129, outside the range of s8"},
    {BYTES "s8", "weights_zero_point=128", CLCONV_INVALID_PROBLEM,
     "weights_zero_point is 128, outside the range of s8"},
    {BYTES "u8", "input_zero_point=-1", CLCONV_INVALID_PROBLEM,
     "input_zero_point is -1, outside the range of u8"},
    {BYTES "u8", "input_zero_point=256", CLCONV_INVALID_PROBLEM,
     "input_zero_point is 256, outside the range of u8"},
    {BYTES "u8", "weights_zero_point=-129", CLCONV_INVALID_PROBLEM,
     "weights_zero_point is -129, outside the range of s8"},
    {BYTES "u8", "weights_zero_point=255", CLCONV_INVALID_PROBLEM,
     "weights_zero_point is 255, outside the range of s8"},
    {BYTES "s8", "activation=1", CLCONV_INVALID_PROBLEM,
     "type s8 takes a bias, but no activation, residual, alpha or beta"},
    {BYTES "u8", "has_residual=1", CLCONV_INVALID_PROBLEM,
     "type u8 takes a bias, but no activation, residual, alpha or beta"},
    {BYTES "s8", "in_channels=1000000", CLCONV_SIZE_OVERFLOW,
     "sums of 9000000 8-bit products can reach 147456000000, beyond 32 bits"},
    {BYTES "u8", "in_channels=14633", CLCONV_SIZE_OVERFLOW,
     "sums of 131697 8-bit products can reach 4298590080, beyond 32 bits"},
    {BYTES "s8", "in_channels=14564 input_zero_point=127", CLCONV_SIZE_OVERFLOW,
     "sums of 131076 8-bit products can reach 4278320640, beyond 32 bits"},
    {TRANSPOSED, "groups=4", CLCONV_INVALID_PROBLEM,
     "groups is 4, which does not divide out_channels, 6"},
    {TRANSPOSED, "batch=0", CLCONV_INVALID_PROBLEM, "batch is 0, but must be at least 1"},
    {TRANSPOSED, "out_channels=0x8000000000000000", CLCONV_SIZE_OVERFLOW,
     "the number of weights elements does not fit size_t"},
};

static device_set devices;

/* The call gives this status and exactly this message. */
static void check_exactly(clconv_status actual, clconv_status expected, const char *message,
                          const char *call, const char *row) {
    if (actual != expected || strcmp(clconv_last_message(), message) != 0)
        fail_msg("%s of %s: %s, \"%s\" instead of %s, \"%s\"", call, row,
                 clconv_status_name(actual), clconv_last_message(), clconv_status_name(expected),
                 message);
}

#define assert_exactly(call, expected, message) check_exactly(call, expected, message, #call, "")

static void assert_untouched(const void *memory, size_t size, const char *row) {
    const unsigned char *bytes = memory;
    for (size_t i = 0; i < size; ++i)
        if (bytes[i] != POISON)
            fail_msg("%s: byte %zu was written", row, i);
}

static void check_problem(const struct bad_problem *row) {
    struct outputs {
        size_t extents[CLCONV_SPATIAL_AXES], elements;
        size_t extent[CLCONV_TENSOR_AXES], stride[CLCONV_TENSOR_AXES];
        char text[CLCONV_PROBLEM_TEXT_SIZE], refusal[CLCONV_REFUSAL_SIZE];
        double seconds, values[4], bounds[4];
    } o;
    clconv_problem problem;
    const clconv_host_tensors tensors = {&o, &o, &o, &o, &o};
    assert_ok(clconv_problem_parse(&problem, row->base));
    assign(&problem, row->assignments);
    memset(&o, POISON, sizeof o);
#define CHECK(call) check_exactly(call, row->status, row->message, #call, row->assignments)
    CHECK(clconv_problem_validate(&problem));
    CHECK(clconv_problem_output(o.extents, &problem));
    CHECK(clconv_tensor_elements(&o.elements, &problem, CLCONV_INPUT));
    CHECK(clconv_tensor_shape(o.extent, o.stride, &problem, CLCONV_OUTPUT));
    CHECK(clconv_problem_format(o.text, sizeof o.text, &problem));
    CHECK(clconv_reference(o.values, o.bounds, &problem, &tensors));
    CHECK(clconv_algorithm_bound(o.bounds, &problem, &tensors, "winograd_4x4"));
    for (size_t i = 0; i < devices.count; ++i) {
        clconv_plan *plan = (clconv_plan *)(uintptr_t)8;
        CHECK(clconv_algorithm_check(o.refusal, &o.seconds, devices.devices[i], &problem, "host"));
        CHECK(clconv_plan_create(&plan, devices.devices[i], &problem, NULL));
        assert_null(plan);
    }
#undef CHECK
    assert_untouched(&o, sizeof o, row->assignments);
}

static void test_bad_problems(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad_problems); ++i)
        check_problem(&bad_problems[i]);
}

/* ---- problem strings that are written well and say what cannot be ---- */

static const struct bad_text {
    const char *text;
    clconv_status status;
    const char *message;
} bad_texts[] = {
    {"ic3_oc-4", CLCONV_SYNTAX,
     "problem \"ic3_oc-4\": the key lacks its number at byte 4, \"oc-4\""},
    {"ic3ih7_oc4kh8", CLCONV_INVALID_PROBLEM,
     "kernel of axis h spans 8 (extent 8, dilation 1), more than the padded input, 7"},
    {"ic0ih7_oc4kh3", CLCONV_INVALID_PROBLEM, "in_channels is 0, but must be at least 1"},
    {"ic3ih0_oc4kh3", CLCONV_INVALID_PROBLEM, "input of axis h is 0, but must be at least 1"},
    {"ic3ih7_oc0kh3", CLCONV_INVALID_PROBLEM, "out_channels is 0, but must be at least 1"},
    {"ic3ih7_oc4kh0", CLCONV_INVALID_PROBLEM, "kernel of axis h is 0, but must be at least 1"},
    {"ic3ih7_oc4kh3_sh0", CLCONV_INVALID_PROBLEM, "stride of axis h is 0, but must be at least 1"},
    {"g0ic3ih7_oc4kh3", CLCONV_INVALID_PROBLEM, "groups is 0, but must be at least 1"},
    {"g2ic3ih7_oc4kh3", CLCONV_INVALID_PROBLEM,
     "groups is 2, which does not divide in_channels, 3"},
    {"g3ic3ih7_oc4kh3", CLCONV_INVALID_PROBLEM,
     "groups is 3, which does not divide out_channels, 4"},
    {"mb0ic3ih7_oc4kh3", CLCONV_INVALID_PROBLEM, "batch is 0, but must be at least 1"},
    {"ic3ih7_oc4kh3_dh3", CLCONV_INVALID_PROBLEM,
     "kernel of axis h spans 9 (extent 3, dilation 4), more than the padded input, 7"},
    {"ic3ih7_oc4kh3_dh18446744073709551615", CLCONV_SYNTAX,
     "problem \"ic3ih7_oc4kh3_dh18446744073709551615\": dh is too large"},
    {"ic3ih7_oc4kh3_ph18446744073709551615", CLCONV_SIZE_OVERFLOW,
     "the padded input of axis h does not fit size_t"},
    {"ic3ih18446744073709551615_oc4kh3_ph1", CLCONV_SIZE_OVERFLOW,
     "the padded input of axis h does not fit size_t"},
    {"ic3ih9223372036854775807_oc4kh3", CLCONV_SIZE_OVERFLOW,
     "the padded input of axis h is 9223372036854775807, but at most 4611686018427387903"},
    {"mb4294967296ic4294967296ih1_oc1kh1", CLCONV_SIZE_OVERFLOW,
     "the number of input elements does not fit size_t"},
    {"ic4294967296ih1_oc4294967296kh1", CLCONV_SIZE_OVERFLOW,
     "the number of weights elements does not fit size_t"},
    {"ic3ih4294967296iw4294967296_oc4kh3", CLCONV_SIZE_OVERFLOW,
     "the number of input elements does not fit size_t"},
    {"ic3ih7_oc4kh3_alpha=nan", CLCONV_INVALID_PROBLEM, "alpha is nan, but must be finite"},
    {"ic3ih7_oc4kh3_alpha=inf", CLCONV_INVALID_PROBLEM, "alpha is inf, but must be finite"},
    {"ic3ih7_oc4kh3_alpha=1e39", CLCONV_INVALID_PROBLEM, "alpha is 1e+39, beyond the range of f32"},
    {"ic3ih7_oc4kh3_alpha=1e400", CLCONV_INVALID_PROBLEM, "alpha is inf, but must be finite"},
    {"ic3ih7_oc4kh3_beta=nan", CLCONV_INVALID_PROBLEM, "beta is nan, but must be finite"},
    {"ic3ih7_oc4kh3_beta=1,5", CLCONV_SYNTAX,
     "problem \"ic3ih7_oc4kh3_beta=1,5\": a key was expected at byte 20, \",5\""},
    {"ic3ih7_oc4kh3_act=clamp:1:-1", CLCONV_INVALID_PROBLEM,
     "activation_a is 1, above activation_b, -1: nothing lies between"},
    {"ic3ih7_oc4kh3_act=clamp:nan:1", CLCONV_INVALID_PROBLEM,
     "activation_a is nan, but must be finite"},
    {"ic3ih7_oc4kh3_act=leaky_relu", CLCONV_SYNTAX,
     "problem \"ic3ih7_oc4kh3_act=leaky_relu\": ':' is missing at byte 28, \"\""},
    {"ic3ih7_oc4kh3_act=leaky_relu:inf", CLCONV_INVALID_PROBLEM,
     "activation_a is inf, but must be finite"},
    {"ic3ih7_oc4kh3_act=none:1", CLCONV_SYNTAX,
     "problem \"ic3ih7_oc4kh3_act=none:1\": a key was expected at byte 22, \":1\""},
    {"ic3ih7_oc4kh3_act=softmax", CLCONV_SYNTAX,
     "problem \"ic3ih7_oc4kh3_act=softmax\": unknown value at byte 18, \"softmax\""},
    {"ic3ih7_oc4kh3_dir=backward", CLCONV_SYNTAX,
     "problem \"ic3ih7_oc4kh3_dir=backward\": unknown value at byte 18, \"backward\""},
    {"ic3ih7_oc4kh3_dir=backward_data_bias", CLCONV_INVALID_PROBLEM,
     "has_bias is 1, but the bias plays no part in direction backward_data"},
    {"ic3ih7_oc4kh3_dir=backward_weights_residual", CLCONV_INVALID_PROBLEM,
     "has_residual is 1, but direction backward_weights has none"},
    {"ic3ih7_oc4kh3_dir=backward_weights_act=relu", CLCONV_INVALID_PROBLEM,
     "activation is relu, but direction backward_weights has none"},
    {"ic3ih7_oc4kh3_dir=backward_data_type=s8", CLCONV_INVALID_PROBLEM,
     "direction backward_data is of floating-point types, but type is s8"},
    {"ic3ih7_oc4kh3_type=s32", CLCONV_SYNTAX,
     "problem \"ic3ih7_oc4kh3_type=s32\": unknown value at byte 19, \"s32\""},
    {"ic3ih7_oc4kh3_type=s8_xzp=128", CLCONV_INVALID_PROBLEM,
     "input_zero_point is 128, outside the range of s8"},
    {"ic3ih7_oc4kh3_type=u8_xzp=-1", CLCONV_INVALID_PROBLEM,
     "input_zero_point is -1, outside the range of u8"},
    {"ic3ih7_oc4kh3_type=u8_wzp=200", CLCONV_INVALID_PROBLEM,
     "weights_zero_point is 200, outside the range of s8"},
    {"ic3ih7_oc4kh3_xzp=1", CLCONV_INVALID_PROBLEM,
     "zero points are 1 and 0, but type f32 has none"},
    {"ic3ih7_oc4kh3_type=s8_act=relu", CLCONV_INVALID_PROBLEM,
     "type s8 takes a bias, but no activation, residual, alpha or beta"},
    {"ic3ih7_oc4kh3_type=s8_alpha=2", CLCONV_INVALID_PROBLEM,
     "type s8 takes a bias, but no activation, residual, alpha or beta"},
    {"ic3ih7_oc4kh3_layout=nchw16c", CLCONV_SYNTAX,
     "problem \"ic3ih7_oc4kh3_layout=nchw16c\": a key was expected at byte 25, \"16c\""},
    {"ic3ih7_oc4kh3_wlayout=hwio", CLCONV_SYNTAX,
     "problem \"ic3ih7_oc4kh3_wlayout=hwio\": unknown word at byte 14, \"wlayout=hwio\""},
    {"ic3ih7_oc4kh3_mode=flip", CLCONV_SYNTAX,
     "problem \"ic3ih7_oc4kh3_mode=flip\": unknown value at byte 19, \"flip\""},
    {"ic3ih7_oc4kh3_oph1", CLCONV_INVALID_PROBLEM,
     "output_padding of axis h is 1, but only a transposed convolution has one"},
    {"ic3ih7_oc4kh3_dir=transposed_oph1", CLCONV_INVALID_PROBLEM,
     "output_padding of axis h is 1, but must be below the stride, 1, or the dilation, 1"},
    {"ic3ih7_oc4kh3_ys=1:1:1:1:1", CLCONV_INVALID_PROBLEM,
     "output_strides of axis h is 1, so that elements overlap"},
    {"ic3ih7_oc4kh3_xs=0:0:0:0:18446744073709551615", CLCONV_INVALID_PROBLEM,
     "input_strides of axis c is 0, but its extent is 3"},
    {"ic3ih7_oc4kh3oh0", CLCONV_SYNTAX,
     "problem \"ic3ih7_oc4kh3oh0\": oh is 0, but the extents give 5"},
    {"ic3ih7oc4oh18446744073709551615kh3", CLCONV_SYNTAX,
     "problem \"ic3ih7oc4oh18446744073709551615kh3\": oh is 18446744073709551615, but the extents "
     "give 5"},
    {"IC3IH7_OC4KH3", CLCONV_SYNTAX,
     "problem \"IC3IH7_OC4KH3\": a key was expected at byte 0, \"IC3IH7_OC4KH3\""},
    {"ic 3", CLCONV_SYNTAX, "problem \"ic 3\": the key lacks its number at byte 0, \"ic 3\""},
    {"ic3ih7_oc4kh3;rm", CLCONV_SYNTAX,
     "problem \"ic3ih7_oc4kh3;rm\": a key was expected at byte 13, \";rm\""},
    {"ic3ih7_oc4kh3_type=f32 -DX", CLCONV_SYNTAX,
     "problem \"ic3ih7_oc4kh3_type=f32 -DX\": a key was expected at byte 22, \" -DX\""},
    {"ic3ih7_oc4kh3_name=a", CLCONV_SYNTAX,
     "problem \"ic3ih7_oc4kh3_name=a\": unknown word at byte 14, \"name=a\""},
    {"ic3ih7_oc4kh3_n\"\"_n\"b\"", CLCONV_SYNTAX,
     "problem \"ic3ih7_oc4kh3_n\"\"_n\"b\"\": a second name at byte 19, \"\"b\"\""},
};

static void test_bad_texts(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad_texts); ++i) {
        clconv_problem problem;
        memset(&problem, POISON, sizeof problem);
        check_exactly(clconv_problem_parse(&problem, bad_texts[i].text), bad_texts[i].status,
                      bad_texts[i].message, "parse", bad_texts[i].text);
        assert_untouched(&problem, sizeof problem, bad_texts[i].text);
    }
}

/* ---- arguments ---- */

static void test_bad_pointers(void **state) {
    clconv_problem problem = CLCONV_PROBLEM_INIT;
    clconv_device *const host = devices.devices[devices.count - 1];
    const clconv_host_tensors none = {0};
    double value;
    size_t size, axes[CLCONV_TENSOR_AXES];
    char text[8];
    clconv_device_info info;
    const clconv_status invalid = CLCONV_INVALID_ARGUMENT;
    (void)state;
    assert_exactly(clconv_problem_parse(NULL, "ic1"), invalid, "problem is NULL");
    assert_exactly(clconv_problem_parse(&problem, NULL), invalid, "text is NULL");
    assert_exactly(clconv_problem_format(NULL, 9, &problem), invalid, "text is NULL");
    assert_exactly(clconv_problem_format(text, 8, NULL), invalid, "problem is NULL");
    assert_exactly(clconv_problem_validate(NULL), invalid, "problem is NULL");
    assert_exactly(clconv_problem_output(NULL, &problem), invalid, "output is NULL");
    assert_exactly(clconv_problem_pad(NULL, CLCONV_VALID), invalid, "problem is NULL");
    assert_exactly(clconv_problem_pad(&problem, (clconv_padding)3), invalid,
                   "padding is 3, but must be below 3");
    assert_exactly(clconv_tensor_elements(NULL, &problem, CLCONV_INPUT), invalid,
                   "elements is NULL");
    assert_exactly(clconv_tensor_elements(&size, &problem, (clconv_tensor)5), invalid,
                   "tensor is not one of the five");
    assert_exactly(clconv_tensor_shape(NULL, axes, &problem, CLCONV_INPUT), invalid,
                   "extent is NULL");
    assert_exactly(clconv_tensor_shape(axes, NULL, &problem, CLCONV_INPUT), invalid,
                   "stride is NULL");
    assert_exactly(clconv_device_list(NULL, 1, &size), invalid, "infos is NULL");
    assert_exactly(clconv_device_list(&info, 1, NULL), invalid, "count is NULL");
    assert_exactly(clconv_device_open(NULL, "host"), invalid, "device is NULL");
    assert_exactly(clconv_device_get_info(NULL, host), invalid, "info is NULL");
    assert_exactly(clconv_device_get_info(&info, NULL), invalid, "device is NULL");
    assert_exactly(clconv_device_opencl(NULL, NULL, NULL, NULL), invalid, "device is NULL");
    assert_exactly(clconv_device_opencl(host, NULL, NULL, NULL), CLCONV_UNSUPPORTED,
                   "the host device has no OpenCL objects");
    assert_exactly(clconv_cache_folder(NULL, 9), invalid, "path is NULL");
    assert_exactly(clconv_cache_list(NULL, 1, &size), invalid, "entries is NULL");
    assert_exactly(clconv_cache_list(NULL, 0, NULL), invalid, "count is NULL");
    assert_exactly(clconv_algorithm_check(NULL, NULL, NULL, &problem, "host"), invalid,
                   "device is NULL");
    assert_exactly(clconv_algorithm_check(NULL, NULL, host, &problem, NULL), invalid,
                   "algorithm is NULL");
    assert_exactly(clconv_algorithm_check(NULL, NULL, host, NULL, "host"), invalid,
                   "problem is NULL");
    assert_exactly(clconv_algorithm_check(NULL, NULL, host, &problem, "fft"),
                   CLCONV_UNKNOWN_ALGORITHM, "algorithm \"fft\" is unknown");
    assert_exactly(clconv_algorithm_bound(NULL, &problem, &none, "host"), invalid, "bound is NULL");
    assert_exactly(clconv_algorithm_bound(&value, &problem, NULL, "host"), invalid,
                   "tensors is NULL");
    assert_exactly(clconv_algorithm_bound(&value, &problem, &none, NULL), invalid,
                   "algorithm is NULL");
    assert_exactly(clconv_algorithm_bound(&value, &problem, &none, "fft"), CLCONV_UNKNOWN_ALGORITHM,
                   "algorithm \"fft\" is unknown");
    assert_exactly(clconv_algorithm_bound(&value, &problem, &none, "host"), invalid,
                   "tensors.input is NULL");
    assert_exactly(clconv_reference(NULL, NULL, &problem, &none), invalid, "output is NULL");
    assert_exactly(clconv_reference(&value, NULL, &problem, NULL), invalid, "tensors is NULL");
    assert_exactly(clconv_reference(&value, NULL, &problem, &none), invalid,
                   "tensors.input is NULL");
    assert_null(clconv_algorithm_name(SIZE_MAX));
    assert_int_equal(clconv_algorithm_is_for(NULL, "host"), 0);
    assert_int_equal(clconv_algorithm_is_for(host, NULL), 0);
    assert_int_equal(clconv_algorithm_is_exact(NULL), 0);
}

static void test_bad_selectors(void **state) {
    static const char *const malformed[] = {
        "",      "cuda", "GPU",  "0",    ":",    "0:",    ":0",    "0:0:",  "0:0:0",
        "0x0:0", " 0:0", "0:0 ", "-1:0", "0:-1", "0:0\n", "host ", "hosts", "1.0:0"};
    static const char *const absent[] = {"99999:0", "0:99999", "99999999999999999999:0",
                                         "0:18446744073709551616"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(malformed); ++i) {
        clconv_device *device = (clconv_device *)(uintptr_t)8;
        char message[256];
        snprintf(message, sizeof message,
                 "selector is \"%s\", but must be gpu, cpu, accelerator, host or platform:device",
                 malformed[i]);
        assert_exactly(clconv_device_open(&device, malformed[i]), CLCONV_INVALID_ARGUMENT, message);
        assert_null(device);
    }
    for (size_t i = 0; i < COUNT_OF(absent); ++i) {
        clconv_device *device = (clconv_device *)(uintptr_t)8;
        assert_fails(clconv_device_open(&device, absent[i]), CLCONV_NO_DEVICE, absent[i]);
        assert_null(device);
    }
}

/* ---- buffers ---- */

typedef struct buffers {
    clconv_problem problem;
    clconv_plan *plan;
    clconv_tensors tensors;
    cl_mem memory;
} buffers;

/* Input of 64 bytes at 0, weights of 4 at 64, output of 64 at 128, all in 256 bytes. */
static bool make_buffers(buffers *b) {
    clconv_plan_options options = CLCONV_PLAN_OPTIONS_INIT;
    cl_context context;
    cl_int code;
    if (devices.count < 2)
        return false;
    options.algorithm = "direct";
    assert_ok(clconv_problem_parse(&b->problem, "ic1ih4_oc1kh1"));
    assert_ok(clconv_plan_create(&b->plan, devices.devices[0], &b->problem, &options));
    assert_ok(clconv_device_opencl(devices.devices[0], &context, NULL, NULL));
    b->memory = clCreateBuffer(context, CL_MEM_READ_WRITE, 256, NULL, &code);
    assert_int_equal(code, CL_SUCCESS);
    b->tensors = (clconv_tensors){
        .input = {b->memory, 0}, .weights = {b->memory, 16}, .output = {b->memory, 32}};
    return true;
}

static void test_bad_buffers(void **state) {
    static const struct {
        size_t input, weights, output; /* offsets */
        clconv_status status;
        const char *message;
    } rows[] = {
#define SMALL(tensor, offset, count)                                                               \
    CLCONV_BUFFER_TOO_SMALL, "tensors." tensor " holds 256 bytes, but offset " offset              \
                             " and " count " elements of 4 bytes need more"
        {49, 16, 32, SMALL("input", "49", "16")},
        {64, 16, 32, SMALL("input", "64", "16")},
        {SIZE_MAX, 16, 32, SMALL("input", "18446744073709551615", "16")},
        {SIZE_MAX - 15, 16, 32, SMALL("input", "18446744073709551600", "16")},
        {SIZE_MAX / 4, 16, 32, SMALL("input", "4611686018427387903", "16")},
        {SIZE_MAX / 4 - 15, 16, 32, SMALL("input", "4611686018427387888", "16")},
        {(size_t)1 << 62, 16, 32, SMALL("input", "4611686018427387904", "16")},
        {0, 64, 32, SMALL("weights", "64", "1")},
        {0, SIZE_MAX, 32, SMALL("weights", "18446744073709551615", "1")},
        {0, 16, 49, SMALL("output", "49", "16")},
        {0, 16, SIZE_MAX, SMALL("output", "18446744073709551615", "16")},
        {0, 16, (size_t)1 << 62, SMALL("output", "4611686018427387904", "16")},
        {0, 16, 15, CLCONV_INVALID_ARGUMENT, "tensors.output overlaps tensors.input"},
        {0, 16, 0, CLCONV_INVALID_ARGUMENT, "tensors.output overlaps tensors.input"},
        {0, 16, 16, CLCONV_INVALID_ARGUMENT, "tensors.output overlaps tensors.weights"},
        {32, 16, 1, CLCONV_INVALID_ARGUMENT, "tensors.output overlaps tensors.weights"},
#undef SMALL
    };
    buffers b;
    (void)state;
    if (!make_buffers(&b))
        skip_because("there is no OpenCL device");
    for (size_t i = 0; i < COUNT_OF(rows); ++i) {
        cl_event event = (cl_event)(uintptr_t)8;
        b.tensors.input.offset = rows[i].input;
        b.tensors.weights.offset = rows[i].weights;
        b.tensors.output.offset = rows[i].output;
        assert_exactly(clconv_plan_enqueue(b.plan, NULL, &b.tensors, 0, NULL, &event),
                       rows[i].status, rows[i].message);
        assert_null(event);
    }
    clReleaseMemObject(b.memory);
    clconv_plan_destroy(b.plan);
}

/* What the device cannot hold is refused before anything is allocated for it. */
static void test_buffers_above_what_the_device_holds(void **state) {
    static const struct {
        uint64_t limit;
        const char *message;
    } rows[] = {
        {63, "tensors.input takes 64 bytes, but one buffer of the device holds 63"},
        {0, "tensors.input takes 64 bytes, but one buffer of the device holds 0"},
    };
    buffers b;
    float memory[16], output[16];
    const clconv_host_tensors tensors = {.input = memory, .weights = memory, .output = output};
    (void)state;
    if (!make_buffers(&b))
        skip_because("there is no OpenCL device");
    clconv_device *device = devices.devices[0];
    const uint64_t largest = device->info.max_allocation_size;
    memset(memory, 0, sizeof memory);
    memset(output, POISON, sizeof output);
    for (size_t i = 0; i < COUNT_OF(rows); ++i) {
        device->info.max_allocation_size = rows[i].limit;
        assert_exactly(clconv_plan_run(b.plan, &tensors), CLCONV_UNSUPPORTED, rows[i].message);
        assert_untouched(output, sizeof output, rows[i].message);
    }
    device->info.max_allocation_size = 3;
    assert_exactly(clconv_plan_pack_weights(b.plan, memory), CLCONV_UNSUPPORTED,
                   "weights takes 4 bytes, but one buffer of the device holds 3");
    device->info.max_allocation_size = 64;
    assert_ok(clconv_plan_run(b.plan, &tensors));
    device->info.max_allocation_size = largest;
    clReleaseMemObject(b.memory);
    clconv_plan_destroy(b.plan);
}

static int open_all(void **state) {
    (void)state;
    open_devices(&devices);
    return 0;
}

static int close_all(void **state) {
    (void)state;
    close_devices(&devices);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_problems),
        cmocka_unit_test(test_bad_texts),
        cmocka_unit_test(test_bad_pointers),
        cmocka_unit_test(test_bad_selectors),
        cmocka_unit_test(test_bad_buffers),
        cmocka_unit_test(test_buffers_above_what_the_device_holds),
    };
    return exit_code(cmocka_run_group_tests(tests, open_all, close_all), COUNT_OF(tests));
}
