/*
 * Memory, files, threads and processes fail, each call with each of its errors, once and from then
 * on: what was asked for is right, or a status or a sentence says that it is not; nothing is held
 * afterwards, and the next call works.
 */
#include "cli/case_list.h"
#include "cli/judge.h"
#include "cli/npy.h"
#include "cli/outfile.h"
#include "cli/picture.h"
#include "cli/worker.h"
#include "host_faults.h"
#include "support/temporary.h"

/* What the calls of a trial share. */
typedef struct trial {
    clconv_device *device, *opened;
    clconv_plan *plan;
    clconv_problem problem;
    const char *algorithm;
    tensor_set set;
    unsigned char *right, *result;
    size_t bytes;
    double *values, *right_values;
    char message[MESSAGE_SIZE]; /* of calls that give one */
    npy_array array;
    picture image;
    case_list cases;
    case_data data;
    worker *worker;
    size_t count;
} trial;

/* A call that may fail: nonzero when it says that it did. */
typedef struct step {
    const char *name;
    int (*call)(trial *t);
    bool (*is_right)(trial *t); /* after success */
    void (*clean)(trial *t);    /* whatever came of it */
} step;

static host_faults *faults(void) {
    return &host_fault_state;
}

static char folder[TEMPORARY_SIZE];

static const char *in_folder(const char *name) {
    static char path[sizeof folder + 64];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

/* The number of ways in which the call that failed can fail, 0 when none did. */
static size_t try_once(trial *t, const step *s, long fail_at, size_t code, int lasts) {
    const long before = faults()->held;
    *t->message = 0;
    assert_int_equal(clconv_problem_validate(NULL), CLCONV_INVALID_ARGUMENT); /* an old message */
    host_faults_arm(fail_at, code, lasts);
    const int failed = s->call(t);
    host_faults_disarm();
    const char *message = *t->message ? t->message : clconv_last_message();
    const char *name = faults()->name ? faults()->name : "nothing";
    if (failed && !faults()->name)
        fail_msg("%s fails by itself: %s", s->name, message);
    if (failed && (!*message || strcmp(message, "problem is NULL") == 0))
        fail_msg("%s says nothing when %s fails with %d", s->name, name, faults()->failed_with);
    if (!failed && !s->is_right(t))
        fail_msg("%s is wrong after %s failed with %d", s->name, name, faults()->failed_with);
    s->clean(t);
    if (faults()->held != before)
        fail_msg("%s holds %ld things more after %s failed with %d", s->name,
                 faults()->held - before, name, faults()->failed_with);
    return faults()->name ? faults()->code_count : 0;
}

static size_t all_tries;

static void fail_everywhere(trial *t, const step *s) {
    size_t ways, tries = 0;
    assert_false(s->call(t)); /* what is made once is made */
    s->clean(t);
    for (long n = 1; (ways = try_once(t, s, n, 0, 1)) != 0; ++n)
        for (size_t code = 0; code < ways; ++code, ++tries)
            try_once(t, s, n, code, 0);
    try_once(t, s, 0, 0, 0);
    assert_true(tries > 0);
    all_tries += tries;
}

static void clean_nothing(trial *t) {
    (void)t;
}

/* ---- devices and their programs ---- */

static const char *opencl_selector(void) {
    static clconv_device_info infos[MAX_DEVICES];
    size_t count;
    assert_ok(clconv_device_list(infos, MAX_DEVICES, &count));
    return count > 1 ? infos[0].selector : "host";
}

static int open_device(trial *t) {
    return clconv_device_open(&t->opened, t->algorithm);
}

static bool is_usable(trial *t) {
    clconv_device_info info;
    return t->opened && clconv_device_get_info(&info, t->opened) == CLCONV_OK && info.usable;
}

static void close_device(trial *t) {
    clconv_device_destroy(t->opened);
    t->opened = NULL;
}

static int open_device_anew(trial *t) {
    clconv_cache_clear(NULL);
    return open_device(t);
}

/* With the cache on disk empty, full, and kernels in a folder. */
static void test_device_open_host_faults(void **state) {
    static const step warm = {"opening", open_device, is_usable, close_device};
    static const step cold = {"opening anew", open_device_anew, is_usable, close_device};
    trial t = {.algorithm = opencl_selector()};
    (void)state;
    const char *kept = getenv("CLCONV_CACHE_DIR");
    char *before = kept ? strdup(kept) : NULL;
    setenv("CLCONV_CACHE_DIR", in_folder("cache"), 1);
    fail_everywhere(&t, &warm);
    fail_everywhere(&t, &cold);
    setenv("CLCONV_KERNEL_DIR", CLCONV_SOURCE_DIR "/cl_kernels", 1);
    if (strcmp(t.algorithm, "host") != 0)
        fail_everywhere(&t, &warm);
    unsetenv("CLCONV_KERNEL_DIR");
    clconv_cache_clear(NULL);
    if (before)
        setenv("CLCONV_CACHE_DIR", before, 1);
    else
        unsetenv("CLCONV_CACHE_DIR");
    free(before);
}

static int list_cache(trial *t) {
    clconv_cache_entry entries[4];
    return clconv_cache_list(entries, COUNT_OF(entries), &t->count);
}

static bool cache_is_listed(trial *t) {
    return t->count == 1;
}

static void test_cache_list_host_faults(void **state) {
    static const step listing = {"clconv_cache_list", list_cache, cache_is_listed, clean_nothing};
    trial t = {.algorithm = opencl_selector()};
    (void)state;
    if (strcmp(t.algorithm, "host") == 0)
        skip_because("there is no OpenCL device");
    setenv("CLCONV_CACHE_DIR", in_folder("cache"), 1);
    assert_ok(open_device(&t));
    close_device(&t);
    fail_everywhere(&t, &listing);
    assert_ok(clconv_cache_clear(NULL));
}

/* ---- plans ---- */

static int create_plan(trial *t) {
    clconv_plan_options options = CLCONV_PLAN_OPTIONS_INIT;
    options.algorithm = t->algorithm;
    return clconv_plan_create(&t->plan, t->device, &t->problem, &options);
}

static bool plan_exists(trial *t) {
    return t->plan != NULL;
}

static void destroy_plan(trial *t) {
    clconv_plan_destroy(t->plan);
    t->plan = NULL;
}

static int run_plan(trial *t) {
    tensor_set set = t->set;
    memset(t->result, POISON, t->bytes);
    for (size_t i = 0; i < TENSOR_COUNT; ++i)
        if (set.tensors[i].is_computed)
            set.tensors[i].data = t->result + result_offset(&set, i);
    const clconv_host_tensors tensors = host_tensors(&set);
    return clconv_plan_run(t->plan, &tensors);
}

static bool result_is_right(trial *t) {
    return memcmp(t->result, t->right, t->bytes) == 0;
}

static int pack(trial *t) {
    return clconv_plan_pack_weights(t->plan, t->set.tensors[CLCONV_WEIGHTS].data);
}

static bool packed_is_right(trial *t) {
    return run_plan(t) == CLCONV_OK && result_is_right(t);
}

static int refer(trial *t) {
    const clconv_host_tensors tensors = host_tensors(&t->set);
    return clconv_reference(t->values, NULL, &t->problem, &tensors);
}

static bool reference_is_right(trial *t) {
    return memcmp(t->values, t->right_values, result_count(&t->set) * sizeof(double)) == 0;
}

static int raise_bounds(trial *t) {
    const clconv_host_tensors tensors = host_tensors(&t->set);
    return clconv_algorithm_bound(t->values, &t->problem, &tensors, "winograd_4x4") ||
           clconv_algorithm_bound(t->values, &t->problem, &tensors, "phases_winograd");
}

static bool is_fine(trial *t) {
    (void)t;
    return true;
}

static const char *const problems[] = {
    "g2mb2_ic4ih7iw9_oc6kh3_ph1_bias_residual_act=relu",
    "ic4ih7iw9_oc6kh3_ph1_bias_act=relu",
    "g4ic4ih7iw9_oc4kh3_ph1_bias_act=relu",
    "ic4ih7iw9_oc6kh3_ph1_dir=backward_data",
    "g2ic4ih7iw9_oc6kh3_sh2_ph1_dir=backward_data",
    "ic4ih7iw9_oc6kh3_ph1_bias_dir=backward_weights",
    "ic4ih7iw9_oc6kh3_ph1_bias_dir=transposed",
};

static void make_trial(trial *t, const char *text) {
    uint64_t random = 1;
    assert_ok(clconv_problem_parse(&t->problem, text));
    make_tensors(&t->set, &t->problem, &random, SMALL_INTEGERS);
    t->bytes = result_bytes(&t->set);
    t->right = calloc(1, t->bytes);
    t->result = calloc(1, t->bytes);
    t->values = calloc(result_count(&t->set), sizeof(double));
    t->right_values = calloc(result_count(&t->set), sizeof(double));
    assert_true(t->right && t->result && t->values && t->right_values);
}

static void free_trial(trial *t) {
    free(t->right_values);
    free(t->values);
    free(t->result);
    free(t->right);
    free_tensors(&t->set);
}

/* An algorithm meets the first problem of each direction that it takes. */
static void test_plan_host_faults(void **state) {
    static const step creating = {"clconv_plan_create", create_plan, plan_exists, destroy_plan};
    trial t = {0};
    size_t plans = 0;
    unsigned done[64] = {0}; /* directions of each algorithm */
    (void)state;
    assert_in_range(clconv_algorithm_count(), 1, COUNT_OF(done));
    assert_ok(clconv_device_open(&t.device, opencl_selector()));
    for (size_t i = 0; i < COUNT_OF(problems); ++i) {
        make_trial(&t, problems[i]);
        for (size_t a = 0; a < clconv_algorithm_count(); ++a) {
            t.algorithm = clconv_algorithm_name(a);
            if (done[a] >> t.problem.direction & 1 ||
                !clconv_algorithm_is_for(t.device, t.algorithm) ||
                clconv_algorithm_check(NULL, NULL, t.device, &t.problem, t.algorithm))
                continue;
            fail_everywhere(&t, &creating);
            done[a] |= 1U << t.problem.direction;
            ++plans;
        }
        free_trial(&t);
    }
    assert_true(plans > 0);
    clconv_device_destroy(t.device);
}

static void test_host_device_host_faults(void **state) {
    static const step steps[] = {
        {"clconv_plan_run", run_plan, result_is_right, clean_nothing},
        {"clconv_plan_pack_weights", pack, packed_is_right, clean_nothing},
    };
    static const step reference[] = {
        {"clconv_reference", refer, reference_is_right, clean_nothing},
        {"clconv_algorithm_bound", raise_bounds, is_fine, clean_nothing},
    };
    trial t = {.algorithm = "host"};
    (void)state;
    assert_ok(clconv_device_open(&t.device, "host"));
    for (size_t i = 0; i < COUNT_OF(problems); ++i) {
        make_trial(&t, problems[i]);
        assert_int_equal(create_plan(&t), CLCONV_OK);
        assert_int_equal(run_plan(&t), CLCONV_OK);
        memcpy(t.right, t.result, t.bytes);
        fail_everywhere(&t, &steps[0]);
        if (t.problem.direction != CLCONV_BACKWARD_WEIGHTS) {
            assert_int_equal(pack(&t), CLCONV_OK);
            fail_everywhere(&t, &steps[1]);
            fail_everywhere(&t, &steps[0]);
        }
        destroy_plan(&t);
        assert_int_equal(refer(&t), CLCONV_OK);
        memcpy(t.right_values, t.values, result_count(&t.set) * sizeof(double));
        fail_everywhere(&t, &reference[0]);
        if (t.problem.direction == CLCONV_FORWARD && t.problem.groups < 4)
            fail_everywhere(&t, &reference[1]);
        free_trial(&t);
    }
    clconv_device_destroy(t.device);
}

/* ---- files of the command ---- */

static void assert_file(const char *name, const char *expected) {
    char text[64] = "";
    FILE *stream = fopen(in_folder(name), "rb");
    assert_non_null(stream);
    text[fread(text, 1, sizeof text - 1, stream)] = 0;
    fclose(stream);
    assert_string_equal(text, expected);
}

static void write_file(const char *name, const char *text) {
    FILE *stream = fopen(in_folder(name), "wb");
    assert_non_null(stream);
    fputs(text, stream);
    fclose(stream);
}

static size_t count_files(void) {
    size_t count = 0;
    DIR *d = opendir(folder);
    assert_non_null(d);
    while (readdir(d))
        ++count;
    closedir(d);
    return count;
}

static int replace_file(trial *t) {
    outfile file;
    if (!outfile_open(&file, in_folder("file"), t->message))
        return 1;
    fputs("new", file.stream);
    return !outfile_commit(&file, t->message);
}

static bool file_is_new(trial *t) {
    (void)t;
    assert_file("file", "new");
    return true;
}

/* The old file is there, or the new one, and nothing beside it. */
static void put_old_file(trial *t) {
    char text[8] = "";
    FILE *stream = fopen(in_folder("file"), "rb");
    assert_non_null(stream);
    text[fread(text, 1, sizeof text - 1, stream)] = 0;
    fclose(stream);
    if (strcmp(text, "old") != 0 && strcmp(text, "new") != 0)
        fail_msg("the file holds \"%s\" after %s failed", text,
                 faults()->name ? faults()->name : "nothing");
    if (*t->message && strcmp(text, "old") != 0)
        fail_msg("the file is new although %s failed", faults()->name);
    assert_int_equal(count_files(), t->count);
    write_file("file", "old");
}

static void test_outfile_host_faults(void **state) {
    static const step replacing = {"outfile", replace_file, file_is_new, put_old_file};
    trial t = {0};
    (void)state;
    write_file("file", "old");
    t.count = count_files();
    fail_everywhere(&t, &replacing);
}

static int read_array(trial *t) {
    return !npy_read(&t->array, CLCONV_SOURCE_DIR "/tests/cli/data/x_fortran.npy", t->message);
}

static bool array_is_there(trial *t) {
    return t->array.data && npy_elements(&t->array) > 0;
}

static void free_array(trial *t) {
    npy_free(&t->array);
    t->array = (npy_array){0};
}

static int read_picture(trial *t) {
    return !picture_read(&t->image, CLCONV_SOURCE_DIR "/tests/cli/data/rgb.png", t->message);
}

static bool picture_is_there(trial *t) {
    return t->image.samples && t->image.channels == 3;
}

static void free_picture(trial *t) {
    picture_free(&t->image);
}

static int read_cases(trial *t) {
    return (int)case_list_read(&t->cases, CLCONV_SOURCE_DIR "/tests/cases/vgg_16.txt", t->message);
}

static int read_embedded_cases(trial *t) {
    return (int)case_list_embedded(&t->cases, t->message);
}

static bool cases_are_there(trial *t) {
    return t->cases.count >= 9;
}

static void free_cases(trial *t) {
    case_list_free(&t->cases);
}

static void test_readers_host_faults(void **state) {
    static const step steps[] = {
        {"npy_read", read_array, array_is_there, free_array},
        {"picture_read", read_picture, picture_is_there, free_picture},
        {"case_list_read", read_cases, cases_are_there, free_cases},
        {"case_list_embedded", read_embedded_cases, cases_are_there, free_cases},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(steps); ++i) {
        trial t = {0};
        fail_everywhere(&t, &steps[i]);
    }
}

/* ---- workers ---- */

static const worker_options usual = {.timeout = 20};

static int open_worker(trial *t) {
    worker_device device;
    return (int)worker_open(&t->worker, &device, "host", &usual, t->message);
}

static bool worker_is_there(trial *t) {
    return t->worker != NULL;
}

static void close_worker(trial *t) {
    worker_close(t->worker);
    t->worker = NULL;
}

static int ask_worker(trial *t) {
    const worker_request request = {
        .data = &t->data, .algorithm = "host", .runs = 2, .runs_on_other_poison = 1};
    worker_reply reply;
    worker_run(&reply, t->worker, &request);
    snprintf(t->message, sizeof t->message, "%s", reply.message);
    return (int)reply.status;
}

/* A worker that was given up is replaced by the next question. */
static void ask_again(trial *t) {
    assert_int_equal(ask_worker(t), CLCONV_OK);
}

static int list_devices(trial *t) {
    clconv_device_info infos[16];
    return !worker_list_devices(infos, COUNT_OF(infos), &t->count, &usual, t->message);
}

static bool devices_are_listed(trial *t) {
    return t->count >= 1;
}

static int make_data(trial *t) {
    clconv_status status = case_data_make(&t->data, &t->problem, DATA_EXACT, 1);
    if (status)
        snprintf(t->message, sizeof t->message, "%s", clconv_status_text(status));
    return (int)status;
}

static bool data_is_there(trial *t) {
    return t->data.memory.bytes != NULL;
}

static void free_data(trial *t) {
    case_data_free(&t->data);
}

static void test_worker_host_faults(void **state) {
    static const step opening = {"worker_open", open_worker, worker_is_there, close_worker};
    static const step asking = {"worker_run", ask_worker, is_fine, ask_again};
    static const step listing = {"worker_list_devices", list_devices, devices_are_listed,
                                 clean_nothing};
    static const step data = {"case_data_make", make_data, data_is_there, free_data};
    trial t = {0};
    (void)state;
    assert_ok(clconv_problem_parse(&t.problem, "ic2ih3_oc2kh2"));
    fail_everywhere(&t, &data);
    fail_everywhere(&t, &opening);
    fail_everywhere(&t, &listing);
    assert_int_equal(make_data(&t), CLCONV_OK);
    assert_int_equal(open_worker(&t), CLCONV_OK);
    fail_everywhere(&t, &asking);
    close_worker(&t);
    free_data(&t);
}

static int make_folder(void **state) {
    (void)state;
    return make_temporary_folder(folder, "host-faults");
}

static int remove_folder(void **state) {
    char command[sizeof folder + 16];
    (void)state;
    print_message("%zu faults\n", all_tries);
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_worker_host_faults), /* before OpenCL has threads */
        cmocka_unit_test(test_device_open_host_faults),
        cmocka_unit_test(test_cache_list_host_faults),
        cmocka_unit_test(test_plan_host_faults),
        cmocka_unit_test(test_host_device_host_faults),
        cmocka_unit_test(test_outfile_host_faults),
        cmocka_unit_test(test_readers_host_faults),
    };
    return exit_code(cmocka_run_group_tests(tests, make_folder, remove_folder), COUNT_OF(tests));
}
