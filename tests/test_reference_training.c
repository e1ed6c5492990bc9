/*
 * The reference of the gradients and of transposed convolution: against sums that are scattered
 * where the reference gathers, against each other by adjoint identities, and by differences.
 */
#include "support/generator.h"

#include <float.h>

static clconv_problem parsed(const char *text) {
    clconv_problem problem = CLCONV_PROBLEM_INIT;
    if (clconv_problem_parse(&problem, text))
        fail_msg("%s: %s", text, clconv_last_message());
    return problem;
}

/* ---- the oracle: every product goes where it belongs ---- */

typedef struct sums {
    long double *values, *magnitudes; /* of all that is computed, in the reference's order */
} sums;

/* One product's places: on the side of a stride with fewer elements, the other, and the kernel. */
typedef struct meeting {
    size_t few[CLCONV_TENSOR_AXES], many[CLCONV_TENSOR_AXES], weight[CLCONV_TENSOR_AXES];
} meeting;

static size_t dense_index(const tensor *t, const size_t at[CLCONV_TENSOR_AXES]) {
    size_t index = 0;
    for (size_t axis = 0; axis < CLCONV_TENSOR_AXES; ++axis)
        index = index * t->extent[axis] + at[axis];
    return index;
}

static long double element(const tensor *t, const size_t at[CLCONV_TENSOR_AXES]) {
    return (long double)clconv_element_get(t->data, t->type, tensor_offset(t, dense_index(t, at)));
}

static void add(sums *s, size_t index, long double term) {
    s->values[index] += term;
    s->magnitudes[index] += fabsl(term);
}

static void add_product(sums *s, const clconv_problem *p, const tensor_set *set, const meeting *m) {
    const int is_transposed = p->direction == CLCONV_TRANSPOSED;
    const tensor *weights = &set->tensors[CLCONV_WEIGHTS];
    const tensor *few = &set->tensors[is_transposed ? CLCONV_INPUT : CLCONV_OUTPUT];
    const tensor *many = &set->tensors[is_transposed ? CLCONV_OUTPUT : CLCONV_INPUT];
    const long double source = element(few, m->few) - p->input_zero_point;
    if (p->direction == CLCONV_BACKWARD_WEIGHTS)
        add(s, dense_index(weights, m->weight), source * element(many, m->many));
    else
        add(s, dense_index(many, m->many),
            source * (element(weights, m->weight) - p->weights_zero_point));
}

/* All kernel elements around one element of the side with fewer. */
static void add_taps(sums *s, const clconv_problem *p, const tensor_set *set, meeting *m,
                     const size_t extent[CLCONV_TENSOR_AXES]) {
    size_t k[CLCONV_SPATIAL_AXES];
    for (k[0] = 0; k[0] < p->kernel[0]; ++k[0])
        for (k[1] = 0; k[1] < p->kernel[1]; ++k[1])
            for (k[2] = 0; k[2] < p->kernel[2]; ++k[2]) {
                bool is_inside = true;
                for (size_t axis = 0; axis < CLCONV_SPATIAL_AXES; ++axis) {
                    size_t at = m->few[2 + axis] * p->stride[axis] + k[axis] * p->dilation[axis];
                    is_inside = is_inside && at >= p->pad_begin[axis] &&
                                at - p->pad_begin[axis] < extent[2 + axis];
                    m->many[2 + axis] = at - p->pad_begin[axis];
                    m->weight[2 + axis] =
                        p->mode == CLCONV_CONVOLUTION ? p->kernel[axis] - 1 - k[axis] : k[axis];
                }
                if (is_inside)
                    add_product(s, p, set, m);
            }
}

