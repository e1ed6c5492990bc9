#include "judge.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void expectation_free(expectation *expected) {
    free(expected->values);
    free(expected->bounds);
    memset(expected, 0, sizeof *expected);
}

clconv_status expectation_make(expectation *expected, const case_data *data) {
    const clconv_problem *p = &data->problem;
    size_t output[CLCONV_SPATIAL_AXES];
    clconv_host_tensors tensors = case_data_tensors(data);
    memset(expected, 0, sizeof *expected);
    clconv_status status = clconv_problem_output(output, p);
    if (status)
        return status;
    expected->count = p->batch * p->out_channels * output[0] * output[1] * output[2];
    expected->values = malloc(expected->count * sizeof(double));
    expected->bounds = malloc(expected->count * sizeof(double));
    status = expected->values && expected->bounds
                 ? clconv_reference(expected->values, expected->bounds, p, &tensors)
                 : CLCONV_OUT_OF_MEMORY;
    if (status) {
        expectation_free(expected);
        return status;
    }
    for (size_t i = 0; i < expected->count; ++i)
        expected->nonzero += expected->values[i] != 0;
    return CLCONV_OK;
}

typedef struct comparison {
    judgement *verdict;
    case_result *result;
    const tensor_image *initial;
    const expectation *expected;
    int is_exact;
} comparison;

/* Error as a share of its bound; above 1 is wrong. */
static double share_of(double got, double expected, double bound) {
    double error = fabs(got - expected);
    if (got == expected || (isinf(bound) && !isnan(got)))
        return 0;
    return error <= HUGE_VAL && bound > 0 ? error / bound : INFINITY;
}

static void compare_element(void *context, size_t dense, size_t in_memory) {
    comparison *c = context;
    clconv_type type = c->initial->type;
    size_t offset = (GUARD_ELEMENTS + in_memory) * c->initial->element;
    double got = clconv_element_get(c->result->output + offset, type, 0);
    double expected = c->expected->values[dense], bound = c->expected->bounds[dense];
    if (c->is_exact) {
        double rounded[1];
        clconv_element_set(rounded, type, 0, expected);
        expected = clconv_element_get(rounded, type, 0);
        bound = 0;
    }
    double share = share_of(got, expected, bound);
    c->verdict->wrong += !(share <= 1);
    if (dense == 0 || share > c->verdict->share) {
        c->verdict->share = share;
        c->verdict->worst = dense;
        c->verdict->got = got;
        c->verdict->expected = expected;
        c->verdict->bound = bound;
    }
    memcpy(c->result->output + offset, c->initial->bytes + offset, c->initial->element);
}

clconv_status judge(judgement *verdict, case_result *result, const case_data *data,
                    const expectation *expected) {
    size_t extent[CLCONV_TENSOR_AXES], stride[CLCONV_TENSOR_AXES];
    const tensor_image *initial = &data->images[CLCONV_OUTPUT];
    comparison c = {verdict, result, initial, expected, data->kind == DATA_EXACT};
    memset(verdict, 0, sizeof *verdict);
    clconv_status status = clconv_tensor_shape(extent, stride, &data->problem, CLCONV_OUTPUT);
    if (status)
        return status;
    visit_elements(extent, stride, compare_element, &c);
    verdict->guards_changed = memcmp(result->output, initial->bytes, initial->size) != 0;
    return CLCONV_OK;
}
