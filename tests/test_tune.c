/* Tuning: what wins is right and used from then on, and an entry that does not hold is no more than
 * a reason for the estimate's choice. */
#include "cache.h"
#include "kernel_source.h"
#include "trial.h"
#include "tuning.h"

#include "support/support.h"
#include "support/temporary.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATH_BYTES = 512, MOST_ENTRIES = 200 };

static char root[TEMPORARY_SIZE];

static void run_command(const char *command) {
    if (system(command))
        fail_msg("%s", command);
}

/* New folders for choices and for what was checked. */
static int set_up(void **state) {
    char path[PATH_BYTES];
    (void)state;
    if (make_temporary_folder(root, "tune"))
        return -1;
    snprintf(path, sizeof path, "%s/choices", root);
    setenv("CLCONV_TUNING_DIR", path, 1);
    snprintf(path, sizeof path, "%s/cache", root);
    setenv("CLCONV_CACHE_DIR", path, 1);
    unsetenv("CLCONV_KERNEL_DIR");
    return 0;
}

static int tear_down(void **state) {
    char command[PATH_BYTES];
    (void)state;
    unsetenv("CLCONV_KERNEL_DIR");
    snprintf(command, sizeof command, "rm -rf %s", root);
    return system(command) ? -1 : 0;
}

#define tune_test(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

/* ---- helpers ---- */

static clconv_problem problem_of(const char *text) {
    clconv_problem problem;
    assert_ok(clconv_problem_parse(&problem, text));
    return problem;
}

static clconv_device *open_device(const char *selector) {
    clconv_device *device = NULL;
    assert_ok(clconv_device_open(&device, selector));
    return device;
}

/* The first OpenCL device. */
static clconv_device *open_opencl(void) {
    clconv_device_info infos[MAX_DEVICES];
    size_t count;
    assert_ok(clconv_device_list(infos, MAX_DEVICES, &count));
    if (count < 2)
        skip_because("there is no OpenCL device");
    return open_device(infos[0].selector);
}

/* Kernels of which one has another text from now on. */
static void plant(const char *file, const char *old, const char *new) {
    char command[4 * PATH_BYTES], path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/kernels", root);
    (void)mkdir(path, 0700);
    snprintf(command, sizeof command,
             "cp -rn %s/cl_kernels/. %s/kernels && sed -i 's/%s/%s/' %s/kernels/%s && "
             "! cmp -s %s/cl_kernels/%s %s/kernels/%s",
             CLCONV_SOURCE_DIR, root, old, new, root, file, CLCONV_SOURCE_DIR, file, root, file);
    run_command(command);
    setenv("CLCONV_KERNEL_DIR", path, 1);
}

static void keep(clconv_device *device, const clconv_problem *problem, const char *name,
                 size_t tile) {
    char note[CLCONV__NOTE_SIZE];
    const clconv__algo *algo = clconv__find_algo(name);
    const clconv__choice choice = {.algo = algo, .tile = algo->tiles ? &algo->tiles[tile] : NULL};
    if (!clconv__tuning_keep(note, device, problem, &choice, 1e-3, getenv("CLCONV_TUNING_DIR")))
        fail_msg("%s", note);
}

/* A plan of the default options, whose reason begins with some text and has another in it. */
static void assert_plan(clconv_device *device, const clconv_problem *problem, const char *algorithm,
                        const char *begin, const char *part) {
    clconv_plan *plan = NULL;
    assert_ok(clconv_plan_create(&plan, device, problem, NULL));
    const char *reason = clconv_plan_reason(plan);
    if (algorithm)
        assert_string_equal(clconv_plan_algorithm(plan), algorithm);
    if (strstr(reason, begin) != reason || !strstr(reason, part))
        fail_msg("\"%s\" is not \"%s…%s…\"", reason, begin, part);
    clconv_plan_destroy(plan);
}

