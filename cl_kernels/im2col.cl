/*
 * The two stages around a GEMM. im2col unrolls `step` pixels from pixel `first` of one picture and
 * group into columns [tap][pixel], tap in the weights' memory order; global size (step, taps).
 * For a flipped kernel the host gives negative dilations and pads shifted to match. im2col_epilogue
 * finishes the GEMM's output in place; global size (pixels, out channels, batch).
 */
kernel void im2col(const geometry g, const offsets at, global const x_t *restrict x,
                   global acc_t *restrict workspace, const long workspace_offset, const index_t n,
                   const index_t group, const index_t first) {
    global acc_t *columns = workspace + workspace_offset / (long)sizeof(acc_t);
    index_t column = (index_t)get_global_id(0), tap = (index_t)get_global_id(1);
    index_t pixel = first + column;
    if (column >= g.step || pixel >= g.out_d * g.out_h * g.out_w)
        return;
    index_t k = tap % g.kernel_w, rest = tap / g.kernel_w;
    index_t h = rest % g.kernel_h;
    rest /= g.kernel_h;
    index_t d = rest % g.kernel_d, c = rest / g.kernel_d;
    index_t out_w = pixel % g.out_w, rows = pixel / g.out_w;
    index_t in_d = rows / g.out_h * g.stride_d - g.pad_d + d * g.dilation_d;
    index_t in_h = rows % g.out_h * g.stride_h - g.pad_h + h * g.dilation_h;
    index_t in_w = out_w * g.stride_w - g.pad_w + k * g.dilation_w;
    acc_t value = 0;
    if (in_d >= 0 && in_d < g.in_d && in_h >= 0 && in_h < g.in_h && in_w >= 0 && in_w < g.in_w)
        value = LOAD_X(g, x + at.x, n * g.x_n + (group * g.in_per_group + c) * g.x_c +
                                        in_d * g.x_d + in_h * g.x_h + in_w * g.x_w);
    columns[tap * g.step + column] = value;
}

/* Alpha and beta are the GEMM's, what it wrote is the sum here, and there is no residual. */
kernel void im2col_epilogue(const geometry g, const offsets at, const scalars s,
                            global const y_t *restrict bias, global y_t *y) {
    index_t pixel = (index_t)get_global_id(0);
    if (pixel >= g.out_d * g.out_h * g.out_w)
        return;
    index_t channel = (index_t)get_global_id(1), n = (index_t)get_global_id(2);
    index_t index = n * g.y_n + channel * g.y_c + pixel;
    finish(LOAD(y, at.y + index), s, bias + at.bias, y, y + at.y, channel, index);
}
