/*
 * For CPUs: one work-item keeps 16 output channels of ROWS rows of WIDTH pixels in vector registers and
 * runs over all taps; the vectors lie along the output channels, so that weights are loaded as they were
 * packed and every input element is broadcast. Stages: vector_pack rearranges the weights, vector_pad
 * copies the input to dense float planes with its padding, vector_panels gathers what a tile of pixels
 * reads, vector multiplies.
 */
#define ANYWHERE 0 /* pixels have addresses of their own */
#define IN_LINE  1 /* neighbours lie side by side in the input too */
#define IN_PANEL 2 /* the input's are copied so that a tile's lie together */

#ifndef WIDTH
#define WIDTH 14
#endif
#ifndef ROWS
#define ROWS 1
#endif
#ifndef PLACES
#define PLACES ANYWHERE
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
#define PHASES 1 /* that rows of padded planes are split into */
#endif
#define PIXELS (ROWS * WIDTH)
#define OC 16
#define AHEAD 8 /* taps that are asked for before they are needed */
#define PAD_ROWS 16 /* CLCONV__PAD_ROWS of host/algo.h */

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
        w += g.w_start + first_tap;
        #pragma unroll
        for (int o = 0; o < 16; ++o)
            weights[o] = LOAD16(global, w + o * g.w_o);
        transpose16(weights);
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
        #pragma unroll
        for (int o = 0; o < 16; ++o)
            rows[o] = LOAD16(global, from + o * filter_step + first);
        transpose16(rows);
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

#if TYPE == TYPE_F32
/* even[k] = from[2k], odd[k] = from[2k + 1] for at least 16 pairs; the last vectors overlap. */
static inline void split_pairs(global float *restrict even, global float *restrict odd,
                               global const float *restrict from, index_t count) {
    for (index_t k = 0;; k = min(k + 16, count - 16)) {
        const float16 a = LOAD16(global, from + 2 * k), b = LOAD16(global, from + 2 * k + 16);
        STORE16(global, EVEN16(a, b), even + k);
        STORE16(global, ODD16(a, b), odd + k);
        if (k + 16 == count)
            break;
    }
}
#endif

/* Puts element w of a row of the input at place pad_w + w, which is split into phases. */
static inline void copy_row(global float *restrict to, geometry g, global const x_t *restrict x,
                            index_t phase, index_t phases) {
    index_t w = 0; /* those before are copied */
#if TYPE == TYPE_F32
    if (g.x_w == 1 && phases == 1) {
        copy_dense_global(to + g.pad_w, x, g.in_w);
        return;
    }
    if (g.x_w == 1 && phases == 2 && g.in_w >= 32) {
        const index_t even = g.pad_w % 2 * phase + g.pad_w / 2;
        const index_t odd = (g.pad_w + 1) % 2 * phase + (g.pad_w + 1) / 2;
        w = g.in_w / 2 * 2;
        split_pairs(to + even, to + odd, x, w / 2);
    }
#endif
    const index_t first = g.pad_w + w, end = g.pad_w + g.in_w;
    for (index_t p = 0; p < phases; ++p, to += phase)
        for (index_t i = (first + phases - 1 - p) / phases; i * phases + p < end; ++i)
            to[i] = LOAD_X(g, x, (i * phases + p - g.pad_w) * g.x_w);
}

/*
 * padded[picture][channel][d][h][phase][w] with extents whole_d, whole_h, whole_w, rounded up to whole
 * phases; `pad` is what lies before the input. A row is split into `phases`, each with every so many-th
 * column, so that what neighbours read with a stride lies side by side. One work-item copies PAD_ROWS
 * rows; global size (rows over PAD_ROWS, channels, pictures).
 */
kernel void vector_pad(const geometry g, const offsets at, global const x_t *restrict x,
                       global float *restrict padded, const long padded_at, const index_t whole_d,
                       const index_t whole_h, const index_t whole_w, const index_t phases) {
    const index_t first = (index_t)get_global_id(0) * PAD_ROWS, c = (index_t)get_global_id(1);
    const index_t n = (index_t)get_global_id(2), channels = (index_t)get_global_size(1);
    const index_t end = min(first + PAD_ROWS, whole_d * whole_h);
    const index_t phase = (whole_w + phases - 1) / phases, line = phase * phases;
    padded += padded_at + ((long)n * channels + c) * whole_d * whole_h * line;
    x += at.x + n * g.x_n + c * g.x_c;
    for (index_t i = first * line; i < end * line; ++i)
        padded[i] = 0;
    for (index_t row = first; row < end; ++row) {
        const index_t d = row / whole_h - g.pad_d, h = row % whole_h - g.pad_h;
        if (d >= 0 && d < g.in_d && h >= 0 && h < g.in_h)
            copy_row(padded + row * line, g, x + d * g.x_d + h * g.x_h, phase, phases);
    }
}

