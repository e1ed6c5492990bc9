#include "args.h"
#include "bench_plot.h"
#include "case_list.h"
#include "cli.h"
#include "outfile.h"
#include "peak.h"
#include "timing.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct options {
    args_strings cases;
    const char *device;
    const char *algo;
    const char *plot;
    uint64_t rounds;
    double seconds;
    bool compare_estimate;
    bool tf32;
    bool json;
} options;

static const args_option option_table[] = {
    ARGS_OPTION(options, cases, "cases", "FILE", "problems, one a line; may be repeated"),
    ARGS_OPTION(options, device, "device", "SELECTOR", CLI_DEVICE_HELP),
    ARGS_OPTION(options, algo, "algo", "NAME",
                "this algorithm, or 'all' that are made for the device\n"
                "(default: the one that a plan chooses)"),
    ARGS_OPTION(options, tf32, "tf32", NULL, CLI_TF32_HELP),
    ARGS_OPTION(options, rounds, "rounds", "N", "runs behind the first (default 15)"),
    ARGS_OPTION(options, seconds, "seconds", "S",
                "begin no more runs of an algorithm after so many (default 2)"),
    ARGS_OPTION(options, compare_estimate, "compare-estimate", NULL,
                "time all, and tell how much slower than the fastest the chosen one is"),
    ARGS_OPTION(options, plot, "plot", "FILE.svg",
                "draw time over work; problems n\"NAME:...\" make a curve"),
    ARGS_OPTION(options, json, "json", NULL, CLI_JSON_HELP),
};

static const args_spec spec = {
    .command = "bench",
    .positional = "PROBLEM...",
    .positional_min = 0,
    .positional_max = ARGS_ANY,
    .description =
        "Times algorithms on a device: creating the plan, the first run, the median of further\n"
        "runs with their spread (first to third quartile), and the time until enqueuing returns.\n"
        "Tensors lie in the device's memory and weights are packed before; a run lasts from\n"
        "enqueuing to the end. The peak is that of multiply-adds in registers, which algorithms\n"
        "that save operations exceed. What is wrong is not timed: each result is held against\n"
        "samples of the reference first ('clconv verify' does far more), exit code 1.\n",
    ARGS_TABLE(option_table),
};

/* One algorithm on one problem. */
typedef struct entry {
    clconv_problem problem;
    timing t;
    bool is_chosen; /* by the estimate, or where no algorithm is named by the plan */
} entry;

typedef struct session {
    const options *o;
    clconv_device *device;
    clconv_device_info info;
    case_list cases;
    entry *entries; /* owned */
    size_t count, capacity;
    double slower;   /* sum of the logarithms of chosen over fastest, */
    size_t compared; /* and how many */
    size_t wrong;    /* entries */
    device_peak peak;
} session;

/* ---- timing ---------------------------------------------------------------------------------- */

static entry *add_entry(session *s, const clconv_problem *problem) {
    if (s->count == s->capacity) {
        const size_t capacity = 2 * s->capacity + 32;
        entry *more = realloc(s->entries, capacity * sizeof *more);
        if (!more)
            return NULL;
        s->entries = more;
        s->capacity = capacity;
    }
    s->entries[s->count] = (entry){.problem = *problem};
    return &s->entries[s->count++];
}

