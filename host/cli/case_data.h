/* Tensors of a case in host memory: made from a seed, each inside an image with guards around it.
 */
#ifndef CLCONV_CLI_CASE_DATA_H
#define CLCONV_CLI_CASE_DATA_H

#include "clconv.h"

/** What a tensor is filled with. */
typedef enum data_kind {
    DATA_EXACT, /* small integers, so small that every partial sum is representable */
    DATA_REAL,  /* uniform in [-1, 1) */
    DATA_KINDS
} data_kind;

/** Elements between the beginning of an image and its tensor, and behind the tensor at least. */
#define GUARD_ELEMENTS 67

/** One tensor with guards, filled with a NaN pattern wherever no element of the tensor lies. */
typedef struct tensor_image {
    unsigned char *bytes; /* owned */
    size_t size;          /* of the image, in bytes; 0 where the problem lacks the tensor */
    size_t element;       /* bytes of an element */
    clconv_type type;
} tensor_image;

/** The first element of the tensor in an image. */
static inline void *image_tensor(const tensor_image *image) {
    return image->bytes ? image->bytes + GUARD_ELEMENTS * image->element : NULL;
}

/** Images in the order of clconv_tensor. The output has its old content where beta reads it. */
typedef struct case_data {
    clconv_problem problem;
    data_kind kind;
    tensor_image images[CLCONV_OUTPUT + 1];
} case_data;

/**
 * Makes all tensors of a problem from its canonical text and the seed, so that one pasted line
 * repeats them. On failure nothing is owned.
 */
clconv_status case_data_make(case_data *data, const clconv_problem *problem, data_kind kind,
                             uint64_t seed);
void case_data_free(case_data *data);

/** Pointers to the tensors, for clconv_reference() and clconv_plan_run(). */
clconv_host_tensors case_data_tensors(const case_data *data);

/** Whether exact data gives a result without any rounding, or with one at the end that is defined.
 */
int case_is_exact(const clconv_problem *problem);

/** Calls visit for each element of a tensor: its dense index and its index in memory. */
void visit_elements(const size_t extent[CLCONV_TENSOR_AXES],
                    const size_t stride[CLCONV_TENSOR_AXES],
                    void (*visit)(void *context, size_t dense, size_t in_memory), void *context);

#endif
