/*
 * Times clconv beside other libraries, all in one process and in turn: in every round each
 * candidate runs for a few milliseconds, and medians over the rounds are compared. Every result is
 * first held against the reference: clconv's within its bound, the others' within a loose one, to
 * catch misuse.
 *
 *     peers [--direction DIRECTION] [--rounds N] [--only NAME[,NAME...]] LAYERS...
 *
 * In the backward directions, which clconv and oneDNN have, the gradients are of the layers' inputs
 * or weights.
 */
#define _POSIX_C_SOURCE 200809L
#include "peer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_ROUNDS = 200, PEERS = 6 };

static const peer *const peers[PEERS] = {&clconv_opencl_peer, &clconv_host_peer, &onednn_peer,
                                         &onednn_nchw_peer,   &openblas_peer,    &clblast_peer};
enum { CLCONV, HOST, ONEDNN, ONEDNN_NCHW, OPENBLAS, CLBLAST };

/* Ratios that are reported as geometric means over the layers that have both. */
static const struct {
    int slow, fast;
} ratios[] = {{ONEDNN, CLCONV},  {ONEDNN_NCHW, CLCONV}, {OPENBLAS, CLCONV},
              {CLBLAST, CLCONV}, {ONEDNN, HOST},        {ONEDNN_NCHW, HOST}};
enum { RATIOS = sizeof ratios / sizeof ratios[0] };

typedef struct statistics {
    double log_sum;
    size_t count;
} statistics;

static statistics all_layers[RATIOS], winograd_layers[RATIOS];
static double least[RATIOS];

