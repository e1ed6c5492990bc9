#include "cli.h"
#include "markup.h"
#include "outfile.h"
#include "report_plots.h"
#include "svg.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char style[] =
    ":root{--card:#f6f7f9;--good:#1a7f37;--bad:#c9252d;--odd:#b35900;--none:#aab2bb;"
    "--goodbg:#d9f2e0;--badbg:#ffdad8;--oddbg:#ffe9c9}\n"
    "@media(prefers-color-scheme:dark){:root{--card:#1d2125;--good:#4ac26b;--bad:#ff7b72;"
    "--odd:#e3a04f;--none:#5d6670;--goodbg:#173d24;--badbg:#5a1e1e;--oddbg:#553a12}}\n"
    "*{box-sizing:border-box}body{margin:0 auto;max-width:76rem;padding:1rem;background:var(--bg);"
    "color:var(--fg);font:15px/1.5 system-ui,sans-serif}\n"
    "h1{font-size:1.5rem;margin:.2rem 0}h2{font-size:1.15rem;margin:2rem 0 .6rem}"
    "h3{font-size:1rem;margin:.2rem 0 .5rem}\n"
    ".note{color:var(--dim);font-size:.87rem;margin:.3rem 0}"
    ".verdict{font-size:1.1rem;font-weight:600}"
    ".passed{color:var(--good)}.is-bad{color:var(--bad)}\n"
    ".cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,26rem),1fr));"
    "gap:1rem}.card{background:var(--card);border:1px solid var(--line);border-radius:8px;"
    "padding:.8rem 1rem;min-width:0}\n"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:.1rem .9rem;margin:0}"
    "dt{color:var(--dim)}dd{margin:0;overflow-wrap:anywhere}\n"
    "pre{background:var(--bg);border:1px solid var(--line);border-radius:6px;padding:.5rem .7rem;"
    "overflow-x:auto;font-size:.83rem;white-space:pre-wrap;overflow-wrap:anywhere}\n"
    ".scroll{overflow-x:auto;border:1px solid var(--line);border-radius:8px}"
    "table{border-collapse:collapse;font-size:.83rem;width:100%}"
    "th,td{padding:.22rem .55rem;border-bottom:1px solid var(--line);text-align:left;"
    "white-space:nowrap}td.n{text-align:right;font-variant-numeric:tabular-nums}\n"
    ".grid td,.grid th{text-align:center}.grid th:first-child,.grid td:first-child{text-align:left;"
    "position:sticky;left:0;background:var(--bg);max-width:14rem;overflow:hidden;"
    "text-overflow:ellipsis}\n"
    "td.v0{background:var(--goodbg);color:var(--good)}td.v1,td.v3,td.v4{background:var(--badbg);"
    "color:var(--bad);font-weight:700}td.v2{background:var(--oddbg);color:var(--odd)}"
    "td.v5{color:var(--odd)}td.v6{color:var(--none)}\n"
    "svg{display:block;width:100%;height:auto;max-width:36rem;margin:0 auto}\n"
    ".legend span{margin-right:.9rem;white-space:nowrap}.legend{margin:.2rem 0;font-size:.87rem}"
    "svg.key{display:inline-block;width:.7rem;margin-right:.3rem;vertical-align:baseline}\n"
    "svg.cells{margin:0}rect.right{fill:var(--goodbg)}rect.wrong{fill:var(--bad)}"
    "rect.suspicious{fill:var(--odd)}rect.nan{fill:var(--s3)}.swatch{display:inline-block;"
    "width:.8rem;height:.8rem;border-radius:2px;vertical-align:-.1rem}"
    ".swatch.right{background:var(--goodbg)}.swatch.wrong{background:var(--bad)}"
    ".swatch.suspicious{background:var(--odd)}.swatch.nan{background:var(--s3)}\n"
    "summary{cursor:pointer}details{margin:.6rem 0}\n";

/* ---- head ---- */

static void write_fact(FILE *f, const char *name, const char *value) {
    if (!*value)
        return;
    fprintf(f, "<dt>%s</dt><dd>", name);
    markup_text(f, value);
    fputs("</dd>\n", f);
}

static int any_bad(const size_t sums[VERDICTS]) {
    int bad = 0;
    for (int v = 0; v < VERDICTS; ++v)
        bad |= sums[v] && is_bad((verdict)v);
    return bad;
}

static void write_head(FILE *f, const report_log *log) {
    size_t sums[VERDICTS];
    report_log_count(sums, log);
    fputs("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
          "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
          "<title>clconv verify</title>\n<style>\n",
          f);
    fputs(svg_style, f);
    fputs(style, f);
    fputs("</style></head><body>\n<h1>clconv verify</h1>\n", f);
    fprintf(f, "<p class=\"verdict %s\">%s</p>\n<p>", any_bad(sums) ? "is-bad" : "passed",
            any_bad(sums)          ? "Failed"
            : sums[VERDICT_PASSED] ? "Passed"
                                   : "Nothing was proved");
    for (int v = 0; v < VERDICTS; ++v)
        if (sums[v])
            fprintf(f, "%zu %s &nbsp; ", sums[v], verdict_names[v]);
    fprintf(f,
            "</p>\n<p class=\"note\">clconv %s, seed %llu, %s, %.0f s. Every element is held "
            "against a reference in double precision with a proven bound, and against an alarm at "
            "the scale of rounding by chance.</p>\n",
            clconv_version(), (unsigned long long)log->seed, log->started, log->seconds);
}

