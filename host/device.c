#include "device.h"

#include "host_kernel.h"
#include "opencl.h"
#include "parallel.h"
#include "program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_PLATFORMS = 32, MAX_DEVICES = 64 };

/* ---- facts ---- */

/* Facts that are one clGetDeviceInfo call each. */
#define DEVICE_FACTS(F)                                                                            \
    F(CL_DEVICE_NAME, name)                                                                        \
    F(CL_DEVICE_VENDOR, vendor)                                                                    \
    F(CL_DEVICE_VERSION, version)                                                                  \
    F(CL_DRIVER_VERSION, driver)                                                                   \
    F(CL_DEVICE_MAX_COMPUTE_UNITS, compute_units)                                                  \
    F(CL_DEVICE_MAX_WORK_GROUP_SIZE, max_work_group_size)                                          \
    F(CL_DEVICE_MAX_WORK_ITEM_SIZES, max_work_item_sizes)                                          \
    F(CL_DEVICE_LOCAL_MEM_SIZE, local_memory_size)                                                 \
    F(CL_DEVICE_GLOBAL_MEM_SIZE, global_memory_size)                                               \
    F(CL_DEVICE_MAX_MEM_ALLOC_SIZE, max_allocation_size)

static const struct {
    cl_device_info name;
    size_t offset, size;
} device_facts[] = {
#define FACT_ROW(cl_name, field)                                                                   \
    {cl_name, offsetof(clconv_device_info, field), sizeof((clconv_device_info *)NULL)->field},
    DEVICE_FACTS(FACT_ROW)
#undef FACT_ROW
};

static clconv_device_kind kind_of(cl_device_type type) {
    return type & CL_DEVICE_TYPE_GPU   ? CLCONV_KIND_GPU
           : type & CL_DEVICE_TYPE_CPU ? CLCONV_KIND_CPU
                                       : CLCONV_KIND_ACCELERATOR;
}

static clconv_status read_facts(clconv_device_info *info, cl_device_id id) {
    cl_platform_id platform = NULL;
    cl_device_type type = 0;
    cl_device_fp_config doubles = 0;
    clconv_status status = CLCONV_OK;
    for (size_t i = 0; i < sizeof device_facts / sizeof device_facts[0] && !status; ++i)
        status = clconv__cl_check(clGetDeviceInfo(id, device_facts[i].name, device_facts[i].size,
                                                  (char *)info + device_facts[i].offset, NULL),
                                  "clGetDeviceInfo");
    if (status ||
        (status = clconv__cl_check(clGetDeviceInfo(id, CL_DEVICE_TYPE, sizeof type, &type, NULL),
                                   "clGetDeviceInfo(CL_DEVICE_TYPE)")) ||
        (status = clconv__cl_check(
             clGetDeviceInfo(id, CL_DEVICE_PLATFORM, sizeof platform, &platform, NULL),
             "clGetDeviceInfo(CL_DEVICE_PLATFORM)")) ||
        (status = clconv__cl_check(clGetPlatformInfo(platform, CL_PLATFORM_NAME,
                                                     sizeof info->platform, info->platform, NULL),
                                   "clGetPlatformInfo(CL_PLATFORM_NAME)")))
        return status;
    info->kind = kind_of(type);
    /* Drivers without double precision may refuse the question. */
    if (clGetDeviceInfo(id, CL_DEVICE_DOUBLE_FP_CONFIG, sizeof doubles, &doubles, NULL) ==
        CL_SUCCESS)
        info->f64_claimed = doubles != 0;
    return CLCONV_OK;
}

/* The processor's own name where the system tells it. */
static void read_processor_name(char name[CLCONV_TEXT_SIZE]) {
    char line[CLCONV_TEXT_SIZE];
    FILE *file = fopen("/proc/cpuinfo", "r");
    snprintf(name, CLCONV_TEXT_SIZE, "host CPU");
    while (file && fgets(line, sizeof line, file)) {
        char *value = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || !value)
            continue;
        value[strcspn(value, "\n")] = 0;
        snprintf(name, CLCONV_TEXT_SIZE, "%s", value + 2);
        break;
    }
    if (file)
        fclose(file);
}

