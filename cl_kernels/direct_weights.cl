/*
 * The gradient of the weights: one element per work-item, which sums over all pictures and
 * places of the output in one order always. x is the input and y the gradient of the output. With
 * LANES, for CPUs, rows of neighbouring floats are summed in vectors, whose lanes are added last.
 */
#ifndef LANES
#define LANES 0
#endif

/* The outputs of one axis whose tap, `place` elements from its first input, meets the input. */
static inline index_t first_output(index_t place, index_t stride, index_t out) {
    return place < 0 ? min((-place + stride - 1) / stride, out) : 0;
}
static inline index_t end_output(index_t place, index_t stride, index_t out, index_t in) {
    return place < in ? min((in - 1 - place) / stride + 1, out) : 0;
}

#if LANES
/* Inputs two apart, and nothing read behind the last of them. */
#define EVERY_SECOND(width, from)                                                                  \
    (float##width)(vload##width(0, (from)).even, vload##width(0, (from) + width - 1).odd)
#define EVERY(width, from, stride)                                                                 \
    ((stride) == 1 ? vload##width(0, (from)) : EVERY_SECOND(width, (from)))

/* Elements from the first to the last of a tensor, whose w lie side by side. */
static inline index_t reach(geometry g, index_t channels, index_t n, index_t c, index_t d,
                            index_t h, index_t in_d, index_t in_h, index_t in_w) {
    return (g.batch - 1) * n + (channels - 1) * c + (in_d - 1) * d + (in_h - 1) * h + in_w;
}

/*
 * Adds products of `count` gradients and inputs `stride`, 1 or 2, apart. Where there is room for it
 * the last vector reads beyond the row and drops what is_tail excludes.
 */
static inline float16 add_row(float16 sums, global const float *restrict x, index_t stride,
                              global const float *restrict y, index_t count, int16 is_tail,
                              int has_room) {
    index_t k = 0;
    for (; k + 16 <= count; k += 16)
        sums += vload16(0, y + k) * EVERY(16, x + k * stride, stride);
    if (has_room && k < count)
        return sums + select((float16)0, vload16(0, y + k) * EVERY(16, x + k * stride, stride),
                             is_tail);
    for (; k < count; ++k)
        sums.s0 += y[k] * x[k * stride];
    return sums;
}

static inline float fold(float16 sums) {
    float8 eight = sums.lo + sums.hi;
    float4 four = eight.lo + eight.hi;
    return four.x + four.y + four.z + four.w;
}
#endif

/* Global size (weights of an output channel, out channels). Accepts everything. */
kernel void direct_weights(const geometry g, const offsets at, const scalars s,
                           global const x_t *restrict x, global const y_t *restrict y,
                           global y_t *w) {
    index_t tap = (index_t)get_global_id(0), channel = (index_t)get_global_id(1);
    if (tap >= g.in_per_group * g.kernel_d * g.kernel_h * g.kernel_w)
        return;
    index_t kw = tap % g.kernel_w, rest = tap / g.kernel_w;
    index_t kh = rest % g.kernel_h;
    rest /= g.kernel_h;
    index_t kd = rest % g.kernel_d, c = rest / g.kernel_d;
    index_t place_d = kd * g.dilation_d - g.pad_d;
    index_t place_h = kh * g.dilation_h - g.pad_h;
    index_t place_w = kw * g.dilation_w - g.pad_w;
    index_t first_d = first_output(place_d, g.stride_d, g.out_d);
    index_t end_d = end_output(place_d, g.stride_d, g.out_d, g.in_d);
    index_t first_h = first_output(place_h, g.stride_h, g.out_h);
    index_t end_h = end_output(place_h, g.stride_h, g.out_h, g.in_h);
    index_t first_w = first_output(place_w, g.stride_w, g.out_w);
    index_t end_w = end_output(place_w, g.stride_w, g.out_w, g.in_w);
    index_t in_channel = channel / g.out_per_group * g.in_per_group + c;

    x += at.x;
    y += at.y;
    acc_t acc = 0;
#if LANES
    const index_t count = end_w - first_w, whole = count / 16 * 16;
    const int16 is_tail =
        (int16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15) < (int16)(count - whole);
    /* The last rows whose last vector ends within the tensors. */
    const index_t last_x = reach(g, g.groups * g.in_per_group, g.x_n, g.x_c, g.x_d, g.x_h, g.in_d,
                                 g.in_h, g.in_w) -
                           (whole + 15) * g.stride_w - 1;
    const index_t last_y = reach(g, g.groups * g.out_per_group, g.y_n, g.y_c, g.y_d, g.y_h,
                                 g.out_d, g.out_h, g.out_w) -
                           whole - 16;
    float16 sums = 0;
#endif
    for (index_t n = 0; n < g.batch; ++n)
        for (index_t d = first_d; d < end_d; ++d)
            for (index_t h = first_h; h < end_h; ++h) {
                index_t x_row = n * g.x_n + in_channel * g.x_c +
                                (d * g.stride_d + place_d) * g.x_d +
                                (h * g.stride_h + place_h) * g.x_h;
                index_t y_row = n * g.y_n + channel * g.y_c + d * g.y_d + h * g.y_h;
#if LANES
                x_row += first_w * g.stride_w + place_w;
                y_row += first_w;
                sums = add_row(sums, x + x_row, g.stride_w, y + y_row, count, is_tail,
                               x_row <= last_x && y_row <= last_y);
#else
                for (index_t k = first_w; k < end_w; ++k)
                    acc += LOAD_X(g, x, x_row + (k * g.stride_w + place_w) * g.x_w) *
                           LOAD(y, y_row + k * g.y_w);
#endif
            }
#if LANES
    acc = fold(sums);
#endif
    finish(acc, s, w, w, w + at.w, channel,
           channel * g.w_o + c * g.w_i + g.w_start + kd * g.w_d + kh * g.w_h + kw * g.w_w);
}
