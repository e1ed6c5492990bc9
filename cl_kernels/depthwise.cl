/*
 * For GPUs and one input channel per group. A work-group computes LOCAL_H * ROWS rows of LOCAL_W pixels
 * of all output channels of a group. It puts the input that they need into local memory, so that each
 * element is read from global memory once for all of them; a work-item then goes down a column, and
 * every value that it loads serves all of its ROWS outputs. Common kernels come with their extents as
 * numbers, so that both stay in registers. Global size: (tiles of a row * out_d * groups * batch *
 * LOCAL_W, tiles of a column * LOCAL_H).
 */
#ifndef LOCAL_W
#define LOCAL_W 16
#endif
#ifndef LOCAL_H
#define LOCAL_H 8
#endif
#ifndef ROWS
#define ROWS 4
#endif
#define TILE_H (LOCAL_H * ROWS)
#define ITEMS (LOCAL_W * LOCAL_H)

/* Sums of ROWS outputs below one another; `line` is the first input row of the first. */
static inline void sum_column(float sums[ROWS], geometry g, local const float *line, index_t patch_w,
                       global const w_t *restrict w, index_t w_from) {
#ifdef KERNEL
    float weights[KERNEL][KERNEL];
    #pragma unroll
    for (int h = 0; h < KERNEL; ++h)
        #pragma unroll
        for (int k = 0; k < KERNEL; ++k)
            weights[h][k] = LOAD_W(g, w, w_from + h * g.w_h + k * g.w_w);
    #pragma unroll
    for (int row = 0; row < (ROWS - 1) * STRIDE + KERNEL; ++row, line += patch_w)
        #pragma unroll
        for (int k = 0; k < KERNEL; ++k) {
            float value = line[k];
            #pragma unroll
            for (int r = 0; r < ROWS; ++r)
                if (row >= r * STRIDE && row < r * STRIDE + KERNEL)
                    sums[r] += weights[row - r * STRIDE][k] * value;
        }
#else
    for (index_t h = 0; h < g.kernel_h; ++h)
        for (index_t k = 0; k < g.kernel_w; ++k) {
            float weight = LOAD_W(g, w, w_from + h * g.w_h + k * g.w_w);
            #pragma unroll
            for (int r = 0; r < ROWS; ++r)
                sums[r] += weight * line[(r * g.stride_h + h * g.dilation_h) * patch_w +
                                         k * g.dilation_w];
        }
#endif
}

kernel __attribute__((reqd_work_group_size(LOCAL_W, LOCAL_H, 1))) void
depthwise(const geometry g, const offsets at, const scalars s, global const x_t *restrict x,
          global const w_t *restrict w, global const y_t *restrict bias, global const y_t *residual,
          global y_t *y, local float *restrict patch) {
    int column = (int)get_local_id(0), row = (int)get_local_id(1);
    index_t tiles_w = (g.out_w + LOCAL_W - 1) / LOCAL_W, rest = (index_t)get_group_id(0) / tiles_w;
    index_t out_w = (index_t)get_group_id(0) % tiles_w * LOCAL_W;
    index_t out_h = (index_t)get_group_id(1) * TILE_H;
    index_t out_d = rest % g.out_d;
    rest /= g.out_d;
    index_t group = rest % g.groups, n = rest / g.groups;
    index_t patch_w = (LOCAL_W - 1) * g.stride_w + (g.kernel_w - 1) * g.dilation_w + 1;
    index_t patch_h = (TILE_H - 1) * g.stride_h + (g.kernel_h - 1) * g.dilation_h + 1;
    index_t in_d = out_d * g.stride_d - g.pad_d;
    index_t in_h = out_h * g.stride_h - g.pad_h, in_w = out_w * g.stride_w - g.pad_w;

    x += at.x + n * g.x_n + group * g.x_c;
    for (index_t line = row; line < g.kernel_d * patch_h; line += LOCAL_H) {
        index_t d = in_d + line / patch_h * g.dilation_d, h = in_h + line % patch_h;
        int is_inside = d >= 0 && d < g.in_d && h >= 0 && h < g.in_h;
        for (index_t i = column; i < patch_w; i += LOCAL_W) {
            index_t k = in_w + i;
            float value = 0;
            if (is_inside && k >= 0 && k < g.in_w)
                value = LOAD_X(g, x, d * g.x_d + h * g.x_h + k * g.x_w);
            patch[line * patch_w + i] = value;
        }
    }
    barrier(CLK_LOCAL_MEM_FENCE);

    w += at.w;
    bias += at.bias;
    residual += at.residual;
    y += at.y;
    local const float *first = patch + row * ROWS * g.stride_h * patch_w + column * g.stride_w;
    for (index_t o = 0; o < g.out_per_group; ++o) {
        index_t channel = group * g.out_per_group + o;
        index_t w_from = channel * g.w_o + g.w_start;
        index_t to = n * g.y_n + channel * g.y_c + out_d * g.y_d + (out_w + column) * g.y_w;
        float sums[ROWS];
        #pragma unroll
        for (int r = 0; r < ROWS; ++r)
            sums[r] = 0;
        for (index_t d = 0; d < g.kernel_d; ++d)
            sum_column(sums, g, first + d * patch_h * patch_w, patch_w, w, w_from + d * g.w_d);
        #pragma unroll
        for (int r = 0; r < ROWS; ++r) {
            index_t h = out_h + row * ROWS + r;
            if (h < g.out_h && out_w + column < g.out_w)
                finish(sums[r], s, bias, residual, y, channel, to + h * g.y_h);
        }
    }
}
