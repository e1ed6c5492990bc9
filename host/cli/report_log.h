/* What a run of the verifier found, and the columns in which every report shows it. */
#ifndef CLCONV_CLI_REPORT_LOG_H
#define CLCONV_CLI_REPORT_LOG_H

#include "verify.h"

/** A report that outlives its case. */
typedef struct log_entry {
    report r; /* its problem is the one below */
    clconv_problem problem;
    char *smallest; /* owned; a command line with a smaller case that fails the same way, or NULL */
} log_entry;

typedef struct report_log {
    const verify_device *devices;
    const device_peak *peaks; /* one for each device; NULL if none was measured */
    size_t device_count;
    uint64_t seed;
    const char *started; /* date and time */
    double seconds;      /* of the whole run */
    log_entry **entries; /* owned */
    size_t count, capacity;
} report_log;

/** Copies a report; false when memory ran out. */
bool report_log_add(report_log *log, const report *r);
void report_log_free(report_log *log);

/** Sums of verdicts, and the word for all of them. */
void report_log_count(size_t sums[VERDICTS], const report_log *log);

/** A column of the table of results. */
typedef struct report_column {
    const char *key;                                                        /* in JSON */
    const char *heading;                                                    /* for people */
    const char *(*text)(const log_entry *entry, char *buffer, size_t size); /* or else */
    double (*number)(const log_entry *entry); /* NaN where there is none */
} report_column;

extern const report_column report_columns[];
extern const size_t report_column_count;

/** Bytes of a command line, with the path of a folder in it. */
#define COMMAND_SIZE (CLCONV_PROBLEM_TEXT_SIZE + 5000)

/** One line that repeats a problem where a report comes from, with what else changes the build. */
void format_command(char text[COMMAND_SIZE], const report *r, const clconv_problem *problem,
                    uint64_t seed);

/** The name of a problem, or else its text. */
const char *shown_name(const clconv_problem *p, char text[CLCONV_PROBLEM_TEXT_SIZE]);

/** Operations a second, and bytes of all tensors once a second, in units of 10^9; 0 if not run. */
double report_gflops(const report *r);
double report_gbytes(const report *r);

/** Writes all of it, each to its own kind of file; the message says what went wrong. */
bool report_junit(const report_log *log, const char *path, char message[MESSAGE_SIZE]);
bool report_html(const report_log *log, const char *path, char message[MESSAGE_SIZE]);

/** The same as JSON; NULL when memory ran out. */
struct cJSON *report_json(const report_log *log, const char *final);

#endif
