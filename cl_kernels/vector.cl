/*
 * For CPUs: one work-item keeps 16 output channels of ROWS rows of WIDTH pixels in vector registers and
 * runs over all taps; the vectors lie along the output channels, so that weights are loaded as they were
 * packed and every input element is broadcast. Stages: vector_pack rearranges the weights, vector
 * multiplies. Where the input is padded, of another type, or not as the multiplication wants it, a
 * work-item first copies what its tile reads to local memory, for several blocks of channels: written to
 * global memory it would have to travel from one core to another.
 */
#define IN_LINE  0 /* the input is read where it is: neighbours lie side by side */
#define IN_PATCH 1 /* rows are copied, with their padding */
#define IN_PANEL 2 /* pixels of a tile go on in the next row; what a tap reads of them is copied */

#ifndef WIDTH
#define WIDTH 14
#endif
#ifndef ROWS
#define ROWS 1
#endif
#ifndef SOURCE
#define SOURCE IN_LINE
#endif
#ifndef LINE_STEP
#define LINE_STEP 1 /* elements between the inputs of neighbours */
#endif
#ifndef KERNEL_D
#define KERNEL_D g.kernel_d
#endif
#ifndef KERNEL_H
#define KERNEL_H g.kernel_h
#endif
#ifdef KERNEL_W
#define UNROLL_COLUMNS _Pragma("unroll")
#else
#define KERNEL_W g.kernel_w
#define UNROLL_COLUMNS
#endif
#ifndef PHASES
#define PHASES 1 /* that rows of a patch are split into, as many as the stride has columns */
#endif
#define PIXELS (ROWS * WIDTH)
#define OC 16
#define AHEAD 8 /* taps that are asked for before they are needed */
#if SOURCE == IN_LINE
#define SPACE global
#else
#define SPACE local
#endif

/*
 * packed[group][channel block][tap][OC], zeros behind the last channel, of `step` taps, 16 at a time.
 * Global size (blocks of taps, channel blocks of all groups).
 */
kernel void vector_pack(const geometry g, const offsets at, global const w_t *restrict w,
                        global float *restrict packed, const long packed_at) {
    const index_t first_tap = (index_t)get_global_id(0) * 16, block = (index_t)get_global_id(1);
    const index_t blocks = (g.out_per_group + OC - 1) / OC;
    const index_t group = block / blocks, first = block % blocks * OC;
    const index_t taps = min(g.step - first_tap, (index_t)16);
    packed += packed_at + ((long)block * g.step + first_tap) * OC;
    w += at.w + (group * g.out_per_group + first) * g.w_o;
#if TYPE == TYPE_F32
    if (taps == 16 && first + OC <= g.out_per_group && has_dense_filters(g)) {
        float16 weights[16];
        load_columns16(weights, w + g.w_start + first_tap, g.w_o);
        #pragma unroll
        for (int tap = 0; tap < 16; ++tap)
            STORE16(global, weights[tap], packed + tap * OC);
        return;
    }
#endif
    for (index_t tap = 0; tap < taps; ++tap, packed += OC) {
        const index_t from = weight_of_tap(g, first_tap + tap);
        for (int o = 0; o < OC; ++o)
            packed[o] = first + o < g.out_per_group ? LOAD_W(g, w, from + o * g.w_o) : 0.0f;
    }
}

#define TURNED_CHANNELS 16 /* that a work-item packs */
#define TURNED_SPAN 64    /* elements from a filter's first weight to its last, at most */

#if TYPE == TYPE_F32
/* window[k] = element k of 16 filters, which lie one behind the other. */
static inline void turn_filters(float window[TURNED_SPAN][16], global const float *restrict from,
                                index_t filter_step, index_t span) {
    for (index_t k = 0; k < span; k += 16) {
        const index_t first = max(min(k, span - 16), (index_t)0);
        float16 rows[16];
        load_columns16(rows, from + first, filter_step);
        #pragma unroll
        for (int i = 0; i < 16; ++i)
            STORE16(private, rows[i], window[first + i]);
    }
}
#endif

/*
 * The same where the filters of one input channel lie side by side, as they do for the gradient of the
 * input: all taps of TURNED_CHANNELS input channels. Global size (blocks of input channels, channel
 * blocks of all groups).
 */
