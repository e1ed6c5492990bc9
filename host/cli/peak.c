#include "peak.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Independent chains, so that only the rate of multiply-adds counts; not mad(), which some
 * compilers have in pieces. The result is stored, because the compiler would drop the work
 * otherwise; it stays finite. */
static const char source[] =
    "kernel void peak(global float *to, int rounds) {\n"
    "    T s[CHAINS], x = (T)(0.999f), y = (T)(0.001f * get_global_id(0));\n"
    "    for (int i = 0; i < CHAINS; ++i) s[i] = (T)(i);\n"
    "    for (int r = 0; r < rounds; ++r) {\n"
    "        __attribute__((opencl_unroll_hint(CHAINS)))\n"
    "        for (int i = 0; i < CHAINS; ++i) s[i] = s[i] * x + y;\n"
    "    }\n"
    "    T sum = 0;\n"
    "    for (int i = 0; i < CHAINS; ++i) sum += s[i];\n"
    "    to[get_global_id(0)] = FIRST(sum);\n"
    "}\n";

enum { CHAINS = 12, ROUNDS = 4096, COPY_BYTES = 64 << 20 };

typedef struct bench {
    cl_context context;
    cl_device_id id;
    cl_command_queue queue;
    cl_program program;
    cl_kernel kernel;
    cl_mem a, b;
} bench;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* A CPU wants whole vectors in a work-item, a GPU has its vectors across them. */
static cl_int build(bench *b, int is_gpu) {
    const char *text = source;
    const char *options =
        is_gpu ? "-D T=float -D CHAINS=12 -D FIRST(v)=v -cl-mad-enable"
               : "-D T=float16 -D CHAINS=12 -D FIRST(v)=dot(v.lo.lo,v.hi.hi)+dot(v.lo.hi,v.hi.lo) "
                 "-cl-mad-enable";
    cl_int code = CL_SUCCESS;
    b->program = clCreateProgramWithSource(b->context, 1, &text, NULL, &code);
    if (code == CL_SUCCESS)
        code = clBuildProgram(b->program, 1, &b->id, options, NULL, NULL);
    if (code == CL_SUCCESS)
        b->kernel = clCreateKernel(b->program, "peak", &code);
    return code;
}

static double measure_flops(bench *b, const clconv_device_info *info) {
    const int is_gpu = info->kind == CLCONV_KIND_GPU;
    const cl_int rounds = ROUNDS;
    const size_t items = (size_t)info->compute_units * (is_gpu ? 2048 : 64);
    const double flops = 2.0 * CHAINS * ROUNDS * (is_gpu ? 1 : 16) * (double)items;
    double best = 0;
    if (build(b, is_gpu) || items * sizeof(float) > COPY_BYTES ||
        clSetKernelArg(b->kernel, 0, sizeof b->a, &b->a) ||
        clSetKernelArg(b->kernel, 1, sizeof rounds, &rounds))
        return 0;
    for (double deadline = now() + 0.5; now() < deadline;) {
        double begin = now();
        if (clEnqueueNDRangeKernel(b->queue, b->kernel, 1, NULL, &items, NULL, 0, NULL, NULL) ||
            clFinish(b->queue))
            return 0;
        best = fmax(best, flops / (now() - begin));
    }
    return best * 1e-9;
}

/* A copy reads and writes every byte. */
static double measure_bytes(const bench *b) {
    double best = 0;
    for (double deadline = now() + 0.5; now() < deadline;) {
        double begin = now();
        if (clEnqueueCopyBuffer(b->queue, b->a, b->b, 0, 0, COPY_BYTES, 0, NULL, NULL) ||
            clFinish(b->queue))
            return 0;
        best = fmax(best, 2.0 * COPY_BYTES / (now() - begin));
    }
    return best * 1e-9;
}

static void release(bench *b) {
    if (b->a)
        clReleaseMemObject(b->a);
    if (b->b)
        clReleaseMemObject(b->b);
    if (b->kernel)
        clReleaseKernel(b->kernel);
    if (b->program)
        clReleaseProgram(b->program);
}

void peak_measure(device_peak *peak, clconv_device *device) {
    bench b = {0};
    clconv_device_info info;
    cl_int code = CL_SUCCESS;
    *peak = (device_peak){0, 0};
    if (clconv_device_get_info(&info, device) ||
        clconv_device_opencl(device, &b.context, &b.id, &b.queue))
        return;
    b.a = clCreateBuffer(b.context, CL_MEM_READ_WRITE, COPY_BYTES, NULL, &code);
    if (code == CL_SUCCESS)
        b.b = clCreateBuffer(b.context, CL_MEM_READ_WRITE, COPY_BYTES, NULL, &code);
    if (code == CL_SUCCESS)
        *peak = (device_peak){measure_flops(&b, &info), measure_bytes(&b)};
    release(&b);
}
