#include "report_plots.h"

#include "markup.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 480, HEIGHT = 300, LEFT = 60, RIGHT = 24, TOP = 14, BOTTOM = 46 };

/* Decades from one power of ten to another along a length. */
typedef struct scale {
    double first, last; /* exponents */
    double from, to;    /* where they lie */
} scale;

static double at(const scale *s, double value) {
    double share = (log10(value) - s->first) / (s->last - s->first);
    return s->from + (s->to - s->from) * fmin(1, fmax(0, share));
}

static void begin_plot(FILE *f, const char *title) {
    fprintf(f, "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\">\n", WIDTH, HEIGHT,
            title);
}

static void write_label(FILE *f, double x, double y, const char *anchor, const char *text) {
    fprintf(f, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>\n", x, y, anchor, text);
}

static void write_line(FILE *f, const char *class, double x1, double y1, double x2, double y2) {
    fprintf(f, "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", class, x1,
            y1, x2, y2);
}

static void format_power(char text[32], double exponent) {
    double value = pow(10, exponent);
    if (exponent < -3)
        snprintf(text, 32, "1e%.0f", exponent);
    else
        snprintf(text, 32, "%g", value);
}

static void write_axes(FILE *f, const scale *x, const scale *y, const char *below,
                       const char *beside) {
    char text[32];
    for (double e = ceil(x->first); e <= x->last; ++e) {
        double place = at(x, pow(10, e));
        write_line(f, "grid", place, y->to, place, y->from);
        format_power(text, e);
        write_label(f, place, y->from + 16, "middle", text);
    }
    for (double e = ceil(y->first); e <= y->last; ++e) {
        double place = at(y, pow(10, e));
        write_line(f, "grid", x->from, place, x->to, place);
        format_power(text, e);
        write_label(f, x->from - 6, place + 4, "end", text);
    }
    write_label(f, (x->from + x->to) / 2, HEIGHT - 8, "middle", below);
    fprintf(f,
            "<text transform=\"translate(14 %.1f) rotate(-90)\" text-anchor=\"middle\">%s</text>\n",
            (y->from + y->to) / 2, beside);
}

/* ---- histogram ---- */

enum { BINS = 15 };

/* Bins of half a decade; the first takes all that is smaller, 0 included. */
static size_t bin_of(double share) {
    double bin = share > 0 ? floor((log10(share) + 7) * 2) + 1 : 0;
    return bin < 0 ? 0 : bin >= BINS ? BINS - 1 : (size_t)bin;
}

void plot_shares(FILE *f, const report_log *log) {
    size_t counts[BINS] = {0}, most = 1;
    const double width = (double)(WIDTH - LEFT - RIGHT) / BINS, bottom = HEIGHT - BOTTOM;
    char text[64];
    for (size_t i = 0; i < log->count; ++i) {
        const report *r = &log->entries[i]->r;
        if (r->judged.judged && r->verdict == VERDICT_PASSED)
            ++counts[bin_of(r->judged.share)];
    }
    for (size_t i = 0; i < BINS; ++i)
        most = counts[i] > most ? counts[i] : most;
    begin_plot(f, "histogram of errors as a share of their bounds");
    for (size_t i = 0; i < BINS; ++i) {
        double height = (bottom - TOP - 14) * (double)counts[i] / (double)most;
        double x = LEFT + width * (double)i;
        fprintf(f,
                "<rect class=\"bar\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\">"
                "<title>%zu results</title></rect>\n",
                x + 1, bottom - height, width - 2, height, counts[i]);
        if (counts[i]) {
            snprintf(text, sizeof text, "%zu", counts[i]);
            write_label(f, x + width / 2, bottom - height - 4, "middle", text);
        }
        if (i % 2 == 0) {
            snprintf(text, sizeof text, i ? "1e%d" : "exact", (int)i / 2 - 7);
            write_label(f, x + (i ? width : width / 2), bottom + 16, "middle", text);
        }
    }
    write_line(f, "axis", LEFT, bottom, WIDTH - RIGHT, bottom);
    write_label(f, (LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 8, "middle",
                "largest error of a result as a share of its bound");
    fputs("</svg>\n", f);
}

/* ---- roofline ---- */

typedef struct roof {
    double gflops, gbytes;
    int is_measured;
} roof;

static roof roof_of(const report_log *log, size_t device) {
    roof best = {0, 0, 0};
    if (log->peaks && log->peaks[device].gflops > 0)
        return (roof){log->peaks[device].gflops, log->peaks[device].gbytes, 1};
    for (size_t i = 0; i < log->count; ++i) {
        const report *r = &log->entries[i]->r;
        if (r->device != &log->devices[device])
            continue;
        best.gflops = fmax(best.gflops, report_gflops(r));
        best.gbytes = fmax(best.gbytes, report_gbytes(r));
    }
    return best;
}

static void write_dots(FILE *f, const report_log *log, size_t device, const scale *x,
                       const scale *y) {
    for (size_t i = 0; i < log->count; ++i) {
        const report *r = &log->entries[i]->r;
        char text[CLCONV_PROBLEM_TEXT_SIZE];
        size_t a = 0;
        if (r->device != &log->devices[device] || !(r->seconds > 0) || !(report_gbytes(r) > 0))
            continue;
        while (a + 1 < clconv_algorithm_count() &&
               strcmp(clconv_algorithm_name(a), r->algorithm) != 0)
            ++a;
        fprintf(f, "<circle class=\"s%zu\" cx=\"%.1f\" cy=\"%.1f\" r=\"3\"><title>", a % 8,
                at(x, report_gflops(r) / report_gbytes(r)), at(y, report_gflops(r)));
        markup_text(f, r->algorithm);
        fputs(": ", f);
        markup_text(f, shown_name(&log->entries[i]->problem, text));
        fprintf(f, ", %.1f GFLOP/s</title></circle>\n", report_gflops(r));
    }
}

static void write_roof(FILE *f, const roof *top, const scale *x, const scale *y) {
    double ridge = top->gflops / top->gbytes, lowest = pow(10, x->first);
    if (top->gbytes * lowest < pow(10, y->first))
        lowest = pow(10, y->first) / top->gbytes;
    write_line(f, "roof", at(x, lowest), at(y, top->gbytes * lowest), at(x, ridge),
               at(y, top->gflops));
    write_line(f, "roof", at(x, ridge), at(y, top->gflops), x->to, at(y, top->gflops));
}

/* Which colour is which algorithm, below the plot. */
static void write_legend(FILE *f, const report_log *log, size_t device) {
    fputs("<p class=\"legend\">", f);
    for (size_t a = 0; a < clconv_algorithm_count(); ++a) {
        size_t count = 0;
        for (size_t i = 0; i < log->count; ++i)
            count += log->entries[i]->r.device == &log->devices[device] &&
                     log->entries[i]->r.seconds > 0 &&
                     !strcmp(log->entries[i]->r.algorithm, clconv_algorithm_name(a));
        if (count)
            fprintf(f,
                    "<span><svg class=\"key\" viewBox=\"0 0 10 10\"><circle class=\"s%zu\" "
                    "cx=\"5\" cy=\"5\" r=\"4\"/></svg>%s</span> ",
                    a % 8, clconv_algorithm_name(a));
    }
    fputs("</p>\n", f);
}

void plot_roofline(FILE *f, const report_log *log, size_t device) {
    const roof top = roof_of(log, device);
    const double highest = ceil(log10(fmax(10, top.gflops)));
    const scale x = {-1, 4, LEFT, WIDTH - RIGHT}, y = {highest - 5, highest, HEIGHT - BOTTOM, TOP};
    if (!(top.gflops > 0) || !(top.gbytes > 0))
        return;
    begin_plot(f, "roofline");
    write_axes(f, &x, &y, "operations for each byte of the tensors", "GFLOP/s");
    write_roof(f, &top, &x, &y);
    write_dots(f, log, device, &x, &y);
    fputs("</svg>\n", f);
    write_legend(f, log, device);
    fprintf(f, "<p class=\"note\">Roof: %.0f GFLOP/s and %.1f GB/s, %s.</p>\n", top.gflops,
            top.gbytes,
            top.is_measured ? "measured with a kernel of multiply-adds and a copy in the device's "
                              "memory"
                            : "the best of this run, because nothing else is measured here");
}

/* ---- neighbourhood ---- */

void plot_neighbourhood(FILE *f, const report *r) {
    enum { CELL = 14 };
    static const char *const classes[] = {[CELL_OUTSIDE] = "outside",
                                          [CELL_RIGHT] = "right",
                                          [CELL_SUSPICIOUS] = "suspicious",
                                          [CELL_WRONG] = "wrong",
                                          [CELL_NAN] = "nan"};
    const size_t *place = r->view.place;
    int rows = 0, columns = 0;
    for (int h = 0; h < VIEW_ROWS; ++h)
        for (int w = 0; w < VIEW_COLUMNS; ++w)
            if (r->view.cells[h][w] != CELL_OUTSIDE) {
                rows = h + 1;
                columns = w >= columns ? w + 1 : columns;
            }
    fprintf(f,
            "<p class=\"note\">Picture %zu, channel %zu, plane %zu; the first element shown is row "
            "%zu, column %zu.</p><p class=\"legend note\"><span><i class=\"swatch right\"></i> "
            "right</span><span><i class=\"swatch suspicious\"></i> suspicious</span><span>"
            "<i class=\"swatch wrong\"></i> wrong</span><span><i class=\"swatch nan\"></i> not a "
            "number</span></p>\n",
            place[0], place[1], place[2], place[3], place[4]);
    fprintf(f,
            "<svg class=\"cells\" style=\"max-width:%dpx\" viewBox=\"0 0 %d %d\" role=\"img\" "
            "aria-label=\"elements around the first bad one\">\n",
            columns * CELL, columns * CELL, rows * CELL);
    for (int h = 0; h < rows; ++h)
        for (int w = 0; w < columns; ++w)
            if (r->view.cells[h][w] != CELL_OUTSIDE)
                fprintf(f, "<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"/>\n",
                        classes[r->view.cells[h][w]], w * CELL, h * CELL, CELL - 1, CELL - 1);
    fputs("</svg>\n", f);
}
