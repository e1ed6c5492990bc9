/*
 * Identities: what must hold between results of one device, whatever the reference says. On small
 * integers they hold to the last bit.
 *
 *     linearity    conv(x1 + x2) = conv(x1) + conv(x2)
 *     shift        one more stride of padding in front moves the output by one
 *     group split  one group of a grouped convolution is a convolution of its own
 *     flip         true convolution is cross-correlation with the kernel turned round
 */
#ifndef CLCONV_CLI_IDENTITIES_H
#define CLCONV_CLI_IDENTITIES_H

#include "verify.h"

/**
 * Tries all that apply to the report's problem without its epilogue; changes `r` if one fails. None
 * does to an algorithm that is not exact.
 */
void identities_check(report *r, uint64_t seed);

#endif
