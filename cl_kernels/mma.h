/*
 * Matrix engines: the lanes of a warp hold fragments of two matrices and multiply them together.
 * Prepended to the files that do so. Both matrices are of words of 32 bits along k, of two halves
 * or bfloats, the first in the lower bits, or of one float that was rounded to tf32; a fragment is
 * 8 of them deep, so that all types have one layout. ENGINE is a number of the table in
 * host/engine.c, 0 for none. Each says how large its fragments are, how many words of one a lane
 * holds, and where in the fragment word i of a lane lies:
 *
 *     a[A_ROW(lane, i)][A_WORD(lane, i)]                                      i < A_WORDS
 *     b[B_WORD(lane, i)][B_COLUMN(lane)]                                      i < B_WORDS
 *     c[C_ROW(lane, i / C_COLUMNS)][C_COLUMN(lane) + i % C_COLUMNS]           i < C_WORDS
 *
 * Places of word i are those of word 0 and, added to them, those of word i in lane 0.
 *
 * Where a lane has ITEM * ITEM sums, its warp has LANES_M * ITEM rows of LANES_N * ITEM columns.
 *
 * EMULATED is 1 where plain OpenCL C multiplies instead of the instruction, and passes the
 * fragments through local memory: it proves all the rest on any device. It goes by the same layout
 * the other way round, which lane has an element as which of its words, so that a slip in either
 * shows: A_PLACE(row, word), B_PLACE(word, column) and C_PLACE(row, column) are lane * words + i.
 */
#ifndef ENGINE
#define ENGINE 0
#endif
#ifndef EMULATED
#define EMULATED 0
#endif

#define PTX_K16 1 /* NVIDIA from sm_80 on */
#define PTX_K8  2 /* NVIDIA from sm_75 on, halves only, by two products of half as many words */
#define WMMA    3 /* AMD gfx11 */
#define MFMA    4 /* AMD gfx908, gfx90a, gfx94x */
#define DPAS_8  5 /* Intel, where sub-groups are of 8: Xe-HPG */
#define DPAS_16 6 /* Intel, where they are of 16: Xe-HPC, Xe2 */

#if ENGINE
/* ---- layouts ---- */

#define MMA_WORDS 8

#if ENGINE == PTX_K16 || ENGINE == PTX_K8
/* PTX ISA, "Matrix Fragments for mma.m16n8k16" */
#define LANES_M               8
#define LANES_N               4
#define MMA_ROWS              16
#define MMA_COLUMNS           8
#define A_WORDS               4
#define A_ROW(lane, i)        ((lane) / 4 + (i) % 2 * 8)
#define A_WORD(lane, i)       ((lane) % 4 + (i) / 2 * 4)
#define A_PLACE(row, word)    (((row) % 8 * 4 + (word) % 4) * A_WORDS + (row) / 8 + (word) / 4 * 2)
#define B_WORDS               2
#define B_WORD(lane, i)       ((lane) % 4 + (i)*4)
#define B_COLUMN(lane)        ((lane) / 4)
#define B_PLACE(word, column) (((column)*4 + (word) % 4) * B_WORDS + (word) / 4)
#define C_ROWS                2
#define C_ROW(lane, i)        ((lane) / 4 + (i)*8)
#define C_COLUMNS             2
#define C_COLUMN(lane)        ((lane) % 4 * 2)
#define C_PLACE(row, column)                                                                       \
    (((row) % 8 * 4 + (column) / 2) * C_WORDS + (row) / 8 * C_COLUMNS + (column) % 2)

#elif ENGINE == WMMA
/*
 * RDNA3 ISA, "Wave Matrix Multiply Accumulate", for waves of 32: both halves of a wave hold the
 * same a and b, and every other row of c.
 */
