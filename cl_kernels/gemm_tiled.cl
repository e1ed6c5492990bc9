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
#ifndef POINT
#define POINT 0
#endif
#ifndef FLAT
#define FLAT 0
#endif
#ifndef RAW
#define RAW 0
#endif
/* What a work-item fetches of a step: quads of weights, and pixels, which lie ROW_STEP rows apart. */
#define FETCH_M (ROWS * TILE_M / 4 / ITEMS)
#define FETCH_N (ROWS * TILE_N / ITEMS)
#define ROW_STEP (ITEMS / TILE_N)
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
    DECLARE_SCRATCH(scratch);
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

    sums_t sums;
    clear(sums);

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
            multiply_step(sums, weights[1 - side], columns[1 - side], item, scratch);
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
