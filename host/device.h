/* Opens devices, probes what they really do, builds and keeps programs. Knows no convolution. */
#ifndef CLCONV__DEVICE_H
#define CLCONV__DEVICE_H

#include "status.h"

#include <pthread.h>

struct clconv__program {
    struct clconv__program *next;
    char *key; /* options and source: all that influences a build */
    cl_program program;
};

struct clconv_device {
    clconv_device_info info;
    cl_context context;     /* NULL for the host */
    cl_device_id id;        /* NULL for the host */
    cl_command_queue queue; /* NULL for the host */
    int is_callers;         /* the id was retained for a caller's device */
    pthread_mutex_t lock;   /* guards the programs */
    struct clconv__program *programs;
    pthread_mutex_t probe_lock; /* guards the probe of double precision */
    int f64_is_known;
};

/** Whether the device computes in double precision, found out by running a kernel once. */
int clconv__device_has_f64(clconv_device *device);

/**
 * A program built from a kernel file with options; each is built once per device.
 * @param program stays owned by the device
 */
clconv_status clconv__device_program(cl_program *program, clconv_device *device, const char *file,
                                     const char *options);

#endif
