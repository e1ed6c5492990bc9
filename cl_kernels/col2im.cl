/*
 * Behind a GEMM of transposed weights and the source: columns[channel][tap][source pixel] has what
 * every element of the source sends through every tap. One result per work-item gathers what was
 * sent to it,
 *     t + pad = s*stride + k*dilation,
 * and finishes it. `in` is the source and `out` the result; taps are in the weights' memory order.
 * Global size (pixels, channels from `first` on).
 */
kernel void col2im(const geometry g, const offsets at, const scalars s,
                   global const acc_t *restrict workspace, const long workspace_offset,
                   const index_t n, const index_t first, global const y_t *restrict bias,
                   global const y_t *residual, global y_t *y) {
    global const acc_t *columns = workspace + workspace_offset / (long)sizeof(acc_t);
    index_t pixel = (index_t)get_global_id(0), c = (index_t)get_global_id(1);
    if (pixel >= g.out_d * g.out_h * g.out_w)
        return;
    index_t out_w = pixel % g.out_w, rows = pixel / g.out_w;
    index_t out_h = rows % g.out_h, out_d = rows / g.out_h;
    index_t source = g.in_d * g.in_h * g.in_w;
    columns += (long)c * g.kernel_d * g.kernel_h * g.kernel_w * source;
    acc_t acc = 0;
    for (index_t d = 0; d < g.kernel_d; ++d) {
        index_t at_d = out_d + g.pad_d - d * g.dilation_d, in_d = at_d / g.stride_d;
        if (at_d < 0 || at_d % g.stride_d != 0 || in_d >= g.in_d)
            continue;
        for (index_t h = 0; h < g.kernel_h; ++h) {
            index_t at_h = out_h + g.pad_h - h * g.dilation_h, in_h = at_h / g.stride_h;
            if (at_h < 0 || at_h % g.stride_h != 0 || in_h >= g.in_h)
                continue;
            for (index_t w = 0; w < g.kernel_w; ++w) {
                index_t at_w = out_w + g.pad_w - w * g.dilation_w, in_w = at_w / g.stride_w;
                if (at_w < 0 || at_w % g.stride_w != 0 || in_w >= g.in_w)
                    continue;
                index_t tap = g.w_start + d * g.w_d + h * g.w_h + w * g.w_w;
                acc += columns[(long)tap * source + (in_d * g.in_h + in_h) * g.in_w + in_w];
            }
        }
    }
    finish(acc, s, bias + at.bias, residual + at.residual, y + at.y, first + c,
           n * g.y_n + (first + c) * g.y_c + out_d * g.y_d + out_h * g.y_h + out_w * g.y_w);
}
