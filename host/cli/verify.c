#include "verify.h"

#include "checksum.h"
#include "identities.h"
#include "sampled.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const verdict_names[VERDICTS] = {"passed",  "wrong",      "suspicious", "failed",
                                             "crashed", "mistrusted", "unsupported"};

/* Above it, samples and checksums stand in for the whole reference: some ten seconds of it. */
static const double most_reference_flops = 3e10;

/* Up to them, a further run on the second poison and identities are cheap. */
static const double most_poison_flops = 1e8;
static const double most_identity_flops = 2e6;

/* A case with the data that it is tried on and what must come out. */
typedef struct trial {
    case_data data[DATA_KINDS];
    expected_output expected[DATA_KINDS];
    checksum sums[DATA_KINDS]; /* where only samples are expected */
    int is_used[DATA_KINDS];
    unsigned char *baseline; /* owned; the first good result on the last kind of data */
    char baseline_name[80];
} trial;

static void trial_free(trial *t) {
    for (int kind = 0; kind < DATA_KINDS; ++kind) {
        case_data_free(&t->data[kind]);
        expectation_free(&t->expected[kind]);
        checksum_free(&t->sums[kind]);
    }
    free(t->baseline);
}

static int is_sampled(const clconv_problem *problem, const verify_options *o) {
    return o->sampled || (!o->full && clconv_problem_flops(problem) > most_reference_flops);
}

static clconv_status expect(trial *t, data_kind kind, const verify_options *o) {
    clconv_status status;
    if (!is_sampled(&t->data[kind].problem, o))
        return expectation_make(&t->expected[kind], &t->data[kind]);
    if ((status = expectation_sample(&t->expected[kind], &t->data[kind], o->seed, NULL)))
        return status;
    return checksum_make(&t->sums[kind], &t->data[kind], o->seed);
}

static clconv_status trial_make(trial *t, const clconv_problem *problem, const verify_options *o) {
    int is_integer = problem->type == CLCONV_S8 || problem->type == CLCONV_U8;
    clconv_status status = CLCONV_OK;
    memset(t, 0, sizeof *t);
    t->is_used[DATA_EXACT] = is_integer || case_is_exact(problem);
    t->is_used[DATA_REAL] = !is_integer;
    for (int kind = 0; kind < DATA_KINDS && !status; ++kind)
        if (t->is_used[kind] &&
            !(status = case_data_make(&t->data[kind], problem, (data_kind)kind, o->seed)))
            status = expect(t, (data_kind)kind, o);
    if (status)
        trial_free(t);
    return status;
}

/* ---- verdicts ---- */

void format_place(char text[PLACE_SIZE], const clconv_problem *p, size_t dense) {
    size_t extent[CLCONV_TENSOR_AXES], stride[CLCONV_TENSOR_AXES], place[CLCONV_TENSOR_AXES];
    *text = 0;
    if (clconv_tensor_shape(extent, stride, p, case_computed(p)))
        return;
    if (dense >= count_of(extent)) { /* only the gradient of a bias lies behind another tensor */
        snprintf(text, PLACE_SIZE, "bias[%zu]", dense - count_of(extent));
        return;
    }
    place_of(place, extent, dense);
    snprintf(text, PLACE_SIZE, "[%zu][%zu][%zu][%zu][%zu]", place[0], place[1], place[2], place[3],
             place[4]);
}

static void describe_bad(report *r) {
    char place[PLACE_SIZE];
    const judgement *j = &r->judged;
    const double got = isnan(j->got) ? NAN : j->got; /* whatever its sign */
    format_place(place, r->problem, j->worst);
    if (j->wrong)
        snprintf(r->reason, sizeof r->reason,
                 "%zu of %zu elements are wrong on %s data; the worst, %s, is %.9g instead of %.9g "
                 "+- %.3g",
                 j->wrong, j->judged, data_kind_names[r->kind], place, got, j->expected, j->bound);
    else
        snprintf(r->reason, sizeof r->reason,
                 "%zu of %zu elements are inside the proven bound but beyond the alarm on %s data; "
                 "the worst, %s, is %.9g instead of %.9g, off by %.3g times what rounding explains",
                 j->suspicious, j->judged, data_kind_names[r->kind], place, got, j->expected,
                 j->alarm_share);
}

