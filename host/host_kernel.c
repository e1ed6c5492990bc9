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
 * AVX-512, 12 of 16 with AVX2, 8 of 16 elsewhere.
 */
#if defined(__AVX512F__)
enum { VECTOR_BYTES = 64, ROWS = 8, VECTORS = 3 };
#elif defined(__AVX2__)
enum { VECTOR_BYTES = 32, ROWS = 4, VECTORS = 3 };
#else
enum { VECTOR_BYTES = 16, ROWS = 4, VECTORS = 2 };
#endif

/* The sums live in registers while `taps` runs; compilers unroll the loops of constant length. */
#define DEFINE_MULTIPLY(function, type)                                                            \
    typedef type function##_vector __attribute__((vector_size(VECTOR_BYTES)));                     \
    static void function(size_t taps, const void *weights, const void *columns, void *sums) {      \
        const type *w = weights;                                                                   \
        const function##_vector *x = columns;                                                      \
        function##_vector *out = sums, acc[ROWS][VECTORS];                                         \
        memcpy(acc, out, sizeof acc);                                                              \
        for (size_t k = 0; k < taps; ++k, w += ROWS, x += VECTORS)                                 \
            for (int o = 0; o < ROWS; ++o)                                                         \
                for (int v = 0; v < VECTORS; ++v)                                                  \
                    acc[o][v] += w[o] * x[v];                                                      \
        memcpy(out, acc, sizeof acc);                                                              \
    }

#define DEFINE_SUM_TAPS(function, type)                                                            \
    typedef type function##_vector __attribute__((vector_size(VECTOR_BYTES)));                     \
    static void function(size_t taps, const void *weights, const void *from, const size_t *at,     \
                         void *sums, size_t count) {                                               \
        const type *w = weights;                                                                   \
        const size_t lanes = VECTOR_BYTES / sizeof(type);                                          \
        for (size_t p = 0; p < count; p += VECTORS * lanes) {                                      \
            function##_vector acc[VECTORS] = {{0}};                                                \
            for (size_t k = 0; k < taps; ++k) {                                                    \
                function##_vector x[VECTORS];                                                      \
                memcpy(x, (const type *)from + at[k] + p, sizeof x);                               \
                for (int v = 0; v < VECTORS; ++v)                                                  \
                    acc[v] += w[k] * x[v];                                                         \
            }                                                                                      \
            memcpy((type *)sums + p, acc, sizeof acc);                                             \
        }                                                                                          \
    }

DEFINE_MULTIPLY(multiply_f32, float)
DEFINE_MULTIPLY(multiply_f64, double)
DEFINE_SUM_TAPS(sum_taps_f32, float)
DEFINE_SUM_TAPS(sum_taps_f64, double)
/* Unsigned, because sums may pass through values that a signed type must not leave. */
DEFINE_MULTIPLY(multiply_s32, uint32_t)
DEFINE_SUM_TAPS(sum_taps_s32, uint32_t)

#define TILE_ROW(suffix, type)                                                                     \
    { sizeof(type), VECTORS *VECTOR_BYTES / sizeof(type), multiply_##suffix, sum_taps_##suffix }

const clconv__host_kernel_set NAME(clconv__host_kernels_, CLCONV__ISA) = {
    NAME_STRING(CLCONV__ISA),
    ROWS,
    {TILE_ROW(f32, float), TILE_ROW(f64, double), TILE_ROW(s32, int32_t)},
};