kernel void vector_pack_turned(const geometry g, const offsets at, global const w_t *restrict w,
                               global float *restrict packed, const long packed_at) {
    const index_t first_c = (index_t)get_global_id(0) * TURNED_CHANNELS;
    const index_t block = (index_t)get_global_id(1), blocks = (g.out_per_group + OC - 1) / OC;
    const index_t group = block / blocks, first = block % blocks * OC;
    const index_t reach_d = (g.kernel_d - 1) * g.w_d, reach_h = (g.kernel_h - 1) * g.w_h;
    const index_t reach_w = (g.kernel_w - 1) * g.w_w;
    const index_t low = min(reach_d, (index_t)0) + min(reach_h, (index_t)0) + min(reach_w, (index_t)0);
    const index_t span = max(reach_d, (index_t)0) + max(reach_h, (index_t)0) +
                         max(reach_w, (index_t)0) - low + 1;
    const index_t end = (g.in_per_group - 1) * g.w_i + (g.out_per_group - 1) * g.w_o + span;
    w += at.w + group * g.out_per_group * g.w_o + g.w_start + low;
    packed += packed_at + ((long)block * g.in_per_group + first_c) * (g.step / g.in_per_group) * OC;
    for (index_t c = first_c; c < min(first_c + TURNED_CHANNELS, g.in_per_group); ++c) {
        const index_t from = c * g.w_i + first * g.w_o;
        int is_whole = 0;
#if TYPE == TYPE_F32
        float window[TURNED_SPAN][16];
        is_whole = first + 16 <= g.out_per_group;
        if (is_whole && g.w_o != 1) {
            is_whole = span >= 16 || from + 15 * g.w_o + 16 <= end;
            if (is_whole)
                turn_filters(window, w + from, g.w_o, span);
        }
#endif
        for (index_t d = 0; d < g.kernel_d; ++d)
            for (index_t h = 0; h < g.kernel_h; ++h)
                for (index_t k = 0; k < g.kernel_w; ++k, packed += OC) {
                    const index_t place = d * g.w_d + h * g.w_h + k * g.w_w - low;
#if TYPE == TYPE_F32
                    if (is_whole) {
                        const float16 weights = g.w_o == 1 ? LOAD16(global, w + from + place)
                                                           : LOAD16(private, window[place]);
                        STORE16(global, weights, packed);
                        continue;
                    }
#endif
                    for (int o = 0; o < OC; ++o)
                        packed[o] = first + o < g.out_per_group
                                        ? LOAD_W(g, w, from + place + o * g.w_o)
                                        : 0.0f;
                }
    }
}

/* Where the pixels of a work-item's tile lie. */
typedef struct {
    index_t out_d, out_h, out_w; /* the first, but in panels */
#if SOURCE == IN_PANEL
    index_t y[PIXELS]; /* elements of the output, seen from the picture's first */
#endif
    int is_line;               /* neighbours lie side by side in the output */
    int first_row, first, end; /* what is stored; the rest is a neighbour's, or nobody's */
} tile_places;

#if SOURCE == IN_PANEL
/* What tap 0 of a pixel reads: coordinates, which may lie beside the input. */
typedef struct {
    index_t d[PIXELS], h[PIXELS], w[PIXELS];
} panel_places;

/* Tiles go on in the next row; beyond the end they repeat the last pixel. */
static inline void find_places(tile_places *at, panel_places *in, geometry g, index_t tile) {
    const index_t pixels = g.out_d * g.out_h * g.out_w;
    index_t out_w = tile * PIXELS % g.out_w, rows = tile * PIXELS / g.out_w;
    index_t out_h = rows % g.out_h, out_d = rows / g.out_h;
    at->is_line = 1;
    for (int i = 0; i < PIXELS; ++i) {
        const int is_last = tile * PIXELS + i + 1 >= pixels;
        const int ends_row = !is_last && out_w + 1 == g.out_w;
        const int ends_plane = ends_row && out_h + 1 == g.out_h;
        in->d[i] = out_d * g.stride_d - g.pad_d;
        in->h[i] = out_h * g.stride_h - g.pad_h;
        in->w[i] = out_w * g.stride_w - g.pad_w;
        at->y[i] = out_d * g.y_d + out_h * g.y_h + out_w * g.y_w;
        at->is_line &= i == 0 || tile * PIXELS + i >= pixels || at->y[i] - at->y[i - 1] == 1;
        out_w = is_last ? out_w : ends_row ? 0 : out_w + 1;
        out_h = ends_plane ? 0 : out_h + ends_row;
        out_d += ends_plane;
    }
    at->first_row = at->first = 0;
    at->end = (int)min(pixels - tile * PIXELS, (index_t)PIXELS);
}

