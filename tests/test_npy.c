#include "npy.h"

#include "support.h"
#include "temporary.h"

#include <unistd.h>

/* A file that is removed at the end of the test. */
static char path[TEMPORARY_SIZE];

static int make_path(void **state) {
    (void)state;
    return make_temporary_file(path, "npy", NULL, 0);
}

static int remove_path(void **state) {
    (void)state;
    return unlink(path);
}

static void write_bytes(const void *bytes, size_t size) {
    FILE *stream = fopen(path, "wb");
    assert_non_null(stream);
    assert_int_equal(fwrite(bytes, 1, size, stream), size);
    assert_int_equal(fclose(stream), 0);
}

/* Writes a file of format `version` with this header and `size` bytes 0, 1, 2, ... behind it. */
static void write_file(int version, const char *header, size_t size) {
    FILE *stream = fopen(path, "wb");
    size_t length = strlen(header);
    assert_non_null(stream);
    fprintf(stream, "\x93NUMPY%c%c%c%c", version, 0, (int)(length & 0xff), (int)(length >> 8));
    if (version > 1)
        fprintf(stream, "%c%c", 0, 0);
    fputs(header, stream);
    for (size_t i = 0; i < size; i++)
        fputc((int)(i & 0xff), stream);
    assert_int_equal(fclose(stream), 0);
}

static npy_array read_array(void) {
    npy_array array = {0};
    char message[MESSAGE_SIZE] = "";
    if (!npy_read(&array, path, message))
        fail_msg("%s", message);
    return array;
}

/* The message is "'PATH' " and this text. */
static void assert_read_fails(const char *text) {
    npy_array array = {.rank = 77};
    char message[MESSAGE_SIZE] = "";
    char expected[MESSAGE_SIZE];
    snprintf(expected, sizeof expected, "'%s' %s", path, text);
    assert_false(npy_read(&array, path, message));
    assert_string_equal(message, expected);
    assert_int_equal(array.rank, 77);
}

static void assert_header_fails(const char *header, const char *text) {
    write_file(1, header, 4);
    assert_read_fails(text);
}

static void test_npy_read_every_type(void **state) {
    (void)state;
    for (npy_type type = NPY_F2; type <= NPY_I4; type++) {
        char header[128];
        size_t size = npy_type_size(type);
        npy_array array;
        snprintf(header, sizeof header, "{'descr': '<%s', 'fortran_order': False, 'shape': (2, 3)}",
                 npy_type_name(type));
        write_file(1, header, 6 * size);
        array = read_array();
        assert_int_equal(array.type, type);
        assert_int_equal(array.rank, 2);
        assert_int_equal(array.shape[0], 2);
        assert_int_equal(array.shape[1], 3);
        assert_int_equal(npy_elements(&array), 6);
        for (size_t i = 0; i < 6 * size; i++)
            assert_int_equal(((unsigned char *)array.data)[i], i);
        npy_free(&array);
    }
}

static void test_npy_read_every_format(void **state) {
    (void)state;
    for (int version = 1; version <= 3; version++) {
        npy_array array;
        write_file(version, "{\"shape\":(3,),\"descr\":\"|u1\",\"fortran_order\":False}  \n", 3);
        array = read_array();
        assert_int_equal(array.rank, 1);
        assert_int_equal(array.shape[0], 3);
        npy_free(&array);
    }
}

static void test_npy_read_scalar_and_empty(void **state) {
    npy_array array;
    (void)state;
    write_file(1, "{'descr': '|i1', 'fortran_order': False, 'shape': (), }", 1);
    array = read_array();
    assert_int_equal(array.rank, 0);
    assert_int_equal(npy_elements(&array), 1);
    npy_free(&array);
    write_file(1, "{'descr': '|i1', 'fortran_order': True, 'shape': (3, 0), }", 0);
    array = read_array();
    assert_int_equal(npy_elements(&array), 0);
    npy_free(&array);
}

static void test_npy_read_fortran_order(void **state) {
    static const unsigned char expected[] = {0, 6, 12, 18, 2, 8, 14, 20, 4, 10, 16, 22,
                                             1, 7, 13, 19, 3, 9, 15, 21, 5, 11, 17, 23};
    npy_array array;
    (void)state;
    write_file(1, "{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3, 4), }", 24);
    array = read_array();
    assert_memory_equal(array.data, expected, sizeof expected);
    npy_free(&array);
}

/* More than the memory that is asked for at first. */
static void test_npy_read_large(void **state) {
    size_t size = 5 * 1000 * 1001;
    npy_array array;
    (void)state;
    write_file(1, "{'descr': '|u1', 'fortran_order': False, 'shape': (5, 1000, 1001), }", size);
    array = read_array();
    for (size_t i = 0; i < size; i++)
        assert_int_equal(((unsigned char *)array.data)[i], i & 0xff);
    npy_free(&array);
}

