/*
 * Types, loads, stores and the epilogue that every kernel shares. Prepended to every program behind
 * geometry.h. Macros, all with defaults so that each kernel file compiles alone:
 *   TYPE       clconv_type of input and weights
 *   INDEX      int, or long where a tensor has more than 2^31-1 elements
 *   ACTIVATION clconv_activation
 *   BLENDS     1 where alpha, beta or a residual may be there; the bias is asked for at run time
 */
#ifndef TYPE
#define TYPE 0
#endif
#ifndef INDEX
#define INDEX int
#endif
#ifndef ACTIVATION
#define ACTIVATION 0
#endif
#ifndef BLENDS
#define BLENDS 0
#endif

#define TYPE_F32  0
#define TYPE_F64  1
#define TYPE_F16  2
#define TYPE_BF16 3
#define TYPE_S8   4
#define TYPE_U8   5

#if TYPE == TYPE_F64
#pragma OPENCL EXTENSION cl_khr_fp64 : enable
typedef double acc_t, scalar_t, x_t, w_t, y_t;
#elif TYPE == TYPE_F16
typedef float acc_t, scalar_t;
typedef half x_t, w_t, y_t;
#elif TYPE == TYPE_BF16
typedef float acc_t, scalar_t;
typedef ushort x_t, w_t, y_t;
#elif TYPE == TYPE_S8
typedef int acc_t, y_t;
typedef float scalar_t;
typedef char x_t, w_t;
#elif TYPE == TYPE_U8
typedef int acc_t, y_t;
typedef float scalar_t;
typedef uchar x_t;
typedef char w_t;
#else
typedef float acc_t, scalar_t, x_t, w_t, y_t;
#endif

typedef INDEX index_t;

typedef struct {
#define FIELD(name) index_t name;
    CLCONV_GEOMETRY_FIELDS(FIELD)
#undef FIELD
} geometry;

/* Elements between a buffer's start and its tensor; long because buffers may exceed 32 bits. */
typedef struct {
    long x, w, bias, residual, y;
} offsets;

typedef struct {
    scalar_t alpha, beta, a, b;
    int has_bias, has_residual;
} scalars;

/* ---- elements: memory to accumulator and back ---- */

#if TYPE == TYPE_F16
#define LOAD(pointer, index)         vload_half((index), (pointer))
#define LOAD_X(g, pointer, index)    LOAD(pointer, index)
#define LOAD_W(g, pointer, index)    LOAD(pointer, index)
#define STORE(pointer, index, value) vstore_half_rte((value), (index), (pointer))
#elif TYPE == TYPE_BF16
static inline float bf16_to_float(ushort pattern) {
    return as_float((uint)pattern << 16);
}
/* To nearest, ties to even: adds just under half of the dropped part, and one more when odd. */
static inline ushort float_to_bf16(float value) {
    uint bits = as_uint(value);
    if ((bits & 0x7fffffffu) > 0x7f800000u)
        return (ushort)((bits >> 16) | 0x40u);
    return (ushort)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}
#define LOAD(pointer, index)         bf16_to_float((pointer)[index])
#define LOAD_X(g, pointer, index)    LOAD(pointer, index)
#define LOAD_W(g, pointer, index)    LOAD(pointer, index)
#define STORE(pointer, index, value) ((pointer)[index] = float_to_bf16(value))
#elif TYPE == TYPE_S8 || TYPE == TYPE_U8
#define LOAD(pointer, index)         ((acc_t)(pointer)[index])
#define LOAD_X(g, pointer, index)    (LOAD(pointer, index) - (acc_t)(g).x_zero)
#define LOAD_W(g, pointer, index)    (LOAD(pointer, index) - (acc_t)(g).w_zero)
#define STORE(pointer, index, value) ((pointer)[index] = (value))
#else
#define LOAD(pointer, index)         ((pointer)[index])
#define LOAD_X(g, pointer, index)    LOAD(pointer, index)
#define LOAD_W(g, pointer, index)    LOAD(pointer, index)
#define STORE(pointer, index, value) ((pointer)[index] = (value))
#endif

