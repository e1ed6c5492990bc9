/* The cache on disk: what was stored comes back whole or not at all, and nothing is ever fatal. */
#include "cache.h"
#include "support/support.h"
#include "support/temporary.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PATH_BYTES = 512 };

static char root[TEMPORARY_SIZE], folder[PATH_BYTES];

/* A new folder for each test; the cache's own does not exist yet. */
static int set_up(void **state) {
    (void)state;
    if (make_temporary_folder(root, "cache"))
        return -1;
    snprintf(folder, sizeof folder, "%s/of/programs", root);
    setenv("CLCONV_CACHE_DIR", folder, 1);
    unsetenv("CLCONV_CACHE_SIZE");
    return 0;
}

static int tear_down(void **state) {
    char command[PATH_BYTES];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", root);
    return system(command) ? -1 : 0;
}

#define cache_test(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

static size_t count_files(const char *path, char last[PATH_BYTES]) {
    size_t count = 0;
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
            ++count;
            if (last)
                snprintf(last, PATH_BYTES, "%.200s/%.200s", path, e->d_name);
        }
    if (d)
        closedir(d);
    return count;
}

static bool has(const char *key, const char *text) {
    void *data;
    size_t size;
    if (!clconv__cache_get(&data, &size, key)) {
        assert_null(data);
        return false;
    }
    assert_int_equal(size, strlen(text));
    assert_memory_equal(data, text, size);
    free(data);
    return true;
}

static void put(const char *key, const char *text) {
    clconv__cache_put(key, text, strlen(text));
}

static void write_file(const char *path, const void *bytes, size_t size) {
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

static size_t read_file(char *bytes, size_t capacity, const char *path) {
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    size_t size = fread(bytes, 1, capacity, f);
    fclose(f);
    return size;
}

static void test_cache_get_what_was_put(void **state) {
    (void)state;
    assert_false(has("one", ""));
    put("one", "first");
    put("two", "");
    assert_true(has("one", "first"));
    assert_true(has("two", ""));
    assert_false(has("on", ""));
    assert_false(has("one more", ""));
    put("one", "second");
    assert_true(has("one", "second"));
    assert_int_equal(count_files(folder, NULL), 2);
}

static void test_cache_get_every_truncation_and_changed_bit(void **state) {
    char path[PATH_BYTES], whole[256], changed[256];
    (void)state;
    put("a key", "some data");
    assert_int_equal(count_files(folder, path), 1);
    size_t size = read_file(whole, sizeof whole, path);
    assert_true(size > strlen("a key") + strlen("some data") && size < sizeof whole);
    for (size_t length = 0; length < size; ++length) {
        write_file(path, whole, length);
        assert_false(has("a key", ""));
    }
    for (size_t i = 0; i < 8 * size; ++i) {
        memcpy(changed, whole, size);
        changed[i / 8] = (char)(changed[i / 8] ^ 1 << i % 8);
        write_file(path, changed, size);
        assert_false(has("a key", ""));
    }
    memcpy(changed, whole, size);
    changed[size] = 0;
    write_file(path, changed, size + 1);
    assert_false(has("a key", ""));
    write_file(path, whole, size);
    assert_true(has("a key", "some data"));
}

/* A whole entry under a name that is not its own. */
static void test_cache_get_entry_of_another_key(void **state) {
    char one[PATH_BYTES], two[PATH_BYTES], whole[256];
    (void)state;
    put("one", "data");
    count_files(folder, one);
    size_t size = read_file(whole, sizeof whole, one);
    assert_int_equal(unlink(one), 0);
    put("two", "other");
    count_files(folder, two);
    write_file(two, whole, size);
    assert_false(has("two", ""));
}

static void test_cache_get_file_that_others_can_write(void **state) {
    char path[PATH_BYTES], link_target[PATH_BYTES + 8];
    (void)state;
    put("key", "data");
    count_files(folder, path);
    assert_int_equal(chmod(path, 0620), 0);
    assert_false(has("key", ""));
    assert_int_equal(chmod(path, 0602), 0);
    assert_false(has("key", ""));
    assert_int_equal(chmod(path, 0600), 0);
    assert_true(has("key", "data"));
    snprintf(link_target, sizeof link_target, "%s.moved", path);
    assert_int_equal(rename(path, link_target), 0);
    assert_int_equal(symlink(link_target, path), 0);
    assert_false(has("key", ""));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0); /* whose other end nobody opens */
    assert_false(has("key", ""));
}