static void test_npy_read_no_file(void **state) {
    npy_array array = {0};
    char message[MESSAGE_SIZE];
    (void)state;
    assert_false(npy_read(&array, "/nonexistent/x.npy", message));
    assert_string_equal(message,
                        "'/nonexistent/x.npy' cannot be opened: No such file or directory");
    assert_false(npy_read(&array, "/tmp", message));
    assert_string_equal(message, "'/tmp' cannot be read: Is a directory");
}

static void test_npy_read_bad_prefix(void **state) {
    static const char wrong_magic[16] = "\x93NUMPX\1";
    static const char version_4[16] = "\x93NUMPY\4";
    static const char version_1_1[16] = "\x93NUMPY\1\1";
    static const char long_header[16] = "\x93NUMPY\2\0\0\0\1\0";
    (void)state;
    write_bytes("", 0);
    assert_read_fails("is not a .npy file: it is too short");
    write_bytes(wrong_magic, sizeof wrong_magic);
    assert_read_fails("is not a .npy file: it does not begin with \\x93NUMPY");
    write_bytes(version_4, sizeof version_4);
    assert_read_fails("has .npy format 4.0; 1.0, 2.0 and 3.0 can be read");
    write_bytes(version_1_1, sizeof version_1_1);
    assert_read_fails("has .npy format 1.1; 1.0, 2.0 and 3.0 can be read");
    write_bytes(long_header, sizeof long_header);
    assert_read_fails("has a header of 65536 bytes; at most 65535 can be read");
    write_bytes(version_4, 7);
    assert_read_fails("is truncated: it ends in the header");
}

#define ENTRIES "'descr': '<f4', 'fortran_order': False, "

