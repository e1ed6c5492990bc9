#include "tuning.h"

#include "kernel_source.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define XXH_INLINE_ALL /* the header alone: no library to link */
#include <xxhash.h>

enum {
    PATH_SIZE = CLCONV__PATH_SIZE,
    HEADER_SIZE = 8 * CLCONV_TEXT_SIZE,
    HASH_SIZE = 17,     /* 16 hexadecimal digits */
    MOST_LETTERS = 40,  /* of a device's name in the name of its file */
    LOCK_ROUNDS = 500,  /* that a writer waits for another, */
    LOCK_NAP = 10000000 /* so many nanoseconds each */
};

/* A file of so many bytes was not written here. */
static const size_t largest_file = (size_t)1 << 24;

static const char first_line[] = "clconv tuning 1\n";
static const char columns[] = "# problem algorithm tile microseconds library\n";

static const clconv__place place = {"CLCONV_TUNING_DIR", "XDG_CONFIG_HOME", "/clconv/tuning",
                                    "/.config/clconv/tuning"};

/* ---- where ---- */

size_t clconv__tuning_folders(const char *folders[CLCONV__TUNING_FOLDERS],
                              char own[CLCONV__PATH_SIZE]) {
    const char *asked = getenv(place.own);
    size_t count = 0;
    clconv__user_folder(own, &place);
    if (asked && !*asked)
        return 0;
    if (*own)
        folders[count++] = own;
    folders[count++] = CLCONV__SHARED_TUNING;
    return count;
}

/* What a device must have in common with the one that was measured: the first lines of its file. */
static void write_header(char text[HEADER_SIZE], const clconv_device_info *i) {
    const int length = snprintf(
        text, HEADER_SIZE, "%sdevice %s\nplatform %s\nvendor %s\nversion %s\ndriver %s\nunits %u\n",
        first_line, i->name, i->platform, i->vendor, i->version, i->driver, i->compute_units);
    for (char *at = text; at < text + length; ++at)
        if ((unsigned char)*at < ' ' && *at != '\n')
            *at = ' ';
}

/* Named after the device, and what two of the same name may differ in; a new driver finds the file
 * of the old one, and can say so. */
int clconv__tuning_path(char path[PATH_SIZE], const clconv_device *device, const char *folder) {
    const clconv_device_info *i = &device->info;
    char name[MOST_LETTERS + 32], facts[4 * CLCONV_TEXT_SIZE];
    size_t used = 0;
    for (const char *at = i->name; *at && used < MOST_LETTERS; ++at) {
        const int is_plain =
            (*at >= '0' && *at <= '9') || (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z');
        if (is_plain)
            name[used++] = *at;
        else if (used && name[used - 1] != '-')
            name[used++] = '-';
    }
    const int length = snprintf(facts, sizeof facts, "%s\n%s\n%s\n%u", i->name, i->platform,
                                i->vendor, i->compute_units);
    snprintf(name + used, sizeof name - used, "-%08x.tuning",
             (unsigned)XXH3_64bits(facts, (size_t)length));
    return clconv__join(path, folder, "/", name);
}

clconv_status clconv_tuning_file(char *path, size_t size, const clconv_device *device) {
    const char *folders[CLCONV__TUNING_FOLDERS];
    char own[PATH_SIZE], found[PATH_SIZE] = "";
    if (!path || !device)
        return clconv__fail(CLCONV_INVALID_ARGUMENT, "%s is NULL", path ? "device" : "path");
    if (clconv__tuning_folders(folders, own) == CLCONV__TUNING_FOLDERS &&
        !clconv__tuning_path(found, device, own))
        *found = 0;
    const size_t length = strlen(found);
    if (length >= size)
        return clconv__fail(CLCONV_BUFFER_TOO_SMALL, "size is %zu, but the path needs %zu bytes",
                            size, length + 1);
    memcpy(path, found, length + 1);
    return CLCONV_OK;
}

/* ---- reading ---- */

/* A text to be freed, with a zero behind it; NULL where there is none, and errno says why. */
static char *load(size_t *size, const char *path) {
    struct stat facts;
    char *text = NULL;
    const int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0)
        return NULL;
    errno = EINVAL;
    if (!fstat(file, &facts) && S_ISREG(facts.st_mode) && facts.st_size >= 0 &&
        (uintmax_t)facts.st_size <= largest_file && (text = calloc((size_t)facts.st_size + 1, 1)) &&
        !clconv__read_all(file, text, (size_t)facts.st_size)) {
        free(text);
        text = NULL;
    }
    close(file);
    *size = text ? (size_t)facts.st_size : 0;
    return text;
}

