/* also: no-device */
/* The table of algorithms: every row, on every device, on cases where tiles and borders go wrong.
 */
#include "support/generator.h"
#include "support/run.h"

/* ---- cases ---- */

static const char *const cases[] = {
    /* tiles and one more or less, in channels and pixels */
    "ic15ih15iw15_oc15kh3kw3_ph1pw1",
    "ic16ih16iw16_oc16kh3kw3_ph1pw1",
    "ic17ih17iw17_oc17kh3kw3_ph1pw1",
    "ic1ih17iw15_oc17kh3kw3_ph1pw1",
    "ic33ih9iw31_oc31kh1kw1",
    "ic64ih7iw7_oc65kh3kw3_ph1pw1_bias_act=relu",
    "ic3ih33iw33_oc16kh7kw7_sh2sw2_ph3pw3_bias_act=relu",
    /* one pixel */
    "ic1ih1iw1_oc1kh1kw1",
    "ic19ih1iw1_oc23kh1kw1_bias",
    "ic5ih1iw1_oc7kh3kw3_ph1pw1",
    "ic4ih7iw5_oc3kh7kw5",
    /* padding of the kernel's size and more, and uneven */
    "ic3ih2iw3_oc4kh3kw3_ph3pw4",
    "ic2ih5iw5_oc3kh2kw2_ph6pw5rh4rw7",
    "ic2ih6iw9_oc3kh3kw4_ph2pw0rh0rw3",
    "ic2ih6iw9_oc3kh3kw4_ph0pw3rh2rw1_sh2sw3",
    "ic2ih4iw4_oc3kh1kw1_ph2pw1",
    /* stride beyond the kernel, strides and dilations that differ */
    "ic3ih17iw16_oc5kh2kw2_sh5sw3",
    "ic3ih13iw16_oc5kh1kw1_sh2sw3_bias",
    "ic3ih17iw16_oc5kh3kw3_sh1sw2_ph1pw1",
    "ic3ih17iw16_oc5kh3kw3_sh2sw1_dh0dw2_ph1pw2",
    "ic3ih17iw16_oc5kh3kw2_dh2dw0_ph2pw1",
    "ic3ih31iw29_oc5kh5kw3_sh2sw3_dh1dw2_ph4pw3rh1rw5",
    /* kernels of one row or column */
    "ic6ih9iw17_oc7kh1kw5_ph0pw2",
    "ic6ih17iw9_oc7kh5kw1_ph2pw0",
    /* groups, depthwise, channel multiplier */
    "g2_ic6ih9iw8_oc10kh3kw3_ph1pw1_bias",
    "g3_ic51ih6iw7_oc45kh3kw3_ph1pw1",
    "g16_ic16ih15iw17_oc16kh3kw3_ph1pw1",
    "g5_ic5ih9iw9_oc15kh3kw3_sh2sw2_ph1pw1_bias_act=relu",
    "g3_ic3ih9iw8_oc3kh3kw3_sh2sw1_ph1pw1",
    "g4_mb2_ic4ih6iw7_oc4kh5kw5_ph2pw2_layout=nhwc_type=f16",
    "g3_ic3id2ih5iw6_oc6kd1kh3kw3_sd2sh1sw1_pd1ph1pw1",
    /* one tap, where the input could be taken as a matrix if it lay right */
    "ic6ih5iw4_oc5kh1kw1_ph0pw0rh0rw2",
    "ic6ih5iw4_oc5kh1kw1_ph0pw0rh1rw0",
    "ic1ih5iw4_oc5kh1kw1_ph0pw0rh0rw2",
    "g2_ic2ih5iw4_oc4kh1kw1_ph0pw0rh1rw0",
    "ic6ih5iw4_oc5kh1kw1_xs=180:30:30:6:1",
    "ic6ih5iw4_oc5kh1kw1_xs=240:40:40:8:2",
    "ic6ih5iw4_oc5kh1kw1_xs=120:20:20:1:5",
    "ic6id3ih2iw4_oc5kh1kw1_xs=240:40:10:4:1",
    "mb2_g2_ic6ih5iw4_oc8kh1kw1_bias",
    "mb2_g2_ic6ih5iw4_oc8kh1kw1_layout=nhwc",
    "g2_ic6ih5iw4_oc4kh1kw1_xs=999:40:1:4:1_ys=999:50:1:4:1",
    "g2_mb2_ic6id3ih9iw17_oc22kh1_sd2sh2sw2_bias_act=relu",
    "ic17ih9iw8_oc15kh1_sh2sw1_type=f16_bias",
    "ic3ih5iw5_oc4kh1_sh3sw3_ph1pw1rh0rw0",
    /* several pictures */
    "mb2_ic5ih9iw9_oc6kh3kw3_ph1pw1_bias_act=relu",
    "mb3_g2_ic4ih7iw6_oc6kh2kw3_sh2sw1_bias",
    /* one and three dimensions */
    "ic4iw33_oc5kw5_pw2_sw2",
    "mb2_ic3iw17_oc4kw3_dw3_pw1rw4",
    "ic2id5ih6iw7_oc3kd2kh3kw2_sd2sh1sw2_pd1ph0pw1rd0rh2rw2_dd1dh0dw1",
    "mb2_g2_ic4id3ih4iw4_oc6kd3kh1kw3_pd1ph0pw1_bias",
    /* whole tiles of neighbouring pixels, and channels that fill no vector */
    "ic5ih7iw14_oc70kh1_bias_alpha=0.5",
    "ic3ih8iw28_oc13kh3_ph1_act=relu",
    /* flipped kernels, layouts, views */
    "ic3ih9iw8_oc4kh3kw2_mode=convolution",
    "ic3id4ih5iw6_oc4kd2kh3kw2_pd1ph1pw0_mode=convolution",
    "ic7ih9iw8_oc5kh3kw3_ph1pw1_layout=nhwc",
    "ic7ih9iw8_oc5kh3kw3_ph1pw1_weights=ohwi",
    "g2_mb2_ic6ih9iw8_oc4kh3kw3_ph1pw1_layout=nhwc_weights=ohwi_bias_act=relu",
    "ic3ih6iw5_oc4kh3kw3_xs=300:90:90:12:2_ys=500:1:1:50:7",
    "mb2_ic3ih6iw5_oc4kh3kw3_ph1pw1_residual_ys=1:2:8:50:9",
    /* short rows with gaps between them, and without */
    "mb2_g3_ic3ih9iw7_oc3kh3_ph1pw1_ys=600:100:100:9:1",
    "g3_ic3ih9iw7_oc6kh3_ph1pw1_xs=300:100:100:8:1_bias_act=relu",
    "g2_mb2_ic2ih11iw3_oc2kh3_ph1pw1",
    /* rows interleave: pixel 13 lies 13 behind pixel 0, and pixel 6 lies 6 behind */
    "ic1ih2iw8_oc1oh2ow9_kh1kw3_ph0pw3_ys=27:81:27:1:3",
    "ic1ih2iw5_oc20kh1_ys=1000:26:26:1:5",
    /* epilogues */
    "ic5ih9iw8_oc4kh3kw3_residual_alpha=0.5_beta=-1.25_bias",
    "ic5ih9iw8_oc4kh3kw3_bias_act=clamp:-0.5:1.5",
    "ic5ih9iw8_oc4kh3kw3_bias_act=leaky_relu:0.125",
    "ic5ih9iw8_oc4kh3kw3_bias_act=sigmoid",
    "ic5ih9iw8_oc4kh3kw3_bias_act=tanh",
    "ic5ih9iw8_oc4kh3kw3_bias_act=silu",
    "ic5ih9iw8_oc4kh3kw3_bias_act=gelu",
    "ic5ih9iw8_oc4kh3kw3_bias_act=hard_swish",
    "ic5ih9iw8_oc4kh3kw3_beta=1_act=relu",
    /* types */
    "ic17ih9iw8_oc15kh3kw3_ph1pw1_type=f64_bias_act=relu",
    "ic5ih9iw8_oc4kh3kw3_type=f64_bias_act=gelu",
    "ic17ih9iw8_oc15kh3kw3_ph1pw1_type=f16_bias_act=relu",
    "ic17ih9iw8_oc15kh3kw3_ph1pw1_type=bf16_bias_act=relu",
    "ic17ih9iw8_oc15kh3kw3_ph1pw1_type=f16_alpha=1.015625", /* integers become ties */
    "ic17ih9iw8_oc15kh3kw3_ph1pw1_type=bf16_alpha=1.0625",
    "ic17ih9iw8_oc15kh3kw3_ph1pw1_type=s8_xzp=-3_wzp=5_bias",
    "ic17ih9iw8_oc15kh3kw3_ph1pw1_type=u8_xzp=131_wzp=-128",
    "g3_mb2_ic6ih9iw8_oc9kh3kw2_ph1pw2rh0_sh2sw1_type=u8_xzp=7_layout=nhwc_bias",
    /* the gradient of the input: strides with and without common divisors of the dilations */
    "ic15ih17iw16_oc17kh3kw3_ph1pw1_dir=backward_data",
    "ic16ih9iw8_oc33kh1kw1_dir=backward_data",
    "ic4ih17iw16_oc5kh3kw3_sh2sw2_ph1pw1_dir=backward_data",
    "ic3ih17iw16_oc5kh2kw2_sh5sw3_dir=backward_data",
    "ic3ih20iw29_oc5kh4kw3_sh4sw6_dh1dw3_ph2pw5rh0rw1_dir=backward_data",
    "ic3ih13iw16_oc5kh3kw4_sh2sw3_dh3dw1_ph7pw0_dir=backward_data_mode=convolution",
    "ic2ih5iw5_oc3kh2kw2_ph6pw5rh4rw7_dir=backward_data",
    "g2_mb2_ic6ih9iw8_oc10kh3kw3_ph1pw1_dir=backward_data_alpha=0.5_beta=1",
    "g5_ic5ih9iw9_oc15kh3kw3_sh2sw2_ph1pw1_dir=backward_data",
    "ic2id5ih6iw7_oc3kd2kh3kw2_sd2sh1sw2_pd1ph0pw1rd0rh2rw2_dd1dh0dw1_dir=backward_data",
    "mb2_ic3iw17_oc4kw3_sw2_dw3_pw1rw4_dir=backward_data",
    "ic7ih9iw8_oc5kh3kw3_ph1pw1_layout=nhwc_weights=ohwi_dir=backward_data_beta=1",
    "ic3ih6iw5_oc4kh3kw3_xs=300:90:90:12:2_ys=500:1:1:50:7_dir=backward_data",
    "ic17ih9iw8_oc15kh3kw3_ph1pw1_type=f64_dir=backward_data",
    "g2_ic34ih17iw19_oc66kh3kw3_ph0pw2rh1rw0_dir=backward_data_alpha=-0.5_beta=1",
    "ic3ih9iw7_oc4kh3kw3_ph9pw12rh10rw9_dir=backward_data", /* some inputs meet no output */
    "ic9ih13iw12_oc8kh2kw2_sh4sw4_ph1pw3_dir=backward_data_beta=1",
    "ic17ih9iw8_oc15kh3kw3_ph1pw1_type=f16_dir=backward_data",
    "ic17ih9iw8_oc15kh3kw3_ph1pw1_sh2_type=bf16_dir=backward_data",
    /* filters that lie side by side: some fill vectors, others do not */
    "ic49ih14iw14_oc40kh3kw3_ph1pw1_dir=backward_data",
    "ic64ih14iw14_oc20kh5kw5_ph2pw2_dir=backward_data_mode=convolution",
    "ic64ih14iw14_oc40kh1kw1_dir=backward_data", /* and need not be packed */
    "ic64ih28iw28_oc40kh3kw3_sh2sw2_ph1pw1_weights=ohwi_dir=backward_data",
    /* every other column, over several vectors, with what is cropped or beyond the source */
    "g3_mb2_ic12ih9iw141_oc6kh3kw4_sh3sw2_ph0pw4_dir=backward_data_mode=convolution",
    "ic5ih40iw33_oc2kh3kw3_sh1sw2_ph2pw0_dir=backward_data_beta=1",
    /* transposed convolution */
    "ic5ih7iw6_oc4kh3kw3_dir=transposed_bias_act=relu",
    "g3_mb2_ic9ih5iw7_oc6kh3kw2_sh2sw3_ph1pw0_dh0dw1_dir=transposed_bias_mode=convolution",
    "mb2_ic5ih7iw6_oc4kh3kw3_ph2pw1_dir=transposed_bias_residual_mode=convolution",
    "ic5ih4iw3_oc4kh2kw1_sh3sw3_dir=transposed_bias_residual_act=tanh_beta=0.5",
    "ic5ih7iw6_oc4kh3kw3_sh2sw3_ph1pw2rh0rw1_oph1opw2_dir=transposed",
    "g2_mb2_ic6ih4iw5_oc4kh2kw3_sh3sw2_dh1dw0_dir=transposed_bias_residual_beta=-0.5",
    "ic3id2ih3iw4_oc2kd2kh3kw2_sd3sh1sw2_pd0ph1pw0_dir=transposed_mode=convolution",
    "ic3ih4iw5_oc2kh2kw2_sh4sw3_dir=transposed_weights=ohwi_layout=nhwc",
    "ic3ih4iw5_oc2kh3kw2_sh2sw3_ph1pw1_dir=transposed_type=u8_xzp=131_wzp=-7_bias",
    "ic4iw9_oc3kw5_sw3_pw4rw2_dir=transposed_type=f16_act=leaky_relu:0.125",
    /* the gradients of weights and bias */
    "ic15ih9iw8_oc17kh3kw3_ph1pw1_dir=backward_weights",
    "ic3ih17iw16_oc5kh2kw2_sh5sw3_dir=backward_weights_bias",
    "mb3_ic4ih13iw16_oc5kh3kw4_sh2sw3_dh3dw1_ph7pw0_dir=backward_weights_mode=convolution",
    "mb2_ic2ih5iw5_oc3kh2kw2_ph6pw5rh4rw7_dir=backward_weights_bias_beta=1",
    "mb2_g3_ic6ih9iw8_oc9kh3kw3_ph1pw1_dir=backward_weights_bias_alpha=0.5_beta=-1.25",
    "g16_ic16ih15iw17_oc32kh3kw3_ph1pw1_dir=backward_weights",
    "mb2_ic2id5ih6iw7_oc3kd2kh3kw2_sd2sh1sw2_pd1ph0pw1rd0rh2rw2_dir=backward_weights_bias",
    "mb2_ic3iw17_oc4kw3_dw3_pw1rw4_dir=backward_weights",
    "mb2_ic7ih9iw8_oc5kh3kw3_ph1pw1_layout=nhwc_weights=ohwi_dir=backward_weights_bias",
    "mb2_ic3ih6iw5_oc4kh3kw3_ph1pw1_xs=1:2:80:12:6_ys=1:2:8:50:9_dir=backward_weights",
    "mb2_ic5ih9iw8_oc6kh3kw3_ph1pw1_type=f64_dir=backward_weights_bias",
    "mb2_ic5ih9iw8_oc6kh3kw3_ph1pw1_type=f16_dir=backward_weights_bias_beta=1",
    "mb2_ic5ih9iw8_oc6kh3kw3_ph1pw1_type=bf16_dir=backward_weights_bias",
    "mb2_ic19ih1iw1_oc23kh1kw1_dir=backward_weights_bias",
    "mb9_ic5ih17iw19_oc50kh3kw3_ph1pw1_dir=backward_weights_bias_beta=1", /* several parts */
    "mb2_g3_ic9ih12iw70_oc51kh2kw5_sh1sw2_pw3_dir=backward_weights_bias",
    "ic40ih9iw8_oc50kh3kw3_ph1pw1_dir=backward_weights", /* one part */
    "mb3_ic9ih33iw31_oc34kh1kw1_dir=backward_weights",   /* parts that begin within a picture */
    "g3_ic3ih37iw35_oc6kh4kw3_sh2sw2_dh1dw0_ph3pw2_dir=backward_weights_bias", /* several bands */
    "mb2_g2_ic4ih19iw33_oc4kh3kw3_ph1pw1_xs=3000:750:700:35:1_ys=2800:700:690:36:1_"
    "dir=backward_weights_weights=ohwi",
};

