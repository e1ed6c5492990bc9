/*
 * A work-group computes TILE_H rows of TILE_W pixels of TILE_OC output channels. It reduces over
 * `step` input channels at a time: their input patch and weights are put into local memory, from
 * which each work-item feeds TILE_OC x PIXELS sums in registers. One plane of a 3-D kernel at a
 * time. Global size: (tiles of a row * batch * groups * channel tiles * out_d * LOCAL_W, tiles of a
 * column * LOCAL_H); the first dimension is the long one, for some devices limit the others to 65535
 * work-groups.
 */
#ifndef LOCAL_W
#define LOCAL_W 8
#endif
#ifndef LOCAL_H
#define LOCAL_H 8
#endif
#ifndef PIXELS
#define PIXELS 2
#endif
#ifndef TILE_OC
#define TILE_OC 8
#endif
#define TILE_W (LOCAL_W * PIXELS)
#define TILE_H LOCAL_H
#define ITEMS (LOCAL_W * LOCAL_H)

kernel __attribute__((reqd_work_group_size(LOCAL_W, LOCAL_H, 1))) void
tiled(const geometry g, const offsets at, const scalars s, global const x_t *restrict x,
      global const w_t *restrict w, global const y_t *restrict bias, global const y_t *residual,
      global y_t *y, local acc_t *restrict patch) {
    int column = (int)get_local_id(0), row = (int)get_local_id(1);
    int item = row * LOCAL_W + column;
    index_t tiles_w = (g.out_w + TILE_W - 1) / TILE_W, z = (index_t)get_group_id(0) / tiles_w;
    index_t out_w = (index_t)get_group_id(0) % tiles_w * TILE_W;
    index_t out_h = (index_t)get_group_id(1) * TILE_H;
    index_t out_d = z % g.out_d;
    z /= g.out_d;
    index_t channel_tiles = (g.out_per_group + TILE_OC - 1) / TILE_OC;
    index_t first_channel = z % channel_tiles * TILE_OC; /* within the group */
    z /= channel_tiles;
    index_t group = z % g.groups, n = z / g.groups;

    index_t patch_w = (TILE_W - 1) * g.stride_w + (g.kernel_w - 1) * g.dilation_w + 1;
    index_t patch_h = (TILE_H - 1) * g.stride_h + (g.kernel_h - 1) * g.dilation_h + 1;
    index_t patch_size = patch_w * patch_h;
    index_t in_h = out_h * g.stride_h - g.pad_h, in_w = out_w * g.stride_w - g.pad_w;
    local acc_t *weights = patch + g.step * patch_size; /* [channel][tap][TILE_OC] */
    x += at.x;
    w += at.w;
    index_t x_first = n * g.x_n + group * g.in_per_group * g.x_c;
    index_t w_first = (group * g.out_per_group + first_channel) * g.w_o + g.w_start;

    acc_t sums[TILE_OC][PIXELS]; /* in registers, if every loop over it is unrolled */
    #pragma unroll
    for (int o = 0; o < TILE_OC; ++o)
        #pragma unroll
        for (int i = 0; i < PIXELS; ++i)
            sums[o][i] = 0;

    for (index_t c0 = 0; c0 < g.in_per_group; c0 += g.step) {
        index_t channels = min(g.step, g.in_per_group - c0);
        for (index_t d = 0; d < g.kernel_d; ++d) {
            index_t in_d = out_d * g.stride_d - g.pad_d + d * g.dilation_d;
            int plane_inside = in_d >= 0 && in_d < g.in_d;
            barrier(CLK_LOCAL_MEM_FENCE);
            /* One division finds a row of the patch, or a row of taps. */
            for (index_t i = row; i < channels * patch_h; i += LOCAL_H) {
                index_t ih = in_h + i % patch_h;
                index_t from = x_first + (c0 + i / patch_h) * g.x_c + in_d * g.x_d + ih * g.x_h;
                int row_inside = plane_inside && ih >= 0 && ih < g.in_h;
                for (index_t j = column; j < patch_w; j += LOCAL_W) {
                    index_t iw = in_w + j;
                    acc_t value = 0;
                    if (row_inside && iw >= 0 && iw < g.in_w)
                        value = LOAD_X(g, x, from + iw * g.x_w);
                    patch[i * patch_w + j] = value;
                }
            }
            for (index_t i = item; i < channels * g.kernel_h * TILE_OC; i += ITEMS) {
                index_t o = i % TILE_OC, taps = i / TILE_OC;
                index_t from = w_first + o * g.w_o + (c0 + taps / g.kernel_h) * g.w_i + d * g.w_d +
                               taps % g.kernel_h * g.w_h;
                for (index_t k = 0; k < g.kernel_w; ++k) {
                    acc_t value = 0;
                    if (first_channel + o < g.out_per_group)
                        value = LOAD_W(g, w, from + k * g.w_w);
                    weights[(taps * g.kernel_w + k) * TILE_OC + o] = value;
                }
            }
            barrier(CLK_LOCAL_MEM_FENCE);
            local const acc_t *weight = weights;
            for (index_t c = 0; c < channels; ++c)
                for (index_t h = 0; h < g.kernel_h; ++h) {
                    local const acc_t *line = patch + c * patch_size + column * g.stride_w +
                                              (row * g.stride_h + h * g.dilation_h) * patch_w;
                    for (index_t k = 0; k < g.kernel_w; ++k, weight += TILE_OC)
                        #pragma unroll
                        for (int i = 0; i < PIXELS; ++i) {
                            acc_t value = line[k * g.dilation_w + i * LOCAL_W * g.stride_w];
                            #pragma unroll
                            for (int o = 0; o < TILE_OC; ++o)
                                sums[o][i] += value * weight[o];
                        }
                }
        }
    }

    #pragma unroll
    for (int o = 0; o < TILE_OC; ++o)
        #pragma unroll
        for (int i = 0; i < PIXELS; ++i) {
            index_t channel = group * g.out_per_group + first_channel + o;
            index_t oh = out_h + row, ow = out_w + column + i * LOCAL_W;
            if (first_channel + o < g.out_per_group && oh < g.out_h && ow < g.out_w)
                finish(sums[o][i], s, bias + at.bias, residual + at.residual, y + at.y, channel,
                       n * g.y_n + channel * g.y_c + out_d * g.y_d + oh * g.y_h + ow * g.y_w);
        }
}
