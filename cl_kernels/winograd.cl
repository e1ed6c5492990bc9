/*
 * Winograd's minimal filtering F(M x M, 3 x 3) (Lavin and Gray, "Fast Algorithms for Convolutional
 * Neural Networks", arXiv:1509.09308) with one work-item per work-group, for CPUs. An output tile of
 * M x M takes TS*TS multiplications per channel pair, TS = M + 2, instead of 9*M*M. Stages:
 * winograd_pack transforms the weights, winograd_input some rows of input tiles, and winograd
 * multiplies them and transforms back while the sums are still in cache.
 */
#ifndef VECTORS
#define VECTORS 2
#endif
#ifndef TILES
#define TILES 7
#endif
#define OC (16 * VECTORS)

/* One weight of 16 output channels, of which `count` are there. */
static inline float16 load_channels(geometry g, global const w_t *restrict w, index_t from,
                                    index_t count) {
    float lanes[16];
    for (int i = 0; i < 16; ++i)
        lanes[i] = i < count ? LOAD_W(g, w, from + i * g.w_o) : 0.0f;
    return vload16(0, lanes);
}

/* packed[block][TS*TS][in channel][OC]; global size (in channels, blocks of all groups). */
kernel void winograd_pack(const geometry g, const offsets at, global const w_t *restrict w,
                          global float *restrict packed, const long packed_at) {
    index_t c = (index_t)get_global_id(0), block = (index_t)get_global_id(1);
    index_t blocks = (g.out_per_group + OC - 1) / OC;
    index_t group = block / blocks, first = block % blocks * OC;
    w += at.w;
    packed += packed_at + (long)block * TS * TS * g.in_per_group * OC;
    for (int v = 0; v < VECTORS; ++v) {
        float16 half_done[3][TS], row[TS];
        index_t o = first + v * 16, count = g.out_per_group - o;
        index_t from = (group * g.out_per_group + o) * g.w_o + c * g.w_i + g.w_start;
        for (int k = 0; k < 3; ++k) {
            float16 column[3];
            for (int h = 0; h < 3; ++h)
                column[h] = load_channels(g, w, from + h * g.w_h + k * g.w_w, count);
            TRANSFORM_WEIGHTS(half_done[k], column);
        }
        for (int i = 0; i < TS; ++i) {
            float16 line[3] = {half_done[0][i], half_done[1][i], half_done[2][i]};
            TRANSFORM_WEIGHTS(row, line);
            for (int j = 0; j < TS; ++j)
                vstore16(row[j], v, packed + ((long)(i * TS + j) * g.in_per_group + c) * OC);
        }
    }
}

/* Element q of eight tiles that lie side by side, M elements apart. */
#if M == 4
#define EVERY(line, q)                                                                             \
    ((q) % 2 == 0                                                                                  \
         ? (float16)(vload16(0, (line) + (q)).even, vload16(1, (line) + (q)).even).even            \
         : (float16)(vload16(0, (line) + (q)-1).odd, vload16(1, (line) + (q)-1).odd).even)
#else
#define EVERY(line, q) vload16(0, (line) + (q)).even
#endif

/*
 * transformed[TS*TS][channel][tile] of `rows` rows of tiles from row `first_row`, counted through
 * all pictures; `step` is the length of a line in local memory: the padded input row and slack for
 * whole vectors. Global size (rows, channels).
 */
kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
winograd_input(const geometry g, const offsets at, global const x_t *restrict x,
               global float *restrict transformed, const long transformed_at,
               const index_t first_row, local float *restrict lines) {
    index_t row = first_row + (index_t)get_global_id(0), c = (index_t)get_global_id(1);
    index_t tiles_h = (g.out_h + M - 1) / M, tiles_w = (g.out_w + M - 1) / M;
    index_t tiles = tiles_w * (index_t)get_global_size(0);
    index_t first_tile = tiles_w * (index_t)get_global_id(0);
    index_t n = row / tiles_h, in_h = row % tiles_h * M - g.pad_h;
    x += at.x;
    for (int r = 0; r < TS; ++r) {
        local float *line = lines + r * g.step;
        index_t h = in_h + r, from = n * g.x_n + c * g.x_c + h * g.x_h;
        for (index_t q = 0; q < g.step; ++q)
            line[q] = 0;
        if (h < 0 || h >= g.in_h)
            continue;
        if (g.x_w == 1)
            for (index_t q = 0; q < g.in_w; ++q)
                line[g.pad_w + q] = LOAD_X(g, x, from + q);
        else
            for (index_t q = 0; q < g.in_w; ++q)
                line[g.pad_w + q] = LOAD_X(g, x, from + q * g.x_w);
    }
    for (index_t q = 0; q < g.step; q += 16) {
        float16 d[TS], t[TS];
        #pragma unroll
        for (int r = 0; r < TS; ++r)
            d[r] = vload16(0, lines + r * g.step + q);
        TRANSFORM_INPUT(t, d);
        #pragma unroll
        for (int r = 0; r < TS; ++r)
            vstore16(t[r], 0, lines + r * g.step + q);
    }
    transformed += transformed_at + (long)c * tiles + first_tile;
    long plane = (long)tiles * (index_t)get_global_size(1);
    for (int r = 0; r < TS; ++r)
        for (index_t tile = 0; tile < tiles_w; tile += 8) {
            local const float *line = lines + r * g.step + tile * M;
            float8 d[TS], t[TS];
            #pragma unroll
            for (int q = 0; q < TS; ++q)
                d[q] = EVERY(line, q);
            TRANSFORM_INPUT(t, d);
            index_t count = tiles_w - tile;
            #pragma unroll
            for (int q = 0; q < TS; ++q) {
                global float *to = transformed + (r * TS + q) * plane + tile;
                if (count >= 8) {
                    vstore8(t[q], 0, to);
                } else {
                    float values[8];
                    vstore8(t[q], 0, values);
                    for (index_t i = 0; i < count; ++i)
                        to[i] = values[i];
                }
            }
        }
}

