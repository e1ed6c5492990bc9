/* One output per work-item. Accepts everything; global size (pixels, out channels, batch). */

/* First tap of one axis that falls on the input, and the first behind the last such tap. */
static inline index_t first_tap(index_t start, index_t dilation, index_t kernel_extent) {
    return start < 0 ? min((-start + dilation - 1) / dilation, kernel_extent) : 0;
}
static inline index_t end_tap(index_t start, index_t dilation, index_t kernel_extent, index_t in) {
    return start < in ? min((in - 1 - start) / dilation + 1, kernel_extent) : 0;
}

kernel void direct(const geometry g, const offsets at, const scalars s, global const x_t *restrict x,
                   global const w_t *restrict w, global const y_t *restrict bias,
                   global const y_t *residual, global y_t *y) {
    index_t pixel = (index_t)get_global_id(0);
    if (pixel >= g.out_d * g.out_h * g.out_w)
        return;
    index_t channel = (index_t)get_global_id(1), n = (index_t)get_global_id(2);
    index_t group = channel / g.out_per_group;
    index_t out_w = pixel % g.out_w, rows = pixel / g.out_w;
    index_t out_h = rows % g.out_h, out_d = rows / g.out_h;
    index_t start_d = out_d * g.stride_d - g.pad_d;
    index_t start_h = out_h * g.stride_h - g.pad_h;
    index_t start_w = out_w * g.stride_w - g.pad_w;
    index_t first_d = first_tap(start_d, g.dilation_d, g.kernel_d);
    index_t end_d = end_tap(start_d, g.dilation_d, g.kernel_d, g.in_d);
    index_t first_h = first_tap(start_h, g.dilation_h, g.kernel_h);
    index_t end_h = end_tap(start_h, g.dilation_h, g.kernel_h, g.in_h);
    index_t first_w = first_tap(start_w, g.dilation_w, g.kernel_w);
    index_t end_w = end_tap(start_w, g.dilation_w, g.kernel_w, g.in_w);

    x += at.x;
    w += at.w;
    index_t x_first = n * g.x_n + group * g.in_per_group * g.x_c + start_d * g.x_d +
                      start_h * g.x_h + start_w * g.x_w;
    index_t w_first = channel * g.w_o + g.w_start;
    acc_t acc = 0;
    for (index_t c = 0; c < g.in_per_group; ++c)
        for (index_t d = first_d; d < end_d; ++d)
            for (index_t h = first_h; h < end_h; ++h) {
                index_t x_row = x_first + c * g.x_c + d * g.dilation_d * g.x_d +
                                h * g.dilation_h * g.x_h;
                index_t w_row = w_first + c * g.w_i + d * g.w_d + h * g.w_h;
                acc_t row = 0; /* rows do not wait for one another's sums */
                for (index_t k = first_w; k < end_w; ++k)
                    row += LOAD_X(g, x, x_row + k * g.dilation_w * g.x_w) *
                           LOAD_W(g, w, w_row + k * g.w_w);
                acc += row;
            }
    finish(acc, s, bias + at.bias, residual + at.residual, y + at.y, channel,
           n * g.y_n + channel * g.y_c + out_d * g.y_d + out_h * g.y_h + out_w * g.y_w);
}
