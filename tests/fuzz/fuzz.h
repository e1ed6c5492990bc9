/*
 * What the fuzz targets share. A target is one file, fuzz_<name>.c, that defines
 * LLVMFuzzerTestOneInput(); its seeds lie in seeds/<name>/ or where CMakeLists.txt says. The tests
 * run each target over its seeds, scripts/fuzz lets libFuzzer make more.
 */
#ifndef CLCONV_TESTS_FUZZ_H
#define CLCONV_TESTS_FUZZ_H

#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the process, so that libFuzzer keeps the input; assert() is nothing in a release. */
#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* Replaces what a file holds. */
static inline void fuzz_write(const char *path, const void *data, size_t size) {
    const int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    REQUIRE(file >= 0);
    REQUIRE(write(file, data, size) == (ssize_t)size);
    close(file);
}

/* A file in memory that holds the input. */
static inline const char *fuzz_file(const uint8_t *data, size_t size) {
    static char path[64];
    if (!*path)
        snprintf(path, sizeof path, "/proc/self/fd/%d", memfd_create("input", MFD_CLOEXEC));
    fuzz_write(path, data, size);
    return path;
}

#endif
