/*
 * Adds the sums of a reduction that was split into parts, in their order, so that the bits are the same
 * every time: raw[part][group][out channel][pixel of all pictures]. Global size (out channels * pixels of
 * all pictures).
 */
kernel void sum_parts(const geometry g, const offsets at, const scalars s,
                      global const float *restrict raw, const long raw_at, const int parts,
                      global const y_t *restrict bias, global const y_t *residual, global y_t *y) {
    const index_t output = (index_t)get_global_id(0);
    const index_t pixels = g.batch * g.out_d * g.out_h * g.out_w;
    const index_t channel = output / pixels, pixel = output % pixels;
    const long part_size = (long)g.groups * g.out_per_group * pixels;
    if (output >= part_size)
        return;
    raw += raw_at + output;
    float sum = 0;
    for (int part = 0; part < parts; ++part, raw += part_size)
        sum += *raw;
    pixel_place to = place_of(g, pixel);
    finish(sum, s, bias + at.bias, residual + at.residual, y + at.y, channel,
           to.n * g.y_n + channel * g.y_c + to.d * g.y_d + to.h * g.y_h + to.w * g.y_w);
}
