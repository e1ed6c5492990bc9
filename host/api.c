/* Public functions that check their arguments and forward. */
#include "reference.h"
#include "tune.h"

#include <string.h>

#define STRING(text)     #text
#define VERSION(a, b, c) STRING(a) "." STRING(b) "." STRING(c)

const char *clconv_version(void) {
    return VERSION(CLCONV_VERSION_MAJOR, CLCONV_VERSION_MINOR, CLCONV_VERSION_PATCH);
}

static clconv_status null_argument(const char *name) {
    return clconv__fail(CLCONV_INVALID_ARGUMENT, "%s is NULL", name);
}

static clconv_status unknown_algorithm(const char *name) {
    return clconv__fail(CLCONV_UNKNOWN_ALGORITHM, "algorithm \"%.64s\" is unknown", name);
}

/* ---- algorithms ---- */

size_t clconv_algorithm_count(void) {
    return clconv__algo_count;
}

const char *clconv_algorithm_name(size_t index) {
    return index < clconv__algo_count ? clconv__algos[index]->name : NULL;
}

int clconv_algorithm_is_for(const clconv_device *device, const char *algorithm) {
    const clconv__algo *algo = algorithm ? clconv__find_algo(algorithm) : NULL;
    return device && algo && clconv__algo_is_for(algo, device);
}

int clconv_algorithm_computes(const char *algorithm, clconv_direction direction) {
    const clconv__algo *algo = algorithm ? clconv__find_algo(algorithm) : NULL;
    return algo && clconv__algo_computes(algo, direction);
}

int clconv_algorithm_rounds(const char *algorithm) {
    const clconv__algo *algo = algorithm ? clconv__find_algo(algorithm) : NULL;
    return algo && algo->kinds & CLCONV__ROUNDS;
}

clconv_status clconv_algorithm_check(char refusal[CLCONV_REFUSAL_SIZE], double *seconds,
                                     clconv_device *device, const clconv_problem *problem,
                                     const char *algorithm) {
    char sentence[CLCONV_REFUSAL_SIZE] = "";
    const clconv__algo *algo = NULL;
    clconv__request request = {.problem = problem, .device = device, .allows_tf32 = 1};
    if (!device || !algorithm)
        return null_argument(device ? "algorithm" : "device");
    clconv_status status = clconv__geometry_of(&request.g, problem);
    if (status)
        return status;
    if (!(algo = clconv__find_algo(algorithm)))
        return unknown_algorithm(algorithm);
    int refused = clconv__algo_refuses(sentence, algo, &request);
    if (refusal)
        strcpy(refusal, sentence);
    if (refused)
        return clconv__fail(CLCONV_UNSUPPORTED, "algorithm %s: %s", algorithm, sentence);
    if (seconds)
        *seconds = clconv__algo_seconds(algo, &request);
    return CLCONV_OK;
}

int clconv_algorithm_is_exact(const char *algorithm) {
    const clconv__algo *algo = algorithm ? clconv__find_algo(algorithm) : NULL;
    return algo && !algo->bound;
}

clconv_status clconv_algorithm_bound(double *bound, const clconv_problem *problem,
                                     const clconv_host_tensors *tensors, const char *algorithm) {
    if (!bound || !tensors || !algorithm)
        return null_argument(!bound ? "bound" : !tensors ? "tensors" : "algorithm");
    const clconv__algo *algo = clconv__find_algo(algorithm);
    if (!algo)
        return unknown_algorithm(algorithm);
    if (!tensors->input || !tensors->weights)
        return null_argument(tensors->input ? "tensors.weights" : "tensors.input");
    clconv_status status = clconv_problem_validate(problem);
    if (status)
        return status;
    const int is_served = (int)(algo->directions >> problem->direction & 1);
    return algo->bound && is_served ? algo->bound(bound, problem, tensors) : CLCONV_OK;
}

/* ---- plans ---- */

clconv_status clconv_plan_create(clconv_plan **plan, clconv_device *device,
                                 const clconv_problem *problem,
                                 const clconv_plan_options *options) {
    if (!plan)
        return null_argument("plan");
    *plan = NULL;
    return device ? clconv__plan_create_tuned(plan, device, problem, options)
                  : null_argument("device");
}

const char *clconv_plan_algorithm(const clconv_plan *plan) {
    return plan ? plan->algo->name : NULL;
}

const char *clconv_plan_reason(const clconv_plan *plan) {
    return plan ? plan->reason : NULL;
}

size_t clconv_plan_workspace_size(const clconv_plan *plan) {
    return plan ? clconv__plan_workspace(plan) : 0;
}

clconv_status clconv_plan_explain(char *text, size_t size, const clconv_plan *plan) {
    if (!text || !plan)
        return null_argument(text ? "plan" : "text");
    return clconv__plan_explain(text, size, plan);
}

clconv_status clconv_plan_pack_weights(clconv_plan *plan, const void *weights) {
    if (!plan || !weights)
        return null_argument(plan ? "weights" : "plan");
    return clconv__plan_pack(plan, weights);
}

clconv_status clconv_plan_enqueue(clconv_plan *plan, cl_command_queue queue,
                                  const clconv_tensors *tensors, cl_uint wait_count,
                                  const cl_event *wait, cl_event *event) {
    if (!plan || !tensors)
        return null_argument(plan ? "tensors" : "plan");
    return clconv__plan_enqueue(plan, queue, tensors, wait_count, wait, event);
}

clconv_status clconv_plan_run(clconv_plan *plan, const clconv_host_tensors *tensors) {
    if (!plan || !tensors)
        return null_argument(plan ? "tensors" : "plan");
    return clconv__plan_run(plan, tensors);
}

/* ---- tuning ---- */

clconv_status clconv_tune(clconv_tuned *tuned, clconv_device *device, const clconv_problem *problem,
                          const clconv_tune_options *options) {
    return device ? clconv__tune(tuned, device, problem, options) : null_argument("device");
}

/* ---- reference ---- */

clconv_status clconv_reference(double *output, double *bound, const clconv_problem *problem,
                               const clconv_host_tensors *tensors) {
    if (!output || !tensors)
        return null_argument(output ? "tensors" : "output");
    return clconv__reference(output, bound, problem, tensors);
}
