/*
 * Implicit GEMM for GPUs: for every group, weights [out channel][k] times columns [k][pixel], k running
 * over input channels and kernel taps, without the columns ever being in memory. A work-group computes
 * TILE_M channels of TILE_N pixels of all pictures, each work-item ITEM of both. TILE_K rows of the two
 * factors lie in local memory, twice, so that the next are fetched while these are multiplied; a
 * work-item fetches for one pixel only, whose place in the input is found once, before the loop.
 *
 *   by taps    the order of k is [tap][channel]: the padding is tested once for each tap, and within a
 *              tap the address grows by a constant. Stride and dilation cost nothing in the loop
 *   POINT      the same for one tap without padding: no test at all
 *   FLAT       the order of k is [channel][tap], for few channels, which would not fill TILE_K; where
 *              each k reads, seen from the pixel, is in a table
 *   RAW        sums without the epilogue, for a reduction that is split into parts, which
 *              sum_parts adds in order, and for other algorithms
 *   ENGINE     a matrix engine multiplies, see mma.h: a row of local memory is of words of one or
 *              two k, and a warp computes LANES_M * ITEM channels of LANES_N * ITEM pixels
 *
 * Stages: gemm_tiled_pack rearranges the weights, gemm_tiled multiplies, sum_parts.
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
#ifndef POINT
#define POINT 0
#endif
#ifndef FLAT
#define FLAT 0
#endif
#ifndef RAW
#define RAW 0
#endif
#define ITEMS_M (TILE_M / ITEM)
#define ITEMS_N (TILE_N / ITEM)
#define ITEMS (ITEMS_M * ITEMS_N)

#if ENGINE
typedef uint word_t;
typedef uint4 quad_t;
#define LOAD_WORD_X(g, pointer, index) BITS_X(pointer, index)
#define LOAD_WORD_W(g, pointer, index) BITS_W(pointer, index)
#define PUT(word, value, i)            PUT_WORD(word, value, i)
#define SKEW 8 /* the rows that a warp reads at a time then lie in banks of their own */
/* What a work-item has in the end: RUNS times RUN neighbouring pixels of CHANNELS channels. */
#define FRAGMENTS_M (LANES_M * ITEM / MMA_ROWS)
#define FRAGMENTS_N (LANES_N * ITEM / MMA_COLUMNS)
#define WARPS_N (TILE_N / (LANES_N * ITEM))
#define RUN C_COLUMNS
#define RUNS FRAGMENTS_N
#define CHANNELS (FRAGMENTS_M * C_ROWS)
#define LANE(item) ((item) % MMA_LANES)
#define FIRST_M(item) ((item) / MMA_LANES / WARPS_N * (LANES_M * ITEM))
#define FIRST_N(item) ((item) / MMA_LANES % WARPS_N * (LANES_N * ITEM))
#define RUN_AT(item, n) (FIRST_N(item) + MMA_COLUMNS * (n) + C_COLUMN(LANE(item)))
#define CHANNEL_AT(item, m)                                                                        \
    (FIRST_M(item) + MMA_ROWS * ((m) / C_ROWS) + C_ROW(LANE(item), (m) % C_ROWS))
#define SUM_OF(m, n, q) sums[(m) / C_ROWS][n][(m) % C_ROWS * C_COLUMNS + (q)]
#else
typedef float word_t;
typedef float4 quad_t;
#define PAIR 1
#define LOAD_WORD_X(g, pointer, index) LOAD_X(g, pointer, index)
#define LOAD_WORD_W(g, pointer, index) LOAD_W(g, pointer, index)
#define PUT(word, value, i) ((word) = (value))
#define SKEW 0
#define QUADS (ITEM / 4)
#define RUN 4
#define RUNS QUADS
#define CHANNELS ITEM
#define OF_WARPS
#define RUN_AT(item, n) (RUN * ((n) * ITEMS_N + (item) % ITEMS_N))
#define CHANNEL_AT(item, m) (4 * ((m) / 4 * ITEMS_M + (item) / ITEMS_N) + (m) % 4)
#define SUM_OF(m, n, q) element_of(sums[m][n], q)