typedef struct sweep {
    size_t runs_of[64]; /* per algorithm */
    size_t wrong;
} sweep;

static bool can_run(clconv_device *device, const clconv_problem *problem, const char *algorithm) {
    char refusal[CLCONV_REFUSAL_SIZE];
    clconv_status status = clconv_algorithm_check(refusal, NULL, device, problem, algorithm);
    if (status != CLCONV_UNSUPPORTED)
        assert_ok(status);
    return status == CLCONV_OK;
}

/* Runs a case with every algorithm of a device that takes it, and at least one must. */
static void sweep_device(sweep *s, size_t device, const clconv_problem *problem,
                         const tensor_set *set, const expectation *expected, bool exact) {
    const clconv_device_info *info = &devices()->infos[device];
    size_t takers = 0;
    for (size_t i = 0; i < clconv_algorithm_count(); ++i) {
        const char *algorithm = clconv_algorithm_name(i);
        if (!can_run(devices()->devices[device], problem, algorithm))
            continue;
        ++takers;
        if (!is_tried(devices()->devices[device], problem, algorithm))
            continue;
        ++s->runs_of[i];
        /* What plans of the device take is compiled as for users. */
        use_optimizer(clconv_algorithm_is_for(devices()->devices[device], algorithm));
        s->wrong += !algorithm_is_right(devices()->devices[device], info, problem, algorithm, set,
                                        expected, exact);
    }
    if (takers == 0 && (problem->type != CLCONV_F64 || info->f64_probed)) {
        print_error("device %s: no algorithm takes the case\n", info->selector);
        ++s->wrong;
    }
}