static void read_host_facts(clconv_device_info *info) {
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    memset(info, 0, sizeof *info);
    info->kind = CLCONV_KIND_HOST;
    strcpy(info->selector, "host");
    read_processor_name(info->name);
    snprintf(info->vendor, sizeof info->vendor, "clconv");
    snprintf(info->driver, sizeof info->driver, "clconv %s, %s vectors", clconv_version(),
             clconv__host_kernels()->name);
    info->compute_units = clconv__processors();
    info->max_work_group_size = 1;
    for (int i = 0; i < 3; ++i)
        info->max_work_item_sizes[i] = 1;
    info->global_memory_size = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : 0;
    info->max_allocation_size = info->global_memory_size;
    info->usable = info->f64_claimed = info->f64_probed = 1;
}

/* ---- enumeration ---- */

typedef struct found_device {
    cl_device_id id;
    unsigned platform, index;
} found_device;

/* All devices of all platforms, with the numbers of their selectors, and why some may lack. */
typedef struct found_devices {
    found_device devices[MAX_DEVICES];
    size_t count;
    char note[2 * CLCONV_TEXT_SIZE]; /* "" where all were told */
} found_devices;

static void append_note(char note[2 * CLCONV_TEXT_SIZE], const char *name, const char *reason) {
    size_t used = strlen(note);
    snprintf(note + used, 2 * CLCONV_TEXT_SIZE - used, "%s%.60s: %.200s", used ? "; " : "", name,
             reason);
}

static void find_devices(found_devices *found) {
    cl_platform_id platforms[MAX_PLATFORMS];
    cl_uint platform_count = 0;
    found->count = 0;
    *found->note = 0;
    if (clconv__cl_check(clGetPlatformIDs(MAX_PLATFORMS, platforms, &platform_count),
                         "clGetPlatformIDs")) {
        append_note(found->note, "no OpenCL platform", clconv_last_message());
        return;
    }
    if (platform_count > MAX_PLATFORMS)
        platform_count = MAX_PLATFORMS;
    for (cl_uint p = 0; p < platform_count; ++p) {
        cl_device_id ids[MAX_DEVICES];
        cl_uint device_count = 0;
        cl_int code =
            clGetDeviceIDs(platforms[p], CL_DEVICE_TYPE_ALL, MAX_DEVICES, ids, &device_count);
        if (code == CL_DEVICE_NOT_FOUND)
            continue; /* a platform without devices is no failure */
        if (clconv__cl_check(code, "clGetDeviceIDs")) {
            append_note(found->note, "an OpenCL platform", clconv_last_message());
            continue;
        }
        for (cl_uint d = 0; d < device_count && d < MAX_DEVICES && found->count < MAX_DEVICES; ++d)
            found->devices[found->count++] = (found_device){ids[d], p, d};
    }
}

static void name_selector(clconv_device_info *info, const found_device *found) {
    snprintf(info->selector, sizeof info->selector, "%u:%u", found->platform, found->index);
}

clconv_status clconv_device_list(clconv_device_info *infos, size_t capacity, size_t *count) {
    found_devices found;
    size_t written = 0;
    if (!count || (!infos && capacity))
        return clconv__fail(CLCONV_INVALID_ARGUMENT, "%s is NULL", count ? "infos" : "count");
    find_devices(&found);
    for (size_t i = 0; i < found.count; ++i) {
        clconv_device_info info = {0};
        name_selector(&info, &found.devices[i]);
        if (read_facts(&info, found.devices[i].id))
            snprintf(info.note, sizeof info.note, "%.500s", clconv_last_message());
        if (written < capacity)
            infos[written] = info;
        ++written;
    }
    if (written < capacity) {
        read_host_facts(&infos[written]);
        infos[written].usable = infos[written].f64_probed = 0;
        memcpy(infos[written].note, found.note, sizeof found.note);
    }
    *count = written + 1;
    return CLCONV_OK;
}

/* ---- probing ---- */

enum { PROBE_ITEMS = 16 };

