/* What rows of the table share, and their names. */
#ifndef CLCONV__ROWS_H
#define CLCONV__ROWS_H

#include "algo.h"

/** The rows in the order of the table. The last are those that in their directions never refuse a
 * problem that the device can hold. */
#define CLCONV__ROWS(ROW)                                                                          \
    ROW(tiled)                                                                                     \
    ROW(vector)                                                                                    \
    ROW(winograd_2x2)                                                                              \
    ROW(winograd_4x4)                                                                              \
    ROW(gemm_tiled)                                                                                \
    ROW(gemm_mma)                                                                                  \
    ROW(gemm_mma_tf32)                                                                             \
    ROW(nhwc_mma)                                                                                  \
    ROW(nhwc_mma_tf32)                                                                             \
    ROW(winograd_gemm_2x2)                                                                         \
    ROW(winograd_gemm_4x4)                                                                         \
    ROW(depthwise)                                                                                 \
    ROW(lines)                                                                                     \
    ROW(pointwise)                                                                                 \
    ROW(im2col_clblast)                                                                            \
    ROW(weights_gemm)                                                                              \
    ROW(weights_tiled)                                                                             \
    ROW(weights_mma)                                                                               \
    ROW(depthwise_weights)                                                                         \
    ROW(lines_data)                                                                                \
    ROW(lines_weights)                                                                             \
    ROW(phases)                                                                                    \
    ROW(phases_winograd)                                                                           \
    ROW(col2im_clblast)                                                                            \
    ROW(host)                                                                                      \
    ROW(direct_weights)                                                                            \
    ROW(direct_data)                                                                               \
    ROW(direct)

#define CLCONV__DECLARE_ROW(name) extern const clconv__algo clconv__row_##name;
CLCONV__ROWS(CLCONV__DECLARE_ROW)
#undef CLCONV__DECLARE_ROW

/** Writes a sentence; returns 1. */
int clconv__refuse(char refusal[CLCONV_REFUSAL_SIZE], const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/** What rows refuse that compute floating-point types up to single precision. */
int clconv__refuses_types(char refusal[CLCONV_REFUSAL_SIZE], const clconv__request *request);

/** What rows of Winograd's transforms refuse. */
int clconv__refuses_winograd_2x2(char refusal[CLCONV_REFUSAL_SIZE], const clconv__request *request);
int clconv__refuses_winograd_4x4(char refusal[CLCONV_REFUSAL_SIZE], const clconv__request *request);

/**
 * Time from a rate of useful operations per compute unit, separately for OpenCL CPUs and GPUs. The
 * CPU rates were measured with `clconv verify` on PoCL; the GPU rates only order the rows.
 */
double clconv__seconds_at(const clconv__request *request, double cpu_rate, double gpu_rate);

/** Share of a tile's work that is useful: what the borders leave of it. */
double clconv__filled(size_t extent, size_t tile);

#endif
