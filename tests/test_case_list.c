/* Files of problems, one per line. */
#include "case_list.h"

#include "support.h"
#include "temporary.h"

#include <unistd.h>

/* Reads a file of these bytes; the number of problems, or -1 with a message. */
static int read_cases(const char *bytes, size_t size, char message[MESSAGE_SIZE]) {
    char path[TEMPORARY_SIZE];
    case_list list = {0};
    assert_int_equal(make_temporary_file(path, "case-list", bytes, size), 0);
    *message = 0;
    clconv_status status = case_list_read(&list, path, message);
    int count = status ? -1 : (int)list.count;
    case_list_free(&list);
    unlink(path);
    return count;
}

#define READ(text) read_cases(text, sizeof(text) - 1, message)

static void test_case_list_read_lines(void **state) {
    char message[MESSAGE_SIZE];
    (void)state;
    assert_int_equal(READ(""), 0);
    assert_int_equal(READ("# nothing\n\n   \t\r\n"), 0);
    assert_int_equal(READ("ic1ih3_oc1kh2\r\n  ic1ih3_oc1kh2"), 2);
}

static void test_case_list_read_names_the_line(void **state) {
    char message[MESSAGE_SIZE];
    (void)state;
    assert_int_equal(READ("ic1ih3_oc1kh2\n\nic1ih3_oc1kh4\n"), -1);
    assert_non_null(strstr(message, "line 3"));
}

/* What lies behind a zero byte would be passed over in silence. */
static void test_case_list_read_zero_byte(void **state) {
    char message[MESSAGE_SIZE];
    (void)state;
    assert_int_equal(READ("ic1ih3_oc1kh2\n\0\nic1ih3_oc1kh4\n"), -1);
    assert_non_null(strstr(message, "zero byte"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_case_list_read_lines),
        cmocka_unit_test(test_case_list_read_names_the_line),
        cmocka_unit_test(test_case_list_read_zero_byte),
    };
    return run_group(tests);
}