void bench_require(int condition, const char *what) {
    if (condition)
        return;
    fprintf(stderr, "peers: %s\n", what);
    exit(1);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- layers ---- */

static float *random_floats(size_t count, unsigned seed) {
    float *data = malloc(count * sizeof *data);
    bench_require(data != NULL, "memory");
    for (size_t i = 0; i < count; ++i) {
        seed = seed * 1664525u + 1013904223u;
        data[i] = (float)(seed >> 8) * 0x1p-23f - 1;
    }
    return data;
}

static void make_layer(layer *l, const char *text, clconv_direction direction) {
    *l = (layer){.computed = direction == CLCONV_BACKWARD_DATA      ? CLCONV_INPUT
                             : direction == CLCONV_BACKWARD_WEIGHTS ? CLCONV_WEIGHTS
                                                                    : CLCONV_OUTPUT};
    bench_require(clconv_problem_parse(&l->problem, text) == CLCONV_OK, clconv_last_message());
    l->problem.direction = direction;
    bench_require(clconv_problem_output(l->output_extent, &l->problem) == CLCONV_OK,
                  clconv_last_message());
    for (int i = 0; i < TENSORS; ++i) {
        const clconv_tensor tensor = (clconv_tensor)i;
        bench_require(clconv_tensor_elements(&l->elements[i], &l->problem, tensor) == CLCONV_OK,
                      clconv_last_message());
        if (l->elements[i])
            l->data[i] = random_floats(l->elements[i], (unsigned)i + 1);
    }
}

static void free_layer(layer *l) {
    for (int i = 0; i < TENSORS; ++i)
        free(l->data[i]);
}

/* ---- checking ---- */

typedef struct truth {
    double *values, *bounds;
} truth;

static double *doubles(const layer *l) {
    double *data = malloc(l->elements[l->computed] * sizeof *data);
    bench_require(data != NULL, "memory");
    return data;
}

static clconv_host_tensors tensors_of(const layer *l) {
    return (clconv_host_tensors){.input = l->data[CLCONV_INPUT],
                                 .weights = l->data[CLCONV_WEIGHTS],
                                 .output = l->data[CLCONV_OUTPUT]};
}

static truth find_truth(const layer *l) {
    truth t = {doubles(l), doubles(l)};
    clconv_host_tensors tensors = tensors_of(l);
    bench_require(clconv_reference(t.values, t.bounds, &l->problem, &tensors) == CLCONV_OK,
                  clconv_last_message());
    return t;
}

/* Ends the program unless clconv's result is within its bound and another's near it. */
static void check(const peer *p, void *state, const layer *l, const truth *t) {
    const size_t count = l->elements[l->computed];
    clconv_host_tensors tensors = tensors_of(l);
    float *result = malloc(count * sizeof *result);
    double *bounds = doubles(l), worst = 0;
    bench_require(result != NULL, "memory");
    memcpy(bounds, t->bounds, count * sizeof *bounds);
    if (p->algorithm)
        bench_require(clconv_algorithm_bound(bounds, &l->problem, &tensors, p->algorithm(state)) ==
                          CLCONV_OK,
                      clconv_last_message());
    p->fetch(state, result);
    for (size_t i = 0; i < count; ++i) {
        const double share = fabs(result[i] - t->values[i]) / bounds[i];
        worst = share > worst || isnan(share) ? share : worst;
    }
    bench_require(worst <= (p->algorithm ? 1 : 100), p->name);
    free(result);
    free(bounds);
}

/* ---- timing ---- */

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int count) {
    qsort(values, (size_t)count, sizeof *values, ascending);
    return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

/* Seconds of one of `runs`, which follow each other as the layers of a network do: only the last is
 * waited for. */
static double time_runs(const peer *p, void *state, int runs) {
    const double begin = now();
    for (int i = 0; i < runs; ++i)
        p->run(state);
    if (p->wait)
        p->wait(state);
    return (now() - begin) / runs;
}

/*
 * Seconds of one run. The threads of the library before are given time to sleep: OpenBLAS's look
 * out for work for 2^26 ticks of the processor, and whoever came next had half of a machine of two.
 * The first milliseconds are not counted: caches warm and threads wake then, and where the threads
 * of two libraries spin on one processor the scheduler needs some of its ticks to part them (each
 * run of oneDNN took two ticks, 8 ms, until then).
 */
static double take_turn(const peer *p, void *state) {
    enum { MOST_RUNS = 100 };
    const struct timespec until_others_sleep = {0, 50 * 1000 * 1000};
    nanosleep(&until_others_sleep, NULL);
    const double warm = 0.02, wanted = 0.005, end = now() + warm;
    double shortest = wanted;
    do
        shortest = fmin(shortest, time_runs(p, state, 1));
    while (now() < end);
    return time_runs(p, state, (int)fmin(MOST_RUNS, ceil(wanted / shortest)));
}

static int is_wanted(const char *name, const char *only) {
    size_t length = strlen(name);
    for (const char *at = only; at; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, name, length) == 0 && (at[length] == ',' || !at[length]))
            return 1;
    }
    return !only;
}

static void add(statistics *s, double ratio) {
    s->log_sum += log(ratio);
    ++s->count;
}

static void compare(const layer *l, const double seconds[PEERS]) {
    const clconv_problem *p = &l->problem;
    int is_winograd = p->groups == 1 && p->kernel[1] == 3 && p->kernel[2] == 3 &&
                      p->stride[1] == 1 && p->stride[2] == 1;
    for (int i = 0; i < RATIOS; ++i) {
        double slow = seconds[ratios[i].slow], fast = seconds[ratios[i].fast];
        if (slow <= 0 || fast <= 0)
            continue;
        add(&all_layers[i], slow / fast);
        if (is_winograd)
            add(&winograd_layers[i], slow / fast);
        if (least[i] == 0 || slow / fast < least[i])
            least[i] = slow / fast;
    }
}