/* ---- devices ---- */

static void write_device(FILE *f, const report_log *log, size_t index) {
    static const char *const answers[] = {"no", "yes"};
    const clconv_device_info *info = &log->devices[index].facts.info;
    char text[CLI_TEXT_SIZE];
    fputs("<div class=\"card\"><h3>", f);
    markup_text(f, info->selector);
    fputs(" &nbsp; ", f);
    markup_text(f, info->name);
    fputs("</h3><dl>\n", f);
    write_fact(f, "kind", cli_kind_name(info->kind));
    write_fact(f, "vendor", info->vendor);
    write_fact(f, "platform", info->platform);
    write_fact(f, "version", info->version);
    write_fact(f, "driver", info->driver);
    fprintf(f, "<dt>compute units</dt><dd>%u</dd>\n", info->compute_units);
    if (info->kind != CLCONV_KIND_HOST) {
        cli_format_bytes(text, info->local_memory_size);
        write_fact(f, "local memory", text);
        fprintf(f, "<dt>work-group</dt><dd>up to %zu work-items</dd>\n", info->max_work_group_size);
        cli_format_bytes(text, info->max_allocation_size);
        write_fact(f, "one buffer", text);
    }
    fprintf(f, "<dt>builds, runs</dt><dd>claimed yes, probed %s</dd>\n", answers[!!info->usable]);
    fprintf(f, "<dt>double precision</dt><dd>claimed %s, probed %s</dd>\n",
            answers[!!info->f64_claimed], answers[!!info->f64_probed]);
    write_fact(f, "note", info->note);
    fputs("</dl>\n", f);
    plot_roofline(f, log, index);
    fputs("</div>\n", f);
}

/* ---- failures ---- */

static void write_failure(FILE *f, const log_entry *e, uint64_t seed) {
    char text[COMMAND_SIZE];
    fputs("<div class=\"card\"><h3>", f);
    markup_text(f, verdict_names[e->r.verdict]);
    fputs(": ", f);
    markup_text(f, e->r.algorithm);
    fputs(" on ", f);
    markup_text(f, e->r.device->facts.info.selector);
    fputs(", ", f);
    markup_text(f, shown_name(&e->problem, text));
    fputs("</h3>\n<p>", f);
    markup_text(f, e->r.reason);
    fputs("</p>\n", f);
    if (e->r.has_view)
        plot_neighbourhood(f, &e->r);
    format_command(text, &e->r, &e->problem, seed);
    fputs("<p class=\"note\">Repeat it:</p><pre>", f);
    markup_text(f, text);
    fputs("</pre>\n", f);
    if (e->smallest) {
        fputs("<p class=\"note\">The smallest case that fails in the same way:</p><pre>", f);
        markup_text(f, e->smallest);
        fputs("</pre>\n", f);
    }
    fputs("</div>\n", f);
}

static void write_failures(FILE *f, const report_log *log) {
    enum { MOST_SHOWN = 20 };
    size_t bad = 0;
    for (size_t i = 0; i < log->count; ++i)
        if (is_bad(log->entries[i]->r.verdict) && bad++ < MOST_SHOWN) {
            fputs(bad == 1 ? "<h2>Failures</h2>\n<div class=\"cards\">\n" : "", f);
            write_failure(f, log->entries[i], log->seed);
        }
    if (bad)
        fputs("</div>\n", f);
    if (bad > MOST_SHOWN)
        fprintf(f, "<p class=\"note\">%zu more are in the tables below.</p>\n", bad - MOST_SHOWN);
}

/* ---- grid: problems down, devices and algorithms across ---- */

typedef struct grid {
    const report *columns[64]; /* the first report of each pair of device and algorithm */
    size_t column_count;
    FILE *file;
} grid;

static size_t column_of(grid *g, const report *r) {
    size_t c = 0;
    while (c < g->column_count && (g->columns[c]->device != r->device ||
                                   strcmp(g->columns[c]->algorithm, r->algorithm) != 0))
        ++c;
    if (c == g->column_count && c < sizeof g->columns / sizeof g->columns[0])
        g->columns[g->column_count++] = r;
    return c;
}

