/* Files and folders of a test's own, which it removes itself. */
#ifndef CLCONV_TESTS_TEMPORARY_H
#define CLCONV_TESTS_TEMPORARY_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { TEMPORARY_SIZE = 64 };

/* The letters that mkstemp() and mkdtemp() replace. */
static inline void name_temporary(char path[TEMPORARY_SIZE], const char *folder, const char *name) {
    snprintf(path, TEMPORARY_SIZE, "%s/clconv-%s-XXXXXX", folder, name);
}

/* Makes an empty folder; 0, or -1 where that fails. */
static inline int make_temporary_folder(char path[TEMPORARY_SIZE], const char *name) {
    name_temporary(path, "/tmp", name);
    return mkdtemp(path) ? 0 : -1;
}

/* The same in memory where there is such a folder, for what is written many times. */
static inline int make_folder_in_memory(char path[TEMPORARY_SIZE], const char *name) {
    name_temporary(path, access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm", name);
    return mkdtemp(path) ? 0 : -1;
}

/* Makes a file and writes `size` bytes to it; 0, or -1 where that fails. */
static inline int make_temporary_file(char path[TEMPORARY_SIZE], const char *name,
                                      const void *bytes, size_t size) {
    name_temporary(path, "/tmp", name);
    const int file = mkstemp(path);
    if (file < 0)
        return -1;
    const int is_whole = !size || write(file, bytes, size) == (ssize_t)size;
    return close(file) || !is_whole ? -1 : 0;
}

#endif
