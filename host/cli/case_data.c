#include "case_data.h"

#include "random.h"

#include <math.h>
#include <string.h>

const char *const data_kind_names[DATA_KINDS] = {"exact", "real"};

/* ---- walking over tensors ---- */

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

size_t count_of(const size_t extent[CLCONV_TENSOR_AXES]) {
    return extent[0] * extent[1] * extent[2] * extent[3] * extent[4];
}

int is_dense(const size_t extent[CLCONV_TENSOR_AXES], const size_t stride[CLCONV_TENSOR_AXES]) {
    size_t step = 1;
    for (int axis = CLCONV_TENSOR_AXES - 1; axis >= 0; step *= extent[axis--])
        if (extent[axis] > 1 && stride[axis] != step)
            return 0;
    return 1;
}

void place_of(size_t place[CLCONV_TENSOR_AXES], const size_t extent[CLCONV_TENSOR_AXES],
              size_t dense) {
    for (int axis = CLCONV_TENSOR_AXES - 1; axis >= 0; --axis) {
        place[axis] = dense % extent[axis];
        dense /= extent[axis];
    }
}

size_t index_of(const size_t place[CLCONV_TENSOR_AXES], const size_t stride[CLCONV_TENSOR_AXES]) {
    size_t index = 0;
    for (int axis = 0; axis < CLCONV_TENSOR_AXES; ++axis)
        index += place[axis] * stride[axis];
    return index;
}

/* ---- exactness ---- */

double case_taps(const clconv_problem *p) {
    const double kernel = (double)p->kernel[0] * (double)p->kernel[1] * (double)p->kernel[2];
    size_t output[CLCONV_SPATIAL_AXES];
    if (p->direction == CLCONV_BACKWARD_DATA)
        return (double)(p->out_channels / p->groups) * kernel;
    if (p->direction == CLCONV_BACKWARD_WEIGHTS && !clconv_problem_output(output, p))
        return (double)p->batch * (double)output[0] * (double)output[1] * (double)output[2];
    return (double)(p->in_channels / p->groups) * kernel;
}

clconv_tensor case_computed(const clconv_problem *p) {
    int tensor = CLCONV_INPUT;
    while (tensor < CLCONV_OUTPUT && !clconv_tensor_is_computed(p, (clconv_tensor)tensor))
        ++tensor;
    return (clconv_tensor)tensor;
}

clconv_tensor case_tensor(const clconv_problem *p, case_side side) {
    const int is_transposed = p->direction == CLCONV_TRANSPOSED;
    if (side == SIDE_TAP)
        return CLCONV_WEIGHTS;
    return (side == SIDE_FINE) == is_transposed ? CLCONV_OUTPUT : CLCONV_INPUT;
}

case_side case_computed_side(const clconv_problem *p) {
    int side = SIDE_COARSE;
    while (case_tensor(p, (case_side)side) != case_computed(p))
        ++side;
    return (case_side)side;
}

/* A factor of which a few survive without rounding: a small multiple of a quarter. */
static int is_mild(double factor) {
    return fabs(factor) <= 4 && factor * 4 == floor(factor * 4);
}

/*
 * The largest integer in exact data: sums stay below 2^24 of their smallest steps, which are
 * quarters where alpha or beta is none. 0 where sums are so long that even ones do not.
 */
static int exact_magnitude(const clconv_problem *p) {
    const int is_whole = p->alpha == floor(p->alpha) && p->beta == floor(p->beta);
    const double steps = fmax(1, fabs(p->alpha)) * (is_whole ? 1 : 4), epilogue = 1000;
    for (int magnitude = 3; magnitude > 0; magnitude -= 2)
        if (case_taps(p) * magnitude * magnitude * steps + epilogue < 0x1p24)
            return magnitude;
    return 0;
}

