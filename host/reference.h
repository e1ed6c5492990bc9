/* The judge: plain loops, double sums, a proven bound per element. Never a candidate algorithm. */
#ifndef CLCONV__REFERENCE_H
#define CLCONV__REFERENCE_H

#include "status.h"

clconv_status clconv__reference(double *output, double *bound, const clconv_problem *problem,
                                const clconv_host_tensors *tensors);

/** Raises bounds that clconv__reference() gave to those of F(2x2, 3x3) or F(2x2, 5x5), and F(4x4,
 * 3x3). */
clconv_status clconv__winograd_2x2_bound(double *bound, const clconv_problem *problem,
                                         const clconv_host_tensors *tensors);
clconv_status clconv__winograd_4x4_bound(double *bound, const clconv_problem *problem,
                                         const clconv_host_tensors *tensors);

/** Raises them to those of forward sums whose f32 operands were rounded to tf32 before. */
clconv_status clconv__tf32_bound(double *bound, const clconv_problem *problem,
                                 const clconv_host_tensors *tensors);

/** n*u/(1-n*u); infinite where so many roundings prove nothing. */
double clconv__gamma(double n, double u);

/** Lipschitz constant of the problem's activation. */
double clconv__lipschitz(const clconv_problem *problem);

#endif
