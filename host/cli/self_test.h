/* The verifier tries itself: correct results are corrupted, and each corruption must be caught. */
#ifndef CLCONV_CLI_SELF_TEST_H
#define CLCONV_CLI_SELF_TEST_H

#include <stdbool.h>

/** Prints one line for each corruption; returns how many were missed. Needs no device. */
int self_test(bool is_brief);

#endif
