#include "rows.h"

#include "arithmetic.h"

#include <stdarg.h>
#include <stdio.h>

int clconv__refuse(char refusal[CLCONV_REFUSAL_SIZE], const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(refusal, CLCONV_REFUSAL_SIZE, format, arguments);
    va_end(arguments);
    return 1;
}

int clconv__refuses_types(char refusal[CLCONV_REFUSAL_SIZE], const clconv__request *r) {
    clconv_type type = r->problem->type;
    if (type != CLCONV_F32 && type != CLCONV_F16 && type != CLCONV_BF16)
        return clconv__refuse(refusal, "type %s is not f32, f16 or bf16", clconv__type_names[type]);
    return 0;
}

double clconv__seconds_at(const clconv__request *r, double cpu_rate, double gpu_rate) {
    double rate = r->device->info.kind == CLCONV_KIND_GPU ? gpu_rate : cpu_rate;
    unsigned units = r->device->info.compute_units ? r->device->info.compute_units : 1;
    return clconv_problem_flops(r->problem) / (rate * units);
}

double clconv__filled(size_t extent, size_t tile) {
    return (double)extent / (double)(clconv__divide_up(extent, tile) * tile);
}