static void test_cache_folder_that_cannot_be(void **state) {
    static const char *const names[] = {"/dev/null/x", "/proc/none", "/sys/none", ""};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(names); ++i) {
        setenv("CLCONV_CACHE_DIR", names[i], 1);
        put("key", "data");
        assert_false(has("key", ""));
    }
    char *longest = calloc(20000, 1);
    memset(longest, '/', 19999);
    setenv("CLCONV_CACHE_DIR", longest, 1);
    put("key", "data");
    assert_false(has("key", ""));
    free(longest);
}

static void test_cache_folder_that_is_a_link(void **state) {
    char real[PATH_BYTES];
    (void)state;
    snprintf(real, sizeof real, "%s/real", root);
    snprintf(folder, sizeof folder, "%s/link", root);
    assert_int_equal(mkdir(real, 0700), 0);
    assert_int_equal(symlink(real, folder), 0);
    setenv("CLCONV_CACHE_DIR", folder, 1);
    put("key", "data");
    assert_true(has("key", "data"));
    /* One that leads nowhere. */
    assert_int_equal(unlink(folder), 0);
    assert_int_equal(symlink("/dev/null/x", folder), 0);
    put("key", "data");
    assert_false(has("key", ""));
}

static void assert_folder(const char *expected) {
    char path[PATH_BYTES];
    assert_ok(clconv_cache_folder(path, sizeof path));
    assert_string_equal(path, expected);
}

static void test_cache_folder_from_the_environment(void **state) {
    char path[4];
    (void)state;
    assert_folder(folder);
    assert_fails(clconv_cache_folder(path, sizeof path), CLCONV_BUFFER_TOO_SMALL, "size is 4");
    assert_fails(clconv_cache_folder(NULL, 9), CLCONV_INVALID_ARGUMENT, "path is NULL");
    char *home = getenv("HOME") ? strdup(getenv("HOME")) : NULL;
    unsetenv("CLCONV_CACHE_DIR");
    setenv("XDG_CACHE_HOME", "/x/cache", 1);
    setenv("HOME", "/x/home", 1);
    assert_folder("/x/cache/clconv");
    setenv("XDG_CACHE_HOME", "relative", 1);
    assert_folder("/x/home/.cache/clconv");
    unsetenv("XDG_CACHE_HOME");
    assert_folder("/x/home/.cache/clconv");
    unsetenv("HOME");
    assert_folder("");
    put("key", "data");
    assert_false(has("key", ""));
    if (home)
        setenv("HOME", home, 1);
    free(home);
}

/* A disk that is full in the middle of a file: the limit of file sizes stands in for it. */
static void test_cache_put_on_a_full_disk(void **state) {
    struct rlimit old, tiny;
    (void)state;
    put("before", "data");
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    tiny = old;
    for (rlim_t size = 0; size < 80; size += 7) {
        tiny.rlim_cur = size;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &tiny), 0);
        put("key", "0123456789012345678901234567890123456789012345678901234567890123456789");
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
        assert_false(has("key", ""));
    }
    assert_true(has("before", "data"));
    assert_int_equal(count_files(folder, NULL), 1);
}

/* ---- eviction ---- */

