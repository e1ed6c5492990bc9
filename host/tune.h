/* Finds the fastest candidate of a problem by timing, and makes plans of what was found. */
#ifndef CLCONV__TUNE_H
#define CLCONV__TUNE_H

#include "plan.h"

/* The public functions, arguments not yet checked for NULL. */
clconv_status clconv__tune(clconv_tuned *tuned, clconv_device *device,
                           const clconv_problem *problem, const clconv_tune_options *options);

/** clconv_plan_create(): by name, by a tuned entry, or by the estimate. */
clconv_status clconv__plan_create_tuned(clconv_plan **plan, clconv_device *device,
                                        const clconv_problem *problem,
                                        const clconv_plan_options *options);

#endif