/* panel[channel][tap][pixel] of so many channels. */
static inline void fill_panel(local float *restrict panel, const panel_places *in, geometry g,
                              index_t channels, global const x_t *restrict x) {
    const index_t taps = g.kernel_d * g.kernel_h * g.kernel_w;
    for (index_t tap = 0; tap < taps; ++tap) {
        const index_t d = tap / g.kernel_w / g.kernel_h * g.dilation_d;
        const index_t h = tap / g.kernel_w % g.kernel_h * g.dilation_h;
        const index_t w = tap % g.kernel_w * g.dilation_w;
        local float *to = panel + tap * PIXELS;
        index_t from[PIXELS];
        int is_inside[PIXELS];
        for (int i = 0; i < PIXELS; ++i) {
            const index_t in_d = in->d[i] + d, in_h = in->h[i] + h, in_w = in->w[i] + w;
            is_inside[i] = in_d >= 0 && in_d < g.in_d && in_h >= 0 && in_h < g.in_h &&
                           in_w >= 0 && in_w < g.in_w;
            from[i] = is_inside[i] ? in_d * g.x_d + in_h * g.x_h + in_w * g.x_w : 0;
        }
        for (index_t c = 0; c < channels; ++c, to += taps * PIXELS) {
            global const x_t *channel = x + c * g.x_c;
            PREFETCH(channel + AHEAD * g.x_c + from[0]);
            PREFETCH(channel + AHEAD * g.x_c + from[PIXELS - 1]);
            for (int i = 0; i < PIXELS; ++i)
                to[i] = is_inside[i] ? LOAD_X(g, channel, from[i]) : 0.0f;
        }
    }
}
#else
/*
 * Tile `column` of row `row` of tiles of plane `out_d`. Tiles do not leave their row; the last of it, and
 * the last row of them, begin so that they end where the output does.
 */
static inline void find_places(tile_places *at, geometry g, index_t out_d, index_t row,
                               index_t column) {
    const index_t wanted_w = column * WIDTH, wanted_h = row * ROWS;
    at->out_w = min(wanted_w, g.out_w - WIDTH);
    at->out_h = min(wanted_h, g.out_h - ROWS);
    at->out_d = out_d;
    at->is_line = g.y_w == 1;
    at->first_row = (int)(wanted_h - at->out_h);
    at->first = (int)(wanted_w - at->out_w);
    at->end = WIDTH;
}
#endif

#if SOURCE == IN_PATCH
#define NEXT_CHANNELS 2 /* one took as long as none would, 4 as long as 2 */

/* Rows of a patch, which some rows of tiles share, and elements of one of their phases. */
static inline index_t patch_rows(geometry g, index_t tile_rows) {
    return (tile_rows * ROWS - 1) * g.stride_h + (g.kernel_h - 1) * g.dilation_h + 1;
}
static inline index_t patch_phase(geometry g) {
    return ((g.out_w - 1) * g.stride_w + (g.kernel_w - 1) * g.dilation_w) / PHASES + 1;
}

/* to[p][i] = element i*PHASES + p of a row from column `first` on, 0 beside the input. */
static inline void copy_line(local float *restrict to, geometry g, global const x_t *restrict row,
                             index_t first, index_t phase, int is_inside) {
    for (index_t p = 0; p < PHASES; ++p, to += phase)
        for (index_t i = 0; i < phase; ++i) {
            const index_t column = first + i * PHASES + p;
            const int is_there = is_inside && column >= 0 && column < g.in_w;
            to[i] = is_there ? LOAD_X(g, row, column * g.x_w) : 0.0f;
        }
}

#if TYPE == TYPE_F32 && PHASES <= 2
/*
 * The same 16 elements at a time: what they write too much is overwritten by what follows. A row that
 * will be copied later, `ahead` elements further on, is asked for.
 */
