/*
 * Shows whether an engine multiplies: c[16][8] = a[16][8 words] times b[8 words][8], by one warp. Tells
 * devices that have one from those that have not.
 */
#if ENGINE
kernel __attribute__((reqd_work_group_size(MMA_LANES, 1, 1))) void
mma(global const uint *restrict a, global const uint *restrict b, global float *restrict c) {
    local uint scratch[MMA_LANES * MMA_SCRATCH(1, 1)];
    const int lane = (int)get_local_id(0), g = lane / 4, t = lane % 4;
    float4 sums = 0;
    uint4 of_a = (uint4)(a[g * MMA_WORDS + t], a[(g + 8) * MMA_WORDS + t],
                         a[g * MMA_WORDS + t + 4], a[(g + 8) * MMA_WORDS + t + 4]);
    uint2 of_b = (uint2)(b[t * MMA_COLUMNS + g], b[(t + 4) * MMA_COLUMNS + g]);
    multiply_fragments(&sums, &of_a, &of_b, 1, 1, scratch);
    vstore2(sums.xy, 0, c + g * MMA_COLUMNS + 2 * t);
    vstore2(sums.zw, 0, c + (g + 8) * MMA_COLUMNS + 2 * t);
}
#else
kernel void mma(global float *c) {
    c[get_global_id(0)] = 0;
}
#endif
