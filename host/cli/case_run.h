/* Runs one algorithm on one case of data and returns what it left in memory. */
#ifndef CLCONV_CLI_CASE_RUN_H
#define CLCONV_CLI_CASE_RUN_H

#include "case_data.h"

/** The whole output image after the run, guards included. */
typedef struct case_result {
    unsigned char *output; /* owned; as many bytes as the output's image */
    double seconds;        /* from enqueuing to the end, without transfers */
    int inputs_changed;    /* nonzero if the run wrote into a tensor that it may only read */
} case_result;

/**
 * Runs the plan on copies of the images, in device memory with NaN around every tensor and in the
 * workspace. The result is valid on success only.
 */
clconv_status case_run(case_result *result, clconv_plan *plan, clconv_device *device,
                       const case_data *data);
void case_result_free(case_result *result);

#endif
