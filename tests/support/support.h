/* What every test needs: assertions with messages, random numbers, tensors, and the comparison. */
#ifndef CLCONV_TESTS_SUPPORT_H
#define CLCONV_TESTS_SUPPORT_H

#include "clconv.h"
#include "cli/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

enum { TENSOR_COUNT = CLCONV_OUTPUT + 1, MAX_DEVICES = 16 };

/* Every byte of memory that nobody may touch: NaN in each float type, -1 or 255 as an integer. */
enum { POISON = 0xff };

/* ------------------------------------------------------------------------------------------------
 * Assertions
 */

static inline void check_ok(clconv_status actual, const char *call, const char *file, int line) {
    if (actual == CLCONV_OK)
        return;
    print_error("%s: %s: %s\n", call, clconv_status_name(actual), clconv_last_message());
    _fail(file, line);
}

static inline void check_fails(clconv_status actual, clconv_status expected, const char *text,
                               const char *call, const char *file, int line) {
    const char *message = clconv_last_message();
    if (actual == expected && strstr(message, text))
        return;
    print_error("%s: %s with message \"%s\" instead of %s with \"%s\"\n", call,
                clconv_status_name(actual), message, clconv_status_name(expected), text);
    _fail(file, line);
}

#define assert_ok(call) check_ok(call, #call, __FILE__, __LINE__)

