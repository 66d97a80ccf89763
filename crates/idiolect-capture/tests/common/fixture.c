/* Programs to trace, one a mode. Calls are made so that each thread's are the same in every run: threads end one
   after another, and wait for each other in ways that make one call each. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int threads_pipe[2];

static void wait_for_byte(int fd) {
    char byte;
    if (read(fd, &byte, 1) != 1) _exit(90);
}

/* Makes calls by which it can be told apart, says that it is done, and ends. */
static void *worker(void *argument) {
    long n = (long)argument;
    for (long i = 0; i <= n; i++) syscall(SYS_getppid);
    syscall(SYS_getuid);
    if (write(threads_pipe[1], "x", 1) != 1) _exit(91);
    return NULL;
}

static void run_threads(int count) {
    for (long n = 0; n < count; n++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, worker, (void *)n)) _exit(92);
        wait_for_byte(threads_pipe[0]);
        pthread_join(thread, NULL);
    }
}

/* Threads, a fork that makes a thread, a vfork that executes a program, and an exec that fails. */
static int mixed(const char *self) {
    if (pipe(threads_pipe)) return 93;
    run_threads(3);
    pid_t child = fork();
    if (child == 0) {
        syscall(SYS_getpgid, 0);
        run_threads(1);
        execl("/no/such/program", "x", (char *)NULL);
        execl(self, self, "leaf", (char *)NULL);
        _exit(94);
    }
    int status;
    if (waitpid(child, &status, 0) != child || status != 3 << 8) return 95;
    child = vfork();
    if (child == 0) {
        execl(self, self, "leaf", (char *)NULL);
        _exit(94);
    }
    if (waitpid(child, &status, 0) != child || status != 3 << 8) return 96;
    return 7;
}

static int leaf(void) {
    syscall(SYS_getsid, 0);
    syscall(SYS_getegid);
    return 3;
}

/* execve by the 32-bit convention, which fails, and getpid by it. */
static int int80(void) {
#ifdef __x86_64__
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(20) : "memory");
    if (result != getpid()) return 97;
    syscall(SYS_getppid);
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(11), "b"(0), "c"(0), "d"(0) : "memory");
    return result < 0 ? 0 : 98;
#else
    return 77;
#endif
}

static const char *self_path;

static void *executes(void *unused) {
    (void)unused;
    /* By then its leader waits. */
    struct timespec until = {0, 50 * 1000 * 1000};
    nanosleep(&until, NULL);
    execl(self_path, self_path, "leaf", (char *)NULL);
    _exit(94);
}

/* A thread that is not the leader executes a program. */
static int exec_from_thread(const char *self) {
    pthread_t thread;
    self_path = self;
    if (pthread_create(&thread, NULL, executes, NULL)) return 92;
    pause();
    return 99;
}

static void *outlives(void *unused) {
    (void)unused;
    struct timespec until = {0, 50 * 1000 * 1000};
    nanosleep(&until, NULL);
    syscall(SYS_getppid);
    syscall(SYS_exit_group, 5);
    return NULL;
}

/* The leader ends before its thread does. */
static int outlive(void) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, outlives, NULL)) return 92;
    syscall(SYS_getsid, 0);
    syscall(SYS_exit, 0);
    return 99;
}

static void *idles(void *unused) {
    (void)unused;
    for (;;) {
        struct timespec pause = {0, 2 * 1000 * 1000};
        nanosleep(&pause, NULL);
        syscall(SYS_getppid);
    }
}

/* So many threads, which never end. */
static int idle(int count) {
    for (int n = 1; n < count; n++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, idles, NULL)) return 92;
    }
    if (write(1, "ready\n", 6) != 6) return 93;
    idles(NULL);
    return 0;
}

static volatile sig_atomic_t handled;

static void handler(int signal) { handled += signal; }

