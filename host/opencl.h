/* Small helpers over the OpenCL API: error names and failing calls as statuses. */
#ifndef CLCONV__OPENCL_H
#define CLCONV__OPENCL_H

#include "status.h"

/** Name of an OpenCL code, such as "CL_OUT_OF_RESOURCES". Static storage. */
const char *clconv__cl_error_name(cl_int code);

/** CLCONV_OK for CL_SUCCESS, else a status whose message names the call and the code. */
clconv_status clconv__cl_check(cl_int code, const char *call);

/** Releases those kernels of an array that are not NULL. */
void clconv__release_kernels(const cl_kernel kernels[], size_t count);

#endif
