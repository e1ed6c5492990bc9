/*
 * Entries of the cache: a file is a miss, or it gives exactly what was stored under its key. After
 * the first byte 'h' the input gets the right magic and hash, so that what lies behind them is
 * reached.
 */
#include "fuzz.h"

#include "../support/temporary.h"
#include "cache.h"
#include "clconv.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

static const char key[] = "device\ndriver\nkernel.cl\n-DX=1\nsource";

/* As cache.c has it. */
typedef struct header {
    char magic[8];
    XXH128_hash_t hash;
    uint64_t key_size, data_size;
} header;

static char folder[TEMPORARY_SIZE], path[256];

static void remove_folder(void) {
    unlink(path);
    rmdir(folder);
}

static void make_folder(void) {
    clconv_cache_entry entry;
    size_t count;
    REQUIRE(!make_folder_in_memory(folder, "fuzz-cache"));
    setenv("CLCONV_CACHE_DIR", folder, 1);
    atexit(remove_folder);
    clconv__cache_put(key, "blob", 4);
    REQUIRE(clconv_cache_list(&entry, 1, &count) == CLCONV_OK && count == 1);
    snprintf(path, sizeof path, "%s/%s", folder, entry.file);
}

/* The hash of all that follows it, as cache.c makes it of sizes, key and data. */
static void repair(uint8_t *bytes, size_t size) {
    header h;
    if (size < sizeof h)
        return;
    memcpy(&h, bytes, sizeof h);
    memcpy(h.magic, "clconvP1", sizeof h.magic);
    h.hash = XXH3_128bits(bytes + offsetof(header, key_size), size - offsetof(header, key_size));
    memcpy(bytes, &h, sizeof h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    clconv_cache_entry entry;
    void *blob;
    size_t blob_size, count;
    if (!*path)
        make_folder();
    if (!size)
        return 0;
    uint8_t *bytes = malloc(size);
    REQUIRE(bytes);
    memcpy(bytes, data + 1, size - 1);
    if (data[0] == 'h')
        repair(bytes, size - 1);
    fuzz_write(path, bytes, size - 1);
    if (clconv__cache_get(&blob, &blob_size, key)) {
        const size_t before = sizeof(header) + strlen(key);
        REQUIRE(blob_size == size - 1 - before);
        REQUIRE(memcmp(blob, bytes + before, blob_size) == 0);
        free(blob);
    }
    REQUIRE(clconv_cache_list(&entry, 1, &count) == CLCONV_OK && count == 1);
    REQUIRE(entry.is_valid || !*entry.device);
    free(bytes);
    return 0;
}