static clconv_status run_probe(clconv_device *device, cl_kernel kernel, cl_mem x, cl_mem y,
                               size_t group, float result[PROBE_ITEMS]) {
    size_t items = PROBE_ITEMS;
    clconv_status status;
    if ((status = clconv__cl_check(clSetKernelArg(kernel, 0, sizeof x, &x), "clSetKernelArg")) ||
        (status = clconv__cl_check(clSetKernelArg(kernel, 1, sizeof y, &y), "clSetKernelArg")) ||
        (status = clconv__cl_check(clSetKernelArg(kernel, 2, group * sizeof(float), NULL),
                                   "clSetKernelArg")) ||
        (status = clconv__cl_check(
             clEnqueueNDRangeKernel(device->queue, kernel, 1, NULL, &items, &group, 0, NULL, NULL),
             "clEnqueueNDRangeKernel")))
        return status;
    return clconv__cl_check(clEnqueueReadBuffer(device->queue, y, CL_TRUE, 0,
                                                PROBE_ITEMS * sizeof *result, result, 0, NULL,
                                                NULL),
                            "clEnqueueReadBuffer");
}

/* Builds and runs probe.cl for one type; a wrong answer is a failure like any other. */
static clconv_status probe(clconv_device *device, clconv_type type) {
    float input[PROBE_ITEMS], result[PROBE_ITEMS] = {0};
    char options[32];
    cl_program program;
    cl_kernel kernel = NULL;
    cl_mem x = NULL, y = NULL;
    cl_int code;
    size_t group = device->info.max_work_group_size >= PROBE_ITEMS ? PROBE_ITEMS : 1;
    for (int i = 0; i < PROBE_ITEMS; ++i)
        input[i] = (float)i;
    snprintf(options, sizeof options, " -DTYPE=%d", (int)type);
    clconv_status status = clconv__device_program(&program, device, "probe.cl", options);
    if (status)
        return status;
    kernel = clCreateKernel(program, "probe", &code);
    if ((status = clconv__cl_check(code, "clCreateKernel")))
        goto done;
    x = clCreateBuffer(device->context, CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR, sizeof input,
                       input, &code);
    if ((status = clconv__cl_check(code, "clCreateBuffer")))
        goto done;
    y = clCreateBuffer(device->context, CL_MEM_READ_WRITE, sizeof result, NULL, &code);
    if ((status = clconv__cl_check(code, "clCreateBuffer")) ||
        (status = run_probe(device, kernel, x, y, group, result)))
        goto done;
    for (size_t i = 0; i < PROBE_ITEMS && !status; ++i) {
        size_t mirrored = group == 1 ? i : PROBE_ITEMS - 1 - i;
        float expected = type == CLCONV_F64 ? 1 : 2 * input[mirrored] + 1;
        float difference = result[i] - expected;
        if (!(difference < 0.01f && difference > -0.01f))
            status = clconv__fail(CLCONV_NO_DEVICE,
                                  "device \"%s\" computed %g instead of %g in a probe kernel",
                                  device->info.name, (double)result[i], (double)expected);
    }
done:
    if (y)
        clReleaseMemObject(y);
    if (x)
        clReleaseMemObject(x);
    if (kernel)
        clReleaseKernel(kernel);
    return status;
}

int clconv__device_has_f64(clconv_device *device) {
    pthread_mutex_lock(&device->probe_lock);
    if (!device->f64_is_known) {
        clconv_status status = device->info.f64_claimed ? probe(device, CLCONV_F64) : CLCONV_OK;
        device->info.f64_probed = device->info.f64_claimed && !status;
        /* What may be over soon, such as a lack of memory, says nothing about the device. */
        device->f64_is_known =
            !status || status == CLCONV_BUILD_FAILED || status == CLCONV_NO_DEVICE;
    }
    int works = device->info.f64_probed;
    pthread_mutex_unlock(&device->probe_lock);
    return works;
}

/* ---- opening ---- */

static clconv_status new_device(clconv_device **device) {
    clconv_device *d = calloc(1, sizeof *d);
    if (!d)
        return clconv__fail(CLCONV_OUT_OF_MEMORY, "a device needs %zu bytes", sizeof *d);
    pthread_mutex_init(&d->lock, NULL); /* cannot fail with default attributes on Linux */
    pthread_mutex_init(&d->probe_lock, NULL);
    *device = d;
    return CLCONV_OK;
}

void clconv_device_destroy(clconv_device *device) {
    if (!device)
        return;
    clconv__release_programs(device);
    if (device->queue)
        clReleaseCommandQueue(device->queue);
    if (device->is_callers)
        clReleaseDevice(device->id);
    if (device->context)
        clReleaseContext(device->context);
    pthread_mutex_destroy(&device->probe_lock);
    pthread_mutex_destroy(&device->lock);
    free(device);
}

