#include <pthread.h>
#include <stdio.h>
#include <unistd.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <sys/syscall.h>
static void *work(void *arg) {
    for (int i = 0; i < 3; i++) { int fd = open("/dev/null", O_WRONLY); write(fd, "x", 1); close(fd); }
    syscall(SYS_getppid);
    return arg;
}
int main(void) {
    pthread_t t[2];
    for (int i = 0; i < 2; i++) { pthread_create(&t[i], 0, work, 0); pthread_join(t[i], 0); }
    pid_t child = fork();
    if (child == 0) { execl("/tmp/demo/done", "done", (char *)0); _exit(1); }
    waitpid(child, 0, 0);
    access("/nonexistent", R_OK);
    return 3;
}
