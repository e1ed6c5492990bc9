/*
 * Stands between clconv and the C library: fails a chosen call, and counts memory, files and
 * mappings that are held. The linker puts it there (--wrap; tests/CMakeLists.txt reads the names
 * from the table). Include it once in a program. What drivers and other libraries call is not
 * affected.
 */
#ifndef CLCONV_TESTS_HOST_FAULTS_H
#define CLCONV_TESTS_HOST_FAULTS_H

#include "support.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * CALL(name, type, parameters, arguments, failure, change, errors...)  change: of what is held,
 * after success BACK(name, type, parameters, arguments, failure, error)  gives something back, also
 * on failure DROP(name, parameters, arguments, is_held)               cannot fail OPEN(name,
 * errors...)                                    open(), whose mode is optional
 */
#define HOST_CALLS(CALL, BACK, DROP, OPEN)                                                         \
    CALL(malloc, void *, (size_t n), (n), NULL, 1, ENOMEM)                                         \
    CALL(calloc, void *, (size_t m, size_t n), (m, n), NULL, 1, ENOMEM)                            \
    CALL(realloc, void *, (void *p, size_t n), (p, n), NULL, p == NULL, ENOMEM)                    \
    CALL(aligned_alloc, void *, (size_t a, size_t n), (a, n), NULL, 1, ENOMEM)                     \
    CALL(strdup, char *, (const char *s), (s), NULL, 1, ENOMEM)                                    \
    CALL(realpath, char *, (const char *p, char *to), (p, to), NULL, 1, ENOMEM, EACCES)            \
    CALL(fopen, FILE *, (const char *p, const char *m), (p, m), NULL, 1, EMFILE, EACCES)           \
    CALL(fdopen, FILE *, (int d, const char *m), (d, m), NULL, 0, ENOMEM)                          \
    CALL(opendir, DIR *, (const char *p), (p), NULL, 1, EMFILE, EACCES)                            \
    CALL(mkstemp, int, (char *p), (p), -1, 1, EMFILE, ENOSPC, EROFS)                               \
    CALL(memfd_create, int, (const char *n, unsigned f), (n, f), -1, 1, EMFILE)                    \
    CALL(ftruncate, int, (int d, off_t n), (d, n), -1, 0, ENOSPC)                                  \
    CALL(fstat, int, (int d, struct stat *s), (d, s), -1, 0, EIO)                                  \
    CALL(read, ssize_t, (int d, void *p, size_t n), (d, p, n), -1, 0, EIO)                         \
    CALL(write, ssize_t, (int d, const void *p, size_t n), (d, p, n), -1, 0, ENOSPC, EIO)          \
    CALL(fsync, int, (int d), (d), -1, 0, EIO, ENOSPC)                                             \
    CALL(rename, int, (const char *a, const char *b), (a, b), -1, 0, EACCES, ENOSPC)               \
    CALL(mkdir, int, (const char *p, mode_t m), (p, m), -1, 0, EACCES, ENOSPC)                     \
    CALL(fseek, int, (FILE * f, long o, int w), (f, o, w), -1, 0, ESPIPE)                          \
    CALL(pthread_create, int,                                                                      \
         (pthread_t * t, const pthread_attr_t *a, void *(*f)(void *), void *c), (t, a, f, c),      \
         EAGAIN, 0, EAGAIN)                                                                        \
    CALL(fork, pid_t, (void), (), -1, 0, EAGAIN, ENOMEM)                                           \
    CALL(socketpair, int, (int d, int t, int p, int *s), (d, t, p, s), -1, 2, EMFILE)              \
    CALL(poll, int, (struct pollfd * p, nfds_t n, int t), (p, n, t), -1, 0, ENOMEM, EINTR)         \
    CALL(send, ssize_t, (int d, const void *p, size_t n, int f), (d, p, n, f), -1, 0, EPIPE)       \
    CALL(recv, ssize_t, (int d, void *p, size_t n, int f), (d, p, n, f), -1, 0, ECONNRESET, EINTR) \
    CALL(mmap, void *, (void *p, size_t n, int a, int f, int d, off_t o), (p, n, a, f, d, o),      \
         MAP_FAILED, 1, ENOMEM)                                                                    \
    BACK(munmap, int, (void *p, size_t n), (p, n), -1, EINVAL)                                     \
    BACK(close, int, (int d), (d), -1, EIO)                                                        \
    BACK(fclose, int, (FILE * f), (f), EOF, ENOSPC)                                                \
    BACK(closedir, int, (DIR * d), (d), -1, EBADF)                                                 \
    DROP(free, (void *p), (p), p != NULL)                                                          \
    OPEN(open, EMFILE, EACCES, ENOSPC)

