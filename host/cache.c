#include "cache.h"

#include "file.h"
#include "status.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define XXH_INLINE_ALL /* the header alone: no library to link */
#include <xxhash.h>

enum {
    NAME_SIZE = 48, /* 32 hexadecimal digits and the suffix */
    PATH_SIZE = CLCONV__PATH_SIZE,
    MOST_ENTRIES = 1 << 16,  /* that are looked at */
    DEFAULT_LIMIT_MIB = 256, /* of the folder */
    STALE_SECONDS = 3600     /* after which a temporary file has no owner any more */
};

static const size_t largest_file = (size_t)1 << 30;

static const char suffix[] = ".clconv";
static const char temporary_prefix[] = CLCONV__TEMPORARY_PREFIX;

/* A file is this, the key without its terminating zero, and the blob. Numbers are the machine's
 * own: a program fits no other kind of machine anyway. */
typedef struct header {
    char magic[8];      /* with the version of the format */
    XXH128_hash_t hash; /* of all that follows it */
    uint64_t key_size, data_size;
} header;

static const char magic[8] = "clconvP1";

/* ---- the folder ---- */

static const clconv__place place = {"CLCONV_CACHE_DIR", "XDG_CACHE_HOME", "/clconv",
                                    "/.cache/clconv"};

static uint64_t size_limit(void) {
    const char *text = getenv("CLCONV_CACHE_SIZE");
    char *end = NULL;
    const unsigned long long mebibytes = text && *text ? strtoull(text, &end, 10) : 0;
    const int is_number = end && !*end && *text != '-' && mebibytes < UINT64_MAX >> 20;
    return (is_number ? mebibytes : DEFAULT_LIMIT_MIB) << 20;
}

/* Whether nobody else can put files into a folder; what cannot be looked at is not opened either.
 */
static int is_private(const char *folder) {
    struct stat facts;
    return stat(folder, &facts) || (facts.st_uid == geteuid() && !(facts.st_mode & S_IWOTH));
}

/* Where the entry of a key is or would be; 0 where nothing is kept on disk. */
static int find_file(char path[PATH_SIZE], const char *key) {
    const XXH128_hash_t hash = XXH3_128bits(key, strlen(key));
    char folder[PATH_SIZE], name[NAME_SIZE];
    clconv__user_folder(folder, &place);
    if (!is_private(folder))
        return 0;
    snprintf(name, sizeof name, "%016llx%016llx%s", (unsigned long long)hash.high64,
             (unsigned long long)hash.low64, suffix);
    return *folder && clconv__join(path, folder, "/", name);
}

static int is_entry(const char *name) {
    const size_t length = strlen(name);
    return length > sizeof suffix && length < NAME_SIZE && *name != '.' &&
           strcmp(name + length - (sizeof suffix - 1), suffix) == 0;
}

/* ---- files ---- */

/* Whether a file is this user's and nobody else can write it, and its size. */
static int is_trusted(int file, size_t *size) {
    struct stat facts;
    if (fstat(file, &facts) || !S_ISREG(facts.st_mode) || facts.st_uid != geteuid() ||
        (facts.st_mode & (S_IWGRP | S_IWOTH)) || facts.st_size < (off_t)sizeof(header) ||
        (uintmax_t)facts.st_size > largest_file)
        return 0;
    *size = (size_t)facts.st_size;
    return 1;
}

static XXH128_hash_t hash_of(const header *h, const char *key, const void *data) {
    XXH3_state_t state;
    XXH3_128bits_reset(&state);
    XXH3_128bits_update(&state, &h->key_size, sizeof h->key_size);
    XXH3_128bits_update(&state, &h->data_size, sizeof h->data_size);
    XXH3_128bits_update(&state, key, (size_t)h->key_size);
    XXH3_128bits_update(&state, data, (size_t)h->data_size);
    return XXH3_128bits_digest(&state);
}

/* Whether the bytes are a whole file as it was written. */
static int is_whole(header *h, const char *bytes, size_t size) {
    memcpy(h, bytes, sizeof *h);
    const size_t rest = size - sizeof *h;
    if (memcmp(h->magic, magic, sizeof magic) != 0 || h->key_size > rest ||
        h->data_size != rest - h->key_size)
        return 0;
    const char *key = bytes + sizeof *h;
    return XXH128_isEqual(hash_of(h, key, key + h->key_size), h->hash);
}