/* Cuts the next line off a text; NULL behind the last. One without its line feed was cut short. */
static char *next_line(char **at, const char *end) {
    char *line = *at, *stop = line < end ? memchr(line, '\n', (size_t)(end - line)) : NULL;
    if (!stop)
        return NULL;
    *stop = 0;
    *at = stop + 1;
    return line;
}

enum { PROBLEM, ALGORITHM, TILE, MICROSECONDS, LIBRARY, FIELDS };

/* Cuts an entry into its fields; 0 for a line that is none. */
static int split(char *fields[FIELDS], char *line) {
    int count = 0;
    for (char *at = line; at; ++count) {
        if (count == FIELDS)
            return 0;
        fields[count] = at;
        if ((at = strchr(at, ' ')))
            *at++ = 0;
        if (!*fields[count])
            return 0;
    }
    return count == FIELDS && *line != '#';
}

void clconv__format_tile(char text[CLCONV_TILE_SIZE], const clconv__tile *tile) {
    int used = snprintf(text, CLCONV_TILE_SIZE, tile ? "" : "-");
    for (int i = 0; tile && i < CLCONV__TILE_VALUES && tile->value[i]; ++i)
        used += snprintf(text + used, (size_t)(CLCONV_TILE_SIZE - used), "%s%u", i ? "x" : "",
                         tile->value[i]);
}

/* Finds row and tile of an entry; 0 where the table lacks them. */
static int find_choice(clconv__choice *choice, char *const fields[FIELDS]) {
    char text[CLCONV_TILE_SIZE];
    const clconv__algo *algo = clconv__find_algo(fields[ALGORITHM]);
    *choice = (clconv__choice){.algo = algo};
    if (!algo || !algo->tiles)
        return algo && strcmp(fields[TILE], "-") == 0;
    for (const clconv__tile *tile = algo->tiles; tile->value[0]; ++tile) {
        clconv__format_tile(text, tile);
        if (strcmp(text, fields[TILE]) == 0)
            choice->tile = tile;
    }
    return choice->tile != NULL;
}

static void format_library(char text[HASH_SIZE]) {
    snprintf(text, HASH_SIZE, "%016" PRIx64, clconv__kernels_hash());
}

clconv_status clconv__unnamed_text(char text[CLCONV_PROBLEM_TEXT_SIZE],
                                   const clconv_problem *problem) {
    clconv_status status = clconv_problem_validate(problem);
    if (status)
        return status;
    clconv_problem unnamed = *problem;
    unnamed.name[0] = 0;
    return clconv_problem_format(text, CLCONV_PROBLEM_TEXT_SIZE, &unnamed);
}

/* Uses the fields of a line for the problem, or says why not. */
static int use_fields(clconv__entry *entry, char note[CLCONV__NOTE_SIZE],
                      char *const fields[FIELDS]) {
    char library[HASH_SIZE], *end;
    const double microseconds = strtod(fields[MICROSECONDS], &end);
    format_library(library);
    *note = 0;
    if (strcmp(fields[LIBRARY], library) != 0)
        snprintf(note, CLCONV__NOTE_SIZE,
                 "%.300s: its entry was measured with another library, %.20s instead of %s; tune "
                 "again",
                 entry->path, fields[LIBRARY], library);
    else if (*end || !(microseconds > 0) || isinf(microseconds))
        snprintf(note, CLCONV__NOTE_SIZE, "%.300s: its entry takes \"%.40s\" microseconds",
                 entry->path, fields[MICROSECONDS]);
    else if (!find_choice(&entry->choice, fields))
        snprintf(note, CLCONV__NOTE_SIZE, "%.300s: no algorithm \"%.40s\" has a tile \"%.40s\"",
                 entry->path, fields[ALGORITHM], fields[TILE]);
    entry->seconds = microseconds * 1e-6;
    return !*note;
}