static clconv_status open_host(clconv_device **device) {
    clconv_status status = new_device(device);
    if (!status) {
        read_host_facts(&(*device)->info);
        (*device)->f64_is_known = 1;
    }
    return status;
}

/* Takes over one reference of the context, also on failure. */
static clconv_status finish_opening(clconv_device **device, cl_context context, cl_device_id id) {
    clconv_device *d = NULL;
    cl_int code;
    clconv_status status = new_device(&d);
    if (status) {
        clReleaseContext(context);
        return status;
    }
    d->context = context;
    d->id = id;
    if ((status = read_facts(&d->info, id)))
        goto failed;
    d->queue = clCreateCommandQueue(context, id, CL_QUEUE_PROFILING_ENABLE, &code);
    if ((status = clconv__cl_check(code, "clCreateCommandQueue")) ||
        (status = probe(d, CLCONV_F32)))
        goto failed;
    d->info.usable = 1;
    *device = d;
    return CLCONV_OK;
failed:
    clconv_device_destroy(d);
    return status;
}

static clconv_status open_found(clconv_device **device, const found_device *found) {
    cl_int code;
    cl_context context = clCreateContext(NULL, 1, &found->id, NULL, NULL, &code);
    clconv_status status = clconv__cl_check(code, "clCreateContext");
    if (!status)
        status = finish_opening(device, context, found->id);
    if (!status)
        name_selector(&(*device)->info, found);
    return status;
}

/* The first usable device of a type, in the order of the selectors. Collects why others failed. */
static int open_first(clconv_device **device, found_devices *found, cl_device_type type) {
    for (size_t i = 0; i < found->count; ++i) {
        const found_device *candidate = &found->devices[i];
        cl_device_type types = 0;
        char name[CLCONV_TEXT_SIZE] = "an OpenCL device";
        clconv_status status = clconv__cl_check(
            clGetDeviceInfo(candidate->id, CL_DEVICE_TYPE, sizeof types, &types, NULL),
            "clGetDeviceInfo(CL_DEVICE_TYPE)");
        if (!status && !(types & type))
            continue;
        if (!status && open_found(device, candidate) == CLCONV_OK)
            return 1;
        clGetDeviceInfo(candidate->id, CL_DEVICE_NAME, sizeof name, name, NULL);
        append_note(found->note, name, clconv_last_message());
    }
    return 0;
}

static clconv_status open_best(clconv_device **device) {
    static const cl_device_type preference[] = {CL_DEVICE_TYPE_GPU, CL_DEVICE_TYPE_ACCELERATOR,
                                                CL_DEVICE_TYPE_CPU};
    found_devices found;
    find_devices(&found);
    if (!found.count && !*found.note)
        append_note(found.note, "no OpenCL device", "the platforms list none");
    for (size_t i = 0; i < sizeof preference / sizeof preference[0]; ++i)
        if (open_first(device, &found, preference[i])) {
            memcpy((*device)->info.note, found.note, sizeof found.note);
            return CLCONV_OK;
        }
    clconv_status status = open_host(device);
    if (!status)
        snprintf((*device)->info.note, sizeof found.note, "fell back to the host: %.480s",
                 found.note);
    return status;
}

/* A decimal number; one beyond what a machine can have names no device. */
static int parse_number(const char **at, unsigned *number) {
    const char *start = *at;
    for (*number = 0; **at >= '0' && **at <= '9'; ++*at)
        *number = *number > 99999 ? *number : *number * 10 + (unsigned)(**at - '0');
    return *at > start;
}

/* "platform:device" in decimal. */
static int parse_numbers(const char *selector, unsigned *platform, unsigned *index) {
    return parse_number(&selector, platform) && *selector++ == ':' &&
           parse_number(&selector, index) && !*selector;
}

static clconv_status open_numbered(clconv_device **device, const char *selector, unsigned platform,
                                   unsigned index) {
    found_devices found;
    find_devices(&found);
    for (size_t i = 0; i < found.count; ++i) {
        if (found.devices[i].platform != platform || found.devices[i].index != index)
            continue;
        if (open_found(device, &found.devices[i]) == CLCONV_OK)
            return CLCONV_OK;
        char reason[1024];
        snprintf(reason, sizeof reason, "%s", clconv_last_message());
        return clconv__fail(CLCONV_NO_DEVICE, "device \"%s\" is not usable: %s", selector, reason);
    }
    return clconv__fail(CLCONV_NO_DEVICE,
                        "device \"%s\" is not there; OpenCL devices that are: %zu%s%s", selector,
                        found.count, *found.note ? "; " : "", found.note);
}