static void write_cell(FILE *f, const log_entry *e) {
    static const char *const signs[VERDICTS] = {
        [VERDICT_PASSED] = "&#10003;",    [VERDICT_WRONG] = "&#10007;",  [VERDICT_SUSPICIOUS] = "!",
        [VERDICT_FAILED] = "E",           [VERDICT_CRASHED] = "&#8224;", [VERDICT_MISTRUSTED] = "?",
        [VERDICT_UNSUPPORTED] = "&ndash;"};
    fprintf(f, "<td class=\"v%d\" title=\"%s", (int)e->r.verdict, verdict_names[e->r.verdict]);
    if (*e->r.reason) {
        fputs(": ", f);
        markup_text(f, e->r.reason);
    } else {
        fprintf(f, ", share %.3g, %.1f GFLOP/s", e->r.judged.share, report_gflops(&e->r));
    }
    fprintf(f, "\">%s</td>", signs[e->r.verdict]);
}

/* Entries of one problem lie behind each other. Returns the first of the next problem. */
static size_t write_row(grid *g, const report_log *log, size_t first) {
    const log_entry *row[64] = {NULL};
    char text[CLCONV_PROBLEM_TEXT_SIZE];
    const clconv_problem *p = &log->entries[first]->problem;
    size_t i = first;
    for (; i < log->count && memcmp(&log->entries[i]->problem, p, sizeof *p) == 0; ++i) {
        size_t c = column_of(g, &log->entries[i]->r);
        if (c == 64 || row[c])
            break;
        row[c] = log->entries[i];
    }
    const char *name = shown_name(p, text);
    fputs("<tr><td title=\"", g->file);
    markup_text(g->file, name);
    fputs("\">", g->file);
    markup_text(g->file, name);
    fputs("</td>", g->file);
    for (size_t c = 0; c < g->column_count; ++c)
        if (row[c])
            write_cell(g->file, row[c]);
        else
            fputs("<td></td>", g->file);
    fputs("</tr>\n", g->file);
    return i == first ? first + 1 : i;
}

static void write_grid(FILE *f, const report_log *log) {
    grid g = {.file = f};
    for (size_t i = 0; i < log->count; ++i)
        column_of(&g, &log->entries[i]->r);
    fputs(
        "<h2>Problems and algorithms</h2>\n<p class=\"note\">&#10003; passed &nbsp; &#10007; wrong "
        "&nbsp; ! suspicious &nbsp; E failed &nbsp; &#8224; crashed &nbsp; ? mistrusted &nbsp; "
        "&ndash; unsupported</p>\n<div class=\"scroll\"><table class=\"grid\">\n<tr><th>problem"
        "</th>",
        f);
    for (size_t c = 0; c < g.column_count; ++c) {
        fputs("<th>", f);
        markup_text(f, g.columns[c]->device->facts.info.selector);
        fputs("<br>", f);
        markup_text(f, g.columns[c]->algorithm);
        fputs("</th>", f);
    }
    fputs("</tr>\n", f);
    for (size_t i = 0; i < log->count;)
        i = write_row(&g, log, i);
    fputs("</table></div>\n", f);
}

/* ---- everything ---- */

static void write_value(FILE *f, const report_column *column, const log_entry *entry) {
    char text[CLCONV_PROBLEM_TEXT_SIZE];
    if (column->text) {
        fputs("<td>", f);
        markup_text(f, column->text(entry, text, sizeof text));
    } else {
        double value = column->number(entry);
        fputs("<td class=\"n\">", f);
        if (!isnan(value))
            fprintf(f, "%.4g", value);
    }
    fputs("</td>", f);
}

static void write_details(FILE *f, const report_log *log) {
    enum { MOST_ROWS = 5000 };
    fputs("<h2>All figures</h2>\n<details><summary>Show the table</summary>\n"
          "<div class=\"scroll\"><table>\n<tr>",
          f);
    for (size_t c = 0; c < report_column_count; ++c)
        fprintf(f, "<th>%s</th>", report_columns[c].heading);
    fputs("</tr>\n", f);
    for (size_t i = 0; i < log->count && i < MOST_ROWS; ++i) {
        fputs("<tr>", f);
        for (size_t c = 0; c < report_column_count; ++c)
            write_value(f, &report_columns[c], log->entries[i]);
        fputs("</tr>\n", f);
    }
    fputs("</table></div>\n", f);
    if (log->count > MOST_ROWS)
        fprintf(f, "<p class=\"note\">The first %d of %zu.</p>\n", MOST_ROWS, log->count);
    fputs("</details>\n", f);
}

static void write_page(FILE *f, const report_log *log) {
    write_head(f, log);
    write_failures(f, log);
    fputs("<h2>Devices</h2>\n<div class=\"cards\">\n", f);
    for (size_t i = 0; i < log->device_count; ++i)
        write_device(f, log, i);
    fputs("</div>\n<h2>Errors</h2>\n<div class=\"card\">\n", f);
    plot_shares(f, log);
    fputs("</div>\n", f);
    write_grid(f, log);
    write_details(f, log);
    fputs("</body></html>\n", f);
}

bool report_html(const report_log *log, const char *path, char message[MESSAGE_SIZE]) {
    outfile file;
    if (!outfile_open(&file, path, message))
        return false;
    write_page(file.stream, log);
    return outfile_commit(&file, message);
}
