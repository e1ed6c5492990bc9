/* Status codes and the message of the last failure in each thread. Knows nothing else. */
#ifndef CLCONV__STATUS_H
#define CLCONV__STATUS_H

#include "clconv.h"

/** Records a message for the calling thread and returns `status`, so that both happen in one call.
 */
clconv_status clconv__fail(clconv_status status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
