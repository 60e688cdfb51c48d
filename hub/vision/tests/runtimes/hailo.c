/* HailoRT's library as it may be, without an accelerator: its functions for C, as far as the hub calls them. What is bright is of the
 * first label, as in the small models of these tests. hub/vision/tests/runtimes.rs compiles it.
 *
 * MADE_UP  what is wrong: one of below, and from which picture on (AFTER)
 *
 * Its structures are those of `hailo/hailort.h`, 4.20 to 4.23. Like the real one it starts a thread when it is opened, asks the kernel what
 * accelerators there are, opens a device file, and does for one process at a time.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { NOTHING, GONE, CRASHES, HANGS, FAILS, GARBAGE, TWO_OUTPUTS, NO_BOXES, LARGER, GREY, SLOW_START };
enum { SUCCESS = 0, INSUFFICIENT_BUFFER = 5, TIMEOUT = 4, INVALID_HEF = 26, IN_USE = 74 };
enum { SIDE = 320, LABELS = 2, MOST = 4, AS_FLOATS = 3 };

struct format {
    int type, order, flags;
};
struct info {
    char name[128], network_name[128 + 1 + 128];
    int direction;
    struct format format;
    uint32_t shape[4];
    float quant_info[4];
};
struct params {
    char name[128];
    char params[28];
};
_Static_assert(sizeof(struct info) == 436 && offsetof(struct info, format) == 392, "hailo_vstream_info_t");
_Static_assert(sizeof(struct params) == 156, "hailo_input_vstream_params_by_name_t");

static pthread_t thread;
static uint8_t picture[SIDE * SIDE * 3];
static unsigned pictures;

static void *idle(void *nothing) {
    for (;;)
        sleep(5);
    return nothing;
}

__attribute__((constructor)) static void opened(void) { pthread_create(&thread, NULL, idle, NULL); }

static bool wrong(int what) { return MADE_UP == what && pictures >= AFTER; }

const char *hailo_get_status_message(int status) {
    switch (status) {
    case INSUFFICIENT_BUFFER: return "HAILO_INSUFFICIENT_BUFFER";
    case TIMEOUT: return "HAILO_TIMEOUT";
    case INVALID_HEF: return "HAILO_INVALID_HEF";
    case IN_USE: return "HAILO_OUT_OF_PHYSICAL_DEVICES";
    default: return NULL;
    }
}

/* Whether this process has it now: a lock in a file that stands for the device, which the kernel takes from whoever ends. */
static bool takes(int device) {
    struct {
        uint32_t ready, taken; /* the tests read how often it was */
        pthread_mutex_t lock;
    } *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, device, 0);
    pthread_mutexattr_t robust;
    if (shared == MAP_FAILED)
        return false;
    if (!shared->ready) {
        pthread_mutexattr_init(&robust);
        pthread_mutexattr_setpshared(&robust, PTHREAD_PROCESS_SHARED);
        pthread_mutexattr_setrobust(&robust, PTHREAD_MUTEX_ROBUST);
        pthread_mutex_init(&shared->lock, &robust);
        shared->ready = true;
    }
    int busy = pthread_mutex_trylock(&shared->lock);
    if (busy && (busy != EOWNERDEAD || pthread_mutex_consistent(&shared->lock)))
        return false;
    shared->taken++;
    return true;
}

int hailo_create_vdevice(void *params, void **device) {
    int file = open(DEVICE, O_RDWR | O_CLOEXEC);
    DIR *all = opendir("/sys/class");
    if (params || !all || MADE_UP == GONE || file < 0 || !takes(file))
        return IN_USE;
    closedir(all);
    if (MADE_UP == SLOW_START)
        sleep(2);
    *device = &thread;
    return SUCCESS;
}

int hailo_create_hef_buffer(void **hef, const void *buffer, size_t size) {
    if (size < 8 || memcmp((const char *)buffer + 4, "good", 4))
        return INVALID_HEF;
    *hef = picture;
    return SUCCESS;
}

