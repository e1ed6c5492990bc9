/* Element types in memory: sizes, conversion from and to double, and their arithmetic. */
#ifndef CLCONV__ELEMENT_H
#define CLCONV__ELEMENT_H

#include "status.h"

/** What the error analysis needs to know of a type; unit roundoff 0 marks exact arithmetic. */
typedef struct clconv__type_facts {
    const char *name;
    size_t size;                /* bytes */
    double accumulate_roundoff; /* unit roundoff of the arithmetic */
    double accumulate_tiny;     /* smallest normal number of the arithmetic */
    double accumulate_largest;  /* largest finite number of the arithmetic */
    double storage_roundoff;    /* unit roundoff in memory; 0 where memory holds the accumulator */
    double storage_tiny;        /* smallest normal number in memory */
    double largest;             /* largest finite number in memory */
    double smallest;            /* smallest (most negative) finite number in memory */
} clconv__type_facts;

/** NULL for a number that is no type. */
const clconv__type_facts *clconv__type(clconv_type type);

/** Binary32 nearest to a binary16 or bfloat16 pattern (exact), and back, ties to even. */
float clconv__f16_to_f32(uint16_t pattern);
float clconv__bf16_to_f32(uint16_t pattern);
uint16_t clconv__f64_to_f16(double value);
uint16_t clconv__f64_to_bf16(double value);

#endif
