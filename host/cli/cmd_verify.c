#include "args.h"
#include "case_list.h"
#include "cli.h"
#include "random.h"
#include "random_problem.h"
#include "report_text.h"
#include "self_test.h"
#include "shrink.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef struct options {
    args_strings cases;
    const char *device;
    const char *algo;
    const char *junit;
    const char *html;
    uint64_t random;
    uint64_t seed;
    uint64_t repeat;
    double timeout;
    double memory;
    double work;
    bool full;
    bool sampled;
    bool identities;
    bool compare_devices;
    bool no_shrink;
    bool in_process;
    bool self_test;
    bool brief;
    bool json;
} options;

static const args_option option_table[] = {
    ARGS_OPTION(options, cases, "cases", "FILE", "problems, one a line; may be repeated"),
    ARGS_OPTION(options, random, "random", "N", "N random problems, none by default"),
    ARGS_OPTION(options, seed, "seed", "S", "of random problems and of all data (default 1)"),
    ARGS_OPTION(options, device, "device", "SELECTOR",
                "gpu, cpu, accelerator, host, or PLATFORM:DEVICE (default: every device)"),
    ARGS_OPTION(options, algo, "algo", "NAME", "only this algorithm (default: every one)"),
    ARGS_OPTION(options, repeat, "repeat", "N", "N runs, which must give equal bits (default 1)"),
    ARGS_OPTION(options, compare_devices, "compare-devices", NULL,
                "count bits that differ between devices and algorithms"),
    ARGS_OPTION(options, identities, "identities", NULL,
                "try linearity, shift, group split and flip on large problems, too"),
    ARGS_OPTION(options, full, "full", NULL,
                "compute the whole reference of problems beyond 30 GFLOP,\n"
                "which are judged by samples and checksums otherwise"),
    ARGS_OPTION(options, sampled, "sampled", NULL, "judge all problems by samples and checksums"),
    ARGS_OPTION(options, memory, "memory", "GIB",
                "leave out what needs more (default: half of the machine's)"),
    ARGS_OPTION(options, work, "work", "GFLOP",
                "leave out what takes more operations (default: nothing)"),
    ARGS_OPTION(options, timeout, "timeout", "SECONDS",
                "for one answer of a driver, and 1 more for each GFLOP (default 120)"),
    ARGS_OPTION(options, no_shrink, "no-shrink", NULL, "do not look for smaller failing cases"),
    ARGS_OPTION(options, in_process, "in-process", NULL,
                "call drivers without a process of their own and without a watchdog"),
    ARGS_OPTION(options, self_test, "self-test", NULL,
                "corrupt correct results; every corruption must be caught"),
    ARGS_OPTION(options, brief, "brief", NULL, "print failures and the summary only"),
    ARGS_OPTION(options, json, "json", NULL, CLI_JSON_HELP),
    ARGS_OPTION(options, junit, "junit", "FILE", "write a JUnit report"),
    ARGS_OPTION(options, html, "html", "FILE", "write a report to look at, one page"),
};

static const args_spec spec = {
    .command = "verify",
    .positional = "PROBLEM...",
    .positional_min = 0,
    .positional_max = ARGS_ANY,
    .description =
        "Runs every algorithm on every device and holds each output element against a reference\n"
        "in double precision with a proven error bound, and against the exact result on small\n"
        "integers. Tensors lie between NaN guards; nothing may be written outside the output, and\n"
        "nothing may depend on what lay in memory before. Each device runs in a process of its\n"
        "own, so that a driver may crash or hang.\n"
        "Without problems it runs the built-in suite: worked results, odd shapes, and the layers\n"
        "of ResNet-50, VGG-16, GoogLeNet and MobileNet.\n",
    ARGS_TABLE(option_table),
    .epilogue =
        "Verdicts: passed; wrong; suspicious (inside the bound, but further off than rounding "
        "gets\n"
        "by chance); failed (a call returned an error); crashed (the driver died or hung);\n"
        "mistrusted (the reference is nearly all zero, or no bound is finite); unsupported (the\n"
        "algorithm refuses, with its sentence). The share is the largest error divided by its "
        "bound.\n"
        "Exit codes: 0 something passed and nothing is bad; 1 wrong, suspicious, failed or "
        "crashed,\n"
        "or a device that is there could not be used; 2 bad usage or input; 3 no such device;\n"
        "4 nothing was proved.\n",
};

