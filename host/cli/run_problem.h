/*
 * From the options of `clconv run` and the shapes of its files to a problem.
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
    bool json;
} run_options;

/** A problem and how its tensors lie in the files. */
typedef struct run_problem {
    clconv_problem problem;
    size_t axes;      /* spatial ones of the files */
    bool bare;        /* H,W alone */
    bool input_view;  /* the input has strides of its own */
    bool output_view; /* so have output and residual */
} run_problem;

/**
 * Fills in a problem and validates it.
 * @param input,weights,output only their type, rank and shape are looked at, and not of what is
 *        computed
 * @return CLI_OK, or the exit code after a message on stderr
 */
int run_problem_set(run_problem *r, const run_options *o, const npy_array *input,
                    const npy_array *weights, const npy_array *output);

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