static void test_npy_read_bad_header(void **state) {
    static const char *const cases[][2] = {
        {"", "has a malformed header: expected '{' at ''"},
        {"{", "has a malformed header: expected a string at ''"},
        {"{}", "has a malformed header: 'descr' is missing"},
        {"{" ENTRIES "}", "has a malformed header: 'shape' is missing"},
        {"{'shape': ()}", "has a malformed header: 'descr' is missing"},
        {"{'descr", "has a malformed header: a string does not end at ''descr'"},
        {"{'descr\" ", "has a malformed header: a string does not end at ''descr\" '"},
        {"{'descr' '<f4'}", "has a malformed header: expected ':' at ''<f4'}'"},
        {"{'descr': 3}", "has a malformed header: expected a string at '3}'"},
        {"{'descr': [('a', '<f4')]}", "holds records; only plain numbers can be read"},
        {"{'descr': '>f4'}", "has big-endian numbers ('>f4'); convert it with astype('<f4')"},
        {"{'descr': '<c8'}", "has elements of type '<c8'; f2, f4, f8, i1, u1 and i4 can be read"},
        {"{'descr': 'f4'}", "has elements of type 'f4'; f2, f4, f8, i1, u1 and i4 can be read"},
        {"{'descr': ''}", "has elements of type ''; f2, f4, f8, i1, u1 and i4 can be read"},
        {"{'fortran_order': 1}", "has a malformed header: expected True or False at '1}'"},
        {"{'order': 1}", "has a malformed header: unknown key 'order'"},
        {"{'': 1}", "has a malformed header: unknown key ''"},
        {"{" ENTRIES "'descr': '<f4'}", "has a malformed header: 'descr' is there twice"},
        {"{" ENTRIES "'shape': 3}", "has a malformed header: expected '(' at '3}'"},
        {"{" ENTRIES "'shape': (3)}", "has a malformed header: expected ',' at ')}'"},
        {"{" ENTRIES "'shape': (3, 3", "has a malformed header: expected ')' at ''"},
        {"{" ENTRIES "'shape': (3,, 3)}", "has a malformed header: expected an extent at ', 3)}'"},
        {"{" ENTRIES "'shape': (-3,)}", "has a malformed header: expected an extent at '-3,)}'"},
        {"{" ENTRIES "'shape': (1,1,1,1,1,1,1,1,1)}", "has more than 8 axes"},
        {"{" ENTRIES "'shape': (99999999999999999999,)}",
         "has an extent that is too large: 99999999999999999999"},
        {"{" ENTRIES "'shape': (4294967296, 4294967296)}",
         "has a shape whose size in bytes overflows"},
        {"{" ENTRIES "'shape': (4611686018427387904,)}",
         "has a shape whose size in bytes overflows"},
        {"{" ENTRIES "'shape': () x}", "has a malformed header: expected '}' at 'x}'"},
        {"{" ENTRIES "'shape': ()} x", "has a malformed header: text behind '}'"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_header_fails(cases[i][0], cases[i][1]);
}

static void test_npy_read_zero_byte_in_header(void **state) {
    static const char bytes[] = "\x93NUMPY\1\0\4\0{\0}\n";
    (void)state;
    write_bytes(bytes, sizeof bytes - 1);
    assert_read_fails("has a malformed header: a zero byte");
}

static void test_npy_read_wrong_size(void **state) {
    (void)state;
    write_file(1, "{" ENTRIES "'shape': (2,)}", 7);
    assert_read_fails("is truncated: its shape needs 8 bytes, it has 7");
    write_file(1, "{" ENTRIES "'shape': (2,)}", 9);
    assert_read_fails("has bytes behind the 8 that its shape needs");
    write_file(1, "{" ENTRIES "'shape': (1000000000000,)}", 7);
    assert_read_fails("is truncated: its shape needs 4000000000000 bytes, it has 7");
}

/* Every prefix of a good file is an error, and none is read beyond its end. */
static void test_npy_read_every_truncation(void **state) {
    char bytes[256];
    FILE *stream;
    size_t size;
    (void)state;
    write_file(1, "{" ENTRIES "'shape': (2, 2), }", 16);
    stream = fopen(path, "rb");
    assert_non_null(stream);
    size = fread(bytes, 1, sizeof bytes, stream);
    fclose(stream);
    for (size_t length = 0; length < size; length++) {
        npy_array array = {0};
        char message[MESSAGE_SIZE];
        write_bytes(bytes, length);
        assert_false(npy_read(&array, path, message));
        assert_non_null(strstr(message, length < 6 ? "is not a .npy file" : "is truncated"));
    }
}

static void test_npy_write_as_numpy_does(void **state) {
    static const char header[] = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1), }";
    float values[2] = {1.5F, -2};
    npy_array array = {.data = values, .type = NPY_F4, .rank = 2, .shape = {2, 1}};
    char bytes[256];
    FILE *stream = fopen(path, "wb+");
    size_t size;
    (void)state;
    assert_non_null(stream);
    npy_write(stream, &array);
    rewind(stream);
    size = fread(bytes, 1, sizeof bytes, stream);
    fclose(stream);
    assert_int_equal(size, 128 + sizeof values);
    assert_memory_equal(bytes, "\x93NUMPY\1\0\x76\0", 10);
    assert_memory_equal(bytes + 10, header, sizeof header - 1);
    assert_int_equal(bytes[126], ' ');
    assert_int_equal(bytes[127], '\n');
    assert_memory_equal(bytes + 128, values, sizeof values);
}

static void test_npy_write_reads_back(void **state) {
    unsigned char values[24];
    (void)state;
    for (size_t i = 0; i < sizeof values; i++)
        values[i] = (unsigned char)(i * 7);
    for (size_t rank = 0; rank <= NPY_MAX_RANK; rank++) {
        npy_array array = {.data = values, .type = NPY_U1, .rank = rank};
        FILE *stream = fopen(path, "wb");
        npy_array copy;
        assert_non_null(stream);
        for (size_t i = 0; i < rank; i++)
            array.shape[i] = i < 3 ? i + 2 : 1;
        npy_write(stream, &array);
        assert_int_equal(fclose(stream), 0);
        copy = read_array();
        assert_int_equal(copy.rank, rank);
        assert_memory_equal(copy.shape, array.shape, sizeof array.shape);
        assert_memory_equal(copy.data, values, npy_elements(&array));
        npy_free(&copy);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_npy_read_every_type),
        cmocka_unit_test(test_npy_read_every_format),
        cmocka_unit_test(test_npy_read_scalar_and_empty),
        cmocka_unit_test(test_npy_read_fortran_order),
        cmocka_unit_test(test_npy_read_large),
        cmocka_unit_test(test_npy_read_no_file),
        cmocka_unit_test(test_npy_read_bad_prefix),
        cmocka_unit_test(test_npy_read_bad_header),
        cmocka_unit_test(test_npy_read_zero_byte_in_header),
        cmocka_unit_test(test_npy_read_wrong_size),
        cmocka_unit_test(test_npy_read_every_truncation),
        cmocka_unit_test(test_npy_write_as_numpy_does),
        cmocka_unit_test(test_npy_write_reads_back),
    };

    return exit_code(cmocka_run_group_tests(tests, make_path, remove_path), COUNT_OF(tests));
}