int case_is_exact(const clconv_problem *p) {
    int activation_is_exact = p->activation == CLCONV_ACTIVATION_NONE ||
                              p->activation == CLCONV_RELU ||
                              (p->activation == CLCONV_CLAMP && is_mild(p->activation_a / 2) &&
                               is_mild(p->activation_b / 2));
    return activation_is_exact && is_mild(p->alpha) && is_mild(p->beta) && exact_magnitude(p) > 0;
}

/* ---- poison ---- */

void poison_fill(void *memory, size_t size, poison_kind poison) {
    /* Pairs of bytes, low one first: 0xffff and 0x7fff are quiet NaNs in halves, and repeated in
     * floats and doubles. */
    static const unsigned char high[POISONS] = {0xff, 0x7f};
    unsigned char *bytes = memory;
    if (size) /* a tensor that is absent has no memory either */
        memset(bytes, 0xff, size);
    if (high[poison] != 0xff)
        for (size_t i = 1; i < size; i += 2)
            bytes[i] = high[poison];
}

typedef struct element_copy {
    unsigned char *to;
    const unsigned char *from;
    size_t element;
} element_copy;

static void copy_element(void *context, size_t dense, size_t in_memory) {
    const element_copy *c = context;
    (void)dense;
    memcpy(c->to + in_memory * c->element, c->from + in_memory * c->element, c->element);
}

/* What is computed is read only where beta is not 0. */
static int has_content(const clconv_problem *p, clconv_tensor tensor) {
    return p->beta != 0 || !clconv_tensor_is_computed(p, tensor);
}

void case_data_poison(unsigned char *image, const case_data *data, clconv_tensor tensor,
                      poison_kind poison) {
    size_t extent[CLCONV_TENSOR_AXES], stride[CLCONV_TENSOR_AXES];
    const tensor_image *from = &data->images[tensor];
    size_t guard = GUARD_ELEMENTS * from->element;
    element_copy copy = {image + guard, from->bytes + guard, from->element};
    poison_fill(image, from->size, poison);
    if (!from->size || !has_content(&data->problem, tensor) ||
        clconv_tensor_shape(extent, stride, &data->problem, tensor))
        return;
    if (from->size - 2 * guard == count_of(extent) * from->element)
        memcpy(copy.to, copy.from, from->size - 2 * guard);
    else
        visit_elements(extent, stride, copy_element, &copy);
}

/* ---- memory ---- */

/* Images begin where any type may lie. */
static size_t padded(size_t size) {
    return (size + 63) / 64 * 64;
}

static clconv_status measure(tensor_image *image, const clconv_problem *p, clconv_tensor tensor) {
    size_t elements;
    clconv_status status = clconv_tensor_elements(&elements, p, tensor);
    if (status || !elements)
        return status;
    image->type = clconv_tensor_type(p, tensor);
    image->element = clconv_type_size(image->type);
    if (elements > (SIZE_MAX >> 8) / image->element)
        return CLCONV_OUT_OF_MEMORY;
    image->size = (elements + 2 * GUARD_ELEMENTS) * image->element;
    return CLCONV_OK;
}

size_t case_result_offset(const case_data *data, clconv_tensor tensor) {
    size_t offset = 0;
    for (int t = 0; t < (int)tensor; ++t)
        if (clconv_tensor_is_computed(&data->problem, (clconv_tensor)t))
            offset += padded(data->images[t].size);
    return offset;
}

/* Sizes of all images and of them together. */
static clconv_status lay_out(case_data *data, size_t *total, const clconv_problem *problem,
                             data_kind kind) {
    clconv_status status = CLCONV_OK;
    memset(data, 0, sizeof *data);
    data->problem = *problem;
    data->kind = kind;
    *total = 0;
    for (int t = 0; t < TENSORS && !status; ++t) {
        status = measure(&data->images[t], problem, (clconv_tensor)t);
        *total += padded(data->images[t].size);
    }
    data->result_size = case_result_offset(data, (clconv_tensor)TENSORS);
    *total += data->result_size;
    return status;
}

