#include "report_plots.h"

#include "markup.h"
#include "svg.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- histogram ---- */

enum { BINS = 15 };

/* Bins of half a decade; the first takes all that is smaller, 0 included. */
static size_t bin_of(double share) {
    double bin = share > 0 ? floor((log10(share) + 7) * 2) + 1 : 0;
    return bin < 0 ? 0 : bin >= BINS ? BINS - 1 : (size_t)bin;
}

void plot_shares(FILE *f, const report_log *log) {
    size_t counts[BINS] = {0}, most = 1;
    const double width = (double)(SVG_WIDTH - SVG_LEFT - SVG_RIGHT) / BINS,
                 bottom = SVG_HEIGHT - SVG_BOTTOM;
    char text[64];
    for (size_t i = 0; i < log->count; ++i) {
        const report *r = &log->entries[i]->r;
        if (r->judged.judged && r->verdict == VERDICT_PASSED)
            ++counts[bin_of(r->judged.share)];
    }
    for (size_t i = 0; i < BINS; ++i)
        most = counts[i] > most ? counts[i] : most;
    svg_begin(f, "histogram of errors as a share of their bounds");
    for (size_t i = 0; i < BINS; ++i) {
        double height = (bottom - SVG_TOP - 14) * (double)counts[i] / (double)most;
        double x = SVG_LEFT + width * (double)i;
        fprintf(f,
                "<rect class=\"bar\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\">"
                "<title>%zu results</title></rect>\n",
                x + 1, bottom - height, width - 2, height, counts[i]);
        if (counts[i]) {
            snprintf(text, sizeof text, "%zu", counts[i]);
            svg_label(f, x + width / 2, bottom - height - 4, "middle", text);
        }
        if (i % 2 == 0) {
            snprintf(text, sizeof text, i ? "1e%d" : "exact", (int)i / 2 - 7);
            svg_label(f, x + (i ? width : width / 2), bottom + 16, "middle", text);
        }
    }
    svg_line(f, "axis", SVG_LEFT, bottom, SVG_WIDTH - SVG_RIGHT, bottom);
    svg_label(f, (SVG_LEFT + SVG_WIDTH - SVG_RIGHT) / 2.0, SVG_HEIGHT - 8, "middle",
              "largest error of a result as a share of its bound");
    svg_end(f);
}

/* ---- roofline ---- */

typedef struct roof {
    double gflops, gbytes;
    int is_measured;
} roof;

/* There are more algorithms than colours: discs, then rings, then broken ones. */
static void write_marks(FILE *f, size_t algorithm) {
    fprintf(f, "s%zu c%zu r%zu", algorithm % 8, algorithm % 8, algorithm / 8 % 3);
}

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

static void write_dots(FILE *f, const report_log *log, size_t device, const svg_scale *x,
                       const svg_scale *y) {
    for (size_t i = 0; i < log->count; ++i) {
        const report *r = &log->entries[i]->r;
        char text[CLCONV_PROBLEM_TEXT_SIZE];
        size_t a = 0;
        if (r->device != &log->devices[device] || !(r->seconds > 0) || !(report_gbytes(r) > 0))
            continue;
        while (a + 1 < clconv_algorithm_count() &&
               strcmp(clconv_algorithm_name(a), r->algorithm) != 0)
            ++a;
        fputs("<circle class=\"", f);
        write_marks(f, a);
        fprintf(f, "\" cx=\"%.1f\" cy=\"%.1f\" r=\"3\"><title>",
                svg_at(x, report_gflops(r) / report_gbytes(r)), svg_at(y, report_gflops(r)));
        markup_text(f, r->algorithm);
        fputs(": ", f);
        markup_text(f, shown_name(&log->entries[i]->problem, text));
        fprintf(f, ", %.1f GFLOP/s</title></circle>\n", report_gflops(r));
    }
}

static void write_roof(FILE *f, const roof *top, const svg_scale *x, const svg_scale *y) {
    double ridge = top->gflops / top->gbytes, lowest = pow(10, x->first);
    if (top->gbytes * lowest < pow(10, y->first))
        lowest = pow(10, y->first) / top->gbytes;
    svg_line(f, "roof", svg_at(x, lowest), svg_at(y, top->gbytes * lowest), svg_at(x, ridge),
             svg_at(y, top->gflops));
    svg_line(f, "roof", svg_at(x, ridge), svg_at(y, top->gflops), x->to, svg_at(y, top->gflops));
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
        if (count) {
            fputs("<span><svg class=\"key\" viewBox=\"0 0 10 10\"><circle class=\"", f);
            write_marks(f, a);
            fprintf(f, "\" cx=\"5\" cy=\"5\" r=\"4\"/></svg>%s</span> ", clconv_algorithm_name(a));
        }
    }
    fputs("</p>\n", f);
}

void plot_roofline(FILE *f, const report_log *log, size_t device) {
    const roof top = roof_of(log, device);
    const double highest = ceil(log10(fmax(10, top.gflops)));
    const svg_scale x = {-1, 4, SVG_LEFT, SVG_WIDTH - SVG_RIGHT, false},
                    y = {highest - 5, highest, SVG_HEIGHT - SVG_BOTTOM, SVG_TOP, false};
    if (!(top.gflops > 0) || !(top.gbytes > 0))
        return;
    svg_begin(f, "roofline");
    svg_axes(f, &x, &y, "operations for each byte of the tensors", "GFLOP/s");
    write_roof(f, &top, &x, &y);
    write_dots(f, log, device, &x, &y);
    svg_end(f);
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
    svg_end(f);
}
