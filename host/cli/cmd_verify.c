#define _POSIX_C_SOURCE 200809L
#include "args.h"
#include "case_list.h"
#include "cli.h"
#include "random.h"
#include "random_problem.h"
#include "verify.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct options {
    args_strings cases;
    const char *device;
    const char *algo;
    uint64_t random;
    uint64_t seed;
    bool brief;
    bool json;
} options;

static const args_option option_table[] = {
    ARGS_OPTION(options, cases, "cases", "FILE", "problems, one a line; may be repeated"),
    ARGS_OPTION(options, random, "random", "N", "N random problems"),
    ARGS_OPTION(options, seed, "seed", "S", "of random problems and of all data (default 1)"),
    ARGS_OPTION(options, device, "device", "SELECTOR",
                "gpu, cpu, accelerator, host, or PLATFORM:DEVICE (default: every device)"),
    ARGS_OPTION(options, algo, "algo", "NAME", "only this algorithm (default: every one)"),
    ARGS_OPTION(options, brief, "brief", NULL, "print failures and the summary only"),
    ARGS_OPTION(options, json, "json", NULL, CLI_JSON_HELP),
};

static const args_spec spec = {
    .command = "verify",
    .positional = "PROBLEM...",
    .positional_min = 0,
    .positional_max = ARGS_ANY,
    .description =
        "Runs every algorithm on every device and holds each output element against a reference\n"
        "in double precision with a proven error bound, and against the exact result on small\n"
        "integers. Tensors lie between NaN guards; nothing may be written outside the output.\n"
        "Without problems it runs the built-in suite: worked results, odd shapes, and the layers\n"
        "of ResNet-50, VGG-16, GoogLeNet and MobileNet.\n",
    ARGS_TABLE(option_table),
    .epilogue =
        "Verdicts: passed; wrong; failed (a call returned an error); mistrusted (the reference is\n"
        "nearly all zero); unsupported (the algorithm refuses, with its sentence). The share is\n"
        "the largest error divided by its bound.\n"
        "Exit codes: 0 all passed, 1 a wrong result or a failure, 2 bad usage or input, 3 no such\n"
        "device, 4 nothing was proved.\n",
};

enum { MOST_DEVICES = 65 };

/* What one algorithm on one device did over all cases. */
typedef struct tally {
    const verify_device *device;
    const char *algorithm;
    size_t verdicts[VERDICTS];
    double share;   /* largest of the passed */
    double seconds; /* of all that ran, */
    double flops;   /* and their operations */
} tally;

typedef struct session {
    const options *o;
    verify_device devices[MOST_DEVICES];
    size_t device_count;
    case_list cases;
    int is_default; /* the built-in suite */
    size_t done;
    tally *tallies; /* device by device, algorithm by algorithm */
    cJSON *results; /* NULL for text */
    int shows_progress;
} session;

/* ---- devices ---- */

static clconv_status add_device(session *s, const char *selector) {
    verify_device *d = &s->devices[s->device_count];
    clconv_status status = clconv_device_open(&d->device, selector);
    if (status)
        return status;
    if ((status = clconv_device_get_info(&d->info, d->device))) {
        clconv_device_destroy(d->device);
        return status;
    }
    ++s->device_count;
    return CLCONV_OK;
}

/* Devices that cannot be used are named and left out. */
static int open_devices(session *s) {
    clconv_device_info infos[MOST_DEVICES];
    size_t count = 0;
    clconv_status status;
    if (s->o->device) {
        status = add_device(s, s->o->device);
        return status ? cli_fail_status(spec.command, status) : CLI_OK;
    }
    if ((status = clconv_device_list(infos, MOST_DEVICES, &count)))
        return cli_fail_status(spec.command, status);
    for (size_t i = 0; i < count && i < MOST_DEVICES; ++i)
        if (add_device(s, infos[i].selector))
            cli_fail(spec.command, "left out device %s: %s", infos[i].selector,
                     clconv_last_message());
    return CLI_OK;
}

/* ---- cases ---- */

