/* Files of tuned choices: what was kept is found, whatever is wrong with a file or folder is no
 * more than a note, and no line makes a choice that the table lacks. */
#include "tuning.h"

#include "support/support.h"
#include "support/temporary.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PATH_BYTES = 512, FILE_BYTES = 8192 };

static char root[TEMPORARY_SIZE], folder[PATH_BYTES];

/* A device of which nothing but its texts is looked at. */
static clconv_device device;

static int set_up(void **state) {
    (void)state;
    if (make_temporary_folder(root, "tuning"))
        return -1;
    snprintf(folder, sizeof folder, "%s/of/choices", root);
    clconv_device_info *i = &device.info;
    *i = (clconv_device_info){.kind = CLCONV_KIND_CPU, .compute_units = 2};
    snprintf(i->name, sizeof i->name, "A \"CPU\", the 2nd");
    snprintf(i->platform, sizeof i->platform, "Platform");
    snprintf(i->vendor, sizeof i->vendor, "Vendor");
    snprintf(i->version, sizeof i->version, "OpenCL 3.0");
    snprintf(i->driver, sizeof i->driver, "1.2");
    return 0;
}

static int tear_down(void **state) {
    char command[PATH_BYTES];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", root);
    return system(command) ? -1 : 0;
}

#define tuning_test(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

/* ---- helpers ---- */

static clconv_problem problem_of(const char *text) {
    clconv_problem problem;
    assert_ok(clconv_problem_parse(&problem, text));
    return problem;
}

static clconv__choice choice_of(const char *name, size_t tile) {
    const clconv__algo *algo = clconv__find_algo(name);
    assert_non_null(algo);
    return (clconv__choice){.algo = algo, .tile = algo->tiles ? &algo->tiles[tile] : NULL};
}

static bool keep_in(const char *where, const char *problem, const char *name, size_t tile,
                    double seconds, char note[CLCONV__NOTE_SIZE]) {
    const clconv_problem p = problem_of(problem);
    const clconv__choice choice = choice_of(name, tile);
    return clconv__tuning_keep(note, &device, &p, &choice, seconds, where);
}

static void keep(const char *problem, const char *name, size_t tile, double seconds) {
    char note[CLCONV__NOTE_SIZE];
    if (!keep_in(folder, problem, name, tile, seconds, note))
        fail_msg("%s", note);
    assert_string_equal(note, "");
}

static bool find(clconv__entry *entry, const char *problem, char note[CLCONV__NOTE_SIZE]) {
    const char *const folders[] = {folder};
    const clconv_problem p = problem_of(problem);
    return clconv__tuning_find(entry, note, &device, &p, folders, 1);
}

static void assert_found(const char *problem, const char *name, size_t tile) {
    char note[CLCONV__NOTE_SIZE];
    clconv__entry entry;
    const clconv__choice choice = choice_of(name, tile);
    if (!find(&entry, problem, note))
        fail_msg("%s is not there: %s", problem, note);
    assert_ptr_equal(entry.choice.algo, choice.algo);
    assert_ptr_equal(entry.choice.tile, choice.tile);
    assert_string_equal(note, "");
}

/* Nothing is found, and the note says why: it contains the text, or is empty with "". */
static void assert_not_found(const char *problem, const char *text) {
    char note[CLCONV__NOTE_SIZE];
    clconv__entry entry;
    assert_false(find(&entry, problem, note));
    if (*text ? !strstr(note, text) : *note != 0)
        fail_msg("\"%s\" is not in the note \"%s\"", text, note);
}

static const char *path_of_file(void) {
    static char path[CLCONV__PATH_SIZE];
    assert_true(clconv__tuning_path(path, &device, folder));
    return path;
}

static size_t read_file(char bytes[FILE_BYTES]) {
    FILE *f = fopen(path_of_file(), "rb");
    assert_non_null(f);
    const size_t size = fread(bytes, 1, FILE_BYTES - 1, f);
    fclose(f);
    bytes[size] = 0;
    return size;
}