/* Where the pixels of a work-item's tile lie. */
typedef struct {
    index_t x, y; /* elements of the first */
#if PLACES == ANYWHERE
    index_t x_step[PIXELS], y_step[PIXELS]; /* from there to the others */
#endif
    int first_row, first, end; /* what is stored; the rest is a neighbour's, or nobody's */
} tile_places;

#if PLACES == IN_PANEL
static inline void find_places(tile_places *at, geometry g, index_t tile) {
    at->x = tile * g.x_h;
    at->y = tile * WIDTH * g.y_w;
    at->first_row = at->first = 0;
    at->end = (int)min(g.out_w - tile * WIDTH, (index_t)WIDTH);
}
#elif PLACES == IN_LINE
/* Tiles do not leave their row; the last of it begins so that it ends where the row does. */
static inline void find_places(tile_places *at, geometry g, index_t tile) {
    const index_t tiles_w = (g.out_w + WIDTH - 1) / WIDTH, tiles_h = (g.out_h + ROWS - 1) / ROWS;
    const index_t wanted_w = tile % tiles_w * WIDTH, wanted_h = tile / tiles_w % tiles_h * ROWS;
    const index_t out_w = min(wanted_w, g.out_w - WIDTH), out_h = min(wanted_h, g.out_h - ROWS);
    const index_t out_d = tile / tiles_w / tiles_h;
    at->x = out_d * g.stride_d * g.x_d + out_h * g.stride_h * g.x_h + out_w * LINE_STEP;
    at->y = out_d * g.y_d + out_h * g.y_h + out_w * g.y_w;
    at->first_row = (int)(wanted_h - out_h);
    at->first = (int)(wanted_w - out_w);
    at->end = WIDTH;
}
#endif

#if PLACES != IN_LINE
/* Tiles go on in the next row; beyond the end they repeat the last pixel. */
static inline void follow_rows(index_t x_step[PIXELS], index_t y_step[PIXELS], geometry g,
                               index_t tile) {
    const index_t pixels = g.out_d * g.out_h * g.out_w;
    index_t out_w = tile * PIXELS % g.out_w, rows = tile * PIXELS / g.out_w;
    index_t out_h = rows % g.out_h, out_d = rows / g.out_h;
    #pragma unroll
    for (int i = 0; i < PIXELS; ++i) {
        const int is_last = tile * PIXELS + i + 1 >= pixels;
        const int ends_row = !is_last && out_w + 1 == g.out_w;
        const int ends_plane = ends_row && out_h + 1 == g.out_h;
        x_step[i] = out_d * g.stride_d * g.x_d + out_h * g.stride_h * g.x_h +
                    out_w * g.stride_w * g.x_w;
        y_step[i] = out_d * g.y_d + out_h * g.y_h + out_w * g.y_w;
        out_w = is_last ? out_w : ends_row ? 0 : out_w + 1;
        out_h = ends_plane ? 0 : out_h + ends_row;
        out_d += ends_plane;
    }
}
#endif

#if PLACES == ANYWHERE
static inline void find_places(tile_places *at, geometry g, index_t tile) {
    at->x = at->y = 0;
    follow_rows(at->x_step, at->y_step, g, tile);
    at->first_row = at->first = 0;
    at->end = (int)min(g.out_d * g.out_h * g.out_w - tile * PIXELS, (index_t)PIXELS);
}
#elif PLACES == IN_PANEL
/*
 * panels[picture][group][tile][channel][WIDTH] of a kernel of one tap; one work-item copies a tile. Global
 * size (tiles, groups, pictures).
 */
kernel void vector_panels(const geometry g, const offsets at, global const x_t *restrict x,
                          global float *restrict panels, const long panels_at) {
    const index_t tile = (index_t)get_global_id(0), group = (index_t)get_global_id(1);
    const index_t n = (index_t)get_global_id(2), tiles = (index_t)get_global_size(0);
    index_t x_step[PIXELS], y_step[PIXELS];
    follow_rows(x_step, y_step, g, tile);
    x += at.x + n * g.x_n + group * g.in_per_group * g.x_c;
    panels += panels_at +
              (((long)n * g.groups + group) * tiles + tile) * g.in_per_group * PIXELS;
    for (index_t c = 0; c < g.in_per_group; ++c, x += g.x_c, panels += PIXELS) {
        PREFETCH(x + AHEAD * g.x_c + x_step[0]);
        PREFETCH(x + AHEAD * g.x_c + x_step[PIXELS - 1]);
        #pragma unroll
        for (int i = 0; i < PIXELS; ++i)
            panels[i] = LOAD_X(g, x, x_step[i]);
    }
}
#endif

#if TYPE == TYPE_F32 && !BLENDS && PLACES != ANYWHERE
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

