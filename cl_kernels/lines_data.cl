/*
 * The gradient of the input through a stride of 2, on CPUs, where a result has few channels: depthwise
 * and first layers. Neighbouring results meet other weights, but every other one the same: vectors
 * run along the source, and each vector of it serves two of results, whose elements alternate. A
 * work-item computes `step` rows of a group's results, and of every so many groups. It puts the rows
 * of the source that they need into local memory once, with zeros around them. Here `in` is the
 * source, `out` the result, w_i steps over the source's channels and w_o over the result's of one
 * group. Global size (bands of rows, work-items for the groups, batch).
 */
#ifndef OC
#define OC 1
#endif
#ifndef VECTORS
#define VECTORS 1
#endif
#ifndef KERNEL_W
#define KERNEL_W 3
#endif
#ifndef PARITY
#define PARITY 1 /* of what lies before a row of results */
#endif
#ifndef W_STEP
#define W_STEP 1 /* elements from a weight to its neighbour in a row */
#endif
#define SOURCES (16 * VECTORS)
/* Result 2*m takes source m + SHIFTS - 1 - i through weight 2*i - PARITY, the next through the next. */
#define SHIFTS ((KERNEL_W - 1 + PARITY) / 2 + 1)

#ifdef __clang__
#define MIXED_LOW(a, b)                                                                            \
    __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define MIXED_HIGH(a, b)                                                                           \
    __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
#else
static inline float16 mixed(float8 a, float8 b) {
    float16 both;
    both.even = a;
    both.odd = b;
    return both;
}
#define MIXED_LOW(a, b) mixed((a).lo, (b).lo)
#define MIXED_HIGH(a, b) mixed((a).hi, (b).hi)
#endif

/* A band of rows of results, and the rows of the source that they meet. */
typedef struct {
    index_t n, first_h, end_h;
    index_t first_row, rows; /* of the source */
    index_t first_column;    /* of the source, in local memory; may lie before it */
    index_t line;            /* elements of a row in local memory */
} band;

static inline band find_band(geometry g) {
    band b;
    b.n = (index_t)get_global_id(2);
    b.first_h = (index_t)get_global_id(0) * g.step;
    b.end_h = min(b.first_h + g.step, g.out_h);
    const index_t below = b.first_h + g.pad_h - (g.kernel_h - 1);
    const index_t end = min((b.end_h - 1 + g.pad_h) / g.stride_h + 1, g.in_h);
    b.first_row = below > 0 ? (below + g.stride_h - 1) / g.stride_h : 0;
    b.rows = max(end - b.first_row, (index_t)0);
    b.first_column = (g.pad_w - PARITY) / 2 + PARITY - (SHIFTS - 1);
    b.line = ((g.out_w + 1) / 2 + SOURCES - 1) / SOURCES * SOURCES + SHIFTS - 1;
    return b;
}

/*
 * The source's rows of one group, rows[row][channel][column], in the order in which they are read; what
 * lies around them is zero and stays so.
 */
static inline void copy_rows(local float *restrict rows, geometry g, global const x_t *restrict x,
                             band b, index_t group) {
    const index_t first = max(b.first_column, (index_t)0);
    const index_t count = min(g.in_w, b.first_column + b.line) - first;
    local float *to = rows + first - b.first_column;
    for (index_t r = 0; r < b.rows; ++r) {
        index_t from = b.n * g.x_n + group * g.in_per_group * g.x_c + (b.first_row + r) * g.x_h +
                       first * g.x_w;
        for (index_t c = 0; c < g.in_per_group; ++c, from += g.x_c, to += b.line) {
#if TYPE == TYPE_F32
            if (g.x_w == 1 && count > 0) {
                copy_dense(to, x + from, count);
                continue;
            }
#endif
            for (index_t k = 0; k < count; ++k)
                to[k] = LOAD_X(g, x, from + k * g.x_w);
        }
    }
}

/*
 * Adds what OC channels of results get through one row of the kernel: sums[o][v] of even results, and
 * of odd ones.
 */
