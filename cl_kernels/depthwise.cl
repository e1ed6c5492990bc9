/*
 * One input channel per group. A work-item computes `step` output rows of one channel: it puts the
 * input rows that they need into local memory once, padded and split into as many phases as the
 * stride is wide, so that each tap of 16 neighbouring outputs is one contiguous vector. Global size
 * (bands of rows times out_d, out channels, batch). Common kernels come with KERNEL_H, KERNEL_W,
 * STRIDE_W and DILATION_W as numbers, so that their taps are unrolled.
 */
#ifndef KERNEL_H
#define KERNEL_H g.kernel_h
#define KERNEL_W g.kernel_w
#define STRIDE_W g.stride_w
#define DILATION_W g.dilation_w
#endif

/* to[k] = x[base + k*step] for k < count. */
inline void copy_line(local float *restrict to, geometry g, global const x_t *restrict x,
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
#endif
#if TYPE == TYPE_F32
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

/* A run of neighbouring outputs whose length the compiler knows. */
#define FINISH_RUN(length)                                                                         \
    if (i + (length) <= count) {                                                                   \
        for (int j = 0; j < (length); ++j)                                                         \
            finish(sums[i + j], s, bias + at.bias, residual + at.residual, y + at.y, channel,      \
                   to + i + j);                                                                    \
        i += (length);                                                                             \
    }

kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
depthwise(const geometry g, const offsets at, const scalars s, global const x_t *restrict x,
          global const w_t *restrict w, global const y_t *restrict bias,
          global const y_t *residual, global y_t *y, local float *restrict lines) {
    index_t bands = (g.out_h + g.step - 1) / g.step;
    index_t first_h = (index_t)get_global_id(0) % bands * g.step;
    index_t out_d = (index_t)get_global_id(0) / bands;
    index_t channel = (index_t)get_global_id(1), n = (index_t)get_global_id(2);
    index_t rows = min(g.step, g.out_h - first_h);
    index_t in_rows = (rows - 1) * g.stride_h + (g.kernel_h - 1) * g.dilation_h + 1;
    index_t phase = (g.out_w + 15) / 16 * 16 + (g.kernel_w - 1) * g.dilation_w / g.stride_w + 1;
    index_t line = phase * g.stride_w;
    x += at.x;
    w += at.w;

    for (index_t i = 0; i < g.kernel_d * in_rows; ++i) {
        index_t d = out_d * g.stride_d - g.pad_d + i / in_rows * g.dilation_d;
        index_t h = first_h * g.stride_h - g.pad_h + i % in_rows;
        local float *to = lines + i * line;
        for (index_t q = 0; q < line; ++q)
            to[q] = 0;
        if (d < 0 || d >= g.in_d || h < 0 || h >= g.in_h)
            continue;
        index_t from = n * g.x_n + channel / g.out_per_group * g.x_c + d * g.x_d + h * g.x_h;
        for (index_t p = 0; p < g.stride_w; ++p) {
            index_t before = max(g.pad_w - p, (index_t)0);
            index_t q = (before + g.stride_w - 1) / g.stride_w;
            index_t in_w = q * g.stride_w + p - g.pad_w;
            index_t count = in_w < g.in_w ? (g.in_w - 1 - in_w) / g.stride_w + 1 : 0;
            copy_line(to + p * phase + q, g, x, from + in_w * g.x_w, g.stride_w * g.x_w,
                      min(count, phase - q));
        }
    }

    for (index_t row = 0; row < rows; ++row)
        for (index_t out_w = 0; out_w < g.out_w; out_w += 16) {
            float16 sum = 0;
            for (index_t d = 0; d < g.kernel_d; ++d)
                #pragma unroll
                for (index_t h = 0; h < KERNEL_H; ++h) {
                    local const float *from =
                        lines + (d * in_rows + row * g.stride_h + h * g.dilation_h) * line + out_w;
                    index_t tap = channel * g.w_o + g.w_start + d * g.w_d + h * g.w_h;
                    #pragma unroll
                    for (index_t k = 0; k < KERNEL_W; ++k)
                        sum += (float)LOAD_W(g, w, tap + k * g.w_w) *
                               vload16(0, from + k * DILATION_W % STRIDE_W * phase +
                                              k * DILATION_W / STRIDE_W);
                }
            float sums[16];
            vstore16(sum, 0, sums);
            index_t to = n * g.y_n + channel * g.y_c + out_d * g.y_d + (first_h + row) * g.y_h +
                         out_w * g.y_w;
            int i = 0, count = (int)min(g.out_w - out_w, (index_t)16);
            if (g.y_w == 1) {
                FINISH_RUN(16)
                FINISH_RUN(8)
                FINISH_RUN(4)
            }
            for (; i < count; ++i)
                finish(sums[i], s, bias + at.bias, residual + at.residual, y + at.y, channel,
                       to + i * g.y_w);
        }
}
