/*
 * Stands in for the worker of the verifier: a device that computes what the reference says, but for
 * one fault of the test's choice. Include it once in a program that does not link the real one.
 */
#ifndef CLCONV_TESTS_FAKE_WORKER_H
#define CLCONV_TESTS_FAKE_WORKER_H

#include "cli/verify.h"
#include "support.h"

/* Changes one output of a problem, given its place and its right value. */
typedef double device_fault(const clconv_problem *problem, const size_t place[CLCONV_TENSOR_AXES],
                            double right);

static device_fault *fault; /* NULL for none */
static int runs_asked;

void worker_run(worker_reply *reply, worker *w, const worker_request *request) {
    const case_data *data = request->data;
    const clconv_host_tensors tensors = case_data_tensors(data);
    const tensor_image *image = &data->images[CLCONV_OUTPUT];
    size_t extent[CLCONV_TENSOR_AXES], stride[CLCONV_TENSOR_AXES];
    (void)w;
    ++runs_asked;
    memset(reply, 0, sizeof *reply);
    reply->result.seconds = 1e-6;
    assert_ok(clconv_tensor_shape(extent, stride, &data->problem, CLCONV_OUTPUT));
    double *output = calloc(count_of(extent), sizeof *output);
    assert_non_null(output);
    assert_ok(clconv_reference(output, NULL, &data->problem, &tensors));
    poison_fill(data->result, image->size, POISON_FIRST);
    for (size_t i = 0; i < count_of(extent); ++i) {
        size_t place[CLCONV_TENSOR_AXES];
        place_of(place, extent, i);
        clconv_element_set(data->result + GUARD_ELEMENTS * image->element, image->type,
                           index_of(place, stride),
                           fault ? fault(&data->problem, place, output[i]) : output[i]);
    }
    free(output);
}

/* A device that would run any algorithm. */
static verify_device fake_device(void) {
    verify_device device = {.facts.algorithms = UINT64_MAX};
    snprintf(device.facts.info.selector, sizeof device.facts.info.selector, "fake");
    return device;
}

#endif
