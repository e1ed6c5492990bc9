#include "host_rows.h"

#include "arithmetic.h"
#include "element.h"
#include "host_kernel.h"

#include <math.h>

clconv__area clconv__row_of(size_t count, ptrdiff_t step) {
    return (clconv__area){1, count, 0, step, 0};
}

/* Steps of 1 and 2 are loops of their own, which compilers turn into vectors. */
#define DEFINE_GATHER(function, memory, accumulator, is_copy, convert)                             \
    static inline void function##_row(accumulator *restrict t, const memory *restrict f,           \
                                      ptrdiff_t step, size_t count, int32_t zero) {                \
        (void)zero;                                                                                \
        if (step == 1)                                                                             \
            for (size_t i = 0; i < count; ++i)                                                     \
                t[i] = convert(f[i]);                                                              \
        else if (step == 2)                                                                        \
            for (size_t i = 0; i < count; ++i)                                                     \
                t[i] = convert(f[2 * i]);                                                          \
        else                                                                                       \
            for (size_t i = 0; i < count; ++i)                                                     \
                t[i] = convert(f[(ptrdiff_t)i * step]);                                            \
    }                                                                                              \
    static void function(void *to, const void *from, size_t first, const clconv__area *a,          \
                         int32_t zero) {                                                           \
        const memory *f = (const memory *)from + first;                                            \
        if (is_copy && a->step == 1) {                                                             \
            clconv__host_kernels()->copy_rows(a->rows, a->count * sizeof *f, to,                   \
                                              BYTES(a->pitch, f), f, BYTES(a->row_step, f));       \
            return;                                                                                \
        }                                                                                          \
        for (size_t row = 0; row < a->rows; ++row)                                                 \
            function##_row((accumulator *)to + row * a->pitch, f + (ptrdiff_t)row * a->row_step,   \
                           a->step, a->count, zero);                                               \
    }
#define BYTES(step, pointer) ((ptrdiff_t)(step) * (ptrdiff_t)sizeof *(pointer))
#define SAME(value)          (value)
#define SUBTRACT(value)      ((value)-zero)
DEFINE_GATHER(gather_f32, float, float, 1, SAME)
DEFINE_GATHER(gather_f64, double, double, 1, SAME)
DEFINE_GATHER(gather_f16, uint16_t, float, 0, clconv__f16_to_f32)
DEFINE_GATHER(gather_bf16, uint16_t, float, 0, clconv__bf16_to_f32)
DEFINE_GATHER(gather_s8, int8_t, int32_t, 0, SUBTRACT)
DEFINE_GATHER(gather_u8, uint8_t, int32_t, 0, SUBTRACT)
DEFINE_GATHER(gather_s32, int32_t, int32_t, 1, SAME)

#define DEFINE_SCATTER(function, memory, accumulator, is_copy, convert)                            \
    static inline void function##_row(memory *restrict t, ptrdiff_t step,                          \
                                      const accumulator *restrict f, size_t count) {               \
        if (step == 1)                                                                             \
            for (size_t i = 0; i < count; ++i)                                                     \
                t[i] = convert(f[i]);                                                              \
        else                                                                                       \
            for (size_t i = 0; i < count; ++i)                                                     \
                t[(ptrdiff_t)i * step] = convert(f[i]);                                            \
    }                                                                                              \
    static void function(void *to, size_t first, const clconv__area *a, const void *from) {        \
        memory *t = (memory *)to + first;                                                          \
        if (is_copy && a->step == 1) {                                                             \
            clconv__host_kernels()->copy_rows(a->rows, a->count * sizeof *t, t,                    \
                                              BYTES(a->row_step, t), from, BYTES(a->pitch, t));    \
            return;                                                                                \
        }                                                                                          \
        for (size_t row = 0; row < a->rows; ++row)                                                 \
            function##_row(t + (ptrdiff_t)row * a->row_step, a->step,                              \
                           (const accumulator *)from + row * a->pitch, a->count);                  \
    }
DEFINE_SCATTER(scatter_f32, float, float, 1, SAME)
DEFINE_SCATTER(scatter_f64, double, double, 1, SAME)
DEFINE_SCATTER(scatter_f16, uint16_t, float, 0, clconv__f64_to_f16)
DEFINE_SCATTER(scatter_bf16, uint16_t, float, 0, clconv__f64_to_bf16)
DEFINE_SCATTER(scatter_s32, int32_t, int32_t, 1, SAME)