static inline void add_row(float16 even[OC][VECTORS], float16 odd[OC][VECTORS], geometry g,
                           local const float *from, index_t line, global const w_t *restrict w,
                           index_t channels) {
    global const w_t *filters[OC];
    #pragma unroll
    for (int o = 0; o < OC; ++o) /* channels beyond the last repeat it, unstored */
        filters[o] = w + min((index_t)o, channels - 1) * g.w_o;
    for (index_t c = 0; c < g.in_per_group; ++c, from += line) {
        #pragma unroll
        for (int i = 0; i < SHIFTS; ++i) {
            const int k = 2 * i - PARITY;
            float16 values[VECTORS];
            #pragma unroll
            for (int v = 0; v < VECTORS; ++v)
                values[v] = LOAD16(local, from + SHIFTS - 1 - i + v * 16);
            #pragma unroll
            for (int o = 0; o < OC; ++o) {
                if (k >= 0) {
                    const float weight = LOAD_W(g, filters[o], k * W_STEP);
                    #pragma unroll
                    for (int v = 0; v < VECTORS; ++v)
                        even[o][v] += weight * values[v];
                }
                if (k + 1 < KERNEL_W) {
                    const float weight = LOAD_W(g, filters[o], (k + 1) * W_STEP);
                    #pragma unroll
                    for (int v = 0; v < VECTORS; ++v)
                        odd[o][v] += weight * values[v];
                }
            }
        }
        #pragma unroll
        for (int o = 0; o < OC; ++o)
            filters[o] += g.w_i;
    }
}

kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
lines_data(const geometry g, const offsets at, const scalars s, global const x_t *restrict x,
           global const w_t *restrict w, global const y_t *restrict bias,
           global const y_t *residual, global y_t *y, local float *restrict rows) {
    const band b = find_band(g);
    for (index_t i = 0; i < g.in_per_group * b.rows * b.line; ++i)
        rows[i] = 0;
    for (index_t group = (index_t)get_global_id(1); group < g.groups;
         group += (index_t)get_global_size(1)) {
        copy_rows(rows, g, x + at.x, b, group);
        for (index_t o = 0; o < g.out_per_group; o += OC)
            for (index_t h = b.first_h; h < b.end_h; ++h)
                for (index_t m = 0; 2 * m < g.out_w; m += SOURCES) {
                    const index_t place = h + g.pad_h;
                    float16 even[OC][VECTORS], odd[OC][VECTORS];
                    #pragma unroll
                    for (int i = 0; i < OC; ++i)
                        #pragma unroll
                        for (int v = 0; v < VECTORS; ++v)
                            even[i][v] = odd[i][v] = 0;
                    for (index_t k = place % g.stride_h; k < g.kernel_h && k <= place;
                         k += g.stride_h) {
                        const index_t row = (place - k) / g.stride_h;
                        if (row < g.in_h)
                            add_row(even, odd, g,
                                    rows + (row - b.first_row) * g.in_per_group * b.line + m,
                                    b.line,
                                    w + at.w + group * g.in_per_group * g.w_i + o * g.w_o +
                                        g.w_start + k * g.w_h,
                                    g.out_per_group - o);
                    }
                    float16 results[OC][2 * VECTORS]; /* in memory, which keeps the program short */
                    #pragma unroll
                    for (int i = 0; i < OC; ++i)
                        #pragma unroll
                        for (int v = 0; v < VECTORS; ++v) {
                            results[i][2 * v] = MIXED_LOW(even[i][v], odd[i][v]);
                            results[i][2 * v + 1] = MIXED_HIGH(even[i][v], odd[i][v]);
                        }
                    const index_t channel = group * g.out_per_group + o;
                    const index_t to = b.n * g.y_n + channel * g.y_c + h * g.y_h;
                    const index_t channels = min(g.out_per_group - o, (index_t)OC);
                    for (index_t i = 0; i < channels; ++i)
                        for (index_t t = 2 * m; t < min(2 * (m + SOURCES), g.out_w); t += 16)
                            finish16(results[i][(t - 2 * m) / 16], s, bias + at.bias,
                                     residual + at.residual, y + at.y, channel + i,
                                     to + i * g.y_c + t * g.y_w, g.y_w,
                                     (int)min(g.out_w - t, (index_t)16));
                }
    }
}
