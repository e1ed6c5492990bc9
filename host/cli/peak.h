/* How fast a device is at most: multiply-adds in registers, and a copy in its memory. */
#ifndef CLCONV_CLI_PEAK_H
#define CLCONV_CLI_PEAK_H

#include "clconv.h"

/** In 10^9 a second; 0 where it could not be measured, as on the host. */
typedef struct device_peak {
    double gflops, gbytes;
} device_peak;

/** Measures for about a second. */
void peak_measure(device_peak *peak, clconv_device *device);

#endif
