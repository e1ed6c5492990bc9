/*
 * The gradient of the bias: y, the gradient of the output, summed over the pixels of all pictures, in an
 * order that depends on ITEMS alone. A work-group sums each channel; a single work-item walks along rows.
 */
#ifndef ITEMS
#define ITEMS 64
#endif

/* Global size (out channels * ITEMS). */
kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1))) void
bias_sums(const geometry g, const offsets at, const scalars s, global const y_t *restrict y,
          global y_t *bias) {
    const int item = (int)get_local_id(0);
    const index_t channel = (index_t)get_group_id(0);
    acc_t acc = 0;
    y += at.y + channel * g.y_c;
#if ITEMS > 1
    local acc_t shared[ITEMS];
    const index_t pixels = g.batch * g.out_d * g.out_h * g.out_w;
    for (index_t pixel = item; pixel < pixels; pixel += ITEMS) {
        const pixel_place from = place_of(g, pixel);
        acc += LOAD(y, from.n * g.y_n + from.d * g.y_d + from.h * g.y_h + from.w * g.y_w);
    }
    acc = sum_items(acc, shared, item, ITEMS);
#else
    for (index_t n = 0; n < g.batch; ++n)
        for (index_t d = 0; d < g.out_d; ++d)
            for (index_t h = 0; h < g.out_h; ++h)
                for (index_t w = 0; w < g.out_w; ++w)
                    acc += LOAD(y, n * g.y_n + d * g.y_d + h * g.y_h + w * g.y_w);
#endif
    if (item == 0)
        finish(acc, s, bias, bias, bias + at.bias, channel, channel);
}
