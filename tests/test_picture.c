#include "picture.h"

#include "support.h"
#include "temporary.h"

#include <unistd.h>

/* A file that is removed at the end of the test. */
static char path[TEMPORARY_SIZE];

static int make_path(void **state) {
    (void)state;
    return make_temporary_file(path, "picture", NULL, 0);
}

static int remove_path(void **state) {
    (void)state;
    return unlink(path);
}

static void write_picture(const picture *p) {
    char message[MESSAGE_SIZE];
    FILE *stream = fopen(path, "wb");
    assert_non_null(stream);
    if (!picture_write(stream, p, message))
        fail_msg("%s", message);
    assert_int_equal(fclose(stream), 0);
}

static size_t read_bytes(unsigned char *bytes, size_t size) {
    FILE *stream = fopen(path, "rb");
    size_t count;
    assert_non_null(stream);
    count = fread(bytes, 1, size, stream);
    fclose(stream);
    return count;
}

static void write_bytes(const void *bytes, size_t size) {
    FILE *stream = fopen(path, "wb");
    assert_non_null(stream);
    assert_int_equal(fwrite(bytes, 1, size, stream), size);
    assert_int_equal(fclose(stream), 0);
}

static void assert_read_fails(const char *text) {
    picture p = {.width = 77};
    char message[MESSAGE_SIZE] = "";
    char start[MESSAGE_SIZE];
    snprintf(start, sizeof start, "'%s' ", path);
    assert_false(picture_read(&p, path, message));
    assert_int_equal(strncmp(message, start, strlen(start)), 0);
    assert_non_null(strstr(message, text));
    assert_int_equal(p.width, 77);
}

static void test_picture_write_reads_back(void **state) {
    unsigned char samples[5 * 3 * 4];
    (void)state;
    for (size_t i = 0; i < sizeof samples; i++)
        samples[i] = (unsigned char)(i * 37 + 1);
    for (size_t channels = 1; channels <= 4; channels++) {
        picture p = {.samples = samples, .width = 5, .height = 3, .channels = channels};
        picture copy = {0};
        char message[MESSAGE_SIZE] = "";
        write_picture(&p);
        if (!picture_read(&copy, path, message))
            fail_msg("%s", message);
        assert_int_equal(copy.width, 5);
        assert_int_equal(copy.height, 3);
        assert_int_equal(copy.channels, channels);
        assert_int_equal(picture_has_alpha(&copy), channels == 2 || channels == 4);
        assert_memory_equal(copy.samples, samples, 15 * channels);
        picture_free(&copy);
        assert_null(copy.samples);
    }
}

static void test_picture_read_no_file(void **state) {
    picture p = {0};
    char message[MESSAGE_SIZE];
    (void)state;
    assert_false(picture_read(&p, "/nonexistent/x.png", message));
    assert_string_equal(message,
                        "'/nonexistent/x.png' cannot be opened: No such file or directory");
}

static void test_picture_read_garbage(void **state) {
    (void)state;
    write_bytes("", 0);
    assert_read_fails("is no readable .png file: ");
    write_bytes("P6 1 1 255 abc", 14);
    assert_read_fails("is no readable .png file: ");
}

/* Whatever is cut off or changed: an error or a picture, never a crash. */
static void test_picture_read_every_truncation(void **state) {
    unsigned char samples[4 * 4 * 3] = {1, 2, 3};
    picture p = {.samples = samples, .width = 4, .height = 4, .channels = 3};
    unsigned char bytes[512];
    size_t size;
    (void)state;
    write_picture(&p);
    size = read_bytes(bytes, sizeof bytes);
    /* libpng does not miss the last chunk, IEND, once it has all samples. */
    for (size_t length = 0; length + 16 < size; length++) {
        write_bytes(bytes, length);
        assert_read_fails("is no readable .png file: ");
    }
}

static void test_picture_read_every_damage(void **state) {
    unsigned char samples[4 * 4 * 3] = {1, 2, 3};
    picture p = {.samples = samples, .width = 4, .height = 4, .channels = 3};
    unsigned char bytes[512];
    size_t size;
    (void)state;
    write_picture(&p);
    size = read_bytes(bytes, sizeof bytes);
    for (size_t i = 0; i < size; i++) {
        picture copy = {0};
        char message[MESSAGE_SIZE];
        bytes[i] ^= 0x55;
        write_bytes(bytes, size);
        if (picture_read(&copy, path, message))
            picture_free(&copy);
        bytes[i] ^= 0x55;
    }
}

static void test_picture_read_huge_header(void **state) {
    /* 1000000 x 65536 gray pixels. */
    static const unsigned char bytes[] = {
        0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n', 0,   0,   0,   13,   'I',  'H',  'D',
        'R',  0,   15,  66,  64,   0,    1,    0,    0,   8,   0,   0,    0,    0,    176,
        64,   27,  175, 0,   0,    0,    0,    'I',  'D', 'A', 'T', 0x35, 0xaf, 0x06, 0x1e,
    };
    (void)state;
    write_bytes(bytes, sizeof bytes);
    assert_read_fails("has more than 2^28 pixels");
}

static void test_picture_write_full_disk(void **state) {
    unsigned char samples[1] = {7};
    picture p = {.samples = samples, .width = 1, .height = 1, .channels = 1};
    char message[MESSAGE_SIZE] = "";
    FILE *stream = fopen("/dev/full", "wb");
    bool ok;
    (void)state;
    if (!stream)
        skip_because("there is no /dev/full");
    setvbuf(stream, NULL, _IONBF, 0);
    ok = picture_write(stream, &p, message);
    fclose(stream);
    assert_false(ok);
    assert_true(message[0]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_picture_write_reads_back),
        cmocka_unit_test(test_picture_read_no_file),
        cmocka_unit_test(test_picture_read_garbage),
        cmocka_unit_test(test_picture_read_every_truncation),
        cmocka_unit_test(test_picture_read_every_damage),
        cmocka_unit_test(test_picture_read_huge_header),
        cmocka_unit_test(test_picture_write_full_disk),
    };

    return exit_code(cmocka_run_group_tests(tests, make_path, remove_path), COUNT_OF(tests));
}
