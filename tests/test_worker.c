/* also: no-device */
/* own: cache */
/* Workers answer, die, hang, and are replaced. */
#include "support.h"
#include "worker.h"

static const worker_options usual = {.timeout = 60}, impatient = {.timeout = 1},
                            in_process = {.in_process = true, .timeout = 60};

static void make_data(case_data *data, const char *text) {
    clconv_problem problem;
    assert_ok(clconv_problem_parse(&problem, text));
    assert_ok(case_data_make(data, &problem, DATA_EXACT, 1));
}

static worker *open_host(const worker_options *options) {
    worker *w = NULL;
    worker_device device;
    char message[MESSAGE_SIZE];
    assert_int_equal(worker_open(&w, &device, "host", options, message), CLCONV_OK);
    assert_int_equal(device.info.kind, CLCONV_KIND_HOST);
    assert_true(device.algorithms != 0);
    return w;
}

static worker_reply ask(worker *w, const case_data *data, sabotage_kind sabotage) {
    const worker_request request = {.data = data,
                                    .algorithm = "host",
                                    .runs = 2,
                                    .runs_on_other_poison = 1,
                                    .sabotage = sabotage};
    worker_reply reply;
    worker_run(&reply, w, &request);
    return reply;
}

static void check_answer(const worker_options *options) {
    case_data data;
    worker *w = open_host(options);
    make_data(&data, "ic1ih1_oc1kh1");
    worker_reply reply = ask(w, &data, SABOTAGE_NONE);
    assert_false(reply.died);
    assert_int_equal(reply.status, CLCONV_OK);
    assert_int_equal(reply.result.violations, 0);
    const clconv_host_tensors t = case_data_tensors(&data);
    assert_true(clconv_element_get(data.result, CLCONV_F32, GUARD_ELEMENTS) ==
                clconv_element_get(t.input, CLCONV_F32, 0) *
                    clconv_element_get(t.weights, CLCONV_F32, 0));
    case_data_free(&data);
    worker_close(w);
}

static void test_worker_run_in_a_process(void **state) {
    (void)state;
    check_answer(&usual);
}

static void test_worker_run_in_this_process(void **state) {
    (void)state;
    check_answer(&in_process);
}

static void test_worker_run_names_a_refusal(void **state) {
    case_data data;
    worker_reply reply;
    worker *w = open_host(&usual);
    (void)state;
    make_data(&data, "ic1ih1_oc1kh1");
    worker_run(&reply, w, &(worker_request){.data = &data, .algorithm = "direct", .runs = 1});
    assert_int_equal(reply.status, CLCONV_UNSUPPORTED);
    assert_non_null(strstr(reply.message, "OpenCL"));
    case_data_free(&data);
    worker_close(w);
}

static void check_death(sabotage_kind sabotage, const char *text) {
    case_data data;
    worker *w = open_host(&impatient);
    make_data(&data, "ic2ih3_oc2kh2");
    worker_reply reply = ask(w, &data, sabotage);
    assert_true(reply.died);
    if (!strstr(reply.message, text))
        fail_msg("\"%s\" is not in \"%s\"", text, reply.message);
    assert_int_equal(ask(w, &data, SABOTAGE_NONE).status, CLCONV_OK);
    case_data_free(&data);
    worker_close(w);
}

static void test_worker_run_driver_aborts(void **state) {
    (void)state;
    check_death(SABOTAGE_ABORT, "driver died in self-test");
}

static void test_worker_run_driver_exits(void **state) {
    (void)state;
    check_death(SABOTAGE_EXIT, "code 7");
}

static void test_worker_run_driver_hangs(void **state) {
    (void)state;
    check_death(SABOTAGE_HANG, "driver hung in self-test");
}

static void test_worker_open_no_such_device(void **state) {
    worker *w;
    worker_device device;
    char message[MESSAGE_SIZE];
    (void)state;
    assert_int_equal(worker_open(&w, &device, "77:7", &usual, message), CLCONV_NO_DEVICE);
    assert_null(w);
    assert_non_null(strstr(message, "77:7"));
    worker_close(w);
}

static void test_worker_list_devices_ends_with_the_host(void **state) {
    clconv_device_info infos[16];
    char message[MESSAGE_SIZE];
    size_t count;
    (void)state;
    assert_true(worker_list_devices(infos, 16, &count, &usual, message));
    assert_in_range(count, 1, 16);
    assert_string_equal(infos[count - 1].selector, "host");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_worker_run_in_a_process),
        cmocka_unit_test(test_worker_run_in_this_process),
        cmocka_unit_test(test_worker_run_names_a_refusal),
        cmocka_unit_test(test_worker_run_driver_aborts),
        cmocka_unit_test(test_worker_run_driver_exits),
        cmocka_unit_test(test_worker_run_driver_hangs),
        cmocka_unit_test(test_worker_open_no_such_device),
        cmocka_unit_test(test_worker_list_devices_ends_with_the_host),
    };
    return run_group(tests);
}
