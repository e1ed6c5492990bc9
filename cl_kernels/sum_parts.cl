/*
 * Adds the sums of a reduction that was split into parts, in their order, so that the bits are the same
 * every time: raw[part][group][out channel][pixel of all pictures]. Global size (pixels of all pictures,
 * out channels).
 */
kernel void sum_parts(const geometry g, const offsets at, const scalars s,
                      global const float *restrict raw, const long raw_at, const int parts,
                      global const y_t *restrict bias, global const y_t *residual, global y_t *y) {
    index_t pixel = (index_t)get_global_id(0), channel = (index_t)get_global_id(1);
    index_t pixels = g.batch * g.out_d * g.out_h * g.out_w;
    if (pixel >= pixels)
        return;
    long part_size = (long)g.groups * g.out_per_group * pixels;
    raw += raw_at + (long)channel * pixels + pixel;
    float sum = 0;
    for (int part = 0; part < parts; ++part, raw += part_size)
        sum += *raw;
    pixel_place to = place_of(g, pixel);
    finish(sum, s, bias + at.bias, residual + at.residual, y + at.y, channel,
           to.n * g.y_n + channel * g.y_c + to.d * g.y_d + to.h * g.y_h + to.w * g.y_w);
}
