/* Work spread over the processors. */
#include "support/support.h"

#include "parallel.h"

#include <stdatomic.h>

enum { MOST = 1000 };

typedef struct calls {
    atomic_int of[MOST];
} calls;

static void count_call(void *context, size_t index) {
    calls *c = context;
    atomic_fetch_add(&c->of[index < MOST ? index : MOST - 1], 1);
}

static void test_parallel_for_calls_each_index_once(void **state) {
    static const size_t counts[] = {0, 1, 2, 3, 255, 256, 257, MOST - 1};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(counts); ++i) {
        static calls c;
        memset(&c, 0, sizeof c);
        clconv__parallel_for(counts[i], count_call, &c);
        for (size_t index = 0; index < MOST; ++index)
            assert_int_equal(atomic_load(&c.of[index]), index < counts[i]);
    }
}

static void call_nested(void *context, size_t index) {
    (void)index;
    clconv__parallel_for(MOST - 1, count_call, context);
}

static void test_parallel_for_inside_itself(void **state) {
    static calls c;
    (void)state;
    clconv__parallel_for(3, call_nested, &c);
    for (size_t index = 0; index < MOST - 1; ++index)
        assert_int_equal(atomic_load(&c.of[index]), 3);
}

static void test_processors_at_least_one(void **state) {
    (void)state;
    assert_in_range(clconv__processors(), 1, 4096);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parallel_for_calls_each_index_once),
        cmocka_unit_test(test_parallel_for_inside_itself),
        cmocka_unit_test(test_processors_at_least_one),
    };
    return run_group(tests);
}
