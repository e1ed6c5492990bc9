/*
 * The transforms of Winograd's minimal filtering F(M x M, R x R) in one dimension, for F(4, 3) and
 * F(2, 3) as in Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks",
 * arXiv:1509.09308. F(2, 5) evaluates at the same six points as F(4, 3), 0, 1, -1, 2, -2 and
 * infinity, so that inputs are transformed alike; with V[i][k] = point i to the power of k its
 * weights are scaled as those are, and its outputs are V's first columns. Prepended to
 * winograd*.cl.
 */
#ifndef M
#define M 4
#endif
#ifndef R
#define R 3
#endif
#define TS (M + R - 1) /* side of an input tile */

#if TS == 6
#define TRANSFORM_INPUT(r, d)                                                                      \
    r[0] = 4 * d[0] - 5 * d[2] + d[4];                                                             \
    r[1] = d[3] + d[4] - 4 * (d[1] + d[2]);                                                        \
    r[2] = d[4] - d[3] + 4 * (d[1] - d[2]);                                                        \
    r[3] = d[4] - d[2] + 2 * (d[3] - d[1]);                                                        \
    r[4] = d[4] - d[2] - 2 * (d[3] - d[1]);                                                        \
    r[5] = 4 * d[1] - 5 * d[3] + d[5]
#else
#define TRANSFORM_INPUT(r, d)                                                                      \
    r[0] = d[0] - d[2];                                                                            \
    r[1] = d[1] + d[2];                                                                            \
    r[2] = d[2] - d[1];                                                                            \
    r[3] = d[1] - d[3]
#endif

#if M == 4
#define TRANSFORM_WEIGHTS(r, w)                                                                    \
    r[0] = w[0] / 4;                                                                               \
    r[1] = -(w[0] + w[1] + w[2]) / 6;                                                              \
    r[2] = -(w[0] - w[1] + w[2]) / 6;                                                              \
    r[3] = w[0] / 24 + w[1] / 12 + w[2] / 6;                                                       \
    r[4] = w[0] / 24 - w[1] / 12 + w[2] / 6;                                                       \
    r[5] = w[2]
#define TRANSFORM_OUTPUT(r, m)                                                                     \
    r[0] = m[0] + (m[1] + m[2]) + (m[3] + m[4]);                                                   \
    r[1] = (m[1] - m[2]) + 2 * (m[3] - m[4]);                                                      \
    r[2] = (m[1] + m[2]) + 4 * (m[3] + m[4]);                                                      \
    r[3] = (m[1] - m[2]) + 8 * (m[3] - m[4]) + m[5]
#elif R == 5
#define TRANSFORM_WEIGHTS(r, w)                                                                    \
    r[0] = w[0] / 4;                                                                               \
    r[1] = -((w[0] + w[2] + w[4]) + (w[1] + w[3])) / 6;                                            \
    r[2] = -((w[0] + w[2] + w[4]) - (w[1] + w[3])) / 6;                                            \
    r[3] = ((w[0] + 4 * w[2] + 16 * w[4]) + (2 * w[1] + 8 * w[3])) / 24;                           \
    r[4] = ((w[0] + 4 * w[2] + 16 * w[4]) - (2 * w[1] + 8 * w[3])) / 24;                           \
    r[5] = w[4]
#define TRANSFORM_OUTPUT(r, m)                                                                     \
    r[0] = m[0] + (m[1] + m[2]) + (m[3] + m[4]);                                                   \
    r[1] = (m[1] - m[2]) + 2 * (m[3] - m[4]) + m[5]
#else
#define TRANSFORM_WEIGHTS(r, w)                                                                    \
    r[0] = w[0];                                                                                   \
    r[1] = (w[0] + w[1] + w[2]) / 2;                                                               \
    r[2] = (w[0] - w[1] + w[2]) / 2;                                                               \
    r[3] = w[2]
#define TRANSFORM_OUTPUT(r, m)                                                                     \
    r[0] = m[0] + m[1] + m[2];                                                                     \
    r[1] = m[1] - m[2] - m[3]
#endif
