/* The inner loops of the host path: every instruction set that this processor runs. */
#include "support/support.h"

#include "host_kernel.h"

/* Sets that the build left out are absent. */
extern const clconv__host_kernel_set clconv__host_kernels_avx2 __attribute__((weak));
extern const clconv__host_kernel_set clconv__host_kernels_avx512 __attribute__((weak));

enum { MOST_TAPS = 33, MOST_ROWS = 16, MOST_WIDTH = 64 };

static const clconv_type accumulators[CLCONV__ACC_TYPES] = {
    [CLCONV__ACC_F32] = CLCONV_F32, [CLCONV__ACC_F64] = CLCONV_F64, [CLCONV__ACC_S32] = CLCONV_S32};

typedef struct arrays {
    _Alignas(64) double weights[MOST_TAPS * MOST_ROWS];
    _Alignas(64) double columns[MOST_TAPS * MOST_WIDTH];
    _Alignas(64) double sums[MOST_ROWS * MOST_WIDTH];
    double expected[MOST_ROWS * MOST_WIDTH];
} arrays;

static void fill(void *data, clconv_type type, size_t count, uint64_t *random) {
    for (size_t i = 0; i < count; ++i)
        clconv_element_set(data, type, i, random_value(random, CLCONV_S8, SMALL_INTEGERS));
}

static double expected_sum(const arrays *a, clconv_type type, size_t taps, size_t rows,
                           size_t width, size_t row, size_t pixel) {
    double sum = clconv_element_get(a->sums, type, row * width + pixel);
    for (size_t k = 0; k < taps; ++k)
        sum += clconv_element_get(a->weights, type, k * rows + row) *
               clconv_element_get(a->columns, type, k * width + pixel);
    return sum;
}

static void check_tile(const clconv__host_kernel_set *set, size_t accumulator, size_t taps) {
    static arrays a;
    const clconv__register_tile *tile = &set->tiles[accumulator];
    clconv_type type = accumulators[accumulator];
    size_t rows = set->rows, width = tile->width;
    uint64_t random = taps;
    assert_int_equal(tile->element, clconv_type_size(type));
    assert_in_range(rows, 1, MOST_ROWS);
    assert_in_range(width, 1, MOST_WIDTH);
    fill(a.weights, type, taps * rows, &random);
    fill(a.columns, type, taps * width, &random);
    fill(a.sums, type, rows * width, &random);
    for (size_t i = 0; i < rows * width; ++i)
        a.expected[i] = expected_sum(&a, type, taps, rows, width, i / width, i % width);
    tile->multiply(taps, a.weights, a.columns, a.sums);
    for (size_t i = 0; i < rows * width; ++i)
        assert_true(clconv_element_get(a.sums, type, i) == a.expected[i]);
}

/* Two tiles of pixels; the taps begin at odd places. */
static void check_sum_taps(const clconv__host_kernel_set *set, size_t accumulator, size_t taps) {
    static arrays a;
    const clconv__register_tile *tile = &set->tiles[accumulator];
    clconv_type type = accumulators[accumulator];
    size_t count = 2 * tile->width, at[MOST_TAPS];
    uint64_t random = taps;
    fill(a.weights, type, taps, &random);
    fill(a.columns, type, MOST_TAPS * MOST_WIDTH, &random);
    for (size_t k = 0; k < taps; ++k)
        at[k] = random_below(&random, MOST_TAPS * MOST_WIDTH - count);
    tile->sum_taps(taps, a.weights, a.columns, at, a.sums, count);
    for (size_t i = 0; i < count; ++i) {
        double sum = 0;
        for (size_t k = 0; k < taps; ++k)
            sum += clconv_element_get(a.weights, type, k) *
                   clconv_element_get(a.columns, type, at[k] + i);
        assert_true(clconv_element_get(a.sums, type, i) == sum);
    }
}

static void check_set(const clconv__host_kernel_set *set) {
    static const size_t taps[] = {0, 1, 2, 3, 15, 16, 17, MOST_TAPS};
    print_message("%s\n", set->name);
    for (size_t accumulator = 0; accumulator < CLCONV__ACC_TYPES; ++accumulator)
        for (size_t i = 0; i < COUNT_OF(taps); ++i) {
            check_tile(set, accumulator, taps[i]);
            check_sum_taps(set, accumulator, taps[i]);
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