static void sweep_case(sweep *s, const char *text, filling fill, uint64_t *random) {
    clconv_problem problem = CLCONV_PROBLEM_INIT;
    tensor_set set;
    size_t wrong_before = s->wrong;
    if (clconv_problem_parse(&problem, text))
        fail_msg("%s: %s", text, clconv_last_message());
    make_tensors(&set, &problem, random, fill);
    expectation expected = make_expectation(&problem, &set);
    bool exact =
        is_integer_type(problem.type) || (fill == SMALL_INTEGERS && is_exact_on_integers(&problem));
    for (size_t device = 0; device < devices()->count; ++device)
        sweep_device(s, device, &problem, &set, &expected, exact);
    if (s->wrong != wrong_before)
        print_error("wrong: %s\n", text);
    free_expectation(&expected);
    free_tensors(&set);
}

static void sweep_cases(filling fill) {
    sweep s = {{0}, 0};
    uint64_t random = 42;
    assert_in_range(clconv_algorithm_count(), 1, COUNT_OF(s.runs_of));
    for (size_t i = 0; i < COUNT_OF(cases); ++i)
        sweep_case(&s, cases[i], fill, &random);
    for (size_t i = 0; i < clconv_algorithm_count(); ++i) {
        const char *name = clconv_algorithm_name(i);
        print_message("%-16s %zu runs\n", name, s.runs_of[i]);
        /* What needs a matrix engine is not on every GPU. */
        for (size_t d = 0; d < devices()->count && !asked_algorithm(); ++d)
            assert_true(s.runs_of[i] > 0 || devices()->infos[d].kind == CLCONV_KIND_GPU ||
                        !clconv_algorithm_is_for(devices()->devices[d], name));
    }
    assert_int_equal(s.wrong, 0);
}

