/* own: cache */
/*
 * Drivers that abort, crash, end the process or hang in the middle of any call: the worker's
 * verdict names it, and the next question finds a worker that lives.
 */
#include "cl_faults.h"
#include "cli/worker.h"

static const char selector[] = "0:0";

/* Opens a device and runs a case while call `number` of the worker is its last; what is said of it.
 */
static bool survives(const case_data *data, long number, cl_death death, char *message) {
    const worker_options options = {.timeout = death == DEATH_HANG ? 0.5 : 30};
    const worker_request request = {.data = data, .algorithm = "direct", .runs = 1};
    worker *w;
    worker_device device;
    worker_reply reply;
    cl_fault_state.death = death;
    cl_faults_arm(number, 0);
    bool lives = worker_open(&w, &device, selector, &options, message) == CLCONV_OK;
    cl_faults_disarm(); /* of the workers to come */
    if (lives) {
        worker_run(&reply, w, &request);
        lives = !reply.died;
        snprintf(message, MESSAGE_SIZE, "%s", reply.message);
        if (!lives)
            worker_run(&reply, w, &request);
        if (reply.status)
            fail_msg("the next worker failed, too: %s", reply.message);
    }
    worker_close(w);
    return lives;
}

/* $CLCONV_TEST_STEP is the distance of the calls that are tried: 1 for all. */
static void test_worker_deaths_in_every_call(void **state) {
    static const char *const verdicts[] = {
        [DEATH_ABORT] = "driver died in",
        [DEATH_SEGFAULT] = "driver died in",
        [DEATH_EXIT] = "code 9",
        [DEATH_HANG] = "driver hung in",
    };
    const long step = (long)environment_number("CLCONV_TEST_STEP", 7);
    char message[MESSAGE_SIZE];
    case_data data;
    clconv_problem problem;
    size_t deaths = 0;
    (void)state;
    assert_ok(clconv_problem_parse(&problem, "ic2ih3_oc2kh2"));
    assert_ok(case_data_make(&data, &problem, DATA_EXACT, 1));
    cl_fault_state.death = DEATH_NONE;
    if (!survives(&data, 0, DEATH_NONE, message))
        skip_because(message);
    for (long number = 1;; number += step, ++deaths) {
        const cl_death death = (cl_death)(DEATH_ABORT + deaths % 4);
        if (survives(&data, number, death, message))
            break;
        if (!strstr(message, verdicts[death]))
            fail_msg("\"%s\" is not in \"%s\"", verdicts[death], message);
    }
    print_message("%zu deaths\n", deaths);
    assert_true(deaths > 10);
    case_data_free(&data);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_worker_deaths_in_every_call)};
    return run_group(tests);
}
