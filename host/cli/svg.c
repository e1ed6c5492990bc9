#include "svg.h"

#include <math.h>

const char svg_style[] =
    ":root{color-scheme:light dark;--bg:#fff;--fg:#1c2024;--dim:#5d6670;--line:#dde1e6;"
    "--s0:#2f6fde;--s1:#c2410c;--s2:#15803d;--s3:#9333ea;"
    "--s4:#b8860b;--s5:#0e7490;--s6:#be185d;--s7:#64748b}\n"
    "@media(prefers-color-scheme:dark){:root{--bg:#14171a;--fg:#e6e9ec;--dim:#9aa4ae;"
    "--line:#333a41;--s0:#6ea8fe;--s1:#fb923c;--s2:#4ade80;"
    "--s3:#c084fc;--s4:#facc15;--s5:#22d3ee;--s6:#f472b6;--s7:#94a3b8}}\n"
    "svg text{fill:var(--dim);font:13px system-ui,sans-serif}line.grid{stroke:var(--line)}"
    "line.axis{stroke:var(--dim)}line.roof{stroke:var(--fg);stroke-width:1.6}"
    ".curve{fill:none;stroke-width:2}.page{fill:var(--bg)}"
    ".c0{stroke:var(--s0)}.c1{stroke:var(--s1)}.c2{stroke:var(--s2)}.c3{stroke:var(--s3)}"
    ".c4{stroke:var(--s4)}.c5{stroke:var(--s5)}.c6{stroke:var(--s6)}.c7{stroke:var(--s7)}"
    ".bar{fill:var(--s0)}circle{fill-opacity:.75}"
    ".r1,.r2{fill-opacity:.1;stroke-width:1.4}.r2{stroke-dasharray:2 1.5}"
    ".s0{fill:var(--s0)}.s1{fill:var(--s1)}.s2{fill:var(--s2)}.s3{fill:var(--s3)}"
    ".s4{fill:var(--s4)}.s5{fill:var(--s5)}.s6{fill:var(--s6)}.s7{fill:var(--s7)}\n";

double svg_at(const svg_scale *s, double value) {
    double share = ((s->is_linear ? value : log10(value)) - s->first) / (s->last - s->first);
    return s->from + (s->to - s->from) * fmin(1, fmax(0, share));
}

void svg_begin(FILE *f, const char *title) {
    fprintf(f, "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\">\n", SVG_WIDTH,
            SVG_HEIGHT, title);
}

void svg_begin_file(FILE *f, const char *title) {
    fprintf(f,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
            "viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\">\n<style>\n%s</style>\n"
            "<rect class=\"page\" width=\"%d\" height=\"%d\"/>\n",
            SVG_WIDTH, SVG_HEIGHT, SVG_WIDTH, SVG_HEIGHT, title, svg_style, SVG_WIDTH, SVG_HEIGHT);
}

void svg_end(FILE *f) {
    fputs("</svg>\n", f);
}

void svg_label(FILE *f, double x, double y, const char *anchor, const char *text) {
    fprintf(f, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>\n", x, y, anchor, text);
}

void svg_line(FILE *f, const char *class, double x1, double y1, double x2, double y2) {
    fprintf(f, "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", class, x1,
            y1, x2, y2);
}

/* Between two numbers of the grid: at most eight fit an axis. */
static double grid_step(const svg_scale *s) {
    static const double factors[] = {1, 2, 5, 10};
    const double least = (s->last - s->first) / 8;
    const double power = pow(10, floor(log10(least)));
    size_t i = 0;

    if (!s->is_linear)
        return ceil(least);
    while (factors[i] * power < least)
        i++;
    return factors[i] * power;
}

/* The number of the grid that lies at `first` of the scale's own counting. */
static double grid_value(char text[32], const svg_scale *s, double first) {
    double value = s->is_linear ? first : pow(10, first);

    if (!s->is_linear && fabs(first) > 3)
        snprintf(text, 32, "1e%.0f", first);
    else
        snprintf(text, 32, "%g", value);
    return value;
}

void svg_axes(FILE *f, const svg_scale *x, const svg_scale *y, const char *below,
              const char *beside) {
    char text[32];

    for (double step = grid_step(x), e = ceil(x->first / step) * step; e <= x->last; e += step) {
        double place = svg_at(x, grid_value(text, x, e));
        svg_line(f, "grid", place, y->to, place, y->from);
        svg_label(f, place, y->from + 16, "middle", text);
    }
    for (double step = grid_step(y), e = ceil(y->first / step) * step; e <= y->last; e += step) {
        double place = svg_at(y, grid_value(text, y, e));
        svg_line(f, "grid", x->from, place, x->to, place);
        svg_label(f, x->from - 6, place + 4, "end", text);
    }
    svg_label(f, (x->from + x->to) / 2, SVG_HEIGHT - 8, "middle", below);
    fprintf(f,
            "<text transform=\"translate(14 %.1f) rotate(-90)\" text-anchor=\"middle\">%s</text>\n",
            (y->from + y->to) / 2, beside);
}

void svg_curve(FILE *f, size_t colour, const svg_scale *x, const svg_scale *y, const double *xs,
               const double *ys, size_t count) {
    fprintf(f, "<polyline class=\"curve c%zu\" points=\"", colour % 8);
    for (size_t i = 0; i < count; i++)
        fprintf(f, "%s%.1f,%.1f", i ? " " : "", svg_at(x, xs ? xs[i] : (double)i),
                svg_at(y, ys[i]));
    fputs("\"/>\n", f);
}
