/*
 * From the options of `clconv run` and `clconv learn` and the shapes of their files to a problem.
 */
#ifndef CLCONV_CLI_RUN_PROBLEM_H
#define CLCONV_CLI_RUN_PROBLEM_H

#include "args.h"
#include "clconv.h"
#include "npy.h"

/** Options of `clconv run`; the choices are in the order of clconv.h's enumerations. */
typedef struct run_options {
    const char *input;
    const char *weights;
    const char *bias;
    const char *residual;
    const char *output;
    args_sizes stride;
    args_sizes pad;
    args_sizes dilation;
    args_sizes output_padding;
    args_sizes extents;
    uint64_t groups;
    int direction;
    int padding;
    int mode;
    const char *activation;
    double alpha;
    double beta;
    int type;
    int layout;
    int weights_layout;
    args_ints zero_points;
    args_sizes input_shape;
    args_sizes input_strides;
    args_sizes output_strides;
    const char *name;
    const char *device;
    const char *algo;
    bool tf32;
    bool json;
} run_options;

/* Words of the options, in the orders of the enumerations in clconv.h. */
extern const char *const run_padding_names[];
extern const char *const run_mode_names[];
extern const char *const run_layout_names[];
extern const char *const run_weights_layout_names[];

/** Rows of options, for every options structure that is run_options or begins with it. */
#define RUN_GEOMETRY_OPTIONS                                                                       \
    ARGS_OPTION(run_options, stride, "stride", "S[,S...]", "step of the kernel (default 1)"),      \
        ARGS_OPTION(run_options, pad, "pad", "P[,P...]",                                           \
                    "zeros around the input (default 0): one number for all sides,\n"              \
                    "one per axis for both of its sides, or as ONNX has them one\n"                \
                    "per axis for its begin and then one per axis for its end"),                   \
        ARGS_ONE_OF(run_options, padding, "padding", run_padding_names,                            \
                    "chooses the pads: none, or as many as make output =\n"                        \
                    "input / stride, an odd one at the end or at the begin"),                      \
        ARGS_OPTION(run_options, dilation, "dilation", "D[,D...]",                                 \
                    "distance of the kernel's elements (default 1: dense)"),                       \
        ARGS_OPTION(run_options, groups, "groups", "G", "groups of channels (default 1)"),         \
        ARGS_ONE_OF(run_options, mode, "mode", run_mode_names,                                     \
                    "kernel as it is (default), or flipped")
#define RUN_LAYOUT_OPTIONS                                                                         \
    ARGS_ONE_OF(run_options, layout, "layout", run_layout_names,                                   \
                "axes of input, residual and output (default nchw)"),                              \
        ARGS_ONE_OF(run_options, weights_layout, "weights-layout", run_weights_layout_names,       \
                    "axes of the weights (default oihw)")

/** A problem and how its tensors lie in the files. */
typedef struct run_problem {
    const char *command; /* whose messages these are */
    clconv_problem problem;
    size_t axes;      /* spatial ones of the files */
    bool bare;        /* H,W alone */
    bool input_view;  /* the input has strides of its own */
    bool output_view; /* so have output and residual */
} run_problem;

/**
 * Fills in a problem and validates it.
 * @param command for the messages; static storage
 * @param input,weights,output only their type, rank and shape are looked at, and not of what is
 *        computed
 * @return CLI_OK, or the exit code after a message on stderr
 */
int run_problem_set(run_problem *r, const char *command, const run_options *o,
                    const npy_array *input, const npy_array *weights, const npy_array *output);

/**
 * Extents that the array of a tensor has in its file. Behind a view it is one row of at least as
 * many elements as the view reaches.
 * @return the rank; 0 after a failure, with the message at clconv_last_message()
 */
size_t run_problem_extents(size_t extents[NPY_MAX_RANK], const run_problem *r,
                           clconv_tensor tensor);

/** Whether a tensor is a view into the elements of its file. */
bool run_problem_is_view(const run_problem *r, clconv_tensor tensor);

#endif
