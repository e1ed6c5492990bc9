#include "markup.h"
#include "outfile.h"
#include "report_log.h"

static void write_attribute(FILE *f, const char *name, const char *value) {
    fprintf(f, " %s=\"", name);
    markup_text(f, value);
    fputc('"', f);
}

/* Bad ones are failures, or errors where nothing was computed; what proves nothing is skipped. */
static const char *element_of(verdict v) {
    static const char *const elements[VERDICTS] = {
        [VERDICT_WRONG] = "failure",      [VERDICT_SUSPICIOUS] = "failure",
        [VERDICT_FAILED] = "error",       [VERDICT_CRASHED] = "error",
        [VERDICT_MISTRUSTED] = "skipped", [VERDICT_UNSUPPORTED] = "skipped"};
    return elements[v];
}

static void write_case(FILE *f, const log_entry *e, uint64_t seed) {
    char text[CLCONV_PROBLEM_TEXT_SIZE], group[96], command[COMMAND_SIZE];
    const char *element = element_of(e->r.verdict);
    snprintf(group, sizeof group, "clconv.%s.%s", e->r.device->facts.info.selector, e->r.algorithm);
    fputs("    <testcase", f);
    write_attribute(f, "classname", group);
    write_attribute(f, "name", shown_name(&e->problem, text));
    fprintf(f, " time=\"%.6f\"", e->r.seconds);
    if (!element) {
        fputs("/>\n", f);
        return;
    }
    fprintf(f, "><%s", element);
    write_attribute(f, "message", e->r.reason);
    if (!is_bad(e->r.verdict)) {
        fputs("/></testcase>\n", f);
        return;
    }
    write_attribute(f, "type", verdict_names[e->r.verdict]);
    fputc('>', f);
    format_command(command, &e->r, &e->problem, seed);
    markup_text(f, command);
    if (e->smallest) {
        fputc('\n', f);
        markup_text(f, e->smallest);
    }
    fprintf(f, "</%s></testcase>\n", element);
}

static void write_suite(FILE *f, const report_log *log) {
    size_t sums[VERDICTS];
    report_log_count(sums, log);
    fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n", f);
    fprintf(f,
            "  <testsuite name=\"clconv verify\" tests=\"%zu\" failures=\"%zu\" errors=\"%zu\" "
            "skipped=\"%zu\" time=\"%.3f\" timestamp=\"%s\">\n",
            log->count, sums[VERDICT_WRONG] + sums[VERDICT_SUSPICIOUS],
            sums[VERDICT_FAILED] + sums[VERDICT_CRASHED],
            sums[VERDICT_MISTRUSTED] + sums[VERDICT_UNSUPPORTED], log->seconds, log->started);
    for (size_t i = 0; i < log->count; ++i)
        write_case(f, log->entries[i], log->seed);
    fputs("  </testsuite>\n</testsuites>\n", f);
}

bool report_junit(const report_log *log, const char *path, char message[MESSAGE_SIZE]) {
    outfile file;
    if (!outfile_open(&file, path, message))
        return false;
    write_suite(file.stream, log);
    return outfile_commit(&file, message);
}
