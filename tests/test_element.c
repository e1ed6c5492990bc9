/* Element types: conversion from and to double. */
#include "support/support.h"

/* A 16-bit format decoded from its definition. */
static double decode(uint16_t pattern, int fraction_bits) {
    int exponent_bits = 15 - fraction_bits;
    int bias = (1 << (exponent_bits - 1)) - 1;
    int exponent = (pattern & 0x7fff) >> fraction_bits;
    int fraction = pattern & ((1 << fraction_bits) - 1);
    double sign = pattern & 0x8000 ? -1 : 1;
    if (exponent == (1 << exponent_bits) - 1)
        return fraction ? NAN : sign * INFINITY;
    if (exponent == 0)
        return sign * ldexp(fraction, 1 - bias - fraction_bits);
    return sign * ldexp(fraction + (1 << fraction_bits), exponent - bias - fraction_bits);
}

static const struct {
    clconv_type type;
    int fraction_bits;
    uint16_t infinity;
} halves[] = {{CLCONV_F16, 10, 0x7c00}, {CLCONV_BF16, 7, 0x7f80}};

static uint16_t encode(clconv_type type, double value) {
    uint16_t memory[3] = {0x1234, 0, 0x5678};
    clconv_element_set(memory, type, 1, value);
    assert_int_equal(memory[0], 0x1234);
    assert_int_equal(memory[2], 0x5678);
    return memory[1];
}

static void test_element_get_every_16_bit_pattern(void **state) {
    (void)state;
    for (size_t row = 0; row < COUNT_OF(halves); ++row)
        for (uint32_t bits = 0; bits <= UINT16_MAX; ++bits) {
            uint16_t pattern = (uint16_t)bits;
            double expected = decode(pattern, halves[row].fraction_bits);
            double actual = clconv_element_get(&pattern, halves[row].type, 0);
            if (isnan(expected))
                assert_true(isnan(actual));
            else
                assert_memory_equal(&actual, &expected, sizeof actual);
        }
}

static void test_element_set_every_16_bit_pattern(void **state) {
    (void)state;
    for (size_t row = 0; row < COUNT_OF(halves); ++row)
        for (uint32_t bits = 0; bits <= UINT16_MAX; ++bits) {
            double value = decode((uint16_t)bits, halves[row].fraction_bits);
            uint16_t actual = encode(halves[row].type, value);
            if (isnan(value))
                assert_in_range(actual & 0x7fff, halves[row].infinity + 1, 0x7fff);
            else
                assert_int_equal(actual, bits);
        }
}

/* Between each two neighbours: the middle goes to the even one, everything else to the nearer. */
static void test_element_set_rounds_to_nearest_even(void **state) {
    (void)state;
    for (size_t row = 0; row < COUNT_OF(halves); ++row)
        for (uint16_t low = 0; low + 1 < halves[row].infinity; ++low) {
            uint16_t high = (uint16_t)(low + 1), even = low & 1 ? high : low;
            double middle =
                (decode(low, halves[row].fraction_bits) + decode(high, halves[row].fraction_bits)) /
                2;
            assert_int_equal(encode(halves[row].type, middle), even);
            assert_int_equal(encode(halves[row].type, nextafter(middle, 0)), low);
            assert_int_equal(encode(halves[row].type, nextafter(middle, INFINITY)), high);
            assert_int_equal(encode(halves[row].type, -middle), even | 0x8000);
        }
}

static void test_element_set_overflows_to_infinity(void **state) {
    (void)state;
    for (size_t row = 0; row < COUNT_OF(halves); ++row) {
        int fraction_bits = halves[row].fraction_bits;
        uint16_t infinity = halves[row].infinity, largest = (uint16_t)(infinity - 1);
        double step =
            decode(largest, fraction_bits) - decode((uint16_t)(largest - 1), fraction_bits);
        double tie = decode(largest, fraction_bits) + step / 2;
        assert_int_equal(encode(halves[row].type, nextafter(tie, 0)), largest);
        assert_int_equal(encode(halves[row].type, tie), infinity);
        assert_int_equal(encode(halves[row].type, 1e300), infinity);
        assert_int_equal(encode(halves[row].type, -1e300), infinity | 0x8000);
    }
}

static void test_element_set_underflows_to_signed_zero(void **state) {
    (void)state;
    for (size_t row = 0; row < COUNT_OF(halves); ++row) {
        double smallest = decode(1, halves[row].fraction_bits);
        assert_int_equal(encode(halves[row].type, smallest / 2), 0);
        assert_int_equal(encode(halves[row].type, nextafter(smallest / 2, 1)), 1);
        assert_int_equal(encode(halves[row].type, 5e-324), 0);
        assert_int_equal(encode(halves[row].type, -5e-324), 0x8000);
        assert_int_equal(encode(halves[row].type, -0.0), 0x8000);
    }
}

