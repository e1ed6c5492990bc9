/* Runs a fuzz target over files and the files of folders, once each: the seeds as a test. */
#include "fuzz.h"

#include <dirent.h>
#include <sys/stat.h>

static size_t inputs;

static void run_file(const char *path) {
    FILE *stream = fopen(path, "rb");
    size_t size = 0, capacity = 1 << 20;
    uint8_t *data = malloc(capacity);
    REQUIRE(stream && data);
    size = fread(data, 1, capacity, stream);
    fclose(stream);
    /* Every beginning of a short file, too. */
    for (size_t cut = size < 256 ? 0 : size; cut <= size; ++cut, ++inputs)
        (void)LLVMFuzzerTestOneInput(data, cut);
    free(data);
}

static void run(const char *path) {
    struct stat facts;
    REQUIRE(stat(path, &facts) == 0);
    if (!S_ISDIR(facts.st_mode)) {
        run_file(path);
        return;
    }
    DIR *folder = opendir(path);
    REQUIRE(folder);
    for (const struct dirent *entry; (entry = readdir(folder));) {
        char file[4096];
        snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
        if (entry->d_name[0] != '.')
            run_file(file);
    }
    closedir(folder);
}

int main(int argc, char **argv) {
    for (int i = 1; i < argc; ++i)
        run(argv[i]);
    printf("%zu inputs\n", inputs);
    return inputs ? EXIT_SUCCESS : EXIT_FAILURE;
}