static void add_all(sums *s, const clconv_problem *p, const tensor_set *set) {
    const int is_transposed = p->direction == CLCONV_TRANSPOSED;
    const tensor *few = &set->tensors[is_transposed ? CLCONV_INPUT : CLCONV_OUTPUT];
    const tensor *many = &set->tensors[is_transposed ? CLCONV_OUTPUT : CLCONV_INPUT];
    const size_t few_per_group = few->extent[1] / p->groups;
    const size_t many_per_group = many->extent[1] / p->groups;
    for (size_t i = 0; i < few->count; ++i) {
        meeting m;
        size_t rest = i;
        for (size_t axis = CLCONV_TENSOR_AXES; axis-- > 0; rest /= few->extent[axis])
            m.few[axis] = rest % few->extent[axis];
        m.many[0] = m.few[0];
        m.weight[0] = m.few[1];
        for (size_t c = 0; c < many_per_group; ++c) {
            m.weight[1] = c;
            m.many[1] = m.few[1] / few_per_group * many_per_group + c;
            add_taps(s, p, set, &m, many->extent);
        }
        if (p->direction == CLCONV_BACKWARD_WEIGHTS && p->has_bias)
            add(s, set->tensors[CLCONV_WEIGHTS].count + m.few[1], element(few, m.few));
    }
}

/* alpha, and what is added to the sums. */
static void add_epilogue(sums *s, const clconv_problem *p, const tensor_set *set) {
    size_t done = 0;
    for (size_t which = 0; which < TENSOR_COUNT; ++which) {
        const tensor *t = &set->tensors[which];
        for (size_t i = 0; t->is_computed && i < t->count; ++i, ++done) {
            const size_t at = tensor_offset(t, i), inner = t->count / t->extent[0] / t->extent[1];
            s->values[done] *= p->alpha;
            s->magnitudes[done] *= fabs(p->alpha);
            if (which == CLCONV_OUTPUT && p->has_bias)
                add(s, done,
                    clconv_element_get(set->tensors[CLCONV_BIAS].data, t->type,
                                       i / inner % t->extent[1]));
            if (which == CLCONV_OUTPUT && p->has_residual)
                add(s, done, clconv_element_get(set->tensors[CLCONV_RESIDUAL].data, t->type, at));
            if (p->beta != 0)
                add(s, done, (long double)p->beta * clconv_element_get(t->data, t->type, at));
        }
    }
}

static double most_terms(const clconv_problem *p, const tensor_set *set) {
    const tensor *weights = &set->tensors[CLCONV_WEIGHTS], *output = &set->tensors[CLCONV_OUTPUT];
    return p->direction == CLCONV_BACKWARD_WEIGHTS ? (double)(output->count / output->extent[1])
                                                   : (double)(weights->count / p->groups);
}

static void check_against_oracle(const clconv_problem *p, const tensor_set *set, bool exact) {
    const size_t count = result_count(set);
    const clconv_type type = clconv_tensor_type(p, CLCONV_OUTPUT);
    expectation reference = make_expectation(p, set);
    sums s = {calloc(count, sizeof(long double)), calloc(count, sizeof(long double))};
    assert_non_null(s.values);
    assert_non_null(s.magnitudes);
    add_all(&s, p, set);
    add_epilogue(&s, p, set);
    for (size_t i = 0; i < count; ++i) {
        const double actual = reference.values[i], bound = reference.bounds[i];
        const double scale = exact ? 0 : DBL_EPSILON * (most_terms(p, set) + 8);
        const bool is_sane = type == CLCONV_S32 ? bound == 0 : bound > 0 && isfinite(bound);
        if (fabsl(actual - s.values[i]) <= (long double)scale * s.magnitudes[i] && is_sane &&
            fabs(stored(type, actual) - actual) <= bound)
            continue;
        char text[CLCONV_PROBLEM_TEXT_SIZE] = "";
        (void)clconv_problem_format(text, sizeof text, p);
        fail_msg("%s: element %zu is %.17g within %g instead of %.17Lg", text, i, actual, bound,
                 s.values[i]);
    }
    free(s.values);
    free(s.magnitudes);
    free_expectation(&reference);
}