static void test_element_set_f32_and_f64(void **state) {
    static const double values[] = {0, -0.0, 1, -1.5, 0.1, 1 + 0x1p-24, 1 + 0x1.8p-23, 3e38, 1e-45};
    float singles[2] = {7, 7};
    double doubles[2] = {7, 7};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(values); ++i) {
        float nearest = (float)values[i];
        clconv_element_set(singles, CLCONV_F32, 1, values[i]);
        clconv_element_set(doubles, CLCONV_F64, 1, values[i]);
        assert_memory_equal(&singles[1], &nearest, sizeof nearest);
        assert_memory_equal(&doubles[1], &values[i], sizeof values[i]);
        assert_true(clconv_element_get(singles, CLCONV_F32, 1) == nearest);
        assert_true(clconv_element_get(doubles, CLCONV_F64, 1) == values[i]);
    }
    assert_true(singles[0] == 7 && doubles[0] == 7);
    clconv_element_set(singles, CLCONV_F32, 1, NAN);
    assert_true(isnan(clconv_element_get(singles, CLCONV_F32, 1)));
}

static void test_element_set_integers_round_and_saturate(void **state) {
    static const struct {
        clconv_type type;
        double value;
        double expected;
    } rows[] = {
        {CLCONV_S8, 0.5, 0},
        {CLCONV_S8, 1.5, 2},
        {CLCONV_S8, 2.5, 2},
        {CLCONV_S8, -0.5, 0},
        {CLCONV_S8, -1.5, -2},
        {CLCONV_S8, 2.500001, 3},
        {CLCONV_S8, 127.5, 127},
        {CLCONV_S8, 1e9, 127},
        {CLCONV_S8, -128.5, -128},
        {CLCONV_S8, -INFINITY, -128},
        {CLCONV_S8, NAN, 0},
        {CLCONV_U8, -0.5, 0},
        {CLCONV_U8, -1, 0},
        {CLCONV_U8, 254.5, 254},
        {CLCONV_U8, 255.5, 255},
        {CLCONV_U8, INFINITY, 255},
        {CLCONV_U8, NAN, 0},
        {CLCONV_S32, 2147483646.5, 2147483646},
        {CLCONV_S32, 1e10, INT32_MAX},
        {CLCONV_S32, -1e10, INT32_MIN},
        {CLCONV_S32, -2.5, -2},
        {CLCONV_S32, NAN, 0},
    };
    int32_t memory[2] = {0};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); ++i) {
        clconv_element_set(memory, rows[i].type, 1, rows[i].value);
        assert_true(clconv_element_get(memory, rows[i].type, 1) == rows[i].expected);
        assert_true(clconv_element_get(memory, rows[i].type, 0) == 0);
    }
}

static void test_element_get_integers(void **state) {
    static const unsigned char bytes[] = {0x00, 0x7f, 0x80, 0xff};
    static const int32_t words[] = {INT32_MIN, -1, INT32_MAX};
    (void)state;
    assert_true(clconv_element_get(bytes, CLCONV_S8, 1) == 127);
    assert_true(clconv_element_get(bytes, CLCONV_S8, 2) == -128);
    assert_true(clconv_element_get(bytes, CLCONV_S8, 3) == -1);
    assert_true(clconv_element_get(bytes, CLCONV_U8, 2) == 128);
    assert_true(clconv_element_get(bytes, CLCONV_U8, 3) == 255);
    assert_true(clconv_element_get(words, CLCONV_S32, 0) == -2147483648.0);
    assert_true(clconv_element_get(words, CLCONV_S32, 2) == 2147483647.0);
}

static void test_type_size_every_type(void **state) {
    (void)state;
    assert_int_equal(clconv_type_size(CLCONV_F32), 4);
    assert_int_equal(clconv_type_size(CLCONV_F64), 8);
    assert_int_equal(clconv_type_size(CLCONV_F16), 2);
    assert_int_equal(clconv_type_size(CLCONV_BF16), 2);
    assert_int_equal(clconv_type_size(CLCONV_S8), 1);
    assert_int_equal(clconv_type_size(CLCONV_U8), 1);
    assert_int_equal(clconv_type_size(CLCONV_S32), 4);
    assert_int_equal(clconv_type_size((clconv_type)7), 0);
    assert_int_equal(clconv_type_size((clconv_type)-1), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_element_get_every_16_bit_pattern),
        cmocka_unit_test(test_element_set_every_16_bit_pattern),
        cmocka_unit_test(test_element_set_rounds_to_nearest_even),
        cmocka_unit_test(test_element_set_overflows_to_infinity),
        cmocka_unit_test(test_element_set_underflows_to_signed_zero),
        cmocka_unit_test(test_element_set_f32_and_f64),
        cmocka_unit_test(test_element_set_integers_round_and_saturate),
        cmocka_unit_test(test_element_get_integers),
        cmocka_unit_test(test_type_size_every_type),
    };
    return run_group(tests);
}
