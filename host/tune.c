#include "tune.h"

#include "cache.h"
#include "kernel_source.h"
#include "trial.h"
#include "tuning.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MOST_CANDIDATES = 256,
    FEW_RUNS = 5,    /* of each candidate */
    MOST_ROUNDS = 15 /* of the finalists in turn */
};

/* A candidate is not built when its estimate is so many times the best time. Estimates of rows that
 * are worth it are nearer to the truth than that. */
static const double hopeless = 8;

/* One run that takes so many times the best one ends a candidate's trial. */
static const double far_slower = 3;

/* Finalists are no slower than this times the best. */
static const double near_best = 1.25;

/* The estimate's choice stays unless another is better by more than noise. */
static const double worth_it = 0.98;

/* Seconds for the few runs of one candidate, at most, and the share of what is left. */
static const double few_seconds = 0.25;

typedef struct candidate {
    clconv__choice choice;
    double estimate;
    clconv_candidate_state state;
    double seconds;    /* of its fastest run, then the median of the finals; 0 for none */
    clconv_plan *plan; /* kept for the finals */
    cl_mem workspace;
    double rounds[MOST_ROUNDS];
} candidate;

typedef struct tuner {
    clconv__trial trial;
    clconv__request request;
    const clconv_tune_options *options;
    double deadline;
    candidate *candidates; /* owned; in the order of their estimates */
    size_t count;
    const candidate *best; /* NULL while none was timed */
    clconv_status failure; /* of the last candidate that failed */
} tuner;

/* ---- candidates ---- */

/* Equal ones in the order of the table, as plans choose. */
static int compare_estimates(const void *a, const void *b) {
    const candidate *x = a, *y = b;
    if (x->estimate < y->estimate || x->estimate > y->estimate)
        return x->estimate < y->estimate ? -1 : 1;
    if (x->choice.algo != y->choice.algo)
        return x->choice.algo < y->choice.algo ? -1 : 1;
    return (x->choice.tile > y->choice.tile) - (x->choice.tile < y->choice.tile);
}

static void add_candidate(tuner *t, const clconv__algo *algo, const clconv__tile *tile) {
    char refusal[CLCONV_REFUSAL_SIZE];
    clconv__request request = t->request;
    request.tile = tile;
    if (t->count < MOST_CANDIDATES && !clconv__algo_refuses(refusal, algo, &request))
        t->candidates[t->count++] = (candidate){.choice = {algo, tile},
                                                .estimate = clconv__algo_seconds(algo, &request),
                                                .state = CLCONV_CANDIDATE_SKIPPED};
}

static clconv_status list_candidates(tuner *t) {
    if (!(t->candidates = calloc(MOST_CANDIDATES, sizeof *t->candidates)))
        return clconv__fail(CLCONV_OUT_OF_MEMORY, "tuning needs %zu bytes",
                            MOST_CANDIDATES * sizeof *t->candidates);
    for (size_t i = 0; i < clconv__algo_count; ++i) {
        const clconv__algo *algo = clconv__algos[i];
        if (!clconv__algo_is_for(algo, t->request.device))
            continue;
        if (!algo->tiles)
            add_candidate(t, algo, NULL);
        for (const clconv__tile *tile = algo->tiles; tile && tile->value[0]; ++tile)
            add_candidate(t, algo, tile);
    }
    if (!t->count)
        return clconv__fail(CLCONV_UNSUPPORTED, "no algorithm computes the problem");
    qsort(t->candidates, t->count, sizeof *t->candidates, compare_estimates);
    return CLCONV_OK;
}

static void release_plan(candidate *c) {
    if (c->workspace)
        clReleaseMemObject(c->workspace);
    clconv_plan_destroy(c->plan);
    c->workspace = NULL;
    c->plan = NULL;
}

/* ---- trying them ---- */

static double time_left(const tuner *t) {
    return t->deadline - clconv__now();
}

/* A few runs, of which the fastest counts; one that is far slower than the best is enough. */
static clconv_status run_few(tuner *t, candidate *c) {
    const double share = time_left(t) / 4, begin = clconv__now();
    const double limit = share < few_seconds ? share : few_seconds;
    clconv_status status = CLCONV_OK;
    c->state = CLCONV_CANDIDATE_TIMED;
    for (int i = 0; i < FEW_RUNS && !status; ++i) {
        double seconds;
        if (i && clconv__now() - begin > limit)
            break;
        if ((status = clconv__trial_time(&seconds, &t->trial, c->plan, c->workspace)))
            break;
        if (!i || seconds < c->seconds)
            c->seconds = seconds;
        if (t->best && seconds > far_slower * t->best->seconds) {
            c->state = CLCONV_CANDIDATE_DROPPED;
            break;
        }
    }
    return status;
}

