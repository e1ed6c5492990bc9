/*
 * For CPUs and few input channels per group, depthwise above all. A work-item computes `step` output
 * rows of all output channels of some groups that follow each other. It puts the input rows that
 * they need into local memory once, padded and split into as many phases as the stride is wide, so
 * that each tap of 16 neighbouring outputs is one contiguous vector. OC channels by ROWS rows of
 * vectors of sums stay in registers; an input vector serves all rows that have a tap on it.
 * Global size (bands of rows times out_d, work-items for the groups, batch). Common kernels come
 * with their extents as numbers, so that their taps are unrolled; others take one row at a time.
 * Common depthwise ones are computed from the input where it lies, except for planes at the ends of
 * the tensor, beyond which vectors would reach.
 */
#ifndef OC
#define OC 1
#endif
#ifndef ROWS
#define ROWS 1
#endif
#ifdef KERNEL_H
#define IS_COMMON 1
#define UNROLL_TAPS _Pragma("unroll")
#else
#define UNROLL_TAPS
#undef ROWS
#define ROWS 1
#define KERNEL_D g.kernel_d
#define KERNEL_H g.kernel_h
#define KERNEL_W g.kernel_w
#define STRIDE_H g.stride_h
#define STRIDE_W g.stride_w
#define DILATION_W g.dilation_w
#endif
#define LANES 16
#define STRIP 14 /* rows that are computed before the next columns, so that these are still cached */
#define AHEAD (STRIP * STRIDE_H) /* rows of the input that are asked for before they are needed */
/* The last vector of a row overlaps the one before it, unless outputs are read as well as written. */
#if BLENDS
#define NEXT_VECTOR(out_w) ((out_w) + LANES)
#else
#define NEXT_VECTOR(out_w) min((out_w) + LANES, g.out_w - LANES)
#endif
#define TAP_ROWS ((ROWS - 1) * STRIDE_H + KERNEL_H) /* that ROWS output rows see */

/* even[k] = from[2k], odd[k] = from[2k + 1], likewise. */
#define SPLIT_VECTORS(width)                                                                       \
    for (index_t k = 0;; k = min(k + width, count - width)) {                                      \
        float##width a = vload##width(0, from + 2 * k), b = vload##width(1, from + 2 * k);         \
        vstore##width((float##width)(a.even, b.even), 0, even + k);                                \
        vstore##width((float##width)(a.odd, b.odd), 0, odd + k);                                   \
        if (k + width == count)                                                                    \
            break;                                                                                 \
    }

#if TYPE == TYPE_F32
static inline void split_dense(local float *restrict even, local float *restrict odd,
                               global const float *restrict from, index_t count) {
    if (count >= 16)
        for (index_t k = 0;; k = min(k + 16, count - 16)) {
            const float16 a = LOAD16(global, from + 2 * k), b = LOAD16(global, from + 2 * k + 16);
            STORE16(local, EVEN16(a, b), even + k);
            STORE16(local, ODD16(a, b), odd + k);
            if (k + 16 == count)
                break;
        }
    else if (count >= 8)
        SPLIT_VECTORS(8)
    else
        for (index_t k = 0; k < count; ++k) {
            even[k] = from[2 * k];
            odd[k] = from[2 * k + 1];
        }
}
#endif

/*
 * The elements of one input row that outputs see; what lies around them is zero and stays so.
 * Element j of the padded row is the (j / stride)-th of phase j % stride.
 */
static inline void copy_row(local float *restrict to, geometry g, global const x_t *restrict x,
                            index_t from, index_t phase) {
    const index_t first = g.pad_w;
    index_t j = max(-first, (index_t)0); /* behind a negative pad */
    const index_t end = min(g.in_w, phase * STRIDE_W - first);
#if TYPE == TYPE_F32
    if (STRIDE_W == 1 && g.x_w == 1 && j < end) {
        copy_dense(to + first + j, x + from + j, end - j);
        return;
    }
    if (STRIDE_W == 2 && g.x_w == 1 && j + 2 <= end && (first + end + 1) / 2 <= phase) {
        const index_t pairs = (end - j) / 2, e = first + j, o = first + j + 1;
        split_dense(to + e % 2 * phase + e / 2, to + o % 2 * phase + o / 2, x + from + j, pairs);
        j += 2 * pairs;
    }
#endif
    for (; j < end; ++j)
        to[(first + j) % STRIDE_W * phase + (first + j) / STRIDE_W] =
            LOAD_X(g, x, from + j * g.x_w);
}