static void test_algorithms_on_reals_stay_within_bound(void **state) {
    (void)state;
    sweep_cases(REALS);
}

static void test_algorithms_on_small_integers_are_exact(void **state) {
    (void)state;
    sweep_cases(SMALL_INTEGERS);
}

/* ---- the table itself ---- */

static void test_algorithm_name_every_row(void **state) {
    size_t count = clconv_algorithm_count();
    (void)state;
    for (size_t i = 0; i < count; ++i) {
        const char *name = clconv_algorithm_name(i);
        assert_non_null(name);
        assert_true(strlen(name) > 0);
        for (size_t other = 0; other < i; ++other)
            assert_string_not_equal(name, clconv_algorithm_name(other));
    }
    assert_null(clconv_algorithm_name(count));
    assert_null(clconv_algorithm_name(SIZE_MAX));
}

static bool has_algorithm(const char *name) {
    for (size_t i = 0; i < clconv_algorithm_count(); ++i)
        if (strcmp(clconv_algorithm_name(i), name) == 0)
            return true;
    return false;
}

static void test_algorithm_name_has_the_rows_of_every_build(void **state) {
    (void)state;
    assert_true(has_algorithm("direct"));
    assert_true(has_algorithm("direct_data"));
    assert_true(has_algorithm("direct_weights"));
    assert_true(has_algorithm("col2im_clblast"));
    assert_true(has_algorithm("weights_gemm"));
    assert_true(has_algorithm("weights_tiled"));
    assert_true(has_algorithm("weights_mma"));
    assert_true(has_algorithm("depthwise_weights"));
    assert_true(has_algorithm("lines_data"));
    assert_true(has_algorithm("lines_weights"));
    assert_true(has_algorithm("phases"));
    assert_true(has_algorithm("phases_winograd"));
    assert_true(has_algorithm("tiled"));
    assert_true(has_algorithm("im2col_clblast"));
    assert_true(has_algorithm("host"));
}

