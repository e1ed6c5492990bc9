/*
 * For CPUs: one work-item keeps OC output channels of PIXELS pixels in vector registers and runs over
 * all taps; the vectors lie along the output channels, so that weights are loaded as they were packed
 * and every input element is broadcast. Stages: vector_pack rearranges the weights, vector_pad copies
 * the input to dense float planes with its padding, vector multiplies.
 */
#ifndef VECTORS
#define VECTORS 2
#endif
#ifndef PIXELS
#define PIXELS 7
#endif
#ifndef LINE_STEP
#define LINE_STEP 0 /* elements between the inputs of neighbours; 0 where tiles may leave their row */
#endif
#define OC (16 * VECTORS)
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
        w += g.w_start + first_tap;
        for (int v = 0; v < VECTORS; ++v) {
            float16 weights[16];
            #pragma unroll
            for (int o = 0; o < 16; ++o)
                weights[o] = LOAD16(global, w + (v * 16 + o) * g.w_o);
            transpose16(weights);
            #pragma unroll
            for (int tap = 0; tap < 16; ++tap)
                STORE16(global, weights[tap], packed + tap * OC + v * 16);
        }
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
    for (index_t c = first_c; c < min(first_c + TURNED_CHANNELS, g.in_per_group); ++c)
        for (int v = 0; v < VECTORS; ++v) {
            const index_t o = first + v * 16, from = c * g.w_i + o * g.w_o;
            global float *to = packed + v * 16;
            int is_whole = 0;
#if TYPE == TYPE_F32
            float window[TURNED_SPAN][16];
            is_whole = o + 16 <= g.out_per_group;
            if (is_whole && g.w_o != 1) {
                is_whole = span >= 16 || from + 15 * g.w_o + 16 <= end;
                if (is_whole)
                    turn_filters(window, w + from, g.w_o, span);
            }
#endif
            for (index_t d = 0; d < g.kernel_d; ++d)
                for (index_t h = 0; h < g.kernel_h; ++h)
                    for (index_t k = 0; k < g.kernel_w; ++k, to += OC) {
                        const index_t place = d * g.w_d + h * g.w_h + k * g.w_w - low;
#if TYPE == TYPE_F32
                        if (is_whole) {
                            const float16 weights = g.w_o == 1 ? LOAD16(global, w + from + place)
                                                               : LOAD16(private, window[place]);
                            STORE16(global, weights, to);
                            continue;
                        }
#endif
                        for (int i = 0; i < 16; ++i)
                            to[i] = o + i < g.out_per_group
                                        ? LOAD_W(g, w, from + place + i * g.w_o)
                                        : 0.0f;
                    }
            if (v + 1 == VECTORS)
                packed = to - v * 16;
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
    index_t x, x_step[PIXELS]; /* element that the first tap of pixel 0 reads, and from it */
    index_t y[PIXELS];         /* elements of the output */
    int skipped, count;        /* pixels before are a neighbour's, those behind are none */
} tile_places;

