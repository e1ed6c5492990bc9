/* Shows what a device really does: local memory, a barrier, halves in memory, and doubles. */
#if TYPE == TYPE_F64
kernel void probe(global const float *x, global float *y, local float *shared) {
    int i = (int)get_local_id(0), size = (int)get_local_size(0);
    double sum = (double)x[i] + 1e-12; /* lost in single precision */
    shared[i] = (float)((sum - (double)x[i]) * 1e12);
    barrier(CLK_LOCAL_MEM_FENCE);
    y[get_global_id(0)] = shared[size - 1 - i];
}
#else
kernel void probe(global const float *x, global float *y, local float *shared) {
    int i = (int)get_local_id(0), size = (int)get_local_size(0);
    shared[i] = 2 * x[i] + 1;
    barrier(CLK_LOCAL_MEM_FENCE);
    vstore_half_rte(shared[size - 1 - i], 2 * get_global_id(0), (global half *)y);
    y[get_global_id(0)] = vload_half(2 * get_global_id(0), (global const half *)y);
}
#endif