/* A refusal is a sentence, the status says so, and the estimate is not touched. */
static void check_answer(clconv_device *device, const clconv_problem *problem, const char *name) {
    char refusal[CLCONV_REFUSAL_SIZE];
    double seconds = -77;
    memset(refusal, '#', sizeof refusal);
    clconv_status status = clconv_algorithm_check(refusal, &seconds, device, problem, name);
    assert_non_null(memchr(refusal, 0, sizeof refusal));
    if (status == CLCONV_OK) {
        assert_string_equal(refusal, "");
        assert_true(seconds > 0 && isfinite(seconds));
        return;
    }
    assert_fails(status, CLCONV_UNSUPPORTED, refusal);
    assert_true(strlen(refusal) > 8);
    assert_non_null(strchr(refusal, ' '));
    assert_true(seconds == -77);
    assert_int_equal(clconv_algorithm_check(NULL, NULL, device, problem, name), CLCONV_UNSUPPORTED);
}

static void test_algorithm_check_answers_every_case_and_direction(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); ++i)
        for (int direction = CLCONV_FORWARD; direction <= CLCONV_TRANSPOSED; ++direction) {
            clconv_problem problem = CLCONV_PROBLEM_INIT;
            assert_ok(clconv_problem_parse(&problem, cases[i]));
            problem.direction = (clconv_direction)direction;
            if (clconv_problem_validate(&problem))
                continue; /* a view that fits the forward output only */
            for (size_t device = 0; device < devices()->count; ++device)
                for (size_t row = 0; row < clconv_algorithm_count(); ++row)
                    check_answer(devices()->devices[device], &problem, clconv_algorithm_name(row));
        }
}

