/* Each identity sees the fault that it is there for, and holds where there is none. */
#include "cli/identities.h"
#include "support/fake_worker.h"

static report checked(const char *text, const char *algorithm, uint64_t seed) {
    static clconv_problem problem;
    static verify_device device;
    device = fake_device();
    assert_ok(clconv_problem_parse(&problem, text));
    report r = {.problem = &problem, .device = &device, .algorithm = algorithm};
    runs_asked = 0;
    identities_check(&r, seed);
    return r;
}

static double flips_nothing(const clconv_problem *p, const size_t *place, double right) {
    (void)place;
    return p->mode == CLCONV_CONVOLUTION ? right + 1 : right;
}

static double forgets_wide_padding(const clconv_problem *p, const size_t *place, double right) {
    const int is_wide =
        p->pad_begin[CLCONV_H] > 1 || p->pad_begin[CLCONV_W] > 1 || p->pad_begin[CLCONV_D] > 0;
    return is_wide && place[4] + 1 == 4 ? right + 1 : right;
}

static double mixes_groups(const clconv_problem *p, const size_t *place, double right) {
    return p->groups > 1 && place[1] + 1 == p->out_channels ? 2 * right : right;
}

static double saturates(const clconv_problem *p, const size_t *place, double right) {
    (void)p, (void)place;
    return fmin(right, 3);
}

static void test_identities_check_sees_each_fault(void **state) {
    static const struct {
        device_fault *fault;
        const char *identity;
    } rows[] = {{flips_nothing, "flip does not hold"},
                {forgets_wide_padding, "shift does not hold"},
                {mixes_groups, "group split does not hold"},
                {saturates, "linearity does not hold"}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); ++i) {
        int is_seen = 0;
        fault = rows[i].fault;
        /* The seed chooses the axis of the shift and the group that is split. */
        for (uint64_t seed = 0; seed < 6; ++seed) {
            report r = checked("g2_ic8ih7iw6_oc6kh3_ph1", "direct", seed);
            if (r.verdict == VERDICT_PASSED)
                continue;
            assert_int_equal(r.verdict, VERDICT_WRONG);
            if (!strstr(r.reason, rows[i].identity))
                fail_msg("'%s' instead of '%s'", r.reason, rows[i].identity);
            is_seen = 1;
        }
        if (!is_seen)
            fail_msg("nobody saw: %s", rows[i].identity);
    }
}

static double forgets_last_row(const clconv_problem *p, const size_t *place, double right) {
    return p->direction != CLCONV_FORWARD && place[3] + 1 == p->kernel[CLCONV_H] ? right + 1
                                                                                 : right;
}

static void test_identities_check_sees_what_is_not_adjoint(void **state) {
    static const char *const problems[] = {
        "g2_ic8ih7iw6_oc6kh3_ph1_dir=backward_data",
        "ic4ih9_oc3kh3_sh2_ph1_dir=backward_weights_bias_beta=1",
        "ic4ih5_oc3kh3_sh2_ph1_oph1_dir=transposed_bias_act=relu",
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(problems); ++i) {
        int is_seen = 0;
        for (uint64_t seed = 0; seed < 4; ++seed) {
            fault = NULL;
            report r = checked(problems[i], "host", seed);
            if (r.verdict != VERDICT_PASSED)
                fail_msg("%s: %s", problems[i], r.reason);
            assert_int_equal(runs_asked, 2);
            fault = forgets_last_row;
            r = checked(problems[i], "host", seed);
            is_seen |= r.verdict == VERDICT_WRONG && strstr(r.reason, "adjoint does not hold");
        }
        if (!is_seen)
            fail_msg("nobody saw it in %s", problems[i]);
    }
}

static void test_identities_check_without_a_fault(void **state) {
    static const char *const problems[] = {
        "ic1ih1_oc1kh1", "g3_mb2_ic6ih5iw8_oc9kh2kw3_sh2_dh1_bias_act=tanh_layout=nhwc",
        "ic3id4ih5iw6_oc2kd2kh3kw1_pd1ph2_mode=convolution", "ic2ih6_oc3kh3_type=u8_xzp=3"};
    (void)state;
    fault = NULL;
    for (size_t i = 0; i < COUNT_OF(problems); ++i)
        for (uint64_t seed = 0; seed < 3; ++seed) {
            report r = checked(problems[i], "direct", seed);
            if (r.verdict != VERDICT_PASSED)
                fail_msg("%s: %s", problems[i], r.reason);
            assert_true(runs_asked > 3);
        }
}

/* The results of an algorithm that transforms are not exact, so that nothing need hold. */
static void test_identities_check_of_an_algorithm_that_rounds(void **state) {
    (void)state;
    fault = saturates;
    assert_int_equal(checked("ic8ih8_oc8kh3", "winograd_2x2", 1).verdict, VERDICT_PASSED);
    assert_int_equal(runs_asked, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_identities_check_sees_each_fault),
        cmocka_unit_test(test_identities_check_sees_what_is_not_adjoint),
        cmocka_unit_test(test_identities_check_without_a_fault),
        cmocka_unit_test(test_identities_check_of_an_algorithm_that_rounds),
    };
    return run_group(tests);
}
