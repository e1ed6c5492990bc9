#include "kernel_source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL /* the header alone: no library to link */
#include <xxhash.h>

static clconv_status read_whole(char **text, size_t *size, FILE *file, const char *path) {
    long length;
    if (fseek(file, 0, SEEK_END) || (length = ftell(file)) < 0 || fseek(file, 0, SEEK_SET))
        return clconv__fail(CLCONV_FILE, "kernel file %s: %s", path, strerror(errno));
    *text = malloc((size_t)length + 1);
    if (!*text)
        return clconv__fail(CLCONV_OUT_OF_MEMORY, "kernel file %s: out of memory", path);
    *size = fread(*text, 1, (size_t)length, file);
    (*text)[*size] = 0;
    return *size == (size_t)length
               ? CLCONV_OK
               : clconv__fail(CLCONV_FILE, "kernel file %s: it ends early", path);
}

static clconv_status read_file(char **text, size_t *size, const char *folder, const char *name) {
    char path[4096];
    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path)
        return clconv__fail(CLCONV_INVALID_ARGUMENT, "CLCONV_KERNEL_DIR is too long: %.64s...",
                            folder);
    FILE *file = fopen(path, "rb");
    if (!file)
        return clconv__fail(CLCONV_FILE, "kernel file %s: %s", path, strerror(errno));
    clconv_status status = read_whole(text, size, file, path);
    fclose(file);
    return status;
}

static clconv_status copy_embedded(char **text, size_t *size, const char *name) {
    for (size_t i = 0; i < clconv__embedded_kernel_count; ++i) {
        const struct clconv__embedded *kernel = &clconv__embedded_kernels[i];
        if (strcmp(kernel->name, name) != 0)
            continue;
        *text = malloc(kernel->size + 1);
        if (!*text)
            return clconv__fail(CLCONV_OUT_OF_MEMORY, "kernel %s: out of memory", name);
        memcpy(*text, kernel->text, kernel->size + 1);
        *size = kernel->size;
        return CLCONV_OK;
    }
    return clconv__fail(CLCONV_INVALID_ARGUMENT, "no kernel file is named %s", name);
}

/* Headers of their own for the files whose names begin with a stem. */
enum { MOST_HEADERS = 2 };
static const struct {
    const char *stem, *headers[MOST_HEADERS];
} own_headers[] = {{"winograd", {"winograd.h"}},
                   {"gemm_tiled", {"mma.h", "gemm.h"}},
                   {"weights_tiled", {"mma.h", "gemm.h"}},
                   {"mma.cl", {"mma.h"}},
                   {"nhwc_mma", {"mma.h"}}};

enum { MOST_PARTS = 3 + MOST_HEADERS };

/* The files that a program is made of, in their order; returns how many. */
static int parts_of(const char *parts[MOST_PARTS], const char *name) {
    int count = 0;
    parts[count++] = "geometry.h";
    parts[count++] = "common.h";
    for (size_t i = 0; i < sizeof own_headers / sizeof own_headers[0]; ++i) {
        if (strncmp(name, own_headers[i].stem, strlen(own_headers[i].stem)) != 0)
            continue;
        for (int k = 0; k < MOST_HEADERS && own_headers[i].headers[k]; ++k)
            parts[count++] = own_headers[i].headers[k];
        break;
    }
    parts[count++] = name;
    return count;
}

static clconv_status read_part(char **text, size_t *size, const char *name) {
    const char *folder = getenv("CLCONV_KERNEL_DIR");
    return folder && *folder ? read_file(text, size, folder, name)
                             : copy_embedded(text, size, name);
}

uint64_t clconv__kernels_hash(void) {
    static const int version[] = {CLCONV_VERSION_MAJOR, CLCONV_VERSION_MINOR, CLCONV_VERSION_PATCH};
    uint64_t hash = XXH3_64bits(version, sizeof version);
    for (size_t i = 0; i < clconv__embedded_kernel_count; ++i) {
        char *text = NULL;
        size_t size = 0;
        if (!read_part(&text, &size, clconv__embedded_kernels[i].name))
            hash = XXH3_64bits_withSeed(text, size, hash);
        free(text);
    }
    return hash;
}

clconv_status clconv__kernel_source(char **source, const char *name) {
    const char *names[MOST_PARTS];
    const int count = parts_of(names, name);
    char *parts[MOST_PARTS] = {NULL};
    size_t sizes[MOST_PARTS] = {0}, total = 0;
    clconv_status status = CLCONV_OK;
    *source = NULL;
    if (strchr(name, '/')) /* all are the library's own, and none leaves the folder */
        return clconv__fail(CLCONV_INVALID_ARGUMENT, "kernel file %s: a name has no folder", name);
    for (int i = 0; i < count && !status; ++i) {
        status = read_part(&parts[i], &sizes[i], names[i]);
        total += sizes[i];
    }
    if (!status && !(*source = malloc(total + 1)))
        status = clconv__fail(CLCONV_OUT_OF_MEMORY, "kernel %s: out of memory", name);
    for (size_t i = 0, at = 0; i < (size_t)count; at += sizes[i++]) {
        if (!status)
            memcpy(*source + at, parts[i], sizes[i] + 1);
        free(parts[i]);
    }
    return status;
}
