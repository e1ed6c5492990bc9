/*
 * The gradient of the weights on CPUs: one work-item keeps OC output channels of PLACES weights in
 * vector registers and runs over some rows of the output; vectors lie along the channels, in which
 * the gradient of the output is packed, and the input's elements are broadcast. The rows are split
 * into parts, whose sums are added in the order of the parts in a second pass. Stages:
 * weights_gemm_pack, weights_gemm (behind vector_pad where the input needs planes), weights_gemm_sum,
 * and the same for the bias, weights_gemm_bias and weights_gemm_bias_sum. `step` is rows of a part.
 */
#ifndef VECTORS
#define VECTORS 2
#endif
#ifndef PLACES
#define PLACES 7
#endif
#define OC (16 * VECTORS)

/* packed[block][row][w][OC], zeros behind a group's last channel; global size (rows, blocks). */
kernel void weights_gemm_pack(const geometry g, const offsets at, global const y_t *restrict y,
                              global float *restrict packed, const long packed_at) {
    index_t row = (index_t)get_global_id(0), block = (index_t)get_global_id(1);
    index_t rows = (index_t)get_global_size(0), blocks = (g.out_per_group + OC - 1) / OC;
    index_t first = block % blocks * OC;
    index_t h = row % g.out_h, d = row / g.out_h % g.out_d, n = row / g.out_h / g.out_d;
    index_t from = n * g.y_n + (block / blocks * g.out_per_group + first) * g.y_c + d * g.y_d +
                   h * g.y_h;
    packed += packed_at + ((long)block * rows + row) * g.out_w * OC;
    y += at.y;
    for (index_t w = 0; w < g.out_w; ++w, packed += OC)
        for (int o = 0; o < OC; ++o)
            packed[o] =
                first + o < g.out_per_group ? LOAD(y, from + w * g.y_w + o * g.y_c) : 0.0f;
}

/*
 * partial[part][block][place][OC]; global size (tiles of places, blocks, parts). A place is an input
 * channel of the group and a kernel element; the x strides are those of what vector_pad wrote, or of
 * the input itself where nothing needs padding.
 */
kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
weights_gemm(const geometry g, global const float *restrict x, const long x_at,
             global const float *restrict packed, const long packed_at,
             global float *restrict partial, const long partial_at) {
    index_t tile = (index_t)get_global_id(0), block = (index_t)get_global_id(1);
    index_t part = (index_t)get_global_id(2), rows = g.batch * g.out_d * g.out_h;
    index_t group = block / ((g.out_per_group + OC - 1) / OC);
    index_t places = g.in_per_group * g.kernel_d * g.kernel_h * g.kernel_w;
    index_t x_from[PLACES];
    #pragma unroll
    for (int i = 0; i < PLACES; ++i) { /* tiles beyond the end repeat the last place */
        index_t place = min(tile * PLACES + i, places - 1);
        index_t k = place % g.kernel_w, rest = place / g.kernel_w;
        index_t h = rest % g.kernel_h;
        rest /= g.kernel_h;
        x_from[i] = rest / g.kernel_d * g.x_c + rest % g.kernel_d * g.dilation_d * g.x_d +
                    h * g.dilation_h * g.x_h + k * g.dilation_w * g.x_w;
    }

    float16 sums[VECTORS][PLACES];
    #pragma unroll
    for (int v = 0; v < VECTORS; ++v)
        #pragma unroll
        for (int i = 0; i < PLACES; ++i)
            sums[v][i] = 0;
    x += x_at + group * g.in_per_group * g.x_c;
    index_t first = part * g.step, end = min(first + g.step, rows);
    packed += packed_at + ((long)block * rows + first) * g.out_w * OC;
    for (index_t row = first; row < end; ++row) {
        index_t h = row % g.out_h, d = row / g.out_h % g.out_d, n = row / g.out_h / g.out_d;
        global const float *from =
            x + n * g.x_n + d * g.stride_d * g.x_d + h * g.stride_h * g.x_h;
        for (index_t w = 0; w < g.out_w; ++w, packed += OC, from += g.stride_w * g.x_w) {
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
    }

    partial += partial_at + (((long)part * get_global_size(1) + block) * get_global_size(0) + tile) *
                                PLACES * OC;
    #pragma unroll
    for (int i = 0; i < PLACES; ++i)
        #pragma unroll
        for (int v = 0; v < VECTORS; ++v)
            STORE16(global, sums[v][i], partial + (i * VECTORS + v) * 16);
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
