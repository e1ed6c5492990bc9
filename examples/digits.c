/*
 * Learns to read handwritten digits: digits DATA [EPOCHS [CURVE.svg [DEVICE]]]
 *
 * Four layers, all of them convolutions: two of 3x3, the second with stride 2 instead of a pooling
 * layer; one whose kernel is as large as its input, and a 1x1 one, which are fully connected.
 * Stochastic gradient descent with momentum minimizes the cross entropy behind a softmax. The
 * library computes each layer's output and the gradients of its weights, bias and input; all that
 * goes on between layers is plain C below.
 *
 * DATA is data/digits.txt. Every fifth digit is held out: the network never learns from it, and is
 * judged by it. DEVICE is a selector of clconv_device_open() such as host. With the same device
 * everything is repeatable to the last bit. The program fails when fewer than 96 % of the held-out
 * digits are read correctly.
 */
#include <clconv.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    PIXELS = 8 * 8,
    CLASSES = 10,
    BATCH = 40,
    LAYERS = 4,
    MOST_DIGITS = 5000,
    MOST_EPOCHS = 500
};

static const char *const layer_texts[LAYERS] = {
    "mb40_ic1ih8iw8_oc16kh3kw3_ph1pw1_bias_act=relu",
    "mb40_ic16ih8iw8_oc32kh3kw3_sh2sw2_ph1pw1_bias_act=relu",
    "mb40_ic32ih4iw4_oc64kh4kw4_bias_act=relu",
    "mb40_ic64ih1iw1_oc10kh1kw1_bias",
};

static const float rate = 0.02f, momentum = 0.9f;

static void fail(const char *subject, const char *reason) {
    fprintf(stderr, "digits: %s: %s\n", subject, reason);
    exit(EXIT_FAILURE);
}

static void check(clconv_status status) {
    if (status != CLCONV_OK)
        fail(clconv_status_name(status), clconv_last_message());
}

static float *allocate(size_t count) {
    float *memory = calloc(count, sizeof *memory);
    if (!memory)
        fail("memory", "exhausted");
    return memory;
}

/* From 0 to 1, the same on every machine. */
static float random_unit(void) {
    static uint64_t state = 1;
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (float)(state >> 40) / 16777216.0f;
}

/* ---- data ---- */

typedef struct digits {
    size_t count;
    float (*pixels)[PIXELS]; /* from 0 to 1 */
    int *classes;
} digits;

static digits new_digits(size_t count) {
    digits d = {0, (float(*)[PIXELS])allocate(count * PIXELS), malloc(count * sizeof(int))};
    if (!d.classes)
        fail("memory", "exhausted");
    return d;
}

static void add_digit(digits *to, int class, const char *text) {
    static const char shades[] = "0123456789abcdefg";
    for (size_t i = 0; i < PIXELS; ++i) {
        const char *shade = text[i] ? strchr(shades, text[i]) : NULL;
        if (!shade)
            fail("a digit", "has a pixel that is none of 0 to 9 and a to g");
        to->pixels[to->count][i] = (float)(shade - shades) / 16;
    }
    to->classes[to->count++] = class;
}

static void read_digits(digits *learned, digits *held_out, const char *path) {
    char text[PIXELS + 1];
    int class;
    FILE *file = fopen(path, "r");
    if (!file)
        fail(path, "cannot be read");
    for (size_t i = 0; i < MOST_DIGITS && fscanf(file, "%1d %64s", &class, text) == 2; ++i)
        add_digit(i % 5 == 0 ? held_out : learned, class, text);
    if (!feof(file))
        fail(path, "is damaged, or too long");
    if (held_out->count < BATCH || learned->count < BATCH)
        fail(path, "has too few digits");
    fclose(file);
}

/* ---- network ---- */

typedef struct layer {
    clconv_problem problem;
    clconv_plan *forward, *backward_weights, *backward_data;
    size_t weights, parameters, outputs; /* how many; the bias lies behind the weights */
    float *values, *slopes, *speeds;     /* of the parameters: themselves, gradient, momentum */
    float *output, *output_slopes;       /* of one batch, and its gradient */
} layer;

