/* ONNX Runtime's library as it may be: the real one's functions, but for the one that runs a model. hub/vision/tests/runtimes.rs
 * compiles it, and says which function is where in the table of them (OrtApi, which only ever grows at its end).
 *
 * REAL      the real library
 * MADE_UP   what is wrong: one of below
 * AFTER     so many pictures are looked at before it is
 *
 * CARD is nothing wrong: it has a provider for CUDA, which does on this machine what the driver of a card does, and then computes on
 * the processor.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { GARBAGE, SLOW, WAITS, HANGS, CRASHES, CARD };

typedef void *(*any)(void);
typedef void *(*run)(void *, void *, const char *const *, void *const *, size_t, const char *const *, size_t, void **);

struct base {
    any *(*functions)(uint32_t version);
    const char *(*version)(void);
};

static any table[COUNT];
static run real_run;
static struct base own, *real;
static unsigned pictures;

/* Other numbers in place of the right ones. */
static void scribble(void *tensor) {
    void *numbers = NULL, *shape = NULL;
    size_t count = 0;
    ((void *(*)(void *, void **))table[DATA])(tensor, &numbers);
    ((void *(*)(void *, void **))table[SHAPE])(tensor, &shape);
    ((void *(*)(void *, size_t *))table[ELEMENTS])(shape, &count);
    ((void (*)(void *))table[RELEASE])(shape);
    for (size_t i = 0; i < count; i++)
        ((float *)numbers)[i] = 7.5f;
}

static void *made_up_run(void *session, void *options, const char *const *names, void *const *inputs, size_t count,
                         const char *const *output_names, size_t output_count, void **outputs) {
    int wrong = pictures++ >= AFTER;
    while (wrong && MADE_UP == HANGS)
        sleep(1);
    if (wrong && MADE_UP == CRASHES)
        *(volatile int *)16 = 1;
    if (wrong && MADE_UP == WAITS)
        usleep(500 * 1000);
    if (wrong && MADE_UP == SLOW)
        for (clock_t began = clock(); clock() - began < CLOCKS_PER_SEC / 3;)
            ;
    void *status = real_run(session, options, names, inputs, count, output_names, output_count, outputs);
    if (wrong && MADE_UP == GARBAGE && !status)
        for (size_t i = 0; i < output_count; i++)
            scribble(outputs[i]);
    return status;
}

static void *same(void *argument) { return argument; }

/* Whether a file opens; its end is not asked for. */
static int opens(const char *path, int how) {
    char byte;
    int file = open(path, how | O_CLOEXEC);
    int good = file >= 0 && (how == O_RDONLY ? read(file, &byte, 1) == 1 : write(file, "x", 1) == 1);
    if (file >= 0)
        close(file);
    return good;
}

/* What a card's driver wants of the machine, and what it must not get. NULL: all is as it should be. */
static const char *drive(void) {
    pthread_t thread;
    void *answer = NULL;
    if (!dlopen(BESIDE, RTLD_NOW | RTLD_LOCAL))
        return "a library beside it cannot be loaded";
    if (!opens("/dev/null", O_RDWR))
        return "its device cannot be opened";
    if (!opens("/proc/self/maps", O_RDONLY) || !opens("/sys/devices/system/cpu/online", O_RDONLY))
        return "the machine cannot be asked";
    if (pthread_create(&thread, NULL, same, table) || pthread_join(thread, &answer) || answer != table)
        return "no thread can be started";
    if (opens("/dev/zero", O_RDONLY) || opens("/etc/passwd", O_RDONLY) || opens("/proc/1/comm", O_RDONLY))
        return "it can read what it must not";
    return NULL;
}

static void *no_options(void **options) {
    *options = &table;
    return NULL;
}

static void *ok(void) { return NULL; }

static void *append(void) {
    const char *fault = drive();
    return fault ? ((void *(*)(int, const char *))table[STATUS])(1, fault) : NULL;
}

static any *functions(uint32_t version) {
    any *all = real->functions(version);
    if (!all)
        return NULL;
    memcpy(table, all, sizeof table);
    real_run = (run)table[RUN];
    table[RUN] = (any)made_up_run;
    if (MADE_UP == CARD) {
        table[CREATE] = (any)no_options;
        table[UPDATE] = (any)ok;
        table[APPEND] = (any)append;
        table[FORGET] = (any)ok;
    }
    return table;
}

struct base *OrtGetApiBase(void) {
    void *library = dlopen(REAL, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return NULL;
    real = ((struct base * (*)(void)) dlsym(library, "OrtGetApiBase"))();
    own = (struct base){functions, real->version};
    return &own;
}
