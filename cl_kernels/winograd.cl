/*
 * Winograd's minimal filtering F(M x M, R x R) (Lavin and Gray, "Fast Algorithms for Convolutional
 * Neural Networks", arXiv:1509.09308) with one work-item per work-group, for CPUs. An output tile of
 * M x M takes TS*TS multiplications per channel pair, TS = M + R - 1, instead of R*R*M*M. Stages:
 * winograd_pack transforms the weights, winograd_input some rows of input tiles, and winograd
 * multiplies them and transforms back while the sums are still in cache.
 */
#ifndef VECTORS
#define VECTORS 2
#endif
#ifndef TILES
#define TILES 7
#endif
#ifndef ROWS
#define ROWS 1 /* of tiles, that fill a vector together */
#endif
#define OC (16 * VECTORS)
#define LANES 16
#define PARTS (M / ROWS) /* vectors of a line, of which M make one of each column */
#define AHEAD 8 /* channels that are asked for before they are needed */

/* One weight of 16 output channels, of which `count` are there. */
static inline float16 load_channels(geometry g, global const w_t *restrict w, index_t from,
                                    index_t count) {
    float lanes[16];
    for (int i = 0; i < 16; ++i)
        lanes[i] = i < count ? LOAD_W(g, w, from + i * g.w_o) : 0.0f;
    return vload16(0, lanes);
}

#if TYPE == TYPE_F32
#define WEIGHTS (R * R)
#define TURNED  (WEIGHTS < 16 ? WEIGHTS : 16)

/* Whether the weights of a filter lie one behind the other, be it backwards. */
static inline int has_dense_taps(geometry g) {
    return (g.w_w == 1 && g.w_h == R) || (g.w_w == -1 && g.w_h == -R);
}

/* TURNED elements of 16 filters: rows become columns. */
static inline void turn_elements(float16 *elements, global const float *restrict w,
                                 index_t filter_step) {
    float16 turned[16];
    load_columns16(turned, w, filter_step);
    #pragma unroll
    for (int i = 0; i < TURNED; ++i)
        elements[i] = turned[i];
}

/* The same where 16 elements from each of the filters are there to be read. */
static inline void turn_filters(float16 taps[WEIGHTS], geometry g, global const float *restrict w) {
    const index_t low = min((R - 1) * (g.w_h + g.w_w), (index_t)0);
    float16 elements[WEIGHTS];
    turn_elements(elements, w + low, g.w_o);
#if WEIGHTS > 16
    turn_elements(elements + WEIGHTS - 16, w + low + WEIGHTS - 16, g.w_o);
#endif
    #pragma unroll
    for (int i = 0; i < WEIGHTS; ++i)
        taps[i] = low ? elements[WEIGHTS - 1 - i] : elements[i];
}
#endif

/*
 * The weights of 16 output channels, of which `count` are there, at input channel c. Vectors reach beyond
 * filters that are shorter: to the next output or input channel's, which must be there.
 */
static inline void load_filters(float16 taps[R * R], geometry g, global const w_t *restrict w,
                                index_t from, index_t count, index_t c) {
#if TYPE == TYPE_F32
    int can_turn = count >= 16 && has_dense_taps(g);
#if WEIGHTS < 16
    can_turn &= (c + 1 < g.in_per_group && g.w_i >= WEIGHTS) || (count > 16 && g.w_o >= WEIGHTS);
#endif
    if (can_turn) {
        turn_filters(taps, g, w + from);
        return;
    }
#endif
    for (int h = 0; h < R; ++h)
        for (int k = 0; k < R; ++k)
            taps[h * R + k] = load_channels(g, w, from + h * g.w_h + k * g.w_w, count);
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
        float16 taps[R * R], half_done[R][TS], row[TS];
        index_t o = first + v * 16, count = g.out_per_group - o;
        index_t from = (group * g.out_per_group + o) * g.w_o + c * g.w_i + g.w_start;
        load_filters(taps, g, w, from, count, c);
        for (int k = 0; k < R; ++k) {
            float16 column[R];
            for (int h = 0; h < R; ++h)
                column[h] = taps[h * R + k];
            TRANSFORM_WEIGHTS(half_done[k], column);
        }
        for (int i = 0; i < TS; ++i) {
            float16 line[R];
            for (int k = 0; k < R; ++k)
                line[k] = half_done[k][i];
            TRANSFORM_WEIGHTS(row, line);
            for (int j = 0; j < TS; ++j)
                STORE16(global, row[j],
                        packed + ((long)(i * TS + j) * g.in_per_group + c) * OC + v * 16);
        }
    }
}

/*
 * columns[k] = elements k, M + k, 2*M + k, ... of a line: column k of 16 tiles that lie side by side, or
 * of the tiles of ROWS rows, whose lines are `row_step` apart.
 */