#define LANES_M               8
#define LANES_N               4
#define MMA_ROWS              16
#define MMA_COLUMNS           16
#define A_WORDS               8
#define A_ROW(lane, i)        ((lane) % 16)
#define A_WORD(lane, i)       (i)
#define A_PLACE(row, word)    (((word) % 2 * 16 + (row)) * A_WORDS + (word))
#define B_WORDS               8
#define B_WORD(lane, i)       (i)
#define B_COLUMN(lane)        ((lane) % 16)
#define B_PLACE(word, column) (((word) % 2 * 16 + (column)) * B_WORDS + (word))
#define C_ROWS                8
#define C_ROW(lane, i)        ((lane) / 16 + (i)*2)
#define C_COLUMNS             1
#define C_COLUMN(lane)        ((lane) % 16)
#define C_PLACE(row, column)  (((row) % 2 * 16 + (column)) * C_WORDS + (row) / 2)

#elif ENGINE == MFMA
/*
 * AMD's matrix instruction calculator for v_mfma_f32_16x16x16_f16 and v_mfma_f32_16x16x16_bf16:
 * four values of k follow one another in a lane of 64. Where the instruction has but half as many,
 * as for bfloats on gfx908, which k it is does not matter, because both factors are cut alike.
 */
#define LANES_M               8
#define LANES_N               8
#define MMA_ROWS              16
#define MMA_COLUMNS           16
#define A_WORDS               2
#define A_ROW(lane, i)        ((lane) % 16)
#define A_WORD(lane, i)       ((lane) / 16 * 2 + (i))
#define A_PLACE(row, word)    (((word) / 2 * 16 + (row)) * A_WORDS + (word) % 2)
#define B_WORDS               2
#define B_WORD(lane, i)       ((lane) / 16 * 2 + (i))
#define B_COLUMN(lane)        ((lane) % 16)
#define B_PLACE(word, column) (((word) / 2 * 16 + (column)) * B_WORDS + (word) % 2)
#define C_ROWS                4
#define C_ROW(lane, i)        ((lane) / 16 * 4 + (i))
#define C_COLUMNS             1
#define C_COLUMN(lane)        ((lane) % 16)
#define C_PLACE(row, column)  (((row) / 4 * 16 + (column)) * C_WORDS + (row) % 4)

#else
/*
 * Khronos registry, cl_intel_subgroup_matrix_multiply_accumulate: a lane has a column of b and of
 * c, and of every row of a the next 1/8 or 1/16. The latter is half a word, which product() picks.
 */
#define LANES_M 4
#if ENGINE == DPAS_8
#define LANES_N            2
#define A_WORD(lane, i)    (lane)
#define A_PLACE(row, word) ((word)*A_WORDS + (row))
#else
#define LANES_N            4
#define A_WORD(lane, i)    ((lane) / 2)
#define A_PLACE(row, word) (((word)*2 + (row) % 2) * A_WORDS + (row))
#endif
#define MMA_ROWS              8
#define MMA_COLUMNS           (LANES_M * LANES_N)
#define A_WORDS               8
#define A_ROW(lane, i)        (i)
#define B_WORDS               8
#define B_WORD(lane, i)       (i)
#define B_COLUMN(lane)        (lane)
#define B_PLACE(word, column) ((column)*B_WORDS + (word))
#define C_ROWS                8
#define C_ROW(lane, i)        (i)
#define C_COLUMNS             1
#define C_COLUMN(lane)        (lane)
#define C_PLACE(row, column)  ((column)*C_WORDS + (row))
#endif

#define MMA_LANES (LANES_M * LANES_N)
#define C_WORDS   (C_ROWS * C_COLUMNS)

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
#define PAIR                   2
#define BITS_X(pointer, index) ((uint)((global const ushort *)(pointer))[index])
#endif
#define BITS_W(pointer, index) BITS_X(pointer, index)
/* Value i of a word, which was 0. */
#define PUT_WORD(word, value, i) ((word) |= (value) << 16 * (i))

/* ---- vectors ---- */

/*
 * Rows of VECS vectors of words in local memory, each fragment 2 vectors deep. The vectors of a row
 * are exchanged as the row says, so that 8 rows have each of them in other banks.
 */