static clconv_status collect_random(session *s, char message[MESSAGE_SIZE]) {
    uint64_t state = s->o->seed;
    clconv_status status = CLCONV_OK;
    for (uint64_t i = 0; i < s->o->random && !status; ++i) {
        clconv_problem problem;
        random_problem(&problem, &state, 2e7);
        if ((status = case_list_add(&s->cases, &problem)))
            snprintf(message, MESSAGE_SIZE, "out of memory");
    }
    return status;
}

static int collect_cases(session *s, int argc, char **argv) {
    char message[MESSAGE_SIZE] = "";
    clconv_status status = CLCONV_OK;
    for (int i = 1; i < argc && !status; ++i)
        status = case_list_parse(&s->cases, argv[i], message);
    for (size_t i = 0; i < s->o->cases.count && !status; ++i)
        status = case_list_read(&s->cases, s->o->cases.values[i], message);
    if (!status)
        status = collect_random(s, message);
    s->is_default = argc == 1 && !s->o->cases.count && !s->o->random;
    if (!status && s->is_default)
        status = case_list_embedded(&s->cases, message);
    return status ? cli_fail(spec.command, "%s", message) : CLI_OK;
}

/* ---- telling ---- */

static const char *shown_name(const clconv_problem *p, char text[CLCONV_PROBLEM_TEXT_SIZE]) {
    if (p->name[0])
        return p->name;
    return clconv_problem_format(text, CLCONV_PROBLEM_TEXT_SIZE, p) ? "?" : text;
}

static void clear_progress(const session *s) {
    if (s->shows_progress)
        fputs("\r\033[K", stderr);
}

static void show_progress(const session *s, const clconv_problem *p) {
    char text[CLCONV_PROBLEM_TEXT_SIZE];
    if (s->shows_progress)
        fprintf(stderr, "\r\033[K[%zu/%zu] %.60s", s->done + 1, s->cases.count,
                shown_name(p, text));
}

static double gflops(double flops, double seconds) {
    return seconds > 0 ? flops / seconds * 1e-9 : 0;
}

/* One line that repeats the report. */
static void print_repeat(const session *s, const report *r) {
    char text[CLCONV_PROBLEM_TEXT_SIZE];
    if (!clconv_problem_format(text, sizeof text, r->problem))
        printf("            repeat: clconv verify --device %s --algo %s --seed %llu '%s'\n",
               r->device->info.selector, r->algorithm, (unsigned long long)s->o->seed, text);
}

static void print_report(const session *s, const report *r) {
    char text[CLCONV_PROBLEM_TEXT_SIZE], seconds[CLI_TEXT_SIZE];
    int is_bad = r->verdict != VERDICT_PASSED && r->verdict != VERDICT_UNSUPPORTED;
    if (s->o->brief && (!is_bad || r->verdict == VERDICT_MISTRUSTED))
        return;
    clear_progress(s);
    printf("%-11s %-5s %-14s %s", verdict_names[r->verdict], r->device->info.selector, r->algorithm,
           shown_name(r->problem, text));
    if (r->seconds > 0) {
        cli_format_seconds(seconds, r->seconds);
        printf("  share %.3g, %s, %.1f GFLOP/s", r->judged.share, seconds,
               gflops(clconv_problem_flops(r->problem), r->seconds));
    }
    printf("%s%s\n", *r->reason ? ": " : "", r->reason);
    if (is_bad)
        print_repeat(s, r);
    fflush(stdout);
}

/* JSON has no infinity; null stands for it. */
static cJSON *add_number(cJSON *object, const char *name, double value) {
    return isfinite(value) ? cJSON_AddNumberToObject(object, name, value)
                           : cJSON_AddNullToObject(object, name);
}

