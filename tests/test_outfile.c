#include "outfile.h"

#include "support.h"
#include "temporary.h"

#include <sys/stat.h>
#include <unistd.h>

/* A folder and a file in it, both removed at the end. */
static char folder[TEMPORARY_SIZE];
static char path[sizeof folder + 16];

static int make_folder(void **state) {
    (void)state;
    if (make_temporary_folder(folder, "outfile"))
        return -1;
    snprintf(path, sizeof path, "%s/file", folder);
    return 0;
}

/* Fails when anything else was left behind. */
static int remove_folder(void **state) {
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static void assert_content(const char *expected) {
    char text[64] = "";
    FILE *stream = fopen(path, "rb");
    assert_non_null(stream);
    text[fread(text, 1, sizeof text - 1, stream)] = '\0';
    fclose(stream);
    assert_string_equal(text, expected);
}

static void write_text(const char *text) {
    outfile file;
    char message[MESSAGE_SIZE] = "";
    if (!outfile_open(&file, path, message))
        fail_msg("%s", message);
    fputs(text, file.stream);
    if (!outfile_commit(&file, message))
        fail_msg("%s", message);
}

static void test_outfile_commit_replaces(void **state) {
    (void)state;
    write_text("first, and longer");
    write_text("second");
    assert_content("second");
}

static void test_outfile_discard_leaves_the_old_file(void **state) {
    outfile file;
    char message[MESSAGE_SIZE];
    (void)state;
    write_text("old");
    assert_true(outfile_open(&file, path, message));
    fputs("new", file.stream);
    outfile_discard(&file);
    assert_content("old");
    outfile_discard(&file);
}

static void test_outfile_open_without_folder(void **state) {
    outfile file;
    char message[MESSAGE_SIZE];
    (void)state;
    assert_false(outfile_open(&file, "no such folder/y.npy", message));
    assert_string_equal(message,
                        "'no such folder/y.npy' cannot be written: No such file or directory");
    assert_null(file.stream);
}

static void test_outfile_open_folder(void **state) {
    outfile file;
    char message[MESSAGE_SIZE];
    (void)state;
    assert_false(outfile_open(&file, "/tmp", message));
    assert_string_equal(message, "'/tmp' cannot be written: Is a directory");
}

static void test_outfile_commit_leaves_devices(void **state) {
    outfile file;
    char message[MESSAGE_SIZE];
    struct stat status;
    (void)state;
    assert_true(outfile_open(&file, "/dev/null", message));
    fputs("text", file.stream);
    assert_true(outfile_commit(&file, message));
    assert_int_equal(stat("/dev/null", &status), 0);
    assert_true(S_ISCHR(status.st_mode));
}

static void test_outfile_commit_full_disk(void **state) {
    outfile file;
    char message[MESSAGE_SIZE];
    (void)state;
    if (access("/dev/full", W_OK))
        skip_because("there is no /dev/full");
    assert_true(outfile_open(&file, "/dev/full", message));
    fputs("text", file.stream);
    assert_false(outfile_commit(&file, message));
    assert_string_equal(message, "'/dev/full' cannot be written: No space left on device");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_outfile_commit_replaces),
        cmocka_unit_test(test_outfile_discard_leaves_the_old_file),
        cmocka_unit_test(test_outfile_open_without_folder),
        cmocka_unit_test(test_outfile_open_folder),
        cmocka_unit_test(test_outfile_commit_leaves_devices),
        cmocka_unit_test(test_outfile_commit_full_disk),
    };

    return exit_code(cmocka_run_group_tests(tests, make_folder, remove_folder), COUNT_OF(tests));
}
