#include "self_test.h"

#include "checksum.h"
#include "sampled.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A case whose result is correct until it is corrupted. */
typedef struct patient {
    clconv_problem problem;
    case_data data;
    expected_output expected;
    const tensor_image *image; /* of what is computed, and its shape */
    size_t extent[CLCONV_TENSOR_AXES], stride[CLCONV_TENSOR_AXES];
    unsigned violations;
} patient;

/* ---- elements of the result ---- */

static unsigned char *tensor_of(const patient *p) {
    return p->data.result + GUARD_ELEMENTS * p->image->element;
}

static size_t in_memory(const patient *p, size_t dense) {
    size_t place[CLCONV_TENSOR_AXES];
    place_of(place, p->extent, dense);
    return index_of(place, p->stride);
}

static void put(patient *p, size_t dense, double value) {
    clconv_element_set(tensor_of(p), p->image->type, in_memory(p, dense), value);
}

static size_t plane_of(const patient *p) {
    return p->extent[3] * p->extent[4];
}

/* An element somewhere inside, the same in every run. */
static size_t middle(const patient *p) {
    return p->expected.count / 2 + p->extent[4] / 2;
}

/* ---- corruptions ---- */

static void nothing(patient *p) {
    (void)p;
}

static void one_ulp(patient *p) {
    /* The lowest bit, in whichever byte this machine has it. */
    const uint16_t one = 1;
    size_t size = p->image->element;
    size_t low = *(const unsigned char *)&one ? 0 : size - 1;
    tensor_of(p)[in_memory(p, middle(p)) * size + low] ^= 1;
}

static void one_element(patient *p) {
    size_t i = middle(p);
    double step = p->expected.bounds[i];
    put(p, i, p->expected.values[i] + (p->data.kind == DATA_EXACT ? 1 : 2.01 * step));
}

static void row_shift(patient *p) {
    for (size_t i = 0; i < p->expected.count; ++i)
        put(p, i, p->expected.values[i % plane_of(p) < p->extent[4] ? i : i - p->extent[4]]);
}

static void stale_tile(patient *p) {
    enum { TILE = 4 };
    for (size_t h = 0; h < TILE; ++h)
        for (size_t w = 0; w < TILE; ++w)
            put(p, h * p->extent[4] + TILE + w, p->expected.values[h * p->extent[4] + w]);
}

static void unwritten_element(patient *p) {
    const size_t size = p->image->element;
    poison_fill(tensor_of(p) + in_memory(p, middle(p)) * size, size, POISON_FIRST);
}

static void swapped_channels(patient *p) {
    size_t plane = p->extent[2] * plane_of(p);
    for (size_t i = 0; i < plane; ++i) {
        put(p, i, p->expected.values[plane + i]);
        put(p, plane + i, p->expected.values[i]);
    }
}

/* Without its largest term, as if a reduction had ended one step early. 1x1 kernel, one group. */
static void dropped_term(patient *p) {
    const clconv_host_tensors t = case_data_tensors(&p->data);
    size_t pixels = p->problem.input[1] * p->problem.input[2];
    double largest = 0;
    for (size_t c = 0; c < p->problem.in_channels; ++c) {
        double term = clconv_element_get(t.weights, p->problem.type, c) *
                      clconv_element_get(t.input, p->problem.type, c * pixels);
        largest = fabs(term) > fabs(largest) ? term : largest;
    }
    put(p, 0, p->expected.values[0] - largest);
}

static void guard_before(patient *p) {
    tensor_of(p)[-1] ^= 1;
    p->violations |=
        output_guard_was_written(&p->data, POISON_FIRST, p->data.result) ? VIOLATION_OUTSIDE : 0;
}

/* Between the elements of a view whose rows are two elements too long. */
static void gap_in_view(patient *p) {
    tensor_of(p)[p->extent[4] * p->image->element] ^= 1;
    p->violations |=
        output_guard_was_written(&p->data, POISON_FIRST, p->data.result) ? VIOLATION_OUTSIDE : 0;
}

static void input_write(patient *p) {
    const tensor_image *input = &p->data.images[CLCONV_INPUT];
    unsigned char *after = malloc(input->size);
    if (!after)
        return;
    memcpy(after, input->bytes, input->size);
    after[input->size / 2] ^= 1;
    p->violations |=
        image_was_written(&p->data, CLCONV_INPUT, POISON_FIRST, after) ? VIOLATION_INPUT : 0;
    free(after);
}

