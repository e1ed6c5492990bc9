/*
 * The gradient of the weights on CPUs: one work-item keeps OC output channels of PLACES weights in
 * vector registers and runs over some rows of the output; vectors lie along the channels, in which
 * the gradient of the output is packed, and the input's elements are broadcast. The rows are split
 * into parts, whose sums are added in the order of the parts in a second pass. Stages:
 * weights_gemm_pack, weights_gemm (behind weights_gemm_pad where the input needs planes),
 * weights_gemm_sum, and the same for the bias, weights_gemm_bias and weights_gemm_bias_sum. `step` is rows of a part.
 */
#ifndef VECTORS
#define VECTORS 2
#endif
#ifndef PLACES
#define PLACES 7
#endif
#define OC (16 * VECTORS)
#define PAD_ROWS 16   /* the same in host/algo_weights_gemm.c */
#define MOST_TILES 16 /* of places, whose sums a work-item keeps; so many fill vectors */

#if TYPE == TYPE_F32
/* 16 channels of 16 neighbouring pixels, of which the first `count` are stored. */
static inline void pack_block(global float *restrict to, global const float *restrict from,
                              index_t channel_step, int count) {
    float16 block[16];
    load_columns16(block, from, channel_step);
    #pragma unroll
    for (int i = 0; i < 16; ++i)
        if (i < count)
            STORE16(global, block[i], to + i * OC);
}
#endif

/*
 * padded[picture][channel][d][h][w] with extents whole_d, whole_h, whole_w; `pad` is what lies before the
 * input. One work-item copies PAD_ROWS rows; global size (rows over PAD_ROWS, channels, pictures).
 */
kernel void weights_gemm_pad(const geometry g, const offsets at, global const x_t *restrict x,
                             global float *restrict padded, const long padded_at,
                             const index_t whole_d, const index_t whole_h, const index_t whole_w) {
    const index_t first = (index_t)get_global_id(0) * PAD_ROWS, c = (index_t)get_global_id(1);
    const index_t n = (index_t)get_global_id(2), channels = (index_t)get_global_size(1);
    const index_t end = min(first + PAD_ROWS, whole_d * whole_h);
    padded += padded_at + ((long)n * channels + c) * whole_d * whole_h * whole_w;
    x += at.x + n * g.x_n + c * g.x_c;
    for (index_t i = first * whole_w; i < end * whole_w; ++i)
        padded[i] = 0;
    for (index_t row = first; row < end; ++row) {
        const index_t d = row / whole_h - g.pad_d, h = row % whole_h - g.pad_h;
        if (d < 0 || d >= g.in_d || h < 0 || h >= g.in_h)
            continue;
        global const x_t *from = x + d * g.x_d + h * g.x_h;
        global float *to = padded + row * whole_w + g.pad_w;
#if TYPE == TYPE_F32
        if (g.x_w == 1) {
            copy_dense_global(to, from, g.in_w);
            continue;
        }
#endif
        for (index_t i = 0; i < g.in_w; ++i)
            to[i] = LOAD_X(g, from, i * g.x_w);
    }
}

/*
 * packed[block][row][w][OC], zeros behind a group's last channel; global size (rows, blocks). Pixels are
 * turned around 16 at a time; those of a row's end begin earlier, or go on in the next row.
 */