static void test_algorithm_computes_the_rows_directions(void **state) {
    (void)state;
    assert_int_equal(clconv_algorithm_computes("direct", CLCONV_FORWARD), 1);
    assert_int_equal(clconv_algorithm_computes("direct", CLCONV_BACKWARD_DATA), 0);
    assert_int_equal(clconv_algorithm_computes("direct_data", CLCONV_TRANSPOSED), 1);
    assert_int_equal(clconv_algorithm_computes("direct_weights", CLCONV_BACKWARD_WEIGHTS), 1);
    assert_int_equal(clconv_algorithm_computes("direct", (clconv_direction)17), 0);
    assert_int_equal(clconv_algorithm_computes("none", CLCONV_FORWARD), 0);
    assert_int_equal(clconv_algorithm_computes(NULL, CLCONV_FORWARD), 0);
}

static void test_algorithm_check_bad_arguments(void **state) {
    clconv_problem problem = CLCONV_PROBLEM_INIT;
    clconv_device *host = devices()->devices[devices()->count - 1];
    char refusal[CLCONV_REFUSAL_SIZE] = "kept";
    double seconds = 77;
    (void)state;
    assert_fails(clconv_algorithm_check(refusal, &seconds, NULL, &problem, "host"),
                 CLCONV_INVALID_ARGUMENT, "device");
    assert_fails(clconv_algorithm_check(refusal, &seconds, host, NULL, "host"),
                 CLCONV_INVALID_ARGUMENT, "problem");
    assert_fails(clconv_algorithm_check(refusal, &seconds, host, &problem, NULL),
                 CLCONV_INVALID_ARGUMENT, "algorithm");
    assert_fails(clconv_algorithm_check(refusal, &seconds, host, &problem, "Host"),
                 CLCONV_UNKNOWN_ALGORITHM, "Host");
    assert_fails(clconv_algorithm_check(refusal, &seconds, host, &problem, ""),
                 CLCONV_UNKNOWN_ALGORITHM, "");
    problem.groups = 0;
    assert_fails(clconv_algorithm_check(refusal, &seconds, host, &problem, "host"),
                 CLCONV_INVALID_PROBLEM, "groups");
    assert_string_equal(refusal, "kept");
    assert_true(seconds == 77);
}

