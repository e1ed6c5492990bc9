#include "case_data.h"

#include "random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A quiet NaN in every floating-point type, and unlikely as an integer. */
enum { POISON = 0xff };

void visit_elements(const size_t extent[CLCONV_TENSOR_AXES],
                    const size_t stride[CLCONV_TENSOR_AXES],
                    void (*visit)(void *context, size_t dense, size_t in_memory), void *context) {
    size_t dense = 0;
    for (size_t n = 0; n < extent[0]; ++n)
        for (size_t c = 0; c < extent[1]; ++c)
            for (size_t d = 0; d < extent[2]; ++d)
                for (size_t h = 0; h < extent[3]; ++h) {
                    size_t row = n * stride[0] + c * stride[1] + d * stride[2] + h * stride[3];
                    for (size_t w = 0; w < extent[4]; ++w)
                        visit(context, dense++, row + w * stride[4]);
                }
}

/* Products per output. */
static double taps_of(const clconv_problem *p) {
    return (double)(p->in_channels / p->groups) * (double)p->kernel[0] * (double)p->kernel[1] *
           (double)p->kernel[2];
}

/* A factor of which a few survive without rounding: a small multiple of a quarter. */
static int is_mild(double factor) {
    return fabs(factor) <= 4 && factor * 4 == floor(factor * 4);
}

int case_is_exact(const clconv_problem *p) {
    int activation_is_exact = p->activation == CLCONV_ACTIVATION_NONE ||
                              p->activation == CLCONV_RELU ||
                              (p->activation == CLCONV_CLAMP && is_mild(p->activation_a / 2) &&
                               is_mild(p->activation_b / 2));
    /* |x| and |w| are at most 3; with alpha up to 4 in quarters a sum needs 9*16 units a tap. */
    return activation_is_exact && is_mild(p->alpha) && is_mild(p->beta) &&
           taps_of(p) * 9 * 16 + 1000 < 0x1p24;
}

/* ---- filling ---- */

typedef struct filler {
    tensor_image *image;
    data_kind kind;
    uint64_t state;
} filler;

static double draw(filler *f) {
    int is_byte = f->image->type == CLCONV_S8 || f->image->type == CLCONV_U8;
    if (is_byte) /* the whole range, saturated: integer sums are always exact */
        return (double)random_below(&f->state, 256) - (f->image->type == CLCONV_S8 ? 128 : 0);
    if (f->image->type == CLCONV_S32)
        return (double)random_below(&f->state, 2001) - 1000;
    if (f->kind == DATA_EXACT)
        return (double)random_below(&f->state, 7) - 3;
    return 2 * random_unit(&f->state) - 1;
}

static void fill_element(void *context, size_t dense, size_t in_memory) {
    filler *f = context;
    (void)dense;
    clconv_element_set(image_tensor(f->image), f->image->type, in_memory, draw(f));
}

static clconv_status make_image(tensor_image *image, const clconv_problem *p, clconv_tensor tensor,
                                data_kind kind, uint64_t seed) {
    size_t elements, extent[CLCONV_TENSOR_AXES], stride[CLCONV_TENSOR_AXES];
    clconv_status status;
    if ((status = clconv_tensor_elements(&elements, p, tensor)) ||
        (status = clconv_tensor_shape(extent, stride, p, tensor)) || !elements)
        return status;
    image->type = clconv_tensor_type(p, tensor);
    image->element = clconv_type_size(image->type);
    size_t total = elements + 2 * GUARD_ELEMENTS;
    if (total > SIZE_MAX / image->element || !(image->bytes = malloc(total * image->element)))
        return CLCONV_OUT_OF_MEMORY;
    image->size = total * image->element;
    memset(image->bytes, POISON, image->size);
    filler f = {image, kind, seed};
    if (tensor != CLCONV_OUTPUT || p->beta != 0)
        visit_elements(extent, stride, fill_element, &f);
    return CLCONV_OK;
}

/* FNV-1a (Fowler, Noll and Vo), to mix the problem's text into the seed. */
static uint64_t mix_text(uint64_t seed, const char *text) {
    uint64_t hash = 0xcbf29ce484222325u ^ seed;
    for (; *text; ++text)
        hash = (hash ^ (unsigned char)*text) * 0x100000001b3u;
    return hash;
}

clconv_status case_data_make(case_data *data, const clconv_problem *problem, data_kind kind,
                             uint64_t seed) {
    char text[CLCONV_PROBLEM_TEXT_SIZE];
    clconv_problem unnamed = *problem;
    memset(data, 0, sizeof *data);
    unnamed.name[0] = 0;
    clconv_status status = clconv_problem_format(text, sizeof text, &unnamed);
    uint64_t mixed = mix_text(seed, text);
    data->problem = *problem;
    data->kind = kind;
    for (int tensor = CLCONV_INPUT; tensor <= CLCONV_OUTPUT && !status; ++tensor)
        status = make_image(&data->images[tensor], problem, (clconv_tensor)tensor, kind,
                            random_next(&mixed));
    if (status)
        case_data_free(data);
    return status;
}

void case_data_free(case_data *data) {
    for (int tensor = CLCONV_INPUT; tensor <= CLCONV_OUTPUT; ++tensor)
        free(data->images[tensor].bytes);
    memset(data->images, 0, sizeof data->images);
}

clconv_host_tensors case_data_tensors(const case_data *data) {
    return (clconv_host_tensors){
        image_tensor(&data->images[CLCONV_INPUT]), image_tensor(&data->images[CLCONV_WEIGHTS]),
        image_tensor(&data->images[CLCONV_BIAS]), image_tensor(&data->images[CLCONV_RESIDUAL]),
        image_tensor(&data->images[CLCONV_OUTPUT])};
}
