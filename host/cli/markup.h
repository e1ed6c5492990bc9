/* Text in XML and HTML. */
#ifndef CLCONV_CLI_MARKUP_H
#define CLCONV_CLI_MARKUP_H

#include <stdio.h>

/** Writes text so that it means itself; characters that XML forbids become '?'. */
void markup_text(FILE *file, const char *text);

#endif
