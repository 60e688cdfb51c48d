/* Logs every call by which a program changes files below two folders, in the one order in which they happened.
 *
 * LD_PRELOAD it; PLUG_LOG says where the log goes, PLUG_A and PLUG_B are the folders. testkit::plug reads the log.
 *
 * A record: op u8, time u64 (CLOCK_BOOTTIME, ns), inode u64, a u64, b u64, length of path u32, length of data u32, path,
 * data; in the machine's byte order. A write is logged under the same lock under which it is done, so that the log's order
 * is the file's. Of a sync both ends are logged: it holds for what was written before it began, once it has ended.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { CREATE = 1, MKDIR, WRITE, TRUNCATE, RENAME, LINK, UNLINK, RMDIR, SYNC_BEGIN, SYNC_END, ALLOCATE };

#define ROOM 4096
#define REAL(name) ((__typeof__(&name))real(#name))

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int log_fd = -1;
static uint64_t syncs;

static void *real(const char *name) {
    void *found = dlsym(RTLD_NEXT, name);
    if (!found) abort();
    return found;
}

/* What is not logged must not pass for logged. */
static void put(const struct iovec *parts, int count) {
    ssize_t all = 0;
    for (int i = 0; i < count; i++) all += (ssize_t)parts[i].iov_len;
    if (REAL(writev)(log_fd, parts, count) != all) abort();
}

static void record(uint8_t op, uint64_t inode, uint64_t a, uint64_t b, const char *path, const void *data, size_t len) {
    int before = errno;
    if (log_fd < 0) {
        const char *to = getenv("PLUG_LOG");
        if (!to) abort();
        log_fd = REAL(open)(to, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (log_fd < 0) abort();
    }
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    uint64_t time = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    uint32_t path_len = (uint32_t)strlen(path), data_len = (uint32_t)len;
    char head[41];
    head[0] = (char)op;
    memcpy(head + 1, &time, 8);
    memcpy(head + 9, &inode, 8);
    memcpy(head + 17, &a, 8);
    memcpy(head + 25, &b, 8);
    memcpy(head + 33, &path_len, 4);
    memcpy(head + 37, &data_len, 4);
    struct iovec parts[3] = {{head, sizeof head}, {(void *)path, path_len}, {(void *)data, len}};
    put(parts, 3);
    errno = before;
}

static int below(const char *path) {
    const char *folders[2] = {getenv("PLUG_A"), getenv("PLUG_B")};
    for (int i = 0; i < 2; i++) {
        size_t len = folders[i] ? strlen(folders[i]) : 0;
        if (len && !strncmp(path, folders[i], len) && (path[len] == 0 || path[len] == '/')) return 1;
    }
    return 0;
}

static int path_of(int fd, char *to) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, to, ROOM - 1);
    if (len < 0) return 0;
    to[len] = 0;
    return 1;
}

/* The path that a call means, if it lies below the folders. */
static int meant(int dir, const char *path, char *to) {
    int before = errno;
    char folder[ROOM];
    int known = 1;
    if (path[0] == '/') known = snprintf(to, ROOM, "%s", path) < ROOM;
    else if (dir == AT_FDCWD) known = getcwd(folder, ROOM) && snprintf(to, ROOM, "%s/%s", folder, path) < ROOM;
    else known = path_of(dir, folder) && snprintf(to, ROOM, "%s/%s", folder, path) < ROOM;
    errno = before;
    return known && below(to);
}

/* The file behind a descriptor, if it lies below the folders; its path, too. */
static uint64_t file_of(int fd, char *path) {
    int before = errno;
    struct stat is;
    uint64_t inode = 0;
    if (path_of(fd, path) && below(path) && !fstat(fd, &is)) inode = is.st_ino;
    errno = before;
    return inode;
}

static uint64_t inode_at(const char *path) {
    int before = errno;
    struct stat is;
    uint64_t inode = lstat(path, &is) ? 0 : is.st_ino;
    errno = before;
    return inode;
}

/* Nobody listens on it after a power cut, and bind is not logged. */
static int is_socket(const char *path) {
    int before = errno;
    struct stat is;
    int socket = !lstat(path, &is) && S_ISSOCK(is.st_mode);
    errno = before;
    return socket;
}

