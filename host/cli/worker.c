#define _GNU_SOURCE
#include "worker.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { NAME_MAX_SIZE = 64, MOST_LISTED = 64 };

/* The question that travels to the worker; the descriptor of its data travels beside it. */
typedef struct question {
    clconv_problem problem;
    data_kind kind;
    char algorithm[NAME_MAX_SIZE];
    int runs, runs_on_other_poison;
    sabotage_kind sabotage;
    bool wants_peak; /* and nothing else */
} question;

/* The first answer of a worker. */
typedef struct greeting {
    clconv_status status;
    char message[MESSAGE_SIZE];
    worker_device device;
} greeting;

/* What the worker is in the middle of; in memory that outlives it. */
typedef struct diary {
    char call[NAME_MAX_SIZE];
} diary;

/* The worker's own side. The plan is kept, because cases often come twice. */
typedef struct server {
    clconv_device *device;
    clconv_plan *plan;
    clconv_problem problem; /* of the plan */
    char algorithm[NAME_MAX_SIZE];
    diary *diary;
} server;

struct worker {
    worker_options options;
    char selector[NAME_MAX_SIZE];
    pid_t pid;  /* 0 while there is no process */
    int socket; /* to it */
    diary *diary;
    server local; /* in_process */
};

/* ---- messages between the two ---- */

static bool send_all(int socket, const void *data, size_t size) {
    const char *next = data;
    while (size) {
        ssize_t sent = send(socket, next, size, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return false;
        next += sent;
        size -= (size_t)sent;
    }
    return true;
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/*
 * Receives all bytes before a deadline; sets errno to ETIMEDOUT behind it, to 0 at an end, and to
 * what is wrong where the system does not let us hear.
 */
static bool receive_all(int socket, void *data, size_t size, double deadline) {
    char *next = data;
    while (size) {
        struct pollfd p = {.fd = socket, .events = POLLIN};
        double left = deadline - now();
        int ready = poll(&p, 1, left <= 0 ? 0 : left > 1e6 ? 1000000000 : (int)(left * 1000) + 1);
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready < 0)
            return false;
        if (ready == 0 && now() >= deadline) {
            errno = ETIMEDOUT;
            return false;
        }
        ssize_t got = ready > 0 ? recv(socket, next, size, 0) : 0;
        if (got < 0 && errno == EINTR)
            continue;
        if (ready > 0 && got <= 0) {
            errno = got < 0 && errno != ECONNRESET ? errno : 0;
            return false;
        }
        next += got;
        size -= (size_t)got;
    }
    return true;
}

typedef union descriptor_message {
    struct cmsghdr header;
    char space[CMSG_SPACE(sizeof(int))];
} descriptor_message;

/* A negative descriptor stays at home. */
static bool send_question(int socket, question *q, int descriptor) {
    descriptor_message control;
    struct iovec part = {q, sizeof *q};
    struct msghdr m = {.msg_iov = &part,
                       .msg_iovlen = 1,
                       .msg_control = &control,
                       .msg_controllen = sizeof control};
    if (descriptor < 0)
        return send_all(socket, q, sizeof *q);
    memset(&control, 0, sizeof control);
    struct cmsghdr *header = CMSG_FIRSTHDR(&m);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof descriptor);
    memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
    ssize_t sent = sendmsg(socket, &m, MSG_NOSIGNAL);
    return sent > 0 && send_all(socket, (char *)q + sent, sizeof *q - (size_t)sent);
}

static bool receive_question(int socket, question *q, int *descriptor) {
    descriptor_message control;
    struct iovec part = {q, sizeof *q};
    struct msghdr m = {.msg_iov = &part,
                       .msg_iovlen = 1,
                       .msg_control = &control,
                       .msg_controllen = sizeof control};
    memset(&control, 0, sizeof control);
    ssize_t got = recvmsg(socket, &m, 0);
    const struct cmsghdr *header = got > 0 ? CMSG_FIRSTHDR(&m) : NULL;
    *descriptor = -1;
    if (got <= 0)
        return false;
    if (header && header->cmsg_type == SCM_RIGHTS)
        memcpy(descriptor, CMSG_DATA(header), sizeof *descriptor);
    return receive_all(socket, (char *)q + got, sizeof *q - (size_t)got, now() + 60);
}

