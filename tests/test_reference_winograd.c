/*
 * The error bound of Winograd's algorithms against constants worked out by hand. With all inputs
 * and weights 1 the sum of magnitudes of output (r, q) of a tile is T[r]*T[q], where
 * T[r] = sum over i of |A'[r][i]| * (row sum i of |G|) * (row sum i of |B'|).
 */
#include "support/support.h"

typedef struct winograd_row {
    const char *algorithm;
    size_t out;       /* outputs of a tile per axis */
    size_t kernel;    /* taps per axis */
    double sums[4];   /* T */
    double roundings; /* of the longest path at least, for one input channel */
} winograd_row;

/* F(2,3): rows of |B'| sum to 2; F(4,3) and F(2,5): to 10 10 10 6 6 10. */
static const winograd_row rows[] = {
    {"winograd_2x2", 2, 3, {2 + 3 + 3, 3 + 3 + 2}, 2 * (1 + 2 + 2)},
    {"winograd_2x2",
     2,
     5,
     {2.5 + 50 / 6. + 50 / 6. + 7.75 + 7.75, 50 / 6. + 50 / 6. + 15.5 + 15.5 + 10},
     2 * (6 + 3 + 3)},
    {"winograd_4x4",
     4,
     3,
     {2.5 + 5 + 5 + 1.75 + 1.75, 5 + 5 + 3.5 + 3.5, 5 + 5 + 7 + 7, 5 + 5 + 14 + 14 + 10},
     2 * (6 + 2 + 3)}, /* a division by 6, 12 or 24 may cost five */
};

enum { LARGEST = 10 };

/* What the bound of an all-ones problem grows by, per output of one picture. */
static void raise_of(double raise[LARGEST * LARGEST], const clconv_problem *problem,
                     const char *algorithm) {
    static float ones[LARGEST * LARGEST * 4];
    double output[LARGEST * LARGEST], bound[LARGEST * LARGEST], raised[LARGEST * LARGEST];
    const clconv_host_tensors tensors = {.input = ones, .weights = ones};
    for (size_t i = 0; i < COUNT_OF(ones); ++i)
        ones[i] = 1;
    assert_ok(clconv_reference(output, bound, problem, &tensors));
    memcpy(raised, bound, sizeof bound);
    assert_ok(clconv_algorithm_bound(raised, problem, &tensors, algorithm));
    const size_t out = problem->input[CLCONV_H] - problem->kernel[CLCONV_H] + 1;
    for (size_t i = 0; i < out * out; ++i)
        raise[i] = raised[i] - bound[i];
}

static clconv_problem square_problem(size_t out, size_t kernel, size_t channels) {
    clconv_problem problem = CLCONV_PROBLEM_INIT;
    problem.in_channels = channels;
    problem.input[CLCONV_H] = problem.input[CLCONV_W] = out + kernel - 1;
    problem.kernel[CLCONV_H] = problem.kernel[CLCONV_W] = kernel;
    return problem;
}

/* At least what the transforms and sums may lose, and not twice as much. */
static void test_winograd_bound_of_one_tile(void **state) {
    (void)state;
    for (size_t row = 0; row < COUNT_OF(rows); ++row)
        for (size_t channels = 1; channels <= 4; ++channels) {
            const winograd_row *w = &rows[row];
            clconv_problem problem = square_problem(w->out, w->kernel, channels);
            double raise[LARGEST * LARGEST];
            raise_of(raise, &problem, w->algorithm);
            for (size_t r = 0; r < w->out; ++r)
                for (size_t q = 0; q < w->out; ++q) {
                    double sum = (double)channels * w->sums[r] * w->sums[q] * 0x1p-24;
                    double n = raise[r * w->out + q] / sum;
                    if (n < w->roundings + (double)channels - 1 ||
                        n > 2 * (w->roundings + (double)channels))
                        fail_msg("%s, output %zu %zu: the bound has %g roundings", w->algorithm, r,
                                 q, n);
                }
        }
}

/* Scaling, flipping and cutting the tile change the bound as they change the result. */
static void test_winograd_bound_follows_the_problem(void **state) {
    (void)state;
    for (size_t row = 0; row < COUNT_OF(rows); ++row) {
        const winograd_row *w = &rows[row];
        clconv_problem problem = square_problem(w->out, w->kernel, 1);
        double plain[LARGEST * LARGEST], other[LARGEST * LARGEST];
        raise_of(plain, &problem, w->algorithm);

        problem.alpha = -8;
        raise_of(other, &problem, w->algorithm);
        assert_true(fabs(other[0] / plain[0] - 8) < 1e-6);

        problem.alpha = 1;
        problem.mode = CLCONV_CONVOLUTION;
        raise_of(other, &problem, w->algorithm);
        assert_true(other[0] == plain[0]);

        problem.activation = CLCONV_LEAKY_RELU;
        problem.activation_a = 16;
        raise_of(other, &problem, w->algorithm);
        assert_true(fabs(other[0] / plain[0] - 16) < 1e-6);

        problem = square_problem(w->out, w->kernel, 1);
        problem.input[CLCONV_H] = problem.input[CLCONV_W] = w->kernel;
        raise_of(other, &problem, w->algorithm);
        assert_true(other[0] > 0 && other[0] <= plain[0]);
    }
}

/* Sums that are small may come out of transforms that overflow, of inputs or of weights. */
static void test_winograd_bound_of_overflowing_transforms(void **state) {
    (void)state;
    for (size_t row = 0; row < COUNT_OF(rows); ++row)
        for (int large = 0; large < 2; ++large) {
            static float input[LARGEST * LARGEST], weights[LARGEST * LARGEST];
            const clconv_host_tensors tensors = {.input = input, .weights = weights};
            const clconv_problem problem = square_problem(rows[row].out, rows[row].kernel, 1);
            double output[LARGEST * LARGEST], bound[LARGEST * LARGEST];
            for (size_t i = 0; i < COUNT_OF(input); ++i) {
                input[i] = large ? 1e-20f : 2e38f;
                weights[i] = large ? 2e38f : 1e-20f;
            }
            assert_ok(clconv_reference(output, bound, &problem, &tensors));
            assert_true(isfinite(bound[0]));
            assert_ok(clconv_algorithm_bound(bound, &problem, &tensors, rows[row].algorithm));
            assert_true(isinf(bound[0]));
        }
}

static void test_winograd_bound_leaves_plain_sums(void **state) {
    clconv_problem problem = square_problem(4, 3, 2);
    double raise[LARGEST * LARGEST];
    (void)state;
    raise_of(raise, &problem, "direct");
    for (size_t i = 0; i < 16; ++i)
        assert_true(raise[i] == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_winograd_bound_of_one_tile),
        cmocka_unit_test(test_winograd_bound_follows_the_problem),
        cmocka_unit_test(test_winograd_bound_of_overflowing_transforms),
        cmocka_unit_test(test_winograd_bound_leaves_plain_sums),
    };
    return run_group(tests);
}