static void describe_violation(report *r) {
    int bit = 0;
    while (!(r->violations >> bit & 1))
        ++bit;
    snprintf(r->reason, sizeof r->reason, "%s", violation_texts[bit]);
}

void give_verdict(report *r, const expected_output *expected) {
    const judgement *j = &r->judged;
    *r->reason = 0;
    if (j->wrong) {
        r->verdict = VERDICT_WRONG;
        describe_bad(r);
    } else if (r->violations) {
        r->verdict = VERDICT_WRONG;
        describe_violation(r);
    } else if (j->suspicious) {
        r->verdict = VERDICT_SUSPICIOUS;
        describe_bad(r);
    } else if (expected->nonzero * 100 < expected->count || !expected->count) {
        r->verdict = VERDICT_MISTRUSTED;
        snprintf(r->reason, sizeof r->reason, "only %zu of %zu reference values are not zero",
                 expected->nonzero, expected->count);
    } else if (j->unbounded == j->judged) {
        r->verdict = VERDICT_MISTRUSTED;
        snprintf(r->reason, sizeof r->reason, "the bounds of all %zu elements are infinite",
                 j->judged);
    } else {
        r->verdict = VERDICT_PASSED;
    }
}

static void fail(report *r, const char *doing, const char *why) {
    r->verdict = VERDICT_FAILED;
    snprintf(r->reason, sizeof r->reason, "%s: %.500s", doing, why);
}

/* ---- one algorithm ---- */

static void take_reply(report *r, const worker_reply *reply) {
    r->violations = reply->result.violations;
    r->seconds = reply->result.seconds;
    if (reply->died) {
        r->verdict = VERDICT_CRASHED;
        snprintf(r->reason, sizeof r->reason, "%s", reply->message);
    } else if (reply->status == CLCONV_UNSUPPORTED) {
        r->verdict = VERDICT_UNSUPPORTED;
        snprintf(r->reason, sizeof r->reason, "%s", reply->message);
    } else {
        fail(r, "running", reply->message);
    }
}

/* What is expected of an algorithm whose error is larger than that of plain sums. */
static clconv_status expect_own(expected_output *own, const report *r, const trial *t,
                                const verify_options *o) {
    const case_data *data = &t->data[r->kind];
    const expected_output *expected = &t->expected[r->kind];
    const clconv_host_tensors tensors = case_data_tensors(data);
    clconv_status status;
    if (expected->places)
        return expectation_sample(own, data, o->seed, r->algorithm);
    if ((status = expectation_allocate(own, expected->count, 0)))
        return status;
    memcpy(own->values, expected->values, expected->count * sizeof *own->values);
    memcpy(own->bounds, expected->bounds, expected->count * sizeof *own->bounds);
    own->nonzero = expected->nonzero;
    return clconv_algorithm_bound(own->bounds, r->problem, &tensors, r->algorithm);
}

static void judge_against(report *r, const case_data *data, const expected_output *expected) {
    if (judge(&r->judged, data, data->result, expected)) {
        fail(r, "judging", clconv_last_message());
        return;
    }
    give_verdict(r, expected);
    if (r->judged.wrong || r->judged.suspicious)
        r->has_view = !look_around(&r->view, data, data->result, expected, r->judged.first);
}

