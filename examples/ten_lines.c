/*
 * The shortest use: tensors in host memory, on the best device there is.
 *
 * One 3x3 picture with the values 0 to 8 and a 2x2 kernel with the values 0 to 3 give 19 25 37 43.
 */
#include <clconv.h>
#include <stdio.h>
#include <stdlib.h>

static void check(clconv_status status) {
    if (status == CLCONV_OK)
        return;
    fprintf(stderr, "%s: %s\n", clconv_status_name(status), clconv_last_message());
    exit(EXIT_FAILURE);
}

int main(void) {
    const float input[9] = {0, 1, 2, 3, 4, 5, 6, 7, 8};
    const float weights[4] = {0, 1, 2, 3};
    const float expected[4] = {19, 25, 37, 43};
    float output[4];

    clconv_device *device = NULL;
    clconv_plan *plan = NULL;
    clconv_problem problem = CLCONV_PROBLEM_INIT;
    check(clconv_problem_parse(&problem, "ic1ih3iw3_oc1kh2kw2"));
    check(clconv_device_open(&device, NULL));
    check(clconv_plan_create(&plan, device, &problem, NULL));
    check(clconv_plan_run(
        plan, &(clconv_host_tensors){.input = input, .weights = weights, .output = output}));
    clconv_plan_destroy(plan);
    clconv_device_destroy(device);

    for (int i = 0; i < 4; ++i) {
        printf("%g\n", (double)output[i]);
        if (output[i] != expected[i]) {
            fprintf(stderr, "element %d should be %g\n", i, (double)expected[i]);
            return EXIT_FAILURE;
        }
    }
    return EXIT_SUCCESS;
}