static void set_last_use(const char *path, time_t used) {
    const struct timespec times[] = {{used, 0}, {used, 0}};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void test_cache_put_removes_what_was_used_longest_ago(void **state) {
    enum { BYTES = 300000, ENTRIES = 3 };
    char path[PATH_BYTES], key[] = "a";
    char *data = calloc(BYTES, 1);
    size_t size;
    void *found;
    (void)state;
    setenv("CLCONV_CACHE_SIZE", "1", 1); /* MiB: room for three */
    for (int i = 0; i < ENTRIES; ++i, ++*key) {
        clconv__cache_put(key, data, BYTES);
        clconv_cache_entry entries[ENTRIES];
        assert_ok(clconv_cache_list(entries, ENTRIES, &size));
        assert_int_equal(size, i + 1);
        for (int e = 0; e < i; ++e)
            assert_int_equal(entries[e].used, 1000000 + e);
        snprintf(path, sizeof path, "%.200s/%.63s", folder, entries[i].file);
        set_last_use(path, 1000000 + i);
    }
    assert_true(clconv__cache_get(&found, &size, "a")); /* which is now used last */
    free(found);
    clconv__cache_put("d", data, BYTES);
    assert_int_equal(count_files(folder, NULL), 3);
    for (char k = 'a'; k <= 'd'; ++k) {
        const char name[] = {k, 0};
        assert_int_equal(clconv__cache_get(&found, &size, name), k != 'b');
        free(found);
    }
    /* What is larger than all of the cache is not kept. */
    setenv("CLCONV_CACHE_SIZE", "0", 1);
    clconv__cache_put("e", data, BYTES);
    assert_int_equal(count_files(folder, NULL), 3);
    free(data);
}

static void test_cache_put_removes_stale_temporary_files_alone(void **state) {
    static const char *const names[] = {".new-old", ".new-now", "somebody's notes"};
    char path[PATH_BYTES + 64];
    (void)state;
    put("one", "1");
    for (size_t i = 0; i < COUNT_OF(names); ++i) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        write_file(path, "x", 1);
        if (i != 1)
            set_last_use(path, 1000000);
    }
    put("two", "2");
    assert_int_equal(count_files(folder, NULL), 4);
    snprintf(path, sizeof path, "%s/%s", folder, names[0]);
    assert_int_equal(access(path, F_OK), -1);
}

/* ---- many at once ---- */

static void fill_block(char *block, size_t size, int writer) {
    memset(block, 'a' + writer, size);
}

/* Whether the entry is one that some writer wrote, from its first to its last byte. */
static bool is_somebodys(const char *key, size_t size) {
    void *data;
    size_t found;
    if (!clconv__cache_get(&data, &found, key))
        return false;
    const char *bytes = data;
    bool same = found == size;
    for (size_t i = 1; same && i < size; ++i)
        same = bytes[i] == bytes[0];
    free(data);
    return same;
}

static void write_and_read(int writer, int rounds) {
    enum { BYTES = 50000 };
    char *block = malloc(BYTES);
    fill_block(block, BYTES, writer);
    for (int i = 0; i < rounds; ++i) {
        char key[32];
        snprintf(key, sizeof key, "key %d", i % 4);
        clconv__cache_put(key, block, BYTES);
        if (!is_somebodys(key, BYTES))
            _exit(1);
    }
    free(block);
    _exit(0);
}

static void test_cache_of_sixteen_processes_at_once(void **state) {
    enum { PROCESSES = 16, ROUNDS = 20 };
    pid_t children[PROCESSES];
    (void)state;
    for (int i = 0; i < PROCESSES; ++i) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (!children[i])
            write_and_read(i, ROUNDS);
    }
    for (int i = 0; i < PROCESSES; ++i) {
        int how;
        assert_int_equal(waitpid(children[i], &how, 0), children[i]);
        assert_true(WIFEXITED(how) && WEXITSTATUS(how) == 0);
    }
    assert_int_equal(count_files(folder, NULL), 4);
}

static void test_cache_of_a_process_that_is_killed(void **state) {
    clconv_cache_entry entries[8];
    size_t count;
    (void)state;
    put("key 0", "data");
    for (int i = 0; i < 30; ++i) {
        const struct timespec pause = {0, 300000L * (i + 1)};
        pid_t child = fork();
        assert_true(child >= 0);
        if (!child)
            write_and_read(i % 16, 1000000);
        nanosleep(&pause, NULL);
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, NULL, 0), child);
        assert_ok(clconv_cache_list(entries, COUNT_OF(entries), &count));
        assert_true(count >= 1 && count <= 4);
        for (size_t e = 0; e < count; ++e)
            assert_true(entries[e].is_valid);
    }
}

/* ---- for people ---- */

