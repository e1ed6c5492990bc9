#include "element.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* Roundoffs are powers of two: half the distance from 1 to the next number of the format. */
static const clconv__type_facts types[] = {
    [CLCONV_F32] = {"f32", 4, 0x1p-24, 0x1p-126, FLT_MAX, 0, 0, FLT_MAX, -FLT_MAX},
    [CLCONV_F64] = {"f64", 8, 0x1p-53, 0x1p-1022, DBL_MAX, 0, 0, DBL_MAX, -DBL_MAX},
    [CLCONV_F16] = {"f16", 2, 0x1p-24, 0x1p-126, FLT_MAX, 0x1p-11, 0x1p-14, 65504, -65504},
    [CLCONV_BF16] = {"bf16", 2, 0x1p-24, 0x1p-126, FLT_MAX, 0x1p-8, 0x1p-126, 0x1.fep127,
                     -0x1.fep127},
    [CLCONV_S8] = {"s8", 1, 0, 0, 0, 0, 0, 127, -128},
    [CLCONV_U8] = {"u8", 1, 0, 0, 0, 0, 0, 255, 0},
    [CLCONV_S32] = {"s32", 4, 0, 0, 0, 0, 0, 2147483647.0, -2147483648.0},
};

const clconv__type_facts *clconv__type(clconv_type type) {
    return (size_t)type < sizeof types / sizeof types[0] ? &types[type] : NULL;
}

size_t clconv_type_size(clconv_type type) {
    const clconv__type_facts *facts = clconv__type(type);
    return facts ? facts->size : 0;
}

float clconv__bf16_to_f32(uint16_t pattern) {
    uint32_t bits = (uint32_t)pattern << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

float clconv__f16_to_f32(uint16_t pattern) {
    int exponent = (pattern >> 10) & 31;
    int fraction = pattern & 1023;
    float magnitude;
    if (exponent == 31)
        magnitude = fraction ? NAN : INFINITY;
    else if (exponent == 0)
        magnitude = ldexpf((float)fraction, -24);
    else
        magnitude = ldexpf((float)(fraction + 1024), exponent - 25);
    return pattern & 0x8000 ? -magnitude : magnitude;
}

/*
 * Rounds a double to a binary format of at most 16 bits. Scaling by a power of two is exact, so
 * nearbyint() makes the only rounding, and a fraction that rounds up carries into the exponent.
 */
static uint16_t round_to_format(double value, int fraction_bits, int bias) {
    uint16_t sign = signbit(value) ? 0x8000 : 0;
    uint16_t infinity = (uint16_t)((0x7fff >> fraction_bits) << fraction_bits);
    if (isnan(value))
        return (uint16_t)(sign | infinity | (1u << (fraction_bits - 1)));
    if (isinf(value))
        return (uint16_t)(sign | infinity);
    int exponent = 0;
    frexp(value, &exponent);
    int biased = exponent - 1 + bias;
    if (value == 0 || biased < 1)
        biased = 1;
    if (biased > 2 * bias)
        return (uint16_t)(sign | infinity);
    double units = nearbyint(ldexp(fabs(value), fraction_bits - (biased - bias)));
    unsigned pattern = ((unsigned)(biased - 1) << fraction_bits) + (unsigned)units;
    return (uint16_t)(sign | (pattern < infinity ? pattern : infinity));
}

uint16_t clconv__f64_to_f16(double value) {
    return round_to_format(value, 10, 15);
}

uint16_t clconv__f64_to_bf16(double value) {
    return round_to_format(value, 7, 127);
}

double clconv_element_get(const void *data, clconv_type type, size_t index) {
    switch (type) {
    case CLCONV_F32:
        return ((const float *)data)[index];
    case CLCONV_F64:
        return ((const double *)data)[index];
    case CLCONV_F16:
        return clconv__f16_to_f32(((const uint16_t *)data)[index]);
    case CLCONV_BF16:
        return clconv__bf16_to_f32(((const uint16_t *)data)[index]);
    case CLCONV_S8:
        return ((const int8_t *)data)[index];
    case CLCONV_U8:
        return ((const uint8_t *)data)[index];
    case CLCONV_S32:
        return ((const int32_t *)data)[index];
    }
    return NAN;
}

/* Nearest integer inside the type's range; NaN has no integer and becomes 0. */
static double to_integer(double value, const clconv__type_facts *facts) {
    return isnan(value) ? 0 : nearbyint(fmin(fmax(value, facts->smallest), facts->largest));
}

void clconv_element_set(void *data, clconv_type type, size_t index, double value) {
    switch (type) {
    case CLCONV_F32:
        ((float *)data)[index] = (float)value;
        break;
    case CLCONV_F64:
        ((double *)data)[index] = value;
        break;
    case CLCONV_F16:
        ((uint16_t *)data)[index] = clconv__f64_to_f16(value);
        break;
    case CLCONV_BF16:
        ((uint16_t *)data)[index] = clconv__f64_to_bf16(value);
        break;
    case CLCONV_S8:
        ((int8_t *)data)[index] = (int8_t)to_integer(value, &types[type]);
        break;
    case CLCONV_U8:
        ((uint8_t *)data)[index] = (uint8_t)to_integer(value, &types[type]);
        break;
    case CLCONV_S32:
        ((int32_t *)data)[index] = (int32_t)to_integer(value, &types[type]);
        break;
    }
}