/* One algorithm, or with NULL the one that a plan chooses. */
static int time_one(session *s, const case_data *data, const char *algorithm, const char *chosen) {
    const timing_limits limits = {
        .rounds = (size_t)s->o->rounds, .seconds = s->o->seconds, .allows_tf32 = s->o->tf32};
    entry *e = add_entry(s, &data->problem);
    clconv_status status;

    if (!e)
        return cli_fail(spec.command, "out of memory");
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[K%s %s", data->problem.name, algorithm ? algorithm : "");
    if ((status = time_algorithm(&e->t, s->device, data, algorithm, &limits)))
        return cli_fail_status(spec.command, status);
    e->is_chosen = !algorithm || !strcmp(algorithm, chosen);
    s->wrong += e->t.is_wrong;
    return CLI_OK;
}

/* How many times as long as the fastest the chosen algorithm took, of the entries from `first`. */
static double chosen_over_fastest(const session *s, size_t first) {
    double fastest = INFINITY, chosen = NAN;

    for (size_t i = first; i < s->count; i++) {
        if (s->entries[i].t.is_wrong)
            continue;
        fastest = fmin(fastest, s->entries[i].t.median);
        if (s->entries[i].is_chosen)
            chosen = s->entries[i].t.median;
    }
    return chosen / fastest;
}

/* Those that plans choose among, with their estimates. */
static bool is_candidate(const session *s, double *seconds, const clconv_problem *problem,
                         const char *name) {
    return clconv_algorithm_is_for(s->device, name) &&
           (s->o->tf32 || !clconv_algorithm_rounds(name)) &&
           !clconv_algorithm_check(NULL, seconds, s->device, problem, name);
}

static int time_all(session *s, const case_data *data, const char *chosen) {
    const size_t first = s->count;
    int code = CLI_OK;

    for (size_t i = 0; i < clconv_algorithm_count() && !code; i++) {
        const char *name = clconv_algorithm_name(i);
        if (is_candidate(s, NULL, &data->problem, name))
            code = time_one(s, data, name, chosen);
    }
    const double ratio = chosen_over_fastest(s, first);
    if (!code && !isnan(ratio)) {
        s->slower += log(ratio);
        s->compared++;
    }
    return code;
}

/* The one with the smallest estimate; asking builds nothing, so that creating plans is timed cold.
 */
static const char *find_chosen(const session *s, const clconv_problem *problem) {
    const char *chosen = NULL;
    double least = INFINITY;

    for (size_t i = 0; i < clconv_algorithm_count(); i++) {
        const char *name = clconv_algorithm_name(i);
        double seconds;
        if (is_candidate(s, &seconds, problem, name) && seconds < least) {
            least = seconds;
            chosen = name;
        }
    }
    return chosen;
}

static int time_problem(session *s, const clconv_problem *problem) {
    const bool is_integer = problem->type == CLCONV_S8 || problem->type == CLCONV_U8;
    const bool all = s->o->compare_estimate || (s->o->algo && !strcmp(s->o->algo, "all"));
    const char *chosen = find_chosen(s, problem);
    case_data data;
    clconv_status status;
    int code;

    if (!chosen)
        return cli_fail(spec.command, "no algorithm computes '%s'", problem->name);
    if ((status = case_data_make(&data, problem, is_integer ? DATA_EXACT : DATA_REAL, 1)))
        return cli_fail_status(spec.command, status);
    if (all)
        code = time_all(s, &data, chosen);
    else
        code = time_one(s, &data, s->o->algo, chosen);
    case_data_free(&data);
    return code;
}

/* ---- telling --------------------------------------------------------------------------------- */

static double gflops(const entry *e) {
    return clconv_problem_flops(&e->problem) / e->t.median * 1e-9;
}

static void print_right(const session *s, const entry *e) {
    char create[CLI_TEXT_SIZE], first[CLI_TEXT_SIZE], median[CLI_TEXT_SIZE];
    char enqueue[CLI_TEXT_SIZE], workspace[CLI_TEXT_SIZE], peak[CLI_TEXT_SIZE] = "-";

    cli_format_seconds(create, e->t.create);
    cli_format_seconds(first, e->t.first);
    cli_format_seconds(median, e->t.median);
    cli_format_seconds(enqueue, e->t.enqueue);
    cli_format_bytes(workspace, e->t.workspace);
    if (s->peak.gflops > 0)
        snprintf(peak, sizeof peak, "%.0f %%", 100 * gflops(e) / s->peak.gflops);
    printf("%10s %10s %10s %6.0f %% %7.1f %6s %10s  %10s", create, first, median, 100 * e->t.spread,
           gflops(e), peak, enqueue, workspace);
}

static void print_entry(const session *s, const entry *e) {
    char text[CLCONV_PROBLEM_TEXT_SIZE] = "";

    if (!e->problem.name[0])
        (void)clconv_problem_format(text, sizeof text, &e->problem);
    printf("%-17s ", e->t.algorithm);
    if (e->t.is_wrong)
        printf("WRONG: %s", e->t.reason);
    else
        print_right(s, e);
    printf("  %c %s\n", e->is_chosen ? '*' : ' ', e->problem.name[0] ? e->problem.name : text);
    fflush(stdout);
}

static int print_json(const session *s) {
    cJSON *object = cJSON_CreateObject();
    cJSON *entries = cJSON_AddArrayToObject(object, "entries");

    cJSON_AddStringToObject(object, "device", s->info.name);
    cJSON_AddStringToObject(object, "driver", s->info.driver);
    if (s->peak.gflops > 0)
        cJSON_AddNumberToObject(object, "peak_gflops", s->peak.gflops);
    for (size_t i = 0; i < s->count; i++) {
        const entry *e = &s->entries[i];
        cJSON *o = cJSON_CreateObject();
        char text[CLCONV_PROBLEM_TEXT_SIZE] = "";
        (void)clconv_problem_format(text, sizeof text, &e->problem);
        cJSON_AddStringToObject(o, "problem", text);
        cJSON_AddStringToObject(o, "algorithm", e->t.algorithm);
        cJSON_AddBoolToObject(o, "chosen", e->is_chosen);
        cJSON_AddNumberToObject(o, "create_seconds", e->t.create);
        cJSON_AddNumberToObject(o, "first_seconds", e->t.first);
        cJSON_AddNumberToObject(o, "workspace_bytes", (double)e->t.workspace);
        cJSON_AddItemToArray(entries, o);
        if (e->t.is_wrong) {
            cJSON_AddStringToObject(o, "wrong", e->t.reason);
            continue;
        }
        cJSON_AddNumberToObject(o, "seconds", e->t.median);
        cJSON_AddNumberToObject(o, "spread", e->t.spread);
        cJSON_AddNumberToObject(o, "enqueue_seconds", e->t.enqueue);
        cJSON_AddNumberToObject(o, "flops", clconv_problem_flops(&e->problem));
        cJSON_AddNumberToObject(o, "runs", (double)e->t.runs);
    }
    if (s->compared)
        cJSON_AddNumberToObject(object, "chosen_over_fastest",
                                exp(s->slower / (double)s->compared));
    return cli_print_json(spec.command, object);
}

static void free_points(bench_points *p) {
    free(p->names);
    free(p->flops);
    free(p->seconds);
}

/* The chosen ones that are right. */
static bool collect_points(bench_points *p, const session *s) {
    p->names = malloc((s->count + 1) * sizeof *p->names);
    p->flops = malloc((s->count + 1) * sizeof *p->flops);
    p->seconds = malloc((s->count + 1) * sizeof *p->seconds);
    if (!p->names || !p->flops || !p->seconds)
        return false;
    for (size_t i = 0; i < s->count; i++) {
        const entry *e = &s->entries[i];
        if (!e->is_chosen || e->t.is_wrong)
            continue;
        p->names[p->count] = e->problem.name;
        p->flops[p->count] = clconv_problem_flops(&e->problem);
        p->seconds[p->count++] = e->t.median;
    }
    return true;
}

static int write_plot(const session *s) {
    bench_points points = {.count = 0};
    outfile out = {.stream = NULL};
    char message[MESSAGE_SIZE] = "out of memory";
    bool ok = collect_points(&points, s);

    if (ok && !points.count) {
        snprintf(message, sizeof message, "there is nothing to draw in '%s'", s->o->plot);
        ok = false;
    }
    if (ok && (ok = outfile_open(&out, s->o->plot, message))) {
        bench_plot(out.stream, &points, s->peak.gflops);
        ok = outfile_commit(&out, message);
    }
    free_points(&points);
    return ok ? CLI_OK : cli_fail(spec.command, "%s", message);
}

static int run_cases(session *s) {
    size_t told = 0;
    int code = CLI_OK;

    if (!s->o->json) {
        printf("%s (%s)\n\n", s->info.name, s->info.driver);
        cli_print_note(&s->info);
        if (s->peak.gflops > 0)
            printf("peak %.1f GFLOP/s\n\n", s->peak.gflops);
        printf("%-17s %10s %10s %10s %8s %7s %6s %10s  %10s  %s\n", "ALGORITHM", "CREATE", "FIRST",
               "MEDIAN", "SPREAD", "GFLOP/S", "PEAK", "ENQUEUE", "WORKSPACE", "* CHOSEN; PROBLEM");
    }
    for (size_t i = 0; i < s->cases.count && !code; i++) {
        code = time_problem(s, &s->cases.problems[i]);
        if (isatty(STDERR_FILENO))
            fputs("\r\033[K", stderr);
        for (; !code && !s->o->json && told < s->count; told++)
            print_entry(s, &s->entries[told]);
    }
    if (!code && s->o->plot)
        code = write_plot(s);
    if (!code && s->o->json)
        code = print_json(s);
    else if (!code && s->compared)
        printf("\nthe chosen algorithms took %.2f times as long as the fastest, geometric mean of "
               "%zu\n",
               exp(s->slower / (double)s->compared), s->compared);
    return code || !s->wrong ? code : CLI_WRONG;
}

static int collect(session *s, int argc, char **argv) {
    char message[MESSAGE_SIZE];

    if (case_list_collect(&s->cases, argc, argv, &s->o->cases, message))
        return cli_fail(spec.command, "%s", message);
    return s->cases.count ? CLI_OK : cli_fail(spec.command, "there is no problem to time");
}

int cmd_bench(int argc, char **argv) {
    options o = {.rounds = 15, .seconds = 2};
    session s = {.o = &o};
    clconv_status status;
    int code = args_parse(&o, &spec, &argc, argv);

    if (code != ARGS_GO_ON)
        return code;
    if (o.rounds < 1 || o.rounds > 100000)
        return cli_fail(spec.command, "option '--rounds' takes 1 to 100000");
    if (!(o.seconds >= 0))
        return cli_fail(spec.command, "option '--seconds' takes a time of at least 0");
    if (o.compare_estimate && o.algo && strcmp(o.algo, "all") != 0)
        return cli_fail(spec.command, "--compare-estimate times all algorithms, not '%s'", o.algo);
    if (!(code = collect(&s, argc, argv))) {
        if ((status = clconv_device_open(&s.device, o.device)) ||
            (status = clconv_device_get_info(&s.info, s.device)))
            code = cli_fail_status(spec.command, status);
        else {
            peak_measure(&s.peak, s.device);
            code = run_cases(&s);
        }
    }
    clconv_device_destroy(s.device);
    case_list_free(&s.cases);
    free(s.entries);
    return code;
}
