/* Matrix engines of devices, as far as OpenCL C can use them. */
#ifndef CLCONV__ENGINE_H
#define CLCONV__ENGINE_H

#include "device.h"

/** A row of the table of engines. */
typedef struct clconv__engine {
    const char *name;
    const char *vendor; /* part of the vendor's name; NULL for what is used on demand only */
    int number;         /* ENGINE in cl_kernels/mma.h */
    unsigned types;     /* 1 << clconv_type, of what it multiplies */
} clconv__engine;

/** The engine of a name; NULL for none. */
const clconv__engine *clconv__find_engine(const char *name);

/**
 * The engine with which a device multiplies values of a type, found out by running a kernel once.
 * $CLCONV_MATRIX_ENGINE names the only one that is tried: "emulated" tries everything but the
 * instruction itself on any device.
 * @param note receives why there is none; may be NULL
 * @return NULL for none
 */
const clconv__engine *clconv__device_engine(clconv_device *device, clconv_type type,
                                            char note[CLCONV_TEXT_SIZE]);

#endif