static clconv_status open_type(clconv_device **device, const char *selector, cl_device_type type) {
    found_devices found;
    find_devices(&found);
    if (open_first(device, &found, type))
        return CLCONV_OK;
    return clconv__fail(CLCONV_NO_DEVICE, "device \"%s\": no usable one is there%s%s", selector,
                        *found.note ? "; " : "", found.note);
}

clconv_status clconv_device_open(clconv_device **device, const char *selector) {
    static const struct {
        const char *name;
        cl_device_type type;
    } types[] = {{"gpu", CL_DEVICE_TYPE_GPU},
                 {"cpu", CL_DEVICE_TYPE_CPU},
                 {"accelerator", CL_DEVICE_TYPE_ACCELERATOR}};
    unsigned platform, index;
    if (!device)
        return clconv__fail(CLCONV_INVALID_ARGUMENT, "device is NULL");
    *device = NULL;
    if (!selector)
        return open_best(device);
    if (strcmp(selector, "host") == 0)
        return open_host(device);
    for (size_t i = 0; i < sizeof types / sizeof types[0]; ++i)
        if (strcmp(selector, types[i].name) == 0)
            return open_type(device, selector, types[i].type);
    if (parse_numbers(selector, &platform, &index))
        return open_numbered(device, selector, platform, index);
    return clconv__fail(CLCONV_INVALID_ARGUMENT,
                        "selector is \"%.64s\", but must be gpu, cpu, accelerator, host or "
                        "platform:device",
                        selector);
}

/* The selector of a caller's device, when the list has it. */
static void find_selector(clconv_device *device) {
    found_devices found;
    find_devices(&found);
    for (size_t i = 0; i < found.count; ++i)
        if (found.devices[i].id == device->id)
            name_selector(&device->info, &found.devices[i]);
}

static clconv_status check_belongs(cl_context context, cl_device_id id) {
    cl_device_id ids[MAX_DEVICES];
    size_t size = 0;
    clconv_status status = clconv__cl_check(
        clGetContextInfo(context, CL_CONTEXT_DEVICES, sizeof ids, ids, &size), "clGetContextInfo");
    for (size_t i = 0; !status && i < size / sizeof *ids; ++i)
        if (ids[i] == id)
            return CLCONV_OK;
    return status ? status
                  : clconv__fail(CLCONV_WRONG_CONTEXT, "id is not a device of the context");
}

clconv_status clconv_device_from_opencl(clconv_device **device, cl_context context,
                                        cl_device_id id) {
    if (device)
        *device = NULL;
    if (!device || !context || !id)
        return clconv__fail(CLCONV_INVALID_ARGUMENT, "%s is NULL",
                            !device    ? "device"
                            : !context ? "context"
                                       : "id");
    clconv_status status = check_belongs(context, id);
    if (!status)
        status = clconv__cl_check(clRetainDevice(id), "clRetainDevice");
    if (status)
        return status;
    if ((status = clconv__cl_check(clRetainContext(context), "clRetainContext")) ||
        (status = finish_opening(device, context, id))) {
        clReleaseDevice(id);
        return status;
    }
    (*device)->is_callers = 1;
    find_selector(*device);
    return CLCONV_OK;
}

clconv_status clconv_device_get_info(clconv_device_info *info, clconv_device *device) {
    if (!info || !device)
        return clconv__fail(CLCONV_INVALID_ARGUMENT, "%s is NULL", info ? "device" : "info");
    clconv__device_has_f64(device);
    *info = device->info;
    return CLCONV_OK;
}

clconv_status clconv_device_opencl(clconv_device *device, cl_context *context, cl_device_id *id,
                                   cl_command_queue *queue) {
    if (!device)
        return clconv__fail(CLCONV_INVALID_ARGUMENT, "device is NULL");
    if (!device->context)
        return clconv__fail(CLCONV_UNSUPPORTED, "the host device has no OpenCL objects");
    if (context)
        *context = device->context;
    if (id)
        *id = device->id;
    if (queue)
        *queue = device->queue;
    return CLCONV_OK;
}
