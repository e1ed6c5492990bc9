/* Verdicts on cases whose results are known. */
#include "cli/verify.h"
#include "support/fake_worker.h"

typedef struct tally {
    size_t verdicts[VERDICTS], count;
    report last;
} tally;

static void count_report(void *context, const report *r) {
    tally *t = context;
    ++t->verdicts[r->verdict];
    ++t->count;
    t->last = *r;
}

static const verify_options usual = {
    .seed = 1, .repeat = 1, .memory_limit = 1e9, .work_limit = 1e9};

static tally worked(const char *algorithm, device_fault *device) {
    const verify_device devices[] = {fake_device()};
    verify_options options = usual;
    tally t = {0};
    options.algorithm = algorithm;
    fault = device;
    assert_ok(verify_worked(devices, 1, &options, count_report, &t));
    return t;
}

static tally tried(const char *text, const verify_options *options, device_fault *device) {
    const verify_device devices[] = {fake_device()};
    clconv_problem problem;
    tally t = {0};
    assert_ok(clconv_problem_parse(&problem, text));
    fault = device;
    assert_ok(verify_case(&problem, devices, 1, options, count_report, &t));
    return t;
}

static double first_is_off(const clconv_problem *p, const size_t *place, double right) {
    (void)p;
    return place[1] + place[2] + place[3] + place[4] == 0 ? right + 1 : right;
}

static double all_zero(const clconv_problem *p, const size_t *place, double right) {
    (void)p, (void)place, (void)right;
    return 0;
}

static void test_verify_worked_by_an_exact_algorithm(void **state) {
    (void)state;
    tally t = worked("direct", NULL);
    assert_true(t.count >= 4);
    assert_int_equal(t.verdicts[VERDICT_PASSED], t.count);
    t = worked("direct", first_is_off);
    assert_int_equal(t.verdicts[VERDICT_WRONG], t.count);
}

/* Nothing was run, so nothing may be called passed. */
static void test_verify_worked_by_an_algorithm_that_rounds(void **state) {
    (void)state;
    runs_asked = 0;
    tally t = worked("winograd_2x2", NULL);
    assert_int_equal(runs_asked, 0);
    assert_int_equal(t.verdicts[VERDICT_UNSUPPORTED], t.count);
    assert_non_null(strstr(t.last.reason, "exact"));
}

/* Made for the device, as all are here, and for the direction. */
static size_t forward_algorithms(void) {
    size_t count = 0;
    for (size_t a = 0; a < clconv_algorithm_count(); ++a)
        count += (size_t)clconv_algorithm_computes(clconv_algorithm_name(a), CLCONV_FORWARD);
    return count;
}

static void test_verify_case_asks_every_algorithm_of_its_direction(void **state) {
    (void)state;
    tally t = tried("ic3ih8_oc4kh3_ph1", &usual, NULL);
    assert_int_equal(t.count, forward_algorithms());
    assert_int_equal(t.verdicts[VERDICT_PASSED], t.count);
}

static void test_verify_case_that_is_wrong(void **state) {
    verify_options options = usual;
    (void)state;
    options.algorithm = "direct";
    tally t = tried("ic3ih8_oc4kh3_ph1", &options, first_is_off);
    assert_int_equal(t.verdicts[VERDICT_WRONG], 1);
    assert_non_null(strstr(t.last.reason, "1 of 256 elements are wrong"));
    assert_true(t.last.has_view);
    options.sampled = true;
    t = tried("ic3ih64_oc4kh3_ph1", &options, first_is_off);
    assert_int_equal(t.verdicts[VERDICT_WRONG], 1);
}

/* The weights and the bias of one output channel. */
static double last_channel_is_off(const clconv_problem *p, const size_t *place, double right) {
    const size_t channels = p->direction == CLCONV_BACKWARD_DATA ? p->in_channels : p->out_channels;
    const size_t axis = p->direction == CLCONV_BACKWARD_WEIGHTS ? 0 : 1;
    return place[axis] + 1 == channels && place[3] + place[4] == 0 ? right + 1 : right;
}

static void test_verify_case_that_is_sampled(void **state) {
    static const struct {
        const char *text, *method;
    } rows[] = {{"mb2_ic8ih20_oc33kh3", "66 checksums"},
                {"mb2_ic33ih20_oc8kh3_dir=backward_data", "66 checksums"},
                {"mb2_ic8ih20_oc33kh3_dir=backward_weights_bias", "33 checksums"},
                {"mb2_ic8ih20_oc33kh3_dir=transposed", "66 checksums"}};
    verify_options options = usual;
    (void)state;
    options.algorithm = "host";
    options.sampled = true;
    for (size_t i = 0; i < COUNT_OF(rows); ++i) {
        tally t = tried(rows[i].text, &options, NULL);
        assert_int_equal(t.verdicts[VERDICT_PASSED], 1);
        if (!strstr(t.last.method, rows[i].method))
            fail_msg("%s is judged by %s", rows[i].text, t.last.method);
        t = tried(rows[i].text, &options, last_channel_is_off);
        assert_int_equal(t.verdicts[VERDICT_WRONG], 1);
    }
}

/* Where everything is clamped to zero, an output of zeros is right and proves nothing. */
static void test_verify_case_that_proves_nothing(void **state) {
    verify_options options = usual;
    (void)state;
    options.algorithm = "direct";
    tally t = tried("ic3ih8_oc4kh3_act=clamp:0:0", &options, all_zero);
    assert_int_equal(t.verdicts[VERDICT_MISTRUSTED], 1);
    /* Everything overflows, and no bound says how far it may be off. */
    t = tried("ic3ih8_oc4kh3_type=f16_alpha=1e9", &options, NULL);
    assert_int_equal(t.verdicts[VERDICT_MISTRUSTED], 1);
    assert_non_null(strstr(t.last.reason, "all 144 elements are infinite"));
}

static void check_left_out(const verify_options *options, const char *why) {
    runs_asked = 0;
    tally t = tried("ic3ih8_oc4kh3", options, NULL);
    assert_int_equal(runs_asked, 0);
    assert_int_equal(t.verdicts[VERDICT_UNSUPPORTED], forward_algorithms());
    assert_non_null(strstr(t.last.reason, why));
}

static void test_verify_case_beyond_a_limit(void **state) {
    verify_options options = usual;
    (void)state;
    options.memory_limit = 1000;
    check_left_out(&options, "--memory");
    options = usual;
    options.work_limit = 1000;
    check_left_out(&options, "--work");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verify_worked_by_an_exact_algorithm),
        cmocka_unit_test(test_verify_worked_by_an_algorithm_that_rounds),
        cmocka_unit_test(test_verify_case_asks_every_algorithm_of_its_direction),
        cmocka_unit_test(test_verify_case_that_is_wrong),
        cmocka_unit_test(test_verify_case_that_is_sampled),
        cmocka_unit_test(test_verify_case_that_proves_nothing),
        cmocka_unit_test(test_verify_case_beyond_a_limit),
    };
    return run_group(tests);
}