/* The pixels `first` to `end` of a row; the last piece overlaps the one before. */
static inline void finish_row(const float *sums, int first, int end, scalars s,
                              global const y_t *bias, global y_t *to, index_t channel_step,
                              int channels) {
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

/* What tap k of a row of the kernel reads, seen from the first. */
static inline index_t column_of(geometry g, index_t k, index_t phase) {
    const index_t column = k * g.dilation_w;
    return (column % PHASES * phase + column / PHASES) * g.x_w;
}

/*
 * Adds one tap. Each element is used once, so that multiply-adds can broadcast it from memory
 * themselves; they do as one instruction where its address is a register and a number.
 */
static inline void add_tap(float16 sums[ROWS][WIDTH], const tile_places *at, index_t row_step,
                           global const float *from, global const float *restrict w) {
    const float16 weights = LOAD16(global, w);
    #pragma unroll
    for (int r = 0; r < ROWS; ++r) {
#if PLACES == ANYWHERE
        #pragma unroll
        for (int i = 0; i < WIDTH; ++i)
            sums[r][i] += weights * from[at->x_step[i]];
#else
        global const float *line = from + r * row_step;
        OPAQUE(line);
        #pragma unroll
        for (int i = 0; i < WIDTH; ++i)
            sums[r][i] += weights * line[i * LINE_STEP];
#endif
    }
}

/* Asks for what a row of taps reads some channels further on. */
static inline void ask_for(global const float *from, const tile_places *at, index_t row_step) {
#if PLACES == ANYWHERE
    PREFETCH(from + at->x_step[0]);
    PREFETCH(from + at->x_step[WIDTH - 1]);
#else
    #pragma unroll
    for (int r = 0; r < ROWS; ++r) {
        PREFETCH(from + r * row_step);
        PREFETCH(from + r * row_step + (WIDTH - 1) * LINE_STEP);
    }
#endif
}

/*
 * Global size (tiles and channel blocks of all groups, in the order that `tile_axis` gives,
 * pictures). The x strides are those of what
 * vector_pad or vector_panels wrote, or of the input itself, whose channels lie `channel_step` elements
 * apart, and whose rows are split into PHASES of `phase` elements; w_i and w_o step over the taps and
 * channel blocks of the packed weights, or of those that lie as if they were packed.
 */
kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
vector(const geometry g, const offsets at, const scalars s, global const float *restrict x,
       const long x_at, const index_t channel_step, const index_t phase,
       global const float *restrict packed, const long packed_at, const index_t tile_axis, global const y_t *restrict bias,
       global const y_t *residual, global y_t *y) {
    const index_t tile = (index_t)get_global_id(tile_axis);
    const index_t block = (index_t)get_global_id(1 - tile_axis), n = (index_t)get_global_id(2);
    const index_t blocks = (g.out_per_group + OC - 1) / OC;
    const index_t group = block / blocks, first = block % blocks * OC;
    const index_t row_step = g.stride_h * g.x_h;
    const index_t ahead = (AHEAD - 1) / (KERNEL_D * KERNEL_H * KERNEL_W) * channel_step + channel_step;
    tile_places place;
    find_places(&place, g, tile);

    float16 sums[ROWS][WIDTH];
    #pragma unroll
    for (int r = 0; r < ROWS; ++r)
        #pragma unroll
        for (int i = 0; i < WIDTH; ++i)
            sums[r][i] = 0;
    x += x_at + n * g.x_n + group * g.in_per_group * g.x_c + place.x;
    packed += packed_at + (long)block * g.w_o;
    for (index_t c = 0; c < g.in_per_group; ++c, x += channel_step)
        for (index_t d = 0; d < KERNEL_D; ++d)
            for (index_t h = 0; h < KERNEL_H; ++h) {
                global const float *row = x + d * g.dilation_d * g.x_d + h * g.dilation_h * g.x_h;
                ask_for(row + ahead, &place, row_step);
                UNROLL_COLUMNS
                for (index_t k = 0; k < KERNEL_W; ++k, packed += g.w_i)
                    add_tap(sums, &place, row_step, row + column_of(g, k, phase), packed);
            }

    bias += at.bias;
    residual += at.residual + n * g.y_n + place.y;
    y += at.y + n * g.y_n + place.y;
    const int channels = (int)min((index_t)OC, g.out_per_group - first);
    const index_t channel = group * g.out_per_group + first;
    float stored[PIXELS][OC];
    #pragma unroll
    for (int r = 0; r < ROWS; ++r)
        #pragma unroll
        for (int i = 0; i < WIDTH; ++i)
            STORE16(private, sums[r][i], stored[r * WIDTH + i]);
    for (int r = place.first_row; r < ROWS; ++r) {
#if HAS_LINE_STORES
        if (g.y_w == 1 && place.end - place.first >= PIECE) {
            finish_row(stored[r * WIDTH], place.first, place.end, s, bias + channel,
                       y + channel * g.y_c + r * g.y_h, g.y_c, channels);
            continue;
        }
#endif
        for (int o = 0; o < channels; ++o)
            for (int i = place.first; i < place.end; ++i)
#if PLACES == ANYWHERE
                finish(stored[r * WIDTH + i][o], s, bias, residual, y, channel + o,
                       (channel + o) * g.y_c + place.y_step[i]);
#else
                finish(stored[r * WIDTH + i][o], s, bias, residual, y, channel + o,
                       (channel + o) * g.y_c + r * g.y_h + i * g.y_w);
#endif
    }
}
