#include "args.h"
#include "cli.h"
#include "worker.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

typedef struct options {
    bool json;
} options;

static const args_option option_table[] = {
    ARGS_OPTION(options, json, "json", NULL, CLI_JSON_HELP),
};

static const args_spec spec = {
    .command = "devices",
    .description =
        "Lists the OpenCL devices and, last, the host CPU, which needs no OpenCL. Each device is\n"
        "opened, in a process of its own, because drivers may die of that: it is usable when a "
        "tiny\n"
        "kernel builds on it and computes the right answer.\n"
        "The column F64 says whether double precision works, and in parentheses what the driver\n"
        "claims where that differs.\n",
    ARGS_TABLE(option_table),
};

/* A device and why it could not be opened. */
typedef struct entry {
    clconv_device_info info;
    char problem[MESSAGE_SIZE];
} entry;

enum { MOST_DEVICES = 64 };

/* Drivers may die of any question, and then take a process of their own with them. */
static const worker_options in_workers = {.timeout = 120};

static void try_device(entry *e) {
    worker *w = NULL;
    worker_device device;

    if (!worker_open(&w, &device, e->info.selector, &in_workers, e->problem))
        e->info = device.info;
    worker_close(w);
}

/* Where drivers do not let themselves be listed, the host alone is, with the reason. */
static entry *list_devices(size_t *count) {
    clconv_device_info infos[MOST_DEVICES];
    char message[MESSAGE_SIZE];
    entry *list = calloc(MOST_DEVICES, sizeof *list);

    if (!list)
        return NULL;
    if (!worker_list_devices(infos, MOST_DEVICES, count, &in_workers, message)) {
        *count = 1;
        memset(infos, 0, sizeof *infos);
        snprintf(infos->selector, sizeof infos->selector, "host");
        snprintf(infos->note, sizeof infos->note, "%.500s", message);
    }
    for (size_t i = 0; i < *count; i++) {
        list[i].info = infos[i];
        try_device(&list[i]);
        if (*infos[i].note)
            memcpy(list[i].info.note, infos[i].note, sizeof infos[i].note);
    }
    return list;
}

/* ---- text ------------------------------------------------------------------------------------ */

enum { COLUMNS = 8 };

typedef struct row {
    char memory[CLI_TEXT_SIZE];
    char units[16];
    const char *f64;
} row;

static const char *describe_f64(const clconv_device_info *info) {
    if (!info->usable)
        return "?";
    if (info->f64_probed)
        return info->f64_claimed ? "yes" : "yes (not claimed)";
    return info->f64_claimed ? "no (claimed)" : "no";
}

static void fill_cells(const char **cells, row *r, const clconv_device_info *info) {
    cli_format_bytes(r->memory, info->global_memory_size);
    snprintf(r->units, sizeof r->units, "%u", info->compute_units);
    r->f64 = describe_f64(info);
    cells[0] = info->selector;
    cells[1] = cli_kind_name(info->kind);
    cells[2] = info->name;
    cells[3] = info->driver;
    cells[4] = r->units;
    cells[5] = r->memory;
    cells[6] = info->usable ? "yes" : "no";
    cells[7] = r->f64;
}

static int print_text(const entry *entries, size_t count) {
    static const char *const heading[COLUMNS] = {"DEVICE", "KIND",   "NAME",   "DRIVER",
                                                 "UNITS",  "MEMORY", "USABLE", "F64"};
    const char **cells = calloc((count + 1) * COLUMNS, sizeof *cells);
    row *rows = calloc(count + 1, sizeof *rows);
    int code = CLI_OK;

    if (!cells || !rows) {
        code = cli_fail(spec.command, "out of memory");
        goto done;
    }
    for (int i = 0; i < COLUMNS; i++)
        cells[i] = heading[i];
    for (size_t i = 0; i < count; i++)
        fill_cells(cells + (i + 1) * COLUMNS, &rows[i], &entries[i].info);
    cli_print_table(cells, count + 1, "llllrrll");
    for (size_t i = 0; i < count; i++)
        if (entries[i].problem[0])
            printf("\n%s is not usable: %s\n", entries[i].info.selector, entries[i].problem);
    if (count == 1)
        printf("\nfell back to the host: %s\n",
               *entries->info.note ? entries->info.note : "no platform lists an OpenCL device");
done:
    free(rows);
    free(cells);
    return code;
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static cJSON *entry_json(const entry *e) {
    const clconv_device_info *info = &e->info;
    cJSON *object = cJSON_CreateObject();

    cJSON_AddStringToObject(object, "device", info->selector);
    cJSON_AddStringToObject(object, "kind", cli_kind_name(info->kind));
    cJSON_AddStringToObject(object, "name", info->name);
    cJSON_AddStringToObject(object, "vendor", info->vendor);
    cJSON_AddStringToObject(object, "platform", info->platform);
    cJSON_AddStringToObject(object, "version", info->version);
    cJSON_AddStringToObject(object, "driver", info->driver);
    cJSON_AddNumberToObject(object, "compute_units", info->compute_units);
    cJSON_AddNumberToObject(object, "max_work_group_size", (double)info->max_work_group_size);
    cJSON_AddItemToObject(object, "max_work_item_sizes",
                          cli_json_sizes(info->max_work_item_sizes, 3));
    cJSON_AddNumberToObject(object, "local_memory_size", (double)info->local_memory_size);
    cJSON_AddNumberToObject(object, "global_memory_size", (double)info->global_memory_size);
    cJSON_AddNumberToObject(object, "max_allocation_size", (double)info->max_allocation_size);
    cJSON_AddBoolToObject(object, "usable", info->usable);
    cJSON_AddBoolToObject(object, "f64_claimed", info->f64_claimed);
    cJSON_AddBoolToObject(object, "f64_probed", info->f64_probed);
    if (e->problem[0])
        cJSON_AddStringToObject(object, "problem", e->problem);
    return object;
}

static int print_json(const entry *entries, size_t count) {
    cJSON *array = cJSON_CreateArray();

    for (size_t i = 0; i < count; i++)
        cJSON_AddItemToArray(array, entry_json(&entries[i]));
    return cli_print_json(spec.command, array);
}

int cmd_devices(int argc, char **argv) {
    options o = {0};
    entry *entries = NULL;
    size_t count = 0;
    int code = args_parse(&o, &spec, &argc, argv);

    if (code != ARGS_GO_ON)
        return code;
    if (!(entries = list_devices(&count)))
        return cli_fail(spec.command, "out of memory");
    code = o.json ? print_json(entries, count) : print_text(entries, count);
    free(entries);
    return code;
}
