/* also: no-device */
/*
 * Random problems over all features at once, on every device and with every algorithm that
 * takes them. CLCONV_TEST_SEED, CLCONV_TEST_COUNT (problems per device) and CLCONV_TEST_ALGORITHM
 * change the run.
 */
#include "support/generator.h"
#include "support/run.h"

enum { DEFAULT_COUNT = 2000 };

typedef struct tally {
    size_t runs;
    size_t wrong;
    size_t untaken;
} tally;

static bool needs_f64(const clconv_problem *problem, const clconv_device_info *info) {
    return problem->type == CLCONV_F64 && !info->f64_probed;
}

static void run_on_device(tally *t, size_t index, const clconv_problem *problem,
                          const tensor_set *set, const expectation *expected, bool exact) {
    clconv_device *device = devices()->devices[index];
    const clconv_device_info *info = &devices()->infos[index];
    size_t takers = 0;
    for (size_t i = 0; i < clconv_algorithm_count(); ++i) {
        const char *name = clconv_algorithm_name(i);
        if (clconv_algorithm_check(NULL, NULL, device, problem, name))
            continue;
        ++takers;
        if (!is_tried(device, problem, name))
            continue;
        ++t->runs;
        t->wrong += !algorithm_is_right(device, info, problem, name, set, expected, exact);
    }
    if (takers == 0 && !needs_f64(problem, info)) {
        char text[CLCONV_PROBLEM_TEXT_SIZE] = "";
        (void)clconv_problem_format(text, sizeof text, problem);
        print_error("device %s: no algorithm takes %s\n", info->selector, text);
        ++t->untaken;
    }
}

static void run_problem(tally *t, const clconv_problem *problem, uint64_t *random, filling fill) {
    tensor_set set;
    make_tensors(&set, problem, random, fill);
    expectation expected = make_expectation(problem, &set);
    bool exact =
        is_integer_type(problem->type) || (fill == SMALL_INTEGERS && is_exact_on_integers(problem));
    for (size_t i = 0; i < devices()->count; ++i)
        run_on_device(t, i, problem, &set, &expected, exact);
    free_expectation(&expected);
    free_tensors(&set);
}

static void test_random_problems_on_every_device(void **state) {
    uint64_t seed = environment_number("CLCONV_TEST_SEED", 1), random = seed;
    size_t count = (size_t)environment_number("CLCONV_TEST_COUNT", DEFAULT_COUNT);
    clconv_problem meanings[MOST_MEANINGS];
    size_t meaning_count = random_meanings(meanings, count, &random);
    tally t = {0, 0, 0};
    (void)state;
    assert_true(count > 0);
    print_message("seed %llu, %zu problems\n", (unsigned long long)seed, count);
    for (size_t i = 0; i < count && t.wrong + t.untaken < 20; ++i) {
        clconv_problem problem = meanings[i % meaning_count];
        random_geometry(&problem, &random, SMALL_WORK);
        run_problem(&t, &problem, &random, i / meaning_count % 2 ? SMALL_INTEGERS : REALS);
    }
    print_message("%zu runs, %zu wrong, %zu problems without an algorithm\n", t.runs, t.wrong,
                  t.untaken);
    assert_int_equal(t.wrong, 0);
    assert_int_equal(t.untaken, 0);
    assert_true(t.runs >= count);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_problems_on_every_device),
    };
    use_optimizer(false);
    return run_group_on_devices(tests);
}
