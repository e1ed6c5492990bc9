#define _GNU_SOURCE
#include "parallel.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>
#ifdef __linux__
#include <sched.h>
#endif

enum { MAX_THREADS = 256 };

unsigned clconv__processors(void) {
    long count = sysconf(_SC_NPROCESSORS_ONLN);
#ifdef __linux__
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) == 0)
        count = CPU_COUNT(&allowed);
#endif
    return count < 1 ? 1 : count > MAX_THREADS ? MAX_THREADS : (unsigned)count;
}

typedef struct job {
    size_t count;
    void (*body)(void *context, size_t index);
    void *context;
    atomic_size_t next;
} job;

static void *work(void *argument) {
    job *j = argument;
    for (size_t i; (i = atomic_fetch_add(&j->next, 1)) < j->count;)
        j->body(j->context, i);
    return NULL;
}

void clconv__parallel_for(size_t count, void (*body)(void *context, size_t index), void *context) {
    job j = {.count = count, .body = body, .context = context, .next = 0};
    pthread_t threads[MAX_THREADS];
    size_t wanted = clconv__processors();
    size_t started = 0;
    if (wanted > count)
        wanted = count;
    while (started + 1 < wanted && pthread_create(&threads[started], NULL, work, &j) == 0)
        ++started;
    work(&j);
    while (started)
        pthread_join(threads[--started], NULL);
}
