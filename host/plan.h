/* A plan, and what the stages of an algorithm need to enqueue kernels on its behalf. */
#ifndef CLCONV__PLAN_H
#define CLCONV__PLAN_H

#include "algo.h"

/** Bytes of a plan's reason, its terminating zero included. */
enum { CLCONV__REASON_SIZE = 1024 };

struct clconv_plan {
    clconv_problem problem;
    clconv__request request; /* its problem is the one above, its weights the ones below */
    clconv__weights_view weights;
    const clconv__algo *algo;
    clconv_plan_options options;      /* its algorithm is NULL or the row's name */
    double seconds;                   /* estimate */
    char reason[CLCONV__REASON_SIZE]; /* why this row and tile */
    size_t workspace;                 /* bytes, without what unpacked weights need */
    size_t packed_bytes;              /* of rearranged weights; 0 where they stay as they are */
    int wide_index;                   /* tensors need 64-bit indices */
    void *state;                      /* the algorithm's */
    void *packed_host;                /* weights kept by clconv_plan_pack_weights: of the host, */
    cl_mem packed;                    /* or of the device */
    pthread_mutex_t lock; /* kernels keep their arguments, so setting and enqueuing is one */
};

/** Bytes of workspace that a call needs now; rearranged weights lie behind plan->workspace. */
size_t clconv__plan_workspace(const clconv_plan *plan);

/**
 * Builds a program for the plan: its index type and the tile's macros; element type and epilogue of
 * `problem`, which is the plan's or what a stage computes of it.
 */
clconv_status clconv__plan_kernel(cl_kernel *kernel, const clconv_plan *plan,
                                  const clconv_problem *problem, const char *file, const char *name,
                                  const clconv__tile *tile, const char *more_options);

/** Geometry as kernels take it: one integer per field, 32 or 64 bits wide. */
typedef struct clconv__kernel_geometry {
    size_t size; /* bytes of the argument */
    union {
        int32_t narrow[64];
        int64_t wide[64];
    } values;
} clconv__kernel_geometry;

/** Index of a field in the geometry. */
enum {
#define CLCONV__FIELD(name) CLCONV__FIELD_##name,
#include "../cl_kernels/geometry.h"
    CLCONV_GEOMETRY_FIELDS(CLCONV__FIELD)
#undef CLCONV__FIELD
        CLCONV__FIELDS
};

/** Fields of the plan's problem, 64 bits each; algorithms may change some before packing. */
void clconv__plan_fields(int64_t fields[CLCONV__FIELDS], const clconv_plan *plan, size_t step);
void clconv__pack_geometry(clconv__kernel_geometry *geometry, const clconv_plan *plan,
                           const int64_t fields[CLCONV__FIELDS]);

/** A read-only buffer of `count` indices, as wide as the plan's, which the caller releases. */
clconv_status clconv__plan_index_table(cl_mem *table, const clconv_plan *plan,
                                       const int64_t *values, size_t count);

/** Argument values with their sizes, set in order. */
typedef struct clconv__argument {
    size_t size;
    const void *value; /* NULL for local memory */
} clconv__argument;
clconv_status clconv__set_arguments(cl_kernel kernel, const clconv__argument *arguments,
                                    size_t count);

/** The arguments that every kernel begins with, ready for clconv__set_arguments(). */
typedef struct clconv__narrow_scalars {
    cl_float alpha, beta, a, b;
    cl_int has_bias, has_residual;
} clconv__narrow_scalars;
typedef struct clconv__wide_scalars {
    cl_double alpha, beta, a, b;
    cl_int has_bias, has_residual;
} clconv__wide_scalars;
typedef struct clconv__kernel_scalars {
    size_t size;
    union {
        clconv__narrow_scalars narrow;
        clconv__wide_scalars wide;
    } values;
} clconv__kernel_scalars;
/** Leaves the sum alone, for stages that have nothing else to do. */
void clconv__drop_epilogue(clconv_problem *problem);

/** Of the plan's problem, or of what a stage has left to do. */
void clconv__pack_scalars(clconv__kernel_scalars *scalars, const clconv_problem *problem);

typedef struct clconv__kernel_offsets {
    cl_long x, w, bias, residual, y;
} clconv__kernel_offsets;
clconv__kernel_offsets clconv__tensor_offsets(const clconv_tensors *tensors);

/** `tensors` with something harmless in place of buffers that the problem lacks. */
clconv_tensors clconv__fill_absent(const clconv_plan *plan, const clconv_tensors *tensors);

/** A row and one of its tiles; NULL for rows without, and where the estimate decides. */
typedef struct clconv__choice {
    const clconv__algo *algo;
    const clconv__tile *tile;
    const clconv__weights_view *weights; /* NULL where they lie as the problem says */
} clconv__choice;

/**
 * A plan of the given choice, or with NULL of the row that the options name or that has the
 * smallest estimate. Knows nothing of tuned entries.
 */
clconv_status clconv__plan_create(clconv_plan **plan, clconv_device *device,
                                  const clconv_problem *problem, const clconv_plan_options *options,
                                  const clconv__choice *choice);

clconv_status clconv__check_plan_options(const clconv_plan_options *options);

void clconv__plan_set_reason(clconv_plan *plan, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The public functions, arguments not yet checked for NULL. */
clconv_status clconv__plan_enqueue(clconv_plan *plan, cl_command_queue queue,
                                   const clconv_tensors *tensors, cl_uint wait_count,
                                   const cl_event *wait, cl_event *event);
clconv_status clconv__plan_run(clconv_plan *plan, const clconv_host_tensors *tensors);
clconv_status clconv__plan_pack(clconv_plan *plan, const void *weights);
clconv_status clconv__plan_explain(char *text, size_t size, const clconv_plan *plan);

#endif