#define VEC_WORDS 4
#ifndef VECS
#define VECS 4
#endif
#define EXCHANGED(row, vec) ((vec) ^ ((row)*VECS / 8 & (VECS - 1)))
#define VEC_AT(row, vec)    ((row)*VECS + EXCHANGED(row, vec))

#if (ENGINE == PTX_K16 || ENGINE == PTX_K8) && !EMULATED
#define HAS_LDMATRIX 1
#else
#define HAS_LDMATRIX 0
#endif

/*
 * copy_vector() copies a vector to local memory, or zeros; it may end later, but await_copies(n)
 * lets a work-item wait for all that it began before its last `newer` times of close_copies().
 */
#if ENGINE == PTX_K16 && !EMULATED
static inline void copy_vector(local uint4 *to, global const uint4 *from, int is_there) {
    __asm__ volatile("cp.async.ca.shared.global [%0], [%1], 16, %2;"
                     :
                     : "r"((uint)(size_t)to), "l"((ulong)(size_t)from), "r"(is_there ? 16 : 0)
                     : "memory");
}
static inline void close_copies(void) {
    __asm__ volatile("cp.async.commit_group;" : : : "memory");
}
/* The number is part of the instruction; up to 2. */
static inline void await_copies(int newer) {
    if (newer == 0)
        __asm__ volatile("cp.async.wait_group 0;" : : : "memory");
    else if (newer == 1)
        __asm__ volatile("cp.async.wait_group 1;" : : : "memory");
    else
        __asm__ volatile("cp.async.wait_group 2;" : : : "memory");
}
#else
static inline void copy_vector(local uint4 *to, global const uint4 *from, int is_there) {
    *to = is_there ? *from : (uint4)(0);
}
#define close_copies()
#define await_copies(newer)
#endif

#if HAS_LDMATRIX
/* Lane i names row i % 8 of matrix i / 8, and gets word i % 4 of row i / 4 of each. */
static inline void load_matrices(uint *words, local const uint4 *row) {
    uint a, b, c, d;
    __asm__ volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                     : "=r"(a), "=r"(b), "=r"(c), "=r"(d)
                     : "r"((uint)(size_t)row)
                     : "memory");
    words[0] = a, words[1] = b, words[2] = c, words[3] = d;
}
#else
#define WORD_AT(tile, row, vec, word)                                                              \
    (((local const uint *)((tile) + VEC_AT(row, (vec) + (word) / VEC_WORDS)))[(word) % VEC_WORDS])
#endif

/* A lane's words of `count` fragments below one another, from a row and a vector on. */
static inline void load_a(uint *a, local const uint4 *tile, int row, int count, int vec, int lane) {
#pragma unroll
    for (int m = 0; m < count; ++m, row += MMA_ROWS, a += A_WORDS) {
#if HAS_LDMATRIX
        load_matrices(a, tile + VEC_AT(row + lane % 16, vec + lane / 16));
#else
#pragma unroll
        for (int i = 0; i < A_WORDS; ++i)
            a[i] = WORD_AT(tile, row + A_ROW(lane, i), vec, A_WORD(lane, i));
#endif
    }
}

/* The same of b, whose columns are rows there; an even number of fragments. */
static inline void load_b(uint *b, local const uint4 *tile, int row, int count, int vec, int lane) {
#if HAS_LDMATRIX
#pragma unroll
    for (int n = 0; n < count; n += 2, row += 2 * MMA_COLUMNS, b += 2 * B_WORDS)
        load_matrices(b, tile + VEC_AT(row + lane % 8 + lane / 16 * 8, vec + lane / 8 % 2));
#else
#pragma unroll
    for (int n = 0; n < count; ++n, row += MMA_COLUMNS, b += B_WORDS)
#pragma unroll
        for (int i = 0; i < B_WORDS; ++i)
            b[i] = WORD_AT(tile, row + B_COLUMN(lane), vec, B_WORD(lane, i));
#endif
}

/* ---- products ---- */

#define OF_WARPS /* before a kernel that multiplies */