const clconv__host_type clconv__host_types[] = {
    [CLCONV_F32] = {CLCONV__ACC_F32, 1, gather_f32, gather_f32, gather_f32, scatter_f32},
    [CLCONV_F64] = {CLCONV__ACC_F64, 1, gather_f64, gather_f64, gather_f64, scatter_f64},
    [CLCONV_F16] = {CLCONV__ACC_F32, 0, gather_f16, gather_f16, gather_f16, scatter_f16},
    [CLCONV_BF16] = {CLCONV__ACC_F32, 0, gather_bf16, gather_bf16, gather_bf16, scatter_bf16},
    [CLCONV_S8] = {CLCONV__ACC_S32, 1, gather_s8, gather_s8, gather_s32, scatter_s32},
    [CLCONV_U8] = {CLCONV__ACC_S32, 1, gather_u8, gather_s8, gather_s32, scatter_s32},
};

/* ---- epilogue: on one row of accumulators ---- */

#define DEFINE_EPILOGUE(function, type, suffix)                                                    \
    static type function##_activate(type v, clconv_activation activation, type a, type b) {        \
        switch (activation) {                                                                      \
        case CLCONV_RELU:                                                                          \
            return v > 0 ? v : 0;                                                                  \
        case CLCONV_CLAMP:                                                                         \
            return v < a ? a : v > b ? b : v;                                                      \
        case CLCONV_LEAKY_RELU:                                                                    \
            return v < 0 ? a * v : v;                                                              \
        case CLCONV_SIGMOID:                                                                       \
            return 1 / (1 + exp##suffix(-v));                                                      \
        case CLCONV_TANH:                                                                          \
            return tanh##suffix(v);                                                                \
        case CLCONV_SILU:                                                                          \
            return v / (1 + exp##suffix(-v));                                                      \
        case CLCONV_GELU:                                                                          \
            return (type)0.5 * v * (1 + erf##suffix(v * (type)0.70710678118654752440));            \
        case CLCONV_HARD_SWISH:                                                                    \
            return v * fmin##suffix(fmax##suffix(v + 3, 0), 6) / 6;                                \
        case CLCONV_ACTIVATION_NONE:                                                               \
            break;                                                                                 \
        }                                                                                          \
        return v;                                                                                  \
    }                                                                                              \
    static void function(type *v, size_t count, const clconv__epilogue *e) {                       \
        const type *residual = e->residual, *old = e->old;                                         \
        type alpha = (type)e->s.alpha, beta = (type)e->s.beta;                                     \
        type bias = e->bias ? *(const type *)e->bias : 0;                                          \
        for (size_t i = 0; i < count; ++i) {                                                       \
            type sum = alpha * v[i] + bias;                                                        \
            if (residual)                                                                          \
                sum += residual[i];                                                                \
            if (old)                                                                               \
                sum += beta * old[i];                                                              \
            v[i] = sum;                                                                            \
        }                                                                                          \
        if (e->activation != CLCONV_ACTIVATION_NONE)                                               \
            for (size_t i = 0; i < count; ++i)                                                     \
                v[i] = function##_activate(v[i], e->activation, (type)e->s.a, (type)e->s.b);       \
    }
DEFINE_EPILOGUE(epilogue_f32, float, f)
DEFINE_EPILOGUE(epilogue_f64, double, )

/* The integer types have a bias alone. */
static void epilogue_s32(int32_t *v, size_t count, const clconv__epilogue *e) {
    if (e->bias)
        for (size_t i = 0; i < count; ++i)
            v[i] = (int32_t)((uint32_t)v[i] + *(const uint32_t *)e->bias);
}

static int is_empty(const clconv__epilogue *e) {
    return e->activation == CLCONV_ACTIVATION_NONE && e->s.alpha == 1 && !e->bias && !e->residual &&
           !e->old;
}

void clconv__apply_epilogue(int accumulator, void *row, size_t count, const clconv__epilogue *e) {
    if (is_empty(e))
        return;
    if (accumulator == CLCONV__ACC_F32)
        epilogue_f32(row, count, e);
    else if (accumulator == CLCONV__ACC_F64)
        epilogue_f64(row, count, e);
    else
        epilogue_s32(row, count, e);
}
