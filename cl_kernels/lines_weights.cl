/*
 * The gradient of the weights on CPUs, where a group has few input channels: depthwise layers above all.
 * A weight's sum runs over the places of the output in vectors of 16 neighbours, whose lanes are added
 * last: nothing is rearranged. The sums of a row of the kernel stay in registers while a band of `step`
 * output rows passes, and lie in local memory between the bands. A work-item has one output channel of a
 * group, and of every so many groups. Global size (channels of a group, work-items for the groups).
 */
#ifndef KERNEL_W
#define KERNEL_W 3
#endif
#ifndef STRIDE_W
#define STRIDE_W 1
#endif
#define SPAN (16 * STRIDE_W + KERNEL_W) /* inputs that 16 outputs meet, at most */

/* Whether `span` elements from `first` of each row of a channel lie in their tensor. */
static inline int is_within(index_t channel, index_t first, index_t span, index_t rows, index_t h,
                            index_t end) {
    return channel + first >= 0 && channel + (rows - 1) * h + first + span <= end;
}

/* values[k] = what 16 outputs meet with tap k, or zero. */
#if STRIDE_W == 1
#define TAKE(space, from)                                                                          \
    for (int k = 0; k < KERNEL_W; ++k)                                                             \
        values[k] = select((float16)0, LOAD16(space, (from) + k), is_inside[k]);
#else
#define TAKE(space, from)                                                                          \
    for (int k = 0; k < KERNEL_W; k += 2) {                                                        \
        const float16 a = LOAD16(space, (from) + k), b = LOAD16(space, (from) + k + 16);           \
        values[k] = select((float16)0, EVEN16(a, b), is_inside[k]);                                \
        if (k + 1 < KERNEL_W)                                                                      \
            values[k + 1] = select((float16)0, ODD16(a, b), is_inside[k + 1]);                     \
    }
#endif

/* Of the row that begins at `row`; `first` is the column that tap 0 of the first output meets. */
static inline void take_row(float16 values[KERNEL_W], geometry g, global const float *restrict x,
                            index_t row, index_t first, int has_room,
                            const int16 is_inside[KERNEL_W]) {
    if (has_room) {
        #pragma unroll
        TAKE(global, x + row + first)
        return;
    }
    float line[SPAN];
    for (index_t i = 0; i < SPAN; ++i) {
        const index_t column = first + i;
        line[i] = column >= 0 && column < g.in_w ? x[row + column] : 0.0f;
    }
    #pragma unroll
    TAKE(private, line)
}

/* Up to 16 neighbouring gradients. */
static inline float16 take_gradients(global const float *restrict y, index_t from, index_t count,
                                     int has_room, int16 is_there) {
    if (has_room)
        return select((float16)0, LOAD16(global, y + from), is_there);
    float lanes[16];
    for (index_t i = 0; i < 16; ++i)
        lanes[i] = i < count ? y[from + i] : 0.0f;
    return LOAD16(private, lanes);
}

/* Where a work-item reads: an input and an output channel of a picture, and a band of rows. */
typedef struct {
    index_t x, y, first_h, end_h;
    int has_room; /* vectors that leave a row stay in the tensors */
} piece;

