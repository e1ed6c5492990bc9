#include "cli.h"
#include "report_log.h"

#include <math.h>

/* JSON has no infinity and no NaN; null stands for them. */
static void add_number(cJSON *object, const char *name, double value) {
    if (isfinite(value))
        cJSON_AddNumberToObject(object, name, value);
    else
        cJSON_AddNullToObject(object, name);
}

static void add_claim(cJSON *object, const char *name, int claimed, int probed) {
    cJSON *o = cJSON_AddObjectToObject(object, name);
    cJSON_AddBoolToObject(o, "claimed", claimed);
    cJSON_AddBoolToObject(o, "probed", probed);
}

static cJSON *json_device(const clconv_device_info *info, const device_peak *peak) {
    cJSON *d = cJSON_CreateObject();
    cJSON_AddStringToObject(d, "selector", info->selector);
    cJSON_AddStringToObject(d, "kind", cli_kind_name(info->kind));
    cJSON_AddStringToObject(d, "name", info->name);
    cJSON_AddStringToObject(d, "vendor", info->vendor);
    cJSON_AddStringToObject(d, "platform", info->platform);
    cJSON_AddStringToObject(d, "version", info->version);
    cJSON_AddStringToObject(d, "driver", info->driver);
    cJSON_AddNumberToObject(d, "compute_units", info->compute_units);
    add_claim(d, "f64", info->f64_claimed, info->f64_probed);
    if (peak) {
        cJSON_AddNumberToObject(d, "peak_gflops", peak->gflops);
        cJSON_AddNumberToObject(d, "peak_gbytes_per_second", peak->gbytes);
    }
    return d;
}

static cJSON *json_entry(const log_entry *entry, uint64_t seed) {
    char text[CLCONV_PROBLEM_TEXT_SIZE], command[COMMAND_SIZE];
    cJSON *o = cJSON_CreateObject();
    for (size_t i = 0; i < report_column_count; ++i) {
        const report_column *c = &report_columns[i];
        if (c->text)
            cJSON_AddStringToObject(o, c->key, c->text(entry, text, sizeof text));
        else
            add_number(o, c->key, c->number(entry));
    }
    if (!is_bad(entry->r.verdict))
        return o;
    format_command(command, &entry->r, &entry->problem, seed);
    cJSON_AddStringToObject(o, "repeat", command);
    if (entry->smallest)
        cJSON_AddStringToObject(o, "smallest", entry->smallest);
    return o;
}

struct cJSON *report_json(const report_log *log, const char *final) {
    size_t sums[VERDICTS];
    cJSON *all = cJSON_CreateObject();
    cJSON_AddStringToObject(all, "schema", "clconv-verify-1");
    cJSON_AddStringToObject(all, "version", clconv_version());
    cJSON_AddNumberToObject(all, "seed", (double)log->seed);
    cJSON_AddStringToObject(all, "started", log->started);
    cJSON_AddNumberToObject(all, "seconds", log->seconds);
    cJSON_AddStringToObject(all, "verdict", final);
    cJSON *counts = cJSON_AddObjectToObject(all, "counts");
    report_log_count(sums, log);
    for (int v = 0; v < VERDICTS; ++v)
        cJSON_AddNumberToObject(counts, verdict_names[v], (double)sums[v]);
    cJSON *devices = cJSON_AddArrayToObject(all, "devices");
    for (size_t i = 0; i < log->device_count; ++i)
        cJSON_AddItemToArray(
            devices, json_device(&log->devices[i].facts.info, log->peaks ? &log->peaks[i] : NULL));
    cJSON *results = cJSON_AddArrayToObject(all, "results");
    for (size_t i = 0; i < log->count; ++i)
        cJSON_AddItemToArray(results, json_entry(log->entries[i], log->seed));
    return all;
}
