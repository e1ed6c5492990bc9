#include "engine.h"

#include "opencl.h"
#include "problem.h"
#include "program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    HALVES = 1 << CLCONV_F16,
    SIXTEEN_BITS = HALVES | 1 << CLCONV_BF16,
    ALL_TYPES = SIXTEEN_BITS | 1 << CLCONV_F32
};

/* Numbers of cl_kernels/mma.h. */
enum { PTX_K16 = 1, PTX_K8, WMMA, MFMA, DPAS_8, DPAS_16 };

static const char amd[] = "Advanced Micro Devices";

/*
 * In the order in which they are tried. Whether a device has one is for the probe to say; the
 * vendor only tells which GPUs to ask, because compilers of others may die of assembly they do not
 * know.
 */
static const clconv__engine engines[] = {
    {"ptx_m16n8k16", "NVIDIA", PTX_K16, ALL_TYPES, {8, 4}, 8, 128, 0},
    {"ptx_m16n8k8", "NVIDIA", PTX_K8, HALVES, {8, 4}, 8, 64, 0},
    {"amd_wmma", amd, WMMA, SIXTEEN_BITS, {8, 4}, 8, 64, 0},
    {"amd_mfma", amd, MFMA, SIXTEEN_BITS, {8, 8}, 8, 64, 0},
    {"intel_dpas_8", "Intel", DPAS_8, SIXTEEN_BITS, {4, 2}, 8, 64, 0},
    {"intel_dpas_16", "Intel", DPAS_16, SIXTEEN_BITS, {4, 4}, 4, 16, 0},
    {"emulated", NULL, PTX_K16, ALL_TYPES, {8, 4}, 8, 128, 3},
    {"emulated_wmma", NULL, WMMA, SIXTEEN_BITS, {8, 4}, 8, 64, 6},
    {"emulated_mfma", NULL, MFMA, SIXTEEN_BITS, {8, 8}, 8, 64, 2},
    {"emulated_dpas_8", NULL, DPAS_8, SIXTEEN_BITS, {4, 2}, 8, 64, 6},
    {"emulated_dpas_16", NULL, DPAS_16, SIXTEEN_BITS, {4, 4}, 8, 64, 6},
};

const clconv__engine *clconv__find_engine(const char *name) {
    for (size_t i = 0; i < sizeof engines / sizeof engines[0]; ++i)
        if (strcmp(engines[i].name, name) == 0)
            return &engines[i];
    return NULL;
}

void clconv__engine_options(char options[CLCONV__ENGINE_OPTIONS_SIZE],
                            const clconv__engine *engine) {
    snprintf(options, CLCONV__ENGINE_OPTIONS_SIZE, " -DENGINE=%d%s", engine->number,
             engine->scratch ? " -DEMULATED=1" : "");
}

/* ---- the probe ---- */

enum { ROWS = 16, COLUMNS = 16, WORDS = 8 };

/* Two small matrices, as the engine takes them, and their product. */
typedef struct product {
    cl_uint a[ROWS * WORDS], b[WORDS * COLUMNS];
    float c[ROWS * COLUMNS];
} product;

/*
 * Small, and different in all rows, columns and k, so that no two elements of c can be exchanged.
 * Every other row is of subnormal halves: an engine that takes these for 0, as AMD says of the
 * MI200's, would break the bound of sums.
 */
static double left_value(clconv_type type, int row, int k) {
    const double scale = type == CLCONV_F16 && row % 2 ? 0x1p-24 : 1;
    return scale * ((3 * row + 5 * k) % 17 - 8);
}

static double right_value(int k, int column) {
    return (7 * k + 11 * column) % 19 - 9;
}

static void put_value(cl_uint *word, clconv_type type, int place, double value) {
    unsigned char bytes[sizeof(cl_float)] = {0};
    cl_ushort half;
    clconv_element_set(bytes, type, 0, value);
    if (type == CLCONV_F32) {
        memcpy(word, bytes, sizeof *word);
        return;
    }
    memcpy(&half, bytes, sizeof half);
    *word |= (cl_uint)half << 16 * place;
}

static void make_product(product *p, clconv_type type) {
    const int pair = type == CLCONV_F32 ? 1 : 2;
    memset(p, 0, sizeof *p);
    for (int row = 0; row < ROWS; ++row)
        for (int k = 0; k < WORDS * pair; ++k)
            put_value(&p->a[row * WORDS + k / pair], type, k % pair, left_value(type, row, k));
    for (int column = 0; column < COLUMNS; ++column)
        for (int k = 0; k < WORDS * pair; ++k)
            put_value(&p->b[k / pair * COLUMNS + column], type, k % pair, right_value(k, column));
    for (int row = 0; row < ROWS; ++row)
        for (int column = 0; column < COLUMNS; ++column)
            for (int k = 0; k < WORDS * pair; ++k)
                p->c[row * COLUMNS + column] +=
                    (float)(left_value(type, row, k) * right_value(k, column));
}

