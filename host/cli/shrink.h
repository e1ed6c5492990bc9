/* Makes a failing case as small as it can be while it still fails. */
#ifndef CLCONV_CLI_SHRINK_H
#define CLCONV_CLI_SHRINK_H

#include "verify.h"

/** Whether a problem fails in the same way; the context is the caller's. */
typedef int still_fails(void *context, const clconv_problem *problem);

/**
 * Greedy: takes the first simpler problem that still fails, until none does or so many were tried.
 * @return how many were tried
 */
int shrink_problem(clconv_problem *problem, int most_tries, still_fails *fails, void *context);

/** The same for a report, by running the problem where it failed; stops after some seconds. */
void shrink_report(clconv_problem *problem, const report *r, const verify_options *options,
                   double seconds);

#endif