static const char *const bound_cases[] = {
    "mb2_g2_ic6ih9iw8_oc4kh3kw3_ph1pw1_bias_act=relu",
    "mb2_g2_ic6ih9iw8_oc4kh3kw3_ph1pw1_dir=backward_data",
    "mb2_g2_ic6ih9iw8_oc4kh3kw3_ph1pw1_dir=transposed_bias",
};

/* Exact algorithms keep the reference's bounds; the others raise them, but not beyond use. */
static bool check_bound(const char *name, const clconv_problem *problem, const tensor_set *set,
                        const expectation *expected) {
    const size_t count = result_count(set);
    const clconv_host_tensors tensors = host_tensors(set);
    double *bounds = malloc(count * sizeof *bounds);
    assert_non_null(bounds);
    memcpy(bounds, expected->bounds, count * sizeof *bounds);
    const clconv_status status = clconv_algorithm_bound(bounds, problem, &tensors, name);
    for (size_t i = 0; i < count && !status; ++i) {
        if (clconv_algorithm_is_exact(name))
            assert_true(bounds[i] == expected->bounds[i]);
        assert_true(bounds[i] >= expected->bounds[i]);
        assert_true(bounds[i] < (clconv_algorithm_rounds(name) ? 0.1 : 0.01));
    }
    if (status) /* another direction's */
        assert_int_equal(status, CLCONV_UNSUPPORTED);
    free(bounds);
    return status == CLCONV_OK;
}

static void test_algorithm_bound_of_every_row(void **state) {
    uint64_t random = 5;
    (void)state;
    for (size_t row = 0; row < clconv_algorithm_count(); ++row) {
        size_t given = 0;
        for (size_t i = 0; i < COUNT_OF(bound_cases); ++i) {
            clconv_problem problem = CLCONV_PROBLEM_INIT;
            tensor_set set;
            assert_ok(clconv_problem_parse(&problem, bound_cases[i]));
            make_tensors(&set, &problem, &random, REALS);
            expectation expected = make_expectation(&problem, &set);
            given += check_bound(clconv_algorithm_name(row), &problem, &set, &expected);
            free_expectation(&expected);
            free_tensors(&set);
        }
        assert_true(given > 0);
    }
}

