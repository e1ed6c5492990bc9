/*
 * Shows whether an engine multiplies: c[16][16] = a[16][8 words] times b[8 words][16], by one warp.
 * Tells devices that have one from those that have not.
 */
#if ENGINE
#define SIDE 16
#define DOWN (SIDE / MMA_ROWS)
#define ACROSS (SIDE / MMA_COLUMNS)
kernel OF_WARPS __attribute__((reqd_work_group_size(MMA_LANES, 1, 1))) void
mma(global const uint *restrict a, global const uint *restrict b, global float *restrict c) {
#if EMULATED
    local uint scratch[MMA_LANES * MMA_SCRATCH(DOWN, ACROSS)];
#else
    local uint *scratch = 0;
#endif
    const int lane = (int)get_local_id(0);
    uint of_a[DOWN][A_WORDS], of_b[ACROSS][B_WORDS];
    float sums[DOWN][ACROSS][C_WORDS];
    for (int m = 0; m < DOWN; ++m)
        for (int i = 0; i < A_WORDS; ++i)
            of_a[m][i] = a[(m * MMA_ROWS + A_ROW(lane, i)) * MMA_WORDS + A_WORD(lane, i)];
    for (int n = 0; n < ACROSS; ++n)
        for (int i = 0; i < B_WORDS; ++i)
            of_b[n][i] = b[B_WORD(lane, i) * SIDE + n * MMA_COLUMNS + B_COLUMN(lane)];
    for (int m = 0; m < DOWN; ++m)
        for (int n = 0; n < ACROSS; ++n)
            for (int i = 0; i < C_WORDS; ++i)
                sums[m][n][i] = 0;
    multiply_fragments(sums[0][0], of_a[0], of_b[0], DOWN, ACROSS, scratch);
    for (int m = 0; m < DOWN; ++m)
        for (int n = 0; n < ACROSS; ++n)
            for (int i = 0; i < C_WORDS; ++i)
                c[(m * MMA_ROWS + C_ROW(lane, i / C_COLUMNS)) * SIDE + n * MMA_COLUMNS + C_COLUMN(lane) +
                  i % C_COLUMNS] = sums[m][n][i];
}
#else
kernel void mma(global float *c) {
    c[get_global_id(0)] = 0;
}
#endif
