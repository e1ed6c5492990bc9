#include "peer.h"

#include <cblas.h>
#include <stdlib.h>
#include <string.h>

/* The textbook way: unroll a group's input into columns [tap][pixel], then one GEMM. */
typedef struct openblas_state {
    const layer *l;
    float *columns, *output;
    size_t taps, pixels;
} openblas_state;

static void setup(void **result, const layer *l) {
    const clconv_problem *p = &l->problem;
    *result = NULL;
    if (p->direction != CLCONV_FORWARD)
        return;
    openblas_state *s = calloc(1, sizeof *s);
    bench_require(s != NULL, "memory");
    s->l = l;
    s->taps = p->in_channels / p->groups * p->kernel[1] * p->kernel[2];
    s->pixels = l->output_extent[1] * l->output_extent[2];
    s->columns = malloc(s->taps * s->pixels * sizeof *s->columns);
    s->output = malloc(l->elements[CLCONV_OUTPUT] * sizeof *s->output);
    bench_require(s->columns && s->output, "memory");
    *result = s;
}

static void unroll_row(float *to, const clconv_problem *p, const float *channel, size_t out_w,
                       ptrdiff_t h, size_t k) {
    ptrdiff_t first = (ptrdiff_t)(k * p->dilation[2]) - (ptrdiff_t)p->pad_begin[2];
    if (h < 0 || (size_t)h >= p->input[1]) {
        memset(to, 0, out_w * sizeof *to);
        return;
    }
    const float *row = channel + (size_t)h * p->input[2];
    for (size_t i = 0; i < out_w; ++i) {
        ptrdiff_t w = first + (ptrdiff_t)(i * p->stride[2]);
        to[i] = w >= 0 && (size_t)w < p->input[2] ? row[w] : 0;
    }
}

static void unroll(const openblas_state *s, const float *input) {
    const clconv_problem *p = &s->l->problem;
    size_t out_h = s->l->output_extent[1], out_w = s->l->output_extent[2];
    float *to = s->columns;
    for (size_t tap = 0; tap < s->taps; ++tap) {
        size_t k = tap % p->kernel[2], j = tap / p->kernel[2] % p->kernel[1];
        const float *channel =
            input + tap / p->kernel[2] / p->kernel[1] * p->input[1] * p->input[2];
        for (size_t h = 0; h < out_h; ++h, to += out_w)
            unroll_row(
                to, p, channel, out_w,
                (ptrdiff_t)(h * p->stride[1] + j * p->dilation[1]) - (ptrdiff_t)p->pad_begin[1], k);
    }
}

static void run(void *state) {
    openblas_state *s = state;
    const clconv_problem *p = &s->l->problem;
    size_t rows = p->out_channels / p->groups;
    size_t picture = p->input[1] * p->input[2] * p->in_channels / p->groups;
    for (size_t i = 0; i < p->batch * p->groups; ++i) {
        const float *weights = s->l->data[CLCONV_WEIGHTS] + i % p->groups * rows * s->taps;
        unroll(s, s->l->data[CLCONV_INPUT] + i * picture);
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)rows, (int)s->pixels,
                    (int)s->taps, 1, weights, (int)s->taps, s->columns, (int)s->pixels, 0,
                    s->output + i * rows * s->pixels, (int)s->pixels);
    }
}

static void fetch(void *state, float *output) {
    const openblas_state *s = state;
    memcpy(output, s->output, s->l->elements[CLCONV_OUTPUT] * sizeof *output);
}

static void teardown(void *state) {
    openblas_state *s = state;
    free(s->columns);
    free(s->output);
    free(s);
}

const peer openblas_peer = {"openblas", setup, run, NULL, fetch, teardown, NULL};