static size_t count_checks(void) {
    clconv_cache_entry entries[MOST_ENTRIES];
    size_t count, checks = 0;
    assert_ok(clconv_cache_list(entries, MOST_ENTRIES, &count));
    for (size_t i = 0; i < count; ++i)
        checks += strcmp(entries[i].program, "checked result") == 0;
    return checks;
}

/* ---- tuning ---- */

typedef struct follower {
    size_t calls, timed, wrong;
    double best;
    bool is_sound;
} follower;

static void follow(void *context, const clconv_tune_progress *p) {
    follower *f = context;
    f->is_sound = f->is_sound && p->done == f->calls + 1 && p->done <= p->count && p->problem &&
                  p->algorithm && *p->tile && (f->best == 0 || p->best_seconds <= f->best) &&
                  (p->best_seconds > 0) == (p->best_algorithm != NULL) &&
                  (p->state != CLCONV_CANDIDATE_WRONG || *p->message);
    f->best = p->best_seconds;
    f->timed += p->state == CLCONV_CANDIDATE_TIMED;
    f->wrong += p->state == CLCONV_CANDIDATE_WRONG;
    ++f->calls;
}

static void tune(clconv_tuned *tuned, follower *f, clconv_device *device,
                 const clconv_problem *problem) {
    clconv_tune_options options = CLCONV_TUNE_OPTIONS_INIT;
    options.seconds = 30;
    options.progress = follow;
    options.context = f;
    *f = (follower){.is_sound = true};
    assert_ok(clconv_tune(tuned, device, problem, &options));
    assert_true(f->is_sound);
    assert_int_equal(f->calls, tuned->candidates);
    assert_int_equal(f->timed, tuned->timed);
    assert_int_equal(f->wrong, tuned->wrong);
    assert_int_equal(tuned->timed + tuned->dropped + tuned->skipped + tuned->wrong + tuned->failed,
                     tuned->candidates);
    assert_true(tuned->seconds > 0);
}

static void test_tune_on_the_host(void **state) {
    clconv_device *device = open_device("host");
    const clconv_problem problem = problem_of("ic3ih8_oc4kh3_n\"a name\"");
    clconv_tuned tuned;
    follower f;
    (void)state;
    assert_plan(device, &problem, "host", "smallest estimate", "");
    tune(&tuned, &f, device, &problem);
    assert_string_equal(tuned.algorithm, "host");
    assert_string_equal(tuned.tile, "-");
    assert_string_equal(tuned.note, "");
    assert_int_equal(tuned.candidates, 1);
    assert_plan(device, &problem, "host", "tuned: tile -, ", "/choices/");
    clconv_device_destroy(device);
}

static void test_tune_finds_the_fastest(void **state) {
    clconv_device *device = open_opencl();
    const clconv_problem problem = problem_of("ic16ih16_oc16kh3_ph1_type=s8");
    clconv_tuned tuned;
    follower f;
    (void)state;
    tune(&tuned, &f, device, &problem);
    assert_true(tuned.candidates > 3 && tuned.timed > 0);
    assert_int_equal(tuned.wrong + tuned.failed, 0);
    if (tuned.estimate_seconds > 0) /* the estimate's choice is never beaten by a slower one */
        assert_true(tuned.seconds <= tuned.estimate_seconds);
    assert_plan(device, &problem, tuned.algorithm, "tuned: tile ", tuned.tile);
    assert_int_equal(count_checks(), 1); /* the tuner's own serves */
    /* The budget is for one candidate at least. */
    clconv_tune_options options = CLCONV_TUNE_OPTIONS_INIT;
    options.seconds = 0;
    assert_ok(clconv_tune(&tuned, device, &problem, &options));
    assert_int_equal(tuned.skipped, tuned.candidates - 1);
    assert_string_equal(tuned.algorithm, tuned.estimate_algorithm);
    assert_string_equal(tuned.tile, tuned.estimate_tile);
    clconv_device_destroy(device);
}

