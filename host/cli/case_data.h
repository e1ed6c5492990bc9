/* Tensors of a case in host memory: made from a seed, each inside an image with guards around it.
 */
#ifndef CLCONV_CLI_CASE_DATA_H
#define CLCONV_CLI_CASE_DATA_H

#include "clconv.h"
#include "shared_memory.h"

/** What a tensor is filled with. */
typedef enum data_kind {
    DATA_EXACT, /* small integers, so small that every partial sum is representable */
    DATA_REAL,  /* uniform in [-1, 1) */
    DATA_KINDS
} data_kind;

/** "exact" or "real". */
extern const char *const data_kind_names[DATA_KINDS];

/**
 * What lies wherever no element of a tensor lies: a NaN in every floating-point type. Results must
 * not depend on which.
 */
typedef enum poison_kind { POISON_FIRST, POISON_SECOND, POISONS } poison_kind;

/** Elements between the beginning of an image and its tensor, and behind the tensor at least. */
#define GUARD_ELEMENTS 67

/** One tensor with guards. */
typedef struct tensor_image {
    unsigned char *bytes;
    size_t size;    /* of the image, in bytes; 0 where the problem lacks the tensor */
    size_t element; /* bytes of an element */
    clconv_type type;
} tensor_image;

/** The first element of the tensor in an image. */
static inline void *image_tensor(const tensor_image *image) {
    return image->bytes ? image->bytes + GUARD_ELEMENTS * image->element : NULL;
}

enum { TENSORS = CLCONV_OUTPUT + 1 };

/**
 * Images in the order of clconv_tensor, and the result: images of all that is computed, one behind
 * the other. What is computed has its old content where beta reads it. All lie in one block that
 * another process can map.
 */
typedef struct case_data {
    clconv_problem problem;
    data_kind kind;
    tensor_image images[TENSORS];
    unsigned char *result; /* of a run; case_result_offset() finds the images */
    size_t result_size;
    shared_memory memory; /* owned; holds all of these */
} case_data;

/** Bytes of all images and the result; SIZE_MAX where that does not fit. */
size_t case_data_size(const clconv_problem *problem);

/** Memory for the images, without content: on failure nothing is owned. */
clconv_status case_data_allocate(case_data *data, const clconv_problem *problem, data_kind kind);

/** The same images in memory from another process. It owns the descriptor, even on failure. */
clconv_status case_data_map(case_data *data, const clconv_problem *problem, data_kind kind,
                            int descriptor);

/**
 * Makes all tensors of a problem from its canonical text and the seed, so that one pasted line
 * repeats them. On failure nothing is owned.
 */
clconv_status case_data_make(case_data *data, const clconv_problem *problem, data_kind kind,
                             uint64_t seed);
void case_data_free(case_data *data);

/** The first tensor that a problem computes: the gradient of the bias is behind the weights'. */
clconv_tensor case_computed(const clconv_problem *problem);

/**
 * The three tensors of a convolution, in whichever direction: along an axis, elements of them meet
 * where fine = coarse*stride - pad_begin + tap*dilation, and the weights have a row for each coarse
 * channel and a column for each fine channel of its group.
 */
typedef enum case_side { SIDE_COARSE, SIDE_TAP, SIDE_FINE, SIDES } case_side;
clconv_tensor case_tensor(const clconv_problem *problem, case_side side);

/** The side that is computed. */
case_side case_computed_side(const clconv_problem *problem);

/** Where the image of a computed tensor begins in a result. */
size_t case_result_offset(const case_data *data, clconv_tensor tensor);

/** Pointers to the tensors, for clconv_reference() and clconv_plan_run(). */
clconv_host_tensors case_data_tensors(const case_data *data);

/**
 * Copies an image with another poison: elements of the tensor are copied, what is between and
 * around them is poison. Of what is computed without its old content being read, everything is.
 */
void case_data_poison(unsigned char *image, const case_data *data, clconv_tensor tensor,
                      poison_kind poison);

/** Fills memory with a poison. */
void poison_fill(void *memory, size_t size, poison_kind poison);

/** Whether exact data gives a result without any rounding, or with one at the end that is defined.
 */
int case_is_exact(const clconv_problem *problem);

/** Products per element that is computed, at most. */
double case_taps(const clconv_problem *problem);

/** Elements of a tensor. */
size_t count_of(const size_t extent[CLCONV_TENSOR_AXES]);

/** Whether a tensor has no gaps and lies in the order of its dense index. */
int is_dense(const size_t extent[CLCONV_TENSOR_AXES], const size_t stride[CLCONV_TENSOR_AXES]);

/** Place N C D H W of a dense index. */
void place_of(size_t place[CLCONV_TENSOR_AXES], const size_t extent[CLCONV_TENSOR_AXES],
              size_t dense);

/** Index in memory of a place. */
size_t index_of(const size_t place[CLCONV_TENSOR_AXES], const size_t stride[CLCONV_TENSOR_AXES]);

/** Calls visit for each element of a tensor: its dense index and its index in memory. */
void visit_elements(const size_t extent[CLCONV_TENSOR_AXES],
                    const size_t stride[CLCONV_TENSOR_AXES],
                    void (*visit)(void *context, size_t dense, size_t in_memory), void *context);

#endif
