/*
 * For CPUs and few input channels per group, depthwise above all. A work-item computes `step` output
 * rows of all output channels of a group. It puts the input rows that they need into local memory
 * once, padded and split into as many phases as the stride is wide, so that each tap of 16
 * neighbouring outputs is one contiguous vector; OC channels by VECTORS vectors of sums stay in
 * registers. Global size (bands of rows times out_d, groups, batch). Common kernels come with their
 * extents as numbers, so that their taps are unrolled.
 */
#ifndef OC
#define OC 1
#endif
#ifndef VECTORS
#define VECTORS 1
#endif
#ifdef KERNEL_H
#define UNROLL_TAPS _Pragma("unroll")
#else
#define UNROLL_TAPS
#define KERNEL_D g.kernel_d
#define KERNEL_H g.kernel_h
#define KERNEL_W g.kernel_w
#define STRIDE_W g.stride_w
#define DILATION_W g.dilation_w
#endif
#define PIXELS (16 * VECTORS)

/* to[k] = x[base + k*step] for k < count. */
static inline void copy_line(local float *restrict to, geometry g, global const x_t *restrict x,
                      index_t base, index_t step, index_t count) {
    index_t k = 0;
#if TYPE == TYPE_F32
    if (step == 1)
        for (; k + 16 <= count; k += 16)
            vstore16(vload16(0, x + base + k), 0, to + k);
    if (step == 2) /* strictly less, because the second vector ends one element behind the 16th */
        for (; k + 16 < count; k += 16) {
            global const float *from = x + base + 2 * k;
            vstore16((float16)(vload16(0, from).even, vload16(1, from).even), 0, to + k);
        }
    if (step == 1 && k + 8 <= count) {
        vstore8(vload8(0, x + base + k), 0, to + k);
        k += 8;
    }
    if (step == 1 && k + 4 <= count) {
        vstore4(vload4(0, x + base + k), 0, to + k);
        k += 4;
    }
#endif
    for (; k < count; ++k)
        to[k] = LOAD_X(g, x, base + k * step);
}

/* One input row, its padding and slack zero; phase p holds elements p, p + stride, ... */
static inline void copy_row(local float *restrict to, geometry g, global const x_t *restrict x,
                     index_t from, index_t phase) {
    for (index_t q = 0; q < phase * STRIDE_W; ++q)
        to[q] = 0;
    for (index_t p = 0; p < STRIDE_W; ++p) {
        index_t before = max(g.pad_w - p, (index_t)0);
        index_t q = (before + STRIDE_W - 1) / STRIDE_W;
        index_t in_w = q * STRIDE_W + p - g.pad_w;
        index_t count = in_w < g.in_w ? (g.in_w - 1 - in_w) / STRIDE_W + 1 : 0;
        copy_line(to + p * phase + q, g, x, from + in_w * g.x_w, STRIDE_W * g.x_w,
                  min(count, phase - q));
    }
}

kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
lines(const geometry g, const offsets at, const scalars s, global const x_t *restrict x,
      global const w_t *restrict w, global const y_t *restrict bias, global const y_t *residual,
      global y_t *y, local float *restrict rows) {
    index_t bands = (g.out_h + g.step - 1) / g.step;
    index_t first_h = (index_t)get_global_id(0) % bands * g.step;
    index_t out_d = (index_t)get_global_id(0) / bands;
    index_t group = (index_t)get_global_id(1), n = (index_t)get_global_id(2);
    index_t out_rows = min(g.step, g.out_h - first_h);
    index_t in_rows = (out_rows - 1) * g.stride_h + (g.kernel_h - 1) * g.dilation_h + 1;
    index_t phase = (g.out_w + PIXELS - 1) / PIXELS * PIXELS +
                    (KERNEL_W - 1) * DILATION_W / STRIDE_W + 1;
    index_t line = phase * STRIDE_W, plane = in_rows * line;
    x += at.x;
    w += at.w;
    bias += at.bias;
    residual += at.residual;
    y += at.y;

    local float *to = rows;
    for (index_t c = 0; c < g.in_per_group; ++c)
        for (index_t k = 0; k < g.kernel_d; ++k) {
            index_t d = out_d * g.stride_d - g.pad_d + k * g.dilation_d;
            index_t h = first_h * g.stride_h - g.pad_h;
            index_t from = n * g.x_n + (group * g.in_per_group + c) * g.x_c + d * g.x_d + h * g.x_h;
            for (index_t r = 0; r < in_rows; ++r, ++h, from += g.x_h, to += line)
                if (d >= 0 && d < g.in_d && h >= 0 && h < g.in_h)
                    copy_row(to, g, x, from, phase);
                else
                    for (index_t q = 0; q < line; ++q)
                        to[q] = 0;
        }

    for (index_t o = 0; o < g.out_per_group; o += OC) {
        index_t channel = group * g.out_per_group + o;
        index_t w_from[OC];
        #pragma unroll
        for (int i = 0; i < OC; ++i) /* channels beyond the last repeat it, unstored */
            w_from[i] = (channel + min((index_t)i, g.out_per_group - 1 - o)) * g.w_o + g.w_start;
        for (index_t row = 0; row < out_rows; ++row)
            for (index_t out_w = 0; out_w < g.out_w; out_w += PIXELS) {
                float16 sums[OC][VECTORS];
                #pragma unroll
                for (int i = 0; i < OC; ++i)
                    #pragma unroll
                    for (int v = 0; v < VECTORS; ++v)
                        sums[i][v] = 0;
                for (index_t c = 0; c < g.in_per_group; ++c)
                    UNROLL_TAPS
                    for (index_t d = 0; d < KERNEL_D; ++d)
                        UNROLL_TAPS
                        for (index_t h = 0; h < KERNEL_H; ++h) {
                            local const float *from =
                                rows + (c * KERNEL_D + d) * plane +
                                (row * g.stride_h + h * g.dilation_h) * line + out_w;
                            index_t tap = c * g.w_i + d * g.w_d + h * g.w_h;
                            UNROLL_TAPS
                            for (index_t k = 0; k < KERNEL_W; ++k) {
                                local const float *at_tap = from +
                                                            k * DILATION_W % STRIDE_W * phase +
                                                            k * DILATION_W / STRIDE_W;
                                float16 values[VECTORS];
                                #pragma unroll
                                for (int v = 0; v < VECTORS; ++v)
                                    values[v] = vload16(v, at_tap);
                                #pragma unroll
                                for (int i = 0; i < OC; ++i) {
                                    float weight = LOAD_W(g, w, w_from[i] + tap + k * g.w_w);
                                    #pragma unroll
                                    for (int v = 0; v < VECTORS; ++v)
                                        sums[i][v] += weight * values[v];
                                }
                            }
                        }
                index_t to = n * g.y_n + channel * g.y_c + out_d * g.y_d +
                             (first_h + row) * g.y_h + out_w * g.y_w;
                #pragma unroll
                for (int i = 0; i < OC; ++i)
                    #pragma unroll
                    for (int v = 0; v < VECTORS; ++v)
                        if (o + i < g.out_per_group && out_w + v * 16 < g.out_w)
                            finish16(sums[i][v], s, bias, residual, y, channel + i,
                                     to + i * g.y_c + v * 16 * g.y_w, g.y_w,
                                     (int)min(g.out_w - out_w - v * 16, (index_t)16));
            }
    }
}