#if EMULATED
#if TYPE == TYPE_F32
#define PRODUCT(a, b) (as_float(*(a)) * as_float(*(b)))
#elif TYPE == TYPE_BF16
#define PRODUCT(a, b)                                                                              \
    (as_float(*(a) << 16) * as_float(*(b) << 16) +                                                 \
     as_float(*(a)&0xffff0000u) * as_float(*(b)&0xffff0000u))
#else
#define HALF_OF(word, i) vload_half((i), (local const half *)(word))
#define PRODUCT(a, b)    (HALF_OF(a, 0) * HALF_OF(b, 0) + HALF_OF(a, 1) * HALF_OF(b, 1))
#endif

/* Words of local memory that a lane needs for the product of `rows` by `columns` fragments. */
#define MMA_SCRATCH(rows, columns) (A_WORDS * (rows) + B_WORDS * (columns))

/* `a` and `b` are all lanes' words of a fragment. */
static inline void product(float *c, local const uint *a, local const uint *b, int lane) {
    for (int i = 0; i < C_WORDS; ++i) {
        const int row = C_ROW(lane, i / C_COLUMNS), column = C_COLUMN(lane) + i % C_COLUMNS;
        float sum = C_PLACE(row, column) == lane * C_WORDS + i ? c[i] : NAN;
        for (int word = 0; word < MMA_WORDS; ++word)
            sum += PRODUCT(a + A_PLACE(row, word), b + B_PLACE(word, column));
        c[i] = sum;
    }
}

#elif ENGINE == PTX_K16 || ENGINE == PTX_K8
#if TYPE == TYPE_F32
#define MMA_TYPES "m16n8k8.row.col.f32.tf32.tf32.f32"
#elif TYPE == TYPE_BF16
#define MMA_TYPES "m16n8k16.row.col.f32.bf16.bf16.f32"
#else
#define MMA_TYPES "m16n8k16.row.col.f32.f16.f16.f32"
#endif

#if ENGINE == PTX_K16
static inline void product(float *c, const uint *a, const uint *b) {
    float x, y, z, w;
    __asm__ volatile("mma.sync.aligned." MMA_TYPES
                     " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%10, %11, %12, %13};"
                     : "=f"(x), "=f"(y), "=f"(z), "=f"(w)
                     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]), "f"(c[0]),
                       "f"(c[1]), "f"(c[2]), "f"(c[3]));
    c[0] = x, c[1] = y, c[2] = z, c[3] = w;
}
#else
static inline void half_product(float *c, const uint *a, uint b) {
    float x, y, z, w;
    __asm__ volatile("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32"
                     " {%0, %1, %2, %3}, {%4, %5}, {%6}, {%7, %8, %9, %10};"
                     : "=f"(x), "=f"(y), "=f"(z), "=f"(w)
                     : "r"(a[0]), "r"(a[1]), "r"(b), "f"(c[0]), "f"(c[1]), "f"(c[2]), "f"(c[3]));
    c[0] = x, c[1] = y, c[2] = z, c[3] = w;
}

static inline void product(float *c, const uint *a, const uint *b) {
    half_product(c, a, b[0]);
    half_product(c, a + 2, b[1]);
}
#endif

#elif ENGINE == WMMA || ENGINE == MFMA
/* Where the builtin is there but not for this processor or width of waves, the compiler says so. */
#ifndef __has_builtin
#error "the compiler does not know matrix instructions"
#endif
#pragma OPENCL EXTENSION cl_khr_fp16 : enable

