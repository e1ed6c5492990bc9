/*
 * A tensor of a problem and the .npy file that it comes from or goes to.
 */
#ifndef CLCONV_CLI_TENSOR_FILE_H
#define CLCONV_CLI_TENSOR_FILE_H

#include "clconv.h"
#include "message.h"
#include "npy.h"

#include <stdbool.h>

typedef struct tensor_file {
    const char *role; /* "input": how messages call it */
    const char *path; /* NULL where the problem lacks the tensor */
    clconv_type type; /* what the problem wants; bf16 has no type of file */
    npy_array array;
} tensor_file;

/** The type of problem that has elements as a file of this type. */
clconv_type tensor_file_type(npy_type type);

/**
 * Checks the shape of the array and turns its elements into the wanted type. Whole numbers go into
 * another integer type where all of them fit; numbers become another float type only when
 * `rounding` says that the user asked for it.
 * @param shape its rank and extents are the expected ones
 * @param message receives on failure a sentence that names the file
 */
bool tensor_file_fit(tensor_file *file, const npy_array *shape, bool rounding,
                     char message[MESSAGE_SIZE]);

/** Gives a tensor without a file memory of this shape, all zero. */
bool tensor_file_create(tensor_file *file, const npy_array *shape, char message[MESSAGE_SIZE]);

/** Turns a computed tensor into what a file can hold: bf16 becomes f4, which is exact. */
bool tensor_file_finish(tensor_file *file, char message[MESSAGE_SIZE]);

#endif
