/* Runs one algorithm on one case of data and returns what it left in memory. */
#ifndef CLCONV_CLI_CASE_RUN_H
#define CLCONV_CLI_CASE_RUN_H

#include "case_data.h"

/** What an algorithm must not do, whatever its results are; bits of a mask. */
typedef enum violation {
    VIOLATION_INPUT = 1,     /* it wrote into a tensor that it may only read */
    VIOLATION_OUTSIDE = 2,   /* it wrote between or around the elements that it computes */
    VIOLATION_WORKSPACE = 4, /* it wrote outside its workspace */
    VIOLATION_POISON = 8,    /* results depend on what lay in memory before */
    VIOLATION_REPEAT = 16    /* equal runs gave different bits */
} violation;

/** Sentences for the bits, in their order; the last is NULL. */
extern const char *const violation_texts[];

/** How often, at least once in all, and who is told about it. */
typedef struct case_runs {
    int plain; /* on the first poison */
    int on_other_poison;
    void (*doing)(void *context, const char *call); /* told each call before it is made */
    void *context;
} case_runs;

typedef struct case_result {
    double seconds;      /* of the fastest run, from enqueuing to the end, without transfers */
    unsigned violations; /* mask */
    size_t differing;    /* elements with other bits in a later run than in the first */
    size_t first;        /* index in memory of one of these */
    cl_int code;         /* of an OpenCL call that failed here rather than in the library */
    const char *call;    /* its name */
} case_result;

/**
 * Runs the plan on copies of the images, with poison around every tensor and in the workspace. The
 * images of what the first run computed go to `data->result`, guards included.
 */
clconv_status case_run(case_result *result, clconv_plan *plan, clconv_device *device,
                       const case_data *data, const case_runs *runs);

/** Whether anything in a run's image of a tensor differs from what it was before. */
int image_was_written(const case_data *data, clconv_tensor tensor, poison_kind poison,
                      const unsigned char *after);

/** Whether a result was written anywhere but in the elements of its tensors. */
int output_guard_was_written(const case_data *data, poison_kind poison, const unsigned char *after);

/** Elements whose bits differ between two results; the first of them, by index in memory. */
size_t count_differing(size_t *first, const case_data *data, const unsigned char *a,
                       const unsigned char *b);

#endif
