/*
 * The gradient of the weights for GPUs, as an implicit GEMM: for every group, gradients of the output
 * [out channel][k] times columns [k][place], k running over the pixels of all pictures, a place being an
 * input channel and a tap. Nothing is rearranged in memory: neighbouring work-items fetch neighbouring
 * pixels, of both factors, and write them to TILE_K rows of local memory, twice, so that the next are
 * fetched while these are multiplied. The reduction is split into parts, which sum_parts adds in order.
 */

#ifndef PADDED
#define PADDED 1 /* 0 where every tap of every pixel meets the input */
#endif
/* What a work-item fetches of a step: words of one row, for channels and places LANE_STEP apart. */
#define LANE_STEP (ITEMS / ROWS)
#define FETCH_M   (TILE_M / LANE_STEP)
#define FETCH_N   (TILE_N / LANE_STEP)

/* What a place reads, seen from a pixel: the distance in memory, and in d, h and w. */
typedef struct {
    index_t distance, d, h, w;
} distances;

static inline distances distances_of(geometry g, index_t place) {
    distances far;
    index_t rest = place / g.kernel_w;
    far.w = place % g.kernel_w * g.dilation_w - g.pad_w;
    far.h = rest % g.kernel_h * g.dilation_h - g.pad_h;
    rest /= g.kernel_h;
    far.d = rest % g.kernel_d * g.dilation_d - g.pad_d;
    far.distance =
        rest / g.kernel_d * g.x_c + far.d * g.x_d + far.h * g.x_h + far.w * g.x_w;
    return far;
}

/*
 * raw[part][group][out channel][place]; `step` is the number of steps of all parts, part p begins with
 * step p * per_part. Global size (blocks of channels * tiles of places * groups * ITEMS, parts).
 */
kernel OF_WARPS __attribute__((reqd_work_group_size(ITEMS, 1, 1))) void
weights_tiled(const geometry g, const offsets at, global const x_t *restrict x,
              global const y_t *restrict y, const index_t per_part, global float *restrict raw,
              const long raw_at) {
    local quad_t gradients[2][ROWS * ROW_M / 4];
    local quad_t columns[2][ROWS * ROW_N / 4];
    local distances far[TILE_N];
    DECLARE_SCRATCH(scratch);
    const int item = (int)get_local_id(0), row = item % ROWS, lane = item / ROWS;
    const index_t blocks = (g.out_per_group + TILE_M - 1) / TILE_M;
    const index_t places = g.in_per_group * g.kernel_d * g.kernel_h * g.kernel_w;
    const index_t tiles = (places + TILE_N - 1) / TILE_N;
    const index_t pixels = g.batch * g.out_d * g.out_h * g.out_w;
    const index_t block = (index_t)get_group_id(0) % blocks, rest = (index_t)get_group_id(0) / blocks;
    const index_t first_channel = block * TILE_M, first_place = rest % tiles * TILE_N;
    const index_t group = rest / tiles, part = (index_t)get_group_id(1);
    const index_t first = part * per_part, end = min(first + per_part, g.step);
    const index_t channels = g.out_per_group - first_channel;
    sums_t sums;

    for (int i = item; i < TILE_N; i += ITEMS)
        far[i] = distances_of(g, min(first_place + i, places - 1));
    x += at.x + group * g.in_per_group * g.x_c;
    y += at.y + (group * g.out_per_group + first_channel) * g.y_c;
    clear(sums);
    barrier(CLK_LOCAL_MEM_FENCE);

    /* One turn more than there are steps: the first only fetches, the last only multiplies. */
    for (index_t turn = first; turn <= end; ++turn) {
        word_t next_gradients[FETCH_M], next_columns[FETCH_N];
        const int side = (int)(turn & 1);
        if (turn < end) {
            #pragma unroll
            for (int i = 0; i < FETCH_M; ++i)
                next_gradients[i] = 0;
            #pragma unroll
            for (int i = 0; i < FETCH_N; ++i)
                next_columns[i] = 0;
            #pragma unroll
            for (int j = 0; j < PAIR; ++j) {
                const index_t pixel = turn * TILE_K + row * PAIR + j;
                const int is_pixel = pixel < pixels;
                const pixel_place from = place_of(g, min(pixel, pixels - 1));
                const index_t in_d = from.d * g.stride_d, in_h = from.h * g.stride_h;
                const index_t in_w = from.w * g.stride_w;
                const index_t y_from =
                    from.n * g.y_n + from.d * g.y_d + from.h * g.y_h + from.w * g.y_w;
                const index_t x_from = from.n * g.x_n + in_d * g.x_d + in_h * g.x_h + in_w * g.x_w;
                #pragma unroll
                for (int i = 0; i < FETCH_M; ++i)
                    if (is_pixel && lane + i * LANE_STEP < channels)
                        PUT(next_gradients[i],
                            LOAD_WORD_W(g, y, y_from + (lane + i * LANE_STEP) * g.y_c), j);
                #pragma unroll
                for (int i = 0; i < FETCH_N; ++i) {
                    const distances to = far[lane + i * LANE_STEP];
#if PADDED
                    const index_t d = in_d + to.d, h = in_h + to.h, w = in_w + to.w;
                    if (is_pixel && d >= 0 && d < g.in_d && h >= 0 && h < g.in_h && w >= 0 &&
                        w < g.in_w)
#else
                    if (is_pixel)
#endif
                        PUT(next_columns[i], LOAD_WORD_X(g, x, x_from + to.distance), j);
                }
            }
        }
        if (turn > first)
            multiply_step(sums, gradients[1 - side], columns[1 - side], item, scratch);
        if (turn < end) {
            #pragma unroll
            for (int i = 0; i < FETCH_M; ++i)
                ((local word_t *)gradients[side])[row * ROW_M + lane + i * LANE_STEP] =
                    next_gradients[i];
            #pragma unroll
            for (int i = 0; i < FETCH_N; ++i)
                ((local word_t *)columns[side])[row * ROW_N + lane + i * LANE_STEP] = next_columns[i];
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }

    raw += raw_at +
           ((long)(part * g.groups + group) * g.out_per_group + first_channel) * places + first_place;
    #pragma unroll
    for (int n = 0; n < RUNS; ++n)
        #pragma unroll
        for (int q = 0; q < RUN; ++q) {
            const int place = RUN_AT(item, n) + q;
            if (first_place + place < places) {
                #pragma unroll
                for (int m = 0; m < CHANNELS; ++m)
                    if (CHANNEL_AT(item, m) < channels)
                        raw[CHANNEL_AT(item, m) * places + place] = SUM_OF(m, n, q);
            }
        }
}
