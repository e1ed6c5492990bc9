/* The report on the standard output: a line for each result, tables at the end. */
#ifndef CLCONV_CLI_REPORT_TEXT_H
#define CLCONV_CLI_REPORT_TEXT_H

#include "report_log.h"

/** What one algorithm on one device did over all cases. */
typedef struct tally {
    const verify_device *device;
    const char *algorithm;
    size_t verdicts[VERDICTS];
    double share, alarm_share;  /* largest of what was judged */
    double seconds;             /* of all that ran, */
    double flops;               /* and their operations */
    size_t compared, differing; /* outputs that were compared to others, and that differ in a bit */
    size_t differing_elements;
    uint64_t differing_ulps;
    char refusal[MESSAGE_SIZE]; /* the first */
} tally;

/** Counts a report. */
void tally_add(tally *t, const report *r);

/** One line for each device; of all there are, it is said if none has OpenCL. */
void print_devices(const verify_device *devices, size_t count, bool are_all);

/** One line, and for a bad one the command that repeats it. */
void print_report(const report *r, uint64_t seed);

/** A table of verdicts. */
void print_tallies(const tally *tallies, size_t count);

/** One line for each algorithm that refused all cases, with its first sentence. */
void print_refusals(const tally *tallies, size_t count);

/** A table of bits that differ between devices and algorithms. */
void print_differences(const tally *tallies, size_t count);

#endif
