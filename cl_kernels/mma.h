/*
 * Matrix engines: the 32 work-items of a warp hold fragments of two matrices and multiply them
 * together. Prepended to the files that do so. Both matrices are of words of 32 bits along k, of two
 * halves or bfloats, the first in the lower bits, or of one float that was rounded to tf32. So all
 * types have one layout, that of PTX's mma.sync (PTX ISA, "Warp-level matrix instructions"): 16 rows
 * by 8 words times 8 words by 8 columns. With g = lane / 4 and t = lane % 4 a lane holds
 *
 *     a[row, word]    (g, t)    (g+8, t)     (g, t+4)   (g+8, t+4)
 *     b[word, column] (t, g)    (t+4, g)
 *     c[row, column]  (g, 2t)   (g, 2t+1)    (g+8, 2t)  (g+8, 2t+1)
 *
 * ENGINE is a number of the table in host/engine.c:
 *   0  none
 *   1  plain OpenCL C, which passes the fragments through local memory: it proves the layout on
 *      devices without an engine
 *   2  NVIDIA from sm_80 on
 *   3  NVIDIA from sm_75 on, halves only, by two products of half as many words
 */
#ifndef ENGINE
#define ENGINE 0
#endif
#define MMA_ROWS 16
#define MMA_WORDS 8
#define MMA_COLUMNS 8
#define MMA_LANES 32

#if ENGINE
/* ---- words ---- */

#if TYPE == TYPE_F32
#define PAIR 1
/* To nearest, ties away from 0: adds half of the 13 bits that are dropped. */
static inline uint float_to_tf32(float value) {
    uint bits = as_uint(value);
    if ((bits & 0x7fffffffu) > 0x7f800000u)
        return bits | 0x400000u;
    return (bits + 0x1000u) & 0xffffe000u;
}
#define BITS_X(pointer, index) float_to_tf32((pointer)[index])
#else
#define PAIR 2
#define BITS_X(pointer, index) ((uint)((global const ushort *)(pointer))[index])
#endif
#define BITS_W(pointer, index) BITS_X(pointer, index)

/* ---- products ---- */

/* Words of local memory that a lane needs for the product of `rows` by `columns` fragments. */
#if ENGINE == 1
#define MMA_SCRATCH(rows, columns) (4 * (rows) + 2 * (columns))

#if TYPE == TYPE_F32
#define PRODUCT(a, b) (as_float(*(a)) * as_float(*(b)))
#elif TYPE == TYPE_BF16
#define PRODUCT(a, b)                                                                              \
    (as_float(*(a) << 16) * as_float(*(b) << 16) +                                                 \
     as_float(*(a) & 0xffff0000u) * as_float(*(b) & 0xffff0000u))
#else
#define HALF_OF(word, i) vload_half((i), (local const half *)(word))
#define PRODUCT(a, b) (HALF_OF(a, 0) * HALF_OF(b, 0) + HALF_OF(a, 1) * HALF_OF(b, 1))
#endif

/* One element of c, from the lanes that hold its row and its column. */
static inline float add_products(float sum, local const uint *warp, int lane_words, int a_at, int b_at,
                                 int row, int column) {
    for (int word = 0; word < MMA_WORDS; ++word) {
        local const uint *a = warp + (row % 8 * 4 + word % 4) * lane_words + a_at;
        local const uint *b = warp + (column * 4 + word % 4) * lane_words + b_at;
        sum += PRODUCT(a + row / 8 + 2 * (word / 4), b + word / 4);
    }
    return sum;
}
#else
#define MMA_SCRATCH(rows, columns) 1
#if TYPE == TYPE_F32
#define MMA_TYPES "m16n8k8.row.col.f32.tf32.tf32.f32"
#elif TYPE == TYPE_BF16
#define MMA_TYPES "m16n8k16.row.col.f32.bf16.bf16.f32"
#else
#define MMA_TYPES "m16n8k16.row.col.f32.f16.f16.f32"
#endif

static inline float4 mma_sync(float4 c, uint4 a, uint2 b) {
    float x, y, z, w;
#if ENGINE == 2
    __asm__ volatile("mma.sync.aligned." MMA_TYPES
                     " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%10, %11, %12, %13};"
                     : "=f"(x), "=f"(y), "=f"(z), "=f"(w)
                     : "r"(a.x), "r"(a.y), "r"(a.z), "r"(a.w), "r"(b.x), "r"(b.y), "f"(c.x),
                       "f"(c.y), "f"(c.z), "f"(c.w));
#else
    float4 half_done;
    __asm__ volatile("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32"
                     " {%0, %1, %2, %3}, {%4, %5}, {%6}, {%7, %8, %9, %10};"
                     : "=f"(x), "=f"(y), "=f"(z), "=f"(w)
                     : "r"(a.x), "r"(a.y), "r"(b.x), "f"(c.x), "f"(c.y), "f"(c.z), "f"(c.w));
    half_done = (float4)(x, y, z, w);
    __asm__ volatile("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32"
                     " {%0, %1, %2, %3}, {%4, %5}, {%6}, {%7, %8, %9, %10};"
                     : "=f"(x), "=f"(y), "=f"(z), "=f"(w)
                     : "r"(a.z), "r"(a.w), "r"(b.y), "f"(half_done.x), "f"(half_done.y),
                       "f"(half_done.z), "f"(half_done.w));
#endif
    return (float4)(x, y, z, w);
}
#endif

/*
 * c += a b, `rows` by `columns` fragments. All work-items of the group must come here; `scratch` is
 * the group's, MMA_SCRATCH words for each of them.
 */
static inline void multiply_fragments(float4 *c, const uint4 *a, const uint2 *b, int rows, int columns,
                                      local uint *scratch) {
#if ENGINE == 1
    const int lane_words = MMA_SCRATCH(rows, columns);
    const int item = (int)get_local_id(0), lane = item % MMA_LANES;
    local uint *warp = scratch + (item - lane) * lane_words;
    for (int m = 0; m < rows; ++m)
        vstore4(a[m], 0, warp + lane * lane_words + 4 * m);
    for (int n = 0; n < columns; ++n)
        vstore2(b[n], 0, warp + lane * lane_words + 4 * rows + 2 * n);
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int m = 0; m < rows; ++m)
        for (int n = 0; n < columns; ++n) {
            float sums[4];
            vstore4(c[m * columns + n], 0, sums);
            for (int i = 0; i < 4; ++i)
                sums[i] = add_products(sums[i], warp, lane_words, 4 * m, 4 * rows + 2 * n,
                                       lane / 4 + i / 2 * 8, lane % 4 * 2 + i % 2);
            c[m * columns + n] = vload4(0, sums);
        }
    barrier(CLK_LOCAL_MEM_FENCE);
#else
    (void)scratch;
    #pragma unroll
    for (int m = 0; m < rows; ++m)
        #pragma unroll
        for (int n = 0; n < columns; ++n)
            c[m * columns + n] = mma_sync(c[m * columns + n], a[m], b[n]);
#endif
}
#endif