/* ---- vectors ---- */

/*
 * 16 floats anywhere in memory of an address space, and every other element of two vectors. Some
 * compilers have vload16, vstore16 and .even in pieces, which are slow to be read back as a whole;
 * those that let a vector's alignment be lowered, and name a permutation, make one instruction of
 * it.
 */
#ifdef __clang__
typedef float8 __attribute__((aligned(4))) loose8;
typedef float16 __attribute__((aligned(4))) loose16;
#define LOAD8(space, from)    (*(space const loose8 *)(from))
#define STORE8(space, v, to)  (*(space loose8 *)(to) = (v))
#define LOAD16(space, from)   (*(space const loose16 *)(from))
#define STORE16(space, v, to) (*(space loose16 *)(to) = (v))
#define EVEN16(a, b)                                                                               \
    __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30)
#define ODD16(a, b)                                                                                \
    __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31)
#else
#define LOAD8(space, from)    vload8(0, (space const float *)(from))
#define STORE8(space, v, to)  vstore8((v), 0, (space float *)(to))
#define LOAD16(space, from)   vload16(0, (space const float *)(from))
#define STORE16(space, v, to) vstore16((v), 0, (space float *)(to))
#define EVEN16(a, b)          ((float16)((a).even, (b).even))
#define ODD16(a, b)           ((float16)((a).odd, (b).odd))
#endif

/*
 * Rows become columns: blocks of 1, 2, 4 and 8 elements change places with those that lie on the
 * other side of the diagonal.
 */
#ifdef __clang__
#define UPPER1(a, b)                                                                               \
    __builtin_shufflevector(a, b, 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30)
#define LOWER1(a, b)                                                                               \
    __builtin_shufflevector(a, b, 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31)
#define UPPER2(a, b)                                                                               \
    __builtin_shufflevector(a, b, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29)
#define LOWER2(a, b)                                                                               \
    __builtin_shufflevector(a, b, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31)
#define UPPER4(a, b)                                                                               \
    __builtin_shufflevector(a, b, 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27)
#define LOWER4(a, b)                                                                               \
    __builtin_shufflevector(a, b, 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31)
#define UPPER8(a, b)                                                                               \
    __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23)
#define LOWER8(a, b)                                                                               \
    __builtin_shufflevector(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31)
#define EXCHANGE(k)                                                                                \
    _Pragma("unroll") for (int i = 0; i < 16; ++i) if (!(i & k)) {                                 \
        const float16 a = r[i], b = r[i + k];                                                      \
        r[i] = UPPER##k(a, b);                                                                     \
        r[i + k] = LOWER##k(a, b);                                                                 \
    }
static inline void transpose16(float16 r[16]) {
    EXCHANGE(1)
    EXCHANGE(2)
    EXCHANGE(4)
    EXCHANGE(8)
}
#else
static inline void transpose16(float16 r[16]) {
    float rows[16][16], column[16];
    for (int i = 0; i < 16; ++i)
        vstore16(r[i], 0, rows[i]);
    for (int i = 0; i < 16; ++i) {
        for (int k = 0; k < 16; ++k)
            column[k] = rows[k][i];
        r[i] = vload16(0, column);
    }
}
#endif

/* columns[k] = element k of 16 rows that lie `row_step` elements apart. */
static inline void load_columns16(float16 columns[16], global const float *restrict from,
                                  index_t row_step) {
#pragma unroll
    for (int i = 0; i < 16; ++i)
        columns[i] = LOAD16(global, from + i * row_step);
    transpose16(columns);
}

/* Whether the weights of one output channel lie one behind the other, in the order of its taps. */
static inline int has_dense_filters(geometry g) {
    return (g.w_w == 1 || g.kernel_w == 1) && (g.w_h == g.kernel_w || g.kernel_h == 1) &&
           (g.w_d == g.kernel_h * g.kernel_w || g.kernel_d == 1) &&
           (g.w_i == g.kernel_d * g.kernel_h * g.kernel_w || g.in_per_group == 1);
}