static inline void copy_vectors(local float *restrict to, global const float *restrict row,
                                index_t first, index_t phase, index_t width, index_t ahead) {
    for (index_t p = 0; p < PHASES; ++p, to += phase)
        for (index_t i = 0; i < phase; i += 16) {
            PREFETCH(row + ahead + first + i * PHASES + 16 * p);
            const float16 a = load_inside(row, first + i * PHASES, width);
#if PHASES == 1
            STORE16(local, a, to + i);
#else
            const float16 b = load_inside(row, first + i * PHASES + 16, width);
            STORE16(local, p ? ODD16(a, b) : EVEN16(a, b), to + i);
#endif
        }
}
#endif

/* patch[channel][depth of a tap][row][phase][column] from element `from` of the input on. */
static inline void fill_patch(local float *restrict patch, const tile_places *at, geometry g,
                              index_t rows, global const x_t *restrict x, index_t from) {
    const index_t phase = patch_phase(g);
    const index_t first = -g.pad_w;
    for (index_t c = 0; c < g.in_per_group; ++c, from += g.x_c) {
#if TYPE == TYPE_F32 && PHASES <= 2
        const index_t reach = PHASES * ((phase + 15) / 16 * 16);
        const int has_vectors = is_loadable(g, from, g.pad_w, first + reach);
#endif
        for (index_t d = 0; d < g.kernel_d; ++d)
            for (index_t row = 0; row < rows; ++row, patch += PHASES * phase) {
                const index_t in_d = at->out_d * g.stride_d - g.pad_d + d * g.dilation_d;
                const index_t in_h = at->out_h * g.stride_h - g.pad_h + row;
                const index_t near_d = clamp(in_d, (index_t)0, g.in_d - 1);
                const index_t near_h = clamp(in_h, (index_t)0, g.in_h - 1);
                const int is_inside = in_d == near_d && in_h == near_h;
                global const x_t *line = x + from + near_d * g.x_d + near_h * g.x_h;
#if TYPE == TYPE_F32 && PHASES <= 2
                if (has_vectors) {
                    copy_vectors(patch, line, first, phase, is_inside ? g.in_w : 0, NEXT_CHANNELS * g.x_c);
                    continue;
                }
#endif
                copy_line(patch, g, line, first, phase, is_inside);
            }
    }
}
#endif

#if TYPE == TYPE_F32 && !BLENDS
#define HAS_LINE_STORES 1
#define PIECE (WIDTH < 8 ? WIDTH : 8) /* pixels that are stored at a time */

/* Rows become columns. */
static inline void transpose8(float8 r[8]) {
    float8 t[8], u[8];
    #pragma unroll
    for (int i = 0; i < 8; i += 2) {
        const float8 a = r[i], b = r[i + 1];
        t[i] = (float8)(a.s0, b.s0, a.s2, b.s2, a.s4, b.s4, a.s6, b.s6);
        t[i + 1] = (float8)(a.s1, b.s1, a.s3, b.s3, a.s5, b.s5, a.s7, b.s7);
    }
    #pragma unroll
    for (int i = 0; i < 8; ++i) {
        const float8 a = t[i & ~2], b = t[i | 2];
        u[i] = i & 2 ? (float8)(a.s23, b.s23, a.s67, b.s67) : (float8)(a.s01, b.s01, a.s45, b.s45);
    }
    #pragma unroll
    for (int i = 0; i < 4; ++i) {
        r[i] = (float8)(u[i].lo, u[i + 4].lo);
        r[i + 4] = (float8)(u[i].hi, u[i + 4].hi);
    }
}

/* Finishes and stores PIECE neighbours of eight channels, 16 elements apart. */
static inline void finish_piece(const float *sums, scalars s, global const y_t *bias,
                                global y_t *to, index_t channel_step, int channels) {
    float8 pixels[8];
    #pragma unroll
    for (int i = 0; i < 8; ++i)
        pixels[i] = LOAD8(private, sums + min(i, PIECE - 1) * OC);
    transpose8(pixels);
    #pragma unroll
    for (int o = 0; o < 8; ++o) {
        float8 v = pixels[o];
        if (o >= channels)
            continue;
        if (s.has_bias)
            v += bias[o];
        v = ACTIVATE(v, s);
#if PIECE == 8
        STORE8(global, v, to + o * channel_step);
#else
        vstore4(v.lo, 0, to + o * channel_step);
        vstore4(v.s3456, 0, to + o * channel_step + 3); /* the fourth pixel twice */
#endif
    }
}