static clconv_plan *new_plan(clconv_device *device, clconv_problem problem,
                             clconv_direction direction) {
    clconv_plan *plan = NULL;
    problem.direction = direction;
    if (direction != CLCONV_FORWARD)
        problem.activation = CLCONV_ACTIVATION_NONE;
    if (direction == CLCONV_BACKWARD_DATA)
        problem.has_bias = 0;
    check(clconv_plan_create(&plan, device, &problem, NULL));
    return plan;
}

/* Weights are larger where fewer are summed: He, Zhang, Ren and Sun, "Delving deep into
 * rectifiers", ICCV 2015. */
static void new_layer(layer *l, clconv_device *device, int index) {
    check(clconv_problem_parse(&l->problem, layer_texts[index]));
    check(clconv_tensor_elements(&l->weights, &l->problem, CLCONV_WEIGHTS));
    check(clconv_tensor_elements(&l->outputs, &l->problem, CLCONV_OUTPUT));
    l->parameters = l->weights + l->problem.out_channels;
    l->values = allocate(l->parameters);
    l->slopes = allocate(l->parameters);
    l->speeds = allocate(l->parameters);
    l->output = allocate(l->outputs);
    l->output_slopes = allocate(l->outputs);
    float limit = sqrtf(6.0f * (float)l->problem.out_channels / (float)l->weights);
    for (size_t i = 0; i < l->weights; ++i)
        l->values[i] = limit * (2 * random_unit() - 1);
    l->forward = new_plan(device, l->problem, CLCONV_FORWARD);
    l->backward_weights = new_plan(device, l->problem, CLCONV_BACKWARD_WEIGHTS);
    if (index > 0)
        l->backward_data = new_plan(device, l->problem, CLCONV_BACKWARD_DATA);
    printf("%-55s %s, %s, %s\n", layer_texts[index], clconv_plan_algorithm(l->forward),
           clconv_plan_algorithm(l->backward_weights),
           index > 0 ? clconv_plan_algorithm(l->backward_data) : "no gradient of the pictures");
}

static void release_layer(layer *l) {
    clconv_plan_destroy(l->forward);
    clconv_plan_destroy(l->backward_weights);
    clconv_plan_destroy(l->backward_data);
    free(l->values);
    free(l->slopes);
    free(l->speeds);
    free(l->output);
    free(l->output_slopes);
}

static void run_forward(layer *layers, const float *input) {
    for (layer *l = layers; l < layers + LAYERS; ++l) {
        check(clconv_plan_run(l->forward, &(clconv_host_tensors){.input = input,
                                                                 .weights = l->values,
                                                                 .bias = l->values + l->weights,
                                                                 .output = l->output}));
        input = l->output;
    }
}

/* Where relu cut an output off, its input plays no part. */
static void pass_relu_back(layer *l) {
    for (size_t i = 0; i < l->outputs; ++i)
        if (!(l->output[i] > 0))
            l->output_slopes[i] = 0;
}

/* From the gradient of the last output to that of all parameters. */
static void run_backward(layer *layers, const float *input) {
    for (int i = LAYERS - 1; i >= 0; --i) {
        layer *l = &layers[i];
        check(clconv_plan_run(l->backward_weights,
                              &(clconv_host_tensors){.input = i ? layers[i - 1].output : input,
                                                     .weights = l->slopes,
                                                     .bias = l->slopes + l->weights,
                                                     .output = l->output_slopes}));
        if (i == 0)
            break;
        check(clconv_plan_run(l->backward_data,
                              &(clconv_host_tensors){.input = layers[i - 1].output_slopes,
                                                     .weights = l->values,
                                                     .output = l->output_slopes}));
        pass_relu_back(&layers[i - 1]);
    }
}

static void update(layer *layers) {
    for (layer *l = layers; l < layers + LAYERS; ++l)
        for (size_t i = 0; i < l->parameters; ++i) {
            l->speeds[i] = momentum * l->speeds[i] - rate * l->slopes[i];
            l->values[i] += l->speeds[i];
        }
}

