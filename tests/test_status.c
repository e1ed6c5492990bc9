/* Status codes and the message of the last failure. */
#include "support/support.h"

#include <pthread.h>

static void test_status_name_every_status(void **state) {
    static const struct {
        clconv_status status;
        int value;
        const char *name;
        const char *text;
    } rows[] = {
        {CLCONV_OK, 0, "CLCONV_OK", "success"},
        {CLCONV_INVALID_ARGUMENT, -1, "CLCONV_INVALID_ARGUMENT", "argument"},
        {CLCONV_INVALID_PROBLEM, -2, "CLCONV_INVALID_PROBLEM", "problem"},
        {CLCONV_SYNTAX, -3, "CLCONV_SYNTAX", "parsed"},
        {CLCONV_SIZE_OVERFLOW, -4, "CLCONV_SIZE_OVERFLOW", "does not fit"},
        {CLCONV_UNSUPPORTED, -5, "CLCONV_UNSUPPORTED", "nothing here computes it"},
        {CLCONV_UNKNOWN_ALGORITHM, -6, "CLCONV_UNKNOWN_ALGORITHM", "no algorithm"},
        {CLCONV_NO_DEVICE, -7, "CLCONV_NO_DEVICE", "device"},
        {CLCONV_WRONG_CONTEXT, -8, "CLCONV_WRONG_CONTEXT", "another context"},
        {CLCONV_BUFFER_TOO_SMALL, -9, "CLCONV_BUFFER_TOO_SMALL", "buffer"},
        {CLCONV_OUT_OF_MEMORY, -10, "CLCONV_OUT_OF_MEMORY", "memory"},
        {CLCONV_BUILD_FAILED, -11, "CLCONV_BUILD_FAILED", "compiler"},
        {CLCONV_OPENCL, -12, "CLCONV_OPENCL", "OpenCL"},
        {CLCONV_CLBLAST, -13, "CLCONV_CLBLAST", "CLBlast"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); ++i) {
        assert_int_equal(rows[i].status, rows[i].value);
        assert_string_equal(clconv_status_name(rows[i].status), rows[i].name);
        assert_non_null(strstr(clconv_status_text(rows[i].status), rows[i].text));
    }
}

static void test_status_name_unknown_number(void **state) {
    static const int numbers[] = {1, 99, -99, -1000, INT32_MAX, INT32_MIN};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(numbers); ++i) {
        assert_string_equal(clconv_status_name((clconv_status)numbers[i]), "unknown status");
        assert_string_equal(clconv_status_text((clconv_status)numbers[i]), "unknown status");
    }
}

static void test_version_matches_header(void **state) {
    char expected[32];
    (void)state;
    snprintf(expected, sizeof expected, "%d.%d.%d", CLCONV_VERSION_MAJOR, CLCONV_VERSION_MINOR,
             CLCONV_VERSION_PATCH);
    assert_string_equal(clconv_version(), expected);
}

static clconv_status fail_with_stride_of_zero(void) {
    clconv_problem problem = CLCONV_PROBLEM_INIT;
    problem.stride[CLCONV_H] = 0;
    return clconv_problem_validate(&problem);
}

static clconv_status fail_with_groups_of_zero(void) {
    clconv_problem problem = CLCONV_PROBLEM_INIT;
    problem.groups = 0;
    return clconv_problem_validate(&problem);
}

static void test_last_message_kept_until_next_failure(void **state) {
    clconv_problem problem = CLCONV_PROBLEM_INIT;
    (void)state;
    assert_fails(fail_with_stride_of_zero(), CLCONV_INVALID_PROBLEM, "stride");
    assert_ok(clconv_problem_validate(&problem));
    assert_message("stride");
    assert_fails(fail_with_groups_of_zero(), CLCONV_INVALID_PROBLEM, "groups");
    assert_null(strstr(clconv_last_message(), "stride"));
}

typedef struct thread_result {
    char before[64];
    char after[64];
} thread_result;

static void *fail_in_thread(void *argument) {
    thread_result *result = argument;
    snprintf(result->before, sizeof result->before, "%s", clconv_last_message());
    (void)fail_with_groups_of_zero();
    snprintf(result->after, sizeof result->after, "%s", clconv_last_message());
    return NULL;
}

static void test_last_message_belongs_to_its_thread(void **state) {
    thread_result result;
    pthread_t thread;
    (void)state;
    assert_fails(fail_with_stride_of_zero(), CLCONV_INVALID_PROBLEM, "stride");
    assert_int_equal(pthread_create(&thread, NULL, fail_in_thread, &result), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_string_equal(result.before, "");
    assert_non_null(strstr(result.after, "groups"));
    assert_message("stride");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status_name_every_status),
        cmocka_unit_test(test_status_name_unknown_number),
        cmocka_unit_test(test_version_matches_header),
        cmocka_unit_test(test_last_message_kept_until_next_failure),
        cmocka_unit_test(test_last_message_belongs_to_its_thread),
    };
    return run_group(tests);
}