/* ---- the worker's side ---- */

static void write_diary(void *context, const char *call) {
    diary *d = context;
    snprintf(d->call, sizeof d->call, "%s", call);
}

static void greet(greeting *g, server *s, const char *selector) {
    memset(g, 0, sizeof *g);
    write_diary(s->diary, "clconv_device_open");
    if ((g->status = clconv_device_open(&s->device, selector)) ||
        (g->status = clconv_device_get_info(&g->device.info, s->device))) {
        snprintf(g->message, sizeof g->message, "%s", clconv_last_message());
        return;
    }
    for (size_t a = 0; a < clconv_algorithm_count() && a < 64; ++a)
        if (clconv_algorithm_is_for(s->device, clconv_algorithm_name(a)))
            g->device.algorithms |= UINT64_C(1) << a;
}

static void drop_plan(server *s) {
    clconv_plan_destroy(s->plan);
    s->plan = NULL;
}

static clconv_status prepare_plan(server *s, const question *q) {
    clconv_plan_options options = CLCONV_PLAN_OPTIONS_INIT;
    if (s->plan && memcmp(&s->problem, &q->problem, sizeof q->problem) == 0 &&
        strcmp(s->algorithm, q->algorithm) == 0)
        return CLCONV_OK;
    drop_plan(s);
    options.algorithm = q->algorithm;
    s->problem = q->problem;
    memcpy(s->algorithm, q->algorithm, sizeof s->algorithm);
    write_diary(s->diary, "clconv_plan_create");
    return clconv_plan_create(&s->plan, s->device, &q->problem, &options);
}

static void commit_sabotage(server *s, sabotage_kind sabotage) {
    if (sabotage == SABOTAGE_NONE)
        return;
    write_diary(s->diary, "self-test");
    if (sabotage == SABOTAGE_ABORT)
        abort();
    if (sabotage == SABOTAGE_EXIT)
        _exit(7);
    for (;;)
        pause();
}

static void answer(worker_reply *reply, server *s, const question *q, const case_data *data) {
    const case_runs runs = {q->runs, q->runs_on_other_poison, write_diary, s->diary};
    memset(reply, 0, sizeof *reply);
    commit_sabotage(s, q->sabotage);
    write_diary(s->diary, "clconv_algorithm_check");
    reply->status =
        clconv_algorithm_check(reply->message, NULL, s->device, &q->problem, q->algorithm);
    if (reply->status == CLCONV_UNSUPPORTED)
        return;
    if (!reply->status && !(reply->status = prepare_plan(s, q)))
        reply->status = case_run(&reply->result, s->plan, s->device, data, &runs);
    if (reply->result.code)
        snprintf(reply->message, sizeof reply->message, "%s returned %d", reply->result.call,
                 reply->result.code);
    else if (reply->status == CLCONV_OUT_OF_MEMORY)
        snprintf(reply->message, sizeof reply->message, "memory ran out");
    else if (reply->status)
        snprintf(reply->message, sizeof reply->message, "%.500s", clconv_last_message());
    reply->result.call = NULL; /* means nothing in another process */
}

static void answer_peak(worker_reply *reply, server *s) {
    memset(reply, 0, sizeof *reply);
    write_diary(s->diary, "measuring its speed");
    peak_measure(&reply->peak, s->device);
}

static void answer_mapped(worker_reply *reply, server *s, const question *q, int descriptor) {
    case_data data;
    if (case_data_map(&data, &q->problem, q->kind, descriptor)) {
        memset(reply, 0, sizeof *reply);
        reply->status = CLCONV_OUT_OF_MEMORY;
        snprintf(reply->message, sizeof reply->message, "the worker has no memory");
        return;
    }
    answer(reply, s, q, &data);
    case_data_free(&data);
}

static void serve(int socket, diary *d, const char *selector) {
    server s = {.diary = d};
    greeting g;
    question q;
    int descriptor;
    greet(&g, &s, selector);
    if (!send_all(socket, &g, sizeof g) || g.status)
        return;
    while (receive_question(socket, &q, &descriptor)) {
        worker_reply reply;
        if (q.wants_peak)
            answer_peak(&reply, &s);
        else
            answer_mapped(&reply, &s, &q, descriptor);
        if (!send_all(socket, &reply, sizeof reply))
            break;
    }
    drop_plan(&s);
    clconv_device_destroy(s.device);
}

