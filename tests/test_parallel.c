/* Work spread over the processors. */
#include "support/support.h"

#include "parallel.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

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

static void *call_often(void *context) {
    for (int i = 0; i < 200; ++i)
        clconv__parallel_for(MOST - 1, count_call, context);
    return NULL;
}

static void test_parallel_for_of_many_callers(void **state) {
    enum { CALLERS = 8 };
    static calls c;
    pthread_t callers[CALLERS];
    (void)state;
    memset(&c, 0, sizeof c);
    for (int i = 0; i < CALLERS; ++i)
        assert_int_equal(pthread_create(&callers[i], NULL, call_often, &c), 0);
    for (int i = 0; i < CALLERS; ++i)
        assert_int_equal(pthread_join(callers[i], NULL), 0);
    for (size_t index = 0; index < MOST - 1; ++index)
        assert_int_equal(atomic_load(&c.of[index]), 200 * CALLERS);
}

/* A child has no thread but the one that forked. */
static void test_parallel_for_in_a_child(void **state) {
    static calls c;
    int how;
    (void)state;
    memset(&c, 0, sizeof c);
    call_often(&c);
    pid_t child = fork();
    assert_true(child >= 0);
    if (!child) {
        call_often(&c);
        _exit(atomic_load(&c.of[0]) == 400 && atomic_load(&c.of[MOST - 2]) == 400 ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_true(WIFEXITED(how) && WEXITSTATUS(how) == 0);
    call_often(&c);
    assert_int_equal(atomic_load(&c.of[0]), 400);
}

static void test_processors_at_least_one(void **state) {
    (void)state;
    assert_in_range(clconv__processors(), 1, 4096);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parallel_for_calls_each_index_once),
        cmocka_unit_test(test_parallel_for_inside_itself),
        cmocka_unit_test(test_parallel_for_of_many_callers),
        cmocka_unit_test(test_parallel_for_in_a_child),
        cmocka_unit_test(test_processors_at_least_one),
    };
    return run_group(tests);
}