/* The content of a file that can be trusted, to be freed; NULL for any other. */
static char *load(header *h, const char *path) {
    char *bytes = NULL;
    size_t size;
    const int file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (file < 0)
        return NULL;
    if (is_trusted(file, &size) && (bytes = malloc(size)) &&
        !(clconv__read_all(file, bytes, size) && is_whole(h, bytes, size))) {
        free(bytes);
        bytes = NULL;
    }
    close(file);
    return bytes;
}

int clconv__cache_get(void **data, size_t *size, const char *key) {
    char path[PATH_SIZE];
    const size_t key_size = strlen(key);
    header h;
    *data = NULL;
    *size = 0;
    char *bytes = find_file(path, key) ? load(&h, path) : NULL;
    if (!bytes)
        return 0;
    if (h.key_size != key_size || memcmp(bytes + sizeof h, key, key_size) != 0) {
        free(bytes);
        return 0;
    }
    (void)utimensat(AT_FDCWD, path, NULL, 0); /* the time of the last use */
    *size = (size_t)h.data_size;
    memmove(bytes, bytes + sizeof h + key_size, *size);
    *data = bytes;
    return 1;
}

/* ---- eviction ---- */

typedef struct found_file {
    char name[NAME_SIZE];
    uint64_t bytes;
    struct timespec used;
} found_file;

static int compare_use(const void *a, const void *b) {
    const struct timespec *x = &((const found_file *)a)->used, *y = &((const found_file *)b)->used;
    if (x->tv_sec != y->tv_sec)
        return x->tv_sec < y->tv_sec ? -1 : 1;
    return (x->tv_nsec > y->tv_nsec) - (x->tv_nsec < y->tv_nsec);
}

/* Removes a temporary file that its process left behind. */
static void remove_stale(int folder, const char *name) {
    struct stat facts;
    if (strncmp(name, temporary_prefix, sizeof temporary_prefix - 1) == 0 &&
        !fstatat(folder, name, &facts, AT_SYMLINK_NOFOLLOW) &&
        facts.st_mtime < time(NULL) - STALE_SECONDS)
        (void)unlinkat(folder, name, 0);
}

/*
 * The entries of an open folder, the one used longest ago first; owned by the caller. 0 where
 * memory runs out, and nothing is owned.
 */
static int find_files(found_file **files, size_t *found, DIR *folder) {
    size_t count = 0, capacity = 0;
    const struct dirent *entry;
    *files = NULL;
    *found = 0;
    while (count < MOST_ENTRIES && (entry = readdir(folder))) {
        struct stat facts;
        remove_stale(dirfd(folder), entry->d_name);
        if (!is_entry(entry->d_name) ||
            fstatat(dirfd(folder), entry->d_name, &facts, AT_SYMLINK_NOFOLLOW))
            continue;
        if (count == capacity) {
            found_file *more = realloc(*files, (capacity = 2 * capacity + 64) * sizeof *more);
            if (!more) {
                free(*files);
                *files = NULL;
                return 0;
            }
            *files = more;
        }
        found_file *f = &(*files)[count++];
        snprintf(f->name, sizeof f->name, "%.*s", NAME_SIZE - 1, entry->d_name);
        f->bytes = (uint64_t)facts.st_size;
        f->used = facts.st_mtim;
    }
    if (count)
        qsort(*files, count, sizeof **files, compare_use);
    *found = count;
    return 1;
}

static void evict(const char *path) {
    found_file *files = NULL;
    uint64_t total = 0;
    size_t count;
    const uint64_t limit = size_limit();
    DIR *folder = opendir(path);
    if (!folder)
        return;
    find_files(&files, &count, folder);
    for (size_t i = 0; i < count; ++i)
        total += files[i].bytes;
    for (size_t i = 0; i < count && total > limit; total -= files[i++].bytes)
        (void)unlinkat(dirfd(folder), files[i].name, 0);
    free(files);
    closedir(folder);
}

/* ---- storing ---- */

typedef struct entry {
    const char *key;
    const void *data;
    size_t size;
} entry;

static int write_entry(int file, const void *context) {
    const entry *e = context;
    header h = {.key_size = strlen(e->key), .data_size = e->size};
    memcpy(h.magic, magic, sizeof magic);
    h.hash = hash_of(&h, e->key, e->data);
    return clconv__write_all(file, &h, sizeof h) &&
           clconv__write_all(file, e->key, (size_t)h.key_size) &&
           clconv__write_all(file, e->data, e->size);
}

