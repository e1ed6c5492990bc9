/*
 * Filters a picture: picture_filter [sobel|gaussian [IN OUT]]
 *
 * IN and OUT are binary portable grey or colour maps (.pgm, .ppm) with one byte per sample. Without
 * them the program draws a picture of its own and writes nothing. In any case it compares what the
 * device computed with the library's judge. Every colour channel is filtered by itself: it is a
 * group of its own, and all groups have the same weights.
 */
#include <clconv.h>
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct picture {
    size_t width, height, channels;
    float *samples; /* channel by channel, row by row, from 0 to 255: the layout NCHW */
} picture;

typedef struct filter {
    const char *name;
    size_t size; /* of each side */
    float scale; /* the sum below is divided by it */
    float weights[25];
} filter;

static const filter filters[] = {
    {"sobel", 3, 1, {-1, 0, 1, -2, 0, 2, -1, 0, 1}},
    {"gaussian", 5, 256, {1,  4, 6, 4,  1,  4,  16, 24, 16, 4, 6, 24, 36,
                          24, 6, 4, 16, 24, 16, 4,  1,  4,  6, 4, 1}},
};

static void fail(const char *subject, const char *reason) {
    fprintf(stderr, "picture_filter: %s: %s\n", subject, reason);
    exit(EXIT_FAILURE);
}

static void check(clconv_status status) {
    if (status != CLCONV_OK)
        fail(clconv_status_name(status), clconv_last_message());
}

static void *allocate(size_t count, size_t size) {
    void *memory = calloc(count, size);
    if (!memory)
        fail("memory", "exhausted");
    return memory;
}

static size_t sample_count(const picture *p) {
    return p->width * p->height * p->channels;
}

/* Files have the channels of a pixel side by side; this is where sample `i` of a file belongs. */
static size_t planar_index(const picture *p, size_t i) {
    return i % p->channels * p->width * p->height + i / p->channels;
}

/* A number of the header, after spaces and comments. */
static size_t read_number(FILE *file, const char *path) {
    unsigned number = 0;
    int c = fgetc(file);
    while (c == '#' || isspace(c)) {
        if (c == '#')
            while (c != '\n' && c != EOF)
                c = fgetc(file);
        else
            c = fgetc(file);
    }
    ungetc(c, file);
    if (fscanf(file, "%5u", &number) != 1)
        fail(path, "the header is damaged");
    return number;
}

static picture read_picture(const char *path) {
    picture p = {0, 0, 0, NULL};
    FILE *file = fopen(path, "rb");
    if (!file)
        fail(path, "cannot be read");
    int p_letter = fgetc(file), kind = fgetc(file);
    if (p_letter != 'P' || (kind != '5' && kind != '6'))
        fail(path, "is no binary .pgm or .ppm");
    p.channels = kind == '6' ? 3 : 1;
    p.width = read_number(file, path);
    p.height = read_number(file, path);
    if (p.width == 0 || p.height == 0)
        fail(path, "has no pixels");
    if (read_number(file, path) != 255)
        fail(path, "has samples of more or less than one byte");
    fgetc(file); /* the one space that ends the header */
    p.samples = allocate(sample_count(&p), sizeof *p.samples);
    for (size_t i = 0; i < sample_count(&p); ++i) {
        int c = fgetc(file);
        if (c == EOF)
            fail(path, "ends too early");
        p.samples[planar_index(&p, i)] = (float)c;
    }
    fclose(file);
    return p;
}

/* Negative samples, such as Sobel's on falling edges, are written by their magnitude. */
static void write_picture(const char *path, const picture *p) {
    FILE *file = fopen(path, "wb");
    if (!file)
        fail(path, "cannot be written");
    fprintf(file, "P%c\n%zu %zu\n255\n", p->channels == 3 ? '6' : '5', p->width, p->height);
    for (size_t i = 0; i < sample_count(p); ++i) {
        float value = fabsf(p->samples[planar_index(p, i)]);
        fputc(value > 255 ? 255 : (int)(value + 0.5f), file);
    }
    if (ferror(file) | fclose(file))
        fail(path, "could not be written completely");
}

/* A disc before a slope of colours. */
static picture draw_picture(void) {
    picture p = {96, 64, 3, NULL};
    p.samples = allocate(sample_count(&p), sizeof *p.samples);
    for (size_t i = 0; i < sample_count(&p); ++i) {
        int c = (int)(i % 3), x = (int)(i / 3 % p.width), y = (int)(i / 3 / p.width);
        int inside = (x - 48) * (x - 48) + (y - 32) * (y - 32) < 20 * 20;
        p.samples[planar_index(&p, i)] = (float)(inside ? 255 - 60 * c : c == 0 ? 2 * x : 3 * y);
    }
    return p;
}

static const filter *find_filter(const char *name) {
    for (size_t i = 0; i < sizeof filters / sizeof *filters; ++i)
        if (strcmp(filters[i].name, name) == 0)
            return &filters[i];
    fail(name, "is neither sobel nor gaussian");
    return NULL;
}

static void check_output(const clconv_problem *problem, const clconv_host_tensors *tensors) {
    size_t count = 0;
    check(clconv_tensor_elements(&count, problem, CLCONV_OUTPUT));
    double *expected = allocate(count, sizeof *expected);
    double *bound = allocate(count, sizeof *bound);
    check(clconv_reference(expected, bound, problem, tensors));
    for (size_t i = 0; i < count; ++i) {
        double value = clconv_element_get(tensors->output, CLCONV_F32, i);
        if (!(fabs(value - expected[i]) <= bound[i]))
            fail("output", "is wrong");
    }
    free(bound);
    free(expected);
}

static picture apply(const filter *f, const picture *in) {
    clconv_problem problem = CLCONV_PROBLEM_INIT;
    problem.groups = problem.in_channels = problem.out_channels = in->channels;
    problem.input[CLCONV_H] = in->height;
    problem.input[CLCONV_W] = in->width;
    problem.kernel[CLCONV_H] = problem.kernel[CLCONV_W] = f->size;
    check(clconv_problem_pad(&problem, CLCONV_SAME_UPPER));

    size_t area = f->size * f->size;
    float *weights = allocate(area * in->channels, sizeof *weights);
    for (size_t i = 0; i < area * in->channels; ++i)
        weights[i] = f->weights[i % area] / f->scale;
    picture out = *in;
    out.samples = allocate(sample_count(&out), sizeof *out.samples);

    clconv_device *device = NULL;
    clconv_device_info info;
    clconv_plan *plan = NULL;
    clconv_host_tensors tensors = {.input = in->samples, .weights = weights, .output = out.samples};
    check(clconv_device_open(&device, NULL));
    check(clconv_device_get_info(&info, device));
    check(clconv_plan_create(&plan, device, &problem, NULL));
    check(clconv_plan_run(plan, &tensors));
    printf("%s of %zu x %zu pixels by %s on %s\n", f->name, in->width, in->height,
           clconv_plan_algorithm(plan), info.name);
    check_output(&problem, &tensors);
    clconv_plan_destroy(plan);
    clconv_device_destroy(device);
    free(weights);
    return out;
}

int main(int argc, char **argv) {
    if (argc > 4 || argc == 3)
        fail("usage", "picture_filter [sobel|gaussian [IN OUT]]");
    const filter *f = find_filter(argc > 1 ? argv[1] : "sobel");
    picture in = argc == 4 ? read_picture(argv[2]) : draw_picture();
    picture out = apply(f, &in);
    if (argc == 4)
        write_picture(argv[3], &out);
    free(out.samples);
    free(in.samples);
    return EXIT_SUCCESS;
}