/* ---- learning ---- */

/* Of one digit: its loss, whether it was read correctly, and the gradient of the mean loss. */
static int judge(double *loss, float *slopes, const float *scores, int class) {
    float sum = 0;
    int best = 0;
    for (int c = 1; c < CLASSES; ++c)
        if (scores[c] > scores[best])
            best = c;
    for (int c = 0; c < CLASSES; ++c)
        sum += slopes[c] = expf(scores[c] - scores[best]);
    *loss += log((double)sum) - (double)(scores[class] - scores[best]);
    for (int c = 0; c < CLASSES; ++c)
        slopes[c] = (slopes[c] / sum - (float)(c == class)) / BATCH;
    return best == class;
}

typedef struct score {
    double loss;  /* mean cross entropy */
    double right; /* percent */
} score;

/* Goes through whole batches of the digits in an order; what is left over waits for the next. */
static score go_through(layer *layers, const digits *d, const size_t *order, int learns) {
    static float input[BATCH][PIXELS];
    layer *last = &layers[LAYERS - 1];
    size_t seen = 0, right = 0;
    double loss = 0;
    for (; seen + BATCH <= d->count; seen += BATCH) {
        for (size_t i = 0; i < BATCH; ++i)
            memcpy(input[i], d->pixels[order[seen + i]], sizeof input[i]);
        run_forward(layers, input[0]);
        for (size_t i = 0; i < BATCH; ++i)
            right += (size_t)judge(&loss, last->output_slopes + i * CLASSES,
                                   last->output + i * CLASSES, d->classes[order[seen + i]]);
        if (!learns)
            continue;
        run_backward(layers, input[0]);
        update(layers);
    }
    return (score){loss / (double)seen, 100 * (double)right / (double)seen};
}

static void shuffle(size_t *order, size_t count) {
    for (size_t i = count; i > 1; --i) {
        size_t other = (size_t)(random_unit() * (float)i) % i, kept = order[i - 1];
        order[i - 1] = order[other];
        order[other] = kept;
    }
}

/* FNV-1a of all parameters: equal runs give equal numbers. */
static uint32_t fingerprint(const layer *layers) {
    uint32_t hash = 2166136261u;
    for (const layer *l = layers; l < layers + LAYERS; ++l) {
        const unsigned char *bytes = (const unsigned char *)l->values;
        for (size_t i = 0; i < l->parameters * sizeof *l->values; ++i)
            hash = (hash ^ bytes[i]) * 16777619u;
    }
    return hash;
}

/* ---- curve ---- */

enum { LEFT = 50, RIGHT = 460, TOP = 20, BOTTOM = 250 };

static void draw_line(FILE *f, const char *class, const score *scores, int epochs) {
    fprintf(f, "<polyline class=\"%s\" points=\"", class);
    for (int e = 0; e < epochs; ++e)
        fprintf(f, "%.1f,%.1f ", LEFT + (RIGHT - LEFT) * (e + 1.0) / epochs,
                TOP + (BOTTOM - TOP) * (100 - fmax(80, scores[e].right)) / 20);
    fputs("\"/>\n", f);
}