static int do_open(int dir, const char *path, int flags, mode_t mode) {
    char full[ROOM];
    if (!(flags & (O_CREAT | O_TRUNC)) || !meant(dir, path, full)) return REAL(openat)(dir, path, flags, mode);
    pthread_mutex_lock(&lock);
    uint64_t was = inode_at(full);
    int fd = REAL(openat)(dir, path, flags, mode);
    if (fd >= 0 && !was) record(CREATE, inode_at(full), mode, 0, full, "", 0);
    else if (fd >= 0 && (flags & O_TRUNC)) record(TRUNCATE, was, 0, 0, "", "", 0);
    pthread_mutex_unlock(&lock);
    return fd;
}

#define MODE(flags)                                                                                                    \
    mode_t mode = 0;                                                                                                   \
    if ((flags) & O_CREAT) {                                                                                           \
        va_list more;                                                                                                  \
        va_start(more, flags);                                                                                         \
        mode = va_arg(more, mode_t);                                                                                   \
        va_end(more);                                                                                                  \
    }
int open(const char *path, int flags, ...) { MODE(flags) return do_open(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags) return do_open(AT_FDCWD, path, flags, mode); }
int openat(int dir, const char *path, int flags, ...) { MODE(flags) return do_open(dir, path, flags, mode); }
int openat64(int dir, const char *path, int flags, ...) { MODE(flags) return do_open(dir, path, flags, mode); }

/* Every way of writing is this one: its data in parts, at a place or (-1) at the descriptor's. */
static ssize_t do_write(int fd, const struct iovec *parts, int count, off64_t at) {
    char path[ROOM];
    uint64_t inode = file_of(fd, path);
    if (!inode) return at < 0 ? REAL(writev)(fd, parts, count) : REAL(pwritev64)(fd, parts, count, at);
    pthread_mutex_lock(&lock);
    ssize_t done = at < 0 ? REAL(writev)(fd, parts, count) : REAL(pwritev64)(fd, parts, count, at);
    if (done > 0) {
        if (at < 0) at = lseek64(fd, 0, SEEK_CUR) - done;
        ssize_t left = done;
        for (int i = 0; i < count && left > 0; i++) {
            size_t len = parts[i].iov_len < (size_t)left ? parts[i].iov_len : (size_t)left;
            if (len) record(WRITE, inode, (uint64_t)at, 0, "", parts[i].iov_base, len);
            at += (off64_t)len;
            left -= (ssize_t)len;
        }
    }
    pthread_mutex_unlock(&lock);
    return done;
}
ssize_t write(int fd, const void *data, size_t len) {
    char path[ROOM];
    if (!file_of(fd, path)) return REAL(write)(fd, data, len);
    struct iovec part = {(void *)data, len};
    return do_write(fd, &part, 1, -1);
}
ssize_t writev(int fd, const struct iovec *parts, int count) { return do_write(fd, parts, count, -1); }
ssize_t pwrite64(int fd, const void *data, size_t len, off64_t at) {
    struct iovec part = {(void *)data, len};
    return do_write(fd, &part, 1, at);
}
ssize_t pwrite(int fd, const void *data, size_t len, off_t at) { return pwrite64(fd, data, len, at); }
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t at) {
    /* Only for those who call it from outside: do_write finds the real one by itself. */
    return do_write(fd, parts, count, at);
}
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at) { return do_write(fd, parts, count, at); }

int ftruncate64(int fd, off64_t len) {
    char path[ROOM];
    uint64_t inode = file_of(fd, path);
    if (!inode) return REAL(ftruncate64)(fd, len);
    pthread_mutex_lock(&lock);
    int done = REAL(ftruncate64)(fd, len);
    if (!done) record(TRUNCATE, inode, (uint64_t)len, 0, "", "", 0);
    pthread_mutex_unlock(&lock);
    return done;
}
int ftruncate(int fd, off_t len) { return ftruncate64(fd, len); }

static int do_allocate(int fd, off64_t at, off64_t len) {
    char path[ROOM];
    uint64_t inode = file_of(fd, path);
    if (!inode) return REAL(posix_fallocate64)(fd, at, len);
    pthread_mutex_lock(&lock);
    int done = REAL(posix_fallocate64)(fd, at, len);
    if (!done) record(ALLOCATE, inode, (uint64_t)(at + len), 0, "", "", 0);
    pthread_mutex_unlock(&lock);
    return done;
}
int posix_fallocate(int fd, off_t at, off_t len) { return do_allocate(fd, at, len); }
int posix_fallocate64(int fd, off64_t at, off64_t len) { return do_allocate(fd, at, len); }

