/* Plots as SVG: alone in a file, or in a page that has svg_style in its style sheet. */
#ifndef CLCONV_CLI_SVG_H
#define CLCONV_CLI_SVG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/** Size of a plot, and of its margins. */
enum {
    SVG_WIDTH = 480,
    SVG_HEIGHT = 300,
    SVG_LEFT = 60,
    SVG_RIGHT = 24,
    SVG_TOP = 14,
    SVG_BOTTOM = 46
};

/** Values along a length: decades, or equal steps. */
typedef struct svg_scale {
    double first, last; /* exponents of ten, or values where the scale is linear */
    double from, to;    /* where they lie */
    bool is_linear;
} svg_scale;

/** Style rules: colours for light and dark, and the classes of lines and marks. */
extern const char svg_style[];

/** Where a value lies; beyond the ends of the scale, at its end. */
double svg_at(const svg_scale *s, double value);

/** Begins a plot inside a page. */
void svg_begin(FILE *f, const char *title);

/** Begins a plot that is a file of its own. */
void svg_begin_file(FILE *f, const char *title);

void svg_end(FILE *f);
void svg_label(FILE *f, double x, double y, const char *anchor, const char *text);
void svg_line(FILE *f, const char *class, double x1, double y1, double x2, double y2);

/** A grid with its numbers, and what the two axes are. */
void svg_axes(FILE *f, const svg_scale *x, const svg_scale *y, const char *below,
              const char *beside);

/** Lines from each value to the next, in one of eight colours; where xs is NULL, at 0, 1, 2 ... */
void svg_curve(FILE *f, size_t colour, const svg_scale *x, const svg_scale *y, const double *xs,
               const double *ys, size_t count);

#endif