/* Those of the plain row are estimated to take fifty times as long. */
static void test_tune_builds_nothing_hopeless(void **state) {
    clconv_device *device = open_opencl();
    const clconv_problem problem = problem_of("ic64ih28_oc64kh1_type=f16_dir=backward_data");
    clconv_tuned tuned;
    follower f;
    (void)state;
    tune(&tuned, &f, device, &problem);
    if (clconv_algorithm_is_for(device, "vector"))
        assert_true(tuned.skipped > 1);
    assert_true(tuned.timed > 0);
    assert_int_equal(tuned.wrong + tuned.failed, 0);
    clconv_device_destroy(device);
}

static void test_tune_candidate_that_is_wrong_never_wins(void **state) {
    clconv_device *device = open_opencl();
    const clconv_problem problem = problem_of("ic8ih16_oc16kh3_ph1_type=s8");
    clconv_tuned tuned;
    follower f;
    (void)state;
    plant("tiled.cl", "iw < g.in_w", "iw + 1 < g.in_w");
    tune(&tuned, &f, device, &problem);
    assert_string_equal(tuned.estimate_algorithm, "tiled");
    assert_true(tuned.wrong > 0);
    assert_string_equal(tuned.algorithm, "direct");
    assert_true(tuned.estimate_seconds == 0);
    clconv_device_destroy(device);
}

static void test_tune_where_all_are_wrong(void **state) {
    clconv_device *device = open_opencl();
    const clconv_problem problem = problem_of("ic8ih16_oc16kh3_ph1_type=s8");
    clconv_tuned tuned = {.candidates = 77};
    (void)state;
    plant("tiled.cl", "iw < g.in_w", "iw + 1 < g.in_w");
    plant("direct.cl", "g.kernel_w, g.in_w)", "g.kernel_w, g.in_w - 1)");
    assert_fails(clconv_tune(&tuned, device, &problem, NULL), CLCONV_UNSUPPORTED,
                 "candidates compute wrong results");
    assert_int_equal(tuned.candidates, 77);
    assert_plan(device, &problem, "tiled", "smallest estimate", ""); /* nothing was kept */
    clconv_device_destroy(device);
}

static void test_tune_bad_arguments(void **state) {
    clconv_device *device = open_device("host");
    clconv_problem problem = problem_of("ic3ih8_oc4kh3");
    clconv_tune_options options = CLCONV_TUNE_OPTIONS_INIT;
    clconv_tuned tuned = {.candidates = 77};
    (void)state;
    assert_fails(clconv_tune(&tuned, NULL, &problem, NULL), CLCONV_INVALID_ARGUMENT,
                 "device is NULL");
    assert_fails(clconv_tune(&tuned, device, NULL, NULL), CLCONV_INVALID_ARGUMENT,
                 "problem is NULL");
    options.seconds = NAN;
    assert_fails(clconv_tune(&tuned, device, &problem, &options), CLCONV_INVALID_ARGUMENT,
                 "options.seconds is nan");
    options.version = 9;
    assert_fails(clconv_tune(&tuned, device, &problem, &options), CLCONV_INVALID_ARGUMENT,
                 "options.version is 9");
    problem.groups = 2;
    assert_fails(clconv_tune(&tuned, device, &problem, NULL), CLCONV_INVALID_PROBLEM, "groups");
    assert_int_equal(tuned.candidates, 77);
    problem.groups = 1;
    assert_ok(clconv_tune(NULL, device, &problem, NULL));
    clconv_device_destroy(device);
}

/* ---- plans ---- */

