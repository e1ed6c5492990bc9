/*
 * Winograd's minimal filtering F(M x M, R x R) for GPUs, in separate stages: winograd_gemm_pack
 * transforms the weights, winograd_gemm_input the input tiles, gemm_tiled multiplies the two place by
 * place, as if each of the TS*TS places of a tile were a group of a 1x1 convolution, and
 * winograd_gemm_output transforms back. Tiles are counted through all pictures; a call is for `step`
 * of them, from `first` on.
 */
#ifndef TILE_M
#define TILE_M 64
#endif
#ifndef TILE_K
#define TILE_K 8
#endif

/*
 * packed[place][block of all groups][k][TILE_M], as gemm_tiled takes it, zeros behind the last channels.
 * Global size (k and channels of a block, blocks).
 */
kernel void winograd_gemm_pack(const geometry g, const offsets at, global const w_t *restrict w,
                               global float *restrict packed, const long packed_at) {
    index_t place = (index_t)get_global_id(0), block = (index_t)get_global_id(1);
    index_t blocks = (g.out_per_group + TILE_M - 1) / TILE_M;
    index_t rows = (g.in_per_group + TILE_K - 1) / TILE_K * TILE_K;
    index_t c = place / TILE_M, channel = block % blocks * TILE_M + place % TILE_M;
    if (c >= rows)
        return;
    float half_done[R][TS], row[TS];
    index_t from = (block / blocks * g.out_per_group + channel) * g.w_o + c * g.w_i + g.w_start;
    int is_there = channel < g.out_per_group && c < g.in_per_group;
    w += at.w;
    #pragma unroll
    for (int k = 0; k < R; ++k) {
        float column[R];
        #pragma unroll
        for (int h = 0; h < R; ++h)
            column[h] = is_there ? LOAD_W(g, w, from + h * g.w_h + k * g.w_w) : 0.0f;
        TRANSFORM_WEIGHTS(half_done[k], column);
    }
    long plane = (long)blocks * g.groups * rows * TILE_M;
    packed += packed_at + (long)block * rows * TILE_M + place;
    #pragma unroll
    for (int i = 0; i < TS; ++i) {
        float line[R];
        #pragma unroll
        for (int k = 0; k < R; ++k)
            line[k] = half_done[k][i];
        TRANSFORM_WEIGHTS(row, line);
        #pragma unroll
        for (int j = 0; j < TS; ++j)
            packed[(i * TS + j) * plane] = row[j];
    }
}

/* transformed[place][channel][tile]. Global size (tiles, in channels). */
kernel void winograd_gemm_input(const geometry g, const offsets at, global const x_t *restrict x,
                                global float *restrict transformed, const long transformed_at,
                                const index_t first) {
    index_t i = (index_t)get_global_id(0), c = (index_t)get_global_id(1);
    index_t tiles_h = (g.out_h + M - 1) / M, tiles_w = (g.out_w + M - 1) / M;
    index_t tile = first + i, rows = tile / tiles_w;
    index_t in_w = tile % tiles_w * M - g.pad_w, in_h = rows % tiles_h * M - g.pad_h;
    if (i >= g.step)
        return;
    float half_done[TS][TS], row[TS];
    x += at.x;
    index_t from = rows / tiles_h * g.x_n + c * g.x_c + in_h * g.x_h + in_w * g.x_w;
    #pragma unroll
    for (int k = 0; k < TS; ++k) {
        float column[TS];
        int is_column = in_w + k >= 0 && in_w + k < g.in_w;
        #pragma unroll
        for (int h = 0; h < TS; ++h) {
            column[h] = 0;
            if (is_column && in_h + h >= 0 && in_h + h < g.in_h)
                column[h] = LOAD_X(g, x, from + h * g.x_h + k * g.x_w);
        }
        TRANSFORM_INPUT(half_done[k], column);
    }
    long plane = (long)g.groups * g.in_per_group * g.step;
    transformed += transformed_at + (long)c * g.step + i;
    #pragma unroll
    for (int h = 0; h < TS; ++h) {
        float line[TS];
        #pragma unroll
        for (int k = 0; k < TS; ++k)
            line[k] = half_done[k][h];
        TRANSFORM_INPUT(row, line);
        #pragma unroll
        for (int k = 0; k < TS; ++k)
            transformed[(h * TS + k) * plane] = row[k];
    }
}

/* products[place][channel][tile]. Global size (tiles, out channels). */
kernel void winograd_gemm_output(const geometry g, const offsets at, const scalars s,
                                 global const float *restrict products, const long products_at,
                                 const index_t first, global const y_t *restrict bias,
                                 global const y_t *residual, global y_t *y) {
    index_t i = (index_t)get_global_id(0), channel = (index_t)get_global_id(1);
    index_t tiles_h = (g.out_h + M - 1) / M, tiles_w = (g.out_w + M - 1) / M;
    index_t tile = first + i, rows = tile / tiles_w;
    index_t out_w = tile % tiles_w * M, out_h = rows % tiles_h * M;
    if (i >= g.step)
        return;
    float half_done[TS][M];
    long plane = (long)g.groups * g.out_per_group * g.step;
    products += products_at + (long)channel * g.step + i;
    #pragma unroll
    for (int k = 0; k < TS; ++k) {
        float column[TS];
        #pragma unroll
        for (int h = 0; h < TS; ++h)
            column[h] = products[(h * TS + k) * plane];
        TRANSFORM_OUTPUT(half_done[k], column);
    }
    index_t to = rows / tiles_h * g.y_n + channel * g.y_c + out_h * g.y_h + out_w * g.y_w;
    bias += at.bias;
    residual += at.residual;
    y += at.y;
    #pragma unroll
    for (int h = 0; h < M; ++h) {
        float line[TS], done[M];
        #pragma unroll
        for (int k = 0; k < TS; ++k)
            line[k] = half_done[k][h];
        TRANSFORM_OUTPUT(done, line);
        #pragma unroll
        for (int k = 0; k < M; ++k)
            if (out_h + h < g.out_h && out_w + k < g.out_w)
                finish(done[k], s, bias, residual, y, channel, to + h * g.y_h + k * g.y_w);
    }
}