static inline float element_of(float4 quad, int i) {
    return i == 0 ? quad.x : i == 1 ? quad.y : i == 2 ? quad.z : quad.w;
}
#endif

/* Rows of words in local memory. */
#define ROWS (TILE_K / PAIR)
#define ROW_M (TILE_M + SKEW)
#define ROW_N (TILE_N + SKEW)
/* What a work-item fetches of a step: quads of weights, and pixels, which lie ROW_STEP rows apart. */
#define FETCH_M (ROWS * TILE_M / 4 / ITEMS)
#define FETCH_N (ROWS * TILE_N / ITEMS)
#define ROW_STEP (ITEMS / TILE_N)
/* Where word i of a lane's first fragments lies there. */
#define A_AT(lane, i) (A_WORD(lane, i) * ROW_M + A_ROW(lane, i))
#define B_AT(lane, i) (B_WORD(lane, i) * ROW_N + B_COLUMN(lane))
/* Where a quad of a step's packed weights lies in local memory. */
#define QUAD_AT(i) ((i) / (TILE_M / 4) * (ROW_M / 4) + (i) % (TILE_M / 4))

/* Channels of a tap, whole steps. */
static inline index_t padded_channels(geometry g) {
    return (g.in_per_group + TILE_K - 1) / TILE_K * TILE_K;
}

/*
 * packed[block of all groups][row][TILE_M], zeros behind the last channels; `step` is the number of
 * steps of TILE_K. Global size (rows and channels of a block, blocks).
 */
kernel void gemm_tiled_pack(const geometry g, const offsets at, global const w_t *restrict w,
                            global word_t *restrict packed, const long packed_at) {
    index_t place = (index_t)get_global_id(0), block = (index_t)get_global_id(1);
    index_t blocks = (g.out_per_group + TILE_M - 1) / TILE_M, rows = g.step * ROWS;
    index_t row = place / TILE_M, channel = block % blocks * TILE_M + place % TILE_M;
    word_t word = 0;
    if (row >= rows)
        return;
    for (int i = 0; i < PAIR; ++i) {
        index_t k = row * PAIR + i;
#if FLAT
        index_t taps = g.kernel_d * g.kernel_h * g.kernel_w;
        index_t tap = k % taps, c = k / taps;
#else
        index_t tap = k / padded_channels(g), c = k % padded_channels(g);
#endif
        index_t tap_w = tap % g.kernel_w, rest = tap / g.kernel_w;
        if (channel < g.out_per_group && c < g.in_per_group)
            PUT(word,
                LOAD_WORD_W(g, w + at.w,
                            (block / blocks * g.out_per_group + channel) * g.w_o + c * g.w_i + g.w_start +
                                rest / g.kernel_h * g.w_d + rest % g.kernel_h * g.w_h + tap_w * g.w_w),
                i);
    }
    packed[packed_at + (long)block * rows * TILE_M + place] = word;
}

static inline pixel_place next_place(geometry g, pixel_place p) {
    if (++p.w == g.out_w) {
        p.w = 0;
        if (++p.h == g.out_h) {
            p.h = 0;
            if (++p.d == g.out_d) {
                p.d = 0;
                ++p.n;
            }
        }
    }
    return p;
}

/*
 * `taps` has four integers for each k where FLAT: the distance in memory, and in d, h and w. `step` is
 * the number of steps of all parts; part p begins with step p * per_part. raw[part][channel][pixel].
 * Global size (blocks * tiles of pixels * groups * ITEMS, parts).
 */
