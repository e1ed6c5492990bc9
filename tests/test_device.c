/* also: no-device */
/* Devices: listing, opening by selector, the fallback to the host, and the caller's own objects. */
#include "support/support.h"

#include <time.h>

static clconv_device *const not_null = (clconv_device *)(uintptr_t)8;

enum { MAX_PLATFORMS = 16 };

/* What OpenCL itself says, in the order of platforms and devices. */
typedef struct opencl_devices {
    cl_device_id ids[MAX_DEVICES];
    char selectors[MAX_DEVICES][32];
    size_t count;
} opencl_devices;

static void find_opencl_devices(opencl_devices *found) {
    cl_platform_id platforms[MAX_PLATFORMS];
    cl_uint platform_count = 0;
    found->count = 0;
    if (clGetPlatformIDs(MAX_PLATFORMS, platforms, &platform_count) != CL_SUCCESS)
        return;
    for (cl_uint p = 0; p < platform_count; ++p) {
        cl_uint device_count = 0;
        cl_device_id *ids = found->ids + found->count;
        if (clGetDeviceIDs(platforms[p], CL_DEVICE_TYPE_ALL, (cl_uint)(MAX_DEVICES - found->count),
                           ids, &device_count) != CL_SUCCESS)
            continue;
        for (cl_uint d = 0; d < device_count; ++d)
            snprintf(found->selectors[found->count++], sizeof found->selectors[0], "%u:%u", p, d);
    }
}

/* A device of OpenCL that works, or a skipped test. */
static clconv_device *open_any_opencl_device(void) {
    opencl_devices found;
    clconv_device *device = NULL;
    find_opencl_devices(&found);
    for (size_t i = 0; i < found.count; ++i)
        if (clconv_device_open(&device, found.selectors[i]) == CLCONV_OK)
            return device;
    skip_because("there is no OpenCL device");
    return NULL;
}

static void assert_info_is_sane(const clconv_device_info *info) {
    bool is_host = info->kind == CLCONV_KIND_HOST;
    assert_in_range(info->kind, CLCONV_KIND_HOST, CLCONV_KIND_ACCELERATOR);
    assert_int_equal(strcmp(info->selector, "host") == 0, is_host);
    assert_true(strlen(info->name) > 0);
    assert_true(strlen(info->driver) > 0);
    assert_int_equal(strlen(info->platform) > 0, !is_host);
    assert_int_equal(strlen(info->version) > 0, !is_host);
    assert_true(info->compute_units > 0);
    assert_true(info->max_work_group_size > 0);
    for (size_t i = 0; i < 3; ++i)
        assert_true(info->max_work_item_sizes[i] > 0);
    assert_true(info->global_memory_size > 0);
    assert_in_range(info->max_allocation_size, 1, info->global_memory_size);
    if (is_host) {
        assert_int_equal(info->max_work_group_size, 1);
        assert_int_equal(info->local_memory_size, 0);
    } else {
        assert_non_null(strstr(info->version, "OpenCL"));
        assert_true(info->local_memory_size > 0);
    }
}

/* ---- listing ---- */

static void test_device_list_agrees_with_opencl(void **state) {
    opencl_devices found;
    clconv_device_info infos[MAX_DEVICES];
    size_t count = 0;
    (void)state;
    find_opencl_devices(&found);
    assert_ok(clconv_device_list(infos, MAX_DEVICES, &count));
    assert_int_equal(count, found.count + 1);
    for (size_t i = 0; i < count; ++i) {
        assert_info_is_sane(&infos[i]);
        assert_string_equal(infos[i].selector, i < found.count ? found.selectors[i] : "host");
        assert_int_equal(infos[i].usable, 0);
        assert_int_equal(infos[i].f64_probed, 0);
    }
}

static void test_device_list_with_little_capacity(void **state) {
    clconv_device_info infos[MAX_DEVICES];
    size_t count = 0, again = 0;
    (void)state;
    assert_ok(clconv_device_list(NULL, 0, &count));
    assert_true(count >= 1);
    memset(infos, 0x5a, sizeof infos);
    assert_ok(clconv_device_list(infos, 1, &again));
    assert_int_equal(again, count);
    assert_info_is_sane(&infos[0]);
    assert_int_equal(((unsigned char *)&infos[1])[0], 0x5a);
}