typedef struct host_faults {
    atomic_int is_armed;
    atomic_long calls; /* since it was armed */
    long fail_at;      /* which call fails; 0 for none */
    int lasts;         /* and all calls of this function behind it */
    size_t code;       /* with which of its errors */
    const char *name;  /* of the call that failed; NULL while none did */
    int failed_with;   /* errno */
    size_t code_count; /* of that call */
    atomic_long held;
} host_faults;

static host_faults host_fault_state;

static inline void host_faults_arm(long fail_at, size_t code, int lasts) {
    host_faults *f = &host_fault_state;
    f->calls = 0;
    f->fail_at = fail_at;
    f->code = code;
    f->lasts = lasts;
    f->name = NULL;
    f->is_armed = 1;
}

static inline void host_faults_disarm(void) {
    host_fault_state.is_armed = 0;
}

/* The errno that this call fails with, or 0. */
static inline int host_faults_meet(const char *name, const int *errors, size_t count) {
    host_faults *f = &host_fault_state;
    if (!f->is_armed || (atomic_fetch_add(&f->calls, 1) + 1 != f->fail_at &&
                         !(f->lasts && f->name && strcmp(f->name, name) == 0)))
        return 0;
    f->name = name;
    f->code_count = count;
    f->failed_with = errors[f->code % count];
    errno = f->failed_with;
    return f->failed_with;
}

/* Of two processes the parent goes on to fail. */
static inline void host_faults_after(const char *name, long result) {
    if (result == 0 && strcmp(name, "fork") == 0)
        host_fault_state.is_armed = 0;
}

#define HOST_MEET(name, ...)                                                                       \
    static const int errors[] = {__VA_ARGS__};                                                     \
    int failed_with = host_faults_meet(#name, errors, COUNT_OF(errors))

#define WRAP_CALL(name, type, parameters, arguments, failure, change, ...)                         \
    type __real_##name parameters;                                                                 \
    type __wrap_##name parameters;                                                                 \
    type __wrap_##name parameters {                                                                \
        HOST_MEET(name, __VA_ARGS__);                                                              \
        if (failed_with)                                                                           \
            return failure;                                                                        \
        const long held = (change);                                                                \
        type result = __real_##name arguments;                                                     \
        host_faults_after(#name, (long)result);                                                    \
        if (result != failure)                                                                     \
            host_fault_state.held += held;                                                         \
        return result;                                                                             \
    }
#define WRAP_BACK(name, type, parameters, arguments, failure, ...)                                 \
    type __real_##name parameters;                                                                 \
    type __wrap_##name parameters;                                                                 \
    type __wrap_##name parameters {                                                                \
        type result = __real_##name arguments;                                                     \
        host_fault_state.held -= 1;                                                                \
        HOST_MEET(name, __VA_ARGS__);                                                              \
        return failed_with ? failure : result;                                                     \
    }
#define WRAP_DROP(name, parameters, arguments, is_held)                                            \
    void __real_##name parameters;                                                                 \
    void __wrap_##name parameters;                                                                 \
    void __wrap_##name parameters {                                                                \
        host_fault_state.held -= (is_held);                                                        \
        __real_##name arguments;                                                                   \
    }
#define WRAP_OPEN(name, ...)                                                                       \
    int __real_##name(const char *path, int flags, ...);                                           \
    int __wrap_##name(const char *path, int flags, ...);                                           \
    int __wrap_##name(const char *path, int flags, ...) {                                          \
        va_list rest;                                                                              \
        va_start(rest, flags);                                                                     \
        const unsigned mode = flags & O_CREAT ? va_arg(rest, unsigned) : 0;                        \
        va_end(rest);                                                                              \
        HOST_MEET(name, __VA_ARGS__);                                                              \
        const int descriptor = failed_with ? -1 : __real_##name(path, flags, mode);                \
        host_fault_state.held += descriptor >= 0;                                                  \
        return descriptor;                                                                         \
    }

HOST_CALLS(WRAP_CALL, WRAP_BACK, WRAP_DROP, WRAP_OPEN)

#endif