static void try_candidate(tuner *t, candidate *c, char message[CLCONV_REFUSAL_SIZE]) {
    clconv_status status =
        clconv__plan_create(&c->plan, t->request.device, &t->trial.problem, NULL, &c->choice);
    if (!status)
        status = clconv__trial_check(message, &t->trial, c->plan);
    if (!status && *message)
        c->state = CLCONV_CANDIDATE_WRONG;
    else if (!status && !(status = clconv__trial_prepare(&c->workspace, &t->trial, c->plan)))
        status = run_few(t, c);
    if (status) {
        c->state = CLCONV_CANDIDATE_FAILED;
        c->seconds = 0;
        t->failure = status;
        snprintf(message, CLCONV_REFUSAL_SIZE, "%.255s", clconv_last_message());
    }
    if (c->state == CLCONV_CANDIDATE_TIMED && (!t->best || c->seconds < t->best->seconds))
        t->best = c;
    /* The first is the estimate's choice, with which the best is compared at the end. */
    const int is_finalist = c->state == CLCONV_CANDIDATE_TIMED &&
                            (c == t->candidates || c->seconds <= near_best * t->best->seconds);
    if (!is_finalist)
        release_plan(c);
}

static void tell(const tuner *t, const candidate *c, const char *message) {
    char tile[CLCONV_TILE_SIZE], best_tile[CLCONV_TILE_SIZE];
    if (!t->options->progress)
        return;
    clconv__format_tile(tile, c->choice.tile);
    clconv__format_tile(best_tile, t->best ? t->best->choice.tile : NULL);
    const clconv_tune_progress progress = {
        .problem = &t->trial.problem,
        .algorithm = c->choice.algo->name,
        .tile = tile,
        .state = c->state,
        .message = message,
        .seconds = c->seconds,
        .best_algorithm = t->best ? t->best->choice.algo->name : NULL,
        .best_tile = t->best ? best_tile : NULL,
        .best_seconds = t->best ? t->best->seconds : 0,
        .done = (size_t)(c - t->candidates) + 1,
        .count = t->count,
    };
    t->options->progress(t->options->context, &progress);
}

/* Where all estimates are far too long, they still tell which of them are hopeless. */
static int is_hopeless(const tuner *t, const candidate *c) {
    const double least = t->candidates[0].estimate;
    const double best = t->best && t->best->seconds > least ? t->best->seconds : least;
    return t->best && c->estimate > hopeless * best;
}

static void try_all(tuner *t) {
    for (size_t i = 0; i < t->count; ++i) {
        char message[CLCONV_REFUSAL_SIZE] = "";
        candidate *c = &t->candidates[i];
        if (!t->best || (time_left(t) > 0 && !is_hopeless(t, c)))
            try_candidate(t, c, message);
        tell(t, c, message);
    }
}

/* ---- the finals ---- */

