/* Opens devices and probes what they really do. Knows no convolution. */
#ifndef CLCONV__DEVICE_H
#define CLCONV__DEVICE_H

#include "problem.h"

#include <pthread.h>

struct clconv__engine;
struct clconv__program;

/** What is known of a matrix engine for one type; engine.c. */
typedef struct clconv__device_engine_fact {
    int is_known;
    const struct clconv__engine *engine; /* NULL for none */
    char note[128];                      /* why there is none, or "" */
} clconv__device_engine_fact;

struct clconv_device {
    clconv_device_info info;
    cl_context context;               /* NULL for the host */
    cl_device_id id;                  /* NULL for the host */
    cl_command_queue queue;           /* NULL for the host */
    int is_callers;                   /* the id was retained for a caller's device */
    pthread_mutex_t lock;             /* guards the programs */
    struct clconv__program *programs; /* program.c */
    pthread_mutex_t probe_lock;       /* guards the probes of double precision and of engines */
    int f64_is_known;
    clconv__device_engine_fact engines[CLCONV__TYPES]; /* by clconv_type */
};

/** Whether the device computes in double precision, found out by running a kernel once. */
int clconv__device_has_f64(clconv_device *device);

#endif
