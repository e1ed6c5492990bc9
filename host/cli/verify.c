#include "verify.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const verdict_names[VERDICTS] = {"passed", "wrong", "failed", "mistrusted",
                                             "unsupported"};

/* A case with the data that it is tried on and what must come out. */
typedef struct trial {
    case_data data[DATA_KINDS];
    expectation expected[DATA_KINDS];
    int is_used[DATA_KINDS];
} trial;

static void trial_free(trial *t) {
    for (int kind = 0; kind < DATA_KINDS; ++kind) {
        case_data_free(&t->data[kind]);
        expectation_free(&t->expected[kind]);
    }
}

static clconv_status trial_make(trial *t, const clconv_problem *problem, uint64_t seed) {
    int is_integer = problem->type == CLCONV_S8 || problem->type == CLCONV_U8;
    clconv_status status = CLCONV_OK;
    memset(t, 0, sizeof *t);
    t->is_used[DATA_EXACT] = is_integer || case_is_exact(problem);
    t->is_used[DATA_REAL] = !is_integer;
    for (int kind = 0; kind < DATA_KINDS && !status; ++kind)
        if (t->is_used[kind] &&
            !(status = case_data_make(&t->data[kind], problem, (data_kind)kind, seed)))
            status = expectation_make(&t->expected[kind], &t->data[kind]);
    if (status)
        trial_free(t);
    return status;
}

/* N C D H W of a dense output index. */
static void format_place(char *text, size_t size, const clconv_problem *p, size_t dense) {
    size_t extent[CLCONV_TENSOR_AXES], stride[CLCONV_TENSOR_AXES], place[CLCONV_TENSOR_AXES];
    if (clconv_tensor_shape(extent, stride, p, CLCONV_OUTPUT))
        return;
    for (int axis = CLCONV_TENSOR_AXES - 1; axis >= 0; --axis) {
        place[axis] = dense % extent[axis];
        dense /= extent[axis];
    }
    snprintf(text, size, "[%zu][%zu][%zu][%zu][%zu]", place[0], place[1], place[2], place[3],
             place[4]);
}

static void give_verdict(report *r, const case_result *result, const expectation *expected) {
    char place[128] = "";
    const judgement *j = &r->judged;
    if (j->wrong) {
        r->verdict = VERDICT_WRONG;
        format_place(place, sizeof place, r->problem, j->worst);
        snprintf(r->reason, sizeof r->reason,
                 "%zu of %zu elements are wrong on %s data; the worst, %s, is %.9g instead of %.9g "
                 "+- %.3g",
                 j->wrong, expected->count, r->kind == DATA_EXACT ? "exact" : "real", place, j->got,
                 j->expected, j->bound);
    } else if (j->guards_changed || result->inputs_changed) {
        r->verdict = VERDICT_WRONG;
        snprintf(r->reason, sizeof r->reason, "it wrote %s",
                 j->guards_changed ? "outside the output tensor" : "into an input tensor");
    } else if (expected->nonzero * 100 < expected->count) {
        r->verdict = VERDICT_MISTRUSTED;
        snprintf(r->reason, sizeof r->reason, "only %zu of %zu reference values are not zero",
                 expected->nonzero, expected->count);
    } else {
        r->verdict = VERDICT_PASSED;
    }
}

static void fail(report *r, const char *doing) {
    r->verdict = VERDICT_FAILED;
    snprintf(r->reason, sizeof r->reason, "%s: %.450s", doing, clconv_last_message());
}

/* Runs and judges one kind of data; the report keeps it if it is worse than what it has. */
static void try_data(report *r, clconv_plan *plan, const case_data *data,
                     const expectation *expected) {
    case_result result;
    report now = *r;
    now.kind = data->kind;
    if (case_run(&result, plan, r->device->device, data)) {
        fail(r, "running");
        return;
    }
    now.seconds = result.seconds;
    if (judge(&now.judged, &result, data, expected))
        fail(&now, "judging");
    else
        give_verdict(&now, &result, expected);
    case_result_free(&result);
    int is_worse = now.verdict != VERDICT_PASSED || now.judged.share >= r->judged.share;
    if (is_worse)
        *r = now;
    r->seconds = now.seconds;
}

/* Judges by the bound of the report's algorithm, which may be larger than that of plain sums. */
static void try_bounded(report *r, clconv_plan *plan, const case_data *data,
                        const expectation *expected) {
    clconv_host_tensors tensors = case_data_tensors(data);
    expectation own = *expected;
    if (clconv_algorithm_is_exact(r->algorithm)) {
        try_data(r, plan, data, expected);
        return;
    }
    own.bounds = malloc(expected->count * sizeof *own.bounds);
    if (!own.bounds) {
        fail(r, "judging");
        return;
    }
    memcpy(own.bounds, expected->bounds, expected->count * sizeof *own.bounds);
    if (clconv_algorithm_bound(own.bounds, &data->problem, &tensors, r->algorithm))
        fail(r, "judging");
    else
        try_data(r, plan, data, &own);
    free(own.bounds);
}