kernel void weights_gemm_pack(const geometry g, const offsets at, global const y_t *restrict y,
                              global float *restrict packed, const long packed_at) {
    index_t row = (index_t)get_global_id(0), block = (index_t)get_global_id(1);
    index_t rows = (index_t)get_global_size(0), blocks = (g.out_per_group + OC - 1) / OC;
    index_t first = block % blocks * OC;
    index_t h = row % g.out_h, d = row / g.out_h % g.out_d, n = row / g.out_h / g.out_d;
    index_t from = n * g.y_n + (block / blocks * g.out_per_group + first) * g.y_c + d * g.y_d +
                   h * g.y_h;
#if TYPE == TYPE_F32
    const index_t end = (g.batch - 1) * g.y_n + (g.groups * g.out_per_group - 1) * g.y_c +
                        (g.out_d - 1) * g.y_d + (g.out_h - 1) * g.y_h + g.out_w;
#endif
    packed += packed_at + ((long)block * rows + row) * g.out_w * OC;
    y += at.y;
    for (index_t wanted = 0; wanted < g.out_w; wanted += 16)
        for (int v = 0; v < VECTORS; ++v) {
            const index_t w = max(min(wanted, g.out_w - 16), (index_t)0);
            const int count = (int)min(g.out_w - w, (index_t)16);
            global float *to = packed + (long)w * OC + v * 16;
            const index_t channels = g.out_per_group - first - v * 16;
            const index_t at_first = from + v * 16 * g.y_c + w * g.y_w;
#if TYPE == TYPE_F32
            if (channels >= 16 && g.y_w == 1 && at_first + 15 * g.y_c + 16 <= end) {
                pack_block(to, y + at_first, g.y_c, count);
                continue;
            }
#endif
            for (int i = 0; i < count; ++i)
                for (int o = 0; o < 16; ++o)
                    to[i * OC + o] =
                        o < channels ? LOAD(y, at_first + i * g.y_w + o * g.y_c) : 0.0f;
        }
}

/* Where the first output's inputs of `count` weights lie; those beyond the last repeat it. */
static inline void find_places(index_t x_from[MOST_TILES * PLACES], geometry g, index_t place,
                               index_t places, index_t count) {
    index_t k = place % g.kernel_w, h = place / g.kernel_w % g.kernel_h;
    index_t rest = place / g.kernel_w / g.kernel_h;
    index_t d = rest % g.kernel_d, c = rest / g.kernel_d;
    for (index_t i = 0; i < count; ++i, ++place) {
        x_from[i] = c * g.x_c + d * g.dilation_d * g.x_d + h * g.dilation_h * g.x_h +
                    k * g.dilation_w * g.x_w;
        if (place + 1 >= places || ++k < g.kernel_w)
            continue;
        k = 0;
        if (++h < g.kernel_h)
            continue;
        h = 0;
        if (++d < g.kernel_d)
            continue;
        d = 0;
        ++c;
    }
}

/*
 * Adds the products of rows `first` to `end` of the output. Rows whose inputs go on where those of the
 * row before end are one.
 */
static inline void add_rows(float16 sums[VECTORS][PLACES], geometry g, global const float *restrict x,
                            const index_t *from_places, global const float *restrict packed,
                            index_t first, index_t end) {
    const int is_line = g.stride_h * g.x_h == g.out_w * g.stride_w * g.x_w;
    index_t h = first % g.out_h, d = first / g.out_h % g.out_d, n = first / g.out_h / g.out_d;
    index_t x_from[PLACES];
    #pragma unroll
    for (int i = 0; i < PLACES; ++i)
        x_from[i] = from_places[i];
    while (first < end) {
        const index_t rows = is_line ? min(end - first, g.out_h - h) : 1;
        global const float *from =
            x + n * g.x_n + d * g.stride_d * g.x_d + h * g.stride_h * g.x_h;
        for (index_t w = 0; w < rows * g.out_w; ++w, packed += OC, from += g.stride_w * g.x_w) {
            float16 gradient[VECTORS];
            #pragma unroll
            for (int v = 0; v < VECTORS; ++v)
                gradient[v] = LOAD16(global, packed + v * 16);
            #pragma unroll
            for (int i = 0; i < PLACES; ++i) {
                float value = from[x_from[i]];
                #pragma unroll
                for (int v = 0; v < VECTORS; ++v)
                    sums[v][i] += gradient[v] * value;
            }
        }
        first += rows;
        h += rows;
        if (h < g.out_h)
            continue;
        h = 0;
        if (++d < g.out_d)
            continue;
        d = 0;
        ++n;
    }
}