static void add_json_report(session *s, const report *r) {
    char text[CLCONV_PROBLEM_TEXT_SIZE];
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "problem",
                            clconv_problem_format(text, sizeof text, r->problem) ? "?" : text);
    cJSON_AddStringToObject(o, "device", r->device->info.selector);
    cJSON_AddStringToObject(o, "algorithm", r->algorithm);
    cJSON_AddStringToObject(o, "verdict", verdict_names[r->verdict]);
    cJSON_AddStringToObject(o, "reason", r->reason);
    if (r->seconds > 0) {
        cJSON *worst = cJSON_AddObjectToObject(o, "worst");
        cJSON_AddStringToObject(worst, "data", r->kind == DATA_EXACT ? "exact" : "real");
        add_number(worst, "share", r->judged.share);
        add_number(worst, "index", (double)r->judged.worst);
        add_number(worst, "value", r->judged.got);
        add_number(worst, "expected", r->judged.expected);
        add_number(worst, "bound", r->judged.bound);
        add_number(o, "wrong_elements", (double)r->judged.wrong);
        add_number(o, "seconds", r->seconds);
        add_number(o, "gflops", gflops(clconv_problem_flops(r->problem), r->seconds));
    }
    cJSON_AddItemToArray(s->results, o);
}

static void tell(void *context, const report *r) {
    session *s = context;
    tally *t = s->tallies;
    while (t->device != r->device || strcmp(t->algorithm, r->algorithm) != 0)
        ++t;
    ++t->verdicts[r->verdict];
    if (r->verdict == VERDICT_PASSED)
        t->share = fmax(t->share, r->judged.share);
    if (r->seconds > 0) {
        t->seconds += r->seconds;
        t->flops += clconv_problem_flops(r->problem);
    }
    if (s->results)
        add_json_report(s, r);
    else
        print_report(s, r);
}

/* ---- running ---- */

static int run_cases(session *s) {
    clconv_status status = CLCONV_OK;
    if (s->is_default)
        status = verify_worked(s->devices, s->device_count, s->o->algo, tell, s);
    for (s->done = 0; s->done < s->cases.count && !status; ++s->done) {
        const clconv_problem *p = &s->cases.problems[s->done];
        show_progress(s, p);
        status = verify_case(p, s->devices, s->device_count, s->o->algo, s->o->seed, tell, s);
    }
    clear_progress(s);
    if (status == CLCONV_OUT_OF_MEMORY)
        return cli_fail(spec.command, "out of memory while judging");
    return status ? cli_fail_status(spec.command, status) : CLI_OK;
}

/* ---- the end ---- */

static size_t tally_count(const session *s) {
    return s->device_count * clconv_algorithm_count();
}

static void sum_verdicts(size_t sums[VERDICTS], const session *s) {
    memset(sums, 0, VERDICTS * sizeof *sums);
    for (size_t i = 0; i < tally_count(s); ++i)
        for (int v = 0; v < VERDICTS; ++v)
            sums[v] += s->tallies[i].verdicts[v];
}

static void print_summary(const session *s) {
    enum { COLUMNS = 9, CELL = 32 };
    static const char *const heads[COLUMNS] = {"device",      "algorithm",   "passed",
                                               "wrong",       "failed",      "mistrusted",
                                               "unsupported", "worst share", "GFLOP/s"};
    size_t rows = 1;
    const char **cells = calloc((tally_count(s) + 1) * COLUMNS, sizeof *cells);
    char(*numbers)[COLUMNS][CELL] = calloc(tally_count(s) + 1, sizeof *numbers);
    if (!cells || !numbers)
        goto done;
    memcpy(cells, heads, sizeof heads);
    for (size_t i = 0; i < tally_count(s); ++i) {
        const tally *t = &s->tallies[i];
        size_t ran = 0;
        for (int v = 0; v < VERDICT_UNSUPPORTED; ++v)
            ran += t->verdicts[v];
        if (!ran)
            continue;
        char(*row)[CELL] = numbers[rows];
        snprintf(row[0], CELL, "%s", t->device->info.selector);
        snprintf(row[1], CELL, "%s", t->algorithm);
        for (int v = 0; v < VERDICTS; ++v)
            snprintf(row[2 + v], CELL, "%zu", t->verdicts[v]);
        snprintf(row[7], CELL, "%.3f", t->share);
        snprintf(row[8], CELL, "%.1f", gflops(t->flops, t->seconds));
        for (int c = 0; c < COLUMNS; ++c)
            cells[rows * COLUMNS + (size_t)c] = row[c];
        ++rows;
    }
    printf("\n");
    cli_print_table(cells, rows, "llrrrrrrr");
done:
    free(cells);
    free(numbers);
}