static void judge_result(report *r, const trial *t, const verify_options *o) {
    const case_data *data = &t->data[r->kind];
    const expected_output *expected = &t->expected[r->kind];
    expected_output own = {0};
    if (clconv_algorithm_is_exact(r->algorithm)) {
        judge_against(r, data, expected);
        if (expected->places)
            checksum_judge(r, &t->sums[r->kind], data);
        return;
    }
    if (expect_own(&own, r, t, o)) {
        fail(r, "judging", clconv_last_message());
    } else {
        own.has_no_alarm = 1; /* its scale is that of plain sums */
        judge_against(r, data, &own);
        if (own.places)
            snprintf(r->method, sizeof r->method,
                     "%zu samples; no checksums, the algorithm transforms", own.count);
    }
    expectation_free(&own);
}

/*
 * How often a kind of data is run. The last kind is repeated; in cheap cases its results must be
 * the same on both poisons, and in others each kind has a poison of its own.
 */
static worker_request make_request(const report *r, const trial *t, data_kind kind,
                                   const verify_options *o) {
    const int is_last = kind == DATA_KINDS - 1 || !t->is_used[kind + 1];
    const int is_cheap = clconv_problem_flops(r->problem) <= most_poison_flops;
    const int has_own = kind > 0 && t->is_used[kind - 1] && o->repeat == 1;
    worker_request request = {.data = &t->data[kind], .algorithm = r->algorithm, .runs = 1};
    if (is_last && (is_cheap || !has_own))
        request.runs = o->repeat;
    else if (is_last)
        request.runs = 0;
    request.runs_on_other_poison = is_last && (is_cheap || !request.runs);
    return request;
}

/* Runs and judges one kind of data; the report keeps it if it is worse than what it has. */
static void try_data(report *r, const trial *t, data_kind kind, const verify_options *o) {
    const worker_request request = make_request(r, t, kind, o);
    worker_reply reply;
    report this = *r;
    this.kind = kind;
    worker_run(&reply, r->device->worker, &request);
    if (reply.died || reply.status) {
        take_reply(&this, &reply);
        *r = this;
        return;
    }
    this.violations = reply.result.violations;
    this.seconds = reply.result.seconds;
    judge_result(&this, t, o);
    if (this.verdict != VERDICT_PASSED || this.judged.share >= r->judged.share)
        *r = this;
    r->seconds = this.seconds;
}

static void compare_to_baseline(report *r, trial *t, data_kind kind) {
    const case_data *data = &t->data[kind];
    if (!t->baseline && (t->baseline = malloc(data->result_size))) {
        memcpy(t->baseline, data->result, data->result_size);
        snprintf(t->baseline_name, sizeof t->baseline_name, "%s %s", r->device->facts.info.selector,
                 r->algorithm);
    }
    if (!t->baseline)
        return;
    size_t first;
    r->differs_from = t->baseline_name;
    r->differing = count_differing(&first, data, t->baseline, data->result);
    r->differing_ulps = largest_ulp_distance(data, t->baseline, data->result);
}

static void try_algorithm(report *r, trial *t, const verify_options *o) {
    int last = -1, sums_are_exact = clconv_algorithm_is_exact(r->algorithm);
    snprintf(r->method, sizeof r->method, "whole");
    for (int kind = 0; kind < DATA_KINDS && r->verdict == VERDICT_PASSED; ++kind)
        if (t->is_used[kind] && (kind != DATA_EXACT || sums_are_exact))
            try_data(r, t, (data_kind)(last = kind), o);
    if (last < 0) {
        /* Whatever else holds of it, nothing was run, so nothing has passed. */
        r->verdict = VERDICT_UNSUPPORTED;
        snprintf(r->reason, sizeof r->reason,
                 "the case has exact data alone, and the algorithm rounds them");
        return;
    }
    if (o->compare && r->seconds > 0 && !is_bad(r->verdict))
        compare_to_baseline(r, t, (data_kind)last);
    if (r->verdict == VERDICT_PASSED &&
        (o->identities || clconv_problem_flops(r->problem) <= most_identity_flops))
        identities_check(r, o->seed);
}