#if TYPE == TYPE_F32 && !BLENDS
/* Sums of `count` places as weights of filters that are dense. */
static inline void store_places(float done[MOST_TILES * PLACES][OC], global float *to,
                                index_t filter_step, index_t channels, index_t count) {
    for (int v = 0; v < VECTORS; ++v)
        for (index_t first = 0; first < count; first += 16) {
            float16 sums[16];
            #pragma unroll
            for (int i = 0; i < 16; ++i)
                sums[i] = LOAD16(private, done[first + i] + v * 16);
            transpose16(sums);
            #pragma unroll
            for (int o = 0; o < 16; ++o)
                if (v * 16 + o < channels) {
                    global float *filter = to + (v * 16 + o) * filter_step + first;
                    if (count - first >= 16)
                        STORE16(global, sums[o], filter);
                    else
                        store_some(sums[o], filter, (int)(count - first));
                }
        }
}
#endif

/*
 * partial[part][block][place][OC]; global size (items, blocks, parts), each item of `tiles` tiles of
 * places, at most MOST_TILES. A place is an input channel of the group and a kernel element; the x
 * strides are those of what weights_gemm_pad wrote, or of the input itself where nothing needs padding. Where
 * is_direct, there is one part, and its sums go to w, whose filters are far apart, in whole vectors.
 */
kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
weights_gemm(const geometry g, global const float *restrict x, const long x_at,
             global const float *restrict packed, const long packed_at,
             global float *restrict partial, const long partial_at, const offsets at,
             const index_t tiles, const int is_direct, global y_t *w) {
    index_t first_tile = (index_t)get_global_id(0) * tiles, block = (index_t)get_global_id(1);
    index_t part = (index_t)get_global_id(2), rows = g.batch * g.out_d * g.out_h;
    index_t group = block / ((g.out_per_group + OC - 1) / OC);
    index_t places = g.in_per_group * g.kernel_d * g.kernel_h * g.kernel_w;
    index_t all_tiles = (places + PLACES - 1) / PLACES;
    index_t count = (min(first_tile + tiles, all_tiles) - first_tile) * PLACES;
    index_t first = part * g.step, end = min(first + g.step, rows);
    index_t x_from[MOST_TILES * PLACES];
    float done[MOST_TILES * PLACES][OC];
    x += x_at + group * g.in_per_group * g.x_c;
    packed += packed_at + ((long)block * rows + first) * g.out_w * OC;
    find_places(x_from, g, first_tile * PLACES, places, count);
    for (index_t place = 0; place < count; place += PLACES) {
        float16 sums[VECTORS][PLACES];
        #pragma unroll
        for (int v = 0; v < VECTORS; ++v)
            #pragma unroll
            for (int i = 0; i < PLACES; ++i)
                sums[v][i] = 0;
        add_rows(sums, g, x, x_from + place, packed, first, end);
        #pragma unroll
        for (int v = 0; v < VECTORS; ++v)
            #pragma unroll
            for (int i = 0; i < PLACES; ++i)
                STORE16(private, sums[v][i], done[place + i] + v * 16);
    }
#if TYPE == TYPE_F32 && !BLENDS
    if (is_direct) {
        const index_t o = block % ((g.out_per_group + OC - 1) / OC) * OC;
        store_places(done,
                     w + at.w + (group * g.out_per_group + o) * g.w_o + g.w_start +
                         first_tile * PLACES,
                     g.w_o, min(g.out_per_group - o, (index_t)OC),
                     min(places - first_tile * PLACES, count));
        return;
    }
#endif
    partial += partial_at + (((long)part * get_global_size(1) + block) * all_tiles + first_tile) *
                                PLACES * OC;
    for (index_t i = 0; i < count; ++i)
        #pragma unroll
        for (int v = 0; v < VECTORS; ++v)
            STORE16(global, LOAD16(private, done[i] + v * 16), partial + i * OC + v * 16);
}

/* Where a channel's sums lie in a block, and the block. */
static inline index_t lane_of(const geometry g, index_t channel, index_t *block) {
    index_t local_channel = channel % g.out_per_group, blocks = (g.out_per_group + OC - 1) / OC;
    *block = channel / g.out_per_group * blocks + local_channel / OC;
    return local_channel % OC;
}

