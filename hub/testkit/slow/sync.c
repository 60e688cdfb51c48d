/* A disk whose syncs take long: LD_PRELOAD it. SLOW_BELOW is the folder, SLOW_MS a file that says how many milliseconds each
 * sync of a file below it takes longer; it is read at each. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void wait_for(int fd) {
    const char *below = getenv("SLOW_BELOW"), *file = getenv("SLOW_MS");
    char link[64], path[4096], text[32];
    if (!below || !file) abort();
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, sizeof path - 1);
    if (len < 0) return;
    path[len] = 0;
    if (strncmp(path, below, strlen(below)) != 0) return;
    int control = open(file, O_RDONLY | O_CLOEXEC);
    if (control < 0) return;
    len = read(control, text, sizeof text - 1);
    close(control);
    text[len < 0 ? 0 : len] = 0;
    long ms = atol(text);
    struct timespec wait = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&wait, NULL);
}

#define SYNC(name) \
    int name(int fd) { \
        int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, #name); \
        if (!real) abort(); \
        wait_for(fd); \
        return real(fd); \
    }

SYNC(fsync)
SYNC(fdatasync)