/* Tiles do not leave their row; the last of it begins so that it ends where the row does. */
static inline void find_in_line(tile_places *at, geometry g, index_t tile, index_t n) {
    const index_t tiles_w = (g.out_w + PIXELS - 1) / PIXELS, row = tile / tiles_w;
    const index_t wanted = tile % tiles_w * PIXELS, out_w = min(wanted, g.out_w - PIXELS);
    const index_t out_h = row % g.out_h, out_d = row / g.out_h;
    const index_t x = out_d * g.stride_d * g.x_d + out_h * g.stride_h * g.x_h + out_w * LINE_STEP;
    const index_t y = n * g.y_n + out_d * g.y_d + out_h * g.y_h + out_w * g.y_w;
    #pragma unroll
    for (int i = 0; i < PIXELS; ++i) {
        at->x_step[i] = i * LINE_STEP;
        at->y[i] = y + i * g.y_w;
    }
    at->x = x;
    at->skipped = (int)(wanted - out_w);
    at->count = PIXELS;
}
/* Tiles go on in the next row; beyond the end they repeat the last pixel. */
static inline void find_anywhere(tile_places *at, geometry g, index_t tile, index_t n) {
    const index_t pixels = g.out_d * g.out_h * g.out_w;
    index_t out_w = tile * PIXELS % g.out_w, rows = tile * PIXELS / g.out_w;
    index_t out_h = rows % g.out_h, out_d = rows / g.out_h;
    #pragma unroll
    for (int i = 0; i < PIXELS; ++i) {
        const index_t x = out_d * g.stride_d * g.x_d + out_h * g.stride_h * g.x_h +
                          out_w * g.stride_w * g.x_w;
        at->x = i == 0 ? x : at->x;
        at->x_step[i] = x - at->x;
        at->y[i] = n * g.y_n + out_d * g.y_d + out_h * g.y_h + out_w * g.y_w;
        const int is_last = tile * PIXELS + i + 1 >= pixels;
        const int ends_row = !is_last && out_w + 1 == g.out_w;
        const int ends_plane = ends_row && out_h + 1 == g.out_h;
        out_w = is_last ? out_w : ends_row ? 0 : out_w + 1;
        out_h = ends_plane ? 0 : out_h + ends_row;
        out_d += ends_plane;
    }
    at->skipped = 0;
    at->count = (int)min(pixels - tile * PIXELS, (index_t)PIXELS);
}

/*
 * panels[picture][group][tile][channel][PIXELS] of a kernel of one tap, whose tiles are all full; one
 * work-item copies a tile. Global size (tiles, groups, pictures).
 */
kernel void vector_panels(const geometry g, const offsets at, global const x_t *restrict x,
                          global float *restrict panels, const long panels_at) {
    const index_t tile = (index_t)get_global_id(0), group = (index_t)get_global_id(1);
    const index_t n = (index_t)get_global_id(2), tiles = (index_t)get_global_size(0);
    tile_places place;
    find_anywhere(&place, g, tile, n);
    x += at.x + n * g.x_n + group * g.in_per_group * g.x_c + place.x;
    panels += panels_at +
              (((long)n * g.groups + group) * tiles + tile) * g.in_per_group * PIXELS;
    for (index_t c = 0; c < g.in_per_group; ++c, x += g.x_c, panels += PIXELS) {
        PREFETCH(x + AHEAD * g.x_c);
        PREFETCH(x + AHEAD * g.x_c + place.x_step[PIXELS - 1]);
        #pragma unroll
        for (int i = 0; i < PIXELS; ++i)
            panels[i] = LOAD_X(g, x, place.x_step[i]);
    }
}

#if TYPE == TYPE_F32 && !BLENDS && (PIXELS == 7 || PIXELS == 14)
#define HAS_LINE_STORES 1
#define LINES (PIXELS == 7 ? 1 : 2) /* of eight pixels, which overlap */
#define LINE_PIXELS (PIXELS == 7 ? 7 : 8)
#define LINE_DISTANCE 6

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

/* Finishes and stores neighbouring pixels of eight channels: pixels[i] has the channels. */
static inline void finish_line(float8 pixels[8], scalars s, global const y_t *bias, global y_t *to,
                               index_t channel_step, int channels) {
    transpose8(pixels);
    #pragma unroll
    for (int o = 0; o < 8; ++o) {
        float8 v = pixels[o];
        if (o >= channels)
            continue;
        if (s.has_bias)
            v += bias[o];
        v = ACTIVATE(v, s);
#if LINE_PIXELS == 8
        STORE8(global, v, to + o * channel_step);
#else
        vstore4(v.lo, 0, to + o * channel_step);
        vstore4(v.s3456, 0, to + o * channel_step + 3); /* the fourth pixel twice */
#endif
    }
}
#endif

/* Finishes the pixels of a tile of sums; `place` is the element of pixel i in channel 0. */
#define FINISH_TILE(first, end, place)                                                             \
    for (index_t o = 0; o < channels; ++o)                                                         \
        for (int i = (first); i < (end); ++i)                                                      \
            finish(tile_sums[i][o], s, bias, residual, y, channel + o, (place) + (channel + o) * g.y_c)

