/*
 * For GPUs and one input channel per group. A work-item computes ROWS rows of COLUMNS pixels of one
 * output channel, and reads their input where it lies: neighbours read what is in a cache by then,
 * and no one waits for a work-group. What lies beyond the input is read from its border and becomes
 * 0, without a branch, so that many loads are under way at a time. Common kernels come with their
 * extents as numbers; each element that such a work-item loads serves all of its outputs. Global
 * size: (tiles of a row * tiles of a column * out_d * groups, to the next multiple of ITEMS;
 * out_per_group; batch), with groups first where CHANNELS_LAST says that channels lie side by side.
 */
#ifndef ITEMS
#define ITEMS 128
#endif
#ifndef ROWS
#define ROWS 4
#endif
#ifndef COLUMNS
#define COLUMNS 1
#endif
#ifdef KERNEL /* a loop would keep all addresses for its next round */
#define KERNEL_D 1
#else
#define KERNEL_D g.kernel_d
#endif

typedef unsigned INDEX count_t; /* whose divisions are shorter */

/* The place in an axis of `extent`, which is divided off. */
static inline count_t split(count_t *rest, count_t extent) {
    count_t whole = *rest / extent, place = *rest - whole * extent;
    *rest = whole;
    return place;
}

static inline index_t nearest(index_t i, index_t extent) {
    return min(max(i, (index_t)0), extent - 1);
}

/* An element of a plane, or 0 beyond it, where a product with 0 would keep infinities. */
static inline float load_or_0(geometry g, global const x_t *restrict x, index_t h, index_t k) {
    float value = LOAD_X(g, x, nearest(h, g.in_h) * g.x_h + nearest(k, g.in_w) * g.x_w);
    int is_inside = ((count_t)h < (count_t)g.in_h) & ((count_t)k < (count_t)g.in_w);
    return is_inside ? value : 0;
}

/* Adds the products with an input plane; in_h and in_w are the first tap of the first output. */
#ifdef KERNEL
static inline void sum_plane(float sums[ROWS][COLUMNS], geometry g, global const x_t *restrict x,
                             index_t in_h, index_t in_w, global const w_t *restrict w) {
    enum { HEIGHT = (ROWS - 1) * STRIDE + KERNEL, WIDTH = (COLUMNS - 1) * STRIDE + KERNEL };
    float weights[KERNEL][KERNEL];
    #pragma unroll
    for (int h = 0; h < KERNEL; ++h)
        #pragma unroll
        for (int k = 0; k < KERNEL; ++k)
            weights[h][k] = LOAD_W(g, w, h * g.w_h + k * g.w_w);
    #pragma unroll
    for (int row = 0; row < HEIGHT; ++row)
        #pragma unroll
        for (int i = 0; i < WIDTH; ++i) {
            float value = load_or_0(g, x, in_h + row, in_w + i);
            #pragma unroll
            for (int r = 0; r < ROWS; ++r)
                #pragma unroll
                for (int c = 0; c < COLUMNS; ++c) {
                    int h = row - r * STRIDE, k = i - c * STRIDE;
                    if (h >= 0 && h < KERNEL && k >= 0 && k < KERNEL)
                        sums[r][c] += weights[h][k] * value;
                }
        }
}
#else
static inline void sum_plane(float sums[ROWS][COLUMNS], geometry g, global const x_t *restrict x,
                             index_t in_h, index_t in_w, global const w_t *restrict w) {
    for (index_t h = 0; h < g.kernel_h; ++h)
        for (index_t k = 0; k < g.kernel_w; ++k) {
            float weight = LOAD_W(g, w, h * g.w_h + k * g.w_w);
            #pragma unroll
            for (int r = 0; r < ROWS; ++r)
                #pragma unroll
                for (int c = 0; c < COLUMNS; ++c)
                    sums[r][c] += weight * load_or_0(g, x, in_h + r * g.stride_h + h * g.dilation_h,
                                                     in_w + c * g.stride_w + k * g.dilation_w);
        }
}
#endif

kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1))) void
depthwise(const geometry g, const offsets at, const scalars s, global const x_t *restrict x,
          global const w_t *restrict w, global const y_t *restrict bias, global const y_t *residual,
          global y_t *y) {
    count_t tiles_w = ((count_t)g.out_w + COLUMNS - 1) / COLUMNS;
    count_t tiles_h = ((count_t)g.out_h + ROWS - 1) / ROWS;
    count_t rest = (count_t)get_global_id(0);
    if (rest >= tiles_w * tiles_h * (count_t)g.out_d * (count_t)g.groups)
        return;
#ifdef CHANNELS_LAST
    index_t group = (index_t)split(&rest, (count_t)g.groups);
#endif
    index_t out_w = (index_t)split(&rest, tiles_w) * COLUMNS;
    index_t out_h = (index_t)split(&rest, tiles_h) * ROWS;
    index_t out_d = g.out_d > 1 ? (index_t)split(&rest, (count_t)g.out_d) : 0;
#ifndef CHANNELS_LAST
    index_t group = (index_t)rest;
#endif
    index_t channel = group * g.out_per_group + (index_t)get_global_id(1);
    index_t n = (index_t)get_global_id(2);

    x += at.x + n * g.x_n + group * g.x_c;
    w += at.w + channel * g.w_o + g.w_start;
    float sums[ROWS][COLUMNS];
    #pragma unroll
    for (int r = 0; r < ROWS; ++r)
        #pragma unroll
        for (int c = 0; c < COLUMNS; ++c)
            sums[r][c] = 0;
    for (index_t d = 0; d < KERNEL_D; ++d) {
        index_t in_d = out_d * g.stride_d - g.pad_d + d * g.dilation_d;
        if (in_d >= 0 && in_d < g.in_d)
            sum_plane(sums, g, x + in_d * g.x_d, out_h * g.stride_h - g.pad_h,
                      out_w * g.stride_w - g.pad_w, w + d * g.w_d);
    }

    index_t to = n * g.y_n + channel * g.y_c + out_d * g.y_d + out_h * g.y_h + out_w * g.y_w;
    #pragma unroll
    for (int r = 0; r < ROWS; ++r)
        #pragma unroll
        for (int c = 0; c < COLUMNS; ++c)
            if (out_h + r < g.out_h && out_w + c < g.out_w)
                finish(sums[r][c], s, bias + at.bias, residual + at.residual, y + at.y, channel,
                       to + r * g.y_h + c * g.y_w);
}