/* The algorithm that was asked for, or those that are made for the device and the direction. */
static bool is_tried(size_t algorithm, const clconv_problem *problem, const verify_device *device,
                     const verify_options *o) {
    const char *name = clconv_algorithm_name(algorithm);
    return o->algorithm ? strcmp(o->algorithm, name) == 0
                        : device->facts.algorithms >> algorithm & 1 &&
                              clconv_algorithm_computes(name, problem->direction);
}

static void try_everywhere(const clconv_problem *problem, trial *t, const verify_device *devices,
                           size_t device_count, const verify_options *o, report_function *tell,
                           void *context) {
    for (size_t d = 0; d < device_count; ++d)
        for (size_t a = 0; a < clconv_algorithm_count(); ++a) {
            report r = {
                .problem = problem, .device = &devices[d], .algorithm = clconv_algorithm_name(a)};
            if (!is_tried(a, problem, &devices[d], o))
                continue;
            try_algorithm(&r, t, o);
            tell(context, &r);
        }
}

/* ---- cases ---- */

/* The images, and with them in the worker the copies and the device's buffers. */
static double bytes_needed(const clconv_problem *problem, const verify_options *o) {
    size_t extent[CLCONV_TENSOR_AXES], stride[CLCONV_TENSOR_AXES];
    double bytes = 3.0 * (double)case_data_size(problem);
    if (!is_sampled(problem, o) &&
        !clconv_tensor_shape(extent, stride, problem, case_computed(problem)))
        bytes += 2 * sizeof(double) * (double)count_of(extent);
    return bytes;
}

/* Why a case is left out; "" if it is not. */
static void format_excess(char reason[MESSAGE_SIZE], const clconv_problem *problem,
                          const verify_options *o) {
    const double bytes = bytes_needed(problem, o), flops = clconv_problem_flops(problem);
    *reason = 0;
    if (bytes > o->memory_limit)
        snprintf(reason, MESSAGE_SIZE,
                 "the case needs %.1f GiB, and %.1f GiB are allowed (--memory)", bytes / 0x1p30,
                 o->memory_limit / 0x1p30);
    else if (flops > o->work_limit)
        snprintf(reason, MESSAGE_SIZE, "the case has %.3g GFLOP, and %.3g are allowed (--work)",
                 flops / 1e9, o->work_limit / 1e9);
}

static void refuse_everywhere(const clconv_problem *problem, const verify_device *devices,
                              size_t device_count, const verify_options *o, const char *reason,
                              report_function *tell, void *context) {
    for (size_t d = 0; d < device_count; ++d)
        for (size_t a = 0; a < clconv_algorithm_count(); ++a) {
            report r = {.problem = problem,
                        .device = &devices[d],
                        .algorithm = clconv_algorithm_name(a),
                        .verdict = VERDICT_UNSUPPORTED};
            if (!is_tried(a, problem, &devices[d], o))
                continue;
            snprintf(r.reason, sizeof r.reason, "%s", reason);
            tell(context, &r);
        }
}

clconv_status verify_case(const clconv_problem *problem, const verify_device *devices,
                          size_t device_count, const verify_options *o, report_function *tell,
                          void *context) {
    trial t;
    char reason[MESSAGE_SIZE];
    format_excess(reason, problem, o);
    if (*reason) {
        refuse_everywhere(problem, devices, device_count, o, reason, tell, context);
        return CLCONV_OK;
    }
    clconv_status status = trial_make(&t, problem, o);
    if (status)
        return status;
    try_everywhere(problem, &t, devices, device_count, o, tell, context);
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

static void put_values(const tensor_image *image, const double *values) {
    size_t count = image->size / image->element - 2 * GUARD_ELEMENTS;
    for (size_t i = 0; i < count; ++i)
        clconv_element_set(image_tensor(image), image->type, i, values[i]);
}

clconv_status verify_worked(const verify_device *devices, size_t device_count,
                            const verify_options *o, report_function *tell, void *context) {
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
            try_everywhere(&problem, &t, devices, device_count, o, tell, context);
        }
        trial_free(&t);
        if (status)
            return status;
    }
    return CLCONV_OK;
}