/*
 * Global size (pixel tiles, channel blocks of all groups, pictures). The x strides are those of what
 * vector_pad or vector_panels wrote, or of the input itself; w_i and w_o step over the taps and channel
 * blocks of the packed weights, or of those that lie as if they were packed; tap_from[tap] is where a tap reads, seen
 * from the first.
 */
kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
vector(const geometry g, const offsets at, const scalars s, global const float *restrict x,
       const long x_at, global const float *restrict packed, const long packed_at,
       global const index_t *restrict tap_from, global const y_t *restrict bias,
       global const y_t *residual, global y_t *y) {
    index_t tile = (index_t)get_global_id(0), block = (index_t)get_global_id(1);
    index_t n = (index_t)get_global_id(2);
    index_t blocks = (g.out_per_group + OC - 1) / OC;
    index_t group = block / blocks, first = block % blocks * OC;
    tile_places place;
#if LINE_STEP
    find_in_line(&place, g, tile, n);
#else
    find_anywhere(&place, g, tile, n);
#endif

    float16 sums[VECTORS][PIXELS];
    #pragma unroll
    for (int v = 0; v < VECTORS; ++v)
        #pragma unroll
        for (int i = 0; i < PIXELS; ++i)
            sums[v][i] = 0;
    x += x_at + n * g.x_n + group * g.in_per_group * g.x_c + place.x;
    packed += packed_at + (long)block * g.w_o;
    for (index_t tap = 0; tap < g.step; ++tap, packed += g.w_i) {
        global const float *from = x + tap_from[tap];
        global const float *next = x + tap_from[min(tap + AHEAD, g.step - 1)];
        float16 weights[VECTORS];
        PREFETCH(next);
        PREFETCH(next + place.x_step[PIXELS - 1]);
        #pragma unroll
        for (int v = 0; v < VECTORS; ++v) {
            PREFETCH(packed + AHEAD * g.w_i + v * 16);
            weights[v] = LOAD16(global, packed + v * 16);
        }
        #pragma unroll
        for (int i = 0; i < PIXELS; ++i) {
            float value = from[place.x_step[i]];
            #pragma unroll
            for (int v = 0; v < VECTORS; ++v)
                sums[v][i] += weights[v] * value;
        }
    }

    bias += at.bias;
    residual += at.residual;
    y += at.y;
    index_t channels = min((index_t)OC, g.out_per_group - first);
    index_t channel = group * g.out_per_group + first;
    int is_line = 1; /* each pixel right behind the one before, in memory too */
    #pragma unroll
    for (int i = 1; i < PIXELS; ++i)
        is_line &= place.y[i] - place.y[i - 1] == 1;
#if HAS_LINE_STORES
    if (is_line && !place.skipped && place.count == PIXELS) {
        #pragma unroll
        for (int part = 0; part < 2 * VECTORS * LINES; ++part) {
            const int half_of = part % 2, v = part / 2 % VECTORS;
            const int from = part / 2 / VECTORS * LINE_DISTANCE, o = 16 * v + 8 * half_of;
            float8 eight[8];
            #pragma unroll
            for (int i = 0; i < 8; ++i) {
                const float16 sixteen = sums[v][from + min(i, LINE_PIXELS - 1)];
                eight[i] = half_of ? sixteen.hi : sixteen.lo;
            }
            finish_line(eight, s, bias + channel + o,
                        y + place.y[0] + from + (channel + o) * g.y_c, g.y_c, (int)channels - o);
        }
        return;
    }
#endif
    float tile_sums[PIXELS][OC];
    #pragma unroll
    for (int i = 0; i < PIXELS; ++i)
        #pragma unroll
        for (int v = 0; v < VECTORS; ++v)
            vstore16(sums[v][i], v, tile_sums[i]);
    if (place.skipped || place.count < PIXELS)
        FINISH_TILE(place.skipped, place.count, place.y[i]);
    else if (is_line)
        FINISH_TILE(0, PIXELS, place.y[0] + i);
    else
        FINISH_TILE(0, PIXELS, place.y[i]);
}
