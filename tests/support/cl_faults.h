/*
 * Stands between the library and OpenCL: fails a chosen call with a code that its specification
 * allows, and counts the objects that are alive. The linker puts it there (--wrap; see
 * tests/CMakeLists.txt, which reads the names from the table). Include it once in a program.
 *
 * The codes are those of the OpenCL 1.2 specification, revision 19, that a caller without a fault
 * of its own can meet, and one of those that tell of a broken driver.
 */
#ifndef CLCONV_TESTS_CL_FAULTS_H
#define CLCONV_TESTS_CL_FAULTS_H

#include "opencl.h"
#include "support.h"

#include <signal.h>
#include <unistd.h>

/* What kinds of object are counted. */
typedef enum cl_kind {
    KIND_CONTEXT,
    KIND_DEVICE,
    KIND_QUEUE,
    KIND_PROGRAM,
    KIND_KERNEL,
    KIND_MEMORY,
    KIND_EVENT,
    KIND_COUNT
} cl_kind;

#define HOST_MEMORY CL_OUT_OF_RESOURCES, CL_OUT_OF_HOST_MEMORY

/*
 * Every call of the library; tests/cl_calls.sh sees that none lacks.
 * ASK(name, parameters, arguments, codes...)             gives a code and no object
 * MAKE(name, kind, type, parameters, arguments, codes...) gives an object; the last parameter is
 * code HOLD(name, kind, change, type, codes...)               retains (1) or releases (-1) one
 * object ENQUEUE(name, parameters, arguments, codes...)         the last parameter is event
 */
