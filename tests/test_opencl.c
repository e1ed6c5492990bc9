/* OpenCL's codes as names and statuses. */
#include "support/support.h"

#include "opencl.h"

static void test_cl_error_name_known_and_unknown(void **state) {
    static const struct {
        cl_int code;
        const char *name;
    } rows[] = {
        {0, "CL_SUCCESS"},
        {-1, "CL_DEVICE_NOT_FOUND"},
        {-4, "CL_MEM_OBJECT_ALLOCATION_FAILURE"},
        {-5, "CL_OUT_OF_RESOURCES"},
        {-11, "CL_BUILD_PROGRAM_FAILURE"},
        {-14, "CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST"},
        {-30, "CL_INVALID_VALUE"},
        {-34, "CL_INVALID_CONTEXT"},
        {-38, "CL_INVALID_MEM_OBJECT"},
        {-54, "CL_INVALID_WORK_GROUP_SIZE"},
        {-67, "CL_INVALID_LINKER_OPTIONS"},
        {-1001, "CL_PLATFORM_NOT_FOUND_KHR"},
        {1, "unknown OpenCL code"},
        {-99999, "unknown OpenCL code"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); ++i)
        assert_string_equal(clconv__cl_error_name(rows[i].code), rows[i].name);
}

static void test_cl_check_names_call_and_code(void **state) {
    (void)state;
    assert_ok(clconv__cl_check(CL_SUCCESS, "clFinish"));
    assert_fails(clconv__cl_check(CL_INVALID_VALUE, "clCreateBuffer"), CLCONV_OPENCL,
                 "clCreateBuffer");
    assert_message("-30");
    assert_message("CL_INVALID_VALUE");
    assert_fails(clconv__cl_check(-77777, "clFinish"), CLCONV_OPENCL, "-77777");
}

static void test_cl_check_memory_codes(void **state) {
    static const cl_int codes[] = {CL_MEM_OBJECT_ALLOCATION_FAILURE, CL_OUT_OF_HOST_MEMORY};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(codes); ++i)
        assert_fails(clconv__cl_check(codes[i], "clCreateBuffer"), CLCONV_OUT_OF_MEMORY,
                     clconv__cl_error_name(codes[i]));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cl_error_name_known_and_unknown),
        cmocka_unit_test(test_cl_check_names_call_and_code),
        cmocka_unit_test(test_cl_check_memory_codes),
    };
    return run_group(tests);
}
