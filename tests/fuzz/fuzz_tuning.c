/*
 * Files of tuned choices: a line is a choice of the table or it is none, and what is kept next is
 * found, whatever the file held. After the first byte 'h' the input gets the device's header, and
 * the library's hash where it has '@', so that what lies behind them is reached.
 */
#include "fuzz.h"

#include "../support/temporary.h"
#include "tuning.h"

static clconv_device *device;
static clconv_problem problem = CLCONV_PROBLEM_INIT;
static clconv__choice kept;
static char folder[TEMPORARY_SIZE], path[CLCONV__PATH_SIZE], header[4096], hash[64];
static size_t header_size;

static void clean(void) {
    unlink(path);
    rmdir(folder);
    clconv_device_destroy(device);
}

static void keep(void) {
    char note[CLCONV__NOTE_SIZE];
    REQUIRE(clconv__tuning_keep(note, device, &problem, &kept, 1e-3, folder));
}

/* The header and the hash are what a file has that was just written. */
static void make_file(void) {
    REQUIRE(!make_folder_in_memory(folder, "fuzz-tuning"));
    REQUIRE(clconv_device_open(&device, "host") == CLCONV_OK);
    REQUIRE(clconv_problem_parse(&problem, "ic3ih4_oc2kh3") == CLCONV_OK);
    REQUIRE(clconv__tuning_path(path, device, folder));
    atexit(clean);
    kept.algo = clconv__find_algo("host");
    keep();
    FILE *stream = fopen(path, "r");
    REQUIRE(stream);
    const size_t size = fread(header, 1, sizeof header - 1, stream);
    fclose(stream);
    const char *line = strstr(header, "\nmb");
    const char *word = strrchr(header, ' ');
    REQUIRE(size && line && word && strcspn(word + 1, "\n") < sizeof hash);
    header_size = (size_t)(line + 1 - header);
    memcpy(hash, word + 1, strcspn(word + 1, "\n"));
}

/* Returns the bytes written to `file`, which has room for any. */
static size_t complete(char *file, const uint8_t *data, size_t size) {
    size_t used = header_size;
    memcpy(file, header, used);
    for (size_t i = 0; i < size; ++i)
        if (data[i] == '@')
            used += (size_t)sprintf(file + used, "%s", hash);
        else
            file[used++] = (char)data[i];
    return used;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *const folders[] = {folder};
    char note[CLCONV__NOTE_SIZE];
    clconv__entry entry;
    if (!*path)
        make_file();
    if (!size)
        return 0;
    if (data[0] == 'h') {
        char *file = malloc(header_size + size * sizeof hash);
        REQUIRE(file);
        fuzz_write(path, file, complete(file, data + 1, size - 1));
        free(file);
    } else {
        fuzz_write(path, data + 1, size - 1);
    }
    if (clconv__tuning_find(&entry, note, device, &problem, folders, 1))
        REQUIRE(entry.choice.algo == clconv__find_algo(entry.choice.algo->name));
    keep();
    REQUIRE(clconv__tuning_find(&entry, note, device, &problem, folders, 1));
    REQUIRE(entry.choice.algo == kept.algo && entry.choice.tile == kept.tile);
    return 0;
}
