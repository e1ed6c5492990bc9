/* Chooses among the instruction sets that host_kernel.c was compiled for. */
#include "host_kernel.h"

const clconv__host_kernel_set *clconv__host_kernels(void) {
#ifdef CLCONV__HAVE_X86_KERNELS
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq"))
        return &clconv__host_kernels_avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return &clconv__host_kernels_avx2;
#endif
    return &clconv__host_kernels_portable;
}
