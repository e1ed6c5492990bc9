#include "clblast.h"

#ifdef CLCONV_BENCH_CLBLAST
#include <clblast_c.h>

/* It has f32 forward in two dimensions, without groups, and one padding for both ends of an axis.
 */
int clblast_computes(const clconv_problem *p) {
    return p->type == CLCONV_F32 && p->direction == CLCONV_FORWARD && p->groups == 1 &&
           p->input[0] == 1 && p->kernel[0] == 1 && p->pad_begin[1] == p->pad_end[1] &&
           p->pad_begin[2] == p->pad_end[2];
}

int clblast_enqueue(const clconv_problem *p, cl_mem input, cl_mem weights, cl_mem output,
                    cl_command_queue queue, cl_event *event) {
    return CLBlastSconvgemm(
        CLBlastKernelModeCrossCorrelation, p->in_channels, p->input[1], p->input[2], p->kernel[1],
        p->kernel[2], p->pad_begin[1], p->pad_begin[2], p->stride[1], p->stride[2], p->dilation[1],
        p->dilation[2], p->out_channels, p->batch, input, 0, weights, 0, output, 0, &queue, event);
}
#else
int clblast_computes(const clconv_problem *p) {
    (void)p;
    return 0;
}

int clblast_enqueue(const clconv_problem *p, cl_mem input, cl_mem weights, cl_mem output,
                    cl_command_queue queue, cl_event *event) {
    (void)p, (void)input, (void)weights, (void)output, (void)queue, (void)event;
    return -1;
}
#endif