#if ENGINE == WMMA
#if !__has_builtin(__builtin_amdgcn_wmma_f32_16x16x16_f16_w32)
#error "the compiler does not know WMMA"
#endif
static inline void product(float *c, const uint *a, const uint *b) {
    const uint8 words_a = vload8(0, a), words_b = vload8(0, b);
#if TYPE == TYPE_F16
    vstore8(__builtin_amdgcn_wmma_f32_16x16x16_f16_w32(as_half16(words_a), as_half16(words_b),
                                                       vload8(0, c)),
            0, c);
#else
    vstore8(__builtin_amdgcn_wmma_f32_16x16x16_bf16_w32(as_short16(words_a), as_short16(words_b),
                                                        vload8(0, c)),
            0, c);
#endif
}
#else
#if !__has_builtin(__builtin_amdgcn_mfma_f32_16x16x16f16)
#error "the compiler does not know MFMA"
#endif
static inline void product(float *c, const uint *a, const uint *b) {
    float4 sums = vload4(0, c);
#if TYPE == TYPE_F16
    sums = __builtin_amdgcn_mfma_f32_16x16x16f16(as_half4(vload2(0, a)), as_half4(vload2(0, b)),
                                                 sums, 0, 0, 0);
#elif defined(__gfx908__)
    sums = __builtin_amdgcn_mfma_f32_16x16x8bf16(as_short2(a[0]), as_short2(b[0]), sums, 0, 0, 0);
    sums = __builtin_amdgcn_mfma_f32_16x16x8bf16(as_short2(a[1]), as_short2(b[1]), sums, 0, 0, 0);
#else
    sums = __builtin_amdgcn_mfma_f32_16x16x16bf16_1k(as_short4(vload2(0, a)),
                                                     as_short4(vload2(0, b)), sums, 0, 0, 0);
#endif
    vstore4(sums, 0, c);
}
#endif

#else
#ifndef cl_intel_subgroup_matrix_multiply_accumulate
#error "the device has no cl_intel_subgroup_matrix_multiply_accumulate"
#endif
#undef OF_WARPS
#define OF_WARPS __attribute__((intel_reqd_sub_group_size(MMA_LANES)))
#if TYPE == TYPE_F16
#define MULTIPLY_16 intel_sub_group_f16_f16_matrix_mad_k16
#else
#define MULTIPLY_16 intel_sub_group_bf16_bf16_matrix_mad_k16
#endif
static inline void product(float *c, const uint *a, const uint *b) {
    const uint8 words_a = vload8(0, a);
#if ENGINE == DPAS_8
    const int8 part = as_int8(words_a);
#else
    const short8 part =
        as_short8(convert_ushort8(words_a >> (uint)get_local_id(0) % 2 * 16 & 0xffffu));
#endif
    vstore8(MULTIPLY_16(part, as_int8(vload8(0, b)), vload8(0, c)), 0, c);
}
#endif

/*
 * c += a b, `rows` by `columns` fragments. All work-items of the group must come here; `scratch` is
 * the group's where EMULATED, MMA_SCRATCH words for each of them.
 */
static inline void multiply_fragments(float *c, const uint *a, const uint *b, int rows, int columns,
                                      local uint *scratch) {
#if EMULATED
    const int item = (int)get_local_id(0), lane = item % MMA_LANES;
    local uint *of_a = scratch + (item - lane) * MMA_SCRATCH(rows, columns);
    local uint *of_b = of_a + MMA_LANES * A_WORDS * rows;
    for (int m = 0; m < rows; ++m)
        for (int i = 0; i < A_WORDS; ++i)
            of_a[(m * MMA_LANES + lane) * A_WORDS + i] = a[m * A_WORDS + i];
    for (int n = 0; n < columns; ++n)
        for (int i = 0; i < B_WORDS; ++i)
            of_b[(n * MMA_LANES + lane) * B_WORDS + i] = b[n * B_WORDS + i];
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int m = 0; m < rows; ++m)
        for (int n = 0; n < columns; ++n)
            product(c + (m * columns + n) * C_WORDS, of_a + m * MMA_LANES * A_WORDS,
                    of_b + n * MMA_LANES * B_WORDS, lane);
    barrier(CLK_LOCAL_MEM_FENCE);
#else
    (void)scratch;
#pragma unroll
    for (int m = 0; m < rows; ++m)
#pragma unroll
        for (int n = 0; n < columns; ++n)
            product(c + (m * columns + n) * C_WORDS, a + m * A_WORDS, b + n * B_WORDS);
#endif
}
#endif
