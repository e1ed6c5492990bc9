/* How long an algorithm takes: to create its plan, at the first run, and from then on; but only one
 * whose results are right. */
#ifndef CLCONV_CLI_TIMING_H
#define CLCONV_CLI_TIMING_H

#include "case_data.h"
#include "message.h"

#include <stdbool.h>

typedef struct timing {
    double create;    /* seconds of clconv_plan_create() */
    double first;     /* of the first run; drivers compile and allocate then */
    double median;    /* of the runs after it */
    double spread;    /* from the first to the third quartile of these, as a share of the median */
    double enqueue;   /* median until the call returns, which on OpenCL is before the end */
    size_t workspace; /* bytes */
    size_t runs;      /* after the first; none where it is wrong */
    bool is_wrong;
    char reason[MESSAGE_SIZE]; /* why */
    char algorithm[64];
} timing;

/** How much is timed. */
typedef struct timing_limits {
    size_t rounds;  /* runs after the first, */
    double seconds; /* but no more are begun after so many */
    bool allows_tf32;
} timing_limits;

/**
 * Times one algorithm, or with NULL the one that a plan chooses. Tensors lie in the device's memory
 * and weights are packed before; a run lasts from enqueuing to the end. After the first, a result
 * is held against samples of the reference, and one that is bad ends it.
 */
clconv_status time_algorithm(timing *t, clconv_device *device, const case_data *data,
                             const char *algorithm, const timing_limits *limits);

#endif
