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

/* Fills one computed tensor with the values it should have, but for the fault. */
static void fake_result(const case_data *data, clconv_tensor which, const double *right) {
    const tensor_image *image = &data->images[which];
    unsigned char *result = data->result + case_result_offset(data, which);
    size_t extent[CLCONV_TENSOR_AXES], stride[CLCONV_TENSOR_AXES];
    assert_ok(clconv_tensor_shape(extent, stride, &data->problem, which));
    poison_fill(result, image->size, POISON_FIRST);
    for (size_t i = 0; i < count_of(extent); ++i) {
        size_t place[CLCONV_TENSOR_AXES];
        place_of(place, extent, i);
        clconv_element_set(result + GUARD_ELEMENTS * image->element, image->type,
                           index_of(place, stride),
                           fault ? fault(&data->problem, place, right[i]) : right[i]);
    }
}

void worker_run(worker_reply *reply, worker *w, const worker_request *request) {
    const case_data *data = request->data;
    expected_output right;
    size_t done = 0;
    (void)w;
    ++runs_asked;
    memset(reply, 0, sizeof *reply);
    reply->result.seconds = 1e-6;
    assert_ok(expectation_make(&right, data));
    for (int which = 0; which < TENSORS; ++which) {
        size_t extent[CLCONV_TENSOR_AXES], stride[CLCONV_TENSOR_AXES];
        if (!clconv_tensor_is_computed(&data->problem, (clconv_tensor)which))
            continue;
        fake_result(data, (clconv_tensor)which, right.values + done);
        assert_ok(clconv_tensor_shape(extent, stride, &data->problem, (clconv_tensor)which));
        done += count_of(extent);
    }
    expectation_free(&right);
}

/* A device that would run any algorithm. */
static verify_device fake_device(void) {
    verify_device device = {.facts.algorithms = UINT64_MAX};
    snprintf(device.facts.info.selector, sizeof device.facts.info.selector, "fake");
    return device;
}

#endif
