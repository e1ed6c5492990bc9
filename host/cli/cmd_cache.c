#define _POSIX_C_SOURCE 200809L /* localtime_r() */

#include "args.h"
#include "cli.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct options {
    bool json;
} options;

static const args_option option_table[] = {
    ARGS_OPTION(options, json, "json", NULL, CLI_JSON_HELP),
};

static const args_spec spec = {
    .command = "cache",
    .positional = "show|verify|clear",
    .positional_min = 0,
    .positional_max = 1,
    .description =
        "Kernels that were compiled once are kept on disk: in $CLCONV_CACHE_DIR, or else\n"
        "$XDG_CACHE_HOME/clconv, or else ~/.cache/clconv, up to $CLCONV_CACHE_SIZE MiB (256).\n"
        "An empty CLCONV_CACHE_DIR switches that off.\n"
        "\n"
        "  show    lists them, the one used longest ago first (default)\n"
        "  verify  lists those that are damaged or not to be trusted; exit code 1 if there are\n"
        "          any. They are never used, but compiled anew\n"
        "  clear   removes all\n",
    ARGS_TABLE(option_table),
};

typedef struct listing {
    char folder[4096];
    clconv_cache_entry *entries; /* owned */
    size_t count;
} listing;

static clconv_status read_cache(listing *l) {
    size_t capacity;
    clconv_status status = clconv_cache_folder(l->folder, sizeof l->folder);

    if (status || (status = clconv_cache_list(NULL, 0, &capacity)))
        return status;
    if (!(l->entries = calloc(capacity + 1, sizeof *l->entries)))
        return CLCONV_OUT_OF_MEMORY;
    status = clconv_cache_list(l->entries, capacity, &l->count);
    if (l->count > capacity) /* another process has just made one more */
        l->count = capacity;
    return status;
}

static void keep_damaged(listing *l) {
    size_t kept = 0;

    for (size_t i = 0; i < l->count; i++)
        if (!l->entries[i].is_valid)
            l->entries[kept++] = l->entries[i];
    l->count = kept;
}

/* ---- text ------------------------------------------------------------------------------------ */

enum { COLUMNS = 6 };

typedef struct row {
    char size[CLI_TEXT_SIZE];
    char used[CLI_TEXT_SIZE];
} row;

static void fill_cells(const char **cells, row *r, const clconv_cache_entry *e) {
    const time_t used = (time_t)e->used;
    struct tm parts;

    cli_format_bytes(r->size, e->bytes);
    r->used[0] = 0;
    if (localtime_r(&used, &parts))
        (void)strftime(r->used, sizeof r->used, "%Y-%m-%d %H:%M", &parts);
    cells[0] = e->file;
    cells[1] = r->used;
    cells[2] = r->size;
    cells[3] = e->is_valid ? e->program : "damaged";
    cells[4] = e->device;
    cells[5] = e->options;
}

/* What was listed: all, or those of `all` that are damaged. */
static void print_sum(const listing *l, size_t all, bool damaged_only) {
    const char *folder = l->folder[0] ? l->folder : "no folder";
    char size[CLI_TEXT_SIZE];
    uint64_t total = 0;

    for (size_t i = 0; i < l->count; i++)
        total += l->entries[i].bytes;
    cli_format_bytes(size, total);
    if (damaged_only)
        printf("%zu of %zu programs are damaged, in %s\n", l->count, all, folder);
    else
        printf("%zu programs, %s, in %s\n", l->count, size, folder);
}

static int print_text(const listing *l, size_t all, bool damaged_only) {
    static const char *const heading[COLUMNS] = {"FILE",    "USED",   "SIZE",
                                                 "PROGRAM", "DEVICE", "OPTIONS"};
    const char **cells = calloc((l->count + 1) * COLUMNS, sizeof *cells);
    row *rows = calloc(l->count + 1, sizeof *rows);
    int code = CLI_OK;

    if (!cells || !rows) {
        code = cli_fail(spec.command, "out of memory");
        goto done;
    }
    memcpy(cells, heading, sizeof heading);
    for (size_t i = 0; i < l->count; i++)
        fill_cells(cells + (i + 1) * COLUMNS, &rows[i], &l->entries[i]);
    if (l->count) {
        cli_print_table(cells, l->count + 1, "llrlll");
        printf("\n");
    }
    print_sum(l, all, damaged_only);
done:
    free(rows);
    free(cells);
    return code;
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static int print_json(const listing *l) {
    cJSON *object = cJSON_CreateObject();
    cJSON *entries = cJSON_AddArrayToObject(object, "entries");

    cJSON_AddStringToObject(object, "folder", l->folder);
    for (size_t i = 0; i < l->count; i++) {
        const clconv_cache_entry *e = &l->entries[i];
        cJSON *entry = cJSON_CreateObject();
        cJSON_AddStringToObject(entry, "file", e->file);
        cJSON_AddBoolToObject(entry, "valid", e->is_valid);
        cJSON_AddStringToObject(entry, "program", e->program);
        cJSON_AddStringToObject(entry, "options", e->options);
        cJSON_AddStringToObject(entry, "device", e->device);
        cJSON_AddStringToObject(entry, "driver", e->driver);
        cJSON_AddNumberToObject(entry, "bytes", (double)e->bytes);
        cJSON_AddNumberToObject(entry, "used", (double)e->used);
        cJSON_AddItemToArray(entries, entry);
    }
    return cli_print_json(spec.command, object);
}

/* ---- actions --------------------------------------------------------------------------------- */

static int show(const options *o, bool damaged_only) {
    listing l = {.entries = NULL};
    clconv_status status = read_cache(&l);
    const size_t all = l.count;
    int code;

    if (damaged_only)
        keep_damaged(&l);
    if (status)
        code = cli_fail_status(spec.command, status);
    else
        code = o->json ? print_json(&l) : print_text(&l, all, damaged_only);
    if (!code && damaged_only && l.count)
        code = CLI_WRONG;
    free(l.entries);
    return code;
}

static int clear(const options *o) {
    size_t removed;
    clconv_status status = clconv_cache_clear(&removed);

    if (status)
        return cli_fail_status(spec.command, status);
    if (o->json) {
        cJSON *object = cJSON_CreateObject();
        cJSON_AddNumberToObject(object, "removed", (double)removed);
        return cli_print_json(spec.command, object);
    }
    printf("removed %zu programs\n", removed);
    return CLI_OK;
}

int cmd_cache(int argc, char **argv) {
    options o = {0};
    const char *action;
    int code = args_parse(&o, &spec, &argc, argv);

    if (code != ARGS_GO_ON)
        return code;
    action = argc > 1 ? argv[1] : "show";
    if (!strcmp(action, "clear"))
        return clear(&o);
    if (!strcmp(action, "show") || !strcmp(action, "verify"))
        return show(&o, !strcmp(action, "verify"));
    return cli_fail(spec.command, "unknown action '%s'; there are show, verify and clear", action);
}