/* ---- the parent's side ---- */

/* What a driver prints must not get between the lines of a report. */
static pid_t fork_quietly(void) {
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        dup2(STDERR_FILENO, STDOUT_FILENO);
    return pid;
}

/* Starts a child that calls begin(socket, context) and ends. */
static pid_t start(int *socket, void (*begin)(int socket, void *context), void *context) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
        return -1;
    pid_t pid = fork_quietly();
    if (pid == 0) {
        close(pair[0]);
        begin(pair[1], context);
        _exit(EXIT_SUCCESS);
    }
    close(pair[1]);
    *socket = pair[0];
    if (pid < 0)
        close(pair[0]);
    return pid;
}

/* Says why a child did not answer, by errno, or how it ended, and takes leave of it. */
static void bury(pid_t pid, const char *call, double timeout, char message[MESSAGE_SIZE]) {
    int state = 0, reason = errno;
    bool timed_out = reason == ETIMEDOUT, is_gone = !reason || reason == EPIPE;
    if (!is_gone)
        kill(pid, SIGKILL);
    while (waitpid(pid, &state, 0) < 0 && errno == EINTR)
        continue;
    if (timed_out)
        snprintf(message, MESSAGE_SIZE, "driver hung in %s: no answer in %.0f s", call, timeout);
    else if (!is_gone)
        snprintf(message, MESSAGE_SIZE, "no answer can be had from the driver: %s",
                 strerror(reason));
    else if (WIFSIGNALED(state))
        snprintf(message, MESSAGE_SIZE, "driver died in %s: %s", call, strsignal(WTERMSIG(state)));
    else
        snprintf(message, MESSAGE_SIZE, "driver died in %s: it ended the process with code %d",
                 call, WEXITSTATUS(state));
}

static void serve_worker(int socket, void *context) {
    const worker *w = context;
    serve(socket, w->diary, w->selector[0] ? w->selector : NULL);
}

static void end_process(worker *w) {
    if (!w->pid)
        return;
    const struct timespec pause = {0, 1000000};
    close(w->socket); /* an idle worker ends by itself, unless its driver hangs even now */
    for (double deadline = now() + 5; waitpid(w->pid, NULL, WNOHANG) == 0 && now() < deadline;)
        nanosleep(&pause, NULL);
    kill(w->pid, SIGKILL);
    waitpid(w->pid, NULL, 0);
    w->pid = 0;
}

static void fail_to_answer(worker *w, double timeout, char message[MESSAGE_SIZE]) {
    int reason = errno;
    close(w->socket);
    errno = reason;
    bury(w->pid, w->diary->call, timeout, message);
    w->pid = 0;
}

static clconv_status start_process(worker *w, greeting *g) {
    memset(g, 0, sizeof *g);
    if ((w->pid = start(&w->socket, serve_worker, w)) < 0) {
        w->pid = 0;
        snprintf(g->message, sizeof g->message, "no process can be started: %s", strerror(errno));
        return CLCONV_NO_DEVICE;
    }
    if (!receive_all(w->socket, g, sizeof *g, now() + w->options.timeout)) {
        fail_to_answer(w, w->options.timeout, g->message);
        return CLCONV_NO_DEVICE;
    }
    if (g->status)
        end_process(w);
    return g->status;
}

