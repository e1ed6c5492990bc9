/* The judge: plain loops, double sums, a proven bound per element. Never a candidate algorithm. */
#ifndef CLCONV__REFERENCE_H
#define CLCONV__REFERENCE_H

#include "status.h"

clconv_status clconv__reference(double *output, double *bound, const clconv_problem *problem,
                                const clconv_host_tensors *tensors);

#endif