static void other_bits(patient *p) {
    size_t first, size = p->image->size;
    unsigned char *again = malloc(size);
    if (!again)
        return;
    memcpy(again, p->data.result, size);
    again[size / 2] ^= 1;
    p->violations |=
        count_differing(&first, &p->data, p->data.result, again) ? VIOLATION_REPEAT : 0;
    free(again);
}

static const struct {
    const char *name;
    const char *problem;
    data_kind kind;
    void (*corrupt)(patient *p);
    verdict expected;
} corruptions[] = {
#define SMALL "ic4ih9iw11_oc6kh3kw3_ph1pw1"
#define VIEW  "ic4ih9iw11_oc6kh3kw3_ph1pw1_ys=702:117:117:13:1"
#define DEEP  "ic8192ih2iw2_oc2kh1kw1"
    {"correct, exact", SMALL, DATA_EXACT, nothing, VERDICT_PASSED},
    {"correct, real", SMALL, DATA_REAL, nothing, VERDICT_PASSED},
    {"correct, f16", SMALL "_type=f16", DATA_REAL, nothing, VERDICT_PASSED},
    {"correct, view", VIEW, DATA_REAL, nothing, VERDICT_PASSED},
    {"correct, 8192 terms", DEEP, DATA_REAL, nothing, VERDICT_PASSED},
    {"one ulp, exact", SMALL, DATA_EXACT, one_ulp, VERDICT_WRONG},
    {"one ulp, s8", SMALL "_type=s8", DATA_EXACT, one_ulp, VERDICT_WRONG},
    {"one element, exact", SMALL, DATA_EXACT, one_element, VERDICT_WRONG},
    {"one element, real", SMALL, DATA_REAL, one_element, VERDICT_WRONG},
    {"one element, f16", SMALL "_type=f16", DATA_REAL, one_element, VERDICT_WRONG},
    {"row shift", SMALL, DATA_REAL, row_shift, VERDICT_WRONG},
    {"stale tile", SMALL, DATA_REAL, stale_tile, VERDICT_WRONG},
    {"unwritten element", SMALL, DATA_REAL, unwritten_element, VERDICT_WRONG},
    {"unwritten element, bf16", SMALL "_type=bf16", DATA_REAL, unwritten_element, VERDICT_WRONG},
    {"swapped channels", SMALL, DATA_REAL, swapped_channels, VERDICT_WRONG},
    {"dropped term of 8192", DEEP, DATA_REAL, dropped_term, VERDICT_SUSPICIOUS},
    {"write before the output", SMALL, DATA_REAL, guard_before, VERDICT_WRONG},
    {"write into a gap", VIEW, DATA_REAL, gap_in_view, VERDICT_WRONG},
    {"write into the input", SMALL, DATA_REAL, input_write, VERDICT_WRONG},
    {"other bits in a second run", SMALL, DATA_REAL, other_bits, VERDICT_WRONG},
};

/* ---- one patient ---- */

static clconv_status admit(patient *p, const char *problem, data_kind kind) {
    clconv_status status;
    memset(p, 0, sizeof *p);
    if ((status = clconv_problem_parse(&p->problem, problem)) ||
        (status =
             clconv_tensor_shape(p->extent, p->stride, &p->problem, case_computed(&p->problem))) ||
        (status = case_data_make(&p->data, &p->problem, kind, 1)) ||
        (status = expectation_make(&p->expected, &p->data)))
        return status;
    p->image = &p->data.images[case_computed(&p->problem)];
    poison_fill(p->data.result, p->data.result_size, POISON_FIRST);
    for (size_t i = 0; i < p->expected.count; ++i)
        put(p, i, p->expected.values[i]);
    return CLCONV_OK;
}

static void discharge(patient *p) {
    case_data_free(&p->data);
    expectation_free(&p->expected);
}

static clconv_status examine(report *r, const patient *p) {
    clconv_status status = judge(&r->judged, &p->data, p->data.result, &p->expected);
    r->problem = &p->problem;
    r->kind = p->data.kind;
    r->violations = p->violations;
    if (!status)
        give_verdict(r, &p->expected);
    return status;
}

static int tell(bool is_brief, int is_right, const char *name, const char *what) {
    if (!is_right || !is_brief)
        printf("%-7s %-34s %s\n", is_right ? "right" : "MISSED", name, what);
    return !is_right;
}

static int try_corruption(size_t row, bool is_brief) {
    patient p;
    report r = {.verdict = VERDICT_FAILED};
    clconv_status status = admit(&p, corruptions[row].problem, corruptions[row].kind);
    if (!status) {
        corruptions[row].corrupt(&p);
        status = examine(&r, &p);
    }
    int missed =
        tell(is_brief, !status && r.verdict == corruptions[row].expected, corruptions[row].name,
             status      ? clconv_last_message()
             : *r.reason ? r.reason
                         : verdict_names[r.verdict]);
    discharge(&p);
    return missed;
}