clconv_status worker_open(worker **out, worker_device *device, const char *selector,
                          const worker_options *options, char message[MESSAGE_SIZE]) {
    greeting g = {.status = CLCONV_OUT_OF_MEMORY, .message = "memory ran out"};
    worker *w = calloc(1, sizeof *w);
    *out = NULL;
    if (!w)
        goto done;
    w->options = *options;
    snprintf(w->selector, sizeof w->selector, "%s", selector ? selector : "");
    void *shared =
        mmap(NULL, sizeof *w->diary, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        goto done;
    w->local.diary = w->diary = shared;
    if (options->in_process)
        greet(&g, &w->local, selector);
    else
        g.status = start_process(w, &g);
done:
    *device = g.device;
    snprintf(message, MESSAGE_SIZE, "%s", g.message);
    if (g.status)
        worker_close(w);
    else
        *out = w;
    return g.status;
}

void worker_close(worker *w) {
    if (!w)
        return;
    end_process(w);
    drop_plan(&w->local);
    clconv_device_destroy(w->local.device);
    if (w->diary)
        munmap(w->diary, sizeof *w->diary);
    free(w);
}

static void fail(worker_reply *reply, bool died, clconv_status status, const char *message) {
    memset(reply, 0, sizeof *reply);
    reply->died = died;
    reply->status = status;
    snprintf(reply->message, sizeof reply->message, "%s", message);
}

static void ask_process(worker_reply *reply, worker *w, question *q, int descriptor,
                        double timeout) {
    char message[MESSAGE_SIZE];
    greeting g;
    if (!w->pid && start_process(w, &g)) {
        fail(reply, true, CLCONV_NO_DEVICE, g.message);
        return;
    }
    if (send_question(w->socket, q, descriptor) &&
        receive_all(w->socket, reply, sizeof *reply, now() + timeout))
        return;
    fail_to_answer(w, timeout, message);
    fail(reply, true, CLCONV_OPENCL, message);
}

void worker_run(worker_reply *reply, worker *w, const worker_request *request) {
    question q;
    double gflops = clconv_problem_flops(&request->data->problem) * 1e-9;
    memset(&q, 0, sizeof q);
    q.problem = request->data->problem;
    q.kind = request->data->kind;
    q.runs = request->runs;
    q.runs_on_other_poison = request->runs_on_other_poison;
    q.sabotage = request->sabotage;
    snprintf(q.algorithm, sizeof q.algorithm, "%s", request->algorithm);
    if (w->options.in_process)
        answer(reply, &w->local, &q, request->data);
    else
        ask_process(reply, w, &q, request->data->memory.descriptor,
                    w->options.timeout + gflops * (q.runs + q.runs_on_other_poison));
}

void worker_measure_peak(device_peak *peak, worker *w) {
    question q;
    worker_reply reply;
    memset(&q, 0, sizeof q);
    q.wants_peak = true;
    if (w->options.in_process)
        answer_peak(&reply, &w->local);
    else
        ask_process(&reply, w, &q, -1, w->options.timeout);
    *peak = reply.peak;
}

/* ---- listing ---- */

typedef struct listing {
    clconv_status status;
    char message[MESSAGE_SIZE];
    size_t count;
    clconv_device_info infos[MOST_LISTED];
} listing;

static void make_list(listing *l) {
    memset(l, 0, sizeof *l);
    l->status = clconv_device_list(l->infos, MOST_LISTED, &l->count);
    if (l->count > MOST_LISTED)
        l->count = MOST_LISTED;
    if (l->status)
        snprintf(l->message, sizeof l->message, "%s", clconv_last_message());
}

static void serve_list(int socket, void *context) {
    listing *l = context;
    make_list(l);
    send_all(socket, l, sizeof *l);
}

static void receive_list(listing *l, double timeout) {
    int socket = -1;
    pid_t pid = start(&socket, serve_list, l);
    l->status = CLCONV_NO_DEVICE;
    if (pid < 0) {
        snprintf(l->message, sizeof l->message, "no process can be started");
    } else if (receive_all(socket, l, sizeof *l, now() + timeout)) {
        close(socket);
        waitpid(pid, NULL, 0);
    } else {
        int reason = errno;
        close(socket);
        errno = reason;
        l->status = CLCONV_NO_DEVICE;
        bury(pid, "clconv_device_list", timeout, l->message);
    }
}

bool worker_list_devices(clconv_device_info *infos, size_t capacity, size_t *count,
                         const worker_options *options, char message[MESSAGE_SIZE]) {
    listing *l = calloc(1, sizeof *l);
    *count = 0;
    if (!l) {
        snprintf(message, MESSAGE_SIZE, "memory ran out");
        return false;
    }
    if (options->in_process)
        make_list(l);
    else
        receive_list(l, options->timeout);
    bool listed = !l->status;
    if (listed) {
        *count = l->count < capacity ? l->count : capacity;
        memcpy(infos, l->infos, *count * sizeof *infos);
    } else {
        snprintf(message, MESSAGE_SIZE, "%s", l->message);
    }
    free(l);
    return listed;
}