static int compare_seconds(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Those that are near the best, and before them the first candidate, if it was timed. */
static size_t find_finalists(candidate *finalists[MOST_CANDIDATES], tuner *t) {
    size_t count = 0;
    for (size_t i = 0; i < t->count; ++i) {
        candidate *c = &t->candidates[i];
        if (c->plan && (!i || c->seconds <= near_best * t->best->seconds))
            finalists[count++] = c;
    }
    return count;
}

/* Runs them in turn, so that what else the machine does meets them all alike. */
static clconv_status run_finals(tuner *t) {
    candidate *finalists[MOST_CANDIDATES];
    const size_t count = find_finalists(finalists, t);
    size_t rounds = 0;
    for (; rounds < MOST_ROUNDS && time_left(t) > 0; ++rounds)
        for (size_t i = 0; i < count; ++i) {
            candidate *c = finalists[i];
            clconv_status status =
                clconv__trial_time(&c->rounds[rounds], &t->trial, c->plan, c->workspace);
            if (status)
                return status;
        }
    for (size_t i = 0; i < count && rounds > 1; ++i) {
        candidate *c = finalists[i];
        qsort(c->rounds, rounds, sizeof *c->rounds, compare_seconds);
        c->seconds = c->rounds[rounds / 2];
        if (!i || c->seconds < worth_it * t->best->seconds)
            t->best = c;
    }
    return CLCONV_OK;
}

/* ---- the record of checks ---- */

/* Under what a check is remembered: the lines that clconv_cache_list() shows, and all else that
 * decides about the result. Freed by the caller; NULL where memory ran out. */
static char *check_key(const clconv_device *device, const clconv_problem *problem,
                       const clconv__choice *choice) {
    static const char format[] = "%s\n%s, %s, %s, %s\nchecked result\n%s %s %s\n%016llx";
    char text[CLCONV_PROBLEM_TEXT_SIZE], tile[CLCONV_TILE_SIZE];
    const clconv_device_info *i = &device->info;
    const size_t size = sizeof format + 6 * CLCONV_TEXT_SIZE + sizeof text + sizeof tile;
    char *key = malloc(size);
    if (!key || clconv__unnamed_text(text, problem)) {
        free(key);
        return NULL;
    }
    clconv__format_tile(tile, choice->tile);
    snprintf(key, size, format, i->name, i->platform, i->vendor, i->version, i->driver, text,
             choice->algo->name, tile, (unsigned long long)clconv__kernels_hash());
    return key;
}

static void remember_check(const clconv_device *device, const clconv_problem *problem,
                           const clconv__choice *choice, const char *wrong) {
    char *key = check_key(device, problem, choice);
    if (key)
        clconv__cache_put(key, wrong, strlen(wrong));
    free(key);
}

/* Whether the result of a choice was compared on this machine, and what was wrong with it. */
static int recall_check(char wrong[CLCONV_REFUSAL_SIZE], const clconv_device *device,
                        const clconv_problem *problem, const clconv__choice *choice) {
    char *key = check_key(device, problem, choice);
    void *text = NULL;
    size_t size = 0;
    const int is_known = key && clconv__cache_get(&text, &size, key);
    if (is_known)
        snprintf(wrong, CLCONV_REFUSAL_SIZE, "%.*s", (int)(size < 255 ? size : 255),
                 (const char *)text);
    free(text);
    free(key);
    return is_known;
}

/* ---- tuning ---- */

static clconv_status check_options(const clconv_tune_options *options) {
    if (options->version != CLCONV_TUNE_OPTIONS_VERSION)
        return clconv__fail(CLCONV_INVALID_ARGUMENT,
                            "options.version is %u, but this library knows %d; start from "
                            "CLCONV_TUNE_OPTIONS_INIT",
                            (unsigned)options->version, CLCONV_TUNE_OPTIONS_VERSION);
    if (!(options->seconds >= 0))
        return clconv__fail(CLCONV_INVALID_ARGUMENT,
                            "options.seconds is %g, but must be at least 0", options->seconds);
    return CLCONV_OK;
}

static void report(clconv_tuned *tuned, const tuner *t) {
    size_t *const counts[] = {&tuned->timed, &tuned->dropped, &tuned->skipped, &tuned->wrong,
                              &tuned->failed};
    const candidate *first = &t->candidates[0];
    *tuned = (clconv_tuned){.algorithm = t->best->choice.algo->name,
                            .seconds = t->best->seconds,
                            .estimate_algorithm = first->choice.algo->name,
                            .estimate_seconds = first->seconds,
                            .candidates = t->count};
    clconv__format_tile(tuned->tile, t->best->choice.tile);
    clconv__format_tile(tuned->estimate_tile, first->choice.tile);
    for (size_t i = 0; i < t->count; ++i)
        ++*counts[t->candidates[i].state];
}

/* Says in the note why the choice could not be kept. */
static void keep(clconv_tuned *tuned, const tuner *t) {
    const char *folders[CLCONV__TUNING_FOLDERS];
    char own[CLCONV__PATH_SIZE];
    const clconv_device *device = t->request.device;
    const clconv__choice *choice = &t->best->choice;
    remember_check(device, &t->trial.problem, choice, "");
    if (clconv__tuning_folders(folders, own) == CLCONV__TUNING_FOLDERS)
        (void)clconv__tuning_keep(tuned->note, device, &t->trial.problem, choice, t->best->seconds,
                                  own);
    else
        snprintf(tuned->note, sizeof tuned->note, "there is no folder to keep it in");
}

static clconv_status find_best(tuner *t) {
    clconv_status status = list_candidates(t);
    if (status)
        return status;
    try_all(t);
    if (!t->best)
        return t->failure ? t->failure
                          : clconv__fail(CLCONV_UNSUPPORTED,
                                         "all %zu candidates compute wrong results", t->count);
    return run_finals(t);
}

/* As clconv__tune(), and tells the choice itself. */
static clconv_status tune(clconv_tuned *tuned, clconv__choice *choice, clconv_device *device,
                          const clconv_problem *problem, const clconv_tune_options *options) {
    static const clconv_tune_options defaults = CLCONV_TUNE_OPTIONS_INIT;
    tuner t = {.options = options ? options : &defaults};
    clconv_status status = check_options(t.options);
    t.deadline = clconv__now() + t.options->seconds;
    if (status || (status = clconv__trial_begin(&t.trial, device, problem)))
        return status;
    t.request = (clconv__request){.problem = &t.trial.problem, .device = device};
    if (!(status = clconv__geometry_of(&t.request.g, &t.trial.problem)) &&
        !(status = find_best(&t))) {
        report(tuned, &t);
        keep(tuned, &t);
        *choice = t.best->choice;
    }
    for (size_t i = 0; i < t.count; ++i)
        release_plan(&t.candidates[i]);
    free(t.candidates);
    clconv__trial_end(&t.trial);
    return status;
}

clconv_status clconv__tune(clconv_tuned *tuned, clconv_device *device,
                           const clconv_problem *problem, const clconv_tune_options *options) {
    clconv_tuned measured;
    clconv__choice choice;
    clconv_status status = tune(&measured, &choice, device, problem, options);
    if (!status && tuned)
        *tuned = measured;
    return status;
}

/* ---- plans ---- */

/* Runs a plan once on this machine, and remembers what came out. */
static clconv_status check_plan(char wrong[CLCONV_REFUSAL_SIZE], clconv_plan *plan,
                                const clconv__choice *choice) {
    clconv__trial trial;
    clconv_device *device = plan->request.device;
    if (recall_check(wrong, device, &plan->problem, choice))
        return CLCONV_OK;
    clconv_status status = clconv__trial_begin(&trial, device, &plan->problem);
    if (status)
        return status;
    if (!(status = clconv__trial_check(wrong, &trial, plan)))
        remember_check(device, &plan->problem, choice, wrong);
    clconv__trial_end(&trial);
    return status;
}

static clconv_status create_from(clconv_plan **plan, char note[CLCONV__NOTE_SIZE],
                                 clconv_device *device, const clconv_problem *problem,
                                 const clconv_plan_options *options, const clconv__entry *entry) {
    char wrong[CLCONV_REFUSAL_SIZE] = "", tile[CLCONV_TILE_SIZE];
    const char *name = entry->choice.algo->name;
    clconv_status status = clconv__plan_create(plan, device, problem, options, &entry->choice);
    clconv__format_tile(tile, entry->choice.tile);
    if (!status)
        status = check_plan(wrong, *plan, &entry->choice);
    if (status)
        snprintf(note, CLCONV__NOTE_SIZE,
                 "%.300s: its entry, %s with tile %s, cannot be used: %.400s", entry->path, name,
                 tile, clconv_last_message());
    else if (*wrong)
        snprintf(note, CLCONV__NOTE_SIZE,
                 "%.300s: its entry, %s with tile %s, gives a wrong result: %s", entry->path, name,
                 tile, wrong);
    else
        clconv__plan_set_reason(*plan, "tuned: tile %s, %.4g ms measured, from %.300s", tile,
                                entry->seconds * 1e3, entry->path);
    if (!status && *wrong)
        status = CLCONV_UNSUPPORTED;
    if (status) {
        clconv_plan_destroy(*plan);
        *plan = NULL;
    }
    return status;
}

static clconv_status tune_and_create(clconv_plan **plan, char note[CLCONV__NOTE_SIZE],
                                     clconv_device *device, const clconv_problem *problem,
                                     const clconv_plan_options *options) {
    clconv_tune_options how = CLCONV_TUNE_OPTIONS_INIT;
    clconv_tuned tuned;
    clconv__choice choice;
    how.seconds = options->tuning_seconds;
    clconv_status status = tune(&tuned, &choice, device, problem, &how);
    if (status || (status = clconv__plan_create(plan, device, problem, options, &choice)))
        snprintf(note, CLCONV__NOTE_SIZE, "tuning failed: %.400s", clconv_last_message());
    else
        clconv__plan_set_reason(*plan, "tuned: tile %s, %.4g ms measured now%s%s", tuned.tile,
                                tuned.seconds * 1e3, *tuned.note ? ", but not kept: " : "",
                                tuned.note);
    return status;
}

clconv_status clconv__plan_create_tuned(clconv_plan **plan, clconv_device *device,
                                        const clconv_problem *problem,
                                        const clconv_plan_options *options) {
    static const clconv_plan_options defaults = CLCONV_PLAN_OPTIONS_INIT;
    const clconv_plan_options *o = options ? options : &defaults;
    const char *folders[CLCONV__TUNING_FOLDERS];
    char own[CLCONV__PATH_SIZE], note[CLCONV__NOTE_SIZE] = "";
    clconv__entry entry;
    clconv_status status = clconv__check_plan_options(o);
    if (status || (status = clconv_problem_validate(problem)))
        return status;
    if (o->algorithm || o->allow_tf32 || o->tuning == CLCONV_TUNING_IGNORED)
        return clconv__plan_create(plan, device, problem, o, NULL);
    const size_t count = clconv__tuning_folders(folders, own);
    status = CLCONV_UNSUPPORTED;
    if (clconv__tuning_find(&entry, note, device, problem, folders, count))
        status = create_from(plan, note, device, problem, o, &entry);
    if (status && o->tuning == CLCONV_TUNING_MADE)
        status = tune_and_create(plan, note, device, problem, o);
    if (!status || (status = clconv__plan_create(plan, device, problem, o, NULL)))
        return status;
    if (*note)
        clconv__plan_set_reason(*plan, "smallest estimate; %s", note);
    return CLCONV_OK;
}
