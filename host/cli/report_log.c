#include "report_log.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool report_log_add(report_log *log, const report *r) {
    if (log->count == log->capacity) {
        size_t capacity = log->capacity ? 2 * log->capacity : 256;
        log_entry **grown = realloc(log->entries, capacity * sizeof(log_entry *));
        if (!grown)
            return false;
        log->entries = grown;
        log->capacity = capacity;
    }
    log_entry *entry = calloc(1, sizeof *entry);
    if (!entry)
        return false;
    entry->r = *r;
    entry->problem = *r->problem;
    entry->r.problem = &entry->problem;
    entry->r.differs_from = NULL;
    log->entries[log->count++] = entry;
    return true;
}

void report_log_free(report_log *log) {
    for (size_t i = 0; i < log->count; ++i) {
        free(log->entries[i]->smallest);
        free(log->entries[i]);
    }
    free(log->entries);
    log->entries = NULL;
    log->count = log->capacity = 0;
}

void report_log_count(size_t sums[VERDICTS], const report_log *log) {
    memset(sums, 0, VERDICTS * sizeof *sums);
    for (size_t i = 0; i < log->count; ++i)
        ++sums[log->entries[i]->r.verdict];
}

/* ---- derived figures ---- */

double report_gflops(const report *r) {
    return r->seconds > 0 ? clconv_problem_flops(r->problem) / r->seconds * 1e-9 : 0;
}

double report_gbytes(const report *r) {
    double bytes = 0;
    for (int t = 0; t < TENSORS; ++t) {
        size_t elements = 0;
        if (!clconv_tensor_elements(&elements, r->problem, (clconv_tensor)t))
            bytes += (double)elements *
                     (double)clconv_type_size(clconv_tensor_type(r->problem, (clconv_tensor)t));
    }
    return r->seconds > 0 ? bytes / r->seconds * 1e-9 : 0;
}

const char *shown_name(const clconv_problem *p, char text[CLCONV_PROBLEM_TEXT_SIZE]) {
    if (p->name[0])
        return p->name;
    return clconv_problem_format(text, CLCONV_PROBLEM_TEXT_SIZE, p) ? "?" : text;
}

/* Appends a word for the shell, in single quotes where it has more than the usual characters. */
static void append_word(char text[COMMAND_SIZE], const char *word) {
    static const char usual[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_./:=,+-";
    const size_t longest = sizeof "'\\''" - 1;
    const char *quote = word[strspn(word, usual)] ? "'" : "";
    size_t at = strlen(text);
    at += (size_t)snprintf(text + at, COMMAND_SIZE - at, "%s", quote);
    for (; *word && at + longest + sizeof "'" < COMMAND_SIZE; ++word)
        at += (size_t)snprintf(text + at, longest + 1, *word == '\'' ? "'\\''" : "%c", *word);
    snprintf(text + at, COMMAND_SIZE - at, "%s", quote);
}

void format_command(char text[COMMAND_SIZE], const report *r, const clconv_problem *problem,
                    uint64_t seed) {
    char words[CLCONV_PROBLEM_TEXT_SIZE] = "?";
    const char *kernels = getenv("CLCONV_KERNEL_DIR");
    size_t at = 0;
    *text = 0;
    (void)clconv_problem_format(words, sizeof words, problem);
    if (kernels && *kernels) {
        snprintf(text, COMMAND_SIZE, "CLCONV_KERNEL_DIR=");
        append_word(text, kernels);
        at = strlen(text);
    }
    snprintf(text + at, COMMAND_SIZE - at, "%sclconv verify --device %s --algo %s --seed %llu ",
             at ? " " : "", r->device->facts.info.selector, r->algorithm, (unsigned long long)seed);
    append_word(text, words);
}

/* ---- columns ---- */

static int has_run(const log_entry *e) {
    return e->r.seconds > 0 && e->r.judged.judged > 0;
}

static const char *text_problem(const log_entry *e, char *buffer, size_t size) {
    return clconv_problem_format(buffer, size, &e->problem) ? "?" : buffer;
}
static const char *text_name(const log_entry *e, char *buffer, size_t size) {
    (void)buffer, (void)size;
    return e->problem.name;
}
static const char *text_device(const log_entry *e, char *buffer, size_t size) {
    (void)buffer, (void)size;
    return e->r.device->facts.info.selector;
}
static const char *text_algorithm(const log_entry *e, char *buffer, size_t size) {
    (void)buffer, (void)size;
    return e->r.algorithm;
}
static const char *text_verdict(const log_entry *e, char *buffer, size_t size) {
    (void)buffer, (void)size;
    return verdict_names[e->r.verdict];
}
static const char *text_reason(const log_entry *e, char *buffer, size_t size) {
    (void)buffer, (void)size;
    return e->r.reason;
}
static const char *text_method(const log_entry *e, char *buffer, size_t size) {
    (void)buffer, (void)size;
    return e->r.method;
}
static const char *text_data(const log_entry *e, char *buffer, size_t size) {
    (void)buffer, (void)size;
    return has_run(e) ? data_kind_names[e->r.kind] : "";
}
static const char *text_worst(const log_entry *e, char *buffer, size_t size) {
    if (!has_run(e) || size < PLACE_SIZE)
        return "";
    format_place(buffer, &e->problem, e->r.judged.worst);
    return buffer;
}

#define NUMBER(name, condition, value)                                                             \
    static double number_##name(const log_entry *e) {                                              \
        return (condition) ? (double)(value) : NAN;                                                \
    }
