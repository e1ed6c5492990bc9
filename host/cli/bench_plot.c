#include "bench_plot.h"

#include "markup.h"
#include "svg.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

typedef struct plot {
    const bench_points *points;
    svg_scale x, y;
} plot;

/* Characters of a name that stand before its last colon. */
static size_t length_of_series(const char *name) {
    const char *colon = strrchr(name, ':');
    return colon ? (size_t)(colon - name) : 0;
}

static bool are_of_one_series(const char *a, const char *b) {
    const size_t length = length_of_series(a);
    return length == length_of_series(b) && strncmp(a, b, length) == 0;
}

/* Whole decades that hold all values. */
static void fit(svg_scale *s, const double *values, size_t count) {
    double least = values[0], most = values[0];
    for (size_t i = 1; i < count; i++) {
        least = fmin(least, values[i]);
        most = fmax(most, values[i]);
    }
    s->first = floor(log10(least));
    s->last = fmax(s->first + 1, ceil(log10(most)));
}

/* As much of the peak's line as the scales hold. */
static void draw_peak(FILE *f, const plot *p, double flops) {
    const double from = fmax(pow(10, p->x.first), flops * pow(10, p->y.first));
    const double to = fmin(pow(10, p->x.last), flops * pow(10, p->y.last));
    if (from < to)
        svg_line(f, "roof", svg_at(&p->x, from), svg_at(&p->y, from / flops), svg_at(&p->x, to),
                 svg_at(&p->y, to / flops));
}

static void draw_dot(FILE *f, size_t colour, double x, double y) {
    fprintf(f, "<circle class=\"s%zu\" cx=\"%.1f\" cy=\"%.1f\" r=\"3\"/>\n", colour % 8, x, y);
}

/* Below the last key. */
static void draw_key(FILE *f, size_t colour, const char *name) {
    const double y = SVG_TOP + 12 + 18 * (double)colour;
    draw_dot(f, colour, SVG_LEFT + 14, y);
    fprintf(f, "<text x=\"%d\" y=\"%.1f\">", SVG_LEFT + 24, y + 4);
    markup_text(f, name);
    fputs("</text>\n", f);
}

static void draw_series(FILE *f, const plot *p, size_t first, size_t count, size_t colour) {
    const double *xs = p->points->flops + first, *ys = p->points->seconds + first;
    char name[128];
    snprintf(name, sizeof name, "%.*s", (int)length_of_series(p->points->names[first]),
             p->points->names[first]);
    svg_curve(f, colour, &p->x, &p->y, xs, ys, count);
    for (size_t i = 0; i < count; i++)
        draw_dot(f, colour, svg_at(&p->x, xs[i]), svg_at(&p->y, ys[i]));
    draw_key(f, colour, name);
}

void bench_plot(FILE *f, const bench_points *points, double gflops) {
    plot p = {points,
              {0, 1, SVG_LEFT, SVG_WIDTH - SVG_RIGHT, false},
              {0, 1, SVG_HEIGHT - SVG_BOTTOM, SVG_TOP, false}};
    size_t end, colour = 0;
    fit(&p.x, points->flops, points->count);
    fit(&p.y, points->seconds, points->count);
    svg_begin_file(f, "time over work");
    svg_axes(f, &p.x, &p.y, "operations", "seconds");
    if (gflops > 0)
        draw_peak(f, &p, gflops * 1e9);
    for (size_t first = 0; first < points->count; first = end) {
        end = first + 1;
        while (end < points->count && are_of_one_series(points->names[first], points->names[end]))
            end++;
        draw_series(f, &p, first, end - first, colour++);
    }
    svg_end(f);
}
