/*
 * The transforms of Winograd's minimal filtering F(M x M, 3 x 3) in one dimension (Lavin and Gray,
 * "Fast Algorithms for Convolutional Neural Networks", arXiv:1509.09308). Prepended to
 * winograd*.cl.
 */
#ifndef M
#define M 4
#endif
#define TS (M + 2) /* side of an input tile */

#if M == 4
#define TRANSFORM_WEIGHTS(r, w)                                                                    \
    r[0] = w[0] / 4;                                                                               \
    r[1] = -(w[0] + w[1] + w[2]) / 6;                                                              \
    r[2] = -(w[0] - w[1] + w[2]) / 6;                                                              \
    r[3] = w[0] / 24 + w[1] / 12 + w[2] / 6;                                                       \
    r[4] = w[0] / 24 - w[1] / 12 + w[2] / 6;                                                       \
    r[5] = w[2]
#define TRANSFORM_INPUT(r, d)                                                                      \
    r[0] = 4 * d[0] - 5 * d[2] + d[4];                                                             \
    r[1] = d[3] + d[4] - 4 * (d[1] + d[2]);                                                        \
    r[2] = d[4] - d[3] + 4 * (d[1] - d[2]);                                                        \
    r[3] = d[4] - d[2] + 2 * (d[3] - d[1]);                                                        \
    r[4] = d[4] - d[2] - 2 * (d[3] - d[1]);                                                        \
    r[5] = 4 * d[1] - 5 * d[3] + d[5]
#define TRANSFORM_OUTPUT(r, m)                                                                     \
    r[0] = m[0] + (m[1] + m[2]) + (m[3] + m[4]);                                                   \
    r[1] = (m[1] - m[2]) + 2 * (m[3] - m[4]);                                                      \
    r[2] = (m[1] + m[2]) + 4 * (m[3] + m[4]);                                                      \
    r[3] = (m[1] - m[2]) + 8 * (m[3] - m[4]) + m[5]
#else
#define TRANSFORM_WEIGHTS(r, w)                                                                    \
    r[0] = w[0];                                                                                   \
    r[1] = (w[0] + w[1] + w[2]) / 2;                                                               \
    r[2] = (w[0] - w[1] + w[2]) / 2;                                                               \
    r[3] = w[2]
#define TRANSFORM_INPUT(r, d)                                                                      \
    r[0] = d[0] - d[2];                                                                            \
    r[1] = d[1] + d[2];                                                                            \
    r[2] = d[2] - d[1];                                                                            \
    r[3] = d[1] - d[3]
#define TRANSFORM_OUTPUT(r, m)                                                                     \
    r[0] = m[0] + m[1] + m[2];                                                                     \
    r[1] = m[1] - m[2] - m[3]
#endif