static void compare_random_problems(filling fill, size_t count) {
    uint64_t random = environment_number("CLCONV_TEST_SEED", 20240602);
    print_message("seed %llu\n", (unsigned long long)random);
    for (size_t i = 0; i < count; ++i) {
        clconv_problem problem = CLCONV_PROBLEM_INIT;
        tensor_set set;
        random_meaning(&problem, &random);
        random_training(&problem, &random);
        problem.activation = CLCONV_ACTIVATION_NONE; /* test_reference has them */
        problem.activation_a = problem.activation_b = 0;
        random_geometry(&problem, &random, SMALL_WORK);
        make_tensors(&set, &problem, &random, fill);
        check_against_oracle(&problem, &set,
                             is_integer_type(problem.type) || fill == SMALL_INTEGERS);
        free_tensors(&set);
    }
}

static void test_training_random_reals_agree_with_oracle(void **state) {
    (void)state;
    compare_random_problems(REALS, 400);
}

static void test_training_random_integers_agree_with_oracle(void **state) {
    (void)state;
    compare_random_problems(SMALL_INTEGERS, 400);
}

/* ---- adjoint identities ---- */

/* Computes what the problem's direction says, whatever the set was made for. */
static void compute(const clconv_problem *p, tensor_set *set) {
    size_t done = 0;
    for (size_t which = 0; which < TENSOR_COUNT; ++which)
        set->tensors[which].is_computed = clconv_tensor_is_computed(p, (clconv_tensor)which);
    expectation e = make_expectation(p, set);
    for (size_t which = 0; which < TENSOR_COUNT; ++which) {
        tensor *t = &set->tensors[which];
        for (size_t i = 0; t->is_computed && i < t->count; ++i)
            clconv_element_set(t->data, t->type, tensor_offset(t, i), e.values[done++]);
    }
    free_expectation(&e);
}

static double inner_product(const tensor *a, const tensor *b) {
    double sum = 0;
    for (size_t i = 0; i < a->count; ++i)
        sum += clconv_element_get(a->data, a->type, tensor_offset(a, i)) *
               clconv_element_get(b->data, b->type, tensor_offset(b, i));
    return sum;
}

/* The tensors of a problem, with the content of another's, but for one and those of another size.
 */
static tensor_set tensors_in(const clconv_problem *p, const tensor_set *from, size_t but) {
    tensor_set set;
    for (size_t which = 0; which < TENSOR_COUNT; ++which) {
        const tensor *other = &from->tensors[which];
        set.tensors[which] = make_tensor(p, (clconv_tensor)which);
        if (which != but && other->data && set.tensors[which].bytes == other->bytes)
            memcpy(set.tensors[which].data, other->data, other->bytes);
    }
    return set;
}

static clconv_problem random_plain_problem(uint64_t *random) {
    clconv_problem problem = CLCONV_PROBLEM_INIT;
    problem.type = CLCONV_F64;
    problem.mode = (clconv_mode)random_below(random, 2);
    problem.layout = (clconv_layout)random_below(random, 2);
    problem.weights_layout = (clconv_weights_layout)random_below(random, 2);
    random_geometry(&problem, random, SMALL_WORK);
    return problem;
}

