/* CLBlast's own convolution, for a comparison; built without it, it computes nothing. */
#ifndef CLCONV_BENCH_GPU_CLBLAST_H
#define CLCONV_BENCH_GPU_CLBLAST_H

#include "clconv.h"

/** Whether CLBlastSconvgemm computes a problem. */
int clblast_computes(const clconv_problem *p);

/** 0, or what CLBlast says. The event is of its last kernel. */
int clblast_enqueue(const clconv_problem *p, cl_mem input, cl_mem weights, cl_mem output,
                    cl_command_queue queue, cl_event *event);

#endif