/* The same for 16 neighbours of 16 channels. */
static inline void finish_vectors(const float *sums, scalars s, float16 biases, global y_t *to,
                                  index_t channel_step) {
    float16 pixels[16];
    #pragma unroll
    for (int i = 0; i < 16; ++i) {
        pixels[i] = LOAD16(private, sums + i * OC);
        pixels[i] = ACTIVATE(pixels[i] + biases, s);
    }
    transpose16(pixels);
    #pragma unroll
    for (int o = 0; o < 16; ++o)
        STORE16(global, pixels[o], to + o * channel_step);
}

/* The pixels `first` to `end` of a line; the last piece overlaps the one before. */
static inline void finish_line(const float *sums, int first, int end, scalars s,
                               global const y_t *bias, global y_t *to, index_t channel_step,
                               int channels) {
    if (end - first >= 16 && channels == OC) {
        const float16 biases = s.has_bias ? LOAD16(global, bias) : (float16)0;
        for (int i = first;; i = min(i + 16, end - 16)) {
            finish_vectors(sums + i * OC, s, biases, to + i, channel_step);
            if (i + 16 == end)
                return;
        }
    }
    for (int i = first;; i = min(i + PIECE, end - PIECE)) {
        #pragma unroll
        for (int o = 0; o < OC; o += 8)
            finish_piece(sums + i * OC + o, s, bias + o, to + i + o * channel_step,
                         channel_step, channels - o);
        if (i + PIECE == end)
            break;
    }
}
#endif

/* How what a work-item reads lies: elements between channels, taps, and rows of pixels. */
typedef struct {
    index_t channel, tap_d, tap_h, tap_w, row, phase;
} source_steps;

static inline source_steps find_steps(geometry g, index_t rows) {
    source_steps by;
#if SOURCE == IN_LINE
    by.channel = g.x_c;
    by.tap_d = g.dilation_d * g.x_d;
    by.tap_h = g.dilation_h * g.x_h;
    by.tap_w = g.dilation_w * g.x_w;
    by.row = g.stride_h * g.x_h;
    by.phase = 0;
#elif SOURCE == IN_PATCH
    const index_t phase = patch_phase(g), line = PHASES * phase;
    by.tap_d = rows * line;
    by.channel = g.kernel_d * by.tap_d;
    by.tap_h = g.dilation_h * line;
    by.tap_w = g.dilation_w;
    by.row = g.stride_h * line;
    by.phase = phase;
#else
    by.channel = PIXELS;
    by.tap_d = by.tap_h = by.tap_w = by.row = by.phase = 0;
#endif
    return by;
}

/* What tap k of a row of the kernel reads, seen from the first. */
static inline index_t column_of(const source_steps *by, index_t k) {
    const index_t column = k * by->tap_w;
    return column % PHASES * by->phase + column / PHASES;
}

/*
 * Adds one tap. Each element is used once, so that multiply-adds can broadcast it from memory
 * themselves; they do as one instruction where its address is a register and a number.
 */
static inline void add_tap(float16 sums[ROWS][WIDTH], index_t row_step, SPACE const float *from,
                           global const float *restrict w) {
    const float16 weights = LOAD16(global, w);
    #pragma unroll
    for (int r = 0; r < ROWS; ++r) {
        SPACE const float *line = from + r * row_step;
        OPAQUE(line);
        #pragma unroll
        for (int i = 0; i < WIDTH; ++i)
            sums[r][i] += weights * line[i * LINE_STEP];
    }
}

/* Asks for what a row of taps reads some channels further on; patches and panels are at hand. */
static inline void ask_for(SPACE const float *from, index_t row_step) {
#if SOURCE == IN_LINE
    #pragma unroll
    for (int r = 0; r < ROWS; ++r) {
        PREFETCH(from + r * row_step);
        PREFETCH(from + r * row_step + (WIDTH - 1) * LINE_STEP);
    }
#endif
}

