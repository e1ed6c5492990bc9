/* Compiled once per instruction set; CLCONV__ISA is its name. See host_kernel.h. */
#include "host_kernel.h"

#include <stdint.h>
#include <string.h>

#define PASTE(a, b)       a##b
#define NAME(prefix, isa) PASTE(prefix, isa)
#define STRING(text)      #text
#define NAME_STRING(isa)  STRING(isa)

/*
 * Bytes of a vector, and a tile of ROWS x VECTORS sums that fits the registers: 24 of 32 with
 * AVX-512, 12 of 16 with AVX2, 8 of 16 elsewhere. A channel on its own needs as many sums as the
 * processor has multiplications under way: 8 vectors.
 */
#if defined(__AVX512F__)
enum { VECTOR_BYTES = 64, ROWS = 8, VECTORS = 3 };
#elif defined(__AVX2__)
enum { VECTOR_BYTES = 32, ROWS = 4, VECTORS = 3 };
#else
enum { VECTOR_BYTES = 16, ROWS = 4, VECTORS = 2 };
#endif

/*
 * The sums live in registers while `taps` runs: only if every loop over them is unrolled, which
 * compilers leave undone in those around the sums' loads and stores unless they are told to.
 */
#define UNROLLED _Pragma("GCC unroll 8")
#define DEFINE_MULTIPLY(function, vector, rows, vectors)                                           \
    static void function##_##vectors(size_t taps, const void *weights, const void *from,           \
                                     const size_t *at, int adds, void *sums, size_t pitch) {       \
        const vector##_lane *w = weights;                                                          \
        vector acc[rows][vectors];                                                                 \
        UNROLLED for (size_t o = 0; o < (rows); ++o)                                               \
            UNROLLED for (size_t v = 0; v < (vectors); ++v) acc[o][v] =                            \
                adds ? vector##_at(sums, o * pitch, v) : (vector){0};                              \
        for (size_t k = 0; k < taps; ++k, w += rows) {                                             \
            vector x[vectors];                                                                     \
            UNROLLED for (size_t v = 0; v < (vectors); ++v) x[v] = vector##_at(from, at[k], v);    \
            UNROLLED for (size_t o = 0; o < (rows); ++o)                                           \
                UNROLLED for (size_t v = 0; v < (vectors); ++v) acc[o][v] += w[o] * x[v];          \
        }                                                                                          \
        UNROLLED for (size_t o = 0; o < (rows); ++o)                                               \
            UNROLLED for (size_t v = 0; v < (vectors); ++v)                                        \
                memcpy((vector##_lane *)sums + o * pitch + v * sizeof(vector) / sizeof *w,         \
                       &acc[o][v], sizeof acc[o][v]);                                              \
    }

#define DEFINE_TILES(type, suffix)                                                                 \
    typedef type suffix##_lane;                                                                    \
    typedef type suffix __attribute__((vector_size(VECTOR_BYTES)));                                \
    static inline suffix suffix##_at(const void *from, size_t first, size_t v) {                   \
        suffix value;                                                                              \
        memcpy(&value, (const type *)from + first + v * (VECTOR_BYTES / sizeof(type)),             \
               sizeof value);                                                                      \
        return value;                                                                              \
    }                                                                                              \
    DEFINE_MULTIPLY(suffix##_block, suffix, ROWS, 1)                                               \
    DEFINE_MULTIPLY(suffix##_block, suffix, ROWS, 2)                                               \
    DEFINE_MULTIPLY(suffix##_block, suffix, ROWS, 3)                                               \
    DEFINE_MULTIPLY(suffix##_line, suffix, 1, 1)                                                   \
    DEFINE_MULTIPLY(suffix##_line, suffix, 1, 2)                                                   \
    DEFINE_MULTIPLY(suffix##_line, suffix, 1, 3)                                                   \
    DEFINE_MULTIPLY(suffix##_line, suffix, 1, 4)                                                   \
    DEFINE_MULTIPLY(suffix##_line, suffix, 1, 5)                                                   \
    DEFINE_MULTIPLY(suffix##_line, suffix, 1, 6)                                                   \
    DEFINE_MULTIPLY(suffix##_line, suffix, 1, 7)                                                   \
    DEFINE_MULTIPLY(suffix##_line, suffix, 1, 8)

DEFINE_TILES(float, f32)
DEFINE_TILES(double, f64)
/* Unsigned, because sums may pass through values that a signed type must not leave. */
DEFINE_TILES(uint32_t, s32)

/* A row's parts of constant size overlap at its end, so that there is no loop over a remainder. */
#define COPY_PART(size)                                                                            \
    if (bytes >= (size)) {                                                                         \
        for (size_t at = 0; at + (size) < bytes; at += (size))                                     \
            memcpy(to + at, from + at, size);                                                      \
        memcpy(to + bytes - (size), from + bytes - (size), size);                                  \
        return;                                                                                    \
    }

static inline void copy_row(char *restrict to, const char *restrict from, size_t bytes) {
    COPY_PART(VECTOR_BYTES)
    COPY_PART(VECTOR_BYTES / 2)
    COPY_PART(VECTOR_BYTES / 4)
    for (size_t i = 0; i < bytes; ++i)
        to[i] = from[i];
}

static void copy_rows(size_t rows, size_t bytes, void *to, ptrdiff_t to_step, const void *from,
                      ptrdiff_t from_step) {
    for (ptrdiff_t row = 0; row < (ptrdiff_t)rows; ++row)
        copy_row((char *)to + row * to_step, (const char *)from + row * from_step, bytes);
}

/* Through arrays of its own, so that compilers see that nothing overlaps. */
enum { PAIRS = VECTOR_BYTES / sizeof(float) };
static inline void split_part(float *firsts, float *seconds, const float *from) {
    float first[PAIRS], second[PAIRS];
    for (size_t i = 0; i < PAIRS; ++i) {
        first[i] = from[2 * i];
        second[i] = from[2 * i + 1];
    }
    memcpy(firsts, first, sizeof first);
    memcpy(seconds, second, sizeof second);
}

static inline void split_row(float *firsts, float *seconds, const float *from, size_t pairs) {
    if (pairs < PAIRS) {
        for (size_t i = 0; i < pairs; ++i) {
            firsts[i] = from[2 * i];
            seconds[i] = from[2 * i + 1];
        }
        return;
    }
    for (size_t i = 0; i + PAIRS < pairs; i += PAIRS)
        split_part(firsts + i, seconds + i, from + 2 * i);
    const size_t last = pairs - PAIRS;
    split_part(firsts + last, seconds + last, from + 2 * last);
}

static void split_rows(size_t rows, size_t pairs, float *firsts, float *seconds, ptrdiff_t to_step,
                       const float *from, ptrdiff_t from_step) {
    for (ptrdiff_t row = 0; row < (ptrdiff_t)rows; ++row)
        split_row(firsts + row * to_step, seconds + row * to_step, from + row * from_step, pairs);
}

/* clang-format off */
#define ACCUMULATOR(suffix)                                                                        \
    {sizeof(suffix##_lane), VECTOR_BYTES / sizeof(suffix##_lane),                                  \
     {ROWS, VECTORS, {suffix##_block_1, suffix##_block_2, suffix##_block_3}},                      \
     {1, CLCONV__MOST_VECTORS, {suffix##_line_1, suffix##_line_2, suffix##_line_3,                 \
                                suffix##_line_4, suffix##_line_5, suffix##_line_6,                 \
                                suffix##_line_7, suffix##_line_8}}}
/* clang-format on */

const clconv__host_kernel_set NAME(clconv__host_kernels_, CLCONV__ISA) = {
    NAME_STRING(CLCONV__ISA),
    copy_rows,
    split_rows,
    {ACCUMULATOR(f32), ACCUMULATOR(f64), ACCUMULATOR(s32)}};