#define CL_CALLS(ASK, MAKE, HOLD, ENQUEUE)                                                         \
    ASK(clGetPlatformIDs, (cl_uint n, cl_platform_id * p, cl_uint * count), (n, p, count),         \
        CL_OUT_OF_HOST_MEMORY, CL_INVALID_VALUE, -1001)                                            \
    ASK(clGetPlatformInfo,                                                                         \
        (cl_platform_id p, cl_platform_info i, size_t n, void *v, size_t *size),                   \
        (p, i, n, v, size), CL_OUT_OF_HOST_MEMORY, CL_INVALID_PLATFORM, CL_INVALID_VALUE)          \
    ASK(clGetDeviceIDs,                                                                            \
        (cl_platform_id p, cl_device_type t, cl_uint n, cl_device_id * d, cl_uint * count),        \
        (p, t, n, d, count), HOST_MEMORY, CL_INVALID_PLATFORM)                                     \
    ASK(clGetDeviceInfo, (cl_device_id d, cl_device_info i, size_t n, void *v, size_t *size),      \
        (d, i, n, v, size), HOST_MEMORY, CL_INVALID_DEVICE, CL_INVALID_VALUE)                      \
    ASK(clGetContextInfo, (cl_context c, cl_context_info i, size_t n, void *v, size_t *size),      \
        (c, i, n, v, size), HOST_MEMORY, CL_INVALID_CONTEXT, CL_INVALID_VALUE)                     \
    ASK(clGetCommandQueueInfo,                                                                     \
        (cl_command_queue q, cl_command_queue_info i, size_t n, void *v, size_t *size),            \
        (q, i, n, v, size), HOST_MEMORY, CL_INVALID_COMMAND_QUEUE)                                 \
    ASK(clGetMemObjectInfo, (cl_mem m, cl_mem_info i, size_t n, void *v, size_t *size),            \
        (m, i, n, v, size), HOST_MEMORY, CL_INVALID_MEM_OBJECT)                                    \
    ASK(clGetProgramInfo, (cl_program p, cl_program_info i, size_t n, void *v, size_t *size),      \
        (p, i, n, v, size), HOST_MEMORY, CL_INVALID_PROGRAM)                                       \
    ASK(clGetProgramBuildInfo,                                                                     \
        (cl_program p, cl_device_id d, cl_program_build_info i, size_t n, void *v, size_t *size),  \
        (p, d, i, n, v, size), HOST_MEMORY, CL_INVALID_PROGRAM)                                    \
    ASK(clBuildProgram,                                                                            \
        (cl_program p, cl_uint n, const cl_device_id *d, const char *options,                      \
         void(CL_CALLBACK * f)(cl_program, void *), void *data),                                   \
        (p, n, d, options, f, data), HOST_MEMORY, CL_BUILD_PROGRAM_FAILURE,                        \
        CL_COMPILER_NOT_AVAILABLE, CL_INVALID_BINARY, CL_INVALID_BUILD_OPTIONS,                    \
        CL_INVALID_OPERATION)                                                                      \
    ASK(clSetKernelArg, (cl_kernel k, cl_uint i, size_t n, const void *v), (k, i, n, v),           \
        HOST_MEMORY, CL_INVALID_MEM_OBJECT, CL_INVALID_ARG_SIZE, CL_INVALID_ARG_INDEX)             \
    ASK(clFinish, (cl_command_queue q), (q), HOST_MEMORY, CL_INVALID_COMMAND_QUEUE)                \
    MAKE(clCreateContext, KIND_CONTEXT, cl_context,                                                \
         (const cl_context_properties *p, cl_uint n, const cl_device_id *d,                        \
          void(CL_CALLBACK * f)(const char *, const void *, size_t, void *), void *data,           \
          cl_int *code),                                                                           \
         (p, n, d, f, data, code), HOST_MEMORY, CL_DEVICE_NOT_AVAILABLE, CL_INVALID_PLATFORM)      \
    MAKE(clCreateCommandQueue, KIND_QUEUE, cl_command_queue,                                       \
         (cl_context c, cl_device_id d, cl_command_queue_properties p, cl_int * code),             \
         (c, d, p, code), HOST_MEMORY, CL_INVALID_QUEUE_PROPERTIES, CL_INVALID_DEVICE)             \
    MAKE(clCreateBuffer, KIND_MEMORY, cl_mem,                                                      \
         (cl_context c, cl_mem_flags f, size_t n, void *p, cl_int *code), (c, f, n, p, code),      \
         HOST_MEMORY, CL_MEM_OBJECT_ALLOCATION_FAILURE, CL_INVALID_BUFFER_SIZE)                    \
    MAKE(clCreateProgramWithSource, KIND_PROGRAM, cl_program,                                      \
         (cl_context c, cl_uint n, const char **s, const size_t *l, cl_int *code),                 \
         (c, n, s, l, code), HOST_MEMORY, CL_INVALID_VALUE)                                        \
    MAKE(clCreateProgramWithBinary, KIND_PROGRAM, cl_program,                                      \
         (cl_context c, cl_uint n, const cl_device_id *d, const size_t *l,                         \
          const unsigned char **b, cl_int *s, cl_int *code),                                       \
         (c, n, d, l, b, s, code), HOST_MEMORY, CL_INVALID_BINARY, CL_INVALID_DEVICE)              \
    MAKE(clCreateKernel, KIND_KERNEL, cl_kernel, (cl_program p, const char *name, cl_int *code),   \
         (p, name, code), HOST_MEMORY, CL_INVALID_PROGRAM_EXECUTABLE, CL_INVALID_KERNEL_NAME,      \
         CL_INVALID_KERNEL_DEFINITION)                                                             \
    HOLD(clRetainContext, KIND_CONTEXT, 1, cl_context, HOST_MEMORY, CL_INVALID_CONTEXT)            \
    HOLD(clRetainDevice, KIND_DEVICE, 1, cl_device_id, HOST_MEMORY, CL_INVALID_DEVICE)             \
    HOLD(clReleaseContext, KIND_CONTEXT, -1, cl_context, HOST_MEMORY)                              \
    HOLD(clReleaseDevice, KIND_DEVICE, -1, cl_device_id, HOST_MEMORY)                              \
    HOLD(clReleaseCommandQueue, KIND_QUEUE, -1, cl_command_queue, HOST_MEMORY)                     \
    HOLD(clReleaseProgram, KIND_PROGRAM, -1, cl_program, HOST_MEMORY)                              \
    HOLD(clReleaseKernel, KIND_KERNEL, -1, cl_kernel, HOST_MEMORY)                                 \
    HOLD(clReleaseMemObject, KIND_MEMORY, -1, cl_mem, HOST_MEMORY)                                 \
    HOLD(clReleaseEvent, KIND_EVENT, -1, cl_event, HOST_MEMORY)                                    \
    ENQUEUE(clEnqueueNDRangeKernel,                                                                \
            (cl_command_queue q, cl_kernel k, cl_uint n, const size_t *o, const size_t *g,         \
             const size_t *l, cl_uint w, const cl_event *e, cl_event *event),                      \
            (q, k, n, o, g, l, w, e, event), HOST_MEMORY, CL_MEM_OBJECT_ALLOCATION_FAILURE,        \
            CL_INVALID_WORK_GROUP_SIZE, CL_INVALID_KERNEL_ARGS, CL_MISALIGNED_SUB_BUFFER_OFFSET)   \
    ENQUEUE(clEnqueueReadBuffer,                                                                   \
            (cl_command_queue q, cl_mem m, cl_bool b, size_t o, size_t n, void *p, cl_uint w,      \
             const cl_event *e, cl_event *event),                                                  \
            (q, m, b, o, n, p, w, e, event), HOST_MEMORY, CL_MEM_OBJECT_ALLOCATION_FAILURE,        \
            CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST, CL_INVALID_VALUE)                        \
    ENQUEUE(clEnqueueBarrierWithWaitList,                                                          \
            (cl_command_queue q, cl_uint w, const cl_event *e, cl_event *event), (q, w, e, event), \
            HOST_MEMORY, CL_INVALID_EVENT_WAIT_LIST)                                               \
    ENQUEUE(clEnqueueMarkerWithWaitList,                                                           \
            (cl_command_queue q, cl_uint w, const cl_event *e, cl_event *event), (q, w, e, event), \
            HOST_MEMORY, CL_INVALID_EVENT_WAIT_LIST)