static void write_file(const void *bytes, size_t size) {
    FILE *f = fopen(path_of_file(), "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

/* Puts other text in the place of the only occurrence of some. */
static void change_file(const char *old, const char *new) {
    char text[FILE_BYTES], changed[2 * FILE_BYTES];
    read_file(text);
    char *at = strstr(text, old);
    if (!at || strstr(at + 1, old))
        fail_msg("\"%s\" is not once in the file:\n%s", old, text);
    snprintf(changed, sizeof changed, "%.*s%s%s", (int)(at - text), text, new, at + strlen(old));
    write_file(changed, strlen(changed));
}

/* ---- keeping and finding ---- */

static void test_tuning_find_what_was_kept(void **state) {
    (void)state;
    assert_not_found("ic3ih8_oc4kh3", "");
    keep("ic3ih8_oc4kh3", "tiled", 2, 1e-3);
    keep("ic3ih8_oc4kh5", "im2col_clblast", 0, 2e-3);
    assert_found("ic3ih8_oc4kh3", "tiled", 2);
    assert_found("ic3ih8_oc4kh5", "im2col_clblast", 0);
    assert_found("mb1ic3ih8iw8oc4oh6kh3n\"a name\"", "tiled", 2);
    assert_not_found("ic3ih9_oc4kh3", "");
    keep("ic3ih8_oc4kh3_n\"the same\"", "vector", 1, 5e-4);
    assert_found("ic3ih8_oc4kh3", "vector", 1);
    assert_found("ic3ih8_oc4kh5", "im2col_clblast", 0);
}

static void test_tuning_keep_writes_lines_for_people(void **state) {
    char text[FILE_BYTES];
    (void)state;
    keep("ic9ih8_oc4kh3", "tiled", 0, 12.5e-6);
    keep("ic3ih8_oc4kh3", "direct", 1, 0);
    read_file(text);
    assert_non_null(strstr(path_of_file(), "/A-CPU-the-2nd-"));
    assert_ptr_equal(strstr(text, "clconv tuning 1\n"
                                  "device A \"CPU\", the 2nd\n"
                                  "platform Platform\n"
                                  "vendor Vendor\n"
                                  "version OpenCL 3.0\n"
                                  "driver 1.2\n"
                                  "units 2\n"
                                  "# problem algorithm tile microseconds library\n"
                                  "mb1_ic3ih8iw8_oc4oh6ow6_kh3kw3_sh1sw1_ph0pw0_dh0dw0 direct 16 "
                                  "0.1 "),
                     text);
    assert_non_null(strstr(text, " tiled 8x8x4x8 12.5 "));
}

static void test_tuning_find_first_folder_decides(void **state) {
    char other[PATH_BYTES], note[CLCONV__NOTE_SIZE];
    const clconv_problem p = problem_of("ic3ih8_oc4kh3"), q = problem_of("ic5ih8_oc4kh3");
    const char *const folders[] = {folder, other};
    clconv__entry entry;
    (void)state;
    snprintf(other, sizeof other, "%s/shared", root);
    assert_true(keep_in(other, "ic3ih8_oc4kh3", "tiled", 0, 1, note));
    assert_true(keep_in(other, "ic5ih8_oc4kh3", "tiled", 1, 1, note));
    keep("ic3ih8_oc4kh3", "direct", 0, 1);
    assert_true(clconv__tuning_find(&entry, note, &device, &p, folders, 2));
    assert_string_equal(entry.choice.algo->name, "direct");
    assert_true(clconv__tuning_find(&entry, note, &device, &q, folders, 2));
    assert_string_equal(entry.choice.algo->name, "tiled");
    /* The user's entry decides even where it cannot be used. */
    change_file(" direct ", " magic ");
    assert_false(clconv__tuning_find(&entry, note, &device, &p, folders, 2));
    assert_non_null(strstr(note, "magic"));
}

static void test_tuning_folders_from_the_environment(void **state) {
    const char *folders[CLCONV__TUNING_FOLDERS];
    char own[CLCONV__PATH_SIZE], path[CLCONV__PATH_SIZE];
    char *home = getenv("HOME") ? strdup(getenv("HOME")) : NULL;
    (void)state;
    setenv("CLCONV_TUNING_DIR", "/x/own", 1);
    assert_int_equal(clconv__tuning_folders(folders, own), 2);
    assert_string_equal(folders[0], "/x/own");
    assert_non_null(strstr(folders[1], "/clconv/tuning"));
    assert_ok(clconv_tuning_file(path, sizeof path, &device));
    assert_ptr_equal(strstr(path, "/x/own/A-CPU-the-2nd-"), path);
    assert_fails(clconv_tuning_file(path, 9, &device), CLCONV_BUFFER_TOO_SMALL, "size is 9");
    assert_fails(clconv_tuning_file(NULL, 9, &device), CLCONV_INVALID_ARGUMENT, "path is NULL");
    assert_fails(clconv_tuning_file(path, 9, NULL), CLCONV_INVALID_ARGUMENT, "device is NULL");
    setenv("CLCONV_TUNING_DIR", "", 1);
    assert_int_equal(clconv__tuning_folders(folders, own), 0);
    assert_ok(clconv_tuning_file(path, sizeof path, &device));
    assert_string_equal(path, "");
    unsetenv("CLCONV_TUNING_DIR");
    setenv("XDG_CONFIG_HOME", "/x/config", 1);
    assert_int_equal(clconv__tuning_folders(folders, own), 2);
    assert_string_equal(own, "/x/config/clconv/tuning");
    unsetenv("XDG_CONFIG_HOME");
    setenv("HOME", "/x/home", 1);
    assert_int_equal(clconv__tuning_folders(folders, own), 2);
    assert_string_equal(own, "/x/home/.config/clconv/tuning");
    unsetenv("HOME");
    assert_int_equal(clconv__tuning_folders(folders, own), 1);
    if (home)
        setenv("HOME", home, 1);
    free(home);
    setenv("CLCONV_TUNING_DIR", "", 1);
}

/* ---- what is not used ---- */

static void test_tuning_find_of_another_device(void **state) {
    static const char *const changes[][3] = {
        {"device A \"CPU\", the 2nd", "device Another", "made for device Another, platform"},
        {"driver 1.2", "driver 1.3", "driver 1.3, units 2, which is not this device or driver"},
        {"units 2", "units 64", "units 64"},
        {"clconv tuning 1", "clconv tuning 2", "does not begin with \"clconv tuning 1\""},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(changes); ++i) {
        keep("ic3ih8_oc4kh3", "tiled", 2, 1e-3);
        change_file(changes[i][0], changes[i][1]);
        assert_not_found("ic3ih8_oc4kh3", changes[i][2]);
    }
    /* Its entries are not taken over. */
    keep("ic5ih8_oc4kh3", "tiled", 2, 1e-3);
    assert_found("ic5ih8_oc4kh3", "tiled", 2);
    assert_not_found("ic3ih8_oc4kh3", "");
}

static void test_tuning_find_lines_that_cannot_be_used(void **state) {
    static const char *const changes[][3] = {
        {" tiled ", " tile ", "no algorithm \"tile\""},
        {" 8x4x1x4 ", " 8x4x1x5 ", "a tile \"8x4x1x5\""},
        {" 8x4x1x4 ", " 8x4x1x4x0 ", "a tile \"8x4x1x4x0\""},
        {" 8x4x1x4 ", " - ", "a tile \"-\""},
        {" 1000.0 ", " 0 ", "takes \"0\" microseconds"},
        {" 1000.0 ", " -1 ", "takes \"-1\" microseconds"},
        {" 1000.0 ", " nan ", "takes \"nan\" microseconds"},
        {" 1000.0 ", " inf ", "takes \"inf\" microseconds"},
        {" 1000.0 ", " 10e ", "takes \"10e\" microseconds"},
        {" 1000.0 ", " 1000.0 0", "measured with another library"},
        {" 1000.0 ", " 1000.0  ", ""},
        {" 1000.0 ", " ", ""},
        {" 1000.0 ", " 1000.0 1 ", ""},
        {"\nmb1_", "\n#mb1_", ""},
    };
    char text[FILE_BYTES];
    (void)state;
    for (size_t i = 0; i < COUNT_OF(changes); ++i) {
        keep("ic3ih8_oc4kh3", "tiled", 2, 1e-3);
        change_file(changes[i][0], changes[i][1]);
        assert_not_found("ic3ih8_oc4kh3", changes[i][2]);
    }
    keep("ic3ih8_oc4kh3", "tiled", 2, 1e-3);
    const size_t size = read_file(text);
    text[size - 2] = text[size - 2] == '0' ? '1' : '0'; /* the last digit of the hash */
    write_file(text, size);
    assert_not_found("ic3ih8_oc4kh3", "measured with another library");
    keep("ic3ih8_oc4kh3", "im2col_clblast", 0, 1e-3);
    change_file(" - ", " 2x7 ");
    assert_not_found("ic3ih8_oc4kh3", "no algorithm \"im2col_clblast\" has a tile \"2x7\"");
}

static void test_tuning_find_among_garbage(void **state) {
    static const char garbage[] = "\n\n \n    \nx\nic3ih8_oc4kh3\na b c d e f g\n\xff\xfe\n";
    char text[2 * FILE_BYTES];
    (void)state;
    keep("ic3ih8_oc4kh3", "tiled", 2, 1e-3);
    change_file("\nmb1_", "\n\n \n    \nx\nmb1_ a\na b c d e f g\n\xff\xfe\nmb1_");
    assert_found("ic3ih8_oc4kh3", "tiled", 2);
    size_t size = read_file(text);
    memcpy(text + size, garbage, sizeof garbage); /* with a zero byte */
    write_file(text, size + sizeof garbage);
    assert_found("ic3ih8_oc4kh3", "tiled", 2);
    /* What is no entry does not live on. */
    keep("ic5ih8_oc4kh3", "tiled", 1, 1e-3);
    read_file(text);
    assert_null(strstr(text, "\nx\n"));
    assert_null(strstr(text, "\xff"));
    assert_found("ic3ih8_oc4kh3", "tiled", 2);
    assert_found("ic5ih8_oc4kh3", "tiled", 1);
}

/* Whether it is a row of the table with one of its tiles. */
static bool is_in_table(const clconv__entry *e) {
    const clconv__algo *algo = e->choice.algo;
    if (clconv__algo_index(algo) == clconv__algo_count)
        return false;
    const clconv__tile *tile = algo->tiles;
    while (tile && tile->value[0] && tile != e->choice.tile)
        ++tile;
    return (tile ? tile->value[0] != 0 : !e->choice.tile) && e->seconds > 0 && isfinite(e->seconds);
}

static void test_tuning_find_every_truncation_and_changed_bit(void **state) {
    char whole[FILE_BYTES], changed[FILE_BYTES], note[CLCONV__NOTE_SIZE];
    clconv__entry entry;
    size_t found = 0;
    (void)state;
    keep("ic3ih8_oc4kh3", "tiled", 2, 1e-3);
    keep("ic4ih8_oc4kh3", "vector", 1, 1e-4);
    const size_t size = read_file(whole);
    for (size_t length = 0; length < size; ++length) {
        write_file(whole, length);
        assert_false(find(&entry, "ic4ih8_oc4kh3", note)); /* the last line lacks its end */
        if (find(&entry, "ic3ih8_oc4kh3", note))
            ++found;
    }
    assert_true(found > 50 && found < size / 2);
    for (size_t i = 0; i < 8 * size; ++i) {
        memcpy(changed, whole, size);
        changed[i / 8] = (char)(changed[i / 8] ^ 1 << i % 8);
        write_file(changed, size);
        if (find(&entry, "ic3ih8_oc4kh3", note))
            assert_true(is_in_table(&entry) && !*note);
    }
    /* Every one of them can be written to again. */
    for (size_t length = 0; length < size; length += 17) {
        write_file(whole, length);
        keep("ic5ih8_oc4kh3", "tiled", 0, 1e-3);
        assert_found("ic5ih8_oc4kh3", "tiled", 0);
    }
}

/* ---- folders ---- */

static void test_tuning_in_folders_that_cannot_be(void **state) {
    static const char *const names[] = {"/dev/null/x", "/proc/none", "/sys/none"};
    char note[CLCONV__NOTE_SIZE];
    clconv__entry entry;
    (void)state;
    for (size_t i = 0; i < COUNT_OF(names); ++i) {
        snprintf(folder, sizeof folder, "%s", names[i]);
        assert_false(find(&entry, "ic3ih8_oc4kh3", note));
        assert_false(keep_in(folder, "ic3ih8_oc4kh3", "tiled", 2, 1e-3, note));
        assert_non_null(strstr(note, names[i]));
    }
    char *longest = calloc(20000, 1);
    memset(longest, '/', 19999);
    assert_false(keep_in(longest, "ic3ih8_oc4kh3", "tiled", 2, 1e-3, note));
    assert_non_null(strstr(note, "too long"));
    free(longest);
}

static void test_tuning_in_a_folder_that_is_a_link(void **state) {
    char real[PATH_BYTES], note[CLCONV__NOTE_SIZE];
    (void)state;
    snprintf(real, sizeof real, "%s/real", root);
    snprintf(folder, sizeof folder, "%s/link", root);
    assert_int_equal(mkdir(real, 0700), 0);
    assert_int_equal(symlink(real, folder), 0);
    keep("ic3ih8_oc4kh3", "tiled", 2, 1e-3);
    assert_found("ic3ih8_oc4kh3", "tiled", 2);
    /* One that leads nowhere. */
    assert_int_equal(unlink(folder), 0);
    assert_int_equal(symlink("/dev/null/x", folder), 0);
    assert_not_found("ic3ih8_oc4kh3", "");
    assert_false(keep_in(folder, "ic3ih8_oc4kh3", "tiled", 2, 1e-3, note));
    assert_non_null(strstr(note, folder));
}

static void test_tuning_files_that_are_none(void **state) {
    char real[PATH_BYTES];
    (void)state;
    keep("ic3ih8_oc4kh3", "tiled", 2, 1e-3);
    assert_int_equal(unlink(path_of_file()), 0);
    assert_int_equal(mkfifo(path_of_file(), 0600), 0); /* whose other end nobody opens */
    assert_not_found("ic3ih8_oc4kh3", path_of_file());
    keep("ic3ih8_oc4kh3", "tiled", 2, 1e-3);
    assert_found("ic3ih8_oc4kh3", "tiled", 2);
    /* A link serves, and one that leads nowhere is replaced. */
    snprintf(real, sizeof real, "%s/real", root);
    assert_int_equal(rename(path_of_file(), real), 0);
    assert_int_equal(symlink(real, path_of_file()), 0);
    assert_found("ic3ih8_oc4kh3", "tiled", 2);
    assert_int_equal(unlink(real), 0);
    assert_not_found("ic3ih8_oc4kh3", "");
    keep("ic3ih8_oc4kh3", "tiled", 2, 1e-3);
    assert_found("ic3ih8_oc4kh3", "tiled", 2);
    assert_int_equal(unlink(path_of_file()), 0);
    assert_int_equal(mkdir(path_of_file(), 0700), 0);
    assert_not_found("ic3ih8_oc4kh3", path_of_file());
    char note[CLCONV__NOTE_SIZE];
    assert_false(keep_in(folder, "ic3ih8_oc4kh3", "tiled", 2, 1e-3, note));
    assert_non_null(strstr(note, path_of_file()));
}

/* A disk that is full in the middle of a file: the limit of file sizes stands in for it. */
static void test_tuning_keep_on_a_full_disk(void **state) {
    struct rlimit old, tiny;
    char note[CLCONV__NOTE_SIZE];
    (void)state;
    keep("ic3ih8_oc4kh3", "tiled", 2, 1e-3);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    tiny = old;
    for (rlim_t size = 0; size < 300; size += 41) {
        tiny.rlim_cur = size;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &tiny), 0);
        assert_false(keep_in(folder, "ic5ih8_oc4kh3", "tiled", 1, 1e-3, note));
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
        assert_non_null(strstr(note, "writing"));
        assert_found("ic3ih8_oc4kh3", "tiled", 2);
        assert_not_found("ic5ih8_oc4kh3", "");
    }
}

