/* Text of a kernel file by name: embedded, or read from $CLCONV_KERNEL_DIR while developing. */
#ifndef CLCONV__KERNEL_SOURCE_H
#define CLCONV__KERNEL_SOURCE_H

#include "status.h"

/** One file of cl_kernels/; the build generates the table. */
struct clconv__embedded {
    const char *name; /* such as "direct.cl" */
    const char *text; /* zero-terminated */
    size_t size;      /* bytes before the zero */
};
extern const struct clconv__embedded clconv__embedded_kernels[];
extern const size_t clconv__embedded_kernel_count;

/**
 * The whole program of a kernel file: geometry.h, common.h, for some a header of their own, and the
 * file itself.
 * @param source receives memory that the caller frees
 */
clconv_status clconv__kernel_source(char **source, const char *name);

/** A number that differs, very probably, between libraries whose kernels or versions differ. */
uint64_t clconv__kernels_hash(void);

#endif