void clconv__cache_put(const char *key, const void *data, size_t size) {
    char folder[PATH_SIZE], path[PATH_SIZE];
    const size_t whole = sizeof(header) + strlen(key) + size;
    const entry e = {key, data, size};
    clconv__user_folder(folder, &place);
    if (whole > size_limit() || whole > largest_file || !find_file(path, key))
        return;
    clconv__make_folder(folder);
    if (clconv__replace_file(folder, path, write_entry, &e))
        evict(folder);
}

/* ---- for people ---- */

clconv_status clconv_cache_folder(char *path, size_t size) {
    char folder[PATH_SIZE];
    if (!path)
        return clconv__fail(CLCONV_INVALID_ARGUMENT, "path is NULL");
    clconv__user_folder(folder, &place);
    const size_t length = strlen(folder);
    if (length >= size)
        return clconv__fail(CLCONV_BUFFER_TOO_SMALL, "size is %zu, but the path needs %zu bytes",
                            size, length + 1);
    memcpy(path, folder, length + 1);
    return CLCONV_OK;
}

/* One line of a key. */
static const char *copy_line(char *text, size_t size, const char *at, const char *end) {
    const char *line_end = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
    const size_t length = line_end ? (size_t)(line_end - at) : 0;
    snprintf(text, size, "%.*s", (int)(length < size ? length : size - 1), at);
    return line_end ? line_end + 1 : end;
}

static void describe(clconv_cache_entry *e, const found_file *file, const char *folder) {
    char path[PATH_SIZE];
    header h;
    memset(e, 0, sizeof *e);
    snprintf(e->file, sizeof e->file, "%s", file->name);
    e->bytes = file->bytes;
    e->used = (int64_t)file->used.tv_sec;
    char *bytes = clconv__join(path, folder, "/", file->name) ? load(&h, path) : NULL;
    e->is_valid = bytes != NULL;
    if (bytes) {
        const char *at = bytes + sizeof h, *end = at + h.key_size;
        at = copy_line(e->device, sizeof e->device, at, end);
        at = copy_line(e->driver, sizeof e->driver, at, end);
        at = copy_line(e->program, sizeof e->program, at, end);
        copy_line(e->options, sizeof e->options, at, end);
    }
    free(bytes);
}

/* The entries of the folder for people, who want to know what is wrong with it. */
static clconv_status look_into(char path[PATH_SIZE], found_file **files, size_t *count,
                               DIR **folder) {
    *files = NULL;
    *count = 0;
    *folder = NULL;
    clconv__user_folder(path, &place);
    if (!*path)
        return CLCONV_OK;
    if (!is_private(path))
        return clconv__fail(CLCONV_FILE,
                            "folder %.400s is not used: it belongs to another user or is writable "
                            "for all",
                            path);
    if (!(*folder = opendir(path)))
        return errno == ENOENT
                   ? CLCONV_OK
                   : clconv__fail(CLCONV_FILE, "folder %.400s: %s", path, strerror(errno));
    if (find_files(files, count, *folder))
        return CLCONV_OK;
    closedir(*folder);
    *folder = NULL;
    return clconv__fail(CLCONV_OUT_OF_MEMORY, "the list of the cache: out of memory");
}

clconv_status clconv_cache_list(clconv_cache_entry *entries, size_t capacity, size_t *count) {
    char path[PATH_SIZE];
    found_file *files;
    size_t found;
    DIR *folder;
    if (!count || (!entries && capacity))
        return clconv__fail(CLCONV_INVALID_ARGUMENT, "%s is NULL", count ? "entries" : "count");
    clconv_status status = look_into(path, &files, &found, &folder);
    if (status)
        return status;
    if (folder)
        closedir(folder);
    *count = found;
    for (size_t i = 0; i < found && i < capacity; ++i)
        describe(&entries[i], &files[i], path);
    free(files);
    return CLCONV_OK;
}

clconv_status clconv_cache_clear(size_t *removed) {
    char path[PATH_SIZE];
    found_file *files;
    size_t found, gone = 0;
    DIR *folder;
    clconv_status status = look_into(path, &files, &found, &folder);
    if (removed)
        *removed = 0;
    if (status)
        return status;
    for (size_t i = 0; i < found; ++i) {
        if (!unlinkat(dirfd(folder), files[i].name, 0) || errno == ENOENT)
            ++gone;
        else
            status = clconv__fail(CLCONV_FILE, "removing %.300s/%s: %s", path, files[i].name,
                                  strerror(errno));
    }
    if (folder)
        closedir(folder);
    free(files);
    if (removed)
        *removed = gone;
    return status;
}
