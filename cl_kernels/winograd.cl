/*
 * Winograd's minimal filtering F(M x M, R x R) (Lavin and Gray, "Fast Algorithms for Convolutional
 * Neural Networks", arXiv:1509.09308) with one work-item per work-group, for CPUs. An output tile of
 * M x M takes TS*TS multiplications per channel pair, TS = M + R - 1, instead of R*R*M*M. Stages:
 * winograd_pack transforms the weights, winograd_input some rows of input tiles, and winograd
 * multiplies them and transforms back while the sums are still in cache. winograd_at_once does the
 * last two in one, where some tiles of all channels fit into local memory: what one core wrote is
 * far from the others.
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
#define WEIGHTS_AHEAD 24 /* the same of weights, which come from the third-level cache where many */
/* Where transformed input lies: in the workspace, or with the work-item that multiplies it. */
#if AT_ONCE
#define BETWEEN local
#else
#define BETWEEN global
#endif

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

/* Stores what ROWS rows have in a vector, of which `count` are there; the next ones overwrite what
 * is too much. */
static inline void store_rows(float16 v, BETWEEN float *to, index_t tiles_w, index_t count) {
#if ROWS == 1
    STORE16(BETWEEN, v, to);
#elif ROWS == 2
    STORE8(BETWEEN, v.lo, to);
    if (count > 1)
        STORE8(BETWEEN, v.hi, to + tiles_w);
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

/* A rectangle of tiles; rows are counted through all pictures. */
typedef struct {
    index_t first_row, rows, first_column, columns;
} tile_area;

/*
 * A row of an area, whose first line is `in_h`, transformed along the columns into TS lines. They
 * are copied first only where vectors could reach beyond the tensor: what is written has to reach
 * the cache before it is read at other places, which took a third of the time.
 */
static inline void transform_columns(local float *restrict lines, geometry g,
                                     global const x_t *restrict x, index_t from, index_t in_h,
                                     tile_area area) {
    const index_t end = (area.first_column + area.columns) * M + R - 1;
    int is_copied = 1;
#if TYPE == TYPE_F32
    is_copied = !is_loadable(g, from, g.pad_w, end + LANES);
#endif
    if (is_copied)
        copy_lines(lines, g, x, from, in_h);
    for (index_t q = area.first_column * M; q < end; q += LANES) {
        float16 d[TS], t[TS];
        #pragma unroll
        for (int r = 0; r < TS; ++r) {
#if AT_ONCE /* the next channel's, which lies too far away for processors to foresee */
            PREFETCH(x + from + g.x_c + (in_h + r) * g.x_h + q - g.pad_w);
#endif
#if TYPE == TYPE_F32
            if (!is_copied) {
                d[r] = load_line(g, x + from, in_h + r, q);
                continue;
            }
#endif
            d[r] = LOAD16(local, lines + r * g.step + q);
        }
        TRANSFORM_INPUT(t, d);
        #pragma unroll
        for (int r = 0; r < TS; ++r)
            STORE16(local, t[r], lines + r * g.step + q);
    }
}

/*
 * Transforms an area of a channel. A row is stored in whole vectors, or parts of one, whose ends the
 * next row overwrites; behind the last there is room for them. Places lie `plane` elements apart.
 * `step` is the length of a line in local memory.
 */
static inline void transform_area(BETWEEN float *restrict to, long plane, geometry g,
                                  global const x_t *restrict x, index_t channel, tile_area area,
                                  local float *restrict lines) {
    const index_t tiles_h = (g.out_h + M - 1) / M, row_step = TS * g.step;
    for (index_t i = 0; i < area.rows; i += ROWS, to += ROWS * area.columns) {
        const index_t count = min(area.rows - i, (index_t)ROWS);
        for (index_t j = 0; j < count; ++j) {
            const index_t row = area.first_row + i + j, n = row / tiles_h, tile_h = row % tiles_h;
            transform_columns(lines + j * row_step, g, x, n * g.x_n + channel * g.x_c,
                              tile_h * M - g.pad_h, area);
        }
        for (int r = 0; r < TS; ++r)
            for (index_t tile = 0; tile < area.columns; tile += LANES) {
                float16 d[TS], t[TS];
                split_columns(d, lines + r * g.step + (area.first_column + tile) * M, row_step);
                TRANSFORM_INPUT(t, d);
                #pragma unroll
                for (int q = 0; q < TS; ++q)
                    store_rows(t[q], to + (r * TS + q) * plane + tile, area.columns, count);
            }
    }
}

#if !AT_ONCE
/* transformed[TS*TS][channel][tile], channels `pitch` elements apart. Global size (channels). */
kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
winograd_input(const geometry g, const offsets at, global const x_t *restrict x,
               global float *restrict transformed, const long transformed_at,
               const index_t first_row, const index_t rows, const index_t pitch,
               local float *restrict lines) {
    const index_t c = (index_t)get_global_id(0);
    tile_area area;
    area.first_row = first_row;
    area.rows = rows;
    area.first_column = 0;
    area.columns = (g.out_w + M - 1) / M;
    transform_area(transformed + transformed_at + (long)c * pitch,
                   (long)pitch * (index_t)get_global_size(0), g, x + at.x, c, area, lines);
}
#endif

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

/*
 * A tile's products of 16 channels, transformed along its rows and `step` elements apart, become
 * pixels.
 */
static inline void transform_halves(float16 pixels[M][M], local const float *restrict halves,
                                    index_t step) {
    #pragma unroll
    for (int q = 0; q < M; ++q) {
        float16 column[TS], done[M];
        #pragma unroll
        for (int r = 0; r < TS; ++r)
            column[r] = LOAD16(local, halves + (r * M + q) * step);
        TRANSFORM_OUTPUT(done, column);
        #pragma unroll
        for (int r = 0; r < M; ++r)
            pixels[r][q] = done[r];
    }
}

#if HAS_VECTOR_STORES
#define RUN (16 / M) /* tiles whose pixels fill a vector */
/* RUN tiles that lie side by side: pixels of 16 channels become 16 pixels of each channel. */
static inline void finish_run(local const float *restrict halves, index_t step, geometry g,
                              scalars s, global const y_t *bias, global y_t *y, target to) {
    const float16 biases = s.has_bias ? LOAD16(global, bias + to.channel) : (float16)0;
    float16 run[M][16];
    for (int tile = 0; tile < RUN; ++tile) {
        float16 pixels[M][M];
        transform_halves(pixels, halves + tile * OC, step);
        #pragma unroll
        for (int r = 0; r < M; ++r)
            #pragma unroll
            for (int q = 0; q < M; ++q)
                run[r][tile * M + q] = ACTIVATE(pixels[r][q] + biases, s);
    }
    for (int r = 0; r < to.height; ++r) {
        float16 rows[16];
        #pragma unroll
        for (int i = 0; i < 16; ++i)
            rows[i] = run[r][i];
        transpose16(rows);
        #pragma unroll
        for (int i = 0; i < 16; ++i)
            STORE16(global, rows[i], y + to.corner + r * g.y_h + i * g.y_c);
    }
}
#endif

/* One tile. */
static inline void finish_tile(local const float *restrict halves, index_t step, geometry g,
                               scalars s, global const y_t *bias, global const y_t *residual,
                               global y_t *y, target to) {
    float16 pixels[M][M];
    transform_halves(pixels, halves, step);
#if HAS_VECTOR_STORES
    if (to.channels == 16 && to.width == M && g.y_w == 1) {
        const float16 biases = s.has_bias ? LOAD16(global, bias + to.channel) : (float16)0;
        #pragma unroll
        for (int r = 0; r < M; ++r) {
            float16 done[M];
            if (r >= to.height)
                return;
            #pragma unroll
            for (int q = 0; q < M; ++q)
                done[q] = ACTIVATE(pixels[r][q] + biases, s);
            store_pixels(done, y + to.corner + r * g.y_h, g.y_c);
        }
        return;
    }
#endif
    for (int r = 0; r < to.height; ++r) {
        float line[M][16];
        #pragma unroll
        for (int q = 0; q < M; ++q)
            vstore16(pixels[r][q], 0, line[q]);
        for (int o = 0; o < to.channels; ++o)
            for (int q = 0; q < to.width; ++q)
                finish(line[q][o], s, bias, residual, y, to.channel + o,
                       to.corner + r * g.y_h + o * g.y_c + q * g.y_w);
    }
}

/*
 * `count` tiles from the `first` on, counted along rows of `columns` tiles, and OC channels of a group
 * from `channel` on; local memory has `room` for whole steps of TILES.
 */
typedef struct {
    index_t first_row, first_column, columns;
    index_t first, count, room;
    index_t group, channel;
} tile_run;

/*
 * products[tile][OC] of a place, in steps of TILES tiles: the weights of a place serve all of them
 * while they are in cache. What is multiplied beyond the last tile is not used.
 */
static inline void multiply_place(local float *restrict products, index_t count,
                                  BETWEEN const float *restrict transformed, index_t pitch,
                                  global const float *restrict packed, index_t channels) {
    for (index_t tile = 0; tile < count; tile += TILES) {
        BETWEEN const float *from = transformed + tile;
        global const float *w = packed;
        float16 sums[TILES][VECTORS];
        #pragma unroll
        for (int i = 0; i < TILES; ++i)
            #pragma unroll
            for (int v = 0; v < VECTORS; ++v)
                sums[i][v] = 0;
        for (index_t c = 0; c < channels; ++c, from += pitch, w += OC) {
            float16 weights[VECTORS];
#if !AT_ONCE
            PREFETCH(from + AHEAD * pitch);
            PREFETCH(from + AHEAD * pitch + TILES - 1);
#elif VECTORS == 1
            PREFETCH(w + WEIGHTS_AHEAD * OC);
#endif
#if VECTORS == 1 /* multiply-adds broadcast from an address of one register and a number */
            OPAQUE(from);
#endif
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
                STORE16(local, sums[i][v], products + (tile + i) * OC + v * 16);
    }
}

/*
 * halves[TS][M][tile][OC]: each row of places is transformed back while its products, which lie
 * behind the halves, are in the first-level cache.
 */
static inline void multiply(local float *restrict halves, tile_run of,
                            BETWEEN const float *restrict transformed, long plane, index_t pitch,
                            global const float *restrict packed, index_t channels) {
    const index_t step = of.room * OC;
    local float *products = halves + TS * M * step;
    for (int r = 0; r < TS; ++r, halves += M * step) {
        for (int q = 0; q < TS; ++q, packed += channels * OC, transformed += plane)
            multiply_place(products + q * step, of.count, transformed, pitch, packed, channels);
        for (index_t i = 0; i < of.count * OC; i += 16) {
            float16 row[TS], done[M];
            #pragma unroll
            for (int q = 0; q < TS; ++q)
                row[q] = LOAD16(local, products + q * step + i);
            TRANSFORM_OUTPUT(done, row);
            #pragma unroll
            for (int q = 0; q < M; ++q)
                STORE16(local, done[q], halves + q * step + i);
        }
    }
}

/* Transforms some tiles back to the end. */
static inline void finish_tiles(local const float *restrict halves, geometry g, scalars s,
                                global const y_t *bias, global const y_t *residual, global y_t *y,
                                tile_run of) {
    const index_t tiles_h = (g.out_h + M - 1) / M, step = of.room * OC;
    for (index_t i = 0; i < of.count;) {
        index_t column = (of.first + i) % of.columns, tiles = 1;
        const index_t row = of.first_row + (of.first + i) / of.columns;
        const index_t n = row / tiles_h, out_h = row % tiles_h * M;
#if HAS_VECTOR_STORES
        /* The last run of a row overlaps the one before it. */
        const index_t back = max(column + RUN - of.columns, (index_t)0);
        const index_t begin = i - back, end = (of.first_column + column - back) * M + 16;
        if (g.y_w == 1 && back <= min(i, column) && begin + RUN <= of.count && end <= g.out_w) {
            i = begin;
            column -= back;
            tiles = RUN;
        }
#endif
        for (int v = 0; v < VECTORS; ++v) {
            const index_t out_w = (of.first_column + column) * M;
            target to;
            to.channel = of.group * g.out_per_group + of.channel + v * 16;
            to.channels = (int)min(g.out_per_group - of.channel - v * 16, (index_t)16);
            to.height = (int)min(g.out_h - out_h, (index_t)M);
            to.corner = n * g.y_n + out_h * g.y_h + out_w * g.y_w + to.channel * g.y_c;
#if HAS_VECTOR_STORES
            if (tiles == RUN && to.channels == 16) {
                finish_run(halves + i * OC + v * 16, step, g, s, bias, y, to);
                continue;
            }
#endif
            for (index_t k = 0; k < tiles; ++k, to.corner += M * g.y_w) {
                to.width = (int)min(g.out_w - out_w - k * M, (index_t)M);
                finish_tile(halves + (i + k) * OC + v * 16, step, g, s, bias, residual, y, to);
            }
        }
        i += tiles;
    }
}

#if AT_ONCE
/*
 * Transforms `rows` by `columns` tiles of a group's channels, multiplies them by the weights of all
 * channel blocks, or of a part of them, and transforms back. Global size (areas of a row of tiles,
 * areas of the rows, parts of all groups).
 */
kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
winograd_at_once(const geometry g, const offsets at, const scalars s, global const x_t *restrict x,
                 global const float *restrict packed, const long packed_at, const index_t rows,
                 const index_t columns, const index_t pitch, global const y_t *restrict bias,
                 global const y_t *residual, global y_t *y, local float *restrict lines,
                 local float *restrict transformed, local float *restrict halves) {
    const index_t tiles_h = (g.out_h + M - 1) / M, tiles_w = (g.out_w + M - 1) / M;
    const index_t blocks = (g.out_per_group + OC - 1) / OC;
    const index_t weights = TS * TS * g.in_per_group * OC;
    const long plane = (long)g.in_per_group * pitch + LANES; /* no power of two, see a cache's sets */
    tile_area area;
    tile_run of;
    area.first_row = (index_t)get_global_id(1) * rows;
    area.rows = min(rows, g.batch * tiles_h - area.first_row);
    area.first_column = (index_t)get_global_id(0) * columns;
    area.columns = min(columns, tiles_w - area.first_column);
    of.first_row = area.first_row;
    of.first_column = area.first_column;
    of.columns = area.columns;
    of.first = 0;
    of.count = area.rows * area.columns;
    of.room = (rows * columns + TILES - 1) / TILES * TILES; /* as the host gave local memory */
    const index_t parts = (index_t)get_global_size(2) / g.groups;
    const index_t share = (blocks + parts - 1) / parts;
    const index_t first = (index_t)get_global_id(2) % parts * share;
    const index_t end = min(first + share, blocks);
    of.group = (index_t)get_global_id(2) / parts;
    for (index_t c = 0; c < g.in_per_group; ++c)
        transform_area(transformed + c * pitch, plane, g, x + at.x, of.group * g.in_per_group + c,
                       area, lines);
    packed += packed_at + (long)(of.group * blocks + first) * weights;
    for (index_t block = first; block < end; ++block, packed += weights) {
        of.channel = block * OC;
        multiply(halves, of, transformed, plane, pitch, packed, g.in_per_group);
        finish_tiles(halves, g, s, bias + at.bias, residual + at.residual, y + at.y, of);
    }
}
#else
/*
 * Multiplies and transforms back `group_tiles` at a time, a multiple of TILES. `step` is the number
 * of tiles that winograd_input made. Global size (groups of tiles, channel blocks of all groups).
 */
kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
winograd(const geometry g, const offsets at, const scalars s,
         global const float *restrict transformed, const long transformed_at,
         global const float *restrict packed, const long packed_at, const index_t first_row,
         const index_t pitch, const index_t group_tiles, global const y_t *restrict bias,
         global const y_t *residual, global y_t *y, local float *restrict halves) {
    const index_t block = (index_t)get_global_id(1);
    const index_t blocks = (g.out_per_group + OC - 1) / OC;
    tile_run of;
    of.first_row = first_row;
    of.first_column = 0;
    of.columns = (g.out_w + M - 1) / M;
    of.first = (index_t)get_global_id(0) * group_tiles;
    of.count = min(group_tiles, g.step - of.first);
    of.room = group_tiles;
    of.group = block / blocks;
    of.channel = block % blocks * OC;
    multiply(halves, of,
             transformed + transformed_at + (long)of.group * g.in_per_group * pitch + of.first,
             (long)g.groups * g.in_per_group * pitch, pitch,
             packed + packed_at + (long)block * TS * TS * g.in_per_group * OC, g.in_per_group);
    finish_tiles(halves, g, s, bias + at.bias, residual + at.residual, y + at.y, of);
}
#endif
