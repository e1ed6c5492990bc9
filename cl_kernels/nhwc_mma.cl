/*
 * Implicit GEMM with a matrix engine over pixels whose channels lie together. nhwc_mma_input copies the
 * input once, with its padding as zeros around it, so that 16 bytes are the next channels of one pixel;
 * then everything that is multiplied travels in such vectors, and no address is tested. k runs over taps
 * and, within them, vectors; where each vector lies, seen from the pixel, is in a table.
 *
 * A work-group computes TILE_M channels of TILE_N pixels of all pictures, each of its WARPS a part of
 * both. A step is VECS vectors deep. Local memory holds STAGES steps, so that those to come are copied
 * while one is multiplied; within a row vectors are exchanged, so that the rows which a warp reads at a
 * time lie in banks of their own. RAW is as in gemm_tiled.cl.
 *
 * Stages: nhwc_mma_pack rearranges the weights, nhwc_mma_input, nhwc_mma multiplies, sum_parts.
 */
#ifndef TILE_M
#define TILE_M 64
#endif
#ifndef TILE_N
#define TILE_N 64
#endif
#ifndef VECS
#define VECS 4
#endif
#ifndef WARPS
#define WARPS 4
#endif
#ifndef STAGES
#define STAGES 3
#endif
#ifndef RAW
#define RAW 0
#endif

#if ENGINE
#define ITEMS       (WARPS * MMA_LANES)
#define WARPS_M     2
#define WARPS_N     (WARPS / WARPS_M)
#define WARP_M      (TILE_M / WARPS_M)
#define WARP_N      (TILE_N / WARPS_N)
#define FRAGMENTS_M (WARP_M / MMA_ROWS)
#define FRAGMENTS_N (WARP_N / MMA_COLUMNS)
/* What a work-item copies of a step, its rows ITEMS / VECS apart. */
#define FETCH_M (TILE_M * VECS / ITEMS)
#define FETCH_N (TILE_N * VECS / ITEMS)
#define STAGE   ((TILE_M + TILE_N) * VECS)
#define DEPTH   (MMA_WORDS / VEC_WORDS) /* of a fragment, in vectors */
/* Floats between rows of sums on their way out: those of a warp's lanes then lie in several banks. */
#define SUMS_ROW   (WARP_N + 8)
#define VEC_VALUES (VEC_WORDS * PAIR)

/* Vectors of a pixel's channels, of one group. */
static inline index_t vectors_of(geometry g) {
    return (g.in_per_group + VEC_VALUES - 1) / VEC_VALUES;
}

/*
 * Vector `index` of the reduction: which of the kernel's taps it is of, and which of the pixel's. As many
 * as are read at a time run over all taps before the next do, so that a pixel is read again soon, from the
 * cache of its processor.
 */
typedef struct {
    index_t tap, vector;
} place_of_k;

static inline place_of_k place_of_vector(geometry g, index_t index) {
    index_t vectors = vectors_of(g), chunk = vectors % VECS ? vectors : VECS;
    index_t of_taps = g.kernel_d * g.kernel_h * g.kernel_w * chunk;
    place_of_k k = {index % of_taps / chunk, index / of_taps * chunk + index % chunk};
    return k;
}

/*
 * packed[block of all groups][step][TILE_M][VECS], zeros behind the last channels; `step` is the number
 * of steps. Global size (words of a block, blocks).
 */
