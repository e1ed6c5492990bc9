/*
 * NumPy's .npy files (formats 1.0 to 3.0, numpy.lib.format), little-endian numbers only. Arrays in
 * Fortran order are turned into C order while reading.
 */
#ifndef CLCONV_CLI_NPY_H
#define CLCONV_CLI_NPY_H

#include "message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define NPY_MAX_RANK 8

/** Element types: name, NumPy's kind and size, and bytes. */
#define NPY_TYPE_LIST(X)                                                                           \
    X(F2, "f2", 2)                                                                                 \
    X(F4, "f4", 4)                                                                                 \
    X(F8, "f8", 8)                                                                                 \
    X(I1, "i1", 1)                                                                                 \
    X(U1, "u1", 1)                                                                                 \
    X(I4, "i4", 4)

typedef enum npy_type {
#define NPY_TYPE_ENUM(name, text, size) NPY_##name,
    NPY_TYPE_LIST(NPY_TYPE_ENUM)
#undef NPY_TYPE_ENUM
} npy_type;

/** An array in C order. */
typedef struct npy_array {
    void *data; /* from malloc() */
    npy_type type;
    size_t rank;
    size_t shape[NPY_MAX_RANK];
} npy_array;

/** "f4" and so on. */
const char *npy_type_name(npy_type type);

/** Bytes of one element. */
size_t npy_type_size(npy_type type);

/** Product of the extents; 1 for rank 0. */
size_t npy_elements(const npy_array *array);

/**
 * Reads a whole file.
 * @param array receives the array, to be released with npy_free(); untouched on failure
 * @param message receives on failure a sentence that names the file
 */
bool npy_read(npy_array *array, const char *path, char message[MESSAGE_SIZE]);

/** Writes format 1.0. Whether the stream took everything is for the caller to check. */
void npy_write(FILE *stream, const npy_array *array);

/** Releases the elements; the array may be zero. */
void npy_free(npy_array *array);

#endif