static void test_device_list_null_arguments(void **state) {
    clconv_device_info info;
    size_t count = 77;
    (void)state;
    assert_fails(clconv_device_list(&info, 1, NULL), CLCONV_INVALID_ARGUMENT, "count");
    assert_fails(clconv_device_list(NULL, 1, &count), CLCONV_INVALID_ARGUMENT, "infos");
    assert_int_equal(count, 77);
}

/* ---- opening ---- */

static void test_device_open_every_listed_selector(void **state) {
    clconv_device_info infos[MAX_DEVICES], info;
    size_t count = 0;
    (void)state;
    assert_ok(clconv_device_list(infos, MAX_DEVICES, &count));
    for (size_t i = 0; i < count; ++i) {
        clconv_device *device = not_null;
        clconv_status status = clconv_device_open(&device, infos[i].selector);
        if (status == CLCONV_NO_DEVICE) {
            assert_message(infos[i].selector);
            assert_null(device);
            continue;
        }
        assert_ok(status);
        assert_ok(clconv_device_get_info(&info, device));
        assert_info_is_sane(&info);
        assert_int_equal(info.usable, 1);
        assert_string_equal(info.selector, infos[i].selector);
        assert_string_equal(info.name, infos[i].name);
        assert_int_equal(info.kind, infos[i].kind);
        assert_true(!info.f64_probed || info.f64_claimed);
        clconv_device_destroy(device);
    }
}

static void test_device_open_host(void **state) {
    clconv_device *device = NULL;
    clconv_device_info info;
    cl_context context = NULL;
    (void)state;
    assert_ok(clconv_device_open(&device, "host"));
    assert_ok(clconv_device_get_info(&info, device));
    assert_info_is_sane(&info);
    assert_int_equal(info.kind, CLCONV_KIND_HOST);
    assert_int_equal(info.f64_probed, 1);
    assert_string_equal(info.note, "");
    assert_fails(clconv_device_opencl(device, &context, NULL, NULL), CLCONV_UNSUPPORTED, "host");
    assert_null(context);
    clconv_device_destroy(device);
}

/* The first device of the kind, or a sentence that names what was asked for. */
static void test_device_open_by_kind(void **state) {
    static const struct {
        const char *selector;
        clconv_device_kind kind;
    } rows[] = {{"gpu", CLCONV_KIND_GPU},
                {"cpu", CLCONV_KIND_CPU},
                {"accelerator", CLCONV_KIND_ACCELERATOR}};
    clconv_device_info infos[MAX_DEVICES], info;
    size_t count = 0;
    (void)state;
    assert_ok(clconv_device_list(infos, MAX_DEVICES, &count));
    for (size_t row = 0; row < COUNT_OF(rows); ++row) {
        clconv_device *device = not_null;
        size_t listed = 0;
        for (size_t i = 0; i < count; ++i)
            listed += infos[i].kind == rows[row].kind;
        clconv_status status = clconv_device_open(&device, rows[row].selector);
        if (listed == 0 || status == CLCONV_NO_DEVICE) {
            assert_fails(status, CLCONV_NO_DEVICE, rows[row].selector);
            assert_null(device);
            continue;
        }
        assert_ok(status);
        assert_ok(clconv_device_get_info(&info, device));
        assert_int_equal(info.kind, rows[row].kind);
        clconv_device_destroy(device);
    }
}

/* Rank of a kind among those that NULL prefers: GPU, accelerator, CPU, host. */
static int preference(clconv_device_kind kind) {
    static const int ranks[] = {[CLCONV_KIND_HOST] = 3,
                                [CLCONV_KIND_CPU] = 2,
                                [CLCONV_KIND_GPU] = 0,
                                [CLCONV_KIND_ACCELERATOR] = 1};
    return ranks[kind];
}

/* Falling back to the host is no failure, but the info says that it happened and why. */
static void test_device_open_best(void **state) {
    device_set all;
    clconv_device *device = NULL;
    clconv_device_info info;
    int best = 3;
    (void)state;
    open_devices(&all);
    for (size_t i = 0; i < all.count; ++i)
        if (preference(all.infos[i].kind) < best)
            best = preference(all.infos[i].kind);
    assert_ok(clconv_device_open(&device, NULL));
    assert_ok(clconv_device_get_info(&info, device));
    assert_info_is_sane(&info);
    assert_int_equal(info.usable, 1);
    assert_int_equal(preference(info.kind), best);
    if (info.kind == CLCONV_KIND_HOST) {
        assert_true(strlen(info.note) > 20);
        assert_non_null(strstr(info.note, "OpenCL"));
    }
    clconv_device_destroy(device);
    close_devices(&all);
}