static void bench_layer(const layer *l, int rounds, const char *only) {
    static double samples[PEERS][MAX_ROUNDS];
    void *states[PEERS] = {NULL};
    double seconds[PEERS] = {0};
    truth t = find_truth(l);
    for (int i = 0; i < PEERS; ++i) {
        if (!is_wanted(peers[i]->name, only))
            continue;
        peers[i]->setup(&states[i], l);
        if (!states[i])
            continue;
        time_runs(peers[i], states[i], 1);
        check(peers[i], states[i], l, &t);
    }
    for (int round = 0; round < rounds; ++round)
        for (int i = 0; i < PEERS; ++i)
            if (states[i])
                samples[i][round] = take_turn(peers[i], states[i]);
    printf("%-30s", l->problem.name);
    for (int i = 0; i < PEERS; ++i) {
        seconds[i] = states[i] ? median(samples[i], rounds) : 0;
        if (states[i])
            printf(" %11.1f", clconv_problem_flops(&l->problem) / seconds[i] * 1e-9);
        else
            printf(" %11s", "-");
    }
    for (int i = CLCONV; i <= HOST; ++i)
        if (seconds[ONEDNN] > 0 && seconds[i] > 0)
            printf(" %8.2f", seconds[ONEDNN] / seconds[i]);
    printf(" %s\n", states[CLCONV] ? peers[CLCONV]->algorithm(states[CLCONV]) : "");
    fflush(stdout);
    compare(l, seconds);
    for (int i = 0; i < PEERS; ++i)
        if (states[i])
            peers[i]->teardown(states[i]);
    free(t.values);
    free(t.bounds);
}

/* ---- */

static void bench_file(const char *path, clconv_direction direction, int rounds, const char *only) {
    char line[CLCONV_PROBLEM_TEXT_SIZE];
    FILE *file = fopen(path, "r");
    bench_require(file != NULL, path);
    while (fgets(line, sizeof line, file)) {
        layer l;
        line[strcspn(line, "\r\n")] = 0;
        if (!*line || *line == '#')
            continue;
        make_layer(&l, line, direction);
        bench_layer(&l, rounds, only);
        free_layer(&l);
    }
    fclose(file);
}

static void print_geomeans(const char *kind, const statistics *s) {
    for (int i = 0; i < RATIOS; ++i)
        if (s[i].count)
            printf("geomean%s %s/%s %.2f (%zu layers)\n", kind, peers[ratios[i].slow]->name,
                   peers[ratios[i].fast]->name, exp(s[i].log_sum / (double)s[i].count), s[i].count);
}

static clconv_direction find_direction(const char *name) {
    static const char *const names[] = {"forward", "backward_data", "backward_weights"};
    int i = 0;
    while (i < 3 && strcmp(names[i], name) != 0)
        ++i;
    bench_require(i < 3, "direction must be forward, backward_data or backward_weights");
    return (clconv_direction)i;
}

int main(int argc, char **argv) {
    int rounds = 15, first = 1;
    const char *only = NULL;
    clconv_direction direction = CLCONV_FORWARD;
    for (; first + 1 < argc && argv[first][0] == '-'; first += 2)
        if (strcmp(argv[first], "--rounds") == 0)
            rounds = atoi(argv[first + 1]);
        else if (strcmp(argv[first], "--only") == 0)
            only = argv[first + 1];
        else if (strcmp(argv[first], "--direction") == 0)
            direction = find_direction(argv[first + 1]);
        else
            bench_require(0, "usage: peers [--direction forward|backward_data|backward_weights] "
                             "[--rounds N] [--only NAME,...] LAYERS...");
    bench_require(rounds >= 1 && rounds <= MAX_ROUNDS, "rounds must be 1 to 200");
    printf("%-30s", "GFLOP/s");
    for (int i = 0; i < PEERS; ++i)
        printf(" %11s", peers[i]->name);
    printf(" %8s %8s algorithm\n", "dnn/cl", "dnn/host");
    for (; first < argc; ++first)
        bench_file(argv[first], direction, rounds, only);
    printf("\n");
    print_geomeans("", all_layers);
    print_geomeans("_3x3", winograd_layers);
    for (int i = 0; i < RATIOS; ++i)
        if (all_layers[i].count)
            printf("least %s/%s %.2f\n", peers[ratios[i].slow]->name, peers[ratios[i].fast]->name,
                   least[i]);
    return 0;
}
