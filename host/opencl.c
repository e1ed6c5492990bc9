#include "opencl.h"

static const struct {
    cl_int code;
    const char *name;
} errors[] = {
#define ERROR_ROW(name) {name, #name},
    ERROR_ROW(CL_SUCCESS) ERROR_ROW(CL_DEVICE_NOT_FOUND) ERROR_ROW(CL_DEVICE_NOT_AVAILABLE) ERROR_ROW(
        CL_COMPILER_NOT_AVAILABLE) ERROR_ROW(CL_MEM_OBJECT_ALLOCATION_FAILURE)
        ERROR_ROW(CL_OUT_OF_RESOURCES) ERROR_ROW(CL_OUT_OF_HOST_MEMORY) ERROR_ROW(
            CL_PROFILING_INFO_NOT_AVAILABLE) ERROR_ROW(CL_MEM_COPY_OVERLAP)
            ERROR_ROW(CL_BUILD_PROGRAM_FAILURE) ERROR_ROW(CL_MAP_FAILURE) ERROR_ROW(
                CL_MISALIGNED_SUB_BUFFER_OFFSET) ERROR_ROW(CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST)
                ERROR_ROW(CL_COMPILE_PROGRAM_FAILURE) ERROR_ROW(CL_LINKER_NOT_AVAILABLE) ERROR_ROW(
                    CL_LINK_PROGRAM_FAILURE) ERROR_ROW(CL_DEVICE_PARTITION_FAILED)
                    ERROR_ROW(CL_KERNEL_ARG_INFO_NOT_AVAILABLE) ERROR_ROW(CL_INVALID_VALUE) ERROR_ROW(
                        CL_INVALID_DEVICE_TYPE) ERROR_ROW(CL_INVALID_PLATFORM)
                        ERROR_ROW(CL_INVALID_DEVICE) ERROR_ROW(CL_INVALID_CONTEXT) ERROR_ROW(
                            CL_INVALID_QUEUE_PROPERTIES) ERROR_ROW(CL_INVALID_COMMAND_QUEUE)
                            ERROR_ROW(CL_INVALID_HOST_PTR) ERROR_ROW(CL_INVALID_MEM_OBJECT) ERROR_ROW(
                                CL_INVALID_BINARY) ERROR_ROW(CL_INVALID_BUILD_OPTIONS)
                                ERROR_ROW(CL_INVALID_PROGRAM) ERROR_ROW(
                                    CL_INVALID_PROGRAM_EXECUTABLE) ERROR_ROW(CL_INVALID_KERNEL_NAME)
                                    ERROR_ROW(CL_INVALID_KERNEL_DEFINITION) ERROR_ROW(
                                        CL_INVALID_KERNEL) ERROR_ROW(CL_INVALID_ARG_INDEX)
                                        ERROR_ROW(CL_INVALID_ARG_VALUE) ERROR_ROW(
                                            CL_INVALID_ARG_SIZE) ERROR_ROW(CL_INVALID_KERNEL_ARGS)
                                            ERROR_ROW(CL_INVALID_WORK_DIMENSION) ERROR_ROW(
                                                CL_INVALID_WORK_GROUP_SIZE)
                                                ERROR_ROW(CL_INVALID_WORK_ITEM_SIZE) ERROR_ROW(
                                                    CL_INVALID_GLOBAL_OFFSET)
                                                    ERROR_ROW(CL_INVALID_EVENT_WAIT_LIST) ERROR_ROW(
                                                        CL_INVALID_EVENT)
                                                        ERROR_ROW(CL_INVALID_OPERATION) ERROR_ROW(
                                                            CL_INVALID_BUFFER_SIZE)
                                                            ERROR_ROW(CL_INVALID_GLOBAL_WORK_SIZE)
                                                                ERROR_ROW(CL_INVALID_PROPERTY)
                                                                    ERROR_ROW(
                                                                        CL_INVALID_COMPILER_OPTIONS)
                                                                        ERROR_ROW(
                                                                            CL_INVALID_LINKER_OPTIONS)
#undef ERROR_ROW
                                                                            {-1001,
                                                                             "CL_PLATFORM_NOT_"
                                                                             "FOUND_KHR"},
};

const char *clconv__cl_error_name(cl_int code) {
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; ++i)
        if (errors[i].code == code)
            return errors[i].name;
    return "unknown OpenCL code";
}

clconv_status clconv__cl_check(cl_int code, const char *call) {
    if (code == CL_SUCCESS)
        return CLCONV_OK;
    int is_memory = code == CL_MEM_OBJECT_ALLOCATION_FAILURE || code == CL_OUT_OF_HOST_MEMORY;
    return clconv__fail(is_memory ? CLCONV_OUT_OF_MEMORY : CLCONV_OPENCL, "%s failed with %d (%s)",
                        call, code, clconv__cl_error_name(code));
}
