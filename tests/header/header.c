/* The public header must compile first and alone. */
#include "clconv.h"

size_t clconv_header_test(void);

size_t clconv_header_test(void) {
    clconv_problem problem = CLCONV_PROBLEM_INIT;
    clconv_plan_options options = CLCONV_PLAN_OPTIONS_INIT;
    return problem.groups + options.workspace_limit;
}