static void print_devices(const session *s) {
    for (size_t i = 0; i < s->device_count; ++i)
        printf("%-5s %s (%s)\n", s->devices[i].info.selector, s->devices[i].info.name,
               s->devices[i].info.driver);
    printf("\n");
}

static int exit_code(const size_t sums[VERDICTS]) {
    if (sums[VERDICT_WRONG] || sums[VERDICT_FAILED])
        return CLI_WRONG;
    return sums[VERDICT_PASSED] ? CLI_OK : CLI_NOTHING_PROVED;
}

static const char *final_verdict(int code) {
    return code == CLI_OK ? "passed" : code == CLI_WRONG ? "wrong" : "nothing was proved";
}

static int finish(session *s) {
    size_t sums[VERDICTS];
    sum_verdicts(sums, s);
    int code = exit_code(sums);
    if (s->results) {
        cJSON *all = cJSON_CreateObject();
        cJSON *devices = cJSON_AddArrayToObject(all, "devices");
        for (size_t i = 0; i < s->device_count; ++i) {
            cJSON *d = cJSON_CreateObject();
            cJSON_AddStringToObject(d, "selector", s->devices[i].info.selector);
            cJSON_AddStringToObject(d, "kind", cli_kind_name(s->devices[i].info.kind));
            cJSON_AddStringToObject(d, "name", s->devices[i].info.name);
            cJSON_AddStringToObject(d, "driver", s->devices[i].info.driver);
            cJSON_AddItemToArray(devices, d);
        }
        cJSON_AddStringToObject(all, "version", clconv_version());
        cJSON_AddNumberToObject(all, "seed", (double)s->o->seed);
        cJSON_AddStringToObject(all, "verdict", final_verdict(code));
        for (int v = 0; v < VERDICTS; ++v)
            cJSON_AddNumberToObject(all, verdict_names[v], (double)sums[v]);
        cJSON_AddItemToObject(all, "results", s->results);
        s->results = NULL;
        int printed = cli_print_json(spec.command, all);
        return printed ? printed : code;
    }
    print_summary(s);
    printf("\n%s: %zu passed, %zu wrong, %zu failed, %zu mistrusted, %zu unsupported\n",
           final_verdict(code), sums[VERDICT_PASSED], sums[VERDICT_WRONG], sums[VERDICT_FAILED],
           sums[VERDICT_MISTRUSTED], sums[VERDICT_UNSUPPORTED]);
    return code;
}

static int start_tallies(session *s) {
    size_t algorithms = clconv_algorithm_count();
    s->tallies = calloc(tally_count(s) + 1, sizeof *s->tallies);
    if (!s->tallies)
        return cli_fail(spec.command, "out of memory");
    for (size_t i = 0; i < tally_count(s); ++i) {
        s->tallies[i].device = &s->devices[i / algorithms];
        s->tallies[i].algorithm = clconv_algorithm_name(i % algorithms);
    }
    return CLI_OK;
}

static int check_algorithm(const char *name) {
    if (!name)
        return CLI_OK;
    for (size_t i = 0; i < clconv_algorithm_count(); ++i)
        if (strcmp(clconv_algorithm_name(i), name) == 0)
            return CLI_OK;
    return cli_fail(spec.command, "no algorithm is named '%s'", name);
}

int cmd_verify(int argc, char **argv) {
    options o = {.seed = 1};
    session s = {.o = &o, .shows_progress = isatty(STDERR_FILENO)};
    int code = args_parse(&o, &spec, &argc, argv);
    if (code != ARGS_GO_ON)
        return code;
    if ((code = check_algorithm(o.algo)) || (code = collect_cases(&s, argc, argv)) ||
        (code = open_devices(&s)) || (code = start_tallies(&s)))
        goto done;
    if (o.json)
        s.results = cJSON_CreateArray();
    else
        print_devices(&s);
    if (!(code = run_cases(&s)))
        code = finish(&s);
done:
    cJSON_Delete(s.results);
    free(s.tallies);
    case_list_free(&s.cases);
    for (size_t i = 0; i < s.device_count; ++i)
        clconv_device_destroy(s.devices[i].device);
    return code;
}