/* What a driver may do instead of giving a code. */
typedef enum cl_death { DEATH_NONE, DEATH_ABORT, DEATH_SEGFAULT, DEATH_EXIT, DEATH_HANG } cl_death;

typedef struct cl_faults {
    int is_armed;     /* the calls are counted */
    long calls;       /* since it was armed */
    long fail_at;     /* which call fails; 0 for none */
    size_t code;      /* which of its codes */
    const char *name; /* of the call that failed; NULL while none did */
    cl_int failed_with;
    size_t code_count; /* of that call */
    int is_release;    /* it was one, whose code nobody can make use of */
    long live[KIND_COUNT];
    cl_death death;
} cl_faults;

/* Threads may call at the same time while nothing is armed. */
static cl_faults cl_fault_state;

static inline void cl_faults_arm(long fail_at, size_t code) {
    cl_faults *f = &cl_fault_state;
    f->calls = 0;
    f->fail_at = fail_at;
    f->code = code;
    f->name = NULL;
    f->is_release = 0;
    f->is_armed = 1;
}

static inline void cl_faults_disarm(void) {
    cl_fault_state.is_armed = 0;
}

static inline long cl_faults_live(void) {
    long sum = 0;
    for (int kind = 0; kind < KIND_COUNT; ++kind)
        sum += __atomic_load_n(&cl_fault_state.live[kind], __ATOMIC_RELAXED);
    return sum;
}

static inline void cl_faults_count(cl_kind kind, long change) {
    __atomic_fetch_add(&cl_fault_state.live[kind], change, __ATOMIC_RELAXED);
}

static inline void cl_faults_die(cl_death death) {
    if (death == DEATH_ABORT)
        abort();
    if (death == DEATH_SEGFAULT) {
        signal(SIGSEGV, SIG_DFL); /* drivers and sanitizers have handlers */
        raise(SIGSEGV);
    }
    if (death == DEATH_EXIT)
        _exit(9);
    while (death == DEATH_HANG)
        pause();
}

/* The code that this call fails with, or CL_SUCCESS. */
static inline cl_int cl_faults_meet(const char *name, const cl_int *codes, size_t count) {
    cl_faults *f = &cl_fault_state;
    if (!f->is_armed || ++f->calls != f->fail_at)
        return CL_SUCCESS;
    cl_faults_die(f->death);
    f->name = name;
    f->code_count = count;
    f->failed_with = codes[f->code % count];
    return f->failed_with;
}

