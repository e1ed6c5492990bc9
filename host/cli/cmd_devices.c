#include "args.h"
#include "cli.h"

#include <stdbool.h>
#include <stdlib.h>

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
        "opened: it is usable when a tiny kernel builds on it and computes the right answer.\n"
        "The column F64 says whether double precision works, and in parentheses what the driver\n"
        "claims where that differs.\n",
    ARGS_TABLE(option_table),
};

/* A device and why it could not be opened. */
typedef struct entry {
    clconv_device_info info;
    char problem[2 * CLCONV_TEXT_SIZE];
} entry;

static void try_device(entry *e) {
    clconv_device *device = NULL;
    clconv_status status = clconv_device_open(&device, e->info.selector);

    if (!status)
        status = clconv_device_get_info(&e->info, device);
    if (status)
        snprintf(e->problem, sizeof e->problem, "%s", clconv_last_message());
    clconv_device_destroy(device);
}

static clconv_status list_devices(entry **entries, size_t *count) {
    clconv_device_info *infos = NULL;
    entry *list = NULL;
    clconv_status status = clconv_device_list(NULL, 0, count);

    if (status)
        return status;
    infos = calloc(*count + 1, sizeof *infos);
    list = calloc(*count + 1, sizeof *list);
    if (!infos || !list) {
        status = CLCONV_OUT_OF_MEMORY;
        goto done;
    }
    if ((status = clconv_device_list(infos, *count, count)))
        goto done;
    for (size_t i = 0; i < *count; i++) {
        list[i].info = infos[i];
        try_device(&list[i]);
    }
    *entries = list;
    list = NULL;
done:
    free(list);
    free(infos);
    return status;
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

static void print_why_host_alone(void) {
    clconv_device_info info;
    clconv_device *device = NULL;

    if (!clconv_device_open(&device, NULL) && !clconv_device_get_info(&info, device) &&
        info.note[0])
        printf("\n%s\n", info.note);
    clconv_device_destroy(device);
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
        print_why_host_alone();
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
    clconv_status status;
    int code = args_parse(&o, &spec, &argc, argv);

    if (code != ARGS_GO_ON)
        return code;
    if ((status = list_devices(&entries, &count)))
        return cli_fail(spec.command, "cannot list the devices: %s", clconv_status_text(status));
    code = o.json ? print_json(entries, count) : print_text(entries, count);
    free(entries);
    return code;
}