/* ---- samples and checksums ---- */

/* One element that no sample sees; the checksums must. */
static size_t unsampled(const expected_output *samples, size_t count) {
    for (size_t i = count / 2; i < count; ++i) {
        size_t k = 0;
        while (k < samples->count && samples->places[k] != i)
            ++k;
        if (k == samples->count)
            return i;
    }
    return 0;
}

static const struct {
    const char *direction, *problem;
} sampled[] = {
    {"forward", "ic8ih40iw40_oc8kh3kw3_ph1pw1_sw2"},
    {"backward_data", "ic8ih40iw40_oc8kh3kw3_ph1pw1_sw2_dir=backward_data"},
    {"backward_weights", "ic32ih9iw9_oc16kh5kw5_ph1pw1_sw2_dir=backward_weights"},
    {"transposed", "ic8ih40iw20_oc8kh3kw3_ph1pw1_sw2_dir=transposed"},
};

static int try_checksums(size_t row, bool is_brief) {
    patient p;
    expected_output samples = {0};
    checksum sums = {0};
    judgement seen, corrupted;
    double clean = 1, share = 0;
    size_t worst;
    char name[64];
    int missed = 1;
    clconv_status status;
    if (!(status = admit(&p, sampled[row].problem, DATA_EXACT)) &&
        !(status = expectation_sample(&samples, &p.data, 1, NULL)) &&
        !(status = checksum_make(&sums, &p.data, 1)) &&
        !(status = judge(&seen, &p.data, p.data.result, &samples)) &&
        !(status = checksum_worst(&clean, &worst, &sums, &p.data))) {
        size_t i = unsampled(&samples, p.expected.count);
        put(&p, i, p.expected.values[i] + 1);
        if (!(status = judge(&corrupted, &p.data, p.data.result, &samples)))
            status = checksum_worst(&share, &worst, &sums, &p.data);
        snprintf(name, sizeof name, "correct, sampled, %s", sampled[row].direction);
        missed = tell(is_brief, !status && !seen.wrong && clean == 0, name,
                      "samples and checksums agree with it");
        snprintf(name, sizeof name, "unsampled, %s", sampled[row].direction);
        missed += tell(is_brief, !status && !corrupted.wrong && share > 1, name,
                       "the checksum that it is in differs");
    }
    if (status)
        tell(is_brief, 0, "samples and checksums", clconv_last_message());
    checksum_free(&sums);
    expectation_free(&samples);
    discharge(&p);
    return missed;
}

/* ---- drivers that die ---- */

static int try_sabotage(bool is_brief) {
    static const char *const names[] = {[SABOTAGE_ABORT] = "driver aborts",
                                        [SABOTAGE_EXIT] = "driver exits",
                                        [SABOTAGE_HANG] = "driver hangs"};
    const worker_options options = {.timeout = 1};
    patient p;
    worker *w = NULL;
    worker_device device;
    worker_reply reply;
    char message[MESSAGE_SIZE] = "";
    int missed = 0;
    worker_request request = {.data = &p.data, .algorithm = "host", .runs = 1};
    if (admit(&p, SMALL, DATA_REAL) || worker_open(&w, &device, "host", &options, message))
        missed = tell(is_brief, 0, "driver dies", message);
    for (int kind = SABOTAGE_ABORT; w && kind <= SABOTAGE_HANG; ++kind) {
        request.sabotage = (sabotage_kind)kind;
        worker_run(&reply, w, &request);
        missed += tell(is_brief, reply.died && strstr(reply.message, "driver"), names[kind],
                       reply.message);
        request.sabotage = SABOTAGE_NONE;
        worker_run(&reply, w, &request);
        missed += tell(is_brief, !reply.died && !reply.status, "the next case", "runs again");
    }
    worker_close(w);
    discharge(&p);
    return missed;
}

int self_test(bool is_brief) {
    int missed = 0;
    for (size_t row = 0; row < sizeof corruptions / sizeof corruptions[0]; ++row)
        missed += try_corruption(row, is_brief);
    for (size_t row = 0; row < sizeof sampled / sizeof sampled[0]; ++row)
        missed += try_checksums(row, is_brief);
    missed += try_sabotage(is_brief);
    printf("%s\n", missed ? "self-test failed"
                          : "self-test passed: every corruption was caught, and nothing else");
    return missed;
}