static void test_cache_list_and_clear(void **state) {
    clconv_cache_entry entries[2];
    char path[PATH_BYTES + 80];
    size_t count = 9;
    (void)state;
    assert_ok(clconv_cache_list(NULL, 0, &count)); /* no folder yet */
    assert_int_equal(count, 0);
    assert_ok(clconv_cache_clear(NULL));
    put("a device\na driver\nx.cl\n-DX=1\nsource", "data");
    assert_ok(clconv_cache_list(NULL, 0, &count));
    assert_int_equal(count, 1);
    assert_ok(clconv_cache_list(entries, 2, &count));
    assert_int_equal(count, 1);
    assert_string_equal(entries[0].device, "a device");
    assert_string_equal(entries[0].driver, "a driver");
    assert_string_equal(entries[0].program, "x.cl");
    assert_string_equal(entries[0].options, "-DX=1");
    assert_true(entries[0].is_valid && entries[0].bytes > 40);
    assert_true(llabs((long long)(time(NULL) - entries[0].used)) < 100);

    snprintf(path, sizeof path, "%.200s/%.63s", folder, entries[0].file);
    write_file(path, "rubbish", 7);
    assert_ok(clconv_cache_list(entries, 2, &count));
    assert_int_equal(count, 1);
    assert_false(entries[0].is_valid);
    assert_string_equal(entries[0].device, "");

    snprintf(path, sizeof path, "%s/notes", folder);
    write_file(path, "mine", 4);
    assert_ok(clconv_cache_clear(&count));
    assert_int_equal(count, 1);
    assert_int_equal(count_files(folder, path), 1); /* what is no entry stays */
    assert_fails(clconv_cache_list(NULL, 1, &count), CLCONV_INVALID_ARGUMENT, "entries is NULL");
    assert_fails(clconv_cache_list(entries, 1, NULL), CLCONV_INVALID_ARGUMENT, "count is NULL");
}

/* A folder where others can put files is left alone, and people are told so. */
static void check_unused_folder(void) {
    clconv_cache_entry entry;
    size_t count = 77;
    put("other", "never kept");
    assert_false(has("key", "blob"));
    assert_int_equal(count_files(folder, NULL), 1);
    assert_fails(clconv_cache_list(&entry, 1, &count), CLCONV_FILE, folder);
    assert_message("is not used");
    assert_int_equal(count, 77);
    assert_fails(clconv_cache_clear(&count), CLCONV_FILE, folder);
    assert_int_equal(count, 0);
    assert_int_equal(count_files(folder, NULL), 1);
}

static void test_cache_leaves_a_folder_that_all_can_write(void **state) {
    (void)state;
    put("key", "blob");
    assert_true(has("key", "blob"));
    assert_int_equal(chmod(folder, 0777), 0);
    check_unused_folder();
    assert_int_equal(chmod(folder, 0755), 0);
    assert_true(has("key", "blob"));
}

static void test_cache_leaves_a_folder_of_another_user(void **state) {
    (void)state;
    if (geteuid())
        skip_because("only root can give a folder away");
    put("key", "blob");
    assert_int_equal(chown(folder, 12345, 12345), 0);
    check_unused_folder();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cache_test(test_cache_leaves_a_folder_that_all_can_write),
        cache_test(test_cache_leaves_a_folder_of_another_user),
        cache_test(test_cache_get_what_was_put),
        cache_test(test_cache_get_every_truncation_and_changed_bit),
        cache_test(test_cache_get_entry_of_another_key),
        cache_test(test_cache_get_file_that_others_can_write),
        cache_test(test_cache_folder_that_cannot_be),
        cache_test(test_cache_folder_that_is_a_link),
        cache_test(test_cache_folder_from_the_environment),
        cache_test(test_cache_put_on_a_full_disk),
        cache_test(test_cache_put_removes_what_was_used_longest_ago),
        cache_test(test_cache_put_removes_stale_temporary_files_alone),
        cache_test(test_cache_of_sixteen_processes_at_once),
        cache_test(test_cache_of_a_process_that_is_killed),
        cache_test(test_cache_list_and_clear),
    };
    return run_group(tests);
}