/* Where a tap's weight lies in its filter. */
static inline index_t weight_of_tap(geometry g, index_t tap) {
    index_t k = tap % g.kernel_w, rest = tap / g.kernel_w;
    index_t h = rest % g.kernel_h;
    rest /= g.kernel_h;
    return g.w_start + rest / g.kernel_d * g.w_i + rest % g.kernel_d * g.w_d + h * g.w_h +
           k * g.w_w;
}

/* A pixel of all pictures, taken apart. */
typedef struct {
    index_t n, d, h, w;
} pixel_place;

static inline pixel_place place_of(geometry g, index_t pixel) {
    pixel_place p;
    p.w = pixel % g.out_w;
    pixel /= g.out_w;
    p.h = pixel % g.out_h;
    pixel /= g.out_h;
    p.d = pixel % g.out_d;
    p.n = pixel / g.out_d;
    return p;
}

/*
 * Asks for what will be read soon. Processors foresee lines of memory one behind the other, but not
 * the next channel's; OpenCL's own prefetch() is empty in some drivers.
 */
#if defined(__clang__) && (defined(__x86_64__) || defined(__aarch64__))
#define PREFETCH(address) __builtin_prefetch((const void *)(size_t)(address))
#else
#define PREFETCH(address)
#endif

/*
 * Hides from the compiler what it knows of a pointer, which then is in a register, and what is
 * loaded through it is not taken for what was loaded before.
 */
#if defined(__clang__) && (defined(__x86_64__) || defined(__aarch64__))
#define OPAQUE(pointer) __asm__("" : "+r"(pointer))
#else
#define OPAQUE(pointer)
#endif

/* ---- epilogue ---- */

/* The activation of a scalar or vector v of accumulators. */
#if ACTIVATION == 1
#define ACTIVATE(v, s) fmax((v), (scalar_t)0)
#elif ACTIVATION == 2
#define ACTIVATE(v, s) fmin(fmax((v), (s).a), (s).b)
#elif ACTIVATION == 3
#define ACTIVATE(v, s) (fmax((v), (scalar_t)0) + (s).a * fmin((v), (scalar_t)0))
#elif ACTIVATION == 4
#define ACTIVATE(v, s) (1 / (1 + exp(-(v))))
#elif ACTIVATION == 5
#define ACTIVATE(v, s) tanh(v)
#elif ACTIVATION == 6
#define ACTIVATE(v, s) ((v) / (1 + exp(-(v))))
#elif ACTIVATION == 7
#define ACTIVATE(v, s) ((scalar_t)0.5 * (v) * (1 + erf((v) * (scalar_t)0.70710678118654752440)))
#elif ACTIVATION == 8
#define ACTIVATE(v, s) ((v)*fmin(fmax((v) + 3, (scalar_t)0), (scalar_t)6) / 6)
#else
#define ACTIVATE(v, s) (v)
#endif

/* output = activation(alpha*acc + bias + residual + beta*output) at element `index`. */
static inline void finish(acc_t acc, scalars s, global const y_t *bias, global const y_t *residual,
                          global y_t *y, index_t channel, index_t index) {
    acc_t v = acc;
#if BLENDS
    if (s.alpha != 1)
        v *= s.alpha;
#endif
    if (s.has_bias)
        v += LOAD(bias, channel);
#if BLENDS
    if (s.has_residual)
        v += LOAD(residual, index);
    if (s.beta != 0)
        v += s.beta * LOAD(y, index);
#endif
    STORE(y, index, ACTIVATE(v, s));
}

#if TYPE == TYPE_F32 || TYPE == TYPE_F16 || TYPE == TYPE_BF16
#if TYPE == TYPE_F32 && !BLENDS
/* The first `count` elements of a vector. */
static inline void store_some(float16 v, global float *to, int count) {
    float8 eight = v.lo;
    float4 four;
    float2 two;
    if (count & 8) {
        vstore8(v.lo, 0, to);
        eight = v.hi;
        to += 8;
    }
    four = eight.lo;
    if (count & 4) {
        vstore4(eight.lo, 0, to);
        four = eight.hi;
        to += 4;
    }
    two = four.lo;
    if (count & 2) {
        vstore2(four.lo, 0, to);
        two = four.hi;
        to += 2;
    }
    if (count & 1)
        *to = two.x;
}
#endif

