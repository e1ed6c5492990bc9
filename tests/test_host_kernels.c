/* The inner loops of the host path: every instruction set that this processor runs. */
#include "support/support.h"

#include "host_kernel.h"

/* Sets that the build left out are absent. */
extern const clconv__host_kernel_set clconv__host_kernels_avx2 __attribute__((weak));
extern const clconv__host_kernel_set clconv__host_kernels_avx512 __attribute__((weak));

enum { MOST_TAPS = 33, MOST_ROWS = 8, MOST_WIDTH = 8 * 16, PITCH = MOST_WIDTH + 3 };

static const clconv_type accumulators[CLCONV__ACC_TYPES] = {
    [CLCONV__ACC_F32] = CLCONV_F32, [CLCONV__ACC_F64] = CLCONV_F64, [CLCONV__ACC_S32] = CLCONV_S32};

typedef struct arrays {
    double weights[MOST_TAPS * MOST_ROWS];
    double columns[MOST_TAPS * MOST_WIDTH];
    double sums[MOST_ROWS * PITCH];
    double expected[MOST_ROWS * PITCH];
} arrays;

static void fill(void *data, clconv_type type, size_t count, uint64_t *random) {
    for (size_t i = 0; i < count; ++i)
        clconv_element_set(data, type, i, random_value(random, CLCONV_S8, SMALL_INTEGERS));
}

static double expected_sum(const arrays *a, clconv_type type, size_t taps, size_t rows,
                           const size_t *at, size_t row, size_t pixel) {
    double sum = 0;
    for (size_t k = 0; k < taps; ++k)
        sum += clconv_element_get(a->weights, type, k * rows + row) *
               clconv_element_get(a->columns, type, at[k] + pixel);
    return sum;
}

/* The taps begin at odd places; what lies between the rows of sums stays as it is. */
static void check_tile(const clconv__accumulator *accumulator, clconv_type type,
                       const clconv__register_tile *tile, size_t vectors, size_t taps, int adds) {
    static arrays a;
    const size_t rows = tile->rows, width = vectors * accumulator->lanes;
    size_t at[MOST_TAPS];
    uint64_t random = taps;
    assert_in_range(rows, 1, MOST_ROWS);
    assert_in_range(width, 1, MOST_WIDTH);
    fill(a.weights, type, taps * rows, &random);
    fill(a.columns, type, MOST_TAPS * MOST_WIDTH, &random);
    fill(a.sums, type, MOST_ROWS * PITCH, &random);
    for (size_t k = 0; k < taps; ++k)
        at[k] = random_below(&random, MOST_TAPS * MOST_WIDTH - width);
    for (size_t i = 0; i < MOST_ROWS * PITCH; ++i) {
        const size_t row = i / PITCH, pixel = i % PITCH;
        const int is_sum = row < rows && pixel < width;
        a.expected[i] = adds || !is_sum ? clconv_element_get(a.sums, type, i) : 0;
        if (is_sum)
            a.expected[i] += expected_sum(&a, type, taps, rows, at, row, pixel);
    }
    tile->multiply[vectors - 1](taps, a.weights, a.columns, at, adds, a.sums, PITCH);
    for (size_t i = 0; i < MOST_ROWS * PITCH; ++i)
        assert_true(clconv_element_get(a.sums, type, i) == a.expected[i]);
}

static void check_tiles(const clconv__accumulator *accumulator, clconv_type type,
                        const clconv__register_tile *tile) {
    static const size_t taps[] = {0, 1, 2, 3, 15, 16, 17, MOST_TAPS};
    assert_int_equal(accumulator->element, clconv_type_size(type));
    assert_in_range(tile->vectors, 1, CLCONV__MOST_VECTORS);
    for (size_t i = 0; i < COUNT_OF(taps); ++i)
        for (size_t vectors = 1; vectors <= tile->vectors; ++vectors)
            for (int adds = 0; adds < 2; ++adds)
                check_tile(accumulator, type, tile, vectors, taps[i], adds);
}

/* Rows that are copied and split: nothing beside them is written. */
static void check_rows(const clconv__host_kernel_set *set, size_t count) {
    enum { ROWS = 3, MOST = 150, STEP = 2 * MOST + 1 };
    static float from[ROWS * STEP], to[ROWS * STEP], firsts[ROWS * STEP], seconds[ROWS * STEP];
    const ptrdiff_t step = STEP * sizeof(float);
    assert_in_range(count, 0, MOST);
    for (size_t i = 0; i < ROWS * STEP; ++i) {
        from[i] = (float)i + 1;
        to[i] = firsts[i] = seconds[i] = 0;
    }
    set->copy_rows(ROWS, count * sizeof(float), to, step, from, step);
    set->split_rows(ROWS, count, firsts, seconds, STEP, from, STEP);
    for (size_t i = 0; i < ROWS * STEP; ++i) {
        const size_t column = i % STEP;
        assert_true(to[i] == (column < count ? from[i] : 0));
        assert_true(firsts[i] == (column < count ? from[i + column] : 0));
        assert_true(seconds[i] == (column < count ? from[i + column + 1] : 0));
    }
}

static void check_set(const clconv__host_kernel_set *set) {
    print_message("%s\n", set->name);
    for (size_t count = 0; count < 150; ++count)
        check_rows(set, count);
    for (size_t i = 0; i < CLCONV__ACC_TYPES; ++i) {
        check_tiles(&set->accumulators[i], accumulators[i], &set->accumulators[i].block);
        check_tiles(&set->accumulators[i], accumulators[i], &set->accumulators[i].line);
    }
}

static void test_host_kernels_portable(void **state) {
    (void)state;
    check_set(&clconv__host_kernels_portable);
}

/* What the processor runs follows from the set that was chosen: each includes the ones before. */
static void test_host_kernels_of_this_processor(void **state) {
    const clconv__host_kernel_set *chosen = clconv__host_kernels();
    (void)state;
    assert_non_null(chosen);
    check_set(chosen);
    if (chosen == &clconv__host_kernels_avx512 && &clconv__host_kernels_avx2)
        check_set(&clconv__host_kernels_avx2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_host_kernels_portable),
        cmocka_unit_test(test_host_kernels_of_this_processor),
    };
    return run_group(tests);
}
