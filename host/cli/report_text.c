#include "report_text.h"

#include "cli.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void tally_add(tally *t, const report *r) {
    ++t->verdicts[r->verdict];
    if (r->verdict == VERDICT_UNSUPPORTED && !*t->refusal)
        snprintf(t->refusal, sizeof t->refusal, "%s", r->reason);
    if (r->judged.judged) {
        t->share = fmax(t->share, r->judged.share);
        t->alarm_share = fmax(t->alarm_share, r->judged.alarm_share);
    }
    if (r->seconds > 0) {
        t->seconds += r->seconds;
        t->flops += clconv_problem_flops(r->problem);
    }
    if (r->differs_from) {
        ++t->compared;
        t->differing += r->differing > 0;
        t->differing_elements += r->differing;
        if (r->differing_ulps > t->differing_ulps)
            t->differing_ulps = r->differing_ulps;
    }
}

void print_devices(const verify_device *devices, size_t count, bool are_all) {
    size_t with_opencl = 0;
    for (size_t i = 0; i < count; ++i) {
        const clconv_device_info *info = &devices[i].facts.info;
        printf("%-5s %s (%s)\n", info->selector, info->name, info->driver);
        with_opencl += info->kind != CLCONV_KIND_HOST;
    }
    if (are_all && !with_opencl)
        printf("No OpenCL device can be used: this proves the host alone.\n");
    printf("\n");
}

static void print_ulps(uint64_t ulps) {
    if (ulps == UINT64_MAX)
        printf("not a number");
    else
        printf("%" PRIu64 " ULP", ulps);
}

void print_report(const report *r, uint64_t seed) {
    char text[COMMAND_SIZE], seconds[CLI_TEXT_SIZE];
    printf("%-11s %-5s %-14s %s", verdict_names[r->verdict], r->device->facts.info.selector,
           r->algorithm, shown_name(r->problem, text));
    if (r->seconds > 0) {
        cli_format_seconds(seconds, r->seconds);
        printf("  share %.3g, of alarm %.3g, ", r->judged.share, r->judged.alarm_share);
        print_ulps(r->judged.ulps);
        printf(", %s, %.1f GFLOP/s", seconds, report_gflops(r));
    }
    if (r->differing)
        printf(", %zu elements differ from %s", r->differing, r->differs_from);
    if (r->verdict == VERDICT_PASSED && strcmp(r->method, "whole") != 0)
        printf(", judged by %s", r->method);
    printf("%s%s\n", *r->reason ? ": " : "", r->reason);
    if (is_bad(r->verdict)) {
        format_command(text, r, r->problem, seed);
        printf("            repeat: %s\n", text);
    }
    fflush(stdout);
}

/* ---- tables ---- */

enum { MOST_COLUMNS = 12, CELL = 32 };

typedef struct table {
    size_t columns, rows, capacity;
    char (*cells)[MOST_COLUMNS][CELL]; /* owned */
} table;

static bool table_make(table *t, size_t capacity, const char *const heads[], size_t columns) {
    *t = (table){.columns = columns, .rows = 1, .capacity = capacity + 1};
    t->cells = calloc(t->capacity, sizeof *t->cells);
    for (size_t c = 0; t->cells && c < columns; ++c)
        snprintf(t->cells[0][c], CELL, "%s", heads[c]);
    return t->cells != NULL;
}

static void table_print(const table *t, const char *align) {
    const char **cells = calloc(t->rows * t->columns, sizeof *cells);
    for (size_t i = 0; cells && i < t->rows * t->columns; ++i)
        cells[i] = t->cells[i / t->columns][i % t->columns];
    printf("\n");
    if (cells)
        cli_print_table(cells, t->rows, align);
    free(cells);
}

void print_tallies(const tally *tallies, size_t count) {
    static const char *const heads[] = {"device",      "algorithm", "passed",   "wrong",
                                        "suspicious",  "failed",    "crashed",  "mistrusted",
                                        "unsupported", "share",     "of alarm", "GFLOP/s"};
    table rows;
    if (!table_make(&rows, count, heads, sizeof heads / sizeof heads[0]))
        return;
    for (size_t i = 0; i < count; ++i) {
        const tally *t = &tallies[i];
        size_t ran = 0;
        for (int v = 0; v < VERDICT_UNSUPPORTED; ++v)
            ran += t->verdicts[v];
        if (!ran)
            continue;
        char(*row)[CELL] = rows.cells[rows.rows++];
        snprintf(row[0], CELL, "%s", t->device->facts.info.selector);
        snprintf(row[1], CELL, "%s", t->algorithm);
        for (int v = 0; v < VERDICTS; ++v)
            snprintf(row[2 + v], CELL, "%zu", t->verdicts[v]);
        snprintf(row[9], CELL, "%.3f", t->share);
        snprintf(row[10], CELL, "%.3f", t->alarm_share);
        snprintf(row[11], CELL, "%.1f", t->seconds > 0 ? t->flops / t->seconds * 1e-9 : 0);
    }
    table_print(&rows, "llrrrrrrrrrr");
    free(rows.cells);
}

void print_refusals(const tally *tallies, size_t count) {
    for (size_t i = 0; i < count; ++i)
        if (*tallies[i].refusal)
            printf("%-5s %-14s %s\n", tallies[i].device->facts.info.selector, tallies[i].algorithm,
                   tallies[i].refusal);
}

void print_differences(const tally *tallies, size_t count) {
    static const char *const heads[] = {
        "device", "algorithm", "compared", "differing", "elements that differ", "most ULPs"};
    table rows;
    if (!table_make(&rows, count, heads, sizeof heads / sizeof heads[0]))
        return;
    for (size_t i = 0; i < count; ++i) {
        const tally *t = &tallies[i];
        if (!t->compared)
            continue;
        char(*row)[CELL] = rows.cells[rows.rows++];
        snprintf(row[0], CELL, "%s", t->device->facts.info.selector);
        snprintf(row[1], CELL, "%s", t->algorithm);
        snprintf(row[2], CELL, "%zu", t->compared);
        snprintf(row[3], CELL, "%zu", t->differing);
        snprintf(row[4], CELL, "%zu", t->differing_elements);
        snprintf(row[5], CELL, "%" PRIu64, t->differing_ulps);
    }
    table_print(&rows, "llrrrr");
    free(rows.cells);
}
