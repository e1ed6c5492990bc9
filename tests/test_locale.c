/*
 * A program whose locale writes a comma into its numbers: problems are read and written with a
 * point all the same, and kernels are built with the same options.
 */
#include "support.h"
#include "temporary.h"

#include <locale.h>
#include <unistd.h>

static char folder[TEMPORARY_SIZE];

/* Makes the locale where the machine has its description but not itself. */
static int enter_locale(void **state) {
    char command[128];
    (void)state;
    if (make_temporary_folder(folder, "locale"))
        return -1;
    snprintf(command, sizeof command, "localedef -i de_DE -f UTF-8 %s/de_DE.UTF-8 >/dev/null 2>&1",
             folder);
    if (!setlocale(LC_ALL, "de_DE.UTF-8") && system(command) == 0) {
        setenv("LOCPATH", folder, 1);
        setlocale(LC_ALL, "de_DE.UTF-8");
    }
    print_message("the decimal sign is '%s'\n", localeconv()->decimal_point);
    return 0;
}

static int leave_locale(void **state) {
    char command[128];
    (void)state;
    setlocale(LC_ALL, "C");
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

static void test_locale_problem_strings(void **state) {
    static const char text[] = "ic1ih3_oc1kh2_act=clamp:-0.5:1.25_alpha=1.5_beta=0.125";
    clconv_problem problem, again;
    char written[CLCONV_PROBLEM_TEXT_SIZE];
    (void)state;
    assert_ok(clconv_problem_parse(&problem, text));
    assert_true(problem.alpha == 1.5 && problem.beta == 0.125 && problem.activation_b == 1.25);
    assert_ok(clconv_problem_format(written, sizeof written, &problem));
    assert_non_null(strstr(written, "alpha=1.5"));
    assert_ok(clconv_problem_parse(&again, written));
    assert_true(again.alpha == 1.5);
    assert_fails(clconv_problem_parse(&again, "ic1ih3_oc1kh2_alpha=1,5"), CLCONV_SYNTAX, ",5");
}

static void test_locale_devices_compute(void **state) {
    device_set devices;
    clconv_problem problem;
    const float input[] = {1, 2, 3}, weights[] = {0.5F, 0.25F};
    (void)state;
    assert_ok(clconv_problem_parse(&problem, "ic1iw3_oc1kw2_alpha=1.5"));
    open_devices(&devices);
    for (size_t i = 0; i < devices.count; ++i) {
        float output[2] = {0};
        clconv_plan *plan = NULL;
        assert_ok(clconv_plan_create(&plan, devices.devices[i], &problem, NULL));
        assert_ok(clconv_plan_run(
            plan, &(clconv_host_tensors){.input = input, .weights = weights, .output = output}));
        assert_true(output[0] == 1.5F && output[1] == 2.625F);
        clconv_plan_destroy(plan);
    }
    close_devices(&devices);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_locale_problem_strings),
        cmocka_unit_test(test_locale_devices_compute),
    };
    return exit_code(cmocka_run_group_tests(tests, enter_locale, leave_locale), COUNT_OF(tests));
}