kernel void nhwc_mma_pack(const geometry g, const offsets at, global const w_t *restrict w,
                          global uint *restrict packed, const long packed_at) {
    index_t place = (index_t)get_global_id(0), block = (index_t)get_global_id(1);
    index_t blocks = (g.out_per_group + TILE_M - 1) / TILE_M, words = g.step * TILE_M * VECS * VEC_WORDS;
    index_t row = place / (VECS * VEC_WORDS), channel = block % blocks * TILE_M + row % TILE_M;
    const place_of_k k = place_of_vector(g, row / TILE_M * VECS + place / VEC_WORDS % VECS);
    index_t first = k.vector * VEC_VALUES + place % VEC_WORDS * PAIR;
    index_t tap_w = k.tap % g.kernel_w, rest = k.tap / g.kernel_w;
    index_t tap_h = rest % g.kernel_h, tap_d = rest / g.kernel_h;
    uint word = 0;
    if (place >= words)
        return;
    for (int i = 0; i < PAIR; ++i)
        if (channel < g.out_per_group && first + i < g.in_per_group)
            PUT_WORD(word,
                     BITS_W(w + at.w, (block / blocks * g.out_per_group + channel) * g.w_o +
                                          (first + i) * g.w_i + g.w_start + tap_d * g.w_d +
                                          tap_h * g.w_h + tap_w * g.w_w),
                     i);
    packed[packed_at + (long)block * words + place] = word;
}

/*
 * staged[group][picture][out_d][out_h][out_w][vectors], where out_ are the extents of the padded copy.
 * Through local memory, so that planes of channels are read, and vectors written, in the order of memory.
 * Global size (tiles of pixels * INPUT_PIXELS, chunks of INPUT_VECS vectors, groups * batch).
 */
#define INPUT_PIXELS 64
#define INPUT_VECS   4
#define INPUT_WORDS  (INPUT_VECS * VEC_WORDS)