/* ---- many at once ---- */

static void keep_many(int writer, int rounds) {
    for (int i = 0; i < rounds; ++i) {
        char text[64], note[CLCONV__NOTE_SIZE];
        snprintf(text, sizeof text, "ic%dih%d_oc4kh3", writer + 1, 8 + i % 8);
        if (!keep_in(folder, text, "tiled", (size_t)(i % 5), 1e-3, note))
            _exit(1);
    }
    _exit(0);
}

static pid_t start(int writer, int rounds) {
    pid_t child = fork();
    assert_true(child >= 0);
    if (!child)
        keep_many(writer, rounds);
    return child;
}

static void test_tuning_keep_by_sixteen_processes_at_once(void **state) {
    enum { PROCESSES = 16, ROUNDS = 4 };
    pid_t children[PROCESSES];
    (void)state;
    for (int i = 0; i < PROCESSES; ++i)
        children[i] = start(i, ROUNDS);
    for (int i = 0; i < PROCESSES; ++i) {
        int how;
        assert_int_equal(waitpid(children[i], &how, 0), children[i]);
        assert_true(WIFEXITED(how) && WEXITSTATUS(how) == 0);
    }
    for (int i = 0; i < PROCESSES * ROUNDS; ++i) { /* nobody's entry was lost */
        char text[64];
        snprintf(text, sizeof text, "ic%dih%d_oc4kh3", i / ROUNDS + 1, 8 + i % ROUNDS);
        assert_found(text, "tiled", (size_t)(i % ROUNDS % 5));
    }
}