NUMBER(share, has_run(e), e->r.judged.share)
NUMBER(alarm_share, has_run(e), e->r.judged.alarm_share)
NUMBER(ulps, has_run(e) && e->r.judged.ulps != UINT64_MAX, e->r.judged.ulps)
NUMBER(value, has_run(e), e->r.judged.got)
NUMBER(expected, has_run(e), e->r.judged.expected)
NUMBER(bound, has_run(e), e->r.judged.bound)
NUMBER(alarm, has_run(e), e->r.judged.alarm)
NUMBER(judged, has_run(e), e->r.judged.judged)
NUMBER(wrong, has_run(e), e->r.judged.wrong)
NUMBER(suspicious, has_run(e), e->r.judged.suspicious)
NUMBER(seconds, e->r.seconds > 0, e->r.seconds)
NUMBER(gflops, e->r.seconds > 0, report_gflops(&e->r))
NUMBER(gbytes, e->r.seconds > 0, report_gbytes(&e->r))

const report_column report_columns[] = {
    {"problem", "problem", text_problem, NULL},
    {"name", "name", text_name, NULL},
    {"device", "device", text_device, NULL},
    {"algorithm", "algorithm", text_algorithm, NULL},
    {"verdict", "verdict", text_verdict, NULL},
    {"reason", "reason", text_reason, NULL},
    {"method", "judged by", text_method, NULL},
    {"data", "data", text_data, NULL},
    {"share", "share of bound", NULL, number_share},
    {"alarm_share", "share of alarm", NULL, number_alarm_share},
    {"ulps", "ULPs", NULL, number_ulps},
    {"worst", "worst element", text_worst, NULL},
    {"value", "value", NULL, number_value},
    {"expected", "expected", NULL, number_expected},
    {"bound", "bound", NULL, number_bound},
    {"alarm", "alarm", NULL, number_alarm},
    {"judged_elements", "judged", NULL, number_judged},
    {"wrong_elements", "wrong", NULL, number_wrong},
    {"suspicious_elements", "suspicious", NULL, number_suspicious},
    {"seconds", "seconds", NULL, number_seconds},
    {"gflops", "GFLOP/s", NULL, number_gflops},
    {"gbytes_per_second", "GB/s", NULL, number_gbytes},
};
const size_t report_column_count = sizeof report_columns / sizeof report_columns[0];