/* `place` is the row that a row of the kernel meets at output row 0. */
static inline void add_band(float16 sums[KERNEL_W], geometry g, global const float *restrict x,
                            global const float *restrict y, piece p, index_t place) {
    const int16 lane = (int16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const index_t before = place < 0 ? (-place + g.stride_h - 1) / g.stride_h : 0;
    const index_t beyond = place < g.in_h ? (g.in_h - 1 - place) / g.stride_h + 1 : 0;
    for (index_t w = 0; w < g.out_w; w += 16) {
        const index_t first = w * STRIDE_W - g.pad_w, count = min(g.out_w - w, (index_t)16);
        const int16 is_there = lane < (int16)(int)count;
        int16 is_inside[KERNEL_W];
        #pragma unroll
        for (int k = 0; k < KERNEL_W; ++k) {
            const int16 column = lane * STRIDE_W + (int16)(int)(first + k);
            is_inside[k] = is_there & (column >= 0) & (column < (int16)(int)g.in_w);
        }
        for (index_t h = max(p.first_h, before); h < min(p.end_h, beyond); ++h) {
            const float16 gradient =
                take_gradients(y, p.y + h * g.y_h + w, count, p.has_room, is_there);
            float16 values[KERNEL_W];
            take_row(values, g, x, p.x + (h * g.stride_h + place) * g.x_h, first, p.has_room,
                     is_inside);
            #pragma unroll
            for (int k = 0; k < KERNEL_W; ++k)
                sums[k] += gradient * values[k];
        }
    }
}

/* The same for the sums of one input channel, which lie in memory: all[h][w]. */
static inline void add_channel(local float *restrict all, geometry g,
                               global const float *restrict x, global const float *restrict y,
                               piece p) {
    for (index_t h = 0; h < g.kernel_h; ++h, all += KERNEL_W * 16) {
        float16 sums[KERNEL_W];
        #pragma unroll
        for (int k = 0; k < KERNEL_W; ++k)
            sums[k] = LOAD16(local, all + k * 16);
        add_band(sums, g, x, y, p, h * g.dilation_h - g.pad_h);
        #pragma unroll
        for (int k = 0; k < KERNEL_W; ++k)
            STORE16(local, sums[k], all + k * 16);
    }
}

/* all[i] = the sum of the lanes of vector i, of 16 vectors at a time. */
static inline void add_lanes(local float *restrict all, index_t vectors) {
    for (index_t i = 0; i < vectors; i += 16) {
        float16 lanes[16];
        #pragma unroll
        for (int k = 0; k < 16; ++k)
            lanes[k] = LOAD16(local, all + (i + k) * 16);
        transpose16(lanes);
        #pragma unroll
        for (int half_of = 8; half_of > 0; half_of /= 2)
            #pragma unroll
            for (int k = 0; k < half_of; ++k)
                lanes[k] += lanes[k + half_of];
        STORE16(local, lanes[0], all + i);
    }
}

kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
lines_weights(const geometry g, const offsets at, const scalars s, global const float *restrict x,
              global const float *restrict y, global float *w, local float *restrict all) {
    const index_t o = (index_t)get_global_id(0);
    const index_t vectors = (g.in_per_group * g.kernel_h * KERNEL_W + 15) / 16 * 16;
    const index_t x_end = (g.batch - 1) * g.x_n + (g.groups * g.in_per_group - 1) * g.x_c +
                          (g.in_h - 1) * g.x_h + g.in_w;
    const index_t y_end = (g.batch - 1) * g.y_n + (g.groups * g.out_per_group - 1) * g.y_c +
                          (g.out_h - 1) * g.y_h + g.out_w;
    const index_t last_w = (g.out_w - 1) / 16 * 16; /* where the last vector of a row begins */
    piece p;
    for (index_t group = (index_t)get_global_id(1); group < g.groups;
         group += (index_t)get_global_size(1)) {
        const index_t channel = group * g.out_per_group + o;
        for (index_t i = 0; i < vectors; ++i)
            STORE16(local, (float16)0, all + i * 16);
        for (index_t n = 0; n < g.batch; ++n)
            for (p.first_h = 0; p.first_h < g.out_h; p.first_h = p.end_h) {
                p.end_h = min(p.first_h + g.step, g.out_h);
                p.y = n * g.y_n + channel * g.y_c;
                for (index_t c = 0; c < g.in_per_group; ++c) {
                    p.x = n * g.x_n + (group * g.in_per_group + c) * g.x_c;
                    p.has_room = is_within(p.y, last_w, 16, g.out_h, g.y_h, y_end) &&
                                 is_within(p.x, -g.pad_w, last_w * STRIDE_W + SPAN, g.in_h, g.x_h,
                                           x_end);
                    add_channel(all + c * g.kernel_h * KERNEL_W * 16, g, x + at.x, y + at.y, p);
                }
            }
        add_lanes(all, vectors);
        for (index_t c = 0; c < g.in_per_group; ++c)
            for (index_t h = 0; h < g.kernel_h; ++h)
                for (index_t k = 0; k < KERNEL_W; ++k)
                    finish(all[(c * g.kernel_h + h) * KERNEL_W + k], s, w, w, w + at.w, channel,
                           channel * g.w_o + c * g.w_i + g.w_start + h * g.w_h + k * g.w_w);
    }
}
