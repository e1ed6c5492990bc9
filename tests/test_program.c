/* Programs are taken from disk where they were built before, and built anew where that is damaged.
 */
#include "program.h"
#include "support/own_cache.h"
#include "support/run.h"

#include <dirent.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST = 64, PATH_BYTES = 512 };

static clconv_device *open_device(void) {
    clconv_device_info infos[MAX_DEVICES];
    clconv_device *device = NULL;
    size_t count;
    assert_ok(clconv_device_list(infos, MAX_DEVICES, &count));
    if (count < 2)
        skip_because("there is no OpenCL device");
    assert_ok(clconv_device_open(&device, infos[0].selector));
    return device;
}

/* How many programs the folder has; all of them are whole. */
static size_t count_programs(void) {
    clconv_cache_entry entries[MOST];
    size_t count;
    assert_ok(clconv_cache_list(entries, MOST, &count));
    assert_true(count < MOST);
    for (size_t i = 0; i < count; ++i)
        assert_true(entries[i].is_valid);
    return count;
}

/* An input of one picture that a 1x1 kernel doubles. */
static void check_result(clconv_device *device) {
    float x[12], y[12] = {0}, w = 2;
    clconv_problem problem;
    clconv_plan *plan = NULL;
    clconv_plan_options options = CLCONV_PLAN_OPTIONS_INIT;
    options.algorithm = "direct";
    for (int i = 0; i < 12; ++i)
        x[i] = (float)i;
    assert_ok(clconv_problem_parse(&problem, "ic1ih3iw4_oc1kh1"));
    assert_ok(clconv_plan_create(&plan, device, &problem, &options));
    assert_ok(
        clconv_plan_run(plan, &(clconv_host_tensors){.input = x, .weights = &w, .output = y}));
    for (int i = 0; i < 12; ++i)
        assert_true(y[i] == 2 * x[i]);
    clconv_plan_destroy(plan);
}

/* Calls change(path) on every file of the folder. */
static void change_files(void (*change)(const char *path)) {
    char path[PATH_BYTES];
    DIR *d = opendir(own_cache);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));)
        if (*e->d_name != '.') {
            snprintf(path, sizeof path, "%s/%.200s", own_cache, e->d_name);
            change(path);
        }
    closedir(d);
}

static void damage(const char *path) {
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    assert_int_equal(fseek(f, -100, SEEK_END), 0);
    assert_int_equal(fputs("rubbish", f) >= 0, 1);
    assert_int_equal(fclose(f), 0);
}

static void shorten(const char *path) {
    assert_int_equal(truncate(path, 1000), 0);
}

static void test_device_program_from_disk(void **state) {
    static void (*const changes[])(const char *) = {NULL, damage, shorten};
    (void)state;
    size_t count = 0;
    for (size_t i = 0; i < COUNT_OF(changes); ++i) {
        if (changes[i])
            change_files(changes[i]);
        clconv_device *device = open_device();
        check_result(device);
        clconv_device_destroy(device);
        assert_true(count_programs() >= 2); /* the probe and the algorithm */
        assert_true(!count || count_programs() == count);
        count = count_programs();
    }
}

/* One program for each source and options; a second device of the same kind compiles nothing. */
static void test_device_program_from_disk_is_used(void **state) {
    (void)state;
    clconv_device *device = open_device();
    cl_program first, second;
    assert_ok(clconv__device_program(&first, device, "direct.cl", ""));
    size_t count = count_programs();
    assert_ok(clconv__device_program(&second, device, "direct.cl", ""));
    assert_ptr_equal(first, second);
    assert_ok(clconv__device_program(&second, device, "direct.cl", " -DWIDE=1"));
    assert_ptr_not_equal(first, second);
    assert_int_equal(count_programs(), count + 1);
    clconv_device_destroy(device);

    /* From a binary a program has no source. */
    char source[8] = "";
    size_t size = 0;
    device = open_device();
    assert_ok(clconv__device_program(&first, device, "direct.cl", ""));
    if (clGetProgramInfo(first, CL_PROGRAM_SOURCE, 0, NULL, &size) == CL_SUCCESS && size > 1 &&
        size <= sizeof source)
        assert_int_equal(clGetProgramInfo(first, CL_PROGRAM_SOURCE, sizeof source, source, NULL),
                         CL_SUCCESS);
    assert_true(size <= 1 || !*source);
    assert_int_equal(count_programs(), count + 1);
    clconv_device_destroy(device);
}

/* What PoCL adds to every build changes what is built. */
static void test_device_program_of_other_flags(void **state) {
    (void)state;
    clconv_device *device = open_device();
    cl_program first, second;
    assert_ok(clconv__device_program(&first, device, "direct.cl", ""));
    const size_t count = count_programs();
    assert_int_equal(setenv("POCL_EXTRA_BUILD_FLAGS", "-DSOMETHING=1", 1), 0);
    const clconv_status status = clconv__device_program(&second, device, "direct.cl", "");
    assert_int_equal(unsetenv("POCL_EXTRA_BUILD_FLAGS"), 0);
    assert_ok(status);
    assert_ptr_not_equal(first, second);
    assert_int_equal(count_programs(), count + 1);
    clconv_device_destroy(device);
}

typedef struct asker {
    pthread_t thread;
    clconv_device *device;
    cl_program program;
    clconv_status status;
} asker;

static void *ask(void *context) {
    asker *a = context;
    a->status = clconv__device_program(&a->program, a->device, "direct.cl", "");
    return NULL;
}

static void test_device_program_for_many_threads(void **state) {
    asker askers[8] = {0};
    (void)state;
    clconv_device *device = open_device();
    for (size_t i = 0; i < COUNT_OF(askers); ++i) {
        askers[i].device = device;
        assert_int_equal(pthread_create(&askers[i].thread, NULL, ask, &askers[i]), 0);
    }
    for (size_t i = 0; i < COUNT_OF(askers); ++i) {
        assert_int_equal(pthread_join(askers[i].thread, NULL), 0);
        assert_int_equal(askers[i].status, CLCONV_OK);
        assert_ptr_equal(askers[i].program, askers[0].program);
    }
    clconv_device_destroy(device);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_device_program_from_disk, make_own_cache,
                                        remove_own_cache),
        cmocka_unit_test_setup_teardown(test_device_program_from_disk_is_used, make_own_cache,
                                        remove_own_cache),
        cmocka_unit_test_setup_teardown(test_device_program_of_other_flags, make_own_cache,
                                        remove_own_cache),
        cmocka_unit_test_setup_teardown(test_device_program_for_many_threads, make_own_cache,
                                        remove_own_cache),
    };
    return run_group(tests);
}
