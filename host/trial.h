/* A problem with tensors of its own on a device, where plans are held against the reference and
 * timed. */
#ifndef CLCONV__TRIAL_H
#define CLCONV__TRIAL_H

#include "plan.h"

enum { CLCONV__TENSORS = CLCONV_OUTPUT + 1 };

struct clconv__slice;

typedef struct clconv__trial {
    clconv_problem problem;
    clconv_device *device;
    size_t bytes[CLCONV__TENSORS];
    unsigned char *data[CLCONV__TENSORS];   /* what a run begins with; NULL where there is none */
    unsigned char *result[CLCONV__TENSORS]; /* of what is computed; elsewhere the data */
    cl_mem memory[CLCONV__TENSORS];         /* the same on a device, made for the first timing */
    cl_command_queue queue;
    struct clconv__slice *slices; /* what is held against the reference */
    size_t slice_count;
} clconv__trial;

/**
 * Makes tensors, the same ones for the same problem, and their reference: of all results where that
 * is quick, else of some channels of some pictures, the first and the last among them. On failure
 * nothing is owned.
 */
clconv_status clconv__trial_begin(clconv__trial *trial, clconv_device *device,
                                  const clconv_problem *problem);
void clconv__trial_end(clconv__trial *trial);

/**
 * Runs a plan once and compares.
 * @param wrong receives "", or what is wrong with the result
 */
clconv_status clconv__trial_check(char wrong[CLCONV_REFUSAL_SIZE], const clconv__trial *trial,
                                  clconv_plan *plan);

/**
 * Packs a plan's weights, so that it can be timed.
 * @param workspace receives what clconv__trial_time() needs; released by the caller, NULL for none
 */
clconv_status clconv__trial_prepare(cl_mem *workspace, clconv__trial *trial, clconv_plan *plan);

/** Times one run, from enqueuing to the end. */
clconv_status clconv__trial_time(double *seconds, clconv__trial *trial, clconv_plan *plan,
                                 cl_mem workspace);

/** Seconds of a clock that is never set. */
double clconv__now(void);

#endif