static void point_to_memory(case_data *data) {
    unsigned char *next = data->memory.bytes;
    for (int t = 0; t < TENSORS; ++t) {
        if (data->images[t].size)
            data->images[t].bytes = next;
        next += padded(data->images[t].size);
    }
    data->result = next;
}

size_t case_data_size(const clconv_problem *problem) {
    case_data data;
    size_t total;
    return lay_out(&data, &total, problem, DATA_EXACT) ? SIZE_MAX : total;
}

clconv_status case_data_allocate(case_data *data, const clconv_problem *problem, data_kind kind) {
    size_t total;
    clconv_status status = lay_out(data, &total, problem, kind);
    if (!status && !shared_memory_make(&data->memory, total))
        status = CLCONV_OUT_OF_MEMORY;
    if (!status)
        point_to_memory(data);
    return status;
}

clconv_status case_data_map(case_data *data, const clconv_problem *problem, data_kind kind,
                            int descriptor) {
    size_t total;
    clconv_status status = lay_out(data, &total, problem, kind);
    if (!shared_memory_map(&data->memory, descriptor, total))
        return CLCONV_OUT_OF_MEMORY;
    point_to_memory(data);
    return status;
}

void case_data_free(case_data *data) {
    shared_memory_free(&data->memory);
    memset(data->images, 0, sizeof data->images);
}

clconv_host_tensors case_data_tensors(const case_data *data) {
    return (clconv_host_tensors){
        image_tensor(&data->images[CLCONV_INPUT]), image_tensor(&data->images[CLCONV_WEIGHTS]),
        image_tensor(&data->images[CLCONV_BIAS]), image_tensor(&data->images[CLCONV_RESIDUAL]),
        image_tensor(&data->images[CLCONV_OUTPUT])};
}

/* ---- filling ---- */

typedef struct filler {
    const tensor_image *image;
    data_kind kind;
    size_t magnitude; /* of exact data */
    uint64_t state;
} filler;

static double draw(filler *f) {
    int is_byte = f->image->type == CLCONV_S8 || f->image->type == CLCONV_U8;
    if (is_byte) /* the whole range, saturated: integer sums are always exact */
        return (double)random_below(&f->state, 256) - (f->image->type == CLCONV_S8 ? 128 : 0);
    if (f->image->type == CLCONV_S32)
        return (double)random_below(&f->state, 2001) - 1000;
    if (f->kind == DATA_EXACT)
        return (double)random_below(&f->state, 2 * f->magnitude + 1) - (double)f->magnitude;
    return 2 * random_unit(&f->state) - 1;
}

static void fill_element(void *context, size_t dense, size_t in_memory) {
    filler *f = context;
    (void)dense;
    clconv_element_set(image_tensor(f->image), f->image->type, in_memory, draw(f));
}

static clconv_status fill(const case_data *data, clconv_tensor tensor, uint64_t seed) {
    size_t extent[CLCONV_TENSOR_AXES], stride[CLCONV_TENSOR_AXES];
    const tensor_image *image = &data->images[tensor];
    filler f = {image, data->kind, (size_t)exact_magnitude(&data->problem), seed};
    clconv_status status = clconv_tensor_shape(extent, stride, &data->problem, tensor);
    if (status || !image->size)
        return status;
    poison_fill(image->bytes, image->size, POISON_FIRST);
    if (has_content(&data->problem, tensor))
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
    unnamed.name[0] = 0;
    clconv_status status = clconv_problem_format(text, sizeof text, &unnamed);
    if (status || (status = case_data_allocate(data, problem, kind)))
        return status;
    uint64_t mixed = mix_text(seed, text);
    for (int t = 0; t < TENSORS && !status; ++t)
        status = fill(data, (clconv_tensor)t, random_next(&mixed));
    if (status)
        case_data_free(data);
    return status;
}