static int do_sync(int fd, int (*sync)(int)) {
    char path[ROOM];
    uint64_t inode = file_of(fd, path);
    if (!inode) return sync(fd);
    pthread_mutex_lock(&lock);
    uint64_t number = ++syncs;
    record(SYNC_BEGIN, inode, number, 0, path, "", 0);
    pthread_mutex_unlock(&lock);
    int done = sync(fd);
    if (!done) {
        pthread_mutex_lock(&lock);
        record(SYNC_END, inode, number, 0, path, "", 0);
        pthread_mutex_unlock(&lock);
    }
    return done;
}
int fsync(int fd) { return do_sync(fd, REAL(fsync)); }
int fdatasync(int fd) { return do_sync(fd, REAL(fdatasync)); }
/* sync_file_range is let pass and never logged: it makes nothing durable. */

static int do_mkdir(int dir, const char *path, mode_t mode) {
    char full[ROOM];
    if (!meant(dir, path, full)) return REAL(mkdirat)(dir, path, mode);
    pthread_mutex_lock(&lock);
    int done = REAL(mkdirat)(dir, path, mode);
    if (!done) record(MKDIR, inode_at(full), mode, 0, full, "", 0);
    pthread_mutex_unlock(&lock);
    return done;
}
int mkdir(const char *path, mode_t mode) { return do_mkdir(AT_FDCWD, path, mode); }
int mkdirat(int dir, const char *path, mode_t mode) { return do_mkdir(dir, path, mode); }

static int do_unlink(int dir, const char *path, int flags) {
    char full[ROOM];
    if (!meant(dir, path, full)) return REAL(unlinkat)(dir, path, flags);
    pthread_mutex_lock(&lock);
    int done = REAL(unlinkat)(dir, path, flags);
    if (!done) record(flags & AT_REMOVEDIR ? RMDIR : UNLINK, 0, 0, 0, full, "", 0);
    pthread_mutex_unlock(&lock);
    return done;
}
int unlink(const char *path) { return do_unlink(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return do_unlink(AT_FDCWD, path, AT_REMOVEDIR); }
int unlinkat(int dir, const char *path, int flags) { return do_unlink(dir, path, flags); }

static int do_rename(int from_dir, const char *from, int to_dir, const char *to, unsigned flags) {
    char old[ROOM], new[ROOM];
    int is_old = meant(from_dir, from, old), is_new = meant(to_dir, to, new);
    if (!is_old && !is_new) return REAL(renameat2)(from_dir, from, to_dir, to, flags);
    if (!is_old || !is_new || flags & RENAME_EXCHANGE) abort(); /* not modelled */
    pthread_mutex_lock(&lock);
    int outlives = !is_socket(old);
    int done = REAL(renameat2)(from_dir, from, to_dir, to, flags);
    if (!done && outlives) record(RENAME, 0, 0, 0, old, new, strlen(new));
    pthread_mutex_unlock(&lock);
    return done;
}
int rename(const char *from, const char *to) { return do_rename(AT_FDCWD, from, AT_FDCWD, to, 0); }
int renameat(int a, const char *from, int b, const char *to) { return do_rename(a, from, b, to, 0); }
int renameat2(int a, const char *from, int b, const char *to, unsigned flags) { return do_rename(a, from, b, to, flags); }

static int do_link(int from_dir, const char *from, int to_dir, const char *to, int flags) {
    char old[ROOM], new[ROOM];
    int is_old = meant(from_dir, from, old), is_new = meant(to_dir, to, new);
    if (!is_old && !is_new) return REAL(linkat)(from_dir, from, to_dir, to, flags);
    if (!is_old || !is_new) abort(); /* not modelled */
    pthread_mutex_lock(&lock);
    int done = REAL(linkat)(from_dir, from, to_dir, to, flags);
    if (!done) record(LINK, 0, 0, 0, old, new, strlen(new));
    pthread_mutex_unlock(&lock);
    return done;
}
int link(const char *from, const char *to) { return do_link(AT_FDCWD, from, AT_FDCWD, to, 0); }
int linkat(int a, const char *from, int b, const char *to, int flags) { return do_link(a, from, b, to, flags); }
