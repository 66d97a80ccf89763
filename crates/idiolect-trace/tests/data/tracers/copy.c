#include <fcntl.h>
#include <unistd.h>
int main(int argc, char **argv) {
    char buffer[64];
    int fd = argc > 1 ? open(argv[1], O_RDONLY) : 0;
    ssize_t n;
    while ((n = read(fd, buffer, sizeof buffer)) > 0) write(1, buffer, n);
    return n < 0;
}