static void test_algorithm_is_exact_known_rows(void **state) {
    static const char *const exact[] = {"direct",         "direct_data", "direct_weights",
                                        "im2col_clblast", "tiled",       "host"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(exact); ++i)
        assert_int_equal(clconv_algorithm_is_exact(exact[i]), 1);
    assert_int_equal(clconv_algorithm_is_exact("unknown"), 0);
    assert_int_equal(clconv_algorithm_is_exact(""), 0);
    assert_int_equal(clconv_algorithm_is_exact(NULL), 0);
}

static void test_algorithm_bound_bad_arguments(void **state) {
    clconv_problem problem = CLCONV_PROBLEM_INIT;
    static const float one = 1;
    const clconv_host_tensors tensors = {.input = &one, .weights = &one};
    double bound = 0.5;
    (void)state;
    assert_fails(clconv_algorithm_bound(NULL, &problem, &tensors, "direct"),
                 CLCONV_INVALID_ARGUMENT, "bound");
    assert_fails(clconv_algorithm_bound(&bound, NULL, &tensors, "direct"), CLCONV_INVALID_ARGUMENT,
                 "problem");
    assert_fails(clconv_algorithm_bound(&bound, &problem, NULL, "direct"), CLCONV_INVALID_ARGUMENT,
                 "tensors");
    assert_fails(clconv_algorithm_bound(&bound, &problem, &tensors, NULL), CLCONV_INVALID_ARGUMENT,
                 "algorithm");
    assert_fails(clconv_algorithm_bound(&bound, &problem, &tensors, "unknown"),
                 CLCONV_UNKNOWN_ALGORITHM, "unknown");
    assert_true(bound == 0.5);
}

static void test_plan_create_named_algorithm_that_refuses(void **state) {
    size_t refusals = 0;
    (void)state;
    for (size_t device = 0; device < devices()->count; ++device)
        for (size_t row = 0; row < clconv_algorithm_count(); ++row) {
            clconv_problem problem = CLCONV_PROBLEM_INIT;
            clconv_plan_options options = CLCONV_PLAN_OPTIONS_INIT;
            clconv_plan *plan = (clconv_plan *)&problem;
            char refusal[CLCONV_REFUSAL_SIZE];
            problem.type = CLCONV_BF16;
            problem.weights_layout = CLCONV_OHWI;
            options.algorithm = clconv_algorithm_name(row);
            if (clconv_algorithm_check(refusal, NULL, devices()->devices[device], &problem,
                                       options.algorithm) == CLCONV_OK)
                continue;
            ++refusals;
            assert_fails(clconv_plan_create(&plan, devices()->devices[device], &problem, &options),
                         CLCONV_UNSUPPORTED, refusal);
            assert_message(options.algorithm);
            assert_null(plan);
        }
    assert_true(refusals > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_algorithms_on_reals_stay_within_bound),
        cmocka_unit_test(test_algorithms_on_small_integers_are_exact),
        cmocka_unit_test(test_algorithm_name_every_row),
        cmocka_unit_test(test_algorithm_name_has_the_rows_of_every_build),
        cmocka_unit_test(test_algorithm_check_answers_every_case_and_direction),
        cmocka_unit_test(test_algorithm_computes_the_rows_directions),
        cmocka_unit_test(test_algorithm_check_bad_arguments),
        cmocka_unit_test(test_algorithm_bound_of_every_row),
        cmocka_unit_test(test_algorithm_is_exact_known_rows),
        cmocka_unit_test(test_algorithm_bound_bad_arguments),
        cmocka_unit_test(test_plan_create_named_algorithm_that_refuses),
    };
    return run_group_on_devices(tests);
}