static void test_plan_create_with_options_of_tuning(void **state) {
    clconv_device *device = open_device("host");
    const clconv_problem problem = problem_of("ic3ih8_oc4kh3");
    clconv_plan_options options = CLCONV_PLAN_OPTIONS_INIT;
    clconv_plan *plan = NULL;
    (void)state;
    options.tuning = CLCONV_TUNING_MADE;
    assert_ok(clconv_plan_create(&plan, device, &problem, &options));
    assert_non_null(strstr(clconv_plan_reason(plan), "measured now"));
    clconv_plan_destroy(plan);
    assert_ok(clconv_plan_create(&plan, device, &problem, &options)); /* not a second time */
    assert_non_null(strstr(clconv_plan_reason(plan), "from "));
    clconv_plan_destroy(plan);
    options.tuning = CLCONV_TUNING_IGNORED;
    assert_ok(clconv_plan_create(&plan, device, &problem, &options));
    assert_string_equal(clconv_plan_reason(plan), "smallest estimate");
    clconv_plan_destroy(plan);
    options.tuning = CLCONV_TUNING_USED;
    options.algorithm = "host";
    assert_ok(clconv_plan_create(&plan, device, &problem, &options));
    assert_string_equal(clconv_plan_reason(plan), "asked for by name");
    clconv_plan_destroy(plan);
    options.tuning_seconds = -1;
    assert_fails(clconv_plan_create(&plan, device, &problem, &options), CLCONV_INVALID_ARGUMENT,
                 "options.tuning_seconds is -1");
    options.tuning = (clconv_tuning)3;
    assert_fails(clconv_plan_create(&plan, device, &problem, &options), CLCONV_INVALID_ARGUMENT,
                 "options.tuning is 3");
    assert_null(plan);
    assert_null(clconv_plan_reason(NULL));
    clconv_device_destroy(device);
}

static void test_plan_create_tunes_without_a_folder(void **state) {
    clconv_device *device = open_device("host");
    const clconv_problem problem = problem_of("ic3ih8_oc4kh3");
    clconv_plan_options options = CLCONV_PLAN_OPTIONS_INIT;
    clconv_plan *plan = NULL;
    (void)state;
    options.tuning = CLCONV_TUNING_MADE;
    setenv("CLCONV_TUNING_DIR", "/dev/null/x", 1);
    assert_ok(clconv_plan_create(&plan, device, &problem, &options));
    assert_non_null(strstr(clconv_plan_reason(plan), "not kept: writing /dev/null/x"));
    clconv_plan_destroy(plan);
    setenv("CLCONV_TUNING_DIR", "", 1);
    assert_ok(clconv_plan_create(&plan, device, &problem, &options));
    assert_non_null(strstr(clconv_plan_reason(plan), "there is no folder"));
    clconv_plan_destroy(plan);
    clconv_device_destroy(device);
}

/* The entry is held against the reference once, and then no more. */
static void test_plan_create_checks_an_entry_once(void **state) {
    clconv_device *device = open_opencl();
    const clconv_problem problem = problem_of("ic3ih8_oc4kh3_type=s8");
    (void)state;
    keep(device, &problem, "direct", 1);
    assert_int_equal(count_checks(), 0);
    for (int i = 0; i < 2; ++i) {
        assert_plan(device, &problem, "direct", "tuned: tile 16, 1 ms", "");
        assert_int_equal(count_checks(), 1);
    }
    /* Another record in the place of the first is believed. */
    const clconv_device_info *i = &device->info;
    char key[2048];
    snprintf(key, sizeof key,
             "%s\n%s, %s, %s, %s\nchecked result\n"
             "mb1_ic3ih8iw8_oc4oh6ow6_kh3kw3_sh1sw1_ph0pw0_dh0dw0_type=s8 direct 16\n%016llx",
             i->name, i->platform, i->vendor, i->version, i->driver,
             (unsigned long long)clconv__kernels_hash());
    clconv__cache_put(key, "planted", 7);
    assert_plan(device, &problem, NULL, "smallest estimate; ", "gives a wrong result: planted");
    clconv_device_destroy(device);
}

