#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int clconv__join(char path[CLCONV__PATH_SIZE], const char *a, const char *b, const char *c) {
    return snprintf(path, CLCONV__PATH_SIZE, "%s%s%s", a, b, c) < CLCONV__PATH_SIZE;
}

void clconv__user_folder(char path[CLCONV__PATH_SIZE], const clconv__place *place) {
    const char *own = getenv(place->own), *base = getenv(place->base), *home = getenv("HOME");
    int fits = 1;
    *path = 0;
    if (own)
        fits = clconv__join(path, own, "", "");
    else if (base && *base == '/') /* others are invalid, says the XDG specification */
        fits = clconv__join(path, base, place->in_base, "");
    else if (home && *home)
        fits = clconv__join(path, home, place->under_home, "");
    if (!fits)
        *path = 0;
}

void clconv__make_folder(const char *folder) {
    char path[CLCONV__PATH_SIZE];
    if (!clconv__join(path, folder, "", ""))
        return;
    for (char *at = path + 1; *path && *at; ++at)
        if (*at == '/') {
            *at = 0;
            (void)mkdir(path, 0700);
            *at = '/';
        }
    (void)mkdir(path, 0700);
}

int clconv__read_all(int file, void *data, size_t size) {
    char *bytes = data;
    while (size) {
        const ssize_t count = read(file, bytes, size);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return 0;
        bytes += count;
        size -= (size_t)count;
    }
    return 1;
}

int clconv__write_all(int file, const void *data, size_t size) {
    const char *bytes = data;
    while (size) {
        const ssize_t count = write(file, bytes, size);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return 0;
        bytes += count;
        size -= (size_t)count;
    }
    return 1;
}

/* A limit on the size of files sends a signal, too, which would end a process that knows nothing of
 * it. It is this thread's. */
static void hold_limit_signal(sigset_t *before) {
    sigset_t limit;
    sigemptyset(&limit);
    sigaddset(&limit, SIGXFSZ);
    pthread_sigmask(SIG_BLOCK, &limit, before);
}

static void drop_limit_signal(const sigset_t *before) {
    sigset_t limit, pending;
    int number;
    sigemptyset(&limit);
    sigaddset(&limit, SIGXFSZ);
    if (!sigismember(before, SIGXFSZ) && !sigpending(&pending) && sigismember(&pending, SIGXFSZ))
        sigwait(&limit, &number);
    pthread_sigmask(SIG_SETMASK, before, NULL);
}

int clconv__replace_file(const char *folder, const char *path,
                         int (*write)(int file, const void *context), const void *context) {
    char temporary[CLCONV__PATH_SIZE];
    sigset_t before;
    /* mkstemp() puts letters in the place of the last six. */
    if (!clconv__join(temporary, folder, "/" CLCONV__TEMPORARY_PREFIX, "XXXXXX")) {
        errno = ENAMETOOLONG;
        return 0;
    }
    const int file = mkstemp(temporary); /* which only this user can read or write */
    if (file < 0)
        return 0;
    (void)fcntl(file, F_SETFD, FD_CLOEXEC);
    hold_limit_signal(&before);
    int is_done = write(file, context) && !fsync(file);
    drop_limit_signal(&before);
    is_done = !close(file) && is_done && !rename(temporary, path);
    if (!is_done) {
        const int reason = errno;
        (void)unlink(temporary);
        errno = reason;
    }
    return is_done;
}
