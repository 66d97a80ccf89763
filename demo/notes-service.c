/*
 * notes-service: a small server that keeps notes, made to be recorded under strace.
 *
 * It has three holes ON PURPOSE (each is marked HOLE below). Never let anything but the recording
 * talk to it: it listens on 127.0.0.1 only, on a port that the kernel chooses.
 *
 * It runs in the current directory, which holds:
 *   notes/     the notes, one a file
 *   accounts   the names that HELLO knows, one a line
 *   log.sock   a datagram socket that takes the log (if nobody listens, the log is dropped)
 *   ready      written by the service once it listens: "PID PORT\n"
 *
 * One process serves one connection. A request is a line, an answer is "OK LENGTH\n" and that many
 * bytes, or "ERR reason\n":
 *   HELLO user | LIST [prefix] | GET note | TAIL note bytes | HEAD note | SEARCH word
 *   PUT note bytes [from=ADDRESS:PORT] (then the body) | APPEND note bytes (then the body)
 *   COPY from to | MOVE from to | DEL note | STATUS | QUIT
 *   DIGEST notes... | COUNT notes... | SORT note | COMPARE a b | ARCHIVE notes...  (run a program)
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    LINE_BYTES = 512,          /* longest request line */
    IO_BYTES = 8192,           /* one read from a client, a peer or a helper */
    BODY_BYTES_MAX = 1 << 20,  /* largest note */
    LARGE_NOTE_BYTES = 32768,  /* from here on the kernel is told how a note will be used */
    SEARCH_HITS_MAX = 4,       /* SEARCH stops here */
    HELPER_ARGS_MAX = 16,
    IDLE_MS = 250,             /* a client that says nothing for so long is dropped */
    CLIENTS_MAX = 16,          /* connections at one time */
};

struct session {
    int sock;
    char in[IO_BYTES];
    size_t in_start, in_end;
    bool greeted;
};

/* Bytes that grow. */
struct text {
    char *data;
    size_t len, cap;
};

static int listen_fd, notes_fd, log_fd = -1;
static volatile sig_atomic_t stopping, ended; /* `ended`: connections whose process is gone */

static void serve(struct session *s);
static bool answer_request(struct session *s, char *line);

/* ---- starting, accepting, stopping ---- */

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void on_child(int sig) {
    int saved = errno;
    (void)sig;
    while (waitpid(-1, NULL, WNOHANG) > 0) ended++;
    errno = saved;
}

/* The accept that waits, or the next one, then fails. */
static void on_stop(int sig) {
    (void)sig;
    stopping = 1;
    shutdown(listen_fd, SHUT_RDWR);
}

static void write_ready(void) {
    struct sockaddr_in addr;
    socklen_t len = sizeof addr;
    char line[64];
    if (getsockname(listen_fd, (struct sockaddr *)&addr, &len) < 0) die("getsockname");
    int n = snprintf(line, sizeof line, "%d %d\n", (int)getpid(), ntohs(addr.sin_port));
    int fd = open("ready.new", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0 || write(fd, line, (size_t)n) != n || close(fd) < 0) die("ready.new");
    if (rename("ready.new", "ready") < 0) die("ready");
}

int main(void) {
    struct sigaction child = {.sa_handler = on_child, .sa_flags = SA_RESTART | SA_NOCLDSTOP};
    struct sigaction stop = {.sa_handler = on_stop};
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1, begun = 0;

    notes_fd = open("notes", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (notes_fd < 0) die("notes");
    listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listen_fd < 0) die("socket");
    setsockopt(listen_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listen_fd, (struct sockaddr *)&addr, sizeof addr) < 0) die("bind");
    if (listen(listen_fd, 16) < 0) die("listen");
    sigaction(SIGCHLD, &child, NULL);
    sigaction(SIGTERM, &stop, NULL);
    signal(SIGPIPE, SIG_IGN);
    write_ready();

    while (!stopping) {
        int sock = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
        if (sock < 0) continue;
        if (begun - ended >= CLIENTS_MAX) {
            close(sock);
            continue;
        }
        pid_t pid = fork();
        if (pid == 0) {
            static struct session s;
            signal(SIGCHLD, SIG_DFL);
            signal(SIGTERM, SIG_DFL);
            close(listen_fd);
            s.sock = sock;
            serve(&s);
            exit(0);
        }
        if (pid > 0) begun++;
        close(sock);
    }
    close(listen_fd);
    while (wait(NULL) > 0) {}
    return 0;
}

/* ---- one connection ---- */