static clconv_status run_product(clconv_device *device, cl_kernel kernel, size_t items,
                                 const cl_mem memory[3], float *result, size_t bytes) {
    clconv_status status = CLCONV_OK;
    for (cl_uint i = 0; i < 3 && !status; ++i)
        status = clconv__cl_check(clSetKernelArg(kernel, i, sizeof memory[i], &memory[i]),
                                  "clSetKernelArg");
    if (!status)
        status = clconv__cl_check(
            clEnqueueNDRangeKernel(device->queue, kernel, 1, NULL, &items, &items, 0, NULL, NULL),
            "clEnqueueNDRangeKernel");
    if (!status)
        status = clconv__cl_check(
            clEnqueueReadBuffer(device->queue, memory[2], CL_TRUE, 0, bytes, result, 0, NULL, NULL),
            "clEnqueueReadBuffer");
    return status;
}

/* Builds and runs mma.cl; a wrong product is a failure like any other. */
static clconv_status probe(clconv_device *device, const clconv__engine *engine, clconv_type type) {
    product p;
    float result[ROWS * COLUMNS] = {0};
    const size_t sizes[3] = {sizeof p.a, sizeof p.b, sizeof result};
    void *const contents[3] = {p.a, p.b, result};
    cl_mem memory[3] = {NULL};
    cl_kernel kernel = NULL;
    cl_program program;
    cl_int code;
    char of_engine[CLCONV__ENGINE_OPTIONS_SIZE], options[sizeof of_engine + 16];
    const size_t lanes = engine->lanes[0] * engine->lanes[1];
    if (device->info.max_work_group_size < lanes)
        return clconv__fail(CLCONV_NO_DEVICE, "its work-groups have no %zu work-items", lanes);
    make_product(&p, type);
    clconv__engine_options(of_engine, engine);
    snprintf(options, sizeof options, " -DTYPE=%d%s", (int)type, of_engine);
    clconv_status status = clconv__device_program(&program, device, "mma.cl", options);
    if (status)
        return status;
    kernel = clCreateKernel(program, "mma", &code);
    status = clconv__cl_check(code, "clCreateKernel");
    for (int i = 0; i < 3 && !status; ++i) {
        memory[i] = clCreateBuffer(device->context, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR,
                                   sizes[i], contents[i], &code);
        status = clconv__cl_check(code, "clCreateBuffer");
    }
    if (!status)
        status = run_product(device, kernel, lanes, memory, result, sizeof result);
    if (!status && memcmp(result, p.c, sizeof result) != 0)
        status = clconv__fail(CLCONV_NO_DEVICE, "%s multiplies wrongly", engine->name);
    for (int i = 0; i < 3; ++i)
        if (memory[i])
            clReleaseMemObject(memory[i]);
    if (kernel)
        clReleaseKernel(kernel);
    return status;
}

/* ---- of a device ---- */

static int is_asked(const clconv__engine *engine, const clconv_device *device, clconv_type type) {
    const char *only = getenv("CLCONV_MATRIX_ENGINE");
    if (!(engine->types >> type & 1))
        return 0;
    if (only && *only)
        return strcmp(only, engine->name) == 0;
    return engine->vendor && device->info.kind == CLCONV_KIND_GPU &&
           strstr(device->info.vendor, engine->vendor);
}

/* The first that works. What may be over soon, such as a lack of memory, is asked again. */
static void find_engine(clconv_device *device, clconv_type type) {
    clconv__device_engine_fact *fact = &device->engines[type];
    fact->is_known = 1;
    for (size_t i = 0; i < sizeof engines / sizeof engines[0]; ++i) {
        if (!is_asked(&engines[i], device, type))
            continue;
        clconv_status status = probe(device, &engines[i], type);
        if (!status) {
            fact->engine = &engines[i];
            fact->is_known = 1;
            return;
        }
        fact->is_known &= status == CLCONV_BUILD_FAILED || status == CLCONV_NO_DEVICE;
        snprintf(fact->note, sizeof fact->note, ": %.100s", clconv_last_message());
        fact->note[strcspn(fact->note, "\r\n")] = 0;
    }
}

const clconv__engine *clconv__device_engine(clconv_device *device, clconv_type type,
                                            char note[CLCONV_TEXT_SIZE]) {
    pthread_mutex_lock(&device->probe_lock);
    if (!device->engines[type].is_known)
        find_engine(device, type);
    const clconv__engine *engine = device->engines[type].engine;
    if (note)
        snprintf(note, CLCONV_TEXT_SIZE, "%s", device->engines[type].note);
    pthread_mutex_unlock(&device->probe_lock);
    return engine;
}
