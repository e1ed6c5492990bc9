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
    size_t lanes[2];    /* of a warp: LANES_M and LANES_N there */
    size_t item;        /* the largest ITEM that its lanes have registers for */
    size_t sums;        /* that they have registers for where whole vectors are copied */
    size_t scratch; /* words of local memory of a work-item for each of its ITEM; emulated only */
} clconv__engine;

enum { CLCONV__ENGINE_OPTIONS_SIZE = 64 };

/** The engine of a name; NULL for none. */
const clconv__engine *clconv__find_engine(const char *name);

/** The build options of a program that multiplies with it. */
void clconv__engine_options(char options[CLCONV__ENGINE_OPTIONS_SIZE],
                            const clconv__engine *engine);

/**
 * The engine with which a device multiplies values of a type, found out by running a kernel once.
 * $CLCONV_MATRIX_ENGINE names the only one that is tried: "emulated" and the
 * like try everything but the instruction itself on any device.
 * @param note receives why there is none; may be NULL
 * @return NULL for none
 */
const clconv__engine *clconv__device_engine(clconv_device *device, clconv_type type,
                                            char note[CLCONV_TEXT_SIZE]);

#endif
