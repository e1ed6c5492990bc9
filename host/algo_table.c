/* The table of algorithms, and what all rows refuse. */
#include "arithmetic.h"
#include "rows.h"

#include <string.h>

#define ADDRESS_OF_ROW(name) &clconv__row_##name,
const clconv__algo *const clconv__algos[] = {CLCONV__ROWS(ADDRESS_OF_ROW)};
#undef ADDRESS_OF_ROW
const size_t clconv__algo_count = sizeof clconv__algos / sizeof clconv__algos[0];

static int refuses_buffers(char refusal[CLCONV_REFUSAL_SIZE], const clconv__request *r) {
    static const char *const names[] = {"input", "weights", "bias", "residual", "output"};
    for (int tensor = CLCONV_INPUT; tensor <= CLCONV_OUTPUT; ++tensor) {
        size_t elements = 0;
        clconv_tensor_elements(&elements, r->problem, (clconv_tensor)tensor);
        size_t bytes =
            elements * clconv_type_size(clconv_tensor_type(r->problem, (clconv_tensor)tensor));
        if (bytes > r->device->info.max_allocation_size)
            return clconv__refuse(
                refusal, "the %s needs %zu bytes, but one buffer of the device holds %llu",
                names[tensor], bytes, (unsigned long long)r->device->info.max_allocation_size);
    }
    return 0;
}

int clconv__algo_is_for(const clconv__algo *algo, const clconv_device *device) {
    return (int)(algo->kinds >> device->info.kind & 1);
}

int clconv__algo_computes(const clconv__algo *algo, clconv_direction direction) {
    return (unsigned)direction < CLCONV__DIRECTIONS && algo->directions >> direction & 1;
}

int clconv__algo_refuses(char refusal[CLCONV_REFUSAL_SIZE], const clconv__algo *algo,
                         const clconv__request *r) {
    const clconv_problem *p = r->problem;
    clconv__launch launch;
    int device_is_host = r->device->info.kind == CLCONV_KIND_HOST;
    if (algo->ops->is_host != device_is_host)
        return clconv__refuse(refusal, algo->ops->is_host ? "it runs on the host device only"
                                                          : "it needs an OpenCL device");
    if (!clconv__algo_computes(algo, p->direction))
        return clconv__refuse(refusal, "it does not compute direction %s",
                              clconv__direction_names[p->direction]);
    if (algo->kinds & CLCONV__ROUNDS && !r->allows_tf32)
        return clconv__refuse(refusal, "it rounds its operands to tf32, which was not allowed");
    if (!device_is_host && p->type == CLCONV_F64 && !clconv__device_has_f64(r->device))
        return clconv__refuse(refusal, "the device does not compute in double precision");
    if (!device_is_host && refuses_buffers(refusal, r))
        return 1;
    if (algo->refuses && algo->refuses(refusal, r))
        return 1;
    if (algo->tiles && !clconv__fitting_tile(&launch, algo, r))
        return clconv__refuse(
            refusal,
            "no tile fits the device's local memory, %llu bytes, and its work-groups of "
            "up to %zu work-items",
            (unsigned long long)r->device->info.local_memory_size,
            r->device->info.max_work_group_size);
    return 0;
}

double clconv__algo_seconds(const clconv__algo *algo, const clconv__request *r) {
    clconv__launch launch;
    return algo->seconds(r, algo->tiles ? clconv__fitting_tile(&launch, algo, r) : NULL);
}

size_t clconv__algo_index(const clconv__algo *algo) {
    size_t i = 0;
    while (i < clconv__algo_count && clconv__algos[i] != algo)
        ++i;
    return i;
}

const clconv__algo *clconv__find_algo(const char *name) {
    for (size_t i = 0; i < clconv__algo_count; ++i)
        if (strcmp(clconv__algos[i]->name, name) == 0)
            return clconv__algos[i];
    return NULL;
}

const clconv__tile *clconv__fitting_tile(clconv__launch *launch, const clconv__algo *algo,
                                         const clconv__request *r) {
    const clconv__tile *best = NULL;
    double best_seconds = 0;
    for (const clconv__tile *tile = algo->tiles; tile->value[0]; ++tile) {
        clconv__launch candidate = {{0}, {0}, 0, 0, ""};
        if ((r->tile && tile != r->tile) || !algo->launch(&candidate, r, tile))
            continue;
        double seconds = algo->seconds(r, tile);
        if (!best || seconds < best_seconds) {
            best = tile;
            best_seconds = seconds;
            *launch = candidate;
        }
    }
    return best;
}
