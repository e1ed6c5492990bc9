/*
 * What gathering by forward convolutions needs besides them. phases_pack rearranges the weights of a
 * phase: packed[result channel][source channel of the group][tap], where w_i steps over the source's
 * channels and w_o over the result's of one group, in blocks of BLOCK by BLOCK channels: on CPUs,
 * these are near each other on both sides; global size (blocks of source channels, blocks of a group's
 * result channels, groups). phases_empty finishes results that no weight meets, a work-group some
 * rows of a channel; global size (work-items of a group * parts of the rows * channels, 1, pictures).
 */
#ifndef BLOCK
#define BLOCK 1
#endif

kernel void phases_pack(const geometry g, const offsets at, global const w_t *restrict w,
                        global w_t *restrict packed, const long packed_at) {
    const index_t c = (index_t)get_global_id(0) * BLOCK, o = (index_t)get_global_id(1) * BLOCK;
    const index_t group = (index_t)get_global_id(2), taps = g.kernel_d * g.kernel_h * g.kernel_w;
    const index_t sources = min(g.in_per_group - c, (index_t)BLOCK);
    const index_t results = min(g.out_per_group - o, (index_t)BLOCK);
    if (sources <= 0)
        return;
    w += at.w + (group * g.in_per_group + c) * g.w_i + o * g.w_o + g.w_start;
    packed += packed_at + (((long)group * g.out_per_group + o) * g.in_per_group + c) * taps;
#if TYPE == TYPE_F32 && BLOCK == 16
    if (taps == 1 && g.w_o == 1 && sources == 16 && results == 16) {
        float16 block[16];
        load_columns16(block, w, g.w_i);
        #pragma unroll
        for (int i = 0; i < 16; ++i)
            STORE16(global, block[i], packed + i * g.in_per_group);
        return;
    }
#endif
    for (index_t r = 0; r < results; ++r, w += g.w_o, packed += g.in_per_group * taps) {
        index_t to = 0;
        for (index_t i = 0; i < sources; ++i)
            for (index_t d = 0; d < g.kernel_d; ++d)
                for (index_t h = 0; h < g.kernel_h; ++h)
                    for (index_t k = 0; k < g.kernel_w; ++k, ++to)
                        STORE(packed, to, LOAD(w, i * g.w_i + d * g.w_d + h * g.w_h + k * g.w_w));
    }
}

kernel void phases_empty(const geometry g, const offsets at, const scalars s,
                         global const y_t *restrict bias, global const y_t *residual,
                         global y_t *y) {
    const index_t channels = g.groups * g.out_per_group, rows = g.out_d * g.out_h;
    const index_t parts = (index_t)get_num_groups(0) / channels, n = (index_t)get_global_id(2);
    const index_t channel = (index_t)get_group_id(0) / parts;
    for (index_t row = (index_t)get_group_id(0) % parts; row < rows; row += parts) {
        const index_t to =
            n * g.y_n + channel * g.y_c + row / g.out_h * g.y_d + row % g.out_h * g.y_h;
        for (index_t w = (index_t)get_local_id(0); w < g.out_w; w += (index_t)get_local_size(0))
            finish(0, s, bias + at.bias, residual + at.residual, y + at.y, channel, to + w * g.y_w);
    }
}