static void draw_curve(const char *path, const score *learned, const score *held_out, int epochs) {
    FILE *f = fopen(path, "w");
    if (!f)
        fail(path, "cannot be written");
    fputs("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"480\" height=\"300\" "
          "viewBox=\"0 0 480 300\" role=\"img\" aria-label=\"digits read correctly\">\n<style>\n"
          "text{font:13px system-ui,sans-serif;fill:#5d6670}.page{fill:#fff}line{stroke:#dde1e6}"
          "polyline{fill:none;stroke-width:2}.a{stroke:#c2410c}.b{stroke:#2f6fde}"
          "text.a{fill:#c2410c;stroke:none}text.b{fill:#2f6fde;stroke:none}\n"
          "@media(prefers-color-scheme:dark){text{fill:#9aa4ae}.page{fill:#14171a}"
          "line{stroke:#333a41}.a{stroke:#fb923c}.b{stroke:#6ea8fe}text.a{fill:#fb923c}"
          "text.b{fill:#6ea8fe}}\n</style>\n<rect class=\"page\" width=\"480\" height=\"300\"/>\n",
          f);
    for (int percent = 80; percent <= 100; percent += 5) {
        int y = TOP + (BOTTOM - TOP) * (100 - percent) / 20;
        fprintf(f, "<line x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\"/>\n", LEFT, y, RIGHT, y);
        fprintf(f, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%d %%</text>\n", LEFT - 6, y + 4,
                percent);
    }
    for (int e = 0; e <= epochs; e += (epochs + 4) / 5)
        fprintf(f, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%d</text>\n",
                LEFT + (RIGHT - LEFT) * (double)e / epochs, BOTTOM + 18, e);
    fputs("<text x=\"255\" y=\"292\" text-anchor=\"middle\">times through the data</text>\n"
          "<text class=\"a\" x=\"448\" y=\"200\" text-anchor=\"end\">while learning</text>\n"
          "<text class=\"b\" x=\"448\" y=\"222\" text-anchor=\"end\">held out</text>\n",
          f);
    draw_line(f, "a", learned, epochs);
    draw_line(f, "b", held_out, epochs);
    fputs("</svg>\n", f);
    if (ferror(f) | fclose(f))
        fail(path, "could not be written completely");
}

int main(int argc, char **argv) {
    static layer layers[LAYERS];
    static score learned_scores[MOST_EPOCHS], held_out_scores[MOST_EPOCHS];
    static size_t order[MOST_DIGITS], natural[MOST_DIGITS];
    if (argc < 2 || argc > 5)
        fail("usage", "digits DATA [EPOCHS [CURVE.svg [DEVICE]]]");
    int epochs = argc > 2 ? atoi(argv[2]) : 20;
    if (epochs < 1 || epochs > MOST_EPOCHS)
        fail(argv[2], "is no number of epochs from 1 to 500");

    digits learned = new_digits(MOST_DIGITS), held_out = new_digits(MOST_DIGITS);
    read_digits(&learned, &held_out, argv[1]);
    for (size_t i = 0; i < MOST_DIGITS; ++i)
        order[i] = natural[i] = i;

    clconv_device *device = NULL;
    clconv_device_info info;
    check(clconv_device_open(&device, argc > 4 ? argv[4] : NULL));
    check(clconv_device_get_info(&info, device));
    printf("%zu digits to learn from, %zu held out, on %s %s\n", learned.count, held_out.count,
           info.selector, info.name);
    for (int i = 0; i < LAYERS; ++i)
        new_layer(&layers[i], device, i);

    struct timespec begin, end;
    timespec_get(&begin, TIME_UTC);
    for (int e = 0; e < epochs; ++e) {
        shuffle(order, learned.count);
        learned_scores[e] = go_through(layers, &learned, order, 1);
        held_out_scores[e] = go_through(layers, &held_out, natural, 0);
        printf("epoch %2d  loss %.4f  right %5.1f %%  held out: loss %.4f  right %5.1f %%\n", e + 1,
               learned_scores[e].loss, learned_scores[e].right, held_out_scores[e].loss,
               held_out_scores[e].right);
    }
    timespec_get(&end, TIME_UTC);
    double reached = held_out_scores[epochs - 1].right;
    printf("%.1f %% of the held-out digits are read correctly, parameters %08x, %.1f s\n", reached,
           (unsigned)fingerprint(layers),
           difftime(end.tv_sec, begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) * 1e-9);
    if (argc > 3)
        draw_curve(argv[3], learned_scores, held_out_scores, epochs);

    for (int i = 0; i < LAYERS; ++i)
        release_layer(&layers[i]);
    clconv_device_destroy(device);
    free(learned.pixels);
    free(learned.classes);
    free(held_out.pixels);
    free(held_out.classes);
    if (!(reached >= 96))
        fail("the network", "has not learned enough: at least 96 % are wanted");
    return EXIT_SUCCESS;
}