static void test_device_open_absent_devices(void **state) {
    static const char *const selectors[] = {"99:0", "0:99", "4294967295:0", "0:4294967295"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(selectors); ++i) {
        clconv_device *device = not_null;
        assert_fails(clconv_device_open(&device, selectors[i]), CLCONV_NO_DEVICE, selectors[i]);
        assert_null(device);
    }
}

static void test_device_open_malformed_selectors(void **state) {
    static const char *const selectors[] = {
        "",     "x",     "0",     "0:",   ":0",   ":",     "0:0:0", "0:0 ", " 0:0", "0 :0",
        "0: 0", "-1:0",  "0:-1",  "+0:0", "0:+0", "0x0:0", "0:0x0", "a:b",  "GPU",  "gpu ",
        " gpu", "gpu:0", "hosts", "hos",  "0.0",  "0:0\n", "all",   "0,0",  "0;0",
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(selectors); ++i) {
        char quoted[32];
        clconv_device *device = not_null;
        snprintf(quoted, sizeof quoted, "\"%s\"", selectors[i]);
        assert_fails(clconv_device_open(&device, selectors[i]), CLCONV_INVALID_ARGUMENT, quoted);
        assert_null(device);
    }
}

/* Numbers that overflow must not wrap around to a device that is there. */
static void test_device_open_numbers_that_overflow(void **state) {
    static const char *const selectors[] = {"4294967296:0", "0:4294967296",
                                            "18446744073709551616:0", "0:18446744073709551616",
                                            "99999999999999999999999999999999:0"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(selectors); ++i) {
        clconv_device *device = not_null;
        clconv_status status = clconv_device_open(&device, selectors[i]);
        assert_true(status == CLCONV_NO_DEVICE || status == CLCONV_INVALID_ARGUMENT);
        assert_message(selectors[i]);
        assert_null(device);
    }
}

static void test_device_functions_null_arguments(void **state) {
    clconv_device_info info;
    clconv_device *device = NULL;
    cl_context context;
    (void)state;
    assert_fails(clconv_device_open(NULL, "host"), CLCONV_INVALID_ARGUMENT, "device");
    assert_fails(clconv_device_get_info(&info, NULL), CLCONV_INVALID_ARGUMENT, "device");
    assert_fails(clconv_device_opencl(NULL, &context, NULL, NULL), CLCONV_INVALID_ARGUMENT,
                 "device");
    assert_ok(clconv_device_open(&device, "host"));
    assert_fails(clconv_device_get_info(NULL, device), CLCONV_INVALID_ARGUMENT, "info");
    clconv_device_destroy(device);
    clconv_device_destroy(NULL);
}

/* ---- OpenCL objects ---- */

static void test_device_opencl_gives_its_objects(void **state) {
    clconv_device *device = open_any_opencl_device();
    cl_context context = NULL, of_queue = NULL;
    cl_device_id id = NULL;
    cl_command_queue queue = NULL;
    cl_command_queue_properties properties = 0;
    (void)state;
    assert_ok(clconv_device_opencl(device, &context, &id, &queue));
    assert_int_equal(
        clGetCommandQueueInfo(queue, CL_QUEUE_CONTEXT, sizeof of_queue, &of_queue, NULL),
        CL_SUCCESS);
    assert_ptr_equal(of_queue, context);
    assert_int_equal(
        clGetCommandQueueInfo(queue, CL_QUEUE_PROPERTIES, sizeof properties, &properties, NULL),
        CL_SUCCESS);
    assert_int_equal(properties, CL_QUEUE_PROFILING_ENABLE);
    assert_ok(clconv_device_opencl(device, NULL, NULL, NULL));
    clconv_device_destroy(device);
}

static cl_uint references(cl_context context) {
    cl_uint count = 0;
    assert_int_equal(
        clGetContextInfo(context, CL_CONTEXT_REFERENCE_COUNT, sizeof count, &count, NULL),
        CL_SUCCESS);
    return count;
}

static void pause_milliseconds(long count) {
    nanosleep(&(struct timespec){.tv_nsec = count * 1000000}, NULL);
}

