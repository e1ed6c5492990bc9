/*
 * Products of two factors, rows of words of which lie in local memory: a work-group computes TILE_M
 * rows of TILE_N columns, each work-item ITEM of both, or a warp LANES_M * ITEM of LANES_N * ITEM
 * with a matrix engine, see mma.h; then a row is of words of one or two k. Prepended to the files
 * that multiply so, which bring the rows there.
 */
#ifndef TILE_M
#define TILE_M 64
#endif
#ifndef TILE_N
#define TILE_N 64
#endif
#ifndef TILE_K
#define TILE_K 8
#endif
#ifndef ITEM
#define ITEM 8
#endif
/* Words between rows without an engine, for factors that are written along k; a multiple of 4. */
#ifndef GAP
#define GAP 0
#endif
#define ITEMS_M (TILE_M / ITEM)
#define ITEMS_N (TILE_N / ITEM)
#define ITEMS   (ITEMS_M * ITEMS_N)

#if ENGINE
typedef uint word_t;
typedef uint4 quad_t;
#define LOAD_WORD_X(g, pointer, index) BITS_X(pointer, index)
#define LOAD_WORD_W(g, pointer, index) BITS_W(pointer, index)
#define PUT(word, value, i)            PUT_WORD(word, value, i)
#define SKEW                           8 /* the rows that a warp reads at a time then lie in banks of their own */
/* What a work-item has in the end: RUNS times RUN neighbouring pixels of CHANNELS channels. */
#define FRAGMENTS_M     (LANES_M * ITEM / MMA_ROWS)
#define FRAGMENTS_N     (LANES_N * ITEM / MMA_COLUMNS)
#define WARPS_N         (TILE_N / (LANES_N * ITEM))
#define RUN             C_COLUMNS
#define RUNS            FRAGMENTS_N
#define CHANNELS        (FRAGMENTS_M * C_ROWS)
#define LANE(item)      ((item) % MMA_LANES)
#define FIRST_M(item)   ((item) / MMA_LANES / WARPS_N * (LANES_M * ITEM))
#define FIRST_N(item)   ((item) / MMA_LANES % WARPS_N * (LANES_N * ITEM))
#define RUN_AT(item, n) (FIRST_N(item) + MMA_COLUMNS * (n) + C_COLUMN(LANE(item)))
#define CHANNEL_AT(item, m)                                                                        \
    (FIRST_M(item) + MMA_ROWS * ((m) / C_ROWS) + C_ROW(LANE(item), (m) % C_ROWS))
#define SUM_OF(m, n, q) sums[(m) / C_ROWS][n][(m) % C_ROWS * C_COLUMNS + (q)]
#else
typedef float word_t;
typedef float4 quad_t;
#define PAIR                           1
#define LOAD_WORD_X(g, pointer, index) LOAD_X(g, pointer, index)
#define LOAD_WORD_W(g, pointer, index) LOAD_W(g, pointer, index)
#define PUT(word, value, i)            ((word) = (value))
#define SKEW                           GAP
#define QUADS                          (ITEM / 4)
#define RUN                            4
#define RUNS                           QUADS
#define CHANNELS                       ITEM
#define OF_WARPS
#define RUN_AT(item, n)     (RUN * ((n)*ITEMS_N + (item) % ITEMS_N))
#define CHANNEL_AT(item, m) (4 * ((m) / 4 * ITEMS_M + (item) / ITEMS_N) + (m) % 4)
#define SUM_OF(m, n, q)     element_of(sums[m][n], q)

static inline float element_of(float4 quad, int i) {
    return i == 0 ? quad.x : i == 1 ? quad.y : i == 2 ? quad.z : quad.w;
}
#endif

/* Rows of words in local memory. */
#define ROWS  (TILE_K / PAIR)
#define ROW_M (TILE_M + SKEW)
#define ROW_N (TILE_N + SKEW)
/* Where word i of a lane's first fragments lies there. */
#define A_AT(lane, i) (A_WORD(lane, i) * ROW_M + A_ROW(lane, i))
#define B_AT(lane, i) (B_WORD(lane, i) * ROW_N + B_COLUMN(lane))

/* What a work-item computes, and what an emulated engine passes fragments through. */
#if ENGINE
typedef float sums_t[FRAGMENTS_M][FRAGMENTS_N][C_WORDS];
#else
typedef float4 sums_t[ITEM][QUADS];
#endif
#if EMULATED
#define DECLARE_SCRATCH(name) local uint name[ITEMS * MMA_SCRATCH(FRAGMENTS_M, FRAGMENTS_N)]
#else
#define DECLARE_SCRATCH(name) local uint *name = 0
#endif

static inline void clear(sums_t sums) {
#if ENGINE
#pragma unroll
    for (int m = 0; m < FRAGMENTS_M; ++m)
#pragma unroll
        for (int n = 0; n < FRAGMENTS_N; ++n)
#pragma unroll
            for (int i = 0; i < C_WORDS; ++i)
                sums[m][n][i] = 0;
#else
#pragma unroll
    for (int m = 0; m < ITEM; ++m)
#pragma unroll
        for (int n = 0; n < QUADS; ++n)
            sums[m][n] = 0;
#endif
}

/* Adds the product of ROWS rows of both. */
static inline void multiply_step(sums_t sums, local const quad_t *of_m, local const quad_t *of_n,
                                 int item, local uint *scratch) {
#if ENGINE
    /* From a lane's first word all others are as far away as in lane 0, which saves registers. */
    const int lane = LANE(item);
    local const uint *a = (local const uint *)of_m + FIRST_M(item) + A_AT(lane, 0);
    local const uint *b = (local const uint *)of_n + FIRST_N(item) + B_AT(lane, 0);
#pragma unroll
    for (int k = 0; k < ROWS; k += MMA_WORDS, a += MMA_WORDS * ROW_M, b += MMA_WORDS * ROW_N) {
        uint of_a[FRAGMENTS_M][A_WORDS], of_b[FRAGMENTS_N][B_WORDS];
#pragma unroll
        for (int m = 0; m < FRAGMENTS_M; ++m)
#pragma unroll
            for (int i = 0; i < A_WORDS; ++i)
                of_a[m][i] = a[m * MMA_ROWS + A_AT(0, i)];
#pragma unroll
        for (int n = 0; n < FRAGMENTS_N; ++n)
#pragma unroll
            for (int i = 0; i < B_WORDS; ++i)
                of_b[n][i] = b[n * MMA_COLUMNS + B_AT(0, i)];
        multiply_fragments(sums[0][0], of_a[0], of_b[0], FRAGMENTS_M, FRAGMENTS_N, scratch);
    }
#else
    local const float4 *a = of_m + item / ITEMS_N;
    local const float4 *b = of_n + item % ITEMS_N;
#pragma unroll
    for (int k = 0; k < TILE_K; ++k, a += ROW_M / 4, b += ROW_N / 4) {
        float4 column[QUADS];
#pragma unroll
        for (int n = 0; n < QUADS; ++n)
            column[n] = b[n * ITEMS_N];
#pragma unroll
        for (int m = 0; m < QUADS; ++m) {
            float4 weight = a[m * ITEMS_M];
#pragma unroll
            for (int n = 0; n < QUADS; ++n) {
                sums[4 * m][n] += weight.x * column[n];
                sums[4 * m + 1][n] += weight.y * column[n];
                sums[4 * m + 2][n] += weight.z * column[n];
                sums[4 * m + 3][n] += weight.w * column[n];
            }
        }
    }
#endif
}
