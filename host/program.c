#include "program.h"

#include "cache.h"
#include "file.h"
#include "kernel_source.h"
#include "opencl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_CONTEXT_DEVICES = 64 };

struct clconv__program {
    struct clconv__program *next;
    char *key;
    cl_program program;
};

/* What a build is made of. */
typedef struct recipe {
    const char *file, *options;
    char *source, *key; /* owned */
} recipe;

/* ---- from source ---- */

static clconv_status build_failure(cl_program program, cl_device_id id, const recipe *r,
                                   cl_int code) {
    char log[3000] = "";
    size_t size = 0;
    char *whole = NULL;
    if (clGetProgramBuildInfo(program, id, CL_PROGRAM_BUILD_LOG, 0, NULL, &size) == CL_SUCCESS &&
        size && (whole = calloc(size + 1, 1)) &&
        clGetProgramBuildInfo(program, id, CL_PROGRAM_BUILD_LOG, size, whole, NULL) == CL_SUCCESS)
        snprintf(log, sizeof log, "%s", whole);
    free(whole);
    return clconv__fail(code == CL_OUT_OF_HOST_MEMORY ? CLCONV_OUT_OF_MEMORY : CLCONV_BUILD_FAILED,
                        "clBuildProgram of %s with \"%s\" failed with %d (%s): %s", r->file,
                        r->options, code, clconv__cl_error_name(code), log);
}

static clconv_status build_source(cl_program *program, clconv_device *device, const recipe *r) {
    cl_int code;
    const char *source = r->source;
    *program = clCreateProgramWithSource(device->context, 1, &source, NULL, &code);
    clconv_status status = clconv__cl_check(code, "clCreateProgramWithSource");
    if (status)
        return status;
    code = clBuildProgram(*program, 1, &device->id, r->options, NULL, NULL);
    if (code != CL_SUCCESS) {
        status = build_failure(*program, device->id, r, code);
        clReleaseProgram(*program);
        *program = NULL;
    }
    return status;
}

/* ---- on disk ---- */

/* A program from a binary that this device and driver made; 0 where they will not have it. */
static int build_binary(cl_program *program, clconv_device *device, const recipe *r) {
    void *binary;
    size_t size;
    cl_int code, accepted = CL_SUCCESS;
    if (!clconv__cache_get(&binary, &size, r->key))
        return 0;
    const unsigned char *bytes = binary;
    *program =
        clCreateProgramWithBinary(device->context, 1, &device->id, &size, &bytes, &accepted, &code);
    free(binary);
    if (code != CL_SUCCESS)
        return 0;
    if (accepted == CL_SUCCESS &&
        clBuildProgram(*program, 1, &device->id, r->options, NULL, NULL) == CL_SUCCESS)
        return 1;
    clReleaseProgram(*program);
    *program = NULL;
    return 0;
}

/* The place of the device among those of a program, whose context may be a caller's with several.
 */
static cl_uint place_of(cl_program program, cl_device_id id, cl_uint *count) {
    cl_device_id ids[MOST_CONTEXT_DEVICES];
    cl_uint place = 0;
    size_t size = 0;
    *count = 0;
    if (clGetProgramInfo(program, CL_PROGRAM_DEVICES, sizeof ids, ids, &size) != CL_SUCCESS)
        return 0;
    *count = (cl_uint)(size / sizeof *ids);
    while (place < *count && ids[place] != id)
        ++place;
    return place;
}

/* Whether there is a folder to keep binaries in. Where there is none, none is asked for: PoCL
 * compiles every kernel once more for it. */
static int are_kept(void) {
    char folder[CLCONV__PATH_SIZE];
    return !clconv_cache_folder(folder, sizeof folder) && *folder;
}

static void store(cl_program program, const clconv_device *device, const char *key) {
    size_t sizes[MOST_CONTEXT_DEVICES];
    unsigned char *binaries[MOST_CONTEXT_DEVICES] = {NULL};
    cl_uint count, place = place_of(program, device->id, &count);
    if (place >= count ||
        clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof sizes, sizes, NULL) !=
            CL_SUCCESS ||
        !sizes[place] || !(binaries[place] = malloc(sizes[place])))
        return;
    if (clGetProgramInfo(program, CL_PROGRAM_BINARIES, count * sizeof *binaries, binaries, NULL) ==
        CL_SUCCESS)
        clconv__cache_put(key, binaries[place], sizes[place]);
    free(binaries[place]);
}

/* ---- in memory ---- */

static clconv_status build(cl_program *program, clconv_device *device, const recipe *r) {
    if (build_binary(program, device, r))
        return CLCONV_OK;
    clconv_status status = build_source(program, device, r);
    if (!status && are_kept())
        store(*program, device, r->key);
    return status;
}

static clconv_status find_or_build(cl_program *program, clconv_device *device, recipe *r) {
    for (struct clconv__program *p = device->programs; p; p = p->next)
        if (strcmp(p->key, r->key) == 0) {
            *program = p->program;
            return CLCONV_OK;
        }
    struct clconv__program *entry = calloc(1, sizeof *entry);
    if (!entry)
        return clconv__fail(CLCONV_OUT_OF_MEMORY, "program %s: out of memory", r->file);
    clconv_status status = build(&entry->program, device, r);
    if (status) {
        free(entry);
        return status;
    }
    entry->key = r->key;
    r->key = NULL;
    entry->next = device->programs;
    device->programs = entry;
    *program = entry->program;
    return CLCONV_OK;
}

/*
 * All that influences a build, PoCL's own variable for further options included.
 * clconv_cache_list() shows the lines before the source.
 */
static clconv_status make_key(recipe *r, const clconv_device *device) {
    static const char format[] = "%s\n%s, %s, %s, %s\n%s\n%s%s%s\n%s";
    const clconv_device_info *i = &device->info;
    const char *further = getenv("POCL_EXTRA_BUILD_FLAGS");
#define KEY_TEXTS                                                                                  \
    i->name, i->platform, i->vendor, i->version, i->driver, r->file, r->options,                   \
        further ? " " : "", further ? further : "", r->source
    const int size = snprintf(NULL, 0, format, KEY_TEXTS) + 1;
    if (size <= 0 || !(r->key = malloc((size_t)size)))
        return clconv__fail(CLCONV_OUT_OF_MEMORY, "program %s: out of memory", r->file);
    snprintf(r->key, (size_t)size, format, KEY_TEXTS);
#undef KEY_TEXTS
    return CLCONV_OK;
}

clconv_status clconv__device_program(cl_program *program, clconv_device *device, const char *file,
                                     const char *options) {
    char with_standard[1024];
    recipe r = {.file = file, .options = with_standard};
    *program = NULL;
    if (snprintf(with_standard, sizeof with_standard, "-cl-std=CL1.2%s", options) >=
        (int)sizeof with_standard)
        return clconv__fail(CLCONV_SIZE_OVERFLOW, "the options of %s are too long", file);
    clconv_status status = clconv__kernel_source(&r.source, file);
    if (!status && !(status = make_key(&r, device))) {
        pthread_mutex_lock(&device->lock);
        status = find_or_build(program, device, &r);
        pthread_mutex_unlock(&device->lock);
    }
    free(r.source);
    free(r.key);
    return status;
}

void clconv__release_programs(clconv_device *device) {
    while (device->programs) {
        struct clconv__program *p = device->programs;
        device->programs = p->next;
        clReleaseProgram(p->program);
        free(p->key);
        free(p);
    }
}
