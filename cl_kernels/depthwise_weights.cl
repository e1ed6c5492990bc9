/*
 * The gradient of the weights where every group has one input channel, for GPUs: a work-group sums
 * TAP_ROWS rows of KERNEL_W taps of an output channel's filter over a part of the pixels, each work-item
 * all of these sums over every ITEMS-th pixel. The parts are added by sum_parts, in order.
 */
#ifndef ITEMS
#define ITEMS 128
#endif
#ifndef KERNEL_D
#define KERNEL_D 1
#endif
#ifndef KERNEL_H
#define KERNEL_H 3
#endif
#ifndef KERNEL_W
#define KERNEL_W 3
#endif
#ifndef TAP_ROWS
#define TAP_ROWS (KERNEL_D * KERNEL_H)
#endif
#define TAPS (TAP_ROWS * KERNEL_W)

/* Elements beyond the input are read from its border, without a branch, so that many loads are under way. */
static inline index_t nearest(index_t i, index_t extent) {
    return min(max(i, (index_t)0), extent - 1);
}

static inline int is_within(index_t i, index_t extent) {
    return i >= 0 && i < extent;
}

/* Adds a pixel's products with the taps from a row on. */
static inline void add_pixel(float sums[TAPS], geometry g, global const x_t *restrict x, float gradient,
                             pixel_place from, int first_row) {
    const index_t first_d = from.d * g.stride_d - g.pad_d, first_h = from.h * g.stride_h - g.pad_h;
    const index_t first_w = from.w * g.stride_w - g.pad_w;
    x += from.n * g.x_n;
    #pragma unroll
    for (int i = 0; i < TAP_ROWS; ++i) {
        const index_t d = first_d + (first_row + i) / KERNEL_H * g.dilation_d;
        const index_t h = first_h + (first_row + i) % KERNEL_H * g.dilation_h;
        const index_t row = nearest(d, g.in_d) * g.x_d + nearest(h, g.in_h) * g.x_h;
        const int is_row = is_within(d, g.in_d) & is_within(h, g.in_h);
        #pragma unroll
        for (int k = 0; k < KERNEL_W; ++k) {
            const index_t w = first_w + k * g.dilation_w;
            const float product = gradient * LOAD_X(g, x, row + nearest(w, g.in_w) * g.x_w);
            sums[i * KERNEL_W + k] += is_row & is_within(w, g.in_w) ? product : 0;
        }
    }
}

/*
 * raw[part][out channel][tap]; a step is ITEMS pixels, part p begins with step p * per_part. Global size
 * (out channels * ITEMS, parts, rows of taps / TAP_ROWS).
 */
kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1))) void
depthwise_weights(const geometry g, const offsets at, global const x_t *restrict x,
                  global const y_t *restrict y, const index_t per_part, global float *restrict raw,
                  const long raw_at) {
    local float shared[ITEMS];
    const int item = (int)get_local_id(0);
    const index_t channel = (index_t)get_group_id(0), part = (index_t)get_group_id(1);
    const int first_row = TAP_ROWS < KERNEL_D * KERNEL_H ? (int)get_group_id(2) * TAP_ROWS : 0;
    const index_t pixels = g.batch * g.out_d * g.out_h * g.out_w;
    const index_t first = part * per_part * ITEMS, end = min(first + per_part * ITEMS, pixels);
    float sums[TAPS];
    #pragma unroll
    for (int tap = 0; tap < TAPS; ++tap)
        sums[tap] = 0;
    x += at.x + channel / g.out_per_group * g.x_c;
    y += at.y + channel * g.y_c;
    for (index_t pixel = first + item; pixel < end; pixel += ITEMS) {
        const pixel_place from = place_of(g, pixel);
        const float gradient =
            LOAD(y, from.n * g.y_n + from.d * g.y_d + from.h * g.y_h + from.w * g.y_w);
        add_pixel(sums, g, x, gradient, from, first_row);
    }
    raw += raw_at +
           (((long)part * g.groups * g.out_per_group + channel) * (KERNEL_D * KERNEL_H) + first_row) *
               KERNEL_W;
    #pragma unroll
    for (int tap = 0; tap < TAPS; ++tap) {
        const float sum = sum_items(sums[tap], shared, item, ITEMS);
        if (item == 0)
            raw[tap] = sum;
    }
}