static void test_plan_create_entry_that_computes_wrong_results(void **state) {
    clconv_device *device = open_opencl();
    const clconv_problem problem = problem_of("ic8ih16_oc16kh3_ph1_type=s8");
    (void)state;
    plant("direct.cl", "g.kernel_w, g.in_w)", "g.kernel_w, g.in_w - 1)");
    keep(device, &problem, "direct", 0);
    for (int i = 0; i < 2; ++i) /* the second time it is known */
        assert_plan(device, &problem, "tiled", "smallest estimate; ",
                    "direct with tile 64, gives a wrong result: an element is ");
    assert_int_equal(count_checks(), 1);
    clconv_device_destroy(device);
}

static void test_plan_create_entry_of_a_row_that_refuses(void **state) {
    clconv_device *device = open_opencl();
    const clconv_problem problem = problem_of("ic3ih8_oc4kh3_type=s8");
    (void)state;
    keep(device, &problem, "vector", 0);
    assert_plan(device, &problem, NULL, "smallest estimate; ",
                "cannot be used: algorithm vector: type s8");
    keep(device, &problem, "host", 0);
    assert_plan(device, &problem, NULL, "smallest estimate; ", "it runs on the host device only");
    clconv_device_destroy(device);
}

/* A tile that the device has no room for, though the row has others. */
static void test_plan_create_entry_whose_tile_does_not_fit(void **state) {
    clconv_device *device = open_opencl();
    const clconv_problem problem = problem_of("ic3ih8_oc4kh3_type=s8");
    (void)state;
    const size_t real = device->info.max_work_group_size;
    keep(device, &problem, "direct", 0);
    device->info.max_work_group_size = 32;
    assert_plan(device, &problem, NULL, "smallest estimate; ", "no tile fits");
    device->info.max_work_group_size = real;
    clconv_device_destroy(device);
}

static void test_plan_create_tuned_above_the_workspace_limit(void **state) {
    clconv_device *device = open_opencl();
    const clconv_problem problem = problem_of("ic3ih8_oc4kh3_ph1");
    clconv_plan_options options = CLCONV_PLAN_OPTIONS_INIT;
    clconv_plan *plan = NULL;
    (void)state;
    if (clconv_algorithm_check(NULL, NULL, device, &problem, "im2col_clblast"))
        skip_because("there is no CLBlast");
    keep(device, &problem, "im2col_clblast", 0);
    options.workspace_limit = 0;
    assert_ok(clconv_plan_create(&plan, device, &problem, &options));
    assert_int_equal(clconv_plan_workspace_size(plan), 0);
    assert_non_null(strstr(clconv_plan_reason(plan), "above the limit, 0"));
    clconv_plan_destroy(plan);
    clconv_device_destroy(device);
}

/* Sixteen processes tune and plan the same problem: each gets a plan by a tuned choice. */
static void test_plan_create_by_sixteen_processes_that_tune(void **state) {
    enum { PROCESSES = 16 };
    pid_t children[PROCESSES];
    (void)state;
    for (int i = 0; i < PROCESSES; ++i) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i])
            continue;
        clconv_problem problem = problem_of("ic3ih8_oc4kh3");
        clconv_plan_options options = CLCONV_PLAN_OPTIONS_INIT;
        clconv_device *device = open_device("host");
        clconv_plan *plan = NULL;
        options.tuning = CLCONV_TUNING_MADE;
        _exit(clconv_plan_create(&plan, device, &problem, &options) ||
              strncmp(clconv_plan_reason(plan), "tuned: ", 7) != 0);
    }
    for (int i = 0; i < PROCESSES; ++i) {
        int how;
        assert_int_equal(waitpid(children[i], &how, 0), children[i]);
        assert_true(WIFEXITED(how) && WEXITSTATUS(how) == 0);
    }
}

/* ---- trials ---- */

/* Right results pass, and those of a kernel that is turned around do not: with all elements, and
 * with some channels of problems that are too large for that. */
