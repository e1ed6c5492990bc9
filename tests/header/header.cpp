// The public header must compile first and alone.
#include "clconv.h"

std::size_t clconv_header_test();

std::size_t clconv_header_test() {
    clconv_problem problem = CLCONV_PROBLEM_INIT;
    clconv_plan_options options = CLCONV_PLAN_OPTIONS_INIT;
    return problem.groups + options.workspace_limit;
}