/* <conv(x, w), dy> = <x, dx> = <w, dw>, without any rounding. */
static void test_training_gradients_are_adjoint(void **state) {
    uint64_t random = environment_number("CLCONV_TEST_SEED", 7);
    size_t nonzero = 0;
    (void)state;
    for (size_t i = 0; i < 300; ++i) {
        clconv_problem p = random_plain_problem(&random);
        tensor_set forward, gradient; /* x, w, y; and x, w, dy */
        make_tensors(&forward, &p, &random, SMALL_INTEGERS);
        compute(&p, &forward);
        gradient = tensors_in(&p, &forward, CLCONV_OUTPUT);
        fill_tensor(&gradient.tensors[CLCONV_OUTPUT], &random, SMALL_INTEGERS);
        const double wanted =
            inner_product(&forward.tensors[CLCONV_OUTPUT], &gradient.tensors[CLCONV_OUTPUT]);
        p.direction = CLCONV_BACKWARD_DATA;
        compute(&p, &gradient);
        assert_true(inner_product(&forward.tensors[CLCONV_INPUT],
                                  &gradient.tensors[CLCONV_INPUT]) == wanted);
        p.direction = CLCONV_BACKWARD_WEIGHTS;
        memcpy(gradient.tensors[CLCONV_INPUT].data, forward.tensors[CLCONV_INPUT].data,
               forward.tensors[CLCONV_INPUT].bytes);
        compute(&p, &gradient);
        assert_true(inner_product(&forward.tensors[CLCONV_WEIGHTS],
                                  &gradient.tensors[CLCONV_WEIGHTS]) == wanted);
        nonzero += wanted != 0;
        free_tensors(&forward);
        free_tensors(&gradient);
    }
    assert_true(nonzero > 200);
}

/* A transposed convolution is the gradient of the input of the convolution that leads back. */
static void test_training_transposed_is_backward_data(void **state) {
    uint64_t random = environment_number("CLCONV_TEST_SEED", 8);
    (void)state;
    for (size_t i = 0; i < 200; ++i) {
        clconv_problem gradient = random_plain_problem(&random), p = gradient;
        size_t forward[CLCONV_SPATIAL_AXES], back[CLCONV_SPATIAL_AXES];
        tensor_set a, b;
        memset(gradient.input_strides, 0, sizeof gradient.input_strides);
        memset(gradient.output_strides, 0, sizeof gradient.output_strides);
        gradient.direction = CLCONV_BACKWARD_DATA;
        assert_ok(clconv_problem_output(forward, &gradient));
        p = gradient;
        p.direction = CLCONV_TRANSPOSED;
        p.in_channels = gradient.out_channels;
        p.out_channels = gradient.in_channels;
        memcpy(p.input, forward, sizeof p.input);
        for (int axis = 0; axis < CLCONV_SPATIAL_AXES; ++axis)
            p.output_padding[axis] = (gradient.input[axis] + p.pad_begin[axis] + p.pad_end[axis] -
                                      p.dilation[axis] * (p.kernel[axis] - 1) - 1) %
                                     p.stride[axis];
        assert_ok(clconv_problem_output(back, &p));
        assert_memory_equal(back, gradient.input, sizeof back);
        make_tensors(&a, &p, &random, SMALL_INTEGERS);
        b = tensors_in(&gradient, &a, CLCONV_INPUT); /* weights are the same bytes */
        memcpy(b.tensors[CLCONV_OUTPUT].data, a.tensors[CLCONV_INPUT].data,
               a.tensors[CLCONV_INPUT].bytes);
        compute(&p, &a);
        compute(&gradient, &b);
        assert_int_equal(a.tensors[CLCONV_OUTPUT].bytes, b.tensors[CLCONV_INPUT].bytes);
        assert_memory_equal(a.tensors[CLCONV_OUTPUT].data, b.tensors[CLCONV_INPUT].data,
                            a.tensors[CLCONV_OUTPUT].bytes);
        free_tensors(&a);
        free_tensors(&b);
    }
}

/* ---- differences ---- */

/* Half the sum of the squares of a forward output, whose gradient is the output itself. */
static double loss(const clconv_problem *p, tensor_set *set) {
    compute(p, set);
    return inner_product(&set->tensors[CLCONV_OUTPUT], &set->tensors[CLCONV_OUTPUT]) / 2;
}