/* The call fails with this status, and its message contains the text. */
#define assert_fails(call, expected, text)                                                         \
    check_fails(call, expected, text, #call, __FILE__, __LINE__)

/* The message of the failure before names this too. */
#define assert_message(text)                                                                       \
    do {                                                                                           \
        if (!strstr(clconv_last_message(), text))                                                  \
            fail_msg("\"%s\" is not in the message \"%s\"", text, clconv_last_message());          \
    } while (0)

/* Within `margin` of each other. */
static inline void assert_near(double value, double expected, double margin) {
    if (!(fabs(value - expected) <= margin))
        fail_msg("%.9g is not within %g of %.9g", value, margin, expected);
}

/* ------------------------------------------------------------------------------------------------
 * Running and skipping
 */

static inline size_t *skipped_tests(void) {
    static size_t count;
    return &count;
}

static inline void skip_because(const char *reason) {
    print_message("skipped: %s\n", reason);
    ++*skipped_tests();
    skip();
}

/* Exit code of a test program: 77, CTest's SKIP_RETURN_CODE, when every test was skipped. */
static inline int exit_code(int failed, size_t count) {
    if (failed)
        return EXIT_FAILURE;
    return *skipped_tests() == count ? 77 : EXIT_SUCCESS;
}

#define run_group(tests) exit_code(cmocka_run_group_tests(tests, NULL, NULL), COUNT_OF(tests))

/* ------------------------------------------------------------------------------------------------
 * Random numbers
 */

static inline double random_real(uint64_t *state) {
    return 2 * random_unit(state) - 1;
}

static inline uint64_t environment_number(const char *name, uint64_t otherwise) {
    const char *text = getenv(name);
    return text && *text ? strtoull(text, NULL, 0) : otherwise;
}

/* ------------------------------------------------------------------------------------------------
 * Devices
 */

typedef struct device_set {
    clconv_device *devices[MAX_DEVICES];
    clconv_device_info infos[MAX_DEVICES];
    size_t count;
} device_set;

/* Opens every device of the machine that can be had; the host is always the last. */
static inline void open_devices(device_set *set) {
    clconv_device_info infos[MAX_DEVICES];
    size_t count = 0;
    set->count = 0;
    assert_ok(clconv_device_list(infos, MAX_DEVICES, &count));
    assert_in_range(count, 1, MAX_DEVICES);
    for (size_t i = 0; i < count; ++i) {
        clconv_status status = clconv_device_open(&set->devices[set->count], infos[i].selector);
        if (status == CLCONV_NO_DEVICE) {
            print_message("device %s: %s\n", infos[i].selector, clconv_last_message());
            continue;
        }
        assert_ok(status);
        assert_ok(clconv_device_get_info(&set->infos[set->count], set->devices[set->count]));
        ++set->count;
    }
    assert_true(set->count > 0);
    assert_int_equal(set->infos[set->count - 1].kind, CLCONV_KIND_HOST);
}

static inline void close_devices(device_set *set) {
    for (size_t i = 0; i < set->count; ++i)
        clconv_device_destroy(set->devices[i]);
    set->count = 0;
}

/* ------------------------------------------------------------------------------------------------
 * Tensors in host memory
 */

typedef struct tensor {
    unsigned char *data; /* NULL where the problem lacks the tensor */
    size_t elements;
    size_t bytes;
    clconv_type type;
    size_t extent[CLCONV_TENSOR_AXES];
    size_t stride[CLCONV_TENSOR_AXES];
    size_t count; /* product of the extents */
    bool is_computed;
} tensor;

typedef struct tensor_set {
    tensor tensors[TENSOR_COUNT];
} tensor_set;

typedef enum filling { REALS, SMALL_INTEGERS } filling;

/* Offset of element `index`, counted in the order of the axes with the last one running fastest. */
static inline size_t tensor_offset(const tensor *t, size_t index) {
    size_t offset = 0;
    for (size_t axis = CLCONV_TENSOR_AXES; axis-- > 0; index /= t->extent[axis])
        offset += index % t->extent[axis] * t->stride[axis];
    return offset;
}

static inline tensor make_tensor(const clconv_problem *problem, clconv_tensor which) {
    tensor t = {0};
    assert_ok(clconv_tensor_elements(&t.elements, problem, which));
    if (t.elements == 0)
        return t;
    assert_ok(clconv_tensor_shape(t.extent, t.stride, problem, which));
    t.type = clconv_tensor_type(problem, which);
    t.is_computed = clconv_tensor_is_computed(problem, which);
    t.bytes = t.elements * clconv_type_size(t.type);
    t.count = 1;
    for (size_t axis = 0; axis < CLCONV_TENSOR_AXES; ++axis)
        t.count *= t.extent[axis];
    t.data = malloc(t.bytes);
    assert_non_null(t.data);
    memset(t.data, POISON, t.bytes);
    return t;
}

/* Reals between -1 and 1, the whole range of 8 bits, or integers whose sums stay exact. */
static inline double random_value(uint64_t *random, clconv_type type, filling fill) {
    bool is_small = fill == SMALL_INTEGERS;
    switch (type) {
    case CLCONV_S8:
        return (double)random_below(random, is_small ? 7 : 256) - (is_small ? 3 : 128);
    case CLCONV_U8:
        return (double)random_below(random, is_small ? 7 : 256);
    case CLCONV_S32:
        return (double)random_below(random, is_small ? 7 : 2000001) - (is_small ? 3 : 1000000);
    default:
        return is_small ? (double)random_below(random, 7) - 3 : random_real(random);
    }
}

static inline void fill_tensor(tensor *t, uint64_t *random, filling fill) {
    for (size_t i = 0; i < t->count; ++i)
        clconv_element_set(t->data, t->type, tensor_offset(t, i),
                           random_value(random, t->type, fill));
}

/* Gaps of views stay poisoned, and so does all that is computed unless it is read. */
static inline void make_tensors(tensor_set *set, const clconv_problem *problem, uint64_t *random,
                                filling fill) {
    for (int which = CLCONV_INPUT; which <= CLCONV_OUTPUT; ++which) {
        set->tensors[which] = make_tensor(problem, (clconv_tensor)which);
        if (!set->tensors[which].is_computed || problem->beta != 0)
            fill_tensor(&set->tensors[which], random, fill);
    }
}

static inline void free_tensors(tensor_set *set) {
    for (size_t i = 0; i < TENSOR_COUNT; ++i)
        free(set->tensors[i].data);
}

static inline clconv_host_tensors host_tensors(const tensor_set *set) {
    return (clconv_host_tensors){.input = set->tensors[CLCONV_INPUT].data,
                                 .weights = set->tensors[CLCONV_WEIGHTS].data,
                                 .bias = set->tensors[CLCONV_BIAS].data,
                                 .residual = set->tensors[CLCONV_RESIDUAL].data,
                                 .output = set->tensors[CLCONV_OUTPUT].data};
}

/*
 * What a problem computes is one block of bytes: in nearly all directions one tensor, of the
 * gradient of the weights those and then the bias.
 */
static inline size_t result_bytes(const tensor_set *set) {
    size_t bytes = 0;
    for (size_t i = 0; i < TENSOR_COUNT; ++i)
        bytes += set->tensors[i].is_computed ? set->tensors[i].bytes : 0;
    return bytes;
}

/* Elements that are computed. */
static inline size_t result_count(const tensor_set *set) {
    size_t count = 0;
    for (size_t i = 0; i < TENSOR_COUNT; ++i)
        count += set->tensors[i].is_computed ? set->tensors[i].count : 0;
    return count;
}

/* Where a tensor lies in the block. */
static inline size_t result_offset(const tensor_set *set, size_t which) {
    size_t bytes = 0;
    for (size_t i = 0; i < which; ++i)
        bytes += set->tensors[i].is_computed ? set->tensors[i].bytes : 0;
    return bytes;
}

static inline const char *tensor_name(size_t which) {
    static const char *const names[TENSOR_COUNT] = {"input", "weights", "bias", "residual",
                                                    "output"};
    return names[which];
}

/* The same tensors, but one is missing. */
static inline clconv_host_tensors without_tensor(clconv_host_tensors tensors, size_t which) {
    switch (which) {
    case CLCONV_INPUT:
        tensors.input = NULL;
        break;
    case CLCONV_WEIGHTS:
        tensors.weights = NULL;
        break;
    case CLCONV_BIAS:
        tensors.bias = NULL;
        break;
    case CLCONV_RESIDUAL:
        tensors.residual = NULL;
        break;
    default:
        tensors.output = NULL;
    }
    return tensors;
}

/* ------------------------------------------------------------------------------------------------
 * Comparison with the reference
 */

typedef struct expectation {
    double *values;
    double *bounds;
} expectation;

static inline expectation make_expectation(const clconv_problem *problem, const tensor_set *set) {
    clconv_host_tensors tensors = host_tensors(set);
    size_t count = result_count(set);
    expectation expected = {malloc(count * sizeof(double)), malloc(count * sizeof(double))};
    assert_non_null(expected.values);
    assert_non_null(expected.bounds);
    assert_ok(clconv_reference(expected.values, expected.bounds, problem, &tensors));
    return expected;
}

static inline void free_expectation(expectation *expected) {
    free(expected->values);
    free(expected->bounds);
}

static inline double stored(clconv_type type, double value) {
    double memory[1];
    clconv_element_set(memory, type, 0, value);
    return clconv_element_get(memory, type, 0);
}

/* Every element of the output lies within its bound or, when exact, is the one that rounds right.
 */
static inline bool values_match(const tensor *output, const unsigned char *result,
                                const expectation *expected, bool exact, const char *label) {
    for (size_t i = 0; i < output->count; ++i) {
        double actual = clconv_element_get(result, output->type, tensor_offset(output, i));
        double wanted = expected->values[i];
        double bound = exact ? 0 : expected->bounds[i];
        if (exact)
            wanted = stored(output->type, wanted);
        if (fabs(actual - wanted) <= bound)
            continue;
        print_error("%s: element %zu is %.17g, not %.17g within %.3g\n", label, i, actual, wanted,
                    bound);
        return false;
    }
    return true;
}

/* What lies between the elements of a strided output kept its bytes. */
static inline bool gaps_match(const tensor *output, const unsigned char *result,
                              const char *label) {
    size_t size = clconv_type_size(output->type);
    unsigned char *merged = malloc(output->bytes);
    assert_non_null(merged);
    memcpy(merged, output->data, output->bytes);
    for (size_t i = 0; i < output->count; ++i) {
        size_t at = tensor_offset(output, i) * size;
        memcpy(merged + at, result + at, size);
    }
    bool same = memcmp(merged, result, output->bytes) == 0;
    if (!same)
        print_error("%s: bytes between the elements of the output were written\n", label);
    free(merged);
    return same;
}

static inline bool result_matches(const tensor *output, const unsigned char *result,
                                  const expectation *expected, bool exact, const char *label) {
    return values_match(output, result, expected, exact, label) &&
           gaps_match(output, result, label);
}

/* The same for all that a problem computes. */
static inline bool results_match(const tensor_set *set, const unsigned char *result,
                                 const expectation *expected, bool exact, const char *label) {
    size_t done = 0;
    for (size_t i = 0; i < TENSOR_COUNT; ++i) {
        const tensor *t = &set->tensors[i];
        if (!t->is_computed)
            continue;
        const expectation part = {expected->values + done, expected->bounds + done};
        if (!result_matches(t, result + result_offset(set, i), &part, exact, label))
            return false;
        done += t->count;
    }
    return true;
}

#endif
