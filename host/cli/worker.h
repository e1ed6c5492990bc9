/*
 * A device in a process of its own, with a watchdog: a driver that aborts, exits or hangs takes its
 * worker with it and nothing else. The parent never calls OpenCL, because a driver that was started
 * before fork() does not work behind it.
 */
#ifndef CLCONV_CLI_WORKER_H
#define CLCONV_CLI_WORKER_H

#include "case_run.h"
#include "message.h"
#include "peak.h"

#include <stdbool.h>

/** How workers are run. */
typedef struct worker_options {
    bool in_process; /* no process and no watchdog, for debuggers */
    double timeout;  /* seconds for one answer, and one more for each GFLOP of it */
} worker_options;

typedef struct worker worker;

/** What is known of a worker's device. */
typedef struct worker_device {
    clconv_device_info info;
    uint64_t algorithms; /* bit per algorithm: whether it is for this kind of device at all */
} worker_device;

/** Ways to take a worker down, for the self-test of the watchdog. */
typedef enum sabotage_kind {
    SABOTAGE_NONE,
    SABOTAGE_ABORT,
    SABOTAGE_EXIT,
    SABOTAGE_HANG
} sabotage_kind;

/** One case on one algorithm. */
typedef struct worker_request {
    const case_data *data;
    const char *algorithm;
    int runs, runs_on_other_poison;
    sabotage_kind sabotage;
} worker_request;

typedef struct worker_reply {
    clconv_status status; /* CLCONV_UNSUPPORTED when the algorithm refuses */
    bool died;            /* the driver took the worker with it; `message` says where */
    char message[MESSAGE_SIZE];
    case_result result;
    device_peak peak;
} worker_reply;

/** Lists devices as clconv_device_list() does; drivers may die of that, too. */
bool worker_list_devices(clconv_device_info *infos, size_t capacity, size_t *count,
                         const worker_options *options, char message[MESSAGE_SIZE]);

/**
 * Starts a worker and opens its device.
 * @param message receives on failure what clconv_device_open() or the watchdog says
 */
clconv_status worker_open(worker **w, worker_device *device, const char *selector,
                          const worker_options *options, char message[MESSAGE_SIZE]);

/** Ends a worker. NULL is accepted. */
void worker_close(worker *w);

/** Runs a case; the result's image is behind it in `data->result`. A dead worker is replaced. */
void worker_run(worker_reply *reply, worker *w, const worker_request *request);

/** Measures the device; zeros where that fails. */
void worker_measure_peak(device_peak *peak, worker *w);

#endif