kernel __attribute__((reqd_work_group_size(INPUT_PIXELS, 1, 1))) void
nhwc_mma_input(const geometry g, const offsets at, global const x_t *restrict x,
               global uint4 *restrict staged, const long staged_at) {
    local uint words[INPUT_PIXELS][INPUT_WORDS + 1];
    const int item = (int)get_local_id(0);
    index_t pixels = g.out_d * g.out_h * g.out_w, first = (index_t)get_group_id(0) * INPUT_PIXELS;
    index_t picture = (index_t)get_group_id(2), first_vector = (index_t)get_group_id(1) * INPUT_VECS;
    index_t vectors = vectors_of(g);
    pixel_place to = place_of(g, first + item);
    index_t d = to.d * g.stride_d - g.pad_d, h = to.h * g.stride_h - g.pad_h;
    index_t w = to.w * g.stride_w - g.pad_w;
    int is_inside = first + item < pixels && d >= 0 && d < g.in_d && h >= 0 && h < g.in_h && w >= 0 &&
                    w < g.in_w;
    x += at.x + (long)(picture % g.batch) * g.x_n + (long)(picture / g.batch) * g.in_per_group * g.x_c +
         (is_inside ? d * g.x_d + h * g.x_h + w * g.x_w : 0);
    #pragma unroll
    for (int i = 0; i < INPUT_WORDS; ++i) {
        index_t c = (first_vector * VEC_WORDS + i) * PAIR;
        uint word = 0;
        #pragma unroll
        for (int k = 0; k < PAIR; ++k)
            if (is_inside && c + k < g.in_per_group)
                PUT_WORD(word, BITS_X(x, (c + k) * g.x_c), k);
        words[item][i] = word;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    staged += staged_at + (long)picture * pixels * vectors;
    for (int i = item; i < INPUT_PIXELS * INPUT_VECS; i += INPUT_PIXELS) {
        index_t pixel = first + i / INPUT_VECS, vector = first_vector + i % INPUT_VECS;
        local const uint *from = words[i / INPUT_VECS] + i % INPUT_VECS * VEC_WORDS;
        if (pixel < pixels && vector < vectors)
            staged[pixel * vectors + vector] = (uint4)(from[0], from[1], from[2], from[3]);
    }
}

/* Begins to copy a step into local memory; `from` are pixels, and `tap` a vector seen from them. */
static inline void fetch(local uint4 *to, global const uint4 *restrict weights,
                         global const uint4 *restrict pixels, const index_t from[FETCH_N], index_t tap) {
    #pragma unroll
    for (int i = 0; i < FETCH_M; ++i)
        copy_vector(to + i * ITEMS, weights + i * ITEMS, 1);
    to += TILE_M * VECS;
    #pragma unroll
    for (int i = 0; i < FETCH_N; ++i) {
        const int is_there = from[i] >= 0 && tap >= 0;
        copy_vector(to + i * ITEMS, pixels + (is_there ? from[i] + tap : 0), is_there);
    }
}

/* Begins to copy step `next`, if there is one, into a stage. */
#define FETCH(stage)                                                                               \
    do {                                                                                           \
        if (next < end)                                                                            \
            fetch(to + (stage)*STAGE, packed + (long)next * (TILE_M * VECS), staged, from, tap);   \
        close_copies();                                                                            \
        if (++next < end)                                                                          \
            tap = taps[next * VECS];                                                               \
    } while (0)

/*
 * `g` strides over the copy: x_ fields are distances in vectors. `taps` has the distance of each vector
 * of k, -1 behind the last. `step` is the number of steps of all parts; part p begins with step
 * p * per_part. Global size (blocks * tiles of pixels * groups * ITEMS, parts).
 */
kernel OF_WARPS __attribute__((reqd_work_group_size(ITEMS, 1, 1))) void
nhwc_mma(const geometry g, const offsets at, const scalars s, global const uint4 *restrict staged,
         const long staged_at, global const uint4 *restrict packed, const long packed_at,
         global const index_t *restrict taps, const index_t per_part, global float *restrict raw,
         const long raw_at, global const y_t *restrict bias, global const y_t *residual,
         global y_t *y) {
    local uint4 memory[STAGES * STAGE];
#if EMULATED
    local uint scratch[ITEMS * MMA_SCRATCH(FRAGMENTS_M, FRAGMENTS_N)];
#else
    local uint *scratch = 0;
#endif
    const int item = (int)get_local_id(0), lane = item % MMA_LANES, warp = item / MMA_LANES;
    const int first_m = warp / WARPS_N * WARP_M, first_n = warp % WARPS_N * WARP_N;
    index_t blocks = (g.out_per_group + TILE_M - 1) / TILE_M;
    index_t pixels = g.batch * g.out_d * g.out_h * g.out_w;
    index_t tiles = (pixels + TILE_N - 1) / TILE_N;
    index_t block = (index_t)get_group_id(0) % blocks, rest = (index_t)get_group_id(0) / blocks;
    index_t first_pixel = rest % tiles * TILE_N, group = rest / tiles;
    index_t part = (index_t)get_group_id(1);
    index_t begin = part * per_part, end = min(begin + per_part, g.step);

    index_t from[FETCH_N];
    #pragma unroll
    for (int i = 0; i < FETCH_N; ++i) {
        index_t pixel = first_pixel + item / VECS + i * (ITEMS / VECS);
        pixel_place p = place_of(g, min(pixel, pixels - 1));
        from[i] = pixel < pixels ? p.n * g.x_n + p.d * g.stride_d * g.x_d + p.h * g.stride_h * g.x_h +
                                       p.w * g.stride_w * g.x_w
                                 : -1;
    }
    staged += staged_at + group * g.x_c;
    packed += packed_at + (long)(group * blocks + block) * g.step * (TILE_M * VECS) + item;
    taps += item % VECS;
    local uint4 *to = memory + VEC_AT(item / VECS, item % VECS);

    float sums[FRAGMENTS_M][FRAGMENTS_N][C_WORDS];
    #pragma unroll
    for (int m = 0; m < FRAGMENTS_M; ++m)
        #pragma unroll
        for (int n = 0; n < FRAGMENTS_N; ++n)
            #pragma unroll
            for (int i = 0; i < C_WORDS; ++i)
                sums[m][n][i] = 0;

    /* What lies ahead is fetched; the place of the step behind that is read ahead, too. */
    index_t next = begin, tap = taps[next * VECS];
    #pragma unroll
    for (int i = 0; i < STAGES - 1; ++i)
        FETCH(i);
    await_copies(STAGES - 2);
    barrier(CLK_LOCAL_MEM_FENCE);

    /* While fragments are multiplied, the next are loaded, at the end of a step those of the next. */
    uint of_a[2][FRAGMENTS_M][A_WORDS], of_b[2][FRAGMENTS_N][B_WORDS];
    local const uint4 *weights = memory;
    int stage = 0;
    load_a(of_a[0][0], weights, first_m, FRAGMENTS_M, 0, lane);
    load_b(of_b[0][0], weights + TILE_M * VECS, first_n, FRAGMENTS_N, 0, lane);
    for (index_t turn = begin; turn < end; ++turn) {
        #pragma unroll
        for (int v = 0; v < VECS; v += DEPTH) {
            const int side = v / DEPTH % 2, then = (v + DEPTH) % VECS;
            const int freed = stage ? stage - 1 : STAGES - 1;
            if (then == 0) {
                await_copies(STAGES - 2);
                barrier(CLK_LOCAL_MEM_FENCE);
                stage = stage + 1 == STAGES ? 0 : stage + 1;
                weights = memory + stage * STAGE;
            }
            load_a(of_a[1 - side][0], weights, first_m, FRAGMENTS_M, then, lane);
            load_b(of_b[1 - side][0], weights + TILE_M * VECS, first_n, FRAGMENTS_N, then, lane);
            if (v == 0)
                FETCH(freed);
            multiply_fragments(sums[0][0], of_a[side][0], of_b[side][0], FRAGMENTS_M, FRAGMENTS_N,
                               scratch);
        }
    }

    /* Out through local memory, some channels at a time, so that lanes write in the order of memory. */
    local float *mine = (local float *)memory + warp * (MMA_ROWS * SUMS_ROW);
    index_t pixel = first_pixel + first_n + lane;
#if RAW
    raw += raw_at + (long)(part * g.groups + group) * g.out_per_group * pixels;
#else
    index_t y_to[(WARP_N + MMA_LANES - 1) / MMA_LANES];
    bias += at.bias;
    residual += at.residual;
    y += at.y;
    #pragma unroll
    for (int n = 0; n < WARP_N; n += MMA_LANES) {
        pixel_place to_pixel = place_of(g, min(pixel + n, pixels - 1));
        y_to[n / MMA_LANES] = to_pixel.n * g.y_n + to_pixel.d * g.y_d + to_pixel.h * g.y_h +
                              to_pixel.w * g.y_w;
    }
#endif
    await_copies(0);
    #pragma unroll
    for (int m = 0; m < FRAGMENTS_M; ++m) {
        barrier(CLK_LOCAL_MEM_FENCE);
        #pragma unroll
        for (int n = 0; n < FRAGMENTS_N; ++n)
            #pragma unroll
            for (int i = 0; i < C_WORDS; ++i)
                mine[C_ROW(lane, i / C_COLUMNS) * SUMS_ROW + n * MMA_COLUMNS + C_COLUMN(lane) +
                     i % C_COLUMNS] = sums[m][n][i];
        barrier(CLK_LOCAL_MEM_FENCE);
        index_t channel = block * TILE_M + first_m + m * MMA_ROWS; /* within the group */
        for (int row = 0; row < MMA_ROWS && channel < g.out_per_group; ++row, ++channel)
            #pragma unroll
            for (int n = 0; n < WARP_N; n += MMA_LANES)
                if (lane + n < WARP_N && pixel + n < pixels) {
                    const float sum = mine[row * SUMS_ROW + lane + n];
#if RAW
                    raw[channel * pixels + pixel + n] = sum;
#else
                    index_t out = group * g.out_per_group + channel;
                    finish(sum, s, bias, residual, y, out, y_to[n / MMA_LANES] + out * g.y_c);
#endif
                }
    }
}
#endif
