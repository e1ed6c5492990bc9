/* Proves cases on devices: one report for each case, device and algorithm. */
#ifndef CLCONV_CLI_VERIFY_H
#define CLCONV_CLI_VERIFY_H

#include "judge.h"

typedef enum verdict {
    VERDICT_PASSED,
    VERDICT_WRONG,       /* a result outside its bound, or a write outside the output */
    VERDICT_FAILED,      /* a call returned an error */
    VERDICT_MISTRUSTED,  /* the reference is nearly all zero, so passing proves nothing */
    VERDICT_UNSUPPORTED, /* the algorithm refuses */
    VERDICTS
} verdict;

extern const char *const verdict_names[VERDICTS];

typedef struct verify_device {
    clconv_device *device; /* owned by the caller */
    clconv_device_info info;
} verify_device;

/** What is known of one algorithm on one device about one case. */
typedef struct report {
    const clconv_problem *problem;
    const verify_device *device;
    const char *algorithm;
    verdict verdict;
    char reason[512]; /* "" for passed */
    data_kind kind;   /* of the data that `judged` is about */
    judgement judged; /* the worse of exact and real data */
    double seconds;   /* of the last run; 0 when none was */
} report;

typedef void report_function(void *context, const report *r);

/**
 * Runs the named algorithm, or every one that is for the kind of device, on every device. Failure
 * means that nothing was run.
 */
clconv_status verify_case(const clconv_problem *problem, const verify_device *devices,
                          size_t device_count, const char *algorithm, uint64_t seed,
                          report_function *tell, void *context);

/** The worked results that must come out exactly, on every device by every algorithm. */
clconv_status verify_worked(const verify_device *devices, size_t device_count,
                            const char *algorithm, report_function *tell, void *context);

#endif
