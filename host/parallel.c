#define _GNU_SOURCE
#include "parallel.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

/*
 * Waking a thread takes as long as a small layer, and layers follow each other closely. So those
 * who wait look again a few times, some 50 us in all, before they sleep; to yield lets others work
 * meanwhile.
 */
enum { MAX_THREADS = 256, YIELDS = 200 };

/* sysconf() reads a file, which takes as long as a small layer. */
unsigned clconv__processors(void) {
    long count = 0;
#ifdef __linux__
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) == 0)
        count = CPU_COUNT(&allowed);
#endif
    if (count < 1)
        count = sysconf(_SC_NPROCESSORS_ONLN);
    return count < 1 ? 1 : count > MAX_THREADS ? MAX_THREADS : (unsigned)count;
}

/*
 * Threads that wait for work, made when they are first needed: starting one for each call costs as
 * much as a small layer. They serve all callers; a caller works itself, and alone where there are
 * none, so that nothing here can fail or lock up.
 */
typedef struct job {
    size_t count;
    void (*body)(void *context, size_t index);
    void *context;
    atomic_size_t next;
    size_t helpers; /* threads of the pool that are in it; guarded by the lock */
    pthread_cond_t left;
    struct job *behind;
} job;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t work_came = PTHREAD_COND_INITIALIZER;
static job *jobs; /* that callers are in */
static atomic_uint jobs_posted;
static pthread_t threads[MAX_THREADS];
static size_t thread_count;
static int is_ending;

static int has_work(job *j) {
    return atomic_load_explicit(&j->next, memory_order_relaxed) < j->count;
}

static void work(job *j) {
    for (size_t i; (i = atomic_fetch_add(&j->next, 1)) < j->count;)
        j->body(j->context, i);
}

/* With the lock, which is left meanwhile. */
static void look_out_for_work(void) {
    const unsigned posted = atomic_load(&jobs_posted);
    pthread_mutex_unlock(&lock);
    for (int i = 0; i < YIELDS && atomic_load(&jobs_posted) == posted; ++i)
        sched_yield();
    pthread_mutex_lock(&lock);
}

static void *serve(void *unused) {
    int is_tired = 1; /* has looked out in vain */
    (void)unused;
    pthread_mutex_lock(&lock);
    while (!is_ending) {
        job *j = jobs;
        while (j && !has_work(j))
            j = j->behind;
        if (!j && is_tired) {
            pthread_cond_wait(&work_came, &lock);
            continue;
        }
        is_tired = !j;
        if (!j) {
            look_out_for_work();
            continue;
        }
        ++j->helpers;
        pthread_mutex_unlock(&lock);
        work(j);
        pthread_mutex_lock(&lock);
        if (!--j->helpers)
            pthread_cond_signal(&j->left);
    }
    pthread_mutex_unlock(&lock);
    return NULL;
}

/* A child has none of its parent's threads, nor the callers that they were working for. */
static void lock_pool(void) {
    pthread_mutex_lock(&lock);
}
static void unlock_pool(void) {
    pthread_mutex_unlock(&lock);
}
static void forget_pool(void) {
    thread_count = 0;
    jobs = NULL;
    pthread_cond_init(&work_came, NULL);
    pthread_mutex_init(&lock, NULL);
}
static void survive_forks(void) {
    pthread_atfork(lock_pool, unlock_pool, forget_pool);
}

/* With the lock. The application's signals are not for these threads. */
static void start_threads(size_t wanted) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    sigset_t all, before;
    if (thread_count >= wanted || is_ending)
        return;
    pthread_once(&once, survive_forks);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (thread_count < wanted && pthread_create(&threads[thread_count], NULL, serve, NULL) == 0)
        ++thread_count;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* Before the library's code goes away, and before the end of the process. */
__attribute__((destructor)) static void end_threads(void) {
    pthread_mutex_lock(&lock);
    is_ending = 1;
    pthread_cond_broadcast(&work_came);
    pthread_mutex_unlock(&lock);
    while (thread_count)
        pthread_join(threads[--thread_count], NULL);
}

static void leave(job *j) {
    job **at = &jobs;
    pthread_mutex_lock(&lock);
    while (*at != j)
        at = &(*at)->behind;
    *at = j->behind;
    for (int i = 0; i < YIELDS && j->helpers; ++i) {
        pthread_mutex_unlock(&lock);
        sched_yield();
        pthread_mutex_lock(&lock);
    }
    while (j->helpers)
        pthread_cond_wait(&j->left, &lock);
    pthread_mutex_unlock(&lock);
}

void clconv__parallel_for(size_t count, void (*body)(void *context, size_t index), void *context) {
    job j = {.count = count, .body = body, .context = context, .next = 0};
    const size_t processors = clconv__processors();
    if (count < 2 || processors < 2) {
        work(&j);
        return;
    }
    pthread_cond_init(&j.left, NULL);
    pthread_mutex_lock(&lock);
    start_threads(processors - 1);
    j.behind = jobs;
    jobs = &j;
    atomic_fetch_add(&jobs_posted, 1);
    pthread_cond_broadcast(&work_came);
    pthread_mutex_unlock(&lock);
    work(&j);
    leave(&j);
    pthread_cond_destroy(&j.left);
}