/* The same for the first `count` of 16 outputs of one channel that lie `step` elements apart. */
static inline void finish16(float16 acc, scalars s, global const y_t *bias,
                            global const y_t *residual, global y_t *y, index_t channel,
                            index_t index, index_t step, int count) {
#if TYPE == TYPE_F32 && !BLENDS
    if (step == 1) {
        float16 v = acc;
        if (s.has_bias)
            v += bias[channel];
        v = ACTIVATE(v, s);
        if (count == 16)
            STORE16(global, v, y + index);
        else
            store_some(v, y + index, count);
        return;
    }
#endif
    float values[16];
    vstore16(acc, 0, values);
    for (int i = 0; i < count; ++i)
        finish(values[i], s, bias, residual, y, channel, index + i * step);
}
#endif

/* ---- work-groups ---- */

/*
 * The sum of the values of a work-group's items, a power of two, in an order that depends on
 * nothing else. All of them must come here; `shared` has room for one value of each.
 */
static inline acc_t sum_items(acc_t value, local acc_t *shared, int item, int items) {
    barrier(CLK_LOCAL_MEM_FENCE); /* what was here before was read */
    shared[item] = value;
    for (int half_way = items / 2; half_way > 0; half_way /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (item < half_way)
            shared[item] += shared[item + half_way];
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    return shared[0];
}

/* ---- rows into local memory, or from one place to another ---- */

/* to[k] = from[k], k < count, where count is at least the width: the last vector overlaps. */
#define COPY_VECTORS(width)                                                                        \
    for (index_t k = 0;; k = min(k + width, count - width)) {                                      \
        vstore##width(vload##width(0, from + k), 0, to + k);                                       \
        if (k + width == count)                                                                    \
            break;                                                                                 \
    }

#define DEFINE_COPY(name, space)                                                                   \
    static inline void name(space float *restrict to, global const float *restrict from,           \
                            index_t count) {                                                       \
        if (count >= 16)                                                                           \
            for (index_t k = 0;; k = min(k + 16, count - 16)) {                                    \
                STORE16(space, LOAD16(global, from + k), to + k);                                  \
                if (k + 16 == count)                                                               \
                    break;                                                                         \
            }                                                                                      \
        else if (count >= 8)                                                                       \
            COPY_VECTORS(8)                                                                        \
        else if (count >= 4)                                                                       \
            COPY_VECTORS(4)                                                                        \
        else                                                                                       \
            for (index_t k = 0; k < count; ++k)                                                    \
                to[k] = from[k];                                                                   \
    }
DEFINE_COPY(copy_dense, local)
DEFINE_COPY(copy_dense_global, global)

/* ---- rows that are read where they lie, by vectors that reach beyond them ---- */

#if TYPE == TYPE_F32
/*
 * Whether vectors may be loaded from the rows of the 2-D plane that begins at an element of the
 * input, up to `before` elements ahead of a row and `width` from its beginning: all of that is the
 * tensor's.
 */
static inline int is_loadable(geometry g, index_t plane, index_t before, index_t width) {
    const index_t widest = 1 << 30; /* columns are numbers of 32 bits */
    const long last_row = (long)(g.in_h - 1) * g.x_h;
    const long end = (long)(g.batch - 1) * g.x_n + (long)(g.groups * g.in_per_group - 1) * g.x_c +
                     last_row + g.in_w;
    return g.x_w == 1 && g.in_d == 1 && g.in_w <= widest && plane >= before &&
           plane + last_row + width <= end;
}

/* Elements from `column` on of a row that is `width` long, and zeros where it is not. */
static inline float16 load_inside(global const float *restrict row, index_t column, index_t width) {
    const int16 lanes = (int16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const int16 is_inside = as_uint16(lanes + (int)column) < (uint)width;
    return is_inside ? LOAD16(global, row + column) : (float16)0;
}
#endif