static inline void clear_sums(float16 sums[ROWS][WIDTH]) {
    #pragma unroll
    for (int r = 0; r < ROWS; ++r)
        #pragma unroll
        for (int i = 0; i < WIDTH; ++i)
            sums[r][i] = 0;
}

/* Adds all taps of so many channels of the input to a block's sums. */
static inline void add_taps(float16 sums[ROWS][WIDTH], const source_steps *by, geometry g,
                            index_t channels, SPACE const float *x,
                            global const float *restrict packed) {
    const index_t taps = KERNEL_D * KERNEL_H * KERNEL_W;
    const index_t ahead = (AHEAD + taps - 1) / taps * by->channel;
    for (index_t c = 0; c < channels; ++c, x += by->channel)
        for (index_t d = 0; d < KERNEL_D; ++d)
            for (index_t h = 0; h < KERNEL_H; ++h) {
                SPACE const float *row = x + d * by->tap_d + h * by->tap_h;
                ask_for(row + ahead, by->row);
                UNROLL_COLUMNS
                for (index_t k = 0; k < KERNEL_W; ++k, packed += g.w_i)
                    add_tap(sums, by->row, row + column_of(by, k), packed);
            }
}

/* Where pixel i of row r is stored, seen from the picture's first. */
static inline index_t pixel_of(const tile_places *place, geometry g, int r, int i) {
#if SOURCE == IN_PANEL
    return place->y[i];
#else
    return place->out_d * g.y_d + (place->out_h + r) * g.y_h + (place->out_w + i) * g.y_w;
#endif
}

/* Whether the rows of a tile lie one behind the other in the output. */
#if SOURCE == IN_PANEL
#define ARE_JOINED 0
#else
#define ARE_JOINED (g.out_w == WIDTH && g.y_h == WIDTH)
#endif

/* Stores 16 channels, of which `channels` are there. */
static inline void store_tile(float stored[PIXELS][OC], const tile_places *place, geometry g,
                              scalars s, global const y_t *bias, global const y_t *residual,
                              global y_t *y, index_t channel, int channels) {
    for (int r = place->first_row; r < ROWS; ++r) {
#if HAS_LINE_STORES
        if (place->is_line && place->end - place->first >= PIECE) {
            finish_line(stored[r * WIDTH], place->first,
                        ARE_JOINED ? (ROWS - r) * WIDTH : place->end, s, bias + channel,
                        y + channel * g.y_c + pixel_of(place, g, r, 0), g.y_c, channels);
            if (ARE_JOINED)
                return;
            continue;
        }
#endif
        for (int o = 0; o < channels; ++o)
            for (int i = place->first; i < place->end; ++i)
                finish(stored[r * WIDTH + i][o], s, bias, residual, y, channel + o,
                       (channel + o) * g.y_c + pixel_of(place, g, r, i));
    }
}

/* What the tiles of a work-item have in common. */
typedef struct {
    geometry g;
    scalars s;
    source_steps by;
    index_t group;
    global const float *packed;
    global const y_t *bias, *residual;
    global y_t *y; /* of the picture */
} work;

static inline global const float *weights_of(const work *w, index_t block) {
    const index_t blocks = (w->g.out_per_group + OC - 1) / OC;
    return w->packed + (long)(w->group * blocks + block) * w->g.w_o;
}

static inline void finish_tile(const work *w, const tile_places *place, float16 sums[ROWS][WIDTH],
                               index_t block) {
    float stored[PIXELS][OC];
    #pragma unroll
    for (int r = 0; r < ROWS; ++r)
        #pragma unroll
        for (int i = 0; i < WIDTH; ++i)
            STORE16(private, sums[r][i], stored[r * WIDTH + i]);
    store_tile(stored, place, w->g, w->s, w->bias, w->residual, w->y,
               w->group * w->g.out_per_group + block * OC,
               (int)min((index_t)OC, w->g.out_per_group - block * OC));
}