#define MEET(name, ...)                                                                            \
    static const cl_int codes[] = {__VA_ARGS__};                                                   \
    cl_int failed_with = cl_faults_meet(#name, codes, COUNT_OF(codes))

#define WRAP_ASK(name, parameters, arguments, ...)                                                 \
    cl_int __real_##name parameters;                                                               \
    cl_int __wrap_##name parameters;                                                               \
    cl_int __wrap_##name parameters {                                                              \
        MEET(name, __VA_ARGS__);                                                                   \
        return failed_with ? failed_with : __real_##name arguments;                                \
    }
#define WRAP_MAKE(name, kind, type, parameters, arguments, ...)                                    \
    type __real_##name parameters;                                                                 \
    type __wrap_##name parameters;                                                                 \
    type __wrap_##name parameters {                                                                \
        MEET(name, __VA_ARGS__);                                                                   \
        if (failed_with) {                                                                         \
            *code = failed_with;                                                                   \
            return NULL;                                                                           \
        }                                                                                          \
        type object = __real_##name arguments;                                                     \
        cl_faults_count(kind, object != NULL);                                                     \
        return object;                                                                             \
    }
/* A release that fails has done its work all the same, as far as anybody can tell. */
#define WRAP_HOLD(name, kind, change, type, ...)                                                   \
    cl_int __real_##name(type object);                                                             \
    cl_int __wrap_##name(type object);                                                             \
    cl_int __wrap_##name(type object) {                                                            \
        MEET(name, __VA_ARGS__);                                                                   \
        if (failed_with)                                                                           \
            cl_fault_state.is_release = (change) < 0;                                              \
        if (failed_with && (change) > 0)                                                           \
            return failed_with;                                                                    \
        cl_faults_count(kind, change);                                                             \
        cl_int code = __real_##name(object);                                                       \
        return failed_with ? failed_with : code;                                                   \
    }
#define WRAP_ENQUEUE(name, parameters, arguments, ...)                                             \
    cl_int __real_##name parameters;                                                               \
    cl_int __wrap_##name parameters;                                                               \
    cl_int __wrap_##name parameters {                                                              \
        MEET(name, __VA_ARGS__);                                                                   \
        cl_int code = failed_with ? failed_with : __real_##name arguments;                         \
        cl_faults_count(KIND_EVENT, code == CL_SUCCESS && event);                                  \
        return code;                                                                               \
    }

CL_CALLS(WRAP_ASK, WRAP_MAKE, WRAP_HOLD, WRAP_ENQUEUE)

/* CLBlast's products, which hand on the codes of the OpenCL calls that they make. */
#ifdef CLCONV_WITH_CLBLAST
#define CLBLAST_CALLS(GEMM)                                                                        \
    GEMM(CLBlastSgemm, float)                                                                      \
    GEMM(CLBlastDgemm, double)
#define GEMM_PARAMETERS(type)                                                                      \
    (int layout, int at, int bt, size_t m, size_t n, size_t k, type alpha, cl_mem a, size_t ao,    \
     size_t al, cl_mem b, size_t bo, size_t bl, type beta, cl_mem c, size_t co, size_t cl,         \
     cl_command_queue *q, cl_event *event)
#define WRAP_GEMM(name, type)                                                                      \
    int __real_##name GEMM_PARAMETERS(type);                                                       \
    int __wrap_##name GEMM_PARAMETERS(type);                                                       \
    int __wrap_##name GEMM_PARAMETERS(type) {                                                      \
        MEET(name, HOST_MEMORY, CL_MEM_OBJECT_ALLOCATION_FAILURE, CL_BUILD_PROGRAM_FAILURE);       \
        return failed_with ? failed_with                                                           \
                           : __real_##name(layout, at, bt, m, n, k, alpha, a, ao, al, b, bo, bl,   \
                                           beta, c, co, cl, q, event);                             \
    }
CLBLAST_CALLS(WRAP_GEMM)
#endif

#endif