static void test_trial_check_right_and_wrong(void **state) {
    static const char *const texts[] = {
        "mb2g2ic4ih9_oc6kh3_bias_beta=0.5",
        "mb2g2ic64ih28_oc64kh3_ph1_bias_residual_act=relu",
        "mb2g2ic64ih28_oc64kh3_ph1_layout=nhwc_weights=ohwi",
        "ic64ih30_oc64kh3_xs=62500:900:1:30:1",
        "mb2g2ic64ih28_oc64kh3_ph1_dir=backward_data_beta=2",
        "g2ic64ih28_oc96kh3_ph1_dir=backward_data_weights=ohwi",
        "mb2g2ic64ih28_oc64kh3_ph1_dir=backward_weights_bias",
        "ic64ih28_oc64kh3_ph1_dir=backward_weights_weights=ohwi",
        "mb4g2ic64ih14_oc96kh3_sh2_ph1_dir=transposed_bias",
        "mb3ic64ih20_oc64kh3_type=u8_xzp=3_bias",
    };
    clconv_device *device = open_device("host");
    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); ++i) {
        const clconv_problem problem = problem_of(texts[i]);
        clconv_problem turned = problem;
        clconv__trial trial;
        clconv_plan *right = NULL, *wrong = NULL;
        char sentence[CLCONV_REFUSAL_SIZE];
        turned.mode = CLCONV_CONVOLUTION;
        assert_ok(clconv_plan_create(&right, device, &problem, NULL));
        assert_ok(clconv_plan_create(&wrong, device, &turned, NULL));
        assert_ok(clconv__trial_begin(&trial, device, &problem));
        assert_ok(clconv__trial_check(sentence, &trial, right));
        if (*sentence)
            fail_msg("%s: %s", texts[i], sentence);
        assert_ok(clconv__trial_check(sentence, &trial, wrong));
        if (!*sentence)
            fail_msg("%s: a wrong result passed", texts[i]);
        assert_true(i == 0 ? trial.slice_count == 1 : trial.slice_count > 1);
        clconv__trial_end(&trial);
        clconv_plan_destroy(right);
        clconv_plan_destroy(wrong);
    }
    clconv_device_destroy(device);
}

static void test_trial_check_element_that_is_not_written(void **state) {
    clconv_device *device = open_device("host");
    const clconv_problem whole = problem_of("ic4ih9_oc6kh3"), part = problem_of("ic4ih9_oc5kh3");
    clconv__trial trial;
    clconv_plan *plan = NULL;
    char sentence[CLCONV_REFUSAL_SIZE];
    (void)state;
    assert_ok(clconv_plan_create(&plan, device, &part, NULL));
    assert_ok(clconv__trial_begin(&trial, device, &whole));
    assert_ok(clconv__trial_check(sentence, &trial, plan));
    assert_non_null(strstr(sentence, "nan"));
    clconv__trial_end(&trial);
    clconv_plan_destroy(plan);
    clconv_device_destroy(device);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        tune_test(test_plan_create_by_sixteen_processes_that_tune), /* before any thread is made */
        tune_test(test_tune_on_the_host),
        tune_test(test_tune_finds_the_fastest),
        tune_test(test_tune_builds_nothing_hopeless),
        tune_test(test_tune_candidate_that_is_wrong_never_wins),
        tune_test(test_tune_where_all_are_wrong),
        tune_test(test_tune_bad_arguments),
        tune_test(test_plan_create_with_options_of_tuning),
        tune_test(test_plan_create_tunes_without_a_folder),
        tune_test(test_plan_create_checks_an_entry_once),
        tune_test(test_plan_create_entry_that_computes_wrong_results),
        tune_test(test_plan_create_entry_of_a_row_that_refuses),
        tune_test(test_plan_create_entry_whose_tile_does_not_fit),
        tune_test(test_plan_create_tuned_above_the_workspace_limit),
        tune_test(test_trial_check_right_and_wrong),
        tune_test(test_trial_check_element_that_is_not_written),
    };
    return run_group(tests);
}