#if SOURCE == IN_PANEL
/* A block of a panel, of which local memory has `piece` channels at a time, or from before all. */
static inline void compute_panel(const work *w, const tile_places *place, const panel_places *in,
                                 local float *restrict panel, index_t piece,
                                 global const x_t *restrict x, index_t block) {
    const index_t taps = w->g.kernel_d * w->g.kernel_h * w->g.kernel_w;
    float16 sums[ROWS][WIDTH];
    clear_sums(sums);
    for (index_t c = 0; c < w->g.in_per_group; c += piece) {
        const index_t channels = min(piece, w->g.in_per_group - c);
        if (piece < w->g.in_per_group)
            fill_panel(panel, in, w->g, channels, x + c * w->g.x_c);
        add_taps(sums, &w->by, w->g, channels * taps, panel,
                 weights_of(w, block) + c * taps * w->g.w_i);
    }
    finish_tile(w, place, sums, block);
}
#else
static inline void compute_tile(const work *w, const tile_places *place, SPACE const float *x,
                                index_t block) {
    float16 sums[ROWS][WIDTH];
    clear_sums(sums);
    add_taps(sums, &w->by, w->g, w->g.in_per_group, x, weights_of(w, block));
    finish_tile(w, place, sums, block);
}
#endif

/*
 * A work-item computes one block of channels of a tile that is read where it is, and `step` blocks of one
 * that is copied, or of all tiles of a patch. `piece` is rows of tiles of a patch, or channels of a panel
 * that fit local memory. w_i and w_o step over the taps and blocks of the packed weights, or of those that
 * lie as if they were packed. Global size (tiles or patches, and shares of all groups' blocks, in the
 * order that `tile_axis` gives, pictures).
 */
kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
vector(const geometry g, const offsets at, const scalars s, global const x_t *restrict input,
       global const float *restrict packed, const long packed_at, const index_t tile_axis,
       const index_t piece, global const y_t *restrict bias, global const y_t *residual,
       global y_t *y, local float *restrict copied) {
    const index_t item = (index_t)get_global_id(tile_axis);
    const index_t share = (index_t)get_global_id(1 - tile_axis), n = (index_t)get_global_id(2);
    const index_t blocks = (g.out_per_group + OC - 1) / OC, shares = (blocks + g.step - 1) / g.step;
    const index_t first = share % shares * g.step, end = min(first + g.step, blocks);
    tile_places place;
    work w;
    w.g = g;
    w.s = s;
    w.group = share / shares;
    w.packed = packed + packed_at;
    w.bias = bias + at.bias;
    w.residual = residual + at.residual + n * g.y_n;
    w.y = y + at.y + n * g.y_n;
    const index_t from = n * g.x_n + w.group * g.in_per_group * g.x_c;
#if SOURCE == IN_LINE
    const index_t tiles_w = (g.out_w + WIDTH - 1) / WIDTH, tiles_h = (g.out_h + ROWS - 1) / ROWS;
    w.by = find_steps(g, 0);
    find_places(&place, g, item / tiles_w / tiles_h, item / tiles_w % tiles_h, item % tiles_w);
    compute_tile(&w, &place,
                 input + at.x + from + place.out_d * g.stride_d * g.x_d +
                     place.out_h * g.stride_h * g.x_h + place.out_w * LINE_STEP,
                 first);
#elif SOURCE == IN_PATCH
    const index_t tiles_w = (g.out_w + WIDTH - 1) / WIDTH, tiles_h = (g.out_h + ROWS - 1) / ROWS;
    const index_t patches = (tiles_h + piece - 1) / piece, out_d = item / patches;
    const index_t first_row = item % patches * piece, rows = patch_rows(g, piece);
    const index_t end_row = min(first_row + piece, tiles_h);
    w.by = find_steps(g, rows);
    find_places(&place, g, out_d, first_row, 0);
    const index_t out_h = place.out_h;
    fill_patch(copied, &place, g, rows, input + at.x, from);
    for (index_t block = first; block < end; ++block)
        for (index_t row = first_row; row < end_row; ++row)
            for (index_t column = 0; column < tiles_w; ++column) {
                find_places(&place, g, out_d, row, column);
                compute_tile(&w, &place, copied + (place.out_h - out_h) * w.by.row + place.out_w,
                             block);
            }
#else
    panel_places in;
    w.by = find_steps(g, 0);
    find_places(&place, &in, g, item);
    if (piece >= g.in_per_group)
        fill_panel(copied, &in, g, g.in_per_group, input + at.x + from);
    for (index_t block = first; block < end; ++block)
        compute_panel(&w, &place, &in, copied, piece, input + at.x + from, block);
#endif
}