static void try_algorithm(report *r, const trial *t) {
    clconv_plan *plan = NULL;
    clconv_plan_options options = CLCONV_PLAN_OPTIONS_INIT;
    options.algorithm = r->algorithm;
    clconv_status status =
        clconv_algorithm_check(r->reason, NULL, r->device->device, r->problem, r->algorithm);
    if (status == CLCONV_UNSUPPORTED) {
        r->verdict = VERDICT_UNSUPPORTED;
        return;
    }
    if (status || clconv_plan_create(&plan, r->device->device, r->problem, &options)) {
        fail(r, "planning");
        return;
    }
    int sums_are_exact = clconv_algorithm_is_exact(r->algorithm);
    for (int kind = 0; kind < DATA_KINDS && r->verdict == VERDICT_PASSED; ++kind)
        if (t->is_used[kind] && (kind != DATA_EXACT || sums_are_exact))
            try_bounded(r, plan, &t->data[kind], &t->expected[kind]);
    clconv_plan_destroy(plan);
}

/* Whether an algorithm is for this kind of device at all: it runs the simplest problem. */
static int is_for_device(const char *algorithm, const verify_device *d) {
    static const clconv_problem simplest = CLCONV_PROBLEM_INIT;
    return clconv_algorithm_check(NULL, NULL, d->device, &simplest, algorithm) == CLCONV_OK;
}

static void try_everywhere(const clconv_problem *problem, const trial *t,
                           const verify_device *devices, size_t device_count, const char *algorithm,
                           report_function *tell, void *context) {
    for (size_t d = 0; d < device_count; ++d)
        for (size_t a = 0; a < clconv_algorithm_count(); ++a) {
            report r = {
                .problem = problem, .device = &devices[d], .algorithm = clconv_algorithm_name(a)};
            if (algorithm ? strcmp(algorithm, r.algorithm) != 0
                          : !is_for_device(r.algorithm, &devices[d]))
                continue;
            try_algorithm(&r, t);
            tell(context, &r);
        }
}

clconv_status verify_case(const clconv_problem *problem, const verify_device *devices,
                          size_t device_count, const char *algorithm, uint64_t seed,
                          report_function *tell, void *context) {
    trial t;
    clconv_status status = trial_make(&t, problem, seed);
    if (status)
        return status;
    try_everywhere(problem, &t, devices, device_count, algorithm, tell, context);
    trial_free(&t);
    return CLCONV_OK;
}

/* ---- worked results ---- */

/* Zhang, Lipton, Li and Smola, "Dive into Deep Learning", chapter 7. */
static const struct {
    const char *problem;
    double input[18], weights[8], output[8];
} worked[] = {
    {"ic1ih3iw3_oc1oh2ow2_kh2kw2_n\"worked:one channel\"",
     {0, 1, 2, 3, 4, 5, 6, 7, 8},
     {0, 1, 2, 3},
     {19, 25, 37, 43}},
    {"ic1ih3iw3_oc1oh2ow2_kh2kw2_sh3sw2_ph1pw1_n\"worked:padding and strides\"",
     {0, 1, 2, 3, 4, 5, 6, 7, 8},
     {0, 1, 2, 3},
     {0, 8, 6, 8}},
    {"ic2ih3iw3_oc1oh2ow2_kh2kw2_n\"worked:two channels\"",
     {0, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8, 9},
     {0, 1, 2, 3, 1, 2, 3, 4},
     {56, 72, 104, 120}},
    {"ic2ih1iw3_oc2oh1ow3_kh1kw1_n\"worked:1x1 is a fully connected layer\"",
     {1, 2, 3, 4, 5, 6},
     {1, 10, 2, -1},
     {41, 52, 63, -2, -1, 0}},
};

static void put_values(tensor_image *image, const double *values) {
    size_t count = image->size / image->element - 2 * GUARD_ELEMENTS;
    for (size_t i = 0; i < count; ++i)
        clconv_element_set(image_tensor(image), image->type, i, values[i]);
}

clconv_status verify_worked(const verify_device *devices, size_t device_count,
                            const char *algorithm, report_function *tell, void *context) {
    for (size_t i = 0; i < sizeof worked / sizeof worked[0]; ++i) {
        clconv_problem problem;
        trial t = {.is_used = {[DATA_EXACT] = 1}};
        clconv_status status = clconv_problem_parse(&problem, worked[i].problem);
        if (status || (status = case_data_make(&t.data[DATA_EXACT], &problem, DATA_EXACT, 0)))
            return status;
        put_values(&t.data[DATA_EXACT].images[CLCONV_INPUT], worked[i].input);
        put_values(&t.data[DATA_EXACT].images[CLCONV_WEIGHTS], worked[i].weights);
        if (!(status = expectation_make(&t.expected[DATA_EXACT], &t.data[DATA_EXACT]))) {
            /* What the book says, not what the reference says. */
            memcpy(t.expected[DATA_EXACT].values, worked[i].output,
                   t.expected[DATA_EXACT].count * sizeof(double));
            try_everywhere(&problem, &t, devices, device_count, algorithm, tell, context);
        }
        trial_free(&t);
        if (status)
            return status;
    }
    return CLCONV_OK;
}