/* The gradient of one tensor by the library, and by moving each of its elements. */
static void check_differences(const clconv_problem *p, tensor_set *set, clconv_direction direction,
                              size_t which) {
    const double step = 0x1p-12;
    clconv_problem gradient = *p;
    gradient.direction = direction;
    if (direction == CLCONV_BACKWARD_DATA)
        gradient.has_bias = 0;
    (void)loss(p, set);
    tensor_set computed = tensors_in(&gradient, set, TENSOR_COUNT);
    compute(&gradient, &computed);
    tensor *t = &set->tensors[which];
    for (size_t i = 0; i < t->count; ++i) {
        const size_t at = tensor_offset(t, i);
        const double before = clconv_element_get(t->data, t->type, at);
        clconv_element_set(t->data, t->type, at, before + step);
        double above = loss(p, set);
        clconv_element_set(t->data, t->type, at, before - step);
        double below = loss(p, set);
        clconv_element_set(t->data, t->type, at, before);
        const double wanted = (above - below) / (2 * step);
        const double actual = clconv_element_get(computed.tensors[which].data, t->type, at);
        if (!(fabs(actual - wanted) < 1e-8))
            fail_msg("element %zu of the %s's gradient is %.12g, not %.12g", i, tensor_name(which),
                     actual, wanted);
    }
    free_tensors(&computed);
}

static void test_training_gradients_are_differences(void **state) {
    static const char *const cases[] = {
        "mb2_ic2ih5iw4_oc3kh3kw2_ph1pw0_bias_type=f64",
        "g2_ic4ih7iw6_oc6kh3kw3_sh2sw3_ph2pw1rh0rw2_dh1dw0_bias_type=f64_mode=convolution",
        "ic2id3ih4iw5_oc2kd2kh3kw2_sd2sh1sw2_pd1_bias_type=f64_layout=nhwc_weights=ohwi",
        "mb2_ic3iw9_oc2kw4_sw3_pw2_dw1_bias_type=f64",
    };
    uint64_t random = 3;
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); ++i) {
        clconv_problem p = parsed(cases[i]);
        tensor_set set;
        make_tensors(&set, &p, &random, REALS);
        check_differences(&p, &set, CLCONV_BACKWARD_DATA, CLCONV_INPUT);
        check_differences(&p, &set, CLCONV_BACKWARD_WEIGHTS, CLCONV_WEIGHTS);
        check_differences(&p, &set, CLCONV_BACKWARD_WEIGHTS, CLCONV_BIAS);
        free_tensors(&set);
    }
}

/* ---- the bound ---- */

/* On ones every sum is its number of products, n, and its bound at least n*u*n. */
static void test_training_bound_counts_every_product(void **state) {
    static const struct {
        const char *problem;
        size_t products; /* at most, of one sum */
    } rows[] = {
        {"mb4_ic2ih6iw5_oc3kh3kw3_dir=backward_weights_bias", 4 * 4 * 3},
        {"g2_mb3_ic4id3ih4iw5_oc2kd2kh2kw2_dir=backward_weights", 3 * 2 * 3 * 4},
        {"g2_ic4ih9iw8_oc6kh3kw2_dir=backward_data", 3 * 3 * 2},
        {"g2_ic6ih5iw4_oc4kh3kw3_dir=transposed", 3 * 3 * 3},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); ++i) {
        const clconv_problem p = parsed(rows[i].problem);
        const double n = (double)rows[i].products;
        double most = 0;
        tensor_set set;
        uint64_t random = 1;
        make_tensors(&set, &p, &random, REALS);
        for (size_t which = 0; which < TENSOR_COUNT; ++which)
            for (size_t k = 0; k < set.tensors[which].count; ++k)
                clconv_element_set(set.tensors[which].data, CLCONV_F32, k, 1);
        expectation e = make_expectation(&p, &set);
        for (size_t k = 0; k < result_count(&set); ++k) {
            assert_true(e.bounds[k] >= n * 0x1p-24 * e.values[k]);
            assert_true(e.bounds[k] <= 1.01 * n * 0x1p-24 * e.values[k]);
            most = fmax(most, e.values[k]);
        }
        assert_true(most == n);
        free_expectation(&e);
        free_tensors(&set);
    }
}