/* Waits for more from the client: how many bytes came, 0 at its end, -1 on an error or when it idles. */
static ssize_t read_more(struct session *s) {
    struct pollfd p = {.fd = s->sock, .events = POLLIN};
    int ready = poll(&p, 1, IDLE_MS);
    if (ready == 0) errno = ETIMEDOUT;
    if (ready <= 0) return -1;
    if (s->in_start == s->in_end) s->in_start = s->in_end = 0;
    if (s->in_end == sizeof s->in) {
        memmove(s->in, s->in + s->in_start, s->in_end - s->in_start);
        s->in_end -= s->in_start;
        s->in_start = 0;
    }
    ssize_t n = recv(s->sock, s->in + s->in_end, sizeof s->in - s->in_end, 0);
    if (n > 0) s->in_end += (size_t)n;
    return n;
}

/* The next line, without its end: 1, or what read_more said, or -1 if it is too long. */
static ssize_t read_line(struct session *s, char line[LINE_BYTES]) {
    for (;;) {
        size_t have = s->in_end - s->in_start;
        char *from = s->in + s->in_start, *end = memchr(from, '\n', have);
        if ((end ? (size_t)(end - from) : have) >= LINE_BYTES) {
            errno = EMSGSIZE;
            return -1;
        }
        if (end) {
            memcpy(line, from, (size_t)(end - from));
            line[end - from] = 0;
            s->in_start += (size_t)(end - from) + 1;
            return 1;
        }
        ssize_t n = read_more(s);
        if (n <= 0) return n;
    }
}

static bool send_all(int fd, const char *data, size_t len) {
    while (len > 0) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
        if (n <= 0) return false;
        data += n;
        len -= (size_t)n;
    }
    return true;
}

/* The log's socket is opened by the first line that a session has to log. */
static void warn(const char *format, ...) {
    char line[256];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (log_fd < 0) {
        struct sockaddr_un addr = {.sun_family = AF_UNIX, .sun_path = "log.sock"};
        log_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (log_fd < 0) return;
        if (connect(log_fd, (struct sockaddr *)&addr, sizeof addr) < 0) {
            close(log_fd);
            log_fd = -1;
            return;
        }
    }
    if (n > 0) send(log_fd, line, strlen(line), MSG_DONTWAIT | MSG_NOSIGNAL);
}

static bool fail(struct session *s, const char *reason) {
    char line[128];
    int n = snprintf(line, sizeof line, "ERR %s\n", reason);
    return send_all(s->sock, line, (size_t)n);
}

static bool ok(struct session *s, const char *data, size_t len) {
    char line[32];
    int n = snprintf(line, sizeof line, "OK %zu\n", len);
    return send_all(s->sock, line, (size_t)n) && (len == 0 || send_all(s->sock, data, len));
}

