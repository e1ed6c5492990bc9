/* The gradient of the bias on the host. */
#ifndef CLCONV__HOST_BIAS_H
#define CLCONV__HOST_BIAS_H

#include "plan.h"

/** The sums of each channel of the output's gradient. 0 where there is no memory. */
int clconv__host_bias_gradient(const clconv_plan *plan, const void *gradient, void *bias);

#endif
