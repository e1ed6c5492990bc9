/*
 * What clconv_plan_enqueue() adds to enqueuing: medians of the host's time for a plan of one small
 * kernel, and for an empty kernel, in turn.
 *
 *     enqueue [SELECTOR]
 *
 * A driver's threads that wake up meanwhile, and the kernels that they run, count unless they have
 * to wait: chrt -f 5 taskset -c 0 enqueue.
 */
#define _POSIX_C_SOURCE 200809L
#include "clconv.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { RUNS = 8000, WARM_UP = 100 };

static void require(int condition, const char *what) {
    if (condition)
        return;
    fprintf(stderr, "enqueue: %s\n", what);
    exit(1);
}

static void require_ok(clconv_status status) {
    require(status == CLCONV_OK, clconv_last_message());
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double seconds[RUNS]) {
    qsort(seconds, RUNS, sizeof *seconds, ascending);
    return seconds[RUNS / 2];
}

static cl_kernel empty_kernel(cl_context context, cl_device_id id) {
    const char *source = "kernel void empty(global float *x) {}";
    cl_int code;
    cl_program program = clCreateProgramWithSource(context, 1, &source, NULL, &code);
    require(code == CL_SUCCESS && clBuildProgram(program, 1, &id, "", NULL, NULL) == CL_SUCCESS,
            "the empty kernel does not build");
    cl_kernel kernel = clCreateKernel(program, "empty", &code);
    require(code == CL_SUCCESS, "clCreateKernel failed");
    clReleaseProgram(program);
    return kernel;
}

static double time_empty(cl_command_queue queue, cl_kernel kernel, cl_mem memory) {
    const size_t one[3] = {1, 1, 1};
    const double begin = now();
    require(clSetKernelArg(kernel, 0, sizeof memory, &memory) == CL_SUCCESS, "clSetKernelArg");
    require(clEnqueueNDRangeKernel(queue, kernel, 3, NULL, one, one, 0, NULL, NULL) == CL_SUCCESS,
            "clEnqueueNDRangeKernel failed");
    const double seconds = now() - begin;
    require(clFinish(queue) == CL_SUCCESS, "clFinish failed");
    return seconds;
}

static double time_plan(cl_command_queue queue, clconv_plan *plan, const clconv_tensors *tensors) {
    const double begin = now();
    require_ok(clconv_plan_enqueue(plan, queue, tensors, 0, NULL, NULL));
    const double seconds = now() - begin;
    require(clFinish(queue) == CL_SUCCESS, "clFinish failed");
    return seconds;
}

int main(int argc, char **argv) {
    static double empty[RUNS], planned[RUNS];
    const clconv_problem problem = CLCONV_PROBLEM_INIT; /* one element of everything */
    clconv_plan_options options = CLCONV_PLAN_OPTIONS_INIT;
    clconv_device *device;
    clconv_plan *plan;
    cl_context context;
    cl_device_id id;
    cl_command_queue queue;
    cl_mem memory[3];
    cl_int code;

    require(argc <= 2, "usage: enqueue [SELECTOR]");
    require_ok(clconv_device_open(&device, argc > 1 ? argv[1] : "cpu"));
    require_ok(clconv_device_opencl(device, &context, &id, &queue));
    options.algorithm = "direct";
    require_ok(clconv_plan_create(&plan, device, &problem, &options));
    for (int i = 0; i < 3; ++i) {
        memory[i] = clCreateBuffer(context, CL_MEM_READ_WRITE, 64, NULL, &code);
        require(code == CL_SUCCESS, "clCreateBuffer failed");
    }
    const clconv_tensors tensors = {
        .input = {memory[0], 0}, .weights = {memory[1], 0}, .output = {memory[2], 0}};
    cl_kernel kernel = empty_kernel(context, id);
    for (int i = -WARM_UP; i < RUNS; ++i) {
        empty[i < 0 ? 0 : i] = time_empty(queue, kernel, memory[0]);
        planned[i < 0 ? 0 : i] = time_plan(queue, plan, &tensors);
    }
    const double of_empty = median(empty) * 1e6, of_plan = median(planned) * 1e6;
    printf("empty kernel %.1f us, plan %.1f us, difference %.1f us\n", of_empty, of_plan,
           of_plan - of_empty);
    clReleaseKernel(kernel);
    for (int i = 0; i < 3; ++i)
        clReleaseMemObject(memory[i]);
    clconv_plan_destroy(plan);
    clconv_device_destroy(device);
    return 0;
}