kernel OF_WARPS __attribute__((reqd_work_group_size(ITEMS, 1, 1))) void
gemm_tiled(const geometry g, const offsets at, const scalars s, global const x_t *restrict x,
           global const quad_t *restrict packed, const long packed_at,
           global const index_t *restrict taps, const index_t per_part, global float *restrict raw,
           const long raw_at, global const y_t *restrict bias, global const y_t *residual,
           global y_t *y) {
    local quad_t weights[2][ROWS * ROW_M / 4];
    local quad_t columns[2][ROWS * ROW_N / 4];
#if EMULATED
    local uint scratch[ITEMS * MMA_SCRATCH(FRAGMENTS_M, FRAGMENTS_N)];
#elif ENGINE
    local uint *scratch = 0;
#endif
    const int item = (int)get_local_id(0);
    const int fetch_row = item / TILE_N, fetch_n = item % TILE_N;
    index_t blocks = (g.out_per_group + TILE_M - 1) / TILE_M;
    index_t pixels = g.batch * g.out_d * g.out_h * g.out_w;
    index_t tiles = (pixels + TILE_N - 1) / TILE_N;
    index_t block = (index_t)get_group_id(0) % blocks, rest = (index_t)get_group_id(0) / blocks;
    index_t first_pixel = rest % tiles * TILE_N, group = rest / tiles;
    index_t part = (index_t)get_group_id(1);
    index_t step = part * per_part, end = min(step + per_part, g.step);

    index_t pixel = first_pixel + fetch_n;
    int is_pixel = pixel < pixels;
    pixel_place from = place_of(g, min(pixel, pixels - 1));
    index_t in_d = from.d * g.stride_d - g.pad_d;
    index_t in_h = from.h * g.stride_h - g.pad_h;
    index_t in_w = from.w * g.stride_w - g.pad_w;
    index_t x_from = from.n * g.x_n + group * g.in_per_group * g.x_c + in_d * g.x_d + in_h * g.x_h +
                     in_w * g.x_w;
    x += at.x;
    packed += packed_at / 4 + (long)(group * blocks + block) * g.step * (ROWS * TILE_M / 4) + item;
#if !FLAT
    index_t chunks = (g.in_per_group + TILE_K - 1) / TILE_K;
    index_t chunk = step % chunks;
    index_t at_tap = x_from; /* where the pixel's first channel lies for the tap */
    int is_inside = is_pixel;
#if !POINT
    index_t tap = step / chunks;
    index_t tap_w = tap % g.kernel_w, tap_h = tap / g.kernel_w % g.kernel_h;
    index_t tap_d = tap / g.kernel_w / g.kernel_h;
#endif
#endif

#if ENGINE
    float sums[FRAGMENTS_M][FRAGMENTS_N][C_WORDS];
    #pragma unroll
    for (int m = 0; m < FRAGMENTS_M; ++m)
        #pragma unroll
        for (int n = 0; n < FRAGMENTS_N; ++n)
            #pragma unroll
            for (int i = 0; i < C_WORDS; ++i)
                sums[m][n][i] = 0;
#else
    float4 sums[ITEM][QUADS];
    #pragma unroll
    for (int m = 0; m < ITEM; ++m)
        #pragma unroll
        for (int n = 0; n < QUADS; ++n)
            sums[m][n] = 0;
#endif

    /* One turn more than there are steps: the first only fetches, the last only multiplies. */
    for (index_t turn = step; turn <= end; ++turn) {
        quad_t next_weights[FETCH_M];
        word_t next_columns[FETCH_N];
        const int side = (int)(turn & 1);
        if (turn < end) {
            #pragma unroll
            for (int i = 0; i < FETCH_M; ++i)
                next_weights[i] = packed[(long)turn * (ROWS * TILE_M / 4) + i * ITEMS];
#if FLAT
            #pragma unroll
            for (int i = 0; i < FETCH_N; ++i) {
                word_t word = 0;
                #pragma unroll
                for (int j = 0; j < PAIR; ++j) {
                    index_t k = turn * TILE_K + (fetch_row + i * ROW_STEP) * PAIR + j;
                    if (k < g.in_per_group * g.kernel_d * g.kernel_h * g.kernel_w) {
                        global const index_t *tap = taps + 4 * k;
                        index_t d = in_d + tap[1], h = in_h + tap[2], w = in_w + tap[3];
                        if (is_pixel && d >= 0 && d < g.in_d && h >= 0 && h < g.in_h && w >= 0 &&
                            w < g.in_w)
                            PUT(word, LOAD_WORD_X(g, x, x_from + tap[0]), j);
                    }
                }
                next_columns[i] = word;
            }
#else
#if !POINT
            if (chunk == 0 || turn == step) {
                index_t d = tap_d * g.dilation_d, h = tap_h * g.dilation_h, w = tap_w * g.dilation_w;
                at_tap = x_from + d * g.x_d + h * g.x_h + w * g.x_w;
                d += in_d;
                h += in_h;
                w += in_w;
                is_inside = is_pixel && d >= 0 && d < g.in_d && h >= 0 && h < g.in_h && w >= 0 &&
                            w < g.in_w;
            }
#endif
            index_t c = chunk * TILE_K + fetch_row * PAIR;
            #pragma unroll
            for (int i = 0; i < FETCH_N; ++i, c += ROW_STEP * PAIR) {
                word_t word = 0;
                #pragma unroll
                for (int j = 0; j < PAIR; ++j)
                    if (is_inside && c + j < g.in_per_group)
                        PUT(word, LOAD_WORD_X(g, x, at_tap + (c + j) * g.x_c), j);
                next_columns[i] = word;
            }
            if (++chunk == chunks) {
                chunk = 0;
#if !POINT
                if (++tap_w == g.kernel_w) {
                    tap_w = 0;
                    if (++tap_h == g.kernel_h) {
                        tap_h = 0;
                        ++tap_d;
                    }
                }
#endif
            }
#endif
        }
        if (turn > step) {
#if ENGINE
            /* From a lane's first word all others are as far away as in lane 0, which saves registers. */
            const int lane = LANE(item);
            local const uint *a =
                (local const uint *)weights[1 - side] + FIRST_M(item) + A_AT(lane, 0);
            local const uint *b =
                (local const uint *)columns[1 - side] + FIRST_N(item) + B_AT(lane, 0);
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
            local const float4 *a = weights[1 - side] + item / ITEMS_N;
            local const float4 *b = columns[1 - side] + item % ITEMS_N;
            #pragma unroll
            for (int k = 0; k < TILE_K; ++k, a += TILE_M / 4, b += TILE_N / 4) {
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
        if (turn < end) {
            #pragma unroll
            for (int i = 0; i < FETCH_M; ++i)
                weights[side][QUAD_AT(item + i * ITEMS)] = next_weights[i];
            #pragma unroll
            for (int i = 0; i < FETCH_N; ++i)
                ((local word_t *)columns[side])[(fetch_row + i * ROW_STEP) * ROW_N + fetch_n] =
                    next_columns[i];
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }

    index_t first_channel = block * TILE_M; /* within the group */
#if RAW
    raw += raw_at + (long)(part * g.groups + group) * g.out_per_group * pixels;
#else
    bias += at.bias;
    residual += at.residual;
    y += at.y;
#endif
    #pragma unroll
    for (int n = 0; n < RUNS; ++n) {
        index_t first = first_pixel + RUN_AT(item, n);
        if (first < pixels) {
#if !RAW
            pixel_place to = place_of(g, first);
#endif
            #pragma unroll
            for (int q = 0; q < RUN; ++q) {
                if (first + q < pixels) {
#if !RAW
                    index_t y_to = to.n * g.y_n + to.d * g.y_d + to.h * g.y_h + to.w * g.y_w;
                    to = next_place(g, to);
#endif
                    #pragma unroll
                    for (int m = 0; m < CHANNELS; ++m) {
                        index_t channel = first_channel + CHANNEL_AT(item, m);
                        const float sum = SUM_OF(m, n, q);
                        if (channel < g.out_per_group) {
#if RAW
                            raw[channel * pixels + first + q] = sum;
#else
                            index_t out = group * g.out_per_group + channel;
                            finish(sum, s, bias, residual, y, out, y_to + out * g.y_c);
#endif
                        }
                    }
                }
            }
        }
    }
}