static inline void split_columns(float16 columns[TS], local const float *line, index_t row_step) {
    float16 parts[M];
    #pragma unroll
    for (int k = 0; k < TS; ++k) {
        if (k % M == 0)
            #pragma unroll
            for (int i = 0; i < M; ++i)
                parts[i] = LOAD16(local, line + i / PARTS * row_step + i % PARTS * LANES + k);
#if M == 4
        const float16 lower = k % 2 ? ODD16(parts[0], parts[1]) : EVEN16(parts[0], parts[1]);
        const float16 upper = k % 2 ? ODD16(parts[2], parts[3]) : EVEN16(parts[2], parts[3]);
        columns[k] = k % 4 < 2 ? EVEN16(lower, upper) : ODD16(lower, upper);
#else
        columns[k] = k % 2 ? ODD16(parts[0], parts[1]) : EVEN16(parts[0], parts[1]);
#endif
    }
}

/* Stores what ROWS rows have in a vector, of which `count` are there; the next overwrites too much. */
static inline void store_rows(float16 v, global float *to, index_t tiles_w, index_t count) {
#if ROWS == 1
    STORE16(global, v, to);
#elif ROWS == 2
    STORE8(global, v.lo, to);
    if (count > 1)
        STORE8(global, v.hi, to + tiles_w);
#else
    vstore4(v.s0123, 0, to);
    if (count > 1)
        vstore4(v.s4567, 0, to + tiles_w);
    if (count > 2)
        vstore4(v.s89ab, 0, to + 2 * tiles_w);
    if (count > 3)
        vstore4(v.scdef, 0, to + 3 * tiles_w);
#endif
}

/* TS lines of the padded input. */
static inline void copy_lines(local float *restrict lines, geometry g,
                              global const x_t *restrict x, index_t from, index_t in_h) {
    for (index_t q = 0; q < TS * g.step; q += LANES)
        STORE16(local, (float16)0, lines + q);
    for (int r = 0; r < TS; ++r) {
        local float *line = lines + r * g.step;
        const index_t h = in_h + r, row = from + h * g.x_h;
        if (h < 0 || h >= g.in_h)
            continue;
        line += g.pad_w;
#if TYPE == TYPE_F32
        if (g.x_w == 1) {
            copy_dense(line, x + row, g.in_w);
            continue;
        }
#endif
        for (index_t q = 0; q < g.in_w; ++q)
            line[q] = LOAD_X(g, x, row + q * g.x_w);
    }
}

#if TYPE == TYPE_F32
/* The same 16 columns of a line, but of the input where it lies. */
static inline float16 load_line(geometry g, global const float *restrict plane, index_t h,
                                index_t column) {
    const index_t row = clamp(h, (index_t)0, g.in_h - 1);
    return load_inside(plane + row * g.x_h, column - g.pad_w, row == h ? g.in_w : 0);
}
#endif

/*
 * A row of tiles whose first line is `in_h`, transformed along the columns into TS lines, of which
 * `width` elements are needed. They are copied first only where vectors could reach beyond the tensor:
 * what is written has to reach the cache before it is read at other places, which took a third of the time.
 */
static inline void transform_columns(local float *restrict lines, geometry g,
                                     global const x_t *restrict x, index_t from, index_t in_h,
                                     index_t width) {
    int is_copied = 1;
#if TYPE == TYPE_F32
    is_copied = !is_loadable(g, from, g.pad_w, width + LANES);
#endif
    if (is_copied)
        copy_lines(lines, g, x, from, in_h);
    for (index_t q = 0; q < width; q += LANES) {
        float16 d[TS], t[TS];
        #pragma unroll
        for (int r = 0; r < TS; ++r)
#if TYPE == TYPE_F32
            d[r] = is_copied ? LOAD16(local, lines + r * g.step + q)
                             : load_line(g, x + from, in_h + r, q);
#else
            d[r] = LOAD16(local, lines + r * g.step + q);
#endif
        TRANSFORM_INPUT(t, d);
        #pragma unroll
        for (int r = 0; r < TS; ++r)
            STORE16(local, t[r], lines + r * g.step + q);
    }
}

/*
 * transformed[TS*TS][channel][tile] of `rows` rows of tiles from row `first_row`, counted through
 * all pictures; channels lie `pitch` elements apart. A row is stored in whole vectors, or parts of one,
 * whose ends the next row overwrites; behind the last there is room for them. `step` is the length of a line
 * in local memory. Global size (channels).
 */
kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
winograd_input(const geometry g, const offsets at, global const x_t *restrict x,
               global float *restrict transformed, const long transformed_at,
               const index_t first_row, const index_t rows, const index_t pitch,
               local float *restrict lines) {
    const index_t c = (index_t)get_global_id(0);
    const index_t tiles_h = (g.out_h + M - 1) / M, tiles_w = (g.out_w + M - 1) / M;
    const long plane = (long)pitch * (index_t)get_global_size(0);
    x += at.x;
    transformed += transformed_at + (long)c * pitch;
    const index_t row_step = TS * g.step;
    for (index_t i = 0; i < rows; i += ROWS, transformed += ROWS * tiles_w) {
        const index_t count = min(rows - i, (index_t)ROWS);
        for (index_t j = 0; j < count; ++j) {
            const index_t n = (first_row + i + j) / tiles_h, tile_h = (first_row + i + j) % tiles_h;
            transform_columns(lines + j * row_step, g, x, n * g.x_n + c * g.x_c,
                              tile_h * M - g.pad_h, tiles_w * M + R - 1);
        }
        for (int r = 0; r < TS; ++r)
            for (index_t tile = 0; tile < tiles_w; tile += LANES) {
                float16 d[TS], t[TS];
                split_columns(d, lines + r * g.step + tile * M, row_step);
                TRANSFORM_INPUT(t, d);
                #pragma unroll
                for (int q = 0; q < TS; ++q)
                    store_rows(t[q], transformed + (r * TS + q) * plane + tile, tiles_w, count);
            }
    }
}

#if TYPE == TYPE_F32 && !BLENDS
#define HAS_VECTOR_STORES 1
#if M == 4
#define STORE_PIXELS(v, lanes, to) vstore4((v).lanes, 0, (to))
#else
#define STORE_PIXELS(v, lanes, to) vstore2((v).lanes.lo, 0, (to))
#endif

/*
 * Stores M neighbouring pixels of 16 channels, `step` elements apart: done[q] has the channels of
 * pixel q. In four rows of lanes the pixels of channels 0 to 3 come together, then 4 to 7, ...
 */
static inline void store_pixels(const float16 done[M], global float *restrict to, index_t step) {
    const float16 a = done[0], b = done[1];
    const float16 ab[2] = {
        (float16)(a.s0, b.s0, a.s1, b.s1, a.s4, b.s4, a.s5, b.s5, a.s8, b.s8, a.s9, b.s9, a.sc,
                  b.sc, a.sd, b.sd),
        (float16)(a.s2, b.s2, a.s3, b.s3, a.s6, b.s6, a.s7, b.s7, a.sa, b.sa, a.sb, b.sb, a.se,
                  b.se, a.sf, b.sf)};
#if M == 4
    const float16 c = done[2], d = done[3];
    const float16 cd[2] = {
        (float16)(c.s0, d.s0, c.s1, d.s1, c.s4, d.s4, c.s5, d.s5, c.s8, d.s8, c.s9, d.s9, c.sc,
                  d.sc, c.sd, d.sd),
        (float16)(c.s2, d.s2, c.s3, d.s3, c.s6, d.s6, c.s7, d.s7, c.sa, d.sa, c.sb, d.sb, c.se,
                  d.se, c.sf, d.sf)};
#else
#define cd ab
#endif
    #pragma unroll
    for (int i = 0; i < 4; ++i, to += step) {
        const float16 p = ab[i / 2], q = cd[i / 2];
        const float16 v = i % 2 == 0 ? (float16)(p.s0, p.s1, q.s0, q.s1, p.s4, p.s5, q.s4, q.s5,
                                                 p.s8, p.s9, q.s8, q.s9, p.sc, p.sd, q.sc, q.sd)
                                     : (float16)(p.s2, p.s3, q.s2, q.s3, p.s6, p.s7, q.s6, q.s7,
                                                 p.sa, p.sb, q.sa, q.sb, p.se, p.sf, q.se, q.sf);
        STORE_PIXELS(v, s0123, to);
        STORE_PIXELS(v, s4567, to + 4 * step);
        STORE_PIXELS(v, s89ab, to + 8 * step);
        STORE_PIXELS(v, scdef, to + 12 * step);
    }
#undef cd
}
#endif

/* Where the output pixels of a tile go, and how many of them there are. */
typedef struct {
    index_t channel, corner;
    int channels, width, height;
} target;

