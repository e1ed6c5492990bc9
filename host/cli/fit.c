#include "fit.h"

#include "random.h"

#include <math.h>
#include <stdlib.h>

static clconv_status allocate(fit *f, const clconv_problem *problem) {
    size_t count;
    clconv_status status;

    if ((status = clconv_tensor_elements(&f->weight_count, problem, CLCONV_WEIGHTS)) ||
        (status = clconv_tensor_elements(&f->bias_count, problem, CLCONV_BIAS)) ||
        (status = clconv_tensor_elements(&f->output_count, problem, CLCONV_OUTPUT)))
        return status;
    count = f->weight_count + f->bias_count;
    f->weights = calloc(count, sizeof *f->weights);
    f->slopes = calloc(count, sizeof *f->slopes);
    f->output = calloc(f->output_count, sizeof *f->output);
    f->difference = calloc(f->output_count, sizeof *f->difference);
    if (!f->weights || !f->slopes || !f->output || !f->difference)
        return CLCONV_OUT_OF_MEMORY;
    f->bias = f->weights + f->weight_count;
    return CLCONV_OK;
}

/* Uniform, and smaller the more terms a sum has (LeCun, Bottou, Orr and Mueller, "Efficient
 * BackProp", 1998); a bias starts at 0. */
static void choose_start(fit *f, const clconv_problem *problem, uint64_t seed) {
    const double terms = (double)f->weight_count / (double)problem->out_channels;
    const double limit = sqrt(3 / terms);

    for (size_t i = 0; i < f->weight_count; i++)
        f->weights[i] = (float)(limit * (2 * random_unit(&seed) - 1));
}

static clconv_status run_forward(fit *f, const float *parameters) {
    return clconv_plan_run(f->forward, &(clconv_host_tensors){.input = f->input,
                                                              .weights = parameters,
                                                              .bias = parameters + f->weight_count,
                                                              .output = f->output});
}

static clconv_status measure(fit *f) {
    clconv_status status = run_forward(f, f->weights);

    f->loss = f->worst = 0;
    for (size_t i = 0; i < f->output_count && !status; i++) {
        const double difference = (double)f->output[i] - (double)f->target[i];
        f->difference[i] = (float)difference;
        f->loss += difference * difference / 2;
        f->worst = fmax(f->worst, fabs(difference));
    }
    return status;
}

clconv_status fit_begin(fit *f, clconv_device *device, const clconv_problem *problem,
                        const float *input, const float *target, uint64_t seed) {
    clconv_problem backward = *problem;
    clconv_status status;

    *f = (fit){.input = input, .target = target};
    backward.direction = CLCONV_BACKWARD_WEIGHTS;
    if ((status = allocate(f, problem)) ||
        (status = clconv_plan_create(&f->forward, device, problem, NULL)) ||
        (status = clconv_plan_create(&f->gradient, device, &backward, NULL)))
        return status;
    choose_start(f, problem, seed);
    return measure(f);
}

static double sum_of_squares(const float *values, size_t count) {
    double sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += (double)values[i] * (double)values[i];
    return sum;
}

/* The loss is a parabola along the gradient g, with its bottom at <g,g> / <Xg,Xg>, where Xg is what
 * a layer with the parameters g computes (Cauchy's steepest descent). */
static clconv_status find_rate(double *rate, fit *f) {
    clconv_status status = run_forward(f, f->slopes);
    const double bend = sum_of_squares(f->output, f->output_count);
    const double slope = sum_of_squares(f->slopes, f->weight_count + f->bias_count);

    f->is_settled = !status && bend == 0;
    *rate = f->is_settled ? 0 : slope / bend;
    return status;
}

clconv_status fit_step(fit *f, double rate) {
    clconv_status status =
        clconv_plan_run(f->gradient, &(clconv_host_tensors){.input = f->input,
                                                            .weights = f->slopes,
                                                            .bias = f->slopes + f->weight_count,
                                                            .output = f->difference});

    if (status || (rate == 0 && (status = find_rate(&rate, f))))
        return status;
    for (size_t i = 0; i < f->weight_count + f->bias_count; i++)
        f->weights[i] -= (float)(rate * (double)f->slopes[i]);
    return measure(f);
}

void fit_end(fit *f) {
    clconv_plan_destroy(f->forward);
    clconv_plan_destroy(f->gradient);
    free(f->weights);
    free(f->slopes);
    free(f->output);
    free(f->difference);
}
