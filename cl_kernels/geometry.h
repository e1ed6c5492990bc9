/*
 * Fields of a problem as kernels see it: extents, strides and pads, all of one integer type. The
 * host includes this list too, so that the two sides cannot drift apart. Pads are what lies before
 * element 0; x_, w_ and y_ fields are element strides of input, weights and output. A flipped
 * kernel has negative w_d, w_h, w_w and a w_start behind the first element. `step` is the
 * algorithm's own.
 */
/* clang-format off */
#define CLCONV_GEOMETRY_FIELDS(F)                                                                  \
    F(batch) F(groups) F(in_per_group) F(out_per_group)                                            \
    F(in_d) F(in_h) F(in_w)                                                                        \
    F(out_d) F(out_h) F(out_w)                                                                     \
    F(kernel_d) F(kernel_h) F(kernel_w)                                                            \
    F(stride_d) F(stride_h) F(stride_w)                                                            \
    F(dilation_d) F(dilation_h) F(dilation_w)                                                      \
    F(pad_d) F(pad_h) F(pad_w)                                                                     \
    F(x_n) F(x_c) F(x_d) F(x_h) F(x_w)                                                             \
    F(w_o) F(w_i) F(w_d) F(w_h) F(w_w) F(w_start)                                                  \
    F(y_n) F(y_c) F(y_d) F(y_h) F(y_w)                                                             \
    F(x_zero) F(w_zero)                                                                            \
    F(step)
/* clang-format on */
