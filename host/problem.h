/* Geometry shared by the reference and the algorithms. No OpenCL. */
#ifndef CLCONV__PROBLEM_H
#define CLCONV__PROBLEM_H

#include "status.h"

/** Names of enum values, in the order of the enum; shared by parser, formatter and messages. */
extern const char *const clconv__direction_names[];
extern const char *const clconv__mode_names[];
extern const char *const clconv__type_names[];
extern const char *const clconv__layout_names[];
extern const char *const clconv__weights_layout_names[];
extern const char *const clconv__activation_names[];
#define CLCONV__DIRECTIONS      4
#define CLCONV__MODES           2
#define CLCONV__TYPES           6
#define CLCONV__LAYOUTS         2
#define CLCONV__WEIGHTS_LAYOUTS 2
#define CLCONV__ACTIVATIONS     9

/** Parameters that an activation uses, 0 to 2. */
int clconv__activation_parameters(clconv_activation activation);

/**
 * A valid problem with everything derived that loops need. Input and output are where the problem
 * reads and writes: for the gradient of the input the two have changed places. For the gradient of
 * the weights they are those of forward, and both are read. The weights' strides are those of
 * memory, axis 0 being O, or for a transposed convolution the input's channels.
 */
typedef struct clconv__geometry {
    size_t input[CLCONV_SPATIAL_AXES];
    size_t output[CLCONV_SPATIAL_AXES];
    size_t in_per_group;  /* input channels that one output channel sees */
    size_t out_per_group; /* output channels of one group */
    size_t taps;          /* products per element that is computed, at most: K */
    size_t pixels;        /* output elements per channel and picture */
    size_t input_stride[CLCONV_TENSOR_AXES];
    size_t weights_stride[CLCONV_TENSOR_AXES];
    size_t output_stride[CLCONV_TENSOR_AXES];
} clconv__geometry;

/** Whether zeros are added to the input anywhere. */
static inline int clconv__is_padded(const clconv_problem *problem) {
    int any = 0;
    for (int axis = 0; axis < CLCONV_SPATIAL_AXES; ++axis)
        any |= problem->pad_begin[axis] || problem->pad_end[axis];
    return any;
}

/** 1 where results are gathered through strides: gradient of the input, transposed convolution. */
static inline int clconv__gathers(const clconv_problem *problem) {
    return problem->direction == CLCONV_BACKWARD_DATA || problem->direction == CLCONV_TRANSPOSED;
}

/** The tensor that is computed; of the weights' direction not the bias. */
clconv_tensor clconv__result_of(const clconv_problem *problem);

/** Validates and derives. */
clconv_status clconv__geometry_of(clconv__geometry *geometry, const clconv_problem *problem);

/** Whether the tensor has the dense strides of its layout. */
int clconv__is_dense(const clconv_problem *problem, clconv_tensor tensor);

/** Alpha, beta and the activation's parameters as the problem's arithmetic sees them. */
typedef struct clconv__scalars {
    double alpha, beta, a, b;
} clconv__scalars;
clconv__scalars clconv__scalars_of(const clconv_problem *problem);

#endif