static void test_tuning_keep_by_a_process_that_is_killed(void **state) {
    (void)state;
    keep("ic3ih8_oc4kh5", "tiled", 2, 1e-3);
    for (int i = 0; i < 20; ++i) {
        const struct timespec pause = {0, 300000L * (i + 1)};
        const pid_t child = start(i, 1000000);
        nanosleep(&pause, NULL);
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, NULL, 0), child);
        assert_found("ic3ih8_oc4kh5", "tiled", 2);
    }
    keep("ic3ih8_oc4kh3", "tiled", 0, 1e-3); /* its lock is gone, too */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        tuning_test(test_tuning_find_what_was_kept),
        tuning_test(test_tuning_keep_writes_lines_for_people),
        tuning_test(test_tuning_find_first_folder_decides),
        tuning_test(test_tuning_folders_from_the_environment),
        tuning_test(test_tuning_find_of_another_device),
        tuning_test(test_tuning_find_lines_that_cannot_be_used),
        tuning_test(test_tuning_find_among_garbage),
        tuning_test(test_tuning_find_every_truncation_and_changed_bit),
        tuning_test(test_tuning_in_folders_that_cannot_be),
        tuning_test(test_tuning_in_a_folder_that_is_a_link),
        tuning_test(test_tuning_files_that_are_none),
        tuning_test(test_tuning_keep_on_a_full_disk),
        tuning_test(test_tuning_keep_by_sixteen_processes_at_once),
        tuning_test(test_tuning_keep_by_a_process_that_is_killed),
    };
    return run_group(tests);
}