enum { MOST_DEVICES = 64 };

#define NO_RANDOM UINT64_MAX /* the option was not given */

static const double shrink_seconds = 60;

typedef struct session {
    const options *o;
    verify_options v;
    worker_options w;
    verify_device devices[MOST_DEVICES];
    device_peak peaks[MOST_DEVICES];
    size_t device_count;
    size_t unusable; /* devices that are there, but could not be opened */
    case_list cases;
    int is_default; /* the built-in suite */
    size_t done;
    tally *tallies; /* device by device, algorithm by algorithm */
    report_log log;
    char started[32];
    double begin;
    int logs_all; /* a report needs the passed cases, too */
    int shows_progress;
} session;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- devices ---- */

static clconv_status add_device(session *s, const char *selector, char message[MESSAGE_SIZE]) {
    verify_device *d = &s->devices[s->device_count];
    clconv_status status = worker_open(&d->worker, &d->facts, selector, &s->w, message);
    s->device_count += !status;
    return status;
}

/* Devices that cannot be used are named and left out; the end will not be good then. */
static int open_devices(session *s) {
    clconv_device_info infos[MOST_DEVICES];
    char message[MESSAGE_SIZE];
    size_t count = 0;
    if (s->o->device) {
        clconv_status status = add_device(s, s->o->device, message);
        if (!status)
            return CLI_OK;
        cli_fail(spec.command, "%s", message);
        return status == CLCONV_NO_DEVICE ? CLI_NO_DEVICE : CLI_BAD_INPUT;
    }
    if (!worker_list_devices(infos, MOST_DEVICES, &count, &s->w, message)) {
        cli_fail(spec.command, "only the host is left: %s", message);
        snprintf(infos[0].selector, sizeof infos[0].selector, "host");
        count = 1;
    }
    for (size_t i = 0; i < count; ++i)
        if (add_device(s, infos[i].selector, message)) {
            cli_fail(spec.command, "left out device %s: %s", infos[i].selector, message);
            ++s->unusable;
        }
    return CLI_OK;
}

/* ---- cases ---- */

static uint64_t random_count(const session *s) {
    return s->o->random == NO_RANDOM ? 0 : s->o->random;
}

static clconv_status collect_random(session *s, char message[MESSAGE_SIZE]) {
    uint64_t state = s->o->seed;
    clconv_problem meanings[MOST_MEANINGS];
    const size_t count = random_meanings(meanings, (size_t)random_count(s), &state);
    clconv_status status = CLCONV_OK;
    for (uint64_t i = 0; i < random_count(s) && !status; ++i) {
        clconv_problem problem = meanings[i % count];
        random_geometry(&problem, &state, 2e7);
        if ((status = case_list_add(&s->cases, &problem)))
            snprintf(message, MESSAGE_SIZE, "out of memory");
    }
    return status;
}

static int collect_cases(session *s, int argc, char **argv) {
    char message[MESSAGE_SIZE] = "";
    clconv_status status = case_list_collect(&s->cases, argc, argv, &s->o->cases, message);
    if (!status)
        status = collect_random(s, message);
    s->is_default = argc == 1 && !s->o->cases.count && !random_count(s);
    if (!status && s->is_default)
        status = case_list_embedded(&s->cases, message);
    return status ? cli_fail(spec.command, "%s", message) : CLI_OK;
}

/* ---- telling ---- */

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

static tally *tally_of(const session *s, const report *r) {
    tally *t = s->tallies;
    while (t->device != r->device || strcmp(t->algorithm, r->algorithm) != 0)
        ++t;
    return t;
}

static void tell(void *context, const report *r) {
    session *s = context;
    tally *t = tally_of(s, r);
    tally_add(t, r);
    if ((s->logs_all || is_bad(r->verdict)) && !report_log_add(&s->log, r))
        cli_fail(spec.command, "out of memory: a result is missing in the reports");
    if (s->o->json || (s->o->brief && !is_bad(r->verdict)))
        return;
    clear_progress(s);
    print_report(r, s->o->seed);
}