int hailo_configure_vdevice(void *device, void *hef, void *params, void **networks, size_t *count) {
    if (device != &thread || hef != picture || params || *count < 1)
        return INSUFFICIENT_BUFFER;
    networks[0] = &pictures;
    *count = 1;
    return SUCCESS;
}

static int make_params(void *network, int type, struct params *params, size_t *count, size_t streams) {
    size_t room = *count;
    *count = streams;
    if (network != &pictures || room < streams)
        return INSUFFICIENT_BUFFER;
    memset(params, type, sizeof *params * streams);
    return SUCCESS;
}

int hailo_make_input_vstream_params(void *network, bool unused, int type, struct params *params, size_t *count) {
    return unused ? TIMEOUT : make_params(network, type, params, count, 1);
}

int hailo_make_output_vstream_params(void *network, bool unused, int type, struct params *params, size_t *count) {
    return unused ? TIMEOUT : make_params(network, type, params, count, MADE_UP == TWO_OUTPUTS ? 2 : 1);
}

int hailo_create_input_vstreams(void *network, const struct params *params, size_t count, void **streams) {
    *streams = picture;
    return network == &pictures && count == 1 && params->params[0] == 1 ? SUCCESS : TIMEOUT;
}

int hailo_create_output_vstreams(void *network, const struct params *params, size_t count, void **streams) {
    *streams = &thread;
    return network == &pictures && count == 1 && params->params[0] == AS_FLOATS ? SUCCESS : TIMEOUT;
}

int hailo_get_input_vstream_info(void *stream, struct info *info) {
    uint32_t colors = MADE_UP == GREY ? 1 : 3;
    *info = (struct info){.format = {1, 1, 0}, .shape = {SIDE, SIDE, colors}};
    return stream == picture ? SUCCESS : TIMEOUT;
}

int hailo_get_output_vstream_info(void *stream, struct info *info) {
    int order = MADE_UP == NO_BOXES ? 1 : 22;
    *info = (struct info){.direction = 1, .format = {AS_FLOATS, order, 0}, .shape = {LABELS, MOST, LABELS * MOST, 0}};
    return stream == &thread ? SUCCESS : TIMEOUT;
}

int hailo_get_input_vstream_frame_size(void *stream, size_t *size) {
    *size = sizeof picture;
    return stream == picture ? SUCCESS : TIMEOUT;
}

int hailo_get_output_vstream_frame_size(void *stream, size_t *size) {
    *size = LABELS * (1 + 5 * MOST) * sizeof(float) + (MADE_UP == LARGER ? 4 : 0);
    return stream == &thread ? SUCCESS : TIMEOUT;
}

int hailo_vstream_write_raw_buffer(void *stream, const void *buffer, size_t size) {
    if (stream != picture || size != sizeof picture)
        return TIMEOUT;
    memcpy(picture, buffer, size);
    return SUCCESS;
}

int hailo_vstream_read_raw_buffer(void *stream, void *buffer, size_t size) {
    float *numbers = buffer;
    int left = SIDE, top = SIDE, right = 0, bottom = 0;
    pictures++;
    while (wrong(HANGS))
        sleep(1);
    if (wrong(CRASHES))
        *(volatile int *)16 = 1;
    if (wrong(FAILS) || stream != &thread || size != LABELS * (1 + 5 * MOST) * sizeof(float))
        return TIMEOUT;
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++)
            if (picture[(y * SIDE + x) * 3 + 1] > 200) {
                left = x < left ? x : left, right = x + 1 > right ? x + 1 : right;
                top = y < top ? y : top, bottom = y + 1;
            }
    *numbers++ = wrong(GARBAGE) ? NAN : right > left;
    if (right > left) {
        float box[5] = {top / (float)SIDE, left / (float)SIDE, bottom / (float)SIDE, right / (float)SIDE, 0.9f};
        memcpy(numbers, box, sizeof box);
        numbers += 5;
    }
    *numbers = 0;
    return SUCCESS;
}