/* ---- worked by hand, and arguments ---- */

static void test_training_worked_results(void **state) {
    static const float x[] = {0, 1, 2, 3}, w[] = {0, 1, 2, 3}, b[] = {10};
    float dx[9], dw[4] = {1, 1, 1, 1}, db[1] = {1};
    static const float dy[] = {1, 2, 3, 4}, image[] = {0, 1, 2, 3, 4, 5, 6, 7, 8};
    double y[25];
    (void)state;
    /* Zhang, Lipton, Li and Smola, "Dive into Deep Learning", section 14.10 */
    clconv_problem p = parsed("ic1ih2iw2_oc1oh3ow3_kh2kw2_dir=transposed");
    assert_ok(clconv_reference(y, NULL, &p, &(clconv_host_tensors){.input = x, .weights = w}));
    assert_memory_equal(y, ((double[]){0, 0, 1, 0, 4, 6, 4, 12, 9}), 9 * sizeof *y);
    p = parsed("ic1ih2iw2_oc1oh4ow4_kh2kw2_sh2sw2_dir=transposed_bias");
    assert_ok(
        clconv_reference(y, NULL, &p, &(clconv_host_tensors){.input = x, .weights = w, .bias = b}));
    assert_memory_equal(
        y, ((double[]){10, 10, 10, 11, 10, 10, 12, 13, 10, 12, 10, 13, 14, 16, 16, 19}),
        16 * sizeof *y);
    p = parsed("ic1ih3iw3_oc1oh2ow2_kh2kw2_dir=backward_data");
    assert_ok(clconv_reference(
        y, NULL, &p,
        &(clconv_host_tensors){.input = dx, .weights = w, .output = (void *)(uintptr_t)dy}));
    assert_memory_equal(y, ((double[]){0, 1, 2, 2, 10, 10, 6, 17, 12}), 9 * sizeof *y);
    p = parsed("ic1ih3iw3_oc1oh2ow2_kh2kw2_dir=backward_weights_bias_alpha=2_beta=-1");
    assert_ok(clconv_reference(
        y, NULL, &p,
        &(clconv_host_tensors){
            .input = image, .weights = dw, .bias = db, .output = (void *)(uintptr_t)dy}));
    assert_memory_equal(y, ((double[]){53, 73, 113, 133, 19}), 5 * sizeof *y);
}

static void test_training_null_arguments(void **state) {
    clconv_problem p = parsed("ic1iw1_oc1kw1_bias_beta=1_dir=backward_weights");
    float one = 1;
    double output[2] = {77, 77};
    const clconv_host_tensors full = {&one, &one, &one, NULL, &one};
    (void)state;
    for (size_t i = 0; i < TENSOR_COUNT; ++i)
        if (i != CLCONV_RESIDUAL)
            assert_fails(
                clconv_reference(output, NULL, &p,
                                 &(const clconv_host_tensors[]){without_tensor(full, i)}[0]),
                CLCONV_INVALID_ARGUMENT, tensor_name(i));
    assert_true(output[0] == 77 && output[1] == 77);
    p.beta = 0; /* then what is computed is not read */
    assert_ok(
        clconv_reference(output, NULL, &p, &(clconv_host_tensors){.input = &one, .output = &one}));
    assert_true(output[0] == 1 && output[1] == 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_training_worked_results),
        cmocka_unit_test(test_training_null_arguments),
        cmocka_unit_test(test_training_random_reals_agree_with_oracle),
        cmocka_unit_test(test_training_random_integers_agree_with_oracle),
        cmocka_unit_test(test_training_gradients_are_adjoint),
        cmocka_unit_test(test_training_transposed_is_backward_data),
        cmocka_unit_test(test_training_gradients_are_differences),
        cmocka_unit_test(test_training_bound_counts_every_product),
    };
    return run_group(tests);
}
