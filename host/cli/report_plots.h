/* Pictures of the HTML report, as SVG whose colours the page's style sheet gives. */
#ifndef CLCONV_CLI_REPORT_PLOTS_H
#define CLCONV_CLI_REPORT_PLOTS_H

#include "report_log.h"

#include <stdio.h>

/** How far the errors of the passed results stay below their bounds. */
void plot_shares(FILE *f, const report_log *log);

/** Speed over arithmetic intensity on one device, below its roof. */
void plot_roofline(FILE *f, const report_log *log, size_t device);

/** The elements around the first bad one. */
void plot_neighbourhood(FILE *f, const report *r);

#endif