/* The lines of a header that is another device's, one behind the other. */
static void refuse_device(char note[CLCONV__NOTE_SIZE], const char *path, char *text,
                          const char *end) {
    enum { LINES = 6 };
    char made_for[2 * CLCONV_TEXT_SIZE] = "";
    size_t used = 0;
    (void)next_line(&text, end);
    for (int i = 0; i < LINES; ++i) {
        const char *line = next_line(&text, end);
        if (line && used < sizeof made_for)
            used += (size_t)snprintf(made_for + used, sizeof made_for - used, "%s%.80s",
                                     i ? ", " : "", line);
    }
    snprintf(note, CLCONV__NOTE_SIZE, "%.300s was made for %s, which is not this device or driver",
             path, made_for);
}

/* Where the entries of a device's file begin; NULL with a note where it is none. */
static char *entries_of(char note[CLCONV__NOTE_SIZE], const char *path, char *text, size_t size,
                        const clconv_device *device) {
    char header[HEADER_SIZE];
    write_header(header, &device->info);
    if (strncmp(text, header, strlen(header)) == 0)
        return text + strlen(header);
    if (strncmp(text, first_line, strlen(first_line)) == 0)
        refuse_device(note, path, text, text + size);
    else
        snprintf(note, CLCONV__NOTE_SIZE, "%.300s does not begin with \"%.15s\"", path, first_line);
    return NULL;
}

/* Looks into one file: 1 found, 0 nothing there for the problem, -1 a line that cannot be used. */
static int find_in(clconv__entry *entry, char note[CLCONV__NOTE_SIZE], const clconv_device *device,
                   const char *problem) {
    size_t size;
    int answer = 0;
    char *text = load(&size, entry->path), *line;
    if (!text && errno != ENOENT && errno != ENOTDIR)
        snprintf(note, CLCONV__NOTE_SIZE, "%.300s: %s", entry->path, strerror(errno));
    char *at = text ? entries_of(note, entry->path, text, size, device) : NULL;
    while (at && !answer && (line = next_line(&at, text + size))) {
        char *fields[FIELDS];
        if (split(fields, line) && strcmp(fields[PROBLEM], problem) == 0)
            answer = use_fields(entry, note, fields) ? 1 : -1;
    }
    free(text);
    return answer;
}

int clconv__tuning_find(clconv__entry *entry, char note[CLCONV__NOTE_SIZE],
                        const clconv_device *device, const clconv_problem *problem,
                        const char *const folders[], size_t count) {
    char text[CLCONV_PROBLEM_TEXT_SIZE];
    int answer = 0;
    *note = 0;
    if (clconv__unnamed_text(text, problem))
        return 0;
    for (size_t i = 0; i < count && !answer; ++i)
        if (clconv__tuning_path(entry->path, device, folders[i]))
            answer = find_in(entry, note, device, text);
    return answer > 0;
}

/* ---- writing ---- */

/* The lines of a file, in order. */
typedef struct lines {
    char **items;
    size_t count;
} lines;

static int write_file(int file, const void *context) {
    const lines *l = context;
    int is_written = 1;
    for (size_t i = 0; i < l->count && is_written; ++i)
        is_written = clconv__write_all(file, l->items[i], strlen(l->items[i]));
    return is_written;
}