/* A band of output rows of one depth, and the input rows that it sees. */
typedef struct {
    index_t n, out_d, first_h, out_rows;
    index_t in_rows, phase, line, plane; /* line: elements of an input row with all its phases */
} band;

#if TYPE == TYPE_F32
/*
 * Rows that are shorter than a vector and follow each other in memory: what a load has too much is
 * the next row's, and becomes padding. Returns how many rows of `count` were copied; the load of
 * the others would reach beyond the `rest` elements from the first on.
 */
static inline index_t copy_short_rows(local float *restrict to, geometry g,
                                      global const float *restrict from, band b, index_t count,
                                      index_t rest) {
    const int16 lanes = (int16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const int16 is_inside = lanes < (int)g.in_w;
    const index_t safe = min(count, (rest - LANES) / g.in_w + 1);
    for (index_t r = 0; r < safe; ++r, to += b.line, from += g.in_w)
        STORE16(local, is_inside ? LOAD16(global, from) : (float16)0, to);
    return safe;
}
#endif

/* The rows of a plane, `count` from the `first` on. */
static inline void copy_rows(local float *restrict to, geometry g, global const x_t *restrict x,
                             index_t from, band b, index_t first, index_t count) {
    index_t r = 0;
    from += first * g.x_h;
#if TYPE == TYPE_F32
    if (STRIDE_W == 1 && g.x_w == 1 && g.x_h == g.in_w && g.in_w < LANES && g.pad_w >= 0 &&
        g.pad_w + LANES <= b.line && (g.in_h - first) * g.in_w >= LANES)
        r = copy_short_rows(to + g.pad_w, g, x + from, b, count, (g.in_h - first) * g.in_w);
#endif
    for (; r < count; ++r)
        copy_row(to + r * b.line, g, x, from + r * g.x_h, b.phase);
}

/* The rows of a group's channels; those that lie in padding stay zero. */
static inline void copy_group(local float *restrict rows, geometry g,
                              global const x_t *restrict x, band b, index_t group) {
    const index_t h = b.first_h * g.stride_h - g.pad_h;
    const index_t first = max(h, (index_t)0), end = min(h + b.in_rows, g.in_h);
    for (index_t c = 0; c < g.in_per_group; ++c)
        for (index_t k = 0; k < g.kernel_d; ++k, rows += b.plane) {
            const index_t d = b.out_d * g.stride_d - g.pad_d + k * g.dilation_d;
            if (d >= 0 && d < g.in_d && first < end)
                copy_rows(rows + (first - h) * b.line, g, x,
                          b.n * g.x_n + (group * g.in_per_group + c) * g.x_c + d * g.x_d, b, first,
                          end - first);
        }
}

/* Rows of a band, from `row` on, that may be stored as whole vectors: what a short row has too much is
 * overwritten by the rows behind it. */
static inline index_t whole_rows(geometry g, band b, index_t row, index_t out_w) {
#if TYPE == TYPE_F32 && !BLENDS
    if (g.y_w == 1 && out_w + LANES <= g.out_w)
        return b.out_rows - row;
    if (g.y_w == 1 && g.y_h == g.out_w) /* shorter than a vector */
        return b.out_rows - row - (LANES - 1) / g.out_w;
#endif
    return 0;
}

static inline void store_block(float16 sums[ROWS][OC], geometry g, scalars s,
                               global const y_t *restrict bias, global const y_t *residual,
                               global y_t *y, band b, index_t row, index_t out_w, index_t channel,
                               index_t o) {
    const int channels = (int)min(g.out_per_group - o, (index_t)OC);
    const index_t rows = min(b.out_rows - row, (index_t)ROWS), whole = whole_rows(g, b, row, out_w);
    index_t to = b.n * g.y_n + channel * g.y_c + b.out_d * g.y_d + (b.first_h + row) * g.y_h +
                 out_w * g.y_w;
    float16 rest[ROWS][OC];
#if TYPE == TYPE_F32 && !BLENDS
    #pragma unroll
    for (int i = 0; i < OC; ++i)
        if (i < channels) {
            const float added = s.has_bias ? bias[channel + i] : 0;
            #pragma unroll
            for (int r = 0; r < ROWS; ++r)
                if (r < whole)
                    STORE16(global, ACTIVATE(sums[r][i] + added, s), y + to + i * g.y_c + r * g.y_h);
        }
    if (whole >= rows)
        return;
#endif
    #pragma unroll
    for (int r = 0; r < ROWS; ++r)
        #pragma unroll
        for (int i = 0; i < OC; ++i)
            rest[r][i] = sums[r][i];
    for (int r = (int)max(whole, (index_t)0); r < (int)rows; ++r)
        for (int i = 0; i < channels; ++i)
            finish16(rest[r][i], s, bias, residual, y, channel + i, to + i * g.y_c + r * g.y_h, g.y_w,
                     (int)min(g.out_w - out_w, (index_t)LANES));
}

/* The weights of a register tile's channels one behind the other, [tap][channel], so that the unrolled
 * taps need no addresses of their own. Channels beyond the last repeat it, and are not stored. */
static inline void copy_weights(local float *restrict to, geometry g, global const w_t *restrict w,
                                index_t channel, index_t channels) {
    for (index_t c = 0; c < g.in_per_group; ++c)
        for (index_t d = 0; d < g.kernel_d; ++d)
            for (index_t h = 0; h < g.kernel_h; ++h)
                for (index_t k = 0; k < g.kernel_w; ++k, to += OC)
                    #pragma unroll
                    for (index_t i = 0; i < OC; ++i)
                        to[i] = LOAD_W(g, w, (channel + min(i, channels - 1)) * g.w_o + g.w_start +
                                                 c * g.w_i + d * g.w_d + h * g.w_h + k * g.w_w);
}

static inline void
compute_group(geometry g, scalars s, local const float *restrict rows, local float *restrict weights,
              global const w_t *restrict w, global const y_t *restrict bias,
              global const y_t *residual, global y_t *y, band b, index_t group) {
    for (index_t o = 0; o < g.out_per_group; o += OC) {
        index_t channel = group * g.out_per_group + o;
        copy_weights(weights, g, w, channel, g.out_per_group - o);
        for (index_t row = 0; row < b.out_rows; row += ROWS)
            for (index_t out_w = 0;; out_w = NEXT_VECTOR(out_w)) {
                float16 sums[ROWS][OC];
                #pragma unroll
                for (int r = 0; r < ROWS; ++r)
                    #pragma unroll
                    for (int i = 0; i < OC; ++i)
                        sums[r][i] = 0;
                for (index_t c = 0; c < g.in_per_group; ++c) {
                    local const float *of_channel =
                        weights + c * KERNEL_D * KERNEL_H * KERNEL_W * OC;
                    UNROLL_TAPS
                    for (index_t d = 0; d < KERNEL_D; ++d)
                        UNROLL_TAPS
                        for (index_t t = 0; t < TAP_ROWS; ++t) {
                            local const float *from =
                                rows + (c * KERNEL_D + d) * b.plane +
                                (row * g.stride_h + t * g.dilation_h) * b.line + out_w;
#if IS_COMMON /* multiply-adds broadcast weights from memory, or they would not fit registers */
                            OPAQUE(of_channel);
#endif
                            UNROLL_TAPS
                            for (index_t k = 0; k < KERNEL_W; ++k) {
                                local const float *at_tap = from +
                                                            k * DILATION_W % STRIDE_W * b.phase +
                                                            k * DILATION_W / STRIDE_W;
                                const float16 values = LOAD16(local, at_tap);
                                #pragma unroll
                                for (int r = 0; r < ROWS; ++r) {
                                    const index_t h = t - r * STRIDE_H;
                                    if (h < 0 || h >= KERNEL_H)
                                        continue;
                                    #pragma unroll
                                    for (int i = 0; i < OC; ++i)
                                        sums[r][i] +=
                                            of_channel[((d * KERNEL_H + h) * KERNEL_W + k) * OC + i] *
                                            values;
                                }
                            }
                        }
                }
                store_block(sums, g, s, bias, residual, y, b, row, out_w, channel, o);
                if (out_w + LANES >= g.out_w)
                    break;
            }
    }
}

#if TYPE == TYPE_F32 && IS_COMMON && OC == 1
#define READS_IN_PLACE 1

/* What the taps of a row see for LANES neighbours, the first of which begins at `column`. */
static inline void load_taps(float16 taps[KERNEL_W + 1], global const float *restrict row,
                             index_t column, index_t in_w) {
    #pragma unroll
    for (index_t k = 0; k < KERNEL_W; k += STRIDE_W) {
        const float16 a = load_inside(row, column + k, in_w);
#if STRIDE_W == 1
        taps[k] = a;
#else
        const float16 b = load_inside(row, column + k + LANES, in_w);
        taps[k] = EVEN16(a, b);
        taps[k + 1] = ODD16(a, b);
#endif
    }
}

#define OPEN_ROWS ((KERNEL_H + STRIDE_H - 1) / STRIDE_H) /* that a row of the input adds to */

/* Reads STRIDE_H rows from `h` on, which complete the oldest of the open sums; another one is begun. */
static inline float16 take_step(float16 sums[OPEN_ROWS],
                                const float16 weights[KERNEL_H * KERNEL_W], geometry g,
                                global const float *restrict plane, index_t h, index_t column) {
    #pragma unroll
    for (index_t t = 0; t < STRIDE_H; ++t) {
        float16 taps[KERNEL_W + 1];
        if (h + t < 0 || h + t >= g.in_h)
            continue;
        PREFETCH(plane + (h + t + AHEAD) * g.x_h + column);
        load_taps(taps, plane + (h + t) * g.x_h, column, g.in_w);
        #pragma unroll
        for (index_t i = 0; i < OPEN_ROWS; ++i)
            #pragma unroll
            for (index_t k = 0; k < KERNEL_W; ++k)
                if (i * STRIDE_H + t < KERNEL_H)
                    sums[i] += weights[(i * STRIDE_H + t) * KERNEL_W + k] * taps[k];
    }
    const float16 done = sums[OPEN_ROWS - 1];
    #pragma unroll
    for (int i = OPEN_ROWS - 1; i > 0; --i)
        sums[i] = sums[i - 1];
    sums[0] = 0;
    return done;
}

/* LANES columns of some rows of a band. */
static inline void compute_columns(geometry g, scalars s, global const float *restrict plane,
                                   global const w_t *restrict filter, global const y_t *restrict bias,
                                   global const y_t *residual, global y_t *y, band b, index_t first,
                                   index_t rows, index_t out_w, index_t channel) {
    const index_t column = out_w * STRIDE_W - g.pad_w;
    const index_t whole = min(whole_rows(g, b, first, out_w), rows);
    const int count = (int)min(g.out_w - out_w, (index_t)LANES);
    index_t h = (b.first_h + first) * STRIDE_H - g.pad_h, row = 0;
    index_t to = b.n * g.y_n + channel * g.y_c + b.out_d * g.y_d + (b.first_h + first) * g.y_h +
                 out_w * g.y_w;
    float16 weights[KERNEL_H * KERNEL_W], sums[OPEN_ROWS];
    #pragma unroll
    for (int i = 0; i < KERNEL_H * KERNEL_W; ++i)
        weights[i] = filter[i / KERNEL_W * g.w_h + i % KERNEL_W * g.w_w];
    #pragma unroll
    for (int i = 0; i < OPEN_ROWS; ++i)
        sums[i] = 0;
    #pragma unroll
    for (int i = 1; i < OPEN_ROWS; ++i, h += STRIDE_H)
        take_step(sums, weights, g, plane, h, column);
#if !BLENDS
    const float added = s.has_bias ? bias[channel] : 0;
    for (; row < whole; ++row, h += STRIDE_H, to += g.y_h) {
        const float16 done = take_step(sums, weights, g, plane, h, column);
        STORE16(global, ACTIVATE(done + added, s), y + to);
    }
#endif
    for (; row < rows; ++row, h += STRIDE_H, to += g.y_h)
        finish16(take_step(sums, weights, g, plane, h, column), s, bias, residual, y, channel, to,
                 g.y_w, count);
}

static inline void
compute_in_place(geometry g, scalars s, global const float *restrict plane,
                 global const w_t *restrict w, global const y_t *restrict bias,
                 global const y_t *residual, global y_t *y, band b, index_t group) {
    const index_t strip = g.out_w > LANES ? STRIP : b.out_rows;
    for (index_t o = 0; o < g.out_per_group; ++o) {
        const index_t channel = group * g.out_per_group + o;
        global const w_t *filter = w + channel * g.w_o + g.w_start;
        for (index_t row = 0; row < b.out_rows; row += strip)
            for (index_t out_w = 0;; out_w = NEXT_VECTOR(out_w)) {
                compute_columns(g, s, plane, filter, bias, residual, y, b, row,
                                min(strip, b.out_rows - row), out_w, channel);
                if (out_w + LANES >= g.out_w)
                    break;
            }
    }
}
#endif

kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
lines(const geometry g, const offsets at, const scalars s, global const x_t *restrict x,
      global const w_t *restrict w, global const y_t *restrict bias, global const y_t *residual,
      global y_t *y, local float *restrict rows) {
    index_t bands = (g.out_h + g.step - 1) / g.step;
    band b;
    b.n = (index_t)get_global_id(2);
    b.out_d = (index_t)get_global_id(0) / bands;
    b.first_h = (index_t)get_global_id(0) % bands * g.step;
    b.out_rows = min(g.step, g.out_h - b.first_h);
    b.in_rows = ((b.out_rows + ROWS - 1) / ROWS * ROWS - 1) * g.stride_h +
                (g.kernel_h - 1) * g.dilation_h + 1;
    b.phase = (g.out_w + LANES - 1) / LANES * LANES + (KERNEL_W - 1) * DILATION_W / STRIDE_W + 1;
    b.line = b.phase * STRIDE_W;
    b.plane = b.in_rows * b.line;
    const index_t count = g.in_per_group * g.kernel_d * b.plane;
    int is_cleared = 0;
    x += at.x;
    w += at.w;
    bias += at.bias;
    residual += at.residual;
    y += at.y;
    const index_t share = (g.groups + (index_t)get_global_size(1) - 1) / (index_t)get_global_size(1);
    const index_t first = (index_t)get_global_id(1) * share, end = min(first + share, g.groups);
    for (index_t group = first; group < end; ++group) {
#if READS_IN_PLACE
        const index_t plane = b.n * g.x_n + group * g.in_per_group * g.x_c;
        const index_t width = ((g.out_w - 1) / LANES + 1) * LANES * STRIDE_W + KERNEL_W - g.pad_w;
        if (g.in_per_group == 1 && g.out_d == 1 && is_loadable(g, plane, g.pad_w, width)) {
            compute_in_place(g, s, x + plane, w, bias, residual, y, b, group);
            continue;
        }
#endif
        for (index_t i = 0; i < count && !is_cleared; ++i)
            rows[i] = 0;
        is_cleared = 1;
        copy_group(rows, g, x, b, group);
        compute_group(g, s, rows, rows + count, w, bias, residual, y, b, group);
    }
}
