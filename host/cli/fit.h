/*
 * One layer fitted by gradient descent: its kernel, and bias if it has one, are moved so that half
 * the sum of the squared differences between its output and a target becomes small.
 */
#ifndef CLCONV_CLI_FIT_H
#define CLCONV_CLI_FIT_H

#include "clconv.h"

#include <stdbool.h>

typedef struct fit {
    clconv_plan *forward;  /* owned */
    clconv_plan *gradient; /* owned: backward_weights */
    const float *input;    /* borrowed */
    const float *target;   /* borrowed */
    float *weights, *bias; /* owned: what is learned, one behind the other */
    float *slopes;         /* owned: their gradients, in the same order */
    float *output;         /* owned: of the layer, or what a step would add to it */
    float *difference;     /* owned: output - target */
    size_t weight_count, bias_count, output_count;
    double loss;     /* half the sum of the squared differences */
    double worst;    /* the largest magnitude of a difference */
    bool is_settled; /* no step along the gradient changes the output any more */
} fit;

/**
 * Starts from numbers that depend on the seed alone.
 * @param problem forward, dense and of type f32, without activation, residual, alpha and beta
 * @param input,target must live as long as the fit
 */
clconv_status fit_begin(fit *f, clconv_device *device, const clconv_problem *problem,
                        const float *input, const float *target, uint64_t seed);

/**
 * Moves the parameters against their gradient, times `rate`; with 0, by as much as makes the loss
 * smallest along it.
 */
clconv_status fit_step(fit *f, double rate);

void fit_end(fit *f);

#endif
