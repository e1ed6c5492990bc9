/*
 * One element of the gradient of the input, or of a transposed convolution's output, per work-item:
 * it gathers what the source's elements s send it through kernel elements k,
 *     t + pad = s*stride + k*dilation.
 * Here `in` is the source, `out` the result, w_i steps over the source's channels and w_o over the
 * result's of one group. Accepts everything; global size (pixels, result channels, batch).
 */

/* The kernel elements that meet an axis: first, first + step, ... before end. */
typedef struct {
    index_t first, step, end;
} taps;

static inline index_t next_tap(index_t k, index_t place, index_t stride, index_t dilation,
                               index_t kernel_extent) {
    while (k < kernel_extent && (place - k * dilation) % stride != 0)
        ++k;
    return k;
}

/* place is t + pad; the source has elements 0 to in - 1. */
static inline taps find_taps(index_t place, index_t stride, index_t dilation,
                             index_t kernel_extent, index_t in) {
    taps t;
    t.first = next_tap(0, place, stride, dilation, kernel_extent);
    t.step = next_tap(t.first + 1, place, stride, dilation, kernel_extent) - t.first;
    while (t.first < kernel_extent && (place - t.first * dilation) / stride >= in)
        t.first += t.step;
    t.end = min(kernel_extent, place / dilation + 1);
    return t;
}

kernel void direct_data(const geometry g, const offsets at, const scalars s,
                        global const x_t *restrict x, global const w_t *restrict w,
                        global const y_t *restrict bias, global const y_t *residual,
                        global y_t *y) {
    index_t pixel = (index_t)get_global_id(0);
    if (pixel >= g.out_d * g.out_h * g.out_w)
        return;
    index_t channel = (index_t)get_global_id(1), n = (index_t)get_global_id(2);
    index_t group = channel / g.out_per_group;
    index_t out_w = pixel % g.out_w, rows = pixel / g.out_w;
    index_t out_h = rows % g.out_h, out_d = rows / g.out_h;
    const taps d = find_taps(out_d + g.pad_d, g.stride_d, g.dilation_d, g.kernel_d, g.in_d);
    const taps h = find_taps(out_h + g.pad_h, g.stride_h, g.dilation_h, g.kernel_h, g.in_h);
    const taps k = find_taps(out_w + g.pad_w, g.stride_w, g.dilation_w, g.kernel_w, g.in_w);

    x += at.x;
    w += at.w;
    acc_t acc = 0;
    for (index_t c = group * g.in_per_group; c < (group + 1) * g.in_per_group; ++c) {
        index_t x_channel = n * g.x_n + c * g.x_c;
        index_t w_filter = c * g.w_i + channel % g.out_per_group * g.w_o + g.w_start;
        for (index_t kd = d.first; kd < d.end; kd += d.step)
            for (index_t kh = h.first; kh < h.end; kh += h.step) {
                index_t in_d = (out_d + g.pad_d - kd * g.dilation_d) / g.stride_d;
                index_t in_h = (out_h + g.pad_h - kh * g.dilation_h) / g.stride_h;
                index_t x_row = x_channel + in_d * g.x_d + in_h * g.x_h;
                index_t w_row = w_filter + kd * g.w_d + kh * g.w_h;
                for (index_t kw = k.first; kw < k.end; kw += k.step) {
                    index_t in_w = (out_w + g.pad_w - kw * g.dilation_w) / g.stride_w;
                    acc += LOAD_X(g, x, x_row + in_w * g.x_w) * LOAD_W(g, w, w_row + kw * g.w_w);
                }
            }
    }
    finish(acc, s, bias + at.bias, residual + at.residual, y + at.y, channel,
           n * g.y_n + channel * g.y_c + out_d * g.y_d + out_h * g.y_h + out_w * g.y_w);
}
