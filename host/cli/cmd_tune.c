#define _POSIX_C_SOURCE 200809L /* clock_gettime() */

#include "args.h"
#include "case_list.h"
#include "cli.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef struct options {
    args_strings cases;
    const char *device;
    const char *budget;
    bool json;
} options;

static const args_option option_table[] = {
    ARGS_OPTION(options, cases, "cases", "FILE", "problems, one a line; may be repeated"),
    ARGS_OPTION(options, device, "device", "SELECTOR", CLI_DEVICE_HELP),
    ARGS_OPTION(options, budget, "budget", "TIME",
                "for all problems together, such as 90s, 5m or 1h\n"
                "(default 60s)"),
    ARGS_OPTION(options, json, "json", NULL, CLI_JSON_HELP),
};

static const args_spec spec = {
    .command = "tune",
    .positional = "PROBLEM...",
    .positional_min = 0,
    .positional_max = ARGS_ANY,
    .description =
        "Times the algorithms of each problem with all their tiles and keeps the fastest, so that\n"
        "every later plan for that problem on that device uses it. The result of each is held\n"
        "against the reference before it may win. What is far slower than the best is not timed\n"
        "to the end, and what is estimated to be is not even built.\n"
        "\n"
        "The choices lie in text files, one for each device, in $CLCONV_TUNING_DIR, or else\n"
        "$XDG_CONFIG_HOME/clconv/tuning, or else ~/.config/clconv/tuning. Exit code 1 means that\n"
        "a candidate computed a wrong result; it was not kept.\n",
    ARGS_TABLE(option_table),
};

typedef struct entry {
    clconv_problem problem;
    clconv_tuned tuned;
} entry;