/* Sums of 16 channels at 16 places, in vectors of channels, over all parts. */
static inline void sum_parts(float16 sums[16], global const float *restrict partial, index_t parts,
                             long part_size) {
    #pragma unroll
    for (int i = 0; i < 16; ++i)
        sums[i] = 0;
    for (index_t part = 0; part < parts; ++part, partial += part_size)
        #pragma unroll
        for (int i = 0; i < 16; ++i)
            sums[i] += LOAD16(global, partial + i * OC);
}

/*
 * 16 places of all channels of a block; behind a block's places there is room for 15 more. Global size
 * (groups of places, blocks).
 */
kernel void weights_gemm_sum(const geometry g, const offsets at, const scalars s,
                             global const float *restrict partial, const long partial_at,
                             const index_t parts, global y_t *w) {
    const index_t first_place = (index_t)get_global_id(0) * 16, block = (index_t)get_global_id(1);
    const index_t all = g.in_per_group * g.kernel_d * g.kernel_h * g.kernel_w;
    const index_t blocks_of_group = (g.out_per_group + OC - 1) / OC;
    const index_t first = block % blocks_of_group * OC;
    const long padded = (long)(all + PLACES - 1) / PLACES * PLACES;
    const long part_size = (long)get_global_size(1) * padded * OC;
    const int places = (int)min(all - first_place, (index_t)16);
    partial += partial_at + (block * padded + first_place) * OC;
    w += at.w;
    for (int v = 0; v < VECTORS; ++v) {
        const index_t channel = block / blocks_of_group * g.out_per_group + first + v * 16;
        const int channels = (int)min(g.out_per_group - first - v * 16, (index_t)16);
        float16 sums[16];
        sum_parts(sums, partial + v * 16, parts, part_size);
        transpose16(sums);
#if TYPE == TYPE_F32 && !BLENDS
        if (places == 16 && has_dense_filters(g)) {
            global float *to = w + channel * g.w_o + g.w_start + first_place;
            #pragma unroll
            for (int o = 0; o < 16; ++o)
                if (o < channels)
                    STORE16(global, sums[o], to + o * g.w_o);
            continue;
        }
#endif
        float lanes[16][16];
        #pragma unroll
        for (int o = 0; o < 16; ++o)
            vstore16(sums[o], 0, lanes[o]);
        for (int i = 0; i < places; ++i) {
            const index_t to = channel * g.w_o + weight_of_tap(g, first_place + i);
            for (int o = 0; o < channels; ++o)
                finish(lanes[o][i], s, w, w, w, channel + o, to + o * g.w_o);
        }
    }
}

/* partial[part][block][OC]; global size (blocks, parts). */
kernel void weights_gemm_bias(const geometry g, global const float *restrict packed,
                              const long packed_at, global float *restrict partial,
                              const long partial_at) {
    index_t block = (index_t)get_global_id(0), part = (index_t)get_global_id(1);
    index_t rows = g.batch * g.out_d * g.out_h;
    index_t first = part * g.step, end = min(first + g.step, rows);
    float16 sums[VECTORS];
    for (int v = 0; v < VECTORS; ++v)
        sums[v] = 0;
    packed += packed_at + ((long)block * rows + first) * g.out_w * OC;
    for (long i = 0; i < (long)(end - first) * g.out_w; ++i, packed += OC)
        for (int v = 0; v < VECTORS; ++v)
            sums[v] += LOAD16(global, packed + v * 16);
    partial += partial_at + ((long)part * get_global_size(0) + block) * OC;
    for (int v = 0; v < VECTORS; ++v)
        vstore16(sums[v], v, partial);
}

/* Global size (out channels). */
kernel void weights_gemm_bias_sum(const geometry g, const offsets at, const scalars s,
                                  global const float *restrict partial, const long partial_at,
                                  const index_t parts, global y_t *bias) {
    index_t channel = (index_t)get_global_id(0), block;
    if (channel >= g.groups * g.out_per_group)
        return;
    index_t lane = lane_of(g, channel, &block);
    long blocks = (long)g.groups * ((g.out_per_group + OC - 1) / OC);
    float acc = 0;
    partial += partial_at + (long)block * OC + lane;
    for (index_t part = 0; part < parts; ++part)
        acc += partial[part * blocks * OC];
    finish(acc, s, bias, bias, bias + at.bias, channel, channel);
}