/*
 * Multiplies and transforms back. `step` is the number of tiles that winograd_input made. Global
 * size (groups of TILES tiles, channel blocks of all groups).
 */
kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
winograd(const geometry g, const offsets at, const scalars s,
         global const float *restrict transformed, const long transformed_at,
         global const float *restrict packed, const long packed_at, const index_t first_row,
         global const y_t *restrict bias, global const y_t *residual, global y_t *y) {
    index_t first_tile = (index_t)get_global_id(0) * TILES, block = (index_t)get_global_id(1);
    index_t blocks = (g.out_per_group + OC - 1) / OC;
    index_t group = block / blocks, first = block % blocks * OC;
    index_t tiles_h = (g.out_h + M - 1) / M, tiles_w = (g.out_w + M - 1) / M;
    index_t from[TILES];
    float16 products[TS * TS][TILES][VECTORS];
    #pragma unroll
    for (int i = 0; i < TILES; ++i) /* tiles beyond the end repeat the last one, unstored */
        from[i] = min(first_tile + i, g.step - 1);
    transformed += transformed_at + (long)group * g.in_per_group * g.step;
    packed += packed_at + (long)block * TS * TS * g.in_per_group * OC;
    for (int place = 0; place < TS * TS; ++place) {
        global const float *x = transformed + (long)place * g.groups * g.in_per_group * g.step;
        float16 sums[TILES][VECTORS];
        #pragma unroll
        for (int i = 0; i < TILES; ++i)
            #pragma unroll
            for (int v = 0; v < VECTORS; ++v)
                sums[i][v] = 0;
        for (index_t c = 0; c < g.in_per_group; ++c, x += g.step, packed += OC) {
            float16 weights[VECTORS];
            #pragma unroll
            for (int v = 0; v < VECTORS; ++v)
                weights[v] = vload16(v, packed);
            #pragma unroll
            for (int i = 0; i < TILES; ++i) {
                float value = x[from[i]];
                #pragma unroll
                for (int v = 0; v < VECTORS; ++v)
                    sums[i][v] += weights[v] * value;
            }
        }
        #pragma unroll
        for (int i = 0; i < TILES; ++i)
            #pragma unroll
            for (int v = 0; v < VECTORS; ++v)
                products[place][i][v] = sums[i][v];
    }

    bias += at.bias;
    residual += at.residual;
    y += at.y;
    for (int i = 0; i < TILES && first_tile + i < g.step; ++i)
        for (int v = 0; v < VECTORS; ++v) {
            float16 half_done[M][TS];
            #pragma unroll
            for (int q = 0; q < TS; ++q) {
                float16 column[TS], done[M];
                #pragma unroll
                for (int r = 0; r < TS; ++r)
                    column[r] = products[r * TS + q][i][v];
                TRANSFORM_OUTPUT(done, column);
                #pragma unroll
                for (int r = 0; r < M; ++r)
                    half_done[r][q] = done[r];
            }
            index_t tile = first_tile + i, row = first_row + tile / tiles_w;
            index_t n = row / tiles_h, out_h = row % tiles_h * M, out_w = tile % tiles_w * M;
            index_t channel = group * g.out_per_group + first + v * 16;
            int channels = (int)min(g.out_per_group - first - v * 16, (index_t)16);
            int width = (int)min(g.out_w - out_w, (index_t)M);
            index_t corner = n * g.y_n + out_h * g.y_h + out_w * g.y_w + channel * g.y_c;
            #pragma unroll
            for (int r = 0; r < M; ++r) {
                float16 done[M];
                float line[M][16];
                if (out_h + r >= g.out_h)
                    break;
                TRANSFORM_OUTPUT(done, half_done[r]);
                #pragma unroll
                for (int q = 0; q < M; ++q)
                    vstore16(done[q], 0, line[q]);
                index_t to = corner + r * g.y_h;
                if (width == M && g.y_w == 1)
                    for (int o = 0; o < channels; ++o)
                        for (int q = 0; q < M; ++q)
                            finish(line[q][o], s, bias, residual, y, channel + o,
                                   to + o * g.y_c + q);
                else
                    for (int o = 0; o < channels; ++o)
                        for (int q = 0; q < width; ++q)
                            finish(line[q][o], s, bias, residual, y, channel + o,
                                   to + o * g.y_c + q * g.y_w);
            }
        }
}