/* Transforms the products of a tile's 16 channels back, which lie `step` elements apart. */
static inline void finish_tile(local const float *restrict products, index_t step, geometry g,
                               scalars s, global const y_t *bias, global const y_t *residual,
                               global y_t *y, target to) {
    float16 half_done[M][TS];
    #pragma unroll
    for (int q = 0; q < TS; ++q) {
        float16 column[TS], done[M];
        #pragma unroll
        for (int r = 0; r < TS; ++r)
            column[r] = LOAD16(local, products + (r * TS + q) * step);
        TRANSFORM_OUTPUT(done, column);
        #pragma unroll
        for (int r = 0; r < M; ++r)
            half_done[r][q] = done[r];
    }
#if HAS_VECTOR_STORES
    if (to.channels == 16 && to.width == M && g.y_w == 1) {
        const float16 biases = s.has_bias ? LOAD16(global, bias + to.channel) : (float16)0;
        #pragma unroll
        for (int r = 0; r < M; ++r) {
            float16 done[M];
            if (r >= to.height)
                return;
            TRANSFORM_OUTPUT(done, half_done[r]);
            #pragma unroll
            for (int q = 0; q < M; ++q)
                done[q] = ACTIVATE(done[q] + biases, s);
            store_pixels(done, y + to.corner + r * g.y_h, g.y_c);
        }
        return;
    }
#endif
    for (int r = 0; r < to.height; ++r) {
        float16 done[M];
        float line[M][16];
        TRANSFORM_OUTPUT(done, half_done[r]);
        #pragma unroll
        for (int q = 0; q < M; ++q)
            vstore16(done[q], 0, line[q]);
        for (int o = 0; o < to.channels; ++o)
            for (int q = 0; q < to.width; ++q)
                finish(line[q][o], s, bias, residual, y, to.channel + o,
                       to.corner + r * g.y_h + o * g.y_c + q * g.y_w);
    }
}

/*
 * Multiplies and transforms back `group_tiles` at a time, a multiple of TILES: the weights of a place
 * serve all of them while they are in cache. `step` is the number of tiles that winograd_input made,
 * `products` has the sums of all places, tiles and channels. Global size (groups of tiles, channel
 * blocks of all groups).
 */
kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
winograd(const geometry g, const offsets at, const scalars s,
         global const float *restrict transformed, const long transformed_at,
         global const float *restrict packed, const long packed_at, const index_t first_row,
         const index_t pitch, const index_t group_tiles, global const y_t *restrict bias,
         global const y_t *residual, global y_t *y, local float *restrict products) {
    const index_t first_tile = (index_t)get_global_id(0) * group_tiles;
    const index_t block = (index_t)get_global_id(1);
    const index_t blocks = (g.out_per_group + OC - 1) / OC;
    const index_t group = block / blocks, first = block % blocks * OC;
    const index_t tiles_h = (g.out_h + M - 1) / M, tiles_w = (g.out_w + M - 1) / M;
    const index_t count = min(group_tiles, g.step - first_tile);
    transformed += transformed_at + (long)group * g.in_per_group * pitch + first_tile;
    packed += packed_at + (long)block * TS * TS * g.in_per_group * OC;
    for (int place = 0; place < TS * TS; ++place, packed += g.in_per_group * OC) {
        global const float *x = transformed + (long)place * g.groups * g.in_per_group * pitch;
        for (index_t tile = 0; tile < count; tile += TILES) { /* beyond the end: unstored */
            global const float *from = x + tile, *w = packed;
            float16 sums[TILES][VECTORS];
            #pragma unroll
            for (int i = 0; i < TILES; ++i)
                #pragma unroll
                for (int v = 0; v < VECTORS; ++v)
                    sums[i][v] = 0;
            for (index_t c = 0; c < g.in_per_group; ++c, from += pitch, w += OC) {
                float16 weights[VECTORS];
                PREFETCH(from + AHEAD * pitch);
                PREFETCH(from + AHEAD * pitch + TILES - 1);
                #pragma unroll
                for (int v = 0; v < VECTORS; ++v)
                    weights[v] = LOAD16(global, w + v * 16);
                #pragma unroll
                for (int i = 0; i < TILES; ++i) {
                    const float value = from[i];
                    #pragma unroll
                    for (int v = 0; v < VECTORS; ++v)
                        sums[i][v] += weights[v] * value;
                }
            }
            #pragma unroll
            for (int i = 0; i < TILES; ++i)
                #pragma unroll
                for (int v = 0; v < VECTORS; ++v)
                    STORE16(local, sums[i][v],
                            products + (place * group_tiles + tile + i) * OC + v * 16);
        }
    }

    for (index_t i = 0; i < count; ++i) {
        const index_t tile = first_tile + i, row = first_row + tile / tiles_w;
        const index_t n = row / tiles_h, out_h = row % tiles_h * M, out_w = tile % tiles_w * M;
        for (int v = 0; v < VECTORS; ++v) {
            target to;
            to.channel = group * g.out_per_group + first + v * 16;
            to.channels = (int)min(g.out_per_group - first - v * 16, (index_t)16);
            to.width = (int)min(g.out_w - out_w, (index_t)M);
            to.height = (int)min(g.out_h - out_h, (index_t)M);
            to.corner = n * g.y_n + out_h * g.y_h + out_w * g.y_w + to.channel * g.y_c;
            finish_tile(products + i * OC + v * 16, group_tiles * OC, g, s, bias + at.bias,
                        residual + at.residual, y + at.y, to);
        }
    }
}
