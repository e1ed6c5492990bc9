/*
 * What gathering by forward convolutions needs besides them. phases_pack rearranges the weights of a
 * phase: packed[result channel][source channel of the group][tap], where w_i steps over the source's
 * channels and w_o over the result's of one group; global size (source channels, result
 * channels). phases_empty finishes results that no weight meets; global size (pixels, channels,
 * batch).
 */
kernel void phases_pack(const geometry g, const offsets at, global const w_t *restrict w,
                        global w_t *restrict packed, const long packed_at) {
    index_t c = (index_t)get_global_id(0), channel = (index_t)get_global_id(1);
    if (c >= g.in_per_group)
        return;
    index_t from = (channel / g.out_per_group * g.in_per_group + c) * g.w_i +
                   channel % g.out_per_group * g.w_o + g.w_start;
    index_t to = 0;
    w += at.w;
    packed += packed_at + ((long)channel * g.in_per_group + c) * g.kernel_d * g.kernel_h * g.kernel_w;
    for (index_t d = 0; d < g.kernel_d; ++d)
        for (index_t h = 0; h < g.kernel_h; ++h)
            for (index_t k = 0; k < g.kernel_w; ++k, ++to)
                STORE(packed, to, LOAD(w, from + d * g.w_d + h * g.w_h + k * g.w_w));
}

kernel void phases_empty(const geometry g, const offsets at, const scalars s,
                         global const y_t *restrict bias, global const y_t *residual,
                         global y_t *y) {
    index_t pixel = (index_t)get_global_id(0);
    if (pixel >= g.out_d * g.out_h * g.out_w)
        return;
    index_t channel = (index_t)get_global_id(1), n = (index_t)get_global_id(2);
    index_t w = pixel % g.out_w, rows = pixel / g.out_w;
    index_t h = rows % g.out_h, d = rows / g.out_h;
    finish(0, s, bias + at.bias, residual + at.residual, y + at.y, channel,
           n * g.y_n + channel * g.y_c + d * g.y_d + h * g.y_h + w * g.y_w);
}