/* Drivers may let go of finished work's objects a little later, from threads of their own. */
static void assert_references_become(cl_context context, cl_uint expected) {
    for (int tries = 0; references(context) != expected && tries < 1000; ++tries)
        pause_milliseconds(5);
    pause_milliseconds(50);
    assert_int_equal(references(context), expected);
}

static void test_device_from_opencl_retains_and_releases(void **state) {
    clconv_device *first = open_any_opencl_device(), *device = NULL;
    clconv_device_info info;
    cl_context context = NULL, same = NULL;
    cl_device_id id = NULL, same_id = NULL;
    cl_int code;
    (void)state;
    assert_ok(clconv_device_opencl(first, NULL, &id, NULL));
    context = clCreateContext(NULL, 1, &id, NULL, NULL, &code);
    assert_int_equal(code, CL_SUCCESS);
    assert_int_equal(clRetainContext(context), CL_SUCCESS);
    cl_uint before = references(context);
    assert_ok(clconv_device_from_opencl(&device, context, id));
    assert_true(references(context) > before);
    assert_ok(clconv_device_get_info(&info, device));
    assert_info_is_sane(&info);
    assert_int_equal(info.usable, 1);
    assert_ok(clconv_device_opencl(device, &same, &same_id, NULL));
    assert_ptr_equal(same, context);
    assert_ptr_equal(same_id, id);
    clconv_device_destroy(device);
    assert_references_become(context, before);
    clReleaseContext(context);
    clReleaseContext(context);
    clconv_device_destroy(first);
}

static void test_device_from_opencl_null_arguments(void **state) {
    clconv_device *first = open_any_opencl_device(), *device = not_null;
    cl_context context = NULL;
    cl_device_id id = NULL;
    (void)state;
    assert_ok(clconv_device_opencl(first, &context, &id, NULL));
    assert_fails(clconv_device_from_opencl(NULL, context, id), CLCONV_INVALID_ARGUMENT, "device");
    assert_fails(clconv_device_from_opencl(&device, NULL, id), CLCONV_INVALID_ARGUMENT, "context");
    assert_null(device);
    device = not_null;
    assert_fails(clconv_device_from_opencl(&device, context, NULL), CLCONV_INVALID_ARGUMENT, "id");
    assert_null(device);
    clconv_device_destroy(first);
}

/* A sub-device stands in for the second device of a machine that has one. */
static void test_device_from_opencl_device_outside_context(void **state) {
    static const cl_device_partition_property halves[] = {CL_DEVICE_PARTITION_EQUALLY, 1, 0};
    clconv_device *first = open_any_opencl_device(), *device = not_null;
    cl_context context = NULL;
    cl_device_id id = NULL, parts[64] = {NULL};
    cl_uint count = 0;
    (void)state;
    assert_ok(clconv_device_opencl(first, &context, &id, NULL));
    if (clCreateSubDevices(id, halves, COUNT_OF(parts), parts, &count) != CL_SUCCESS || count < 1) {
        clconv_device_destroy(first);
        skip_because("the device cannot be partitioned");
    }
    cl_uint before = references(context);
    assert_fails(clconv_device_from_opencl(&device, context, parts[0]), CLCONV_WRONG_CONTEXT,
                 "context");
    assert_null(device);
    assert_references_become(context, before);
    for (cl_uint i = 0; i < count; ++i)
        clReleaseDevice(parts[i]);
    clconv_device_destroy(first);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_device_list_agrees_with_opencl),
        cmocka_unit_test(test_device_list_with_little_capacity),
        cmocka_unit_test(test_device_list_null_arguments),
        cmocka_unit_test(test_device_open_every_listed_selector),
        cmocka_unit_test(test_device_open_host),
        cmocka_unit_test(test_device_open_by_kind),
        cmocka_unit_test(test_device_open_best),
        cmocka_unit_test(test_device_open_absent_devices),
        cmocka_unit_test(test_device_open_malformed_selectors),
        cmocka_unit_test(test_device_open_numbers_that_overflow),
        cmocka_unit_test(test_device_functions_null_arguments),
        cmocka_unit_test(test_device_opencl_gives_its_objects),
        cmocka_unit_test(test_device_from_opencl_retains_and_releases),
        cmocka_unit_test(test_device_from_opencl_null_arguments),
        cmocka_unit_test(test_device_from_opencl_device_outside_context),
    };
    return run_group(tests);
}