typedef struct session {
    const options *o;
    clconv_device *device;
    clconv_device_info info;
    case_list cases;
    entry *entries; /* owned; as many as there are cases */
    size_t count;   /* of those that are tuned */
    double budget;  /* seconds */
    bool found_wrong;
} session;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* "90", "90s", "5m" or "1h" in seconds; NAN for anything else. */
static double parse_time(const char *text) {
    static const struct {
        const char *name;
        double seconds;
    } units[] = {{"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}};
    char *end;
    const double value = strtod(text, &end);

    if (end == text || !(value >= 0) || isinf(value))
        return NAN;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (!strcmp(end, units[i].name))
            return value * units[i].seconds;
    return NAN;
}

/* ---- progress -------------------------------------------------------------------------------- */

static void clear_progress(void) {
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
}

static void show_progress(const session *s, const clconv_tune_progress *p) {
    char best[CLI_TEXT_SIZE] = "";

    if (p->best_algorithm)
        cli_format_seconds(best, p->best_seconds);
    fprintf(stderr, "\r\033[K[%zu/%zu] %.32s %zu/%zu  best %s %s %s", s->count + 1, s->cases.count,
            p->problem->name, p->done, p->count, p->best_algorithm ? p->best_algorithm : "",
            p->best_tile ? p->best_tile : "", best);
    fflush(stderr);
}

/* What a user should hear about is printed anywhere, the rest on terminals. */
static void follow(void *context, const clconv_tune_progress *p) {
    session *s = context;

    if (p->state == CLCONV_CANDIDATE_WRONG || p->state == CLCONV_CANDIDATE_FAILED) {
        clear_progress();
        fprintf(stderr, "clconv tune: %s %s %s: %s\n", p->algorithm, p->tile,
                p->state == CLCONV_CANDIDATE_WRONG ? "is wrong" : "failed", p->message);
        s->found_wrong |= p->state == CLCONV_CANDIDATE_WRONG;
    }
    if (isatty(STDERR_FILENO))
        show_progress(s, p);
}

/* ---- telling --------------------------------------------------------------------------------- */

static void print_heading(const session *s) {
    printf("%s (%s)\n\n", s->info.name, s->info.driver);
    cli_print_note(&s->info);
    printf("%-17s %-12s %10s   %-17s %-12s %10s  %s\n", "FASTEST", "TILE", "MEDIAN",
           "SMALLEST ESTIMATE", "TILE", "MEDIAN", "PROBLEM");
}

static void print_entry(const entry *e) {
    const clconv_tuned *t = &e->tuned;
    char median[CLI_TEXT_SIZE], estimate[CLI_TEXT_SIZE] = "-", text[CLCONV_PROBLEM_TEXT_SIZE] = "";

    cli_format_seconds(median, t->seconds);
    if (t->estimate_seconds > 0)
        cli_format_seconds(estimate, t->estimate_seconds);
    if (!e->problem.name[0])
        (void)clconv_problem_format(text, sizeof text, &e->problem);
    printf("%-17s %-12s %10s   %-17s %-12s %10s  %s\n", t->algorithm, t->tile, median,
           t->estimate_algorithm, t->estimate_tile, estimate,
           e->problem.name[0] ? e->problem.name : text);
    fflush(stdout);
}

/* How many times as long the estimates' choices took, as a geometric mean of those that were
 * timed; NAN for none. */
static double estimate_over_tuned(const session *s, size_t *compared) {
    double sum = 0;
    size_t count = 0;

    for (size_t i = 0; i < s->count; i++) {
        const clconv_tuned *t = &s->entries[i].tuned;
        if (t->estimate_seconds > 0) {
            sum += log(t->estimate_seconds / t->seconds);
            count++;
        }
    }
    *compared = count;
    return count ? exp(sum / (double)count) : NAN;
}

static void print_sum(const session *s, const char *file) {
    const char *note = "";
    size_t compared;
    double ratio;

    for (size_t i = 0; i < s->count; i++)
        if (s->entries[i].tuned.note[0])
            note = s->entries[i].tuned.note;
    ratio = estimate_over_tuned(s, &compared);
    printf("\n");
    if (compared)
        printf("the choices of the estimates took %.2f times as long, geometric mean of %zu\n",
               ratio, compared);
    if (note[0])
        printf("not kept: %s\n", note);
    else
        printf("kept in %s\n", file);
}

static cJSON *entry_json(const entry *e) {
    const clconv_tuned *t = &e->tuned;
    cJSON *o = cJSON_CreateObject();
    char text[CLCONV_PROBLEM_TEXT_SIZE] = "";

    (void)clconv_problem_format(text, sizeof text, &e->problem);
    cJSON_AddStringToObject(o, "problem", text);
    cJSON_AddStringToObject(o, "algorithm", t->algorithm);
    cJSON_AddStringToObject(o, "tile", t->tile);
    cJSON_AddNumberToObject(o, "seconds", t->seconds);
    cJSON_AddStringToObject(o, "estimate_algorithm", t->estimate_algorithm);
    cJSON_AddStringToObject(o, "estimate_tile", t->estimate_tile);
    cJSON_AddNumberToObject(o, "estimate_seconds", t->estimate_seconds);
    cJSON_AddNumberToObject(o, "candidates", (double)t->candidates);
    cJSON_AddNumberToObject(o, "timed", (double)t->timed);
    cJSON_AddNumberToObject(o, "dropped", (double)t->dropped);
    cJSON_AddNumberToObject(o, "skipped", (double)t->skipped);
    cJSON_AddNumberToObject(o, "wrong", (double)t->wrong);
    cJSON_AddNumberToObject(o, "failed", (double)t->failed);
    cJSON_AddStringToObject(o, "note", t->note);
    return o;
}

static int print_json(const session *s, const char *file) {
    cJSON *object = cJSON_CreateObject();
    cJSON *entries = cJSON_AddArrayToObject(object, "entries");
    size_t compared;

    cJSON_AddStringToObject(object, "device", s->info.name);
    cJSON_AddStringToObject(object, "driver", s->info.driver);
    cJSON_AddStringToObject(object, "file", file);
    cJSON_AddNumberToObject(object, "problems", (double)s->cases.count);
    cJSON_AddNumberToObject(object, "estimate_over_tuned", estimate_over_tuned(s, &compared));
    cJSON_AddNumberToObject(object, "compared", (double)compared);
    for (size_t i = 0; i < s->count; i++)
        cJSON_AddItemToArray(entries, entry_json(&s->entries[i]));
    return cli_print_json(spec.command, object);
}

static int fail_about(const clconv_problem *problem, clconv_status status) {
    char text[CLCONV_PROBLEM_TEXT_SIZE] = "";

    (void)clconv_problem_format(text, sizeof text, problem); /* which leaves the message alone */
    return cli_fail_about(spec.command, text, status);
}

/* ---- tuning ---------------------------------------------------------------------------------- */

/* Each problem gets an equal share of what the ones before it have left. */
static int tune_all(session *s) {
    const double end = now() + s->budget;
    clconv_tune_options o = CLCONV_TUNE_OPTIONS_INIT;

    o.progress = follow;
    o.context = s;
    if (!s->o->json)
        print_heading(s);
    for (s->count = 0; s->count < s->cases.count; s->count++) {
        const double left = end - now();
        entry *e = &s->entries[s->count];
        if (s->count && left <= 0) /* the budget is for one at least */
            break;
        o.seconds = left > 0 ? left / (double)(s->cases.count - s->count) : 0;
        e->problem = s->cases.problems[s->count];
        clconv_status status = clconv_tune(&e->tuned, s->device, &e->problem, &o);
        clear_progress();
        if (status)
            return fail_about(&e->problem, status);
        if (!s->o->json)
            print_entry(e);
    }
    return CLI_OK;
}

static int tune_and_tell(session *s) {
    char file[4096];
    int code = tune_all(s);
    clconv_status status;

    if (code)
        return code;
    if ((status = clconv_tuning_file(file, sizeof file, s->device)))
        return cli_fail_status(spec.command, status);
    if (s->o->json)
        code = print_json(s, file);
    else
        print_sum(s, file);
    if (s->count < s->cases.count)
        fprintf(stderr, "clconv tune: the time was up before %zu of %zu problems\n",
                s->cases.count - s->count, s->cases.count);
    return code ? code : s->found_wrong ? CLI_WRONG : CLI_OK;
}

int cmd_tune(int argc, char **argv) {
    options o = {.budget = "60s"};
    session s = {.o = &o};
    char message[MESSAGE_SIZE];
    clconv_status status;
    int code = args_parse(&o, &spec, &argc, argv);

    if (code != ARGS_GO_ON)
        return code;
    s.budget = parse_time(o.budget);
    if (isnan(s.budget))
        return cli_fail(spec.command, "option '--budget' takes a time such as 90s or 5m, not '%s'",
                        o.budget);
    if (case_list_collect(&s.cases, argc, argv, &o.cases, message))
        code = cli_fail(spec.command, "%s", message);
    else if (!s.cases.count)
        code = cli_fail(spec.command, "there is no problem to tune");
    else if (!(s.entries = calloc(s.cases.count, sizeof *s.entries)))
        code = cli_fail(spec.command, "out of memory");
    else if ((status = clconv_device_open(&s.device, o.device)) ||
             (status = clconv_device_get_info(&s.info, s.device)))
        code = cli_fail_status(spec.command, status);
    else
        code = tune_and_tell(&s);
    clconv_device_destroy(s.device);
    case_list_free(&s.cases);
    free(s.entries);
    return code;
}
