/* Programs of a device: built from kernel files once, kept in memory and on disk. */
#ifndef CLCONV__PROGRAM_H
#define CLCONV__PROGRAM_H

#include "device.h"

/**
 * A program built from a kernel file with options; each is built once per device, and taken from
 * the cache on disk where it was built before.
 * @param program stays owned by the device
 */
clconv_status clconv__device_program(cl_program *program, clconv_device *device, const char *file,
                                     const char *options);

/** Releases all programs of a device that nobody uses any more. */
void clconv__release_programs(clconv_device *device);

#endif