static void serve(struct session *s) {
    char line[LINE_BYTES];
    int on = 1;
    setsockopt(s->sock, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    for (;;) {
        ssize_t got = read_line(s, line);
        if (got == 0) break;
        if (got < 0) {
            warn("dropped: %s", strerror(errno));
            if (errno != ECONNRESET) fail(s, "dropped");
            break;
        }
        if (!answer_request(s, line)) break;
    }
    shutdown(s->sock, SHUT_RDWR);
    close(s->sock);
}

/* ---- bytes and names ---- */

static bool append(struct text *t, const char *data, size_t len) {
    if (t->len + len > t->cap) {
        size_t cap = t->cap ? t->cap : 4096;
        while (cap < t->len + len) cap *= 2;
        char *grown = realloc(t->data, cap);
        if (!grown) return false;
        t->data = grown;
        t->cap = cap;
    }
    memcpy(t->data + t->len, data, len);
    t->len += len;
    return true;
}

/* HOLE (file): only absolute names are refused, so `../../etc/passwd` leads out of notes/. */
static bool good_name(const char *name) {
    return name && *name && *name != '/' && strlen(name) < 200;
}

/* Reading a note must not count as its use, so O_NOATIME; who does not own a file may not ask for that. */
static int open_note(const char *name) {
    int fd = openat(notes_fd, name, O_RDONLY | O_CLOEXEC | O_NOATIME);
    if (fd < 0 && errno == EPERM) fd = openat(notes_fd, name, O_RDONLY | O_CLOEXEC);
    return fd;
}

static bool missing(struct session *s, const char *name) {
    warn("%s: %s", name, strerror(errno));
    return fail(s, "no such note");
}

/* ---- reading ---- */

static bool do_hello(struct session *s, const char *user) {
    char names[1024];
    int fd = open("accounts", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return fail(s, "no accounts");
    ssize_t n = read(fd, names, sizeof names - 1);
    close(fd);
    names[n > 0 ? n : 0] = 0;
    for (char *rest = names, *known; (known = strtok_r(rest, "\n", &rest));)
        if (user && strcmp(known, user) == 0) s->greeted = true;
    if (s->greeted) return ok(s, "welcome", 7);
    warn("unknown user %s", user ? user : "");
    return fail(s, "who?");
}

/* Calls `visit` with each note until it says that it has enough. */
static bool each_note(bool (*visit)(const char *name, void *with), void *with) {
    int fd = openat(notes_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) return false;
    for (struct dirent *e; (e = readdir(dir));)
        if (e->d_name[0] != '.' && !visit(e->d_name, with)) break;
    closedir(dir);
    return true;
}

struct wanted {
    const char *what;
    int hits;
    struct text found;
};

static bool list_one(const char *name, void *with) {
    struct wanted *w = with;
    struct stat st;
    char line[300];
    if (strncmp(name, w->what, strlen(w->what)) != 0) return true;
    if (fstatat(notes_fd, name, &st, 0) < 0) return true;
    int n = snprintf(line, sizeof line, "%lld %s\n", (long long)st.st_size, name);
    return append(&w->found, line, (size_t)n);
}

static bool search_one(const char *name, void *with) {
    struct wanted *w = with;
    struct stat st;
    int fd = open_note(name);
    if (fd < 0) return true;
    if (fstat(fd, &st) == 0 && st.st_size > 0) {
        size_t size = (size_t)st.st_size;
        char *data = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (data != MAP_FAILED) {
            if (memmem(data, size, w->what, strlen(w->what))) {
                append(&w->found, name, strlen(name));
                append(&w->found, "\n", 1);
                w->hits++;
            }
            munmap(data, size);
        }
    }
    close(fd);
    return w->hits < SEARCH_HITS_MAX;
}

static bool do_notes(struct session *s, const char *what, bool (*visit)(const char *, void *)) {
    struct wanted w = {.what = what ? what : ""};
    bool sent = each_note(visit, &w) ? ok(s, w.found.data, w.found.len) : fail(s, "no notes");
    free(w.found.data);
    return sent;
}

static bool do_get(struct session *s, const char *name) {
    struct stat st;
    int on = 1, off = 0;
    bool sent = false;
    int fd = open_note(name);
    if (fd < 0) return missing(s, name);
    if (fstat(fd, &st) < 0 || S_ISDIR(st.st_mode)) {
        sent = fail(s, "not a note");
    } else if (st.st_size > 0) {
        char line[32];
        int n = snprintf(line, sizeof line, "OK %lld\n", (long long)st.st_size);
        off_t at = 0;
        if (st.st_size >= LARGE_NOTE_BYTES) posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
        setsockopt(s->sock, IPPROTO_TCP, TCP_CORK, &on, sizeof on);
        sent = send_all(s->sock, line, (size_t)n);
        while (sent && at < st.st_size)
            if (sendfile(s->sock, fd, &at, (size_t)(st.st_size - at)) <= 0) sent = false;
        setsockopt(s->sock, IPPROTO_TCP, TCP_CORK, &off, sizeof off);
    } else { /* empty, or of a size that only reading tells */
        struct text body = {0};
        char chunk[1024];
        for (ssize_t n; (n = read(fd, chunk, sizeof chunk)) > 0;) append(&body, chunk, (size_t)n);
        sent = ok(s, body.data, body.len);
        free(body.data);
    }
    close(fd);
    return sent;
}

static bool do_tail(struct session *s, const char *name, size_t want) {
    char data[4096];
    int fd = open_note(name);
    if (fd < 0) return missing(s, name);
    off_t size = lseek(fd, 0, SEEK_END);
    if (want > sizeof data) want = sizeof data;
    off_t from = size > (off_t)want ? size - (off_t)want : 0;
    ssize_t n = pread(fd, data, want, from);
    close(fd);
    return n < 0 ? fail(s, "cannot read") : ok(s, data, (size_t)n);
}

static bool do_head(struct session *s, const char *name) {
    struct stat st;
    char line[64];
    if (fstatat(notes_fd, name, &st, 0) < 0) return missing(s, name);
    int n = snprintf(line, sizeof line, "%lld %lld", (long long)st.st_size, (long long)st.st_mtime);
    return ok(s, line, (size_t)n);
}

static bool do_status(struct session *s) {
    struct statvfs disk;
    struct rusage used;
    char line[96];
    if (fstatvfs(notes_fd, &disk) < 0 || getrusage(RUSAGE_SELF, &used) < 0) return fail(s, "no status");
    int n = snprintf(line, sizeof line, "free %llu faults %ld",
                     (unsigned long long)disk.f_bavail, used.ru_minflt);
    return ok(s, line, (size_t)n);
}

/* ---- writing ---- */

/* The next part of a body of which `left` bytes are still to come; it stays valid until the next read. */
static ssize_t read_body(struct session *s, size_t left, char **part) {
    if (s->in_start == s->in_end) {
        ssize_t n = read_more(s);
        if (n <= 0) return -1;
    }
    size_t have = s->in_end - s->in_start;
    if (have > left) have = left;
    *part = s->in + s->in_start;
    s->in_start += have;
    return (ssize_t)have;
}

static bool store_body(struct session *s, int fd, size_t left) {
    while (left > 0) {
        char *part;
        ssize_t n = read_body(s, left, &part);
        if (n < 0 || write(fd, part, (size_t)n) != n) return false;
        left -= (size_t)n;
    }
    return true;
}

/* HOLE (connect): whoever may PUT may have the service connect to any address, and keep what it says. */
static bool store_from_peer(const char *peer, const char *name, int fd) {
    char host[64], line[256], data[IO_BYTES];
    unsigned port;
    struct sockaddr_in addr = {.sin_family = AF_INET};
    ssize_t n = -1;
    if (sscanf(peer, "%63[0-9.]:%u", host, &port) != 2 || !inet_aton(host, &addr.sin_addr)) return false;
    addr.sin_port = htons((unsigned short)port);
    int sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (sock < 0) return false;
    if (connect(sock, (struct sockaddr *)&addr, sizeof addr) == 0) {
        int len = snprintf(line, sizeof line, "GET %s\n", name);
        if (send_all(sock, line, (size_t)len))
            while ((n = recv(sock, data, sizeof data, 0)) > 0)
                if (write(fd, data, (size_t)n) != n) break;
    }
    close(sock);
    return n == 0;
}

static bool do_put(struct session *s, const char *name, size_t size, const char *peer) {
    char part[32];
    snprintf(part, sizeof part, ".part-%d", (int)getpid());
    int fd = openat(notes_fd, part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) return false;
    if (size >= LARGE_NOTE_BYTES) posix_fallocate(fd, 0, (off_t)size);
    bool stored = peer ? store_from_peer(peer, name, fd) : store_body(s, fd, size);
    if (stored) fdatasync(fd);
    close(fd);
    if (stored && renameat(notes_fd, part, notes_fd, name) == 0) return ok(s, NULL, 0);
    unlinkat(notes_fd, part, 0);
    warn("%s: not stored", name);
    fail(s, "not stored");
    return peer != NULL; /* of a body that broke off, nobody knows where the next request begins */
}

static bool do_append(struct session *s, const char *name, size_t size) {
    int fd = openat(notes_fd, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0) return false;
    flock(fd, LOCK_EX);
    bool stored = store_body(s, fd, size);
    flock(fd, LOCK_UN);
    close(fd);
    return stored ? ok(s, NULL, 0) : false;
}

static bool do_copy(struct session *s, const char *from, const char *to) {
    int in = open_note(from);
    if (in < 0) return missing(s, from);
    int out = openat(notes_fd, to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    while (out >= 0 && copy_file_range(in, NULL, out, NULL, BODY_BYTES_MAX, 0) > 0) {}
    close(in);
    if (out < 0) return fail(s, "not copied");
    close(out);
    return ok(s, NULL, 0);
}

static bool do_move(struct session *s, const char *from, const char *to) {
    if (renameat2(notes_fd, from, notes_fd, to, RENAME_NOREPLACE) == 0) return ok(s, NULL, 0);
    if (errno != EEXIST) return missing(s, from);
    return fail(s, "exists");
}

/* ---- programs that help ---- */

/*
 * HOLE (shell): a command without characters special to a shell is split at spaces and executed; any
 * other goes to /bin/sh, as Perl's system() and make do it, and nobody checked where it came from.
 */
static void exec_helper(char *command) {
    char *args[HELPER_ARGS_MAX + 1];
    int n = 0;
    if (strpbrk(command, "$&*(){}[]'\";\\|?<>~`")) {
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    } else {
        for (char *rest = command; n < HELPER_ARGS_MAX && (args[n] = strtok_r(rest, " ", &rest)); n++) {}
        args[n] = NULL;
        execvp(args[0], args);
    }
    _exit(127);
}

static bool do_helper(struct session *s, const char *program, const char *notes) {
    char command[LINE_BYTES + 32], chunk[IO_BYTES];
    struct text out = {0};
    int pipe_fds[2], status = 0;
    if (!good_name(notes)) return fail(s, "which note?");
    snprintf(command, sizeof command, "%s %s", program, notes);
    if (pipe2(pipe_fds, O_CLOEXEC) < 0) return fail(s, "busy");
    pid_t pid = fork();
    if (pid == 0) {
        struct rlimit cpu = {.rlim_cur = 5, .rlim_max = 5};
        setrlimit(RLIMIT_CPU, &cpu);
        signal(SIGPIPE, SIG_DFL);
        dup2(pipe_fds[1], STDOUT_FILENO);
        dup2(pipe_fds[1], STDERR_FILENO);
        if (fchdir(notes_fd) < 0) _exit(127);
        exec_helper(command);
    }
    close(pipe_fds[1]);
    for (ssize_t n; pid > 0 && (n = read(pipe_fds[0], chunk, sizeof chunk)) > 0;)
        append(&out, chunk, (size_t)n);
    close(pipe_fds[0]);
    if (pid > 0) waitpid(pid, &status, 0);
    if (status != 0) warn("%s: status %d", program, status);
    bool sent = pid > 0 ? ok(s, out.data, out.len) : fail(s, "busy");
    free(out.data);
    return sent;
}

/* ---- requests ---- */

/* Whether the connection stays open. */
static bool answer_request(struct session *s, char *line) {
    char *rest = line, *verb = strtok_r(rest, " ", &rest);
    if (!verb) return fail(s, "empty");
    if (strcmp(verb, "QUIT") == 0) return ok(s, NULL, 0) && false;
    if (strcmp(verb, "HELLO") == 0) return do_hello(s, strtok_r(rest, " ", &rest));
    if (!s->greeted) {
        warn("%s before HELLO", verb);
        return fail(s, "HELLO first") && false;
    }
    /* Helpers take the rest of the line as it is. */
    if (strcmp(verb, "DIGEST") == 0) return do_helper(s, "sha256sum", rest);
    if (strcmp(verb, "COUNT") == 0) return do_helper(s, "wc", rest);
    if (strcmp(verb, "SORT") == 0) return do_helper(s, "sort", rest);
    if (strcmp(verb, "COMPARE") == 0) return do_helper(s, "cmp", rest);
    if (strcmp(verb, "ARCHIVE") == 0) return do_helper(s, "gzip -9c", rest);

    char *a = strtok_r(rest, " ", &rest), *b = strtok_r(rest, " ", &rest);
    char *option = strtok_r(rest, " ", &rest);
    size_t size = b ? strtoul(b, NULL, 10) : 0;
    if (strcmp(verb, "STATUS") == 0) return do_status(s);
    if (strcmp(verb, "LIST") == 0) return do_notes(s, a, list_one);
    if (!good_name(a)) return fail(s, "which note?");
    if (strcmp(verb, "SEARCH") == 0) return do_notes(s, a, search_one);
    if (strcmp(verb, "GET") == 0) return do_get(s, a);
    if (strcmp(verb, "HEAD") == 0) return do_head(s, a);
    if (strcmp(verb, "TAIL") == 0) return do_tail(s, a, size);
    if (strcmp(verb, "DEL") == 0)
        return unlinkat(notes_fd, a, 0) == 0 ? ok(s, NULL, 0) : missing(s, a);
    if (strcmp(verb, "COPY") == 0) return good_name(b) ? do_copy(s, a, b) : fail(s, "where to?");
    if (strcmp(verb, "MOVE") == 0) return good_name(b) ? do_move(s, a, b) : fail(s, "where to?");
    if (size > BODY_BYTES_MAX) {
        warn("%s: %zu bytes are too many", a, size);
        return fail(s, "too large") && false;
    }
    bool from = option && strncmp(option, "from=", 5) == 0;
    if (strcmp(verb, "PUT") == 0) return do_put(s, a, size, from ? option + 5 : NULL);
    if (strcmp(verb, "APPEND") == 0) return do_append(s, a, size);
    warn("unknown request %s", verb);
    return fail(s, "unknown request");
}
