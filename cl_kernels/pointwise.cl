/*
 * For CPUs: kernels of one tap, vectors along pixels, so that outputs leave the registers as they lie
 * in memory. A work-item computes PIXELS pixels of `step` output channels of a group: it copies what
 * they read, of all input channels, to local memory one behind the other, and multiplies it with OC
 * rows of the weights at a time, which need no packing. Global size (tiles of pixels, parts of the
 * channels of all groups, pictures).
 */
#ifndef VECTORS
#define VECTORS 3
#endif
#ifndef OC
#define OC 8
#endif
#define LANES 16
#define PIXELS (LANES * VECTORS)

/* The pixels of a tile, from `first` on. Those behind the last are none. */
typedef struct {
    index_t n, first, count;
    int is_plane; /* the input's pixels are the output's, in the same order, one behind the other */
} pixel_tile;

/* Places of an output pixel. Strides beyond all extents are multiplied by 0 first. */
static inline index_t input_of(geometry g, index_t pixel) {
    const index_t row = pixel / g.out_w;
    return row / g.out_h * g.stride_d * g.x_d + row % g.out_h * g.stride_h * g.x_h +
           pixel % g.out_w * g.stride_w * g.x_w;
}
static inline index_t output_of(geometry g, index_t pixel) {
    const index_t row = pixel / g.out_w;
    return row / g.out_h * g.y_d + row % g.out_h * g.y_h + pixel % g.out_w * g.y_w;
}

/* [channel][PIXELS] of a group. */
static inline void copy_tile(local float *restrict to, geometry g, global const x_t *restrict x,
                             pixel_tile tile) {
    index_t place[PIXELS]; /* those behind the last repeat it */
#if TYPE == TYPE_F32
    if (tile.is_plane && tile.count == PIXELS) {
        for (index_t c = 0; c < g.in_per_group; ++c, to += PIXELS) {
            global const float *from = x + c * g.x_c + tile.first;
            PREFETCH(from + 8 * g.x_c);
            PREFETCH(from + 8 * g.x_c + PIXELS - 1);
            #pragma unroll
            for (int v = 0; v < VECTORS; ++v)
                STORE16(local, LOAD16(global, from + v * LANES), to + v * LANES);
        }
        return;
    }
#endif
    for (index_t i = 0; i < PIXELS; ++i)
        place[i] = input_of(g, tile.first + min(i, tile.count - 1));
    for (index_t c = 0; c < g.in_per_group; ++c)
        for (index_t i = 0; i < PIXELS; ++i)
            *to++ = LOAD_X(g, x, c * g.x_c + place[i]);
}

static inline void store_tile(float16 sums[OC][VECTORS], geometry g, scalars s,
                              global const y_t *restrict bias, global const y_t *residual,
                              global y_t *y, pixel_tile tile, index_t channel, int channels) {
    float rest[OC][PIXELS];
#if TYPE == TYPE_F32 && !BLENDS
    if (tile.count == PIXELS && channels == OC && g.y_w == 1 && g.y_h == g.out_w &&
        g.y_d == g.out_h * g.out_w) {
        #pragma unroll
        for (int i = 0; i < OC; ++i) {
            const float added = s.has_bias ? bias[channel + i] : 0;
            #pragma unroll
            for (int v = 0; v < VECTORS; ++v)
                STORE16(global, ACTIVATE(sums[i][v] + added, s),
                        y + tile.n * g.y_n + (channel + i) * g.y_c + tile.first + v * LANES);
        }
        return;
    }
#endif
    #pragma unroll
    for (int i = 0; i < OC; ++i)
        #pragma unroll
        for (int v = 0; v < VECTORS; ++v)
            vstore16(sums[i][v], v, rest[i]);
    for (index_t p = 0; p < tile.count; ++p)
        for (int i = 0; i < channels; ++i)
            finish(rest[i][p], s, bias, residual, y, channel + i,
                   tile.n * g.y_n + (channel + i) * g.y_c + output_of(g, tile.first + p));
}

kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
pointwise(const geometry g, const offsets at, const scalars s, global const x_t *restrict x,
          global const w_t *restrict w, global const y_t *restrict bias,
          global const y_t *residual, global y_t *y, local float *restrict values) {
    const index_t parts = (g.out_per_group + g.step - 1) / g.step, pixels = g.out_d * g.out_h * g.out_w;
    const index_t group = (index_t)get_global_id(1) / parts;
    const index_t first = (index_t)get_global_id(1) % parts * g.step;
    const index_t end = min(first + g.step, g.out_per_group);
    pixel_tile tile;
    tile.n = (index_t)get_global_id(2);
    tile.first = (index_t)get_global_id(0) * PIXELS;
    tile.count = min((index_t)PIXELS, pixels - tile.first);
    tile.is_plane = g.x_w == 1 && g.x_h == g.in_w && g.x_d == g.in_h * g.in_w && g.in_w == g.out_w &&
                    g.in_h == g.out_h && g.in_d == g.out_d;
    copy_tile(values, g, x + at.x + tile.n * g.x_n + group * g.in_per_group * g.x_c, tile);
    for (index_t o = first; o < end; o += OC) {
        const index_t channel = group * g.out_per_group + o;
        const int channels = (int)min(end - o, (index_t)OC);
        global const w_t *rows[OC]; /* those beyond the last repeat it, and are not stored */
        float16 sums[OC][VECTORS];
        #pragma unroll
        for (int i = 0; i < OC; ++i) {
            rows[i] = w + at.w + g.w_start + (channel + min(i, channels - 1)) * g.w_o;
            #pragma unroll
            for (int v = 0; v < VECTORS; ++v)
                sums[i][v] = 0;
        }
        for (index_t c = 0; c < g.in_per_group; ++c) {
            float16 of_channel[VECTORS];
            #pragma unroll
            for (int v = 0; v < VECTORS; ++v)
                of_channel[v] = LOAD16(local, values + c * PIXELS + v * LANES);
            #pragma unroll
            for (int i = 0; i < OC; ++i) {
                const float weight = LOAD_W(g, rows[i], c * g.w_i);
                #pragma unroll
                for (int v = 0; v < VECTORS; ++v)
                    sums[i][v] += weight * of_channel[v];
            }
        }
        store_tile(sums, g, s, bias + at.bias, residual + at.residual, y + at.y, tile, channel,
                   channels);
    }
}
