#include "clblast.h"

#include "opencl.h"

#ifdef CLCONV_WITH_CLBLAST
#include <clblast_c.h>

static CLBlastTranspose transpose(const clconv__matrix *matrix) {
    return matrix->is_transposed ? CLBlastTransposeYes : CLBlastTransposeNo;
}

clconv_status clconv__clblast_multiply(clconv__call *call, const size_t mnk[3], double alpha,
                                       const clconv__matrix *a, const clconv__matrix *b,
                                       double beta, const clconv__matrix *c) {
    cl_command_queue queue = call->queue;
    CLBlastStatusCode code;
    const int is_double = call->plan->problem.type == CLCONV_F64;
    clconv_status status = clconv__call_separate(call); /* it takes no list of events */
    if (status)
        return status;
    if (is_double)
        code = CLBlastDgemm(CLBlastLayoutRowMajor, transpose(a), transpose(b), mnk[0], mnk[1],
                            mnk[2], alpha, a->memory, a->offset, a->leading, b->memory, b->offset,
                            b->leading, beta, c->memory, c->offset, c->leading, &queue, NULL);
    else
        code =
            CLBlastSgemm(CLBlastLayoutRowMajor, transpose(a), transpose(b), mnk[0], mnk[1], mnk[2],
                         (float)alpha, a->memory, a->offset, a->leading, b->memory, b->offset,
                         b->leading, (float)beta, c->memory, c->offset, c->leading, &queue, NULL);
    if (code != CLBlastSuccess)
        return clconv__fail(CLCONV_CLBLAST, "CLBlast%cgemm of %zu x %zu x %zu failed with %d (%s)",
                            is_double ? 'D' : 'S', mnk[0], mnk[1], mnk[2], (int)code,
                            clconv__cl_error_name((cl_int)code));
    return CLCONV_OK;
}

#else

/* Without CLBlast its rows refuse every problem, so that this is never called. */
clconv_status clconv__clblast_multiply(clconv__call *call, const size_t mnk[3], double alpha,
                                       const clconv__matrix *a, const clconv__matrix *b,
                                       double beta, const clconv__matrix *c) {
    (void)call, (void)mnk, (void)alpha, (void)a, (void)b, (void)beta, (void)c;
    return clconv__fail(CLCONV_UNSUPPORTED, "the library was built without CLBlast");
}

#endif