/* ---- running ---- */

static int run_cases(session *s) {
    clconv_status status = CLCONV_OK;
    if (s->is_default)
        status = verify_worked(s->devices, s->device_count, &s->v, tell, s);
    for (s->done = 0; s->done < s->cases.count && !status; ++s->done) {
        const clconv_problem *p = &s->cases.problems[s->done];
        show_progress(s, p);
        status = verify_case(p, s->devices, s->device_count, &s->v, tell, s);
    }
    clear_progress(s);
    if (status == CLCONV_OUT_OF_MEMORY)
        return cli_fail(spec.command, "out of memory while judging");
    return status ? cli_fail_status(spec.command, status) : CLI_OK;
}

/* Whether an earlier entry is of the same device and algorithm, which was shrunk then. */
static int was_shrunk(const report_log *log, size_t index) {
    const report *r = &log->entries[index]->r;
    for (size_t i = 0; i < index; ++i)
        if (log->entries[i]->smallest && log->entries[i]->r.device == r->device &&
            strcmp(log->entries[i]->r.algorithm, r->algorithm) == 0)
            return 1;
    return 0;
}

static void shrink_failures(session *s) {
    for (size_t i = 0; i < s->log.count && !s->o->no_shrink; ++i) {
        log_entry *entry = s->log.entries[i];
        clconv_problem smallest;
        if (!is_bad(entry->r.verdict) || was_shrunk(&s->log, i) ||
            !(entry->smallest = malloc(COMMAND_SIZE)))
            continue;
        shrink_report(&smallest, &entry->r, &s->v, shrink_seconds);
        format_command(entry->smallest, &entry->r, &smallest, s->o->seed);
        if (!s->o->json)
            printf("\nsmallest case that is %s with %s on %s:\n%s\n",
                   verdict_names[entry->r.verdict], entry->r.algorithm,
                   entry->r.device->facts.info.selector, entry->smallest);
    }
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

static int exit_code(const session *s, const size_t sums[VERDICTS]) {
    if (s->unusable)
        return CLI_WRONG;
    for (int v = 0; v < VERDICTS; ++v)
        if (sums[v] && is_bad((verdict)v))
            return CLI_WRONG;
    return sums[VERDICT_PASSED] ? CLI_OK : CLI_NOTHING_PROVED;
}

/* The worst verdict that there was, or what its absence means. */
static const char *final_verdict(const size_t sums[VERDICTS]) {
    for (int v = VERDICT_WRONG; v <= VERDICT_CRASHED; ++v)
        if (sums[v])
            return verdict_names[v];
    return sums[VERDICT_PASSED] ? verdict_names[VERDICT_PASSED] : "nothing was proved";
}

static void print_end(const session *s, const size_t sums[VERDICTS]) {
    print_tallies(s->tallies, tally_count(s));
    if (s->o->compare_devices)
        print_differences(s->tallies, tally_count(s));
    if (s->o->brief && exit_code(s, sums) == CLI_NOTHING_PROVED) {
        printf("\n");
        print_refusals(s->tallies, tally_count(s));
    }
    printf("\n%s:", final_verdict(sums));
    for (int v = 0; v < VERDICTS; ++v)
        printf("%s %zu %s", v ? "," : "", sums[v], verdict_names[v]);
    printf("\n");
    if (s->unusable)
        printf("failed: %zu of the devices could not be used\n", s->unusable);
}

static int write_files(session *s) {
    char message[MESSAGE_SIZE];
    if ((s->o->junit && !report_junit(&s->log, s->o->junit, message)) ||
        (s->o->html && !report_html(&s->log, s->o->html, message)))
        return cli_fail(spec.command, "%s", message);
    return CLI_OK;
}

static int finish(session *s) {
    size_t sums[VERDICTS];
    int code = CLI_OK;
    sum_verdicts(sums, s);
    s->log.seconds = now() - s->begin;
    shrink_failures(s);
    if (s->o->json)
        code = cli_print_json(spec.command, report_json(&s->log, final_verdict(sums)));
    else
        print_end(s, sums);
    if (code || (code = write_files(s)))
        return code;
    return exit_code(s, sums);
}

/* ---- the beginning ---- */

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

/* Compute and memory are measured in workers, as everything is. */
static void start_log(session *s) {
    time_t seconds = time(NULL);
    struct tm utc;
    s->begin = now();
    if (gmtime_r(&seconds, &utc))
        strftime(s->started, sizeof s->started, "%Y-%m-%dT%H:%M:%SZ", &utc);
    for (size_t i = 0; i < s->device_count && s->o->html; ++i)
        worker_measure_peak(&s->peaks[i], s->devices[i].worker);
    s->log = (report_log){.devices = s->devices,
                          .peaks = s->o->html ? s->peaks : NULL,
                          .device_count = s->device_count,
                          .seed = s->o->seed,
                          .started = s->started};
    s->logs_all = s->o->json || s->o->junit || s->o->html;
}

static int check_algorithm(const char *name) {
    if (!name)
        return CLI_OK;
    for (size_t i = 0; i < clconv_algorithm_count(); ++i)
        if (strcmp(clconv_algorithm_name(i), name) == 0)
            return CLI_OK;
    return cli_fail(spec.command, "no algorithm is named '%s'; 'clconv explain PROBLEM' lists them",
                    name);
}

static double half_of_memory(void) {
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    return pages > 0 && size > 0 ? 0.5 * (double)pages * (double)size : HUGE_VAL;
}

static int check_options(session *s) {
    const options *o = s->o;
    if (o->repeat < 1 || o->repeat > 1000)
        return cli_fail(spec.command, "option '--repeat' takes 1 to 1000");
    if (o->random == 0)
        return cli_fail(spec.command, "option '--random' takes a number above 0");
    if (o->full && o->sampled)
        return cli_fail(spec.command, "options '--full' and '--sampled' exclude each other");
    if (!(o->timeout > 0))
        return cli_fail(spec.command, "option '--timeout' takes a time above 0");
    if (!(o->memory > 0 && o->work > 0))
        return cli_fail(spec.command, "option '--%s' takes a number above 0",
                        o->memory > 0 ? "work" : "memory");
    s->v = (verify_options){.algorithm = o->algo,
                            .seed = o->seed,
                            .repeat = (int)o->repeat,
                            .full = o->full,
                            .sampled = o->sampled,
                            .identities = o->identities,
                            .compare = o->compare_devices,
                            .memory_limit = o->memory * 0x1p30,
                            .work_limit = o->work * 1e9};
    s->w = (worker_options){.in_process = o->in_process, .timeout = o->timeout};
    return check_algorithm(o->algo);
}

int cmd_verify(int argc, char **argv) {
    options o = {.random = NO_RANDOM,
                 .seed = 1,
                 .repeat = 1,
                 .timeout = 120,
                 .memory = half_of_memory() / 0x1p30,
                 .work = INFINITY};
    session *s = calloc(1, sizeof *s);
    int code = s ? args_parse(&o, &spec, &argc, argv) : cli_fail(spec.command, "out of memory");
    if (code != ARGS_GO_ON)
        goto done;
    s->o = &o;
    s->shows_progress = isatty(STDERR_FILENO);
    if (o.self_test) {
        code = self_test(o.brief) ? CLI_WRONG : CLI_OK;
        goto done;
    }
    if ((code = check_options(s)) || (code = collect_cases(s, argc, argv)) ||
        (code = open_devices(s)) || (code = start_tallies(s)))
        goto done;
    start_log(s);
    if (!o.json)
        print_devices(s->devices, s->device_count, !o.device);
    if (!(code = run_cases(s)))
        code = finish(s);
done:
    if (s) {
        report_log_free(&s->log);
        free(s->tallies);
        case_list_free(&s->cases);
        for (size_t i = 0; i < s->device_count; ++i)
            worker_close(s->devices[i].worker);
    }
    free(s);
    return code;
}
