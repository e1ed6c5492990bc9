/* Proves cases on devices: one report for each case, device and algorithm. */
#ifndef CLCONV_CLI_VERIFY_H
#define CLCONV_CLI_VERIFY_H

#include "judge.h"
#include "worker.h"

typedef enum verdict {
    VERDICT_PASSED,
    VERDICT_WRONG,       /* a result outside its bound, or a write outside the output */
    VERDICT_SUSPICIOUS,  /* inside the bound, but further off than rounding gets by chance */
    VERDICT_FAILED,      /* a call returned an error */
    VERDICT_CRASHED,     /* the driver died or hung */
    VERDICT_MISTRUSTED,  /* the reference is nearly all zero or unbounded: passing proves nothing */
    VERDICT_UNSUPPORTED, /* the algorithm refuses */
    VERDICTS
} verdict;

extern const char *const verdict_names[VERDICTS];

/** Whether a verdict makes the whole run fail. */
static inline bool is_bad(verdict v) {
    return v >= VERDICT_WRONG && v <= VERDICT_CRASHED;
}

typedef struct verify_device {
    worker *worker; /* owned by the caller */
    worker_device facts;
} verify_device;

/** What is known of one algorithm on one device about one case. */
typedef struct report {
    const clconv_problem *problem;
    const verify_device *device;
    const char *algorithm;
    verdict verdict;
    char reason[MESSAGE_SIZE]; /* "" for passed */
    char method[96];           /* how it was judged: "whole", or what stood in for that */
    data_kind kind;            /* of the data that `judged` is about */
    judgement judged;          /* the worse of exact and real data */
    unsigned violations;
    double seconds; /* of the fastest run; 0 when none was */
    bool has_view;
    neighbourhood view;       /* of the first bad element */
    const char *differs_from; /* the first algorithm's "DEVICE ALGORITHM"; NULL if none compared */
    size_t differing;         /* elements with other bits than there */
    uint64_t differing_ulps;  /* and how far off the furthest is */
} report;

typedef void report_function(void *context, const report *r);

/** What is done to each case. */
typedef struct verify_options {
    const char *algorithm; /* NULL for every one that is for the kind of device */
    uint64_t seed;
    int repeat;          /* runs on the same data */
    bool full;           /* the whole reference, however large; or else */
    bool sampled;        /* samples and checksums, however small */
    bool identities;     /* for large cases too */
    bool compare;        /* outputs of every device and algorithm with those of the first */
    double memory_limit; /* bytes that a case may take together with its worker */
    double work_limit;   /* operations that it may have */
} verify_options;

/**
 * Runs the named algorithm, or every one that is for the kind of device, on every device. Failure
 * means that nothing was run.
 */
clconv_status verify_case(const clconv_problem *problem, const verify_device *devices,
                          size_t device_count, const verify_options *options, report_function *tell,
                          void *context);

/** The worked results that must come out exactly, on every device by every algorithm. */
clconv_status verify_worked(const verify_device *devices, size_t device_count,
                            const verify_options *options, report_function *tell, void *context);

/** Turns what a run left into a verdict; `r` has the problem, `judged` and `violations`. */
void give_verdict(report *r, const expected_output *expected);

/** "[n][c][d][h][w]" of a dense index of what is computed, or "bias[c]". */
#define PLACE_SIZE 128
void format_place(char text[PLACE_SIZE], const clconv_problem *problem, size_t dense);

#endif
