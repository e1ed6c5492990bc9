/* Kernel texts: embedded, or from the folder that $CLCONV_KERNEL_DIR names. */
#include "support/support.h"

#include "kernel_source.h"

static int use_embedded(void **state) {
    (void)state;
    return unsetenv("CLCONV_KERNEL_DIR");
}

static const char *const kernel_folder = CLCONV_SOURCE_DIR "/cl_kernels";

static void use_folder(const char *folder) {
    assert_int_equal(setenv("CLCONV_KERNEL_DIR", folder, 1), 0);
}

static void assert_same_source(const char *name) {
    char *embedded = NULL, *read = NULL;
    (void)use_embedded(NULL);
    assert_ok(clconv__kernel_source(&embedded, name));
    use_folder(kernel_folder);
    assert_ok(clconv__kernel_source(&read, name));
    assert_string_equal(embedded, read);
    free(embedded);
    free(read);
}

/* The headers come first, so that a kernel file finds what it uses. */
static void test_kernel_source_begins_with_headers(void **state) {
    char *source = NULL;
    (void)state;
    assert_ok(clconv__kernel_source(&source, "direct.cl"));
    const char *geometry = strstr(source, "CLCONV_GEOMETRY_FIELDS");
    const char *common = strstr(source, "typedef INDEX index_t;");
    const char *kernel = strstr(source, "kernel void direct(");
    assert_non_null(geometry);
    assert_true(geometry < common && common < kernel);
    free(source);
}

static void test_kernel_source_embedded_is_the_folder(void **state) {
    (void)state;
    assert_true(clconv__embedded_kernel_count >= 3);
    for (size_t i = 0; i < clconv__embedded_kernel_count; ++i) {
        const struct clconv__embedded *kernel = &clconv__embedded_kernels[i];
        assert_int_equal(strlen(kernel->text), kernel->size);
        assert_same_source(kernel->name);
    }
}

static void test_kernel_source_unknown_name(void **state) {
    char *source = (char *)(uintptr_t)8;
    (void)state;
    assert_fails(clconv__kernel_source(&source, "absent.cl"), CLCONV_INVALID_ARGUMENT, "absent.cl");
    assert_null(source);
    use_folder(kernel_folder);
    source = (char *)(uintptr_t)8;
    assert_fails(clconv__kernel_source(&source, "absent.cl"), CLCONV_FILE, "absent.cl");
    assert_null(source);
}

static void test_kernel_source_stays_in_its_folder(void **state) {
    static const char *const names[] = {"../cl_kernels/direct.cl", "/etc/passwd", "./direct.cl"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(names); ++i) {
        char *source = (char *)(uintptr_t)8;
        use_folder(kernel_folder);
        assert_fails(clconv__kernel_source(&source, names[i]), CLCONV_INVALID_ARGUMENT, names[i]);
        assert_message("a name has no folder");
        assert_null(source);
    }
}

static void test_kernel_source_absent_folder(void **state) {
    char *source = NULL;
    (void)state;
    use_folder("/nonexistent");
    assert_fails(clconv__kernel_source(&source, "direct.cl"), CLCONV_FILE, "/nonexistent");
    assert_null(source);
}

static void test_kernel_source_folder_name_too_long(void **state) {
    char folder[8192], *source = NULL;
    (void)state;
    memset(folder, 'x', sizeof folder - 1);
    folder[sizeof folder - 1] = 0;
    use_folder(folder);
    assert_fails(clconv__kernel_source(&source, "direct.cl"), CLCONV_INVALID_ARGUMENT,
                 "CLCONV_KERNEL_DIR");
    assert_null(source);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_kernel_source_begins_with_headers, use_embedded),
        cmocka_unit_test_setup(test_kernel_source_embedded_is_the_folder, use_embedded),
        cmocka_unit_test_setup(test_kernel_source_unknown_name, use_embedded),
        cmocka_unit_test_setup(test_kernel_source_stays_in_its_folder, use_embedded),
        cmocka_unit_test_setup(test_kernel_source_absent_folder, use_embedded),
        cmocka_unit_test_setup(test_kernel_source_folder_name_too_long, use_embedded),
    };
    return run_group(tests);
}
