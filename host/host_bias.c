#include "host_bias.h"

#include "host_kernel.h"
#include "host_rows.h"
#include "parallel.h"

#include <stdlib.h>

/* Sums of a channel's rows of gradients, LANES at a time and in one order always. */
#define DEFINE_ROW_SUM(function, type)                                                             \
    static void function(void *sums, const void *row, size_t count) {                              \
        type *s = sums;                                                                            \
        const type *r = row;                                                                       \
        size_t i = 0;                                                                              \
        for (; i + LANES <= count; i += LANES)                                                     \
            for (size_t lane = 0; lane < LANES; ++lane)                                            \
                s[lane] += r[i + lane];                                                            \
        for (; i < count; ++i)                                                                     \
            s[0] += r[i];                                                                          \
    }                                                                                              \
    static void function##_fold(void *sums) {                                                      \
        type *s = sums;                                                                            \
        for (size_t lane = 1; lane < LANES; ++lane)                                                \
            s[0] += s[lane];                                                                       \
    }
enum { LANES = 16 };
DEFINE_ROW_SUM(add_row_f32, float)
DEFINE_ROW_SUM(add_row_f64, double)

typedef struct bias_job {
    const clconv_plan *plan;
    const void *gradient;
    void *bias;
    int failed; /* set to 1 by a worker that got no memory */
} bias_job;

/* Sums of either type. */
typedef union lanes {
    float narrow[LANES];
    double wide[LANES];
} lanes;

static void sum_channel(const bias_job *job, size_t channel, lanes *sums, void *row) {
    const clconv_problem *p = &job->plan->problem;
    const clconv__geometry *g = &job->plan->request.g;
    const clconv__host_type *type = &clconv__host_types[p->type];
    const int is_wide = type->accumulator == CLCONV__ACC_F64;
    const clconv__area all = clconv__row_of(g->output[2], (ptrdiff_t)g->output_stride[4]);
    for (size_t n = 0; n < p->batch; ++n)
        for (size_t d = 0; d < g->output[0]; ++d)
            for (size_t h = 0; h < g->output[1]; ++h) {
                type->output(row, job->gradient,
                             n * g->output_stride[0] + channel * g->output_stride[1] +
                                 d * g->output_stride[2] + h * g->output_stride[3],
                             &all, 0);
                (is_wide ? add_row_f64 : add_row_f32)(sums, row, g->output[2]);
            }
    (is_wide ? add_row_f64_fold : add_row_f32_fold)(sums);
}

static void do_bias(void *context, size_t channel) {
    bias_job *job = context;
    const clconv_problem *p = &job->plan->problem;
    const clconv__host_type *type = &clconv__host_types[p->type];
    lanes sums = {.wide = {0}}, old;
    clconv__epilogue e = {CLCONV_ACTIVATION_NONE, clconv__scalars_of(p), NULL, NULL, NULL};
    const clconv__area one = clconv__row_of(1, 1);
    double *row = malloc(job->plan->request.g.output[2] * sizeof *row); /* of either type */
    if (!row) {
        __atomic_store_n(&job->failed, 1, __ATOMIC_RELAXED);
        return;
    }
    sum_channel(job, channel, &sums, row);
    if (e.s.beta != 0) {
        type->output(&old, job->bias, channel, &one, 0);
        e.old = &old;
    }
    clconv__apply_epilogue(type->accumulator, &sums, 1, &e);
    type->store(job->bias, channel, &one, &sums);
    free(row);
}

int clconv__host_bias_gradient(const clconv_plan *plan, const void *gradient, void *bias) {
    bias_job job = {plan, gradient, bias, 0};
    clconv__parallel_for(plan->problem.out_channels, do_bias, &job);
    return !job.failed;
}