/* Signals to itself, one of them a real-time signal; stops itself and is continued by its child. */
static int signals(void) {
    signal(SIGUSR1, handler);
    signal(SIGRTMIN + 3, handler);
    signal(SIGTRAP, handler);
    raise(SIGUSR1);
    raise(SIGRTMIN + 3);
    raise(SIGTRAP);
    if (handled != SIGUSR1 + SIGRTMIN + 3 + SIGTRAP) return 90;
    pid_t own = getpid();
    pid_t child = fork();
    if (child == 0) {
        /* Until the parent is stopped, the third field of its stat says T. */
        char path[64], text[512];
        snprintf(path, sizeof path, "/proc/%d/stat", own);
        for (;;) {
            FILE *file = fopen(path, "r");
            if (!file || !fgets(text, sizeof text, file)) _exit(1);
            fclose(file);
            char state = strrchr(text, ')')[2];
            if (state == 'T' || state == 't') break;
            usleep(1000);
        }
        usleep(20000);
        kill(own, SIGCONT);
        _exit(0);
    }
    raise(SIGSTOP);
    int status;
    if (waitpid(child, &status, 0) != child || status != 0) return 91;
    kill(own, SIGKILL);
    return 99;
}

/* Denies itself getppid by a filter, in all its threads, and calls it nevertheless. */
static int denied(void) {
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EXDEV),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    if (pipe(threads_pipe)) return 93;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) return 90;
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program)) return 91;
    for (int i = 0; i < 1000; i++)
        if (syscall(SYS_getppid) != -1 || errno != EXDEV) return 92;
    run_threads(1);
    return 0;
}

/* So many processes, one after another, each of which ends at once. */
static int storm(int count) {
    for (int n = 0; n < count; n++) {
        pid_t child = fork();
        if (child == 0) _exit(n & 1);
        int status;
        if (waitpid(child, &status, 0) != child || status != (n & 1) << 8) return 95;
    }
    return 0;
}

/* Two processes of one number, one after the other (needs privileges; 77 without). */
static int reuse(void) {
    pid_t wanted = 0;
    for (int n = 0; n < 2; n++) {
        struct clone_args arguments = {.exit_signal = SIGCHLD};
        if (wanted) {
            arguments.set_tid = (unsigned long)&wanted;
            arguments.set_tid_size = 1;
        }
        pid_t child = syscall(SYS_clone3, &arguments, sizeof arguments);
        if (child < 0) return 77;
        if (child == 0) {
            if (wanted) syscall(SYS_getsid, 0);
            else syscall(SYS_getuid);
            _exit(0);
        }
        if (wanted && child != wanted) return 91;
        wanted = child;
        int status;
        if (waitpid(child, &status, 0) != child || status) return 95;
        /* Start times are told in hundredths of a second. */
        usleep(30000);
    }
    return 0;
}

/* A process that leaves its session, its process group and all who made it, and then goes on. */
static int daemonize(void) {
    if (fork()) return 0;
    setsid();
    if (fork()) return 0;
    for (int n = 0; n < 10; n++) {
        usleep(10000);
        syscall(SYS_getppid);
    }
    return 0;
}

/* A loop of the cheapest call. */
static int loop(long count) {
    for (long n = 0; n < count; n++) syscall(SYS_getppid);
    return 0;
}

int main(int count, char **arguments) {
    if (count < 2) return 100;
    const char *mode = arguments[1];
    long number = count > 2 ? atol(arguments[2]) : 0;
    if (!strcmp(mode, "mixed")) return mixed(arguments[0]);
    if (!strcmp(mode, "leaf")) return leaf();
    if (!strcmp(mode, "int80")) return int80();
    if (!strcmp(mode, "exec-from-thread")) return exec_from_thread(arguments[0]);
    if (!strcmp(mode, "outlive")) return outlive();
    if (!strcmp(mode, "idle")) return idle(number);
    if (!strcmp(mode, "signals")) return signals();
    if (!strcmp(mode, "denied")) return denied();
    if (!strcmp(mode, "storm")) return storm(number);
    if (!strcmp(mode, "reuse")) return reuse();
    if (!strcmp(mode, "daemon")) return daemonize();
    if (!strcmp(mode, "loop")) return loop(number);
    if (!strcmp(mode, "status")) return number;
    return 100;
}