static int compare_lines(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Adds a copy of an entry's line; what does not look like one is left behind. */
static int add_old(lines *l, const char *line, const char *but_not) {
    char *copy = strdup(line), *whole = NULL, *fields[FIELDS];
    const int is_kept = copy && split(fields, copy) && strcmp(fields[PROBLEM], but_not) != 0;
    free(copy);
    if (!is_kept)
        return copy != NULL;
    if (!(whole = malloc(strlen(line) + 2)))
        return 0;
    snprintf(whole, strlen(line) + 2, "%s\n", line);
    l->items[l->count++] = whole;
    return 1;
}

/* All entries of the old file but that of the problem, which get one for it. */
static int merge(lines *l, char *text, size_t size, const clconv_device *device,
                 const char *problem) {
    char ignored[CLCONV__NOTE_SIZE], *line;
    char *at = text ? entries_of(ignored, "", text, size, device) : NULL;
    size_t capacity = 2; /* a header and the new entry */
    for (const char *c = at; c && c < text + size; ++c)
        capacity += *c == '\n';
    if (!(l->items = calloc(capacity, sizeof *l->items)))
        return 0;
    while (at && (line = next_line(&at, text + size)))
        if (!add_old(l, line, problem))
            return 0;
    return 1;
}

static int replace(const char *folder, const char *path, const clconv_device *device,
                   const char *problem, const char *line) {
    char header[HEADER_SIZE + sizeof columns];
    lines l = {NULL, 0};
    size_t size;
    char *text = load(&size, path), *new = strdup(line);
    int is_done = new &&merge(&l, text, size, device, problem);
    write_header(header, &device->info);
    strcat(header, columns);
    if (is_done) {
        l.items[l.count++] = new;
        qsort(l.items, l.count, sizeof *l.items, compare_lines);
        memmove(l.items + 1, l.items, l.count++ * sizeof *l.items);
        l.items[0] = header;
        is_done = clconv__replace_file(folder, path, write_file, &l);
        l.items[0] = NULL;
        new = NULL;
    }
    for (size_t i = 0; i < l.count; ++i)
        free(l.items[i]);
    free(l.items);
    free(new);
    free(text);
    return is_done;
}

/* Keeps other processes away while a file is read and replaced; goes on where that cannot be had.
 */
static int lock_folder(const char *folder) {
    const struct timespec nap = {0, LOCK_NAP};
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    char path[PATH_SIZE];
    int file = -1;
    if (clconv__join(path, folder, "/", ".lock"))
        file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    for (int i = 0; file >= 0 && i < LOCK_ROUNDS && fcntl(file, F_SETLK, &whole); ++i) {
        if (errno != EACCES && errno != EAGAIN)
            break;
        nanosleep(&nap, NULL);
    }
    return file;
}

int clconv__tuning_keep(char note[CLCONV__NOTE_SIZE], const clconv_device *device,
                        const clconv_problem *problem, const clconv__choice *choice, double seconds,
                        const char *folder) {
    static pthread_mutex_t threads = PTHREAD_MUTEX_INITIALIZER; /* locks of files know none */
    char text[CLCONV_PROBLEM_TEXT_SIZE], tile[CLCONV_TILE_SIZE], library[HASH_SIZE];
    char line[CLCONV_PROBLEM_TEXT_SIZE + 128], path[PATH_SIZE] = "";
    *note = 0;
    if (clconv__unnamed_text(text, problem) || !clconv__tuning_path(path, device, folder)) {
        snprintf(note, CLCONV__NOTE_SIZE, "the path in %.300s is too long", folder);
        return 0;
    }
    clconv__format_tile(tile, choice->tile);
    format_library(library);
    snprintf(line, sizeof line, "%s %s %s %.1f %s\n", text, choice->algo->name, tile,
             seconds < 1e-7 ? 0.1 : seconds * 1e6, library);
    clconv__make_folder(folder);
    pthread_mutex_lock(&threads);
    const int lock = lock_folder(folder);
    const int is_done = replace(folder, path, device, text, line);
    const int reason = errno;
    if (lock >= 0)
        close(lock);
    pthread_mutex_unlock(&threads);
    if (!is_done)
        snprintf(note, CLCONV__NOTE_SIZE, "writing %.300s: %s", path, strerror(reason));
    return is_done;
}
